import re

import numpy as np
import pytest
from made_up import IMAGES

from helpers.metrics import auroc
from helpers.widgets import score_explorer

NAMES = np.repeat(["Hand", "CXR", "HeadCT"], 10)
SCORES = {
    "rising": np.arange(30.0),
    "falling": -np.arange(30.0),
    "flat": np.ones(30),
}


def ends(explorer):
    """The four scores at the ends of the two rows, as the text gives them."""
    return [float(x) for x in re.findall(r"score (-?[\d.]+) to (-?[\d.]+)", explorer.text)[0]]


def shown_pictures(explorer, row):
    strip = np.asarray(explorer.figure.axes[row].images[0].get_array())
    return np.hsplit(strip, 10)


def test_pictures_come_in_the_order_of_the_score():
    explorer = score_explorer(IMAGES, NAMES, SCORES)
    for place, picture in enumerate(shown_pictures(explorer, 0)):
        np.testing.assert_allclose(picture, IMAGES[place, 0] / 255)
    for place, picture in enumerate(shown_pictures(explorer, 1)):
        np.testing.assert_allclose(picture, IMAGES[29 - place, 0] / 255)
    explorer.controls["score"].value = "falling"
    np.testing.assert_allclose(shown_pictures(explorer, 0)[0], IMAGES[29, 0] / 255)


def test_a_class_is_shown_alone_and_judged_against_the_normal_one():
    explorer = score_explorer(IMAGES, NAMES, SCORES)
    assert explorer.text.startswith("rising, all classes, 30 pictures.")
    explorer.controls["shown"].value = "CXR"
    assert "10 pictures" in explorer.text and ends(explorer) == [10, 19]
    area = auroc(SCORES["rising"][:10], SCORES["rising"][10:20])
    assert explorer.text.endswith(f"AUROC {area:.3f}.")
    explorer.controls["shown"].value = "Hand"
    assert "AUROC" not in explorer.text and ends(explorer) == [0, 9]


def test_skipping_stops_at_the_end_of_the_set():
    explorer = score_explorer(IMAGES, NAMES, SCORES)
    explorer.controls["skip"].value = 10
    assert ends(explorer) == [10, 19]
    explorer.controls["skip"].value = 90
    assert "After 20 skipped" in explorer.text and ends(explorer) == [20, 29]


def test_equal_scores_do_no_harm():
    explorer = score_explorer(IMAGES, NAMES, {"flat": SCORES["flat"]})
    assert explorer.text.endswith("AUROC 0.500.")


@pytest.mark.parametrize(
    ("names", "scores"),
    [(NAMES, {"short": np.ones(7)}), (np.repeat("CXR", 30), SCORES)],
)
def test_wrong_inputs_are_named(names, scores):
    with pytest.raises(ValueError, match="one number for each of 30 images"):
        score_explorer(IMAGES, names, scores)


def test_a_score_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        score_explorer(IMAGES, NAMES, {"bad": np.full(30, np.nan)})
