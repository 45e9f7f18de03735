"""Risk, coverage and cost of a screened classifier, for any share of foreign pictures."""

import ipywidgets as widgets
import numpy as np

from helpers.datasets.splits import stream
from helpers.metrics import answered, aurc, risk_coverage
from helpers.plotting import GROUPS, LINES, THRESHOLD
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

ALPHAS = np.linspace(0, 1, 101)  # from answering all to refusing all

SEEN = (
    "Left, risk over coverage by the probability alone and behind the screen, the present "
    "state as a dot. Right, cost per image over alpha, with the cost of refusing all."
)


def risk_explorer(inside, right, outside, p_inside, p_outside):
    """Choose a screen, its alpha, the share of foreign pictures and the price of a refusal.

    inside, outside : the classifier's probability of its answer, (n,) in sample, (m,) out of it
    right : bool (n,), whether the answer is right; p_inside, p_outside : {screen: p-values}
    """
    controls = {
        "screen": widgets.Dropdown(options=list(p_inside), description="screen", style=parts.NAMES),
        "rate": parts.slider(widgets.FloatSlider, 0.2, 0.0, 0.6, 0.05, "foreign"),
        "alpha": parts.slider(widgets.FloatSlider, 0.05, 0.0, 1.0, 0.01, "alpha"),
        "price": parts.slider(widgets.FloatSlider, 0.3, 0.0, 1.0, 0.05, "refusal costs"),
    }

    def draw(figure, screen, rate, alpha, price):
        i, j = stream(len(inside), len(outside), rate)
        confidence = np.concatenate([inside[i], outside[j]])
        correct = np.concatenate([right[i], np.zeros(len(j), dtype=bool)])
        p = np.concatenate([p_inside[screen][i], p_outside[screen][j]])
        return draw_risk(
            figure, confidence, correct, p, alpha, price, f"{screen}, {rate:.0%} foreign"
        )

    rows = [
        parts.row([controls["screen"], controls["rate"]]),
        parts.row([controls["alpha"], controls["price"]]),
    ]
    return Explorer(draw, controls, widgets.VBox(rows), size=(9.5, 3.6), alt=SEEN)


def mean_cost(correct, refused, price):
    """Cost of a picture: 1 for a wrong answer, `price` for a refusal, 0 for a right answer."""
    return float(np.where(refused, price, ~np.asarray(correct, dtype=bool)).mean())


def draw_risk(figure, confidence, correct, p, alpha, price, what):
    """Risk over coverage with and without the screen, and the cost over alpha. -> text

    confidence, correct, p : (N,), of the stream; refused where p <= alpha
    """
    refused = p <= alpha
    # in the order, and so with the lines, of the notebook's own figure
    systems = {"probability": confidence, "behind the screen": answered(confidence, refused)}
    axes = figure.add_axes((0.08, 0.16, 0.4, 0.72))
    for (name, ranked), colour, line in zip(systems.items(), GROUPS, LINES, strict=False):
        axes.plot(
            *risk_coverage(ranked, correct),
            line,
            color=colour,
            label=f"{name}, AURC {aurc(ranked, correct):.3f}",
        )
    kept = ~refused
    risk = float((~correct[kept]).mean()) if kept.any() else 0.0
    axes.plot(kept.mean(), risk, "o", markersize=10, color=THRESHOLD)
    axes.set(xlabel="coverage", ylabel="risk", xlim=(0, 1.03), ylim=(0, None))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)

    axes = figure.add_axes((0.58, 0.16, 0.4, 0.72))
    costs = [mean_cost(correct, p <= a, price) for a in ALPHAS]
    best = int(np.argmin(costs))
    axes.plot(ALPHAS, costs, color=THRESHOLD)
    axes.axhline(price, color="0.6", linestyle=":", label="refuse all")
    cost = mean_cost(correct, refused, price)
    axes.plot(alpha, cost, "o", markersize=10, color=THRESHOLD)
    axes.set(xlabel="alpha", ylabel="cost per picture")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    return (
        f"{what}: at alpha = {alpha:.2f} the system answers {parts.percent(kept.mean())} of the "
        f"pictures, {parts.percent(risk)} of these wrongly (without a screen "
        f"{parts.percent(1 - correct.mean())}). A refusal at {price:.2f} of an error, a picture "
        f"costs {cost:.3f}; least at alpha = {ALPHAS[best]:.2f}, {costs[best]:.3f}."
    )
