# %% [markdown] id="title"
# # Module 4 · An autoencoder as a screen before a classifier
#
# A network that tells cats from dogs answers on a frog as well: "dog", and it is sure. A popular
# remedy is to put an autoencoder in front, which was trained on cats and dogs, and to refuse what it
# rebuilds badly. The article that this module re-teaches built that screen, judged it by seven pictures,
# and left the classifier out. You build the whole system, calibrate it, and judge it on thousands of
# pictures. It will turn out that the autoencoder is a poor screen on natural pictures. You will
# see what its error measures instead, which scores do better, and what a screen is worth in the end.
#
# **Afterwards you can**
# - say which kind of uncertainty you mean, and which of them a score can see;
# - build a screen that promises a rate of false alarms, and test the promise;
# - score pictures by a classifier's logits and features;
# - judge classifier and screen together: risk, coverage, cost.
#
# **You need** modules 1 and 3.
# **Time** 120 minutes with the twelve exercises.

# %% id="setup" tags=["setup"]
import sys
import warnings

sys.path.insert(0, "..")  # the course folder
import helpers  # before torch: sets how its threads wait

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

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
# CIFAR-10 holds colour pictures of 32×32 pixels in ten classes (A. Krizhevsky, 2009). Cats and dogs
# are **in sample**: the classifier learns them. The other eight are **out of sample**, and nothing may
# learn from them: they are for the examination only.

# %% id="data"
import pandas as pd

data = load("cifar10")
train = data["train"]
counts = pd.DataFrame({split: np.bincount(part.labels) for split, part in data.items()})
counts.set_index(pd.Index(train.classes, name="class"))

# %% [markdown] id="roles-text"
# **Roles.** The article took its test pictures from the pictures that chose the network, and its
# threshold from the pictures that it was judged on. Here no picture has two roles. The cats and
# dogs of the training set go to four parts:
#
# | role | share | what for |
# |---|---|---|
# | classifier | 70 % | its training |
# | autoencoder | 18 % | its training |
# | tuning | 4 % | single numbers: a temperature, a slope |
# | calibration | 8 % | the thresholds of the screens |
#
# The test set keeps the last role: its cats and dogs, and its other classes, are for the reports.
#
# ### Exercise 4.1
#
# Write `class_roles`: labels (N,), the numbers of the wanted classes (a tuple) and the shares (a tuple)
# in; one array of positions for each role out, a list of them. Shares may sum to less than 1; the rest
# has no role. How sizes that are not whole are rounded is up to you. **Done** when every role holds the
# classes in the same proportion, drawn at random but alike for the same `seed`, and no position has two
# roles.


# %% id="ex-4-1" tags=["exercise"] reference="helpers.datasets.splits.class_roles"
def class_roles(labels, wanted, shares, seed=0):
    """Positions of the pictures of each role: of the classes `wanted` only, each class cut alike."""
    ...  # class by class: shuffle its positions, then cut them at the cumulated shares


# %% id="check-4-1" tags=["check", "nbval-check-output"]
class_roles = check("4.1", class_roles)

# %% [markdown] id="parts-text"
# `roles` of the course does just that with CIFAR-10. Labels become 0 for cats and 1 for dogs. To save
# time the quick profile takes no more than 500 pictures of each other class.

# %% id="parts"
from helpers.experiments.module_04 import roles

parts = roles()
PETS = parts.test.classes
n, names = len(parts.test), np.array(train.classes)[parts.others.labels]
for role, part in parts._asdict().items():
    print(f"{role:12}{len(part):6,} pictures")

# %% [markdown] id="classifier-text"
# ## 2 · The classifier
#
# `SmallResNet` is built of three stages, each of a residual block: two 3×3 convolutions and a skip
# connection that adds the block's input to their output. `features` are the channel means after the last stage; a linear layer makes
# two **logits** of them. Each batch is mirrored and shifted at random, so that no picture comes twice in
# the same way.

# %% id="augmented"
from helpers import plotting
from helpers.augment import flip_and_shift
from helpers.training import as_input

plotting.use_course_style()
torch.manual_seed(0)
eight = as_input(parts.classifier.images[:8])
rows = {
    "picture": eight.cpu(),
    "once": flip_and_shift(eight).cpu(),
    "again": flip_and_shift(eight).cpu(),
}
plotting.show(
    plotting.image_rows(rows),
    "Eight training pictures, and two of the versions that training sees: mirrored or not, shifted by "
    "up to four pixels.",
)

# %% id="classifier"
from helpers.experiments.module_04 import classifier
from helpers.metrics import wilson_interval

tuning = parts.tuning
model, history = classifier(
    parts.classifier, progress=True, validation=(tuning.images, tuning.labels)
)
logits = apply(model, parts.test.images)
right = logits.argmax(dim=1).numpy() == parts.test.labels
low, high = wilson_interval(right.sum(), n)
print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {history[-1]['seconds']:.0f} s")
print(f"{right.mean():.1%} of {n:,} test cats and dogs right ({low:.1%} to {high:.1%})")

# %% [markdown] id="frog-text"
# **And a frog?** The classifier has two answers, and must give one of them.

# %% id="frog" tags=["cover"]
outside_logits = apply(model, parts.others.images)
probability, answer = outside_logits.softmax(dim=1).max(dim=1)
surest = [
    np.flatnonzero(names == name)[probability[names == name].argmax()] for name in np.unique(names)
]
titles = [f"{names[i]}?\n{PETS[answer[i]]} {probability[i]:.1%}" for i in surest]
plotting.show(
    plotting.labelled_pictures(parts.others.images[surest], titles),
    "Of each other class the picture on which the classifier is most sure: "
    + ", ".join(f"{names[i]} a {PETS[answer[i]]}" for i in surest)
    + ".",
)

# %% id="sure"
sure = (probability > 0.9).float().mean()
sure_inside = (logits.softmax(dim=1).amax(dim=1) > 0.9).float().mean()
print(f"more than 90 % sure: {sure_inside:.1%} of the cats and dogs, {sure:.1%} of the others")

# %% [markdown] id="words-text"
# ### Three words
#
# Three things make an answer uncertain, and they call for different remedies.
#
# - **Aleatoric**: the picture itself leaves it open. At 32×32 pixels some cats cannot be told from dogs,
#   by anyone, however much one has learned. A good classifier then says 50 %.
# - **Epistemic**: the network does not know, since it has seen too little. Another network, trained
#   alike, would say something else; more pictures would help.
# - **Distributional**: the picture is not of the kind that the question is about. "Cat or dog?" has no
#   answer for a frog (Malinin and Gales, arXiv 1802.10501, who split it off from the epistemic kind).
#
# The article calls the frog's case aleatoric. The word matters: against aleatoric uncertainty a
# probability helps, against distributional uncertainty it may not, since it is the answer to a question
# that should not have been asked.
#
# ### Do the probabilities mean what they say?
#
# Of all answers given with 80 %, 80 % should be right. A **reliability diagram** shows whether they are:
# answers are sorted into bins by their probability, and the share of right ones is drawn over it. The
# **expected calibration error** (ECE) is the mean gap between the two, each bin weighted by its
# pictures. Large networks that are trained for long tend to be too sure, and one number mends most of it
# (Guo et al. 2017): divide the logits by a **temperature** $T$, which does not change which class comes
# first.
#
# ### Exercise 4.2
#
# Write `fit_temperature`: logits (N, K) and labels (N,) of tuning pictures in, the $T > 0$ of the
# smallest cross-entropy out, as a `float`. **Done** when it is the minimum, above 1 or below.


# %% id="ex-4-2" tags=["exercise"] reference="helpers.calibration.fit_temperature"
from scipy.optimize import minimize_scalar


def fit_temperature(logits, labels):
    """The T > 0 for which softmax(logits / T) has the smallest cross-entropy. (N, K), (N,) -> float"""
    ...  # minimize_scalar(loss, bounds=(-5, 5), method="bounded").x, of log T


# %% id="check-4-2" tags=["check", "nbval-check-output"]
fit_temperature = check("4.2", fit_temperature)

# %% id="temperature"
from helpers.calibration import expected_calibration_error, reliability

tuning_logits, tuning_labels = apply(model, tuning.images), torch.from_numpy(tuning.labels)
T = fit_temperature(tuning_logits, tuning_labels)
before, after = (s.softmax(dim=1).amax(dim=1).numpy() for s in (logits, logits / T))
ece = [expected_calibration_error(confidence, right) for confidence in (before, after)]
print(f"T = {T:.3f}; expected calibration error {ece[0]:.4f} before, {ece[1]:.4f} after")

# %% [markdown] id="chance-text"
# **Is that a fault at all?** Both numbers come from samples. The tuning pictures are few, so $T$ has an
# interval: draw as many of them again, with replacement, and fit again. And the calibration error of a
# *perfect* classifier is not 0: in each bin the share of right answers differs a little from the
# probability, by chance, and the error adds up the sizes of these differences. Take our probabilities
# at their word, draw right and wrong answers from them, and see how large the error is then.

# %% id="chance"
rng = np.random.default_rng(0)
resampled = torch.from_numpy(rng.integers(len(tuning), size=(100, len(tuning))))
T_low, T_high = np.quantile(
    [fit_temperature(tuning_logits[i], tuning_labels[i]) for i in resampled], [0.025, 0.975]
)
perfect = [expected_calibration_error(after, rng.random(n) < after) for _ in range(200)]
chance = np.quantile(perfect, [0.025, 0.975])
print(f"T = {T:.2f}, with {len(tuning)} other tuning pictures {T_low:.2f} to {T_high:.2f}")
print(f"ECE of a perfect classifier on {n:,} pictures: {chance[0]:.4f} to {chance[1]:.4f}")

# %% id="reliability"
tables = {"before": reliability(before, right), f"T = {T:.2f}": reliability(after, right)}
sided = "too sure" if T_low > 1 else "not sure enough" if T_high < 1 else "not clearly off"
inside_chance = [chance[0] <= e <= chance[1] for e in ece]
verdict = {2: "Both are", 1: "One of them is", 0: "Neither is"}[sum(inside_chance)]
plotting.show(
    plotting.reliability_diagram(tables),
    f"T = {T:.2f} ({T_low:.2f} to {T_high:.2f}): the classifier was {sided}. Bars are Wilson intervals. "
    f"The calibration error is {ece[0]:.4f} before and {ece[1]:.4f} after. {verdict} within what a "
    f"perfect classifier has on so many pictures ({chance[0]:.4f} to {chance[1]:.4f}).",
)

# %% id="claim-chance" tags=["claim"]
from helpers.claims import claim

claim("the calibration error of a perfect classifier is not 0", chance[0] > 0)
claim(
    "the temperature moves the calibration error by less than chance does",
    abs(ece[1] - ece[0]) < chance[1] - chance[0],
)

# %% [markdown] id="reliability-lesson"
# So a calibration error needs an interval like any other number, and a drop from one value to another
# within that interval is no improvement. The network here is small and trained briefly; larger ones
# trained for longer are often clearly too sure. And all this speaks of cats and dogs only: no
# temperature makes the probability of a frog mean anything.
#
# ## 3 · The autoencoder
#
# The article's network, a convolutional autoencoder (CAE), for colour pictures of 32×32 pixels. All
# convolutions have kernels of 3×3 and a padding of 1, and a ReLU follows each but the last; the code
# and the output are linear. (In the article an activation follows the code as well; without it the code
# may be negative.) Weights start as in the article, at random with variances after Glorot and Bengio
# ("Xavier", 2010), biases at 0.01.
#
# | encoder | output | | decoder | output |
# |---|---|---|---|---|
# | conv 3→16, conv 16→16 | 16×32×32 | | `Linear`, `Unflatten`, ReLU | 64×8×8 |
# | conv 16→32 of stride 2, conv 32→32 | 32×16×16 | | transposed conv 64→64 | 64×8×8 |
# | conv 32→64 of stride 2, conv 64→64 | 64×8×8 | | 64→32 of stride 2, 32→32 | 32×16×16 |
# | `Flatten`, `Linear` | 1000 numbers | | 32→16 of stride 2, 16→16, 16→3 | 3×32×32 |
#
# 64, 32 and 16 are `widths` backwards. The article scales pixels to [-1, 1]; ours lie in [0, 1], so
# our squared errors are a quarter of its. The quick profile halves the widths and shortens the code.
#
# ### Exercise 4.3
#
# Write the network of the table. **Done** when shapes and the number of parameters are right for any
# `widths` and `latent_dim`, and nothing but a ReLU bends what one layer hands to the next.


# %% id="ex-4-3" tags=["exercise"] reference="helpers.models.ColourAutoencoder"
class ColourAutoencoder(nn.Module):
    """32×32 colour pictures to `latent_dim` numbers and back. (N, 3, 32, 32) -> the same shape"""

    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__()
        self.encoder = ...  # a, b, c = widths; nn.Sequential: the left half of the table
        self.decoder = ...  # nn.Sequential: the right half

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

# %% [markdown] id="cae-text"
# The article squeezes 3,072 numbers into 1,000: that is hardly a bottleneck, and a network that may copy
# need not know what a cat is. The quick profile's code is much narrower; the cell says how narrow. Train
# it, and watch four pictures of each kind, and the error on tuning pictures after each epoch, in two
# parts. At each pixel the three channels have a residual each, and
#
# $$\text{mean of their squares} = (\text{their mean})^2 + \text{their variance}.$$
#
# The first term says how wrong the **lightness** of the pixel is, the second how wrong its **colour**.

# %% id="cae"
from helpers.experiments.module_04 import autoencoder, error_parts

others = [np.flatnonzero(names == name)[0] for name in ("frog", "horse", "airplane", "truck")]
watched = np.concatenate([parts.test.images[:4], parts.others.images[others]])
snapshots, epochs = {}, []


def keep(model, history):
    if len(history) in (1, 5, 14, 160):
        snapshots[f"epoch {len(history)}"] = apply(model, watched)
    light, colour = error_parts(model, tuning.images).mean(axis=1)
    epochs.append(history[-1] | {"lightness": light, "colour": colour})


ae = autoencoder(parts.autoencoder.images, progress=True, on_epoch=keep)
print(f"3,072 numbers in {ae.encoder[-1].out_features}")

# %% id="snapshots"
plotting.show(
    plotting.image_rows({"picture": watched} | snapshots),
    "Four cats and dogs, then a frog, a horse, an airplane and a truck, and what the CAE makes of them "
    "after some epochs. Could you tell from the last row which kinds it has learned from?",
)

# %% [markdown] id="curves-text"
# **Both trainings as curves.** To read the parts of the error, compare each with that of a network which
# gives every pixel the mean colour of all tuning pictures: the share of the error that is gone is the
# share **explained**, as in a regression ($R^2$). Below 0 it is worse than the mean colour.

# %% id="curves"
log = pd.DataFrame(epochs).set_index("epoch")
average = as_input(tuning.images).mean(dim=(0, 2, 3))[:, None, None]
flat = error_parts(lambda x: average.expand_as(x), tuning.images).mean(axis=1)
explained = 1 - log[["lightness", "colour"]] / flat
first, last = explained.iloc[0], explained.iloc[-1]
squared = {"training": log.train, "tuning pictures": log.lightness + log.colour}
plotting.show(
    plotting.training_curves(
        {
            "classifier: cross-entropy": {"training": [row["train"] for row in history]},
            "CAE: squared error": squared,
            "CAE: share explained": {name: explained[name] for name in explained},
        }
    ),
    f"Losses of the classifier (right on tuning pictures: {history[0]['accuracy']:.1%} after the first "
    f"epoch, {history[-1]['accuracy']:.1%} after the last) and of the CAE; share of the tuning pictures' "
    f"lightness and colour that the CAE explains: {first.lightness:.0%} and {first.colour:.0%} after one "
    f"epoch, {last.lightness:.0%} and {last.colour:.0%} at the end.",
)

# %% id="claim-curves" tags=["claim"]
claim(
    "the CAE learns lightness before colour", (explained.lightness > explained.colour).mean() > 0.8
)
claim("at the end it still explains less of the colour", last.lightness > last.colour)
x = as_input(tuning.images)
claim("there is less colour than light and dark", x.var(dim=1).mean() < x.mean(dim=1).var())

# %% [markdown] id="curves-lesson"
# Light and dark come first, and colour stays behind: there is less of it in the pictures, so that a
# wrong colour costs little in squared error. Keep that in mind. (The training loss of the CAE is a mean
# over the epoch, while the network still changes; that of the tuning pictures is taken after it.)

# %% id="class-error"
from helpers.metrics import auroc, bootstrap_interval

halves = [error_parts(ae, part.images) for part in (parts.test, parts.others)]
errors, other_errors = (half.sum(axis=0) for half in halves)  # both parts together
frame = pd.DataFrame(
    {
        "error": np.concatenate([errors, other_errors]),
        "class": np.concatenate([np.array(PETS)[parts.test.labels], names]),
    }
)
medians = frame.groupby("class").error.median()
order = [*PETS, *medians.drop(list(PETS)).sort_values().index]
low, high = bootstrap_interval(errors, other_errors)
area = auroc(errors, other_errors)

# %% id="class-error-figure"
easier = [name for name in order[2:] if medians[name] < medians[list(PETS)].min()]
plotting.show(
    plotting.boxes(frame, "class", "error", order=order, log=True),
    f"AUROC of the error over the eight classes: {area:.3f} ({low:.3f} to {high:.3f}). With a smaller "
    f"median error than cats and dogs: {', '.join(easier) or 'none'}.",
)

# %% [markdown] id="seven-text"
# An AUROC of 0.5 is what a coin reaches. The article saw seven pictures, four pets and three others,
# and chose its threshold on them so that six were right. **What do seven pictures show?** Draw seven of
# ours, choose the threshold that is best for them, and apply it to all pictures. Then do the same with a
# **blind** score: random numbers in the place of the errors.

# %% id="seven"
from helpers.metrics import balanced_accuracy


def best_threshold(few):
    """The score among the few at which most of them are judged right."""
    return max(np.concatenate(few), key=lambda t: balanced_accuracy(*few, t))


rng, rows = np.random.default_rng(0), []
for _ in range(500):
    few = rng.choice(errors, 4), rng.choice(other_errors, 3)
    blind = rng.random(4), rng.random(3)
    best = best_threshold(few)
    rows.append(
        {
            "the seven": balanced_accuracy(*few, best),
            "all": balanced_accuracy(errors, other_errors, best),
            "blind, the seven": balanced_accuracy(*blind, best_threshold(blind)),
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

# %% id="claim-seven" tags=["claim"]
claim("seven pictures flatter", drawn["the seven"].mean() > drawn["all"].mean() + 0.05)
claim("a blind score looks good on the seven as well", drawn["blind, the seven"].mean() > 0.6)

# %% [markdown] id="seven-lesson"
# Seven pictures flatter, since the threshold is chosen on them, and they flatter a blind score as well.
# One cannot learn from them what the screen is worth. One more detail of the article: it rounds each
# error to three decimals before it compares. How many decisions does that move?

# %% id="rounding"
limit = 0.045  # the article's threshold, in its units
scaled = 4 * np.concatenate([errors, other_errors])
moved = (scaled > limit) != (scaled.round(3) > limit)
print(f"its threshold of {limit} refuses {(4 * errors > limit).mean():.1%} of our cats and dogs")
print(f"rounding moves {moved.sum()} of {len(moved):,} decisions")

# %% [markdown] id="screen-text"
# A threshold belongs to the network that made the errors. It cannot be carried over from an article: it
# has to be calibrated.
#
# ## 4 · The screen
#
# Module 1 had the rule: refuse where the conformal p-value is at most $\alpha$. Now it becomes an
# object in scikit-learn's manner, with a score of any kind: `fit` keeps what it learned in names that end
# with an underscore and returns the object, `predict` decides, `decision_function` says by how much.
#
# ### Exercise 4.4
#
# Write the four methods. `conformal_threshold` and `conformal_p_values` are yours from module 1;
# `as_scores` makes an array and complains about NaN, `check_is_fitted(self)` about a forgotten `fit`.
# **Done** when `predict` agrees with the p-values, and nothing passes in silence: NaN and a missing
# `fit` are errors, an $\alpha$ that so few scores cannot promise is worth a warning (`warnings.warn`;
# such a screen is fitted all the same, and refuses nothing).

# %% id="screen-imports"
from scipy.stats import binom
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from helpers.thresholds import as_scores, conformal_p_values, conformal_threshold


# %% id="ex-4-4" tags=["exercise"] reference="helpers.thresholds.Screen"
class Screen(BaseEstimator):
    """Refuses what is more anomalous than all but a share `alpha` of normal pictures."""

    def __init__(self, alpha):
        self.alpha = alpha

    def fit(self, calibration_scores):
        """Keep the scores of normal pictures (n,) and set `threshold_`. -> the screen itself"""
        ...  # warn where the threshold is infinite

    def decision_function(self, scores):
        """Score minus threshold: above 0 where the picture is refused. (m,) -> (m,)"""
        ...

    def predict(self, scores):
        """Whether each picture is refused. (m,) -> bool (m,)"""
        ...

    def p_values(self, scores):
        """Conformal p-value of each picture: at most alpha where refused. (m,) -> (m,)"""
        ...


# %% id="check-4-4" tags=["check", "nbval-check-output"]
Screen = check("4.4", Screen)

# %% id="screen"
from helpers.experiments.module_04 import cae_error

calibration_errors = cae_error(ae, parts.calibration.images)
screen = Screen(alpha=0.05).fit(calibration_errors)
refused, refused_others = screen.predict(errors), screen.predict(other_errors)
print(f"{screen}: threshold {screen.threshold_:.5f}")
print(
    f"refused: {refused.mean():.1%} of the cats and dogs, {refused_others.mean():.1%} of the others"
)

# %% [markdown] id="horse-text"
# In the article one of three others passed, a horse. How many horses pass here?

# %% id="horse"
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
    "Below, the cats and dogs with the largest errors. How do they differ from the horses?",
)

# %% [markdown] id="interval-text"
# ### Is the promise kept?
#
# The screen promises 5 % false alarms. On the test pictures the rate is a little off. Is that chance?
# There are two chances. The $m$ test pictures are a draw: for a *known* rate of $\alpha$ the number
# of alarms would be binomial. But the threshold is a draw as well: with $n$ calibration scores the true
# rate follows a Beta law with $k$ and $n + 1 - k$, where $k = \lfloor \alpha (n + 1) \rfloor$. Both
# together make the number of alarms **beta-binomial**.
#
# ### Exercise 4.5
#
# Write `false_alarm_interval`: $n$, $m$ and $\alpha$ in, the central interval of the *rate* out, as
# (low, high).
# **Done** when it is that of the law (`betabinom(m, a, b).ppf`), also where $\alpha(n + 1)$ is whole.


# %% id="ex-4-5" tags=["exercise"] reference="helpers.thresholds.false_alarm_interval"
from scipy.stats import betabinom


def false_alarm_interval(n, m, alpha, confidence=0.95):
    """Where the false-alarm rate among m normal pictures lies after one calibration on n."""
    ...  # alpha * (n + 1) may come out as 0.99999999 where it should be 1


# %% id="check-4-5" tags=["check", "nbval-check-output"]
false_alarm_interval = check("4.5", false_alarm_interval)

# %% id="promise"
k = len(calibration_errors)
wide = false_alarm_interval(k, n, 0.05)
narrow = binom(n, 0.05).ppf([0.025, 0.975]) / n
print(f"measured {refused.mean():.2%}")
print(f"threshold known:       {narrow[0]:.2%} to {narrow[1]:.2%}")
print(f"calibrated on {k} pictures: {wide[0]:.2%} to {wide[1]:.2%}")

# %% [markdown] id="draws-text"
# One draw shows little. Pool the calibration and the test pictures, which no network has seen, and
# calibrate ten times on other ones.

# %% id="draws"
pool, rng = np.concatenate([calibration_errors, errors]), np.random.default_rng(0)
rates = []
for _ in range(10):
    mixed = rng.permutation(pool)
    rates.append(Screen(0.05).fit(mixed[:k]).predict(mixed[k:]).mean())
inside = sum(wide[0] <= rate <= wide[1] for rate in rates)
print("ten rates:", *(f"{rate:.1%}" for rate in rates), f"; mean {np.mean(rates):.2%}")
print(f"{inside} of 10 in the interval of the calibrated screen")

# %% id="claim-draws" tags=["claim"]
claim("the measured rate is as promised", wide[0] <= refused.mean() <= wide[1])
claim("so are those of other calibrations", inside >= 8)

# %% [markdown] id="draws-lesson"
# The promise holds. It is one about cats and dogs, and says nothing about frogs: a score that knows
# nothing keeps it as well. What the screen is worth stands in the other number, the share of the
# others that it refuses.
#
# ## 5 · Why the autoencoder fails
#
# Look at what it rebuilds worst, and at what it rebuilds best.

# %% id="extremes"
order = other_errors.argsort()
best, worst = parts.others.images[order[:8]], parts.others.images[order[-8:]]
rows = {"smallest": best, "rebuilt": apply(ae, best)}
rows |= {"largest": worst, "rebuilt ": apply(ae, worst)}
plotting.show(
    plotting.image_rows(rows),
    "Of the others, the eight with the smallest error and the eight with the largest, each with its "
    f"reconstruction. Smallest: {', '.join(names[order[:8]])}; largest: {', '.join(names[order[-8:]])}.",
)

# %% [markdown] id="complexity-text"
# What do the first have in common, and what the last? In the photographs of CIFAR-10 the best rebuilt ones
# are even and dull. One would expect the worst ones to be full of detail. They are not: most of them
# show little but sky or water. But it is a strong blue, and the network makes grey or brown of it. Whether
# a cat is on them plays no part. So there are two suspects, **complexity** (how much there is to
# rebuild) and **colour** (what no fur has). Measure both.
#
# ### Exercise 4.6
#
# Write `total_variation`, the mean absolute difference of neighbouring pixels, across and down, each
# mean counting half: (N, C, H, W) in, a tensor (N,) out. **Done** when stripes across and down count alike, in
# pictures that are not square as well.


# %% id="ex-4-6" tags=["exercise"] reference="helpers.scores.total_variation"
def total_variation(x):
    """Mean absolute difference between neighbouring pixels. (N, C, H, W) -> (N,)"""
    ...  # a slice without the first column minus one without the last


# %% id="check-4-6" tags=["check", "nbval-check-output"]
total_variation = check("4.6", total_variation)

# %% [markdown] id="spearman-text"
# A second measure: the bytes of the picture as a PNG file. PNG predicts each byte from its neighbours to
# the left and above, and packs what is left over, so smooth pictures make small files; beyond that, what
# repeats is stored only once. A third one is for colour: the **chroma**, the largest of a pixel's three
# channels minus the smallest, averaged over the picture. It is 0 for every grey picture.
#
# The relation of such a measure with the error need not be a straight line, so compare **ranks**:
# Spearman's correlation is Pearson's of the ranks.
#
# ### Exercise 4.7
#
# Write `rank_correlation`: two arrays (n,) in, a `float` out. **Done** when ties share their mean rank
# (`rankdata`) and a logarithm changes nothing.


# %% id="ex-4-7" tags=["exercise"] reference="helpers.metrics.rank_correlation"
from scipy.stats import rankdata


def rank_correlation(a, b):
    """Spearman's correlation: Pearson's, of the ranks, ties at their mean. (n,), (n,) -> float"""
    ...  # np.corrcoef gives a 2×2 matrix


# %% id="check-4-7" tags=["check", "nbval-check-output"]
rank_correlation = check("4.7", rank_correlation)

# %% id="complexity"
from helpers.scores import compressed_bits
from helpers.experiments.module_04 import chroma


def complexity(images):
    return apply(total_variation, images).clamp(min=1e-3).numpy()  # above 0 for a blank picture


def png_bytes(images):
    return np.array(compressed_bits(images)) / 8


def both(measure):
    return [measure(part.images) for part in (parts.test, parts.others)]


variation, png, colourful = (both(measure) for measure in (complexity, png_bytes, chroma))
some = parts.test.images[:100].reshape(100, 3, -1)
shuffled = rng.permuted(np.tile(np.arange(32 * 32), (100, 1)), axis=1)[:, None]
shuffled = np.take_along_axis(some, shuffled, axis=2).reshape(100, 3, 32, 32)
grows = png_bytes(shuffled).mean() / png[0][:100].mean()
print(f"PNG files of pictures whose pixels are shuffled are {grows:.2f} times as long")

# %% id="parts-of-error"
targets = {"error": (errors, other_errors)}
targets |= {name: [half[i] for half in halves] for i, name in enumerate(("lightness", "colour"))}
measures = {"total variation": variation, "PNG bytes": png, "chroma": colourful}
rows = {
    name: {
        (group, part): rank_correlation(measure[i], target[i])
        for i, group in enumerate(("cats and dogs", "others"))
        for part, target in targets.items()
    }
    for name, measure in measures.items()
}
correlations = pd.DataFrame(rows).T
correlations.round(2)

# %% id="complexity-figure"
groups = ("cats and dogs", "others")
panels = {
    ("total variation", "error in lightness"): (variation, targets["lightness"]),
    ("chroma", "error in colour"): (colourful, targets["colour"]),
}
plotting.show(
    plotting.mixed_scatter(
        {
            labels: {name: (x[i], y[i]) for i, name in enumerate(groups)}
            for labels, (x, y) in panels.items()
        }
    ),
    "The two parts of each picture's error. Lightness and total variation: rank correlation "
    f"{correlations.loc['total variation', (groups[0], 'lightness')]:.2f} among cats and dogs, "
    f"{correlations.loc['total variation', (groups[1], 'lightness')]:.2f} among the others. Colour and "
    f"chroma: {correlations.loc['chroma', (groups[0], 'colour')]:.2f} and "
    f"{correlations.loc['chroma', (groups[1], 'colour')]:.2f}.",
)

# %% id="claim-parts" tags=["claim"]
own = {"total variation": "lightness", "chroma": "colour"}
for name, part in own.items():
    rest = {"lightness": "colour", "colour": "lightness"}[part]
    r = correlations.loc[name].unstack()
    claim(f"the {name} goes with the error in {part}", r[part].min() > 0.5)
    claim(f"and little with that in {rest}", r[rest].abs().max() < 0.4)
claim("PNG knows neighbours: shuffled pixels make longer files", grows > 1.05)

# %% [markdown] id="parts-lesson"
# The two suspects share the work. The error in lightness follows the detail of a picture, and the error in
# colour follows how colourful it is; each has little to do with the other's. Now the extremes.
#
# **Take the colour away.** A correlation is no proof of a cause, but here one can try: replace each
# picture by its grey version (the mean of the channels), and see what is left of its error. And show the
# network plain pictures, which have a colour and no detail whatever.

# %% id="colour-away"
from scipy.stats import rankdata

share = halves[1][1] / other_errors  # of colour, in the others' error
grey = np.repeat(parts.others.images.mean(axis=1, keepdims=True), 3, axis=1).astype(np.uint8)
left = cae_error(ae, grey) / other_errors
frame = {"largest eight": order[-8:], "largest 5 %": order[-len(order) // 20 :], "all": order}
pd.DataFrame(
    {
        name: {
            "share of colour in the error": np.median(share[which]),
            "error left without colour": np.median(left[which]),
            "total variation, rank": np.median(rankdata(variation[1])[which]) / len(order),
            "chroma, rank": np.median(rankdata(colourful[1])[which]) / len(order),
        }
        for name, which in frame.items()
    }
).T.round(2)

# %% id="plain"
colours = {
    "grey": (128, 128, 128),
    "fur": (150, 120, 90),
    "sky": (100, 150, 230),
    "green": (40, 180, 60),
    "red": (220, 40, 40),
}
plain = (
    np.array(list(colours.values()), dtype=np.uint8)[:, :, None, None].repeat(32, 2).repeat(32, 3)
)
plain_errors = cae_error(ae, plain)
titles = [
    f"{c}, {e:.4f}\n{(errors < e).mean():.0%}" for c, e in zip(colours, plain_errors, strict=True)
]
plotting.show(
    plotting.labelled_pictures(plain, titles, columns=5),
    "Plain pictures, their error, and how many of the cats and dogs have a smaller one. All five have a "
    "total variation of 0.",
)

# %% id="claim-colour" tags=["claim"]
largest = order[-8:]
claim("most of the largest errors is colour", np.median(share[largest]) > 0.5 > np.median(share))
claim("without colour little of them is left", np.median(left[largest]) < 0.3)
claim("most of a usual error is left", np.median(left) > 0.6)
claim(
    "the largest errors belong to the most colourful pictures",
    np.median(rankdata(colourful[1])[largest]) > 0.9 * len(order),
)
red = plain_errors[-1]
claim(
    "a plain red picture is refused, a plain grey one is not",
    red > screen.threshold_ > plain_errors[0],
)
claim(
    "the refused cats and dogs are more colourful than the horses that pass",
    np.median(colourful[0][refused]) > np.median(colourful[1][passed]),
)

# %% [markdown] id="colour-lesson"
# Complexity explains the bulk of the errors, and colour the largest ones. A plain red square, about the
# simplest picture there is, has a larger error than nearly all cats and dogs, and a plain grey one a small
# error: the network expects the colours that cats and dogs usually have, and every other one costs. That
# also answers the question about the horses: the cats and dogs that were refused are more colourful than
# the horses that pass. None of this asks whether a cat is on the picture. How well does each part of the
# error tell the others from cats and dogs?

# %% id="parts-auroc"
for part in ("lightness", "colour"):
    low, high = bootstrap_interval(*targets[part], resamples=200)
    print(f"AUROC of the error in {part:10} {auroc(*targets[part]):.3f} ({low:.3f} to {high:.3f})")

# %% [markdown] id="correct-text"
# So the error in lightness says little more than how complex a picture is. Serrà et al. (arXiv
# 1909.11480) found the same for likelihoods, and subtract the complexity. Do it here, with a straight
# line through the logarithms:
#
# $$\log \text{error} \approx a + b \,\log \text{complexity}$$
#
# fitted to normal pictures. The corrected score is what remains: how far the picture lies above the
# line.
#
# ### Exercise 4.8
#
# Write `beyond_complexity`: errors and complexities of M pictures for the line, then of N to be scored;
# (N,) out. Logarithms are natural. **Done** when the line is fitted to the first M alone, by least
# squares.


# %% id="ex-4-8" tags=["exercise"] reference="helpers.scores.beyond_complexity"
def beyond_complexity(errors_fit, complexity_fit, errors, complexity):
    """How far log(error) lies above what a picture's complexity leads one to expect. -> (N,)"""
    ...  # np.polyfit(x, y, 1) gives slope and intercept


# %% id="check-4-8" tags=["check", "nbval-check-output"]
beyond_complexity = check("4.8", beyond_complexity)

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

# %% [markdown] id="corrected-lesson"
# The correction takes the complexity out. Compare the classes: some gain, some lose, and the change over
# all is small beside these. What is left when the complexity is gone is not "cat or dog" either: the
# score goes with the chroma more than before. Nobody asked the autoencoder to know what a cat is.
#
# ## 6 · Scores that come with the classifier
#
# The classifier *was* asked. Its logits and features are there already and cost nothing more. Three
# exercises, then the table.
#
# **Logits.** The oldest score is one minus the largest probability, `max_softmax` (Hendrycks and Gimpel,
# arXiv 1610.02136). The softmax only sees differences of logits: (9, 1) and (1, -7) look alike to it. The
# **energy** keeps their height (Liu et al., arXiv 2010.03759):
#
# $$E(x) = -T \log \sum_{k} e^{\,l_k(x) / T}$$
#
# ### Exercise 4.9
#
# Write it for logits (N, K), in torch, so that a gradient can flow; (N,) out. **Done** when logits of 1000
# give no infinity.


# %% id="ex-4-9" tags=["exercise"] reference="helpers.scores.energy"
def energy(logits, temperature=1.0):
    """-T·log(sum of exp(logits / T)) of each picture. (N, K) -> (N,)"""
    ...  # exp(1000) is too large for any float


# %% id="check-4-9" tags=["check", "nbval-check-output"]
energy = check("4.9", energy)

# %% [markdown] id="mahalanobis-text"
# **Features.** In module 3 the Mahalanobis distance had one mean, since there was one class. Here
# there are two, cats and dogs; each gets its mean $m_c$, and all share one covariance $\Sigma$, that of
# the features *around the mean of their class* (Lee et al., arXiv 1807.03888):
#
# $$d(z) = \min_c \sqrt{(z - m_c)^\top\, \Sigma^{-1} (z - m_c)}$$
#
# ### Exercise 4.10
#
# Write `class_mahalanobis`: training features (M, d), their labels (M,), which need not be 0 and 1, and
# features (N, d) in; (N,) out, a tensor of the type of `z`.
# `LedoitWolf(assume_centered=True)` shrinks the covariance of what is centred already. **Done** when
# two classes that lie far apart do not stretch $\Sigma$.


# %% id="ex-4-10" tags=["exercise"] reference="helpers.scores.class_mahalanobis"
from sklearn.covariance import LedoitWolf


def class_mahalanobis(z_train, labels, z):
    """Mahalanobis distance to the nearest class mean. (M, d), (M,), (N, d) -> (N,)"""
    ...  # labels.unique(return_inverse=True) gives the classes, and the place of each label


# %% id="check-4-10" tags=["check", "nbval-check-output"]
class_mahalanobis = check("4.10", class_mahalanobis)

# %% [markdown] id="knn-text"
# **Neighbours.** No mean, no covariance: how far is the $k$-th nearest training picture, in features? Sun
# et al. (arXiv 2204.06507) scale all features to length 1 first, so that direction counts and not size.
#
# ### Exercise 4.11
#
# Write `normalised_knn`: (M, d), (N, d) and k in, a tensor (N,) out. **Done** when a feature ten times as
# long has the same score. With 10,000 pictures go part by part (`z.split(250)`): the matrix of
# 10,000 × M need not be there at once.


# %% id="ex-4-11" tags=["exercise"] reference="helpers.scores.normalised_knn"
def normalised_knn(z_train, z, k=50):
    """Distance to the k-th nearest training features, all of length 1. (M, d), (N, d) -> (N,)"""
    ...  # torch.cdist, kthvalue


# %% id="check-4-11" tags=["check", "nbval-check-output"]
normalised_knn = check("4.11", normalised_knn)

# %% [markdown] id="table-text"
# Features can be taken after each of the three stages: early ones hold colours and textures, late ones
# what tells cats from dogs. We look at all three, and at one score that takes everything together:
# the mean of energy and the three distances, each in units of its spread over the tuning pictures.
# (To pick the best stage from the table below would be to choose on the test set.)

# %% id="score-all"
from helpers.scores import max_softmax
from helpers.experiments.baselines import from_median
from helpers.experiments.module_04 import baseline_scores, combined, features_and_logits

z_train, _ = features_and_logits(model, parts.classifier.images)
labels = torch.from_numpy(parts.classifier.labels)


def score_all(images):
    """Every learned score of uint8 pictures (N, 3, 32, 32), as {name: array (N,)}."""
    (z, logit), error = features_and_logits(model, images), cae_error(ae, images)
    distances = {
        f"Mahalanobis, stage {i + 1}": class_mahalanobis(z_train[i], labels, z[i]) for i in range(3)
    }
    found = {"max softmax": max_softmax(logit), "energy": energy(logit)} | distances
    found["kNN"] = normalised_knn(z_train[-1], z[-1])
    found = {name: s.numpy() for name, s in found.items()}
    corrected = beyond_complexity(*tuned, error, complexity(images))
    return {"CAE error": error, "CAE error, corrected": corrected} | found


# %% id="scores"
tuning_scores = score_all(parts.tuning.images)
together = ["energy", *(f"Mahalanobis, stage {i}" for i in (1, 2, 3))]


def with_combined(found):
    pair = ({name: s[name] for name in together} for s in (found, tuning_scores))
    return found | {"energy and all stages": combined(*pair)}


groups = {role: getattr(parts, role).images for role in ("calibration", "test", "others")}
images = np.concatenate(list(groups.values()))
seen = parts.autoencoder.images
traits = from_median({"total variation": complexity, "chroma": chroma}, seen, images)
trivial = baseline_scores(seen, images) | traits
found = trivial | with_combined(score_all(images))
ends = np.cumsum([len(group) for group in groups.values()])[:-1]
pieces = {name: np.split(s, ends) for name, s in found.items()}
scores = {role: {name: p[i] for name, p in pieces.items()} for i, role in enumerate(groups)}


# %% id="judge"
from helpers.metrics import fpr_at_tpr


def judge(name):
    """What a score reaches, and its screen at 5 %."""
    inside, outside = scores["test"][name], scores["others"][name]
    low, high = bootstrap_interval(inside, outside, resamples=200)
    screen = Screen(0.05).fit(scores["calibration"][name])
    rates = {
        "refused in": screen.predict(inside).mean(),
        "refused out": screen.predict(outside).mean(),
    }
    row = {"AUROC": auroc(inside, outside), "low": low, "high": high}
    return row | {"FPR at 95 %": fpr_at_tpr(inside, outside)} | rates


judged = pd.DataFrame({name: judge(name) for name in scores["test"]}).T
judged.round(3)


# %% id="judge-figure"
learned = [name for name in judged.index if name not in trivial]
leader, best_trivial = (judged.AUROC[list(part)].idxmax() for part in (learned, trivial))
unclear = [name for name in learned if judged.low[name] <= judged.high[best_trivial]]
ours = (scores[role]["energy and all stages"] for role in ("test", "others"))
low, high = paired_difference(*ours, errors, other_errors, resamples=200)
rows = judged.rename(columns={"AUROC": "auroc"}).assign(score=judged.index, group="eight classes")
figure = plotting.seed_intervals(rows.sort_values("auroc", ascending=False), "score", "group")
figure.axes[0].set_xlim(judged.low.min() - 0.02, judged.high.max() + 0.02)
plotting.show(
    figure,
    f"AUROC over the eight classes with 95 % interval. Of the learned scores {leader} has the highest, "
    f"{judged.AUROC[leader]:.3f}; of the {len(trivial)} trivial ones {best_trivial}, "
    f"{judged.AUROC[best_trivial]:.3f}, whose interval is reached by those of "
    f"{', '.join(unclear) or 'no learned score'}. On the same pictures energy and all stages is above "
    f"the CAE's error by {low:.3f} to {high:.3f}.",
)

# %% id="judged-figure"
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
highest = [f"{kind} {values[kind].idxmax()}" for kind in values]
plotting.show(
    plotting.auroc_table(values.loc[ranked]),
    f"AUROC by class, best score over all classes first. The intervals of {leader} are up to "
    f"{widest:.2f} wide, so look at differences beyond that. Highest: {', '.join(highest)}.",
)

# %% id="claim-judged" tags=["claim"]
claim("the score fixed beforehand beats the CAE's error", low > 0)
claim("no score leads on all classes", values.idxmax().nunique() > 1)
claim("a screen at 5 % refuses few of the others", judged["refused out"].max() < 0.3)
claim(
    "neither brightness nor chroma tells much", judged.AUROC[["brightness", "chroma"]].max() < 0.6
)

# %% [markdown] id="table-lesson"
# The score that takes everything together was fixed before anyone looked at the test set, so its lead over
# the CAE's error, on the same pictures, may be believed. The highest of many scores on this test set may
# not: on another one another score may lead. Read the table by columns: no score leads on all
# classes, since each stage holds something else. And compare the last two columns of the table before
# with the AUROC: a screen that may refuse only 5 % of the pets refuses few of the others, whichever
# score it has. Nor is a single number such as the mean brightness or chroma of a picture enough.
#
# **In the literature** the same scores reach much more, in AUROC (OpenOOD v1.5, CIFAR-10, a ResNet-18 of
# 95 % accuracy on ten classes, trained on all 50,000 pictures for 100 epochs; mean over trainings):
#
# | score | near (CIFAR-100, TinyImageNet) | far (MNIST, SVHN, textures, places) |
# |---|---|---|
# | max softmax | .880 | .907 |
# | energy | .876 | .912 |
# | Mahalanobis | .842 | .897 |
# | kNN | .906 | .930 |
#
# From one training to the next these numbers move by up to .01, those of the Mahalanobis distance by more
# than .02. Newer methods stand above the four in the same list. A network that must tell ten classes
# apart has to know more about pictures than one that tells two. And in **one-class CIFAR-10**, where one
# class is normal and the nine others are not, the best detectors take features that were learned on
# ImageNet: an AUROC of .962, against .901 for the best one before (Reiss et al., PANDA, arXiv
# 2010.05903). What a network has learned elsewhere counts for more there than what it can rebuild.
#
# **Ten calibrations for each screen**, as in section 4:

# %% id="all-draws"
from helpers.experiments.module_04 import recalibrated

draws = {
    name: recalibrated(np.concatenate([scores["calibration"][name], scores["test"][name]]), k)
    for name in learned
}
share = [
    np.mean([low <= r <= high for d in draws.values() for r in d]) for low, high in (narrow, wide)
]
plotting.show(
    plotting.rate_strip(draws, 0.05, {"calibrated": wide, "threshold known": narrow}),
    f"False-alarm rates on cats and dogs. {share[0]:.0%} lie in the binomial interval "
    f"({narrow[0]:.1%} to {narrow[1]:.1%}), {share[1]:.0%} in the beta-binomial one ({wide[0]:.1%} to "
    f"{wide[1]:.1%}), which is the right one; the mean is {np.mean(list(draws.values())):.2%}.",
)

# %% id="claim-all-draws" tags=["claim"]
claim("the binomial interval is too narrow", share[0] < share[1] and share[1] > 0.85)

# %% [markdown] id="seeds-text"
# **Other trainings.** Which of these differences are luck of the training? The same with other seeds
# (`make results`), and a score that takes too long here: an **ensemble** of two classifiers, one minus the
# largest of their mean probabilities (Lakshminarayanan et al., arXiv 1612.01474). It holds the *total*
# uncertainty: it is large where both networks hesitate, and where they contradict each other. Only the
# second is epistemic; alone it would be measured by the mutual information, the entropy of the mean
# probabilities minus the mean of the entropies.
#
# The column `live` is this notebook's training. It has seed 0 as well, and yet it is another training:
# other machines and numbers of threads round differently in the last digit, and a thousand steps make
# that grow into another network. Read it as a sixth seed.

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
        f"Of this notebook's training {len(strays)} of {len(learned)} scores lie outside: "
        f"{', '.join(strays) or 'none'}."
        if alike
        else "This notebook's own training is on other data, so do not compare it."
    ),
)

# %% id="claim-seeds" tags=["claim"]
lead = seeds["energy and all stages"] - seeds["CAE error"]
claim("energy and all stages beats the CAE's error with every seed", lead.min() > 0)
better = (seeds["calibration error, mended"] < seeds["calibration error, raw"]).mean()
claim("the temperature does not reliably lower the calibration error", better < 0.8)

# %% id="seeds-temperature"
raw, mended = (seeds[f"calibration error, {which}"] for which in ("raw", "mended"))
print(
    f"T from {seeds.temperature.min():.2f} to {seeds.temperature.max():.2f}; the calibration error"
)
print(f"falls with it in {(mended < raw).sum()} of {len(seeds)} trainings")

# %% [markdown] id="seeds-lesson"
# Of six trainings, the sixth lies outside the range of the five others one time in three, for each
# score. So some strays are to be expected, and the spread over trainings, not the interval of one
# training, says how far to trust a difference between two scores. The lead of all stages together over
# the CAE's error holds with every seed. And the temperature of section 2, looked at over trainings, is what
# its interval said: fitted to so few tuning pictures it mends nothing that one could rely on.

# %% [markdown] id="longer-text"
# **Is it only too small, or too briefly trained?** Two things can be changed about the autoencoder, and
# they have to be changed one at a time. `make results` has trained the quick profile's network five
# times as long as above, and the article's network (twice the widths, a code of 1,000 numbers) just as
# long as above. Pictures, batches and rate are the same. Guess before you run the cell: what becomes of
# the error on tuning pictures, of the colour that is explained, and of the AUROC?

# %% id="longer-cae"
long = read_table("04_longer", source="real", profile="quick")
as_usual = read_table("04_seeds", source="real", profile="quick")["CAE error"]
measured = ["tuning error", "colour explained", "AUROC"]
runs = {
    f"{row['size']}, seed {row['seed']}": pd.DataFrame(
        {what: row[what] for what in measured}, index=row["epochs"]
    )
    for _, row in long.iterrows()
}
ends = pd.DataFrame({name: run.iloc[-1] for name, run in runs.items()})
plotting.show(
    plotting.training_curves(
        {what: {name: run[what] for name, run in runs.items()} for what in measured}
    ),
    "Trainings on real data. At the end: "
    + "; ".join(
        f"{name}, tuning error {end['tuning error']:.4f}, colour explained "
        f"{end['colour explained']:.0%}, AUROC {end.AUROC:.3f}"
        for name, end in ends.items()
    )
    + f". The {len(as_usual)} small trainings of usual length: AUROC {as_usual.min():.3f} to "
    f"{as_usual.max():.3f}.",
)

# %% id="claim-longer" tags=["claim"]
for name, run in runs.items():
    if not name.startswith("small"):
        continue
    steps = run.diff().iloc[1:]
    claim(f"longer training rebuilds better ({name})", steps["tuning error"].sum() < 0)
    claim("the screen gets worse, below all of usual length", run.AUROC.iloc[-1] < as_usual.min())
    claim(
        "it falls most when colour is learned",
        steps.AUROC.idxmin() == steps["colour explained"].idxmax(),
    )
large, small = (
    pd.concat([r.iloc[:1] for n, r in runs.items() if n.startswith(size)]).mean()
    for size in ("large", "small")
)
claim("size alone: no better reconstruction", large["tuning error"] > small["tuning error"])
claim("and a screen like the small one's", abs(large.AUROC - small.AUROC) < 0.03)

# %% [markdown] id="longer-cae-lesson"
# Longer training makes the reconstructions better and the screen worse, with either seed, and one can see
# when. For a long while the small network explains hardly any colour, and the AUROC stays where it was.
# Then it learns colours, with one seed earlier than with the other, and that is where the AUROC falls
# most: frogs and skies are rebuilt in their colours as well, and the error in colour was what the screen
# lived on. Size alone changes little: the large network, trained just as long, rebuilds no better and
# screens about as well. Nothing in either training says that a frog should come out badly.
#
# **And the scores of the classifier?** The full profile has one that looks at all pixels (no stride at
# first) and trains for 36 epochs; its autoencoder is the large one, trained for longer than above.

# %% id="longer"
trained = {p: read_table("04_seeds", source="real", profile=p) for p in ("quick", "full")}
common = sorted(set(trained["quick"].seed) & set(trained["full"].seed))
tables = {p: t.set_index("seed").loc[common, ["accuracy", *kept]] for p, t in trained.items()}
quick = trained["quick"].set_index("seed")
gain = (tables["full"] - tables["quick"]).mean()
gains = pd.DataFrame({p: t.mean() for p, t in tables.items()}).assign(gain=gain)
gains["above all quick seeds"] = gains.full > quick[gains.index].max()
gains["below all quick seeds"] = gains.full < quick[gains.index].min()
print(f"CIFAR-10, mean over seeds {common}; accuracy, then AUROCs")
gains.round(3)

# %% id="longer-words"
better, worse = (gains.index[gains[f"{side} all quick seeds"]] for side in ("above", "below"))
print(f"outside the range of the {len(quick)} quick trainings: above, {', '.join(better)};")
print(f"below, {', '.join(worse) or 'none'}")

# %% id="claim-longer-table" tags=["claim"]
claim(
    "most classifier scores lie above the range",
    len(better.difference(["accuracy"])) > len(kept) / 2,
)
claim("the autoencoder's error lies below it", "CAE error" in worse)

# %% [markdown] id="longer-lesson"
# One full training says little about a small gain, so compare it with the whole range of the quick ones.
# Most of the classifier's scores lie above that range: a network that knows more about cats and dogs
# knows a frog better as well. The autoencoder's lies below it.

# %% [markdown] id="system-text"
# ## 7 · What the screen buys
#
# The system: screens, then the classifier. `ScreenedClassifier` takes any scores; with several
# screens each gets an equal part of $\alpha$, so that all together keep the promise. An answer is a
# class with its probability, or a refusal with its reason (the article's returns `None`).

# %% id="system"
from helpers.screening import ScreenedClassifier


def two_scores(images):
    found = with_combined(score_all(images))
    return {name: found[name] for name in ("CAE error", "energy and all stages")}


system = ScreenedClassifier(model, PETS, two_scores, alpha=0.05, temperature=T)
system.fit(parts.calibration.images)
some = np.concatenate([parts.test.images[:4], parts.others.images[refused_others.argsort()[-4:]]])
pd.options.display.max_colwidth = 90  # for two reasons
system.predict(some).round(3)

# %% [markdown] id="risk-text"
# **Risk and coverage.** A system that may refuse is judged by two numbers: the share of pictures that it
# answers (**coverage**) and the share of these answers that are wrong (**risk**). An answer on a frog is
# wrong, whatever it says. Sort the pictures by confidence and answer only the first: each number of
# answers is a point of the **risk-coverage curve** (El-Yaniv and Wiener 2010), and its mean risk is the
# **AURC**, the smaller the better (Geifman, Uziel and El-Yaniv, arXiv 1805.08206).
#
# ### Exercise 4.12
#
# Write `risk_coverage`: confidences (N,), higher is more sure, and whether the answer is right (N,) in;
# coverage and risk (N,) out, most confident first. **Done** when each picture of a group of equal
# confidence counts with the mean error of its group: their order means nothing.


# %% id="ex-4-12" tags=["exercise"] reference="helpers.metrics.risk_coverage"
def risk_coverage(confidence, correct):
    """Share of wrong answers among the k most confident ones, k = 1 to N. -> coverage, risk"""
    ...  # np.unique(-confidence, return_inverse=True) gives the group of each picture


# %% id="check-4-12" tags=["check", "nbval-check-output"]
risk_coverage = check("4.12", risk_coverage)

# %% [markdown] id="stream-text"
# The stream: one picture in five is neither cat nor dog. Three ways to be confident: the classifier's own
# probability; the same behind a screen, where the refused come last; and the score alone. For comparison
# a **blind** screen, which refuses 5 % at random. Each change of the AURC has an interval: both ways are
# judged on the same resampled pictures of the stream.

# %% id="stream"
from helpers.metrics import answered, aurc
from helpers.datasets.splits import stream

RATE = 0.2
i, j = stream(n, len(parts.others), RATE)
confidence = np.concatenate([after[i], (outside_logits / T).softmax(dim=1).amax(dim=1).numpy()[j]])
correct = np.concatenate([right[i], np.zeros(len(j), dtype=bool)])
streamed = {
    name: np.concatenate([scores["test"][name][i], scores["others"][name][j]]) for name in learned
}
streamed["blind"] = rng.random(len(correct))
calibrated = {name: Screen(0.05).fit(scores["calibration"][name]) for name in learned}
calibrated["blind"] = Screen(0.05).fit(rng.random(k))
plain = aurc(confidence, correct)
print(f"AURC by the classifier's probability alone: {plain:.4f}")

# %% id="stream-gains"
resampled = rng.integers(len(correct), size=(100, len(correct)))
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
    low, high = areas[way, "change from"], areas[way, "to"]
    clear = {"lower": areas.index[high < 0], "higher": areas.index[low > 0]}
    for direction, which in clear.items():
        print(f"{way}, AURC clearly {direction}: {', '.join(which) or 'none'}")

# %% id="risk-figure"
system_score = "energy and all stages"  # fixed beforehand
refused = calibrated[system_score].predict(streamed[system_score])
lines = {
    "probability": confidence,
    "behind the screen": answered(confidence, refused),
    "score alone": -streamed[system_score],
}
behind, alone = (areas.loc[system_score, way] for way in ways)
plotting.show(
    plotting.curves(
        {name: risk_coverage(c, correct) for name, c in lines.items()}, "coverage", "risk"
    ),
    f"One picture in five is foreign; all answered, {1 - correct.mean():.1%} are wrong. AURC {plain:.3f} "
    f"by the probability. Behind the screen ({system_score}) {behind.AURC:.3f}, a change of "
    f"{behind['change from']:+.4f} to {behind['to']:+.4f}; by that score alone {alone.AURC:.3f}.",
)

# %% id="claim-risk" tags=["claim"]
claim("by the score alone the system is clearly worse", alone["change from"] > 0)
claim("a blind screen makes it clearly worse", areas.loc["blind", ways[0]]["change from"] > 0)
claim("the screen fixed beforehand changes little", abs(behind.AURC / plain - 1) < 0.05)
claim("and does better than a blind one", behind.AURC < areas.loc["blind", ways[0]].AURC)
claim("kNN alone is as good as the probability", areas.loc["kNN", ways[1]].AURC / plain < 1.05)

# %% [markdown] id="cost-text"
# A screen asks "is it a cat or a dog at all?", the probability asks "which of them?". A score of the
# first kind does not know which pets the classifier gets wrong, so alone it makes a poor confidence. (One
# that uses the last stage's features knows some of both: compare kNN.) And a screen that may refuse 5 %
# of the pets finds so few of the foreign pictures that the AURC hardly changes; the printed intervals say
# which changes are more than chance. It does better than blind refusal, which finds no larger share of
# the foreign pictures than of the others.
#
# **Cost.** What counts in the end is a price: a wrong answer costs 1, a refusal costs $c$ (somebody
# has to look). If one knew how likely an answer is to be wrong, the best rule would be simple: refuse
# where that is more than $c$ (**Chow's rule**, 1970). One minus the classifier's probability is such an
# estimate, for cats and dogs. For a frog it is too low, so Chow's rule answers too much. The table
# compares answering all, refusing all, the screen at 5 %, Chow's rule, and Chow's rule behind the screen;
# the last columns give its gain over Chow's rule alone, with 95 % interval, and the $\alpha$ that would
# have been best for the screen alone, between 0 (answer all) and 1 (refuse all).

# %% id="cost"
from helpers.widgets.risk import mean_cost

p = calibrated[system_score].p_values(streamed[system_score])
alphas, rows = np.linspace(0, 1, 101), []
for price in (0.1, 0.2, 0.3, 0.5):
    doubtful = 1 - confidence > price
    rules = {"answer all": p < 0, "refuse all": p <= 1, "screen": refused, "Chow": doubtful}
    rules["Chow and screen"] = doubtful | refused
    gain = np.where(doubtful < rules["Chow and screen"], ~correct - price, 0)
    error = 1.96 * gain.std() / np.sqrt(len(gain))
    best = min(alphas, key=lambda alpha: mean_cost(correct, p <= alpha, price))
    rows.append(
        {"price": price}
        | {name: mean_cost(correct, rule, price) for name, rule in rules.items()}
        | {"gain from": gain.mean() - error, "to": gain.mean() + error, "best alpha": best}
    )
costs = pd.DataFrame(rows).set_index("price")
costs.round(3)

# %% id="cost-words"
fixed = ["answer all", "refuse all", "screen", "Chow", "Chow and screen"]
print("cheapest:", *(f"at {price}: {costs[fixed].loc[price].idxmin()};" for price in costs.index))

# %% id="claim-cost" tags=["claim"]
claim("at 0.1 refusing everything is cheapest", costs[fixed].loc[0.1].idxmin() == "refuse all")
claim("the dearer a refusal, the fewer of them", costs["best alpha"].is_monotonic_decreasing)
claim("the classifier is less sure of foreign pictures", sure < sure_inside)
claim("up to 0.3 Chow's rule beats the screen", (costs.Chow < costs.screen)[:3].all())
claim("and gains from the screen", (costs["Chow and screen"] < costs.Chow)[:3].all())

# %% [markdown] id="cost-lesson"
# Where a refusal costs a tenth of an error, no classifier and no screen is worth having: whoever looks at
# every picture pays less. At 0.2 and 0.3 Chow's rule beats the screen at 5 %: it may refuse as many
# pictures as the price is worth, and since the classifier is less sure of foreign pictures than of cats
# and dogs (section 2), many of them are among the refused. The screen adds a little to it, by what it
# knows besides; the interval says whether that is more than chance. At 0.5 Chow's rule never refuses: of
# two classes the more probable one has at least one half. The best $\alpha$ depends on the price and on
# the share of foreign pictures, which a calibration on cats and dogs cannot know.

# %% [markdown] id="explore-risk-text"
# **Try it yourself.** Find a share of foreign pictures and a price at which the CAE's screen pays at
# all. Then take the best score, and compare.

# %% id="explore-risk" tags=["nbval-ignore-output"]
from helpers.widgets import risk_explorer

screens = {name: Screen(0.05).fit(scores["calibration"][name]) for name in learned}
p_inside, p_outside = (
    {name: screen.p_values(scores[role][name]) for name, screen in screens.items()}
    for role in ("test", "others")
)
outside_confidence = (outside_logits / T).softmax(dim=1).amax(dim=1).numpy()
risk_explorer(after, right, outside_confidence, p_inside, p_outside)

# %% [markdown] id="own-text"
# ## 8 · Your own pictures
#
# Real pictures come as files, and files are odd: lying on their side with a note that says so, with
# transparent parts, in grey, in the colours of a printer, with several frames. `read_picture` makes
# 32×32 pixels of any of them, or says what is wrong. It takes the middle square of a picture that is
# not square; the article's resize squeezes all of it into a square, and a long dog becomes a short one,
# which is one more way to be unlike the training pictures.

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
(folder / "letter.jpg").write_text("This is no picture.")
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
)

# %% [markdown] id="upload-text"
# **Choose a picture of yours.** It is read in this notebook and goes nowhere. Behind the button stands a
# system with four screens. (`show_judgement("path/to/picture.jpg", own_system, ae)` does the same for a
# path.) Remember what the networks are: they have seen 32×32 pixels of cats and dogs, nothing else.

# %% id="own-system"
from helpers.widgets import show_judgement, upload_explorer


def four_scores(images):
    found = score_all(images)
    return {name: found[name] for name in ("CAE error", "energy", "Mahalanobis, stage 1", "kNN")}


own_system = ScreenedClassifier(model, PETS, four_scores, alpha=0.1, temperature=T)
own_system.fit(parts.calibration.images)
show_judgement(folder / "telephone.jpg", own_system, ae)

# %% id="upload" tags=["nbval-ignore-output"]
upload_explorer(own_system, ae, parts.others.images[middle[0]])

# %% [markdown] id="believe"
# ## 9 · What to believe, and what not
#
# **Believe**
# - the false-alarm rate of a calibrated screen, on cats and dogs like these, within its interval;
# - that the CAE's error follows the detail and the colours of a picture, and says little about what is on
#   it;
# - differences between scores that hold over trainings, of scores that were fixed beforehand.
#
# **Do not believe**
# - a screen that was judged by seven pictures, or on the pictures that chose its threshold;
# - a calibration error that has no interval, or the best of many scores on one test set;
# - that a small probability means "not a cat or a dog": that is another question;
# - a figure from the literature for a network with ten classes, on a network with two;
# - that a screen makes the system safe. Most foreign pictures pass, at a false-alarm rate that one can
#   bear.

# %% id="results-summary" tags=["results"]
from IPython.display import Markdown

behind = areas["behind the screen", "AURC"]
rows = {
    "classifier: accuracy on test cats and dogs": f"{right.mean():.1%}",
    "expected calibration error before and after the temperature; by chance": f"{ece[0]:.4f}, {ece[1]:.4f}; {chance[0]:.4f} to {chance[1]:.4f}",
    "CAE, cats and dogs: rank correlation of lightness error and total variation, of colour error and chroma": f"{correlations.loc['total variation', ('cats and dogs', 'lightness')]:.2f}, {correlations.loc['chroma', ('cats and dogs', 'colour')]:.2f}",
    f"AURC, {RATE:.0%} foreign: no screen, behind {system_score}, behind a blind screen": f"{plain:.4f}, {behind[system_score]:.4f}, {behind['blind']:.4f}",
}
system_table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
over = {name: "{min:.3f} to {max:.3f}".format(**spread.loc[name]) for name in learned if alike}
line = "| {} | {:.3f} ({:.3f} to {:.3f}) | {:.2f} | {:.1%} | {:.1%} | {} |"
score_table = "\n".join(
    line.format(name, *judged.loc[name], over.get(name, "")) for name in [*trivial, *learned]
)
Markdown(f"""| {parts.test.name}, {parts.test.source} data | |
|---|---|
{system_table}

| score | AUROC | FPR at 95 % | cats, dogs refused | others refused | AUROC, {len(seeds)} seeds |
|---|---|---|---|---|---|
{score_table}""")

# %% id="quiz" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("04")

# %% id="progress" tags=["nbval-ignore-output"]
progress()

# %% [markdown] id="further"
# ## Further reading
#
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
# - C. K. Chow, *On optimum recognition error and reject tradeoff*, IEEE Transactions on Information
#   Theory, 1970.
# - Y. Geifman, G. Uziel and R. El-Yaniv, *Bias-reduced uncertainty estimation for deep neural
#   classifiers*, ICLR 2019, arXiv 1805.08206.
# - T. Reiss et al., *PANDA: adapting pretrained features for anomaly detection and segmentation*,
#   CVPR 2021, arXiv 2010.05903.
# - Y. Geifman and R. El-Yaniv, *Selective classification for deep neural networks*, NeurIPS 2017,
#   arXiv 1705.08500.
# - V. Vovk, *Conditional validity of inductive conformal predictors*, ACML 2012, arXiv 1209.2673.
# - J. Zhang et al., *OpenOOD v1.5: enhanced benchmark for out-of-distribution detection*,
#   arXiv 2306.09301.
#
# **Next:** module 5 takes an encoder that was trained on something else, freezes it, and looks for disease
# on scans of the retina.
