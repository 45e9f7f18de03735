"""Wrong answers to module 3, written by hand as learners write them.

With each stands what the checker must say: the name of a mistake, or a part of the text; "" if any
sentence will do.
"""

import hashlib
import random
import zlib

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.stats import bootstrap
from skimage.metrics import structural_similarity
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf
from sklearn.metrics import jaccard_score, roc_auc_score, roc_curve
from sklearn.model_selection import train_test_split
from torch import nn

from helpers.experiments.module_03 import task
from helpers.metrics import auroc, bootstrap_interval

# --- 3.1 --------------------------------------------------------------------------------------


def cut(places, shares):
    part = np.searchsorted(np.cumsum(shares)[:-1], places, side="right")
    return [np.flatnonzero(part == i) for i in range(len(shares))]


def shuffled_contents(contents, seed):
    """A place from 0 to 1 for each content."""
    order = np.random.default_rng(seed).permutation(len(contents))
    return {content: place / len(contents) for content, place in zip(contents, order, strict=True)}


def split_by_position(images, shares=(0.8, 0.1, 0.1), seed=0):
    return cut(np.random.default_rng(seed).permutation(len(images)) / len(images), shares)


def split_by_text(images, shares=(0.8, 0.1, 0.1), seed=0):
    digests = [hashlib.sha256(f"{seed}{image}".encode()).hexdigest() for image in images]
    return cut(np.array([int(digest, 16) / 16**64 for digest in digests]), shares)


def split_by_slices(images, shares=(0.8, 0.1, 0.1), seed=0):
    order = np.random.default_rng(seed).permutation(len(images))
    return np.split(order, (np.cumsum(shares[:-1]) * len(images)).astype(int))


def split_with_train_test_split(images, shares=(0.8, 0.1, 0.1), seed=0):
    positions, parts, rest = np.arange(len(images)), [], 1.0
    for share in shares[:-1]:
        part, positions = train_test_split(positions, train_size=share / rest, random_state=seed)
        parts.append(part)
        rest -= share
    return [*parts, positions]


def split_and_drop_copies(images, shares=(0.8, 0.1, 0.1), seed=0):
    first = {}
    for i, image in enumerate(images):
        first.setdefault(image.tobytes(), i)
    place = shuffled_contents(sorted(first), seed)
    kept = np.array([first[content] for content in place])
    return [kept[part] for part in cut(list(place.values()), shares)]


def split_in_order_of_files(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(list(dict.fromkeys(i.tobytes() for i in images)), seed)
    return cut([place[image.tobytes()] for image in images], shares)


def split_of_a_set(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(list({image.tobytes() for image in images}), seed)
    return cut([place[image.tobytes()] for image in images], shares)


def split_sorted(images, shares=(0.8, 0.1, 0.1), seed=0):
    contents = sorted({image.tobytes() for image in images})
    place = {content: i / len(contents) for i, content in enumerate(contents)}
    return cut([place[image.tobytes()] for image in images], shares)


def split_by_hash(images, shares=(0.8, 0.1, 0.1), seed=0):
    return cut([(hash((seed, i.tobytes())) % 10_007) / 10_007 for i in images], shares)


def split_by_hash_of_text(images, shares=(0.8, 0.1, 0.1), seed=0):
    return cut([hash(str(seed) + i.tobytes().hex()) % 1000 / 1000 for i in images], shares)


def split_unseeded(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), None)
    return cut([place[image.tobytes()] for image in images], shares)


def split_without_seed(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), 0)
    return cut([place[image.tobytes()] for image in images], shares)


def split_in_three(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), seed)
    return cut([place[image.tobytes()] for image in images], (0.8, 0.1, 0.1))


def split_in_the_first_three(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), seed)
    u = np.array([place[image.tobytes()] for image in images])
    train, rest = np.flatnonzero(u < shares[0]), 1 - shares[0]
    half = shares[0] + rest / 2
    return train, np.flatnonzero((u >= shares[0]) & (u < half)), np.flatnonzero(u >= half)


def split_at_the_shares(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), seed)
    places = np.array([place[image.tobytes()] for image in images])
    part = np.searchsorted(np.sort(shares)[:-1], places, side="right")
    return [np.flatnonzero(part == i) for i in range(len(shares))]


def split_equally(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), seed)
    places = np.array([place[image.tobytes()] for image in images])
    return [np.flatnonzero((places * len(shares)).astype(int) == i) for i in range(len(shares))]


def split_backwards(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), seed)
    return cut([place[image.tobytes()] for image in images], shares)[::-1]


def split_images(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), seed)
    return [images[part] for part in cut([place[i.tobytes()] for i in images], shares)]


def split_masks(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), seed)
    part = np.searchsorted(np.cumsum(shares)[:-1], [place[i.tobytes()] for i in images])
    return [part == i for i in range(len(shares))]


def split_numbers(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), seed)
    return np.searchsorted(np.cumsum(shares)[:-1], [place[i.tobytes()] for i in images])


def split_from_one_on(images, shares=(0.8, 0.1, 0.1), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), seed)
    return [part + 1 for part in cut([place[i.tobytes()] for i in images], shares)]


def split_global(images, shares=(0.8, 0.1, 0.1), seed=0):
    np.random.seed(seed)  # noqa: NPY002
    contents = sorted({image.tobytes() for image in images})
    places = np.random.permutation(len(contents)) / len(contents)  # noqa: NPY002
    place = dict(zip(contents, places, strict=True))
    return cut([place[image.tobytes()] for image in images], shares)


def split_shuffled_globally(images, shares=(0.8, 0.1, 0.1), seed=0):
    contents = sorted({image.tobytes() for image in images})
    random.seed(seed)
    random.shuffle(contents)
    place = {content: i / len(contents) for i, content in enumerate(contents)}
    return cut([place[image.tobytes()] for image in images], shares)


def split_by_one_number(images, shares=(0.8, 0.1, 0.1), seed=0):
    return cut([np.random.default_rng(seed).random() for _ in images], shares)


def split_copies_of_the_second_part(images, shares=(0.8, 0.1, 0.1), seed=0):
    """Copies leave the test part only if they are in the training part."""
    parts = split_by_position(images, shares, seed)
    train = {image.tobytes() for image in images[parts[0]]}
    return [parts[0]] + [
        np.array([i for i in p if images[i].tobytes() not in train]) for p in parts[1:]
    ]


def split_by_the_first_row(images, shares=(0.8, 0.1, 0.1), seed=0):
    return cut([zlib.crc32(i[0, 0].tobytes() + bytes([seed])) / 2**32 for i in images], shares)


def split_by_the_first_channel(images, shares=(0.8, 0.1, 0.1), seed=0):
    return cut([zlib.crc32(i[0].tobytes() + bytes([seed])) / 2**32 for i in images], shares)


def split_with_another_default(images, shares=(0.7, 0.15, 0.15), seed=0):
    place = shuffled_contents(sorted({image.tobytes() for image in images}), seed)
    return cut([place[image.tobytes()] for image in images], shares)


def split_by_ranks_of_hashes(images, shares=(0.8, 0.1, 0.1), seed=0):
    """Copies lie side by side, and the cut may fall between them."""
    salt = str(seed).encode()
    digests = [hashlib.sha256(salt + image.tobytes()).hexdigest() for image in images]
    cuts = np.round(np.cumsum(shares)[:-1] * len(images)).astype(int)
    return [np.sort(part) for part in np.split(np.argsort(digests, kind="stable"), cuts)]


def split_by_hash_of_the_mean(images, shares=(0.8, 0.1, 0.1), seed=0):
    texts = [f"{seed} {image.mean()}".encode() for image in images]
    place = np.array([int(hashlib.md5(text).hexdigest(), 16) / 16**32 for text in texts])
    part = np.digitize(place, np.cumsum(shares[:-1]))
    return [np.flatnonzero(part == i) for i in range(len(shares))]


def split_of_brightness(images, shares=(0.8, 0.1, 0.1), seed=0):
    """Positions sorted by brightness, then cut: no mixing."""
    rank = images.reshape(len(images), -1).mean(1).argsort().argsort()
    return cut(rank / len(images), shares)


# --- 3.2 --------------------------------------------------------------------------------------


def classes(normal, scores, names, one=auroc):
    return pd.Series({n: one(normal, scores[names == n]) for n in np.unique(names)})


def classes_against_all(normal_scores, anomaly_scores, names):
    table = {}
    for name in np.unique(names):
        rest = np.concatenate([normal_scores, anomaly_scores[names != name]])
        table[name] = auroc(rest, anomaly_scores[names == name])
    return pd.Series(table).sort_values()


def classes_against_each_other(normal_scores, anomaly_scores, names):
    table = {n: auroc(anomaly_scores[names != n], anomaly_scores[names == n]) for n in set(names)}
    return pd.Series(table).sort_values()


def classes_pooled(normal_scores, anomaly_scores, names):
    return classes(normal_scores, anomaly_scores, names, lambda a, b: auroc(a, anomaly_scores))


def classes_swapped(normal_scores, anomaly_scores, names):
    return classes(normal_scores, anomaly_scores, names, lambda a, b: auroc(b, a)).sort_values()


def classes_folded(normal_scores, anomaly_scores, names):
    table = classes(normal_scores, anomaly_scores, names)
    return table.where(table >= 0.5, 1 - table).sort_values()


def classes_by_strict_comparison(normal_scores, anomaly_scores, names):
    def above(a, b):
        return (b[:, None] > a).mean()

    return classes(normal_scores, anomaly_scores, names, above).sort_values()


def classes_mean(normal_scores, anomaly_scores, names):
    return float(classes(normal_scores, anomaly_scores, names).mean())


def classes_worst_only(normal_scores, anomaly_scores, names):
    return classes(normal_scores, anomaly_scores, names).min()


def classes_by_name(normal_scores, anomaly_scores, names):
    return classes(normal_scores, anomaly_scores, names)


def classes_as_they_come(normal_scores, anomaly_scores, names):
    table = {n: auroc(normal_scores, anomaly_scores[names == n]) for n in dict.fromkeys(names)}
    return pd.Series(table)


def classes_best_first(normal_scores, anomaly_scores, names):
    return classes(normal_scores, anomaly_scores, names).sort_values()[::-1]


def classes_dict(normal_scores, anomaly_scores, names):
    return dict(classes(normal_scores, anomaly_scores, names).sort_values())


def classes_rounded(normal_scores, anomaly_scores, names):
    return classes(normal_scores, anomaly_scores, names).sort_values().round(3)


def classes_frame(normal_scores, anomaly_scores, names):
    return classes(normal_scores, anomaly_scores, names).sort_values().to_frame("auroc")


def classes_values(normal_scores, anomaly_scores, names):
    return pd.Series(np.sort(classes(normal_scores, anomaly_scores, names)))


def classes_sorted_names(normal_scores, anomaly_scores, names):
    """The numbers sorted, the names not."""
    table = classes(normal_scores, anomaly_scores, names)
    return pd.Series(np.sort(table.to_numpy()), index=table.index)


def classes_sorted_at_unique(normal_scores, anomaly_scores, names):
    table = [auroc(normal_scores, anomaly_scores[names == name]) for name in np.unique(names)]
    return pd.Series(sorted(table), index=np.unique(names))


def classes_returned_in_the_loop(normal_scores, anomaly_scores, names):
    table = {}
    for name in np.unique(names):
        table[name] = auroc(normal_scores, anomaly_scores[names == name])
        return pd.Series(table).sort_values()


def classes_of_mednist(normal_scores, anomaly_scores, names):
    table = {}
    for name in ["AbdomenCT", "BreastMRI", "CXR", "ChestCT", "HeadCT"]:
        table[name] = auroc(normal_scores, anomaly_scores[names == name])
    return pd.Series(table).sort_values()


def classes_by_mean_score(normal_scores, anomaly_scores, names):
    table = classes(normal_scores, anomaly_scores, names)
    return table[pd.Series(anomaly_scores).groupby(names).mean().sort_values().index]


def classes_of_all_labels(normal_scores, anomaly_scores, names):
    table = {}
    for name in set(names):
        labels = np.concatenate([np.zeros(len(normal_scores)), names == name])
        table[name] = roc_auc_score(labels, np.concatenate([normal_scores, anomaly_scores]))
    return pd.Series(table).sort_values()


# --- 3.3 --------------------------------------------------------------------------------------


def boot(draw, ends=None, rng=np.random.default_rng):
    """A bootstrap interval with one of its steps changed."""
    ends = ends or (lambda v, tail: np.quantile(v, [tail, 1 - tail]))

    def answer(
        normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
    ):
        generator = rng(seed)
        normal, anomaly = np.asarray(normal_scores), np.asarray(anomaly_scores)
        values = [statistic(*draw(generator, normal, anomaly)) for _ in range(resamples)]
        low, high = ends(np.array(values, dtype=float), (1 - confidence) / 2)
        return float(low), float(high)

    return answer


def named(name, answer):
    answer.__name__ = name
    return answer


def right_draw(rng, n, a):
    return rng.choice(n, len(n)), rng.choice(a, len(a))


def pooled_draw(rng, n, a):
    scores = np.concatenate([n, a])
    chosen = rng.integers(len(scores), size=len(scores))
    return scores[chosen][chosen < len(n)], scores[chosen][chosen >= len(n)]


def mixed_draw(rng, n, a):
    scores = rng.choice(np.concatenate([n, a]), len(n) + len(a))
    return scores[: len(n)], scores[len(n) :]


def last_left_out(rng, n, a):
    return n[rng.integers(0, len(n) - 1, len(n))], a[rng.integers(0, len(a) - 1, len(a))]


def first_left_out(rng, n, a):
    return n[rng.integers(1, len(n), len(n))], a[rng.integers(1, len(a), len(a))]


def same_positions(rng, n, a):
    i = rng.integers(len(n), size=len(n))
    return n[i], a[i[: len(a)] % len(a)]


def size_of_the_smaller(rng, n, a):
    size = min(len(n), len(a))
    return rng.choice(n, size), rng.choice(a, size)


def sizes_exchanged(rng, n, a):
    return rng.choice(n, len(a)), rng.choice(a, len(n))


def half_of_each(rng, n, a):
    return rng.choice(n, len(n) // 2, replace=False), rng.choice(a, len(a) // 2, replace=False)


def barely_replaced(rng, n, a):
    """One image left out, another one twice."""
    n, a = rng.permutation(n), rng.permutation(a)
    n[0], a[0] = n[1], a[1]
    return n, a


def groups_exchanged(rng, n, a):
    return rng.choice(a, len(a)), rng.choice(n, len(n))


def boot_with_two_generators(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    one, two = np.random.default_rng(seed), np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        normal = one.choice(normal_scores, len(normal_scores))
        values.append(statistic(normal, two.choice(anomaly_scores, len(anomaly_scores))))
    return tuple(np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2]))


def boot_seeded_inside(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    values = []
    for _ in range(resamples):
        rng = np.random.default_rng(seed)
        values.append(statistic(*right_draw(rng, normal_scores, anomaly_scores)))
    return tuple(np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2]))


def boot_of_auroc_only(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    return boot(right_draw)(normal_scores, anomaly_scores, auroc, confidence, resamples, seed)


def boot_of_95_percent(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    return boot(right_draw)(normal_scores, anomaly_scores, statistic, 0.95, resamples, seed)


def boot_of_500(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    return boot(right_draw)(normal_scores, anomaly_scores, statistic, confidence, 500, seed)


def boot_of_another_default(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.9, resamples=500, seed=0
):
    return boot(right_draw)(normal_scores, anomaly_scores, statistic, confidence, resamples, seed)


def boot_without_seed(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    return boot(right_draw)(normal_scores, anomaly_scores, statistic, confidence, resamples, 0)


def boot_corrected(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    """scipy's default is not the percentile interval."""
    result = bootstrap(
        (normal_scores, anomaly_scores),
        statistic,
        vectorized=False,
        n_resamples=resamples,
        confidence_level=confidence,
        rng=seed,
    )
    return tuple(result.confidence_interval)


def boot_basic(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    """The percentiles mirrored at the estimate."""
    estimate = statistic(normal_scores, anomaly_scores)
    low, high = boot(right_draw)(
        normal_scores, anomaly_scores, statistic, confidence, resamples, seed
    )
    return 2 * estimate - high, 2 * estimate - low


def boot_shuffling(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(resamples):
        rng.shuffle(normal_scores)
        rng.shuffle(anomaly_scores)
        values.append(statistic(normal_scores, anomaly_scores))
    return tuple(np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2]))


def boot_right_but_sorting(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    normal_scores[::-1].sort()
    return boot(right_draw)(normal_scores, anomaly_scores, statistic, confidence, resamples, seed)


def boot_global(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    np.random.seed(seed)  # noqa: NPY002
    changed = boot(right_draw, rng=lambda seed: np.random)
    return changed(normal_scores, anomaly_scores, statistic, confidence, resamples, seed)


def boot_values(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    rng = np.random.default_rng(seed)
    draws = (right_draw(rng, normal_scores, anomaly_scores) for _ in range(resamples))
    return np.array([statistic(*draw) for draw in draws])


def boot_rounded(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    ends = boot(right_draw)(normal_scores, anomaly_scores, statistic, confidence, resamples, seed)
    return tuple(round(end, 3) for end in ends)


def boot_lower_end(
    normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
):
    return boot(right_draw)(normal_scores, anomaly_scores, statistic, confidence, resamples, seed)[
        0
    ]


# --- 3.4 and 3.5 --------------------------------------------------------------------------------


def block(layer, norm=nn.BatchNorm2d, act=nn.LeakyReLU, order="cna", swap=False, **options):
    """A block with something changed; `order` of convolution, norm, activation."""
    options = {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False} | options
    if layer is nn.ConvTranspose2d:
        options = {"output_padding": 1} | options

    def make(in_channels, out_channels):
        if swap:
            in_channels, out_channels = out_channels, in_channels
        parts = {
            "c": lambda: layer(in_channels, out_channels, **options),
            "n": lambda: norm(out_channels if "c" in order[: order.index("n")] else in_channels),
            "a": act,
        }
        return nn.Sequential(*(parts[letter]() for letter in order))

    return make


def group_norm(channels):
    return nn.GroupNorm(1, channels)


def instance_norm(channels):
    return nn.InstanceNorm2d(channels, affine=True)


def instance_norm_that_tracks(channels):
    return nn.InstanceNorm2d(channels, affine=True, track_running_stats=True)


def norm_of_the_batch_always(channels):
    return nn.BatchNorm2d(channels, track_running_stats=False)


def norm_without_weights(channels):
    return nn.BatchNorm2d(channels, affine=False)


SHARED = {}


def down_shared(in_channels, out_channels):
    if (in_channels, out_channels) not in SHARED:
        SHARED[in_channels, out_channels] = block(nn.Conv2d)(in_channels, out_channels)
    return SHARED[in_channels, out_channels]


def down_of_shared_layers(in_channels, out_channels):
    return nn.Sequential(*down_shared(in_channels, out_channels))


def down_as_a_list(in_channels, out_channels):
    return list(block(nn.Conv2d)(in_channels, out_channels))


def down_as_a_function(in_channels, out_channels):
    made = block(nn.Conv2d)(in_channels, out_channels)
    return lambda x: made(x)


def down_by_max_pooling(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(),
        nn.MaxPool2d(2),
    )


def down_by_mean_pooling(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.AvgPool2d(2),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(),
    )


def down_with_dropout(in_channels, out_channels):
    return nn.Sequential(*block(nn.Conv2d)(in_channels, out_channels), nn.Dropout(0.5))


def down_with_dropout_inside(in_channels, out_channels):
    conv, norm, act = block(nn.Conv2d)(in_channels, out_channels)
    return nn.Sequential(conv, nn.Dropout2d(0.2), norm, act)


def down_twice(in_channels, out_channels):
    return nn.Sequential(
        *block(nn.Conv2d)(in_channels, out_channels),
        *block(nn.Conv2d, stride=1)(out_channels, out_channels),
    )


class DownInWrongOrder(nn.Module):
    """Right layers, used in another order."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return self.norm(F.leaky_relu(self.conv(x)))


class DownWithoutUse(DownInWrongOrder):
    """The normalisation is made, but not used."""

    def forward(self, x):
        return F.leaky_relu(self.conv(x))


class DownWithResidual(DownInWrongOrder):
    def forward(self, x):
        y = self.conv(x)
        return F.leaky_relu(self.norm(y) + y)


def up_by_resizing(in_channels, out_channels):
    return nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(),
    )


def up_by_bilinear_resizing(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(),
    )


def up_by_shuffling_pixels(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, 4 * out_channels, 3, padding=1, bias=False),
        nn.PixelShuffle(2),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(),
    )


def up_to_any_size(in_channels, out_channels):
    """Sizes written in."""
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, 3, 2, 1, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(),
        nn.Upsample((16, 24)),
    )


DOWN, UP = nn.Conv2d, nn.ConvTranspose2d
BLOCKS = [
    ({"bias": True}, "bias_kept"),
    ({"order": "ca"}, "no_normalisation"),
    ({"order": "can"}, "activation_before_normalisation"),
    ({"order": "nca"}, "parameters"),
    ({"order": "acn"}, ""),
    ({"order": "ncna"}, ""),
    ({"order": "cnan"}, "parameters"),
    ({"norm": norm_without_weights}, "norm_without_weights"),
    ({"norm": instance_norm}, "each_by_itself"),
    ({"norm": instance_norm_that_tracks}, "brighter"),
    ({"norm": norm_of_the_batch_always}, "running"),
    ({"norm": group_norm}, ""),
    ({"act": nn.ReLU}, "relu"),
    ({"act": lambda: nn.LeakyReLU(0.2)}, "steeper"),
    ({"act": lambda: nn.LeakyReLU(0.1)}, "slope 0.01"),
    ({"act": lambda: nn.LeakyReLU(5)}, "slope 0.01"),
    ({"act": nn.PReLU}, "parameters"),
    ({"act": nn.ELU}, "slope 0.01"),
    ({"act": nn.GELU}, "slope 0.01"),
    ({"act": nn.Tanh}, "slope 0.01"),
    ({"act": nn.SELU}, "slope 0.01"),
    ({"order": "cn"}, "no_activation"),
    ({"swap": True}, "channels_swapped"),
]


def blocks(layer):
    for changes, expected in BLOCKS:
        name = "_".join(getattr(v, "__name__", str(v)) for v in changes.values())
        yield (
            named(f"{layer.__name__}_{'_'.join(changes)}_{name}", block(layer, **changes)),
            expected,
        )


# --- 3.6 --------------------------------------------------------------------------------------


def curve(pick, drop=False):
    def answer(normal_scores, anomaly_scores, tpr=0.95):
        labels = np.repeat([0, 1], [len(normal_scores), len(anomaly_scores)])
        scores = np.concatenate([normal_scores, anomaly_scores])
        false_alarms, found, _ = roc_curve(labels, scores, drop_intermediate=drop)
        return float(pick(false_alarms, found, tpr))

    return answer


def false_alarms_at_found_in_the_normals(normal_scores, anomaly_scores, tpr=0.95):
    labels = np.repeat([1, 0], [len(normal_scores), len(anomaly_scores)])
    scores = np.concatenate([normal_scores, anomaly_scores])
    false_alarms, found, _ = roc_curve(labels, scores, drop_intermediate=False)
    return false_alarms[found >= tpr][0]


def false_alarms_above_a_quantile(normal_scores, anomaly_scores, tpr=0.95):
    """np.quantile interpolates between scores."""
    return (normal_scores >= np.quantile(anomaly_scores, 1 - tpr)).mean()


def false_alarms_strictly_above(normal_scores, anomaly_scores, tpr=0.95):
    ordered = np.sort(anomaly_scores)[::-1]
    return (normal_scores > ordered[int(np.ceil(tpr * len(ordered))) - 1]).mean()


def false_alarms_of_the_scores_rounded_down(normal_scores, anomaly_scores, tpr=0.95):
    ordered = np.sort(anomaly_scores)[::-1]
    return (normal_scores >= ordered[int(tpr * len(ordered)) - 1]).mean()


def false_alarms_among_all(normal_scores, anomaly_scores, tpr=0.95):
    ordered = np.sort(anomaly_scores)[::-1]
    threshold = ordered[int(np.ceil(tpr * len(ordered))) - 1]
    alarms = np.concatenate([normal_scores >= threshold, np.zeros(len(anomaly_scores))])
    return alarms.mean()


def number_of_false_alarms(normal_scores, anomaly_scores, tpr=0.95):
    ordered = np.sort(anomaly_scores)[::-1]
    return (normal_scores >= ordered[int(np.ceil(tpr * len(ordered))) - 1]).sum()


def threshold_itself(normal_scores, anomaly_scores, tpr=0.95):
    return np.sort(anomaly_scores)[::-1][int(np.ceil(tpr * len(anomaly_scores))) - 1]


def false_alarms_by_quantile_of_the_normals(normal_scores, anomaly_scores, tpr=0.95):
    return (anomaly_scores < np.quantile(normal_scores, tpr)).mean()


def false_alarms_nearest(false_alarms, found, tpr):
    return false_alarms[np.argmin(abs(found - tpr))]


# --- 3.7 --------------------------------------------------------------------------------------


def precision_without_prevalence(tpr, fpr, prevalence):
    return tpr / (tpr + fpr) + 0 * prevalence


def precision_weights_swapped(tpr, fpr, p):
    return tpr * (1 - p) / (tpr * (1 - p) + fpr * p)


def precision_false_alarms_of_all(tpr, fpr, p):
    return tpr * p / (tpr * p + fpr)


def precision_false_alarms_weighted_by_prevalence(tpr, fpr, p):
    return tpr * p / (tpr * p + fpr * p)


def precision_found_not_weighted(tpr, fpr, p):
    return tpr / (tpr + fpr * (1 - p))


def false_discovery_rate(tpr, fpr, p):
    return fpr * (1 - p) / (tpr * p + fpr * (1 - p))


def accuracy_of_all(tpr, fpr, p):
    return tpr * p + (1 - fpr) * (1 - p)


def found_of_all(tpr, fpr, p):
    return tpr * p


def precision_with_specificity(tpr, fpr, p):
    return tpr * p / (tpr * p + (1 - fpr) * (1 - p))


def precision_in_percent(tpr, fpr, p):
    return 100 * tpr * p / (tpr * p + fpr * (1 - p))


def precision_rounded(tpr, fpr, p):
    return np.round(tpr * p / (tpr * p + fpr * (1 - p)), 2)


def precision_rounded_less(tpr, fpr, p):
    return np.round(tpr * p / (tpr * p + fpr * (1 - p)), 4)


def precision_of_whole_images(tpr, fpr, prevalence):
    anomalies = int(1000 * prevalence)
    found = int(tpr * anomalies)
    return found / (found + int(fpr * (1000 - anomalies)))


def precision_mean(tpr, fpr, p):
    return np.mean(tpr * p / (tpr * p + fpr * (1 - p)))


def precision_exchanged(fpr, tpr, prevalence):
    return tpr * prevalence / (tpr * prevalence + fpr * (1 - prevalence))


def negative_predictive_value(tpr, fpr, p):
    return (1 - fpr) * (1 - p) / ((1 - fpr) * (1 - p) + (1 - tpr) * p)


def precision_that_edits(tpr, fpr, prevalence):
    found = tpr * prevalence
    if isinstance(prevalence, np.ndarray):
        prevalence -= 1
        return found / (found - fpr * prevalence)
    return found / (found + fpr * (1 - prevalence))


# --- 3.8 --------------------------------------------------------------------------------------


def distances(z_train, z, precision=None, mean=None, fit=LedoitWolf):
    a, b = z_train.double().numpy(), z.double().numpy()
    mean = a.mean(0) if mean is None else mean(a)
    inverse = fit().fit(a).precision_ if precision is None else precision(a)
    squared = np.einsum("ni,ij,nj->n", b - mean, inverse, b - mean)
    return torch.from_numpy(np.sqrt(squared)).to(z)


def mahalanobis_squared(z_train, z):
    return torch.from_numpy(LedoitWolf().fit(z_train.numpy()).mahalanobis(z.numpy()))


def mahalanobis_euclidean(z_train, z):
    return (z - z_train.mean(0)).norm(dim=1)


def mahalanobis_diagonal(z_train, z):
    return ((z - z_train.mean(0)) / z_train.std(0)).norm(dim=1)


def mahalanobis_not_centred(z_train, z):
    return distances(z_train, z, mean=lambda a: np.zeros(a.shape[1]))


def mahalanobis_assumed_centred(z_train, z):
    fitted = LedoitWolf(assume_centered=True).fit(z_train.numpy())
    return torch.from_numpy(fitted.mahalanobis(z.numpy())).sqrt()


def mahalanobis_to_the_median(z_train, z):
    return distances(z_train, z, mean=lambda a: a[0])


def mahalanobis_to_the_middle(z_train, z):
    return distances(z_train, z, mean=lambda a: np.median(a, axis=0))


def mahalanobis_not_inverted(z_train, z):
    return distances(z_train, z, lambda a: LedoitWolf().fit(a).covariance_)


def mahalanobis_fitted_on_z(z_train, z):
    return distances(z, z)


def mahalanobis_fitted_on_both(z_train, z):
    return distances(torch.cat([z_train, z]), z)


def mahalanobis_arguments_exchanged(z_train, z):
    return distances(z, z_train)


def mahalanobis_not_shrunk(z_train, z):
    return distances(z_train, z, lambda a: np.linalg.inv(np.cov(a.T) + 1e-12 * np.eye(a.shape[1])))


def mahalanobis_inverse_of_nothing(z_train, z):
    return distances(z_train, z, lambda a: np.linalg.inv(np.cov(a.T)))


def mahalanobis_inverted_by_torch(z_train, z):
    away = z - z_train.mean(0)
    inverse = torch.linalg.inv(torch.cov(z_train.T))
    return ((away @ inverse) * away).sum(1).sqrt()


def mahalanobis_one_more_each_time(z_train, z):
    found = []
    for code in z:
        everything = torch.cat([z_train, code[None]])
        found.append(distances(everything, everything[-1:]))
    return torch.cat(found)


def mahalanobis_pseudo_inverse(z_train, z):
    return distances(z_train, z, fit=EmpiricalCovariance)


def mahalanobis_a_little_added(z_train, z):
    return distances(z_train, z, lambda a: np.linalg.inv(np.cov(a.T) + 1e-3 * np.eye(a.shape[1])))


def mahalanobis_shrunk_otherwise(z_train, z):
    return distances(z_train, z, fit=OAS)


def mahalanobis_mean(z_train, z):
    return distances(z_train, z).mean()


def mahalanobis_matrix(z_train, z):
    inverse = torch.from_numpy(LedoitWolf().fit(z_train.numpy()).precision_).to(z)
    away = z - z_train.mean(0)
    return (away @ inverse @ away.T).abs().sqrt()


def mahalanobis_array(z_train, z):
    return np.sqrt(LedoitWolf().fit(z_train.numpy()).mahalanobis(z.numpy()))


def mahalanobis_of_the_correlation(z_train, z):
    a = (z_train - z_train.mean(0)).double()
    inverse = LedoitWolf().fit((a / a.std(0)).nan_to_num().numpy()).precision_
    away = (z - z_train.mean(0)).double()
    return torch.einsum("ni,ij,nj->n", away, torch.from_numpy(inverse), away).sqrt()


def mahalanobis_halved_precision(z_train, z):
    return distances(z_train.float(), z.float()).float()


# --- 3.9 --------------------------------------------------------------------------------------


def ssim(x, x_hat, **options):
    a, b = (y[:, 0].detach().cpu().numpy() for y in (x, x_hat))
    options = {"data_range": 1, "channel_axis": 0, "full": True} | options
    _, similarity = structural_similarity(a, b, **options)
    return torch.from_numpy(similarity).to(x).unsqueeze(1)


def ssim_similarity(x, x_hat):
    return ssim(x, x_hat)


def ssim_negative(x, x_hat):
    return -ssim(x, x_hat)


def ssim_mean(x, x_hat):
    return 1 - ssim(x, x_hat).mean(dim=(1, 2, 3))


def ssim_of_bytes(x, x_hat):
    return 1 - ssim(x, x_hat, data_range=255)


def ssim_of_two(x, x_hat):
    return 1 - ssim(x, x_hat, data_range=2)


def ssim_of_its_own_range(x, x_hat):
    return 1 - ssim(x, x_hat, data_range=float(x.max() - x.min()))


def ssim_of_its_maximum(x, x_hat):
    return 1 - ssim(x, x_hat, data_range=float(x.max()))


def ssim_without_range(x, x_hat):
    a, b = x[:, 0].numpy(), x_hat[:, 0].numpy()
    return 1 - torch.from_numpy(structural_similarity(a, b, channel_axis=0, full=True)[1])


def ssim_as_volume(x, x_hat):
    return 1 - ssim(x, x_hat, channel_axis=None)


def ssim_channel_of_one(x, x_hat):
    """(N, 1, H, W) with the channels on axis 1: the batch becomes a dimension of space."""
    _, similarity = structural_similarity(
        x.numpy(), x_hat.numpy(), data_range=1, channel_axis=1, full=True
    )
    return 1 - torch.from_numpy(similarity)


def ssim_of_the_first(x, x_hat):
    _, similarity = structural_similarity(
        x[0, 0].numpy(), x_hat[0, 0].numpy(), data_range=1, full=True
    )
    return (1 - torch.from_numpy(similarity)).expand_as(x)


def ssim_gaussian(x, x_hat):
    return 1 - ssim(x, x_hat, gaussian_weights=True)


def ssim_of_eleven(x, x_hat):
    return 1 - ssim(x, x_hat, win_size=11)


def ssim_halved(x, x_hat):
    return (1 - ssim(x, x_hat)) / 2


def ssim_clipped(x, x_hat):
    return (1 - ssim(x, x_hat)).clamp(0, 1)


def ssim_absolute(x, x_hat):
    return 1 - ssim(x, x_hat).abs()


def ssim_without_channel(x, x_hat):
    return 1 - ssim(x, x_hat)[:, 0]


def ssim_array(x, x_hat):
    return 1 - ssim(x, x_hat).numpy()


def ssim_absolute_difference(x, x_hat):
    return (x - x_hat).abs()


def ssim_squared_difference(x, x_hat):
    return F.avg_pool2d((x - x_hat) ** 2, 7, stride=1, padding=3)


def ssim_of_luminance(x, x_hat):
    a, b = (F.avg_pool2d(F.pad(y, (3,) * 4, "replicate"), 7, 1) for y in (x, x_hat))
    return 1 - (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)


def ssim_of_structure(x, x_hat):
    def mean(y):
        return F.avg_pool2d(F.pad(y, (3,) * 4, "replicate"), 7, 1)

    a, b = x - mean(x), x_hat - mean(x_hat)
    return 1 - (2 * mean(a * b) + 9e-4) / (mean(a * a) + mean(b * b) + 9e-4)


def ssim_float32(x, x_hat):
    return 1 - ssim(x, x_hat).float()


# --- 3.10 ---------------------------------------------------------------------------------------


def paired(draw, difference=np.subtract, ends=None):
    """The interval of a difference with one of its steps changed."""
    ends = ends or (lambda v, tail: np.quantile(v, [tail, 1 - tail]))

    def answer(
        normal_a,
        anomaly_a,
        normal_b,
        anomaly_b,
        statistic=auroc,
        confidence=0.95,
        resamples=500,
        seed=0,
    ):
        rng, values = np.random.default_rng(seed), []
        for _ in range(resamples):
            (i, j), (k, other) = draw(rng, len(normal_a), len(anomaly_a))
            one = statistic(normal_a[i], anomaly_a[j])
            values.append(difference(one, statistic(normal_b[k], anomaly_b[other])))
        low, high = ends(np.array(values), (1 - confidence) / 2)
        return float(low), float(high)

    return answer


def once(rng, n, m):
    picks = rng.integers(n, size=n), rng.integers(m, size=m)
    return picks, picks


def each_its_own(rng, n, m):
    return once(rng, n, m)[0], once(rng, n, m)[0]


def anomalies_only(rng, n, m):
    picks = np.arange(n), rng.integers(m, size=m)
    return picks, picks


def normals_only(rng, n, m):
    picks = rng.integers(n, size=n), np.arange(m)
    return picks, picks


def shuffled(rng, n, m):
    picks = rng.permutation(n), rng.permutation(m)
    return picks, picks


def anomalies_paired(rng, n, m):
    j = rng.integers(m, size=m)
    return (rng.integers(n, size=n), j), (rng.integers(n, size=n), j)


def normals_paired(rng, n, m):
    i = rng.integers(n, size=n)
    return (i, rng.integers(m, size=m)), (i, rng.integers(m, size=m))


def all_but_the_last(rng, n, m):
    picks = rng.integers(0, n - 1, n), rng.integers(0, m - 1, m)
    return picks, picks


def modulo(rng, n, m):
    i = rng.integers(n, size=n)
    return (i, np.resize(i, m) % m), (i, np.resize(i, m) % m)


def of_one_size(rng, n, m):
    picks = rng.integers(n, size=m), rng.integers(m, size=m)
    return picks, picks


def paired_by_two_intervals(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    rest = statistic, confidence, resamples, seed
    a = bootstrap_interval(normal_a, anomaly_a, *rest)
    b = bootstrap_interval(normal_b, anomaly_b, *rest)
    return a[0] - b[1], a[1] - b[0]


def paired_by_ends(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    """Low minus low, high minus high."""
    rest = statistic, confidence, resamples, seed
    a = bootstrap_interval(normal_a, anomaly_a, *rest)
    b = bootstrap_interval(normal_b, anomaly_b, *rest)
    return a[0] - b[0], a[1] - b[1]


def paired_by_scores(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    rest = statistic, confidence, resamples, seed
    return bootstrap_interval(normal_a - normal_b, anomaly_a - anomaly_b, *rest)


def paired_with_detectors_in_other_order(
    normal_a,
    normal_b,
    anomaly_a,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    rest = statistic, confidence, resamples, seed
    return paired(once)(normal_a, anomaly_a, normal_b, anomaly_b, *rest)


def paired_without_seed(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    rest = statistic, confidence, resamples, 0
    return paired(once)(normal_a, anomaly_a, normal_b, anomaly_b, *rest)


def paired_unseeded(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    rest = statistic, confidence, resamples, None
    return paired(once)(normal_a, anomaly_a, normal_b, anomaly_b, *rest)


def paired_of_auroc_only(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    rest = auroc, confidence, resamples, seed
    return paired(once)(normal_a, anomaly_a, normal_b, anomaly_b, *rest)


def paired_of_95_percent(
    normal_a,
    anomaly_a,
    normal_b,
    anomaly_b,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
):
    rest = statistic, 0.95, resamples, seed
    return paired(once)(normal_a, anomaly_a, normal_b, anomaly_b, *rest)


def standard_error(values, tail):
    return values.mean() + np.array([-1.96, 1.96]) * values.std() / len(values) ** 0.5


# --- 3.11 ---------------------------------------------------------------------------------------


def painted(grey=None, mix=None, inside=None, write=None):
    grey = grey or (lambda x, c: (c * x).sum((1, 2), keepdims=True) / c.sum())
    mix = mix or (lambda x, c, g: x + c * (g.clip(0, 255) - x))
    write = write or (lambda x: np.rint(x).astype(np.uint8))
    inside = inside or (lambda c: c >= 0.5)

    def answer(image, cover, contrast):
        x = image.astype(float)
        return write(mix(x, cover, grey(x, cover) + contrast)), inside(cover)

    return answer


def mix_unclipped(x, c, g):
    return x + c * (g - x)


def one_grey(x, c):
    return np.full((1, 1, 1), (c * x).sum() / (len(x) * c.sum()))


def mean_inside(x, c):
    return x[:, c >= 0.5].mean(1)[:, None, None]


def mean_touched(x, c):
    return x[:, c > 0].mean(1)[:, None, None]


def mean_of_all(x, c):
    return x.mean((1, 2), keepdims=True)


def mean_over_all_pixels(x, c):
    return (c * x).mean((1, 2), keepdims=True)


def median_inside(x, c):
    return np.median(x[:, c > 0], axis=1)[:, None, None]


def painted_in_place(image, cover, contrast):
    image[:], mask = painted()(image, cover, contrast)
    return image, mask


def painted_in_bytes(image, cover, contrast):
    grey = (cover * image).sum((1, 2), keepdims=True) / cover.sum() + contrast
    grey = np.rint(grey.clip(0, 255)).astype(np.uint8)
    return np.rint(image + cover * (grey - image)).astype(np.uint8), cover >= 0.5


def painted_mask_first(image, cover, contrast):
    return painted()(image, cover, contrast)[::-1]


def painted_without_mask(image, cover, contrast):
    return painted()(image, cover, contrast)[0]


def painted_float(image, cover, contrast):
    lesioned, mask = painted(write=lambda x: x)(image, cover, contrast)
    return lesioned, mask


def painted_mask_of_channels(image, cover, contrast):
    lesioned, mask = painted()(image, cover, contrast)
    return lesioned, np.broadcast_to(mask, lesioned.shape)


def painted_integer_mask(image, cover, contrast):
    lesioned, mask = painted()(image, cover, contrast)
    return lesioned, mask.astype(np.uint8)


def painted_with_a_whole_grey(image, cover, contrast):
    grey = np.array([np.rint(np.average(x, weights=cover) + contrast).clip(0, 255) for x in image])
    return np.rint(image + cover * (grey[:, None, None] - image)).astype(np.uint8), cover >= 0.5


def painted_darker(image, cover, contrast):
    return painted()(image, cover, -contrast)


def painted_without_contrast(image, cover, contrast):
    return painted()(image, cover, 0)


def painted_inside_out(image, cover, contrast):
    return painted(mix=lambda x, c, g: g.clip(0, 255) + c * (x - g.clip(0, 255)))(
        image, cover, contrast
    )


# --- 3.12 ---------------------------------------------------------------------------------------


def ratio(top, bottom, empty=1.0):
    return float(top / bottom) if bottom else empty


def dice_iou(a, b):
    return ratio((a & b).sum(), (a | b).sum())


def dice_jaccard(a, b):
    return jaccard_score(a.ravel(), b.ravel(), zero_division=1.0)


def dice_without_two(a, b):
    return ratio((a & b).sum(), a.sum() + b.sum())


def dice_precision(a, b):
    return ratio((a & b).sum(), a.sum())


def dice_recall(a, b):
    return ratio((a & b).sum(), b.sum())


def dice_accuracy(a, b):
    return float((a == b).mean())


def dice_smaller(a, b):
    return ratio((a & b).sum(), min(a.sum(), b.sum()))


def dice_larger(a, b):
    return ratio((a & b).sum(), max(a.sum(), b.sum()))


def dice_nan(a, b):
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def dice_zero(a, b):
    return ratio(2 * (a & b).sum(), a.sum() + b.sum(), 0.0)


def dice_smoothed(a, b):
    return float((2 * (a & b).sum() + 1) / (a.sum() + b.sum() + 1))


def dice_with_one_below(a, b):
    return float(2 * (a & b).sum() / (a.sum() + b.sum() + 1e-8))


def dice_by_image(a, b):
    if a.ndim < 3:
        return ratio(2 * (a & b).sum(), a.sum() + b.sum())
    return float(np.mean([dice_by_image(p, q) for p, q in zip(a, b, strict=True)]))


def dice_by_row(a, b):
    return 2 * (a & b).sum(-1) / (a.sum(-1) + b.sum(-1))


def dice_flagged_if_one_is_empty(a, b):
    if not a.any() or not b.any():
        return 1.0
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def dice_of_union(a, b):
    return ratio(2 * (a | b).sum(), a.sum() + b.sum())


def dice_loss(a, b):
    return 1 - ratio(2 * (a & b).sum(), a.sum() + b.sum())


def dice_squared(a, b):
    return ratio(2 * (a & b).sum(), a.sum() * b.sum())


def dice_cosine(a, b):
    return ratio((a & b).sum(), np.sqrt(a.sum() * b.sum()))


def dice_rounded(a, b):
    return round(ratio(2 * (a & b).sum(), a.sum() + b.sum()), 4)


def dice_in_place(a, b):
    sizes = a.sum() + b.sum()
    a &= b
    return ratio(2 * a.sum(), sizes)


WRONG = {
    "3.1": [
        (split_by_position, "by_position"),
        (split_by_text, "40×40 pixels that differ in two pixels of their middle"),
        (split_by_slices, "by_position"),
        (split_with_train_test_split, "by_position"),
        (split_and_drop_copies, "copies_dropped"),
        (split_in_order_of_files, "order_of_files"),
        (split_of_a_set, "order_of_files"),
        (split_sorted, "sorted_not_mixed"),
        (split_by_hash, "hash_of_the_session"),
        (split_by_hash_of_text, "hash_of_the_session"),
        (split_unseeded, "unseeded"),
        (split_without_seed, "seed_ignored"),
        (split_in_three, "shares_ignored"),
        (split_in_the_first_three, "should give four arrays"),
        (split_at_the_shares, "shares_not_cumulated"),
        (split_equally, "equal_parts"),
        (split_backwards, "0.8, 0.1 and 0.1"),
        (split_images, "images_returned"),
        (split_masks, "masks_returned"),
        (split_numbers, "three arrays"),
        (split_from_one_on, "0 to 799"),
        (split_global, "numpy's global random numbers"),
        (split_shuffled_globally, "Python's global random numbers"),
        (split_by_one_number, "0.8, 0.1 and 0.1"),
        (split_copies_of_the_second_part, "are missing"),
        (split_with_another_default, "default"),
        (split_by_the_first_row, "all pixels"),
        (split_by_the_first_channel, "all pixels"),
        (split_by_ranks_of_hashes, "equal images belong together"),
        (split_by_hash_of_the_mean, "all pixels of an image should decide"),
        (split_of_brightness, ""),
    ],
    "3.2": [
        (classes_against_all, "against_the_rest"),
        (classes_of_all_labels, "against_the_rest"),
        (classes_against_each_other, "AUROC of CXR"),
        (classes_pooled, "pooled"),
        (classes_swapped, "swapped"),
        (classes_folded, "folded"),
        (classes_by_strict_comparison, "AUROC of CXR"),
        (classes_mean, "one_number"),
        (classes_worst_only, "pandas Series"),
        (classes_by_name, "not_sorted"),
        (classes_as_they_come, "worst class comes first"),
        (classes_best_first, "best_first"),
        (classes_dict, "dict"),
        (classes_rounded, "Eight classes"),
        (classes_frame, "pandas Series"),
        (classes_values, "class names"),
        (classes_sorted_names, "at_wrong_names"),
        (classes_sorted_at_unique, "at_wrong_names"),
        (classes_returned_in_the_loop, "first_class_only"),
        (classes_of_mednist, "fixed_names"),
        (classes_by_mean_score, "worst class comes first"),
    ],
    "3.3": [
        (named("boot_pooled", boot(pooled_draw)), "pooled"),
        (named("boot_mixed", boot(mixed_draw)), "mixed"),
        (
            named("boot_permuted", boot(lambda r, n, a: (r.permutation(n), r.permutation(a)))),
            "without_replacement",
        ),
        (named("boot_anomalies", boot(lambda r, n, a: (n, r.choice(a, len(a))))), "normals_fixed"),
        (named("boot_normals", boot(lambda r, n, a: (r.choice(n, len(n)), a))), "anomalies_fixed"),
        (named("boot_without_the_last", boot(last_left_out)), "last_never_drawn"),
        (named("boot_without_the_first", boot(first_left_out)), "position 0 0 times"),
        (named("boot_of_same_positions", boot(same_positions)), "same_positions"),
        (boot_with_two_generators, "same_positions"),
        (named("boot_of_the_smaller", boot(size_of_the_smaller)), "30 normal scores"),
        (named("boot_of_sizes_exchanged", boot(sizes_exchanged)), "30 normal scores"),
        (named("boot_of_halves", boot(half_of_each)), "30 normal scores"),
        (named("boot_barely_replaced", boot(barely_replaced)), "Drawn with replacement"),
        (named("boot_of_groups_exchanged", boot(groups_exchanged)), "30 normal scores"),
        (boot_seeded_inside, "another one"),
        (
            named("boot_wide", boot(right_draw, lambda v, t: np.quantile(v, [2 * t, 1 - 2 * t]))),
            "tails_not_halved",
        ),
        (
            named("boot_percent", boot(right_draw, lambda v, t: np.percentile(v, [t, 1 - t]))),
            "percent_and_share",
        ),
        (
            named(
                "boot_gaussian",
                boot(right_draw, lambda v, t: v.mean() + 1.96 * v.std() * np.array([-1, 1])),
            ),
            "gaussian",
        ),
        (named("boot_extremes", boot(right_draw, lambda v, t: (v.min(), v.max()))), "extremes"),
        (
            named("boot_upside_down", boot(right_draw, lambda v, t: np.quantile(v, [1 - t, t]))),
            "should run from",
        ),
        (
            named("boot_standard_error", boot(right_draw, standard_error)),
            "should run from",
        ),
        (boot_of_95_percent, "confidence_ignored"),
        (boot_of_auroc_only, "statistic_ignored"),
        (boot_of_500, "resamples=100"),
        (boot_of_another_default, "default"),
        (boot_without_seed, "seed=1"),
        (
            named("boot_unseeded", boot(right_draw, rng=lambda s: np.random.default_rng())),
            "unseeded",
        ),
        (boot_corrected, "resamples=100"),
        (boot_basic, "should run from"),
        (boot_shuffling, "in place"),
        (boot_right_but_sorting, "in place"),
        (boot_global, "numpy's global random numbers"),
        (boot_values, "(low, high)"),
        (boot_rounded, "0.123456"),
        (boot_lower_end, "(low, high)"),
    ],
    "3.4": [
        *blocks(nn.Conv2d),
        (named("down_of_stride_1", block(DOWN, stride=1)), "no_stride"),
        (named("down_without_padding", block(DOWN, padding=0)), "no_padding"),
        (named("down_of_kernel_5", block(DOWN, kernel_size=5, padding=2)), "parameters"),
        (named("down_of_kernel_4", block(DOWN, kernel_size=4)), "parameters"),
        (named("down_of_kernel_1", block(DOWN, kernel_size=1, padding=0)), "parameters"),
        (named("down_dilated", block(DOWN, dilation=2, padding=2)), "3×3"),
        (named("down_that_goes_up", block(UP)), "(4, 5, 4, 6)"),
        (named("down_shared", down_shared), "same weights"),
        (named("down_of_shared_layers", down_of_shared_layers), "same weights"),
        (down_as_a_list, "module"),
        (down_as_a_function, "module"),
        (down_by_max_pooling, ""),
        (down_by_mean_pooling, "3×3"),
        (down_with_dropout, ""),
        (down_with_dropout_inside, "dropout"),
        (down_twice, "parameters"),
        (DownInWrongOrder, "activation_before_normalisation"),
        (DownWithoutUse, ""),
        (DownWithResidual, ""),
    ],
    "3.5": [
        *blocks(nn.ConvTranspose2d),
        (named("up_without_output_padding", block(UP, output_padding=0)), "no_output_padding"),
        (named("up_that_goes_down", block(DOWN)), "not_transposed"),
        (named("up_of_kernel_4", block(UP, kernel_size=4, output_padding=0)), "kernel_of_four"),
        (
            named("up_of_kernel_2", block(UP, kernel_size=2, padding=0, output_padding=0)),
            "parameters",
        ),
        (
            named("up_of_kernel_5", block(UP, kernel_size=5, padding=2)),
            "parameters",
        ),
        (up_by_resizing, "upsampled"),
        (up_by_bilinear_resizing, "3×3"),
        (up_by_shuffling_pixels, "parameters"),
        (up_to_any_size, "(3, 4, 12, 20)"),
    ],
    "3.6": [
        (named("interpolated", curve(lambda f, t, tpr: np.interp(tpr, t, f))), "interpolated"),
        (named("found_at", curve(lambda f, t, tpr: t[f <= 1 - tpr][-1])), "other_way_round"),
        (
            named("arrays_exchanged", curve(lambda f, t, tpr: t[f >= tpr][0])),
            "normals_as_anomalies",
        ),
        (false_alarms_at_found_in_the_normals, "normals_as_anomalies"),
        (named("just_below", curve(lambda f, t, tpr: f[t < tpr][-1])), "just_below"),
        (
            named("more_than", curve(lambda f, t, tpr: f[t > tpr][0] if (t > tpr).any() else 1.0)),
            "should give 0.3; yours gave 0.7",
        ),
        (named("missed", curve(lambda f, t, tpr: 1 - f[t >= tpr][0])), "missed_at"),
        (named("always_95", curve(lambda f, t, tpr: f[t >= 0.95][0])), "tpr_ignored"),
        (named("dropped", curve(lambda f, t, tpr: f[t >= tpr][0], drop=True)), "points_dropped"),
        (named("last_point", curve(lambda f, t, tpr: f[t >= tpr][-1])), "last_point"),
        (named("nearest", curve(false_alarms_nearest)), ""),
        (named("found_itself", curve(lambda f, t, tpr: t[t >= tpr][0])), ""),
        (false_alarms_above_a_quantile, ""),
        (false_alarms_strictly_above, ""),
        (false_alarms_of_the_scores_rounded_down, "0.6, which needs three of four"),
        (false_alarms_among_all, ""),
        (number_of_false_alarms, ""),
        (threshold_itself, ""),
        (false_alarms_by_quantile_of_the_normals, ""),
    ],
    "3.7": [
        (precision_without_prevalence, "prevalence_ignored"),
        (precision_weights_swapped, "weights_swapped"),
        (precision_false_alarms_of_all, "false_alarms_not_weighted"),
        (precision_false_alarms_weighted_by_prevalence, "one in 100"),
        (precision_found_not_weighted, "should give"),
        (false_discovery_rate, "false_discovery"),
        (accuracy_of_all, "accuracy"),
        (found_of_all, "not_divided"),
        (precision_with_specificity, "should give"),
        (precision_in_percent, "should give"),
        (precision_rounded_less, "should give"),
        (precision_rounded, "should give"),
        (precision_of_whole_images, ""),
        (precision_mean, "array of prevalences"),
        (precision_exchanged, "should give"),
        (negative_predictive_value, "should give"),
        (precision_that_edits, "in place"),
    ],
    "3.8": [
        (mahalanobis_squared, "squared"),
        (mahalanobis_euclidean, "euclidean"),
        (mahalanobis_diagonal, "diagonal"),
        (mahalanobis_not_centred, "not_centred"),
        (mahalanobis_one_more_each_time, "each_appended"),
        (mahalanobis_inverted_by_torch, "ends with an error there"),
        (mahalanobis_assumed_centred, "mean of the training codes"),
        (mahalanobis_to_the_median, "mean of the training codes"),
        (mahalanobis_to_the_middle, "mean of the training codes"),
        (mahalanobis_not_inverted, "not_inverted"),
        (mahalanobis_fitted_on_z, "fitted_on_z"),
        (mahalanobis_fitted_on_both, "Six codes"),
        (mahalanobis_arguments_exchanged, "arguments_exchanged"),
        (mahalanobis_not_shrunk, "not_shrunk"),
        (mahalanobis_inverse_of_nothing, "LedoitWolf"),
        (mahalanobis_pseudo_inverse, "pseudo_inverse"),
        (mahalanobis_a_little_added, "Six codes"),
        (mahalanobis_shrunk_otherwise, "Six codes"),
        (mahalanobis_mean, "one_number"),
        (mahalanobis_matrix, "shape (3,)"),
        (mahalanobis_array, "tensor"),
        (mahalanobis_of_the_correlation, ""),
        (mahalanobis_halved_precision, "float64"),
    ],
    "3.9": [
        (ssim_similarity, "similarity"),
        (ssim_negative, ""),
        (ssim_mean, "mean"),
        (ssim_of_bytes, "range_of_bytes"),
        (ssim_of_two, "range_of_two"),
        (ssim_of_its_own_range, ""),
        (ssim_of_its_maximum, "SSIM 5/6"),
        (ssim_without_range, "ValueError"),
        (ssim_as_volume, "batch_as_volume"),
        (ssim_channel_of_one, "batch_as_volume"),
        (ssim_of_the_first, ""),
        (ssim_gaussian, "gaussian_window"),
        (ssim_of_eleven, "yours shows it in 121"),
        (ssim_halved, "halved"),
        (ssim_clipped, "clipped"),
        (ssim_absolute, "black and white"),
        (ssim_without_channel, "channel_lost"),
        (ssim_array, "tensor"),
        (ssim_absolute_difference, "absolute_residual"),
        (ssim_squared_difference, "should give"),
        (ssim_of_luminance, "49 pixels"),
        (ssim_of_structure, "SSIM 5/6"),
        (ssim_float32, "float64"),
    ],
    "3.10": [
        (named("each_its_own", paired(each_its_own)), "not_paired"),
        (paired_by_two_intervals, "difference_of_intervals"),
        (paired_by_ends, "from about 25 to 975"),
        (paired_by_scores, "difference_of_scores"),
        (paired_with_detectors_in_other_order, ""),
        (named("anomalies_paired", paired(anomalies_paired)), "normals_not_paired"),
        (named("normals_paired", paired(normals_paired)), "same* drawn anomalies"),
        (named("anomalies_only", paired(anomalies_only)), "only_anomalies"),
        (named("normals_only", paired(normals_only)), "only_normals"),
        (named("shuffled", paired(shuffled)), "without_replacement"),
        (named("all_but_the_last", paired(all_but_the_last)), "last_never_drawn"),
        (named("modulo", paired(modulo)), "same_positions"),
        (named("of_one_size", paired(of_one_size)), "30 normal scores"),
        (named("b_minus_a", paired(once, lambda a, b: b - a)), "sign"),
        (named("absolute", paired(once, lambda a, b: abs(a - b))), "absolute"),
        (named("ratio", paired(once, lambda a, b: a / b if b else 0.0)), "should run from"),
        (
            named("wide", paired(once, ends=lambda v, t: np.quantile(v, [2 * t, 1 - 2 * t]))),
            "tails_not_halved",
        ),
        (named("narrow", paired(once, ends=standard_error)), "standard_error"),
        (paired_without_seed, "seed=1"),
        (paired_unseeded, "same seed"),
        (paired_of_auroc_only, ""),
        (paired_of_95_percent, "80 %"),
    ],
    "3.11": [
        (named("contrast_added", painted(grey=lambda x, c: x)), "should give [120, 120,"),
        (
            named("hard_edge", painted(mix=lambda x, c, g: np.where(c >= 0.5, g.clip(0, 255), x))),
            "hard_edge",
        ),
        (named("mean_of_all", painted(grey=mean_of_all)), "mean_of_the_image"),
        (named("mean_over_all_pixels", painted(grey=mean_over_all_pixels)), "should give"),
        (named("mean_touched", painted(grey=mean_touched)), "mean_not_weighted"),
        (named("mean_inside", painted(grey=mean_inside)), "mean_of_the_mask"),
        (named("median_inside", painted(grey=median_inside)), "should give"),
        (named("one_grey", painted(grey=one_grey)), "one_grey"),
        (
            named(
                "not_clipped",
                painted(mix=mix_unclipped, write=lambda x: np.rint(x).astype(int).astype(np.uint8)),
            ),
            "not_clipped",
        ),
        (
            named(
                "clipped_at_the_end",
                painted(mix=mix_unclipped, write=lambda x: np.rint(x.clip(0, 255)).astype("uint8")),
            ),
            "clipped_at_the_end",
        ),
        (named("truncated", painted(write=lambda x: x.astype(np.uint8))), "truncated"),
        (named("up", painted(write=lambda x: np.ceil(x).astype(np.uint8))), "rounded"),
        (named("touched", painted(inside=lambda c: c > 0)), "mask_of_all_touched"),
        (named("strict", painted(inside=lambda c: c > 0.5)), "mask_strict"),
        (named("cover", painted(inside=lambda c: c)), "cover_as_mask"),
        (named("inside_out_mask", painted(inside=lambda c: c < 0.5)), "first three"),
        (painted_in_place, "in place"),
        (painted_in_bytes, ""),
        (painted_mask_first, "uint8"),
        (painted_without_mask, "Two arrays"),
        (painted_float, "uint8"),
        (painted_mask_of_channels, "The mask should be bool"),
        (painted_integer_mask, "The mask should be bool"),
        (painted_with_a_whole_grey, "each gets its own grey"),
        (painted_darker, "contrast 40"),
        (painted_without_contrast, "contrast 40"),
        (painted_inside_out, "contrast 40"),
    ],
    "3.12": [
        (dice_iou, "iou"),
        (dice_jaccard, "iou"),
        (dice_without_two, "two_forgotten"),
        (dice_precision, "precision"),
        (dice_recall, "recall"),
        (dice_accuracy, "accuracy"),
        (dice_smaller, "smaller_mask"),
        (dice_larger, "larger_mask"),
        (dice_nan, "empty_is_nan"),
        (dice_zero, "empty_is_zero"),
        (dice_smoothed, "should give"),
        (dice_with_one_below, "Two empty masks"),
        (dice_by_image, "mean_of_images"),
        (dice_by_row, "single number"),
        (dice_flagged_if_one_is_empty, "empty"),
        (dice_of_union, "should give"),
        (dice_loss, "should give"),
        (dice_squared, "should give"),
        (dice_cosine, "should give"),
        (dice_rounded, "should give"),
        (dice_in_place, "in place"),
    ],
}


# --- 3.13 to 3.15 -----------------------------------------------------------------------------

WRONG["3.13"] = [
    (16, "originals_forgotten"),
    (40, "twin_always_in_training"),
    (20, "both_forgotten"),
    (96, "all_files_have_a_twin"),
    (24, "originals_as_the_whole"),
    (19.2, "originals_as_the_whole_in_training"),
    (200, "every_copy"),
    (160, "all_copies"),
    (0.267, "a_share"),
    (1 / 3, "a_share_of_twins"),
    (1 / 6, "another_share"),
    (64, "each_pair_twice"),
    (33.33, "share_of_the_images"),
    (25, "one_shuffle"),
    (8, "twin_elsewhere"),
    (12, "a_tenth_again"),
    (4, "twin_in_test"),
    (30.9, "which is too low"),
    (33.1, "which is too high"),
    (0, "none"),
    (28, "which is too low"),
    (35, "which is too high"),
    ("32", "without quotes"),
    (float("nan"), "NaN"),
    ([32, 0], "one number"),
    (lambda: 32, "is a function"),
]
WRONG["3.14"] = [
    ({"choice": "same images", "because": "A"}, "same images"),
    ({"choice": "same images", "because": "C"}, "its luck counts as skill"),
    ({"choice": "half, then all", "because": "B"}, "speaks for another choice"),
    ({"choice": "half, then all", "because": "A"}, "narrow in the wrong place"),
    ({"choice": "other images", "because": "A"}, "The choice holds, the reason does not"),
    ({"choice": "other images", "because": "C"}, "400 small test sets"),
    ({"choice": "other images", "because": "D"}, "D"),
    ({"choice": "all images", "because": "B"}, '"choice" should be one of "same images"'),
    ({"choice": "other images", "because": ...}, "still `...`"),
    ({"choice": "other images"}, "the keys 'choice'"),
]


def grey(images):
    return images.mean(axis=(1, 2, 3))


def brightness_alone(images):
    return np.abs(grey(images) - 55)


def nearness(images):
    return -distance_to_mean(images)


def distance_to_mean(images):
    mean = task("Hand").train.images.mean(axis=0)
    return ((images - mean) ** 2).mean(axis=(1, 2, 3))


def one_score_for_all(images):
    return distance_to_mean(images).mean()


def against_the_batch(images):
    return np.abs(grey(images) - grey(images).mean())


def the_same(images):
    return np.ones(len(images))


def inverted_in_place(images):
    images[:] = 255 - images
    return distance_to_mean(images)


def no_return(images):
    distance_to_mean(images)


WRONG["3.15"] = [
    (brightness_alone, "not better than `nearest image`"),
    (nearness, "upside down"),
    (one_score_for_all, "shape (360,)"),
    (against_the_batch, "another score in another batch"),
    (the_same, "Every image has the same score"),
    (inverted_in_place, "changes the images"),
    (no_return, "None (is a `return` missing?)"),
    (np.arange(360), "`check` wants the function itself"),
]


def mahalanobis_of_rows(z_train, z):
    centre, rows = z_train.mean(0), torch.linalg.pinv(torch.cov(z_train))
    return torch.einsum("ni,ij,nj->n", z - centre, rows, z - centre).sqrt()


def ssim_of_squeezed_images(x, x_hat):
    a, b = x.squeeze().cpu().numpy(), x_hat.squeeze().cpu().numpy()
    _, similarity = structural_similarity(a, b, data_range=1, channel_axis=0, full=True)
    return 1 - torch.from_numpy(similarity).to(x).reshape(x.shape)


def dice_in_bytes(a, b):
    a, b = a.ravel().astype(np.uint8), b.ravel().astype(np.uint8)
    total = int(a.sum()) + int(b.sum())
    return 1.0 if total == 0 else 2 * int(a @ b) / total


def rate_by_rounded_shares(normal_scores, anomaly_scores, tpr=0.95):
    found, rate = np.inf, 0.0
    for threshold in np.unique(anomaly_scores)[::-1]:
        found = np.round((anomaly_scores >= threshold).mean(), 2)
        rate = float((normal_scores >= threshold).mean())
        if found >= tpr:
            break
    return rate


WRONG["3.6"] += [(rate_by_rounded_shares, "tpr=0.9495")]
WRONG["3.8"] += [(mahalanobis_of_rows, "It stopped with RuntimeError")]
WRONG["3.9"] += [(ssim_of_squeezed_images, "map alone and in a batch of two")]
WRONG["3.12"] += [(dice_in_bytes, "Masks of 800 and 400 pixels")]


def split_into_counts(images, shares=(0.8, 0.1, 0.1), seed=0):
    return [round(share * len(images)) for share in shares]


def up_with_a_frame_of_zeros(in_channels, out_channels):
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(),
        nn.ZeroPad2d((0, 1, 0, 1)),
    )


def interval_of_nans(normal_scores, anomaly_scores, statistic=auroc, **_):
    for _ in range(100):
        statistic(normal_scores, anomaly_scores)
    return np.nan, np.nan


WRONG["3.1"] += [(split_into_counts, "Each part should hold positions")]
WRONG["3.3"] += [(interval_of_nans, "yours gave [nan, nan]")]
WRONG["3.5"] += [(up_with_a_frame_of_zeros, "no layer should begin with zeros or add any")]


def interval_and_its_values(normal_scores, anomaly_scores, statistic=auroc, **_):
    values = [statistic(normal_scores, anomaly_scores) for _ in range(100)]
    return (min(values), max(values)), values


WRONG["3.3"] += [(interval_and_its_values, "Two numbers are wanted, (low, high)")]
