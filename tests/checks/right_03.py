"""Right answers to module 3, written as learners write them: at least two for each exercise."""

import hashlib
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.spatial.distance import cdist
from scipy.stats import bootstrap
from skimage.metrics import structural_similarity
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import f1_score, roc_auc_score
from torch import nn

from helpers.metrics import auroc


def split_sorted_contents(images, shares=(0.8, 0.1, 0.1), seed=0):
    contents = sorted({image.tobytes() for image in images})
    order = np.random.default_rng(seed).permutation(len(contents))
    ends = np.round(np.cumsum(shares) * len(contents)).astype(int)
    part_of = {}
    for place, j in enumerate(order):
        part_of[contents[j]] = int(np.sum(place >= ends[:-1]))
    parts = [part_of[image.tobytes()] for image in images]
    return [[i for i, p in enumerate(parts) if p == k] for k in range(len(shares))]


def split_with_numpy_unique(images, shares=(0.8, 0.1, 0.1), seed=0):
    _, which = np.unique(images.reshape(len(images), -1), axis=0, return_inverse=True)
    which = which.reshape(-1)
    rank = np.random.default_rng(seed).permutation(which.max() + 1)[which]
    part = np.digitize(rank / (which.max() + 1), np.cumsum(shares[:-1]))
    return tuple(np.nonzero(part == i)[0] for i in range(len(shares)))


def split_by_md5(images, shares=(0.8, 0.1, 0.1), seed=0):
    parts = [[] for _ in shares]
    for i, image in enumerate(images):
        digest = hashlib.md5(image.tobytes() + bytes([seed])).hexdigest()
        u, total = int(digest, 16) / 16**32, 0.0
        for part, share in zip(parts, shares, strict=True):
            total += share
            if u < total or part is parts[-1]:
                part.append(i)
                break
    return [np.array(part, dtype=np.int64) for part in parts]


def classes_by_groupby(normal_scores, anomaly_scores, names):
    frame = pd.DataFrame({"score": anomaly_scores, "name": names})
    return frame.groupby("name").score.apply(lambda s: auroc(normal_scores, s)).sort_values()


def classes_from_scikit_learn(normal_scores, anomaly_scores, names):
    rows = []
    for name in sorted(set(names)):
        own = [s for s, n in zip(anomaly_scores, names, strict=True) if n == name]
        labels = [0] * len(normal_scores) + [1] * len(own)
        rows.append((roc_auc_score(labels, [*normal_scores, *own]), name))
    rows.sort()
    return pd.Series([value for value, _ in rows], index=[name for _, name in rows])


def interval_by_positions(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    normal, anomaly = np.array(normal_scores), np.array(anomaly_scores)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        i = rng.integers(0, len(normal), len(normal))
        j = rng.integers(0, len(anomaly), len(anomaly))
        values.append(statistic(normal[i], anomaly[j]))
    half = 100 * (1 - confidence) / 2
    return np.percentile(values, [half, 100 - half])


def interval_from_scipy(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    result = bootstrap(
        (np.asarray(normal_scores), np.asarray(anomaly_scores)),
        statistic,
        n_resamples=resamples,
        vectorized=False,
        method="percentile",
        confidence_level=confidence,
        rng=np.random.default_rng(seed),
    )
    return list(result.confidence_interval)


class Down(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return F.leaky_relu(self.norm(self.conv(x)), 0.01)


def down_into_a_list(in_channels, out_channels):
    layers = [nn.Conv2d(in_channels, out_channels, (3, 3), (2, 2), (1, 1), bias=False)]
    layers += [nn.BatchNorm2d(out_channels), nn.LeakyReLU(0.01, inplace=True)]
    return nn.Sequential(*layers)


class Up(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        y = self.norm(self.conv(x))
        return torch.where(y > 0, y, 0.01 * y)


def up_by_resizing(in_channels, out_channels):
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(),
    )


def false_alarms_by_sorting(normal_scores, anomaly_scores, tpr=0.95):
    ordered = np.sort(anomaly_scores)[::-1]
    needed = int(np.ceil(tpr * len(ordered) - 1e-9))
    return np.mean(np.asarray(normal_scores) >= ordered[needed - 1])


def false_alarms_in_a_loop(normal_scores, anomaly_scores, tpr=0.95):
    normal, anomaly = np.asarray(normal_scores), np.asarray(anomaly_scores)
    for threshold in sorted(set(anomaly), reverse=True):
        if (anomaly >= threshold).mean() >= tpr:
            return (normal >= threshold).mean()


def precision_by_odds(tpr, fpr, prevalence):
    with np.errstate(divide="ignore"):
        odds = np.divide(fpr, tpr) * (1 - prevalence) / prevalence
    return 1 / (1 + odds)


def precision_by_counting(tpr, fpr, prevalence, pictures=10_000):
    anomalies = pictures * prevalence
    hits = tpr * anomalies
    alarms = hits + fpr * (pictures - anomalies)
    return hits / alarms


def mahalanobis_by_solving(z_train, z):
    train = z_train.double()
    covariance, _ = ledoit_wolf(train.numpy())
    off = (z.double() - train.mean(0)).T
    solved = torch.linalg.solve(torch.from_numpy(covariance), off)
    return (off * solved).sum(0).sqrt().to(z.dtype)


def mahalanobis_from_scipy(z_train, z):
    covariance, _ = ledoit_wolf(z_train.numpy())
    mean = z_train.mean(0, keepdim=True).numpy()
    away = cdist(z.numpy(), mean, "mahalanobis", VI=np.linalg.inv(covariance))
    return torch.as_tensor(away[:, 0]).type_as(z)


def ssim_one_by_one(x, x_hat):
    maps = [
        structural_similarity(a, b, data_range=1.0, full=True)[1]
        for a, b in zip(x[:, 0].numpy(), x_hat[:, 0].numpy(), strict=True)
    ]
    return 1 - torch.as_tensor(np.stack(maps)[:, None], dtype=x.dtype)


def ssim_by_pooling(x, x_hat):
    def mean(y):
        return F.avg_pool2d(F.pad(y, (3, 3, 3, 3), mode="reflect"), 7, stride=1)

    a, b = mean(x), mean(x_hat)
    scale = 49 / 48
    var_a = scale * (mean(x * x) - a * a)
    var_b = scale * (mean(x_hat * x_hat) - b * b)
    covariance = scale * (mean(x * x_hat) - a * b)
    top = (2 * a * b + 0.01**2) * (2 * covariance + 0.03**2)
    return 1 - top / ((a * a + b * b + 0.01**2) * (var_a + var_b + 0.03**2))


def difference_by_taking(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(resamples):
        i = rng.choice(len(normal_a), len(normal_a))
        j = rng.choice(len(anomaly_a), len(anomaly_a))
        a = statistic(np.take(normal_a, i), np.take(anomaly_a, j))
        b = statistic(np.take(normal_b, i), np.take(anomaly_b, j))
        differences.append(a - b)
    tail = 50 * (1 - confidence)
    return tuple(np.percentile(differences, (tail, 100 - tail)))


def difference_by_same_seeds(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    """Two passes with two generators that draw alike."""

    def values(normal, anomaly):
        rng = np.random.default_rng(seed)
        normal, anomaly = np.asarray(normal), np.asarray(anomaly)
        drawn = partial(rng.choice, replace=True)
        return np.array(
            [
                statistic(drawn(normal, len(normal)), drawn(anomaly, len(anomaly)))
                for _ in range(resamples)
            ]
        )

    difference = np.sort(values(normal_a, anomaly_a) - values(normal_b, anomaly_b))
    cut = round((1 - confidence) / 2 * resamples)
    return [difference[cut], difference[-1 - cut]]


def lesion_by_mixing(image, cover, contrast):
    lesioned = image.astype(np.float64)
    for channel in lesioned:  # views: each channel is written into `lesioned`
        grey = np.clip(np.average(channel, weights=cover) + contrast, 0, 255)
        channel[:] = (1 - cover) * channel + cover * grey
    return lesioned.round().astype("uint8"), np.greater_equal(cover, 0.5)


def lesion_with_einsum(image, cover, contrast):
    level = np.einsum("chw,hw->c", image.astype(float), cover) / np.sum(cover)
    level = np.minimum(np.maximum(level + contrast, 0), 255)[:, None, None]
    mixed = np.where(cover > 0, cover * level + (1 - cover) * image, image)
    return (mixed + 0.5).astype(np.uint8), ~(cover < 0.5)


def dice_from_scikit_learn(a, b):
    a, b = np.asarray(a, dtype=int).ravel(), np.asarray(b, dtype=int).ravel()
    return f1_score(a, b, zero_division=1.0)


def dice_from_jaccard(a, b):
    a, b = np.array(a) > 0, np.array(b) > 0
    union = np.logical_or(a, b).sum()
    if union == 0:
        return 1
    jaccard = np.logical_and(a, b).sum() / union
    return 2 * jaccard / (1 + jaccard)


RIGHT = {
    "3.1": [split_sorted_contents, split_with_numpy_unique, split_by_md5],
    "3.2": [classes_by_groupby, classes_from_scikit_learn],
    "3.3": [interval_by_positions, interval_from_scipy],
    "3.4": [Down, down_into_a_list],
    "3.5": [Up, up_by_resizing],
    "3.6": [false_alarms_by_sorting, false_alarms_in_a_loop],
    "3.7": [precision_by_odds, precision_by_counting],
    "3.8": [mahalanobis_by_solving, mahalanobis_from_scipy],
    "3.9": [ssim_one_by_one, ssim_by_pooling],
    "3.10": [difference_by_taking, difference_by_same_seeds],
    "3.11": [lesion_by_mixing, lesion_with_einsum],
    "3.12": [dice_from_scikit_learn, dice_from_jaccard],
}
