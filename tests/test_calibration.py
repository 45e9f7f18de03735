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
