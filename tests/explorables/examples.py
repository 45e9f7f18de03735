"""One of each explorable, with small made-up data."""

import numpy as np

from helpers import explorables

random = np.random.default_rng(0)


def digit():
    """A ring on black, 28×28, with soft edges."""
    y, x = np.mgrid[:28, :28] - 13.5
    return np.exp(-((np.hypot(x, 1.3 * y) - 8) ** 2) / 6)


def two_detectors():
    """Scores of the same 60 normal images and 40 anomalies by two detectors that agree a lot."""
    shared = [random.normal(0, 1, 60), random.normal(1, 1, 40)]
    return [[scores + random.normal(0, 0.4, len(scores)) for scores in shared] for _ in range(2)]


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
    "bootstrap": lambda: explorables.bootstrap(*two_detectors()),
}
