"""Reliability, calibration error and temperature."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from helpers.calibration import expected_calibration_error, fit_temperature, reliability


def test_calibration_error_by_hand():
    # a bin of two at 0.95 with one right, a bin of one at 0.75 that is right
    confidence, correct = [0.95, 0.95, 0.75], [True, False, True]
    assert expected_calibration_error(confidence, correct) == pytest.approx(
        2 / 3 * 0.45 + 1 / 3 * 0.25
    )
    table = reliability(confidence, correct)
    assert table.pictures.tolist() == [1, 2]
    assert table.accuracy.tolist() == [1.0, 0.5]


def test_a_confidence_of_one_has_a_bin_and_gaps_do_not_cancel():
    assert reliability([1.0, 0.0], [True, True]).pictures.tolist() == [1, 1]
    assert expected_calibration_error([0.9, 0.6], [False, True]) == pytest.approx((0.9 + 0.4) / 2)


def test_a_well_calibrated_classifier_has_nearly_no_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 100_000)
    assert expected_calibration_error(confidence, rng.random(100_000) < confidence) < 0.01


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_temperature_finds_the_factor_that_the_logits_were_multiplied_with(factor):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        logits = 2 * torch.randn(20_000, 3)
        labels = torch.distributions.Categorical(logits=logits).sample()
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor, rel=0.05)


def test_temperature_is_a_minimum():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        logits = 3 * torch.randn(200, 4)
        labels = (logits + 3 * torch.randn(200, 4)).argmax(dim=1)
    t = fit_temperature(logits, labels)
    losses = [cross_entropy(logits.double() / (t * f), labels) for f in (0.98, 1, 1.02)]
    assert losses[1] < losses[0] and losses[1] < losses[2]


def test_refused_pictures_do_not_count():
    """`ScreenedClassifier.predict` gives NaN as the probability of a picture that it refused."""
    nan = float("nan")
    answered = expected_calibration_error([0.9, 0.6], [1, 0])
    assert expected_calibration_error([0.9, nan, 0.6, nan], [1, 0, 0, 1]) == answered
    assert expected_calibration_error([0.9, nan], [1, 0]) == pytest.approx(0.1)
    assert reliability([0.9, nan], [1, 0]).pictures.sum() == 1
    for confidence, correct in (([nan], [1]), ([0.5], [nan]), ([nan, 0.5], [1, nan])):
        for function in (reliability, expected_calibration_error):
            with pytest.raises(ValueError, match="no image has an answer"):
                function(confidence, correct)


@pytest.mark.parametrize(
    ("confidence", "correct", "says"),
    [
        ([3.0, 0.5], [1, 0], "confidence should be one number from 0 to 1.*from 0.5 to 3.0"),
        ([0.5, 0.5], [1], "2 confidences, 1 answers"),
        ([], [], "got 0 of them"),
    ],
)
def test_confidences_that_are_none(confidence, correct, says):
    with pytest.raises(ValueError, match=says):
        reliability(confidence, correct)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_an_end_of_the_searched_range_is_no_temperature(factor, recwarn):
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 3.0]])
    labels = [0, 1, 1, 1]
    fit_temperature(logits, labels)
    assert not recwarn.list
    with pytest.warns(UserWarning, match="is an end of the range .* Multiply") as said:
        fit_temperature(factor * logits, labels)
    assert said[0].filename == __file__  # the caller's line


def test_where_all_answers_are_right_there_is_no_temperature():
    logits = torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    with pytest.warns(UserWarning, match="all answers are right"):
        fit_temperature(logits, [0, 0, 1])


def test_temperature_takes_labels_of_any_type_and_refuses_others():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    expected = fit_temperature(logits, torch.tensor([0, 1, 1]))
    for labels in ([0, 1, 1], np.array([0, 1, 1], dtype=np.uint8), np.array([0.0, 1.0, 1.0])):
        assert fit_temperature(logits.detach().numpy(), labels) == expected
    for labels, says in (([0, 1], "3 rows"), ([0, 1, 2], "0 to 2 for 2 classes")):
        with pytest.raises(ValueError, match=says):
            fit_temperature(logits, labels)
