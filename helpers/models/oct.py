"""The residual encoder, classifier and autoencoder of module 5. Pixels are in [-1, 1]."""

import torch
from torch import nn

from helpers.models.conv import conv_output_size
from helpers.models.residual import ResidualBlock


def signed(x):
    """Pixels in [0, 1] -> [-1, 1], the range of tanh."""
    return 2 * x - 1


def encoder_shapes(size, widths):
    """Shape (channels, height, width) after each group of the encoder, for size×size pixels."""
    shapes = []
    for channels in widths:
        size = conv_output_size(size, kernel_size=3, stride=2, padding=1)
        shapes.append((channels, size, size))
    return shapes


def make_encoder(widths=(64, 128, 256, 256)):
    """Groups of two residual blocks and a convolution of stride 2, as an nn.Sequential.

    (N, 1, S, S) -> (N, widths[-1], S/2^g, S/2^g) with g = len(widths) groups
    """
    return nn.Sequential(
        *(
            nn.Sequential(
                ResidualBlock(before, width),
                ResidualBlock(width, width),
                nn.Conv2d(width, width, kernel_size=3, stride=2, padding=1),
            )
            for before, width in zip((1, *widths), widths, strict=False)
        )
    )


def make_decoder(widths=(64, 128, 256, 256), code_channels=0):
    """The mirror image with nearest upsampling; the output is a tanh.

    (N, widths[-1], s, s) -> (N, 1, s·2^g, s·2^g)
    code_channels : of a bottleneck, which the code has to pass first; none without
    """
    wide, bottleneck = widths[-1], []
    if code_channels:
        bottleneck = [nn.Conv2d(wide, code_channels, 1), nn.Conv2d(code_channels, wide, 1)]
    groups = (
        nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            ResidualBlock(before, width),
            ResidualBlock(width, width),
        )
        for before, width in zip(widths[::-1], (*widths[-2::-1], widths[0]), strict=True)
    )
    last = nn.Conv2d(widths[0], 1, kernel_size=3, padding=1)
    return nn.Sequential(*bottleneck, *groups, last, nn.Tanh())


class OctClassifier(nn.Module):
    """The encoder with one linear layer on top. (N, 1, size, size) in [0, 1] -> logits (N, classes)

    Pixels come in as everywhere in the course, and go over to [-1, 1] here.
    """

    def __init__(self, encoder, size, classes):
        super().__init__()
        self.encoder = encoder
        with torch.no_grad():
            numbers = encoder.eval()(torch.zeros(1, 1, size, size)).numel()
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(numbers, classes))

    def forward(self, x):
        return self.head(self.encoder(signed(x)))


class OctAutoencoder(nn.Module):
    """Encoder and decoder. (N, 1, S, S) in [-1, 1] -> the same"""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x):
        return self.decoder(self.encoder(x))


def _stay_in_eval(part, inputs):  # not inside freeze: a model with it could not be pickled
    part.eval()  # BatchNorm in train mode would move its running statistics


def freeze(module):
    """Fix all tensors of a module, for good. -> the module"""
    module.requires_grad_(False)
    for part in module.modules():
        part.register_forward_pre_hook(_stay_in_eval)
    return module.eval()


def compression_ratio(encoder, shape):
    """Numbers of an image of the given shape (C, H, W) for each number of its code. -> float

    The encoder is afterwards what it was: the same tensors, each part in its own mode.
    """
    image = torch.zeros(1, *shape)
    modes = [(part, part.training) for part in encoder.modules()]
    with torch.no_grad():
        code = encoder.eval()(image)  # in train mode BatchNorm would learn from the blank image
    for part, training in modes:
        part.training = training  # one by one, since `train()` sets all parts alike
    return image.numel() / code.numel()


def receptive_field(encoder):
    """Side of the square of pixels that one number of the code depends on. -> int

    Each k×k convolution adds k - 1 steps of the grid it works on; a stride widens the steps.
    """
    field, step = 1, 1
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            field += (layer.kernel_size[0] - 1) * step
            step *= layer.stride[0]
    return field
