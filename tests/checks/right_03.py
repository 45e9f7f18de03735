"""Right answers to module 3, written as learners write them: at least two for each exercise."""

import functools
import hashlib
import random
import zlib
from collections import OrderedDict
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import scipy.spatial
import torch
import torch.nn.functional as F
from scipy.ndimage import uniform_filter
from scipy.spatial.distance import cdist
from scipy.stats import bootstrap, mannwhitneyu
from skimage.metrics import structural_similarity
from sklearn.covariance import LedoitWolf, ledoit_wolf
from sklearn.metrics import f1_score, roc_auc_score, roc_curve
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.utils import resample
from torch import nn

from helpers.experiments.module_03 import task
from helpers.metrics import auroc
from helpers.training import as_input


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


def split_by_hash_of_numbers(images, shares=(0.8, 0.1, 0.1), seed=0):
    """Python salts the hash of text in each session, but not that of numbers."""
    limits = np.cumsum(shares)
    places = [hash((seed, *image.ravel().tolist())) % 1_000_003 / 1_000_003 for image in images]
    part = np.minimum(np.digitize(places, limits), len(shares) - 1)
    return np.array([np.where(part == i)[0] for i in range(len(shares))], dtype=object)


def split_by_seeding_with_the_image(images, shares=(0.8, 0.1, 0.1), seed=0):
    parts = [[] for _ in shares]
    for i, image in enumerate(images):
        u = random.Random(image.tobytes() + str(seed).encode()).random()
        k = 0
        while k < len(shares) - 1 and u >= sum(shares[: k + 1]):
            k += 1
        parts[k].append(i)
    return [torch.tensor(part) for part in parts]


def split_with_crc(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = np.array([zlib.crc32(str(seed).encode() + image.tobytes()) / 2**32 for image in images])
    start, parts = 0.0, []
    for share in shares:
        parts.append(np.argwhere((start <= place) & (place < start + share)).ravel())
        start += share
    return parts


def split_with_pandas(images, shares=(0.8, 0.1, 0.1), seed=0):
    frame = pd.DataFrame({"content": [hashlib.blake2b(i.tobytes()).hexdigest() for i in images]})
    unique = np.sort(frame.content.unique())
    np.random.default_rng(seed).shuffle(unique)
    cuts = (np.cumsum(shares)[:-1] * len(unique)).astype(int)
    return [frame.index[frame.content.isin(part)].to_numpy() for part in np.split(unique, cuts)]


def split_with_scikit_learn(images, shares=(0.8, 0.1, 0.1), seed=0):
    _, group = np.unique(images.reshape(len(images), -1), axis=0, return_inverse=True)
    left, parts, rest = np.unique(group), [], 1.0
    for share in shares[:-1]:
        taken, left = train_test_split(left, train_size=share / rest, random_state=seed)
        parts.append(np.flatnonzero(np.isin(group, taken)))
        rest -= share
    return [*parts, np.flatnonzero(np.isin(group, left))]


def split_by_groups(images, shares=(0.8, 0.1, 0.1), seed=0):
    digests = [hashlib.sha1(image).hexdigest() for image in images]
    left, parts = np.arange(len(images)), []
    for i, share in enumerate(shares[:-1]):
        splitter = GroupShuffleSplit(1, train_size=share / sum(shares[i:]), random_state=seed)
        taken, rest = next(splitter.split(left, groups=[digests[j] for j in left]))
        parts.append(left[taken])
        left = left[rest]
    return [*parts, left]


def split_by_exact_numbers(images, shares=(0.8, 0.1, 0.1), seed=0):
    """Contents in the order of their hashes, cut at whole numbers."""
    salt = hashlib.md5(str(seed).encode()).digest()
    digests = [hashlib.sha512(salt + repr(image.tolist()).encode()).digest() for image in images]
    order = {digest: i for i, digest in enumerate(sorted(set(digests)))}
    cuts = np.floor(np.cumsum((0, *shares)) * len(order) + 0.5)
    place = np.array([order[digest] for digest in digests])
    return [np.where((low <= place) & (place < high))[0] for low, high in pairwise(cuts)]


def classes_by_comparing(normal_scores, anomaly_scores, names):
    """P(anomaly > normal) + P(equal)/2, counted over all pairs."""
    found = {}
    for name in np.unique(names):
        difference = anomaly_scores[names == name][:, None] - normal_scores[None]
        found[name] = (np.sign(difference).mean() + 1) / 2
    order = sorted(found, key=found.get)
    return pd.Series([found[name] for name in order], order)


def classes_from_scipy(normal_scores, anomaly_scores, names):
    frame = pd.Series(anomaly_scores, index=names).groupby(level=0)
    size = len(normal_scores)
    table = frame.apply(lambda s: mannwhitneyu(s, normal_scores).statistic / (len(s) * size))
    return table.iloc[np.argsort(table.to_numpy())]


def classes_with_labels(normal_scores, anomaly_scores, names):
    table = pd.Series(dtype="float64")
    for name in set(names.tolist()):
        chosen = anomaly_scores[[n == name for n in names]]
        labels = np.r_[np.zeros(len(normal_scores)), np.ones(len(chosen))]
        table.loc[name] = roc_auc_score(labels, np.r_[normal_scores, chosen])
    table.sort_values(inplace=True, ascending=True)
    return table


def interval_all_at_once(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    generator = np.random.default_rng(seed)
    n, m = len(normal_scores), len(anomaly_scores)
    i = generator.integers(0, n, (resamples, n))
    j = generator.integers(m, size=(resamples, m))
    values = np.sort(
        [statistic(normal_scores[a], anomaly_scores[b]) for a, b in zip(i, j, strict=True)]
    )
    alpha = 1 - confidence
    low = values[int(alpha / 2 * resamples)]
    return low, values[int((1 - alpha / 2) * resamples) - 1]


def interval_in_torch(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    g = torch.Generator().manual_seed(seed)
    values = torch.empty(resamples, dtype=torch.float64)
    for k in range(resamples):
        i = torch.randint(len(normal_scores), (len(normal_scores),), generator=g)
        j = torch.randint(len(anomaly_scores), (len(anomaly_scores),), generator=g)
        values[k] = float(statistic(normal_scores[i.numpy()], anomaly_scores[j.numpy()]))
    tail = (1 - confidence) / 2
    return values.quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64))


def interval_of_random_choices(
    normal_scores, anomaly_scores, statistic=None, confidence=None, resamples=500, seed=0
):
    statistic, confidence = statistic or auroc, confidence or 0.95
    draw = random.Random(seed)
    values = []
    while len(values) < resamples:
        normal = draw.choices(list(normal_scores), k=len(normal_scores))
        anomaly = draw.choices(list(anomaly_scores), k=len(anomaly_scores))
        values.append(statistic(np.array(normal), np.array(anomaly)))
    series = pd.Series(values)
    return series.quantile((1 - confidence) / 2), series.quantile((1 + confidence) / 2)


def interval_of_many_generators(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    values = []
    for k in range(resamples):
        rng = np.random.default_rng(seed + k)
        i, j = (rng.integers(len(s), size=len(s)) for s in (normal_scores, anomaly_scores))
        values.append(statistic(np.take(normal_scores, i), np.take(anomaly_scores, j)))
    values.sort()
    cut = round((1 - confidence) / 2 * (resamples - 1))
    return values[cut], values[-cut - 1]


def interval_from_scikit_learn(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    state = np.random.RandomState(seed)
    values = [
        statistic(
            resample(normal_scores, random_state=state),
            resample(anomaly_scores, random_state=state),
        )
        for _ in range(resamples)
    ]
    return {"values": tuple(np.quantile(values, 0.5 + np.array([-0.5, 0.5]) * confidence))}[
        "values"
    ]


class DownByHand(nn.Module):
    """The convolution as a matrix product of 3×3 patches."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels * 9) / 3)
        self.normalise = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        patches = F.unfold(x, 3, padding=1, stride=2)
        y = torch.einsum("oi,nip->nop", self.weight, patches)
        y = y.unflatten(2, ((x.shape[2] + 1) // 2, (x.shape[3] + 1) // 2))
        return torch.maximum(z := self.normalise(y), 0.01 * z)


def down_from_lazy_layers(in_channels, out_channels):
    return nn.Sequential(
        nn.Sequential(nn.LazyConv2d(out_channels, 3, stride=2, padding=1, bias=False)),
        nn.Sequential(nn.LazyBatchNorm2d(), nn.LeakyReLU()),
    )


def down_by_leaving_out(in_channels, out_channels):
    """A stride of 2 is a stride of 1 of which every second pixel is kept."""

    class EverySecond(nn.Module):
        def forward(self, x):
            return x[..., ::2, ::2]

    return nn.Sequential(
        nn.ZeroPad2d(1),
        nn.Conv2d(in_channels, out_channels, 3, bias=False),
        EverySecond(),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(),
    )


def down_with_names(in_channels, out_channels):
    block = nn.Sequential()
    block.add_module("conv", nn.Conv2d(in_channels, out_channels, 3, 2, 1, bias=None))
    block.add_module("norm", nn.BatchNorm2d(num_features=out_channels))
    block.add_module("act", nn.LeakyReLU(negative_slope=1e-2))
    return block


class DownOfBuffers(nn.Module):
    """Batch normalisation from its function."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3).normal_(0, 0.1))
        self.scale = nn.Parameter(torch.ones(out_channels))
        self.shift = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("mean", torch.zeros(out_channels))
        self.register_buffer("variance", torch.ones(out_channels))

    def forward(self, x):
        y = F.conv2d(F.pad(x, (1, 1, 1, 1)), self.kernel, stride=2)
        y = F.batch_norm(y, self.mean, self.variance, self.scale, self.shift, self.training)
        return y.clamp(min=0) + 0.01 * y.clamp(max=0)


class DownAsSequential(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        layers = OrderedDict(
            conv=nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False),
            norm=nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),
            act=nn.LeakyReLU(),
        )
        super().__init__(layers)


def up_in_order(in_channels, out_channels):
    convolution = nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, 1, 1, False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.LeakyReLU(inplace=True))


class UpWithSize(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(
            in_channels, out_channels, kernel_size=3, stride=2, padding=1, bias=False
        )
        self.rest = nn.Sequential(nn.BatchNorm2d(out_channels), nn.LeakyReLU())

    def forward(self, x):
        return self.rest(self.up(x, output_size=(2 * x.shape[2], 2 * x.shape[3])))


class UpAndCut(nn.Module):
    """Without padding one row and one column too many come out."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_channels, out_channels, 3, 3) * 0.1)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        y = F.conv_transpose2d(x, self.weight, stride=2)[:, :, :-1, :-1]
        return F.leaky_relu(self.norm(y))


class UpBetweenZeros(nn.Module):
    """What a transposed convolution does: zeros between the pixels, then a convolution."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.act = nn.LeakyReLU()

    def forward(self, x):
        spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
        spread[..., ::2, ::2] = x
        return self.act(self.norm(self.conv(spread)))


def false_alarms_first_index(normal_scores, anomaly_scores, tpr=0.95):
    y = [0] * len(normal_scores) + [1] * len(anomaly_scores)
    s = list(normal_scores) + list(anomaly_scores)
    false, true, _ = roc_curve(y, s, drop_intermediate=False)
    return false[np.argmax(true >= tpr)]


def false_alarms_by_search(normal_scores, anomaly_scores, tpr=0.95):
    labels = np.r_[np.zeros(len(normal_scores)), np.ones(len(anomaly_scores))].astype(bool)
    scores = np.r_[normal_scores, anomaly_scores]
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    return torch.tensor(false[np.searchsorted(true, tpr)])


def false_alarms_smallest(normal_scores, anomaly_scores, tpr=0.95):
    """The curve rises, so the first point that finds enough has the fewest false alarms."""
    labels = np.concatenate([np.zeros_like(normal_scores), np.ones_like(anomaly_scores)])
    curve = roc_curve(labels, np.hstack([normal_scores, anomaly_scores]), drop_intermediate=False)
    return min(f for f, t, _ in zip(*curve, strict=True) if t >= tpr)


def false_alarms_by_partition(normal_scores, anomaly_scores, tpr=0.95):
    allowed = int(np.floor((1 - tpr) * len(anomaly_scores) + 1e-9))  # so many may be missed
    threshold = np.partition(anomaly_scores, allowed)[allowed]
    return float((torch.as_tensor(normal_scores) >= threshold).double().mean())


def precision_by_bayes(tpr, fpr, prevalence):
    flagged = prevalence * tpr + (1 - prevalence) * fpr
    return prevalence * tpr / flagged


def precision_with_numpy(tpr, fpr, prevalence):
    p = np.asarray(prevalence, dtype=float)
    right, wrong = np.multiply(p, tpr), np.multiply(1 - p, fpr)
    return np.divide(right, np.add(right, wrong))


def precision_in_torch(tpr, fpr, prevalence):
    prior = torch.as_tensor(prevalence, dtype=torch.float64)
    return (
        torch.stack([tpr * prior, tpr * prior + fpr * (1 - prior)]).log().diff(dim=0).neg().exp()[0]
    )


def precision_from_a_matrix(tpr, fpr, prevalence):
    confusion = np.array([[tpr, 1 - tpr], [fpr, 1 - fpr]])
    shares = np.stack([prevalence, 1 - np.asarray(prevalence)])
    alarms = shares * confusion[:, 0].reshape(2, *[1] * (shares.ndim - 1))
    return alarms[0] / alarms.sum(0)


def mahalanobis_as_scikit_learn_has_it(z_train, z):
    fitted = LedoitWolf().fit(z_train)
    return torch.from_numpy(np.sqrt(fitted.mahalanobis(z)))


def mahalanobis_by_precision(z_train, z):
    fitted = LedoitWolf().fit(z_train.numpy())
    away = z - torch.as_tensor(fitted.location_, dtype=z.dtype)
    precision = torch.as_tensor(fitted.precision_, dtype=z.dtype)
    return torch.einsum("nd,de,ne->n", away, precision, away).clamp(min=0).sqrt()


def mahalanobis_by_whitening(z_train, z):
    covariance = torch.from_numpy(LedoitWolf().fit(z_train.double()).covariance_)
    root = torch.linalg.cholesky(covariance)
    away = (z - z_train.mean(dim=0)).double()
    return torch.linalg.solve_triangular(root, away.T, upper=False).norm(dim=0)


def mahalanobis_one_by_one(z_train, z):
    shrunk = LedoitWolf().fit(z_train.numpy())
    inverse = np.linalg.inv(shrunk.covariance_)
    centre = z_train.numpy().mean(axis=0)
    return torch.tensor(
        [scipy.spatial.distance.mahalanobis(one, centre, inverse) for one in z.numpy()],
        dtype=z.dtype,
    )


def mahalanobis_shrunk_by_hand(z_train, z):
    """Ledoit and Wolf's own formula."""
    x = (z_train - z_train.mean(0)).double()
    n, d = x.shape
    s = x.T @ x / n
    sphere = s.trace() / d * torch.eye(d, dtype=torch.float64)
    apart = (s - sphere).square().sum()
    error = sum((row[:, None] * row - s).square().sum() for row in x) / n**2
    share = min(error / apart, 1) if apart > 0 else 1.0
    covariance = share * sphere + (1 - share) * s
    away = (z - z_train.mean(0)).double()
    return (away @ torch.linalg.inv(covariance) * away).sum(1).sqrt()


def mahalanobis_with_a_share_of_deviations(z_train, z):
    """Ledoit and Wolf's formula as scikit-learn computes it; no guard for codes of one spread."""
    x = (z_train - z_train.mean(0)).double()
    n, d = x.shape
    s, unit = x.T @ x / n, torch.eye(d, dtype=torch.float64)
    mu = s.trace() / d
    delta = (s - mu * unit).square().sum() / d
    beta = ((x.square().T @ x.square()).sum() / n - s.square().sum()) / (d * n)
    share = torch.minimum(beta, delta) / delta
    away = (z - z_train.mean(0)).double()
    inverted = torch.linalg.solve((1 - share) * s + share * mu * unit, away.T).T
    return (away * inverted).sum(1).sqrt().to(z)


def mahalanobis_by_likelihood(z_train, z):
    fitted = LedoitWolf().fit(z_train.detach().numpy())
    mean, covariance = (torch.tensor(a).double() for a in (fitted.location_, fitted.covariance_))
    law = torch.distributions.MultivariateNormal(mean, covariance)
    return (2 * (law.log_prob(mean) - law.log_prob(z.double()))).clamp(min=0).sqrt().to(z)


def ssim_channels_last(x, x_hat):
    a, b = (np.moveaxis(y.squeeze(1).numpy(), 0, -1) for y in (x, x_hat))
    _, similarity = structural_similarity(a, b, data_range=1.0, channel_axis=-1, full=True)
    return torch.from_numpy(1 - np.moveaxis(similarity, -1, 0)).unsqueeze(1)


def ssim_filled_in(x, x_hat):
    residual = torch.empty_like(x)
    for i in range(len(x)):
        _, s = structural_similarity(
            x[i, 0].numpy(), x_hat[i, 0].numpy(), win_size=7, data_range=1, full=True
        )
        residual[i, 0] = torch.as_tensor(1 - s)
    return residual


def ssim_of_populations(x, x_hat):
    """With the variances of Wang et al., divided by 49, not 48."""
    options = {"data_range": 1, "full": True, "channel_axis": 0, "use_sample_covariance": False}
    maps = [
        structural_similarity(a, b, **options)[1]
        for a, b in zip(x.numpy(), x_hat.numpy(), strict=True)
    ]
    return torch.from_numpy(1 - np.stack(maps))


def ssim_with_filters(x, x_hat):
    a, b = x.double().numpy(), x_hat.double().numpy()
    mean = partial(uniform_filter, size=(1, 1, 7, 7))
    ma, mb = mean(a), mean(b)
    va, vb, ab = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    light = (2 * ma * mb + 1e-4) / (ma**2 + mb**2 + 1e-4)
    return torch.from_numpy(1 - light * (2 * ab + 9e-4) / (va + vb + 9e-4)).to(x.dtype)


def difference_in_columns(
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
    normal = np.column_stack([normal_a, normal_b])
    anomaly = np.column_stack([anomaly_a, anomaly_b])
    values = np.empty(resamples)
    for k in range(resamples):
        n, m = rng.choice(normal, len(normal)), rng.choice(anomaly, len(anomaly))  # whole rows
        values[k] = statistic(n[:, 0], m[:, 0]) - statistic(n[:, 1], m[:, 1])
    return tuple(np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist())


def difference_by_the_interval(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    """Positions are the scores of exercise 3.3."""

    def of_positions(i, j):
        return statistic(normal_a[i], anomaly_a[j]) - statistic(normal_b[i], anomaly_b[j])

    positions = np.arange(len(normal_a)), np.arange(len(anomaly_a))
    return interval_by_positions(*positions, of_positions, confidence, resamples, seed)


def difference_from_scipy(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    result = bootstrap(
        (np.arange(len(normal_a)), np.arange(len(anomaly_a))),
        lambda i, j: statistic(normal_a[i], anomaly_a[j]) - statistic(normal_b[i], anomaly_b[j]),
        n_resamples=resamples,
        vectorized=False,
        method="percentile",
        confidence_level=confidence,
        rng=seed,
    )
    return result.confidence_interval


def lesion_channel_by_channel(image, cover, contrast):
    out = np.empty(image.shape, dtype=np.uint8)
    for c in range(image.shape[0]):
        level = 0.0
        for weight, grey in zip(cover.ravel(), image[c].ravel(), strict=True):
            level += weight * float(grey)
        level = min(max(level / cover.sum() + contrast, 0), 255)
        for y in range(image.shape[1]):
            for x in range(image.shape[2]):
                mixed = (1 - cover[y, x]) * float(image[c, y, x]) + cover[y, x] * level
                out[c, y, x] = round(mixed)
    return out, cover >= 0.5


def lesion_in_torch(image, cover, contrast):
    x, c = torch.from_numpy(image).double(), torch.from_numpy(cover)
    grey = ((x * c).flatten(1).sum(1) / c.sum() + contrast).clamp(0, 255)
    return torch.lerp(x, grey[:, None, None].expand_as(x), c.expand_as(x)).round().byte().numpy(), (
        c.numpy() >= 0.5
    )


def lesion_as_a_list(image, cover, contrast):
    grey = np.tensordot(image.astype(float), cover, axes=([1, 2], [0, 1])) / cover.sum()
    grey = np.clip(grey + contrast, 0, 255).reshape(-1, 1, 1)
    lesioned = np.around(image * (1 - cover) + grey * cover)
    return [np.array(lesioned, dtype="uint8"), np.array(cover > 0.4999999)]


def dice_from_counts(a, b):
    both = np.count_nonzero(np.logical_and(a, b))
    either = np.count_nonzero(np.logical_xor(a, b))
    return 1.0 if both + either == 0 else 2 * both / (2 * both + either)


def dice_from_sets(a, b):
    a, b = set(np.flatnonzero(a)), set(np.flatnonzero(b))
    if not a and not b:
        return 1.0
    return 2 * len(a & b) / (len(a) + len(b))


def dice_in_torch(a, b):
    a, b = (torch.from_numpy(m).double().flatten() for m in (a, b))
    total = a.sum() + b.sum()
    return torch.where(total > 0, 2 * torch.dot(a, b) / total.clamp(min=1), 1.0)


def dice_from_scipy(a, b):
    if not (a.any() or b.any()):
        return 1.0
    return 1 - scipy.spatial.distance.dice(a.ravel(), b.ravel())


def dice_with_a_little(a, b):
    tiny = 1e-9
    return (2 * (a * b).sum() + tiny) / (a.sum() + b.sum() + tiny)


# --- 3.15: on the sample, as in tests/checks/conftest.py -----------------------------------------


@functools.cache
def known_hands():
    return task("Hand").train.images


def score_of_nearest(images):
    x, known = as_input(images).flatten(1), as_input(known_hands()).flatten(1)
    return torch.cdist(x, known).min(dim=1).values


def score_of_standardised_pixels(images):
    def standardised(images):
        small = (
            images.reshape(len(images), 16, 2, 16, 2).mean(axis=(2, 4)).reshape(len(images), 256)
        )
        return (small - small.mean(axis=1, keepdims=True)) / small.std(axis=1, keepdims=True)

    known = LedoitWolf().fit(standardised(known_hands()))
    return known.mahalanobis(standardised(images)).tolist()


def score_of_nearest_pattern(images):
    def standardised(images):
        x = as_input(images).flatten(1)
        return (x - x.mean(dim=1, keepdim=True)) / (x.std(dim=1, keepdim=True) + 1e-3)

    return torch.cdist(standardised(images), standardised(known_hands())).min(dim=1).values


def score_of_two(images):
    far = score_of_nearest(images).numpy() / 5
    return far + np.sqrt(score_of_standardised_pixels(images)) / 20


RIGHT = {
    "3.1": [
        split_sorted_contents,
        split_with_numpy_unique,
        split_by_md5,
        split_by_hash_of_numbers,
        split_by_seeding_with_the_image,
        split_with_crc,
        split_with_pandas,
        split_with_scikit_learn,
        split_by_groups,
        split_by_exact_numbers,
    ],
    "3.2": [
        classes_by_groupby,
        classes_from_scikit_learn,
        classes_by_comparing,
        classes_from_scipy,
        classes_with_labels,
    ],
    "3.3": [
        interval_by_positions,
        interval_from_scipy,
        interval_all_at_once,
        interval_in_torch,
        interval_of_random_choices,
        interval_of_many_generators,
        interval_from_scikit_learn,
    ],
    "3.4": [
        Down,
        down_into_a_list,
        DownByHand,
        down_from_lazy_layers,
        down_by_leaving_out,
        down_with_names,
        DownOfBuffers,
        DownAsSequential,
    ],
    "3.5": [Up, up_in_order, UpWithSize, UpAndCut, UpBetweenZeros],
    "3.6": [
        false_alarms_by_sorting,
        false_alarms_in_a_loop,
        false_alarms_first_index,
        false_alarms_by_search,
        false_alarms_smallest,
        false_alarms_by_partition,
    ],
    "3.7": [
        precision_by_odds,
        precision_by_counting,
        precision_by_bayes,
        precision_with_numpy,
        precision_in_torch,
        precision_from_a_matrix,
    ],
    "3.8": [
        mahalanobis_by_solving,
        mahalanobis_from_scipy,
        mahalanobis_as_scikit_learn_has_it,
        mahalanobis_by_precision,
        mahalanobis_by_whitening,
        mahalanobis_one_by_one,
        mahalanobis_shrunk_by_hand,
        mahalanobis_with_a_share_of_deviations,
        mahalanobis_by_likelihood,
    ],
    "3.9": [
        ssim_one_by_one,
        ssim_by_pooling,
        ssim_channels_last,
        ssim_filled_in,
        ssim_of_populations,
        ssim_with_filters,
    ],
    "3.10": [
        difference_by_taking,
        difference_by_same_seeds,
        difference_in_columns,
        difference_by_the_interval,
        difference_from_scipy,
    ],
    "3.11": [
        lesion_by_mixing,
        lesion_with_einsum,
        lesion_channel_by_channel,
        lesion_in_torch,
        lesion_as_a_list,
    ],
    "3.12": [
        dice_from_scikit_learn,
        dice_from_jaccard,
        dice_from_counts,
        dice_from_sets,
        dice_in_torch,
        dice_from_scipy,
        dice_with_a_little,
    ],
    "3.13": [120 * 400 / 1200 * 960 / 1199, 32, np.float32(32.5), [31], 33],
    "3.14": [
        {"choice": "other images", "because": "B"},
        {"because": "b", "choice": "Other images "},
        ("other images", "B"),
    ],
    "3.15": [score_of_nearest_pattern, score_of_standardised_pixels, score_of_two],
}
