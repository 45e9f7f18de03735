"""The convolutional autoencoder and VAE of module 3, three halvings deep."""

from torch import nn

from helpers.losses import reparameterize


def down_block(in_channels, out_channels):
    """Halve height and width. A module, (N, in_channels, H, W) -> (N, out_channels, H/2, W/2)"""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),  # subtracts the mean, so a bias before it would be lost
        nn.LeakyReLU(),
    )


def up_block(in_channels, out_channels):
    """Double height and width. A module, (N, in_channels, H, W) -> (N, out_channels, 2H, 2W)"""
    return nn.Sequential(
        nn.ConvTranspose2d(
            in_channels,
            out_channels,
            kernel_size=3,
            stride=2,
            padding=1,
            output_padding=1,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(),
    )


class DeepAutoencoder(nn.Module):
    """Images to `latent_dim` numbers and back, through three blocks each way.

    size : side of the images in pixels, a multiple of 8; widths : channels of the blocks
    features : (N, 1, size, size) -> (N, widths[2], size/8, size/8)
    encode : -> (N, latent_dim); decode : back to (N, 1, size, size), without a limit
    """

    def __init__(self, size=64, widths=(32, 64, 128), latent_dim=128):
        super().__init__()
        a, b, c = widths
        side = size // 8
        self.features = nn.Sequential(down_block(1, a), down_block(a, b), down_block(b, c))
        self.to_code = nn.Sequential(nn.Flatten(), nn.Linear(c * side**2, latent_dim))
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, c * side**2),
            nn.Unflatten(1, (c, side, side)),
            up_block(c, b),
            up_block(b, a),
            up_block(a, a),
            nn.Conv2d(a, 1, kernel_size=1),
        )

    def encode(self, x):
        return self.to_code(self.features(x))

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


class DeepVAE(DeepAutoencoder):
    """The same blocks around a Gaussian code.

    encode : -> mu (N, latent_dim), logvar (N, latent_dim)
    forward : x -> x_hat, mu, logvar; z is drawn in training mode and is mu in eval mode
    sigma : spread of a pixel around x_hat
    """

    def __init__(self, size=64, widths=(32, 64, 128), latent_dim=128):
        super().__init__(size, widths, latent_dim)
        flat = self.to_code[1].in_features
        self.to_code = nn.Sequential(nn.Flatten(), nn.Linear(flat, 2 * latent_dim))
        self.sigma = 1.0

    def encode(self, x):
        mu, logvar = self.to_code(self.features(x)).chunk(2, dim=1)
        return mu, logvar

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar) if self.training else mu
        return self.decode(z), mu, logvar
