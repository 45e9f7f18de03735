"""The networks of the course, one family a file."""

from helpers.models.cifar import ColourAutoencoder, SmallResNet, whiten
from helpers.models.conv import ConvAutoencoder, GaussianNoise, LinearAutoencoder, conv_output_size
from helpers.models.mednist import DeepAutoencoder, DeepVAE, down_block, up_block
from helpers.models.oct import (
    OctAutoencoder,
    OctClassifier,
    compression_ratio,
    encoder_shapes,
    freeze,
    make_decoder,
    make_encoder,
    receptive_field,
    signed,
)
from helpers.models.residual import ResidualBlock
from helpers.models.vae import ConvVAE

__all__ = [
    "ColourAutoencoder",
    "ConvAutoencoder",
    "ConvVAE",
    "DeepAutoencoder",
    "DeepVAE",
    "GaussianNoise",
    "LinearAutoencoder",
    "OctAutoencoder",
    "OctClassifier",
    "ResidualBlock",
    "SmallResNet",
    "compression_ratio",
    "conv_output_size",
    "down_block",
    "encoder_shapes",
    "freeze",
    "make_decoder",
    "make_encoder",
    "receptive_field",
    "signed",
    "up_block",
    "whiten",
]
