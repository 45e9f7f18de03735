"""Explorables whose every state was computed before: controls choose images, a text and points."""

import base64
import io

import numpy as np
import torch
from PIL import Image

from helpers import plotting
from helpers.explorables.page import Explorable
from helpers.latent import interpolate
from helpers.losses import kl_divergence
from helpers.plotting.tables import unbroken
from helpers.scores import absolute_error, ssim_residual
from helpers.training import as_input, batches, evaluating

GREYS = 16  # of the images in a page: half the bytes of all 256
CURVES = {
    "reconstruction": "reconstruction (nats)",
    "kl": "KL (nats)",
    "active": "active latents",
    "auroc": "AUROC",
}


def frames(title, controls, text, panels, figure, alt, *, titles=(), images=(), pictures=()):
    """Controls that choose among states that are all in the page. -> Explorable

    controls : dicts of label, options (texts), start (a position) and list (True: no slider)
    text : of each state, the last control's options fastest
    panels : of curves, made by `panel`
    titles, images : of the pictures of a state, and their numbers (S, len(titles)) among `pictures`
    pictures : float (n, H, W) in [0, 1]
    """
    states = int(np.prod([len(control["options"]) for control in controls]))
    if len(text) != states or (len(pictures) and np.shape(images) != (states, len(titles))):
        raise ValueError(
            f"the controls have {states} states; got {len(text)} texts and images of shape "
            f"{np.shape(images)} for {len(titles)} titles"
        )
    data = {
        "controls": controls,
        "text": text,
        "panels": panels,
        "titles": list(titles),
        "images": np.asarray(images) if len(pictures) else [[]] * states,
        "sheet": sheet(pictures) if len(pictures) else None,
    }
    return Explorable("frames", title, data, figure, alt, height=560)


def control(label, options, start=0, *, list=False):
    return {"label": label, "options": [str(o) for o in options], "start": start, "list": list}


def panel(title, x, lines, *, along, label, line=None, ticks=None):
    """Curves {name: y} over x; `along` is the control that moves along x, `line` chooses a curve.

    A value that is not finite is not drawn.
    """
    lines = {name: [float(v) if np.isfinite(v) else None for v in y] for name, y in lines.items()}
    known = [value for y in lines.values() for value in y if value is not None]
    low, high = min(known), max(known)
    return {
        "title": title,
        "x": x,
        "ticks": [f"{value:.5g}".replace("e+0", "e") for value in x] if ticks is None else ticks,
        "lines": [{"name": name, "y": y} for name, y in lines.items()],
        "range": [low, high if high > low else low + 1],
        "along": along,
        "line": line,
        "label": label,
    }


def sheet(pictures, columns=20, colours=None):
    """Pictures (n, H, W) in [0, 1] side by side in one PNG of a few greys, as a page takes it.

    colours : uint8 (GREYS, 3), in the place of greys from black to white
    """
    pictures = np.asarray(pictures, dtype=float).clip(0, 1)
    n, height, width = pictures.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    page = np.zeros((rows * columns, height, width), dtype=np.uint8)
    page[:n] = np.round(pictures * (GREYS - 1))
    page = page.reshape(rows, columns, height, width).swapaxes(1, 2)
    image = Image.fromarray(page.reshape(rows * height, columns * width), "P")
    greys = np.repeat(np.linspace(0, 255, GREYS).round().astype(np.uint8), 3)
    image.putpalette((greys if colours is None else colours).tobytes())
    file = io.BytesIO()
    image.save(file, "png", optimize=True, bits=4)
    source = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    return {"source": source, "width": width, "height": height, "columns": columns}


def beta_explorer(table):
    """Choose beta and the latent size: samples from the prior and numbers of that VAE follow.

    table : DataFrame, one row for each beta, latent_dim and seed (where there are several), with
        the columns reconstruction (-log p(x given z)) and kl, both in nats per image, active
        (units), auroc, and samples (base64 of a PNG: samples from the prior in one row)

    Numbers are means over the seeds; the samples are those of the first one.
    """
    missing = {"beta", "latent_dim", *CURVES, "samples"} - set(table.columns)
    if missing:
        raise ValueError(f"the table lacks the columns {', '.join(sorted(missing))}")
    if table.duplicated([c for c in ("beta", "latent_dim", "seed") if c in table]).any():
        raise ValueError("the table must hold one row for each beta and latent_dim, not several")
    betas, sizes = sorted(table.beta.unique()), sorted(table.latent_dim.unique())
    groups = dict(list(table.groupby(["beta", "latent_dim"])))
    means = table.groupby(["beta", "latent_dim"])[list(CURVES)].mean()
    states = [(beta, size) for beta in betas for size in sizes]
    strips = {s: _strip(group.samples.iloc[0]) for s, group in groups.items()}
    blank = np.ones_like(next(iter(strips.values())))
    panels = []
    for column, title in CURVES.items():
        curves = means[column].unstack().reindex(index=betas, columns=sizes)
        lines = {f"{size:g} latents": curves[size] for size in sizes}
        panels.append(panel(title, betas, lines, along=0, line=1, label="beta"))
    first = table.iloc[0]
    start = betas.index(first.beta), sizes.index(first.latent_dim)
    controls = [
        control("beta", [f"{beta:g}" for beta in betas], start[0]),
        control("latent dimensions", [f"{size:g}" for size in sizes], start[1]),
    ]
    figure, axes = plotting.new_figure(7, 3.4, nrows=2, ncols=2)
    for axis, (column, title) in zip(axes.flat, CURVES.items(), strict=True):
        for size, line in zip(sizes, plotting.LINES, strict=False):
            curve = means[column].unstack()[size].reindex(betas)
            for k, run in enumerate(unbroken(betas)):
                name = f"{size:g} latents" if k == 0 else None
                axis.plot(run, curve.iloc[run], line, color=plotting.SECOND, label=name)
        axis.set(title=title, xticks=range(len(betas)), xticklabels=[f"{b:g}" for b in betas])
    axes[0, 1].legend(loc="upper right")
    alt = (
        f"Four curves over beta from {betas[0]:g} to {betas[-1]:g}, one line for each of "
        f"{', '.join(f'{size:g}' for size in sizes)} latent dimensions: "
        f"{', '.join(CURVES.values())}. {_beta_text(first.beta, first.latent_dim, groups)}"
    )
    return frames(
        "VAEs of several beta",
        controls,
        [_beta_text(beta, size, groups) for beta, size in states],
        panels,
        figure,
        alt,
        titles=["samples from the prior"],
        images=np.arange(len(states))[:, None],
        pictures=[strips.get(state, blank) for state in states],
    )


def _strip(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("L")) / 255


def _beta_text(beta, size, groups):
    name = f"beta = {beta:g}, {size:g} latents"
    if (beta, size) not in groups:
        known = [f"{b:g}" for b, other in sorted(groups) if other == size]
        return (
            f"{name}: not in the table. With {size:g} latents it holds beta = {', '.join(known)}."
        )
    rows = groups[beta, size]
    mean = rows[list(CURVES)].mean()
    several = f" ({rows.auroc.min():.3f} to {rows.auroc.max():.3f}, {len(rows)} seeds)"
    return (
        f"{name}: reconstruction {mean.reconstruction:.1f} nats, KL {mean.kl:.1f} nats, "
        f"{mean.active:g} active latent{'' if mean.active == 1 else 's'}, AUROC {mean.auroc:.3f}"
        f"{several if len(rows) > 1 else ''}."
    )


def share_explorer(table):
    """Move the share of labelled patients: AUROC of each disease for both detectors. -> Explorable

    table : one row for each share and seed; columns share (%), "pretraining images", and for each
        disease and last for "all" the AUROC and its interval: "L1, GROUP", "L1, GROUP, low",
        "L1, GROUP, high", and the same for kNN

    Lines are means over the seeds.
    """
    mean = table.groupby("share").mean(numeric_only=True)
    shares = mean.index.tolist()
    columns = [name for name in table if name.startswith("L1, ") and f"{name}, low" in table]
    names = [name.removeprefix("L1, ") for name in columns]
    detectors = ("L1", "kNN")
    panels, texts = [], []
    for detector in detectors:
        lines = {name: mean[f"{detector}, {name}"] for name in names}
        label = "labelled patients, %"
        made = panel(f"AUROC of {detector}", shares, lines, along=0, label=label)
        panels.append(made)
    for made in panels:  # the point that moves is on the line of all; one range for both
        made["lines"].insert(0, made["lines"].pop(names.index("all")))
        made["range"] = [f(p["range"][k] for p in panels) for k, f in enumerate((min, max))]
    for share in shares:
        numbers = [
            "{} {:.3f} ({:.3f} to {:.3f})".format(
                d, *(mean.loc[share, f"{d}, all{end}"] for end in ("", ", low", ", high"))
            )
            for d in detectors
        ]
        texts.append(
            f"{share:g} % of the labelled patients, {mean.loc[share, 'pretraining images']:.0f} "
            "scans: AUROC over all diseases, and its interval over patients: "
            f"{'; '.join(numbers)}."
        )
    figure, axes = plotting.new_figure(7, 2.4, ncols=2)
    for axis, detector in zip(axes, detectors, strict=True):
        for name, colour, line in zip(names, plotting.GROUPS[2:], plotting.LINES, strict=False):
            axis.plot(shares, mean[f"{detector}, {name}"], line, color=colour, label=name)
        axis.set(xscale="log", title=detector, xlabel="labelled patients, %", ylabel="AUROC")
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    alt = (
        f"Two panels, L1 and kNN: AUROC over the share of labelled patients from {shares[0]:g} to "
        f"{shares[-1]:g} %, one line for each of {', '.join(names)}. {texts[-1]}"
    )
    controls = [control("share", [f"{share:g} %" for share in shares], len(shares) - 1)]
    return frames("The share of labelled patients", controls, texts, panels, figure, alt)


VALUES = torch.linspace(-3, 3, 13)  # the prior N(0, 1) holds nearly all of its mass between


def traversal_explorer(vae, images, labels, classes, most=5):
    """Set one latent of an image's code to a value: what the decoder makes of it. -> Explorable

    vae : has encode (N, 1, H, W) -> mu, logvar of shape (N, d), and decode (N, d) back
    images, labels : uint8 (N, 1, H, W) and (N,), positions in `classes`; the first image of each
        of the first `most` classes can be chosen

    The latents are ordered by their mean KL over the images, the largest first.
    """
    chosen = _first_of_each(images, labels)[:most]
    x = as_input(images[chosen])
    with evaluating(vae):
        codes = [vae.encode(batch) for batch in batches(images, 256)]
        means, logvar = map(torch.cat, zip(*codes, strict=True))
        kl = kl_divergence(means.reshape(-1, 1), logvar.reshape(-1, 1)).view_as(means).mean(0)
        kl = kl.cpu().numpy()
        order = np.argsort(-kl, kind="stable")
        mu = vae.encode(x)[0]
        z = mu[:, None, None].repeat(1, len(order), len(VALUES), 1)
        for rank, latent in enumerate(order):
            z[:, rank, :, latent] = VALUES.to(z)
        x_hat = vae.decode(mu)[:, 0].cpu().numpy()
        paths = vae.decode(z.flatten(0, 2))[:, 0].cpu().numpy()
    mu, x, (height, width) = mu.cpu().numpy(), x[:, 0].cpu().numpy(), paths.shape[1:]
    paths = paths.reshape(len(chosen), len(order), len(VALUES), height, width)
    change = ((paths - x_hat[:, None, None]) ** 2).mean((3, 4))
    text, numbers = [], []
    for i, rank, k in np.ndindex(change.shape):
        latent = order[rank]
        text.append(
            f"z[{latent}], number {rank + 1} of {len(order)} by KL: {kl[latent]:.3f} nats on "
            f"average, mu = {mu[i, latent]:.2f}. At {VALUES[k]:g}: mean squared difference from "
            f"the reconstruction {change[i, rank, k]:.4f}."
        )
        numbers.append([i, len(chosen) + i, 2 * len(chosen) + len(text) - 1])
    ranks = [str(rank + 1) for rank in range(len(order))]
    bars = panel("mean KL (nats)", ranks, {"KL": kl[order]}, along=1, label="latents", ticks=ranks)
    bars["range"][0] = 0
    name = str(classes[labels[chosen[0]]])
    figure = plotting.image_rows(
        {f"z[{latent}]": path[:, None] for latent, path in zip(order[:4], paths[0], strict=False)}
    )
    alt = (
        f"The decoded image of a {name}, one row for each of {min(4, len(order))} latents with the "
        f"largest KL, set to 13 values from -3 to 3 from left to right. {text[len(VALUES) // 2]}"
    )
    controls = [
        control("image of class", [classes[labels[i]] for i in chosen], list=True),
        control("latent, by KL", ranks),
        control("value", [f"{value:g}" for value in VALUES], len(VALUES) // 2),
    ]
    return frames(
        "One latent of a code",
        controls,
        text,
        [bars],
        figure,
        alt,
        titles=["image", "reconstruction", "one latent set"],
        images=numbers,
        pictures=[*x, *x_hat, *paths.reshape(-1, height, width)],
    )


STEPS = 11  # positions of t from 0 to 1


def latent_explorer(model, images, labels, classes, most=5):
    """Slide from the code of one image to that of another, and blend their pixels. -> Explorable

    model : has encode (N, 1, H, W) -> (N, d) and decode back
    images, labels : uint8 (N, 1, H, W) and (N,), positions in `classes`; the first image of each
        of `most` classes, spread over all of them, can be chosen at both ends
    """
    first = _first_of_each(images, labels)
    chosen = first[np.linspace(0, len(first) - 1, min(most, len(first))).round().astype(int)]
    x = as_input(images[chosen])
    pairs = list(np.ndindex(len(chosen), len(chosen)))
    with evaluating(model):
        codes = model.encode(x)
        z = torch.cat([interpolate(codes[a], codes[b], STEPS) for a, b in pairs])
        decoded = model.decode(z)[:, 0].cpu().numpy()
        flat = x.flatten(1)
        blend = torch.cat([interpolate(flat[a], flat[b], STEPS) for a, b in pairs])
    x, blend = x[:, 0].cpu().numpy(), blend.cpu().numpy().reshape(decoded.shape)
    names = [str(classes[labels[i]]) for i in chosen]
    text, numbers = [], []
    for row, (a, b, k) in enumerate((*pair, k) for pair in pairs for k in range(STEPS)):
        away = [((decoded[row] - other) ** 2).mean() for other in (x[a], x[b], blend[row])]
        text.append(
            f"From {names[a]} to {names[b]}, t = {k / (STEPS - 1):.1f}. Mean squared difference of "
            f"the decoded image: {away[0]:.3f} to the first end, {away[1]:.3f} to the other, "
            f"{away[2]:.3f} to the blended pixels."
        )
        numbers.append([row, len(decoded) + row])
    # the mean over all pairs: what lies between digits is no digit
    apart = ((decoded - blend) ** 2).mean((1, 2)).reshape(-1, STEPS)
    unlike = apart[[a != b for a, b in pairs]].mean(0)
    t = np.linspace(0, 1, STEPS)
    curve = panel(
        "decoded − blended, mean square",
        t,
        {"difference": unlike},
        along=2,
        label="t",
        ticks=[f"{value:.1f}" for value in t],
    )
    last = pairs.index((0, len(chosen) - 1))
    way = slice(last * STEPS, (last + 1) * STEPS)
    figure = plotting.image_rows({"decoded": decoded[way, None], "blended": blend[way, None]})
    alt = (
        f"Two rows of {STEPS} images from a {names[0]} to a {names[-1]}: above decoded from the "
        f"straight line between the codes, below the blended pixels. {text[way][STEPS // 2]}"
    )
    controls = [
        control("from", names, list=True),
        control("to", names, len(names) - 1, list=True),
        control("t", [f"{value:.1f}" for value in t], STEPS // 2),
    ]
    return frames(
        "Between the codes of two images",
        controls,
        text,
        [curve],
        figure,
        alt,
        titles=["decoded at t", "blended pixels at t"],
        images=numbers,
        pictures=[*decoded, *blend],
    )


SHOWN = 6  # images in a round, one of them real


def sample_quiz(real, samples, rounds=8):
    """Find the real image among six; each round says which it was, and counts. -> Explorable

    real, samples : uint8 or float in [0, 1], (N, 1, H, W); enough of them that none comes twice
    """
    drawn = draw_rounds(real, samples, rounds)
    pictures = np.concatenate([images for images, _ in drawn])
    data = {"places": [place for _, place in drawn], "shown": SHOWN, "sheet": sheet(pictures)}
    return Explorable(
        "quiz",
        "Which image is real?",
        data,
        plotting.image_rows({"round 1": pictures[:SHOWN, None]}),
        f"{SHOWN} images in a row, one of them a real digit and the others samples of a model.",
        height=400,
    )


def draw_rounds(real, samples, rounds):
    """Six images (6, H, W) a round and the place of the real one, 1 to 6: the same each time."""
    real, samples = (
        plotting.as_pictures(images.detach().cpu() if isinstance(images, torch.Tensor) else images)
        for images in (real, samples)
    )
    needed = (SHOWN - 1) * rounds
    if len(real) < rounds or len(samples) < needed:
        raise ValueError(
            f"{rounds} rounds take {rounds} real pictures and {needed} samples; "
            f"got {len(real)} and {len(samples)}"
        )
    rng = np.random.default_rng(0)
    chosen = real[rng.choice(len(real), rounds, replace=False)]
    others = samples[rng.choice(len(samples), needed, replace=False)]
    places = rng.integers(SHOWN, size=rounds)
    others = others.reshape(rounds, SHOWN - 1, *others.shape[1:])
    return [
        (np.insert(fake, place, true, axis=0), int(place) + 1)
        for true, fake, place in zip(chosen, others, places, strict=True)
    ]


SEVERITIES = np.linspace(0, 1, 6)


def residual_explorer(model, images, corruptions, most=4):
    """Choose an image, a corruption and its severity: residual and SSIM follow. -> Explorable

    model : autoencoder, (N, 1, H, W) -> the same; images : uint8 (N, 1, H, W), of which the first
        `most` can be chosen; corruptions : {name: f(images, severity from 0 to 1) -> images}
    """
    clean = np.asarray(images)[:most]
    names = list(corruptions)
    changed = np.stack([[corruptions[n](clean, s) for s in SEVERITIES] for n in names])
    changed = changed.transpose(2, 0, 1, 3, 4, 5)  # image, corruption, severity
    x = as_input(changed.reshape(-1, *clean.shape[1:]))
    with evaluating(model):
        before = absolute_error(as_input(clean), model(as_input(clean))).cpu().numpy()
        x_hat = model(x)
        error = absolute_error(x, x_hat).cpu().numpy().reshape(changed.shape[:3])
        unlike = ssim_residual(x, x_hat)
        maps = [y[:, 0].cpu().numpy() for y in (x, x_hat, (x_hat - x + 1) / 2, unlike / 2)]
    mean = unlike.mean((1, 2, 3)).cpu().numpy().reshape(error.shape)
    moved = (np.abs(changed.astype(float) - clean[:, None, None]) > 0.02 * 255).mean((3, 4, 5))
    text = []
    for i, c, s in np.ndindex(error.shape):
        verdict = "rises" if error[i, c, s] > before[i] else "falls"
        verdict = "stays the same" if error[i, c, s] == before[i] else verdict
        text.append(
            f"{names[c]}, severity {SEVERITIES[s]:.1f}: the mean absolute error {verdict}, from "
            f"{before[i]:.4f} to {error[i, c, s]:.4f}; 1 − SSIM is {mean[i, c, s]:.3f} on average. "
            f"{moved[i, c, s]:.1%} of the pixels changed."
        )
    curve = panel(
        "mean absolute error of these images",
        SEVERITIES,
        dict(zip(names, error.mean(0), strict=True)),
        along=2,
        line=1,
        label="severity",
        ticks=[f"{s:.1f}" for s in SEVERITIES],
    )
    titles = ["input", "reconstruction", "reconstruction − input", "1 − SSIM"]
    half = len(SEVERITIES) // 2
    figure = plotting.image_rows(
        {title: y[: len(SEVERITIES), None] for title, y in zip(titles, maps, strict=True)}
    )
    alt = (
        f"Four rows over six severities of {names[0]} from 0 to 1: input, reconstruction, their "
        f"difference from black (-1) to white (1), and 1 − SSIM. {text[half]}"
    )
    controls = [
        control("image", range(1, len(clean) + 1)),
        control("corruption", names, list=True),
        control("severity", [f"{s:.1f}" for s in SEVERITIES], half),
    ]
    numbers = np.arange(len(x))[:, None] + len(x) * np.arange(4)
    return frames(
        "What is not rebuilt",
        controls,
        text,
        [curve],
        figure,
        alt,
        titles=titles,
        images=numbers,
        pictures=np.concatenate(maps),
    )


def _first_of_each(images, labels):
    """Positions of the first image of each class."""
    images, labels = np.asarray(images), np.asarray(labels)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:2] != (len(labels), 1):
        raise ValueError(
            f"images must be uint8 (N, 1, H, W) with N labels; got {images.dtype} {images.shape} "
            f"and {len(labels)} labels"
        )
    return np.unique(labels, return_index=True)[1]
