import re

import numpy as np
import pytest
import torch
from made_up import IMAGES, LABELS
from matplotlib.figure import Figure

from helpers.scores import reconstruction_error
from helpers.thresholds import conformal_p_values, conformal_threshold
from helpers.training import as_input
from helpers.widgets.perturb import draw_perturbed, perturb, perturb_explorer


def test_nothing_moved_changes_nothing():
    x = as_input(IMAGES[:3])
    torch.testing.assert_close(perturb(x), x)


def test_each_perturbation_does_what_it_says():
    x = as_input(IMAGES[:3]) / 2 + 0.1
    before = x.clone()
    turned = perturb(x, rotation=90)
    torch.testing.assert_close(turned, torch.rot90(x, 1, (2, 3)), atol=1e-4, rtol=0)
    flat = torch.zeros(1, 1, 9, 21)
    flat[0, 0, 4, 7:14] = 1  # 7 pixels along the width, then along the height
    upright = perturb(flat, rotation=90)[0, 0]
    torch.testing.assert_close(upright.sum(dim=0)[10], torch.tensor(7.0))
    both = perturb(x, rotation=90, shift=3)  # turned first, then moved
    torch.testing.assert_close(both[..., 3:], turned[..., :-3], atol=1e-4, rtol=0)
    moved = perturb(x, shift=3)
    torch.testing.assert_close(moved[..., 3:], x[..., :-3], atol=1e-4, rtol=0)
    assert moved[..., :3].max() < 1e-4
    torch.testing.assert_close(perturb(x, brightness=0.5), x / 2)
    changed = perturb(x, erased=4) != perturb(x)
    assert changed[:, :, 12:16, 12:16].all()
    assert changed.sum() == 3 * 16
    torch.testing.assert_close(x, before)


def test_noise_has_the_strength_asked_for_and_stays_in_range():
    grey = torch.full((50, 1, 28, 28), 0.5)
    noisy = perturb(grey, noise=0.1)
    assert noisy.std().item() == pytest.approx(0.1, rel=0.02)
    torch.testing.assert_close(noisy, perturb(grey, noise=0.1))
    loud = perturb(grey, noise=5)
    assert loud.min() == 0
    assert loud.max() == 1


def calibrated(model, score=reconstruction_error):
    with torch.no_grad():
        x = as_input(IMAGES)
        scores = reconstruction_error(x, model(x)).numpy()
    threshold = conformal_threshold(scores, 0.1)
    explorer = perturb_explorer(model, score, IMAGES, LABELS, threshold, scores)
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
    text = draw_perturbed(Figure(), image, image + 1, score, np.inf, normal)
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
    assert model.training
    assert all(p.grad is None for p in model.parameters())


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
