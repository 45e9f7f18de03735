"""A threshold to be moved: counts, rates and the point on the ROC curve follow."""

import ipywidgets as widgets
import numpy as np
from matplotlib.patches import Rectangle

from helpers.metrics import auroc
from helpers.plotting import ANOMALY, NORMAL, SECOND, THRESHOLD, ink
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

SEEN = (
    "Left, histograms of normal and anomalous scores with the threshold, above a table of "
    "four counts. Right, the ROC curve with the point of this threshold."
)


def threshold_explorer(normal_scores, anomaly_scores, *, thresholds, start=None):
    """Move the threshold; histogram, counts, rates and the point on the ROC curve follow.

    normal_scores, anomaly_scores : arrays of shape (n,) and (m,), finite
    thresholds : dict of name -> value; a button jumps to each
    start : the threshold at first; by default the first of `thresholds`
    """
    normal, anomaly = parts.scores(normal_scores=normal_scores, anomaly_scores=anomaly_scores)
    low, high, log = parts.score_range(normal, anomaly)
    grid = np.geomspace(low, high, 200) if log else np.linspace(low, high, 200)
    named = {name: float(value) for name, value in thresholds.items()}
    start = next(iter(named.values()), float(grid[100])) if start is None else float(start)
    # a number slider would round the named thresholds to its grid
    slider = widgets.SelectionSlider(
        options=[(f"{value:.3g}", value) for value in sorted({start, *named.values(), *grid})],
        value=start,
        description="threshold",
        layout=parts.LONG,
        style=parts.NAMES,
    )

    def draw(figure, threshold):
        name = next((name for name, value in named.items() if value == threshold), "")
        return draw_threshold(figure, normal, anomaly, threshold, name)

    buttons = [parts.button(name, slider, value) for name, value in named.items()]
    layout = widgets.VBox([slider, parts.row(buttons)])
    return Explorer(draw, {"threshold": slider}, layout, size=(9.5, 4.4), alt=SEEN)


def confusion_counts(normal_scores, anomaly_scores, threshold):
    """Images not flagged and flagged (score > threshold). -> [[normals], [anomalies]], (2, 2)"""
    groups = np.asarray(normal_scores), np.asarray(anomaly_scores)
    return [[int((s <= threshold).sum()), int((s > threshold).sum())] for s in groups]


def draw_threshold(figure, normal_scores, anomaly_scores, threshold, name=""):
    """Histogram with the threshold, table of counts, point on the ROC curve. -> text"""
    from sklearn.metrics import roc_curve

    counts = confusion_counts(normal_scores, anomaly_scores, threshold)
    n, m = len(normal_scores), len(anomaly_scores)
    (_, false_alarms), (missed, found) = counts
    axes = figure.add_axes((0.09, 0.44, 0.48, 0.47))
    parts.histogram(axes, {"normal": normal_scores, "anomaly": anomaly_scores}, threshold)
    _table(figure.add_axes((0.09, 0.02, 0.48, 0.3)), counts)

    axes = figure.add_axes((0.65, 0.13, 0.34, 0.78))
    is_anomaly = np.repeat([0, 1], [n, m])
    fpr, tpr, _ = roc_curve(is_anomaly, np.concatenate([normal_scores, anomaly_scores]))
    axes.plot(fpr, tpr, color=SECOND)
    axes.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    axes.plot(false_alarms / n, found / m, "o", markersize=10, color=THRESHOLD)
    axes.set(xlabel="false-positive rate", ylabel="true-positive rate")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.set_title(f"ROC curve, AUROC {auroc(normal_scores, anomaly_scores):.3f}")

    which = f" ({name})" if name else ""
    return (
        f"Threshold {threshold:.3g}{which}: {false_alarms:,} of {n:,} normal images are flagged, "
        f"a false-positive rate of {parts.percent(false_alarms / n)}; "
        f"{found:,} of {m:,} anomalies are flagged, "
        f"a true-positive rate of {parts.percent(found / m)}, and {missed:,} are missed."
    )


def _table(axes, counts):
    """The confusion counts as a drawn 2×2 table."""
    words = [["left alone", "false alarms"], ["missed", "found"]]
    for row, (name, colour) in enumerate([("normal", NORMAL), ("anomaly", ANOMALY)]):
        total = sum(counts[row])
        title = {"ha": "right", "va": "center", "color": ink(colour)}
        axes.text(-0.06, row + 0.5, f"{name}\n({total:,})", **title)
        for column in range(2):
            count = counts[row][column]
            axes.add_patch(Rectangle((column, row), 1, 1, fc=colour, ec="white", lw=3, alpha=0.15))
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{count:,}\n{words[row][column]}, {parts.percent(count / total)}",
                ha="center",
                va="center",
            )
    for column, name in enumerate(["not flagged", "flagged"]):
        axes.text(column + 0.5, -0.1, name, ha="center", va="bottom")
    axes.set(xlim=(-0.5, 2), ylim=(2, -0.45))
    axes.axis("off")
