"""What module 2 draws: ideas on one-dimensional images, the VAE's graph, two code spaces."""

import numpy as np
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import nn

from helpers.plotting.pictures import as_pictures, draw_picture
from helpers.plotting.style import (
    CLASSES,
    NORMAL,
    SECOND,
    THRESHOLD,
    legend_below,
    legend_beside,
    new_figure,
)


def gaussian(z, mu=0.0, sigma=1.0):
    """The density of N(mu, sigma²) at z."""
    return np.exp(-(((z - mu) / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))


def expectation(draws, exact):
    """Draws of z ~ N(0, 1) below their density, and the running mean of z² beside its expectation.

    draws (N,); exact : the expectation of z² that the running mean should come to
    """
    figure, (left, right) = new_figure(8.4, 2.8, ncols=2)
    line = np.linspace(-3.5, 3.5, 300)
    left.plot(line, gaussian(line), color=NORMAL)
    left.fill_between(line, gaussian(line), color=NORMAL, alpha=0.12)
    few = draws[:60]
    left.plot(few, np.full_like(few, -0.03), "|", color=SECOND, markersize=9)
    left.set(xlabel="z", ylabel="density of z", title="60 draws of z, and their density")
    n = np.arange(1, len(draws) + 1)
    right.plot(n, np.cumsum(draws**2) / n, color=SECOND, label="mean of z² so far")
    right.axhline(exact, color=THRESHOLD, linestyle="--", label="expectation")
    right.set(xscale="log", xlabel="number of draws", title="the mean settles")
    legend_below(right, ncols=2)
    return figure


def kl_area(mu, sigma):
    """Two densities, q = N(mu, sigma²) and p = N(0, 1), and the curve whose area is KL(q ‖ p)."""
    figure, (left, right) = new_figure(8.4, 2.8, ncols=2, sharex=True)
    z = np.linspace(-4, 4, 500)
    q, p = gaussian(z, mu, sigma), gaussian(z)
    left.plot(z, q, color=SECOND, label="q")
    left.plot(z, p, "--", color=NORMAL, label="p")
    left.set(xlabel="z", ylabel="density", title="two densities")
    legend_below(left, ncols=2)
    curve = q * np.log(q / p)
    right.plot(z, curve, color=THRESHOLD)
    right.fill_between(z, curve, where=curve > 0, color=SECOND, alpha=0.35, label="counts +")
    right.fill_between(z, curve, where=curve < 0, color=NORMAL, alpha=0.35, label="counts −")
    right.axhline(0, color="grey", lw=0.8)
    right.set(xlabel="z", title="q (log q − log p)")
    legend_below(right, ncols=2)
    return figure


def jensen(low, high):
    """The logarithm, and what averaging two numbers does before it and after it."""
    figure, axis = new_figure(6.4, 3.2)
    x = np.linspace(0.04, 1.1 * high, 300)
    axis.plot(x, np.log(x), color=NORMAL, label="log w")
    axis.plot([low, high], np.log([low, high]), "o--", color=SECOND, label="two weights w")
    mean = (low + high) / 2
    above, below = np.log(mean), np.log([low, high]).mean()
    axis.plot([mean, mean], [below, above], color=THRESHOLD, lw=2, label="the gap")
    axis.plot(mean, above, "^", color=NORMAL, label="log of the mean")
    axis.plot(mean, below, "v", color=SECOND, label="mean of the logs")
    axis.set(xlabel="w", ylabel="log w", ylim=(np.log(low) - 0.4, np.log(high) + 0.4))
    legend_beside(axis)
    return figure


def layers_of(part, x):
    """What each layer of an nn.Sequential makes of x: (its name, the shape without the batch)."""
    lines = []
    with torch.inference_mode():
        for layer in part:
            x = layer(x)
            if not isinstance(layer, (nn.ReLU, nn.Flatten)):
                shape = "×".join(str(n) for n in x.shape[1:])
                lines.append(f"{type(layer).__name__} → {shape}")
            elif isinstance(layer, nn.ReLU):
                lines[-1] += ", ReLU"
    return lines, x


def vae_graph(vae, shape):
    """The graph of a VAE: image, encoder, mu and logvar, z with its noise, decoder, image.

    vae : with `encoder` and `decoder`, both nn.Sequential; shape : of one image, (C, H, W)
    The shapes are those that the network itself gives for an image of zeros.
    """
    device = next(vae.parameters()).device
    encoder, code = layers_of(vae.encoder, torch.zeros(1, *shape, device=device))
    d = code.shape[1] // 2
    decoder, _ = layers_of(vae.decoder, torch.zeros(1, d, device=device))
    size = "×".join(map(str, shape))
    figure, axis = new_figure(9.6, 3.3)
    axis.set(xlim=(0, 24), ylim=(0, 8), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    box(axis, 0.2, 3.2, 2.2, 1.6, f"x\n{size}", "0.35")
    box(axis, 3.4, 2, 5.2, 4, "encoder q(z | x)\n\n" + "\n".join(encoder), NORMAL)
    box(axis, 9.7, 4.9, 2.4, 1.5, f"mu\n{d}", THRESHOLD)
    box(axis, 9.7, 1.6, 2.4, 1.5, f"logvar\n{d}", THRESHOLD)
    box(axis, 13.1, 3.2, 2.9, 1.6, f"z = mu + σ·ε\n{d}", THRESHOLD)
    box(axis, 12.9, 6.5, 3.3, 1.2, "noise ε ~ N(0, 1)", "0.35", style="--")
    box(axis, 17, 2, 4, 4, "decoder p(x | z)\n\n" + "\n".join(decoder), SECOND)
    box(axis, 21.8, 3.2, 2, 1.6, f"logits\n{size}", "0.35")
    for start, end in (
        ((2.4, 4), (3.4, 4)),
        ((8.6, 4.6), (9.7, 5.6)),
        ((8.6, 3.4), (9.7, 2.4)),
        ((12.1, 5.6), (13.1, 4.5)),
        ((12.1, 2.4), (13.1, 3.5)),
        ((14.55, 6.5), (14.55, 4.8)),
        ((16, 4), (17, 4)),
        ((21, 4), (21.8, 4)),
    ):
        axis.add_patch(
            FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color="0.2")
        )
    axis.text(10.9, 0.5, "KL to the prior: from mu and logvar", ha="center", fontsize=9)
    axis.text(20.6, 0.5, "log p(x | z): from x and the logits", ha="center", fontsize=9)
    return figure


def box(axis, x, y, width, height, text, colour, style="-"):
    """A box with its text in the middle, in the axis's own units."""
    axis.add_patch(
        FancyBboxPatch(
            (x, y),
            width,
            height,
            boxstyle="round,pad=0.02,rounding_size=0.25",
            facecolor="white",
            edgecolor=colour,
            linestyle=style,
            linewidth=1.4,
        )
    )
    axis.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=8.5)


def code_spaces(codes, labels, classes, spread=1.0):
    """Codes {name: (N, 2)} of the same images, one panel each, the same colour for a class.

    spread : the radius of the dashed circle of the last panel, one standard deviation of N(0, I)
    """
    figure, axes = new_figure(9, 4, ncols=len(codes))
    for axis, (name, points) in zip(axes, codes.items(), strict=True):
        for i, (label, colour) in enumerate(zip(classes, CLASSES, strict=False)):
            own = points[labels == i]
            if len(own):
                axis.scatter(*own.T, s=4, color=colour, linewidths=0, alpha=0.7, label=label)
        axis.set(xlabel="$z_1$", ylabel="$z_2$", title=name, aspect="equal", adjustable="datalim")
    angles = np.linspace(0, 2 * np.pi, 200)
    for radius in (spread, 2 * spread):
        axis.plot(radius * np.cos(angles), radius * np.sin(angles), "--", color="0.2", lw=1)
    legend_beside(axis, markerscale=4)
    return figure


def decoded_grids(grids, columns):
    """Decoded codes on a grid, {name: (images, (x0, x1, y0, y1))}, one panel each.

    images (rows·columns, 1, H, W) with the first row at the bottom
    """
    figure, axes = new_figure(9, 4.3, ncols=len(grids))
    for axis, (name, (pictures, extent)) in zip(axes, grids.items(), strict=True):
        pictures = as_pictures(pictures)
        n, height, width = pictures.shape
        grid = pictures.reshape(n // columns, columns, height, width)[::-1]
        picture = grid.transpose(0, 2, 1, 3).reshape(-1, columns * width)
        axis.imshow(picture, cmap="gray", extent=extent, aspect="auto")
        axis.set(xlabel="$z_1$", ylabel="$z_2$", title=name)
    return figure


def nats_maps(images, nats):
    """Images (N, 1, H, W), and below them the nats of their pixels, on one scale with its bar."""
    figure, axes = new_figure(1.05 * len(images) + 0.9, 2.4, nrows=2, ncols=len(images))
    top = float(np.quantile(nats, 0.999))
    for image, one, (upper, lower) in zip(
        as_pictures(images), as_pictures(nats / top), axes.T, strict=True
    ):
        draw_picture(upper, image)
        last = draw_picture(lower, top * one, cmap="magma", vmax=top)
    figure.colorbar(last, ax=axes[1], label="nats", shrink=0.9)
    return figure
