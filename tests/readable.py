"""What a figure has that cannot be read: `faults(figure)`, found in what is drawn."""

from contextlib import contextmanager
from itertools import combinations
from unittest.mock import patch

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import rgb_to_hsv, to_rgb, to_rgba
from matplotlib.legend import Legend
from matplotlib.text import Text

from helpers import plotting

CONTRAST, SMALLEST = 4.5, 8  # of text: WCAG 2.2, 1.4.3 (AA); points
DPI = 100


def faults(figure):
    """What is wrong with the text of a figure, one line each; none where all can be read."""
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    texts = drawn_texts(canvas)
    figure.set_layout_engine("none")  # hiding things moves nothing
    renderer = canvas.get_renderer()
    boxes = {text: Text.get_window_extent(text, renderer) for text in texts}
    width, height = canvas.get_width_height()
    found = []
    with transparent(texts):
        behind = pixels(canvas)
    for text, box in boxes.items():
        name = repr(text.get_text())
        if text.get_fontsize() < SMALLEST - 0.01:
            found.append(f"{name} has {text.get_fontsize():.1f} points")
        if min(box.x0, box.y0, width - box.x1, height - box.y1) < -0.5:
            found.append(f"{name} leaves the figure")
            continue
        under = inside(behind, box)
        contrast = np.quantile(contrasts(text.get_color(), under), 0.1)
        if contrast < CONTRAST:
            found.append(f"{name} has a contrast of {contrast:.2f} with what is behind it")
        if text.get_bbox_patch() is None and busy(under):
            found.append(f"{name} lies over lines or points")
    for (one, box), (other, other_box) in combinations(boxes.items(), 2):
        if overlap(box, other_box) > 1:
            found.append(f"{one.get_text()!r} and {other.get_text()!r} overlap")
    legends = figure.findobj(Legend)
    with hidden(legends):
        without = pixels(canvas)
    for legend in legends:
        box = legend.get_window_extent(renderer)
        if busy(inside(without, box), 0):
            found.append(f"the legend {[t.get_text() for t in legend.get_texts()]} hides data")
        if min(box.x0, box.y0, width - box.x1, height - box.y1) < -1.5:
            found.append("the legend leaves the figure")
    return found


def drawn_texts(canvas):
    """The Text artists that are drawn and not blank, each once."""
    texts, draw = [], Text.draw

    def note(self, renderer):
        if self.get_visible() and self not in texts and self.get_text().strip():
            texts.append(self)
        return draw(self, renderer)

    with patch.object(Text, "draw", note):
        canvas.draw()
    return texts


@contextmanager
def transparent(texts):
    colours = [text.get_color() for text in texts]
    for text in texts:
        text.set_color((0, 0, 0, 0))
    yield
    for text, colour in zip(texts, colours, strict=True):
        text.set_color(colour)


@contextmanager
def hidden(artists):
    for artist in artists:
        artist.set_visible(False)
    yield
    for artist in artists:
        artist.set_visible(True)


def pixels(canvas):
    """What is drawn, (height, width, 3) in [0, 1], the first row at the bottom."""
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255


def inside(image, box):
    """The pixels (n, 3) in a box."""
    rows = slice(max(0, int(box.y0)), max(int(box.y0) + 1, round(box.y1)))
    columns = slice(max(0, int(box.x0)), max(int(box.x0) + 1, round(box.x1)))
    return image[rows, columns].reshape(-1, 3)


def luminance(colours):
    """The relative luminance of sRGB colours (..., 3), as WCAG defines it."""
    colours = np.asarray(colours)
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrasts(colour, under):
    """The contrast of a text's colour with each of the pixels under it."""
    *rgb, alpha = to_rgba(colour)
    text = alpha * np.array(rgb) + (1 - alpha) * under
    light = np.stack([luminance(text), luminance(under)])
    return (light.max(axis=0) + 0.05) / (light.min(axis=0) + 0.05)


def busy(under, share=0.03):
    """Whether more than a share of the pixels stands out from the others."""
    light = luminance(under) + 0.05
    ratio = light / np.median(light)
    return (np.maximum(ratio, 1 / ratio) > 1.3).mean() > share


def overlap(one, other):
    """By how many pixels two boxes overlap, in the direction in which that is less."""
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    upright = min(one.y1, other.y1) - max(one.y0, other.y0)
    return min(across, upright)


def uses_the_colour_of_anomalies(figure):
    """Whether anything is drawn in ANOMALY, solid or translucent."""
    hue = rgb_to_hsv(to_rgb(plotting.ANOMALY))[0]
    colours = rgb_to_hsv(pixels(FigureCanvasAgg(figure)).reshape(-1, 3))
    near = (abs(colours[:, 0] - hue) < 0.012) & (colours[:, 1] > 0.25) & (colours[:, 2] > 0.8)
    return near.sum() > 10
