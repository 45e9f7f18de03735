"""Right answers to module 2, written as learners write them: at least four for each exercise."""

import functools
import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import mannwhitneyu, norm
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score
from sklearn.model_selection import ShuffleSplit, train_test_split
from sklearn.neighbors import NearestNeighbors
from torch import nn
from torch.distributions import Bernoulli, Independent, MultivariateNormal, Normal, kl_divergence

from helpers.experiments.baselines import nearest_picture
from helpers.experiments.module_02 import normal_digits
from helpers.latent import pca_reconstruct
from helpers.losses import gaussian_log_likelihood, reparameterize
from helpers.scores import error_per_ink
from helpers.training import as_input


def split_with_scikit_learn(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = np.where(labels != held_out)[0]
    k = int(calibration_share * len(normal))
    return train_test_split(normal, test_size=k, random_state=seed)


def split_with_scikit_learn_shares(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = np.flatnonzero(labels != held_out)
    train, calibration = train_test_split(
        normal, test_size=calibration_share, random_state=seed, shuffle=True
    )
    return train, calibration


def split_stratified(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = np.flatnonzero(labels != held_out)
    return train_test_split(
        normal, test_size=calibration_share, stratify=labels[normal], random_state=seed
    )


def split_by_shuffle_split(labels, held_out, calibration_share=1 / 6, seed=0):
    (normal,) = np.nonzero(labels != held_out)
    splitter = ShuffleSplit(n_splits=1, test_size=calibration_share, random_state=seed)
    train, calibration = next(splitter.split(normal))
    return normal[train], normal[calibration]


def split_in_lists(labels, held_out, calibration_share=1 / 6, seed=0):
    positions = [i for i, label in enumerate(labels) if label != held_out]
    random.Random(seed).shuffle(positions)
    k = round(len(positions) * calibration_share)
    return positions[k:], positions[:k]


def split_rounded_up(labels, held_out, calibration_share=1 / 6, seed=0):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    normal = order[labels[order] != held_out]
    k = math.ceil(calibration_share * len(normal))
    return list(normal[:-k]), list(normal[-k:])


def split_in_place(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = np.argwhere(labels != held_out).ravel()
    np.random.RandomState(seed).shuffle(normal)
    cut = len(normal) - int(calibration_share * len(normal))
    return np.split(normal, [cut])


def split_by_draws(labels, held_out, calibration_share=1 / 6, seed=0):
    rng = np.random.default_rng(seed)
    normal = np.where(labels != held_out)[0]
    calibration = rng.choice(normal, int(np.floor(len(normal) * calibration_share)), replace=False)
    taken = set(calibration)
    train = np.array([i for i in normal if i not in taken])
    rng.shuffle(train)
    return train, calibration


def split_by_torch(labels, held_out, calibration_share=1 / 6, seed=0):
    normal = torch.from_numpy(labels != held_out).nonzero().squeeze(1)
    order = torch.randperm(len(normal), generator=torch.Generator().manual_seed(seed))
    k = int(len(normal) * calibration_share)
    return normal[order[k:]], normal[order[:k]].numpy()


def gaussian_by_normal(x, x_hat, sigma=1.0):
    return Normal(x_hat, sigma).log_prob(x).sum(dim=(1, 2, 3))


def gaussian_by_hand(x, x_hat, sigma=1.0):
    sigma = torch.as_tensor(sigma)
    pixels = x[0].numel()
    error = ((x - x_hat) ** 2).reshape(len(x), -1).sum(-1)
    return -error / (2 * sigma**2) - pixels * (torch.log(sigma) + math.log(math.sqrt(2 * math.pi)))


def gaussian_by_independent(x, x_hat, sigma=1.0):
    return Independent(Normal(loc=x_hat, scale=sigma), 3).log_prob(x)


def gaussian_by_loss(x, x_hat, sigma=1.0):
    variance = torch.ones_like(x) * sigma**2
    return -F.gaussian_nll_loss(x_hat, x, variance, full=True, reduction="none").sum((1, 2, 3))


def gaussian_by_einsum(x, x_hat, sigma=1.0):
    if not isinstance(sigma, torch.Tensor):
        sigma = torch.tensor(sigma, dtype=x.dtype)
    off = ((x - x_hat) / sigma).reshape(len(x), -1)
    error = torch.einsum("nd,nd->n", off, off)
    return -0.5 * error - off.shape[1] * (sigma.log() + 0.5 * math.log(2 * math.pi))


def gaussian_image_by_image(x, x_hat, sigma=1.0):
    sigma = torch.as_tensor(sigma)
    values = []
    for one, other in zip(x, x_hat, strict=True):
        density = torch.exp(-((one - other) ** 2) / (2 * sigma**2)) / (
            sigma * math.sqrt(2 * math.pi)
        )
        values.append(torch.log(density).sum())
    return torch.stack(values)


def gaussian_by_multivariate(x, x_hat, sigma=1.0):
    rows, means = x.flatten(1), x_hat.flatten(1)
    eye = torch.eye(rows.shape[1], dtype=x.dtype)
    return MultivariateNormal(means, scale_tril=sigma * eye).log_prob(rows)


def bernoulli_by_distribution(x, logits):
    return Independent(Bernoulli(logits=logits, validate_args=False), 3).log_prob(x)


def bernoulli_by_softplus(x, logits):
    return (x * logits - F.softplus(logits)).sum(dim=(1, 2, 3))


def bernoulli_by_logsigmoid(x, logits):
    return (x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).flatten(1).sum(1)


def bernoulli_by_cases(x, logits):
    log_one, log_zero = -F.softplus(-logits), -F.softplus(logits)
    return torch.lerp(log_zero, log_one, x).flatten(1).sum(-1)


def bernoulli_by_logaddexp(x, logits):
    log_two = torch.logaddexp(logits, torch.zeros_like(logits))
    return torch.einsum("nchw->n", x * logits - log_two)


def bernoulli_image_by_image(x, logits):
    return torch.stack(
        [
            -F.binary_cross_entropy_with_logits(guess, one, reduction="sum")
            for one, guess in zip(x, logits, strict=True)
        ]
    )


def bernoulli_by_criterion(x, logits):
    return -nn.BCEWithLogitsLoss(reduction="none")(logits, x).view(x.size(0), -1).sum(1)


def kl_by_distributions(mu, logvar):
    return kl_divergence(Normal(mu, logvar.mul(0.5).exp()), Normal(0.0, 1.0)).sum(-1)


def kl_with_minus_in_front(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)


def kl_latent_by_latent(mu, logvar):
    total = torch.zeros(len(mu), dtype=mu.dtype)
    for j in range(mu.shape[1]):
        variance = torch.exp(logvar[:, j])
        total = total + (mu[:, j] ** 2 + variance - 1 - torch.log(variance)) / 2
    return total


def kl_by_expm1(mu, logvar):
    return torch.einsum("nd->n", mu * mu + torch.expm1(logvar) - logvar) / 2


def kl_in_parts(mu, logvar):
    sigma = torch.exp(logvar / 2)
    trace, distance = sigma.square().sum(1), mu.square().sum(1)
    return 0.5 * (trace + distance - mu.shape[1] - 2 * sigma.log().sum(1))


def kl_of_multivariate(mu, logvar):
    q = MultivariateNormal(mu, torch.diag_embed(logvar.exp()))
    p = MultivariateNormal(torch.zeros_like(mu), torch.eye(mu.shape[1]).to(mu))
    return kl_divergence(q, p)


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


def monte_carlo_by_independent(mu, logvar, samples):
    q = Independent(Normal(mu, logvar.div(2).exp()), 1)
    p = Independent(Normal(torch.zeros_like(mu), torch.ones_like(mu)), 1)
    z = q.sample([samples])
    differences = q.log_prob(z) - p.log_prob(z)
    return differences.mean(0), differences.std(0, correction=0) / math.sqrt(samples)


def monte_carlo_in_numpy(mu, logvar, samples):
    mu, sigma = mu.numpy(), np.exp(logvar.numpy() / 2)
    z = mu + sigma * np.random.default_rng().standard_normal((samples, *mu.shape))
    log_ratio = (norm.logpdf(z, mu, sigma) - norm.logpdf(z)).sum(axis=2)
    return log_ratio.mean(axis=0), log_ratio.std(axis=0, ddof=1) / np.sqrt(samples)


def monte_carlo_stacked(mu, logvar, samples):
    sigma = torch.exp(0.5 * logvar)
    rows = []
    for _ in range(samples):
        z = torch.normal(mu, sigma)
        log_q = -0.5 * ((z - mu) / sigma) ** 2 - torch.log(sigma) - 0.5 * math.log(2 * math.pi)
        log_p = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
        rows.append((log_q - log_p).sum(dim=1))
    rows = torch.stack(rows)
    return [rows.mean(dim=0), torch.sqrt(rows.var(dim=0) / samples)]


def monte_carlo_image_by_image(mu, logvar, samples):
    pairs = []
    for m, s in zip(mu, logvar, strict=True):
        z = m + (s / 2).exp() * torch.randn(samples, len(m), dtype=m.dtype)
        one = (Normal(m, (s / 2).exp()).log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(1)
        pairs.append((one.mean(), one.std() / samples**0.5))
    means, errors = zip(*pairs, strict=True)
    return torch.stack(means), torch.stack(errors)


def sample_by_rsample(mu, logvar):
    return Normal(mu, logvar.exp().sqrt()).rsample()


def sample_from_numpy(mu, logvar):
    noise = np.random.standard_normal(mu.shape)  # noqa: NPY002
    return mu + torch.exp(logvar / 2) * torch.as_tensor(noise, dtype=mu.dtype, device=mu.device)


def sample_with_randn(mu, logvar):
    epsilon = torch.randn(mu.shape, dtype=mu.dtype, device=mu.device)
    return torch.addcmul(mu, logvar.div(2).exp(), epsilon)


def sample_one_by_one(mu, logvar):
    columns = [
        mu[:, i] + (logvar[:, i] / 2).exp() * torch.randn_like(mu[:, i]) for i in range(mu.shape[1])
    ]
    return torch.stack(columns, 1)


def sample_by_empty_normal(mu, logvar):
    noise = torch.empty_like(mu).normal_()
    return mu + logvar.exp().sqrt() * noise


def sample_by_standard_normal(mu, logvar):
    epsilon = Normal(torch.zeros_like(mu), torch.ones_like(mu)).sample()
    return epsilon * (logvar / 2).exp() + mu


def sample_by_lower_triangle(mu, logvar):
    return MultivariateNormal(mu, scale_tril=torch.diag_embed((0.5 * logvar).exp())).rsample()


class WithTwoHeads(nn.Module):
    """A linear layer each for mu and logvar, activations as functions."""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 4, 2, 1)
        self.hidden = nn.Linear(1568, 400)
        self.to_mu = nn.Linear(400, latent_dim)
        self.to_logvar = nn.Linear(400, latent_dim)
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, 400), nn.ReLU(), nn.Linear(400, 784), nn.Unflatten(1, (1, 28, 28))
        )
        self.sigma = 1.0

    def encode(self, x):
        h = F.relu(self.conv(x)).reshape(len(x), -1)
        h = torch.relu(self.hidden(h))
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

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class ToImage(nn.Module):
    def forward(self, pixels):
        return pixels.view(-1, 1, 28, 28)


class WithOwnModules(nn.Module):
    sigma = 1.0

    def __init__(self, latent_dim=20):
        super().__init__()
        self.d = latent_dim
        self.encoder = OneByOne(
            nn.Conv2d(1, 8, kernel_size=4, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(1568, 400),
            nn.ReLU(inplace=True),
            nn.Linear(400, 2 * latent_dim),
        )
        self.decoder = OneByOne(
            nn.Linear(latent_dim, 400), nn.ReLU(), nn.Linear(400, 784), ToImage()
        )

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


class WithLazyLayers(nn.Module):
    """Sizes found at the first image, mu and logvar interleaved, layers called one by one."""

    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.LazyConv2d(8, 4, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(400)
        )
        self.head = nn.LazyLinear(2 * latent_dim)
        self.decoder = nn.Sequential(
            nn.LazyLinear(400), nn.ReLU(), nn.LazyLinear(784), nn.Unflatten(-1, (1, 28, 28))
        )
        self.sigma = 1.0

    def encode(self, x):
        h = self.head(self.encoder(x).clamp(min=0)).reshape(len(x), -1, 2)
        return h.unbind(-1)

    def decode(self, z):
        for layer in self.decoder:
            z = layer(z)
        return F.sigmoid(z)

    def forward(self, x):
        mu, logvar = self.encode(x)
        noise = torch.randn_like(mu) if self.training else 0
        return self.decode(mu + (logvar / 2).exp() * noise), mu, logvar


class WithParts(nn.Module):
    """A class for each half, the linear layers as convolutions, z of eval mode by a factor."""

    class Decoder(nn.Module):
        def __init__(self, latent_dim):
            super().__init__()
            self.first = nn.Linear(latent_dim, 400)
            self.last = nn.Linear(400, 28 * 28)

        def forward(self, z):
            return self.last(self.first(z).relu()).unflatten(1, (1, 28, 28))

    def __init__(self, latent_dim=20):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 8, 4, stride=2, padding=1), nn.Threshold(0, 0)),
            nn.Conv2d(8, 400, 14),
            nn.ReLU(),
            nn.Conv2d(400, 2 * latent_dim, 1),
            nn.Flatten(),
        )
        self.decoder = WithParts.Decoder(latent_dim)
        self.sigma = 1.0

    def encode(self, x):
        return torch.tensor_split(self.encoder(x), 2, dim=1)

    def decode(self, z):
        return torch.special.expit(self.decoder(z))

    def forward(self, x):
        mu, logvar = self.encode(x)
        return self.decode(reparameterize(mu, logvar) if self.training else mu), mu, logvar


def bound_from_loss(log_likelihood, kl, beta=1.0):
    return -(beta * kl - log_likelihood)


def bound_by_sub(log_likelihood, kl, beta=1.0):
    return torch.sub(log_likelihood, kl, alpha=beta)


def bound_by_einsum(log_likelihood, kl, beta=1.0):
    weights = torch.tensor([1.0, -beta]).to(log_likelihood)
    return torch.einsum("k,kn->n", weights, torch.stack([log_likelihood, kl]))


def bound_one_by_one(log_likelihood, kl, beta=1):
    return torch.stack([a - beta * b for a, b in zip(log_likelihood, kl, strict=True)])


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


def beta_by_ratio(
    batch_size, pixels, latent_dim, *, error="mean", kl="sum", kl_weight=1.0, sigma=1.0
):
    weight = {"sum": lambda n: 1, "mean": lambda n: 1 / n}
    one_error = weight[error](batch_size * pixels)
    one_kl = kl_weight * weight[kl](batch_size * latent_dim)
    return np.float64(one_kl / one_error) * (1 / (2 * sigma**2))


def beta_by_match(
    batch_size, pixels, latent_dim, *, error="mean", kl="sum", kl_weight=1.0, sigma=1.0
):
    match error, kl:
        case "mean", "sum":
            ratio = batch_size * pixels
        case "mean", "mean":
            ratio = pixels / latent_dim
        case "sum", "sum":
            ratio = 1
        case _:
            ratio = 1 / (batch_size * latent_dim)
    return torch.tensor(kl_weight * ratio / (2 * sigma**2), dtype=torch.float64)


def iwae_with_maximum(log_w):
    top = log_w.max(dim=0).values.detach()
    return top + torch.exp(log_w - top).mean(dim=0).log()


def iwae_by_logaddexp(log_w):
    total = log_w[0]
    for one in log_w[1:]:
        total = torch.logaddexp(total, one)
    return total - torch.log(torch.tensor(float(log_w.shape[0]))).to(log_w)


def iwae_by_softmax(log_w):
    shares = torch.log_softmax(log_w, dim=0)
    return (log_w - shares).mean(dim=0) - math.log(log_w.size(0))


def iwae_image_by_image(log_w):
    return torch.stack([(w - math.log(len(w))).logsumexp(0) for w in log_w.T])


def units_of_the_population(mu, threshold=0.01):
    return sum(v > threshold for v in mu.var(dim=0, correction=0).tolist())


def units_from_numpy(mu, threshold=0.01):
    return np.count_nonzero(np.var(mu.numpy(), axis=0, ddof=1) > threshold)


def units_one_by_one(mu, threshold=0.01):
    active = 0
    for latent in mu.T:
        mean = latent.mean()
        if ((latent - mean) ** 2).mean() > threshold:
            active += 1
    return active


def units_from_covariance(mu, threshold=0.01):
    variances = np.diag(np.atleast_2d(np.cov(mu.numpy(), rowvar=False)))
    return len([v for v in variances if v > threshold])


def units_by_moments(mu, threshold=0.01):
    mu = mu.double()
    spread = (mu**2).mean(0) - mu.mean(0) ** 2
    return torch.count_nonzero(spread > threshold + 1e-12).item()


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


def probability_by_library(vae, x, samples=16):
    mu, logvar = vae.encode(x)
    log_p = [
        gaussian_log_likelihood(x, vae.decode(reparameterize(mu, logvar)), vae.sigma)
        for _ in range(samples)
    ]
    return -torch.stack(log_p).mean(dim=0)


def probability_from_logits(vae, x, samples=16):
    mu, logvar = vae.encode(x)
    total = torch.zeros(len(x))
    for _ in range(samples):
        z = Normal(mu, (0.5 * logvar).exp()).sample()
        x_hat = torch.sigmoid(vae.decoder(z))
        total -= Normal(x_hat, vae.sigma).log_prob(x).sum(dim=(1, 2, 3)) / samples
    return total


def probability_in_train_mode_and_back(vae, x, samples=16):
    before = vae.training
    vae.train()
    nats = [gaussian_by_hand(x, vae(x)[0], vae.sigma) for _ in range(samples)]
    vae.train(before)
    return -sum(nats) / len(nats)


def probability_in_numpy(vae, x, samples=16):
    with torch.inference_mode():
        mu, logvar = vae.encode(x)
        pictures = [vae.decode(reparameterize(mu, logvar)).numpy() for _ in range(samples)]
    log_p = norm.logpdf(x.numpy(), np.array(pictures), vae.sigma)
    return -log_p.sum(axis=(2, 3, 4)).mean(axis=0)


def balanced_from_scikit_learn(normal_scores, anomaly_scores, threshold):
    labels = [0] * len(normal_scores) + [1] * len(anomaly_scores)
    flags = np.concatenate([normal_scores, anomaly_scores]) > threshold
    return balanced_accuracy_score(labels, flags)


def balanced_as_auroc_of_flags(normal_scores, anomaly_scores, threshold):
    normal, anomaly = (np.array(s) > threshold for s in (normal_scores, anomaly_scores))
    u = mannwhitneyu(anomaly.astype(int), normal.astype(int)).statistic
    return u / (len(normal) * len(anomaly))


def balanced_by_comparison(normal_scores, anomaly_scores, threshold):
    return ((anomaly_scores > threshold).mean() + (normal_scores <= threshold).mean()) / 2


def balanced_by_counting(normal_scores, anomaly_scores, threshold):
    found = sum(1 for s in anomaly_scores if s > threshold) / len(anomaly_scores)
    alarms = sum(1 for s in normal_scores if s > threshold) / len(normal_scores)
    return 0.5 * (found + 1 - alarms)


def balanced_as_macro_recall(normal_scores, anomaly_scores, threshold):
    truth = np.r_[np.zeros_like(normal_scores), np.ones_like(anomaly_scores)]
    flags = np.r_[normal_scores, anomaly_scores] > threshold
    return recall_score(truth, flags, average="macro")


def balanced_by_roc(normal_scores, anomaly_scores, threshold):
    scores = np.concatenate([normal_scores, anomaly_scores]) > threshold
    truth = np.repeat([0, 1], [len(normal_scores), len(anomaly_scores)])
    return roc_auc_score(truth, scores)


def balanced_by_torch(normal_scores, anomaly_scores, threshold):
    normal, anomaly = torch.as_tensor(normal_scores), torch.as_tensor(anomaly_scores)
    rates = (anomaly > threshold).double().mean(), (normal <= threshold).double().mean()
    return torch.stack(rates).mean()


def units_on_the_diagonal(mu, threshold=0.01):
    return torch.count_nonzero(torch.cov(mu.T).diagonal() > threshold).item()


def monte_carlo_in_one_tensor(mu, logvar, samples):
    q, p = Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)
    z = q.sample((samples,))
    draws = (q.log_prob(z) - p.log_prob(z)).sum(dim=2)
    return torch.stack([draws.mean(dim=0), draws.std(dim=0) / samples**0.5])


def probability_on_the_device_of_the_model(vae, x, samples=16):
    x = x.to(next(vae.parameters()).device)
    mu, logvar = vae.encode(x)
    q = Normal(mu, torch.exp(logvar / 2))
    draws = [Normal(vae.decode(q.sample()), vae.sigma).log_prob(x) for _ in range(samples)]
    return -torch.stack(draws).mean(dim=0).flatten(1).sum(dim=1)


# --- 2.16: on the sample, as in tests/checks/conftest.py -----------------------------------------


@functools.cache
def known_digits():
    return as_input(normal_digits()).cpu()


def score_per_ink(images):
    x = as_input(images).cpu()
    return error_per_ink(x, nearest_picture(known_digits(), x))


def score_of_neighbours(images):
    found = NearestNeighbors(n_neighbors=2).fit(known_digits().flatten(1).numpy())
    return found.kneighbors(images.reshape(len(images), -1) / 255)[0].mean(axis=1)


def score_of_the_worst_square(images):
    x = as_input(images).cpu()
    error = (pca_reconstruct(known_digits(), x, 40) - x).square()
    return F.avg_pool2d(error, 7).flatten(1).max(dim=1).values


def score_one_by_one(images):
    return [score_per_ink(image[None]).item() for image in images]


RIGHT = {
    "2.1": [
        split_with_scikit_learn,
        split_with_scikit_learn_shares,
        split_stratified,
        split_by_shuffle_split,
        split_in_lists,
        split_rounded_up,
        split_in_place,
        split_by_draws,
        split_by_torch,
    ],
    "2.2": [
        gaussian_by_normal,
        gaussian_by_hand,
        gaussian_by_independent,
        gaussian_by_loss,
        gaussian_by_einsum,
        gaussian_image_by_image,
        gaussian_by_multivariate,
    ],
    "2.3": [
        bernoulli_by_distribution,
        bernoulli_by_softplus,
        bernoulli_by_logsigmoid,
        bernoulli_by_cases,
        bernoulli_by_logaddexp,
        bernoulli_image_by_image,
        bernoulli_by_criterion,
    ],
    "2.4": [
        kl_by_distributions,
        kl_with_minus_in_front,
        kl_latent_by_latent,
        kl_by_expm1,
        kl_in_parts,
        kl_of_multivariate,
    ],
    "2.5": [
        monte_carlo_by_hand,
        monte_carlo_in_a_loop,
        monte_carlo_by_independent,
        monte_carlo_in_numpy,
        monte_carlo_stacked,
        monte_carlo_image_by_image,
        monte_carlo_in_one_tensor,
    ],
    "2.6": [
        sample_by_rsample,
        sample_from_numpy,
        sample_with_randn,
        sample_one_by_one,
        sample_by_empty_normal,
        sample_by_standard_normal,
        sample_by_lower_triangle,
    ],
    "2.7": [WithTwoHeads, WithOwnModules, WithLazyLayers, WithParts],
    "2.8": [bound_from_loss, bound_by_sub, bound_by_einsum, bound_one_by_one],
    "2.9": [
        units_of_the_population,
        units_from_numpy,
        units_one_by_one,
        units_from_covariance,
        units_by_moments,
        units_on_the_diagonal,
    ],
    "2.10": [iwae_with_maximum, iwae_by_logaddexp, iwae_by_softmax, iwae_image_by_image],
    "2.11": [beta_by_cases, beta_by_counting, beta_by_ratio, beta_by_match],
    "2.12": [
        probability_in_one_batch,
        probability_without_graph,
        probability_by_library,
        probability_from_logits,
        probability_in_train_mode_and_back,
        probability_in_numpy,
        probability_on_the_device_of_the_model,
    ],
    "2.13": [
        balanced_from_scikit_learn,
        balanced_as_auroc_of_flags,
        balanced_by_comparison,
        balanced_by_counting,
        balanced_as_macro_recall,
        balanced_by_roc,
        balanced_by_torch,
    ],
    "2.14": [
        {"PyTorch": 1, "ARENA": 7.84, "MIT": 6.144},
        {"PyTorch": 1.0, "ARENA": 0.1 * 784 / (2 * 5), "MIT": np.float64(5e-4) * 64 * 64 * 3},
        {"MIT": torch.tensor(6.1), "ARENA": torch.tensor([7.8])[0], "PyTorch": 1},
        {"PyTorch": 1.01, "ARENA": 7.9, "MIT": 6.2},
    ],
    "2.15": [
        {"choice": "error per ink", "because": "C"},
        {"because": "c", "choice": " Error per ink"},
        ("error per ink", "C"),
    ],
    "2.16": [score_per_ink, score_of_neighbours, score_of_the_worst_square, score_one_by_one],
}
