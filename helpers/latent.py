"""Latent codes: what lies between them, and their linear counterpart."""

import torch


def interpolate(z_start, z_end, steps):
    """`steps` equally spaced points on the line, both ends included. (d,), (d,) -> (steps, d)"""
    t = torch.linspace(0, 1, steps, dtype=z_start.dtype, device=z_start.device).unsqueeze(1)
    return (1 - t) * z_start + t * z_end


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


def active_units(mu, threshold=0.01):
    """Latents whose mean moves with the picture: variance over the pictures > threshold. -> int

    (N, d). The measure of Burda et al. (arXiv 1509.00519); a collapsed VAE has none.
    """
    return int((mu.var(dim=0) > threshold).sum())
