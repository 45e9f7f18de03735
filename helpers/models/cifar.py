"""The networks of module 4: a small residual classifier, and the autoencoder before it."""

from torch import nn

from helpers.models.residual import ResidualBlock


class SmallResNet(nn.Module):
    """Residual blocks in stages, each after the first at half the side and wider.

    widths : channels of the stages; blocks : in each stage; stride : of the first convolution
    stage_features : (N, 3, H, W) -> list of (N, width), the mean of each channel after each stage
    features : the last of these; forward : -> logits (N, classes)
    """

    def __init__(self, widths=(32, 64, 128), blocks=1, stride=1, classes=2):
        super().__init__()
        first = nn.Conv2d(3, widths[0], kernel_size=3, stride=stride, padding=1, bias=False)
        self.stages = nn.ModuleList()
        for before, width in zip((widths[0], *widths), widths, strict=False):
            start = [nn.MaxPool2d(2)] if self.stages else [first, nn.BatchNorm2d(width), nn.ReLU()]
            body = [ResidualBlock(before if i == 0 else width, width) for i in range(blocks)]
            self.stages.append(nn.Sequential(*start, *body))
        self.head = nn.Linear(widths[-1], classes)

    def stage_features(self, x):
        means = []
        for stage in self.stages:
            x = stage(x)
            means.append(x.mean(dim=(2, 3)))
        return means

    def features(self, x):
        return self.stage_features(x)[-1]

    def forward(self, x):
        return self.head(self.features(x))


class ColourAutoencoder(nn.Module):
    """32×32 colour images to `latent_dim` numbers and back. (N, 3, 32, 32) -> the same shape

    widths : channels at 32, 16 and 8 pixels a side; the output is linear, without a limit
    """

    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__()
        a, b, c = widths
        self.encoder = nn.Sequential(
            nn.Conv2d(3, a, kernel_size=3, padding=1),  # (a, 32, 32)
            nn.ReLU(),
            nn.Conv2d(a, a, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(a, b, kernel_size=3, stride=2, padding=1),  # (b, 16, 16)
            nn.ReLU(),
            nn.Conv2d(b, b, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(b, c, kernel_size=3, stride=2, padding=1),  # (c, 8, 8)
            nn.ReLU(),
            nn.Conv2d(c, c, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(c * 8 * 8, latent_dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, c * 8 * 8),
            nn.Unflatten(1, (c, 8, 8)),
            nn.ReLU(),
            nn.ConvTranspose2d(c, c, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(c, b, kernel_size=3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(b, b, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(b, a, kernel_size=3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(a, a, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(a, 3, kernel_size=3, padding=1),
        )

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))
