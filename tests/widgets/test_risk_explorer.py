import re

import numpy as np
import pytest

from helpers.datasets.splits import stream
from helpers.widgets import risk_explorer
from helpers.widgets.risk import mean_cost

rng = np.random.default_rng(0)
INSIDE, OUTSIDE = rng.uniform(0.5, 1, 400), rng.uniform(0.5, 1, 900)
RIGHT = rng.random(400) < 0.8
P_INSIDE = {"blind": rng.random(400), "sharp": rng.random(400)}
P_OUTSIDE = {"blind": rng.random(900), "sharp": np.full(900, 0.001)}


@pytest.fixture
def explorer():
    return risk_explorer(INSIDE, RIGHT, OUTSIDE, P_INSIDE, P_OUTSIDE)


def numbers(explorer):
    """Percent answered, wrong of these, wrong without a screen; price, cost; best alpha, cost."""
    return [float(x) for x in re.findall(r"\d+\.\d+", explorer.text.split("alpha = ", 1)[1])][1:]


def test_numbers_are_those_of_the_stream(explorer):
    explorer.set(screen="blind", rate=0.3, alpha=0.1, price=0.25)
    i, j = stream(400, 900, 0.3)
    refused = np.concatenate([P_INSIDE["blind"][i], P_OUTSIDE["blind"][j]]) <= 0.1
    right = np.concatenate([RIGHT[i], np.zeros(len(j), dtype=bool)])
    answered, wrong, plain, price, cost = numbers(explorer)[:5]
    assert answered == pytest.approx(100 * (~refused).mean(), abs=0.06)
    assert wrong == pytest.approx(100 * (~right[~refused]).mean(), abs=0.06)
    assert plain == pytest.approx(100 * (~right).mean(), abs=0.06)
    assert price == 0.25
    assert cost == pytest.approx((0.25 * refused + (~refused & ~right)).mean(), abs=6e-4)


def test_a_sharp_screen_leaves_the_classifier_s_own_errors(explorer):
    explorer.set(screen="sharp", rate=0.5, alpha=0.01, price=0.0)
    _, wrong, plain, *_ = numbers(explorer)
    assert wrong == pytest.approx(20, abs=5) and plain > 55
    explorer.set(rate=0.0)
    assert "0% foreign" in explorer.text


def test_without_foreign_pictures_a_screen_at_zero_costs_the_errors():
    assert mean_cost([True, False], [False, False], 0.3) == 0.5
    assert mean_cost([True, False], [True, True], 0.3) == pytest.approx(0.3)
    assert mean_cost([1, 0], [False, True], 0.3) == pytest.approx(0.15)
