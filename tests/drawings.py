"""Every plotting function and every explorer, drawn with the course's own samples and tables."""

import numpy as np
import pandas as pd
import torch

from helpers import plotting, widgets
from helpers.calibration import reliability
from helpers.datasets import load
from helpers.models import ColourAutoencoder, ConvAutoencoder, ConvVAE, make_encoder
from helpers.plotting import graphs
from helpers.results import read_table
from helpers.scores import reconstruction_error
from helpers.screening import ScreenedClassifier

DRAWINGS = {}  # name -> (function of Data that draws, whether it shows anomalies)
DIGITS = tuple("0123456789")


def drawing(anomalies=False):
    def keep(function):
        DRAWINGS[function.__name__] = function, anomalies
        return function

    return keep


class Data:
    """The samples, and what the modules make of them, with networks that nobody trained."""

    def __init__(self, drawn):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.ae, self.vae = ConvAutoencoder(latent_dim=4).eval(), ConvVAE(latent_dim=4).eval()
            self.colour_ae = ColourAutoencoder((2, 3, 4), 5).eval()
        self.rng = np.random.default_rng(0)
        mnist, oct_scans = (
            load(name, source="sample", root=drawn(name)) for name in ("mnist", "oct")
        )
        self.digits, self.scans = mnist["test"], oct_scans["test"]
        self.colours = load("cifar10", source="sample", root=drawn("cifar10"))["test"]
        self.normal = self.rng.lognormal(-5, 0.5, 2000)
        self.anomalous = self.rng.lognormal(-4, 0.5, 1500)

    def groups(self):
        return {"normal": self.normal, "rotated by 90°": self.anomalous}

    def rows(self, images, n=10):
        names = "digit", "after 1 epoch", "after 5 epochs", "through the code"
        return {name: images[n * i : n * (i + 1)] for i, name in enumerate(names)}

    def aurocs(self):
        table = read_table("02_held_out", source="real", profile="quick")
        names = [name.removesuffix(", low") for name in table if name.endswith(", low")]
        frame = table.groupby("held_out")[names].mean().T
        return frame.assign(mean=frame.mean(axis=1))

    def ladder(self):
        table = read_table("05_ladder", source="sample", profile="quick")
        table = table[
            [name for name in table if name.startswith("L1, ") or name in ("rung", "seed")]
        ]
        groups = [name[4:-5] for name in table if name.endswith(", low")]
        return pd.DataFrame(
            [
                {"rung": row["rung"], "seed": row["seed"], "diseases": group}
                | {"auroc": row[f"L1, {group}"]}
                | {end: row[f"L1, {group}, {end}"] for end in ("low", "high")}
                for _, row in table.iterrows()
                for group in groups
            ]
        ).dropna()

    def seeds(self):
        table = read_table("04_seeds", source="real", profile="quick")
        names = [name.removesuffix(", low") for name in table if name.endswith(", low")][:8]
        return table.melt(value_vars=names, var_name="score", value_name="AUROC")


# --- pictures


@drawing()
def image_rows(data):
    return plotting.image_rows(data.rows(data.digits.images))


@drawing()
def image_rows_with_columns(data):
    names = "NORMAL", "NORMAL", "CNV", "CNV", "DME", "DME", "DRUSEN", "DRUSEN"
    return plotting.image_rows(data.rows(data.digits.images, 8), columns=names)


@drawing(anomalies=True)
def scan_rows(data):
    scans = data.scans
    chosen = {
        n: scans.take(np.flatnonzero(scans.labels == i)[:6]) for i, n in enumerate(scans.classes)
    }
    return plotting.scan_rows(chosen)


@drawing(anomalies=True)
def map_rows(data):
    ill = np.flatnonzero(data.scans.masks.any(axis=(1, 2)))[:6]
    images, masks = data.scans.images[ill], data.scans.masks[ill]
    residual = abs(np.diff(images[:, 0] / 255, axis=1, prepend=0))
    return plotting.map_rows(images, masks, {"residual": residual, "SSIM residual": 2 * residual})


@drawing(anomalies=True)
def residual_rows(data):
    x = data.digits.images[:8]
    return plotting.residual_rows(x, 0.7 * np.roll(x, 1, axis=2) / 255)


@drawing(anomalies=True)  # photographs have all colours
def labelled_pictures(data):
    titles = [f"automobile:\ncat, {p:.0%}" for p in data.rng.random(16)]
    return plotting.labelled_pictures(data.colours.images[:16], titles)


@drawing()
def mosaic(data):
    return plotting.mosaic(data.digits.images[:289] / 255, 17, extent=(-2.55, 2.55, -2.55, 2.55))


@drawing()
def scan_profile(data):
    return plotting.scan_profile(data.scans.images[0, 0])


# --- lines, points and bars


@drawing()
def live_curve(data):
    curve = plotting.LiveCurve("epoch", "mean squared error")
    rows = [{"train": 1 / n, "validation": 1.2 / n} for n in range(1, 13)]
    return curve.draw(rows)


@drawing()
def curves(data):
    x = np.linspace(0.01, 1, 100)
    lines = {"probability": x**2, "behind the screen": x**1.8, "score alone": x**0.7}
    return plotting.curves({name: (x, y) for name, y in lines.items()}, "coverage", "risk")


@drawing()
def curves_with_marks(data):
    x = np.geomspace(0.01, 10, 60)
    return plotting.curves(
        {"reconstruction": (x, x**2), "KL": (x, 1 / x)},
        "sigma",
        "nats",
        log="xy",
        marks=[("best", 1.0)],
    )


@drawing()
def scatter(data):
    points = {
        name: data.rng.lognormal(i / 4, 0.3, (2, 150))
        for i, name in enumerate(["Hand", "AbdomenCT", "BreastMRI", "CXR", "ChestCT", "HeadCT"])
    }
    return plotting.scatter(points, "reconstruction: mean squared error", "KL, nats", log="x")


@drawing(anomalies=True)
def scatter_of_two(data):
    points = {name: data.rng.lognormal(size=(2, 200)) for name in ("normal", "1, never seen")}
    return plotting.scatter(points, "ink (mean brightness)", "minus ELBO, nats")


@drawing(anomalies=True)
def mixed_scatter(data):
    labels = ("total variation", "error in lightness"), ("spread of colour", "error in colour")
    groups = {name: data.rng.lognormal(0, 1, (2, 500)) for name in ("cats and dogs", "others")}
    return plotting.mixed_scatter({pair: groups for pair in labels})


@drawing()
def training_curves(data):
    falling = [1 / n for n in range(1, 13)]
    return plotting.training_curves(
        {
            "classifier: cross-entropy": {"training": falling},
            "CAE: squared error": {"training": falling, "tuning": [1.1 * y for y in falling]},
            "CAE: share explained": {
                "lightness": [1 - y for y in falling],
                "colour": [0.5 - y / 2 for y in falling],
            },
        }
    )


@drawing()
def training_curves_alike(data):
    falling = [1 / n for n in range(1, 13)]
    lines = {"smaller": falling, "larger": falling[::-1]}
    return plotting.training_curves({"training": lines, "tuning": lines})


@drawing()
def bars(data):
    return plotting.bars(
        np.sort(data.rng.exponential(size=20))[::-1], "latent, by rank", "KL, nats"
    )


@drawing()
def estimates(data):
    x = np.array([1, 10, 100, 1000, 10_000])
    return plotting.estimates(
        x, 3 + 0.3 / x**0.5, 1 / x**0.5, 3.0, "samples", "KL divergence, nats"
    )


@drawing()
def boxes(data):
    frame = pd.DataFrame(
        {
            "class": np.repeat(["cat", "dog", "airplane", "automobile"], 200),
            "error": data.normal[:800],
        }
    )
    return plotting.boxes(frame, "class", "error", log=True)


@drawing()
def share_bars(data):
    shares = pd.Series(np.linspace(0.02, 0.6, 10), index=list(DIGITS)).rename_axis("digit")
    return plotting.share_bars(shares, "share flagged")


@drawing()
def band(data):
    angles = np.arange(0, 181, 15)
    area = 0.5 + 0.5 * np.sin(np.radians(angles)) ** 0.5
    frame = pd.DataFrame({"angle": angles, "auroc": area, "low": area - 0.02, "high": area + 0.02})
    return plotting.band(frame, "angle", "auroc", "rotation in degrees", "AUROC", chance=0.5)


# --- scores


@drawing(anomalies=True)
def score_histogram(data):
    return plotting.score_histogram(
        data.groups(), {"mean": data.normal.mean(), "conformal, 5 % false alarms": 0.015}
    )


@drawing()
def false_alarm_histogram(data):
    rates = {n: data.rng.beta(0.05 * n, 0.95 * n, 1000) for n in (100, 1000)}
    return plotting.false_alarm_histogram(rates, alpha=0.05)


@drawing()
def roc_and_precision(data):
    return plotting.roc_and_precision(data.normal, {"rotated by 90°": data.anomalous})


@drawing()
def roc_and_precision_of_two(data):
    few = data.anomalous[:300] * 0.6
    return plotting.roc_and_precision(data.normal, {"all others": data.anomalous, "ChestCT": few})


@drawing()
def reliability_diagram(data):
    confidence = data.rng.uniform(0.5, 1, 2000)
    right = data.rng.random(2000) < confidence - 0.1 * (confidence > 0.8)
    tables = {
        "before": reliability(confidence, right),
        "after": reliability(confidence**1.2, right),
    }
    return plotting.reliability_diagram(tables)


@drawing()
def rate_strip(data):
    scores = "brightness", "PNG bytes", "energy and all stages", "CAE, squared error"
    rates = {name: data.rng.normal(0.05, 0.008, 10) for name in scores}
    bands = {"calibrated": (0.036, 0.066), "threshold known": (0.041, 0.06)}
    return plotting.rate_strip(rates, 0.05, bands)


# --- codes


@drawing()
def embedding(data):
    labels = np.arange(1000) % 10
    angle = 2 * np.pi * labels / 10
    points = 3 * np.stack([np.cos(angle), np.sin(angle)], 1) + data.rng.normal(size=(1000, 2))
    return plotting.embedding(points, labels, DIGITS)


@drawing()
def embedding_with_prior(data):
    labels = np.arange(1000) % 10
    angle = 2 * np.pi * labels / 10
    points = np.stack([np.cos(angle), np.sin(angle)], 1) + data.rng.normal(size=(1000, 2)) / 3
    return plotting.embedding(points, labels, DIGITS, axes=("$z_1$", "$z_2$"), prior=True)


@drawing()
def reparameterization(data):
    gaussians = {"N(0, 1)": (0, 1), "N(3, 0.5²)": (3, 0.5)}
    return plotting.reparameterization(data.rng.normal(size=40), gaussians)


@drawing()
def posteriors(data):
    line = np.linspace(-3, 3, 61)
    x, y = np.meshgrid(line, line)
    density = np.exp(-((x - 0.5) ** 2 + (y + 0.3) ** 2) / 0.05)
    titles = ["gap 0.2 nats", "gap 1.1 nats", "gap 5.0 nats", "gap 18.2 nats"]
    mu, sigma = np.array([[0.5, -0.3], [0.7, 0], [1, 0.5], [-1, 0.5]]), np.full((4, 2), 0.15)
    return plotting.posteriors(data.digits.images[:4], titles, line, [density] * 4, mu, sigma)


# --- tables


@drawing()
def intervals(data):
    frame = data.ladder().groupby(["rung", "diseases"], sort=False).mean().reset_index()
    return plotting.intervals(frame[frame.diseases.isin(["all", "CNV"])], "rung", "diseases")


@drawing()
def seed_intervals(data):
    return plotting.seed_intervals(data.ladder(), "rung", "diseases")


@drawing()
def differences(data):
    middle = np.linspace(-0.1, 0.2, 11)
    frame = pd.DataFrame(
        {
            "pair": [f"VAE MAE − AE MAE, {i} epochs" for i in range(11)],
            "difference": middle,
            "low": middle - 0.04,
            "high": middle + 0.04,
        }
    )
    return plotting.differences(frame, "pair", "difference of two AUROCs")


@drawing()
def auroc_table(data):
    return plotting.auroc_table(data.aurocs())


@drawing()
def severity_curves(data):
    severity = np.linspace(0, 1, 5)
    scores = ["AE MAE", "VAE MAE", "VAE KL", "AE SSIM", "nearest picture"]
    frame = pd.concat(
        pd.DataFrame(
            {"corruption": kind, "severity": severity}
            | {s: 0.5 + 0.1 * i * severity for i, s in enumerate(scores)}
        )
        for kind in ("blur", "noise", "lesions", "occlusion")
    )
    return plotting.severity_curves(frame, scores)


@drawing()
def bottleneck(data):
    return plotting.bottleneck(read_table("01_bottleneck", source="real", profile="quick"))


@drawing()
def beta_sweep(data):
    return plotting.beta_sweep(read_table("02_beta", source="real", profile="quick"))


@drawing()
def score_strip(data):
    return plotting.score_strip(data.seeds(), "score", "AUROC")


# --- networks


@drawing()
def network_diagram(data):
    return plotting.network_diagram(data.ae, (1, 28, 28), "The autoencoder of module 1")


@drawing()
def network_diagram_of_a_vae(data):
    return plotting.network_diagram(data.vae, (1, 28, 28))


@drawing()
def network_diagram_in_colour(data):
    return plotting.network_diagram(data.colour_ae, (3, 32, 32))


@drawing()
def convolution_picture(data):
    return plotting.convolution_picture(7, 3, stride=2, padding=1)


@drawing()
def transposed_picture(data):
    return plotting.transposed_picture(4, 3, stride=2, padding=1, output_padding=1)


# --- module 2


@drawing()
def expectation(data):
    return graphs.expectation(np.random.default_rng(0).normal(size=3000), 1.0)


@drawing()
def kl_area(data):
    return graphs.kl_area(1.0, 0.6)


@drawing()
def jensen(data):
    return graphs.jensen(0.2, 1.8)


@drawing()
def vae_graph(data):
    return graphs.vae_graph(data.vae, (1, 28, 28))


@drawing()
def code_spaces(data):
    points = data.rng.normal(size=(500, 2))
    codes = {"autoencoder": 5 * points, "VAE": points}
    return graphs.code_spaces(codes, np.arange(500) % 10, DIGITS)


@drawing()
def decoded_grids(data):
    pictures = data.digits.images[:121] / 255
    return graphs.decoded_grids(
        {"autoencoder": (pictures, (-9, 9, -9, 9)), "VAE": (pictures, (-2, 2, -2, 2))}, 11
    )


@drawing(anomalies=True)  # by the colours of its maps
def nats_maps(data):
    images = data.digits.images[:8]
    return graphs.nats_maps(images, 3 * (images / 255) ** 2)


# --- explorers


@drawing(anomalies=True)
def perturb_explorer(data):
    images, labels = data.digits.images[:50], data.digits.labels[:50]
    return widgets.perturb_explorer(
        data.ae, reconstruction_error, images, labels, 0.01, data.normal
    ).figure


@drawing(anomalies=True)
def upload_explorer(data):
    def scores(images):
        light = images.mean((1, 2, 3))
        return {"energy and all stages": light, "CAE, squared error": -light, "kNN": light}

    def classifier(x):
        return torch.stack([x.sum((1, 2, 3)), 0 * x.sum((1, 2, 3))], 1)

    system = ScreenedClassifier(classifier, ("cat", "dog"), scores, 0.1)
    system.fit(data.colours.images[:200])
    return widgets.upload_explorer(system, data.colour_ae, data.colours.images[300]).figure


@drawing()
def residual_block(data):
    return plotting.residual_block(make_encoder((8, 16))[1][0], (8, 32, 32))


@drawing(anomalies=True)
def seen_flow(data):
    seen = {"NORMAL": [0, 429, 204], "CNV": [0, 0, 81], "DME": [0, 0, 73], "DRUSEN": [0, 0, 71]}
    rungs = ["random", "denoising, normals", "all labels"]
    return plotting.seen_flow(pd.DataFrame(seen | {"labels": [False, False, True]}, rungs), 484)


@drawing()
def ladder_steps(data):
    rows = [
        {"rung": rung, "seed": seed, "diseases": group, "auroc": area, "low": area - 0.1}
        | {"high": min(1, area + 0.1)}
        for rung in ("random", "denoising, normals", "denoising", "DRUSEN", "all labels")
        for seed in range(5)
        for group in ("CNV", "DME", "DRUSEN", "all")
        for area in [data.rng.uniform(0.6, 0.95)]
    ]
    return plotting.ladder_steps(pd.DataFrame(rows))
