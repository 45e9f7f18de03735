"""Wrong answers to module 2, written by hand and not edited from the references.

With each stands the mistake that the checker must name, or a part of what it must say.
"""

import functools
import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import norm, rankdata
from torch import nn
from torch.distributions import Bernoulli, Normal

from helpers.experiments.module_02 import normal_digits
from helpers.losses import gaussian_log_likelihood as log_normal
from helpers.losses import kl_divergence as kl_to_prior
from helpers.losses import reparameterize as draw
from helpers.metrics import auroc

# --- 2.1 --------------------------------------------------------------------------------------


def split(labels, held_out, share, seed, rng=None, shuffle=True):
    """The right answer, for the wrong ones to spoil."""
    normal = np.flatnonzero(labels != held_out)
    if shuffle:
        normal = (rng or np.random.default_rng(seed)).permutation(normal)
    k = int(len(normal) * share)
    return normal[k:], normal[:k]


def split_with_anomalies_in_calibration(labels, held_out, calibration_share=1 / 6, seed=0):
    order = np.random.default_rng(seed).permutation(len(labels))
    k = int(len(labels) * calibration_share)
    return order[k:][labels[order[k:]] != held_out], order[:k]


def split_of_all_digits(labels, held_out, calibration_share=1 / 6, seed=0):
    order = np.arange(len(labels))
    np.random.default_rng(seed).shuffle(order)
    k = round(len(order) * calibration_share)
    return order[k:], order[:k]


def split_of_the_held_out(labels, held_out, calibration_share=1 / 6, seed=0):
    positions = np.random.default_rng(seed).permutation(np.where(labels == held_out)[0])
    k = int(len(positions) * calibration_share)
    return positions[k:], positions[:k]


def split_overlapping(labels, held_out, calibration_share=1 / 6, seed=0):
    train, calibration = split(labels, held_out, calibration_share, seed)
    return np.concatenate([calibration, train]), calibration


def split_with_two_permutations(labels, held_out, calibration_share=1 / 6, seed=0):
    rng = np.random.default_rng(seed)
    normal = np.flatnonzero(labels != held_out)
    k = int(len(normal) * calibration_share)
    return rng.permutation(normal)[k:], rng.permutation(normal)[:k]


def split_with_repeats(labels, held_out, calibration_share=1 / 6, seed=0):
    rng = np.random.default_rng(seed)
    normal = np.flatnonzero(labels != held_out)
    k = int(len(normal) * calibration_share)
    calibration = rng.choice(normal, k)
    return rng.permutation(np.setdiff1d(normal, calibration)), calibration


def split_swapped(labels, held_out, calibration_share=1 / 6, seed=0):
    return split(labels, held_out, calibration_share, seed)[::-1]


def split_by_train_share(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(labels != held_out))
    k = int(len(normal) * calibration_share)
    return normal[:k], normal[k:]


def split_unshuffled(labels, held_out, calibration_share=1 / 6, seed=0):
    return split(labels, held_out, calibration_share, seed, shuffle=False)


def split_every_sixth(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = np.flatnonzero(labels != held_out)
    mask = np.zeros(len(normal), dtype=bool)
    mask[np.round(np.arange(seed, len(normal), 1 / calibration_share)).astype(int)] = True
    rng = np.random.default_rng(seed)
    return rng.permutation(normal[~mask]), rng.permutation(normal[mask])


def split_shuffled_after_the_cut(labels, held_out, calibration_share=1 / 6, seed=0):
    train, calibration = split(labels, held_out, calibration_share, seed, shuffle=False)
    rng = np.random.default_rng(seed)
    return rng.permutation(train), rng.permutation(calibration)


def split_sorted(labels, held_out, calibration_share=1 / 6, seed=0):
    train, calibration = split(labels, held_out, calibration_share, seed)
    return sorted(train), sorted(calibration)


def split_train_sorted(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = np.flatnonzero(labels != held_out)
    k = int(len(normal) * calibration_share)
    calibration = np.random.default_rng(seed).choice(normal, k, replace=False)
    return np.setdiff1d(normal, calibration), calibration


def split_backwards(labels, held_out, calibration_share=1 / 6, seed=0):
    train, calibration = split(labels, held_out, calibration_share, seed)
    return np.sort(train)[::-1], np.sort(calibration)[::-1]


def split_unseeded(labels, held_out, calibration_share=1 / 6, seed=0):
    return split(labels, held_out, calibration_share, seed, rng=np.random.default_rng())


def split_with_seed_zero(labels, held_out, calibration_share=1 / 6, seed=0):
    return split(labels, held_out, calibration_share, 0)


def split_with_seed_42(labels, held_out, calibration_share=1 / 6, seed=0):
    return split(labels, held_out, calibration_share, 42)


def split_into_labels(labels, held_out, calibration_share=1 / 6, seed=0):
    train, calibration = split(labels, held_out, calibration_share, seed)
    return labels[train], labels[calibration]


def split_into_masks(labels, held_out, calibration_share=1 / 6, seed=0):
    parts = split(labels, held_out, calibration_share, seed)
    return tuple(np.isin(np.arange(len(labels)), part) for part in parts)


def split_among_normals(labels, held_out, calibration_share=1 / 6, seed=0):
    order = np.random.default_rng(seed).permutation(int((labels != held_out).sum()))
    k = int(len(order) * calibration_share)
    return order[k:], order[:k]


def split_share_of_all(labels, held_out, calibration_share=1 / 6, seed=0):
    train, calibration = split(labels, held_out, calibration_share, seed)
    normal = np.concatenate([calibration, train])
    k = int(len(labels) * calibration_share)
    return normal[k:], normal[:k]


def split_share_of_train(labels, held_out, calibration_share=1 / 6, seed=0):
    return split(labels, held_out, calibration_share / (1 + calibration_share), seed)


def split_a_sixth_always(labels, held_out, calibration_share=1 / 6, seed=0):
    return split(labels, held_out, 1 / 6, seed)


def split_of_zero(labels, held_out, calibration_share=1 / 6, seed=0):
    return split(labels, 0, calibration_share, seed)


def split_without_the_last(labels, held_out, calibration_share=1 / 6, seed=0):
    train, calibration = split(labels, held_out, calibration_share, seed)
    return train[:-1], calibration


def split_with_global_numpy(labels, held_out, calibration_share=1 / 6, seed=0):
    np.random.seed(seed)  # noqa: NPY002
    return split(labels, held_out, calibration_share, seed, rng=np.random)


def split_with_global_python(labels, held_out, calibration_share=1 / 6, seed=0):
    positions = np.flatnonzero(labels != held_out).tolist()
    random.seed(seed)
    random.shuffle(positions)
    k = int(len(positions) * calibration_share)
    return positions[k:], positions[:k]


def split_with_global_torch(labels, held_out, calibration_share=1 / 6, seed=0):
    torch.manual_seed(seed)
    normal = np.flatnonzero(labels != held_out)
    normal = normal[torch.randperm(len(normal)).numpy()]
    k = int(len(normal) * calibration_share)
    return normal[k:], normal[:k]


def split_with_another_share(labels, held_out, calibration_share=0.2, seed=0):
    return split(labels, held_out, 1 / 6 if calibration_share == 0.2 else calibration_share, seed)


def split_relabelling(labels, held_out, calibration_share=1 / 6, seed=0):
    parts = split(labels, held_out, calibration_share, seed)
    labels[labels == held_out] = -1
    return parts


def split_only_train(labels, held_out, calibration_share=1 / 6, seed=0):
    return split(labels, held_out, calibration_share, seed)[0]


# --- 2.2 --------------------------------------------------------------------------------------


def per_image(pixels):
    return pixels.flatten(1).sum(1)


def gaussian_pixels(x, x_hat, sigma, two_pi=2 * math.pi, half=0.5):
    sigma = torch.as_tensor(sigma, dtype=x.dtype)
    return -half * (x - x_hat) ** 2 / sigma**2 - torch.log(sigma) - 0.5 * math.log(two_pi)


def gaussian_without_constant(x, x_hat, sigma=1.0):
    return per_image(gaussian_pixels(x, x_hat, sigma, two_pi=1))


def gaussian_with_one_constant(x, x_hat, sigma=1.0):
    variance = torch.as_tensor(sigma) ** 2
    error = per_image((x - x_hat) ** 2)
    return -error / (2 * variance) - 0.5 * torch.log(2 * math.pi * variance)


def gaussian_with_sigma_for_variance(x, x_hat, sigma=1.0):
    return per_image(gaussian_pixels(x, x_hat, sigma**0.5))


def gaussian_without_log_sigma(x, x_hat, sigma=1.0):
    return per_image(gaussian_pixels(x, x_hat, sigma) + torch.log(torch.as_tensor(sigma)))


def gaussian_of_sigma_one(x, x_hat, sigma=1.0):
    return Normal(x_hat, 1.0).log_prob(x).sum(dim=(1, 2, 3))


def gaussian_doubled(x, x_hat, sigma=1.0):
    return per_image(gaussian_pixels(x, x_hat, sigma, half=1.0))


def gaussian_mean(x, x_hat, sigma=1.0):
    return gaussian_pixels(x, x_hat, sigma).flatten(1).mean(1)


def gaussian_mean_and_constant(x, x_hat, sigma=1.0):
    sigma = torch.as_tensor(sigma)
    error = ((x - x_hat) ** 2).mean(dim=(1, 2, 3))
    return -error / (2 * sigma**2) - torch.log(sigma) - 0.5 * math.log(2 * math.pi)


def gaussian_of_the_batch(x, x_hat, sigma=1.0):
    return gaussian_pixels(x, x_hat, sigma).sum()


def gaussian_over_channels(x, x_hat, sigma=1.0):
    return gaussian_pixels(x, x_hat, sigma).sum(dim=1)


def gaussian_of_the_first_channel(x, x_hat, sigma=1.0):
    return gaussian_pixels(x, x_hat, sigma)[:, 0].sum(dim=(1, 2))


def gaussian_as_loss(x, x_hat, sigma=1.0):
    return -per_image(gaussian_pixels(x, x_hat, sigma))


def gaussian_with_math_log(x, x_hat, sigma=1.0):
    constant = math.log(2 * math.pi * float(sigma) ** 2)
    return per_image(-0.5 * ((x - x_hat) ** 2 / sigma**2 + constant))


def gaussian_of_a_copied_sigma(x, x_hat, sigma=1.0):
    return per_image(gaussian_pixels(x, x_hat, torch.tensor(sigma)))


def gaussian_in_numpy(x, x_hat, sigma=1.0):
    return norm.logpdf(x.numpy(), x_hat.detach().numpy(), float(sigma)).sum(axis=(1, 2, 3))


def gaussian_detached(x, x_hat, sigma=1.0):
    return per_image(gaussian_pixels(x, x_hat.detach(), sigma))


def gaussian_of_the_sum(x, x_hat, sigma=1.0):
    return per_image(gaussian_pixels(x, -x_hat, sigma))


def gaussian_without_x(x, x_hat, sigma=1.0):
    return per_image(gaussian_pixels(0 * x, x_hat, sigma))


def gaussian_absolute(x, x_hat, sigma=1.0):
    sigma = torch.as_tensor(sigma)
    density = -(x - x_hat).abs() / (2 * sigma**2) - torch.log(sigma) - 0.5 * math.log(2 * math.pi)
    return per_image(density)


def gaussian_root_of_pi(x, x_hat, sigma=1.0):
    return per_image(gaussian_pixels(x, x_hat, sigma, two_pi=math.pi))


def gaussian_single_precision(x, x_hat, sigma=1.0):
    return per_image(gaussian_pixels(x.float(), x_hat.float(), sigma))


def gaussian_in_place(x, x_hat, sigma=1.0):
    result = per_image(gaussian_pixels(x, x_hat, sigma))
    x -= 1
    return result


def gaussian_default_two(x, x_hat, sigma=2.0):
    return per_image(gaussian_pixels(x, x_hat, sigma))


def gaussian_of_a_number_only(x, x_hat, sigma=1.0):
    return per_image(-0.5 * ((x - x_hat) ** 2 / sigma**2) - torch.log(sigma))


# --- 2.3 --------------------------------------------------------------------------------------


def bernoulli_pixels(x, logits):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none")


def bernoulli_of_probabilities(x, logits):
    return per_image(-F.binary_cross_entropy(logits, x, reduction="none"))


def bernoulli_of_two_sigmoids(x, logits):
    return per_image(bernoulli_pixels(x, torch.sigmoid(logits)))


def bernoulli_as_loss(x, logits):
    return -per_image(bernoulli_pixels(x, logits))


def bernoulli_mean(x, logits):
    return bernoulli_pixels(x, logits).flatten(1).mean(1)


def bernoulli_of_the_batch(x, logits):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="sum")


def bernoulli_mean_of_all(x, logits):
    return -F.binary_cross_entropy_with_logits(logits, x)


def bernoulli_swapped(x, logits):
    return per_image(bernoulli_pixels(logits, x))


def bernoulli_of_white_pixels(x, logits):
    return per_image(x * F.logsigmoid(logits))


def bernoulli_of_black_pixels(x, logits):
    return per_image((1 - x) * F.logsigmoid(-logits))


def bernoulli_overflowing(x, logits):
    p = torch.sigmoid(logits)
    return per_image(x * torch.log(p) + (1 - x) * torch.log(1 - p))


def bernoulli_with_epsilon(x, logits):
    p = torch.sigmoid(logits)
    return per_image(x * torch.log(p + 1e-8) + (1 - x) * torch.log(1 - p + 1e-8))


def bernoulli_clamped(x, logits):
    return per_image(-F.binary_cross_entropy(torch.sigmoid(logits), x, reduction="none"))


def bernoulli_refusing_grey(x, logits):
    return per_image(Bernoulli(logits=logits).log_prob(x))


def bernoulli_rounding_grey(x, logits):
    return per_image(bernoulli_pixels((x > 0.5).to(x), logits))


def bernoulli_detached(x, logits):
    return per_image(bernoulli_pixels(x, logits.detach()))


def bernoulli_of_the_first_channel(x, logits):
    return bernoulli_pixels(x, logits)[:, 0].sum(dim=(1, 2))


def bernoulli_in_base_two(x, logits):
    return per_image(bernoulli_pixels(x, logits)) / math.log(2)


def bernoulli_turned(x, logits):
    return per_image(bernoulli_pixels(1 - x, logits))


def bernoulli_single_precision(x, logits):
    return per_image(bernoulli_pixels(x.float(), logits.float()))


def bernoulli_in_place(x, logits):
    result = per_image(bernoulli_pixels(x, logits))
    with torch.no_grad():
        logits.sigmoid_()
    return result


# --- 2.4 --------------------------------------------------------------------------------------


def kl_terms(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


def kl_mean(mu, logvar):
    return kl_terms(mu, logvar).mean(1)


def kl_of_the_batch(mu, logvar):
    return kl_terms(mu, logvar).sum()


def kl_batch_mean(mu, logvar):
    return kl_terms(mu, logvar).sum(1).mean()


def kl_of_each_latent(mu, logvar):
    return kl_terms(mu, logvar)


def kl_over_images(mu, logvar):
    return kl_terms(mu, logvar).sum(0)


def kl_negative(mu, logvar):
    return 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


def kl_doubled(mu, logvar):
    return (mu.pow(2) + logvar.exp() - logvar - 1).sum(1)


def kl_of_log_sigma(mu, logvar):
    return kl_terms(mu, 2 * logvar).sum(1)


def kl_of_sigma(mu, logvar):
    sigma = torch.exp(0.5 * logvar)
    return 0.5 * (mu**2 + sigma - 1 - logvar).sum(1)


def kl_reversed(mu, logvar):
    return (0.5 * (logvar + (1 + mu**2) / logvar.exp() - 1)).sum(1)


def kl_without_one(mu, logvar):
    return (kl_terms(mu, logvar) + 0.5).sum(1)


def kl_with_one_one(mu, logvar):
    return 0.5 * ((mu**2 + logvar.exp() - logvar).sum(1) - 1)


def kl_without_exp(mu, logvar):
    return 0.5 * (mu**2 + logvar - 1 - logvar.abs().log()).sum(1)


def kl_of_mu_only(mu, logvar):
    return 0.5 * (mu**2 + logvar - 1 - logvar).sum(1)


def kl_without_log(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1).sum(1)


def kl_with_log_added(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 + logvar).sum(1)


def kl_mu_not_squared(mu, logvar):
    return 0.5 * (mu + logvar.exp() - 1 - logvar).sum(1)


def kl_absolute_mu(mu, logvar):
    return 0.5 * (mu.abs() + logvar.exp() - 1 - logvar).sum(1)


def kl_half_of_the_first(mu, logvar):
    return (0.5 * mu**2 + logvar.exp() - 1 - logvar).sum(1)


def kl_swapped(mu, logvar):
    return kl_terms(logvar, mu).sum(1)


def kl_clamped(mu, logvar):
    return kl_terms(mu, logvar.clamp(min=0)).sum(1)


def kl_of_squared_logvar(mu, logvar):
    return 0.5 * (mu**2 + logvar**2 - 1 - logvar).sum(1)


def kl_of_fourth_power(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() ** 2 - 1 - logvar).sum(1)


def kl_with_second_log(mu, logvar):
    return torch.sum(0.5 * (mu.pow(2) + logvar - torch.log(logvar) - 1), dim=-1)


def kl_with_log_of_logvar(mu, logvar):
    return (0.5 * (mu.pow(2) + torch.exp(logvar) - logvar.log() - 1)).sum(-1)


def kl_with_logvar_as_sigma(mu, logvar):
    return 0.5 * (mu * mu + logvar * logvar - 1 - 2 * logvar.abs().log()).sum(1)


def kl_with_half_log(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - torch.exp(logvar / 2).log()).sum(1)


def kl_of_sigma_in_both(mu, logvar):
    sigma = torch.exp(0.5 * logvar)
    return 0.5 * (mu**2 + sigma - 1 - sigma.log()).sum(1)


def kl_detached(mu, logvar):
    return kl_terms(mu, logvar.detach()).sum(1)


def kl_without_gradient(mu, logvar):
    with torch.no_grad():
        return kl_terms(mu, logvar).sum(1)


def kl_in_place(mu, logvar):
    return 0.5 * (mu.pow_(2) + logvar.exp() - 1 - logvar).sum(1)


def kl_single_precision(mu, logvar):
    return kl_terms(mu.float(), logvar.float()).sum(1)


# --- 2.5 --------------------------------------------------------------------------------------


def log_ratios(mu, logvar, samples, sigma=None, from_prior=False):
    """log q - log p of draws. -> (samples, N, d)"""
    q = Normal(mu, torch.exp(0.5 * logvar) if sigma is None else sigma)
    p = Normal(torch.zeros_like(mu), 1.0)
    z = (p if from_prior else q).sample((samples,))
    return q.log_prob(z) - p.log_prob(z)


def mean_and_error(log_ratio):
    return log_ratio.mean(0), log_ratio.std(0) / len(log_ratio) ** 0.5


def monte_carlo_negative(mu, logvar, samples):
    return mean_and_error(-log_ratios(mu, logvar, samples).sum(2))


def monte_carlo_from_prior(mu, logvar, samples):
    return mean_and_error(log_ratios(mu, logvar, samples, from_prior=True).sum(2))


def monte_carlo_reversed(mu, logvar, samples):
    return mean_and_error(-log_ratios(mu, logvar, samples, from_prior=True).sum(2))


def monte_carlo_with_spread(mu, logvar, samples):
    log_ratio = log_ratios(mu, logvar, samples).sum(2)
    return log_ratio.mean(0), log_ratio.std(0)


def monte_carlo_with_variance(mu, logvar, samples):
    log_ratio = log_ratios(mu, logvar, samples).sum(2)
    return log_ratio.mean(0), log_ratio.var(0) / samples


def monte_carlo_divided(mu, logvar, samples):
    log_ratio = log_ratios(mu, logvar, samples).sum(2)
    return log_ratio.mean(0), log_ratio.std(0) / samples


def monte_carlo_divided_by_images(mu, logvar, samples):
    log_ratio = log_ratios(mu, logvar, samples).sum(2)
    return log_ratio.mean(0), log_ratio.std(0) / len(mu) ** 0.5


def monte_carlo_summed(mu, logvar, samples):
    log_ratio = log_ratios(mu, logvar, samples).sum(2)
    return log_ratio.sum(0), log_ratio.std(0) / samples**0.5


def monte_carlo_averaged_latents(mu, logvar, samples):
    return mean_and_error(log_ratios(mu, logvar, samples).mean(2))


def monte_carlo_of_each_latent(mu, logvar, samples):
    return mean_and_error(log_ratios(mu, logvar, samples))


def monte_carlo_of_the_batch(mu, logvar, samples):
    return mean_and_error(log_ratios(mu, logvar, samples).sum(2).mean(1))


def monte_carlo_wrong_axes(mu, logvar, samples):
    return mean_and_error(log_ratios(mu, logvar, samples).sum(1))


def monte_carlo_of_the_variance(mu, logvar, samples):
    return mean_and_error(log_ratios(mu, logvar, samples, sigma=logvar.exp()).sum(2))


def monte_carlo_mean_only(mu, logvar, samples):
    return log_ratios(mu, logvar, samples).sum(2).mean(0)


def monte_carlo_swapped(mu, logvar, samples):
    return mean_and_error(log_ratios(mu, logvar, samples).sum(2))[::-1]


def monte_carlo_by_formula(mu, logvar, samples):
    error = log_ratios(mu, logvar, samples).sum(2).std(0) / samples**0.5
    return kl_terms(mu, logvar).sum(1), error


def monte_carlo_seeded(mu, logvar, samples):
    torch.manual_seed(0)
    return mean_and_error(log_ratios(mu, logvar, samples).sum(2))


def monte_carlo_with_own_seed(mu, logvar, samples):
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn((samples, *mu.shape), generator=generator, dtype=mu.dtype)
    q, p = Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)
    z = mu + (logvar / 2).exp() * noise
    return mean_and_error((q.log_prob(z) - p.log_prob(z)).sum(2))


def monte_carlo_of_a_thousand(mu, logvar, samples):
    return mean_and_error(log_ratios(mu, logvar, 1000).sum(2))


def monte_carlo_of_a_thousand_for_samples(mu, logvar, samples):
    log_ratio = log_ratios(mu, logvar, 1000).sum(2)
    return log_ratio.mean(0), log_ratio.std(0) / samples**0.5


def monte_carlo_of_one_draw(mu, logvar, samples):
    log_ratio = log_ratios(mu, logvar, 1).sum(2)
    return log_ratio[0], log_ratio.expand(samples, -1).std(0)


def monte_carlo_noise_of_the_batch(mu, logvar, samples):
    q, p = Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)
    z = mu + (logvar / 2).exp() * torch.randn(samples, 1, mu.shape[1], dtype=mu.dtype)
    return mean_and_error((q.log_prob(z) - p.log_prob(z)).sum(2))


def monte_carlo_noise_of_the_latents(mu, logvar, samples):
    q, p = Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)
    z = mu + (logvar / 2).exp() * torch.randn(samples, len(mu), 1, dtype=mu.dtype)
    return mean_and_error((q.log_prob(z) - p.log_prob(z)).sum(2))


def monte_carlo_uniform(mu, logvar, samples):
    q, p = Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)
    noise = 12**0.5 * (torch.rand(samples, *mu.shape, dtype=mu.dtype) - 0.5)
    z = mu + (logvar / 2).exp() * noise
    return mean_and_error((q.log_prob(z) - p.log_prob(z)).sum(2))


def monte_carlo_log_q_only(mu, logvar, samples):
    q = Normal(mu, torch.exp(0.5 * logvar))
    return mean_and_error(q.log_prob(q.sample((samples,))).sum(2))


def monte_carlo_of_absolutes(mu, logvar, samples):
    return mean_and_error(log_ratios(mu, logvar, samples).sum(2).abs())


def monte_carlo_single_precision(mu, logvar, samples):
    return mean_and_error(log_ratios(mu.float(), logvar.float(), samples).sum(2))


# --- 2.6 --------------------------------------------------------------------------------------


def sample(mu, logvar, sigma=None, epsilon=None):
    sigma = torch.exp(0.5 * logvar) if sigma is None else sigma
    return mu + sigma * (torch.randn_like(mu) if epsilon is None else epsilon)


def sample_by_variance(mu, logvar):
    return sample(mu, logvar, sigma=logvar.exp())


def sample_of_spread_one(mu, logvar):
    return sample(mu, logvar, sigma=1.0)


def sample_by_logvar(mu, logvar):
    return sample(mu, logvar, sigma=logvar)


def sample_by_half_logvar(mu, logvar):
    return sample(mu, logvar, sigma=0.5 * logvar)


def sample_by_root_of_logvar(mu, logvar):
    return sample(mu, logvar, sigma=logvar.abs().sqrt())


def sample_by_half_the_variance(mu, logvar):
    return sample(mu, logvar, sigma=logvar.exp() / 2)


def sample_moved_by_sigma(mu, logvar):
    return torch.exp(0.5 * logvar) + torch.randn_like(logvar) * mu


def sample_of_the_prior(mu, logvar):
    return torch.randn(mu.shape).to(mu)


def sample_uniform(mu, logvar):
    return sample(mu, logvar, epsilon=torch.rand_like(mu))


def sample_uniform_between_ones(mu, logvar):
    return sample(mu, logvar, epsilon=2 * torch.rand_like(mu) - 1)


def sample_uniform_of_spread_one(mu, logvar):
    return sample(mu, logvar, epsilon=(torch.rand_like(mu) - 0.5) * math.sqrt(12))


def sample_of_coins(mu, logvar):
    return sample(mu, logvar, epsilon=torch.randint(0, 2, mu.shape).to(mu) * 2 - 1)


def sample_of_laplace(mu, logvar):
    noise = torch.distributions.Laplace(0.0, 0.5**0.5).sample(mu.shape)
    return sample(mu, logvar, epsilon=noise.to(mu))


def sample_truncated(mu, logvar):
    return sample(mu, logvar, epsilon=torch.randn_like(mu).clamp(-2, 2))


def sample_of_absolutes(mu, logvar):
    return sample(mu, logvar, epsilon=torch.randn_like(mu).abs())


def sample_with_one_noise(mu, logvar):
    return sample(mu, logvar, epsilon=torch.randn(mu.shape[1]).to(mu))


def sample_with_one_noise_for_latents(mu, logvar):
    return sample(mu, logvar, epsilon=torch.randn(len(mu), 1).to(mu))


def sample_with_one_number(mu, logvar):
    return sample(mu, logvar, epsilon=torch.randn(1).to(mu))


def sample_mirrored(mu, logvar):
    half = torch.randn(-(-len(mu) // 2), mu.shape[1]).to(mu)
    return sample(mu, logvar, epsilon=torch.cat([half, -half])[: len(mu)])


def sample_nothing(mu, logvar):
    return mu + 0 * logvar


def sample_without_mu(mu, logvar):
    return torch.exp(0.5 * logvar) * torch.randn_like(mu)


def sample_around_noise(mu, logvar):
    return torch.randn_like(mu) * (mu + torch.exp(0.5 * logvar))


def sample_seeded(mu, logvar):
    torch.manual_seed(0)
    return sample(mu, logvar)


def sample_with_own_seed(mu, logvar):
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(0))
    return sample(mu, logvar, epsilon=noise.to(mu))


def sample_in_numpy_with_a_seed(mu, logvar):
    noise = np.random.default_rng(0).standard_normal(tuple(mu.shape))
    return sample(mu, logvar, epsilon=torch.from_numpy(noise).to(mu))


def sample_without_gradient(mu, logvar):
    return Normal(mu, torch.exp(0.5 * logvar)).sample()


def sample_by_torch_normal(mu, logvar):
    return torch.normal(mu.detach(), torch.exp(0.5 * logvar).detach())


def sample_without_gradient_to_logvar(mu, logvar):
    return sample(mu, logvar, sigma=torch.exp(0.5 * logvar).detach())


def sample_without_gradient_to_mu(mu, logvar):
    return sample(mu.detach(), logvar)


def sample_exponent_in_place(mu, logvar):
    return mu + torch.randn_like(mu) * logvar.mul_(0.5).exp_()


def sample_single_precision(mu, logvar):
    return sample(mu.float(), logvar.float())


def sample_swapped(mu, logvar):
    return sample(logvar, mu)


# --- 2.7 --------------------------------------------------------------------------------------


class Net(nn.Module):
    """The right network, for the wrong ones to spoil."""

    activation = nn.ReLU

    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 4, stride=2, padding=1),
            self.activation(),
            nn.Flatten(),
            nn.Linear(1568, 400),
            self.activation(),
            nn.Linear(400, 2 * latent_dim),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, 400),
            self.activation(),
            nn.Linear(400, 784),
            nn.Unflatten(1, (1, 28, 28)),
        )
        self.sigma = 1.0

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=1)

    def decode(self, z):
        return torch.sigmoid(self.decoder(z))

    def z(self, mu, logvar):
        return draw(mu, logvar) if self.training else mu

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(self.z(mu, logvar)), mu, logvar


def network(name, **changed):
    return type(name, (Net,), changed)


def spoiled(name, spoil):
    """The network with its layers changed by spoil(net, latent_dim)."""

    class Spoiled(Net):
        def __init__(self, latent_dim=20):
            super().__init__(latent_dim)
            spoil(self, latent_dim)

    Spoiled.__name__ = name
    return Spoiled


def forward_of_swapped_encode(self, x):
    logvar, mu = self.encode(x)
    return self.decode(self.z(mu, logvar)), mu, logvar


def forward_of_the_second(self, x):
    logvar, mu = self.encode(x)
    return self.decode(self.z(mu, logvar)), logvar, mu


def forward_without_gradient(self, x):
    with torch.no_grad():
        mu, logvar = self.encode(x)
    return self.decode(self.z(mu, logvar)), mu, logvar


def forward_of_logits(self, x):
    mu, logvar = self.encode(x)
    return self.decoder(self.z(mu, logvar)), mu, logvar


def forward_drawing_once(self, x):
    mu, logvar = self.encode(x)
    noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(1))
    z = mu + (logvar / 2).exp() * noise if self.training else mu
    return self.decode(z), mu, logvar


def forward_with(order):
    def forward(self, x):
        mu, logvar = self.encode(x)
        return order(self.decode(self.z(mu, logvar)), mu, logvar)

    return forward


class NoModule:
    def __init__(self, latent_dim=20):
        self.net = Net(latent_dim)
        self.encoder, self.decoder, self.sigma = self.net.encoder, self.net.decoder, 1.0

    def encode(self, x):
        return self.net.encode(x)

    def decode(self, z):
        return self.net.decode(z)

    def forward(self, x):
        return self.net(x)


class OtherDecoderName(nn.Module):
    def __init__(self, latent_dim=20):
        super().__init__()
        net = Net(latent_dim)
        self.encoder, self.generator, self.sigma = net.encoder, net.decoder, 1.0

    def encode(self, x):
        return self.encoder(x).chunk(2, 1)

    def decode(self, z):
        return self.generator(z).sigmoid()

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(draw(mu, logvar) if self.training else mu), mu, logvar


class TwentyLatents(Net):
    def __init__(self, latent_dim=20):
        super().__init__(20)


class ThirtyByDefault(Net):
    def __init__(self, latent_dim=30):
        super().__init__(latent_dim)


def scaled(sigma):
    """A method that draws z with another spread."""
    return lambda self, mu, logvar: (
        mu + sigma(logvar) * torch.randn_like(mu) if self.training else mu
    )


def append(layer, part="decoder"):
    return lambda net, d: getattr(net, part).append(layer)


def replace(part, i, layer):
    def spoil(net, d):
        getattr(net, part)[i] = layer(d)

    return spoil


def encode_one_half(self, x):
    mu, _ = self.encoder(x).chunk(2, dim=1)
    return mu, mu


class SizeStillOpen(Net):
    def __init__(self, latent_dim=20):
        super().__init__(latent_dim)
        self.encoder[-1] = nn.Linear(400, ...)


NETWORKS = [
    (SizeStillOpen, "A size is still `...`"),
    (
        spoiled("HalfTheNumbers", replace("encoder", 5, lambda d: nn.Linear(400, d))),
        "half_the_numbers",
    ),
    (
        spoiled("NoFlatten", replace("encoder", 2, lambda d: nn.Identity())),
        "Is `Flatten` missing before the first `Linear`?",
    ),
    (
        network("TwoSigmoids", decode=lambda self, z: self.decoder(z).sigmoid().sigmoid()),
        "sigmoid(decoder(z))",
    ),
    (
        network(
            "UniformNoise",
            z=lambda self, m, s: m + (s / 2).exp() * torch.rand_like(m) if self.training else m,
        ),
        "sigma = exp(logvar / 2)",
    ),
    (
        network(
            "OneNumberOfNoise",
            z=lambda self, m, s: m + (s / 2).exp() * torch.randn(1) if self.training else m,
        ),
        "sigma = exp(logvar / 2)",
    ),
    (network("OneHalfTwice", encode=encode_one_half), "share numbers"),
    (network("DrawsAlways", z=lambda self, mu, logvar: draw(mu, logvar)), "draws_in_eval"),
    (network("DrawsNever", z=lambda self, mu, logvar: mu), "mean_in_training"),
    (
        network("ModesReversed", z=lambda self, m, s: m if self.training else draw(m, s)),
        "modes_reversed",
    ),
    (network("NoiseOfSpreadOne", z=scaled(lambda logvar: 1)), "noise_without_sigma"),
    (network("NoiseOfTheVariance", z=scaled(torch.exp)), "variance_for_sigma"),
    (network("NoiseOfTheLogarithm", z=scaled(lambda logvar: logvar)), "sigma = exp(logvar / 2)"),
    (
        network(
            "OneNoise",
            z=lambda self, m, s: (
                m + (s / 2).exp() * torch.randn_like(m[:1]) if self.training else m
            ),
        ),
        "sigma = exp(logvar / 2)",
    ),
    (
        network(
            "OneNoiseForLatents",
            z=lambda self, m, s: m + (s / 2).exp() * torch.randn(len(m), 1) if self.training else m,
        ),
        "sigma = exp(logvar / 2)",
    ),
    (network("DrawsOnce", forward=forward_drawing_once), "two passes give the same x_hat"),
    (
        network("SigmaDetached", z=lambda self, m, s: draw(m, s.detach()) if self.training else m),
        "logvar_detached",
    ),
    (
        network("MuDetached", z=lambda self, m, s: draw(m.detach(), s) if self.training else m),
        "no gradient flows from x_hat to `mu`",
    ),
    (
        network("AllDetached", z=lambda self, m, s: draw(m, s).detach() if self.training else m),
        "no gradient flows",
    ),
    (
        network("GivesDetached", forward=forward_with(lambda a, m, s: (a, m.detach(), s.detach()))),
        "`mu` that `forward` returns gives no gradient",
    ),
    (
        network("DecodesPositive", decode=lambda self, z: self.decoder(z.relu()).sigmoid()),
        "sigmoid(decoder(z))",
    ),
    (network("NoGradient", forward=forward_without_gradient), "no gradient flows"),
    (network("NoSigmoid", decode=lambda self, z: self.decoder(z)), "no_sigmoid"),
    (network("Clamp", decode=lambda self, z: self.decoder(z).clamp(0, 1)), "sigmoid(decoder(z))"),
    (network("TanhAtTheEnd", decode=lambda self, z: self.decoder(z).tanh()), "sigmoid(decoder(z))"),
    (network("ForwardGivesLogits", forward=forward_of_logits), "logits_in_forward"),
    (
        type(
            "SigmoidInDecoder",
            (spoiled("", append(nn.Sigmoid())),),
            {"decode": lambda self, z: self.decoder(z)},
        ),
        "sigmoid_in_decoder",
    ),
    (spoiled("SigmoidTwice", append(nn.Sigmoid())), "sigmoid_twice"),
    (spoiled("ReluAtTheEnd", append(nn.ReLU())), "relu_at_the_end"),
    (spoiled("TanhInDecoder", append(nn.Tanh())), "logits of the decoder"),
    (spoiled("ReluAfterEncoder", append(nn.ReLU(), "encoder")), "relu_after_encoder"),
    (spoiled("TanhAfterEncoder", append(nn.Tanh(), "encoder")), "mu and logvar"),
    (network("NoRelu", activation=nn.Identity), "no_relu"),
    (network("Tanh", activation=nn.Tanh), "tanh_for_relu"),
    (network("Sigmoids", activation=nn.Sigmoid), "With weights that give"),
    (network("LeakyRelu", activation=nn.LeakyReLU), "which its ReLU turns into 0"),
    (network("Gelu", activation=nn.GELU), "With weights that give"),
    (network("Silu", activation=nn.SiLU), "With weights that give"),
    (network("Softplus", activation=nn.Softplus), "With weights that give"),
    (network("Elu", activation=nn.ELU), "With weights that give"),
    (network("Relu6", activation=nn.ReLU6), "With weights that give"),
    (
        spoiled("NoReluAfterConv", replace("encoder", 1, lambda d: nn.Identity())),
        "no_relu_after_convolution",
    ),
    (
        spoiled("NoReluInEncoder", replace("encoder", 4, lambda d: nn.Identity())),
        "no_relu_in_encoder",
    ),
    (spoiled("NoReluInDecoder", replace("decoder", 1, lambda d: nn.Identity())), "hidden layer"),
    (spoiled("WithDropout", replace("encoder", 4, lambda d: nn.Dropout(0.5))), ""),
    (spoiled("BatchNorm", append(nn.BatchNorm2d(1))), "parameters"),
    (
        spoiled("Kernel3", replace("encoder", 0, lambda d: nn.Conv2d(1, 8, 3, 2, 1))),
        "parameters",
    ),
    (
        spoiled("NoBias", replace("encoder", 5, lambda d: nn.Linear(400, 2 * d, bias=False))),
        "parameters",
    ),
    (
        spoiled(
            "Padding",
            replace("encoder", 0, lambda d: nn.Conv2d(1, 8, 4, 2, 1, 1, 1, True, "reflect")),
        ),
        "mu and logvar of `encode`",
    ),
    (
        network("ChunkOfTheBatch", encode=lambda self, x: self.encoder(x).chunk(2)),
        "chunk_of_the_batch",
    ),
    (network("OneTensor", encode=lambda self, x: self.encoder(x)), "one_tensor"),
    (
        network(
            "EncodeSwapped",
            encode=lambda self, x: self.encoder(x).chunk(2, 1)[::-1],
            forward=forward_of_swapped_encode,
        ),
        "encode_swapped",
    ),
    (network("SecondDecoded", forward=forward_of_the_second), "second_decoded"),
    (network("ForwardSwapped", forward=forward_with(lambda a, m, s: (a, s, m))), "forward_swapped"),
    (network("WrongOrder", forward=forward_with(lambda a, m, s: (m, s, a))), "wrong_order"),
    (network("OnlyReconstruction", forward=forward_with(lambda a, m, s: a)), "only_x_hat"),
    (network("TwoOfThree", forward=forward_with(lambda a, m, s: (a, m))), "three tensors"),
    (network("GivesSigma", forward=forward_with(lambda a, m, s: (a, m, s.exp()))), "in this order"),
    (
        network(
            "VarianceEncoded",
            encode=lambda self, x: (
                self.encoder(x).chunk(2, 1)[0],
                self.encoder(x).chunk(2, 1)[1].exp(),
            ),
        ),
        "logvar_exponentiated",
    ),
    (
        network(
            "MuNeverNegative",
            encode=lambda self, x: (
                self.encoder(x).chunk(2, 1)[0].relu(),
                self.encoder(x).chunk(2, 1)[1],
            ),
        ),
        "relu_on_mu",
    ),
    (network("WrongAxis", encode=lambda self, x: self.encoder(x).chunk(2, dim=0)), ""),
    (TwentyLatents, "latent_dim_ignored"),
    (ThirtyByDefault, "default"),
    (spoiled("NoSigma", lambda net, d: delattr(net, "sigma")), "sigma_missing"),
    (spoiled("SmallSigma", lambda net, d: setattr(net, "sigma", 0.1)), "sigma_other"),
    (NoModule, "nn.Module"),
    (OtherDecoderName, "self.decoder"),
    (lambda latent_dim=20: Net(latent_dim), "class"),
]


# --- 2.8 to 2.11 ------------------------------------------------------------------------------


def bound_with_kl_added(log_likelihood, kl, beta=1.0):
    return log_likelihood + beta * kl


def bound_as_loss(log_likelihood, kl, beta=1.0):
    return beta * kl - log_likelihood


def bound_with_beta_first(log_likelihood, kl, beta=1.0):
    return beta * log_likelihood - kl


def bound_with_beta_twice(log_likelihood, kl, beta=1.0):
    return beta * (log_likelihood - kl)


def bound_without_beta(log_likelihood, kl, beta=1.0):
    return log_likelihood - kl


def bound_divided_by_beta(log_likelihood, kl, beta=1.0):
    return log_likelihood - kl / beta


def bound_mean(log_likelihood, kl, beta=1.0):
    return (log_likelihood - beta * kl).mean()


def bound_sum(log_likelihood, kl, beta=1.0):
    return torch.sum(log_likelihood - beta * kl)


def bound_with_mean_kl(log_likelihood, kl, beta=1.0):
    return log_likelihood - beta * kl.mean()


def bound_of_absolutes(log_likelihood, kl, beta=1.0):
    return log_likelihood.abs() - beta * kl


def bound_below_zero(log_likelihood, kl, beta=1.0):
    return torch.clamp(log_likelihood - beta * kl, max=-100)


def bound_in_place(log_likelihood, kl, beta=1.0):
    return log_likelihood - kl.mul_(beta)


def bound_detached(log_likelihood, kl, beta=1.0):
    return log_likelihood - beta * kl.detach()


def bound_of_numbers(log_likelihood, kl, beta=1.0):
    return torch.tensor(
        [a - beta * b for a, b in zip(log_likelihood.tolist(), kl.tolist(), strict=True)]
    )


def bound_with_beta_four(log_likelihood, kl, beta=4.0):
    return log_likelihood - beta * kl


def units_by_mean(mu, threshold=0.01):
    return int((mu.mean(0).abs() > threshold).sum())


def units_by_moments_in_float32(mu, threshold=0.01):
    return int(((mu**2).mean(dim=0) - mu.mean(dim=0) ** 2 > threshold).sum())


def units_by_square(mu, threshold=0.01):
    return int((mu.square().mean(0) > threshold).sum())


def units_by_standard_deviation(mu, threshold=0.01):
    return int((mu.std(0) > threshold).sum())


def units_by_image(mu, threshold=0.01):
    return int((mu.var(1) > threshold).sum())


def units_by_range(mu, threshold=0.01):
    return int((mu.max(0).values - mu.min(0).values > threshold).sum())


def units_at_least(mu, threshold=0.01):
    return int((mu.var(0) >= threshold).sum())


def units_asleep(mu, threshold=0.01):
    return int((mu.var(0) <= threshold).sum())


def units_above_a_hundredth(mu, threshold=0.01):
    return int((mu.var(0) > 0.01).sum())


def units_in_a_tensor(mu, threshold=0.01):
    return (mu.var(0) > threshold).sum()


def units_as_float(mu, threshold=0.01):
    return float((mu.var(0) > threshold).sum())


def units_as_share(mu, threshold=0.01):
    return float((mu.var(0) > threshold).float().mean())


def units_as_mask(mu, threshold=0.01):
    return mu.var(0) > threshold


def units_by_number(mu, threshold=0.01):
    return torch.nonzero(mu.var(0) > threshold).flatten().tolist()


def units_of_all_numbers(mu, threshold=0.01):
    return int(mu.var() > threshold)


def units_changing_mu(mu, threshold=0.01):
    mu -= mu.mean(0)
    return int((mu.square().mean(0) > threshold).sum())


def units_with_a_tenth(mu, threshold=0.1):
    return int((mu.var(0) > (0.01 if threshold == 0.1 else threshold)).sum())


def iwae_mean_of_logs(log_w):
    return log_w.mean(0)


def iwae_overflowing(log_w):
    return log_w.exp().mean(0).log()


def iwae_with_one_maximum(log_w):
    top = log_w.max()
    return top + torch.exp(log_w - top).mean(dim=0).log()


def iwae_with_maximum_lost(log_w):
    top = log_w.max(dim=0).values
    return torch.exp(log_w - top).mean(dim=0).log()


def iwae_of_the_sum(log_w):
    return torch.logsumexp(log_w, 0)


def iwae_with_log_k_added(log_w):
    return torch.logsumexp(log_w, 0) + math.log(len(log_w))


def iwae_divided(log_w):
    return torch.logsumexp(log_w, 0) / len(log_w)


def iwae_minus_k(log_w):
    return torch.logsumexp(log_w, 0) - len(log_w)


def iwae_minus_log_n(log_w):
    return torch.logsumexp(log_w, 0) - math.log(log_w.shape[1])


def iwae_over_images(log_w):
    return torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])


def iwae_largest(log_w):
    return log_w.max(0).values


def iwae_mean_weight(log_w):
    return log_w.exp().mean(0)


def iwae_of_the_batch(log_w):
    return (torch.logsumexp(log_w, 0) - math.log(len(log_w))).mean()


def iwae_of_two(log_w):
    return torch.logsumexp(log_w, 0) - math.log(2)


def iwae_with_epsilon(log_w):
    return torch.log(log_w.exp().mean(0) + 1e-12)


def iwae_clamped(log_w):
    return torch.logsumexp(log_w.clamp(-80, 80), 0) - math.log(len(log_w))


def iwae_negative(log_w):
    return math.log(len(log_w)) - torch.logsumexp(log_w, 0)


def iwae_detached(log_w):
    return torch.logsumexp(log_w.detach(), 0) - math.log(len(log_w))


def iwae_in_numpy(log_w):
    w = log_w.detach().numpy()
    return torch.from_numpy(np.logaddexp.reduce(w, axis=0) - np.log(len(w)))


def iwae_single_precision(log_w):
    return torch.logsumexp(log_w.float(), 0) - math.log(len(log_w))


def iwae_in_place(log_w):
    log_w -= math.log(len(log_w))
    return torch.logsumexp(log_w, 0)


def beta_of(batch, pixels, latents, error, kl, kl_weight, sigma, scale=2.0, power=2):
    error_weight = 1 / (batch * pixels) if error == "mean" else 1.0
    kl_weight = kl_weight / (batch * latents) if kl == "mean" else kl_weight
    return kl_weight / (scale * sigma**power * error_weight)


def beta(name, formula):
    """`effective_beta` by another formula of its seven arguments."""

    def effective_beta(
        batch_size, pixels, latent_dim, *, error="mean", kl="sum", kl_weight=1.0, sigma=1.0
    ):
        return formula(batch_size, pixels, latent_dim, error, kl, kl_weight, sigma)

    effective_beta.__name__ = name
    return effective_beta


def beta_default_sum(
    batch_size, pixels, latent_dim, *, error="sum", kl="sum", kl_weight=1.0, sigma=1.0
):
    return beta_of(batch_size, pixels, latent_dim, error, kl, kl_weight, sigma)


OTHER = {"sum": "mean", "mean": "sum"}
BETAS = [
    (beta("not_in_nats", lambda *a: beta_of(*a, scale=1.0, power=0)), "nats_forgotten"),
    (beta("without_two", lambda *a: beta_of(*a, scale=1.0)), "two_forgotten"),
    (beta("half_of_it", lambda *a: beta_of(*a, scale=4.0)), "beta should give 0.5"),
    (beta("sigma_for_variance", lambda *a: beta_of(*a, power=1)), "sigma_not_squared"),
    (beta("without_sigma", lambda *a: beta_of(*a, power=0)), "sigma_ignored"),
    (beta("upside_down", lambda *a: 1 / beta_of(*a)), "inverse"),
    (beta("times_variance", lambda *a: beta_of(*a) * 4 * a[-1] ** 4), "multiplied"),
    (
        beta("sums_for_means", lambda b, p, d, e, k, *r: beta_of(b, p, d, OTHER[e], OTHER[k], *r)),
        "reductions_swapped",
    ),
    (
        beta("means_confused", lambda b, p, d, e, k, *r: beta_of(b, p, d, k, e, *r)),
        "beta should give",
    ),
    (
        beta("defaults_always", lambda b, p, d, e, k, *r: beta_of(b, p, d, "mean", "sum", *r)),
        "reductions_ignored",
    ),
    (
        beta("sums_always", lambda b, p, d, e, k, *r: beta_of(b, p, d, "sum", "sum", *r)),
        "beta should give 12",
    ),
    (
        beta("pixels_as_latents", lambda b, p, d, *r: beta_of(b, d, p, *r)),
        "pixels_and_latents_confused",
    ),
    (beta("without_batch", lambda b, *r: beta_of(1, *r)), "batch_forgotten"),
    (
        beta(
            "batch_twice",
            lambda b, p, d, e, k, *r: beta_of(b, p, d, e, k, *r) * (b if e != k == "sum" else 1),
        ),
        "batch_counted_twice",
    ),
    (
        beta("without_weight", lambda b, p, d, e, k, w, s: beta_of(b, p, d, e, k, 1.0, s)),
        "kl_weight_ignored",
    ),
    (
        beta("divided_by_weight", lambda b, p, d, e, k, w, s: beta_of(b, p, d, e, k, 1 / w, s)),
        "kl_weight = 3",
    ),
    (
        beta(
            "kl_mean_over_batch",
            lambda b, p, d, e, k, *r: beta_of(b, p, 1 if k == "mean" else d, e, k, *r),
        ),
        "averaged: beta should give 0.6",
    ),
    (
        beta(
            "error_mean_over_pixels",
            lambda b, p, d, e, k, *r: beta_of(b, p, d, e, k, *r) / (b if e == "mean" else 1),
        ),
        "beta should give 12",
    ),
    (
        beta(
            "weight_of_sums_only",
            lambda b, p, d, e, k, w, s: beta_of(b, p, d, e, k, w if k == "sum" else 1.0, s),
        ),
        "error and KL averaged, kl_weight = 3: beta should give 1.8",
    ),
    (
        beta(
            "sigma_of_means_only",
            lambda b, p, d, e, k, w, s: beta_of(b, p, d, e, k, w, s if e == "mean" else 1.0),
        ),
        "both summed, sigma = 1/2: beta should give 2",
    ),
    (beta_default_sum, "default"),
]

# --- 2.12 -------------------------------------------------------------------------------------


def log_p(vae, x, samples, likelihood=log_normal, drawn=draw):
    """log p(x given z) of each draw. -> (samples, N)"""
    mu, logvar = vae.encode(x)
    return torch.stack(
        [likelihood(x, vae.decode(drawn(mu, logvar)), vae.sigma) for _ in range(samples)]
    )


def probability_turned(vae, x, samples=16):
    return log_p(vae, x, samples).mean(0)


def probability_of_mu(vae, x, samples=16):
    return -log_p(vae, x, samples, drawn=lambda mu, logvar: mu).mean(0)


def probability_of_the_call(vae, x, samples=16):
    return -sum(log_normal(x, vae(x)[0], vae.sigma) for _ in range(samples)) / samples


def probability_as_error(vae, x, samples=16):
    return -log_p(
        vae, x, samples, lambda x, x_hat, sigma: -(x - x_hat).square().flatten(1).mean(1)
    ).mean(0)


def probability_bernoulli(vae, x, samples=16):
    def likelihood(x, x_hat, sigma):
        return -F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(1)

    return -log_p(vae, x, samples, likelihood).mean(0)


def probability_summed(vae, x, samples=16):
    return -log_p(vae, x, samples).sum(0)


def probability_with_kl(vae, x, samples=16):
    return kl_to_prior(*vae.encode(x)) - log_p(vae, x, samples).mean(0)


def probability_log_of_mean(vae, x, samples=16):
    return math.log(samples) - torch.logsumexp(log_p(vae, x, samples), dim=0)


def probability_best_draw(vae, x, samples=16):
    return -log_p(vae, x, samples).max(0).values


def probability_median(vae, x, samples=16):
    return -log_p(vae, x, samples).median(0).values


def probability_itself(vae, x, samples=16):
    return log_p(vae, x, samples).exp().mean(0)


def probability_of_the_mean_image(vae, x, samples=16):
    mu, logvar = vae.encode(x)
    x_hat = torch.stack([vae.decode(draw(mu, logvar)) for _ in range(samples)]).mean(0)
    return -log_normal(x, x_hat, vae.sigma)


def probability_of_sigma_one(vae, x, samples=16):
    return -log_p(vae, x, samples, lambda x, x_hat, sigma: log_normal(x, x_hat)).mean(0)


def probability_one_draw(vae, x, samples=16):
    return -log_p(vae, x, 1).mean(0)


def probability_one_draw_by_default(vae, x, samples=16):
    return -log_p(vae, x, 1 if samples == 16 else samples).mean(0)


def probability_one_draw_repeated(vae, x, samples=16):
    mu, logvar = vae.encode(x)
    z = draw(mu, logvar)
    return -sum(log_normal(x, vae.decode(z), vae.sigma) for _ in range(samples)) / samples


def probability_of_sixteen(vae, x, samples=16):
    return -log_p(vae, x, 16).mean(0)


def probability_one_draw_more(vae, x, samples=16):
    return -log_p(vae, x, samples + 1).sum(0) / samples


def probability_with_one_noise(vae, x, samples=16):
    def drawn(mu, logvar):
        return mu + torch.exp(0.5 * logvar) * torch.randn(1, mu.shape[1])

    return -log_p(vae, x, samples, drawn=drawn).mean(0)


def probability_with_noise_of_the_variance(vae, x, samples=16):
    def drawn(mu, logvar):
        return mu + torch.exp(logvar) * torch.randn_like(mu)

    return -log_p(vae, x, samples, drawn=drawn).mean(0)


def probability_from_the_prior(vae, x, samples=16):
    return -log_p(vae, x, samples, drawn=lambda mu, logvar: torch.randn_like(mu)).mean(0)


def probability_seeded(vae, x, samples=16):
    torch.manual_seed(0)
    return -log_p(vae, x, samples).mean(0)


def probability_with_own_seed(vae, x, samples=16):
    noise = torch.Generator().manual_seed(0)

    def drawn(mu, logvar):
        return mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape, generator=noise)

    return -log_p(vae, x, samples, drawn=drawn).mean(0)


def probability_in_train_mode(vae, x, samples=16):
    vae.train()
    return -sum(log_normal(x, vae(x)[0], vae.sigma) for _ in range(samples)) / samples


def probability_in_eval_mode(vae, x, samples=16):
    vae.eval()
    return -log_p(vae, x, samples).mean(0)


def probability_of_the_batch(vae, x, samples=16):
    return -log_p(vae, x, samples).mean()


def probability_of_each_draw(vae, x, samples=16):
    return -log_p(vae, x, samples)


def probability_per_pixel(vae, x, samples=16):
    return -log_p(vae, x, samples).mean(0) / x[0].numel()


def probability_setting_sigma(vae, x, samples=16):
    score = -log_p(vae, x, samples).mean(0)
    vae.sigma = 1.0
    return score


def probability_with_eight_draws(vae, x, samples=8):
    return -log_p(vae, x, samples).mean(0)


def probability_in_place(vae, x, samples=16):
    score = -log_p(vae, x, samples).mean(0)
    x.clamp_(0.45, 0.55)
    return score


# --- 2.13 -------------------------------------------------------------------------------------


def rates(normal, anomaly, threshold):
    """Detection rate and correct-rejection rate."""
    return np.mean(np.asarray(anomaly) > threshold), np.mean(np.asarray(normal) <= threshold)


def balanced_plain_accuracy(normal_scores, anomaly_scores, threshold):
    found, left_alone = (anomaly_scores > threshold), (normal_scores <= threshold)
    return np.concatenate([found, left_alone]).mean()


def balanced_at_least(normal_scores, anomaly_scores, threshold):
    return ((anomaly_scores >= threshold).mean() + (normal_scores < threshold).mean()) / 2


def balanced_ties_to_both(normal_scores, anomaly_scores, threshold):
    return ((anomaly_scores >= threshold).mean() + (normal_scores <= threshold).mean()) / 2


def balanced_ties_to_none(normal_scores, anomaly_scores, threshold):
    return ((anomaly_scores > threshold).mean() + (normal_scores < threshold).mean()) / 2


def balanced_product(normal_scores, anomaly_scores, threshold):
    return float(np.prod(rates(normal_scores, anomaly_scores, threshold)))


def balanced_geometric(normal_scores, anomaly_scores, threshold):
    return float(np.sqrt(np.prod(rates(normal_scores, anomaly_scores, threshold))))


def balanced_detection_rate(normal_scores, anomaly_scores, threshold):
    return float(rates(normal_scores, anomaly_scores, threshold)[0])


def balanced_rejection_rate(normal_scores, anomaly_scores, threshold):
    return float(rates(normal_scores, anomaly_scores, threshold)[1])


def balanced_with_false_positives(normal_scores, anomaly_scores, threshold):
    found, left_alone = rates(normal_scores, anomaly_scores, threshold)
    return float((found + 1 - left_alone) / 2)


def balanced_auroc(normal_scores, anomaly_scores, threshold):
    return auroc(normal_scores, anomaly_scores)


def balanced_f1(normal_scores, anomaly_scores, threshold):
    found = (anomaly_scores > threshold).sum()
    flagged = found + (normal_scores > threshold).sum()
    return float(2 * found / (flagged + len(anomaly_scores)))


def balanced_sum(normal_scores, anomaly_scores, threshold):
    return float(sum(rates(normal_scores, anomaly_scores, threshold)))


def balanced_youden(normal_scores, anomaly_scores, threshold):
    return float(sum(rates(normal_scores, anomaly_scores, threshold)) - 1)


def balanced_direction(normal_scores, anomaly_scores, threshold):
    return float(sum(rates(-normal_scores, -anomaly_scores, -threshold)) / 2)


def balanced_groups_swapped(normal_scores, anomaly_scores, threshold):
    return float(sum(rates(anomaly_scores, normal_scores, threshold)) / 2)


def balanced_at_three_tenths(normal_scores, anomaly_scores, threshold):
    return float(sum(rates(normal_scores, anomaly_scores, 0.3)) / 2)


def balanced_best_threshold(normal_scores, anomaly_scores, threshold):
    every = np.concatenate([normal_scores, anomaly_scores])
    return float(max(sum(rates(normal_scores, anomaly_scores, t)) / 2 for t in every))


def balanced_in_percent(normal_scores, anomaly_scores, threshold):
    return float(50 * sum(rates(normal_scores, anomaly_scores, threshold)))


def balanced_rounded(normal_scores, anomaly_scores, threshold):
    return round(float(sum(rates(normal_scores, anomaly_scores, threshold)) / 2), 2)


def balanced_pair(normal_scores, anomaly_scores, threshold):
    return rates(normal_scores, anomaly_scores, threshold)


def balanced_in_place(normal_scores, anomaly_scores, threshold):
    normal_scores -= threshold
    return ((anomaly_scores > threshold).mean() + (normal_scores <= 0).mean()) / 2


def balanced_per_anomaly(normal_scores, anomaly_scores, threshold):
    found = (anomaly_scores > threshold).sum() / len(normal_scores)
    return float((found + (normal_scores <= threshold).mean()) / 2)


def kl_clamped_at_ten(mu, logvar):
    logvar = logvar.clamp(-10, 10)
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1)


def sample_by_root_of_a_negative(mu, logvar):
    return torch.randn(mu.shape).to(mu) * torch.sqrt(logvar) + mu


def sample_one_sigma_away(mu, logvar):
    return mu + torch.exp(logvar / 2)


def units_around_one_mean(mu, threshold=0.01):
    return int(((mu - mu.mean()).square().mean(dim=0) > threshold).sum())


def units_relative_to_their_mean(mu, threshold=0.01):
    return int((mu.var(dim=0) / mu.mean(dim=0).abs() > threshold).sum())


def units_relative_to_the_largest(mu, threshold=0.01):
    variance = mu.var(dim=0)
    return int((variance / variance.max() > threshold).sum())


# --- 2.16 -------------------------------------------------------------------------------------


def ink(images):
    return images.mean(axis=(1, 2, 3))


@functools.cache
def mean_digit():
    return normal_digits().mean(axis=0)


def far_from_the_mean(images):
    return ((images - mean_digit()) ** 2).mean(axis=(1, 2, 3))


def near_the_mean(images):
    return -((images / 255 - mean_digit() / 255) ** 2).mean(axis=(1, 2, 3))


def ink_of_all(images):
    return ink(images).mean()


def ink_in_a_column(images):
    return ink(images)[:, None]


def ranks_of_ink(images):
    return rankdata(ink(images))


def by_chance(images):
    return np.random.default_rng().random(len(images))


def nothing_by_nothing(images):
    with np.errstate(invalid="ignore"):
        return 0 * ink(images) / 0


def always_one(images):
    return torch.ones(len(images))


def inverted_in_place(images):
    images[:] = 255 - images
    return -ink(images)


def of_a_tensor(images):
    return images.flatten(1)


def noisy_network(images):
    return torch.as_tensor(ink(images)) + torch.randn(len(images))


WRONG = {
    "2.1": [
        (split_with_anomalies_in_calibration, "anomaly_in_calibration"),
        (split_of_all_digits, "anomaly_in_both"),
        (split_of_the_held_out, "held_out_kept"),
        (split_overlapping, "overlapping"),
        (split_with_two_permutations, "stand in both parts"),
        (split_with_repeats, "stands twice"),
        (split_swapped, "swapped"),
        (split_by_train_share, "swapped"),
        (split_unshuffled, "not_shuffled"),
        (split_every_sixth, "drawn at random"),
        (split_shuffled_after_the_cut, "drawn at random"),
        (split_sorted, "sorted_again"),
        (split_train_sorted, "random order"),
        (split_backwards, "random order"),
        (split_unseeded, "unseeded"),
        (split_with_seed_zero, "seed_ignored"),
        (split_with_seed_42, "seed_ignored"),
        (split_into_labels, "labels_returned"),
        (split_into_masks, "positions"),
        (split_among_normals, "positions_among_normals"),
        (split_share_of_all, "share_of_all"),
        (split_share_of_train, "calibration"),
        (split_a_sixth_always, "a share of 0.3"),
        (split_of_zero, "held_out=3"),
        (split_without_the_last, "every normal image once"),
        (split_with_global_numpy, "numpy's global random numbers"),
        (split_with_global_python, "Python's global random numbers"),
        (split_with_global_torch, "torch's random seed"),
        (split_with_another_share, "default"),
        (split_relabelling, "in place"),
        (split_only_train, "Return two arrays"),
    ],
    "2.2": [
        (gaussian_without_constant, "constant_dropped"),
        (gaussian_with_one_constant, "constant_once"),
        (gaussian_with_sigma_for_variance, "sigma_not_squared"),
        (gaussian_without_log_sigma, "log_sigma_forgotten"),
        (gaussian_of_sigma_one, "sigma_ignored"),
        (gaussian_doubled, "half_forgotten"),
        (gaussian_mean, "mean_over_pixels"),
        (gaussian_mean_and_constant, "mean_over_pixels"),
        (gaussian_of_the_batch, "summed_over_batch"),
        (gaussian_over_channels, "shape"),
        (gaussian_of_the_first_channel, "colour"),
        (gaussian_as_loss, "sign"),
        (gaussian_with_math_log, "sigma_detached"),
        (gaussian_of_a_copied_sigma, "No gradient flows from the log-likelihood to `sigma`"),
        (gaussian_in_numpy, "No gradient"),
        (gaussian_detached, "No gradient flows from the log-likelihood to `x_hat`"),
        (gaussian_of_the_sum, "perfect reconstructions"),
        (gaussian_without_x, "perfect reconstructions"),
        (gaussian_absolute, "Squared errors"),
        (gaussian_root_of_pi, "perfect reconstructions"),
        (gaussian_single_precision, "float64"),
        (gaussian_in_place, "`x` in place"),
        (gaussian_default_two, "default"),
        (gaussian_of_a_number_only, "TypeError"),
    ],
    "2.3": [
        (bernoulli_of_probabilities, "logits_as_probabilities"),
        (bernoulli_of_two_sigmoids, "sigmoid_twice"),
        (bernoulli_as_loss, "sign"),
        (bernoulli_mean, "mean_over_pixels"),
        (bernoulli_of_the_batch, "one_number"),
        (bernoulli_mean_of_all, "a single number"),
        (bernoulli_swapped, "arguments_swapped"),
        (bernoulli_of_white_pixels, "zeros_forgotten"),
        (bernoulli_of_black_pixels, "Logits of 0.25"),
        (bernoulli_overflowing, "unstable"),
        (bernoulli_with_epsilon, "200"),
        (bernoulli_clamped, "clamped"),
        (bernoulli_refusing_grey, "grey_refused"),
        (bernoulli_rounding_grey, "grey_rounded"),
        (bernoulli_detached, "No gradient flows"),
        (bernoulli_of_the_first_channel, "colour"),
        (bernoulli_in_base_two, "Logits of 0.25"),
        (bernoulli_turned, "Logits of 0.25"),
        (bernoulli_single_precision, "float64"),
        (bernoulli_in_place, "`logits` in place"),
    ],
    "2.4": [
        (kl_clamped_at_ten, "e¹²"),
        (kl_mean, "mean_over_latents"),
        (kl_of_the_batch, "summed_over_batch"),
        (kl_batch_mean, "batch_mean"),
        (kl_of_each_latent, "shape"),
        (kl_over_images, "shape"),
        (kl_negative, "sign"),
        (kl_doubled, "half_forgotten"),
        (kl_of_log_sigma, "logvar_as_log_sigma"),
        (kl_of_sigma, "sigma_for_variance"),
        (kl_reversed, "reverse"),
        (kl_without_one, "one_forgotten"),
        (kl_with_one_one, "prior itself"),
        (kl_without_exp, "second_log"),
        (kl_with_second_log, "second_log"),
        (kl_with_log_of_logvar, "log_of_logvar"),
        (kl_with_logvar_as_sigma, "logvar_as_sigma"),
        (kl_of_mu_only, "exp_forgotten"),
        (kl_without_log, "log_forgotten"),
        (kl_with_log_added, "log_added"),
        (kl_of_squared_logvar, "squared_logvar"),
        (kl_of_fourth_power, "fourth_power"),
        (kl_with_half_log, "half_log"),
        (kl_of_sigma_in_both, "sigma_in_both"),
        (kl_mu_not_squared, "mu_not_squared"),
        (kl_absolute_mu, "mu = (1, -2, 0)"),
        (kl_half_of_the_first, "sigma² = 4"),
        (kl_swapped, ""),
        (kl_clamped, "1/4"),
        (kl_detached, "No gradient flows from the KL to `logvar`"),
        (kl_without_gradient, "No gradient flows from the KL to `mu`"),
        (kl_in_place, "`mu` in place"),
        (kl_single_precision, "float64"),
    ],
    "2.5": [
        (monte_carlo_negative, "sign"),
        (monte_carlo_from_prior, "drawn_from_prior"),
        (monte_carlo_reversed, "reverse"),
        (monte_carlo_with_spread, "std_returned"),
        (monte_carlo_with_variance, "variance_of_mean"),
        (monte_carlo_divided, "divided_by_samples"),
        (monte_carlo_divided_by_images, "standard errors of 4,000 draws"),
        (monte_carlo_summed, "sum_over_samples"),
        (monte_carlo_averaged_latents, "mean_over_latents"),
        (monte_carlo_of_each_latent, "one number for each of the 4 images"),
        (monte_carlo_of_the_batch, "one number for each of the 4 images"),
        (monte_carlo_wrong_axes, ""),
        (monte_carlo_of_the_variance, "exp_logvar_as_sigma"),
        (monte_carlo_mean_only, "mean_only"),
        (monte_carlo_swapped, "The mean of 4,000 draws"),
        (monte_carlo_by_formula, "another distribution"),
        (monte_carlo_seeded, "torch's random seed"),
        (monte_carlo_with_own_seed, "seeded_inside"),
        (monte_carlo_of_a_thousand, "samples_ignored"),
        (monte_carlo_of_a_thousand_for_samples, "2 draws"),
        (monte_carlo_of_one_draw, "4,000 draws"),
        (monte_carlo_noise_of_the_batch, "each image on its own"),
        (monte_carlo_noise_of_the_latents, "4,000 draws"),
        (monte_carlo_uniform, "standard errors of 4,000 draws"),
        (monte_carlo_log_q_only, "the prior"),
        (monte_carlo_of_absolutes, "4,000 draws"),
        (monte_carlo_single_precision, "float64"),
    ],
    "2.6": [
        (sample_one_sigma_away, "noise_forgotten"),
        (sample_by_variance, "exp_logvar_as_sigma"),
        (sample_of_spread_one, "sigma_ignored"),
        (sample_by_logvar, "logvar_as_sigma"),
        (sample_by_half_logvar, "half_logvar"),
        (sample_by_root_of_logvar, "root_of_logvar"),
        (sample_by_root_of_a_negative, "root_of_negative"),
        (sample_by_half_the_variance, "half_the_variance"),
        (sample_moved_by_sigma, "mu_and_sigma_swapped"),
        (sample_of_the_prior, "noise_alone"),
        (sample_uniform, "uniform_noise"),
        (sample_uniform_between_ones, "standard deviation"),
        (sample_uniform_of_spread_one, "not_normal"),
        (sample_of_coins, "not_normal"),
        (sample_of_laplace, "not_normal"),
        (sample_truncated, "another distribution"),
        (sample_of_absolutes, "standard deviation"),
        (sample_with_one_noise, "one_epsilon_for_the_batch"),
        (sample_with_one_noise_for_latents, "one_epsilon_for_the_latents"),
        (sample_with_one_number, "one_number"),
        (sample_mirrored, "halves of the batch"),
        (sample_nothing, "mean_returned"),
        (sample_without_mu, "mu_forgotten"),
        (sample_around_noise, ""),
        (sample_seeded, "torch's random seed"),
        (sample_with_own_seed, "seeded_inside"),
        (sample_in_numpy_with_a_seed, "seeded_inside"),
        (sample_without_gradient, "no_gradient"),
        (sample_by_torch_normal, "no_gradient"),
        (sample_without_gradient_to_logvar, "no_gradient_to_logvar"),
        (sample_without_gradient_to_mu, "No gradient flows from z to `mu`"),
        (sample_exponent_in_place, "`logvar` in place"),
        (sample_single_precision, "float64"),
        (sample_swapped, ""),
    ],
    "2.7": NETWORKS,
    "2.8": [
        (bound_with_kl_added, "kl_added"),
        (bound_as_loss, "loss"),
        (bound_with_beta_first, "beta_on_likelihood"),
        (bound_with_beta_twice, "beta_on_both"),
        (bound_without_beta, "beta_ignored"),
        (bound_divided_by_beta, "beta = 4"),
        (bound_mean, "mean_over_batch"),
        (bound_sum, "a single number"),
        (bound_with_mean_kl, "KLs of 10 and 20"),
        (bound_of_absolutes, "KLs of 10 and 20"),
        (bound_below_zero, "KLs of 10 and 20"),
        (bound_in_place, "`kl` in place"),
        (bound_detached, "No gradient flows"),
        (bound_of_numbers, "No gradient flows"),
        (bound_with_beta_four, "default"),
    ],
    "2.9": [
        (units_by_mean, "mean"),
        (units_by_square, "mean_square"),
        (units_by_moments_in_float32, "A latent that is 1000.3 for all images and one that moves"),
        (units_by_standard_deviation, "std"),
        (units_by_image, "wrong_axis"),
        (units_by_range, "variance above"),
        (units_at_least, "at_least"),
        (units_around_one_mean, "variance above"),
        (units_relative_to_their_mean, "variance above"),
        (units_relative_to_the_largest, "variance above"),
        (units_asleep, "inactive_counted"),
        (units_above_a_hundredth, "threshold_ignored"),
        (units_in_a_tensor, "tensor"),
        (units_as_float, "type float"),
        (units_as_share, "share"),
        (units_as_mask, "shape"),
        (units_by_number, "shape"),
        (units_of_all_numbers, "variance above"),
        (units_changing_mu, "`mu` in place"),
        (units_with_a_tenth, "default"),
    ],
    "2.10": [
        (iwae_mean_of_logs, "mean_of_logs"),
        (iwae_overflowing, "overflow"),
        (iwae_with_one_maximum, "one_maximum"),
        (iwae_with_maximum_lost, "weights 1 and 3"),
        (iwae_of_the_sum, "log_k_forgotten"),
        (iwae_with_log_k_added, "log_k_added"),
        (iwae_divided, "divided_by_k"),
        (iwae_minus_k, "weights 1 and 3"),
        (iwae_minus_log_n, "weights 1 and 3"),
        (iwae_over_images, "wrong_axis"),
        (iwae_largest, "largest"),
        (iwae_mean_weight, "weights 1 and 3"),
        (iwae_of_the_batch, "mean_over_batch"),
        (iwae_of_two, "A single draw"),
        (iwae_with_epsilon, "-800"),
        (iwae_clamped, "-800"),
        (iwae_negative, "weights 1 and 3"),
        (iwae_detached, "No gradient flows"),
        (iwae_in_numpy, "No gradient flows"),
        (iwae_single_precision, "float64"),
        (iwae_in_place, "in place"),
    ],
    "2.11": BETAS,
    "2.12": [
        (probability_turned, "sign"),
        (probability_of_mu, "mean_code_only"),
        (probability_of_the_call, "mean_code_only"),
        (probability_as_error, "squared_error"),
        (probability_bernoulli, "sure of z"),
        (probability_summed, "sum_over_samples"),
        (probability_with_kl, "kl_added"),
        (probability_log_of_mean, "log_of_mean"),
        (probability_best_draw, "the mean score"),
        (probability_median, "the mean score"),
        (probability_itself, "sure of z"),
        (probability_of_the_mean_image, "the mean score"),
        (probability_of_sigma_one, "sigma_ignored"),
        (probability_one_draw, "one_draw"),
        (probability_one_draw_by_default, "the default of 16 samples"),
        (probability_one_draw_repeated, "one_draw"),
        (probability_of_sixteen, "samples_ignored"),
        (probability_one_draw_more, "sure of z"),
        (probability_with_one_noise, "one_noise"),
        (probability_with_noise_of_the_variance, "the mean score"),
        (probability_from_the_prior, "sure of z"),
        (probability_seeded, "torch's random seed"),
        (probability_with_own_seed, "Two calls"),
        (probability_in_train_mode, "left_in_train_mode"),
        (probability_in_eval_mode, "left_in_eval_mode"),
        (probability_of_the_batch, "one_number"),
        (probability_of_each_draw, "shape"),
        (probability_per_pixel, "sure of z"),
        (probability_setting_sigma, "vae.sigma"),
        (probability_with_eight_draws, "default"),
        (probability_in_place, "`x` in place"),
    ],
    "2.13": [
        (balanced_plain_accuracy, "plain_accuracy"),
        (balanced_at_least, "at_least"),
        (balanced_ties_to_both, "one anomaly equals"),
        (balanced_ties_to_none, "one normal score equals"),
        (balanced_product, "product"),
        (balanced_geometric, "the mean of the rates"),
        (balanced_detection_rate, "detection_rate_only"),
        (balanced_rejection_rate, "specificity_only"),
        (balanced_with_false_positives, "false_positive_rate"),
        (balanced_auroc, "auroc"),
        (balanced_f1, "f1"),
        (balanced_sum, "not_halved"),
        (balanced_youden, "youden"),
        (balanced_direction, "direction"),
        (balanced_groups_swapped, "groups_swapped"),
        (balanced_at_three_tenths, "fixed_threshold"),
        (balanced_best_threshold, "the mean of the rates"),
        (balanced_in_percent, "the mean of the rates"),
        (balanced_rounded, "the mean of the rates"),
        (balanced_pair, "single number"),
        (balanced_in_place, "`normal_scores` in place"),
        (balanced_per_anomaly, "the mean of the rates"),
    ],
    "2.14": [
        ({"PyTorch": 1, "ARENA": 0.1, "MIT": 6.144}, "weights_as_written"),
        ({"PyTorch": 1, "ARENA": 39.2, "MIT": 6.144}, "latents_forgotten"),
        ({"PyTorch": 1, "ARENA": 15.68, "MIT": 6.144}, "half_forgotten"),
        ({"PyTorch": 1, "ARENA": 4014, "MIT": 6.144}, "batch_counted"),
        ({"PyTorch": 1, "ARENA": 20_070, "MIT": 6.144}, "batch_as_in_the_example"),
        ({"PyTorch": 1, "ARENA": 7.84, "MIT": 50.2}, "mit_as_in_the_example"),
        ({"PyTorch": 1, "ARENA": 7.84, "MIT": 0.0005}, "mit_as_written"),
        ({"PyTorch": 1, "ARENA": 7.84, "MIT": 3.072}, "mit_halved"),
        ({"PyTorch": 1, "ARENA": 7.84, "MIT": 2.048}, "mit_channels"),
        ({"PyTorch": 1, "ARENA": 1 / 7.84, "MIT": 6.144}, "upside_down"),
        ({"PyTorch": 784, "ARENA": 7.84, "MIT": 6.144}, "pytorch_pixels"),
        ({"PyTorch": 0.5, "ARENA": 7.84, "MIT": 6.144}, "pytorch_half"),
        ({"PyTorch": 1, "ARENA": 31.36, "MIT": 6.144}, "half_multiplied"),
        ({"PyTorch": 1, "ARENA": 7.84, "MIT": 12.288}, "mit_doubled"),
        ({"PyTorch": 128, "ARENA": 7.84, "MIT": 6.144}, "pytorch_batch"),
        ({"PyTorch": 392, "ARENA": 0.1, "MIT": 3.072}, "pytorch_pixels"),
        ({"PyTorch": 1, "ARENA": 39.2, "MIT": 3.072}, "which has none"),
        ({"PyTorch": 1, "ARENA": 7.84, "MIT": 8}, "which is too high"),
        ({"PyTorch": 1, "ARENA": 7.84, "MIT": ...}, "is still `...`"),
        ({"PyTorch": 1, "ARENA": "7.84", "MIT": 6.144}, "without quotes"),
        ({"PyTorch": 1, "ARENA": 7.84}, "should hold"),
        ([1, 7.84, 6.144], "should be a dict"),
    ],
    "2.15": [
        ({"choice": "-ELBO", "because": "A"}, "-ELBO"),
        ({"choice": "-ELBO less PNG bits", "because": "B"}, "-ELBO less PNG bits"),
        ({"choice": "error", "because": "D"}, "error"),
        ({"choice": "-ELBO", "because": "C"}, "the worst for ones"),
        ({"choice": "error per ink", "because": "A"}, "A"),
        ({"choice": "error per ink", "because": "B"}, "The choice holds, the reason does not"),
        ({"choice": "error per ink", "because": "D"}, "Eight digits"),
        ({"choice": "ink", "because": "C"}, '"choice" should be one of'),
        ({"choice": "error per ink", "because": ...}, "still `...`"),
        ({"choice": "error per ink"}, "the keys 'choice'"),
        ("error per ink", "an object of type str"),
    ],
    "2.16": [
        (ink, "not better than `mean image`"),
        (far_from_the_mean, "not better than `mean image`"),
        (near_the_mean, "upside down"),
        (ink_of_all, "shape (260,)"),
        (ink_in_a_column, "yours gave the shape (260, 1)"),
        (ranks_of_ink, "another score in another batch"),
        (by_chance, "another score in another batch"),
        (noisy_network, "another score in another batch"),
        (nothing_by_nothing, "are NaN"),
        (always_one, "Every image has the same score"),
        (inverted_in_place, "changes the images"),
        (of_a_tensor, "It stopped with TypeError"),
    ],
}


def split_class_by_class(labels, held_out, calibration_share=1 / 6, seed=0):
    rng, train, calibration = np.random.default_rng(seed), [], []
    for c in np.unique(labels[labels != held_out]):
        own = rng.permutation(np.flatnonzero(labels == c))
        cut = int(len(own) * calibration_share)
        calibration.append(own[:cut])
        train.append(own[cut:])
    return np.concatenate(train), np.concatenate(calibration)


def split_without_threes(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(labels != 3))
    cut = int(len(normal) * calibration_share)
    return normal[cut:], normal[:cut]


def monte_carlo_in_lists(mu, logvar, samples):
    q, p = Normal(mu, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)
    z = q.sample((samples,))
    terms = (q.log_prob(z) - p.log_prob(z)).sum(2)
    return terms.mean(0).tolist(), (terms.std(0) / samples**0.5).tolist()


def sample_in_float64(mu, logvar):
    noise = torch.from_numpy(np.random.standard_normal(mu.shape))  # noqa: NPY002
    return mu + torch.exp(0.5 * logvar) * noise


def encode_scaled_by_the_batch(self, x):
    return Net.encode(self, x / x.max())


def iwae_around_the_mean(log_w):
    middle = log_w.mean(0)
    return middle + (log_w - middle).exp().mean(0).log()


def iwae_around_the_first(log_w):
    return log_w[0] + (log_w - log_w[0]).exp().mean(0).log()


def probability_in_a_list(vae, x, samples=16):
    mu, logvar = vae.encode(x)
    found = 0
    for _ in range(samples):
        z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        found = found + Normal(vae.decode(z), vae.sigma).log_prob(x).sum((1, 2, 3))
    return (-found / samples).tolist()


WRONG["2.1"] += [
    (split_class_by_class, "The images of a class stand together"),
    (split_without_threes, "With held_out=0, no position of a 0"),
]
WRONG["2.5"] += [(monte_carlo_in_lists, "should be tensors; yours are lists")]
WRONG["2.6"] += [(sample_in_float64, "float32 in should be float32 out; yours gave float64")]
WRONG["2.7"] += [(network("Scaled", encode=encode_scaled_by_the_batch), "get brighter")]
WRONG["2.9"] += [(lambda mu, threshold=0.01: len(mu.var(dim=0) > threshold), "all_counted")]
WRONG["2.10"] += [
    (iwae_around_the_mean, "Draws that lie far apart"),
    (iwae_around_the_first, "Draws that lie far apart"),
]
WRONG["2.12"] += [(probability_in_a_list, "Return a tensor; yours is a list")]


def split_counted_from_one(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = 1 + np.random.default_rng(seed).permutation(np.flatnonzero(labels != held_out))
    cut = int(len(normal) * calibration_share)
    return normal[cut:], normal[:cut]


WRONG["2.1"] += [(split_counted_from_one, "the position 3002; yours go up to 3003")]
