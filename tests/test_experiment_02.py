import numpy as np
import pytest
import torch

from helpers.checks.watch import preserved_session
from helpers.datasets import load
from helpers.experiments.module_02 import (
    error_on_wide_pixels,
    normal_digits,
    rebuilt,
    reported,
    train_source,
    unreported,
)


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


def test_the_error_on_wide_pixels_is_four_times_that_on_narrow_ones():
    white = np.full((2, 1, 28, 28), 255, dtype=np.uint8)
    assert error_on_wide_pixels(torch.zeros(2, 1, 28, 28), white) == pytest.approx(4)
    assert error_on_wide_pixels(torch.full((1, 28, 28), 0.5), white) == pytest.approx(1)


def test_the_network_of_section_7_minimises_the_loss_that_it_is_given():
    images = load("mnist")["train"].images[:256]

    def loss(vae, x):
        return vae.decode(vae.encode(x)[0]).mean()

    with preserved_session():  # it sets the seed
        vae = train_source(images, loss, steps=3)
    assert rebuilt(vae, images[:5]).shape == (5, 1, 28, 28)
    assert rebuilt(vae, images).mean() < 0.45  # an untrained decoder gives grey, 0.5
