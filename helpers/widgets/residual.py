"""A picture spoiled by degrees: its reconstruction, and two maps of what was not rebuilt."""

import ipywidgets as widgets
import numpy as np

from helpers.plotting import RESIDUAL, SECOND
from helpers.scores import absolute_error, ssim_residual
from helpers.training import as_input
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

SEEN = (
    "Two rows, clean and corrupted, of four images: input, reconstruction, residual, and the "
    "map of 1 − SSIM, with colour bars."
)


def residual_explorer(model, images, corruptions):
    """Choose a picture, how it is spoiled and how much; residual and SSIM residual follow.

    model : autoencoder, (N, 1, H, W) -> the same; images : uint8 (N, 1, H, W)
    corruptions : dict of name -> f(images, severity from 0 to 1) -> images
    """
    images, _ = parts.pictures(images, np.zeros(len(images)))
    controls = {
        "which": parts.slider(widgets.IntSlider, 0, 0, len(images) - 1, 1, "which one"),
        "corruption": widgets.Dropdown(
            options=list(corruptions), description="spoiled by", style=parts.NAMES
        ),
        "severity": parts.slider(widgets.FloatSlider, 0.5, 0.0, 1.0, 0.05, "severity"),
    }

    def draw(figure, which, corruption, severity):
        clean = images[[which]]
        spoiled = corruptions[corruption](clean, severity)
        x = as_input(np.concatenate([clean, spoiled]))
        with parts.evaluating(model):
            x_hat = model(x)
        maps = x_hat - x, ssim_residual(x, x_hat)
        errors = absolute_error(x, x_hat).tolist()
        pictures = [y[:, 0].cpu().numpy() for y in (x, x_hat, *maps)]
        return draw_residuals(figure, *pictures, errors, f"{corruption}, severity {severity:.2f}")

    rows = [controls["which"], parts.row([controls["corruption"], controls["severity"]])]
    return Explorer(draw, controls, widgets.VBox(rows), size=(9.5, 4.8), alt=SEEN)


def draw_residuals(figure, x, x_hat, residual, dissimilarity, errors, what):
    """Clean picture above, spoiled one below: input, reconstruction, two maps. -> text

    all (2, H, W); errors : the mean absolute error of both; what : how the second is spoiled
    """
    for row, bottom in enumerate((0.52, 0.03)):
        columns = {"input": x, "reconstruction": x_hat}
        for left, (title, pictures) in zip((0.05, 0.27), columns.items(), strict=True):
            axes = figure.add_axes((left, bottom, 0.2, 0.42))
            parts.image(axes, pictures[row], title if row == 0 else "")
            if left == 0.05:
                axes.set_ylabel("clean" if row == 0 else "spoiled")
        axes = figure.add_axes((0.5, bottom, 0.2, 0.42))
        title = "reconstruction − input" if row == 0 else ""
        first = parts.image(axes, residual[row], title, cmap=RESIDUAL, vmin=-1)
        axes = figure.add_axes((0.76, bottom, 0.2, 0.42))
        second = parts.image(axes, dissimilarity[row] / 2, "1 − SSIM" if row == 0 else "", "magma")
    figure.colorbar(first, cax=figure.add_axes((0.71, 0.03, 0.01, 0.91)), ticks=[-1, 0, 1])
    bar = figure.colorbar(second, cax=figure.add_axes((0.965, 0.03, 0.01, 0.91)), ticks=[0, 0.5, 1])
    bar.set_ticklabels(["0", "1", "2"])
    clean, spoiled = errors
    changed = np.abs(x[1] - x[0]) > 0.02
    if changed.any() and not changed.all():
        figure.axes[4].contour(changed, [0.5], colors=SECOND, linewidths=1)
    verdict = "rises" if spoiled > clean else "falls" if spoiled < clean else "stays the same"
    return (
        f"{what}: the mean absolute error {verdict}, from {clean:.4f} to {spoiled:.4f}; "
        f"1 − SSIM is {dissimilarity[0].mean():.3f} on average before and "
        f"{dissimilarity[1].mean():.3f} after. {changed.mean():.1%} of the pixels changed."
    )
