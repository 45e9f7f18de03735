"""What several explorers share: checked inputs, sliders, pictures, a histogram of scores."""

import ipywidgets as widgets
import numpy as np
from matplotlib.ticker import LogLocator, NullLocator

from helpers.plotting import ANOMALY, NORMAL, SECOND, THRESHOLD
from helpers.plotting.scores import score_range

SHORT = {"width": "24em"}  # of sliders
NAMES = {"description_width": "7em"}  # room for the names of the sliders


def histogram(axes, groups, threshold, mark=None):
    """Scores of the groups, the threshold as a line, and the score `mark` of one picture."""
    low, high, log = score_range(*groups.values())
    bins = np.geomspace(low, high, 51) if log else np.linspace(low, high, 51)
    for (name, scores), colour in zip(groups.items(), (NORMAL, ANOMALY), strict=False):
        axes.hist(scores, bins, histtype="stepfilled", color=colour, alpha=0.55, label=name)
    if np.isfinite(threshold):
        axes.axvline(threshold, color=THRESHOLD, linewidth=2, label="threshold")
    if mark is not None:
        mark = max(mark, low)  # a log axis has no place for a score of 0
        axes.axvline(mark, color=SECOND, linewidth=3, linestyle="--", label="this image")
        high = max(high, 1.1 * mark)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="score", ylabel="images", xlim=(low, high))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, frameon=False)


def image(axes, image, title="", cmap="gray", vmin=0):
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes.imshow(np.asarray(image), cmap=cmap, vmin=vmin, vmax=1, interpolation="nearest")


def pictures(images, labels):
    images, labels = np.asarray(images), np.asarray(labels)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:2] != (len(labels), 1):
        raise ValueError(
            f"images must be uint8 (N, 1, H, W) with N labels; got {images.dtype} {images.shape} "
            f"and {len(labels)} labels"
        )
    return images, labels


def picker(labels, names, description, chosen):
    """Dropdown of classes, slider over the pictures of the class, index() of the picture."""
    members = {c: np.flatnonzero(labels == c) for c in names}
    digit = widgets.Dropdown(
        options=[(name, c) for c, name in names.items()],
        value=chosen,
        description=description,
        layout={"width": "14em"},
        style=NAMES,
    )
    which = slider(widgets.IntSlider, 0, 0, len(members[chosen]) - 1, 1, "which one")

    def stay_in_class(change):
        which.max = len(members[change.new]) - 1

    digit.observe(stay_in_class, "value")
    return digit, which, lambda: members[digit.value][which.value]


def slider(kind, value, low, high, step, description, layout=SHORT):
    return kind(
        value=value,
        min=low,
        max=high,
        step=step,
        description=description,
        layout=layout,
        style=NAMES,
    )


def row(children):
    return widgets.HBox(children, layout={"flex_flow": "row wrap"})
