# %% [markdown] id="title" executed_on="sample"
# # Module 5 · A transfer-pretrained autoencoder on retinal OCT
#
# A convolutional autoencoder (CAE) sees healthy retinas only, and is to find diseased ones. Its encoder comes from a
# classifier that was trained before. This is how a published notebook works; we call it *the source*. You build its
# pipeline, find out what the encoder had already seen, and measure what this leak is worth.
#
# **Afterwards you can**
# - split scans by patient, and say why a split by scan flatters the result;
# - freeze a network so that nothing in it changes;
# - measure how much of a result comes from labels that the method should not have had;
# - state a false-positive rate for *new patients*, and say what it promises.
#
# **You need** modules 1 and 3, and from PyTorch `nn.Module`, `state_dict` and a training loop.
#
# <!-- time -->

# %% id="setup" tags=["setup"]
import sys
from pathlib import Path

sys.path.insert(0, "..")  # the course folder
import helpers  # before torch: sets how its threads wait

import numpy as np
import torch
from torch import nn

from helpers.checks import check, hint, progress, solution
from helpers.models import conv_output_size, make_decoder, make_encoder, signed
from helpers.preload import preload
from helpers.runtime import device, preflight, profile, set_seed, training_length
from helpers.training import adam, apply, as_input

preload("torch._dynamo")  # what the first training waits for

# %% id="preflight" tags=["nbval-ignore-output"]
preflight("05")
preload("seaborn", "helpers.checks.module_05")  # while you read

# %% [markdown] id="data-text"
# ## 1 · Reading an OCT scan
#
# Optical coherence tomography (OCT) sends light into the eye and measures how deep each reflection lies. The result
# is a **B-scan**, a vertical cut through the retina.
#
# If you have the scans of Kermany et al. (Cell 2018), the course uses them. Otherwise it draws artificial scans.
# (Another folder also works if its healthy class is called *normal*.) `task` divides the patients into three roles: a
# **pool** for training, **validation** for thresholds, and **test** for the report.

# %% id="data"
import pandas as pd

from helpers.datasets.splits import patients
from helpers.experiments.module_05 import diseases, task

pool, validation, test = task()
normals, sick = pool.of_class("NORMAL"), diseases(test)
size = test.images.shape[-1]
roles = {"pool": pool, "validation": validation, "test": test}
counts = pd.DataFrame(
    {role: {c: len(p.of_class(c)) for c in p.classes} for role, p in roles.items()}
)
counts.loc["patients"] = [len(np.unique(patients(p))) for p in roles.values()]
counts.rename_axis("scans")

# %% id="contact-sheet" tags=["cover"]
from helpers import plotting

plotting.use_course_style()

sheet = {name: test.of_class(name) for name in ["NORMAL", *sick]}
outlined = "Lesions are outlined." if test.masks is not None else "These scans have no masks."
plotting.show(
    plotting.scan_rows({c: part.take(np.arange(6) * len(part) // 6) for c, part in sheet.items()}),
    f"Six test scans of each class: {', '.join(sheet)}. {outlined}",
    alt=f"Grey images in {len(sheet)} rows of six, one row a class. Each shows a band of bright and dark "
    f"layers across a dark ground. {outlined}",
)

# %% [markdown] id="diseases-text"
# The black part at the top of a scan is the inside of the eye. The bright band at the bottom of the retina holds its
# pigment epithelium (**RPE**).
#
# | disease | what one sees |
# |---|---|
# | CNV, choroidal neovascularization | new vessels lift the RPE, with bright tissue and often fluid above it |
# | DME, diabetic macular edema | the retina swells and contains dark cysts |
# | drusen, in early AMD (age-related macular degeneration) | deposits push the RPE up in small bumps |
#
# (A class AMD, as some data sets have it, can hold drusen and CNV.)

# %% [markdown] id="patients-text"
# ### Patients
#
# A patient contributes several scans of the same eye, a fraction of a millimetre apart. For each scan of the pool we
# look for the nearest *other* scan, and count how often it belongs to the same patient.

# %% id="alike"
who, x = patients(pool), as_input(pool.images).cpu().flatten(1)
distance = torch.cdist(x, x).fill_diagonal_(torch.inf)
same = (who[distance.argmin(dim=1)] == who).mean()
by_chance = np.mean([(who == patient).sum() - 1 for patient in who]) / (len(who) - 1)
unit = "patient" if pool.groups is not None else "run of ten files"
print(f"nearest scan is of the same {unit}: {same:.1%}; a random one: {by_chance:.1%}")

# %% id="claim-alike" tags=["claim"]
from helpers.claims import claim

claim("the nearest scan is of the same patient more often than a random one", same > by_chance)

# %% [markdown] id="alike-lesson" no_result="literature: Tampu et al. 2022"
# If such scans are split at random, the test set is full of relatives of the training scans. On three OCT data sets,
# Kermany's among them, random splits raised the accuracy of classifiers by 5 to 30 percentage points (Tampu et al.,
# 2022). So this module draws every split by patient: all scans of a patient stay together. (Where a data set does not
# name its patients, runs of ten neighbouring files stand in for them, here and in all tables. Then the scans of one
# patient may still lie in two runs.)

# %% [markdown] id="layers-text" tags=["optional"]
# ### The layers by depth
#
# At the surface of the retina the nerve fibres send light back. The bright band at the bottom holds the
# photoreceptors and the RPE. Beneath it, the choroid fades out.

# %% id="layers"
plotting.show(
    plotting.scan_profile(normals.images[0, 0]),
    "A healthy scan, and the mean brightness of its middle columns by depth, with the inner surface of "
    "the retina and the lower edge of its bottom band marked.",
    alt="Left: one healthy scan. Right: a curve of brightness against depth, with several peaks between two "
    "marked depths, the inner surface of the retina and the lower edge of its bottom band.",
)

# %% [markdown] id="classes-question"
# Look at the sheet again. Which class differs most from healthy scans, and which differs least?

# %% id="seen-diseases" tags=["seen"]
from helpers.claims import seen
from helpers.experiments.module_05 import baseline_scores
from helpers.metrics import auroc

_far = baseline_scores(normals.images, test.images)["nearest image"]
_name = np.array(test.classes)[test.labels]
_area = {c: auroc(_far[_name == "NORMAL"], _far[_name == c]) for c in sick}
_most, _least = max(_area, key=_area.get), min(_area, key=_area.get)
seen(
    "One plain measure is the distance to the nearest healthy scan of the pool, on images of 32×32 pixels. "
    + (
        f"It separates {_most} best from healthy scans (AUROC {_area[_most]:.2f}) and {_least} least "
        f"({_area[_least]:.2f})."
        if len(_area) > 1
        else f"It separates {_most} from healthy scans with an AUROC of {_area[_most]:.2f}."
    )
    + " A large lesion changes many pixels and a small one few; but a retina that is shifted or "
    "curved changes pixels, too."
)

# %% [markdown] id="network-text"
# ## 2 · The network
#
# The source's encoder has four groups (ours in the quick profile has three). Each has two **residual blocks** and
# then a convolution of stride 2, which halves the side of the image.
#
# A residual block has two paths and adds them: $y = s(x) + f(x)$. The path $f$ has two convolutions, each followed by
# **batch normalization** and a ReLU. Batch normalization brings each channel to mean 0 and standard deviation 1, and
# then applies a learned weight and bias. The **short cut** $s$ passes $x$ on.
#
# The decoder mirrors the encoder. It ends in a tanh, whose values lie in $[-1, 1]$. So `signed` brings pixels there.
#
# (The numbers of exercises do not come in order.)

# %% [markdown] id="block-exercise" tags=["optional"]
# ### Exercise 5.1
#
# Write `ResidualBlock`: (N, in, H, W) in, (N, out, H, W) out. Its `body` is twice: convolution 3×3 without bias,
# batch normalization, ReLU. The second ReLU comes *before* the sum. The short cut passes x on; where the number of
# channels changes, it is a 1×1 convolution, which mixes the channels of each pixel. **Done** when the block passes x
# on unchanged once its body gives zeros.

# %% id="block-figure"
plotting.show(
    plotting.residual_block(make_encoder((8, 16))[1][0], (8, 32, 32)),
    "A residual block of the encoder, drawn from the module itself. The lower path is the short cut: where the number "
    "of channels changes, it is a 1×1 convolution.",
    alt="Two paths lead from the input to a plus sign. The upper path has six boxes: convolution, batch "
    "normalization and ReLU, twice. The lower path has one box, the 1×1 convolution of the short cut.",
)


# %% id="ex-5-1" tags=["exercise"] reference="helpers.models.ResidualBlock"
class ResidualBlock(nn.Module):
    """x plus what two 3×3 convolutions find in it. (N, in, H, W) -> (N, out, H, W)"""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.body = ...  # six layers in an nn.Sequential
        self.skip = ...

    def forward(self, x): ...


# %% id="check-5-1" tags=["check", "nbval-check-output"]
ResidualBlock = check("5.1", ResidualBlock)

# %% [markdown] id="squeeze-text" tags=["optional"]
# ### Does this encoder compress?
#
# An autoencoder is said to press an image through a bottleneck. Let us count for this one.

# %% id="encoder-figure"
from helpers.experiments.module_05 import widths

plotting.show(
    plotting.network_diagram(make_encoder(widths()), (1, size, size), "Encoder"),
    f"The encoder of the {profile()} profile, for scans of {size}×{size} pixels.",
    alt=f"{len(widths())} groups in a row, each with two residual blocks and a convolution. The side of the "
    f"image halves from group to group, from {size} to {size >> len(widths())} pixels, while the channels "
    f"grow to {widths()[-1]}.",
)

# %% [markdown] id="shapes-text" tags=["optional"]
# ### Exercise 5.2
#
# Write `encoder_shapes`: side of the image in pixels and widths of the groups in; a list with the
# shape (channels, height, width) after each group out. The blocks keep the size. The convolution that ends a
# group has a 3×3 kernel, stride 2 and padding 1. **Done** when odd sides are right, too.


# %% id="ex-5-2" tags=["exercise"] reference="helpers.models.encoder_shapes"
def encoder_shapes(size, widths):
    """Shape (channels, height, width) after each group of the encoder, for size×size pixels."""
    ...  # conv_output_size from module 1 does the arithmetic


# %% id="check-5-2" tags=["check", "nbval-check-output"]
encoder_shapes = check("5.2", encoder_shapes)

# %% id="shapes" tags=["nbval-check-output"]
for shape in encoder_shapes(128, (64, 128, 256, 256)):
    print(" × ".join(map(str, shape)), "=", f"{np.prod(shape):,} numbers")
print(f"128 × 128 = {128 * 128:,} pixels")

# %% [markdown] id="ratio-text"
# Look at the last two lines: how many pixels of the image share one number of the code?

# %% id="seen-ratio" tags=["seen"]
_code = int(np.prod(encoder_shapes(128, (64, 128, 256, 256))[-1]))
seen(
    f"The code has {_code:,} numbers and the image has {128 * 128:,} pixels, a ratio of "
    f"{128 * 128 / _code:g}. This autoencoder has no bottleneck in the sense of module 1. "
    "What it forgets is decided by its weights and its training, not by the size of its code."
)

# %% [markdown] id="ratio-exercise" tags=["optional"]
# ### Exercise 5.3
#
# Write `compression_ratio`, which measures this for any encoder. In: the encoder and the shape (C, H, W) of an
# image. Out: how many of the image's C·H·W numbers there are for each number of the code, as a float and not
# a tensor. **Done** when the encoder is afterwards exactly what it was: its tensors, and the mode of *each
# part* (some parts may be in train mode and others in eval mode).


# %% id="ex-5-3" tags=["exercise"] reference="helpers.models.compression_ratio"
def compression_ratio(encoder, shape):
    """Numbers of an image of the given shape (C, H, W) for each number of its code. -> float"""
    ...  # a blank image will do; think of BatchNorm


# %% id="check-5-3" tags=["check", "nbval-check-output"]
compression_ratio = check("5.3", compression_ratio)

# %% id="ratio"
from helpers.experiments.module_05 import widths
from helpers.models import receptive_field

networks = {"the source's": (128, (64, 128, 256, 256)), f"{profile()} profile": (size, widths())}
ratios = []
for name, (side, channels) in networks.items():
    each = make_encoder(channels)
    weights = sum(p.numel() for p in each.parameters())
    ratios.append(compression_ratio(each, (1, side, side)))
    print(
        f"{name:15} {side} px, {weights:10,} parameters, ratio {ratios[-1]:g}, "
        f"a number of the code sees {receptive_field(each)} × {receptive_field(each)} pixels"
    )

# %% id="claim-ratio" tags=["claim"]
claim("neither network squeezes: a number of the code for each pixel", ratios == [1, 1])

# %% [markdown] id="field-text" no_result="a definition"
# > **receptive field.** The pixels of the input on which one number of a later layer depends.
#
# With each k×k convolution its side grows by (k - 1) steps of the current grid, and a stride of 2 doubles the
# step. We can test this with a gradient: which pixels influence one place in the middle of the code? (With
# positive weights and a bright image, no ReLU blocks the gradient.)

# %% id="field"
from helpers.experiments.module_05 import widths

fresh = make_encoder(widths()).eval()
for parameter in fresh.parameters():
    parameter.data.abs_()
side = receptive_field(fresh) + 64  # large enough to see its edges
x = torch.ones(1, 1, side, side).requires_grad_()
code = fresh(x)
code[0, :, code.shape[2] // 2, code.shape[3] // 2].sum().backward()
rows = x.grad[0, 0].abs().sum(dim=1).nonzero()
print(f"rows {rows.min()} to {rows.max()}: {rows.max() - rows.min() + 1} of {side}")

# %% id="seen-field" tags=["seen"]
_stride, _rows = 2 ** len(widths()), int(rows.max() - rows.min() + 1)
_first = int(rows.min()) - _stride * (code.shape[2] // 2)  # of the rows that the first place sees
_seen = [
    min(size, top + _rows) - max(0, top) for top in range(_first, _first + size, _stride)
]  # rows of a scan, place by place
seen(
    f"The gradient reaches {_rows} rows, and the rule says {receptive_field(fresh)}. Of a scan's {size} rows a place in "
    f"the middle of the code thus sees {_seen[len(_seen) // 2]}, and the first one, at the edge, {_seen[0]}."
)

# %% [markdown] id="ex-text-5-13" tags=["optional"]
# ### Exercise 5.13
#
# Write `make_decoder`: widths of the *encoder's* groups in, an `nn.Sequential` out that maps
# (N, widths[-1], s, s) to (N, 1, s·2^g, s·2^g) with g groups.
#
# - There is one group for each width, from the last width back to the first. A group is
#   `nn.Upsample(scale_factor=2, mode="nearest")`, which repeats each value in a 2×2 square, then two residual blocks.
# - The first block of a group goes over to the width of the encoder's group before it; the last group keeps
#   the first width.
# - After the groups: a convolution 3×3 with padding 1 to one channel, and a tanh.
# - With `code_channels` above 0, two convolutions 1×1 come first: to that many channels, and back.
#
# **Done** when widths (3, 5, 7) give the channels 7 → 5 → 3 → 3 → 1.


# %% id="ex-5-13" tags=["exercise"] reference="helpers.models.make_decoder"
def make_decoder(widths=(64, 128, 256, 256), code_channels=0):
    """Groups of upsampling and two residual blocks, as an nn.Sequential that ends in a tanh.

    (N, widths[-1], s, s) -> (N, 1, s·2^g, s·2^g)
    code_channels : of a bottleneck, which the code has to pass first; none without
    """
    ...


# %% id="check-5-13" tags=["check", "nbval-check-output"]
make_decoder = check("5.13", make_decoder)

# %% id="decoder-figure"
from helpers.experiments.module_05 import widths

plotting.show(
    plotting.network_diagram(
        make_decoder(widths()),
        (widths()[-1], size >> len(widths()), size >> len(widths())),
        "Decoder",
    ),
    "The decoder, drawn from the module that `make_decoder` returns.",
    alt=f"{len(widths())} groups in a row, each an upsampling and two residual blocks, then a convolution to "
    f"one channel and a tanh. The side doubles with each group, up to {size} pixels.",
)

# %% [markdown] id="pretraining-text"
# ## 3 · Pretraining
#
# > **transfer learning.** A network, or a part of it, is first trained on one task (**pretraining**) and then
# > used for another.
#
# The source pretrains the encoder as part of a **classifier**: one linear layer on top names the class. It uses a
# random 40 % of the training scans, of *all four classes* and with their labels. We draw 40 % as well, but of the
# patients.

# %% [markdown] id="subset-exercise"
# ### Exercise 5.4
#
# Write `subset_by_patient`: labels (N,), patients (N,) and a share in; the positions (m,) of the chosen scans out.
#
# 1. In each class, choose `share` of the patients at random: at least one, rounded as you like. Draw with
#    `rng = np.random.default_rng(seed)`.
# 2. Take all scans of the chosen patients, of whatever class.
#
# `patients_of_class` is given: it lists the patients of each class once. With a share of ½ its example gives the
# positions 0, 1, 3, 4 or 2, 3, 4. **Done** when no patient is split, and another seed gives another subset.

# %% id="patients-of-class"
from helpers.datasets.splits import patients_of_class

print(patients_of_class(np.array([0, 0, 0, 1, 1]), np.array([7, 7, 8, 9, 9])))  # labels, patients


# %% id="ex-5-4" tags=["exercise"] reference="helpers.datasets.splits.subset_by_patient"
def subset_by_patient(labels, groups, share, seed=0):
    """Positions of all images of `share` of the patients of each class, at least one of each."""
    ...  # np.isin(groups, chosen) says which scans are of the chosen patients


# %% id="check-5-4" tags=["check", "nbval-check-output"]
subset_by_patient = check("5.4", subset_by_patient)

# %% id="share"
shown = pool.take(subset_by_patient(pool.labels, patients(pool), 0.4))
drawn, known = (len(np.unique(patients(part))) for part in (shown, pool))
print(f"{drawn} of {known} patients, with {len(shown)} of {len(pool)} scans")

# %% [markdown] id="pretrain-text"
# ### The training
#
# Now train the classifier; `widths()` are the channels of the encoder's groups. Each scan is mirrored left to right
# with probability ½, as if it were of the other eye.

# %% id="pretrain"
from helpers.experiments.module_05 import classify, widths

set_seed(0)
encoder = make_encoder(widths()).to(device())
steps = training_length(quick=160, full=8000)
classifier, history = classify(encoder, shown, steps, validation, progress=True)
counts = np.bincount(validation.labels, minlength=len(validation.classes))
usual, largest = validation.classes[counts.argmax()], counts.max() / len(validation)
right = history[-1]["accuracy"]
print(f"right on validation patients: {right:.1%}; always {usual}: {largest:.1%}")
learned = "learned" if right > largest + 0.1 else "hardly learned"
print("so the encoder has", learned, "to tell these classes apart")

# %% [markdown] id="pretrain-question" tags=["optional"]
# ### Does the classifier overfit?
#
# Compare the two curves. Would you stop the training earlier?

# %% id="pretrain-figure"
epochs = pd.DataFrame(history).set_index("epoch")
plotting.show(
    plotting.training_curves(
        {
            "cross-entropy in training (nats)": {"training": epochs.train},
            "accuracy on validation patients": {
                "classifier": epochs.accuracy,
                f"always {usual}": 0 * epochs.accuracy + largest,
            },
        }
    ),
    f"Cross-entropy in training falls to {epochs.train.iloc[-1]:.2f} nats. Accuracy on validation patients ends "
    f"at {epochs.accuracy.iloc[-1]:.1%}; its best is {epochs.accuracy.max():.1%}. Always answering {usual} gives "
    f"{largest:.1%}.",
    alt="Left: the training loss over the epochs. Right: accuracy on validation patients over the epochs, "
    "beside a level line for the answer that is always the most frequent class.",
)

# %% id="seen-pretrain" tags=["seen"]
from helpers.training import accuracy

_best = int(epochs.accuracy.idxmax())
_after = epochs.accuracy.iloc[-1] - epochs.accuracy.max()
_own = accuracy(classifier, shown.images, shown.labels)
seen(
    f"Of its own {len(shown)} training scans the classifier gets {_own:.0%} right, of the scans of new patients "
    f"{epochs.accuracy.iloc[-1]:.0%}. "
    + (
        "That gap is **overfitting**: it has learned much of its own scans by heart. "
        if _own - epochs.accuracy.iloc[-1] > 0.1
        else "A large gap would be **overfitting**: a network that has learned its own scans by heart. "
    )
    + (
        "Accuracy on new patients is highest in the last epoch, so stopping earlier would not help."
        if _after == 0
        else f"Accuracy is highest in epoch {_best}; the last epoch has {-_after * len(validation):.0f} fewer "
        f"right answers among {len(validation)}"
        + (", and one or two are no difference." if -_after * len(validation) < 2.5 else ".")
    )
    + " To choose the epoch by the *test* accuracy, as the source could, would be leakage."
)

# %% id="confusion"
answers = apply(classifier, test.images, 100).argmax(dim=1).numpy()
classes = np.array(test.classes)
confusion = pd.crosstab(
    pd.Series(classes[test.labels], name="class"), pd.Series(classes[answers], name="answer")
)
confusion

# %% id="confusion-read"
from IPython.display import Markdown

wrong = confusion.where(confusion.index.to_numpy()[:, None] != confusion.columns.to_numpy())
true, given = wrong.stack().idxmax()
missed = (answers == test.classes.index("NORMAL"))[test.labels != test.classes.index("NORMAL")]
Markdown(
    f"The most frequent mistake: {true} called {given}, {confusion.loc[true, given]} of "
    f"{confusion.loc[true].sum()} scans. Of all diseased scans {missed.mean():.0%} are called NORMAL."
)

# %% [markdown] id="augment-text" tags=["optional"]
# ### Augmentation
#
# > **augmentation.** Random changes of the training images that keep their class, so that the network does
# > not learn accidents of the few images it has.
#
# Mirrored left to right, a left eye looks like a right eye. Mirrored top to bottom, a scan would be no retina at
# all. Here is what one training batch looks like.

# %% id="augment-figure"
from helpers.augment import flip

batch = as_input(shown.images[np.arange(6) * len(shown) // 6])
set_seed(1)
plotting.show(
    plotting.image_rows({"stored": batch.cpu(), "as trained on": flip(batch).cpu()}),
    "Six scans as they are stored, and as one training step sees them: each is mirrored with probability ½.",
    alt="Two rows of six scans. Some scans of the lower row are the mirror image of the scan above them.",
)

# %% [markdown] id="augment-lesson"
# The source mirrors its *test* scans at random as well. Then the same network gets another test score at every
# run, and nobody can tell that scatter from a real difference. Test scans stay as they are.

# %% [markdown] id="precision-text" tags=["optional"]
# ### Half the digits: mixed precision
#
# > **mixed precision.** Convolutions and matrix products are computed with numbers of 16 bits instead of 32;
# > the weights, the optimizer and sums that need more digits stay at 32.
#
# The source trains with `autocast` in `bfloat16`. This format has the range of a 32-bit number but only two to
# three decimal digits. On a GPU with units for it, a step then takes less time and memory. On many CPUs it
# takes *more* time, since the numbers are converted back and forth. So measure before you use it.

# %% id="precision" tags=["nbval-ignore-output"]
from helpers.precision import bfloat16_gain, uses_bfloat16

gain16 = bfloat16_gain()
print(f"training steps a second, bfloat16 over float32: {gain16:.2f} on {device().type}")
print("the trainings of this module use bfloat16:", uses_bfloat16())

# %% [markdown] id="precision-lesson" no_result="when the course uses bfloat16"
# The course uses `bfloat16` in the full profile only, and only where the step is at least a tenth faster. In
# the quick profile all machines compute in `float32`, so that your numbers can be compared with the tables. They need
# not be equal: the order in which threads add numbers changes last digits, and a long training makes them differ more.

# %% [markdown] id="freeze-text"
# ## 4 · Freezing that freezes
#
# From now on only the decoder is trained, and the encoder must stay as it is. Two things can change its tensors.
#
# - The **optimizer** changes parameters by their gradients. `requires_grad = False`, which is all that the source
#   does, stops this.
# - **Batch normalization** in train mode uses the mean and variance of the batch. It updates its **running
#   statistics** with them, without any gradient. In eval mode it uses these stored statistics and changes nothing.

# %% [markdown] id="ex-text-5-12"
# ### Exercise 5.12
#
# First predict, then run. Take an encoder with three groups of two residual blocks each (the source's has four). We set
# `requires_grad` to `False`, leave it in train mode, and pass one batch through. There is no optimizer. How many
# tensors of its `state_dict` differ afterwards? Each block has two batch normalizations, and there are no others. Each
# of them stores a running mean, a running variance, and a count of the batches seen.

# %% id="ex-5-12" tags=["exercise"] reference="moved_tensors"
moved_tensors = ...  # your prediction, a whole number

# %% id="check-5-12" tags=["check", "nbval-check-output"]
moved_tensors = check("5.12", moved_tensors)

# %% id="half-frozen" tags=["nbval-check-output"]
import copy

from helpers.experiments.module_05 import changed

half = make_encoder((8, 16, 64)).to(device()).requires_grad_(False)
before = copy.deepcopy(half.state_dict())
half.train()(signed(as_input(normals.images[:32])))
moved = changed(half, before)
print(f"after one forward pass {len(moved)} of {len(before)} tensors differ, such as {moved[0]}")

# %% [markdown] id="freeze-exercise-text"
# ### Exercise 5.5
#
# A **hook** is a function that PyTorch calls when a part of a network is used: just before, or just after. With hooks, a colleague's `freeze`
# puts each part back into eval mode. Yet the running statistics still move once after `.train()`. Find the bug and
# mend it. To see it, run these lines in a new cell; the mean should stay at 0:
#
# ```python
# frozen = freeze(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)))
# model = nn.Sequential(frozen).train()
# model(torch.randn(8, 1, 9, 9))
# print(frozen[1].running_mean)
# ```
#
# **Done** when `freeze` returns the same module, and its tensors never change: after `.train()` on the model or on one
# of its parts, and where a part is used alone. Gradients still pass through it. (Of the course's layers only batch
# normalization depends on the mode.)


# %% id="ex-5-5" tags=["exercise"] reference="helpers.models.freeze"
def freeze(module):
    """Fix all tensors of a module, for good. -> the module"""
    ...


# %% id="check-5-5" tags=["check", "nbval-check-output"]
freeze = check("5.5", freeze)

# %% [markdown] id="decoder-training-text"
# ## 5 · Training the decoder on normals
#
# The CAE is the frozen encoder and a fresh decoder, which sees **normal scans only**. The loss is Huber's: half of the
# squared error for residuals up to $\delta = 1$, and a straight line beyond.

# %% id="train-decoder"
from helpers.experiments.module_05 import autoencoder
from helpers.places import output_path

before = copy.deepcopy(encoder.state_dict())
file = output_path("05_decoder.pt")
file.unlink(missing_ok=True)
cae, losses = autoencoder(freeze(encoder), normals, path=file)

# %% id="train-figure"
from helpers.experiments.module_05 import examples, lesion_greys

watched = examples(validation)  # one scan of each class
rebuilt = (apply(lambda x: cae(signed(x)), watched.images) + 1) / 2
plotting.show(
    plotting.image_rows({"scan": watched.images, "rebuilt": rebuilt}),
    f"From left to right: {', '.join(np.array(watched.classes)[watched.labels])}. The loss fell from "
    f"{np.mean(losses[:10]):.3f} to {np.mean(losses[-10:]):.3f}. All scans come back blurred, and the blur causes "
    f"an error too. {lesion_greys(watched, rebuilt)}",
    alt=f"Two rows of {len(watched)} scans. The rebuilt ones in the second row are blurred.",
)

# %% id="frozen-proof" tags=["nbval-check-output"]
print("tensors of the encoder that the decoder's training changed:", len(changed(encoder, before)))

# %% [markdown] id="step-text" tags=["optional"]
# ### One update, written out
#
# The optimizer is Adam with learning rate 5e-4. The gradient is clipped: if its length, over all weights, is above
# 1, it is scaled to 1. The encoder is frozen, so only the decoder moves.

# %% id="one-step"
import torch.nn.functional as F

from helpers.models import OctAutoencoder, freeze, make_decoder

set_seed(0)
model = OctAutoencoder(freeze(make_encoder(widths())), make_decoder(widths())).to(device())
model = model.to(memory_format=torch.channels_last).train()
optimizer = adam(model, lr=5e-4, weight_decay=0)
x = signed(as_input(normals.images[:16]))
optimizer.zero_grad()
loss = F.huber_loss(model(x), x)
loss.backward()
length = nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
optimizer.step()
print(f"loss {loss.item():.3f}; the gradient's norm was {length:.3f} before clipping")

# %% id="quiz-freeze" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("05", "freeze")

# %% [markdown] id="checkpoint-text" tags=["optional"]
# ### A training that may be interrupted
#
# A **checkpoint** is a file from which an interrupted training goes on as if nothing had happened. So it must hold
# *everything* that the next step depends on: weights, the optimizer's moments, the order of the scans and the place
# in it, and the state of the random numbers. It is written under another name and then renamed, so that it is never
# half written. It is read with `weights_only=True`, so that a file from elsewhere cannot run code. (The source
# saves only the encoder of its classifier: whoever loads that file has no decoder and no scores.) The CAE above is
# saved in this way, too: without the line `file.unlink(...)` its training goes on after a restart.
#
# Does it work? Train 12 steps in one go; then train again, but "pull the plug" after 8. We use one thread,
# since several threads add numbers in varying order, which changes the last digits of a loss.

# %% id="interrupted"
from helpers.models import OctAutoencoder
import tempfile

from helpers.experiments.module_05 import train_decoder
from helpers.threads import fixed_threads


def pull_the_plug(step, losses):
    if step == 8:
        raise KeyboardInterrupt


def twelve_steps(path=None, on_checkpoint=None):
    set_seed(0)
    small = OctAutoencoder(freeze(make_encoder((4, 8))), make_decoder((4, 8)))
    options = {"steps": 12, "every": 4, "progress": False, "on_checkpoint": on_checkpoint}
    return train_decoder(small, normals.images, path=path, **options)


# %% id="resumed"
with tempfile.TemporaryDirectory() as folder, fixed_threads(1):
    file = Path(folder) / "decoder.pt"
    try:
        twelve_steps(file, pull_the_plug)
    except KeyboardInterrupt:
        print("interrupted; on the disk:", *(p.name for p in Path(folder).iterdir()))
    resumed = twelve_steps(file)
    print("same losses as without a break:", resumed == twelve_steps())

# %% [markdown] id="table-text"
# ## 6 · Scores and decisions
#
# The source scores a scan by its mean absolute error (L1). Our table has one row for each scan of validation and test.

# %% id="table"
from helpers.experiments.module_05 import score_table

table = score_table(cae, {"validation": validation, "test": test})
table.groupby(["part", "class"])[["L1"]].mean().round(4)

# %% [markdown] id="ex-text-5-7"
# ### Exercise 5.7
#
# The source flags a scan if its L1 lies three or more standard deviations above the mean of normal scans,
# $z \ge 3$. With mean 0.10 and standard deviation 0.01, the limit is 0.13. The source takes the *test* normals, and
# then counts false positives on these same scans. We take the validation normals instead.
#
# Write `z_rule`. In: scores (n,) of all scans; two boolean arrays (n,) that say which scans are normal and
# which belong to the validation part; and z. Out: boolean flags (n,). **Done** when only validation normals set the
# limit, and every scan is compared with it.


# %% id="ex-5-7" tags=["exercise"] reference="helpers.thresholds.z_rule"
def z_rule(scores, normal, validation, z=3.0):
    """Flag what lies z or more standard deviations above the mean of the validation normals."""
    ...


# %% id="check-5-7" tags=["check", "nbval-check-output"]
z_rule = check("5.7", z_rule)

# %% [markdown] id="rules-text"
# We compare your rule with the conformal rule of module 1 at 5 % and with the source's way. Look at row NORMAL first:
# it holds the false-positive rates. The other rows are detection rates. Which rule would you trust?

# %% id="rules"
from helpers.thresholds import conformal_threshold

scores = table.L1.to_numpy()
is_normal = (table["class"] == "NORMAL").to_numpy()
is_validation = (table.part == "validation").to_numpy()
limit = conformal_threshold(scores[is_normal & is_validation], 0.05)
table["z rule"] = z_rule(scores, is_normal, is_validation)
table["conformal, 5 %"] = scores > limit
table["on test normals"] = z_rule(scores, is_normal, ~is_validation)  # as the source does
rules = ["z rule", "conformal, 5 %", "on test normals"]
tested = table[table.part == "test"]
tested.groupby("class")[rules].mean().round(3)

# %% id="seen-rules" tags=["seen"]
from helpers.claims import seen
from scipy.stats import norm

_rate = tested.groupby("class")[rules].mean().loc["NORMAL"]
_n = (tested["class"] == "NORMAL").sum()
_apart = abs(_rate["on test normals"] - _rate["z rule"]) * _n
_patients = table[is_normal & is_validation].patient.nunique()
seen(
    f"False-positive rates on test patients: z rule {_rate['z rule']:.1%}, conformal "
    f"{_rate['conformal, 5 %']:.1%}, the source's way {_rate['on test normals']:.1%} "
    f"({', '.join(f'{v:.0f}' for v in _rate * _n)} of {_n} scans). The source's rule was fitted to the same scans that "
    "judge it, so its rate is no measurement: only scans of new patients could show what it is. "
    f"(It differs from that of the z rule by {_apart:.0f} {'scan' if round(_apart) == 1 else 'scans'}"
    + (", and so few prove nothing" if _apart < 3.5 else "")
    + ".) Trust a rule that was fixed before the test scans: one of the other two. Yet z = 3 is no promise: "
    f"{norm.sf(3):.2%} would be flagged if the scores were bell-shaped (Gaussian), and they need not be. The "
    f"conformal rule aims at 5 %, and here it is {'above' if _rate['conformal, 5 %'] > 0.05 else 'below'} that; it was "
    f"calibrated on scans of only {_patients} patients (section 10). The mean L1 of healthy scans is "
    f"{table[is_normal & is_validation].L1.mean():.3f} in validation and "
    f"{table[is_normal & ~is_validation].L1.mean():.3f} in the test: where the two parts differ, a rate does, too."
)

# %% [markdown] id="baselines-text"
# ### Is a network needed?
#
# What does the CAE add to scores without a network? We try four: brightness, and the distance of a scan to the mean
# healthy scan, to its reconstruction by PCA (32 components), and to the nearest healthy scan. The table shows the best
# of them, and how far the CAE is above it, with an interval over *other patients*: `leads` redraws whole patients, the
# same ones for both scores. A bootstrap that redraws single scans treats the scans of one patient as independent.
# Which interval do you expect to be wider?

# %% id="baselines"
from helpers.experiments.module_05 import baseline_scores, judged, leads

compared = baseline_scores(normals.images, test.images) | {"CAE, L1": tested.L1.to_numpy()}
judgement = judged(compared, test)
areas = pd.DataFrame({c: {s: judgement[f"{s}, {c}"] for s in compared} for c in [*sick, "all"]})
trivial_areas, own = areas.drop("CAE, L1"), areas.loc["CAE, L1"]
best_trivial = trivial_areas["all"].idxmax()
lead = leads(compared["CAE, L1"], compared[best_trivial], test)
pd.concat([areas.loc[[best_trivial, "CAE, L1"]], lead]).rename_axis("AUROC").round(3)

# %% id="intervals"
from helpers.metrics import bootstrap_interval

healthy_scores, sick_scores = (tested.L1[(tested["class"] == "NORMAL") == k] for k in (True, False))
by_scans = bootstrap_interval(healthy_scores, sick_scores)
by_patients = judgement["CAE, L1, all, low"], judgement["CAE, L1, all, high"]
text = "the CAE's AUROC, redrawing scans: {:.3f} to {:.3f}; redrawing patients: {:.3f} to {:.3f}"
print(text.format(*by_scans, *by_patients))

# %% id="seen-baselines" tags=["seen"]
_ratio = np.ptp(by_patients) / max(np.ptp(by_scans), 1e-9)
_clear = [c for c in sick if lead.loc["low", c] > 0]
_behind = [c for c in sick if lead.loc["high", c] < 0]
_open = [c for c in sick if c not in _clear + _behind]
_all = lead["all"]
seen(
    f"Over all diseases the CAE is {abs(_all.difference):.3f} {'above' if _all.difference > 0 else 'below'} the best "
    f"score without a network ({best_trivial}), and the interval of this difference "
    + ("contains 0" if _all.low <= 0 <= _all.high else "does not contain 0")
    + ". By disease: "
    + "; ".join(
        f"{text} on {' and '.join(names_)}"
        for text, names_ in (
            ("above", _clear),
            ("below", _behind),
            ("with other patients above or below", _open),
        )
        if names_
    )
    + f". The CAE's interval over patients is {_ratio:.1f} times as wide as that over scans: with each patient several "
    "similar scans come or go. And this CAE owes its encoder to the labels of these very diseases. Section 7 asks "
    "what is left without them."
)

# %% [markdown] id="trivial-text" tags=["optional"]
# ### All four scores without a network
#
# *Brightness*: how far is the mean grey from that of healthy scans? *Mean image*: the distance to the mean healthy
# scan. *PCA, 32*: what 32 principal components leave over. *Nearest image*: the distance to the nearest healthy
# scan. All are computed on scans of 32×32 pixels.

# %% id="trivial-figure"
plotting.show(
    plotting.auroc_table(areas),
    f"Scores without a network, and the CAE. Best without one: {best_trivial}, "
    f"{trivial_areas['all'].max():.3f} over all diseases; the CAE {own['all']:.3f}.",
    alt=f"A table of AUROCs: {len(trivial_areas)} scores without a network and the CAE in rows, "
    f"{', '.join(sick)} and all diseases in columns. The caption says the best of them.",
)

# %% [markdown] id="trivial-question"
# Which score is the best one on each disease?

# %% id="seen-trivial" tags=["seen"]
_winner = trivial_areas.idxmax()
seen(
    "The best score without a network: "
    + "; ".join(
        f"{c} {_winner[c]} ({trivial_areas[c].max():.3f}, the CAE {own[c]:.3f})" for c in sick
    )
    + ". Nobody knows beforehand which one that will be, so a method is compared with several of them."
)

# %% [markdown] id="boxes-text" tags=["optional"]
# ### The scores of each class
#
# The table of scores is also written to a file.

# %% id="boxes"
table.to_csv(output_path("05_losses.csv"), index=False)
all_sick = tested[tested["class"] != "NORMAL"].assign(**{"class": "all diseases"})
together = pd.concat([tested, all_sick])
medians = together.groupby("class").L1.median()
plotting.show(
    plotting.boxes(together, "class", "L1", order=["NORMAL", *sick, "all diseases"]),
    "L1 of the test scans by class. Medians: "
    + ", ".join(f"{c} {m:.3f}" for c, m in medians.items())
    + ".",
    alt=f"A box plot of L1 for each of {len(medians)} groups. The lowest median is that of "
    f"{medians.idxmin()}, the highest that of {medians.idxmax()}.",
)

# %% [markdown] id="ex-text-5-6" tags=["optional"]
# ### Exercise 5.6
#
# Would another score order the scans differently? The Huber loss of a residual $d$ is
#
# $$h(d) = \begin{cases} d^2/2 & |d| \le \delta \\ \delta\,(|d| - \delta/2) & \text{else}\end{cases}$$
#
# The function below should give one number for each scan, the mean over its pixels: scans and reconstructions
# (N, C, H, W) in, (N,) out, as a tensor from which gradients flow back to the reconstruction. On our scans its
# numbers look plausible, and one line is wrong. Find the bug and mend it. **Done** when the two branches meet
# at $|d| = \delta$, on both sides of zero.


# %% id="ex-5-6" tags=["exercise"] reference="helpers.scores.huber_error"
def huber_error(x, x_hat, delta=1.0):
    """Huber loss of each image, mean over its pixels. (N, C, H, W) and the same -> (N,)"""
    ...


# %% id="check-5-6" tags=["check", "nbval-check-output"]
huber_error = check("5.6", huber_error)

# %% id="beyond-delta"
residuals = apply(lambda x: (cae(signed(x)) - signed(x)).abs(), test.images, 100)
huber = huber_error(residuals, torch.zeros_like(residuals))
order = pd.Series(huber.numpy()).corr(pd.Series(tested.L1.to_numpy()), method="spearman")
print(f"pixels whose residual is beyond delta = 1: {(residuals > 1).float().mean():.2%}")
print(f"rank correlation of the Huber and the L1 score over test scans: {order:.3f}")

# %% id="claim-beyond-delta" tags=["claim"]
claim("hardly a pixel's residual is beyond delta", (residuals > 1).float().mean() < 0.01)

# %% [markdown] id="beyond-delta-text" held_by="claim-beyond-delta"
# Hardly any pixel has a residual beyond $\delta = 1$. So this Huber loss is, nearly everywhere, half of the
# squared error. The rank correlation says how alike the two scores order the scans; a decoder that was trained with
# another loss would be another comparison.

# %% [markdown] id="wilson-text" tags=["optional"]
# ### An interval for a rate
#
# Each rate above is a share $\hat p$ of n scans. Which true rates p are compatible with it? If p is true,
# the share varies around p with the standard deviation $\sqrt{p(1-p)/n}$. So p is compatible if
#
# $$|\hat p - p| \le z \sqrt{p (1 - p) / n}$$
#
# where $z$ is the quantile of the normal distribution for the confidence wanted. Wilson's interval holds all
# these p. Its two ends are where both sides are equal. Note that the root contains p and not $\hat p$: so the
# interval stays in [0, 1] and keeps a width where nothing, or everything, was found.

# %% [markdown] id="ex-text-5-8" tags=["optional"]
# ### Exercise 5.8
#
# Write it: successes, trials and confidence in, `(low, high)` out. Square both sides and solve for p.
# **Done** when 0 of 10 gives an interval that begins at 0 and ends above it.


# %% id="ex-5-8" tags=["exercise"] reference="helpers.metrics.wilson_interval"
from scipy.stats import norm


def wilson_interval(successes, trials, confidence=0.95):
    """Interval of a proportion that stays in [0, 1] near its ends. -> (low, high)"""
    ...  # norm.ppf gives quantiles


# %% id="check-5-8" tags=["check", "nbval-check-output"]
wilson_interval = check("5.8", wilson_interval)

# %% id="rates"
rows = []
for name, part in tested.groupby("class"):
    for rule in rules:
        low, high = wilson_interval(part[rule].sum(), len(part))
        text = f"{part[rule].mean():.1%} ({low:.1%} to {high:.1%})"
        rows.append({"class": name, "rule": rule, "flagged": text})
rates = pd.DataFrame(rows).pivot(index="class", columns="rule", values="flagged")
rates[rules]

# %% [markdown] id="rates-lesson"
# Wilson's interval counts scans as independent trials, and scans of one patient are not. So these intervals
# are too narrow, just as a bootstrap over scans is. Section 10 redraws patients, for a rule of its own.

# %% id="quiz-rule" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("05", "rule")

# %% [markdown] id="explore-text" tags=["optional"]
# ### Try it yourself
#
# Where would you put the threshold for a screening clinic, and where for a research study?

# %% id="threshold-explorer"
from helpers import explorables

explorables.threshold(healthy_scores, sick_scores, thresholds={"conformal 5 %": limit})

# %% id="seen-threshold" tags=["seen"]
_rows = {q: np.quantile(healthy_scores, q) for q in (0.8, 0.95)}
_found = {q: (sick_scores > t).mean() for q, t in _rows.items()}
seen(
    "There is no single answer; it depends on what each error costs. At a false-positive rate of 20 % this CAE finds "
    f"{_found[0.8]:.0%} of the diseased scans, at 5 % only {_found[0.95]:.0%}. A clinic in which a second "
    "examination is cheap can accept more false positives; a study that wants pure groups cannot. Choose the "
    "threshold on validation scans, whatever the choice is."
)

# %% [markdown] id="ladder-text"
# ## 7 · The leakage ladder
#
# "Anomaly detection" means that the diseases are *not known* beforehand. But our encoder was trained to tell
# these very diseases apart.
#
# > **leakage.** Information that a method would not have in use enters its training or the choice of its
# > settings, and makes its test result too good.
#
# How much of the result is due to these labels? We take them away step by step. The number of scans stays the same,
# and each decoder is trained in the same way. Each step is a **rung** of a ladder, named after what its encoder has
# learned:
#
# - *random*: nothing. Its weights are random. Only the running statistics of batch normalization were set, with
#   unlabelled scans of all classes;
# - *denoising, normals*: to remove noise from healthy scans, so it had training, and no scan or label of a disease;
# - *denoising*: the same with scans of all classes. It has seen diseased scans, which is leakage, too, but no labels;
# - the name of a disease, such as *CNV*: to tell this *one* disease from healthy scans, with labels;
# - *all labels*: to tell all classes apart, as in the source.

# %% [markdown] id="ladder-guess"
# Guess before you go on: which rung will have the highest AUROC over all diseases?

# %% id="ladder-figure"
from helpers.experiments.module_05 import ladder_alt, ladder_means, ladder_rows, seeds_of
from helpers.results import read_table

ladder = read_table("05_ladder", source="sample", profile=profile())
steps_up = ladder_means(ladder, "L1")
plotting.show(
    plotting.ladder_steps(ladder_rows(ladder, "L1").query("diseases == 'all'")),
    f"L1 of the CAE over all diseases, computed beforehand on drawn scans ({seeds_of(ladder)}; "
    f"{ladder.profile[0]} profile). Each mark is "
    "a seed (filled: all labels), its line the interval over patients; the bar is the mean over seeds. The dotted line "
    "is chance, 0.5.",
    alt="AUROC over all diseases, with the rungs as rows from random to all labels. The lowest mean is that of "
    f"{steps_up['all'].idxmin()}, the highest that of {steps_up['all'].idxmax()}.",
)

# %% id="seen-ladder" tags=["seen"]
from helpers.experiments.module_05 import label_gains

_all = steps_up["all"].sort_values()
_over = label_gains(ladder, "L1", "denoising, normals")
_alone = _all[_all.index.intersection(steps_up.columns)]
_enough = " and ".join(_alone.index[_alone > _all["all labels"] - 0.01])
_sure = len(_over) > 2 and abs(np.sign(_over).sum()) == len(_over)
_labels = _over.mean() >= _all["denoising, normals"] - _all["random"]
seen(
    "Mean AUROC over all diseases of the drawn scans: "
    + "; ".join(f"{rung} {area:.3f}" for rung, area in _all.items())
    + f". The rung *all labels* is {abs(_over.mean()):.3f} {'above' if _over.mean() > 0 else 'below'} *denoising, "
    f"normals* ({len(_over)} seeds, "
    + ("all of the same sign" if _sure else "not enough to be sure of the sign")
    + "). The largest part of the way up lies "
    + ("above" if _labels else "below")
    + " *denoising, normals*, the trained rung without labels or diseased scans"
    + (f"; the labels of one disease alone can do as well as all ({_enough})." if _enough else ".")
)

# %% [markdown] id="held-in-text"
# ### Transfer or leakage?
#
# The table says how far each rung with labels of *one* disease is above *denoising, normals*. Take row CNV: *its own*
# is the gain on CNV, and *the others* is the mean gain on the other diseases. Which column can hold leakage, and which
# one shows transfer?

# %% id="held-in"
from helpers.experiments.module_05 import held_in, with_seeds

one_known = held_in(ladder, "L1")
one_known.groupby("rung").agg(with_seeds)

# %% id="seen-held-in" tags=["seen"]
_gain = {rung: part["the others"] for rung, part in one_known.groupby("rung")}
_up = [c for c, v in _gain.items() if (v > 0).all()]
_down = [c for c, v in _gain.items() if (v < 0).all()]
_mixed = [c for c in _gain if c not in _up + _down]
seen(
    "*Its own* can hold leakage: the encoder has seen labels of this disease. Anomaly detection asks for *the others*. "
    "A gain there is transfer: no label of the disease to be found was used. That gain is "
    + "; ".join(
        f"{text} in row {' and '.join(names_)}"
        for text, names_ in (
            ("above 0 for every seed", _up),
            ("below 0 for every seed", _down),
            ("not of one sign over the seeds", _mixed),
        )
        if names_
    )
    + ". And such a rung differs from *denoising, normals* in three things, so labels alone need not be the reason: "
    "it has labels, diseased scans, and another task."
)

# %% [markdown] id="real-text"
# ### Real scans
#
# Here is the ladder again, computed beforehand on real scans of one hospital (a part of the data of Rasti et al., 2018), of the
# classes NORMAL, AMD and DME. Our copy does not name the patients, so runs of ten files stand in for them. The table has
# the rungs that both ladders share. Is their order the same?

# %% id="ladder-real"
from helpers.experiments.module_05 import label_gains, without_network

real = read_table("05_ladder_neh", source="real", profile=profile())
real_steps = ladder_means(real, "L1")
trivial_real = without_network(real)
best_real = max(trivial_areas.index, key=lambda name: trivial_real[f"{name}, all"])
sources = pd.DataFrame({"drawn scans": steps_up["all"], "real scans": real_steps["all"]})
sources = sources.dropna().sort_values("drawn scans")
sources.loc[f"no network: {best_real}", "real scans"] = trivial_real[f"{best_real}, all"]
low, high = trivial_real[f"{best_real}, all, low"], trivial_real[f"{best_real}, all, high"]
print(
    f"{best_real} on {real['test images'][0]:.0f} real test scans, runs of ten files redrawn: {low:.3f} to {high:.3f}"
)
gains = label_gains(real, "L1", "denoising, normals")
print("real scans, all labels above denoising, normals:", with_seeds(gains))
sources.map("{:.3f}".format).replace("nan", "")

# %% id="seen-real" tags=["seen"]
from helpers.experiments.module_05 import label_gains

_without = trivial_real[f"{best_real}, all"]
_best, _top = real_steps["all"].idxmax(), real_steps["all"].max()
_shared = sources.dropna()
_drawn, _real = (" < ".join(_shared[scans].sort_values().index) for scans in _shared)
_sure = len(gains) >= 5 and abs(np.sign(gains).sum()) == len(gains)
seen(
    f"The order is {'the same' if _drawn == _real else 'not the same'}. Drawn scans: {_drawn}. Real scans: {_real}. "
    f"On real scans *all labels* is {abs(gains.mean()):.3f} {'above' if gains.mean() > 0 else 'below'} *denoising, "
    "normals*, and the seeds "
    + ("agree. " if _sure else "do not all agree, so the difference may be chance. ")
    + f"The best rung, {_best} with {_top:.3f}"
    + (" (its own disease is part of this)" if _best in real_steps.columns else "")
    + f", lies {'below' if _top < _without else 'above'} the score {best_real}, {_without:.3f}, which needs no "
    f"network, and {'inside' if low <= _top <= high else 'outside'} its interval. (Each is the "
    "best of several on these very test scans, so both are a little too good, as module 3 warns.) "
    + (
        "So a result of this pipeline may partly be a result of its labels. "
        if _sure and gains.mean() > 0
        else "So nobody knows beforehand how much a result of this pipeline owes to its labels. "
    )
    + "Report it beside a rung without them, and beside a score without a network."
)

# %% [markdown] id="flow-text" tags=["optional"]
# ### Who has seen what
#
# The figure counts the scans that each encoder has seen. A rung has fewer than the others where the pool has no more.
# The *random* encoder was not trained on its scans: they only set the running statistics of batch normalization.

# %% id="ladder-flow"
from helpers.explorables import ladder_explorer  # choose a rung and a disease

ladder_explorer(pool, validation, test)

# %% [markdown] id="panels-text" tags=["optional"]
# ### The ladder, disease by disease
#
# Is the order of the rungs the same for every disease?

# %% id="ladder-panels"
plotting.show(
    plotting.ladder_steps(ladder_rows(ladder, "L1")),
    "L1 of the CAE, drawn scans. A filled mark: the encoder has seen labels of the panel's disease; an open mark: it "
    "has not. The shape of a mark is its seed.",
    alt=ladder_alt(steps_up),
)

# %% id="seen-panels" tags=["seen"]
_top = {c: steps_up[c].idxmax() for c in sorted(set(steps_up) - {"all", "others"})}
_rows = ladder_rows(ladder, "L1")
_by_seed = _rows.pivot(index=["diseases", "seed"], columns="rung", values="auroc")
_own = {c: _by_seed.loc[c].idxmax(axis=1).isin([c, "all labels"]) for c in _top}
_lost = [c for c in _top if steps_up[c]["all labels"] < steps_up[c]["random"]]
seen(
    f"The order is {'not the same' if len(set(_top.values())) > 1 else 'similar'}. The highest rung is "
    + ", ".join(f"{rung} in the panel of {c}" for c, rung in _top.items())
    + ". "
    + "A rung that has labels of the panel's own disease (its own or all labels: leakage) is the highest in "
    + ", ".join(f"{v.sum()} of {len(v)} seeds for {c}" for c, v in _own.items())
    + ". "
    + (
        f"In the panel of {' and '.join(_lost)}, all labels are even below a random encoder."
        if _lost
        else "In every panel, all labels are above a random encoder."
    )
)

# %% [markdown] id="live-text" tags=["optional"]
# ### Your own CAE in the table
#
# Your encoder was trained with all labels, and your decoder on the normal scans. How close does your CAE come to its row
# of the table, the one with the same seed? (Adding in another order changes the last digits, and a training makes more
# of that.)

# %% id="live-row"
own_table = real if test.source == "real" else ladder
rows = own_table[own_table.rung == "all labels"].set_index("seed")

# %% id="live-agrees"
here, there = judged({"L1": tested.L1.to_numpy()}, test)["L1, all"], rows["L1, all"]
print(
    f"here {here:.3f}, in the table {there[0]:.3f} (its seeds: {there.min():.3f} to {there.max():.3f})"
)
same = (rows["normal images"][0], rows["test images"][0]) == (len(normals), len(test))
if not same or rows.profile[0] != profile():
    print("computed on other scans or in another profile: they need not agree")

# %% [markdown] id="real-figure-text" tags=["optional"]
# ### The ladder of the real scans, disease by disease
#
# The course may show the numbers of these scans, and not the scans themselves. The last third of each class is the test
# part; what is held back of the rest is drawn by runs of ten files.

# %% id="ladder-real-figure"
plotting.show(
    plotting.ladder_steps(ladder_rows(real, "L1")),
    f"L1 of the CAE on {real['test images'][0]:.0f} real test scans ({seeds_of(real)}), decoder trained "
    f"on {real['normal images'][0]:.0f}.",
    alt=ladder_alt(real_steps),
)

# %% [markdown] id="knn-text" tags=["optional"]
# ### The same encoders, another detector
#
# Does the ladder look alike for a detector without a decoder? This one (**kNN** in the tables) takes the distance from
# the encoder's features to the nearest features of healthy scans. Section 8 builds it.

# %% id="ladder-knn"
knn_steps, real_knn = ladder_means(ladder, "kNN"), ladder_means(real, "kNN")
plotting.show(
    plotting.ladder_steps(ladder_rows(ladder, "kNN")),
    "The distance to the nearest feature of normal scans, drawn scans. From random to all labels: "
    f"{knn_steps['all']['all labels'] - knn_steps['all']['random']:+.3f} over all diseases.",
    alt=ladder_alt(knn_steps),
)

# %% id="seen-knn" tags=["seen"]
from helpers.experiments.module_05 import label_gains

_gains = {s: label_gains(ladder, s, "denoising, normals").mean() for s in ("kNN", "L1")}
_real = label_gains(real, "kNN", "denoising, normals")
seen(
    f"For this detector the step from *denoising, normals* to *all labels* is {_gains['kNN']:+.3f}; for the CAE's L1 it "
    f"was {_gains['L1']:+.3f}. (The step adds labels, diseased scans and another task.) A possible reason for the "
    "difference: this detector compares features, and telling diseases apart taught the encoder features for just that, "
    f"while the CAE compares pixels. These are drawn scans. On the real scans the same step is {_real.mean():+.3f}"
    + (
        ", and the seeds differ in sign, so that reason need not hold for them."
        if np.ptp(np.sign(_real)) > 0
        else f" over {len(_real)} seeds."
    )
)

# %% [markdown] id="shares-text" tags=["optional"]
# ### How many labels?
#
# The source repeats everything with the labels of *all* scans instead of 40 %. Does the result grow with the
# labels? More labelled patients are also more *scans*, so a rise alone proves nothing for the labels. The
# control is an encoder that denoises the same scans without their labels.

# %% id="share-text-cell"
from helpers.results import over_seeds

share = read_table("05_share", source="sample", profile=profile())
columns = ["seeds", "pretraining images", "L1, all", "kNN, all"]
over_seeds(share, ["rung", "share"])[columns].round(3)

# %% [markdown] id="share-text"
# Move the slider: it sets the share of patients whose labelled scans pretrained the encoder. Which disease gains most
# from a larger share? Then compare with the rung without labels, in the table.

# %% id="share-explorer"
from helpers.explorables import share_explorer

share_explorer(share[share.rung == "all labels"])

# %% id="share-figure"
lines = {
    rung: (mean.index, mean)
    for rung, part in share.groupby("rung", sort=False)
    for mean in [part.groupby("share")["L1, all"].mean()]
}
plotting.show(
    plotting.curves(lines, "share of the patients (%)", "AUROC of L1", log="x"),
    f"Mean AUROC over all diseases, for encoders pretrained on the same scans: {', '.join(lines)}.",
    alt="AUROC of L1 against the share of patients on a logarithmic axis, one curve for each of: "
    f"{', '.join(lines)}.",
)

# %% id="share-read"
from IPython.display import Markdown

both = sorted(set.intersection(*(set(part.share) for _, part in share.groupby("rung"))))
rise = {rung: mean[both[-1]] - mean[both[0]] for rung, (_, mean) in lines.items()}
Markdown(
    f"From {both[0]} % to {both[-1]} % of the patients the AUROC of L1 changes: "
    + "; ".join(
        f"{rung} {value:+.3f} (seeds: {share[share.rung == rung].seed.nunique()})"
        for rung, value in rise.items()
    )
    + "."
)

# %% id="seen-share" tags=["seen"]
_labels, _control = rise["all labels"], rise.get("denoising")
_seeds = share.groupby(["rung", "share"]).seed.nunique()
_columns = [f"L1, {c}" for c in ("CNV", "DME", "DRUSEN")]
_of = share[share.rung == "all labels"].groupby("share")[_columns].mean().loc[[both[0], both[-1]]]
_most = _of.diff().iloc[-1].idxmax()
_few, _many = _seeds.min(), _seeds.max()
seen(
    f"{_most.removeprefix('L1, ')} gains most from more labels: the AUROC of L1 goes from {_of[_most].iloc[0]:.3f} to "
    f"{_of[_most].iloc[-1]:.3f}. Over all diseases it changes by {_labels:+.3f} over the whole range. "
    + (
        "The table has no control yet, so this rise may be due to the number of scans alone."
        if _control is None
        else f"The control without labels changes by {_control:+.3f} with the same scans. The difference, "
        f"{_labels - _control:+.3f}, is what more labels, with their task, are worth here, beyond more scans."
    )
    + " These are drawn scans"
    + (
        ", and for some points one training only, which proves little."
        if _few == 1
        else f", and means over {_few} {'seeds' if _few == _many else f'to {_many} seeds'}."
    )
)

# %% [markdown] id="bottleneck-text" tags=["optional"]
# ### A real bottleneck
#
# The code has as many numbers as the scan has pixels. Perhaps detection fails because too much passes through?
# We let the code pass through fewer channels, by a 1×1 convolution in front of the decoder. What do you expect
# from a narrower code?

# %% id="bottleneck"
from helpers.results import over_seeds

bottleneck = read_table("05_bottleneck", source="sample", profile=profile())
wide = {"quick": 64, "full": 256}[bottleneck.profile[0]]  # channels: a number for each pixel
bottleneck["channels"] = bottleneck.code_channels.replace(0, wide)
narrow = over_seeds(bottleneck, "channels")[["seeds", "loss", "L1, all"]]
narrow.insert(0, "pixels a number", [wide / c for c in narrow.index])
narrow.round(3)

# %% id="seen-bottleneck" tags=["seen"]
_wide, _thin = narrow["L1, all"].iloc[0], narrow["L1, all"].iloc[-1]
_few, _many = narrow.seeds.min(), narrow.seeds.max()
_each = bottleneck.pivot(index="seed", columns="channels", values="L1, all")[narrow.index]
_falls = (_each.iloc[:, -1] < _each.iloc[:, 0]).sum()
seen(
    f"The loss of the narrowest code is {narrow.loss.iloc[-1] / narrow.loss.iloc[0]:.1f} times that of the widest: less passes, "
    "so healthy scans are rebuilt worse. What that means for lesions, the AUROC says: it "
    + ("falls" if _thin < _wide else "rises")
    + f" by {abs(_thin - _wide):.3f} ("
    + (
        "one training each, so small differences mean nothing"
        if _few == 1
        else f"means over {_few} {'seeds' if _few == _many else f'to {_many} seeds'}; it falls in {_falls} of them"
    )
    + "). A bottleneck helps only if it stops lesions more than healthy tissue; a blur stops fine detail of both."
)

# %% [markdown] id="patches-text" tags=["optional"]
# ## 8 · A modern yardstick
#
# The CAE compares *pixels*. PatchCore (Roth et al., 2022) compares what the
# encoder makes of them. Its idea has three steps:
#
# 1. Take features of the encoder, averaged over 3×3 places. PatchCore takes layers in the middle, which describe texture
#    and not yet classes. We take the second and the third group, of the source's four. (The quick profile has three
#    groups, so its third one is the code itself.)
# 2. Keep a **bank** of such features of healthy scans. Ours is a random part of them.
# 3. Score each place of a new scan by the distance to the nearest feature of the bank. The scan's score is that
#    of its worst place.
#
# We leave out PatchCore's choice of the bank, its re-weighting of scores, and its smoothing of maps.

# %% [markdown] id="patches-exercise" tags=["optional"]
# ### Exercise 5.9
#
# Write `patch_distance`: a bank (M, c) and feature maps (N, c, h, w) in, a tensor of Euclidean distances
# (N, h, w) out. Below, the bank has thousands of points and each image hundreds of places, so do not keep the
# c differences of all pairs in one tensor. **Done** when the c features of a place are compared together, and not those
# of neighbours.


# %% id="ex-5-9" tags=["exercise"] reference="helpers.scores.patch_distance"
def patch_distance(bank, features):
    """Distance of each place to the nearest of the bank. (M, c), (N, c, h, w) -> (N, h, w)"""
    ...  # torch.cdist wants one row a point


# %% id="check-5-9" tags=["check", "nbval-check-output"]
patch_distance = check("5.9", patch_distance)

# %% id="patches"
from helpers.scores import patch_features
from helpers.experiments.module_05 import enlarge, patch_bank

bank = patch_bank(encoder, normals.images).to(device())
distances = apply(
    lambda x: patch_distance(bank, patch_features(encoder, signed(x))), test.images, 10
).numpy()
print(f"bank {tuple(bank.shape)}, maps {distances.shape}")
yardstick = judged({"kNN": distances.max(axis=(1, 2)), "L1": tested.L1.to_numpy()}, test)
lines = {s: {c: yardstick[f"{s}, {c}"] for c in [*sick, "all"]} for s in ("L1", "kNN")}
pd.DataFrame(lines).T.round(3)

# %% id="seen-patches" tags=["seen"]
_better = [c for c in sick if yardstick[f"kNN, {c}"] > yardstick[f"L1, {c}"]]
seen(
    f"Over all diseases the nearest patches reach {yardstick['kNN, all']:.3f} and L1 {yardstick['L1, all']:.3f}. "
    f"The patches are better on {', '.join(_better) or 'no disease'}"
    + (
        f" and worse on {', '.join(c for c in sick if c not in _better)}"
        if len(_better) < len(sick)
        else ""
    )
    + ". Both use an encoder that was trained with these labels; neither number says what happens without them."
)

# %% [markdown] id="bmad" no_result="literature: Bao et al. 2024, Reiss et al. 2021 and Tack et al. 2020, not compared with"
# PatchCore itself takes the features of a large network that was trained on ImageNet: photographs with labels,
# **none of them a retina**. That is transfer without the leakage of this module. It was not run here:
# no such weights could be had where this notebook was made. For photographs its worth is known: on one-class
# CIFAR-10, PANDA (Reiss et al., 2021) reports a mean AUROC of 0.962 with ImageNet features, where CSI (Tack et al., 2020)
# had 0.943 without them. For OCT, BMAD (Bao et al., 2024) compares such methods with autoencoders, on the scans of
# Kermany et al. and on others.

# %% [markdown] id="where-text" tags=["optional"]
# ## 9 · Seeing where
#
# A clinician asks *where* in the scan something is wrong. The residual is one map that answers; the distance
# of the patches of section 8 is another. Does a map light up on the lesions, or on every edge?

# %% id="maps"
from helpers.experiments.module_05 import enlarge, residual_maps
from helpers.metrics import auroc

maps = {"residual": residual_maps(cae, test.images), "patches": enlarge(distances, size)}
found = np.flatnonzero(test.labels != test.classes.index("NORMAL"))
shown_scans = found[np.arange(6) * len(found) // 6]
outline = np.zeros_like(maps["residual"], dtype=bool) if test.masks is None else test.masks
plotting.show(
    plotting.map_rows(
        test.images[shown_scans], outline[shown_scans], {k: m[shown_scans] for k, m in maps.items()}
    ),
    f"Six diseased test scans, and two maps of each: bright is more anomalous. {outlined}",
    alt="Three rows of six: diseased scans, their residual maps, their patch maps. The residual maps show fine "
    f"lines and grains, the patch maps broad spots. {outlined}",
)

# %% [markdown] id="pixels-text" tags=["optional"]
# ### Exercise 5.10
#
# Where the lesions are known, a map can be judged. Write `pixel_auroc`: maps and boolean masks (N, H, W) in, a
# float out. It is the probability that a pixel of a lesion scores above a healthy pixel, where equal scores
# count half. There are millions of pixels below, too many to compare all pairs. **Done** when the pixels of all scans
# are judged together, those of healthy scans as well.


# %% id="ex-5-10" tags=["exercise"] reference="helpers.metrics.pixel_auroc"
def pixel_auroc(maps, masks):
    """Probability that a lesion's pixel scores above a healthy one. (N, H, W) twice -> float"""
    ...


# %% id="check-5-10" tags=["check", "nbval-check-output"]
pixel_auroc = check("5.10", pixel_auroc)

# %% [markdown] id="pro-text" no_result="definitions"
# Large lesions have most of the pixels. So a map can have a high pixel AUROC and miss every small lesion.
#
# > **PRO.** The per-region overlap: the share of each connected lesion that is flagged, averaged over the
# > lesions, and then over false-positive rates of pixels from 0 to 30 %.
#
# Every lesion counts alike here (Bergmann et al., 2020). A random map has 0.15.
#
# Two trivial maps stand beside ours: the scan's own **brightness**, and **place alone**. The second is the mean
# of the patch maps of healthy scans. It is the same for every scan, so it only knows where in the image the
# retina mostly lies. Is any map better than that?

# %% id="located"
from helpers.metrics import pro
from helpers.experiments.module_05 import enlarge, patch_maps

healthy_maps = enlarge(patch_maps(encoder, bank, validation.of_class("NORMAL").images), size)
trivial_maps = {
    "brightness": test.images[:, 0],
    "place alone": np.broadcast_to(healthy_maps.mean(axis=0), test.images[:, 0].shape),
}
located = pd.DataFrame()
if test.masks is None:
    print("These scans have no masks: the offline sample has (COURSE_SOURCE=sample).")
else:
    rows = {
        name: {"pixel AUROC": pixel_auroc(m, test.masks), "PRO": pro(m, test.masks)}
        for name, m in (maps | trivial_maps).items()
    }
    located = pd.DataFrame(rows).T
    print(located.round(3).to_string())
    for measure, values in located.items():
        place = values["place alone"]
        below = ", ".join(values.index[values < place]) or "none"
        print(f"{measure}: place alone has {place:.3f}; maps below it: {below}")

# %% id="seen-located" tags=["seen"]
_beats = {m: [name for name in maps if v[name] > v["place alone"]] for m, v in located.items()}
seen(
    "These scans have no masks, so no map can be judged."
    if located.empty
    else ". ".join(
        f"By {m}, above place alone: {' and '.join(names_) or 'no map'}"
        for m, names_ in _beats.items()
    )
    + ". Place alone looks at no test scan. A map that is not above it has not shown that it finds lesions: knowing "
    "where the retina lies would do as well."
)

# %% [markdown] id="blur-text"
# What else lights up in the residual? We compare its mean at the steepest edges, and in the lesions, with the
# mean over all pixels. (Lesions are known in drawn scans only.)

# %% id="blur"
edges = np.abs(np.gradient(test.images[:, 0].astype(np.float32), axis=1))
mean = maps["residual"].mean()
steep = maps["residual"][edges > np.quantile(edges, 0.9)].mean() / mean
print(f"the tenth of the pixels with the steepest edges: {steep:.1f} times the mean residual")
if test.masks is not None:
    lit = maps["residual"][test.masks].mean() / mean
    print(f"lesions, {test.masks.mean():.1%} of the pixels: {lit:.1f} times the mean residual")

# %% id="claim-blur" tags=["claim"]
claim("the residual is larger at steep edges than elsewhere", steep > 1)

# %% id="seen-blur" tags=["seen"]
seen(
    f"At the steepest edges the residual is {steep:.1f} times its mean"
    + ("" if test.masks is None else f", and in lesions {lit:.1f} times")
    + ". An autoencoder that rebuilds everything a little blurred leaves a residual at *every* edge, and the layers "
    "of a retina are edges. Noise that the network does not pass on leaves a residual everywhere. "
    + (
        "A lesion has to stand out against both."
        if test.masks is None or lit < steep
        else "Lesions are brighter in the mean, but these edges are 10 % of all pixels and the lesions "
        f"{test.masks.mean():.1%}, so most bright pixels need not be lesions."
    )
)

# %% id="scan-explorer" tags=["nbval-ignore-output"]
from helpers.explorables import (
    scan_explorer,
)  # browse the scans, sorted by score, with a map on them

scan_explorer(test, {"L1": tested.L1.to_numpy(), "kNN": distances.max(axis=(1, 2))}, maps)

# %% id="quiz-edges" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("05", "edges")

# %% [markdown] id="promise-text"
# ## 10 · A promise for new patients
#
# (Sections 8, 9, 11 and 14 are optional.) In module 1 the conformal rule promised a false-positive rate of at most 5 %,
# if the scans are **exchangeable**. With several scans of each patient they are *not*: each calibration scan has
# relatives in the set, and the new scan has none. So the rule of section 6 has no such promise.
#
# The *patients* are exchangeable. So Lee, Barber and Willett (2023) give one vote to each patient. It counts by the
# share of the patient's scans that score at least as high as the new scan. The new patient votes for itself, and p is
# the sum of the votes over the number of patients.
#
# For example, the new scan has the score 2. A patient with the scores 1 and 3 gives half a vote, and one with the
# score 5 a whole vote. With the new one there are three patients, and p = (½ + 1 + 1)/3.
#
# We try both rules on drawn scores of patients with four similar scans each: calibrate on a few patients, and judge
# scans of *new* healthy patients at 5 %. The table has the false-positive rate by the number of patients.

# %% id="by-patient"
from helpers.experiments.module_05 import rates_for_new_patients
from helpers.thresholds import conformal_p_values, patient_p_values

p_values = {
    "by scan": lambda s, who, new: conformal_p_values(s, new),
    "by patient": patient_p_values,
}
false_positives = pd.DataFrame({rule: rates_for_new_patients(f) for rule, f in p_values.items()}).T
false_positives.rename_axis(columns="patients").map("{:.1%}".format)

# %% id="claim-by-patient" tags=["claim"]
claim(
    "p-values by scan break 5 % with 5 and 10 patients",
    (false_positives.loc["by scan", [5, 10]] > 0.06).all(),
)
claim("with 40 patients the excess is small", false_positives.loc["by scan", 40] < 0.065)
claim("p-values by patient keep 5 % everywhere", (false_positives.loc["by patient"] <= 0.05).all())
claim(
    "with fewer than 19 patients they flag nothing",
    (false_positives.loc["by patient", [5, 10]] == 0).all(),
)

# %% [markdown] id="promise-lesson" held_by="claim-by-patient"
# By scan, the rate is above 5 % with few patients. With many the excess is small, but nothing is promised.
#
# By patient, it stays below 5 %. But with fewer than 19 patients the rule flags nothing at all: with 18, the smallest
# possible p-value is 1/19. Its promise says: choose calibration patients many times, and each time one scan of one new
# patient of the same kind. Of the healthy ones at most 5 % are flagged.

# %% [markdown] id="own-rule-text"
# Here is the share of our test scans that this rule flags. Even where *conformal, 5 %* in section 6 flags nearly the
# same, only this rule has a promise for new patients. (It needs to know the patients: where runs of ten files stand in
# for them, nothing is promised.)

# %% id="own-rule"
calibration = table[is_normal & is_validation]
known = calibration.L1.to_numpy(), calibration.patient.to_numpy()
p = patient_p_values(*known, tested.L1.to_numpy())
print(f"calibrated on {len(calibration)} scans of {calibration.patient.nunique()} patients")
tested.assign(flagged=p <= 0.05).groupby("class")[["flagged"]].mean().round(3)

# %% [markdown] id="patient-exercise" tags=["optional"]
# ### Exercise 5.11
#
# Write the rule yourself. For a new scan of score s and K calibration patients,
#
# $$p = \frac{1 + \sum_{k=1}^{K} \text{share of patient } k\text{'s scans with a score} \ge s}{K + 1}$$
#
# `patient_p_values` gets calibration scores (n,), the patient of each (n,) and new scores (m,); it returns
# p-values (m,), an array. Patients may be numbers or names, in any order, with different numbers of
# scans. **Done** when a patient with ten scans counts as much as one with two.


# %% id="ex-5-11" tags=["exercise"] reference="helpers.thresholds.patient_p_values"
def patient_p_values(calibration_scores, groups, scores):
    """Conformal p-values for scans of new patients. (n,), (n,), (m,) -> (m,)"""
    ...  # one share of scans for each patient and new score


# %% id="check-5-11" tags=["check", "nbval-check-output"]
patient_p_values = check("5.11", patient_p_values)

# %% id="own-rates"
your_rates = pd.DataFrame({"your rule": rates_for_new_patients(patient_p_values)}).T
your_rates.rename_axis(columns="patients").map("{:.1%}".format)

# %% id="quiz-patients" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("05", "smallest-p")

# %% [markdown] id="rule-intervals-text" tags=["optional"]
# ### How sure are these rates?
#
# These are the same rates, with intervals over patients. Is the promise worth its price?

# %% id="patient-rule"
from helpers.experiments.module_05 import rate_interval

flagged, found_by_patient = p <= 0.05, {}
for name in ["NORMAL", *sick]:
    part = (tested["class"] == name).to_numpy()
    low, high = rate_interval(flagged[part], tested.patient[part])
    found_by_patient[name] = f"{flagged[part].mean():.1%} ({low:.1%} to {high:.1%})"
pd.Series(found_by_patient, name="flagged, p <= 5 % (patients redrawn)").to_frame()

# %% id="seen-rule" tags=["seen"]
_normal = (tested["class"] == "NORMAL").to_numpy()
_scan = tested["conformal, 5 %"].to_numpy()
_k = calibration.patient.nunique()
_apart = abs(flagged.mean() - _scan.mean())
seen(
    f"By patient the rule flags {flagged[_normal].mean():.1%} of the healthy test scans and "
    f"{flagged[~_normal].mean():.0%} of the diseased ones; by scan (section 6) it was {_scan[_normal].mean():.1%} and "
    f"{_scan[~_normal].mean():.0%}. "
    + (
        f"With {_k} healthy patients the smallest p-value is 1/{_k + 1} = {1 / (_k + 1):.2f}, so nothing can be "
        "flagged at 5 %: so few patients keep the promise only by flagging nothing."
        if _k < 19
        else f"With {_k} patients the two rules flag "
        + ("nearly the same scans" if _apart < 0.03 else "different scans")
        + ", and only one of them comes with a promise."
    )
    + f" {1 - flagged[~_normal].mean():.0%} of the diseased scans are missed: a low false-positive rate is no "
    "success by itself."
)

# %% id="quiz-own-rate" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("05", "own-rate", value=100 * flagged[(tested["class"] == "NORMAL").to_numpy()].mean())

# %% [markdown] id="choose-exercise" tags=["optional"]
# ### Exercise 5.14
#
# Choose a rule for a clinic, and say why. The clinic has scans of 30 healthy patients to calibrate on. Some
# patients came once and some twenty times. The scores are skewed: most are low, and those of a few healthy patients
# are much higher. The clinic wants a false-positive rate of at most 5 % for a scan of a *new* healthy patient,
# whatever the shape of the scores. Under this condition it wants to find as many diseased scans as possible. The
# check tries your rule on many such clinics. Two rules come out close together in what they find, so look at the
# reason as well as at the numbers.
#
# The rules are "z rule" (three standard deviations above the mean of all scans), "by scan" (conformal p-values
# that count scans), "by patient" (the votes of patients), and "worst scan" (each patient votes with its highest scan).
# The reason is one of these:
#
# - A: it uses each scan as one vote, so it uses most of the data.
# - B: it finds most diseased scans, and that is what the clinic wants.
# - C: the scores follow a Gaussian.
# - D: new and known patients are exchangeable; a scan of a new patient and the scans of known ones are not.

# %% id="ex-5-14" tags=["exercise"] reference="clinic_rule"
clinic_rule = {
    "choice": ...,  # "z rule", "by scan", "by patient" or "worst scan"
    "because": ...,  # "A", "B", "C" or "D"
}

# %% id="check-5-14" tags=["check", "nbval-check-output"]
clinic_rule = check("5.14", clinic_rule)

# %% [markdown] id="clinic-text" tags=["optional"] no_result="what a clinic needs"
# ## 11 · What a clinic would need
#
# - Scans of its own scanner and patients, collected **prospectively**, that is as they come in.
# - The prevalence there. If one scan in a hundred is diseased, most positives of a 5 % rule are false (module 3).
# - A rule calibrated on site, and watched afterwards: a new scanner moves every score.
# - A plan for those who are *not* flagged: what does a missed oedema cost, and what does a false positive cost?
# - A diagnosis to compare with. The source hopes to find early Alzheimer's disease in this way, but no scan has a
#   diagnosis of dementia.
# - A comparison with human graders, or with a classifier trained with the labels one has.
# - Approval as a medical device. This notebook is none.

# %% [markdown] id="card-text" tags=["optional"]
# ### A model card
#
# A **model card** (Mitchell et al., 2019) says what a model is for, what it was made from and how well it does,
# on one page that travels with the model. The next cell fills in the card of your CAE.

# %% id="model-card"
from IPython.display import Markdown

card = {
    "Intended use": "teaching; not for patients",
    "Model": f"residual CAE, {size}×{size} pixels, widths {widths()}, frozen encoder, {len(losses)} steps",
    "Data": f"{test.name}, {test.source}: {test.origin}",
    "Encoder pretrained on": f"{len(shown)} scans with labels of {', '.join(shown.classes)} (**leak**)",
    "Decoder trained on": f"{len(normals)} normal scans",
    "Rule": f"L1, conformal p-value by patient <= 5 %, {calibration.patient.nunique()} healthy patients",
    "AUROC, all diseases": f"{own['all']:.3f} ({by_patients[0]:.3f} to {by_patients[1]:.3f}, patients redrawn)",
} | {f"Flagged, {n} (patients redrawn)": text for n, text in found_by_patient.items()}
card["Not shown"] = "other scanners, other diseases, children, poor scans, prevalence in a clinic"
lines = ["# Model card", "", *(f"- **{key}:** {value}" for key, value in card.items())]
output_path("05_model_card.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
Markdown("\n".join(lines[2:]))

# %% [markdown] id="believe" no_result="summary of the claims above"
# ## 12 · What to believe, and what not
#
# **Believe**
# - a false-positive rate on normal test scans, if the rule was fixed without them;
# - that one rung is better than another on these patients, if it is so for every seed and on diseases that it had not
#   seen. For other patients the interval of the difference over patients has to leave out 0 as well;
# - a false-positive rate that was promised by patient.
#
# **Do not believe**
# - "trained on normals only", where the encoder has seen labels of the diseases;
# - an interval or a promise that treats scans as if they were patients;
# - that a network is needed, before scores without a network have been tried;
# - drawn scans as evidence about real ones: they show how to measure.
#
# **The end of the course.** Before you believe a number, ask what the trivial score reaches, which images the interval
# stands for, and what the model had seen.

# %% [markdown] id="quiz-text"
# ## 13 · Quiz

# %% id="quiz" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("05")

# %% id="progress" tags=["nbval-ignore-output"]
progress()

# %% [markdown] id="wrap-up-text" tags=["optional"]
# ## 14 · Your own detector
#
# A clinic has bought another scanner, whose scans are darker and noisier. It gives you scans of healthy patients
# and nothing else. (These scans are drawn, whatever data you have.) How well can you find disease in scans of
# patients that neither you nor your detector has seen?

# %% id="new-scanner"
from helpers.experiments.module_05 import another_scanner

clinic = another_scanner()
plotting.show(
    plotting.image_rows({"healthy": clinic.images[:8]}),
    f"Eight of {len(clinic)} healthy scans of {len(np.unique(patients(clinic)))} patients, from the other scanner.",
    alt="One row of eight scans of healthy retinas, dark and grainy.",
)

# %% [markdown] id="wrap-up-exercise" tags=["optional"]
# ### Exercise 5.15
#
# Write `scan_score`: uint8 scans (N, 1, H, W) in; one number for each scan out, (N,), higher where it is more
# anomalous. Everything else is open: scores without a network, the CAE, another decoder, the patches of section
# 8, a combination. The score of a scan must not depend on the other scans of the call.
#
# The check applies it to hidden scans of other patients, healthy and diseased, and shows your AUROC beside the
# course's own scores. **Done** when it is above the distance to the nearest healthy scan by more than chance. Your
# best attempts are kept in a file beside the notebook; nothing leaves this machine.


# %% id="ex-5-15" tags=["exercise"] reference="scan_score"
def scan_score(images):
    """Your detector for the other scanner. uint8 (N, 1, H, W) -> (N,), higher = more anomalous"""
    ...  # clinic.images are healthy scans


# %% id="check-5-15" tags=["check", "nbval-ignore-output"]
scan_score = check("5.15", scan_score)

# %% [markdown] id="numbers-text" tags=["optional"]
# ## The numbers of this run
#
# All results of this module in one table.

# %% id="results-summary" tags=["results"]
from IPython.display import Markdown

rows = {}
for name in [*sick, "all"]:
    low, high = yardstick[f"L1, {name}, low"], yardstick[f"L1, {name}, high"]
    rows[f"AUROC, {name}: L1, all labels"] = (
        f"{yardstick[f'L1, {name}']:.3f} ({low:.3f} to {high:.3f})"
    )
rows[f"AUROC, all: {best_trivial}, no network"] = f"{trivial_areas['all'].max():.3f}"
for rung in steps_up.index:
    rows[
        f"ladder, {ladder.source[0]}, mean over seeds ({(ladder.rung == rung).sum()}), {rung}: L1, kNN"
    ] = f"{steps_up['all'][rung]:.3f}, {knn_steps['all'][rung]:.3f}"
rows[f"real (NEH): {best_real}, no network"] = f"{trivial_real[f'{best_real}, all']:.3f}"
for rung in real_steps.index:
    rows[f"ladder, real (NEH), mean over seeds ({(real.rung == rung).sum()}), {rung}: L1, kNN"] = (
        f"{real_steps['all'][rung]:.3f}, {real_knn['all'][rung]:.3f}"
    )
for name, row in located.iterrows():
    rows[f"lesions, {name}: pixel AUROC, PRO"] = f"{row['pixel AUROC']:.3f}, {row.PRO:.3f}"
lines = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
Markdown(f"| {test.name}, {test.source} data | |\n|---|---|\n{lines}")

# %% [markdown] id="further" tags=["optional"]
# ## Further reading
#
# - D. S. Kermany et al., *Identifying medical diagnoses and treatable diseases by image-based deep
#   learning*, Cell 2018, doi 10.1016/j.cell.2018.02.010.
# - R. Rasti et al., *Macular OCT classification using a multi-scale convolutional neural network
#   ensemble*, IEEE Transactions on Medical Imaging 2018.
# - I. E. Tampu, A. Eklund, N. Haj-Hosseini, *Inflation of test accuracy due to data leakage in deep
#   learning-based classification of OCT images*, Scientific Data 2022, arXiv 2202.12267.
# - K. Roth et al., *Towards total recall in industrial anomaly detection* (PatchCore), CVPR 2022,
#   arXiv 2106.08265.
# - T. Reiss et al., *PANDA: adapting pretrained features for anomaly detection and segmentation*, CVPR 2021,
#   arXiv 2010.05903.
# - J. Tack, S. Mo, J. Jeong, J. Shin, *CSI: novelty detection via contrastive learning on distributionally shifted
#   instances*, NeurIPS 2020, arXiv 2007.08176.
# - J. Bao et al., *BMAD: benchmarks for medical anomaly detection*, CVPR Workshops 2024,
#   arXiv 2306.11876.
# - P. Bergmann et al., *Uninformed students: student-teacher anomaly detection with discriminative latent
#   embeddings* (PRO), CVPR 2020, arXiv 1911.02357.
# - M. Mitchell et al., *Model cards for model reporting*, FAT* 2019, arXiv 1810.03993.
# - Y. Lee, R. F. Barber, R. Willett, *Distribution-free inference with hierarchical data*, arXiv 2306.06342.
# - E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, 1927.
