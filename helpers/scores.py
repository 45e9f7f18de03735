"""Anomaly scores: one number for each image; a higher score is more anomalous, always."""

from io import BytesIO

import torch
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
    mu, logvar = vae.encode(x)
    total = 0
    for _ in range(samples):
        x_hat = vae.decode(reparameterize(mu, logvar))
        total = total + gaussian_log_likelihood(x, x_hat, vae.sigma)
    return -total / samples


def compressed_bits(images):
    """Bits that each picture takes as a PNG file, a measure of complexity. uint8 (N, 1, H, W)

    Taken as the input complexity of Serra et al. (arXiv 1909.11480). -> list of N ints
    """
    bits = []
    for picture in images[:, 0]:
        page = BytesIO()
        Image.fromarray(picture).save(page, format="png", optimize=True)
        bits.append(8 * len(page.getvalue()))
    return bits
