"""The figures of module 5's ladder say what their data say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from helpers import plotting
from helpers.models import make_decoder, make_encoder
from helpers.plotting.style import ANOMALY, NORMAL, SECOND


def texts(figure):
    return [t.get_text() for axis in figure.axes for t in axis.texts]


@pytest.mark.parametrize("block, words", [((1, 0), "conv 1×1\n8 → 16"), ((1, 1), "identity")])
def test_a_block_is_drawn_from_the_module(block, words):
    group, place = block
    part = make_encoder((8, 16))[group][place]
    mode = part.training
    shown = texts(plotting.residual_block(part, (8 if not place else 16, 32, 32)))
    assert words in shown and shown.count("batch\nnorm") == 2 and shown.count("ReLU") == 2
    assert "y\n16×32×32" in shown and part.training == mode
    decoder = texts(plotting.residual_block(make_decoder((8, 16))[0][1], (16, 4, 4)))
    assert "conv 1×1\n16 → 8" in decoder


def test_circles_of_the_flow_are_the_classes_that_were_seen():
    seen = pd.DataFrame(
        {"NORMAL": [0, 20, 9], "CNV": [0, 0, 11], "labels": [False, False, True]},
        index=["random", "denoising, normals", "CNV"],
    )
    figure = plotting.seen_flow(seen, 33)
    marks = [
        (to_hex(c.get_edgecolor()[0]).upper(), to_hex(c.get_facecolor()[0]).upper())
        for c in figure.axes[0].collections
    ]
    blue, orange = NORMAL.upper(), ANOMALY.upper()
    assert marks == [(blue, "#FFFFFF"), (blue, blue), (orange, orange)]
    shown = texts(figure)
    assert {"20", "9", "11"} <= set(shown) and any("33" in text for text in shown)


def test_rungs_stand_in_their_order_without_empty_panels():
    rungs = ["CNV", "all labels", "random", "denoising", "denoising, normals"]
    rows = [
        {"rung": r, "seed": s, "diseases": d, "auroc": 0.7, "low": 0.6, "high": 0.8}
        for r in rungs
        for s in (0, 1)
        for d in ("CNV", "DME", "all", "others")
        if d != "others" or r == "CNV"
    ]
    figure = plotting.ladder_steps(pd.DataFrame(rows))
    assert [axis.get_title() for axis in figure.axes] == ["CNV", "DME", "all"]
    order = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert order == ["random", "denoising, normals", "denoising", "CNV", "all labels"]
    for axis, filled in zip(figure.axes, (4, 2, 2), strict=True):  # own and all labels, two seeds
        marks = [c for c in axis.collections if isinstance(c, PathCollection)]
        faces = [to_hex(c.get_facecolor()[0]).upper() for c in marks]
        assert faces.count(SECOND.upper()) == filled


@pytest.mark.parametrize("known", [True, False])
def test_maps_stand_below_lesions_only_where_lesions_are_known(known):
    images, masks = np.zeros((2, 1, 8, 8), dtype=np.uint8), np.zeros((2, 8, 8), dtype=bool)
    masks[1, 4:7, 2:5] = known
    figure = plotting.map_rows(images, masks, {"residual": np.ones((2, 8, 8))})
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["lesion" if known else "image", "residual"]
    assert len(figure.axes[0].collections) == known  # an outline
    if known:
        box = figure.axes[0].collections[0].get_paths()[0].get_extents()
        half = 0.5 / 8.5  # of a pixel; the white gap is half a pixel wide
        assert np.allclose([box.x0 - 1, box.x1 - 1], [4 * half, 9 * half], atol=1.1 * half)
        assert np.allclose([box.y0, box.y1], [8 * half, 13 * half], atol=1.1 * half)


def test_rows_of_images_are_equally_long():
    rows = {"first": np.zeros((3, 1, 8, 8)), "second": np.zeros((2, 1, 8, 8))}
    with pytest.raises(ValueError, match="all rows need 3 images, as the first; row 2 has 2"):
        plotting.image_rows(rows)
