"""The pieces of the ELBO against PyTorch's distributions, autograd and a model known in full."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from helpers import losses
from helpers.losses import (
    bernoulli_log_likelihood,
    effective_beta,
    elbo,
    gaussian_log_likelihood,
    iwae_bound,
    monte_carlo_kl,
    reparameterize,
)


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def images(n=4, **kind):
    return torch.rand(n, 2, 3, 5, **kind)


# --- likelihoods --------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.1, 1.0, torch.tensor(2.5)])
def test_gaussian_is_the_sum_of_normal_densities(sigma):
    x, x_hat = images(), images()
    expected = Normal(x_hat, sigma).log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(gaussian_log_likelihood(x, x_hat, sigma), expected)


def test_the_most_likely_sigma_is_the_root_of_the_mean_squared_error():
    x, x_hat = images(dtype=torch.float64), images(dtype=torch.float64)
    sigma = (x - x_hat).square().mean().sqrt().requires_grad_()
    gaussian_log_likelihood(x, x_hat, sigma).sum().backward()
    assert sigma.grad == pytest.approx(0, abs=1e-9)


def test_bernoulli_is_the_sum_of_coin_probabilities():
    x, logits = images().round(), 4 * torch.randn(4, 2, 3, 5)
    expected = Bernoulli(logits=logits).log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(bernoulli_log_likelihood(x, logits), expected)


def test_bernoulli_probabilities_of_all_pictures_add_up_to_one():
    pictures = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6).view(64, 1, 2, 3)
    log_p = bernoulli_log_likelihood(pictures, torch.randn(1, 1, 2, 3).expand(64, -1, -1, -1))
    assert log_p.exp().sum().item() == pytest.approx(1, rel=1e-5)


def test_bernoulli_of_certain_pixels_is_finite():
    x, logits = torch.tensor([1.0, 0.0]).view(2, 1, 1, 1), torch.full((2, 1, 1, 1), 200.0)
    assert bernoulli_log_likelihood(x, logits).tolist() == [0, -200]


@pytest.mark.parametrize("pixels", [[0.0, 255.0], [-1.0, 1.0], [0.5, float("nan")]])
def test_bernoulli_refuses_pixels_that_are_no_share_of_ink(pixels):
    x = torch.tensor(pixels).view(1, 1, 1, 2)
    with pytest.raises(ValueError, match="from 0 to 1; it has some from"):
        bernoulli_log_likelihood(x, torch.zeros(1, 1, 1, 2))
    with pytest.raises(ValueError, match=r"to 1\.00001"):
        bernoulli_log_likelihood(torch.full((1, 1, 1, 2), 1.00001), torch.zeros(1, 1, 1, 2))


# --- the latent ---------------------------------------------------------------------------------

latents = st.integers(1, 5).flatmap(
    lambda d: st.tuples(*[st.lists(st.floats(-3, 3), min_size=d, max_size=d)] * 2)
)


@given(latents)
def test_kl_is_that_of_torch_and_never_negative(pair):
    mu, logvar = (torch.tensor([p], dtype=torch.float64) for p in pair)
    seen = losses.kl_divergence(mu, logvar)
    expected = kl_divergence(Normal(mu, torch.exp(logvar / 2)), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(seen, expected)
    assert seen >= -1e-12


def test_monte_carlo_kl_covers_the_kl_about_as_often_as_its_error_says():
    mu, logvar = torch.randn(2000, 3), torch.randn(2000, 3)
    mean, error = monte_carlo_kl(mu, logvar, samples=200)
    off = (mean - losses.kl_divergence(mu, logvar)) / error
    assert 0.92 < (off.abs() < 1.96).float().mean() < 0.97
    assert abs(off.mean()) < 0.2


def test_reparameterize_draws_the_stated_gaussian():
    mu, logvar = torch.tensor([[1.0, -2.0]]), torch.tensor([[4.0, 0.09]]).log()
    z = reparameterize(mu.expand(50_000, 2), logvar.expand(50_000, 2))
    torch.testing.assert_close(z.mean(0), mu[0], atol=0.08, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.diag(logvar.exp()[0]), atol=0.2, rtol=0)
    inside = ((z - mu).abs() < torch.exp(logvar / 2)).float().mean(0)
    torch.testing.assert_close(inside, torch.full((2,), 0.6827), atol=0.02, rtol=0)


def test_reparameterized_gradient_is_that_of_the_expectation():
    # E[z²] = mu² + sigma², so its gradients are 2·mu and sigma²
    mu, logvar = torch.tensor(1.5).requires_grad_(), torch.tensor(0.25).log().requires_grad_()
    z = reparameterize(mu.expand(200_000, 1), logvar.expand(200_000, 1))
    z.square().mean().backward()
    assert mu.grad == pytest.approx(3.0, abs=0.03)
    assert logvar.grad == pytest.approx(0.25, abs=0.03)


# --- bounds on a model known in full ------------------------------------------------------------


class LinearGaussian:
    """z ~ N(0, 1), x given z ~ N(w·z, sigma²): log p(x) and the true posterior in closed form."""

    sigma = 0.5

    def __init__(self, pixels=4, n=3):
        self.w = torch.randn(pixels, dtype=torch.float64)
        self.x = 2 * torch.randn(n, pixels, dtype=torch.float64)
        precision = 1 + self.w @ self.w / self.sigma**2
        self.posterior = (
            (self.x @ self.w / self.sigma**2 / precision).unsqueeze(1),
            -precision.log().expand(n, 1),
        )

    def evidence(self):
        cov = torch.outer(self.w, self.w) + self.sigma**2 * torch.eye(len(self.w))
        return MultivariateNormal(torch.zeros_like(self.w), cov).log_prob(self.x)

    def likelihood(self, z):
        """(draws·N, 1) -> (draws, N)"""
        x_hat = (z * self.w).view(-1, *self.x.shape)
        x, x_hat = (t.flatten(0, 1)[:, None, None] for t in (self.x.expand_as(x_hat), x_hat))
        return gaussian_log_likelihood(x, x_hat, self.sigma).view(-1, len(self.x))

    def log_w(self, mu, logvar, draws):
        """log p(x, z) - log q(z given x). -> (draws, N)"""
        mu, logvar = mu.repeat(draws, 1), logvar.repeat(draws, 1)
        z = reparameterize(mu, logvar)
        log_ratio = Normal(0.0, 1.0).log_prob(z) - Normal(mu, torch.exp(logvar / 2)).log_prob(z)
        return self.likelihood(z) + log_ratio.view(draws, -1)


def test_with_the_true_posterior_every_draw_gives_the_evidence():
    model = LinearGaussian()
    log_w = model.log_w(*model.posterior, draws=5)
    torch.testing.assert_close(log_w, model.evidence().expand(5, -1))
    torch.testing.assert_close(iwae_bound(log_w), model.evidence())


def test_elbo_is_below_iwae_which_rises_to_the_evidence():
    model = LinearGaussian()
    mu, logvar = model.posterior
    mu, logvar = mu + 0.3, logvar + 0.7  # near the posterior, not on it
    log_w = model.log_w(mu, logvar, draws=150_000)
    bounds = [iwae_bound(log_w.view(k, -1, 3).flatten(1)).view(-1, 3) for k in (1, 5, 50)]
    means = [b.mean(0) for b in bounds] + [model.evidence()]
    errors = [b.std(0) / len(b) ** 0.5 for b in bounds]
    for lower, higher, error in zip(means, means[1:], errors, strict=False):
        assert (higher - lower > 4 * error).all()


def test_the_gap_of_the_elbo_is_the_kl_to_the_true_posterior():
    model = LinearGaussian()
    mu, logvar = (p + 0.5 for p in model.posterior)
    z_error = model.w @ model.w * logvar.exp().squeeze(1) / (2 * model.sigma**2)
    likelihood = model.likelihood(mu)[0] - z_error  # its expectation over q
    gap = model.evidence() - elbo(likelihood, losses.kl_divergence(mu, logvar))
    q, p = (Normal(m, torch.exp(v / 2)) for m, v in ((mu, logvar), model.posterior))
    torch.testing.assert_close(gap, kl_divergence(q, p).squeeze(1))


@pytest.mark.parametrize("level", [-800.0, 800.0])
def test_iwae_stays_in_the_log_domain(level):
    log_w = torch.tensor([[0.0], [math.log(3)]]) + level
    assert iwae_bound(log_w).item() == pytest.approx(level + math.log(2))


# --- units --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["sum", "mean"])
@pytest.mark.parametrize("kl", ["sum", "mean"])
def test_effective_beta_makes_the_loss_a_multiple_of_the_negative_elbo(error, kl):
    batch, pixels, d, kl_weight, sigma = 4, 30, 3, 2.0, 0.7
    beta = effective_beta(batch, pixels, d, error=error, kl=kl, kl_weight=kl_weight, sigma=sigma)
    x = images(dtype=torch.float64)

    def gradient(loss):
        torch.manual_seed(1)
        x_hat, mu = torch.rand_like(x).requires_grad_(), torch.randn(batch, d).double()
        loss(x_hat, mu.requires_grad_()).backward()
        return torch.cat([x_hat.grad.flatten(), mu.grad.flatten()])

    def loss(x_hat, mu):
        one_kl = losses.kl_divergence(mu, torch.zeros_like(mu))
        mean_or_sum = one_kl.sum() / (batch * d if kl == "mean" else 1)
        return getattr((x_hat - x).square(), error)() + kl_weight * mean_or_sum

    def negative_elbo(x_hat, mu):
        one_kl = losses.kl_divergence(mu, torch.zeros_like(mu))
        return -elbo(gaussian_log_likelihood(x, x_hat, sigma), one_kl, beta).sum()

    ratio = gradient(loss) / gradient(negative_elbo)
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio))
