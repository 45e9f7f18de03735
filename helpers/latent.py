"""Latent codes: what lies between them, and their linear counterpart."""

import torch

from helpers.arrays import number, reads, tensor, whole

ONE = tensor("one finite code (d,)", least_ndim=1, ndim=1, finite=True)


def interpolate(z_start, z_end, steps):
    """`steps` equally spaced points on the line, both ends included. (d,), (d,) -> (steps, d)"""
    t = torch.linspace(0, 1, steps, dtype=z_start.dtype, device=z_start.device).unsqueeze(1)
    return (1 - t) * z_start + t * z_end


interpolate = reads(interpolate, z_start=ONE, z_end=ONE, steps=whole(2), alike=("z_start", "z_end"))


def pca_reconstruct(x_train, x, components):
    """Project x on the first principal components of x_train, and back.

    (M, C, H, W), (N, C, H, W) -> (N, C, H, W). Everything is learned from x_train alone.
    """
    train = x_train.flatten(start_dim=1)
    mean = train.mean(dim=0)
    centred = train - mean
    _, directions = torch.linalg.eigh(centred.T @ centred)  # from small to large variance
    kept = directions.flip(dims=[1])[:, :components]
    return (mean + (x.flatten(start_dim=1) - mean) @ kept @ kept.T).view_as(x)


def _fit_together(x_train, x, components):
    pixels = x_train[0].numel()
    if x_train.shape[1:] != x.shape[1:]:
        return f"x_train {tuple(x_train.shape)} and x {tuple(x.shape)} are of two sizes"
    if components > pixels:
        return f"{components} components of images of {pixels} pixels"


pca_reconstruct = reads(
    pca_reconstruct,
    x_train=tensor("finite images (M, C, H, W), M at least 1", rows=1, finite=True),
    x=tensor(),
    components=whole(0),
    check=_fit_together,
)


def active_units(mu, threshold=0.01):
    """Latents whose mean moves with the image: variance over the images > threshold. -> int

    (N, d). The measure of Burda et al. (arXiv 1509.00519); a collapsed VAE has none.
    """
    return int((mu.var(dim=0) > threshold).sum())


active_units = reads(
    active_units,
    mu=tensor("finite codes (N, d), N at least 2", ndim=2, rows=2, finite=True),
    threshold=number("a number"),
)
