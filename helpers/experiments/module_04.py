"""Module 4: cats and dogs, their classifier, its screens, and eight classes that are neither."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from helpers.augment import cut_out, flip_and_shift
from helpers.calibration import expected_calibration_error, fit_temperature
from helpers.datasets import ImageSet, load
from helpers.datasets.splits import class_roles, stream
from helpers.experiments import baselines
from helpers.experiments.judging import judged
from helpers.metrics import answered, aurc, auroc, fpr_at_tpr
from helpers.models import ColourAutoencoder, SmallResNet, whiten
from helpers.runtime import choose, set_seed, training_length
from helpers.scores import (
    beyond_complexity,
    class_mahalanobis,
    energy,
    max_softmax,
    normalised_knn,
    reconstruction_error,
    total_variation,
)
from helpers.thresholds import Screen
from helpers.training import adam, apply, as_input, fit, fit_classifier

PETS = ("cat", "dog")
SHARES = {"classifier": 0.7, "autoencoder": 0.18, "tuning": 0.04, "calibration": 0.08}
SIZES = {"small": ((8, 16, 32), 128), "large": ((16, 32, 64), 1000)}  # large: the source's


class Roles(NamedTuple):
    """Cats (0) and dogs (1) of the training set in four roles and of the test set; the others."""

    classifier: ImageSet
    autoencoder: ImageSet
    tuning: ImageSet  # for the temperature and other single numbers
    calibration: ImageSet
    test: ImageSet
    others: ImageSet


def roles():
    """The roles of CIFAR-10's images; of each other class the first ones of the test set."""
    data = load("cifar10")
    train, test = data["train"], data["test"]
    wanted = [train.classes.index(name) for name in PETS]
    parts = [train.take(p) for p in class_roles(train.labels, wanted, list(SHARES.values()))]
    parts.append(test.of_class(*PETS))
    parts = [
        replace(p, labels=(p.labels == wanted[1]).astype(np.int64), classes=PETS) for p in parts
    ]
    each = choose(quick=500, full=1000)
    rest = [np.flatnonzero(test.labels == i)[:each] for i in range(10) if i not in wanted]
    return Roles(*parts, test.take(np.sort(np.concatenate(rest))))


def classifier(train, seed=0, progress=False, validation=None):
    """The trained classifier, in eval mode, and its history."""
    set_seed(seed)
    model = SmallResNet(stride=choose(quick=2, full=1))
    whiten(model.stages[0][0], as_input(train.images[:500]))
    history = fit_classifier(
        model,
        train.images,
        train.labels,
        epochs=training_length(quick=7, full=36),
        batch_size=choose(quick=64, full=128),
        lr=3e-3,
        augment=choose(quick=flip_and_shift, full=lambda x: cut_out(flip_and_shift(x))),
        validation=validation,
        mixed=True,
        progress=progress,
    )
    return model.eval(), history


def autoencoder(
    images, seed=0, progress=False, on_epoch=None, validation=None, size=None, epochs=None
):
    """The trained autoencoder, in eval mode. `on_epoch(model, history)` after each epoch.

    validation : uint8 images (N, 3, 32, 32), whose mean error the history then holds
    size, epochs : one of `SIZES`, and how long; those of the profile by default
    Starts from Xavier weights, as the source does. Small batches: few images, many steps.
    """
    set_seed(seed)
    model = ColourAutoencoder(*SIZES[size or choose(quick="small", full="large")])
    for name, weights in model.named_parameters():
        if name.endswith("weight"):
            nn.init.xavier_uniform_(weights)
        else:
            nn.init.constant_(weights, 0.01)
    fit(
        model,
        images,
        # full: as many steps as the source's 30 epochs
        epochs=epochs or training_length(quick=14, full=160),
        validation=validation,
        batch_size=choose(quick=16, full=64),
        optimizer=adam(model, lr=choose(quick=2e-3, full=1e-3), weight_decay=0),
        on_epoch=on_epoch and (lambda history: on_epoch(model, history)),
        mixed=True,
        progress=progress,
    )
    return model.eval()


def cae_error(ae, images):
    """Squared error of each image's reconstruction. uint8 (N, 3, 32, 32) -> array (N,)"""
    return apply(lambda x: reconstruction_error(x, ae(x)), images).numpy()


def error_parts(ae, images):
    """The squared error of each image in two parts, of lightness and of colour. -> array (2, N)

    Lightness: the square of the mean of the three channels' residuals, at each pixel. Colour:
    their variance there. The sum is the squared error (mean square = squared mean + variance).
    """

    def parts(x):
        residual = ae(x) - x
        lightness = residual.mean(dim=1, keepdim=True)
        pair = lightness.square(), (residual - lightness).square()
        return torch.stack([part.mean(dim=(1, 2, 3)) for part in pair], dim=1)

    return apply(parts, images).T.numpy()


class TrainingNotes:
    """What an autoencoder does while it trains; `autoencoder(..., on_epoch=TrainingNotes(parts))`.

    watched : uint8 (8, 3, 32, 32), four cats and dogs, then one image of each class in `OUTSIDE`
    snapshots : {"epoch 1": their reconstructions, ...} after some of the epochs
    epochs : one dict an epoch, the losses and the two parts of the error on the tuning images
    """

    OUTSIDE = ("frog", "horse", "airplane", "truck")
    SNAPSHOTS = (1, 5, 14, 160)

    def __init__(self, parts):
        names = np.array(parts.others.classes)[parts.others.labels]
        first = [np.flatnonzero(names == name)[0] for name in self.OUTSIDE]
        self.watched = np.concatenate([parts.test.images[:4], parts.others.images[first]])
        self.tuning = parts.tuning.images
        self.snapshots, self.epochs = {}, []

    def __call__(self, model, history):
        if len(history) in self.SNAPSHOTS:
            self.snapshots[f"epoch {len(history)}"] = apply(model, self.watched)
        lightness, colour = error_parts(model, self.tuning).mean(axis=1)
        self.epochs.append(history[-1] | {"lightness": lightness, "colour": colour})


def explained(ae, images):
    """Share of the lightness and of the colour that an autoencoder gets right. -> array (2,)

    1 for perfect reconstructions, 0 for those of a network that gives every pixel the mean colour
    of all images: as R² in a regression.
    """
    average = as_input(images).mean(dim=(0, 2, 3))[:, None, None]
    flat = error_parts(lambda x: average.expand_as(x), images).mean(axis=1)
    return 1 - error_parts(ae, images).mean(axis=1) / flat


def chroma(images):
    """How colourful: largest minus smallest channel, mean over the pixels. -> array (N,)

    0 for a grey image, 1 for one of pure red. uint8 (N, 3, H, W)
    """
    return apply(lambda x: (x.amax(dim=1) - x.amin(dim=1)).mean(dim=(1, 2)), images).numpy()


def simple_patterns():
    """Images that nobody photographed, by name: five of one colour each, and three with a pattern.

    -> {name: uint8 (3, 32, 32)}
    """
    colours = {
        "grey": (128, 128, 128),
        "fur": (150, 120, 90),
        "sky": (100, 150, 230),
        "green": (40, 180, 60),
        "red": (220, 40, 40),
    }
    down, across = np.indices((32, 32))
    patterns = {"gradient": 8 * across, "chessboard": 255 * ((down // 4 + across // 4) % 2)}
    patterns["noise"] = np.random.default_rng(0).integers(0, 256, (32, 32))
    made = {name: np.reshape(colour, (3, 1, 1)) for name, colour in colours.items()} | patterns
    return {name: np.broadcast_to(p, (3, 32, 32)).astype(np.uint8) for name, p in made.items()}


def complexity(images):
    """Total variation of each image, kept above 0 for a blank one. -> array (N,)"""
    return apply(total_variation, images).clamp(min=1e-3).numpy()


def cae_scorer(ae, tuning_images):
    """A function of the CAE's error, plain and corrected. -> images -> {name: array (N,)}

    tuning_images : normal images that the CAE has not seen, for the line of the correction
    """
    known = cae_error(ae, tuning_images), complexity(tuning_images)

    def score(images):
        errors = cae_error(ae, images)
        corrected = beyond_complexity(*known, errors, complexity(images))
        return {"CAE error": errors, "CAE error, corrected": corrected}

    return score


def classifier_scorer(model, train, energy=energy):
    """A function of scores from a classifier's logits and features. -> images -> {name: (N,)}

    train : the ImageSet that the classifier was trained on; energy : logits (N, K) -> (N,)
    """
    z_train, _ = features_and_logits(model, train.images)
    labels = torch.from_numpy(train.labels)

    def score(images):
        z, logits = features_and_logits(model, images)
        scores = {"max softmax": max_softmax(logits), "energy": energy(logits)}
        for number, (a, b) in enumerate(zip(z_train, z, strict=True), start=1):
            scores[f"Mahalanobis, stage {number}"] = class_mahalanobis(a, labels, b)
        scores["kNN"] = normalised_knn(z_train[-1], z[-1])
        return {name: values.numpy() for name, values in scores.items()}

    return score


def features_and_logits(model, images):
    """What the classifier makes of uint8 images (N, 3, 32, 32), each seen once.

    -> list of (N, width), the features after each stage; logits (N, K)
    """

    def both(x):
        stages = model.stage_features(x)
        return torch.cat([*stages, model.head(stages[-1])], dim=1)

    widths = [len(stage[-1].body[0].weight) for stage in model.stages]
    *stages, logits = apply(both, images).split([*widths, model.head.out_features], dim=1)
    return stages, logits


def combined(scores, tuning_scores):
    """Mean of several scores, each in units of its spread over normal images. -> array (N,)

    scores, tuning_scores : {name: (N,)} and {name: (M,)}, of the tuning images
    """
    standard = [
        (s - tuning_scores[name].mean()) / tuning_scores[name].std() for name, s in scores.items()
    ]
    return np.mean(standard, axis=0)


def every_stage(scores):
    """Those that are taken together: the energy and the distances of all stages, {name: (N,)}."""
    return {k: s for k, s in scores.items() if k == "energy" or k.startswith("Mahalanobis")}


def scorer(model, ae, parts, energy=energy):
    """A function of all learned scores, uint8 (N, 3, 32, 32) -> {name: array (N,)}.

    energy : logits (N, K) -> (N,), such as a learner's own
    """
    rebuild = cae_scorer(ae, parts.tuning.images)
    classify = classifier_scorer(model, parts.classifier, energy)

    def single(images):
        return rebuild(images) | classify(images)

    tuned = every_stage(single(parts.tuning.images))

    def score(images):
        found = single(images)
        return found | {"energy and all stages": combined(every_stage(found), tuned)}

    return score


def scores_by_role(score, parts):
    """Learned and trivial scores of the calibration images, the test images and the others.

    score : uint8 (N, 3, 32, 32) -> {name: (N,)}
    -> {role: {name: (n,)}}, and the names of the trivial ones
    """
    groups = {role: getattr(parts, role).images for role in ("calibration", "test", "others")}
    images, known = np.concatenate(list(groups.values())), parts.autoencoder.images
    traits = {"total variation": complexity, "chroma": chroma}
    trivial = baseline_scores(known, images) | baselines.from_median(traits, known, images)
    ends = np.cumsum([len(group) for group in groups.values()])[:-1]
    pieces = {name: np.split(s, ends) for name, s in (trivial | score(images)).items()}
    scores = {role: {name: p[i] for name, p in pieces.items()} for i, role in enumerate(groups)}
    return scores, list(trivial)


def ensemble_score(models, images):
    """1 - the largest of the probabilities that several classifiers give on average. -> (N,)

    Lakshminarayanan et al., arXiv 1612.01474.
    """
    mean = torch.stack([apply(model, images).softmax(dim=1) for model in models]).mean(dim=0)
    return (1 - mean.amax(dim=1)).numpy()


def baseline_scores(train_images, images):
    """Scores without a network, as {name: array (N,)}. uint8 (M, 3, 32, 32), (N, 3, 32, 32)"""
    traits = {"brightness": baselines.brightness, "PNG bytes": baselines.png_bytes}
    scores = baselines.from_median(traits, train_images, images)
    scores["mean image"], scores["PCA, 200"] = baselines.subspace_errors(train_images, images, 200)
    return scores


def foreign_share(refused, refused_others, rate):
    """Share of the refused images that is foreign, in a stream with a share `rate` of them.

    refused : bool (n,), of normal images; refused_others : bool (m,), of foreign ones; -> float
    """
    found, false = rate * np.mean(refused_others), (1 - rate) * np.mean(refused)
    return float(found / (found + false))


def compared_systems(correct, systems, known, resamples=500, seed=0):
    """Coverage and risk of each system, and how much more risk it has than the system `known`.

    correct : bool (n,), whether the classifier's answer on each image is right
    systems : {name: bool (n,), the images that it refuses}
    The last two columns, "more risk, low" and "more risk, high", are the ends of a 95 % interval:
    each resample draws images and judges both systems on them.
    -> DataFrame, one row a system
    """
    rng, wrong = np.random.default_rng(seed), ~correct

    def risk(refused, i):
        return wrong[i][~refused[i]].mean()

    everything = np.arange(len(correct))
    draws = [rng.choice(everything, len(correct)) for _ in range(resamples)]
    rows = {}
    for name, refused in systems.items():
        more = [risk(refused, i) - risk(systems[known], i) for i in draws]
        ends = np.quantile(more, [0.025, 0.975])
        rows[name] = [1 - refused.mean(), risk(refused, everything), *ends]
    return pd.DataFrame(rows, index=["coverage", "risk", "more risk, low", "more risk, high"]).T


def recalibrated(scores, n, draws=10, alpha=0.05):
    """False-alarm rates of `draws` calibrations on n of the normal scores, tested on the rest."""
    rates = []
    for seed in range(draws):
        drawn = np.random.default_rng(seed).permutation(scores)
        rates.append(float(Screen(alpha).fit(drawn[:n]).predict(drawn[n:]).mean()))
    return rates


def screens(seed, rate=0.5, alpha=0.05):
    """One training of everything: what classifier, scores, screens and system reach.

    rate : share of out-of-sample images in the stream on which the system is judged
    """
    parts = roles()
    names = np.array(parts.others.classes)[parts.others.labels]
    groups = [p.images for p in (parts.tuning, parts.calibration, parts.test, parts.others)]
    images = np.concatenate(groups)
    ends = np.cumsum([len(group) for group in groups])[:-1]
    models = [classifier(parts.classifier, 2 * seed + i)[0] for i in range(2)]
    ae = autoencoder(parts.autoencoder.images, seed)

    logits, labels = apply(models[0], images), torch.from_numpy(parts.tuning.labels)
    temperature = fit_temperature(logits[: ends[0]], labels)
    probability, answer = (logits / temperature).softmax(dim=1).max(dim=1)
    _, _, normal, anomalous = np.split(probability.numpy(), ends)
    right = answer.numpy()[ends[1] : ends[2]] == parts.test.labels
    inside, outside = stream(len(parts.test), len(parts.others), rate)
    confidence = np.concatenate([normal[inside], anomalous[outside]])
    correct = np.concatenate([right[inside], np.zeros(len(outside), dtype=bool)])
    raw = logits.softmax(dim=1).amax(dim=1).numpy()[ends[1] : ends[2]]
    values = {
        "source": parts.test.source,
        "accuracy": float(right.mean()),
        "temperature": temperature,
        "calibration error, raw": expected_calibration_error(raw, right),
        "calibration error, mended": expected_calibration_error(normal, right),
        "rate": rate,
        "AURC, no screen": aurc(confidence, correct),
    }
    for name, s in every_score(models, ae, parts, images, ends[0]).items():
        _, calibration, test, other = np.split(s, ends)
        screen = Screen(alpha).fit(calibration)
        streamed = np.concatenate([test[inside], other[outside]])
        refused = screen.predict(streamed)
        values |= judged({name: np.concatenate([test, other])}, len(test), names)
        values |= {
            f"{name}, FPR95": fpr_at_tpr(test, other),
            f"{name}, refused in": float(screen.predict(test).mean()),
            f"{name}, refused out": float(screen.predict(other).mean()),
            f"{name}, AURC": aurc(answered(confidence, refused), correct),
            f"{name}, AURC by rank": aurc(-streamed, correct),
            f"{name}, draws": recalibrated(np.concatenate([calibration, test]), len(calibration)),
        }
    return values


def longer(size, seed):
    """The autoencoder's screen while a network of `SIZES` trains: small long, or large as usual.

    The small one trains five times as long as `autoencoder`, the large one just as long, so that
    length and size are told apart. All else is as there.
    -> lists over the epochs: the mean error on tuning images, how much of their lightness and
    colour is explained, and the AUROCs of the error and of its two parts
    """
    times = {"small": 5, "large": 1}[size]
    parts, usual = roles(), training_length(quick=14, full=160)
    kept = []

    def measure(model, history):
        if len(history) % usual == 0:
            inside, outside = (error_parts(model, p.images) for p in (parts.test, parts.others))
            pairs = [(sum(inside), sum(outside)), *zip(inside, outside, strict=True)]
            areas = [auroc(*pair) for pair in pairs]
            shares = explained(model, parts.tuning.images)
            kept.append([history[-1]["epoch"], history[-1]["validation"], *shares, *areas])

    options = {"validation": parts.tuning.images, "size": size, "epochs": times * usual}
    autoencoder(parts.autoencoder.images, seed, on_epoch=measure, **options)
    names = ["epochs", "tuning error", "lightness explained", "colour explained"]
    names += ["AUROC", "AUROC, lightness", "AUROC, colour"]
    columns = dict(zip(names, np.transpose(kept).tolist(), strict=True))
    return {"source": parts.test.source} | columns


def every_score(models, ae, parts, images, tuning):
    """All scores as {name: array (N,)}; the first `tuning` images are those of that role."""
    scores = baseline_scores(parts.autoencoder.images, images)
    scores |= cae_scorer(ae, images[:tuning])(images)
    scores |= classifier_scorer(models[0], parts.classifier)(images)
    together = every_stage(scores)
    tuned = {name: s[:tuning] for name, s in together.items()}
    scores["energy and all stages"] = combined(together, tuned)
    scores["ensemble"] = ensemble_score(models, images)
    return scores


def two_screens(seed, normal=2000, foreign=400):
    """Scores of two screens that were drawn, for the choice between them. -> {name: (n,), (m,)}

    Screen A is sure of some foreign images and blind to the others; screen B ranks most foreign
    images a little higher than normal ones. So B has the larger AUROC, and A finds more at few
    refusals.
    """
    rng = np.random.default_rng(seed)
    scores = {name: (rng.normal(size=normal), rng.normal(size=foreign)) for name in ("A", "B")}
    scores["A"][1][: foreign * 3 // 10] += 4
    scores["B"][1][:] += 0.8
    return scores


def held_back_images(each=400, seed=15):
    """Images for the module's last task that no notebook shows. -> uint8 (2·each, 3, 32, 32), bool

    Normal: test images of cats and dogs, mirrored, so that none is a copy of one that was scored.
    Anomalous: as many of each other class, from the training file, of which no notebook uses them.
    """
    data, rng = load("cifar10"), np.random.default_rng(seed)
    train, test = data["train"], data["test"]
    wanted = [train.classes.index(name) for name in PETS]
    pets = rng.choice(np.flatnonzero(np.isin(test.labels, wanted)), each, replace=False)
    rest = [i for i in range(len(train.classes)) if i not in wanted]
    others = [
        rng.choice(np.flatnonzero(train.labels == i), each // len(rest), replace=False)
        for i in rest
    ]
    others = train.images[np.concatenate(others)]
    images = np.concatenate([test.images[pets][..., ::-1], others])
    return images, np.repeat([False, True], [each, len(others)])


def patch_distances(train_images, images, size=5, stride=4, atoms=64, seed=0):
    """How unusual an image's small patches are: a score without training. uint8 twice -> array (N,)

    Patches are whitened and compared with some patches of the training images, the atoms. Means and
    deviations of the responses describe an image; the score is the Mahalanobis distance of that.
    """
    from sklearn.covariance import LedoitWolf

    def patches(x):
        return nn.functional.unfold(x, size, stride=stride).transpose(1, 2)

    known = patches(as_input(train_images[:200])).flatten(0, 1)
    mean = known.mean(dim=0)
    values, vectors = torch.linalg.eigh(torch.cov(known.T))
    whiten = vectors / (values + 1e-3).sqrt() @ vectors.T
    drawn = np.random.default_rng(seed).choice(len(known), atoms, replace=False)
    kinds = nn.functional.normalize((known[drawn] - mean) @ whiten)

    def describe(x):
        responses = ((patches(x) - mean) @ whiten @ kinds.T - 1).relu()
        return torch.cat(
            [responses.mean(dim=1), baselines.standard_deviation(responses, dim=1)], dim=1
        )

    z_train, z = (apply(describe, group).double().numpy() for group in (train_images, images))
    return LedoitWolf().fit(z_train).mahalanobis(z)
