"""Images in rows, their residuals and maps."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from helpers.plotting.style import ANOMALY, NORMAL, RESIDUAL, SECOND, THIRD, ink, new_figure


def as_pictures(images):
    """uint8 or float images (N, C, H, W) -> float array (N, H, W) or (N, H, W, 3) in [0, 1]."""
    images = np.asarray(images)
    images = images / 255 if images.dtype == np.uint8 else images
    images = images.clip(0, 1)
    return images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)


def draw_picture(axis, picture, cmap="gray", vmin=0, vmax=1):
    """One image (H, W) or (H, W, 3), without ticks and frame. Returns what a colour bar needs."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    return axis.imshow(picture, cmap=cmap, vmin=vmin, vmax=vmax, interpolation="nearest")


def _named_rows(names, columns, width, height, margin):
    """Axes for `columns` images a row, each width × height inches, the row's name before them."""
    size = (width * columns + margin, height * len(names))
    figure, axes = new_figure(*size, nrows=len(names), ncols=columns, squeeze=False)
    for row, name in zip(axes, names, strict=True):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return figure, axes


def _draw_row(row, images, masks=None):
    """Images (N, C, H, W) on the axes of a row; masks (N, H, W), where not empty, as outlines."""
    for i, (axis, picture) in enumerate(zip(row, as_pictures(images), strict=True)):
        draw_picture(axis, picture)
        if masks is not None and np.any(masks[i]):
            axis.contour(masks[i], [0.5], colors=ANOMALY, linewidths=1)


def image_rows(rows, columns=()):
    """One row of images for each of {name: images (N, C, H, W)}, all rows equally long.

    columns : names to stand above the first row's images
    """
    figure, axes = _named_rows(rows, len(next(iter(rows.values()))), 0.72, 0.76, 1.1)
    for row, images in zip(axes, rows.values(), strict=True):
        _draw_row(row, images)
    for axis, name in zip(axes[0], columns, strict=False):
        axis.set_title(name, fontsize=9)
    return figure


def scan_rows(rows):
    """The same for {name: ImageSet}, larger, with lesions outlined where masks are known."""
    figure, axes = _named_rows(rows, len(next(iter(rows.values()))), 1, 1.02, 1.2)
    for row, part in zip(axes, rows.values(), strict=True):
        _draw_row(row, part.images, part.masks)
    return figure


def map_rows(images, masks, maps):
    """Images, outlines of their lesions, and below them each of {name: maps (N, H, W)}.

    All maps of a row have the scale of its colour bar, which ends where 99.9 % of the values do.
    """
    first = "lesion" if np.any(masks) else "image"
    figure, axes = _named_rows([first, *maps], len(images), 0.85, 0.9, 1.3)
    _draw_row(axes[0], images, masks)
    for row, values in zip(axes[1:], map(np.asarray, maps.values()), strict=True):
        for axis, one in zip(row, values, strict=True):
            last = draw_picture(axis, one, cmap="magma", vmax=np.quantile(values, 0.999))
        bar = figure.colorbar(last, ax=row, pad=0.02, aspect=8)
        bar.ax.yaxis.set_major_locator(MaxNLocator(2))
    return figure


def residual_rows(images, reconstructions, ends=("ink missing", "ink added")):
    """Images, their reconstructions, and the residual: orange too bright, blue too dark.

    All residuals have one scale, up to the value that one pixel in 200 exceeds.
    """
    x, x_hat = as_pictures(images), as_pictures(reconstructions)
    names = ("image", "rebuilt", "residual")
    figure, axes = _named_rows(names, len(x), 0.78, 2.5 / 3, 1.9)
    _draw_row(axes[0], images)
    _draw_row(axes[1], reconstructions)
    limit = max(0.05, np.ceil(20 * np.quantile(abs(x_hat - x), 0.995)) / 20)
    for axis, residual in zip(axes[2], x_hat - x, strict=True):
        last = draw_picture(axis, residual, cmap=RESIDUAL, vmin=-limit, vmax=limit)
    bar = figure.colorbar(last, ax=axes, shrink=0.8, ticks=[-limit, 0, limit], pad=0.02)
    bar.set_ticklabels([f"−{limit:g}\n{ends[0]}", "0", f"{limit:g}\n{ends[1]}"])
    return figure


def labelled_pictures(images, titles, columns=8):
    """Images (N, C, H, W) with a title each, in rows of `columns`."""
    rows = -(-len(images) // columns)
    figure, axes = new_figure(1.15 * columns, 1.4 * rows, nrows=rows, ncols=columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, picture, title in zip(axes.flat, as_pictures(images), titles, strict=False):
        draw_picture(axis, picture)
        axis.set_title(title, fontsize=9)
    return figure


def mosaic(pictures, columns, extent):
    """Images (rows·columns, 1, H, W), first row at the bottom, as one image over `extent`."""
    pictures = as_pictures(pictures)
    n, height, width = pictures.shape
    grid = pictures.reshape(n // columns, columns, height, width)[::-1]
    figure, axis = new_figure(5, 5)
    axis.imshow(
        grid.transpose(0, 2, 1, 3).reshape(-1, columns * width),
        cmap="gray",
        extent=extent,
        interpolation="nearest",
    )
    axis.set(xlabel="$z_1$", ylabel="$z_2$")
    return figure


def scan_profile(scan):
    """A B-scan (H, W), and the brightness of its middle columns by depth, two edges marked."""
    height, width = scan.shape
    middle = slice(3 * width // 8, 5 * width // 8)
    profile = scan[:, middle].mean(axis=1) / 255
    surface = int((profile > 0.4 * profile.max()).argmax())
    band = int(np.flatnonzero(profile >= 0.7 * profile.max())[-1])  # of a black scan, too
    figure, (left, right) = new_figure(7, 3.2, ncols=2, sharey=True)
    left.imshow(scan, cmap="gray", vmin=0, vmax=255, aspect="auto")
    left.axvspan(middle.start, middle.stop, color=SECOND, alpha=0.15)
    left.set(xticks=[], yticks=[], ylabel="depth")
    right.plot(profile, np.arange(height), color=SECOND)
    right.set(xlabel="mean brightness")
    marks = {"inner surface": (surface, NORMAL), "bottom band": (band, THIRD)}
    for name, (row, colour) in marks.items():
        for axis in (left, right):
            axis.axhline(row, color=colour, linestyle="--", linewidth=1)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        left.text(1, row, name, color=ink(colour), va="bottom", bbox=box, fontsize=8)
    return figure
