"""How much pretraining with labels is worth: the share of labelled patients, from a table."""

import ipywidgets as widgets

from helpers.plotting import GROUPS, LINES, SECOND, THRESHOLD
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

SEEN = (
    "Two panels, L1 and kNN: AUROC over the share of labelled patients, one line a disease "
    "and one for all with its interval; the chosen share is a vertical line."
)


def share_explorer(table):
    """Move the share of labelled patients; AUROC of each disease for both detectors follows.

    table : one row for each share and seed; columns share (%), "pretraining images", and for each
        disease and last for "all" the AUROC and its interval: "L1, GROUP", "L1, GROUP, low",
        "L1, GROUP, high", and the same for kNN

    Lines are means over the seeds, a dot each; the band is the mean interval of "all".
    """
    shares = sorted(table.share.unique().tolist())
    groups = [
        name.removeprefix("L1, ")
        for name in table
        if name.startswith("L1, ") and f"{name}, low" in table
    ]
    slider = widgets.SelectionSlider(
        options=[(f"{share} %", share) for share in shares],
        value=shares[-1],
        description="share",
        layout=parts.LONG,
        style=parts.NAMES,
    )

    def draw(figure, share):
        return draw_share(figure, table, groups, share)

    return Explorer(draw, {"share": slider}, slider, size=(9.5, 3.4), alt=SEEN)


def draw_share(figure, table, groups, share):
    """AUROC over the share, one panel a detector, the chosen share marked. -> text"""
    colours = [*GROUPS[2:][: len(groups) - 1], SECOND]  # none is a normal scan's
    texts, mean = [], table.groupby("share").mean(numeric_only=True)
    for left, score in ((0.07, "L1"), (0.52, "kNN")):
        axes = figure.add_axes((left, 0.17, 0.34, 0.7))
        for group, colour, line in zip(groups, colours, LINES, strict=False):
            column = f"{score}, {group}"
            axes.plot(mean.index, mean[column], line, color=colour, label=group)
            axes.scatter(table.share, table[column], s=9, color=colour, alpha=0.7)
        low, high = mean[f"{score}, all, low"], mean[f"{score}, all, high"]
        axes.fill_between(mean.index, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.axvline(share, color=THRESHOLD, linewidth=1.5)
        axes.axhline(0.5, color="grey", linewidth=1, linestyle=":")
        axes.set(
            xscale="log", title=score, xlabel="labelled patients, %", ylabel="AUROC", ylim=(0.4, 1)
        )
        axes.set_xticks(mean.index)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xticks([], minor=True)
        chosen = mean.loc[share]
        numbers = [chosen[f"{score}, all{end}"] for end in ("", ", low", ", high")]
        texts.append("{} {:.3f} ({:.3f} to {:.3f})".format(score, *numbers))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    return (
        f"{share} % of the labelled patients, {chosen['pretraining images']:.0f} scans: AUROC over "
        f"all diseases, and its interval over patients (the band): {'; '.join(texts)}."
    )
