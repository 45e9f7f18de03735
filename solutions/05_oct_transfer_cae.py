# %% [markdown] id="title" executed_on="sample"
# # Module 5 · A transfer-pretrained autoencoder on retinal OCT
#
# A convolutional autoencoder whose encoder was borrowed from a classifier is to find diseased retinas,
# after seeing healthy ones only. You build the whole pipeline as it was published. Then you ask what the
# encoder had seen before, find the leak, and measure what the leak was worth.
#
# **Afterwards you can**
# - split scans by patient, and say why a split by picture flatters;
# - freeze a network so that nothing in it moves, and prove it;
# - keep a training that may be killed at any moment;
# - calibrate a rule on the right scans and print its false-alarm rate;
# - tell how much of a result is due to labels that should not have been there.
#
# **You need** modules 1 and 3; module 4 helps.
# **Time** 165 minutes with the eleven exercises.

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
# Optical coherence tomography sends light into the eye and finds by interference from which depth it comes
# back. One sweep gives a
# **B-scan**, a vertical cut through the retina. The data of the course are those of Kermany et al.
# (Cell 2018) or any folder of scans whose healthy class is called *normal*; without them, scans are
# drawn, patient by patient, with lesions whose pixels are known. The banner says which you have.
# `task` gives the roles: a **pool** of labelled scans, **validation**, and **test**. No patient has two.

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
)

# %% [markdown] id="layers-text"
# Read a scan from above. The black part is the vitreous, which fills the eye. Where the retina begins,
# light comes back from the nerve fibres. Then follow darker and brighter layers; the bright band at the
# bottom of the retina is that of the photoreceptors and the pigment epithelium (RPE). Below it the choroid
# fades out.

# %% id="layers"
plotting.show(
    plotting.scan_profile(normals.images[0, 0]),
    "A healthy scan, and the mean brightness of its middle columns by depth, with the inner surface of "
    "the retina and the lower edge of its bottom band marked.",
)

# %% [markdown] id="diseases-text"
# | disease | what one sees |
# |---|---|
# | CNV | new vessels below the retina: the RPE is lifted, bright tissue above it, often fluid |
# | DME | oedema from diabetes: the retina swells, with dark cysts in it |
# | drusen, early AMD | deposits below the RPE push it up in small bumps |
#
# Look at the sheet again. Which class would you find, which would you miss?
#
# The source of this module hopes to find early Alzheimer's disease by these three conditions. Its scans come
# without any diagnosis of dementia, so neither its results nor ours can test that: what is measured here is
# how well diseased retinas are told from healthy ones, and nothing else.
#
# ### Patients
#
# A patient contributes several scans, and they are alike: the same eye, a fraction of a millimetre on.
# How alike? For each scan of the pool, look for the nearest *other* scan. How often is it one of the
# same patient? (Where a data set does not tell patients, runs of ten neighbouring files stand in, shorter ones in a
# small set.)

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

# %% [markdown] id="alike-lesson"
# Split such scans at random, and the test set is full of relatives of the training set. On three OCT data
# sets, Kermany's among them, such splits raised the accuracy of classifiers by 5 to 30 points (Tampu et al.,
# 2022). Every split and every subset of this module is therefore drawn by patient.
#
# ## 2 · The network
#
# The source's encoder has four groups of two **residual blocks**, each group followed by a convolution
# of stride 2. A block adds to its input what two convolutions find in it, $y = s(x) + f(x)$; where the
# number of channels changes, $s$ is a 1×1 convolution, else the identity.
#
# ### Exercise 5.1
#
# Write `ResidualBlock`: (N, in, H, W) in, (N, out, H, W) out. Twice convolution 3×3 without bias,
# BatchNorm, ReLU; the last ReLU comes *before* the sum. **Done** when x passes the sum unchanged.


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

# %% [markdown] id="shapes-text"
# ### Exercise 5.2
#
# Write `encoder_shapes`: side of the image in pixels and widths of the groups in; a list with the
# shape (channels, height, width) after each group out. Blocks keep the size; the convolution that ends a
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
# Look at the last two lines. An autoencoder is said to squeeze a picture through a bottleneck. This one
# does not squeeze.
#
# ### Exercise 5.3
#
# Write `compression_ratio`, which counts instead of computing: any encoder and the shape (C, H, W) of an
# image in; how many of the image's C·H·W numbers there are for each number of the code out, as a float, no
# tensor. **Done** when the encoder is afterwards exactly what it was: its tensors, and the mode of *each
# part* (some may stand in train mode and others in eval mode).


# %% id="ex-5-3" tags=["exercise"] reference="helpers.models.compression_ratio"
def compression_ratio(encoder, shape):
    """Numbers of a picture of the given shape (C, H, W) for each number of its code. -> float"""
    ...  # a blank picture will do; think of BatchNorm


# %% id="check-5-3" tags=["check", "nbval-check-output"]
compression_ratio = check("5.3", compression_ratio)

# %% id="ratio"
from helpers.models import OctAutoencoder, receptive_field
from helpers.experiments.module_05 import widths

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

# %% [markdown] id="field-text"
# The **receptive field** grows by (k - 1) steps of the current grid with each k×k convolution, and a
# stride of 2 doubles the step. Test it: which pixels get a gradient from one place in the
# middle of the code? (With positive weights and a bright picture no ReLU is closed.)

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

# %% [markdown] id="decoder-text"
# The decoder mirrors the encoder: nearest-neighbour upsampling, then two blocks, a group each; a tanh
# at the end, since pixels are in $[-1, 1]$ here. The classifier is the encoder with one linear layer.
#
# ## 3 · Pretraining
#
# The source trains the encoder as a **classifier**, on a random 40 % of the training scans of *all four
# classes*, and calls it transfer. (Its `dropout` argument is accepted and ignored; ours is not there.)
# Hold that thought.
#
# ### Exercise 5.4
#
# Write `subset_by_patient`: labels (N,), patients (N,) and a share in; positions (m,) out. Of each class it
# draws that share of the *patients* at random, all with the same chance, at least one, and takes all their
# scans, of whatever class.
# **Done** when no patient is split, the same seed gives the same subset, and another seed another one.


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

# %% id="pretrain"
from helpers.models import OctClassifier
from helpers.experiments.module_05 import classify

set_seed(0)
encoder = make_encoder(widths()).to(device())
steps = training_length(quick=160, full=8000)
classifier, history = classify(encoder, shown, steps, validation, progress=True)

# %% id="pretrain-figure"
epochs = [row["epoch"] for row in history]
lines = {name: (epochs, [row[name] for row in history]) for name in ("train", "accuracy")}
plotting.show(
    plotting.curves(lines, "epoch", "cross-entropy (nats); share right"),
    f"Cross-entropy in training, {history[-1]['train']:.2f} nats in the end, and accuracy on validation "
    f"patients: {history[-1]['accuracy']:.1%} in the end, {max(row['accuracy'] for row in history):.1%} at best. Always answering NORMAL gives {(validation.labels == validation.classes.index('NORMAL')).mean():.1%}.",
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

# %% [markdown] id="freeze-text"
# ## 4 · Freezing that freezes
#
# The encoder is now to stay as it is. What changes a module's tensors? The optimizer, by gradients. And
# **BatchNorm**: in train mode it takes the mean and variance of each batch into its running statistics,
# with no gradient at all. `requires_grad = False`, which is what the source does, stops only the first.

# %% id="half-frozen"
import copy


def changed(module, before):
    """Names of the tensors of a module that differ from `before`."""
    now = module.state_dict()
    return [name for name in now if not torch.equal(now[name], before[name])]


half = copy.deepcopy(encoder).requires_grad_(False)
before = copy.deepcopy(half.state_dict())
half.train()(signed(as_input(normals.images[:32])))
moved = changed(half, before)
print(f"after one forward pass {len(moved)} of {len(before)} tensors differ, such as {moved[0]}")

# %% [markdown] id="freeze-exercise-text"
# ### Exercise 5.5
#
# Write `freeze`: a module in, *the same module* out, whose tensors never change again, in whatever mode
# its owner or one of its parts is put, and whether it is used as a whole or part by part. It always
# computes as in eval mode, and gradients must still pass through. **Done** when a `model.train()` of the
# whole model, which every training loop calls, changes nothing.


# %% id="ex-5-5" tags=["exercise"] reference="helpers.models.freeze"
def freeze(module):
    """Fix all tensors of a module: no gradient, and eval mode before each use. -> the module"""
    ...  # a forward pre-hook runs before each use of a part; what it returns replaces the input


# %% id="check-5-5" tags=["check", "nbval-check-output"]
freeze = check("5.5", freeze)

# %% [markdown] id="decoder-training-text"
# ## 5 · Training the decoder on normals
#
# The CAE: the frozen encoder, and a fresh decoder that sees **normal scans only**. The loss is Huber's,
# squared near zero and linear beyond $\delta = 1$; Adam with learning rate 5e-4; the norm of the gradient
# is clipped at 1. One update, written out:

# %% id="one-step"
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

# %% [markdown] id="checkpoint-text"
# A training of hours will be interrupted: by an empty battery, a server that stops idle sessions, a colleague. A **checkpoint**
# must hold *everything* the next step depends on: weights, the optimizer's moments, the order of the
# scans and the place in it, the state of the random numbers. And it must never be half written: it is
# written under another name and then renamed, which an operating system does as a whole or not at all.
# It is read with `weights_only=True`, so that a file from elsewhere runs no code.
#
# Does it work? Train 12 steps in one go; and again, but "pull the plug" after 8. On one thread: several
# threads add up numbers in another order, which changes the last digits of a loss.

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
# Now the real one. The same four validation scans, two healthy and two not, are rebuilt as it goes. What
# do you expect to see on the last two?

# %% id="train-decoder"
from helpers.experiments.module_05 import autoencoder
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
    f"Two healthy scans, then {' and '.join(sick[:2])}, after {', '.join(snapshots)}. The loss fell from "
    f"{np.mean(losses[:10]):.3f} to {np.mean(losses[-10:]):.3f}.",
)

# %% id="frozen-proof" tags=["nbval-check-output"]
print("tensors of the encoder that the decoder's training changed:", len(changed(encoder, before)))

# %% [markdown] id="huber-text"
# ## 6 · Scores and decisions
#
# The source trains on the Huber loss and scores by the mean absolute error (L1). We keep both.
#
# ### Exercise 5.6
#
# Write `huber_error`: scans and reconstructions (N, C, H, W) in, one number for each scan (N,) out, a
# tensor from which gradients flow back to the reconstruction.
#
# $$h(d) = \begin{cases} d^2/2 & |d| \le \delta \\ \delta\,(|d| - \delta/2) & \text{else}\end{cases}$$
#
# **Done** when the two branches meet and the mean is over one scan.


# %% id="ex-5-6" tags=["exercise"] reference="helpers.scores.huber_error"
def huber_error(x, x_hat, delta=1.0):
    """Huber loss of each image, mean over its pixels. (N, C, H, W) and the same -> (N,)"""
    ...  # torch.where has a condition and two branches


# %% id="check-5-6" tags=["check", "nbval-check-output"]
huber_error = check("5.6", huber_error)

# %% [markdown] id="table-text"
# One row for each scan of validation and test, with all that is needed to ask questions later: a **tidy**
# table, written to a CSV file beside the notebook.

# %% id="table"
from helpers.scores import absolute_error


def both_errors(x):
    x, x_hat = signed(x), cae(signed(x))
    return torch.stack([absolute_error(x, x_hat), huber_error(x, x_hat)], dim=1)


def losses_of(part, role):
    l1, huber = apply(both_errors, part.images, 100).numpy().T
    frame = {"part": role, "patient": patients(part), "class": np.array(part.classes)[part.labels]}
    return pd.DataFrame(frame | {"L1": l1, "Huber": huber})


table = pd.concat([losses_of(validation, "validation"), losses_of(test, "test")], ignore_index=True)
table.to_csv(output_path("05_losses.csv"), index=False)
table.groupby(["part", "class"])[["L1", "Huber"]].mean().round(4)

# %% id="beyond-delta"
residuals = apply(lambda x: (cae(signed(x)) - signed(x)).abs(), test.images, 100)
print(f"pixels whose residual is beyond delta = 1: {(residuals > 1).float().mean():.2%}")

# %% id="claim-beyond-delta" tags=["claim"]
claim("hardly a pixel's residual is beyond delta", (residuals > 1).float().mean() < 0.01)

# %% [markdown] id="beyond-delta-text"
# So this Huber loss is, nearly everywhere, half of the squared error. A delta that hardly any pixel
# reaches makes no difference; one has to look.

# %% id="boxes"
tested = table[table.part == "test"]
together = pd.concat(
    [tested, tested[tested["class"] != "NORMAL"].assign(**{"class": "all diseases"})]
)
medians = together.groupby("class").L1.median()
plotting.show(
    plotting.boxes(together, "class", "L1", order=["NORMAL", *sick, "all diseases"]),
    "L1 of the test scans by class. Medians: "
    + ", ".join(f"{c} {m:.3f}" for c, m in medians.items())
    + ".",
)

# %% [markdown] id="z-text"
# ### A rule
#
# The source flags a scan if its L1 lies three or more standard deviations above the mean of normal scans,
# $z \ge 3$. Of *which* normal scans? It takes the test normals, whose false alarms are to be counted.
# The rule is then fitted to the very scans that examine it; and the false-alarm rate is not printed.
#
# ### Exercise 5.7
#
# Write `z_rule`: scores (n,) of all scans, two boolean arrays (n,) that say which are normal and which
# belong to the validation part, and z in; flags (n,) out, each True or False. **Done** when only validation
# normals decide.


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
is_normal, is_validation = (
    (table["class"] == "NORMAL").to_numpy(),
    (table.part == "validation").to_numpy(),
)
limit = conformal_threshold(scores[is_normal & is_validation], 0.05)
table["z rule"] = z_rule(scores, is_normal, is_validation)
table["conformal, 5 %"] = scores > limit
print(f"Gaussian scores would have {norm.sf(3):.2%} at z >= 3")
table["on test normals"] = z_rule(scores, is_normal, ~is_validation)  # as the source does
rules = ["z rule", "conformal, 5 %", "on test normals"]
table[table.part == "test"].groupby("class")[rules].mean().round(3)

# %% [markdown] id="wilson-text"
# The row NORMAL holds the false-alarm rates; the others are detection rates. Each is a share of a few
# hundred scans at most. **Wilson's interval** for a share $\hat p$ of $n$ trials, with $z$ the quantile of
# the normal distribution,
#
# $$\frac{\hat p + \frac{z^2}{2n} \pm z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4 n^2}}}{1 + \frac{z^2}{n}}$$
#
# stays in [0, 1] and keeps a width where nothing, or everything, was found.
#
# ### Exercise 5.8
#
# Write it: successes, trials and confidence in, `(low, high)` out. **Done** when none of ten leaves room.


# %% id="ex-5-8" tags=["exercise"] reference="helpers.metrics.wilson_interval"
def wilson_interval(successes, trials, confidence=0.95):
    """Interval of a proportion that stays in [0, 1] near its ends. -> (low, high)"""
    ...  # norm.ppf gives quantiles; both ends share 1 - confidence


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
# What three standard deviations promise holds for Gaussian scores, and ours need not be. The conformal
# rule promised at most 5 % in module 1, on average over calibrations, whatever the distribution. It did so for
# **exchangeable** scores: every order of calibration scores and new score has the same probability. Several
# scans of each patient are not exchangeable with a scan of a *new* patient, who has no relatives among them.
# So there is no such promise here; section 10 measures what that costs and repairs it. Both rules must
# be read with the row NORMAL beside them: a detection rate without its false-alarm rate says nothing.
#
# **The interval is still too narrow.** Wilson counts scans as independent trials; scans of one patient
# are not. For the AUROC we redraw whole patients (`patient_interval`). Compare with redrawing scans:

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
)

# %% [markdown] id="explore-text"
# **Try it yourself.** Where would you put the threshold, for a screening clinic and for a research study?

# %% id="threshold-explorer" tags=["nbval-ignore-output"]
from helpers.widgets import threshold_explorer

(a, _), (b, _) = groups_of("all")
threshold_explorer(a, b, thresholds={"conformal 5 %": limit})

# %% [markdown] id="ladder-text"
# ## 7 · The leakage ladder
#
# "Anomaly detection" means: diseases are *not known* beforehand. But the encoder was trained to tell
# those very diseases apart. What of the result is due to that? Take the labels away, rung by rung, and
# leave the rest alone: the same number of scans, the same decoder, trained in the same way. A rung that may
# see some classes only takes those scans of section 3 that it may see, and fills up with scans of
# other patients of the same classes, as far as the pool has them.
#
# | rung | the encoder has seen |
# |---|---|
# | random | nothing: random weights, BatchNorm's statistics set on the scans |
# | denoising, normals | healthy scans only: it learned to remove noise; no leak |
# | denoising | scans of all classes without their labels: it has seen the diseases, but not which they are |
# | one disease | normals and *one* disease, with labels; judged on the *others* as well |
# | all labels | everything it is asked to find later: the source's way |
#
# The normals of the pool train encoder *and* decoder on every rung; the test patients train neither.
# Guess: which step up the ladder helps most? One rung live, the lowest; the table was computed beforehand
# (`make results`), several seeds each. (The table of real scans is of one small data set, NEH: with other real
# scans of your own, the live numbers differ from it for that reason as well.)

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


def means(ladder, score):
    return long_form(ladder, score).pivot_table("auroc", "rung", "diseases", sort=False)


# %% id="ladder-figure"
steps_up = means(ladder, "L1")
gain = steps_up["all"]["all labels"] - steps_up["all"]["random"]
unlabelled = steps_up["all"]["denoising"] - steps_up["all"]["random"]
plotting.show(
    plotting.seed_intervals(long_form(ladder, "L1"), "rung", "diseases"),
    f"L1 of the CAE ({ladder.source[0]} data), a line for each seed ({ladder.seed.nunique()}), intervals over patients. From random to all labels, over all "
    f"diseases, the mean AUROC changes by {gain:+.3f}; from random to denoising by {unlabelled:+.3f}.",
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

# %% id="ladder-knn"
knn_steps = means(ladder, "kNN")
knn_gain = knn_steps["all"]["all labels"] - knn_steps["all"]["random"]
plotting.show(
    plotting.seed_intervals(long_form(ladder, "kNN"), "rung", "diseases"),
    "The same encoders, another detector: the distance to the nearest feature of normal scans (section "
    f"8), no decoder at all. From random to all labels: {knn_gain:+.3f} over all diseases. {worth(ladder, 'kNN')}",
)

# %% id="held-in"
rows = []
for rung in [r for r in steps_up.index if r in steps_up.columns]:
    others = steps_up.loc[rung, "others"]
    unseen = [c for c in steps_up.columns if c not in (rung, "all", "others")]
    below = [r for r in ("random", "denoising, normals", "denoising") if r in steps_up.index]
    reference = {r: steps_up.loc[r, unseen].mean() for r in [*below, "all labels"]}
    rows.append(
        {"held in": rung, "its own": steps_up.loc[rung, rung], "the others": others} | reference
    )
pd.DataFrame(rows).set_index("held in").round(3)

# %% [markdown] id="held-in-text"
# In this table, "the others" are diseases that the encoder has *not* seen; the columns beside are what the
# rungs without labels and that with all labels reach on the same ones (means of the single diseases). The
# question of anomaly detection is the column "the others", and whether it is above the columns of denoising,
# which need no labels: what one disease's labels gain over denoising is transfer.
#
# **Real scans.** The same function on scans of another hospital (Rasti et al., IEEE TMI 2018): 792 scans,
# NORMAL, AMD and DME, no patient numbers, split by contiguous ranges. The scans themselves are not shown
# here; the numbers are.

# %% id="ladder-real"
real_steps = means(real, "L1")
trivial_real = real[real.rung == "no network"].iloc[0]
best_real = max(names, key=lambda name: trivial_real[f"{name}, all"])
plotting.show(
    plotting.seed_intervals(long_form(real, "L1"), "rung", "diseases"),
    f"L1 of the CAE on {real['test images'][0]:.0f} real test scans, decoder trained on "
    f"{real['normal images'][0]:.0f}. Without a network, {best_real} reaches "
    f"{trivial_real[f'{best_real}, all']:.3f} over both diseases.",
)

# %% id="ladder-real-read"
without = trivial_real[f"{best_real}, all"]
real_knn = means(real, "kNN")
reached = {"L1": real_steps["all"], "kNN": real_knn["all"]}
best_score = max(reached, key=lambda score: reached[score].max())
best_rung, best_value = reached[best_score].idxmax(), reached[best_score].max()
beaten = "no rung reaches" if best_value < without else f"{best_rung} ({best_score}) is above"
low, high = (trivial_real[f"{best_real}, all, {end}"] for end in ("low", "high"))
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

# %% id="share-text-cell"
share = read_table("05_share", source="sample", profile=profile())
over_seeds(share, ["rung", "share"])[["seeds", "pretraining images", "L1, all", "kNN, all"]].round(
    3
)

# %% [markdown] id="share-text"
# **How many labels?** The source repeats everything with all of the labelled scans instead of 40 %. Move
# the slider: the share of patients whose labelled scans pretrained the encoder. More labels are also more
# *scans*, so that a rise alone proves nothing for the labels: denoising with the same scans is the control.

# %% id="share-explorer" tags=["nbval-ignore-output"]
from helpers.widgets import share_explorer

share_explorer(share[share.rung == "all labels"])

# %% id="share-read"
rise = {}
for rung, part in share.groupby("rung", sort=False):
    mean = part.groupby("share")["L1, all"].mean()
    rise[rung] = mean.iloc[-1] - mean.iloc[0]
Markdown(
    f"From {share.share.min()} % to {share.share.max()} % of the patients the AUROC of L1 changes: "
    + "; ".join(f"{rung} {value:+.3f}" for rung, value in rise.items())
    + f" (seeds: {share.seed.nunique()})."
)

# %% [markdown] id="bottleneck-text"
# **A real bottleneck.** The code has as many numbers as the scan has pixels. What if it has to pass
# through fewer channels, by a 1×1 convolution in front of the decoder?

# %% id="bottleneck"
bottleneck = read_table("05_bottleneck", source="sample", profile=profile())
bottleneck["channels"] = bottleneck.code_channels.replace(0, widths()[-1])
columns = ["seeds", "loss", "L1, all", "L1, pixel AUROC", "L1, PRO"]
narrow = over_seeds(bottleneck, "channels")[columns]
narrow.insert(
    0,
    "pixels for each number",
    [
        widths()[-1] / c * compression_ratio(make_encoder(widths()), (1, size, size))
        for c in narrow.index
    ],
)
narrow.round(3)

# %% id="bottleneck-read"
wide, thin = narrow["L1, all"].iloc[0], narrow["L1, all"].iloc[-1]
Markdown(
    f"From {narrow.index[0]} channels to {narrow.index[-1]}, the AUROC goes from {wide:.3f} to "
    f"{thin:.3f} (seeds of each: {narrow.seeds.min():.0f}): a narrower code "
    + ("does not help here." if thin <= wide else "helps.")
)

# %% [markdown] id="patches-text"
# ## 8 · A modern yardstick
#
# The decoder throws away what the encoder knows: it compares *pixels*. PatchCore (Roth et al., 2022) asks
# the encoder itself. Take its features in the middle, where they know about texture and not yet about
# classes, averaged over 3×3 places; keep a **bank** of those of normal scans, here a random part; and
# score each place by its distance to the nearest one. A scan is as anomalous as its worst place. This is the
# idea of PatchCore and not the whole: its coreset (a bank chosen to cover the features), the re-weighting of
# the scan's score and the smoothing of its maps are left out here.
#
# ### Exercise 5.9
#
# Write `patch_distance`: a bank (M, c) and feature maps (N, c, h, w) in, a tensor of Euclidean distances
# (N, h, w) out. **Done** when the features of one place stay together.


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

# %% [markdown] id="bmad"
# PatchCore itself takes the features of a large network trained on ImageNet: photographs with labels, **none
# of them a retina**. That is transfer without this leak. BMAD (Bao et al., 2024) compares such methods with
# autoencoders and others on six medical data sets, Kermany's scans among them; look there for their figures on
# larger pictures. They are not comparable with ours: other scans, and another encoder.
#
# ## 9 · Seeing where
#
# A clinician asks *where*. The residual is one map, the distance of the patches another.

# %% id="maps"
maps = {"residual": residuals[:, 0].numpy(), "patches": enlarge(distances, size)}
found = np.flatnonzero(test.labels != test.classes.index("NORMAL"))
shown_scans = found[np.arange(6) * len(found) // 6]
outline = np.zeros_like(maps["residual"], dtype=bool) if test.masks is None else test.masks
plotting.show(
    plotting.map_rows(
        test.images[shown_scans], outline[shown_scans], {k: m[shown_scans] for k, m in maps.items()}
    ),
    "Six diseased test scans, and two maps of each. Does light fall on the lesions, or on every edge?",
)

# %% [markdown] id="pixels-text"
# Where lesions are drawn, a map can be judged.
#
# ### Exercise 5.10
#
# Write `pixel_auroc`: maps and boolean masks (N, H, W) in, a float out: the probability that a lesion's
# pixel scores above a healthy one, where equal scores count half. **Done** when the pixels of all scans are
# in one pot, those of healthy scans as well.


# %% id="ex-5-10" tags=["exercise"] reference="helpers.metrics.pixel_auroc"
def pixel_auroc(maps, masks):
    """Probability that a lesion's pixel scores above a healthy one. (N, H, W) twice -> float"""
    ...


# %% id="check-5-10" tags=["check", "nbval-check-output"]
pixel_auroc = check("5.10", pixel_auroc)

# %% [markdown] id="pro-text"
# Large lesions have most of the pixels, so a map can shine and miss every small one. The **per-region
# overlap** (PRO, Bergmann et al. 2020) counts each connected lesion alike: the share of it that is
# flagged, averaged over lesions and over false-alarm rates up to 30 %; a random map has 0.15.
#
# And the trivial maps: the scan's own **brightness**; and **place alone**, the mean of the patch map over
# healthy scans, the same for every scan. It looks at no scan and knows only where the retina mostly lies.

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

# %% [markdown] id="blur-text"
# **What else lights up?** Where is the residual of these scans, compared with a residual that is spread
# evenly?

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

# %% [markdown] id="blur-lesson"
# An autoencoder that rebuilds everything a little blurred leaves a residual at *every* edge, and a retina
# is made of edges; speckle, which nobody can rebuild, leaves one everywhere. Against that a lesion has to
# be seen. That is how blur everywhere hides a lesion somewhere. And where a map is below that of place alone,
# which looks at no scan, it has not shown that it finds lesions: knowing where the retina lies would do.
#
# **Browse the scans,** sorted by score, with the map laid over them.

# %% id="scan-explorer" tags=["nbval-ignore-output"]
from helpers.widgets import scan_explorer

scan_explorer(test, {"L1": tested.L1.to_numpy(), "kNN": distances.max(axis=(1, 2))}, maps)

# %% [markdown] id="promise-text"
# ## 10 · A promise for new patients
#
# Section 6 calibrated on several scans of each patient. What false-alarm rate does that give? On drawn
# scores one can count. 90 % of their variance is between patients and 10 % within, with four scans a patient.
# Calibrate on k patients, then judge one scan each of a hundred *new* healthy patients, at 5 %.

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

# %% [markdown] id="promise-exercise-text"
# With few patients the rate is above the 5 %; with many the excess is small, but nothing is promised.
# Dunn, Wasserman and Ramdas (2018) give patients with several observations as the example; one repair of
# theirs is to keep one scan a patient, drawn at random. Lee, Barber and Willett (2023) keep all scans: what
# is exchangeable are the *patients*, so each has one vote, which its scans share. For a new scan of score s,
#
# $$p = \frac{1 + \sum_{k=1}^{K} \text{share of patient } k\text{'s scans with a score} \ge s}{K + 1}$$
#
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

# %% [markdown] id="promise-lesson"
# The price: the rule is cautious, and with fewer than 19 patients ($1/\alpha - 1$) it flags nothing at all,
# however many scans there are: with 18, even the smallest possible p-value, 1/19, is above 5 %. The promise is
# for one scan of a new patient of the same kind, averaged over calibrations. Now our scans:

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

# %% [markdown] id="clinic-text"
# ## 11 · What a clinic would need
#
# - scans of its own scanner and its own patients, **prospectively**, not a collection of clear cases;
# - the prevalence there: at one disease in a hundred, most alarms of a 5 % rule are false (module 3);
# - a rule calibrated on site, and watched: a new scanner moves every score;
# - what happens to those who are *not* flagged; what a missed oedema costs, what a false alarm costs;
# - comparison with what is there: graders, or a classifier trained with the labels one has;
# - approval as a medical device. This notebook is none.
#
# A **model card** says for what a model was made, on what, and how well it does, on one page that
# travels with it. This one is filled in by the code above.

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

# %% [markdown] id="believe"
# ## 12 · What to believe, and what not
#
# **Believe**
# - that the encoder did not move: every tensor was compared;
# - the false-alarm rate on test normals of a rule that had not seen them;
# - that one rung is better than another where it is so with every seed, and on diseases it had not seen;
# - a false-alarm rate promised by patient.
#
# **Do not believe**
# - "trained on normals only", where the encoder has seen the labels;
# - an interval or a promise that takes scans for patients;
# - that a network is needed, before the nearest picture has been tried on the same scans;
# - a threshold fitted to the scans that examine it;
# - a heat map whose brightest places are the edges of healthy layers;
# - drawn scans as evidence about real ones: they show how to measure.
#
# One last flaw of the source: it saves the *classifier's* encoder at the end, and not the autoencoder.
# Whoever loads that file has no decoder and no scores. A checkpoint has to hold what one wants back.

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
        f"ladder, {ladder.source[0]}, mean over seeds ({ladder.seed.nunique()}), {rung}: L1, kNN"
    ] = f"{steps_up['all'][rung]:.3f}, {knn_steps['all'][rung]:.3f}"
rows[f"real (NEH): {best_real}, no network"] = f"{without:.3f}"
for rung in real_steps.index:
    rows[f"ladder, real (NEH), mean over seeds ({real.seed.nunique()}), {rung}: L1, kNN"] = (
        f"{real_steps['all'][rung]:.3f}, {real_knn['all'][rung]:.3f}"
    )
for name, row in located.iterrows():
    rows[f"lesions, {name}: pixel AUROC, PRO"] = f"{row['pixel AUROC']:.3f}, {row.PRO:.3f}"
lines = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
Markdown(f"| {test.name}, {test.source} data | |\n|---|---|\n{lines}\n\n{verdict}")

# %% id="quiz" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("05")

# %% id="progress" tags=["nbval-ignore-output"]
progress()

# %% [markdown] id="further"
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
