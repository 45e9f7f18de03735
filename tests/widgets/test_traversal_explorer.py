import numpy as np
import pytest
import torch
from made_up import CLASSES, IMAGES, LABELS
from matplotlib.figure import Figure

from helpers.losses import kl_divergence
from helpers.training import as_input
from helpers.widgets.traversal import (
    VALUES,
    by_kl,
    draw_traversal,
    kl_per_latent,
    traversal_explorer,
    traverse,
)


def test_the_kl_of_the_latents_adds_up_to_that_of_the_picture(vae):
    kl = kl_per_latent(vae, IMAGES)
    with torch.no_grad():
        mu, logvar = vae.encode(as_input(IMAGES))
        assert kl.sum() == pytest.approx(kl_divergence(mu, logvar).mean().item(), rel=1e-5)
        third = kl_divergence(mu[:, 2:3], logvar[:, 2:3]).mean().item()
    assert kl[2] == pytest.approx(third, rel=1e-5)


def test_latents_are_ordered_by_kl_and_a_collapsed_vae_has_an_order_too():
    assert by_kl(np.array([0.1, 3.0, 0.0, 1.0])).tolist() == [1, 3, 0, 2]
    assert by_kl(np.zeros(5)).tolist() == [0, 1, 2, 3, 4]


def test_the_traversal_moves_one_latent_and_leaves_the_others(vae):
    x = as_input(IMAGES[:1])
    x_hat, path, own = traverse(vae, x, latent=1)
    with torch.no_grad():
        mu, _ = vae.encode(x)
        torch.testing.assert_close(x_hat, vae.decode(mu)[0, 0])
        assert own == pytest.approx(mu[0, 1].item())
        for value, picture in zip(VALUES, path, strict=True):
            mu[0, 1] = value
            torch.testing.assert_close(picture, vae.decode(mu)[0, 0])


def test_picture_latent_and_value_can_be_chosen(vae):
    explorer = traversal_explorer(vae, IMAGES, LABELS, CLASSES)
    kl = kl_per_latent(vae, IMAGES)
    assert explorer.controls["rank"].max == 4
    for rank, value, k in ((1, 0.0, 6), (4, -3.0, 0), (2, 2.5, 11)):
        explorer.set(digit=7, which=3, rank=rank, value=value)
        latent = by_kl(kl)[rank - 1]
        x = as_input(IMAGES[[18]])
        x_hat, path, mu = traverse(vae, x, latent)
        shown = [axes.images[0].get_array() for axes in explorer.figure.axes[:3]]
        for picture, expected in zip(shown, (x[0, 0], x_hat, path[k]), strict=True):
            np.testing.assert_allclose(picture, expected, atol=1e-6)
        frame = explorer.figure.axes[4].patches[0]
        assert frame.get_x() == 28 * k - 0.5
        assert f"z[{latent}], number {rank} of 4 latents by KL: {kl[latent]:.3f} nats" in (
            explorer.text
        )
        assert f"mu = {mu:.2f} there; set to {value:g}," in explorer.text
        assert explorer.text.endswith(f"{((path[k] - x_hat) ** 2).mean():.4f}.")


def test_the_drawing_needs_no_widgets_and_says_when_a_latent_changes_nothing():
    figure, grey = Figure(), torch.full((28, 28), 0.5)
    text = draw_traversal(figure, grey, grey, grey.repeat(13, 1, 1), 3, 7.0, 0, np.zeros(2))
    assert "number 1 of 2 latents by KL: 0.000 nats" in text
    assert text.endswith("difference of 0.0000.")
    (mark,) = figure.axes[4].texts
    assert 0 <= mark.xy[0] <= 13 * 28  # on the strip, though mu = 7 lies beyond it


def test_the_vae_keeps_its_mode_and_the_picture_stays_the_same(vae):
    vae.train()
    explorer = traversal_explorer(vae, IMAGES, LABELS, CLASSES)
    before = explorer.text
    explorer._redraw()
    assert explorer.text == before
    assert vae.training
