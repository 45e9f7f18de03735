import re

import numpy as np
import pytest

from helpers.datasets.image_set import ImageSet
from helpers.metrics import auroc
from helpers.widgets import scan_explorer

rng = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], [6, 7, 8])
IMAGES = rng.integers(0, 256, (21, 1, 16, 16), dtype=np.uint8)
MASKS = np.zeros((21, 16, 16), dtype=bool)
MASKS[:13, 4:8, 4:8] = True
SCORES = {"L1": rng.random(21), "kNN": rng.random(21)}
MAPS = {"residual": rng.random((21, 16, 16)), "patches": rng.random((21, 16, 16))}


def scans(masks=MASKS):
    return ImageSet(IMAGES, LABELS, ("AMD", "DME", "NORMAL"), masks=masks)


def test_the_place_goes_through_the_order_of_the_score():
    explorer = scan_explorer(scans(), SCORES, MAPS)
    for place, i in ((0, SCORES["L1"].argmin()), (100, SCORES["L1"].argmax())):
        explorer.set(place=place)
        name = ("AMD", "DME", "NORMAL")[LABELS[i]]
        assert explorer.text.startswith(f"{name}, L1 {SCORES['L1'][i]:.3g}:")
    explorer.set(score="kNN", shown="DME", place=100)
    assert f"kNN {SCORES['kNN'][LABELS == 1].max():.3g}:" in explorer.text


def test_numbers_are_those_of_the_class_against_the_normal_scans():
    explorer = scan_explorer(scans(), SCORES, MAPS)
    explorer.set(shown="AMD", place=50)
    expected = auroc(SCORES["L1"][LABELS == 2], SCORES["L1"][LABELS == 0])
    assert f"these 6 diseased scans {expected:.3f}" in explorer.text
    share = float(re.search(r"([\d.]+)% of the normal", explorer.text)[1])
    score = np.sort(SCORES["L1"][LABELS == 0])[round(0.5 * 5)]
    assert share == pytest.approx(100 * (SCORES["L1"][LABELS == 2] >= score).mean(), abs=0.06)


def test_opacity_fades_the_map_in_and_lesions_are_outlined():
    explorer = scan_explorer(scans(), SCORES, MAPS)
    explorer.set(shown="AMD", opacity=0.25)
    overlay = explorer.figure.axes[1]
    assert overlay.images[1].get_alpha() == 0.25
    assert overlay.collections
    explorer = scan_explorer(scans(masks=None), SCORES, MAPS)
    explorer.set(shown="AMD", layer="patches")
    assert not explorer.figure.axes[1].collections


def test_wrong_lengths_are_refused():
    with pytest.raises(ValueError, match="wrong: L1"):
        scan_explorer(scans(), {"L1": np.ones(3)}, MAPS)
    with pytest.raises(ValueError, match="wrong: small"):
        scan_explorer(scans(), SCORES, {"small": np.ones((21, 8, 8))})
