import numpy as np
import pytest
from made_up import ANOMALY, NORMAL
from matplotlib.figure import Figure

from helpers.metrics import auroc
from helpers.thresholds import conformal_p_values, conformal_threshold, mean_std_threshold
from helpers.widgets.threshold import confusion_counts, draw_threshold, threshold_explorer


def explorer_with(**thresholds):
    return threshold_explorer(NORMAL, ANOMALY, thresholds=thresholds)


def rates(explorer):
    """False-alarm and detection rate where the dot stands, which must be on the ROC curve."""
    curve, _, dot = explorer.figure.axes[2].lines
    (point,) = dot.get_xydata()
    corners = curve.get_xydata()
    detours = (
        np.linalg.norm(corners[1:] - point, axis=1)
        + np.linalg.norm(corners[:-1] - point, axis=1)
        - np.linalg.norm(np.diff(corners, axis=0), axis=1)
    )
    assert detours.min() < 1e-9
    return list(point)


@pytest.mark.parametrize("threshold", [0.0, NORMAL[3], float(ANOMALY[7]), 1.0, np.inf])
def test_counts_are_those_of_the_rule_score_above_threshold(threshold):
    (left_alone, false_alarms), (missed, found) = confusion_counts(NORMAL, ANOMALY, threshold)
    assert false_alarms == sum(score > threshold for score in NORMAL)
    assert found == sum(score > threshold for score in ANOMALY)
    assert left_alone + false_alarms == 400
    assert missed + found == 300


def test_a_score_equal_to_the_threshold_is_not_flagged():
    assert confusion_counts([1.0, 2.0], [2.0, 3.0], 2.0) == [[2, 0], [1, 1]]


def test_the_slider_moves_text_table_and_the_point_on_the_roc_curve():
    explorer = explorer_with(half=float(np.median(NORMAL)))
    slider = explorer.controls["threshold"]
    all_false_alarms = []
    for slider.index in (20, 80, 140):
        counts = confusion_counts(NORMAL, ANOMALY, slider.value)
        (_, false_alarms), (_, found) = counts
        assert rates(explorer) == [false_alarms / 400, found / 300]
        assert f"{false_alarms} of 400 normal" in explorer.text
        assert f"{found} of 300 anomalies" in explorer.text
        drawn = [text.get_text().split("\n")[0] for text in explorer.figure.axes[1].texts]
        assert {str(count) for row in counts for count in row} <= set(drawn)
        all_false_alarms.append(false_alarms)
    assert all_false_alarms[0] > all_false_alarms[1] > all_false_alarms[2]


def test_buttons_jump_to_the_exact_thresholds():
    five = conformal_threshold(NORMAL, 0.05)
    explorer = explorer_with(mean=mean_std_threshold(NORMAL), five=five)
    assert "(mean)" in explorer.text
    mean, button = explorer.layout.children[1].children
    button.click()
    assert explorer.controls["threshold"].value == five
    assert "(five)" in explorer.text
    flagged = int((conformal_p_values(NORMAL, NORMAL) <= 0.05).sum())
    assert f"{flagged} of 400 normal" in explorer.text
    mean.click()
    assert explorer.controls["threshold"].value == mean_std_threshold(NORMAL)


def test_the_slider_reaches_from_all_flagged_to_none():
    explorer = explorer_with()
    slider = explorer.controls["threshold"]
    slider.index = 0
    assert rates(explorer) == [1, 1]
    slider.index = len(slider.options) - 1
    assert rates(explorer) == [0, 0]


def test_start_and_an_infinite_threshold():
    explorer = threshold_explorer(
        NORMAL, ANOMALY, thresholds={"too few images": np.inf}, start=0.01
    )
    assert explorer.controls["threshold"].value == 0.01
    explorer.layout.children[1].children[0].click()
    assert rates(explorer) == [0, 0]
    assert "too few images" in explorer.text


@pytest.mark.parametrize(
    ("normal", "scale"), [(NORMAL, "log"), (1 + NORMAL, "linear"), (-NORMAL, "linear")]
)
def test_the_score_axis_is_logarithmic_where_scores_are_positive_and_far_apart(normal, scale):
    explorer = threshold_explorer(normal, normal, thresholds={})
    assert explorer.figure.axes[0].get_xscale() == scale


def test_constant_scores_are_drawn():
    explorer = threshold_explorer(np.ones(5), np.ones(5), thresholds={"one": 1.0})
    assert "0 of 5 normal" in explorer.text


def test_the_drawing_needs_no_widgets():
    figure = Figure()
    text = draw_threshold(figure, NORMAL, ANOMALY, 0.01, "by hand")
    assert "Threshold 0.01 (by hand)" in text
    assert f"{auroc(NORMAL, ANOMALY):.3f}" in figure.axes[2].get_title()
    for axes in (figure.axes[0], figure.axes[2]):
        assert axes.get_xlabel()
        assert axes.get_ylabel()


@pytest.mark.parametrize("bad", [[], [[1.0, 2.0]], [1.0, np.nan]])
def test_scores_that_are_none_are_named(bad):
    with pytest.raises(ValueError, match=r"anomaly_scores must hold finite numbers.*shape \("):
        threshold_explorer(NORMAL, bad, thresholds={})
