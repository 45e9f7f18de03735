import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.thresholds import (
    conformal_p_values,
    conformal_threshold,
    false_alarm_interval,
    mean_std_threshold,
    patient_p_values,
    z_rule,
)

# few distinct values, so that ties are common
scores = st.lists(st.integers(0, 12).map(float), min_size=0, max_size=40)
alphas = st.one_of(
    st.floats(0, 1), st.tuples(st.integers(0, 40), st.integers(1, 40)).map(lambda t: t[0] / t[1])
)


@given(calibration=scores, new=scores, alpha=alphas)
def test_threshold_flags_exactly_the_scores_with_small_p(calibration, new, alpha):
    flagged = np.array(new) > conformal_threshold(calibration, alpha)
    # alpha, and what is meant by it where its last digit is off
    np.testing.assert_array_equal(flagged, conformal_p_values(calibration, new) <= alpha + 1e-12)


@given(calibration=scores, new=scores)
def test_p_values_are_the_counted_share(calibration, new):
    counted = [(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in new]
    np.testing.assert_allclose(conformal_p_values(calibration, new), counted)


def test_false_alarms_keep_their_promise_on_average():
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(2000):
        draw = rng.exponential(size=69)  # skewed: mean + k·std would be off
        rates.append((draw[19:] > conformal_threshold(draw[:19], 0.1)).mean())
    # exactly 2 of 20 ranks; the standard error of the mean of 2,000 rates is below 0.002
    assert np.mean(rates) == pytest.approx(0.10, abs=0.008)


@pytest.mark.parametrize(("n", "finite"), [(18, False), (19, True)])
def test_threshold_is_infinite_where_n_is_too_small(n, finite):
    assert np.isfinite(conformal_threshold(np.arange(n), 0.05)) == finite


@pytest.mark.parametrize(
    ("n", "alpha", "meant"), [(9, 1 - 0.9, 0.1), (19, 0.15 / 3, 0.05), (29, 1 - 29 / 30, 1 / 30)]
)
def test_an_alpha_whose_last_digit_is_off_is_what_is_meant(n, alpha, meant):
    assert alpha < meant
    assert conformal_threshold(np.arange(n), alpha) == n - 1


def test_mean_std_takes_lists_and_keeps_units():
    assert mean_std_threshold([1, 1, 3, 3], k=2) == pytest.approx(4.0)
    assert mean_std_threshold([10, 10, 30, 30], k=2) == pytest.approx(40.0)


@pytest.mark.parametrize("form", [list, np.array, pd.Series, torch.tensor])
def test_z_rule_decides_alike_for_every_form(form):
    # 2.2 standard deviations of numpy (of n), 1.9 of pandas and torch (of n - 1)
    scores, normal = [0.0, 0.0, 1.0, 1.0, 1.6], [True, True, True, True, False]
    flags = z_rule(form(scores), form(normal), form([True] * 5), z=2.0)
    assert flags.tolist() == [False, False, False, False, True]


def test_z_rule_without_a_spread_is_refused():
    for scores, normal in (([1.0, 1.0, 2.0], [1, 1, 0]), ([1.0, 2.0, 3.0], [0, 0, 0])):
        with pytest.raises(ValueError, match="validation normals, whose scores have no spread"):
            z_rule(scores, normal, [1, 1, 1])


def test_nan_is_the_most_anomalous_of_all():
    assert conformal_p_values([1.0, 2.0, 3.0], [np.nan]) == 0.25
    assert conformal_threshold([1.0, 2.0, np.nan], 0.25) == np.inf


def test_false_alarm_interval_where_nothing_or_everything_is_flagged():
    assert false_alarm_interval(10, 100, 0.05) == (0, 0)  # 11 scores cannot have one in 20
    assert false_alarm_interval(10, 100, 1.0) == (1, 1)
    low, high = false_alarm_interval(19, 100, 0.05)
    assert 0 <= low < 0.05 < high < 1
    assert false_alarm_interval(np.uint8(199), np.int8(100), 0.05) == false_alarm_interval(
        199, 100, 0.05
    )


def test_p_values_by_patient_keep_their_promise_where_p_values_by_scan_break_it():
    rng, alarms = np.random.default_rng(0), []
    for _ in range(600):  # normal scores of 20 patients with one new scan of each of 100 others
        who = np.repeat(np.arange(120), 4)
        scores = 0.9**0.5 * rng.normal(size=120)[who] + 0.1**0.5 * rng.normal(size=480)
        old, new = scores[:80], scores[80::4]
        p = conformal_p_values(old, new), patient_p_values(old, who[:80], new)
        alarms.append([(values <= 0.05).mean() for values in p])
    by_scan, by_patient = np.mean(alarms, axis=0)
    assert by_scan > 0.052 and 0.015 < by_patient < 0.045  # 5.9 and 2.7 % with many repetitions


def test_patients_with_one_scan_each_are_the_plain_case():
    calibration, new = np.array([3.0, 1, 2, 2]), [2.0, 4, 0]
    plain = conformal_p_values(calibration, new)
    np.testing.assert_allclose(patient_p_values(calibration, [4, 7, 1, 2], new), plain)
