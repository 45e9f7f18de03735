# %% [markdown] id="title"
# # Module 1 · Autoencoder basics
#
# An autoencoder squeezes a picture through a narrow place and rebuilds it. What it has never
# learned to rebuild, it rebuilds badly: that is the whole idea of this course. In this module you
# build one, learn to read it, and turn its error into a detector whose false-alarm rate you know.
#
# **Afterwards you can**
# - build and train a convolutional autoencoder, and say what it owes to PCA;
# - score single images, and choose a threshold that keeps a promise;
# - measure a detector (ROC, AUROC, precision, intervals) and compare it with trivial ones;
# - say what a latent space shows, and what it does not.
#
# **You need** first steps in PyTorch: tensors, `nn.Module`, what a gradient is.
# **Time** 90 to 120 minutes with the eleven exercises; the next cells measure how long the computer
# needs.
#
# *How it works:* an exercise leaves a `...` for you. The cell below it checks your answer and names
# the mistake. An unfinished exercise never blocks you: the notebook goes on with the reference.
# `hint("1.1")` helps, one step a call; `solution("1.1")` shows how we wrote it.

# %% id="setup" tags=["setup"]
import sys

sys.path.insert(0, "..")  # the course folder
import helpers  # before torch: sets how its threads wait

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from helpers.checks import check, hint, progress, solution
from helpers.datasets import load
from helpers.preload import preload
from helpers.runtime import choose, device, preflight, set_seed, training_length
from helpers.training import adam, apply, as_input, batches, fit, mean_loss

preload("torch._dynamo")  # what the first training waits for

# %% id="preflight" tags=["nbval-ignore-output"]
preflight("01")
preload("seaborn", "helpers.checks.module_01")  # while you read

# %% [markdown] id="data-text"
# ## 1 · Squeeze and rebuild
#
# Our normal pictures are handwritten digits, 28×28 pixels, stored as bytes. Three parts with three
# roles, and no picture in two of them:
# **train** for the networks, **calibration** for thresholds, **test** for the numbers we report.

# %% id="data"
digits = load("mnist")
available = min(len(digits["train"]), choose(quick=14_400, full=60_000))
train, calibration = digits["train"].draw(available - available // 6, available // 6, seed=0)
test = digits["test"]
print(f"train {len(train):,}, calibration {len(calibration):,}, test {len(test):,}")

# %% id="data-figure"
from helpers import plotting

plotting.use_course_style()

plotting.show(
    plotting.image_rows({"train": train.images[:12], "test": test.images[:12]}),
    "Handwritten digits, white on black: twelve to learn from, twelve to judge by.",
)

# %% [markdown] id="pca-text"
# An autoencoder has two halves. The **encoder** $f$ maps a picture $x$ to a short **code**
# $z = f(x)$, the **decoder** $g$ maps the code to a reconstruction $\hat x = g(z)$. Both are trained
# to make $\hat x$ like $x$, on average over the training pictures:
#
# $$\min_{f,\,g}\ \frac1N\sum_{i=1}^{N}\lVert x_i - g(f(x_i))\rVert^2$$
#
# If $f$ and $g$ are linear, you know the answer already. The best linear subspace of dimension $d$
# is the one that **PCA** finds (Baldi and Hornik, 1989). Let gradient descent look for it without
# knowing that.

# %% id="linear-train"
from helpers.models import LinearAutoencoder

set_seed(0)
linear = LinearAutoencoder(latent_dim=4)
steps = training_length(quick=2000, full=6000)
linear_epochs = max(1, round(steps * 64 / len(train)))
optimizer = adam(linear, lr=1e-2, weight_decay=0)
history = fit(linear, train.images, epochs=linear_epochs, optimizer=optimizer)

# %% [markdown] id="angles-text"
# Do the two agree? Two subspaces are compared by their **principal angles**: all zero if they are
# the same, 90° where a direction of one is missing in the other. Beside it, for scale, a random
# subspace of the same dimension.

# %% id="angles"
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

pca = PCA(n_components=4).fit(train.images.reshape(len(train), -1) / np.float32(255))
learned = linear.decoder[0].weight.detach().cpu().numpy()  # (784, 4): its columns span the subspace
random = np.random.default_rng(0).normal(size=learned.shape)
for name, columns in {"linear autoencoder": learned, "random subspace": random}.items():
    angles = np.rad2deg(subspace_angles(pca.components_.T, columns))
    print(f"{name:18} principal angles to PCA in degrees: {np.round(angles[::-1], 1)}")
following = PCA(n_components=5).fit(train.images.reshape(len(train), -1) / np.float32(255))
gap = following.explained_variance_[4] / following.explained_variance_[3]
print(f"variance of the fifth component: {gap:.0%} of that of the fourth")

# %% id="linear-errors"
some = test.images
flat = some.reshape(len(some), -1) / np.float32(255)
pca_mse = np.mean((pca.inverse_transform(pca.transform(flat)) - flat) ** 2)
linear_mse = mean_loss(linear, some)
print(f"test error with 4 numbers: PCA {pca_mse:.4f}, linear autoencoder {linear_mse:.4f}")

# %% id="claim-linear" tags=["claim"]
from helpers.claims import claim

to_pca, to_random = (
    np.rad2deg(subspace_angles(pca.components_.T, columns)) for columns in (learned, random)
)
claim("three of the linear autoencoder's angles are a few degrees", np.sort(to_pca)[2] < 15)
claim("the fourth only where the variances are near", to_pca.max() < 15 or gap > 0.8)
claim("those of a random subspace are nearly 90 degrees", to_random.min() > 60)
claim("PCA's error is the smaller one, by little", pca_mse <= linear_mse < 1.05 * pca_mse)

# %% [markdown] id="linear-lesson"
# The linear autoencoder finds PCA's subspace, without knowing it and in small steps: at least three of
# its angles are a few degrees, those of a random subspace nearly 90. (The fourth may be large where the
# fifth component has nearly the variance of the fourth: then either will do, and the errors are the same
# for all practical purposes.) So whatever an autoencoder does better than PCA, it
# owes to being **non-linear**, and in pictures to **convolutions**. A convolutional autoencoder that
# does not beat PCA was not worth training. Section 10 asks at which sizes of the code ours does.
#
# ## 2 · The arithmetic of convolutions
#
# A convolution slides a kernel over the picture. With padding $p$ on both sides, kernel size $k$ and
# stride $s$, how long is a side afterwards? Get this wrong and no network fits together.
#
# ### Exercise 1.1
#
# Write `conv_output_size`: four integers in, pixels, one integer out. **Done** when it holds for
# strides that do not divide the length, too.


# %% id="ex-1-1" tags=["exercise"] reference="helpers.models.conv_output_size"
def conv_output_size(size, kernel_size, stride=1, padding=0):
    """Length of a side after a convolution, in pixels. Four integers -> int"""
    ...  # how many places does the kernel find on the padded side?


# %% id="check-1-1" tags=["check", "nbval-check-output"]
conv_output_size = check("1.1", conv_output_size)

# %% id="conv-sizes" tags=["nbval-check-output"]
after_one = conv_output_size(28, kernel_size=3, stride=2, padding=1)
after_two = conv_output_size(after_one, kernel_size=3, stride=2, padding=1)
after_three = conv_output_size(after_two, kernel_size=7)
print(f"28 -> {after_one} -> {after_two} -> {after_three}")

# %% [markdown] id="network-text"
# So two convolutions of stride 2 and one of kernel 7 lead from 28×28 to a single pixel: the network
# that we build. The last of them sees its whole 7×7 input at once, and a convolution that has only
# one place to go is a linear layer; we write it as one.
#
# | encoder | output | | decoder | output |
# |---|---|---|---|---|
# | `Conv2d` 1→16, kernel 3, stride 2, padding 1, ReLU | 16×14×14 | | `Linear` latent_dim→64 | 64 |
# | `Conv2d` 16→32, the same, ReLU | 32×7×7 | | `Linear` 64→1568, ReLU, `Unflatten` | 32×7×7 |
# | `Flatten`, `Linear` 1568→64 | 64 | | `ConvTranspose2d` 32→16, kernel 3, stride 2, padding 1, ReLU | 16×14×14 |
# | `Linear` 64→latent_dim | latent_dim | | `ConvTranspose2d` 16→1, the same sizes, sigmoid (no ReLU) | 1×28×28 |
#
# (The layer of 64 numbers on both sides of the code comes from the tutorial whose network this is. It
# has no activation of its own. Keep it in mind for section 10.)
#
# A transposed convolution runs the arithmetic backwards: $(n-1)s - 2p + k$ pixels. From 7 that gives
# 13, because 13 and 14 both shrink to 7; `output_padding=1` says which of them is meant.
#
# ### Exercise 1.2
#
# Write the network of the table. `encode` takes pictures (N, 1, 28, 28) to codes (N, latent_dim),
# `decode` takes codes to pictures with pixels in [0, 1], calling the module does both. **Done** when
# shapes, range and the number of parameters are right, and a ReLU bends wherever the table has one.


# %% id="ex-1-2" tags=["exercise"] reference="helpers.models.ConvAutoencoder"
class ConvAutoencoder(nn.Module):
    """28×28 pictures to `latent_dim` numbers and back. (N, 1, 28, 28) -> (N, 1, 28, 28) in [0, 1]"""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = ...  # nn.Sequential: the left half of the table
        self.decoder = ...  # nn.Sequential: the right half, ending in nn.Sigmoid()

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


# %% id="check-1-2" tags=["check", "nbval-check-output"]
ConvAutoencoder = check("1.2", ConvAutoencoder)

# %% id="network-numbers" tags=["nbval-check-output"]
weights = sum(p.numel() for p in ConvAutoencoder(latent_dim=20).parameters())
print(f"{weights:,} parameters; {28 * 28} pixels squeezed into 20 numbers, 1 : {28 * 28 / 20:.0f}")

# %% [markdown] id="loop-text"
# ## 3 · The loop
#
# Training repeats one step: forget the old gradients, reconstruct a batch, measure the error, send
# it back, move the weights a little. The loss is the mean squared error, the optimiser Adam.
#
# ### Exercise 1.3
#
# Write that step. `loss_fn(x_hat, x)` gives a scalar tensor; return its value as a Python `float`.
# The loop puts the model into training mode; leave it there. **Done** when two steps in a row are
# right (the second one shows what the first left behind), with any loss.


# %% id="ex-1-3" tags=["exercise"] reference="helpers.training.train_step"
def train_step(model, x, optimizer, loss_fn):
    """One update of the model on the batch x. Returns the loss before the update, as a float."""
    ...  # five lines; the target of an autoencoder is its own input


# %% id="check-1-3" tags=["check", "nbval-check-output"]
train_step = check("1.3", train_step)

# %% [markdown] id="loop-plan"
# Now the loop itself, in full view. While it runs we keep an eye on nine test digits, always the
# same, and store how they are rebuilt at a few moments. The profile fixes the number of *steps*, so
# a small data set simply gets more epochs.

# %% id="loop-setup"
set_seed(1)
ae = ConvAutoencoder(latent_dim=20).to(device())
optimizer = torch.optim.Adam(ae.parameters(), lr=1e-3, weight_decay=1e-5)
batch_size = 64
epochs = max(1, round(training_length(quick=1900, full=15_600) * batch_size / len(train)))
moments = {0} | {round(epochs * share) for share in (0.1, 0.25, 0.5, 1)}
watched = np.stack([test.of_class(name).images[0] for name in test.classes[:9]])
snapshots = {0: apply(ae, watched)}
print(f"{epochs} epochs of {-(-len(train) // batch_size)} steps")

# %% id="loop"
history, curve = [], plotting.LiveCurve("epoch", "mean squared error")
bar = tqdm(range(1, epochs + 1), file=sys.stdout, ncols=80, unit="epoch")
for epoch in bar:
    ae.train()
    losses = [
        train_step(ae, x, optimizer, F.mse_loss)
        for x in batches(train.images, batch_size, shuffle=True)
    ]
    ae.eval()
    history.append({"train": np.mean(losses), "validation": mean_loss(ae, calibration.images)})
    curve.update(history)
    if epoch in moments:
        snapshots[epoch] = apply(ae, watched)

# %% [markdown] id="loop-question"
# At first the training loss lies above the validation loss: the training mean is taken *while* the
# network improves, the validation mean after each epoch. If validation rises while training falls, the
# network learns its training pictures by heart. Two histograms show whether ours did: errors of
# pictures that it was trained on, and of pictures that it has never seen.


# %% id="train-histogram"
def picture_errors(images):
    """Mean squared error of each picture under the trained network. -> array (N,)"""
    return apply(lambda x: (ae(x) - x).square().mean(dim=(1, 2, 3)), images).numpy()


seen, unseen = picture_errors(train.images[: len(calibration)]), picture_errors(calibration.images)
plotting.show(
    plotting.score_histogram(
        {"training digits": seen, "calibration digits": unseen},
        {},
        colours=(plotting.NORMAL, plotting.SECOND),
    ),
    f"Mean error {seen.mean():.5f} on training digits, {unseen.mean():.5f} on calibration digits: "
    f"{unseen.mean() / seen.mean() - 1:+.0%}.",
)

# %% [markdown] id="loader-text"
# **The same with PyTorch's own tools.** `batches` slices an array that fits into memory. For files on a
# disk one writes a `Dataset`: how many pictures there are, and how to get one. A *transform* turns a
# stored picture into what the network wants, and a `DataLoader` draws the order and stacks the batches.
# Change the two methods, and it reads your own folder of pictures (`torchvision.datasets.ImageFolder`
# is such a class, for folders with one subfolder a class).

# %% id="loader"
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


class Digits(Dataset):
    """The training digits, one at a time."""

    to_float = v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    )  # [0, 255] to [0, 1]

    def __len__(self):
        return len(train)

    def __getitem__(self, i):
        return self.to_float(train.images[i].transpose(1, 2, 0))  # a file has its channels last


loader = DataLoader(Digits(), batch_size=batch_size, shuffle=True)
x = next(iter(loader))
print(f"a batch of the loader: {tuple(x.shape)}, {x.dtype}, from {x.min():.0f} to {x.max():.0f}")

# %% id="loader-time"
import time
from itertools import islice

for name, stream in {
    "batches": batches(train.images, batch_size, shuffle=True),
    "DataLoader": loader,
}.items():
    start = time.perf_counter()
    for _ in islice(stream, 50):
        pass
    print(f"{name:10} {(time.perf_counter() - start) / 50 * 1000:5.1f} ms a batch")

# %% [markdown] id="loader-lesson"
# The loader fetches and converts its pictures one by one. That is what files need, and what pictures in
# memory can do without; this course therefore goes on with `batches`.
#
# **What did it learn first?** The same nine digits before training and at four later moments:

# %% id="snapshots"
rows = {f"epoch {epoch}": pictures for epoch, pictures in sorted(snapshots.items())}
plotting.show(
    plotting.image_rows({"digit": watched} | rows),
    "Before training: flat grey. Then blurred shapes, later each digit's own strokes.",
)

# %% [markdown] id="error-text"
# ## 4 · Where the error lives
#
# The loss is a mean over a batch. A detector must judge *one* picture, so it needs one error for
# each: the mean of the squared differences over the picture's own pixels.
#
# $$\text{score}(x) = \frac{1}{CHW}\sum_{c,h,w}(\hat x_{chw} - x_{chw})^2$$
#
# ### Exercise 1.4
#
# Write `reconstruction_error`: pictures and reconstructions (N, C, H, W) in, errors (N,) out, all
# tensors. **Done** when a batch of one, colour, float64 and the gradient are right as well.


# %% id="ex-1-4" tags=["exercise"] reference="helpers.scores.reconstruction_error"
def reconstruction_error(x, x_hat):
    """Mean squared error of each image. (N, C, H, W) and the same -> (N,)"""
    ...  # average over channels and pixels, never over the batch


# %% id="check-1-4" tags=["check", "nbval-check-output"]
reconstruction_error = check("1.4", reconstruction_error)


# %% id="score-function"
def score(images):
    """Error of each picture under the trained autoencoder. uint8 (N, 1, 28, 28) -> array (N,)"""
    return apply(lambda x: reconstruction_error(x, ae(x)), images).numpy()


test_errors = score(test.images)
calibration_errors = score(calibration.images)
print(f"mean error {test_errors.mean():.5f}, median {np.median(test_errors):.5f} (test)")

# %% [markdown] id="residual-text"
# Which digits are rebuilt worst, and where on the picture? The **residual** $\hat x - x$ shows it:
# blue where ink is missing, orange where it was invented.

# %% id="residuals" tags=["cover"]
worst = np.argsort(test_errors)[-8:]
plotting.show(
    plotting.residual_rows(test.images[worst], apply(ae, test.images[worst])),
    "The eight test digits with the largest error: unusual strokes are smoothed towards common ones.",
)

# %% id="per-digit"
import pandas as pd

per_digit = pd.DataFrame({"digit": np.array(test.classes)[test.labels], "error": test_errors})
order = per_digit.groupby("digit").error.median().sort_values()
plotting.show(
    plotting.boxes(per_digit, "digit", "error", order=order.index, log=True),
    f"Error by digit: lowest for {order.index[0]}, highest for {order.index[-1]}, whose median is "
    f"{order.iloc[-1] / order.iloc[0]:.1f} times as large.",
)

# %% [markdown] id="per-digit-lesson"
# All of these digits are *normal*, and their errors still differ by class. A single stroke is easy to
# rebuild; shapes that are rare or have many parts are not. So the score mixes "strange" with
# "complicated". Keep that in mind: it will come back in every module.
#
# ## 5 · From error to decision
#
# A detector needs a threshold: flag a picture when its error lies above it. Which one? A popular
# rule takes the mean plus $k$ standard deviations.
#
# ### Exercise 1.5
#
# Write the rule: scores (n,) in, a threshold (float) out. **Done** when lists work too.


# %% id="ex-1-5" tags=["exercise"] reference="helpers.thresholds.mean_std_threshold"
def mean_std_threshold(scores, k=1.0):
    """Mean of the scores plus k standard deviations. (n,) -> float"""
    ...  # describe these scores themselves: divide by n, as np.std does


# %% id="check-1-5" tags=["check", "nbval-check-output"]
mean_std_threshold = check("1.5", mean_std_threshold)

# %% [markdown] id="trap-text"
# The tutorial that this module re-teaches applied the rule to the losses of the test *batches*, 64
# digits each in random order, and printed a threshold of 0.008046 (a blog tutorial of 2021). It then
# tested it on one digit. Let us do what it did, and count.

# %% id="trap"
shuffled = np.random.default_rng(0).permutation(test_errors)
batch_means = np.array([part.mean() for part in np.array_split(shuffled, len(test) // 64)])
trap = mean_std_threshold(batch_means)
flagged = test_errors > trap
print(f"standard deviation: batch means {batch_means.std():.5f}, images {test_errors.std():.5f}")
print(f"the batch-mean rule flags {flagged.mean():.1%} of the normal test digits")

# %% id="trap-histogram"
plotting.show(
    plotting.score_histogram(
        {"normal test digits": test_errors},
        {"mean": test_errors.mean(), "median": np.median(test_errors), "batch-mean rule": trap},
    ),
    f"Errors of single digits spread far beyond the threshold: {flagged.mean():.0%} lie above it.",
)

# %% id="trap-per-digit"
share = pd.Series(flagged).groupby(np.array(test.classes)[test.labels]).mean()
plotting.show(
    plotting.share_bars(share, "share of normal digits flagged"),
    f"The batch-mean rule flags {share.min():.0%} of the {share.idxmin()}s and {share.max():.0%} of "
    f"the {share.idxmax()}s. All of them are normal.",
)

# %% id="claim-trap" tags=["claim"]
claim("the batch-mean rule flags many normal digits", flagged.mean() > 0.2)
claim("batch means spread several times less", test_errors.std() > 4 * batch_means.std())
claim("the rule treats digits very differently", share.max() > 3 * share.min() + 0.05)

# %% [markdown] id="trap-lesson"
# **The batch-mean trap.** The mean of 64 independent errors varies $\sqrt{64} = 8$ times less than a
# single error. So "one standard deviation above" is next to the mean, and whatever lies above the mean
# is flagged. The rule failed twice more: it was calibrated on the very pictures that it was tested
# on, and nobody printed its false-alarm rate.
#
# Take the standard deviation over *images*, and on the calibration digits. Better. But what does
# mean + $k$·std promise? Only if errors were Gaussian would we know, and they are skewed.

# %% id="std-rule"
for k in (1, 2, 3):
    gaussian = 0.5 * torch.erfc(torch.tensor(k / 2**0.5)).item()
    rate = (test_errors > mean_std_threshold(calibration_errors, k)).mean()
    print(f"mean + {k}·std flags {rate:.2%} of the normal test digits (Gaussian: {gaussian:.2%})")

# %% [markdown] id="conformal-text"
# ### A threshold that keeps a promise
#
# Forget the shape of the distribution and use ranks. Take $n$ calibration scores $s_1, \dots, s_n$
# from normal pictures the network has not been trained on, and a new score $s$. Suppose that the new
# picture is normal too, and that the $n+1$ pictures are **exchangeable**: shuffled, they would be just
# as likely. (Pictures drawn independently from one source are. Digits of other writers are not.) Then
# every rank of $s$ among the scores is equally likely; ties can only make $p$ larger. The **conformal
# p-value** is that rank, counted from the top:
#
# $$p(s) = \frac{1 + \#\{i : s_i \ge s\}}{n + 1}, \qquad
# P\big(p(s) \le \alpha\big) \le \alpha \ \text{ for a normal picture.}$$
#
# No assumption on the network, the score or the distribution (Vovk et al., 2005; Bates et al.,
# arXiv 2104.08279).
#
# ### Exercise 1.6
#
# Write it: n calibration scores and m new scores in, m p-values out. **Done** when ties, an unsorted
# calibration set and even an empty one are right.


# %% id="ex-1-6" tags=["exercise"] reference="helpers.thresholds.conformal_p_values"
def conformal_p_values(calibration_scores, scores):
    """Share of normal images at least as anomalous, the image itself counted. (n,), (m,) -> (m,)"""
    ...  # how many calibration scores are >= each score?


# %% id="check-1-6" tags=["check", "nbval-check-output"]
conformal_p_values = check("1.6", conformal_p_values)

# %% [markdown] id="threshold-text"
# A p-value is a decision for every $\alpha$ at once: flag where $p \le \alpha$. Sometimes one wants
# the threshold itself, to draw it or to hand it on.
#
# ### Exercise 1.7
#
# Write `conformal_threshold`, so that `score > threshold` holds exactly where `p <= alpha`. With few
# calibration scores no p-value is small enough; then nothing may be flagged and the threshold is
# infinite. With `alpha = 1` everything is flagged: minus infinity. **Done** when both rules agree on
# every score.


# %% id="ex-1-7" tags=["exercise"] reference="helpers.thresholds.conformal_threshold"
def conformal_threshold(calibration_scores, alpha):
    """The threshold above which exactly the scores with p <= alpha lie. (n,) -> float"""
    ...  # how many calibration scores may a flagged score leave at or above it?


# %% id="check-1-7" tags=["check", "nbval-check-output"]
conformal_threshold = check("1.7", conformal_threshold)

# %% id="promise"
from helpers.thresholds import false_alarm_interval

n, m = len(calibration_errors), len(test_errors)
rows = []
for alpha in (0.01, 0.05, 0.10):
    rate = (test_errors > conformal_threshold(calibration_errors, alpha)).mean()
    low, high = false_alarm_interval(n, m, alpha)
    inside = "inside" if low <= rate <= high else "below" if rate < low else "above"
    rows.append({"alpha": alpha, "flagged": rate, "from": low, "to": high, "it is": inside})
print(f"mean error: calibration {calibration_errors.mean():.5f}, test {test_errors.mean():.5f}")
promise = pd.DataFrame(rows).set_index("alpha")
promise.map(lambda value: value if isinstance(value, str) else f"{value:.2%}")

# %% [markdown] id="simulation-text"
# How far from alpha may the share of flagged digits lie? Two things vary: which $m$ test digits were
# drawn, and which $n$ calibration digits, since they set the threshold. "from" and "to" take both into
# account: 95 of 100 calibrations give a share between them, *if* calibration and test digits are
# exchangeable. (Exercise 4.5 derives the interval.) A share outside says that they are not quite alike:
# other writers, neater hands. The mean errors say which part is easier to rebuild. The promise is only
# as good as that likeness.
#
# **Is the promise kept?** One calibration set gives one threshold and one false-alarm rate, which
# itself varies: it follows a Beta distribution (a distribution on the numbers between 0 and 1) with
# mean $k/(n+1)$, where $k$ is the largest whole number with $k \le \alpha(n+1)$. The promise speaks of
# the mean. To see it, pool the normal errors, and draw calibration and test sets from the pool again and
# again, for a small and a larger $n$.

# %% id="simulation"
pool = np.concatenate([calibration_errors, test_errors])
rng = np.random.default_rng(0)
simulated = {}
for n in (20, 200):
    draws = (rng.permutation(pool) for _ in range(1000))
    simulated[n] = [(d[n:] > conformal_threshold(d[:n], 0.05)).mean() for d in draws]

# %% id="simulation-figure"
means = ", ".join(f"{np.mean(rates):.2%} for n = {n}" for n, rates in simulated.items())
largest = ", ".join(f"{np.max(rates):.0%} for n = {n}" for n, rates in simulated.items())
plotting.show(
    plotting.false_alarm_histogram(simulated, alpha=0.05),
    f"False-alarm rates of 1,000 calibrations at alpha = 5 %. Their mean is {means}. The unluckiest of "
    f"the calibrations flags {largest}.",
)

# %% id="claim-simulation" tags=["claim"]
for n, rates in simulated.items():
    error = np.std(rates) / len(rates) ** 0.5
    claim(f"with n = {n} the mean rate is at most 5 %", np.mean(rates) < 0.05 + 3 * error)
    claim(f"with n = {n} single calibrations lie above 5 %", np.max(rates) > 0.05)

# %% [markdown] id="simulation-lesson"
# The bars follow the Beta curve. So the promise holds *on average over calibration sets*; how near
# your own threshold comes to it depends on $n$. And it holds for pictures like the calibration
# pictures: a new scanner, another school class, and the promise is void.
#
# The promise speaks of all digits together, and says nothing of a single kind of digit:

# %% id="promise-per-digit"
flagged = test_errors > conformal_threshold(calibration_errors, 0.05)
share = pd.Series(flagged).groupby(np.array(test.classes)[test.labels]).mean()
plotting.show(
    plotting.share_bars(share.rename_axis("digit"), "share flagged"),
    f"The conformal rule at 5 % flags {share.min():.1%} of the {share.idxmin()}s and {share.max():.1%} "
    f"of the {share.idxmax()}s, {flagged.mean():.1%} of all.",
)

# %% [markdown] id="quantile-text"
# Who needs the promise for each kind of picture calibrates on each kind by itself ("Mondrian" or
# class-conditional conformal prediction), if the kind is known beforehand.
#
# Why not simply take the 95 % **quantile** of the calibration scores? It is the same idea without the
# "+ 1": it forgets that the new picture is one of $n + 1$. With many scores that hardly matters; with
# few it does.

# %% id="quantile"
by_quantile = {}
for n in (20, 200):
    draws = (rng.permutation(pool) for _ in range(1000))
    by_quantile[n] = np.mean([(d[n:] > np.quantile(d[:n], 0.95)).mean() for d in draws])
    print(f"95 % quantile of {n:3} scores: {by_quantile[n]:.2%} false alarms on average")

# %% id="claim-quantile" tags=["claim"]
claim("with 20 scores the quantile flags clearly more than 5 %", by_quantile[20] > 0.06)
claim("with 200 scores the excess is small", abs(by_quantile[200] - 0.05) < 0.01)
claim("the conformal rule treats digits differently", share.max() > 2 * share.min())

# %% [markdown] id="rotated-text"
# ## 6 · Does it find anomalies?
#
# The tutorial showed one digit and the same digit rotated by 90°, found a larger error for the second,
# and stopped. We rotate all of them.

# %% id="rotated"
rotated = np.rot90(test.images, axes=(2, 3))
rotated_errors = score(rotated)
threshold = conformal_threshold(calibration_errors, 0.05)
found = (rotated_errors > threshold).mean()
plotting.show(
    plotting.score_histogram(
        {"normal": test_errors, "rotated by 90°": rotated_errors},
        {"conformal, 5 % false alarms": threshold},
    ),
    f"Errors of rotated digits: median {np.median(rotated_errors):.4f} beside "
    f"{np.median(test_errors):.4f}; {found:.1%} lie above the threshold.",
)

# %% [markdown] id="auroc-text"
# A rate at one threshold depends on the threshold. The **ROC curve** shows all of them: detection
# rate against false-alarm rate. The area under it has a meaning of its own: draw one anomaly and one
# normal picture; **AUROC** is the probability that the anomaly has the higher score, a tie counting
# half. That is a matter of ranks alone:
#
# $$\text{AUROC} = \frac{\sum_{j} r_j - m(m+1)/2}{n\,m}$$
#
# with $r_j$ the ranks of the $m$ anomalies among all $n + m$ scores.
#
# ### Exercise 1.8
#
# Write `auroc` by ranks (`rankdata` from SciPy gives tied scores their mean rank). **Done** when it
# agrees with counting all pairs, ties included.


# %% id="ex-1-8" tags=["exercise"] reference="helpers.metrics.auroc"
from scipy.stats import rankdata


def auroc(normal_scores, anomaly_scores):
    """Probability that an anomaly scores above a normal image, ties half. (n,), (m,) -> float"""
    ...  # rank all scores together, then sum the anomalies' ranks


# %% id="check-1-8" tags=["check", "nbval-check-output"]
auroc = check("1.8", auroc)

# %% id="auroc-sklearn"
from sklearn.metrics import roc_auc_score

labels = np.repeat([0, 1], [len(test_errors), len(rotated_errors)])
theirs = roc_auc_score(labels, np.concatenate([test_errors, rotated_errors]))
print(f"AUROC by ranks {auroc(test_errors, rotated_errors):.6f}, scikit-learn {theirs:.6f}")

# %% [markdown] id="interval-text"
# How sure is that number? With other test digits it would come out a little different. The
# **bootstrap** imitates this: it draws as many digits from the test set, with replacement, computes the
# AUROC, does so 500 times, and reports between which two numbers 95 % of them lie (exercise 3.3 writes
# one). Our anomalies are the test digits themselves, turned. So a digit and its turned copy are drawn
# *together*: `paired_interval`.

# %% id="roc-figure"
from helpers.metrics import fpr_at_tpr, paired_interval

area = auroc(test_errors, rotated_errors)
low, high = paired_interval(test_errors, rotated_errors)
plotting.show(
    plotting.roc_and_precision(test_errors, {"rotated by 90°": rotated_errors}),
    f"AUROC {area:.3f} (95 % interval {low:.3f} to {high:.3f}). To find 95 % of the rotated digits "
    f"one has to accept {fpr_at_tpr(test_errors, rotated_errors):.1%} false alarms.",
)

# %% [markdown] id="prevalence-text"
# The right curve is **precision**: of the pictures that are flagged, how many are anomalies? Unlike
# AUROC it depends on how common anomalies are. Half of the pictures above are anomalies; in a factory
# one in a thousand may be.

# %% id="prevalence"
from helpers.metrics import precision_at_prevalence

false_alarms = (test_errors > threshold).mean()
for prevalence in (0.5, 0.1, 0.01, 0.001):
    precision = precision_at_prevalence(found, false_alarms, prevalence)
    print(f"one anomaly in {1 / prevalence:5.0f}: {precision:6.1%} of the alarms are right")

# %% [markdown] id="sweep-text"
# **How much rotation does it take?** Turn the digits step by step. What do you expect at 180°?

# %% id="angles-sweep"
from torchvision.transforms.functional import InterpolationMode, rotate

# a random part: the first digits of the file come from other writers than the last ones
few = test.draw(min(len(test), choose(quick=1000, full=10_000)), seed=1)[0]
upright = score(few.images)
angles = list(range(0, 181, 15))
turned = {
    a: score(rotate(torch.tensor(few.images), a, InterpolationMode.BILINEAR).numpy())
    for a in angles
}
there_and_back = rotate(torch.tensor(few.images), 15, InterpolationMode.BILINEAR)
there_and_back = rotate(there_and_back, -15, InterpolationMode.BILINEAR)
blurred = auroc(upright, score(there_and_back.numpy()))
rates = pd.DataFrame(
    {"angle": a, "auroc": auroc(upright, s), "low": i[0], "high": i[1]}
    for a, s in turned.items()
    for i in [paired_interval(upright, s, resamples=200)]
)

# %% id="angles-figure"
by_digit = {
    name: auroc(upright, turned[180][few.labels == i]) for i, name in enumerate(few.classes)
}
least = min(by_digit, key=by_digit.get)
plotting.show(
    plotting.band(rates, "angle", "auroc", "rotation in degrees", "AUROC", chance=0.5),
    f"AUROC is {rates.auroc[0]:.2f} for digits that were not turned (by definition), "
    f"{rates.auroc[1]:.2f} at {rates.angle[1]}°, {rates.auroc.max():.2f} at "
    f"{rates.angle[rates.auroc.idxmax()]}°, and {rates.auroc.iloc[-1]:.2f} at 180°, where a {least} is "
    f"hardest to tell ({by_digit[least]:.2f}). Turned by 15° and back again: {blurred:.2f}.",
)

# %% id="claim-angles" tags=["claim"]
claim("blur alone lowers the score", blurred < 0.5)
claim("a small turn is hardly found", rates.auroc[1] < rates.auroc.max() - 0.2)
claim(
    "fewer digits are found at 180° than at the best angle", rates.high.iloc[-1] < rates.low.max()
)
claim("unturned digits have AUROC one half, without doubt", rates.low[0] == rates.high[0] == 0.5)

# %% [markdown] id="far-text"
# A digit that is turned a little is a digit still; at 180° some digits are digits again. So what counts
# as an anomaly depends on the question that one asks, not on the picture alone.
#
# Is the AUROC below one half at 15°? Turning computes each new pixel from four old ones, which blurs,
# and blurred digits are easier to rebuild. The last number of the caption tests this explanation: turned
# there and back, a digit is upright again, and only the blur remains.
#
# **Something quite different:** pictures of clothes. Surely the network cannot rebuild what it has
# never seen?

# %% id="fashion"
clothes = load("fashion_mnist")["test"]
clothes_errors = score(clothes.images)
easiest = np.argsort(clothes_errors)[:8]
plotting.show(
    plotting.residual_rows(clothes.images[easiest], apply(ae, clothes.images[easiest])),
    f"AUROC for clothes {auroc(test_errors, clothes_errors):.3f}. These eight are rebuilt best, with "
    f"errors down to {clothes_errors.min():.4f}; their mean grey value is "
    f"{clothes.images[easiest].mean() / 255:.2f}, that of all clothes {clothes.images.mean() / 255:.2f}.",
)

# %% [markdown] id="perturb-text"
# **Try it yourself.** Choose a digit, spoil it, and watch what the network makes of it, and on which
# side of the threshold it falls. Can you make a digit *more* normal by spoiling it?

# %% id="perturb" tags=["nbval-ignore-output"]
from helpers.widgets import perturb_explorer, threshold_explorer

perturb_explorer(ae, reconstruction_error, test.images, test.labels, threshold, calibration_errors)

# %% id="explore-threshold" tags=["nbval-ignore-output"]
threshold_explorer(
    test_errors,
    rotated_errors,
    thresholds={"batch-mean rule": trap, "conformal 5 %": threshold},
)

# %% [markdown] id="baseline-text"
# ## 7 · Is it any better than nothing?
#
# A result means something beside a simple alternative. Five scores, the first four without a network:
# the amount of **ink**; the distance to the **mean image**; the residual of **PCA** with as many
# components as our code has numbers; the distance to the **nearest** training picture; our error.
#
# ### Exercise 1.9
#
# Write `pca_reconstruct`: learn mean and directions from `x_train`, project `x` on the first
# `components` directions (at least one), come back. Pictures in, pictures out, as tensors. **Done**
# when a point off the training plane falls back on it and the result does not depend on the other
# pictures in `x`.


# %% id="ex-1-9" tags=["exercise"] reference="helpers.latent.pca_reconstruct"
def pca_reconstruct(x_train, x, components):
    """Project x on the first principal components of x_train, and back.

    (M, C, H, W), (N, C, H, W) -> (N, C, H, W). Everything is learned from x_train alone.
    """
    ...  # torch.linalg.eigh gives eigenvectors as columns, smallest eigenvalue first


# %% id="check-1-9" tags=["check", "nbval-check-output"]
pca_reconstruct = check("1.9", pca_reconstruct)

# %% [markdown] id="baselines-text"
# All five learn from the same training digits and are judged on the same test digits, a random part.

# %% id="baselines"
from helpers.experiments.module_01 import parts

few = parts()[2]
x_train = as_input(train.images).cpu()
mean_image = x_train.mean(dim=0)


def nearest(x):
    """Distance of each picture to the nearest training picture. (N, C, H, W) -> (N,)"""
    parts_of_x = x.flatten(start_dim=1).split(500)
    gallery = x_train.flatten(start_dim=1)
    return torch.cat([torch.cdist(part, gallery).min(dim=1).values for part in parts_of_x])


baselines = {
    "ink": lambda x: x.mean(dim=(1, 2, 3)),
    "mean image": lambda x: reconstruction_error(x, mean_image.expand_as(x)),
    "PCA, 20": lambda x: reconstruction_error(x, pca_reconstruct(x_train, x, 20)),
    "nearest": nearest,
}

# %% id="baseline-scores"
pictures = {
    "normal": few.images,
    "rotated": np.rot90(few.images, axes=(2, 3)),
    "clothes": clothes.draw(min(len(few), len(clothes)), seed=0)[0].images,
}
scores = {
    name: {group: f(as_input(images).cpu()).numpy() for group, images in pictures.items()}
    for name, f in baselines.items()
}
scores["autoencoder"] = {group: score(images) for group, images in pictures.items()}

# %% id="baseline-table"
from helpers.metrics import bootstrap_interval

interval = {"rotated": paired_interval, "clothes": bootstrap_interval}
table = pd.DataFrame(
    {
        "score": name,
        "anomaly": anomaly,
        "auroc": auroc(s["normal"], s[anomaly]),
        "low": i[0],
        "high": i[1],
    }
    for name, s in scores.items()
    for anomaly in interval
    for i in [interval[anomaly](s["normal"], s[anomaly], resamples=200)]
)
compared = table
best = table.loc[table.groupby("anomaly").auroc.idxmax()].set_index("anomaly")
plotting.show(
    plotting.intervals(table, "score", "anomaly"),
    "Best score for rotated digits: {0.score} ({0.auroc:.3f}); for clothes: {1.score} "
    "({1.auroc:.3f}).".format(best.loc["rotated"], best.loc["clothes"]),
)

# %% [markdown] id="gain-text"
# Two intervals that overlap do not settle which of two scores is better on the *same* pictures. Draw the
# pictures again and look at the **difference** (exercise 3.10):

# %% id="gain"
from helpers.metrics import paired_difference

ae_scores, gains = scores["autoencoder"], {}
for name in baselines:
    for anomaly in ("rotated", "clothes"):
        s = scores[name]
        gain = auroc(ae_scores["normal"], ae_scores[anomaly]) - auroc(s["normal"], s[anomaly])
        four = ae_scores["normal"], ae_scores[anomaly], s["normal"], s[anomaly]
        gains[name, anomaly] = gain, *paired_difference(*four, resamples=200)
gains = pd.DataFrame(gains, index=["gain of the autoencoder", "95 % low", "95 % high"]).T
better, worse = (
    [name for name, anomaly in gains.index[sure] if anomaly == "rotated"]
    for sure in (gains["95 % low"] > 0, gains["95 % high"] < 0)
)
print(f"On rotated digits the autoencoder is surely better than: {', '.join(better) or 'none'}.")
print(f"Surely worse than: {', '.join(worse) or 'none'}.")
gains.round(3)

# %% id="claim-baselines" tags=["claim"]
rotated_scores = table[table.anomaly == "rotated"].set_index("score")
claim("ink cannot see a rotation", abs(rotated_scores.auroc["ink"] - 0.5) < 1e-3)
low_gain = gains["95 % low"]
if few.source == "real":
    claim("the nearest training digit beats the network on rotated digits", "nearest" in worse)
claim(
    "the autoencoder beats ink and the mean image on rotated digits",
    min(low_gain["ink", "rotated"], low_gain["mean image", "rotated"]) > 0,
)

# %% [markdown] id="baseline-lesson"
# Ink cannot see a rotation at all, since turning a digit moves its ink and adds none. Looking for the
# nearest training picture needs no training, and is a hard opponent: with 12,000 training digits of
# MNIST (quick profile) it finds rotated digits *better* than the network. On the offline sample, where a
# tenth as many digits stand ready, the network is better. The two lines above say which holds for you.
# What the network has for it is speed (one pass instead of thousands of distances) and that it shows
# *where* a picture is odd. Many papers leave this opponent out, or give it fewer pictures.
#
# ## 8 · The latent space
#
# Each digit is now 20 numbers. **t-SNE** draws them in two dimensions so that near neighbours stay
# near (its *perplexity* is about how many neighbours each point looks at). Distances between far groups
# mean nothing, and sizes of groups hardly more.

# %% id="codes"
drawn = test.draw(min(len(test), choose(quick=1500, full=10_000)), seed=0)[0]
labels = drawn.labels
codes = apply(ae.encode, drawn.images)

# %% id="tsne"
from openTSNE import TSNE

# one thread: the order in which several add up decides where the groups come to lie
embedding = TSNE(perplexity=30, n_jobs=1, random_state=0, negative_gradient_method="bh").fit(
    codes.numpy()
)
figure = plotting.embedding(np.array(embedding), labels, test.classes)

# %% [markdown] id="neighbours-text"
# The picture suggests which digits are neighbours. Ask the codes themselves: among the ten nearest
# neighbours of each digit, which *other* digits appear?

# %% id="neighbours"
around = torch.cdist(codes, codes).topk(11, largest=False).indices[:, 1:]  # without itself
mixed = np.zeros((10, 10))
np.add.at(mixed, (labels[:, None], labels[around.numpy()]), 1)
own = np.trace(mixed) / mixed.sum()
mixed = np.triu(mixed + mixed.T, k=1)
pairs = [divmod(i, 10) for i in np.argsort(mixed, axis=None)[::-1][:3]]
names = " and ".join(f"{test.classes[a]}/{test.classes[b]}" for a, b in pairs)
plotting.show(
    figure,
    f"Ten digits, coloured and named. {own:.0%} of the nearest neighbours in the code show the "
    f"same digit; the digits most mixed are {names}.",
)

# %% [markdown] id="interpolation-text"
# ### Between two digits
#
# A straight line between two codes, decoded point by point, is a film from one digit to the other.
#
# ### Exercise 1.10
#
# Write `interpolate`: two codes (d,) and a number of steps in, a path (steps, d) out that *includes
# both ends*, a tensor of the codes' type. (The tutorial's film never shows its first digit.) **Done**
# when two steps give exactly the ends.


# %% id="ex-1-10" tags=["exercise"] reference="helpers.latent.interpolate"
def interpolate(z_start, z_end, steps):
    """`steps` equally spaced points on the line, both ends included. (d,), (d,) -> (steps, d)"""
    ...  # weights from 0 to 1, as a column


# %% id="check-1-10" tags=["check", "nbval-check-output"]
interpolate = check("1.10", interpolate)

# %% id="interpolation"
a, b = as_input(np.stack([test.of_class(test.classes[i]).images[1] for i in (3, 7)]))
with torch.inference_mode():
    ends = ae.encode(torch.stack([a, b]))
    through_code = ae.decode(interpolate(*ends, steps=10)).cpu()
through_pixels = interpolate(a.flatten(), b.flatten(), steps=10).view(-1, 1, 28, 28).cpu()
plotting.show(
    plotting.image_rows({"through the code": through_code, "through pixels": through_pixels}),
    "Through the code strokes bend; through pixels one digit fades while the other appears.",
)

# %% [markdown] id="generative-text"
# Which of the two looks more like a digit half-way? And is an autoencoder **generative**, can it draw
# digits of its own? Its training asks for no distribution of the codes, so there is none to draw from.
# One can fit a distribution *afterwards*, to the codes of the training digits (Ghosh et al., arXiv
# 1903.12436): a single Gaussian with their mean and covariance, or a mixture of twenty Gaussians.

# %% id="generative"
from sklearn.mixture import GaussianMixture

train_codes = apply(ae.encode, train.images[:3000]).double().numpy()
mixtures = {k: GaussianMixture(k, random_state=0).fit(train_codes) for k in (1, 20)}
shuffle = np.random.default_rng(0).permutation(250)  # a mixture gives one Gaussian after the other
drawn_codes = {k: torch.tensor(m.sample(250)[0][shuffle]).float() for k, m in mixtures.items()}
half_way = (codes[:250] + codes[250:500]) / 2
digits_in = as_input(drawn.images[:500]).cpu()
with torch.inference_mode():
    candidates = {
        "test digits": digits_in[:250],
        "half-way codes": ae.decode(half_way.to(device())).cpu(),
        "half-way pixels": (digits_in[:250] + digits_in[250:]) / 2,
        "one Gaussian": ae.decode(drawn_codes[1].to(device())).cpu(),
        "20 Gaussians": ae.decode(drawn_codes[20].to(device())).cpu(),
    }

# %% [markdown] id="generative-measure"
# Two measures: the distance to the nearest training digit, and the share of **half-grey** pixels,
# between 0.25 and 0.75, of those that hold ink at all. The second is there because the first has a
# weakness: a blurred picture is near to many others.

# %% id="generative-figure"
generated = pd.DataFrame(
    {
        "distance": {name: nearest(x).mean().item() for name, x in candidates.items()},
        "half-grey": {
            name: ((x > 0.25) & (x < 0.75)).sum().item() / (x > 0.25).sum().item()
            for name, x in candidates.items()
        },
    }
)
closest = generated.distance.idxmin()
plotting.show(
    plotting.image_rows({name: x[:10] for name, x in candidates.items()}),
    "Distance to the nearest training digit, and share of half-grey pixels: "
    + ", ".join(
        f"{name} {r.distance:.2f}, {r['half-grey']:.0%}" for name, r in generated.iterrows()
    )
    + f". Nearest to the training digits are the {closest}.",
)

# %% [markdown] id="generative-lesson"
# Judge by eye first: how many of the ten would you read as a digit, in each of the last two rows? A
# plain autoencoder defines no distribution of codes, so by itself it is not a generative model; together
# with a distribution that is fitted to its codes it is one, and the better the fit, the better the
# digits. Module 2's variational autoencoder learns both at once.

# %% id="claim-generative" tags=["claim"]
distance, grey = generated.distance, generated["half-grey"]
claim(
    "the mixture fits the codes better",
    mixtures[20].score(train_codes) > mixtures[1].score(train_codes),
)
claim(
    "its digits are nearer to training digits", distance["20 Gaussians"] < distance["one Gaussian"]
)
claim("decoded pictures are blurred beside digits", grey["half-way codes"] > grey["test digits"])

# %% id="explore-latent" tags=["nbval-ignore-output"]
from helpers.widgets import latent_explorer

latent_explorer(ae, test.images[:500], test.labels[:500], test.classes)

# %% [markdown] id="denoise-text"
# ## 9 · Denoising
#
# It is often said that autoencoders remove noise. The tutorial showed one noisy digit, rebuilt by a
# network that had never seen noise, and measured nothing. The measure is the **peak signal-to-noise
# ratio**, in decibels, for pixels in a range of $R$:
#
# $$\text{PSNR} = 10 \log_{10}\frac{R^2}{\text{MSE}}$$
#
# ### Exercise 1.11
#
# Write `psnr` for each picture: (N, C, H, W) twice in, (N,) out, in decibels. **Done** when colour and
# another range work as well, and a reconstruction without error gets infinity.


# %% id="ex-1-11" tags=["exercise"] reference="helpers.metrics.psnr"
def psnr(x, x_hat, data_range=1.0):
    """Peak signal-to-noise ratio of each image in decibels. (N, C, H, W) and the same -> (N,)"""
    ...  # the logarithm is to base 10


# %% id="check-1-11" tags=["check", "nbval-check-output"]
psnr = check("1.11", psnr)

# %% [markdown] id="denoiser-text"
# A real denoiser is trained to: noise goes in, the clean picture is the target. One layer in front of
# the same network does it. It adds noise while training and nothing afterwards. The weights are those
# of the trained network, so a quarter of the epochs is enough.

# %% id="denoiser"
import copy

from helpers.models import GaussianNoise

set_seed(2)
denoiser = nn.Sequential(GaussianNoise(sigma=0.2), copy.deepcopy(ae))
history = fit(denoiser, train.images, epochs=max(1, epochs // 4))

# %% id="denoise-compare"
clean = as_input(few.images[: choose(quick=500, full=10_000)])
generator = torch.Generator().manual_seed(0)
noisy = clean + 0.2 * torch.randn(clean.shape, generator=generator).to(clean)
with torch.inference_mode():
    versions = {
        "noisy": noisy,
        "cut to [0, 1]": noisy.clamp(0, 1),
        "plain": ae(noisy),
        "denoiser": denoiser(noisy),
    }
quality = {name: psnr(clean, x).mean().item() for name, x in versions.items()}

# %% id="denoise-figure"
plotting.show(
    plotting.image_rows(
        {"clean": clean[:10].cpu()} | {k: v[:10].cpu() for k, v in versions.items()}
    ),
    "Mean PSNR in dB: " + ", ".join(f"{name} {q:.1f}" for name, q in quality.items()) + ".",
)

# %% [markdown] id="denoise-lesson"
# The plain autoencoder removes noise although it has never seen any: it can only draw what looks like a
# digit, and noise does not. A network that was trained to remove noise removes more. Both are beside the
# noisy picture *cut to [0, 1]*, which costs nothing.

# %% id="claim-denoise" tags=["claim"]
claim("cutting to [0, 1] removes some noise", quality["cut to [0, 1]"] > quality["noisy"])
claim("the plain autoencoder removes more", quality["plain"] > quality["cut to [0, 1]"])
claim("the denoiser removes most", quality["denoiser"] > quality["plain"])

# %% [markdown] id="bottleneck-text"
# ## 10 · How narrow should it be?
#
# With a wider code the network rebuilds better: digits, but anomalies as well. One that copies every
# picture would find nothing. Before we look, a trap: how wide can *our* code be? Between the 1,568
# features and the code lies a layer of 64 numbers without an activation.

# %% id="bottleneck-rank"
wide = ConvAutoencoder(latent_dim=128)
into_code = wide.encoder[-1].weight @ wide.encoder[-2].weight  # two linear layers are one
rank = torch.linalg.matrix_rank(into_code).item()
print(f"a code of {len(into_code)} numbers, which fill {rank} dimensions")

# %% [markdown] id="bottleneck-plan"
# However many numbers such a code has, it holds no more than 64. For the comparison that layer is
# therefore left out on both sides of the code (`straight` in `helpers.experiments.module_01`), and the
# widest code has as many numbers as the picture has pixels. The table was computed beforehand
# (`make results`; `bottleneck(latent_dim=8)` trains one more). The row with 20 numbers is beside your
# own network from section 3, on the same test digits.

# %% id="bottleneck-table"
from helpers.results import over_seeds, read_table
from helpers.experiments.module_01 import bottleneck

table = read_table("01_bottleneck", source=train.source, profile=choose(quick="quick", full="full"))
sweep = over_seeds(table, "latent_dim")
sweep[["seeds", "test_mse", "auroc", "low", "high", "pca_mse", "pca_auroc"]].round(4)

# %% id="bottleneck-live"
twenty = table.query("latent_dim == 20")
own = scores["autoencoder"]
print(f"live:  error {own['normal'].mean():.5f}, AUROC {auroc(own['normal'], own['rotated']):.4f}")
print(
    f"table: error {twenty.test_mse.mean():.5f}, AUROC {twenty.auroc.min():.4f} to "
    f"{twenty.auroc.max():.4f} over {len(twenty)} seeds ({twenty.source.iloc[0]} data)"
)

# %% id="bottleneck-figure"
narrow, wide, best = sweep.iloc[0], sweep.iloc[-1], sweep.auroc.idxmax()
overlap = [str(d) for d in sweep.index if d != best and sweep.high[d] >= sweep.low[best]]
beaten = [str(d) for d in sweep.index if sweep.test_mse[d] < sweep.pca_mse[d]]
plotting.show(
    plotting.bottleneck(table),
    f"Means over {narrow.seeds:.0f} seeds, a dot each; the band is the interval over pictures. From {narrow.name} to "
    f"{wide.name} numbers the error falls from {narrow.test_mse:.4f} to {sweep.test_mse.min():.4f}; it is below PCA's "
    f"with {', '.join(beaten)}. AUROC is highest with {best} ({sweep.auroc[best]:.3f}), within the interval of "
    f"{', '.join(overlap) or 'no other'}; with {wide.name} it is {wide.auroc:.3f}.",
)

# %% id="bottleneck-pictures"
from helpers.experiments.module_01 import from_strip, shown

strips = (
    table.query("seed == 0 and latent_dim in (2, 8, 20, 128, 784)").set_index("latent_dim").pictures
)
upright = shown(parts()[2])
rows = {"picture": np.concatenate([upright, np.rot90(upright, axes=(2, 3))])}
rows |= {f"{size} numbers": from_strip(strip) for size, strip in strips.items()}
plotting.show(
    plotting.image_rows(rows),
    "Four digits and the same four turned, rebuilt from codes of five sizes: with 2 numbers everything "
    "becomes some digit, with many a turned digit comes back as well.",
)

# %% [markdown] id="bottleneck-lesson"
# A code that is too narrow cannot rebuild the normal digits either; one that is wide copies what it is
# given. Between them AUROC is highest, and over a broad range it hardly matters which size one takes.
# Beware of "the best size": it was chosen on the test digits, so its own number is a little too good.
# The comparison that section 1 announced: a narrow code is where a network earns its training. PCA's
# error goes to zero with as many components as pixels; that of a trained network does not.

# %% id="claim-bottleneck" tags=["claim"]
error, pca_error = sweep.test_mse, sweep.pca_mse
claim("a narrow network beats PCA", (error < pca_error)[[2, 4, 8, 12, 20]].all())
claim("a code as wide as the picture does not", error[784] > pca_error[784])
claim("2 numbers are too few", sweep.high[2] < sweep.low[best])
claim("784 numbers are too many", sweep.high[784] < sweep.low[best])

# %% [markdown] id="believe"
# ## 11 · What to believe, and what not
#
# **Believe**
# - that the detector tells upright digits from rotated ones, to within the interval you printed;
# - the conformal false-alarm rate, on average over calibration sets, *for pictures like these*;
# - that it beats ink and the mean image; and PCA and the nearest neighbour only where the interval of
#   the difference says so.
#
# **Do not believe**
# - that a low error means "normal": simple pictures are easy to rebuild, whoever they are;
# - a threshold without its false-alarm rate, or one chosen on the pictures it is tested on;
# - one picture, one seed, one AUROC without an interval; t-SNE's distances;
# - that a plain autoencoder draws digits by itself, without a distribution fitted to its codes;
# - that one trained without noise removes as much of it as one trained for it.

# %% id="results-summary" tags=["results"]
from IPython.display import Markdown

rotated_table = compared[compared.anomaly == "rotated"].set_index("score")[["auroc", "low", "high"]]
rows = {
    "mean test error (MSE per picture)": f"{test_errors.mean():.5f}",
    "AUROC, digits rotated by 90°": f"{area:.3f} (95 % interval {low:.3f} to {high:.3f})",
    "normal digits flagged by the batch-mean rule": f"{(test_errors > trap).mean():.1%}",
    "normal digits flagged by the conformal rule at 5 %": f"{false_alarms:.1%}",
    "rotated digits found by the conformal rule at 5 %": f"{found:.1%}",
} | {
    f"AUROC on {len(few):,} of them, {name}": "{:.3f} ({:.3f} to {:.3f})".format(
        *rotated_table.loc[name]
    )
    for name in ("autoencoder", "nearest", "PCA, 20")
}
table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
Markdown(f"| {test.name}, {test.source} data | |\n|---|---|\n{table}")

# %% id="quiz" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("01")

# %% id="progress" tags=["nbval-ignore-output"]
progress()

# %% [markdown] id="further"
# ## Further reading
#
# - P. Baldi and K. Hornik, *Neural networks and principal component analysis*, Neural Networks 1989:
#   why the linear autoencoder is PCA.
# - V. Dumoulin and F. Visin, *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285:
#   the pictures behind section 2.
# - S. Bates et al., *Testing for outliers with conformal p-values*, arXiv 2104.08279.
# - T. Fawcett, *An introduction to ROC analysis*, Pattern Recognition Letters 2006.
# - P. Vincent et al., *Extracting and composing robust features with denoising autoencoders*, ICML
#   2008.
# - M. Wattenberg, F. Viégas and I. Johnson, *How to use t-SNE effectively*, Distill 2016.
#
# **Next:** module 2 gives the code a distribution. The error becomes a likelihood, in nats, and the
# decoder learns to invent.
