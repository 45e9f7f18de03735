"""A table of trained VAEs, one for each beta and latent size, to be walked through."""

import base64
import io

import ipywidgets as widgets
import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image

from helpers.plotting import SECOND, THRESHOLD
from helpers.plotting.tables import unbroken
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

CURVES = {
    "reconstruction": "reconstruction (nats)",
    "kl": "KL (nats)",
    "active": "active units",
    "auroc": "AUROC (dotted: chance)",
}

SEEN = (
    "Above, samples from the prior of one VAE in a row. Below, four curves over beta, one "
    "line a latent size, the chosen VAE marked: reconstruction, KL, active units, AUROC."
)


def beta_explorer(table):
    """Choose beta and the latent size; samples from the prior and the figures of that VAE follow.

    table : DataFrame, one row for each beta, latent_dim and seed (where there are several), with
        the columns reconstruction (-log p(x given z)) and kl, both in nats per image, active
        (units), auroc, and samples (base64 of a PNG: samples from the prior in one row)

    Figures are means over the seeds; the samples are those of the first one.
    """
    missing = {"beta", "latent_dim", *CURVES, "samples"} - set(table.columns)
    if missing:
        raise ValueError(f"the table lacks the columns {', '.join(sorted(missing))}")
    if table.duplicated([c for c in ("beta", "latent_dim", "seed") if c in table]).any():
        raise ValueError("the table must hold one row for each beta and latent_dim, not several")
    controls = {
        name: widgets.SelectionSlider(
            options=[(f"{value:g}", value) for value in sorted(table[name].unique())],
            value=table[name].iloc[0],
            description=label,
            layout=parts.LONG,
            style=parts.NAMES,
        )
        for name, label in (("beta", "beta"), ("latent_dim", "latents"))
    }

    def draw(figure, beta, latent_dim):
        return draw_beta(figure, table, beta, latent_dim)

    return Explorer(
        draw, controls, widgets.VBox(list(controls.values())), size=(9.5, 4.9), alt=SEEN
    )


def draw_beta(figure, table, beta, latent_dim):
    """Samples of one VAE, and the curves over beta of all with its point marked. -> text"""
    rows = table[(table.beta == beta) & (table.latent_dim == latent_dim)]
    betas = sorted(table.beta.unique())
    curves = table.pivot_table(index="beta", columns="latent_dim", values=list(CURVES))
    grid = figure.add_gridspec(
        2, 2, left=0.065, right=0.97, bottom=0.11, top=0.6, hspace=0.45, wspace=0.12
    )
    for (column, label), place in zip(CURVES.items(), grid, strict=True):
        axes = figure.add_subplot(place)
        axes.axvline(betas.index(beta), color="0.8", linestyle="--")
        if column == "auroc":
            axes.axhline(0.5, color="0.6", linestyle=":")
        for size, curve in curves[column].items():
            chosen = size == latent_dim
            names = {True: f"{size:g} latents", False: "other sizes"}
            for run in unbroken(betas):
                axes.plot(
                    run,
                    curve.reindex(betas).iloc[run],
                    "o-",
                    markersize=4,
                    color=SECOND if chosen else "0.75",
                    zorder=3 if chosen else 1,
                    label=names[chosen] if run[0] == 0 else None,
                )
        if len(rows):
            axes.plot(
                betas.index(beta),
                rows[column].mean(),
                "o",
                markersize=10,
                color=THRESHOLD,
                zorder=4,
                clip_on=False,
            )
        axes.set_title(label, loc="left")
        if place.rowspan.stop == 2:
            axes.set_xticks(range(len(betas)), [f"{b:g}" for b in betas])
            axes.set_xlabel("beta")
        else:
            axes.set_xticks([])
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=column == "active"))

    lines = {line.get_label(): line for line in axes.lines}
    keys = {key: lines[key] for key in (f"{latent_dim:g} latents", "other sizes") if key in lines}
    figure.legend(keys.values(), keys, loc="upper right", bbox_to_anchor=(0.98, 0.73), ncols=2)

    axes = figure.add_axes((0.01, 0.75, 0.98, 0.19))
    name = f"beta = {beta:g}, {latent_dim:g} latents"
    if rows.empty:
        parts.image(axes, np.ones((28, 280)))
        axes.annotate("not in the table", (0.5, 0.5), xycoords="axes fraction", ha="center")
        known = [f"{b:g}" for b in betas if b in set(table.beta[table.latent_dim == latent_dim])]
        return (
            f"{name}: not in the table. With {latent_dim:g} latents it holds "
            f"beta = {', '.join(known)}."
        )
    strip = Image.open(io.BytesIO(base64.b64decode(rows.samples.iloc[0]))).convert("L")
    parts.image(axes, np.asarray(strip) / 255, f"samples from the prior: {name}")
    mean = rows[list(CURVES)].mean()
    several = f" ({rows.auroc.min():.3f} to {rows.auroc.max():.3f}, {len(rows)} seeds)"
    return (
        f"{name}: reconstruction {mean.reconstruction:.1f} nats, KL {mean.kl:.1f} nats, "
        f"{mean.active:g} active unit{'' if mean.active == 1 else 's'}, AUROC {mean.auroc:.3f}"
        f"{several if len(rows) > 1 else ''}."
    )
