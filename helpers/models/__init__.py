"""The networks of the course, one family a file."""

from helpers.models.conv import ConvAutoencoder, GaussianNoise, LinearAutoencoder, conv_output_size
from helpers.models.vae import ConvVAE

__all__ = ["ConvAutoencoder", "ConvVAE", "GaussianNoise", "LinearAutoencoder", "conv_output_size"]
