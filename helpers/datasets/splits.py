"""Splits without leaks: roles that share no picture, the same on every machine."""

import numpy as np


def hold_one_out(labels, held_out, calibration_share=1 / 6, seed=0):
    """Positions of the normal images for training and for calibration, shuffled and disjoint.

    labels : (N,), of which `held_out` is the anomaly, absent from both
    -> train (m,), calibration (k,) with k = calibration_share of the normal images, rounded down
    """
    normal = np.flatnonzero(labels != held_out)
    normal = np.random.default_rng(seed).permutation(normal)
    k = int(len(normal) * calibration_share)
    return normal[k:], normal[:k]
