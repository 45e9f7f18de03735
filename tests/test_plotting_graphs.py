import numpy as np
import pytest
import torch

from helpers.models import ConvVAE
from helpers.plotting import graphs


def test_the_graph_shows_the_shapes_that_the_network_gives():
    figure = graphs.vae_graph(ConvVAE(latent_dim=7), (1, 28, 28))
    text = "\n".join(t.get_text() for t in figure.axes[0].texts)
    for shown in ("x\n1×28×28", "mu\n7", "Linear → 14", "Conv2d → 8×14×14, ReLU", "Linear → 784"):
        assert shown in text


def test_the_area_is_the_kl_divergence():
    """The curve that is drawn integrates to the closed form."""
    figure = graphs.kl_area(1.0, 0.6)
    z, curve = figure.axes[1].lines[0].get_data()
    exact = 0.5 * (1 + 0.36 - 1 - np.log(0.36))
    assert np.trapezoid(curve, z) == pytest.approx(exact, abs=2e-3)


def test_jensens_gap_is_marked_between_both_orders():
    figure = graphs.jensen(0.5, 2.0)
    gap = next(line for line in figure.axes[0].lines if line.get_label() == "the gap")
    assert sorted(gap.get_ydata()) == pytest.approx([0, np.log(1.25)])


def test_nats_are_shown_as_they_are():
    nats = torch.zeros(2, 1, 4, 4)
    nats[1, 0, 2, 3] = 5.0
    figure = graphs.nats_maps(np.zeros((2, 1, 4, 4), np.uint8), nats)
    assert figure.axes[3].images[0].get_array()[2, 3] == pytest.approx(5.0, rel=0.1)
