"""Ways to spoil an image by degrees. uint8 (N, C, H, W), severity 0 to 1 -> the same shape."""

import numpy as np
from scipy.ndimage import gaussian_filter, rotate

from helpers.datasets.samples.lesions import add_lesions


def lesion(images, severity, seed=0):
    """One lesion an image, of up to 6 pixels of 64 in radius and 100 grey values of contrast."""
    return add_lesions(images, severity, np.random.default_rng(seed))[0]


def blur(images, severity):
    """Gaussian blur, up to a spread of 4 pixels of 64."""
    sigma = severity * images.shape[-1] / 16
    return _bytes(gaussian_filter(images, sigma, axes=(2, 3), output=float))


def turn(images, severity):
    """Rotation, up to 90 degrees; the corners take the grey of the nearest pixel."""
    turned = rotate(
        images, 90 * severity, (2, 3), reshape=False, order=1, mode="nearest", output=float
    )
    return _bytes(turned)


def invert(images, severity):
    """Contrast shrunk and then reversed: an even grey at one half, the negative at 1."""
    return _bytes(255 * severity + (1 - 2 * severity) * images.astype(float))


def _bytes(pixels):
    return np.rint(pixels).clip(0, 255).astype(np.uint8)


CORRUPTIONS = {"lesion": lesion, "blur": blur, "rotation": turn, "inverted contrast": invert}
