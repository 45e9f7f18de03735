"""Probes of module 5: residual blocks, patients, freezing, decisions, patches, pixels."""

import copy
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


def probe_block(f):
    block = f(3, 5)
    says = f"`ResidualBlock(3, 5)` should be an nn.Module; yours is {kind_of(block)}."
    yield form(isinstance(block, nn.Module), says)
    seen = block(torch.rand(2, 3, 6, 10))
    yield shape("A batch (2, 3, 6, 10) from 3 to 5 channels", seen, (2, 5, 6, 10))
    seen = sum(p.numel() for p in f(4, 4).parameters())
    says = f"With 4 channels in and out the block should have 304 parameters: 2·4·4·9 in the 3×3 convolutions, which have no bias, 4·4 in the normalisations, and none in the short cut; yours has {seen}."
    yield Finding("wrong_value", seen, seen == 304, says)
    x, middle = torch.tensor([[[[-2.0, 3], [50, -7]]]]), torch.zeros(3, 3)
    middle[1, 1] = 1
    seen = crafted(f(1, 1), 0, norms=(0, 0))(x)
    yield value("All weights at 0, so that x passes the sum unchanged: [-2, 3, 50, -7]", seen, x)
    what = "In eval mode, with kernels that only turn the sign, x + relu(-relu(-x)), which is x, for x = [-2, 3, 50, -7]"
    yield value(what, crafted(f(1, 1), -middle)(x), x)
    what = "In eval mode, with kernels that only pass on and normalisations of weight 2 and 3, x + 6·relu(x) for x = [-2, 3, 50, -7]"
    enlarging = crafted(f(1, 1), middle, norms=(2, 3))
    yield value(what, enlarging(x), [[[[-2, 21], [350, -7]]]])
    yield from gradients_are(enlarging, [x], {"x": 1.0 + 6 * (x > 0)})
    dot = torch.zeros(1, 1, 7, 7)
    dot[0, 0, 3, 3] = 1
    seen = crafted(f(1, 1), torch.ones(3, 3))(dot) - dot
    tent = np.outer([0, 1, 2, 3, 2, 1, 0], [0, 1, 2, 3, 2, 1, 0])  # two sums over 3×3 pixels
    yield value("What two 3×3 kernels of ones make of a single dot", seen, tent[None, None])
    # The first norm and ReLU leave 0, 0 and a positive number of 1, 2 and 6; the second norm and
    # ReLU turn that number into √2, whatever it is.
    x = torch.tensor([1.0, 2, 6]).repeat_interleave(2).view(3, 1, 1, 2)
    seen = crafted(f(1, 1), 2 * middle).train()(x)
    what = "In train mode, a batch of three images of brightness 1, 2 and 6, with kernels that only double (BatchNorm takes mean and variance over the batch, the ReLU comes after it),"
    yield value(what, seen, x + 2**0.5 * (x == 6))
    seen = sum(p.numel() for p in block.parameters())
    says = f"From 3 to 5 channels the block should have 400 parameters (3·5·9 + 5·5·9 in the 3×3 convolutions, 4·5 in the normalisations, 3·5 + 5 in the 1×1 convolution); yours has {seen}."
    yield Finding("wrong_value", seen, seen in (395, 400), says)  # 395: no bias in the short cut
    x = torch.tensor([1.0, 2, 4]).view(1, 3, 1, 1) * torch.tensor([1.0, -1])
    what = "From 3 to 5 channels, with ones in the 1×1 convolution and a body of zeros, two pixels (1, 2, 4) and (-1, -2, -4)"
    seen = crafted(block, 0, norms=(0, 0))(x)
    yield value(what, seen, torch.tensor([7.0, -7]).expand(1, 5, 1, 2))


def crafted(block, kernel, norms=(1, 1)):
    """The block in eval mode with known weights, whatever its layers are called."""
    norms = list(norms)
    for name, p in block.named_parameters():
        if p.ndim == 1:  # of a normalisation, or a bias
            p.data = torch.full_like(p, norms.pop() if name.endswith("weight") else 0)
        elif p.shape[-2:] == (3, 3):
            p.data = torch.zeros_like(p) + kernel
        else:  # of the short cut
            p.data = torch.ones_like(p)
    return block.eval()


def probe_shapes(f):
    shapes = f(128, (64, 128, 256, 256))
    says = f"128 pixels and four groups should give a list of four shapes (channels, height, width); yours gave {given(shapes)}."
    outline = as_array(shapes).shape
    yield form(isinstance(shapes, (list, tuple)) and outline == (4, 3), says, seen=outline)
    expected = [(64, 64, 64), (128, 32, 32), (256, 16, 16), (256, 8, 8)]
    yield value("128 pixels and widths 64, 128, 256, 256", shapes, expected)
    # an odd side: with padding 1 the kernel starts at the first pixel and ends at the last
    expected = [(3, 33, 33), (5, 17, 17), (7, 9, 9)]
    yield value("65 pixels and widths 3, 5, 7", f(65, (3, 5, 7)), expected)
    expected = [(2, 5, 5), (4, 3, 3), (1, 2, 2)]
    yield value("10 pixels and widths 2, 4, 1", f(10, (2, 4, 1)), expected)


def as_array(x):
    """An array, which is empty for lists of several lengths."""
    try:
        return np.asarray(x)
    except ValueError:
        return np.empty((0, 0))


def given(x):
    return kind_of(x) if x is None else " ".join(repr(x)[:90].split())


def probe_ratio(f):
    def flat(code):
        return nn.Sequential(nn.Flatten(), nn.Linear(96, code))

    seen = f(flat(12), (1, 8, 12))
    number = isinstance(seen, numbers.Real) or (isinstance(seen, np.ndarray) and seen.ndim == 0)
    says = f"Return a float, a plain number: `.numel()` gives such, `.item()` makes one; yours gave {kind_of(seen)}."
    yield form(number, says)
    yield value("An image of 96 numbers and a code of 12", seen, 8)
    yield value("An image of 96 numbers and a code of 100", f(flat(100), (1, 8, 12)), 0.96)
    halving = nn.Conv2d(1, 6, kernel_size=2, stride=2)
    yield value("An image (1, 8, 12) and a code (6, 4, 6)", f(halving, (1, 8, 12)), 96 / 144)
    mixing = nn.Conv2d(3, 2, kernel_size=1)
    yield value("An image (3, 4, 5) and a code (2, 4, 5)", f(mixing, (3, 4, 5)), 1.5)
    for mode, part in ((True, True), (False, False), (True, False), (False, True)):
        own, other = ("train", "eval") if mode else ("eval", "train")
        came = f"The encoder came in {own} mode" + f", a part of it in {other} mode" * (
            mode != part
        )
        encoder = small_encoder().train(mode)
        encoder[3].train(part)
        before, modes = tensors(encoder), modes_of(encoder)
        f(encoder, (1, 6, 7))
        moved = changed(encoder, before)
        says = f"{came}, and the counting has changed these tensors: {few(moved)}. In train mode BatchNorm takes whatever passes into its running statistics; nothing else moves by itself."
        yield behaviour(not moved, says, seen=moved)
        turned = tuple(name for name, was in modes.items() if modes_of(encoder)[name] != was)
        says = f"{came}; afterwards these parts are in another mode than before: {few(turned)}."
        yield behaviour(not turned, says, seen=turned)
    says = "After the counting, parameters of the encoder have `requires_grad` False, so that it learns no more."
    yield behaviour(all(p.requires_grad for p in encoder.parameters()), says)
    says = "A hook is left behind in the encoder: the handle that `register_forward_hook` returns has a `remove()`."
    hooks = [p._forward_hooks or p._forward_pre_hooks for p in encoder.modules()]
    yield behaviour(not any(hooks), says)


def small_encoder():
    """Two BatchNorms, one of them further inside, that have seen images. (N, 1, H, W)"""
    inner = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    encoder = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), inner)
    for norm in (encoder[1], inner[1]):
        norm.running_mean.fill_(0.3)
        norm.running_var.fill_(2)
    return encoder


def modes_of(module):
    return {name or "the encoder itself": part.training for name, part in module.named_modules()}


def tensors(module):
    """A copy of all tensors, without BatchNorm's count of batches, on which nothing depends."""
    named = module.state_dict().items()
    return {name: t.clone() for name, t in named if not name.endswith("num_batches_tracked")}


def changed(module, before):
    """Names of the tensors that are not as they were, or not there any more."""
    now = tensors(module)
    return tuple(
        name
        for name, t in before.items()
        if name not in now or t.dtype != now[name].dtype or not torch.equal(t, now[name])
    )


def few(names):
    return ", ".join(names[:3]) + " and more" * (len(names) > 3)


def probe_subset(f):
    rng = np.random.default_rng(3)
    scans, mixed = rng.integers(2, 7, 68), rng.permutation(68) + 500
    labels = np.repeat(np.repeat([0, 1, 2], [40, 20, 8]), scans)  # 40, 20 and 8 patients
    order = rng.permutation(len(labels))
    labels, groups = labels[order], np.repeat(mixed, scans)[order]
    part = f(labels, groups, 0.25)
    array = as_array(part)
    mask = ": `np.flatnonzero` gives the positions of a mask" * (array.dtype == bool)
    says = f"Return positions, an array (m,) of whole numbers; yours gave {kind_of(part)} and dtype {array.dtype}{mask}."
    right = array.ndim == 1 and array.dtype.kind in "iu"
    yield form(right, says, seen=(array.ndim, array.dtype.kind))
    if not right:
        return
    beyond = array[(array < 0) | (array >= len(labels))]
    says = f"Positions of {len(labels)} scans go from 0 to {len(labels) - 1}; yours hold {show(beyond[:3])} (the patients have numbers of 500 and more)."
    yield form(not len(beyond), says, seen=bool(np.isin(array, groups).all()))
    if len(beyond):
        return
    repeated = len(np.unique(array)) < len(array)
    yield Finding("wrong_value", repeated, not repeated, "In your array positions stand twice.")
    split = split_patients(groups, array)
    says = f"{split} patients have scans inside the subset and outside; a patient is taken whole."
    yield Finding("wrong_value", split > 0, not split, says)

    def draw(share=0.25, **seed):
        return np.sort(np.asarray(f(labels, groups, share, **seed)))

    for share, wanted in (0.25, [10, 5, 2]), (0.01, [1, 1, 1]), (0.5, [20, 10, 4]):
        part = draw(share)
        counts = [len(np.unique(groups[part][labels[part] == c])) for c in range(3)]
        says = f"Of 40, 20 and 8 patients of three classes a share of {share} should take {show(wanted)}, at least one of each class; yours took {show(counts)}."
        # what two draws by one rule have in common
        seen = counts == wanted, counts == [40, 20, 8], np.sign(sum(counts) - sum(wanted))
        yield Finding("wrong_value", seen, seen[0], says)
    known = [list(dict.fromkeys(groups[labels == c].tolist())) for c in range(3)]
    taken, orders = set(groups[draw()].tolist()), (list, sorted, lambda own: sorted(own)[::-1])
    firsts = [{g for own in known for g in order(own)[: len(own) // 4]} for order in orders]
    says = "Yours takes the patients with the lowest numbers, the highest, or those who come first in the array; draw them at random."
    yield Finding("wrong_value", taken in firsts, taken not in firsts, says)
    yield from seeded(draw, "subsets")
    times = sum(np.isin(mixed, groups[draw(0.5, seed=seed)]) for seed in range(40))
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


def probe_freeze(f):
    given, head = small_encoder(), nn.Sequential(nn.Conv2d(2, 1, 1), nn.BatchNorm2d(1))
    before, x = tensors(given), 3 + 2 * torch.randn(8, 1, 4, 4)
    expected = copy.deepcopy(given).eval()(x).detach()
    frozen = f(given)
    seen = "another module" if isinstance(frozen, nn.Module) else kind_of(frozen)
    says = f"Return the module that was handed in, frozen; yours gave {seen}."
    yield form(frozen is given, says, seen=frozen is given or seen)
    if not isinstance(frozen, nn.Module):
        return
    model = nn.Sequential(frozen, head)
    try:
        model(x)
    except (TypeError, AttributeError, ValueError, RuntimeError) as error:
        says = f"After freezing, a batch no longer passes through the module; it stopped with {type(error).__name__}: {str(error)[:90]}... A forward pre-hook is called with a part and its inputs; what it returns replaces the inputs, so it must return nothing."
        yield form(False, says, seen=str(error)[:40])
        return
    moved = changed(frozen, before)
    says = f"Freezing, or the first forward pass after it, has changed these tensors: {few(moved)}."
    yield Finding("wrong_value", moved, not moved, says)

    def step():
        """One training step with weight decay: the names of the tensors that it changes."""
        before = tensors(frozen)
        model(x).square().mean().backward()
        for p in [p for p in model.parameters() if p.grad is not None]:
            p.data = p.data - 0.1 * (p.grad + 0.1 * p.data)
            p.grad = None
        return changed(frozen, before)

    for what, prepare in (
        ("Right after freezing", lambda: None),
        ("After `model.eval()`", model.eval),
        ("After one part of the module was put into train mode,", frozen[3].train),
        ("After `model.train()`, which every training loop calls,", model.train),
    ):
        prepare()
        first, again = step(), step()
        says = f"{what} these tensors have changed in training: {few(first or again)}."
        yield Finding("wrong_value", (first, again), not first + again, says)
    model.train()
    before, code = tensors(frozen), x
    for part in [p for p in frozen.modules() if not list(p.children())]:
        code = part(code)
    moved = changed(frozen, before)
    says = f"After `model.train()`, the parts of the module used one by one, these tensors have changed: {few(moved)}. Not only the whole has to be in eval mode before it is used, but each part."
    yield Finding("wrong_value", moved, not moved, says)
    right = same(model.train()[0](x).detach().numpy(), expected.numpy())
    says = "After `model.train()` the module gives other codes than it did in eval mode before it was frozen."
    yield behaviour(right, says)
    model(x.requires_grad_()).sum().backward()
    says = "No gradient passes through the frozen module to what stands before it."
    yield behaviour(x.grad is not None, says)
    before = tensors(head)
    step()
    says = "The rest of the model has stopped learning: freeze the module only."
    yield behaviour(changed(head, before) == tuple(before), says)


def probe_huber(f):
    d = torch.zeros(3, 2, 2, 3)
    d[0], d[1], d[2, 0, 0] = 0.5, -3, 1.8  # 1.8 in 3 of 12 pixels
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
    edge = torch.ones(1, 2, 3, 1, dtype=torch.float64)
    yield value("Differences of exactly delta, float64", f(3 * edge, 2 * edge), [0.5])
    # the slope is d within delta and ±delta beyond; 12 pixels share the mean
    slope = torch.tensor([0.5, -1]).view(2, 1, 1, 1).expand(2, 2, 2, 3) / 12
    yield from gradients_are(lambda x_hat: f(x[:2], x_hat), [x[:2] + d[:2]], {"x_hat": slope})


def probe_z(f):
    # Validation normals: mean 10, standard deviation 2 (2.02 if divided by n - 1), median 9. Test
    # scores show where the rule begins: each other choice of scans begins elsewhere.
    tested = np.concatenate([np.arange(2.5, 33), np.arange(36.5, 60, 4)])
    scores = [np.tile([9.0, 9, 14, 9, 9], 12), np.tile([17, 18, 21, 23, 24], 2), tested]
    scores = np.concatenate(scores)
    normal, validation = np.arange(107) < 60, np.arange(107) < 70
    normal[70:93:2] = True
    flags = f(scores, normal, validation)
    array = np.asarray(flags)
    says = f"Return one True or False for each of the 107 scores; yours gave {kind_of(flags)} and dtype {array.dtype}."
    right = array.shape == (107,)
    yield form(right and array.dtype == bool, says, seen=(array.shape, array.dtype.kind))
    if not right:
        return
    for more, begin, scale, shift, z in (
        ("", 16.5, 1, 0, {}),
        (", z = 1.2", 12.5, 1, 0, {"z": 1.2}),
        (", z = 5, the same scores in other units", 20.5, 100, 7, {"z": 5}),
    ):
        seen = np.asarray(f(scale * scores - shift, normal, validation, **z)) == 1
        wanted = scores >= begin
        says = f"Validation normals of mean 10 and standard deviation 2{more}: "
        if (seen[70:] != wanted[70:]).any():
            says += f"of the test scores 2.5, 3.5, ..., 56.5 those from {begin} up should be flagged; yours flags {show(tested[seen[70:]]) if seen[70:].any() else 'none'}."
        else:
            says += f"{wanted[:70].sum()} of the validation scans should be flagged as well, since the rule runs over all scores; yours flags {seen[:70].sum()}."
        yield Finding("wrong_value", seen, bool((seen == wanted).all()), says)
    some = np.array([9.0, 9, 9, 9, 14, 10])
    at = bool(np.asarray(f(some, np.full(6, True), np.arange(6) < 5, z=0.0))[5])
    says = "Validation normals 9, 9, 9, 9 and 14 have the mean 10: with z = 0, a score of 10 lies exactly at the limit, and with z *or more* it should be flagged; yours lets it pass."
    yield Finding("wrong_value", at, at, says)


def probe_wilson(f):
    interval = f(np.int64(50), 100)  # the notebook counts with numpy
    says = f"Return two numbers, (low, high); yours gave {given(interval)}."
    yield form(as_array(interval).shape == (2,), says)
    # (0.5 + 0.01920729 ± 1.959964·√(0.25/100 + 0.00009603647)) / 1.03841459, with z² = 3.841459
    yield value("50 of 100 at 95 %", interval, (0.4038315, 0.5961685), 1e-5)
    yield value("0 of 10 (high: z²/(10 + z²))", f(0, 10), (0, 0.2775328), 1e-5)
    yield value("10 of 10 (low: 10/(10 + z²))", f(10, 10), (0.7224672, 1), 1e-5)
    yield value("9 of 10", f(9, 10), (0.5958500, 0.9821238), 1e-5)
    # by the same formula with z² = 6.634897 and 1.642374
    yield value("2 of 7 at 99 %", f(2, 7, confidence=0.99), (0.0580522, 0.7219241), 1e-5)
    yield value("50 of 100 at 80 %", f(50, 100, 0.8), (0.4364422, 0.5635578), 1e-5)


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
    yield value(f"{what}, a map of one place", f(bank, features[1:2, :, :1, 4:]), [[[3]]])
    only = [[[2, 2, 2, 2, 3], [13, 2, 2, 2, 2]]]
    yield value("A bank of one code, (1, 2, 2, 0)", f(bank[:1], features[1:2]), only)
    seen = f(bank.double(), features[2:].double())
    yield value("The last image by itself, float64", seen, expected[2:])
    bank = 3 * torch.randn(60, 8)
    near = bool((torch.as_tensor(f(bank, bank.T.reshape(1, 8, 6, 10))) < 0.1).all())
    says = "Where a feature is in the bank itself, the distance should be 0; some of yours are nan or large. Sums of squares may come out below 0 by rounding: `.clamp(min=0)` before the root, or `torch.cdist`."
    yield Finding("wrong_value", near, near, says)


def probe_pixels(f):
    # Four scans with lesions at 3, 5, -1 and 2.4, which lie above 15, 18, 6 and 15 of the 20 healthy
    # pixels (-9 -8 -7 -5 -4 -2, 0.1 to 2.3, 3.3 3.5 4 8 9); of the first scan's 3 lies above three of
    # four, 5 above all.
    maps = np.array([-4, 4, 0.4, 3, 1, 5, 2.3, -9, 9, 8, 0.8, 3.5])
    maps = np.concatenate([maps, [-2, -1, 0.2, -8, 1.5, 2.4, 0.1, -5, 3.3, -7, 0.7, 0.3]])
    maps = maps.reshape(4, 2, 3)
    masks = np.isin(maps, [3, 5, -1, 2.4])
    what = "Lesion pixels of 3, 5, -1 and 2.4 among 20 healthy ones from -9 to 9"
    yield value(what, f(maps, masks), 54 / 80)
    yield value("Lesions of 3 and 5 among -4, 4, 0.4 and 1", f(maps[:1], masks[:1]), 7 / 8)
    tied, mask = np.array([[[2.0, 2, 1], [2, 3, 2]]]), np.array([[[True, False, False]] * 2])
    # either lesion's 2 against 2 1 3 2: two are alike, one is lower
    yield value("Lesions of 2 and 2 among 2, 1, 3, 2; equal ones count half", f(tied, mask), 2 / 4)
    yield value("The maps in other units", f(3 * maps + 5, masks), 54 / 80)
    yield value("The maps turned round", f(-maps, masks), 26 / 80)


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
