import re

import numpy as np
import pytest
import torch
from made_up import IMAGES

from helpers.scores import absolute_error, ssim_residual
from helpers.training import as_input
from helpers.widgets import residual_explorer

CORRUPTIONS = {
    "darker": lambda images, severity: (images * (1 - severity)).astype(np.uint8),
    "one row": lambda images, severity: _one_row(images, severity),
}


def _one_row(images, severity):
    spoiled = images.copy()
    spoiled[:, :, 5] = np.uint8(255 * severity)
    return spoiled


def numbers(explorer):
    """Mean absolute error before and after, 1 - SSIM before and after, share of pixels changed."""
    return [float(x) for x in re.findall(r"\d+\.\d+", explorer.text.split(":", 1)[1])]


def test_numbers_are_those_of_the_clean_and_the_spoiled_picture(model):
    explorer = residual_explorer(model, IMAGES, CORRUPTIONS)
    explorer.set(which=4, severity=0.8)
    x = as_input(np.concatenate([IMAGES[[4]], CORRUPTIONS["darker"](IMAGES[[4]], 0.8)]))
    with torch.no_grad():
        x_hat = model(x)
    expected = [
        *absolute_error(x, x_hat).tolist(),
        *ssim_residual(x, x_hat).mean(dim=(1, 2, 3)).tolist(),
    ]
    assert numbers(explorer)[:4] == pytest.approx(expected, abs=6e-4)
    assert explorer.text.startswith("darker, severity 0.80:")


def test_changed_pixels_are_counted_and_outlined(model):
    explorer = residual_explorer(model, IMAGES, CORRUPTIONS)
    explorer.set(corruption="one row", severity=1.0)
    changed = np.abs(255.0 - IMAGES[0, 0, 5]) / 255 > 0.02
    assert numbers(explorer)[4] == pytest.approx(100 * changed.sum() / 28**2, abs=0.06)
    assert explorer.figure.axes[4].collections
    explorer.set(corruption="darker", severity=0.0)
    assert "stays the same" in explorer.text and numbers(explorer)[4] == 0
    assert not explorer.figure.axes[4].collections


def test_the_model_keeps_its_mode_and_gets_no_gradient(model):
    model.train()
    residual_explorer(model, IMAGES, CORRUPTIONS)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
