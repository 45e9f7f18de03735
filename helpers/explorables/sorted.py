"""Explorables that show the images of a test set in the order of a score."""

import numpy as np
from matplotlib import colormaps

from helpers import plotting
from helpers.datasets.oct import NORMAL
from helpers.explorables.frames import GREYS, sheet
from helpers.explorables.page import Explorable
from helpers.explorables.scores import finite_scores, round_ticks
from helpers.metrics import auroc
from helpers.plotting.scores import score_range

ROW = 6  # images beside each other


def score_explorer(images, names, scores, normal="Hand"):
    """Choose a score and a class: the images in its order, and where they lie. -> Explorable

    images : uint8 (N, 1, H, W); names : (N,), the class of each; normal : which is normal
    scores : dict of name -> (N,), finite, higher is more anomalous

    The page holds the least and the most anomalous images of each class by each score.
    """
    images, names = np.asarray(images), np.asarray(names)
    classes, labels = np.unique(names, return_inverse=True)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:2] != (len(names), 1):
        raise ValueError(
            f"images must be uint8 (N, 1, H, W) with N names; got {images.dtype} {images.shape} "
            f"and {len(names)} names"
        )
    arrays = _checked(scores, len(images), "image")
    if normal not in classes:
        raise ValueError(f"{normal!r} must be among the names {', '.join(map(str, classes))}")
    pictured = _ends(arrays.values(), labels, ROW, 0)
    name, values = next(iter(arrays.items()))
    order = np.argsort(values, kind="stable")
    rows = {"least anomalous": order[:ROW], "most anomalous": order[-ROW:]}
    figure = plotting.image_rows({title: images[chosen] for title, chosen in rows.items()})
    is_normal = names == normal
    shown = "; ".join(", ".join(map(str, names[chosen])) for chosen in rows.values())
    alt = (
        f"Two rows of {ROW} images, the least and the most anomalous by {name}: {shown}. AUROC of "
        f"{normal} against all others {auroc(values[is_normal], values[~is_normal]):.3f}."
    )
    return _in_order(
        "Images in the order of a score",
        arrays,
        labels,
        [str(name) for name in classes],
        str(normal),
        pictured,
        images[pictured, 0] / 255,
        figure,
        alt,
        noun="image",
        row=ROW,
    )


def scan_explorer(scans, scores, maps):
    """Choose a score, a class and a place in the order; fade a map in over the scan. -> Explorable

    scans : ImageSet with a class NORMAL; lesions are outlined where masks are known
    scores : dict of name -> (N,), finite; maps : dict of name -> (N, H, W)

    The page holds the ends of the order of each class by each score, and some scans between.
    """
    arrays = _checked(scores, len(scans), "scan")
    maps = {name: np.asarray(values) for name, values in maps.items()}
    shape = (len(scans), *scans.images.shape[2:])
    wrong = [name for name, values in maps.items() if values.shape != shape]
    if wrong:
        raise ValueError(f"every map must have the shape {shape}; wrong: {', '.join(wrong)}")
    pictured = _ends(arrays.values(), scans.labels, 4, 8)
    images = scans.images[pictured, 0] / 255
    name, values = next(iter(arrays.items()))
    order = np.argsort(values, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, ROW).round().astype(int)]
    none = np.zeros(shape, dtype=bool)
    masks = none if scans.masks is None else scans.masks
    figure = plotting.map_rows(
        scans.images[chosen], masks[chosen], {k: m[chosen] for k, m in maps.items()}
    )
    classes = np.array(scans.classes)[scans.labels]
    healthy = classes == NORMAL
    alt = (
        f"{ROW} scans from the least to the most anomalous by {name}: "
        f"{', '.join(classes[chosen])}; below each of them its maps: {', '.join(maps)}. AUROC "
        f"{auroc(values[healthy], values[~healthy]):.3f}."
    )
    magma = (255 * colormaps["magma"](np.linspace(0, 1, GREYS))[:, :3]).round().astype(np.uint8)
    layers = []
    for name, values in maps.items():  # the scale ends where 99.9 % of the values do
        scaled = values[pictured] / np.quantile(values, 0.999)
        layers.append({"name": name, "sheet": sheet(scaled, colours=magma)})
    return _in_order(
        "Scans in the order of a score",
        arrays,
        scans.labels,
        list(scans.classes),
        NORMAL,
        pictured,
        images,
        figure,
        alt,
        noun="scan",
        row=1,
        layers=layers,
        outlines=[] if scans.masks is None else [_outline(mask) for mask in masks[pictured]],
    )


def _in_order(title, arrays, labels, classes, normal, pictured, images, figure, alt, **rest):
    described = []
    for name, values in arrays.items():
        low, high, log = score_range(values)
        ticks = round_ticks(low, high, log)
        rounded = [float(f"{value:.6g}") for value in values]
        described.append({"name": name, "values": rounded, "low": low, "high": high})
        # not more than a narrow page has room for
        described[-1] |= {"log": log, "ticks": ticks[:: -(-len(ticks) // 6)]}
    data = {
        "layers": [],
        "outlines": [],
        "scores": described,
        "labels": labels,
        "classes": classes,
        "normal": classes.index(normal),
        "pictured": pictured,
        "sheet": sheet(images),
    }
    return Explorable("sorted", title, data | rest, figure, alt, 620)


def _checked(scores, n, noun):
    arrays = dict(zip(scores, finite_scores(**scores), strict=True))
    wrong = [name for name, values in arrays.items() if len(values) != n]
    if wrong:
        raise ValueError(
            f"every score needs {n} numbers, one for each {noun}; wrong: {', '.join(wrong)}"
        )
    return arrays


def _ends(scores, labels, ends, between):
    """Positions of the first and last of each class by each score, and some between. -> (K,)"""
    chosen = []
    for values in scores:
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            order = members[np.argsort(values[members], kind="stable")]
            middle = np.linspace(0, len(order) - 1, between).round().astype(int)
            chosen += [order[:ends], order[-ends:], order[middle]]
    return np.unique(np.concatenate(chosen))


def _outline(mask):
    """The edge of a mask (H, W) as an SVG path, in pixels from the corner of the image."""
    from skimage.measure import find_contours

    lines = find_contours(np.pad(mask, 1).astype(float), 0.5)
    # a pixel's middle is at a half; the padding is one pixel
    points = [" ".join(f"{x - 0.5:g},{y - 0.5:g}" for y, x in line) for line in lines]
    return "".join(f"M{line}Z" for line in points)
