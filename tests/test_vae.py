"""The VAE of module 2, what its codes carry, its score, and the split that it is trained on."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from helpers.datasets.splits import hold_one_out
from helpers.latent import active_units
from helpers.losses import elbo, gaussian_log_likelihood, kl_divergence
from helpers.models import ConvVAE
from helpers.scores import reconstruction_probability


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def x():
    return torch.rand(3, 1, 28, 28)


@torch.no_grad()
def test_vae_draws_in_training_mode_and_decodes_mu_in_eval_mode(x):
    vae = ConvVAE(5)
    first, second = vae(x), vae(x)
    assert not torch.equal(first[0], second[0])
    for part, code in zip(first[1:], vae.encode(x), strict=True):
        assert part.shape == (3, 5) and torch.equal(part, code)
    vae.eval()
    assert torch.equal(vae(x)[0], vae.decode(vae.encode(x)[0]))


@torch.no_grad()
def test_vae_decoder_gives_the_logits_of_decode():
    vae, z = ConvVAE(5).double(), torch.randn(9, 5).double()
    assert vae.decoder(z).shape == (9, 1, 28, 28)
    torch.testing.assert_close(torch.logit(vae.decode(z)), vae.decoder(z))


def test_every_weight_of_the_vae_takes_part_in_the_elbo(x):
    vae = ConvVAE(5)
    x_hat, mu, logvar = vae(x)
    elbo(gaussian_log_likelihood(x, x_hat), kl_divergence(mu, logvar)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in vae.parameters())


def test_active_units_are_those_with_variance_over_the_pictures():
    spread = torch.tensor([0.0, 0.05, 0.2, 3.0])
    mu = 7 + spread * torch.randn(2000, 4)
    assert active_units(mu) == 2
    assert active_units(mu, threshold=1.0) == 1
    assert active_units(mu[:, :1], threshold=0.0) == 0


class OnePixel(nn.Module):
    """mu is the pixel, sigma of z is 0.5; x_hat = 2·z."""

    sigma = 0.8

    def encode(self, x):
        mu = x.flatten(1)
        return mu, torch.full_like(mu, 0.25).log()

    def decode(self, z):
        return 2 * z.view(-1, 1, 1, 1)


def test_reconstruction_probability_tends_to_its_expectation():
    # x - 2·z is N(-x, (2·0.5)²), so its expected square is x² + 1
    x = torch.tensor([0.0, 1.0, 3.0])
    expected = (x**2 + 1) / (2 * 0.8**2) + 0.5 * np.log(2 * np.pi * 0.8**2)
    seen = reconstruction_probability(OnePixel(), x.repeat(5000).view(-1, 1, 1, 1)).view(-1, 3)
    torch.testing.assert_close(seen.mean(0), expected, atol=0.1, rtol=0)


def test_more_samples_make_the_reconstruction_probability_steadier():
    x = torch.ones(4000, 1, 1, 1)
    few, many = (reconstruction_probability(OnePixel(), x, k).std() for k in (1, 16))
    assert few / many == pytest.approx(4, rel=0.2)


def test_held_out_digit_is_nowhere_and_every_other_picture_in_one_part():
    labels = np.random.default_rng(0).integers(0, 10, 1000)
    for digit in range(10):
        train, calibration = hold_one_out(labels, digit)
        together = np.concatenate([train, calibration])
        assert sorted(together) == np.flatnonzero(labels != digit).tolist()
        assert len(calibration) == int((labels != digit).sum() / 6)


def test_hold_one_out_is_seeded_and_mixes_a_sorted_file():
    labels = np.repeat(np.arange(10), 60)
    first, again, other = (hold_one_out(labels, 4, seed=s)[1] for s in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert set(labels[first]) == set(range(10)) - {4}


def test_hold_one_out_takes_a_list_and_labels_that_are_there():
    labels = np.repeat(np.arange(10), 60)
    for given in (labels.tolist(), tuple(labels), pd.Series(labels)):
        for part, same in zip(hold_one_out(given, 2), hold_one_out(labels, 2), strict=True):
            assert np.array_equal(part, same)
    assert len(hold_one_out(["cat", "dog", "cat"], "dog", 0.5)[0]) == 1
    for absent in (77, [2], None):
        with pytest.raises(ValueError, match=r"hold_one_out: no image has the label .*are 0, 1, 2"):
            hold_one_out(labels, absent)
    with pytest.raises(ValueError, match=r"label '2'.*; classes.index\(name\) gives the number"):
        hold_one_out(labels, "2")
    with pytest.raises(ValueError, match=r"300, 301, .* 309 and 290 more$"):
        hold_one_out(np.arange(300, 600), 2)
    with pytest.raises(ValueError, match=r"one for each image.*\(600, 1\)"):
        hold_one_out(labels[:, None], 2)


@pytest.mark.parametrize("share", [20, 1.01, -0.1, np.nan, "0.2", None])
def test_hold_one_out_refuses_what_is_no_share(share):
    with pytest.raises(ValueError, match=r"calibration_share should be .* from 0 to 1 .*; got "):
        hold_one_out(np.arange(10), 2, share)
