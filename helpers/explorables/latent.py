"""Explorables about a two-dimensional latent space."""

import base64

import numpy as np
import torch
from torch import nn

from helpers import plotting
from helpers.explorables.page import Explorable
from helpers.runtime import device
from helpers.training import evaluating

GRID = 33  # codes along each dimension, where the network of a page is compared with the model's


def decoder(model, codes, labels, classes):
    """Point at a map of codes: the image that the decoder makes there follows. -> Explorable

    model : its `decoder` is linear layers with ReLU between them, on two latent dimensions, whose
        output is the logit of each pixel of a square image (module 2's ConvVAE)
    codes, labels, classes : (N, 2), (N,), names; a few hundred make a map

    The network goes into the page smaller than it is (`small`). The page says by how much its
    pixels differ from the model's, at most, on a grid of GRID by GRID codes.
    """
    codes, labels = np.asarray(codes, dtype=float), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2 or len(codes) != len(labels):
        raise ValueError(
            f"codes must be (N, 2) with N labels; got {codes.shape} and {len(labels)} labels"
        )
    reach = float(np.ceil(np.abs(codes).max()))
    layers = small(model, reach)
    z = _grid(reach)
    with evaluating(model):
        exact = model.decode(torch.tensor(z, dtype=torch.float32, device=device()))
    error = np.abs(decoded(layers, z) - exact.flatten(1).cpu().double().numpy()).max()
    side = round(len(layers[-1]["bias"]) ** 0.5)
    figure = plotting.embedding(codes, labels, classes, axes=("latent 1", "latent 2"))
    alt = (
        f"{len(codes)} codes in two latent dimensions between {-reach:.0f} and {reach:.0f}, "
        f"coloured by the {len(np.unique(labels))} classes of their images."
    )
    data = {
        "layers": layers,
        "map": {"codes": codes.round(3), "labels": labels, "classes": list(classes)},
        "range": [-reach, reach],
        "side": side,
        "error": float(f"{error:.2g}"),
    }
    return Explorable("decoder", "A map of the latent space", data, figure, alt, height=450)


def small(model, reach, error=0.015):
    """The decoder for a page: layers of int16 weights in base64, with scale, bias and relu.

    What the last layer is given depends on two numbers only, so it needs few of its directions
    between -reach and reach: two thin layers replace it. Their rank is the smallest (of multiples
    of 8) at which no pixel on a grid differs by more than `error`.
    """
    linear = [layer for layer in model.decoder if not isinstance(layer, nn.ReLU | nn.Unflatten)]
    if len(linear) < 2 or not all(isinstance(layer, nn.Linear) for layer in linear):
        raise ValueError(
            f"the decoder must consist of linear layers and ReLUs; got {model.decoder}"
        )
    # (inputs, outputs), as a page multiplies them
    weights = [layer.weight.detach().cpu().double().numpy().T for layer in linear]
    biases = [layer.bias.detach().cpu().double().numpy() for layer in linear]
    pixels = len(biases[-1])
    if len(weights[0]) != 2 or round(pixels**0.5) ** 2 != pixels:
        raise ValueError(
            f"the decoder must lead from 2 numbers to a square image; this one leads from "
            f"{len(weights[0])} to {pixels}"
        )
    values = _grid(reach)
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        values = (values @ weight + bias).clip(min=0)
    logits = values @ weights[-1]
    _, directions = np.linalg.eigh(logits.T @ logits)
    exact = _logistic(logits + biases[-1])
    for rank in range(8, pixels, 8):
        thin = directions[:, -rank:]
        if np.abs(_logistic(logits @ thin @ thin.T + biases[-1]) - exact).max() <= error:
            break
    weights[-1:] = [weights[-1] @ thin, thin.T]
    biases[-1:] = [np.zeros(rank), biases[-1]]
    layers = []
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        # versions of numpy's linear algebra part in the last digits, and the page should not
        unit = float(f"{np.abs(weight).max() / 32767:.8g}") or 1.0
        numbers = np.round(weight / unit).astype("<i2").tobytes()
        layers.append(
            {
                "weight": base64.b64encode(numbers).decode(),
                "scale": unit,
                "bias": bias.round(5),
                "relu": index < len(weights) - 2,
            }
        )
    return layers


def decoded(layers, z):
    """What the page decodes at codes z (N, 2), for a comparison with the model. -> (N, pixels)"""
    values = np.asarray(z, dtype=float)
    for layer in layers:
        weight = np.frombuffer(base64.b64decode(layer["weight"]), "<i2")
        weight = weight.reshape(values.shape[1], -1) * layer["scale"]
        values = values @ weight + np.asarray(layer["bias"])
        if layer["relu"]:
            values = values.clip(min=0)
    return _logistic(values)


def _grid(reach):
    axis = np.linspace(-reach, reach, GRID)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def _logistic(values):
    return 1 / (1 + np.exp(-values))


def amortisation(mu, sigma, elbo, posterior, low, high, *, every=1):
    """Follow gradient steps on one image's own mean and standard deviation. -> Explorable

    mu, sigma : (S, 2), of q after each `every` gradient steps, the encoder's first
    elbo : (S,), nats
    posterior : (K, K), the true posterior's density on a grid, rows along the second dimension
    low, high : the grid's ends in each dimension, (2,) each
    """
    mu, sigma, elbo, posterior = (
        torch.as_tensor(values).double().cpu().numpy() for values in (mu, sigma, elbo, posterior)
    )
    if not mu.shape == sigma.shape == (len(elbo), 2) or posterior.ndim != 2:
        raise ValueError(
            f"mu and sigma must be (S, 2), elbo (S,) and posterior (K, K); got {mu.shape}, "
            f"{sigma.shape}, {elbo.shape} and {posterior.shape}"
        )
    figure, axis = plotting.new_figure(3.4, 3)
    axis.imshow(posterior, origin="lower", extent=[low[0], high[0], low[1], high[1]], cmap="Blues")
    axis.plot(*mu.T, color=plotting.SECOND)
    axis.plot(*mu[0], "o", color=plotting.SECOND)
    axis.set(xlabel="latent 1", ylabel="latent 2")
    last = every * (len(elbo) - 1)
    alt = (
        f"The posterior of one image as a blue cloud, and the path of the mean of q over "
        f"{last} gradient steps, from an ELBO of {elbo[0]:.2f} to {elbo[-1]:.2f} nats."
    )
    data = {"mu": mu.round(4), "sigma": sigma.round(4), "elbo": elbo.round(4), "every": every}
    density = posterior / posterior.max()
    data["posterior"] = {"density": density.round(3), "low": list(low), "high": list(high)}
    return Explorable("amortisation", "Gradient steps on one image's q", data, figure, alt, 430)
