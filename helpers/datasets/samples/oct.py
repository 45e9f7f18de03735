"""The offline oct sample: retinal B-scans, drawn layer by layer.

Lengths along the scan (x) and across the eye (y) are in mm from the fovea, depths in µm.
Tissue is drawn at 128 × 128 pixels; the 64-pixel sample takes the mean of 2 × 2 of them.
"""

from itertools import count, islice

import numpy as np
from scipy.ndimage import gaussian_filter

from helpers.datasets.image_set import ImageSet

CLASSES = ("CNV", "DME", "DRUSEN", "NORMAL")
PATIENTS = {"train": (60, 60, 60, 160), "test": (50, 50, 50, 50)}  # as in CLASSES
SIZES = (64, 128)
PIXELS = 128
MICRONS = 7.5  # depth of a pixel

# From the vitreous down: thickness (µm), share of it that the foveal pit takes away
# (negative: adds), brightness from 0 to 1. Layers of thickness 0 exist only in disease.
LAYERS = {
    "NFL": (30, 0.95, 0.72),
    "GCL": (44, 0.9, 0.4),
    "IPL": (40, 0.9, 0.49),
    "INL": (36, 0.8, 0.27),
    "OPL": (26, 0.5, 0.44),
    "ONL": (70, -0.45, 0.19),
    "ELM": (9, 0, 0.36),
    "IS": (16, 0, 0.24),
    "EZ": (20, 0, 0.86),
    "OS": (17, -0.4, 0.48),
    "fluid": (0, 0, 0.06),
    "complex": (0, 0, 0.65),
    "RPE": (26, 0, 0.92),
    "drusen": (0, 0, 0.5),
}
NAMES = tuple(LAYERS)
VITREOUS, CHOROID, CYST, EXUDATE = 0.05, 0.4, 0.07, 0.85


def make(seed: int = 0, size: int | None = None) -> dict[str, ImageSet]:
    """The sample's "train" and "test"; no patient is in both.

    Images are uint8 (N, 1, size, size) with size 64 (default) or 128; masks mark the
    lesion, which is small and faint in some patients and plain in others; groups are
    patients. Raises ValueError for another size.
    """
    size = SIZES[0] if size is None else size
    if size not in SIZES:
        raise ValueError(f"oct sample: size {size} was asked for; it is drawn at 64 or 128 only")
    patients = count()
    return {split: draw_split(seed, size, patients, n) for split, n in PATIENTS.items()}


def draw_split(seed, size, patients, numbers):
    """An ImageSet, shuffled, of `numbers` patients of each class."""
    images, masks, labels, groups = [], [], [], []
    for label, name in enumerate(CLASSES):
        for patient in islice(patients, numbers[label]):
            scans, lesions = draw_patient(seed, patient, name, size)
            images.append(scans)
            masks.append(lesions)
            labels += [label] * len(scans)
            groups += [patient] * len(scans)
    order = np.random.default_rng([seed, groups[0]]).permutation(len(labels))
    return ImageSet(
        images=np.concatenate(images)[order, None],
        labels=np.array(labels)[order],
        classes=CLASSES,
        groups=np.array(groups)[order],
        masks=np.concatenate(masks)[order],
        name="oct",
        source="sample",
        origin="Retinal OCT B-scans drawn on this machine, several of each simulated patient.",
    )


def draw_patient(seed, patient, name, size):
    """All scans of one patient: uint8 images and bool masks, both (scans, size, size).

    Anatomy, lesion and noise have a random stream each: under another `name` the same
    eye is scanned in the same way, healthy or with another disease.
    """
    anatomy, disease, noise = (np.random.default_rng([seed, patient, i]) for i in range(3))
    x, y = place_scans(anatomy)
    vessels = draw_vessels(anatomy, x, y)
    thickness = draw_retina(anatomy, x, y, vessels)
    bruch = draw_bruch(anatomy, x, y)
    blobs = LESIONS[name](disease, thickness, x, y - y.mean())
    depth = bruch[:, None] - heights(thickness)
    tissue, mask = stack_layers(depth, thickness)
    for blob in blobs:
        draw_blob(tissue, mask, depth, x, y - y.mean(), *blob)
    tissue = add_surroundings(anatomy, tissue, depth, x, vessels)
    blocks = (len(x), size, PIXELS // size, size, PIXELS // size)
    images = expose(noise, tissue.reshape(blocks).mean((2, 4)), PIXELS // size)
    return images, mask.reshape(blocks).mean((2, 4)) >= 0.5


def bell(distance, width):
    """1 at distance 0, 1/e at `width`."""
    return np.exp(-((distance / width) ** 2))


# ---------------------------------------------------------------- anatomy


def place_scans(rng):
    """Where a patient's scans lie: x (scans, W) and y (scans, 1)."""
    scans = rng.integers(2, 7)
    x = rng.normal(0, 0.3) + rng.normal(0, 0.1, (scans, 1))
    x = x + rng.uniform(2.3, 3) * np.linspace(-1, 1, PIXELS)
    return x, rng.normal(0, 0.35) + rng.uniform(-0.6, 0.6, (scans, 1))


def draw_vessels(rng, x, y):
    """How much light the retina's vessels take from each column: (scans, W), 0 to 1."""
    n = (rng.integers(1, 7), 1, 1)
    path = rng.uniform(-2.8, 2.8, n) + rng.normal(0, 0.4, n) * y
    return (rng.uniform(0.2, 0.65, n) * bell(x - path, rng.uniform(0.03, 0.1, n))).max(0)


def draw_retina(rng, x, y, vessels):
    """Thickness of every layer: name -> (scans, W)."""
    r = np.hypot(x, y)
    pit = rng.uniform(0.7, 1) * bell(r, rng.uniform(0.3, 0.55))
    thickness = {}
    for name, (microns, lost, _) in LAYERS.items():
        phase, along, across = rng.uniform(0, [6.3, 3, 3])
        ripple = 1 + 0.05 * np.sin(phase + along * x + across * y)
        thickness[name] = microns * rng.normal(1, 0.08) * ripple * (1 - lost * pit)
    nasal = (rng.choice([-1, 1]) * x / 3).clip(0) ** 1.5
    thickness["NFL"] *= 0.7 + rng.uniform(0.5, 4) * nasal
    thickness["NFL"] += 25 * vessels
    for name in ("GCL", "IPL"):
        thickness[name] *= 0.75 + 0.35 * bell(r - 1, 0.8)
    return thickness


def draw_bruch(rng, x, y):
    """Depth of Bruch's membrane, on which the retina stands: (scans, W)."""
    level = rng.normal(620, 45) + rng.normal(0, 20, y.shape)
    tilt = rng.normal(0, 12) + rng.normal(0, 6, y.shape)
    wave = rng.normal(0, 7) * np.sin(rng.uniform(0, 6.3) + rng.uniform(0.8, 2) * x + y)
    return level + tilt * x + rng.normal(0, 6) * x**2 + wave


# ---------------------------------------------------------------- lesions
# Each changes `thickness` in place and returns ellipses for `draw_blob`. It is largest
# where `across`, the distance (mm) from the middle of the patient's scans, is 0.


def add_nothing(rng, thickness, x, across):
    return []


def add_drusen(rng, thickness, x, across):
    """Deposits that push the RPE up into bumps."""
    severity = rng.uniform()
    n = (rng.integers(2, 4 + int(9 * severity)), 1, 1)
    height = (30 + 65 * severity) * rng.uniform(0.6, 1, n)
    bump = bell(x - rng.uniform(-1.7, 1.7, n), rng.uniform(0.1, 0.3, n))
    reach = bell(across - rng.uniform(-0.4, 0.4, n), 1.1)
    raise_retina(thickness, "drusen", (height * bump * reach).max(0))
    return []


def add_cnv(rng, thickness, x, across):
    """New vessels: RPE pushed up, a bright complex above it, often fluid beside it."""
    severity = rng.uniform()
    centre = rng.normal(0, 0.5)
    wide = rng.uniform(0.35, 0.55) + 0.5 * severity
    height = (30 + 95 * severity) * bell(across, 1)
    rough = 1 + 0.2 * np.sin(rng.uniform(0, 6.3) + rng.uniform(4, 8) * x)
    detached = height * rng.uniform(0.1, 1) * bell(x - centre, wide) * rough
    raise_retina(thickness, "drusen", detached)
    tissue = height * rng.uniform(0.6, 1) * bell(x - centre, 0.8 * wide) * rough
    raise_retina(thickness, "complex", tissue)
    for name in ("ELM", "IS", "EZ", "OS"):
        thickness[name] /= 1 + tissue / 20
    if rng.uniform() < 0.6:
        beside = centre + rng.choice([-1, 1]) * rng.uniform(0.3, 0.8)
        fluid = height * rng.uniform(0.3, 1) * bell(x - beside, wide)
        raise_retina(thickness, "fluid", fluid)
    return make_blobs(rng, rng.integers(0, 3), CYST, centre, (0.08, 0.2), (0.12, 0.25))


def add_dme(rng, thickness, x, across):
    """Oedema: the retina swells and holds dark cysts, at times bright hard exudates."""
    severity = rng.uniform()
    centre = rng.normal(0, 0.5)
    wide = rng.uniform(0.6, 1) + 0.6 * severity
    swelling = 150 * severity * bell(x - centre, wide) * bell(across, 1)
    for name, share in {"INL": 0.35, "OPL": 0.1, "ONL": 0.55}.items():
        thickness[name] += share * swelling
    large = 1 + severity
    cysts = rng.integers(2, 5 + int(9 * severity))
    cysts = make_blobs(rng, cysts, CYST, centre, (0.08, 0.14 * large), (0.12, 0.22 * large))
    return cysts + make_blobs(rng, rng.integers(0, 4), EXUDATE, centre, (0.04, 0.07), (0.05, 0.09))


def raise_retina(thickness, name, height):
    """Thicken a diseased layer; the ONL gives way, so that the surface rises smoothly."""
    thickness[name] += height
    onl = thickness["ONL"]
    smooth = gaussian_filter(height, (0, 9), mode="nearest")
    thickness["ONL"] = np.maximum(onl - height + 0.7 * smooth, 0.3 * onl)


def make_blobs(rng, n, brightness, centre, wide, high):
    """`n` ellipses: brightness, x, across (mm), depth in the retina (share), half axes."""
    return [
        (
            brightness,
            rng.normal(centre, 0.35),
            rng.uniform(-0.3, 0.3),
            rng.uniform(0.15, 0.85),
            rng.uniform(*wide),
            rng.uniform(*high),
        )
        for _ in range(n)
    ]


LESIONS = {"CNV": add_cnv, "DME": add_dme, "DRUSEN": add_drusen, "NORMAL": add_nothing}


# ---------------------------------------------------------------- drawing


def heights(thickness):
    """Height above Bruch's membrane of each layer's top, last of Bruch's own: (scans, K, W)."""
    layers = np.stack(list(thickness.values()), 1)
    return np.pad(layers[:, ::-1].cumsum(1)[:, ::-1], ((0, 0), (0, 1), (0, 0)))


def stack(depth, steps):
    """Pictures (scans, H, W) whose columns change by `steps` at `depth`, both (scans, K, W)."""
    row = depth / MICRONS
    first = np.floor(row).astype(int)
    scan, _, column = np.ogrid[tuple(map(slice, depth.shape))]
    change = np.zeros((len(depth), PIXELS + 1, PIXELS))
    # An edge inside a pixel is shared between this pixel and the next: no jagged lines.
    for at, share in ((first, 1 - row + first), (first + 1, row - first)):
        np.add.at(change, (scan, at.clip(0, PIXELS), column), steps * share)
    return change.cumsum(1)[:, :PIXELS]


def stack_layers(depth, thickness):
    """Brightness of the retina's layers, and the pixels of the diseased ones."""
    brightness = [VITREOUS, *(layer[2] for layer in LAYERS.values()), CHOROID]
    steps = np.broadcast_to(np.diff(brightness)[:, None], depth.shape)
    sick = np.zeros((len(depth), len(LAYERS) + 2, PIXELS))
    for name in ("fluid", "complex", "drusen"):
        sick[:, 1 + NAMES.index(name)] = 1
    sick[:, 1 + NAMES.index("RPE")] = thickness["drusen"] + thickness["complex"] > 10
    return VITREOUS + stack(depth, steps), stack(depth, np.diff(sick, axis=1)) > 0.5


def draw_blob(tissue, mask, depth, x, across, brightness, x0, across0, depth0, wide, high):
    """Draw an ellipse between INL and ELM into `tissue` and `mask`, in place."""
    top, bottom = (depth[:, NAMES.index(name), None] for name in ("INL", "ELM"))
    share = (rows() - top) / (bottom - top)
    reach = bell(across - across0, 1.2)[:, None]
    blob = ((x[:, None] - x0) / wide) ** 2 + ((share - depth0) / high) ** 2 < reach
    blob &= abs(share - 0.5) < 0.45
    tissue[blob] = brightness
    mask |= blob


def rows():
    """Depth of the middle of every pixel row: (H, 1)."""
    return MICRONS * (0.5 + np.arange(PIXELS)[:, None])


def add_surroundings(rng, tissue, depth, x, vessels):
    """The choroid's texture and fading, the vessels' shadows, and often a detached hyaloid."""
    below = (rows() - depth[:, -1:]).clip(0)
    grain = rng.standard_normal((len(tissue), PIXELS // 2, PIXELS // 2))
    texture = 6 * gaussian_filter(grain, (0, 2.5, 1.25)).repeat(2, 1).repeat(2, 2)
    choroid = np.exp(-below / rng.uniform(90, 260)) * (1 + 0.35 * texture).clip(0.3)
    tissue = np.where(below > 15, tissue * choroid, tissue)
    tissue = np.where(rows() > depth[:, 1:2] + 20, tissue * (1 - vessels[:, None]), tissue)
    gap, bend, middle, glow = rng.uniform([30, -18, -1.5, -0.2], [220, 18, 1.5, 0.3])
    film = depth[:, 0].min(1, keepdims=True) - gap + bend * (x - middle) ** 2
    film = np.minimum(film, depth[:, 0] - 12)[:, None] + [[0], [12]]
    step = np.broadcast_to(max(glow, 0) * np.array([[1], [-1]]), film.shape)
    return gaussian_filter(tissue + stack(film, step), (0, 1, 0.8))


def expose(rng, tissue, pooled):
    """What the scanner makes of the tissue: gain, speckle, noise; uint8.

    A pixel that pools `pooled` × `pooled` others averages their speckle.
    """
    gain = rng.uniform(0.7, 1) * rng.normal(1, 0.06, (len(tissue), 1, 1))
    slope = rng.normal(0, 0.12, gain.shape) * np.linspace(-1, 1, tissue.shape[2])
    looks = rng.uniform(12, 80) * pooled**2
    speckle = rng.standard_gamma(looks, tissue.shape) / looks
    floor = rng.uniform(0.03, 0.12) * rng.standard_gamma(2 * pooled**2, tissue.shape)
    image = np.hypot(gain * (1 + slope) * tissue * speckle, floor / (2 * pooled**2))
    return np.rint(255 * image.clip(0, 1)).astype(np.uint8)
