"""Module 2: one digit held out, beta, and the bounds on black and white digits."""

import base64
from functools import partial
from io import BytesIO

import numpy as np
import torch
from PIL import Image

from helpers.datasets import load
from helpers.datasets.splits import hold_one_out
from helpers.experiments import baselines
from helpers.experiments.judging import with_interval
from helpers.latent import active_units, pca_reconstruct
from helpers.losses import elbo_terms, iwae_bound, kl_divergence, log_weights, reparameterize
from helpers.metrics import auroc, bootstrap_interval
from helpers.models import ConvVAE
from helpers.runtime import choose, device, set_seed, training_length
from helpers.scores import (
    compressed_bits,
    error_per_ink,
    reconstruction_error,
    reconstruction_probability,
)
from helpers.thresholds import conformal_threshold
from helpers.training import (
    adam,
    apply,
    as_input,
    epochs_for,
    fit,
    mean_loss,
    negative_elbo,
    vae_error,
)


def batch_size_and_lr():
    """Batch size and learning rate of the profile.

    The quick profile takes steps that cost less: a less exact gradient matters little so early.
    """
    return choose(quick=(64, 2e-3), full=(128, 1e-3))


def held_out_vae(held_out, latent_dim, seed=0, beta=1.0):
    """A VAE trained on all digits but one. -> vae (eval mode), fit set, calibration set"""
    digits = load("mnist")["train"]
    digits = digits.draw(min(len(digits), choose(quick=14_400, full=60_000)), seed=0)[0]
    fitted, calibration = (
        digits.take(part) for part in hold_one_out(digits.labels, digits.classes.index(held_out))
    )
    set_seed(seed)
    vae = ConvVAE(latent_dim)
    batch_size, lr = batch_size_and_lr()
    fit(
        vae,
        fitted.images,
        epochs=epochs_for(training_length(quick=670, full=7500), batch_size, fitted),
        batch_size=batch_size,
        optimizer=adam(vae, lr=lr, weight_decay=0),
        objective=partial(negative_elbo, beta=beta),
        progress=False,
    )
    vae.sigma = mean_loss(vae, calibration.images, vae_error) ** 0.5
    return vae, fitted, calibration


def train_source(images, loss, steps):
    """A VAE trained as in the notebook of section 7, shorter and with a larger step. -> vae

    uint8 images (N, 1, 28, 28); 100 latents, batches of 256; loss : vae, batch -> a number
    """
    set_seed(0)
    vae = ConvVAE(latent_dim=100)
    optimizer = adam(vae, lr=2e-3, weight_decay=0)
    epochs = epochs_for(steps, 256, images)
    fit(vae, images, epochs=epochs, batch_size=256, optimizer=optimizer, objective=loss)
    return vae


def rebuilt(vae, images):
    """Reconstructions from one draw of z, as in the notebook of section 7. (N, 1, 28, 28) twice"""
    return apply(lambda x: vae.decode(reparameterize(*vae.encode(x))), images)


def error_on_wide_pixels(x_hat, images):
    """Mean squared error on pixels in [-1, 1], of x_hat in [0, 1] and uint8 images. -> a number"""
    # (2a - 1) - (2b - 1) = 2(a - b)
    return 4 * (x_hat - as_input(images).cpu()).square().mean().item()


def vae_scores(vae, images, samples=16):
    """The module's scores of each image, as {name: array (N,)}. uint8 (N, 1, 28, 28)"""
    set_seed(0)

    def columns(x):
        x_hat, mu, logvar = vae(x)
        log_w = log_weights(vae, x, samples)
        drawn = log_weights(vae, (x > 0.5).float(), samples)
        scores = [
            reconstruction_error(x, x_hat),
            kl_divergence(mu, logvar),
            -log_w.mean(dim=0),
            -iwae_bound(log_w),
            reconstruction_probability(vae, x, samples),
            error_per_ink(x, x_hat),
            -drawn.mean(dim=0),
        ]
        return torch.stack(scores, dim=1)

    names = ("error", "KL", "-ELBO", "-IWAE", "reconstruction probability", "error per ink")
    names = (*names, "-ELBO, black and white")
    scores = dict(zip(names, apply(columns, images).numpy().T, strict=True))
    # of the same image as the likelihood, or the difference would compare two things
    bits = np.array(compressed_bits(255 * (images > 127).astype(np.uint8)))
    scores["-ELBO less PNG bits"] = scores["-ELBO, black and white"] - bits * np.log(2)
    return scores


def baseline_scores(train_images, images):
    """Scores without a network, as {name: array (N,)}. uint8 (M, 1, 28, 28), (N, 1, 28, 28)"""
    x_train, x = as_input(train_images[:6000]).cpu(), as_input(images).cpu()
    pca, nearest = pca_reconstruct(x_train, x, 20), baselines.nearest_picture(x_train, x)
    scores = {
        "ink": x.mean(dim=(1, 2, 3)),
        "mean image": baselines.mean_image_error(x_train, x),
        "PCA, 20": reconstruction_error(x, pca),
        "PCA, 20, per ink": error_per_ink(x, pca),
        "nearest": reconstruction_error(x, nearest),
        "nearest, per ink": error_per_ink(x, nearest),
    }
    return {name: values.numpy() for name, values in scores.items()}


def reported(test):
    """The test images to report on: on the other two fifths the corrected score was chosen."""
    return test.take(slice(2 * len(test) // 5, None))


def normal_digits(count=3000):
    """The first training digits of the notebook, without zeros. -> uint8 (m, 1, 28, 28)"""
    digits = load("mnist")["train"]
    digits = digits.draw(min(len(digits), choose(quick=14_400, full=60_000)), seed=0)[0]
    fitted, _ = hold_one_out(digits.labels, digits.classes.index("0"))
    return digits.images[fitted[:count]]


def unreported(seed=7):
    """Images for the wrap-up: test digits that the notebook does not report on, and clothes.

    -> uint8 images (N, 1, 28, 28); bool (N,), true for zeros and clothes, which are anomalous;
    "real" or "sample"
    """
    test = load("mnist")["test"]
    part = test.take(slice(0, 2 * len(test) // 5))
    zeros, others = (
        (part.labels == part.classes.index("0")).nonzero()[0],
        part.of_class(*test.classes[1:]),
    )
    normal = others.draw(min(len(others), 400), seed=seed)[0].images
    clothes = load("fashion_mnist")["test"].draw(60, seed=seed)[0].images
    odd = np.concatenate([part.images[zeros[:120]], clothes])
    anomalous = np.repeat([False, True], [len(normal), len(odd)])
    return np.concatenate([normal, odd]), anomalous, test.source


def held_out(held_out, seed=0):
    """AUROC of every score with one digit held out, 10 latents; an ensemble of three."""
    test = reported(load("mnist")["test"])
    vae, fitted, calibration = held_out_vae(held_out, 10, seed)
    scores = vae_scores(vae, test.images)
    calibrated = vae_scores(vae, calibration.images)["error per ink"]
    both = {"test": [scores["error per ink"]], "calibration": [calibrated]}
    for latent_dim in (5, 20):
        other, _, _ = held_out_vae(held_out, latent_dim, seed)
        for name, images in (("test", test.images), ("calibration", calibration.images)):
            both[name].append(apply(lambda x, v=other: error_per_ink(x, v(x)[0]), images).numpy())
    ensemble, calibrated = (np.log(both[name]).mean(axis=0) for name in ("test", "calibration"))
    scores["error per ink, ensemble"] = ensemble
    scores |= baseline_scores(fitted.images, test.images)
    anomaly = test.labels == test.classes.index(held_out)
    values = {"source": test.source}
    for name, s in scores.items():
        interval = bootstrap_interval(s[~anomaly], s[anomaly], resamples=200)
        values |= with_interval(name, auroc(s[~anomaly], s[anomaly]), interval)
    flagged = ensemble > conformal_threshold(calibrated, 0.05)
    values |= {"false alarms": flagged[~anomaly].mean(), "found": flagged[anomaly].mean()}
    return values


def beta(latent_dim, beta, seed=0):
    """What beta does to a VAE that has not seen the digit 4."""
    test = load("mnist")["test"]
    anomaly = test.labels == test.classes.index("4")
    vae, _, _ = held_out_vae("4", latent_dim, seed, beta)
    terms = apply(lambda x: torch.stack(elbo_terms(vae, x), dim=1), test.images[~anomaly]).mean(0)
    scores = apply(lambda x: error_per_ink(x, vae(x)[0]), test.images).numpy()
    codes = apply(lambda x: vae.encode(x)[0], test.images[~anomaly])
    with torch.inference_mode():
        samples = vae.decode(torch.randn(10, latent_dim, device=device())).cpu()
    return {
        "reconstruction": -terms[0].item(),
        "kl": terms[1].item(),
        "active": active_units(codes),
        "auroc": auroc(scores[~anomaly], scores[anomaly]),
        "samples": as_png(samples),
        "source": test.source,
    }


def binarised(latent_dim, seed=0):
    """ELBO and IWAE bounds of a VAE of all digits, in nats, on images drawn in black and white.

    Each pixel is 1 with the probability of its grey value, drawn anew at each training step and
    once for the test set, as Burda et al. did (arXiv 1509.00519).
    """
    digits = load("mnist")
    train = digits["train"].images[: choose(quick=12_000, full=60_000)]
    epochs = epochs_for(training_length(quick=750, full=23_450), 128, train)
    set_seed(seed)
    vae = ConvVAE(latent_dim)
    fit(
        vae,
        train,
        epochs=epochs,
        batch_size=128,
        optimizer=adam(vae, weight_decay=0),
        objective=lambda vae, x: negative_elbo(vae, torch.bernoulli(x)),
        progress=False,
    )
    set_seed(seed)
    test = 255 * torch.bernoulli(as_input(digits["test"].images).cpu()).byte().numpy()
    log_w = apply(lambda x: log_weights(vae, x, 100).T, test).T
    values = {
        "epochs": epochs,
        "train": len(train),
        "test": len(test),
        "source": digits["test"].source,
    }
    for k in (1, 10, 100):
        bound = iwae_bound(log_w[:k])
        values[f"bound, {k}"] = bound.mean().item()
        values[f"standard error, {k}"] = (bound.std() / len(bound) ** 0.5).item()
    return values


def interval_rows(scores, anomaly, names):
    """AUROC of the named scores with its 95 % interval, as rows for `plotting.intervals`.

    scores : {name: array (N,)}; anomaly : bool (N,)
    -> a list of dicts with the keys score, auroc, low and high
    """
    rows = []
    for name in names:
        normal, odd = scores[name][~anomaly], scores[name][anomaly]
        low, high = bootstrap_interval(normal, odd, resamples=200)
        rows.append({"score": name, "auroc": auroc(normal, odd), "low": low, "high": high})
    return rows


def areas_by_digit(table):
    """AUROCs as one row a score and one column a held-out digit, with their mean as last column.

    table : 02_held_out, one row a digit, with the digits as index
    """
    names = [c.removesuffix(", low") for c in table.columns if c.endswith(", low")]
    areas = table[names].T
    areas["mean"] = areas.mean(axis=1)
    return areas


def summary(test, collapsed, areas, source):
    """The module's results as a Markdown table.

    test : the test set; collapsed : the notebook's table of errors by held-out digit; areas : mean
    AUROC of each score over ten digits, from a stored table that used the data `source`
    """
    stored = "" if source == test.source else f" (stored table, {source} data)"
    rows = {}
    for name in ("0", "1"):
        errors = collapsed.loc[name]
        rows[f"error of the collapsed VAE and of the mean image, without {name}"] = (
            f"{errors['trained here']:.4f} and {errors['mean image']:.4f}"
        )
    for score, name in {
        "-ELBO": "minus ELBO",
        "error": "reconstruction error",
        "error per ink": "error per ink",
        "nearest, per ink": "error per ink of the nearest training image",
    }.items():
        rows[f"mean AUROC over ten held-out digits, {name}{stored}"] = f"{areas[score]:.3f}"
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"| {test.name}, {test.source} data | |\n|---|---|\n{table}"


def as_png(images):
    """A strip of images (N, 1, H, W) in [0, 1] as a base64-encoded PNG."""
    strip = np.hstack((255 * images[:, 0].numpy()).astype(np.uint8))
    page = BytesIO()
    Image.fromarray(strip).save(page, format="png")
    return base64.b64encode(page.getvalue()).decode()
