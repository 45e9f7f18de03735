"""Probes of module 2: variational autoencoders, the ELBO, and scores from both."""

import math
from numbers import Integral
from types import MappingProxyType

import numpy as np
import torch
from scipy.stats import chi2, norm
from torch import nn

from helpers.checks.exercise import declared
from helpers.checks.findings import (
    Finding,
    behaviour,
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
from helpers.runtime import device

# --- what these probes share ------------------------------------------------------------------


def is_pair(x):
    return isinstance(x, (tuple, list)) and len(x) == 2


def numbers(x):
    """What was given as an array, if it can be one."""
    return np.asarray(x.detach().cpu() if isinstance(x, torch.Tensor) else x)


def sixfold(*values):
    """One image (1, 2, 3) for each value, the same in all six pixels."""
    return torch.tensor(values).view(-1, 1, 1, 1).repeat(1, 1, 2, 3)


# --- 2.1 --------------------------------------------------------------------------------------


def probe_hold_one_out(f):
    labels = np.arange(7003) % 10  # 700 threes, 6,303 others
    threes, normal = np.flatnonzero(labels == 3), np.flatnonzero(labels != 3)
    split = f(labels, 3)
    says = f"Return two arrays, `train, calibration`; yours gave {kind_of(split)}."
    yield form(is_pair(split), says, seen="a pair" if is_pair(split) else kind_of(split))
    train, calibration = map(numbers, split)
    says = "Return positions in `labels`, whole numbers, so that `images[train]` picks the images."
    kinds = train.dtype.kind + calibration.dtype.kind
    yield form(set(kinds) <= set("iu") and train.ndim == calibration.ndim == 1, says, seen=kinds)
    repeats = tuple(len(np.unique(part)) < len(part) for part in (train, calibration))
    says = "The same position stands twice in one part: each image belongs there once."
    yield form(not any(repeats), says, seen=repeats)
    held = [round(float(np.isin(part, threes).mean()), 1) for part in (train, calibration)]
    says = "With held_out=3, no position of a 3 may stand in train or in calibration."
    yield Finding("wrong_value", np.array(held), not any(held), says)
    shared = len(np.intersect1d(train, calibration))
    says = "Some images stand in both parts: what was trained on cannot calibrate."
    yield Finding("wrong_value", bool(shared), not shared, says)
    yield _sizes("Of 6,303 normal images a sixth calibrates, so that", train, calibration, 1050.5)
    complete = np.array_equal(np.sort(np.concatenate([train, calibration])), normal)
    says = "Together, train and calibration should hold every normal image once."
    yield Finding("wrong_value", complete, complete, says)
    # of n numbers in random order half the steps go up, with a variance of (n + 1)/12
    ordered = tuple(
        round((np.mean(np.diff(part) > 0) - 0.5) / (8 / math.sqrt(12 * max(len(part), 1))))
        for part in (train, calibration)
    )
    says = "The positions of train or of calibration stand in order: each part should be in random order."
    yield Finding("wrong_value", np.clip(ordered, -1, 1), not any(ordered), says)
    # neighbours in the file stand in different parts in 2·(1/6)·(5/6) of the cases, 1,751 of 6,302
    changes = int(np.sum(np.diff(np.isin(normal, calibration).astype(int)) != 0))
    chance = abs(changes - 1751) < 8 * 25
    says = (
        "Which image goes to calibration should be drawn at random; yours takes them by their place "
        "in the file. Shuffle the positions before the cut."
    )
    yield Finding("wrong_value", chance, chance, says)
    parts = map(numbers, f(labels, 0, calibration_share=0.3))
    yield _sizes(
        "With held_out=0 and calibration_share=0.3, of 6,302 normal images", *parts, 1890.6
    )
    yield from seeded(lambda **s: np.concatenate([*map(numbers, f(labels, 3, **s))]), "splits")


def _sizes(what, train, calibration, share):
    """However the share was rounded, the sizes are right within one image."""
    sizes = np.array([len(train), len(calibration)])
    right = abs(sizes[1] - share) < 1.5
    says = f"{what} about {share:.0f} should stand in calibration; yours holds {sizes[1]}."
    return Finding("wrong_value", sizes, bool(right), says)


# --- 2.2 --------------------------------------------------------------------------------------


def probe_gaussian(f):
    # six pixels off by 0.5: squared error 1.5; one pixel off by 3: squared error 9
    x, x_hat = sixfold(0.7, 2.0), sixfold(0.2, 2.0)
    x_hat[1, 0, 0, 1] = -1.0
    # six pixels: -6/2·log(2π) = -5.513631 without any error
    yield value("Two perfect reconstructions of six pixels, sigma = 1", f(x, x), [-5.513631] * 2)
    errors = "Squared errors of 1.5 and 9 over six pixels"
    yield value(f"{errors}, sigma = 1", f(x, x_hat), [-6.263631, -10.013631])
    # sigma = 2: 6·log 2 = 4.158883 less, and errors count an eighth
    yield value(f"{errors}, sigma = 2", f(x, x_hat, np.float64(2)), [-9.860014, -10.797514])
    # a density may exceed 1, so its logarithm may be positive
    yield value("A perfect reconstruction, sigma = 0.1", f(x, x, sigma=0.1)[:1], [8.301879])
    yield value("An image alone in its batch, squared error 9", f(x[1:], x_hat[1:]), [-10.013631])
    colour = torch.arange(12.0).view(1, 3, 2, 2) / 12
    yield value("A colour image (1, 3, 2, 2), perfect", f(colour, colour), [-11.027262])
    two = torch.tensor(2.0)
    yield value(f"{errors}, sigma a tensor of 2", f(x, x_hat, two), [-9.860014, -10.797514])
    # (x - x_hat)/sigma²; error/sigma³ - pixels/sigma: 1.5/8 - 3 and 9/8 - 3
    right = {"x_hat": (x - x_hat) / 4, "sigma": -4.6875}
    yield from gradients_are(lambda y, s: f(x, y, s), (x_hat, two), right, "the log-likelihood")
    yield from keeps_dtype(f, x, x_hat, dtypes=(torch.float64,))


# --- 2.3 --------------------------------------------------------------------------------------


def probe_bernoulli(f):
    x = sixfold(1.0, 0.0)
    x[1, 0, 0, :2] = 1.0  # two ones, four zeros
    # between 0 and 1, so that logits taken for probabilities do not fail loudly
    logits = sixfold(0.25, 0.25)
    # log sigmoid(0.25) = -0.575939 for a one, log sigmoid(-0.25) = -0.825939 for a zero
    what = "Logits of 0.25; six ones, and two ones with four zeros"
    yield value(what, f(x, logits), [-3.455636, -4.455636])
    yield value("A fair coin for six pixels, logits of 0", f(x[:1], 0 * logits[:1]), [-4.158883])
    # a grey pixel is the mean of a one and a zero: a quarter of one, three of the other
    grey = sixfold(0.25)
    yield value("Six pixels of grey 0.25, logits of 0.25", f(grey, logits[:1]), [-4.580636])
    # probabilities 3/4 and 1/4: a one at each, log(3/16), and a zero at each, the same
    odds = torch.tensor([1.0, -1.0, 1.0, -1.0]).view(1, 1, 2, 2) * math.log(3.0)
    ones = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
    yield value("Probabilities 3/4, 1/4, 3/4, 1/4 for 1, 1, 0, 0", f(ones, odds), [-3.347953])
    colour = ones.repeat(1, 3, 1, 1)
    yield value("A colour image, three times that", f(colour, odds.repeat(1, 3, 1, 1)), [-10.04386])
    sure = torch.tensor([200.0, -200.0]).view(1, 1, 1, 2)
    ends = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    yield value("Logits 200 and -200 for a one and a zero: certain and right", f(ends, sure), [0])
    wrong = f(1 - ends, sure)
    yield value("Logits 200 and -200 for a zero and a one: certain and wrong", wrong, [-400])
    # x - sigmoid: sigmoid(0.25) = 0.562177
    right = {"logits": x - 0.562177}
    yield from gradients_are(lambda y: f(x, y), (logits,), right, "the log-likelihood")
    yield from keeps_dtype(f, x, logits, dtypes=(torch.float64,))


# --- 2.4 --------------------------------------------------------------------------------------


def probe_kl(f):
    mu = torch.tensor([[0.0, 0.0, 0.0], [1.0, -2.0, 0.0]])
    logvar = torch.zeros(2, 3)
    what = "sigma = 1 with mu = (0, 0, 0), which is the prior itself, and mu = (1, -2, 0)"
    yield value(what, f(mu, logvar), [0, 2.5])
    # sigma² = 4: (4 - 1 - log 4)/2 = 0.806853 for each latent
    wide = torch.tensor([[4.0, 1.0, 1.0], [4.0, 4.0, 4.0]]).log()
    what = "mu = 0 with one latent, and with three, of sigma² = 4"
    yield value(what, f(0 * mu, wide), [0.806853, 2.420558])
    # sigma² = 1/4: (1/4 - 1 + log 4)/2 = 0.318147
    alone = f(torch.zeros(1, 1), torch.full((1, 1), -math.log(4.0)))
    yield value("mu = 0, sigma² = 1/4, one latent, alone in its batch", alone, [0.318147])
    what = "mu = (1, -2, 0) with sigma² = 4 everywhere, alone in its batch"
    yield value(what, f(mu[1:], wide[1:]), [4.920558])
    right = {"mu": mu, "logvar": (wide.exp() - 1) / 2}
    yield from gradients_are(f, (mu, wide), right, "the KL")
    yield from keeps_dtype(f, mu, wide, dtypes=(torch.float64,))


# --- 2.5 --------------------------------------------------------------------------------------


def probe_monte_carlo_kl(f):
    # log q - log p of a draw, with epsilon ~ N(0, 1): nothing at the prior; 4·epsilon + 8; four
    # times (3·epsilon² - log 4)/2; and log 2 + 2 - epsilon - 3/8·epsilon²
    mu = torch.tensor([[0.0] * 4, [4.0, 0, 0, 0], [0.0] * 4, [-2.0, 0, 0, 0]])
    logvar = torch.tensor([[1.0] * 4, [1.0] * 4, [4.0] * 4, [0.25, 1, 1, 1]]).log()
    kl, spread = np.array([8, 3.227411, 2.318147]), np.array([4, 4.242641, 1.131923])
    names = "mu = (4, 0, 0, 0), sigma = 1; mu = 0, sigma = 2; and mu = (-2, 0, 0, 0), sigma = (½, 1, 1, 1)"
    samples = 4000
    pair = f(mu, logvar, samples)
    says = f"Return two tensors, the mean and its standard error; yours gave {kind_of(pair)}."
    yield form(is_pair(pair), says, seen="a pair" if is_pair(pair) else kind_of(pair))
    mean, error = map(numbers, pair)
    for name, part in {"mean": mean, "standard error": error}.items():
        says = f"The {name} for mu and logvar (4, 4) should be one number for each of the 4 images, (4,); yours has the shape {part.shape}."
        yield form(part.shape == (4,), says, seen=part.shape)
    yield value("Where q is the prior, every draw gives 0: the mean", mean[:1], [0])
    expected = spread / samples**0.5
    yield drawn(f"The mean of 4,000 draws with {names}", mean[1:], kl, tolerance=8 * expected)
    octaves = np.log2(np.maximum(error[1:], 1e-9) / expected)
    says = f"The standard errors of 4,000 draws with {names} should be near {show(expected)}; yours gave {show(error[1:])}."
    # steps of half an octave are coarse beside the three percent that chance leaves
    yield Finding("wrong_value", np.round(2 * octaves), bool((abs(octaves) < 0.3).all()), says)
    # two draws, two latents: the mean of 3·epsilon + 4·epsilon' + 12.5 over two draws
    many = torch.tensor([[3.0, -4.0]]).repeat(2000, 1)
    means = numbers(f(many, 0 * many, 2)[0])
    law = norm(12.5, 5 / math.sqrt(2))
    says = "The mean of 2 draws, for 2,000 equal images with mu = (3, -4) and sigma = 1,"
    yield follows(says, means, law, "N(12.5, 12.5), each image on its own")
    ratio = float(np.mean(numbers(f(many[:500], 0 * many[:500], 100)[1]))) / 0.5
    says = f"The standard error of 100 draws with mu = (3, -4), sigma = 1 should be near 0.5; yours is {show(ratio / 2)} on average."
    step = round(2 * math.log2(ratio)) if ratio > 0 else -99
    yield Finding("wrong_value", step, 0.93 < ratio < 1.07, says)
    again = [numbers(f(mu, logvar, 50)[0])[1:] for _ in range(2)]
    says = "Two calls give the same draws: let the random numbers run on, without a seed inside."
    yield behaviour(not np.array_equal(*again), says)
    means = lambda *args: torch.as_tensor(numbers(f(*args)[0]))  # noqa: E731
    yield from keeps_dtype(means, mu, logvar, 5, dtypes=(torch.float64,))


# --- 2.6 --------------------------------------------------------------------------------------


def probe_reparameterize(f):
    few = torch.zeros(1, 3, device=device())  # as the notebook will call it
    yield shape("mu and logvar (1, 3)", f(few, few), (1, 3))
    n = 20_000
    mu = torch.tensor([3.0, -1.0]).repeat(n, 1)
    logvar = torch.tensor([4.0, 0.25]).log().repeat(n, 1)  # sigma 2 and 1/2
    z = f(mu, logvar)
    yield shape("mu and logvar (20000, 2)", z, (n, 2))
    sigma = np.array([2.0, 0.5])
    noise = (z - mu).detach().double().numpy()
    says = "Your z is mu itself: there is no noise in it."
    yield Finding("wrong_value", bool(noise.any()), bool(noise.any()), says)
    # the standard error of a spread is sigma/sqrt(2n), 0.5 %, so 6 % are 12 of them
    what = "With logvar = log 4 and log 1/4, the standard deviation of 20,000 draws"
    yield drawn(what, noise.std(0), sigma, tolerance=0.06 * sigma)
    what = "With mu = 3 and -1, the mean of 20,000 draws"
    yield drawn(what, numbers(z).mean(0), [3, -1], tolerance=0.06 * sigma)
    epsilon = noise / sigma
    for i in (0, 1):
        what = f"(z - mu)/sigma of latent {i}, over 20,000 images,"
        yield follows(what, epsilon[:, i], norm(), "N(0, 1)")
    half = n // 2
    pairs = {
        "Two latents of an image": (epsilon[:, 0], epsilon[:, 1]),
        "Neighbours in the batch": (epsilon[1:], epsilon[:-1]),
        "The two halves of the batch": (epsilon[:half], epsilon[half:]),
    }
    for name, (a, b) in pairs.items():
        together = float(np.nan_to_num(np.corrcoef(a.ravel(), b.ravel())[0, 1], nan=1))
        says = f"{name} move together (a correlation of {together:.2f}): each number of z needs an epsilon of its own."
        yield Finding("wrong_value", round(together), abs(together) < 0.08, says)
    says = "Two calls give the same noise: let the random numbers run on, without a seed inside."
    yield behaviour(not torch.equal(f(mu[:9], logvar[:9]), f(mu[:9], logvar[:9])), says)
    m, s = mu[:5].clone().requires_grad_(), logvar[:5].clone().requires_grad_()
    z = f(m, s)
    found = (None, None)
    if z.requires_grad:
        found = torch.autograd.grad(z.sum(), (m, s), allow_unused=True)
    rights = {"mu": torch.ones(5, 2), "logvar": 0.5 * (z - m).detach()}
    for (name, right), g in zip(rights.items(), found, strict=True):
        says = f"No gradient flows from z to `{name}`: on the way it was detached, or drawn by `.sample()`."
        yield behaviour(g is not None, says)
        if g is not None:
            ok = torch.allclose(g, right, rtol=1e-3, atol=1e-4)
            says = f"The gradient of z to `{name}` should be {'1' if name == 'mu' else '½·sigma·epsilon, half of z - mu'}; yours is another."
            yield behaviour(ok, says)
    yield from keeps_dtype(f, mu[:2], logvar[:2], dtypes=(torch.float64,))


# --- 2.7 --------------------------------------------------------------------------------------


def probe_vae(cls):
    net = cls(latent_dim=7)
    yield form(isinstance(net, nn.Module), "The class should inherit from `nn.Module`.")
    for part in ("encoder", "decoder"):
        says = f"`self.{part}` is still `...`: give it its layers as an `nn.Sequential`."
        yield form(getattr(net, part, None) is not ..., says)
    x = torch.rand(3, 1, 28, 28)
    code = net.encode(x)
    says = f"`encode` should return two tensors, `mu, logvar`; yours gave {kind_of(code)}."
    yield form(is_pair(code), says, seen="a pair" if is_pair(code) else kind_of(code))
    for name, part in zip(("mu", "logvar"), code, strict=True):
        yield shape(f"`{name}` of a batch (3, 1, 28, 28) with latent_dim=7", part, (3, 7))
    z = torch.rand(4, 7)
    x_hat = net.decode(z)
    yield shape("`decode` of codes (4, 7)", x_hat, (4, 1, 28, 28))
    says = "Later cells call `vae.decoder(z)` for the logits: name the decoder's layers `self.decoder`."
    yield form(isinstance(getattr(net, "decoder", None), nn.Module), says)
    logits = net.decoder(z)
    yield shape("`decoder` for codes (4, 7)", logits, (4, 1, 28, 28))
    seen = tuple(torch.allclose(p, x_hat, atol=1e-5) for p in (torch.sigmoid(logits), logits))
    says = "`decoder` should give logits, and `decode` their sigmoid: sigmoid(decoder(z)) is not what your `decode(z)` gives."
    yield form(seen[0], says, seen=seen)
    says = "The network has no `sigma`: set `self.sigma = 1.0` in the constructor."
    yield form(hasattr(net, "sigma"), says)
    yield value("`sigma` of a new network", getattr(net, "sigma", 1.0), 1.0)
    try:
        net.sigma = 1.0
        says = None
    except TypeError as error:  # a buffer or parameter takes no number
        says = f"Section 6 writes `vae.sigma = 0.3`; yours refuses a number ({error})."
    yield form(says is None, says)
    # convolution, linear layers to 400 and to 14; to 400 and to 784
    expected = 136 + 627_600 + 5_614 + 3_200 + 314_384
    count = sum(p.numel() for p in net.parameters())
    says = f"With latent_dim=7 the table's network has {expected:,} parameters; yours has {count:,}. Compare the sizes layer by layer."
    yield form(count == expected, says, seen=count)
    if count == expected:
        yield from _layers(net)
        yield from _modes(cls(latent_dim=7))
        yield from _draws(cls(latent_dim=2))


def _layers(net):
    """With weights of our own, what each layer gives is known, and so is each activation.

    Large and small numbers, since most activations are like a ReLU on one of them.
    """
    ones, code = torch.ones(2, 1, 28, 28), torch.ones(2, 7)
    for what, steps, right in (
        ("10 after the convolution, ½ after the next layer and 1 after the last", (10, 0.5, 1), 1),
        ("½ after the convolution, 10 after the next layer and -1 at the end", (0.5, 10, -1), -1),
        ("-10 after the convolution, which its ReLU turns into 0", (-10, 0.5, 1), 0),
        ("-½ after the first linear layer, which its ReLU turns into 0", (10, -0.5, 1), 0),
    ):
        _weigh(net, 7, steps, (1, 1))
        seen = torch.stack([part.mean() for part in net.encode(ones)])
        yield value(f"With weights that give {what}, mu and logvar of `encode`", seen, [right] * 2)
    for what, steps, right in (
        ("10 in the hidden layer and 1 after the last", (10, 1), 1),
        ("½ in the hidden layer and -1 after the last", (0.5, -1), -1),
        ("-10 in the hidden layer, which its ReLU turns into 0", (-10, 1), 0),
    ):
        _weigh(net, 7, (1, 1, 1), steps)
        seen = net.decoder(code).mean()
        yield value(f"With weights that give {what}, the logits of the decoder", seen, right)


def _weigh(net, d, encoder, decoder, biases=MappingProxyType({})):
    """Fill the weights, told by their number, so that ones become these numbers, layer by layer.

    The biases are 0, but for those given by where they are (in the decoder?) and their number.
    """
    of_decoder = {id(p) for p in net.decoder.parameters()}
    (a, b, c), (e, f) = encoder, decoder
    # on an image of ones and its frame of zeros, 8 channels of 13.5² windows: 1,458
    head = c / 400 / b
    fills = (
        {128: a / 16, 627_200: b / 1458 / a, 400 * 2 * d: head, 400 * d: head},
        {400 * d: e / d, 313_600: f / 400 / e},
    )
    with torch.no_grad():
        for p in net.parameters():
            inside = id(p) in of_decoder
            fill = biases.get((inside, p.numel()), fills[inside].get(p.numel(), 0.0))
            p.copy_(torch.as_tensor(fill).view(p.shape if np.ndim(fill) else ()))


def _modes(net):
    x = 30 * torch.rand(3, 1, 28, 28)  # bright enough for codes that differ
    with torch.no_grad():
        (mu, logvar), out = net.encode(x), net(x)
    shapes = tuple(tuple(p.shape) for p in out) if isinstance(out, (tuple, list)) else kind_of(out)
    given = (
        shapes
        if isinstance(shapes, str)
        else f"{len(shapes)} with the shapes {', '.join(map(str, shapes))}"
    )
    says = f"`forward` should return three tensors, `x_hat, mu, logvar`; yours gave {given}."
    yield form(shapes == ((3, 1, 28, 28), (3, 7), (3, 7)), says, seen=shapes)
    order = tuple(
        all(torch.allclose(a, b, atol=1e-4) for a, b in zip(out[1:], pair, strict=True))
        for pair in ((mu, logvar), (logvar, mu))
    )
    says = "After x_hat, `forward` should return the mu and the logvar that `encode` gives, in this order."
    yield Finding("wrong_value", order, order[0], says)
    with torch.no_grad():
        net.eval()
        steady = tuple(torch.allclose(net(x)[0], net.decode(c), atol=1e-5) for c in (mu, logvar))
        says = "In eval mode x_hat should be `decode(mu)`: z is mu, and nothing is drawn."
        yield behaviour(steady[0], says, seen=steady)
        net.train()
        moves = not torch.equal(net(x)[0], net(x)[0])
        says = "In training mode two passes give the same x_hat: z should be drawn anew each time."
        yield behaviour(moves, says)
        calm = all(torch.equal(*pair) for pair in zip(net.encode(x), net.encode(x), strict=True))
        says = "In training mode two calls of `encode` differ for one image: only z is random, in `forward`."
        yield behaviour(calm, says)


def _draws(net):
    # The encoder answers with its biases, whatever the image; every logit is the mean of both z.
    halves = [1.2, 0.6, -1.5, -2.5]
    biases = {(False, 4): halves, (False, 2): halves[:2], (True, 400): 20.0, (True, 784): -20.0}
    x = torch.rand(600, 1, 28, 28)
    net(x[:1])  # layers that find their size at the first image
    _weigh(net, 2, (1, 1, 0), (1, 1), biases)
    with torch.no_grad():
        mu, sigma = (part[0].double() for part in net.encode(x[:1]))
        sigma = torch.exp(0.5 * sigma)
        z = torch.logit(net(x)[0][:, 0, 3, 4].double()) - mu.mean()
    # the mean of two latents of spread sigma, independent, and what else may stand in the place
    spreads = {
        "sigma": sigma.square().sum().sqrt() / 2,
        "no sigma": torch.tensor(0.5).sqrt(),
        "the variance": sigma.pow(4).sum().sqrt() / 2,
        "one epsilon for all latents": sigma.sum() / 2,
    }
    right = spreads["sigma"].item()
    seen = z.std().item()
    like = min(spreads, key=lambda name: abs(math.log(max(seen, 1e-9) / spreads[name].item())))
    # 600 draws know a spread to 3 %
    says = (
        "In training mode each latent should spread by its own sigma = exp(logvar / 2): the mean of "
        f"two latents by {right:.2f}; yours spreads by {seen:.2f}. Call `reparameterize(mu, logvar)`."
    )
    yield Finding("wrong_value", like, abs(seen / right - 1) < 0.25, says)
    what = "In training mode (z - mu)/sigma, over 600 images,"
    yield follows(what, z / right, norm(), "N(0, 1)")
    # which of the encoder's last biases lead to mu, which to logvar, and whether x_hat feels them
    inside = {id(p) for p in net.decoder.parameters()}
    last = [p for p in net.parameters() if id(p) not in inside and p.numel() in (2, 4)]
    felt = _gradients(net(x[:9])[0], last)
    for name, part in zip(("mu", "logvar"), net.encode(x[:1]), strict=True):
        own = _gradients(part, last) != 0
        says = f"In training mode no gradient flows from x_hat to `{name}`, so its part of the encoder would not learn to rebuild: on the way it was detached."
        yield behaviour(bool((felt[own] != 0).any()), says)


def _gradients(output, parameters):
    """The gradient of the output's sum to all numbers of the parameters, 0 where none arrives."""
    found = [None] * len(parameters)
    if output.requires_grad:
        found = torch.autograd.grad(output.sum(), parameters, retain_graph=True, allow_unused=True)
    pairs = zip(found, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])


# --- 2.8 --------------------------------------------------------------------------------------


def probe_elbo(f):
    log_likelihood, kl = torch.tensor([-100.0, -50.0]), torch.tensor([10.0, 20.0])
    what = "Log-likelihoods of -100 and -50, KLs of 10 and 20 nats"
    yield value(what, f(log_likelihood, kl), [-110, -70])
    yield value(f"{what}, beta = 4", f(log_likelihood, kl, beta=4.0), [-140, -130])
    yield value(f"{what}, beta = 0", f(log_likelihood, kl, 0.0), [-100, -50])
    alone = f(log_likelihood[1:], kl[1:])
    yield value("An image alone in its batch, log-likelihood -50, KL 20", alone, [-70])
    right = {"log_likelihood": [1, 1], "kl": [-2, -2]}
    what = "the bound with beta = 2"
    yield from gradients_are(lambda a, b: f(a, b, 2.0), (log_likelihood, kl), right, what)
    yield from keeps_dtype(f, log_likelihood, kl, dtypes=(torch.float64,))


# --- 2.9 --------------------------------------------------------------------------------------


def probe_active_units(f):
    # five images, five latents: variances 0, 1.5, 0.0025·1.5, 0.04·1.5 and 0 (or 4/5 of these)
    pattern = torch.tensor([-1.5, -0.5, 0.0, 0.5, 1.5])
    still = torch.full((5,), 5.0)
    mu = torch.stack([still, pattern, 0.05 * pattern + 3, 0.3 * pattern - 2, -still], dim=1)
    mu = torch.cat([mu, mu[:, :1]], dim=1)
    seen = f(mu)
    yield value("Six latents, of which two have a variance above 0.01: the number", seen, 2)
    yield value("Of these, with a variance above threshold = 0.5", f(mu, threshold=0.5), 1)
    yield value("Of these, with a variance above threshold = 0.0001", f(mu, 0.0001), 3)
    yield value("A latent that never moves, threshold = 0", f(mu[:, :1], 0.0), 0)
    collapsed = torch.full((6, 3), 0.7)
    yield value("A collapsed code: three latents that never move", f(collapsed), 0)
    two = torch.tensor([[0.0] * 7, [9.0] * 7])
    yield value("Two images, seven latents that all move", f(two), 7)
    kind = type(seen).__name__
    says = f"A number of latents is an int; yours is of type {kind}: use `int(...)`."
    yield form(isinstance(seen, Integral), says, seen=kind)


# --- 2.10 -------------------------------------------------------------------------------------


def probe_iwae(f):
    log_w = torch.tensor([[1.0, 1.0, 2.0], [3.0, 1.0, 2.0]]).log()  # two draws, three images
    # log of the means 2, 1 and 2
    what = "Two draws for three images, with the weights 1 and 3, 1 and 1, 2 and 2"
    yield value(what, f(log_w), [0.693147, 0, 0.693147])
    yield value("A single draw: the log-weight itself", f(torch.tensor([[-5.0, 7.0]])), [-5, 7])
    one = torch.tensor([[0.0], [-90.0], [-90.0], [-90.0]])
    yield value("Four draws, one of weight 1, three of weight e⁻⁹⁰", f(one), [-1.386294])
    # (e + e² + e³)/3 = 10.064
    three = torch.tensor([[1.0, -2.0], [2.0, -2.0], [3.0, -2.0]])
    yield value("Three draws: log-weights 1, 2, 3, and three times -2", f(three), [2.308994, -2])
    yield value("Log-weights near -800", f(log_w - 800), [-799.306853, -800, -799.306853], 1e-6)
    yield value("Log-weights near 800", f(log_w + 800), [800.693147, 800, 800.693147], 1e-6)
    apart = torch.tensor([-800.0, 800.0, 0.0])
    what = "Log-weights near -800, 800 and 0 for three images of one batch"
    yield value(what, f(log_w + apart), [-799.306853, 800, 0.693147], 1e-6)
    right = {"log_w": [[0.25, 0.5, 0.5], [0.75, 0.5, 0.5]]}  # each draw's share of the weight
    yield from gradients_are(f, (log_w,), right, "the bound")
    yield from keeps_dtype(f, log_w, dtypes=(torch.float64,))


# --- 2.11 -------------------------------------------------------------------------------------


def probe_effective_beta(f):
    # one image's error weighs 1/24, and 1/(2·sigma²) in nats; its KL weighs 1, or 1/20
    what = "Squared error and KL both summed, sigma = 1 (a squared error counts half a nat): beta"
    yield value(what, f(4, 6, 5, error="sum", kl="sum"), 0.5)
    what = "4 images of 6 pixels and 5 latents, with "
    yield value(f"{what}error averaged, KL summed (the defaults): beta", f(4, 6, 5), 12)
    yield value(f"{what}error and KL averaged: beta", f(4, 6, 5, kl="mean"), 0.6)
    seen = f(4, 6, 5, error="sum", kl="mean")
    yield value(f"{what}error summed, KL averaged: beta", seen, 0.025)
    yield value(f"{what}kl_weight = 3: beta", f(4, 6, 5, kl_weight=3.0), 36)
    yield value(f"{what}sigma = 1/2: beta", f(4, 6, 5, sigma=0.5), 48)
    yield value(f"{what}both summed, sigma = 0.1: beta", f(4, 6, 5, error="sum", sigma=0.1), 50)
    seen = f(4, 6, 5, kl="mean", kl_weight=2.0, sigma=0.1)
    yield value(f"{what}both averaged, kl_weight = 2, sigma = 0.1: beta", seen, 120)
    what = "A published VAE, batch 256, 784 pixels, 100 latents, error averaged, KL summed: beta"
    yield value(what, f(256, 784, 100), 100_352)
    what = "Another, batch 128, 4096 pixels, 128 latents, both averaged, kl_weight = 2: beta"
    yield value(what, f(128, 4096, 128, kl="mean", kl_weight=2.0), 32)


# --- 2.12 -------------------------------------------------------------------------------------


class _RowsVAE(nn.Module):
    """z are two numbers, mu the means of an image's two rows; each row is decoded as its z.

    So log p(x given z) is known: of a row with mean mu the squared error is that around mu, plus
    3·(z - mu)² from the draw.
    """

    def __init__(self, sigma_z):
        super().__init__()
        self.sigma_z, self.sigma = sigma_z, 0.1

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
    # rows of mean 0.5, 0.4 and 0.6, with squared errors of 0, 0.04 and 0.4 around them
    flat = torch.full((1, 1, 2, 3), 0.5)
    wave = torch.tensor([[0.3, 0.4, 0.5], [0.5, 0.4, 0.3]]).view(1, 1, 2, 3)
    steep = torch.tensor([[0.4, 0.6, 0.8], [0.2, 0.6, 1.0]]).view(1, 1, 2, 3)
    x = torch.cat([wave, flat, steep])
    # 6 pixels at sigma = 0.1: 6·(log(2π)/2 + log 0.1) = -8.301879; squared errors count 50
    known = np.array([0.04, 0, 0.40]) * 50 - 8.301879
    what = "An encoder that is sure of z, sigma 0.1, "
    seen = f(sure, x)
    yield value(f"{what}squared errors of 0.04, 0 and 0.4: the scores", seen, known, 1e-3)
    yield value("`vae.sigma` after the call", sure.sigma, 0.1, kind="wrong_behaviour")
    seen = f(sure, x, samples=3)
    yield value(f"{what}squared errors of 0.04, 0 and 0.4, samples=3", seen, known, 1e-3)
    yield value(f"{what}an image alone in its batch, 0.4", f(sure, x[2:]), known[2:], 1e-3)

    # z is off by epsilon/20: each draw costs 3·50/400 = 0.375 times the sum of two epsilon²
    unsure = _RowsVAE(sigma_z=0.05).eval()
    many, draws = flat.repeat(3000, 1, 1, 1), 5
    scores = numbers(f(unsure, many, draws))
    law = chi2(2 * draws, loc=-8.301879, scale=0.375 / draws)
    what = "With samples=5 and an encoder that is off by 0.05, over 3,000 equal images, "
    yield drawn(f"{what}the mean score", scores.mean(), law.mean(), 8 * law.std() / 3000**0.5)
    # the standard error of this spread is sqrt((kurtosis - 1)/(4·3000)), 1.6 %
    tolerance = 0.13 * law.std()
    yield drawn(f"{what}the standard deviation of the scores", scores.std(), law.std(), tolerance)
    name = "the mean over 5 draws, each image with noise of its own"
    yield follows(f"{what}the scores", scores, law, name)
    halves = float(np.nan_to_num(np.corrcoef(scores[::2], scores[1::2])[0, 1], nan=1))
    says = f"The scores of neighbours in the batch go together (a correlation of {halves:.2f}): each image needs draws of its own."
    yield Finding("wrong_value", round(halves), abs(halves) < 0.21, says)
    says = "Two calls give the same draws: let the random numbers run on, without a seed inside."
    pair = [numbers(f(unsure, x)) for _ in range(2)]
    yield behaviour(not np.array_equal(*pair), says)
    modes = []
    for mode in (False, True):
        unsure.train(mode)
        f(unsure, x)
        modes.append(unsure.training)
    says = "Your function changes the model's mode: leave it in the mode in which it came."
    yield behaviour(modes == [False, True], says, seen=tuple(modes))


# --- 2.13 -------------------------------------------------------------------------------------


def probe_balanced_accuracy(f):
    normal = np.array([0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95])
    anomaly = np.array([0.6, 0.9, 0.25])
    what = "Normal scores 0.1 0.2 0.4 0.5 0.6 0.7 0.8 0.95, anomalies 0.6 0.9 0.25; above "
    for threshold, left, found in (
        ("0.65", 5, 1),
        ("0.7, which one normal score equals,", 6, 1),
        ("0.9, which one anomaly equals,", 7, 0),
        ("0.45", 3, 2),
        ("0: all are flagged,", 0, 3),
        ("2: none is flagged,", 8, 0),
    ):
        says = (
            f"{what}{threshold} (left alone {left} of 8, found {found} of 3): the mean of the rates"
        )
        number = float(threshold.split(",")[0].split(":")[0])
        yield value(says, f(normal, anomaly, number), (left / 8 + found / 3) / 2)
    says = "Normal scores 1 2 3, anomaly 5, threshold 4, which separates them"
    yield value(says, f(np.array([1.0, 2.0, 3.0]), np.array([5.0]), 4.0), 1)


EXERCISES = declared(
    "02",
    {
        "2.1": probe_hold_one_out,
        "2.2": probe_gaussian,
        "2.3": probe_bernoulli,
        "2.4": probe_kl,
        "2.5": probe_monte_carlo_kl,
        "2.6": probe_reparameterize,
        "2.7": probe_vae,
        "2.8": probe_elbo,
        "2.9": probe_active_units,
        "2.10": probe_iwae,
        "2.11": probe_effective_beta,
        "2.12": probe_reconstruction_probability,
        "2.13": probe_balanced_accuracy,
    },
)
