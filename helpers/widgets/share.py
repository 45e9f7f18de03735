"""How much pretraining with labels is worth: the share of labelled patients, from a table."""

import ipywidgets as widgets

from helpers.plotting import GROUPS, LINES, SECOND
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer


def share_explorer(table):
    """Move the share of labelled patients; AUROC of each disease for both detectors follows.

    table : columns share (%), seed, "pretraining images", and "L1, GROUP" and "kNN, GROUP" for each
        disease and "all"
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

    return Explorer(draw, {"share": slider}, slider, size=(9.5, 3.4))


def draw_share(figure, table, groups, share):
    """AUROC over the share, one panel a detector, the chosen share marked. -> text"""
    texts = []
    chosen = table[table.share == share]
    for left, score in ((0.07, "L1"), (0.52, "kNN")):
        axes = figure.add_axes((left, 0.17, 0.34, 0.7))
        for group, colour, line in zip(groups, GROUPS, LINES * 2, strict=False):
            column = f"{score}, {group}"
            mean = table.groupby("share")[column].mean()
            axes.plot(mean.index, mean, line, color=colour, label=group)
            axes.plot(table.share, table[column], ".", color=colour, markersize=3, alpha=0.6)
            if group == "all":
                low, high = chosen[column].min(), chosen[column].max()
                texts.append(f"{score} {chosen[column].mean():.3f} ({low:.3f} to {high:.3f})")
        axes.axvline(share, color=SECOND, linewidth=2, linestyle=":")
        axes.axhline(0.5, color="grey", linewidth=1, linestyle=":")
        axes.set(xscale="log", title=score, xlabel="labelled patients, %", ylabel="AUROC")
        axes.set_xticks(sorted(table.share.unique()))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xticks([], minor=True)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    scans = chosen["pretraining images"].mean()
    return (
        f"{share} % of the labelled patients, {scans:.0f} scans, {len(chosen)} trained: "
        f"AUROC over all diseases, mean (lowest to highest): {'; '.join(texts)}."
    )
