# %% [markdown] id="title"
# # Module 3 · Out-of-distribution detection on MedNIST
#
# Hands are normal here; chest X-rays, breast MR and CT scans are not. A detector that is nearly
# perfect on this task is quickly built, and that is the danger: one stops there and cannot say
# *why* it works. In this module you let trivial scores go first, hold models and scores apart, compare
# two detectors on the same pictures, look where they look, and train more than once.
#
# **Afterwards you can**
# - split data so that no copy leaks, the same on every machine;
# - compare two detectors fairly: per class, with intervals, paired;
# - say whether a model or a score made the difference;
# - judge a heat map against a mask, and name its blind spot.
#
# **You need** modules 1 and 2.
# **Time** 120 minutes with the twelve exercises.

# %% id="setup" tags=["setup"]
import hashlib
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
from helpers.runtime import choose, device, preflight, set_seed
from helpers.training import adam, apply, as_input, batches, mean_loss, train_step

preload("torch._dynamo")  # what the first training waits for

# %% id="preflight" tags=["nbval-ignore-output"]
preflight("03")
preload("seaborn", "helpers.checks.module_03")  # while you read

# %% [markdown] id="data-text"
# ## 1 · Hands, and the rest
#
# MedNIST holds small grey pictures of six kinds (B. J. Erickson, Mayo Clinic, CC BY-SA 4.0; not to be
# confused with MedMNIST).

# %% id="data"
pictures = load("mednist")["all"]
hands = pictures.of_class("Hand")
counts = np.bincount(pictures.labels)
for name, count in zip(pictures.classes, counts, strict=True):
    print(f"{name:10} {count:6,} pictures")

# %% id="contact-sheet" tags=["cover"]
from helpers import plotting

plotting.use_course_style()

rng = np.random.default_rng(1)
drawn = [rng.choice(np.flatnonzero(pictures.labels == i), 8) for i in range(6)]
sheet = {
    name: pictures.images[np.sort(some)] for name, some in zip(pictures.classes, drawn, strict=True)
}
plotting.show(
    plotting.image_rows(sheet),
    "Eight pictures of each class: " + ", ".join(sheet) + ". A glance tells them apart.",
)

# %% [markdown] id="anomaly-text"
# **What is an anomaly?** A radiologist who looks at hands would name a fracture, a tumour, a missing
# bone. Here the word means something else: *this is not a hand at all*. That is **out-of-distribution
# detection** (OOD), the question "should this picture have come to me?". It is useful: a network that
# grades hands should not answer on a chest. But it is easier, and a detector that is good at it
# need not see a single fracture. Section 6 asks the harder question.
#
# ### Copies
#
# Files of a collection are often there twice. If a copy of a training picture stands in the test set,
# the test is partly an exam with known questions. And if the split depends on the order in which a
# file system lists files, the same seed gives two people two different splits. (The tutorial that
# this module re-teaches had both flaws.)
#
# ### Exercise 3.1
#
# Write `split_by_content`: images (N, C, H, W) in, one array of positions for each share out. Each
# image is in exactly one part, the shares hold on average, and another seed gives another split.
# **Done** when copies stay together, the order of the images plays no role, and tomorrow's session
# gives the same parts.


# %% id="ex-3-1" tags=["exercise"] reference="helpers.datasets.splits.split_by_content"
def split_by_content(images, shares=(0.8, 0.1, 0.1), seed=0):
    """Positions of the pictures of each part; equal pictures always share a part."""
    ...  # hashlib.sha256 of some bytes is as good as a random number, and the same everywhere


# %% id="check-3-1" tags=["check", "nbval-check-output"]
split_by_content = check("3.1", split_by_content)

# %% [markdown] id="leak-text"
# **How much leaks?** Our files come without exact copies, since the course removes them when it
# prepares the data. So put some in: the last 200 of 1,000 hands twice. How many copies of training
# pictures stand in the test part, if positions are shuffled, and if contents decide?

# %% id="leak"
doubled = np.concatenate([hands.images[:1000], hands.images[800:1000]])
order = np.random.default_rng(0).permutation(len(doubled))
by_position = order[:960], order[960:1080], order[1080:]
for name, parts in {"positions": by_position, "contents": split_by_content(doubled)}.items():
    seen = {image.tobytes() for image in doubled[parts[0]]}
    leaked = sum(image.tobytes() in seen for image in doubled[parts[2]])
    print(f"split by {name:9}: {leaked} of {len(parts[2])} test pictures were trained on")

# %% [markdown] id="roles-text"
# Four roles. Hands to **train** on, to **calibrate** thresholds on, and to **test**; and as many
# **anomalies** as test hands, the same number from each other class. The quick profile works with
# 32×32 pixels, means of 2×2; `task` puts all that together, with your split.

# %% id="roles"
from helpers.experiments.module_03 import task

train, calibration, normal, anomalies = task("Hand")
test_images = np.concatenate([normal.images, anomalies.images])
n, names = len(normal), np.array(anomalies.classes)[anomalies.labels]
print(f"train {len(train):,}, calibration {len(calibration):,}, test {n:,} + {len(anomalies):,}")
print("pixels:", train.images.shape[2:], " anomalies:", *np.unique(names))

# %% [markdown] id="near-text"
# A hash finds exact copies only. The same hand, stored with another compression, would pass. So look
# at the *nearest* pairs between training and test hands.

# %% id="near"
a, b = (as_input(part.images).cpu().flatten(1) for part in (train, normal))
distance, place = torch.cdist(b, a).min(dim=1)
closest = distance.argsort()[:10]
plotting.show(
    plotting.image_rows({"test": normal.images[closest], "train": train.images[place[closest]]}),
    f"The ten closest pairs, {distance.min():.2f} to {distance[closest[-1]]:.2f} apart; the median "
    f"test hand is {distance.median():.2f} from its nearest training hand. Are these the same hands?",
)

# %% [markdown] id="patients-text"
# MedNIST does not say which pictures are of the same person. Where patients are known, they decide
# the split, not pictures (module 5).
#
# ## 2 · Trivial scores first
#
# Before any network: what does a score reach that one can write in a line? Six of them.
#
# | score | anomalous is |
# |---|---|
# | brightness | a mean grey far from that of most hands |
# | background | a grey at the border far from that of most hands |
# | bytes | a PNG file much larger or smaller than those of most hands |
# | mean image | far from the mean hand |
# | PCA | far from the subspace of the hands' first principal components |
# | nearest picture | far from every training hand |
#
# Two tools to judge them, and everything after them. First: *one* number over all anomalies hides a
# class that is never found.
#
# ### Exercise 3.2
#
# Write `per_class_auroc`: scores of normal images (n,) and anomalies (m,), class names (m,) in; a
# pandas Series out, with the names as its index, the worst class first. **Done** when each class is
# judged against the normal images alone.


# %% id="judge-imports"
import pandas as pd

from helpers.metrics import auroc


# %% id="ex-3-2" tags=["exercise"] reference="helpers.metrics.per_class_auroc"
def per_class_auroc(normal_scores, anomaly_scores, names):
    """AUROC of the normal images against each class of anomalies, the worst first. -> Series"""
    ...


# %% id="check-3-2" tags=["check", "nbval-check-output"]
per_class_auroc = check("3.2", per_class_auroc)

# %% [markdown] id="bootstrap-text"
# Second: another test set would give another number. How different? We have no other one, so we draw
# test sets from ours, with replacement, and look at how the number spreads (the **bootstrap**,
# Efron). How many hands and how many anomalies there are was *our* choice, so both numbers stay
# fixed ("stratified"). So was the number of each class of anomalies; we come back to that.
#
# ### Exercise 3.3
#
# Write `bootstrap_interval`: scores of both groups in, `(low, high)` out, for any statistic of two
# groups, which is called once for each resample. The same seed gives the same interval. **Done** when
# both groups are redrawn at their own size and the tails are cut right.


# %% id="ex-3-3" tags=["exercise"] reference="helpers.metrics.bootstrap_interval"
def bootstrap_interval(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    """Percentile interval of `statistic`, each group resampled by itself. -> (low, high)"""
    ...  # rng.choice draws with replacement


# %% id="check-3-3" tags=["check", "nbval-check-output"]
bootstrap_interval = check("3.3", bootstrap_interval)


# %% id="judge"
def judge(scores):
    """AUROC with interval and worst class of {score: values}, normal pictures first."""
    rows = []
    for name, s in scores.items():
        classes = per_class_auroc(s[:n], s[n:], names)
        low, high = bootstrap_interval(s[:n], s[n:], resamples=200)
        row = {"score": name, "auroc": auroc(s[:n], s[n:]), "low": low, "high": high}
        rows.append(row | {"worst": classes.iloc[0], "worst class": classes.index[0]})
    return pd.DataFrame(rows)


def class_table(scores):
    """AUROC by class of {score: values}."""
    columns = {name: per_class_auroc(s[:n], s[n:], names) for name, s in scores.items()}
    return pd.DataFrame(columns).T.sort_index(axis=1)


# %% id="baselines"
from helpers.experiments.module_03 import baseline_scores

baselines = baseline_scores(train.images, test_images)
baseline_table = judge(baselines)
baseline_table.round(3)

# %% [markdown] id="strata-text"
# The bootstrap above draws the anomalies from one pot, so that one resample has more chests and fewer
# heads than another. We had fixed these numbers, too. With the same number of each class, the AUROC
# over all anomalies is the mean of the AUROCs by class, and one can redraw within each class. How
# much does it change?

# %% id="strata"
rng = np.random.default_rng(0)
hand_scores, other_scores = np.split(baselines["mean image"], [n])
of_class = [other_scores[names == name] for name in np.unique(names)]
drawn = [
    auroc(rng.choice(hand_scores, n), np.concatenate([rng.choice(c, len(c)) for c in of_class]))
    for _ in range(500)
]
within = np.quantile(drawn, [0.025, 0.975])
one_pot = np.array(bootstrap_interval(hand_scores, other_scores))
for name, interval in {"one pot": one_pot, "within each class": within}.items():
    print(f"{name:17}: {interval[0]:.4f} to {interval[1]:.4f}, width {np.ptp(interval):.4f}")
print(f"mean over the classes {per_class_auroc(hand_scores, other_scores, names).mean():.4f}")

# %% [markdown] id="strata-lesson"
# The class of a picture explains a part of its score, so redrawing the classes adds chance that our
# plan did not have, and the interval from one pot is no narrower. The course keeps it: it is the
# careful one of the two, and it needs no class names.

# %% id="claim-strata" tags=["claim"]
from helpers.claims import claim

claim(
    "redrawing within the classes gives no wider interval than one pot, up to the resampling's chance",
    np.ptp(within) < 1.1 * np.ptp(one_pot),
)

# %% id="claim-class-mean" tags=["claim"]
class_mean = per_class_auroc(hand_scores, other_scores, names).mean()
claim(
    "with equal classes the AUROC over all is the mean over the classes",
    np.isclose(class_mean, auroc(hand_scores, other_scores)),
)

# %% id="baselines-figure"
best_trivial = baseline_table.loc[baseline_table.worst.idxmax()]
plotting.show(
    plotting.auroc_table(class_table(baselines)),
    f"AUROC by class. The best trivial score is {best_trivial.score}: {best_trivial.auroc:.3f} over all "
    f"classes, {best_trivial.worst:.3f} on its worst, {best_trivial['worst class']}.",
)

# %% [markdown] id="baselines-lesson"
# Read the table by rows and by columns. Which class is given away by its background? Which class is
# missed by most of the scores? A network on this task has to show what it adds to the best of these
# rows. A single published AUROC, with no such row beside it, says little.
#
# ## 3 · The convolutional autoencoder
#
# | encoder | output | | decoder | output |
# |---|---|---|---|---|
# | block 1→32 | 32×32×32 | | `Linear`, `Unflatten` | 128×8×8 |
# | block 32→64 | 64×16×16 | | block 128→64 | 64×16×16 |
# | block 64→128 | 128×8×8 | | block 64→32 | 32×32×32 |
# | `Flatten`, `Linear` | 128 numbers | | block 32→32, then `Conv2d` 32→1, kernel 1 | 1×64×64 |
#
# These are the tutorial's sizes, for 64×64 pixels; the quick profile has half the channels, half the
# side and half the code. A block of the encoder is a 3×3 convolution of stride 2 without bias, batch
# normalisation, and a leaky ReLU with torch's default slope of 0.01.
#
# ### Exercise 3.4
#
# Write `down_block`: two numbers of channels in, a module out that halves height and width. **Done**
# when the order of the three layers is right and no weight is idle.


# %% id="ex-3-4" tags=["exercise"] reference="helpers.models.down_block"
def down_block(in_channels, out_channels):
    """Halve height and width. A module, (N, in_channels, H, W) -> (N, out_channels, H/2, W/2)"""
    ...  # nn.Sequential of three layers


# %% id="check-3-4" tags=["check", "nbval-check-output"]
down_block = check("3.4", down_block)

# %% [markdown] id="up-text"
# ### Exercise 3.5
#
# Write `up_block`, which doubles: the same three layers, but the convolution is a *transposed* one,
# 3×3 and of stride 2 as well. **Done** when 8×12 pixels become 16×24.


# %% id="ex-3-5" tags=["exercise"] reference="helpers.models.up_block"
def up_block(in_channels, out_channels):
    """Double height and width. A module, (N, in_channels, H, W) -> (N, out_channels, 2H, 2W)"""
    ...


# %% id="check-3-5" tags=["check", "nbval-check-output"]
up_block = check("3.5", up_block)

# %% id="shapes" tags=["nbval-check-output"]
x = torch.rand(1, 1, 64, 64)
blocks = [down_block(1, 32), down_block(32, 64), down_block(64, 128)]
blocks += [up_block(128, 64), up_block(64, 32), up_block(32, 32)]
for block in blocks:
    x = block(x)
    print(" × ".join(map(str, x.shape[1:])))

# %% [markdown] id="loop-text"
# `DeepAutoencoder` is built from these blocks. The loop is yours from module 1: mean squared error,
# Adam, batches of 128. After each epoch we look at the calibration hands, and at the same eight
# pictures: four hands and four that are none. What do you expect to see on the latter?
#
# (The target is the picture itself, so nobody has to label anything; such training is called
# *self-supervised*. One piece of knowledge goes in all the same: that the training pictures are hands.)

# %% id="loop-setup"
from helpers.models import DeepAutoencoder
from helpers.experiments.module_03 import network, steps

set_seed(0)
ae = network(DeepAutoencoder, train.images.shape[-1]).to(device())
ae = ae.to(memory_format=torch.channels_last)
optimizer = adam(ae, weight_decay=0)
epochs = max(1, round(steps() * 128 / len(train)))
others = [np.flatnonzero(names == name)[0] for name in np.unique(names)[:4]]
watched = np.concatenate([normal.images[:4], anomalies.images[others]])
snapshots = {0: apply(ae.eval(), watched)}
print(f"{sum(p.numel() for p in ae.parameters()):,} parameters, {epochs} epochs of 128 a batch")

# %% id="loop"
set_seed(0)
history, curve = [], plotting.LiveCurve("epoch", "mean squared error")
for epoch in tqdm(range(1, epochs + 1), file=sys.stdout, ncols=80, unit="epoch"):
    ae.train()
    stream = batches(train.images, 128, shuffle=True)
    losses = [train_step(ae, x, optimizer, F.mse_loss) for x in stream]
    ae.eval()
    history.append({"train": np.mean(losses), "validation": mean_loss(ae, calibration.images)})
    curve.update(history)
    if epoch in (1, epochs // 2, epochs):
        snapshots[epoch] = apply(ae, watched)

# %% id="snapshots"
rows = {f"epoch {epoch}": pictures for epoch, pictures in snapshots.items()}
plotting.show(
    plotting.image_rows({"picture": watched} | rows),
    f"Four hands, then {', '.join(np.unique(names)[:4])}: the pictures, and what the network makes of "
    "them before training and after some epochs. Hands come out blurred first and sharper later. The "
    "four others are rebuilt as well, roughly.",
)

# %% id="residuals"
missed = (as_input(watched).cpu() - snapshots[epochs].cpu()).abs().mean(dim=(1, 2, 3)).numpy()
eight = ["a hand"] * 4 + [f"the {name}" for name in np.unique(names)[:4]]
plotting.show(
    plotting.residual_rows(watched, snapshots[epochs], ends=("too dark", "too bright")),
    f"The same eight with their residuals, after the last epoch. The mean residual is {missed[:4].min():.3f} "
    f"to {missed[:4].max():.3f} on the hands and {missed[4:].min():.3f} to {missed[4:].max():.3f} on the "
    f"others. The largest is that of {eight[missed.argmax()]}, the smallest that of "
    f"{eight[missed.argmin()]}.",
)

# %% [markdown] id="mae-text"
# The tutorial trains on the squared error and scores by the **mean absolute error** (MAE). It gives no
# reason for the change. Does it matter? The square lets a few badly missed pixels decide, the absolute
# value counts many slightly missed ones as well. Here are both scores of the same reconstructions.

# %% id="mae"
from helpers.scores import absolute_error, reconstruction_error


def ae_scores(images):
    """MAE and MSE of each picture. uint8 (N, 1, H, W) -> two arrays (N,)"""
    mae = apply(lambda x: absolute_error(x, ae(x)), images)
    return mae.numpy(), apply(lambda x: reconstruction_error(x, ae(x)), images).numpy()


mae, mse = ae_scores(test_images)
calibration_mae, _ = ae_scores(calibration.images)
for name, s in {"MAE": mae, "MSE": mse}.items():
    low, high = bootstrap_interval(s[:n], s[n:])
    print(f"{name}: AUROC {auroc(s[:n], s[n:]):.4f} ({low:.4f} to {high:.4f})")
gain = auroc(mae[:n], mae[n:]) - auroc(mse[:n], mse[n:])
print(f"MAE instead of MSE: {gain:+.4f}, and no network was trained for it")

# %% id="histogram"
from helpers.thresholds import conformal_threshold

threshold = conformal_threshold(calibration_mae, 0.05)
found, false_alarms = (mae[n:] > threshold).mean(), (mae[:n] > threshold).mean()
plotting.show(
    plotting.score_histogram(
        {"hands": mae[:n], "others": mae[n:]}, {"conformal, 5 %": threshold}, label="MAE"
    ),
    f"MAE of all {n:,} test hands and {len(mae) - n:,} others. The conformal threshold finds {found:.1%} "
    f"of the others and flags {false_alarms:.1%} of the hands.",
)

# %% [markdown] id="fpr-text"
# ### One threshold, from the other side
#
# In medicine one often fixes what must be found, say 95 % of what does not belong, and asks what that
# costs: the **false-alarm rate at 95 % detection** (FPR at 95 % TPR).
#
# ### Exercise 3.6
#
# Write it from scikit-learn's `roc_curve`, which gives false-alarm rates, detection rates and
# thresholds from the strictest on; an image is flagged if its score is at least the threshold.
# **Done** when ties are right and the rate is one that a threshold really has.


# %% id="ex-3-6" tags=["exercise"] reference="helpers.metrics.fpr_at_tpr"
from sklearn.metrics import roc_curve


def fpr_at_tpr(normal_scores, anomaly_scores, tpr=0.95):
    """False-alarm rate of the strictest threshold that still finds `tpr` of the anomalies."""
    ...  # labels 0 and 1 for roc_curve: np.repeat; drop_intermediate=False keeps all points


# %% id="check-3-6" tags=["check", "nbval-check-output"]
fpr_at_tpr = check("3.6", fpr_at_tpr)

# %% id="roc-figure"
classes = per_class_auroc(mae[:n], mae[n:], names)
worst = classes.index[0]
low, high = bootstrap_interval(mae[:n], mae[n:], statistic=fpr_at_tpr)
plotting.show(
    plotting.roc_and_precision(mae[:n], {"all others": mae[n:], worst: mae[n:][names == worst]}),
    f"To find 95 % of the others one accepts {fpr_at_tpr(mae[:n], mae[n:]):.1%} false alarms "
    f"({low:.1%} to {high:.1%}); to find 95 % of the class {worst}, "
    f"{fpr_at_tpr(mae[:n], mae[n:][names == worst]):.1%}.",
)

# %% [markdown] id="precision-text"
# ### How often is an alarm right?
#
# In our test set every second picture is an anomaly. Nobody's archive is like that. With detection rate
# $t$, false-alarm rate $f$ and a share $\pi$ of anomalies, Bayes' rule gives the **precision**.
#
# ### Exercise 3.7
#
# Write it, on paper first: of 1,000 pictures, how many are flagged rightly, how many wrongly? **Done**
# when an array of prevalences works, too.


# %% id="ex-3-7" tags=["exercise"] reference="helpers.metrics.precision_at_prevalence"
def precision_at_prevalence(tpr, fpr, prevalence):
    """Share of true anomalies among the flagged images, where `prevalence` of all are anomalies."""
    ...


# %% id="check-3-7" tags=["check", "nbval-check-output"]
precision_at_prevalence = check("3.7", precision_at_prevalence)

# %% id="precision"
for prevalence in (0.5, 0.1, 0.01, 0.001):
    precision = precision_at_prevalence(found, false_alarms, prevalence)
    print(
        f"one picture in {1 / prevalence:5,.0f} is no hand: {precision:6.1%} of the alarms are right"
    )

# %% [markdown] id="per-class-text"
# **And per class?** Put the network's two rows below the trivial ones.

# %% id="per-class"
so_far = baselines | {"AE MAE": mae, "AE MSE": mse}
table = judge({"AE MAE": mae, "AE MSE": mse}).set_index("score")
verdict = "above" if table.auroc["AE MSE"] > best_trivial.auroc else "not above"
plotting.show(
    plotting.auroc_table(class_table(so_far)),
    f"The worst class of the MAE is {table['worst class']['AE MAE']} "
    f"({table.worst['AE MAE']:.3f}). Over all classes the MSE reaches {table.auroc['AE MSE']:.3f}, "
    f"{verdict} {best_trivial.score} ({best_trivial.auroc:.3f}).",
)

# %% [markdown] id="explore-threshold-text"
# **Try it yourself.** Move the threshold over the worst class. Where would you set it, and what would
# you have to know to decide?

# %% id="explore-threshold" tags=["nbval-ignore-output"]
from helpers.widgets import threshold_explorer

threshold_explorer(mae[:n], mae[n:][names == worst], thresholds={"conformal 5 %": threshold})

# %% [markdown] id="vae-text"
# ## 4 · Model or score?
#
# The tutorial compares an autoencoder scored by its MAE with a VAE scored by what it calls the
# likelihood, and concludes that reconstruction beats likelihood. Two things are wrong with that.
# Its "likelihood" is the **KL term alone**; half of the ELBO is missing. And model *and* score change
# at the same time, so the comparison cannot say which of them made the difference. (A third thing:
# its loss, MSE averaged over pixels plus twice the KL averaged over latents, has a beta of its own.)

# %% id="source-beta" tags=["nbval-check-output"]
from helpers.losses import effective_beta

beta = effective_beta(128, 64 * 64, 128, error="mean", kl="mean", kl_weight=2)
print(f"that loss is an ELBO with beta = {beta:.0f}, for pixels of spread 1")

# %% [markdown] id="nats-text"
# We train the VAE in nats, and no weight is left to choose: the best spread $\sigma$ of a pixel, for
# given reconstructions, is their root mean square error (module 2), so each batch takes its own
# (Rybkin et al., arXiv 2006.13202).

# %% id="nats"
from helpers.losses import elbo, gaussian_log_likelihood, kl_divergence, reparameterize
from helpers.models import DeepVAE


vae_terms = []  # of each step: the two terms of the loss


def loss_in_nats(vae, x):
    """Minus the ELBO, mean over the batch."""
    mu, logvar = vae.encode(x)
    x_hat = vae.decode(reparameterize(mu, logvar))
    sigma = (x_hat - x).square().mean().sqrt().detach()
    log_likelihood, kl = gaussian_log_likelihood(x, x_hat, sigma), kl_divergence(mu, logvar)
    vae_terms.append((-log_likelihood.mean().item(), kl.mean().item()))
    return -elbo(log_likelihood, kl).mean()


# %% id="vae-train"
from helpers.experiments.module_03 import train as train_for
from helpers.training import vae_error

set_seed(0)
vae = network(DeepVAE, train.images.shape[-1])
history = train_for(vae, train.images, loss_in_nats, progress=True)
vae.sigma = mean_loss(vae, calibration.images, vae_error) ** 0.5
print(f"spread of a pixel {vae.sigma:.4f}, so an error of {vae.sigma**2:.5f} on calibration hands")

# %% id="vae-curve"
minus_log, kl_curve = np.array(vae_terms).T
at = np.arange(1, len(kl_curve) + 1)
plotting.show(
    plotting.curves(
        {"− log-likelihood": (at, minus_log), "KL": (at, kl_curve)}, "step", "nats a picture"
    ),
    f"The two terms of the loss. From the first step to the last, minus the log-likelihood goes from "
    f"{minus_log[0]:.0f} to {minus_log[-1]:.0f} nats and the KL from {kl_curve[0]:.0f} to "
    f"{kl_curve[-1]:.0f}: the network pays in KL for what it gains in reconstruction.",
)

# %% id="claim-vae-curve" tags=["claim"]
claim(
    "the VAE pays in KL for what it gains in reconstruction",
    kl_curve[-20:].mean() > kl_curve[:5].mean() and minus_log[-20:].mean() < minus_log[:5].mean(),
)

# %% id="vae-residuals"
vae_watched = apply(lambda x: vae(x)[0], watched)
vae_missed = (as_input(watched).cpu() - vae_watched.cpu()).abs().mean(dim=(1, 2, 3)).numpy()
plotting.show(
    plotting.residual_rows(watched, vae_watched, ends=("too dark", "too bright")),
    f"The same eight pictures, rebuilt by the VAE. Mean residual: hands {vae_missed[:4].mean():.3f}, others "
    f"{vae_missed[4:].mean():.3f}; the autoencoder had {missed[:4].mean():.3f} and {missed[4:].mean():.3f}.",
)

# %% [markdown] id="longer-text"
# ### Trained alike?
#
# Before two models are compared, each has to be trained about as far as it goes; otherwise one compares
# how *fast* they learn. Both had the same number of steps. Look again at the autoencoder's curve: was
# it still falling when we stopped? So train a copy on, as long again, with a step that grows to three
# times Adam's usual one and then shrinks to nothing (one cycle, Smith, arXiv 1708.07120): at its end
# there is little left to gain.

# %% id="longer"
import copy

set_seed(0)
longer, longer_errors = copy.deepcopy(ae), [mean_loss(ae, calibration.images)]
optimizer = adam(longer, weight_decay=0)
per_epoch = -(-len(train) // 128)
cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * per_epoch)
for _ in range(epochs):
    longer.train()
    for x in batches(train.images, 128, shuffle=True):
        train_step(longer, x, optimizer, F.mse_loss)
        cycle.step()
    longer_errors.append(mean_loss(longer, calibration.images))
longer.eval()
print("calibration error after each further epoch:", *(f"{e:.5f}" for e in longer_errors))
print(
    f"VAE: {vae.sigma**2:.5f}; the last epoch gained {1 - longer_errors[-1] / longer_errors[-2]:.1%}"
)

# %% id="claim-longer" tags=["claim"]
claim("the autoencoder was still learning", longer_errors[-1] < 0.9 * longer_errors[0])
claim(
    "trained on, it rebuilds hands about as well as the VAE", longer_errors[-1] < 1.1 * vae.sigma**2
)

# %% [markdown] id="terms-text"
# Its scores: the reconstruction (MAE, MSE), the KL, and both together, the negative ELBO. Look at the
# two terms for hands and for each other class. Which of them knows what?


# %% id="terms"
@torch.inference_mode()
def terms(x):
    x_hat, mu, logvar = vae(x)
    minus_log = -gaussian_log_likelihood(x, x_hat, vae.sigma)
    return torch.stack([minus_log, kl_divergence(mu, logvar), reconstruction_error(x, x_hat)], 1)


parts = apply(terms, test_images).double().numpy()
kinds = np.concatenate([np.repeat("Hand", n), names])
frame = pd.DataFrame(parts, columns=["reconstruction, nats", "KL, nats", "MSE"])
frame = frame.groupby(kinds).median()
frame.round({"reconstruction, nats": 1, "KL, nats": 1, "MSE": 4})

# %% id="terms-figure"
points = {k: parts[kinds == k][:150, [2, 1]].T for k in ["Hand", *np.unique(names)]}
plotting.show(
    plotting.scatter(points, "reconstruction: mean squared error", "KL, nats", log="x"),
    f"150 pictures of each class. Hands: median KL {frame['KL, nats']['Hand']:.0f} nats. The class with the "
    f"largest KL is {frame['KL, nats'].idxmax()}, the one that is rebuilt worst {frame.MSE.idxmax()}. "
    f"Below the hands' median KL lie: {', '.join(frame.index[frame['KL, nats'] < frame['KL, nats']['Hand']]) or 'none'}.",
)

# %% id="vae-histogram"
kl = parts[:, 1]
plotting.show(
    plotting.score_histogram({"hands": kl[:n], "others": kl[n:]}, {}, label="KL, nats"),
    f"The KL term as a score, the one that the tutorial used: AUROC {auroc(kl[:n], kl[n:]):.3f}. Median of "
    f"the hands {np.median(kl[:n]):.0f} nats, of the others {np.median(kl[n:]):.0f}.",
)

# %% [markdown] id="mahalanobis-text"
# ### Scores that look inside
#
# A reconstruction asks: can the decoder make this picture? One can also ask the encoder: is the code
# where the codes of hands are? With mean $m$ and covariance $\Sigma$ of the training codes, the
# **Mahalanobis distance** measures in their own spread:
#
# $$d(z) = \sqrt{(z - m)^\top\, \Sigma^{-1} (z - m)}$$
#
# $\Sigma$ of many numbers from few pictures has no reliable inverse. **Shrinkage** mixes it with a
# sphere of the same size; Ledoit and Wolf say how much.
#
# ### Exercise 3.8
#
# Write `mahalanobis`: training codes (M, d) and codes (N, d) in, distances (N,) out, a tensor, and
# float64 if the codes are. Shrink as scikit-learn's `LedoitWolf` does. **Done** when six codes of
# twenty numbers are enough.


# %% id="ex-3-8" tags=["exercise"] reference="helpers.scores.mahalanobis"
from sklearn.covariance import LedoitWolf


def mahalanobis(z_train, z):
    """Mahalanobis distance of each code from the training codes. (M, d), (N, d) -> (N,)"""
    ...  # LedoitWolf().fit(array); its .mahalanobis gives squared distances


# %% id="check-3-8" tags=["check", "nbval-check-output"]
mahalanobis = check("3.8", mahalanobis)

# %% [markdown] id="ssim-text"
# ### A score that looks at structure
#
# The MSE of a shifted edge is large, that of a missing texture small. The **structural similarity**
# (SSIM, Wang et al. 2004) compares mean, spread and correlation in a small window around each pixel,
# and Bergmann et al. (2019) took 1 - SSIM as a residual. scikit-image has it; the exercise is to ask
# it the right question.
#
# ### Exercise 3.9
#
# Write `ssim_residual`: images and reconstructions (N, 1, H, W) with pixels in [0, 1] in, a map of
# 1 - SSIM out, a tensor of the same shape, and float64 if the images are. **Done** when images of a
# batch do not mix.


# %% id="ex-3-9" tags=["exercise"] reference="helpers.scores.ssim_residual"
from skimage.metrics import structural_similarity


def ssim_residual(x, x_hat):
    """1 - SSIM at each pixel, from 7×7 windows. (N, 1, H, W) in [0, 1] twice -> the same shape"""
    ...  # structural_similarity(a, b, data_range=..., channel_axis=..., full=...)


# %% id="check-3-9" tags=["check", "nbval-check-output"]
ssim_residual = check("3.9", ssim_residual)

# %% [markdown] id="grid-text"
# Now the whole grid: both models, every score. `features` are the mean and the spread of each channel
# of the encoder's blocks; kNN is the distance to the fifth nearest training code (Sun et al.,
# arXiv 2204.06507).

# %% id="grid"
from helpers.experiments.module_03 import model_scores

scores = dict(baselines)
for prefix, model in {"AE": ae, "VAE": vae, "longer AE": longer}.items():
    found_scores = model_scores(model, train.images, test_images)
    scores |= {f"{prefix} {name}": s for name, s in found_scores.items()}
learned = {k: s for k, s in scores.items() if k not in baselines and "longer" not in k}
grid = pd.concat([baseline_table, judge(learned)]).set_index("score")
grid.round(3)

# %% id="grid-figure"
best = grid.worst[list(learned)].idxmax()
plotting.show(
    plotting.auroc_table(class_table(learned)),
    f"Best learned score on its worst class: {best}, {grid.auroc[best]:.4f} over all "
    f"({grid.low[best]:.4f} to {grid.high[best]:.4f}) and {grid.worst[best]:.4f} on "
    f"{grid['worst class'][best]}.",
)

# %% [markdown] id="paired-text"
# ### Two detectors, the same pictures
#
# Two intervals that overlap do *not* show that two detectors are alike. Both have judged the same
# pictures, and what is hard for one is mostly hard for the other. So ask for the **difference**, on
# the same drawn pictures.
#
# ### Exercise 3.10
#
# Write `paired_difference`: scores of detectors a and b on the same images in, the interval of
# statistic(a) - statistic(b) out. Both groups are redrawn as in exercise 3.3. **Done** when a constant
# head start gives an interval of width 0.


# %% id="ex-3-10" tags=["exercise"] reference="helpers.metrics.paired_difference"
def paired_difference(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    """Percentile interval of statistic(a) - statistic(b) on the same images. -> (low, high)"""
    ...  # draw positions, once for the normal images and once for the anomalies


# %% id="check-3-10" tags=["check", "nbval-check-output"]
paired_difference = check("3.10", paired_difference)

# %% id="differences"
pairs = [
    ("AE MAE", "VAE KL"),  # the tutorial's comparison: both change
    ("AE MAE", "VAE MAE"),  # the score fixed, the model varied, at the same number of steps
    ("AE SSIM", "VAE SSIM"),
    ("VAE MAE", "VAE KL"),  # the model fixed, the score varied
    ("VAE -ELBO", "VAE KL"),
    ("VAE -ELBO", "VAE MAE"),
    ("AE Mahalanobis, features", "AE MAE"),
    ("AE MAE", "AE MSE"),
    ("longer AE MAE", "AE MAE"),  # training alone
    ("longer AE MAE", "VAE MAE"),  # the model, both trained
    ("longer AE SSIM", "VAE SSIM"),
]


def compared(a, b, of=slice(None)):
    """One line of the table: two scores, on the test pictures of one part."""
    (na, aa), (nb, ab) = ((scores[k][:n][of], scores[k][n:][of]) for k in (a, b))
    low, high = paired_difference(na, aa, nb, ab)
    row = {"pair": f"{a} − {b}", "difference": auroc(na, aa) - auroc(nb, ab)}
    return row | {"low": low, "high": high}


difference_table = pd.DataFrame([compared(a, b) for a, b in pairs])

# %% [markdown] id="chosen-text"
# And the question that hurts: does the best learned score beat the best trivial one? Whoever picks the
# best of sixteen scores on the test pictures and judges it on the same pictures counts its luck as
# skill. So choose on the pictures of even number, by the worst class, and judge on those of odd number.

# %% id="chosen"
even, odd = slice(0, None, 2), slice(1, None, 2)


def best_of(candidates):
    """The score with the highest AUROC on its worst class, on the pictures of even number."""
    worst = {
        k: per_class_auroc(scores[k][:n][even], scores[k][n:][even], names[even]).iloc[0]
        for k in candidates
    }
    return max(worst, key=worst.get)


chosen, chosen_trivial = best_of(learned), best_of(baselines)
honest = compared(chosen, chosen_trivial, odd)
difference_table.loc[len(difference_table)] = honest

# %% id="differences-figure"
model_effect, score_effect = difference_table.difference[1], difference_table.difference[3]
larger = "score" if abs(score_effect) > abs(model_effect) else "model"
plotting.show(
    plotting.differences(difference_table, "pair", "difference of two AUROCs"),
    f"Same score (MAE), other model: {model_effect:+.3f} after the same steps, "
    f"{difference_table.difference[9]:+.3f} with the autoencoder trained on, which alone is worth "
    f"{difference_table.difference[8]:+.3f}. Same VAE, other score (MAE for KL): {score_effect:+.3f}. The larger effect is "
    f"that of the {larger}. Last line, chosen and judged on different pictures: "
    f"{honest['difference']:+.3f} ({honest['low']:+.3f} to {honest['high']:+.3f}).",
)

# %% id="claim-differences" tags=["claim"]
claim("the score makes the larger difference", larger == "score")
model_trained = difference_table.difference[9]
claim("also with both trained", abs(model_trained) < abs(score_effect))

# %% [markdown] id="paired-lesson"
# The first line is the tutorial's comparison. The second and the fourth take it apart: only they
# tell whether it was the model or the score. The lines with the longer AE say what part of the second
# was training: a difference of two models that were not trained as far as they go is one of speed. The last line is the question that hurts, asked on
# pictures that had no part in the choice.
#
# **Is the KL a bad score, then?** Not in general. The tutorial's loss, the mean squared error plus twice
# the mean KL, weighs the KL 32 times at its own size. What it weighs depends on the size: with fewer
# pixels and latents the same line of code is another beta. Train our network with that loss, whatever
# beta it means here, and compare again.


# %% id="heavy-beta"
def loss_with_its_beta(vae, x):
    """That loss, up to a factor: pixels of spread 1 and the beta that it means at this size."""
    mu, logvar = vae.encode(x)
    log_likelihood = gaussian_log_likelihood(x, vae.decode(reparameterize(mu, logvar)))
    return -elbo(log_likelihood, kl_divergence(mu, logvar), beta=our_beta).mean()


pixels, latents = train.images[0].size, vae.encode(as_input(watched))[0].shape[1]
our_beta = effective_beta(128, pixels, latents, error="mean", kl="mean", kl_weight=2)
print(
    f"beta = {our_beta:.0f} for {pixels:,} pixels and {latents} latents (the tutorial: {beta:.0f})"
)


set_seed(0)
heavy = network(DeepVAE, train.images.shape[-1])
history = train_for(heavy, train.images, loss_with_its_beta, progress=True)
heavy_scores = model_scores(heavy, train.images, test_images)

# %% id="heavy-table"
rows = []
for loss, s in (
    ("in nats", {k: scores[f"VAE {k}"] for k in heavy_scores}),
    (f"beta = {our_beta:.0f}", heavy_scores),
):
    (nm, am), (nk, ak) = ((s[k][:n], s[k][n:]) for k in ("MAE", "KL"))
    low, high = paired_difference(nm, am, nk, ak)
    row = {"loss": loss, "MAE": auroc(nm, am), "KL": auroc(nk, ak)}
    rows.append(row | {"MAE − KL": auroc(nm, am) - auroc(nk, ak), "low": low, "high": high})
beta_table = pd.DataFrame(rows).set_index("loss")
beta_table.round(3)

# %% [markdown] id="heavy-lesson"
# One network, one score, two weights of a term in the loss. If the two rows differ, then "the KL" is
# not one score but as many as there are betas, and a sentence on "likelihood" that names no beta
# cannot be true or false.

# %% id="claim-heavy" tags=["claim"]
claim(
    "the KL is another score with the tutorial's beta than in nats",
    abs(beta_table.KL.iloc[1] - beta_table.KL.iloc[0]) > 0.1,
)

# %% [markdown] id="ssim-terms-text"
# **What does SSIM do right?** In each window it multiplies three terms, each 1 where the two windows
# agree: *luminance* compares their means, *contrast* their spreads, and *structure* is their
# correlation, which knows neither mean nor spread. With means $\mu$, spreads $\sigma$ and covariance
# $\sigma_{xy}$, and small constants against division by zero:
#
# $$\frac{2\mu_x\mu_y + C_1}{\mu_x^2 + \mu_y^2 + C_1} \cdot
# \frac{2\sigma_x\sigma_y + C_2}{\sigma_x^2 + \sigma_y^2 + C_2} \cdot
# \frac{\sigma_{xy} + C_2/2}{\sigma_x\sigma_y + C_2/2}$$
#
# So which of them does the work? Each term alone is a score, too.


# %% id="ssim-terms"
from scipy.ndimage import uniform_filter


def ssim_terms(x, x_hat):
    """Luminance, contrast, structure around each pixel. (N, 1, H, W) twice -> (N, 3, H, W)"""
    a, b = (images[:, 0].double().cpu().numpy() for images in (x, x_hat))

    def mean(v):
        return uniform_filter(v, (1, 7, 7))

    a_mean, b_mean, c1, c2 = mean(a), mean(b), 0.01**2, 0.03**2
    a_var, b_var = (49 / 48 * (mean(v * v) - m * m).clip(0) for v, m in ((a, a_mean), (b, b_mean)))
    both, spreads = 49 / 48 * (mean(a * b) - a_mean * b_mean), np.sqrt(a_var * b_var)
    luminance = (2 * a_mean * b_mean + c1) / (a_mean**2 + b_mean**2 + c1)
    contrast = (2 * spreads + c2) / (a_var + b_var + c2)
    structure = (both + c2 / 2) / (spreads + c2 / 2)
    return torch.from_numpy(np.stack([luminance, contrast, structure], axis=1))


# %% id="ssim-terms-table"
TERMS = ["luminance", "contrast", "structure"]
each = apply(lambda x: 1 - ssim_terms(x, ae(x)).mean(dim=(2, 3)), test_images).numpy()
alone = {f"1 − {term}": each[:, i] for i, term in enumerate(TERMS)}
shown = {"AE MSE": scores["AE MSE"], "AE SSIM": scores["AE SSIM"]} | alone
term_table = class_table(shown)
term_table.insert(0, "all", [auroc(s[:n], s[n:]) for s in shown.values()])
term_table.insert(1, "mean, hands", [s[:n].mean() for s in shown.values()])
term_table.round(3)

# %% id="ssim-terms-lesson"
leading = term_table["all"][list(alone)].idxmax()
x = as_input(normal.images[:200]).cpu()
changed = {
    "half the contrast": x.mean((2, 3), keepdim=True) * 0.5 + x * 0.5,
    "0.15 brighter": x + 0.15,
}
for change, y in changed.items():
    cost = (1 - ssim_terms(x, y)).mean(dim=(0, 2, 3)).numpy()
    each_cost = ", ".join(f"{term} {c:.3f}" for term, c in zip(TERMS, cost, strict=True))
    print(f"{change:17}: 1 − SSIM {ssim_residual(x, y).mean():.3f}; of the terms, {each_cost}")
print(f"best term alone: {leading}, AUROC {term_table['all'][leading]:.3f}")
print(f"all three, SSIM: {term_table['all']['AE SSIM']:.3f}")

# %% id="brightness-of-hands"
from scipy.stats import spearmanr

brightness_of_hands = normal.images.mean(axis=(1, 2, 3))
hangs = {
    k: spearmanr(scores[k][:n], brightness_of_hands)[0] for k in ("AE MAE", "AE MSE", "AE SSIM")
}
print("rank correlation of a hand's score with its brightness:")
print(", ".join(f"{name} {value:+.2f}" for name, value in hangs.items()))

# %% [markdown] id="ssim-lesson"
# Two answers, then. The luminance term adds little: the network rebuilds the mean of a window well
# enough, of hands and of others. What tells them apart is contrast and structure, the fine pattern that
# the network cannot rebuild where it never saw it. And among the hands themselves the MAE rises with
# the brightness of the picture, as an error of grey values must where there is more grey to miss; SSIM
# hardly minds it. Contrast it does mind: a picture of half the contrast costs, as printed.

# %% id="claim-ssim" tags=["claim"]
x, y = as_input(test_images[:50]), ae(as_input(test_images[:50])).detach()
product = ssim_terms(x, y).prod(dim=1)
claim(
    "the three terms multiply to SSIM",
    np.allclose(1 - product, ssim_residual(x, y)[:, 0].cpu(), atol=1e-3),
)

# %% id="claim-ssim-work" tags=["claim"]
claim("luminance is not the term that does the work", leading != "1 − luminance")
claim(
    "SSIM minds contrast: half of it costs more than a brighter picture",
    (1 - ssim_terms(x, x.mean((2, 3), keepdim=True) / 2 + x / 2)).mean()
    > (1 - ssim_terms(x, x + 0.15)).mean(),
)
claim(
    "SSIM hangs less on a hand's brightness than the MAE",
    abs(hangs["AE SSIM"]) < abs(hangs["AE MAE"]),
)

# %% [markdown] id="standardised-text"
# The correlation ignores how bright a window is and how strong its contrast. Do the same to the whole
# picture, and leave the network out: shrink it to 16×16 pixels, subtract its mean, divide by its
# spread, and take your Mahalanobis distance.


# %% id="standardised"
def standardise(x):
    """16×16 pixels of mean 0 and spread 1. (N, 1, H, W) -> (N, 256)"""
    x = F.adaptive_avg_pool2d(x, 16).flatten(start_dim=1)
    return (x - x.mean(dim=1, keepdim=True)) / (x.std(dim=1, keepdim=True) + 1e-3)


def standardised(images):
    return apply(standardise, images)


name = "standardised pixels"
scores[name] = mahalanobis(standardised(train.images), standardised(test_images)).numpy()
grid = pd.concat([grid, judge({name: scores[name]}).set_index("score")])
print(grid.loc[[best, best_trivial.score, name]].round(4).to_string())

# %% [markdown] id="standardised-lesson"
# No network at all. Before you read a table of networks, ask for the row that is not in it.
#
# But this score was *found* by trying many on these very test pictures, and the best of many looks
# better than it is. So judge it once more, on another split and other anomalies.

# %% id="standardised-again"
fit_part, _, test_part = split_by_content(hands.images, seed=1)
not_hands = np.flatnonzero(pictures.labels != pictures.classes.index("Hand"))
drawn = np.sort(np.random.default_rng(1).choice(not_hands, len(test_part), replace=False))
codes = standardised(hands.images[fit_part])
hand_scores = mahalanobis(codes, standardised(hands.images[test_part])).numpy()
other_scores = mahalanobis(codes, standardised(pictures.images[drawn])).numpy()
low, high = bootstrap_interval(hand_scores, other_scores)
print(f"AUROC {auroc(hand_scores, other_scores):.4f} ({low:.4f} to {high:.4f})")
by_class = per_class_auroc(
    hand_scores, other_scores, np.array(pictures.classes)[pictures.labels[drawn]]
)
print(f"worst class {by_class.index[0]}: {by_class.iloc[0]:.4f}")

# %% [markdown] id="score-explorer-text"
# **Look at the pictures.** Sort the test set by any score. What do the least anomalous pictures of a
# class have in common?

# %% id="score-explorer" tags=["nbval-ignore-output"]
from helpers.widgets import score_explorer

score_explorer(test_images, kinds, scores)

# %% [markdown] id="harder-text"
# ## 5 · Harder tasks
#
# When every decent score is near 1, the task no longer tells them apart. What would be harder? One
# can guess, but whether a task *is* harder has to be measured.
#
# **Another normal class.** Nothing in the method knows about hands. The tables below were computed
# beforehand (`make results`): each class as the normal one, against each other class.

# %% id="normal-class"
from helpers.results import over_seeds, read_table

profile = choose(quick="quick", full="full")
tasks = over_seeds(read_table("03_normal_class", source=train.source, profile=profile), by="normal")


def matrix(score):
    """AUROC of a score: normal classes as rows, anomalies as columns."""
    columns = {name: tasks.get(f"{score}, {name}") for name in pictures.classes}
    return pd.DataFrame(columns)


# %% id="matrix-mae"
mae_matrix = matrix("AE MAE")
by_pair = mae_matrix.stack().dropna()  # a class against itself is no pair
hardest = by_pair.idxmin()
plotting.show(
    plotting.auroc_table(mae_matrix),
    f"AE, MAE, seeds: {tasks.seeds.max()}; rows normal, columns anomalous. {(by_pair >= 0.98).sum()} of the "
    f"{len(by_pair)} pairs are at 0.98 or above. Lowest where {hardest[0]} is normal and {hardest[1]} the "
    f"anomaly: {by_pair.min():.3f}.",
)

# %% id="matrix-features"
tried = ["background", "nearest picture", "AE MAE", "AE Mahalanobis, features"]
lowest = pd.DataFrame({score: matrix(score).min(axis=1) for score in tried})
print("AUROC on the worst of the other classes")
lowest.round(3)

# %% [markdown] id="pairs-text"
# So this is *not* harder. By the MAE hands were the hardest normal class already, chest X-rays come
# close, and most other pairs are told apart more easily; for some classes the grey of the border alone
# is enough. CT against CT sounds
# close, and the border tells them apart as well.
#
# **Hands put together from two.** A hard task leaves no cheap cue. Take the left half of one test hand
# and the right half of another. Each half is a real hand, so brightness, border and texture are those
# of hands; what is wrong is that the halves do not belong together. (Some hands stand on a bright
# ground; where one of them meets a dark picture, the seam is easy to see.)

# %% id="claim-matrix" tags=["claim"]
claim("most pairs are nearly perfect", (by_pair >= 0.98).mean() > 0.5)
claim("hands are the hardest normal class", lowest["AE MAE"].idxmin() == "Hand")
claim(
    "for some classes the border alone is enough",
    (lowest.background > 0.98).any(),
)

# %% id="claim-border" tags=["claim"]
ct = [
    ("HeadCT", "ChestCT"),
    ("ChestCT", "HeadCT"),
    ("AbdomenCT", "ChestCT"),
    ("ChestCT", "AbdomenCT"),
]
border = matrix("background")
claim("the border tells CT from CT", min(border.loc[a, b] for a, b in ct) > 0.98)

# %% id="pairs"
half = n // 2  # joined from the second half of the test hands, compared with the first
few = normal.images[half:][: choose(quick=150, full=500)]
middle = few.shape[-1] // 2
joined = np.concatenate([few[..., :middle], np.roll(few, 1, axis=0)[..., middle:]], axis=-1)
joined_scores = baseline_scores(train.images, joined)
for prefix, model in {"AE": ae, "VAE": vae}.items():
    found_scores = model_scores(model, train.images, joined)
    joined_scores |= {f"{prefix} {name}": s for name, s in found_scores.items()}
codes = standardised(train.images), standardised(joined)
joined_scores["standardised pixels"] = mahalanobis(*codes).numpy()
joined_table = pd.DataFrame(
    {name: [grid.auroc[name], auroc(scores[name][:half], s)] for name, s in joined_scores.items()},
    index=["other classes", "joined hands"],
).T

# %% id="joined-pictures"
plotting.show(
    plotting.image_rows({"hands": few[1:9], "joined": joined[1:9]}),
    "Eight hands, and below each its left half beside the right half of the hand before it.",
)

# %% id="joined-figure"
strongest, weakest = joined_table["joined hands"].idxmax(), joined_table["joined hands"].idxmin()
first = joined_table["other classes"].idxmax()
plotting.show(
    plotting.auroc_table(joined_table),
    f"Over the other classes {first} leads with {joined_table['other classes'][first]:.3f}; on joined "
    f"hands it has {joined_table['joined hands'][first]:.3f}. Best there is {strongest} with "
    f"{joined_table['joined hands'][strongest]:.3f}, last {weakest} with "
    f"{joined_table['joined hands'][weakest]:.3f}.",
)

# %% id="claim-joined" tags=["claim"]
claim(
    "joined hands are harder: the best score there is below the best over the other classes",
    joined_table["joined hands"].max() < joined_table["other classes"].max() - 0.05,
)

# %% id="claim-joined-cues" tags=["claim"]
claim(
    "brightness and border know nothing of it",
    joined_table["joined hands"][["brightness", "background"]].between(0.35, 0.65).all(),
)

# %% [markdown] id="severity-text"
# **Hands that are not right.** Now the anomaly is a hand: with a lesion, blurred, rotated, or with
# inverted contrast, a little or much. At severity 0 the two groups are the same kind, so AUROC is
# one half on average, and in one draw a little beside it. (A lesion of severity 0 still is one, small and as bright as its
# surroundings.) Guess the order of the curves before you look.

# %% id="severity"
from helpers.corruptions import CORRUPTIONS
from helpers.scores import knn

# again from the second half, so that no hand is in both groups
levels = [(name, severity) for name in CORRUPTIONS for severity in (0, 0.25, 0.5, 0.75, 1)]
spoiled = np.concatenate([CORRUPTIONS[name](few, severity) for name, severity in levels])
found_scores = model_scores(ae, train.images, spoiled)
spoiled_scores = {f"AE {name}": s for name, s in found_scores.items()}
nearest = knn(*(as_input(images).cpu().flatten(1) for images in (train.images, spoiled)), k=1)
spoiled_scores["nearest picture"] = nearest.numpy()
distances = mahalanobis(standardised(train.images), standardised(spoiled))
spoiled_scores["standardised pixels"] = distances.numpy()

# %% id="severity-table"
severities = pd.DataFrame(levels, columns=["corruption", "severity"])
for name, s in spoiled_scores.items():
    severities[name] = [auroc(scores[name][:half], part) for part in np.split(s, len(levels))]
shown = ["AE MAE", "AE SSIM", "AE Mahalanobis, features", "nearest picture", "standardised pixels"]
severities.set_index(["corruption", "severity"])[shown].round(2)

# %% id="severity-figure"
at_half = severities[severities.severity == 0.5].set_index("corruption")[shown]
leaders = ", ".join(f"{c}: {row.idxmax()} ({row.max():.2f})" for c, row in at_half.iterrows())
below = severities[shown].min().idxmin()
plotting.show(
    plotting.severity_curves(severities, shown),
    f"Best of these at severity 0.5: {leaders}. Lowest of all is {below} with "
    f"{severities[below].min():.2f}: below one half means that spoiled hands look *more* normal.",
)

# %% [markdown] id="severity-lesson"
# Look at blur. A blurred hand is easier to rebuild than a sharp one, since an autoencoder blurs
# anyway, so its error *falls* as the picture gets worse. And look at lesions at half severity: none of
# the scores that told chests from hands finds them well. "Nearly perfect" was a statement about chests.
#
# **The hole in the best score.** At severity 0.5 of inverted contrast a picture is one even grey. No
# one would take it for a hand; the standardised pixels do, and find it *more* normal than most hands.
# An even picture has no spread: after its mean is subtracted all its pixels are 0, and 0 lies near the
# centre of the standardised hands, where the distance is small. (For the same reason the structure
# term alone would call it normal; SSIM is saved by its contrast term.) What was divided away, the mean
# and the spread, has to be looked at as well: as two more numbers beside the 256, or as a distance of
# its own, each distance divided by what 95 % of the calibration hands stay below, and the larger taken.


# %% id="hole"
def mean_and_spread(images):
    return apply(lambda x: torch.stack([x.mean((1, 2, 3)), x.std((1, 2, 3))], dim=1), images)


def one_distance(images):
    """Mahalanobis distance of all 258 numbers."""
    fitted, z = (
        torch.cat([standardised(i), mean_and_spread(i)], 1) for i in (train.images, images)
    )
    return mahalanobis(fitted, z).numpy()


def larger_distance(images):
    """The larger of two distances, in units of the calibration hands' 95 % quantiles."""
    parts = []
    for features in (standardised, mean_and_spread):
        fitted = features(train.images)
        own, all_hands = (mahalanobis(fitted, features(i)) for i in (images, calibration.images))
        parts.append(own / all_hands.quantile(0.95))
    return torch.maximum(*parts).numpy()


# %% id="hole-table"
flat = CORRUPTIONS["inverted contrast"](few, 0.5)
ways = {"258 numbers, one distance": one_distance, "the larger of two": larger_distance}
hole = {
    "standardised pixels": [
        scores["standardised pixels"],
        np.split(distances.numpy(), len(levels))[levels.index(("inverted contrast", 0.5))],
    ]
}
hole |= {name: [way(test_images), way(flat)] for name, way in ways.items()}
hole_table = pd.DataFrame(
    {
        k: {"even grey": auroc(a[:half], b), "other classes": auroc(a[:n], a[n:])}
        for k, (a, b) in hole.items()
    }
).T
hole_table.round(3)

# %% [markdown] id="hole-lesson"
# Two numbers among 258 are outvoted; a distance of their own is not. Whoever normalises a trait away
# has decided that it cannot be what is wrong, and should say so.

# %% id="claim-severity" tags=["claim"]
at = severities.set_index(["corruption", "severity"])
claim("the AE's MAE falls with blur", at["AE MAE"]["blur", 1] < at["AE MAE"]["blur", 0])
claim("half a lesion is found well by none", at.loc[("lesion", 0.5), shown].max() < 0.8)

# %% id="claim-hole" tags=["claim"]
claim(
    "an even grey looks more normal than most hands to the standardised pixels",
    hole_table["even grey"]["standardised pixels"] < 0.5,
)
claim(
    "as two of 258 numbers, mean and spread do less than as a distance of their own",
    hole_table["even grey"].iloc[1] < hole_table["even grey"].iloc[2] - 0.1,
)
claim("the larger of two finds the even grey", hole_table["even grey"].iloc[2] > 0.8)

# %% id="residual-explorer" tags=["nbval-ignore-output"]
from helpers.widgets import residual_explorer

residual_explorer(ae, normal.images[:200], CORRUPTIONS)

# %% [markdown] id="where-text"
# ## 6 · Seeing where
#
# A score says that something is wrong; a **map** says where. To judge a map one needs lesions whose
# pixels are known, so we paint them: a soft blob of even grey that takes the place of the anatomy.
#
# ### Exercise 3.11
#
# Write the brush, `paint_lesion`: an image (C, H, W), a cover (H, W) between 0 and 1 and a contrast
# in grey values in; the image with the lesion, uint8, and its mask, bool, out. Each channel has its own
# grey: the mean of what is covered, each pixel weighted by its cover, plus the contrast, clipped to
# [0, 255] *before* it is mixed in. A pixel covered by one quarter becomes one quarter grey; the result
# is rounded to whole grey values. **Done** when the edge is soft and no grey value overflows.


# %% id="ex-3-11" tags=["exercise"] reference="helpers.datasets.samples.lesions.paint_lesion"
def paint_lesion(image, cover, contrast):
    """Replace what `cover` covers by an even grey, and mark it. -> uint8 (C, H, W), bool (H, W)"""
    ...  # half covered is inside


# %% id="check-3-11" tags=["check", "nbval-check-output"]
paint_lesion = check("3.11", paint_lesion)

# %% [markdown] id="maps-text"
# `add_lesions` uses the brush at a random place of each hand. Three maps: the absolute residual, the
# SSIM residual, and as the trivial opponent the absolute difference to the mean hand.

# %% id="maps"
from helpers.datasets.samples.lesions import add_lesions

mean_hand = as_input(train.images).mean(dim=0, keepdim=True)
MAPS = {
    "residual": lambda x: (ae(x) - x).abs()[:, 0],
    "SSIM residual": lambda x: ssim_residual(x, ae(x))[:, 0],
    "mean hand": lambda x: (x - mean_hand).abs()[:, 0],
}
some = normal.images[: choose(quick=200, full=1000)]
lesioned, masks = add_lesions(some, 0.6, np.random.default_rng(0))
maps = {name: apply(f, lesioned).numpy() for name, f in MAPS.items()}

# %% id="maps-figure"
plotting.show(
    plotting.map_rows(lesioned[:6], masks[:6], {name: m[:6] for name, m in maps.items()}),
    f"Six hands with lesions of severity 0.6, outlined, on {masks.mean():.1%} of the pixels. Edges of "
    "bones light up as well as lesions.",
)

# %% [markdown] id="dice-text"
# Pixels are the units now. AUROC and **average precision** (the area under the precision curve, which
# minds how few pixels belong to lesions) need no threshold. A drawn outline does: ours is the conformal
# quantile of the pixels of calibration hands, meant to flag 1 % of healthy pixels. That is a guide and
# no guarantee: the pixels of one picture resemble each other, so a million pixels are worth about as
# much as the thousand pictures that they come from (we shall print how they differ). The overlap of the flagged pixels $A$ with the
# mask $B$ is
#
# $$\text{Dice} = \frac{2\,|A \cap B|}{|A| + |B|}$$
#
# ### Exercise 3.12
#
# Write it for two masks of True and False, arrays of any shape; all pixels count together. **Done**
# when two empty masks agree, with a Dice of 1.


# %% id="ex-3-12" tags=["exercise"] reference="helpers.metrics.dice"
def dice(a, b):
    """Overlap of two masks: twice what they share over the sum of their sizes. bool twice -> float"""
    ...


# %% id="check-3-12" tags=["check", "nbval-check-output"]
dice = check("3.12", dice)

# %% id="pixel-table"
from helpers.metrics import pixel_metrics

limits = {
    name: conformal_threshold(apply(f, calibration.images).numpy().ravel(), 0.01)
    for name, f in MAPS.items()
}
pixel_table = pd.DataFrame(
    {name: pixel_metrics(m, masks, limits[name]) for name, m in maps.items()}
).T
pixel_table.assign(chance=masks.mean()).round(3)

# %% id="pixels-by-picture"
healthy = apply(MAPS["residual"], normal.images).numpy() > limits["residual"]
share = healthy.mean(axis=(1, 2))
low, middle, high = np.quantile(share, [0.1, 0.5, 0.9])
print(f"healthy hands: {share.mean():.2%} of all pixels are flagged, meant were 1 %;")
print(
    f"by picture {middle:.2%} (median), {low:.2%} in the tidiest tenth, {high:.2%} in the untidiest"
)
spread_of_independent = (0.01 * 0.99 / healthy[0].size) ** 0.5
print(f"spread over pictures {share.std():.4f}; of independent pixels {spread_of_independent:.4f}")

# %% id="claim-pixels" tags=["claim"]
claim(
    "the pixels of one picture resemble each other: pictures differ more than independent pixels",
    share.std() > 2 * spread_of_independent,
)

# %% [markdown] id="blind-text"
# **The blind spot.** A residual compares grey values. What of a lesion that is *as bright as its
# surroundings*, where only the texture is gone? Three tones of the same lesions: bright, dark, equal.

# %% id="blind"
rows = []
for tone, word in ((1, "bright"), (-1, "dark"), (0, "as its surroundings")):
    toned, toned_masks = add_lesions(some, 0.6, np.random.default_rng(0), tone=tone)
    for name, f in MAPS.items():
        found_pixels = pixel_metrics(apply(f, toned).numpy(), toned_masks, limits[name])
        rows.append({"lesion": word, "map": name} | found_pixels)
blind = pd.DataFrame(rows)
blind_ap = blind.pivot(index="lesion", columns="map", values="average_precision")
blind_ap.assign(chance=masks.mean()).round(3)

# %% id="blind-figure"
toned, toned_masks = add_lesions(some[:6], 0.6, np.random.default_rng(0), tone=0)
equal = blind_ap.loc["as its surroundings"]
plotting.show(
    plotting.map_rows(toned, toned_masks, {k: apply(f, toned).numpy() for k, f in MAPS.items()}),
    f"Lesions as bright as their surroundings. Average precision: residual {equal['residual']:.3f}, SSIM "
    f"residual {equal['SSIM residual']:.3f}; a random map would have {masks.mean():.3f}.",
)

# %% [markdown] id="blind-lesson"
# Meissen et al. (2022) varied brightness and texture of painted lesions in the same way, and found that
# the residual's own mistakes on healthy tissue hide the lesion. Before you believe a heat map, change
# the tone of the lesions.
#
# ## 7 · Seeds matter
#
# The tutorial's public history reports an AUROC of 0.9865, 0.9186 and 0.8935 for the same autoencoder
# at three commits, and 0.9326, 0.9326 and 0.7862 for the VAE. Which of these numbers is "the" result?
# Train five times, with nothing changed but the seed (`make results`).

# %% id="seeds"
seeds = read_table("03_seeds", source=train.source, profile=profile)
spread = seeds[list(learned)].agg(["min", "max", "mean", "std"]).T
spread.round(4)

# %% id="seeds-live"
row = seeds[seeds.seed == 0].iloc[0]
for name in ("AE MAE", "VAE MAE", "VAE KL"):
    print(f"{name:8} live {grid.auroc[name]:.4f}, table {row[name]:.4f} ({row.source} data)")

# %% id="seeds-figure"
spread_frame = pd.DataFrame(
    {"score": name, "seed": s, "AUROC": seeds[name][s]}
    for name in learned
    if name != "VAE KL"  # far from the rest: it would press them together
    for s in seeds.index
)
gap = 0.9865 - 0.8935
plotting.show(
    plotting.score_strip(spread_frame, "score", "AUROC"),
    f"Five trainings each. The MAE of the AE runs from {spread['min']['AE MAE']:.3f} to "
    f"{spread['max']['AE MAE']:.3f}; the KL of the VAE from {spread['min']['VAE KL']:.3f} to "
    f"{spread['max']['VAE KL']:.3f}. That tutorial's history spans {gap:.3f}.",
)

# %% [markdown] id="seeds-lesson"
# Two kinds of chance, then: which *pictures* were drawn (the bootstrap shows it), and which *network*
# came out of the training (only training again shows it). An interval of the first kind says nothing
# about the second: the seeds move the autoencoder's MAE by more than its interval is wide. Compare the rows: which scores hardly care about the seed, which depend on it?
# Remember that the autoencoder's rows are those of the short training of section 3. And where the live
# number and the table's differ for the same seed, that is no error: another machine or another number
# of threads adds in another order, and a training makes a large difference of a small one.

# %% id="claim-seeds" tags=["claim"]
claim(
    "the AE's MAE depends more on the seed than its SSIM",
    spread["std"]["AE MAE"] > 2 * spread["std"]["AE SSIM"],
)
claim(
    "training again moves the AE's MAE by more than its bootstrap interval is wide",
    np.ptp(seeds["AE MAE"]) > grid.high["AE MAE"] - grid.low["AE MAE"],
)

# %% [markdown] id="time-text"
# ## 8 · Where the time goes
#
# The tutorial opens a JPEG file for each picture of each batch. Ours lie in memory as bytes. A thousand
# steps of each way, one after the other on the same machine (`make results`):

# %% id="loop-table"
loops = read_table("03_loop", source=train.source, profile=profile).set_index("pictures")
print(loops[["steps", "seconds", "reading", "network"]].round(1).to_string())
for way, row in loops.iterrows():
    print(f"{way}: {row.reading:.1f} of {row.seconds:.0f} s went into the pictures")

# %% [markdown] id="loop-lesson"
# Compare the column `reading`: that is what opening files costs. Do not compare the totals. The column
# `network` is the same work both times and yet differs by more than all the reading, so which total is
# smaller is an accident of two single runs on a shared machine. On this processor the files are a small
# part. What a faster network would make of it is arithmetic, not measured here: the reading stays, and
# its share grows.

# %% id="loop-arithmetic"
files = loops.loc["JPEG files"]
for faster in (1, 10, 100):
    part = files.reading / (files.reading + files.network / faster)
    print(f"a network {faster:3} times as fast: reading would take {part:.0%} of the time")

# %% id="claim-loop" tags=["claim"]
memory = loops.loc["in memory"]
claim("files take longer to read than memory", files.reading > memory.reading)
claim(
    "the same work of the network differs by more than the reading",
    abs(files.network - memory.network) > files.reading - memory.reading,
)
claim("on this processor the files are a small part", files.reading < 0.1 * files.seconds)

# %% [markdown] id="believe"
# ## 9 · What to believe, and what not
#
# **Believe**
# - that telling hands from chests is easy: trivial scores say so;
# - a paired difference whose interval leaves 0 out, *for these two trained networks*;
# - the false-alarm rate of a conformal threshold, for hands like these.
#
# **Do not believe**
# - "reconstruction beats likelihood", where the likelihood is a KL, and the models and betas differ;
# - that one model beats another, as long as one of them was still learning;
# - the best of many scores, on the pictures that it was chosen on;
# - one AUROC over all classes: ask for the worst one;
# - that a detector of chests sees a lesion, or blur;
# - a heat map that was shown only on bright lesions;
# - one training.

# %% id="results-summary" tags=["results"]
from IPython.display import Markdown

with_interval = (
    "{0.auroc:.4f} ({0.low:.4f} to {0.high:.4f}); worst {0[worst class]} {0.worst:.3f}".format
)
kept = ["mean image", "nearest picture", "AE MAE", "AE MSE", "AE SSIM"]
kept += [f"VAE {score}" for score in ("MAE", "KL", "-ELBO", "SSIM")] + ["standardised pixels"]
rows = {f"AUROC, {name}": with_interval(grid.loc[name]) for name in kept}
rows["hands flagged by the conformal rule at 5 %, MAE"] = f"{false_alarms:.1%}"
for name, row in pixel_table.iterrows():
    rows[f"lesions, {name}: pixel AUROC, average precision, Dice"] = (
        f"{row.auroc:.3f}, {row.average_precision:.3f}, {row.dice:.3f}"
    )
table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
Markdown(f"| {train.name}, {train.source} data | |\n|---|---|\n{table}")

# %% id="quiz" tags=["nbval-ignore-output"]
from helpers.quiz import quiz

quiz("03")

# %% id="progress" tags=["nbval-ignore-output"]
progress()

# %% [markdown] id="further"
# ## Further reading
#
# - P. Bergmann et al., *Improving unsupervised defect segmentation by applying structural similarity to
#   autoencoders*, VISAPP 2019, arXiv 1807.02011.
# - Z. Wang et al., *Image quality assessment: from error visibility to structural similarity*, IEEE
#   Transactions on Image Processing 2004.
# - O. Ledoit and M. Wolf, *A well-conditioned estimator for large-dimensional covariance matrices*,
#   Journal of Multivariate Analysis 2004.
# - Y. Sun et al., *Out-of-distribution detection with deep nearest neighbors*, ICML 2022,
#   arXiv 2204.06507.
# - F. Meissen et al., *On the pitfalls of using the residual error as anomaly score*, MIDL 2022,
#   arXiv 2202.03826.
# - O. Rybkin, K. Daniilidis and S. Levine, *Simple and effective VAE training with calibrated
#   decoders*, ICML 2021, arXiv 2006.13202.
# - B. Efron and R. Tibshirani, *An introduction to the bootstrap*, 1993.
#
# **Next:** module 4 puts the autoencoder in front of a classifier, as a screen, and finds the data set
# on which it hardly works.
