"""Probes of module 1: autoencoder basics."""

import re
from contextlib import suppress

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks import findings
from helpers.checks.exercise import declared
from helpers.checks.findings import behaviour, cases, form, keeps_dtype, shape, value
from helpers.checks.wrap_up import Hidden
from helpers.datasets import load
from helpers.experiments.baselines import (
    brightness,
    from_median,
    mean_image_error,
    nearest_distance,
    pca_error,
    subspace_errors,
)
from helpers.experiments.module_01 import parts
from helpers.runtime import device
from helpers.thresholds import conformal_threshold, mean_std_threshold
from helpers.training import as_input

# Grey images and their reconstructions; no axis is as long as another. The first is off by 1.5
# everywhere, mse 2.25; the second by 3 and by -3 in two of its six pixels, mse 2·9/6 = 3.
GREY = torch.tensor([[[2.0] * 6, [-1] * 6], [[0.5] * 6, [2, *[-1] * 4, -4]]]).view(2, 2, 1, 2, 3)
GREY_IS = "One image with x = 2 and x_hat = 0.5, one off by 3 and by -3 in two of six pixels,"
# 2·4 pixels in 3 channels: off by 3 in one channel, mse 9/3; by 6 in one of 24 pixels, mse 36/24.
COLOUR = torch.full((2, 2, 3, 2, 4), 0.5)
COLOUR[1, 0, 1] += 3
COLOUR[1, 1, 2, 1, 3] -= 6
COLOUR_IS = "Two colour images, off by 3 in one of three channels and by 6 in one of 24 pixels,"


def probe_conv_output_size(f):
    # 20 + 12 - 4 = 28 pixels to walk, and 29 for the second: 9 steps of 3 fit, and the first place
    table = {
        "Size 20, kernel 4, stride 3, padding 6": (20, 4, 3, 6, 10),
        "Size 22, kernel 5, stride 3, padding 6": (22, 5, 3, 6, 10),
        "Size 28, kernel 3, stride 2, padding 1": (28, 3, 2, 1, 14),
        "Size 9, kernel 3, no stride, no padding": (9, 3, 7),
    }
    yield from cases(f, table)
    seen = f(28, kernel_size=3, stride=2, padding=1)  # as the notebook calls it
    says = f"A size is a whole number, an int; yours is an object of type {type(seen).__name__}: use `//`, on ints."
    yield form(isinstance(seen, (int, np.integer)), says, seen=says)


def probe_autoencoder(cls):
    try:
        net, small, x = cls(latent_dim=20), cls(latent_dim=5), torch.rand(3, 1, 28, 28)
    except TypeError as error:
        if not (says := unbuilt(str(error))):
            raise
        yield form(False, says, seen=says)
        return
    yield form(isinstance(net, nn.Module), "The class should inherit from `nn.Module`.")
    for part in ("encoder", "decoder"):
        says = f"`self.{part}` is still `...`: give it its layers as an `nn.Sequential`."
        yield form(getattr(net, part, None) is not ..., says)
    for model, n in ((net, 20), (small, 5)):
        z = yield from fitting(model, "encode", x, n)
        if z is None:
            return
        yield shape(f"`encode` of a batch (3, 1, 28, 28) with latent_dim={n}", z, (3, n))
    for model, n in ((net, 20), (small, 5)):
        image = yield from fitting(model, "decode", torch.zeros(3, n), n)
        if image is None:
            return
        yield shape(f"`decode` of a batch (3, {n})", image, (3, 1, 28, 28))
    yield shape("`forward` of a single image with latent_dim=5", small(x[:1]), (1, 1, 28, 28))
    far = net.decode(100 * torch.randn(50, 20))
    inside = bool(far.min() >= 0), bool(far.max() <= 1)
    says = f"Pixels lie in [0, 1]; your decoder gives {far.min():.4g} to {far.max():.4g}."
    yield findings.Finding("wrong_value", inside, all(inside), says)
    says = "Two passes of the same images differ: nothing in this network should be drawn at random, as `Dropout` does."
    yield behaviour(torch.equal(net(x), net(x)), says)
    apart = (net(x) - net.decode(net.encode(x))).abs().max()
    yield value("The largest difference between `forward(x)` and `decode(encode(x))`", apart, 0)
    silent = dict(net.named_parameters()).keys() - reached(net, net(x))
    says = f"No gradient reaches these parameters from the reconstruction: {', '.join(sorted(silent)[:4])}."
    yield behaviour(not silent, says)
    # a transposed convolution with a 7×7 kernel in the place of `Linear` 64→1568: a bias a channel
    count = sum(p.numel() for p in net.parameters())
    says = f"The network has 214,549 parameters; yours has {count:,}. Compare channels and kernel sizes with the text, layer by layer."
    yield form(count in (214_549, 214_549 - 1568 + 32), says, seen=count)
    codes = torch.linspace(-2, 2, 40).reshape(2, 20)
    image = torch.linspace(0, 1, 784).reshape(1, 1, 28, 28).square()
    for name, given, half in zip(("encode", "decode"), (image, codes), by_table(), strict=True):
        run = getattr(net, name)
        fill(reached(net, run(given)).values(), half)
        what = f"Look at order, strides and ReLUs of your layers: with known weights `{name}`"
        yield value(what, run(given).flatten(), half(given).detach().flatten())
    beside = net.encode(torch.cat([x[:1], 9 * x[1:]]))
    apart = (net.encode(x)[0] - beside[0]).abs().max()
    yield value("The change of an image's code as others in its batch get brighter", apart, 0)


def unbuilt(message):
    """What torch's message about a layer that cannot be made means, in words; None for others."""
    if found := re.search(r"(\w+) is not a Module subclass", message):
        name = found[1]
        if name == "ellipsis":
            return "One of the layers in `nn.Sequential` is still `...`."
        if name == "list":
            return "`nn.Sequential` takes its layers one by one, not as a list: leave out the `[` and `]`."
        if name == "tuple":
            return "`nn.Sequential` takes layers one by one, and one of yours is a tuple. If it holds the layers, leave out its brackets; a shape belongs in `nn.Unflatten(1, ...)`."
        if isinstance(getattr(nn, name, None), type):
            return f"`nn.{name}` has no brackets: they make a layer of the class, `nn.{name}()`."
        return f"`nn.Sequential` takes layers, and one of yours is `{name}`. A function such as `torch.relu` is none; `nn.ReLU()` is."
    if "Unflatten.__init__() takes" in message:
        return (
            "`nn.Unflatten` takes two arguments, so the shape goes in brackets of its own: "
            "`nn.Unflatten(1, (32, 7, 7))`."
        )
    return None


def fitting(net, part, given, latent_dim):
    """What a half gives. If sizes inside do not fit, a finding that says which, and None."""
    try:
        return getattr(net, part)(given)
    except RuntimeError as error:
        if not (says := misfit(str(error))):
            raise
        yield form(False, f"With latent_dim={latent_dim} your `{part}` stops: {says}", seen=says)


def misfit(message):
    """What torch's message about sizes that do not fit means, in words; None for other messages."""
    if found := re.search(r"\((\d+)x(\d+) and (\d+)x\d+\)", message):
        rows, given, takes = map(int, found.groups())
        cause = "The numbers of an image are not yet in one row. " if rows > 3 else ""
        return (
            f"a `Linear` that takes {takes} numbers an image is given rows of {given}. {cause}"
            "Look at what the layer before it gives."
        )
    if found := re.search(r"input to conv\w*, but got input of size: \[([\d, ]+)\]", message):
        return (
            f"a convolution takes (N, channels, height, width), and it is given ({found[1]}). "
            "Give it the numbers as channels of images."
        )
    if found := re.search(r"to have (\d+) channels, but got (\d+) channels", message):
        return (
            f"a convolution whose first number is {found[1]} is given {found[2]} channels. The first "
            "number is how many channels leave the layer before it, or the first size of an "
            "`Unflatten` before it."
        )
    if "output padding must be smaller" in message:
        return "a transposed convolution with `output_padding=1` needs `stride=2`."
    if found := re.search(r"sizes \[([\d, ]+)\].* size of dim \d+ \((\d+)\)", message):
        return (
            f"an `Unflatten` to ({found[1]}) is given {found[2]} numbers an image. As many are "
            "needed as its sizes multiplied give."
        )
    return None


def reached(net, out):
    """The parameters that a gradient from `out` reaches, by name, in the order of the network."""
    net.zero_grad()
    if out.requires_grad:
        out.sum().backward()
    return {name: p for name, p in net.named_parameters() if p.grad is not None}


def by_table():
    """Both halves of the table, with numbers at which each ReLU cuts off some and keeps others."""
    encoder = [nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()]
    encoder += [nn.Flatten(), nn.Linear(1568, 64), nn.Linear(64, 20)]
    decoder = [nn.Linear(20, 64), nn.Linear(64, 1568), nn.ReLU(), nn.Unflatten(1, (32, 7, 7))]
    decoder += [nn.ConvTranspose2d(32, 16, 3, 2, 1, 1), nn.ReLU()]
    decoder += [nn.ConvTranspose2d(16, 1, 3, 2, 1, 1), nn.Sigmoid()]
    rng = np.random.default_rng(0)
    for p in (p for layer in (*encoder, *decoder) for p in layer.parameters()):
        p.data.copy_(torch.from_numpy(rng.normal(size=p.shape) / p[0].numel() ** 0.5))
    encoder[0].weight.data *= 9
    encoder[2].weight.data *= 3
    decoder[1].bias.data.copy_(decoder[1].bias.data[:32].repeat_interleave(49))  # one a channel
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def fill(parameters, half):
    """Give the parameters the numbers of one half: their size tells which layer's they are."""
    numbers = {w.numel(): w for w in half.parameters()}
    if 1568 in numbers:
        numbers[32] = numbers[1568][::49]
    for p in parameters:
        w = numbers.get(p.numel(), p).data
        p.data.copy_((w if len(w) == len(p) else w.transpose(0, 1)).reshape(p.shape))


class OneWeight(nn.Module):
    """The model x_hat = w·x, and gradient descent with step 0.1: torch's own takes seconds to load.

    Its code is half of that, since a code is no reconstruction.
    """

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(3.0))
        self.w.register_hook(lambda gradient: self.did.append("backward"))
        self.param_groups = [{"params": [self.w], "lr": 0.1}]
        self.did, self.modes, self.calls, self.shapes = [], [], [], []

    def encode(self, x):
        self.modes.append(self.training)
        return self.w * x / 2

    def decode(self, z):
        return 2 * z

    def forward(self, x):
        return self.decode(self.encode(x))

    def step(self, closure=None):
        loss = closure and closure()
        gradient = 0 if self.w.grad is None else self.w.grad.item()
        self.did.append(f"step with gradient {gradient:.4g}")
        self.w.data -= 0.1 * gradient
        return loss

    def loss(self, x_hat, x):
        self.shapes.append((tuple(x_hat.shape), tuple(x.shape)))
        self.calls.append(torch.stack([x_hat, x]).detach().flatten(1))
        return (x_hat - 2 * x).square().mean() + 1 / 3  # not symmetric: the order shows


def probe_train_step(f):
    x = torch.tensor([1.0, -1, 3, -1]).reshape(2, 1, 1, 2)  # mean of the squares: 3
    # loss 3·(w - 1)² = 12 at w = 3; its gradient 6·(w - 1) = 12; so w becomes 3 - 0.1·12 = 1.8
    net = OneWeight()
    loss = f(net, x, net, F.mse_loss)
    moved, did = round(net.w.item(), 4), " and ".join(net.did) or "neither backward nor step"
    says = f"A weight of 3 with the gradient 12 should be 1.8 after one step of size 0.1; yours is {moved:g} after {did}."
    yield findings.Finding("wrong_value", (moved, did), moved == 1.8, says)
    says = "The weight moved, but `optimizer.step()` was not called: another optimizer makes another step."
    yield behaviour("step" in " ".join(net.did), says)
    yield value("The loss before the first update", loss, 12)
    graph = ", which keeps the whole graph in memory" * getattr(loss, "requires_grad", False)
    says = f"Return the loss as a Python float, with `.item()`; yours is of type {type(loss).__name__}{graph}."
    yield form(isinstance(loss, float), says, seen=says)
    # at w = 1.8 the loss is 3·0.8² = 1.92 and the gradient 6·0.8 = 4.8; so w becomes 1.32
    seen = f(net, x, net, F.mse_loss), net.w
    what = "Loss before and weight after the second update, from 1.8 with the gradient 4.8,"
    yield value(what, seen, [1.92, 1.32], kind="wrong_behaviour")
    says = "Your step switches the model to eval mode: leave the mode as it is."
    yield behaviour(net.training and all(net.modes), says)
    # another loss: 3·(w - 2)² + 1/3 = 10/3, its gradient 6·(w - 2) = 6, so w becomes 3 - 0.6 = 2.4
    net = OneWeight()
    loss = f(net, x, net, net.loss)
    yield behaviour(net.calls, "Your step never calls the `loss_fn` that it is given.")
    what = "The arguments of your `loss_fn`, w·x with w = 3 and then the batch x = 1, -1, 3, -1 itself,"
    yield value(what, net.calls[0] if net.calls else [], [[3, -3, 9, -3], [1, -1, 3, -1]])
    says = f"Give `loss_fn` the batch and its reconstruction in their own shape, (2, 1, 1, 2); yours gave it {net.shapes[0] if net.shapes else ()}."
    yield form(set(net.shapes) <= {((2, 1, 1, 2), (2, 1, 1, 2))}, says, seen=net.shapes)
    yield value("With another loss than the squared error, the loss", loss, 10 / 3, tolerance=1e-6)
    yield value("With another loss than the squared error, the weight after a step", net.w, 2.4)


def probe_reconstruction_error(f):
    x, x_hat = GREY
    errors = f(x, x_hat)
    yield shape("Two grey images (2, 1, 2, 3)", errors, (2,))
    if not isinstance(errors, torch.Tensor):
        return  # a list or an array has neither dtype nor gradient of torch to look at
    table = {
        GREY_IS: (x, x_hat, [2.25, 3]),
        "The second of these images alone in its batch": (x[1:], x_hat[1:], [3]),
        COLOUR_IS: (*COLOUR, [3, 1.5]),
        "An image off by 1/64": (x[:1], x[:1] + 1 / 64, [1 / 4096]),
    }
    yield from cases(f, table, tolerance=1e-6)
    yield from keeps_dtype(f, x, x_hat, dtypes=(torch.float64,))
    large = 1e7 + x[:1].double()  # in float32 the half would be lost beside it
    yield value("Large float64 pixels off by 0.5", f(large, large + 0.5), [0.25], tolerance=0.1)
    slope = {"x_hat": (x_hat - x) / 3}  # of a mean of squares over six pixels: 2·(x_hat - x)/6
    yield from findings.gradients_are(lambda x_hat: f(x, x_hat), [x_hat], slope)


def probe_mean_std(f):
    scores = np.array([3.0, 8, 3, 3, 3])  # mean 4, variance (4·1 + 16)/5 = 4, median 3
    yield plain_number(f(scores))
    name = "Scores 3, 8, 3, 3, 3 (mean 4, standard deviation 2)"
    table = {
        f"{name} without k": (scores, 6),
        f"{name} with k=3": (scores, 3, 10),
        f"{name} with k=-0.5": (scores, -0.5, 3),
        "Scores 0.00111 and 0.00333 with k=1": (np.array([0.00111, 0.00333]), 1, 0.00333),
        "Scores 3, 8, 3, 3, 3 in a list": (scores.tolist(), 6),
    }
    yield from cases(f, table, tolerance=1e-6)


def plain_number(threshold):
    """Whether NumPy can compare an array with it: with a tensor it cannot."""
    says = (
        f"The threshold should be a plain number, a float; yours is {findings.kind_of(threshold)}."
    )
    return form(not isinstance(threshold, torch.Tensor), says)


def probe_p_values(f):
    # four at or above .05, two above .25, none above .5; (1 + count)/5
    calibration, new = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.25, 0.5, 0.05])
    tied = np.array([1.0, 2, 1, 1, 2, 1]), np.array([1.0, 3, 1.5, 2])
    table = {
        "Calibration .1, .2, .3, .4 and scores .25, .5, .05": (calibration, new, [0.6, 0.2, 1]),
        "Calibration .1, .2, .3, .4 and a score .3, a tie,": (calibration, np.array([0.3]), [0.6]),
        "Calibration 1, 2, 1, 1, 2, 1 and scores 1, 3, 1.5, 2": (*tied, [1, 1 / 7, 3 / 7, 3 / 7]),
        "No calibration score at all and scores .25, .5, .05": (np.array([]), new, [1, 1, 1]),
    }
    yield from cases(f, table, tolerance=1e-6)
    p = f(calibration, new)  # the notebook compares all of them with alpha at once
    says = f"The p-values should be a NumPy array; yours gave {findings.kind_of(p)}."
    yield form(not isinstance(p, (list, tuple, torch.Tensor)), says, seen=says)


def probe_threshold(f):
    scores = np.arange(1.0, 20)  # n = 19, so p-values are multiples of 1/20
    mixed = np.random.default_rng(0).permutation(scores)
    # three of six allowed with 0.5, four with 0.7; the third from the top is a 5, the fourth the 2
    tied = np.array([5.0, 1, 5, 2, 5])
    table = {
        "Scores 1 to 19 with alpha = 0.10 (two of 20 allowed)": (scores, 0.10, 18),
        "Scores 1 to 19 with alpha = 0.04, below every p-value,": (scores, 0.04, np.inf),
        "Scores 1 to 19 with alpha = 0.14 (2.8 of 20 allowed: 2)": (scores, 0.14, 18),
        "Scores 1 to 19 with alpha = 0.05 (one of 20 allowed)": (scores, 0.05, 19),
        "Scores 1 to 19 with alpha = 0.96 (19.2 of 20 allowed: 19)": (scores, 0.96, 1),
        "Scores 1 to 19 in another order with alpha = 0.40 (8 of 20)": (mixed, 0.40, 12),
        "Scores 5, 1, 5, 2, 5 with alpha = 0.5 (three of six allowed)": (tied, 0.5, 5),
        "Scores 5, 1, 5, 2, 5 with alpha = 0.7 (four of six allowed)": (tied, 0.7, 2),
        "Scores -3, -1, -2 with alpha = 0.5 (two of four)": (np.array([-3.0, -1, -2]), 0.5, -2),
        "Scores 1 to 19 with alpha = 1, where all are flagged,": (scores, 1.0, -np.inf),
        # in binary 0.57·100 is 56.999... and (1 - 0.57)·100 above 43; p = 57/100 is still <= 0.57
        "Scores 1 to 99 with alpha = 0.57 (57 of 100)": (np.arange(1.0, 100), 0.57, 43),
        "Scores 1 to 29 with alpha = 0.0333, below every p-value,": (
            np.arange(1.0, 30),
            0.0333,
            np.inf,
        ),
    }
    yield plain_number(f(scores, 0.10))
    yield from cases(f, table, tolerance=1e-12)
    flagged = int((scores > f(scores, 0.10)).sum())
    says = f"Of the scores 1 to 19 themselves, only 19 lies above the threshold for alpha = 0.10; with yours {flagged} do: it should be a calibration score itself."
    yield findings.Finding("wrong_value", flagged, flagged == 1, says)


def probe_auroc(f):
    # .8 beats all four, .3 beats .1 and .2, .15 beats .1: 7 of 12 pairs
    normal, anomaly = np.array([0.1, 0.4, 0.35, 0.2]), np.array([0.8, 0.3, 0.15])
    tied, lower = (np.array([1.0, 2]), np.array([2.0])), (np.array([3.0, 4]), np.array([1.0]))
    # steps of ten, where no grid of thresholds finds them: 1 + 2 + 3 of 9 pairs
    low, high = np.array([1e-6, 1e-3, 1]), np.array([1e-5, 1e-2, 1e3])
    table = {
        "Normal .1, .4, .35, .2, anomalies .8, .3, .15 (7 of 12 pairs)": (normal, anomaly, 7 / 12),
        "Normal scores 3, 4 and an anomaly 1": (*lower, 0),
        "Normal 1, 2 and an anomaly 2 (a win and half a win)": (*tied, 0.75),
        "A normal score 2 and anomalies 1, 3, 3": (tied[1], np.array([1.0, 3, 3]), 2 / 3),
        "Normal scores 1e-6, 1e-3, 1 and anomalies 1e-5, 0.01, 1000": (low, high, 6 / 9),
    }
    yield from cases(f, table, tolerance=1e-6)


def probe_pca(f):
    # four directions at right angles, as rows, along which the training images spread less and less
    u = torch.tensor([[0.6, 0.8, 0, 0], [0, 0, 1, 0], [0.8, -0.6, 0, 0], [0, 0, 0, 1]])
    mean, spread = torch.tensor([3.0, 7, -2, 5]), torch.tensor([64.0, 4, 0.4, 0.05])
    # nine images, in which each step along a direction meets each step along another once
    i, j = torch.arange(9) // 3, torch.arange(9) % 3
    step = torch.tensor([2.0, -1, -1])[torch.stack([i, j, (i + j) % 3, (i + 2 * j) % 3], dim=1)]
    train = (mean + step * spread @ u).reshape(9, 2, 2, 1)
    along = torch.tensor([[5.0, 4, 10, -2], [-10, 2, 5, 1], [0, -6, -5, 3]])  # u, image by image
    x = (mean + along @ u).reshape(3, 2, 2, 1)
    yield shape("Three images (3, 2, 2, 1)", f(train, x, 1), (3, 2, 2, 1))
    for n in (1, 2, 3):
        what = f"Three images off the space of the first directions, with components={n},"
        kept = mean + along[:, :n] @ u[:n]
        yield value(what, f(train, x, n).flatten(1), kept, tolerance=1e-2)


def probe_interpolate(f):
    a, b = torch.tensor([0.0, 10, -1]), torch.tensor([1.0, 2, -2])
    here = a.to(device()), b.to(device())  # as the notebook will call it
    path = f(*here, 5)
    yield shape("Five steps between two codes of 3 numbers", path, (5, 3))
    expected = [[0, 10, -1], [0.25, 8, -1.25], [0.5, 6, -1.5], [0.75, 4, -1.75], [1, 2, -2]]
    yield value("From (0, 10, -1) to (1, 2, -2) in five steps", path, expected)
    yield value("From (0, 10, -1) to (1, 2, -2) in two steps", f(*here, 2), expected[::4])
    ten = [[t / 9, 10 - 8 * t / 9, -1 - t / 9] for t in range(10)]
    yield value("From (0, 10, -1) to (1, 2, -2) in ten steps", f(*here, 10), ten)
    yield from keeps_dtype(lambda a, b: f(a, b, 3), *here, dtypes=(torch.float32,))
    with suppress(
        RuntimeError
    ):  # torch.lerp with float32 weights; the notebook's codes are float32
        yield from keeps_dtype(lambda a, b: f(a, b, 3), a, b, dtypes=(torch.float64,))


def probe_psnr(f):
    seen = f(*GREY)
    tensor = torch.as_tensor(seen) if isinstance(seen, np.ndarray) else seen
    yield shape("Two grey images (2, 1, 2, 3)", tensor, (2,))
    grey, colour = 10 * np.log10([1 / 2.25, 1 / 3]), 10 * np.log10([1 / 3, 1 / 1.5])
    table = {
        GREY_IS: (*GREY, grey),
        GREY_IS + " with data_range=255": (*GREY, 255.0, grey + 20 * np.log10(255)),
        COLOUR_IS: (*COLOUR, colour),
        "A reconstruction without error": (GREY[0][1:], GREY[0][1:], [np.inf]),
    }
    yield from cases(f, table, tolerance=1e-6)


def trial_of_rules(alpha=0.05, splits=200):
    """How many new digits each rule flags, for three scores: 1.13's run on digits that no score knows."""
    train, calibration, test = parts()
    pool = np.concatenate([calibration.images, test.images])
    x_train, x = (as_input(images[:3000]).cpu() for images in (train.images, pool))
    pca = subspace_errors(train.images[:3000], pool[:3000], components=20)[1]
    scores = [pca, mean_image_error(x_train, x).numpy(), -brightness(pool[:3000])]
    rng = np.random.default_rng(41)
    rules = {
        "mean + std": mean_std_threshold,
        "gaussian": lambda scores: mean_std_threshold(scores, k=1.6449),
        "conformal": lambda scores: conformal_threshold(scores, alpha),
    }
    rates = {name: [] for name in rules}  # one a score
    halves = [rng.permutation(len(x)) for _ in range(splits)]
    for s in scores:
        for name, rule in rules.items():
            flagged = [(s[i[1::2]] >= rule(s[i[::2]])).mean() for i in halves]
            rates[name].append(np.mean(flagged))
    off = {name: max(abs(rate - alpha) for rate in found) for name, found in rates.items()}
    found = {"n": len(x), "splits": splits, "best": [min(off, key=off.get)]}
    for name, rate in rates.items():
        key = name.replace(" + ", "_")
        found |= {f"{key}_low": min(rate), f"{key}_high": max(rate)}
    return found


def hidden_digits(each=60):
    """Test digits, and others that are damaged in four ways which the notebook does not show."""
    train = parts()[0]
    normal, *others = load("mnist")["test"].draw(3 * each, *[each // 2] * 8, seed=4711)
    a, b, c, d, *more = (part.images for part in others)
    rng = np.random.default_rng(20_261)
    erased = np.concatenate([c, more[2]])
    for image, top in zip(erased, rng.integers(8, 15, len(erased)), strict=True):
        image[:, top : top + 6] = 0  # a band of six rows without ink
    joined = np.concatenate([d, more[3]])
    joined[..., 14:] = np.roll(joined, 1, axis=0)[..., 14:]  # the right half of another digit
    anomalies = [
        np.concatenate([a, more[0]])[..., ::-1],  # mirrored
        np.maximum(b, more[1]),  # two digits, one over the other
        erased,
        joined,
    ]
    images = np.concatenate([normal.images, *anomalies])
    anomalous = np.arange(len(images)) >= len(normal)
    some = train.images[:6000]
    x_train, x = as_input(some).cpu(), as_input(images).cpu()
    return Hidden(
        images,
        anomalous,
        train.source,
        trivial=from_median({"unusual ink": brightness}, some, images)
        | {"mean image": mean_image_error(x_train, x).numpy()},
        rungs={
            "PCA, 20 components": pca_error(x_train, x, 20).numpy(),
            "nearest training digit": nearest_distance(x_train, x).numpy(),
        },
    )


PROBES = [probe_conv_output_size, probe_autoencoder, probe_train_step]
PROBES += [probe_reconstruction_error, probe_mean_std, probe_p_values, probe_threshold]
PROBES += [probe_auroc, probe_pca, probe_interpolate, probe_psnr]
PROBES += [trial_of_rules, hidden_digits]
EXERCISES = declared("01", PROBES)
