"""Wrong answers to module 4, by hand: with the mistake's name, or a part of what must be said."""

import logging
import math
import random
import warnings

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from scipy.special import expit
from scipy.stats import beta, betabinom, binom, kendalltau, rankdata, theilslopes
from sklearn.base import BaseEstimator
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.utils.validation import check_is_fitted
from torch import nn

from helpers.experiments import module_04
from helpers.thresholds import as_scores, conformal_p_values, conformal_threshold

# --- 4.1 --------------------------------------------------------------------------------------


def _roles(labels, wanted, shares, seed=0, *, rng=None, pools=None, cut=None, draw=None):
    """A right answer with one of its steps changed."""
    rng = np.random.default_rng(seed) if rng is None else rng
    parts = []
    for own in [np.flatnonzero(labels == c) for c in wanted] if pools is None else pools:
        own = own[rng.permutation(len(own))] if draw is None else draw(rng, own)
        ends = np.round(np.cumsum(shares) * len(own)).astype(int) if cut is None else cut(own)
        parts.append(np.split(own, ends)[: len(shares)])
    return [np.concatenate(role) for role in zip(*parts, strict=True)]


def roles_of_all_classes(labels, wanted, shares, seed=0):
    pools = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    return _roles(labels, wanted, shares, seed, pools=pools)


def roles_of_cats_and_dogs_whatever_is_wanted(labels, wanted, shares, seed=0):
    return _roles(labels, (3, 5), shares, seed)


def roles_that_overlap(labels, wanted, shares, seed=0):
    rng = np.random.default_rng(seed)
    own = [np.flatnonzero(labels == c) for c in wanted]
    return [
        np.concatenate([rng.choice(o, round(s * len(o)), replace=False) for o in own])
        for s in shares
    ]


def roles_cut_together(labels, wanted, shares, seed=0):
    return _roles(labels, wanted, shares, seed, pools=[np.flatnonzero(np.isin(labels, wanted))])


def roles_cut_at_the_shares(labels, wanted, shares, seed=0):
    def cut(own):
        return np.sort(np.round(np.array(shares) * len(own)).astype(int))

    return _roles(labels, wanted, shares, seed, cut=cut)


def roles_with_the_rest_in_the_last(labels, wanted, shares, seed=0):
    def cut(own):
        return np.round(np.cumsum(shares)[:-1] * len(own)).astype(int)

    return _roles(labels, wanted, shares, seed, cut=cut)


def roles_not_shuffled(labels, wanted, shares, seed=0):
    return _roles(labels, wanted, shares, seed, draw=lambda rng, own: own)


def roles_from_the_end(labels, wanted, shares, seed=0):
    return _roles(labels, wanted, shares, seed, draw=lambda rng, own: own[::-1])


def roles_turned_by_a_random_step(labels, wanted, shares, seed=0):
    return _roles(
        labels, wanted, shares, seed, draw=lambda rng, own: np.roll(own, rng.integers(len(own)))
    )


def roles_in_turn_from_a_random_start(labels, wanted, shares, seed=0):
    def draw(rng, own):  # every other image comes first
        start = rng.integers(2)
        return np.concatenate([own[start::2], own[1 - start :: 2]])

    return _roles(labels, wanted, shares, seed, draw=draw)


def roles_with_only_the_first_class_shuffled(labels, wanted, shares, seed=0):
    rng = np.random.default_rng(seed)
    first = labels[labels == wanted[0]][0]

    def draw(_, own):
        return rng.permutation(own) if labels[own[0]] == first else own

    return _roles(labels, wanted, shares, draw=draw)


def roles_drawn_with_replacement(labels, wanted, shares, seed=0):
    return _roles(labels, wanted, shares, seed, draw=lambda rng, own: rng.choice(own, len(own)))


def roles_in_a_list_for_each_class(labels, wanted, shares, seed=0):
    return [_roles(labels, [c], shares, seed) for c in wanted]


def roles_not_joined(labels, wanted, shares, seed=0):
    each = [_roles(labels, [c], shares, seed) for c in wanted]
    return [list(role) for role in zip(*each, strict=True)]


def roles_and_the_rest(labels, wanted, shares, seed=0):
    return _roles(labels, wanted, (*shares, 1 - sum(shares)), seed)


def roles_as_places_in_the_class(labels, wanted, shares, seed=0):
    pools = [np.arange((labels == c).sum()) for c in wanted]
    return _roles(labels, wanted, shares, seed, pools=pools)


def roles_as_labels(labels, wanted, shares, seed=0):
    return [labels[part] for part in _roles(labels, wanted, shares, seed)]


def roles_as_masks(labels, wanted, shares, seed=0):
    parts = _roles(labels, wanted, shares, seed)
    return [np.isin(np.arange(len(labels)), part) for part in parts]


def roles_as_floats(labels, wanted, shares, seed=0):
    return [part.astype(float) for part in _roles(labels, wanted, shares, seed)]


def roles_in_a_dictionary(labels, wanted, shares, seed=0):
    return dict(enumerate(_roles(labels, wanted, shares, seed)))


def roles_of_numbers_from_one(labels, wanted, shares, seed=0):
    return [part + 1 for part in _roles(labels, wanted, shares, seed)]


def roles_past_the_end(labels, wanted, shares, seed=0):
    return [part + len(labels) for part in _roles(labels, wanted, shares, seed)]


def roles_unseeded(labels, wanted, shares, seed=0):
    return _roles(labels, wanted, shares, rng=np.random.default_rng())


def roles_with_seed_ignored(labels, wanted, shares, seed=0):
    return _roles(labels, wanted, shares, seed=42)


def roles_with_the_global_seed(labels, wanted, shares, seed=0):
    np.random.seed(seed)  # noqa: NPY002
    return _roles(labels, wanted, shares, rng=np.random)


def roles_with_pythons_global_seed(labels, wanted, shares, seed=0):
    random.seed(seed)
    return _roles(
        labels,
        wanted,
        shares,
        draw=lambda rng, own: np.array(random.sample(own.tolist(), len(own))),
    )


def roles_with_shares_of_the_whole_set(labels, wanted, shares, seed=0):
    def cut(own):
        return np.round(np.cumsum(shares) * len(labels) / len(wanted)).astype(int)

    return _roles(labels, wanted, shares, seed, cut=cut)


def roles_by_whole_divisors(labels, wanted, shares, seed=0):
    def cut(own):
        return np.cumsum([len(own) // int(1 / s) for s in shares])

    return _roles(labels, wanted, shares, seed, cut=cut)


def roles_without_return(labels, wanted, shares, seed=0):
    _roles(labels, wanted, shares, seed)


def roles_that_miss_one_image(labels, wanted, shares, seed=0):
    return [part[1:] for part in _roles(labels, wanted, shares, seed)]


def roles_of_three_whatever_the_shares(labels, wanted, shares, seed=0):
    return (_roles(labels, wanted, shares, seed) * 2)[:3]


def roles_by_chance(labels, wanted, shares, seed=0):
    rng = np.random.default_rng(seed)
    own, p = np.flatnonzero(np.isin(labels, wanted)), [*shares, max(0, 1 - sum(shares))]
    role = rng.choice(len(p), size=len(own), p=np.array(p) / sum(p))
    return [own[role == i] for i in range(len(shares))]


def roles_each_of_what_is_left(labels, wanted, shares, seed=0):
    left = [np.random.default_rng(seed).permutation(np.flatnonzero(labels == c)) for c in wanted]
    roles = []
    for s in shares:
        roles.append(np.concatenate([own[: round(s * len(own))] for own in left]))
        left = [own[round(s * len(own)) :] for own in left]
    return roles


def roles_in_one_array(labels, wanted, shares, seed=0):
    return np.concatenate(_roles(labels, wanted, shares, seed))


def roles_in_reverse(labels, wanted, shares, seed=0):
    return _roles(labels, wanted, shares, seed)[::-1]


# --- 4.2 --------------------------------------------------------------------------------------


def _fitted(loss, bounds=(-5, 5), back=np.exp):
    def temperature(logits, labels):
        x = logits.double()
        best = minimize_scalar(
            lambda s: float(loss(x, labels, np.exp(s))), bounds=bounds, method="bounded"
        )
        return float(back(best.x))

    return temperature


def _entropy(x, y, t):
    return F.cross_entropy(x / t, y)


temperature_inverse = _fitted(lambda x, y, t: F.cross_entropy(x * t, y))
temperature_as_a_logarithm = _fitted(_entropy, back=lambda s: s)
temperature_with_softmax_twice = _fitted(lambda x, y, t: F.cross_entropy((x / t).softmax(1), y))
temperature_above_one = _fitted(_entropy, bounds=(0, 5))
temperature_below_one = _fitted(_entropy, bounds=(-5, 0))
temperature_of_the_squared_error = _fitted(
    lambda x, y, t: ((x / t).softmax(1) - F.one_hot(y, x.shape[1])).square().sum()
)
temperature_of_own_answers = _fitted(lambda x, y, t: -(x / t).log_softmax(1).amax(1).mean())
temperature_of_the_largest_probability = _fitted(
    lambda x, y, t: F.cross_entropy(x / t, (x / t).softmax(1).argmax(1))
)
temperature_of_probabilities = _fitted(lambda x, y, t: F.nll_loss((x / t).softmax(1), y))
temperature_of_the_entropy = _fitted(
    lambda x, y, t: torch.distributions.Categorical(logits=x / t).entropy().mean()
)
temperature_of_the_mean_confidence = _fitted(
    lambda x, y, t: ((x / t).softmax(1).amax(1).mean() - (x.argmax(1) == y).double().mean()).abs()
)
temperature_squared = _fitted(_entropy, back=lambda s: np.exp(2 * s))
temperature_of_swapped_labels = _fitted(lambda x, y, t: F.cross_entropy(x / t, 1 - y.clamp(max=1)))


def temperature_not_over_the_logarithm(logits, labels):
    return float(
        minimize_scalar(
            lambda t: float(_entropy(logits.double(), labels, t)), bounds=(-5, 5), method="bounded"
        ).x
    )


def temperature_most_accurate(logits, labels):
    grid = np.geomspace(0.05, 20, 100)
    hits = [float(((logits / t).argmax(1) == labels).float().mean()) for t in grid]
    return float(grid[int(np.argmax(hits))])


def temperature_as_a_tensor(logits, labels):
    return torch.tensor(_fitted(_entropy)(logits, labels))


def temperature_as_an_array(logits, labels):
    return np.array([_fitted(_entropy)(logits, labels)])


def temperature_and_loss(logits, labels):
    return _fitted(_entropy)(logits, labels), 0.5


def temperature_on_a_coarse_grid(logits, labels):
    grid = np.arange(0.5, 10, 0.5)
    return float(grid[np.argmin([float(_entropy(logits, labels, t)) for t in grid])])


def temperature_of_the_first_image(logits, labels):
    return _fitted(_entropy)(logits[:1], labels[:1])


def temperature_in_place(logits, labels):
    t = _fitted(_entropy)(logits, labels)
    logits /= t
    return t


def temperature_of_one(logits, labels):
    return 1.0


def temperature_of_one_logit(logits, labels):
    def loss(s):
        return F.binary_cross_entropy_with_logits(logits[:, 1] / np.exp(s), labels.clamp(max=1.0))

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))


def temperature_returns_the_loss(logits, labels):
    loss = lambda s: F.cross_entropy(logits / np.exp(s), labels).item()  # noqa: E731
    return float(minimize_scalar(loss, bounds=(-5, 5), method="bounded").fun)


def temperature_over_the_batch(logits, labels):
    loss = lambda s: F.nll_loss((logits / np.exp(s)).log_softmax(0), labels).item()  # noqa: E731
    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))


def temperature_of_the_calibration_error(logits, labels):
    def error(t):
        p, answer = (logits / t).softmax(1).max(1)
        place, right = (p * 10).long().clamp(max=9), (answer == labels).float()
        gaps = [((p - right)[place == i]).sum().abs() for i in place.unique()]
        return float(sum(gaps))

    grid = np.geomspace(0.05, 20, 800)
    return float(grid[np.argmin([error(t) for t in grid])])


# --- 4.3 --------------------------------------------------------------------------------------


class _Table(nn.Module):
    """The table's network, with places where it can be changed."""

    relu, last, code, norm, bias, kernel = nn.ReLU, (), (), None, True, 3
    after_linear = True

    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__()
        a, b, c = self.widths(widths)
        latent_dim = self.latent(latent_dim)
        k, p = self.kernel, self.kernel // 2
        down = []
        for i, o, s in ((3, a, 1), (a, a, 1), (a, b, 2), (b, b, 1), (b, c, 2), (c, c, 1)):
            down.append(nn.Conv2d(i, o, k, s, p, bias=self.bias))
            down += [self.norm(o)] if self.norm else []
            down.append(self.relu())
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(c * 64, latent_dim), *self.code)
        up = [nn.Linear(latent_dim, c * 64), nn.Unflatten(1, (c, 8, 8))]
        up += [self.relu()] if self.after_linear else []
        for i, o, s in ((c, c, 1), (c, b, 2), (b, b, 1), (b, a, 2), (a, a, 1), (a, 3, 1)):
            up += [nn.ConvTranspose2d(i, o, k, s, p, s - 1, bias=self.bias), self.relu()]
        self.decoder = nn.Sequential(*up[:-1], *self.last)

    def widths(self, widths):
        return widths

    def latent(self, latent_dim):
        return latent_dim

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


def _cae(name, change=None, **parts):
    body = dict(parts)
    if change:

        def __init__(self, widths=(16, 32, 64), latent_dim=1000):
            _Table.__init__(self, widths, latent_dim)
            change(self)

        body["__init__"] = __init__
    return type(name, (_Table,), body)


def _no_output_padding(self):
    for layer in self.decoder:
        if isinstance(layer, nn.ConvTranspose2d):
            layer.output_padding = (0, 0)


def _one_convolution_a_size(self):
    for place in (10, 6, 2):  # the second of each pair, and its ReLU
        del self.encoder[place : place + 2]
    for place in (11, 7, 3):
        del self.decoder[place : place + 2]


def _pooled(self):
    for place in (8, 4):
        self.encoder[place].stride = (1, 1)
        self.encoder.insert(place + 1, nn.MaxPool2d(2))


def _upsampled(self):
    for place in (9, 5):
        old = self.decoder[place]
        self.decoder[place] = nn.Conv2d(old.in_channels, old.out_channels, 3, padding=1)
        self.decoder.insert(place, nn.Upsample(scale_factor=2))


def _stride_late(self):
    for place in (4, 8):
        self.encoder[place].stride, self.encoder[place + 2].stride = (1, 1), (2, 2)


class SkipsTheCode(_Table):
    def forward(self, x):
        return self.decode(self.encode(x)) + x


class ForwardReturnsTheCode(_Table):
    def forward(self, x):
        z = self.encode(x)
        return self.decode(z), z


class EncodeScales(_Table):
    def encode(self, x):
        return self.encoder(2 * x - 1)


class DecodeClamps(_Table):
    def decode(self, z):
        return self.decoder(z).clamp(0, 1)


class OneReluForgotten(_Table):
    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__(widths, latent_dim)
        del self.encoder[7]


class BentBySine(nn.Module):
    def forward(self, x):
        return x.sin()


def _dilated(self):
    old = self.encoder[2]
    self.encoder[2] = nn.Conv2d(old.in_channels, old.out_channels, 3, padding=2, dilation=2)


def _relu6_in_the_decoder(self):
    for i, layer in enumerate(self.decoder):
        if isinstance(layer, nn.ReLU):
            self.decoder[i] = nn.ReLU6()


class SigmoidInForward(_Table):
    def forward(self, x):
        return torch.sigmoid(self.decode(self.encode(x)))


class ReluOnTheCodeInForward(_Table):
    def forward(self, x):
        return self.decode(self.encode(x).relu())


class WithoutGradient(_Table):
    @torch.no_grad()
    def forward(self, x):
        return self.decode(self.encode(x))


class DetachedCode(_Table):
    def forward(self, x):
        return self.decode(self.encode(x).detach())


# --- 4.4 --------------------------------------------------------------------------------------


class _Screen(BaseEstimator):
    """A right answer whose methods the wrong ones replace."""

    def __init__(self, alpha):
        self.alpha = alpha

    def fit(self, calibration_scores):
        self.scores_ = as_scores(calibration_scores)
        self.threshold_ = conformal_threshold(self.scores_, self.alpha)
        if math.isinf(self.threshold_):
            warnings.warn("too few scores", stacklevel=2)
        return self

    def decision_function(self, scores):
        check_is_fitted(self)
        return as_scores(scores) - self.threshold_

    def predict(self, scores):
        return self.decision_function(scores) > 0

    def p_values(self, scores):
        check_is_fitted(self)
        return conformal_p_values(self.scores_, as_scores(scores))


class FitReturnsNothing(_Screen):
    def fit(self, calibration_scores):
        super().fit(calibration_scores)


class FitReturnsTheThreshold(_Screen):
    def fit(self, calibration_scores):
        return super().fit(calibration_scores).threshold_


class FitReturnsACopy(_Screen):
    def fit(self, calibration_scores):
        super().fit(calibration_scores)
        return type(self)(self.alpha)


class NoUnderscore(_Screen):
    def fit(self, calibration_scores):
        super().fit(calibration_scores)
        self.threshold = self.__dict__.pop("threshold_")
        return self

    def decision_function(self, scores):
        check_is_fitted(self)
        return as_scores(scores) - self.threshold


class PlainQuantile(_Screen):
    def fit(self, calibration_scores):
        super().fit(calibration_scores)
        self.threshold_ = float(np.quantile(calibration_scores, 1 - self.alpha))
        return self


class HigherQuantile(_Screen):
    def fit(self, calibration_scores):
        super().fit(calibration_scores)
        self.threshold_ = np.quantile(self.scores_, 1 - self.alpha, method="higher")
        return self


class RefusesAtTheThreshold(_Screen):
    def predict(self, scores):
        return self.decision_function(scores) >= 0


class RefusesBelowAlphaOnly(_Screen):
    def predict(self, scores):
        return self.p_values(scores) < self.alpha


class TrueIsAccepted(_Screen):
    def predict(self, scores):
        return self.decision_function(scores) <= 0


class TrueBelowTheThreshold(_Screen):
    def predict(self, scores):
        return self.decision_function(scores) < 0


class PlusAndMinusOne(_Screen):
    def predict(self, scores):
        return np.where(self.decision_function(scores) > 0, -1, 1)


class ZerosAndOnes(_Screen):
    def predict(self, scores):
        return (self.decision_function(scores) > 0).astype(int)


class OneAnswerForAll(_Screen):
    def predict(self, scores):
        return bool((self.decision_function(scores) > 0).any())


class DecisionReversed(_Screen):
    def decision_function(self, scores):
        return -super().decision_function(scores)

    def predict(self, scores):
        return self.decision_function(scores) < 0


class DecisionIsARatio(_Screen):
    def decision_function(self, scores):
        return super().decision_function(scores) / self.threshold_


class AlphaIgnored(_Screen):
    def fit(self, calibration_scores):
        self.scores_ = as_scores(calibration_scores)
        self.threshold_ = conformal_threshold(self.scores_, 0.05)
        if math.isinf(self.threshold_):
            warnings.warn("too few scores", stacklevel=2)
        return self


class SharedByAll(_Screen):
    def fit(self, calibration_scores):
        super().fit(calibration_scores)
        type(self).scores_ = self.__dict__.pop("scores_")
        return self


class FitAdds(_Screen):
    def fit(self, calibration_scores):
        new = np.concatenate([getattr(self, "scores_", np.empty(0)), as_scores(calibration_scores)])
        return super().fit(new)


class FitsOnlyOnce(_Screen):
    def fit(self, calibration_scores):
        return self if hasattr(self, "scores_") else super().fit(calibration_scores)


class UnfittedInSilence(_Screen):
    def decision_function(self, scores):
        return as_scores(scores) - getattr(self, "threshold_", np.inf)


class UnfittedGivesNone(_Screen):
    def p_values(self, scores):
        return super().p_values(scores) if hasattr(self, "scores_") else None


class NanPasses(_Screen):
    def decision_function(self, scores):
        check_is_fitted(self)
        return np.asarray(scores) - self.threshold_

    def p_values(self, scores):
        check_is_fitted(self)
        return conformal_p_values(self.scores_, scores)


class NanPassesThePValues(_Screen):
    def p_values(self, scores):
        check_is_fitted(self)
        return conformal_p_values(self.scores_, scores)


class NanIsRefusedOnly(_Screen):
    def decision_function(self, scores):
        check_is_fitted(self)
        return np.nan_to_num(np.asarray(scores), nan=np.inf) - self.threshold_


class NanCalibrates(_Screen):
    def fit(self, calibration_scores):
        self.scores_ = np.asarray(calibration_scores, dtype=float)
        self.threshold_ = conformal_threshold(self.scores_, self.alpha)
        if math.isinf(self.threshold_):
            warnings.warn("too few scores", stacklevel=2)
        return self


class NanAnywhere(NanPasses):
    fit = NanCalibrates.fit


class NanIsLeftOut(_Screen):
    def fit(self, calibration_scores):
        return super().fit(calibration_scores[~np.isnan(calibration_scores)])


class TooFewInSilence(_Screen):
    def fit(self, calibration_scores):
        self.scores_ = as_scores(calibration_scores)
        self.threshold_ = conformal_threshold(self.scores_, self.alpha)
        return self


class TooFewIsAnError(_Screen):
    def fit(self, calibration_scores):
        self.scores_ = as_scores(calibration_scores)
        self.threshold_ = conformal_threshold(self.scores_, self.alpha)
        if np.isinf(self.threshold_):
            raise ValueError("too few scores")
        return self


class TooFewIsLogged(TooFewInSilence):
    def fit(self, calibration_scores):
        super().fit(calibration_scores)
        if np.isinf(self.threshold_):
            logging.getLogger("screen").debug("too few scores")
        return self


class TooFewReturnsEarly(_Screen):
    def fit(self, calibration_scores):
        self.scores_ = as_scores(calibration_scores)
        threshold = conformal_threshold(self.scores_, self.alpha)
        if np.isinf(threshold):
            warnings.warn("too few scores", stacklevel=2)
            return self
        self.threshold_ = threshold
        return self


class TooFewRefusesTheHighest(_Screen):
    def fit(self, calibration_scores):
        super().fit(calibration_scores)
        self.threshold_ = min(self.threshold_, self.scores_.max())
        return self


class AlwaysWarns(_Screen):
    def fit(self, calibration_scores):
        super().fit(calibration_scores)
        warnings.warn("fitted", stacklevel=2)
        return self


class PredictsAList(_Screen):
    def predict(self, scores):
        return [bool(d > 0) for d in self.decision_function(scores)]


class PValuesAsAList(_Screen):
    def p_values(self, scores):
        return super().p_values(scores).tolist()


class PredictReturnsNothing(_Screen):
    def predict(self, scores):
        self.decision_function(scores) > 0  # noqa: B015


class OnlyFitIsWritten(_Screen):
    def decision_function(self, scores):
        return as_scores(scores) - self.threshold_

    def predict(self, scores):
        """Whether each image is refused."""
        ...

    def p_values(self, scores):
        """Conformal p-value of each image."""
        ...


class FitAsksWhetherItWasCalled(_Screen):
    def fit(self, calibration_scores):
        check_is_fitted(self)
        return super().fit(calibration_scores)


class WarnsBelowAHundred(TooFewInSilence):
    def fit(self, calibration_scores):
        if len(calibration_scores) < 100:
            warnings.warn("too few scores", stacklevel=2)
        return super().fit(calibration_scores)


class PValuesWithoutTheImage(_Screen):
    def p_values(self, scores):
        check_is_fitted(self)
        return np.array([(self.scores_ >= s).mean() for s in as_scores(scores)])


class PValuesOfSwappedArguments(_Screen):
    def p_values(self, scores):
        check_is_fitted(self)
        return conformal_p_values(as_scores(scores), self.scores_)


class PValuesOfHigherScores(_Screen):
    def p_values(self, scores):
        check_is_fitted(self)
        n = len(self.scores_)
        return np.array([(1 + (self.scores_ > s).sum()) / (n + 1) for s in as_scores(scores)])


class SortsTheCallersScores(_Screen):
    def fit(self, calibration_scores):
        calibration_scores.sort()
        return super().fit(calibration_scores)


class AlphaHasADefault(_Screen):
    def __init__(self, alpha=0.05):
        self.alpha = alpha

    def fit(self, calibration_scores):
        self.alpha = 0.05
        return super().fit(calibration_scores)


# --- 4.5 --------------------------------------------------------------------------------------


def _interval(law=None, k=None, tail=lambda c: (1 - c) / 2, rate=lambda x, m, n: x / m):
    def interval(n, m, alpha, confidence=0.95):
        count = (k or (lambda a, n: np.floor(a * (n + 1) + 1e-9)))(alpha, n)
        t = tail(confidence)
        ends = (law or (lambda m, k, n: betabinom(m, k, n + 1 - k)))(m, count, n).ppf([t, 1 - t])
        return float(rate(ends[0], m, n)), float(rate(ends[1], m, n))

    return interval


interval_binomial = _interval(law=lambda m, k, n: binom(m, k / (n + 1)))
interval_beta_alone = _interval(law=lambda m, k, n: beta(k, n + 1 - k), rate=lambda x, m, n: x)
interval_of_counts = _interval(rate=lambda x, m, n: x)
interval_divided_by_n = _interval(rate=lambda x, m, n: x / n)
interval_divided_by_m_plus_one = _interval(rate=lambda x, m, n: x / (m + 1))
interval_with_swapped_parameters = _interval(law=lambda m, k, n: betabinom(m, n + 1 - k, k))
interval_with_n_minus_k = _interval(law=lambda m, k, n: betabinom(m, k, n - k + 1e-12))
interval_with_k_plus_one = _interval(law=lambda m, k, n: betabinom(m, k + 1, n + 1 - k))
interval_tails_not_halved = _interval(tail=lambda c: 1 - c)
interval_confidence_ignored = _interval(tail=lambda c: 0.025)
interval_one_sided = _interval(tail=lambda c: 1 - c)
interval_rounded_down = _interval(k=lambda a, n: np.floor(a * (n + 1)))
interval_k_not_whole = _interval(k=lambda a, n: a * (n + 1))
interval_rounded_to_the_nearest = _interval(k=lambda a, n: np.round(a * (n + 1)))
interval_rounded_up = _interval(k=lambda a, n: np.ceil(a * (n + 1) - 1e-9))
interval_rounded_from_point_six = _interval(k=lambda a, n: np.floor(a * (n + 1) + 0.4))
interval_of_alpha_n = _interval(k=lambda a, n: max(1, np.floor(a * n + 1e-9)))


def interval_high_first(n, m, alpha, confidence=0.95):
    return _interval()(n, m, alpha, confidence)[::-1]


def interval_normal(n, m, alpha, confidence=0.95):
    half = 1.96 * (alpha * (1 - alpha) / m) ** 0.5
    return alpha - half, alpha + half


def interval_low_only(n, m, alpha, confidence=0.95):
    return _interval()(n, m, alpha, confidence)[0]


def interval_of_99_percent(n, m, alpha, confidence=0.99):
    return _interval()(n, m, alpha, confidence)


# --- 4.6 --------------------------------------------------------------------------------------


def _steps(x):
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def _variation(one, join=lambda a, b: (a + b) / 2):
    return lambda x: join(*(one(step) for step in _steps(x)))


def _mean(step):
    return step.abs().flatten(start_dim=1).mean(dim=1)


def variation_across_only(x):
    return _mean(_steps(x)[0])


def variation_down_only(x):
    return _mean(_steps(x)[1])


def variation_by_view(x):
    across = (x[..., 1:] - x[..., :-1]).abs().view(len(x), -1).mean(dim=1)
    return (across + (x[..., 1:, :] - x[..., :-1, :]).abs().view(len(x), -1).mean(dim=1)) / 2


variation_signed = _variation(lambda s: s.flatten(start_dim=1).mean(dim=1))
variation_absolute_afterwards = _variation(lambda s: s.flatten(start_dim=1).mean(dim=1).abs())


def variation_over_the_channels(x):
    return (_mean(x[:, 1:] - x[:, :-1]) + _mean(_steps(x)[1])) / 2


variation_squared = _variation(lambda s: s.square().flatten(start_dim=1).mean(dim=1))
variation_root_of_squares = _variation(lambda s: s.square().flatten(start_dim=1).mean(1).sqrt())
variation_median = _variation(lambda s: s.abs().flatten(start_dim=1).median(dim=1).values)
variation_not_halved = _variation(_mean, lambda a, b: a + b)
variation_larger = _variation(_mean, torch.maximum)
variation_summed = _variation(lambda s: s.abs().flatten(start_dim=1).sum(dim=1))


variation_summed_not_halved = _variation(
    lambda s: s.abs().flatten(start_dim=1).sum(dim=1), lambda a, b: a + b
)


def variation_of_the_batch_not_halved(x):
    return (x[..., 1:] - x[..., :-1]).abs().mean() + (x[..., 1:, :] - x[..., :-1, :]).abs().mean()


def variation_of_columns_and_channels(x):
    return (_mean(_steps(x)[0]) + _mean(x[:, 1:] - x[:, :-1])) / 2


def variation_length_of_the_step(x):
    return torch.hypot(_steps(x)[0][..., 1:, :], _steps(x)[1][..., 1:]).mean((1, 2, 3))


def variation_wraps_around(x):
    return (_mean(x - x.roll(1, -1)) + _mean(x - x.roll(1, -2))) / 2


def variation_pooled(x):
    steps = [s.abs().flatten(start_dim=1) for s in _steps(x)]
    return torch.cat(steps, dim=1).mean(dim=1)


def variation_of_the_batch(x):
    return (_mean(_steps(x)[0]) + _mean(_steps(x)[1])).mean() / 2


def variation_of_grey_images(x):
    x = x.mean(1, keepdim=True)
    return (_mean(_steps(x)[0]) + _mean(_steps(x)[1])) / 2


def variation_of_the_first_channel(x):
    return _variation(_mean)(x[:, :1])


def variation_of_each_channel(x):
    across, down = (s.abs().mean(dim=(2, 3)) for s in _steps(x))
    return (across + down) / 2


def variation_summed_over_channels(x):
    return variation_of_each_channel(x).sum(dim=1)


def variation_without_the_last_row_and_column(x):
    across, down = _steps(x)
    return (across[..., :-1, :].abs() + down[..., :-1].abs()).mean((1, 2, 3)) / 2


def variation_padded(x):
    across, down = (F.pad(s, p) for s, p in zip(_steps(x), ((0, 1), (0, 0, 0, 1)), strict=True))
    return (_mean(across) + _mean(down)) / 2


def variation_two_apart(x):
    return (_mean(x[..., 2:] - x[..., :-2]) + _mean(x[..., 2:, :] - x[..., :-2, :])) / 2


def variation_as_a_list(x):
    return _variation(_mean)(x).tolist()


def variation_in_place(x):
    x[..., 1:] -= x[..., :-1].clone()
    return x.abs().mean((1, 2, 3))


def variation_between_images(x):
    return (x[1:] - x[:-1]).abs().flatten(1).mean(1)


# --- 4.7 --------------------------------------------------------------------------------------


def correlation_of_the_numbers(a, b):
    return float(np.corrcoef(a, b)[0, 1])


def correlation_of_logarithms(a, b):
    a, b = np.log(np.abs(a) + 1), np.log(np.abs(b) + 1)
    return float(np.corrcoef(a, b)[0, 1])


def correlation_matrix(a, b):
    return np.corrcoef(rankdata(a), rankdata(b))


def correlation_of_argsort(a, b):
    return float(np.corrcoef(np.argsort(a), np.argsort(b))[0, 1])


def _order(x):
    return np.argsort(np.argsort(x, kind="stable"), kind="stable")


def correlation_with_ties_by_order(a, b):
    return float(np.corrcoef(_order(a), _order(b))[0, 1])


def correlation_of_dense_ranks(a, b):
    return float(np.corrcoef(rankdata(a, "dense"), rankdata(b, "dense"))[0, 1])


def correlation_of_lowest_ranks(a, b):
    return float(np.corrcoef(rankdata(a, "min"), rankdata(b, "min"))[0, 1])


def correlation_of_highest_ranks(a, b):
    return pd.Series(a).rank(method="max").corr(pd.Series(b).rank(method="max"))


def correlation_by_differences(a, b):
    n = len(a)
    return float(1 - 6 * ((rankdata(a) - rankdata(b)) ** 2).sum() / (n * (n**2 - 1)))


def correlation_absolute(a, b):
    return abs(float(np.corrcoef(rankdata(a), rankdata(b))[0, 1]))


def correlation_squared(a, b):
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1]) ** 2


def covariance_of_ranks(a, b):
    return float(np.cov(rankdata(a), rankdata(b))[0, 1])


def correlation_of_kendall(a, b):
    return float(kendalltau(a, b).statistic)


def correlation_of_one_ranked(a, b):
    return float(np.corrcoef(rankdata(a), b)[0, 1])


def correlation_with_p_value(a, b):
    return correlation_absolute(a, b), 0.05


# --- 4.8 --------------------------------------------------------------------------------------


def _line(fit=None, score=None):
    def beyond(errors_fit, complexity_fit, errors, complexity):
        logs = [np.log(v) for v in (errors_fit, complexity_fit, errors, complexity)]
        slope, intercept = (fit or (lambda e, c, *_: np.polyfit(c, e, 1)))(*logs)
        return (score or (lambda e, c, s, i: e - (i + s * c)))(logs[2], logs[3], slope, intercept)

    return beyond


beyond_fitted_to_the_scored = _line(fit=lambda e, c, new_e, new_c: np.polyfit(new_c, new_e, 1))
beyond_fitted_to_all = _line(
    fit=lambda e, c, new_e, new_c: np.polyfit(np.append(c, new_c), np.append(e, new_e), 1)
)
beyond_slope_of_one = _line(fit=lambda e, c, *_: (1.0, (e - c).mean()))
beyond_through_the_origin = _line(fit=lambda e, c, *_: ((e * c).sum() / (c * c).sum(), 0.0))
beyond_distance = _line(score=lambda e, c, s, i: np.abs(e - (i + s * c)))
beyond_axes_swapped = _line(fit=lambda e, c, *_: np.polyfit(e, c, 1))
beyond_coefficients_swapped = _line(fit=lambda e, c, *_: np.polyfit(c, e, 1)[::-1])
beyond_reversed = _line(score=lambda e, c, s, i: i + s * c - e)
beyond_ratio = _line(score=lambda e, c, s, i: np.exp(e - (i + s * c)))
beyond_squared = _line(score=lambda e, c, s, i: (e - (i + s * c)) ** 2)
beyond_without_intercept = _line(score=lambda e, c, s, i: e - s * c)
beyond_orthogonal = _line(score=lambda e, c, s, i: (e - (i + s * c)) / np.sqrt(1 + s**2))
beyond_prediction = _line(score=lambda e, c, s, i: i + s * c)


def beyond_other_logarithm(errors_fit, complexity_fit, errors, complexity):
    return _line()(errors_fit, complexity_fit, errors, complexity) / np.log(10)


def beyond_without_logarithms(errors_fit, complexity_fit, errors, complexity):
    slope, intercept = np.polyfit(complexity_fit, errors_fit, 1)
    return errors - (intercept + slope * np.asarray(complexity))


def beyond_half_logarithmic(errors_fit, complexity_fit, errors, complexity):
    slope, intercept = np.polyfit(complexity_fit, np.log(errors_fit), 1)
    return np.log(errors) - (intercept + slope * complexity)


def beyond_parabola(errors_fit, complexity_fit, errors, complexity):
    line = np.polyfit(np.log(complexity_fit), np.log(errors_fit), 2)
    return np.log(errors) - np.polyval(line, np.log(complexity))


def beyond_standardised(errors_fit, complexity_fit, errors, complexity):
    spread = _line()(errors_fit, complexity_fit, errors_fit, complexity_fit).std()
    return _line()(errors_fit, complexity_fit, errors, complexity) / spread


def beyond_complexities_ignored(errors_fit, complexity_fit, errors, complexity):
    return np.log(errors) - np.log(errors_fit).mean()


def beyond_pairs_swapped(errors_fit, complexity_fit, errors, complexity):
    return _line()(errors, complexity, errors_fit, complexity_fit)


def beyond_clipped(errors_fit, complexity_fit, errors, complexity):
    return np.clip(_line()(errors_fit, complexity_fit, errors, complexity), 0, None)


def beyond_median_of_slopes(errors_fit, complexity_fit, errors, complexity):
    line = theilslopes(np.log(errors_fit), np.log(complexity_fit))
    return np.log(errors) - line.intercept - line.slope * np.log(complexity)


# --- 4.9 --------------------------------------------------------------------------------------


def energy_not_stable(logits, temperature=1.0):
    return -temperature * torch.log(torch.exp(logits / temperature).sum(dim=1))


def energy_with_the_largest_of_the_batch(logits, temperature=1.0):
    top = logits.max()
    return -top - temperature * ((logits - top) / temperature).exp().sum(dim=1).log()


def energy_clamped(logits, temperature=1.0):
    return -temperature * (logits / temperature).clamp(max=80).exp().sum(dim=1).log()


def energy_with_an_epsilon(logits, temperature=1.0):
    return -temperature * ((logits / temperature).exp().sum(dim=1) + 1e-8).log()


def energy_positive(logits, temperature=1.0):
    return temperature * torch.logsumexp(logits / temperature, dim=1)


def energy_positive_and_not_stable(logits, temperature=1.0):
    return temperature * torch.log(torch.exp(logits / temperature).sum(dim=1))


def energy_without_logarithm(logits, temperature=1.0):
    return -temperature * torch.exp(logits / temperature).sum(dim=1)


def energy_of_the_largest_scaled(logits, temperature=1.0):
    return -temperature * (logits / temperature).max(dim=1).values


def energy_of_the_largest(logits, temperature=1.0):
    return -logits.max(dim=1).values


def energy_without_height(logits, temperature=1.0):
    scaled = logits / temperature
    return -temperature * (scaled - scaled.amax(1, keepdim=True)).exp().sum(1).log()


def energy_with_height_not_scaled(logits, temperature=1.0):
    top = logits.amax(1)
    return -temperature * (((logits - top[:, None]) / temperature).exp().sum(1).log() + top)


def energy_multiplied_only(logits, temperature=1.0):
    return -temperature * torch.logsumexp(logits, dim=1)


def energy_divided_only(logits, temperature=1.0):
    return -torch.logsumexp(logits / temperature, dim=1)


def energy_temperature_upside_down(logits, temperature=1.0):
    return -torch.logsumexp(logits * temperature, dim=1) / temperature


def energy_at_one_temperature(logits, temperature=1.0):
    return -torch.logsumexp(logits, dim=1)


def energy_over_the_batch(logits, temperature=1.0):
    return -temperature * torch.logsumexp(logits / temperature, dim=0)


def energy_of_everything(logits, temperature=1.0):
    return -temperature * torch.logsumexp(logits / temperature, dim=(0, 1))


def energy_kept_dimension(logits, temperature=1.0):
    return -temperature * torch.logsumexp(logits / temperature, dim=1, keepdim=True)


def energy_of_probabilities(logits, temperature=1.0):
    return -temperature * torch.logsumexp(logits.softmax(1) / temperature, dim=1)


def energy_detached(logits, temperature=1.0):
    return -temperature * torch.logsumexp(logits.detach() / temperature, dim=1)


def energy_in_numpy(logits, temperature=1.0):
    return -temperature * np.log(np.exp(logits.detach().numpy() / temperature).sum(1))


def energy_of_the_mean(logits, temperature=1.0):
    return -temperature * (torch.logsumexp(logits / temperature, 1) - math.log(logits.shape[1]))


def energy_in_bits(logits, temperature=1.0):
    return -temperature * torch.logsumexp(logits / temperature, 1) / math.log(2)


def energy_at_two(logits, temperature=2.0):
    return -temperature * torch.logsumexp(logits / temperature, dim=1)


def energy_in_place(logits, temperature=1.0):
    return -temperature * torch.logsumexp(logits.div_(temperature), dim=1)


def energy_times_the_temperature(logits, temperature=1.0):
    return -temperature * (logits * temperature).exp().sum(dim=1).log()


def energy_of_log_softmax(logits, temperature=1.0):
    return -temperature * F.log_softmax(logits / temperature, dim=-1).sum(-1)


def energy_of_summed_probabilities(logits, temperature=1.0):
    return -temperature * torch.softmax(logits / temperature, dim=1).sum(1).log()


def energy_as_max_softmax(logits, temperature=1.0):
    return 1 - torch.softmax(logits, dim=1).max(dim=1).values


def energy_of_two_classes(logits, temperature=1.0):
    scaled = logits / temperature
    return -temperature * torch.logaddexp(scaled[:, 0], scaled[:, 1])


# --- 4.10 -------------------------------------------------------------------------------------


def _by_class(
    z_train, labels, z, *, around=None, fit=None, join=None, root=torch.sqrt, precision=None
):
    classes, place = labels.unique(return_inverse=True)
    means = torch.stack([z_train[labels == c].mean(0) for c in classes])
    centred = (around or (lambda z, m, p: z - m[p]))(z_train, means, place).double().numpy()
    inverse = (
        precision(centred, place)
        if precision
        else [(fit or LedoitWolf)(assume_centered=True).fit(centred).precision_] * len(means)
    )
    step = z.unsqueeze(1) - means
    inverse = torch.stack([torch.from_numpy(i) for i in inverse]).to(z)
    squared = torch.einsum("nki,kij,nkj->nk", step, inverse, step)
    return root((join or (lambda s: s.amin(1)))(squared))


def _classwise(**changes):
    return lambda z_train, labels, z: _by_class(z_train, labels, z, **changes)


def _shared(matrix):
    return lambda centred, place: [matrix(centred)] * (int(place.max()) + 1)


def _own(centred, place):
    return [
        LedoitWolf(assume_centered=True).fit(centred[place.numpy() == c]).precision_
        for c in range(int(place.max()) + 1)
    ]


def _mean_of_own(centred, place):
    inverse = np.mean(_own(centred, place), axis=0)
    return [inverse] * (int(place.max()) + 1)


def _unweighted(centred, place):
    classes = range(int(place.max()) + 1)
    each = [LedoitWolf().fit(centred[place.numpy() == c]).covariance_ for c in classes]
    return [np.linalg.inv(np.mean(each, axis=0))] * len(each)


distance_covariance_of_all = _classwise(around=lambda z, m, p: z - z.mean(0))
distance_covariance_not_centred = _classwise(around=lambda z, m, p: z)
distance_own_covariances = _classwise(precision=_own)
distance_mean_of_own_precisions = _classwise(precision=_mean_of_own)
distance_unweighted_covariance = _classwise(precision=_unweighted)
distance_mean_over_classes = _classwise(join=lambda s: s.sqrt().mean(1), root=lambda s: s)
distance_farthest_class = _classwise(join=lambda s: s.amax(1))
distance_first_class = _classwise(join=lambda s: s[:, 0])
distance_summed_over_classes = _classwise(join=lambda s: s.sum(1))
distance_squared = _classwise(root=lambda s: s)
distance_euclidean = _classwise(precision=_shared(lambda c: np.eye(c.shape[1])))
distance_diagonal_only = _classwise(precision=_shared(lambda c: np.diag(1 / c.var(0))))
distance_covariance_not_inverted = _classwise(
    precision=_shared(lambda c: LedoitWolf(assume_centered=True).fit(c).covariance_)
)
distance_not_shrunk = _classwise(fit=EmpiricalCovariance)
distance_plain_inverse = _classwise(precision=_shared(lambda c: np.linalg.inv(np.cov(c.T))))
distance_tiny_ridge = _classwise(
    precision=_shared(lambda c: np.linalg.inv(c.T @ c / len(c) + 1e-6 * np.eye(c.shape[1])))
)
distance_no_root_but_half = _classwise(root=lambda s: s / 2)


def distance_negative(z_train, labels, z):
    return -_by_class(z_train, labels, z)


def distance_to_one_mean(z_train, labels, z):
    return _by_class(z_train, torch.zeros_like(labels), z)


def distance_nearest_by_eye(z_train, labels, z):
    means = torch.stack([z_train[labels == c].mean(0) for c in labels.unique()])
    nearest = torch.cdist(z, means).argmin(1, keepdim=True)
    return _by_class(z_train, labels, z, join=lambda s: s.gather(1, nearest)[:, 0])


def distance_of_classes_zero_and_one(z_train, labels, z):
    return _by_class(z_train[labels < 2], labels[labels < 2], z)


def distance_always_float64(z_train, labels, z):
    return _by_class(z_train.double(), labels, z.double())


def distance_always_float32(z_train, labels, z):
    return _by_class(z_train.float(), labels, z.float())


def distance_as_an_array(z_train, labels, z):
    return _by_class(z_train, labels, z).numpy()


def distance_to_each_class(z_train, labels, z):
    return _by_class(z_train, labels, z, join=lambda s: s)


def distance_and_class(z_train, labels, z):
    d = _by_class(z_train, labels, z, join=lambda s: s)
    return d.min(dim=1)


def distance_centres_in_place(z_train, labels, z):
    for c in labels.unique():
        z_train[labels == c] -= z_train[labels == c].mean(0)
    return _by_class(z_train, labels, z)


def distance_added_means(z_train, labels, z):
    return _by_class(z_train, labels, -z)


# --- 4.11 -------------------------------------------------------------------------------------


def _neighbours(normalise=F.normalize, pick=None):
    def distance(z_train, z, k=50):
        distances = torch.cdist(normalise(z), normalise(z_train))
        return (pick or (lambda d, k: d.kthvalue(k).values))(distances, k)

    return distance


neighbours_not_normalised = _neighbours(normalise=lambda z: z)
neighbours_columns_normalised = _neighbours(normalise=lambda z: F.normalize(z, dim=0))
neighbours_standardised = _neighbours(normalise=lambda z: (z - z.mean(0)) / (z.std(0) + 1e-9))
neighbours_of_sum_one = _neighbours(normalise=lambda z: F.normalize(z, p=1))
neighbours_of_whole_norm = _neighbours(normalise=lambda z: z / z.norm())
neighbours_one_too_far = _neighbours(pick=lambda d, k: d.sort(1).values[:, min(k, d.shape[1] - 1)])
neighbours_one_too_near = _neighbours(pick=lambda d, k: d.kthvalue(max(k - 1, 1)).values)
neighbours_from_index_k_minus_two = _neighbours(pick=lambda d, k: d.sort(1).values[:, k - 2])
neighbours_averaged = _neighbours(pick=lambda d, k: d.sort(1).values[:, :k].mean(1))
neighbours_nearest = _neighbours(pick=lambda d, k: d.amin(1))
neighbours_farthest_of_all = _neighbours(pick=lambda d, k: d.amax(1))
neighbours_from_the_farthest = _neighbours(
    pick=lambda d, k: d.sort(1, descending=True).values[:, k - 1]
)
neighbours_always_the_fifth = _neighbours(pick=lambda d, k: d.kthvalue(min(5, d.shape[1])).values)
neighbours_squared = _neighbours(pick=lambda d, k: d.square().kthvalue(k).values)
neighbours_summed = _neighbours(pick=lambda d, k: d.sort(1).values[:, :k].sum(1))
neighbours_all_k = _neighbours(pick=lambda d, k: d.sort(1).values[:, :k])
neighbours_indices = _neighbours(pick=lambda d, k: d.kthvalue(k).indices.float())
neighbours_negative = _neighbours(pick=lambda d, k: -d.kthvalue(k).values)
neighbours_of_the_training_set = _neighbours(pick=lambda d, k: d.T.kthvalue(min(k, len(d))).values)


def neighbours_scale_new_ones_only(z_train, z, k=50):
    return torch.cdist(F.normalize(z), z_train).kthvalue(k).values


def neighbours_scale_training_only(z_train, z, k=50):
    return torch.cdist(z, F.normalize(z_train)).kthvalue(k).values


def neighbours_by_cosine(z_train, z, k=50):
    cosine = F.normalize(z) @ F.normalize(z_train).T
    return 1 - cosine.sort(1, descending=True).values[:, k - 1]


def neighbours_by_angle(z_train, z, k=50):
    cosine = (F.normalize(z) @ F.normalize(z_train).T).clamp(-1, 1)
    return cosine.acos().kthvalue(k).values


def neighbours_in_city_blocks(z_train, z, k=50):
    return torch.cdist(F.normalize(z), F.normalize(z_train), p=1).kthvalue(k).values


def neighbours_in_place(z_train, z, k=50):
    z /= z.norm(dim=1, keepdim=True)
    return _neighbours()(z_train, z, k)


def neighbours_first_part_only(z_train, z, k=50):
    return _neighbours()(z_train, z[:250], k)


def neighbours_whole_parts_only(z_train, z, k=50):
    parts = [z[i : i + 250] for i in range(0, len(z) - 249, 250)] or [z]
    return torch.cat([_neighbours()(z_train, part, k) for part in parts])


def neighbours_five_unless_told(z_train, z, k=5):
    return _neighbours()(z_train, z, k)


def neighbours_as_an_array(z_train, z, k=50):
    return _neighbours()(z_train, z, k).numpy()


# --- 4.12 -------------------------------------------------------------------------------------


def _risk(order=None, risk=None, ties=True, coverage=None):
    def curve(confidence, correct):
        wrong = 1 - np.asarray(correct, dtype=float)
        _, place = np.unique(-np.asarray(confidence), return_inverse=True)
        if ties:
            wrong = (np.bincount(place, wrong) / np.bincount(place))[place]
        n = len(wrong)
        k = np.arange(1, n + 1)
        rank = np.argsort(place, kind="stable") if order is None else order(place)
        total = np.cumsum(wrong[rank])
        share = (coverage or (lambda k, n: k / n))(k, n)
        return share, (risk or (lambda total, k: total / k))(total, k)

    return curve


risk_least_confident_first = _risk(order=lambda place: np.argsort(-place, kind="stable"))
risk_not_sorted = _risk(order=lambda place: np.arange(len(place)))
risk_of_right_answers = _risk(risk=lambda total, k: 1 - total / k)
risk_divided_by_all = _risk(risk=lambda total, k: total / len(k))
risk_counted = _risk(risk=lambda total, k: total)
risk_single_answers = _risk(risk=lambda total, k: np.diff(total, prepend=0))
risk_ties_by_order = _risk(ties=False)
risk_coverage_from_zero = _risk(coverage=lambda k, n: (k - 1) / n)
risk_coverage_in_numbers = _risk(coverage=lambda k, n: k)
risk_coverage_downwards = _risk(coverage=lambda k, n: k[::-1] / n)
risk_coverage_of_n_plus_one = _risk(coverage=lambda k, n: k / (n + 1))
risk_divided_by_k_minus_one = _risk(risk=lambda total, k: total / np.maximum(k - 1, 1))


def risk_wrong_ones_first_in_ties(confidence, correct):
    order = np.lexsort((correct, -confidence))
    k = np.arange(1, len(order) + 1)
    return k / len(k), np.cumsum(~correct[order]) / k


def risk_right_ones_first_in_ties(confidence, correct):
    order = np.lexsort((~correct, -confidence))
    k = np.arange(1, len(order) + 1)
    return k / len(k), np.cumsum(~correct[order]) / k


def risk_of_whole_groups(confidence, correct):
    risk = [1 - correct[confidence >= c].mean() for c in np.sort(confidence)[::-1]]
    return np.arange(1, len(risk) + 1) / len(risk), np.array(risk)


def risk_of_each_level(confidence, correct):
    levels = np.unique(confidence)[::-1]
    answered = np.array([(confidence >= c).sum() for c in levels])
    wrong = np.array([(~correct[confidence >= c]).sum() for c in levels])
    return answered / len(correct), wrong / answered


def risk_swapped(confidence, correct):
    return _risk()(confidence, correct)[::-1]


def risk_alone(confidence, correct):
    return _risk()(confidence, correct)[1]


def risk_of_rounded_confidences(confidence, correct):
    return _risk()(np.round(confidence, 2), correct)


def risk_of_confidences_nearly_alike(confidence, correct):
    return _risk()(np.asarray(confidence, dtype=np.float16), correct)


def risk_of_reversed_confidence(confidence, correct):
    return _risk()(1 - confidence, correct)


def risk_of_sizes(confidence, correct):
    return _risk()(np.abs(confidence), correct)


def risk_sorts_in_place(confidence, correct):
    coverage, risk = _risk()(confidence, correct)
    confidence.sort()
    return coverage, risk


def risk_at_one_threshold(confidence, correct):
    return float((confidence > 0.5).mean()), float(1 - correct[confidence > 0.5].mean())


def sigmoid_and_forgotten_return(confidence, correct):
    _risk()(expit(confidence), correct)


# --- 4.15 ---------------------------------------------------------------------------------------


def score_of_brightness(images):
    return images.mean(axis=(1, 2, 3))


def score_of_plainness(images):
    """Upside down: unusual patches count as normal."""
    return -module_04.patch_distances(module_04.roles().autoencoder.images[:600], images)


def score_in_units_of_the_batch(images):
    light = score_of_brightness(images)
    return (light - light.mean()) / (light.std() + 1e-9)


def score_for_the_batch(images):
    return images.mean()


def score_in_place(images):
    images[:] = 255 - images
    return score_of_brightness(images)


def score_forgotten(images):
    score_of_brightness(images)


WRONG = {
    "4.1": [
        (roles_of_all_classes, "all_classes"),
        (roles_of_cats_and_dogs_whatever_is_wanted, "wanted_written_in"),
        (roles_that_overlap, "overlapping"),
        (roles_cut_together, "not_by_class"),
        (roles_cut_at_the_shares, "shares_not_cumulated"),
        (roles_with_the_rest_in_the_last, "rest_to_the_last"),
        (roles_not_shuffled, "not_shuffled"),
        (roles_from_the_end, "not_shuffled"),
        (roles_turned_by_a_random_step, "one after the other"),
        (roles_in_turn_from_a_random_start, "one after the other"),
        (roles_with_only_the_first_class_shuffled, "always in it or never"),
        (roles_drawn_with_replacement, "with_replacement"),
        (roles_in_a_list_for_each_class, "by_class"),
        (roles_not_joined, "np.concatenate"),
        (roles_and_the_rest, "rest_as_a_role"),
        (roles_as_places_in_the_class, "places_in_the_class"),
        (roles_as_labels, "labels"),
        (roles_as_masks, "masks"),
        (roles_as_floats, "float64"),
        (roles_in_a_dictionary, "dict"),
        (roles_of_numbers_from_one, "of other classes"),
        (roles_past_the_end, "run from 0 to 239"),
        (roles_unseeded, "unseeded"),
        (roles_with_seed_ignored, "seed_ignored"),
        (roles_with_the_global_seed, "numpy's global random numbers"),
        (roles_with_pythons_global_seed, "Python's global random numbers"),
        (roles_with_shares_of_the_whole_set, "should hold"),
        (roles_by_whole_divisors, "notebook's shares"),
        (roles_that_miss_one_image, "should hold"),
        (roles_of_three_whatever_the_shares, "Shares 0.25, 0.75"),
        (roles_without_return, "return"),
        (roles_by_chance, "should hold"),
        (roles_each_of_what_is_left, "should hold"),
        (roles_in_one_array, "three arrays"),
        (roles_in_reverse, "should hold"),
    ],
    "4.2": [
        (temperature_inverse, "inverse"),
        (temperature_as_a_logarithm, "logarithm"),
        (temperature_not_over_the_logarithm, "not_over_the_logarithm"),
        (temperature_with_softmax_twice, "softmax_twice"),
        (temperature_most_accurate, "should give"),
        (temperature_above_one, "only_above_one"),
        (temperature_below_one, "should give 7.28"),
        (temperature_of_the_squared_error, "squared_error"),
        (temperature_of_own_answers, "as_sure_as_can_be"),
        (temperature_of_the_largest_probability, "as_sure_as_can_be"),
        (temperature_of_probabilities, "as_sure_as_can_be"),
        (temperature_of_the_entropy, "should give"),
        (temperature_of_the_mean_confidence, "Margins 1 and 6"),
        (temperature_squared, "should give"),
        (temperature_of_swapped_labels, "should give"),
        (temperature_as_a_tensor, "tensor"),
        (temperature_as_an_array, "an array"),
        (temperature_and_loss, "tuple"),
        (temperature_on_a_coarse_grid, "should give"),
        (temperature_of_the_first_image, "should give"),
        (temperature_in_place, "in place"),
        (temperature_of_one, "yours gave 1"),
        (temperature_of_one_logit, "should give"),
        (temperature_returns_the_loss, "should give"),
        (temperature_over_the_batch, "should give"),
        (temperature_of_the_calibration_error, "should give"),
    ],
    "4.3": [
        (_cae("NoOutputPadding", _no_output_padding), "no_output_padding"),
        (_cae("SigmoidAtTheEnd", last=[nn.Sigmoid()]), "sigmoid_at_the_end"),
        (_cae("ReluAtTheEnd", last=[nn.ReLU()]), "relu_at_the_end"),
        (_cae("TanhAtTheEnd", last=[nn.Tanh()]), "without a limit"),
        (_cae("ReluOnTheCode", code=[nn.ReLU()]), "relu_on_the_code"),
        (_cae("TanhOnTheCode", code=[nn.Tanh()]), "In `encode`"),
        (_cae("NoRelu", relu=nn.Identity), "no_relu"),
        (_cae("NoReluAfterUnflatten", after_linear=False), "no_relu_after_unflatten"),
        (_cae("LatentIgnored", latent=lambda self, d: 1000), "latent_dim_ignored"),
        (_cae("WidthsIgnored", widths=lambda self, w: (16, 32, 64)), "widths_ignored"),
        (_cae("OneConvolutionASize", _one_convolution_a_size), "one_convolution_a_size"),
        (_cae("LeakyRelu", relu=nn.LeakyReLU), "ReLU and nothing else"),
        (
            _cae("SlightlyLeakyRelu", relu=staticmethod(lambda: nn.LeakyReLU(0.001))),
            "ReLU and nothing else",
        ),
        (_cae("Elu", relu=nn.ELU), "ReLU and nothing else"),
        (_cae("Softplus", relu=nn.Softplus), "ReLU and nothing else"),
        (_cae("Sigmoids", relu=nn.Sigmoid), "ReLU and nothing else"),
        (_cae("Sine", relu=BentBySine), "ReLU and nothing else"),
        (_cae("BatchNorm", norm=nn.BatchNorm2d), ""),
        (_cae("Dropout", norm=staticmethod(lambda o: nn.Dropout2d(0.2))), "ReLU and nothing else"),
        (_cae("NoBias", bias=False), "parameters"),
        (_cae("Kernel5", kernel=5), "parameters"),
        (_cae("Pooled", _pooled), "In `encode`"),
        (_cae("Upsampled", _upsampled), "In `decode`"),
        (_cae("StrideLate", _stride_late), "In `encode`"),
        (_cae("WidthsBackwards", widths=lambda self, w: w[::-1]), "In `encode`"),
        (SkipsTheCode, "`forward`"),
        (ForwardReturnsTheCode, "`forward`"),
        (EncodeScales, "the argument itself"),
        (DecodeClamps, "without a limit"),
        (OneReluForgotten, "between layers 4 and 5"),
        (DetachedCode, "no gradient"),
        (WithoutGradient, "no gradient"),
        (_cae("Dilated", _dilated), "(with dilation)"),
        (_cae("Relu6", relu=nn.ReLU6), "ReLU and nothing else"),
        (_cae("Relu6InTheDecoder", _relu6_in_the_decoder), "ReLU and nothing else"),
        (_cae("InstanceNorm", norm=nn.InstanceNorm2d), "ReLU and nothing else"),
        (SigmoidInForward, "`forward`"),
        (ReluOnTheCodeInForward, "`forward`"),
    ],
    "4.4": [
        (FitReturnsNothing, "fit_returns_nothing"),
        (FitReturnsTheThreshold, "return the screen itself"),
        (FitReturnsACopy, "return the screen itself"),
        (NoUnderscore, "no_underscore"),
        (PlainQuantile, "quantile"),
        (HigherQuantile, "17.5"),
        (RefusesAtTheThreshold, "at_the_threshold"),
        (RefusesBelowAlphaOnly, "p_below_alpha"),
        (TrueIsAccepted, "accepts"),
        (TrueBelowTheThreshold, "below_the_threshold"),
        (PlusAndMinusOne, "plus_and_minus_one"),
        (ZerosAndOnes, "True or False"),
        (OneAnswerForAll, "True or False"),
        (DecisionReversed, "decision_reversed"),
        (DecisionIsARatio, "score minus the threshold"),
        (AlphaIgnored, "alpha_ignored"),
        (SharedByAll, "After another screen was fitted"),
        (FitAdds, "Fitted again"),
        (FitsOnlyOnce, "Fitted again"),
        (UnfittedInSilence, "Before `fit`"),
        (UnfittedGivesNone, "Before `fit`"),
        (NanPasses, "nan_passes"),
        (NanPassesThePValues, "not a number passes p_values"),
        (NanIsRefusedOnly, "not a number passes predict"),
        (NanCalibrates, "nan_calibrates"),
        (NanAnywhere, "nan_anywhere"),
        (NanIsLeftOut, "nan_calibrates"),
        (TooFewInSilence, "too_few"),
        (TooFewIsAnError, "too_few_is_an_error"),
        (TooFewIsLogged, "too_few"),
        (TooFewReturnsEarly, "no_threshold_if_too_few"),
        (TooFewRefusesTheHighest, "nothing can be refused"),
        (AlwaysWarns, "warns_always"),
        (WarnsBelowAHundred, "should be silent"),
        (PredictsAList, "`predict` should give a NumPy array; yours gave an object of type list"),
        (PValuesAsAList, "`p_values` should give a NumPy array"),
        (PredictReturnsNothing, "None (is a `return` missing?)"),
        (OnlyFitIsWritten, "`predict` and `p_values` still to be written"),
        (FitAsksWhetherItWasCalled, "`check_is_fitted` belongs in the other methods"),
        (RefusesAtTheThreshold, "[False, False, True, True]; yours gave [False, True, True, True]"),
        (PValuesWithoutTheImage, "p_without_the_image"),
        (PValuesOfSwappedArguments, "p_arguments_swapped"),
        (PValuesOfHigherScores, "p-values"),
        (SortsTheCallersScores, "in place"),
        (AlphaHasADefault, "should give 8"),
    ],
    "4.5": [
        (interval_binomial, "binomial"),
        (interval_beta_alone, "beta_alone"),
        (interval_of_counts, "counts"),
        (interval_divided_by_n, "divided_by_n"),
        (interval_divided_by_m_plus_one, "2/99 to 97/99"),
        (interval_with_swapped_parameters, "parameters_swapped"),
        (interval_with_n_minus_k, ""),
        (interval_with_k_plus_one, "should give"),
        (interval_tails_not_halved, "tails_not_halved"),
        (interval_confidence_ignored, "confidence_ignored"),
        (interval_rounded_down, "rounding_down"),
        (interval_k_not_whole, "k_not_whole"),
        (interval_rounded_to_the_nearest, "rounding_to_the_nearest"),
        (interval_rounded_up, "rounding_to_the_nearest"),
        (interval_rounded_from_point_six, "rounding_to_the_nearest"),
        (interval_of_alpha_n, "should give"),
        (interval_high_first, "2/99 to 97/99"),
        (interval_normal, "2/99 to 97/99"),
        (interval_low_only, "two numbers"),
        (interval_of_99_percent, "default"),
    ],
    "4.6": [
        (variation_across_only, "across_only"),
        (variation_by_view, "view size is not compatible"),
        (variation_down_only, "down_only"),
        (variation_signed, "signed"),
        (variation_absolute_afterwards, "absolute_afterwards"),
        (variation_over_the_channels, "over_the_channels"),
        (variation_squared, "squared"),
        (variation_root_of_squares, "root_of_squares"),
        (variation_summed_not_halved, "summed_not_halved"),
        (variation_of_the_batch_not_halved, "one number for each image is asked for"),
        (variation_of_columns_and_channels, "channels_for_rows"),
        (variation_median, "should give"),
        (variation_length_of_the_step, "length_of_the_step"),
        (variation_not_halved, "not_halved"),
        (variation_larger, "should give"),
        (variation_summed, "summed"),
        (variation_wraps_around, "wraps_around"),
        (variation_pooled, "pooled"),
        (variation_of_the_batch, "batch_mean"),
        (variation_of_grey_images, "grey_first"),
        (variation_of_the_first_channel, "Stripes in two of three channels"),
        (variation_of_each_channel, "its channels as well as its pixels"),
        (variation_summed_over_channels, "channels_summed"),
        (variation_without_the_last_row_and_column, "cut_to_the_common_part"),
        (variation_padded, "should give"),
        (variation_two_apart, "should give"),
        (variation_as_a_list, "list"),
        (variation_in_place, "in place"),
        (variation_between_images, "the shape (4,)"),
        (lambda x: x.std(dim=(1, 2, 3)), "should give"),
    ],
    "4.7": [
        (correlation_of_the_numbers, "pearson"),
        (correlation_of_logarithms, "should give"),
        (correlation_matrix, "matrix"),
        (correlation_of_argsort, "argsort_once"),
        (correlation_with_ties_by_order, "ties_by_order"),
        (correlation_of_dense_ranks, "dense"),
        (correlation_of_lowest_ranks, "Ties"),
        (correlation_of_highest_ranks, "Ties"),
        (correlation_by_differences, "short_formula"),
        (correlation_absolute, "absolute"),
        (correlation_squared, "should give 0.8"),
        (covariance_of_ranks, "covariance"),
        (correlation_of_kendall, "kendall"),
        (correlation_of_one_ranked, "should give"),
        (correlation_with_p_value, "tuple"),
    ],
    "4.8": [
        (beyond_fitted_to_the_scored, "fitted_to_the_scored"),
        (beyond_fitted_to_all, "should give"),
        (beyond_slope_of_one, "slope_of_one"),
        (beyond_through_the_origin, "through_the_origin"),
        (beyond_without_logarithms, "no_logarithms"),
        (beyond_half_logarithmic, "should give"),
        (beyond_other_logarithm, "other_logarithm"),
        (beyond_distance, "no_sign"),
        (beyond_axes_swapped, "axes_swapped"),
        (beyond_coefficients_swapped, "coefficients_swapped"),
        (beyond_reversed, "sign"),
        (beyond_ratio, "ratio"),
        (beyond_squared, "should give"),
        (beyond_without_intercept, "should give"),
        (beyond_orthogonal, "should give"),
        (beyond_prediction, "should give"),
        (beyond_parabola, "should give"),
        (beyond_standardised, "should give"),
        (beyond_complexities_ignored, "should give"),
        (beyond_pairs_swapped, "three numbers"),
        (beyond_clipped, "should give"),
        (beyond_median_of_slopes, "should give"),
    ],
    "4.9": [
        (energy_not_stable, "not_stable"),
        (energy_with_the_largest_of_the_batch, "largest_of_the_batch"),
        (energy_times_the_temperature, "temperature_multiplies"),
        (energy_of_log_softmax, "log_softmax_summed"),
        (energy_of_summed_probabilities, "probabilities_summed"),
        (energy_as_max_softmax, "largest_probability"),
        (energy_clamped, "1000"),
        (energy_with_an_epsilon, "1000"),
        (energy_positive, "sign"),
        (energy_positive_and_not_stable, "sign_and_not_stable"),
        (energy_without_logarithm, "no_logarithm"),
        (energy_of_the_largest_scaled, "largest_logit"),
        (energy_of_the_largest, "largest_logit"),
        (energy_without_height, "height_lost"),
        (energy_with_height_not_scaled, "T = 2"),
        (energy_multiplied_only, "temperature_outside_only"),
        (energy_divided_only, "temperature_inside_only"),
        (energy_temperature_upside_down, "T = 2"),
        (energy_at_one_temperature, "temperature_ignored"),
        (energy_over_the_batch, "over_the_batch"),
        (energy_of_everything, "the shape (3,)"),
        (energy_kept_dimension, "(3, 1)"),
        (energy_of_probabilities, "after_softmax"),
        (energy_detached, "detached"),
        (energy_in_numpy, "an array"),
        (energy_of_the_mean, "should give"),
        (energy_in_bits, "should give"),
        (energy_at_two, "default"),
        (energy_in_place, "in place"),
        (energy_of_two_classes, "Four classes"),
    ],
    "4.10": [
        (distance_covariance_of_all, "covariance_of_all"),
        (distance_covariance_not_centred, "should give"),
        (distance_to_one_mean, "one_mean"),
        (distance_own_covariances, "own_covariances"),
        (distance_mean_of_own_precisions, "shared variance"),
        (distance_unweighted_covariance, "3 to 1: the variance is 3"),
        (distance_mean_over_classes, "mean_over_classes"),
        (distance_nearest_by_eye, "nearest_by_eye"),
        (distance_farthest_class, "farthest_class"),
        (distance_first_class, "should give"),
        (distance_summed_over_classes, "should give"),
        (distance_squared, "squared"),
        (distance_euclidean, "euclidean"),
        (distance_diagonal_only, "along the diagonal"),
        (distance_covariance_not_inverted, "covariance_not_inverted"),
        (distance_not_shrunk, "not_shrunk"),
        (distance_plain_inverse, "not_shrunk"),
        (distance_tiny_ridge, "not_shrunk"),
        (distance_no_root_but_half, "should give"),
        (distance_negative, "should give"),
        (distance_of_classes_zero_and_one, ""),
        (distance_always_float64, "always_float64"),
        (distance_always_float32, "float64 in should be float64 out"),
        (distance_as_an_array, "an array"),
        (distance_to_each_class, "(4, 3)"),
        (distance_and_class, "should give"),
        (distance_centres_in_place, "in place"),
        (distance_added_means, "wrong_sign"),
    ],
    "4.11": [
        (neighbours_not_normalised, "not_normalised"),
        (neighbours_scale_new_ones_only, "only_new_ones"),
        (neighbours_scale_training_only, "should give"),
        (neighbours_columns_normalised, "columns_normalised"),
        (neighbours_standardised, "should give"),
        (neighbours_of_sum_one, "should give"),
        (neighbours_of_whole_norm, "should give"),
        (neighbours_one_too_far, "one_too_far"),
        (neighbours_one_too_near, "one_too_near"),
        (neighbours_from_index_k_minus_two, "one_too_near"),
        (neighbours_averaged, "mean_of_neighbours"),
        (neighbours_nearest, "nearest_only"),
        (neighbours_farthest_of_all, "k = 2, should give"),
        (neighbours_from_the_farthest, "farthest"),
        (neighbours_always_the_fifth, "k = 2, should give"),
        (neighbours_squared, "should give"),
        (neighbours_summed, "should give"),
        (neighbours_all_k, "(3, 2)"),
        (neighbours_indices, "should give"),
        (neighbours_negative, "should give"),
        (neighbours_of_the_training_set, "(5,)"),
        (neighbours_by_cosine, "cosine"),
        (neighbours_by_angle, "should give"),
        (neighbours_in_city_blocks, "should give"),
        (neighbours_in_place, "in place"),
        (neighbours_first_part_only, "(300,)"),
        (neighbours_whole_parts_only, "(300,)"),
        (neighbours_five_unless_told, "default"),
        (neighbours_as_an_array, "an array"),
    ],
    "4.12": [
        (risk_least_confident_first, "least_confident_first"),
        (risk_not_sorted, "not_sorted"),
        (risk_of_right_answers, "accuracy"),
        (risk_divided_by_all, "divided_by_all"),
        (risk_counted, "should give"),
        (risk_single_answers, "single_answers"),
        (risk_ties_by_order, "ties_by_order"),
        (risk_wrong_ones_first_in_ties, "0.9 0.8 0.8 0.1"),
        (risk_right_ones_first_in_ties, "0.9 0.8 0.8 0.1"),
        (risk_of_whole_groups, "whole_groups"),
        (risk_of_each_level, ""),
        (risk_coverage_from_zero, "coverage_from_zero"),
        (risk_coverage_in_numbers, "numbers_of_images"),
        (risk_coverage_downwards, "coverage should give"),
        (risk_coverage_of_n_plus_one, "coverage should give"),
        (risk_divided_by_k_minus_one, "should give"),
        (risk_swapped, "swapped"),
        (risk_alone, "two arrays"),
        (risk_of_rounded_confidences, "0.99991"),
        (risk_of_confidences_nearly_alike, "0.99991"),
        (risk_of_reversed_confidence, "least_confident_first"),
        (risk_of_sizes, "-0.6 0.5 0.7"),
        (risk_sorts_in_place, "in place"),
        (risk_at_one_threshold, "coverage should give"),
        (sigmoid_and_forgotten_return, "return"),
    ],
    "4.13": [
        ({"pets": 0.5, "others": 0.5}, "pets_half"),
        ({"pets": 0.05, "others": 0.5}, "others_half"),
        ({"pets": 0.1, "others": 0.05}, "pets_more"),
        ({"pets": 0.1, "others": 0.3}, "You expect the blind screen"),
        ({"pets": 0, "others": 0.05}, "pets_none"),
        ({"pets": 0.05, "others": 0.0}, "others_none"),
        ({"pets": 0.95, "others": 0.95}, "pets_passing"),
        ({"pets": 0.05, "others": 0.95}, "others_all"),
        ({"pets": 5, "others": 5}, "percent"),
        ({"pets": 0.05, "others": 0.13}, "others_more"),
        ({"pets": 0.05, "others": ...}, "still `...`"),
        ((0.05, 0.05), "should be a dict"),
    ],
    "4.14": [
        ({"choice": "AUROC", "because": "1"}, "AUROC"),
        ({"choice": "AUROC", "because": "3"}, "hundreds of images a day"),
        ({"choice": "FPR at 95 %", "because": "2"}, "FPR at 95 %"),
        ({"choice": "refused at 5 %", "because": "1"}, "The choice holds, the reason does not"),
        ({"choice": "refused at 5 %", "because": "2"}, "cannot ask for nearly all"),
        ({"choice": "refused at 5 %", "because": "4"}, "the one screen refuses"),
        ({"choice": "accuracy", "because": "3"}, '"choice" should be one of'),
        ({"choice": "refused at 5 %", "because": ...}, "still `...`"),
    ],
    "4.15": [
        (score_of_brightness, "not better than"),
        (score_of_plainness, "upside down"),
        (score_in_units_of_the_batch, "another score in another batch"),
        (score_for_the_batch, "shape"),
        (score_in_place, "changes the images"),
        (score_forgotten, "None (is a `return` missing?)"),
        (3.0, "the function itself"),
    ],
}


class OtherNames(_Table):
    def __init__(self, widths=(16, 32, 64), latent_dim=1000):
        super().__init__(widths, latent_dim)
        self.enc, self.dec = self.encoder, self.decoder
        del self.encoder, self.decoder

    def encode(self, x):
        return self.enc(x)

    def decode(self, z):
        return self.dec(z)


WRONG["4.3"] += [(OtherNames, "Later cells go through the layers of `self.encoder`")]


def roles_as_counts(labels, wanted, shares, seed=0):
    return [round(share * len(labels)) for share in shares]


WRONG["4.1"] += [(roles_as_counts, "one of yours is an object of type int")]
