"""The way from the code of one picture to the code of another."""

import ipywidgets as widgets
import numpy as np

from helpers.latent import interpolate
from helpers.training import as_input
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

SEEN = (
    "Four images: one end, the decoded point between, the blended pixels between, the other "
    "end. Below, two strips with the whole way, decoded and blended."
)


def latent_explorer(model, images, labels, classes):
    """Pick two pictures and slide from the code of one to the code of the other.

    model : has encode (N, 1, H, W) -> (N, d) and decode back
    images, labels : uint8 (N, 1, H, W) and (N,), positions in `classes`
    """
    images, labels = parts.pictures(images, labels)
    names = {int(c): str(classes[c]) for c in np.unique(labels)}
    first, last = min(names), max(names)
    from_class, from_which, start = parts.picker(labels, names, "from", first)
    to_class, to_which, end = parts.picker(labels, names, "to", last)
    t = parts.slider(widgets.FloatSlider, 0.5, 0.0, 1.0, 1 / (STEPS - 1), "t", parts.LONG)

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
    layout = widgets.VBox([parts.row([from_class, from_which]), parts.row([to_class, to_which]), t])
    return Explorer(draw, controls, layout, size=(9.5, 4.2), alt=SEEN)


STEPS = 21  # positions of t from 0 to 1


def latent_path(model, x):
    """From x[0] to x[1]: decoded straight line between the codes, and the blend of the pixels.

    (2, 1, H, W) -> two tensors (STEPS, H, W) on the CPU
    """
    with parts.evaluating(model):
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
        parts.image(figure.add_subplot(grid[0, column]), image, title)
    width = path.shape[2]
    for row, (name, strip) in enumerate({"decoded": path, "blended": blend}.items(), start=1):
        axes = figure.add_subplot(grid[row, :])
        parts.strip(axes, strip, k)
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
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
