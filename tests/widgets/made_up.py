"""Pictures that the tests of the explorers share."""

import numpy as np

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (30, 1, 28, 28), dtype=np.uint8)
LABELS = np.repeat([2, 5, 7], [5, 10, 15])
