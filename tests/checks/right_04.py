"""Right answers to module 4, written as learners write them: at least four for each exercise."""

import functools
import itertools
import math
import random
import warnings

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from scipy.special import betaln, gammaln, log_softmax
from scipy.stats import betabinom, linregress, pearsonr, rankdata, spearmanr, zscore
from sklearn.base import BaseEstimator
from sklearn.covariance import LedoitWolf, ledoit_wolf
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted
from torch import nn

from helpers.experiments import module_04
from helpers.thresholds import as_scores, conformal_p_values, conformal_threshold


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


def roles_from_scikit_learn(labels, wanted, shares, seed=0):
    rest = np.flatnonzero(np.isin(labels, wanted))
    left, roles = 1.0, []
    for share in shares:
        if left - share < 1e-9:
            roles.append(rest)
            break
        role, rest = train_test_split(
            rest, train_size=share / left, random_state=seed, stratify=labels[rest]
        )
        roles.append(role)
        left -= share
    return roles


def roles_from_torch(labels, wanted, shares, seed=0):
    generator = torch.Generator().manual_seed(seed)
    roles = [[] for _ in shares]
    for c in wanted:
        own = torch.from_numpy(np.flatnonzero(labels == c))
        own = own[torch.randperm(len(own), generator=generator)]
        sizes = [int(s * len(own)) for s in shares]
        for role, part in zip(roles, own[: sum(sizes)].split(sizes), strict=True):
            role.append(part)
    return [torch.cat(role) for role in roles]


def roles_from_pythons_random(labels, wanted, shares, seed=0):
    draw = random.Random(seed)
    roles = {i: [] for i in range(len(shares))}
    for c in wanted:
        own = [i for i, label in enumerate(labels) if label == c]
        draw.shuffle(own)
        ends = [0, *(math.floor(e * len(own) + 1e-9) for e in np.cumsum(shares))]
        for i in roles:
            roles[i].extend(own[ends[i] : ends[i + 1]])
    return [sorted(role) for role in roles.values()]


def roles_with_pandas(labels, wanted, shares, seed=0):
    frame = pd.DataFrame({"label": labels})
    frame = frame[frame.label.isin(wanted)].sample(frac=1, random_state=seed)
    order = frame.groupby("label").cumcount() + 0.5
    place = order / frame.groupby("label").label.transform("size")
    ends = np.concatenate([[0], np.cumsum(shares)])
    return [
        frame.index[(place > low) & (place <= high)].to_numpy()
        for low, high in itertools.pairwise(ends)
    ]


def roles_one_seed_a_class(labels, wanted, shares, seed=0):
    def own(c):
        found = np.where(np.array(labels) == c)[0]
        return np.random.RandomState(seed + 1000 * c).permutation(found)

    cuts = [np.cumsum([round(s * len(own(c))) for s in shares]) for c in wanted]
    pieces = [np.array_split(own(c), cut)[:-1] for c, cut in zip(wanted, cuts, strict=True)]
    return tuple(np.hstack(role) for role in zip(*pieces, strict=True))


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


def temperature_from_the_slope(logits, labels):
    x, y = logits.double().numpy(), labels.numpy()

    def slope(b):  # of the cross-entropy of b·x: the mean of (expected logit - own logit)
        p = np.exp(log_softmax(b * x, axis=1))
        return ((p * x).sum(1) - x[np.arange(len(x)), y]).mean()

    return 1 / brentq(slope, 1e-3, 1e3)


def temperature_by_nelder_and_mead(logits, labels):
    def loss(t):
        return F.cross_entropy(logits / float(t[0]), labels).item() if t[0] > 0 else 1e9

    return float(minimize(loss, [1.0], method="Nelder-Mead", options={"xatol": 1e-6}).x[0])


def temperature_in_numpy(logits, labels):
    x, rows = logits.numpy().astype(float), np.arange(len(labels))

    def loss(log_t):
        return -log_softmax(x / np.exp(log_t), axis=1)[rows, labels.numpy()].sum()

    return np.exp(minimize_scalar(loss, bracket=(-1, 1)).x)


def temperature_itself_bounded(logits, labels):
    def loss(t):
        return -torch.distributions.Categorical(logits=logits / t).log_prob(labels).mean().item()

    return minimize_scalar(loss, bounds=(1e-2, 100), method="bounded").x


def temperature_by_newton(logits, labels):
    b = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)  # logarithm of T
    for _ in range(500):
        loss = F.nll_loss((logits.double() / b.exp()).log_softmax(dim=1), labels)
        (slope,) = torch.autograd.grad(loss, b, create_graph=True)
        (bend,) = torch.autograd.grad(slope, b)
        with torch.no_grad():
            b -= (slope / bend if bend > 0 else slope.sign()).clamp(-0.3, 0.3)
    return b.exp().item()


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


class ColourAutoencoderInStages(nn.Module):
    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__()
        a, b, c = widths

        def pair(layer, i, m, o, first, second):
            return nn.Sequential(layer(i, m, 3, **first), nn.ReLU(), layer(m, o, 3, **second))

        one, two = {"padding": 1}, {"padding": 1, "stride": 2}
        up = two | {"output_padding": 1}
        conv, back = nn.Conv2d, nn.ConvTranspose2d
        self.encoder = nn.Sequential(
            nn.Sequential(pair(conv, 3, a, a, one, one), nn.ReLU(inplace=True)),
            nn.Sequential(pair(conv, a, b, b, two, one), nn.ReLU(inplace=True)),
            nn.Sequential(pair(conv, b, c, c, two, one), nn.Flatten(), nn.ReLU()),
            nn.LazyLinear(latent_dim),
        )
        self.decoder = nn.Sequential(
            nn.Sequential(nn.Linear(latent_dim, c * 64), nn.ReLU(), nn.Unflatten(1, (c, 8, 8))),
            pair(back, c, c, b, one, up),
            nn.ReLU(inplace=True),
            pair(back, b, b, a, one, up),
            nn.ReLU(inplace=True),
            pair(back, a, a, 3, one, one),
        )

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decoder(self.encoder(x))


class ColourAutoencoderMeasured(nn.Module):
    """The size of the flattened features found by sending an image through."""

    def __init__(self, widths=None, latent_dim=None):
        super().__init__()
        widths, latent_dim = widths or (16, 32, 64), latent_dim or 1000
        a, b, c = widths
        channels, strides = [3, a, a, b, b, c, c], [1, 1, 2, 1, 2, 1]
        layers = []
        for i, o, s in zip(channels[:-1], channels[1:], strides, strict=True):
            layers.extend([nn.Conv2d(i, o, (3, 3), stride=s, padding="same" if s == 1 else 1)])
            layers.extend([nn.ReLU()])
        convolutions = nn.Sequential(*layers, nn.Flatten())
        size = convolutions(torch.zeros(1, 3, 32, 32)).shape[1]
        self.encoder = nn.Sequential(*convolutions, nn.Linear(size, latent_dim))
        layers = [nn.Linear(latent_dim, size), nn.Unflatten(1, (c, 8, 8))]
        for i, o, s in zip(channels[:0:-1], channels[-2::-1], [1, 2, 1, 2, 1, 1], strict=True):
            layers += [nn.ReLU(), nn.ConvTranspose2d(i, o, 3, s, 1, output_padding=s // 2)]
        self.decoder = nn.Sequential(*layers)

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        z = self.encode(x)
        return self.decode(z)


class PlainScreen:
    def __init__(self, alpha=0.05):
        self.alpha = alpha

    def fit(self, calibration_scores):
        scores = np.sort(np.array(calibration_scores, dtype=float))
        if not np.all(np.isfinite(scores)):
            raise ValueError("scores must be finite")
        k = int(np.floor(self.alpha * (len(scores) + 1) + 1e-9))
        if k < 1:
            warnings.warn("too few scores", UserWarning, stacklevel=1)
        self.scores_ = scores
        self.threshold_ = scores[-k] if k else np.inf
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


class ScreenWithPrivateScores(BaseEstimator):
    def __init__(self, alpha):
        self.alpha = alpha

    def fit(self, calibration_scores):
        scores = as_scores(calibration_scores)
        self._calibration = scores.copy()
        self.threshold_ = conformal_threshold(scores, self.alpha)
        if not np.isfinite(self.threshold_):
            warnings.warn(f"{len(scores)} scores are too few", RuntimeWarning, stacklevel=2)
        return self

    def decision_function(self, scores):
        check_is_fitted(self, "threshold_")
        return np.subtract(as_scores(scores), self.threshold_)

    def predict(self, scores):
        return np.greater(self.decision_function(scores), 0)

    def p_values(self, scores):
        check_is_fitted(self)
        scores = as_scores(scores)
        at_least = (self._calibration[None, :] >= scores[:, None]).sum(axis=1)
        return (at_least + 1.0) / (self._calibration.size + 1)


class ScreenInTorch(nn.Module):
    def __init__(self, alpha):
        super().__init__()
        self.alpha, self.threshold_ = alpha, None

    def fit(self, calibration_scores):
        scores = torch.as_tensor(calibration_scores).sort(descending=True).values
        if scores.isnan().any():
            raise ValueError("a score is not a number")
        self.kept_ = scores
        p = torch.arange(1, len(scores) + 1, dtype=torch.float64) / (len(scores) + 1)
        allowed = int((p <= self.alpha + 1e-12).sum())
        self.threshold_ = float(scores[allowed - 1]) if allowed == len(scores) else None
        ends = [math.inf, *scores.tolist()]
        self.threshold_ = ends[allowed]
        if allowed == 0:
            warnings.warn("nothing will be refused", stacklevel=2)
        return self

    def _checked(self, scores):
        if self.threshold_ is None:
            raise RuntimeError("call fit first")
        scores = torch.as_tensor(scores)
        if scores.isnan().any():
            raise ValueError("a score is not a number")
        return scores

    def decision_function(self, scores):
        return (self._checked(scores) - self.threshold_).numpy()

    def predict(self, scores):
        return self.decision_function(scores) > 0

    def p_values(self, scores):
        counts = (self.kept_ >= self._checked(scores)[:, None]).sum(dim=1)
        return ((1 + counts) / (1 + len(self.kept_))).numpy()


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


def interval_from_the_upper_tail(n, m, alpha, confidence=0.95):
    k = math.floor(alpha * (n + 1) + 1e-6)
    law = betabinom(n=m, a=k, b=n - k + 1)
    tail = (1 - confidence) / 2
    return [law.ppf(tail) / m, law.isf(tail) / m]


def interval_with_fractions(n, m, alpha, confidence=0.95):
    from fractions import Fraction

    k = int(Fraction(str(alpha)) * (n + 1))
    ends = np.array([1 - confidence, 1 + confidence]) / 2
    return tuple(betabinom.ppf(ends, m, k, n + 1 - k) / m)


def interval_by_search(n, m, alpha, confidence=0.95):
    k = max(j for j in range(n + 2) if j <= alpha * (n + 1) + 1e-9)
    share = betabinom.cdf(np.arange(m + 1), m, k, n + 1 - k)
    low = np.searchsorted(share, (1 - confidence) / 2)
    high = np.searchsorted(share, (1 + confidence) / 2)
    return torch.tensor([low / m, high / m])


def variation_with_diff(x):
    across, down = x.diff(dim=3).abs(), x.diff(dim=2).abs()
    return 0.5 * across.mean(dim=(1, 2, 3)) + 0.5 * down.mean(dim=(1, 2, 3))


def variation_image_by_image(x):
    values = []
    for image in x:
        right = (image[:, :, :-1] - image[:, :, 1:]).abs().mean()
        below = (image[:, :-1] - image[:, 1:]).abs().mean()
        values.append((right + below) / 2)
    return torch.stack(values)


def variation_with_numpy(x):
    a = x.numpy()
    across = np.abs(np.diff(a, axis=-1)).mean(axis=(1, 2, 3))
    down = np.abs(np.diff(a, axis=-2)).mean(axis=(1, 2, 3))
    return torch.from_numpy((across + down) / 2)


def variation_with_convolutions(x):
    n, c, h, w = x.shape
    flat = x.reshape(n * c, 1, h, w)
    step = torch.tensor([-1.0, 1.0])
    across = F.conv2d(flat, step.view(1, 1, 1, 2)).abs().reshape(n, -1).mean(1)
    down = F.conv2d(flat, step.view(1, 1, 2, 1)).abs().reshape(n, -1).mean(1)
    return torch.lerp(across, down, 0.5)


def variation_with_losses(x):
    values = torch.zeros(len(x))
    for i in range(len(x)):
        values[i] = F.l1_loss(x[i, :, :, 1:], x[i, :, :, :-1]) / 2
        values[i] += F.l1_loss(x[i, :, 1:, :], x[i, :, :-1, :]) / 2
    return values


def variation_with_einsum(x):
    c, h, w = x.shape[1:]
    across = torch.einsum("nchw->n", (x[..., 1:] - x[..., :-1]).abs()) / (c * h * (w - 1))
    down = torch.einsum("nchw->n", (x[:, :, 1:] - x[:, :, :-1]).abs()) / (c * (h - 1) * w)
    return (across + down).div(2).double()


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


def correlation_with_pandas(a, b):
    return pd.Series(a).corr(pd.Series(b), method="spearman")


def correlation_of_standard_scores(a, b):
    return float((zscore(rankdata(a)) * zscore(rankdata(b))).mean())


def correlation_in_torch(a, b):
    ranks = torch.from_numpy(np.stack([rankdata(a), rankdata(b)]))
    return torch.corrcoef(ranks)[0, 1].item()


def correlation_from_pearsonr(a, b):
    r, _ = pearsonr(rankdata(a, method="average"), rankdata(b, method="average"))
    return np.float32(r)


def beyond_with_scikit_learn(errors_fit, complexity_fit, errors, complexity):
    line = LinearRegression().fit(np.log(complexity_fit).reshape(-1, 1), np.log(errors_fit))
    return np.log(errors) - line.predict(np.log(complexity).reshape(-1, 1))


def beyond_by_hand(errors_fit, complexity_fit, errors, complexity):
    x, y = np.log(complexity_fit), np.log(errors_fit)
    slope = np.sum((x - x.mean()) * (y - y.mean())) / np.sum((x - x.mean()) ** 2)
    expected = y.mean() + slope * (np.log(complexity) - x.mean())
    return np.log(errors) - expected


def beyond_with_linregress(errors_fit, complexity_fit, errors, complexity):
    line = linregress(np.log(complexity_fit), np.log(errors_fit))
    return np.log(errors / np.exp(line.intercept) / complexity**line.slope)


def beyond_with_lstsq(errors_fit, complexity_fit, errors, complexity):
    x = np.column_stack([np.ones(len(complexity_fit)), np.log(complexity_fit)])
    (a, b), *_ = np.linalg.lstsq(x, np.log(errors_fit), rcond=None)
    return np.array([math.log(e) - a - b * math.log(c) for e, c in zip(errors, complexity)])  # noqa: B905


def beyond_in_torch(errors_fit, complexity_fit, errors, complexity):
    e, c, new_e, new_c = (
        torch.as_tensor(v).float().log() for v in (errors_fit, complexity_fit, errors, complexity)
    )
    slope = ((c - c.mean()) * (e - e.mean())).sum() / (c - c.mean()).square().sum()
    return new_e - (e.mean() + slope * (new_c - c.mean()))


def beyond_with_polynomial(errors_fit, complexity_fit, errors, complexity):
    line = np.polynomial.Polynomial.fit(np.log(complexity_fit), np.log(errors_fit), deg=1)
    return np.log(errors) - line(np.log(complexity))


def energy_by_hand(logits, temperature=1.0):
    scaled = logits / temperature
    top, _ = scaled.max(dim=1, keepdim=True)
    return -temperature * (top.squeeze(1) + (scaled - top).exp().sum(dim=1).log())


def energy_from_log_softmax(logits, temperature=1.0):
    scaled = logits / temperature
    return temperature * (scaled.log_softmax(dim=1) - scaled)[:, 0]


def energy_pair_by_pair(logits, temperature=1.0):
    columns = (logits / temperature).unbind(dim=1)
    return functools.reduce(torch.logaddexp, columns).mul(-temperature)


def energy_row_by_row(logits, temperature=1.0):
    return torch.stack([-temperature * torch.logsumexp(row / temperature, 0) for row in logits])


def energy_with_a_fixed_shift(logits, temperature=1.0):
    top = logits.detach().amax(dim=-1)
    inner = torch.exp((logits - top[:, None]) / temperature)
    return -(top + temperature * torch.log(torch.einsum("nk->n", inner)))


def energy_from_the_cross_entropy(logits, temperature=1.0):
    scaled = logits / temperature
    first = torch.zeros(len(scaled), dtype=torch.long)
    return -temperature * (F.cross_entropy(scaled, first, reduction="none") + scaled[:, 0])


def energy_from_categorical(logits, temperature=1.0):
    scaled = logits / temperature
    law = torch.distributions.Categorical(logits=scaled)
    return temperature * (law.logits[:, 0] - scaled[:, 0])


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


def distance_from_scikit_learn(z_train, labels, z):
    centred, means = z_train.clone(), {}
    for c in torch.unique(labels):
        means[int(c)] = z_train[labels == c].mean(0)
        centred[labels == c] -= means[int(c)]
    model = LedoitWolf(assume_centered=True).fit(centred)
    squared = [model.mahalanobis((z - m).numpy()) for m in means.values()]
    return torch.as_tensor(np.sqrt(np.min(squared, axis=0)), dtype=z.dtype)


def distance_from_scipy(z_train, labels, z):
    a, y = z_train.numpy(), labels.numpy()
    classes = sorted(set(y.tolist()))
    means = np.stack([a[y == c].mean(axis=0) for c in classes])
    centred = a - means[np.searchsorted(classes, y)]
    inverse = LedoitWolf(assume_centered=True).fit(centred).get_precision()
    return torch.tensor(cdist(z.numpy(), means, "mahalanobis", VI=inverse).min(1)).to(z.dtype)


def distance_by_solving(z_train, labels, z):
    classes, place, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(classes), z_train.shape[1], dtype=z_train.dtype)
    means = sums.index_add(0, place, z_train) / counts[:, None]
    covariance = LedoitWolf(assume_centered=True).fit(z_train - means[place]).covariance_
    covariance = torch.tensor(covariance).type_as(z)
    best = torch.full((len(z),), torch.inf).type_as(z)
    for mean in means:
        step = (z - mean).T
        squared = (step * torch.linalg.solve(covariance, step)).sum(0)
        best = torch.minimum(best, squared)
    return best**0.5


def neighbours_from_scikit_learn(z_train, z, k=50):
    def unit(a):
        a = a.double().numpy()
        return a / np.linalg.norm(a, axis=1, keepdims=True)

    distances, _ = NearestNeighbors(n_neighbors=k).fit(unit(z_train)).kneighbors(unit(z))
    return torch.from_numpy(distances[:, -1]).to(z.dtype)


def neighbours_in_a_tree(z_train, z, k=50):
    old, new = (v.double() / v.double().norm(dim=1, keepdim=True) for v in (z_train, z))
    return torch.from_numpy(cKDTree(old.numpy()).query(new.numpy(), k=[k])[0][:, 0])


def neighbours_from_cosines(z_train, z, k=50):
    a = z_train / z_train.norm(dim=1, keepdim=True)
    b = z / z.norm(dim=1, keepdim=True)
    cosine = (b.double() @ a.double().T).topk(k, dim=1).values[:, -1]
    return (2 - 2 * cosine).clamp(min=0).sqrt().to(z.dtype)


def neighbours_row_by_row(z_train, z, k=50):
    train = z_train / torch.linalg.vector_norm(z_train, dim=1, keepdim=True)
    found = []
    for row in z:
        gaps = (train - row / row.norm()).norm(dim=1)
        found.append(gaps.sort().values[k - 1])
    return torch.tensor(found)


def neighbours_with_topk(z_train, z, k=50):
    distances = torch.cdist(F.normalize(z, dim=-1), F.normalize(z_train, dim=-1))
    return distances.topk(k, dim=1, largest=False).values.amax(dim=1)


def neighbours_in_numpy(z_train, z, k=50):
    a, b = normalize(z_train.numpy()), normalize(z.numpy())
    distances = cdist(b, a)
    return torch.from_numpy(np.partition(distances, k - 1, axis=1)[:, k - 1])


def neighbours_with_einsum(z_train, z, k=50):
    a, b = (F.normalize(v.double()) for v in (z_train, z))
    squared = 2 - 2 * torch.einsum("nd,md->nm", b, a)
    return squared.clamp_min(0).sqrt().sort(dim=1)[0][:, k - 1].float()


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


def risk_by_definition(confidence, correct):
    """The mean over all orders of the ties: each of a group counts with the group's error."""
    n, risk = len(confidence), []
    order = sorted(range(n), key=lambda i: confidence[i], reverse=True)
    share = {c: np.mean([not correct[i] for i in order if confidence[i] == c]) for c in confidence}
    for k in range(1, n + 1):
        risk.append(sum(share[confidence[i]] for i in order[:k]) / k)
    return [k / n for k in range(1, n + 1)], risk


def risk_in_torch(confidence, correct):
    c = torch.from_numpy(confidence)
    wrong = 1 - torch.from_numpy(correct).double()
    levels, place = torch.unique(c, return_inverse=True)
    share = (
        torch.zeros(len(levels))
        .double()
        .scatter_reduce(0, place, wrong, "mean", include_self=False)
    )
    k = torch.arange(1, len(c) + 1)
    return k / len(c), share[place][c.argsort(descending=True)].cumsum(0) / k


# --- 4.15: on the sample, as in tests/checks/conftest.py -----------------------------------------


@functools.cache
def known_pets():
    return module_04.roles().autoencoder.images[:600]


def score_of_patches(images):
    return module_04.patch_distances(known_pets(), images, atoms=96)


def score_of_a_mean_of_two(images):
    """Patches of two sizes, each in units of its deviation over known images."""
    scores = []
    for size in (4, 7):
        known = known_pets()
        first, other = known[::2], known[1::2]
        reference = module_04.patch_distances(first, other, size=size)
        s = module_04.patch_distances(first, images, size=size)
        scores.append((s - reference.mean()) / reference.std())
    return torch.from_numpy(sum(scores))


def score_of_patches_in_a_list(images):
    return list(np.log(module_04.patch_distances(known_pets(), images)))


RIGHT = {
    "4.1": [
        roles_by_hand,
        roles_by_random_keys,
        roles_from_scikit_learn,
        roles_from_torch,
        roles_from_pythons_random,
        roles_with_pandas,
        roles_one_seed_a_class,
    ],
    "4.2": [
        temperature_on_a_grid,
        temperature_by_gradient,
        temperature_from_the_slope,
        temperature_by_nelder_and_mead,
        temperature_in_numpy,
        temperature_itself_bounded,
        temperature_by_newton,
    ],
    "4.3": [
        ColourAutoencoderInLoops,
        ColourAutoencoderWithBlocks,
        ColourAutoencoderInFunctions,
        ColourAutoencoderInStages,
        ColourAutoencoderMeasured,
    ],
    "4.4": [PlainScreen, ScreenByPValues, ScreenWithPrivateScores, ScreenInTorch],
    "4.5": [
        interval_with_interval,
        interval_by_summing,
        interval_from_the_upper_tail,
        interval_with_fractions,
        interval_by_search,
    ],
    "4.6": [
        variation_with_diff,
        variation_image_by_image,
        variation_with_numpy,
        variation_with_convolutions,
        variation_with_losses,
        variation_with_einsum,
    ],
    "4.7": [
        correlation_from_scipy,
        correlation_by_counting,
        correlation_from_the_highest_down,
        correlation_with_pandas,
        correlation_of_standard_scores,
        correlation_in_torch,
        correlation_from_pearsonr,
    ],
    "4.8": [
        beyond_with_scikit_learn,
        beyond_by_hand,
        beyond_with_linregress,
        beyond_with_lstsq,
        beyond_in_torch,
        beyond_with_polynomial,
    ],
    "4.9": [
        energy_by_hand,
        energy_from_the_cross_entropy,
        energy_from_log_softmax,
        energy_pair_by_pair,
        energy_row_by_row,
        energy_with_a_fixed_shift,
        energy_from_categorical,
    ],
    "4.10": [
        distance_class_by_class,
        distance_after_whitening,
        distance_from_scikit_learn,
        distance_from_scipy,
        distance_by_solving,
    ],
    "4.11": [
        neighbours_from_scikit_learn,
        neighbours_in_a_tree,
        neighbours_from_cosines,
        neighbours_row_by_row,
        neighbours_with_topk,
        neighbours_in_numpy,
        neighbours_with_einsum,
    ],
    "4.12": [
        risk_group_by_group,
        risk_with_pandas,
        risk_between_the_groups,
        risk_by_definition,
        risk_in_torch,
    ],
    "4.13": [
        {"pets": 0.05, "others": 0.05},
        {"others": np.float64(1) / 20, "pets": torch.tensor(0.06)},
        {"pets": 0.04, "others": 0.065},
    ],
    "4.14": [
        {"choice": "refused at 5 %", "because": "3"},
        {"because": " 3", "choice": "Refused at 5 %"},
        ["refused at 5 %", "3"],
    ],
    "4.15": [score_of_patches, score_of_a_mean_of_two, score_of_patches_in_a_list],
}
