import numpy as np
import pytest
import torch

from helpers.experiments.module_01 import as_strip, from_strip, gains_of, parts, straight
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


def test_a_digit_is_redrawn_with_its_rotated_copy():
    """Ink does not change in a rotation: its AUROC is 0.5 in each draw and adds no spread."""
    rng = np.random.default_rng(0)
    ink, error = rng.normal(size=(2, 300))
    normal, rotated = {"own": error, "ink": ink}, {"own": error + 0.5, "ink": ink}
    together, apart = (gains_of("own", normal, rotated, changed) for changed in (True, False))
    assert together.loc["ink", "AUROC"] == 0.5
    widths = [gains["95 % high"]["ink"] - gains["95 % low"]["ink"] for gains in (together, apart)]
    assert widths[0] < 0.6 * widths[1]
    low, gain, high = (together.loc["ink", c] for c in ("95 % low", "gain of the own", "95 % high"))
    assert low < gain < high
