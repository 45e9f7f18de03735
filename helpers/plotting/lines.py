"""Curves of a training, and lines, points, bars and boxes of any numbers."""

import numpy as np
from IPython.display import display

from helpers.plotting.style import (
    ANOMALY,
    GROUPS,
    LINES,
    MARKERS,
    NORMAL,
    SECOND,
    THIRD,
    THRESHOLD,
    as_output,
    legend_below,
    legend_beside,
    log_scale,
    new_figure,
)


class LiveCurve:
    """Training and validation curves in one image that is redrawn as the training goes on."""

    def __init__(self, x_label, y_label):
        self.labels = {"xlabel": x_label, "ylabel": y_label}
        self.handle = display(self.output([]), display_id=True)

    def update(self, history):
        """Redraw with `history`, a list of dicts of numbers, one entry a point."""
        if self.handle:
            self.handle.update(self.output(history))

    def output(self, history):
        """The figure with its description."""
        x, y = self.labels.values()
        alt = f"Two curves, of training and validation: {y} over {x}"
        alt += ", logarithmic." if _positive(history) else "."
        for name in ("train", "validation"):
            if values := [row[name] for row in history if name in row]:
                alt += f" {name.capitalize()}: from {values[0]:.3g} to {values[-1]:.3g}."
        return as_output(self.draw(history), alt)

    def draw(self, history):
        figure, axis = new_figure(6, 2.8)
        for name, colour, line in (("train", NORMAL, "-"), ("validation", SECOND, "--")):
            values = [row[name] for row in history if name in row]
            axis.plot(range(1, len(values) + 1), values, line, color=colour, label=name, marker=".")
        axis.set(**self.labels)
        axis.xaxis.get_major_locator().set_params(integer=True)
        if history:
            if _positive(history):
                log_scale(axis, "y")
            legend_beside(axis)
        return figure


def _positive(history):
    """Whether all losses are above 0; minus a log-likelihood of grey values need not be."""
    return all(row[name] > 0 for row in history for name in ("train", "validation") if name in row)


def curves(series, x_label, y_label, *, log="", marks=()):
    """Lines of {name: (x, y)}; `log` names the logarithmic axes ("x", "y", "xy").

    marks : (name, x) of vertical lines
    """
    figure, axis = new_figure(7, 3)
    for (name, (x, y)), colour, line in zip(series.items(), GROUPS, LINES, strict=False):
        axis.plot(x, y, line, color=colour, label=name)
    for name, x in marks:
        axis.axvline(x, color=THRESHOLD, linestyle=":", label=name)
    axis.set(xlabel=x_label, ylabel=y_label)
    if "x" not in log and all(np.mod(x, 1).max() == 0 for x, _ in series.values()):
        axis.xaxis.get_major_locator().set_params(integer=True)  # there is no half of an epoch
    log_scale(axis, log)
    legend_beside(axis)
    return figure


def scatter(groups, x_label, y_label, *, log=""):
    """Points of {name: (x, y)}, a colour and shape each; of two groups the second is anomalous."""
    figure, axis = new_figure(6.5, 3.4)
    colours = (NORMAL, ANOMALY) if len(groups) == 2 else GROUPS
    for (name, (x, y)), colour, shape in zip(groups.items(), colours, MARKERS, strict=False):
        axis.scatter(x, y, s=8, color=colour, marker=shape, alpha=0.5, linewidths=0, label=name)
    axis.set(xlabel=x_label, ylabel=y_label)
    log_scale(axis, log)
    legend_beside(axis, markerscale=3)
    return figure


def mixed_scatter(panels):
    """Points of {(x label, y label): {name: (x, y)}}, one panel each, logarithmic axes.

    The first group is the normal one, the second that of the anomalies.
    The groups' points are drawn in random order, so that none lies on top of the others.
    """
    figure, axes = new_figure(9, 3.4, ncols=len(panels))
    for axis, ((x_label, y_label), groups) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        points = np.concatenate([np.stack(pair, axis=1) for pair in groups.values()])
        sizes = [len(x) for x, _ in groups.values()]
        colours = np.repeat((NORMAL, ANOMALY)[: len(groups)], sizes)
        order = np.random.default_rng(0).permutation(len(points))
        axis.scatter(*points[order].T, s=4, c=colours[order], alpha=0.5, linewidths=0)
        for name, colour in zip(groups, (NORMAL, ANOMALY), strict=False):
            axis.plot([], [], "o", color=colour, label=name)
        axis.set(xlabel=x_label, ylabel=y_label)
        log_scale(axis, "xy")
    legend_beside(axis)
    return figure


def training_curves(panels):
    """Curves over the epochs of {title: {name: values}}, one panel each.

    values : one an epoch from the first on, or a Series with the epochs as its index
    """
    figure, axes = new_figure(9.5, 2.9, ncols=len(panels))
    same = len({tuple(curves_here) for curves_here in panels.values()}) == 1  # one legend for all
    for axis, (title, curves_here) in zip(np.atleast_1d(axes), panels.items(), strict=True):
        for (name, values), colour, line in zip(
            curves_here.items(), (NORMAL, SECOND, THIRD), LINES, strict=False
        ):
            epochs = values.index if hasattr(values, "iloc") else range(1, len(values) + 1)
            axis.plot(epochs, values, line, color=colour, marker=".", label=name)
        axis.set(title=title, xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        if not same and len(curves_here) > 1:
            legend_below(axis)
    if same:
        legend_beside(axis)
    return figure


def bars(values, x_label, y_label):
    """One bar for each value, numbered from 1."""
    figure, axis = new_figure(7, 2.6)
    axis.bar(np.arange(1, len(values) + 1), values, color=NORMAL)
    axis.set(xlabel=x_label, ylabel=y_label)
    axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def estimates(x, means, errors, truth, x_label, y_label):
    """Estimates with bars of two standard errors over x (logarithmic), and the true value."""
    figure, axis = new_figure(6, 2.8)
    bars = 2 * np.asarray(errors)
    axis.errorbar(
        x, means, bars, fmt="o", color=SECOND, capsize=3, label="estimate ± 2 std. errors"
    )
    axis.axhline(truth, color=THRESHOLD, linestyle="--", label="exact")
    axis.set(xscale="log", xlabel=x_label, ylabel=y_label)
    legend_beside(axis)
    return figure


def boxes(frame, x, y, *, order=None, log=False):
    """Box plots of column y for each value of column x."""
    names = list(frame[x].unique() if order is None else order)
    figure, axis = new_figure(max(7, 0.85 * len(names)), 3)
    # matplotlib's own: seaborn's, as of 0.13, needs an argument that matplotlib 3.13 has no more
    drawn = axis.boxplot(
        [frame.loc[frame[x] == name, y].dropna() for name in names],
        tick_labels=[str(name) for name in names],
        widths=0.8,
        patch_artist=True,
        boxprops={"facecolor": NORMAL, "alpha": 0.8},
        flierprops={"markersize": 1.5},
    )
    for line in drawn["medians"]:
        line.set_color(THRESHOLD)
    axis.set(xlabel=x, ylabel=y)
    if log:
        log_scale(axis, "y")
    return figure


def share_bars(shares, label):
    """Bars of a Series of shares, with the number at each."""
    figure, axis = new_figure(7, 2.9)
    bars = axis.bar([str(name) for name in shares.index], shares, color=NORMAL)
    axis.bar_label(bars, [f"{share:.0%}" for share in shares], padding=2)
    axis.set(xlabel=shares.index.name or "", ylabel=label, ylim=(0, 1.12 * max(shares.max(), 0.01)))
    axis.yaxis.set_major_formatter("{x:.0%}")
    return figure


def band(frame, x, y, x_label, y_label, *, chance=None):
    """Line of column y over column x with the interval of the columns low and high."""
    figure, axis = new_figure(7, 3)
    axis.plot(frame[x], frame[y], color=SECOND, marker=".")
    axis.fill_between(
        frame[x], frame.low, frame.high, color=SECOND, alpha=0.25, label="95 % interval"
    )
    if chance is not None:
        axis.axhline(chance, linestyle=":", color="grey", label="chance")
    axis.set(xlabel=x_label, ylabel=y_label, xticks=frame[x][:: max(1, len(frame) // 8)])
    legend_beside(axis)
    return figure
