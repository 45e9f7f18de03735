"""The prepared real data, where COURSE_DATA has them."""

import os

import numpy as np
import pytest

from helpers.datasets import find, load, store
from helpers.datasets.prepare import folder_of

ROOT = os.environ.get("COURSE_DATA")  # read before the fixtures hide it
MNIST = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}
MEDNIST = {
    "AbdomenCT": 10_000,
    "BreastMRI": 8_954,
    "CXR": 10_000,
    "ChestCT": 10_000,
    "Hand": 10_000,
    "HeadCT": 10_000,
}


def real(name):
    folder = folder_of(find(name), find(name).sizes[0], ROOT or "")
    if not ROOT or not store.is_prepared(folder):
        pytest.skip(
            f"needs the real {name}: python -m data_scripts.prepare {name}, and COURSE_DATA set "
            "to the folder with the prepared files"
        )
    sets = load(name, source="real", root=ROOT)
    assert all(isinstance(part.images, np.memmap) for part in sets.values())
    return sets, store.check(folder)


def per_class(part):
    return np.bincount(part.labels, minlength=len(part.classes)).tolist()


def test_mnist():
    sets, _ = real("mnist")
    assert {split: per_class(part) for split, part in sets.items()} == MNIST
    assert sets["test"].labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_fashion_mnist():
    sets, _ = real("fashion_mnist")
    assert per_class(sets["test"]) == [1000] * 10


def test_mednist():
    sets, manifest = real("mednist")
    pictures = sets["all"]
    copies = {entry["reason"].split("(")[1][:-1]: entry["count"] for entry in manifest["left_out"]}
    assert copies == {"AbdomenCT": 346, "HeadCT": 93, "CXR": 1}
    assert manifest["counts"]["all"] == {
        name: count - copies.get(name, 0) for name, count in MEDNIST.items()
    }
    assert len({image.tobytes() for image in pictures.images}) == len(pictures)


def test_cifar10():
    sets, _ = real("cifar10")
    assert per_class(sets["train"]) == [5000] * 10 and per_class(sets["test"]) == [1000] * 10
    assert sets["train"].labels[:5].tolist() == [6, 9, 9, 4, 1]
    assert sets["train"].images.shape[1:] == (3, 32, 32)


def test_oct():
    sets, _ = real("oct")
    train, test = sets["train"], sets["test"]
    assert "NORMAL" in train.classes and train.classes == test.classes
    assert min(per_class(train)) > 0 and min(per_class(test)) > 0
    if train.groups is not None:
        assert not set(train.groups) & set(test.groups)
    digests = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in digests for image in test.images)
