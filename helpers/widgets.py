"""The interactive figures: controls, the picture that they drive, and a line that describes it.

Each explorer rests on one function that draws a state and returns its description, and that
needs no widgets. The picture is an ordinary image output, so it stays in the saved notebook.
An image is flagged when its score is above the threshold.
"""

import io
import math
import traceback
import uuid
from contextlib import contextmanager

import ipywidgets as widgets
import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullLocator
from sklearn.metrics import roc_curve

from helpers.banner import Banner, Caption
from helpers.latent import interpolate
from helpers.metrics import auroc
from helpers.plotting import ANOMALY, NORMAL, RESIDUAL, SECOND, THRESHOLD
from helpers.thresholds import conformal_p_values
from helpers.training import as_input

SHORT, LONG = {"width": "24em"}, {"width": "36em", "max_width": "100%"}  # of sliders
NAMES = {"description_width": "7em"}  # room for the names of the sliders


class Explorer:
    """Controls, the picture that they drive, and one line of text that says what it shows.

    controls : dict of the widgets by name; setting a widget's `value` redraws
    figure, text : the present state, as a matplotlib Figure and in words
    """

    def __init__(self, draw, controls, layout, size):
        """draw(figure, **values of the controls) -> text. `layout` is the widget shown."""
        self.controls, self.layout, self._draw, self._size = controls, layout, draw, size
        self._id, self._shown = uuid.uuid4().hex, False
        for control in controls.values():
            control.observe(self._redraw, "value")
        self._redraw()

    def _redraw(self, change=None):
        try:
            figure = Figure(figsize=self._size, dpi=100)  # outside pyplot: shown only by us
            # the drawing functions place their axes: a layout engine doubles the time of a redraw
            figure.set_layout_engine("none")
            values = {name: control.value for name, control in self.controls.items()}
            self.text = self._draw(figure, **values)
            self.figure = figure
            if self._shown:
                self._show(update=True)
        except Exception as error:
            if self._shown:  # ipywidgets would write it to a log that nobody reads
                banner = Banner(repr(error), code=traceback.format_exc(), tone="bad")
                display(banner, display_id=self._id + "line", update=True)
            raise

    def set(self, **values):
        """Move several controls at once, with one redraw."""
        for name, value in values.items():
            self.controls[name].unobserve(self._redraw, "value")
            self.controls[name].value = value
            self.controls[name].observe(self._redraw, "value")
        self._redraw()

    def _show(self, update):
        display(_Picture(self.figure), display_id=self._id + "picture", update=update)
        display(Caption(self.text), display_id=self._id + "line", update=update)

    def _ipython_display_(self):
        show_controls(self.layout, "Sliders and buttons: run this cell to use them.")
        self._show(update=False)
        self._shown = True

    def __repr__(self):
        return self.text


def show_controls(widget, without_kernel):
    """Display a widget. `without_kernel` is what a reader sees who has no kernel to run it."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    bundle = {"text/plain": without_kernel, "application/vnd.jupyter.widget-view+json": view}
    display(bundle, raw=True)


class _Picture:
    def __init__(self, figure):
        buffer = io.BytesIO()
        FigureCanvasAgg(figure).print_png(buffer, pil_kwargs={"compress_level": 1})
        self.png = buffer.getvalue()

    def _repr_png_(self):
        return self.png

    def __repr__(self):
        return "[picture, described in the next line]"


# ---- the threshold


def threshold_explorer(normal_scores, anomaly_scores, *, thresholds, start=None):
    """Move the threshold; histogram, counts, rates and the point on the ROC curve follow.

    normal_scores, anomaly_scores : arrays of shape (n,) and (m,), finite
    thresholds : dict of name -> value; a button jumps to each
    start : the threshold at first; by default the first of `thresholds`
    """
    normal, anomaly = _scores(normal_scores=normal_scores, anomaly_scores=anomaly_scores)
    low, high, log = _score_range(normal, anomaly)
    grid = np.geomspace(low, high, 200) if log else np.linspace(low, high, 200)
    named = {name: float(value) for name, value in thresholds.items()}
    start = next(iter(named.values()), float(grid[100])) if start is None else float(start)
    # a number slider would round the named thresholds to its grid
    slider = widgets.SelectionSlider(
        options=[(f"{value:.3g}", value) for value in sorted({start, *named.values(), *grid})],
        value=start,
        description="threshold",
        layout=LONG,
        style=NAMES,
    )

    def draw(figure, threshold):
        name = next((name for name, value in named.items() if value == threshold), "")
        return draw_threshold(figure, normal, anomaly, threshold, name)

    buttons = [_button(name, slider, value) for name, value in named.items()]
    layout = widgets.VBox([slider, _row(buttons)])
    return Explorer(draw, {"threshold": slider}, layout, size=(9.5, 4.4))


def confusion_counts(normal_scores, anomaly_scores, threshold):
    """Images not flagged and flagged (score > threshold). -> [[normals], [anomalies]], (2, 2)"""
    groups = np.asarray(normal_scores), np.asarray(anomaly_scores)
    return [[int((s <= threshold).sum()), int((s > threshold).sum())] for s in groups]


def draw_threshold(figure, normal_scores, anomaly_scores, threshold, name=""):
    """Histogram with the threshold, table of counts, point on the ROC curve. -> text"""
    counts = confusion_counts(normal_scores, anomaly_scores, threshold)
    n, m = len(normal_scores), len(anomaly_scores)
    (_, false_alarms), (missed, found) = counts
    axes = figure.add_axes((0.09, 0.44, 0.48, 0.47))
    _histogram(axes, {"normal": normal_scores, "anomaly": anomaly_scores}, threshold)
    _table(figure.add_axes((0.09, 0.02, 0.48, 0.3)), counts)

    axes = figure.add_axes((0.65, 0.13, 0.34, 0.78))
    is_anomaly = np.repeat([0, 1], [n, m])
    fpr, tpr, _ = roc_curve(is_anomaly, np.concatenate([normal_scores, anomaly_scores]))
    axes.plot(fpr, tpr, color=SECOND)
    axes.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    axes.plot(false_alarms / n, found / m, "o", markersize=10, color=THRESHOLD)
    axes.set(xlabel="false-alarm rate", ylabel="detection rate")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.set_title(f"ROC curve, AUROC {auroc(normal_scores, anomaly_scores):.3f}")

    which = f" ({name})" if name else ""
    return (
        f"Threshold {threshold:.3g}{which}: {false_alarms:,} of {n:,} normal images are flagged, "
        f"a false-alarm rate of {_percent(false_alarms / n)}; {found:,} of {m:,} anomalies are "
        f"flagged, a detection rate of {_percent(found / m)}, and {missed:,} are missed."
    )


def _table(axes, counts):
    """The confusion counts as a drawn 2×2 table."""
    words = [["left alone", "false alarms"], ["missed", "found"]]
    for row, (name, colour) in enumerate([("normal", NORMAL), ("anomaly", ANOMALY)]):
        total = sum(counts[row])
        axes.text(-0.06, row + 0.5, f"{name}\n({total:,})", ha="right", va="center", color=colour)
        for column in range(2):
            count = counts[row][column]
            axes.add_patch(Rectangle((column, row), 1, 1, fc=colour, ec="white", lw=3, alpha=0.15))
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{count:,}\n{words[row][column]}, {_percent(count / total)}",
                ha="center",
                va="center",
            )
    for column, name in enumerate(["not flagged", "flagged"]):
        axes.text(column + 0.5, -0.1, name, ha="center", va="bottom")
    axes.set(xlim=(-0.5, 2), ylim=(2, -0.45))
    axes.axis("off")


# ---- the latent space


def latent_explorer(model, images, labels, classes):
    """Pick two pictures and slide from the code of one to the code of the other.

    model : has encode (N, 1, H, W) -> (N, d) and decode back
    images, labels : uint8 (N, 1, H, W) and (N,), positions in `classes`
    """
    images, labels = _pictures(images, labels)
    names = {int(c): str(classes[c]) for c in np.unique(labels)}
    first, last = min(names), max(names)
    from_class, from_which, start = _picker(labels, names, "from", first)
    to_class, to_which, end = _picker(labels, names, "to", last)
    t = _slider(widgets.FloatSlider, 0.5, 0.0, 1.0, 1 / (STEPS - 1), "t", LONG)

    def draw(figure, t, **_):
        x = as_input(images[[start(), end()]])
        path, blend = latent_path(model, x)
        return draw_latent(figure, path, blend, t, (names[from_class.value], names[to_class.value]))

    controls = {
        "from_class": from_class,
        "from_which": from_which,
        "to_class": to_class,
        "to_which": to_which,
        "t": t,
    }
    layout = widgets.VBox([_row([from_class, from_which]), _row([to_class, to_which]), t])
    return Explorer(draw, controls, layout, size=(9.5, 4.2))


STEPS = 21  # positions of t from 0 to 1


def latent_path(model, x):
    """From x[0] to x[1]: decoded straight line between the codes, and the blend of the pixels.

    (2, 1, H, W) -> two tensors (STEPS, H, W) on the CPU
    """
    with _evaluating(model):
        path = model.decode(interpolate(*model.encode(x), STEPS))
        blend = interpolate(*x.flatten(start_dim=1), STEPS).view_as(path)
    return path[:, 0].cpu(), blend[:, 0].cpu()


def draw_latent(figure, path, blend, t, names):
    """Both ends, decoded picture and pixel blend at t, and below the whole way. -> text

    path, blend : (steps, H, W); names : of the classes at both ends
    """
    k = round(t * (len(path) - 1))
    grid = figure.add_gridspec(
        3,
        4,
        left=0.08,
        right=0.99,
        bottom=0.12,
        top=0.93,
        height_ratios=(4.6, 1, 1),
        hspace=0.15,
        wspace=0.05,
    )
    titles = {
        f"from: {names[0]}": blend[0],
        f"decoded at t = {t:.2f}": path[k],
        f"blended pixels at t = {t:.2f}": blend[k],
        f"to: {names[1]}": blend[-1],
    }
    for column, (title, image) in enumerate(titles.items()):
        _image(figure.add_subplot(grid[0, column]), image, title)
    width = path.shape[2]
    for row, (name, strip) in enumerate({"decoded": path, "blended": blend}.items(), start=1):
        axes = figure.add_subplot(grid[row, :])
        _image(axes, np.hstack(list(strip)))
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        box = Rectangle((k * width - 0.5, -0.5), width, strip.shape[1], fill=False, ec=SECOND, lw=3)
        box.set_clip_on(False)
        axes.add_patch(box)
    ticks = np.linspace(0, 1, 6)
    centres = (ticks * (len(path) - 1) + 0.5) * width - 0.5
    axes.set_xticks(centres, [f"{tick:.1f}" for tick in ticks])
    axes.set_xlabel("t")
    away = [(path[k] - image).square().mean() for image in (blend[0], blend[-1], blend[k])]
    return (
        f"From {names[0]} to {names[1]}, t = {t:.2f}. Mean squared difference of the decoded "
        f"picture: {away[0]:.3f} to the first end, {away[1]:.3f} to the other, "
        f"{away[2]:.3f} to the blended pixels."
    )


# ---- one picture, perturbed


def perturb_explorer(model, score, images, labels, threshold, normal_scores):
    """Perturb a picture and watch its reconstruction and where its score falls.

    model : autoencoder, (N, 1, H, W) -> the same
    score : score(x, x_hat) -> (N,)
    images, labels : uint8 (N, 1, H, W) and (N,)
    threshold : the picture is flagged when its score is above it
    normal_scores : (n,), of the calibration images, which also give the conformal p-value
    """
    images, labels = _pictures(images, labels)
    (normal,) = _scores(normal_scores=normal_scores)
    names = {int(c): str(c) for c in np.unique(labels)}
    digit, which, position = _picker(labels, names, "digit", min(names))
    side = images.shape[-1]
    sliders = {
        "rotation": _slider(widgets.IntSlider, 0, -180, 180, 5, "rotation (°)"),
        "shift": _slider(widgets.IntSlider, 0, -side // 2, side // 2, 1, "shift (px)"),
        "brightness": _slider(widgets.FloatSlider, 1.0, 0.0, 2.0, 0.05, "brightness"),
        "erased": _slider(widgets.IntSlider, 0, 0, side, 1, "erased (px)"),
        "noise": _slider(widgets.FloatSlider, 0.0, 0.0, 0.5, 0.02, "noise (σ)"),
    }

    def draw(figure, digit, which, **amounts):
        x = perturb(as_input(images[[position()]]), **amounts)
        with _evaluating(model):
            x_hat = model(x)
            value = float(score(x, x_hat)[0])
        return draw_perturbed(figure, x[0, 0].cpu(), x_hat[0, 0].cpu(), value, threshold, normal)

    neutral = {name: slider.value for name, slider in sliders.items()}
    undo = widgets.Button(description="undo all", layout={"width": "auto"})
    rows = [_row([digit, which])]
    pairs = [*sliders.values(), undo]
    rows += [_row(pairs[i : i + 2]) for i in range(0, len(pairs), 2)]
    controls = {"digit": digit, "which": which, **sliders}
    explorer = Explorer(draw, controls, widgets.VBox(rows), size=(9.5, 5.2))
    undo.on_click(lambda _: explorer.set(**neutral))
    return explorer


def perturb(x, *, rotation=0, shift=0, brightness=1.0, erased=0, noise=0.0):
    """Rotate, shift, scale the brightness, erase a square, add noise, in this order.

    x : (N, C, H, W) in [0, 1] -> the same. rotation in degrees, counter-clockwise; shift to the
    right and side of the square in the middle in pixels; noise as a standard deviation.
    """
    height, width = x.shape[2:]
    # from a place in the result to the place in x that is seen there, both in [-1, 1]
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    back = [
        [cos, -sin * height / width, -cos * 2 * shift / width],
        [sin * width / height, cos, -sin * 2 * shift / height],
    ]
    grid = F.affine_grid(x.new_tensor([back] * len(x)), x.shape, align_corners=False)
    x = F.grid_sample(x, grid, align_corners=False) * brightness
    top, left = (height - erased) // 2, (width - erased) // 2
    x[:, :, top : top + erased, left : left + erased] = 0
    # always the same noise, so that the slider changes nothing but its strength
    pattern = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return (x + noise * pattern.to(x)).clamp(0, 1)


def draw_perturbed(figure, x, x_hat, score, threshold, normal_scores):
    """Input, reconstruction, residual, and the score among those of normal images. -> text

    x, x_hat : (H, W) in [0, 1]; normal_scores : (n,), of the calibration images
    """
    panels = {"input": x, "reconstruction": x_hat}
    for left, (title, image) in zip((0.06, 0.36), panels.items(), strict=True):
        _image(figure.add_axes((left, 0.48, 0.25, 0.46)), image, title)
    axes = figure.add_axes((0.66, 0.48, 0.25, 0.46))
    residual = _image(axes, x_hat - x, "reconstruction − input", cmap=RESIDUAL, vmin=-1)
    figure.colorbar(residual, cax=figure.add_axes((0.925, 0.48, 0.013, 0.46)), ticks=[-1, 0, 1])

    axes = figure.add_axes((0.07, 0.1, 0.9, 0.28))
    _histogram(axes, {"normal (calibration)": normal_scores}, threshold, mark=score)
    verdict = "flagged" if score > threshold else "not flagged"
    axes.set_title(f"score {score:.3g}: {verdict}", loc="right")

    n = len(normal_scores)
    p = conformal_p_values(normal_scores, [score])[0]
    as_high = (normal_scores >= score).sum()
    return (
        f"Score {score:.3g}, threshold {threshold:.3g}: {verdict}. {as_high:,} of {n:,} normal "
        f"calibration images score at least as high, so the conformal p-value is "
        f"({as_high:,} + 1) / ({n:,} + 1) = {p:.3f}."
    )


# ---- shared parts


def _histogram(axes, groups, threshold, mark=None):
    """Scores of the groups, the threshold as a line, and the score `mark` of one picture."""
    low, high, log = _score_range(*groups.values())
    bins = np.geomspace(low, high, 51) if log else np.linspace(low, high, 51)
    for (name, scores), colour in zip(groups.items(), (NORMAL, ANOMALY), strict=False):
        axes.hist(scores, bins, histtype="stepfilled", color=colour, alpha=0.55, label=name)
    if np.isfinite(threshold):
        axes.axvline(threshold, color=THRESHOLD, linewidth=2, label="threshold")
    if mark is not None:
        mark = max(mark, low)  # a log axis has no place for a score of 0
        axes.axvline(mark, color=SECOND, linewidth=3, linestyle="--", label="this picture")
        high = max(high, 1.1 * mark)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="score", ylabel="images", xlim=(low, high))
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2, frameon=False)


def _percent(share):
    return f"{100 * share:.1f} %"


def _image(axes, image, title="", cmap="gray", vmin=0):
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes.imshow(np.asarray(image), cmap=cmap, vmin=vmin, vmax=1, interpolation="nearest")


def _score_range(*groups):
    """(low, high, log): just beyond all scores; log where they are positive and far apart."""
    scores = np.concatenate(groups)
    low, high = float(scores.min()), float(scores.max())
    if low > 0 and high > 5 * low:
        return low / 1.1, high * 1.1, True
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin, False


def _scores(**groups):
    """The scores as float64 arrays, in the order given."""
    arrays = [np.asarray(values, dtype=float) for values in groups.values()]
    for name, array in zip(groups, arrays, strict=True):
        if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
            raise ValueError(
                f"{name} must hold finite numbers, one for each image, shape (n,); got shape "
                f"{array.shape} with {(~np.isfinite(array)).sum()} values that are not finite"
            )
    return arrays


def _pictures(images, labels):
    images, labels = np.asarray(images), np.asarray(labels)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:2] != (len(labels), 1):
        raise ValueError(
            f"images must be uint8 (N, 1, H, W) with N labels; got {images.dtype} {images.shape} "
            f"and {len(labels)} labels"
        )
    return images, labels


def _picker(labels, names, description, chosen):
    """Dropdown of classes, slider over the pictures of the class, index() of the picture."""
    members = {c: np.flatnonzero(labels == c) for c in names}
    digit = widgets.Dropdown(
        options=[(name, c) for c, name in names.items()],
        value=chosen,
        description=description,
        layout={"width": "14em"},
        style=NAMES,
    )
    which = _slider(widgets.IntSlider, 0, 0, len(members[chosen]) - 1, 1, "which one")

    def stay_in_class(change):
        which.max = len(members[change.new]) - 1

    digit.observe(stay_in_class, "value")
    return digit, which, lambda: members[digit.value][which.value]


def _slider(kind, value, low, high, step, description, layout=SHORT):
    return kind(
        value=value,
        min=low,
        max=high,
        step=step,
        description=description,
        layout=layout,
        style=NAMES,
    )


def _button(name, control, value):
    """A button that sets a control to a value."""
    button = widgets.Button(description=name, layout={"width": "auto"})
    button.on_click(lambda _: setattr(control, "value", value))
    return button


def _row(children):
    return widgets.HBox(children, layout={"flex_flow": "row wrap"})


@contextmanager
def _evaluating(model):
    """Eval mode and no gradients; afterwards the model is in the mode in which it came."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)
