"""Module 4: cats and dogs, their classifier, its screens, and eight classes that are neither."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from helpers.calibration import expected_calibration_error, fit_temperature
from helpers.datasets import ImageSet, load
from helpers.datasets.splits import class_roles
from helpers.latent import pca_reconstruct
from helpers.metrics import (
    auroc,
    aurc,
    bootstrap_interval,
    fpr_at_tpr,
    per_class_auroc,
)
from helpers.models import ColourAutoencoder, SmallResNet
from helpers.runtime import choose, set_seed
from helpers.scores import (
    beyond_complexity,
    class_mahalanobis,
    compressed_bits,
    energy,
    max_softmax,
    normalised_knn,
    reconstruction_error,
    total_variation,
)
from helpers.thresholds import Screen
from helpers.training import adam, apply, as_input, fit, fit_classifier

PETS = ("cat", "dog")
SHARES = {"classifier": 0.7, "autoencoder": 0.18, "temperature": 0.04, "calibration": 0.08}


class Roles(NamedTuple):
    """Cats (0) and dogs (1) of the training set in four roles and of the test set; the others."""

    classifier: ImageSet
    autoencoder: ImageSet
    temperature: ImageSet
    calibration: ImageSet
    test: ImageSet
    others: ImageSet


def roles():
    """The roles of CIFAR-10's pictures; of each other class the first ones of the test set."""
    data = load("cifar10")
    train, test = data["train"], data["test"]
    wanted = [train.classes.index(name) for name in PETS]
    parts = [train.take(p) for p in class_roles(train.labels, wanted, list(SHARES.values()))]
    parts.append(test.of_class(*PETS))
    parts = [
        replace(p, labels=(p.labels == wanted[1]).astype(np.int64), classes=PETS) for p in parts
    ]
    each = choose(quick=500, full=1000)
    rest = [np.flatnonzero(test.labels == i)[:each] for i in range(10) if i not in wanted]
    return Roles(*parts, test.take(np.sort(np.concatenate(rest))))


def flip_and_shift(x, pixels=4):
    """Mirror half of the pictures, and shift each by up to `pixels` either way. (N, C, H, W)"""
    n, _, height, width = x.shape
    padded = F.pad(x, [pixels] * 4, mode="reflect")
    down, right = torch.randint(2 * pixels + 1, (2, n, 1), device=x.device)
    rows = down + torch.arange(height, device=x.device)
    columns = right + torch.arange(width, device=x.device)
    columns = torch.where(torch.rand(n, 1, device=x.device) < 0.5, columns.flip(1), columns)
    picture = torch.arange(n, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None]].permute(
        0, 3, 1, 2
    )


def classifier(train, seed=0, progress=False, validation=None):
    """The trained classifier, in eval mode, and its history."""
    set_seed(seed)
    model = SmallResNet(
        choose(quick=(16, 32, 64), full=(64, 128, 256)), stride=choose(quick=2, full=1)
    )
    history = fit_classifier(
        model,
        train.images,
        train.labels,
        epochs=choose(quick=3, full=30),
        validation=validation,
        augment=flip_and_shift,
        progress=progress,
    )
    return model.eval(), history


def autoencoder(images, seed=0, progress=False, on_epoch=None):
    """The trained autoencoder, in eval mode. `on_epoch(model, history)` after each epoch."""
    set_seed(seed)
    widths, latent_dim = choose(quick=(8, 16, 32), full=(16, 32, 64)), choose(quick=128, full=1000)
    model = ColourAutoencoder(widths, latent_dim)
    fit(
        model,
        images,
        epochs=choose(quick=20, full=30),
        optimizer=adam(model, weight_decay=0),
        on_epoch=on_epoch and (lambda history: on_epoch(model, history)),
        progress=progress,
    )
    return model.eval()


def cae_error(ae, images):
    """Squared error of each picture's reconstruction. uint8 (N, 3, 32, 32) -> array (N,)"""
    return apply(lambda x: reconstruction_error(x, ae(x)), images).numpy()


def complexity(images):
    """Total variation of each picture, kept above 0 for a blank one. -> array (N,)"""
    return apply(total_variation, images).clamp(min=1e-3).numpy()


def cae_scores(ae, fit_images, images):
    """The CAE's error, plain and corrected for complexity, as {name: array (N,)}.

    fit_images : normal pictures that the CAE has not seen, for the line of the correction
    """
    errors = cae_error(ae, images)
    corrected = beyond_complexity(
        cae_error(ae, fit_images), complexity(fit_images), errors, complexity(images)
    )
    return {"CAE error": errors, "CAE error, corrected": corrected}


def classifier_scores(model, train, images):
    """Scores from a classifier's logits and features, as {name: array (N,)}.

    train : the ImageSet that the classifier was trained on
    """
    z_train, z = apply(model.features, train.images), apply(model.features, images)
    logits = apply(model, images)
    labels = torch.from_numpy(train.labels)
    scores = {
        "max softmax": max_softmax(logits),
        "energy": energy(logits),
        "Mahalanobis": class_mahalanobis(z_train, labels, z),
        "kNN": normalised_knn(z_train, z),
    }
    return {name: values.numpy() for name, values in scores.items()}


def ensemble_score(models, images):
    """1 - the largest of the probabilities that several classifiers give on average. -> (N,)

    Lakshminarayanan et al., arXiv 1612.01474.
    """
    mean = torch.stack([apply(model, images).softmax(dim=1) for model in models]).mean(dim=0)
    return (1 - mean.amax(dim=1)).numpy()


def baseline_scores(train_images, images):
    """Scores without a network, as {name: array (N,)}. uint8 (M, 3, 32, 32), (N, 3, 32, 32)

    Brightness and bytes count by their distance from the training median.
    """
    x_train, x = as_input(train_images).cpu(), as_input(images).cpu()
    traits = {
        "brightness": lambda images: images.mean((1, 2, 3)),
        "PNG bytes": lambda images: np.array(compressed_bits(images)) / 8,
    }
    scores = {name: np.abs(f(images) - np.median(f(train_images))) for name, f in traits.items()}
    scores["mean image"] = reconstruction_error(x, x_train.mean(dim=0, keepdim=True)).numpy()
    scores["PCA, 200"] = reconstruction_error(x, pca_reconstruct(x_train, x, 200)).numpy()
    return scores


def stream(n, m, rate, seed=0):
    """Positions of a stream where a share `rate` is out of sample: among n in, among m out.

    As long as the pictures last: all of one kind are in it.
    """
    rng = np.random.default_rng(seed)
    length = min(n / (1 - rate) if rate < 1 else np.inf, m / rate if rate > 0 else np.inf)
    outside = round(rate * length)
    inside = round(length) - outside
    return rng.permutation(n)[:inside], rng.permutation(m)[:outside]


def recalibrated(scores, n, draws=10, alpha=0.05):
    """False-alarm rates after `draws` calibrations on n of the normal scores, tested on the rest."""
    rates = []
    for seed in range(draws):
        drawn = np.random.default_rng(seed).permutation(scores)
        rates.append(float(Screen(alpha).fit(drawn[:n]).predict(drawn[n:]).mean()))
    return rates


def screens(seed, rate=0.5, alpha=0.05):
    """One training of everything: what classifier, scores, screens and system reach.

    rate : share of out-of-sample pictures in the stream on which the system is judged
    """
    parts = roles()
    n, normal = len(parts.test), (parts.calibration.images, parts.test.images)
    images = np.concatenate([*normal, parts.others.images])
    names = np.array(parts.others.classes)[parts.others.labels]
    models = [classifier(parts.classifier, 2 * seed + i)[0] for i in range(2)]
    ae = autoencoder(parts.autoencoder.images, seed)

    scores = baseline_scores(parts.autoencoder.images, images)
    scores |= cae_scores(ae, parts.classifier.images, images)
    scores |= classifier_scores(models[0], parts.classifier, images)
    scores["ensemble of two"] = ensemble_score(models, images)

    logits = apply(models[0], parts.temperature.images)
    temperature = fit_temperature(logits, torch.from_numpy(parts.temperature.labels))
    probability, answer = (apply(models[0], images) / temperature).softmax(dim=1).max(dim=1)
    calibration = len(parts.calibration)
    right = answer.numpy()[calibration:][:n] == parts.test.labels
    values = {
        "source": parts.test.source,
        "accuracy": float(right.mean()),
        "temperature": temperature,
    }
    return values
