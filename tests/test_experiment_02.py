import numpy as np
import pytest

from helpers.datasets import load
from helpers.experiments.module_02 import normal_digits, reported, unreported


@pytest.fixture(autouse=True)
def on_the_sample(monkeypatch, drawn):
    monkeypatch.setenv("COURSE_SOURCE", "sample")


def bytes_of(images):
    return {image.tobytes() for image in images}


def test_the_images_of_the_wrap_up_are_not_reported_on_and_not_trained_on():
    images, _, source = unreported()
    test = load("mnist")["test"]
    assert source == test.source == "sample"
    own = bytes_of(images)
    assert not own & bytes_of(reported(test).images)
    assert not own & bytes_of(load("mnist")["train"].images)


def test_zeros_and_clothes_are_anomalous_and_nothing_else():
    images, anomalous, _ = unreported()
    test = load("mnist")["test"]
    label = {
        image.tobytes(): test.classes[i] for image, i in zip(test.images, test.labels, strict=True)
    }
    named = np.array([label.get(image.tobytes(), "clothes") for image in images])
    assert set(named[anomalous]) == {"0", "clothes"}
    assert set(named[~anomalous]) == set("123456789")


def test_normal_digits_hold_no_zero():
    train = load("mnist")["train"]
    zeros = bytes_of(train.of_class("0").images)
    some = normal_digits(count=500)
    assert some.shape == (500, 1, 28, 28)
    assert not bytes_of(some) & zeros
