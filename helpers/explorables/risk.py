"""Risk, coverage and cost of a screened classifier, for any share of foreign images."""

import numpy as np

from helpers import plotting
from helpers.arrays import as_floats
from helpers.datasets.splits import stream
from helpers.explorables.page import Explorable
from helpers.metrics import answered, aurc, risk_coverage

ALPHAS = np.linspace(0, 1, 101)  # from answering all to refusing all
RATES = np.arange(13) / 20


def risk_explorer(inside, right, outside, p_inside, p_outside):
    """Choose a screen, its alpha, the share of foreign images, a refusal's price. -> Explorable

    inside, outside : the classifier's probability of its answer, (n,) in sample, (m,) out of it
    right : bool (n,), whether the answer is right; p_inside, p_outside : {screen: p-values}
    """
    inside, outside = as_floats(inside), as_floats(outside)
    right = np.asarray(right, dtype=bool)
    sizes = {"right": right} | {f"p_inside, {k}": v for k, v in p_inside.items()}
    wrong = [name for name, values in sizes.items() if len(values) != len(inside)]
    wrong += [f"p_outside, {k}" for k, v in p_outside.items() if len(v) != len(outside)]
    if wrong or not p_inside or set(p_inside) != set(p_outside):
        raise ValueError(
            f"each screen needs {len(inside)} p-values in sample and {len(outside)} out of it, and "
            f"`right` {len(inside)} values; wrong: {', '.join(wrong) or 'the names of the screens'}"
        )
    # All streams of this function draw their images in the same order: each is a beginning of it.
    ends = [[len(part) for part in stream(len(inside), len(outside), rate)] for rate in RATES]
    i = stream(len(inside), len(outside), 0)[0]
    j = max((stream(len(inside), len(outside), rate)[1] for rate in RATES), key=len)
    confidence = np.concatenate([inside[i], outside[j]])
    turn = np.concatenate([np.arange(len(i)), np.arange(len(j))])
    foreign = np.repeat([0, 1], [len(i), len(j)])
    correct = np.concatenate([right[i], np.zeros(len(j), dtype=bool)])
    # the most confident first; of equal confidence, one place
    _, place = np.unique(-confidence, return_inverse=True)
    order = np.argsort(place, kind="stable")
    screens = []
    for name, values in p_inside.items():
        p = np.concatenate([np.asarray(values)[i], np.asarray(p_outside[name])[j]])
        # the first of ALPHAS at which the image is refused
        screens.append({"name": name, "step": np.searchsorted(ALPHAS, p)[order]})
    data = {
        "place": place[order],
        "foreign": foreign[order],
        "turn": turn[order],
        "correct": correct[order].astype(int),
        "screens": screens,
        "alphas": ALPHAS,
        "rates": RATES,
        "ends": ends,
        "start": {"screen": 0, "rate": 4, "alpha": 5, "price": 0.3},
    }
    inside_stream, outside_stream = ends[4]
    kept = (turn < np.where(foreign, outside_stream, inside_stream)).nonzero()[0]
    first = next(iter(p_inside))
    p = np.concatenate([np.asarray(p_inside[first])[i], np.asarray(p_outside[first])[j]])[kept]
    confidence, correct, refused = confidence[kept], correct[kept], p <= ALPHAS[5]
    figure, axis = plotting.new_figure(5, 3)
    systems = {"probability": confidence, f"behind {first}": answered(confidence, refused)}
    areas = []
    for (name, ranked), colour, line in zip(
        systems.items(), plotting.GROUPS, plotting.LINES, strict=False
    ):
        areas.append(f"{name} {aurc(ranked, correct):.3f}")
        axis.plot(*risk_coverage(ranked, correct), line, color=colour, label=name)
    axis.set(xlabel="coverage", ylabel="risk", xlim=(0, 1.03), ylim=(0, None))
    plotting.style.legend_beside(axis)
    alt = (
        f"Risk over coverage of two systems with {RATES[4]:.0%} foreign images. Area under the "
        f"curve (AURC): {'; '.join(areas)}. At alpha = {ALPHAS[5]:.2f} the screen refuses "
        f"{refused.mean():.1%} of the images, and an image costs "
        f"{mean_cost(correct, refused, 0.3):.3f} where a refusal costs 0.3."
    )
    title = "Risk, coverage and cost behind a screen"
    return Explorable("risk", title, data, figure, alt, height=520)


def mean_cost(correct, refused, price):
    """Cost of an image: 1 for a wrong answer, `price` for a refusal, 0 for a right answer."""
    return float(np.where(refused, price, ~np.asarray(correct, dtype=bool)).mean())
