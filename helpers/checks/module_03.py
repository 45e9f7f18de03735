"""Exercises of module 3: splits without leaks, blocks, fair comparison, features, lesions."""

import builtins
from contextlib import contextmanager
from hashlib import sha256
from itertools import count

import numpy as np
import pandas as pd
import torch
from skimage.metrics import structural_similarity
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.metrics import roc_curve
from torch import nn

from helpers.checks.exercise import (
    Exercise,
    Finding,
    Misconception,
    behaviour,
    form,
    kind_of,
    shape,
    show,
    value,
)
from helpers.checks.module_02 import _generators
from helpers.checks.module_02 import is_pair as is_tuple_pair
from helpers.datasets.samples.lesions import paint_lesion
from helpers.datasets.splits import split_by_content
from helpers.metrics import auroc, bootstrap_interval, fpr_at_tpr, per_class_auroc
from helpers.scores import mahalanobis, ssim_residual


def is_pair(x):
    """Two things that can be unpacked: a tuple, a list, an array of two."""
    return is_tuple_pair(x) or (isinstance(x, np.ndarray) and x.shape == (2,))


# --- 3.1 --------------------------------------------------------------------------------------


def probe_split(f):
    rng = np.random.default_rng(5)
    contents = rng.integers(0, 256, (400, 1, 3, 4), dtype=np.uint8)
    images = contents[np.concatenate([np.arange(400), rng.integers(0, 400, 200)])]
    images = images[rng.permutation(600)]
    before = _generators()
    parts = f(images)
    says = f"Return one array of positions for each share; yours gave {kind_of(parts)}."
    yield form(isinstance(parts, (list, tuple)) and len(parts) == 3, says)
    parts = [np.asarray(part) for part in parts]
    whole = all(part.ndim == 1 and part.dtype.kind in "iu" for part in parts)
    says = "Return positions, whole numbers, so that `images[train]` picks the pictures."
    yield form(whole, says)
    together = np.sort(np.concatenate(parts))
    missing = len(np.unique(together)) < 600, len(together) > len(np.unique(together))
    says = "Every position should stand in exactly one part: copies as well, beside each other."
    yield Finding("wrong_value", missing, not any(missing), says)
    shared = _contents(images, parts[0]) & (
        _contents(images, parts[1]) | _contents(images, parts[2])
    )
    says = f"{len(shared)} pictures stand in the training part and, as copies, in another one."
    yield Finding("wrong_value", bool(shared), not shared, says)
    shares = _shares(images, parts, 400)
    near = tuple(abs(s - e) < 0.08 for s, e in zip(shares, (0.8, 0.1, 0.1), strict=True))
    says = f"The parts should hold about 0.8, 0.1 and 0.1 of the pictures; yours {show(shares)}."
    yield Finding("wrong_value", near, all(near), says)
    halves = f(images, (0.5, 0.5))
    near = len(halves) == 2 and abs(_shares(images, halves, 400)[0] - 0.5) < 0.12
    says = "With shares=(0.5, 0.5) there should be two parts of about half the pictures each."
    yield Finding("wrong_value", (len(halves), near), near, says)
    first = [images[np.asarray(part), 0, 0, 0].astype(int) for part in halves]
    sorted_cut = first[0].max() <= first[1].min() + 1 or first[1].max() <= first[0].min() + 1
    says = "One part holds the pictures that come first when sorted, dark ones say: mix them."
    yield Finding("wrong_value", sorted_cut, not sorted_cut, says)
    again = f(images)
    same = all(np.array_equal(a, b) for a, b in zip(again, parts, strict=True))
    yield behaviour(same, "Two calls with the same seed give two splits.")
    order = rng.permutation(600)
    moved = [_contents(images[order], part) for part in f(images[order])]
    same = moved == [_contents(images, part) for part in parts]
    says = (
        "The same pictures in another order are split in another way. File systems list files in "
        "different orders: let the contents decide, not the places."
    )
    yield behaviour(same, says)
    with _other_session():
        later = f(images)
    same = all(np.array_equal(a, b) for a, b in zip(later, parts, strict=True))
    says = "In another Python session your split would differ: `hash` is salted anew at each start."
    yield behaviour(same, says)
    other = f(images, seed=1)
    changed = _contents(images, other[0]) != _contents(images, parts[0])
    yield behaviour(changed, "seed=1 gives the same split as seed=0: mix the seed in.")
    says = "Your function moves the random numbers of the session: `np.random.default_rng(seed)`."
    yield behaviour(_generators() == before, says)


def _contents(images, part):
    return {images[i].tobytes() for i in part}


def _shares(images, parts, total):
    return [len(_contents(images, part)) / total for part in parts]


@contextmanager
def _other_session():
    """Python's `hash` as another session would salt it."""
    before = builtins.hash
    builtins.hash = lambda x: before((before(x), 77))
    try:
        yield
    finally:
        builtins.hash = before


def _by_place(places, shares):
    part = np.searchsorted(np.cumsum(shares)[:-1], places, side="right")
    return [np.flatnonzero(part == i) for i in range(len(shares))]


def _split_positions(images, shares=(0.8, 0.1, 0.1), seed=0, rng=None):
    rng = rng or np.random.default_rng(seed)
    return _by_place(rng.permutation(len(images)) / len(images), shares)


def _split_unique(images, shares, seed, keys=None, drop=False):
    """Contents in the order of `keys`, shuffled where there is a seed, then cut."""
    contents = [image.tobytes() for image in images]
    keys = keys or (lambda contents: list(dict.fromkeys(contents)))
    names = keys(contents)
    order = (
        np.arange(len(names))
        if seed is None
        else np.random.default_rng(seed).permutation(len(names))
    )
    place = {names[j]: i / len(names) for i, j in enumerate(order)}
    parts = _by_place([place[c] for c in contents], shares)
    if drop:
        first = {c: i for i, c in reversed(list(enumerate(contents)))}
        kept = set(first.values())
        parts = [np.array([i for i in part if i in kept], dtype=int) for part in parts]
    return parts


def _split_hash(images, shares=(0.8, 0.1, 0.1), seed=0):
    places = [(hash((seed, image.tobytes())) % 10_007) / 10_007 for image in images]
    return _by_place(places, shares)


def _split_global(images, shares=(0.8, 0.1, 0.1), seed=0):
    np.random.seed(seed)  # noqa: NPY002
    contents = sorted({image.tobytes() for image in images})
    places = np.random.permutation(len(contents)) / len(contents)  # noqa: NPY002
    place = dict(zip(contents, places, strict=True))
    return _by_place([place[image.tobytes()] for image in images], shares)


SPLIT = Exercise(
    id="3.1",
    title="a split without leaks",
    reference="helpers.datasets.splits.split_by_content",
    difficulty=3,
    minutes=15,
    hints=(
        "Let each picture's own bytes decide its part. Copies then decide alike, and the order of "
        "the files plays no role.",
        "A cryptographic hash of the bytes is as good as a random number between 0 and 1, and the "
        "same on every machine: `hashlib.sha256(salt + image.tobytes()).digest()`. Cut it at the "
        "cumulative shares.",
        'Per picture: `int.from_bytes(digest[:6], "big") / 2**48`. Then '
        '`np.searchsorted(np.cumsum(shares)[:-1], place, side="right")` gives its part and '
        "`np.flatnonzero(part == i)` the positions.",
    ),
    probe=probe_split,
    misconceptions=(
        Misconception(
            "by_position",
            "You shuffle positions. A copy of a training picture can then fall into the test part, "
            "and the network has seen it. Decide by content: equal bytes, equal part.",
            _split_positions,
        ),
        Misconception(
            "copies_dropped",
            "You keep one of each set of copies and drop the others. That too avoids the leak, but the "
            "function is to place every picture: copies go where their twin goes.",
            lambda images, shares=(0.8, 0.1, 0.1), seed=0: _split_unique(
                images, shares, seed, lambda c: sorted(set(c)), drop=True
            ),
        ),
        Misconception(
            "order_of_files",
            "Copies stay together, but the split depends on the order in which the pictures come: "
            "you shuffle contents in the order of their first appearance. Sort them first, or let a "
            "hash of the bytes decide.",
            lambda images, shares=(0.8, 0.1, 0.1), seed=0: _split_unique(images, shares, seed),
        ),
        Misconception(
            "sorted_not_mixed",
            "You sort the contents and cut. Sorted pictures are sorted by their first pixels, so the "
            "parts differ in kind: mix them, with the seed.",
            lambda images, shares=(0.8, 0.1, 0.1), seed=0: _split_unique(
                images, shares, None, lambda c: sorted(set(c))
            ),
        ),
        Misconception(
            "hash_of_the_session",
            "Python's own `hash` of bytes is salted anew in every session, so tomorrow's test "
            "pictures are today's training pictures. Use a hash that is the same everywhere: "
            "`hashlib.sha256`.",
            _split_hash,
        ),
        Misconception(
            "unseeded",
            "Each call gives another split. Make the random numbers from the argument `seed`.",
            lambda images, shares=(0.8, 0.1, 0.1), seed=0: _split_unique(
                images, shares, np.random.default_rng().integers(10**9), lambda c: sorted(set(c))
            ),
        ),
        Misconception(
            "seed_ignored",
            "The split is the same for every seed. Put the seed in front of the bytes before hashing, "
            "or seed the generator with it.",
            lambda images, shares=(0.8, 0.1, 0.1), seed=0: split_by_content(images, shares),
        ),
        Misconception(
            "shares_ignored",
            "There are always three parts of 80, 10 and 10 %: use the argument `shares`.",
            lambda images, shares=(0.8, 0.1, 0.1), seed=0: split_by_content(images, seed=seed),
        ),
        Misconception(
            "shares_not_cumulated",
            "You cut at the shares themselves. The second part ends at the *sum* of the first two: "
            "`np.cumsum(shares)`.",
            lambda images, shares=(0.8, 0.1, 0.1), seed=0: _by_place(
                [_uniform(image, seed) for image in images], np.diff(np.sort(shares), prepend=0)
            ),
        ),
        Misconception(
            "pictures_returned",
            "You return pictures; we need their positions, so that labels can follow.",
            lambda images, shares=(0.8, 0.1, 0.1), seed=0: [
                images[part] for part in split_by_content(images, shares, seed)
            ],
        ),
        Misconception(
            "global_seed",
            "The split is right, but `np.random.seed` resets the random numbers of the whole session. "
            "`np.random.default_rng(seed)` is a generator of its own.",
            _split_global,
        ),
    ),
)


def _uniform(image, seed):
    digest = sha256(str(seed).encode() + image.tobytes()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


# --- 3.2 --------------------------------------------------------------------------------------


def probe_per_class(f):
    normal = np.array([1.0, 2, 3, 4])
    # CXR above all; Hand between: 0 below all, 2.5 above two of four; HeadCT ties with 2
    scores = np.array([2.0, 5.0, 0.0, 6.0, 2.0, 2.5])
    names = np.array(["HeadCT", "CXR", "Foot", "CXR", "HeadCT", "Foot"])
    seen = f(normal, scores, names)
    says = f"Return a pandas Series, one number a class; yours gave {kind_of(seen)}."
    yield form(isinstance(seen, pd.Series), says, seen=type(seen).__name__)
    says = (
        f"The index should hold the class names CXR, Foot, HeadCT; yours holds {list(seen.index)}."
    )
    yield form(sorted(map(str, seen.index)) == ["CXR", "Foot", "HeadCT"], says)
    values = [seen[name] for name in ("CXR", "Foot", "HeadCT")]
    yield value(
        "Normal 1 2 3 4; CXR 5 6, Foot 0 2.5, HeadCT 2 2: the AUROC of CXR, Foot and HeadCT",
        values,
        [1, 0.25, 0.375],
    )
    one = f(normal, scores[:1], names[:1])
    yield value("A single class with a single picture", list(one), [0.375])
    order = tuple(map(str, seen.index))
    says = f"The worst class comes first: Foot, HeadCT, CXR; yours are in the order {', '.join(order)}."
    yield Finding("wrong_value", order, order == ("Foot", "HeadCT", "CXR"), says)
    yield value("Scores and names given as lists", list(f([1.0], [2.0, 0.0], ["a", "b"])), [0, 1])
    yield behaviour(bool(scores[2] == 0 and normal[0] == 1), "Your function changes the scores.")


def _per_class(normal, scores, names, one=auroc):
    scores, names = np.asarray(scores), np.asarray(names)
    return pd.Series({n: one(normal, scores[names == n]) for n in np.unique(names)})


def _one_against_all(normal, scores, names):
    scores, names = np.asarray(scores), np.asarray(names)
    rest = {n: np.concatenate([normal, scores[names != n]]) for n in np.unique(names)}
    return pd.Series({n: auroc(r, scores[names == n]) for n, r in rest.items()}).sort_values()


PER_CLASS = Exercise(
    id="3.2",
    title="AUROC of each class",
    reference="helpers.metrics.per_class_auroc",
    difficulty=1,
    minutes=6,
    hints=(
        "One number over all anomalies hides the class that is never found. Ask for each class by "
        "itself, always against the same normal pictures.",
        "`anomaly_scores[names == name]` are the scores of one class. Collect a dict, make a "
        "`pd.Series` of it, and sort it.",
        "`pd.Series({name: auroc(normal_scores, anomaly_scores[names == name]) for name in "
        "set(names)}).sort_values()`, with both as arrays.",
    ),
    probe=probe_per_class,
    misconceptions=(
        Misconception(
            "against_the_rest",
            "You count the other anomalies among the normal pictures. A class is judged against the "
            "*normal* pictures; the other classes stay out.",
            _one_against_all,
        ),
        Misconception(
            "pooled",
            "Every class gets the AUROC of all anomalies together. Pick the scores of the class: "
            "`anomaly_scores[names == name]`.",
            lambda n, s, names: _per_class(n, s, names, lambda a, b: auroc(n, s)),
        ),
        Misconception(
            "swapped",
            "Yours is 1 minus the AUROC: normal scores come first, anomalies second.",
            lambda n, s, names: _per_class(n, s, names, lambda a, b: auroc(b, a)).sort_values(),
        ),
        Misconception(
            "one_number",
            "You return one number. A mean hides the class that is missed, and the worst class alone "
            "hides the others: keep one number for each.",
            lambda n, s, names: float(_per_class(n, s, names).mean()),
        ),
        Misconception(
            "not_sorted",
            "The numbers are right, but in the order of the names. The worst class should come first: "
            "`.sort_values()`.",
            _per_class,
        ),
        Misconception(
            "best_first",
            "The numbers are right, but the best class comes first. What one must not overlook is the "
            "worst: sort ascending.",
            lambda n, s, names: per_class_auroc(n, s, names)[::-1],
        ),
        Misconception(
            "dict",
            "You return a dict. A `pd.Series` can be sorted, rounded and shown as a table.",
            lambda n, s, names: dict(per_class_auroc(n, s, names)),
        ),
    ),
)

# --- 3.3 --------------------------------------------------------------------------------------

NORMALS, ANOMALIES = np.arange(30.0), 100 + np.arange(20.0)  # each score names its picture


def probe_bootstrap(f):
    calls = []

    def spy(normal, anomaly):
        calls.append((np.array(normal), np.array(anomaly)))
        return np.mean(anomaly) - np.mean(normal)

    before = _generators()
    interval = f(NORMALS, ANOMALIES, statistic=spy, resamples=60)
    says = f"Return two numbers, (low, high); yours gave {kind_of(interval)}."
    yield form(is_pair(interval), says, seen="a pair" if is_pair(interval) else kind_of(interval))
    called = len(calls) in (60, 61)  # one more for the original scores does no harm
    says = f"With resamples=60 `statistic` should be called 60 times; yours called it {len(calls)} times."
    yield Finding("wrong_value", min(len(calls), 2) if not called else 60, called, says)
    sizes = {(len(n), len(a)) for n, a in calls}
    says = f"Each resample should hold 30 normal scores and 20 anomalies; yours held {sorted(sizes)[:3]}."
    yield Finding("wrong_value", len(sizes) > 1, sizes == {(30, 20)}, says)
    mixed = any(n.max() >= 100 or a.min() < 100 for n, a in calls if len(n) and len(a))
    yield Finding("wrong_value", mixed, not mixed, "Normal scores and anomalies are mixed up.")
    repeats = [
        any(len(np.unique(call[group])) < len(call[group]) for call in calls) for group in (0, 1)
    ]
    says = "Draw *with* replacement in both groups: some pictures twice, others not at all."
    yield Finding("wrong_value", tuple(repeats), all(repeats), says)
    different = len({n.tobytes() for n, _ in calls}) > 40, len({a.tobytes() for _, a in calls}) > 40
    says = "Your resamples are nearly all alike: draw anew for each."
    yield Finding("wrong_value", different, all(different), says)

    yield _ranks(lambda **more: f(NORMALS, ANOMALIES, **more), 0.95, (26, 975))
    yield _ranks(lambda **more: f(NORMALS, ANOMALIES, **more), 0.80, (101, 900))
    rest = NORMALS, ANOMALIES - 90
    same = tuple(f(*rest, resamples=50)) == tuple(f(*rest, resamples=50))
    yield behaviour(same, "Two calls with the same seed give two intervals: use `seed`.")
    changed = tuple(f(*rest, resamples=50)) != tuple(f(*rest, resamples=50, seed=1))
    yield behaviour(changed, "seed=1 gives the same interval as seed=0: use the argument.")
    says = "Your function moves the random numbers of the session: `np.random.default_rng(seed)`."
    yield behaviour(_generators() == before, says)
    unharmed = bool((np.arange(30.0) == NORMALS).all() and (100 + np.arange(20) == ANOMALIES).all())
    yield behaviour(unharmed, "Your function changes the scores in place.")


def _ranks(f, confidence, expected):
    """The interval where the statistic gives 1, 2, ..., 1000: its ends are the quantiles."""
    numbers = count(1.0)
    low, high = f(statistic=lambda n, a: next(numbers), confidence=confidence, resamples=1000)
    seen = np.array([low, high], dtype=float)
    says = (
        f"Of 1,000 statistics 1 to 1000, the {confidence:.0%} interval runs from about {expected[0]} "
        f"to {expected[1]}; yours runs from {low:.6g} to {high:.6g}."
    )
    right = bool((abs(seen - expected) < 4).all())
    return Finding("wrong_value", np.round(seen / 10), right, says)


def _bootstrap(
    normal,
    anomaly,
    statistic=auroc,
    confidence=0.95,
    resamples=500,
    seed=0,
    *,
    draw=None,
    summary=None,
    rng=None,
):
    rng = rng or np.random.default_rng(seed)
    normal, anomaly = np.asarray(normal), np.asarray(anomaly)
    draw = draw or (lambda rng, n, a: (rng.choice(n, len(n)), rng.choice(a, len(a))))
    values = [statistic(*draw(rng, normal, anomaly)) for _ in range(resamples)]
    tail = (1 - confidence) / 2
    summary = summary or (lambda v, tail: np.quantile(v, [tail, 1 - tail]))
    return tuple(map(float, summary(np.array(values, dtype=float), tail)))


def _boot(**changes):
    """bootstrap_interval with one of its steps changed."""

    def variant(
        normal_scores, anomaly_scores, statistic=auroc, confidence=0.95, resamples=500, seed=0
    ):
        return _bootstrap(
            normal_scores, anomaly_scores, statistic, confidence, resamples, seed, **changes
        )

    return variant


def _pooled_draw(rng, n, a):
    chosen = rng.integers(len(n) + len(a), size=len(n) + len(a))
    return np.concatenate([n, a])[chosen][chosen < len(n)], np.concatenate([n, a])[chosen][
        chosen >= len(n)
    ]


def _global_bootstrap(n, a, statistic=auroc, confidence=0.95, resamples=500, seed=0):
    np.random.seed(seed)  # noqa: NPY002
    return _bootstrap(n, a, statistic, confidence, resamples, rng=np.random)


BOOTSTRAP = Exercise(
    id="3.3",
    title="a bootstrap interval",
    reference="helpers.metrics.bootstrap_interval",
    difficulty=2,
    minutes=12,
    hints=(
        "Another test set would give another AUROC. You have only this one, so draw test sets from "
        "it: with replacement, as many normal pictures and as many anomalies as there are.",
        "`rng.choice(normal, len(normal))` draws with replacement. Do it for both groups, apply the "
        "statistic, many times; the interval cuts off the same share at both ends.",
        "`tail = (1 - confidence) / 2`, then `np.quantile(values, [tail, 1 - tail])`, with "
        "`rng = np.random.default_rng(seed)`.",
    ),
    probe=probe_bootstrap,
    misconceptions=(
        Misconception(
            "pooled",
            "You resample all scores together, so the number of anomalies varies from draw to draw. "
            "Their number was your choice, not chance: resample each group by itself.",
            _boot(draw=_pooled_draw),
        ),
        Misconception(
            "without_replacement",
            "You draw without replacement, which only shuffles: every resample is the same test set. "
            "`rng.choice` replaces by default.",
            _boot(draw=lambda rng, n, a: (rng.permutation(n), rng.permutation(a))),
        ),
        Misconception(
            "normals_fixed",
            "You resample the anomalies only. Other normal pictures would change the result as well: "
            "resample both groups.",
            _boot(draw=lambda rng, n, a: (n, rng.choice(a, len(a)))),
        ),
        Misconception(
            "anomalies_fixed",
            "You resample the normal pictures only. Other anomalies would change the result as well: "
            "resample both groups.",
            _boot(draw=lambda rng, n, a: (rng.choice(n, len(n)), a)),
        ),
        Misconception(
            "tails_not_halved",
            "You cut off 1 - confidence at *each* end, which leaves a 90 % interval of the 95 % one: "
            "half of it belongs to each end.",
            _boot(summary=lambda v, tail: np.quantile(v, [2 * tail, 1 - 2 * tail])),
        ),
        Misconception(
            "percent_and_share",
            "`np.percentile` counts in percent, 2.5, not in shares, 0.025: your interval takes in "
            "hardly anything. `np.quantile` counts in shares.",
            _boot(summary=lambda v, tail: np.percentile(v, [tail, 1 - tail])),
        ),
        Misconception(
            "gaussian",
            "You take mean ± 1.96 standard deviations. Near 1 an AUROC is not Gaussian, and such an "
            "interval can pass 1. Take the quantiles themselves.",
            _boot(summary=lambda v, tail: (v.mean() - 1.96 * v.std(), v.mean() + 1.96 * v.std())),
        ),
        Misconception(
            "extremes",
            "You take the smallest and the largest value, which grow apart with the number of "
            "resamples. Take quantiles.",
            _boot(summary=lambda v, tail: (v.min(), v.max())),
        ),
        Misconception(
            "confidence_ignored",
            "95 % comes out right, other confidences do not: use the argument.",
            _boot(summary=lambda v, tail: np.quantile(v, [0.025, 0.975])),
        ),
        Misconception(
            "statistic_ignored",
            "You always compute the AUROC. The statistic is an argument: the same function should "
            "serve for the false-alarm rate.",
            lambda n, a, statistic=auroc, confidence=0.95, resamples=500, seed=0: (
                bootstrap_interval(n, a, auroc, confidence, resamples, seed)
            ),
        ),
        Misconception(
            "unseeded",
            "Each call gives another interval. Make the generator from the argument: "
            "`np.random.default_rng(seed)`.",
            lambda n, a, statistic=auroc, confidence=0.95, resamples=500, seed=0: _bootstrap(
                n, a, statistic, confidence, resamples, rng=np.random.default_rng()
            ),
        ),
        Misconception(
            "global_seed",
            "The interval is right, but `np.random.seed` resets the random numbers of the whole "
            "session. Use a generator of your own.",
            _global_bootstrap,
        ),
    ),
)

# --- 3.4 and 3.5 ------------------------------------------------------------------------------


def probe_block(f, out_shape, parameters):
    """What both blocks have in common; they take 3 channels to 5."""
    block = f(3, 5)
    says = f"Return a module, an `nn.Sequential` of three layers; yours gave {kind_of(block)}."
    yield form(isinstance(block, nn.Module), says)
    x = torch.randn(4, 3, 8, 12)
    yield shape("A batch (4, 3, 8, 12) through a block from 3 to 5 channels", block(x), out_shape)
    weights = sum(p.numel() for p in block.parameters())
    says = f"The block should have {parameters} parameters; yours has {weights}."
    yield Finding("wrong_value", weights, weights == parameters, says)

    train = f(3, 5).train()
    y, louder = train(x), train(100 * x)
    same = torch.allclose(y, louder, atol=0.02)
    says = "A picture a hundred times brighter should give the same in training mode: normalise."
    yield Finding("wrong_value", same, same, says)
    centred = bool(y.mean(dim=(0, 2, 3)).abs().max() < 1e-4)
    says = "The activation comes last, after the normalisation."
    yield Finding("wrong_value", centred, not centred, says)
    fresh = f(3, 5).eval()  # normalises with mean 0 and variance 1
    there, back = fresh(x), fresh(-x)
    slope = -(torch.minimum(there, back) / torch.maximum(there, back)).median().item()
    yield value("The slope of the activation below zero", slope, 0.01, tolerance=0.002)
    says = (
        "A second call gives the same object: make new layers each time, or blocks share weights."
    )
    yield behaviour(f(3, 5) is not block, says)


def probe_down(f):
    yield from probe_block(f, (4, 5, 4, 6), 3 * 5 * 9 + 2 * 5)
    yield shape(
        "A batch (1, 2, 6, 10) from 2 to 4 channels", f(2, 4)(torch.rand(1, 2, 6, 10)), (1, 4, 3, 5)
    )


def probe_up(f):
    yield from probe_block(f, (4, 5, 16, 24), 3 * 5 * 9 + 2 * 5)
    yield shape(
        "A batch (1, 2, 3, 5) from 2 to 4 channels", f(2, 4)(torch.rand(1, 2, 3, 5)), (1, 4, 6, 10)
    )


def _block(
    layer=nn.Conv2d, norm=nn.BatchNorm2d, act=nn.LeakyReLU, order="cna", swap=False, **options
):
    """A block with something changed; `order` of convolution, norm, activation."""
    options = {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False} | options
    if layer is nn.ConvTranspose2d:
        options = {"output_padding": 1} | options

    def make(in_channels, out_channels):
        if swap:
            in_channels, out_channels = out_channels, in_channels
        parts = {
            "c": layer(in_channels, out_channels, **options),
            "n": norm(out_channels),
            "a": act(),
        }
        return nn.Sequential(*(parts[letter] for letter in order))

    return make


def _block_mistakes(layer):
    return (
        Misconception(
            "bias_kept",
            "The convolution has a bias. The normalisation after it subtracts the channel's mean, so "
            "the bias is lost again: `bias=False`.",
            _block(layer, bias=True),
        ),
        Misconception(
            "no_normalisation",
            "The batch normalisation is missing. It keeps the channels on one scale, whatever the "
            "brightness of the pictures: `nn.BatchNorm2d(out_channels)`.",
            _block(layer, order="ca"),
        ),
        Misconception(
            "activation_before_normalisation",
            "The activation comes before the normalisation, which then moves half of the values below "
            "zero again. Convolution, normalisation, activation.",
            _block(layer, order="can"),
        ),
        Misconception(
            "relu",
            "Yours is a ReLU: below zero it gives nothing and passes no gradient. `nn.LeakyReLU()` "
            "leaves a slope of 0.01.",
            _block(layer, act=nn.ReLU),
        ),
        Misconception(
            "no_activation",
            "There is no activation, so the blocks together are one linear map: end with "
            "`nn.LeakyReLU()`.",
            _block(layer, order="cn"),
        ),
        Misconception(
            "channels_swapped",
            "The channels have changed places: the first argument is what comes in.",
            _block(layer, swap=True),
        ),
    )


DOWN = Exercise(
    id="3.4",
    title="a block that halves",
    reference="helpers.models.down_block",
    difficulty=1,
    minutes=6,
    hints=(
        "Three layers in a row: one that halves and mixes channels, one that brings each channel to "
        "one scale, one that bends.",
        "A 3×3 convolution with stride 2 and padding 1 halves an even side. The normalisation that "
        "follows makes its bias useless.",
        "`nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1, "
        "bias=False), nn.BatchNorm2d(out_channels), nn.LeakyReLU())`",
    ),
    probe=probe_down,
    misconceptions=(
        *_block_mistakes(nn.Conv2d),
        Misconception(
            "no_stride",
            "Your block keeps the size: the convolution needs `stride=2` to halve it.",
            _block(stride=1),
        ),
        Misconception(
            "no_padding",
            "Your block loses a row and a column: with `padding=1` a 3×3 convolution of stride 2 "
            "halves an even side exactly.",
            _block(padding=0),
        ),
    ),
)

UP = Exercise(
    id="3.5",
    title="a block that doubles",
    reference="helpers.models.up_block",
    difficulty=1,
    minutes=6,
    hints=(
        "The mirror image: the same three layers, with a convolution that runs backwards.",
        "From n pixels a transposed convolution makes (n - 1)·2 - 2 + 3 = 2n - 1. One row and one "
        "column are missing; module 1 had the same.",
        "`nn.ConvTranspose2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1, "
        "output_padding=1, bias=False)`, then `nn.BatchNorm2d` and `nn.LeakyReLU`.",
    ),
    probe=probe_up,
    misconceptions=(
        *_block_mistakes(nn.ConvTranspose2d),
        Misconception(
            "no_output_padding",
            "Your block gives 15×23 where 16×24 is wanted. 15 and 16 both halve to 8: "
            "`output_padding=1` says which of them is meant.",
            _block(nn.ConvTranspose2d, output_padding=0),
        ),
        Misconception(
            "not_transposed",
            "Your block halves: `nn.Conv2d` goes down, `nn.ConvTranspose2d` up.",
            _block(nn.Conv2d),
        ),
        Misconception(
            "kernel_of_four",
            "The shape is right, but with a kernel of 4×4 pixels. The decoder mirrors the encoder: 3×3, "
            "with `padding=1` and `output_padding=1`.",
            _block(nn.ConvTranspose2d, kernel_size=4, output_padding=0),
        ),
    ),
)

# --- 3.6 --------------------------------------------------------------------------------------


def probe_fpr(f):
    normal, anomaly = np.arange(1.0, 11.0), np.array([4.5, 20.0, 8.5, 9.5])
    yield value(
        "Normal 1 to 10, anomalies 4.5 8.5 9.5 20, tpr=0.75 (flag from 8.5 on: 9 and 10 alarm)",
        f(normal, anomaly, 0.75),
        0.2,
    )
    yield value("... tpr=1 (flag from 4.5 on)", f(normal, anomaly, 1.0), 0.6)
    yield value("... tpr=0.5 (flag from 9.5 on)", f(normal, anomaly, 0.5), 0.1)
    yield value("... tpr=0.6, which needs three of four", f(normal, anomaly, 0.6), 0.2)
    yield value("... at the default, tpr=0.95", f(normal, anomaly), 0.6)
    yield value("Anomalies above all normals", f([1.0, 2.0], [3.0, 4.0]), 0)
    yield value("Ties: normal 1 2 2 3, anomalies 2 3, tpr=1", f([1, 2, 2, 3], [2, 3], 1.0), 0.75)
    # (1/3, 1/3), (2/3, 2/3) and (1, 1) lie on a line
    yield value("Normal 1 2 3, anomalies 1 2 3, tpr=0.5", f([1, 2, 3], [1, 2, 3], 0.5), 2 / 3)
    says = "Your function changes the scores in place."
    yield behaviour(bool(normal[0] == 1 and anomaly[0] == 4.5), says)


def _roc(normal, anomaly, **options):
    labels = np.repeat([0, 1], [len(normal), len(anomaly)])
    return roc_curve(
        labels, np.concatenate([normal, anomaly]), **{"drop_intermediate": False} | options
    )


def _fpr(pick, **options):
    def variant(normal_scores, anomaly_scores, tpr=0.95):
        false_alarms, found, _ = _roc(normal_scores, anomaly_scores, **options)
        return float(pick(false_alarms, found, tpr))

    return variant


FPR = Exercise(
    id="3.6",
    title="false alarms at 95 % found",
    reference="helpers.metrics.fpr_at_tpr",
    difficulty=2,
    minutes=8,
    hints=(
        "Lower the threshold until enough anomalies are found, then count the normal pictures that "
        "are flagged as well. The ROC curve has all thresholds, the strictest first.",
        "`roc_curve` gives false-alarm rates, detection rates and thresholds. The first point with a "
        "detection rate of at least `tpr` is the one.",
        "`false_alarms, found, _ = roc_curve(is_anomaly, scores, drop_intermediate=False)`, then "
        "`false_alarms[found >= tpr][0]`.",
    ),
    probe=probe_fpr,
    misconceptions=(
        Misconception(
            "interpolated",
            "You interpolate between two thresholds. Between them there is no detector: take the first "
            "point that finds at least `tpr`.",
            _fpr(lambda fpr, found, tpr: np.interp(tpr, found, fpr)),
        ),
        Misconception(
            "other_way_round",
            "Yours is the detection rate at a false-alarm rate of 1 - tpr. Fix the detection rate and "
            "read off the false alarms.",
            _fpr(lambda fpr, found, tpr: found[fpr <= 1 - tpr][-1]),
        ),
        Misconception(
            "just_below",
            "You take the last point *below* the wanted detection rate: it finds too few. Take the "
            "first with at least `tpr`.",
            _fpr(lambda fpr, found, tpr: fpr[found < tpr][-1]),
        ),
        Misconception(
            "more_than",
            "A detection rate of exactly `tpr` is enough: compare with `>=`.",
            _fpr(lambda fpr, found, tpr: fpr[found > tpr][0] if (found > tpr).any() else 1.0),
        ),
        Misconception(
            "normals_as_anomalies",
            "The labels are the wrong way round: 1 stands for an anomaly, the class that is to be "
            "found.",
            lambda normal, anomaly, tpr=0.95: fpr_at_tpr(anomaly, normal, tpr),
        ),
        Misconception(
            "missed_at",
            "Yours is the share of normal pictures left alone. False alarms are the others.",
            _fpr(lambda fpr, found, tpr: 1 - fpr[found >= tpr][0]),
        ),
        Misconception(
            "tpr_ignored",
            "You always use 95 %: use the argument `tpr`.",
            _fpr(lambda fpr, found, tpr: fpr[found >= 0.95][0]),
        ),
        Misconception(
            "points_dropped",
            "Right where scores differ, but `roc_curve` leaves out points on a straight line, and with "
            "tied scores yours may be among them: `drop_intermediate=False`.",
            _fpr(lambda fpr, found, tpr: fpr[found >= tpr][0], drop_intermediate=True),
        ),
    ),
)

# --- 3.7 --------------------------------------------------------------------------------------


def probe_precision(f):
    yield value("tpr 0.9, fpr 0.1, one anomaly in 2", f(0.9, 0.1, 0.5), 0.9)
    # of 1,000 pictures 10 are anomalies: 9 found, 99 false alarms
    yield value(
        "tpr 0.9, fpr 0.1, one anomaly in 100 (9 of 108 alarms)", f(0.9, 0.1, 0.01), 9 / 108
    )
    yield value("tpr 0.5, fpr 0.5, one in 5: no better than guessing", f(0.5, 0.5, 0.2), 0.2)
    yield value("No false alarms at all, one in 1,000", f(0.3, 0.0, 0.001), 1.0)
    rare = np.array([0.5, 0.01])
    yield value("An array of prevalences, 0.5 and 0.01", f(0.9, 0.1, rare), [0.9, 9 / 108])
    yield behaviour(bool(rare[1] == 0.01), "Your function changes the prevalences in place.")


PRECISION = Exercise(
    id="3.7",
    title="precision where anomalies are rare",
    reference="helpers.metrics.precision_at_prevalence",
    difficulty=1,
    minutes=6,
    hints=(
        "Imagine 1,000 pictures. How many are anomalies, and how many of those are flagged? How many "
        "are normal, and how many of those?",
        "A share `tpr * prevalence` of all pictures is flagged rightly, a share "
        "`fpr * (1 - prevalence)` wrongly.",
        "`found / (found + false_alarms)`, with the two shares of the second hint.",
    ),
    probe=probe_precision,
    misconceptions=(
        Misconception(
            "prevalence_ignored",
            "Yours is right for one anomaly in two, and the same for every prevalence. Weigh the "
            "detection rate with how many anomalies there are, the false alarms with how many normal "
            "pictures.",
            lambda tpr, fpr, prevalence: tpr / (tpr + fpr) + 0 * prevalence,
        ),
        Misconception(
            "weights_swapped",
            "The rarer the anomalies, the *higher* your precision: prevalence and 1 - prevalence have "
            "changed places.",
            lambda tpr, fpr, p: tpr * (1 - p) / (tpr * (1 - p) + fpr * p),
        ),
        Misconception(
            "false_alarms_not_weighted",
            "False alarms come from the normal pictures only: weigh `fpr` with 1 - prevalence.",
            lambda tpr, fpr, p: tpr * p / (tpr * p + fpr),
        ),
        Misconception(
            "false_discovery",
            "Yours is the share of *false* alarms among the alarms; precision is the share of right "
            "ones.",
            lambda tpr, fpr, p: fpr * (1 - p) / (tpr * p + fpr * (1 - p)),
        ),
        Misconception(
            "accuracy",
            "Yours is the accuracy, the share of right decisions over all pictures. Where anomalies "
            "are rare it is high even if nothing is found.",
            lambda tpr, fpr, p: tpr * p + (1 - fpr) * (1 - p),
        ),
        Misconception(
            "not_divided",
            "Yours is the share of all pictures that are flagged rightly. Divide by the share that is "
            "flagged at all.",
            lambda tpr, fpr, p: tpr * p,
        ),
    ),
)

# --- 3.8 --------------------------------------------------------------------------------------


def probe_mahalanobis(f):
    # two directions, at right angles: variance 50 along (1, 1), 0.5 along (1, -1); mean (3, 1)
    long, short = torch.tensor([1.0, 1.0]) / 2**0.5, torch.tensor([1.0, -1.0]) / 2**0.5
    mean = torch.tensor([3.0, 1.0])
    cross = torch.stack([10 * long, -10 * long, short, -short])
    z_train = mean + cross.repeat(1000, 1)
    z = torch.stack([mean, mean + 5 * long, mean + 5 * short])
    seen = f(z_train, z)
    yield shape("Three codes of two numbers", seen, (3,))
    yield value("The mean of the training codes", seen[:1], [0], tolerance=1e-3)
    yield value(
        "5 away from the mean, where the training codes have a variance of 50, and where 0.5",
        seen[1:],
        [0.7071, 7.0711],
        tolerance=0.05,
    )
    yield value("A code alone in its batch", f(z_train, z[1:2]), [0.7071], tolerance=0.05)
    # the same variance s = 4/8·... in every direction: nothing to shrink
    corners = torch.cat([torch.eye(4), -torch.eye(4)]) * 2  # variance 1 in four directions
    yield value("Variance 1 in four directions, 3 away", f(corners, 3 * torch.eye(4)[:1]), [3.0])
    # fewer codes than directions: a covariance without an inverse
    few = torch.zeros(6, 20)
    few[:, :3] = torch.tensor(
        [[2.0, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
    )
    far = torch.zeros(2, 20)
    far[0, 0], far[1, 10] = 3.0, 3.0  # along the spread, and where no training code goes
    inside, outside = (float(v) for v in f(few, far))
    sensible = np.isfinite([inside, outside]).all() and 0 < inside < 1e3 and outside < 1e3
    kind = (bool(np.isfinite(outside)), outside > 1e3, abs(outside) < 1e-3)
    says = (
        "Six codes of 20 numbers have a covariance without an inverse, and your distances are "
        f"{show(np.array([inside, outside]))}: shrink it, with `LedoitWolf`."
    )
    yield Finding("wrong_value", kind, bool(sensible and outside > inside), says)
    double = f(z_train.double(), z.double())
    yield form(double.dtype == torch.float64, "float64 in should be float64 out.")
    yield behaviour(bool(z[0, 0] == 3 and corners[0, 0] == 2), "Your function changes the codes.")


def _distance(z_train, z, precision=None, centre=True, fit=LedoitWolf):
    a, b = z_train.double().numpy(), z.double().numpy()
    mean = a.mean(0) if centre else np.zeros(a.shape[1])
    inverse = fit().fit(a).precision_ if precision is None else precision(a)
    squared = np.einsum("ni,ij,nj->n", b - mean, inverse, b - mean)
    return torch.from_numpy(np.sqrt(squared)).to(z)


MAHALANOBIS = Exercise(
    id="3.8",
    title="Mahalanobis distance",
    reference="helpers.scores.mahalanobis",
    difficulty=2,
    minutes=10,
    hints=(
        "How far is a code from the training codes, measured in their own spread? A step along a "
        "direction in which they vary much counts little.",
        "`LedoitWolf().fit(...)` from scikit-learn estimates mean and covariance, shrunk so that the "
        "inverse exists; its method `.mahalanobis` gives *squared* distances. It wants arrays.",
        "`normal = LedoitWolf().fit(z_train.detach().cpu().numpy())`, "
        "`torch.from_numpy(normal.mahalanobis(z.detach().cpu().numpy())).sqrt().to(z)`.",
    ),
    probe=probe_mahalanobis,
    misconceptions=(
        Misconception(
            "squared",
            "Yours are the squared distances, as scikit-learn gives them. The order is the same, the "
            "unit is not: take the root.",
            lambda z_train, z: mahalanobis(z_train, z) ** 2,
        ),
        Misconception(
            "euclidean",
            "Yours is the plain distance to the mean, the same in all directions. Divide by the spread "
            "of each direction: the inverse covariance does it.",
            lambda z_train, z: (z - z_train.mean(0)).norm(dim=1),
        ),
        Misconception(
            "diagonal",
            "You scale each number of the code by itself. The codes vary along (1, 1) and hardly "
            "along (1, -1), which their variances alone do not show: use the whole covariance.",
            lambda z_train, z: ((z - z_train.mean(0)) / z_train.std(0)).norm(dim=1),
        ),
        Misconception(
            "not_centred",
            "The mean of the training codes should have distance 0: subtract it first.",
            lambda z_train, z: _distance(z_train, z, centre=False),
        ),
        Misconception(
            "not_inverted",
            "A step along the long direction counts *more* in yours: the covariance must be inverted.",
            lambda z_train, z: _distance(
                z_train, z, precision=lambda a: LedoitWolf().fit(a).covariance_
            ),
        ),
        Misconception(
            "fitted_on_z",
            "You fit mean and covariance to the codes that are to be judged. Fit on z_train only.",
            lambda z_train, z: mahalanobis(z, z),
        ),
        Misconception(
            "not_shrunk",
            "Right with thousands of codes. With fewer codes than numbers in a code the covariance has "
            "no inverse, and yours explodes: shrink it, with `LedoitWolf`.",
            lambda z_train, z: _distance(
                z_train,
                z,
                precision=lambda a: np.linalg.inv(np.cov(a.T) + 1e-12 * np.eye(a.shape[1])),
            ),
        ),
        Misconception(
            "pseudo_inverse",
            "Right with thousands of codes. With few, the pseudo-inverse says that a code in a "
            "direction where no training code goes is at distance 0: that is where anomalies are. "
            "Shrink, with `LedoitWolf`.",
            lambda z_train, z: _distance(z_train, z, fit=EmpiricalCovariance),
        ),
        Misconception(
            "one_number",
            "You give one number for the batch. Each picture needs its own distance, shape (N,).",
            lambda z_train, z: mahalanobis(z_train, z).mean(),
        ),
    ),
)

# --- 3.9 --------------------------------------------------------------------------------------


def probe_ssim(f):
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.random((2, 1, 20, 24), dtype=np.float32))
    x_hat = x.clone()
    x_hat[0, 0, 9, 12] += 0.5
    seen = f(x, x_hat)
    yield shape("Two pictures (2, 1, 20, 24)", seen, (2, 1, 20, 24))
    # even pictures a and b: SSIM = (2ab + C)/(a² + b² + C) with C = 0.01²
    dark = torch.full((1, 1, 16, 16), 0.02)
    yield value(
        "An even picture of 0.02 rebuilt as 0.01: SSIM 5/6, so the mean of the map",
        f(dark, dark / 2).mean(),
        1 / 6,
        tolerance=1e-3,
    )
    yield value("A perfect reconstruction: the largest of the map", f(x, x).abs().max(), 0)
    other = float(seen[1].abs().max())
    says = "One picture's reconstruction changes the map of another picture in the batch."
    yield Finding("wrong_value", other > 1e-4, other < 1e-4, says)
    touched = int((seen[0].abs() > 1e-5).sum())
    says = (
        f"One wrong pixel should show in the 7×7 windows that hold it, 49 pixels; yours shows it in "
        f"{touched}."
    )
    yield Finding("wrong_value", touched, touched == 49, says)
    wave = torch.tensor([0.1, 0.9]).repeat(1, 1, 20, 10)
    reversed_ = f(wave, 1 - wave)[..., 5:-5, 5:-5].max().item()
    says = f"Where the structure is reversed the map goes up to nearly 2; yours to {reversed_:.3g}."
    yield Finding("wrong_value", round(4 * reversed_), reversed_ > 1.8, says)
    double = f(x.double(), x_hat.double())
    yield form(double.dtype == torch.float64, "float64 in should be float64 out.")
    yield behaviour(bool((x[1] == x_hat[1]).all()), "Your function changes x or x_hat in place.")


def _ssim(x, x_hat, **options):
    a, b = (y[:, 0].detach().cpu().numpy() for y in (x, x_hat))
    options = {"data_range": 1, "channel_axis": 0, "full": True} | options
    _, similarity = structural_similarity(a, b, **options)
    return 1 - torch.from_numpy(similarity).to(x).unsqueeze(1)


SSIM = Exercise(
    id="3.9",
    title="a map of structural dissimilarity",
    reference="helpers.scores.ssim_residual",
    difficulty=2,
    minutes=10,
    hints=(
        "SSIM compares mean, spread and correlation of two pictures in a small window around each "
        "pixel. A score must rise with what is wrong, so turn it round.",
        "`structural_similarity` from scikit-image gives the map with `full=True`. It needs the range "
        "of the pixels, `data_range=1`, and can take the batch as channels, which it treats one by "
        "one: `channel_axis=0` on (N, H, W).",
        "`_, similarity = structural_similarity(a, b, data_range=1, channel_axis=0, full=True)` with "
        "a, b the arrays of (N, H, W), then `1 - torch.from_numpy(similarity).to(x).unsqueeze(1)`.",
    ),
    probe=probe_ssim,
    misconceptions=(
        Misconception(
            "similarity",
            "Yours is the similarity, 1 where all is right. A score rises with what is wrong: "
            "1 - SSIM.",
            lambda x, x_hat: 1 - ssim_residual(x, x_hat),
        ),
        Misconception(
            "mean",
            "You give one number for each picture. Keep the map, so that we can see *where*: "
            "`full=True` gives it as the second value.",
            lambda x, x_hat: ssim_residual(x, x_hat).mean(dim=(1, 2, 3)),
        ),
        Misconception(
            "range_of_bytes",
            "You tell SSIM that pixels run to 255, so differences below 1 hardly count. Ours run from "
            "0 to 1: `data_range=1`.",
            lambda x, x_hat: _ssim(x, x_hat, data_range=255),
        ),
        Misconception(
            "range_of_two",
            "You tell SSIM that pixels have a range of 2, from -1 to 1. Ours run from 0 to 1: "
            "`data_range=1`.",
            lambda x, x_hat: _ssim(x, x_hat, data_range=2),
        ),
        Misconception(
            "batch_as_volume",
            "The windows reach from one picture into the next: the batch is taken for a volume. "
            "`channel_axis=0` treats its pictures one by one.",
            lambda x, x_hat: 1 - (1 - _ssim(_thick(x), _thick(x_hat), channel_axis=None))[: len(x)],
        ),
        Misconception(
            "gaussian_window",
            "One pixel reaches 11×11 others in yours: a Gaussian window, as in the original paper. It "
            "is as good, but slower, and here we use the library's plain 7×7 window.",
            lambda x, x_hat: _ssim(x, x_hat, gaussian_weights=True),
        ),
        Misconception(
            "halved",
            "You divide by 2, to get from 0 to 1. It is a matter of taste; here the map is 1 - SSIM.",
            lambda x, x_hat: ssim_residual(x, x_hat) / 2,
        ),
        Misconception(
            "clipped",
            "You cut the map off at 1. Where the structure is reversed SSIM is negative, and that is "
            "what one wants to see.",
            lambda x, x_hat: ssim_residual(x, x_hat).clamp(0, 1),
        ),
        Misconception(
            "channel_lost",
            "The map has lost its channel axis: (N, 1, H, W) in, the same out.",
            lambda x, x_hat: ssim_residual(x, x_hat)[:, 0],
        ),
        Misconception(
            "absolute_residual",
            "Yours is the absolute difference of single pixels. SSIM compares small windows.",
            lambda x, x_hat: (x - x_hat).abs(),
        ),
    ),
)


def _thick(x):
    """At least seven pictures, since a window of seven must fit."""
    return torch.cat([x] + [x[-1:]] * max(0, 7 - len(x)))


# --- 3.10 -------------------------------------------------------------------------------------


def probe_paired(f):
    """Scores name their picture; those of detector b are 1,000 higher."""
    calls = {"a": [], "b": []}

    def spy(normal, anomaly):
        normal, anomaly = np.array(normal), np.array(anomaly)
        calls["b" if max(normal.max(), anomaly.max()) >= 1000 else "a"].append((normal, anomaly))
        return np.mean(anomaly)

    groups = NORMALS, ANOMALIES, NORMALS + 1000, ANOMALIES + 1000
    before = _generators()
    interval = f(*groups, statistic=spy, resamples=60)
    says = f"Return two numbers, (low, high); yours gave {kind_of(interval)}."
    yield form(is_pair(interval), says, seen="a pair" if is_pair(interval) else kind_of(interval))
    each = len(calls["a"]), len(calls["b"])
    says = (
        f"With resamples=60 each detector should be judged 60 times; yours {each[0]} and {each[1]}."
    )
    yield Finding("wrong_value", each[0] > 50 and each[1] > 50, set(each) <= {60, 61}, says)
    a, b = calls["a"], calls["b"]
    sizes = {(len(n), len(x)) for n, x in a + b}
    says = f"Each resample should hold 30 normal scores and 20 anomalies; yours held {sorted(sizes)[:3]}."
    yield Finding("wrong_value", len(sizes) > 1, sizes == {(30, 20)}, says)
    repeats = [any(len(np.unique(call[g])) < len(call[g]) for call in a) for g in (0, 1)]
    says = "Draw with replacement, normal pictures and anomalies: some twice, others not at all."
    yield Finding("wrong_value", tuple(repeats), all(repeats), says)
    paired = [
        all(np.array_equal(np.sort(p[g]) + 1000, np.sort(q[g])) for p, q in zip(a, b, strict=False))
        for g in (0, 1)
    ]
    says = "Both detectors must be judged on the *same* drawn pictures."
    yield Finding("wrong_value", tuple(paired), all(paired), says)
    low, high = (float(end) for end in interval)
    yield value("Detector b is 1,000 higher on every picture: a - b", [low, high], [-1000, -1000])

    def one_sided(**more):
        numbers = more.pop("statistic")
        judge = lambda n, x: 0 if np.max(n) >= 1000 else numbers(n, x)  # noqa: E731
        return f(*groups, statistic=judge, **more)

    yield _ranks(one_sided, 0.95, (26, 975))
    yield _ranks(one_sided, 0.80, (101, 900))
    rng = np.random.default_rng(0)
    noisy = [
        rng.normal(size=30),
        rng.normal(1, size=20),
        rng.normal(size=30),
        rng.normal(1, size=20),
    ]
    first = tuple(f(*noisy, resamples=50))
    same = first == tuple(f(*noisy, resamples=50))
    yield behaviour(same, "Two calls with the same seed give two intervals: use `seed`.")
    changed = first != tuple(f(*noisy, resamples=50, seed=1))
    yield behaviour(changed, "seed=1 gives the same interval as seed=0: use the argument.")
    says = "Your function moves the random numbers of the session: `np.random.default_rng(seed)`."
    yield behaviour(_generators() == before, says)


def _paired(draw=None, difference=np.subtract, summary=None):
    """paired_difference with one of its steps changed."""

    def variant(
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
        n, m = len(normal_a), len(anomaly_a)
        pick = draw or _same_pictures
        values = []
        for _ in range(resamples):
            (i, j), (k, other) = pick(rng, n, m)
            one = statistic(normal_a[i], anomaly_a[j])
            values.append(difference(one, statistic(normal_b[k], anomaly_b[other])))
        tail = (1 - confidence) / 2
        ends = (summary or (lambda v, tail: np.quantile(v, [tail, 1 - tail])))(
            np.array(values), tail
        )
        return float(ends[0]), float(ends[1])

    return variant


def _same_pictures(rng, n, m):
    picks = rng.integers(n, size=n), rng.integers(m, size=m)
    return picks, picks


def _each_its_own(rng, n, m):
    return _same_pictures(rng, n, m)[0], _same_pictures(rng, n, m)[0]


def _only_anomalies(rng, n, m):
    picks = np.arange(n), rng.integers(m, size=m)
    return picks, picks


def _shuffled(rng, n, m):
    picks = rng.permutation(n), rng.permutation(m)
    return picks, picks


def _anomalies_paired_only(rng, n, m):
    j = rng.integers(m, size=m)
    return (rng.integers(n, size=n), j), (rng.integers(n, size=n), j)


def _difference_of_intervals(
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
    a, b = (
        bootstrap_interval(normal_a, anomaly_a, *rest),
        bootstrap_interval(normal_b, anomaly_b, *rest),
    )
    return a[0] - b[1], a[1] - b[0]


PAIRED = Exercise(
    id="3.10",
    title="the difference of two detectors",
    reference="helpers.metrics.paired_difference",
    difficulty=3,
    minutes=12,
    hints=(
        "Both detectors have judged the same pictures, so what is hard for one is mostly hard for the "
        "other. That luck of the draw cancels, if both are compared on the same drawn pictures.",
        "Draw *positions*, once for the normal pictures and once for the anomalies, and index the "
        "scores of both detectors with them. Collect statistic(a) - statistic(b).",
        "`i = rng.integers(n, size=n)`, `j = rng.integers(m, size=m)`, then "
        "`statistic(normal_a[i], anomaly_a[j]) - statistic(normal_b[i], anomaly_b[j])`; quantiles as "
        "in 3.3.",
    ),
    probe=probe_paired,
    misconceptions=(
        Misconception(
            "not_paired",
            "Each detector gets pictures of its own, so their luck adds up and real differences "
            "drown. Draw the positions once and use them for both.",
            _paired(_each_its_own),
        ),
        Misconception(
            "difference_of_intervals",
            "You compare two separate intervals. Two intervals may overlap although one detector is "
            "better on nearly every draw: take the difference inside each draw.",
            _difference_of_intervals,
        ),
        Misconception(
            "normals_not_paired",
            "The anomalies are the same for both detectors, the normal pictures are not: draw their "
            "positions once, too.",
            _paired(_anomalies_paired_only),
        ),
        Misconception(
            "only_anomalies",
            "You resample the anomalies only. Other normal pictures would change the difference as "
            "well.",
            _paired(_only_anomalies),
        ),
        Misconception(
            "without_replacement",
            "You draw without replacement, which only shuffles: every draw is the same test set.",
            _paired(_shuffled),
        ),
        Misconception(
            "sign",
            "Yours is b - a. The first detector comes first: positive means that a is better.",
            _paired(difference=lambda a, b: b - a),
        ),
        Misconception(
            "absolute",
            "You take the absolute difference, which is never below 0: then no interval can hold 0, "
            "and every difference looks real.",
            _paired(difference=lambda a, b: abs(a - b)),
        ),
        Misconception(
            "tails_not_halved",
            "You cut off 1 - confidence at each end; half of it belongs to each.",
            _paired(summary=lambda v, tail: np.quantile(v, [2 * tail, 1 - 2 * tail])),
        ),
        Misconception(
            "standard_error",
            "You divide the spread by the root of the number of resamples. That interval shrinks with "
            "your patience, not with your data: take the quantiles.",
            _paired(
                summary=lambda v, tail: v.mean() + np.array([-1.96, 1.96]) * v.std() / len(v) ** 0.5
            ),
        ),
    ),
)

# --- 3.11 -------------------------------------------------------------------------------------


def probe_lesion(f):
    image = np.full((1, 3, 4), 30, dtype=np.uint8)
    cover = np.zeros((3, 4))
    for place, grey, share in (
        ((0, 1), 100, 1),
        ((0, 2), 60, 1),
        ((1, 1), 80, 0.5),
        ((1, 2), 80, 0.25),
    ):
        image[(0, *place)], cover[place] = grey, share
    before = image.copy()  # the covered mean is (100 + 60 + 40 + 20) / 2.75 = 80
    pair = f(image, cover, 40)
    says = f"Return two arrays, the picture and the mask; yours gave {kind_of(pair)}."
    yield form(is_pair(pair), says, seen="a pair" if is_pair(pair) else kind_of(pair))
    lesioned, mask = (np.asarray(part) for part in pair)
    says = f"The picture should be uint8 (1, 3, 4); yours is {lesioned.dtype} {lesioned.shape}."
    right = lesioned.dtype == np.uint8 and lesioned.shape == (1, 3, 4)
    yield form(right, says, seen=(str(lesioned.dtype), lesioned.shape))
    says = f"The mask should be bool (3, 4); yours is {mask.dtype} {mask.shape}."
    yield form(
        mask.dtype == bool and mask.shape == (3, 4), says, seen=(str(mask.dtype), mask.shape)
    )
    covered = [lesioned[(0, *p)] for p in ((0, 1), (0, 2), (1, 1), (1, 2))]
    yield value(
        "Greys 100 60 80 80, covered by 1 1 0.5 0.25 (mean 80), contrast 40",
        covered,
        [120, 120, 100, 90],
    )
    outside = np.setdiff1d(np.arange(12), [1, 2, 5, 6])
    yield value("The pixels that nothing covers", lesioned.ravel()[outside], np.full(8, 30))
    marked = [bool(mask[p]) for p in ((0, 1), (0, 2), (1, 1), (1, 2))]
    says = f"Covered by 1, 1, 0.5 and 0.25, the first three are inside; yours marks {marked}."
    yield Finding("wrong_value", (*marked, int(mask.sum())), marked == [True] * 3 + [False], says)
    dark, _ = f(image, cover, -100)
    yield value("Contrast -100: no pixel below 0", [dark[0, 0, 1], dark[0, 1, 2]], [0, 60])
    bright, _ = f(image, cover, 43)
    yield value(
        "Contrast 43: 123, and 90.75 rounded", [bright[0, 0, 2], bright[0, 1, 2]], [123, 91]
    )
    colour = np.concatenate([image, image // 2, image // 2])
    yield value("Colour: each channel its own mean", f(colour, cover, 0)[0][:, 0, 1], [80, 40, 40])
    yield behaviour(bool((image == before).all()), "Your function changes the picture in place.")


def _lesion(image, cover, contrast, *, grey=None, blend=None, inside=None, write=None):
    image = np.asarray(image, dtype=float)
    grey = grey or (lambda image, cover: (cover * image).sum((1, 2), keepdims=True) / cover.sum())
    level = grey(image, cover) + contrast
    lesioned = (blend or (lambda x, c, g: x + c * (g.clip(0, 255) - x)))(image, cover, level)
    write = write or (lambda x: np.rint(x).astype(np.uint8))
    return write(lesioned), (inside or (lambda c: c >= 0.5))(cover)


def _painted(**changes):
    return lambda image, cover, contrast: _lesion(image, cover, contrast, **changes)


def _painted_in_place(image, cover, contrast):
    lesioned, mask = paint_lesion(image, cover, contrast)
    image[:] = lesioned
    return image, mask


LESION = Exercise(
    id="3.11",
    title="a lesion and its mask",
    reference="helpers.datasets.samples.lesions.paint_lesion",
    difficulty=2,
    minutes=10,
    hints=(
        "A lesion takes the place of the anatomy: the texture below it is gone. At its edge, pixels are "
        "part lesion, part anatomy.",
        "The grey is the mean of what is covered, weighted with the cover, plus the contrast, kept in "
        "[0, 255]. Each pixel moves towards it by its share. Compute in floats, round at the end.",
        "`grey = (cover * image).sum((1, 2), keepdims=True) / cover.sum() + contrast`, "
        "`image + cover * (grey.clip(0, 255) - image)`, `np.rint(...).astype(np.uint8)`, and "
        "`cover >= 0.5`.",
    ),
    probe=probe_lesion,
    misconceptions=(
        Misconception(
            "contrast_added",
            "You add the contrast to what is there, so the texture below shines through. A lesion "
            "*replaces* the anatomy by an even grey.",
            _painted(grey=lambda x, c: x),
        ),
        Misconception(
            "hard_edge",
            "Your edge is hard: a pixel that is half covered changes wholly. Move each pixel towards "
            "the grey by its share, `image + cover * (grey - image)`.",
            _painted(blend=lambda x, c, g: np.where(c >= 0.5, g.clip(0, 255), x)),
        ),
        Misconception(
            "mean_of_the_picture",
            "You take the mean of the whole picture. The contrast is meant to what the lesion covers: "
            "average there.",
            _painted(grey=lambda x, c: x.mean((1, 2), keepdims=True)),
        ),
        Misconception(
            "mean_not_weighted",
            "You average all pixels that are touched. A pixel of which the lesion covers a quarter "
            "counts a quarter: weigh with the cover.",
            _painted(
                grey=lambda x, c: (x * (c > 0)).sum((1, 2), keepdims=True) / (c > 0).sum() + 0.8
            ),
        ),
        Misconception(
            "not_clipped",
            "With a strong contrast the grey leaves [0, 255], and as a byte it starts again from the "
            "other end: black turns white. Clip it.",
            _painted(
                blend=lambda x, c, g: x + c * (g - x),
                write=lambda x: np.rint(x).astype(int).astype(np.uint8),
            ),
        ),
        Misconception(
            "clipped_at_the_end",
            "You clip the mixed pixels instead of the grey, so the soft edge is darker than a lesion "
            "of black can make it: clip the grey before mixing.",
            _painted(
                blend=lambda x, c, g: x + c * (g - x),
                write=lambda x: np.rint(x.clip(0, 255)).astype(np.uint8),
            ),
        ),
        Misconception(
            "truncated",
            "`astype(np.uint8)` cuts off the fraction, which darkens by half a grey value on average: "
            "round first, with `np.rint`.",
            _painted(write=lambda x: x.astype(np.uint8)),
        ),
        Misconception(
            "mask_of_all_touched",
            "Your mask takes in every pixel that is touched. Half is the limit: `cover >= 0.5`.",
            _painted(inside=lambda c: c > 0),
        ),
        Misconception(
            "mask_strict",
            "A pixel that is exactly half covered belongs to the lesion: `>=`.",
            _painted(inside=lambda c: c > 0.5),
        ),
        Misconception(
            "cover_as_mask",
            "You return the cover. A mask says yes or no: `cover >= 0.5`.",
            _painted(inside=lambda c: c),
        ),
        Misconception(
            "in_place",
            "All is right, but the caller's picture has changed: it can no longer serve as the healthy "
            "one. Compute a new array.",
            _painted_in_place,
        ),
    ),
)

# --- 3.12 -------------------------------------------------------------------------------------


def probe_dice(f):
    a, b = np.zeros((4, 5), dtype=bool), np.zeros((4, 5), dtype=bool)
    a[0, :3], b[0, 1:] = True, True  # 3 pixels, 4 pixels, 2 of them shared
    yield value("Masks of 3 and 4 pixels that share 2", f(a, b), 4 / 7)
    yield value("A mask and itself", f(a, a), 1)
    yield value("A mask of 3 pixels inside one of 20", f(a, np.ones_like(a)), 6 / 23)
    yield value("... the other way round", f(np.ones_like(a), a), 6 / 23)
    yield value("Masks that share nothing", f(a, ~a), 0)
    yield value("One mask is empty", f(a, np.zeros_like(a)), 0)
    yield value(
        "Two pictures together: 4/7 in one, nothing in the other but 3",
        f([a, a], [b, ~b & ~a & False]),
        4 / 10,
    )
    yield value("Two empty masks agree", f(a & False, b & False), 1)
    yield value("Masks of 0 and 1 as numbers", f(a.astype(np.uint8), b.astype(np.uint8)), 4 / 7)
    yield behaviour(bool(a.sum() == 3 and b.sum() == 4), "Your function changes the masks.")


def _masks(a, b):
    a, b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    return a, b, (a & b).sum()


def _ratio(top, bottom, empty=1.0):
    return float(top / bottom) if bottom else empty


def _dice_by_picture(a, b):
    a, b, _ = _masks(a, b)
    if a.ndim == 2:
        return _ratio(2 * (a & b).sum(), a.sum() + b.sum())
    pairs = zip(a, b, strict=True)
    return float(np.mean([_ratio(2 * (p & q).sum(), p.sum() + q.sum()) for p, q in pairs]))


def _over(bottom, factor=1):
    def variant(a, b):
        a, b, shared = _masks(a, b)
        return _ratio(factor * shared, bottom(a, b))

    return variant


DICE = Exercise(
    id="3.12",
    title="Dice",
    reference="helpers.metrics.dice",
    difficulty=1,
    minutes=5,
    hints=(
        "Two masks of equal size that agree fully share as much as each of them holds. Compare what "
        "they share with what they hold on average.",
        "`(a & b).sum()` is what they share, `a.sum() + b.sum()` twice what they hold on average. "
        "Mind two masks without a pixel.",
        "`2 * (a & b).sum() / (a.sum() + b.sum())`, and 1.0 where both are empty.",
    ),
    probe=probe_dice,
    misconceptions=(
        Misconception(
            "iou",
            "Yours is intersection over union (Jaccard). It ranks alike, but is smaller: Dice divides "
            "twice the shared pixels by the sum of both sizes.",
            _over(lambda a, b: (a | b).sum()),
        ),
        Misconception(
            "two_forgotten",
            "A mask and itself should give 1, yours gives one half: the factor 2 is missing.",
            _over(lambda a, b: a.sum() + b.sum()),
        ),
        Misconception(
            "precision",
            "You divide by the size of one mask only: then marking a single sure pixel, or the whole "
            "picture, looks perfect.",
            _over(lambda a, b: a.sum()),
        ),
        Misconception(
            "recall",
            "You divide by the size of the second mask only, so that marking the whole picture looks "
            "perfect.",
            _over(lambda a, b: b.sum()),
        ),
        Misconception(
            "accuracy",
            "You count all pixels on which the masks agree, the empty background included. Lesions are "
            "small, so an empty mask would look good.",
            lambda a, b: float((_masks(a, b)[0] == _masks(a, b)[1]).mean()),
        ),
        Misconception(
            "smaller_mask",
            "You divide by the size of the smaller mask (the overlap coefficient): a mask inside "
            "another looks perfect.",
            _over(lambda a, b: min(a.sum(), b.sum())),
        ),
        Misconception(
            "empty_is_nan",
            "Two empty masks give 0/0 in yours. They agree: 1.",
            lambda a, b: _ratio(
                2 * _masks(a, b)[2], _masks(a, b)[0].sum() + _masks(a, b)[1].sum(), np.nan
            ),
        ),
        Misconception(
            "empty_is_zero",
            "Two empty masks agree in every pixel, and yours gives 0. Give 1.",
            lambda a, b: _ratio(
                2 * _masks(a, b)[2], _masks(a, b)[0].sum() + _masks(a, b)[1].sum(), 0.0
            ),
        ),
        Misconception(
            "mean_of_pictures",
            "You average Dice over the pictures. Here all pixels count together, so that a small "
            "lesion does not weigh as much as a large one.",
            _dice_by_picture,
        ),
    ),
)

EXERCISES = (
    SPLIT,
    PER_CLASS,
    BOOTSTRAP,
    DOWN,
    UP,
    FPR,
    PRECISION,
    MAHALANOBIS,
    SSIM,
    PAIRED,
    LESION,
    DICE,
)
