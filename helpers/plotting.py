"""Every figure that a notebook shows more than once.

One colour for one thing throughout the course, from the palette of Okabe and Ito, which
colour-blind readers can tell apart. Each function returns its figure; `show` displays it with a
line of text for those who cannot see it.
"""

from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from IPython.display import display
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from scipy.stats import beta
from sklearn.metrics import precision_recall_curve, roc_curve

from helpers.banner import Caption
from helpers.metrics import auroc
from helpers.training import as_input

NORMAL, ANOMALY, THRESHOLD, SECOND = "#0072B2", "#D55E00", "#222222", "#009E73"
THIRD, FOURTH = "#CC79A7", "#E69F00"
GROUPS = [NORMAL, ANOMALY, SECOND, THIRD, FOURTH, "#56B4E9"]
LINES = ["-", "--", ":", "-."]
RESIDUAL = LinearSegmentedColormap.from_list("residual", [NORMAL, "white", ANOMALY])


def use_course_style():
    """Set fonts, grid and resolution for all figures of a notebook."""
    sns.set_theme(style="ticks", context="notebook", font_scale=0.9)
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "axes.spines.right": False,
            "axes.spines.top": False,
            "legend.frameon": False,
        }
    )


def show(figure, text):
    """Display a figure, and under it what it says in words."""
    display(figure, Caption(text))


class Picture(Figure):
    """A figure that shows itself as PNG wherever it is displayed, and never without being asked."""

    def _repr_png_(self):
        page = BytesIO()
        self.savefig(page, format="png")
        return page.getvalue()


def new_figure(width=7.0, height=3.2, **grid):
    """A Picture and its axes."""
    figure = Picture(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(**grid)


def as_pictures(images):
    """uint8 or float pictures (N, C, H, W) -> float array (N, H, W) or (N, H, W, 3) in [0, 1]."""
    images = np.asarray(images)
    images = images / 255 if images.dtype == np.uint8 else images
    images = images.clip(0, 1)
    return images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)


def image_rows(rows):
    """One row of pictures for each of {name: pictures (N, C, H, W)}, all rows equally long."""
    columns = len(next(iter(rows.values())))
    figure, axes = new_figure(
        0.72 * columns + 1.1, 0.76 * len(rows), nrows=len(rows), ncols=columns, squeeze=False
    )
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(row, as_pictures(images), strict=True):
            _picture(axis, picture)
        _row_name(row[0], name)
    return figure


def residual_rows(images, reconstructions, ends=("ink missing", "ink added")):
    """Pictures, their reconstructions, and the residual: orange too bright, blue too dark."""
    x, x_hat = as_input(images).cpu().numpy()[:, 0], as_pictures(reconstructions)
    figure, axes = new_figure(0.78 * len(x) + 1.9, 2.5, nrows=3, ncols=len(x), squeeze=False)
    for column, (a, b) in enumerate(zip(x, x_hat, strict=True)):
        _picture(axes[0, column], a)
        _picture(axes[1, column], b)
        last = _picture(axes[2, column], b - a, cmap=RESIDUAL, vmin=-1, vmax=1)
    for row, name in zip(axes, ("picture", "rebuilt", "residual"), strict=True):
        _row_name(row[0], name)
    bar = figure.colorbar(last, ax=axes, shrink=0.8, ticks=[-1, 0, 1], pad=0.02)
    bar.set_ticklabels([ends[0], "equal", ends[1]])
    return figure


def _picture(axis, picture, cmap="gray", vmin=0, vmax=1):
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    return axis.imshow(picture, cmap=cmap, vmin=vmin, vmax=vmax)


def _row_name(axis, name):
    axis.set_ylabel(name, rotation=0, ha="right", va="center")


class LiveCurve:
    """Training and validation curves in one picture that is redrawn as the training goes on."""

    def __init__(self, x_label, y_label):
        self.labels = {"xlabel": x_label, "ylabel": y_label}
        self.handle = display(self.draw([]), display_id=True)

    def update(self, history):
        """Redraw with `history`, a list of dicts of numbers, one entry a point."""
        if self.handle:
            self.handle.update(self.draw(history))

    def draw(self, history):
        figure, axis = new_figure(6, 2.8)
        for name, colour, line in (("train", NORMAL, "-"), ("validation", SECOND, "--")):
            values = [row[name] for row in history if name in row]
            axis.plot(range(1, len(values) + 1), values, line, color=colour, label=name, marker=".")
        axis.set(**self.labels)
        axis.xaxis.get_major_locator().set_params(integer=True)
        if history:
            axis.set_yscale("log")
            _plain_log_ticks(axis.yaxis)
            axis.legend()
        return figure


def score_histogram(groups, thresholds, *, label="error of each picture"):
    """Histograms of {name: scores}, and a line for each of {name: threshold}. Drops no tail."""
    figure, axis = new_figure(7, 3)
    everything = np.concatenate(list(groups.values()))
    edges = np.geomspace(everything.min(), everything.max(), 60)
    for (name, scores), colour in zip(groups.items(), GROUPS, strict=False):
        axis.hist(scores, edges, color=colour, alpha=0.55, label=name)
    for (name, threshold), line in zip(thresholds.items(), LINES, strict=False):
        axis.axvline(threshold, color=THRESHOLD, linestyle=line, label=name)
    axis.set(xscale="log", xlabel=f"{label} (logarithmic)", ylabel="pictures")
    _plain_log_ticks(axis.xaxis)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _plain_log_ticks(axis):
    """Ticks at 1, 2, 5 times a power, as decimal numbers, which read quicker than powers.

    Only at the powers where there are more than three: the numbers would overlap.
    """
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def boxes(frame, x, y, *, order=None, log=False):
    """Box plots of column y for each value of column x."""
    figure, axis = new_figure(max(7, 0.85 * frame[x].nunique()), 3)
    sns.boxplot(
        frame,
        x=x,
        y=y,
        order=order,
        ax=axis,
        color=NORMAL,
        fliersize=1.5,
        linewidth=1,
        saturation=0.6,
    )
    if log:
        axis.set_yscale("log")
        _plain_log_ticks(axis.yaxis)
    return figure


def share_bars(shares, label):
    """Bars of a Series of shares, with the number at each."""
    figure, axis = new_figure(7, 2.9)
    bars = axis.bar([str(name) for name in shares.index], shares, color=NORMAL)
    axis.bar_label(bars, [f"{share:.0%}" for share in shares], padding=2)
    axis.set(xlabel=shares.index.name or "", ylabel=label, ylim=(0, 1.12 * max(shares.max(), 0.01)))
    axis.yaxis.set_major_formatter("{x:.0%}")
    return figure


def false_alarm_histogram(simulated, alpha):
    """False-alarm rates of simulated calibrations {n: rates}, with the Beta law of each n."""
    figure, axes = new_figure(7.5, 2.8, ncols=len(simulated), sharex=True)
    for axis, (n, rates) in zip(axes, simulated.items(), strict=True):
        k = (np.arange(1, n + 2) / (n + 1) <= alpha).sum()
        top = max(np.quantile(r, 0.999) for r in simulated.values())
        axis.hist(rates, np.linspace(0, top, 40), density=True, color=NORMAL, alpha=0.55)
        x = np.linspace(1e-4, top, 300)
        axis.plot(x, beta(k, n + 1 - k).pdf(x), color=SECOND, label=f"Beta({k}, {n + 1 - k})")
        axis.axvline(np.mean(rates), color=NORMAL, linestyle="--", label="mean")
        axis.axvline(alpha, color=THRESHOLD, label=f"alpha = {alpha:.0%}")
        axis.set(title=f"n = {n} calibration scores", xlabel="false-alarm rate", yticks=[])
        axis.xaxis.set_major_formatter("{x:.0%}")
        axis.legend()
    axes[0].set_ylabel("density")
    return figure


def roc_and_precision(normal_scores, anomalies):
    """ROC and precision-recall curves of {name: anomaly scores} against the normal scores."""
    figure, (left, right) = new_figure(8, 3.4, ncols=2)
    for (name, scores), colour, line in zip(anomalies.items(), GROUPS[1:], LINES, strict=False):
        labels = np.repeat([0, 1], [len(normal_scores), len(scores)])
        together = np.concatenate([normal_scores, scores])
        false_alarms, found, _ = roc_curve(labels, together)
        area = auroc(normal_scores, scores)
        left.plot(false_alarms, found, line, color=colour, label=f"{name}\nAUROC {area:.3f}")
        precision, recall, _ = precision_recall_curve(labels, together)
        right.plot(recall, precision, line, color=colour, label=name)
        chance = labels.mean()
    left.plot([0, 1], [0, 1], ":", color="grey", label="chance")
    right.axhline(chance, linestyle=":", color="grey", label=f"chance ({chance:.2f})")
    left.set(xlabel="false-alarm rate", ylabel="detection rate", title="ROC", aspect="equal")
    right.set(xlabel="detection rate (recall)", ylabel="precision", ylim=(0, 1.03), aspect="equal")
    right.set_title("Precision and recall")
    for axis in (left, right):
        axis.legend(loc="lower left" if axis is right else "lower right")
    return figure


def band(frame, x, y, x_label, y_label, *, chance=None):
    """Line of column y over column x with the interval of the columns low and high."""
    figure, axis = new_figure(7, 3)
    axis.plot(frame[x], frame[y], color=ANOMALY, marker=".")
    axis.fill_between(
        frame[x], frame.low, frame.high, color=ANOMALY, alpha=0.25, label="95 % interval"
    )
    if chance is not None:
        axis.axhline(chance, linestyle=":", color="grey", label="chance")
    axis.set(xlabel=x_label, ylabel=y_label, xticks=frame[x][:: max(1, len(frame) // 8)])
    axis.legend()
    return figure


def intervals(frame, row, group):
    """AUROC with its interval (columns auroc, low, high): one line a `row`, one panel a `group`."""
    panels = frame[group].unique()
    rows = list(frame[row].unique())
    figure, axes = new_figure(8, 0.4 * len(rows) + 1.0, ncols=len(panels), sharey=True, sharex=True)
    for axis, panel in zip(np.atleast_1d(axes), panels, strict=True):
        part = frame[frame[group] == panel].set_index(row).loc[rows]
        axis.axvline(0.5, linestyle=":", color="grey")
        axis.hlines(rows, part.low, part.high, color=ANOMALY, linewidth=4, alpha=0.4)
        axis.plot(part.auroc, rows, "o", color=ANOMALY, markersize=5)
        for name, entry in part.iterrows():
            axis.annotate(f"{entry.auroc:.3f}", (1.06, name), va="center", annotation_clip=False)
        axis.set(
            title=panel,
            xlabel="AUROC, 95 % interval",
            xlim=(min(0.3, frame.low.min() - 0.05), 1.02),
        )
    np.atleast_1d(axes)[0].invert_yaxis()
    return figure


def embedding(points, labels, classes, axes=("t-SNE 1", "t-SNE 2")):
    """Two-dimensional points (N, 2), coloured by class, each class named at its median."""
    figure, axis = new_figure(6.4, 4.6)
    palette = sns.color_palette("husl", len(classes))
    for i, name in enumerate(classes):
        own = points[labels == i]
        if not len(own):
            continue
        axis.scatter(*own.T, s=6, color=palette[i], label=name, alpha=0.8, linewidths=0)
        box = {
            "boxstyle": "round,pad=0.2",
            "facecolor": "white",
            "edgecolor": palette[i],
            "alpha": 0.85,
        }
        axis.annotate(
            name, np.median(own, axis=0), ha="center", va="center", bbox=box, weight="bold"
        )
    axis.set(xticks=[], yticks=[], xlabel=axes[0], ylabel=axes[1])
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=3)
    return figure


def bottleneck(table):
    """Test error and AUROC over the size of the code, autoencoder beside PCA."""
    figure, (left, right) = new_figure(8, 3.2, ncols=2)
    for axis, y, pca in ((left, "test_mse", "pca_mse"), (right, "auroc", "pca_auroc")):
        axis.plot(
            table.latent_dim, table[y], "o-", color=ANOMALY, label="autoencoder", markersize=4
        )
        axis.plot(table.latent_dim, table[pca], "s--", color="grey", label="PCA", markersize=4)
        axis.set(xscale="log", xlabel="numbers in the code", xticks=table.latent_dim)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xticks([], minor=True)
        axis.legend()
    right.fill_between(table.latent_dim, table.low, table.high, color=ANOMALY, alpha=0.25)
    left.set(yscale="log", ylabel="test error (MSE)")
    _plain_log_ticks(left.yaxis)
    right.set(ylabel="AUROC, rotated by 90°")
    return figure


def curves(series, x_label, y_label, *, log="", marks=()):
    """Lines of {name: (x, y)}; `log` names the logarithmic axes ("x", "y", "xy").

    marks : (name, x) of vertical lines
    """
    figure, axis = new_figure(7, 3)
    for (name, (x, y)), colour, line in zip(series.items(), GROUPS, LINES, strict=False):
        axis.plot(x, y, line, color=colour, label=name)
    for name, x in marks:
        axis.axvline(x, color=THRESHOLD, linestyle=":", label=name)
    axis.set(xlabel=x_label, ylabel=y_label)
    for letter in log:
        axis.set(**{f"{letter}scale": "log"})
        _plain_log_ticks(getattr(axis, f"{letter}axis"))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def estimates(x, means, errors, truth, x_label, y_label):
    """Estimates with bars of two standard errors over x (logarithmic), and the true value."""
    figure, axis = new_figure(6, 2.8)
    bars = 2 * np.asarray(errors)
    axis.errorbar(
        x, means, bars, fmt="o", color=SECOND, capsize=3, label="estimate ± 2 std. errors"
    )
    axis.axhline(truth, color=THRESHOLD, linestyle="--", label="exact")
    axis.set(xscale="log", xlabel=x_label, ylabel=y_label)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def reparameterization(noise, gaussians):
    """The same noise moved and stretched into each of {name: (mu, sigma)}."""
    figure, axis = new_figure(7, 2.8)
    for level, ((name, (mu, sigma)), colour) in enumerate(
        zip(gaussians.items(), (NORMAL, ANOMALY, SECOND), strict=False)
    ):
        top, bottom = 2 * level + 1, 2 * level
        z = mu + sigma * noise
        axis.plot([noise, z], [np.full_like(z, top), np.full_like(z, bottom)], color=colour, lw=0.6)
        axis.plot(noise, np.full_like(z, top), ".", color="grey", clip_on=False)
        axis.plot(z, np.full_like(z, bottom), ".", color=colour, clip_on=False)
        axis.text(1.02, bottom, f"z: {name}", color=colour, transform=axis.get_yaxis_transform())
        axis.text(1.02, top, "noise: N(0, 1)", color="grey", transform=axis.get_yaxis_transform())
    axis.set(yticks=[], xlabel="value")
    axis.spines["left"].set_visible(False)
    return figure


def bars(values, x_label, y_label):
    """One bar for each value, numbered from 1."""
    figure, axis = new_figure(7, 2.6)
    axis.bar(np.arange(1, len(values) + 1), values, color=NORMAL)
    axis.set(xlabel=x_label, ylabel=y_label)
    axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def posteriors(pictures, titles, line, posterior, mu, sigma):
    """The true posterior on a grid of z, and the encoder's Gaussian as an ellipse of two sigma.

    pictures (N, 1, H, W); line (side,), the grid along either axis; posterior (N, side, side), z2
    down the rows; mu, sigma (N, 2)
    """
    figure, axes = new_figure(9.4, 2.9, ncols=len(pictures))
    line, angle = np.asarray(line), np.linspace(0, 2 * np.pi, 100)
    ends = (line[0], line[-1])
    for axis, picture, title, density, m, s in zip(
        axes, as_pictures(pictures), titles, np.asarray(posterior), mu, sigma, strict=True
    ):
        m, s = np.asarray(m), np.asarray(s)
        axis.imshow(density, origin="lower", extent=(*ends, *ends), cmap="Blues")
        axis.plot(m[0] + 2 * s[0] * np.cos(angle), m[1] + 2 * s[1] * np.sin(angle), color=ANOMALY)
        row, column = np.unravel_index(density.argmax(), density.shape)
        mode = np.array([line[column], line[row]])
        centre = (m + mode) / 2
        half = 0.7 * np.abs(m - mode).max() + 4 * s.max()
        axis.set(
            xlim=(centre[0] - half, centre[0] + half),
            ylim=(centre[1] - half, centre[1] + half),
            xlabel="$z_1$",
            title=title,
        )
        _picture(axis.inset_axes((0.74, 0.74, 0.26, 0.26)), picture)
    axes[0].set_ylabel("$z_2$")
    return figure


def mosaic(pictures, columns, extent):
    """Pictures (rows·columns, 1, H, W), first row at the bottom, as one picture over `extent`."""
    pictures = as_pictures(pictures)
    n, height, width = pictures.shape
    grid = pictures.reshape(n // columns, columns, height, width)[::-1]
    figure, axis = new_figure(5, 5)
    axis.imshow(grid.transpose(0, 2, 1, 3).reshape(-1, columns * width), cmap="gray", extent=extent)
    axis.set(xlabel="$z_1$", ylabel="$z_2$")
    return figure


def beta_sweep(table):
    """Reconstruction, KL, active units and AUROC over beta, one line a size of the code."""
    panels = {
        "reconstruction": "reconstruction, nats",
        "kl": "KL, nats",
        "active": "active units",
        "auroc": "AUROC",
    }
    figure, axes = new_figure(9.5, 2.7, ncols=4)
    for axis, (column, name) in zip(axes, panels.items(), strict=True):
        for (size, part), colour, line in zip(
            table.groupby("latent_dim"), GROUPS, LINES, strict=False
        ):
            axis.plot(
                part.beta, part[column], line, color=colour, marker=".", label=f"{size} latents"
            )
        axis.set(xscale="log", xlabel="beta", title=name, xticks=[0.1, 10, 1e3, 1e5])
        axis.set_xticks([], minor=True)
    axes[0].legend(loc="lower right")
    return figure


def auroc_table(frame, intervals=None):
    """A frame of AUROCs as a picture: blue above one half, orange below.

    intervals : (low, high) of each, a frame of the same rows and columns, for a second line
    """
    texts = frame.map("{:.2f}".format)
    if intervals is not None:
        texts += intervals.map(lambda pair: "\n{:.2f} to {:.2f}".format(*pair))
    height = 0.36 if intervals is None else 0.5
    figure, axis = new_figure(9.4, height * len(frame) + 0.7)
    sns.heatmap(
        frame,
        annot=texts,
        annot_kws=None if intervals is None else {"fontsize": 8},
        fmt="",
        cmap=RESIDUAL.reversed(),
        vmin=0,
        vmax=1,
        linewidths=1,
        cbar=False,
        ax=axis,
    )
    axis.set(xlabel="", ylabel="")
    axis.tick_params(length=0, labeltop=True, labelbottom=False)
    return figure


def scatter(groups, x_label, y_label, *, log=""):
    """Points of {name: (x, y)}."""
    figure, axis = new_figure(6.5, 3.4)
    for (name, (x, y)), colour in zip(groups.items(), GROUPS, strict=False):
        axis.scatter(x, y, s=5, color=colour, alpha=0.5, linewidths=0, label=name)
    axis.set(xlabel=x_label, ylabel=y_label)
    for letter in log:
        axis.set(**{f"{letter}scale": "log"})
        _plain_log_ticks(getattr(axis, f"{letter}axis"))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=3)
    return figure


def differences(frame, row, label):
    """Differences with their interval (columns difference, low, high), one line a `row`."""
    figure, axis = new_figure(8.5, 0.4 * len(frame) + 0.9)
    axis.axvline(0, linestyle=":", color="grey")
    clear = (frame.low > 0) | (frame.high < 0)
    colours = np.where(clear, ANOMALY, "grey")
    axis.hlines(frame[row], frame.low, frame.high, color=colours, linewidth=4, alpha=0.5)
    axis.scatter(frame.difference, frame[row], color=colours, s=25)
    axis.set(xlabel=f"{label} (grey: interval holds 0)")
    axis.invert_yaxis()
    return figure


def severity_curves(frame, scores):
    """AUROC over severity, one panel for each value of column `corruption`, one line a score."""
    panels = list(frame.groupby("corruption", sort=False))
    figure, axes = new_figure(9.5, 2.9, ncols=len(panels), sharey=True)
    for axis, (name, part) in zip(axes, panels, strict=True):
        for i, score in enumerate(scores):
            line = LINES[i % len(LINES)]
            axis.plot(part.severity, part[score], line, color=GROUPS[i], marker=".", label=score)
        axis.axhline(0.5, linestyle=":", color="grey")
        axis.set(title=name, xlabel="severity", ylim=(0, 1.03))
    axes[0].set_ylabel("AUROC")
    axes[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def map_rows(images, masks, maps):
    """Pictures with the outline of their lesion, and below them each of {name: maps (N, H, W)}."""
    pictures = as_pictures(images)
    figure, axes = new_figure(
        0.85 * len(pictures) + 1.3,
        0.9 * (1 + len(maps)),
        nrows=1 + len(maps),
        ncols=len(pictures),
        squeeze=False,
    )
    for axis, picture, mask in zip(axes[0], pictures, masks, strict=True):
        _picture(axis, picture)
        if np.any(mask):
            axis.contour(mask, [0.5], colors=ANOMALY, linewidths=1)
    _row_name(axes[0, 0], "lesion")
    for row, (name, values) in zip(axes[1:], maps.items(), strict=True):
        values = np.asarray(values)
        for axis, one in zip(row, values, strict=True):
            _picture(axis, one, cmap="magma", vmax=np.quantile(values, 0.999))
        _row_name(row[0], name)
    return figure


def score_strip(frame, row, value):
    """One dot for each entry of column `value`, one line for each name in column `row`."""
    names = list(frame[row].unique())
    figure, axis = new_figure(7.5, 0.3 * len(names) + 0.9)
    axis.scatter(frame[value], frame[row], color=ANOMALY, s=25, alpha=0.6)
    axis.axvline(0.5, linestyle=":", color="grey")
    axis.set(xlabel=value, xlim=(min(0.4, frame[value].min() - 0.02), 1.01))
    axis.grid(axis="y", alpha=0.4)
    axis.invert_yaxis()
    return figure


def scan_rows(rows):
    """A row of pictures for each of {name: ImageSet}, lesions outlined where masks are known."""
    columns = max(len(part) for part in rows.values())
    figure, axes = new_figure(
        columns + 1.2, 1.02 * len(rows), nrows=len(rows), ncols=columns, squeeze=False
    )
    for row, (name, part) in zip(axes, rows.items(), strict=True):
        for i, (axis, picture) in enumerate(zip(row, as_pictures(part.images), strict=True)):
            _picture(axis, picture)
            if part.masks is not None and part.masks[i].any():
                axis.contour(part.masks[i], [0.5], colors=ANOMALY, linewidths=1)
        _row_name(row[0], name)
    return figure


def scan_profile(scan):
    """A B-scan (H, W), and the brightness of its middle columns by depth, two edges marked."""
    height, width = scan.shape
    middle = slice(3 * width // 8, 5 * width // 8)
    profile = scan[:, middle].mean(axis=1) / 255
    surface = int((profile > 0.4 * profile.max()).argmax())
    band = int(np.flatnonzero(profile > 0.7 * profile.max())[-1])
    figure, (left, right) = new_figure(7, 3.2, ncols=2, sharey=True)
    left.imshow(scan, cmap="gray", vmin=0, vmax=255, aspect="auto")
    left.axvspan(middle.start, middle.stop, color=SECOND, alpha=0.15)
    left.set(xticks=[], yticks=[], ylabel="depth")
    right.plot(profile, np.arange(height), color=SECOND)
    right.set(xlabel="mean brightness")
    marks = {"inner surface": (surface, NORMAL), "bottom band": (band, ANOMALY)}
    for name, (row, colour) in marks.items():
        for axis in (left, right):
            axis.axhline(row, color=colour, linestyle="--", linewidth=1)
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1}
        left.text(1, row, name, color=colour, va="bottom", bbox=box, fontsize=8)
    return figure


def seed_intervals(frame, row, group):
    """AUROC of each seed with its interval (columns auroc, low, high), one panel a `group`."""
    panels, rows = list(frame[group].unique()), list(frame[row].unique())
    figure, axes = new_figure(
        9.4, 0.42 * len(rows) + 1.0, ncols=len(panels), sharey=True, sharex=True
    )
    for axis, panel in zip(axes, panels, strict=True):
        axis.axvline(0.5, linestyle=":", color="grey")
        for place, name in enumerate(rows):
            part = frame[(frame[group] == panel) & (frame[row] == name)]
            at = place + 0.22 * (np.arange(len(part)) - (len(part) - 1) / 2)
            axis.hlines(at, part.low, part.high, color=ANOMALY, linewidth=2, alpha=0.4)
            axis.plot(part.auroc, at, "o", color=ANOMALY, markersize=3)
        axis.set(title=panel, xlabel="AUROC", xlim=(min(0.35, frame.low.min() - 0.02), 1.02))
    axes[0].set(yticks=range(len(rows)), yticklabels=rows)
    axes[0].invert_yaxis()
    return figure


def reliability_diagram(tables):
    """Accuracy over confidence of {name: table of `calibration.reliability`}; large: many."""
    figure, axis = new_figure(6.4, 3.4)
    axis.plot([0, 1], [0, 1], ":", color="grey", label="as it says")
    for (name, table), colour, line in zip(tables.items(), GROUPS[1:], LINES, strict=False):
        axis.plot(table.confidence, table.accuracy, line, color=colour, label=name)
        share = table.pictures / table.pictures.sum()
        axis.scatter(table.confidence, table.accuracy, s=20 + 400 * share, color=colour, alpha=0.5)
    axis.set(xlabel="confidence", ylabel="accuracy", xlim=(0.48, 1.02), ylim=(0.38, 1.04))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def rate_strip(rates, alpha, bands):
    """One dot for each of {name: rates}, alpha as a line, and {name: (low, high)} as bands."""
    figure, axis = new_figure(8, 0.3 * len(rates) + 1.1)
    for (name, ends), colour in zip(bands.items(), (SECOND, NORMAL), strict=False):
        axis.axvspan(*ends, color=colour, alpha=0.15, label=name)
    axis.axvline(alpha, color=THRESHOLD, label=f"alpha = {alpha:.0%}")
    for name, values in rates.items():
        axis.scatter(values, [name] * len(values), color=NORMAL, s=25, alpha=0.6)
    axis.set(xlabel="false-alarm rate")
    axis.xaxis.set_major_formatter("{x:.1%}")
    axis.invert_yaxis()
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def labelled_pictures(images, titles, columns=8):
    """Pictures (N, C, H, W) with a title each, in rows of `columns`."""
    rows = -(-len(images) // columns)
    figure, axes = new_figure(1.15 * columns, 1.4 * rows, nrows=rows, ncols=columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, picture, title in zip(axes.flat, as_pictures(images), titles, strict=False):
        _picture(axis, picture)
        axis.set_title(title, fontsize=9)
    return figure
