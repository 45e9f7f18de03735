"""Exercises of module 5: residual blocks, patients, freezing, decisions, patches, pixels."""

import copy
from types import MethodType

import numpy as np
import torch
from scipy.stats import beta, norm
from torch import nn

from helpers.checks.exercise import (
    Exercise,
    Finding,
    Misconception,
    behaviour,
    form,
    kind_of,
    shape,
    value,
)
from helpers.checks.module_02 import _generators
from helpers.datasets.splits import subset_by_patient
from helpers.metrics import auroc, pixel_auroc, wilson_interval
from helpers.models import compression_ratio, encoder_shapes, freeze
from helpers.scores import huber_error
from helpers.thresholds import z_rule

# --- 5.1 --------------------------------------------------------------------------------------


def probe_block(f):
    block = f(3, 5)
    says = f"`ResidualBlock(3, 5)` should be an nn.Module; yours is {kind_of(block)}."
    yield form(isinstance(block, nn.Module), says)
    yield shape(
        "A batch (2, 3, 6, 10) from 3 to 5 channels", block(torch.rand(2, 3, 6, 10)), (2, 5, 6, 10)
    )
    weights = sum(p.numel() for p in block.parameters())
    says = (
        f"From 3 to 5 channels the block should have 400 parameters (3·5·9 + 5·5·9 in the 3×3 "
        f"convolutions, 4·5 in the normalisations, 3·5 + 5 in the 1×1 convolution); yours has {weights}."
    )
    yield Finding("wrong_value", weights, weights in (395, 400), says)  # 395: no bias in the skip
    even = f(4, 4)
    weights = sum(p.numel() for p in even.parameters())
    says = (
        f"With 4 channels in and out nothing needs a 1×1 convolution, and there should be 304 "
        f"parameters; yours has {weights}."
    )
    yield Finding("wrong_value", weights, weights == 304, says)

    x = torch.randn(6, 4, 8, 8)
    found, louder = even(x) - x, even(100 * x) - 100 * x
    steady = torch.allclose(found, louder, atol=0.05)
    says = (
        "In training mode, output minus input should be the same for a picture a hundred times "
        "brighter: x itself is added, and the two convolutions are normalised."
    )
    yield Finding("wrong_value", steady, steady, says)
    positive = bool(found.min() > -1e-4)
    says = "Output minus input should nowhere be negative: the last ReLU comes before the sum."
    yield Finding("wrong_value", positive, positive, says)
    open_below = bool(even(x).min() < -1e-3)
    says = "After the sum no activation follows: where x is negative, the output may be so, too."
    yield Finding("wrong_value", open_below, open_below, says)
    fresh = f(4, 4).eval()  # normalises with mean 0 and variance 1
    there, back = fresh(x) - x, fresh(-x) + x
    bent = bool(torch.minimum(there, back).max() > 1e-4)
    says = "Between the two convolutions a ReLU belongs; without it they are one linear map."
    yield Finding("wrong_value", bent, bent, says)
    says = "Your block changes its input in place; whoever passed it may still need it."
    kept = x.clone()
    even(x)
    yield behaviour(torch.equal(x, kept), says)


def _block(
    bias=False, norm=nn.BatchNorm2d, between=nn.ReLU, last=nn.ReLU, after=nn.Identity, **how
):
    """The class ResidualBlock with something changed."""

    class Variant(nn.Module):
        def __init__(self, in_channels, out_channels):
            super().__init__()
            options = {"kernel_size": 3, "padding": how.get("padding", 1), "bias": bias}
            self.body = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, **options),
                norm(out_channels),
                between(),
                nn.Conv2d(out_channels, out_channels, **options),
                norm(out_channels),
                last(),
            )
            same = in_channels == out_channels and not how.get("always_carry")
            carry = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)
            self.skip = carry if how.get("skip", True) else None
            self.after = after()

        def forward(self, x):
            carried = 0 if self.skip is None else self.skip(x)
            return self.after(carried + self.body(x))

    return Variant


BLOCK = Exercise(
    id="5.1",
    title="a residual block",
    reference="helpers.models.ResidualBlock",
    difficulty=2,
    minutes=12,
    hints=(
        "Two ways lead from x to the sum: two convolutions, each with normalisation and ReLU, and a "
        "short cut that only carries x over.",
        "The body is convolution, normalisation, ReLU, twice; padding keeps the size. The short cut "
        "is x itself (`nn.Identity()`) where the channels agree, else a 1×1 convolution.",
        "`self.body = nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, "
        "bias=False), nn.BatchNorm2d(out_channels), nn.ReLU(), ...)` with the same three once more "
        "from `out_channels`, and `return self.skip(x) + self.body(x)`.",
    ),
    probe=probe_block,
    misconceptions=(
        Misconception(
            "no_short_cut",
            "The input is missing from the sum: without the short cut the block has to carry "
            "everything through its convolutions.",
            _block(skip=False),
        ),
        Misconception(
            "activation_after_the_sum",
            "You bend after the sum, as He et al. first did. In our block the ReLU comes before it, so "
            "that x passes unchanged.",
            _block(last=nn.Identity, after=nn.ReLU),
        ),
        Misconception(
            "activation_twice",
            "You bend before *and* after the sum. After it nothing follows, so that x passes "
            "unchanged.",
            _block(after=nn.ReLU),
        ),
        Misconception(
            "no_last_activation",
            "After the second normalisation the ReLU is missing: it comes before the sum.",
            _block(last=nn.Identity),
        ),
        Misconception(
            "no_activation_between",
            "Between the two convolutions the ReLU is missing, so that together they are one linear "
            "map.",
            _block(between=nn.Identity),
        ),
        Misconception(
            "bias_kept",
            "Your 3×3 convolutions have a bias. The normalisation after them subtracts each channel's "
            "mean, so it is lost: `bias=False`.",
            _block(bias=True),
        ),
        Misconception(
            "no_normalisation",
            "The batch normalisations are missing, one after each 3×3 convolution.",
            _block(norm=lambda channels: nn.Identity()),
        ),
        Misconception(
            "short_cut_always_learned",
            "You put a 1×1 convolution into every short cut. Where the channels agree, x itself is "
            "added: `nn.Identity()`.",
            _block(always_carry=True),
        ),
        Misconception(
            "no_padding",
            "Your convolutions cut the border off, so that the two ways differ in size: `padding=1`.",
            _block(padding=0),
        ),
    ),
)

# --- 5.2 --------------------------------------------------------------------------------------


def probe_shapes(f):
    widths = (64, 128, 256, 256)
    shapes = f(128, widths)
    triples = isinstance(shapes, (list, tuple)) and all(np.shape(s) == (3,) for s in shapes)
    says = f"Return a list of one (channels, height, width) a group; yours gave {kind_of(shapes)}."
    yield form(triples, says)
    expected = [(64, 64, 64), (128, 32, 32), (256, 16, 16), (256, 8, 8)]
    yield value("128 pixels and widths 64, 128, 256, 256", shapes, expected)
    # an odd side: with padding 1 the stride keeps the first and the last pixel
    yield value(
        "65 pixels and widths 3, 5, 7", f(65, [3, 5, 7]), [(3, 33, 33), (5, 17, 17), (7, 9, 9)]
    )
    yield value("10 pixels and a single width 2", f(10, (2,)), [(2, 5, 5)])


def _sides(side, order=lambda c, s: (c, s, s), first=0):
    def variant(size, widths):
        shapes = []
        for i, channels in enumerate(widths):
            size = side(size) if i >= first else size
            shapes.append(order(channels, size))
        return shapes

    return variant


SHAPES = Exercise(
    id="5.2",
    title="the encoder's shapes",
    reference="helpers.models.encoder_shapes",
    difficulty=1,
    minutes=6,
    hints=(
        "Residual blocks keep the size. Only the convolution at the end of each group has a stride.",
        "It has a 3×3 kernel, stride 2 and padding 1: `conv_output_size` from module 1 knows the new "
        "side. The channels are the group's width.",
        "In a loop over `widths`: `size = conv_output_size(size, kernel_size=3, stride=2, padding=1)`, "
        "then append `(channels, size, size)`.",
    ),
    probe=probe_shapes,
    misconceptions=(
        Misconception(
            "rounded_down",
            "Even sides come out right, odd ones do not: a side of 65 becomes 33, not 32, since with "
            "padding 1 the kernel starts at the first pixel and ends at the last.",
            _sides(lambda s: s // 2),
        ),
        Misconception(
            "no_padding",
            "You forgot the padding of 1 on either side.",
            _sides(lambda s: (s - 3) // 2 + 1),
        ),
        Misconception(
            "channels_last",
            "Height and width come first in yours. torch's order is channels, height, width.",
            _sides(lambda s: (s + 1) // 2, order=lambda c, s: (s, s, c)),
        ),
        Misconception(
            "before_the_stride",
            "Yours are the shapes before each group's last convolution. Every group ends with one of "
            "stride 2, the first as well.",
            _sides(lambda s: (s + 1) // 2, first=1),
        ),
        Misconception(
            "each_block_halves",
            "In yours every residual block halves. A block keeps the size; a group of two halves "
            "once.",
            _sides(lambda s: ((s + 1) // 2 + 1) // 2),
        ),
        Misconception(
            "last_only",
            "You return the last shape only; we want that after each group.",
            lambda size, widths: encoder_shapes(size, widths)[-1],
        ),
    ),
)

# --- 5.3 --------------------------------------------------------------------------------------


def probe_ratio(f):
    def flat(code):
        return nn.Sequential(nn.Flatten(), nn.Linear(96, code))

    yield value("96 pixels to 12 numbers", f(flat(12), (1, 8, 12)), 8)
    yield value("96 pixels to 100 numbers", f(flat(100), (1, 8, 12)), 0.96)
    halving = nn.Conv2d(1, 6, kernel_size=2, stride=2)
    yield value("8×12 pixels to 6 channels of 4×6", f(halving, (1, 8, 12)), 96 / 144)
    mixing = nn.Conv2d(3, 2, kernel_size=1)
    yield value("A picture of 3×4×4 to 2×4×4", f(mixing, (3, 4, 4)), 1.5)

    encoder = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2)).train()
    before = copy.deepcopy(encoder.state_dict())
    f(encoder, (1, 6, 6))
    same = all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
    says = (
        "Counting has changed the encoder: in train mode BatchNorm takes the mean of whatever passes "
        "into its running statistics. Put it into eval mode first."
    )
    yield behaviour(same, says)
    says = "The encoder came in train mode and was left in eval mode: put it back."
    yield behaviour(encoder.training, says)
    encoder.eval()
    f(encoder, (1, 6, 6))
    yield behaviour(
        not encoder.training, "The encoder came in eval mode and was left in train mode."
    )


def _ratio(count, mode=True):
    def variant(encoder, shape):
        training = encoder.training
        picture = torch.zeros(1, *shape)
        with torch.no_grad():
            code = encoder.eval()(picture) if mode else encoder(picture)
        encoder.train(training)
        return count(picture, code, encoder)

    return variant


def _left_in_eval(encoder, shape):
    ratio = compression_ratio(encoder, shape)
    encoder.eval()
    return ratio


def _area(x):
    return x[0, 0].numel() if x.ndim == 4 else x[0].numel()


RATIO = Exercise(
    id="5.3",
    title="how much is compressed",
    reference="helpers.models.compression_ratio",
    difficulty=1,
    minutes=8,
    hints=(
        "Count what goes in and what comes out. The quickest way to know what comes out is to let a "
        "blank picture through.",
        "`.numel()` counts the numbers of a tensor, channels and all. But mind the mode: a blank "
        "picture must leave no trace in BatchNorm.",
        "`picture = torch.zeros(1, *shape)`; remember `encoder.training`; with `torch.no_grad()`: "
        "`code = encoder.eval()(picture)`; put the mode back; `picture.numel() / code.numel()`.",
    ),
    probe=probe_ratio,
    misconceptions=(
        Misconception(
            "upside_down",
            "Yours is numbers for each pixel. The ratio says how many pixels share one number: pixels "
            "over numbers.",
            _ratio(lambda x, z, e: z.numel() / x.numel()),
        ),
        Misconception(
            "channels_forgotten",
            "You compare areas and forget the channels: 6 channels of 4×6 are 144 numbers.",
            _ratio(lambda x, z, e: _area(x) / _area(z)),
        ),
        Misconception(
            "channels_of_the_picture",
            "The code is counted right, but of the picture you count one channel only.",
            _ratio(lambda x, z, e: _area(x) / z.numel()),
        ),
        Misconception(
            "parameters",
            "You divide by the number of the encoder's weights. What the decoder gets is the *code*.",
            _ratio(lambda x, z, e: x.numel() / sum(p.numel() for p in e.parameters())),
        ),
        Misconception(
            "whole_numbers",
            "`//` drops the fraction; a code may well hold more numbers than the picture.",
            _ratio(lambda x, z, e: float(x.numel() // z.numel())),
        ),
        Misconception(
            "moves_batchnorm",
            "The ratio is right, but the blank picture went through in train mode, and BatchNorm has "
            "taken it into its running statistics: `encoder.eval()` first.",
            _ratio(lambda x, z, e: x.numel() / z.numel(), mode=False),
        ),
        Misconception(
            "left_in_eval",
            "The ratio is right, but an encoder that came in train mode is in eval mode afterwards: "
            "remember `encoder.training` and put it back.",
            _left_in_eval,
        ),
    ),
)

# --- 5.4 --------------------------------------------------------------------------------------


def probe_subset(f):
    rng = np.random.default_rng(3)
    of_class = np.repeat([0, 1, 2], [40, 20, 8])  # patients
    scans = rng.integers(2, 7, 68)
    groups = np.repeat(rng.permutation(68) + 500, scans)
    labels = np.repeat(of_class, scans)
    mixed = rng.permutation(len(labels))
    labels, groups = labels[mixed], groups[mixed]
    before = _generators()
    part = f(labels, groups, 0.25)
    says = f"Return positions, an array of whole numbers; yours gave {kind_of(part)}."
    part = np.asarray(part)
    yield form(part.ndim == 1 and part.dtype.kind in "iu", says, seen=(part.ndim, part.dtype.kind))
    repeated = len(np.unique(part)) < len(part)
    yield Finding("wrong_value", repeated, not repeated, "Some positions stand there twice.")
    split = _split_patients(groups, part)
    says = f"{split} patients have scans inside the subset and outside; a patient is taken whole."
    yield Finding("wrong_value", split > 0, not split, says)
    counts = _patients(labels, groups, part)
    says = (
        f"Of 40, 20 and 8 patients of three classes, a share of 0.25 should take 10, 5 and 2; yours "
        f"took {', '.join(map(str, counts))}."
    )
    yield Finding("wrong_value", counts, counts == (10, 5, 2), says)
    few = _patients(labels, groups, f(labels, groups, 0.01))
    says = f"With share=0.01 one patient of each class should remain; yours took {few}."
    yield Finding("wrong_value", few, few == (1, 1, 1), says)
    half = _patients(labels, groups, f(labels, groups, 0.5, seed=4))
    says = f"With share=0.5 it should be 20, 10 and 4 patients; yours took {half}."
    yield Finding("wrong_value", half, half == (20, 10, 4), says)
    chosen = {seed: np.sort(f(labels, groups, 0.25, seed=seed)) for seed in (0, 1)}
    ids = np.unique(groups[chosen[0]])
    firsts = all(set(np.unique(groups[labels == c])[:2]) <= set(ids) for c in range(3))
    says = "Yours takes the patients with the lowest numbers; draw them at random."
    yield Finding("wrong_value", firsts, not firsts, says)
    same = np.array_equal(chosen[0], np.sort(part))
    yield behaviour(same, "Two calls with the same seed give two subsets: use `seed`.")
    differ = not np.array_equal(chosen[0], chosen[1])
    yield behaviour(differ, "seed=1 gives the same subset as seed=0: use the argument.")
    says = "Your function moves the random numbers of the session: `np.random.default_rng(seed)`."
    yield behaviour(_generators() == before, says)
    # each patient has a scan of either class, as who has one healthy eye
    eyes, who = np.tile([0, 1], 20), np.repeat(np.arange(20), 2)
    split = sum(_split_patients(who, np.asarray(f(eyes, who, 0.5, seed=s))) for s in range(3))
    says = (
        "A patient whose two eyes are of different classes is split: once drawn, a patient comes with "
        "all scans, of whatever class."
    )
    yield behaviour(split == 0, says)


def _split_patients(groups, part):
    inside = np.isin(np.arange(len(groups)), part)
    return len(np.intersect1d(groups[inside], groups[~inside]))


def _patients(labels, groups, part):
    part = np.asarray(part)
    return tuple(len(np.unique(groups[part][labels[part] == c])) for c in range(3))


def _subset(labels, groups, share, seed=0, *, rng=None, least=1, whole=True, shuffled=True):
    """subset_by_patient with one of its steps changed."""
    rng = rng or np.random.default_rng(seed)
    patients, first = np.unique(groups, return_index=True)
    found = []
    for label in np.unique(labels):
        own = patients[labels[first] == label]
        own = rng.permutation(own) if shuffled else own
        drawn = np.isin(groups, own[: max(least, round(share * len(own)))])
        found.append(np.flatnonzero(drawn if whole else drawn & (labels == label)))
    return np.concatenate(found)


def _pictures_by_class(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    own = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    return np.concatenate([o[: max(1, round(share * len(o)))] for o in own])


def _part_of_each(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    own = [rng.permutation(np.flatnonzero(groups == g)) for g in np.unique(groups)]
    return np.concatenate([o[: max(1, round(share * len(o)))] for o in own])


def _unstratified(labels, groups, share, seed=0):
    patients = np.random.default_rng(seed).permutation(np.unique(groups))
    return np.flatnonzero(np.isin(groups, patients[: max(1, round(share * len(patients)))]))


def _class_by_class(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for label in np.unique(labels):
        own = rng.permutation(np.unique(groups[labels == label]))
        own = own[: max(1, round(share * len(own)))]
        found.append(np.flatnonzero(np.isin(groups, own) & (labels == label)))
    return np.concatenate(found)


def _global_seed(labels, groups, share, seed=0):
    np.random.seed(seed)  # noqa: NPY002
    return _subset(labels, groups, share, rng=np.random)


SUBSET = Exercise(
    id="5.4",
    title="a share of the patients",
    reference="helpers.datasets.splits.subset_by_patient",
    difficulty=3,
    minutes=15,
    hints=(
        "Draw patients, not scans; do it within each class; then take all scans of who was drawn.",
        "`np.unique(groups, return_index=True)` gives each patient and the place of a first scan, "
        "whose label is the patient's class. A generator's `permutation` shuffles the patients of a "
        "class; cut after `max(1, round(share * len(own)))`.",
        "In a loop over the classes: `own = rng.permutation(patients[labels[first] == label])`, "
        "collect `own[:k]`; at the end `np.flatnonzero(np.isin(groups, chosen))`.",
    ),
    probe=probe_subset,
    misconceptions=(
        Misconception(
            "pictures_drawn",
            "You draw scans. Scans of one patient then stand inside and outside, and what is outside "
            "is no longer new to the network. Draw patients.",
            _pictures_by_class,
        ),
        Misconception(
            "part_of_each_patient",
            "You take a share of *each patient's* scans, so that every patient is split. Take a share "
            "of the patients, each whole.",
            _part_of_each,
        ),
        Misconception(
            "not_stratified",
            "Patients stay whole, but they are drawn over all classes together, so that chance decides "
            "how many of each disease there are. Draw within each class.",
            _unstratified,
        ),
        Misconception(
            "class_left_out",
            "A small share leaves no patient of a small class. Keep at least one: `max(1, ...)`.",
            lambda labels, groups, share, seed=0: _subset(labels, groups, share, seed, least=0),
        ),
        Misconception(
            "first_patients",
            "You take the first patients of each class. Numbers are given in the order of visits, or by "
            "hospital: shuffle first.",
            lambda labels, groups, share, seed=0: _subset(labels, groups, share, shuffled=False),
        ),
        Misconception(
            "two_eyes",
            "Right, unless a patient has scans of two classes, say one healthy eye: you then take only "
            "those of the class in which the patient was drawn. Select by patient alone.",
            _class_by_class,
        ),
        Misconception(
            "unseeded",
            "Each call gives another subset: make the generator from the argument, "
            "`np.random.default_rng(seed)`.",
            lambda labels, groups, share, seed=0: _subset(
                labels, groups, share, rng=np.random.default_rng()
            ),
        ),
        Misconception(
            "seed_ignored",
            "The subset is the same for every seed: use the argument.",
            lambda labels, groups, share, seed=0: subset_by_patient(labels, groups, share),
        ),
        Misconception(
            "global_seed",
            "The subset is right, but `np.random.seed` resets the random numbers of the whole session. "
            "Use a generator of your own.",
            _global_seed,
        ),
        Misconception(
            "scans_returned",
            "You return the patients' numbers; we need positions, so that `images[part]` picks the "
            "scans.",
            lambda labels, groups, share, seed=0: groups[
                subset_by_patient(labels, groups, share, seed)
            ],
        ),
    ),
)

# --- 5.5 --------------------------------------------------------------------------------------


class _Pair(nn.Module):
    """A small encoder, inner BatchNorm and all, in front of a head that goes on learning."""

    def __init__(self, f):
        super().__init__()
        inner = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
        given = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), inner)
        self.encoder = f(given)
        self.given, self.head = [given], nn.Conv2d(2, 1, 1)

    def forward(self, x):
        return self.head(self.encoder(x))


def probe_freeze(f):
    pair = _Pair(f)
    says = f"Return the module itself, frozen; yours gave {kind_of(pair.encoder)}."
    yield form(pair.encoder is pair.given[0], says)
    x = 3 + 2 * torch.randn(8, 1, 4, 4)
    moved = _moved(pair, lambda: None, x)
    says = f"After one training step, right after freezing, these have changed: {_few(moved)}."
    yield Finding("wrong_value", moved, not moved, says)
    moved = _moved(pair, lambda: pair.eval(), x)
    says = f"After one training step in eval mode these tensors have changed: {_few(moved)}."
    yield Finding("wrong_value", moved, not moved, says)
    moved = _moved(pair, lambda: pair.train(), x)
    says = (
        f"After `model.train()`, which every training loop calls, and one step these tensors have "
        f"changed: {_few(moved)}."
    )
    yield Finding("wrong_value", moved, not moved, says)
    moved = _moved(pair, lambda: pair.encoder[3].train(), x)
    says = f"A part of the module was put into train mode, and these have changed: {_few(moved)}."
    yield Finding("wrong_value", moved, not moved, says)

    pair.train()
    alone, together = pair.encoder(x[:1]), pair.encoder(x)[:1]
    same = torch.allclose(alone, together, atol=1e-5)
    says = "After `model.train()` a picture's code depends on the other pictures of the batch."
    yield behaviour(same, says)
    x = x.requires_grad_()
    pair(x).sum().backward()
    says = "No gradient passes through the frozen module to what stands before it."
    yield behaviour(x.grad is not None, says)
    head = all(p.requires_grad for p in pair.head.parameters())
    yield behaviour(head, "The rest of the model does not learn any more: freeze the module only.")
    twin = copy.deepcopy(pair)
    moved = _moved(twin, lambda: twin.train(), x.detach())
    yield behaviour(not moved, f"In a deep copy these tensors change: {_few(moved)}.")
    keys = len(pair.encoder.state_dict())
    says = f"The state dict should hold the 14 tensors it had; it holds {keys}."
    yield behaviour(keys == 14, says)


def _moved(pair, set_mode, x):
    """Names of the encoder's tensors that one training step changes."""
    before = {name: t.clone() for name, t in pair.encoder.state_dict().items()}
    set_mode()
    optimizer = torch.optim.SGD(pair.parameters(), lr=0.1)
    optimizer.zero_grad()
    pair(x).square().mean().backward()
    optimizer.step()
    after = pair.encoder.state_dict()
    return tuple(n for n, t in before.items() if n not in after or not torch.equal(t, after[n]))


def _few(names):
    return ", ".join(names[:3]) + (" and more" if len(names) > 3 else "")


def _stays(part):
    """Eval mode for good, for this part and all below."""
    for own in part.modules():
        own.eval()
        own.train = MethodType(lambda self, mode=True: self, own)
    return part


def _no_gradient_only(module):
    return module.requires_grad_(False)


def _eval_only(module):
    return _stays(module)


def _eval_undone(module):
    return module.requires_grad_(False).eval()


def _top_only(module):
    module.requires_grad_(False).eval()
    module.train = lambda mode=True: module
    return module


def _no_momentum(module):
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.0
            part.num_batches_tracked = None
    return module.requires_grad_(False)


def _no_grad_inside(module):
    _stays(module.requires_grad_(False))
    forward = module.forward
    module.forward = torch.no_grad()(forward)
    return module


FREEZE = Exercise(
    id="5.5",
    title="freezing that freezes",
    reference="helpers.models.freeze",
    difficulty=3,
    minutes=15,
    hints=(
        "Two things change a module's tensors: the optimizer, through gradients, and BatchNorm, which "
        "in train mode updates its running statistics at every forward pass, with no gradient at all.",
        "`requires_grad_(False)` stops the first, `eval()` the second; but `model.train()` of the whole "
        "model undoes eval mode in all its parts. So eval mode has to come back before every use, in "
        "every part: `register_forward_pre_hook`.",
        "Write a function `stay_in_eval(part, inputs)` that calls `part.eval()` and returns nothing; "
        "then `for part in module.modules(): part.register_forward_pre_hook(stay_in_eval)`.",
    ),
    probe=probe_freeze,
    misconceptions=(
        Misconception(
            "no_gradient_only",
            "Without gradients the weights stay, but BatchNorm's running mean and variance still follow "
            "the pictures of every forward pass in train mode. Eval mode stops that.",
            _no_gradient_only,
        ),
        Misconception(
            "eval_only",
            "Eval mode keeps BatchNorm's statistics, but the weights still get gradients and the "
            "optimizer moves them: `requires_grad_(False)` as well.",
            _eval_only,
        ),
        Misconception(
            "eval_undone",
            "Frozen, until somebody calls `model.train()`, which every training loop does: it puts the "
            "encoder back into train mode, and BatchNorm moves again. Make eval mode stay.",
            _eval_undone,
        ),
        Misconception(
            "top_only",
            "The module itself stays in eval mode, its parts do not: once one of them is put into train "
            "mode, its statistics move. Go over `module.modules()`.",
            _top_only,
        ),
        Misconception(
            "no_momentum",
            "The statistics stay, but in train mode BatchNorm normalises with those of the *batch*, so "
            "that a picture's code depends on its neighbours. Eval mode uses the stored ones.",
            _no_momentum,
        ),
        Misconception(
            "no_gradient_through",
            "The module is frozen, and so is everything before it: under `no_grad` nothing passes back "
            "through. Freezing the parameters is enough.",
            _no_grad_inside,
        ),
        Misconception(
            "a_copy",
            "You return a frozen copy; the module that was handed in still learns. Freeze it itself.",
            lambda module: freeze(copy.deepcopy(module)),
        ),
    ),
)

# --- 5.6 --------------------------------------------------------------------------------------


def probe_huber(f):
    x = torch.zeros(3, 1, 2, 3)
    x_hat = torch.zeros(3, 1, 2, 3)
    x_hat[0], x_hat[1], x_hat[2, 0, 0] = 0.5, -3.0, 2.0
    seen = f(x, x_hat)
    yield shape("Three pictures of 2×3 pixels", seen, (3,))
    yield value("Differences of 0.5 everywhere", seen[0], 0.125)
    yield value("Differences of -3 everywhere (beyond delta = 1)", seen[1], 2.5)
    yield value("A difference of 2 in half of the pixels", seen[2], 0.75)
    yield value("The same with delta = 2", f(x, x_hat, delta=2.0), [0.125, 4, 1])
    yield value("A single picture", f(x[:1], x_hat[:1]), [0.125])
    edge = torch.full((1, 2, 3, 1), 1.0, dtype=torch.float64)
    yield value("Differences of exactly delta, two channels, float64", f(edge, 0 * edge), [0.5])
    x_hat.requires_grad_()
    f(x, x_hat).sum().backward()
    reached = x_hat.grad is not None
    yield behaviour(reached, "No gradient reaches x_hat: stay with torch's functions.")
    if reached:
        slope = x_hat.grad[:2, 0, 0, 0] * 6
        yield value("The slope at 0.5 and at -3", slope, [0.5, -1], kind="wrong_behaviour")


def _huber(pixel, reduce=lambda d: d.flatten(1).mean(1)):
    return lambda x, x_hat, delta=1.0: reduce(pixel(x_hat - x, delta))


def _smooth(d, delta):
    a = d.abs()
    return torch.where(a <= delta, 0.5 * a**2, delta * (a - 0.5 * delta))


HUBER = Exercise(
    id="5.6",
    title="the Huber error of each picture",
    reference="helpers.scores.huber_error",
    difficulty=1,
    minutes=8,
    hints=(
        "Two branches for each pixel, then a mean for each picture.",
        "`torch.where(condition, a, b)` chooses pixel by pixel; both branches need the *size* of the "
        "difference.",
        "`d = (x_hat - x).abs()`; `torch.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta))`, "
        "then `.flatten(start_dim=1).mean(dim=1)`.",
    ),
    probe=probe_huber,
    misconceptions=(
        Misconception(
            "squared_everywhere",
            "You square everywhere. Beyond delta the loss grows in a straight line, so that a few wild "
            "pixels do not decide.",
            _huber(lambda d, delta: 0.5 * d**2),
        ),
        Misconception(
            "no_half",
            "Below delta it is d²/2; without the half the two branches do not meet at delta.",
            _huber(lambda d, delta: torch.where(d.abs() <= delta, d**2, _smooth(d, delta))),
        ),
        Misconception(
            "absolute",
            "Yours is the absolute error: near zero the loss is squared.",
            _huber(lambda d, delta: d.abs()),
        ),
        Misconception(
            "sign_kept",
            "A difference of -3 is as large as one of 3: compare |d| with delta, not d.",
            _huber(lambda d, delta: torch.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta))),
        ),
        Misconception(
            "not_joined",
            "Beyond delta yours is delta·|d|: the branches do not meet. It is delta·(|d| - delta/2).",
            _huber(lambda d, delta: torch.where(d.abs() <= delta, 0.5 * d**2, delta * d.abs())),
        ),
        Misconception(
            "delta_ignored",
            "Right for delta = 1, and the same for every delta: use the argument.",
            _huber(lambda d, delta: _smooth(d, 1.0)),
        ),
        Misconception(
            "smooth_l1",
            "Right for delta = 1. With another delta yours is Huber divided by delta, which torch calls "
            "`smooth_l1_loss`.",
            _huber(lambda d, delta: _smooth(d, delta) / delta),
        ),
        Misconception(
            "batch_mean",
            "You average over the batch as well; we want one number for each picture.",
            _huber(_smooth, reduce=lambda d: d.mean()),
        ),
        Misconception(
            "sum_over_pixels",
            "Yours is the sum over the pixels; here it is their mean, so that pictures of any size "
            "compare.",
            _huber(_smooth, reduce=lambda d: d.flatten(1).sum(1)),
        ),
        Misconception(
            "first_axis",
            "You average over the pictures and keep the pixels: the batch is axis 0.",
            _huber(_smooth, reduce=lambda d: d.mean(0)),
        ),
        Misconception(
            "no_gradient",
            "The numbers are right, but the way back to x_hat is cut: no `.detach()`, no `.item()`.",
            lambda x, x_hat, delta=1.0: huber_error(x, x_hat.detach(), delta),
        ),
    ),
)

# --- 5.7 --------------------------------------------------------------------------------------


def probe_z(f):
    # validation normals: mean 10, spread 0.82; the rule starts near 12.4
    validation_normal = np.tile([9.0, 10, 11], 20)
    validation_sick = np.full(10, 60.0)
    test_normal = np.array([2.0, 10, 12.1, 12.9, 14, 15, 16, 17])
    test_sick = np.array([12.2, 13.0, 11.0, 40.0])
    scores = np.concatenate([validation_normal, validation_sick, test_normal, test_sick])
    normal = np.repeat([True, False, True, False], [60, 10, 8, 4])
    validation = np.repeat([True, False], [70, 12])
    kept = scores.copy()
    flags = f(scores, normal, validation)
    says = f"Return one True or False for each of the 82 scores; yours gave {kind_of(flags)}."
    flags = np.asarray(flags)
    yield form(
        flags.shape == (82,) and flags.dtype == bool, says, seen=(flags.shape, str(flags.dtype))
    )
    what = "Validation normals of mean 10 and spread 0.8: flags of the test scores "
    test = [0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1]
    yield value(f"{what}2 10 12.1 12.9 14 15 16 17, 12.2 13 11 40", flags[70:], test)
    yield value("Flags among the 60 validation normals", flags[:60].sum(), 0)
    yield value("With z=2.3 (from 11.9 on)", f(scores, normal, validation, z=2.3)[70:].sum(), 9)
    shifted = f(100 * scores - 7, normal, validation)
    yield value("The same scores in other units", np.asarray(shifted)[70:], test)
    more = scores.copy()
    more[normal & ~validation] += 30
    changed = np.asarray(f(more, normal, validation))[78:]
    says = "When only test normals change, the flags of the diseased scans change with them."
    yield Finding("wrong_value", changed, bool((changed == np.array(test[8:])).all()), says)
    yield behaviour(np.array_equal(scores, kept), "Your function changes the scores in place.")


def _z(pick=lambda n, v: n & v, rule=lambda d, s, z: d / s >= z):
    def variant(scores, normal, validation, z=3.0):
        reference = scores[pick(normal, validation)]
        return rule(scores - reference.mean(), reference.std(), z)

    return variant


Z = Exercise(
    id="5.7",
    title="the z rule, from the right split",
    reference="helpers.thresholds.z_rule",
    difficulty=1,
    minutes=6,
    hints=(
        "Mean and standard deviation come from scans on which nobody will report: validation normals. "
        "Then the rule runs over all scores.",
        "`normal & validation` picks them; z says how many standard deviations a score lies *above* "
        "their mean.",
        "`reference = scores[normal & validation]`; "
        "`(scores - reference.mean()) / reference.std() >= z`",
    ),
    probe=probe_z,
    misconceptions=(
        Misconception(
            "test_normals",
            "Mean and spread come from the *test* normals, the very scans whose false alarms you want "
            "to count. Then the rule looks better calibrated than it is.",
            _z(lambda n, v: n & ~v),
        ),
        Misconception(
            "all_normals",
            "You take all normals, test ones included: what is reported on must not calibrate.",
            _z(lambda n, v: n),
        ),
        Misconception(
            "all_validation",
            "The diseased scans of the validation part count in yours: they push mean and spread up, "
            "and the rule goes blind.",
            _z(lambda n, v: v),
        ),
        Misconception(
            "two_sided",
            "Yours flags scans that are rebuilt unusually *well*, too. An anomaly has a high score: no "
            "absolute value.",
            _z(rule=lambda d, s, z: abs(d) / s >= z),
        ),
        Misconception(
            "variance",
            "You divide by the variance, which is in squared units. Divide by the standard deviation.",
            _z(rule=lambda d, s, z: d / s**2 >= z),
        ),
        Misconception(
            "not_divided",
            "You compare the distance from the mean with 3 itself. Divide by the standard deviation "
            "first.",
            _z(rule=lambda d, s, z: d >= z),
        ),
        Misconception(
            "standard_error",
            "You divide by the standard error of the mean. Single scans scatter by the standard "
            "deviation.",
            lambda scores, normal, validation, z=3.0: (
                (scores - scores[normal & validation].mean())
                / (scores[normal & validation].std() / (normal & validation).sum() ** 0.5)
                >= z
            ),
        ),
        Misconception(
            "z_ignored",
            "Right for z = 3, and the same for every z: use the argument.",
            _z(rule=lambda d, s, z: d / s >= 3),
        ),
        Misconception(
            "scores_returned",
            "You return z-scores; we want True where a scan is flagged.",
            _z(rule=lambda d, s, z: d / s),
        ),
        Misconception(
            "turned_round",
            "Yours is True for what passes. True stands for flagged.",
            lambda scores, normal, validation, z=3.0: ~z_rule(scores, normal, validation, z),
        ),
    ),
)

# --- 5.8 --------------------------------------------------------------------------------------


def probe_wilson(f):
    interval = f(50, 100)
    pair = np.shape(interval) == (2,)
    says = f"Return two numbers, (low, high); yours gave {kind_of(interval)}."
    yield form(pair, says, seen=pair)
    yield value("50 of 100 at 95 %", interval, (0.40383, 0.59617), tolerance=1e-3)
    yield value("None of 10 (high: z²/(10 + z²))", f(0, 10), (0, 0.27753), tolerance=1e-3)
    yield value("9 of 10", f(9, 10), (0.59585, 0.98212), tolerance=1e-3)
    yield value("50 of 100 at 80 %", f(50, 100, confidence=0.8), (0.43646, 0.56354), tolerance=1e-3)
    inside = f(10, 10)
    right = inside[0] >= 0 and inside[1] <= 1
    yield Finding("wrong_value", right, right, f"All of 10 gives {inside}, which leaves [0, 1].")


def _normal(successes, trials, confidence):
    z, p = norm.ppf(0.5 + confidence / 2), successes / trials
    return z, p


def _wald(successes, trials, confidence=0.95):
    z, p = _normal(successes, trials, confidence)
    half = z * (p * (1 - p) / trials) ** 0.5
    return p - half, p + half


def _agresti(successes, trials, confidence=0.95):
    z = norm.ppf(0.5 + confidence / 2)
    return _wald(successes + z**2 / 2, trials + z**2, confidence)


def _exact(successes, trials, confidence=0.95):
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
    high = beta.ppf(1 - tail, successes + 1, trials - successes) if successes < trials else 1.0
    return low, high


def _wilson(successes, trials, z, denominator=True, term=True):
    p = successes / trials
    scale = 1 + z**2 / trials if denominator else 1
    centre = (p + z**2 / (2 * trials)) / scale
    half = z * (p * (1 - p) / trials + term * z**2 / (4 * trials**2)) ** 0.5 / scale
    return max(0.0, centre - half), min(1.0, centre + half)


WILSON = Exercise(
    id="5.8",
    title="an interval for a rate",
    reference="helpers.metrics.wilson_interval",
    difficulty=2,
    minutes=10,
    hints=(
        "The formula stands above. Look at it for no successes at all: an interval of width 0 would be "
        "a lie.",
        "z is the quantile of the normal distribution that leaves half of 1 - confidence at *each* "
        "end: `norm.ppf(0.5 + confidence / 2)`.",
        "With `share = successes / trials`: centre `(share + z**2 / (2 * trials)) / (1 + z**2 / "
        "trials)`, half width `z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / "
        "(1 + z**2 / trials)`.",
    ),
    probe=probe_wilson,
    misconceptions=(
        Misconception(
            "wald",
            "Yours is p ± z·√(p(1-p)/n), Wald's interval. For none of 10 it has width 0, as if one were "
            "certain. Wilson's is the other formula.",
            _wald,
        ),
        Misconception(
            "agresti_coull",
            "Yours is the interval of Agresti and Coull, Wald's with z²/2 successes and failures added. "
            "Close, but it can leave [0, 1].",
            _agresti,
        ),
        Misconception(
            "exact",
            "Yours is Clopper and Pearson's. It never covers too little and mostly too much; Wilson's "
            "is narrower.",
            _exact,
        ),
        Misconception(
            "one_sided",
            "Your z leaves all of 1 - confidence at one end (1.64 for 95 %). Both ends share it: "
            "1.96.",
            lambda s, n, confidence=0.95: _wilson(s, n, norm.ppf(confidence)),
        ),
        Misconception(
            "confidence_ignored",
            "95 % comes out right, other confidences do not: z depends on the argument.",
            lambda s, n, confidence=0.95: _wilson(s, n, norm.ppf(0.975)),
        ),
        Misconception(
            "not_divided",
            "You forgot to divide centre and half width by 1 + z²/n.",
            lambda s, n, confidence=0.95: _wilson(
                s, n, norm.ppf(0.5 + confidence / 2), denominator=False
            ),
        ),
        Misconception(
            "term_missing",
            "Under the root z²/(4n²) is missing; with none or all successes it is what is left.",
            lambda s, n, confidence=0.95: _wilson(s, n, norm.ppf(0.5 + confidence / 2), term=False),
        ),
        Misconception(
            "percent",
            "Yours is in percent. Rates are between 0 and 1 here.",
            lambda s, n, confidence=0.95: tuple(100 * v for v in wilson_interval(s, n, confidence)),
        ),
    ),
)

# --- 5.9 --------------------------------------------------------------------------------------


def probe_patches(f):
    bank = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 10.0]])
    features = torch.zeros(2, 2, 2, 3)  # two pictures of 2×3 places, two features a place
    features[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    features[0, :, 0, 2] = torch.tensor([6.0, 8.0])  # 5 from its nearest
    features[0, :, 1, 0] = torch.tensor([1.0, 0.0])
    features[1, :, 1, 2] = torch.tensor([0.0, 12.0])
    kept = features.clone()
    seen = f(bank, features)
    yield shape("3 codes, features (2, 2, 2, 3)", seen, (2, 2, 3))
    expected = [[[0, 0, 5], [1, 0, 0]], [[0, 0, 0], [0, 0, 2]]]
    yield value("Distances to (0, 0), (3, 4) and (0, 10), whichever is nearest", seen, expected)
    yield value("The second picture by itself", f(bank, features[1:]), expected[1:])
    yield value("A bank of one code, (0, 0)", f(bank[:1], features[:1]), [[[5, 0, 10], [1, 0, 0]]])
    wide = torch.zeros(1, 2, 1, 4, dtype=torch.float64)
    yield value("One picture of 1×4 places, float64", f(bank.double(), wide), [[[0, 0, 0, 0]]])
    yield behaviour(torch.equal(features, kept), "Your function changes the features in place.")


def _patches(reduce=lambda d: d.min(1).values, order=(0, 2, 3, 1), p=2.0, fold=None):
    def variant(bank, features):
        n, c, h, w = features.shape
        patches = features.permute(*order).reshape(n, h * w, c)
        found = [reduce(torch.cdist(picture, bank, p=p)) for picture in patches]
        found = torch.stack(found)
        return fold(found) if fold else found.view(n, h, w)

    return variant


PATCHES = Exercise(
    id="5.9",
    title="nearest neighbours of patches",
    reference="helpers.scores.patch_distance",
    difficulty=2,
    minutes=12,
    hints=(
        "Each place of the feature map is a point of c numbers. Ask for each: how far is the nearest "
        "point of the bank?",
        "Bring the channels to the end before you flatten: `features.permute(0, 2, 3, 1)`. "
        "`torch.cdist(a, b)` gives all distances, one row a point of `a`.",
        "For each picture, with patches of shape (h·w, c): "
        "`torch.cdist(patches, bank).min(dim=1).values`; stack them and `.view(n, h, w)`.",
    ),
    probe=probe_patches,
    misconceptions=(
        Misconception(
            "not_permuted",
            "You flatten before the channels stand last, so that a point is made of neighbouring places "
            "instead of the features of one place: `permute(0, 2, 3, 1)` first.",
            _patches(order=(0, 1, 2, 3)),
        ),
        Misconception(
            "mean_distance",
            "You average over the bank. A normal patch is like *some* normal patches, not like all of "
            "them: take the nearest.",
            _patches(lambda d: d.mean(1)),
        ),
        Misconception(
            "farthest",
            "You take the farthest code of the bank; take the nearest. The largest value comes later, "
            "over the places of a picture.",
            _patches(lambda d: d.max(1).values),
        ),
        Misconception(
            "squared",
            "Your distances are squared.",
            _patches(lambda d: d.min(1).values ** 2),
        ),
        Misconception(
            "city_block",
            "You add up absolute differences; the distance is Euclidean.",
            _patches(p=1.0),
        ),
        Misconception(
            "position_of_the_nearest",
            "`min` gives values and positions; you return the positions.",
            _patches(lambda d: d.min(1).indices.to(d.dtype)),
        ),
        Misconception(
            "one_score",
            "You return one score a picture. Keep the map: it shows *where*, and its maximum is quickly "
            "taken.",
            _patches(fold=lambda found: found.max(1).values),
        ),
        Misconception(
            "flat",
            "The distances are right, but flat. Give them the shape of the map, (N, h, w).",
            _patches(fold=lambda found: found),
        ),
    ),
)

# --- 5.10 -------------------------------------------------------------------------------------


def probe_pixels(f):
    maps = np.array(
        [[[1.0, 2, 3], [4, 5, 6]], [[0.5, 0.6, 10], [0.7, 0.8, 0.9]], [[2.5, 0, 0], [0, 0, 0]]]
    )
    masks = np.zeros((3, 2, 3), dtype=bool)
    masks[0, 1, 1:] = True  # 5 and 6; the second picture is healthy
    masks[2, 0, 0] = True  # 2.5
    kept = maps.copy()
    # healthy: 1 2 3 4, 0.5 0.6 10 0.7 0.8 0.9, five zeros
    expected = (14 + 14 + 12) / 45
    seen = f(maps, masks)
    yield value(
        "Lesions at 5, 6 and 2.5 among 15 healthy pixels, 3, 4 and 10 of them high", seen, expected
    )
    yield value("The first picture alone", f(maps[:1], masks[:1]), 1)
    flat = np.ones((1, 2, 2)), np.array([[[True, False], [False, False]]])
    yield value("A map that is the same everywhere", f(*flat), 0.5)
    yield value("The maps in other units", f(3 * maps + 5, masks), expected)
    yield value("The maps turned round", f(-maps, masks), 1 - expected)
    yield value("Masks of 0 and 1", f(maps, masks.astype(int)), expected)
    yield behaviour(np.array_equal(maps, kept), "Your function changes the maps in place.")


def _pixels(prepare=lambda m, k: (m, k), judge=auroc):
    def variant(maps, masks):
        maps, masks = prepare(np.asarray(maps, dtype=float), np.asarray(masks, dtype=bool))
        return judge(maps[~masks], maps[masks])

    return variant


def _with_lesion(maps, masks):
    keep = masks.any(axis=(1, 2))
    return maps[keep], masks[keep]


def _stretched(maps, masks):
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return (maps - low) / np.maximum(high - low, 1e-12), masks


def _mean_of_pictures(maps, masks):
    masks = np.asarray(masks, dtype=bool)
    return np.mean([pixel_auroc(m, k) for m, k in zip(maps, masks, strict=True) if k.any()])


PIXELS = Exercise(
    id="5.10",
    title="AUROC of pixels",
    reference="helpers.metrics.pixel_auroc",
    difficulty=1,
    minutes=6,
    hints=(
        "The pictures play no role any more: there are lesion pixels and healthy pixels, and each has "
        "a score.",
        "A boolean mask picks pixels out of an array of the same shape, and gives them in one row.",
        "`auroc(maps[~masks], maps[masks])`, with both as arrays and `masks` of type bool.",
    ),
    probe=probe_pixels,
    misconceptions=(
        Misconception(
            "mean_of_pictures",
            "You average the AUROC of single pictures. Then a pixel of a healthy picture can never be "
            "a false alarm, and maps need not compare between pictures. Put all pixels together.",
            _mean_of_pictures,
        ),
        Misconception(
            "healthy_pictures_left_out",
            "You leave healthy pictures out. Their pixels can be false alarms, too.",
            _pixels(_with_lesion),
        ),
        Misconception(
            "each_picture_stretched",
            "You bring each map to [0, 1] first, so that every healthy picture has a pixel of 1. The "
            "threshold is the same for all pictures: leave the maps alone.",
            _pixels(_stretched),
        ),
        Misconception(
            "swapped",
            "Yours is 1 minus the AUROC: healthy pixels come first.",
            _pixels(judge=lambda a, b: auroc(b, a)),
        ),
        Misconception(
            "thresholded",
            "You cut the map at its mean first. AUROC is about all thresholds: give it the map itself.",
            _pixels(lambda m, k: ((m > m.mean()).astype(float), k)),
        ),
        Misconception(
            "pictures_scored",
            "You score pictures by their highest pixel. Here each pixel counts by itself.",
            lambda maps, masks: auroc(
                np.max(maps, axis=(1, 2))[~np.any(masks, axis=(1, 2))],
                np.max(maps, axis=(1, 2))[np.any(masks, axis=(1, 2))],
            ),
        ),
        Misconception(
            "magnitude",
            "You take absolute values. A map may be below zero; higher is more anomalous, whatever the "
            "sign.",
            _pixels(lambda m, k: (abs(m), k)),
        ),
    ),
)

EXERCISES = (BLOCK, SHAPES, RATIO, SUBSET, FREEZE, HUBER, Z, WILSON, PATCHES, PIXELS)
