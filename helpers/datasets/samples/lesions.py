"""Synthetic lesions with their pixel masks, for images that have none."""

import numpy as np
from scipy.ndimage import gaussian_filter


def add_lesions(images, severity, rng, tone=None):
    """Replace one blob of each image's anatomy by an even grey.

    images : uint8 (N, C, H, W), drawn or real, anatomy brighter than what lies around it
    severity : 0 to 1. The radius grows from 2 to 6 pixels of 64, the contrast to what was there
        from 0 to 100 grey values.
    rng : numpy.random.Generator
    tone : 1 a bright lesion, -1 a dark one, 0 one as bright as its surroundings at any severity;
        None (default) bright or dark by chance, the likelier the more room there is.

    Returns new images and the lesions' masks, bool (N, H, W).
    """
    if not 0 <= severity <= 1:
        raise ValueError(f"severity must lie between 0 and 1, got {severity}")
    *_, height, width = images.shape
    unit = min(height, width) / 64
    rows, columns = np.indices((height, width))
    point = columns - width / 2 + 1j * (rows - height / 2)
    lesioned, masks = images.copy(), np.zeros((len(images), height, width), dtype=bool)
    for i, image in enumerate(images.astype(float)):
        smooth = gaussian_filter(image.mean(0), unit)
        central = abs(point) < 27 * unit  # away from borders, frames and most markers
        background, brightest = np.percentile(smooth[central], [20, 100])
        anatomy = smooth >= background + 0.25 * (brightest - background)
        z = (point - rng.choice(point[central & anatomy])) * np.exp(1j * rng.uniform(0, np.pi))
        z = z.real * rng.uniform(0.8, 1.25) + 1j * z.imag
        radius = unit * (2 + 4 * severity) * (1 + rng.uniform(0, 0.2) * np.cos(3 * np.angle(z)))
        cover = np.clip(radius - abs(z) + 0.5, 0, 1) * anatomy
        room = 1 - np.average(image.mean(0), weights=cover) / 255
        sign = rng.choice([1, -1], p=[room, 1 - room])
        contrast = 100 * severity * (sign if tone is None else tone)
        lesioned[i], masks[i] = paint_lesion(image, cover, contrast)
    return lesioned, masks


def paint_lesion(image, cover, contrast):
    """Replace what `cover` covers by an even grey, and mark it. -> uint8 (C, H, W), bool (H, W)

    image : (C, H, W), grey values from 0 to 255; cover : (H, W), share of each pixel, 0 to 1
    contrast : how many grey values brighter than the mean of what was there
    """
    grey = (cover * image).sum((1, 2), keepdims=True) / cover.sum() + contrast
    lesioned = image + cover * (grey.clip(0, 255) - image)
    return np.rint(lesioned).astype(np.uint8), cover >= 0.5  # a soft edge; half is inside
