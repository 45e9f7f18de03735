"""Screens and the classifier behind them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from helpers.screening import ScreenedClassifier
from helpers.thresholds import Screen, false_alarm_interval

scores = st.lists(st.integers(0, 12).map(float), min_size=19, max_size=60)


@given(calibration=scores, new=scores, alpha=st.sampled_from([0.05, 0.1, 0.25, 0.5]))
def test_refused_is_what_has_a_small_p_value_and_a_positive_decision(calibration, new, alpha):
    screen = Screen(alpha).fit(calibration)
    refused = screen.predict(new)
    np.testing.assert_array_equal(refused, screen.p_values(new) <= alpha)
    np.testing.assert_array_equal(refused, screen.decision_function(new) > 0)
    assert refused.dtype == bool


def test_screen_takes_part_in_scikit_learn():
    screen = Screen(alpha=0.1).fit(np.arange(20))
    fresh = clone(screen)
    assert fresh.get_params() == {"alpha": 0.1} and not hasattr(fresh, "threshold_")
    assert repr(screen) == "Screen(alpha=0.1)"
    assert screen.fit(torch.arange(100)).threshold_ == 90  # fitted again


@pytest.mark.parametrize("method", ["predict", "p_values", "decision_function"])
def test_unfitted_or_broken_scores_are_errors(method):
    with pytest.raises(NotFittedError, match="not fitted"):
        getattr(Screen(0.05), method)([1.0])
    fitted = Screen(0.05).fit(np.arange(100))
    with pytest.raises(ValueError, match="1 not finite"):
        getattr(fitted, method)([1.0, np.nan])
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        getattr(fitted, method)([[1.0, 2.0]])


def test_fit_names_what_is_wrong():
    with pytest.raises(ValueError, match="1 not finite"):
        Screen(0.05).fit([*range(100), np.nan])
    for alpha in (0.0, 1.0, 2.0):
        with pytest.raises(ValueError, match=f"between 0 and 1, got {alpha}"):
            Screen(alpha).fit(range(100))


def test_too_few_scores_refuse_nothing_and_say_so():
    with pytest.warns(UserWarning, match="18 calibration scores .* 19 scores or more can"):
        screen = Screen(0.05).fit(range(18))
    assert not screen.predict([1e9]).any()


def test_a_screen_takes_an_alpha_as_it_is_meant(recwarn):
    assert Screen(0.15 / 3).fit(range(19)).threshold_ == 18
    assert Screen(1 - 0.9).fit(range(9)).threshold_ == 8
    assert not recwarn.list
    with pytest.warns(UserWarning, match="8 calibration .* alpha = 0.1: .* 9 scores or more can"):
        Screen(1 - 0.9).fit(range(8))


def test_interval_holds_95_of_100_calibrations():
    rng, n, m = np.random.default_rng(0), 60, 300
    low, high = false_alarm_interval(n, m, 0.1)
    rates = [
        Screen(0.1).fit(draw[:n]).predict(draw[n:]).mean() for draw in rng.random((4000, n + m))
    ]
    inside = np.mean([low <= rate <= high for rate in rates])
    assert 0.94 <= inside <= 0.985  # steps of 1/m, so a little more than 95 %
    narrow = binom(m, 0.1).ppf([0.025, 0.975]) / m
    assert np.mean([narrow[0] <= rate <= narrow[1] for rate in rates]) < 0.75


# --- screen | classifier ------------------------------------------------------------------------


def brightness(images):
    return images.mean((1, 2, 3))


def spread(images):
    return images.std((1, 2, 3))


def sided(x):
    """Logits that grow with the left and the right half of the picture."""
    return torch.stack([x[..., :2].sum((1, 2, 3)), x[..., 2:].sum((1, 2, 3))], dim=1)


def normal_pictures(n, seed):
    """Half dark, half bright, by more or less."""
    rng = np.random.default_rng(seed)
    level, contrast = rng.uniform(40, 100, (n, 1, 1, 1)), rng.uniform(0, 30, (n, 1, 1, 1))
    return np.broadcast_to(level + contrast * [-1, -1, 1, 1], (n, 3, 4, 4)).astype(np.uint8)


@pytest.fixture
def system():
    made = ScreenedClassifier(
        sided,
        ("left", "right"),
        lambda images: {"brightness": brightness(images), "spread": spread(images)},
        alpha=0.1,
    )
    return made.fit(normal_pictures(200, seed=0))


@pytest.fixture
def images():
    images = np.full((3, 3, 4, 4), 40, dtype=np.uint8)
    images[0, :, :, 2:] = 80
    images[1] = 255  # far too bright
    images[2, :, ::2], images[2, :, 1::2] = 0, 255  # too bright and too uneven
    return images


def test_an_answer_or_a_refusal_with_its_reason(system, images):
    found = system.predict(images)
    assert found.answer.tolist() == ["right", "refused", "refused"]
    assert found.probability[0] > 0.9 and found.probability[1:].isna().all()
    assert found.reason[0] == ""
    assert found.reason[1] == f"brightness: p = {1 / 201:.4f}"
    assert found.reason[2] == f"brightness: p = {1 / 201:.4f}; spread: p = {1 / 201:.4f}"


def test_a_function_for_each_screen_does_as_well(system, images):
    each = ScreenedClassifier(
        system.classifier, system.classes, {"brightness": brightness, "spread": spread}, 0.1
    )
    together = ScreenedClassifier(system.classifier, system.classes, system.scores, 0.1)
    one, other = (screens.fit(images).predict(images) for screens in (each, together))
    assert one.equals(other)


def test_all_screens_together_keep_the_promise(system):
    normal = normal_pictures(3000, seed=1)
    assert {screen.alpha for screen in system.screens_.values()} == {0.05}
    refused = system.predict(normal).answer == "refused"
    assert 0.03 < refused.mean() < 0.15


def test_three_screens_share_an_alpha_without_a_loss_in_the_last_digit(recwarn):
    """0.15 / 3 is a little less than 0.05, and 19 scores can promise 0.05."""
    scores = dict.fromkeys("abc", brightness)
    system = ScreenedClassifier(sided, ("left", "right"), scores, alpha=0.15)
    system.fit(normal_pictures(19, seed=0))
    assert [screen.alpha for screen in system.screens_.values()] == pytest.approx([0.05] * 3)
    assert all(np.isfinite(screen.threshold_) for screen in system.screens_.values())
    assert not recwarn.list
    system.alpha = 0.1  # 1 / 30 has no last digit, and is not made smaller
    with pytest.warns(UserWarning, match="29 scores or more can"):
        system.fit(normal_pictures(28, seed=0))


@pytest.mark.parametrize("method", ["judge", "predict"])
def test_screens_are_fitted_before_they_judge(images, method):
    system = ScreenedClassifier(sided, ("left", "right"), {"brightness": brightness})
    with pytest.raises(NotFittedError, match="call `fit` with normal images first"):
        getattr(system, method)(images)


def test_judgement_of_each_screen(system, images):
    table = system.judge(images)["brightness"]
    np.testing.assert_allclose(table.score, brightness(images))
    assert table.refused.tolist() == [False, True, True]
    np.testing.assert_allclose(table.p[1:], 1 / 201)


def test_temperature_changes_the_probability_and_not_the_answer(system, images):
    before = system.predict(images)
    system.temperature = 100.0
    after = system.predict(images)
    assert after.answer.tolist() == before.answer.tolist()
    assert 0.5 < after.probability[0] < before.probability[0]


@pytest.mark.parametrize(
    "scores", [lambda images: {}, lambda images: {"brightness": brightness(images)[1:]}]
)
def test_a_screen_that_does_not_score_every_picture_is_refused(scores):
    with pytest.raises(ValueError, match="one score for each of 30 images from each screen"):
        ScreenedClassifier(sided, ("left", "right"), scores).fit(normal_pictures(30, seed=0))
