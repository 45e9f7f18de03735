"""The tables of module 3 on a few drawn images: roles, scores, entries."""

import numpy as np
import pytest
import torch
import torchvision
from scipy.spatial.distance import cdist

from helpers.datasets.image_set import ImageSet
from helpers.experiments import baselines, module_03
from helpers.models import DeepAutoencoder, DeepVAE

CLASSES = ("CXR", "Hand", "HeadCT")


@pytest.fixture
def pictures(monkeypatch):
    """Sixty hands and forty of each other class; each class has a square of its own."""
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0, 2], [60, 40, 40])
    images = rng.integers(0, 120, (140, 1, 64, 64), dtype=np.uint8)
    for label, corner in ((0, 8), (2, 40)):
        images[labels == label, :, corner : corner + 16, 8:24] += 100
    made = ImageSet(images, labels, CLASSES, name="mednist", source="sample")
    monkeypatch.setattr(module_03, "load", lambda name: {"all": made})
    monkeypatch.setattr(module_03, "steps", lambda: 2)
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    return made


def test_roles_share_no_picture_and_have_the_profile_s_size(pictures):
    roles = module_03.task("Hand")
    assert sum(map(len, roles[:3])) == 60
    assert {part.images.shape[2:] for part in roles} == {(32, 32)}
    assert all(set(part.labels) == {1} for part in roles[:3])
    counts = np.bincount(roles.anomalies.labels, minlength=3)
    assert counts[1] == 0 and counts[0] == counts[2] == len(roles.normal) // 5
    seen = [{image.tobytes() for image in part.images} for part in roles]
    assert sum(map(len, seen)) == len(set.union(*seen))
    assert module_03.task("CXR", factor=1).train.images.shape[2:] == (64, 64)


def test_shrinking_averages_blocks(pictures):
    small = pictures.shrink(4)
    block = pictures.images[3, 0, 8:12, 20:24]
    assert small.images[3, 0, 2, 5] == np.rint(block.mean())
    masked = ImageSet(
        pictures.images[:1],
        pictures.labels[:1],
        CLASSES,
        masks=np.arange(64 * 64).reshape(1, 64, 64) % 64 < 3,
    )
    assert masked.shrink(2).masks[0].sum() == 32 * 2  # columns 0 to 2: one block whole, one half


@pytest.mark.parametrize("cls", [DeepAutoencoder, DeepVAE])
def test_every_score_is_one_finite_number_a_picture(pictures, cls):
    images = pictures.shrink(2).images
    model = module_03.network(cls, 32)
    scores = module_03.model_scores(model, images[:60], images[50:90])
    assert not model.training
    assert {"MAE", "MSE", "SSIM", "kNN, code", "Mahalanobis, features"} <= set(scores)
    assert ({"KL", "-ELBO"} <= set(scores)) == (cls is DeepVAE)
    for values in scores.values():
        assert values.shape == (40,) and np.isfinite(values).all()


def test_baselines_know_training_pictures_again(pictures):
    images = pictures.shrink(2).images
    scores = module_03.baseline_scores(images[:60], images)
    assert (scores["nearest image"][:60] < 1e-2).all()
    assert scores["nearest image"][60:].min() > 0.1
    assert all(values.shape == (140,) for values in scores.values())


def test_an_entry_has_each_score_over_all_and_by_class(pictures):
    values = module_03.normal_class("Hand")
    for name in ("AE MAE", "VAE KL", "nearest image"):
        assert values[f"{name}, low"] <= values[name] <= values[f"{name}, high"]
        assert {f"{name}, CXR", f"{name}, HeadCT"} <= set(values)
    assert values["source"] == "sample"
    assert module_03.hands(0).keys() == values.keys()


@pytest.mark.parametrize("model", ["AE", "VAE"])
def test_a_longer_training_is_compared_with_the_usual_one(pictures, model):
    values = module_03.longer_training(model, 0)
    scores = {"MAE", "SSIM"} | ({"KL"} if model == "VAE" else set())
    assert values.keys() == {"source", "error"} | scores
    assert len(values["error"]) > 1 and all(len(values[name]) == 2 for name in scores)
    before = module_03.hands(0)
    assert values["MAE"][0] == pytest.approx(before[f"{model} MAE"], abs=0.01)
    assert values["error"][1] != values["error"][0]


def test_the_loss_of_the_source_has_a_beta_above_one(pictures, monkeypatch):
    values = module_03.source_loss(0)
    assert values["beta"] == 16  # pixels / latents
    monkeypatch.setattr(module_03, "effective_beta", lambda *_, **__: 1e-6)
    assert module_03.source_loss(0)["median KL"] > values["median KL"]


@pytest.mark.parametrize("stream", [module_03.from_memory, module_03.from_files])
def test_both_ways_of_reading_give_the_same_pictures(pictures, stream, tmp_path):
    images = pictures.images[:100]
    batch = next(stream(images, tmp_path)).cpu().numpy()
    assert batch.shape == (100, 1, 64, 64) and batch.max() <= 1
    far = cdist(batch.reshape(100, -1), images.reshape(100, -1) / 255)
    assert sorted(far.argmin(axis=1)) == list(
        range(100)
    )  # though JPEG changes grey values a little


def test_a_backbone_runs_where_its_weights_are_in_the_cache_and_only_there(
    pictures, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert module_03.cached_weights() is None
    assert not any(tmp_path.iterdir())
    (tmp_path / "checkpoints").mkdir()
    torch.manual_seed(0)
    name = "resnet18-f37072fd.pth"  # as torchvision calls it
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "checkpoints" / name)
    weights = module_03.cached_weights()
    assert weights.name == name
    images = pictures.shrink(2).images
    scores = module_03.backbone_scores(weights, images[:40], images[30:70])
    assert set(scores) == {"Mahalanobis", "kNN"}
    assert all(s.shape == (40,) and np.isfinite(s).all() for s in scores.values())
    assert (
        scores["kNN"][:10].mean() < scores["kNN"][30:].mean()
    )  # of the training images, and others


def test_compared_is_the_difference_of_the_first_and_the_second_on_one_part():
    """Of the even images, a separates all and b none; of the odd ones it is the other way round."""
    apart, alike = [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]
    scores = {
        "a": np.stack([apart, alike], axis=1).ravel(),
        "b": np.stack([alike, apart], axis=1).ravel(),
    }
    first = module_03.compared("a − b", scores, 4, slice(0, None, 2))
    assert first == {"pair": "a − b", "difference": 0.5, "low": 0.5, "high": 0.5}
    second = module_03.compared("a − b", scores, 4, slice(1, None, 2))
    assert second["difference"] == -0.5
    assert module_03.compared("a − b", scores, 4)["difference"] == 0


@pytest.mark.parametrize(("shape", "dim"), [((5, 3, 4, 6), (2, 3)), ((4, 7, 2), 1), ((6, 1), 0)])
def test_the_standard_deviation_is_that_of_torch(shape, dim):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 3
    assert torch.allclose(baselines.standard_deviation(x, dim), x.std(dim), atol=1e-6)
