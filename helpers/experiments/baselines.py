"""Scores without a network: what a network has to beat.

`images` are uint8 (N, C, H, W), `x` the same as floats in [0, 1]; a score is (N,), and a higher one
is more anomalous.
"""

import numpy as np
import torch

from helpers.latent import pca_reconstruct
from helpers.scores import compressed_bits, knn, reconstruction_error
from helpers.training import apply, as_input


def brightness(images):
    """Mean grey value of each image. -> (N,)"""
    return images.mean((1, 2, 3))


def background(images):
    """Median grey value of the outermost pixels. uint8 (N, 1, H, W) -> (N,)"""
    frame = np.ones(images.shape[2:], dtype=bool)
    frame[2:-2, 2:-2] = False
    return np.median(images[:, 0, frame], axis=1)


def png_bytes(images):
    """Size of each image as a PNG file. -> (N,)"""
    return np.array(compressed_bits(images)) / 8


def from_median(traits, train_images, images):
    """Distance of each trait from its training median. {name: function} -> {name: array (N,)}

    traits : of those above. Nobody knows beforehand on which side an anomaly lies.
    """
    return {name: np.abs(f(images) - np.median(f(train_images))) for name, f in traits.items()}


def standard_deviation(x, dim):
    """The same as `x.std(dim)`, divided by n - 1. A tensor -> a tensor without these dimensions

    By a mean and a sum; `std` of torch 2.15 takes 8 to 16 times as long on a CPU (findings/).
    """
    mean = x.mean(dim, keepdim=True)
    n = x.numel() // mean.numel()
    return ((x - mean).square().sum(dim) / (n - 1)).sqrt()


def mean_image_error(x_train, x):
    """Squared error of the mean training image in place of each image. tensors -> (N,)"""
    return reconstruction_error(x, x_train.mean(dim=0, keepdim=True))


def pca_error(x_train, x, components):
    """Squared error of the projection on the first principal components. tensors -> (N,)"""
    return reconstruction_error(x, pca_reconstruct(x_train, x, components))


def nearest_distance(x_train, x):
    """Distance to the nearest training image. tensors -> (N,)"""
    return knn(x_train.flatten(1), x.flatten(1), k=1)


def nearest_picture(x_train, x):
    """The nearest training image of each image. tensors -> the shape of x"""
    train = x_train.flatten(1)
    places = [torch.cdist(part, train).argmin(1) for part in x.flatten(1).split(1000)]
    return x_train[torch.cat(places)]


def subspace_errors(train_images, images, components):
    """Squared errors of the mean image and of PCA, a pixel. uint8 twice -> array (2, N)

    For large images: the components are found without the covariance of all pixels.
    """
    from sklearn.decomposition import PCA

    pca = PCA(components, random_state=0).fit(as_input(train_images).flatten(1).cpu().numpy())

    def residuals(x):
        around = x.flatten(1) - torch.from_numpy(pca.mean_).to(x)
        inside = around @ torch.from_numpy(pca.components_).to(x).T
        whole = around.square().sum(dim=1)
        return torch.stack([whole, whole - inside.square().sum(dim=1)], dim=1) / around.shape[1]

    return apply(residuals, images).T.numpy()
