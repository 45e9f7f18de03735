"""Probes of module 2: variational autoencoders, the ELBO, and scores from both."""

import math

import numpy as np
import torch
from scipy.stats import chi2, norm
from torch import nn

from helpers.checks.exercise import declared
from helpers.checks.findings import (
    Finding,
    behaviour,
    cases,
    drawn,
    follows,
    form,
    gradients_are,
    keeps_dtype,
    kind_of,
    seeded,
    shape,
    show,
    value,
)
from helpers.checks.wrap_up import Hidden
from helpers.runtime import device


def is_pair(x, what):
    """The finding whether x is a pair of what is asked."""
    several = isinstance(x, (tuple, list, torch.Tensor))
    pair = several and len(x) == 2
    given = f"{len(x)} things" if several and not isinstance(x, torch.Tensor) else kind_of(x)
    return form(pair, f"{what}; yours gave {given}.", seen="a pair" if pair else given)


def numbers(x):
    """What was given as an array, if it can be one."""
    return np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x)


def together(what, a, b, limit, needs):
    """Numbers drawn for a and for b are independent; `limit` is 8 standard errors of chance."""
    found = float(np.nan_to_num(np.corrcoef(a.ravel(), b.ravel())[0, 1], nan=1))
    says = f"{what} go together (a correlation of {found:.2f}, or nothing varies): {needs}."
    return Finding("wrong_value", round(found), abs(found) < limit, says)


def runs_on(f, *args):
    """Two calls draw different numbers."""
    a, b = (numbers(f(*args)) for _ in range(2))
    says = "Two calls give the same draws: let the random numbers run on, without a seed inside."
    return behaviour(not np.array_equal(a, b), says)


def gradients(output, parameters):
    """The gradient of the output's sum to all numbers of the parameters, 0 where none arrives."""
    total = output.sum() + 0 * sum(p.sum() for p in parameters)  # none is left out
    found = torch.autograd.grad(total, parameters, retain_graph=True)
    return torch.cat([g.flatten() for g in found])


def none_of(looks):
    """A finding for each {sentence: what is amiss}, a number or numbers that should be 0."""
    for says, amiss in looks.items():
        yield Finding("wrong_value", np.round(np.float64(amiss), 1), not np.any(amiss), says)


def sixfold(*values):
    """One image (1, 2, 3) for each value, the same in all six pixels."""
    return torch.tensor(values).view(-1, 1, 1, 1).repeat(1, 1, 2, 3)


def probe_hold_one_out(f):
    labels = np.arange(3003) % 10  # 300 threes, 2,703 others
    normal = np.flatnonzero(labels != 3)
    split = f(labels, 3)
    yield is_pair(split, "Return two arrays, `train, calibration`")
    both = train, calibration = [numbers(part) for part in split]
    kinds = train.dtype.kind + calibration.dtype.kind
    says = "Return positions in `labels`, whole numbers, so that `images[train]` picks the images."
    yield form(set(kinds) <= set("iu") and train.ndim == calibration.ndim == 1, says, seen=kinds)
    highest = max(map(np.max, filter(len, both)), default=0)
    says = f"Positions in 3,003 labels go up to 3,002; yours go up to {highest}: are these labels?"
    yield form(highest > 9 or not any(map(len, both)), says, seen=bool(highest > 9))
    says = f"The last of 3,003 labels has the position 3002; yours go up to {highest}."
    yield form(highest < 3003, says, seen=bool(highest < 3003))
    if highest >= 3003:
        return
    repeats = [len(part) > len(np.unique(part)) for part in both]
    held = [np.isin(part, np.flatnonzero(labels == 3)).mean() for part in both]
    shared = len(np.intersect1d(*both)) > 0
    missing = not np.array_equal(np.sort(np.concatenate(both)), normal)
    # of n numbers in random order half the steps go up; 8 standard errors are 8/sqrt(12·n)
    up = [(np.mean(np.diff(part) > 0) - 0.5) * math.sqrt(12 * len(part)) / 8 for part in both]
    ordered = np.trunc(up)
    # neighbours in the file are parted in 2·(1/6)·(5/6) of 2,702 cases, 751 ± 14
    # of n neighbours a ninth have the same class
    by_class = [np.mean(np.diff(labels[part]) == 0) > 0.3 for part in both]
    by_place = abs(np.sum(np.diff(np.isin(normal, calibration))) - 751) > 8 * 15
    yield from none_of(
        {
            "The same position stands twice in one part: each image belongs there once.": repeats,
            "With held_out=3, no position of a 3 may stand in train or in calibration.": held,
            "Some images stand in both parts: what was trained on cannot calibrate.": shared,
            "Together, train and calibration should hold every normal image once.": missing,
            "The positions of train or of calibration stand in order: each part should be in random order.": ordered,
            "Which image goes to calibration should be drawn at random; yours takes them by their place in the file. Shuffle the positions before the cut.": by_place,
            "The images of a class stand together in train or in calibration: mix the classes, so that each batch of a training holds several.": by_class,
        }
    )
    zeros = np.isin(np.concatenate([*map(numbers, f(labels, 0))]), np.flatnonzero(labels == 0))
    yield from none_of(
        {"With held_out=0, no position of a 0 may stand in train or in calibration.": zeros.mean()}
    )
    table = {
        "The size of calibration, by default, of 2,703 normal images": (3, 450),
        "The size of calibration, with a share of 0.3, of 2,702 normal images": (0, 0.3, 811),
    }
    # however it was rounded
    yield from cases(lambda *given: len(f(labels, *given)[1]), table, tolerance=0.0025)
    yield from seeded(lambda **s: np.concatenate([*map(numbers, f(labels, 3, **s))]), "splits")


def probe_gaussian(f):
    # six pixels off by 0.5: squared error 1.5; one pixel off by 3: squared error 9
    x, x_hat = sixfold(0.7, 2.0), sixfold(0.2, 2.0)
    x_hat[1, 0, 0, 1] = -1.0
    errors = "Squared errors of 1.5 and 9 over six pixels"
    colour, two = torch.arange(12.0).view(1, 3, 2, 2), torch.tensor(2.0)
    # Six pixels without any error: -6/2·log(2π) = -5.513631. sigma = 2: 6·log 2 = 4.158883 less,
    # and errors count an eighth. A density may exceed 1, so its logarithm may be positive.
    table = {
        "Two perfect reconstructions of six pixels, sigma = 1": (x, x, [-5.513631] * 2),
        f"{errors}, sigma = 1": (x, x_hat, [-6.263631, -10.013631]),
        f"{errors}, sigma = 2": (x, x_hat, np.float64(2), [-9.860014, -10.797514]),
        "An image alone in its batch, perfect, sigma = 0.1": (x[1:], x[1:], 0.1, [8.301879]),
        "A colour image (1, 3, 2, 2), perfect": (colour, colour, [-11.027262]),
    }
    yield from cases(f, table)
    # (x - x_hat)/sigma²; error/sigma³ - pixels/sigma: 1.5/8 - 3 and 9/8 - 3
    right = {"x_hat": (x - x_hat) / 4, "sigma": -4.6875}
    yield from gradients_are(lambda y, s: f(x, y, s), (x_hat, two), right, "the log-likelihood")
    yield from keeps_dtype(f, x, x_hat, dtypes=(torch.float64,))


def probe_bernoulli(f):
    x = sixfold(1.0, 0.0)
    x[1, 0, 0, :2] = 1.0  # two ones, four zeros
    # between 0 and 1, so that logits taken for probabilities do not fail loudly
    logits = sixfold(0.25, 0.25)
    row = lambda *values: torch.tensor([[[[*values]]]])  # noqa: E731
    odds = row(1.0, -1.0, 1.0, -1.0) * math.log(3.0)
    colour = [part.repeat(1, 3, 1, 1) for part in (row(1.0, 1.0, 0.0, 0.0), odds)]
    sure, ends = row(200.0, -200.0), row(1.0, 0.0)
    # log sigmoid(0.25) = -0.575939 for a one, log sigmoid(-0.25) = -0.825939 for a zero, and a grey
    # pixel is their mean; probabilities of 3/4 and 1/4, for a one each and a zero each: 2·log(3/16)
    table = {
        "Logits of 0.25; six ones; two ones, four zeros": (x, logits, [-3.455636, -4.455636]),
        "Six pixels of grey 0.25, logits of 0.25": (sixfold(0.25), logits[:1], [-4.580636]),
        "A colour image: 1, 1, 0, 0 of probability 3/4, 1/4, 3/4, 1/4": (*colour, [-10.04386]),
        "Logits 200 and -200 for a one and a zero: certain and right": (ends, sure, [0]),
        "Logits 200 and -200 for a zero and a one (certain and wrong: 200 nats each, which no epsilon and no clamp may cut off)": (
            1 - ends,
            sure,
            [-400],
        ),
    }
    yield from cases(f, table)
    right = {"logits": x - 0.562177}  # less sigmoid(0.25)
    yield from gradients_are(lambda y: f(x, y), (logits,), right, "the log-likelihood")
    yield from keeps_dtype(f, x, logits, dtypes=(torch.float64,))


def probe_kl(f):
    mu, zero = torch.tensor([[0.0, 0.0, 0.0], [1.0, -2.0, 0.0]]), torch.zeros(2, 3)
    wide = torch.tensor([[4.0, 1.0, 1.0], [4.0, 4.0, 4.0]]).log()
    ends = torch.tensor([[-math.log(4.0)], [-12.0], [12.0]])
    prior = "sigma = 1 with mu = (0, 0, 0), which is the prior itself, and mu = (1, -2, 0)"
    # sigma² = 4: (4 - 1 - log 4)/2 = 0.806853 for each latent; (1/4 - 1 + log 4)/2, (e⁻¹² - 1 + 12)/2
    lone = "mu = 0 and one latent, of sigma² = 1/4, e⁻¹² and e¹²"
    table = {
        prior: (mu, zero, [0, 2.5]),
        "mu = 0 with one latent, and with three, of sigma² = 4": (zero, wide, [0.806853, 2.420558]),
        lone: (0 * ends, ends, [0.318147, 5.500003, 81370.8957]),
        "mu = (1, -2, 0), sigma² = 4, alone in its batch": (mu[1:], wide[1:], [4.920558]),
    }
    yield from cases(f, table)
    yield from gradients_are(f, (mu, wide), {"mu": mu, "logvar": (wide.exp() - 1) / 2}, "the KL")
    yield from keeps_dtype(f, mu, wide, dtypes=(torch.float64,))


def probe_monte_carlo_kl(f):
    # log q - log p of a draw, with epsilon ~ N(0, 1): nothing at the prior; 4·epsilon + 8; four
    # times (3·epsilon² - log 4)/2; and log 2 + 2 - epsilon - 3/8·epsilon²
    mu = torch.tensor([[0.0] * 4, [4.0, 0, 0, 0], [0.0] * 4, [-2.0, 0, 0, 0]])
    logvar = torch.tensor([[1.0] * 4, [1.0] * 4, [4.0] * 4, [0.25, 1, 1, 1]]).log()
    error = np.array([4, 4.242641, 1.131923]) / 4000**0.5
    pair = f(mu, logvar, 4000)
    yield is_pair(pair, "Return two tensors, the mean and its standard error")
    says = "Mean and standard error should be tensors; yours are lists."
    yield form(not any(isinstance(part, (list, tuple)) for part in pair), says)
    mean, spread = [numbers(part) for part in pair]
    says = f"Mean and standard error for mu and logvar (4, 4) should be one number for each of the 4 images, (4,); yours have the shapes {mean.shape} and {spread.shape}."
    yield form(mean.shape == spread.shape == (4,), says, seen=(mean.shape, spread.shape))
    yield value("Where q is the prior, every draw gives 0: the mean", mean[:1], [0])
    of = "of 4,000 draws with mu = (4, 0, 0, 0), sigma = 1; mu = 0, sigma = 2; and mu = (-2, 0, 0, 0), sigma = (½, 1, 1, 1)"
    yield drawn(f"The mean {of}", mean[1:], [8, 3.227411, 2.318147], tolerance=8 * error)
    # a draw gives 3·epsilon + 4·epsilon' + 12.5
    many = torch.tensor([[3.0, -4.0]]).repeat(2000, 1)
    spread = [*spread[1:], np.mean(numbers(f(many[:500], 0 * many[:500], 100)[1]))]
    octaves = np.log2(np.maximum(spread, 1e-9) / [*error, 0.5])
    says = f"The standard errors {of}, and of 100 draws with mu = (3, -4), sigma = 1, should be near {show([*error, 0.5])}; yours gave {show(spread)}."
    # chance leaves two percent, a thirtieth of an octave
    yield Finding("wrong_value", np.round(octaves), bool((abs(octaves) < 0.2).all()), says)
    says = "The mean of 2 draws, for 2,000 equal images with mu = (3, -4) and sigma = 1,"
    seen, law = numbers(f(many, 0 * many, 2)[0]), norm(12.5, 5 / math.sqrt(2))
    yield follows(says, seen, law, "N(12.5, 12.5), each image on its own")
    yield runs_on(lambda: f(mu[1:], logvar[1:], 50)[0])
    means = lambda *args: torch.as_tensor(numbers(f(*args)[0]))  # noqa: E731
    yield from keeps_dtype(means, mu, logvar, 5, dtypes=(torch.float64,))


def probe_reparameterize(f):
    few = torch.zeros(1, 3, device=device())  # as the notebook will call it
    yield shape("mu and logvar (1, 3)", f(few, few), (1, 3))
    n, sigma = 20_000, np.array([2.0, 0.5])
    mu, logvar = torch.tensor([3.0, -1.0]).repeat(n, 1), torch.tensor([4, 0.25]).log().repeat(n, 1)
    mu, logvar = mu.to(device()), logvar.to(device())
    z = f(mu, logvar)
    epsilon = (z - mu).detach().cpu().double().numpy() / sigma
    yield from none_of({"Your z is mu itself: there is no noise in it.": not epsilon.any()})
    yield runs_on(f, mu[:9], logvar[:9])
    # the standard error of a spread is sigma/sqrt(2n), 0.5 %, so 6 % are 12 of them
    what = "With mu = 3 and -1, logvar = log 4 and log 1/4, standard deviation and mean of 20,000 draws"
    seen = epsilon.std(0) * sigma, numbers(z).mean(0)
    yield drawn(what, seen, [sigma, [3, -1]], tolerance=0.06 * sigma)
    yield follows("(z - mu)/sigma, over 20,000 images of two latents,", epsilon, norm(), "N(0, 1)")
    needs = "each number of z needs an epsilon of its own"
    yield together("Two latents of an image", epsilon[:, 0], epsilon[:, 1], 0.08, needs)
    yield together("The halves of the batch", epsilon[: n // 2], epsilon[n // 2 :], 0.08, needs)
    leaves = [part[:5].clone().requires_grad_() for part in (mu, logvar)]
    z = f(*leaves)
    rights = torch.ones(5, 2), 0.5 * (z - leaves[0]).detach().cpu()
    for name, leaf, right in zip(("mu", "logvar"), leaves, rights, strict=True):
        g = gradients(z, [leaf])
        says = f"No gradient flows from z to `{name}`: on the way it was detached, or drawn by `.sample()`."
        yield behaviour(bool(g.any()), says)
        yield value(f"The gradient of z to `{name}`", g, right.flatten(), 1e-3, "wrong_behaviour")
    yield from keeps_dtype(f, mu[:2], logvar[:2], dtypes=(torch.float32,))
    yield from keeps_dtype(f, mu[:2].cpu(), logvar[:2].cpu(), dtypes=(torch.float64,))


def probe_vae(cls):
    try:
        net = cls(latent_dim=7)
    except TypeError as error:
        if "ellipsis" not in str(error):
            raise
        yield form(
            False, "A size is still `...`: say how many numbers the encoder's last layer gives."
        )
        return
    yield form(isinstance(net, nn.Module), "The class should inherit from `nn.Module`.")
    parts = [getattr(net, part, None) for part in ("encoder", "decoder")]
    says = "A part of the network is still `...`: give it its layers as an `nn.Sequential`."
    yield form(... not in parts, says)
    try:
        code = net.encode(torch.rand(3, 1, 28, 28))
    except RuntimeError as error:
        if "mat1 and mat2" not in str(error):
            raise
        says = "A `Linear` of the encoder is given rows of another length than it takes. Is `Flatten` missing before the first `Linear`?"
        yield form(False, says, seen=says)
        return
    yield is_pair(code, "`encode` should return two tensors, `mu, logvar`")
    for name, part in zip(("mu", "logvar"), code, strict=True):
        yield shape(f"`{name}` of a batch (3, 1, 28, 28) with latent_dim=7", part, (3, 7))
    z = 3 * torch.randn(4, 7)
    x_hat = net.decode(z)
    yield shape("`decode` of codes (4, 7)", x_hat, (4, 1, 28, 28))
    says = "Later cells call `vae.decoder(z)` for the logits: name the decoder's layers `self.decoder`."
    yield form(isinstance(getattr(net, "decoder", None), nn.Module), says)
    logits = net.decoder(z)
    yield shape("`decoder` for codes (4, 7)", logits, (4, 1, 28, 28))
    seen = tuple(torch.allclose(p, x_hat, atol=1e-5) for p in (torch.sigmoid(logits), logits))
    says = "`decoder` should give logits, and `decode` their sigmoid: sigmoid(decoder(z)) is not what your `decode(z)` gives."
    yield form(seen[0], says, seen=seen)
    sigma = getattr(net, "sigma", None)
    says = "Set `self.sigma = 1.0` in the constructor, a plain number: section 8 sets it anew, which a buffer or parameter refuses."
    yield form(isinstance(sigma, (int, float)), says)
    yield value("`sigma` of a new network", sigma or 0, 1)
    # convolution, linear layers to 400 and to 14; to 400 and to 784
    expected = 136 + 627_600 + 5_614 + 3_200 + 314_384
    count = sum(p.numel() for p in net.parameters())
    says = f"With latent_dim=7 the network of the exercise has {expected:,} parameters; yours has {count:,}. Compare the sizes layer by layer."
    yield form(count == expected, says, seen=count)
    if count == expected:
        yield from _layers(net)
        yield from _modes(cls(latent_dim=7))
        yield from _draws(cls(latent_dim=2))
        yield _alone(cls(latent_dim=7))


def _layers(net):
    # With weights of our own, what each layer gives is known, and so is each activation: large and
    # small numbers, since most activations are like a ReLU on one of them.
    encodings = {
        "10 after the convolution, ½ after the next layer and 1 after the last": (10, 0.5, 1, 1),
        "½ after the convolution, 10 after the next layer and -1 at the end": (0.5, 10, -1, -1),
        "-10 after the convolution, which its ReLU turns into 0": (-10, 0.5, 1, 0),
        "-½ after the first linear layer, which its ReLU turns into 0": (10, -0.5, 1, 0),
    }
    for what, (*steps, right) in encodings.items():
        _weigh(net, 7, steps, (1, 1))
        seen = [part.mean() for part in net.encode(torch.ones(2, 1, 28, 28))]
        yield value(f"With weights that give {what}, mu and logvar of `encode`", seen, [right] * 2)
    decodings = {
        "10 in the hidden layer and 1 after the last": (10, 1, 1),
        "½ in the hidden layer and -1 after the last": (0.5, -1, -1),
        "-10 in the hidden layer, which its ReLU turns into 0": (-10, 1, 0),
    }
    for what, (*steps, right) in decodings.items():
        _weigh(net, 7, (1, 1, 1), steps)
        seen = net.decoder(torch.ones(2, 7)).mean()
        yield value(f"With weights that give {what}, the logits of the decoder", seen, right)


def _weigh(net, d, encoder, decoder, biases=None):
    # Fills the weights, told by their number, so that ones become these numbers, layer by layer.
    # The biases are 0, but for those given by where they are (in the decoder?) and their number.
    # On an image of ones and its frame of zeros, 8 channels of 13.5² windows: 1,458.
    (a, b, c), (e, f) = encoder, decoder
    fills = {
        False: {128: a / 16, 627_200: b / 1458 / a, 800 * d: c / 400 / b, 400 * d: c / 400 / b},
        True: {400 * d: e / d, 313_600: f / 400 / e},
    }
    of_decoder = {id(p) for p in net.decoder.parameters()}
    with torch.no_grad():
        for p in net.parameters():
            inside, n = id(p) in of_decoder, p.numel()
            fill = (biases or {}).get((inside, n), fills[inside].get(n, 0.0))
            p.copy_(torch.as_tensor(fill).view(p.shape if np.ndim(fill) else ()))


def _modes(net):
    x = 30 * torch.rand(3, 1, 28, 28)  # bright enough for codes that differ
    with torch.no_grad():
        (mu, logvar), out = net.encode(x), net(x)
        given = kind_of(out)
        if isinstance(out, (tuple, list)):
            given = f"{len(out)} with the shapes {', '.join(str(tuple(np.shape(p))) for p in out)}"
        says = f"`forward` should return three tensors, `x_hat, mu, logvar`; yours gave {given}."
        yield form(given == "3 with the shapes (3, 1, 28, 28), (3, 7), (3, 7)", says, seen=given)
        pairs = (mu, logvar), (logvar, mu)
        order = [torch.allclose(torch.cat(out[1:]), torch.cat(p), atol=1e-4) for p in pairs]
        says = "After x_hat, `forward` should return the mu and the logvar that `encode` gives, in this order."
        yield Finding("wrong_value", order, order[0], says)
        net.eval()
        steady = [torch.allclose(net(x)[0], net.decode(c), atol=1e-5) for c in (mu, logvar)]
        says = "In eval mode x_hat should be `decode(mu)`: pixels, from z = mu, with nothing drawn."
        yield behaviour(steady[0], says, seen=steady)
        net.train()
        says = "In training mode two passes give the same x_hat: z should be drawn anew each time."
        yield behaviour(not torch.equal(net(x)[0], net(x)[0]), says)
        again = torch.allclose(net.encode(x)[0], mu, atol=1e-4)
        says = "In training mode two calls of `encode` differ for one image: only z is random, in `forward`."
        yield behaviour(again, says)


def _draws(net):
    # The encoder answers with its biases, whatever the image; every logit is the mean of both z.
    halves = [1.2, 0.6, -1.5, -2.5]
    biases = {(False, 4): halves, (False, 2): halves[:2], (True, 400): 20.0, (True, 784): -20.0}
    x = torch.rand(600, 1, 28, 28)
    net(x[:1])  # layers that find their size at the first image
    _weigh(net, 2, (1, 1, 0), (1, 1), biases)
    with torch.no_grad():
        mu, logvar = (part[0].double() for part in net.encode(x[:1]))
        z = torch.logit(net(x)[0][:, 0, 3, 4].double()) - mu.mean()
    sigma = torch.exp(0.5 * logvar)
    # the spread of the mean of two latents, and with 1 or with sigma² in place of sigma
    spreads = [s.square().sum().sqrt() / 2 for s in (sigma, torch.ones(2), sigma**2)]
    right, seen = spreads[0], z.std()
    like = [bool(abs(seen / spread - 1) < 0.25) for spread in spreads]  # 600 draws know it to 3 %
    says = f"In training mode each latent should spread by its own sigma = exp(logvar / 2), the mean of two latents by {right:.2f}; yours spreads by {seen:.2f}. Call `reparameterize(mu, logvar)`."
    yield Finding("wrong_value", like, like[0], says)
    yield follows("In training mode (z - mu)/sigma, over 600 images,", z / right, norm(), "N(0, 1)")
    # which of the encoder's last biases lead to mu, which to logvar, and whether x_hat feels them
    inside = {id(p) for p in net.decoder.parameters()}
    last = [p for p in net.parameters() if id(p) not in inside and p.numel() in (2, 4)]
    x_hat, *returned = net(x[:9])
    felt = gradients(x_hat, last)
    owns = [gradients(part, last) != 0 for part in net.encode(x[:1])]
    says = "`mu` and `logvar` should be two different halves of what the encoder gives; yours share numbers."
    yield behaviour(not (owns[0] & owns[1]).any(), says)
    for name, own, out in zip(("mu", "logvar"), owns, returned, strict=True):
        says = f"In training mode no gradient flows from x_hat to `{name}`, so its part of the encoder would not learn to rebuild: on the way it was detached."
        yield behaviour(bool((felt[own] != 0).any()), says)
        says = f"The `{name}` that `forward` returns gives no gradient to the encoder, which the KL needs: it was detached."
        yield behaviour(bool((gradients(out, last)[own] != 0).any()), says)


def _alone(net):
    x = torch.rand(3, 1, 28, 28)
    beside = net.encode(torch.cat([x[:1], 9 * x[1:]]))
    apart = max((a[0] - b[0]).abs().max() for a, b in zip(net.encode(x), beside, strict=True))
    return value(
        "The change of an image's mu and logvar as others in its batch get brighter", apart, 0
    )


def probe_elbo(f):
    log_likelihood, kl = torch.tensor([-100.0, -50.0]), torch.tensor([10.0, 20.0])
    what = "Log-likelihoods of -100 and -50, KLs of 10 and 20 nats"
    table = {
        what: (log_likelihood, kl, [-110, -70]),
        f"{what}, beta = 4": (log_likelihood, kl, 4.0, [-140, -130]),
        "An image alone, a log-density of +50, KL 20": (-log_likelihood[1:], kl[1:], [30]),
    }
    yield from cases(f, table)
    right = {"log_likelihood": [1, 1], "kl": [-2, -2]}
    two = lambda a, b: f(a, b, 2.0)  # noqa: E731
    yield from gradients_are(two, (log_likelihood, kl), right, "the bound with beta = 2")
    yield from keeps_dtype(f, log_likelihood, kl, dtypes=(torch.float64,))


def probe_active_units(f):
    # five images, six latents: variances 0, 9·1.25, 0.0025·1.25, 0.04·1.25, 0 and 0 (or 4/5),
    # means 3, 0, 3, 8, 1 and 0: 2.5 on average
    pattern, still = torch.tensor([-1.5, -0.5, 0.0, 0.5, 1.5]), torch.full((5,), 3.0)
    latents = still, 3 * pattern, 0.05 * pattern + 3, 0.2 * pattern + 8, still - 2, still - 3
    mu = torch.stack(latents, dim=1)
    table = {
        "Six latents, of which two have a variance above 0.01: the number": (mu, 2),
        "Of six latents, those with a variance above threshold = 0.5": (mu, 0.5, 1),
        "Of six latents, those with a variance above threshold = 0.0001": (mu, 0.0001, 3),
        "Two latents that never move, threshold = 0: those above it": (mu[:, [0, 4]], 0.0, 0),
        "A latent that is 1000.3 for all images and one that moves: those with a variance above 0.01": (
            mu[:, :2] + 997.3,
            1,
        ),
    }
    yield from cases(f, table)
    seen = f(mu)
    says = f"A number of latents is an int; yours is of type {type(seen).__name__}: use `int(...)`."
    yield form(isinstance(seen, (int, np.integer)), says, seen=type(seen).__name__)


def probe_iwae(f):
    log_w = torch.tensor([[1.0, 1.0, 2.0], [3.0, 1.0, 2.0]]).log()  # two draws, three images
    apart = log_w + torch.tensor([-800.0, 800.0, 0.0])
    three = torch.tensor([[1.0, -2.0], [2.0, -2.0], [3.0, -2.0]])
    two = "Two draws for three images, with the weights 1 and 3, 1 and 1, 2 and 2"
    # log of the means 2, 1 and 2; log of (e + e² + e³)/3 = 10.064
    table = {
        two: (log_w, [0.693147, 0, 0.693147]),
        "A single draw: the log-weight itself": (three[:1], [1, -2]),
        "Three draws: log-weights 1, 2, 3, and three times -2": (three, [2.308994, -2]),
        "Log-weights near -800": (log_w - 800, [-799.306853, -800, -799.306853]),
        "Log-weights near -800, 800 and 0, one batch": (apart, [-799.306853, 800, 0.693147]),
        "Draws that lie far apart: -800 and 800; 200 and 0": (
            torch.tensor([[-800.0, 200], [800, 0]]),
            [799.306853, 199.306853],
        ),
    }
    yield from cases(f, table, tolerance=1e-6)
    right = {"log_w": [[0.25, 0.5, 0.5], [0.75, 0.5, 0.5]]}  # each draw's share of the weight
    yield from gradients_are(f, (log_w,), right, "the bound")
    yield from keeps_dtype(f, log_w, dtypes=(torch.float64,))


def probe_effective_beta(f):
    # one image's error weighs 1/24, and 1/(2·sigma²) in nats; its KL weighs 1, or 1/20
    total, few = {"error": "sum", "kl": "sum"}, "4 images of 6 pixels and 5 latents"
    table = {
        f"{few}, both summed (a squared error counts half): beta": (total, 0.5),
        f"{few}, error averaged, KL summed (the defaults): beta": ({}, 12),
        f"{few}, error and KL averaged: beta": ({"kl": "mean"}, 0.6),
        f"{few}, error summed, KL averaged: beta": ({"error": "sum", "kl": "mean"}, 0.025),
        f"{few}, kl_weight = 3: beta": ({"kl_weight": 3.0}, 36),
        f"{few}, sigma = 1/2: beta": ({"sigma": 0.5}, 48),
        f"{few}, error and KL averaged, kl_weight = 3: beta": (
            {"kl": "mean", "kl_weight": 3.0},
            1.8,
        ),
        f"{few}, both summed, sigma = 1/2: beta": (total | {"sigma": 0.5}, 2),
    }
    yield from cases(lambda named: f(4, 6, 5, **named), table)


class _RowsVAE(nn.Module):
    # z are two numbers, mu the means of an image's two rows; each row is decoded as its z. So log
    # p(x given z) is known: of a row the squared error is that around mu, plus 3·(z - mu)².
    def __init__(self, sigma_z):
        super().__init__()
        self.sigma_z, self.sigma = sigma_z, 0.1
        self.unused = nn.Parameter(torch.zeros(1))  # some ask the parameters for their device

    def encode(self, x):
        mu = x.mean(dim=(1, 3))
        return mu, torch.full_like(mu, 2 * math.log(self.sigma_z))

    def decoder(self, z):
        return torch.logit(z, eps=1e-6).view(-1, 1, 2, 1).expand(-1, 1, 2, 3)

    def decode(self, z):
        return torch.sigmoid(self.decoder(z))

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu) if self.training else mu
        return self.decode(z), mu, logvar


def probe_reconstruction_probability(f):
    sure = _RowsVAE(sigma_z=1e-5).eval()
    # rows of mean 0.4, 0.5 and 0.6, with squared errors of 0.04, 0 and 0.4 around them
    x = torch.tensor([[0.3, 0.4, 0.5, 0.5, 0.4, 0.3], [0.5] * 6, [0.4, 0.6, 0.8, 0.2, 0.6, 1.0]])
    x = x.view(3, 1, 2, 3)
    # 6 pixels at sigma = 0.1: 6·(log(2π)/2 + log 0.1) = -8.301879; squared errors count 50
    known = np.array([0.04, 0, 0.4]) * 50 - 8.301879
    what = "An encoder that is sure of z, sigma 0.1, squared errors of 0.04, 0 and 0.4: the scores"
    scores = f(sure, x)
    yield form(not isinstance(scores, (list, tuple)), "Return a tensor; yours is a list.")
    yield value(what, scores, known, 1e-3)
    yield value("`vae.sigma` after the call", sure.sigma, 0.1, kind="wrong_behaviour")
    what = "An encoder that is sure of z, an image alone, squared error 0.4: the score"
    yield value(what, f(sure, x[2:]), known[2:], 1e-3)
    # z is off by epsilon/20: each draw costs 3·50/400 = 0.375 times the sum of two epsilon²
    unsure = _RowsVAE(sigma_z=0.05).eval()
    many, needs = x[1:2].repeat(3000, 1, 1, 1), "each image needs draws of its own"
    for given, named in {"samples=5": {"samples": 5}, "the default of 16 samples": {}}.items():
        samples, scores = named.get("samples", 16), numbers(f(unsure, many, **named))
        law = chi2(2 * samples, loc=-8.301879, scale=0.375 / samples)
        what = f"With {given} and an encoder that is off by 0.05, over 3,000 equal images,"
        pair = scores[::2].round(4), scores[1::2].round(4)
        yield together("The scores of neighbours in the batch", *pair, 0.21, needs)
        both = f"{what} the mean score and the standard deviation"
        # the standard error of a spread is sqrt((kurtosis - 1)/(4·3000)), at most 1.6 %
        wide = law.std() * np.array([8 / 3000**0.5, 0.13])
        yield drawn(both, [scores.mean(), scores.std()], [law.mean(), law.std()], wide)
        name = f"the mean over {samples} draws, each image with noise of its own"
        yield follows(f"{what} the scores", scores, law, name)
    yield runs_on(f, unsure, x)
    says = "Your function changes the model's mode: leave it in the mode in which it came."
    for mode in (False, True):
        f(unsure.train(mode), x)
        yield behaviour(unsure.training == mode, says)


def probe_balanced_accuracy(f):
    normal = np.array([0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95])
    anomaly = np.array([0.6, 0.9, 0.25])
    scores = "Normal scores 0.1 0.2 0.4 0.5 0.6 0.7 0.8 0.95, anomalies 0.6 0.9 0.25; threshold"
    notes = {
        0.65: (5, 1, ""),
        0.7: (6, 1, ", which one normal score equals"),
        0.9: (7, 0, ", which one anomaly equals"),
        2.0: (8, 0, ": none is flagged"),
    }
    for threshold, (left, found, note) in notes.items():
        what = f"{scores} {threshold}{note} (left alone {left} of 8, found {found} of 3): the mean of the rates"
        yield value(what, f(normal, anomaly, threshold), (left / 8 + found / 3) / 2)


CHOICES = {"error per ink": "ink", "error": "error", "-ELBO": "elbo", "-ELBO less PNG bits": "png"}


def other_digits():
    """AUROC of the four scores on the digits that a choice by 0 and 1 has not seen."""
    from helpers.results import over_seeds, read_table  # heavy

    table = over_seeds(read_table("02_held_out", source="real", profile="quick"), "held_out")
    areas = table.drop(index=["0", "1"])[list(CHOICES)]
    found = {short: areas[name].mean() for name, short in CHOICES.items()}
    found |= {f"{short}_low": areas[name].min() for name, short in CHOICES.items()}
    return {"best": [areas.mean().idxmax()], **found}


def unseen_images():
    """The wrap-up's digits, zeros and clothes, and the course's scores of them."""
    from helpers.experiments.module_02 import baseline_scores, normal_digits, unreported

    images, anomalous, source = unreported()
    scores = baseline_scores(normal_digits(), images)
    trivial = {name: scores.pop(name) for name in ("ink", "mean image")}
    return Hidden(images, anomalous, source, trivial, rungs=scores)


PROBES = [probe_hold_one_out, probe_gaussian, probe_bernoulli, probe_kl]
PROBES += [probe_monte_carlo_kl, probe_reparameterize, probe_vae, probe_elbo]
PROBES += [probe_active_units, probe_iwae, probe_effective_beta]
PROBES += [probe_reconstruction_probability, probe_balanced_accuracy]
PROBES += [other_digits, unseen_images]
EXERCISES = declared("02", PROBES)
