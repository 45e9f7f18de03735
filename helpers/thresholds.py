"""From scores to decisions. An image is flagged when its score is above the threshold.

All functions take scores of shape (n,) as lists, arrays, Series or tensors. Scores may be infinite
where only their order counts; there NaN counts as infinite, more anomalous than all numbers.
"""

import warnings
from functools import wraps

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from helpers.arrays import flags, names, number, numbers, reads, whole

SURE = numbers("one finite score for each image, shape (n,)", finite=True, low=-1e150, high=1e150)
RANKED = numbers(least=0, nan=np.inf)


def mean_std_threshold(scores, k=1.0):
    """Mean of the scores plus k standard deviations. (n,) -> float

    Promises no false-alarm rate: that depends on the shape of the distribution.
    """
    scores = np.asarray(scores)
    return float(scores.mean() + k * scores.std())


mean_std_threshold = reads(mean_std_threshold, scores=SURE, k=number("a number"))


def conformal_p_values(calibration_scores, scores):
    """Share of normal images at least as anomalous, the image itself counted. (n,), (m,) -> (m,)

    p = (1 + #{calibration >= score}) / (n + 1)   [Vovk et al. 2005; arXiv 2104.08279]
    """
    calibration_scores = np.sort(np.asarray(calibration_scores))
    n = len(calibration_scores)
    at_least = n - np.searchsorted(calibration_scores, np.asarray(scores), side="left")
    return (1 + at_least) / (n + 1)


conformal_p_values = reads(conformal_p_values, calibration_scores=RANKED, scores=RANKED)


def patient_p_values(calibration_scores, groups, scores):
    """Conformal p-values for scans of new patients. (n,), (n,), (m,) -> (m,)

    groups : the patient of each calibration score; patients may have different numbers of scans
    p = (1 + sum over the K patients of the share of their scans that are >= the score) / (K + 1)
    [Lee, Barber and Willett, arXiv 2306.06342]. With K < 1/alpha - 1 none can be as small as alpha.
    """
    calibration_scores, groups = np.asarray(calibration_scores), np.asarray(groups)
    at_least = calibration_scores >= np.asarray(scores)[:, None]
    shares = [at_least[:, groups == patient].mean(axis=1) for patient in np.unique(groups)]
    return (1 + np.sum(shares, axis=0)) / (len(shares) + 1)


patient_p_values = reads(
    patient_p_values,
    calibration_scores=RANKED,
    groups=names("the patient of each calibration score, shape (n,)"),
    scores=RANKED,
    alike=("calibration_scores", "groups"),
)


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


def _as_meant(threshold):
    """0.15 / 3 and 1 - 0.9 are a little less than 0.05 and 0.1, which are meant."""

    @wraps(threshold)
    def of_a_little_more(calibration_scores, alpha):
        return threshold(calibration_scores, alpha + 1e-12)

    return of_a_little_more


conformal_threshold = reads(
    _as_meant(conformal_threshold), calibration_scores=RANKED, alpha=number("a number")
)


def as_scores(scores):
    """Scores as a float array (n,). ValueError for another shape or where one is not finite."""
    return scores


as_scores = reads(
    as_scores, scores=numbers("one finite score for each image, shape (n,)", least=0, finite=True)
)


class Screen(BaseEstimator):
    """Refuses what is more anomalous than all but a share `alpha` of normal images.

    In scikit-learn's manner: `fit` on the scores of calibration images, then `predict`.
    """

    def __init__(self, alpha):
        self.alpha = alpha

    def fit(self, calibration_scores):
        """Keep the scores of normal images (n,) and set `threshold_`. -> the screen itself

        Warns where so few scores can promise no rate as small as alpha: nothing is refused then.
        """
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha must lie between 0 and 1, got {self.alpha}")
        self.calibration_scores_ = as_scores(calibration_scores)
        self.threshold_ = conformal_threshold(self.calibration_scores_, self.alpha)
        if self.threshold_ == np.inf:
            warnings.warn(
                f"{len(self.calibration_scores_)} calibration scores cannot promise alpha = "
                f"{self.alpha:g}: this screen refuses nothing; "
                f"{np.ceil(round(1 / self.alpha, 6)) - 1:.0f} scores or more can",
                stacklevel=2,
            )
        return self

    def decision_function(self, scores):
        """Score minus threshold: above 0 where the image is refused. (m,) -> (m,)"""
        check_is_fitted(self)
        return as_scores(scores) - self.threshold_

    def predict(self, scores):
        """Whether each image is refused. (m,) -> bool (m,)"""
        return self.decision_function(scores) > 0

    def p_values(self, scores):
        """Conformal p-value of each image: at most alpha where refused. (m,) -> (m,)"""
        check_is_fitted(self)
        return conformal_p_values(self.calibration_scores_, as_scores(scores))


def false_alarm_interval(n, m, alpha, confidence=0.95):
    """Where the false-alarm rate among m normal images lies after one calibration on n.

    The number of alarms is beta-binomial: its rate varies with the calibration set (a Beta law
    with k and n + 1 - k, k the largest whole number <= alpha·(n + 1)), and the m images are a
    draw as well [Vovk 2012, arXiv 1209.2673]. -> (low, high)
    """
    from scipy.stats import betabinom

    k = np.floor(alpha * (n + 1) + 1e-9)
    tail = (1 - confidence) / 2
    low, high = betabinom(m, k, n + 1 - k).ppf([tail, 1 - tail]) / m
    return float(low), float(high)


def _at_the_ends(interval):
    """The beta-binomial law has no ends: where nothing is ever flagged, and where everything is."""

    @wraps(interval)
    def anywhere(n, m, alpha, confidence):
        flagged = np.floor(alpha * (n + 1) + 1e-9) / (n + 1)
        return (flagged, flagged) if flagged in (0, 1) else interval(n, m, alpha, confidence)

    return anywhere


false_alarm_interval = reads(
    _at_the_ends(false_alarm_interval),
    n=whole(0),
    m=whole(1),
    alpha=number("from 0 to 1", 0, 1),
    confidence=number("between 0 and 1", above=0, below=1),
)


def z_rule(scores, normal, validation, z=3.0):
    """Flag what lies z or more standard deviations above the mean of the validation normals.

    scores (n,); normal, validation : bool (n,); -> bool (n,). Neither anomalies nor test scans
    may move the mean or the standard deviation.
    """
    reference = scores[normal & validation]
    return (scores - reference.mean()) / reference.std() >= z


def _a_spread_of_normals(scores, normal, validation, z):
    if not len(scores) == len(normal) == len(validation):
        return f"{len(scores)} scores, {len(normal)} normal, {len(validation)} validation"
    reference = scores[normal & validation]
    if len(reference) == 0 or (reference == reference[0]).all():
        return f"{len(reference)} validation normals, whose scores have no spread to count in"


z_rule = reads(
    z_rule,
    scores=SURE,
    normal=flags(),
    validation=flags(),
    z=number("a number"),
    check=_a_spread_of_normals,
)
