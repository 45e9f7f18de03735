"""Explorables about a latent variable in one dimension."""

import numpy as np
from scipy.stats import norm

from helpers import plotting
from helpers.explorables.page import Explorable
from helpers.plotting.style import legend_beside

GRID = np.linspace(-4, 4, 401)


def elbo(x=1.0, noise=0.7, *, mu=0.0, sigma=1.0):
    """Move a Gaussian q over the posterior: ELBO and KL add up to log p(x). -> Explorable

    The model: z is standard normal, x is normal around decoder(z) with standard deviation noise.
    x : the observation; mu, sigma : of q at first
    """
    log_joint = norm.logpdf(GRID) + norm.logpdf(x, decoder(GRID), noise)
    log_evidence = np.log(np.trapezoid(np.exp(log_joint), GRID))
    posterior = np.exp(log_joint - log_evidence)
    figure, axis = plotting.new_figure(7, 2.6)
    axis.fill_between(GRID, posterior, color=plotting.NORMAL, alpha=0.3, label="posterior p(z | x)")
    axis.plot(GRID, norm.pdf(GRID, mu, sigma), color=plotting.SECOND, label="q(z)")
    axis.set(xlabel="latent variable z", ylabel="density")
    legend_beside(axis)
    alt = (
        f"The posterior of z, highest at {GRID[posterior.argmax()]:.1f}, and q, a Gaussian with "
        f"mean {mu:.1f} and standard deviation {sigma:.1f}. log p(x) is {log_evidence:.2f} nats."
    )
    data = {"z": GRID, "log_joint": log_joint, "mu": mu, "sigma": sigma}
    data |= {"worst": log_evidence - 10, "ticks": [-4, -2, 0, 2, 4]}
    return Explorable("elbo", "ELBO and KL divergence of a Gaussian q", data, figure, alt)


def decoder(z):
    """A decoder from one number to one number that saturates at both ends."""
    return 2 * np.tanh(z)


def elbo_parts(mu, sigma, log_joint, z=GRID):
    """(elbo, kl, log_evidence) of a Gaussian q on a grid, in nats; q is cut off at its ends."""
    step = z[1] - z[0]
    log_q = norm.logpdf(z, mu, sigma)
    log_q -= np.log(np.exp(log_q).sum() * step)
    log_evidence = np.log(np.exp(log_joint).sum() * step)
    elbo = np.sum(np.exp(log_q) * (log_joint - log_q)) * step
    return elbo, log_evidence - elbo, log_evidence
