"""Scores of images, their thresholds and false-alarm rates."""

import numpy as np

from helpers.plotting.style import (
    ANOMALY,
    GROUPS,
    LINES,
    NORMAL,
    SECOND,
    THRESHOLD,
    legend_below,
    legend_beside,
    log_scale,
    new_figure,
)


def score_histogram(groups, thresholds, *, label="error of each image", colours=(NORMAL, ANOMALY)):
    """Histograms of {name: scores}, and a line for each of {name: threshold}. Drops no tail.

    colours : of the groups; normal images, then anomalies, if nothing else is said
    """
    figure, axis = new_figure(7, 3)
    low, high, log = score_range(*groups.values())
    edges = (np.geomspace if log else np.linspace)(low, high, 60)
    for (name, scores), colour in zip(groups.items(), colours, strict=False):
        axis.hist(scores, edges, color=colour, alpha=0.55, label=name)
    for (name, threshold), line in zip(thresholds.items(), LINES, strict=False):
        axis.axvline(threshold, color=THRESHOLD, linestyle=line, label=name)
    axis.set(xlabel=f"{label} (logarithmic)" if log else label, ylabel="images")
    if log:
        log_scale(axis, "x")
    legend_beside(axis)
    return figure


def score_range(*groups):
    """(low, high, log): just beyond all scores; log where they are positive and far apart."""
    scores = np.concatenate(groups)
    low, high = float(scores.min()), float(scores.max())
    if low > 0 and high > 5 * low:
        return low / 1.1, high * 1.1, True
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin, False


def false_alarm_histogram(simulated, alpha):
    """False-alarm rates of simulated calibrations {n: rates}, with the Beta law of each n."""
    from scipy.stats import beta

    figure, axes = new_figure(7.5, 2.8, ncols=len(simulated), sharex=True)
    for axis, (n, rates) in zip(axes, simulated.items(), strict=True):
        k = (np.arange(1, n + 2) / (n + 1) <= alpha).sum()
        top = max(np.quantile(r, 0.999) for r in simulated.values())
        axis.hist(rates, np.linspace(0, top, 40), density=True, color=NORMAL, alpha=0.55)
        x = np.linspace(1e-4, top, 300)
        axis.plot(x, beta(k, n + 1 - k).pdf(x), color=SECOND, label=f"Beta({k}, {n + 1 - k})")
        axis.axvline(np.mean(rates), color=NORMAL, linestyle="--", label="mean")
        axis.axvline(alpha, color=THRESHOLD, label=f"alpha = {alpha:.0%}")
        axis.set(title=f"n = {n} calibration scores", xlabel="false-positive rate", yticks=[])
        axis.xaxis.set_major_formatter("{x:.0%}")
        legend_below(axis, ncols=3, columnspacing=1, handlelength=1.2)
    axes[0].set_ylabel("density")
    return figure


def roc_and_precision(normal_scores, anomalies):
    """ROC and precision-recall curves of {name: anomaly scores} against the normal scores.

    Dotted: chance. On the right it is the share of the anomalies, of each group its own.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    from helpers.metrics import auroc  # heavy as well

    figure, (left, right) = new_figure(8, 3.6 + 0.35 * len(anomalies), ncols=2)
    for (name, scores), colour, line in zip(anomalies.items(), GROUPS[1:], LINES, strict=False):
        labels = np.repeat([0, 1], [len(normal_scores), len(scores)])
        together = np.concatenate([normal_scores, scores])
        false_alarms, found, _ = roc_curve(labels, together)
        area = auroc(normal_scores, scores)
        left.plot(false_alarms, found, line, color=colour, label=f"{name}: AUROC {area:.3f}")
        precision, recall, _ = precision_recall_curve(labels, together)
        # without the point (0, 1) that scikit-learn adds: no threshold has it
        right.plot(recall[:-1], precision[:-1], line, color=colour, label=name)
        chance = labels.mean()
        right.axhline(chance, ls=":", color=colour, label=f"{name}: chance, {chance:.2f}")
    left.plot([0, 1], [0, 1], ":", color="grey", label="chance")
    left.set(xlabel="false-positive rate", ylabel="true-positive rate", title="ROC", aspect="equal")
    right.set(xlabel="recall", ylabel="precision", aspect="equal")
    right.set(xlim=(-0.03, 1.03), ylim=(0, 1.03), title="Precision and recall")
    for axis in (left, right):
        legend_below(axis)
    return figure


def reliability_diagram(tables):
    """Accuracy over confidence of {name: table of `calibration.reliability`}, with Wilson bars.

    Large dots hold many images.
    """
    from helpers.metrics import wilson_interval  # heavy

    figure, axis = new_figure(6.4, 3.4)
    axis.plot([0, 1], [0, 1], ":", color="grey", label="perfect")
    for (name, table), colour, line in zip(tables.items(), (NORMAL, SECOND), LINES, strict=False):
        axis.plot(table.confidence, table.accuracy, line, color=colour, label=name)
        share = table.pictures / table.pictures.sum()
        axis.scatter(table.confidence, table.accuracy, s=20 + 400 * share, color=colour, alpha=0.5)
        right = (table.accuracy * table.pictures).round()
        ends = [wilson_interval(*pair) for pair in zip(right, table.pictures, strict=True)]
        axis.vlines(table.confidence, *np.transpose(ends), color=colour)
    axis.set(xlabel="confidence", ylabel="accuracy", xlim=(0.48, 1.02), ylim=(0.3, 1.04))
    legend_beside(axis)
    return figure


def rate_strip(rates, alpha, bands):
    """One dot for each of {name: rates}, alpha as a line, and {name: (low, high)} as bands."""
    figure, axis = new_figure(8, 0.3 * len(rates) + 1.1)
    for (name, ends), colour in zip(bands.items(), (SECOND, NORMAL), strict=False):
        axis.axvspan(*ends, color=colour, alpha=0.15, label=name)
    axis.axvline(alpha, color=THRESHOLD, label=f"alpha = {alpha:.0%}")
    for name, values in rates.items():
        axis.scatter(values, [name] * len(values), color=NORMAL, s=25, alpha=0.6)
    axis.set(xlabel="false-positive rate")
    axis.xaxis.set_major_formatter("{x:.1%}")
    axis.invert_yaxis()
    legend_beside(axis)
    return figure
