import numpy as np
import pytest
import torch

from helpers.experiments.module_01 import as_strip, from_strip, parts, straight
from helpers.models import ConvAutoencoder


def test_the_straight_network_fills_as_many_dimensions_as_its_code_has():
    """ConvAutoencoder, whose linear layers are those of the course's source, fills 64 at most."""

    def rank(model):
        with torch.inference_mode():
            return torch.linalg.matrix_rank(model.encode(torch.rand(300, 1, 28, 28))).item()

    torch.manual_seed(0)
    assert rank(straight(128)) == 128
    assert rank(ConvAutoencoder(128)) <= 65  # 64 and the bias


def test_the_straight_network_rebuilds_pictures():
    model = straight(784)
    x = torch.rand(2, 1, 28, 28)
    assert model.encode(x).shape == (2, 784)
    assert model(x).shape == x.shape


def test_a_strip_gives_its_pictures_back():
    pictures = np.random.default_rng(0).random((3, 1, 28, 28), dtype=np.float32)
    assert from_strip(as_strip(pictures)) / 255 == pytest.approx(pictures, abs=0.002)


def test_parts_are_disjoint_and_the_test_digits_drawn_at_random(monkeypatch):
    monkeypatch.setenv("COURSE_SOURCE", "sample")
    train, calibration, test = parts()
    digests = [{x.tobytes() for x in part.images} for part in (train, calibration, test)]
    assert not digests[0] & digests[1] and not digests[0] & digests[2]
    assert len(calibration) == (len(train) + len(calibration)) // 6
    assert len(set(test.labels[:20])) > 5
