"""The variational autoencoder of module 2 for 28×28 images."""

import torch
from torch import nn

from helpers.losses import reparameterize


class ConvVAE(nn.Module):
    """28×28 images to a Gaussian over `latent_dim` numbers, and back to pixels in [0, 1].

    encode : (N, 1, 28, 28) -> mu (N, d), logvar (N, d)
    decode : (N, d) -> x_hat (N, 1, 28, 28), the mean of each pixel; `decoder` gives its logit
    forward : x -> x_hat, mu, logvar; z is drawn in training mode and is mu in eval mode
    sigma : standard deviation of a pixel around x_hat where the pixels are taken as Gaussian
    """

    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, kernel_size=4, stride=2, padding=1),  # (8, 14, 14)
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 14 * 14, 400),
            nn.ReLU(),
            nn.Linear(400, 2 * latent_dim),  # mu and logvar
        )
        self.decoder = nn.Sequential(  # dense: a step is quicker than with convolutions
            nn.Linear(latent_dim, 400),
            nn.ReLU(),
            nn.Linear(400, 28 * 28),
            nn.Unflatten(1, (1, 28, 28)),
        )
        self.sigma = 1.0

    def encode(self, x):
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z):
        return torch.sigmoid(self.decoder(z))

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar) if self.training else mu
        return self.decode(z), mu, logvar
