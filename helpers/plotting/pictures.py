"""Images in rows, their residuals and maps."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from helpers.plotting.style import ANOMALY, NORMAL, RESIDUAL, SECOND, THIRD, ink, new_figure

GAP = 1 / 16  # between two images, in widths of one
MIDDLE = 0.5 / (1 + GAP)  # of an image, in its unit of width


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


class _Rows:
    """Rows of equally many images on one set of axes, each row's name before it.

    An image has one unit in width and height, with a white gap to the right and below. (A set of
    axes for each image would take several times as long to draw.)
    """

    def __init__(self, names, columns, width, height, margin):
        """width, height : of an image in inches; margin : for the names"""
        size = (width * columns + margin, height * len(names))
        self.figure, self.axis = new_figure(*size)
        self.figure.set_layout_engine("compressed")  # knows that the axes keep their shape
        self.axis.set(xlim=(0, columns), ylim=(len(names), 0), xticks=[], aspect="equal")
        self.axis.set_yticks(np.arange(len(names)) + MIDDLE, names, fontsize="medium")
        self.axis.tick_params(length=0)
        self.axis.spines[:].set_visible(False)
        self.count, self.columns = len(names), columns

    def draw(self, row, pictures, cmap="gray", vmin=0, vmax=1):
        """Images (N, H, W) or (N, H, W, 3) in a row. Returns what a colour bar needs."""
        if len(pictures) != self.columns:
            raise ValueError(
                f"all rows need {self.columns} images, as the first; row {row + 1} has "
                f"{len(pictures)}"
            )
        sheet = np.concatenate([*map(_padded, pictures)], axis=1)
        place = (0, len(pictures), row + 1, row)
        options = {"cmap": cmap, "vmin": vmin, "vmax": vmax, "interpolation": "nearest"}
        return self.axis.imshow(sheet, extent=place, **options)

    def outline(self, row, masks):
        """The edges of masks (N, H, W), where these are not empty, on the images of a row."""
        for i, mask in enumerate(masks):
            if mask.any():
                side = max(mask.shape) * (1 + GAP)
                x, y = ((np.arange(n) + 0.5) / side for n in mask.shape[::-1])
                self.axis.contour(i + x, row + y, mask, [0.5], colors=ANOMALY, linewidths=1)

    def bar(self, row, drawn):
        """A colour bar beside a row."""
        place = self.axis.inset_axes((1.01, 1 - (row + 0.95) / self.count, 0.015, 0.9 / self.count))
        bar = self.figure.colorbar(drawn, cax=place)
        bar.ax.yaxis.set_major_locator(MaxNLocator(2))


def _padded(picture):
    """A picture (H, W) or (H, W, 3) on a square that is wider by a gap. Empty places are white."""
    times = -(-16 // max(picture.shape[:2]))  # of a few pixels: a gap is whole pixels, too
    picture = picture.repeat(times, axis=0).repeat(times, axis=1)
    height, width = picture.shape[:2]
    side = max(height, width)
    side += round(GAP * side)
    empty = np.nan if picture.ndim == 2 else 1.0  # colours know no "nothing"
    full = np.full((side, side, *picture.shape[2:]), empty)
    full[:height, :width] = picture
    return full


def image_rows(rows, columns=()):
    """One row of images for each of {name: images (N, C, H, W)}, all rows equally long.

    columns : names to stand above the first row's images
    """
    sheet = _Rows(list(rows), len(next(iter(rows.values()))), 0.72, 0.76, 1.1)
    for i, images in enumerate(rows.values()):
        sheet.draw(i, as_pictures(images))
    sheet.axis.xaxis.tick_top()
    places = np.arange(len(columns)) + MIDDLE
    sheet.axis.set_xticks(places, columns, fontsize=9)
    return sheet.figure


def scan_rows(rows):
    """The same for {name: ImageSet}, larger, with lesions outlined where masks are known."""
    sheet = _Rows(list(rows), len(next(iter(rows.values()))), 1, 1.02, 1.2)
    for i, part in enumerate(rows.values()):
        sheet.draw(i, as_pictures(part.images))
        if part.masks is not None:
            sheet.outline(i, part.masks)
    return sheet.figure


def map_rows(images, masks, maps):
    """Images, outlines of their lesions, and below them each of {name: maps (N, H, W)}.

    All maps of a row have the scale of its colour bar, which ends where 99.9 % of the values do.
    """
    first = "lesion" if np.any(masks) else "image"
    sheet = _Rows([first, *maps], len(images), 0.85, 0.9, 1.3)
    sheet.draw(0, as_pictures(images))
    if masks is not None:
        sheet.outline(0, np.asarray(masks))
    for i, values in enumerate(map(np.asarray, maps.values()), start=1):
        sheet.bar(i, sheet.draw(i, values, "magma", vmax=np.quantile(values, 0.999)))
    return sheet.figure


def residual_rows(images, reconstructions, ends=("ink missing", "ink added")):
    """Images, their reconstructions, and the residual: orange too bright, blue too dark.

    All residuals have one scale, up to the value that one pixel in 200 exceeds.
    """
    x, x_hat = as_pictures(images), as_pictures(reconstructions)
    sheet = _Rows(["image", "rebuilt", "residual"], len(x), 0.78, 2.5 / 3, 1.9)
    sheet.draw(0, x)
    sheet.draw(1, x_hat)
    limit = max(0.05, np.ceil(20 * np.quantile(abs(x_hat - x), 0.995)) / 20)
    last = sheet.draw(2, x_hat - x, RESIDUAL, -limit, limit)
    bar = sheet.figure.colorbar(last, ax=sheet.axis, shrink=0.8, ticks=[-limit, 0, limit], pad=0.02)
    bar.set_ticklabels([f"−{limit:g}\n{ends[0]}", "0", f"{limit:g}\n{ends[1]}"])
    return sheet.figure


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
