"""Wrong answers to module 1, written by hand as learners write them, none edited from a reference.

With each the name of the mistake that the checker should give, or a part of what it should say.
"""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score
from torch import nn

from helpers.experiments.module_01 import parts

WRONG = {}


def wrong(id, expected=""):
    def listed(answer):
        WRONG.setdefault(id, []).append((answer, expected))
        return answer

    return listed


# --- 1.1 --------------------------------------------------------------------------------------


@wrong("1.1", "one_side_padding")
def padding_on_one_side(size, kernel_size, stride=1, padding=0):
    return (size + padding - kernel_size) // stride + 1


@wrong("1.1", "padding_ignored")
def without_padding(size, kernel_size, stride=1, padding=0):
    return (size - kernel_size) // stride + 1


@wrong("1.1", "first_place_forgotten")
def moves_only(size, kernel_size, stride=1, padding=0):
    return (size + 2 * padding - kernel_size) // stride


@wrong("1.1", "float_division")
def with_fractions(size, kernel_size, stride=1, padding=0):
    return (size + 2 * padding - kernel_size) / stride + 1


@wrong("1.1", "yours is an object of type float")
def a_whole_float(size, kernel_size, stride=1, padding=0):
    return np.floor((size + 2 * padding - kernel_size) / stride) + 1


@wrong("1.1", "ceil")
def rounded_up(size, kernel_size, stride=1, padding=0):
    return math.ceil((size + 2 * padding - kernel_size) / stride) + 1


@wrong("1.1", "rounded")
def rounded_to_even(size, kernel_size, stride=1, padding=0):
    return round((size + 2 * padding - kernel_size) / stride) + 1


@wrong("1.1", "stride_ignored")
def stride_one(size, kernel_size, stride=1, padding=0):
    return size + 2 * padding - kernel_size + 1


@wrong("1.1", "should give 10; yours gave 49")
def backwards_arithmetic(size, kernel_size, stride=1, padding=0):
    return (size - 1) * stride - 2 * padding + kernel_size


@wrong("1.1")
def same_padding_assumed(size, kernel_size, stride=1, padding=0):
    return -(-size // stride)


@wrong("1.1")
def stride_before_kernel(size, kernel_size, stride=1, padding=0):
    return (size + 2 * padding) // stride - kernel_size + 1


@wrong("1.1")
def one_inside_the_division(size, kernel_size, stride=1, padding=0):
    return (size + 2 * padding - kernel_size + 1) // stride


@wrong("1.1", "should give 10; yours gave 11")
def kernel_forgotten(size, kernel_size, stride=1, padding=0):
    return (size + 2 * padding) // stride


@wrong("1.1", "default 1; yours has 2")
def other_default_stride(size, kernel_size, stride=2, padding=0):
    return (size + 2 * padding - kernel_size) // stride + 1


# --- 1.2 --------------------------------------------------------------------------------------


def encoder(latent_dim, bend=nn.ReLU, after=()):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        bend(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        bend(),
        nn.Flatten(),
        nn.Linear(1568, 64),
        nn.Linear(64, latent_dim),
        *after,
    )


def decoder(latent_dim, bends=(nn.ReLU, nn.ReLU), last=nn.Sigmoid, extra=1):
    return nn.Sequential(
        nn.Linear(latent_dim, 64),
        nn.Linear(64, 1568),
        bends[0](),
        nn.Unflatten(1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=extra),
        bends[1](),
        nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=extra),
        last(),
    )


class Autoencoder(nn.Module):
    """The scaffold; each wrong answer fills it in its own way."""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


@wrong("1.2", "no_output_padding")
class WithoutOutputPadding(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim, extra=0)


@wrong("1.2", "no_sigmoid")
class WithoutSigmoid(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim, last=nn.Identity)


@wrong("1.2", "relu_at_the_end")
class EndingInReLU(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim, last=nn.ReLU)


@wrong("1.2", "Pixels lie in [0, 1]; your decoder gives -1 to 1")
class EndingInTanh(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim, last=nn.Tanh)


@wrong("1.2", "relu_before_sigmoid")
class ReLUBeforeSigmoid(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        last = lambda: nn.Sequential(nn.ReLU(), nn.Sigmoid())  # noqa: E731
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim, last=last)


@wrong("1.2", "clamp_for_sigmoid")
class Clamped(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim, last=nn.Identity)

    def decode(self, z):
        return self.decoder(z).clamp(0, 1)


@wrong("1.2", "Look at order, strides and ReLUs")
class HalfATanh(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim, last=nn.Tanh)

    def decode(self, z):
        return (self.decoder(z) + 1) / 2


@wrong("1.2", "no_relu")
class Linear(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim, nn.Identity)
        self.decoder = decoder(latent_dim, (nn.Identity, nn.Identity))


@wrong("1.2", "other_activation")
class TanhForReLU(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim, nn.Tanh)
        self.decoder = decoder(latent_dim, (nn.Tanh, nn.Tanh))


@wrong("1.2", "Look at order, strides and ReLUs")
class LeakyReLU(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim, nn.LeakyReLU)
        self.decoder = decoder(latent_dim, (nn.LeakyReLU, nn.LeakyReLU))


@wrong("1.2", "no_relu_in_the_encoder")
class LinearEncoder(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim, nn.Identity), decoder(latent_dim)


@wrong("1.2", "no_relu_before_unflatten")
class LinearThenTransposed(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        self.decoder = decoder(latent_dim, (nn.Identity, nn.ReLU))


@wrong("1.2", "no_relu_between_the_transposed")
class NoReLUBetweenTransposed(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        self.decoder = decoder(latent_dim, (nn.ReLU, nn.Identity))


@wrong("1.2", "relu_on_the_code")
class CodeCutOff(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim, after=[nn.ReLU()]), decoder(latent_dim)


@wrong("1.2", "with known weights `encode` should give")
class CodeSquashed(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim, after=[nn.Tanh()]), decoder(latent_dim)


@wrong("1.2", "latent_dim_ignored")
class AlwaysTwenty(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(20), decoder(20)


@wrong("1.2", "no_flatten")
class NotFlattened(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        del self.encoder[4]


@wrong("1.2", "no_unflatten")
class RowsToAConvolution(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        del self.decoder[3]


@wrong("1.2", "no_padding")
class NoRoomAtTheEdge(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder[0] = nn.Conv2d(1, 16, 3, stride=2)
        self.encoder[2] = nn.Conv2d(16, 32, 3, stride=2)


@wrong("1.2", "no_stride")
class NoStep(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder[0] = nn.Conv2d(1, 16, 3, padding=1)
        self.encoder[2] = nn.Conv2d(16, 32, 3, padding=1)


@wrong("1.2", "a `Linear` that takes 1568 numbers an image is given rows of 6272")
class OneConvolutionHalves(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder[2] = nn.Conv2d(16, 32, 3, padding=1)


@wrong("1.2", "no_linear_to_channels")
class SixtyFourToChannels(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        del self.decoder[1]


@wrong("1.2", "a convolution whose first number is 1 is given 16 channels")
class EncoderChannelsSwapped(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder[2] = nn.Conv2d(1, 32, 3, stride=2, padding=1)


@wrong("1.2", "a convolution whose first number is 16 is given 32 channels")
class DecoderChannelsSwapped(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.decoder[4] = nn.ConvTranspose2d(16, 32, 3, 2, 1, 1)


@wrong("1.2", "an `Unflatten` to (32, 14, 14) is given 1568 numbers an image")
class OtherUnflatten(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.decoder[3] = nn.Unflatten(1, (32, 14, 14))


@wrong("1.2", "It stopped with RuntimeError")
class AnotherError(Autoencoder):
    def encode(self, x):
        return self.encoder(x.view(3, 1000))


@wrong("1.2", "decoder_without_latent_dim")
class DecoderAlwaysTwenty(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(20)


@wrong("1.2", "no_bottleneck")
class FeatureMapsAsCode(Autoencoder):
    def encode(self, x):
        for layer in self.encoder[:4]:
            x = layer(x)
        return x


@wrong("1.2", "shape (3, 20)")
class CodeNotFlat(Autoencoder):
    def encode(self, x):
        return self.encoder(x)[:, :, None, None]


@wrong("1.2", "default 20; yours has 32")
class OtherDefault(Autoencoder):
    def __init__(self, latent_dim=32):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)


@wrong("1.2", "No gradient reaches these parameters")
class CodeDetached(Autoencoder):
    def forward(self, x):
        return self.decode(self.encode(x).detach())


@wrong("1.2", "The largest difference between `forward(x)` and `decode(encode(x))`")
class ForwardWithASkip(Autoencoder):
    def forward(self, x):
        return (self.decode(self.encode(x)) + x) / 2


@wrong("1.2", "None (is a `return` missing?)")
class ForwardWithoutReturn(Autoencoder):
    def forward(self, x):
        self.decode(self.encode(x))


@wrong("1.2", "an object of type tuple")
class ForwardReturnsTheCodeToo(Autoencoder):
    def forward(self, x):
        z = self.encode(x)
        return self.decode(z), z


@wrong("1.2", "parameters; yours has")
class WithBatchNorm(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder.insert(1, nn.BatchNorm2d(16))


@wrong("1.2")
class WithDropout(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder.insert(5, nn.Dropout(0.2))


@wrong("1.2", "with known weights `encode` should give")
class WithInstanceNorm(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder.insert(1, nn.InstanceNorm2d(16))


@wrong("1.2", "parameters; yours has")
class OtherChannels(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder[0] = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.encoder[2] = nn.Conv2d(8, 32, 3, stride=2, padding=1)


@wrong("1.2", "parameters; yours has")
class NoHiddenLinear(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder = nn.Sequential(*self.encoder[:5], nn.Linear(1568, latent_dim))


@wrong("1.2")
class PoolsInsteadOfStrides(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder[0] = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2))
        self.encoder[2] = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.MaxPool2d(2))


@wrong("1.2")
class UpsamplesInsteadOfTransposing(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.decoder[4] = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, padding=1)
        )
        self.decoder[6] = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, padding=1))


@wrong("1.2")
class PadsByReflection(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder[0] = nn.Conv2d(1, 16, 3, stride=2, padding=1, padding_mode="reflect")


@wrong("1.2", "inherit from `nn.Module`")
class NotAModule:
    def __init__(self, latent_dim=20):
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)

    def encode(self, x):
        return self.encoder(x)


@wrong("1.2", "with known weights `encode` should give")
class ReLU6(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim, nn.ReLU6), decoder(latent_dim)


@wrong("1.2")
class NoiseOnTheInput(Autoencoder):
    def encode(self, x):
        return self.encoder(x + 0.1 * torch.randn_like(x))


@wrong("1.2", "parameters; yours has 0")
class LayersInAList(Autoencoder):
    """Layers that no module knows of."""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.down, self.up = list(encoder(latent_dim)), list(decoder(latent_dim))
        del self.encoder, self.decoder

    def encode(self, x):
        for layer in self.down:
            x = layer(x)
        return x

    def decode(self, z):
        for layer in self.up:
            z = layer(z)
        return z


@wrong("1.2", "relu_after_both_64")
class WithMoreReLUs(nn.Module):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(1568, 64),
            nn.ReLU(),
            nn.Linear(64, latent_dim),
        )
        self.lin = nn.Sequential(
            nn.Linear(latent_dim, 64), nn.ReLU(), nn.Linear(64, 1568), nn.ReLU()
        )
        self.deconv = nn.Sequential(
            nn.ConvTranspose2d(32, 16, 3, 2, 1, 1), nn.ReLU(), nn.ConvTranspose2d(16, 1, 3, 2, 1, 1)
        )

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.deconv(self.lin(z).view(-1, 32, 7, 7)).sigmoid()

    def forward(self, x):
        z = self.encode(x)
        return self.decode(z)


@wrong("1.2", "relu_after_the_encoders_64")
class ReLUAfterTheEncoders64(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.encoder.insert(6, nn.ReLU())


@wrong("1.2", "relu_after_the_decoders_64")
class ReLUAfterTheDecoders64(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)
        self.decoder.insert(1, nn.ReLU())


def of_the_table(latent_dim, first=(), second=(), layer=nn.ConvTranspose2d):
    """The decoder, with other arguments of its two transposed convolutions."""
    sizes = {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}
    first, second = ({k: v for k, v in sizes.items() if k not in left} for left in (first, second))
    return nn.Sequential(
        nn.Linear(latent_dim, 64),
        nn.Linear(64, 1568),
        nn.ReLU(),
        nn.Unflatten(1, (32, 7, 7)),
        layer(32, 16, **first),
        nn.ReLU(),
        layer(16, 1, **second),
        nn.Sigmoid(),
    )


@wrong("1.2", "output_padding_only_second")
class OutputPaddingOnceSecond(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        self.decoder = of_the_table(latent_dim, first=["output_padding"])


@wrong("1.2", "output_padding_only_first")
class OutputPaddingOnceFirst(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        self.decoder = of_the_table(latent_dim, second=["output_padding"])


@wrong("1.2", "no_padding_in_the_decoder")
class NoPaddingOnTheWayBack(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        self.decoder = of_the_table(latent_dim, first=["padding"], second=["padding"])


@wrong("1.2", "no_stride_in_the_decoder")
class NoStrideOnTheWayBack(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        self.decoder = of_the_table(latent_dim, first=["stride"], second=["stride"])


@wrong("1.2", "no_stride_in_the_decoder")
class StrideOnceOnTheWayBack(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        self.decoder = of_the_table(latent_dim, second=["stride"])


@wrong("1.2", "conv_in_the_decoder")
class ConvolutionsOnTheWayBack(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        left = ["output_padding"]
        self.decoder = of_the_table(latent_dim, first=left, second=left, layer=nn.Conv2d)


@wrong("1.2", "`nn.Sigmoid` has no brackets")
class SigmoidWithoutBrackets(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        self.decoder = nn.Sequential(*of_the_table(latent_dim)[:-1], nn.Sigmoid)


@wrong("1.2", "not as a list")
class LayersInBrackets(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        self.decoder = nn.Sequential([nn.Linear(latent_dim, 64), nn.ReLU()])


@wrong("1.2", "the shape goes in brackets of its own")
class UnflattenWithFourNumbers(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = encoder(latent_dim)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, 1568), nn.Unflatten(1, 32, 7, 7))


@wrong("1.2", "It stopped with TypeError")
class KernelMisspelt(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 16, kernel=3))


# --- 1.3 --------------------------------------------------------------------------------------


@wrong("1.3", "no_zero_grad")
def gradients_pile_up(model, x, optimizer, loss_fn):
    x_hat = model(x)
    loss = loss_fn(x_hat, x)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3", "returns_tensor")
def loss_with_its_graph(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return loss


@wrong("1.3", "Return the loss as a Python float")
def loss_detached_but_a_tensor(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return loss.detach()


@wrong("1.3", "None (is a `return` missing?)")
def nothing_returned(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()


@wrong("1.3", "no_step")
def without_a_step(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    return loss.item()


@wrong("1.3", "no_backward")
def without_backward(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    optimizer.step()
    return loss.item()


@wrong("1.3", "no_backward")
def without_backward_clearing_last(model, x, optimizer, loss_fn):
    loss = loss_fn(model(x), x)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


@wrong("1.3", "zero_grad_too_late")
def cleared_before_the_step(model, x, optimizer, loss_fn):
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


@wrong("1.3", "1.8 after one step of size 0.1; yours is 3")
def step_before_backward(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    optimizer.step()
    loss.backward()
    return loss.item()


@wrong("1.3", "arguments_swapped")
def target_first(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(x, model(x))
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3", "target_is_the_output")
def compared_with_itself(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    x_hat = model(x)
    loss = loss_fn(x_hat, x_hat)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3", "loss_hard_coded")
def squared_error_always(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = ((model(x) - x) ** 2).mean()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3", "loss_after_update")
def second_forward_pass(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    loss = loss_fn(model(x), x)
    return loss.item()


@wrong("1.3", "The loss before the first update should give 12; yours gave 24")
def loss_times_batch(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return loss.item() * len(x)


@wrong("1.3", "1.8 after one step of size 0.1; yours is 2.9")
def gradient_clipped(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


@wrong("1.3", "1.8 after one step of size 0.1")
def two_steps(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    optimizer.step()
    return loss.item()


@wrong("1.3", "1.8 after one step of size 0.1")
def image_by_image(model, x, optimizer, loss_fn):
    losses = []
    for image in x:
        optimizer.zero_grad()
        loss = loss_fn(model(image), image)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@wrong("1.3", "does not require grad")
def reconstruction_without_grad(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    with torch.no_grad():
        x_hat = model(x)
    loss = loss_fn(x_hat, x)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3", "eval mode")
def in_eval_mode(model, x, optimizer, loss_fn):
    model.eval()
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3", "1.8 after one step of size 0.1; yours is 3")
def output_clamped(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x).clamp(0, 1), x)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3")
def first_image_only(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x[:1]), x[:1])
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3", "no_step")
def step_without_parentheses(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step  # noqa: B018
    return loss.item()


@wrong("1.3", "should give 3.33333; yours gave 3.3333")
def rounded_loss(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return round(loss.item(), 4)


@wrong("1.3")
def flattened_first(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    x_hat = model(x)
    loss = loss_fn(x_hat.mean(), x.mean())
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3", "to eval mode")
def eval_mode_left_behind(model, x, optimizer, loss_fn):
    model.train()
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    model.eval()
    return loss.item()


@wrong("1.3", "yours is 0.6 after backward and step with gradient 12 and step with gradient 12")
def two_steps_at_once(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    optimizer.step()
    return loss.item()


@wrong("1.3", "code_compared")
def code_for_reconstruction(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model.encode(x), x)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3", "no brackets `()`")
def backward_without_brackets(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward  # noqa: B018
    optimizer.step()
    return loss.item()


@wrong("1.3", "with its brackets `()`")
def zero_grad_without_brackets(model, x, optimizer, loss_fn):
    optimizer.zero_grad  # noqa: B018
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return loss.item()


# --- 1.4 --------------------------------------------------------------------------------------


@wrong("1.4", "mean_over_batch")
def one_number_for_all(x, x_hat):
    return F.mse_loss(x_hat, x)


@wrong("1.4", "should give [2.25, 3]; yours gave [2.625, 2.625]")
def batch_mean_for_each(x, x_hat):
    return F.mse_loss(x_hat, x).expand(len(x))


@wrong("1.4", "sum_over_pixels")
def summed(x, x_hat):
    return ((x - x_hat) ** 2).sum(dim=(1, 2, 3))


@wrong("1.4", "divided_twice")
def mean_and_number_of_pixels(x, x_hat):
    return (x - x_hat).pow(2).mean((1, 2, 3)) / x.shape[1:].numel()


@wrong("1.4", "mean_over_784")
def mean_and_784(x, x_hat):
    return torch.mean((x - x_hat) ** 2, dim=(1, 2, 3)) / 784


@wrong("1.4", "mean_over_784")
def mean_and_28_times_28(x, x_hat):
    return 1 / (28 * 28) * torch.mean((x - x_hat) ** 2, dim=(1, 2, 3))


@wrong("1.4", "absolute_error")
def absolute(x, x_hat):
    return (x - x_hat).abs().mean(dim=(1, 2, 3))


@wrong("1.4", "root")
def rooted(x, x_hat):
    return torch.sqrt(((x - x_hat) ** 2).mean(dim=(1, 2, 3)))


@wrong("1.4", "square_of_mean")
def mean_then_square(x, x_hat):
    return (x - x_hat).mean(dim=(1, 2, 3)) ** 2


@wrong("1.4", "added")
def plus_for_minus(x, x_hat):
    return ((x + x_hat) ** 2).mean(dim=(1, 2, 3))


@wrong("1.4", "input_unused")
def reconstruction_alone(x, x_hat):
    return (x_hat**2).flatten(1).mean(1)


@wrong("1.4", "should give [2.25, 3]; yours gave [4, 1]")
def image_alone(x, x_hat):
    return (x**2).flatten(1).mean(1)


@wrong("1.4", "channels_forgotten")
def channel_axis_left(x, x_hat):
    return ((x - x_hat) ** 2).mean(dim=(2, 3))


@wrong("1.4", "channels_summed")
def summed_over_channels(x, x_hat):
    return ((x - x_hat) ** 2).sum(1).flatten(1).mean(1)


@wrong("1.4", "Two colour images")
def first_channel(x, x_hat):
    return ((x - x_hat) ** 2)[:, 0].mean(dim=(1, 2))


@wrong("1.4", "Two colour images")
def channel_axis_squeezed(x, x_hat):
    return ((x - x_hat) ** 2).mean(dim=(2, 3)).squeeze(1)


@wrong("1.4", "squeezed")
def squeezed(x, x_hat):
    return ((x - x_hat) ** 2).flatten(1).mean(1).squeeze()


@wrong("1.4", "shape")
def axes_kept(x, x_hat):
    return ((x - x_hat) ** 2).mean(dim=(1, 2, 3), keepdim=True)


@wrong("1.4", "detached")
def without_gradient(x, x_hat):
    with torch.no_grad():
        return ((x - x_hat) ** 2).mean(dim=(1, 2, 3))


@wrong("1.4", "detached")
def by_way_of_numpy(x, x_hat):
    difference = x.detach().numpy() - x_hat.detach().numpy()
    return torch.from_numpy((difference**2).mean(axis=(1, 2, 3)))


@wrong("1.4", "float64 out; yours gave float32")
def always_float32(x, x_hat):
    return ((x.float() - x_hat.float()) ** 2).mean(dim=(1, 2, 3))


@wrong("1.4", "Large float64 pixels")
def float64_in_name_only(x, x_hat):
    return ((x.float() - x_hat.float()) ** 2).mean(dim=(1, 2, 3)).to(x.dtype)


@wrong("1.4")
def largest_pixel(x, x_hat):
    return ((x - x_hat) ** 2).flatten(1).max(1).values


@wrong("1.4")
def median_pixel(x, x_hat):
    return ((x - x_hat) ** 2).flatten(1).median(1).values


@wrong("1.4")
def mean_of_rows_squared(x, x_hat):
    return (x - x_hat).mean(3).square().flatten(1).mean(1)


@wrong("1.4")
def output_clipped(x, x_hat):
    return ((x - x_hat.clamp(0, 1)) ** 2).mean(dim=(1, 2, 3))


@wrong("1.4", "sum_over_784")
def divided_by_28_squared(x, x_hat):
    return ((x - x_hat) ** 2).sum(dim=(1, 2, 3)) / 784


@wrong("1.4", "An image off by 1/64")
def rounded_error(x, x_hat):
    return torch.round(((x - x_hat) ** 2).mean(dim=(1, 2, 3)), decimals=4)


@wrong("1.4", "`x_hat` in place")
def subtracts_in_place(x, x_hat):
    x_hat -= x
    return x_hat.square().mean(dim=(1, 2, 3))


@wrong("1.4", "list_returned")
def floats_in_a_list(x, x_hat):
    return [((a - b) ** 2).mean().item() for a, b in zip(x, x_hat, strict=True)]


@wrong("1.4", "list_returned")
def tensors_in_a_list(x, x_hat):
    return [F.mse_loss(b, a) for a, b in zip(x, x_hat, strict=True)]


@wrong("1.4", "plain_numbers")
def tensor_of_floats(x, x_hat):
    return torch.tensor([F.mse_loss(b, a).item() for a, b in zip(x, x_hat, strict=True)])


@wrong("1.4", "detached")
def tensor_of_tensors(x, x_hat):
    return torch.tensor([F.mse_loss(b, a) for a, b in zip(x, x_hat, strict=True)])


@wrong("1.4", "detached")
def tensor_of_a_list_in_the_right_type(x, x_hat):
    errors = [((a - b) ** 2).mean().item() for a, b in zip(x, x_hat, strict=True)]
    return torch.tensor(errors, dtype=x.dtype)


@wrong("1.4", "array_returned")
def array_for_tensor(x, x_hat):
    return ((x.numpy() - x_hat.numpy()) ** 2).mean(axis=(1, 2, 3))


@wrong("1.4", "no_brackets")
def one_over_c_times_the_rest(x, x_hat):
    _, c, h, w = x.shape
    return (1 / c * h * w) * ((x_hat - x) ** 2).sum(dim=(1, 2, 3))


@wrong("1.4", "no_brackets")
def divided_by_c_alone(x, x_hat):
    c, h, w = x.shape[1:]
    return ((x_hat - x) ** 2).sum(dim=(1, 2, 3)) / c * h * w


@wrong("1.4", "no_square")
def signed_difference(x, x_hat):
    return (x_hat - x).mean(dim=(1, 2, 3))


@wrong("1.4", "no_square_turned")
def signed_difference_turned(x, x_hat):
    return (x - x_hat).mean(dim=(1, 2, 3))


@wrong("1.4", "sum_over_batch")
def everything_by_the_number_of_images(x, x_hat):
    return ((x_hat - x) ** 2).sum() / len(x)


@wrong("1.4", "float32_always")
def filled_zeros(x, x_hat):
    errors = torch.zeros(len(x))
    for i in range(len(x)):
        errors[i] = ((x_hat[i] - x[i]) ** 2).mean()
    return errors


@wrong("1.4", "rows_of_784")
def grey_rows(x, x_hat):
    return ((x_hat.view(-1, 784) - x.view(-1, 784)) ** 2).mean(dim=1)


@wrong("1.4", "rows_of_784")
def grey_rows_reshaped(x, x_hat):
    return ((x_hat - x) ** 2).reshape(-1, 28 * 28).mean(1)


# --- 1.5 --------------------------------------------------------------------------------------


@wrong("1.5", "variance")
def with_variance(scores, k=1.0):
    return np.mean(scores) + k * np.var(scores)


@wrong("1.5", "k_ignored")
def one_deviation(scores, k=1.0):
    return np.mean(scores) + np.std(scores)


@wrong("1.5", "median")
def from_the_median(scores, k=1.0):
    return np.median(scores) + k * np.std(scores)


@wrong("1.5", "below_the_mean")
def subtracted(scores, k=1.0):
    return np.mean(scores) - k * np.std(scores)


@wrong("1.5", "standard_error")
def error_of_the_mean(scores, k=1.0):
    return np.mean(scores) + k * np.std(scores) / len(scores) ** 0.5


@wrong("1.5", "sample_std")
def bessel(scores, k=1.0):
    return np.mean(scores) + k * np.std(scores, ddof=1)


@wrong("1.5", "sample_std")
def torch_default(scores, k=1.0):
    scores = torch.as_tensor(scores, dtype=torch.float64)
    return float(scores.mean() + k * scores.std())


@wrong("1.5", "k_times_both")
def all_times_k(scores, k=1.0):
    return k * (np.mean(scores) + np.std(scores))


@wrong("1.5")
def k_as_an_addend(scores, k=1.0):
    return np.mean(scores) + k + np.std(scores)


@wrong("1.5")
def k_divides(scores, k=1.0):
    return np.mean(scores) + np.std(scores) / k


@wrong("1.5")
def without_the_deviation(scores, k=1.0):
    return np.mean(scores) * (1 + k)


@wrong("1.5")
def the_quantile_of_a_gaussian(scores, k=1.0):
    return np.quantile(scores, 0.8413)


@wrong("1.5")
def mean_absolute_deviation(scores, k=1.0):
    return np.mean(scores) + k * np.mean(np.abs(scores - np.mean(scores)))


@wrong("1.5", "should give 0.00333; yours gave 0.0033")
def rounded_threshold(scores, k=1.0):
    return round(float(np.mean(scores) + k * np.std(scores)), 4)


@wrong("1.5", "list_refused")
def arrays_only(scores, k=1.0):
    return scores.mean() + k * scores.std()


@wrong("1.5", "default 1.0; yours has 3.0")
def three_by_default(scores, k=3.0):
    return np.mean(scores) + k * np.std(scores)


@wrong("1.5", "single number")
def each_score_compared(scores, k=1.0):
    return np.asarray(scores) > np.mean(scores) + k * np.std(scores)


@wrong("1.5", "Python's global random numbers")
def seeds_python(scores, k=1.0):
    random.seed(0)
    return np.mean(scores) + k * np.std(scores)


@wrong("1.5", "with k=-0.5 should give 3")
def sign_of_k_lost(scores, k=1.0):
    return float(np.mean(scores) + abs(k) * np.std(scores))


@wrong("1.5", "tensor_returned")
def tensor_for_a_number(scores, k=1.0):
    scores = torch.tensor(scores)
    return scores.mean() + k * scores.std(correction=0)


# --- 1.6 --------------------------------------------------------------------------------------


@wrong("1.6", "self_not_counted")
def share_of_calibration(calibration_scores, scores):
    return np.array([(calibration_scores >= s).mean() for s in scores])


@wrong("1.6", "one_added_above_only")
def p_above_one(calibration_scores, scores):
    n = max(1, len(calibration_scores))
    return np.array([(1 + (calibration_scores >= s).sum()) / n for s in scores])


@wrong("1.6", "one_added_below_only")
def p_of_zero(calibration_scores, scores):
    n = len(calibration_scores)
    return np.array([(calibration_scores >= s).sum() / (n + 1) for s in scores])


@wrong("1.6", "wrong_direction")
def those_below(calibration_scores, scores):
    count = (calibration_scores[None] <= scores[:, None]).sum(1)
    return (1 + count) / (len(calibration_scores) + 1)


@wrong("1.6", "ties_not_counted")
def strictly_above(calibration_scores, scores):
    count = (calibration_scores[None] > scores[:, None]).sum(1)
    return (1 + count) / (len(calibration_scores) + 1)


@wrong("1.6", "not_sorted")
def searched_unsorted(calibration_scores, scores):
    n = len(calibration_scores)
    return (1 + n - np.searchsorted(calibration_scores, scores)) / (n + 1)


@wrong("1.6", "wrong_axis")
def summed_over_the_new_scores(calibration_scores, scores):
    count = (scores[None, :] <= calibration_scores[:, None]).sum(axis=1)
    return (1 + count) / (len(calibration_scores) + 1)


@wrong("1.6", "not_summed")
def a_row_for_each_new_score(calibration_scores, scores):
    return (1 + (scores[:, None] <= calibration_scores)) / (len(calibration_scores) + 1)


@wrong("1.6", "not_summed_turned")
def a_column_for_each_new_score(calibration_scores, scores):
    return (1 + (scores <= calibration_scores[:, None])) / (len(calibration_scores) + 1)


@wrong("1.6", "no_new_axis")
def one_with_one(calibration_scores, scores):
    return (1 + np.sum(calibration_scores >= scores)) / (len(calibration_scores) + 1)


@wrong("1.6", "no_new_axis_turned")
def one_with_one_turned(calibration_scores, scores):
    return (1 + np.sum(scores <= calibration_scores)) / (1 + len(calibration_scores))


@wrong("1.6")
def ties_counted_half(calibration_scores, scores):
    above = (calibration_scores[None] > scores[:, None]).sum(1)
    tied = (calibration_scores[None] == scores[:, None]).sum(1)
    return (1 + above + tied / 2) / (len(calibration_scores) + 1)


@wrong("1.6")
def one_minus_p(calibration_scores, scores):
    count = (calibration_scores[None] >= scores[:, None]).sum(1)
    return 1 - (1 + count) / (len(calibration_scores) + 1)


@wrong("1.6")
def sorted_p_values(calibration_scores, scores):
    count = (calibration_scores[None] >= np.sort(scores)[:, None]).sum(1)
    return (1 + count) / (len(calibration_scores) + 1)


@wrong("1.6")
def distinct_scores_only(calibration_scores, scores):
    calibration_scores = np.unique(calibration_scores)
    count = (calibration_scores[None] >= scores[:, None]).sum(1)
    return (1 + count) / (len(calibration_scores) + 1)


@wrong("1.6")
def counted_per_calibration_score(calibration_scores, scores):
    count = (scores[None] >= calibration_scores[:, None]).sum(1)
    return (1 + count) / (len(scores) + 1)


@wrong("1.6")
def all_scores_together(calibration_scores, scores):
    every = np.concatenate([calibration_scores, scores])
    return np.array([(every >= s).mean() for s in scores])


@wrong("1.6")
def one_p_value(calibration_scores, scores):
    return (1 + (calibration_scores >= scores.mean()).sum()) / (len(calibration_scores) + 1)


@wrong("1.6", "No calibration score")
def empty_gives_zero(calibration_scores, scores):
    n = len(calibration_scores)
    if n == 0:
        return np.zeros(len(scores))
    return np.array([(1 + (calibration_scores >= s).sum()) / (n + 1) for s in scores])


@wrong("1.6", "should give the shape (1,)")
def one_score_squeezed(calibration_scores, scores):
    count = (calibration_scores[None] >= scores[:, None]).sum(1)
    return np.squeeze((1 + count) / (len(calibration_scores) + 1))


@wrong("1.6", "`calibration_scores` in place")
def sorts_what_it_is_given(calibration_scores, scores):
    calibration_scores.sort()
    n = len(calibration_scores)
    return (1 + n - np.searchsorted(calibration_scores, scores)) / (n + 1)


@wrong("1.6")
def decisions(calibration_scores, scores):
    count = (calibration_scores[None] >= scores[:, None]).sum(1)
    return (1 + count) / (len(calibration_scores) + 1) <= 0.05


@wrong("1.6", "no_brackets_above")
def one_outside_the_fraction(calibration_scores, scores):
    n = len(calibration_scores)
    return np.array([1 + (calibration_scores >= s).sum() / (n + 1) for s in scores])


@wrong("1.6", "no_brackets_below")
def n_and_then_one(calibration_scores, scores):
    n = len(calibration_scores)
    return np.array([(1 + (calibration_scores >= s).sum()) / n + 1 for s in scores])


@wrong("1.6", "no_brackets")
def no_brackets_at_all(calibration_scores, scores):
    n = len(calibration_scores)
    return np.array([1 + (calibration_scores >= s).sum() / n + 1 for s in scores])


@wrong("1.6", "list_returned")
def p_in_a_list(calibration_scores, scores):
    n = len(calibration_scores)
    return [(1 + sum(c >= s for c in calibration_scores)) / (n + 1) for s in scores]


@wrong("1.6", "tensor_returned")
def p_in_a_tensor(calibration_scores, scores):
    c, s = torch.from_numpy(calibration_scores), torch.from_numpy(scores)
    return (1 + (c[:, None] >= s).sum(0)) / (len(c) + 1)


@wrong("1.6", "no_new_axis")
def all_scores_in_the_loop(calibration_scores, scores):
    n = len(calibration_scores)
    return np.array([(1 + (calibration_scores >= scores).sum()) / (n + 1) for v in scores])


@wrong("1.6", "first_score_only")
def returns_in_the_loop(calibration_scores, scores):
    for v in scores:
        count = (calibration_scores >= v).sum()
        return (1 + count) / (len(calibration_scores) + 1)


@wrong("1.6", "first_score_in_an_array")
def returns_its_list_in_the_loop(calibration_scores, scores):
    p_values = []
    for v in scores:
        count = (calibration_scores >= v).sum()
        p_values.append((1 + count) / (len(calibration_scores) + 1))
        return p_values


@wrong("1.6", "first_score_in_an_array")
def returns_an_array_in_the_loop(calibration_scores, scores):
    p_values = []
    for v in scores:
        p_values.append((1 + sum(calibration_scores >= v)) / (len(calibration_scores) + 1))
        return np.array(p_values)


@wrong("1.6", "last_score_only")
def overwritten_in_the_loop(calibration_scores, scores):
    for v in scores:
        count = (calibration_scores >= v).sum()
        p = (1 + count) / (len(calibration_scores) + 1)
    return p


@wrong("1.6", "roles_swapped")
def p_of_the_calibration_scores(calibration_scores, scores):
    return np.array([(1 + (scores >= c).sum()) / (len(scores) + 1) for c in calibration_scores])


@wrong("1.6", "len_for_sum")
def counts_with_len(calibration_scores, scores):
    n = len(calibration_scores)
    return np.array([(1 + len(calibration_scores >= v)) / (n + 1) for v in scores])


@wrong("1.6", "mean_for_sum")
def counts_with_mean(calibration_scores, scores):
    n = len(calibration_scores)
    return np.array([(1 + (calibration_scores >= v).mean()) / (n + 1) for v in scores])


@wrong("1.6", "divided_by_new_scores")
def as_many_as_new_ones(calibration_scores, scores):
    return np.array([(1 + (calibration_scores >= v).sum()) / (len(scores) + 1) for v in scores])


@wrong("1.6", "ties_and_no_brackets")
def above_and_n_and_then_one(calibration_scores, scores):
    n = len(calibration_scores)
    return np.array([(1 + (calibration_scores > v).sum()) / n + 1 for v in scores])


# --- 1.7 --------------------------------------------------------------------------------------


def from_the_top(scores, k):
    levels = np.concatenate([[np.inf], np.sort(scores)[::-1], [-np.inf]])
    return float(levels[np.clip(k, 0, len(scores) + 1)])


def how_many(n, alpha):
    return sum((i + 1) / (n + 1) <= alpha for i in range(n + 1))


@wrong("1.7", "plain_quantile")
def interpolated(calibration_scores, alpha):
    return np.quantile(calibration_scores, 1 - alpha)


@wrong("1.7", "self_not_counted")
def alpha_of_n(calibration_scores, alpha):
    return from_the_top(calibration_scores, int(np.floor(alpha * len(calibration_scores) + 1e-9)))


@wrong("1.7", "one_too_far")
def one_down(calibration_scores, alpha):
    return from_the_top(calibration_scores, how_many(len(calibration_scores), alpha) + 1)


@wrong("1.7", "one_too_high")
def one_up(calibration_scores, alpha):
    return from_the_top(calibration_scores, how_many(len(calibration_scores), alpha) - 1)


@wrong("1.7", "rounding")
def floor_of_a_product(calibration_scores, alpha):
    return from_the_top(calibration_scores, math.floor(alpha * (len(calibration_scores) + 1)))


@wrong("1.7", "alpha = 0.05 (one of 20 allowed) should give 19; yours gave inf")
def infinite_too_early(calibration_scores, alpha):
    n = len(calibration_scores)
    return np.inf if alpha * n < 1 else from_the_top(calibration_scores, how_many(n, alpha))


@wrong("1.7", "alpha = 0.96 (19.2 of 20 allowed: 19) should give 1; yours gave -inf")
def all_flagged_too_early(calibration_scores, alpha):
    n = len(calibration_scores)
    k = how_many(n, alpha)
    return -np.inf if k >= n else from_the_top(calibration_scores, k)


@wrong("1.7", "finite_when_too_small")
def never_infinite(calibration_scores, alpha):
    return from_the_top(calibration_scores, max(1, how_many(len(calibration_scores), alpha)))


@wrong("1.7", "lower_tail")
def from_the_bottom(calibration_scores, alpha):
    return -from_the_top(-calibration_scores, how_many(len(calibration_scores), alpha))


@wrong("1.7", "not_sorted")
def order_as_given(calibration_scores, alpha):
    n = len(calibration_scores)
    levels = [np.inf, *calibration_scores[::-1], -np.inf]
    return levels[how_many(n, alpha)]


@wrong("1.7")
def quantile_of_the_next_higher(calibration_scores, alpha):
    if alpha < 1 / (len(calibration_scores) + 1):
        return np.inf
    return np.quantile(calibration_scores, 1 - alpha, method="higher")


@wrong("1.7")
def distinct_levels(calibration_scores, alpha):
    calibration_scores = np.unique(calibration_scores)
    return from_the_top(calibration_scores, how_many(len(calibration_scores), alpha))


@wrong("1.7", "alpha = 0.10 (two of 20 allowed) should give 18")
def strictly_below_alpha(calibration_scores, alpha):
    n = len(calibration_scores)
    return from_the_top(calibration_scores, sum((i + 1) / (n + 1) < alpha for i in range(n + 1)))


@wrong("1.7")
def rounded_to_the_nearest(calibration_scores, alpha):
    return from_the_top(calibration_scores, round(alpha * (len(calibration_scores) + 1)))


@wrong("1.7", "alpha = 1, where all are flagged")
def lowest_score_for_alpha_one(calibration_scores, alpha):
    n = len(calibration_scores)
    return from_the_top(calibration_scores, min(n, how_many(n, alpha)))


@wrong("1.7", "alpha = 0.04")
def none_when_impossible(calibration_scores, alpha):
    n = len(calibration_scores)
    return from_the_top(calibration_scores, how_many(n, alpha)) if alpha >= 1 / (n + 1) else None


@wrong("1.7", "alpha = 0.04")
def wrong_infinity(calibration_scores, alpha):
    k = how_many(len(calibration_scores), alpha)
    return from_the_top(calibration_scores, k) if k else -np.inf


@wrong("1.7")
def midway_to_the_next(calibration_scores, alpha):
    k = how_many(len(calibration_scores), alpha)
    above, below = from_the_top(calibration_scores, k), from_the_top(calibration_scores, k + 1)
    return (above + below) / 2 if np.isfinite(above + below) else above


@wrong("1.7")
def alpha_for_one_minus_alpha(calibration_scores, alpha):
    return from_the_top(calibration_scores, how_many(len(calibration_scores), 1 - alpha))


@wrong("1.7")
def gaussian_threshold(calibration_scores, alpha):
    return np.mean(calibration_scores) + 1.645 * np.std(calibration_scores)


@wrong("1.7", "`calibration_scores` in place")
def sorts_in_place(calibration_scores, alpha):
    calibration_scores.sort()
    return from_the_top(calibration_scores, how_many(len(calibration_scores), alpha))


@wrong("1.7", "rounding")
def ceil_of_a_binary_fraction(calibration_scores, alpha):
    n = len(calibration_scores)
    place = math.ceil((1 - alpha) * (n + 1))
    if place > n:
        return math.inf
    return float(np.sort(calibration_scores)[place - 1]) if place > 0 else -math.inf


@wrong("1.7", "alpha = 0.10 (two of 20 allowed)")
def a_little_below(calibration_scores, alpha):
    """So that the score on the threshold is flagged as well."""
    ordered = sorted(calibration_scores)
    k = sum(i / (len(ordered) + 1) <= alpha for i in range(1, len(ordered) + 2))
    if k == 0:
        return math.inf
    return ordered[-k] - 1e-9 if k <= len(ordered) else -math.inf


@wrong("1.7", "tensor_returned")
def threshold_in_a_tensor(calibration_scores, alpha):
    levels = from_the_top(calibration_scores, how_many(len(calibration_scores), alpha))
    return torch.tensor(levels, dtype=torch.float64)


# --- 1.8 --------------------------------------------------------------------------------------


@wrong("1.8", "normals_and_anomalies_swapped")
def normals_win(normal_scores, anomaly_scores):
    normal, anomaly = normal_scores[:, None], anomaly_scores[None]
    return ((normal > anomaly) + 0.5 * (normal == anomaly)).mean()


@wrong("1.8", "ties_lose")
def ties_lost(normal_scores, anomaly_scores):
    return (anomaly_scores[:, None] > normal_scores[None]).mean()


@wrong("1.8", "ties_win")
def ties_won(normal_scores, anomaly_scores):
    return (anomaly_scores[:, None] >= normal_scores[None]).mean()


@wrong("1.8", "ties_win")
def ranks_of_argsort(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    scores = np.concatenate([normal_scores, anomaly_scores])
    ranks = np.empty(n + m)
    ranks[np.argsort(scores, kind="stable")] = np.arange(1, n + m + 1)
    return (ranks[n:].sum() - m * (m + 1) / 2) / (n * m)


@wrong("1.8", "own_ranks_not_subtracted")
def rank_sum_over_pairs(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    return rankdata(np.r_[normal_scores, anomaly_scores])[n:].sum() / (n * m)


@wrong("1.8", "ranks_from_zero")
def as_if_from_zero(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    return (rankdata(np.r_[normal_scores, anomaly_scores])[n:].sum() - m * (m - 1) / 2) / (n * m)


@wrong("1.8", "divided_by_own_pairs")
def over_m_squared(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    return (rankdata(np.r_[normal_scores, anomaly_scores])[n:].sum() - m * (m + 1) / 2) / (m * m)


@wrong("1.8", "thresholded")
def balanced_accuracy_at_the_mean(normal_scores, anomaly_scores):
    cut = np.mean(np.r_[normal_scores, anomaly_scores])
    return ((anomaly_scores > cut).mean() + (normal_scores <= cut).mean()) / 2


@wrong("1.8")
def ranks_of_the_wrong_part(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    return (rankdata(np.r_[normal_scores, anomaly_scores])[:n].sum() - m * (m + 1) / 2) / (n * m)


@wrong("1.8")
def each_group_ranked_alone(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    return (rankdata(anomaly_scores).sum() - m * (m + 1) / 2) / (n * m)


@wrong("1.8")
def dense_ranks(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    ranks = rankdata(np.r_[normal_scores, anomaly_scores], method="dense")
    return (ranks[n:].sum() - m * (m + 1) / 2) / (n * m)


@wrong("1.8")
def better_way_round(normal_scores, anomaly_scores):
    normal, anomaly = normal_scores[:, None], anomaly_scores[None]
    area = ((anomaly > normal) + 0.5 * (normal == anomaly)).mean()
    return max(area, 1 - area)


@wrong("1.8")
def labels_reversed(normal_scores, anomaly_scores):
    labels = np.r_[np.ones(len(normal_scores)), np.zeros(len(anomaly_scores))]
    return roc_auc_score(labels, np.r_[normal_scores, anomaly_scores])


@wrong("1.8", "1e-6")
def grid_of_thresholds(normal_scores, anomaly_scores):
    every = np.r_[normal_scores, anomaly_scores]
    cuts = np.r_[-np.inf, np.linspace(every.min(), every.max(), 2000), np.inf][::-1]
    found = [(anomaly_scores >= c).mean() for c in cuts]
    return np.trapezoid(found, [(normal_scores >= c).mean() for c in cuts])


@wrong("1.8")
def paired_scores(normal_scores, anomaly_scores):
    n = min(len(normal_scores), len(anomaly_scores))
    return (anomaly_scores[:n] > normal_scores[:n]).mean()


@wrong("1.8")
def gap_of_the_means(normal_scores, anomaly_scores):
    return anomaly_scores.mean() - normal_scores.mean()


@wrong("1.8", "a win and half a win")
def ties_share_the_lowest_rank(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    ranks = rankdata(np.concatenate([normal_scores, anomaly_scores]), method="min")
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))


@wrong("1.8", "Normal scores 3, 4 and an anomaly 1")
def never_below_one_half(normal_scores, anomaly_scores):
    labels = [0] * len(normal_scores) + [1] * len(anomaly_scores)
    area = roc_auc_score(labels, [*normal_scores, *anomaly_scores])
    return max(area, 1 - area)


@wrong("1.8", "no_brackets_above")
def only_the_second_divided(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    ranks = rankdata([*normal_scores, *anomaly_scores])
    return ranks[n:].sum() - m * (m + 1) / 2 / (n * m)


@wrong("1.8", "no_brackets_below")
def divided_and_multiplied(normal_scores, anomaly_scores):
    n, m = len(normal_scores), len(anomaly_scores)
    ranks = rankdata([*normal_scores, *anomaly_scores])
    return (ranks[n:].sum() - m * (m + 1) / 2) / n * m


# --- 1.9 --------------------------------------------------------------------------------------


def directions_of(rows):
    return torch.linalg.svd(rows, full_matrices=True).Vh


@wrong("1.9", "not_centred")
def through_the_origin(x_train, x, components):
    v = directions_of(x_train.flatten(1))[:components]
    return (x.flatten(1) @ v.T @ v).view_as(x)


@wrong("1.9", "mean_not_added")
def centred_output(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = directions_of(x_train.flatten(1) - mean)[:components]
    return ((x.flatten(1) - mean) @ v.T @ v).view_as(x)


@wrong("1.9", "smallest_directions")
def first_columns_of_eigh(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = torch.linalg.eigh(torch.cov(x_train.flatten(1).T)).eigenvectors[:, :components]
    return ((x.flatten(1) - mean) @ v @ v.T + mean).reshape(x.shape)


@wrong("1.9", "fit_on_test")
def learned_from_x(x_train, x, components):
    mean = x.flatten(1).mean(0)
    v = directions_of(x.flatten(1) - mean)[:components]
    return ((x.flatten(1) - mean) @ v.T @ v + mean).view_as(x)


@wrong("1.9", "components_ignored")
def all_directions(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = directions_of(x_train.flatten(1) - mean)
    return ((x.flatten(1) - mean) @ v.T @ v + mean).view_as(x)


@wrong("1.9")
def one_component_always(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = directions_of(x_train.flatten(1) - mean)[:1]
    return ((x.flatten(1) - mean) @ v.T @ v + mean).view_as(x)


@wrong("1.9", "should give")
def correlations(x_train, x, components):
    mean, std = x_train.flatten(1).mean(0), x_train.flatten(1).std(0)
    v = directions_of((x_train.flatten(1) - mean) / std)[:components]
    return ((x.flatten(1) - mean) @ v.T @ v + mean).view_as(x)


@wrong("1.9")
def standardised_and_back(x_train, x, components):
    mean, std = x_train.flatten(1).mean(0), x_train.flatten(1).std(0)
    v = directions_of((x_train.flatten(1) - mean) / std)[:components]
    return ((x.flatten(1) - mean) / std @ v.T @ v * std + mean).view_as(x)


@wrong("1.9", "codes_returned")
def codes(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = torch.linalg.eigh(torch.cov(x_train.flatten(1).T)).eigenvectors.flip(1)[:, :components]
    return (x.flatten(1) - mean) @ v


@wrong("1.9", "shape_lost")
def flat_rows(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = directions_of(x_train.flatten(1) - mean)[:components]
    return (x.flatten(1) - mean) @ v.T @ v + mean


@wrong("1.9")
def first_image_for_all(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = directions_of(x_train.flatten(1) - mean)[:components]
    return ((x[:1].flatten(1) - mean) @ v.T @ v + mean).expand(len(x), -1).reshape(x.shape)


@wrong("1.9")
def columns_of_vh(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = directions_of(x_train.flatten(1) - mean)[:, :components]
    return ((x.flatten(1) - mean) @ v @ v.T + mean).view_as(x)


@wrong("1.9")
def centred_on_x(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = directions_of(x_train.flatten(1) - mean)[:components]
    own = x.flatten(1).mean(0)
    return ((x.flatten(1) - own) @ v.T @ v + own).view_as(x)


@wrong("1.9")
def centred_on_the_median(x_train, x, components):
    median = x_train.flatten(1).median(0).values
    v = directions_of(x_train.flatten(1) - median)[:components]
    return ((x.flatten(1) - median) @ v.T @ v + median).view_as(x)


@wrong("1.9")
def one_grey_mean(x_train, x, components):
    mean = x_train.mean()
    v = directions_of(x_train.flatten(1) - mean)[:components]
    return ((x.flatten(1) - mean) @ v.T @ v + mean).view_as(x)


@wrong("1.9")
def fit_on_both(x_train, x, components):
    both = torch.cat([x_train, x]).flatten(1)
    v = directions_of(both - both.mean(0))[:components]
    return ((x.flatten(1) - both.mean(0)) @ v.T @ v + both.mean(0)).view_as(x)


@wrong("1.9")
def uncentred_projection(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = directions_of(x_train.flatten(1) - mean)[:components]
    return (x.flatten(1) @ v.T @ v + mean).view_as(x)


@wrong("1.9", "with components=1")
def one_component_too_many(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = directions_of(x_train.flatten(1) - mean)[: components + 1]
    return ((x.flatten(1) - mean) @ v.T @ v + mean).view_as(x)


@wrong("1.9", "yours gave an array")
def numpy_out(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    v = directions_of(x_train.flatten(1) - mean)[:components]
    return ((x.flatten(1) - mean) @ v.T @ v + mean).view_as(x).numpy()


@wrong("1.9", "`x_train` in place")
def centres_in_place(x_train, x, components):
    mean = x_train.flatten(1).mean(0)
    x_train -= mean.view_as(x_train[0])
    v = directions_of(x_train.flatten(1))[:components]
    return ((x.flatten(1) - mean) @ v.T @ v + mean).view_as(x)


# --- 1.10 -------------------------------------------------------------------------------------


def path(z_start, z_end, t):
    t = t.to(z_start)[:, None]
    return z_start + t * (z_end - z_start)


@wrong("1.10", "in ten steps should give the shape (10, 3); yours gave the shape (11, 3)")
def by_arange(z_start, z_end, steps):
    h = 1 / (steps - 1)
    return torch.lerp(z_start, z_end, torch.arange(0, 1 + h, h).to(z_start)[:, None])


@wrong("1.10", "start_missing")
def start_left_out(z_start, z_end, steps):
    return path(z_start, z_end, torch.arange(1, steps + 1) / steps)


@wrong("1.10", "end_missing")
def end_left_out(z_start, z_end, steps):
    return path(z_start, z_end, torch.arange(steps) / steps)


@wrong("1.10", "backwards")
def end_first(z_start, z_end, steps):
    return path(z_end, z_start, torch.linspace(0, 1, steps))


@wrong("1.10", "inner_only")
def without_both_ends(z_start, z_end, steps):
    return path(z_start, z_end, torch.arange(1, steps + 1) / (steps + 1))


@wrong("1.10", "transposed")
def dimensions_as_rows(z_start, z_end, steps):
    return path(z_start, z_end, torch.linspace(0, 1, steps)).T


@wrong("1.10", "start_not_weighted")
def start_plus_share_of_end(z_start, z_end, steps):
    return z_start + torch.linspace(0, 1, steps).to(z_start)[:, None] * z_end


@wrong("1.10", "shape")
def one_point_too_many(z_start, z_end, steps):
    return path(z_start, z_end, torch.linspace(0, 1, steps + 1))


@wrong("1.10")
def slow_at_the_ends(z_start, z_end, steps):
    t = torch.linspace(0, 1, steps)
    return path(z_start, z_end, t * t * (3 - 2 * t))


@wrong("1.10")
def on_a_sphere(z_start, z_end, steps):
    t = torch.linspace(0, 1, steps).to(z_start)[:, None]
    cosine = torch.dot(z_start / z_start.norm(), z_end / z_end.norm())
    angle = torch.arccos(cosine)
    weights = torch.sin((1 - t) * angle), torch.sin(t * angle)
    return (weights[0] * z_start + weights[1] * z_end) / torch.sin(angle)


@wrong("1.10")
def half_way_only(z_start, z_end, steps):
    return ((z_start + z_end) / 2).repeat(steps, 1)


@wrong("1.10")
def five_steps_always(z_start, z_end, steps):
    return path(z_start, z_end, torch.linspace(0, 1, 5))


@wrong("1.10", "tensor with the shape (5, 3); yours gave an object of type list")
def points_in_a_list(z_start, z_end, steps):
    return [z_start + (z_end - z_start) * i / (steps - 1) for i in range(steps)]


@wrong("1.10", "float32 in should be float32 out; yours gave float64")
def always_float64(z_start, z_end, steps):
    return path(z_start.double(), z_end.double(), torch.linspace(0, 1, steps))


@wrong("1.10", "float64 in should be float64 out; yours gave float32")
def always_float32_path(z_start, z_end, steps):
    return path(z_start, z_end, torch.linspace(0, 1, steps)).float()


@wrong("1.10", "`z_end` in place")
def difference_in_place(z_start, z_end, steps):
    z_end -= z_start
    return z_start + torch.linspace(0, 1, steps).to(z_start)[:, None] * z_end


@wrong("1.10", "in five steps")
def whole_numbers(z_start, z_end, steps):
    return path(z_start, z_end, torch.linspace(0, 1, steps)).round()


# --- 1.11 -------------------------------------------------------------------------------------


def mse(x, x_hat):
    return ((x - x_hat) ** 2).mean(dim=(1, 2, 3))


@wrong("1.11", "natural_log")
def ten_natural_logs(x, x_hat, data_range=1.0):
    return 10 * torch.log(data_range**2 / mse(x, x_hat))


@wrong("1.11", "range_not_squared")
def plain_range(x, x_hat, data_range=1.0):
    return 10 * torch.log10(data_range / mse(x, x_hat))


@wrong("1.11", "factor_20")
def twenty_logs(x, x_hat, data_range=1.0):
    return 20 * torch.log10(data_range**2 / mse(x, x_hat))


@wrong("1.11", "sign")
def upside_down(x, x_hat, data_range=1.0):
    return 10 * torch.log10(mse(x, x_hat) / data_range**2)


@wrong("1.11", "batch_mean")
def of_the_mean_error(x, x_hat, data_range=1.0):
    return 10 * torch.log10(data_range**2 / F.mse_loss(x_hat, x))


@wrong("1.11", "range_ignored")
def range_of_one(x, x_hat, data_range=1.0):
    return -10 * torch.log10(mse(x, x_hat))


@wrong("1.11", "range_ignored")
def range_as_default_only(x, x_hat, data_range=1.0):
    return 10 * torch.log10(1.0 / mse(x, x_hat))


@wrong("1.11", "added")
def error_of_the_sum(x, x_hat, data_range=1.0):
    return 10 * torch.log10(data_range**2 / ((x + x_hat) ** 2).mean(dim=(1, 2, 3)))


@wrong("1.11")
def error_without_the_image(x, x_hat, data_range=1.0):
    return 10 * torch.log10(data_range**2 / (x_hat**2).mean(dim=(1, 2, 3)))


@wrong("1.11", "mean_of_channels")
def channels_averaged_in_decibels(x, x_hat, data_range=1.0):
    return (10 * torch.log10(data_range**2 / ((x - x_hat) ** 2).mean(dim=(2, 3)))).mean(1)


@wrong("1.11")
def pixels_averaged_in_decibels(x, x_hat, data_range=1.0):
    return (10 * torch.log10(data_range**2 / (x - x_hat) ** 2)).mean(dim=(1, 2, 3))


@wrong("1.11")
def channels_summed(x, x_hat, data_range=1.0):
    return 10 * torch.log10(data_range**2 / ((x - x_hat) ** 2).sum(1).mean(dim=(1, 2)))


@wrong("1.11", "shape")
def one_value_a_channel(x, x_hat, data_range=1.0):
    return 10 * torch.log10(data_range**2 / ((x - x_hat) ** 2).mean(dim=(2, 3)))


@wrong("1.11", "single number")
def mean_over_the_batch(x, x_hat, data_range=1.0):
    return (10 * torch.log10(data_range**2 / mse(x, x_hat))).mean()


@wrong("1.11")
def absolute_for_squared(x, x_hat, data_range=1.0):
    return 10 * torch.log10(data_range**2 / (x - x_hat).abs().mean(dim=(1, 2, 3)))


@wrong("1.11")
def largest_pixel_for_the_range(x, x_hat, data_range=1.0):
    return 10 * torch.log10(x.amax(dim=(1, 2, 3)) ** 2 / mse(x, x_hat))


@wrong("1.11")
def clipped_first(x, x_hat, data_range=1.0):
    return 10 * torch.log10(data_range**2 / mse(x, x_hat.clamp(0, data_range)))


@wrong("1.11")
def without_the_ten(x, x_hat, data_range=1.0):
    return torch.log10(data_range**2 / mse(x, x_hat))


@wrong("1.11", "A reconstruction without error")
def error_kept_above_zero(x, x_hat, data_range=1.0):
    return 10 * torch.log10(data_range**2 / mse(x, x_hat).clamp(min=1e-10))


@wrong("1.11")
def rounded_decibels(x, x_hat, data_range=1.0):
    return torch.round(10 * torch.log10(data_range**2 / mse(x, x_hat)), decimals=2)


@wrong("1.11", "default 1.0; yours has 255")
def bytes_by_default(x, x_hat, data_range=255):
    return 10 * torch.log10(data_range**2 / mse(x, x_hat))


@wrong("1.11", "shape (2,)")
def in_a_list(x, x_hat, data_range=1.0):
    return [float(d) for d in 10 * torch.log10(data_range**2 / mse(x, x_hat))]


# --- 1.12 to 1.14 -----------------------------------------------------------------------------

WRONG["1.12"] = [
    ({"spread": 1, "flagged": 0.45}, "not_averaged"),
    ({"spread": 1 / 64, "flagged": 0.45}, "variance_for_spread"),
    ({"spread": 8, "flagged": 0.45}, "grows"),
    ({"spread": 0.125, "flagged": 0.16}, "one_sigma_of_images"),
    ({"spread": 0.125, "flagged": 0.55}, "share_below"),
    ({"spread": 0.125, "flagged": 0.5}, "half"),
    ({"spread": 0.125, "flagged": 0.05}, "usual_five"),
    ({"spread": 0.125, "flagged": 6.2e-16}, "eight_not_an_eighth"),  # norm.sf(8)
    ({"spread": 0.125, "flagged": 1.3e-12}, "eight_not_an_eighth"),  # norm.sf(7)
    ({"spread": 0.125, "flagged": 45}, "percent"),
    ({"spread": 0.125, "flagged": 0.3}, "which is too low"),
    ({"spread": 0.125, "flagged": ...}, "is still `...`"),
    ({"spread": 0.125, "flagged": "0.45"}, "without quotes"),
    ({"spread": 0.125, "flagged": True}, "should be a number"),
    ({"spread": 0.125, "flagged": float("nan")}, "NaN"),
    ({"spread": 0.125, "flagged": [0.45]}, "one number"),
    ({"spread": 0.125}, "should hold `spread`, `flagged`; yours holds `spread`"),
    ((0.125, 0.45), "should be a dict"),
    (0.125, "should be a dict"),
    ({"spread": lambda: 1, "flagged": 0.45}, "a function"),
]
WRONG["1.13"] = [
    ({"choice": "mean + std", "because": "D"}, "mean + std"),
    ({"choice": "gaussian", "because": "B"}, "gaussian"),
    ({"choice": "gaussian", "because": "D"}, "do not make a distribution Gaussian"),
    ({"choice": "conformal", "because": "A"}, "A"),
    ({"choice": "conformal", "because": "C"}, "The choice holds, the reason does not"),
    ({"choice": "conformal", "because": "D"}, "over 200 random splits"),
    ({"choice": "median", "because": "B"}, '"choice" should be one of "mean + std"'),
    ({"choice": "conformal", "because": ...}, "still `...`"),
    ({"choice": "conformal"}, "the keys 'choice'"),
    ("conformal", "an object of type str"),
]


def ink(images):
    return images.mean(axis=(1, 2, 3))


@wrong("1.14", "not better than `unusual ink`")
def darkness(images):
    return -ink(images)


@wrong("1.14", "upside down")
def turned_round(images):
    return -far_from_usual(images)


def far_from_usual(images):
    known = np.median(parts()[0].images.mean(axis=(1, 2, 3)))
    return np.abs(ink(images) - known)


@wrong("1.14", "shape (390,)")
def one_for_all(images):
    return ink(images).mean()


@wrong("1.14", "shape (390,), one for each image; yours gave the shape (390, 1)")
def as_a_column(images):
    return ink(images)[:, None]


@wrong("1.14", "another score in another batch")
def ranked_in_the_batch(images):
    return rankdata(ink(images))


@wrong("1.14", "another score in another batch")
def at_random(images):
    return np.random.default_rng().random(len(images))


@wrong("1.14", "are NaN")
def nothing_by_nothing(images):
    return 0 * ink(images) / 0


@wrong("1.14", "Every image has the same score")
def constant(images):
    return torch.ones(len(images))


@wrong("1.14", "changes the images")
def in_place(images):
    images[:] = 255 - images
    return -ink(images)


@wrong("1.14", "It stopped with TypeError")
def tensors_wanted(images):
    return images.flatten(1)


@wrong("1.14", "None (is a `return` missing?)")
def forgotten_return(images):
    ink(images)


@wrong("1.14", "A batch of one image should give scores of the shape (1,)")
def squeezed_scores(images):
    return ink(images).squeeze()


WRONG["1.14"] += [
    (3.0, "`check` wants the function itself"),
    (torch.nn.Flatten(), "the function itself"),
]


@wrong("1.2", "as others in its batch get brighter")
class ScaledByTheBatch(Autoencoder):
    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder, self.decoder = encoder(latent_dim), decoder(latent_dim)

    def encode(self, x):
        return self.encoder(x / x.max())


def _with_layer(layer, says):
    @wrong("1.2", says)
    class WithALayer(Autoencoder):
        def __init__(self, latent_dim=20):
            super().__init__()
            self.encoder = encoder(latent_dim)
            self.decoder = nn.Sequential(nn.Linear(latent_dim, 64), layer, nn.Sigmoid())


_with_layer(..., "One of the layers in `nn.Sequential` is still `...`")
_with_layer(torch.relu, "A function such as `torch.relu` is none; `nn.ReLU()` is")
_with_layer((32, 7, 7), "a shape belongs in `nn.Unflatten(1, ...)`")
_with_layer(nn.ReLU, "`nn.ReLU` has no brackets")


@wrong("1.3", "in their own shape, (2, 1, 1, 2)")
def flattened_for_the_loss(model, x, optimizer, loss_fn):
    optimizer.zero_grad()
    loss = loss_fn(model(x).flatten(1), x.flatten(1))
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("1.3", "`optimizer.step()` was not called")
def a_step_of_its_own(model, x, optimizer, loss_fn):
    model.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= optimizer.param_groups[0]["lr"] * p.grad
    return loss.item()


@wrong("1.5", "yours gave an object of type str")
def as_text(scores, k=1.0):
    return f"{np.mean(scores) + k * np.std(scores):.6f}"


@wrong("1.7", "it should be a calibration score itself")
def just_below(calibration_scores, alpha):
    found = from_the_top(calibration_scores, how_many(len(calibration_scores), alpha))
    return np.nextafter(found, -np.inf) if np.isfinite(found) else found


@wrong("1.7", "alpha = 0.0333, below every p-value")
def rounded_to_hundredths(calibration_scores, alpha):
    return from_the_top(calibration_scores, int(round(alpha * (len(calibration_scores) + 1), 2)))
