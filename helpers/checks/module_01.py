"""Probes of module 1: autoencoder basics."""

import math

import numpy as np
import torch
import torch.nn.functional as F
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
    shape,
    show,
    value,
)
from helpers.runtime import device


def array(*numbers):
    return np.array(numbers, dtype=float)


def probe_conv_output_size(f):
    # 20 + 12 - 4 = 28 pixels to walk, and 29 for the second: 9 steps of 3 fit, and the first place
    table = {
        "Size 20, kernel 4, stride 3, padding 6": (20, 4, 3, 6, 10),
        "Size 22, kernel 5, stride 3, padding 6": (22, 5, 3, 6, 10),
        "Size 28, kernel 3, stride 2, padding 1": (28, 3, 2, 1, 14),
        "Size 9, kernel 3, no stride, no padding": (9, 3, 7),
        "Size 32, kernel 5, stride 3, no padding": (32, 5, 3, 10),
        "Size 5, kernel 2, stride 1, padding 2": (5, 2, 1, 2, 8),
    }
    yield from cases(f, table)
    seen = f(28, kernel_size=3, stride=2, padding=1)  # as the notebook calls it
    says = f"A size is a whole number of pixels, an int; yours is {kind_of(seen)}: use `//`."
    yield form(isinstance(seen, (int, np.integer)), says, seen=type(seen).__name__)


def probe_autoencoder(cls):
    net, x = cls(latent_dim=20), torch.rand(3, 1, 28, 28)
    yield form(isinstance(net, nn.Module), "The class should inherit from `nn.Module`.")
    for part in ("encoder", "decoder"):
        says = f"`self.{part}` is still `...`: give it its layers as an `nn.Sequential`."
        yield form(getattr(net, part, None) is not ..., says)
    z = net.encode(x)
    yield shape("`encode` of a batch (3, 1, 28, 28) with latent_dim=20", z, (3, 20))
    yield shape("`encode` with latent_dim=5", cls(latent_dim=5).encode(x), (3, 5))
    yield shape("`decode` of a batch (3, 20)", net.decode(z), (3, 1, 28, 28))
    yield shape("`decode` with latent_dim=5", cls(latent_dim=5).decode(z[:, :5]), (3, 1, 28, 28))
    yield shape("`forward` of a single image (1, 1, 28, 28)", net(x[:1]), (1, 1, 28, 28))
    far = net.decode(100 * torch.randn(50, 20))
    inside = bool(far.min() >= 0), bool(far.max() <= 1)
    says = f"Pixels lie in [0, 1]; your decoder gives {show(far.min())} to {show(far.max())}."
    yield Finding("wrong_value", inside, all(inside), says)
    apart = (net(x) - net.decode(net.encode(x))).abs().max()
    yield value("The largest difference between `forward(x)` and `decode(encode(x))`", apart, 0)
    used = reached(net, net(x))
    silent = [name for name, p in net.named_parameters() if not any(p is q for q in used)]
    says = f"No gradient reaches these parameters from the reconstruction: {', '.join(silent[:4])}."
    yield behaviour(not silent, says)
    # 160 + 4,640 + 100,416 + 1,300 and 1,344 + 101,920 + 4,624 + 145 by the table. A transposed
    # convolution with a 7×7 kernel in the place of `Linear` 64→1568 has one bias a channel.
    count = sum(p.numel() for p in net.parameters())
    says = f"The table's network has 214,549 parameters; yours has {count:,}. Compare channels and kernel sizes layer by layer."
    yield form(count in (214_549, 214_549 - 1568 + 32), says, seen=count)
    encoder, decoder = by_table()
    codes = torch.linspace(-2, 2, 40).reshape(2, 20)
    image = torch.linspace(0, 1, 784).reshape(1, 1, 28, 28).square()
    for name, given, half in (("encode", image, encoder), ("decode", codes, decoder)):
        run = getattr(net, name)
        fill(reached(net, run(given)), half)
        seen, expected = run(given).flatten(), half(given).detach().flatten()
        what = f"Look at order, strides and ReLUs of your layers: with known weights `{name}`"
        yield value(what, seen, expected)


def reached(net, out):
    """The parameters that a gradient from `out` reaches, in the order of the network."""
    parameters = list(net.parameters())
    if not out.requires_grad:
        return []
    found = torch.autograd.grad(out.sum(), parameters, allow_unused=True)
    return [p for p, gradient in zip(parameters, found, strict=True) if gradient is not None]


def by_table():
    """Both halves of the table, with numbers at which each ReLU cuts off some and keeps others.

    The 64 numbers in the middle are positive: a ReLU there, which the source has, changes nothing.
    """
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
    encoder[5].bias.data.fill_(99)
    decoder[0].bias.data.fill_(4)
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
    """The model x_hat = w·x and its gradient descent with step 0.1: to be computed on paper.

    The optimizer has the interface and nothing else: the first of torch's own takes seconds.
    """

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(3.0))
        self.w.register_hook(lambda gradient: self.did.append("backward"))
        self.param_groups = [{"params": [self.w], "lr": 0.1}]
        self.did, self.calls = [], []

    def forward(self, x):
        self.did.append("train" if self.training else "eval")
        return self.w * x

    def zero_grad(self, set_to_none=True):
        self.did.append("clear")
        super().zero_grad(set_to_none)

    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure and closure()
        self.did.append("step")
        if self.w.grad is not None:
            self.w.data -= 0.1 * self.w.grad
        return loss

    def loss(self, x_hat, x):
        self.calls.append((x_hat.detach().clone(), x.detach().clone()))
        return (x_hat - 2 * x).square().mean() + 1 / 3  # not symmetric: the order shows

    def reason(self):
        """Why no weight moved, in words, and nothing if all was called in order."""
        for name in ("backward", "step"):
            if name not in self.did:
                return f" (`{name}()` was not called)"
        between = self.did[self.did.index("backward") : self.did.index("step")]
        return " (the gradient was cleared before the step)" if "clear" in between else ""


def probe_train_step(f):
    x = torch.tensor([1.0, -1, 3, -1]).reshape(2, 1, 1, 2)  # mean of the squares: 3
    # loss 3·(w - 1)² = 12 at w = 3; its gradient 6·(w - 1) = 12; so w becomes 3 - 0.1·12 = 1.8
    net = OneWeight()
    loss = f(net, x, net, F.mse_loss)
    moved, why = round(net.w.item(), 4), net.reason()
    says = f"A weight of 3 with the gradient 12 should be 1.8 after one step of size 0.1; yours is {show(moved)}{why}."
    yield Finding("wrong_value", (moved, why), moved == 1.8, says)
    graph = ", which keeps the whole graph in memory" if isinstance(loss, torch.Tensor) else ""
    says = f"Return the loss as a Python float, with `.item()`; yours gave {kind_of(loss)}{graph}."
    yield form(isinstance(loss, float), says, seen=type(loss).__name__)
    yield value("The loss before the first update", loss, 12)
    says = (
        "Your step runs the model in eval mode: leave the mode as it is, or call `model.train()`."
    )
    yield behaviour("eval" not in net.did, says)
    # at w = 1.8 the loss is 3·0.8² = 1.92 and the gradient 6·0.8 = 4.8; so w becomes 1.32
    loss = f(net, x, net, F.mse_loss)
    what = "The weight after a second step, from 1.8 with the gradient 4.8,"
    yield value(what, net.w, 1.32, kind="wrong_behaviour")
    yield value("The loss before the second update", loss, 1.92)
    # another loss: 3·(w - 2)² + 1/3 = 10/3, its gradient 6·(w - 2) = 6, so w becomes 3 - 0.6 = 2.4
    net = OneWeight()
    loss = f(net, x, net, net.loss)
    yield behaviour(net.calls, "Your step never calls the `loss_fn` that it is given.")
    x_hat, target = net.calls[0] if net.calls else (x, x)
    what = "argument with which you call `loss_fn`,"
    yield value(f"The first {what} w·x with w = 3 and the batch x = 1, -1, 3, -1,", x_hat, 3 * x)
    yield value(f"The second {what} the batch x = 1, -1, 3, -1 itself,", target, x)
    yield value("With another loss than the squared error, the loss", loss, 10 / 3, tolerance=1e-6)
    yield value("With another loss than the squared error, the weight after a step", net.w, 2.4)


def probe_reconstruction_error(f):
    # Grey, and no axis is as long as another. The first image is off by 1.5 everywhere: 2.25. The
    # second is off by 3 in one of its six pixels and by -3 in another: 2·9/6 = 3.
    x = torch.tensor([2.0, -1]).reshape(2, 1, 1, 1).repeat(1, 1, 2, 3)
    x_hat = torch.tensor([[0.5] * 6, [2, -1, -1, -1, -1, -4]]).reshape(2, 1, 2, 3)
    seen = f(x, x_hat)
    yield shape("Two grey images (2, 1, 2, 3)", seen, (2,))
    what = "One image with x = 2 and x_hat = 0.5, one off by 3 and by -3 in two of six pixels,"
    yield value(what, seen, [2.25, 3])
    yield value("The second of these images alone in its batch", f(x[1:], x_hat[1:]), [3])
    # 2·4 pixels in 3 channels: off by 2 in one channel 4/3, by 6 in one of the 24 pixels 36/24
    colour = torch.full((2, 3, 2, 4), 0.5)
    off = colour.clone()
    off[0, 1] += 2
    off[1, 2, 1, 3] -= 6
    what = "Two colour images, off by 2 in one of three channels and by 6 in one of 24 pixels,"
    yield value(what, f(colour, off), [4 / 3, 1.5])
    yield value("Two grey images with x_hat = x, both not 0,", f(x, x), [0, 0])
    yield value("An image off by 1/64", f(x[:1], x[:1] + 1 / 64), [1 / 4096], tolerance=1e-7)
    yield from keeps_dtype(f, x, x_hat, dtypes=(torch.float64,))
    large = 1e7 + x[:1].double()  # in float32 the half would be lost beside it
    yield value("Large float64 pixels off by 0.5", f(large, large + 0.5), [0.25], tolerance=0.1)
    # the derivative of a mean of squares over six pixels: 2·(x_hat - x)/6
    yield from gradients_are(lambda x_hat: f(x, x_hat), [x_hat], {"x_hat": (x_hat - x) / 3})


def probe_mean_std(f):
    scores = array(3, 8, 3, 3, 3)  # mean 4, variance (4·1 + 16)/5 = 4, median 3
    name = "Scores 3, 8, 3, 3, 3 (mean 4, standard deviation 2)"
    table = {
        f"{name} without k": (scores, 6),
        f"{name} with k=3": (scores, 3, 10),
        f"{name} with k=0.5": (scores, 0.5, 5),
        "Scores 0, 0, 0, 4 (mean 1, variance 3) with k=2": (array(0, 0, 0, 4), 2, 4.4641),
        "Four equal scores 0.5 with k=2": (np.full(4, 0.5), 2, 0.5),
    }
    yield from cases(f, table)
    small = array(0.00111, 0.00333)  # mean 0.00222, standard deviation 0.00111
    yield value("Scores 0.00111 and 0.00333 with k=1", f(small), 0.00333, tolerance=1e-7)
    yield value("Scores 3, 8, 3, 3, 3 in a list", f(scores.tolist()), 6)


def probe_p_values(f):
    # four at or above .05, two above .25, none above .5; (1 + count)/5
    calibration, new = array(0.1, 0.2, 0.3, 0.4), array(0.25, 0.5, 0.05)
    tied, between, other = array(1, 2, 1, 1), array(1, 3, 1.5, 2), calibration[[2, 0, 3, 1]]
    # of 0, 1, ..., 199, score s + 0.5 leaves 199 - s above it, and none from 199.5 on
    many = np.arange(200.0), np.arange(300) + 0.5, (1 + np.maximum(199 - np.arange(300), 0)) / 201
    table = {
        "Calibration .1, .2, .3, .4 and scores .25, .5, .05": (calibration, new, [0.6, 0.2, 1]),
        "Calibration .1, .2, .3, .4 and a score .3, a tie,": (calibration, array(0.3), [0.6]),
        "Calibration .3, .1, .4, .2 and scores .25, .5, .05": (other, new, [0.6, 0.2, 1]),
        "Calibration 1, 2, 1, 1 and scores 1, 3, 1.5, 2": (tied, between, [1, 0.2, 0.4, 0.4]),
        "No calibration score at all and scores .25, .5, .05": (array(), new, [1, 1, 1]),
        "Calibration 0, 1, ..., 199 and scores 0.5, 1.5, ..., 299.5": many,
    }
    yield from cases(f, table, tolerance=1e-6)


def probe_threshold(f):
    scores = np.arange(1.0, 20)  # n = 19, so p-values are multiples of 1/20
    mixed = np.random.default_rng(0).permutation(scores)
    # three of six allowed with 0.5, four with 0.7; the third from the top is a 5, the fourth the 2
    tied = array(5, 1, 5, 2, 5)
    table = {
        "Scores 1 to 19 with alpha = 0.10 (two of 20 allowed)": (scores, 0.10, 18),
        "Scores 1 to 19 with alpha = 0.05 (one of 20 allowed)": (scores, 0.05, 19),
        "Scores 1 to 19 with alpha = 0.04, below every p-value,": (scores, 0.04, np.inf),
        "Scores 1 to 19 with alpha = 0.14 (2.8 of 20 allowed: 2)": (scores, 0.14, 18),
        "Scores 1 to 19 in another order with alpha = 0.40 (8 of 20)": (mixed, 0.40, 12),
        "Scores 5, 1, 5, 2, 5 with alpha = 0.5 (three of six allowed)": (tied, 0.5, 5),
        "Scores 5, 1, 5, 2, 5 with alpha = 0.7 (four of six allowed)": (tied, 0.7, 2),
        "Scores -3, -1, -2 with alpha = 0.5 (two of four)": (array(-3, -1, -2), 0.5, -2),
        # 0.29·100 is 28.999... in binary; p = 29/100 is still <= 0.29
        "Scores 1 to 99 with alpha = 0.29 (29 of 100)": (np.arange(1.0, 100), 0.29, 71),
        "Scores 1 to 19 with alpha = 1, where all are flagged,": (scores, 1.0, -np.inf),
    }
    yield from cases(f, table)


def probe_auroc(f):
    # .8 beats all four, .3 beats .1 and .2, .15 beats .1: 7 of 12 pairs
    normal, anomaly = array(0.1, 0.4, 0.35, 0.2), array(0.8, 0.3, 0.15)
    # steps of ten, where no grid of thresholds finds them: 1 + 2 + 3 of 9 pairs
    low, high = array(1e-6, 1e-3, 1), array(1e-5, 1e-2, 1e3)
    # Of 400 normal scores 8 stand at each of 0 to 49, of 300 anomalies 6 at each of 10 to 59. An
    # anomaly at s < 50 beats 8·s and ties with 8, one at s >= 50 beats all 400:
    # 6·(8·(10 + ... + 49) + 40·4) + 60·400 = 6·(9,440 + 160) + 24,000 = 81,600 of 120,000
    many = np.arange(400.0) % 50, np.arange(300.0) % 50 + 10
    table = {
        "Normal .1, .4, .35, .2, anomalies .8, .3, .15 (7 of 12 pairs)": (normal, anomaly, 7 / 12),
        "Normal scores 1, 2 and anomalies 3, 4, 5": (array(1, 2), array(3, 4, 5), 1),
        "Normal scores 3, 4 and an anomaly 1": (array(3, 4), array(1), 0),
        "Normal 1, 2 and an anomaly 2 (a win and half a win)": (array(1, 2), array(2), 0.75),
        "Eight equal scores, five of them normal,": (np.zeros(5), np.zeros(3), 0.5),
        "A normal score 2 and anomalies 1, 3, 3": (array(2), array(1, 3, 3), 2 / 3),
        "Normal scores 1e-6, 1e-3, 1 and anomalies 1e-5, 0.01, 1000": (low, high, 6 / 9),
        "400 normal and 300 anomaly scores with many ties": (*many, 0.68),
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
    alone, beside = f(train, x[:1], 2).flatten(), f(train, x, 2)[0].flatten()
    says = f"An image comes back as {show(alone)} alone, as {show(beside)} beside others: learn from x_train only."
    yield behaviour(torch.allclose(alone, beside, atol=1e-2), says)


def probe_interpolate(f):
    a, b = torch.tensor([0.0, 10, -1]), torch.tensor([1.0, 2, -2])
    path = f(a.to(device()), b.to(device()), 5)  # as the notebook will call it
    yield shape("Five steps between two codes of 3 numbers", path, (5, 3))
    expected = [[0, 10, -1], [0.25, 8, -1.25], [0.5, 6, -1.5], [0.75, 4, -1.75], [1, 2, -2]]
    yield value("From (0, 10, -1) to (1, 2, -2) in five steps", path, expected)
    what = "From (0, 10, -1) to (1, 2, -2) in two steps, only the ends,"
    yield value(what, f(a, b, 2), [[0, 10, -1], [1, 2, -2]])
    yield from keeps_dtype(lambda a, b: f(a, b, 3), a, b)


def probe_psnr(f):
    # off by 1/8 and by 3/8 everywhere, also above 1: mse 1/64 and 9/64
    x = torch.tensor([0.25, 0.75]).reshape(2, 1, 1, 1).repeat(1, 1, 3, 2)
    x_hat = x + torch.tensor([-1 / 8, 3 / 8]).reshape(2, 1, 1, 1)
    expected = 10 * np.log10([64, 64 / 9])
    seen = f(x, x_hat)
    tensor = torch.as_tensor(seen) if isinstance(seen, np.ndarray) else seen
    yield shape("Two images (2, 1, 3, 2)", tensor, (2,))
    what = "Images off by 1/8 and by 3/8"
    yield value(f"{what} with data_range 1", seen, expected, tolerance=1e-6)
    for data_range in (255.0, 0.5):  # the range squared, in decibels
        more, seen = expected + 20 * math.log10(data_range), f(x, x_hat, data_range)
        yield value(f"{what} with data_range={data_range:g}", seen, more, tolerance=1e-6)
    # off by 1 in one channel, 4 of 12 pixels, and by 3 in one pixel of another: mse (4 + 9)/12
    colour = torch.full((1, 3, 2, 2), 0.5)
    off = colour - torch.tensor([1.0, 0, 0]).reshape(3, 1, 1)
    off[:, 2, 0, 1] += 3
    what = "A colour image off by 1 in one channel and by 3 in a pixel of another"
    yield value(what, f(colour, off), [10 * math.log10(12 / 13)])
    yield value("A reconstruction without error", f(x[1:], x[1:]), [np.inf])


PROBES = [probe_conv_output_size, probe_autoencoder, probe_train_step]
PROBES += [probe_reconstruction_error, probe_mean_std, probe_p_values, probe_threshold]
PROBES += [probe_auroc, probe_pca, probe_interpolate, probe_psnr]
EXERCISES = declared("01", PROBES)
