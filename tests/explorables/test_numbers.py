"""What an explorable computes in JavaScript is what the course's Python functions compute.

Run by node; skipped where there is none.
"""

import base64
import io
import re
import types
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from examples import (
    CLASSES,
    CONFIDENCE,
    CORRUPTIONS,
    EXAMPLES,
    IMAGES,
    LABELS,
    MAPS,
    NAMES,
    P_INSIDE,
    P_OUTSIDE,
    REAL,
    RIGHT,
    SAMPLES,
    SCAN_SCORES,
    SCORES,
    autoencoder,
    betas,
    digit,
    path,
    scans,
    shares,
    two_detectors,
    vae,
)
from node import computed, needs_node
from PIL import Image
from readable import faults, uses_the_colour_of_anomalies
from skimage.metrics import structural_similarity
from torch import nn

from helpers import explorables, plotting
from helpers.datasets.splits import stream
from helpers.experiments.module_05 import seen_by
from helpers.explorables.bayes import elbo_parts
from helpers.explorables.frames import draw_rounds
from helpers.explorables.latent import GRID, decoded
from helpers.explorables.risk import ALPHAS, mean_cost
from helpers.metrics import answered, aurc, auroc, risk_coverage
from helpers.models import ConvAutoencoder, ConvVAE
from helpers.scores import energy
from helpers.thresholds import conformal_p_values


@pytest.fixture
def random():
    return np.random.default_rng(0)


@needs_node
def test_threshold(random):
    normal, anomaly = random.lognormal(-4, 0.4, 500), random.lognormal(-3, 0.5, 300)
    it = explorables.threshold(normal, anomaly, thresholds={"first": 0.03, "second": 0.04})
    steps = it.data["thresholds"]
    states = [{"place": int(place)} for place in random.integers(len(steps), size=10)]
    for state, got in zip(states, computed(it, states), strict=True):
        t = got["threshold"]
        assert t == pytest.approx(steps[state["place"]])
        assert got["fpr"] == pytest.approx(np.mean(normal > t), abs=1e-9)
        assert got["tpr"] == pytest.approx(np.mean(anomaly > t), abs=1e-9)
        table = [[got["passed"], got["false_alarms"]], [got["missed"], got["found"]]]
        assert table == [[np.sum(s <= t), np.sum(s > t)] for s in (normal, anomaly)]


@needs_node
def test_ranks(random):
    calibration = random.integers(0, 12, 19).astype(float)  # with ties
    it = explorables.ranks(calibration)
    states = [
        {"score": float(s), "alpha": float(a)}
        for s, a in zip(
            random.integers(0, 12, 10), random.choice([0.05, 0.1, 0.4], 10), strict=True
        )
    ]
    for state, got in zip(states, computed(it, states), strict=True):
        p = conformal_p_values(calibration, np.array([state["score"]]))[0]
        assert got["p"] == pytest.approx(p, abs=1e-9)
        assert got["flagged"] == (p <= state["alpha"])


@needs_node
def test_elbo(random):
    it = explorables.elbo()
    states = [
        {"mu": float(m), "sigma": float(s)}
        for m, s in zip(random.uniform(-3, 3, 10), random.uniform(0.1, 2, 10), strict=True)
    ]
    for state, got in zip(states, computed(it, states), strict=True):
        elbo, kl, log_evidence = elbo_parts(**state, log_joint=np.array(it.data["log_joint"]))
        want = {"elbo": elbo, "kl": kl, "log_evidence": log_evidence}
        assert got == {name: pytest.approx(value, abs=1e-4) for name, value in want.items()}
        assert got["kl"] >= 0


@needs_node
def test_convolution(random):
    it = explorables.convolution()
    states = []
    for _ in range(30):
        size, kernel, stride, padding, place = random.integers([3, 1, 1, 0, 0], [10, 6, 4, 3, 9])
        kind = str(random.choice(["convolution", "transposed"]))
        state = {"kind": kind, "size": size, "kernel": kernel, "stride": stride}
        state |= {"padding": padding, "place": place}
        states.append({k: v if k == "kind" else int(v) for k, v in state.items()})
    for state, got in zip(states, computed(it, states), strict=True):
        kind, place, size = (state.pop(name) for name in ("kind", "place", "size"))
        layer = nn.Conv1d if kind == "convolution" else nn.ConvTranspose1d
        layer = layer(1, 1, state.pop("kernel"), **state)
        try:
            want = layer(torch.zeros(1, 1, size)).shape[-1]
        except RuntimeError:  # the kernel does not fit
            want = 0
        assert got["output"] == want
        assert got["at"] <= place


@needs_node
def test_ssim(random):
    it = explorables.ssim(digit())
    image = np.array(it.data["image"]).reshape(28, 28)
    states = [
        {"brightness": float(b), "contrast": float(c), "shift": int(s)}
        for b, c, s in zip(
            random.uniform(-0.5, 0.5, 10),
            random.uniform(0, 2, 10),
            random.integers(0, 7, 10),
            strict=True,
        )
    ]
    for state, got in zip(states, computed(it, states), strict=True):
        moved = np.pad(image, ((0, 0), (state["shift"], 0)))[:, :28]
        other = (moved - image.mean()) * state["contrast"] + image.mean() + state["brightness"]
        other = other.clip(0, 1)
        assert got["ssim"] == pytest.approx(
            structural_similarity(image, other, data_range=1), abs=1e-4
        )
        assert got["mse"] == pytest.approx(np.mean((image - other) ** 2), abs=1e-6)


@needs_node
def test_each_term_of_ssim_answers_to_one_change():
    it = explorables.ssim(0.25 + 0.5 * digit())  # nothing is cut off
    same, brighter, paler = computed(
        it,
        [
            {"brightness": 0, "contrast": 1, "shift": 0},
            {"brightness": 0.2, "contrast": 1, "shift": 0},
            {"brightness": 0, "contrast": 0.5, "shift": 0},
        ],
    )
    assert same == pytest.approx(
        {"luminance": 1, "contrast": 1, "structure": 1, "ssim": 1, "mse": 0}
    )
    assert brighter["luminance"] < 0.95
    assert brighter["contrast"] == pytest.approx(1) == brighter["structure"]
    assert paler["contrast"] < 0.9


@needs_node
def test_logits(random):
    it = explorables.logits()
    states = [
        {"a": float(a), "b": float(b), "temperature": float(t)}
        for a, b, t in random.uniform([-6, -6, 0.5], [10, 10, 4], (10, 3))
    ]
    for state, got in zip(states, computed(it, states), strict=True):
        pair = torch.tensor([[state["a"], state["b"]]], dtype=torch.float64)
        want = energy(pair, state["temperature"]).item()
        assert got["energy"] == pytest.approx(want, abs=1e-4)
        softmax = torch.softmax(pair / state["temperature"], 1).max().item()
        assert got["probability"] == pytest.approx(softmax, abs=1e-4)


def mulberry(seed):
    """Random numbers of the explorable: Mulberry32 (Tommy Ettinger, public domain)."""
    mask = 2**32 - 1
    while True:
        seed = (seed + 0x6D2B79F5) & mask
        mixed = ((seed ^ seed >> 15) * (seed | 1)) & mask
        mixed ^= (mixed + (mixed ^ mixed >> 7) * (mixed | 61)) & mask
        yield (mixed ^ mixed >> 14) / 2**32


@needs_node
@pytest.mark.parametrize("paired", [True, False])
def test_bootstrap(paired):
    first, second = two_detectors()
    it = explorables.bootstrap(first, second)
    first, second = ([np.array(s) for s in it.data[name]] for name in ("first", "second"))
    (got,) = computed(it, [{"draws": 10, "paired": paired, "seed": 3}])
    random = mulberry(3)

    def places(groups):
        return [[int(next(random) * len(s)) for _ in s] for s in groups]

    for a, b in got["rows"]:
        chosen = places(first)
        again = chosen if paired else places(second)
        assert a == pytest.approx(auroc(*(s[p] for s, p in zip(first, chosen, strict=True))))
        assert b == pytest.approx(auroc(*(s[p] for s, p in zip(second, again, strict=True))))


@needs_node
def test_decoder(random):
    """The page decodes as numpy does from the same numbers, and nearly as the model does."""
    model = vae()
    z = random.uniform(-3, 3, (10, 2))
    it = EXAMPLES["decoder"]()
    want = decoded(it.data["layers"], z)
    axis = np.linspace(*it.data["range"], GRID)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    on_grid = decoded(it.data["layers"], grid)
    for layer in it.data["layers"]:
        layer["weight"] = np.frombuffer(base64.b64decode(layer["weight"]), "<i2").tolist()
    got = computed(it, [{"z1": float(a), "z2": float(b)} for a, b in z])
    assert np.allclose([each["pixels"] for each in got], want, atol=1e-4)
    with torch.inference_mode():
        exact = model.decode(torch.tensor(z, dtype=torch.float32)).flatten(1).numpy()
    assert np.abs(want - exact).max() < 0.02
    with torch.inference_mode():
        exact = model.decode(torch.tensor(grid, dtype=torch.float32)).flatten(1).numpy()
    worst = np.abs(on_grid - exact).max()
    assert it.data["error"] == pytest.approx(worst, rel=0.05) and worst < 0.02


@needs_node
def test_amortisation():
    given = path()
    it = explorables.amortisation(**given)
    assert "over 150 gradient steps" in it.alt
    for step, got in enumerate(computed(it, [{"step": 5 * row} for row in range(31)])):
        assert got["elbo"] == pytest.approx(given["elbo"][step], abs=1e-4)
        assert got["mu"] == pytest.approx(given["mu"][step], abs=1e-4)
        assert got["gained"] == pytest.approx(given["elbo"][step] - given["elbo"][0], abs=2e-4)


@needs_node
def test_shapes(random):
    it = explorables.shapes()
    states = [{"side": 28, "convolutions": 2, "channels": 16, "latent": 20}]
    for side, convolutions, channels, latent in random.integers(
        [16, 1, 4, 2], [64, 5, 32, 256], (9, 4)
    ):
        state = {"side": side, "convolutions": convolutions, "channels": channels, "latent": latent}
        states.append({name: int(value) for name, value in state.items()})
    for state, got in zip(states, computed(it, states), strict=True):
        x, down, up = torch.zeros(1, 1, state["side"], state["side"]), [], []
        shapes = [list(x.shape[1:])]
        for i in range(state["convolutions"]):
            after = state["channels"] * 2**i
            down.append(nn.Conv2d(x.shape[1], after, 3, stride=2, padding=1))
            up.append(nn.ConvTranspose2d(after, x.shape[1], 3, stride=2, padding=1))
            x = down[-1](x)
            shapes.append(list(x.shape[1:]))
        flat = x[0].numel()
        linear = [nn.Linear(flat, state["latent"]), nn.Linear(state["latent"], flat)]
        weights = sum(w.numel() for layer in [*down, *up, *linear] for w in layer.parameters())
        assert (got["shapes"], got["flat"], got["weights"]) == (shapes, flat, weights)


@needs_node
@pytest.mark.parametrize("temperature", [1.0, 0.5, 1.7])
def test_reliability(temperature):
    """The error is the course's calibration_error, without its bins below one half."""
    it = explorables.reliability()
    states = [{"n": 300, "temperature": temperature, "seed": seed} for seed in range(3)]
    for state, got in zip(states, computed(it, states), strict=True):
        random = mulberry(state["seed"])
        pairs = [(0.5 + 0.5 * next(random), next(random)) for _ in range(state["n"])]
        chance, luck = np.array(pairs).T
        sure = 1 / (1 + ((1 - chance) / chance) ** (1 / temperature))
        right = luck < chance
        place = np.minimum(((sure - 0.5) * 20).astype(int), 9)
        gaps = [abs(np.sum(right[place == k]) - np.sum(sure[place == k])) for k in range(10)]
        assert got["error"] == pytest.approx(sum(gaps) / state["n"], abs=1e-6)
        assert got["counts"] == np.bincount(place, minlength=10).tolist()


def places(it, random):
    """Ten random states of an explorable of frames."""
    sizes = [len(control["options"]) for control in it.data["controls"]]
    return [{"places": random.integers(sizes).tolist()} for _ in range(10)]


def frame(it, number):
    """One picture of the sheet that an explorable has in its page, in [0, 1]."""
    given = it.data["sheet"]
    file = io.BytesIO(base64.b64decode(given["source"].partition(",")[2]))
    row, column = divmod(number, given["columns"])
    height, width = given["height"], given["width"]
    page = np.asarray(Image.open(file).convert("L")) / 255
    return page[row * height :, column * width :][:height, :width]


HALF_A_GREY = 0.5 / 15 + 0.003


@needs_node
def test_beta(random):
    table = betas()
    it = explorables.beta_explorer(table)
    sizes, steps = sorted(table.latent_dim.unique()), sorted(table.beta.unique())
    states = places(it, random)
    for state, got in zip(states, computed(it, states), strict=True):
        beta, size = steps[state["places"][0]], sizes[state["places"][1]]
        rows = table[(table.beta == beta) & (table.latent_dim == size)]
        want = [rows[name].mean() for name in ("reconstruction", "kl", "active", "auroc")]
        assert [mark["y"] for mark in got["marks"]] == pytest.approx(want, abs=1e-4)
        assert [mark["x"] for mark in got["marks"]] == [beta] * 4
        assert f"beta = {beta:g}, {size:g} latents: reconstruction {want[0]:.1f} " in got["text"]
        assert f"AUROC {want[3]:.3f} ({rows.auroc.min():.3f} to" in got["text"]
        file = io.BytesIO(base64.b64decode(rows.samples.iloc[0]))
        strip = np.asarray(Image.open(file).convert("L")) / 255
        assert np.abs(frame(it, got["images"][0]) - strip).max() < HALF_A_GREY


def test_a_gap_in_the_table_is_said_and_not_drawn():
    table = betas()
    hole = (table.beta == table.beta.max()) & (table.latent_dim == table.latent_dim.min())
    it = explorables.beta_explorer(table[~hole])
    assert any("not in the table" in text for text in it.data["text"])
    assert it.data["panels"][0]["lines"][0]["y"][-1] is None
    with pytest.raises(ValueError, match="lacks the columns kl"):
        explorables.beta_explorer(table.drop(columns="kl"))
    with pytest.raises(ValueError, match="not several"):
        explorables.beta_explorer(pd.concat([table, table]))


@needs_node
def test_share(random):
    table = shares()
    it = explorables.share_explorer(table)
    states = places(it, random)
    for state, got in zip(states, computed(it, states), strict=True):
        share = sorted(table.share.unique())[state["places"][0]]
        rows = table[table.share == share]
        want = [rows[f"{detector}, all"].mean() for detector in ("L1", "kNN")]
        assert [mark["y"] for mark in got["marks"]] == pytest.approx(want, abs=1e-4)
        assert f"L1 {want[0]:.3f} ({rows['L1, all, low'].mean():.3f} to" in got["text"]


@needs_node
def test_traversal(random):
    model = vae().eval()
    it = explorables.traversal_explorer(model, IMAGES, LABELS, CLASSES)
    with torch.inference_mode():
        mu, logvar = model.encode(torch.tensor(IMAGES) / 255)
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean(0)
    order = kl.argsort(descending=True)
    states = places(it, random)
    for state, got in zip(states, computed(it, states), strict=True):
        which, rank, k = state["places"]
        image = [0, 5, 15][which]  # the first of each class
        with torch.inference_mode():
            z = mu[[image, image]].clone()
            z[1, order[rank]] = -3 + 0.5 * k
            plain, changed = model.decode(z)[:, 0].numpy()
        want = [IMAGES[image, 0] / 255, plain, changed]
        for number, picture in zip(got["images"], want, strict=True):
            assert np.abs(frame(it, number) - picture).max() < HALF_A_GREY
        assert f"{kl[order[rank]]:.3f} nats" in got["text"]
        assert f"mu = {mu[image, order[rank]]:.2f}." in got["text"]
        assert f"reconstruction {np.mean((plain - changed) ** 2):.4f}." in got["text"]


@needs_node
def test_latent(random):
    model = autoencoder().eval()
    it = explorables.latent_explorer(model, IMAGES, LABELS, CLASSES)
    states = places(it, random)
    for state, got in zip(states, computed(it, states), strict=True):
        start, end, k = state["places"]
        x = torch.tensor(IMAGES[[[0, 5, 15][start], [0, 5, 15][end]]]) / 255
        with torch.inference_mode():
            codes, t = model.encode(x), k / 10
            decoded = model.decode((1 - t) * codes[:1] + t * codes[1:])[0, 0].numpy()
        blend = ((1 - t) * x[0, 0] + t * x[1, 0]).numpy()
        for number, picture in zip(got["images"], (decoded, blend), strict=True):
            assert np.abs(frame(it, number) - picture).max() < HALF_A_GREY
        away = [np.mean((decoded - y.numpy()) ** 2) for y in (x[0, 0], x[1, 0])]
        assert f"{away[0]:.3f} to the first end, {away[1]:.3f} to the other" in got["text"]
        assert f"{np.mean((decoded - blend) ** 2):.3f} to the blended pixels" in got["text"]


@needs_node
def test_sample_quiz(random):
    """The image that is called real is the bright one; right guesses and rounds are counted."""
    it = explorables.sample_quiz(REAL, SAMPLES)
    rounds = len(it.data["places"])
    states = [
        {"round": int(random.integers(rounds)), "guesses": random.integers(7, size=rounds).tolist()}
        for _ in range(10)
    ]
    for state, got in zip(states, computed(it, states), strict=True):
        shown = [frame(it, number).mean() for number in got["images"]]
        assert got["place"] == int(np.argmax(shown)) + 1
        assert max(shown) > 0.9 and sorted(shown)[-2] < 0.6
        assert got["guess"] == state["guesses"][state["round"]]
        pairs = list(zip(state["guesses"], it.data["places"], strict=True))
        assert got["asked"] == sum(guess > 0 for guess, _ in pairs)
        assert got["right"] == sum(guess == place for guess, place in pairs)
    assert len({place for _, place in draw_rounds(REAL, SAMPLES, 8)}) > 2
    drawn = np.concatenate([images[:, 0, 0] for images, _ in draw_rounds(REAL, SAMPLES, 8)])
    assert len(np.unique(drawn)) == 48
    with pytest.raises(ValueError, match="8 rounds take 8 real"):
        explorables.sample_quiz(REAL, SAMPLES[:10])


@needs_node
def test_residual(random):
    model = autoencoder().eval()
    it = explorables.residual_explorer(model, IMAGES, CORRUPTIONS)
    states = places(it, random)
    for state, got in zip(states, computed(it, states), strict=True):
        image, corruption, severity = state["places"]
        clean = IMAGES[[image]]
        spoiled = list(CORRUPTIONS.values())[corruption](clean, severity / 5)
        x = torch.tensor(np.concatenate([clean, spoiled])) / 255
        with torch.inference_mode():
            x_hat = model(x)
        errors = (x_hat - x).abs().mean((1, 2, 3)).tolist()
        assert "from {:.4f} to {:.4f};".format(*errors) in got["text"]
        want = [x[1, 0], x_hat[1, 0], (x_hat - x)[1, 0] / 2 + 0.5]
        for number, picture in zip(got["images"], want, strict=False):
            assert np.abs(frame(it, number) - picture.numpy()).max() < HALF_A_GREY


def orders(it, random):
    """Ten random states of an explorable that shows images in the order of a score."""
    scores, classes = len(it.data["scores"]), len(it.data["classes"])
    states = [
        {"score": int(random.integers(scores)), "shown": int(random.integers(classes + 1))}
        for _ in range(10)
    ]
    return [state | {"place": int(random.integers(4))} for state in states]


def agrees_with_the_order(it, arrays, names, normal, random):
    """Compare ten states with numpy's order and the course's AUROC; all pictures are shown."""
    states = orders(it, random)
    for state, got in zip(states, computed(it, states), strict=True):
        values = list(arrays.values())[state["score"]]
        shown = (["all", *it.data["classes"]])[state["shown"]]
        members = np.flatnonzero((names == shown) | (shown == "all"))
        order = members[np.argsort(values[members], kind="stable")]
        pictured = order[np.isin(order, it.data["pictured"])]
        chosen = pictured[state["place"] : state["place"] + it.data["row"]]
        assert got["chosen"] == chosen.tolist()
        assert got["values"] == pytest.approx(values[chosen], rel=1e-5)
        assert got["numbers"] == [order.tolist().index(i) + 1 for i in chosen]
        assert got["images"] == len(members)
        assert got["anomalous"] == sum(names[chosen] != normal)
        healthy = values[names == normal]
        other = names != normal if shown in ("all", normal) else names == shown
        assert got["auroc"] == pytest.approx(auroc(healthy, values[other]), abs=1e-4)
        assert got["normals_above"] == pytest.approx((healthy >= values[chosen[0]]).mean())
    return states


@needs_node
def test_scores(random):
    it = explorables.score_explorer(IMAGES, NAMES, SCORES)
    agrees_with_the_order(it, SCORES, NAMES, "Hand", random)
    for k, i in enumerate(it.data["pictured"]):
        assert np.abs(frame(it, k) - IMAGES[i, 0] / 255).max() < HALF_A_GREY
    alone = next(iter(SCORES.values()))
    for name in np.unique(NAMES):  # both ends of every class are in the page
        members = np.flatnonzero(name == NAMES)
        order = members[np.argsort(alone[members])]
        assert set(order[[0, 5, -6, -1]]) <= set(it.data["pictured"])


def test_classes_may_be_numbers():
    numbers = np.unique(NAMES, return_inverse=True)[1]
    it = explorables.score_explorer(IMAGES, numbers, SCORES, normal=0)
    assert it.data["classes"][0] == "0" and "AUROC of 0 against" in it.alt


@needs_node
def test_scans(random):
    data = scans()
    names = np.array(data.classes)[data.labels]
    it = explorables.scan_explorer(data, SCAN_SCORES, MAPS)
    agrees_with_the_order(it, SCAN_SCORES, names, "NORMAL", random)
    (sheet,) = [layer["sheet"] for layer in it.data["layers"] if layer["name"] == "residual"]
    shown = types.SimpleNamespace(data={"sheet": sheet})
    light = [frame(shown, k).mean() for k in range(len(it.data["pictured"]))]
    assert np.all(np.diff(light) > -0.03) and light[-1] - light[0] > 0.5  # MAPS rise
    outlined = [bool(path) for path in it.data["outlines"]]
    assert outlined == [names[i] != "NORMAL" for i in it.data["pictured"]]
    # around the pixels from 4 to 8 and from 5 to 11
    points = re.findall(r"([\d.]+),([\d.]+)", next(filter(None, it.data["outlines"])))
    x, y = np.array(points, dtype=float).T
    assert (x.min(), x.max(), y.min(), y.max()) == (5, 12, 4, 9)
    unmasked = explorables.scan_explorer(replace(data, masks=None), SCAN_SCORES, MAPS)
    assert not unmasked.data["outlines"]


def test_wrong_scores_and_maps_are_named():
    with pytest.raises(ValueError, match="30 numbers, one for each image; wrong: short"):
        explorables.score_explorer(IMAGES, NAMES, {"short": np.ones(7)})
    with pytest.raises(ValueError, match="'Hand' must be among the names CXR"):
        explorables.score_explorer(IMAGES, np.repeat("CXR", 30), SCORES)
    with pytest.raises(ValueError, match="finite"):
        explorables.score_explorer(IMAGES, NAMES, {"bad": np.full(30, np.nan)})
    with pytest.raises(ValueError, match="wrong: L1"):
        explorables.scan_explorer(scans(), {"L1": np.ones(3)}, MAPS)
    with pytest.raises(ValueError, match="wrong: small"):
        explorables.scan_explorer(scans(), SCAN_SCORES, {"small": np.ones((40, 8, 8))})


@needs_node
def test_risk(random):
    it = explorables.risk_explorer(CONFIDENCE[0], RIGHT, CONFIDENCE[1], P_INSIDE, P_OUTSIDE)
    states = [
        {"screen": int(s), "rate": int(r), "alpha": int(a), "price": float(p)}
        for s, r, a, p in zip(
            random.integers(2, size=10),
            random.integers(13, size=10),
            random.integers(101, size=10),
            random.choice([0.1, 0.25, 0.7], 10),
            strict=True,
        )
    ]
    states += [states[0] | {"alpha": 0}, states[0] | {"alpha": 100}]
    for state, got in zip(states, computed(it, states), strict=True):
        i, j = stream(400, 900, state["rate"] / 20)
        screen = list(P_INSIDE)[state["screen"]]
        p = np.concatenate([P_INSIDE[screen][i], P_OUTSIDE[screen][j]])
        correct = np.concatenate([RIGHT[i], np.zeros(len(j), dtype=bool)])
        confidence = np.concatenate([CONFIDENCE[0][i], CONFIDENCE[1][j]])
        refused = p <= ALPHAS[state["alpha"]]
        costs = [mean_cost(correct, p <= alpha, state["price"]) for alpha in ALPHAS]
        risk = 0 if refused.all() else np.mean(~correct[~refused])
        want = {
            "coverage": np.mean(~refused),
            "risk": risk,
            "plain_risk": np.mean(~correct),
            "cost": costs[state["alpha"]],
            "least_cost": min(costs),
            "plain_aurc": aurc(confidence, correct),
            "aurc": aurc(answered(confidence, refused), correct),
        }
        assert {name: got[name] for name in want} == pytest.approx(want, abs=1e-9)
        assert got["costs"] == pytest.approx(costs, abs=1e-9)
        assert costs[round(100 * got["best_alpha"])] == pytest.approx(min(costs))
        for ranked, curve in zip(
            (confidence, answered(confidence, refused)), got["curves"], strict=True
        ):
            assert list(curve.values()) == pytest.approx(risk_coverage(ranked, correct)[1])


def test_screens_that_do_not_fit_the_images_are_refused():
    with pytest.raises(ValueError, match="wrong: p_outside, sharp"):
        explorables.risk_explorer(
            CONFIDENCE[0], RIGHT, CONFIDENCE[1], P_INSIDE, P_OUTSIDE | {"sharp": [0.5]}
        )
    with pytest.raises(ValueError, match="names of the screens"):
        explorables.risk_explorer(CONFIDENCE[0], RIGHT, CONFIDENCE[1], P_INSIDE, {})


def test_the_cost_of_an_image():
    assert mean_cost([True, False], [False, False], 0.3) == 0.5
    assert mean_cost([True, False], [True, True], 0.3) == pytest.approx(0.3)
    assert mean_cost([1, 0], [False, True], 0.3) == pytest.approx(0.15)


@needs_node
def test_ladder():
    pool, validation, test = scans(160), scans(40, 4), scans(80, 5)
    it = explorables.ladder_explorer(pool, validation, test)
    names = [rung["name"] for rung in it.data["rungs"]]
    labelled = {"CNV": ["CNV"], "DME": ["DME"], "DRUSEN": ["DRUSEN"]}
    labelled["all labels"] = ["CNV", "DME", "DRUSEN"]
    states = [{"rung": r, "disease": d} for r in range(len(names)) for d in (1, 2, 3)]
    for state, got in zip(states, computed(it, states), strict=True):
        rung, disease = names[state["rung"]], it.data["classes"][state["disease"]]
        seen = pool.take(seen_by(rung, pool))
        of = seen.of_class(disease)
        assert (got["scans"], got["patients"]) == (len(of), len(np.unique(of.groups)))
        told = labelled.get(rung, [])
        assert got["labels"] == (disease in told)
        assert got["other_labels"] == [name for name in told if name != disease]
        assert got["decoder"] == got["threshold"] == 0
        assert got["test"] == [20, 5]
    healthy = it.data["rungs"][0]["counts"]
    assert [healthy[part][0] for part in ("decoder", "threshold")] == [[40, 10], [8, 2]]


def test_the_mode_of_a_network_is_left_as_it_is():
    model = autoencoder().train()
    explorables.latent_explorer(model, IMAGES, LABELS, CLASSES)
    assert model.training


def test_a_decoder_that_cannot_be_shown_is_refused():
    with pytest.raises(ValueError, match="linear layers"):
        explorables.decoder(ConvAutoencoder(2), np.zeros((1, 2)), [0], ["a"])
    with pytest.raises(ValueError, match="from 2 numbers"):
        explorables.decoder(ConvVAE(3), np.zeros((1, 2)), [0], ["a"])


def test_bad_scores_are_refused():
    with pytest.raises(ValueError, match="anomaly_scores must hold finite numbers"):
        explorables.threshold([1.0, 2.0], [np.nan], thresholds={"a": 1.5})
    with pytest.raises(ValueError, match="at least one threshold"):
        explorables.threshold([1.0], [2.0], thresholds={})
    with pytest.raises(ValueError, match="at least one threshold"):
        explorables.threshold([1.0], [2.0], thresholds={"a": np.nan})


@pytest.mark.parametrize(("value", "rates"), [(np.inf, "0.0%"), (-np.inf, "100.0%")])
def test_an_infinite_threshold_flags_none_or_all(value, rates):
    """A conformal threshold is infinite where the calibration scores are few."""
    shown = explorables.threshold([1.0, 2.0], [2.0, 3.0], thresholds={"conformal": value})
    assert f"{rates} of the normal images and {rates} of the anomalies" in shown.alt


def test_a_script_is_whole_and_closed():
    """Neither imports nor exports are left, and no text of the data ends the script."""
    it = explorables.ranks([1.0, 2.0, 3.0])
    it.data["note"] = "</script><b>"
    html = it.page()
    assert html.count("</script>") == 2
    assert "\nimport " not in html and "\nexport " not in html


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_static_image_can_be_read(name):
    with matplotlib.rc_context():
        plotting.use_course_style()
        figure = EXAMPLES[name]().figure
        assert not faults(figure)
        anomalies = "threshold", "scans", "scores", "ladder"
        assert name in anomalies or not uses_the_colour_of_anomalies(figure)
