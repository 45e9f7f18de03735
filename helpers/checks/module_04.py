"""Probes of module 4: roles, temperature, the screen, complexity, scores of a classifier, risk."""

import warnings
from dataclasses import replace

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

from helpers.checks.exercise import declared
from helpers.checks.findings import (
    Finding,
    behaviour,
    cases,
    form,
    gradients_are,
    keeps_dtype,
    kind_of,
    seeded,
    shape,
    show,
    value,
)
from helpers.checks.wrap_up import Hidden
from helpers.experiments import module_04
from helpers.experiments.baselines import brightness, from_median, png_bytes, subspace_errors
from helpers.metrics import auroc, fpr_at_tpr
from helpers.thresholds import Screen


def probe_roles(f):
    # 80 images of class 7 and 32 of class 2, which halves, quarters and eighths cut without rounding.
    # The first 100 places hold other classes: positions counted within a class point at these.
    mixed = np.random.default_rng(3).permutation(np.repeat([0, 2, 7, 8], [8, 32, 80, 20]))
    labels = np.concatenate([np.repeat([0, 8], [52, 48]), mixed])
    wanted, shares = (7, 2), (0.5, 0.25, 0.125)
    parts = f(labels, wanted, shares)
    parts = list(parts) if hasattr(parts, "__next__") else parts
    count = len(parts) if isinstance(parts, (list, tuple, np.ndarray)) else kind_of(parts)
    says = f"Three shares should give three arrays of positions, one for each role; yours gave {count}."
    yield form(count == 3, says, seen=count)
    # what follows may stop with an error where a form is wrong: the finding before it is shown
    says = "Each role should be one array of positions, of shape (k,); yours still holds an array for each class: join them with `np.concatenate`."
    rows = [hasattr(part, "__len__") for part in parts]
    whole = [
        row and all(np.ndim(x) == 0 for x in part) for row, part in zip(rows, parts, strict=True)
    ]
    if not all(rows):
        single = kind_of(parts[rows.index(False)])
        says = (
            f"Each role should be an array of positions, of shape (k,); one of yours is {single}."
        )
    yield form(all(whole), says)
    if not all(whole):
        return
    parts = [np.asarray(part) for part in parts]
    kinds = sorted({part.dtype.name for part in parts})
    says = f"A role should hold positions, whole numbers, so that `train.take(part)` picks the images; yours are of type {kinds}."
    yield form(all("int" in kind for kind in kinds), says, seen=kinds)
    together = np.concatenate(parts)
    foreign = int((~np.isin(together, np.flatnonzero(np.isin(labels, wanted)))).sum())
    seen = "labels" if set(together) <= set(wanted) else round(foreign / len(together), 1)
    says = f"Positions run from 0 to 239 here, and only images of the classes 7 and 2 should have a role; yours give one to {foreign} positions beyond, or of other classes."
    yield Finding("wrong_value", seen, not foreign, says)
    twice = len(together) - len(np.unique(together))
    within = any(len(np.unique(part)) < len(part) for part in parts)
    says = f"No position should have two roles, or stand in one twice; {twice} of yours do."
    yield Finding("wrong_value", (bool(twice), within), not twice, says)
    # many seeds, since images that are not cut class by class may have the right sizes by chance
    seeds = [[np.asarray(p) for p in f(labels, wanted, shares, seed=s)] for s in range(40)]
    sizes = np.array([[[(labels[p] == c).sum() for c in wanted] for p in roles] for roles in seeds])
    off = (sizes != [[40, 16], [20, 8], [10, 4]]).any((1, 2))
    says = f"80 images of class 7 and 32 of class 2, shares 0.5, 0.25 and 0.125: the roles should hold [[40, 16], [20, 8], [10, 4]] of them, whatever the seed; yours hold {show(sizes[off.argmax()])}."
    yield Finding("wrong_value", (bool(off.any()), *map(len, parts)), not off.any(), says)
    yield value("Shares 0.25, 0.75 of classes 8, 0 and 2 (68, 60 and 32 images): the sizes of the roles", [len(p) for p in f(labels, (8, 0, 2), (0.25, 0.75))], [40, 120])  # fmt: skip
    yield value("The notebook's shares 0.7, 0.18, 0.04, 0.08 of 800 and 320 images: the sizes of the roles, however you round,", [len(p) for p in f(np.repeat(labels, 10), wanted, (0.7, 0.18, 0.04, 0.08))], [784, 201.6, 44.8, 89.6], 0.1)  # fmt: skip
    member = np.array([np.isin(np.arange(240), roles[0]) for roles in seeds])
    own = member[:, labels == 7]
    alike = (own[:, 1:] == own[:, :-1]).mean()  # 2·40·39 / (80·79); standard error 0.009
    says = f"The first role should hold images from anywhere in the set; in yours two of a class that stand one after the other are both in it or both not in {alike:.0%} of all cases, where chance gives 49 %: shuffle before you cut."
    yield Finding("wrong_value", round(4 * alike), bool(abs(alike - 0.494) < 0.1), says)

    def split(**seed):
        return np.concatenate([np.sort(p) for p in f(labels, wanted, shares, **seed)])

    yield from seeded(split, "splits")
    often = member.mean(0)[np.isin(labels, wanted)]  # some 0 or 1 by chance: once in 10^9 checks
    says = "Over 40 seeds each image of the wanted classes should be in the first role now and then; some of yours are always in it or never."
    yield behaviour(((often > 0) & (often < 1)).all(), says)


def _margins(margin, right, wrong, spare=0.0):
    """Logits (spare, spare + margin) of right + wrong images; the second class is the answer."""
    logits = torch.tensor([[spare, spare + margin]]).repeat(right + wrong, 1)
    return logits, torch.tensor([1] * right + [0] * wrong)


def probe_temperature(f):
    # with a margin d between two logits, p = sigmoid(d / T) should be the share that is right
    seen = f(*_margins(8.0, 3, 1))
    says = f"The temperature should be a `float`; yours gave {kind_of(seen)}."
    yield form(isinstance(seen, (float, int, np.floating)), says, seen=type(seen).__name__)
    yield value("Margin 8, three of four right: T = 8 / log 3", seen, 8 / np.log(3), 0.01)
    both = map(torch.cat, zip(_margins(1.0, 4, 1), _margins(6.0, 4, 1, spare=3.0), strict=True))
    three = torch.tensor([[2.0, 0, 0], [0, 2, 0], [0, 0, 2], [2, 0, 0]]), torch.tensor([0, 1, 2, 1])
    not_sure, low = _margins(0.5, 9, 1), _margins(4.0, 2, 1, spare=-7.0)
    table = {
        "Margin 0.5, nine of ten right: not sure enough, T = 0.5 / log 9": (*not_sure, 0.22756),
        "Margin 4, two of three right: T = 4 / log 2": (*low, 4 / np.log(2)),
        # 3.6407 = T makes sigmoid(1 / T) + 6·sigmoid(6 / T) equal to 7·0.8
        "Margins 1 and 6, four of five right in each": (*both, 3.6407),
        "Three classes, margin 2, three of four right: T = 2 / log 6": (*three, 2 / np.log(6)),
    }
    yield from cases(f, table, 0.01)


def probe_cae(cls):
    net = cls(widths=(4, 6, 9), latent_dim=10)
    yield form(isinstance(net, nn.Module), "The class should inherit from `nn.Module`.")
    for part in ("encoder", "decoder"):
        layers = getattr(net, part, None)
        says = f"`self.{part}` is still `...`: give it its layers as an `nn.Sequential`."
        yield form(layers is not ..., says)
        says = f"Later cells go through the layers of `self.{part}`: name them so, as an `nn.Sequential`."
        yield form(part == "decoder" or hasattr(layers, "__iter__"), says)
    x = 10_000 * torch.rand(2, 3, 32, 32)  # so large that it is seen through fresh weights
    layers = []  # of those with weights, as they are used: input and output, flat, and its size

    def note(layer, given, made):  # cloned: a ReLU may work in place
        size = "×".join(map(str, made.shape[1:]))
        size += " (with dilation)" if getattr(layer, "dilation", (1, 1)) != (1, 1) else ""
        layers.append((given[0].flatten().clone(), made.flatten().clone(), size))

    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            layer.register_forward_hook(note)
    z = net.encode(x)
    down = layers.copy()
    yield shape("`encode` of a batch (2, 3, 32, 32) with latent_dim=10", z, (2, 10))
    codes = 3000 * torch.randn(2, 10)
    x_hat = net.decode(codes)
    up = layers[len(down) :]
    yield shape("`decode` of a batch (2, 10)", x_hat, (2, 3, 32, 32))
    alone = net(x[:1])
    yield shape("`forward` of a single image", alone, (1, 3, 32, 32))
    encoder = ["4×32×32", "4×32×32", "6×16×16", "6×16×16", "9×8×8", "9×8×8", "10"]
    decoder = ["576", "9×8×8", "6×16×16", "6×16×16", "4×32×32", "4×32×32", "3×32×32"]
    encode, decode = ("encode", down, encoder, x, z), ("decode", up, decoder, codes, x_hat)
    for part, used, wanted, given, made in (encode, decode):
        sizes = [size for _, _, size in used]
        pairs = enumerate(zip(sizes, wanted, strict=False), start=1)
        says = [f"layer {i} gives {a}; in the table it gives {b}." for i, (a, b) in pairs if a != b]
        says = says or [f"layers are {len(sizes)}; in the table there are {len(wanted)}."]
        says = f"In `{part}` with widths (4, 6, 9) and latent_dim=10 your {says[0]} (Only layers with weights are counted.)"
        yield form(sizes == wanted, says, seen=tuple(sizes))
        # what enters each layer is what the one before gave, bent by a ReLU and nothing else
        entered = [*(into for into, _, _ in used), made.flatten()]
        gave = [given.flatten(), *(out for _, out, _ in used)]
        bent = [gave[0], *(out.relu() for out in gave[1:-1]), gave[-1]]
        off = [k for k in range(len(bent)) if not _equal(entered[k], bent[k])]
        bare = [k for k in off if _equal(entered[k], gave[k])]
        i = off[0] if off else 0
        says = f"layer {i + 1} should get what layer {i} gave, after a ReLU and nothing else; in yours it gets something else."
        if i == 0:
            says = "the argument itself should go into layer 1; in yours something else does."
        elif i == len(used):
            says = "the result should be what the last layer gives, without a limit; in yours it is something else."
        elif i in bare:
            says = f"a ReLU should stand between layers {i} and {i + 1}; in yours there is none."
        says = f"In `{part}` {says} (Only layers with weights are counted.)"
        # the sign, and what lies on a limit, tell ReLU, sigmoid, tanh and clamp apart
        limits = [bool(found.any()) for found in (made < 0, made == 0, made == 1)]
        yield behaviour(not off, says, seen=(off, bare, limits))
    again = net.decode(net.encode(x[:1]))
    gap = (alone - again).abs().max() / again.abs().max()
    yield value("The difference between `forward` and `decode` of `encode`", gap, 0)
    largest = cls()  # the widths and the size of the code unless told
    largest(x[:1])  # lazy layers know their size only now
    counts = [sum(p.numel() for p in other.parameters()) for other in (net, largest)]
    says = f"The table's network has 16,190 parameters with widths (4, 6, 9) and latent_dim=10, and 8,341,195 unless told; yours has {counts[0]:,} and {counts[1]:,}. Compare it layer by layer."
    yield form(counts == [16_190, 8_341_195], says, seen=counts)
    if alone.requires_grad:
        alone.mean().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None]
    says = f"These parameters take no part in the reconstruction, no gradient reaches them: {', '.join(silent[:4])}."
    yield behaviour(not silent, says)


def _equal(a, b):
    """Whether two flat tensors hold the same numbers; their order may be a matter of the layout."""
    return a.shape == b.shape and torch.allclose(a.sort()[0], b.sort()[0], atol=1e-6)


def _outcome(f):
    """What f does beside returning: "an error", "a warning" or "silence"."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        try:
            f()
        except Exception:
            return "an error"
    return "a warning" if caught else "silence"


def probe_screen(cls):
    calibration = np.array([5.0, 1, 9, 3, 7, 2, 8, 4, 6])  # 1 to 9: p = (1 + number at least) / 10
    methods = "predict", "p_values", "decision_function"
    screen = cls(alpha=0.2)
    try:
        fitted = screen.fit(calibration)
    except NotFittedError:
        fitted = NotFittedError
    says = "`fit` itself stops with an error. `check_is_fitted` belongs in the other methods: `fit` is the one that fits."
    yield form(fitted is not NotFittedError, says)
    says = f"`fit` should return the screen itself; yours gave {kind_of(fitted)}."
    yield form(fitted is screen, says, seen=kind_of(fitted) if fitted is not screen else True)
    threshold = getattr(screen, "threshold_", None)
    says = "After `fit` the threshold should stand in `threshold_`, with the underscore."
    yield form(threshold is not None, says)
    new = np.array([0.5, 8.0, 8.5, 9.5])
    yield value("Calibrated on 1 to 9, `threshold_` for alpha = 0.2", threshold, 8)
    gave = {m: getattr(screen, m)(new) for m in methods}
    p_values, refused = gave["p_values"], gave["predict"]
    yield value("Calibrated on 1 to 9, the p-values of 0.5, 8, 8.5 and 9.5", p_values, [1, 0.3, 0.2, 0.1])  # fmt: skip
    flags = np.asarray(refused)
    seen = show(flags) if flags.dtype.kind in "biuf" else kind_of(refused)
    says = f"`predict` should give True or False for each score; yours gave {seen}."
    yield form(flags.dtype == bool and flags.shape == (4,), says, seen=repr(flags.tolist()))
    expected = np.array([False, False, True, True])
    yield value("Calibrated on 1 to 9, alpha = 0.2: of 0.5, 8, 8.5 and 9.5 the last two are refused, so `predict`", refused, expected)  # fmt: skip
    yield value("`decision_function` of 0.5, 8, 8.5 and 9.5, score minus the threshold 8,", gave["decision_function"], [-7.5, 0, 0.5, 1.5])  # fmt: skip
    other_kind = [m for m, out in gave.items() if not isinstance(out, np.ndarray)]
    says = " ".join(f"`{m}` should give a NumPy array; yours gave {kind_of(gave[m])}." for m in other_kind)  # fmt: skip
    yield form(not other_kind, f"{says} `as_scores` makes one.", seen=tuple(other_kind))
    other, two = cls(0.5).fit(calibration + 10), new[[2, 0]]
    yield value("Calibrated on 11 to 19, `threshold_` for alpha = 0.5", other.threshold_, 15)
    what = "After another screen was fitted to 11 to 19, of the first, fitted to 1 to 9 with alpha = 0.2, `threshold_`, the p-values of 8.5 and 0.5 and what `predict` says of them"
    kept = [screen.threshold_, *screen.p_values(two), *screen.predict(two)]
    yield value(what, kept, [8, 0.2, 1, 1, 0])
    screen.fit(np.arange(11.0, 19))
    new = np.array([8.5, 17.5, 18.5])
    what = "Fitted again, to 11 to 18, alpha = 0.2: `predict` and p-values of 8.5, 17.5 and 18.5"
    yield value(what, [*screen.predict(new), *screen.p_values(new)], [0, 0, 1, 1, 2 / 9, 1 / 9])
    silent = [m for m in methods if _outcome(lambda m=m: getattr(cls(0.2), m)(new)) != "an error"]
    says = f"Before `fit` there is no threshold, and {', '.join(silent)} should stop with an error; yours went on."
    yield behaviour(not silent, says, seen=(bool(silent), "predict" in silent))
    broken = np.array([3.0, np.nan])
    passed = [m for m in methods if _outcome(lambda m=m: getattr(screen, m)(broken)) != "an error"]
    says = f"A score that is not a number passes {', '.join(passed)} without an error: nothing compares with NaN, so a broken image would be let through. `as_scores` complains."
    yield behaviour(not passed, says, seen=tuple(passed))
    calibrates = _outcome(lambda: cls(0.2).fit(np.append(calibration, np.nan))) != "an error"
    says = "`fit` should stop with an error where a score is not a number; yours went on. `as_scores` complains."
    yield behaviour(not calibrates, says)
    few = cls(alpha=0.05)
    heard = _outcome(lambda: few.fit(np.arange(18.0)))
    says = f"18 scores cannot promise alpha = 0.05: `fit` should warn with `warnings.warn`, and go on; what came was {heard}."
    yield behaviour(heard == "a warning", says, seen=heard)
    threshold = getattr(few, "threshold_", None)
    says = "After `fit` with 18 scores, alpha = 0.05, `threshold_` should be infinite; yours is missing. It is set before `fit` warns."
    yield behaviour(threshold is not None, says)
    yield value("18 scores, alpha = 0.05: nothing can be refused, and `threshold_`", threshold, np.inf, kind="wrong_behaviour")  # fmt: skip
    heard = _outcome(lambda: cls(alpha=0.05).fit(np.arange(19.0)))
    says = f"19 scores do for alpha = 0.05, so `fit` should be silent; what came was {heard}."
    yield behaviour(heard == "silence", says, seen=heard)


def probe_interval(f):
    table = {
        "n = 1, m = 99, alpha = 1/2: every number of alarms from 0 to 99 is equally likely, so the two numbers 2/99 to 97/99; this": (1, 99, 0.5, [2 / 99, 97 / 99]),
        "n = 1, m = 99, alpha = 1/2, confidence 0.85: 7/99 to 92/99; this": (1, 99, 0.5, 0.85, [7 / 99, 92 / 99]),
        # quantiles of betabinom(m, k, n + 1 - k) by m, which is not large: one alarm more must be seen
        "n = 99, m = 400, alpha = 0.05: alpha·(n + 1) is 5, and k is 5; this": (99, 400, 0.05, [0.0125, 0.105]),
        "n = 99, m = 1000, alpha = 0.29: k is 29, though 0.29·100 comes out as 28.999999999999996; this": (99, 1000, 0.29, [0.202, 0.387]),
        "n = 118, m = 1000, alpha = 0.05: alpha·(n + 1) is 5.95, and k is 5; this": (118, 1000, 0.05, [0.012, 0.087]),
    }  # fmt: skip
    yield from cases(f, table)


def probe_variation(f):
    x = torch.zeros(4, 1, 4, 6)
    x[0, 0, :, ::2] = (
        1  # standing: every neighbour side by side differs by 1, none one above the other
    )
    x[1, 0, ::2] = 1  # lying
    x[2] = (x[0] - x[1]).abs()
    seen = f(x)
    found = shape("Four images of 4×6 pixels", seen, (4,))
    if isinstance(seen, torch.Tensor) and seen.ndim != 1:
        reason = "one number for each image is asked for, not one for the batch."
        if seen.ndim > 1:
            reason = "average over everything in an image, its channels as well as its pixels."
        found = replace(found, says=f"{found.says} So {reason}")
    yield found
    stripes = torch.cat([x[:1], 1 - x[:1], x[3:]], dim=1)  # their mean is an even grey
    stripes = stripes.contiguous(memory_format=torch.channels_last)  # as the notebook's images
    two = [[0, 2, 5, 1], [3, 3, 4, 8], [7, 1, 0, 6]], [[9, 9, 2, 4], [0, 6, 6, 5], [20, 8, 3, 3]]
    # across 27 + 33 in 18 steps, down 24 + 44 in 16
    table = {
        "Standing stripes, lying stripes, a chessboard and a blank image of 4×6 pixels": (x, [0.5, 0.5, 1, 0]),
        "An image that grows brighter by 0.1 a pixel from left to right": (torch.arange(6.0).repeat(1, 1, 4, 1) / 10, [0.05]),
        "Stripes in two of three channels, bright where the other is dark": (stripes, [1 / 3]),
        "3×4 pixels, two channels, where the mean over the 18 steps side by side is 0.1667 and that over the 16 steps down 0.2125, and half their sum is asked for: this": (torch.tensor([two]) / 20, [(60 / 18 + 68 / 16) / 40]),
    }  # fmt: skip
    yield from cases(f, table)


def probe_spearman(f):
    a = np.array([1.0, 2, 3, 4, 5])
    seen = f(a, np.exp(a))
    says = f"The correlation should be one number, a `float`; yours gave {kind_of(seen)}."
    yield form(isinstance(seen, (float, int, np.floating)), says, seen=np.shape(seen))
    c, d = np.array([2, 3, 1, 5, 4]), np.array([20, 40, 10, 50, 30])
    tied = np.array([1.0, 1, 2, 3, 3, 3])  # ranks 1.5 1.5 3 5 5 5
    # ranks 3 1 5 3 3 6 and 6 2 2 5 4 2, mean 3.5: -4.5 in common, squares 15.5 in each
    e, g = np.array([4, 2, 6, 4, 4, 9]), np.array([8.0, 1, 1, 7, 3, 1])
    table = {
        "1 2 3 4 5 and their exponentials, one grows whenever the other does:": (a, np.exp(a), 1),
        "1 2 3 4 5 and 20 10 40 30 50": (a, np.array([20.0, 10, 40, 30, 50]), 0.8),
        "1 2 3 4 5 and -1 -8 -27 -64 -125, one falls whenever the other grows:": (a, -(a**3), -1),
        "2 3 1 5 4 and 20 40 10 50 30": (c, d, 0.9),
        "Ties: 1 1 2 3 3 3 and 1 2 3 4 5 6": (tied, np.arange(1.0, 7), 15 / 262.5**0.5),
        "Ties in both: 4 2 6 4 4 9 and 8 1 1 7 3 1": (e, g, -4.5 / 15.5),
    }
    yield from cases(f, table)


def probe_beyond(f):
    c = np.exp([0.0, 1, 2, 5])
    e = np.exp([1.0, 1, 4, 8])  # least squares: slope 1.5, intercept 0.5; residuals 0.5, -1, 0.5, 0
    new_c, new_e = np.exp([-1.0, 2, 10]), np.exp([-1.5, 4.5, 15.5])
    flat = [np.exp(v) for v in ([1.0, 3, 1, 3], [0.0, 0, 1, 1], [2.5], [5.0])]
    table = {
        "The line is log error = 0.5 + 1.5·log complexity; three images below it by 0.5, above it by 1 and on it: the three numbers": (e, c, new_e, new_c, [-0.5, 1, 0]),
        "The same line, the image that lies 1 above it scored alone": (e, c, new_e[1:2], new_c[1:2], [1]),
        "Errors that do not depend on the complexity, log error = 2 on average: one of 2.5": (*flat, [0.5]),
    }  # fmt: skip
    yield from cases(f, table)


def probe_energy(f):
    logits = torch.tensor([[0.0, 0.0], [2.0, 2.0], [np.log(3.0), 0.0]])
    large = torch.tensor([[1000.0, 999.0], [-1000.0, -1000.0]])
    yield shape("Three images, two classes", f(logits), (3,))
    table = {
        "Logits (0, 0), (2, 2) and (log 3, 0)": (logits, [-np.log(2), -2 - np.log(2), -np.log(4)]),
        "Four classes, all logits 0,": (torch.zeros(1, 4), [-np.log(4)]),
        "T = 2, logits (0, 0) and (2, 2)": (logits[:2], 2.0, [-2 * np.log(2), -2 - 2 * np.log(2)]),
        "T = 0.5, logits (log 3, 0)": (logits[2:], 0.5, [-0.5 * np.log(10)]),
        "Logits (1000, 999) and (-1000, -1000)": (large, [-1000.31326, 1000 - np.log(2)]),
    }
    yield from cases(f, table)
    # the gradient is minus the softmax of the logits divided by T
    given = {"logits": [[-0.9, -0.1], [-0.5, -0.5]]}
    yield from gradients_are(lambda x: f(x, 0.5), [logits[[2, 0]]], given, "the energy")


def _cross(centre, x, y, repeats=1000):
    """Points around a centre, with variance x² / 2 and y² / 2 along the axes."""
    steps = torch.tensor([[x, 0.0], [-x, 0.0], [0.0, y], [0.0, -y]])
    return (torch.tensor(centre) + steps).repeat(repeats, 1)


def probe_class_mahalanobis(f):
    # three classes; around their means a variance of 2 along x, of 0.5 along y
    means = [-9.0, 3.0], [12.0, 1.0], [3.0, -40.0]
    train = torch.cat([_cross(m, 2.0, 1.0) for m in means])
    order = torch.randperm(12_000)
    train, labels = train[order], torch.tensor([3, 7, 4]).repeat_interleave(4000)[order]
    z = torch.tensor([[-9.5, 3.0], [14.0, 1.0], [3.0, -38.0], [1.5, 2.0]])
    right = [0.5 / 2**0.5, 2**0.5, 8**0.5, (10.5**2 / 2 + 2) ** 0.5]
    # few first: a covariance of the rows, a usual slip, would need gigabytes for all
    yield shape(
        "Four features of two numbers, 60 for training,", f(train[:60], labels[:60], z), (4,)
    )
    yield shape("Four features of two numbers", f(train, labels, z), (4,))
    classes = "Classes around (-9, 3), (12, 1) and (3, -40), variance 2 and 0.5 around the means:"
    # shared: a narrow and a wide class give one covariance, the mean of both
    uneven = torch.cat([_cross([1.0, 0.0], 2**0.5, 2**0.5), _cross([50.0, 0.0], 18**0.5, 18**0.5)])
    many = torch.cat([uneven[:4000].repeat(3, 1), uneven[4000:]])
    sizes = torch.tensor([3] * 12_000 + [7] * 4000)
    far, corner = torch.tensor([[1.0, 10.0]]), torch.tensor([[4.0, 4.0]])
    # variance 4 along the diagonal, 1 across
    steps = torch.tensor([[2.0, 2.0], [-2.0, -2.0], [1.0, -1.0], [-1.0, 1.0]]).repeat(1000, 1)
    tilted = torch.cat([steps, steps + torch.tensor([4.0, 0.0])])
    wide = "A class of variance 1 and one of variance 9, 10 from the first mean"
    table = {
        f"{classes} (-9.5, 3), (14, 1) and (3, -38), each near one mean,": (train, labels, z[:3], right[:3]),
        f"{classes} (1.5, 2), halfway between the first two,": (train, labels, z[3:], right[3:]),
        f"{wide}: the shared variance is 5, and this": (uneven, sizes[8000:], far, [20**0.5]),
        f"{wide}, 3 to 1: the variance is 3, and this": (many, sizes, far, [(100 / 3) ** 0.5]),
        "Features along the diagonal, means (0, 0) and (4, 0): (4, 4) is nearer to the first, and this": (tilted, sizes[8000:], corner, [8**0.5]),
    }  # fmt: skip
    yield from cases(f, table, 0.02)
    # ten features of 20 numbers, which differ from their class means in two of them: 29.52 is the
    # distance by the precision matrix of `ledoit_wolf(around, assume_centered=True)`
    around, off, mean = np.zeros((10, 20)), np.zeros(20), np.eye(20)[0]
    around[:4, 1], around[4:, 2], off[[1, 10]] = [1, -1] * 2, [2, -2] * 3, [0.5, 3]
    few = torch.from_numpy(around + np.outer([5] * 4 + [-1] * 6, mean)).float()
    new = torch.from_numpy(off + 5 * mean).float()[None]
    try:
        outside = float(f(few, torch.tensor([0] * 4 + [1] * 6), new)[0])
    except (np.linalg.LinAlgError, torch.linalg.LinAlgError):
        outside = np.nan
    says = f"Ten features of 20 numbers have no inverse covariance unless it is shrunk with `LedoitWolf`: an image apart from all should have the distance 29.52; yours gave {outside:.3g}."
    seen = np.float64(outside) if 1 < outside < 1000 else "not shrunk"
    yield Finding("wrong_value", seen, bool(np.isclose(outside, 29.52, rtol=0.01)), says)
    yield from keeps_dtype(lambda a, b: f(a, labels, b), train, z)


def _ray(*degrees, length=1.0):
    angle = torch.deg2rad(torch.tensor(degrees))
    return length * torch.stack([angle.cos(), angle.sin()], dim=1)


def probe_knn(f):
    train = torch.cat([_ray(0.0, 10.0, 30.0, length=2.0), _ray(90.0, 100.0, length=0.5)])
    z = torch.cat([_ray(0.0, length=7.0), _ray(95.0), _ray(180.0)])
    yield shape("Three features, five for training", f(train, z, 2), (3,))
    chord = torch.from_numpy(2 * np.sin(np.deg2rad(np.arange(181)) / 2))  # of an angle in degrees
    right = chord[[10, 5, 90]]
    what = "Training features at 0, 10, 30, 90 and 100 degrees, new ones at 0, 95 and 180"
    table = {
        f"{what}, k = 2,": (train, z, 2, right),
        f"{what}, k = 4,": (train, z, 4, chord[[90, 85, 170]]),
        f"{what} and all ten times as long, k = 2,": (train, 10 * z, 2, right),
        f"{what} of which the last one alone, k = 2,": (train, z[2:], 2, right[2:]),
    }
    yield from cases(f, table, 2e-3)
    # more than a part of 250, among more than 50
    new, old = (np.random.default_rng(n).integers(0, 180, n) for n in (300, 310))
    expected = chord[np.sort(abs(new[:, None] - old))[:, 49]]
    seen = f(_ray(*old, length=3.0), _ray(*new))
    yield value("300 features, 310 for training, k = 50 unless told", seen, expected, 2e-3)


def probe_risk(f):
    pair = f(np.array([0.6, 0.9, 0.7, 0.8]), np.array([False, True, False, True]))
    says = f"The answer should be two arrays, coverage and risk; yours gave {kind_of(pair)}."
    yield form(isinstance(pair, (tuple, list, np.ndarray)) and len(pair) == 2, says)
    yield value("Four images: coverage", pair[0], [0.25, 0.5, 0.75, 1])
    yield value("Confidences 0.6 0.9 0.7 0.8, right no yes no yes: risk", pair[1], [0, 0, 1 / 3, 0.5])  # fmt: skip

    def risk(confidence, right):
        return f(np.array(confidence), np.array([word == "yes" for word in right.split()]))[1]

    # of six, errors 0, then 2/3 three times, then 1 and 0
    close, tied = [0.99991, 0.99993, 0.99992], [0.2, 0.7, 0.7, 0.9, 0.7, 0.4]
    table = {
        "Confidences 3 2 1, right no yes yes: risk": ([3.0, 2, 1], "no yes yes", [1, 1 / 2, 1 / 3]),
        "Confidences -0.6 0.5 0.7, right no yes yes: risk": ([-0.6, 0.5, 0.7], "no yes yes", [0, 0, 1 / 3]),
        f"Confidences {close}, right no yes yes: risk": (close, "no yes yes", [0, 0, 1 / 3]),
        "Confidences 0.9 0.8 0.8 0.1, right yes no yes yes: risk": ([0.9, 0.8, 0.8, 0.1], "yes no yes yes", [0, 1 / 4, 1 / 3, 1 / 4]),
        f"Confidences {tied}, right yes no yes yes no no: risk": (tied, "yes no yes yes no no", [0, 1 / 3, 4 / 9, 1 / 2, 3 / 5, 1 / 2]),
    }  # fmt: skip
    yield from cases(risk, table)


def trial_of_numbers():
    """Which numbers take the better screen, and what both screens refuse on other scores."""

    def refused(inside, outside):
        return Screen(0.05).fit(inside).predict(outside).mean()

    shown, later = module_04.two_screens(seed=0), module_04.two_screens(seed=1)
    numbers = {  # the higher, the better
        "AUROC": auroc,
        "FPR at 95 %": lambda *scores: -fpr_at_tpr(*scores),
        "refused at 5 %": refused,
    }
    takes = {n: max(shown, key=lambda name, f=f: f(*shown[name])) for n, f in numbers.items()}
    found = {name: refused(*scores) for name, scores in later.items()}
    best = max(found, key=found.get)
    right = [name for name, screen in takes.items() if screen == best]
    return {"least": min(found.values()), "most": found[best], "best": right}


def hidden_images():
    """Mirrored cats and dogs of the test set, and as many of other classes that no notebook uses."""
    images, anomalous = module_04.held_back_images()
    parts = module_04.roles()
    some = parts.autoencoder.images[:500]
    traits = {"brightness": brightness, "PNG bytes": png_bytes, "chroma": module_04.chroma}
    return Hidden(
        images,
        anomalous,
        parts.autoencoder.source,
        trivial=from_median(traits, some, images),
        rungs={
            "PCA, 50 components": subspace_errors(some, images, 50)[1],
            "patches, 64 kinds": module_04.patch_distances(some, images),
        },
    )


PROBES = [probe_roles, probe_temperature, probe_cae, probe_screen, probe_interval]
PROBES += [probe_variation, probe_spearman, probe_beyond, probe_energy]
PROBES += [probe_class_mahalanobis, probe_knn, probe_risk]
PROBES += [trial_of_numbers, hidden_images]
EXERCISES = declared("04", PROBES)
