"""Explorables about images: a convolution's arithmetic, and what SSIM answers to."""

import numpy as np

from helpers import plotting
from helpers.arrays import as_floats
from helpers.explorables.page import Explorable
from helpers.models import conv_output_size


def convolution(size=7, kernel=3, stride=2, padding=1):
    """Move a kernel over a row of pixels, forward or transposed, and count. -> Explorable

    All in pixels: the size of the input, the kernel size, stride and padding at first.
    """
    output = conv_output_size(size, kernel, stride, padding)
    figure, axis = plotting.new_figure(7, 1.6)
    for row, length in enumerate([size, output]):
        axis.plot(
            np.arange(length), np.full(length, -row), "s", color=plotting.NORMAL, markersize=14
        )
    axis.set(yticks=[0, -1], ylim=(-1.6, 0.6), xticks=[])
    axis.set_yticklabels(["input", "output"])
    axis.spines[:].set_visible(False)
    alt = (
        f"A row of {size} pixels above a row of {output}: what a convolution with kernel size "
        f"{kernel}, stride {stride} and padding {padding} makes of it."
    )
    start = {"kind": "convolution", "size": size, "kernel": kernel}
    start |= {"stride": stride, "padding": padding, "place": 1}
    return Explorable(
        "convolution", "The arithmetic of a convolution", {"start": start}, figure, alt
    )


def shapes(side=28, convolutions=2, channels=16, latent=20):
    """Change the sizes of an autoencoder: shapes and number of weights follow. -> Explorable

    side : of the image in pixels; convolutions : each halves the side and doubles the channels
    channels : of the first convolution; latent : dimensions of the code
    """
    sides = [side]
    for _ in range(convolutions):
        sides.append(conv_output_size(sides[-1], 3, 2, 1))
    heights = [*sides, 1, *sides[::-1]]
    figure, axis = plotting.new_figure(7, 2)
    colours = [plotting.NORMAL] * len(sides) + [plotting.THRESHOLD] + [plotting.SECOND] * len(sides)
    axis.bar(range(len(heights)), heights, width=0.4, color=colours)
    axis.set(xticks=[], ylabel="side in pixels")
    alt = (
        f"Sides of the feature maps: {', '.join(map(str, sides))} pixels in the encoder, then a "
        f"code of {latent} numbers, then the same sides back in the decoder."
    )
    start = {"side": side, "convolutions": convolutions, "channels": channels, "latent": latent}
    return Explorable("shapes", "Shapes in an autoencoder", {"start": start}, figure, alt, 420)


def ssim(image):
    """Change brightness, contrast and place of an image; SSIM, its terms and the MSE follow.

    image : (H, H), pixels between 0 and 1, at least 7 a side; -> Explorable
    """
    image = as_floats(image)
    if image.ndim != 2 or len(set(image.shape)) > 1 or min(image.shape) < 7:
        raise ValueError(f"image must be a square (H, H) of at least 7×7 pixels; got {image.shape}")
    if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
        raise ValueError(
            f"pixels must lie between 0 and 1; they go from {image.min()} to {image.max()}"
        )
    figure, axis = plotting.new_figure(2, 2)
    axis.imshow(image, cmap="gray", vmin=0, vmax=1)
    axis.axis("off")
    alt = "The image as it is: SSIM 1 and mean squared error 0 with itself."
    data = {"image": np.round(image, 4).ravel(), "side": len(image)}
    return Explorable("ssim", "SSIM term by term", data, figure, alt, height=480)
