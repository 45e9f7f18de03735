"""A picture of your own before the screened classifier: what it sees, says and refuses.

It needs the kernel: the picture goes through the learner's own networks.
"""

import os
import sys
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from PIL import Image

from helpers.datasets.pictures import KINDS, PictureError, open_picture, read_picture
from helpers.places import COURSE
from helpers.plotting import ANOMALY, NORMAL, THRESHOLD, Picture, as_pictures, show
from helpers.training import as_input, evaluating
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

SIZE = (9.5, 3.4)
SEEN = (
    "Three images: the picture as it came, as the networks see it, and rebuilt by the autoencoder. "
    "Right, the p-value of each screen as a dot, and the region of refusal shaded."
)
LIMIT = (
    "Yours may have {} MB; of a larger one the server says nothing and closes the connection. "
    "`show_judgement(path, ...)` reads a file of any size."
)


def upload_explorer(system, autoencoder, example):
    """Choose a picture file; the system's answer, and the p-value of each screen, follow.

    system : a fitted ScreenedClassifier; autoencoder : (N, 3, 32, 32) -> the same
    example : uint8 (3, 32, 32), shown until a file is chosen
    """
    kinds = f"image/*,{','.join(KINDS['DICOM'])}"
    upload = widgets.FileUpload(accept=kinds, multiple=False, description="your picture")

    def draw(figure, upload):
        name, content = newest(upload)
        if name is None:
            picture = np.ascontiguousarray(example.transpose(1, 2, 0))
            said = draw_judgement(figure, picture, example, system, autoencoder, "A test picture")
            return f"{said} {LIMIT.format(upload_limit())}"
        return draw_file(figure, content, system, autoencoder, name)

    return Explorer(draw, {"upload": upload}, upload, size=SIZE, alt=SEEN)


def show_judgement(path, system, autoencoder):
    """The same for a file at `path`, as a figure with its text."""
    figure = Picture(figsize=SIZE)
    show(figure, draw_file(figure, path, system, autoencoder, Path(path).name), alt=SEEN)


def upload_limit():
    """The most megabytes that a picture may have on its way from the browser to this kernel.

    Nothing tells a kernel its server's limit, but it inherits the variable by which `make lab` and
    Binder hand the server the course's settings. Other servers keep tornado's 10 MB.
    """
    if "google.colab" in sys.modules:
        return 1
    settings = os.environ.get("JUPYTER_CONFIG_PATH", "").split(os.pathsep)
    return 200 if str(COURSE / ".jupyter") in settings else 10


def newest(value):
    """Name and bytes of the last file of a FileUpload, or two Nones.

    ipywidgets 7 gives a dict {name: {"content", ...}}, 8 a tuple of {"name", "content", ...}.
    """
    if not value:
        return None, None
    entries = [e | {"name": n} for n, e in value.items()] if isinstance(value, dict) else value
    return entries[-1]["name"], bytes(entries[-1]["content"])


def draw_file(figure, source, system, autoencoder, name):
    """What the system makes of a file, path or bytes; or why it cannot be read. -> text"""
    try:
        original = open_picture(source)
        image = read_picture(original)
    except PictureError as error:
        figure.text(0.5, 0.5, "no picture", ha="center", color=ANOMALY)
        return f"{name}: {error}"
    if (frames := original.info["frames"]) > 1:
        name += f", the first of {frames} frames"
    original.thumbnail((256, 256), Image.Resampling.BICUBIC)
    return draw_judgement(figure, np.asarray(original), image, system, autoencoder, name)


def draw_judgement(figure, original, image, system, autoencoder, name):
    """Picture, what the networks see, reconstruction, p-values of the screens. -> text

    original : uint8 (H, W, 3); image : uint8 (3, 32, 32)
    """
    images = image[None]
    with evaluating(autoencoder):
        x_hat = autoencoder(as_input(images)).cpu()
    pictures = {
        "image": original,
        "seen": image.transpose(1, 2, 0),
        "rebuilt": as_pictures(x_hat)[0],
    }
    for left, (title, picture) in zip((0.01, 0.2, 0.39), pictures.items(), strict=True):
        parts.image(figure.add_axes((left, 0.1, 0.17, 0.75)), picture, title)
    judged = {screen: table.iloc[0] for screen, table in system.judge(images).items()}
    axes = figure.add_axes((0.76, 0.2, 0.22, 0.65))
    colours = [ANOMALY if row.refused else NORMAL for row in judged.values()]
    axes.scatter([row.p for row in judged.values()], list(judged), s=60, color=colours, zorder=2)
    level = system.alpha / len(judged)
    axes.axvspan(5e-4, level, color="0.9")
    axes.axvline(level, color=THRESHOLD)
    axes.set(
        xscale="log", xlim=(5e-4, 1.3), xlabel="p-value", title=f"grey: refused, p ≤ {level:.3g}"
    )
    axes.set_ylim(len(judged) - 0.5, -0.5)

    answer = system.predict(images).iloc[0]
    said = f"{answer.answer} ({answer.reason})"
    if not answer.reason:
        said = f"{answer.answer}, probability {answer.probability:.2f}"
    scores = ", ".join(f"{k}: score {row.score:.3g}, p = {row.p:.3f}" for k, row in judged.items())
    return f"{name}: {said}. {scores}."
