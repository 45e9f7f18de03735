"""1,797 real handwritten digits, which scikit-learn ships, enlarged to 28×28."""

import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

from helpers.datasets.image_set import ImageSet

TEST = 500  # the last 500


def make(seed=0, size=None):
    """Digits of the UCI set "optical recognition of handwritten digits", as {"train", "test"}.

    scikit-learn ships the authors' test part, by 13 writers, without their names but in the
    authors' order, in which neighbours are mostly by one writer. The last 500 are the test part
    here: a contiguous split has few writers on both sides, a random one would have them all.
    Nothing is drawn, so `seed` has no effect.

    Source: E. Alpaydin, C. Kaynak, doi 10.24432/C50P49, CC BY 4.0.
    """
    digits = load_digits()
    # 8×8 counts of ink from 0 to 16: to 20×20 by cubic splines, centred in 28×28 as in MNIST.
    large = np.stack(
        [
            zoom(image, 20 / 8, order=3, grid_mode=True, mode="grid-constant")
            for image in digits.images
        ]
    )
    large = np.clip(np.pad(large, ((0, 0), (4, 4), (4, 4))) / 16, 0, 1)
    images = np.round(255 * large).astype(np.uint8)[:, None]
    cut = len(images) - TEST
    return {
        split: ImageSet(
            images=images[rows],
            labels=digits.target[rows].astype(np.int64),
            classes=tuple("0123456789"),
            name="mnist",
            source="sample",
            origin="1,797 real digits (UCI optdigits, from scikit-learn), enlarged to 28×28",
        )
        for split, rows in (("train", slice(None, cut)), ("test", slice(cut, None)))
    }
