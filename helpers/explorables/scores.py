"""Explorables about scores: a threshold among them, and the rank of one."""

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator

from helpers import plotting
from helpers.arrays import as_floats
from helpers.explorables.page import Explorable
from helpers.metrics import auroc
from helpers.plotting.scores import score_range
from helpers.thresholds import conformal_p_values


def threshold(normal_scores, anomaly_scores, *, thresholds):
    """Move the threshold: histogram, rates and the point on the ROC curve follow. -> Explorable

    normal_scores, anomaly_scores : finite, (n,) and (m,); thresholds : dict of name -> value, a
    button for each; an infinite one stands at the end of the scores. An image is flagged when its
    score is above the threshold.
    """
    normal, anomaly = finite_scores(normal_scores=normal_scores, anomaly_scores=anomaly_scores)
    if not thresholds or np.isnan(list(thresholds.values())).any():
        raise ValueError(f"thresholds must name at least one threshold; got {thresholds!r}")
    every = np.concatenate([normal, anomaly])
    ends = np.nextafter(every.min(), -np.inf), every.max()  # all flagged, none flagged
    named = {name: float(np.clip(value, *ends)) for name, value in thresholds.items()}
    low, high, log = score_range(normal, anomaly)
    space = np.geomspace if log else np.linspace
    steps = np.unique([*named.values(), *space(low, high, 200)])
    edges = space(low, high, 51)
    flagged = [len(s) - np.searchsorted(np.sort(s), steps, side="right") for s in (normal, anomaly)]
    start = next(iter(named))
    data = {
        "thresholds": steps,
        "flagged_normals": flagged[0],
        "flagged_anomalies": flagged[1],
        "normals": len(normal),
        "anomalies": len(anomaly),
        # beyond the ends, a count of 0: the first and last steps
        "fpr": np.r_[1, flagged[0] / len(normal), 0],
        "tpr": np.r_[1, flagged[1] / len(anomaly), 0],
        "edges": edges,
        "normal_bars": np.histogram(normal, edges)[0] / len(normal),
        "anomaly_bars": np.histogram(anomaly, edges)[0] / len(anomaly),
        "log": log,
        "ticks": round_ticks(low, high, log),
        "named": {name: int(np.searchsorted(steps, value)) for name, value in named.items()},
        "place": int(np.searchsorted(steps, named[start])),
    }
    figure = plotting.score_histogram(
        {"normal": normal, "anomaly": anomaly}, {start: named[start]}, label="anomaly score"
    )
    fpr, tpr = np.mean(normal > named[start]), np.mean(anomaly > named[start])
    alt = (
        f"Histograms of {len(normal)} normal and {len(anomaly)} anomaly scores from {low:.3g} to "
        f"{high:.3g}, and the threshold {named[start]:.3g} ({start}) as a vertical line: "
        f"{fpr:.1%} of the normal images and {tpr:.1%} of the anomalies lie to the right of it. "
        f"AUROC {auroc(normal, anomaly):.3f}."
    )
    return Explorable("threshold", "A threshold to be moved", data, figure, alt)


def ranks(calibration_scores, *, alpha=0.1, score=None):
    """Move a new score among a few calibration scores: rank and p-value follow. -> Explorable

    calibration_scores : finite, (n,), best about twenty; alpha : the promised false-positive rate
    at first; score : the new score at first, by default the third highest of the calibration scores
    """
    (calibration,) = finite_scores(calibration_scores=calibration_scores)
    calibration = np.sort(calibration)
    score = float(calibration[-min(3, len(calibration))]) if score is None else float(score)
    margin = 0.1 * (calibration[-1] - calibration[0]) or 1.0
    low, high = calibration[0] - margin, calibration[-1] + margin
    p_value = conformal_p_values(calibration, np.array([score]))[0]
    figure, axis = plotting.new_figure(7, 1.6)
    axis.plot(calibration, np.zeros(len(calibration)), "o", color=plotting.NORMAL)
    axis.plot(score, 0, "D", color=plotting.SECOND, markersize=10)
    axis.annotate("new image", (score, 0), (0, 12), textcoords="offset points", ha="center")
    axis.set(yticks=[], ylim=(-1, 1), xlim=(low, high), xlabel="anomaly score")
    alt = (
        f"{len(calibration)} calibration scores as dots on a line from {calibration[0]:.3g} to "
        f"{calibration[-1]:.3g}, and a new score {score:.3g} among them, whose p-value is "
        f"{p_value:.3f}."
    )
    data = {"calibration": calibration, "score": score, "alpha": alpha}
    data |= {"range": [low, high], "ticks": round_ticks(low, high, False)}
    return Explorable("ranks", "A score among calibration scores", data, figure, alt)


def finite_scores(**groups):
    """The scores as float64 arrays, in the order given."""
    arrays = [as_floats(values) for values in groups.values()]
    for name, array in zip(groups, arrays, strict=True):
        if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
            raise ValueError(
                f"{name} must hold finite numbers, one for each image, shape (n,); got shape "
                f"{array.shape} with {(~np.isfinite(array)).sum()} values that are not finite"
            )
    return arrays


def round_ticks(low, high, log):
    """Round numbers between low and high."""
    locator = LogLocator(subs=(1, 2, 5)) if log else MaxNLocator(5)
    ticks = locator.tick_values(low, high)
    return [float(f"{tick:.6g}") for tick in ticks if low <= tick <= high]
