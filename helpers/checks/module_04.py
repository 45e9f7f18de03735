"""Exercises of module 4: roles, temperature, the screen, complexity, scores of a classifier, risk."""

import warnings

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import beta, betabinom, binom, rankdata
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
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
from helpers.checks.module_03 import is_pair
from helpers.datasets.splits import class_roles
from helpers.metrics import rank_correlation, risk_coverage
from helpers.models import ColourAutoencoder
from helpers.scores import energy, normalised_knn, total_variation
from helpers.thresholds import Screen, conformal_p_values, conformal_threshold

# --- 4.1 --------------------------------------------------------------------------------------


def probe_roles(f):
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.repeat([0, 3, 5, 8], [50, 100, 40, 30]))
    kept = labels.copy()
    before = _generators()
    parts = f(labels, (3, 5), (0.5, 0.3, 0.2))
    count = len(parts) if isinstance(parts, (list, tuple)) else None
    given = kind_of(parts) if count is None else f"a list of {count}"
    says = f"Return one array of positions for each of the three roles; yours gave {given}."
    yield form(count == 3, says, seen=count)
    says = "A role still holds an array for each class: join them with `np.concatenate`."
    yield form(all(np.size(place) == 1 for part in parts for place in part), says)
    parts = [np.asarray(part) for part in parts]
    kinds = "".join(part.dtype.kind for part in parts)
    says = (
        "Return positions, whole numbers, so that `train.take(part)` picks the pictures; yours are "
        f"of type {parts[0].dtype}."
    )
    yield form(set(kinds) <= set("iu"), says, seen=kinds)
    together = np.concatenate(parts)
    foreign = int(np.isin(labels[together], (0, 8)).sum())
    says = f"Only the classes 3 and 5 are wanted; your roles hold {foreign} pictures of others."
    yield Finding("wrong_value", foreign, not foreign, says)
    twice = len(together) - len(np.unique(together))
    says = f"{twice} pictures have two roles."
    yield Finding("wrong_value", bool(twice), not twice, says)
    sizes = np.array([[(labels[part] == c).sum() for c in (3, 5)] for part in parts])
    yield value(
        "100 pictures of class 3 and 40 of class 5, cut 0.5, 0.3, 0.2: how many of each a role holds",
        sizes,
        [[50, 20], [30, 12], [20, 8]],
    )
    fewer = f(labels, (3, 5), (0.25, 0.25))
    yield value(
        "Shares 0.25 and 0.25: half of the pictures have no role", [len(p) for p in fewer], [35, 35]
    )
    yield behaviour(bool((labels == kept).all()), "Your function changes the labels.")
    first = np.flatnonzero(labels == 3)
    in_order = bool(np.isin(first[:50], parts[0]).all())
    says = "The first role holds the pictures that stand first in the set: shuffle before you cut."
    yield Finding("wrong_value", in_order, not in_order, says)
    again = [set(map(int, p)) for p in f(labels, (3, 5), (0.5, 0.3, 0.2))]
    same = again == [set(map(int, p)) for p in parts]
    yield behaviour(same, "Two calls with the same seed give two splits.")
    other = set(map(int, f(labels, (3, 5), (0.5, 0.3, 0.2), seed=1)[0])) != again[0]
    yield behaviour(other, "seed=1 gives the same roles as seed=0: use the argument.")
    says = "Your function moves the random numbers of the session: `np.random.default_rng(seed)`."
    yield behaviour(_generators() == before, says)


def _roles(labels, wanted, shares, seed=0, *, rng=None, pools=None, cut=None, draw=None):
    """class_roles with one of its steps changed."""
    rng = np.random.default_rng(seed) if rng is None else rng
    draw = draw or (lambda rng, own: rng.permutation(own))
    cut = cut or (lambda own: np.round(np.cumsum(shares) * len(own)).astype(int))
    pools = pools or (lambda: [np.flatnonzero(labels == c) for c in wanted])
    parts = []
    for own in pools():
        own = draw(rng, own)
        parts.append(np.split(own, cut(own))[: len(shares)])
    return [np.concatenate(role) for role in zip(*parts, strict=True)]


def _roles_overlapping(labels, wanted, shares, seed=0):
    rng = np.random.default_rng(seed)
    pools = [np.flatnonzero(labels == c) for c in wanted]
    sizes = [[round(s * len(own)) for own in pools] for s in shares]
    return [
        np.concatenate(
            [rng.choice(own, k, replace=False) for own, k in zip(pools, ks, strict=True)]
        )
        for ks in sizes
    ]


def _roles_with_the_rest(labels, wanted, shares, seed=0):
    return _roles(
        labels,
        wanted,
        shares,
        seed,
        cut=lambda own: np.round(np.cumsum(shares)[:-1] * len(own)).astype(int),
    )


def _roles_global(labels, wanted, shares, seed=0):
    np.random.seed(seed)  # noqa: NPY002
    return _roles(labels, wanted, shares, rng=np.random)


ROLES = Exercise(
    id="4.1",
    title="classes with roles",
    reference="helpers.datasets.splits.class_roles",
    difficulty=2,
    minutes=10,
    hints=(
        "Do it class by class, so that every role gets its share of each class, not only of all "
        "pictures together.",
        "For one class: its positions are `np.flatnonzero(labels == label)`. Shuffle them with "
        "`np.random.default_rng(seed)` and let `np.split` cut them at the cumulated shares.",
        "`ends = np.round(np.cumsum(shares) * len(own)).astype(int)`, "
        "`np.split(own, ends)[: len(shares)]`; then `np.concatenate` what the classes give to a role: "
        "`zip(*parts)` turns the nesting round.",
    ),
    probe=probe_roles,
    misconceptions=(
        Misconception(
            "all_classes",
            "Your roles hold all classes. Only the wanted ones take part: the others may not be seen "
            "before the examination.",
            lambda labels, wanted, shares, seed=0: _roles(
                labels,
                wanted,
                shares,
                seed,
                pools=lambda: [np.flatnonzero(labels == c) for c in np.unique(labels)],
            ),
        ),
        Misconception(
            "overlapping",
            "You draw each role by itself from all pictures, so some have two roles. Shuffle once and "
            "cut: what one role has, no other can have.",
            _roles_overlapping,
        ),
        Misconception(
            "not_by_class",
            "You cut all wanted pictures together. The sizes of the roles are right, but by chance one "
            "gets more cats and another more dogs: cut class by class.",
            lambda labels, wanted, shares, seed=0: _roles(
                labels,
                wanted,
                shares,
                seed,
                pools=lambda: [np.flatnonzero(np.isin(labels, wanted))],
            ),
        ),
        Misconception(
            "shares_not_cumulated",
            "You cut at the shares themselves. The second role ends at the *sum* of the first two: "
            "`np.cumsum(shares)`.",
            lambda labels, wanted, shares, seed=0: _roles(
                labels,
                wanted,
                shares,
                seed,
                cut=lambda own: np.sort(np.round(np.array(shares) * len(own)).astype(int)),
            ),
        ),
        Misconception(
            "rest_to_the_last",
            "Your last role takes all that is left. Shares that sum to less than 1 leave pictures "
            "without a role.",
            _roles_with_the_rest,
        ),
        Misconception(
            "not_shuffled",
            "You cut without shuffling. Whoever made the files may have sorted them: draw at random.",
            lambda labels, wanted, shares, seed=0: _roles(
                labels, wanted, shares, seed, draw=lambda rng, own: own
            ),
        ),
        Misconception(
            "by_class",
            "You return a list for each class, which holds its roles. Turn the nesting round, "
            "`zip(*parts)`, and join what the classes give to a role.",
            lambda labels, wanted, shares, seed=0: [
                _roles(labels, [c], shares, seed) for c in wanted
            ],
        ),
        Misconception(
            "rest_as_a_role",
            "`np.split` cuts at three places into four pieces: the last is what has no role. Leave it "
            "out, `[: len(shares)]`.",
            lambda labels, wanted, shares, seed=0: _roles(
                labels, wanted, (*shares, 1 - sum(shares)), seed
            ),
        ),
        Misconception(
            "places_in_the_class",
            "Your positions count within a class, from 0 for its first picture. Shuffle and cut the "
            "positions in `labels` themselves, `np.flatnonzero(labels == label)`.",
            lambda labels, wanted, shares, seed=0: _roles(
                labels,
                wanted,
                shares,
                seed,
                pools=lambda: [np.arange((labels == c).sum()) for c in wanted],
            ),
        ),
        Misconception(
            "labels",
            "You return the labels of the pictures; we need their positions, "
            "`np.flatnonzero(labels == label)`.",
            lambda labels, wanted, shares, seed=0: [
                labels[part] for part in class_roles(labels, wanted, shares, seed)
            ],
        ),
        Misconception(
            "masks",
            "You return masks of True and False; we need positions.",
            lambda labels, wanted, shares, seed=0: [
                np.isin(np.arange(len(labels)), part)
                for part in class_roles(labels, wanted, shares, seed)
            ],
        ),
        Misconception(
            "unseeded",
            "Each call gives other roles: then tomorrow's test pictures are today's training pictures. "
            "Make the random numbers from the argument `seed`.",
            lambda labels, wanted, shares, seed=0: _roles(
                labels, wanted, shares, rng=np.random.default_rng()
            ),
        ),
        Misconception(
            "seed_ignored",
            "The roles are the same for every seed: use the argument.",
            lambda labels, wanted, shares, seed=0: class_roles(labels, wanted, shares),
        ),
        Misconception(
            "global_seed",
            "The roles are right, but `np.random.seed` resets the random numbers of the whole session. "
            "`np.random.default_rng(seed)` is a generator of its own.",
            _roles_global,
        ),
    ),
)

# --- 4.2 --------------------------------------------------------------------------------------


def _margins(margin, right, wrong, spare=0.0):
    """Logits (spare, spare + margin) of right + wrong pictures; the second class is the answer."""
    logits = torch.tensor([[spare, spare + margin]]).repeat(right + wrong, 1)
    return logits, torch.tensor([1] * right + [0] * wrong)


def probe_temperature(f):
    # with a margin d between two logits, p = sigmoid(d / T) should be the share that is right
    logits, labels = _margins(8.0, 3, 1)
    kept = logits.clone()
    seen = f(logits, labels)
    says = f"Return a number; yours gave {kind_of(seen)}."
    yield form(isinstance(seen, (float, int, np.floating)), says, seen=type(seen).__name__)
    yield value("Margin 8, three of four right: T = 8 / log 3", seen, 8 / np.log(3), 0.01)
    yield value(
        "Margin 0.5, nine of ten right: not sure enough, T = 0.5 / log 9",
        f(*_margins(0.5, 9, 1)),
        0.5 / np.log(9),
        0.01,
    )
    a, b = _margins(1.0, 4, 1), _margins(6.0, 4, 1, spare=3.0)
    both = torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]])

    def slope(t):  # of the cross-entropy along 1/T, divided by 5
        return sum(d * (1 / (1 + np.exp(-d / t)) - 0.8) for d in (1.0, 6.0))

    yield value(
        "Margins 1 and 6, four of five right in each: where the slope of the cross-entropy is 0",
        f(*both),
        brentq(slope, 0.1, 50),
        0.01,
    )
    three = torch.tensor([[2.0, 0, 0], [0, 2, 0], [0, 0, 2], [2, 0, 0]])
    yield value(
        "Three classes, margin 2, three of four right: T = 2 / log 6",
        f(three, torch.tensor([0, 1, 2, 1])),
        2 / np.log(6),
        0.01,
    )
    yield value("float64 logits", f(logits.double(), labels), 8 / np.log(3), 0.01)
    yield behaviour(torch.equal(logits, kept), "Your function changes the logits.")


def _fitted(loss, bounds=(-5, 5), back=np.exp):
    def variant(logits, labels):
        x = logits.double()
        best = minimize_scalar(
            lambda s: float(loss(x, labels, np.exp(s))), bounds=bounds, method="bounded"
        )
        return float(back(best.x))

    return variant


def _entropy(x, y, t):
    return F.cross_entropy(x / t, y)


def _brier(x, y, t):
    return ((x / t).softmax(1) - F.one_hot(y, x.shape[1])).square().sum()


def _most_accurate(logits, labels):
    grid = np.geomspace(0.05, 20, 100)
    hits = [float(((logits / t).argmax(1) == labels).float().mean()) for t in grid]
    return float(grid[int(np.argmax(hits))])


TEMPERATURE = Exercise(
    id="4.2",
    title="the temperature",
    reference="helpers.calibration.fit_temperature",
    difficulty=2,
    minutes=10,
    hints=(
        "Cross-entropy punishes being sure and wrong. Divide the logits by T, look at the "
        "cross-entropy, and take the T where it is smallest.",
        "`F.cross_entropy(logits / T, labels)` wants logits, not probabilities. T must stay positive: "
        "search over its logarithm, and go back with `np.exp`.",
        "`best = minimize_scalar(lambda s: F.cross_entropy(logits / np.exp(s), labels).item(), "
        'bounds=(-5, 5), method="bounded")`, and `float(np.exp(best.x))`.',
    ),
    probe=probe_temperature,
    misconceptions=(
        Misconception(
            "inverse",
            "You return 1/T: your logits are multiplied. Divide them, so that a large T means less sure.",
            _fitted(lambda x, y, t: F.cross_entropy(x * t, y)),
        ),
        Misconception(
            "logarithm",
            "You return the logarithm of T. Go back with `np.exp`.",
            _fitted(_entropy, back=lambda s: s),
        ),
        Misconception(
            "not_over_the_logarithm",
            "You search T itself between -5 and 5. It cannot be negative, but it can be larger: search "
            "its logarithm, and go back with `np.exp`.",
            lambda logits, labels: float(
                minimize_scalar(
                    lambda t: float(_entropy(logits.double(), labels, t)),
                    bounds=(-5, 5),
                    method="bounded",
                ).x
            ),
        ),
        Misconception(
            "softmax_twice",
            "`F.cross_entropy` takes the softmax itself; you give it probabilities, so it is taken "
            "twice. Give it logits.",
            _fitted(lambda x, y, t: F.cross_entropy((x / t).softmax(1), y)),
        ),
        Misconception(
            "accuracy",
            "You look for the best accuracy. A temperature never changes which class comes first, so "
            "the accuracy is the same for all: look at the cross-entropy.",
            _most_accurate,
        ),
        Misconception(
            "only_above_one",
            "Your T never falls below 1, but a network can also be not sure enough: search on both "
            "sides.",
            _fitted(_entropy, bounds=(0, 5)),
        ),
        Misconception(
            "squared_error",
            "Yours is the T of the smallest squared error of the probabilities. It is a fair choice, but "
            "the exercise asks for the cross-entropy, and with mixed pictures they differ.",
            _fitted(_brier),
        ),
        Misconception(
            "tensor",
            "The value is right, but it is a tensor: return a `float`. A loss that is a tensor makes one "
            "of T; `.item()` helps.",
            lambda logits, labels: torch.tensor(_fitted(_entropy)(logits, labels)),
        ),
    ),
)

# --- 4.3 --------------------------------------------------------------------------------------


def _layers(net, part, x):
    """What net.encode or net.decode does with x: each layer's output, stride, negative input."""
    seen = []

    def note(layer, given, made):
        stride = "" if isinstance(layer, nn.Linear) else f" with stride {layer.stride[0]}"
        size = "×".join(map(str, made.shape[1:]))
        seen.append((size + stride, bool((given[0] < 0).any())))

    kinds = nn.Conv2d, nn.ConvTranspose2d, nn.Linear
    hooks = [m.register_forward_hook(note) for m in net.modules() if isinstance(m, kinds)]
    getattr(net, part)(x)
    for hook in hooks:
        hook.remove()
    return seen


def probe_cae(cls):
    net = cls(widths=(4, 6, 9), latent_dim=10)
    yield form(isinstance(net, nn.Module), "The class should inherit from `nn.Module`.")
    for part in ("encoder", "decoder"):
        says = f"`self.{part}` is still `...`: give it its layers as an `nn.Sequential`."
        yield form(getattr(net, part, None) is not ..., says)
    x = torch.rand(3, 3, 32, 32)
    z = net.encode(x)
    yield shape("`encode` of a batch (3, 3, 32, 32) with latent_dim=10", z, (3, 10))
    yield shape("`encode` with latent_dim=7", cls((4, 6, 9), 7).encode(x), (3, 7))
    yield shape("`decode` of a batch (3, 10)", net.decode(z), (3, 3, 32, 32))
    yield shape("`forward` of a single picture", net(x[:1]), (1, 3, 32, 32))
    far = net.decode(1000 * torch.randn(50, 10))
    low, high = bool(far.min() < 0), bool(far.max() > 1)
    says = (
        "The table's output is linear, without a limit; codes far out give "
        f"{show(far.min())} to {show(far.max())} in yours."
    )
    yield Finding("wrong_value", (low, high), low and high, says)
    codes = net.encode(torch.rand(200, 3, 32, 32))
    signs = bool((codes < 0).any())
    yield behaviour(signs, "Your code never goes below zero: leave it free to take any sign.")
    y, nothing = torch.rand(3, 3, 32, 32), torch.zeros(3, 3, 32, 32)
    bent = net.encode(4 * x + 4 * y) - net.encode(4 * x) - net.encode(4 * y) + net.encode(nothing)
    says = "Without a ReLU between them all your layers are one linear map."
    yield behaviour(bool(bent.abs().max() > 1e-4), says)
    net.decode(net.encode(x)).mean().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None]
    says = f"These parameters take no part in the reconstruction: {', '.join(silent[:4])}."
    yield behaviour(not silent, says)
    for widths, latent in (((4, 6, 9), 10), ((16, 32, 64), 100)):
        other = cls(widths, latent)
        other(x[:1])  # lazy layers know their size only now
        count = sum(p.numel() for p in other.parameters())
        expected = sum(p.numel() for p in ColourAutoencoder(widths, latent).parameters())
        says = (
            f"With widths {widths} and latent_dim={latent} the table's network has {expected:,} "
            f"parameters; yours has {count:,}. Compare it layer by layer."
        )
        yield form(count == expected, says, seen=count)
    table = ColourAutoencoder((4, 6, 9), 10)
    for part, given in (("encode", x), ("decode", torch.randn(30, 10))):
        layers = _layers(net, part, given)
        made, wanted = (
            [size for size, _ in found] for found in (layers, _layers(table, part, given))
        )
        pairs = enumerate(zip(made, wanted, strict=False), start=1)
        says = [f"layer {i} gives {a}; in the table it gives {b}." for i, (a, b) in pairs if a != b]
        says = says or [f"layers are {len(made)}; in the table there are {len(wanted)}."]
        yield form(made == wanted, f"In `{part}` with widths (4, 6, 9) your {says[0]}", seen=made)
        # pictures are never negative, codes may be: what enters the first layer proves nothing
        bare = [str(i) for i, (_, low) in enumerate(layers, start=1) if low and i > 1]
        says = f"In `{part}` no ReLU stands before layer {', '.join(bare)} (counting those with weights)."
        yield form(not bare, says, seen=bare)


class _Changed(ColourAutoencoder):
    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__(widths, latent_dim)
        self.change()


def _cae(change):
    return type("Wrong", (_Changed,), {"change": change})


def _forget_output_padding(self):
    for layer in self.decoder:
        if isinstance(layer, nn.ConvTranspose2d):
            layer.output_padding = (0, 0)


def _drop_relus(self):
    self.encoder = nn.Sequential(*(m for m in self.encoder if not isinstance(m, nn.ReLU)))
    self.decoder = nn.Sequential(*(m for m in self.decoder if not isinstance(m, nn.ReLU)))


class _FixedWidths(ColourAutoencoder):
    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__((16, 32, 64), latent_dim)


class _FixedLatent(ColourAutoencoder):
    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__(widths, 1000)


def _one_convolution_a_size(self):
    for place in (10, 6, 2):  # the second of each pair, and its ReLU
        del self.encoder[place : place + 2]
    for place in (11, 7, 3):
        del self.decoder[place : place + 2]


CAE = Exercise(
    id="4.3",
    title="the autoencoder for colour pictures",
    reference="helpers.models.ColourAutoencoder",
    difficulty=2,
    minutes=15,
    hints=(
        "Only the convolutions of stride 2 change the side: 32, 16, 8. Walk the encoder backwards for "
        "the decoder.",
        "Encoder: 3→a, a→a, a→b (stride 2), b→b, b→c (stride 2), c→c, each with kernel 3, padding 1 and "
        "a ReLU; then `nn.Flatten()` and `nn.Linear(c * 8 * 8, latent_dim)`. Decoder: transposed "
        "convolutions; those of stride 2 need `output_padding=1`.",
        "Decoder: `nn.Linear(latent_dim, c * 8 * 8), nn.Unflatten(1, (c, 8, 8)), nn.ReLU()`, then "
        "`nn.ConvTranspose2d` c→c, c→b (stride=2, output_padding=1), b→b, b→a (stride=2, "
        "output_padding=1), a→a, a→3, all with kernel_size=3 and padding=1, a ReLU after each but the last.",
    ),
    probe=probe_cae,
    misconceptions=(
        Misconception(
            "no_output_padding",
            "Your decoder gives 29×29 pixels. A convolution of stride 2 sends 15 and 16 pixels to the "
            "same 8; the way back must be told which: `output_padding=1`.",
            _cae(_forget_output_padding),
        ),
        Misconception(
            "sigmoid_at_the_end",
            "Your decoder ends in a sigmoid. Module 1 did so; the table's output is linear.",
            _cae(lambda self: self.decoder.append(nn.Sigmoid())),
        ),
        Misconception(
            "relu_at_the_end",
            "Your decoder ends in a ReLU. What it cuts off at 0 has no gradient: leave the output linear.",
            _cae(lambda self: self.decoder.append(nn.ReLU())),
        ),
        Misconception(
            "relu_on_the_code",
            "A ReLU follows the last linear layer of your encoder, and cuts half of the latent space "
            "away: leave the code free.",
            _cae(lambda self: self.encoder.append(nn.ReLU())),
        ),
        Misconception(
            "no_relu",
            "Your network has no ReLU, so it is one linear map, and PCA would do the same: put one after "
            "each convolution but the last.",
            _cae(_drop_relus),
        ),
        Misconception(
            "latent_dim_ignored",
            "Your code has 1,000 numbers whatever `latent_dim` says. Use the argument.",
            _FixedLatent,
        ),
        Misconception(
            "widths_ignored",
            "Your channels are 16, 32 and 64 whatever `widths` says: use a, b and c.",
            _FixedWidths,
        ),
        Misconception(
            "one_convolution_a_size",
            "You have one convolution at each size; the table has two each way.",
            _cae(_one_convolution_a_size),
        ),
    ),
)

# --- 4.4 --------------------------------------------------------------------------------------


def _error_of(f):
    """Name of the exception that f raises, or "" where it passes in silence."""
    try:
        f()
    except Exception as error:
        return type(error).__name__
    return ""


def _speaks(f):
    """Whether f warns or raises."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return bool(_error_of(f) or caught)


def probe_screen(cls):
    calibration = np.array([5.0, 1, 9, 3, 7, 2, 8, 4, 6])  # 1 to 9: p = (1 + number at least) / 10
    kept = calibration.copy()
    screen = cls(alpha=0.2)
    fitted = screen.fit(calibration)
    says = f"`fit` should return the screen itself; yours gave {kind_of(fitted)}."
    yield form(fitted is screen, says, seen=kind_of(fitted) if fitted is not screen else True)
    has = hasattr(screen, "threshold_")
    yield form(has, "After `fit` the threshold should stand in `threshold_`, with the underscore.")
    new = [0.5, 8.0, 8.5, 9.5]
    yield value("Calibrated on 1 to 9, `threshold_` for alpha = 0.2", screen.threshold_, 8)
    yield value(
        "Calibrated on 1 to 9, the p-values of 0.5, 8, 8.5 and 9.5",
        screen.p_values(new),
        [1, 0.3, 0.2, 0.1],
    )
    refused = np.asarray(screen.predict(new))
    says = f"`predict` should give True or False for each score; yours gave {show(refused)}."
    yield form(refused.dtype == bool and refused.shape == (4,), says, seen=refused.tolist())
    says = f"At alpha = 0.2 scores of 8.5 and 9.5 are refused, 0.5 and 8 are not; yours: {refused.tolist()}."
    yield Finding(
        "wrong_value", tuple(refused.tolist()), refused.tolist() == [False, False, True, True], says
    )
    yield value(
        "`decision_function`: score minus threshold",
        screen.decision_function(new),
        [-7.5, 0, 0.5, 1.5],
    )
    other = cls(alpha=0.5).fit(calibration)
    yield value("`threshold_` for alpha = 0.5", other.threshold_, 5)
    yield value(
        "After another screen was fitted for alpha = 0.5, `threshold_` of the first, alpha = 0.2,",
        screen.threshold_,
        8,
    )
    again = screen.fit(np.arange(11.0, 19))
    yield value(
        "Fitted again on 11 to 18, alpha = 0.2: `predict` of 8.5, 17.5 and 18.5",
        again.predict([8.5, 17.5, 18.5]),
        [0, 0, 1],
    )
    silent = [
        name
        for name in ("predict", "p_values", "decision_function")
        if not _error_of(lambda name=name: getattr(cls(alpha=0.2), name)([1.0]))
    ]
    says = f"Before `fit` there is no threshold, and {', '.join(silent)} should say so."
    yield Finding("wrong_behaviour", tuple(silent), not silent, says)
    passed = [
        name
        for name in ("fit", "predict", "p_values", "decision_function")
        if not _error_of(lambda name=name: getattr(screen, name)([1.0] * 40 + [np.nan]))
    ]
    says = (
        f"A score that is not a number passes {', '.join(passed)} in silence: nothing compares with NaN, "
        "so a broken picture would be let through. `as_scores` complains."
    )
    yield Finding("wrong_behaviour", tuple(passed), not passed, says)
    few = _speaks(lambda: cls(alpha=0.05).fit(np.arange(18.0)))
    says = "18 scores cannot promise alpha = 0.05: nothing is refused, and `fit` should warn."
    yield behaviour(few, says)
    enough = not _speaks(lambda: cls(alpha=0.05).fit(np.arange(19.0)))
    yield behaviour(enough, "19 scores do for alpha = 0.05, but your `fit` complains.")
    yield behaviour(bool((calibration == kept).all()), "`fit` changes the caller's scores.")


class _ByHand(Screen):
    """Screen with one of its methods replaced."""


def _screen(**methods):
    return type("Wrong", (_ByHand,), methods)


def _fit_returns_nothing(self, scores):
    Screen.fit(self, scores)


def _fit_quantile(self, scores):
    Screen.fit(self, scores)
    self.threshold_ = float(np.quantile(scores, 1 - self.alpha))
    return self


def _fit_without_underscore(self, scores):
    Screen.fit(self, scores)
    self.threshold = self.__dict__.pop("threshold_")
    return self


def _fit_fixed_alpha(self, scores):
    alpha, self.alpha = self.alpha, 0.05 if len(np.atleast_1d(scores)) > 18 else 0.2
    Screen.fit(self, scores)
    self.alpha = alpha
    return self


def _fit_any(self, scores):
    scores = np.asarray(scores, dtype=float)
    if np.isnan(scores).any():
        raise ValueError
    self.calibration_scores_ = scores
    self.threshold_ = conformal_threshold(scores, self.alpha)
    return self


def _fit_with_nan(self, scores):
    self.calibration_scores_ = np.asarray(scores, dtype=float)
    self.threshold_ = conformal_threshold(self.calibration_scores_, self.alpha)
    if np.isinf(self.threshold_):
        raise ValueError
    return self


def _with_nan(self, scores):
    return np.asarray(scores) - self.threshold_


def _p_with_nan(self, scores):
    return conformal_p_values(self.calibration_scores_, scores)


def _unfitted(self, scores):
    threshold = getattr(self, "threshold_", np.inf)
    Screen(0.5).fit([1.0, 2.0]).predict(scores)  # complains about NaN
    return np.asarray(scores) - threshold


SCREEN = Exercise(
    id="4.4",
    title="the screen",
    reference="helpers.thresholds.Screen",
    difficulty=3,
    minutes=15,
    hints=(
        "`fit` is the only method that learns. What it learned goes into names with an underscore at "
        "their end; the others read these and change nothing.",
        "`fit` keeps `as_scores(calibration_scores)` and their `conformal_threshold`, warns "
        "(`warnings.warn`) where that is infinite, and returns `self`. The other methods begin with "
        "`check_is_fitted(self)`.",
        "`decision_function`: `as_scores(scores) - self.threshold_`. `predict`: where it is above 0. "
        "`p_values`: `conformal_p_values(self.calibration_scores_, as_scores(scores))`.",
    ),
    probe=probe_screen,
    misconceptions=(
        Misconception(
            "fit_returns_nothing",
            "`fit` returns nothing. In scikit-learn it returns the object, so that one can write "
            "`Screen(0.05).fit(scores).predict(new)`.",
            _screen(fit=_fit_returns_nothing),
        ),
        Misconception(
            "no_underscore",
            "What `fit` learned should end with an underscore, `threshold_`: that tells it from what the "
            "user chose, and `check_is_fitted` looks for it.",
            _screen(fit=_fit_without_underscore),
        ),
        Misconception(
            "quantile",
            "You take the plain quantile, without the picture itself being counted: with few scores too "
            "many normal pictures are refused. Use `conformal_threshold`.",
            _screen(fit=_fit_quantile),
        ),
        Misconception(
            "at_the_threshold",
            "A score *equal* to the threshold is refused in yours. It is above alpha: `>`, not `>=`.",
            _screen(predict=lambda self, scores: self.decision_function(scores) >= 0),
        ),
        Misconception(
            "p_below_alpha",
            "A p-value *equal* to alpha is not refused in yours. It should be: `<=`, not `<`.",
            _screen(predict=lambda self, scores: self.p_values(scores) < self.alpha),
        ),
        Misconception(
            "accepts",
            "`predict` says True for what is accepted. True means refused here.",
            _screen(predict=lambda self, scores: self.decision_function(scores) <= 0),
        ),
        Misconception(
            "plus_and_minus_one",
            "You return +1 and -1, as scikit-learn's outlier detectors do. Here True means refused: it "
            "can be used as a mask.",
            _screen(
                predict=lambda self, scores: np.where(self.decision_function(scores) > 0, -1, 1)
            ),
        ),
        Misconception(
            "decision_reversed",
            "Your `decision_function` is threshold minus score. A higher value is more anomalous, always.",
            _screen(
                decision_function=lambda self, scores: -Screen.decision_function(self, scores),
                predict=lambda self, scores: Screen.decision_function(self, scores) > 0,
            ),
        ),
        Misconception(
            "alpha_ignored",
            "The threshold does not depend on `alpha`: use `self.alpha`.",
            _screen(fit=_fit_fixed_alpha),
        ),
        Misconception(
            "unfitted_in_silence",
            "A screen without `fit` lets everything pass. A forgotten step should be an error: "
            "`check_is_fitted(self)`.",
            _screen(decision_function=_unfitted),
        ),
        Misconception(
            "nan_passes",
            "A score that is not a number is not above any threshold, so it passes: a broken picture "
            "reaches the classifier. `as_scores` complains about it.",
            _screen(
                decision_function=lambda self, s: _with_nan(self, s),
                p_values=lambda self, s: _p_with_nan(self, s),
            ),
        ),
        Misconception(
            "nan_calibrates",
            "`fit` takes scores that are not a number. They sort to the top and spoil the threshold: "
            "send them through `as_scores`.",
            _screen(fit=_fit_with_nan),
        ),
        Misconception(
            "too_few",
            "With 18 scores alpha = 0.05 cannot be promised: the threshold is infinite and nothing is "
            "ever refused. A screen that does nothing should say so: `warnings.warn`.",
            _screen(fit=_fit_any),
        ),
    ),
)

# --- 4.5 --------------------------------------------------------------------------------------


def probe_interval(f):
    pair = f(1, 99, 0.5)
    says = f"Return two numbers, (low, high); yours gave {kind_of(pair)}."
    yield form(is_pair(pair), says, seen="a pair" if is_pair(pair) else kind_of(pair))
    yield value(
        "n = 1, alpha = 1/2: every number of alarms from 0 to 99 is equally likely, so 2/99 to 97/99",
        pair,
        [2 / 99, 97 / 99],
    )
    yield value(
        "n = 1, m = 99, alpha = 1/2, confidence 0.85",
        f(1, 99, 0.5, confidence=0.85),
        [7 / 99, 92 / 99],
    )
    law = betabinom(400, 5, 95)  # the sixth lowest of 99: k = 5
    yield value("n = 99, m = 400, alpha = 0.05", f(99, 400, 0.05), law.ppf([0.025, 0.975]) / 400)
    yield value(
        "n = 99, alpha = 0.29: k is 29, though 0.29·100 comes out as 28.999999999999996",
        f(99, 10_000, 0.29),
        betabinom(10_000, 29, 71).ppf([0.025, 0.975]) / 10_000,
    )
    yield value(
        "n = 110, alpha = 0.05: 5.55 is not whole, k is 5",
        f(110, 10_000, 0.05),
        betabinom(10_000, 5, 106).ppf([0.025, 0.975]) / 10_000,
    )


def _interval(law=None, k=None, tail=lambda c: (1 - c) / 2, rate=lambda x, m: x / m):
    def variant(n, m, alpha, confidence=0.95):
        count = (k or (lambda a, n: np.floor(a * (n + 1) + 1e-9)))(alpha, n)
        t = tail(confidence)
        ends = (law or (lambda m, k, n: betabinom(m, k, n + 1 - k)))(m, count, n).ppf([t, 1 - t])
        return float(rate(ends[0], m)), float(rate(ends[1], m))

    return variant


INTERVAL = Exercise(
    id="4.5",
    title="where the false-alarm rate may lie",
    reference="helpers.thresholds.false_alarm_interval",
    difficulty=2,
    minutes=8,
    hints=(
        "Two draws: the calibration pictures decide how high the threshold is, the test pictures how "
        "many of them lie above it. The beta-binomial law has both.",
        "k is the largest whole number with k <= alpha·(n + 1): that many of n + 1 ranks are refused. "
        "`betabinom(m, k, n + 1 - k)` is the law of the number of alarms; divide by m for the rate.",
        "`k = np.floor(alpha * (n + 1) + 1e-9)`, `tail = (1 - confidence) / 2`, "
        "`betabinom(m, k, n + 1 - k).ppf([tail, 1 - tail]) / m`.",
    ),
    probe=probe_interval,
    misconceptions=(
        Misconception(
            "binomial",
            "Yours is the binomial interval. It takes the threshold for known; with few calibration "
            "pictures it is much too narrow, and honest screens would seem to break their promise.",
            _interval(law=lambda m, k, n: binom(m, k / (n + 1))),
        ),
        Misconception(
            "beta_alone",
            "Yours is the interval of the true rate, the Beta law. The m test pictures are a draw as well: "
            "beta-binomial.",
            _interval(law=lambda m, k, n: beta(k, n + 1 - k), rate=lambda x, m: x),
        ),
        Misconception(
            "counts",
            "You return numbers of alarms. Divide by m: the rate is asked for.",
            _interval(rate=lambda x, m: x),
        ),
        Misconception(
            "parameters_swapped",
            "The two parameters of your Beta law are swapped: it is the law of the pictures that pass. "
            "First k, then n + 1 - k.",
            _interval(law=lambda m, k, n: betabinom(m, n + 1 - k, k)),
        ),
        Misconception(
            "tails_not_halved",
            "You cut off 1 - confidence at each end; half of it belongs to each.",
            _interval(tail=lambda c: 1 - c),
        ),
        Misconception(
            "confidence_ignored",
            "Your interval is the same for every confidence: make the tails of the argument.",
            _interval(tail=lambda c: 0.025),
        ),
        Misconception(
            "rounding_down",
            "0.29·100 is 28.999999999999996 for a computer, and your k becomes 28. Add a little before "
            "you round down.",
            _interval(k=lambda a, n: np.floor(a * (n + 1))),
        ),
        Misconception(
            "k_not_whole",
            "Your k is not a whole number. At most alpha·(n + 1) ranks can be refused, and ranks are "
            "whole: round down.",
            _interval(k=lambda a, n: a * (n + 1)),
        ),
        Misconception(
            "rounding_to_the_nearest",
            "You round k up, or to the nearest whole number. Refusing more than alpha·(n + 1) ranks "
            "would break the promise: round down.",
            _interval(k=lambda a, n: np.round(a * (n + 1))),
        ),
    ),
)

# --- 4.6 --------------------------------------------------------------------------------------


def probe_variation(f):
    x = torch.zeros(4, 1, 4, 6)
    x[0, 0, :, ::2] = 1  # stripes across: every neighbour across differs by 1, none down
    x[1, 0, ::2] = 1  # stripes down
    x[2] = (x[0] - x[1]).abs()
    seen = f(x)
    yield shape("Four pictures of 4×6 pixels", seen, (4,))
    yield value(
        "Stripes across, stripes down, a chessboard, a blank picture", seen, [0.5, 0.5, 1, 0]
    )
    ramp = torch.arange(6.0).repeat(4, 1)[None, None]
    yield value("A ramp that rises by 1 a pixel, across", f(ramp), [0.5])
    yield value("A ramp that rises by 3 a pixel, across", f(3 * ramp), [1.5])
    yield value("A ramp that falls by 1 a pixel, across", f(-ramp), [0.5])
    edge = torch.zeros(1, 1, 3, 5)
    edge[..., 2:] = 1  # one of four neighbours across differs
    yield value("One edge among four steps across, in a picture of 3×5", f(edge), [0.125])
    colour = torch.zeros(2, 3, 4, 6)
    colour[0, 1, :, ::2] = 1
    yield value("Stripes in one of three channels, alone in the batch", f(colour[:1]), [1 / 6])
    yield form(f(x.double()).dtype == torch.float64, "float64 in should be float64 out.")
    yield behaviour(bool(x[0].sum() == 12), "Your function changes the pictures.")


def _steps(x):
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def _variation(one, join=lambda a, b: (a + b) / 2):
    return lambda x: join(*(one(step) for step in _steps(x)))


def _mean(step):
    return step.abs().flatten(start_dim=1).mean(dim=1)


def _rolled(x):
    return (_mean(x - x.roll(1, -1)) + _mean(x - x.roll(1, -2))) / 2


VARIATION = Exercise(
    id="4.6",
    title="the complexity of a picture",
    reference="helpers.scores.total_variation",
    difficulty=1,
    minutes=6,
    hints=(
        "A smooth picture differs little from itself moved by one pixel. Compare each pixel with its "
        "neighbour, once across and once down.",
        "`x[..., 1:] - x[..., :-1]` are the steps across, `x[..., 1:, :] - x[..., :-1, :]` those down. "
        "Take the absolute values before you average.",
        "`step.abs().flatten(start_dim=1).mean(dim=1)` for both, then half their sum.",
    ),
    probe=probe_variation,
    misconceptions=(
        Misconception(
            "across_only",
            "You compare neighbours across only: stripes one below the other do not count.",
            lambda x: _mean(_steps(x)[0]),
        ),
        Misconception(
            "signed",
            "You average the differences with their signs, and steps up and down cancel. Take absolute "
            "values.",
            _variation(lambda s: s.flatten(start_dim=1).mean(dim=1)),
        ),
        Misconception(
            "squared",
            "You square the differences. That lets few hard edges outweigh all texture; the total "
            "variation takes absolute values.",
            _variation(lambda s: s.square().flatten(start_dim=1).mean(dim=1)),
        ),
        Misconception(
            "length_of_the_step",
            "You take the length of the step across and down, a root of two squares. That is a total "
            "variation as well, but here each direction has a mean of its own, and counts half.",
            lambda x: torch.hypot(_steps(x)[0][..., 1:, :], _steps(x)[1][..., 1:]).mean((1, 2, 3)),
        ),
        Misconception(
            "not_halved",
            "You add the mean across and the mean down; each should count half.",
            _variation(_mean, lambda a, b: a + b),
        ),
        Misconception(
            "summed",
            "You sum over the pixels, so a larger picture counts as more complex: average.",
            _variation(lambda s: s.abs().flatten(start_dim=1).sum(dim=1)),
        ),
        Misconception(
            "wraps_around",
            "`roll` makes the last column a neighbour of the first. They are not: slice instead.",
            _rolled,
        ),
        Misconception(
            "pooled",
            "You average all steps together. In a picture that is not square there are more of one kind; "
            "each direction counts half.",
            lambda x: torch.cat([s.abs().flatten(start_dim=1) for s in _steps(x)], 1).mean(dim=1),
        ),
        Misconception(
            "batch_mean",
            "You give one number for the batch; one for each picture is asked for.",
            lambda x: total_variation(x).mean(),
        ),
    ),
)

# --- 4.7 --------------------------------------------------------------------------------------


def probe_spearman(f):
    a = np.array([1.0, 2, 3, 4, 5])
    seen = f(a, np.exp(a))
    says = f"Return one number, a `float`; yours gave {kind_of(seen)}."
    yield form(isinstance(seen, (float, int, np.floating)), says, seen=np.shape(seen))
    yield value("One grows whenever the other does", seen, 1)
    b = np.array([20.0, 10, 40, 30, 50])
    yield value("1 2 3 4 5 and 20 10 40 30 50", f(a, b), 0.8)
    yield value("1 2 3 4 5 and 20 10 40 30 50 million", f(a, 1e6 * b), 0.8)
    yield value("One falls whenever the other grows", f(a, -(a**3)), -1)
    c, d = np.array([2, 3, 1, 5, 4]), np.array([20, 40, 10, 50, 30])
    yield value("2 3 1 5 4 and 20 40 10 50 30", f(c, d), 0.9)
    tied = np.array([1.0, 1, 2, 3, 3, 3])  # ranks 1.5 1.5 3 5 5 5
    yield value("Ties: 1 1 2 3 3 3 and 1 2 3 4 5 6", f(tied, np.arange(1.0, 7)), 15 / 262.5**0.5)
    yield behaviour(bool(a[0] == 1), "Your function changes its input.")


def _order(x):
    return np.argsort(np.argsort(x, kind="stable"), kind="stable")


def _by_differences(a, b):
    n = len(a)
    return float(1 - 6 * ((rankdata(a) - rankdata(b)) ** 2).sum() / (n * (n**2 - 1)))


SPEARMAN = Exercise(
    id="4.7",
    title="correlation of ranks",
    reference="helpers.metrics.rank_correlation",
    difficulty=1,
    minutes=4,
    hints=(
        "Replace each number by its place in the order; a curve that rises becomes a straight line.",
        "`rankdata` gives the ranks and lets ties share their mean; `np.corrcoef` gives Pearson's "
        "correlation of two arrays, inside a 2×2 matrix.",
        "`float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])`.",
    ),
    probe=probe_spearman,
    misconceptions=(
        Misconception(
            "pearson",
            "Yours is Pearson's correlation of the numbers, which a few large ones decide. Take the ranks "
            "first.",
            lambda a, b: float(np.corrcoef(a, b)[0, 1]),
        ),
        Misconception(
            "matrix",
            "`np.corrcoef` gives a matrix with ones on its diagonal; the number is at [0, 1].",
            lambda a, b: np.corrcoef(rankdata(a), rankdata(b)),
        ),
        Misconception(
            "argsort_once",
            "`argsort` gives the places in the order, which are not the ranks: for 20 10 40 it gives who "
            "comes first, not which place 20 has. Use `rankdata`.",
            lambda a, b: float(np.corrcoef(np.argsort(a), np.argsort(b))[0, 1]),
        ),
        Misconception(
            "ties_by_order",
            "Ties get different ranks in yours, by the order in which they stand. They should share their "
            "mean rank: `rankdata`.",
            lambda a, b: float(np.corrcoef(_order(a), _order(b))[0, 1]),
        ),
        Misconception(
            "dense",
            "Ties share a rank in yours, but not their mean: 1 1 2 where 1.5 1.5 3 is right. `rankdata` does "
            "that.",
            lambda a, b: float(np.corrcoef(rankdata(a, "dense"), rankdata(b, "dense"))[0, 1]),
        ),
        Misconception(
            "short_formula",
            "The formula with the squared differences of ranks is right only without ties. Pearson's "
            "correlation of the ranks is right with them.",
            _by_differences,
        ),
        Misconception(
            "absolute",
            "You drop the sign: falling and rising are not the same.",
            lambda a, b: abs(rank_correlation(a, b)),
        ),
        Misconception(
            "covariance",
            "Yours is the covariance of the ranks. Divide by both spreads, or use `np.corrcoef`.",
            lambda a, b: float(np.cov(rankdata(a), rankdata(b))[0, 1]),
        ),
    ),
)

# --- 4.8 --------------------------------------------------------------------------------------


def probe_beyond(f):
    c = np.exp([0.0, 1, 2, 3])
    e = np.exp([1.0, 2, 4, 7])  # least squares: slope 2, intercept 0.5
    new_c, new_e = np.exp([0.0, 1, 1, 10]), np.exp([0.0, 2.5, 3.5, 20.5])
    seen = f(e, c, new_e, new_c)
    says = f"Return one number for each of the four pictures; yours gave {kind_of(seen)}."
    yield form(np.shape(seen) == (4,), says, seen=np.shape(seen))
    yield value(
        "The line log e = 0.5 + 2 log c; pictures below it by 0.5, on it, above it by 1, on it far out",
        seen,
        [-0.5, 0, 1, 0],
        1e-6,
    )
    yield value("A picture alone", f(e, c, new_e[2:3], new_c[2:3]), [1], 1e-6)
    yield value(
        "All errors of the scored pictures ten times as large: the second picture",
        f(e, c, 10 * new_e, new_c)[1:2],
        [np.log(10)],
        1e-6,
    )
    flat = f(np.exp([1.0, 3.0, 1.0, 3.0]), np.exp([0.0, 0, 1, 1]), np.exp([2.0]), np.exp([5.0]))
    yield value("Errors that do not depend on the complexity: slope 0", flat, [0], 1e-6)
    yield behaviour(bool(e[0] == np.exp(1.0) and c[0] == 1), "Your function changes its input.")


def _line(fit=None, score=None):
    def variant(errors_fit, complexity_fit, errors, complexity):
        logs = [np.log(v) for v in (errors_fit, complexity_fit, errors, complexity)]
        slope, intercept = (fit or (lambda e, c, *_: np.polyfit(c, e, 1)))(*logs)
        default = lambda e, c, s, i: e - (i + s * c)  # noqa: E731
        return (score or default)(logs[2], logs[3], slope, intercept)

    return variant


def _without_logarithms(errors_fit, complexity_fit, errors, complexity):
    slope, intercept = np.polyfit(complexity_fit, errors_fit, 1)
    return errors - (intercept + slope * np.asarray(complexity))


BEYOND = Exercise(
    id="4.8",
    title="the error beyond complexity",
    reference="helpers.scores.beyond_complexity",
    difficulty=2,
    minutes=8,
    hints=(
        "Ask of each picture: how large an error does one expect of a picture as complex as this? What "
        "is above that is its own.",
        "Take logarithms of everything, fit a line to the first pair, and subtract what it says for the "
        "second pair.",
        "`slope, intercept = np.polyfit(np.log(complexity_fit), np.log(errors_fit), 1)`, and "
        "`np.log(errors) - (intercept + slope * np.log(complexity))`.",
    ),
    probe=probe_beyond,
    misconceptions=(
        Misconception(
            "fitted_to_the_scored",
            "You fit the line to the pictures that are to be scored, so a score depends on which other "
            "pictures are there, and a single one has no line. Fit it to the first two arguments.",
            _line(fit=lambda e, c, new_e, new_c: np.polyfit(new_c, new_e, 1)),
        ),
        Misconception(
            "slope_of_one",
            "You subtract the complexity itself, as if the error grew just as it does. Let the line say "
            "how much: fit the slope.",
            _line(fit=lambda e, c, *_: (1.0, (e - c).mean())),
        ),
        Misconception(
            "through_the_origin",
            "Your line has no intercept.",
            _line(fit=lambda e, c, *_: ((e * c).sum() / (c * c).sum(), 0.0)),
        ),
        Misconception(
            "no_logarithms",
            "You fit the line to the numbers themselves, where the few largest decide. Fit it to the "
            "logarithms.",
            _without_logarithms,
        ),
        Misconception(
            "other_logarithm",
            "Your logarithm has the base 10. The natural one is asked for: `np.log`.",
            lambda *given: _line()(*given) / np.log(10),
        ),
        Misconception(
            "no_sign",
            "Your score is the distance from the line, on either side. Below it a picture is rebuilt "
            "better than expected: keep the sign.",
            lambda *given: np.abs(_line()(*given)),
        ),
        Misconception(
            "axes_swapped",
            "You fit the complexity from the error. The error is what is to be explained: complexity "
            "first, in `np.polyfit(x, y, 1)`.",
            _line(fit=lambda e, c, *_: np.polyfit(e, c, 1)),
        ),
        Misconception(
            "coefficients_swapped",
            "`np.polyfit` gives the slope first, then the intercept.",
            _line(fit=lambda e, c, *_: np.polyfit(c, e, 1)[::-1]),
        ),
        Misconception(
            "sign",
            "Yours is the line minus the error. What lies above the line is anomalous: a higher score is "
            "more anomalous.",
            _line(score=lambda e, c, s, i: i + s * c - e),
        ),
        Misconception(
            "ratio",
            "You return the ratio, the exponential of what is asked for. It ranks alike, but here the "
            "logarithm is the score.",
            _line(score=lambda e, c, s, i: np.exp(e - (i + s * c))),
        ),
    ),
)

# --- 4.9 --------------------------------------------------------------------------------------


def probe_energy(f):
    logits = torch.tensor([[0.0, 0.0], [2.0, 2.0], [np.log(3.0), 0.0]])
    seen = f(logits)
    yield shape("Three pictures, two classes", seen, (3,))
    yield value(
        "Logits (0, 0), (2, 2) and (log 3, 0)", seen, [-np.log(2), -2 - np.log(2), -np.log(4)]
    )
    yield behaviour(bool(logits[1, 0] == 2), "Your function changes the logits.")
    yield value("Four classes, all 0", f(torch.zeros(1, 4)), [-np.log(4)])
    yield value(
        "T = 2: logits (0, 0), (2, 2)",
        f(logits[:2], temperature=2.0),
        [-2 * np.log(2), -2 - 2 * np.log(2)],
    )
    yield value("T = 0.5: logits (log 3, 0)", f(logits[2:], temperature=0.5), [-0.5 * np.log(10)])
    large = f(torch.tensor([[1000.0, 999.0], [-1000.0, -1000.0]]))
    yield value("Logits of a thousand", large, [-1000 - np.log1p(np.exp(-1)), 1000 - np.log(2)])
    yield form(f(logits.double()).dtype == torch.float64, "float64 in should be float64 out.")
    x = torch.zeros(1, 2, requires_grad=True)
    linked = not _error_of(lambda: f(x).sum().backward())
    yield behaviour(linked, "No gradient comes back to the logits: stay in torch, do not detach.")


ENERGY = Exercise(
    id="4.9",
    title="the energy",
    reference="helpers.scores.energy",
    difficulty=1,
    minutes=6,
    hints=(
        "The sum of exponentials is ruled by the largest logit, so the energy is about minus the largest "
        "logit. exp(1000) is infinite in any float; subtract the largest first and add "
        "it again at the end, or let torch do it.",
        "`torch.logsumexp(..., dim=1)` is stable. The temperature stands twice: inside it divides, "
        "outside it multiplies.",
        "`-temperature * torch.logsumexp(logits / temperature, dim=1)`.",
    ),
    probe=probe_energy,
    misconceptions=(
        Misconception(
            "not_stable",
            "exp(1000) is infinite, and so is your energy. Subtract the largest logit before you "
            "exponentiate, or use `torch.logsumexp`.",
            lambda logits, temperature=1.0: (
                -temperature * (logits / temperature).exp().sum(1).log()
            ),
        ),
        Misconception(
            "sign",
            "Yours is log-sum-exp without the minus: high where a logit is large, that is, for normal "
            "pictures. A higher score is more anomalous.",
            lambda logits, temperature=1.0: -energy(logits, temperature),
        ),
        Misconception(
            "largest_logit",
            "Yours is minus the largest logit. Close, but the others count as well.",
            lambda logits, temperature=1.0: -logits.amax(1),
        ),
        Misconception(
            "height_lost",
            "You subtract the largest logit before you exponentiate, which is wise, but you do not add it "
            "again outside the logarithm. It is the height that the energy is there for.",
            lambda logits, temperature=1.0: energy(
                logits - logits.amax(1, keepdim=True), temperature
            ),
        ),
        Misconception(
            "temperature_outside_only",
            "Your temperature multiplies outside but does not divide inside.",
            lambda logits, temperature=1.0: temperature * energy(logits),
        ),
        Misconception(
            "temperature_inside_only",
            "Your temperature divides inside but does not multiply outside.",
            lambda logits, temperature=1.0: -torch.logsumexp(logits / temperature, 1),
        ),
        Misconception(
            "temperature_ignored",
            "Your energy is the same at every temperature.",
            lambda logits, temperature=1.0: energy(logits),
        ),
        Misconception(
            "over_the_batch",
            "You sum over the pictures. The classes stand along dimension 1.",
            lambda logits, temperature=1.0: -temperature * torch.logsumexp(logits / temperature, 0),
        ),
        Misconception(
            "after_softmax",
            "You take the energy of the probabilities. The softmax has thrown the height of the logits "
            "away: use the logits.",
            lambda logits, temperature=1.0: energy(logits.softmax(1), temperature),
        ),
        Misconception(
            "detached",
            "The values are right, but the gradient is cut off. Who wants to train on the energy needs it: "
            "stay in torch.",
            lambda logits, temperature=1.0: energy(logits.detach(), temperature),
        ),
    ),
)

# --- 4.10 -------------------------------------------------------------------------------------


def _cross(centre, x, y, repeats=1000):
    """Points around a centre, with variance x² / 2 and y² / 2 along the axes."""
    steps = torch.tensor([[x, 0.0], [-x, 0.0], [0.0, y], [0.0, -y]])
    return (torch.tensor(centre) + steps).repeat(repeats, 1)


def probe_class_mahalanobis(f):
    # two classes 20 apart along x; around their means a variance of 2 along x, of 0.5 along y
    z_train = torch.cat([_cross([-10.0, 0.0], 2.0, 1.0), _cross([10.0, 0.0], 2.0, 1.0)])
    labels = torch.tensor([3, 7]).repeat_interleave(4000)
    z = torch.tensor([[-10.0, 0.0], [12.0, 0.0], [10.0, 2.0], [0.0, 0.0]])
    seen = f(z_train, labels, z)
    yield shape("Four features of two numbers", seen, (4,))
    yield value("The mean of the first class", seen[:1], [0], 1e-3)
    yield value(
        "Two classes 20 apart, variance 2 and 0.5 around their means: 2 beyond a mean along each axis",
        seen[1:3],
        [2**0.5, 8**0.5],
        0.05,
    )
    yield value("Halfway between the two means, 10 from each", seen[3:], [50**0.5], 0.05)
    unharmed = bool(z[1, 0] == 12 and z_train[0, 0] == -8)
    yield behaviour(unharmed, "Your function changes the features.")
    yield value("A feature alone in its batch", f(z_train, labels, z[1:2]), [2**0.5], 0.05)
    order = torch.randperm(len(labels))
    yield value(
        "Training pictures in another order",
        f(z_train[order], labels[order], z[1:2]),
        [2**0.5],
        0.05,
    )
    # shared: a narrow and a wide class give one covariance, the mean of both
    uneven = torch.cat([_cross([0.0, 0.0], 2**0.5, 2**0.5), _cross([50.0, 0.0], 18**0.5, 18**0.5)])
    yield value(
        "A class of variance 1 and one of variance 9, 10 from the first mean: the shared variance is 5",
        f(uneven, labels, torch.tensor([[0.0, 10.0]])),
        [20**0.5],
        0.05,
    )
    many = torch.cat([uneven[:4000].repeat(3, 1), uneven[4000:]])
    sizes = torch.tensor([3, 7]).repeat_interleave(torch.tensor([12_000, 4000]))
    yield value(
        "The class of variance 1 three times as large as that of variance 9: the shared variance is 3",
        f(many, sizes, torch.tensor([[0.0, 10.0]])),
        [(100 / 3) ** 0.5],
        0.05,
    )
    # variance 4 along the diagonal, 1 across
    steps = torch.tensor([[2.0, 2.0], [-2.0, -2.0], [1.0, -1.0], [-1.0, 1.0]]).repeat(1000, 1)
    tilted = torch.cat([steps, steps + torch.tensor([4.0, 0.0])])
    yield value(
        "Features spread along the diagonal, means (0, 0) and (4, 0): (4, 4) is nearer to the first",
        f(tilted, labels, torch.tensor([[4.0, 4.0]])),
        [8**0.5],
        0.05,
    )
    few = torch.zeros(8, 20)
    few[:4, 0], few[:4, 1] = 5.0, torch.tensor([1.0, -1, 1, -1])
    few[4:, 2] = torch.tensor([1.0, -1, 1, -1])
    far = torch.zeros(1, 20)
    far[0, 10] = 3.0
    try:
        outside = float(f(few, torch.tensor([0, 1]).repeat_interleave(4), far)[0])
    except (np.linalg.LinAlgError, torch.linalg.LinAlgError):
        outside = np.nan
    sensible = bool(np.isfinite(outside) and 1 < outside < 1e3)
    says = (
        f"Eight features of 20 numbers have no inverse covariance, and your distance is {outside:.3g}: "
        "shrink it, with `LedoitWolf`."
    )
    yield Finding("wrong_value", sensible, sensible, says)
    yield form(
        f(z_train.double(), labels, z.double()).dtype == torch.float64,
        "float64 in should be float64 out.",
    )


def _by_class(
    z_train, labels, z, *, around=None, fit=None, join=None, root=torch.sqrt, precision=None
):
    classes, place = labels.unique(return_inverse=True)
    means = torch.stack([z_train[labels == c].mean(0) for c in classes])
    centred = (around or (lambda z, m, p: z - m[p]))(z_train, means, place).double().numpy()
    inverse = (
        precision(centred, place)
        if precision
        else [(fit or LedoitWolf)(assume_centered=True).fit(centred).precision_] * len(means)
    )
    step = z.unsqueeze(1) - means
    inverse = torch.stack([torch.from_numpy(i) for i in inverse]).to(z)
    squared = torch.einsum("nki,kij,nkj->nk", step, inverse, step)
    return root((join or (lambda s: s.amin(1)))(squared))


def _classwise(**changes):
    return lambda z_train, labels, z: _by_class(z_train, labels, z, **changes)


def _one_mean(z_train, labels, z):
    return _by_class(z_train, torch.zeros_like(labels), z)


def _nearest_by_eye(z_train, labels, z):
    means = torch.stack([z_train[labels == c].mean(0) for c in labels.unique()])
    nearest = torch.cdist(z, means).argmin(1, keepdim=True)
    return _by_class(z_train, labels, z, join=lambda s: s.gather(1, nearest)[:, 0])


def _own_covariances(centred, place):
    return [
        LedoitWolf(assume_centered=True).fit(centred[place.numpy() == c]).precision_
        for c in range(int(place.max()) + 1)
    ]


CLASS_MAHALANOBIS = Exercise(
    id="4.10",
    title="Mahalanobis distance with classes",
    reference="helpers.scores.class_mahalanobis",
    difficulty=3,
    minutes=12,
    hints=(
        "What is far is measured in the spread *inside* a class. The distance between cats and dogs is no "
        "spread: take each picture's own class mean away before you look at the covariance.",
        "`classes, place = labels.unique(return_inverse=True)`; stack the means; `z_train - means[place]` "
        "goes into `LedoitWolf(assume_centered=True)`. Its `precision_` serves all classes.",
        "`step = z.unsqueeze(1) - means` is (N, K, d); "
        '`torch.einsum("nki,ij,nkj->nk", step, precision, step)` are the squared distances to each mean. '
        "The smallest, and its root. `torch.from_numpy(precision_).to(z)` makes a tensor of the right kind.",
    ),
    probe=probe_class_mahalanobis,
    misconceptions=(
        Misconception(
            "covariance_of_all",
            "Your covariance is that of all features around their common mean. The distance between the "
            "classes stretches it, and everything between them looks near. Take each class's mean away "
            "first.",
            _classwise(around=lambda z, m, p: z - z.mean(0)),
        ),
        Misconception(
            "one_mean",
            "You measure from one mean of all features, where no picture may lie at all. Measure from "
            "each class's mean and take the nearest.",
            _one_mean,
        ),
        Misconception(
            "own_covariances",
            "Each class has a covariance of its own in yours. Here one is shared: it is estimated from "
            "all pictures, so with twice the number.",
            _classwise(precision=_own_covariances),
        ),
        Misconception(
            "mean_over_classes",
            "You average the distances to the classes. A cat is far from the dogs and still normal: take "
            "the smallest.",
            _classwise(join=lambda s: s.mean(1)),
        ),
        Misconception(
            "nearest_by_eye",
            "You choose the class by the plain distance, and measure by the covariance only then. The "
            "nearest class is that of the smallest Mahalanobis distance.",
            _nearest_by_eye,
        ),
        Misconception(
            "farthest_class",
            "You take the distance to the farthest class. The nearest one counts.",
            _classwise(join=lambda s: s.amax(1)),
        ),
        Misconception(
            "squared",
            "Yours is the squared distance: take the root.",
            _classwise(root=lambda s: s),
        ),
        Misconception(
            "euclidean",
            "Yours is the plain distance to the nearest mean: the covariance is not used.",
            _classwise(
                precision=lambda centred, place: [np.eye(centred.shape[1])] * (int(place.max()) + 1)
            ),
        ),
        Misconception(
            "covariance_not_inverted",
            "You multiply by the covariance, not by its inverse: directions in which the features spread "
            "count most. Use `precision_`.",
            _classwise(
                precision=lambda centred, place: (
                    [LedoitWolf(assume_centered=True).fit(centred).covariance_]
                    * (int(place.max()) + 1)
                )
            ),
        ),
        Misconception(
            "not_shrunk",
            "With more numbers than pictures your covariance has no true inverse: it is an error, or what "
            "lies outside the training features has a distance of nothing or of millions. `LedoitWolf` "
            "shrinks it.",
            _classwise(fit=EmpiricalCovariance),
        ),
    ),
)

# --- 4.11 -------------------------------------------------------------------------------------


def _ray(*degrees, length=1.0):
    angle = torch.deg2rad(torch.tensor(degrees))
    return length * torch.stack([angle.cos(), angle.sin()], dim=1)


def _chord(degrees):
    return 2 * np.sin(np.deg2rad(degrees) / 2)


def probe_knn(f):
    z_train = torch.cat([_ray(0.0, 10.0, 30.0, length=2.0), _ray(90.0, 100.0, length=0.5)])
    z = torch.cat([_ray(0.0, length=7.0), _ray(95.0), _ray(180.0)])
    seen = f(z_train, z, k=1)
    yield shape("Three features, five for training", seen, (3,))
    yield value(
        "Training features at 0, 10, 30, 90, 100 degrees; those at 0, 95 and 180, k = 1",
        seen,
        [0, _chord(5), _chord(80)],
        2e-3,
    )
    yield value(
        "Training features at 0, 10, 30, 90, 100 degrees, k = 2: those at 0, 95 and 180 degrees",
        f(z_train, z, k=2),
        [_chord(10), _chord(5), _chord(90)],
        2e-3,
    )
    yield value(
        "Training features at 0, 10, 30, 90, 100 degrees, k = 5: those at 0, 95 and 180 degrees",
        f(z_train, z, k=5),
        [_chord(100), _chord(95), 2],
        2e-3,
    )
    yield value(
        "All ten times as long", f(z_train, 10 * z, k=2), [_chord(10), _chord(5), _chord(90)], 2e-3
    )
    yield value("One alone", f(z_train, z[2:], k=2), [_chord(90)], 2e-3)
    rng = np.random.default_rng(0)
    many = torch.from_numpy(rng.normal(size=(300, 3)))  # more than a part of 250
    pool = F.normalize(torch.from_numpy(rng.normal(size=(300, 3))))
    expected = np.sort(np.linalg.norm((F.normalize(many)[:, None] - pool).numpy(), axis=2))[:, 49]
    yield value("300 features, 300 for training, k = 50 unless told", f(3 * pool, many), expected)
    yield form(f(pool, many).dtype == torch.float64, "float64 in should be float64 out.")
    unharmed = bool(abs(z[0, 0] - 7) < 1e-4 and abs(z_train[0, 0] - 2) < 1e-4)
    yield behaviour(unharmed, "Your function changes the features in place.")


def _neighbours(normalise=F.normalize, pick=None):
    def variant(z_train, z, k=50):
        distances = torch.cdist(normalise(z), normalise(z_train))
        return (pick or (lambda d, k: d.kthvalue(k).values))(distances, k)

    return variant


def _cosine(z_train, z, k=50):
    return 1 - (F.normalize(z) @ F.normalize(z_train).T).sort(1, descending=True).values[:, k - 1]


def _neighbours_in_place(z_train, z, k=50):
    z /= z.norm(dim=1, keepdim=True)
    return normalised_knn(z_train, z, k)


KNN = Exercise(
    id="4.11",
    title="nearest neighbours on the sphere",
    reference="helpers.scores.normalised_knn",
    difficulty=1,
    minutes=7,
    hints=(
        "Scale every feature vector to length 1, training and new ones alike; then measure distances as "
        "usual.",
        "`F.normalize` scales rows. `torch.cdist(z, z_train)` is (N, M), one row for each new feature; "
        "`kthvalue` finds the k-th smallest of each row.",
        "`torch.cdist(F.normalize(z), F.normalize(z_train)).kthvalue(k).values`; with many pictures part "
        "by part, `for part in z.split(250)`.",
    ),
    probe=probe_knn,
    misconceptions=(
        Misconception(
            "not_normalised",
            "The length of the features counts in yours. Scale all to length 1 first: `F.normalize`.",
            _neighbours(normalise=lambda z: z),
        ),
        Misconception(
            "only_new_ones",
            "You scale the new features but not the training ones: scale both.",
            lambda z_train, z, k=50: _neighbours(normalise=lambda a: a)(z_train, F.normalize(z), k),
        ),
        Misconception(
            "columns_normalised",
            "You scale columns: each number over all pictures. Scale rows, each picture's features "
            "(`dim=1`).",
            _neighbours(normalise=lambda z: F.normalize(z, dim=0)),
        ),
        Misconception(
            "one_too_far",
            "You take the (k + 1)-th neighbour. That is right only where a picture is among its own "
            "training pictures.",
            _neighbours(pick=lambda d, k: d.sort(1).values[:, min(k, d.shape[1] - 1)]),
        ),
        Misconception(
            "mean_of_neighbours",
            "You average the k nearest distances; the score is the distance to the k-th.",
            _neighbours(pick=lambda d, k: d.sort(1).values[:, :k].mean(1)),
        ),
        Misconception(
            "nearest_only",
            "Your score is the distance to the nearest, whatever k is.",
            _neighbours(pick=lambda d, k: d.amin(1)),
        ),
        Misconception(
            "farthest",
            "You count from the farthest. The k-th *smallest* distance is asked for.",
            _neighbours(pick=lambda d, k: d.sort(1, descending=True).values[:, k - 1]),
        ),
        Misconception(
            "cosine",
            "Yours is one minus the cosine. It ranks alike, but the score is the distance: "
            "sqrt(2 - 2·cosine).",
            _cosine,
        ),
        Misconception(
            "in_place",
            "All is right, but the caller's features have been scaled as well (`/=`): make a new tensor.",
            _neighbours_in_place,
        ),
    ),
)

# --- 4.12 -------------------------------------------------------------------------------------


def probe_risk(f):
    confidence, correct = np.array([0.6, 0.9, 0.7, 0.8]), np.array([False, True, False, True])
    pair = f(confidence, correct)
    says = f"Return two arrays, coverage and risk; yours gave {kind_of(pair)}."
    yield form(isinstance(pair, (tuple, list)) and len(pair) == 2, says)
    coverage, risk = (np.asarray(part) for part in pair)
    yield value("Four pictures: coverage", coverage, [0.25, 0.5, 0.75, 1])
    yield value("Sure 0.6 0.9 0.7 0.8, right no yes no yes: risk", risk, [0, 0, 1 / 3, 0.5])
    _, risk = f(np.array([3.0, 2, 1]), np.array([False, True, True]))
    yield value("The most confident one is wrong: risk", risk, [1, 0.5, 1 / 3])
    _, risk = f(np.array([-np.inf, 0.5, 0.7]), np.array([True, True, False]))
    yield value("One refused, with a confidence of -inf", risk, [1, 0.5, 1 / 3])
    # 0.8 twice, one right and one wrong: whichever comes first, half of an error each
    sure = np.array([0.9, 0.8, 0.8, 0.1])
    one, two = (
        np.asarray(f(sure, np.array(right))[1], dtype=float)
        for right in ([True, False, True, True], [True, True, False, True])
    )
    alike = one.shape == two.shape and np.allclose(one, two)
    says = (
        "Swap two pictures of equal confidence, and your risk changes: their order means nothing."
    )
    yield Finding("wrong_value", alike, alike, says)
    yield value("0.9 0.8 0.8 0.1, one of the 0.8 is wrong: risk", one, [0, 0.25, 1 / 3, 0.25])
    _, risk = f(np.ones(4), np.array([True, False, False, False]))
    yield value("All equally confident, three of four wrong", risk, np.full(4, 0.75))
    unharmed = confidence.tolist() == [0.6, 0.9, 0.7, 0.8] and correct.tolist() == [
        False,
        True,
        False,
        True,
    ]
    yield behaviour(unharmed, "Your function changes its input.")


def _risk(order=None, risk=None, ties=True, coverage=None):
    def variant(confidence, correct):
        wrong = 1 - np.asarray(correct, dtype=float)
        _, place = np.unique(-np.asarray(confidence), return_inverse=True)
        if ties:
            wrong = (np.bincount(place, wrong) / np.bincount(place))[place]
        n = len(wrong)
        k = np.arange(1, n + 1)
        rank = np.argsort(place, kind="stable") if order is None else order(place)
        total = np.cumsum(wrong[rank])
        return (coverage or (lambda k, n: k / n))(k, n), (risk or (lambda total, k: total / k))(
            total, k
        )

    return variant


def _risk_of_whole_groups(confidence, correct):
    risk = [1 - correct[confidence >= c].mean() for c in np.sort(confidence)[::-1]]
    return np.arange(1, len(risk) + 1) / len(risk), np.array(risk)


RISK = Exercise(
    id="4.12",
    title="risk and coverage",
    reference="helpers.metrics.risk_coverage",
    difficulty=2,
    minutes=12,
    hints=(
        "Sort by confidence, the most confident first. After k pictures: how many of them were wrong, "
        "divided by k.",
        "`np.cumsum` of the sorted errors, divided by 1 to N. For ties, give each picture of a group the "
        "group's mean error before you sort: `np.bincount(place, wrong) / np.bincount(place)`.",
        "`_, place = np.unique(-confidence, return_inverse=True)`, "
        "`wrong = (np.bincount(place, wrong) / np.bincount(place))[place]`, "
        "`np.cumsum(wrong[np.argsort(place)]) / np.arange(1, n + 1)`.",
    ),
    probe=probe_risk,
    misconceptions=(
        Misconception(
            "least_confident_first",
            "You begin with the least confident pictures. A system answers first where it is most sure.",
            _risk(order=lambda place: np.argsort(-place, kind="stable")),
        ),
        Misconception(
            "not_sorted",
            "You take the pictures as they come. Sort them by confidence first.",
            _risk(order=lambda place: np.arange(len(place))),
        ),
        Misconception(
            "accuracy",
            "Yours is the share of right answers. Risk is the share of wrong ones.",
            _risk(risk=lambda total, k: 1 - total / k),
        ),
        Misconception(
            "divided_by_all",
            "You divide by all N pictures. Risk is about the answered ones: divide by k.",
            _risk(risk=lambda total, k: total / len(k)),
        ),
        Misconception(
            "single_answers",
            "You give the error of each single picture. Risk is the mean over all that were answered so "
            "far: cumulate.",
            _risk(risk=lambda total, k: np.diff(total, prepend=0)),
        ),
        Misconception(
            "ties_by_order",
            "With equal confidence your risk depends on the order in which the pictures stand. Nothing "
            "tells them apart, so each counts with the mean of its group.",
            _risk(ties=False),
        ),
        Misconception(
            "whole_groups",
            "You answer all pictures of one confidence at once. Between them is a number of answers too: "
            "each picture of the group counts with the group's mean error, one after the other.",
            _risk_of_whole_groups,
        ),
        Misconception(
            "coverage_from_zero",
            "Your coverage begins at 0 and never reaches 1. After k answers it is k / N.",
            _risk(coverage=lambda k, n: (k - 1) / n),
        ),
        Misconception(
            "numbers_of_pictures",
            "You return numbers of pictures for the coverage; it is a share, k / N.",
            _risk(coverage=lambda k, n: k),
        ),
        Misconception(
            "swapped",
            "Coverage comes first, then risk.",
            lambda confidence, correct: risk_coverage(confidence, correct)[::-1],
        ),
    ),
)

EXERCISES = (
    ROLES,
    TEMPERATURE,
    CAE,
    SCREEN,
    INTERVAL,
    VARIATION,
    SPEARMAN,
    BEYOND,
    ENERGY,
    CLASS_MAHALANOBIS,
    KNN,
    RISK,
)
