"""Every network that the course hands out can be saved whole, copied, and used afterwards."""

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn

from helpers import models

SMALL = {
    "ColourAutoencoder": lambda: models.ColourAutoencoder((2, 3, 4), 5),
    "ConvAutoencoder": lambda: models.ConvAutoencoder(3),
    "ConvVAE": lambda: models.ConvVAE(),
    "DeepAutoencoder": lambda: models.DeepAutoencoder(),
    "DeepVAE": lambda: models.DeepVAE(),
    "GaussianNoise": lambda: models.GaussianNoise(0.1),
    "LinearAutoencoder": lambda: models.LinearAutoencoder(3),
    "OctAutoencoder": lambda: models.OctAutoencoder(
        models.freeze(models.make_encoder((4, 8))), models.make_decoder((4, 8))
    ),
    "OctClassifier": lambda: models.OctClassifier(models.make_encoder((4, 8)), 32, 3),
    "ResidualBlock": lambda: models.ResidualBlock(2, 3),
    "SmallResNet": lambda: models.SmallResNet((2, 3)),
    "freeze": lambda: models.freeze(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))),
    "make_decoder": lambda: models.make_decoder((4, 8), code_channels=2),
    "make_encoder": lambda: models.make_encoder((4, 8)),
    "down_block": lambda: models.down_block(2, 3),
    "up_block": lambda: models.up_block(3, 2),
}


def test_no_network_is_forgotten():
    found = {name for name in models.__all__ if inspect.isclass(getattr(models, name))}
    assert found <= set(SMALL)


def by_torch(model, path):
    torch.save(model, path)
    return torch.load(path, weights_only=False)


@pytest.mark.parametrize(
    "way", [by_torch, lambda m, _: pickle.loads(pickle.dumps(m)), lambda m, _: copy.deepcopy(m)]
)
@pytest.mark.parametrize("name", SMALL)
def test_a_network_comes_back_whole(name, way, tmp_path):
    model = SMALL[name]()
    again = way(model, tmp_path / "model.pt")
    assert type(again) is type(model)
    for key, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor)


def test_a_frozen_network_is_still_frozen_afterwards(tmp_path):
    frozen = by_torch(SMALL["freeze"](), tmp_path / "model.pt")
    before = copy.deepcopy(frozen.state_dict())
    frozen.train()(torch.rand(4, 1, 8, 8))
    assert all(torch.equal(before[k], v) for k, v in frozen.state_dict().items())
    assert not any(p.requires_grad for p in frozen.parameters())
