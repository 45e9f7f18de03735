"""Wrong answers to module 5, written by hand, and what the checker must say to each.

With each stands the name of the mistake, or a part of what is said; "" where any refusal will do.
"""

import copy
import math
from types import MethodType

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import beta, binomtest, norm
from torch import nn

from helpers.datasets.splits import patients_of_class
from helpers.metrics import auroc
from helpers.models import ResidualBlock

# --- 5.1 --------------------------------------------------------------------------------------


def block(bias=False, norm=nn.BatchNorm2d, between=nn.ReLU, last=nn.ReLU, after=nn.Identity, **how):
    """A residual block with something changed."""

    class Block(nn.Module):
        def __init__(self, in_channels, out_channels):
            super().__init__()
            options = {"kernel_size": 3, "padding": how.get("padding", 1), "bias": bias}
            options |= how.get("options", {})
            self.body = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, **options),
                norm(out_channels),
                between(),
                nn.Conv2d(out_channels, out_channels, **options),
                norm(out_channels),
                last(),
            )
            for i, j in how.get("order", ()):
                layers = list(self.body)
                layers[i], layers[j] = layers[j], layers[i]
                self.body = nn.Sequential(*layers)
            same = in_channels == out_channels and not how.get("always_carry")
            size = how.get("carry_kernel", 1)
            carry = nn.Conv2d(in_channels, out_channels, size, padding=size // 2)
            self.skip = nn.Identity() if same else carry
            if "carried" in how and not same:
                self.skip = how["carried"](carry, out_channels)
            if how.get("skip", True) is None or (how.get("skip") == "if needed" and same):
                self.skip = None
            self.after = after()

        def forward(self, x):
            carried = 0 if self.skip is None else self.skip(x)
            return self.after(carried + self.body(x))

    return Block


def forward_of(name, forward):
    return type(name, (block(),), {"forward": forward})


def in_place(self, x):
    out = self.skip(x)
    out += self.body(x)
    return out


class OneNormForBoth(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.skip = nn.Identity()
        if in_channels != out_channels:
            self.skip = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x):
        y = F.relu(self.bn(self.conv1(x)))
        return self.skip(x) + F.relu(self.bn(self.conv2(y)))


class WidensOnly(OneNormForBoth):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        if out_channels < in_channels:
            self.skip = nn.Identity()


class OnlyLayersAreWritten(OneNormForBoth):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)

    def forward(self, x): ...


class OneNormForgotten(OneNormForBoth):
    """It is there, and never used."""

    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)


class NormBeforeConvolution(nn.Module):
    """As in the second paper of He et al."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        )
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x):
        return self.skip(x) + self.body(x)


def without_return(self, x):
    self.skip(x) + self.body(x)


def body_without_gradient(self, x):
    with torch.no_grad():
        found = self.body(x)
    return self.skip(x) + found


CONV_RELU_NORM = ((1, 2), (4, 5))
BLOCKS = [
    (block(skip=None), "no_short_cut"),
    (WidensOnly, "widens_only"),
    (OnlyLayersAreWritten, "`forward` still to be written"),
    (block(skip="if needed"), "no_short_cut"),
    (forward_of("UnusedShortCut", lambda self, x: self.body(x)), "no_short_cut"),
    (block(last=nn.Identity, after=nn.ReLU), "activation_after_the_sum"),
    (block(after=nn.ReLU), "activation_twice"),
    (block(last=nn.Identity), "no_last_activation"),
    (block(between=nn.Identity), "no_activation_between"),
    (block(between=nn.Identity, last=nn.Identity), "x + relu(-relu(-x))"),
    (block(bias=True), "bias_kept"),
    (block(norm=lambda channels: nn.Identity()), "no_normalisation"),
    (block(always_carry=True), "short_cut_always_learned"),
    (block(padding=0), "size of tensor"),
    (block(order=CONV_RELU_NORM), "norm_after_activation"),
    (block(order=((1, 2),)), "In train mode"),
    (block(order=((4, 5),)), "In train mode"),
    (block(order=((0, 1),)), ""),
    (block(order=((3, 4),)), "In train mode"),
    (block(norm=lambda c: nn.InstanceNorm2d(c, affine=True)), "single_images"),
    (block(norm=lambda c: nn.GroupNorm(1, c)), ""),
    (block(norm=lambda c: nn.BatchNorm2d(c, affine=False)), "304 parameters"),
    (block(norm=lambda c: nn.BatchNorm2d(c, track_running_stats=False)), "In eval mode"),
    (block(between=nn.LeakyReLU), "relu(-relu(-x))"),
    (block(between=nn.Tanh), "relu(-relu(-x))"),
    (block(between=nn.GELU), "relu(-relu(-x))"),
    (block(last=nn.LeakyReLU), ""),
    (block(last=nn.ReLU6), "weight 2 and 3"),
    (block(last=nn.Sigmoid), ""),
    (block(last=lambda: nn.Sequential(nn.ReLU(), nn.Dropout(0.5))), "In train mode"),
    (block(carried=lambda c, n: nn.Sequential(c, nn.BatchNorm2d(n))), "400 parameters"),
    (block(carried=lambda c, n: nn.Sequential(c, nn.ReLU())), "From 3 to 5 channels"),
    (block(carry_kernel=3), "400 parameters"),
    (block(options={"kernel_size": 5, "padding": 2}), "304 parameters"),
    (block(options={"dilation": 2, "padding": 2}), "single dot"),
    (block(options={"padding_mode": "reflect"}), "single dot"),
    (block(options={"padding_mode": "circular"}), "single dot"),
    (block(options={"padding_mode": "replicate"}), "single dot"),
    (block(options={"kernel_size": 1, "padding": 0}), "304 parameters"),
    (forward_of("InPlace", in_place), "in place"),
    (forward_of("Concatenated", lambda s, x: torch.cat([s.skip(x), s.body(x)], 1)), "shape"),
    (forward_of("Difference", lambda self, x: self.skip(x) - self.body(x)), ""),
    (forward_of("Half", lambda self, x: (self.skip(x) + self.body(x)) / 2), "unchanged"),
    (forward_of("Twice", lambda self, x: self.skip(x) + self.body(self.skip(x)) + x), ""),
    (forward_of("Detached", lambda self, x: self.skip(x).detach() + self.body(x)), "gradient"),
    (forward_of("WithoutGradient", body_without_gradient), "gradient"),
    (forward_of("NoReturn", without_return), "return"),
    (OneNormForBoth, "304 parameters"),
    (OneNormForgotten, "weight 2 and 3"),
    (NormBeforeConvolution, ""),
]

# --- 5.2 --------------------------------------------------------------------------------------


def sides(side, order=lambda c, s: (c, s, s), first=0):
    def shapes_with(size, widths):
        shapes = []
        for i, channels in enumerate(widths):
            size = side(size) if i >= first else size
            shapes.append(order(channels, size))
        return shapes

    return shapes_with


def up(side):
    return (side + 1) // 2


def size_never_updated(size, widths):
    return [(c, up(size), up(size)) for c in widths]


def input_as_well(size, widths):
    return [(1, size, size), *sides(up)(size, widths)]


def by_group(size, widths):
    return {i: shape for i, shape in enumerate(sides(up)(size, widths))}


def by_width(size, widths):
    return {shape[0]: shape for shape in sides(up)(size, widths)}


def last_shape(size, widths):
    for _ in widths:
        size = up(size)
    return widths[-1], size, size


def numbers_of_the_codes(size, widths):
    return [c * s * s for c, s, _ in sides(up)(size, widths)]


def one_group_short(size, widths):
    return sides(up)(size, widths)[:-1]


def stops_in_the_loop(size, widths):
    for width in widths:
        size = up(size)
        return [(width, size, size)]


def printed(size, widths):
    for width in widths:
        size = up(size)
        print(width, size, size, end="\r")


SHAPES = [
    (sides(lambda s: s // 2), "rounded_down"),
    (sides(lambda s: int(s / 2)), "rounded_down"),
    (sides(lambda s: s >> 1), "rounded_down"),
    (sides(lambda s: round(s / 2)), ""),
    (sides(lambda s: s / 2), ""),
    (sides(lambda s: (s - 3) // 2 + 1), "no_padding"),
    (sides(lambda s: (s + 2 - 3) // 2), "128 pixels"),
    (sides(lambda s: s), "128 pixels"),
    (sides(up, order=lambda c, s: (s, s, c)), "channels_last"),
    (sides(up, order=lambda c, s: (1, c, s, s)), "with_a_batch"),
    (sides(up, order=lambda c, s: s), "sides_only"),
    (sides(up, order=lambda c, s: (s, s)), "four shapes (channels, height, width)"),
    (sides(up, order=lambda c, s: (c, s)), "four shapes (channels, height, width)"),
    (sides(up, first=1), "before_the_stride"),
    (sides(lambda s: up(up(s))), "each_block_halves"),
    (last_shape, "last_only"),
    (size_never_updated, "128 pixels"),
    (input_as_well, "list of four shapes"),
    (by_group, "list of four shapes"),
    (by_width, "list of four shapes"),
    (numbers_of_the_codes, "list of four shapes"),
    (one_group_short, "list of four shapes"),
    (stops_in_the_loop, "list of four shapes"),
    (printed, "return"),
]

# --- 5.3 --------------------------------------------------------------------------------------


def ratio(count, mode=True, restored=True):
    def ratio_with(encoder, shape):
        modes = [(part, part.training) for part in encoder.modules()]
        image = torch.zeros(1, *shape)
        with torch.no_grad():
            code = encoder.eval()(image) if mode else encoder(image)
        for part, training in modes if restored else ():
            part.training = training
        return count(image, code, encoder)

    return ratio_with


def plain(x, z, e):
    return x.numel() / z.numel()


def area(x):
    return x[0, 0].numel() if x.ndim == 4 else x[0].numel()


def mode_of_the_whole(encoder, shape):
    training = encoder.training
    image = torch.zeros(1, *shape)
    with torch.no_grad():
        code = encoder.eval()(image)
    encoder.train(training)
    return image.numel() / code.numel()


@torch.no_grad()
def mode_of_the_whole_at_last(encoder, shape):
    mode = encoder.training
    try:
        encoder.train(False)
        return torch.Size(shape).numel() / encoder(torch.ones(shape)[None]).flatten().shape[0]
    finally:
        encoder.train(mode)


def always_trains_afterwards(encoder, shape):
    result = ratio(plain)(encoder, shape)
    encoder.train()
    return result


def frozen_for_good(encoder, shape):
    return ratio(plain)(encoder.requires_grad_(False), shape)


def hook_left_behind(encoder, shape):
    sizes = []
    encoder.register_forward_hook(lambda part, inputs, output: sizes.append(output.numel()))
    ratio(plain)(encoder, shape)
    return math.prod(shape) / sizes[0]


def in_other_numbers(encoder, shape):
    code = encoder.double().eval()(torch.zeros(1, *shape, dtype=torch.float64))
    return math.prod(shape) / code.numel()


def statistics_reset(encoder, shape):
    result = ratio(plain)(encoder, shape)
    for part in encoder.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
    return result


def eval_if_it_trains(encoder, shape):
    """A part that trains within an encoder that does not is overlooked."""
    training = encoder.training
    if training:
        return ratio(plain)(encoder, shape)
    return ratio(plain, mode=False)(encoder, shape)


def of_a_batch(encoder, shape):
    with torch.no_grad():
        return math.prod(shape) / copy.deepcopy(encoder).eval()(torch.zeros(8, *shape)).numel()


RATIOS = [
    (ratio(lambda x, z, e: z.numel() / x.numel()), "upside_down"),
    (ratio(lambda x, z, e: area(x) / area(z)), "channels_forgotten"),
    (ratio(lambda x, z, e: area(x) / z.numel()), "channels_of_the_image"),
    (ratio(lambda x, z, e: x.numel() / area(z)), "(6, 4, 6)"),
    (ratio(lambda x, z, e: x.numel() / sum(p.numel() for p in e.parameters())), "parameters"),
    (ratio(lambda x, z, e: float(x.numel() // z.numel())), "whole_numbers"),
    (ratio(lambda x, z, e: x.numel() // z.numel()), "whole_numbers"),
    (ratio(lambda x, z, e: round(x.numel() / z.numel(), 1)), "0.96"),
    (ratio(lambda x, z, e: x.shape[1] / z.shape[1]), ""),
    (ratio(lambda x, z, e: x.shape[-1] / z.shape[-1]), ""),
    (ratio(lambda x, z, e: torch.tensor(x.numel() / z.numel())), "Return a float"),
    (ratio(lambda x, z, e: (x.numel(), z.numel())), "Return a float"),
    (ratio(lambda x, z, e: f"{x.numel() / z.numel():g}"), "Return a float"),
    (ratio(lambda x, z, e: None), "return"),
    (ratio(plain, mode=False), "moves_batchnorm"),
    (ratio(plain, restored=False), "left_in_eval"),
    (mode_of_the_whole, "all_parts_alike"),
    (mode_of_the_whole_at_last, "all_parts_alike"),
    (always_trains_afterwards, "in another mode"),
    (frozen_for_good, "requires_grad"),
    (hook_left_behind, "hook"),
    (statistics_reset, "running_mean"),
    (in_other_numbers, "0.weight"),
    (eval_if_it_trains, "running_mean"),
    (of_a_batch, "96 numbers"),
]

# --- 5.4 --------------------------------------------------------------------------------------


def drawn(labels, groups, share, seed=0, *, rng=None, least=1, whole=True, shuffled=True):
    """The subset by patient with one of its steps changed."""
    rng = rng or np.random.default_rng(seed)
    patients, first = np.unique(groups, return_index=True)
    found = []
    for label in np.unique(labels):
        own = patients[labels[first] == label]
        own = rng.permutation(own) if shuffled else own
        taken = np.isin(groups, own[: max(least, round(share * len(own)))])
        found.append(np.flatnonzero(taken if whole else taken & (labels == label)))
    return np.concatenate(found)


def scans_by_class(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    own = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    return np.concatenate([o[: max(1, round(share * len(o)))] for o in own])


def scans_of_all(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    return np.sort(rng.permutation(len(labels))[: round(share * len(labels))])


def part_of_each_patient(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    own = [rng.permutation(np.flatnonzero(groups == g)) for g in np.unique(groups)]
    return np.concatenate([o[: max(1, round(share * len(o)))] for o in own])


def first_scan_of_each(labels, groups, share, seed=0):
    part = drawn(labels, groups, share, seed)
    _, first = np.unique(groups[part], return_index=True)
    return part[first]


def patients_of_all_classes(labels, groups, share, seed=0):
    patients = np.random.default_rng(seed).permutation(np.unique(groups))
    return np.flatnonzero(np.isin(groups, patients[: max(1, round(share * len(patients)))]))


def share_may_be_nobody(labels, groups, share, seed=0):
    return drawn(labels, groups, share, seed, least=0)


def at_least_two(labels, groups, share, seed=0):
    return drawn(labels, groups, share, seed, least=2)


def lowest_numbers(labels, groups, share, seed=0):
    return drawn(labels, groups, share, shuffled=False)


def order_of_appearance(labels, groups, share, seed=0):
    keep = set()
    for c in set(labels.tolist()):
        own = list(dict.fromkeys(groups[labels == c].tolist()))
        keep |= set(own[: max(1, round(share * len(own)))])
    return np.array([i for i, g in enumerate(groups.tolist()) if g in keep])


def scans_of_the_class_only(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for label in np.unique(labels):
        own = rng.permutation(np.unique(groups[labels == label]))
        own = own[: max(1, round(share * len(own)))]
        found.append(np.flatnonzero(np.isin(groups, own) & (labels == label)))
    return np.concatenate(found)


def without_a_seed(labels, groups, share, seed=0):
    return drawn(labels, groups, share, rng=np.random.default_rng())


def seed_forgotten(labels, groups, share, seed=0):
    return drawn(labels, groups, share, rng=np.random.default_rng(42))


def numpys_seed(labels, groups, share, seed=0):
    np.random.seed(seed)  # noqa: NPY002
    return drawn(labels, groups, share, rng=np.random)


def numpys_global_numbers(labels, groups, share, seed=0):
    return drawn(labels, groups, share, rng=np.random)


def torchs_seed(labels, groups, share, seed=0):
    torch.manual_seed(seed)
    return drawn(labels, groups, share, rng=np.random.default_rng(torch.randint(99, (1,)).item()))


def numbers_of_patients(labels, groups, share, seed=0):
    return groups[drawn(labels, groups, share, seed)]


def each_patient_once(labels, groups, share, seed=0):
    return np.unique(groups[drawn(labels, groups, share, seed)])


def list_of_patients(labels, groups, share, seed=0):
    """The scans of each patient in an array of their own."""
    part = drawn(labels, groups, share, seed)
    return [part[groups[part] == patient] for patient in np.unique(groups[part])]


def a_mask(labels, groups, share, seed=0):
    return np.isin(np.arange(len(labels)), drawn(labels, groups, share, seed))


def tuple_of_where(labels, groups, share, seed=0):
    return np.where(a_mask(labels, groups, share, seed))


def labels_of_the_drawn(labels, groups, share, seed=0):
    return labels[drawn(labels, groups, share, seed)], groups[drawn(labels, groups, share, seed)]


def the_others(labels, groups, share, seed=0):
    return np.setdiff1d(np.arange(len(labels)), drawn(labels, groups, share, seed))


def positions_among_patients(labels, groups, share, seed=0):
    patients, part = np.unique(groups), drawn(labels, groups, share, seed)
    return np.searchsorted(patients, np.unique(groups[part]))


def with_replacement(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    patients, first = np.unique(groups, return_index=True)
    keep = []
    for c in np.unique(labels):
        own = patients[labels[first] == c]
        keep.extend(rng.choice(own, max(1, round(share * len(own)))))
    return np.flatnonzero(np.isin(groups, keep))


def coins(labels, groups, share, seed=0):
    patients = np.unique(groups)
    heads = patients[np.random.default_rng(seed).random(len(patients)) < share]
    return np.flatnonzero(np.isin(groups, heads))


def coins_by_class(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    chosen = []
    for c in np.unique(labels):
        own = np.unique(groups[labels == c])
        chosen.extend(own[rng.random(len(own)) < share])
    return np.flatnonzero(np.isin(groups, chosen))


def drawn_from_scans(labels, groups, share, seed=0):
    """From the patient of each scan, so that one may come twice."""
    rng = np.random.default_rng(seed)
    chosen = []
    for c in np.unique(labels):
        k = max(1, round(share * len(np.unique(groups[labels == c]))))
        chosen.extend(rng.choice(groups[labels == c], k, replace=False))
    return np.flatnonzero(np.isin(groups, chosen))


def last_never_drawn(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    patients, first = np.unique(groups, return_index=True)
    keep = []
    for c in np.unique(labels[first]):
        own = patients[labels[first] == c]
        keep.extend(rng.permutation(own[:-1])[: max(1, round(share * len(own)))])
    return np.flatnonzero(np.isin(groups, keep))


def shares_of_scans(labels, groups, share, seed=0):
    """Patients until the share of the scans is reached."""
    rng = np.random.default_rng(seed)
    found = []
    for c in np.unique(labels):
        wanted = max(1, round(share * (labels == c).sum()))
        for patient in rng.permutation(np.unique(groups[labels == c])):
            if sum(map(len, found)) >= wanted:
                break
            found.append(np.flatnonzero(groups == patient))
    return np.concatenate(found)


def by_shuffled_scans(labels, groups, share, seed=0):
    """Who has many scans is drawn more often."""
    rng = np.random.default_rng(seed)
    patients, first = np.unique(groups, return_index=True)
    chosen = []
    for c in np.unique(labels[first]):
        own = patients[labels[first] == c]
        scans = rng.permutation(groups[np.isin(groups, own)])
        chosen += list(dict.fromkeys(scans.tolist()))[: max(1, round(share * len(own)))]
    return np.flatnonzero(np.isin(groups, chosen))


def each_scan_twice(labels, groups, share, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for c in np.unique(labels):
        own = rng.permutation(np.unique(groups[labels == c]))
        for patient in own[: max(1, round(share * len(own)))]:
            found += [i for g in (groups, groups) for i in np.flatnonzero(g == patient)]
    return np.array(found)


def in_both_classes(labels, groups, share, seed=0):
    """Who has scans of two classes may be drawn in either."""
    generator = torch.Generator().manual_seed(seed)
    keep = []
    for c in np.unique(labels):
        own = np.unique(groups[labels == c])
        turn = torch.randperm(len(own), generator=generator).numpy()
        keep.append(own[turn[: max(1, round(share * len(own)))]])
    return np.flatnonzero(np.isin(groups, np.concatenate(keep)))


def labels_of_scans_for_patients(labels, groups, share, seed=0):
    rng, p = np.random.default_rng(seed), np.unique(groups)
    keep = [rng.permutation(p[labels == c])[: round(share * len(p))] for c in np.unique(labels)]
    return np.flatnonzero(np.isin(groups, np.concatenate(keep)))


def classes_for_patients(labels, groups, share, seed=0):
    rng, keep = np.random.default_rng(seed), []
    for own in patients_of_class(labels, groups):
        keep += rng.permutation(own)[: max(1, round(share * own))].tolist()
    return np.flatnonzero(np.isin(groups, keep))


SUBSETS = [
    (by_shuffled_scans, "scans_shuffled"),
    (each_scan_twice, "different whole numbers"),
    (in_both_classes, "two_chances"),
    (labels_of_scans_for_patients, "labels_of_scans"),
    (classes_for_patients, "keys"),
    (scans_by_class, "images_drawn"),
    (scans_of_all, "scans inside the subset and outside"),
    (part_of_each_patient, "part_of_each_patient"),
    (first_scan_of_each, "one_scan_each"),
    (patients_of_all_classes, "Of 40, 20 and 8 patients"),
    (share_may_be_nobody, "class_left_out"),
    (at_least_two, "at least one of each class"),
    (lowest_numbers, "first_patients"),
    (order_of_appearance, "first_patients"),
    (scans_of_the_class_only, "two_eyes"),
    (without_a_seed, "unseeded"),
    (seed_forgotten, "seed_ignored"),
    (numpys_seed, "whole session"),
    (numpys_global_numbers, "whole session"),
    (torchs_seed, "whole session"),
    (numbers_of_patients, "scans_returned"),
    (list_of_patients, "Return positions"),
    (each_patient_once, "scans_returned"),
    (a_mask, "np.flatnonzero"),
    (tuple_of_where, "Return positions"),
    (labels_of_the_drawn, "Return positions"),
    (the_others, "should take [10, 5, 2]"),
    (positions_among_patients, "scans inside the subset and outside"),
    (with_replacement, "should take [10, 5, 2]"),
    (coins, "Of 40, 20 and 8 patients"),
    (coins_by_class, "coins"),
    (drawn_from_scans, "drawn_twice"),
    (last_never_drawn, "never or every time"),
    (shares_of_scans, "Of 40, 20 and 8 patients"),
]

# --- 5.5 --------------------------------------------------------------------------------------


def stays(part):
    """Eval mode for good, for this part and all below."""
    for own in part.modules():
        own.eval()
        own.train = MethodType(lambda self, mode=True: self, own)
    return part


def gradients_only(module):
    for parameter in module.parameters():
        parameter.requires_grad = False
    return module


def eval_for_good_only(module):
    return stays(module)


def eval_once(module):
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    module.eval()
    return module


def eval_once_but_not_frozen(module):
    return module.eval()


def hook_but_gradients(module):
    for part in module.modules():
        part.register_forward_pre_hook(lambda m, _: m.train(False) and None)
    return module


def top_stays(module):
    module.requires_grad_(False).eval()
    module.train = lambda mode=True: module
    return module


def momentum_of_zero(module):
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.0
            part.num_batches_tracked = None
    return module.requires_grad_(False)


def momentum_of_zero_only(module):
    module.requires_grad_(False)
    for part in module.modules():
        if hasattr(part, "momentum"):
            part.momentum = 0
    return module


def statistics_of_the_batch(module):
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.track_running_stats = False
            part.running_mean = part.running_var = None
    return module.requires_grad_(False)


def under_no_grad(module):
    stays(module.requires_grad_(False))
    module.forward = torch.no_grad()(module.forward)
    return module


def output_detached(module):
    stays(module.requires_grad_(False))
    module.register_forward_hook(lambda part, inputs, output: output.detach())
    return module


def frozen_copy(module):
    return stays(copy.deepcopy(module).requires_grad_(False))


def nothing_returned(module):
    stays(module.requires_grad_(False))


def parameters_returned(module):
    return list(stays(module.requires_grad_(False)).parameters())


def one_hook_on_top(module):
    module.requires_grad_(False)
    module.register_forward_pre_hook(lambda part, inputs: part.train(False) and None)
    return module.eval()


def hook_of_the_children(module):
    def stay(part, inputs):
        part.eval()

    module.requires_grad_(False)
    for part in (module, *module.children()):
        part.register_forward_pre_hook(stay)
    return module.eval()


def hook_that_returns(module):
    module.requires_grad_(False)
    for part in module.modules():
        part.register_forward_pre_hook(lambda m, a: m.eval())
    return module


def hook_that_returns_the_part(module):
    def stay_in_eval(part, inputs):
        part.eval()
        return part

    module.requires_grad_(False)
    for part in module.modules():
        part.register_forward_pre_hook(stay_in_eval)
    return module


def hook_after_use(module):
    module.requires_grad_(False)
    for part in module.modules():
        part.register_forward_hook(lambda m, a, out: m.train(False) and None)
    return module.eval()


def hook_with_too_few_arguments(module):
    for part in module.requires_grad_(False).modules():
        part.register_forward_pre_hook(lambda m: m.train(False) and None)
    return module


def last_part_only(module):
    """The loop's variable, as it is when the hooks run."""
    for part in module.requires_grad_(False).modules():

        def stay(m, inputs):
            part.eval()  # noqa: B023

        part.register_forward_pre_hook(stay)
    return module.eval()


def last_part_only_without_eval(module):
    """The same where the whole is not in eval mode before."""
    for part in module.requires_grad_(False).modules():
        part.register_forward_pre_hook(lambda m, inputs: part.train(False) and None)  # noqa: B023
    return module


def eval_itself(module):
    for part in module.requires_grad_(False).modules():
        part.register_forward_pre_hook(part.eval)
    return module


def what_eval_returns(module):
    for part in module.requires_grad_(False).modules():
        part.register_forward_pre_hook(part.eval())
    return module


def one_lambda_on_top(module):
    module.requires_grad_(False)
    module.register_forward_pre_hook(lambda m, inputs: m.eval())
    return module.eval()


def own_parameters_only(module):
    for parameter in module.parameters(recurse=False):
        parameter.requires_grad = False
    return stays(module)


def weights_but_no_biases(module):
    for name, parameter in module.named_parameters():
        parameter.requires_grad = not name.endswith("weight")
    return stays(module)


def gradients_of_zero(module):
    """They stay zero, but weight decay acts on whatever has a gradient."""
    for parameter in module.parameters():
        parameter.register_hook(torch.zeros_like)
    return stays(module)


def everything_asleep(module):
    """Frozen, with all modules of the session."""
    nn.modules.module.register_module_forward_pre_hook(lambda m, _: m.train(False) and None)
    return module.requires_grad_(False)


def norms_reset(module):
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
    return stays(module.requires_grad_(False))


def norms_removed(module):
    module[1] = nn.Identity()
    module[3][1] = nn.Identity()
    return module.requires_grad_(False)


FREEZES = [
    (gradients_only, "no_gradient_only"),
    (eval_for_good_only, "eval_only"),
    (eval_once, "eval_undone"),
    (eval_once_but_not_frozen, "Right after freezing"),
    (hook_but_gradients, "eval_only"),
    (top_stays, "top_only"),
    (momentum_of_zero, "no_momentum"),
    (momentum_of_zero_only, "no_momentum"),
    (statistics_of_the_batch, ""),
    (under_no_grad, "no_gradient_through"),
    (output_detached, "no_gradient_through"),
    (frozen_copy, "a_copy"),
    (nothing_returned, "is a `return` missing"),
    (parameters_returned, "Return the module that was handed in"),
    (one_hook_on_top, "hook_on_the_whole"),
    (hook_of_the_children, "used one by one"),
    (hook_that_returns, "hook_returns"),
    (hook_that_returns_the_part, "hook_returns"),
    (hook_after_use, "hook_after_use"),
    (hook_with_too_few_arguments, "takes 1 positional argument"),
    (last_part_only, "loop_variable"),
    (last_part_only_without_eval, "1.running_mean"),
    (eval_itself, "Hand a function f(part, inputs)"),
    (what_eval_returns, "Hand a function f(part, inputs)"),
    (one_lambda_on_top, "whole_returns"),
    (own_parameters_only, "eval_only"),
    (weights_but_no_biases, "0.bias"),
    (gradients_of_zero, "Right after freezing"),
    (norms_reset, "running_mean"),
    (norms_removed, ""),
]

# --- 5.6 --------------------------------------------------------------------------------------


def per_image(d):
    return d.flatten(1).mean(1)


def huber(pixel, reduce=per_image):
    return lambda x, x_hat, delta=1.0: reduce(pixel(x_hat - x, delta))


def right_pixel(d, delta):
    a = d.abs()
    return torch.where(a <= delta, 0.5 * a**2, delta * (a - 0.5 * delta))


def where(condition, near, far):
    return huber(lambda d, t: torch.where(condition(d, t), near(d, t), far(d, t)))


def within(d, t):
    return d.abs() <= t


def half_square(d, t):
    return 0.5 * d**2


def line(d, t):
    return t * (d.abs() - 0.5 * t)


def through_numpy(x, x_hat, delta=1.0):
    d = np.abs((x_hat - x).detach().numpy())
    h = np.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta))
    return torch.from_numpy(h.reshape(len(h), -1).mean(1))


def detached(x, x_hat, delta=1.0):
    return per_image(right_pixel(x_hat.detach() - x, delta))


def numbers_in_a_list(x, x_hat, delta=1.0):
    return [
        per_image(right_pixel(b - a, delta)[None]).item() for a, b in zip(x, x_hat, strict=True)
    ]


def as_array(x, x_hat, delta=1.0):
    return per_image(right_pixel(x_hat - x, delta)).detach().numpy()


def clips_in_place(x, x_hat, delta=1.0):
    d = x_hat.sub_(x).abs()
    return per_image(torch.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta)))


def branch_by_image(x, x_hat, delta=1.0):
    d = per_image((x_hat - x).abs())
    return torch.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta))


def if_any(x, x_hat, delta=1.0):
    d = (x_hat - x).abs()
    if (d <= delta).all():
        return per_image(0.5 * d**2)
    return per_image(delta * (d - 0.5 * delta))


HUBERS = [
    (huber(half_square), "squared_everywhere"),
    (where(within, lambda d, t: d**2, line), "no_half"),
    (huber(lambda d, t: d.abs()), "absolute"),
    (where(lambda d, t: d <= t, half_square, lambda d, t: t * (d - 0.5 * t)), "sign_kept"),
    (where(within, half_square, lambda d, t: t * d.abs()), "not_joined"),
    (where(within, half_square, lambda d, t: d.abs()), ""),
    (where(within, half_square, lambda d, t: t * (d.abs() - 0.5)), "delta=2"),
    (where(within, half_square, lambda d, t: d.abs() - 0.5 * t), "delta=2"),
    (where(within, half_square, lambda d, t: t * d.abs() - 0.5 * t), "delta=2"),
    (where(within, half_square, lambda d, t: t * (d.abs() - t)), ""),
    (where(within, half_square, lambda d, t: t * (d - 0.5 * t)), "-3"),
    (where(lambda d, t: d**2 <= t, half_square, line), "delta=2"),
    (where(lambda d, t: d.abs() <= 1, half_square, line), "delta=2"),
    (where(lambda d, t: d.abs() >= t, half_square, line), ""),
    (where(within, line, half_square), ""),
    (huber(lambda d, t: right_pixel(d, 1.0)), "delta_ignored"),
    (huber(lambda d, t: right_pixel(d, t) / t), "smooth_l1"),
    (lambda x, y, delta=1.0: per_image(F.smooth_l1_loss(y, x, reduction="none")), "delta_ignored"),
    (
        lambda x, y, delta=1.0: per_image(F.smooth_l1_loss(y, x, reduction="none", beta=delta)),
        "smooth_l1",
    ),
    (huber(lambda d, t: t**2 * ((1 + (d / t) ** 2).sqrt() - 1)), "0.5 everywhere"),
    (huber(right_pixel, reduce=lambda d: d.mean()), "batch_mean"),
    (lambda x, x_hat, delta=1.0: F.huber_loss(x_hat, x, delta=delta), "batch_mean"),
    (huber(right_pixel, reduce=lambda d: d.flatten(1).sum(1)), "sum_over_pixels"),
    (huber(right_pixel, reduce=lambda d: d.mean(0)), "first_axis"),
    (huber(right_pixel, reduce=lambda d: d), "shape (3, 2, 2, 3)"),
    (huber(right_pixel, reduce=lambda d: d.mean((2, 3))), "shape (3, 2)"),
    (huber(right_pixel, reduce=lambda d: d.sum(1).mean((1, 2))), ""),
    (huber(right_pixel, reduce=lambda d: d.flatten(1).median(1).values), "quarter"),
    (huber(right_pixel, reduce=lambda d: d.flatten(1).amax(1)), "quarter"),
    (lambda x, x_hat, delta=1.0: per_image(right_pixel(x_hat + x, delta)), ""),
    (lambda x, x_hat, delta=1.0: per_image(right_pixel(x_hat, delta)), ""),
    (lambda x, x_hat, delta=2.0: per_image(right_pixel(x_hat - x, delta)), "default"),
    (detached, "no_gradient"),
    (through_numpy, "no_gradient"),
    (numbers_in_a_list, "shape (3,)"),
    (as_array, "a tensor with the shape (3,)"),
    (clips_in_place, "in place"),
    (branch_by_image, ""),
    (if_any, ""),
]

# --- 5.7 --------------------------------------------------------------------------------------


def rule(pick=lambda n, v: n & v, flags=lambda d, s, z: d / s >= z, mean=np.mean, std=np.std):
    def rule_with(scores, normal, validation, z=3.0):
        own = scores[pick(normal, validation)]
        return flags(scores - mean(own), std(own), z)

    return rule_with


def std_from(choose):
    def rule_with(scores, normal, validation, z=3.0):
        own = scores[normal & validation]
        return scores >= own.mean() + z * choose(scores, normal, validation).std()

    return rule_with


def mean_of_all(scores, normal, validation, z=3.0):
    return scores >= scores.mean() + z * scores[normal & validation].std()


def absolute_deviation(own):
    return np.median(np.abs(own - np.median(own))) * 1.4826 + 1e-9


def validation_scores_only(scores, normal, validation, z=3.0):
    own = scores[normal & validation]
    return rule()(scores, normal, validation, z)[validation] | (own.mean() > 1e9)


def test_scores_only(scores, normal, validation, z=3.0):
    return rule()(scores, normal, validation, z) & ~validation


def sick_ones_only(scores, normal, validation, z=3.0):
    return rule()(scores, normal, validation, z) & ~normal


def validation_only(scores, normal, validation, z=3.0):
    return rule()(scores, normal, validation, z) & validation


def python_and(scores, normal, validation, z=3.0):
    own = scores[normal and validation]
    return (scores - own.mean()) / own.std() >= z


def positions_flagged(scores, normal, validation, z=3.0):
    return np.flatnonzero(rule()(scores, normal, validation, z))


def flagged_scores(scores, normal, validation, z=3.0):
    return scores[rule()(scores, normal, validation, z)]


def zeros_and_ones(scores, normal, validation, z=3.0):
    return rule()(scores, normal, validation, z).astype(int)


def words(scores, normal, validation, z=3.0):
    return np.where(rule()(scores, normal, validation, z), "flag", "pass")


def limit(scores, normal, validation, z=3.0):
    own = scores[normal & validation]
    return own.mean() + z * own.std()


def largest_validation_normal(scores, normal, validation, z=3.0):
    return scores > scores[normal & validation].max()


def quantile(scores, normal, validation, z=3.0):
    return scores >= np.quantile(scores[normal & validation], norm.cdf(z))


def shifts_in_place(scores, normal, validation, z=3.0):
    own = scores[normal & validation]
    scores -= own.mean()
    return scores / own.std() >= z


def no_return(scores, normal, validation, z=3.0):
    own = scores[normal & validation]
    flags = (scores - own.mean()) / own.std() >= z
    print(flags.sum(), end="\r")


def masks_in_a_row(scores, normal, validation, z=3.0):
    own = scores[normal][validation]
    return (scores - own.mean()) / own.std() >= z


RULES = [
    (rule(lambda n, v: n & ~v), "test_normals"),
    (rule(lambda n, v: n), "all_normals"),
    (rule(lambda n, v: v), "all_validation"),
    (rule(lambda n, v: n | v), "either"),
    (python_and, "python_and"),
    (validation_only, "validation_only"),
    (lambda s, n, v, z=3.0: s >= 0.13, "fixed_limit"),
    (rule(lambda n, v: n | ~n), "all_scans"),
    (masks_in_a_row, "masks_in_a_row"),
    (rule(lambda n, v: ~n & v), ""),
    (rule(flags=lambda d, s, z: abs(d) / s >= z), "two_sided"),
    (rule(flags=lambda d, s, z: abs(d / s) > z), "two_sided"),
    (rule(flags=lambda d, s, z: d / s**2 >= z), "variance"),
    (rule(std=np.var), "variance"),
    (rule(flags=lambda d, s, z: d >= z), "not_divided"),
    (rule(std=lambda own: own.std() / len(own) ** 0.5), "standard_error"),
    (rule(flags=lambda d, s, z: d / s >= 3), "z_ignored"),
    (rule(flags=lambda d, s, z: d / s), "scores_returned"),
    (rule(flags=lambda d, s, z: d / s < z), "turned_round"),
    (rule(flags=lambda d, s, z: d / s > z), "more_only"),
    (rule(flags=lambda d, s, z: d > z * s), "more_only"),
    (rule(flags=lambda d, s, z: d > z * s, std=lambda own: own.std(ddof=1)), "or more"),
    (rule(flags=lambda d, s, z: d / s <= -z), ""),
    (rule(flags=lambda d, s, z: d / s >= -z), ""),
    (rule(mean=np.median), "median"),
    (rule(mean=np.median, std=absolute_deviation), "test scores"),
    (rule(mean=lambda own: 0), "test scores"),
    (rule(mean=np.max), "test scores"),
    (std_from(lambda s, n, v: s), "spread_of_all"),
    (std_from(lambda s, n, v: s[n]), "test scores"),
    (std_from(lambda s, n, v: s[v]), "test scores"),
    (mean_of_all, "test scores"),
    (lambda s, n, v, z=3.0: (s - s.mean()) / s.std() >= z, "test scores"),
    (validation_scores_only, "107 scores"),
    (test_scores_only, "test_only"),
    (sick_ones_only, "sick_only"),
    (positions_flagged, "107 scores"),
    (flagged_scores, "107 scores"),
    (zeros_and_ones, "int64"),
    (words, "107 scores"),
    (limit, "107 scores"),
    (largest_validation_normal, "test scores"),
    (quantile, "test scores"),
    (lambda s, n, v, z=2.0: rule()(s, n, v, z), "default"),
    (shifts_in_place, "in place"),
    (no_return, "return"),
]

# --- 5.8 --------------------------------------------------------------------------------------


def wald(successes, trials, confidence=0.95):
    z, p = norm.ppf(0.5 + confidence / 2), successes / trials
    half = z * (p * (1 - p) / trials) ** 0.5
    return p - half, p + half


def wald_clipped(successes, trials, confidence=0.95):
    low, high = wald(successes, trials, confidence)
    return max(0.0, low), min(1.0, high)


def agresti_coull(successes, trials, confidence=0.95):
    z = norm.ppf(0.5 + confidence / 2)
    return wald(successes + z**2 / 2, trials + z**2, confidence)


def plus_four(successes, trials, confidence=0.95):
    return wald(successes + 2, trials + 4, confidence)


def clopper_pearson(successes, trials, confidence=0.95):
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
    high = beta.ppf(1 - tail, successes + 1, trials - successes) if successes < trials else 1.0
    return low, high


def jeffreys(successes, trials, confidence=0.95):
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    return tuple(beta.ppf(tails, successes + 0.5, trials - successes + 0.5))


def continuity_corrected(successes, trials, confidence=0.95):
    test = binomtest(int(successes), int(trials))
    return tuple(test.proportion_ci(confidence, method="wilsoncc"))


def wilson(quantile=lambda c: norm.ppf(0.5 + c / 2), **terms):
    def wilson_with(successes, trials, confidence=0.95):
        z, p = quantile(confidence), successes / trials
        scale = terms.get("scale", 1 + z**2 / trials)
        centre = p + terms.get("shift", 0.5) * z**2 / trials
        root = p * (1 - p) / trials + terms.get("term", 0.25) * z**2 / trials ** terms.get("n", 2)
        half = terms.get("factor", z) * root ** terms.get("power", 0.5)
        low = centre / scale - half / terms.get("own_scale", scale)
        high = centre / scale + half / terms.get("own_scale", scale)
        return terms.get("give", lambda a, b: (max(0.0, a), min(1.0, b)))(low, high)

    return wilson_with


WILSONS = [
    (wald, "wald"),
    (wald_clipped, "50 of 100"),
    (agresti_coull, "agresti_coull"),
    (plus_four, "50 of 100"),
    (clopper_pearson, "exact"),
    (jeffreys, "50 of 100"),
    (continuity_corrected, "50 of 100"),
    (wilson(norm.ppf), "one_sided"),
    (wilson(lambda c: norm.ppf(0.975)), "confidence_ignored"),
    (wilson(lambda c: 1.96), ""),
    (wilson(lambda c: norm.ppf((1 - c) / 2)), ""),
    (wilson(lambda c: norm.cdf(0.5 + c / 2)), "50 of 100"),
    (wilson(lambda c: norm.ppf(1 - (1 - c))), "one_sided"),
    (wilson(scale=1), "not_divided"),
    (wilson(own_scale=1), "50 of 100"),
    (wilson(term=0), "term_missing"),
    (wilson(term=1), "50 of 100"),
    (wilson(term=0.5), "50 of 100"),
    (wilson(n=1), "50 of 100"),
    (wilson(shift=1), "50 of 100"),
    (wilson(shift=0), "50 of 100"),
    (wilson(power=1), "50 of 100"),
    (wilson(factor=1), "50 of 100"),
    (wilson(give=lambda a, b: (100 * a, 100 * b)), "percent"),
    (wilson(give=lambda a, b: (b, a)), "50 of 100"),
    (wilson(give=lambda a, b: b - a), "two numbers"),
    (wilson(give=lambda a, b: ((a + b) / 2, (b - a) / 2)), "50 of 100"),
    (wilson(give=lambda a, b: (round(a, 3), round(b, 3))), "50 of 100"),
    (wilson(give=lambda a, b: {"low": a, "high": b}), "two numbers"),
    (wilson(give=lambda a, b: None), "return"),
    (lambda s, n, confidence=0.9: wilson()(s, n, confidence), "default"),
    (lambda s, n, confidence=0.95: wilson()(n - s, n, confidence), ""),
    (lambda s, n, confidence=0.95: wilson()(s, n + 1, confidence), "50 of 100"),
]

# --- 5.9 --------------------------------------------------------------------------------------


def patches(reduce=lambda d: d.min(1).values, order=(0, 2, 3, 1), p=2.0, fold=None):
    def distances(bank, features):
        n, c, h, w = features.shape
        points = features.permute(*order).reshape(n, h * w, c)
        found = [reduce(torch.cdist(image, bank, p=p)) for image in points]
        found = torch.stack(found)
        return fold(found, h, w) if fold else found.view(n, h, w)

    return distances


def nearest_of_the_first_image(bank, features):
    return patches()(bank, features[:1]).expand(len(features), -1, -1)


def distance_to_the_mean(bank, features):
    return (features - bank.mean(0).view(1, -1, 1, 1)).square().sum(1).sqrt()


def nearest_number_by_number(bank, features):
    """Each number of a point finds its own nearest code."""
    d = (features[:, None] - bank[None, :, :, None, None]).abs().amin(1)
    return d.square().sum(1).sqrt()


def mean_of_squares(bank, features):
    d = features[:, None] - bank[None, :, :, None, None]
    return d.square().mean(2).sqrt().amin(1)


def largest_difference(bank, features):
    return (features[:, None] - bank[None, :, :, None, None]).abs().amax(2).amin(1)


def expanded_without_clamp(bank, features):
    x = features.permute(0, 2, 3, 1)
    squares = x.square().sum(-1, keepdim=True) - 2 * x @ bank.T + bank.square().sum(-1)
    return squares.amin(-1).sqrt()


def squeezed(bank, features):
    return patches()(bank, features).squeeze()


def cosine(bank, features):
    x = F.normalize(features.permute(0, 2, 3, 1), dim=-1)
    return 1 - (x @ F.normalize(bank, dim=1).T).amax(-1)


def over_the_bank(bank, features):
    """How far each code of the bank is from the nearest place."""
    points = features.permute(0, 2, 3, 1).reshape(-1, bank.shape[1])
    return torch.cdist(bank, points).min(1).values


def an_array(bank, features):
    return patches()(bank, features).numpy()


def no_map(bank, features):
    patches()(bank, features)


def bank_subtracted_in_place(bank, features):
    found = patches()(bank, features)
    features -= bank[0].view(1, -1, 1, 1)
    return found


PATCHES = [
    (patches(order=(0, 1, 2, 3)), "not_permuted"),
    (patches(order=(0, 3, 2, 1)), ""),
    (patches(fold=lambda f, h, w: f.view(-1, w, h).mT), ""),
    (patches(fold=lambda f, h, w: f.view(-1, w, h)), "shape"),
    (patches(lambda d: d.mean(1)), "mean_distance"),
    (patches(lambda d: d.max(1).values), "farthest"),
    (patches(lambda d: d.min(1).values ** 2), "squared"),
    (patches(lambda d: d.min(1).values.sqrt()), ""),
    (patches(p=1.0), "city_block"),
    (patches(p=float("inf")), ""),
    (patches(lambda d: d.min(1).indices.to(d.dtype)), "position_of_the_nearest"),
    (patches(lambda d: d.argmin(1)), "position_of_the_nearest"),
    (patches(lambda d: d.sort(1).values[:, 1 if d.shape[1] > 1 else 0]), ""),
    (patches(lambda d: d.median(1).values), ""),
    (patches(fold=lambda f, h, w: f.max(1).values), "one_score"),
    (patches(fold=lambda f, h, w: f), "flat"),
    (patches(fold=lambda f, h, w: f.view(-1)), "shape (30,)"),
    (patches(fold=lambda f, h, w: f.view(-1, 1, h, w)), "shape (3, 1, 2, 5)"),
    (patches(fold=lambda f, h, w: -f.view(-1, h, w)), ""),
    (nearest_of_the_first_image, ""),
    (distance_to_the_mean, ""),
    (nearest_number_by_number, ""),
    (mean_of_squares, ""),
    (largest_difference, ""),
    (expanded_without_clamp, "clamp(min=0)"),
    (squeezed, "by itself"),
    (cosine, ""),
    (over_the_bank, "shape (3,)"),
    (an_array, "a tensor with the shape (3, 2, 5)"),
    (no_map, "return"),
    (bank_subtracted_in_place, "in place"),
]

# --- 5.10 -------------------------------------------------------------------------------------


def pixels(prepare=lambda m, k: (m, k), judge=auroc):
    def judged(maps, masks):
        maps, masks = prepare(np.asarray(maps, dtype=float), np.asarray(masks, dtype=bool))
        return judge(maps[~masks], maps[masks])

    return judged


def with_lesion(maps, masks):
    keep = masks.any(axis=(1, 2))
    return maps[keep], masks[keep]


def stretched(maps, masks):
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return (maps - low) / np.maximum(high - low, 1e-12), masks


def standardised(maps, masks):
    return (maps - maps.mean((1, 2), keepdims=True)) / maps.std((1, 2), keepdims=True), masks


def mean_of_images(maps, masks):
    both = zip(maps, masks, strict=True)
    return np.mean([auroc(m[~k], m[k]) for m, k in both if k.any()])


def highest_pixels(maps, masks):
    top, sick = maps.max(axis=(1, 2)), masks.any(axis=(1, 2))
    return auroc(top[~sick], top[sick])


def mean_pixels(maps, masks):
    mean, sick = maps.mean(axis=(1, 2)), masks.any(axis=(1, 2))
    return auroc(mean[~sick], mean[sick])


def pixels_of_sick_images(maps, masks):
    """All pixels of a scan with a lesion count as lesion."""
    sick = masks.any(axis=(1, 2))
    return auroc(maps[~sick].ravel(), maps[sick].ravel())


def healthy_images_against_lesions(maps, masks):
    return auroc(maps[~masks.any(axis=(1, 2))].ravel(), maps[masks])


def without_ties(maps, masks):
    return (maps[masks][:, None] > maps[~masks]).mean()


def ties_count_whole(maps, masks):
    return (maps[masks][:, None] >= maps[~masks]).mean()


def masks_as_positions(maps, masks):
    return auroc(maps[1 - masks.astype(int)].ravel(), maps[masks.astype(int)].ravel())


def no_number(maps, masks):
    auroc(maps[~masks], maps[masks])


def list_of_images(maps, masks):
    return [auroc(m[~k], m[k]) for m, k in zip(maps, masks, strict=True) if k.any()]


def sorts_in_place(maps, masks):
    result = auroc(maps[~masks], maps[masks])
    maps.sort()
    return result


def in_a_tensor(maps, masks):
    return torch.tensor(float(auroc(maps[~masks], maps[masks])))


PIXELS = [
    (in_a_tensor, "Return a float"),
    (mean_of_images, "mean_of_images"),
    (pixels(with_lesion), "healthy_images_left_out"),
    (pixels(stretched), "each_image_stretched"),
    (pixels(standardised), "Lesion pixels of"),
    (pixels(judge=lambda a, b: auroc(b, a)), "swapped"),
    (pixels(judge=lambda a, b: 1 - auroc(a, b)), "swapped"),
    (pixels(lambda m, k: ((m > m.mean()).astype(float), k)), "thresholded"),
    (pixels(lambda m, k: ((m > 2).astype(float), k)), ""),
    (pixels(lambda m, k: (abs(m), k)), "magnitude"),
    (pixels(lambda m, k: (m.clip(0), k)), ""),
    (pixels(lambda m, k: (m[:1], k[:1])), "first_image"),
    (pixels(lambda m, k: (m[-2:], k[-2:])), ""),
    (pixels(lambda m, k: (m, ~k)), "swapped"),
    (pixels(lambda m, k: (-m, k)), "swapped"),
    (pixels(judge=lambda a, b: float(b.mean() > a.mean())), ""),
    (highest_pixels, "images_scored"),
    (mean_pixels, "Lesion pixels of"),
    (pixels_of_sick_images, ""),
    (healthy_images_against_lesions, ""),
    (without_ties, "half"),
    (ties_count_whole, "half"),
    (masks_as_positions, ""),
    (no_number, "None"),
    (list_of_images, "a single number"),
    (sorts_in_place, "in place"),
    (lambda maps, masks: maps[masks].mean() - maps[~masks].mean(), ""),
]

# --- 5.11 -------------------------------------------------------------------------------------


def votes(share=np.mean, one=1, at_least=np.greater_equal):
    """p-values by patient with something changed."""

    def p_values(calibration_scores, groups, scores):
        calibration_scores, groups = np.asarray(calibration_scores), np.asarray(groups)
        above = at_least(calibration_scores, np.asarray(scores)[:, None])
        shares = [share(above[:, groups == g], axis=1) for g in np.unique(groups)]
        return (one + np.sum(shares, axis=0)) / (one + len(shares))

    return p_values


def flat_votes(calibration_scores, groups, scores):
    above = np.asarray(calibration_scores) >= np.asarray(scores)[:, None]
    return (1 + above.sum(axis=1)) / (1 + len(calibration_scores))


def first_scan_votes(calibration_scores, groups, scores):
    _, first = np.unique(groups, return_index=True)
    return flat_votes(np.asarray(calibration_scores)[first], None, scores)


def mean_scan_votes(calibration_scores, groups, scores):
    calibration_scores, groups = np.asarray(calibration_scores), np.asarray(groups)
    means = [calibration_scores[groups == g].mean() for g in np.unique(groups)]
    return flat_votes(means, None, scores)


def runs_for_patients(calibration_scores, groups, scores):
    """Takes scans of a patient to stand together."""
    runs = np.cumsum(np.r_[0, np.asarray(groups)[1:] != np.asarray(groups)[:-1]])
    return votes()(calibration_scores, runs, scores)


def votes_by_number(calibration_scores, groups, scores):
    k = len(set(groups.tolist()))
    shares = [[(calibration_scores[groups == g] >= s).mean() for g in range(k)] for s in scores]
    return (1 + np.sum(shares, axis=1)) / (1 + k)


VOTES = [
    (flat_votes, "scans_counted"),
    (votes(one=0), "itself_not_counted"),
    (votes(at_least=np.greater), "more_only"),
    (votes(at_least=np.less_equal), "turned_round"),
    (votes(share=np.max), "worst_scan"),
    (votes(share=np.min), "lowest_scan"),
    (first_scan_votes, ""),
    (mean_scan_votes, "mean_of_scans"),
    (votes(share=np.sum), "votes_added"),
    (votes_by_number, "numbered"),
    (lambda *given: votes()(*given).tolist(), "yours is a list"),
    (runs_for_patients, ""),
    (lambda *given: votes()(*given)[:1], ""),
]


# --- 5.12 to 5.15 -----------------------------------------------------------------------------

MOVES = [
    (0, "nothing_moves"),
    (12, "layers_counted"),
    (24, "count_forgotten"),
    (84, "all_tensors"),
    (18, "half"),
    (60, "five_each"),
    (48, "four_groups"),
    (40, "too high"),
    (35, "too low"),
    ("36", "without quotes"),
    (float("nan"), "NaN"),
]


def decoder(order=slice(None, None, -1), mode="nearest", end=nn.Tanh, blocks=2, **how):
    """A decoder with something changed."""

    def make(widths=(64, 128, 256, 256), code_channels=0):
        into = list(widths)[order]
        out = [*into[1:], into[-1]]
        layers = []
        if code_channels and how.get("narrow", True):
            between = [how["between"]()] if "between" in how else []
            layers += [nn.Conv2d(into[0], code_channels, 1), *between]
            layers += [nn.Conv2d(code_channels, into[0], 1)]
        for before, width in zip(into, out, strict=True):
            larger = nn.Upsample(scale_factor=how.get("scale", 2), mode=mode)
            kept = [ResidualBlock(width, width) for _ in range(blocks - 1)]
            group = [larger, ResidualBlock(before, width), *kept]
            if how.get("larger_last"):
                group = [*group[1:], larger]
            layers += group
        last = nn.Conv2d(into[-1], how.get("channels", 1), 3, padding=how.get("padding", 1))
        return nn.Sequential(*layers, last, end())

    return make


DECODERS = [
    (decoder(order=slice(None)), "not_mirrored"),
    (decoder(mode="bilinear"), "bilinear"),
    (decoder(end=nn.Identity), "no_tanh"),
    (decoder(end=nn.Sigmoid), "sigmoid"),
    (decoder(blocks=1), "one_block"),
    (decoder(blocks=3), "1,866 parameters"),
    (decoder(padding=0), "no_padding"),
    (decoder(narrow=False), "bottleneck_ignored"),
    (decoder(scale=4), "shape (2, 1, 16, 24)"),
    (decoder(channels=3), "shape (2, 1, 16, 24)"),
    (decoder(larger_last=True), "upsampled_last"),
]

CLINICS = [
    ({"choice": "z rule", "because": "D"}, "z rule"),
    ({"choice": "by scan", "because": "A"}, "by scan"),
    ({"choice": "worst scan", "because": "D"}, "worst scan"),
    ({"choice": "by patient", "because": "A"}, "A"),
    ({"choice": "by patient", "because": "B"}, "The choice holds, the reason does not"),
    ({"choice": "by patient", "because": "C"}, "C"),
    ({"choice": "mean", "because": "D"}, '"choice" should be one of'),
    ({"choice": "by patient", "because": ...}, "still `...`"),
]


def brightness(images):
    return images.mean(axis=(1, 2, 3))


def in_the_batch(images):
    return np.argsort(np.argsort(brightness(images)))


def one_number(images):
    return images.mean()


def none_at_all(images):
    brightness(images)


SCANNERS = [
    (brightness, "not better than `nearest image`"),
    (in_the_batch, "another score in another batch"),
    (one_number, "one for each image"),
    (none_at_all, "None (is a `return` missing?)"),
    (lambda images: np.zeros(len(images)), "Every image has the same score"),
    (lambda images: brightness(images) * np.nan, "are NaN"),
    (3.0, "`check` wants the function itself"),
]


WRONG = {
    "5.1": BLOCKS,
    "5.2": SHAPES,
    "5.3": RATIOS,
    "5.4": SUBSETS,
    "5.5": FREEZES,
    "5.6": HUBERS,
    "5.7": RULES,
    "5.8": WILSONS,
    "5.9": PATCHES,
    "5.10": PIXELS,
    "5.11": VOTES,
    "5.12": MOVES,
    "5.13": DECODERS,
    "5.14": CLINICS,
    "5.15": SCANNERS,
}


def pixels_scan_by_scan(maps, masks):
    healthy = maps[~masks]
    return float(
        np.mean([auroc(healthy, m[k]) for m, k in zip(maps, masks, strict=True) if k.any()])
    )


def ratio_by_children(encoder, shape):
    modes, mode = [(part, part.training) for part in encoder.children()], encoder.training
    with torch.no_grad():
        code = encoder.eval()(torch.zeros(1, *shape))
    encoder.train(mode)
    for part, training in modes:
        part.train(training)
    return math.prod(shape) / code.numel()


WRONG["5.3"] += [(ratio_by_children, "encoder.3.1 (now in another mode)")]
WRONG["5.10"] += [(pixels_scan_by_scan, "A lesion of five pixels")]
WRONG["5.13"] += [
    (decoder(between=nn.ReLU), "Between the two 1×1 convolutions"),
    (lambda widths=(64, 128, 256, 256), code_channels=0: [], "A decoder is wanted"),
]
