"""Probes of module 5: residual blocks, patients, freezing, decisions, patches, pixels."""

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
    seeded,
    shape,
    show,
    value,
)
from helpers.checks.watch import alike
from helpers.checks.wrap_up import Hidden
from helpers.datasets.oct import NORMAL
from helpers.experiments.module_05 import another_scanner, baseline_scores
from helpers.thresholds import conformal_p_values, patient_p_values


def wrong_value(right, says, seen=None):
    return Finding("wrong_value", bool(right) if seen is None else seen, bool(right), says)


def probe_block(f):
    seen = f(3, 5)(torch.rand(2, 3, 6, 10))
    yield shape("A batch (2, 3, 6, 10) from 3 to 5 channels", seen, (2, 5, 6, 10))
    seen = f(5, 3)(torch.rand(2, 5, 6, 10))
    yield shape("A batch (2, 5, 6, 10) from 5 to 3 channels", seen, (2, 3, 6, 10))
    seen = sum(p.numel() for p in crafted(f, 0, channels=(4, 4)).parameters())
    says = f"With 4 channels in and out the block should have 304 parameters: 2·4·4·9 in the 3×3 convolutions, which have no bias, 4·4 in the normalisations, and none in the short cut; yours has {seen}."
    yield wrong_value(seen == 304, says, seen)
    x, middle = torch.tensor([[[[-2.0, 3], [50, -7]]]]), np.outer([0, 1, 0], [0, 1, 0])
    seen = crafted(f, 0, norms=(0, 0))(x)
    yield value("All weights at 0, so that x passes the sum unchanged: [-2, 3, 50, -7]", seen, x)
    what = "In eval mode, with kernels that only turn the sign, x + relu(-relu(-x)), which is x, for x = [-2, 3, 50, -7]"
    yield value(what, crafted(f, -middle)(x), x)
    what = "In eval mode, with kernels that only pass on and normalisations of weight 2 and 3, x + 6·relu(x) for x = [-2, 3, 50, -7]"
    enlarging = crafted(f, middle, norms=(2, 3))
    yield value(what, enlarging(x), [[[[-2, 21], [350, -7]]]])
    yield from gradients_are(enlarging, [x], {"x": 1.0 + 6 * (x > 0)})
    dot = (torch.arange(20.0) == 0).float().view(1, 1, 4, 5)
    seen = crafted(f, 1)(dot) - dot
    what = "What two 3×3 kernels of ones make of a single dot in a corner"
    yield value(what, seen, np.outer([2, 2, 1, 0], [2, 2, 1, 0, 0])[None, None])  # 0 beyond
    # The first norm and ReLU leave 0, 0 and a positive number of 1, 2 and 6; the second norm and
    # ReLU turn that number into √2, whatever it is.
    x = torch.tensor([1.0, 2, 6]).repeat_interleave(2).view(3, 1, 1, 2)
    what = "In train mode, a batch of three images of brightness 1, 2 and 6, with kernels that only double (BatchNorm takes mean and variance over the batch, the ReLU comes after it),"
    yield value(what, crafted(f, 2 * middle).train()(x), x + 2**0.5 * (x == 6))
    block = crafted(f, 0, norms=(0, 0), channels=(3, 5))
    seen = sum(p.numel() for p in block.parameters())
    says = f"From 3 to 5 channels the block should have 400 parameters (3·5·9 + 5·5·9 in the 3×3 convolutions, 4·5 in the normalisations, 3·5 + 5 in the 1×1 convolution); yours has {seen}."
    yield wrong_value(seen in (395, 400), says, seen)  # 395: no bias in the short cut
    x = torch.tensor([1.0, 2, 4]).view(1, 3, 1, 1) * torch.tensor([1.0, -1])
    what = "From 3 to 5 channels, with ones in the 1×1 convolution and a body of zeros, two pixels (1, 2, 4) and (-1, -2, -4)"
    yield value(what, block(x), torch.tensor([7.0, -7]).expand(1, 5, 1, 2))


def crafted(f, kernel, norms=(1, 1), channels=(1, 1)):
    """A block in eval mode with known weights, whatever its layers are called."""
    block, norms = f(*channels).eval(), iter(norms)
    block(torch.zeros(1, channels[0], 3, 3))  # by which lazy layers know their sizes
    for name, p in block.named_parameters():
        known = kernel if p.shape[-2:] == (3, 3) else 1.0  # else in the short cut
        if p.ndim == 1:  # of a normalisation, or a bias
            known = next(norms, 1) if name.endswith("weight") else 0
        p.data = torch.zeros_like(p) + torch.as_tensor(known)
    return block


def probe_shapes(f):
    shapes = f(128, (64, 128, 256, 256))
    says = f"128 pixels and four groups should give a list of four shapes (channels, height, width); yours gave {given(shapes)}."
    outline = as_array(shapes).shape
    yield form(isinstance(shapes, (list, tuple)) and outline == (4, 3), says, seen=outline)
    for size, widths, sides in (
        (128, (64, 128, 256, 256), (64, 32, 16, 8)),
        (65, (3, 5, 7), (33, 17, 9)),  # with padding 1 the kernel ends at the last pixel
        (10, (2, 4, 1), (5, 3, 2)),
    ):
        what = f"{size} pixels and widths {', '.join(map(str, widths))}"
        yield value(what, f(size, widths), np.stack([widths, sides, sides], axis=1))


def as_array(x):
    """An array, which is empty for lists of several lengths."""
    try:
        return np.asarray(x)
    except (ValueError, RuntimeError):
        return np.empty((0, 0))


def given(x):
    """What a candidate gave: an array by shape, type and range, other things as they print."""
    if isinstance(x, np.ndarray) and x.size and x.dtype.kind in "biuf":
        return f"{kind_of(x)} and dtype {x.dtype}, from {x.min()} to {x.max()}"
    known = x is None or isinstance(x, (np.ndarray, torch.Tensor))
    return kind_of(x) if known else " ".join(repr(x)[:90].split())


def probe_ratio(f):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(96, 100))
    halving, mixing = nn.Conv2d(1, 6, kernel_size=2, stride=2), nn.Conv2d(3, 2, kernel_size=1)
    yield plain_number(f(flat, (1, 8, 12)))
    yield value("An image of 96 numbers and a code of 100", f(flat, (1, 8, 12)), 0.96)
    yield value("An image (1, 8, 12) and a code (6, 4, 6)", f(halving, (1, 8, 12)), 96 / 144)
    yield value("An image (3, 4, 5) and a code (2, 4, 5)", f(mixing, (3, 4, 5)), 1.5)
    modes = ("train", "eval", "eval"), ("eval", "train", "train"), ("train", "eval", "train")
    for own, part, inside in (*modes, ("eval", "train", "eval")):
        encoder = small_encoder().train(own == "train")
        encoder[3].train(part == "train")
        encoder[3][1].train(inside == "train")
        before = tensors(encoder) | parts_of(encoder)
        f(encoder, (1, 6, 7))
        moved = changed(encoder, before)
        says = f"The encoder came in {own} mode, a part of it in {part} mode and a layer of this part in {inside} mode; the counting has changed {few(moved)}."
        yield behaviour(not moved, says, seen=moved)


def plain_number(x):
    right = not isinstance(x, torch.Tensor) and as_array(x).ndim == 0
    right = right and as_array(x).dtype.kind in "iuf"
    return form(right, f"Return a float, a plain number and no tensor; yours gave {kind_of(x)}.")


def small_encoder():
    """Two BatchNorms that have seen images, one of them further inside."""
    inner = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    encoder = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), inner)
    encoder(3 + torch.randn(8, 1, 4, 4))
    return encoder


def parts_of(module):
    """Mode, gradients and number of hooks of each part, by what is said where they change."""
    found = {}
    for name, part in module.named_modules(prefix="encoder"):
        hooks = len(part._forward_hooks) + len(part._forward_pre_hooks)
        found[f"{name} (now in another mode)"] = part.training
        found[f"{name} (requires_grad)"] = [p.requires_grad for p in part.parameters(recurse=False)]
        found[f"{name} (a hook left: its handle has a `remove()`)"] = hooks
    return found


def tensors(module):
    """A copy of all tensors, without BatchNorm's count of batches, on which nothing depends."""
    return {n: t.clone() for n, t in module.state_dict().items() if "num_batches" not in n}


def changed(module, before):
    """Names of what is not as it was, or not there any more."""
    now = tensors(module) | parts_of(module)
    return tuple(n for n, was in before.items() if n not in now or not alike(was, now[n]))


def few(names):
    names = list(dict.fromkeys(names))
    return ", ".join(names[:3]) + " and more" * (len(names) > 3)


def probe_subset(f):
    rng = np.random.default_rng(3)
    scans, mixed = rng.integers(2, 7, 68), rng.permutation(68) + 500
    labels = np.repeat(np.repeat([0, 1, 2], [40, 20, 8]), scans)  # 40, 20 and 8 patients
    order = rng.permutation(len(labels))
    labels, groups = labels[order], np.repeat(mixed, scans)[order]
    part = f(labels, groups, 0.25)
    array = as_array(part)
    right = array.ndim == 1 and array.dtype.kind in "iu"
    right = right and len(set(array) & set(range(264))) == len(array)
    says = f"Return positions, an array (m,) of different whole numbers from 0 to 263 (`np.flatnonzero` gives those of a mask; the patients have numbers of 500 and more); yours gave {given(part)}."
    yield form(right, says, (array.ndim, array.dtype.kind, np.isin(array, groups).all()))
    if not right:
        return
    split = split_patients(groups, array)
    says = f"{split} patients have scans inside the subset and outside; a patient is taken whole."
    yield wrong_value(not split, says)

    def draw(share=0.25, **seed):
        return np.sort(np.asarray(f(labels, groups, share, **seed)))

    for share, wanted in (0.25, [10, 5, 2]), (0.01, [1, 1, 1]), (0.5, [20, 10, 4]):
        part = draw(share)
        counts = [len(np.unique(groups[part][labels[part] == c])) for c in range(3)]
        says = f"Of 40, 20 and 8 patients of three classes a share of {share} should take {show(wanted)}, at least one of each class; yours took {show(counts)}."
        # what two draws by one rule have in common
        more = np.sign(sum(counts) - sum(wanted))
        seen = counts == wanted, counts == [40, 20, 8], more, min(counts) > 0
        yield wrong_value(seen[0], says, seen)
    known = [list(dict.fromkeys(groups[labels == c].tolist())) for c in range(3)]
    firsts = [{g for own in known for g in order(own)[: len(own) // 4]} for order in (list, sorted)]
    says = "Yours takes the patients with the lowest numbers, or those who come first in the array; draw them at random."
    yield wrong_value(set(groups[draw()].tolist()) not in firsts, says)
    yield from seeded(draw, "subsets")
    times = sum(np.isin(mixed, groups[draw(0.5, seed=seed)]) for seed in range(40))
    apart = int(((times == 0) | (times == 40)).sum())  # by chance once in 10¹⁰ checks
    more = times[scans > 4].mean() - times[scans < 4].mean()  # its standard error is below 0.9
    says = f"With a share of 0.5 and forty seeds, patients with many scans were drawn {abs(more):.1f} times {'more' if more > 0 else 'less'} often than those with few; each should have the same chance. Draw from a list that holds each patient once."
    if apart:
        says = f"With a share of 0.5 and forty seeds, {apart} of 68 patients were drawn never or every time; each should have the same chance."
    yield wrong_value(not apart and abs(more) < 8, says)
    # each patient has scans of two classes, as who has one healthy eye
    eyes, who = np.tile([0, 0, 1, 1, 1, 0], 10), np.repeat(np.arange(20), 3)
    drawn = [np.asarray(f(eyes, who, 0.5, seed=seed)) for seed in range(3)]
    split = sum(split_patients(who, part) for part in drawn)
    says = "A patient whose two eyes are of different classes is split: once drawn, a patient comes with all scans, of whatever class."
    yield behaviour(split == 0, says)
    if split:
        return
    counts = [len(np.unique(who[part])) for part in drawn]
    says = f"Of 20 patients with scans of two classes each, a share of 0.5 should take 10; yours took {show(counts)} with three seeds. Count each patient in one class only, or it can be drawn twice."
    yield behaviour(counts == [10] * 3, says)


def split_patients(groups, part):
    return len(np.intersect1d(groups[part], np.delete(groups, part)))


def probe_freeze(f):
    encoder, head = small_encoder(), nn.Sequential(nn.Conv2d(2, 1, 1), nn.BatchNorm2d(1))
    before, x = tensors(encoder), (3 + 2 * torch.randn(8, 1, 4, 4)).requires_grad_()
    expected = encoder.eval()(x).detach()
    frozen = f(encoder.train())
    says = f"Return the module that was handed in, frozen; yours gave {kind_of(frozen)}, not it."
    if isinstance(frozen, nn.Module):
        says = "Freeze the module that was handed in, and return it; you return another one, such as a copy."
    yield form(frozen is encoder, says, seen=frozen is encoder or kind_of(frozen))
    hooks = [hook for part in frozen.modules() for hook in part._forward_pre_hooks.values()]
    says = "Hand a function f(part, inputs) over to the hook, neither `part.eval` nor what `part.eval()` returns: PyTorch calls it with these two arguments."
    yield form(not any(map(is_eval, hooks)), says)
    model = nn.Sequential(frozen, head)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)

    def step():
        """One training step: the names of the frozen tensors that it changes."""
        before = tensors(frozen)
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        return changed(frozen, before)

    for what, prepare in (
        ("Right after freezing", lambda: None),
        ("After one part of the module was put into train mode,", frozen[3].train),
        ("After `model.train()`, which every training loop calls,", model.train),
    ):
        prepare()
        moved = changed(frozen, before), step(), step()
        says = f"{what} these tensors have changed in training: {few(sum(moved, ()))}."
        yield wrong_value(not any(moved), says, moved)
    model.train()
    nn.Sequential(*[part for part in frozen.modules() if not list(part.children())])(x)
    moved = changed(frozen, before)
    says = f"After `model.train()`, the parts of the module used one by one, these tensors have changed: {few(moved)}. Not only the whole has to be in eval mode before it is used, but each part."
    yield wrong_value(not moved, says, moved)
    says = "After `model.train()` the module gives other codes than it did in eval mode before it was frozen."
    yield behaviour(torch.allclose(model.train()[0](x), expected, atol=1e-5), says)
    says = "No gradient passes through the frozen module to what stands before it."
    yield behaviour(x.grad is not None, says)


def is_eval(hook):
    """Whether a hook is a module, as `part.eval()` returns it, or the method `part.eval`."""
    own = getattr(hook, "__func__", None)
    return isinstance(hook, nn.Module) or own in (nn.Module.eval, nn.Module.train)


def probe_huber(f):
    d = torch.zeros(3, 2, 2, 3)
    d[0], d[1], d[2, 0, 0] = 0.5, -3, 1.8  # 1.8 in 3 of 12 pixels
    x = torch.linspace(-1, 1, 36).view(3, 2, 2, 3)
    seen = f(x, x + d)
    yield shape("Three images (2, 2, 3)", seen, (3,))
    what = "differences of 0.5 everywhere, -3 everywhere, and 1.8 in a quarter of the pixels,"
    yield value(f"With delta=1, {what}", seen, [0.125, 2.5, 0.325])  # 1.3 / 4
    yield value(f"With delta=2, {what}", f(x, x + d, delta=2.0), [0.125, 4, 0.405])  # 1.8²/2 / 4
    edge = torch.ones(1, 2, 3, 1, dtype=torch.float64)
    yield value("One image, differences of exactly delta, float64", f(3 * edge, 2 * edge), [0.5])
    # the slope is d within delta and ±delta beyond; 12 pixels share the mean
    slope = torch.tensor([0.5, -1]).view(2, 1, 1, 1).expand(2, 2, 2, 3) / 12
    yield from gradients_are(lambda x_hat: f(x[:2], x_hat), [x[:2] + d[:2]], {"x_hat": slope})


def probe_z(f):
    # Validation normals: mean 10, standard deviation 2 (2.02 if divided by n - 1), median 9. Test
    # scores show where the rule begins: each other choice of scans begins elsewhere.
    tested = np.concatenate([np.arange(2.5, 33), np.arange(36.5, 60, 4)])
    others = [9.0, 9, 14, 9, 9] * 12 + [17, 18, 21, 23, 24] * 2
    scores = np.concatenate([others, tested])
    normal, validation = np.arange(107) < 60, np.arange(107) < 70
    normal[70:93:2] = True
    flags = f(scores, normal, validation)
    array = as_array(flags)
    says = f"Return one True or False for each of the 107 scores; yours gave {given(flags)}."
    right = array.shape == (107,) and array.dtype == bool
    yield form(right, says, seen=(array.shape, array.dtype.kind))
    for begin, scale, shift, z in (
        (16.5, 1, 0, {}),
        (12.5, 1, 0, {"z": 1.2}),
        (20.5, 100, 7, {"z": 5}),  # the same scores in other units
    ):
        seen = np.asarray(f(scale * scores - shift, normal, validation, **z)) == 1
        wanted, mean = scores >= begin, 10 * scale - shift
        right, own = ((flags[70:].sum(), flags[:70].sum()) for flags in (wanted, seen))
        says = f"The validation normals have mean {mean} and standard deviation {2 * scale}, so for z = {z.get('z', 3)} the limit is {mean + z.get('z', 3) * 2 * scale:g}. Of the 37 test scores {right[0]} reach it, and yours flags {own[0]}; of the 70 validation scores {right[1]} reach it, and yours flags {own[1]}."
        yield wrong_value((seen == wanted).all(), says, seen)
    some = np.array([9.0, 9, 9, 9, 14, 10])
    at = bool(np.asarray(f(some, np.full(6, True), np.arange(6) < 5, z=0.0))[5])
    says = "Validation normals 9, 9, 9, 9 and 14 have the mean 10: with z = 0, a score of 10 lies exactly at the limit, and with z *or more* it should be flagged; yours lets it pass."
    yield wrong_value(at, says)


def probe_wilson(f):
    interval = f(np.int64(50), 100)  # the notebook counts with numpy
    says = f"Return two numbers, (low, high); yours gave {given(interval)}."
    yield form(as_array(interval).shape == (2,), says)
    # (0.5 + 0.01920729 ± 1.959964·√(0.25/100 + 0.00009603647)) / 1.03841459, with z² = 3.841459
    yield value("50 of 100 at 95 %", interval, (0.4038315, 0.5961685), 1e-5)
    yield value("0 of 10 (high: z²/(10 + z²))", f(0, 10), (0, 0.2775328), 1e-5)
    yield value("10 of 10 (low: 10/(10 + z²))", f(10, 10), (0.7224672, 1), 1e-5)
    yield value("2 of 7 at 80 %", f(2, 7, 0.8), (0.1253360, 0.5275372), 1e-5)  # z² = 1.642374


def probe_patches(f):
    bank = torch.tensor([[1.0, 2, 2, 0], [1, 2, 2, 10], [4, 6, 2, 0]])
    # three images of 2×5 places with four numbers each, nearly all 2 from the first code
    features = torch.tensor([1.0, 2, 2, 2]).view(1, 4, 1, 1).repeat(3, 1, 2, 5)
    expected = torch.full((3, 2, 5), 2.0)
    for place, point, distance in (
        ((0, 0, 3), (6, 6, 5, 6), 7),  # (2, 0, 3, 6) from the third
        ((1, 1, 0), (1, 2, 2, 13), 3),  # from the second
        ((1, 0, 4), (2, 0, 0, 0), 3),  # (1, -2, -2, 0) from the first
        ((2, 1, 2), (-3, -1, 2, 0), 5),  # (-4, -3, 0, 0) from the first
    ):
        features[place[0], :, place[1], place[2]] = torch.tensor(point, dtype=torch.float32)
        expected[place] = distance
    seen = f(bank, features)
    yield shape("A bank (3, 4) and features (3, 4, 2, 5)", seen, (3, 2, 5))
    what = "A bank of (1, 2, 2, 0), (1, 2, 2, 10) and (4, 6, 2, 0)"
    yield value(f"{what}, the distance of (6, 6, 5, 6)", seen[0, 0, 3], 7)
    yield value(f"{what}, three maps of 2×5 places", seen, expected)
    yield value(f"{what}, the last image by itself", f(bank, features[2:]), expected[2:])
    one = f(bank[:1], features[1:2, :, :1, 4:])
    yield value("A bank of (1, 2, 2, 0) only, a single place, (2, 0, 0, 0)", one, [[[3]]])
    bank = 3 * torch.randn(60, 8)
    near = bool((torch.as_tensor(f(bank, bank.T.reshape(1, 8, 6, 10))) < 0.1).all())
    says = "Where a feature is in the bank itself, the distance should be 0; some of yours are nan or large. Sums of squares may come out below 0 by rounding: `.clamp(min=0)` before the root, or `torch.cdist`."
    yield wrong_value(near, says)


def probe_pixels(f):
    # Four scans with lesions at 3, 5, -1 and 2.4, which lie above 15, 18, 6 and 15 of the 20 healthy
    # pixels: -9 -8 -7 -5 -4 -2, 0.1 to 2.3, 3.3 3.5 4 8 9.
    maps = np.array([-4, 4, 0.4, 3, 1, 5, 2.3, -9, 9, 8, 0.8, 3.5])
    maps = np.append(maps, [-2, -1, 0.2, -8, 1.5, 2.4, 0.1, -5, 3.3, -7, 0.7, 0.3]).reshape(4, 2, 3)
    masks = np.isin(maps, [3, 5, -1, 2.4])
    what = "Lesion pixels of 3, 5, -1 and 2.4 among 20 healthy ones from -9 to 9"
    yield value(what, f(maps, masks), 54 / 80)
    yield plain_number(f(maps, masks))
    tied, mask = np.array([[[2.0, 2, 1], [2, 3, 2]]]), np.array([[[True, False, False]] * 2])
    # either lesion's 2 against 2 1 3 2: two are alike, one is lower
    yield value("Lesions of 2 and 2 among 2, 1, 3, 2; equal ones count half", f(tied, mask), 2 / 4)
    yield value("The maps turned round and in other units", f(5 - 3 * maps, masks), 26 / 80)
    # a lesion of five pixels above all three healthy ones, and one of a single pixel below all
    sizes = np.array([[[5.0, 6, 7, 8, 9, 2]], [[1, 3, 4, 1, 1, 1]]])
    lesions = sizes >= 5
    lesions[1, 0, 0] = True
    what = "A lesion of five pixels above all six healthy ones, and one of a single pixel below or beside all"
    yield value(what, f(sizes, lesions), (30 + 1.5) / 36)


def probe_patients(f):
    # patient 7 has four scans, 4 has two, 30 has one; they do not stand together
    scores = np.array([8.0, 5, 3, 1, 2, 4, 6])
    groups = np.array([7, 4, 7, 7, 30, 7, 4])
    new = [4.5, 9, 4, 0, 5.5]
    seen = f(scores, groups, np.array(new))
    says = (
        f"Return an array with one p-value for each of the 5 new scans; yours gave {given(seen)}."
    )
    if isinstance(seen, (list, tuple)):
        says = f"Return an array; yours is a {type(seen).__name__}: `np.array(...)`."
    yield form(isinstance(seen, np.ndarray) and seen.shape == (5,), says)
    # shares of patients 7, 4, 30: 1/4 1 0; 0 0 0; 2/4 1 0; 1 1 1; 1/4 1/2 0
    what = "Patients with the scores (8, 3, 1, 4), (5, 6) and (2), new scans of 4.5, 9, 4, 0, 5.5"
    yield value(what, seen, [2.25 / 4, 1 / 4, 2.5 / 4, 1, 1.75 / 4])
    single = f(np.array([2, 3]), np.array([1, 1]), np.array([3]))
    yield value("A single patient with 2 and 3; a new scan of 3", single, [0.75])
    far = f(-scores, np.array(list("badbcad")), np.array([-4.0]))
    # patients b (-8, -1), a (-5, -4), d (-3, -6), c (-2): shares 1/2 1/2 1/2 1
    yield value("Patients named by letters, scores below zero", far, [3.5 / 5])


def probe_decoder(f):
    decoder = f((3, 5, 7))
    says = f"A decoder is wanted, an `nn.Sequential`; yours gave {kind_of(decoder)}."
    yield form(isinstance(decoder, nn.Module), says, seen=kind_of(decoder))
    decoder.eval()
    seen = decoder(torch.rand(2, 7, 2, 3))
    yield shape("Codes (2, 7, 2, 3) and widths (3, 5, 7)", seen, (2, 1, 16, 24))
    # blocks 7-5, 5-5, 5-3, 3-3, 3-3, 3-3 and a convolution 3-1
    seen = sum(p.numel() for p in decoder.parameters())
    says = f"With widths (3, 5, 7) the decoder should have 1,866 parameters: six residual blocks, from 7 to 5, 5 to 5, 5 to 3 and three times 3 to 3 channels, and a 3×3 convolution to one; yours has {seen:,}."
    yield wrong_value(seen in (1_858, 1_866), says, seen)  # 1,858: no bias in the short cuts
    code = torch.tensor([[0.1, -0.2], [0.3, 0.05]])
    large = code.repeat_interleave(4, 0).repeat_interleave(4, 1)
    seen = bare(f((2, 3)))(code.expand(1, 3, 2, 2))
    # each of two channels is the sum of three, and the last convolution adds the two up
    what = "Blocks that only carry on and a last kernel that only adds up, widths (2, 3), a code of three equal channels 0.1, -0.2, 0.3, 0.05: tanh of six times it, each value in a square of 4×4 pixels (nearest)"
    yield value(what, seen, torch.tanh(6 * large)[None, None], 1e-5)
    narrow = f((2, 4, 3), code_channels=2)
    more = sum(p.numel() for p in narrow.parameters())
    more -= sum(p.numel() for p in f((2, 4, 3)).parameters())
    says = f"With widths (2, 4, 3), a bottleneck of two channels should add 17 parameters, 3·2 + 2 and 2·3 + 3; yours adds {more}."
    yield wrong_value(more == 17, says, more)
    between = [type(layer).__name__ for layer in between_narrow(narrow)]
    says = f"Between the two 1×1 convolutions nothing is asked for; yours has {', '.join(between)} there."
    yield wrong_value(not between, says, between)
    codes = 0.01 * torch.randn(1, 3, 1, 2, generator=torch.Generator().manual_seed(1))
    expected = torch.tanh(48 * codes.sum(dim=1, keepdim=True))
    what = "The same with widths (2, 4, 3) and a bottleneck of two channels: tanh of 48 times the sum of a code's channels"
    expected = expected.repeat_interleave(8, 2).repeat_interleave(8, 3)
    yield value(what, bare(narrow)(codes), expected, 1e-4)
    sides = []
    for part in decoder.modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3):
            part.register_forward_pre_hook(lambda part, x: sides.append(x[0].shape[-2]))
    decoder(torch.rand(1, 7, 2, 3))
    says = f"From codes of 2×3, the 3×3 convolutions should work on 4, 8 and 16 rows, since the upsampling comes first in each group; yours work on {show(sorted(set(sides)))}."
    yield wrong_value(sorted(set(sides)) == [4, 8, 16], says, tuple(sides))


def between_narrow(decoder):
    """The layers that a decoder for 3 channels uses between its first two 1×1 convolutions."""
    leaves, used = [m for m in decoder.modules() if not [*m.children()]], []
    hooks = [m.register_forward_hook(lambda m, *_: used.append(m)) for m in leaves]
    decoder(torch.rand(1, 3, 2, 2))
    for hook in hooks:
        hook.remove()
    narrow = [i for i, m in enumerate(used) if getattr(m, "kernel_size", None) == (1, 1)]
    between = used[narrow[0] + 1 : narrow[1]] if len(narrow) > 1 else []
    return [m for m in between if not isinstance(m, nn.Identity)]


def bare(decoder):
    """A decoder in eval mode whose blocks have a body of zeros, and ones in all 1×1 kernels.

    Of the 3×3 kernel to one channel the middle is 1.
    """
    decoder.eval()
    for p in decoder.parameters():
        if p.ndim == 4 and p.shape[-1] == 1:
            p.data.fill_(1)
        elif p.ndim == 4 and len(p) == 1:
            p.data.zero_()[:, :, 1, 1] = 1
        else:
            p.data.zero_()
    return decoder


def trial_of_clinics(alpha=0.05, clinics=300):
    """False alarms and finds of four rules for new patients, after calibrations on 30 patients."""
    rng = np.random.default_rng(7)
    found = {name: [] for name in ("z_rule", "by_scan", "by_patient", "worst_scan")}
    for _ in range(clinics):
        who = np.repeat(np.arange(30), rng.integers(1, 21, 30))
        known = np.exp(0.5 * eyes(rng, who))
        new = np.concatenate([np.exp(0.5 * (eyes(rng, np.arange(100)) + up)) for up in (0, 2.5)])
        worst = np.array([known[who == patient].max() for patient in range(30)])
        flags = {
            "z_rule": new >= known.mean() + 3 * known.std(),
            "by_scan": conformal_p_values(known, new) <= alpha,
            "by_patient": patient_p_values(known, who, new) <= alpha,
            "worst_scan": conformal_p_values(worst, new) <= alpha,
        }
        for name, flagged in flags.items():
            found[name].append(flagged.reshape(2, 100).mean(axis=1))
    rates = {name: np.mean(each, axis=0) for name, each in found.items()}
    allowed = {name: sick for name, (healthy, sick) in rates.items() if healthy <= alpha}
    best = max(allowed, key=allowed.get).replace("_", " ")
    numbers = {f"{name}_alarms": healthy for name, (healthy, _) in rates.items()}
    numbers |= {f"{name}_found": sick for name, (_, sick) in rates.items()}
    return {"clinics": clinics, "best": [best]} | numbers


def eyes(rng, who):
    """Gaussian scores, 90 % of their variance between patients."""
    return 0.9**0.5 * rng.normal(size=who.max() + 1)[who] + 0.1**0.5 * rng.normal(size=len(who))


def hidden_patients():
    """Scans of other patients by the other scanner, and the course's own scores of them."""
    scans = another_scanner((25, 25, 25, 75), seed=502)
    known = another_scanner().images
    scores = baseline_scores(known, scans.images)
    return Hidden(
        scans.images,
        scans.labels != scans.classes.index(NORMAL),
        scans.source,
        trivial={name: scores[name] for name in ("brightness", "mean image", "nearest image")},
        rungs={"PCA, 32": scores["PCA, 32"]},
        patients=scans.groups,
    )


PROBES = [probe_block, probe_shapes, probe_ratio, probe_subset, probe_freeze]
PROBES += [probe_huber, probe_z, probe_wilson, probe_patches, probe_pixels, probe_patients]
PROBES += [probe_decoder, trial_of_clinics, hidden_patients]
EXERCISES = declared("05", PROBES)
