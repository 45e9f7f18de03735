import pytest
import torch

from helpers.models import ConvAutoencoder
from helpers.widgets import explorer


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ConvAutoencoder(latent_dim=4).eval()


@pytest.fixture
def displayed(monkeypatch):
    """What an explorer displays, as pairs (update?, object)."""
    shown = []
    monkeypatch.setattr(
        explorer, "display", lambda value, update=False, **_: shown.append((update, value))
    )
    return shown
