"""Probes of module 3: splits without leaks, blocks, fair comparison, features, lesions."""

import builtins
from contextlib import contextmanager
from itertools import count

import numpy as np
import pandas as pd
import torch
from torch import nn

from helpers.checks.exercise import declared
from helpers.checks.findings import (
    Finding,
    behaviour,
    drawn,
    form,
    kind_of,
    seeded,
    shape,
    show,
    value,
)

# --- 3.1 --------------------------------------------------------------------------------------


def probe_split(f):
    rng = np.random.default_rng(5)
    contents = rng.integers(0, 256, (500, 1, 3, 4), dtype=np.uint8)
    images = contents[np.append(np.arange(500), rng.integers(0, 500, 300))]  # 300 copies
    images = images[rng.permutation(800)]
    parts = f(images)
    says = f"Three shares should give three arrays of positions; yours gave {counted(parts)}."
    yield form(listed(parts) and len(parts) == 3, says, seen=counted(parts))
    parts = [np.asarray(part) for part in parts]
    whole = all(p.ndim == 1 and (p.dtype.kind in "iu" or not p.size) for p in parts)
    says = "Each part should hold positions, whole numbers in one row, so that `images[train]` picks the images"
    kinds = [f"{p.dtype} in {p.ndim} dimensions" for p in parts]
    yield form(whole, f"{says}; yours holds {kinds[0]}.", seen=kinds)
    if not whole:
        return
    together = np.sort(np.concatenate(parts).astype(int))
    once = np.array_equal(together, np.arange(800))
    missing = 800 - len(np.intersect1d(together, np.arange(800)))
    says = f"Each of the 800 positions, 0 to 799, should stand in exactly one part, copies as well. In yours {missing} are missing, of {len(together)}."
    yield Finding("wrong_value", (missing, len(together)), once, says)
    if together[-1] >= 800 or together[0] < 0:
        return
    part_of = owners(images, parts)
    train = {image.tobytes() for image in images[part_of == 0]}
    shared = train & {image.tobytes() for image in images[part_of > 0]}
    says = f"{len(shared)} images stand in the training part and, as copies, in another one as well: equal images belong together."
    yield Finding("wrong_value", bool(shared), not shared, says)
    # Half of 500 contents by chance: a share has a standard error of 0.02 and less.
    shares = np.array([(part_of == i).mean() for i in range(3)])
    right = abs(shares - (0.8, 0.1, 0.1)).max() < 0.16
    says = f"The parts should hold about 0.8, 0.1 and 0.1 of the images; yours hold {show(shares)}."
    yield Finding("wrong_value", np.round(2.5 * shares), right, says)
    two = f(images, (0.25, 0.75))
    says = f"shares=(0.25, 0.75) should give two arrays of positions; yours gave {counted(two)}."
    yield form(listed(two) and len(two) == 2, says, seen=counted(two))
    halves = owners(images, two)
    first = (halves == 0).mean()
    says = f"With shares=(0.25, 0.75) the first part should hold about a quarter of the images; yours holds {first:.3g}."
    yield Finding("wrong_value", round(4 * first), bool(abs(first - 0.25) < 0.17), says)
    corner = images[:, 0, 0, 0].astype(int)
    cut = {corner[part_of == i].min() >= corner[part_of == 0].max() - 1 for i in (1, 2)} == {True}
    says = "All images of the first part are darker in the first pixel than those of the others: sorted images should be mixed before they are cut."
    yield Finding("wrong_value", cut, not cut, says)
    yield from seeded(lambda **seed: owners(images, f(images, **seed)), "splits")
    order = rng.permutation(800)
    same = np.array_equal(owners(images[order], f(images[order])), part_of[order])
    says = "The same images in another order are split in another way. File systems list files in different orders, and a `set` has none: let the contents decide, not the places."
    yield behaviour(same, says)
    with another_session():
        same = np.array_equal(owners(images, f(images)), part_of)
    says = "In another Python session your split would differ: `hash` of bytes and of text is salted anew at each start."
    yield behaviour(same, says)


def listed(parts):
    return isinstance(parts, (list, tuple, np.ndarray))


def counted(parts):
    return f"a {type(parts).__name__} of {len(parts)}" if type(parts) in (list, tuple) else kind_of(parts)


def owners(images, parts):
    """The number of the part that each image is in, -1 for none."""
    part_of = np.full(len(images), -1)
    for i, part in enumerate(parts):
        part_of[np.asarray(part, dtype=int)] = i
    return part_of


@contextmanager
def another_session():
    """Python's `hash` as another session would salt it: that of text, not that of numbers."""
    before = builtins.hash

    def salted(x):
        return isinstance(x, (str, bytes)) or isinstance(x, tuple) and any(map(salted, x))

    builtins.hash = lambda x: before((before(x), 77)) if salted(x) else before(x)
    try:
        yield
    finally:
        builtins.hash = before


# --- 3.2 --------------------------------------------------------------------------------------


def probe_per_class(f):
    # Foot above all. CXR: 0 below all, 2.5 above two of four, 40 above all. HeadCT ties with 2.
    # The order of AUROCs is not that of names, of means, nor of appearance, nor one of these reversed.
    normal = np.array([1.0, 2, 3, 4])
    scores = np.array([2.5, 2.0, 5.0, 0.0, 40.0, 6.0, 2.0])
    names = np.array(["CXR", "HeadCT", "Foot", "CXR", "CXR", "Foot", "HeadCT"])
    seen = f(normal, scores, names)
    says = f"A pandas Series is wanted, one number a class; yours gave {kind_of(seen)}."
    yield form(isinstance(seen, pd.Series), says, seen=type(seen).__name__)
    order = tuple(map(str, seen.index))
    says = f"The index should hold the class names CXR, Foot and HeadCT; yours holds {', '.join(order)}."
    yield form(sorted(order) == ["CXR", "Foot", "HeadCT"], says)
    yield value(
        "Normal 1 2 3 4; CXR 0 2.5 40, Foot 5 6, HeadCT 2 2: the AUROC of CXR, Foot and HeadCT",
        [seen[name] for name in ("CXR", "Foot", "HeadCT")],
        [0.5, 1, 0.375],  # (0 + 2 + 4)/12, 8/8, (1.5 + 1.5)/8
    )
    says = f"The worst class comes first: HeadCT, CXR, Foot; yours are in the order {', '.join(order)}."
    yield Finding("wrong_value", order, order == ("HeadCT", "CXR", "Foot"), says)
    alone = f(normal, scores[1:2], names[1:2])
    yield value("A single class with a single image, 2 against 1 2 3 4", list(alone), [0.375])


# --- 3.3 and 3.10 -------------------------------------------------------------------------------

NORMALS, ANOMALIES = np.arange(30.0), 100 + np.arange(20.0)  # each score names its image


def interval(x):
    """(low, high) as an array, NaN if x is something else."""
    try:
        low, high = (float(end) for end in x)
    except (TypeError, ValueError):
        return np.full(2, np.nan)
    return np.array([low, high])


def is_interval(x):
    pair = not np.isnan(interval(x)).any()
    says = f"Two numbers are wanted, (low, high); yours gave {kind_of(x)}."
    return form(pair, says, seen=pair or kind_of(x))


def called(times, wanted, what):
    """How often the statistic was called; once more, for the scores as they are, does no harm."""
    says = f"With resamples={wanted} {what} should be called {wanted} times; yours called it {times} times."
    return Finding("wrong_value", times, times in (wanted, wanted + 1), says)


def redrawn(calls):
    """What holds for resamples of 30 normal scores, 0 to 29, and 20 anomalies, 100 to 119."""
    sizes = sorted({(len(n), len(a)) for n, a in calls})
    says = f"Each resample should hold 30 normal scores and 20 anomalies; yours held {show_all(sizes)}."
    yield Finding("wrong_value", len(sizes) > 1, sizes == [(30, 20)], says)
    strange = any((n >= 100).any() or (a < 100).any() for n, a in calls)
    says = "Among the scores that the statistic got as normal are some of anomalies, or the other way round: draw each group from its own scores."
    yield Finding("wrong_value", strange, not strange, says)
    # Of n images, n draws find n·(1 - (1 - 1/n)^n): of 30 19.15, of 20 12.83, with standard
    # deviations of 1.7 and 1.4. The means of 60 resamples get eight standard errors.
    for i, (n, mean, error, name) in enumerate(
        ((30, 19.15, 1.8, "normal"), (20, 12.83, 1.5, "anomalous"))
    ):
        different = np.mean([len(np.unique(call[i])) for call in calls])
        what = f"Drawn with replacement, the number of different images among {n} {name} ones"
        yield drawn(what, different, mean, error)
        distinct = len({tuple(np.sort(call[i])) for call in calls})
        says = f"Each of the {len(calls)} resamples should be another one; of your {name} images there are {distinct} different sets."
        yield Finding("wrong_value", distinct == 1, distinct == len(calls), says)
        never = set(range(n)) - {int(s) % 100 for call in calls for s in call[i]}
        says = f"In 60 resamples of {n} {name} images each image should be drawn at some time; yours never draws those at the positions {show_all(sorted(never))}."
        yield Finding("wrong_value", tuple(sorted(never)), not never, says)


def apart(calls):
    """Whether the two groups, of one size here, are drawn independently of each other."""
    same = np.mean([np.array_equal(np.sort(n), np.sort(a) - 100) for n, a in calls])
    says = f"With as many normal images as anomalies, both groups should be drawn apart from each other; in {same:.0%} of your resamples they hold the same positions."
    return Finding("wrong_value", bool(same > 0.5), bool(same < 0.1), says)


def ranked(what, sign, confidence, resamples, f):
    """The interval of 1, 2, 3, ... (or of -1, -2, ...): its ends are the quantiles."""
    seen, tail = interval(f), resamples * (1 - confidence) / 2
    ends = np.sort([sign * tail, sign * (resamples - tail)])
    says = f"{what} gives {sign}, {2 * sign}, ..., {sign * resamples}, the {confidence:.0%} interval should run from about {ends[0]:.4g} to {ends[1]:.4g}; yours runs from {seen[0]:.6g} to {seen[1]:.6g}."
    return Finding("wrong_value", np.round(seen / 10), bool((abs(seen - ends) < 4).all()), says)


def counting(of=lambda normal: True):
    """A statistic that gives 1, 2, 3, ... for the normal scores `of` which it is asked, 0 for others."""
    numbers = count(1.0)
    return lambda normal, anomaly: next(numbers) if of(np.max(normal)) else 0.0


def show_all(things):
    return ", ".join(map(str, things[:4])) + (", ..." if len(things) > 4 else "")


def recording(calls):
    def statistic(normal, anomaly):
        calls.append((np.array(normal, dtype=float), np.array(anomaly, dtype=float)))
        return np.mean(calls[-1][1]) - 2 * np.mean(calls[-1][0])

    return statistic


def probe_bootstrap(f):
    calls, even = [], []
    yield is_interval(f(NORMALS, ANOMALIES, statistic=recording(calls), resamples=60))
    yield called(len(calls), 60, "`statistic`")
    if not calls:
        return
    yield from redrawn(calls)
    f(NORMALS[:25], 100 + NORMALS[:25], statistic=recording(even), resamples=20)
    yield apart(even)

    found = f(NORMALS, ANOMALIES, counting())
    yield ranked("Where the statistic", 1, 0.95, 500, found)
    found = f(NORMALS, ANOMALIES, counting(), confidence=0.8, resamples=1000)
    yield ranked("With confidence=0.8, where the statistic", 1, 0.8, 1000, found)
    seen = interval(f(NORMALS, ANOMALIES, resamples=20))
    yield value("All anomalies above all normal images: the AUROC", seen, [1, 1])
    mean = recording([])
    yield from seeded(
        lambda **s: interval(f(NORMALS, ANOMALIES, mean, resamples=30, **s)), "intervals"
    )


def probe_paired(f):
    """The scores of detector b are 1,000 higher."""
    calls = {"a": [], "b": []}

    def spy(normal, anomaly):
        normal, anomaly = np.array(normal, dtype=float), np.array(anomaly, dtype=float)
        calls["b" if max(normal.max(), anomaly.max()) >= 1000 else "a"].append((normal, anomaly))
        return np.mean(anomaly) - 2 * np.mean(normal)

    groups = NORMALS, ANOMALIES, NORMALS + 1000, ANOMALIES + 1000
    found = f(*groups, statistic=spy, resamples=60)
    yield is_interval(found)
    a, b = calls["a"], calls["b"]
    yield called(len(a), 60, "`statistic`, for the first detector,")
    yield called(len(b), 60, "`statistic`, for the second detector,")
    if not a or not b:
        return
    yield from redrawn(a)
    for i, name in ((0, "normal images"), (1, "anomalies")):
        pairs = zip(a, b, strict=False)
        same = all(np.array_equal(np.sort(p[i]) + 1000, np.sort(q[i])) for p, q in pairs)
        says = f"In each resample both detectors should be judged on the *same* drawn {name}; yours are judged on others."
        yield Finding("wrong_value", same, same, says)
    calls["a"], calls["b"] = [], []
    even = NORMALS[:25], 100 + NORMALS[:25]
    f(*even, *(group + 1000 for group in even), statistic=spy, resamples=20)
    yield apart(calls["a"])
    # mean(anomaly) - 2 mean(normal) of b is 1000 - 2000 above that of a
    seen = interval(found)
    kind = tuple(np.round(seen / 100)), bool(np.ptp(seen) < 1e-6)
    says = f"Detector b is 1,000 higher on every image, so that mean(anomaly) - 2·mean(normal) of a is 1,000 above that of b: the interval should be (1000, 1000); yours is {show(seen)}."
    yield Finding("wrong_value", kind, bool(np.allclose(seen, 1000)), says)

    found = f(*groups, counting(lambda top: top < 1000))
    yield ranked("Where the statistic of b is always 0 and that of a", 1, 0.95, 500, found)
    found = f(*groups, counting(lambda top: top >= 1000), confidence=0.8, resamples=1000)
    yield ranked("With confidence=0.8, where the statistic of a is always 0 and the difference", -1, 0.8, 1000, found)
    low, high = NORMALS, NORMALS[:20] + 50
    seen = interval(f(low, high, -low, -high, resamples=20))
    what = "Detector a ranks all anomalies above all normal images, b below: the AUROC of a minus b"
    yield value(what, seen, [1, 1])
    noisy = [np.random.default_rng(i).normal(size=30) for i in range(4)]
    mean = recording([])
    yield from seeded(lambda **s: interval(f(*noisy, mean, resamples=30, **s)), "intervals")


# --- 3.4 and 3.5 ------------------------------------------------------------------------------


def probe_block(f, out_shape, reach):
    """What both blocks have in common; they take 3 channels to 5."""
    block = f(3, 5)
    says = f"A module is wanted, as `nn.Sequential` of three layers is one; yours gave {kind_of(block)}."
    yield form(isinstance(block, nn.Module), says, seen=kind_of(block))
    if not isinstance(block, nn.Module):
        return
    x = torch.randn(4, 3, 8, 12)
    yield shape("A batch (4, 3, 8, 12) through a block from 3 to 5 channels", block(x), out_shape)
    weights = sum(p.numel() for p in block.parameters())
    says = f"A block from 3 to 5 channels should have 145 parameters, 3·5·9 of the convolution and 2·5 of the normalisation; yours has {weights}."
    yield Finding("wrong_value", weights, weights == 145, says)

    shared = {id(p) for p in block.parameters()} & {id(p) for p in f(3, 5).parameters()}
    says = "A second call gives a block with the same weights: new layers should be made in each call, or blocks learn together."
    yield behaviour(not shared and f(3, 5) is not block, says)
    fresh = f(3, 5).eval()  # normalises with mean 0 and variance 1
    there, back = fresh(x), fresh(-x)
    ratio = (torch.minimum(there, back) / torch.maximum(there, back)).flatten()
    slopes = -ratio[ratio.isfinite()].quantile(torch.tensor([0.1, 0.9]))
    says = f"Below zero the activation should have the slope 0.01; yours has {show(slopes.mean())}."
    right = bool((slopes - 0.01).abs().max() < 0.002)
    yield Finding("wrong_value", np.round(slopes.detach().numpy(), 2), right, says)
    louder = float((fresh(100 * x) / there).median())
    says = f"In eval mode a fresh block should give 100 times as much for an image 100 times brighter, since batch normalisation then divides by its running spread, at first 1; yours gives {louder:.3g} times as much."
    alone = torch.allclose(fresh(x)[:1], fresh(x[:1]), atol=1e-4)
    yield Finding("wrong_value", (round(louder), alone), abs(louder - 100) < 1, says)

    mixed = x * torch.tensor([1.0, 2, 3, 50]).view(4, 1, 1, 1)
    y = f(3, 5).train()(mixed)
    z = torch.where(y > 0, y, y / 0.01)  # as it was before the activation
    centres, spreads = z.mean(dim=(0, 2, 3)).abs(), z.var(dim=(0, 2, 3), unbiased=False)
    normal = bool(centres.max() < 1e-3), bool((spreads - 1).abs().max() < 0.01)
    after = bool(y.mean(dim=(0, 2, 3)).abs().max() < 1e-3)
    says = f"In training mode each channel should have the mean 0 and the variance 1 over the batch where the activation gets it; yours has means up to {float(centres.max()):.3g} and variances up to {float(spreads.max()):.3g}."
    yield Finding("wrong_value", (*normal, after), all(normal), says)
    bright = float(y[3].std() / y[0].std())
    says = f"In a batch, an image 50 times brighter should stay much brighter than the others, since the batch is normalised as a whole; yours has {bright:.3g} times their spread."
    yield Finding("wrong_value", bright > 10, bright > 10, says)
    rows, columns = (np.flatnonzero(reach(fresh, x).any(axis)) for axis in (1, 0))
    right = all(len(lines) == 3 and np.ptp(lines) == 2 for lines in (rows, columns))
    what = "An input pixel should reach" if out_shape[2] > 8 else "An output pixel should look at"
    says = f"{what} 3×3 neighbouring pixels; with your block it is {len(rows)}×{len(columns)}, over {np.ptp(rows) + 1} rows."
    yield Finding("wrong_value", (len(rows), len(columns)), right, says)


def looks_at(block, x):
    """The input pixels that a pixel of the output depends on. -> bool (H, W)"""
    x = x[:1].clone().requires_grad_()
    slopes = torch.autograd.grad(block(x)[0, 0, 2, 3], x)[0][0]
    return (slopes.abs().sum(0) > 1e-6).numpy()


def reaches(block, x):
    """The output pixels that change with a pixel of the input. -> bool (H, W)"""
    other = x[:1].clone()
    other[0, :, 4, 6] += 3.0
    change = (block(other) - block(x[:1]))[0]
    return (change.abs().sum(0) > 1e-4).numpy()


def probe_down(f):
    yield from probe_block(f, (4, 5, 4, 6), looks_at)
    out = f(2, 4)(torch.rand(3, 2, 6, 10))
    yield shape("A batch (3, 2, 6, 10) from 2 to 4 channels", out, (3, 4, 3, 5))


def probe_up(f):
    yield from probe_block(f, (4, 5, 16, 24), reaches)
    out = f(2, 4)(torch.rand(3, 2, 3, 5))
    yield shape("A batch (3, 2, 3, 5) from 2 to 4 channels", out, (3, 4, 6, 10))


# --- 3.6 and 3.7 ------------------------------------------------------------------------------


def probe_fpr(f):
    normal, anomaly = np.arange(1.0, 11.0), np.array([2.0, 20.0, 8.0, 9.0])
    says = "Normal 1 to 10, anomalies 2 8 9 20: the false-positive rate at tpr="
    yield value(f"{says}0.75 (three of four are at least 8, and so are 8, 9 and 10)", f(normal, anomaly, 0.75), 0.3)  # fmt: skip
    yield value(f"{says}0.5 (two of four are at least 9)", f(normal, anomaly, 0.5), 0.2)
    yield value(f"{says}1 (all are at least 2)", f(normal, anomaly, 1.0), 0.9)
    yield value(f"{says}0.6, which needs three of four", f(normal, anomaly, 0.6), 0.3)
    yield value(f"{says}0.95, the default", f(normal, anomaly), 0.9)
    apart = f(np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0]))
    yield value("Anomalies 3 4 5 above the normal scores 1 2", apart, 0)
    tied = f(np.array([1.0, 2, 2, 3]), np.array([2.0, 3]), 1.0)
    yield value("Ties: normal 1 2 2 3, anomalies 2 3, tpr=1", tied, 0.75)
    # the ROC points (1/3, 1/3), (2/3, 2/3) and (1, 1) lie on a line
    line = np.array([1.0, 2, 3])
    yield value("Normal 1 2 3, anomalies 1 2 3, tpr=0.5", f(line, line, 0.5), 2 / 3)


def probe_precision(f):
    # of 1,000 images 500 are anomalies: 400 found, 50 false alarms
    yield value("tpr 0.8, fpr 0.1, one anomaly in 2 (400 of 450 alarms)", f(0.8, 0.1, 0.5), 8 / 9)
    # of 1,000 images 10 are anomalies: 8 found, 99 false alarms
    yield value("tpr 0.8, fpr 0.1, one in 100 (8 of 107 alarms)", f(0.8, 0.1, 0.01), 8 / 107)
    yield value("tpr 0.5, fpr 0.5, one in 5: no better than guessing", f(0.5, 0.5, 0.2), 0.2)
    yield value("tpr 0.3, no false alarms at all, one in 800", f(0.3, 0.0, 0.00125), 1.0)
    rare = np.array([0.5, 0.01, 0.0005])  # the last: 4 found, 999.5 false alarms of 10,000
    yield value("tpr 0.8, fpr 0.1, an array of prevalences 0.5, 0.01, 0.0005", f(0.8, 0.1, rare), [8 / 9, 8 / 107, 4 / 1003.5])  # fmt: skip


# --- 3.8 --------------------------------------------------------------------------------------


def probe_mahalanobis(f):
    # two directions at right angles: variance 50 along (4, 3)/5, 0.5 along (-3, 4)/5; mean (3, 1)
    long, short, mean = torch.tensor([[0.8, 0.6], [-0.6, 0.8], [3.0, 1.0]])
    z_train = mean + torch.stack([10 * long, -10 * long, short, -short]).repeat(1000, 1)
    z = torch.stack([mean, mean + 5 * long, mean + 5 * short])
    seen = f(z_train, z)
    yield shape("Three codes of two numbers", seen, (3,))
    yield value("The mean of the training codes", seen[:1], [0], tolerance=1e-2)
    what = "5 away from the mean, where the training codes have a variance of 50, and where of 0.5"
    yield value(what, seen[1:], [0.7071, 7.0711], tolerance=0.05)
    alone = f(z_train, z[1:2])
    yield value("A code alone in its batch, 5 away along the variance 50", alone, [0.7071], 0.05)
    corners = torch.cat([torch.eye(4), -torch.eye(4)]).repeat(500, 1) * 2
    seen = f(corners, 3 * torch.eye(4)[:1])
    yield value("3 away, where the codes have the variance 1 in four directions", seen, [3], 1e-3)
    # Fewer codes than dimensions: S = diag(4/3, 1/3, 1/3, 0, ..., 0) has no inverse, m = tr S/20 =
    # 1/10. With |S - mI|² = 2 - 1/5 = 9/5 and sum |zz' - S|²/6² = (36 - 6·2)/36 = 2/3 Ledoit and
    # Wolf shrink by (2/3)/(9/5) = 10/27: variances (17·4/3 + 1)/27 = 71/81, and 1/27 where no
    # code goes. The squared distances are 9·81/71 and 9·27.
    few, far = torch.zeros(6, 20), torch.zeros(2, 20)
    few[:, :3] = torch.tensor([[2.0, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])  # fmt: skip
    far[0, 0], far[1, 10] = 3.0, 3.0
    seen = f(few, far).detach().cpu().double().numpy()
    right = np.allclose(seen, [3.2043, 15.5885], rtol=0.01)
    says = f"Six codes of 20 numbers, which have a covariance without an inverse: 3 away where the codes spread, and 3 away where none goes, should give 3.204 and 15.59 with Ledoit and Wolf's shrinkage; yours gave {show(seen)}."
    wild = bool(np.isfinite(seen).all()), bool(seen[1] > 1e3), bool(abs(seen[1]) < 1e-3)
    yield Finding("wrong_value", wild if wild != (True, False, False) else seen, right, says)
    double = f(z_train.double(), z.double())
    given = str(double.dtype).removeprefix("torch.")
    says = f"float64 in should be float64 out; yours gave {given}."
    yield form(double.dtype == torch.float64, says, seen=given)


# --- 3.9 --------------------------------------------------------------------------------------


def probe_ssim(f):
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.random((8, 1, 20, 24), dtype=np.float32))
    x_hat = x.clone()
    x_hat[3, 0, 9, 12] += 0.5
    seen = f(x, x_hat)
    yield shape("Eight images (8, 1, 20, 24)", seen, (8, 1, 20, 24))
    perfect = f(x, x)
    ends = [float(perfect.min()), float(perfect.max())]
    yield value("Perfect reconstructions: the least and the largest of the map", ends, [0, 0])
    # even images a and b: SSIM = (2ab + C)/(a² + b² + C) with C = 0.01², here (4 + 1)/(4 + 1 + 1)
    dark = torch.full((1, 1, 16, 18), 0.02)
    kept = seen.detach()
    others = float(kept[[2, 4]].abs().max())
    says = f"Only image 3 of the batch is rebuilt wrongly, yet your map rises to {others:.3g} in its neighbours: each image should be compared by itself."
    yield Finding("wrong_value", others > 1e-3, others < 1e-3, says)
    yield value(
        "An even image of 0.02 rebuilt as 0.01 (SSIM 5/6): the mean of the map",
        f(dark, dark / 2).mean(),
        1 / 6,
        tolerance=1e-3,
    )
    touched = int((kept[3].abs() > 1e-3).sum())
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
    double = f(x.double(), x_hat.double())
    given = str(double.dtype).removeprefix("torch.")
    says = f"float64 in should be float64 out; yours gave {given}."
    yield form(double.dtype == torch.float64, says, seen=given)


# --- 3.11 -------------------------------------------------------------------------------------


def probe_lesion(f):
    image, cover = np.full((1, 3, 4), 30, dtype=np.uint8), np.zeros((3, 4))
    places = (0, 0, 1, 1), (1, 2, 1, 2)
    cover[places] = 1, 1, 0.5, 0.25
    image[0][places] = 100, 60, 90, 60  # covered mean (100 + 60 + 45 + 15)/2.75 = 80
    pair = f(image, cover, 40)
    is_pair = isinstance(pair, (tuple, list)) and len(pair) == 2
    says = f"Two arrays are wanted, the image and the mask; yours gave {kind_of(pair)}."
    yield form(is_pair, says, seen=is_pair or kind_of(pair))
    if not is_pair:
        return
    lesioned, mask = (np.asarray(part) for part in pair)
    for name, part, kind, wanted in (
        ("image", lesioned, "uint8", (1, 3, 4)),
        ("mask", mask, "bool", (3, 4)),
    ):
        says = f"The {name} should be {kind} of shape {wanted}; yours is {part.dtype} of shape {part.shape}."
        yield form(part.dtype == kind and part.shape == wanted, says, (str(part.dtype), part.shape))
    what = "Greys 100 60 90 60, covered by 1 1 0.5 0.25 (weighted mean 80)"
    # the grey is 120: 90 + 0.5·30 and 60 + 0.25·60
    yield value(f"{what}, contrast 40", lesioned[0][places], [120, 120, 105, 75])
    outside = np.delete(lesioned.ravel(), [1, 2, 5, 6])
    yield value("The pixels of 30 that nothing covers", outside, np.full(8, 30))
    marked = [bool(m) for m in mask[places]]
    says = f"Of pixels covered by 1, 1, 0.5 and 0.25 the mask should hold the first three; yours says {marked}."
    right = marked == [True, True, True, False] and mask.sum() == 3
    yield Finding("wrong_value", (*marked, int(mask.sum())), bool(right), says)
    dark = f(image, cover, -100)[0][0][places]  # the grey is 0: 90/2 and 60·3/4
    yield value(f"{what}, contrast -100: a grey of 0", dark, [0, 0, 45, 45])
    bright = f(image, cover, 200)[0][0][places]  # the grey is 255: 60 + 0.25·195 = 108.75
    yield value(f"{what}, contrast 200: a grey of 255", bright[[0, 1, 3]], [255, 255, 109])
    for contrast, exact in ((43, 75.75), (41, 75.25)):  # 60 + 0.25·(80 + contrast - 60)
        mixed = f(image, cover, contrast)[0][0, 1, 2]
        yield value(f"{what}, contrast {contrast}: the last, {exact}, rounded", mixed, round(exact))
    two = np.concatenate([image, 255 - image])  # the second has the greys 155 195 165 195, mean 175
    seen = f(two, cover, 20)[0][(slice(None), *places)]
    expected = [[100, 100, 95, 70], [195, 195, 180, 195]]
    what = "Two channels, covered means 80 and 175, contrast 20: each gets its own grey, which"
    yield value(what, seen, expected)


# --- 3.12 -------------------------------------------------------------------------------------


def probe_dice(f):
    a, b = np.zeros((4, 5), dtype=bool), np.zeros((4, 5), dtype=bool)
    a[0, :3], b[0, 1:] = True, True  # 3 pixels, 4 pixels, 2 of them shared
    full, none = np.ones_like(a), np.zeros_like(a)
    yield value("Masks of 3 and 4 pixels that share 2", f(a, b), 4 / 7)
    yield value("A mask and itself", f(a, a), 1)
    yield value("A mask of 3 pixels inside one of 20", f(a, full), 6 / 23)
    yield value("A mask of 20 pixels around one of 3", f(full, a), 6 / 23)
    yield value("Masks that share nothing", f(a, ~a), 0)
    yield value("Masks of which the second is empty", f(a, none), 0)
    yield value("Masks of which the first is empty", f(none, b), 0)
    yield value(
        "Two images together, masks of 3 and 4 pixels that share 2, then of 3 and none",
        f(np.stack([a, a]), np.stack([b, none])),
        4 / 10,
    )
    yield value("Masks in one row, of 3 and 4 pixels that share 2", f(a[0], b[0]), 4 / 7)
    yield value("Two empty masks", f(none, none), 1)


EXERCISES = declared(
    "03",
    {
        "3.1": probe_split,
        "3.2": probe_per_class,
        "3.3": probe_bootstrap,
        "3.4": probe_down,
        "3.5": probe_up,
        "3.6": probe_fpr,
        "3.7": probe_precision,
        "3.8": probe_mahalanobis,
        "3.9": probe_ssim,
        "3.10": probe_paired,
        "3.11": probe_lesion,
        "3.12": probe_dice,
    },
)
