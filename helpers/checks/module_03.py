"""Probes of module 3: splits without leaks, blocks, fair comparison, features, lesions."""

import builtins
from functools import partial
from itertools import count
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import nn

from helpers.checks.exercise import declared
from helpers.checks.findings import (
    Finding,
    behaviour,
    cases,
    drawn,
    form,
    keeps_dtype,
    kind_of,
    seeded,
    shape,
    show,
    value,
)
from helpers.checks.wrap_up import Hidden
from helpers.corruptions import CORRUPTIONS
from helpers.datasets.samples.lesions import add_lesions
from helpers.experiments.baselines import (
    background,
    brightness,
    from_median,
    mean_image_error,
    nearest_distance,
    png_bytes,
)
from helpers.experiments.module_03 import task
from helpers.metrics import auroc
from helpers.scores import mahalanobis
from helpers.training import as_input


def probe_split(f):
    rng = np.random.default_rng(5)
    contents = rng.integers(0, 256, (500, 1, 3, 4), dtype=np.uint8)
    images = contents[rng.permutation(np.append(np.arange(500), rng.integers(0, 500, 300)))]
    parts = f(images)
    kind = f"a {type(parts).__name__} of {len(parts)}" if type(parts) in (list, tuple) else kind_of(parts)  # fmt: skip
    says = f"The split should be three arrays of positions, one a share; yours gave {kind}."
    yield form(isinstance(parts, (list, tuple, np.ndarray)) and len(parts) == 3, says, kind)
    kinds = [(np.asarray(part).dtype.kind, np.ndim(part)) for part in parts if np.size(part)]
    says = f"Each part should hold positions, whole numbers in one row, so that `images[train]` picks the images; yours holds {kind_of(parts[0])} of type {np.asarray(parts[0]).dtype}."
    yield form(set(kinds) <= {("i", 1), ("u", 1)}, says, seen=kinds)
    together = np.concatenate(parts).astype(int)
    lost = 800 - len(np.intersect1d(together, np.arange(800)))
    says = f"Each of the 800 positions, 0 to 799, should stand in exactly one part, copies as well. In yours {lost} are missing, of {len(together)}."
    yield Finding("wrong_value", (lost, len(together)), (lost, len(together)) == (0, 800), says)
    part_of = owners(images, parts)
    # of 71 images seven times each no part of 80 % and none of 90 % is a multiple of seven
    seven = owners(range(497), f(np.repeat(contents[:71], 7, axis=0))).reshape(71, 7)
    torn = int((np.ptp(seven, axis=1) > 0).sum())
    says = f"Of 71 images that are there seven times each, {torn} stand in one part and, as copies, in another one as well: equal images belong together."
    yield Finding("wrong_value", round(torn / 30), torn == 0, says)
    for number, shares in (("three", (0.8, 0.1, 0.1)), ("four", (0.4, 0.1, 0.1, 0.4))):
        parts = f(images, shares)
        # of 500 contents a share has a standard error of 0.025 and less
        held = np.array([np.mean(owners(images, parts) == i) for i in range(len(parts))])
        says = f"shares={shares} should give {number} arrays of about {', '.join(map(str, shares[:-1]))} and {shares[-1]} of the images; yours gave {len(parts)}, of {show(held)}."
        right = len(held) == len(shares) and bool(abs(held - shares).max() < 0.16)
        yield Finding("wrong_value", np.round(2.5 * held), right, says)
    corner = images[:, 0, 0, 0].astype(int)
    cut = corner[part_of == 0].max() <= corner[part_of > 0].min() + 1
    says = "All images of the first part are darker in the first pixel than those of the others: sorted images should be mixed before they are cut."
    yield Finding("wrong_value", bool(cut), not cut, says)
    yield from seeded(lambda **seed: owners(images, f(images, **seed)), "splits")
    order = rng.permutation(800)
    says = "The same images in another order are split in another way. File systems list files in different orders, and a `set` has none: let the contents decide, not the places."
    yield behaviour(np.array_equal(owners(images[order], f(images[order])), part_of[order]), says)
    with another_session():
        same = np.array_equal(owners(images, f(images)), part_of)
    says = "In another Python session your split would differ: `hash` of bytes and of text is salted anew at each start."
    yield behaviour(same, says)
    pair = np.stack([np.arange(256), 255 - np.arange(256)], axis=1)
    small, large = np.zeros((256, 2, 3, 4), np.uint8), np.zeros((256, 1, 40, 40), np.uint8)
    small[:, 1, 2, 2:] = large[:, 0, 20, 20:22] = pair  # whose sum is the same for all
    held = [np.mean(owners(images, f(images)) == 0) for images in (small, large)]
    right = [bool(abs(share - 0.8) < 0.16) for share in held]
    says = f"Of images that are alike but for the last two pixels of their second channel, of which one is darker as the other is brighter, about 0.8 should be in the first part; yours holds {held[0]:.3g} of them: all pixels of an image should decide, each by itself."
    if right[0] and not right[1]:
        says = f"Of images of 40×40 pixels that differ in two pixels of their middle, about 0.8 should be in the first part; yours holds {held[1]:.3g} of them. `image.tobytes()` holds all pixels, while the text of a large array leaves most of them out."
    yield Finding("wrong_value", tuple(map(round, held)), all(right), says)


def owners(images, parts):
    """The number of the part that each image is in, -1 for none."""
    part_of = np.full(len(images), -1)
    for i, part in enumerate(parts):
        part_of[np.asarray(part, dtype=int)] = i
    return part_of


def another_session():
    """Python's `hash` as another session would salt it: that of text, not that of numbers."""
    before = builtins.hash

    def salted(x):
        return isinstance(x, (str, bytes)) or (isinstance(x, tuple) and any(map(salted, x)))

    after = lambda x: before((before(x), 77)) if salted(x) else before(x)  # noqa: E731
    return patch.object(builtins, "hash", after)


def probe_per_class(f):
    # Foot above all. CXR: 0 below all, 2.5 above two of four, 40 above all. HeadCT ties with 2.
    # The order of AUROCs is not that of names, of means, nor of appearance, nor one of these reversed.
    names = np.array(["CXR", "HeadCT", "Foot", "CXR", "CXR", "Foot", "HeadCT"])
    seen = f(np.array([1.0, 2, 3, 4]), np.array([2.5, 2, 5, 0, 40, 6, 2]), names)
    says = f"A pandas Series is wanted, one number a class; yours gave {kind_of(seen)}."
    yield form(isinstance(seen, pd.Series), says, seen=type(seen).__name__)
    order = tuple(map(str, seen.index))
    says = f"The index should hold the class names CXR, Foot and HeadCT; yours holds {', '.join(order)}."
    yield form(sorted(order) == ["CXR", "Foot", "HeadCT"], says)
    what = "Normal 1 2 3 4; CXR 0 2.5 40, Foot 5 6, HeadCT 2 2: the AUROC of CXR, Foot and HeadCT"
    yield value(what, [seen[name] for name in ("CXR", "Foot", "HeadCT")], [6 / 12, 1, 3 / 8])
    says = f"The worst class comes first: HeadCT, CXR, Foot; yours are in the order {', '.join(order)}."
    yield Finding("wrong_value", order, order == ("HeadCT", "CXR", "Foot"), says)
    # more classes than could fall into the right order by chance
    seen = f(np.arange(1.0, 8), np.array([3, 0, 6, 4, 1, 7, 2, 5]) + 0.5, np.array([*"EBIAGCFD"]))
    what = "Eight classes, each one image with a score from 0.5 to 7.5; normal 1 to 7: the AUROCs"
    yield value(what, list(seen), np.arange(8) / 7, 1e-5)


NORMALS, ANOMALIES = np.arange(30.0), 100 + np.arange(20.0)  # each score names its image


def interval(x):
    """(low, high) as an array, NaN if x is something else."""
    try:
        low, high = (float(end) for end in x)
    except (TypeError, ValueError):
        return np.full(2, np.nan)
    return np.array([low, high])


def recording(calls):
    """A statistic that notes what it is called with."""

    def statistic(normal, anomaly):
        calls.append((np.array(normal, dtype=float), np.array(anomaly, dtype=float)))
        return np.mean(calls[-1][0]) + np.mean(calls[-1][1])

    return statistic


def probe_resampling(f):
    """What bootstrap_interval does, and paired_difference with a second detector of no effect."""
    calls, even = [], []
    found = f(NORMALS, ANOMALIES, statistic=recording(calls), resamples=100)
    given = kind_of(found)
    if isinstance(found, (tuple, list)) and [hasattr(x, "__len__") for x in found] == [False] * 2:
        given = show(found)
    says = f"Two numbers are wanted, (low, high), in a tuple or an array; yours gave {given}."
    right = hasattr(found, "__len__") and not np.isnan(interval(found)).any()
    yield form(right, says, kind_of(found))
    says = f"With resamples=100 `statistic` should be called 100 times for a detector; yours called it {len(calls)} times."
    yield Finding("wrong_value", len(calls), len(calls) in (100, 101), says)  # 101: the scores too
    sizes = {(len(n), len(a)) for n, a in calls}
    own = all(np.isin(n, NORMALS).all() and np.isin(a, ANOMALIES).all() for n, a in calls)
    says = f"Each resample should hold 30 normal scores and 20 anomalies; yours held {sorted(sizes)[:3]}{'' if own else ', and not those scores of each group as they are'}."
    yield Finding("wrong_value", (len(sizes) > 1, own), own and sizes == {(30, 20)}, says)
    # Of n images, n draws find n·(1 - (1 - 1/n)^n), with standard deviations of 1.7 and 1.4; in 100
    # resamples each is drawn 100 times, with one of 10. Allowed are eight standard errors.
    groups = (30, 19.15, 1.4, "normal"), (20, 12.83, 1.15, "anomalous")
    for (n, mean, error, name), resamples in zip(groups, zip(*calls, strict=True), strict=True):
        different = np.mean([len(np.unique(group)) for group in resamples])
        what = f"Drawn with replacement, the number of different images among {n} {name} ones"
        yield drawn(what, different, mean, error)
        sets = len({tuple(np.sort(group)) for group in resamples})
        says = f"Each of the {len(calls)} resamples should be another one; of your {name} images there are {sets} different sets."
        yield Finding("wrong_value", sets == 1, sets == len(calls), says)
        times = np.bincount(np.concatenate(resamples).astype(int) % 100, minlength=n)
        far = np.flatnonzero(abs(times - 100) > 80)
        says = f"In 100 resamples each of {n} {name} images should be drawn about 100 times; yours draws the one at position {far.max(initial=0)} {times[far.max(initial=0)]} times."
        yield Finding("wrong_value", tuple(far), not far.size, says)
    f(NORMALS[:25], 100 + NORMALS[:25], statistic=recording(even), resamples=20)
    same = np.mean([np.array_equal(np.sort(n), np.sort(a) - 100) for n, a in even])
    says = f"With as many normal images as anomalies, both groups should be drawn apart from each other; in {same:.0%} of your resamples they hold the same positions."
    yield Finding("wrong_value", bool(same > 0.5), bool(same < 0.1), says)
    for confidence, resamples, more in ((95, 500, {}), (80, 600, {"confidence": 0.8, "resamples": 600})):  # fmt: skip
        statistic = lambda n, a, numbers=count(1.0): next(numbers)  # noqa: B008, E731
        seen = interval(f(NORMALS, ANOMALIES, statistic=statistic, **more))
        ends = np.array([100 - confidence, 100 + confidence]) * resamples / 200
        says = f"Where the statistic gives 1, 2, 3, ..., {resamples}, the {confidence} % interval should run from about {ends[0]:.4g} to {ends[1]:.4g}; yours runs from {seen[0]:.6g} to {seen[1]:.6g}."
        yield Finding("wrong_value", np.round(seen / 10), bool((abs(seen - ends) < 4).all()), says)
    seen = interval(f(NORMALS, ANOMALIES, statistic=lambda n, a: 0.123456, resamples=9))
    yield value("A statistic that is always 0.123456: the interval", seen, [0.123456] * 2, 1e-6)
    seen = interval(f(NORMALS, ANOMALIES, resamples=20))
    yield value("All anomalies above all normal images: the interval of the AUROC", seen, [1, 1])
    # three: each counts in the interval, so that generators seeded with seed + k differ as well
    draw = lambda **s: interval(f(NORMALS, ANOMALIES, statistic=recording([]), resamples=3, **s))  # noqa: E731
    yield from seeded(draw, "intervals")


def probe_paired(f):
    def first_alone(normal, anomaly, statistic=auroc, **more):
        """The statistic of detector b, whose scores are 1,000 higher, is always 0."""
        judge = lambda n, a: statistic(n, a) if np.max(n) < 1000 else 0.0  # noqa: E731
        return f(normal, anomaly, normal + 1000, anomaly + 1000, statistic=judge, **more)

    yield from probe_resampling(first_alone)
    calls, groups = [], (NORMALS, ANOMALIES, NORMALS + 1000, ANOMALIES + 1000)
    seen = interval(f(*groups, statistic=recording(calls), resamples=60))
    a, b = ([call for call in calls if (call[0].max() >= 1000) == high] for high in (False, True))
    for i, name in enumerate(("normal images", "anomalies")):
        pairs = zip(a, b, strict=False)
        same = all(np.array_equal(np.sort(p[i]) + 1000, np.sort(q[i])) for p, q in pairs)
        says = f"In each resample both detectors should be judged on the *same* drawn {name}; yours are judged on others."
        yield Finding("wrong_value", same, same, says)
    says = f"Detector b is 1,000 higher on every image, so the difference of mean(normal) + mean(anomaly), a minus b, is always -2,000: the interval should be (-2000, -2000); yours is {show(seen)}."
    yield Finding("wrong_value", np.round(seen / 100), bool(np.allclose(seen, -2000)), says)
    up, down = count(1.0), count(-1.0, -1.0)
    seen = interval(f(*groups, statistic=lambda n, a: next(up if np.max(n) < 1000 else down)))
    says = f"Where the statistic of a gives 1, 2, ..., 500 and that of b -1, -2, ..., -500, so that their difference is 2, 4, ..., 1000, the interval should run from about 25 to 975; yours runs from {seen[0]:.6g} to {seen[1]:.6g}."
    yield Finding("wrong_value", np.round(seen / 10), bool((abs(seen - [25, 975]) < 8).all()), says)


def probe_block(f, up):
    """What both blocks have in common; they take 3 channels to 5, and 2 to 4."""
    block, x = f(3, 5), torch.randn(4, 3, 8, 12)
    says = f"A module is wanted, as `nn.Sequential` of three layers is one; yours gave {kind_of(block)}."
    yield form(isinstance(block, nn.Module), says, seen=kind_of(block))
    what = "A batch (4, 3, 8, 12) through a block from 3 to 5 channels"
    yield shape(what, block(x), (4, 5, 16, 24) if up else (4, 5, 4, 6))
    out = f(2, 4)(torch.rand(3, 2, 6, 10))
    what = "A batch (3, 2, 6, 10) through a block from 2 to 4 channels"
    yield shape(what, out, (3, 4, 12, 20) if up else (3, 4, 3, 5))
    weights = sum(p.numel() for p in block.parameters())
    says = f"A block from 3 to 5 channels should have 145 parameters, 3·5·9 of the convolution and 2·5 of the normalisation; yours has {weights}."
    yield Finding("wrong_value", weights, weights == 145, says)
    shared = {id(p) for p in block.parameters()} & {id(p) for p in f(3, 5).parameters()}
    says = "A second call gives a block with the same weights: new layers should be made in each call, or blocks learn together."
    yield behaviour(not shared, says)
    fresh = f(3, 5).eval()  # normalises with mean 0 and variance 1
    there, back = fresh(x).detach(), fresh(-x).detach()
    ratio = (torch.minimum(there, back) / torch.maximum(there, back)).flatten()
    says = "A fresh block in eval mode gives zeros where its input has none: no layer should begin with zeros or add any."
    finite = bool(ratio.isfinite().all())
    yield Finding("wrong_value", finite, finite, says)
    if not finite:
        return
    slopes = -ratio[ratio.isfinite()].quantile(torch.tensor([0.1, 0.9])).numpy()
    says = f"Below zero the activation should have the slope 0.01, so that a fresh block in eval mode turns the negative of an image that gives 1 into -0.01; yours turns it into {-slopes.mean():.3g}."
    yield Finding("wrong_value", slopes.round(2), bool(abs(slopes - 0.01).max() < 0.002), says)
    louder = float((fresh(100 * x) / there).median())
    says = f"In eval mode a fresh block should give 100 times as much for an image 100 times brighter, since batch normalisation then divides by its running spread, at first 1; yours gives {louder:.3g} times as much."
    alone = torch.allclose(there[:1], fresh(x[:1]), atol=1e-4)
    yield Finding("wrong_value", (round(louder), alone), abs(louder - 100) < 1, says)
    mixed, trained = x * torch.tensor([1.0, 2, 3, 50]).view(4, 1, 1, 1), f(3, 5).train()
    y = trained(mixed).detach()
    same = torch.allclose(y, trained(mixed), atol=1e-4)
    says = "In training mode a batch that comes a second time should give the same as before; yours gives something else: leave chance, as of dropout, out of the block."
    yield behaviour(same, says)
    z = torch.where(y > 0, y, y / 0.01)  # as it was before the activation
    moments = z.mean((0, 2, 3)), z.var((0, 2, 3), unbiased=False) - 1, y.mean((0, 2, 3))
    centre, spread, after = (float(moment.abs().max()) for moment in moments)
    says = f"In training mode each channel should have the mean 0 and the variance 1 over the batch where the activation gets it; yours is off by up to {centre:.3g} and {spread:.3g}."
    right = centre < 1e-3 and spread < 0.01
    yield Finding("wrong_value", (centre < 1e-3, spread < 0.01, after < 1e-3), right, says)
    bright = float((z[3].std(dim=(1, 2)) / z[0].std(dim=(1, 2))).median())
    says = f"In a batch, an image 50 times brighter should stay much brighter than the others, since the batch is normalised as a whole; yours has {bright:.3g} times their spread."
    yield Finding("wrong_value", bright > 10, bright > 10, says)
    if up:
        what, other = "An input pixel should reach", x.clone()
        other[0, :, 4, 6] += 30.0
        touched = (fresh(other) - there)[0].detach()
    else:
        what, other = "An output pixel should look at", x.clone().requires_grad_()
        touched = torch.autograd.grad(fresh(other)[0, 0, 2, 3], other)[0][0]
    rows, columns = (np.flatnonzero((touched.abs().sum(0) > 1e-5).any(axis)) for axis in (1, 0))
    says = f"{what} 3×3 neighbouring pixels; with your block it is {len(rows)}×{len(columns)}, over {np.ptp(rows) + 1} rows."
    right = all(len(line) == 3 and np.ptp(line) == 2 for line in (rows, columns))
    yield Finding("wrong_value", (len(rows), len(columns)), right, says)


def probe_fpr(f):
    normal, anomaly = np.arange(1.0, 11.0), np.array([4.0, 20.0, 8.0, 9.0])
    what = "Normal 1 to 10, anomalies 4 8 9 20: the false-positive rate at tpr="
    table = {
        f"{what}0.75 (three are 8 and more, as 8, 9, 10 are)": (normal, anomaly, 0.75, 0.3),
        f"{what}0.5 (two of four are at least 9)": (normal, anomaly, 0.5, 0.2),
        f"{what}0.6, which needs three of four,": (normal, anomaly, 0.6, 0.3),
        "Normal 0 to 20, anomalies 1 to 21, the default 95 % (20 of 21)": (np.arange(21.0), np.arange(1.0, 22.0), 19 / 21),
        "Ties: normal 1 2 2 3, anomalies 2 3, tpr=1": (np.array([1.0, 2, 2, 3]), np.array([2.0, 3]), 1.0, 0.75),
        # the ROC points (1/3, 1/3), (2/3, 2/3) and (1, 1) lie on a line
        "Normal 1 2 3, anomalies 1 2 3, tpr=0.5": (normal[:3], normal[:3], 0.5, 2 / 3),
        "Normal and anomalies 0 to 999, tpr=0.9495 (950 of 1,000)": (np.arange(1000.0), np.arange(1000.0), 0.9495, 0.95),
    }  # fmt: skip
    yield from cases(f, table, 1e-5)


def probe_precision(f):
    rare = np.array([0.5, 0.01, 0.0005])  # the last: 4 found, 999.5 false alarms of 10,000
    table = {
        "tpr 0.8, fpr 0.1, one anomaly in 2 (400 of 450 alarms)": (0.8, 0.1, 0.5, 8 / 9),
        "tpr 0.8, fpr 0.1, one in 100 (8 of 107 alarms)": (0.8, 0.1, 0.01, 8 / 107),
        "tpr 0.3, no false alarms at all, one in 800": (0.3, 0.0, 0.00125, 1),
        "tpr 0.8, fpr 0.1, an array of prevalences 0.5, 0.01, 0.0005": (0.8, 0.1, rare, [8 / 9, 8 / 107, 4 / 1003.5]),
    }  # fmt: skip
    yield from cases(f, table, 1e-6)


def probe_mahalanobis(f):
    # two directions at right angles: 15 and three times -5 along (4, 3)/5, a variance of 75, and a
    # variance of 0.5 along (-3, 4)/5; the mean (3, 1) is not the median
    long, short, mean = torch.tensor([[0.8, 0.6], [-0.6, 0.8], [3.0, 1.0]])
    codes = torch.stack([15 * long, -5 * long, short - 5 * long, -short - 5 * long])
    z_train = mean + codes.repeat(1000, 1)
    z = mean + 5 * torch.stack([0 * long, long, short])
    # few first: a covariance of the rows, a usual slip, would take minutes for all
    yield shape("Three codes of two numbers, 40 for training,", f(z_train[:40], z), (3,))
    seen = f(z_train, z)
    yield shape("Three codes of two numbers", seen, (3,))
    yield value("A code at the mean of the training codes", seen[:1], [0], tolerance=1e-2)
    what = "5 away from the mean, where the training codes have a variance of 75, then of 0.5, and the first alone in its batch"
    yield value(what, [*seen[1:], *f(z_train, z[1:2])], [0.5774, 7.0711, 0.5774], tolerance=0.05)
    # Fewer codes than dimensions: S = diag(4/3, 1/3, 1/3, 0, ..., 0) has no inverse, m = tr S/20 =
    # 1/10. With |S - mI|² = 2 - 1/5 = 9/5 and sum |zz' - S|²/6² = (36 - 6·2)/36 = 2/3 Ledoit and
    # Wolf shrink by (2/3)/(9/5) = 10/27: variances (17·4/3 + 1)/27 = 71/81, and 1/27 where no
    # code goes. The squared distances are 9·81/71 and 9·27.
    axes = torch.eye(20)
    few = torch.cat([axes[:3], -axes[:3]]) * (1 + axes[0])
    try:
        seen = f(few, 3 * axes[[0, 10]]).detach().cpu().double().numpy()
    except (np.linalg.LinAlgError, torch.linalg.LinAlgError):
        says = "Six codes of 20 numbers have a covariance without an inverse, and yours ends with an error there. `LedoitWolf` shrinks the covariance, so that it has one."
        yield Finding("wrong_value", "no inverse", False, says)
        return
    right = np.allclose(seen, [3.2043, 15.5885], rtol=0.01)
    says = f"Six codes of 20 numbers, which have a covariance without an inverse: 3 away where the codes spread, and 3 away where none goes, should give 3.204 and 15.59 with Ledoit and Wolf's shrinkage; yours gave {show(seen)}."
    wild = bool(np.isfinite(seen).all()), bool(seen[1] > 1e3), bool(abs(seen[1]) < 1e-3)
    yield Finding("wrong_value", wild if wild != (True, False, False) else seen, right, says)
    yield from keeps_dtype(f, z_train, z, dtypes=[torch.float64])


def probe_ssim(f):
    x = torch.rand(8, 1, 20, 24)
    x_hat = x.clone()
    x_hat[3, 0, 9, 12] += 0.5
    seen = f(x, x_hat)
    yield shape("Eight images (8, 1, 20, 24)", seen, (8, 1, 20, 24))
    yield value("Perfect reconstructions: the mean of the map", f(x, x).mean(), 0)
    others = float(seen[[2, 4]].abs().max())
    says = f"Only image 3 of the batch is rebuilt wrongly, yet your map rises to {others:.3g} in its neighbours: each image should be compared by itself."
    yield Finding("wrong_value", others > 1e-3, others < 1e-3, says)
    others = f(x[:2], x_hat[2:4])
    apart = (f(x[1:2], x_hat[3:4]) - others[1:]).abs().max()
    yield value(
        "The largest difference between an image's map alone and in a batch of two", apart, 0
    )
    # even images a and b: SSIM = (2ab + C)/(a² + b² + C) with C = 0.01², here (4 + 1)/(4 + 1 + 1)
    dark = torch.full((1, 1, 16, 18), 0.02)
    what = "An even image of 0.02 rebuilt as 0.01 (SSIM 5/6): the mean of the map"
    yield value(what, f(dark, dark / 2).mean(), 1 / 6, 1e-3)
    touched = int((seen[3].abs() > 1e-3).sum())
    says = f"One wrong pixel should show in the 7×7 windows that hold it, 49 pixels; yours shows it in {touched}."
    yield Finding("wrong_value", touched, touched == 49, says)
    # equal means, variances v and v/4, all in one direction: SSIM = 2·(v/2)/(v + v/4) = 4/5
    wave = torch.tensor([0.1, 0.9]).repeat(1, 1, 20, 12)
    inner = (..., slice(5, -5), slice(5, -5))
    faded = f(wave, 0.25 + wave / 2)[inner]
    yield value("Stripes of 0.1 and 0.9 rebuilt with half their contrast", faded.mean(), 0.2, 5e-3)
    top = float(f(wave, 1 - wave)[inner].max())
    says = f"Where black and white are exchanged the map should go up to nearly 2; yours goes up to {top:.3g}."
    yield Finding("wrong_value", round(4 * top), 1.9 < top < 2.01, says)
    yield from keeps_dtype(f, x, x_hat, dtypes=[torch.float64])


def probe_lesion(f):
    image, cover = np.full((1, 3, 4), 30, dtype=np.uint8), np.zeros((3, 4))
    places = (0, 0, 1, 1), (1, 2, 1, 2)
    cover[places] = 1, 1, 0.5, 0.25
    image[0][places] = 100, 60, 90, 60  # covered mean (100 + 60 + 45 + 15)/2.75 = 80
    pair = f(image, cover, 40)
    says = f"Two arrays are wanted, the image and the mask; yours gave {kind_of(pair)}."
    yield form(isinstance(pair, (tuple, list)) and len(pair) == 2, says, kind_of(pair))
    lesioned, mask = (np.asarray(part) for part in pair)
    forms = ("image", lesioned, "uint8", (1, 3, 4)), ("mask", mask, "bool", (3, 4))
    for name, part, kind, wanted in forms:
        says = f"The {name} should be {kind} of shape {wanted}; yours is {part.dtype} of shape {part.shape}."
        yield form(part.dtype == kind and part.shape == wanted, says, (str(part.dtype), part.shape))
    what = "Greys 100 60 90 60, covered by 1 1 0.5 0.25 (weighted mean 80)"
    # the grey is 120: 90 + 0.5·30 and 60 + 0.25·60
    seen = [*lesioned[0][places], *lesioned[0, 2, :2]]
    yield value(f"{what}, contrast 40, and 30 30, not covered", seen, [120, 120, 105, 75, 30, 30])
    marked = [bool(m) for m in mask[places]]
    says = f"Of pixels covered by 1, 1, 0.5 and 0.25 the mask should hold the first three; yours says {marked}."
    right = marked == [True, True, True, False] and mask.sum() == 3
    yield Finding("wrong_value", (*marked, int(mask.sum())), bool(right), says)
    dark = f(image, cover, -100)[0][0][places]  # the grey is 0: 90/2 and 60·3/4
    yield value(f"{what}, contrast -100: a grey of 0", dark, [0, 0, 45, 45])
    bright = f(image, cover, 200)[0][0][places]  # the grey is 255: 60 + 0.25·195 = 108.75
    yield value(f"{what}, contrast 200: a grey of 255", bright[[0, 1, 3]], [255, 255, 109])
    mixed = [f(image, cover, contrast)[0][0, 1, 2] for contrast in (43, 41)]  # 60 + 0.25·63
    yield value(f"{what}, contrast 43 and 41: the last, 75.75 and 75.25, rounded", mixed, [76, 75])
    two = np.concatenate([image, image])
    two[1][places] = 161, 195, 169, 195  # mean 489.25/2.75: a grey of 197.91, which is not rounded
    what = "Two channels, covered means 80 and 177.91, contrast 20: each gets its own grey, which"
    expected = [[100, 100, 95, 70], [198, 198, 183, 196]]  # 183.45 and 195.73
    yield value(what, f(two, cover, 20)[0][(slice(None), *places)], expected)


def probe_dice(f):
    a, b = np.zeros((4, 5), dtype=bool), np.zeros((4, 5), dtype=bool)
    a[0, :3], b[0, 1:] = True, True  # 3 pixels, 4 pixels, 2 of them shared
    full, none = np.ones_like(a), np.zeros_like(a)
    together = np.stack([a, a]), np.stack([b, none])
    table = {
        "Masks of 3 and 4 pixels that share 2": (a, b, 4 / 7),
        "A mask and itself": (a, a, 1),
        "A mask of 3 pixels inside one of 20": (a, full, 6 / 23),
        "A mask of 20 pixels around one of 3": (full, a, 6 / 23),
        "Masks of which the second is empty": (a, none, 0),
        "Masks of which the first is empty": (none, b, 0),
        "Two images together, masks of 3 and 4 pixels that share 2, then of 3 and none": (*together, 4 / 10),
        "Masks in one row, of 3 and 4 pixels that share 2": (a[0], b[0], 4 / 7),
        "Two empty masks": (none, none, 1),
        "Masks of 800 and 400 pixels, of which they share 400": (np.arange(800) < 800, np.arange(800) < 400, 2 / 3),
    }  # fmt: skip
    yield from cases(f, table, 1e-5)


def trial_of_reports(each=20, draws=400):
    """How far three ways to report the best of sixteen scores are off, on images held back."""
    roles = task("Hand")
    rng = np.random.default_rng(77)
    images = np.concatenate([roles.calibration.images, roles.normal.images, roles.anomalies.images])
    hands = len(roles.calibration) + len(roles.normal)
    pixels = images.reshape(len(images), -1) / 255
    mean = roles.train.images.reshape(len(roles.train), -1).mean(axis=0) / 255
    some = [rng.choice(pixels.shape[1], 6, replace=False) for _ in range(16)]
    scores = np.stack([abs(pixels[:, i] - mean[i]).mean(axis=1) for i in some])  # from six pixels
    everywhere = areas(scores, np.arange(hands), np.arange(hands, len(images)))
    off = []
    for _ in range(draws):
        normal, other = (
            rng.choice(hands, 2 * each),
            hands + rng.choice(len(images) - hands, 2 * each),
        )
        first, second, both = (
            areas(scores, normal[half], other[half])
            for half in (slice(each), slice(each, None), slice(None))
        )
        best, best_of_half = both.argmax(), first.argmax()
        reported = both[best], second[best_of_half], both[best_of_half]
        off.append(reported - everywhere[[best, best_of_half, best_of_half]])
    same, other, mixed = (float(value) for value in np.mean(off, axis=0))
    error = float(np.std(off, axis=0)[1] / draws**0.5)  # the standard error of `other`
    ways = {"same images": same, "other images": other, "half, then all": mixed}
    best = min(ways, key=lambda way: abs(ways[way]))
    return {"best": [best], "n": len(images), "each": 2 * each, "draws": draws} | {
        "same": same,
        "other": other,
        "mixed": mixed,
        "error": error,
    }


def areas(scores, normal, anomalous):
    """AUROC of each score (K, N) on the images at these positions."""
    ranks = rankdata(scores[:, np.concatenate([normal, anomalous])], axis=1)[:, len(normal) :]
    m, n = len(normal), len(anomalous)
    return (ranks.sum(axis=1) - n * (n + 1) / 2) / (m * n)


def hidden_hands(each=40):
    """Hands that no network was trained on, and five kinds of images that are not such hands."""
    roles = task("Hand")
    rng = np.random.default_rng(20_263)
    own = np.concatenate([roles.calibration.images, roles.normal.images])
    own = own[rng.permutation(len(own))]
    normal, rest = own[: 4 * each], own[4 * each :]
    joined, turned, upside_down, lesioned = (rest[i * each % len(rest) :][:each] for i in range(4))
    middle = joined.shape[-1] // 2
    anomalies = [
        roles.anomalies.images[rng.permutation(len(roles.anomalies))[:each]],
        np.concatenate([joined[..., :middle], np.roll(joined, 1, axis=0)[..., middle:]], axis=-1),
        CORRUPTIONS["rotation"](turned, 0.4),
        upside_down[..., ::-1, :],
        add_lesions(lesioned, 1.0, rng)[0],
    ]
    images = np.concatenate([normal, *anomalies])
    x_train, x = as_input(roles.train.images).cpu(), as_input(images).cpu()
    traits = {"brightness": brightness, "background": background, "bytes": png_bytes}
    return Hidden(
        images,
        np.arange(len(images)) >= len(normal),
        roles.train.source,
        trivial=from_median(traits, roles.train.images[:1000], images)
        | {
            "mean image": mean_image_error(x_train, x).numpy(),
            "nearest image": nearest_distance(x_train, x).numpy(),
        },
        rungs={"Mahalanobis, 16×16 pixels": mahalanobis(*map(shrunk, (x_train, x))).numpy()},
    )


def shrunk(x):
    """Images (N, 1, H, W) -> 16×16 pixels, (N, 256)"""
    return F.adaptive_avg_pool2d(x, 16).flatten(start_dim=1)


PROBES = [probe_split, probe_per_class, probe_resampling, partial(probe_block, up=False)]
PROBES += [partial(probe_block, up=True), probe_fpr, probe_precision, probe_mahalanobis, probe_ssim]
PROBES += [probe_paired, probe_lesion, probe_dice]  # in the order of the exercises
PROBES += [trial_of_reports, hidden_hands]
EXERCISES = declared("03", PROBES)
