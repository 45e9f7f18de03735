"""Codes: where they lie, how they are drawn, what an encoder says of them."""

from itertools import combinations

import numpy as np

from helpers.plotting.pictures import as_pictures, draw_picture
from helpers.plotting.style import CLASSES, GROUPS, THRESHOLD, ink, legend_beside, new_figure


def embedding(points, labels, classes, axes=("t-SNE 1", "t-SNE 2"), prior=False):
    """Two-dimensional points (N, 2), coloured by class, each class named at its median, or
    beside it where another name is in the way.

    prior : draw N(0, I)'s circles of one and two standard deviations, and the axes' numbers, which
        mean something then; those of t-SNE do not
    """
    figure, axis = new_figure(6.4, 4.6)
    present = np.unique(labels)
    medians = np.array([np.median(points[labels == i], axis=0) for i in present])
    places = apart(medians, 0.06 * np.ptp(points, axis=0))
    for i, place in zip(present, places, strict=True):
        name, own = classes[i], points[labels == i]
        axis.scatter(*own.T, s=6, color=CLASSES[i], label=name, alpha=0.8, linewidths=0)
        box = {
            "boxstyle": "round,pad=0.2",
            "facecolor": "white",
            "edgecolor": CLASSES[i],
            "alpha": 0.95,
        }
        axis.annotate(name, place, ha="center", va="center", bbox=box, weight="bold")
    axis.set(xlabel=axes[0], ylabel=axes[1])
    if prior:
        angles = np.linspace(0, 2 * np.pi, 200)
        for radius in (1, 2):
            circle = radius * np.cos(angles), radius * np.sin(angles)
            axis.plot(*circle, "--", color="black", lw=1, zorder=2.5)  # over points, under names
        axis.set(aspect="equal")
    else:
        axis.set(xticks=[], yticks=[])
    legend_beside(axis, markerscale=3)
    return figure


def apart(places, gap):
    """Places (n, 2), moved until any two are `gap` (2,) apart in one of the directions."""
    places = np.array(places, dtype=float)
    for _ in range(100):
        for i, j in combinations(range(len(places)), 2):
            away = (places[j] - places[i]) / gap
            k = abs(away).argmax()
            if (lacking := 1 - abs(away[k])) > 0:
                step = np.copysign(0.51 * lacking * gap[k], away[k])
                places[i, k] -= step
                places[j, k] += step
    return places


def reparameterization(noise, gaussians):
    """The same noise moved and stretched into each of {name: (mu, sigma)}."""
    figure, axis = new_figure(7, 2.8)
    for level, ((name, (mu, sigma)), colour) in enumerate(
        zip(gaussians.items(), GROUPS, strict=False)
    ):
        top, bottom = 2 * level + 1, 2 * level
        z = mu + sigma * noise
        axis.plot([noise, z], [np.full_like(z, top), np.full_like(z, bottom)], color=colour, lw=0.6)
        axis.plot(noise, np.full_like(z, top), ".", color="grey", clip_on=False)
        axis.plot(z, np.full_like(z, bottom), ".", color=colour, clip_on=False)
        axis.text(
            1.02, bottom, f"z: {name}", color=ink(colour), transform=axis.get_yaxis_transform()
        )
        axis.text(
            1.02, top, "noise: N(0, 1)", color=ink("grey"), transform=axis.get_yaxis_transform()
        )
    axis.set(yticks=[], xlabel="value")
    axis.spines["left"].set_visible(False)
    return figure


def posteriors(pictures, titles, line, posterior, mu, sigma):
    """The true posterior on a grid of z, and the encoder's Gaussian: its mean, and two sigma.

    All panels have axes of the same length. Colours are densities as shares of a panel's largest.

    images (N, 1, H, W); line (side,), the grid along either axis; posterior (N, side, side), z2
    down the rows; mu, sigma (N, 2)
    """
    figure, axes = new_figure(9.4, 2.9, ncols=len(pictures))
    line, angle = np.asarray(line), np.linspace(0, 2 * np.pi, 100)
    ends, mu, sigma = (line[0], line[-1]), np.asarray(mu), np.asarray(sigma)
    shares = [density / density.max() for density in np.asarray(posterior)]
    places = [np.unravel_index(share.argmax(), share.shape) for share in shares]
    modes = np.array([(line[column], line[row]) for row, column in places])
    half = (0.7 * np.abs(mu - modes).max(axis=1) + 4 * sigma.max(axis=1)).max()
    for axis, picture, title, share, m, s, mode in zip(
        axes, as_pictures(pictures), titles, shares, mu, sigma, modes, strict=True
    ):
        shown = axis.imshow(share, origin="lower", extent=(*ends, *ends), cmap="Blues")
        axis.plot(*(m[:, None] + 2 * s[:, None] * [np.cos(angle), np.sin(angle)]), color=THRESHOLD)
        axis.plot(*m, "+", color=THRESHOLD)
        x, y = (m + mode) / 2
        limits = {"xlim": (x - half, x + half), "ylim": (y - half, y + half)}
        axis.set(**limits, xlabel="$z_1$", title=title)
        draw_picture(axis.inset_axes((0.74, 0.74, 0.26, 0.26)), picture)
    axes[0].set_ylabel("$z_2$")
    figure.colorbar(shown, ax=axes, ticks=[0, 1], shrink=0.7, label="share of largest density")
    return figure
