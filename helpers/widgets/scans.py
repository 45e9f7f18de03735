"""Scans sorted by a score, with a map of the anomaly laid over them."""

import ipywidgets as widgets
import numpy as np

from helpers.datasets.oct import NORMAL
from helpers.explorables.scores import finite_scores
from helpers.metrics import auroc
from helpers.plotting import ANOMALY, SECOND
from helpers.plotting import NORMAL as NORMAL_COLOUR
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

SEEN = (
    "A scan, the same scan with a map laid over it, and histograms of the scores of normal "
    "and diseased scans with the score of this scan as a vertical line."
)


def scan_explorer(scans, scores, maps):
    """Choose a score, a class and a place in the order; fade a map in over the scan.

    scans : ImageSet with a class NORMAL; lesions are outlined where masks are known
    scores : dict of name -> (N,), finite; maps : dict of name -> (N, H, W)
    """
    arrays = dict(zip(scores, finite_scores(**scores), strict=True))
    maps = {name: np.asarray(values) for name, values in maps.items()}
    shape = (len(scans), *scans.images.shape[2:])
    wrong = [name for name, values in arrays.items() if len(values) != len(scans)]
    wrong += [name for name, values in maps.items() if values.shape != shape]
    if wrong:
        raise ValueError(
            f"every score needs {len(scans)} numbers, one a scan, and every map the shape {shape}; "
            f"wrong: {', '.join(wrong)}"
        )
    names = np.array(scans.classes)[scans.labels]
    controls = {
        "score": widgets.Dropdown(options=list(arrays), description="sorted by", style=parts.NAMES),
        "shown": widgets.Dropdown(
            options=["all", *np.unique(names)], description="class", style=parts.NAMES
        ),
        "layer": widgets.Dropdown(options=list(maps), description="map", style=parts.NAMES),
        "place": parts.slider(widgets.IntSlider, 100, 0, 100, 1, "place, %", parts.LONG),
        "opacity": parts.slider(widgets.FloatSlider, 0.5, 0.0, 1.0, 0.05, "opacity", parts.LONG),
    }

    def draw(figure, score, shown, layer, place, opacity):
        members = np.flatnonzero(np.full(len(names), True) if shown == "all" else names == shown)
        order = members[np.argsort(arrays[score][members], kind="stable")]
        i = order[round(place / 100 * (len(order) - 1))]
        mask = None if scans.masks is None else scans.masks[i]
        limit = np.quantile(maps[layer], 0.999)
        overlay = (maps[layer][i] / limit).clip(0, 1)
        picture = scans.images[i, 0] / 255
        where = f"{score} {arrays[score][i]:.3g}, number {1 + list(order).index(i)} of {len(order)}"
        draw_scan(figure, picture, overlay, mask, opacity, f"{names[i]}: {where}", layer)
        return draw_scores(figure, arrays[score], names, i, score, shown)

    choices = parts.row([controls[name] for name in ("score", "shown", "layer")])
    layout = widgets.VBox([choices, controls["place"], controls["opacity"]])
    return Explorer(draw, controls, layout, size=(9.5, 4.4), alt=SEEN)


def draw_scan(figure, picture, overlay, mask, opacity, title, layer):
    """The scan (H, W), and beside it the scan under the map; a lesion outlined in both."""
    for left, name in ((0.02, title), (0.37, f"with {layer}")):
        axes = figure.add_axes((left, 0.06, 0.33, 0.82))
        parts.image(axes, picture, name)
        if left > 0.1:
            axes.imshow(overlay, cmap="magma", vmin=0, vmax=1, alpha=opacity)
        if mask is not None and mask.any():
            axes.contour(mask, [0.5], colors=SECOND, linewidths=1)
        axes.title.set_fontsize(9)


def draw_scores(figure, scores, names, i, score, shown):
    """All scores by normal and other, that of scan `i` marked. -> text"""
    healthy = names == NORMAL
    axes = figure.add_axes((0.78, 0.14, 0.21, 0.6))
    sick = ~healthy if shown in ("all", NORMAL) else names == shown
    low, high = scores.min(), scores.max()
    bins = np.linspace(low, high, 31)
    axes.hist(scores[healthy], bins, color=NORMAL_COLOUR, alpha=0.55, label="normal")
    axes.hist(scores[sick], bins, color=ANOMALY, alpha=0.55, label="diseased")
    axes.axvline(scores[i], color=SECOND, linewidth=3, linestyle="--", label="this scan")
    axes.set(xlabel=score, ylabel="scans")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=8)
    above, area = (scores[healthy] >= scores[i]).mean(), auroc(scores[healthy], scores[sick])
    return (
        f"{names[i]}, {score} {scores[i]:.3g}: {above:.1%} of the normal scans score as high or "
        f"higher. AUROC of these {sick.sum()} diseased scans {area:.3f}."
    )
