"""Whether a classifier's probabilities mean what they say, and one number that mends them."""

import warnings
from functools import wraps

import numpy as np
import pandas as pd
import torch.nn.functional as F

from helpers.arrays import numbers, positions, reads, tensor, whole


def reliability(confidence, correct, bins=10):
    """Images grouped by confidence, in bins of equal width between 0 and 1. -> DataFrame

    confidence, correct : (N,), the probability of the answer and whether it was right
    columns : confidence and accuracy, means over the bin's images, and how many these are
    Images that a screen refused have no answer: where either is NaN, an image does not count.
    """
    frame = pd.DataFrame({"confidence": confidence, "accuracy": correct}).dropna()
    place = np.minimum((frame.confidence * bins).astype(int), bins - 1)
    table = frame.groupby(place).mean()
    return table.assign(pictures=frame.groupby(place).size())


def _in_length(confidence, correct, bins):
    if len(confidence) != len(correct):
        return f"{len(confidence)} confidences, {len(correct)} answers"
    if (np.isnan(confidence) | np.isnan(correct)).all():
        return "no image has an answer"


READERS = {
    "confidence": numbers(
        "one number from 0 to 1 for each image", nan=np.nan, low=0, high=1 + 1e-6
    ),
    "correct": numbers("whether each answer was right", nan=np.nan, low=0, high=1),
    "bins": whole(1),
    "check": _in_length,
}
reliability = reads(reliability, **READERS)


def expected_calibration_error(confidence, correct, bins=10):
    """Mean gap between confidence and accuracy, each bin by its share of images. -> float

    Of the images that were answered, as in `reliability` [Guo et al., arXiv 1706.04599].
    """
    table = reliability(confidence, correct, bins)
    gap = (table.confidence - table.accuracy).abs()
    return float((gap * table.pictures).sum() / table.pictures.sum())


expected_calibration_error = reads(expected_calibration_error, **READERS)


def fit_temperature(logits, labels):
    """The T > 0 for which softmax(logits / T) has the smallest cross-entropy. (N, K), (N,) -> float

    Guo et al., arXiv 1706.04599. Which class comes first does not change.
    """
    from scipy.optimize import minimize_scalar

    logits = logits.double()

    def loss(log_t):
        return F.cross_entropy(logits / np.exp(log_t), labels).item()

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))


def _warns_at_the_ends(fitted):
    """The best T may lie outside the range that is searched, or nowhere: then its end comes out."""

    @wraps(fitted)
    def fit(logits, labels):
        temperature = fitted(logits, labels)
        if (logits.argmax(dim=1) == labels).all():
            warnings.warn(
                f"fit_temperature: all answers are right, so the lower T, the better: there is no "
                f"best temperature, and {temperature:.4g} is where the search stopped. Fit it on "
                "images with some wrong answers.",
                stacklevel=3,
            )
        elif abs(np.log(temperature)) > 4.999:
            warnings.warn(
                f"fit_temperature: {temperature:.4g} is an end of the range that is searched, from "
                "exp(-5) to exp(5), and not the best temperature. Are the logits far too large or "
                "too small? Multiply them by a constant first. Where answers are worse than "
                "guesses, there is no best temperature.",
                stacklevel=3,
            )
        return temperature

    return fit


def _a_label_each(logits, labels):
    if len(logits) != len(labels):
        return f"{len(logits)} rows of logits, {len(labels)} labels"
    if not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        return f"labels from {labels.min()} to {labels.max()} for {logits.shape[1]} classes"


fit_temperature = reads(
    _warns_at_the_ends(fit_temperature),
    logits=tensor("finite logits (N, K), N at least 1", ndim=2, rows=1, finite=True),
    labels=positions("the number of the right class of each image, shape (n,)"),
    check=_a_label_each,
)
