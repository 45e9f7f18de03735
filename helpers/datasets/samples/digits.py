"""1,797 real handwritten digits, which scikit-learn ships, enlarged to 28×28."""

import numpy as np
from scipy.ndimage import affine_transform
from sklearn.datasets import load_digits

from helpers.datasets.image_set import ImageSet

TEST = 500  # the last 500


def make(seed=0, size=None):
    """Digits of the UCI set "optical recognition of handwritten digits", as {"train", "test"}.

    scikit-learn ships the authors' test part, by 13 writers, without their names but in the
    authors' order, in which neighbours are mostly by one writer. The last 500 are the test part
    here: a contiguous split has few writers on both sides, a random one would have them all.

    The authors squeezed every digit into the same upright box. MNIST did not: there, slant and
    width vary. `seed` draws them, so that a digit lying on its side does not stand out by its
    outline alone.

    Source: E. Alpaydin, C. Kaynak, doi 10.24432/C50P49, CC BY 4.0.
    """
    digits = load_digits()
    rng = np.random.default_rng(seed)
    posed = np.stack([pose(image / 16, rng) for image in digits.images])
    images = np.round(255 * posed.clip(0, 1)).astype(np.uint8)[:, None]
    cut = len(images) - TEST
    return {
        split: ImageSet(
            images=images[rows],
            labels=digits.target[rows].astype(np.int64),
            classes=tuple("0123456789"),
            name="mnist",
            source="sample",
            origin="1,797 real digits (UCI optdigits, from scikit-learn), enlarged to 28×28, "
            "slanted and stretched a little",
        )
        for split, rows in (("train", slice(None, cut)), ("test", slice(cut, None)))
    }


def pose(image, rng):
    """An 8×8 digit about 20 pixels high, centred in 28×28 by a cubic spline as it is turned,
    slanted, stretched and shifted at random."""
    turn = np.deg2rad(rng.uniform(-15, 15))
    slant = rng.uniform(-0.3, 0.3)
    height, width = rng.uniform(0.85, 1.1), rng.uniform(1.0, 1.5)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    back = 8 / 20 * rotation @ np.array([[1 / height, 0], [slant, 1 / width]])  # to the original
    image = np.pad(image, 2)  # ink at the edge should fade, not be cut
    centre = (len(image) - 1) / 2 - back @ (13.5 + rng.uniform(-1.5, 1.5, 2))
    return affine_transform(image, back, centre, output_shape=(28, 28), order=3)
