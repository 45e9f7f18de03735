"""A picture to be perturbed: its reconstruction, and where its score falls.

It needs the kernel: every state goes through the learner's own network and score.
"""

import math

import ipywidgets as widgets
import numpy as np
import torch
import torch.nn.functional as F

from helpers.explorables.scores import finite_scores
from helpers.plotting import RESIDUAL
from helpers.thresholds import conformal_p_values
from helpers.training import as_input, evaluating
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

SEEN = (
    "Three images: input, reconstruction, residual. Below, a histogram of the normal scores "
    "with the threshold and the score of this image as vertical lines."
)


def perturb_explorer(model, score, images, labels, threshold, normal_scores):
    """Perturb a picture and watch its reconstruction and where its score falls.

    model : autoencoder, (N, 1, H, W) -> the same
    score : score(x, x_hat) -> (N,)
    images, labels : uint8 (N, 1, H, W) and (N,)
    threshold : the picture is flagged when its score is above it
    normal_scores : (n,), of the calibration images, which also give the conformal p-value
    """
    images, labels = parts.pictures(images, labels)
    (normal,) = finite_scores(normal_scores=normal_scores)
    names = {int(c): str(c) for c in np.unique(labels)}
    digit, which, position = parts.picker(labels, names, "digit", min(names))
    side = images.shape[-1]
    sliders = {
        "rotation": parts.slider(widgets.IntSlider, 0, -180, 180, 5, "rotation (°)"),
        "shift": parts.slider(widgets.IntSlider, 0, -side // 2, side // 2, 1, "shift (px)"),
        "brightness": parts.slider(widgets.FloatSlider, 1.0, 0.0, 2.0, 0.05, "brightness"),
        "erased": parts.slider(widgets.IntSlider, 0, 0, side, 1, "erased (px)"),
        "noise": parts.slider(widgets.FloatSlider, 0.0, 0.0, 0.5, 0.02, "noise (σ)"),
    }

    def draw(figure, digit, which, **amounts):
        x = perturb(as_input(images[[position()]]), **amounts)
        with evaluating(model):
            x_hat = model(x)
            value = float(score(x, x_hat)[0])
        return draw_perturbed(figure, x[0, 0].cpu(), x_hat[0, 0].cpu(), value, threshold, normal)

    neutral = {name: slider.value for name, slider in sliders.items()}
    undo = widgets.Button(description="undo all", layout={"width": "auto"})
    rows = [parts.row([digit, which])]
    pairs = [*sliders.values(), undo]
    rows += [parts.row(pairs[i : i + 2]) for i in range(0, len(pairs), 2)]
    controls = {"digit": digit, "which": which, **sliders}
    explorer = Explorer(draw, controls, widgets.VBox(rows), size=(9.5, 5.2), alt=SEEN)
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
        parts.image(figure.add_axes((left, 0.48, 0.25, 0.46)), image, title)
    axes = figure.add_axes((0.66, 0.48, 0.25, 0.46))
    residual = parts.image(axes, x_hat - x, "reconstruction − input", cmap=RESIDUAL, vmin=-1)
    figure.colorbar(residual, cax=figure.add_axes((0.925, 0.48, 0.013, 0.46)), ticks=[-1, 0, 1])

    axes = figure.add_axes((0.07, 0.1, 0.9, 0.28))
    parts.histogram(axes, {"normal (calibration)": normal_scores}, threshold, mark=score)
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
