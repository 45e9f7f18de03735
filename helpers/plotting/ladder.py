"""What the ladder of module 5 is made of: a residual block, who has seen what, and the rungs."""

import copy

import numpy as np

from helpers.plotting.style import ANOMALY, NORMAL, SECOND, THRESHOLD, new_figure

SEEDS = "osD^v"  # the shape of a mark is its seed
RANKS = {"random": 0, "denoising, normals": 1, "denoising": 2, "all labels": 4}  # 3: one disease
WORDS = {"Conv2d": "conv", "BatchNorm2d": "batch\nnorm", "ReLU": "ReLU", "Identity": "identity"}


def residual_block(block, shape):
    """The two paths of a residual block, drawn from the module: its layers, and shapes between.

    block : nn.Module with the parts `body` (nn.Sequential) and `skip`
    shape : (C, H, W) of its input
    """
    import torch

    block = copy.deepcopy(block).cpu().eval()
    x, steps = torch.zeros(1, *shape), []
    with torch.no_grad():
        path = x
        for layer in block.body:
            path = layer(path)
            steps.append((_words(layer), tuple(path.shape[1:])))
        figure, axis = new_figure(9.4, 2.3)
    axis.set(xlim=(0, len(steps) + 2.9), ylim=(-0.75, 1.55))
    axis.axis("off")
    plus = len(steps) + 1.75
    _box(axis, 0.55, 0.4, "x\n" + _shape(shape), "white", 0.95)
    for place, (words, _) in enumerate(steps):
        _box(axis, 1.75 + place, 1, words, SECOND if "conv" in words else "lightgrey", 0.8)
        if place:
            _arrow(axis, (place + 1.17, 1), (place + 1.33, 1))
    _box(axis, 1.75 + (len(steps) - 1) / 2, -0.3, _words(block.skip), SECOND, 1.9)
    middle = 1.75 + (len(steps) - 1) / 2
    _arrow(axis, (0.8, 0.72), (1.33, 1))
    _arrow(axis, (0.8, 0.08), (middle - 0.97, -0.3))
    _arrow(axis, (plus - 0.58, 1), (plus - 0.1, 0.55))
    _arrow(axis, (middle + 0.97, -0.3), (plus - 0.1, 0.25))
    axis.text(plus, 0.4, "+", ha="center", va="center", fontsize=20)
    _arrow(axis, (plus + 0.15, 0.4), (plus + 0.4, 0.4))
    axis.text(plus + 0.45, 0.4, "y\n" + _shape(steps[-1][1]), va="center", fontsize=9)
    axis.text(1.33, 1.38, "body f", fontsize=9, style="italic")
    axis.text(middle + 1.05, -0.62, "short cut s", fontsize=9, style="italic")
    return figure


def _words(layer):
    """A layer's name with what matters of it."""
    name = WORDS.get(type(layer).__name__, type(layer).__name__)
    if type(layer).__name__ == "Conv2d":
        height, width = layer.kernel_size
        name += f" {height}×{width}\n{layer.in_channels} → {layer.out_channels}"
    return name


def _shape(shape):
    return "×".join(map(str, shape))


def _box(axis, x, y, text, colour, width):
    style = {"boxstyle": f"square,pad=0.{35 if width < 1 else 45}", "edgecolor": THRESHOLD}
    face = colour if colour == "white" else (*_light(colour), 1)
    axis.text(x, y, text, ha="center", va="center", fontsize=9, bbox=style | {"facecolor": face})


def _light(colour):
    """A colour mixed with white, so that black text can be read on it."""
    from matplotlib.colors import to_rgb

    return 1 - 0.35 * (1 - np.array(to_rgb(colour)))


def _arrow(axis, start, end):
    axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": THRESHOLD, "lw": 1})


def seen_flow(seen, decoder):
    """Who has seen what: for each rung the scans that its encoder saw, and what comes after.

    seen : one row a rung; a column of numbers of scans for each class, the first one healthy, and
        a column "labels", whether the encoder saw their labels
    decoder : number of healthy scans that every decoder sees
    """
    classes = [name for name in seen if name != "labels"]
    figure, axis = new_figure(9.4, 0.44 * len(seen) + 1.3)
    right = len(classes) + 2.2
    axis.set(xlim=(-2.3, right + 2.9), ylim=(len(seen) - 0.4, -1.3))
    axis.axis("off")
    for place, name in enumerate(classes):
        axis.text(place, -0.75, name, ha="center", fontsize=9)
    axis.text(-2.25, -0.75, "encoder of the rung", fontsize=9, weight="bold")
    middle = (len(seen) - 1) / 2
    for y, (rung, row) in enumerate(seen.iterrows()):
        axis.text(-2.25, y, rung, va="center", fontsize=9)
        for place, name in enumerate(classes):
            if row[name]:
                colour = ANOMALY if place else NORMAL
                face = colour if row.labels else "white"
                axis.scatter(place - 0.2, y, s=90, color=face, edgecolors=colour, linewidths=1.8)
                axis.text(place, y, f"{row[name]}", va="center", fontsize=8)
            else:
                axis.text(place, y, "–", ha="center", va="center", fontsize=9, color="dimgrey")
        _arrow(axis, (len(classes) - 0.3, y), (right - 0.85, middle + 0.35 * (y - middle)))
    healthy = f"decoder of each\nrung: {decoder}\n{classes[0]} scans"
    axis.text(right, middle, healthy, ha="center", va="center", fontsize=9, color=NORMAL)
    _arrow(axis, (right + 0.9, middle), (right + 1.25, middle))
    axis.text(
        right + 1.3, middle, "judged on test\npatients of\nall classes", va="center", fontsize=9
    )
    return figure


def ladder_steps(frame):
    """AUROC of the rungs with every seed: a panel for each disease and one for all.

    frame : columns rung, seed, diseases, auroc, low, high; the group "others" is left out
    A filled mark: the encoder saw labels of that disease (of all of them, in the panel "all").
    """
    frame = frame[frame.diseases != "others"]
    panels = list(frame.diseases.unique())
    names = sorted(frame.rung.unique(), key=lambda rung: RANKS.get(rung, 3))
    seeds = sorted(frame.seed.unique())
    height = max(0.42, 0.11 * len(seeds)) * len(names) + 1.2
    figure, axes = new_figure(9.4, height, ncols=len(panels), sharey=True, sharex=True)
    for axis, panel in zip(np.atleast_1d(axes), panels, strict=True):
        axis.axvline(0.5, linestyle=":", color="grey")
        for place, rung in enumerate(names):
            part = frame[(frame.diseases == panel) & (frame.rung == rung)]
            filled = rung in (panel, "all labels")
            for _, row in part.iterrows():
                turn = seeds.index(row.seed)
                at = place + 0.7 * ((turn + 0.5) / len(seeds) - 0.5)
                axis.hlines(at, row.low, row.high, color=SECOND, linewidth=1, alpha=0.6)
                axis.scatter(
                    row.auroc,
                    at,
                    s=18,
                    marker=SEEDS[turn % len(SEEDS)],
                    facecolors=SECOND if filled else "white",
                    edgecolors=SECOND,
                    zorder=3,
                )
            if len(part):
                axis.vlines(part.auroc.mean(), place - 0.42, place + 0.42, color=THRESHOLD)
        axis.set(title=panel, xlabel="AUROC", xlim=(min(0.4, frame.low.min() - 0.02), 1.02))
    first = np.atleast_1d(axes)[0]
    first.set(yticks=range(len(names)), yticklabels=names)
    first.invert_yaxis()
    for turn, seed in enumerate(seeds):
        mark = {"color": SECOND, "markerfacecolor": "none", "ms": 4}
        first.plot([], [], SEEDS[turn % len(SEEDS)], **mark, label=f"seed {seed}")
    figure.legend(loc="outside lower center", ncols=len(seeds), fontsize=8)
    return figure
