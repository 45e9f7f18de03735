"""Autoencoders of module 1 for 28×28 images."""

import torch
from torch import nn


def conv_output_size(size, kernel_size, stride=1, padding=0):
    """Length of a side after a convolution, in pixels. Four integers -> int

    floor((size + 2·padding - kernel_size) / stride) + 1   [Dumoulin and Visin, arXiv 1603.07285]
    """
    return (size + 2 * padding - kernel_size) // stride + 1


class ConvAutoencoder(nn.Module):
    """28×28 images to `latent_dim` numbers and back. (N, 1, 28, 28) -> (N, 1, 28, 28) in [0, 1]

    `Linear` from 32·7·7 to 64 does what a convolution with a kernel of 7×7 would do there, since it
    would see all of its input at once; likewise the second of the decoder.
    """

    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, stride=2, padding=1),  # (16, 14, 14)
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1),  # (32, 7, 7)
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, 64),
            nn.Linear(64, latent_dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, 64),
            nn.Linear(64, 32 * 7 * 7),
            nn.ReLU(),
            nn.Unflatten(1, (32, 7, 7)),
            nn.ConvTranspose2d(32, 16, kernel_size=3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 1, kernel_size=3, stride=2, padding=1, output_padding=1),
            nn.Sigmoid(),
        )

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


class LinearAutoencoder(nn.Module):
    """One linear layer down, one up: the autoencoder that PCA solves in closed form."""

    def __init__(self, latent_dim=20, shape=(1, 28, 28)):
        super().__init__()
        pixels = torch.Size(shape).numel()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, latent_dim))
        self.decoder = nn.Sequential(nn.Linear(latent_dim, pixels), nn.Unflatten(1, shape))

    def forward(self, x):
        return self.decoder(self.encoder(x))


class GaussianNoise(nn.Module):
    """Adds noise of standard deviation `sigma` in training mode, and nothing in eval mode."""

    def __init__(self, sigma):
        super().__init__()
        self.sigma = sigma

    def forward(self, x):
        return x + self.sigma * torch.randn_like(x) if self.training else x
