"""Drawn garments, 28×28, in the ten classes of Fashion-MNIST."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from helpers.datasets import mnist
from helpers.datasets.image_set import ImageSet

CLASSES = mnist.CLASSES["fashion_mnist"]
SIZE, SCALE = 28, 4  # drawn four times larger, then averaged


class Sheet:
    """A canvas in units of the picture's side, with 0.5 in the middle of x."""

    def __init__(self):
        self.image = Image.new("L", (SIZE * SCALE,) * 2)
        self.draw = ImageDraw.Draw(self.image)

    def polygon(self, *points, fill=255):
        self.draw.polygon([(SIZE * SCALE * x, SIZE * SCALE * y) for x, y in points], fill=int(fill))

    def mirrored(self, *points, fill=255):
        """The polygon and its mirror image, left and right."""
        self.polygon(*points, fill=fill)
        self.polygon(*((1 - x, y) for x, y in points), fill=fill)

    def line(self, *points, width, fill=255):
        pixels = [(SIZE * SCALE * x, SIZE * SCALE * y) for x, y in points]
        self.draw.line(pixels, fill=int(fill), width=round(width * SIZE * SCALE), joint="curve")


def torso(sheet, rng, hem, flare=0.0):
    """Shoulders to hem; returns the half-width at the shoulders."""
    half, neck = rng.uniform(0.19, 0.25), rng.uniform(0.06, 0.11)
    sheet.mirrored(
        (0.5 - neck, 0.1), (0.5 - half, 0.16), (0.5 - half + 0.03, 0.45),
        (0.5 - half - flare, hem), (0.5, hem), (0.5, 0.1 + rng.uniform(0.04, 0.1)),
    )  # fmt: skip
    return half


def sleeves(sheet, half, length, width, spread):
    """From the shoulder down to `length`, `spread` outwards."""
    top = 0.5 - half
    sheet.mirrored(
        (top + 0.02, 0.13), (top - spread, length), (top - spread + width, length + 0.03),
        (top + 0.05, 0.4),
    )  # fmt: skip


def t_shirt(sheet, rng):
    half = torso(sheet, rng, rng.uniform(0.82, 0.92))
    sleeves(sheet, half, rng.uniform(0.3, 0.4), 0.12, rng.uniform(0.1, 0.16))


def trouser(sheet, rng):
    waist, foot, gap = rng.uniform(0.13, 0.19), rng.uniform(0.06, 0.1), rng.uniform(0.02, 0.07)
    sheet.mirrored(
        (0.5, 0.06), (0.5 - waist, 0.06), (0.5 - waist - 0.02, 0.3),
        (0.5 - gap - 2 * foot, 0.95), (0.5 - gap, 0.95), (0.5, rng.uniform(0.3, 0.4)),
    )  # fmt: skip


def pullover(sheet, rng):
    half = torso(sheet, rng, rng.uniform(0.8, 0.9))
    sleeves(sheet, half, rng.uniform(0.78, 0.9), 0.11, rng.uniform(0.1, 0.18))


def dress(sheet, rng):
    flare, waist = rng.uniform(0.0, 0.14), rng.uniform(0.08, 0.12)
    sheet.mirrored(
        (0.5 - 0.05, 0.05), (0.5 - waist - 0.05, 0.07), (0.5 - waist, 0.4),
        (0.5 - waist - flare - 0.04, 0.95), (0.5, 0.95), (0.5, 0.12),
    )  # fmt: skip


def coat(sheet, rng):
    half = torso(sheet, rng, rng.uniform(0.9, 0.96), flare=rng.uniform(0.0, 0.05))
    sleeves(sheet, half, rng.uniform(0.75, 0.85), 0.12, rng.uniform(0.08, 0.13))
    sheet.line((0.5, 0.15), (0.5, 0.95), width=0.03, fill=0)
    sheet.mirrored((0.47, 0.12), (0.4, 0.3), (0.47, 0.38), fill=150)


def sandal(sheet, rng):
    heel, slope = rng.uniform(0.0, 0.2), rng.uniform(-0.03, 0.03)
    sole = 0.72 + slope
    sheet.line((0.06, 0.75), (0.4, 0.74), (0.9, sole - heel), width=rng.uniform(0.05, 0.08))
    if heel > 0.08:
        sheet.line((0.87, sole - heel), (0.9, 0.76), width=0.05)
    for start in np.linspace(0.15, 0.6, rng.integers(2, 5)):
        top = rng.uniform(0.38, 0.52)
        sheet.line((start, 0.74), (start + 0.15, top), (start + 0.28, 0.72 - heel), width=0.045)


def shirt(sheet, rng):
    half = torso(sheet, rng, rng.uniform(0.84, 0.94))
    sleeves(sheet, half, rng.uniform(0.5, 0.8), 0.1, rng.uniform(0.08, 0.15))
    sheet.mirrored((0.5, 0.16), (0.42, 0.08), (0.4, 0.18), fill=160)
    for y in np.linspace(0.24, 0.8, 6):
        sheet.line((0.49, y), (0.52, y), width=0.03, fill=40)


def sneaker(sheet, rng):
    top, toe = rng.uniform(0.4, 0.48), rng.uniform(0.56, 0.62)
    sheet.polygon(
        (0.05, 0.72), (0.08, toe), (0.35, toe - 0.06), (0.55, top), (0.9, top + 0.02),
        (0.94, 0.72),
    )  # fmt: skip
    sheet.polygon((0.04, 0.7), (0.95, 0.7), (0.95, 0.77), (0.05, 0.77), fill=rng.integers(90, 255))
    for x in np.linspace(0.38, 0.52, 3):
        sheet.line((x, toe - 0.05), (x + 0.06, toe + 0.02), width=0.03, fill=60)


def bag(sheet, rng):
    half, top, bottom = rng.uniform(0.3, 0.44), rng.uniform(0.36, 0.46), rng.uniform(0.8, 0.92)
    lean, grip, loop = rng.uniform(0, 0.08), rng.uniform(0.12, 0.24), rng.uniform(0.08, 0.24)
    sheet.mirrored((0.5, top), (0.5 - half + lean, top), (0.5 - half, bottom), (0.5, bottom))
    arc = ((0.5 - grip, top), (0.5 - 0.7 * grip, loop), (0.5 + 0.7 * grip, loop), (0.5 + grip, top))
    sheet.line(*arc, width=rng.uniform(0.03, 0.06))
    sheet.line((0.5 - half + lean, top + 0.1), (0.5 + half - lean, top + 0.1), width=0.03, fill=90)


def ankle_boot(sheet, rng):
    top, shaft, heel = rng.uniform(0.08, 0.2), rng.uniform(0.46, 0.56), rng.uniform(0.0, 0.08)
    sheet.polygon(
        (0.08, 0.84), (0.1, rng.uniform(0.62, 0.7)), (0.4, 0.56), (shaft, top), (0.9, top),
        (0.92, 0.84),
    )  # fmt: skip
    sheet.polygon((0.68, 0.82), (0.92, 0.82), (0.91, 0.86 + heel), (0.72, 0.86 + heel))
    sheet.line((0.07, 0.84), (0.92, 0.84), width=0.04, fill=rng.integers(60, 200))


GARMENTS = (t_shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle_boot)


def picture(garment, rng):
    """One garment, (28, 28) uint8: a silhouette in its own cloth, slightly turned and shifted."""
    sheet = Sheet()
    garment(sheet, rng)
    turn, (dx, dy) = rng.normal(0, 2.5), rng.normal(0, 0.02 * SIZE * SCALE, 2)
    shape = sheet.image.rotate(turn, Image.Resampling.BILINEAR, translate=(dx, dy))
    shape = np.asarray(shape.resize((SIZE, SIZE), Image.Resampling.BOX), float) / 255
    weave = gaussian_filter(rng.normal(size=(SIZE, SIZE)), rng.uniform(0.4, 2.0))
    cloth = rng.uniform(0.45, 0.95) + rng.uniform(0.03, 0.15) * weave / weave.std()
    if rng.random() < 0.3:  # stripes
        phase = rng.uniform(0, 2 * np.pi) + np.arange(SIZE) * rng.uniform(0.6, 1.6)
        stripes = rng.uniform(0.1, 0.3) * np.sin(phase)
        cloth = cloth + (stripes[:, None] if rng.random() < 0.5 else stripes)
    light = 1 + rng.uniform(-0.25, 0.25) * np.linspace(-1, 1, SIZE)
    return np.round(255 * np.clip(shape * cloth * light, 0, 1)).astype(np.uint8)


def make(seed=0, size=None):
    """Drawn garments as {"train": 2,000, "test": 1,000}, every class equally often."""
    rng = np.random.default_rng(seed)

    def part(count):
        labels = np.arange(count) % len(CLASSES)
        return ImageSet(
            images=np.stack([picture(GARMENTS[label], rng) for label in labels])[:, None],
            labels=labels.astype(np.int64),
            classes=CLASSES,
            name="fashion_mnist",
            source="sample",
            origin="Drawn garments in the ten classes of Fashion-MNIST",
        )

    return {"train": part(2000), "test": part(1000)}
