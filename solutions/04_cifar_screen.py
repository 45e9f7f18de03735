# %% [markdown] id="title"
# # Module 4 · An autoencoder as a screen before a classifier
#
# A classifier that tells cats from dogs gives an answer even when it is shown a frog. It says "cat" or "dog",
# and is sometimes sure of it. One remedy is a **screen**: train an autoencoder on cats and dogs, put it before
# the classifier, and refuse every image that it rebuilds badly. This module follows an article of 2022, which
# judged such a screen on seven images. You judge it on thousands, and look for better scores.
#
# **Afterwards you can**
# - name three kinds of uncertainty, and say which one a probability may not show;
# - build a screen that promises a false-positive rate, and test the promise;
# - say what a reconstruction error really follows;
# - judge a classifier and its screen together, as one system that may refuse an image.
#
# **You need** autoencoders, AUROC and conformal p-values (module 1), the Mahalanobis distance (module 3), and
# cross-entropy.
#
# <!-- time -->

# %% id="setup" tags=["setup"]
import sys
import warnings

sys.path.insert(0, "..")  # the course folder
import helpers  # before torch: sets how its threads wait

import numpy as np
import torch
import torch.nn.functional as F

from helpers.checks import check, hint, progress, solution
from helpers.datasets import load
from helpers.preload import preload
from helpers.runtime import choose, preflight
from helpers.training import apply

preload("torch._dynamo")  # what the first training waits for

# %% id="preflight" tags=["nbval-ignore-output"]
preflight("04")
preload("seaborn", "helpers.checks.module_04")  # while you read

# %% [markdown] id="data-text"
# ## 1 · Cats, dogs, and eight classes that are neither
#
# CIFAR-10 holds colour images of 32×32 pixels in ten classes (A. Krizhevsky, 2009). Cats and dogs (*pets*, for
# short) are **in sample**: the classifier learns them. The other eight classes (*the others*, or *foreign* images)
# are **out of sample**, and serve for tests only. The folded answers below describe these images. On the offline
# sample numbers and order differ.

# %% id="data"
data = load("cifar10")
train = data["train"]
print(f"{len(train):,} and {len(data['test']):,} images: {', '.join(train.classes)}")

# %% [markdown] id="roles-text" no_result="how the images are shared out"
# **Roles.** The article chose its threshold on the same images on which it then judged the screen. Here no image
# has two roles. The cats and dogs of the training set go to four parts:
#
# | role | share | what for |
# |---|---|---|
# | classifier | 70 % | its training |
# | autoencoder | 18 % | its training |
# | tuning | 4 % | single numbers, such as a standard deviation |
# | calibration | 8 % | the thresholds of the screens |

# %% [markdown] id="ex-4-1-text" tags=["optional"]
# ### Exercise 4.1
#
# Write `class_roles`: labels (N,), the numbers of the wanted classes (a tuple) and the shares (a tuple)
# in; a list of arrays out, which holds the positions of each role. Shares may sum to less than 1. The rest
# then has no role. Sizes that are not whole may be rounded either way. **Done** when every role holds
# the classes in the same proportion, the positions are drawn at random but alike for the same `seed`, and
# no position has two roles.


# %% id="ex-4-1" tags=["exercise"] reference="helpers.datasets.splits.class_roles"
def class_roles(labels, wanted, shares, seed=0):
    """Positions of the images of each role, of the classes `wanted` only. -> list of (k,)"""
    ...


# %% id="check-4-1" tags=["check", "nbval-check-output"]
class_roles = check("4.1", class_roles)

# %% [markdown] id="parts-text" no_result="how the images are shared out"
# ### The six parts
#
# The test cats and dogs, and the others, are two more parts. Labels become 0 for cats and 1 for dogs.

# %% id="parts"
from helpers.experiments.module_04 import roles

parts = roles()
PETS = parts.test.classes
n_test, names = len(parts.test), np.array(train.classes)[parts.others.labels]
for role, part in parts._asdict().items():
    print(f"{role:12}{len(part):6,} images")

# %% [markdown] id="classifier-text"
# ## 2 · The classifier
#
# `SmallResNet` has three **stages**, one after the other. Each is a block of two convolutions, which compute a
# correction. It is added to the input of the block.
#
# > **residual connection.** A path that carries a block's input past its layers and adds it to
# > their output (also called a skip connection).
#
# The mean of each channel after a stage is a **feature**; together they are a short description of the image. A
# linear layer turns the features of the last stage into two numbers, one for "cat" and one for "dog".

# %% id="classifier"
from helpers import plotting
from helpers.experiments.module_04 import classifier
from helpers.metrics import wilson_interval

plotting.use_course_style()
tuning = parts.tuning
model, history = classifier(
    parts.classifier, progress=True, validation=(tuning.images, tuning.labels)
)
logits = apply(model, parts.test.images)
right = logits.argmax(dim=1).numpy() == parts.test.labels
low, high = wilson_interval(right.sum(), n_test)
print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {history[-1]['seconds']:.0f} s")
print(
    f"{right.mean():.1%} of {n_test:,} test cats and dogs right (95 % interval {low:.1%} to {high:.1%})"
)

# %% [markdown] id="logits-text" no_result="a definition, and arithmetic"
# **From numbers to probabilities.** The two outputs are logits and can be any numbers.
#
# > **softmax.** The function that turns logits into probabilities: the exponential of each logit, divided
# > by the sum of all the exponentials.
#
# For the logits 2 and 0 this gives 0.88 and 0.12. The two always sum to 1, whatever the image shows.

# %% [markdown] id="frog-text"
# ### And a frog?
#
# The figure shows, for each other class, the image with the highest probability. What will the network say of a
# frog, and how surely?

# %% id="frog" tags=["cover"]
outside_logits = apply(model, parts.others.images)
probability, answer = outside_logits.softmax(dim=1).max(dim=1)
surest = [
    np.flatnonzero(names == name)[probability[names == name].argmax()] for name in np.unique(names)
]
titles = [f"{names[i]}?\n{PETS[answer[i]]} {probability[i]:.1%}" for i in surest]
plotting.show(
    plotting.labelled_pictures(parts.others.images[surest], titles),
    "Of each other class the image on which the classifier is most sure.",
    alt="Eight small images in a row, one of each other class. Above them: " + "; ".join(titles),
)

# %% id="sure"
confident, confident_outside = (
    some.softmax(dim=1).amax(dim=1).numpy() for some in (logits, outside_logits)
)
sure_inside, sure = (confident > 0.9).mean(), (confident_outside > 0.9).mean()
sure_frogs = (confident_outside[names == "frog"] > 0.9).mean()
print(f"more than 90 % sure: {sure_inside:.1%} of the cats and dogs, {sure:.1%} of the others;")
print(f"{sure_frogs:.1%} of the {(names == 'frog').sum()} frogs")

# %% id="seen-frog" tags=["seen"]
from helpers.claims import claim, seen

_surest = confident_outside[names == "frog"].max()
seen(
    f"Of the frogs, {sure_frogs:.0%} get an answer with a probability above 90 %; "
    f"the surest one has {_surest:.1%}. The softmax shares 100 % between cat and dog, whatever the "
    f"image shows. The network is {'less often' if sure < sure_inside else 'no less often'} sure of the "
    f"other classes than of cats and dogs ({sure:.0%} against {sure_inside:.0%}), but it refuses none of them."
)

# %% id="claim-frog" tags=["claim"]
claim("the classifier is sure of some foreign images", sure > 0.05)

# %% [markdown] id="words-text" no_result="definitions"
# ### Three kinds of uncertainty
#
# An answer can be uncertain for three reasons.
#
# > **aleatoric uncertainty.** The image itself leaves the answer open, however much the network has learned.
#
# On photographs of 32×32 pixels nobody can tell some of the cats from dogs. A good classifier then says 50 %.
#
# > **epistemic uncertainty.** The network does not know, because it has seen too little.
#
# Another training would give another answer. More training images would help.

# %% [markdown] id="distributional-text" no_result="definitions"
# > **distributional uncertainty.** The image does not belong to the images that the question is about.
#
# "Cat or dog?" has no right answer for a frog (Malinin and Gales, arXiv 1802.10501). A probability near 50 % can
# have any of the three reasons. Distributional uncertainty may not show in it at all.

# %% id="quiz-frog" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("04", "frog")

# %% [markdown] id="training-head" tags=["optional"] no_result="how the classifier is built"
# ### How the classifier is trained
#
# The first figure shows the whole network, the second one of its residual blocks. The gradient finds a short way
# back past the layers of a block.

# %% id="classifier-diagram"
from helpers import models

plotting.show(
    plotting.network_diagram(models.SmallResNet(stride=2), (3, 32, 32)),
    "The classifier of the quick profile, drawn from the network itself. The arrow before the linear layer "
    "takes the mean of each channel.",
    alt="Boxes from left to right: a convolution that halves the side, three residual blocks with poolings "
    "between them that halve it again, a linear layer, and two outputs.",
)

# %% id="residual-figure"
plotting.show(
    plotting.residual_block(models.SmallResNet(stride=2).stages[0][-1], (32, 16, 16)),
    "The first residual block, drawn from the module itself. The input reaches the sum on two ways.",
    alt="Two paths from the input to a sum: one through two convolutions, each with batch normalization "
    "and ReLU, and one that carries the input past them.",
)

# %% [markdown] id="training-text" no_result="how the classifier is trained"
# Each training batch is mirrored and shifted at random, so that the network seldom sees an image twice in
# the same way. The step length follows a one-cycle schedule, as in module 3. The optimiser is AdamW,
# which is Adam with one more step.
#
# > **weight decay.** After each step every weight is made a little smaller, so that weights which the
# > data do not need fade away.
#
# The filters of the first convolution do not start at random. PCA (module 1) rebuilds a patch of 3×3 pixels as the
# mean patch plus a sum of fixed patches, each times a number. These fixed patches are its **principal components**;
# along the first ones the patches of images vary most. Half of the filters are the first principal components of
# patches from training images, scaled so that their outputs vary more alike. The other half are the same with the
# opposite sign, since a ReLU cuts one side off. Fast trainings on CIFAR-10 start in a similar way (Jordan 2024,
# arXiv 2404.00498): what tells patches apart need not be learned first. The training may change our filters like
# all other weights. The first figure below shows what it does.

# %% id="filters"
from helpers.training import as_input

fresh = models.SmallResNet(stride=2).stages[0][0]
models.whiten(fresh, as_input(parts.classifier.images[:500]))
rows = {}
for when, convolution in {"start": fresh, "trained": model.stages[0][0]}.items():
    filters = convolution.weight.detach().cpu()[:8]
    rows[when] = 0.5 + 0.5 * filters / filters.abs().amax(dim=(1, 2, 3), keepdim=True)
moved = (rows["trained"] - rows["start"]).abs().mean(dim=(1, 2, 3))
plotting.show(
    plotting.image_rows(rows),
    "The first eight filters of 3×3 pixels in three colours: principal components at the start, the one with "
    "the largest variance on the left, and the same filters after the training. Grey is 0. Each is "
    "scaled to its own largest weight, so only patterns can be compared.",
    alt="Two rows of eight small squares of 3×3 coloured cells, the filters at the start and below them "
    f"after the training. The pattern of number {moved.argmax() + 1} has changed most.",
)

# %% id="augmented"
from helpers.augment import flip_and_shift

torch.manual_seed(0)
eight = as_input(parts.classifier.images[:8])
rows = {
    "image": eight.cpu(),
    "once": flip_and_shift(eight).cpu(),
    "again": flip_and_shift(eight).cpu(),
}
plotting.show(
    plotting.image_rows(rows),
    "Eight training images, and two of the versions that the network trains on: mirrored or not, and "
    "shifted by up to four pixels.",
    alt="Three rows of eight small colour images of cats and dogs. In the second and third row each is mirrored or not, and moved by some pixels; where it was moved from, the margin repeats the image mirrored.",
)

# %% [markdown] id="calibration-text" tags=["optional"] no_result="a definition"
# ### Do the probabilities mean what they say?
#
# If 80 % of the answers with a probability of 80 % are right, the probability means what it says, and the
# classifier is calibrated. To check it, sort the answers into bins by their probability, and draw the share of
# right answers in each bin. This is a **reliability diagram**.
#
# > **calibration error.** The gap between the probability and the share of right answers, averaged
# > over the bins, each weighted by its number of images (expected calibration error, ECE).
#
# In the next figure a simulated classifier is perfectly calibrated. Draw its images anew several times, and
# watch the calibration error.

# %% id="reliability-explorable" tags=["nbval-ignore-output"]
from helpers import explorables

explorables.reliability(n=2000)

# %% [markdown] id="temperature-text" no_result="the literature with its source"
# **One number to mend it.** Large networks that are trained for a long time tend to be too sure.
#
# > **temperature.** The number $T > 0$ by which all logits are divided before the softmax.
#
# With $T > 1$ the probabilities become more cautious, and with $T < 1$ more sure. Their order stays the same. In
# large networks this mends most of it (Guo et al. 2017, arXiv 1706.04599).

# %% id="temperature-picture"
for T in (0.5, 1, 2):
    print(
        f"logits 2 and 0, T = {T}: {(torch.tensor([2.0, 0.0]) / T).softmax(dim=0).numpy().round(2)}"
    )

# %% [markdown] id="ex-4-2-text" tags=["optional"] no_result="a task"
# ### Exercise 4.2
#
# Write `fit_temperature`: logits (N, K) and labels (N,) of tuning images in; out comes the $T > 0$ with
# the smallest cross-entropy, as a `float`. `minimize_scalar` from SciPy finds the minimum of a function
# of one number. **Done** when $T$ is the minimum, whether it lies above 1 or below.

# %% id="ex-4-2" tags=["exercise"] reference="helpers.calibration.fit_temperature"
from scipy.optimize import minimize_scalar


def fit_temperature(logits, labels):
    """The temperature with the smallest cross-entropy on these images. (N, K), (N,) -> float"""
    ...


# %% id="check-4-2" tags=["check", "nbval-check-output"]
fit_temperature = check("4.2", fit_temperature)

# %% id="temperature"
from helpers.calibration import expected_calibration_error, reliability

tuning_logits, tuning_labels = apply(model, tuning.images), torch.from_numpy(tuning.labels)
T = fit_temperature(tuning_logits, tuning_labels)
before, after = confident, (logits / T).softmax(dim=1).amax(dim=1).numpy()
ece = [expected_calibration_error(confidence, right) for confidence in (before, after)]
print(f"T = {T:.3f}; expected calibration error {ece[0]:.4f} before, {ece[1]:.4f} after")

# %% [markdown] id="chance-text"
# **Is that a fault at all?** The tuning images are few, so $T$ needs an interval: draw as many images again
# with replacement, and fit again. The calibration error of a *perfect* classifier is not 0 either, since in
# each bin the share of right answers differs from the probability by chance. To see how large it gets, draw
# right and wrong answers from our probabilities.

# %% id="chance"
rng = np.random.default_rng(0)
resampled = torch.from_numpy(rng.integers(len(tuning), size=(100, len(tuning))))
T_low, T_high = np.quantile(
    [fit_temperature(tuning_logits[i], tuning_labels[i]) for i in resampled], [0.025, 0.975]
)
perfect = [expected_calibration_error(after, rng.random(n_test) < after) for _ in range(200)]
chance = np.quantile(perfect, [0.025, 0.975])
print(f"T = {T:.2f}, with {len(tuning)} other tuning images {T_low:.2f} to {T_high:.2f}")
print(f"ECE of a perfect classifier on {n_test:,} images: {chance[0]:.4f} to {chance[1]:.4f}")

# %% id="reliability"
tables = {"before": reliability(before, right), f"T = {T:.2f}": reliability(after, right)}
sided = "too sure" if T_low > 1 else "not sure enough" if T_high < 1 else "not clearly off"
beyond_chance = [e > chance[1] for e in ece]
verdict = {2: "Both are", 1: "One of them is", 0: "Neither is"}[sum(beyond_chance)]
plotting.show(
    plotting.reliability_diagram(tables),
    f"T = {T:.2f} ({T_low:.2f} to {T_high:.2f}): the classifier was {sided}. Bars are 95 % intervals (Wilson). "
    f"The calibration error is {ece[0]:.4f} before and {ece[1]:.4f} after. {verdict} larger than "
    f"what a perfect classifier has on so many images (up to {chance[1]:.4f} in 97.5 % of the draws).",
    alt="Share of right answers over the probability of the answer, from 0.5 to 1, with error bars, for the classifier before and after the temperature. A diagonal line marks perfect calibration.",
)

# %% id="claim-chance" tags=["claim"]
claim("the calibration error of a perfect classifier is not 0", chance[0] > 0)
claim(
    "the temperature moves the calibration error by less than chance does",
    abs(ece[1] - ece[0]) < chance[1] - chance[0],
)

# %% [markdown] id="reliability-lesson" held_by="claim-chance"
# So compare a calibration error with what chance gives. A change from one value to another shows nothing
# if both are no larger than that. All this speaks of cats and dogs only: no temperature makes the probability of a
# frog mean anything. The article calls the frog's case aleatoric; it is distributional.

# %% [markdown] id="cae-intro" no_result="how the network is built"
# ## 3 · The autoencoder
#
# The article's network is a convolutional autoencoder (CAE). The encoder halves the sides twice, and a linear
# layer makes the code. The decoder goes the same way back. The article's code has 1,000 numbers for the 3,072 of
# an image; the quick profile's is shorter.

# %% [markdown] id="ex-4-3-text" tags=["optional"] no_result="a task"
# ### Exercise 4.3
#
# Write the network of this table. All convolutions have kernels of 3×3 and a padding of 1. A ReLU
# follows each but the last. The code and the output are linear. (In the article an activation follows
# the code as well; without it the code may be negative.)
#
# | encoder | output | | decoder | output |
# |---|---|---|---|---|
# | conv 3→16, conv 16→16 | 16×32×32 | | `Linear`, `Unflatten`, ReLU | 64×8×8 |
# | conv 16→32 of stride 2, conv 32→32 | 32×16×16 | | transposed conv 64→64 | 64×8×8 |
# | conv 32→64 of stride 2, conv 64→64 | 64×8×8 | | 64→32 of stride 2, 32→32 | 32×16×16 |
# | `Flatten`, `Linear` | 1000 numbers | | 32→16 of stride 2, 16→16, 16→3 | 3×32×32 |
#
# In the table `widths` are (16, 32, 64). **Done** when shapes and the number of parameters are right for
# any `widths` and `latent_dim`, and only a ReLU stands between one layer and the next.

# %% id="cae-diagram"
from helpers import models
from torch import nn
from helpers.experiments.module_04 import SIZES

plotting.show(
    plotting.network_diagram(models.ColourAutoencoder(*SIZES["small"]), (3, 32, 32)),
    "The CAE of the quick profile, drawn from the network itself: the encoder in blue, the decoder in green.",
    alt="Two rows of boxes for the encoder, whose images get smaller and get more channels until a linear "
    "layer makes the code, and two rows for the decoder, which goes the same way back.",
)


# %% id="ex-4-3" tags=["exercise"] reference="helpers.models.ColourAutoencoder"
class ColourAutoencoder(nn.Module):
    """32×32 colour images to `latent_dim` numbers and back. (N, 3, 32, 32) -> the same shape"""

    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__()
        self.encoder = ...  # a, b, c = widths
        self.decoder = ...

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


# %% id="check-4-3" tags=["check", "nbval-check-output"]
ColourAutoencoder = check("4.3", ColourAutoencoder)

# %% id="shapes" tags=["nbval-check-output"]
cae = ColourAutoencoder()
x = torch.rand(1, 3, 32, 32)
for layer in cae.encoder:
    x = layer(x)
    if isinstance(layer, (nn.Conv2d, nn.Linear)):
        print(f"{type(layer).__name__:7}", " × ".join(map(str, x.shape[1:])))
print(f"{sum(p.numel() for p in cae.parameters()):,} parameters")

# %% [markdown] id="cae-text" no_result="a heading"
# ### Training it

# %% id="cae"
from helpers.experiments.module_04 import TrainingNotes, autoencoder

notes = TrainingNotes(parts)  # how eight images are rebuilt meanwhile
ae = autoencoder(parts.autoencoder.images, progress=True, on_epoch=notes)
print(f"3,072 numbers in {ae.encoder[-1].out_features}")

# %% [markdown] id="class-error-text"
# **Does the error tell the classes apart?** Each box of the figure shows the errors of one class: the line is the
# median, the box holds the middle half, and dots lie far away from it. In a good screen all eight other classes
# would lie above cats and dogs. Do they?

# %% id="class-error"
import pandas as pd
from helpers.experiments.module_04 import cae_error
from helpers.metrics import auroc

errors, other_errors = (cae_error(ae, part.images) for part in (parts.test, parts.others))
classes = np.concatenate([np.array(PETS)[parts.test.labels], names])
frame = pd.DataFrame({"error": np.concatenate([errors, other_errors]), "class": classes})
medians = frame.groupby("class").error.median()
order = [*PETS, *medians.drop(list(PETS)).sort_values().index]
area = auroc(errors, other_errors)
medians[order].to_frame("median").round(4)

# %% id="class-error-figure"
plotting.show(
    plotting.boxes(frame, "class", "error", order=order, log=True),
    f"The CAE's error by class. AUROC over the eight other classes: {area:.3f}.",
    alt="Ten boxes of reconstruction errors on a logarithmic axis: cats and dogs first, then the other classes in the order of their medians. The boxes overlap.",
)

# %% id="seen-class-error" tags=["seen"]
_pets = medians[list(PETS)].min()
_easier = [f"{name} ({medians[name]:.4f})" for name in order[2:] if medians[name] < _pets]
seen(
    f"No: the boxes overlap. By the median the CAE rebuilds {order[-1]} worst. It rebuilds these classes "
    f"better than cats and dogs ({_pets:.4f} or more), although it has never seen them: {', '.join(_easier) or 'none'}. Over all eight "
    f"classes the AUROC is {area:.2f}; a random score has 0.5."
)

# %% [markdown] id="snapshots-text"
# ### What the autoencoder learns first
#
# While it trained, `notes` kept eight images that it does not learn from: four cats and dogs, then a frog, a
# horse, an airplane and a truck. Could you tell from the last row which classes the network has learned from?

# %% id="snapshots"
plotting.show(
    plotting.image_rows({"image": notes.watched} | notes.snapshots),
    "Four cats and dogs, then a frog, a horse, an airplane and a truck, and how the CAE rebuilds them "
    "after some of the epochs.",
    alt="A row of eight images, and one row of their reconstructions for each of some epochs. The first reconstructions are blurred grey spots; later ones show shapes.",
)

# %% id="seen-snapshots" tags=["seen"]
_last = cae_error(ae, notes.watched)
seen(
    "Hardly. All eight are blurred in the same way. The errors of the four cats and dogs "
    f"are {', '.join(f'{e:.4f}' for e in _last[:4])}; those of the frog, the horse, the airplane and the "
    f"truck are {', '.join(f'{e:.4f}' for e in _last[4:])}. The two groups "
    f"{'overlap' if _last[4:].min() < _last[:4].max() else 'do not overlap'}."
)

# %% [markdown] id="curves-text" tags=["optional"]
# ### Lightness or colour?
#
# The error has two parts, lightness and colour (section 5 says how they are told apart).
# Compare both with a network that gives every pixel the mean colour of all tuning images. The share of the error
# that is gone is the share **explained**, as in a regression ($R^2$). Which part does the CAE learn first?

# %% id="curves"
from helpers.experiments.module_04 import error_parts
from helpers.training import as_input

log = pd.DataFrame(notes.epochs).set_index("epoch")
average = as_input(tuning.images).mean(dim=(0, 2, 3))[:, None, None]
flat = error_parts(lambda x: average.expand_as(x), tuning.images).mean(axis=1)
explained = 1 - log[["lightness", "colour"]] / flat
first, last = explained.iloc[0], explained.iloc[-1]
squared = {"training": log.train, "tuning images": log.lightness + log.colour}
plotting.show(
    plotting.training_curves(
        {
            "classifier: cross-entropy": {"training": [row["train"] for row in history]},
            "CAE: squared error": squared,
            "CAE: share explained": {name: explained[name] for name in explained},
        }
    ),
    f"Losses of the classifier (right on tuning images: {history[0]['accuracy']:.1%} after the first "
    f"epoch, {history[-1]['accuracy']:.1%} after the last) and of the CAE; share of the tuning images' "
    f"lightness and colour that the CAE explains: {first.lightness:.0%} and {first.colour:.0%} after one "
    f"epoch, {last.lightness:.0%} and {last.colour:.0%} at the end"
    + (" (below 0: worse than the mean colour)." if explained.min().min() < 0 else "."),
    alt="Three panels over the epochs: the cross-entropy of the classifier, the squared error of the CAE on training and tuning images, and the shares of lightness and colour that the CAE explains.",
)

# %% id="claim-curves" tags=["claim"]
claim(
    "the CAE learns lightness before colour", (explained.lightness > explained.colour).mean() > 0.8
)
claim("at the end it still explains less of the colour", last.lightness > last.colour)
x = as_input(tuning.images)
claim("there is less colour than light and dark", x.var(dim=1).mean() < x.mean(dim=1).var())

# %% [markdown] id="curves-lesson" held_by="claim-curves"
# Lightness comes first, and colour stays behind. The images vary less in colour than in lightness, so at
# first a wrong colour costs less in squared error than a wrong lightness.

# %% [markdown] id="seven-text" tags=["optional"]
# ### What do seven images show?
#
# The article saw four pets and three others, and chose its threshold so that six of the seven were right.
# Draw seven of ours, choose the threshold that is best for them, and apply it to all images. Then do the same
# with a **blind** score, a random number in the place of the error. How well will it do on its seven images?

# %% id="seven"
from helpers.metrics import balanced_accuracy


def best_threshold(few):
    """The score among the few at which most of them are judged right."""
    return max(np.concatenate(few), key=lambda t: balanced_accuracy(*few, t))


rng, rows = np.random.default_rng(0), []
for _ in range(500):
    few = rng.choice(errors, 4), rng.choice(other_errors, 3)
    lottery = rng.random(4), rng.random(3)
    best = best_threshold(few)
    rows.append(
        {
            "the seven": balanced_accuracy(*few, best),
            "all": balanced_accuracy(errors, other_errors, best),
            "blind, the seven": balanced_accuracy(*lottery, best_threshold(lottery)),
        }
    )
drawn = pd.DataFrame(rows)
drawn.describe().loc[["mean", "min", "max"]].round(3)

# %% id="seven-words"
means = drawn.mean()
print(f"balanced accuracy {means['the seven']:.2f} on the seven, {means['all']:.2f} on all")
print(
    f"higher on the seven than on all in {(drawn['the seven'] > drawn['all']).mean():.0%} of the draws"
)
print(f"six or seven of seven right in {(drawn['the seven'] > 0.82).mean():.0%} of the draws")
print(f"a blind score: {drawn['blind, the seven'].mean():.2f} on the seven, 0.50 on all")

# %% id="seen-seven" tags=["seen"]
seen(
    f"A blind score reaches {means['blind, the seven']:.2f} on its seven images, although it is worth 0.50. "
    "The threshold was chosen on the seven, so it fits their chance. The CAE's error reaches "
    f"{means['the seven']:.2f} on seven and {means['all']:.2f} on all."
)

# %% id="claim-seven" tags=["claim"]
claim("seven images flatter", drawn["the seven"].mean() > drawn["all"].mean() + 0.05)
claim("a blind score looks good on the seven as well", drawn["blind, the seven"].mean() > 0.6)

# %% [markdown] id="seven-lesson" held_by="claim-seven"
# Seven images flatter a score on average, since the threshold is chosen on them. Nobody can learn from them what
# a screen is worth.

# %% [markdown] id="screen-text" no_result="a rule and an interface"
# ## 4 · The screen
#
# The screen follows the rule of module 1: refuse where the conformal p-value is at most $\alpha$. It is an object in
# scikit-learn's manner: `fit` learns from calibration scores, and the other methods use what it has learned.

# %% [markdown] id="ex-4-4-text" no_result="a task"
# ### Exercise 4.4
#
# `fit` is given. It keeps the calibration scores and the threshold in names that end with an underscore. (Too few
# scores cannot promise $\alpha$. Then the threshold is infinite, and `fit` warns that nothing is refused.) Write the
# other three methods. Each gets scores (m,) and gives a NumPy array (m,):
#
# 1. `decision_function`: the score minus the threshold;
# 2. `predict`: True where the score is *above* the threshold, else False;
# 3. `p_values`: what the library's `conformal_p_values(calibration_scores, scores)` gives.
#
# Begin with `check_is_fitted(self)`, which stops with an error if `fit` was not called. Send the scores through
# `as_scores`: it makes an array, and stops at NaN ("not a number", the result of a broken computation).
# **Done** when `predict` agrees with the p-values, and NaN and a missing `fit` are errors.

# %% id="screen-imports"
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from helpers.thresholds import as_scores, conformal_p_values, conformal_threshold


# %% id="ex-4-4" tags=["exercise"] reference="helpers.thresholds.Screen"
class Screen(BaseEstimator):
    """Refuses what is more anomalous than all but a share `alpha` of normal images."""

    def __init__(self, alpha):
        self.alpha = alpha

    def fit(self, calibration_scores):
        """Keep the scores of normal images (n,) and set `threshold_`. -> the screen itself"""
        self.calibration_scores_ = as_scores(calibration_scores)
        self.threshold_ = conformal_threshold(self.calibration_scores_, self.alpha)
        if np.isinf(self.threshold_):
            warnings.warn("too few calibration scores: this screen refuses nothing", stacklevel=2)
        return self

    def decision_function(self, scores):
        """Score minus threshold: above 0 where the image is refused. (m,) -> (m,)"""
        ...

    def predict(self, scores):
        """Whether each image is refused. (m,) -> bool (m,)"""
        ...

    def p_values(self, scores):
        """Conformal p-value of each image: at most alpha where refused. (m,) -> (m,)"""
        ...


# %% id="check-4-4" tags=["check", "nbval-check-output"]
Screen = check("4.4", Screen)

# %% [markdown] id="ex-4-13-text" no_result="a task"
# ### Exercise 4.13
#
# (Exercise numbers are names, not an order.) A **blind** score is a random number for each image, so it knows
# nothing. Its screen has $\alpha$ = 5 %, and is calibrated on as many random numbers as there are calibration
# images. Predict: what share of the test cats and dogs will it refuse on average, and what share of the others?
# Write two numbers between 0 and 1. **Done** when both are right to within 0.02.

# %% id="ex-4-13" tags=["exercise"] reference="blind_rates"
blind_rates = {
    "pets": ...,  # share of the test cats and dogs that the blind screen refuses
    "others": ...,  # share of the other classes that it refuses
}

# %% id="check-4-13" tags=["check", "nbval-check-output"]
blind_rates = check("4.13", blind_rates)

# %% id="screen"
from helpers.thresholds import false_alarm_interval

calibration_errors = cae_error(ae, parts.calibration.images)
screen = Screen(alpha=0.05).fit(calibration_errors)
refused, refused_others = screen.predict(errors), screen.predict(other_errors)
n_calibration, rng, drawn = len(calibration_errors), np.random.default_rng(0), []
for _ in range(100):
    blind = Screen(alpha=0.05).fit(rng.random(n_calibration))
    drawn.append([blind.predict(rng.random(size)).mean() for size in (n_test, len(names))])
blind_pets, blind_others = np.mean(drawn, axis=0)
rates = {"CAE": (refused.mean(), refused_others.mean()), "blind": (blind_pets, blind_others)}
for name, (pets, rest) in rates.items():
    print(f"{name:6} {pets:.1%} of cats and dogs refused, {rest:.1%} of the others")
print("(blind: the mean of 100 screens, each with new random numbers)")
low, high = false_alarm_interval(n_calibration, n_test, 0.05)
print(
    f"with other calibration and test images, 19 of 20 rates would lie in {low:.1%} to {high:.1%}"
)

# %% id="claim-screen" tags=["claim"]
claim(
    "the CAE's screen refuses more of the others than a blind one",
    refused_others.mean() > blind_others,
)
claim("a blind screen keeps the promise on average", abs(blind_pets - 0.05) < 0.005)
claim("but it lets most of them pass", refused_others.mean() < 0.4)
claim("the CAE's rate among cats and dogs is as promised", low <= refused.mean() <= high)

# %% [markdown] id="screen-lesson" held_by="claim-screen"
# The promise is about cats and dogs only. It holds for every score, even a blind one, as an average over many
# calibrations. The calibration images and the test images are both drawn, so a single false-positive rate is seldom
# exactly 5 %. A screen is worth the share of the others that it refuses. The CAE's screen refuses more of them than
# the blind one (on the offline sample hardly more), but lets most of them pass.

# %% [markdown] id="horse-text" tags=["optional"]
# ### Which images pass?
#
# In the article a horse passed. The upper row shows horses that pass here. The lower row shows the cats and
# dogs with the largest errors, which are refused. How do the two rows differ?

# %% id="horse"
from helpers.experiments.module_04 import chroma

passed = np.flatnonzero((names == "horse") & ~refused_others)
lost = np.flatnonzero(refused)[np.argsort(errors[refused])[::-1][:8]]
middle = passed[np.argsort(other_errors[passed])][:: max(1, len(passed) // 8)][:8]
both = np.concatenate([parts.others.images[middle], parts.test.images[lost]])
p = np.concatenate([screen.p_values(other_errors[middle]), screen.p_values(errors[lost])])
titles = [f"passes\np = {v:.2f}" for v in p[: len(middle)]] + [
    f"refused\np = {v:.3f}" for v in p[len(middle) :]
]
plotting.show(
    plotting.labelled_pictures(both, titles),
    f"{len(passed)} of {(names == 'horse').sum()} horses pass the CAE's screen; eight of them above. "
    "Below, the cats and dogs with the largest errors.",
    alt="Two rows of eight images with p-values above: horses that pass, and below them refused cats and dogs, many with strong colours or strong contrast.",
)

# %% id="seen-horse" tags=["seen"]
_pass, _lost = chroma(parts.others.images[passed]), chroma(parts.test.images[refused])
seen(
    "The refused cats and dogs have stronger colours. As a number: the largest "
    f"minus the smallest colour channel, averaged over the image, is {np.median(_lost):.2f} for the median "
    f"refused cat or dog and {np.median(_pass):.2f} for the median horse that passes."
)

# %% id="claim-horse" tags=["claim"]
claim(
    "the refused cats and dogs are more colourful than the horses that pass",
    np.median(chroma(parts.test.images[refused])) > np.median(chroma(parts.others.images[passed])),
)

# %% [markdown] id="interval-text" tags=["optional"] no_result="the two chances"
# ### Is the promise kept?
#
# The interval that was printed with the screens comes from two draws. The $m$ test images are one. The $n$
# calibration images are the other: they decide the threshold, and so the true rate. With both
# draws the number of false positives has a beta-binomial distribution.

# %% [markdown] id="ex-4-5-text" tags=["optional"] no_result="a task"
# ### Exercise 4.5
#
# Write `false_alarm_interval`: $n$, $m$ and $\alpha$ in; the central interval of the *rate* out, as (low,
# high). In words: put a new normal image among the $n$ calibration images. It is refused if its rank is one of
# the $k$ highest of $n + 1$, where $k$ is $\alpha (n + 1)$ rounded down. So the true rate is $k/(n + 1)$ on
# average. It varies around that from one calibration to the next, the less, the larger $n$ is. Module 1
# says which Beta distribution describes this. **Done** when the interval is that of the beta-binomial
# distribution, also where $\alpha(n + 1)$ is whole.

# %% id="ex-4-5" tags=["exercise"] reference="helpers.thresholds.false_alarm_interval"
from scipy.stats import betabinom


def false_alarm_interval(n, m, alpha, confidence=0.95):
    """Where the false-positive rate among m normal images lies after one calibration on n."""
    ...  # alpha * (n + 1) may come out as 0.99999999 where it should be 1


# %% id="check-4-5" tags=["check", "nbval-check-output"]
false_alarm_interval = check("4.5", false_alarm_interval)

# %% id="promise"
from scipy.stats import binom

wide = false_alarm_interval(n_calibration, n_test, 0.05)
narrow = binom(n_test, 0.05).ppf([0.025, 0.975]) / n_test
print(f"measured {refused.mean():.2%}")
print(f"threshold known:       {narrow[0]:.2%} to {narrow[1]:.2%}")
print(f"calibrated on {n_calibration} images: {wide[0]:.2%} to {wide[1]:.2%}")

# %% id="seen-promise" tags=["seen"]
_within = ["inside" if low <= refused.mean() <= high else "outside" for low, high in (wide, narrow)]
seen(
    f"The measured rate lies {_within[0]} the interval of both draws, which is the right one here. (It lies "
    f"{_within[1]} the narrower one, which takes the threshold for known.) One rate cannot prove a promise about "
    "the average over calibrations: inside the interval it is only compatible with it."
)

# %% [markdown] id="complexity-text" no_result="definitions"
# ## 5 · Why the autoencoder fails
#
# What makes an image hard to rebuild? There are two suspects: **complexity**, which is how much detail it has, and
# strong **colour**, which is rare in images of cats and dogs.
#
# > **total variation.** The mean absolute difference between neighbouring pixels, a measure of detail.
#
# > **chroma.** The largest of a pixel's three channels minus the smallest, averaged over the image; 0 for
# > every grey image.

# %% [markdown] id="ex-4-6-text" no_result="a task"
# ### Exercise 4.6
#
# Write `total_variation`: (N, C, H, W) in, a tensor (N,) out. Compare neighbouring pixels side by side, then those
# one above the other, within each channel. Average each of the two over all its pairs and channels. Half the sum of
# the two means is the result. (`x[..., 1:]` holds all columns but the first, `x[..., :-1]` all but the last.)
# **Done** when standing and lying stripes count alike, also in images that are not square.


# %% id="ex-4-6" tags=["exercise"] reference="helpers.scores.total_variation"
def total_variation(x):
    """Mean absolute difference between neighbouring pixels. (N, C, H, W) -> (N,)"""
    ...


# %% id="check-4-6" tags=["check", "nbval-check-output"]
total_variation = check("4.6", total_variation)

# %% [markdown] id="error-parts-text" no_result="definitions"
# ### Which suspect explains which part of the error?
#
# At each pixel take the errors of the three channels. The square of their mean is the error in **lightness**, and
# their variance is the error in **colour**. The sum is the mean squared error of the pixel. For the errors 0.2, 0.2
# and 0.2 the two are 0.04 and 0. For 0.2, 0 and -0.2 they are 0 and 0.027.

# %% [markdown] id="spearman-text" no_result="what ranks are"
# The error may grow with the detail, but not along a straight line. So we compare **ranks**: the smallest value
# has rank 1, the next one rank 2.
#
# > **rank correlation.** How well the ranks of two quantities agree (Spearman's): 1 if one always grows
# > with the other, -1 if it always falls, 0 if they are unrelated.

# %% [markdown] id="suspects-text"
# Among cats and dogs, which part of the error goes with the total variation, and which with the chroma?

# %% id="complexity"
from helpers.experiments.module_04 import chroma, error_parts


def complexity(images):
    return apply(total_variation, images).clamp(min=1e-3).numpy()  # above 0 for a blank image


def both(measure):
    return [measure(part.images) for part in (parts.test, parts.others)]


variation, colourful = both(complexity), both(chroma)
halves = both(lambda images: error_parts(ae, images))

# %% id="parts-of-error"
from helpers.metrics import rank_correlation

lightness, colour = halves[0]  # of cats and dogs
measures = {"total variation": variation[0], "chroma": colourful[0]}
rows = {
    name: {"lightness": rank_correlation(m, lightness), "colour": rank_correlation(m, colour)}
    for name, m in measures.items()
}
correlations = pd.DataFrame(rows).T
correlations.round(2)

# %% id="seen-parts" tags=["seen"]
_r = correlations
seen(
    f"The total variation has a rank correlation of {_r.lightness['total variation']:.2f} with the error in "
    f"lightness and {_r.colour['total variation']:.2f} with that in colour. For the chroma it is the other way "
    f"round: {_r.lightness.chroma:.2f} and {_r.colour.chroma:.2f}. Each suspect explains one part of the error."
)

# %% id="claim-parts" tags=["claim"]
for name, part in {"total variation": "lightness", "chroma": "colour"}.items():
    rest = {"lightness": "colour", "colour": "lightness"}[part]
    claim(f"the {name} goes with the error in {part}", correlations[part][name] > 0.5)
    claim(f"and little with that in {rest}", abs(correlations[rest][name]) < 0.4)

# %% [markdown] id="plain-text"
# ### Patterns that nobody photographed
#
# A correlation is no proof of a cause, but here one can try it out. Show the CAE five plain colours, which have no
# detail, a gradient, a chessboard and noise. Which will be refused?

# %% id="plain"
from helpers.experiments.module_04 import simple_patterns

made = simple_patterns()
images = np.stack(list(made.values()))
traits = {"total variation": complexity(images), "chroma": chroma(images)}
traits["error"] = cae_error(ae, images)
patterns = pd.DataFrame(traits, index=list(made))
patterns["refused"] = screen.predict(patterns.error)
patterns.round(4)

# %% id="plain-figure"
titles = [f"{name}\n{'refused' if no else 'passes'}" for name, no in patterns.refused.items()]
rebuilt = (255 * apply(ae, images).clamp(0, 1).numpy()).round().astype(np.uint8)
plotting.show(
    plotting.labelled_pictures(np.concatenate([images, rebuilt]), titles + ["rebuilt"] * len(made)),
    "Eight patterns and their reconstructions, and what the CAE's screen says of them.",
    alt="Two rows of eight images: plain grey, fur, sky, green and red, a gradient, a chessboard and noise; below, their reconstructions, all blurred and dull.",
)

# %% id="seen-plain" tags=["seen"]
_tv, _e = patterns["total variation"], patterns.error
seen(
    f"The screen refuses: {', '.join(patterns.index[patterns.refused])}. Plain red is as simple as an image can "
    f"be, and its error is larger than that of {(errors < _e['red']).mean():.0%} of the cats and dogs; for plain "
    f"grey it is {(errors < _e['grey']).mean():.0%}. So colour counts. The gradient and the noise have grey values "
    f"of the same spread, but a total variation of {_tv.gradient:.3f} and {_tv.noise:.3f}: their errors are "
    f"{_e.gradient:.4f} and {_e.noise:.4f}. So detail counts. The chessboard has less total variation than the "
    f"noise ({_tv.chessboard:.3f}) and a {'larger' if _e.chessboard > _e.noise else 'smaller'} error "
    f"({_e.chessboard:.4f}): "
    + (
        "contrast counts as well."
        if _e.chessboard > _e.noise
        else "here, too, the error follows the detail."
    )
)

# %% id="claim-colour" tags=["claim"]
claim(
    "a plain red image is refused, a plain grey one is not",
    patterns.refused["red"] and not patterns.refused["grey"],
)
claim("detail alone makes a larger error", patterns.error["noise"] > patterns.error["gradient"])

# %% [markdown] id="colour-lesson" held_by="claim-colour"
# So a simple image can be refused, and nothing here asks whether a cat is in the image.

# %% [markdown] id="extremes-text" tags=["optional"]
# ### The best and the worst
#
# The next figure shows the eight images of the other classes that the CAE rebuilds best, and the eight
# that it rebuilds worst. What do the best ones have in common, and the worst?

# %% id="extremes"
by_error = other_errors.argsort()
best, worst = parts.others.images[by_error[:8]], parts.others.images[by_error[-8:]]
rows = {"smallest": best, "rebuilt": apply(ae, best)}
rows |= {"largest": worst, "rebuilt ": apply(ae, worst)}
plotting.show(
    plotting.image_rows(rows),
    "Of the others, the eight with the smallest error and the eight with the largest, each with its "
    f"reconstruction. Smallest: {', '.join(names[by_error[:8]])}; largest: {', '.join(names[by_error[-8:]])}.",
    alt="Four rows of eight images: those with the smallest errors, dull and smooth; their reconstructions; those with the largest errors, in strong colours; their reconstructions, much duller.",
)

# %% id="seen-extremes" tags=["seen"]
_chroma = chroma(parts.others.images[by_error])
_share = halves[1][1] / other_errors  # of colour, in the others' error
seen(
    "The best ones are even and dull. One might expect the worst ones to be full of detail. What they have in "
    "common is strong colour, which the network rebuilds much duller. The mean chroma is "
    f"{_chroma[:8].mean():.2f} for the best eight and {_chroma[-8:].mean():.2f} for the worst eight. Over all "
    f"images of the other classes {np.median(_share):.0%} of the error is colour (median); in the worst eight it is "
    f"{np.median(_share[by_error[-8:]]):.0%}."
)

# %% id="claim-extremes" tags=["claim"]
_share = halves[1][1] / other_errors  # of colour, in the others' error
claim("most of the largest errors is colour", np.median(_share[by_error[-8:]]) > 0.5)
claim(
    "it has a much smaller share in a usual error",
    np.median(_share) < np.median(_share[by_error[-8:]]) - 0.2,
)

# %% [markdown] id="extremes-lesson" held_by="claim-extremes"
# Where the errors are largest, most of the error is colour. In a usual image the share of colour is much smaller.

# %% id="quiz-deer" tags=["nbval-ignore-output"]
quiz("04", "dull-deer")

# %% [markdown] id="png-text" tags=["optional"] no_result="what the figure shows"
# ### The two clouds, and a second measure of complexity
#
# At each pixel the three channels have one difference each, and
#
# $$\text{mean of their squares} = (\text{their mean})^2 + \text{their variance}.$$
#
# The first term is the error in lightness, the second the error in colour. The figure draws both for cats and dogs
# and for the others, one dot for each image.

# %% id="complexity-figure"
groups = ("cats and dogs", "others")
targets = {name: [half[i] for half in halves] for i, name in enumerate(("lightness", "colour"))}
panels = {
    ("total variation", "error in lightness"): (variation, targets["lightness"]),
    ("chroma", "error in colour"): (colourful, targets["colour"]),
}
r_of = [[rank_correlation(x[i], y[i]) for i in range(2)] for x, y in panels.values()]
plotting.show(
    plotting.mixed_scatter(
        {
            labels: {name: (x[i], y[i]) for i, name in enumerate(groups)}
            for labels, (x, y) in panels.items()
        }
    ),
    "The two parts of each image's error. Lightness and total variation: rank correlation "
    f"{r_of[0][0]:.2f} among cats and dogs, {r_of[0][1]:.2f} among the others. Colour and chroma: "
    f"{r_of[1][0]:.2f} and {r_of[1][1]:.2f}.",
    alt="Two clouds of points on logarithmic axes. Left, the error in lightness rises with the total variation; right, the error in colour rises with the chroma. Cats and dogs and the others lie in the same clouds.",
)

# %% id="claim-others" tags=["claim"]
claim("among the others the parts go with the same suspects", min(r_of[0][1], r_of[1][1]) > 0.5)

# %% [markdown] id="png-question" no_result="what PNG does"
# **PNG** predicts each byte of an image from its neighbours to the left and above, and packs what is left
# over. So smooth images make small files. What will shuffling the pixels do to the size of the files?

# %% id="png"
from helpers.scores import compressed_bits


def png_bytes(images):
    return np.array(compressed_bits(images)) / 8


some, rng = parts.test.images[:100].reshape(100, 3, -1), np.random.default_rng(0)
shuffled = rng.permuted(np.tile(np.arange(32 * 32), (100, 1)), axis=1)[:, None]
shuffled = np.take_along_axis(some, shuffled, axis=2).reshape(100, 3, 32, 32)
sizes = png_bytes(parts.test.images)
grows = png_bytes(shuffled).mean() / sizes[:100].mean()
print(f"PNG files of images whose pixels are shuffled are {grows:.2f} times as long")
png_r = {part: rank_correlation(sizes, target[0]) for part, target in targets.items()}
print(
    "rank correlation of the size with the error in", *(f"{p}: {r:.2f}" for p, r in png_r.items())
)

# %% id="seen-png" tags=["seen"]
seen(
    f"The files become {grows:.2f} times as long: shuffling leaves all pixel values as they are and destroys "
    f"the neighbourhoods. Among cats and dogs the size goes with the error in lightness ({png_r['lightness']:.2f}) "
    f"and hardly with that in colour ({png_r['colour']:.2f})."
)

# %% id="claim-png" tags=["claim"]
claim("PNG knows neighbours: shuffled pixels make longer files", grows > 1.05)
claim("the size goes with lightness more than with colour", png_r["lightness"] > png_r["colour"])

# %% [markdown] id="parts-auroc-text"
# How well does each part of the error tell the others from cats and dogs?

# %% id="parts-auroc"
from helpers.metrics import bootstrap_interval

areas_of = {part: auroc(*targets[part]) for part in ("lightness", "colour")}
for part in areas_of:
    low, high = bootstrap_interval(*targets[part], resamples=200)
    print(f"AUROC of the error in {part:10} {areas_of[part]:.3f} ({low:.3f} to {high:.3f})")

# %% id="seen-parts-auroc" tags=["seen"]
seen(
    f"Lightness alone reaches an AUROC of {areas_of['lightness']:.2f}, colour alone "
    f"{areas_of['colour']:.2f}. Nobody asked the autoencoder to know what a cat is, and it does not."
)

# %% [markdown] id="ex-4-7-text" tags=["optional"] no_result="a task"
# ### Exercise 4.7
#
# Write `rank_correlation`: two arrays (n,) in, a `float` out. It is the usual correlation (Pearson's), taken of
# the ranks. **Done** when equal values share their mean
# rank, and taking logarithms changes nothing.

# %% id="ex-4-7" tags=["exercise"] reference="helpers.metrics.rank_correlation"
from scipy.stats import rankdata


def rank_correlation(a, b):
    """Spearman's rank correlation of two arrays. (n,), (n,) -> float"""
    ...


# %% id="check-4-7" tags=["check", "nbval-check-output"]
rank_correlation = check("4.7", rank_correlation)

# %% [markdown] id="colour-away-text" tags=["optional"]
# ### Take the colour away
#
# Replace each image by its grey version (the mean of the channels), and see how much of its error is left.
# Will the largest errors keep most of their size?

# %% id="colour-away"
from scipy.stats import rankdata

by_error = other_errors.argsort()
share = halves[1][1] / other_errors  # of colour, in the others' error
grey = np.repeat(parts.others.images.mean(axis=1, keepdims=True), 3, axis=1).astype(np.uint8)
left = cae_error(ae, grey) / other_errors
frame = {
    "largest eight": by_error[-8:],
    "largest 5 %": by_error[-len(by_error) // 20 :],
    "all": by_error,
}
away = {
    name: {
        "share of colour in the error": np.median(share[which]),
        "error left without colour": np.median(left[which]),
        "total variation, rank": np.median(rankdata(variation[1])[which]) / len(by_error),
        "chroma, rank": np.median(rankdata(colourful[1])[which]) / len(by_error),
    }
    for name, which in frame.items()
}
pd.DataFrame(away).round(2)

# %% id="seen-colour-away" tags=["seen"]
_grey_parts = error_parts(ae, grey)
_grey_share = np.median(_grey_parts[1] / _grey_parts.sum(axis=0))
seen(
    f"No. In the eight images with the largest error {np.median(left[by_error[-8:]]):.0%} of it is left "
    f"(median); over all images of the other classes it is {np.median(left):.0%}. Colour is "
    f"{np.median(share):.0%} of a usual error, and {np.median(share[by_error[-8:]]):.0%} of the largest ones."
    + (
        f" (More than {1 - np.median(share):.0%} can be left: grey images do not come back quite grey. Colour is "
        f"{_grey_share:.0%} of their error, too.)"
        if np.median(left) > 1 - np.median(share)
        else ""
    )
)

# %% id="claim-away" tags=["claim"]
largest = by_error[-8:]
claim("without colour less than half of the largest errors is left", np.median(left[largest]) < 0.5)
claim("most of the largest errors is colour", np.median(share[largest]) > 0.5)
claim(
    "its share is much smaller in a usual error", np.median(share) < np.median(share[largest]) - 0.2
)
claim("most of a usual error is left", np.median(left) > 0.6)
claim(
    "the largest errors belong to the most colourful images",
    np.median(rankdata(colourful[1])[largest]) > 0.9 * len(by_error),
)

# %% [markdown] id="correct-text" tags=["optional"] no_result="the method"
# ### Take the complexity away
#
# Serrà et al. (arXiv 1909.11480) subtract the complexity from likelihoods, which follow it, too. For
# our error: count only what lies above the error that one expects of an image as complex as this one. It comes from a straight line through the logarithms,
#
# $$\log \text{error} \approx a + b \,\log \text{complexity},$$
#
# fitted to normal images. The corrected score is the height above the line.

# %% [markdown] id="ex-4-8-text" tags=["optional"] no_result="a task"
# ### Exercise 4.8
#
# `beyond_complexity` gets errors and complexities of M images for the line, then those of the N images to
# be scored, and gives (N,). On a batch of 500 images the scores
# look sensible, but **there is a bug in it.** Find it and mend it. Logarithms are natural, and the line is the
# one of least squares. **Done** when a single image gets the same score as in a batch.


# %% id="ex-4-8" tags=["exercise"] reference="helpers.scores.beyond_complexity"
def beyond_complexity(errors_fit, complexity_fit, errors, complexity):
    """How far log(error) lies above what an image's complexity leads one to expect. -> (N,)"""
    ...


# %% id="check-4-8" tags=["check", "nbval-check-output"]
beyond_complexity = check("4.8", beyond_complexity)

# %% [markdown] id="corrected-text"
# Which classes gain from the correction, and which lose?

# %% id="corrected"
from helpers.metrics import paired_difference, per_class_auroc

tuned = cae_error(ae, parts.tuning.images), complexity(parts.tuning.images)
corrected = [
    beyond_complexity(*tuned, *pair) for pair in zip((errors, other_errors), variation, strict=True)
]
remaining = rank_correlation(corrected[0], variation[0])
low, high = paired_difference(*corrected, errors, other_errors, resamples=200)
for name, measure in (("total variation", variation), ("chroma", colourful)):
    r = [rank_correlation(s, measure[0]) for s in (errors, corrected[0])]
    print(f"rank correlation with {name}: {r[0]:.2f} before, {r[1]:.2f} after")
print(f"AUROC {area:.3f} before, {auroc(*corrected):.3f} after; gain {low:+.3f} to {high:+.3f}")
by_class = {
    "error": per_class_auroc(errors, other_errors, names),
    "corrected": per_class_auroc(*corrected, names),
}
pd.DataFrame(by_class).T.round(2)

# %% id="claim-corrected" tags=["claim"]
change = by_class["corrected"] - by_class["error"]
claim("the correction takes the complexity out", abs(remaining) < 0.2)
claim("some classes gain and some lose", change.min() < -0.02 and change.max() > 0.02)
claim("by more than the gain over all", change.abs().max() > max(abs(low), abs(high)))
goes = [rank_correlation(s, colourful[0]) for s in (errors, corrected[0])]
claim("the corrected score goes with the chroma more than before", goes[1] > goes[0])

# %% id="seen-corrected" tags=["seen"]
_detail = pd.Series(variation[1]).groupby(names).median()
_r = rank_correlation(_detail[change.index], change)
seen(
    f"Gaining most: {change.idxmax()} ({change.max():+.2f}); losing most: {change.idxmin()} "
    f"({change.min():+.2f}). The rank correlation of the change with the median total variation of the class "
    f"is {_r:.2f}: "
    + (
        "smooth classes gain, and detailed ones lose."
        if _r < -0.5
        else "detail is not all that counts."
    )
)

# %% [markdown] id="corrected-lesson" held_by="claim-corrected"
# The correction takes the complexity out of the score. Some classes gain and some lose, and the gain over
# all classes is small beside these changes. What is left goes with the chroma more than before.

# %% [markdown] id="scores-text"
# ## 6 · Scores that come with the classifier
#
# The classifier's logits and features are there already, and cost nothing more.

# %% [markdown] id="energy-text" no_result="definitions, with their sources, and arithmetic"
# ### The height of the logits
#
# The usual baseline is one minus the largest probability, `max_softmax` (Hendrycks and Gimpel, arXiv
# 1610.02136). But the softmax sees only the *difference* of logits: (9, 1) and (1, -7) give the same
# probabilities. In the first case one logit is large. In the second both are small: nothing speaks strongly for cat
# or for dog. The **energy** keeps this height of the logits (Liu et al., arXiv 2010.03759).
#
# > **energy score.** Minus the logarithm of the sum of the exponentials of the logits: high where all
# > logits are low.
#
# For the logits 2 and 0 it is -2.13.

# %% [markdown] id="ex-4-9-text" no_result="a task"
# ### Exercise 4.9
#
# Write `energy`: logits (N, K) in; (N,) out, in torch, so that a gradient can flow. A number $T > 0$, the
# *temperature*, divides the logits first (1 changes nothing):
#
# $$E(x) = -T \log \sum_{k} e^{\,l_k(x) / T}$$
#
# `torch.logsumexp` is the logarithm of a sum of exponentials. **Done** when logits of 1000 give no infinity.


# %% id="ex-4-9" tags=["exercise"] reference="helpers.scores.energy"
def energy(logits, temperature=1.0):
    """Energy of each image. (N, K) -> (N,)"""
    ...  # exp(1000) is too large for any float


# %% id="check-4-9" tags=["check", "nbval-check-output"]
energy = check("4.9", energy)

# %% [markdown] id="table-text" no_result="how the scores are taken"
# ### The scores in one table
#
# The table also holds:
#
# - **Mahalanobis**: the distance of the features after one of the three stages to the mean of cats or of dogs,
#   whichever is nearer. Early stages hold colours and textures, the last one what tells cats from dogs.
# - **PCA, 200**: the error of a PCA with 200 components.
# - **CAE error, corrected**: the CAE's error minus the error that is usual for an image with as much detail (an
#   optional part of section 5 builds it).
# - **energy and all stages**: the mean of four numbers, the energy and the three Mahalanobis distances. Each has its
#   mean on the tuning images subtracted, and is divided by its standard deviation there. We chose this score **before** we looked at any test image.
#   (The classifier's training was shortened later, by its time and its accuracy alone.)
#
# The last two columns show how many pets and others a screen at 5 % refuses. Where does the CAE's error stand? Does
# the score with the highest AUROC also refuse the largest share of the others? Is it more than half?

# %% id="score-all"
from helpers.experiments.module_04 import scorer, scores_by_role

score_all = scorer(model, ae, parts, energy)  # images -> {name: scores}, with your energy
scores, trivial = scores_by_role(score_all, parts)  # {role: {name: scores}}; names, for later

# %% id="judge"
from helpers.metrics import paired_difference


def judge(name):
    """What a score reaches, and what its screen at 5 % refuses."""
    inside, outside = scores["test"][name], scores["others"][name]
    screen = Screen(0.05).fit(scores["calibration"][name])
    row = {"AUROC": auroc(inside, outside), "pets refused": screen.predict(inside).mean()}
    return row | {"others refused": screen.predict(outside).mean()}


judged = pd.DataFrame({name: judge(name) for name in scores["test"]}).T
judged = judged.sort_values("AUROC", ascending=False)
system_score = "energy and all stages"
ours = [scores[role][system_score] for role in ("test", "others")]
lead = paired_difference(*ours, errors, other_errors, resamples=200)
print(f"AUROC of {system_score} minus that of the CAE's error: {lead[0]:+.3f} to {lead[1]:+.3f}")
shown = [system_score, "energy", "max softmax", "CAE error", "PCA, 200"]
shown += ["Mahalanobis, stage 1", "Mahalanobis, stage 3", "CAE error, corrected"]
judged[judged.index.isin(shown)].round(3)

# %% id="seen-judge" tags=["seen"]
_table = judged.loc[shown].sort_values("AUROC", ascending=False)
_first, _most = _table.index[0], _table["others refused"].idxmax()
_stage = [_table.AUROC[f"Mahalanobis, stage {i}"] for i in (1, 3)]
seen(
    f"The CAE's error is number {_table.index.get_loc('CAE error') + 1} of {len(_table)}, with an AUROC of "
    f"{_table.AUROC['CAE error']:.2f}. PCA, which is no neural network, has {_table.AUROC['PCA, 200']:.2f}. The "
    f"highest AUROC is that of {_first}, {_table.AUROC[_first]:.2f}; its screen refuses "
    f"{_table['others refused'][_first]:.1%} of the others. The largest share of them is refused by {_most}, "
    f"{_table['others refused'][_most]:.1%}, which is "
    f"{'more' if _table['others refused'][_most] > 0.5 else 'less'} than half. The Mahalanobis distance has {_stage[0]:.2f} after stage 1 and {_stage[1]:.2f} after stage 3."
    + (
        " By this distance, the features that tell cats from dogs say less of whether an image shows either."
        if _stage[0] > _stage[1] + 0.03
        else ""
    )
)

# %% id="claim-judged" tags=["claim"]
claim("the score fixed beforehand beats the CAE's error", lead[0] > 0)
claim("a screen at 5 % refuses few of the others", judged["others refused"].max() < 0.3)

# %% [markdown] id="table-lesson" held_by="claim-judged"
# "Energy and all stages" was chosen beforehand, so the printed interval of its lead over the CAE's error counts. Had
# we picked the top row afterwards, part of its lead would be luck. And none of our scores refuses many of the others
# when it may refuse 5 % of the pets.

# %% [markdown] id="choose-text" tags=["optional"] no_result="a task, and its arithmetic"
# ### Which number should decide?
#
# "FPR at 95 %" is one more number for a score: the share of pets refused where 95 % of the others are.
#
# A shelter photographs 1,000 animals a day, and one image in fifty shows neither a cat nor a dog. Its staff
# can look at about 60 refused images a day. 5 % of the 980 pets are 49 refusals, which leaves room for the
# foreign images. Two screens are on offer, A and B. The cell shows what each reached on images of last month.

# %% id="choose"
from helpers.experiments.module_04 import two_screens
from helpers.metrics import fpr_at_tpr

offers = {
    name: {
        "AUROC": auroc(inside, outside),
        "FPR at 95 %": fpr_at_tpr(inside, outside),
        "refused at 5 %": Screen(0.05).fit(inside).predict(outside).mean(),
    }
    for name, (inside, outside) in two_screens(seed=0).items()
}
pd.DataFrame(offers).round(3)

# %% [markdown] id="ex-4-14-text" tags=["optional"] no_result="a task"
# ### Exercise 4.14
#
# Choose the number by which the shelter should decide: `"AUROC"`, `"FPR at 95 %"` (the share of pets refused
# where 95 % of the foreign images are), or `"refused at 5 %"` (the share of foreign images refused where 5 %
# of the pets are). Give the reason as well:
#
# - `"1"`: a fair number looks at all thresholds, not at one;
# - `"2"`: nearly all foreign images have to be found, so look where 95 % of them are;
# - `"3"`: the screen works at one threshold, so look at what it does there;
# - `"4"`: the number with the largest difference between the screens decides best.
#
# The check tries the screen that your number chooses on images held back. **Done** when it finds the most
# foreign images at the refusals that the staff can bear, and the reason is right.

# %% id="ex-4-14" tags=["exercise"] reference="decision"
decision = {"choice": ..., "because": ...}

# %% id="check-4-14" tags=["check", "nbval-check-output"]
decision = check("4.14", decision)

# %% id="quiz-refused" tags=["nbval-ignore-output"]
from helpers.experiments.module_04 import foreign_share

quiz("04", "refused", value=foreign_share(refused, refused_others, rate=0.01))

# %% [markdown] id="plane-text" tags=["optional"]
# ### How much height is there?
#
# The lines of the next figure join points with the same largest probability and points with the same energy. Move
# the point along the diagonal: which of the two numbers changes?

# %% id="logit-explorable" tags=["nbval-ignore-output"]
from helpers import explorables

explorables.logits(a=4, b=1)

# %% id="seen-diagonal" tags=["seen"]
seen(
    "Only the energy. Along the diagonal the difference of the logits stays the same, and so does the largest "
    "probability; the energy falls as both logits grow. Across the diagonal both change."
)

# %% [markdown] id="plane-question"
# The next figure shows the two logits of 300 cats and dogs and of 300 others. How much can the energy know
# here, from how far up the diagonal a point lies, that the softmax does not?

# %% id="logit-plane"
both_groups = {"cats and dogs": logits[:300].T, "others": outside_logits[:300].T}
plotting.show(
    plotting.scatter(both_groups, "logit of cat", "logit of dog"),
    "The two logits of 300 cats and dogs and of 300 images of the other classes.",
    alt="A cloud of points with the logit of cat and the logit of dog as axes. It is long and narrow, and runs "
    "from the upper left to the lower right.",
)

# %% id="seen-plane" tags=["seen"]
_all = torch.cat([logits, outside_logits])
_height, _difference = _all.sum(dim=1).std(), (_all[:, 0] - _all[:, 1]).std()
seen(
    "There is little height: all images lie close to one line, since the training moves the two logits in opposite "
    f"directions. Their sum has a standard deviation of {_height:.2f}, their difference one of {_difference:.2f}. "
    "So the energy depends on nearly the same difference as the softmax. With ten classes there are nine differences, "
    "and the largest probability alone does not fix the energy."
)

# %% id="quiz-logits" tags=["nbval-ignore-output"]
quiz("04", "logits")

# %% [markdown] id="mahalanobis-text" tags=["optional"] no_result="a definition, with its source"
# ### Distance to the nearest class
#
# In module 3 the Mahalanobis distance had one mean, since there was one class. Cats and dogs form two
# clouds of features, so each has its own mean $m_c$. One covariance $\Sigma$ serves both: that of the
# features *around the mean of their own class* (Lee et al., arXiv 1807.03888):
#
# $$d(z) = \min_c \sqrt{(z - m_c)^\top\, \Sigma^{-1} (z - m_c)}$$

# %% [markdown] id="ex-4-10-text" tags=["optional"] no_result="a task"
# ### Exercise 4.10
#
# Write `class_mahalanobis`: training features (M, d), their labels (M,), which need not be 0 and 1, and
# features (N, d) in; (N,) out, a tensor of the type of `z`. `LedoitWolf(assume_centered=True)` shrinks
# the covariance of features whose mean is already 0. **Done** when two classes that lie far apart do not
# stretch $\Sigma$.

# %% id="ex-4-10" tags=["exercise"] reference="helpers.scores.class_mahalanobis"
from sklearn.covariance import LedoitWolf


def class_mahalanobis(z_train, labels, z):
    """Mahalanobis distance to the nearest class mean. (M, d), (M,), (N, d) -> (N,)"""
    ...  # labels.unique(return_inverse=True) gives the classes, and the place of each label


# %% id="check-4-10" tags=["check", "nbval-check-output"]
class_mahalanobis = check("4.10", class_mahalanobis)

# %% [markdown] id="knn-text" tags=["optional"] no_result="a definition, with its source"
# ### Distance to the neighbours
#
# Before the distance to the $k$-th nearest training image is taken, Sun et al. (arXiv 2204.06507) scale all
# features to length 1. Then their direction counts, which says *what* was found, and not their length, which
# says *how much*.

# %% [markdown] id="ex-4-11-text" tags=["optional"] no_result="a task"
# ### Exercise 4.11
#
# `normalised_knn` gets training features (M, d), new features (N, d) and k, and gives a tensor (N,). It
# runs, and it gives one number for each image. **But there is a bug in it.** Find it and mend it. **Done**
# when a feature that is ten times as long has the same score, whichever other images are in the batch.


# %% id="ex-4-11" tags=["exercise"] reference="helpers.scores.normalised_knn"
def normalised_knn(z_train, z, k=50):
    """Distance to the k-th nearest training features, all of length 1. (M, d), (N, d) -> (N,)"""
    ...


# %% id="check-4-11" tags=["check", "nbval-check-output"]
normalised_knn = check("4.11", normalised_knn)

# %% [markdown] id="judged-question" tags=["optional"]
# ### Class by class
#
# First the whole table. Beside the scores above it holds **kNN**, the distance of the features to the 50th nearest
# training image, all scaled to length 1; **CAE error, corrected**, the error minus the error that is usual for
# images with as much detail (both as logarithms); and trivial scores, which need no network: the squared
# distance to the **mean image**, the error of PCA, and the distance of an image's brightness, PNG bytes, total
# variation or chroma from the median of the training images. "FPR at 95 %" is the
# share of pets refused where 95 % of the others are. Is one trivial property enough, such as brightness or chroma?

# %% id="judged-all"
from helpers.metrics import bootstrap_interval, fpr_at_tpr

more = {}
for name in judged.index:
    pair = scores["test"][name], scores["others"][name]
    more[name] = *bootstrap_interval(*pair, resamples=200), fpr_at_tpr(*pair)
more = pd.DataFrame(more, index=["low", "high", "FPR at 95 %"]).T
judged = judged[["AUROC", "pets refused", "others refused"]].join(more)
judged.round(3)

# %% id="seen-trivial" tags=["seen"]
_best = judged.AUROC[trivial].idxmax()
seen(
    f"No: brightness reaches an AUROC of {judged.AUROC['brightness']:.2f} and chroma {judged.AUROC['chroma']:.2f}. The "
    f"best of the trivial scores is {_best}, with {judged.AUROC[_best]:.2f}. The CAE's error is number "
    f"{judged.index.get_loc('CAE error') + 1} of {len(judged)}."
)

# %% id="claim-trivial" tags=["claim"]
claim(
    "neither brightness nor chroma tells much", judged.AUROC[["brightness", "chroma"]].max() < 0.6
)

# %% [markdown] id="judged-classes"
# The first figure shows the AUROCs of the table with their intervals, the second those of single classes. Is
# one score the best on all classes?

# %% id="judge-figure"
learned = [name for name in judged.index if name not in trivial]
leader, best_trivial = (judged.AUROC[list(part)].idxmax() for part in (learned, trivial))
above = [name for name in learned if judged.low[name] > judged.high[best_trivial]]
below = [name for name in learned if judged.high[name] < judged.low[best_trivial]]
unclear = [name for name in learned if name not in above + below]
rows = judged.rename(columns={"AUROC": "auroc"}).assign(score=judged.index, group="eight classes")
figure = plotting.seed_intervals(rows.sort_values("auroc", ascending=False), "score", "group")
figure.axes[0].set_xlim(judged.low.min() - 0.02, judged.high.max() + 0.02)
plotting.show(
    figure,
    f"AUROC over the eight classes with 95 % interval. Of the learned scores {leader} has the highest, "
    f"{judged.AUROC[leader]:.3f}; of the {len(trivial)} trivial ones {best_trivial}, "
    f"{judged.AUROC[best_trivial]:.3f}. Learned scores whose interval overlaps with that of {best_trivial}: "
    f"{'; '.join(unclear) or 'none'}. Wholly below it: {'; '.join(below) or 'none'}. On the same images energy "
    f"and all stages is above the CAE's error by {lead[0]:.3f} to {lead[1]:.3f}.",
    alt="One row a score, sorted by AUROC from the highest to the lowest: a dot with an interval bar. A dotted line marks 0.5.",
)

# %% id="judged-figure"
from helpers.metrics import per_class_auroc

values = pd.DataFrame(
    {
        name: per_class_auroc(scores["test"][name], scores["others"][name], names)
        for name in judged.index
    }
).T
ranked = judged.AUROC.sort_values(ascending=False).index
widest = max(
    np.ptp(
        bootstrap_interval(
            scores["test"][leader], scores["others"][leader][names == kind], resamples=200
        )
    )
    for kind in values
)
highest = [f"{kind}: {values[kind].idxmax()}" for kind in values]
plotting.show(
    plotting.auroc_table(values.loc[ranked]),
    f"AUROC by class, best score over all classes first. The intervals of {leader} are up to "
    f"{widest:.2f} wide, so look at differences beyond that. Highest for {'; '.join(highest)}.",
    alt="A table of AUROCs, coloured from pink below 0.5 to blue above: one row a score, the best over all classes first; one column a class.",
)

# %% id="seen-judged" tags=["seen"]
_low = values.loc["CAE error"]
seen(
    f"No: {values.idxmax().nunique()} different scores lead on the eight classes. The CAE's error goes from "
    f"{_low.min():.2f} ({_low.idxmin()}) to {_low.max():.2f} ({_low.idxmax()})."
)

# %% id="claim-classes" tags=["claim"]
claim("no score leads on all classes", values.idxmax().nunique() > 1)

# %% [markdown] id="literature" tags=["optional"] no_result="the literature, with its sources"
# ### What the literature reaches
#
# The same scores reach much more there, in AUROC (OpenOOD v1.5, CIFAR-10, a ResNet-18 of 95 % accuracy on
# ten classes, trained on all 50,000 images for 100 epochs; mean over trainings):
#
# | score | near (CIFAR-100, TinyImageNet) | far (MNIST, SVHN, textures, places) |
# |---|---|---|
# | max softmax | .880 | .907 |
# | energy | .876 | .912 |
# | Mahalanobis | .842 | .897 |
# | kNN | .906 | .930 |
#
# Over trainings their standard deviation is below .01; that of the Mahalanobis distance is .024 (near) and .014
# (far). Newer methods stand above the four. Training data, accuracy and foreign images differ from ours, and a
# network that tells ten classes apart may know more about images than one that tells two.

# %% [markdown] id="one-class" no_result="the literature, with its source"
# **One-class CIFAR-10** is another task: one class is normal, the nine others are not. Features learned on
# ImageNet reach an AUROC of .962 there. With **outlier exposure**, which shows foreign images of another kind in
# training, they reach .989 (Reiss et al., PANDA, arXiv 2010.05903). Without pretrained features CSI reached .943
# (Tack et al., arXiv 2007.08176). This notebook runs no such network.

# %% [markdown] id="ten-text" tags=["optional"]
# ### Ten calibrations for each screen
#
# Each score is calibrated ten times on other images. The two bands are the interval for a known threshold
# and that of the beta-binomial distribution. Which one holds the rates?

# %% id="all-draws"
from scipy.stats import binom
from helpers.experiments.module_04 import recalibrated
from helpers.thresholds import false_alarm_interval

wide = false_alarm_interval(n_calibration, n_test, 0.05)
narrow = binom(n_test, 0.05).ppf([0.025, 0.975]) / n_test
draws = {
    name: recalibrated(
        np.concatenate([scores["calibration"][name], scores["test"][name]]), n_calibration
    )
    for name in learned
}
share = [
    np.mean([low <= r <= high for d in draws.values() for r in d]) for low, high in (narrow, wide)
]
plotting.show(
    plotting.rate_strip(draws, 0.05, {"calibrated": wide, "threshold known": narrow}),
    f"False-positive rates on cats and dogs. {share[0]:.0%} lie in the binomial interval "
    f"({narrow[0]:.1%} to {narrow[1]:.1%}), {share[1]:.0%} in the beta-binomial one ({wide[0]:.1%} to "
    f"{wide[1]:.1%}), which is the right one; the mean is {np.mean(list(draws.values())):.2%}.",
    alt="One row of ten dots for each score, the false-positive rates of ten calibrations, around a line at 5 %, over a narrow and a wide band.",
)

# %% id="seen-draws" tags=["seen"]
seen(
    f"The wide one: it holds {share[1]:.0%} of the rates, close to the 95 % that it promises. The narrow one "
    f"holds {share[0]:.0%}, since it forgets that the threshold is a draw as well."
)

# %% id="claim-all-draws" tags=["claim"]
claim("the binomial interval is too narrow", share[0] < share[1] and share[1] > 0.85)

# %% [markdown] id="seeds-text" tags=["optional"] no_result="how the table was computed, and a definition"
# ### Other trainings
#
# Which of these differences are luck of the training? The table holds the same scores after trainings from
# other seeds (`make results`). Its ranges hold the chance of the *training* only, since all seeds are judged on
# the same test images. The intervals in the table of all scores hold the chance of the *test images* only,
# for one training. Neither holds both.
#
# One score more takes too long here. An **ensemble** is several networks trained from different seeds, whose
# probabilities are averaged. Its score is one minus the largest mean probability (Lakshminarayanan et al.,
# arXiv 1612.01474). This *total* uncertainty is large where the networks hesitate, and where they contradict
# each other. Only the second is epistemic.

# %% [markdown] id="seeds-live-text" no_result="how the table is read"
# The column `live` is the training of this notebook. It has seed 0 as well, but another machine or another number of
# threads rounds differently in the last digit, and that can grow into a network that differs as much as one from
# another seed. (Without the real data it is about other images. Then do not compare it with the other columns.)

# %% id="seeds"
from helpers.results import read_table

profile = choose(quick="quick", full="full")
seeds = read_table("04_seeds", source=parts.test.source, profile=profile)
kept = [*learned, "ensemble"]
spread = seeds[kept].agg(["min", "max", "mean"]).T
row = seeds[seeds.seed == 0].iloc[0]
live = {name: judged.AUROC.get(name) for name in kept}
spread.assign(**{"seed 0": row[kept], "live": live}).astype(float).round(3)

# %% id="seeds-figure"
alike = row.source == parts.test.source
inside_range = spread["min"].le(pd.Series(live)) & spread["max"].ge(pd.Series(live))
strays = [name for name in learned if not inside_range[name]]
ensemble_gain = seeds["ensemble"] - seeds["max softmax"]
entries = [{"score": s, "AUROC": v} for s in kept for v in seeds[s]]
figure = plotting.score_strip(pd.DataFrame(entries), "score", "AUROC")
figure.axes[0].set_xlim(0.48, spread["max"].max() + 0.02)
plotting.show(
    figure,
    f"{len(seeds)} trainings ({row.source} data, {row.profile} profile). Accuracy of the classifiers "
    f"{seeds.accuracy.min():.1%} to {seeds.accuracy.max():.1%}. The CAE's error runs from "
    f"{spread['min']['CAE error']:.3f} to {spread['max']['CAE error']:.3f}, energy and all stages from "
    f"{spread['min']['energy and all stages']:.3f} to {spread['max']['energy and all stages']:.3f}. The "
    f"ensemble changes max softmax by {ensemble_gain.min():+.3f} to {ensemble_gain.max():+.3f}. "
    + (
        f"Scores of this notebook's training outside the range of these: {'; '.join(strays) or 'none'}."
        if alike
        else "This notebook's own training is on other data, so do not compare it."
    ),
    alt="One row of dots for each score, one dot a training, with the AUROC on the horizontal axis. The rows of different scores lie at different heights of AUROC and partly overlap.",
)

# %% id="claim-seeds" tags=["claim"]
_lead = seeds["energy and all stages"] - seeds["CAE error"]
claim("energy and all stages beats the CAE's error with every seed", _lead.min() > 0)

# %% id="seeds-temperature"
raw, mended = (seeds[f"calibration error, {which}"] for which in ("raw", "mended"))
print(
    f"T from {seeds.temperature.min():.2f} to {seeds.temperature.max():.2f}; the calibration error"
)
print(f"falls with it in {(mended < raw).sum()} of {len(seeds)} trainings (section 2)")

# %% [markdown] id="seeds-lesson" held_by="claim-seeds"
# The lead of all stages together over the CAE's error holds with every seed of the table.

# %% [markdown] id="longer-text" tags=["optional"]
# ### Is the autoencoder only too small, or too briefly trained?
#
# Change one thing at a time. `make results` has trained the quick profile's network five times as long as
# above, and the article's network (twice the widths, a code of 1,000 numbers) just as long as above. Guess
# before you run the cell: what happens to the error on tuning images, to the share of colour explained, and
# to the AUROC?

# %% id="longer-runs"
from helpers.results import read_table

long = read_table("04_longer", source="real", profile="quick")
as_usual = read_table("04_seeds", source="real", profile="quick")["CAE error"]
measured = ["tuning error", "colour explained", "AUROC"]
runs = {"small": [], "large": []}
for _, row in long.iterrows():
    run = pd.DataFrame({what: row[what] for what in measured}, index=row["epochs"])
    runs[row["size"]].append(run)
average_run = {size: pd.concat(some).groupby(level=0).mean() for size, some in runs.items()}


# %% id="longer-cae"
def over(size, what, at=-1):
    """A measure at one place of the trainings of a size: its range, or the number if it is one."""
    values = sorted({f"{run[what].iloc[at]:.3f}" for run in runs[size]})
    return " to ".join(dict.fromkeys([values[0], values[-1]]))


curves = {what: {size: run[what] for size, run in average_run.items()} for what in measured}
plotting.show(
    plotting.training_curves(curves),
    "Trainings on real data, the mean for each size. At the end, over "
    + "; over ".join(
        f"{len(some)} {size}: " + ", ".join(f"{what} {over(size, what)}" for what in measured)
        for size, some in runs.items()
    )
    + f". The {len(as_usual)} small trainings of usual length: AUROC {as_usual.min():.3f} to "
    f"{as_usual.max():.3f}.",
    alt="Three panels over the epochs, one line for each size: the error on tuning images, the share of colour explained, and the AUROC. The line of the large network is a single point.",
)

# %% id="seen-longer" tags=["seen"]
_small, _mean = runs["small"], average_run["small"]
_below = sum(run.AUROC.iloc[-1] < as_usual.min() for run in _small)
_steps = [run.diff().iloc[1:] for run in _small]
_same = sum(step.AUROC.idxmin() == step["colour explained"].idxmax() for step in _steps)
seen(
    "The small network, trained longer: on average the error on tuning images goes from "
    f"{_mean['tuning error'].iloc[0]:.4f} to {_mean['tuning error'].iloc[-1]:.4f}, the share of colour explained "
    f"from {_mean['colour explained'].iloc[0]:.0%} to {_mean['colour explained'].iloc[-1]:.0%}, and the AUROC from "
    f"{_mean.AUROC.iloc[0]:.3f} to {_mean.AUROC.iloc[-1]:.3f}. In {_below} of {len(_small)} trainings the AUROC ends "
    f"below all of usual length, and in {_same}, each looked at by itself, it falls most in the same "
    f"{_small[0].index[1] - _small[0].index[0]:.0f} epochs in which most colour is learned. (These epochs differ from "
    "training to training, so the mean curves of the figure do not show it.) Better reconstructions, worse screen."
)

# %% id="claim-longer" tags=["claim"]
small, large = average_run["small"], average_run["large"]
claim(
    "longer training rebuilds better",
    small["tuning error"].iloc[-1] < small["tuning error"].iloc[0],
)
claim("the screen gets worse, below all of usual length", small.AUROC.iloc[-1] < as_usual.min())
steps = [run.diff().iloc[1:] for run in runs["small"]]
same = [step.AUROC.idxmin() == step["colour explained"].idxmax() for step in steps]
claim("in most trainings it falls most when colour is learned", np.mean(same) > 0.5)
claim(
    "size alone: no better reconstruction",
    large["tuning error"].iloc[0] > small["tuning error"].iloc[0],
)
claim("and no better screen", large.AUROC.iloc[0] < small.AUROC.iloc[0] + 0.01)

# %% [markdown] id="longer-cae-lesson" held_by="claim-longer"
# On average longer training makes the reconstructions better and the screen worse. In most trainings the AUROC falls
# most in the epochs in which the network learns most about colours. Size alone does not help. Nothing in either
# training tells the network to rebuild a frog badly.

# %% [markdown] id="longer-scores-text"
# **And the scores of the classifier?** The full profile has a classifier that looks at all pixels (no
# stride at first) and trains for 36 epochs, and the large autoencoder, trained for longer. Which scores leave
# the range of the quick trainings, and on which side?

# %% id="longer"
trained = {p: read_table("04_seeds", source="real", profile=p) for p in ("quick", "full")}
columns = ["accuracy", *learned, "ensemble"]
common = sorted(set(trained["quick"].seed) & set(trained["full"].seed))
tables = {p: t.set_index("seed").loc[common, columns] for p, t in trained.items()}
quick = trained["quick"].set_index("seed")
gain = (tables["full"] - tables["quick"]).mean()
gains = pd.DataFrame({p: t.mean() for p, t in tables.items()}).assign(gain=gain)
gains["above all quick seeds"] = gains.full > quick[gains.index].max()
gains["below all quick seeds"] = gains.full < quick[gains.index].min()
print(f"CIFAR-10, mean over seeds {common}; accuracy, then AUROCs")
gains.round(3)

# %% id="longer-words"
better, worse = (gains.index[gains[f"{side} all quick seeds"]] for side in ("above", "below"))
print(f"above the range of the {len(quick)} quick trainings: {'; '.join(better) or 'none'}")
print(f"below it: {'; '.join(worse) or 'none'}")

# %% id="seen-longer-scores" tags=["seen"]
_of_classifier = [name for name in learned if not name.startswith("CAE")]
_full, _quick = (trained[p].set_index("seed").loc[common] for p in ("full", "quick"))
_change = pd.Series(
    {
        kind: (_full[f"CAE error, {kind}"] - _quick[f"CAE error, {kind}"]).mean()
        for kind in np.unique(names)
    }
).sort_values()
_falls = [f"{kind} ({value:+.2f})" for kind, value in _change[_change < 0][:2].items()]
seen(
    f"Above the range: {'; '.join(better) or 'none'}. Below it: {'; '.join(worse) or 'none'}. The classifier's "
    f"accuracy goes from {gains.quick.accuracy:.1%} to {gains.full.accuracy:.1%}, and "
    f"{(gain[_of_classifier] > 0).sum()} of its {len(_of_classifier)} scores separate the eight other classes, "
    "taken together, better than in the quick profile. The AUROC of the CAE's error goes from "
    f"{gains.quick['CAE error']:.3f} to {gains.full['CAE error']:.3f}. By class it falls "
    + (f"most for {' and '.join(_falls)}." if _falls else "for none.")
)

# %% id="claim-longer-table" tags=["claim"]
claim(
    "most classifier scores lie above the range",
    len(better.difference(["accuracy"])) > len(columns) / 2,
)
claim("the autoencoder's error lies below it", "CAE error" in worse)

# %% [markdown] id="longer-lesson" held_by="claim-longer-table"
# Most of the classifier's scores lie above the range of the quick trainings, and the autoencoder's error lies
# below it. (So few full trainings say little about a small gain.)

# %% [markdown] id="system-text" no_result="definitions"
# ## 7 · What the screen buys
#
# The screen stands before the classifier. Together they answer an image with a class, or refuse it. A system that
# refuses everything is never wrong. So we need two numbers: how many images it answers, and how many answers are
# wrong. An answer on a frog counts as wrong.
#
# > **selective classification.** Classification by a system that may refuse to answer.
#
# > **coverage.** The share of images that a system answers.
#
# > **risk.** The share of the given answers that are wrong.

# %% [markdown] id="stream-text" no_result="how the stream is judged"
# ### A stream with one foreign image in five
#
# Of the stream's images one in five is foreign. The table compares four systems: the classifier alone; behind the
# screen of *energy and all stages*; and two that refuse exactly as many images as this screen, at random, or those on
# which the classifier is least sure. The last two columns say how much higher the risk of a system is than that behind
# the screen: a 95 % interval over the same resampled images. Does the screen help?

# %% id="stream"
from helpers.datasets.splits import stream

RATE = 0.2
i, j = stream(n_test, len(parts.others), RATE)


def mixed(inside, outside):
    """The numbers of the stream's images, cats and dogs first. (n,), (m,) -> (N,)"""
    return np.concatenate([inside[i], outside[j]])


confidence = mixed(confident, confident_outside)
correct = mixed(right, np.zeros(len(names), dtype=bool))
system_s = mixed(*ours)
system_screen = Screen(0.05).fit(scores["calibration"][system_score])
stopped = system_screen.predict(system_s)

# %% id="systems"
from helpers.experiments.module_04 import compared_systems

rank = confidence.argsort().argsort()  # of each image's confidence: 0 for the least sure
systems = {
    "classifier alone": np.zeros(len(correct), dtype=bool),
    "behind the screen": stopped,
    "refused at random": np.random.default_rng(0).permutation(stopped),
    "least sure refused": rank < stopped.sum(),
}
system_table = compared_systems(correct, systems, "behind the screen")
system_table.round(3)

# %% id="seen-systems" tags=["seen"]
_risk = system_table.risk


def _than(other):
    low, high = system_table.loc[other, ["more risk, low", "more risk, high"]]
    return "less often than" if low > 0 else "more often than" if high < 0 else "about as often as"


seen(
    f"Of the classifier's answers {_risk['classifier alone']:.1%} are wrong, and {_risk['behind the screen']:.1%} "
    f"behind the screen, which refuses {stopped.mean():.1%} of the images. By the intervals the system behind the "
    f"screen is wrong {_than('classifier alone')} the classifier alone, {_than('refused at random')} one that refuses "
    f"as many at random ({_risk['refused at random']:.1%}), and {_than('least sure refused')} the classifier that "
    f"refuses its least sure answers ({_risk['least sure refused']:.1%})."
)

# %% id="claim-systems" tags=["claim"]
claim("the screen lowers the risk", _risk["behind the screen"] < _risk["classifier alone"])
claim("and lowers it little", _risk["classifier alone"] - _risk["behind the screen"] < 0.05)
claim(
    "it is not clearly better than refusing the least sure",
    system_table["more risk, low"]["least sure refused"] < 0,
)

# %% [markdown] id="systems-lesson" held_by="claim-systems"
# With a threshold that promises to refuse 5 % of the pets, this screen finds few foreign images, so the risk falls
# little. Here it is not clearly better than the classifier's own probability, which costs nothing more. Compare every screen with that.

# %% [markdown] id="risk-text" tags=["optional"] no_result="definitions, with their sources"
# ### Every coverage
#
# A **confidence** is any number that is higher where a system is surer. Sort the images by it, and answer only the
# first ones. Each number of answers gives one point of the **risk-coverage curve** (El-Yaniv and Wiener 2010). The
# area under it, the **AURC**, is its mean risk; smaller is better (Geifman, Uziel and El-Yaniv, arXiv 1805.08206).
#
# The figure compares four confidences: the classifier's probability; the same behind the screen, where refused
# images come last; the same where as many are refused at random; and the score alone. Is the score alone a good
# confidence?

# %% id="risk-figure"
from helpers.metrics import answered, aurc, risk_coverage

lines = {
    "probability": confidence,
    "behind the screen": answered(confidence, stopped),
    "refused at random": answered(confidence, systems["refused at random"]),
    "score alone": -system_s,
}
area_of = {name: aurc(c, correct) for name, c in lines.items()}
rng = np.random.default_rng(0)
at_random = [answered(confidence, rng.permutation(stopped)) for _ in range(50)]
area_of["refused at random"] = np.mean([aurc(c, correct) for c in at_random])
plotting.show(
    plotting.curves(
        {name: risk_coverage(c, correct) for name, c in lines.items()}, "coverage", "risk"
    ),
    f"One image in five is foreign; all answered, {1 - correct.mean():.1%} are wrong. AURC: "
    + ", ".join(f"{name} {area:.3f}" for name, area in area_of.items())
    + f". The screen uses {system_score}. (At random: mean of {len(at_random)} draws; the curve is one.)",
    alt="Risk over coverage, from 0 to 1, for four ways to be confident: by probability, behind the screen, with as many refused at random, by the score alone. All end in the same point, where everything is answered.",
)

# %% id="seen-risk" tags=["seen"]
seen(
    f"As a confidence the score alone has an AURC of {area_of['score alone']:.3f}, against "
    f"{area_of['probability']:.3f} by the probability (smaller is better). Behind the screen it is "
    f"{area_of['behind the screen']:.3f}, a small change; with as many refused at random "
    f"{area_of['refused at random']:.3f}."
)

# %% id="claim-risk" tags=["claim"]
_areas = pd.Series(area_of)
claim("by the score alone the system is worse", _areas["score alone"] > _areas.probability)
claim("refusing at random makes it worse", _areas["refused at random"] > _areas.probability)
claim(
    "the screen fixed beforehand changes little",
    abs(_areas["behind the screen"] / _areas.probability - 1) < 0.05,
)
claim(
    "and does better than refusing at random",
    _areas["behind the screen"] < _areas["refused at random"],
)

# %% [markdown] id="risk-lesson" held_by="claim-risk"
# A screen asks "is it a cat or a dog at all?", and the probability asks "which of the two?". Alone this score
# is a worse confidence, probably because it knows little of which pets the classifier gets wrong. The screen
# hardly changes the AURC. Still it does better than refusing as many at random, on average.

# %% [markdown] id="ex-4-12-text" tags=["optional"] no_result="a task"
# ### Exercise 4.12
#
# Write `risk_coverage`: confidences (N,), where higher means more sure, and whether the answer is right (N,)
# in; coverage and risk (N,) out, most confident first. **Done** when images of equal confidence count
# alike: each of them with the mean error of its group, since their order means nothing.


# %% id="ex-4-12" tags=["exercise"] reference="helpers.metrics.risk_coverage"
def risk_coverage(confidence, correct):
    """Share of wrong answers among the k most confident ones, k = 1 to N. -> coverage, risk"""
    ...  # np.unique(-confidence, return_inverse=True) gives the group of each image


# %% id="check-4-12" tags=["check", "nbval-check-output"]
risk_coverage = check("4.12", risk_coverage)

# %% [markdown] id="gains-text" tags=["optional"] no_result="how the table is computed"
# ### Every score as a screen
#
# The table holds all learned scores: as a screen in front of the classifier, and alone, as the confidence. Each
# change of the AURC has an interval, for which both ways are judged on the same resampled images.
#
# kNN and the Mahalanobis distance after stage 3 look at the same features, those of the last stage. Is either of
# them, alone, as good a confidence as the probability?

# %% id="streamed"
streamed = {name: mixed(scores["test"][name], scores["others"][name]) for name in learned}
calibrated = {name: Screen(0.05).fit(scores["calibration"][name]) for name in learned}
stream_rng = np.random.default_rng(0)
streamed["blind"] = stream_rng.random(len(correct))
calibrated["blind"] = Screen(0.05).fit(stream_rng.random(n_calibration))

# %% id="stream-gains"
from helpers.metrics import answered, aurc

resampled = stream_rng.integers(len(correct), size=(100, len(correct)))
plain_aurc = aurc(confidence, correct)
base = np.array([aurc(confidence[r], correct[r]) for r in resampled])


def change(ranked):
    """AURC, and the interval of its difference to the classifier's own."""
    other = np.array([aurc(ranked[r], correct[r]) for r in resampled])
    return aurc(ranked, correct), *np.quantile(other - base, [0.025, 0.975])


rows = {}
for name, s in streamed.items():
    behind = change(answered(confidence, calibrated[name].predict(s)))
    rows[name] = [*behind, *change(-s)]
ways = ("behind the screen", "by the score")
columns = pd.MultiIndex.from_product([ways, ("AURC", "change from", "to")])
areas = pd.DataFrame(rows, index=columns).T
areas.round(4)

# %% id="stream-words"
for way in ways:
    lows, highs = areas[way, "change from"], areas[way, "to"]
    clear = {"lower": areas.index[highs < 0], "higher": areas.index[lows > 0]}
    for direction, which in clear.items():
        print(f"{way}, AURC clearly {direction}: {'; '.join(which) or 'none'}")

# %% id="seen-gains" tags=["seen"]
_alone, _distance = areas["by the score"], "Mahalanobis, stage 3"
_two = ([aurc(-streamed[s][r], correct[r]) for r in resampled] for s in (_distance, "blind"))
_low, _high = np.quantile(np.subtract(*_two), [0.025, 0.975])


def _than(low, high):
    clear = "clearly lower than" if high < 0 else "clearly higher than" if low > 0 else ""
    return clear or "not clearly different from"


_changes = _alone[["change from", "to"]]
seen(
    f"kNN, alone, has an AURC of {_alone.AURC['kNN']:.4f}, {_than(*_changes.loc['kNN'])} that of the probability, "
    f"{plain_aurc:.4f}. The Mahalanobis distance has {_alone.AURC[_distance]:.4f}, "
    f"{_than(*_changes.loc[_distance])} that of the probability and {_than(_low, _high)} that of a blind score, "
    f"{_alone.AURC['blind']:.4f}."
    + (
        " So the features of the last stage know something of both questions, but not every score of them shows it."
        if _changes.loc["kNN", "change from"] <= 0 < _changes.loc[_distance, "change from"]
        else ""
    )
)

# %% id="claim-gains" tags=["claim"]
behind, alone = (areas.loc[system_score, way] for way in ways)
claim("by the score alone the system is clearly worse", alone["change from"] > 0)
claim("a blind screen makes it clearly worse", areas.loc["blind", ways[0]]["change from"] > 0)
claim("kNN alone is as good as the probability", areas.loc["kNN", ways[1]].AURC / plain_aurc < 1.05)

# %% [markdown] id="gains-lesson" held_by="claim-gains, seen-gains"
# By the score fixed beforehand alone, and behind a blind screen, the system is clearly worse. The features of the
# last stage can know something of both questions: kNN on them is, alone, about as good as the probability, or
# better. Another score of the same features need not be: see the Mahalanobis distance.

# %% [markdown] id="system-head" tags=["optional"] no_result="what the system does"
# ### The system as one object
#
# `ScreenedClassifier` takes any scores. With several screens each gets an equal part of $\alpha$, so that
# all together keep the promise. It answers with a class and its probability, or refuses and gives the
# reason. (The article's system returns `None`.)

# %% id="system"
from helpers.screening import ScreenedClassifier


def two_scores(images):
    found = score_all(images)
    return {name: found[name] for name in ("CAE error", "energy and all stages")}


system = ScreenedClassifier(model, PETS, two_scores, alpha=0.05)
system.fit(parts.calibration.images)
some = np.concatenate([parts.test.images[:4], parts.others.images[refused_others.argsort()[-4:]]])
pd.options.display.max_colwidth = 90  # for two reasons
system.predict(some).round(3)

# %% [markdown] id="cost-text" tags=["optional"] no_result="how the rules work"
# ### What a refusal costs
#
# A wrong answer costs 1, and a refusal costs $c$, since somebody has to look at the image. Suppose you knew
# how likely an answer is to be wrong. Then you would refuse wherever that is more than $c$ (**Chow's rule**,
# 1970). One minus the classifier's probability is such an estimate for cats and dogs. For a frog it is too
# low, so Chow's rule answers too much.

# %% [markdown] id="cost-table-text"
# The table compares five rules. The next columns give the gain of the last rule over Chow's rule alone, as a
# 95 % interval. The last column gives the $\alpha$ that would have been best for the screen alone, from 0
# (answer all) to 1 (refuse all). One image in five is foreign; below the table follows one in two. Which rule
# is the cheapest at which price?


# %% id="cost-stream"
def stream_with(rate):
    """Confidence, whether the answer is right, and p-value, of a stream with `rate` foreign images."""
    i, j = stream(n_test, len(parts.others), rate)
    confidence = np.concatenate([confident[i], confident_outside[j]])
    correct = np.concatenate([right[i], np.zeros(len(j), dtype=bool)])
    s = np.concatenate([scores["test"][system_score][i], scores["others"][system_score][j]])
    return confidence, correct, system_screen.p_values(s)


# %% id="cost"
from helpers.explorables.risk import mean_cost


def costs_with(rate):
    """Cost of an image by price and rule, where a share `rate` of the images is foreign."""
    confidence, correct, p = stream_with(rate)
    rows = []
    for price in (0.1, 0.2, 0.3, 0.5):
        doubtful, stopped = 1 - confidence > price, p <= 0.05
        rules = {"answer all": p < 0, "refuse all": p <= 1, "screen": stopped, "Chow": doubtful}
        rules["Chow and screen"] = doubtful | stopped
        row = {name: mean_cost(correct, rule, price) for name, rule in rules.items()}
        gain = np.where(doubtful < rules["Chow and screen"], ~correct - price, 0)
        error = 1.96 * gain.std() / np.sqrt(len(gain))
        row |= {"gain from": gain.mean() - error, "to": gain.mean() + error}
        best = min(np.linspace(0, 1, 101), key=lambda alpha: mean_cost(correct, p <= alpha, price))
        rows.append({"price": price} | row | {"best alpha": best})
    return pd.DataFrame(rows).set_index("price")


costs, costs_half = costs_with(RATE), costs_with(0.5)
costs.round(3)

# %% id="cost-words"
fixed = ["answer all", "refuse all", "screen", "Chow", "Chow and screen"]
cheapest = {
    words: "; ".join(
        f"{' or '.join(row.index[row == row.min()])} at {price}"
        for price, row in table[fixed].iterrows()
    )
    for words, table in {"one in five": costs, "one in two": costs_half}.items()
}
for words, rules in cheapest.items():
    print(f"{words} foreign, cheapest: {rules}")

# %% id="seen-cost" tags=["seen"]
seen(
    f"With one foreign image in five the cheapest rules are: {cheapest['one in five']}. With one in two they "
    f"are: {cheapest['one in two']}. Where refusing all is cheapest, a person should look at every image."
)

# %% id="claim-cost" tags=["claim"]
claim("at 0.1 refusing everything is cheapest", costs[fixed].loc[0.1].idxmin() == "refuse all")
claim("the dearer a refusal, the fewer of them", costs["best alpha"].is_monotonic_decreasing)
claim("the classifier is less sure of foreign images", sure < sure_inside)
claim("up to 0.3 Chow's rule beats the screen", (costs.Chow < costs.screen)[:3].all())
claim("and gains from the screen", (costs["Chow and screen"] < costs.Chow)[:3].all())
claim(
    "with more foreign images it pays to refuse more",
    (costs_half["best alpha"] >= costs["best alpha"]).all(),
)

# %% [markdown] id="cost-lesson" held_by="claim-cost"
# With one foreign image in five and a refusal that costs a tenth of an error, the cheapest of the five rules is to
# look at every image. At 0.2 and 0.3 Chow's rule beats the screen at 5 %: it may refuse as many images as the price is
# worth, and the classifier is less sure of foreign images. What the screen adds is small; where the
# interval of the gain contains 0, it may be nothing. At 0.5 Chow's rule never
# refuses, since the more probable of two classes has at least one half. With more foreign images it pays to
# refuse more. A calibration on cats and dogs knows neither the price nor the share of foreign images.

# %% [markdown] id="explore-risk-text" no_result="a task"
# **Try it yourself.** Find a share of foreign images and a price at which the CAE's screen beats both
# answering everything and refusing everything. Then take the best score, and compare.

# %% id="explore-risk" tags=["nbval-ignore-output"]
from helpers.explorables import risk_explorer

screens = {name: Screen(0.05).fit(scores["calibration"][name]) for name in learned}
p_inside, p_outside = (
    {name: screen.p_values(scores[role][name]) for name, screen in screens.items()}
    for role in ("test", "others")
)
risk_explorer(confident, right, confident_outside, p_inside, p_outside)

# %% [markdown] id="own-text" tags=["optional"] no_result="what the function does"
# ## 8 · Your own images
#
# Files can be odd: stored on their side, grey, in a printer's colours, with several frames. `read_picture`
# makes 32×32 pixels of any of them, or says what is wrong. It takes the middle square. The article squeezes
# the whole image into a square instead, so a long dog becomes a short one.

# %% id="odd-files"
import tempfile
from pathlib import Path
from PIL import Image
from helpers.datasets.pictures import PictureError, read_picture

folder = Path(tempfile.mkdtemp())
source = Image.fromarray(parts.test.images[0].transpose(1, 2, 0)).resize((320, 200))
source.convert("CMYK").save(folder / "printer.jpg")
source.convert("P").save(folder / "animated.gif", save_all=True, append_images=[source.rotate(90)])
source.convert("L").save(folder / "grey.webp")
source.resize((1, 3)).save(folder / "tiny.png")
(folder / "letter.jpg").write_text("This is no image.")
(folder / "cut short.png").write_bytes((folder / "tiny.png").read_bytes()[:40])
lying = Image.Exif()
lying[0x0112] = 6  # the orientation that telephones write
source.rotate(90, expand=True).save(folder / "telephone.jpg", exif=lying)

# %% id="odd-read"
read = {}
for path in sorted(folder.iterdir()):
    try:
        read[path.name] = read_picture(path)
    except PictureError as error:
        print(str(error).replace(str(folder), "..."))
plotting.show(
    plotting.labelled_pictures(np.stack(list(read.values())), list(read), columns=5),
    "What the networks see of: " + ", ".join(read) + ".",
    alt="Five small versions of one image: from an animation, grey, from a printer's colours, "
    "upright although stored on its side, and bands of colour from a file one pixel wide.",
)

# %% [markdown] id="upload-text" no_result="a task"
# **Choose an image of yours.** It goes to the computer on which this notebook runs, which may be one of Colab or
# Binder, and nowhere else. When you save the notebook, the figure with your image is saved in it. Behind the button
# stands the `system` of section 7. (`show_judgement("path/to/image.jpg", system, ae)` takes a path.) Remember that the networks have seen 32×32 pixels of cats and dogs, and nothing else.

# %% id="own-system"
from helpers.widgets import show_judgement, upload_explorer

show_judgement(folder / "telephone.jpg", system, ae)

# %% id="upload" tags=["nbval-ignore-output"]
upload_explorer(system, ae, parts.others.images[np.flatnonzero(~refused_others)[0]])

# %% [markdown] id="believe" held_by="claim-screen, claim-parts, claim-judged, claim-frog"
# ## 9 · What to believe, and what not
#
# **Believe**
# - the false-positive rate of a calibrated screen, on cats and dogs like these, within its interval;
# - that among cats and dogs the CAE's error follows mostly detail and colours;
# - the lead of a score that was chosen before anyone looked at the test images (section 6).
#
# **Do not believe**
# - a screen that was judged on the images that chose its threshold;
# - the best of many scores on one test set;
# - that a high probability means "this is a cat or a dog";
# - that a screen makes the system safe. Most foreign images pass.

# %% id="quiz" tags=["nbval-ignore-output"]
quiz("04")

# %% id="progress" tags=["nbval-ignore-output"]
progress()

# %% [markdown] id="results-text" tags=["optional"] no_result="a heading"
# ### All results in one table
#
# This table needs the optional sections, too.

# %% id="results-summary" tags=["results"]
from IPython.display import Markdown

behind = areas["behind the screen", "AURC"]
rows = {
    "classifier: accuracy on test cats and dogs": f"{right.mean():.1%}",
    "expected calibration error before and after the temperature; by chance": f"{ece[0]:.4f}, {ece[1]:.4f}; {chance[0]:.4f} to {chance[1]:.4f}",
    "CAE, cats and dogs: rank correlation of lightness error and total variation, of colour error and chroma": f"{correlations.lightness['total variation']:.2f}, {correlations.colour.chroma:.2f}",
    f"AURC, {RATE:.0%} foreign: no screen, behind {system_score}, behind a blind screen": f"{plain_aurc:.4f}, {behind[system_score]:.4f}, {behind['blind']:.4f}",
}
system_table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
over = {name: "{min:.3f} to {max:.3f}".format(**spread.loc[name]) for name in learned if alike}
columns = ["AUROC", "low", "high", "FPR at 95 %", "pets refused", "others refused"]
line = "| {} | {:.3f} ({:.3f} to {:.3f}) | {:.2f} | {:.1%} | {:.1%} | {} |"
score_table = "\n".join(
    line.format(name, *judged.loc[name, columns], over.get(name, ""))
    for name in [*trivial, *learned]
)
Markdown(f"""| {parts.test.name}, {parts.test.source} data | |
|---|---|
{system_table}

| score | AUROC | FPR at 95 % | cats, dogs refused | others refused | AUROC, {len(seeds)} seeds |
|---|---|---|---|---|---|
{score_table}""")

# %% [markdown] id="wrap-up-text" tags=["optional"] no_result="a task"
# ## 10 · Wrap-up: build a better screen
#
# Now it is your turn, with any method. The check holds 800 images: mirror images of 400 cats and dogs of
# `parts.test`, and 400 images of the other classes that no notebook uses. Use everything that you have built, or a
# network of your own, but fit it to cats and dogs of the first four parts only. First measure your score with
# `auroc` on `parts.test` and `parts.others`. The mirrored cats and dogs are much like those that you measure on. So
# a score that you chose there may look a little too good in the check as well.

# %% [markdown] id="ex-4-15-text" no_result="a task"
# ### Exercise 4.15
#
# Write `screen_score`: uint8 images (N, 3, 32, 32) in; (N,) out, where higher means more anomalous. An image
# must get the same score alone and in a batch. **Done** when you beat three trivial scores (brightness, PNG
# bytes, chroma) on the images of the check by more than chance. Your best attempts are kept in a table beside this notebook.


# %% id="ex-4-15" tags=["exercise"] reference="screen_score"
def screen_score(images):
    """Your score of each image, higher for more anomalous. uint8 (N, 3, 32, 32) -> (N,)"""
    ...


# %% id="check-4-15" tags=["check", "nbval-ignore-output"]
screen_score = check("4.15", screen_score)

# %% [markdown] id="further" tags=["optional"] no_result="the literature"
# ## Further reading
#
# - A. Krizhevsky, *Learning multiple layers of features from tiny images*, 2009.
# - A. Malinin and M. Gales, *Predictive uncertainty estimation via prior networks*, NeurIPS 2018,
#   arXiv 1802.10501.
# - D. Hendrycks and K. Gimpel, *A baseline for detecting misclassified and out-of-distribution examples
#   in neural networks*, ICLR 2017, arXiv 1610.02136.
# - C. Guo et al., *On calibration of modern neural networks*, ICML 2017, arXiv 1706.04599.
# - K. Lee et al., *A simple unified framework for detecting out-of-distribution samples and adversarial
#   attacks*, NeurIPS 2018, arXiv 1807.03888.
# - W. Liu et al., *Energy-based out-of-distribution detection*, NeurIPS 2020, arXiv 2010.03759.
# - Y. Sun et al., *Out-of-distribution detection with deep nearest neighbors*, ICML 2022,
#   arXiv 2204.06507.
# - J. Serrà et al., *Input complexity and out-of-distribution detection with likelihood-based generative
#   models*, ICLR 2020, arXiv 1909.11480.
# - B. Lakshminarayanan et al., *Simple and scalable predictive uncertainty estimation using deep
#   ensembles*, NeurIPS 2017, arXiv 1612.01474.
# - C. K. Chow, *On optimum recognition error and reject tradeoff*, IEEE Trans. Information Theory,
#   1970.
# - R. El-Yaniv and Y. Wiener, *On the foundations of noise-free selective classification*, JMLR 2010.
# - Y. Geifman, G. Uziel and R. El-Yaniv, *Bias-reduced uncertainty estimation for deep neural
#   classifiers*, ICLR 2019, arXiv 1805.08206.
# - T. Reiss et al., *PANDA: adapting pretrained features for anomaly detection and segmentation*,
#   CVPR 2021, arXiv 2010.05903.
# - J. Tack et al., *CSI: novelty detection via contrastive learning on distributionally shifted instances*,
#   NeurIPS 2020, arXiv 2007.08176.
# - V. Vovk, *Conditional validity of inductive conformal predictors*, ACML 2012, arXiv 1209.2673.
# - J. Zhang et al., *OpenOOD v1.5: enhanced benchmark for out-of-distribution detection*,
#   arXiv 2306.09301.
#
# **Next:** module 5 takes an encoder that was trained on something else, freezes it, and looks for disease
# on scans of the retina.
