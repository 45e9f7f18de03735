import re

import nbformat
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from nbclient import NotebookClient

from helpers import widgets
from helpers.metrics import auroc
from helpers.models import ConvAutoencoder
from helpers.scores import reconstruction_error
from helpers.thresholds import conformal_p_values, conformal_threshold, mean_std_threshold
from helpers.training import as_input

rng = np.random.default_rng(0)
NORMAL = rng.lognormal(-5, 0.5, 400).astype(np.float32)
ANOMALY = rng.lognormal(-4, 0.5, 300).astype(np.float32)
IMAGES = rng.integers(0, 256, (30, 1, 28, 28), dtype=np.uint8)
LABELS = np.repeat([2, 5, 7], [5, 10, 15])
CLASSES = tuple("0123456789")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ConvAutoencoder(latent_dim=4).eval()


@pytest.fixture
def displayed(monkeypatch):
    """What an explorer displays, as pairs (update?, object)."""
    shown = []
    monkeypatch.setattr(
        widgets, "display", lambda value, update=False, **_: shown.append((update, value))
    )
    return shown


def threshold_explorer(**thresholds):
    return widgets.threshold_explorer(NORMAL, ANOMALY, thresholds=thresholds)


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


# ---- threshold


@pytest.mark.parametrize("threshold", [0.0, NORMAL[3], float(ANOMALY[7]), 1.0, np.inf])
def test_counts_are_those_of_the_rule_score_above_threshold(threshold):
    (left_alone, false_alarms), (missed, found) = widgets.confusion_counts(
        NORMAL, ANOMALY, threshold
    )
    assert false_alarms == sum(score > threshold for score in NORMAL)
    assert found == sum(score > threshold for score in ANOMALY)
    assert left_alone + false_alarms == 400
    assert missed + found == 300


def test_a_score_equal_to_the_threshold_is_not_flagged():
    assert widgets.confusion_counts([1.0, 2.0], [2.0, 3.0], 2.0) == [[2, 0], [1, 1]]


def test_the_slider_moves_text_table_and_the_point_on_the_roc_curve():
    explorer = threshold_explorer(half=float(np.median(NORMAL)))
    slider = explorer.controls["threshold"]
    all_false_alarms = []
    for slider.index in (20, 80, 140):
        counts = widgets.confusion_counts(NORMAL, ANOMALY, slider.value)
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
    explorer = threshold_explorer(mean=mean_std_threshold(NORMAL), five=five)
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
    explorer = threshold_explorer()
    slider = explorer.controls["threshold"]
    slider.index = 0
    assert rates(explorer) == [1, 1]
    slider.index = len(slider.options) - 1
    assert rates(explorer) == [0, 0]


def test_start_and_an_infinite_threshold():
    explorer = widgets.threshold_explorer(
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
    explorer = widgets.threshold_explorer(normal, normal, thresholds={})
    assert explorer.figure.axes[0].get_xscale() == scale


def test_constant_scores_are_drawn():
    explorer = widgets.threshold_explorer(np.ones(5), np.ones(5), thresholds={"one": 1.0})
    assert "0 of 5 normal" in explorer.text


def test_the_drawing_needs_no_widgets():
    figure = Figure()
    text = widgets.draw_threshold(figure, NORMAL, ANOMALY, 0.01, "by hand")
    assert "Threshold 0.01 (by hand)" in text
    assert f"{auroc(NORMAL, ANOMALY):.3f}" in figure.axes[2].get_title()
    for axes in (figure.axes[0], figure.axes[2]):
        assert axes.get_xlabel()
        assert axes.get_ylabel()


@pytest.mark.parametrize("bad", [[], [[1.0, 2.0]], [1.0, np.nan]])
def test_scores_that_are_none_are_named(bad):
    with pytest.raises(ValueError, match=r"anomaly_scores must hold finite numbers.*shape \("):
        widgets.threshold_explorer(NORMAL, bad, thresholds={})


# ---- latent space


def test_the_path_leads_from_one_reconstruction_to_the_other_and_the_blend_between_pictures(model):
    x = as_input(IMAGES[:2])
    path, blend = widgets.latent_path(model, x)
    with torch.no_grad():
        torch.testing.assert_close(path[[0, -1]], model(x)[:, 0])
        middle = model.decode(model.encode(x).mean(dim=0, keepdim=True))[0, 0]
    torch.testing.assert_close(path[len(path) // 2], middle)
    torch.testing.assert_close(blend[[0, -1]], x[:, 0])
    torch.testing.assert_close(blend[len(blend) // 2], x[:, 0].mean(dim=0))


def test_t_moves_the_pictures_shown(model):
    explorer = widgets.latent_explorer(model, IMAGES, LABELS, CLASSES)
    path, blend = widgets.latent_path(model, as_input(IMAGES[[0, 15]]))  # first 2, first 7
    for t, k in ((0.0, 0), (0.25, 5), (1.0, -1)):
        explorer.controls["t"].value = t
        shown = [axes.images[0].get_array() for axes in explorer.figure.axes[:4]]
        for picture, expected in zip(shown, (blend[0], path[k], blend[k], blend[-1]), strict=True):
            np.testing.assert_allclose(picture, expected, atol=1e-6)
        assert f"From 2 to 7, t = {t:.2f}" in explorer.text


def test_any_picture_of_any_class_can_be_picked(model):
    explorer = widgets.latent_explorer(model, IMAGES, LABELS, CLASSES)
    controls = explorer.controls
    assert [name for name, _ in controls["to_class"].options] == ["2", "5", "7"]
    controls["to_which"].value = 14  # the last 7
    controls["to_class"].value = 2
    assert controls["to_which"].max == 4  # there are five 2s
    shown = explorer.figure.axes[3].images[0].get_array()
    np.testing.assert_allclose(shown, IMAGES[4, 0] / 255, atol=1e-6)


def test_pictures_that_are_not_uint8_are_refused(model):
    with pytest.raises(ValueError, match=r"must be uint8 \(N, 1, H, W\).*float64"):
        widgets.latent_explorer(model, IMAGES / 255, LABELS, CLASSES)


# ---- perturbation


def test_nothing_moved_changes_nothing():
    x = as_input(IMAGES[:3])
    torch.testing.assert_close(widgets.perturb(x), x)


def test_each_perturbation_does_what_it_says():
    x = as_input(IMAGES[:3]) / 2 + 0.1
    before = x.clone()
    turned = widgets.perturb(x, rotation=90)
    torch.testing.assert_close(turned, torch.rot90(x, 1, (2, 3)), atol=1e-4, rtol=0)
    flat = torch.zeros(1, 1, 9, 21)
    flat[0, 0, 4, 7:14] = 1  # 7 pixels along the width, then along the height
    upright = widgets.perturb(flat, rotation=90)[0, 0]
    torch.testing.assert_close(upright.sum(dim=0)[10], torch.tensor(7.0))
    both = widgets.perturb(x, rotation=90, shift=3)  # turned first, then moved
    torch.testing.assert_close(both[..., 3:], turned[..., :-3], atol=1e-4, rtol=0)
    moved = widgets.perturb(x, shift=3)
    torch.testing.assert_close(moved[..., 3:], x[..., :-3], atol=1e-4, rtol=0)
    assert moved[..., :3].max() < 1e-4
    torch.testing.assert_close(widgets.perturb(x, brightness=0.5), x / 2)
    changed = widgets.perturb(x, erased=4) != widgets.perturb(x)
    assert changed[:, :, 12:16, 12:16].all()
    assert changed.sum() == 3 * 16
    torch.testing.assert_close(x, before)


def test_noise_has_the_strength_asked_for_and_stays_in_range():
    grey = torch.full((50, 1, 28, 28), 0.5)
    noisy = widgets.perturb(grey, noise=0.1)
    assert noisy.std().item() == pytest.approx(0.1, rel=0.02)
    torch.testing.assert_close(noisy, widgets.perturb(grey, noise=0.1))
    loud = widgets.perturb(grey, noise=5)
    assert loud.min() == 0
    assert loud.max() == 1


def calibrated(model, score=reconstruction_error):
    with torch.no_grad():
        x = as_input(IMAGES)
        scores = reconstruction_error(x, model(x)).numpy()
    threshold = conformal_threshold(scores, 0.1)
    explorer = widgets.perturb_explorer(model, score, IMAGES, LABELS, threshold, scores)
    return explorer, threshold, scores


def test_score_verdict_and_p_value_follow_the_picture(model):
    explorer, threshold, scores = calibrated(model)
    explorer.controls["digit"].value = 5
    explorer.controls["which"].value = 3
    assert f"Score {scores[8]:.3g}," in explorer.text
    verdicts = set()
    for explorer.controls["brightness"].value in (0.0, 0.5, 1.0, 2.0):
        score = float(re.match(r"Score (\S+),", explorer.text)[1])
        p = float(explorer.text.rstrip(".").split()[-1])
        verdict = "flagged" if score > threshold else "not flagged"
        assert f": {verdict}. " in explorer.text
        assert explorer.figure.axes[-1].get_title(loc="right").endswith(f": {verdict}")
        assert p == pytest.approx(conformal_p_values(scores, [score])[0], abs=0.04)
        verdicts.add(verdict)
    assert verdicts == {"flagged", "not flagged"}


@pytest.mark.parametrize(("score", "as_high"), [(0.0, 3), (0.5, 2), (0.6, 1), (1.0, 0)])
def test_the_p_value_is_the_conformal_one(score, as_high):
    normal = np.array([0.1, 0.5, 0.9])
    image = torch.zeros(28, 28)
    text = widgets.draw_perturbed(Figure(), image, image + 1, score, np.inf, normal)
    assert f"not flagged. {as_high} of 3 normal" in text
    p = conformal_p_values(normal, [score])[0]
    assert text.endswith(f"({as_high} + 1) / (3 + 1) = {p:.3f}.")


def test_undo_all_brings_the_picture_back(model):
    explorer, *_ = calibrated(model)
    before = explorer.text
    explorer.set(rotation=45, noise=0.2, shift=3, erased=8, brightness=1.5)
    assert explorer.text != before
    undo = explorer.layout.children[-1].children[-1]
    undo.click()
    assert explorer.text == before
    explorer.controls["rotation"].value = 90
    assert explorer.text != before


def test_the_model_keeps_its_mode_and_gets_no_gradient(model):
    model.train()
    calibrated(model)
    widgets.latent_explorer(model, IMAGES, LABELS, CLASSES)
    assert model.training
    assert all(p.grad is None for p in model.parameters())


# ---- display


def test_moving_a_control_updates_the_picture_and_the_line(displayed):
    explorer = threshold_explorer()
    assert not displayed
    explorer._ipython_display_()
    assert [update for update, _ in displayed] == [False] * 3
    view, picture, line = (value for _, value in displayed)
    assert "application/vnd.jupyter.widget-view+json" in view
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert repr(line) == explorer.text
    del displayed[:]
    explorer.controls["threshold"].index = 30
    (updated, new_picture), (_, new_line) = displayed
    assert updated
    assert new_picture._repr_png_() != picture._repr_png_()
    assert repr(new_line) == explorer.text != repr(line)


def test_an_error_in_a_callback_is_shown_and_raised(model, displayed):
    def fails_in_the_dark(x, x_hat):
        if x.mean() < 0.01:
            raise ZeroDivisionError("no ink")
        return reconstruction_error(x, x_hat)

    explorer, *_ = calibrated(model, fails_in_the_dark)
    explorer._ipython_display_()
    del displayed[:]
    with pytest.raises(ZeroDivisionError, match="no ink"):
        explorer.controls["brightness"].value = 0.0
    ((_, banner),) = displayed
    assert "no ink" in banner.title
    assert "fails_in_the_dark" in banner.code
    explorer.controls["brightness"].value = 1.0
    assert "Score" in explorer.text


def test_a_saved_notebook_holds_the_picture_and_the_text_and_they_are_updated():
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "from helpers.widgets import threshold_explorer\n"
                "explorer = threshold_explorer([1, 2, 3], [3, 4], thresholds={'two': 2})\n"
                "explorer"
            ),
            nbformat.v4.new_code_cell("explorer.controls['threshold'].index = 0"),
        ]
    )
    client = NotebookClient(notebook, store_widget_state=False)
    with client.setup_kernel():
        client.execute_cell(notebook.cells[0], 0)
        first = [output.data for output in notebook.cells[0].outputs]
        client.execute_cell(notebook.cells[1], 1)
        second = [output.data for output in notebook.cells[0].outputs]
    assert not notebook.cells[1].outputs
    for view, picture, line in (first, second):
        assert "run this cell" in view["text/plain"]
        assert set(picture) == {"image/png", "text/plain"}
        assert set(line) == {"text/html", "text/plain"}
    assert "1 of 3 normal" in first[2]["text/plain"]
    assert "3 of 3 normal" in second[2]["text/plain"]
    assert first[1]["image/png"] != second[1]["image/png"]
