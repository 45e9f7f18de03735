"""What a table of AUROCs and other results says: intervals, sweeps, seeds."""

import numpy as np

from helpers.plotting.style import (
    AREAS,
    GROUPS,
    LINES,
    NORMAL,
    SECOND,
    legend_below,
    legend_beside,
    log_scale,
    new_figure,
)


def intervals(frame, row, group, *, seeds=False):
    """AUROC with its interval (columns auroc, low, high): one line a `row`, one panel a `group`.

    The axes begin and end where the intervals do; chance is dotted where it is among them.

    seeds : a line holds several entries, one below the other; else one, with its number beside it
    """
    panels, names = frame[group].unique(), list(frame[row].unique())
    width, height = (9.4, 0.42) if seeds else (8, 0.4)
    figure, axes = new_figure(
        width, height * len(names) + 1, ncols=len(panels), sharey=True, sharex=True, squeeze=False
    )
    ends = frame.low.min() - 0.02, frame.high.max() + 0.02
    for axis, panel in zip(axes[0], panels, strict=True):
        _chance_line(axis, ends)
        for place, name in enumerate(names):
            part = frame[(frame[group] == panel) & (frame[row] == name)]
            pitch = min(0.22, 0.66 / max(len(part), 1))  # leaves a gap between names
            at = place + pitch * (np.arange(len(part)) - (len(part) - 1) / 2)
            _interval_lines(axis, at, part, part.auroc, SECOND, 2 if seeds else 4)
            if not seeds:
                axis.annotate(
                    f"{part.auroc.item():.3f}",
                    (1.03, place),
                    xycoords=axis.get_yaxis_transform(),
                    va="center",
                    annotation_clip=False,
                )
        label = "AUROC" if seeds else "AUROC, 95 % interval"
        axis.set(title=panel, xlabel=label, xlim=ends)
        axis.grid(axis="y", alpha=0.4)
    axes[0, 0].set(yticks=range(len(names)), yticklabels=names)
    axes[0, 0].invert_yaxis()
    return figure


def _chance_line(axis, ends):
    """A dotted line at the AUROC of chance, where the axis reaches it."""
    if ends[0] < 0.5 < ends[1]:
        axis.axvline(0.5, linestyle=":", color="grey")


def seed_intervals(frame, row, group):
    """`intervals` of several seeds each."""
    return intervals(frame, row, group, seeds=True)


def differences(frame, row, label):
    """Differences with their interval (columns difference, low, high), one line a `row`."""
    figure, axis = new_figure(8.5, 0.4 * len(frame) + 0.9)
    axis.axvline(0, linestyle=":", color="grey")
    clear = (frame.low > 0) | (frame.high < 0)
    _interval_lines(axis, frame[row], frame, frame.difference, np.where(clear, SECOND, "grey"), 4)
    axis.set(xlabel=label if clear.all() else f"{label} (grey: interval holds 0)")
    axis.invert_yaxis()
    return figure


def _interval_lines(axis, at, frame, values, colours, width):
    """A dot at each value, on a bar from the frame's column low to its column high."""
    axis.hlines(at, frame.low, frame.high, color=colours, linewidth=width, alpha=0.4)
    axis.scatter(values, at, c=colours, s=(width + 1) ** 2, linewidths=1, zorder=2)


def auroc_table(frame):
    """A frame of AUROCs as an image: blue above one half, pink below; a column's best in bold."""
    import seaborn as sns

    figure, axis = new_figure(9.4, 0.36 * len(frame) + 0.7)
    limits = {"vmin": 0, "vmax": 1, "linewidths": 1, "cbar": False}
    sns.heatmap(frame, annot=True, fmt=".2f", cmap=AREAS, **limits, ax=axis)
    shown = frame.round(2).to_numpy()
    for text, best in zip(axis.texts, (shown == np.nanmax(shown, axis=0)).flat, strict=True):
        text.set(color="black", weight="bold" if best else "normal")
    axis.set(xlabel="", ylabel="")
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    return figure


def severity_curves(frame, scores):
    """AUROC over severity, one panel for each value of column `corruption`, one line a score."""
    panels = list(frame.groupby("corruption", sort=False))
    figure, axes = new_figure(9.5, 2.9, ncols=len(panels), sharey=True)
    for axis, (name, part) in zip(axes, panels, strict=True):
        for i, score in enumerate(scores):
            line = LINES[i % len(LINES)]
            axis.plot(part.severity, part[score], line, color=GROUPS[i], marker=".", label=score)
        axis.axhline(0.5, linestyle=":", color="grey")
        axis.set(title=name, xlabel="severity", ylim=(0, 1.03))
    axes[0].set_ylabel("AUROC")
    legend_beside(axes[-1])
    return figure


def bottleneck(table):
    """Test error and AUROC over the size of the code, autoencoder beside PCA.

    table : one row for each latent_dim and seed; a dot each, the line through their means
    """
    figure, (left, right) = new_figure(8, 3.2, ncols=2)
    mean = table.groupby("latent_dim").mean(numeric_only=True)
    for axis, y, pca in ((left, "test_mse", "pca_mse"), (right, "auroc", "pca_auroc")):
        axis.plot(mean.index, mean[y], color=NORMAL, label="autoencoder")
        axis.scatter(table.latent_dim, table[y], s=12, color=NORMAL, alpha=0.7)
        axis.plot(mean.index, mean[pca], "s--", color="grey", label="PCA", markersize=4)
        axis.set(xscale="log", xlabel="numbers in the code", xticks=mean.index)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xticks([], minor=True)
        legend_below(axis, ncols=2)
    right.fill_between(mean.index, mean.low, mean.high, color=NORMAL, alpha=0.25)
    left.set(ylabel="test error (MSE)", ylim=(mean.test_mse.min() / 3, None))  # PCA's may be 0
    log_scale(left, "y")
    right.set(ylabel="AUROC, rotated by 90°")
    return figure


def beta_sweep(table):
    """Reconstruction, KL, active latents and AUROC over beta, one line a size of the code.

    table : one row for each beta, latent_dim and seed; lines are means, bands the seeds' range

    The betas are equally far apart; a line breaks where the next is more than a hundred times as
    large.
    """
    panels = {
        "reconstruction": "reconstruction, nats",
        "kl": "KL, nats",
        "active": "active latents",
        "auroc": "AUROC",
    }
    betas = np.sort(table.beta.unique())
    figure, axes = new_figure(9.5, 2.9, ncols=4)
    for axis, (column, name) in zip(axes, panels.items(), strict=True):
        for (size, part), colour, line in zip(
            table.groupby("latent_dim"), GROUPS, LINES, strict=False
        ):
            seeds = part.groupby("beta")[column].agg(["mean", "min", "max"]).reindex(betas)
            for i, run in enumerate(unbroken(betas)):
                mean, low, high = seeds.iloc[run].to_numpy().T
                label = f"{size} latents" if i == 0 else None
                axis.plot(run, mean, line, color=colour, marker=".", label=label)
                axis.fill_between(run, low, high, color=colour, alpha=0.2)
                axis.vlines(run, low, high, color=colour, alpha=0.4)
        axis.set(xlabel="beta", title=name)
        axis.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas], rotation=90)
    legend_beside(axes[-1])
    return figure


def unbroken(betas):
    """The places of values in order, split where the next is over a hundred times as large."""
    betas = np.asarray(betas)
    return np.split(np.arange(len(betas)), np.flatnonzero(betas[1:] > 100 * betas[:-1]) + 1)


def score_strip(frame, row, value):
    """One dot for each entry of column `value`, one line for each name in column `row`."""
    names = list(frame[row].unique())
    figure, axis = new_figure(7.5, 0.3 * len(names) + 0.9)
    axis.scatter(frame[value], frame[row], color=SECOND, s=25, alpha=0.6)
    ends = frame[value].min() - 0.02, frame[value].max() + 0.02
    _chance_line(axis, ends)
    axis.set(xlabel=value, xlim=ends)
    axis.grid(axis="y", alpha=0.4)
    axis.invert_yaxis()
    return figure
