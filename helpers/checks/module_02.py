"""Exercises of module 2: variational autoencoders, the ELBO, and scores from both."""

import math
import random
from functools import partial
from numbers import Integral

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Bernoulli, Normal

from helpers.checks.exercise import (
    Exercise,
    Finding,
    Misconception,
    behaviour,
    form,
    kind_of,
    shape,
    show,
    value,
)
from helpers.losses import (
    elbo,
    gaussian_log_likelihood,
    iwae_bound,
    kl_divergence,
    monte_carlo_kl,
    reparameterize,
)
from helpers.metrics import auroc, balanced_accuracy
from helpers.models import ConvVAE
from helpers.runtime import device

# --- what these probes share ------------------------------------------------------------------


def drawn(what, seen, expected, tolerance):
    """`seen`, measured over many random draws, is `expected` within `tolerance`.

    Tolerances are eight standard errors and more, so that chance decides nothing. What is recorded is
    coarse, steps of four tolerances and at most five, so that two samples of one law look alike.
    """
    off = (np.asarray(seen) - np.asarray(expected)) / np.asarray(tolerance)
    says = f"{what} should be near {show(expected)}; yours gave {show(seen)}."
    steps = np.clip(np.round(off / 4), -5, 5)
    return Finding("wrong_value", steps, bool((abs(off) <= 1).all()), says)


def gradients(output, *inputs):
    """Gradient of the output's sum to each input, NaN where none arrives."""
    if not output.requires_grad:
        return [torch.full_like(x, np.nan) for x in inputs]
    found = torch.autograd.grad(output.sum(), inputs, allow_unused=True)
    return [
        torch.full_like(x, np.nan) if g is None else g for x, g in zip(inputs, found, strict=True)
    ]


def is_pair(x):
    return isinstance(x, (tuple, list)) and len(x) == 2


def per_image(pixels):
    return pixels.flatten(1).sum(1)


# --- 2.1 --------------------------------------------------------------------------------------


def probe_hold_one_out(f):
    labels = np.arange(703) % 10  # 70 threes, 633 others
    threes, normal = np.flatnonzero(labels == 3), np.flatnonzero(labels != 3)
    before = _generators()
    split = f(labels, 3)
    says = f"Return two arrays, `train, calibration`; yours gave {kind_of(split)}."
    yield form(is_pair(split), says)
    train, calibration = (np.asarray(part) for part in split)
    says = (
        "Return positions in `labels`, whole numbers, so that `images[train]` picks the pictures."
    )
    yield form(train.dtype.kind in "iu" and calibration.dtype.kind in "iu", says)
    repeats = tuple(len(np.unique(part)) < len(part) for part in (train, calibration))
    says = "The same position stands twice in one part: each picture belongs there once."
    yield form(not any(repeats), says, seen=repeats)
    held = tuple(bool(np.isin(part, threes).any()) for part in (train, calibration))
    says = "With held_out=3, no position of a 3 may stand in train or in calibration."
    yield Finding("wrong_value", held, not any(held), says)
    says = "Some pictures stand in both parts: what was trained on cannot calibrate."
    shared = len(np.intersect1d(train, calibration)) > 0
    yield Finding("wrong_value", shared, not shared, says)
    yield value(
        "Of 633 normal pictures a sixth, rounded down, calibrates: the sizes of train and calibration",
        (len(train), len(calibration)),
        (528, 105),
    )
    complete = np.array_equal(np.sort(np.concatenate([train, calibration])), normal)
    says = "Together, train and calibration should hold every normal picture once."
    yield Finding("wrong_value", complete, complete, says)
    ends = [np.array_equal(np.sort(calibration), end) for end in (normal[:105], normal[-105:])]
    says = (
        "Calibration is one end of the file. Files are often sorted: shuffle the positions first."
    )
    yield Finding("wrong_value", tuple(ends), not any(ends), says)
    part_sizes = tuple(len(part) for part in f(labels, 0, calibration_share=0.3))
    yield value("held_out=0 with calibration_share=0.3: the sizes", part_sizes, (443, 189))
    again = f(labels, 3)[1]
    says = (
        "Two calls with the same seed give two splits: shuffle with a generator made from `seed`."
    )
    yield behaviour(np.array_equal(again, calibration), says)
    other = f(labels, 3, seed=1)[1]
    says = "seed=1 gives the same split as seed=0: make the generator from the argument `seed`."
    yield behaviour(not np.array_equal(np.sort(other), np.sort(calibration)), says)
    says = (
        "Your function moves the random numbers of the whole session: use a generator of its own, "
        "`np.random.default_rng(seed)`."
    )
    yield behaviour(_generators() == before, says)


def _generators():
    """The states of numpy's and Python's own random generators."""
    _, keys, place, *_ = np.random.get_state()  # noqa: NPY002
    return keys.tolist(), place, random.getstate()


def _hold(labels, held_out, share, seed, rng=None, shuffle=True):
    normal = np.flatnonzero(labels != held_out)
    if shuffle:
        normal = (rng or np.random.default_rng(seed)).permutation(normal)
    k = int(len(normal) * share)
    return normal[k:], normal[:k]


def _hold_in_calibration(labels, held_out, calibration_share=1 / 6, seed=0):
    order = np.random.default_rng(seed).permutation(len(labels))
    k = int(len(labels) * calibration_share)
    return order[k:][labels[order[k:]] != held_out], order[:k]


def _hold_overlapping(labels, held_out, calibration_share=1 / 6, seed=0):
    train, calibration = _hold(labels, held_out, calibration_share, seed)
    return np.concatenate([calibration, train]), calibration


def _hold_labels(labels, held_out, calibration_share=1 / 6, seed=0):
    train, calibration = _hold(labels, held_out, calibration_share, seed)
    return labels[train], labels[calibration]


def _hold_share_of_all(labels, held_out, calibration_share=1 / 6, seed=0):
    train, calibration = _hold(labels, held_out, calibration_share, seed)
    normal = np.concatenate([calibration, train])
    k = int(len(labels) * calibration_share)
    return normal[k:], normal[:k]


def _hold_global_seed(labels, held_out, calibration_share=1 / 6, seed=0):
    np.random.seed(seed)  # noqa: NPY002
    return _hold(labels, held_out, calibration_share, seed, rng=np.random)


def _hold_among_normals(labels, held_out, calibration_share=1 / 6, seed=0):
    order = np.random.default_rng(seed).permutation(int((labels != held_out).sum()))
    k = int(len(order) * calibration_share)
    return order[k:], order[:k]


HOLD_ONE_OUT = Exercise(
    id="2.1",
    title="hold one digit out",
    reference="helpers.datasets.splits.hold_one_out",
    difficulty=1,
    minutes=6,
    hints=(
        "The network and the threshold may know only normal pictures, and not the same ones: two "
        "roles, two parts, no anomaly in either.",
        "`np.flatnonzero(labels != held_out)` gives the positions of the normal pictures. Shuffle "
        "them with a generator of your own, then cut off as many as calibration gets.",
        "`normal = np.random.default_rng(seed).permutation(normal)`, "
        "`k = int(len(normal) * calibration_share)`, then `normal[k:]` and `normal[:k]`.",
    ),
    probe=probe_hold_one_out,
    misconceptions=(
        Misconception(
            "anomaly_in_calibration",
            "The held-out digit is still in your calibration part. A threshold that has seen "
            "anomalies is set too high: remove the digit first, then cut.",
            _hold_in_calibration,
        ),
        Misconception(
            "anomaly_in_both",
            "The held-out digit is in both parts. It is to be the anomaly that nothing has seen: keep "
            "only the positions where `labels != held_out`.",
            lambda labels, held_out, calibration_share=1 / 6, seed=0: _hold(
                labels, None, calibration_share, seed
            ),
        ),
        Misconception(
            "overlapping",
            "Your calibration pictures are also training pictures. The network rebuilds those too "
            "well, and the threshold comes out too low: train on the rest only.",
            _hold_overlapping,
        ),
        Misconception(
            "swapped",
            "Train and calibration have changed places: the large part is for training, and it comes "
            "first.",
            lambda labels, held_out, calibration_share=1 / 6, seed=0: _hold(
                labels, held_out, calibration_share, seed
            )[::-1],
        ),
        Misconception(
            "not_shuffled",
            "You cut the file as it lies. Many files are sorted, by class or by writer, and then the "
            "two parts are of different kinds: shuffle the positions before the cut.",
            lambda labels, held_out, calibration_share=1 / 6, seed=0: _hold(
                labels, held_out, calibration_share, seed, shuffle=False
            ),
        ),
        Misconception(
            "unseeded",
            "Each call gives another split, so tomorrow's calibration pictures may be today's "
            "training pictures. Make the generator from the argument: `np.random.default_rng(seed)`.",
            lambda labels, held_out, calibration_share=1 / 6, seed=0: _hold(
                labels, held_out, calibration_share, seed, rng=np.random.default_rng()
            ),
        ),
        Misconception(
            "seed_ignored",
            "The split is the same for every seed: you fixed the number in the function. Use the "
            "argument `seed`.",
            lambda labels, held_out, calibration_share=1 / 6, seed=0: _hold(
                labels, held_out, calibration_share, 0
            ),
        ),
        Misconception(
            "labels_returned",
            "You return labels; we need positions, so that `images[train]` picks pictures. "
            "`np.flatnonzero` turns a condition into positions.",
            _hold_labels,
        ),
        Misconception(
            "positions_among_normals",
            "You shuffle the numbers 0 to n - 1 of the n normal pictures, but those count among the "
            "normal pictures, not in the file: look them up, `normal[order]`.",
            _hold_among_normals,
        ),
        Misconception(
            "share_of_all",
            "You take the share of all pictures, the held-out digit included. It is a share of the "
            "normal pictures: `int(len(normal) * calibration_share)`.",
            _hold_share_of_all,
        ),
        Misconception(
            "global_seed",
            "The split is right, but `np.random.seed` resets the random numbers of the whole session: "
            "a function should not. `np.random.default_rng(seed)` is a generator of its own.",
            _hold_global_seed,
        ),
    ),
)

# --- 2.2 --------------------------------------------------------------------------------------


def probe_gaussian(f):
    x = torch.zeros(2, 1, 2, 3)
    x_hat = torch.zeros(2, 1, 2, 3)
    x_hat[0] = 0.5  # six pixels off by 0.5: squared error 1.5
    x_hat[1, 0, 0, 0] = -3.0  # one pixel off by 3: squared error 9
    yield shape("Two pictures (2, 1, 2, 3)", f(x, x_hat), (2,))
    # six pixels: -6/2·log(2π) = -5.5136 without any error
    yield value("A perfect reconstruction of six pixels, sigma = 1", f(x, x)[:1], [-5.513631])
    yield value(
        "Squared errors 1.5 and 9 over six pixels, sigma = 1", f(x, x_hat), [-6.263631, -10.013631]
    )
    yield value("A perfect reconstruction, sigma = 2", f(x, x, 2.0)[:1], [-9.672514])
    yield value("Squared errors 1.5 and 9, sigma = 2", f(x, x_hat, 2.0), [-9.860014, -10.797514])
    # a density may exceed 1, so its logarithm may be positive
    yield value("A perfect reconstruction, sigma = 0.1", f(x, x, sigma=0.1)[:1], [8.301879])
    yield value("A picture alone in its batch", f(x[1:], x_hat[1:]), [-10.013631])
    colour = torch.zeros(1, 3, 2, 2)
    yield value("A colour picture (1, 3, 2, 2), perfect", f(colour, colour), [-11.027262])
    sigma = torch.tensor(2.0, requires_grad=True)
    y = x_hat.clone().requires_grad_()
    seen = f(x, y, sigma)
    yield value("sigma given as a tensor, 2", seen, [-9.860014, -10.797514])
    to_y, to_sigma = gradients(seen, y, sigma)
    # (x - x_hat)/sigma²
    yield value("The gradient to x_hat", to_y, (x - x_hat) / 4, kind="wrong_behaviour")
    # error/sigma³ - pixels/sigma: 1.5/8 - 3 and 9/8 - 3
    yield value(
        "The gradient to sigma, which may be learned", to_sigma, -4.6875, kind="wrong_behaviour"
    )
    yield form(
        f(x.double(), x_hat.double()).dtype == torch.float64, "float64 in should be float64 out."
    )
    says = "Your function changes x or x_hat in place."
    yield behaviour(bool((x == 0).all() and (x_hat[0] == 0.5).all()), says)


def _gaussian(x, x_hat, sigma, two_pi=2 * math.pi, half=0.5):
    sigma = torch.as_tensor(sigma, dtype=x.dtype)
    return -half * (x - x_hat) ** 2 / sigma**2 - torch.log(sigma) - 0.5 * math.log(two_pi)


GAUSSIAN = Exercise(
    id="2.2",
    title="Gaussian log-likelihood",
    reference="helpers.losses.gaussian_log_likelihood",
    difficulty=1,
    minutes=8,
    hints=(
        "Pixels are independent given z, so their log-densities add up. The squared error is only "
        "one term of a Gaussian's log-density; the others say how wide it is.",
        "Write down log N(x; x̂, σ²) for one pixel: the squared error over 2σ², and half the "
        "logarithm of 2πσ², both with a minus. Then sum over the pixels of each image.",
        "`-0.5 * ((x - x_hat) ** 2 / sigma**2 + torch.log(2 * math.pi * sigma**2))`, with sigma as a "
        "tensor, then `.flatten(start_dim=1).sum(dim=1)`.",
    ),
    probe=probe_gaussian,
    misconceptions=(
        Misconception(
            "constant_dropped",
            "You left out -½·log(2π) for each pixel. It changes no gradient, but without it the "
            "number is no log-likelihood, and models with other likelihoods cannot be compared.",
            lambda x, x_hat, sigma=1.0: per_image(_gaussian(x, x_hat, sigma, two_pi=1)),
        ),
        Misconception(
            "sigma_not_squared",
            "sigma = 1 comes out right, sigma = 2 does not: you used sigma where the variance "
            "belongs. Square it.",
            lambda x, x_hat, sigma=1.0: per_image(_gaussian(x, x_hat, sigma**0.5)),
        ),
        Misconception(
            "log_sigma_forgotten",
            "A wider Gaussian is also a lower one: subtract log(sigma) for each pixel. Without it a "
            "learned sigma would grow for ever.",
            lambda x, x_hat, sigma=1.0: per_image(
                _gaussian(x, x_hat, sigma) + torch.log(torch.as_tensor(sigma))
            ),
        ),
        Misconception(
            "half_forgotten",
            "Your squared error counts double: in a Gaussian it is divided by 2σ², not by σ².",
            lambda x, x_hat, sigma=1.0: per_image(_gaussian(x, x_hat, sigma, half=1.0)),
        ),
        Misconception(
            "mean_over_pixels",
            "You average over the pixels. Log-likelihoods of independent pixels add: the sum is in "
            "nats per image, as the KL is. A mean here is what makes beta 784 times too large.",
            lambda x, x_hat, sigma=1.0: _gaussian(x, x_hat, sigma).flatten(1).mean(1),
        ),
        Misconception(
            "summed_over_batch",
            "You give one number for the whole batch. Each image has its own log-likelihood: sum over "
            "channels and pixels, never over axis 0.",
            lambda x, x_hat, sigma=1.0: _gaussian(x, x_hat, sigma).sum(),
        ),
        Misconception(
            "sign",
            "Yours is the *negative* log-likelihood, which a training loop minimises. Here a better "
            "reconstruction has a higher value: turn the sign.",
            lambda x, x_hat, sigma=1.0: -per_image(_gaussian(x, x_hat, sigma)),
        ),
        Misconception(
            "sigma_detached",
            "The values are right, but the logarithm of sigma gives no gradient (`math.log` or "
            "`float` turn it into a plain number). A learned sigma would then grow for ever: use "
            "`torch.log`.",
            lambda x, x_hat, sigma=1.0: per_image(
                -0.5 * ((x - x_hat) ** 2 / sigma**2 + math.log(2 * math.pi * float(sigma) ** 2))
            ),
        ),
    ),
)

# --- 2.3 --------------------------------------------------------------------------------------


def probe_bernoulli(f):
    x = torch.zeros(2, 1, 2, 3)
    x[0] = 1.0  # six ones
    x[1, 0, 0, :2] = 1.0  # two ones, four zeros
    # between 0 and 1, so that logits taken for probabilities do not fail loudly
    logits = torch.full((2, 1, 2, 3), 0.25)
    yield shape("Two pictures (2, 1, 2, 3)", f(x, logits), (2,))
    # log sigmoid(0.25) = -0.575939 for a one, log sigmoid(-0.25) = -0.825939 for a zero
    yield value(
        "Logits 0.25; six ones, and two ones with four zeros",
        f(x, logits),
        [-3.455636, -4.455636],
    )
    yield value("Logits 0, a fair coin for six pixels", f(x, 0 * logits)[:1], [-4.158883])
    odds = torch.full((1, 1, 2, 3), math.log(3.0))  # probability 3/4
    yield value("Probability 3/4; two ones and four zeros", f(x[1:], odds), [-6.120542])
    sure = torch.tensor([200.0, -200.0]).view(1, 1, 1, 2)
    ends = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    yield value("Logits 200 and -200 for a one and a zero: certain and right", f(ends, sure), [0])
    yield value(
        "Logits 200 and -200 for a zero and a one: certain and wrong", f(1 - ends, sure), [-400]
    )
    y = logits.clone().requires_grad_()
    (to_y,) = gradients(f(x, y), y)
    expected = x - torch.sigmoid(logits)
    yield value("The gradient to the logits", to_y, expected, kind="wrong_behaviour")
    yield form(
        f(x.double(), logits.double()).dtype == torch.float64, "float64 in should be float64 out."
    )
    # a grey pixel is the mean of a one and a zero
    grey = torch.full((1, 1, 2, 3), 0.5)
    yield value("Six pixels half black, half white, logits 0.25", f(grey, logits[:1]), [-4.205636])
    says = "Your function changes the logits in place."
    yield behaviour(bool((logits == 0.25).all()), says)


def _bernoulli(x, logits):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none")


BERNOULLI = Exercise(
    id="2.3",
    title="Bernoulli log-likelihood",
    reference="helpers.losses.bernoulli_log_likelihood",
    difficulty=2,
    minutes=6,
    hints=(
        "A black-or-white pixel is a coin. The decoder says how likely it falls on white; a pixel "
        "costs the logarithm of the probability of what it is.",
        "For each pixel: x·log p + (1 - x)·log(1 - p) with p = sigmoid(logits). PyTorch has its "
        "negative, computed from the logits, in `torch.nn.functional`.",
        '`-F.binary_cross_entropy_with_logits(logits, x, reduction="none")`, then '
        "`.flatten(start_dim=1).sum(dim=1)`.",
    ),
    probe=probe_bernoulli,
    misconceptions=(
        Misconception(
            "logits_as_probabilities",
            "You take the logits for probabilities. A logit of 0.25 means a probability of "
            "sigmoid(0.25) = 0.56.",
            lambda x, logits: per_image(-F.binary_cross_entropy(logits, x, reduction="none")),
        ),
        Misconception(
            "sigmoid_twice",
            "You apply the sigmoid twice: `binary_cross_entropy_with_logits` does it inside. Give it "
            "the logits as they are.",
            lambda x, logits: per_image(_bernoulli(x, torch.sigmoid(logits))),
        ),
        Misconception(
            "sign",
            "Yours is the cross-entropy, the *negative* log-likelihood. The logarithm of a "
            "probability is never above 0: turn the sign.",
            lambda x, logits: -per_image(_bernoulli(x, logits)),
        ),
        Misconception(
            "mean_over_pixels",
            "You average over the pixels. The log-likelihood of an image is the sum over its pixels, "
            'in nats: `reduction="none"`, then sum each row.',
            lambda x, logits: _bernoulli(x, logits).flatten(1).mean(1),
        ),
        Misconception(
            "one_number",
            "You give one number for the batch, as `reduction` does by default. Each image has its "
            'own: `reduction="none"`, then sum over the pixels.',
            lambda x, logits: _bernoulli(x, logits).sum(),
        ),
        Misconception(
            "arguments_swapped",
            "Picture and logits have changed places: PyTorch's function takes the prediction first "
            "and the target second.",
            lambda x, logits: per_image(_bernoulli(logits, x)),
        ),
        Misconception(
            "zeros_forgotten",
            "Only white pixels count in yours. A black pixel has a probability too: add "
            "(1 - x)·log(1 - p).",
            lambda x, logits: per_image(x * F.logsigmoid(logits)),
        ),
        Misconception(
            "unstable",
            "Right for small logits, but at ±200 you get nan or infinity: sigmoid(200) is exactly 1 "
            "in floating point, and log(1 - 1) is -inf. Compute from the logits, with "
            "`binary_cross_entropy_with_logits`.",
            lambda x, logits: per_image(
                x * torch.log(torch.sigmoid(logits))
                + (1 - x) * torch.log(1 - torch.sigmoid(logits))
            ),
        ),
        Misconception(
            "clamped",
            "Right for small logits, but a pixel that is certain and wrong costs 200 nats, and yours "
            "stops at 100: `binary_cross_entropy` cuts its logarithms there. Compute from the logits.",
            lambda x, logits: per_image(
                -F.binary_cross_entropy(torch.sigmoid(logits), x, reduction="none")
            ),
        ),
        Misconception(
            "grey_refused",
            "Right for black and white, but `Bernoulli` refuses a grey pixel. Our formula is linear in "
            "x, so grey counts as a share of white: give the distribution `validate_args=False`, or "
            "use `binary_cross_entropy_with_logits`.",
            lambda x, logits: per_image(Bernoulli(logits=logits).log_prob(x)),
        ),
        Misconception(
            "grey_rounded",
            "Right for black and white, but you round a grey pixel to one of them. It counts as a "
            "share of white: x·log p + (1 - x)·log(1 - p).",
            lambda x, logits: per_image(_bernoulli((x > 0.5).to(x), logits)),
        ),
    ),
)

# --- 2.4 --------------------------------------------------------------------------------------


def probe_kl(f):
    mu = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
    logvar = torch.zeros(2, 3)
    yield shape("mu and logvar (2, 3)", f(mu, logvar), (2,))
    yield value(
        "sigma = 1 with mu = (0, 0, 0), which is the prior itself, and mu = (1, 2, 0)",
        f(mu, logvar),
        [0, 2.5],
    )
    # sigma² = 4: (4 - 1 - log 4)/2 = 0.806853 for each latent
    wide = torch.tensor([[4.0, 1.0, 1.0], [4.0, 4.0, 4.0]]).log()
    yield value(
        "mu = 0 with one latent, and with three, of sigma² = 4",
        f(0 * mu, wide),
        [0.806853, 2.420558],
    )
    # sigma² = 1/4: (1/4 - 1 + log 4)/2 = 0.318147
    yield value(
        "mu = 0, sigma² = 1/4, one latent, alone in its batch",
        f(torch.zeros(1, 1), torch.full((1, 1), -math.log(4.0))),
        [0.318147],
    )
    yield value("mu = (1, 2, 0) with sigma² = 4 everywhere", f(mu[1:], wide[1:]), [4.920558])
    m, s = mu.clone().requires_grad_(), wide.clone().requires_grad_()
    to_mu, to_logvar = gradients(f(m, s), m, s)
    yield value("The gradient to mu", to_mu, mu, kind="wrong_behaviour")
    expected = (wide.exp() - 1) / 2
    yield value("The gradient to logvar", to_logvar, expected, kind="wrong_behaviour")
    yield form(
        f(mu.double(), logvar.double()).dtype == torch.float64, "float64 in should be float64 out."
    )
    yield behaviour(
        bool(mu[1, 0] == 1 and (logvar == 0).all()), "Your function changes mu or logvar in place."
    )


def _kl(mu, logvar):
    """Without the sum over latents."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar)


KL = Exercise(
    id="2.4",
    title="KL divergence to the prior",
    reference="helpers.losses.kl_divergence",
    difficulty=2,
    minutes=8,
    hints=(
        "The KL says how many nats the code of this picture costs beyond the prior. Latents are "
        "independent, so their costs add up; a latent equal to the prior costs nothing.",
        "For one latent the integral gives ½(μ² + σ² - 1 - log σ²). What you are given is log σ², "
        "so one of the terms needs an exponential.",
        "`0.5 * (mu**2 + logvar.exp() - 1 - logvar)`, summed over `dim=1`.",
    ),
    probe=probe_kl,
    misconceptions=(
        Misconception(
            "mean_over_latents",
            "You average over the latents. The KL of independent latents is the *sum*: averaging "
            "divides beta by the size of the code, and nobody sees it in the loss.",
            lambda mu, logvar: _kl(mu, logvar).mean(1),
        ),
        Misconception(
            "summed_over_batch",
            "You sum over the batch too, so the KL grows with the batch size while a mean error does "
            "not. That is how a beta of 10⁵ comes about: sum over `dim=1` only.",
            lambda mu, logvar: _kl(mu, logvar).sum(),
        ),
        Misconception(
            "batch_mean",
            "You give the mean over the batch. That is for the training loop; here each image keeps "
            "its own KL, shape (N,).",
            lambda mu, logvar: _kl(mu, logvar).sum(1).mean(),
        ),
        Misconception(
            "sign",
            "Your KL is negative, and a KL never is. With the minus in front, the bracket is "
            "1 + log σ² - μ² - σ².",
            lambda mu, logvar: -_kl(mu, logvar).sum(1),
        ),
        Misconception(
            "half_forgotten",
            "Yours is twice too large: the factor ½ of the Gaussian's exponent is missing.",
            lambda mu, logvar: 2 * _kl(mu, logvar).sum(1),
        ),
        Misconception(
            "logvar_as_log_sigma",
            "sigma = 1 comes out right, other sigma do not: you took logvar for log σ. It is the "
            "logarithm of the *variance*, so σ² is exp(logvar), not exp(2·logvar).",
            lambda mu, logvar: _kl(mu, 2 * logvar).sum(1),
        ),
        Misconception(
            "reverse",
            "Yours is the KL the other way round, from the prior to q. The ELBO has KL(q ‖ p): the "
            "expectation is over q, where the codes of this picture are.",
            lambda mu, logvar: (0.5 * (logvar + (1 + mu**2) / logvar.exp() - 1)).sum(1),
        ),
        Misconception(
            "one_forgotten",
            "A code equal to the prior should cost nothing; yours costs half a nat for each latent. "
            "The -1 in the bracket is missing.",
            lambda mu, logvar: (_kl(mu, logvar) + 0.5).sum(1),
        ),
        Misconception(
            "exp_forgotten",
            "You put logvar itself where the variance belongs: σ² is `logvar.exp()`.",
            lambda mu, logvar: 0.5 * (mu**2 + logvar - 1 - logvar).sum(1),
        ),
    ),
)

# --- 2.5 --------------------------------------------------------------------------------------


def probe_monte_carlo_kl(f):
    mu, logvar = torch.zeros(3, 4), torch.zeros(3, 4)
    mu[1, 0] = 4.0
    logvar[2] = math.log(4.0)
    samples = 4000
    pair = f(mu, logvar, samples)
    says = f"Return two tensors, the mean and its standard error; yours gave {kind_of(pair)}."
    yield form(is_pair(pair), says, seen="a pair" if is_pair(pair) else kind_of(pair))
    mean, error = pair
    yield shape("The mean for mu and logvar (3, 4)", mean, (3,))
    yield shape("The standard error for mu and logvar (3, 4)", error, (3,))
    mean, error = mean.detach().numpy(), error.detach().numpy()
    yield value("Where q is the prior, every draw gives 0: mean", mean[:1], [0])
    # q = N(4, 1): log q - log p = 4·epsilon + 8, so mean 8 and std 4.
    # sigma = 2, four latents: each (3·epsilon² - log 4)/2, together mean 3.2274 and std 4.2426.
    expected = np.array([4, 4.242641]) / samples**0.5
    yield drawn(
        "The mean of 4,000 draws with mu = (4, 0, 0, 0), sigma = 1, and with mu = 0, sigma = 2",
        mean[1:],
        [8, 3.227411],
        tolerance=8 * expected,
    )
    octaves = np.log2(error[1:] / expected)
    says = (
        f"Of these two means the standard errors should be near {show(expected)}; yours gave "
        f"{show(error[1:])}."
    )
    # steps of half an octave are coarse beside the two percent that chance leaves
    yield Finding("wrong_value", np.round(2 * octaves), bool((abs(octaves) < 0.25).all()), says)
    few = f(mu, logvar, 160)[1].detach().numpy()
    ratio = np.log2(few[1:] / error[1:])  # sqrt(25), 2.3 octaves
    says = (
        "25 times fewer draws make the standard error about 5 times larger; yours does not grow so."
    )
    yield Finding("wrong_value", np.round(ratio / 2), bool((abs(ratio - 2.32) < 1.3).all()), says)
    says = "Two calls give the same draws: let the random numbers run on, without a seed inside."
    yield behaviour(not np.array_equal(f(mu, logvar, 50)[0][1:], f(mu, logvar, 50)[0][1:]), says)
    double = f(mu.double(), logvar.double(), 5)[0]
    yield form(double.dtype == torch.float64, "float64 in should be float64 out.")
    yield behaviour(bool(mu[1, 0] == 4), "Your function changes mu in place.")


def _draws(mu, logvar, samples, sigma=None, from_prior=False):
    """log q - log p of draws. -> (samples, N, d)"""
    q = Normal(mu, torch.exp(0.5 * logvar) if sigma is None else sigma)
    p = Normal(torch.zeros_like(mu), 1.0)
    z = (p if from_prior else q).sample((samples,))
    return q.log_prob(z) - p.log_prob(z)


def _mean_and_error(log_ratio):
    return log_ratio.mean(0), log_ratio.std(0) / len(log_ratio) ** 0.5


def _seeded_monte_carlo(mu, logvar, samples):
    torch.manual_seed(0)
    return monte_carlo_kl(mu, logvar, samples)


MONTE_CARLO_KL = Exercise(
    id="2.5",
    title="the KL by Monte Carlo",
    reference="helpers.losses.monte_carlo_kl",
    difficulty=2,
    minutes=10,
    hints=(
        "The KL is a mean: of log q(z) - log p(z), over z drawn from q. A mean over draws comes with "
        "an error bar, and both should be reported.",
        "`torch.distributions.Normal` draws with `.sample((samples,))` and gives `.log_prob(z)`. Sum "
        "over the latents first, so that each draw of each image gives one number.",
        "`log_ratio = (q.log_prob(z) - p.log_prob(z)).sum(dim=2)`, then `log_ratio.mean(dim=0)` and "
        "`log_ratio.std(dim=0) / samples**0.5`.",
    ),
    probe=probe_monte_carlo_kl,
    misconceptions=(
        Misconception(
            "sign",
            "Your mean is negative: you took log p - log q. The KL from q to p is the mean of "
            "log q - log p over draws from q.",
            lambda mu, logvar, samples: _mean_and_error(-_draws(mu, logvar, samples).sum(2)),
        ),
        Misconception(
            "drawn_from_prior",
            "You draw z from the prior. The KL from q to p averages over q: draw z from "
            "N(mu, exp(logvar)).",
            lambda mu, logvar, samples: _mean_and_error(
                _draws(mu, logvar, samples, from_prior=True).sum(2)
            ),
        ),
        Misconception(
            "reverse",
            "Yours is KL(p ‖ q): draws from the prior, log p - log q. The ELBO has KL(q ‖ p): draw "
            "from q, and take log q - log p. Where sigma = 1 the two agree, elsewhere not.",
            lambda mu, logvar, samples: _mean_and_error(
                -_draws(mu, logvar, samples, from_prior=True).sum(2)
            ),
        ),
        Misconception(
            "std_returned",
            "Your second number is the spread of single draws. The mean of many draws is surer than "
            "one draw: divide by the square root of `samples`.",
            lambda mu, logvar, samples: (
                _draws(mu, logvar, samples).sum(2).mean(0),
                _draws(mu, logvar, samples).sum(2).std(0),
            ),
        ),
        Misconception(
            "variance_of_mean",
            "Your second number is the *variance* of the mean, in squared nats. An error bar is its "
            "root, in nats: std / √samples.",
            lambda mu, logvar, samples: (
                _draws(mu, logvar, samples).sum(2).mean(0),
                _draws(mu, logvar, samples).sum(2).var(0) / samples,
            ),
        ),
        Misconception(
            "divided_by_samples",
            "You divide the spread by `samples`. The error of a mean shrinks with the *square root* "
            "of their number: four times the draws, half the error.",
            lambda mu, logvar, samples: (
                _draws(mu, logvar, samples).sum(2).mean(0),
                _draws(mu, logvar, samples).sum(2).std(0) / samples,
            ),
        ),
        Misconception(
            "sum_over_samples",
            "You sum over the draws, so the result grows with their number. An expectation is "
            "estimated by the *mean* over draws; the sum is for the latents.",
            lambda mu, logvar, samples: (
                _draws(mu, logvar, samples).sum(2).sum(0),
                _draws(mu, logvar, samples).sum(2).std(0) / samples**0.5,
            ),
        ),
        Misconception(
            "mean_over_latents",
            "You average over the latents as well. Log-densities of independent latents add: sum over "
            "the latents, average over the draws.",
            lambda mu, logvar, samples: _mean_and_error(_draws(mu, logvar, samples).mean(2)),
        ),
        Misconception(
            "exp_logvar_as_sigma",
            "`Normal` takes the standard deviation, and exp(logvar) is the variance: use "
            "`torch.exp(0.5 * logvar)`.",
            lambda mu, logvar, samples: _mean_and_error(
                _draws(mu, logvar, samples, sigma=logvar.exp()).sum(2)
            ),
        ),
        Misconception(
            "mean_only",
            "You return the mean alone. Without its standard error nobody can say whether it agrees "
            "with the formula: return both.",
            lambda mu, logvar, samples: monte_carlo_kl(mu, logvar, samples)[0],
        ),
        Misconception(
            "seeded_inside",
            "You set the seed inside, so every call gives the same draws and the error bar means "
            "nothing. Seed once, outside, if at all.",
            _seeded_monte_carlo,
        ),
    ),
)

# --- 2.6 --------------------------------------------------------------------------------------


def probe_reparameterize(f):
    few = torch.zeros(1, 3, device=device())  # as the notebook will call it
    yield shape("mu and logvar (1, 3)", f(few, few), (1, 3))
    n = 40_000
    mu = torch.tensor([3.0, -1.0]).repeat(n, 1)
    logvar = torch.tensor([4.0, 0.25]).log().repeat(n, 1)  # sigma 2 and 1/2
    z = f(mu, logvar)
    yield shape("mu and logvar (40000, 2)", z, (n, 2))
    says = "Your z is mu itself, without any noise: add sigma·epsilon."
    yield Finding("wrong_value", torch.equal(z, mu), not torch.equal(z, mu), says)
    sigma = np.array([2.0, 0.5])
    noise = (z - mu).detach().double().numpy()
    # the standard error of a spread is sigma/sqrt(2n), 0.35 %, so 6 % are 17 of them
    yield drawn(
        "With logvar = log 4 and log 1/4, the spread of 40,000 draws",
        noise.std(0),
        sigma,
        tolerance=0.06 * sigma,
    )
    yield drawn(
        "With mu = 3 and -1, the mean of 40,000 draws",
        z.mean(0).detach().numpy(),
        [3, -1],
        tolerance=0.06 * sigma,
    )
    together = np.corrcoef(noise.T)[0, 1]
    says = "Two latents of a picture move together: each number of z needs an epsilon of its own."
    yield Finding("wrong_value", bool(abs(together) > 0.06), bool(abs(together) <= 0.06), says)
    says = "Two calls give the same noise: let the random numbers run on, without a seed inside."
    yield behaviour(not torch.equal(f(mu[:9], logvar[:9]), f(mu[:9], logvar[:9])), says)
    m, s = mu[:5].clone().requires_grad_(), logvar[:5].clone().requires_grad_()
    z = f(m, s)
    to_mu, to_logvar = gradients(z, m, s)
    arrived = (
        torch.allclose(to_mu, torch.ones(5, 2)),
        torch.allclose(to_logvar, 0.5 * (z - m), atol=1e-5),
    )
    says = (
        "The gradient of z should be 1 to mu and ½·sigma·epsilon to logvar; it is not right to "
        f"{' nor to '.join(n for n, ok in zip(('mu', 'logvar'), arrived, strict=True) if not ok)}."
    )
    yield behaviour(all(arrived), says, seen=arrived)
    yield form(
        f(mu[:2].double(), logvar[:2].double()).dtype == torch.float64,
        "float64 in should be float64 out.",
    )
    says = "Your function changes mu or logvar in place."
    yield behaviour(bool((mu[:, 0] == 3).all() and (logvar[:, 0] > 1.38).all()), says)


def _sample(mu, logvar, sigma=None, epsilon=None):
    sigma = torch.exp(0.5 * logvar) if sigma is None else sigma
    return mu + sigma * (torch.randn_like(mu) if epsilon is None else epsilon)


def _seeded_sample(mu, logvar):
    torch.manual_seed(0)
    return reparameterize(mu, logvar)


REPARAMETERIZE = Exercise(
    id="2.6",
    title="the reparametrisation trick",
    reference="helpers.losses.reparameterize",
    difficulty=1,
    minutes=6,
    hints=(
        "Draw the randomness somewhere else, from a fixed N(0, 1), and let mu and sigma only shift "
        "and stretch it. Then z is a plain function of both, with plain gradients.",
        "logvar is the logarithm of the *variance*; sigma is the root of the variance. Epsilon has "
        "the shape of mu: one draw for each number.",
        "`sigma = torch.exp(0.5 * logvar)`, then `mu + sigma * torch.randn_like(mu)`.",
    ),
    probe=probe_reparameterize,
    misconceptions=(
        Misconception(
            "exp_logvar_as_sigma",
            "With mu = 0 and logvar = log 4, z should have a spread near 2; yours is 4, which is what "
            "exp(logvar) gives. logvar is the log of the *variance*: sigma = exp(logvar / 2).",
            lambda mu, logvar: _sample(mu, logvar, sigma=logvar.exp()),
        ),
        Misconception(
            "sigma_ignored",
            "Your noise has spread 1 whatever logvar says: multiply epsilon by sigma = "
            "exp(logvar / 2), else the encoder cannot say how sure it is.",
            lambda mu, logvar: _sample(mu, logvar, sigma=1.0),
        ),
        Misconception(
            "logvar_as_sigma",
            "You multiply the noise by logvar itself. A logarithm may be negative, a spread may not: "
            "sigma = exp(logvar / 2).",
            lambda mu, logvar: _sample(mu, logvar, sigma=logvar),
        ),
        Misconception(
            "uniform_noise",
            "Your noise is uniform between 0 and 1: `rand` for `randn`. Epsilon is standard normal, "
            "with mean 0 and spread 1.",
            lambda mu, logvar: _sample(mu, logvar, epsilon=torch.rand_like(mu)),
        ),
        Misconception(
            "one_epsilon_for_the_batch",
            "All pictures of the batch get the same noise. Draw an epsilon for each: "
            "`torch.randn_like(mu)` has the shape of mu.",
            lambda mu, logvar: _sample(mu, logvar, epsilon=torch.randn_like(mu[:1])),
        ),
        Misconception(
            "one_epsilon_for_the_latents",
            "All latents of a picture get the same noise, so z moves along one diagonal. Draw one "
            "epsilon for each latent: `torch.randn_like(mu)`.",
            lambda mu, logvar: _sample(mu, logvar, epsilon=torch.randn_like(mu[:, :1])),
        ),
        Misconception(
            "mean_returned",
            "Your z is mu itself: nothing is drawn. Add sigma times standard normal noise.",
            lambda mu, logvar: mu + 0 * logvar,
        ),
        Misconception(
            "seeded_inside",
            "You set the seed inside, so every call adds the same noise, and the network learns that "
            "noise by heart. Seed once, outside.",
            _seeded_sample,
        ),
        Misconception(
            "no_gradient",
            "The draws are right, but no gradient reaches mu and logvar: `.sample()`, `torch.normal` "
            "and `.detach()` cut the graph, so the encoder would never learn. Write mu + sigma·epsilon "
            "(or use `.rsample()`).",
            lambda mu, logvar: Normal(mu, torch.exp(0.5 * logvar)).sample(),
        ),
        Misconception(
            "no_gradient_to_logvar",
            "The gradient reaches mu but not logvar: sigma is detached, so the encoder could not learn "
            "how sure it is. Only epsilon is a constant.",
            lambda mu, logvar: _sample(mu, logvar, sigma=torch.exp(0.5 * logvar).detach()),
        ),
    ),
)

# --- 2.7 --------------------------------------------------------------------------------------


def probe_vae(cls):
    net = cls(latent_dim=20)
    yield form(isinstance(net, nn.Module), "The class should inherit from `nn.Module`.")
    for part in ("encoder", "decoder"):
        says = f"`self.{part}` is still `...`: give it its layers as an `nn.Sequential`."
        yield form(getattr(net, part, None) is not ..., says)
    x = torch.rand(3, 1, 28, 28)
    code = net.encode(x)
    says = f"`encode` should return two tensors, `mu, logvar`; yours gave {kind_of(code)}."
    yield form(is_pair(code), says, seen=type(code).__name__ if not is_pair(code) else "pair")
    for name, part in zip(("mu", "logvar"), code, strict=True):
        yield shape(f"`{name}` of a batch (3, 1, 28, 28) with latent_dim=20", part, (3, 20))
    many = cls(latent_dim=100).encode(x)
    yield shape("`mu` with latent_dim=100", many[0], (3, 100))
    z = 100 * torch.randn(20, 20)  # far out, where a sigmoid reaches both ends
    x_hat = net.decode(z)
    yield shape("`decode` of a batch (20, 20)", x_hat, (20, 1, 28, 28))
    ends = bool(x_hat.min() >= 0), bool(x_hat.max() <= 1)
    says = f"Pixels lie in [0, 1]; `decode` gives {show(x_hat.min())} to {show(x_hat.max())}."
    yield Finding("wrong_value", ends, all(ends), says)
    says = "Later cells call `vae.decoder(z)` for the logits: name the decoder's layers `self.decoder`."
    yield form(isinstance(getattr(net, "decoder", None), nn.Module), says)
    logits = net.decoder(z)
    yield shape("`decoder` for codes (20, 20)", logits, (20, 1, 28, 28))
    says = (
        "`decoder` should give logits, and `decode` their sigmoid: sigmoid(decoder(z)) is not "
        "what your `decode(z)` gives."
    )
    sigmoid, plain = (torch.allclose(p, x_hat, atol=1e-5) for p in (torch.sigmoid(logits), logits))
    yield form(sigmoid, says, seen=(sigmoid, plain))
    says = "Your decoder's logits are never negative, so no pixel can be darker than 0.5."
    dark = bool((logits < 0).any())
    yield Finding("wrong_value", dark, dark, says)
    says = "Later cells read `vae.sigma`, the spread of a pixel: set `self.sigma = 1.0`."
    yield form(getattr(net, "sigma", None) == 1.0, says)

    # of a hundred free numbers some are negative
    free = tuple(bool((part < 0).any()) for part in many)
    says = (
        f"Your {'mu' if not free[0] else 'logvar'} is never negative: end in a plain linear layer, "
        "so that mu and logvar may take any sign."
    )
    yield behaviour(all(free), says, seen=free)

    with torch.no_grad():
        # bright enough for sigmas that differ between latents, whatever the biases
        x = 1000 * x
        x = x * 3 / net.encode(x)[1].std()
        mu, logvar = net.encode(x)
        out = net(x)
    shapes = (
        tuple(tuple(part.shape) for part in out) if isinstance(out, (tuple, list)) else kind_of(out)
    )
    says = f"`forward` should return `x_hat, mu, logvar`; yours gave {_described(shapes)}."
    yield form(shapes == ((3, 1, 28, 28), (3, 20), (3, 20)), says, seen=shapes)
    order = [
        all(torch.allclose(a, b, atol=1e-4) for a, b in zip(out[1:], pair, strict=True))
        for pair in ((mu, logvar), (logvar, mu))
    ]
    says = "After x_hat, `forward` should return the mu and the logvar that `encode` gives."
    yield Finding("wrong_value", tuple(order), order[0], says)

    codes = []
    net.decoder.register_forward_pre_hook(lambda layer, inputs: codes.append(inputs[0].detach()))
    with torch.no_grad():
        net.eval()
        steady = [torch.allclose(net(x)[0], net.decode(c), atol=1e-5) for c in (mu, logvar)]
        says = "In eval mode x_hat should be `decode(mu)`: z is mu, and nothing is drawn."
        yield behaviour(steady[0], says, seen=tuple(steady))
        net.train()
        moves = not torch.equal(net(x)[0], net(x)[0])
        says = "In training mode two passes give the same x_hat: z should be drawn anew each time."
        yield behaviour(moves, says)
        _, mu, logvar = net(x[:1].repeat(100, 1, 1, 1))
    for z in codes[-1:]:  # where `decode` calls `decoder` as a whole
        spread = ((z - mu) / torch.exp(0.5 * logvar)).std(dim=0)
        # known from 100 draws to 7 %, or a tenth of an octave
        by_sigma = bool((spread.log2().abs() < 0.9).all())
        says = (
            "In training mode each latent should spread by its sigma = exp(logvar / 2); divided by "
            f"sigma, yours spread by {show(spread.aminmax().min)} to {show(spread.aminmax().max)}, "
            "not by 1. Call `reparameterize(mu, logvar)`."
        )
        yield Finding("wrong_value", by_sigma, by_sigma, says)

    net(x)[0].mean().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None]
    says = f"These parameters take no part in the reconstruction: {', '.join(silent[:4])}."
    yield behaviour(not silent, says)
    count = sum(p.numel() for p in net.parameters())
    expected = sum(p.numel() for p in ConvVAE(latent_dim=20).parameters())
    says = (
        f"The table's network has {expected:,} parameters; yours has {count:,}. Compare the sizes "
        "layer by layer."
    )
    yield form(count == expected, says, seen=count)


def _described(shapes):
    if isinstance(shapes, str):
        return shapes
    return f"{len(shapes)} tensors of shapes {', '.join(str(s) for s in shapes)}"


def _vae(**methods):
    return type("Wrong", (ConvVAE,), methods)


def _forward(z_of, result=lambda x_hat, mu, logvar: (x_hat, mu, logvar)):
    """A `forward` that decodes z_of(net, mu, logvar)."""

    def forward(self, x):
        mu, logvar = self.encode(x)
        return result(self.decode(z_of(self, mu, logvar)), mu, logvar)

    return forward


def _z(net, mu, logvar):
    return reparameterize(mu, logvar) if net.training else mu


def _forward_of_swapped(self, x):
    logvar, mu = self.encode(x)
    return self.decode(_z(self, mu, logvar)), logvar, mu


class _IgnoresLatentDim(ConvVAE):
    def __init__(self, latent_dim=20):
        super().__init__(20)


class _SigmoidInDecoder(ConvVAE):
    def __init__(self, latent_dim=20):
        super().__init__(latent_dim)
        self.decoder.append(nn.Sigmoid())

    def decode(self, z):
        return self.decoder(z)


class _SigmoidTwice(_SigmoidInDecoder):
    def decode(self, z):
        return torch.sigmoid(self.decoder(z))


class _NoSigma(ConvVAE):
    def __init__(self, latent_dim=20):
        super().__init__(latent_dim)
        del self.sigma


VAE = Exercise(
    id="2.7",
    title="the variational autoencoder",
    reference="helpers.models.ConvVAE",
    difficulty=2,
    minutes=15,
    hints=(
        "It is an autoencoder whose encoder answers with a Gaussian: two numbers for each latent. "
        "The decoder gets a draw from it while training, and its centre afterwards.",
        "The last linear layer gives `2 * latent_dim` numbers, which `.chunk(2, dim=1)` cuts into mu "
        "and logvar. `self.training` says which mode the network is in. The decoder ends without a "
        "sigmoid; `decode` applies it.",
        "`mu, logvar = self.encode(x)`, `z = reparameterize(mu, logvar) if self.training else mu`, "
        "`return self.decode(z), mu, logvar`; and `decode` is `torch.sigmoid(self.decoder(z))`.",
    ),
    probe=probe_vae,
    misconceptions=(
        Misconception(
            "draws_in_eval",
            "You draw z in eval mode too, so the same picture gets another score at every call. When "
            "`self.training` is false, z is mu.",
            _vae(forward=_forward(lambda net, mu, logvar: reparameterize(mu, logvar))),
        ),
        Misconception(
            "mean_in_training",
            "You decode mu in training mode as well: nothing is ever drawn, and what you have is a "
            "plain autoencoder. While `self.training`, z comes from `reparameterize`.",
            _vae(forward=_forward(lambda net, mu, logvar: mu)),
        ),
        Misconception(
            "modes_reversed",
            "The two modes have changed places: draw z while `self.training` is true, and take mu in "
            "eval mode.",
            _vae(
                forward=_forward(
                    lambda net, mu, logvar: mu if net.training else reparameterize(mu, logvar)
                )
            ),
        ),
        Misconception(
            "noise_without_sigma",
            "In training mode your z does not spread by sigma = exp(logvar / 2). Leave the drawing to "
            "`reparameterize(mu, logvar)`.",
            _vae(
                forward=_forward(
                    lambda net, mu, logvar: mu + torch.randn_like(mu) if net.training else mu
                )
            ),
        ),
        Misconception(
            "no_sigmoid",
            "`decode` gives the logits themselves, which leave [0, 1]. Pixels are their sigmoid: "
            "`torch.sigmoid(self.decoder(z))`.",
            _vae(decode=lambda self, z: self.decoder(z)),
        ),
        Misconception(
            "sigmoid_in_decoder",
            "Your decoder ends in a sigmoid, so `vae.decoder(z)` gives probabilities. The Bernoulli "
            "likelihood needs logits: leave the sigmoid to `decode`.",
            _SigmoidInDecoder,
        ),
        Misconception(
            "sigmoid_twice",
            "No pixel of yours can be darker than 0.5: a sigmoid (or a ReLU) ends the decoder, and "
            "`decode` applies another one. Logits are free numbers: end the decoder with its last "
            "layer of weights.",
            _SigmoidTwice,
        ),
        Misconception(
            "one_tensor",
            "`encode` returns one tensor. Cut it into its two halves, mu and logvar: "
            "`.chunk(2, dim=1)`.",
            _vae(encode=lambda self, x: self.encoder(x)),
        ),
        Misconception(
            "encode_swapped",
            "`encode` returns logvar first: your `forward` decodes its second tensor. Everything that "
            "calls `encode` expects `mu, logvar`.",
            _vae(forward=_forward_of_swapped),
        ),
        Misconception(
            "forward_swapped",
            "`forward` returns logvar before mu. Callers unpack `x_hat, mu, logvar`, and would compute "
            "the KL of the wrong Gaussian without an error.",
            _vae(forward=_forward(_z, lambda x_hat, mu, logvar: (x_hat, logvar, mu))),
        ),
        Misconception(
            "wrong_order",
            "`forward` returns mu and logvar before the reconstruction. The order is "
            "`x_hat, mu, logvar`.",
            _vae(forward=_forward(_z, lambda x_hat, mu, logvar: (mu, logvar, x_hat))),
        ),
        Misconception(
            "only_x_hat",
            "`forward` returns the reconstruction alone. The loss needs the KL, and the KL needs mu "
            "and logvar: return all three.",
            _vae(forward=_forward(_z, lambda x_hat, mu, logvar: x_hat)),
        ),
        Misconception(
            "logvar_exponentiated",
            "Your logvar is never negative: an `exp`, a softplus or a ReLU follows it. Leave it free: "
            "it is the *logarithm* of the variance, so that any number is allowed.",
            _vae(
                encode=lambda self, x: (
                    self.encoder(x).chunk(2, dim=1)[0],
                    self.encoder(x).chunk(2, dim=1)[1].exp(),
                )
            ),
        ),
        Misconception(
            "relu_on_mu",
            "Your mu is never negative: a ReLU follows it. The prior is centred on 0 and has two "
            "sides; leave mu free.",
            _vae(
                encode=lambda self, x: (
                    self.encoder(x).chunk(2, dim=1)[0].relu(),
                    self.encoder(x).chunk(2, dim=1)[1],
                )
            ),
        ),
        Misconception(
            "latent_dim_ignored",
            "Your code has 20 numbers whatever `latent_dim` says. Use the argument, not the number.",
            _IgnoresLatentDim,
        ),
        Misconception(
            "sigma_missing",
            "The network has no `sigma`. The Gaussian scores read `vae.sigma`, the spread of a pixel: "
            "set `self.sigma = 1.0` in `__init__`.",
            _NoSigma,
        ),
    ),
)

# --- 2.8 --------------------------------------------------------------------------------------


def probe_elbo(f):
    log_likelihood, kl = torch.tensor([-100.0, -50.0]), torch.tensor([10.0, 20.0])
    seen = f(log_likelihood, kl)
    yield shape("Log-likelihoods and KLs of two images", seen, (2,))
    yield value("Log-likelihoods -100, -50 and KLs 10, 20 nats", seen, [-110, -70])
    yield value("The same with beta = 4", f(log_likelihood, kl, beta=4.0), [-140, -130])
    yield value("The same with beta = 0", f(log_likelihood, kl, 0.0), [-100, -50])
    yield value("An image alone in its batch", f(log_likelihood[:1], kl[:1]), [-110])
    a, b = log_likelihood.clone().requires_grad_(), kl.clone().requires_grad_()
    to_a, to_b = gradients(f(a, b, 2.0), a, b)
    yield value(
        "The gradients to log-likelihood and KL, beta = 2",
        torch.stack([to_a, to_b]),
        [[1, 1], [-2, -2]],
        kind="wrong_behaviour",
    )
    says = "Your function changes the log-likelihood or the KL in place."
    yield behaviour(bool(log_likelihood[0] == -100 and kl[0] == 10), says)


ELBO = Exercise(
    id="2.8",
    title="the evidence lower bound",
    reference="helpers.losses.elbo",
    difficulty=1,
    minutes=4,
    hints=(
        "A bound on log p(x): what the decoder explains, less what the code costs.",
        "Both parts are in nats and have one value for each image. beta weighs the cost of the code; "
        "with beta = 1 it is a bound.",
        "`log_likelihood - beta * kl`",
    ),
    probe=probe_elbo,
    misconceptions=(
        Misconception(
            "kl_added",
            "You add the KL. It is a cost: the bound is the log-likelihood *minus* beta·KL. (In a "
            "loss, where the log-likelihood has a minus, the KL is added.)",
            lambda log_likelihood, kl, beta=1.0: log_likelihood + beta * kl,
        ),
        Misconception(
            "loss",
            "Yours is the negative ELBO, the loss. The bound itself is higher where the model is "
            "better: turn the sign.",
            lambda log_likelihood, kl, beta=1.0: beta * kl - log_likelihood,
        ),
        Misconception(
            "beta_on_likelihood",
            "beta stands at the wrong term: it weighs the KL, not the log-likelihood.",
            lambda log_likelihood, kl, beta=1.0: beta * log_likelihood - kl,
        ),
        Misconception(
            "beta_on_both",
            "beta multiplies both terms, which only changes the step size. It weighs the KL alone: "
            "mind the brackets.",
            lambda log_likelihood, kl, beta=1.0: beta * (log_likelihood - kl),
        ),
        Misconception(
            "beta_ignored",
            "beta = 1 comes out right, other beta do not: multiply the KL by `beta`.",
            lambda log_likelihood, kl, beta=1.0: log_likelihood - kl,
        ),
        Misconception(
            "mean_over_batch",
            "You give the mean over the batch. That is for the training loop; as a score, each image "
            "keeps its own ELBO, shape (N,).",
            lambda log_likelihood, kl, beta=1.0: elbo(log_likelihood, kl, beta).mean(),
        ),
    ),
)

# --- 2.9 --------------------------------------------------------------------------------------


def probe_active_units(f):
    # five pictures, four latents: variances 0, 1.5, 0.0025·1.5 and 0.04·1.5 (or 4/5 of these)
    pattern = torch.tensor([-1.5, -0.5, 0.0, 0.5, 1.5])
    mu = torch.stack([torch.full((5,), 5.0), pattern, 0.05 * pattern, 0.3 * pattern], dim=1)
    seen = f(mu)
    yield value("Four latents, of which two have a variance above 0.01: the number", seen, 2)
    yield value("The same with threshold = 0.5", f(mu, threshold=0.5), 1)
    yield value("The same with threshold = 0.0001", f(mu, 0.0001), 3)
    yield value("A latent that never moves, threshold = 0", f(mu[:, :1], 0.0), 0)
    collapsed = torch.full((6, 3), 0.7)
    yield value("A collapsed code: three latents that never move", f(collapsed), 0)
    yield value(
        "Two pictures, seven latents that all move", f(torch.tensor([[0.0] * 7, [9.0] * 7])), 7
    )
    kind = type(seen).__name__
    says = f"A number of latents is an int; yours is of type {kind}: use `int(...)`."
    yield form(isinstance(seen, Integral), says, seen=kind)
    yield behaviour(bool((mu[:, 0] == 5).all()), "Your function changes mu in place.")


ACTIVE_UNITS = Exercise(
    id="2.9",
    title="active units",
    reference="helpers.latent.active_units",
    difficulty=1,
    minutes=5,
    hints=(
        "A latent that carries something must differ from picture to picture. One that is the same "
        "for all of them tells the decoder nothing.",
        "Take the variance of mu over the pictures, axis 0: one number for each latent. Count those "
        "above the threshold.",
        "`int((mu.var(dim=0) > threshold).sum())`",
    ),
    probe=probe_active_units,
    misconceptions=(
        Misconception(
            "mean",
            "You look at the mean of mu. A latent may sit at 5 for every picture and say nothing: what "
            "counts is its *variance* over the pictures.",
            lambda mu, threshold=0.01: int((mu.mean(0).abs() > threshold).sum()),
        ),
        Misconception(
            "mean_square",
            "You take the mean of mu², which is large for a latent that sits at 5 for every picture. "
            "The variance subtracts the mean first.",
            lambda mu, threshold=0.01: int((mu.square().mean(0) > threshold).sum()),
        ),
        Misconception(
            "std",
            "You compare the standard deviation. The threshold is one for the variance, its square.",
            lambda mu, threshold=0.01: int((mu.std(0) > threshold).sum()),
        ),
        Misconception(
            "wrong_axis",
            "You take the variance within each picture, over its latents. A unit is active if it "
            "changes from picture to picture: `dim=0`.",
            lambda mu, threshold=0.01: int((mu.var(1) > threshold).sum()),
        ),
        Misconception(
            "at_least",
            "With threshold = 0 a latent that never moves counts as active in yours. The variance must "
            "be *above* the threshold: `>`.",
            lambda mu, threshold=0.01: int((mu.var(0) >= threshold).sum()),
        ),
        Misconception(
            "inactive_counted",
            "You count the latents that do *not* move. Turn the comparison.",
            lambda mu, threshold=0.01: int((mu.var(0) <= threshold).sum()),
        ),
        Misconception(
            "threshold_ignored",
            "The default comes out right, other thresholds do not: compare with the argument "
            "`threshold`.",
            lambda mu, threshold=0.01: int((mu.var(0) > 0.01).sum()),
        ),
        Misconception(
            "tensor",
            "The number is right, but it is still a tensor: turn it into an int.",
            lambda mu, threshold=0.01: (mu.var(0) > threshold).sum(),
        ),
        Misconception(
            "share",
            "You give the share of the latents; we want their number: sum, do not average.",
            lambda mu, threshold=0.01: float((mu.var(0) > threshold).float().mean()),
        ),
    ),
)

# --- 2.10 -------------------------------------------------------------------------------------


def probe_iwae(f):
    log_w = torch.tensor([[1.0, 1.0, 2.0], [3.0, 1.0, 2.0]]).log()  # two draws, three images
    seen = f(log_w)
    yield shape("log_w of two draws for three images (2, 3)", seen, (3,))
    # log of the means 2, 1 and 2
    yield value("Weights 1 and 3, 1 and 1, 2 and 2", seen, [0.693147, 0, 0.693147])
    yield value("A single draw: the log-weight itself", f(torch.tensor([[-5.0, 7.0]])), [-5, 7])
    yield value("Four draws, one of weight 1, three of weight e⁻⁹⁰", f(_one_of_four()), [-1.386294])
    yield value("Log-weights near -800", f(log_w - 800), [-799.306853, -800, -799.306853], 1e-6)
    yield value("Log-weights near 800", f(log_w + 800), [800.693147, 800, 800.693147], 1e-6)
    w = log_w.clone().requires_grad_()
    (to_w,) = gradients(f(w), w)
    yield value(
        "The gradient to log_w, each draw's share of the weight",
        to_w,
        [[0.25, 0.5, 0.5], [0.75, 0.5, 0.5]],
        kind="wrong_behaviour",
    )
    yield form(f(log_w.double()).dtype == torch.float64, "float64 in should be float64 out.")
    yield behaviour(bool(log_w[0, 0] == 0), "Your function changes log_w in place.")


def _one_of_four():
    return torch.tensor([[0.0], [-90.0], [-90.0], [-90.0]])


IWAE = Exercise(
    id="2.10",
    title="the importance-weighted bound",
    reference="helpers.losses.iwae_bound",
    difficulty=2,
    minutes=8,
    hints=(
        "Average the weights, then take the logarithm. The other order, the average of the "
        "logarithms, is the ELBO, which is lower.",
        "Weights like e⁻⁸⁰⁰ are 0 in floating point, so stay in the log domain: `torch.logsumexp` "
        "adds without leaving it. The draws are axis 0.",
        "`torch.logsumexp(log_w, dim=0) - math.log(len(log_w))`",
    ),
    probe=probe_iwae,
    misconceptions=(
        Misconception(
            "mean_of_logs",
            "You average the log-weights: that is the ELBO again, however many draws. Average the "
            "weights, and take the logarithm of that.",
            lambda log_w: log_w.mean(0),
        ),
        Misconception(
            "overflow",
            "Right in principle, but exp(-800) is 0 and exp(800) is infinite in floating point, and "
            "real log-weights are that large. `torch.logsumexp` subtracts the maximum first.",
            lambda log_w: log_w.exp().mean(0).log(),
        ),
        Misconception(
            "log_k_forgotten",
            "You sum the weights where the mean belongs: subtract log K. Without it the bound rises "
            "with K by itself, and passes log p(x).",
            lambda log_w: torch.logsumexp(log_w, 0),
        ),
        Misconception(
            "log_k_added",
            "You add log K. The mean divides by K, so its logarithm is *less* by log K.",
            lambda log_w: torch.logsumexp(log_w, 0) + math.log(len(log_w)),
        ),
        Misconception(
            "divided_by_k",
            "You divide the logarithm of the sum by K. Inside the logarithm a division is outside a "
            "subtraction: logsumexp - log K.",
            lambda log_w: torch.logsumexp(log_w, 0) / len(log_w),
        ),
        Misconception(
            "wrong_axis",
            "You average over the images. The draws are axis 0, the images axis 1: (K, N) -> (N,).",
            lambda log_w: torch.logsumexp(log_w, 1) - math.log(log_w.shape[1]),
        ),
        Misconception(
            "largest",
            "You take the largest log-weight. It dominates often, but the others count too: the "
            "logarithm of the *mean* weight.",
            lambda log_w: log_w.max(0).values,
        ),
        Misconception(
            "mean_over_batch",
            "You give one number for the batch. Each image has a bound of its own, shape (N,).",
            lambda log_w: iwae_bound(log_w).mean(),
        ),
    ),
)

# --- 2.11 -------------------------------------------------------------------------------------


def probe_effective_beta(f):
    yield value(
        "Squared error and KL both summed: a squared error counts half a nat, so beta",
        f(4, 6, 5, error="sum", kl="sum"),
        0.5,
    )
    yield value(
        "4 images of 6 pixels, 5 latents; error averaged, KL summed (the defaults): beta",
        f(4, 6, 5),
        12,
    )
    yield value("... error and KL both averaged", f(4, 6, 5, kl="mean"), 0.6)
    yield value("... error summed, KL averaged", f(4, 6, 5, error="sum", kl="mean"), 0.025)
    yield value("... the defaults with kl_weight = 3", f(4, 6, 5, kl_weight=3.0), 36)
    yield value("... the defaults with sigma = 1/2", f(4, 6, 5, sigma=0.5), 48)
    yield value("... both summed with sigma = 0.1", f(4, 6, 5, error="sum", sigma=0.1), 50)
    yield value(
        "A published VAE: batch 256, 784 pixels, 100 latents, error averaged, KL summed",
        f(256, 784, 100),
        100_352,
    )
    yield value(
        "Another: batch 128, 4096 pixels, 128 latents, both averaged, kl_weight = 2",
        f(128, 4096, 128, kl="mean", kl_weight=2.0),
        32,
    )


def _beta(batch_size, pixels, latent_dim, error, kl, kl_weight, sigma, scale=2.0, power=2):
    error_weight = 1 / (batch_size * pixels) if error == "mean" else 1.0
    kl_weight = kl_weight / (batch_size * latent_dim) if kl == "mean" else kl_weight
    return kl_weight / (scale * sigma**power * error_weight)


def _wrong_beta(formula):
    """`effective_beta` by another formula of its seven arguments."""

    def effective_beta(
        batch_size, pixels, latent_dim, *, error="mean", kl="sum", kl_weight=1.0, sigma=1.0
    ):
        return formula(batch_size, pixels, latent_dim, error, kl, kl_weight, sigma)

    return effective_beta


_OTHER = {"sum": "mean", "mean": "sum"}

EFFECTIVE_BETA = Exercise(
    id="2.11",
    title="the beta that a loss means",
    reference="helpers.losses.effective_beta",
    difficulty=2,
    minutes=8,
    hints=(
        "Bring the loss into the ELBO's units, nats for one image. Then read off what stands before "
        "the KL.",
        "Ask for each term: with which weight does the squared error of *one* image enter the loss, "
        "and with which its KL? A mean divides by everything it runs over, the batch included. In "
        "nats, a squared error counts 1/(2σ²).",
        "`one_error` is 1/(batch_size·pixels) for a mean, else 1; `one_kl` is "
        "kl_weight/(batch_size·latent_dim) for a mean, else kl_weight. Then "
        "`one_kl / (2 * sigma**2 * one_error)`.",
    ),
    probe=probe_effective_beta,
    misconceptions=(
        Misconception(
            "nats_forgotten",
            "You compare the weights of error and KL, but a squared error is not yet in nats: it "
            "counts 1/(2σ²). Divide by 2·sigma².",
            _wrong_beta(partial(_beta, scale=1.0, power=0)),
        ),
        Misconception(
            "two_forgotten",
            "Yours is twice too large: the log-likelihood of a Gaussian has the squared error over "
            "*2*σ².",
            _wrong_beta(partial(_beta, scale=1.0)),
        ),
        Misconception(
            "sigma_not_squared",
            "sigma = 1 comes out right, other sigma do not: the error is divided by the variance, so "
            "square sigma.",
            _wrong_beta(partial(_beta, power=1)),
        ),
        Misconception(
            "sigma_ignored",
            "Your result does not depend on sigma. The sharper the pixels are taken to be, the more "
            "nats an error costs: divide by 2·sigma².",
            _wrong_beta(partial(_beta, power=0)),
        ),
        Misconception(
            "inverse",
            "Yours is 1/beta, what the error weighs beside the KL. beta is the weight of the *KL* "
            "where the log-likelihood has weight 1.",
            _wrong_beta(lambda *given: 1 / _beta(*given)),
        ),
        Misconception(
            "reductions_swapped",
            'You divide where the reduction is a sum. A "mean" divides by the number of things, a '
            '"sum" does not.',
            _wrong_beta(
                lambda b, p, d, error, kl, *rest: _beta(b, p, d, _OTHER[error], _OTHER[kl], *rest)
            ),
        ),
        Misconception(
            "reductions_ignored",
            "You always reckon with a mean of the error and a sum of the KL. Look at the arguments "
            "`error` and `kl`.",
            _wrong_beta(lambda b, p, d, error, kl, *rest: _beta(b, p, d, "mean", "sum", *rest)),
        ),
        Misconception(
            "pixels_and_latents_confused",
            "Pixels and latents have changed places: the mean of the error runs over pixels, the mean "
            "of the KL over latents.",
            _wrong_beta(lambda b, p, d, *rest: _beta(b, d, p, *rest)),
        ),
        Misconception(
            "batch_forgotten",
            "The mean of the error runs over the batch too, while a sum of the KL grows with it: "
            "divide by batch_size·pixels, and for a mean of the KL by batch_size·latent_dim.",
            _wrong_beta(lambda b, *rest: _beta(1, *rest)),
        ),
        Misconception(
            "batch_counted_twice",
            "You count the batch twice, once in the mean of the error and again in the sum of the KL. "
            "Look at one image: its KL enters a sum with weight kl_weight, whatever the batch.",
            _wrong_beta(
                lambda b, p, d, error, kl, *rest: (
                    _beta(b, p, d, error, kl, *rest) * (b if (error, kl) == ("mean", "sum") else 1)
                )
            ),
        ),
        Misconception(
            "kl_weight_ignored",
            "`kl_weight` is not used: it multiplies the KL, and so beta.",
            _wrong_beta(
                lambda b, p, d, error, kl, weight, sigma: _beta(b, p, d, error, kl, 1.0, sigma)
            ),
        ),
    ),
)

# --- 2.12 -------------------------------------------------------------------------------------


class _OneNumberVAE(nn.Module):
    """z is one number, mu the mean of the picture's six pixels; every pixel is decoded as z.

    So E[log p(x given z)] is known: the squared error around mu, plus 6·exp(logvar) from the draws.
    """

    def __init__(self, logvar):
        super().__init__()
        self.logvar, self.sigma, self.decoded = logvar, 2.0, 0

    def encode(self, x):
        mu = x.flatten(1).mean(1, keepdim=True)
        return mu, torch.full_like(mu, self.logvar)

    def decode(self, z):
        self.decoded += len(z)
        return z.reshape(-1, 1, 1, 1).expand(-1, 1, 2, 3)

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar) if self.training else mu
        return self.decode(z), mu, logvar


def probe_reconstruction_probability(f):
    sure = _OneNumberVAE(logvar=-40.0).eval()  # z is mu up to 2·10⁻⁹
    wave = torch.tensor([0.0, 2.0] * 3).view(1, 1, 2, 3)  # squared error 6 around its mean 1
    flat = torch.ones(1, 1, 2, 3)  # squared error 0
    steep = 3 * wave - 3  # squared error 54 around its mean 0
    x = torch.cat([wave, flat, steep])
    seen = f(sure, x)
    yield shape("Three pictures (3, 1, 2, 3)", seen, (3,))
    # 6 pixels at sigma = 2: 6·(log(2π)/2 + log 2) = 9.672514; squared errors count 1/8
    known = [10.422514, 9.672514, 16.422514]
    yield value("An encoder that is sure of z, squared errors 6, 0 and 54, sigma 2", seen, known)
    yield value("The same with samples=3", f(sure, x, samples=3), known)
    yield value("A picture alone in its batch", f(sure, x[2:]), known[2:])

    # sigma of z is 1.5: six pixels lose 6·2.25/8 = 1.6875 on average, with a spread of
    # 1.6875·sqrt(2) from draw to draw, so a standard error of 0.0094 over 16·4,000 draws
    unsure = _OneNumberVAE(logvar=math.log(2.25)).eval()
    many = flat.repeat(4000, 1, 1, 1)
    yield drawn(
        "An encoder with sigma 1.5: the mean score of 4,000 equal pictures",
        f(unsure, many).mean().item(),
        11.360014,
        tolerance=0.12,
    )
    unsure.decoded = 0
    f(unsure, x, samples=5)
    says = f"3 pictures with samples=5 need 15 codes decoded; yours decoded {unsure.decoded}."
    yield Finding("wrong_value", unsure.decoded, unsure.decoded == 15, says)
    says = "Two calls give the same draws: let the random numbers run on, without a seed inside."
    yield behaviour(not torch.equal(f(unsure, x), f(unsure, x)), says)
    modes = []
    for mode in (False, True):
        unsure.train(mode)
        f(unsure, x)
        modes.append(unsure.training)
    says = "Your function changes the model's mode: leave it in the mode in which it came."
    yield behaviour(modes == [False, True], says, seen=tuple(modes))
    yield behaviour(
        bool((flat == 1).all() and x[0, 0, 0, 1] == 2), "Your function changes x in place."
    )


def _probability(vae, x, samples, likelihood=gaussian_log_likelihood, draw=reparameterize):
    """log p(x given z) of each draw. -> (samples, N)"""
    mu, logvar = vae.encode(x)
    return torch.stack(
        [likelihood(x, vae.decode(draw(mu, logvar)), vae.sigma) for _ in range(samples)]
    )


def _squared_error(x, x_hat, sigma):
    return -(x - x_hat).square().flatten(1).mean(1)


def _in_train_mode(vae, x, samples=16):
    vae.train()
    return -sum(gaussian_log_likelihood(x, vae(x)[0], vae.sigma) for _ in range(samples)) / samples


def _in_eval_mode(vae, x, samples=16):
    vae.eval()
    return -_probability(vae, x, samples).mean(0)


RECONSTRUCTION_PROBABILITY = Exercise(
    id="2.12",
    title="reconstruction probability",
    reference="helpers.scores.reconstruction_probability",
    difficulty=2,
    minutes=10,
    hints=(
        "A reconstruction is one guess. Draw several codes of the picture, and ask for each how likely "
        "it makes the picture: an anomaly is unlikely under all of them.",
        "Encode once, then `samples` times: draw z with `reparameterize`, decode it, and add up "
        "`gaussian_log_likelihood` with the model's sigma. Higher should mean more anomalous.",
        "In the loop: `x_hat = vae.decode(reparameterize(mu, logvar))` and "
        "`total = total + gaussian_log_likelihood(x, x_hat, vae.sigma)`; at the end "
        "`-total / samples`.",
    ),
    probe=probe_reconstruction_probability,
    misconceptions=(
        Misconception(
            "sign",
            "Your sign is reversed: a likely picture gets a high score. In this course a higher score "
            "is always more anomalous: put a minus in front.",
            lambda vae, x, samples=16: _probability(vae, x, samples).mean(0),
        ),
        Misconception(
            "mean_code_only",
            "You decode mu (or call the model in eval mode) and draw nothing. The score is a mean over "
            "z from q: draw each z with `reparameterize(mu, logvar)`.",
            lambda vae, x, samples=16: (
                -_probability(vae, x, samples, draw=lambda mu, logvar: mu).mean(0)
            ),
        ),
        Misconception(
            "squared_error",
            "Yours is the squared error of the drawn reconstructions. The score is in nats: take "
            "`gaussian_log_likelihood` with the model's sigma.",
            lambda vae, x, samples=16: (
                -_probability(vae, x, samples, likelihood=_squared_error).mean(0)
            ),
        ),
        Misconception(
            "sum_over_samples",
            "You sum over the draws, so the score grows with `samples`, and a threshold for 16 draws "
            "is wrong for 32. Divide by `samples`.",
            lambda vae, x, samples=16: -_probability(vae, x, samples).sum(0),
        ),
        Misconception(
            "kl_added",
            "You add the KL: that is the negative ELBO, a score of its own. The reconstruction "
            "probability has the log-likelihood alone.",
            lambda vae, x, samples=16: (
                kl_divergence(*vae.encode(x)) - _probability(vae, x, samples).mean(0)
            ),
        ),
        Misconception(
            "log_of_mean",
            "You take the logarithm of the mean probability. There a single lucky draw decides; An and "
            "Cho's score is the mean of the log-probabilities.",
            lambda vae, x, samples=16: -iwae_bound(_probability(vae, x, samples)),
        ),
        Misconception(
            "sigma_ignored",
            "You reckon with sigma = 1. The model has its own spread of a pixel: pass `vae.sigma`.",
            lambda vae, x, samples=16: (
                -_probability(
                    vae, x, samples, lambda x, x_hat, sigma: gaussian_log_likelihood(x, x_hat)
                ).mean(0)
            ),
        ),
        Misconception(
            "one_draw",
            "You draw a single z, whatever `samples` says: right on average, but the order of the "
            "images is then partly luck. Average over `samples` draws.",
            lambda vae, x, samples=16: -_probability(vae, x, 1).mean(0),
        ),
        Misconception(
            "samples_ignored",
            "You always draw 16 codes. Their number is the argument `samples`.",
            lambda vae, x, samples=16: -_probability(vae, x, 16).mean(0),
        ),
        Misconception(
            "left_in_train_mode",
            "You put the model into training mode and leave it there: the next picture that it sees "
            "is reconstructed with noise. `encode`, `reparameterize` and `decode` need no mode.",
            _in_train_mode,
        ),
        Misconception(
            "left_in_eval_mode",
            "You put the model into eval mode and leave it there; a training loop that monitors this "
            "score would go on without drawing. Leave the mode to the caller.",
            _in_eval_mode,
        ),
        Misconception(
            "one_number",
            "You give one number for the batch. A detector decides on each image: keep one score for "
            "each, shape (N,).",
            lambda vae, x, samples=16: -_probability(vae, x, samples).mean(),
        ),
    ),
)

# --- 2.13 -------------------------------------------------------------------------------------


def probe_balanced_accuracy(f):
    normal, anomaly = np.array([1.0, 2, 3, 4, 5, 6, 7, 9]), np.array([5.0, 8])
    # above 6: two of eight normal images (6/8 left alone), one of two anomalies
    yield value(
        "Normal 1 2 3 4 5 6 7 9, anomalies 5 8, threshold 6.5 (6 of 8 left alone, 1 of 2 found)",
        f(normal, anomaly, 6.5),
        0.625,
    )
    yield value(
        "The same with threshold 6, which one normal score equals", f(normal, anomaly, 6.0), 0.625
    )
    yield value(
        "... threshold 8, which one anomaly's score equals (7/8 and 0)",
        f(normal, anomaly, 8),
        0.4375,
    )
    yield value("... threshold 0: everything is flagged", f(normal, anomaly, 0.0), 0.5)
    yield value("... threshold 20: nothing is flagged", f(normal, anomaly, 20.0), 0.5)
    yield value("A threshold that separates both", f([1.0, 2.0, 3.0], [5.0], 4.0), 1.0)
    says = "Your function changes the scores in place."
    yield behaviour(bool(normal[0] == 1 and anomaly[1] == 8), says)


def _rates(normal, anomaly, threshold):
    """Detection rate and correct-rejection rate."""
    return np.mean(np.asarray(anomaly) > threshold), np.mean(np.asarray(normal) <= threshold)


def _f1(normal, anomaly, threshold):
    found = (np.asarray(anomaly) > threshold).sum()
    flagged = found + (np.asarray(normal) > threshold).sum()
    return float(2 * found / (flagged + len(anomaly)))


def _accuracy(normal, anomaly, threshold):
    found, left_alone = _rates(normal, anomaly, threshold)
    n, m = len(normal), len(anomaly)
    return float((m * found + n * left_alone) / (n + m))


BALANCED_ACCURACY = Exercise(
    id="2.13",
    title="balanced accuracy",
    reference="helpers.metrics.balanced_accuracy",
    difficulty=2,
    minutes=6,
    hints=(
        "Two questions, each about its own group: how many anomalies are flagged, and how many normal "
        "images are left alone? Give both the same weight, however large the groups are.",
        "Flagged is a score *above* the threshold. The mean of a comparison is a share: "
        "`(scores > threshold).mean()`.",
        "`found = (np.asarray(anomaly_scores) > threshold).mean()`, `left_alone = "
        "(np.asarray(normal_scores) <= threshold).mean()`, then half of their sum.",
    ),
    probe=probe_balanced_accuracy,
    misconceptions=(
        Misconception(
            "plain_accuracy",
            "Yours is the plain accuracy, in which the larger group decides: with many normal images, "
            "flagging nothing looks good. Average the two rates instead.",
            _accuracy,
        ),
        Misconception(
            "at_least",
            "Scores *equal* to the threshold are left alone in this course: flag where score > "
            "threshold, and count <= as left alone.",
            lambda n, a, t: balanced_accuracy(n, a, np.nextafter(t, -np.inf)),
        ),
        Misconception(
            "product",
            "You multiply the two rates. The AUROC of the flags is their *mean*.",
            lambda n, a, t: float(np.prod(_rates(n, a, t))),
        ),
        Misconception(
            "detection_rate_only",
            "Yours is the detection rate alone: flagging everything would be perfect. Average it with "
            "the share of normal images left alone.",
            lambda n, a, t: float(_rates(n, a, t)[0]),
        ),
        Misconception(
            "false_alarm_rate",
            "You average the detection rate with the *false-alarm* rate, which should be low. Take the "
            "share of normal images that are left alone.",
            lambda n, a, t: float((_rates(n, a, t)[0] + 1 - _rates(n, a, t)[1]) / 2),
        ),
        Misconception(
            "auroc",
            "Yours is the AUROC of the scores themselves, over all thresholds. Here it is about one "
            "threshold: flag first, then count.",
            lambda n, a, t: auroc(n, a),
        ),
        Misconception(
            "f1",
            "Yours is F1, which depends on how many anomalies the test set happens to have. The "
            "balanced accuracy treats both groups alike.",
            _f1,
        ),
        Misconception(
            "not_halved",
            "You add the two rates; a perfect detector would have 2. Take their mean.",
            lambda n, a, t: float(sum(_rates(n, a, t))),
        ),
        Misconception(
            "youden",
            "Yours is Youden's J, the sum of the two rates minus 1, which is 0 where nothing is "
            "flagged. The balanced accuracy is their mean, and 0.5 there.",
            lambda n, a, t: float(sum(_rates(n, a, t)) - 1),
        ),
        Misconception(
            "direction",
            "You flag the *low* scores. A higher score is more anomalous: flag above the threshold.",
            lambda n, a, t: balanced_accuracy(-np.asarray(n), -np.asarray(a), -t),
        ),
    ),
)

EXERCISES = (
    HOLD_ONE_OUT,
    GAUSSIAN,
    BERNOULLI,
    KL,
    MONTE_CARLO_KL,
    REPARAMETERIZE,
    VAE,
    ELBO,
    ACTIVE_UNITS,
    IWAE,
    EFFECTIVE_BETA,
    RECONSTRUCTION_PROBABILITY,
    BALANCED_ACCURACY,
)
