"""The residual block that the classifiers of modules 4 and 5 are built from."""

from torch import nn


class ResidualBlock(nn.Module):
    """x plus what two 3×3 convolutions find in it. (N, in, H, W) -> (N, out, H, W)

    The last ReLU comes before the sum; a 1×1 convolution carries x over where the number of
    channels changes [He et al., arXiv 1512.03385].
    """

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, x):
        return self.skip(x) + self.body(x)
