"""The drawn stand-in for MedNIST, and the lesions. Bands were measured over the seeds 0 to 4."""

import hashlib
import io
import time

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from helpers.datasets import load
from helpers.datasets.samples import mednist
from helpers.datasets.samples.lesions import add_lesions
from helpers.metrics import auroc

ANOMALIES = ("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "HeadCT")


@pytest.fixture(scope="module")
def sample(drawn):
    return load("mednist", source="sample", root=drawn("mednist"))["all"]


@pytest.fixture(scope="module")
def hands(sample):
    return sample.of_class("Hand").images


def brightness(images):
    return images.mean((1, 2, 3))


def png_bytes(images):
    def size(image):
        buffer = io.BytesIO()
        Image.fromarray(image[0]).save(buffer, "png")
        return buffer.tell()

    return np.array([size(image) for image in images])


def per_class(sample, score):
    """AUROC of hands against each other class, and against all of them."""
    normal = score(sample.of_class("Hand").images[1000:1500])
    scores = {name: score(sample.of_class(name).images[:250]) for name in ANOMALIES}
    table = {name: auroc(normal, anomaly) for name, anomaly in scores.items()}
    return table | {"all": auroc(normal, np.concatenate(list(scores.values())))}


def reduced(images):
    """Averages of 4×4 pixels, (N, 256), 0 to 1."""
    return images.reshape(-1, 16, 4, 16, 4).mean((2, 4)).reshape(-1, 256) / 255


def accuracy(features, labels):
    """Mean accuracy over the classes of a linear classifier, trained on every other picture."""
    features = (features - features.mean(0)) / features.std(0)
    classifier = LogisticRegression(max_iter=500).fit(features[::2], labels[::2])
    right = classifier.predict(features[1::2]) == labels[1::2]
    return np.mean([right[labels[1::2] == label].mean() for label in np.unique(labels)])


def test_form(sample):
    assert sample.images.shape == (4000, 1, 64, 64)
    assert sample.classes == ("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT")
    assert np.bincount(sample.labels).tolist() == [400, 400, 400, 400, 2000, 400]
    assert (sample.name, sample.source) == ("mednist", "sample")


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="size 64 only, got size=128"):
        mednist.make(size=128)


def test_one_seed_gives_one_set_on_every_machine(sample):
    images = mednist.make(0)["all"].images
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == "1bc2a6f5bbf1f5bc"
    assert np.array_equal(sample.images, images)


def test_made_in_seconds_and_differently_for_another_seed(sample):
    start = time.process_time()
    other = mednist.make(1)["all"]
    assert time.process_time() - start < 20  # about 5 on the machine that measured the bands
    assert not (other.images == sample.images).all((1, 2, 3)).any()


def test_brightness_does_not_solve_it(sample):
    table = per_class(sample, brightness)
    assert 0.6 < table["all"] < 0.75
    assert 0.4 < table["HeadCT"] < 0.55
    # As in the real set, breasts are dark, body CT and chest X-rays bright, but not always.
    assert 0.1 < table["BreastMRI"] < 0.25
    assert min(table[name] for name in ("AbdomenCT", "ChestCT", "CXR")) > 0.85
    assert max(table[name] for name in ("AbdomenCT", "ChestCT", "CXR")) < 0.98


def test_png_size_does_not_solve_it(sample):
    table = per_class(sample, png_bytes)
    assert 0.3 < table["all"] < 0.5
    assert 0.05 < min(table.values()) < max(table.values()) < 0.9


def test_shape_tells_more_than_trivial_scores(hands, sample):
    train = hands[:1000] / 255.0
    neighbours = NearestNeighbors(n_neighbors=1).fit(train.reshape(1000, -1))

    def to_mean(images):
        return ((images / 255 - train.mean(0)) ** 2).mean((1, 2, 3))

    def to_nearest(images):
        return neighbours.kneighbors(images.reshape(len(images), -1) / 255)[0][:, 0]

    mean, nearest = per_class(sample, to_mean)["all"], per_class(sample, to_nearest)["all"]
    assert 0.88 < mean < 0.94
    assert 0.94 < nearest < 0.99


def test_small_classifier_tells_the_classes_apart_but_not_by_brightness(sample):
    assert accuracy(reduced(sample.images), sample.labels) > 0.97
    trivial = np.stack([brightness(sample.images), png_bytes(sample.images)], axis=1)
    assert accuracy(trivial, sample.labels) < 0.6


@pytest.mark.parametrize("pair", [("AbdomenCT", "ChestCT"), ("HeadCT", "ChestCT")])
def test_pairs_of_ct_are_distinct(sample, pair):
    both = sample.of_class(*pair)
    assert accuracy(reduced(both.images), both.labels) > 0.95


def test_body_ct_is_mid_grey_around_the_patient_and_overlaps(sample):
    abdomen, chest = (
        np.median(sample.of_class(name).images[:, 0, :2], axis=(1, 2))
        for name in ("AbdomenCT", "ChestCT")
    )
    assert 80 < min(abdomen.min(), chest.min()) < max(abdomen.max(), chest.max()) < 160
    assert 0.65 < auroc(abdomen, chest) < 0.85


@pytest.mark.parametrize("name", mednist.MODALITIES)
def test_pictures_of_a_class_vary(sample, name):
    x = sample.of_class(name).images[:400].reshape(400, -1) / 255.0
    assert len(np.unique(x, axis=0)) == 400
    nearest = NearestNeighbors(n_neighbors=2).fit(x).kneighbors(x)[0][:, 1]
    from_mean = np.linalg.norm(x - x.mean(0), axis=1)
    assert np.median(nearest) > 0.4 * np.median(from_mean)
    variances = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2
    assert np.searchsorted(np.cumsum(variances) / variances.sum(), 0.9) > 20


@pytest.mark.parametrize("shape", [(3, 1, 64, 64), (2, 3, 96, 128)])
def test_lesions_stay_within_their_masks_and_leave_the_input(hands, shape):
    n, _, height, width = shape
    images = np.zeros(shape, dtype=np.uint8)
    images[:, :, :64, :64] = hands[:n]
    before = images.copy()
    lesioned, masks = add_lesions(images, 1.0, np.random.default_rng(0))
    assert lesioned.dtype == np.uint8 and lesioned.shape == shape
    assert masks.dtype == bool and masks.shape == (n, height, width)
    assert np.array_equal(images, before)
    assert masks.any((1, 2)).all() and masks.mean() < 0.1
    changed = (lesioned != images).any(1)
    # The soft edge, one pixel wide, is half in and half out.
    assert changed[masks].mean() > 0.9 and (changed & ~masks).sum() < masks.sum()


def test_lesions_lie_on_the_hand(hands):
    masks = add_lesions(hands[:300], 0.5, np.random.default_rng(0))[1]
    inside = (hands[:300, 0] * masks).sum((1, 2)) / masks.sum((1, 2))
    assert (inside > np.percentile(hands[:300, 0], 30, axis=(1, 2))).mean() > 0.99


def test_severity_raises_size_and_contrast(hands):
    sizes, contrasts = [], []
    for severity in (0, 0.25, 0.5, 0.75, 1):
        lesioned, masks = add_lesions(hands[:200], severity, np.random.default_rng(0))
        sizes.append(masks.sum())
        change = np.abs(lesioned.astype(int) - hands[:200])[:, 0]
        contrasts.append(change[masks].mean())
    assert np.all(np.diff(sizes) > 0) and np.all(np.diff(contrasts) > 0)


def test_tone_is_bright_dark_or_blind_spot(hands):
    def change(tone, severity=0.6):
        lesioned, masks = add_lesions(hands[:200], severity, np.random.default_rng(0), tone)
        difference = lesioned.astype(float) - hands[:200]
        return (difference.sum((1, 2, 3)) / masks.sum((1, 2))), np.abs(difference).max()

    assert np.median(change(1)[0]) > 20 and change(1)[0].min() > -1
    assert np.median(change(-1)[0]) < -20 and change(-1)[0].max() < 1
    mean, largest = change(0)
    assert np.abs(mean).max() < 0.6  # brightness kept, up to rounding,
    assert largest > 50  # although the bones are gone


def test_lesions_follow_the_generator(hands):
    first, again, other = (add_lesions(hands[:5], 0.5, np.random.default_rng(s)) for s in (0, 0, 1))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


@pytest.mark.parametrize("severity", [-0.1, 1.1, float("nan")])
def test_severity_out_of_range_is_refused(hands, severity):
    with pytest.raises(ValueError, match="between 0 and 1"):
        add_lesions(hands[:1], severity, np.random.default_rng(0))
