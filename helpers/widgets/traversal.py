"""One latent of a VAE moved while the others stay: what it stands for, if anything."""

import ipywidgets as widgets
import numpy as np
import torch

from helpers.losses import kl_divergence
from helpers.plotting import SECOND
from helpers.training import as_input, batches
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

VALUES = torch.linspace(-3, 3, 13)  # the prior N(0, 1) holds nearly all of its mass between

SEEN = (
    "The image, its reconstruction, and the image decoded with one latent changed; bars of "
    "the KL of all latents; below, a strip of decoded images over the values of that latent."
)


def traversal_explorer(vae, images, labels, classes):
    """Set one latent of a picture's code to a value, and watch what the decoder makes of it.

    vae : has encode (N, 1, H, W) -> mu, logvar of shape (N, d), and decode (N, d) back
    images, labels : uint8 (N, 1, H, W) and (N,), positions in `classes`

    The latents are ordered by their mean KL over the images, the largest first.
    """
    images, labels = parts.pictures(images, labels)
    names = {int(c): str(classes[c]) for c in np.unique(labels)}
    kl = kl_per_latent(vae, images)
    order = by_kl(kl)
    digit, which, position = parts.picker(labels, names, "digit", min(names))
    rank = parts.slider(widgets.IntSlider, 1, 1, len(kl), 1, "latent, by KL", parts.LONG)
    step = float(VALUES[1] - VALUES[0])
    value = parts.slider(widgets.FloatSlider, 0.0, -3.0, 3.0, step, "value", parts.LONG)

    def draw(figure, digit, which, rank, value):
        x = as_input(images[[position()]])
        latent = int(order[rank - 1])
        x_hat, path, mu = traverse(vae, x, latent)
        return draw_traversal(figure, x[0, 0].cpu(), x_hat, path, value, mu, latent, kl)

    controls = {"digit": digit, "which": which, "rank": rank, "value": value}
    layout = widgets.VBox([parts.row([digit, which]), rank, value])
    return Explorer(draw, controls, layout, size=(9.5, 4.2), alt=SEEN)


def kl_per_latent(vae, images):
    """Mean KL of each latent over the images, in nats. uint8 (N, 1, H, W) -> array (d,)"""
    with parts.evaluating(vae):
        codes = [vae.encode(x) for x in batches(images, 256)]
        mu, logvar = map(torch.cat, zip(*codes, strict=True))
        kl = kl_divergence(mu.reshape(-1, 1), logvar.reshape(-1, 1)).view_as(mu)
    return kl.mean(dim=0).cpu().numpy()


def by_kl(kl):
    """The latents in order, the largest KL first; those that are equal keep their order."""
    return np.argsort(-kl, kind="stable")


def traverse(vae, x, latent):
    """Decode the code mu of one picture, as it is and with one latent set to each of VALUES.

    (1, 1, H, W) -> reconstruction (H, W), traversal (13, H, W), the latent's own mu
    """
    with parts.evaluating(vae):
        mu, _ = vae.encode(x)
        z = mu.repeat(len(VALUES) + 1, 1)
        z[1:, latent] = VALUES.to(z)
        decoded = vae.decode(z)[:, 0].cpu()
    return decoded[0], decoded[1:], float(mu[0, latent])


def draw_traversal(figure, x, x_hat, path, value, mu, latent, kl):
    """Picture, reconstruction, the latent set to `value`, the KL of all, the traversal. -> text

    x, x_hat : (H, W); path : (13, H, W), at VALUES; mu : of the latent; kl : (d,), in nats
    """
    k = int((VALUES - value).abs().argmin())
    order = by_kl(kl)
    titles = {"image": x, "reconstruction": x_hat, f"z[{latent}] = {value:g}": path[k]}
    for left, (title, image) in zip((0.02, 0.25, 0.48), titles.items(), strict=True):
        parts.image(figure.add_axes((left, 0.42, 0.22, 0.5)), image, title)

    axes = figure.add_axes((0.77, 0.53, 0.22, 0.39))
    rank = order.tolist().index(latent) + 1
    axes.axvspan(rank - 0.5, rank + 0.5, color=SECOND, alpha=0.25)  # a bar of 0 nats is not seen
    colours = [SECOND if other == latent else "0.6" for other in order]
    axes.bar(range(1, len(kl) + 1), kl[order], color=colours)
    axes.set(xlabel="latents, by KL", xticks=[1, len(kl)], title="mean KL (nats)")
    axes.set_ylim(bottom=0)

    axes = figure.add_axes((0.02, 0.13, 0.96, 0.21))
    parts.strip(axes, path, k)
    width = path.shape[2]
    centres = (np.arange(len(VALUES)) + 0.5) * width - 0.5
    axes.set_xticks(centres, [f"{v:g}" for v in VALUES])
    own = np.interp(mu, VALUES, centres)  # at the end where mu lies beyond
    place = {"xytext": (0, 4), "textcoords": "offset points", "annotation_clip": False}
    axes.annotate("▾ mu", (own, -1), ha="left", va="bottom", **place)
    axes.set_xlabel(f"z[{latent}]")
    change = (path[k] - x_hat).square().mean()
    return (
        f"z[{latent}], number {rank} of {len(kl)} latents by KL: {kl[latent]:.3f} nats, averaged "
        f"over the images. The encoder gives this image mu = {mu:.2f} there; set to {value:g}, "
        f"it changes the reconstruction by a mean squared difference of {change:.4f}."
    )
