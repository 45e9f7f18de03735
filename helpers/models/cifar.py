"""The networks of module 4: a small residual classifier, and the autoencoder before it."""

import torch
import torch.nn.functional as F
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


@torch.no_grad()
def whiten(convolution, images):
    """Set the filters of a first convolution by the images that it will see, instead of at random.

    convolution : nn.Conv2d without a bias; images : float (N, channels, H, W)
    Half of the filters become the first principal components of the images' patches, each divided
    by the root of its variance plus 0.01: outputs that do not correlate, and vary more alike. The
    other half are these with the opposite sign, since a ReLU cuts one side off. Filters for which
    there are no more components stay as they are. [after Jordan, arXiv 2404.00498]
    """
    filters = convolution.weight
    patches = F.unfold(images.cpu(), filters.shape[2:]).transpose(1, 2).flatten(end_dim=1)
    variances, components = torch.linalg.eigh(patches.T.cov())  # ascending; one component a column
    # directions in which hardly anything varies would get enormous filters
    scaled = (components / (variances + 0.01).sqrt()).T.flip(0)[: len(filters) // 2]
    k, scaled = len(scaled), scaled.unflatten(1, filters.shape[1:])
    filters[: 2 * k] = torch.cat([scaled, -scaled]).to(filters)


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
