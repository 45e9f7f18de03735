import os
import sys
from datetime import datetime
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.models import ColourAutoencoder
from helpers.places import COURSE
from helpers.screening import ScreenedClassifier
from helpers.widgets import show_judgement, upload, upload_explorer
from helpers.widgets.upload import newest

rng = np.random.default_rng(0)
NORMAL = rng.integers(60, 120, (60, 3, 32, 32), dtype=np.uint8)


def brightness(images):
    return images.mean((1, 2, 3))


@pytest.fixture
def autoencoder():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ColourAutoencoder((2, 3, 4), 5)


@pytest.fixture
def system():
    made = ScreenedClassifier(
        lambda x: torch.stack([x.sum((1, 2, 3)), 0 * x.sum((1, 2, 3))], 1),
        ("cat", "dog"),
        lambda images: {"brightness": brightness(images), "darkness": -brightness(images)},
        0.1,
    )
    return made.fit(NORMAL)


def png(colour, size=(80, 50)):
    page = BytesIO()
    Image.new("RGB", size, colour).save(page, format="png")
    return page.getvalue()


def as_seven(name, content):
    return {name: {"metadata": {"name": name, "size": len(content)}, "content": content}}


def as_eight(name, content):
    about = {"type": "image/png", "size": len(content), "last_modified": datetime(2026, 1, 1)}
    return ({"name": name, "content": memoryview(content)} | about,)


@pytest.mark.parametrize("form", [as_seven, as_eight])
def test_uploads_of_both_versions_of_ipywidgets(form):
    assert newest(form("a.png", b"123")) == ("a.png", b"123")


@pytest.mark.parametrize("nothing", [{}, ()])
def test_nothing_uploaded(nothing):
    assert newest(nothing) == (None, None)


def test_an_uploaded_picture_is_judged_and_a_letter_is_named(system, autoencoder):
    explorer = upload_explorer(system, autoencoder, NORMAL[0])
    assert explorer.text.startswith("A test picture: cat, probability 1.00")
    control = explorer.controls["upload"]
    form = as_seven if isinstance(control.value, dict) else as_eight
    control.set_trait("value", form("white.png", png("white")))
    assert explorer.text.startswith("white.png: refused (brightness: p = 0.0164).")
    assert "darkness: score -255, p = 1.000" in explorer.text
    control.set_trait("value", form("letter.jpg", b"Dear all,"))
    assert explorer.text.startswith("letter.jpg: Cannot read the 9 bytes as a picture")
    control.set_trait("value", form("tiny.png", png((90, 90, 90), (1, 1))))
    assert explorer.text.startswith("tiny.png: cat")
    page = BytesIO()
    frames = [Image.new("L", (40, 40), grey) for grey in (255, 0)]
    frames[0].save(page, format="tiff", save_all=True, append_images=frames[1:])
    control.set_trait("value", form("volume.tif", page.getvalue()))
    assert explorer.text.startswith("volume.tif, the first of 2 frames: refused (brightness")


def test_a_path_gives_the_same(system, autoencoder, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(upload, "show", lambda figure, text, alt: shown.append((figure, text)))
    path = tmp_path / "white.png"
    path.write_bytes(png("white"))
    show_judgement(path, system, autoencoder)
    show_judgement(tmp_path / "nowhere.png", system, autoencoder)
    (figure, text), (_, missing) = shown
    assert text.startswith("white.png: refused (brightness")
    assert "There is no file" in missing
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_the_autoencoder_keeps_its_mode(system, autoencoder):
    autoencoder.train()
    upload_explorer(system, autoencoder, NORMAL[0])
    assert autoencoder.training


@pytest.mark.parametrize(
    ("where", "megabytes"), [("make lab", 200), ("another server", 10), ("Colab", 1)]
)
def test_the_limit_of_the_server_is_named(where, megabytes, system, autoencoder, monkeypatch):
    paths = ["/theirs"] + [str(COURSE / ".jupyter")] * (where == "make lab")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", os.pathsep.join(paths))
    if where == "Colab":
        monkeypatch.setitem(sys.modules, "google.colab", object())
    text = upload_explorer(system, autoencoder, NORMAL[0]).text
    assert f"{megabytes} MB" in text and "show_judgement(path" in text
