"""Probes of module 5: residual blocks, patients, freezing, decisions, patches, pixels."""

import copy
import math
import numbers

import numpy as np
import torch
from torch import nn

from helpers.checks.exercise import declared
from helpers.checks.findings import (
    Finding,
    behaviour,
    form,
    gradients_are,
    kind_of,
    same,
    seeded,
    shape,
    show,
    value,
)


def few(names):
    return ", ".join(names[:3]) + (" and more" if len(names) > 3 else "")


def changed(module, before):
    """Names of the module's tensors that are not as they were, or not there any more."""
    now = module.state_dict()
    return tuple(n for n, t in before.items() if n not in now or not torch.equal(t, now[n]))


def tensors(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


# --- 5.1 --------------------------------------------------------------------------------------


def probe_block(f):
    block = f(3, 5)
    says = f"`ResidualBlock(3, 5)` should be an nn.Module; yours is {kind_of(block)}."
    yield form(isinstance(block, nn.Module), says)
    seen = block(torch.rand(2, 3, 6, 10))
    yield shape("A batch (2, 3, 6, 10) from 3 to 5 channels", seen, (2, 5, 6, 10))
    seen = weights_of(f(4, 4))
    says = f"With 4 channels in and out the block should have 304 parameters: 2·4·4·9 in the 3×3 convolutions, which have no bias, 4·4 in the normalisations, and none in the short cut; yours has {seen}."
    yield Finding("wrong_value", seen, seen == 304, says)

    x = torch.tensor([[[[-2.0, 3.0], [50.0, -7.0]]]])
    seen = crafted(f(1, 1), 0.0, norm=0.0)(x)
    yield value("All weights at 0, so that x passes the sum unchanged: [-2, 3, 50, -7]", seen, x)
    middle = torch.zeros(3, 3)
    middle[1, 1] = 1
    # the first ReLU leaves what is positive, which the second kernel makes negative: nothing is left
    seen = crafted(f(1, 1), -middle)(x)
    what = "In eval mode, x + relu(-relu(-x)), which is x, for x = [-2, 3, 50, -7]"
    yield value(what, seen, x)
    seen = crafted(f(1, 1), middle)(x)
    what = "In eval mode, x + relu(relu(x)) for x = [-2, 3, 50, -7]"
    yield value(what, seen, [[[[-2, 6], [100, -7]]]])
    dot = torch.zeros(1, 1, 7, 7)
    dot[0, 0, 3, 3] = 1
    # two sums over 3×3 pixels: each side 1, 2, 3, 2, 1
    tent = np.outer([0, 1, 2, 3, 2, 1, 0], [0, 1, 2, 3, 2, 1, 0])
    seen = crafted(f(1, 1), torch.ones(3, 3))(dot) - dot
    yield value("What two 3×3 kernels of ones make of a single dot", seen, tent[None, None])
    # Three images, brightness 1, 2 and 6: the first norm and ReLU leave 0, 0 and a positive number,
    # the second make 0, 0, √2 of them whatever that number is.
    x = torch.tensor([1.0, 2, 6]).repeat_interleave(2).view(3, 1, 1, 2)
    seen = crafted(f(1, 1), 2 * middle).train()(x)
    what = "In training mode images of brightness 1, 2 and 6, each convolution only passing them on, should become 1, 2 and 6 + √2 (BatchNorm takes mean and variance over the whole batch, and a ReLU follows it): they"
    yield value(what, seen, x + torch.tensor([0, 0, 2**0.5]).view(3, 1, 1, 1))

    seen = weights_of(block)
    says = f"From 3 to 5 channels the block should have 400 parameters (3·5·9 + 5·5·9 in the 3×3 convolutions, 4·5 in the normalisations, 3·5 + 5 in the 1×1 convolution); yours has {seen}."
    yield Finding("wrong_value", seen, seen in (395, 400), says)  # 395: no bias in the short cut
    x = torch.tensor([1.0, 2, 4]).view(1, 3, 1, 1) * torch.tensor([1.0, -1])
    seen = crafted(block, 0.0, norm=0.0)(x)
    what = "From 3 to 5 channels, with ones in the 1×1 convolution and a body of zeros, two pixels (1, 2, 4) and (-1, -2, -4)"
    yield value(what, seen, torch.tensor([7.0, -7]).expand(1, 5, 1, 2))


def weights_of(module):
    return sum(p.numel() for p in module.parameters())


def crafted(block, kernel, norm=1.0):
    """The block in eval mode with known weights, however its layers are called.

    Fresh normalisations have weights of 1, and in eval mode they do nothing.
    """
    for p in block.parameters():
        if p.ndim == 1:  # of normalisations, and biases
            p.data = torch.full_like(p, norm if (p == 1).all() else 0.0)
        elif p.shape[-2:] == (3, 3):
            p.data = torch.zeros_like(p) + kernel
        else:  # of the short cut
            p.data = torch.ones_like(p)
    return block.eval()


# --- 5.2 --------------------------------------------------------------------------------------


def probe_shapes(f):
    # the source's network
    shapes = f(128, (64, 128, 256, 256))
    try:
        outline = (type(shapes) is dict, np.shape(shapes))
    except ValueError:  # ragged
        outline = "ragged"
    says = f"128 pixels and four groups should give a list of four shapes (channels, height, width); yours gave {outlined(shapes)}."
    listed = isinstance(shapes, (list, tuple))
    yield form(listed and outline == (False, (4, 3)), says, seen=outline)
    expected = [(64, 64, 64), (128, 32, 32), (256, 16, 16), (256, 8, 8)]
    yield value("128 pixels and widths 64, 128, 256, 256", shapes, expected)
    # an odd side: with padding 1 the kernel starts at the first pixel and ends at the last
    expected = [(3, 33, 33), (5, 17, 17), (7, 9, 9)]
    yield value("65 pixels and widths 3, 5, 7", f(65, (3, 5, 7)), expected)
    expected = [(2, 5, 5), (4, 3, 3), (1, 2, 2)]
    yield value("10 pixels and widths 2, 4, 1", f(10, (2, 4, 1)), expected)


def outlined(x):
    """What x is, at a glance."""
    text = repr(x)
    return kind_of(x) if x is None else f"{text[:60]}..." if len(text) > 60 else text


# --- 5.3 --------------------------------------------------------------------------------------


def probe_ratio(f):
    def flat(code):
        return nn.Sequential(nn.Flatten(), nn.Linear(96, code))

    seen = f(flat(12), (1, 8, 12))
    number = isinstance(seen, numbers.Real) or (isinstance(seen, np.ndarray) and seen.ndim == 0)
    says = f"Return a float, a plain number: `.numel()` gives such, `.item()` makes one; yours gave {kind_of(seen)}."
    yield form(number, says, seen=kind_of(seen) if seen is None else number)
    yield value("An image of 96 numbers and a code of 12", seen, 8)
    yield value("An image of 96 numbers and a code of 100", f(flat(100), (1, 8, 12)), 0.96)
    halving = nn.Conv2d(1, 6, kernel_size=2, stride=2)
    yield value("An image (1, 8, 12) and a code (6, 4, 6)", f(halving, (1, 8, 12)), 96 / 144)
    mixing = nn.Conv2d(3, 2, kernel_size=1)
    yield value("An image (3, 4, 5) and a code (2, 4, 5)", f(mixing, (3, 4, 5)), 1.5)

    for mode, part in ((True, True), (False, False), (True, False), (False, True)):
        own, other = ("train", "eval") if mode else ("eval", "train")
        what = f"in {own} mode" + (f", with a part in {other} mode" if mode != part else "")
        encoder = small_encoder().train(mode)
        encoder[3].train(part)
        before, modes = tensors(encoder), modes_of(encoder)
        f(encoder, (1, 6, 7))
        moved = changed(encoder, before)
        says = f"The encoder came {what}, and the counting has changed {few(moved)}: in train mode BatchNorm takes whatever passes into its running statistics."
        yield behaviour(not moved, says, seen=moved)
        other = tuple(name for name, was in modes.items() if modes_of(encoder)[name] != was)
        says = f"The encoder came {what}; afterwards these parts are in another mode than before: {few(other)}."
        yield behaviour(not other, says, seen=other)
    learns = all(p.requires_grad for p in encoder.parameters())
    says = "After the counting, parameters of the encoder have `requires_grad` False, so that it learns no more."
    yield behaviour(learns, says)
    hooks = [p._forward_hooks or p._forward_pre_hooks for p in encoder.modules()]
    says = "A hook is left behind in the encoder: the handle that `register_forward_hook` returns has a `remove()`."
    yield behaviour(not any(hooks), says)


def modes_of(module):
    return {name or "the encoder itself": part.training for name, part in module.named_modules()}


def small_encoder():
    """Two BatchNorms, one of them further inside, that have seen images. (N, 1, H, W)"""
    inner = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    encoder = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), inner)
    for norm in (encoder[1], inner[1]):
        norm.running_mean.fill_(0.3)
        norm.running_var.fill_(2)
    return encoder


# --- 5.4 --------------------------------------------------------------------------------------


def probe_subset(f):
    rng = np.random.default_rng(3)
    of_class = np.repeat([0, 1, 2], [40, 20, 8])  # patients
    scans = rng.integers(2, 7, 68)
    groups = np.repeat(rng.permutation(68) + 500, scans)
    labels = np.repeat(of_class, scans)
    mixed = rng.permutation(len(labels))
    labels, groups = labels[mixed], groups[mixed]

    def draw(share=0.25, **seed):
        return np.sort(np.asarray(f(labels, groups, share, **seed)))

    part = f(labels, groups, 0.25)
    array = np.asarray(part)
    mask = array.dtype == bool
    is_mask = ": a mask, whose positions are `np.flatnonzero(mask)`" if mask else ""
    says = f"Return positions, an array (m,) of whole numbers; yours gave {kind_of(part)}{is_mask}."
    right = array.ndim == 1 and array.dtype.kind in "iu"
    yield form(right, says, seen=(array.ndim, array.dtype.kind))
    if not right:
        return
    beyond = array[(array < 0) | (array >= len(labels))]
    says = f"Positions of {len(labels)} scans go from 0 to {len(labels) - 1}; yours hold {show(beyond[:3])}. Are these numbers of patients (here 500 and more)?"
    yield form(not len(beyond), says)
    if len(beyond):
        return
    repeated = len(np.unique(array)) < len(array)
    says = "In your array some positions stand there twice."
    yield Finding("wrong_value", repeated, not repeated, says)
    split = split_patients(groups, array)
    says = f"{split} patients have scans inside the subset and outside; a patient is taken whole."
    yield Finding("wrong_value", split > 0, not split, says)
    for share, expected, kept in (
        (0.25, (10, 5, 2), ""),
        (0.01, (1, 1, 1), ", at least one of each class"),
        (0.5, (20, 10, 4), ""),
        (1.0, (40, 20, 8), ""),
    ):
        inside = draw(share)
        counts = tuple(len(np.unique(groups[inside][labels[inside] == c])) for c in range(3))
        says = f"Of 40, 20 and 8 patients of three classes a share of {share:g} should take {', '.join(map(str, expected))}{kept}; yours took {', '.join(map(str, counts))}."
        yield Finding("wrong_value", relation(counts, expected), counts == expected, says)

    taken = set(groups[draw()].tolist())
    known = [list(dict.fromkeys(groups[labels == c].tolist())) for c in range(3)]
    orders = list, sorted, lambda own: own[::-1], lambda own: sorted(own)[::-1]
    plain = any(
        taken == {g for own, k in zip(known, (10, 5, 2), strict=True) for g in order(own)[:k]}
        for order in orders
    )
    says = "Yours takes the patients with the lowest numbers, the highest, or those who come first in the array; draw them at random."
    yield Finding("wrong_value", plain, not plain, says)
    yield from seeded(lambda **seed: draw(**seed), "subsets")
    ids = np.unique(groups)
    times = sum(np.isin(ids, groups[draw(0.5, seed=seed)]) for seed in range(40))
    apart = int(((times == 0) | (times == 40)).sum())  # by chance once in 10¹⁰ checks
    says = f"With a share of 0.5 and forty seeds, {apart} of 68 patients were drawn never or every time; each should have the same chance."
    yield Finding("wrong_value", apart > 0, not apart, says)
    # each patient has scans of two classes, as who has one healthy eye
    eyes, who = np.tile([0, 0, 1, 1, 1, 0], 10), np.repeat(np.arange(20), 3)
    split = sum(split_patients(who, np.asarray(f(eyes, who, 0.5, seed=s))) for s in range(3))
    says = "A patient whose two eyes are of different classes is split: once drawn, a patient comes with all scans, of whatever class."
    yield behaviour(split == 0, says)


def split_patients(groups, part):
    inside = np.isin(np.arange(len(groups)), part)
    return len(np.intersect1d(groups[inside], groups[~inside]))


def relation(counts, expected):
    """How many patients of each class there are, so that two draws by one rule look alike."""
    if counts == expected or counts == (40, 20, 8):
        return counts
    total = sum(counts) - sum(expected)
    return "as many in all" if total == 0 else "more" if total > 0 else "fewer"


# --- 5.5 --------------------------------------------------------------------------------------


def probe_freeze(f):
    given = small_encoder()
    head = nn.Sequential(nn.Conv2d(2, 1, 1), nn.BatchNorm2d(1))
    before, x = tensors(given), 3 + 2 * torch.randn(8, 1, 4, 4)
    expected = copy.deepcopy(given).eval()(x).detach()
    frozen = f(given)
    seen = "another module" if isinstance(frozen, nn.Module) else kind_of(frozen)
    if frozen is given:
        seen = "the module itself"
    says = f"Return the module that was handed in, frozen; yours gave {seen}."
    yield form(frozen is given, says, seen)
    if not isinstance(frozen, nn.Module):
        return
    model = nn.Sequential(frozen, head)
    try:
        model(x)
    except (TypeError, AttributeError, ValueError, RuntimeError) as error:
        says = f"After freezing, a batch passes no longer through the module; it stopped with {type(error).__name__}: {str(error).splitlines()[0][:60]}... What a forward pre-hook returns replaces the input of its part, so it must return nothing."
        yield form(False, says, type(error).__name__)
        return

    def step():
        """One training step with weight decay: the names of the tensors that it changes."""
        before = tensors(frozen)
        model(x).square().mean().backward()
        for p in model.parameters():
            if p.grad is not None:
                p.data = p.data - 0.1 * (p.grad + 0.1 * p.data)
                p.grad = None
        return changed(frozen, before)

    moved = changed(frozen, before)
    says = f"Freezing, and a single forward pass after it, have changed these tensors: {few(moved)}."
    yield Finding("wrong_value", moved, not moved, says)
    for what, prepare in (
        ("Right after freezing", lambda: None),
        ("After `model.eval()`", model.eval),
        ("After `model.train()`, which every training loop calls,", model.train),
        ("After one part of the module was put into train mode", frozen[3].train),
    ):
        prepare()
        first, again = step(), step()
        says = f"{what} these tensors have changed in training steps: {few(first or again)}."
        yield Finding("wrong_value", (first, again), not first + again, says)
    model.train()
    kept, code = tensors(frozen), x
    for part in frozen.modules():
        if not list(part.children()):
            code = part(code)
    moved = changed(frozen, kept)
    says = f"After `model.train()`, the parts of the module used one by one, these tensors have changed: {few(moved)}. In eval mode each part has to be, not only the whole."
    yield Finding("wrong_value", moved, not moved, says)
    model.train()
    right = same(frozen(x).detach().numpy(), expected.numpy())
    says = "After `model.train()` the module gives other codes than it did in eval mode before it was frozen."
    yield behaviour(right, says)
    x.requires_grad_()
    model(x).sum().backward()
    says = "No gradient passes through the frozen module to what stands before it."
    yield behaviour(x.grad is not None, says)
    kept = tensors(head)
    step()
    says = "The rest of the model has stopped learning: freeze the module only."
    yield behaviour(len(changed(head, kept)) == 7, says)


# --- 5.6 --------------------------------------------------------------------------------------


def probe_huber(f):
    d = torch.zeros(3, 2, 2, 3)
    d[0], d[1], d[2, 0, 0] = 0.5, -3.0, 1.8  # 1.8 in 3 of 12 pixels
    x = torch.linspace(-1, 1, 36).view(3, 2, 2, 3)
    seen = f(x, x + d)
    yield shape("Three images (2, 2, 3)", seen, (3,))
    yield value("Differences of 0.5 everywhere", seen[:1], [0.125])
    yield value("Differences of -3 everywhere, beyond delta = 1", seen[1:2], [2.5])
    yield value("A difference of 1.8 in a quarter of the pixels", seen[2:], [0.325])  # 1.3 / 4
    what = "With delta={}, differences of 0.5 and -3 everywhere, and of 1.8 in a quarter of the pixels,"
    # 1.8²/2 / 4; beyond 0.4: 0.4·(0.5 - 0.2), 0.4·(3 - 0.2), 0.4·(1.8 - 0.2) / 4
    yield value(what.format(2), f(x, x + d, delta=2.0), [0.125, 4, 0.405])
    yield value(what.format(0.4), f(x, x + d, 0.4), [0.12, 1.12, 0.16])
    yield value("A single image, differences of -0.5", f(x[:1], x[:1] - d[:1]), [0.125])
    edge = torch.full((1, 2, 3, 1), 1.0, dtype=torch.float64)
    yield value("Differences of exactly delta, float64", f(3 * edge, 2 * edge), [0.5])
    # the slope is d within delta and ±delta beyond; 12 pixels share the mean
    slope = torch.full((2, 2, 2, 3), 0.5 / 12)
    slope[1] = -1 / 12
    yield from gradients_are(lambda x_hat: f(x[:2], x_hat), [x[:2] + d[:2]], {"x_hat": slope})


# --- 5.7 --------------------------------------------------------------------------------------


def probe_z(f):
    # Validation normals: mean 10, standard deviation 2 (2.02 if divided by n - 1), median 9. Test
    # scores half-way between whole numbers show where the rule begins, healthy and sick in turn.
    calibration, sick = np.tile([9.0, 9, 14, 9, 9], 12), np.full(10, 60.0)
    tested = np.arange(2.5, 40)
    scores = np.concatenate([calibration, sick, tested])
    normal = np.concatenate([np.repeat([True, False], [60, 10]), np.arange(38) % 2 == 0])
    validation = np.arange(108) < 70
    flags = f(scores, normal, validation)
    array = np.asarray(flags)
    kind = f"{kind_of(flags)} of {array.dtype}" if array.shape == (108,) else kind_of(flags)
    says = f"Return one True or False for each of the 108 scores; yours gave {kind}."
    yield form(array.shape == (108,) and array.dtype == bool, says, seen=(array.shape, array.dtype))
    if array.shape != (108,):
        return

    what = "Validation normals of mean 10 and standard deviation 2"
    for more, begin, unit, shift, z in (
        ("", 16.5, 1, 0, {}),
        (", z = 1.2", 12.5, 1, 0, {"z": 1.2}),
        (", the same scores in other units", 16.5, 100, 7, {}),
    ):
        seen = np.asarray(f(unit * scores - shift, normal, validation, **z)) == 1
        wanted = np.concatenate([calibration > begin, sick > begin, tested >= begin])
        found = show(tested[seen[70:]]) if seen[70:].any() else "none of them"
        says = f"{what}{more}: of the test scores 2.5, 3.5, ... 39.5 those from {begin} up should be flagged; yours flags {found}."
        yield Finding("wrong_value", seen[70:], bool((seen == wanted)[70:].all()), says)
        says = f"{what}{more}: none of the 60 should be flagged, and all 10 sick ones at 60; yours flags {seen[:60].sum()} and {seen[60:70].sum()}."
        yield Finding("wrong_value", seen[:70], bool((seen == wanted)[:70].all()), says)
    # Exactly three standard deviations above the mean: of 9 9 9 9 14, divided by n, and of
    # 9 9 9 13, divided by n - 1, they are 2 each, and the mean is 10. Either is a right answer's.
    some = np.array([9.0, 9, 9, 9, 14, 16, 16.3])
    at, above = np.asarray(f(some, np.full(7, True), np.arange(7) < 5))[5:]
    given = "9, 9, 9, 9 and 14"
    if not above:
        given = "9, 9, 9 and 13"
        some = np.array([9.0, 9, 9, 13, 16])
        at = np.asarray(f(some, np.full(5, True), np.arange(5) < 4))[4]
    says = f"Validation normals {given} have mean 10 and standard deviation 2: 16 lies exactly three above, and with three *or more* it should be flagged; yours lets it pass."
    yield Finding("wrong_value", bool(at), bool(at), says)


# --- 5.8 --------------------------------------------------------------------------------------


def probe_wilson(f):
    interval = f(np.int64(50), 100)  # a notebook's sum is a number of numpy
    pair = np.shape(interval) == (2,)
    says = f"Return two numbers, (low, high); yours gave {kind_of(interval)}."
    yield form(pair, says, seen=pair)
    # 3.841459 = 1.959964²; (0.5 ± 1.959964 · √(0.25/100 + 0.0000960365) + 0.01920729) / 1.03841459
    yield value("50 of 100 at 95 %", interval, (0.4038315, 0.5961685), tolerance=1e-5)
    yield value("0 of 10 (high: z²/(10 + z²))", f(0, 10), (0, 0.2775328), tolerance=1e-5)
    yield value("10 of 10 (low: 10/(10 + z²))", f(10, 10), (0.7224672, 1), tolerance=1e-5)
    yield value("9 of 10", f(9, 10), (0.5958500, 0.9821238), tolerance=1e-5)
    # by the same formula with 2.575829² = 6.634897 and 1.281552² = 1.642374
    yield value("2 of 7 at 99 %", f(2, 7, confidence=0.99), (0.0580522, 0.7219241), tolerance=1e-5)
    yield value("50 of 100 at 80 %", f(50, 100, 0.8), (0.4364422, 0.5635578), tolerance=1e-5)


# --- 5.9 --------------------------------------------------------------------------------------


def probe_patches(f):
    bank = torch.tensor([[1.0, 2, 2, 0], [1, 2, 2, 10], [4, 6, 2, 0], [1, 2, 3, 0]])[:3]
    features = bank[0].view(1, 4, 1, 1) + torch.tensor([0.0, 0, 0, 2]).view(1, 4, 1, 1)
    features = features.repeat(3, 1, 2, 5)  # 3 images of 2×5 places, four numbers a place
    features[0, :, 0, 3] = torch.tensor([6.0, 6, 5, 6])  # (2, 0, 3, 6) from (4, 6, 2, 0): 7
    features[1, :, 1, 0] = torch.tensor([1.0, 2, 2, 13])  # 3 from the second
    features[1, :, 0, 4] = torch.tensor([2.0, 0, 0, 0])  # (1, -2, -2, 0) from the first: 3
    features[2, :, 1, 2] = torch.tensor([-3.0, -1, 2, 0])  # (-4, -3, 0, 0) from the first: 5
    seen = f(bank, features)
    yield shape("A bank (3, 4) and features (3, 4, 2, 5)", seen, (3, 2, 5))
    expected = torch.full((3, 2, 5), 2.0)
    expected[0, 0, 3], expected[1, 1, 0], expected[1, 0, 4], expected[2, 1, 2] = 7, 3, 3, 5
    what = "A bank of (1, 2, 2, 0), (1, 2, 2, 10) and (4, 6, 2, 0)"
    yield value(f"{what}, the distance of (6, 6, 5, 6)", seen[0, 0, 3], 7)
    yield value(f"{what}, three maps of 2×5 places", seen, expected)
    yield value(f"{what}, the last image by itself", f(bank, features[2:]), expected[2:])
    alone = features[1:2, :, :1, 4:]
    yield value(f"{what}, one image of a single place", f(bank, alone), [[[3]]])
    # from (1, 2, 2, 0): (0, 0, 0, 2), (0, 0, 0, 13)
    only = torch.tensor([[[2.0, 2, 2, 2, 3], [13, 2, 2, 2, 2]]])
    yield value("A bank of one code, (1, 2, 2, 0)", f(bank[:1], features[1:2]), only)
    seen = f(bank.double(), features[2:].double())
    yield value("The last image by itself, float64", seen, expected[2:])
    bank = 3 * torch.randn(60, 8)
    near = torch.as_tensor(f(bank, bank.T.reshape(1, 8, 6, 10).contiguous()))
    says = "Where a feature is in the bank itself, the distance should be 0; some of yours are nan or large. Sums of squares may come out below 0 by rounding: `.clamp(min=0)` before the root, or `torch.cdist`."
    yield Finding("wrong_value", bool((near < 0.1).all()), bool((near < 0.1).all()), says)


# --- 5.10 -------------------------------------------------------------------------------------


def probe_pixels(f):
    # four scans; lesions at 3 and 6, at 2.5, and none in the second and the last
    maps = np.array(
        [
            [[1.0, 2, 3], [4, 5, 6]],
            [[0.5, 0.6, 10], [0.7, 0.8, 0.9]],
            [[2.5, -8, -1], [-1, -2, -3]],
            [[-4, -5, 0.1], [0.2, 0.3, 0.4]],
        ]
    )
    masks = np.zeros(maps.shape, dtype=bool)
    masks[0, :, 2] = masks[2, 0, 0] = True
    # healthy: 1 2 4 5, 0.5 0.6 10 0.7 0.8 0.9, -8 -1 -1 -2 -3, -4 -5 0.1 0.2 0.3 0.4: 21 of them;
    # 6 lies above 20, 3 above 18 (not 4, 5, 10), 2.5 above 18
    expected = 56 / 63
    what = "Lesion pixels of 3, 6 and 2.5 among 21 healthy ones, of which 4, 5 and 10 are high"
    yield value(what, f(maps, masks), expected)
    # healthy: 1 2 4 5; 3 lies above two of them, 6 above four
    yield value("Lesions of 3 and 6 among 1, 2, 4 and 5", f(maps[:1], masks[:1]), 6 / 8)
    tied = np.array([[[2.0, 2, 1], [2, 3, 2]]]), np.array([[[True, False, False], [False] * 3]])
    # one lesion pixel of 2 against 2 1 2 3 2
    yield value("A lesion's 2 among 2, 1, 2, 3 and 2, equal ones count half", f(*tied), 2.5 / 5)
    yield value("The maps in other units", f(3 * maps + 5, masks), expected)
    yield value("The maps turned round", f(-maps, masks), 1 - expected)


EXERCISES = declared(
    "05",
    {
        "5.1": probe_block,
        "5.2": probe_shapes,
        "5.3": probe_ratio,
        "5.4": probe_subset,
        "5.5": probe_freeze,
        "5.6": probe_huber,
        "5.7": probe_z,
        "5.8": probe_wilson,
        "5.9": probe_patches,
        "5.10": probe_pixels,
    },
)
