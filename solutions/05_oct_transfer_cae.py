# %% [markdown] id="title" executed_on="sample"
# # Module 5 · A transfer-pretrained autoencoder on retinal OCT
#
# In this module a convolutional autoencoder (CAE) is to find diseased retinas after it has seen healthy ones
# only. Its encoder comes from a classifier that was trained before. You build the whole pipeline as it was
# published. Then you ask what the encoder had already seen, find a leak, and measure what the leak was worth.
#
# **Afterwards you can**
# - split scans by patient, and say why a split by scan flatters the result;
# - freeze a network so that nothing in it changes, and prove it;
# - calibrate a threshold on the right scans and report its false-alarm rate;
# - measure how much of a result comes from labels that the method should not have had;
# - state a false-alarm rate for *new patients*, and say what it promises.
#
# **What is presumed.** You have done modules 1 and 3: autoencoders, AUROC, the bootstrap and conformal
# thresholds. From PyTorch you know `nn.Module`, `state_dict` and a training loop. Module 4 helps and is not needed.
#
# <!-- time -->

# %% id="setup" tags=["setup"]
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, "..")  # the course folder
import helpers  # before torch: sets how its threads wait

import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import Markdown
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
# Optical coherence tomography (OCT) sends light into the eye. From the interference of the light that comes
# back, the device computes how deep each reflection lies. One sweep gives a **B-scan**, a vertical cut
# through the retina.
#
# The course uses the scans of Kermany et al. (Cell 2018), or any folder of scans whose healthy class is
# called *normal*. Without such data the course draws scans itself, patient by patient, with lesions whose
# pixels are known. The banner below says which data you have.
#
# `task` divides the scans into three roles: a **pool** of labelled scans for training, **validation** scans
# for thresholds, and **test** scans for the report. No patient is in two of them. (Where patients
# are unknown, runs of neighbouring files take their place.)

# %% id="data"
import pandas as pd

from helpers.experiments.module_05 import diseases, task

pool, validation, test = task()
normals, sick = pool.of_class("NORMAL"), diseases(test)
size = test.images.shape[-1]
roles = {"pool": pool, "validation": validation, "test": test}
pd.DataFrame(
    {
        role: {name: len(part.of_class(name)) for name in part.classes}
        for role, part in roles.items()
    }
)

# %% id="contact-sheet" tags=["cover"]
from helpers import plotting

plotting.use_course_style()

sheet = {name: test.of_class(name) for name in ["NORMAL", *sick]}
plotting.show(
    plotting.scan_rows(
        {name: part.take(np.arange(6) * len(part) // 6) for name, part in sheet.items()}
    ),
    f"Six test scans of each class: {', '.join(sheet)}. "
    + ("The outlines are lesions." if test.masks is not None else "These scans have no masks."),
    alt=f"Grey images in {len(sheet)} rows of six, one row a class. Each shows a band of bright and dark "
    "layers across a dark ground"
    + ("; lesions of diseased scans are outlined." if test.masks is not None else "."),
)

# %% [markdown] id="layers-text"
# Read a scan from the top. The black part is the vitreous, which fills the eye. At the surface of the retina
# the nerve fibres send light back. Below them, darker and brighter layers follow. The bright band at the
# bottom holds the photoreceptors and the pigment epithelium (RPE). Beneath it, the choroid fades out.

# %% id="layers"
plotting.show(
    plotting.scan_profile(normals.images[0, 0]),
    "A healthy scan, and the mean brightness of its middle columns by depth, with the inner surface of "
    "the retina and the lower edge of its bottom band marked.",
    alt="Left: one healthy scan. Right: a curve of brightness against depth, with several peaks between two "
    "marked depths, the inner surface of the retina and the lower edge of its bottom band.",
)

# %% [markdown] id="diseases-text"
# | disease | what one sees |
# |---|---|
# | CNV | new vessels below the retina: the RPE is lifted, bright tissue lies above it, often with fluid |
# | DME | oedema from diabetes: the retina swells and contains dark cysts |
# | drusen, early AMD | deposits below the RPE push it up in small bumps |
#
# Look at the sheet again. Which class differs most from healthy scans, and which differs least?

# %% id="seen-diseases" tags=["seen"]
from helpers.claims import seen
from helpers.experiments.module_05 import baseline_scores
from helpers.metrics import auroc

_far = baseline_scores(normals.images, test.images)["nearest picture"]
_name = np.array(test.classes)[test.labels]
_area = {c: auroc(_far[_name == "NORMAL"], _far[_name == c]) for c in sick}
_most, _least = max(_area, key=_area.get), min(_area, key=_area.get)
seen(
    "One plain measure is the distance to the nearest healthy scan of the pool, on images of 32×32 pixels. "
    f"It separates {_most} best from healthy scans (AUROC {_area[_most]:.2f}) and {_least} least "
    f"({_area[_least]:.2f}). A large lesion changes many pixels and a small one few; but a retina that is shifted or "
    "curved changes pixels, too."
)

# %% [markdown] id="alzheimer-text"
# ### What the source hopes for
#
# The source of this module wants to detect early Alzheimer's disease through these three retinal conditions.
# Its scans come without any diagnosis of dementia. So neither its results nor ours can support or refute
# this hope: we would need scans of people whose dementia was diagnosed. Finding a disease that *may go
# along with* another is also not the same as finding the other. What we measure is how well diseased
# retinas are told from healthy ones, and nothing else.

# %% [markdown] id="patients-text"
# ### Patients
#
# A patient contributes several scans. They look alike, since they show the same eye, a fraction of a
# millimetre apart. How alike are they? For each scan of the pool we look for the nearest *other* scan and
# ask how often it belongs to the same patient. (Some data sets do not say who the patients are. Then runs of
# ten neighbouring files stand in for them, and shorter runs in a small set.)

# %% id="alike"
from helpers.datasets.splits import patients

who, x = patients(pool), as_input(pool.images).cpu().flatten(1)
distance = torch.cdist(x, x).fill_diagonal_(torch.inf)
same = (who[distance.argmin(dim=1)] == who).mean()
by_chance = np.mean([(who == patient).sum() - 1 for patient in who]) / (len(who) - 1)
print(f"nearest scan is of the same patient: {same:.1%}; a random one: {by_chance:.1%}")

# %% id="claim-alike" tags=["claim"]
from helpers.claims import claim

claim("the nearest scan is of the same patient more often than a random one", same > by_chance)

# %% id="seen-alike" tags=["seen"]
seen(
    f"The nearest other scan belongs to the same patient in {same:.0%} of the cases; a random scan would in "
    f"{by_chance:.1%}. Scans of one patient are therefore far from independent."
)

# %% [markdown] id="alike-lesson" no_result="literature: Tampu et al. 2022"
# If such scans are split at random, the test set is full of relatives of the training scans. Tampu et al.
# (2022) measured this on three OCT data sets, Kermany's among them: such splits raised the accuracy of
# classifiers by 5 to 30 percentage points. Therefore this module draws every split and every subset by
# patient: all scans of a patient come, or none.

# %% [markdown] id="network-text"
# ## 2 · The network
#
# The source's encoder has four groups. Each group has two **residual blocks** and then a convolution of
# stride 2, which halves the side of the image.
#
# A residual block has two paths. On one path, two convolutions look for something new, $f(x)$. The other path,
# the **short cut** $s(x)$, carries the input past them. The block adds both: $y = s(x) + f(x)$. So the
# convolutions only have to learn a *change* of $x$, and gradients reach early layers through the short cut.
# Where the number of channels changes, $s$ is a 1×1 convolution; elsewhere it is the identity.

# %% id="block-figure"
plotting.show(
    plotting.residual_block(make_encoder((8, 16))[1][0], (8, 32, 32)),
    "A residual block of the encoder, drawn from the module itself. The lower path is the short cut.",
    alt="Two paths lead from the input to a plus sign. The upper path has six boxes: convolution, batch "
    "normalisation and ReLU, twice. The lower path has one box, the 1×1 convolution of the short cut.",
)

# %% id="encoder-figure"
from helpers.experiments.module_05 import widths

plotting.show(
    plotting.network_diagram(make_encoder(widths()), (1, size, size), "Encoder"),
    f"The encoder of the {profile()} profile, for scans of {size}×{size} pixels.",
    alt=f"{len(widths())} groups in a row, each with two residual blocks and a convolution. The side of the "
    f"image halves from group to group, from {size} to {size >> len(widths())} pixels, while the channels "
    f"grow to {widths()[-1]}.",
)

# %% [markdown] id="batchnorm-text"
# Batch normalization shifts and scales each channel to mean 0 and variance 1. It behaves differently in
# training and afterwards, and this will matter twice below. In train mode it uses the mean and variance of the
# batch, and updates its **running statistics** with them. In eval mode it uses these stored statistics.
#
# So a single image that passes in *train* mode leaves a trace in the layer, although no gradient is computed.

# %% [markdown] id="block-exercise" tags=["optional"]
# ### Exercise 5.1
#
# Write `ResidualBlock`: (N, in, H, W) in, (N, out, H, W) out. Its body is twice: convolution 3×3 without bias,
# batch normalization, ReLU. The second ReLU comes *before* the sum. **Done** when the block passes x on
# unchanged once its body gives zeros.


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
# An autoencoder is said to press an image through a bottleneck. Let us count how much this one presses.

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
    """Numbers of a picture of the given shape (C, H, W) for each number of its code. -> float"""
    ...  # a blank picture will do; think of BatchNorm


# %% id="check-5-3" tags=["check", "nbval-check-output"]
compression_ratio = check("5.3", compression_ratio)

# %% id="ratio"
from helpers.models import receptive_field

networks = {"the source's": (128, (64, 128, 256, 256)), f"{profile()} profile": (size, widths())}
for name, (side, channels) in networks.items():
    encoder = make_encoder(channels)
    weights = sum(p.numel() for p in encoder.parameters())
    ratio = compression_ratio(encoder, (1, side, side))
    print(
        f"{name:15} {side} px, {weights:10,} parameters, ratio {ratio:g}, "
        f"a number of the code sees {receptive_field(encoder)} × {receptive_field(encoder)} pixels"
    )

# %% id="claim-ratio" tags=["claim"]
claim("neither network squeezes: a number of the code for each pixel", ratio == 1)

# %% [markdown] id="field-text" no_result="a definition"
# > **receptive field.** The pixels of the input on which one number of a later layer depends.
#
# With each k×k convolution its side grows by (k - 1) steps of the current grid, and a stride of 2 doubles the
# step. We can test this with a gradient: which pixels influence one place in the middle of the code? (With
# positive weights and a bright image, no ReLU blocks the gradient.)

# %% id="field"
encoder = make_encoder(widths()).eval()
for parameter in encoder.parameters():
    parameter.data.abs_()
side = receptive_field(encoder) + 64  # large enough to see its edges
x = torch.ones(1, 1, side, side).requires_grad_()
code = encoder(x)
code[0, :, code.shape[2] // 2, code.shape[3] // 2].sum().backward()
rows = x.grad[0, 0].abs().sum(dim=1).nonzero()
print(f"rows {rows.min()} to {rows.max()}: {rows.max() - rows.min() + 1} of {side}")

# %% id="seen-field" tags=["seen"]
_rows = int(rows.max() - rows.min() + 1)
seen(
    f"The gradient reaches {_rows} rows, and the rule says {receptive_field(encoder)}. Of the scans' {size} rows "
    "one place of the code thus sees "
    + ("all" if _rows >= 2 * size else "nearly all" if _rows >= size else "a part")
    + "."
)

# %% [markdown] id="decoder-text"
# ### The decoder
#
# The decoder mirrors the encoder. Each of its groups first doubles the side by nearest-neighbour upsampling,
# which repeats each value in a 2×2 square; then two residual blocks follow. The last layer is a tanh, since
# the pixels of this module are in $[-1, 1]$. The **classifier** of the next section is the encoder with one
# linear layer on top.

# %% [markdown] id="decoder-exercise" tags=["optional"]
# ### Build the decoder yourself


# %% [markdown] id="ex-text-5-13" tags=["optional"]
# ### Exercise 5.13
#
# Write `make_decoder`: widths of the *encoder's* groups in, an `nn.Sequential` out that maps
# (N, widths[-1], s, s) to (N, 1, s·2^g, s·2^g) with g groups.
#
# - There is one group for each width, from the last width back to the first. A group is
#   `nn.Upsample(scale_factor=2, mode="nearest")`, then two residual blocks.
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
# The source trains the encoder as a **classifier** on a random 40 % of the training scans, of *all four
# classes* and with their labels, and calls that transfer. (It also accepts an argument `dropout` and never
# uses it; we leave it out.) Keep in mind which labels are used here. We come back to it in section 7.
#
# We draw 40 % as well, but of the patients.

# %% [markdown] id="subset-exercise"
# ### Exercise 5.4
#
# Write `subset_by_patient`: labels (N,), patients (N,) and a share in; positions (m,) out. For each class,
# draw that share of its *patients* at random, all with the same chance, and at least one. Then take all scans
# of the patients drawn, of whatever class they are. **Done** when no patient is split, the same seed gives the
# same subset, and another seed gives another one.


# %% id="ex-5-4" tags=["exercise"] reference="helpers.datasets.splits.subset_by_patient"
def subset_by_patient(labels, groups, share, seed=0):
    """Positions of all pictures of `share` of the patients of each class, at least one of each."""
    ...  # np.unique(groups, return_index=True) gives each patient and a first scan


# %% id="check-5-4" tags=["check", "nbval-check-output"]
subset_by_patient = check("5.4", subset_by_patient)

# %% id="share"
shown = pool.take(subset_by_patient(pool.labels, patients(pool), 0.4))
for name in pool.classes:
    some, every = (
        len(np.unique(patients(p)[p.labels == p.classes.index(name)])) for p in (shown, pool)
    )
    print(f"{name:8} {some:4} of {every:4} patients, {len(shown.of_class(name)):4} scans")

# %% [markdown] id="augment-text"
# ### Augmentation
#
# > **augmentation.** Random changes of the training images that keep their class, so that the network does
# > not learn accidents of the few images it has.
#
# The source mirrors scans left to right at random: a left eye then looks like a right eye. Mirrored top to
# bottom, a scan would be no retina at all. Here is what one training batch looks like.

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
#
# Now train. The printed history has the mean loss of each epoch and the accuracy on validation patients.

# %% id="pretrain"
from helpers.experiments.module_05 import classify

set_seed(0)
encoder = make_encoder(widths()).to(device())
steps = training_length(quick=160, full=8000)
classifier, history = classify(encoder, shown, steps, validation, progress=True)

# %% id="pretrain-figure"
epochs = pd.DataFrame(history).set_index("epoch")
largest = np.mean(validation.labels == validation.classes.index("NORMAL"))
plotting.show(
    plotting.training_curves(
        {
            "cross-entropy in training (nats)": {"training": epochs.train},
            "accuracy on validation patients": {
                "classifier": epochs.accuracy,
                "always NORMAL": 0 * epochs.accuracy + largest,
            },
        }
    ),
    f"Cross-entropy in training falls to {epochs.train.iloc[-1]:.2f} nats. Accuracy on validation patients ends "
    f"at {epochs.accuracy.iloc[-1]:.1%}; its best is {epochs.accuracy.max():.1%}. Always answering NORMAL gives "
    f"{largest:.1%}.",
    alt="Left: the training loss over the epochs. Right: accuracy on validation patients over the epochs, "
    "beside a level line for the answer that is always NORMAL.",
)

# %% [markdown] id="pretrain-question"
# Compare the two curves. Does this classifier overfit, and would you stop the training earlier?

# %% id="seen-pretrain" tags=["seen"]
_best = int(epochs.accuracy.idxmax())
_after = epochs.accuracy.iloc[-1] - epochs.accuracy.max()
seen(
    f"A cross-entropy of {epochs.train.iloc[-1]:.2f} nats means that the classifier gives the right class of a "
    f"training scan a probability of about {np.exp(-epochs.train.iloc[-1]):.0%}; of new patients it gets only "
    f"{epochs.accuracy.iloc[-1]:.0%} right. That gap is **overfitting**: it knows its {len(shown)} scans by heart. "
    + (
        "Yet accuracy is highest in the last epoch, so stopping earlier would not help."
        if _best == epochs.index[-1]
        else f"Accuracy is highest in epoch {_best}; the last epoch has {-_after * len(validation):.0f} fewer "
        f"right answers among {len(validation)}, and one or two scans are no difference."
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
wrong = confusion.where(confusion.index.to_numpy()[:, None] != confusion.columns.to_numpy())
true, given = wrong.stack().idxmax()
missed = (answers == test.classes.index("NORMAL"))[test.labels != test.classes.index("NORMAL")]
Markdown(
    f"The most frequent mistake: {true} called {given}, {confusion.loc[true, given]} of "
    f"{confusion.loc[true].sum()} scans. Of all diseased scans {missed.mean():.0%} are called NORMAL."
)

# %% [markdown] id="precision-text" tags=["optional"]
# ### Half the digits: mixed precision
#
# > **mixed precision.** Convolutions and matrix products are computed with numbers of 16 bits instead of 32;
# > the weights, the optimizer and sums that need more digits stay at 32.
#
# The source trains with `autocast` in `bfloat16`. This format has the range of a 32-bit number but only two to
# three decimal digits. On a GPU with units for it, a step then takes less time and memory. On many CPUs it
# takes *more* time, since the numbers are converted back and forth. So measure before you use it. (The
# source adds a `GradScaler`, which `float16` needs; `bfloat16` has enough range without.)

# %% id="precision" tags=["nbval-ignore-output"]
from helpers.precision import bfloat16_gain, uses_bfloat16

gain16 = bfloat16_gain()
print(f"training steps a second, bfloat16 over float32: {gain16:.2f} on {device().type}")
print("the trainings of this module use bfloat16:", uses_bfloat16())

# %% [markdown] id="precision-lesson"
# The course uses `bfloat16` in the full profile only, and only where the step is at least a tenth faster. In
# the quick profile all machines compute in `float32`, so that your numbers compare with the tables.

# %% [markdown] id="freeze-text"
# ## 4 · Freezing that freezes
#
# From now on the encoder must stay as it is: only the decoder is trained. What can change the tensors of a
# module? Two things can. The **optimizer** changes parameters by their gradients. And **batch normalization**
# in train mode updates its running statistics in every forward pass, without any gradient.
#
# `requires_grad = False`, which is all that the source does, stops the first.


# %% [markdown] id="ex-text-5-12"
# ### Exercise 5.12
#
# First predict, then run. We take an encoder of three groups, set `requires_grad` to `False`, leave it in
# train mode, and pass one batch through. No optimizer takes part. How many tensors of its `state_dict`
# differ afterwards? (Each batch normalization has a running mean, a running variance, and a count of the
# batches that it has seen.)

# %% id="ex-5-12" tags=["exercise"] reference="moved_tensors"
moved_tensors = ...  # your prediction, a whole number

# %% id="check-5-12" tags=["check", "nbval-check-output"]
moved_tensors = check("5.12", moved_tensors)

# %% id="half-frozen" tags=["nbval-check-output"]
import copy


def changed(module, before):
    """Names of the tensors of a module that differ from `before`."""
    now = module.state_dict()
    return [name for name in now if not torch.equal(now[name], before[name])]


half = make_encoder((8, 16, 64)).to(device()).requires_grad_(False)
before = copy.deepcopy(half.state_dict())
half.train()(signed(as_input(normals.images[:32])))
moved = changed(half, before)
print(f"after one forward pass {len(moved)} of {len(before)} tensors differ, such as {moved[0]}")

# %% [markdown] id="freeze-exercise-text"
# ### Exercise 5.5
#
# A colleague wrote the function below. It passed every look at the encoder right after the call, and in the
# next training the encoder moved all the same. Find the bug and mend it.
#
# What `freeze` must do: a module in, *the same module* out. Its tensors never change again, in whatever mode
# its owner or one of its parts is put, and whether it is used as a whole or part by part. It always computes
# as in eval mode, and gradients pass through it to what comes before. **Done** when a training of the whole
# model changes nothing in it.


# %% id="ex-5-5" tags=["exercise"] reference="helpers.models.freeze"
def freeze(module):
    """Fix all tensors of a module, for good. -> the module"""
    ...


# %% id="check-5-5" tags=["check", "nbval-check-output"]
freeze = check("5.5", freeze)

# %% [markdown] id="decoder-training-text"
# ## 5 · Training the decoder on normals
#
# The CAE is the frozen encoder and a fresh decoder, which sees **normal scans only**. The loss is Huber's: the
# squared error for small residuals, and a straight line for residuals beyond $\delta = 1$. The optimizer is
# Adam with learning rate 5e-4, and the norm of the gradient is clipped at 1. One update, written out:

# %% id="one-step"
from helpers.models import OctAutoencoder, make_decoder

set_seed(0)
cae = OctAutoencoder(freeze(encoder), make_decoder(widths())).to(device())
cae = cae.to(memory_format=torch.channels_last).train()
optimizer = adam(cae, lr=5e-4, weight_decay=0)
x = signed(as_input(normals.images[:32]))
optimizer.zero_grad()
loss = F.huber_loss(cae(x), x)
loss.backward()
length = nn.utils.clip_grad_norm_(cae.parameters(), max_norm=1.0)
optimizer.step()
print(f"loss {loss.item():.3f}; the gradient's norm was {length:.3f} before clipping")

# %% [markdown] id="checkpoint-text" tags=["optional"]
# ### A training that may be interrupted
#
# A training of hours will be interrupted: by an empty battery, or by a server that stops idle sessions. A
# **checkpoint** is a file from which it goes on as if nothing had happened. So it must hold *everything* that
# the next step depends on: weights, the optimizer's moments, the order of the scans and the place in it, and
# the state of the random numbers. It must never be half written. Therefore it is written under another name
# and then renamed, which an operating system does as a whole or not at all. It is read with
# `weights_only=True`, so that a file from elsewhere cannot run code.
#
# Does it work? Train 12 steps in one go; then train again, but "pull the plug" after 8. We use one thread,
# since several threads add numbers in varying order, which changes the last digits of a loss.

# %% id="interrupted"
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


with tempfile.TemporaryDirectory() as folder, fixed_threads(1):
    file = Path(folder) / "decoder.pt"
    try:
        twelve_steps(file, pull_the_plug)
    except KeyboardInterrupt:
        print("interrupted; on the disk:", *(p.name for p in Path(folder).iterdir()))
    resumed = twelve_steps(file)
    print("same losses as without a break:", resumed == twelve_steps())

# %% [markdown] id="train-text"
# ### The training
#
# Now the real training. The same four validation scans, two healthy and two diseased, are rebuilt as it goes.
# What do you expect to see on the two diseased ones?

# %% id="train-decoder"
from helpers.experiments.module_05 import autoencoder, train_decoder
from helpers.places import output_path

healthy = validation.of_class("NORMAL").images[:2]
watched = np.concatenate([healthy, *(validation.of_class(name).images[:1] for name in sick[:2])])
snapshots, file = {}, output_path("05_decoder.pt")
file.unlink(missing_ok=True)  # leave this line out to go on after a restart


def watch(step, losses):
    rebuilt = apply(lambda x: cae(signed(x)), watched)
    snapshots[f"step {step}"] = (rebuilt + 1) / 2


before = copy.deepcopy(encoder.state_dict())
set_seed(0)
cae = OctAutoencoder(freeze(encoder), make_decoder(widths()))
steps = training_length(quick=200, full=15_000)
losses = train_decoder(
    cae, normals.images, steps=steps, path=file, every=steps // 4, on_checkpoint=watch
)

# %% id="train-figure"
plotting.show(
    plotting.image_rows({"scan": watched} | snapshots),
    f"From left to right: two healthy scans, then {' and '.join(sick[:2])}. Top row: the scans; below: rebuilt "
    f"after {', '.join(snapshots)}. The loss fell from {np.mean(losses[:10]):.3f} to {np.mean(losses[-10:]):.3f}.",
    alt=f"{len(snapshots) + 1} rows of four scans, the first row as they are. The rebuilt ones are blurred, and "
    "get sharper from row to row.",
)

# %% id="seen-train" tags=["seen"]
_x = as_input(watched)
with torch.no_grad():
    _error = (cae(signed(_x)) - signed(_x)).abs().mean(dim=(1, 2, 3)).cpu().numpy()
seen(
    f"All four come back blurred, and fine detail is missing in the healthy scans, too. The mean absolute error is "
    f"{_error[:2].mean():.3f} on the two healthy scans and {_error[2:].mean():.3f} on the two diseased ones. What a "
    "lesion adds to the error has to stand out against what the blur leaves everywhere. Two scans of each kind "
    "decide nothing; section 6 scores all of them."
)

# %% id="frozen-proof" tags=["nbval-check-output"]
print("tensors of the encoder that the decoder's training changed:", len(changed(encoder, before)))

# %% id="quiz-freeze" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("05", "freeze")

# %% [markdown] id="table-text"
# ## 6 · Scores and decisions
#
# The source trains on the Huber loss and scores a scan by its mean absolute error (L1). We make a table with
# one row for each scan of validation and test, and with all that later questions need. Such a **tidy** table
# is also written to a CSV file beside the notebook.

# %% id="table"
from helpers.scores import absolute_error


def losses_of(part, role):
    l1 = apply(lambda x: absolute_error(signed(x), cae(signed(x))), part.images, 100).numpy()
    classes = np.array(part.classes)[part.labels]
    return pd.DataFrame({"part": role, "patient": patients(part), "class": classes, "L1": l1})


table = pd.concat([losses_of(validation, "validation"), losses_of(test, "test")], ignore_index=True)
tested = table[table.part == "test"]
table.to_csv(output_path("05_losses.csv"), index=False)
table.groupby(["part", "class"])[["L1"]].mean().round(4)

# %% id="boxes"
all_sick = tested[tested["class"] != "NORMAL"].assign(**{"class": "all diseases"})
together = pd.concat([tested, all_sick])
medians = together.groupby("class").L1.median()
plotting.show(
    plotting.boxes(together, "class", "L1", order=["NORMAL", *sick, "all diseases"]),
    "L1 of the test scans by class. Medians: "
    + ", ".join(f"{c} {m:.3f}" for c, m in medians.items())
    + ".",
    alt=f"A box plot of L1 for each of {len(medians)} groups. The boxes overlap; the lowest median is that of "
    f"{medians.idxmin()}, the highest that of {medians.idxmax()}.",
)

# %% [markdown] id="huber-text" tags=["optional"]
# ### Does the loss matter?


# %% [markdown] id="ex-text-5-6" tags=["optional"]
# ### Exercise 5.6
#
# The Huber loss of a residual $d$ is
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
# squared error, and a $\delta$ that nothing reaches changes nothing. One has to look to know that.

# %% [markdown] id="z-text"
# ### A rule
#
# The source flags a scan if its L1 lies three or more standard deviations above the mean of normal scans,
# $z \ge 3$. Of *which* normal scans? It takes those of the test set, and then judges the rule on the same
# scans. Its false-alarm rate is not reported at all. We calibrate on the normal scans of the validation part.


# %% [markdown] id="ex-text-5-7"
# ### Exercise 5.7
#
# Write `z_rule`. In: scores (n,) of all scans; two boolean arrays (n,) that say which scans are normal and
# which belong to the validation part; and z. Out: flags (n,), each True or False. **Done** when only the
# normal scans of the validation part decide.


# %% id="ex-5-7" tags=["exercise"] reference="helpers.thresholds.z_rule"
def z_rule(scores, normal, validation, z=3.0):
    """Flag what lies z or more standard deviations above the mean of the validation normals."""
    ...


# %% id="check-5-7" tags=["check", "nbval-check-output"]
z_rule = check("5.7", z_rule)

# %% id="rules"
from scipy.stats import norm

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
print(f"Gaussian scores would have {norm.sf(3):.2%} at z >= 3")
tested.groupby("class")[rules].mean().round(3)

# %% [markdown] id="rules-text"
# The row NORMAL holds the false-alarm rates; the other rows are detection rates. Read both together: a
# detection rate without its false-alarm rate says nothing. Which rule would you trust?

# %% id="seen-rules" tags=["seen"]
_rate = tested.groupby("class")[rules].mean().loc["NORMAL"]
_patients = table[is_normal & is_validation].patient.nunique()
seen(
    f"False alarms on test patients: z rule {_rate['z rule']:.1%}, conformal {_rate['conformal, 5 %']:.1%}, the "
    f"source's way {_rate['on test normals']:.1%}. Gaussian scores would give {norm.sf(3):.2%} at z ≥ 3, but the "
    "scores need not be Gaussian, so z = 3 is no promise. The conformal rule aims at 5 %, and here it is "
    + ("above" if _rate["conformal, 5 %"] > 0.05 else "below")
    + f" that; it was calibrated on scans of only {_patients} patients (section 10). The source's rule was fitted to "
    "the scans that examine it, so its rate was not measured on other patients. The other two were fixed before."
)

# %% id="quiz-rule" tags=["nbval-ignore-output"]
quiz("05", "rule")

# %% [markdown] id="intervals-text"
# ### How sure are these numbers?
#
# An interval should show how much a number would change with *other patients*. A bootstrap that redraws single
# scans treats the scans of one patient as independent, and they are not. `patient_interval` redraws whole
# patients, each with all scans. Which interval do you expect to be wider?

# %% id="auroc"
from helpers.metrics import auroc, bootstrap_interval, by_patient, patient_interval


def groups_of(name, score="L1"):
    """Scores and patients of the test normals, and of the class `name` (or all diseases)."""
    wanted = sick if name == "all" else [name]
    rows = table[table.part == "test"]
    return [
        (g[score].to_numpy(), g.patient)
        for g in (rows[rows["class"] == "NORMAL"], rows[rows["class"].isin(wanted)])
    ]


for name in [*sick, "all"]:
    (a, who_a), (b, who_b) = groups_of(name)
    low, high = patient_interval(by_patient(a, who_a), by_patient(b, who_b))
    print(
        f"{name:7} AUROC {auroc(a, b):.3f}, patients redrawn {low:.3f} to {high:.3f}, "
        "scans redrawn {:.3f} to {:.3f}".format(*bootstrap_interval(a, b))
    )

# %% id="seen-auroc" tags=["seen"]
_low, _high = bootstrap_interval(a, b)
seen(
    f"Over all diseases the interval over patients is {high - low:.3f} wide, that over scans {_high - _low:.3f}: "
    f"{(high - low) / max(_high - _low, 1e-9):.1f} times. With each patient several similar scans come or go, so one expects "
    "a test set of other patients to differ more than a test set of other scans."
)

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
def wilson_interval(successes, trials, confidence=0.95):
    """Interval of a proportion that stays in [0, 1] near its ends. -> (low, high)"""
    ...  # norm.ppf gives quantiles


# %% id="check-5-8" tags=["check", "nbval-check-output"]
wilson_interval = check("5.8", wilson_interval)

# %% id="rates"
rows = []
for name, part in table[table.part == "test"].groupby("class"):
    for rule in rules:
        low, high = wilson_interval(part[rule].sum(), len(part))
        text = f"{part[rule].mean():.1%} ({low:.1%} to {high:.1%})"
        rows.append({"class": name, "rule": rule, "flagged": text})
rates = pd.DataFrame(rows).pivot(index="class", columns="rule", values="flagged")
rates[rules]

# %% [markdown] id="rates-lesson"
# Wilson's interval counts scans as independent trials, and scans of one patient are not. So these intervals
# are too narrow, just as the bootstrap over scans was. Section 10 gives intervals over patients.

# %% [markdown] id="baselines-text"
# ### Is a network needed?
#
# As in every module, scores without a network come first. What does the CAE add to them?

# %% id="baselines"
from helpers.experiments.module_05 import baseline_scores, judged

trivial = judged(baseline_scores(normals.images, test.images), test)
names = ["brightness", "mean image", "PCA, 32", "nearest picture"]
trivial_table = pd.DataFrame({c: {s: trivial[f"{s}, {c}"] for s in names} for c in [*sick, "all"]})
own = {c: auroc(*(scores for scores, _ in groups_of(c))) for c in trivial_table}
best_trivial = trivial_table["all"].idxmax()
plotting.show(
    plotting.auroc_table(pd.concat([trivial_table, pd.DataFrame(own, index=["CAE, L1"])])),
    f"Scores without a network, and the CAE. Best without one: {best_trivial}, "
    f"{trivial_table['all'].max():.3f} over all diseases; the CAE {own['all']:.3f}.",
    alt=f"A table of AUROCs: {len(names)} scores without a network and the CAE in rows, "
    f"{', '.join(sick)} and all diseases in columns. The caption says the best of them.",
)

# %% id="seen-baselines" tags=["seen"]
_lead = own["all"] - trivial_table["all"].max()
_ahead = ", ".join(c for c in sick if own[c] > trivial_table[c].max()) or "no disease"
_low, _high = trivial[f"{best_trivial}, all, low"], trivial[f"{best_trivial}, all, high"]
seen(
    f"Over all diseases the CAE is {abs(_lead):.3f} {'above' if _lead > 0 else 'below'} the best score without a "
    f"network ({best_trivial}, {trivial_table['all'].max():.3f}, {_low:.3f} to {_high:.3f} over patients). The "
    f"CAE has the highest AUROC on {_ahead}. Remember that this CAE owes its encoder to the labels of these very "
    "diseases; section 7 asks what is left without them."
)

# %% [markdown] id="explore-text" tags=["optional"]
# ### Try it yourself
#
# Where would you put the threshold for a screening clinic, and where for a research study?

# %% id="threshold-explorer"
from helpers import explorables

(a, _), (b, _) = groups_of("all")
explorables.threshold(a, b, thresholds={"conformal 5 %": limit})

# %% id="seen-threshold" tags=["seen"]
_rows = {q: np.quantile(a, q) for q in (0.8, 0.95)}
_found = {q: (b > t).mean() for q, t in _rows.items()}
seen(
    "There is no single answer; it depends on what each error costs. With 20 % false alarms this CAE finds "
    f"{_found[0.8]:.0%} of the diseased scans, with 5 % only {_found[0.95]:.0%}. A clinic in which a second "
    "examination is cheap can accept more alarms; a study that wants pure groups cannot. Choose the threshold "
    "on validation scans, whatever the choice is."
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
# How much of the result is due to these labels? To find out, we take them away step by step and change nothing
# else: the same number of scans, the same decoder, trained in the same way. Each step is a **rung** of a
# ladder. A rung that may see only some classes takes those scans of section 3 that it may see. Then it fills
# up with scans of other patients of these classes, as far as the pool has them.
#
# | rung | what the encoder has seen |
# |---|---|
# | random | nothing: random weights; only the statistics of batch normalization are set on the scans |
# | denoising, normals | healthy scans only; it learned to remove noise: no leakage |
# | denoising | scans of all classes without labels: it has seen the diseases, and not which scans have them |
# | one disease | healthy scans and *one* disease, with labels; the *other* diseases are new to it |
# | all labels | everything that it is asked to find later: the source's way |

# %% id="ladder-flow"
from helpers.experiments.module_05 import seen_scans

flow = seen_scans(pool)
plotting.show(
    plotting.seen_flow(flow, len(normals)),
    "Who has seen what. A filled circle: scans with their labels; an open circle: scans without labels. The "
    "numbers are scans of the pool. Every decoder sees healthy scans only, and no rung sees a test patient.",
    alt=f"A grid with {len(flow)} rungs as rows and the classes {', '.join(test.classes)} as columns. A circle "
    "marks the classes that the encoder has seen. Arrows lead from each row to a decoder trained on "
    f"{len(normals)} healthy scans, and on to the test scans of all classes.",
)

# %% [markdown] id="ladder-guess"
# Guess before you go on: which step up this ladder helps most? We train one rung now, the lowest. The tables of
# all rungs were computed beforehand with several seeds (`make results`). The table of *real* scans is of one
# small data set, NEH; with other real scans your live numbers differ from it for that reason as well.

# %% id="live-rung"
from helpers.results import over_seeds, read_table
from helpers.experiments.module_05 import cae_scores, pretrained

random_encoder = pretrained("random", shown, seed=0)
random_cae, _ = autoencoder(random_encoder, normals, seed=0)
live = {"random": cae_scores(random_cae, test.images)["L1"], "all labels": tested.L1.to_numpy()}

# %% id="live-agrees"
ladder = read_table("05_ladder", source="sample", profile=profile())
real = read_table("05_ladder_neh", source="real", profile=profile())
own_table = real if test.source == "real" else ladder
for rung, score in live.items():
    row = own_table[(own_table.rung == rung) & (own_table.seed == 0)].iloc[0]
    here = judged({"L1": score}, test)["L1, all"]
    sizes = row["normal images"], row["test images"]
    whose = "" if sizes == (len(normals), len(test)) else " of other scans: no need to agree"
    print(
        f"{rung:10} live {here:.3f} ({test.source} data), "
        f"table {row['L1, all']:.3f} ({row.source} data{whose})"
    )


# %% id="ladder-frame"
def long_form(ladder, score):
    """One row for each rung, seed and group of diseases: auroc, low, high."""
    found = [name.removeprefix(f"{score}, ") for name in ladder if name.startswith(f"{score}, ")]
    groups = [g for g in found if f"{g}, low" in found]
    rows = []
    for _, entry in ladder[ladder.rung != "no network"].iterrows():
        for g in groups:
            numbers = [entry[f"{score}, {g}{end}"] for end in ("", ", low", ", high")]
            row = {"rung": entry.rung, "seed": entry.seed, "diseases": g}
            rows.append(row | dict(zip(("auroc", "low", "high"), numbers, strict=True)))
    return pd.DataFrame(rows).dropna()


def seeds_of(ladder):
    """How many seeds each rung has, as a text."""
    counts = ladder[ladder.rung != "no network"].groupby("rung").seed.nunique()
    few, many = counts.min(), counts.max()
    return f"seeds of each rung: {many}" if few == many else f"seeds of each rung: {few} to {many}"


def means(ladder, score):
    return long_form(ladder, score).pivot_table("auroc", "rung", "diseases", sort=False)


# %% id="ladder-figure"
steps_up = means(ladder, "L1")
gain = steps_up["all"]["all labels"] - steps_up["all"]["random"]
unlabelled = steps_up["all"]["denoising"] - steps_up["all"]["random"]
how_to_read = (
    "One panel for each disease and one for all. A filled mark: the encoder has seen labels of that disease; an "
    "open mark: it has not. The shape of a mark is its seed, its line the interval over patients; the bar is "
    "the mean over seeds."
)
ladder_alt = "Panels of AUROC, one a disease and one for all, with the rungs as rows from random to all labels. "
plotting.show(
    plotting.ladder_steps(long_form(ladder, "L1")),
    f"L1 of the CAE ({ladder.source[0]} data; {seeds_of(ladder)}). {how_to_read} From random to all "
    f"labels the mean AUROC over all diseases changes by {gain:+.3f}; from random to denoising by "
    f"{unlabelled:+.3f}.",
    alt=ladder_alt
    + f"Over all diseases the lowest rung is {steps_up['all'].idxmin()}, the highest "
    f"{steps_up['all'].idxmax()}.",
)


# %% id="ladder-read"
def gains(ladder, score, rung):
    """What labels of all diseases gain over a rung, over all diseases, for each seed. -> Series"""
    long = long_form(ladder, score)
    by_seed = long[long.diseases == "all"].pivot(index="seed", columns="rung", values="auroc")
    return (by_seed["all labels"] - by_seed[rung]).dropna()


def worth(ladder, score):
    """The same in words, over each rung without labels that the table has."""
    texts = []
    for rung in ("random", "denoising, normals", "denoising"):
        if rung in ladder.rung.to_numpy():
            gain = gains(ladder, score, rung)
            texts.append(
                f"over {rung} {gain.mean():+.3f} (seeds: {gain.min():+.3f} to {gain.max():+.3f})"
            )
    return f"{score}, all labels: " + "; ".join(texts) + "."


Markdown("What labels of all diseases gain, over all diseases. " + worth(ladder, "L1"))

# %% id="seen-ladder" tags=["seen"]
_all = steps_up["all"]
_over = gains(ladder, "L1", "denoising, normals")
seen(
    f"On the {ladder.source[0]} data the mean AUROC is {_all['random']:.3f} for a random encoder, "
    f"{_all['denoising, normals']:.3f} after denoising healthy scans, {_all['denoising']:.3f} after denoising "
    f"scans of all classes, and {_all['all labels']:.3f} with all labels. What the labels add over the rung "
    f"without leakage is {_over.mean():+.3f}, "
    + (
        "with the same sign for every seed"
        if len(_over) > 2 and ((_over > 0).all() or (_over < 0).all())
        else "from too few seeds to be sure of its sign"
        if len(_over) < 3
        else "and its sign differs between seeds"
    )
    + f" ({len(_over)}). The largest part of the way up comes "
    + (
        "from training the encoder at all, labels or not."
        if _all["denoising, normals"] - _all["random"] > _over.mean()
        else "from the labels."
    )
)

# %% [markdown] id="held-in-text"
# ### Transfer or leakage?
#
# A rung that has seen the labels of *one* disease answers this. On its own disease it profits from leakage. On
# the other diseases, which it has never seen, only transfer can help. The table compares "the others" with
# what the rungs without labels, and the rung with all labels, reach on the same diseases.

# %% id="held-in"
rows = []
for rung in [r for r in steps_up.index if r in steps_up.columns]:
    unseen = [c for c in steps_up.columns if c not in (rung, "all", "others")]
    below = [r for r in ("random", "denoising, normals", "denoising") if r in steps_up.index]
    reference = {r: steps_up.loc[r, unseen].mean() for r in [*below, "all labels"]}
    rows.append(
        {
            "held in": rung,
            "its own": steps_up.loc[rung, rung],
            "the others": steps_up.loc[rung, unseen].mean(),
        }
        | reference
    )
pd.DataFrame(rows).set_index("held in").round(3)

# %% id="seen-held-in" tags=["seen"]
_held = pd.DataFrame(rows).set_index("held in")
_gain = _held["the others"] - _held["denoising"]
_leak = _held["all labels"] - _held["the others"]
seen(
    "The question of anomaly detection is the column *the others*. Labels of another disease change it over "
    "denoising by "
    + ", ".join(f"{v:+.3f} ({c} held in)" for c, v in _gain.items())
    + ". This part would be transfer: it needs no label of the disease to be found. With all labels it changes by "
    + ", ".join(f"{v:+.3f} ({c})" for c, v in _leak.items())
    + f" more; in this part the labels of the diseases to be found take part. The three rows differ by up to "
    f"{np.ptp(_leak):.2f}, so how much is leakage depends on the disease held in, and a mean over the three would "
    f"hide it. These are means on drawn scans ({seeds_of(ladder)})."
)

# %% [markdown] id="knn-text" tags=["optional"]
# ### The same encoders, another detector
#
# Does the ladder look alike for a detector without a decoder? This one takes the distance from the encoder's
# features to the nearest features of healthy scans. Section 8 builds it.

# %% id="ladder-knn"
knn_steps = means(ladder, "kNN")
knn_gain = knn_steps["all"]["all labels"] - knn_steps["all"]["random"]
plotting.show(
    plotting.ladder_steps(long_form(ladder, "kNN")),
    f"The distance to the nearest feature of normal scans. From random to all labels: {knn_gain:+.3f} over all "
    f"diseases. {worth(ladder, 'kNN')}",
    alt=ladder_alt
    + f"Over all diseases the lowest rung is {knn_steps['all'].idxmin()}, the highest "
    f"{knn_steps['all'].idxmax()}.",
)

# %% id="seen-knn" tags=["seen"]
seen(
    f"For this detector the labels are worth {gains(ladder, 'kNN', 'denoising, normals').mean():+.3f} over "
    f"denoising healthy scans; for the CAE's L1 they were worth {gains(ladder, 'L1', 'denoising, normals').mean():+.3f}. "
    "A likely reason: this detector compares features, and the labels taught the encoder features that tell these "
    "diseases apart. The CAE compares pixels, which depend less on them."
)

# %% [markdown] id="real-text"
# ### Real scans
#
# So far the tables were of drawn scans. Here is the same ladder on scans of another hospital (Rasti et al., IEEE TMI
# 2018): 792 scans of the classes NORMAL, AMD and DME. Patient numbers are missing, so the split is by
# contiguous runs of files. The course may not ship
# these scans; their numbers it may.

# %% id="ladder-real"
real_steps = means(real, "L1")
trivial_real = real[real.rung == "no network"].iloc[0]
best_real = max(names, key=lambda name: trivial_real[f"{name}, all"])
plotting.show(
    plotting.ladder_steps(long_form(real, "L1")),
    f"L1 of the CAE on {real['test images'][0]:.0f} real test scans ({seeds_of(real)}), decoder trained "
    f"on {real['normal images'][0]:.0f}. Without a network, {best_real} reaches "
    f"{trivial_real[f'{best_real}, all']:.3f} over both diseases.",
    alt=ladder_alt
    + f"Over all diseases the lowest rung is {real_steps['all'].idxmin()}, the highest "
    f"{real_steps['all'].idxmax()}.",
)

# %% id="ladder-real-read"
without = trivial_real[f"{best_real}, all"]
real_knn = means(real, "kNN")
reached = {"L1": real_steps["all"], "kNN": real_knn["all"]}
best_score = max(reached, key=lambda score: reached[score].max())
best_rung, best_value = reached[best_score].idxmax(), reached[best_score].max()
low, high = (trivial_real[f"{best_real}, all, {end}"] for end in ("low", "high"))
beaten = "a rung lies clearly above" if best_value > high else "no rung lies clearly above"
verdict = (
    f"On the real scans {beaten} the {best_real}, which has {without:.3f} ({low:.3f} to {high:.3f} "
    f"over runs of ten scans); the best rung is {best_rung} ({best_score}) with {best_value:.3f}."
)
gain = gains(real, "L1", "denoising")
width = (real["L1, all, high"] - real["L1, all, low"]).mean()
sure = len(gain) >= 5 and gain.min() > 0
Markdown(
    f"{verdict} {worth(real, 'L1')} {worth(real, 'kNN')} Labels beat denoising with {(gain > 0).sum()} of "
    f"{len(gain)} seeds, and the interval of one AUROC is {width:.2f} wide: "
    + ("the leak is seen." if sure else "too little to say what the leak is worth on real scans.")
)

# %% id="ladder-gains"
over_denoising = {t.source[0]: gains(t, "L1", "denoising, normals") for t in (ladder, real)}
lesson = [
    f"on {source} data all labels change the AUROC by {g.mean():+.3f} over denoising healthy scans "
    f"({(g > 0).sum()} of {len(g)} seeds above 0)"
    for source, g in over_denoising.items()
]
drawn_knn = gains(ladder, "kNN", "denoising, normals").mean()
real_gains = gains(real, "kNN", "denoising, normals")
real_knn_gain = real_gains.mean()
other_score = (
    f"For the distance of patches (section 8) the same step is {drawn_knn:+.3f} on drawn and "
    f"{real_knn_gain:+.3f} on real scans: "
    + (
        "nothing is known on real scans, where the seeds differ in sign. "
        if np.ptp(np.sign(real_gains)) > 0
        else "the sign carries over. "
        if drawn_knn * real_knn_gain > 0
        else "not even the sign carries over. "
    )
)

# %% id="ladder-lesson"
Markdown(
    "**What the ladder shows.** Take the rung without leakage as the zero point: "
    + "; ".join(lesson)
    + ". "
    + other_score
    + verdict
    + " So a result of this pipeline may partly be a result of its labels. Report it beside the rung without them "
    "and beside the score without a network."
)

# %% id="quiz-control" tags=["nbval-ignore-output"]
quiz("05", "control")

# %% [markdown] id="shares-text" tags=["optional"]
# ### How many labels?
#
# The source repeats everything with the labels of *all* scans instead of 40 %. Does the result grow with the
# labels? More labelled patients are also more *scans*, so a rise alone proves nothing for the labels. The
# control is an encoder that denoises the same scans without their labels.

# %% id="share-text-cell"
share = read_table("05_share", source="sample", profile=profile())
columns = ["seeds", "pretraining images", "L1, all", "kNN, all"]
over_seeds(share, ["rung", "share"])[columns].round(3)

# %% [markdown] id="share-text"
# Move the slider: it sets the share of patients whose labelled scans pretrained the encoder. Which grows more
# with the share, the rung with labels or the one without?

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
seen(
    f"With labels the AUROC changes by {_labels:+.3f} over the whole range. "
    + (
        "The table has no control yet, so this rise may be due to the number of scans alone."
        if _control is None
        else f"The control without labels changes by {_control:+.3f} with the same scans. The difference, "
        f"{_labels - _control:+.3f}, is what more *labels* are worth here, beyond more scans."
    )
    + " These are drawn scans"
    + (
        ", and one training for each point, which proves little."
        if share.seed.nunique() == 1
        else f", and means over {share.seed.nunique()} seeds."
    )
)

# %% [markdown] id="bottleneck-text" tags=["optional"]
# ### A real bottleneck
#
# The code has as many numbers as the scan has pixels. Perhaps detection fails because too much passes through?
# We let the code pass through fewer channels, by a 1×1 convolution in front of the decoder. What do you expect
# from a narrower code?

# %% id="bottleneck"
bottleneck = read_table("05_bottleneck", source="sample", profile=profile())
bottleneck["channels"] = bottleneck.code_channels.replace(0, widths()[-1])
narrow = over_seeds(bottleneck, "channels")[["seeds", "loss", "L1, all", "L1, PRO"]]
places = (size >> len(widths())) ** 2
narrow.insert(0, "pixels a number", [size * size / (places * c) for c in narrow.index])
narrow.round(3)

# %% id="bottleneck-read"
wide, thin = narrow["L1, all"].iloc[0], narrow["L1, all"].iloc[-1]
trainings = (
    "one training each, so small differences mean nothing"
    if narrow.seeds.min() == 1
    else f"means over at least {narrow.seeds.min():.0f} seeds"
)
Markdown(
    f"From {narrow.index[0]} channels to {narrow.index[-1]}, the AUROC goes from {wide:.3f} to "
    f"{thin:.3f} ({trainings}): a narrower code "
    + ("does not help here." if thin <= wide else "helps.")
)

# %% id="seen-bottleneck" tags=["seen"]
seen(
    f"The loss of the narrowest code is {narrow.loss.iloc[-1] / narrow.loss.iloc[0]:.1f} times that of the widest: less passes, "
    "so everything is rebuilt worse, lesions *and* healthy layers. The AUROC "
    + ("falls" if thin < wide else "rises")
    + f" by {abs(thin - wide):.3f}. A bottleneck helps only if it stops lesions more than healthy tissue; a blur "
    "stops fine detail of both."
)

# %% [markdown] id="patches-text" tags=["optional"]
# ## 8 · A modern yardstick
#
# The CAE compares *pixels*, and so gives away what its encoder knows. PatchCore (Roth et al., 2022) asks the
# encoder itself. Its idea has three steps:
#
# 1. Take the features in the middle of the encoder, where they describe texture and not yet classes, averaged
#    over 3×3 places.
# 2. Keep a **bank** of such features of healthy scans. Ours is a random part of them.
# 3. Score each place of a new scan by the distance to the nearest feature of the bank. The scan's score is that
#    of its worst place.
#
# We leave out three parts of PatchCore: its coreset (a bank chosen to cover the features), the re-weighting of
# the scan's score, and the smoothing of its maps.

# %% [markdown] id="patches-exercise" tags=["optional"]
# ### Exercise 5.9
#
# Write `patch_distance`: a bank (M, c) and feature maps (N, c, h, w) in, a tensor of Euclidean distances
# (N, h, w) out. **Done** when the c features of a place are compared together, and not those of neighbours.


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
    lambda x: patch_distance(bank, patch_features(encoder, signed(x))), test.images, 100
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
    + ". They use the same encoder, so they owe the same labels; neither number says what happens without them."
)

# %% [markdown] id="bmad" no_result="literature: Bao et al. 2024, not compared with"
# PatchCore itself takes the features of a large network that was trained on ImageNet: photographs with labels,
# **none of them a retina**. That is transfer without the leakage of this module. BMAD (Bao et al., 2024)
# compares such methods with autoencoders on six medical data sets, Kermany's scans among them. Its figures are
# not comparable with ours: the scans are other ones, larger, and the encoder is another.

# %% [markdown] id="where-text" tags=["optional"]
# ## 9 · Seeing where
#
# A clinician asks *where* in the scan something is wrong. The residual is one map that answers; the distance
# of the patches is another. (This section uses the patches of section 8.) Does a map light up on the lesions,
# or on every edge?

# %% id="maps"
from helpers.experiments.module_05 import residual_maps

maps = {"residual": residual_maps(cae, test.images), "patches": enlarge(distances, size)}
found = np.flatnonzero(test.labels != test.classes.index("NORMAL"))
shown_scans = found[np.arange(6) * len(found) // 6]
outline = np.zeros_like(maps["residual"], dtype=bool) if test.masks is None else test.masks
plotting.show(
    plotting.map_rows(
        test.images[shown_scans], outline[shown_scans], {k: m[shown_scans] for k, m in maps.items()}
    ),
    "Six diseased test scans, and two maps of each: bright is more anomalous.",
    alt="Three rows of six: diseased scans, their residual maps, their patch maps. The residual is bright along "
    "all layers of the retina; the patch maps show broad bright spots.",
)

# %% [markdown] id="pixels-text" tags=["optional"]
# ### Exercise 5.10
#
# Where the lesions are known, a map can be judged. Write `pixel_auroc`: maps and boolean masks (N, H, W) in, a
# float out. It is the probability that a pixel of a lesion scores above a healthy pixel, where equal scores
# count half. **Done** when the pixels of all scans are compared together, those of healthy scans as well.


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
from helpers.experiments.module_05 import patch_maps

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
    else "; ".join(
        f"{m}: above place alone {' and '.join(names_) or 'no map'}" for m, names_ in _beats.items()
    )
    + ". Place alone looks at no scan. A map that is not above it has not shown that it finds lesions: knowing "
    "where the retina lies would do as well."
)

# %% [markdown] id="blur-text"
# What else lights up in the residual? We compare its mean at the steepest edges, and in the lesions, with the
# mean over all pixels.

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

# %% [markdown] id="blur-lesson" held_by="claim-blur"
# An autoencoder that rebuilds everything a little blurred leaves a residual at *every* edge, and the layers of
# a retina are edges. Speckle, which no decoder can rebuild, leaves a residual everywhere. A lesion has to
# stand out against both.
#
# **Browse the scans**, sorted by score, with the map laid over them.

# %% id="scan-explorer" tags=["nbval-ignore-output"]
from helpers.widgets import scan_explorer

scan_explorer(test, {"L1": tested.L1.to_numpy(), "kNN": distances.max(axis=(1, 2))}, maps)

# %% [markdown] id="promise-text"
# ## 10 · A promise for new patients
#
# In module 1 the conformal rule promised at most 5 % false alarms, on average over calibrations, whatever the
# distribution. The promise needed **exchangeable** scores: every order of calibration scores and new score has
# the same probability. Several scans of each patient are *not* exchangeable with a scan of a new patient. The
# calibration scans have relatives among each other; the new scan has none among them. So section 6 had no such
# promise. What does that cost?
#
# On drawn scores we can count. Let 90 % of their variance lie between patients and 10 % within, with four
# scans a patient. We calibrate on k patients and judge one scan each of a hundred *new* healthy patients, at
# 5 %.

# %% id="by-scan"
from helpers.thresholds import conformal_p_values


def false_alarms(p_values, k, alpha=0.05, scans=4, between=0.9, repeats=800):
    """Mean rate of p <= alpha among new healthy patients, after calibrations on k patients."""
    rng, rates = np.random.default_rng(0), []
    who = np.repeat(np.arange(k + 100), scans)
    for _ in range(repeats):
        s = between**0.5 * rng.normal(size=k + 100)[who]
        s += (1 - between) ** 0.5 * rng.normal(size=len(who))
        n = k * scans
        rates.append(np.mean(p_values(s[:n], who[:n], s[n::scans]) <= alpha))
    return np.mean(rates)


def by_scan(scores, groups, new):
    return conformal_p_values(scores, new)


alarms = pd.DataFrame({k: {"by scan": false_alarms(by_scan, k)} for k in (5, 10, 20, 40)})
alarms.rename_axis(columns="patients").map("{:.1%}".format)

# %% id="claim-by-scan" tags=["claim"]
claim(
    "p-values by scan break 5 % with 5 and 10 patients",
    (alarms.loc["by scan", [5, 10]] > 0.06).all(),
)
claim("with 40 patients the excess is small", alarms.loc["by scan", 40] < 0.065)

# %% [markdown] id="promise-exercise-text" held_by="claim-by-scan"
# With few patients the rate is above 5 %. With many patients the excess is small, but nothing is promised.
#
# What *is* exchangeable? The patients: a new patient is like those of the calibration. Dunn, Wasserman and
# Ramdas (2018) give patients with several observations as their example, and one repair of theirs keeps a single
# scan of each patient, drawn at random. Lee, Barber and Willett (2023) keep all scans: each patient has one
# vote, which its scans share. For a new scan of score s,
#
# $$p = \frac{1 + \sum_{k=1}^{K} \text{share of patient } k\text{'s scans with a score} \ge s}{K + 1}$$

# %% [markdown] id="patient-exercise"
# ### Exercise 5.11
#
# Write `patient_p_values`: calibration scores (n,), the patient of each (n,) and new scores (m,) in;
# p-values (m,) out, an array. Patients may be numbers or names, in any order, with different numbers of
# scans. **Done** when a patient with ten scans counts as much as one with two.


# %% id="ex-5-11" tags=["exercise"] reference="helpers.thresholds.patient_p_values"
def patient_p_values(calibration_scores, groups, scores):
    """Conformal p-values for scans of new patients. (n,), (n,), (m,) -> (m,)"""
    ...  # one share of scans for each patient and new score


# %% id="check-5-11" tags=["check", "nbval-check-output"]
patient_p_values = check("5.11", patient_p_values)

# %% id="by-patient"
alarms.loc["by patient"] = [false_alarms(patient_p_values, k) for k in alarms]
alarms.rename_axis(columns="patients").map("{:.1%}".format)

# %% id="claim-by-patient" tags=["claim"]
claim("p-values by patient keep 5 % everywhere", (alarms.loc["by patient"] <= 0.05).all())
claim(
    "with fewer than 19 patients they flag nothing", (alarms.loc["by patient", [5, 10]] == 0).all()
)

# %% [markdown] id="promise-lesson" held_by="claim-by-patient"
# The rule has a price: it is cautious. With fewer than 19 patients ($1/\alpha - 1$) it flags nothing at all,
# however many scans there are. With 18 patients even the smallest possible p-value, 1/19, is above 5 %. The
# promise holds for one scan of a new patient of the same kind, on average over calibrations.

# %% id="quiz-patients" tags=["nbval-ignore-output"]
quiz("05", "smallest-p")

# %% [markdown] id="own-rule-text"
# Now the rule on our scans, with intervals over patients.

# %% id="patient-rule"
from helpers.experiments.module_05 import rate_interval

calibration = table[is_normal & is_validation]
p = patient_p_values(calibration.L1, calibration.patient, tested.L1)
flagged, found_by_patient = p <= 0.05, {}
for name in ["NORMAL", *sick]:
    part = (tested["class"] == name).to_numpy()
    low, high = rate_interval(flagged[part], tested.patient[part])
    found_by_patient[name] = f"{flagged[part].mean():.1%} ({low:.1%} to {high:.1%})"
print(f"calibrated on {len(calibration)} scans of {calibration.patient.nunique()} patients")
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
quiz("05", "own-rate", value=100 * flagged[(tested["class"] == "NORMAL").to_numpy()].mean())

# %% [markdown] id="choose-exercise"
# ### Exercise 5.14
#
# Choose a rule for a clinic, and say why. The clinic has scans of 30 healthy patients to calibrate on. Some
# patients came once and some twenty times. It wants at most 5 % false alarms for a scan of a *new* healthy
# patient, and wants to find as many diseased scans as possible under this condition. The check tries your rule
# on many such clinics.
#
# The rules are "z rule" (three standard deviations above the mean of all scans), "by scan" (conformal p-values
# that count scans), "by patient" (yours of 5.11), and "worst scan" (each patient votes with its highest scan).
# The reason is one of these:
#
# - A: it uses each scan as one vote, so it uses most of the data.
# - B: it finds most diseased scans, and that is what the clinic wants.
# - C: the scores follow a Gaussian.
# - D: patients are exchangeable, and the scans of a patient are not.

# %% id="ex-5-14" tags=["exercise"] reference="clinic_rule"
clinic_rule = {
    "choice": ...,  # "z rule", "by scan", "by patient" or "worst scan"
    "because": ...,  # "A", "B", "C" or "D"
}

# %% id="check-5-14" tags=["check", "nbval-check-output"]
clinic_rule = check("5.14", clinic_rule)

# %% [markdown] id="clinic-text" no_result="what a clinic needs"
# ## 11 · What a clinic would need
#
# - Scans of its own scanner and patients, collected **prospectively**, that is as they come in. A collection of
#   clear cases is not enough.
# - The prevalence there. If one scan in a hundred is diseased, most alarms of a 5 % rule are false (module 3).
# - A rule calibrated on site, and watched afterwards: a new scanner moves every score.
# - A plan for those who are *not* flagged: what does a missed oedema cost, and what does a false alarm cost?
# - A comparison with what is there already: human graders, or a classifier trained with the labels one has.
# - Approval as a medical device. This notebook is none.

# %% [markdown] id="card-text" tags=["optional"]
# ### A model card
#
# A **model card** (Mitchell et al., 2019) says what a model is for, what it was made from and how well it does,
# on one page that travels with the model. The code above fills in this one.

# %% id="model-card"
(a, who_a), (b, who_b) = groups_of("all")
low, high = patient_interval(by_patient(a, who_a), by_patient(b, who_b))
card = {
    "Intended use": "teaching; not for patients",
    "Model": f"residual CAE, {size}×{size} pixels, widths {widths()}, frozen encoder, {steps} steps",
    "Data": f"{test.name}, {test.source}: {test.origin}",
    "Encoder pretrained on": f"{len(shown)} scans with labels of {', '.join(shown.classes)} (**leak**)",
    "Decoder trained on": f"{len(normals)} normal scans",
    "Rule": f"L1, conformal p-value by patient <= 5 %, {calibration.patient.nunique()} healthy patients",
    "AUROC, all diseases": f"{auroc(a, b):.3f} ({low:.3f} to {high:.3f}, patients redrawn)",
} | {f"Flagged, {n} (patients redrawn)": text for n, text in found_by_patient.items()}
card["Not shown"] = "other scanners, other diseases, children, poor scans, prevalence in a clinic"
lines = ["# Model card", "", *(f"- **{key}:** {value}" for key, value in card.items())]
output_path("05_model_card.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
Markdown("\n".join(lines[2:]))

# %% [markdown] id="wrap-up-text" tags=["optional"]
# ## 12 · Your own detector
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
    alt="One row of eight scans of healthy retinas, darker and more grainy than those above.",
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

# %% [markdown] id="believe" no_result="summary of the claims above"
# ## 13 · What to believe, and what not
#
# **Believe**
# - that the encoder did not move: every tensor was compared;
# - a false-alarm rate on normal test scans, if the rule was fixed without them;
# - that one rung is better than another if it is so for every seed, and on diseases that it had not seen;
# - a false-alarm rate that was promised by patient.
#
# **Do not believe**
# - "trained on normals only", where the encoder has seen labels of the diseases;
# - an interval or a promise that treats scans as if they were patients;
# - that a network is needed, before the nearest image has been tried on the same scans;
# - a threshold that was fitted to the scans that examine it;
# - a heat map whose brightest places are the edges of healthy layers;
# - drawn scans as evidence about real ones: they show how to measure.
#
# The source has one last flaw. At the end it saves the encoder of the *classifier* and not the autoencoder.
# Whoever loads that file has no decoder and no scores. A checkpoint has to hold what one wants to use later.
# Its text also calls the network a *variational* autoencoder; it has no distribution over codes and is none.

# %% [markdown] id="numbers-text" tags=["optional"]
# ### The numbers of this run
#
# All results of this module in one table. It uses the optional sections 8 and 9.

# %% id="results-summary" tags=["results"]
rows = {}
for name in [*sick, "all"]:
    low, high = yardstick[f"L1, {name}, low"], yardstick[f"L1, {name}, high"]
    rows[f"AUROC, {name}: L1, all labels"] = (
        f"{yardstick[f'L1, {name}']:.3f} ({low:.3f} to {high:.3f})"
    )
rows[f"AUROC, all: {best_trivial}, no network"] = f"{trivial_table['all'].max():.3f}"
for rung in steps_up.index:
    rows[
        f"ladder, {ladder.source[0]}, mean over seeds ({(ladder.rung == rung).sum()}), {rung}: L1, kNN"
    ] = f"{steps_up['all'][rung]:.3f}, {knn_steps['all'][rung]:.3f}"
rows[f"real (NEH): {best_real}, no network"] = f"{without:.3f}"
for rung in real_steps.index:
    rows[f"ladder, real (NEH), mean over seeds ({(real.rung == rung).sum()}), {rung}: L1, kNN"] = (
        f"{real_steps['all'][rung]:.3f}, {real_knn['all'][rung]:.3f}"
    )
for name, row in located.iterrows():
    rows[f"lesions, {name}: pixel AUROC, PRO"] = f"{row['pixel AUROC']:.3f}, {row.PRO:.3f}"
lines = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
Markdown(f"| {test.name}, {test.source} data | |\n|---|---|\n{lines}\n\n{verdict}")

# %% [markdown] id="quiz-text"
# ## 14 · Quiz

# %% id="quiz" tags=["nbval-ignore-output"]
quiz("05")

# %% id="progress" tags=["nbval-ignore-output"]
progress()

# %% [markdown] id="further" tags=["optional"]
# ## Further reading
#
# - D. S. Kermany et al., *Identifying medical diagnoses and treatable diseases by image-based deep
#   learning*, Cell 2018, doi 10.1016/j.cell.2018.02.010.
# - R. Rasti et al., *Macular OCT classification using a multi-scale convolutional neural network
#   ensemble*, IEEE Transactions on Medical Imaging 2018.
# - K. Roth et al., *Towards total recall in industrial anomaly detection* (PatchCore), CVPR 2022,
#   arXiv 2106.08265.
# - P. Bergmann et al., *Uninformed students: student-teacher anomaly detection with discriminative latent
#   embeddings* (PRO), CVPR 2020, arXiv 1911.02357.
# - J. Bao et al., *BMAD: benchmarks for medical anomaly detection*, CVPR Workshops 2024,
#   arXiv 2306.11876.
# - M. Mitchell et al., *Model cards for model reporting*, FAT* 2019, arXiv 1810.03993.
# - I. E. Tampu, A. Eklund, N. Haj-Hosseini, *Inflation of test accuracy due to data leakage in deep
#   learning-based classification of OCT images*, Scientific Data 2022, arXiv 2202.12267.
# - R. Dunn, L. Wasserman, A. Ramdas, *Distribution-free prediction sets for two-layer hierarchical
#   models*, arXiv 1809.07441.
# - Y. Lee, R. F. Barber, R. Willett, *Distribution-free inference with hierarchical data*, arXiv 2306.06342.
# - E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, 1927.
#
# **The end of the course.** You have written an autoencoder, a VAE, its bound, a dozen scores, rules with
# a promise, a screen, and a transfer. If one habit stays, let it be this: before you believe a number, ask
# what the trivial score reaches, which pictures the interval stands for, and what the model had seen.
