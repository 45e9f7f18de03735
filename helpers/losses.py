"""What a variational autoencoder maximises, piece by piece: in nats, one value for each image.

A NaN or infinite pixel makes the value of its own image NaN or infinite, and no other's.
"""

import math

import torch
import torch.nn.functional as F

from helpers.arrays import number, one_of, reads, spread, tensor, whole

ANY = tensor("float codes of any shape", least_ndim=0)
CODES = tensor("codes (N, d)")
SURE = tensor("finite codes (N, d)", ndim=2, finite=True)
ONE_EACH = tensor("one number for each image, shape (N,)", least_ndim=0)


def reparameterize(mu, logvar):
    """Draw z ~ N(mu, exp(logvar)) so that gradients reach mu and logvar. (N, d), (N, d) -> (N, d)

    z = mu + sigma·epsilon with epsilon ~ N(0, 1)   [Kingma and Welling, arXiv 1312.6114]
    """
    sigma = torch.exp(0.5 * logvar)
    return mu + sigma * torch.randn_like(mu)


reparameterize = reads(reparameterize, mu=ANY, logvar=ANY, alike=("mu", "logvar"))


def kl_divergence(mu, logvar):
    """KL(N(mu, sigma²) ‖ N(0, 1)) in nats, summed over latents. (N, d), (N, d) -> (N,)"""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1)


kl_divergence = reads(kl_divergence, mu=CODES, logvar=CODES, alike=("mu", "logvar"))


def monte_carlo_kl(mu, logvar, samples):
    """The same KL from `samples` draws of z. (N, d), (N, d) -> mean (N,), its standard error (N,)

    The mean of log q(z given x) - log p(z) over z ~ q; sigma of the mean is std / sqrt(samples).
    """
    q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
    p = torch.distributions.Normal(torch.zeros_like(mu), 1.0)
    z = q.sample((samples,))  # (samples, N, d)
    log_ratio = (q.log_prob(z) - p.log_prob(z)).sum(dim=2)
    return log_ratio.mean(dim=0), log_ratio.std(dim=0) / samples**0.5


def _spread_in_range(logvar, **_):
    sigma = torch.exp(0.5 * logvar)
    if not ((sigma > 0) & torch.isfinite(sigma)).all():
        return f"exp(logvar) leaves the range of {logvar.dtype}; logvar goes to {logvar.max():.3g}"


monte_carlo_kl = reads(
    monte_carlo_kl,
    mu=SURE,
    logvar=SURE,
    samples=whole(2),
    alike=("mu", "logvar"),
    check=_spread_in_range,
)


def gaussian_log_likelihood(x, x_hat, sigma=1.0):
    """log N(x; x_hat, sigma²) in nats, summed over pixels. (N, C, H, W) and the same -> (N,)"""
    variance = torch.as_tensor(sigma, dtype=x.dtype, device=x.device) ** 2
    per_pixel = -0.5 * ((x - x_hat) ** 2 / variance + torch.log(2 * math.pi * variance))
    return per_pixel.flatten(start_dim=1).sum(dim=1)


gaussian_log_likelihood = reads(
    gaussian_log_likelihood, sigma=spread(), x=tensor(), x_hat=tensor(), alike=("x", "x_hat")
)


def bernoulli_log_likelihood(x, logits):
    """log p(x) of pixels that are 1 with probability sigmoid(logits). (N, C, H, W) twice -> (N,)

    Nats, summed over pixels. Computed from the logits, since log(sigmoid(-200)) would be -inf.
    """
    of_pixels = -F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    return of_pixels.flatten(start_dim=1).sum(dim=1)


def _shares_of_ink(x, logits):
    """Beyond 0 and 1 the formula gives numbers that are no probabilities."""
    low, high = torch.stack(torch.aminmax(x.detach())).tolist() if x.numel() else (0, 1)
    if not (low >= -1e-6 and high <= 1 + 1e-6):  # NaN is neither
        return f"x should hold pixels from 0 to 1; it has some from {low:.6g} to {high:.6g}"


bernoulli_log_likelihood = reads(
    bernoulli_log_likelihood,
    x=tensor(),
    logits=tensor(),
    alike=("x", "logits"),
    check=_shares_of_ink,
)


def elbo(log_likelihood, kl, beta=1.0):
    """Evidence lower bound of each image in nats: log-likelihood - beta·KL. (N,), (N,) -> (N,)"""
    return log_likelihood - beta * kl


elbo = reads(
    elbo,
    log_likelihood=ONE_EACH,
    kl=ONE_EACH,
    beta=number("a number"),
    alike=("log_likelihood", "kl"),
)


def elbo_terms(vae, x):
    """log p(x given z) for one draw of z, and the KL, in nats. (N, 1, 28, 28) -> (N,), (N,)

    Pixels are Bernoulli. A grey value in [0, 1] counts as the share of ink in it: the result is the
    mean over all ways to draw the image in black and white.
    """
    mu, logvar = vae.encode(x)
    logits = vae.decoder(reparameterize(mu, logvar))
    return bernoulli_log_likelihood(x, logits), kl_divergence(mu, logvar)


elbo_terms = reads(elbo_terms, x=tensor(), model="vae")


def log_weights(vae, x, samples):
    """log p(x, z) - log q(z given x) of several draws of z, for `iwae_bound`. -> (samples, N)

    (N, 1, 28, 28), Bernoulli pixels. The mean over the draws estimates the ELBO.
    """
    mu, logvar = vae.encode(x)
    q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
    prior = torch.distributions.Normal(0.0, 1.0)
    rows = []
    for _ in range(samples):
        z = q.rsample()
        log_ratio = (prior.log_prob(z) - q.log_prob(z)).sum(dim=1)
        rows.append(bernoulli_log_likelihood(x, vae.decoder(z)) + log_ratio)
    return torch.stack(rows)


log_weights = reads(log_weights, x=tensor(), samples=whole(1), model="vae")


def iwae_bound(log_w):
    """Importance-weighted bound of each image in nats. (K, N) -> (N,)

    log (1/K · sum of w), with log_w = log p(x, z) - log q(z given x) of K draws; summed in the
    log domain, where nothing overflows   [Burda et al., arXiv 1509.00519]
    """
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))


iwae_bound = reads(
    iwae_bound, log_w=tensor("log-weights (K, N), K at least 1", least_ndim=1, rows=1)
)


def effective_beta(
    batch_size, pixels, latent_dim, *, error="mean", kl="sum", kl_weight=1.0, sigma=1.0
):
    """The beta of a loss "squared error + kl_weight·KL", for pixels of standard deviation sigma.

    error : "sum" or "mean" of the squared error over batch and pixels
    kl : "sum" or "mean" of the KL over batch and latents
    """
    one_error = 1 / (batch_size * pixels) if error == "mean" else 1.0  # weight of one image's error
    one_kl = kl_weight / (batch_size * latent_dim) if kl == "mean" else kl_weight
    # in nats an image's squared error counts 1 / (2·sigma²)
    return one_kl / (2 * sigma**2 * one_error)


effective_beta = reads(
    effective_beta,
    batch_size=whole(1),
    pixels=whole(1),
    latent_dim=whole(1),
    error=one_of("sum", "mean"),
    kl=one_of("sum", "mean"),
    kl_weight=number("a number"),
    sigma=number("a spread above 0", above=0),
)
