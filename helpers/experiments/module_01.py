"""Module 1: the width of the bottleneck."""

import numpy as np

from helpers.datasets import load
from helpers.latent import pca_reconstruct
from helpers.metrics import auroc, bootstrap_interval
from helpers.models import ConvAutoencoder
from helpers.runtime import choose, set_seed, training_length
from helpers.scores import reconstruction_error
from helpers.training import apply, as_input, epochs_for, fit


def bottleneck(latent_dim, seed=0):
    """Error and AUROC (digits rotated by 90°) of a code of `latent_dim` numbers."""
    digits = load("mnist")
    available = min(len(digits["train"]), choose(quick=14_400, full=60_000))
    train = digits["train"].draw(available - available // 6, seed=0)[0]
    test = digits["test"].take(slice(0, choose(quick=2000, full=10_000)))
    rotated = np.rot90(test.images, axes=(2, 3))
    epochs = epochs_for(training_length(quick=1900, full=15_600), 64, train)

    set_seed(seed)
    model = ConvAutoencoder(latent_dim)
    fit(model, train.images, epochs=epochs, progress=False)
    x_train = as_input(train.images[: choose(quick=6000, full=60_000)]).cpu()

    def errors(images):
        return apply(lambda x: reconstruction_error(x, model(x)), images).numpy()

    def pca_errors(images):
        x = as_input(images).cpu()
        return reconstruction_error(x, pca_reconstruct(x_train, x, latent_dim)).numpy()

    normal, anomaly = errors(test.images), errors(rotated)
    pca_normal = pca_errors(test.images)
    low, high = bootstrap_interval(normal, anomaly)
    return {
        "test_mse": float(normal.mean()),
        "auroc": auroc(normal, anomaly),
        "low": low,
        "high": high,
        "pca_mse": float(pca_normal.mean()),
        "pca_auroc": auroc(pca_normal, pca_errors(rotated)),
        "source": test.source,
    }
