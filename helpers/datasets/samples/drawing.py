"""Shapes for drawn phantoms.

A point is a complex number x + iy in a frame that runs from -1 to 1 across the picture, y down,
so that turning is multiplying; an outline is an array (..., K) of such points. Outlines are filled
at four times the size and averaged down: smooth edges from integer arithmetic, the same on every
machine (Pillow 11.2 or newer; older ones fill a few polygons differently).
"""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

SIZE, SUPERSAMPLING = 64, 4
X, Y = np.meshgrid(*2 * [(np.arange(SIZE) + 0.5) / SIZE * 2 - 1])

CIRCLE = np.exp(1j * np.linspace(0, 2 * np.pi, 24, endpoint=False))
HALF_CIRCLE = np.exp(1j * np.linspace(-np.pi / 2, np.pi / 2, 7))
CORNERS = np.array([-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j])
# Half the outline of a long bone of length 1 and half-width 1: a shaft narrower than its ends.
BONE_ALONG = np.array([0, 0.12, 0.3, 0.7, 0.88, 1])
BONE_ACROSS = np.array([0.7, 1, 0.62, 0.58, 0.9, 0.6])


def pose(shift=0.0, scale=1.0, angle=0.0, mirror=False):
    """How the body lies: a function from points of the body to points of the picture."""
    turn = scale * np.exp(1j * angle)
    return lambda points: shift + turn * (-points.conj() if mirror else points)


class Layer:
    """One grey layer, filled outline by outline; a later one covers an earlier one."""

    def __init__(self, pose=lambda points: points):
        self.pose = pose
        self.image = Image.new("L", (SIZE * SUPERSAMPLING,) * 2)
        self.draw = ImageDraw.Draw(self.image)

    def fill(self, outlines, grey):
        """Fill outlines (..., K) with a grey value from 0 to 255, or with one value each."""
        corners = (self.pose(outlines) + 1 + 1j) * (SIZE * SUPERSAMPLING / 2)
        polygons = corners.reshape(-1, corners.shape[-1]).view(float)
        greys = np.full(len(polygons), grey).tolist()
        for polygon, value in zip(polygons.tolist(), greys, strict=True):
            self.draw.polygon(polygon, fill=round(value))

    def pixels(self, blur=0.0):
        """The layer as floats from 0 to 255, (64, 64), blurred by so many pixels."""
        pixels = np.asarray(self.image.reduce(SUPERSAMPLING), dtype=float)
        return gaussian_filter(pixels, blur) if blur else pixels


def column(values):
    return np.asarray(values)[..., None]


def ellipse(centre, rx, ry, angle=0.0):
    outline = column(rx) * CIRCLE.real + 1j * column(ry) * CIRCLE.imag
    return column(centre) + np.exp(1j * column(angle)) * outline


def blob(rng, centre, rx, ry, angle=0.0, wobble=0.05):
    """An ellipse bent at random, as organs are."""
    a, b = rng.normal(0, wobble, (2, 2)) @ [1, 1j]
    return column(centre) + ellipse(0, rx, ry, angle) * (1 + (a * CIRCLE**2 + b * CIRCLE**3).real)


def rectangle(centre, half_width, half_height):
    return (
        column(centre) + column(half_width) * CORNERS.real + 1j * column(half_height) * CORNERS.imag
    )


def capsule(start, end, r_start, r_end):
    """A tapered tube with round ends."""
    start, end = column(start), column(end)
    cap = (end - start) / abs(end - start) * HALF_CIRCLE
    return np.concatenate([end + column(r_end) * cap, start - column(r_start) * cap], axis=-1)


def bone(start, end, half_width):
    start, along = column(start), column(end - start)
    middle = start + along * BONE_ALONG
    side = 1j * along / abs(along) * column(half_width) * BONE_ACROSS
    return np.concatenate([middle + side, (middle - side)[..., ::-1]], axis=-1)


def band(edge, thickness):
    """The strip between the polylines `edge` (..., K) and `edge + thickness`."""
    return np.concatenate([edge, (edge + thickness)[..., ::-1]], axis=-1)


def mirrored(outlines):
    """The same on the left and on the right of the body, (2, ...)."""
    return np.stack([-outlines.conj(), outlines])


def stretched(points, wide, tall):
    return points.real * wide + 1j * points.imag * tall


def texture(rng, blur):
    """Smooth noise of mean 0 and standard deviation 1, (64, 64)."""
    noise = gaussian_filter(rng.standard_normal((SIZE, SIZE)), blur, mode="wrap")
    return noise / noise.std()


def exposed(rng, picture, gamma, noise):
    """A picture (0 to 255) after a random exposure curve, with random detector noise."""
    picture = 255 * np.clip(picture / 255, 0, 1) ** rng.uniform(*gamma)
    return picture + rng.uniform(*noise) * rng.standard_normal(picture.shape)
