import numpy as np
import pytest
import torch
from made_up import CLASSES, IMAGES, LABELS

from helpers.training import as_input
from helpers.widgets.latent import latent_explorer, latent_path


def test_the_path_leads_from_one_reconstruction_to_the_other_and_the_blend_between_pictures(model):
    x = as_input(IMAGES[:2])
    path, blend = latent_path(model, x)
    with torch.no_grad():
        torch.testing.assert_close(path[[0, -1]], model(x)[:, 0])
        middle = model.decode(model.encode(x).mean(dim=0, keepdim=True))[0, 0]
    torch.testing.assert_close(path[len(path) // 2], middle)
    torch.testing.assert_close(blend[[0, -1]], x[:, 0])
    torch.testing.assert_close(blend[len(blend) // 2], x[:, 0].mean(dim=0))


def test_t_moves_the_pictures_shown(model):
    explorer = latent_explorer(model, IMAGES, LABELS, CLASSES)
    path, blend = latent_path(model, as_input(IMAGES[[0, 15]]))  # first 2, first 7
    for t, k in ((0.0, 0), (0.25, 5), (1.0, -1)):
        explorer.controls["t"].value = t
        shown = [axes.images[0].get_array() for axes in explorer.figure.axes[:4]]
        for picture, expected in zip(shown, (blend[0], path[k], blend[k], blend[-1]), strict=True):
            np.testing.assert_allclose(picture, expected, atol=1e-6)
        assert f"From 2 to 7, t = {t:.2f}" in explorer.text


def test_any_picture_of_any_class_can_be_picked(model):
    explorer = latent_explorer(model, IMAGES, LABELS, CLASSES)
    controls = explorer.controls
    assert [name for name, _ in controls["to_class"].options] == ["2", "5", "7"]
    controls["to_which"].value = 14  # the last 7
    controls["to_class"].value = 2
    assert controls["to_which"].max == 4  # there are five 2s
    shown = explorer.figure.axes[3].images[0].get_array()
    np.testing.assert_allclose(shown, IMAGES[4, 0] / 255, atol=1e-6)


def test_pictures_that_are_not_uint8_are_refused(model):
    with pytest.raises(ValueError, match=r"must be uint8 \(N, 1, H, W\).*float64"):
        latent_explorer(model, IMAGES / 255, LABELS, CLASSES)


def test_the_model_keeps_its_mode_and_gets_no_gradient(model):
    model.train()
    latent_explorer(model, IMAGES, LABELS, CLASSES)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
