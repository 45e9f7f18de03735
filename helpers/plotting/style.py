"""Colours, fonts, and what every figure of the course is made with."""

from io import BytesIO

import matplotlib
import numpy as np
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from matplotlib.transforms import ScaledTranslation
from PIL import Image, ImageChops

from helpers.banner import Shown

NORMAL, ANOMALY, THRESHOLD, SECOND = "#0072B2", "#D55E00", "#222222", "#009E73"
THIRD, FOURTH = "#CC79A7", "#999933"
# of lines and points that are no anomalies; FOURTH and the last but one are Paul Tol's
GROUPS = [NORMAL, SECOND, THIRD, FOURTH, "#882255", "#56B4E9"]
# of up to ten classes (Tol's "muted", and grey)
CLASSES = ["#CC6677", "#332288", "#DDCC77", "#117733", "#88CCEE"]
CLASSES += ["#882255", "#44AA99", "#999933", "#AA4499", "#777777"]
LINES = ["-", "--", ":", "-."]
MARKERS = ["o", "^", "s", "D", "v", "P"]
PIXELS = 100  # of the page to an inch of a figure
CHANGE = 8  # of 255
RESIDUAL = LinearSegmentedColormap.from_list("residual", [NORMAL, "white", ANOMALY])
# of AUROCs, below and above one half; light enough for dark numbers on it
AREAS = LinearSegmentedColormap.from_list("areas", ["#D79ABC", "white", "#7FB8D9"])


def ink(colour):
    """A colour darkened, so that text in it can be read on white (contrast of 4.5 at least)."""
    return tuple(0.8 * part for part in to_rgb(colour))


def use_course_style():
    """Set fonts, grid and resolution for all figures of a notebook."""
    import seaborn as sns

    sns.set_theme(style="ticks", context="notebook", font_scale=0.9)
    matplotlib.rcParams.update(
        {
            "figure.facecolor": "white",
            "axes.spines.right": False,
            "axes.spines.top": False,
            "legend.frameon": False,
        }
    )


def show(figure, caption, alt=None):
    """Display a figure with its caption under it, as one output.

    caption : what the figure says, for everyone
    alt : what is seen, for those who do not see it: the kind of plot, its axes, how the curves or
        images run. A screen reader reads it in the place of the image.
    """
    display(as_output(figure, alt or caption, caption))


def as_output(figure, alt, caption=""):
    """What `display` takes: the figure as an image of twice its size on the page, so that it is
    sharp on screens of high density, with its description and its caption."""
    return Shown(to_png(figure), round(PIXELS * figure.get_figwidth()), alt, caption)


def to_png(figure):
    """The figure as a PNG file, of 256 colours where these suffice: it is then half as large.

    Photographs in colour may have more; a change of a colour by over `CHANGE` could be seen.
    """
    full = drawn(figure, 2 * PIXELS)
    few = full.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    red, green, blue = ImageChops.difference(full, few.convert("RGB")).split()
    pixels = ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()  # by change
    enough = sum(pixels[CHANGE + 1 :]) <= 0.01 * sum(pixels)
    file = BytesIO()
    (few if enough else full).save(file, "png", compress_level=8)  # 9: 2 % smaller, twice the time
    return file.getvalue()


def drawn(figure, dpi):
    """The figure as an RGB image, the same pixels as `savefig` writes, in half of its time: it
    would lay the figure out twice, and pack an image that we unpack again."""
    canvas, before = FigureCanvasAgg(figure), figure.dpi
    figure.dpi = dpi
    try:
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    finally:
        figure.dpi = before


class Picture(Figure):
    """A figure that shows itself as PNG wherever it is displayed, and never without being asked."""

    def _repr_png_(self):
        return to_png(self)


def new_figure(width=7.0, height=3.2, **grid):
    """A Picture and its axes."""
    figure = Picture(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(**grid)


def legend_beside(axis, **options):
    """The legend to the right of the axes, where it hides no data."""
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), **options)


def legend_below(axis, **options):
    """The legend below the label of the x-axis, where it hides no data."""
    down = ScaledTranslation(0, -0.5, axis.figure.dpi_scale_trans)
    place = {"bbox_to_anchor": (0.5, 0), "bbox_transform": axis.transAxes + down}
    axis.legend(loc="upper center", **place, **options)


def log_scale(axis, letters):
    """Logarithmic axes, "x", "y" or "xy". Ticks at 1, 2, 5 times a power, as decimal numbers.

    These read quicker than powers. Only at the powers where there are more than three: the numbers
    would overlap.
    """
    for letter in letters:
        axis.set(**{f"{letter}scale": "log"})
        one = getattr(axis, f"{letter}axis")
        low, high = one.get_view_interval()
        one.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
        one.set_major_formatter("{x:g}")
        one.set_minor_formatter("")
