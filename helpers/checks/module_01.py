"""Exercises of module 1: autoencoder basics."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import nn

from helpers.checks.exercise import (
    Exercise,
    Finding,
    Misconception,
    behaviour,
    form,
    shape,
    show,
    value,
)
from helpers.latent import interpolate, pca_reconstruct
from helpers.models import ConvAutoencoder
from helpers.runtime import device

# --- 1.1 --------------------------------------------------------------------------------------


def probe_conv_output_size(f):
    yield value("size 28, kernel 3, stride 2, padding 1", f(28, 3, 2, 1), 14)
    yield value("size 14, kernel 3, stride 2, padding 1", f(14, 3, 2, 1), 7)
    yield value("size 7, kernel 7, no stride, no padding", f(7, 7), 1)
    yield value("size 32, kernel 5, stride 3, padding 0", f(32, 5, 3, 0), 10)
    yield value("size 5, kernel 2, stride 1, padding 2", f(5, 2, 1, 2), 8)
    seen = f(28, 3, stride=2, padding=1)
    says = (
        f"A size is a whole number of pixels, an int; yours is a {type(seen).__name__}: use `//`."
    )
    yield form(isinstance(seen, int), says)


CONV_OUTPUT_SIZE = Exercise(
    id="1.1",
    title="output size of a convolution",
    reference="helpers.models.conv_output_size",
    difficulty=1,
    minutes=5,
    hints=(
        "Lay the kernel at the left end of the padded side. How far can it still move to the right?",
        "The padded side has `size + 2 * padding` pixels. The kernel covers `kernel_size` of them at "
        "its first place; every further place needs `stride` more.",
        "`(padded - kernel_size) // stride + 1`, with `padded = size + 2 * padding`.",
    ),
    probe=probe_conv_output_size,
    misconceptions=(
        Misconception(
            "one_side_padding",
            "Padding goes on both sides: the padded length is size + 2·padding. Yours counts it once.",
            lambda size, kernel_size, stride=1, padding=0: (
                (size + padding - kernel_size) // stride + 1
            ),
        ),
        Misconception(
            "first_place_forgotten",
            "You counted the moves of the kernel. Its first place counts too: add 1.",
            lambda size, kernel_size, stride=1, padding=0: (
                (size + 2 * padding - kernel_size) // stride
            ),
        ),
        Misconception(
            "float_division",
            "The numbers are nearly right, but `/` gives fractions of a pixel. A last step that does "
            "not fit is dropped: use `//`.",
            lambda size, kernel_size, stride=1, padding=0: (
                (size + 2 * padding - kernel_size) / stride + 1
            ),
        ),
        Misconception(
            "ceil",
            "Where the last step does not fit you round up; PyTorch drops it. With size 28, kernel 3, "
            "stride 2 and padding 1 there are 14 places, not 15: round down, with `//`.",
            lambda size, kernel_size, stride=1, padding=0: (
                -(-(size + 2 * padding - kernel_size) // stride) + 1
            ),
        ),
        Misconception(
            "stride_ignored",
            "Your result does not depend on the stride. With stride 2 the kernel visits every second "
            "place: size 28 becomes 14.",
            lambda size, kernel_size, stride=1, padding=0: size + 2 * padding - kernel_size + 1,
        ),
    ),
)

# --- 1.2 --------------------------------------------------------------------------------------


def probe_autoencoder(cls):
    net = cls(latent_dim=20)
    yield form(isinstance(net, nn.Module), "The class should inherit from `nn.Module`.")
    for part in ("encoder", "decoder"):
        says = f"`self.{part}` is still `...`: give it its layers as an `nn.Sequential`."
        yield form(getattr(net, part, None) is not ..., says)
    x = torch.rand(3, 1, 28, 28)
    z = net.encode(x)
    yield shape("`encode` of a batch (3, 1, 28, 28) with latent_dim=20", z, (3, 20))
    yield shape("`encode` with latent_dim=5", cls(latent_dim=5).encode(x), (3, 5))
    yield shape("`decode` of a batch (3, 20)", net.decode(z), (3, 1, 28, 28))
    yield shape("`forward` of a single picture (1, 1, 28, 28)", net(x[:1]), (1, 1, 28, 28))
    far = net.decode(100 * torch.randn(50, 20))
    low, high = bool(far.min() >= 0), bool(far.max() <= 1)
    says = f"Pixels lie in [0, 1]; your decoder gives {show(far.min())} to {show(far.max())}."
    yield Finding("wrong_value", (low, high), low and high, says)
    near = net.decode(torch.randn(50, 20))
    says = (
        "Your output is cut off at 0 or 1, where the gradient vanishes: use a sigmoid, which bends."
    )
    yield behaviour(bool(((near == 0) | (near == 1)).float().mean() < 0.01), says)
    yield value(
        "`forward(x)` minus `decode(encode(x))`",
        (net(x) - net.decode(net.encode(x))).abs().max(),
        0,
    )
    swapped = net.encode(x.flip(0)).flip(0)
    says = "The code of a picture depends on the other pictures in its batch."
    yield behaviour(torch.allclose(swapped, z, atol=1e-4), says)
    codes = net.encode(torch.rand(400, 1, 28, 28))
    says = "Your code never goes below zero: leave it free to take any sign."
    yield behaviour(bool((codes < 0).any()), says)
    net.decode(net.encode(x)).mean().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None]
    says = f"These parameters take no part in the reconstruction: {', '.join(silent[:4])}."
    yield behaviour(not silent, says)
    count = sum(p.numel() for p in net.parameters())
    expected = sum(p.numel() for p in ConvAutoencoder(latent_dim=20).parameters())
    as_convolution = (
        expected - 32 * 7 * 7 + 32
    )  # a 7×7 transposed convolution has one bias a channel
    says = (
        f"The table's network has {expected:,} parameters; yours has {count:,}. Compare the channels "
        "and the kernel sizes layer by layer."
    )
    yield form(count in (expected, as_convolution), says, seen=count)


class _WrongAutoencoder(ConvAutoencoder):
    def __init__(self, latent_dim=20):
        super().__init__(latent_dim)
        self.change(latent_dim)


def _variant(change):
    return type("Wrong", (_WrongAutoencoder,), {"change": change})


def _no_output_padding(self, latent_dim):
    for layer in self.decoder:
        if isinstance(layer, nn.ConvTranspose2d):
            layer.output_padding = (0, 0)


class _IgnoresLatentDim(ConvAutoencoder):
    def __init__(self, latent_dim=20):
        super().__init__(20)


class _NoFlatten(ConvAutoencoder):
    def encode(self, x):
        return self.encoder[:4](x)


AUTOENCODER = Exercise(
    id="1.2",
    title="the convolutional autoencoder",
    reference="helpers.models.ConvAutoencoder",
    difficulty=2,
    minutes=15,
    hints=(
        "The decoder walks the encoder's table backwards: every convolution that halves becomes a "
        "transposed convolution that doubles.",
        "A transposed convolution with kernel 3, stride 2 and padding 1 turns 7 into 13; "
        "`output_padding=1` adds the missing row and column. Between the linear layer and the first "
        "transposed convolution stands `nn.Unflatten(1, (32, 7, 7))`.",
        "Decoder: `nn.Linear(latent_dim, 64), nn.Linear(64, 32 * 7 * 7), nn.ReLU(), "
        "nn.Unflatten(1, (32, 7, 7)), nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, "
        "output_padding=1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, "
        "output_padding=1), nn.Sigmoid()`.",
    ),
    probe=probe_autoencoder,
    misconceptions=(
        Misconception(
            "no_output_padding",
            "Your decoder gives 25×25 pixels. A stride-2 convolution sends 13 and 14 pixels to the "
            "same 7; the way back must be told which: `output_padding=1`.",
            _variant(_no_output_padding),
        ),
        Misconception(
            "no_sigmoid",
            "Your decoder's output leaves [0, 1]. Pixels lie between 0 and 1: end with `nn.Sigmoid()`.",
            _variant(lambda self, d: self.decoder.pop(7)),
        ),
        Misconception(
            "relu_at_the_end",
            "Your decoder ends in a ReLU: it stays above 0 but goes past 1, and where it is cut off it "
            "has no gradient. A sigmoid keeps both ends.",
            _variant(lambda self, d: self.decoder.__setitem__(7, nn.ReLU())),
        ),
        Misconception(
            "relu_on_the_code",
            "Your code never goes below zero: a ReLU follows the last linear layer of the encoder. It "
            "cuts half of the latent space away; leave the code free.",
            _variant(lambda self, d: self.encoder.append(nn.ReLU())),
        ),
        Misconception(
            "latent_dim_ignored",
            "Your code has 20 numbers whatever `latent_dim` says. Use the argument, not the number.",
            _IgnoresLatentDim,
        ),
        Misconception(
            "no_bottleneck",
            "Your `encode` gives feature maps, not a code. Flatten them and send them through the two "
            "linear layers: without the bottleneck the network may simply copy.",
            _NoFlatten,
        ),
    ),
)

# --- 1.3 --------------------------------------------------------------------------------------


class _OneWeight(nn.Module):
    """x_hat = w·x, so that one step of gradient descent can be computed on paper."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(3.0))

    def forward(self, x):
        return self.w * x


class _GradientDescent:
    """The optimizer's interface and nothing else; torch.optim takes seconds to import."""

    def __init__(self, net):
        self.net = net

    def zero_grad(self, set_to_none=True):
        self.net.zero_grad(set_to_none=set_to_none)

    def step(self):
        with torch.no_grad():
            for p in self.net.parameters():
                if p.grad is not None:
                    p -= 0.1 * p.grad


def probe_train_step(f):
    net = _OneWeight()
    optimizer = _GradientDescent(net)
    x = torch.full((4, 1, 2, 2), 2.0)

    # loss (w·2 - 2)² = 16 at w = 3; its gradient 2·(2w - 2)·2 = 16; so w becomes 3 - 0.1·16 = 1.4
    loss = f(net, x, optimizer, F.mse_loss)
    weight = net.w.item()
    yield value("The weight 3.0 after one step of size 0.1 with gradient 16", weight, 1.4)
    tensor = isinstance(loss, torch.Tensor)
    says = (
        "Return the loss as a float, with `.item()`. "
        f"Yours is {'a tensor that keeps the whole graph in memory' if tensor else type(loss).__name__}."
    )
    yield form(isinstance(loss, float), says, seen=type(loss).__name__)
    left = 0.0 if net.w.grad is None else net.w.grad.item()
    yield Finding(
        "wrong_behaviour", left, True, "The gradient left behind tells why no weight moved."
    )
    yield value("The loss before the update", loss, 16.0)

    # gradient at w = 1.4: 2·(2.8 - 2)·2 = 3.2; so w becomes 1.4 - 0.32 = 1.08
    f(net, x, optimizer, F.mse_loss)
    yield value(
        "The weight after a second step (1.4, gradient 3.2)", net.w, 1.08, kind="wrong_behaviour"
    )

    net, calls = _OneWeight(), []
    optimizer = _GradientDescent(net)

    def recorded(x_hat, target):
        calls.append((x_hat.detach().flatten()[0].item(), target.detach().flatten()[0].item()))
        return (x_hat - 2 * target).square().mean()  # not symmetric: the order shows

    # x_hat = 6, target 2: (6 - 4)² = 4, gradient 2·2·2 = 8, so w becomes 3 - 0.8 = 2.2
    f(net, x, optimizer, recorded)
    yield value(
        "`loss_fn` should be called as loss_fn(x_hat, x); its arguments",
        calls[0] if calls else (0, 0),
        (6.0, 2.0),
    )
    yield value("The weight after a step with another loss", net.w, 2.2)
    says = "Your step changes the batch x in place."
    yield behaviour(bool((x == 2).all()), says)


def _step_without_zero_grad(model, x, optimizer, loss_fn):
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return loss.item()


def _step_returns_tensor(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return loss


def _step_forgotten(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    return loss.item()


def _zero_grad_after_backward(model, x, optimizer, loss_fn):
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


def _arguments_swapped(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(x, model(x))
    loss.backward()
    optimizer.step()
    return loss.item()


def _loss_hard_coded(model, x, optimizer, loss_fn):
    return _returns_loss_after(model, x, optimizer, F.mse_loss, after=False)


def _returns_loss_after(model, x, optimizer, loss_fn, after=True):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return loss_fn(model(x), x).item() if after else loss.item()


TRAIN_STEP = Exercise(
    id="1.3",
    title="one training step",
    reference="helpers.training.train_step",
    difficulty=1,
    minutes=8,
    hints=(
        "A step is: forget the old gradients, reconstruct and measure, send the error back, move.",
        "`backward()` adds to the gradients that are already there, so they are cleared first. The "
        "target of an autoencoder is its own input.",
        "`optimizer.zero_grad()`, `loss = loss_fn(model(x), x)`, `loss.backward()`, "
        "`optimizer.step()`, `return loss.item()`.",
    ),
    probe=probe_train_step,
    misconceptions=(
        Misconception(
            "no_zero_grad",
            "The first step is right, the second is not: its gradient still holds the first one's, "
            "because `backward` adds. Call `optimizer.zero_grad()` at the start.",
            _step_without_zero_grad,
        ),
        Misconception(
            "returns_tensor",
            "The update is right. But you return a tensor, which keeps the graph of this step in "
            "memory as long as you keep the loss: return `loss.item()`.",
            _step_returns_tensor,
        ),
        Misconception(
            "no_step",
            "The weight did not move: the gradients are computed, but `optimizer.step()` is missing.",
            _step_forgotten,
        ),
        Misconception(
            "zero_grad_too_late",
            "The weight did not move: you clear the gradients between `backward` and `step`, so the "
            "step sees none. Clear them before `backward`.",
            _zero_grad_after_backward,
        ),
        Misconception(
            "arguments_swapped",
            "You call loss_fn(x, x_hat). The mean squared error does not mind, others do: the "
            "reconstruction comes first, the target second.",
            _arguments_swapped,
        ),
        Misconception(
            "loss_hard_coded",
            "You always use the mean squared error. The step gets its loss as an argument: `loss_fn`.",
            _loss_hard_coded,
        ),
        Misconception(
            "loss_after_update",
            "You return the loss after the update, which costs a second forward pass. The loss that "
            "made the gradients is the one to report.",
            _returns_loss_after,
        ),
    ),
)

# --- 1.4 --------------------------------------------------------------------------------------


def probe_reconstruction_error(f):
    x = torch.zeros(
        2, 1, 2, 3
    )  # neither square nor of equal sizes, so that axes cannot be mixed up
    x_hat = torch.zeros(2, 1, 2, 3)
    x_hat[0] = 0.5  # every pixel off by 0.5: mean 0.25
    x_hat[1, 0, 0, 0] = -3.0  # one of six pixels off by 3: mean 1.5
    seen = f(x, x_hat)
    yield shape("Two pictures (2, 1, 2, 3)", seen, (2,))
    yield value(
        "One picture off by 0.5 everywhere, one off by 3 in one of six pixels", seen, [0.25, 1.5]
    )
    yield value("A picture alone in its batch", f(x[1:], x_hat[1:]), [1.5])
    colour = torch.zeros(1, 3, 2, 2)
    yield value(
        "A colour picture off by 2 in one of three channels", f(colour, _red(colour)), [4 / 3]
    )
    says = "Your function changes x or x_hat in place."
    yield behaviour(bool((x == 0).all() and (x_hat[0] == 0.5).all()), says)
    y = x_hat.clone().requires_grad_()
    error = f(x, y)
    says = (
        "No gradient flows back to x_hat: keep to torch operations, without `.detach()` or numpy."
    )
    yield behaviour(bool(error.requires_grad), says)
    yield form(
        f(x.double(), x_hat.double()).dtype == torch.float64, "float64 in should be float64 out."
    )


def _red(x):
    x = x.clone()
    x[:, 0] = 2.0
    return x


RECONSTRUCTION_ERROR = Exercise(
    id="1.4",
    title="the error of each image",
    reference="helpers.scores.reconstruction_error",
    difficulty=1,
    minutes=5,
    hints=(
        "A detector decides on each image, so each image needs a number of its own.",
        "Square the difference, then average over all axes but the first. `flatten(start_dim=1)` "
        "makes one row of each image.",
        "`(x_hat - x).square().flatten(start_dim=1).mean(dim=1)`",
    ),
    probe=probe_reconstruction_error,
    misconceptions=(
        Misconception(
            "mean_over_batch",
            "You give one number for the whole batch. That is the training loss; a detector needs one "
            "error for each image, shape (N,): never average over axis 0.",
            lambda x, x_hat: (x_hat - x).square().mean(),
        ),
        Misconception(
            "sum_over_pixels",
            "You sum over the pixels. The mean does not depend on the size of the image, so that "
            "errors of different images can be compared: divide by C·H·W.",
            lambda x, x_hat: (x_hat - x).square().flatten(1).sum(1),
        ),
        Misconception(
            "absolute_error",
            "Yours is the mean absolute error. Here it is the mean of the *squared* differences: what "
            "was trained on is also what is scored.",
            lambda x, x_hat: (x_hat - x).abs().flatten(1).mean(1),
        ),
        Misconception(
            "root",
            "Yours is the root of the mean squared error. The order of the images is the same, the "
            "unit is not: leave the root out.",
            lambda x, x_hat: (x_hat - x).square().flatten(1).mean(1).sqrt(),
        ),
        Misconception(
            "square_of_mean",
            "You square the mean difference; take the mean of the squared differences. Yours lets "
            "errors of opposite sign cancel.",
            lambda x, x_hat: (x_hat - x).flatten(1).mean(1).square(),
        ),
        Misconception(
            "channels_forgotten",
            "Your result still has a channel axis: average over channels, rows and columns, axes 1 "
            "to 3.",
            lambda x, x_hat: (x_hat - x).square().mean(dim=(2, 3)),
        ),
        Misconception(
            "channels_summed",
            "Grey images come out right, colour images do not: you sum over the channels where the "
            "mean belongs.",
            lambda x, x_hat: (x_hat - x).square().sum(1).mean(dim=(1, 2)),
        ),
        Misconception(
            "detached",
            "The numbers are right, but no gradient flows back to x_hat: leave `.detach()`, "
            "`.item()`, numpy and `no_grad` out of it.",
            lambda x, x_hat: (x_hat - x).detach().square().flatten(1).mean(1),
        ),
    ),
)

# --- 1.5 --------------------------------------------------------------------------------------


def probe_mean_std(f):
    scores = np.array([1.0, 1.0, 3.0, 3.0])  # mean 2, standard deviation 1
    yield value("Scores 1, 1, 3, 3 (mean 2, std 1) with k=1", f(scores), 3.0)
    yield value("... with k=3", f(scores, k=3.0), 5.0)
    yield value("Four equal scores 0.5", f(np.full(4, 0.5), k=2), 0.5)
    yield value(
        "Scores 0, 0, 0, 4 (mean 1, std √3) with k=2", f(np.array([0, 0, 0, 4.0]), 2), 4.4641
    )
    yield value("Scores given as a list", f([1.0, 1.0, 3.0, 3.0]), 3.0)
    yield behaviour(
        bool((scores == [1, 1, 3, 3]).all()), "Your function changes the scores in place."
    )


MEAN_STD = Exercise(
    id="1.5",
    title="the mean + k·std rule",
    reference="helpers.thresholds.mean_std_threshold",
    difficulty=1,
    minutes=4,
    hints=(
        "Two numbers describe the scores: where they lie and how far they spread.",
        "Use `np.asarray(scores)` first, so that lists and tensors do as well; then `.mean()` and `.std()`.",
        "`scores.mean() + k * scores.std()`, as a float.",
    ),
    probe=probe_mean_std,
    misconceptions=(
        Misconception(
            "variance",
            "You add k times the variance. The variance is in squared units; its root, the standard "
            "deviation, is in the units of the scores.",
            lambda scores, k=1.0: float(np.mean(scores) + k * np.var(scores)),
        ),
        Misconception(
            "k_ignored",
            "k=1 comes out right, other k do not: multiply the standard deviation by k.",
            lambda scores, k=1.0: float(np.mean(scores) + np.std(scores)),
        ),
        Misconception(
            "median",
            "You start from the median. It is often the better idea, but the rule under study takes "
            "the mean.",
            lambda scores, k=1.0: float(np.median(scores) + k * np.std(scores)),
        ),
        Misconception(
            "below_the_mean",
            "You subtract. High scores are the anomalous ones, so the threshold lies above the mean.",
            lambda scores, k=1.0: float(np.mean(scores) - k * np.std(scores)),
        ),
        Misconception(
            "standard_error",
            "You divide the standard deviation by √n: that is the uncertainty of the mean, not the "
            "spread of the images. It is also the batch-mean trap in another dress.",
            lambda scores, k=1.0: float(
                np.mean(scores) + k * np.std(scores) / np.sqrt(len(scores))
            ),
        ),
        Misconception(
            "sample_std",
            "You divide by n - 1 (pandas, `ddof=1`, or torch's default). With thousands of scores it "
            "makes no difference; here we describe these scores: divide by n, as `np.std` does.",
            lambda scores, k=1.0: float(np.mean(scores) + k * np.std(scores, ddof=1)),
        ),
    ),
)

# --- 1.6 --------------------------------------------------------------------------------------


def probe_p_values(f):
    calibration = np.array([0.1, 0.2, 0.3, 0.4])
    seen = f(calibration, np.array([0.5, 0.25, 0.05]))
    yield value("Calibration .1 .2 .3 .4 and scores .5, .25, .05", seen, [0.2, 0.6, 1.0])
    yield value(
        "A score equal to one calibration score, .3", f(calibration, np.array([0.3])), [0.6]
    )
    shuffled = np.array([0.4, 0.3, 0.2, 0.1])
    yield value(
        "The same calibration scores in another order", f(shuffled, np.array([0.25])), [0.6]
    )
    yield value(
        "Calibration scores with ties: 1 1 1 2, score 1", f(np.array([1, 1, 1, 2.0]), [1.0]), [1.0]
    )
    yield value("No calibration score at all", f(np.array([]), np.array([3.0])), [1.0])
    says = "Your function sorts the caller's calibration scores in place: use `np.sort(...)`, which copies."
    yield behaviour(bool((shuffled == [0.4, 0.3, 0.2, 0.1]).all()), says)
    many = f(np.arange(200.0), np.arange(300.0))
    yield shape_of_array("300 scores", many, (300,))


def shape_of_array(what, seen, expected):
    seen = np.asarray(seen)
    says = f"{what} should give an array of shape {expected}; yours has shape {seen.shape}."
    return form(seen.shape == expected, says, seen=seen.shape)


def _count(calibration_scores, scores, compare):
    calibration_scores, scores = np.asarray(calibration_scores), np.asarray(scores)
    return compare(calibration_scores[:, None], scores[None, :]).sum(axis=0)


P_VALUES = Exercise(
    id="1.6",
    title="conformal p-values",
    reference="helpers.thresholds.conformal_p_values",
    difficulty=2,
    minutes=12,
    hints=(
        "If the new image is normal, its score and the n calibration scores are n + 1 draws from one "
        "distribution: each rank is equally likely. The p-value is the new score's rank from the top, "
        "as a share.",
        "Count the calibration scores that are at least as high as the score (ties included), add one "
        "for the image itself, above and below the line.",
        "With the calibration scores sorted, `n - np.searchsorted(calibration_scores, scores, "
        'side="left")` counts those >= score; then `(1 + count) / (n + 1)`.',
    ),
    probe=probe_p_values,
    misconceptions=(
        Misconception(
            "self_not_counted",
            "You divide the count by n and leave the new image out. Then a score above all others "
            'gets p = 0, "impossible", which n images can never show. Count the image itself: '
            "(1 + count) / (n + 1).",
            lambda c, s: _count(c, s, np.greater_equal) / max(len(c), 1),
        ),
        Misconception(
            "one_added_above_only",
            "You add 1 above the line but not below: p can exceed 1. The image itself is one of the "
            "n + 1.",
            lambda c, s: (1 + _count(c, s, np.greater_equal)) / max(len(c), 1),
        ),
        Misconception(
            "wrong_direction",
            "You count the calibration scores *below* the new one, so the most anomalous image gets "
            "the largest p. A small p must mean: hardly any normal image is this strange.",
            lambda c, s: (1 + _count(c, s, np.less_equal)) / (len(c) + 1),
        ),
        Misconception(
            "ties_not_counted",
            "Ties: a calibration score *equal* to the new score is at least as high and counts. With "
            "`>` the rule would flag more than alpha of the normal images where scores are tied.",
            lambda c, s: (1 + _count(c, s, np.greater)) / (len(c) + 1),
        ),
        Misconception(
            "not_sorted",
            "`np.searchsorted` needs a sorted array and does not check: with calibration scores in "
            "another order you get another answer. Sort them first.",
            lambda c, s: (
                (1 + len(c) - np.searchsorted(np.asarray(c), np.asarray(s), side="left"))
                / (len(c) + 1)
            ),
        ),
    ),
)

# --- 1.7 --------------------------------------------------------------------------------------


def probe_threshold(f):
    scores = np.arange(1.0, 20.0)  # n = 19: p-values are multiples of 1/20
    yield value("n = 19 scores 1 to 19, alpha = 0.10 (two of 20 allowed)", f(scores, 0.10), 18.0)
    yield value("... alpha = 0.05 (one of 20 allowed)", f(scores, 0.05), 19.0)
    yield value("... alpha = 0.04: no p-value is that small", f(scores, 0.04), np.inf)
    yield value("... alpha = 0.14 (2.8 of 20 allowed: 2)", f(scores, 0.14), 18.0)
    yield value("... in another order", f(scores[::-1], 0.10), 18.0)
    tied = np.array([1.0, 5.0, 5.0, 5.0])
    yield value("Scores 1 5 5 5 with alpha = 0.4", f(tied, 0.4), 5.0)
    # 0.29·100 is 28.999... in binary; p = 29/100 is still <= 0.29
    yield value("99 scores, alpha = 0.29", f(np.arange(1.0, 100.0), 0.29), 71.0)
    yield value("alpha = 1 flags everything", f(scores, 1.0), -np.inf)
    yield behaviour(
        bool((tied == [1, 5, 5, 5]).all()), "Your function changes the scores in place."
    )


THRESHOLD = Exercise(
    id="1.7",
    title="the conformal threshold",
    reference="helpers.thresholds.conformal_threshold",
    difficulty=3,
    minutes=15,
    hints=(
        "Turn the p-value round: which scores have p <= alpha? Those with at most so many calibration "
        "scores at or above them.",
        "An image that exceeds all n scores has p = 1/(n + 1), one that exceeds all but one has "
        "2/(n + 1), and so on. Count how many of these values are <= alpha: that many from the top "
        "may be reached.",
        "`allowed = (np.arange(1, n + 2) / (n + 1) <= alpha).sum()`; the threshold is the "
        "`allowed`-th highest score, `np.inf` for 0 and `-np.inf` for n + 1.",
    ),
    probe=probe_threshold,
    misconceptions=(
        Misconception(
            "plain_quantile",
            "Yours is the interpolated (1 - alpha) quantile of the scores. It forgets the new image: "
            "with n = 19 and alpha = 5 % it flags more than 1 in 20. And where n is too small for "
            "alpha it gives a number, not infinity.",
            lambda s, alpha: float(np.quantile(s, 1 - alpha)),
        ),
        Misconception(
            "self_not_counted",
            "You take alpha·n of the scores; the new image makes it alpha·(n + 1). With 19 scores "
            "and alpha = 0.10, two of 20 are allowed.",
            lambda s, alpha: _nth_highest(s, int(np.floor(alpha * len(s) + 1e-9))),
        ),
        Misconception(
            "one_too_far",
            "You go one score too far down: a score just above it has p slightly larger than alpha. "
            "Remember the 1 that counts the image itself.",
            lambda s, alpha: _nth_highest(s, _allowed(s, alpha) + 1),
        ),
        Misconception(
            "one_too_high",
            "You stop one score too early: scores with p exactly alpha are to be flagged as well.",
            lambda s, alpha: _nth_highest(s, _allowed(s, alpha) - 1),
        ),
        Misconception(
            "rounding",
            "Nearly: `floor(alpha * (n + 1))` stumbles over binary fractions, 0.29·100 being "
            "28.999…. Compare the p-values themselves: `np.arange(1, n + 2) / (n + 1) <= alpha`.",
            lambda s, alpha: _nth_highest(s, int(np.floor(alpha * (len(s) + 1)))),
        ),
        Misconception(
            "finite_when_too_small",
            "With 19 scores and alpha = 4 % no p-value is small enough, so nothing may be flagged: "
            "the threshold is infinite, not the highest score.",
            lambda s, alpha: _nth_highest(s, max(1, _allowed(s, alpha))),
        ),
        Misconception(
            "lower_tail",
            "Your threshold lies in the lower tail. High scores are the anomalous ones: count from "
            "the top.",
            lambda s, alpha: -_nth_highest(-np.asarray(s), _allowed(s, alpha)),
        ),
    ),
)


def _allowed(scores, alpha):
    n = len(scores)
    return int((np.arange(1, n + 2) / (n + 1) <= alpha).sum())


def _nth_highest(scores, k):
    levels = np.concatenate([[np.inf], np.sort(scores)[::-1], [-np.inf]])
    return float(levels[np.clip(k, 0, len(scores) + 1)])


# --- 1.8 --------------------------------------------------------------------------------------


def probe_auroc(f):
    normal, anomaly = np.array([0.1, 0.4, 0.35]), np.array([0.8, 0.3])
    # pairs: .8 beats all three; .3 beats only .1: 4 of 6
    yield value(
        "Normal .1 .4 .35, anomalies .8 .3 (4 of 6 pairs in order)", f(normal, anomaly), 4 / 6
    )
    yield value("All anomalies above all normals", f([1.0, 2.0], [3.0, 4.0, 5.0]), 1.0)
    yield value("All anomalies below", f([3.0, 4.0], [1.0]), 0.0)
    yield value(
        "One tie: normal 1 2, anomaly 2 (a win and a half of 2)", f([1.0, 2.0], [2.0]), 0.75
    )
    yield value("All scores equal", f(np.zeros(5), np.zeros(3)), 0.5)
    yield value("Three anomalies to one normal", f([2.0], [1.0, 3.0, 3.0]), 2 / 3)
    rng = np.random.default_rng(3)
    big_normal, big_anomaly = rng.integers(0, 50, 400), rng.integers(10, 60, 300)
    # the definition itself, counted pair by pair
    wins = (big_anomaly[:, None] > big_normal).mean() + 0.5 * (
        big_anomaly[:, None] == big_normal
    ).mean()
    yield value(
        "400 normal and 300 anomaly scores with many ties", f(big_normal, big_anomaly), wins
    )
    says = "Your function changes the scores in place."
    yield behaviour(
        bool((normal == [0.1, 0.4, 0.35]).all() and (anomaly == [0.8, 0.3]).all()), says
    )


def _rank_sum(normal, anomaly):
    return rankdata(np.concatenate([normal, anomaly]))[len(normal) :].sum()


def _thresholded(normal, anomaly):
    cut = np.mean(np.concatenate([normal, anomaly]))
    found, false_alarms = np.mean(np.asarray(anomaly) > cut), np.mean(np.asarray(normal) > cut)
    return float((1 + found - false_alarms) / 2)


AUROC = Exercise(
    id="1.8",
    title="AUROC by ranks",
    reference="helpers.metrics.auroc",
    difficulty=2,
    minutes=12,
    hints=(
        "AUROC is a probability: draw one anomaly and one normal image; how often does the anomaly "
        "score higher? Rank all scores together, and the ranks of the anomalies tell.",
        "The sum of the anomalies' ranks counts, for each anomaly, itself and everything below it. "
        "Subtract what the anomalies contribute among themselves, 1 + 2 + … + m = m(m + 1)/2.",
        "`ranks = rankdata(np.concatenate([normal_scores, anomaly_scores]))`, then "
        "`(ranks[n:].sum() - m * (m + 1) / 2) / (n * m)`.",
    ),
    probe=probe_auroc,
    misconceptions=(
        Misconception(
            "normals_and_anomalies_swapped",
            "Yours is 1 minus the AUROC: it is 0 where every anomaly scores above every normal image. "
            "Higher is more anomalous: sum the ranks of the anomalies.",
            lambda n, a: (
                1.0 - float((_rank_sum(n, a) - len(a) * (len(a) + 1) / 2) / (len(n) * len(a)))
            ),
        ),
        Misconception(
            "ties_lose",
            "Where an anomaly and a normal image have the same score you count nothing (or a whole "
            "win); it should be half. `rankdata` shares the mean rank among ties by default.",
            lambda n, a: float(np.mean(np.asarray(a)[:, None] > np.asarray(n)[None, :])),
        ),
        Misconception(
            "ties_win",
            "Where an anomaly and a normal image have the same score you count a whole win; it should "
            "be half: a detector that gives every image the same score is worth 0.5, not 1. (Ranks "
            "from `argsort` do this: give tied scores their mean rank, as `rankdata` does.)",
            lambda n, a: float(np.mean(np.asarray(a)[:, None] >= np.asarray(n)[None, :])),
        ),
        Misconception(
            "own_ranks_not_subtracted",
            "You forgot what the anomalies' ranks count among themselves: subtract m(m + 1)/2, else "
            "the result exceeds 1.",
            lambda n, a: float(_rank_sum(n, a) / (len(n) * len(a))),
        ),
        Misconception(
            "ranks_from_zero",
            "You subtract m(m - 1)/2, which is right for ranks from 0; `rankdata` counts from 1, so "
            "it is m(m + 1)/2.",
            lambda n, a: float((_rank_sum(n, a) - len(a) * (len(a) - 1) / 2) / (len(n) * len(a))),
        ),
        Misconception(
            "thresholded",
            "You cut the scores at one threshold. That gives one point of the ROC curve and the "
            "balanced accuracy there; AUROC uses the whole order of the scores.",
            _thresholded,
        ),
    ),
)

# --- 1.9 --------------------------------------------------------------------------------------


def probe_pca(f):
    # points on the line y = 2x + 1 (in pixels), with a mean far from the origin
    t = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0], dtype=torch.float64)
    train = torch.stack([3 + t, 7 + 2 * t], dim=1).reshape(5, 1, 1, 2)
    yield shape("Five pictures (5, 1, 1, 2)", f(train, train, 1), (5, 1, 1, 2))
    yield value(
        "Training points on a line, one component: nothing is lost", f(train, train, 1), train
    )
    # a point off the line by (2, -1), which is at right angles to it
    off = torch.tensor([[3.0 + 2.0, 7.0 - 1.0]], dtype=torch.float64).reshape(1, 1, 1, 2)
    yield value("A point off the line falls back on it", f(train, off, 1).flatten(), [3.0, 7.0])
    yield value(
        "No component: the mean of the training images", f(train, off, 0).flatten(), [3.0, 7.0]
    )
    yield value("All components: the image itself", f(train, off, 2), off)
    # two spreads, 10 along the first pixel and 1 along the second
    wide = torch.tensor([[-10.0, 0], [10, 0], [0, -1], [0, 1]], dtype=torch.float64).reshape(
        4, 1, 2, 1
    )
    new = torch.tensor([[4.0, 5.0]], dtype=torch.float64).reshape(1, 1, 2, 1)
    yield value(
        "One component keeps the direction of the *largest* spread",
        f(wide, new, 1).flatten(),
        [4, 0],
    )
    batch = torch.cat([off, train])
    says = "The reconstruction of an image depends on the other images in x: fit on x_train alone."
    yield behaviour(torch.allclose(f(train, batch, 1)[:1], f(train, off, 1)), says)
    yield behaviour(bool(train[0, 0, 0, 0] == 1.0), "Your function changes x_train in place.")


def _pca(x_train, x, components, centre=True, add_mean=True, smallest=False, fit_on_x=False):
    train, rows = (x if fit_on_x else x_train).flatten(1), x.flatten(1)
    mean = train.mean(0) if centre else torch.zeros_like(train[0])
    _, directions = torch.linalg.eigh((train - mean).T @ (train - mean))
    kept = directions[:, :components] if smallest else directions.flip(1)[:, :components]
    out = (rows - mean) @ kept @ kept.T
    return (out + mean if add_mean else out).view_as(x)


PCA = Exercise(
    id="1.9",
    title="reconstruction by PCA",
    reference="helpers.latent.pca_reconstruct",
    difficulty=2,
    minutes=12,
    hints=(
        "PCA is an autoencoder without training: centre, project on the directions of largest "
        "spread, come back, undo the centring.",
        "The directions are the eigenvectors of the scatter matrix `centred.T @ centred`, with "
        "`centred = train - mean`; `torch.linalg.eigh` lists them from small to large variance.",
        "`kept = directions.flip(dims=[1])[:, :components]`, then `mean + (rows - mean) @ kept @ "
        "kept.T`, in the shape of x.",
    ),
    probe=probe_pca,
    misconceptions=(
        Misconception(
            "not_centred",
            "You do not subtract the mean, so the first direction points at the mean image instead of "
            "along the spread. Centre first, add the mean at the end.",
            lambda a, b, k: _pca(a, b, k, centre=False),
        ),
        Misconception(
            "mean_not_added",
            "Your reconstructions are centred on zero: add the mean back at the end.",
            lambda a, b, k: _pca(a, b, k, add_mean=False),
        ),
        Misconception(
            "smallest_directions",
            "You keep the directions of *smallest* spread: `eigh` sorts the eigenvalues from small to "
            "large, so take the last columns.",
            lambda a, b, k: _pca(a, b, k, smallest=True),
        ),
        Misconception(
            "fit_on_test",
            "You fit mean and directions on x. Fit on x_train only: a detector may not look at the "
            "images that it will judge.",
            lambda a, b, k: _pca(a, b, k, fit_on_x=True),
        ),
        Misconception(
            "codes_returned",
            "You return the codes, one number per component. Multiply back by the directions and "
            "give the images their shape.",
            lambda a, b, k: (
                (b.flatten(1) - a.flatten(1).mean(0))
                @ torch.linalg.eigh(torch.cov(a.flatten(1).T)).eigenvectors.flip(1)[:, :k]
            ),
        ),
        Misconception(
            "shape_lost",
            "The numbers are right, but they come back as rows of pixels: give them the shape of x "
            "with `.view_as(x)`.",
            lambda a, b, k: pca_reconstruct(a, b, k).flatten(1),
        ),
    ),
)

# --- 1.10 -------------------------------------------------------------------------------------


def probe_interpolate(f):
    a, b = torch.tensor([0.0, 10.0, -1.0]), torch.tensor([4.0, 2.0, -1.0])
    path = f(a.to(device()), b.to(device()), 5)  # as the notebook will call it
    yield shape("Five steps between two codes of 3 numbers", path, (5, 3))
    expected = [[0, 10, -1], [1, 8, -1], [2, 6, -1], [3, 4, -1], [4, 2, -1]]
    yield value("From (0, 10, -1) to (4, 2, -1) in five steps", path, expected)
    yield value("Two steps: only the ends", f(a, b, 2), torch.stack([a, b]))
    yield form(
        f(a.double(), b.double(), 3).dtype == torch.float64, "float64 in should be float64 out."
    )
    start = a.clone().requires_grad_()
    says = "No gradient flows back to z_start: keep to torch operations."
    yield behaviour(bool(f(start, b, 3).requires_grad), says)
    yield behaviour(
        bool((a == torch.tensor([0.0, 10.0, -1.0])).all()), "Your function changes z_start."
    )


def _path(a, b, t):
    t = t.to(a).unsqueeze(1)
    return (1 - t) * a + t * b


INTERPOLATE = Exercise(
    id="1.10",
    title="interpolation between two codes",
    reference="helpers.latent.interpolate",
    difficulty=1,
    minutes=6,
    hints=(
        "Walk from 0 to 1: at 0 you are at z_start, at 1 at z_end, in between at a weighted mean.",
        "`torch.linspace(0, 1, steps)` includes both ends. Give it a second axis, so that it "
        "multiplies whole codes.",
        "`t = torch.linspace(0, 1, steps).unsqueeze(1)`, then `(1 - t) * z_start + t * z_end`; give "
        "`linspace` the dtype and device of z_start.",
    ),
    probe=probe_interpolate,
    misconceptions=(
        Misconception(
            "start_missing",
            "Your path never shows its start: the first row should be z_start itself. "
            "`torch.linspace(0, 1, steps)` includes both ends.",
            lambda a, b, n: _path(a, b, torch.arange(1, n + 1) / n),
        ),
        Misconception(
            "end_missing",
            "Your path stops one step before z_end. Divide by steps - 1, or use `torch.linspace`.",
            lambda a, b, n: _path(a, b, torch.arange(n) / n),
        ),
        Misconception(
            "backwards",
            "You walk from z_end to z_start: t weights the end, 1 - t the start.",
            lambda a, b, n: _path(b, a, torch.linspace(0, 1, n)),
        ),
        Misconception(
            "inner_only",
            "You give only the points in between. Both ends belong to the path, so that one sees where "
            "it starts and where it leads.",
            lambda a, b, n: _path(a, b, torch.linspace(0, 1, n + 2)[1:-1]),
        ),
        Misconception(
            "transposed",
            "Your rows are latent dimensions and your columns steps; it should be (steps, d): one row "
            "a step, ready for the decoder.",
            lambda a, b, n: interpolate(a, b, n).T,
        ),
    ),
)

# --- 1.11 -------------------------------------------------------------------------------------


def probe_psnr(f):
    x = torch.zeros(2, 1, 3, 2)
    x_hat = torch.stack([torch.full((1, 3, 2), 0.1), torch.full((1, 3, 2), 0.01)])
    seen = f(x, x_hat)
    yield shape("Two pictures (2, 1, 3, 2)", seen, (2,))
    yield value("One picture off by 0.1, one by 0.01, data_range 1", seen, [20.0, 40.0])
    yield value("The same with data_range=255", f(x, x_hat, data_range=255.0), [68.1308, 88.1308])
    yield value("A reconstruction without error", f(x[:1], x[:1]), [np.inf])
    half = torch.zeros(1, 1, 1, 4)
    half[..., 0] = 1.0  # one of four pixels off by 1: mse 1/4, so 10·log10(4)
    yield value("One of four pixels off by 1", f(torch.zeros(1, 1, 1, 4), half), [6.0206])
    yield behaviour(bool((x == 0).all()), "Your function changes x in place.")


def _mse(x, x_hat):
    return (x_hat - x).square().flatten(1).mean(1)


PSNR = Exercise(
    id="1.11",
    title="peak signal-to-noise ratio",
    reference="helpers.metrics.psnr",
    difficulty=1,
    minutes=6,
    hints=(
        "PSNR asks how many times the largest possible signal power exceeds the power of the error, "
        "on a logarithmic scale.",
        "The signal's power is data_range squared, the error's is the mean squared error of each "
        "image; decibels are ten times the base-10 logarithm of their ratio.",
        "`10 * torch.log10(data_range**2 / mse)`, with the per-image mse of exercise 1.4.",
    ),
    probe=probe_psnr,
    misconceptions=(
        Misconception(
            "natural_log",
            "You use the natural logarithm. Decibels are ten times the logarithm to base 10: "
            "`torch.log10`.",
            lambda x, y, data_range=1.0: 10 * torch.log(data_range**2 / _mse(x, y)),
        ),
        Misconception(
            "range_not_squared",
            "With a range of 1 you are right, with 255 not: the range is an amplitude, the mse a "
            "power. Square the range.",
            lambda x, y, data_range=1.0: 10 * torch.log10(data_range / _mse(x, y)),
        ),
        Misconception(
            "factor_20",
            "Yours is twice too large: 20·log10 is for a ratio of amplitudes, 10·log10 for a ratio of "
            "powers, and the mse is a power.",
            lambda x, y, data_range=1.0: 20 * torch.log10(data_range**2 / _mse(x, y)),
        ),
        Misconception(
            "sign",
            "Your sign is reversed: a better reconstruction has a *higher* PSNR. The error stands "
            "below the line.",
            lambda x, y, data_range=1.0: 10 * torch.log10(_mse(x, y) / data_range**2),
        ),
        Misconception(
            "batch_mean",
            "You give one number for the batch: the PSNR of the mean error. Give one for each image, "
            "shape (N,): the mean of logarithms is not the logarithm of the mean.",
            lambda x, y, data_range=1.0: 10 * torch.log10(data_range**2 / (y - x).square().mean()),
        ),
        Misconception(
            "range_ignored",
            "`data_range` is not used: for images in 0 to 255 the same picture would get another "
            "quality.",
            lambda x, y, data_range=1.0: 10 * torch.log10(1 / _mse(x, y)),
        ),
    ),
)

EXERCISES = (
    CONV_OUTPUT_SIZE,
    AUTOENCODER,
    TRAIN_STEP,
    RECONSTRUCTION_ERROR,
    MEAN_STD,
    P_VALUES,
    THRESHOLD,
    AUROC,
    PCA,
    INTERPOLATE,
    PSNR,
)
