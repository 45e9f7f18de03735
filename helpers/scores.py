"""Anomaly scores: one number for each image; a higher score is more anomalous, always."""

from io import BytesIO

import torch.nn.functional as F
from PIL import Image

from helpers.losses import gaussian_log_likelihood, reparameterize


def reconstruction_error(x, x_hat):
    """Mean squared error of each image. (N, C, H, W) and the same -> (N,)"""
    return (x_hat - x).square().flatten(start_dim=1).mean(dim=1)


def reconstruction_probability(vae, x, samples=16):
    """Minus the mean of log p(x given z) over z ~ q(z given x), in nats. (N, C, H, W) -> (N,)

    The score of An and Cho (2015), turned so that higher is more anomalous. Pixels are Gaussian
    around the decoder's output with spread vae.sigma. Put the model into eval mode first.
    """
    gaussian = vae.encode(x)  # mu and logvar
    total = 0
    for _ in range(samples):
        x_hat = vae.decode(reparameterize(*gaussian))
        total = total + gaussian_log_likelihood(x, x_hat, vae.sigma)
    return -total / samples


def error_per_ink(x, x_hat):
    """Squared error after a 3×3 mean, divided by the picture's ink. (N, 1, H, W) twice -> (N,)

    The mean forgives strokes that are a pixel off; the ink is the picture's mean brightness.
    """
    smooth = F.avg_pool2d(x_hat - x, kernel_size=3, stride=1, padding=1)
    ink = x.flatten(start_dim=1).mean(dim=1).clamp(min=1e-3)  # a blank picture has none
    return smooth.square().flatten(start_dim=1).mean(dim=1) / ink


def compressed_bits(images):
    """Bits that each picture takes as a PNG file. uint8 (N, 1, H, W) -> list of N ints

    A measure of complexity, as in Serrà et al. (arXiv 1909.11480).
    """
    bits = []
    for picture in images[:, 0]:
        page = BytesIO()
        Image.fromarray(picture).save(page, format="png", optimize=True)
        bits.append(8 * len(page.getvalue()))
    return bits
