"""From scores to decisions. An image is flagged when its score is above the threshold.

All functions take scores as arrays of shape (n,): numpy arrays, lists or CPU tensors.
"""

import numpy as np


def mean_std_threshold(scores, k=1.0):
    """Mean of the scores plus k standard deviations. (n,) -> float

    Promises no false-alarm rate: that depends on the shape of the distribution.
    """
    scores = np.asarray(scores)
    return float(scores.mean() + k * scores.std())


def conformal_p_values(calibration_scores, scores):
    """Share of normal images at least as anomalous, the image itself counted. (n,), (m,) -> (m,)

    p = (1 + #{calibration >= score}) / (n + 1)   [Vovk et al. 2005; arXiv 2104.08279]
    """
    calibration_scores = np.sort(np.asarray(calibration_scores))
    n = len(calibration_scores)
    at_least = n - np.searchsorted(calibration_scores, np.asarray(scores), side="left")
    return (1 + at_least) / (n + 1)


def conformal_threshold(calibration_scores, alpha):
    """The threshold above which exactly the scores with p <= alpha lie. (n,) -> float

    Infinite where n is too small: with n < 1/alpha - 1 no p-value can be as small as alpha.
    """
    highest_first = np.sort(np.asarray(calibration_scores))[::-1]
    n = len(highest_first)
    # the p-values a score can get: above all calibration scores, above all but one, ...
    p_values = np.arange(1, n + 2) / (n + 1)
    allowed = (p_values <= alpha).sum()
    return float(np.concatenate([[np.inf], highest_first, [-np.inf]])[allowed])


def z_rule(scores, normal, validation, z=3.0):
    """Flag what lies z or more standard deviations above the mean of the validation normals.

    scores (n,); normal, validation : bool (n,); -> bool (n,). Neither anomalies nor test pictures
    may move the mean or the standard deviation.
    """
    reference = scores[normal & validation]
    return (scores - reference.mean()) / reference.std() >= z
