"""The table of module 4 on a few drawn images: roles, augmentation, scores, the entry."""

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import plotting
from helpers.augment import cut_out, flip_and_shift
from helpers.datasets.image_set import ImageSet
from helpers.datasets.splits import stream
from helpers.experiments import module_04
from helpers.metrics import answered, auroc
from helpers.models import ColourAutoencoder, SmallResNet

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def made(split, pets, others, seed):
    """Noise, with a square of another colour for cats and for dogs."""
    rng = np.random.default_rng(seed)
    counts = [pets if name in module_04.PETS else others for name in CLASSES]
    labels = rng.permutation(np.repeat(np.arange(10), counts))
    images = rng.integers(60, 180, (len(labels), 3, 32, 32), dtype=np.uint8)
    for channel, name in enumerate(module_04.PETS):
        images[labels == CLASSES.index(name), channel, 8:24, 8:24] = 250
    return ImageSet(images, labels, CLASSES, name="cifar10", source="sample")


@pytest.fixture
def parts(monkeypatch):
    data = {"train": made("train", 600, 5, 0), "test": made("test", 40, 6, 1)}
    monkeypatch.setattr(module_04, "load", lambda name: data)
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    return module_04.roles()


def test_roles_share_no_image(parts):
    seen = [{image.tobytes() for image in part.images} for part in parts]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 1200 + 80 + 8 * 6
    assert [len(part) for part in parts[:4]] == [840, 216, 48, 96]
    for part in parts[:5]:
        assert (
            part.classes == ("cat", "dog")
            and np.bincount(part.labels).tolist() == [len(part) // 2] * 2
        )
        assert ((part.images[:, 0, 10, 10] == 250) == (part.labels == 0)).all()
    assert not {"cat", "dog"} & {CLASSES[i] for i in parts.others.labels}


def test_flipped_and_shifted_images_hold_the_middle_of_the_image():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = torch.rand(200, 3, 32, 24)
        moved = flip_and_shift(x)
    assert moved.shape == x.shape
    middle = [
        any(
            torch.equal(version[:, 12 + dy : 16 + dy, 8 + dx : 12 + dx], m[:, 12:16, 8:12])
            for version in (one, one.flip(2))
            for dy in range(-4, 5)
            for dx in range(-4, 5)
        )
        for one, m in zip(x, moved, strict=True)
    ]
    assert all(middle)
    assert not torch.equal(moved[0], moved[1])


@pytest.mark.parametrize("side", [1, 3, 8])
def test_a_square_is_cut_out(side):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = cut_out(torch.ones(300, 3, 32, 32), side=side, grey=0.5)
    grey = (x == 0.5).sum(dim=(2, 3))
    assert (grey[:, 0] == grey[:, 2]).all()
    least = (side // 2) ** 2 or 1  # of a square with its middle in a corner
    assert grey.max() == grey[:, 0].mode().values == side**2 and grey.min() >= least
    assert len(grey[:, 0].unique()) > side // 2


def test_every_score_is_finite_and_knows_the_square(parts):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        models = [SmallResNet((4, 6, 8), stride=2).eval() for _ in range(2)]
        ae = ColourAutoencoder((2, 3, 4), 5)
    images = np.concatenate([parts.tuning.images, parts.test.images, parts.others.images])
    scores = module_04.every_score(models, ae, parts, images, len(parts.tuning))
    assert {"CAE error, corrected", "kNN", "Mahalanobis, stage 3", "ensemble"} <= set(scores)
    for values in scores.values():
        assert values.shape == (len(images),) and np.isfinite(values).all()
    same = module_04.ensemble_score(models[:1], images)
    np.testing.assert_allclose(same, scores["max softmax"], atol=1e-6)


def test_scores_by_role_are_those_of_the_table_and_hold_the_energy_that_is_given(parts):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, ae = SmallResNet((4, 6, 8), stride=2).eval(), ColourAutoencoder((2, 3, 4), 5)
    scores, trivial = module_04.scores_by_role(module_04.scorer(model, ae, parts), parts)
    assert {"brightness", "chroma", "PCA, 200"} <= set(trivial) and "energy" not in trivial
    images = np.concatenate([parts.tuning.images, parts.test.images])
    table = module_04.every_score([model], ae, parts, images, len(parts.tuning))
    for name in set(table) - {"ensemble"}:
        expected = table[name][len(parts.tuning) :]
        np.testing.assert_allclose(scores["test"][name], expected, rtol=1e-3, atol=1e-3)
    assert [len(s["chroma"]) for s in scores.values()] == [
        len(part) for part in (parts.calibration, parts.test, parts.others)
    ]
    own = module_04.scorer(model, ae, parts, energy=lambda logits: logits[:, 0])
    logits = module_04.features_and_logits(model, images)[1]
    np.testing.assert_allclose(own(images)["energy"], logits[:, 0], atol=1e-6)


def test_notes_of_a_training_hold_eight_images_and_both_parts_of_the_error(parts):
    notes, ae = module_04.TrainingNotes(parts), ColourAutoencoder((2, 3, 4), 5)
    for epochs in (1, 2):
        notes(ae, [{"epoch": i + 1, "train": 0.5} for i in range(epochs)])
    assert list(notes.snapshots) == ["epoch 1"]
    assert notes.snapshots["epoch 1"].shape == notes.watched.shape == (8, 3, 32, 32)
    assert [row["epoch"] for row in notes.epochs] == [1, 2]
    error = module_04.cae_error(ae, parts.tuning.images).mean()
    assert notes.epochs[0]["lightness"] + notes.epochs[0]["colour"] == pytest.approx(
        error, rel=1e-5
    )


def test_combined_scores_have_equal_weight():
    a, b = np.array([1.0, 2, 3, 4]), np.array([400.0, 300, 200, 100])
    both = module_04.combined({"a": a, "b": b}, {"a": a, "b": b})
    np.testing.assert_allclose(both, 0, atol=1e-12)


@pytest.mark.parametrize("rate", [0, 0.2, 0.5, 1])
def test_stream_has_the_rate_and_repeats_no_image(rate):
    inside, outside = stream(200, 500, rate)
    assert len(outside) / (len(inside) + len(outside)) == pytest.approx(rate, abs=0.01)
    for part, n in ((inside, 200), (outside, 500)):
        assert len(np.unique(part)) == len(part) and (part < n).all()
    assert len(inside) == 200 or len(outside) == 500
    again = stream(200, 500, rate)
    assert np.array_equal(again[0], inside) and np.array_equal(again[1], outside)


def test_refused_images_come_last():
    ranked = answered([0.9, 0.6, 0.8], [True, False, False])
    assert np.argsort(-ranked).tolist() == [2, 1, 0]


def test_an_entry(parts, monkeypatch):
    monkeypatch.setattr(
        module_04, "classifier", lambda train, seed: (SmallResNet((4, 6, 8), stride=4).eval(), [])
    )
    monkeypatch.setattr(
        module_04, "autoencoder", lambda images, seed: ColourAutoencoder((2, 3, 4), 5)
    )
    values = module_04.screens(0)
    assert values["source"] == "sample" and 0 <= values["accuracy"] <= 1
    for name in ("CAE error", "energy", "ensemble", "brightness"):
        assert values[f"{name}, low"] <= values[name] <= values[f"{name}, high"]
        assert {f"{name}, {c}" for c in CLASSES if c not in module_04.PETS} <= set(values)
        for what in ("FPR95", "refused in", "refused out", "AURC", "AURC by rank"):
            assert 0 <= values[f"{name}, {what}"] <= 1
        assert len(values[f"{name}, draws"]) == 10


def test_training_improves_both_networks(parts):
    model, history = module_04.classifier(
        parts.classifier, validation=(parts.test.images, parts.test.labels)
    )
    assert not model.training and history[-1]["accuracy"] > 0.9


def test_the_parts_of_an_error_sum_to_it_and_know_colour_from_lightness(parts):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ae = ColourAutoencoder((2, 3, 4), 5)
    images = parts.test.images
    np.testing.assert_allclose(
        module_04.error_parts(ae, images).sum(axis=0), module_04.cae_error(ae, images), rtol=1e-5
    )
    lighter, redder = np.full((2, 1, 3, 32, 32), 100, dtype=np.uint8)
    lighter += 51
    redder[:, 0] += 51

    def constant(x):
        return torch.full_like(x, 100 / 255)

    assert module_04.error_parts(constant, lighter).ravel() == pytest.approx([0.04, 0], abs=1e-6)
    assert module_04.error_parts(constant, redder).ravel() == pytest.approx(
        [0.04 / 9, 0.04 * 2 / 9], abs=1e-6
    )


def test_what_is_explained_of_lightness_and_colour(parts):
    images = parts.test.images
    assert module_04.explained(lambda x: x, images) == pytest.approx([1, 1])
    assert module_04.explained(
        lambda x: x.mean(dim=1, keepdim=True).expand_as(x), images
    ) == pytest.approx([1, 0], abs=0.1)
    average = (images.mean(axis=(0, 2, 3)) / 255).astype(np.float32)[:, None, None]

    def flat(x):
        return torch.from_numpy(average).expand_as(x)

    assert module_04.explained(flat, images) == pytest.approx([0, 0], abs=1e-4)


def test_chroma_is_that_of_the_strongest_colour():
    images = np.zeros((3, 3, 4, 6), dtype=np.uint8)
    images[0] = 200  # grey
    images[1, 0] = 255  # red
    images[2, 1, :, :3] = 51  # half of it dark green
    assert module_04.chroma(images) == pytest.approx([0, 1, 0.1], abs=1e-6)


def test_a_longer_training_is_watched(parts, monkeypatch):
    monkeypatch.setattr(module_04, "training_length", lambda quick, full: 1)
    monkeypatch.setitem(module_04.SIZES, "small", ((2, 3, 4), 5))
    values = module_04.longer("small", 0)
    assert values["source"] == "sample" and values["epochs"] == [1, 2, 3, 4, 5]
    assert values["tuning error"][4] < values["tuning error"][0]
    for name in ("AUROC", "AUROC, lightness", "AUROC, colour"):
        assert len(values[name]) == 5 and all(0 <= area <= 1 for area in values[name])


def test_points_of_two_groups_lie_among_each_other():
    x = np.linspace(1, 2, 200)
    figure = plotting.mixed_scatter({("x", "y"): {"a": (x, x), "b": (x, 2 * x)}})
    (points,) = figure.axes[0].collections
    first = (points.get_facecolors()[:200] == points.get_facecolors()[0]).all(axis=1)
    assert len(points.get_offsets()) == 400 and 60 < first.sum() < 140


def test_a_series_of_epochs_keeps_them():
    early = pd.Series([0.3, 0.2], index=[14, 28])
    figure = plotting.training_curves({"error": {"a": [3, 2, 1], "b": early}})
    a, b = figure.axes[0].lines
    assert a.get_xdata().tolist() == [1, 2, 3] and b.get_xdata().tolist() == [14, 28]


def test_of_two_screens_the_one_with_the_larger_auroc_finds_less_at_five_percent():
    scores = module_04.two_screens(seed=3)
    again = module_04.two_screens(seed=3)
    assert all((a == b).all() for n in scores for a, b in zip(scores[n], again[n], strict=True))
    areas = {name: auroc(*pair) for name, pair in scores.items()}
    found = {name: (o > np.quantile(i, 0.95)).mean() for name, (i, o) in scores.items()}
    assert areas["A"] < areas["B"] - 0.02
    assert found["A"] > found["B"] + 0.05


def test_images_held_back_are_no_copies_of_images_that_a_notebook_uses(parts):
    images, anomalous = module_04.held_back_images(each=40)
    assert images.shape == (80, 3, 32, 32) and images.dtype == np.uint8
    assert anomalous.tolist() == [False] * 40 + [True] * 40
    seen = {image.tobytes() for part in parts for image in part.images}
    assert not seen & {image.tobytes() for image in images}
    test = {image.tobytes() for image in parts.test.images}
    assert all(image[..., ::-1].tobytes() in test for image in images[:40])


def test_unusual_patches_have_a_larger_distance_alone_and_in_a_batch():
    rng = np.random.default_rng(0)
    smooth = rng.integers(100, 140, (120, 3, 1, 1)).repeat(32, 2).repeat(32, 3)
    usual = (smooth + rng.integers(0, 10, smooth.shape)).astype(np.uint8)
    striped = usual[:20].copy()
    striped[:, :, ::2] += 100
    options = {"atoms": 16, "stride": 8}
    far, near = (module_04.patch_distances(usual[20:], x, **options) for x in (striped, usual[:20]))
    assert far.min() > near.max()
    alone = module_04.patch_distances(usual[20:], striped[:1], **options)
    np.testing.assert_allclose(alone, far[:1], rtol=1e-3)


def test_most_refused_images_are_normal_where_foreign_ones_are_rare():
    # of 1,000 images 10 are foreign, and half of these refused; of the 990 others one in ten is
    refused, refused_others = np.arange(10) < 1, np.arange(4) < 2
    assert module_04.foreign_share(refused, refused_others, 0.01) == pytest.approx(5 / 104)
