"""Mixed precision: measured, used where it pays and in the full profile only."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import precision
from helpers.experiments.module_03 import nats
from helpers.models import DeepAutoencoder, DeepVAE
from helpers.runtime import device
from helpers.training import fit, fit_classifier, reconstruction, train_step


@pytest.mark.parametrize("profile", ["quick", "full", "smoke"])
@pytest.mark.parametrize("gain", [0.0, 1.05, 1.5])
def test_bfloat16_only_where_it_pays(monkeypatch, profile, gain):
    monkeypatch.setenv("COURSE_PROFILE", profile)
    monkeypatch.setattr(precision, "bfloat16_gain", lambda: gain)
    with precision.autocast():
        product = torch.ones(4, 4, device=device()) @ torch.ones(4, 4, device=device())
    pays = profile == "full" and gain == 1.5
    assert product.dtype == (torch.bfloat16 if pays else torch.float32)
    assert precision.uses_bfloat16() == pays


def test_the_gain_is_a_ratio_of_speeds_and_draws_nothing(monkeypatch):
    speeds = {True: 30.0, False: 20.0}
    monkeypatch.setattr(precision, "_speed", lambda half, seconds: speeds[half])
    assert precision.bfloat16_gain.__wrapped__() == 1.5

    def refused(half, seconds):
        raise RuntimeError("not implemented for 'BFloat16'")

    monkeypatch.setattr(precision, "_speed", refused)
    assert precision.bfloat16_gain.__wrapped__() == 0.0


def test_the_probe_runs_and_leaves_the_random_state():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    assert precision.bfloat16_gain.__wrapped__(0.01) > 0
    assert torch.equal(torch.rand(2), expected)


def test_a_classifier_learns_in_bfloat16(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.setattr(precision, "bfloat16_gain", lambda: 2.0)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    labels = torch.arange(64).numpy() % 2
    images = (labels[:, None, None, None] * 200 * torch.ones(1, 1, 8, 8).numpy()).astype("uint8")
    seen = []
    model[0].register_forward_hook(lambda part, x, y: seen.append(y.dtype))
    history = fit_classifier(
        model, images, labels, epochs=20, batch_size=16, mixed=True, progress=False
    )
    assert seen[0] == torch.bfloat16 and model[0].weight.dtype == torch.float32
    assert history[-1]["train"] < F.cross_entropy(torch.zeros(1, 2), torch.tensor([0])).item()


def test_an_autoencoder_and_a_vae_learn_in_bfloat16(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.setattr(precision, "bfloat16_gain", lambda: 2.0)
    images = np.random.default_rng(0).integers(0, 256, (32, 1, 16, 16), dtype=np.uint8)
    for cls, objective in ((DeepAutoencoder, reconstruction), (DeepVAE, nats)):
        torch.manual_seed(0)
        model, seen = cls(16, (4, 8, 8), 4), []
        model.to_code[1].register_forward_hook(lambda part, x, y, seen=seen: seen.append(y.dtype))
        history = fit(
            model,
            images,
            epochs=10,
            batch_size=16,
            objective=objective,
            validation=images,
            mixed=True,
            progress=False,
        )
        # two steps in bfloat16, then the validation error in float32
        assert seen[:3] == [torch.bfloat16, torch.bfloat16, torch.float32]
        assert history[-1]["train"] < history[0]["train"]
        assert model.to_code[1].weight.dtype == torch.float32


def test_steps_under_one_context_see_the_weights_that_they_change(monkeypatch):
    """torch 2.15 keeps a weight's bfloat16 copy while a context lasts, whatever a step does."""
    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.setattr(precision, "bfloat16_gain", lambda: 2.0)
    torch.manual_seed(0)
    model, x = nn.Linear(4, 4).to(device()), torch.randn(64, 4, device=device())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with precision.autocast():
        losses = [train_step(model, x, optimizer, F.mse_loss) for _ in range(8)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_forward_pass_in_mixed_precision_gives_float32(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    monkeypatch.setattr(precision, "bfloat16_gain", lambda: 2.0)
    model, seen = nn.Linear(4, 4).to(device()), []
    model.register_forward_hook(lambda part, x, y: seen.append(y.dtype))
    y = precision.mixed(model)(torch.ones(2, 4, device=device()))
    assert seen == [torch.bfloat16] and y.dtype == torch.float32 and y.requires_grad
