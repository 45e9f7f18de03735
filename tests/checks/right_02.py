"""Right answers to module 2, written as learners write them: at least two for each exercise."""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import mannwhitneyu
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from helpers.models import ConvVAE


def split_with_scikit_learn(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = np.where(labels != held_out)[0]
    k = int(calibration_share * len(normal))
    return train_test_split(normal, test_size=k, random_state=seed)


def split_in_lists(labels, held_out, calibration_share=1 / 6, seed=0):
    positions = [i for i, label in enumerate(labels) if label != held_out]
    random.Random(seed).shuffle(positions)
    k = math.floor(len(positions) * calibration_share)
    return positions[k:], positions[:k]


def split_by_torch(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = torch.from_numpy(labels != held_out).nonzero().squeeze(1)
    order = torch.randperm(len(normal), generator=torch.Generator().manual_seed(seed))
    k = int(len(normal) * calibration_share)
    return normal[order[k:]], np.sort(normal[order[:k]])


def gaussian_by_normal(x, x_hat, sigma=1.0):
    return Normal(x_hat, sigma).log_prob(x).sum(dim=(1, 2, 3))


def gaussian_by_hand(x, x_hat, sigma=1.0):
    sigma = torch.as_tensor(sigma)
    pixels = x[0].numel()
    error = ((x - x_hat) ** 2).reshape(len(x), -1).sum(-1)
    return -error / (2 * sigma**2) - pixels * (torch.log(sigma) + math.log(math.sqrt(2 * math.pi)))


def bernoulli_by_distribution(x, logits):
    return Independent(Bernoulli(logits=logits, validate_args=False), 3).log_prob(x)


def bernoulli_by_softplus(x, logits):
    return (x * logits - F.softplus(logits)).sum(dim=(1, 2, 3))


def bernoulli_by_logsigmoid(x, logits):
    return (x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).flatten(1).sum(1)


def kl_by_distributions(mu, logvar):
    return kl_divergence(Normal(mu, logvar.mul(0.5).exp()), Normal(0.0, 1.0)).sum(-1)


def kl_with_minus_in_front(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


def monte_carlo_by_hand(mu, logvar, samples):
    epsilon = torch.randn(samples, *mu.shape)
    z = mu + torch.exp(logvar / 2) * epsilon
    log_ratio = (-0.5 * epsilon**2 - 0.5 * logvar + 0.5 * z**2).sum(-1)
    return log_ratio.mean(0), log_ratio.var(0).div(samples).sqrt()


def monte_carlo_in_a_loop(mu, logvar, samples):
    q, p = Normal(mu, logvar.exp().sqrt()), Normal(0.0, 1.0)
    total, squares = 0.0, 0.0
    for _ in range(samples):
        z = q.rsample()
        one = (q.log_prob(z) - p.log_prob(z)).sum(1)
        total, squares = total + one.double(), squares + one.double() ** 2
    mean = total / samples
    return mean, ((squares / samples - mean**2).clamp(min=0) / samples).sqrt()


def sample_by_rsample(mu, logvar):
    return Normal(mu, logvar.exp().sqrt()).rsample()


def sample_with_randn(mu, logvar):
    epsilon = torch.randn(mu.shape, dtype=mu.dtype, device=mu.device)
    return torch.addcmul(mu, logvar.div(2).exp(), epsilon)


def sample_one_by_one(mu, logvar):
    columns = [
        mu[:, i] + (logvar[:, i] / 2).exp() * torch.randn_like(mu[:, i]) for i in range(mu.shape[1])
    ]
    return torch.stack(columns, 1)


class WithTwoHeads(nn.Module):
    """The table's layers, whatever their sizes, with a linear layer each for mu and logvar."""

    def __init__(self, latent_dim=20):
        super().__init__()
        table = ConvVAE(latent_dim)
        self.body, features = table.encoder[:-1], table.encoder[-1].in_features
        self.to_mu = nn.Linear(features, latent_dim)
        self.to_logvar = nn.Linear(features, latent_dim)
        self.decoder = table.decoder
        self.register_buffer("sigma", torch.tensor(1.0))

    def encode(self, x):
        h = self.body(x)
        return self.to_mu(h), self.to_logvar(h)

    def decode(self, z):
        return self.decoder(z).sigmoid()

    def forward(self, x):
        mu, logvar = self.encode(x)
        if not self.training:
            return self.decode(mu), mu, logvar
        return self.decode(sample_by_rsample(mu, logvar)), mu, logvar


class OneByOne(nn.Module):
    """Layers called one by one."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        for layer in self.layers:
            x = F.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
        return x


class WithOwnModules(nn.Module):
    sigma = 1.0

    def __init__(self, latent_dim):
        super().__init__()
        self.d = latent_dim
        self.encoder = OneByOne(ConvVAE(latent_dim).encoder)
        self.decoder = OneByOne(ConvVAE(latent_dim).decoder)

    def encode(self, x):
        h = self.encoder(x)
        return h[:, self.d :], h[:, : self.d]  # which half is mu is free

    def decode(self, z):
        return 1 / (1 + torch.exp(-self.decoder(z)))

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = mu
        if self.training:
            z = mu + torch.randn_like(mu) * torch.exp(logvar / 2)
        return [self.decode(z), mu, logvar]


def bound_from_loss(log_likelihood, kl, beta=1.0):
    return -(beta * kl - log_likelihood)


def bound_by_sub(log_likelihood, kl, beta=1.0):
    return torch.sub(log_likelihood, kl, alpha=beta)


def beta_by_cases(
    batch_size, pixels, latent_dim, *, error="mean", kl="sum", kl_weight=1.0, sigma=1.0
):
    beta = kl_weight / (2 * sigma * sigma)
    if error == "mean":
        beta *= batch_size * pixels
    if kl == "mean":
        beta /= batch_size * latent_dim
    return beta


def beta_by_counting(
    batch_size, pixels, latent_dim, *, error="mean", kl="sum", kl_weight=1.0, sigma=1.0
):
    averaged = {"mean": (batch_size * pixels, batch_size * latent_dim), "sum": (1, 1)}
    return kl_weight * averaged[error][0] / averaged[kl][1] * 0.5 / sigma**2


def iwae_with_maximum(log_w):
    top = log_w.max(dim=0).values.detach()
    return top + torch.exp(log_w - top).mean(dim=0).log()


def iwae_by_logaddexp(log_w):
    total = log_w[0]
    for one in log_w[1:]:
        total = torch.logaddexp(total, one)
    return total - torch.log(torch.tensor(float(log_w.shape[0]))).to(log_w)


def units_of_the_population(mu, threshold=0.01):
    return sum(v > threshold for v in mu.var(dim=0, correction=0).tolist())


def units_from_numpy(mu, threshold=0.01):
    return np.count_nonzero(np.var(mu.numpy(), axis=0, ddof=1) > threshold)


def probability_in_one_batch(vae, x, samples=16):
    mu, logvar = (part.repeat(samples, 1) for part in vae.encode(x))
    x_hat = vae.decode(sample_by_rsample(mu, logvar))
    log_p = gaussian_by_normal(x.repeat(samples, 1, 1, 1), x_hat, vae.sigma)
    return -log_p.view(samples, len(x)).mean(0)


def probability_without_graph(vae, x, samples=16):
    scores = []
    with torch.no_grad():
        for _ in range(samples):
            mu, logvar = vae.encode(x)
            x_hat = vae.decode(sample_with_randn(mu, logvar))
            scores.append(
                F.gaussian_nll_loss(
                    x_hat, x, torch.full_like(x, vae.sigma**2), full=True, reduction="none"
                )
            )
    return torch.stack(scores).sum(dim=(2, 3, 4)).mean(0)


def balanced_from_scikit_learn(normal_scores, anomaly_scores, threshold):
    labels = [0] * len(normal_scores) + [1] * len(anomaly_scores)
    flags = np.concatenate([normal_scores, anomaly_scores]) > threshold
    return balanced_accuracy_score(labels, flags)


def balanced_as_auroc_of_flags(normal_scores, anomaly_scores, threshold):
    normal, anomaly = (np.array(s) > threshold for s in (normal_scores, anomaly_scores))
    u = mannwhitneyu(anomaly.astype(int), normal.astype(int)).statistic
    return u / (len(normal) * len(anomaly))


RIGHT = {
    "2.1": [split_with_scikit_learn, split_in_lists, split_by_torch],
    "2.2": [gaussian_by_normal, gaussian_by_hand],
    "2.3": [bernoulli_by_distribution, bernoulli_by_softplus, bernoulli_by_logsigmoid],
    "2.4": [kl_by_distributions, kl_with_minus_in_front],
    "2.5": [monte_carlo_by_hand, monte_carlo_in_a_loop],
    "2.6": [sample_by_rsample, sample_with_randn, sample_one_by_one],
    "2.7": [WithTwoHeads, WithOwnModules],
    "2.8": [bound_from_loss, bound_by_sub],
    "2.9": [units_of_the_population, units_from_numpy],
    "2.10": [iwae_with_maximum, iwae_by_logaddexp],
    "2.11": [beta_by_cases, beta_by_counting],
    "2.12": [probability_in_one_batch, probability_without_graph],
    "2.13": [balanced_from_scikit_learn, balanced_as_auroc_of_flags],
}
