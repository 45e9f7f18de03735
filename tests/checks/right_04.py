"""Right answers to module 4, written as learners write them: at least two for each exercise."""

import math
import warnings

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.special import betaln, gammaln
from scipy.stats import betabinom, spearmanr
from sklearn.base import BaseEstimator
from sklearn.covariance import ledoit_wolf
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import NearestNeighbors
from torch import nn

from helpers.thresholds import conformal_p_values, conformal_threshold


def roles_by_hand(labels, wanted, shares, seed=0):
    rng = np.random.default_rng(seed)
    parts = [[] for _ in shares]
    for c in wanted:
        where = [i for i, label in enumerate(labels) if label == c]
        rng.shuffle(where)
        start = 0
        for part, share in zip(parts, shares, strict=True):
            size = round(share * len(where))
            part += where[start : start + size]
            start += size
    return [np.array(part) for part in parts]


def roles_by_random_keys(labels, wanted, shares, seed=0):
    keys = np.random.default_rng(seed).random(len(labels))
    role = np.full(len(labels), -1)
    for c in wanted:
        mine = np.where(labels == c)[0]
        place = keys[mine].argsort().argsort() / len(mine)
        role[mine] = np.digitize(place, np.cumsum(shares) - 1e-9)
    return tuple(np.where(role == i)[0] for i in range(len(shares)))


def temperature_on_a_grid(logits, labels):
    grid = np.geomspace(0.05, 50, 4000)
    losses = [float(F.cross_entropy(logits / t, labels)) for t in grid]
    return grid[np.argmin(losses)]


def temperature_by_gradient(logits, labels):
    log_t = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=200, line_search_fn="strong_wolfe")
    logits = logits.detach().double()

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(logits * torch.exp(-log_t), labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return math.exp(log_t.item())


class ColourAutoencoderInLoops(nn.Module):
    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__()
        down, channels = [], 3
        for i, w in enumerate(widths):
            down += [nn.Conv2d(channels, w, 3, stride=2 if i else 1, padding=1), nn.ReLU()]
            down += [nn.Conv2d(w, w, 3, padding=1), nn.ReLU()]
            channels = w
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(64 * channels, latent_dim))
        up = [nn.Linear(latent_dim, 64 * channels), nn.Unflatten(1, (channels, 8, 8)), nn.ReLU()]
        for w, out in zip(widths[::-1], [*widths[-2::-1], 3], strict=True):
            up += [nn.ConvTranspose2d(w, w, 3, padding=1), nn.ReLU()]
            s = int(out != 3)
            up += [nn.ConvTranspose2d(w, out, 3, 1 + s, 1, output_padding=s), nn.ReLU()]
        self.decoder = nn.Sequential(*up[:-1])

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decoder(self.encoder(x))


class ColourAutoencoderWithBlocks(nn.Module):
    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__()
        a, b, c = widths

        def down(i, o, s=1):
            return nn.Sequential(nn.Conv2d(i, o, 3, s, 1), nn.ReLU(inplace=True))

        def up(i, o, s=1):
            return nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(i, o, 3, s, 1, output_padding=s - 1))

        self.encoder = nn.ModuleList(
            [down(3, a), down(a, a), down(a, b, 2), down(b, b), down(b, c, 2), down(c, c)]
        )
        self.code = nn.Linear(c * 64, latent_dim)
        self.back = nn.Linear(latent_dim, c * 64)
        self.decoder = nn.Sequential(
            up(c, c), up(c, b, 2), up(b, b), up(b, a, 2), up(a, a), up(a, 3)
        )
        self.c = c

    def encode(self, x):
        for block in self.encoder:
            x = block(x)
        return self.code(x.flatten(1))

    def decode(self, z):
        return self.decoder(self.back(z).view(-1, self.c, 8, 8))

    def forward(self, x):
        return self.decode(self.encode(x))


class ColourAutoencoderInFunctions(nn.Module):
    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__()
        a, b, c = widths
        self.encoder = nn.ModuleList(
            [
                nn.Conv2d(i, o, 3, s, 1)
                for i, o, s in ((3, a, 1), (a, a, 1), (a, b, 2), (b, b, 1), (b, c, 2), (c, c, 1))
            ]
        )
        self.decoder = nn.ModuleList(
            [
                nn.ConvTranspose2d(i, o, 3, s, 1, s - 1)
                for i, o, s in ((c, c, 1), (c, b, 2), (b, b, 1), (b, a, 2), (a, a, 1), (a, 3, 1))
            ]
        )
        self.code, self.back = nn.LazyLinear(latent_dim), nn.Linear(latent_dim, c * 8 * 8)

    def encode(self, x):
        for layer in self.encoder:
            x = layer(x).relu()
        return self.code(x.flatten(1))

    def decode(self, z):
        x = self.back(z).reshape(len(z), -1, 8, 8)
        for layer in self.decoder:
            x = layer(F.relu(x))
        return x

    def forward(self, x):
        return self.decode(self.encode(x))


class PlainScreen:
    def __init__(self, alpha=0.05):
        self.alpha = alpha

    def fit(self, calibration_scores):
        scores = np.sort(np.array(calibration_scores, dtype=float))
        if not np.all(np.isfinite(scores)):
            raise ValueError("scores must be finite")
        k = int(np.floor(self.alpha * (len(scores) + 1) + 1e-9))
        if k < 1:
            raise ValueError("too few scores")
        self.scores_ = scores
        self.threshold_ = scores[-k]
        return self

    def decision_function(self, scores):
        scores = np.asarray(scores, dtype=float)
        if np.isnan(scores).any():
            raise ValueError("NaN")
        return scores - self.threshold_

    def predict(self, scores):
        return self.decision_function(scores) > 0

    def p_values(self, scores):
        self.decision_function(scores)
        return np.array([(1 + (self.scores_ >= s).sum()) / (1 + len(self.scores_)) for s in scores])


class ScreenByPValues(BaseEstimator):
    def __init__(self, alpha=0.05):
        self.alpha = alpha

    def fit(self, calibration_scores):
        self.seen_ = np.asarray(calibration_scores, dtype=float)
        assert not np.isnan(self.seen_).any()
        self.threshold_ = conformal_threshold(self.seen_, self.alpha)
        if self.threshold_ == np.inf:
            warnings.warn("more scores, please", stacklevel=2)
        return self

    def p_values(self, scores):
        if not hasattr(self, "seen_"):
            raise NotFittedError("fit first")
        if np.isnan(scores).any():
            raise ValueError("NaN")
        return conformal_p_values(self.seen_, scores)

    def predict(self, scores):
        return self.p_values(scores) <= self.alpha

    def decision_function(self, scores):
        self.p_values(scores)  # complains
        return np.array([s - self.threshold_ for s in scores])


def interval_with_interval(n, m, alpha, confidence=0.95):
    k = math.floor(round(alpha * (n + 1), 9))
    low, high = betabinom.interval(confidence, m, k, n + 1 - k)
    return low / m, high / m


def interval_by_summing(n, m, alpha, confidence=0.95):
    k = int(alpha * (n + 1) + 1e-7)
    a, b = k, n + 1 - k
    j = np.arange(m + 1)
    choose = gammaln(m + 1) - gammaln(j + 1) - gammaln(m - j + 1)
    below = np.cumsum(np.exp(choose + betaln(j + a, m - j + b) - betaln(a, b)))
    tail = (1 - confidence) / 2
    ends = [int(np.argmax(below >= q - 1e-12)) for q in (tail, 1 - tail)]
    return np.array(ends) / m


def variation_with_diff(x):
    across, down = x.diff(dim=3).abs(), x.diff(dim=2).abs()
    return 0.5 * across.mean(dim=(1, 2, 3)) + 0.5 * down.mean(dim=(1, 2, 3))


def variation_picture_by_picture(x):
    values = []
    for picture in x:
        right = (picture[:, :, :-1] - picture[:, :, 1:]).abs().mean()
        below = (picture[:, :-1] - picture[:, 1:]).abs().mean()
        values.append((right + below) / 2)
    return torch.stack(values)


def correlation_from_scipy(a, b):
    return spearmanr(a, b).statistic


def correlation_by_counting(a, b):
    def ranks(x):
        x = np.asarray(x)
        return np.array([(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x])

    r, s = ranks(a), ranks(b)
    r, s = r - r.mean(), s - s.mean()
    return float((r * s).sum() / np.sqrt((r * r).sum() * (s * s).sum()))


def correlation_from_the_highest_down(a, b):
    r, s = pd.Series(-a).rank(), pd.Series(-b).rank()
    return r.corr(s)


def beyond_with_scikit_learn(errors_fit, complexity_fit, errors, complexity):
    line = LinearRegression().fit(np.log(complexity_fit).reshape(-1, 1), np.log(errors_fit))
    return np.log(errors) - line.predict(np.log(complexity).reshape(-1, 1))


def beyond_by_hand(errors_fit, complexity_fit, errors, complexity):
    x, y = np.log(complexity_fit), np.log(errors_fit)
    slope = np.sum((x - x.mean()) * (y - y.mean())) / np.sum((x - x.mean()) ** 2)
    expected = y.mean() + slope * (np.log(complexity) - x.mean())
    return np.log(errors) - expected


def energy_by_hand(logits, temperature=1.0):
    scaled = logits / temperature
    top, _ = scaled.max(dim=1, keepdim=True)
    return -temperature * (top.squeeze(1) + (scaled - top).exp().sum(dim=1).log())


def energy_from_log_softmax(logits, temperature=1.0):
    scaled = logits / temperature
    return temperature * (scaled.log_softmax(dim=1) - scaled)[:, 0]


def distance_class_by_class(z_train, labels, z):
    centred = torch.empty_like(z_train)
    means = []
    for c in labels.unique().tolist():
        mean = z_train[labels == c].mean(dim=0)
        centred[labels == c] = z_train[labels == c] - mean
        means.append(mean)
    covariance, _ = ledoit_wolf(centred.numpy(), assume_centered=True)
    inverse = torch.from_numpy(np.linalg.inv(covariance)).to(z)
    nearest = []
    for mean in means:
        step = z - mean
        nearest.append(((step @ inverse) * step).sum(dim=1).sqrt())
    return torch.stack(nearest).min(dim=0).values


def distance_after_whitening(z_train, labels, z):
    classes, place = np.unique(labels.numpy(), return_inverse=True)
    a = z_train.double().numpy()
    means = np.array([a[place == i].mean(axis=0) for i in range(len(classes))])
    covariance, _ = ledoit_wolf(a - means[place])
    root = np.linalg.cholesky(np.linalg.inv(covariance))
    gaps = torch.cdist(torch.from_numpy(z.double().numpy() @ root), torch.from_numpy(means @ root))
    return gaps.min(dim=1).values.to(z.dtype)


def neighbours_from_scikit_learn(z_train, z, k=50):
    def unit(a):
        a = a.double().numpy()
        return a / np.linalg.norm(a, axis=1, keepdims=True)

    distances, _ = NearestNeighbors(n_neighbors=k).fit(unit(z_train)).kneighbors(unit(z))
    return torch.from_numpy(distances[:, -1]).to(z.dtype)


def neighbours_from_cosines(z_train, z, k=50):
    a = z_train / z_train.norm(dim=1, keepdim=True)
    b = z / z.norm(dim=1, keepdim=True)
    cosine = (b.double() @ a.double().T).topk(k, dim=1).values[:, -1]
    return (2 - 2 * cosine).clamp(min=0).sqrt().to(z.dtype)


def risk_group_by_group(confidence, correct):
    confidence, correct = np.asarray(confidence), np.asarray(correct)
    risk, wrong, seen = [], 0.0, 0
    for level in sorted(set(confidence.tolist()), reverse=True):
        group = correct[confidence == level]
        share = 1 - group.mean()
        for _ in group:
            wrong, seen = wrong + share, seen + 1
            risk.append(wrong / seen)
    return np.linspace(1 / seen, 1, seen), np.array(risk)


def risk_between_the_groups(confidence, correct):
    wrong = ~correct
    levels = np.unique(confidence)[::-1]
    answered = [0, *(np.sum(confidence >= c) for c in levels)]
    errors = [0, *(np.sum(wrong[confidence >= c]) for c in levels)]
    k = np.arange(1, len(wrong) + 1)
    return k / k[-1], np.interp(k, answered, errors) / k


def risk_with_pandas(confidence, correct):
    frame = pd.DataFrame({"sure": confidence, "wrong": 1.0 - np.asarray(correct)})
    frame["wrong"] = frame.groupby("sure").wrong.transform("mean")
    frame = frame.sort_values("sure", ascending=False)
    risk = frame.wrong.expanding().mean().to_numpy()
    return np.arange(1, len(risk) + 1) / len(risk), risk


RIGHT = {
    "4.1": [roles_by_hand, roles_by_random_keys],
    "4.2": [temperature_on_a_grid, temperature_by_gradient],
    "4.3": [
        ColourAutoencoderInLoops,
        ColourAutoencoderWithBlocks,
        ColourAutoencoderInFunctions,
    ],
    "4.4": [PlainScreen, ScreenByPValues],
    "4.5": [interval_with_interval, interval_by_summing],
    "4.6": [variation_with_diff, variation_picture_by_picture],
    "4.7": [
        correlation_from_scipy,
        correlation_by_counting,
        correlation_from_the_highest_down,
    ],
    "4.8": [beyond_with_scikit_learn, beyond_by_hand],
    "4.9": [energy_by_hand, energy_from_log_softmax],
    "4.10": [distance_class_by_class, distance_after_whitening],
    "4.11": [neighbours_from_scikit_learn, neighbours_from_cosines],
    "4.12": [risk_group_by_group, risk_with_pandas, risk_between_the_groups],
}
