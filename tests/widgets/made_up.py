"""Scores and pictures that the tests of the explorers share."""

import numpy as np

rng = np.random.default_rng(0)
NORMAL = rng.lognormal(-5, 0.5, 400).astype(np.float32)
ANOMALY = rng.lognormal(-4, 0.5, 300).astype(np.float32)
IMAGES = rng.integers(0, 256, (30, 1, 28, 28), dtype=np.uint8)
LABELS = np.repeat([2, 5, 7], [5, 10, 15])
CLASSES = tuple("0123456789")
