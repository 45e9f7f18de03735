"""One of each explorable, with small made-up data."""

import numpy as np
import torch

from helpers import explorables
from helpers.corruptions import blur, invert
from helpers.datasets import ImageSet
from helpers.models import ConvAutoencoder, ConvVAE
from helpers.results import read_table

random = np.random.default_rng(0)


def digit():
    """A ring on black, 28×28, with soft edges."""
    y, x = np.mgrid[:28, :28] - 13.5
    return np.exp(-((np.hypot(x, 1.3 * y) - 8) ** 2) / 6)


def vae():
    """An untrained network of module 2 with two latent dimensions."""
    torch.manual_seed(0)
    return ConvVAE(latent_dim=2)


def path():
    """q on its way to a Gaussian posterior: 31 places, five gradient steps apart."""
    share = np.linspace(0, 1, 31)[:, None]
    grid = np.linspace(-2, 2, 41)
    posterior = np.exp(-((grid[None] - 0.5) ** 2 + (grid[:, None] + 0.3) ** 2) / 0.2)
    mu = share * [0.5, -0.3] + (1 - share) * [0.9, 0.1]
    sigma = 0.5 - 0.2 * share + np.zeros((1, 2))
    elbo = -100 - 4 * (1 - share[:, 0]) ** 2
    return {"mu": mu, "sigma": sigma, "elbo": elbo, "posterior": posterior} | {
        "low": (-2, -2),
        "high": (2, 2),
        "every": 5,
    }


def two_detectors():
    """Scores of the same 60 normal images and 40 anomalies by two detectors that agree a lot."""
    shared = [random.normal(0, 1, 60), random.normal(1, 1, 40)]
    return [[scores + random.normal(0, 0.4, len(scores)) for scores in shared] for _ in range(2)]


IMAGES = np.random.default_rng(1).integers(0, 256, (30, 1, 28, 28), dtype=np.uint8)
LABELS = np.repeat([2, 5, 7], [5, 10, 15])
CLASSES = tuple("0123456789")


REAL = 255 - np.arange(20, dtype=np.uint8).reshape(-1, 1, 1, 1) + np.zeros((1, 28, 28), np.uint8)
SAMPLES = torch.linspace(0, 0.5, 60).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
CORRUPTIONS = {"blur": blur, "inverted contrast": invert}


def autoencoder():
    """An untrained network of module 1."""
    torch.manual_seed(0)
    return ConvAutoencoder(latent_dim=4)


NAMES = np.repeat(["Hand", "CXR", "HeadCT"], [14, 8, 8])
SCORES = {
    "AE MAE": random.lognormal(0, 1, 30) + np.repeat([0, 1, 1], [14, 8, 8]),
    "rounded": random.integers(-3, 4, 30).astype(float),  # with ties, and below 0
}


def scans(n=40, seed=3):
    """Noise with a bright square in the diseased ones, four scans of each patient."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) // 4 % 4
    images = rng.integers(0, 120, (n, 1, 16, 16), dtype=np.uint8)
    masks = np.zeros((n, 16, 16), dtype=bool)
    masks[labels != 3, 4:9, 5:12] = True
    images[masks[:, None]] += 100
    classes = ("CNV", "DME", "DRUSEN", "NORMAL")
    return ImageSet(images, labels, classes, masks=masks, groups=np.arange(n) // 4 + 1000 * seed)


MAPS = {
    "residual": np.linspace(0, 1, 40)[:, None, None] + random.random((40, 16, 16)) / 10,
    "patches": random.random((40, 16, 16)),
}
SCAN_SCORES = {"L1": random.random(40), "kNN": random.random(40)}

CONFIDENCE = random.uniform(0.5, 1, 400).round(2), random.uniform(0.5, 1, 900).round(2)
RIGHT = random.random(400) < 0.8
P_INSIDE = {"blind": random.integers(1, 101, 400) / 100, "sharp": random.random(400)}
P_OUTSIDE = {"blind": random.integers(1, 101, 900) / 100, "sharp": np.full(900, 0.001)}


def betas():
    return read_table("02_beta", source="real", profile="quick")


def shares():
    table = read_table("05_share", source="sample", profile="quick")
    return table[table.rung == "all labels"]


EXAMPLES = {
    "threshold": lambda: explorables.threshold(
        random.lognormal(-4, 0.4, 500),
        random.lognormal(-3, 0.5, 300),
        thresholds={"mean + sd": 0.03, "conformal": 0.04},
    ),
    "ranks": lambda: explorables.ranks(random.gamma(4, 1, 19)),
    "elbo": lambda: explorables.elbo(),
    "convolution": lambda: explorables.convolution(),
    "ssim": lambda: explorables.ssim(digit()),
    "logits": lambda: explorables.logits(),
    "reliability": lambda: explorables.reliability(),
    "shapes": lambda: explorables.shapes(),
    "decoder": lambda: explorables.decoder(
        vae(), random.normal(0, 1.5, (200, 2)), np.arange(200) % 10, [str(d) for d in range(10)]
    ),
    "amortisation": lambda: explorables.amortisation(**path()),
    "bootstrap": lambda: explorables.bootstrap(*two_detectors()),
    "beta": lambda: explorables.beta_explorer(betas()),
    "share": lambda: explorables.share_explorer(shares()),
    "traversal": lambda: explorables.traversal_explorer(vae(), IMAGES, LABELS, CLASSES),
    "latent": lambda: explorables.latent_explorer(autoencoder(), IMAGES, LABELS, CLASSES),
    "samples": lambda: explorables.sample_quiz(REAL, SAMPLES),
    "residual": lambda: explorables.residual_explorer(autoencoder(), IMAGES, CORRUPTIONS),
    "scores": lambda: explorables.score_explorer(IMAGES, NAMES, SCORES),
    "scans": lambda: explorables.scan_explorer(scans(), SCAN_SCORES, MAPS),
    "risk": lambda: explorables.risk_explorer(
        CONFIDENCE[0], RIGHT, CONFIDENCE[1], P_INSIDE, P_OUTSIDE
    ),
    "ladder": lambda: explorables.ladder_explorer(scans(160), scans(40, 4), scans(80, 5)),
}
