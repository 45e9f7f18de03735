"""Codes: where they lie, how they are drawn, what an encoder says of them."""

import numpy as np

from helpers.plotting.pictures import as_pictures, draw_picture
from helpers.plotting.style import NORMAL, SECOND, legend_beside, new_figure


def embedding(points, labels, classes, axes=("t-SNE 1", "t-SNE 2"), prior=False):
    """Two-dimensional points (N, 2), coloured by class, each class named at its median.

    prior : draw N(0, I)'s circles of one and two standard deviations, and the axes' numbers, which
        mean something then; those of t-SNE do not
    """
    import seaborn as sns

    figure, axis = new_figure(6.4, 4.6)
    palette = sns.color_palette("husl", len(classes))
    for i, name in enumerate(classes):
        own = points[labels == i]
        if not len(own):
            continue
        axis.scatter(*own.T, s=6, color=palette[i], label=name, alpha=0.8, linewidths=0)
        box = {
            "boxstyle": "round,pad=0.2",
            "facecolor": "white",
            "edgecolor": palette[i],
            "alpha": 0.85,
        }
        axis.annotate(
            name, np.median(own, axis=0), ha="center", va="center", bbox=box, weight="bold"
        )
    axis.set(xlabel=axes[0], ylabel=axes[1])
    if prior:
        angles = np.linspace(0, 2 * np.pi, 200)
        for radius in (1, 2):
            axis.plot(radius * np.cos(angles), radius * np.sin(angles), "--", color="grey", lw=1)
        axis.set(aspect="equal")
    else:
        axis.set(xticks=[], yticks=[])
    legend_beside(axis, markerscale=3)
    return figure


def reparameterization(noise, gaussians):
    """The same noise moved and stretched into each of {name: (mu, sigma)}."""
    figure, axis = new_figure(7, 2.8)
    for level, ((name, (mu, sigma)), colour) in enumerate(
        zip(gaussians.items(), (NORMAL, SECOND), strict=False)
    ):
        top, bottom = 2 * level + 1, 2 * level
        z = mu + sigma * noise
        axis.plot([noise, z], [np.full_like(z, top), np.full_like(z, bottom)], color=colour, lw=0.6)
        axis.plot(noise, np.full_like(z, top), ".", color="grey", clip_on=False)
        axis.plot(z, np.full_like(z, bottom), ".", color=colour, clip_on=False)
        axis.text(1.02, bottom, f"z: {name}", color=colour, transform=axis.get_yaxis_transform())
        axis.text(1.02, top, "noise: N(0, 1)", color="grey", transform=axis.get_yaxis_transform())
    axis.set(yticks=[], xlabel="value")
    axis.spines["left"].set_visible(False)
    return figure


def posteriors(pictures, titles, line, posterior, mu, sigma):
    """The posterior on a grid of z, and the encoder's Gaussian: its centre, and two sigma.

    pictures (N, 1, H, W); line (side,), the grid along either axis; posterior (N, side, side), z2
    down the rows; mu, sigma (N, 2). All panels are equally wide and share one scale of colours.
    """
    figure, axes = new_figure(9.8, 2.8, ncols=len(pictures))
    line, angle = np.asarray(line), np.linspace(0, 2 * np.pi, 100)
    ends = (line[0], line[-1])
    mu, sigma, posterior = np.asarray(mu), np.asarray(sigma), np.asarray(posterior)
    peaks = [np.unravel_index(density.argmax(), density.shape) for density in posterior]
    modes = np.array([(line[column], line[row]) for row, column in peaks])
    half = 0.7 * np.abs(mu - modes).max() + 4 * sigma.max()
    for axis, picture, title, density, m, s, mode in zip(
        axes, as_pictures(pictures), titles, posterior, mu, sigma, modes, strict=True
    ):
        share = density / density.max()
        shown = axis.imshow(share, origin="lower", extent=(*ends, *ends), cmap="Blues", vmin=0)
        axis.plot(m[0] + 2 * s[0] * np.cos(angle), m[1] + 2 * s[1] * np.sin(angle), color=SECOND)
        axis.plot(*m, "+", color=SECOND, markersize=9)
        centre = (m + mode) / 2
        axis.set(
            xlim=(centre[0] - half, centre[0] + half),
            ylim=(centre[1] - half, centre[1] + half),
            xlabel="$z_1$",
            title=title,
        )
        draw_picture(axis.inset_axes((0.74, 0.74, 0.26, 0.26)), picture)
    axes[0].set_ylabel("$z_2$")
    figure.colorbar(shown, ax=axes, label="density, its peak = 1", ticks=[0, 0.5, 1], shrink=0.8)
    return figure
