"""Module 1: the simple scores beside the network, and the width of the bottleneck."""

import base64
import io

import numpy as np
import pandas as pd
from PIL import Image
from torch import nn

from helpers.datasets import load
from helpers.experiments.baselines import (
    brightness,
    mean_image_error,
    nearest_distance,
    pca_error,
)
from helpers.latent import pca_reconstruct
from helpers.metrics import auroc, paired_difference, paired_interval
from helpers.models import ConvAutoencoder
from helpers.runtime import choose, set_seed, training_length
from helpers.scores import reconstruction_error
from helpers.training import apply, as_input, epochs_for, fit

SHOWN = ("2", "4", "5", "7")  # digits whose reconstructions the table keeps


def parts():
    """The digits of module 1: for training, for thresholds, and a random part of the test digits.

    The first digits of MNIST's test file come from other writers than the last ones.
    """
    digits = load("mnist")
    available = min(len(digits["train"]), choose(quick=14_400, full=60_000))
    train, calibration = digits["train"].draw(available - available // 6, available // 6, seed=0)
    few = min(len(digits["test"]), choose(quick=2000, full=10_000))
    return train, calibration, digits["test"].draw(few, seed=0)[0]


def simple_scores(train_images, images):
    """Scores that need no network, as {name: array (N,)}. uint8 (M, 1, H, W), (N, 1, H, W)

    ink : the mean grey value
    mean image : squared distance to the mean of the training images
    PCA, 20 : squared error of the projection on their first 20 principal components
    nearest : distance to the nearest of them
    """
    x_train, x = as_input(train_images).cpu(), as_input(images).cpu()
    return {
        "ink": brightness(images) / 255,
        "mean image": mean_image_error(x_train, x).numpy(),
        "PCA, 20": pca_error(x_train, x, 20).numpy(),
        "nearest": nearest_distance(x_train, x).numpy(),
    }


def gains_of(own, normal, anomalous, changed=False):
    """AUROC of each other score, and by how much that of `own` is higher. -> DataFrame

    normal, anomalous : {name: scores of normal images (n,), or of anomalies (m,)}; `own` is a name
    changed : whether the anomalies are the normal images, changed, in the same order
    The interval is a bootstrap interval of the difference, over the same images for both scores;
    an image is redrawn together with its changed copy.
    """
    pair = normal[own], anomalous[own]
    area, rows = auroc(*pair), {}
    for name in [name for name in normal if name != own]:
        other = normal[name], anomalous[name]

        def gain(places, _, other=other):
            places = places.astype(int)
            a, b = (auroc(*(scores[places] for scores in of)) for of in (pair, other))
            return a - b

        if changed:
            every = np.arange(len(normal[own]))
            interval = paired_interval(every, every, gain, resamples=200)
        else:
            interval = paired_difference(*pair, *other, resamples=200)
        rows[name] = auroc(*other), area - auroc(*other), *interval
    columns = ["AUROC", f"gain of the {own}", "95 % low", "95 % high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def straight(latent_dim):
    """The network of module 1 without the layer of 64 numbers on either side of the code.

    That layer has no activation, so codes of more than 64 numbers would fill 64 dimensions only.
    """
    model = ConvAutoencoder(latent_dim)
    features = 32 * 7 * 7
    model.encoder = nn.Sequential(*model.encoder[:5], nn.Linear(features, latent_dim))
    model.decoder = nn.Sequential(nn.Linear(latent_dim, features), *model.decoder[2:])
    return model


def bottleneck(latent_dim, seed=0):
    """Error and AUROC (digits rotated by 90°) of a code of `latent_dim` numbers, and PCA's.

    pictures : for seed 0, reconstructions of some digits, upright and rotated, as from `as_strip`
    """
    train, _, test = parts()
    rotated = np.rot90(test.images, axes=(2, 3))
    epochs = epochs_for(training_length(quick=1900, full=15_600), 64, train)

    set_seed(seed)
    model = straight(latent_dim)
    fit(model, train.images, epochs=epochs, progress=False)
    x_train = as_input(train.images).cpu()

    def errors(images):
        return apply(lambda x: reconstruction_error(x, model(x)), images).numpy()

    def pca_errors(images):
        x = as_input(images).cpu()
        return reconstruction_error(x, pca_reconstruct(x_train, x, latent_dim)).numpy()

    normal, anomaly = errors(test.images), errors(rotated)
    pca_normal = pca_errors(test.images)
    low, high = paired_interval(normal, anomaly)
    values = {
        "test_mse": float(normal.mean()),
        "auroc": auroc(normal, anomaly),
        "low": low,
        "high": high,
        "pca_mse": float(pca_normal.mean()),
        "pca_auroc": auroc(pca_normal, pca_errors(rotated)),
        "source": test.source,
    }
    if seed == 0:
        some = shown(test)
        both = np.concatenate([some, np.rot90(some, axes=(2, 3))])
        values["pictures"] = as_strip(apply(model, both).numpy())
    return values


def shown(test):
    """One test digit of each kind in SHOWN. -> uint8 (4, 1, 28, 28)"""
    return np.concatenate([test.of_class(name).images[:1] for name in SHOWN])


def as_strip(pictures):
    """Images side by side as text: a PNG file in base 64. (N, 1, H, W) in [0, 1] -> str"""
    row = np.rint(255 * np.concatenate(list(pictures[:, 0]), axis=1)).astype(np.uint8)
    with io.BytesIO() as file:
        Image.fromarray(row).save(file, "png", optimize=True)
        return base64.b64encode(file.getvalue()).decode()


def from_strip(text):
    """The images of `as_strip`, all of one width and height. str -> uint8 (N, 1, H, H)"""
    row = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
    return np.stack(np.split(row, row.shape[1] // row.shape[0], axis=1))[:, None]
