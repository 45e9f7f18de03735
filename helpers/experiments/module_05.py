"""Module 5: what the encoder's pretraining is worth to a detector of diseased retinas."""

from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from helpers.augment import flip
from helpers.checkpoints import restore_training, save_checkpoint, training_state
from helpers.datasets import ImageSet, load, usable
from helpers.datasets.oct import NORMAL
from helpers.datasets.samples.oct import draw_split
from helpers.datasets.splits import hold_back, patients, subset_by_patient
from helpers.experiments import baselines
from helpers.experiments.judging import with_interval
from helpers.metrics import auroc, by_patient, patient_interval, pixel_auroc, pro
from helpers.models import (
    OctAutoencoder,
    OctClassifier,
    freeze,
    make_decoder,
    make_encoder,
    signed,
)
from helpers.precision import autocast
from helpers.runtime import choose, device, set_seed, training_length
from helpers.scores import (
    absolute_error,
    huber_error,
    patch_distance,
    patch_features,
)
from helpers.training import (
    Order,
    adam,
    apply,
    as_input,
    batches,
    descend,
    epochs_for,
    fit,
    fit_classifier,
    to_device,
)

SCORES = ("L1", "Huber", "kNN")


class Task(NamedTuple):
    """Scans by role; no patient has two.

    pool : labelled scans of all classes, to pretrain on; its normals train the decoder
    validation : all classes; its normals calibrate thresholds
    test : all classes, reported on
    """

    pool: ImageSet
    validation: ImageSet
    test: ImageSet


def task(source="auto"):
    """The roles of the OCT scans, in the profile's size. -> Task"""
    splits = load("oct", source=source, size=choose(quick=64, full=128))
    usable.check_scans(splits, NORMAL, next(iter(splits.values())).origin)  # by an older course
    labelled = at_most(splits["train"], choose(quick=2000, full=len(splits["train"])))
    pool, held_back = hold_back(labelled)
    test = at_most(splits["test"], choose(quick=1000, full=len(splits["test"])))
    return Task(labelled.take(pool), labelled.take(held_back), test)


def at_most(scans, n):
    """The scans of as many patients of each class as make about n scans."""
    if len(scans) <= n:
        return scans
    who = patients(scans)
    kept = subset_by_patient(scans.labels, who, n / len(scans))
    for label in range(len(scans.classes)):  # of a rare class two patients: one to hold back
        own = who[scans.labels == label]
        missing = 2 - len(np.intersect1d(who[kept], own))
        more = np.setdiff1d(own, who[kept])[: max(0, missing)]
        kept = np.union1d(kept, np.flatnonzero(np.isin(who, more)))
    return scans.take(kept)


@cache
def another_scanner(numbers=(0, 0, 0, 60), seed=501):
    """Drawn scans of new patients as another scanner shows them: darker, and with more noise.

    numbers : patients of CNV, DME, DRUSEN and NORMAL, in this order -> ImageSet
    """
    scans = draw_split(seed, choose(quick=64, full=128), count(), numbers)
    x, rng = scans.images / np.float32(255), np.random.default_rng([seed, 1])
    x = 0.8 * x**1.3 + rng.normal(0, 0.06, x.shape)
    return replace(scans, images=np.rint(255 * x.clip(0, 1)).astype(np.uint8))


def diseases(scans):
    """The names of the classes but the normal one."""
    return [name for name in scans.classes if name != NORMAL]


def widths():
    """Channels of the encoder's groups: the source's in the full profile."""
    return choose(quick=(8, 16, 64), full=(64, 128, 256, 256))


def seen_by(rung, pool, share=40):
    """Positions in the pool of the scans that a rung may see, as many for each rung. -> (m,)

    share : of the patients of each class, in percent; their scans set the number m. A rung that may
        see some classes only takes theirs, and fills up with other patients of the same classes
        (fewer than m where the pool has no more).
    """
    who = patients(pool)
    shown = subset_by_patient(pool.labels, who, share / 100)
    classes = {"denoising, normals": [NORMAL]} | {c: [NORMAL, c] for c in diseases(pool)}
    if rung not in classes:
        return shown
    allowed = np.isin(np.array(pool.classes)[pool.labels], classes[rung])
    _, patient = np.unique(who, return_inverse=True)
    turn = np.random.default_rng(0).permutation(patient.max() + 1)[patient]
    other = ~np.isin(np.arange(len(pool)), shown)
    in_turn = np.lexsort((turn, other))  # the shown scans first, then patient by patient
    return np.sort(in_turn[allowed[in_turn]][: len(shown)])


def seen_scans(pool):
    """Scans of the pool that the encoder of each rung sees. -> one row a rung

    Columns: the number of scans of each class, NORMAL first; labels, whether it sees them too. The
    random encoder sees its scans for the statistics of batch normalization alone.
    """
    rungs = ("random", "denoising, normals", "denoising", *diseases(pool), "all labels")
    rows = {}
    for rung in rungs:
        scans = pool.take(seen_by(rung, pool))
        counts = {name: len(scans.of_class(name)) for name in (NORMAL, *diseases(pool))}
        rows[rung] = counts | {"labels": rung in (*diseases(pool), "all labels")}
    return pd.DataFrame.from_dict(rows, orient="index")


def pretrained(rung, scans, seed=0, progress=False):
    """An encoder that `rung` made of the scans. -> nn.Sequential

    rung : "random": only BatchNorm's statistics are set; "denoising" and "denoising, normals": to
        remove noise, no labels; the name of a disease: to tell normal scans from it; "all labels":
        to tell all classes apart
    scans : those that the rung may see, as `seen_by` picks them
    """
    set_seed(seed)
    encoder = make_encoder(widths()).to(device())
    steps = training_length(quick=160, full=8000)
    if rung == "random":
        encoder.train()
        with torch.no_grad():
            for x in batches(scans.images, 64):
                encoder(signed(x))
    elif rung.startswith("denoising"):
        cae = OctAutoencoder(encoder, make_decoder(widths()))
        fit(
            cae,
            scans.images,
            epochs=epochs_for(steps, 32, scans),
            batch_size=32,
            optimizer=adam(cae.to(device()), weight_decay=0),
            objective=denoise,
            mixed=True,
            progress=progress,
        )
    else:
        classify(encoder, scans, steps, progress=progress)
    return encoder.eval()


def denoise(cae, x):
    """Huber loss of the clean scan rebuilt from one with noise. Mean over the batch."""
    x = flip(signed(x))
    return F.huber_loss(cae(x + 0.5 * torch.randn_like(x)).float(), x)


def classify(encoder, scans, steps, validation=None, progress=False):
    """Train the encoder with a linear head on the scans' labels. -> classifier, history"""
    classifier = OctClassifier(encoder, scans.images.shape[-1], len(scans.classes))
    history = fit_classifier(
        classifier,
        scans.images,
        scans.labels,
        epochs=epochs_for(steps, 32, scans),
        validation=validation and (validation.images, validation.labels),
        batch_size=32,
        lr=choose(quick=2e-3, full=1e-4),
        augment=flip,
        mixed=True,
        progress=progress,
    )
    return classifier, history


def autoencoder(encoder, normals, seed=0, code_channels=0, **options):
    """The frozen encoder with a decoder trained on normal scans. -> OctAutoencoder, losses"""
    set_seed(seed)
    cae = OctAutoencoder(freeze(encoder), make_decoder(widths(), code_channels))
    steps, size = training_length(quick=200, full=15_000), choose(quick=16, full=32)
    losses = train_decoder(cae, normals.images, steps=steps, batch_size=size, **options)
    return cae, losses


def changed(module, before):
    """Names of the tensors of a module that differ from the state_dict `before`. -> list"""
    now = module.state_dict()
    return [name for name in now if not torch.equal(now[name], before[name])]


def train_decoder(
    cae, images, *, steps, path=None, every=100, batch_size=32, on_checkpoint=None, progress=True
):
    """Train an OctAutoencoder in place up to step `steps`; returns the loss of each step.

    images : uint8 (N, 1, H, W); mirrored at random
    path : checkpoint file, written every `every` steps; where there is one, the training goes on
        from it
    on_checkpoint : called as on_checkpoint(step, losses) at the same steps, model in eval mode

    Raises CheckpointError where the file cannot be used for this training.
    """
    to_device(cae)
    optimizer = adam(cae, lr=5e-4, weight_decay=0)
    order, losses = Order(len(images), batch_size), []
    if path and Path(path).exists():
        losses = restore_training(path, cae, optimizer, order)

    def loss_of(places):
        x = flip(signed(as_input(images[places])))
        with autocast():
            x_hat = cae(x)
        return F.huber_loss(x_hat.float(), x)

    def pause(step):
        if path:
            save_checkpoint(path, training_state(cae, optimizer, order, losses))
        if on_checkpoint:
            on_checkpoint(step, losses)

    options = {"steps": steps, "every": every, "max_norm": 1.0, "progress": progress}
    descend(cae, optimizer, loss_of, order, losses=losses, pause=pause, **options)
    return losses


def cae_scores(cae, images):
    """Mean absolute and Huber error of each scan, as {name: array (N,)}. uint8 (N, 1, H, W)"""

    def columns(x):
        x = signed(x)
        x_hat = cae(x)
        return torch.stack([absolute_error(x, x_hat), huber_error(x, x_hat)], dim=1)

    return dict(zip(("L1", "Huber"), apply(columns, images).numpy().T, strict=True))


def score_table(cae, parts):
    """One row for each scan of {part: ImageSet}: part, patient, class, L1. -> DataFrame"""
    tables = [
        pd.DataFrame(
            {
                "part": part,
                "patient": patients(scans),
                "class": np.array(scans.classes)[scans.labels],
                "L1": cae_scores(cae, scans.images)["L1"],
            }
        )
        for part, scans in parts.items()
    ]
    return pd.concat(tables, ignore_index=True)


def examples(scans):
    """One scan of each class, healthy first; with the largest lesion, where lesions are known."""
    order = [NORMAL, *diseases(scans)]
    places = [np.flatnonzero(scans.labels == scans.classes.index(name)) for name in order]
    if scans.masks is not None:
        places = [own[[scans.masks[own].sum(axis=(1, 2)).argmax()]] for own in places]
    return scans.take(np.concatenate([own[:1] for own in places]))


def lesion_greys(scans, rebuilt):
    """How grey each scan's lesion is before and after, as a sentence; "" without masks.

    scans : ImageSet of n scans; rebuilt : tensor (n, 1, H, W) in [0, 1]
    """
    if scans.masks is None:
        return ""
    x, texts = as_input(scans.images).cpu(), []
    for i in np.flatnonzero(scans.masks.any(axis=(1, 2))):
        mask, name = torch.from_numpy(scans.masks[i]), scans.classes[scans.labels[i]]
        texts.append(f"{name} {x[i, 0][mask].mean():.2f} and {rebuilt[i, 0][mask].mean():.2f}")
    return f"Mean grey (0 to 1) inside the lesions, in the scan and rebuilt: {'; '.join(texts)}."


def residual_maps(cae, images):
    """Absolute residual of each pixel. uint8 (N, 1, H, W) -> array (N, H, W)"""
    return apply(lambda x: (cae(signed(x)) - signed(x)).abs()[:, 0], images).numpy()


def patch_bank(encoder, images, size=2000):
    """Features of `size` places of the scans, drawn at random. uint8 (N, 1, H, W) -> (size, c)

    Of few scans all places, if they are fewer than that.
    """
    generator = np.random.default_rng(0)

    def drawn(x):
        features = patch_features(encoder, signed(x)).flatten(start_dim=2)
        each = min(-(-size // len(images)), features.shape[2])
        places = [generator.choice(features.shape[2], each, replace=False) for _ in features]
        picked = [f[:, p].T for f, p in zip(features, places, strict=True)]
        return torch.stack(picked)

    return apply(drawn, images).flatten(0, 1)


def patch_maps(encoder, bank, images):
    """Distance of each place to the nearest of the bank. uint8 (N, 1, H, W) -> array (N, h, w)"""
    bank = bank.to(device())
    return apply(lambda x: patch_distance(bank, patch_features(encoder, signed(x))), images).numpy()


def enlarge(maps, size):
    """Maps (N, h, w) at (N, size, size), linear between places."""
    maps = torch.from_numpy(maps)[:, None]
    return F.interpolate(maps, (size, size), mode="bilinear", align_corners=False)[:, 0].numpy()


def baseline_scores(train_images, images):
    """Scores without a network, from scans of 32×32 pixels, as {name: array (N,)}. uint8 both"""
    x_train, x = (
        apply(lambda x: F.adaptive_avg_pool2d(x, 32), part)
        for part in (train_images[:2000], images)
    )
    grey, grey_train = x.mean(dim=(1, 2, 3)), x_train.mean(dim=(1, 2, 3))
    scores = {
        "brightness": (grey - grey_train.median()).abs(),
        "mean image": baselines.mean_image_error(x_train, x),
        "PCA, 32": baselines.pca_error(x_train, x, 32),
        "nearest image": baselines.nearest_distance(x_train, x),
    }
    return {name: values.numpy() for name, values in scores.items()}


def judged(scores, test, held_in=None):
    """AUROC of {name: scores} with interval: each disease, all, and all but `held_in`."""
    groups = {name: [name] for name in diseases(test)} | {"all": diseases(test)}
    others = [name for name in diseases(test) if name != held_in]
    if held_in in groups and others:  # own scans may be of one disease
        groups["others"] = others
    names, who = np.array(test.classes)[test.labels], patients(test)
    values = {}
    for score, s in scores.items():
        healthy = names == NORMAL
        for group, members in groups.items():
            sick = np.isin(names, members)
            of_patients = (by_patient(s[part], who[part]) for part in (healthy, sick))
            area = auroc(s[healthy], s[sick])
            values |= with_interval(f"{score}, {group}", area, patient_interval(*of_patients))
    return values


def leads(scores, others, test):
    """How far the AUROC of `scores` is above that of `others`, with interval over patients.

    scores, others : (n,), two scores of the same test scans; the same patients are redrawn for both
    -> DataFrame: a column for each disease and for all; rows "difference", "low", "high"
    """
    scores, others = np.asarray(scores), np.asarray(others)
    names, who = np.array(test.classes)[test.labels], patients(test)

    def difference(healthy, sick):
        healthy, sick = np.asarray(healthy, dtype=int), np.asarray(sick, dtype=int)
        return auroc(scores[healthy], scores[sick]) - auroc(others[healthy], others[sick])

    found = {}
    for group in (*diseases(test), "all"):
        members = names != NORMAL if group == "all" else names == group
        places = [np.flatnonzero(part) for part in (names == NORMAL, members)]
        of_patients = (by_patient(part, who[part]) for part in places)
        found[group] = [difference(*places), *patient_interval(*of_patients, difference)]
    return pd.DataFrame(found, index=["difference", "low", "high"])


def rate_interval(flags, who):
    """Interval of the share of flagged scans over other patients: they are redrawn. -> (low, high)

    flags, who : bool (n,), and the patient of each scan (n,)
    """
    each = by_patient(flags, who)
    return patient_interval(each, each, lambda flagged, _: flagged.mean())


def located(maps, test):
    """Pixel AUROC and PRO of {name: maps}; nothing where the scans have no masks."""
    values = {}
    if test.masks is not None:
        for name, m in maps.items():
            m = enlarge(m, test.images.shape[-1])
            values |= {
                f"{name}, pixel AUROC": pixel_auroc(m, test.masks),
                f"{name}, PRO": pro(m, test.masks),
            }
    return values


def ladder(rung, seed=0, share=40, code_channels=0, source="auto"):
    """AUROC per disease of the detectors on an encoder that `rung` made; masks where known.

    rung : as in `pretrained`, or "no network" for the trivial scores
    share : of the pool's patients, in percent: the number of scans that it was made of
    code_channels : of the decoder's bottleneck, 0 for none
    """
    roles = task(source)
    normals, test = roles.pool.of_class(NORMAL), roles.test
    counts = {"source": test.source, "normal images": len(normals), "test images": len(test)}
    if rung == "no network":
        return counts | judged(baseline_scores(normals.images, test.images), test)
    shown = roles.pool.take(seen_by(rung, roles.pool, share))
    encoder = pretrained(rung, shown, seed)
    cae, losses = autoencoder(encoder, normals, seed, code_channels, progress=False)
    bank = patch_bank(encoder, normals.images)
    maps = {"L1": residual_maps(cae, test.images), "kNN": patch_maps(encoder, bank, test.images)}
    scores = cae_scores(cae, test.images) | {"kNN": maps["kNN"].max(axis=(1, 2))}
    counts |= {"pretraining images": len(shown), "loss": float(np.mean(losses[-20:]))}
    counts["diseased in pretraining"] = int((shown.labels != shown.classes.index(NORMAL)).sum())
    return counts | judged(scores, test, held_in=rung) | located(maps, test)


def ladder_rows(table, score):
    """A ladder's table in long form: one row for each rung, seed and group of diseases.

    score : "L1", "Huber" or "kNN" -> DataFrame with rung, seed, diseases, auroc, low, high
    """
    found = [name.removeprefix(f"{score}, ") for name in table if name.startswith(f"{score}, ")]
    groups = [g for g in found if f"{g}, low" in found]
    rows = []
    for _, entry in table[table.rung != "no network"].iterrows():
        for g in groups:
            numbers = [entry[f"{score}, {g}{end}"] for end in ("", ", low", ", high")]
            row = {"rung": entry.rung, "seed": entry.seed, "diseases": g}
            rows.append(row | dict(zip(("auroc", "low", "high"), numbers, strict=True)))
    return pd.DataFrame(rows).dropna()


def without_network(table):
    """The row of a ladder's table with the AUROCs of the trivial scores. -> Series"""
    row = table[table.rung == "no network"].iloc[0]
    return row.rename(lambda name: name.replace("picture", "image"))  # as old tables call it


def ladder_means(table, score):
    """AUROC, mean over the seeds: a row for each rung, a column for each group of diseases."""
    return ladder_rows(table, score).pivot_table("auroc", "rung", "diseases", sort=False)


def ladder_alt(steps):
    """What a figure of the ladder shows, for its alt text; `steps` as `ladder_means` gives them."""
    lowest, highest = steps["all"].idxmin(), steps["all"].idxmax()
    return (
        "Panels of AUROC, one a disease and one for all, with the rungs as rows from random to all "
        f"labels. Over all diseases the lowest rung is {lowest}, the highest {highest}."
    )


def label_gains(table, score, rung):
    """What labels of all diseases add to a rung's AUROC over all diseases. -> Series by seed"""
    rows = ladder_rows(table, score)
    by_seed = rows[rows.diseases == "all"].pivot(index="seed", columns="rung", values="auroc")
    return (by_seed["all labels"] - by_seed[rung]).dropna()


def seeds_of(table):
    """How many seeds each rung of a ladder's table has, as a text."""
    counts = table[table.rung != "no network"].groupby("rung").seed.nunique()
    few, many = counts.min(), counts.max()
    return f"seeds of each rung: {many}" if few == many else f"seeds of each rung: {few} to {many}"


def held_in(table, score, below="denoising, normals"):
    """How far each rung that knows one disease is above the rung `below`, on AUROC.

    -> DataFrame: a row for each such rung and seed; columns "its own", the disease that it knows,
    and "the others", the mean of the diseases that it does not know
    """
    rows = ladder_rows(table, score)
    areas = rows.pivot(index=["rung", "seed"], columns="diseases", values="auroc")
    gains = {}
    for rung in areas.index.unique("rung").intersection(areas.columns):
        gain = (areas.loc[rung] - areas.loc[below]).drop(columns=["all", "others"], errors="ignore")
        others = gain.drop(columns=rung).mean(axis=1)
        gains[rung] = pd.DataFrame({"its own": gain[rung], "the others": others}).dropna()
    return pd.concat(gains, names=["rung", "seed"])


def with_seeds(gains):
    """The mean of one gain a seed, and in how many seeds it has the sign of the mean, as a text."""
    mean = np.mean(gains)
    agree = int((np.sign(gains) == np.sign(mean)).sum())
    return f"{mean:+.3f} ({agree} of {len(gains)} seeds {'above' if mean > 0 else 'below'} 0)"


def rates_for_new_patients(
    p_values, patients=(5, 10, 20, 40), alpha=0.05, scans=4, between=0.9, repeats=800
):
    """False-positive rate among new healthy patients, on drawn Gaussian scores. -> Series

    p_values : called as p_values(scores (n,), patient of each (n,), new scores (100,)) -> (100,)
    patients : numbers of patients to calibrate on, the index of what is returned
    scans : of each patient; a new patient is judged by one scan
    between : share of the scores' variance that lies between patients
    """
    found = {}
    for k in patients:
        rng, rates, n = np.random.default_rng(0), [], k * scans
        who = np.repeat(np.arange(k + 100), scans)
        for _ in range(repeats):
            s = between**0.5 * rng.normal(size=k + 100)[who]
            s += (1 - between) ** 0.5 * rng.normal(size=len(who))
            rates.append(np.mean(p_values(s[:n], who[:n], s[n::scans]) <= alpha))
        found[k] = np.mean(rates)
    return pd.Series(found)
