"""Whether a classifier's probabilities mean what they say, and one number that mends them."""

import numpy as np
import pandas as pd
import torch.nn.functional as F


def reliability(confidence, correct, bins=10):
    """Pictures grouped by confidence, in bins of equal width between 0 and 1. -> DataFrame

    confidence, correct : (N,), the probability of the answer and whether it was right
    columns : confidence and accuracy, means over the bin's pictures, and how many these are
    """
    place = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    frame = pd.DataFrame({"confidence": confidence, "accuracy": np.asarray(correct, dtype=float)})
    table = frame.groupby(place).mean()
    return table.assign(pictures=frame.groupby(place).size())


def expected_calibration_error(confidence, correct, bins=10):
    """Mean gap between confidence and accuracy, each bin by its share of pictures. -> float

    Guo et al., arXiv 1706.04599.
    """
    table = reliability(confidence, correct, bins)
    gap = (table.confidence - table.accuracy).abs()
    return float((gap * table.pictures).sum() / table.pictures.sum())


def fit_temperature(logits, labels):
    """The T > 0 for which softmax(logits / T) has the smallest cross-entropy. (N, K), (N,) -> float

    Guo et al., arXiv 1706.04599. Which class comes first does not change.
    """
    from scipy.optimize import minimize_scalar

    logits = logits.double()

    def loss(log_t):
        return F.cross_entropy(logits / np.exp(log_t), labels).item()

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))
