"""The networks of the course, one family a file."""

from helpers.models.conv import ConvAutoencoder, GaussianNoise, LinearAutoencoder, conv_output_size

__all__ = ["ConvAutoencoder", "GaussianNoise", "LinearAutoencoder", "conv_output_size"]
