"""A test set sorted by any score: its most and its least anomalous pictures."""

import ipywidgets as widgets
import numpy as np

from helpers.explorables.scores import finite_scores
from helpers.metrics import auroc
from helpers.plotting import ANOMALY, NORMAL, SECOND
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

SHOWN = 10  # pictures in a row

SEEN = (
    "Two rows of ten images, the least and the most anomalous, framed by class. Below, "
    "histograms of the scores with these images marked."
)


def score_explorer(images, names, scores, normal="Hand"):
    """Choose a score and a class; see its least and most anomalous pictures, and where they lie.

    images : uint8 (N, 1, H, W); names : (N,), the class of each; normal : which is normal
    scores : dict of name -> (N,), finite, higher is more anomalous
    """
    images, names = parts.pictures(images, names)
    arrays = dict(zip(scores, finite_scores(**scores), strict=True))
    wrong = [name for name, values in arrays.items() if len(values) != len(images)]
    if wrong or normal not in names:
        raise ValueError(
            f"every score needs one number for each of {len(images)} images (wrong: {wrong}), and "
            f"{normal!r} must be among the names"
        )
    classes = [str(name) for name in np.unique(names)]
    controls = {
        "score": widgets.Dropdown(options=list(arrays), description="score", style=parts.NAMES),
        "shown": widgets.Dropdown(
            options=["all", *classes], description="class", style=parts.NAMES
        ),
        "skip": parts.slider(widgets.IntSlider, 0, 0, 90, SHOWN, "skip"),
    }

    def draw(figure, score, shown, skip):
        keep = np.full(len(images), True) if shown == "all" else names == shown
        return draw_sorted(figure, images, names, arrays[score], keep, skip, normal, score, shown)

    layout = widgets.VBox([parts.row([controls["score"], controls["shown"]]), controls["skip"]])
    return Explorer(draw, controls, layout, size=(9.5, 5.0), alt=SEEN)


def draw_sorted(figure, images, names, scores, keep, skip, normal, score, shown):
    """Ten pictures from each end of the order, `skip` from the end, and all scores. -> text

    keep : bool (N,), the pictures that are shown; score, shown : their names
    """
    order = np.flatnonzero(keep)[np.argsort(scores[keep], kind="stable")]
    skip = max(0, min(skip, len(order) - SHOWN))
    ends = {
        "least anomalous": order[skip : skip + SHOWN],
        "most anomalous": order[::-1][skip : skip + SHOWN],
    }
    for bottom, (title, chosen) in zip((0.72, 0.46), ends.items(), strict=True):
        axes = figure.add_axes((0.02, bottom, 0.96, 0.2))
        parts.image(axes, np.hstack(list(images[chosen, 0])) / 255, title)
        width = images.shape[-1]
        for place, i in enumerate(chosen):
            colour = NORMAL if names[i] == normal else ANOMALY
            parts.frame(axes, (place * width, 0), width, images.shape[2], colour)

    is_normal = names == normal
    axes = figure.add_axes((0.07, 0.1, 0.9, 0.24))
    groups = {normal: scores[is_normal]}
    if shown != normal:
        groups["others" if shown == "all" else shown] = scores[keep & ~is_normal]
    parts.histogram(axes, groups, np.inf)
    for chosen in ends.values():
        axes.plot(scores[chosen], np.zeros(len(chosen)), "^", color=SECOND, clip_on=False)

    low, high = (f"{scores[e].min():.3g} to {scores[e].max():.3g}" for e in ends.values())
    text = (
        f"{score}, {'all classes' if shown == 'all' else shown}, {len(order):,} pictures. "
        f"After {skip} skipped, the least anomalous score {low}, the most anomalous {high}."
    )
    if shown == normal:
        return text
    share = (names[ends["most anomalous"]] != normal).mean()
    area = auroc(*groups.values())
    return f"{text} {share:.0%} of the most anomalous are not {normal}; AUROC {area:.3f}."
