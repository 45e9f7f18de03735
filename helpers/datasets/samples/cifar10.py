"""The offline stand-in for CIFAR-10: figures built and lit in space, set into real photographs.

A figure is a set of ellipsoids ("blobs") and flat plates. Cat, dog, deer and horse are one
skeleton with other proportions, so deer and horse are near to the pets; bird and frog are
further off, vehicles far. Cat and dog draw every proportion from overlapping distributions.

The drawing uses sums, products, quotients and square roots, which every machine rounds alike;
sines and cosines are rounded before use. So a seed gives the same bytes anywhere.
"""

import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image
from sklearn.datasets import load_sample_images

from helpers.datasets.image_set import ImageSet

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PETS = ("cat", "dog")
COUNTS = {"train": (2000, 100), "test": (400, 200)}  # of each pet, of each other class
SIZE, FINE = 32, 64  # pixels of a picture, and of the canvas it is averaged down from
CHUNK = 16  # pictures drawn at once: small enough for the processor's cache
ORIGIN = (
    "Drawn on this machine: figures of the ten CIFAR-10 classes, set into crops of photographs "
    "that come with scikit-learn (china.jpg, flower.jpg) and matplotlib (grace_hopper.jpg)."
)


# ------------------------------------------------------------------ building


def mix(a, b, share):
    return a + (b - a) * share


def turn(degrees):
    """Cosine and sine, rounded so that every machine agrees on them."""
    angle = np.deg2rad(degrees)
    return np.round(np.cos(angle), 6), np.round(np.sin(angle), 6)


def coin(rng, n, share):
    """True for about `share` of n pictures, (n, 1) to choose between colours."""
    return rng.uniform(size=(n, 1)) < share


class Figure:
    """Blobs and plates of n pictures at once. Points are (ahead, up, aside)."""

    def __init__(self, n):
        self.n = n
        self.blobs = []  # (start, end, radius and cap, colours)
        self.plates = []  # (corners, colours)
        self.face = None  # centre (n, 3) and radius (n,) of what a portrait shows

    def rows(self, values):
        return np.stack([np.broadcast_to(v, self.n) for v in values], 1).astype(float)

    def colours(self, colour, mark):
        mark = colour if mark is None else mark
        return np.stack([np.broadcast_to(c, (self.n, 3)) for c in (colour, mark)], 1)

    def blob(self, start, end, radius, colour, mark=None, cap=1.0):
        """Ellipsoid about the line from start to end, longer by `cap` radii at each end."""
        part = self.rows(start), self.rows(end), self.rows((radius, cap))
        self.blobs.append((*part, self.colours(colour, mark)))

    def plate(self, corners, colour):
        """Flat convex quadrilateral."""
        corners = np.stack([self.rows(c) for c in corners], 1)
        self.plates.append((corners, self.colours(colour, None)))

    def panel(self, x, y, z, colour):
        """Upright rectangle on a side, from x[0] to x[1] and from y[0] to y[1]."""
        self.plate(((x[0], y[0], z), (x[1], y[0], z), (x[1], y[1], z), (x[0], y[1], z)), colour)

    def block(self, bottom, top, colour):
        """Four walls and a roof between two rectangles (back, front, height, half width)."""
        low, high = (
            [(back, y, -w), (front, y, -w), (front, y, w), (back, y, w)]
            for back, front, y, w in (bottom, top)
        )
        for i, j in ((0, 1), (1, 2), (2, 3), (3, 0)):
            self.plate((low[i], low[j], high[j], high[i]), colour)
        self.plate(high, colour)


# ------------------------------------------------------------------ animals

KINDS = ("cat", "dog", "deer", "horse")
# Means of the proportions, and the spread that all four share: in body lengths and degrees.
SHAPES = {
    #              cat    dog    deer   horse  spread
    "girth":     (0.200, 0.235, 0.220, 0.260, 0.020),
    "leg":       (0.38, 0.50, 0.85, 0.85, 0.08),
    "limb":      (0.060, 0.076, 0.050, 0.065, 0.010),
    "neck":      (0.18, 0.28, 0.48, 0.52, 0.05),
    "rise":      (45, 45, 60, 48, 10),
    "head":      (0.235, 0.225, 0.130, 0.135, 0.015),
    "muzzle":    (-0.06, 0.16, 0.20, 0.30, 0.045),
    "snout":     (0.080, 0.115, 0.080, 0.100, 0.012),
    "ear":       (0.24, 0.22, 0.17, 0.13, 0.035),
    "droop":     (10, 110, 65, 20, 27),
    "ear_tip":   (0.01, 0.07, 0.02, 0.01, 0.02),
    "tail":      (0.75, 0.45, 0.14, 0.60, 0.12),
    "tail_rise": (20, 35, -60, -90, 30),
    "tail_wide": (0.040, 0.060, 0.050, 0.070, 0.012),
}  # fmt: skip
COATS = {
    #          red, green, blue     odds of cat   dog   deer  horse
    "black":  ((0.16, 0.14, 0.13), (0.16, 0.17, 0.02, 0.16)),
    "white":  ((0.90, 0.88, 0.84), (0.12, 0.14, 0.02, 0.16)),
    "grey":   ((0.52, 0.50, 0.48), (0.32, 0.06, 0.10, 0.12)),
    "ginger": ((0.80, 0.52, 0.26), (0.22, 0.08, 0.26, 0.14)),
    "brown":  ((0.45, 0.29, 0.17), (0.06, 0.25, 0.30, 0.26)),
    "cream":  ((0.78, 0.66, 0.48), (0.06, 0.18, 0.05, 0.06)),
    "fawn":   ((0.62, 0.45, 0.30), (0.06, 0.12, 0.25, 0.10)),
}  # fmt: skip
COAT_COLOURS = np.array([colour for colour, _ in COATS.values()])
FROG_COLOURS = np.array(
    [(0.35, 0.55, 0.15), (0.45, 0.4, 0.18), (0.42, 0.28, 0.14), (0.62, 0.6, 0.2), (0.25, 0.33, 0.2)]
)
NOSE, EYE, IRIS = (0.12, 0.08, 0.08), (0.05, 0.04, 0.04), (0.6, 0.62, 0.15)
BEAK, HORN = (0.85, 0.6, 0.15), (0.6, 0.5, 0.38)
# Share of coats with stripes and with patches of a second colour.
MARKED = {
    "cat": (0.45, 0.2),
    "dog": (0.08, 0.35),
    "deer": (0, 0.15),
    "horse": (0, 0.2),
    "frog": (0, 0.6),
}


def coat(rng, colour):
    """A coat about this colour, and its second colour, lighter or darker: two (n, 3)."""
    n = len(colour)
    colour = colour * rng.uniform(0.8, 1.15, (n, 1)) + rng.normal(0, 0.03, (n, 3))
    colour = colour.clip(0.06, 0.95)
    return colour, np.where(coin(rng, n, 0.5), mix(colour, 0.95, 0.8), 0.45 * colour)


def quadruped(rng, n, kind):
    """Cat, dog, deer or horse: standing, walking, sitting (pets) or lying (not horses)."""
    fig, column, pet = Figure(n), KINDS.index(kind), kind in PETS
    g, leg, limb, neck, rise, h, muzzle, snout, ear, droop, tip, tail, tail_rise, wide = (
        rng.normal(row[column], row[-1], n) for row in SHAPES.values()
    )
    odds = [odds[column] for _, odds in COATS.values()]
    fur = coat(rng, COAT_COLOURS[rng.choice(len(COATS), n, p=odds)])
    sock = np.where(coin(rng, n, 0.25), 0.9, 0.9 * fur[0])
    pale = np.where(coin(rng, n, 0.4), mix(fur[0], 0.95, 0.6), 0.95 * fur[0])

    posture = rng.uniform(size=n)
    sit = np.where(pet & (posture < 0.4), rng.uniform(0.7, 1, n), 0)
    lie = np.where((kind != "horse") & (posture > 0.8), 1.0, 0.0)
    x = 0.5 * rng.normal(1, 0.07, n) * (1 - 0.45 * sit)
    front = leg * (1 - 0.85 * lie) + g
    rear = mix(front, 1.1 * g, sit)

    fig.blob((-x, rear, 0), (0.4 * x, mix(rear, front, 0.7), 0), g, *fur, cap=0.7)
    fig.blob((-0.4 * x, mix(rear, front, 0.3), 0), (x, front, 0), 1.04 * g, *fur, cap=0.7)
    for z in (-0.65 * g, 0.65 * g):
        step = rng.normal(0, 0.12, n) * (1 - sit)
        knee = x + 0.4 * step + 0.25 * lie, mix(0.5 * (front - g), 0.06, lie), z
        foot = x + step + 0.5 * lie, limb, z
        hind_step = rng.normal(0, 0.12, n) * (1 - sit)
        hind_knee = 0.1 - x + 0.3 * sit + 0.4 * hind_step, 0.55 * rear - 0.27 * g, 1.2 * z
        hind_foot = hind_step - x - 0.04 + 0.35 * sit + 0.3 * lie, limb, 1.2 * z
        for joints, thigh in (
            (((x, front - 0.3 * g, z), knee, foot), 1.15),
            (((-x, rear - 0.2 * g, z), hind_knee, hind_foot), 1.6),
        ):
            fig.blob(*joints[:2], thigh * limb, *fur, cap=0.5)
            fig.blob(*joints[1:], 0.85 * limb, *fur, cap=0.5)
            fig.blob(joints[2], (joints[2][0] + limb, limb, joints[2][2]), limb, sock, cap=0.7)

    grazes = (not pet) & (rng.uniform(size=n) < 0.15)
    c, s = turn(rise + 25 * sit - 70 * grazes)
    skull = x + 0.3 * g + neck * c, front + 0.3 * g + neck * s, 0
    fig.blob((x - 0.1, front, 0), skull, 0.3 * (h + g), *fur, cap=0.3)
    hair = fur[0]
    if kind == "horse":
        hair = np.where(coin(rng, n, 0.7), 0.3 * hair, 1.15 * hair)
        fig.blob((x, front + 0.8 * g, 0), (skull[0] - 0.5 * h, skull[1] + 0.9 * h, 0), 0.07, hair)

    yaw, nod = turn(rng.normal(0, 35, n)), turn(rng.normal(-12 if pet else -35, 10, n))
    ahead = yaw[0] * nod[0], nod[1], yaw[1] * nod[0]
    above = -yaw[0] * nod[1], nod[0], -yaw[1] * nod[1]
    aside = -yaw[1], 0, yaw[0]

    def at(a, b, c):
        """The point of the head a radii ahead of its centre, b above and c aside."""
        axes = zip(skull, ahead, above, aside, strict=True)
        return tuple(o + h * (a * i + b * j + c * k) for o, i, j, k in axes)

    fig.blob(at(-0.1, 0, 0), at(0.1, 0, 0), h, *fur, cap=0.9)
    end = 0.75 + muzzle / h
    fig.blob(at(0.4, -0.3, 0), at(end, -0.4, 0), snout, pale, cap=0.6)
    nose = end + 0.5 * snout / h
    fig.blob(at(nose, -0.28, -0.08), at(nose, -0.28, 0.08), 0.35 * snout, NOSE)
    iris = np.where((kind == "cat") & coin(rng, n, 0.7), IRIS, EYE)
    c, s = turn(droop)
    ear, tip = ear / h, np.abs(tip) / h
    for side in (-1, 1):
        fig.blob(at(0.72, 0.2, 0.45 * side), at(0.74, 0.2, 0.45 * side), 0.2 * h, iris)
        fig.blob(at(0.86, 0.2, 0.46 * side), at(0.88, 0.2, 0.46 * side), 0.12 * h, EYE)
        up, out = 0.7 + ear * c, side * (0.5 + ear * (0.35 + 0.65 * s))
        tips = [at(q * tip, up + q * tip * s, out - q * tip * side) for q in (1, -1)]
        outer = at(0, 0.35, 0.95 * side)
        for base in (at(0.3, 0.8, 0.15 * side), at(-0.6, 0.6, 0.5 * side)):
            fig.plate((outer, base, *tips), 0.85 * fur[0])
    if kind == "deer":
        bone = np.where(rng.uniform(size=n) < 0.5, 0.04, 0)  # half of them are stags
        for side in (-1, 1):
            fork = at(-0.25, 1.6, 0.8 * side)
            fig.blob(at(-0.1, 0.8, 0.35 * side), fork, bone, HORN)
            fig.blob(fork, at(0.3, 3.3, 1.3 * side), bone, HORN)
            fig.blob(fork, at(0.8, 2.2, 0.9 * side), bone, HORN)

    c, s = turn(tail_rise)
    bend = rng.normal(0, 0.25, n)
    root = -x - 0.8 * g, rear + 0.5 * g * (1 - sit), 0
    half = root[0] - 0.5 * tail * c, root[1] + 0.5 * tail * s, 0.3 * bend
    end = half[0] - 0.4 * tail * c, half[1] + 0.5 * tail * mix(s, 1, bend), bend
    fig.blob(root, half, wide, hair, cap=0.5)
    fig.blob(half, end, 0.9 * wide, hair, cap=0.5)
    fig.face = fig.rows(at(0.2 + 0.4 * muzzle / h, 0.2, 0)), (1.6 + 0.5 * ear) * h + 0.3 * muzzle
    return fig


def bird(rng, n):
    """Perched, or in the air with its wings out."""
    fig = Figure(n)
    plain = COAT_COLOURS[rng.integers(0, len(COATS), n)]
    back = np.where(coin(rng, n, 0.5), plain, rng.uniform(0.1, 0.9, (n, 3)))
    breast = mix(back, rng.uniform(0.3, 1, (n, 3)), rng.uniform(0, 0.9, (n, 1)))
    flies = rng.uniform(size=n) < 0.3
    c, s = turn(np.where(flies, rng.normal(0, 10, n), rng.normal(35, 15, n)))
    r, h = rng.normal(0.22, 0.02, n), rng.normal(0.15, 0.015, n)
    head = 0.42 * c + 0.1, 0.42 * s + 0.08, 0
    fig.blob((-0.2 * c, -0.2 * s, 0), (0.2 * c, 0.2 * s, 0), r, back)
    fig.blob((0, -0.05, 0), (0.25 * c, 0.2 * s - 0.06, 0), 0.9 * r, breast)
    fig.blob(head, head, h, np.where(coin(rng, n, 0.3), breast, back))
    beak = head[0] + h + rng.uniform(0.08, 0.22, n), head[1] - 0.03, 0
    fig.blob((head[0] + h, head[1], 0), beak, 0.035, BEAK, cap=0.2)
    reach = rng.uniform(0.7, 1.05, n)
    fan = [(-reach * c, 0.03 - reach * s, z) for z in (0.12, -0.12)]
    fig.plate(((-0.35 * c, -0.35 * s, 0), (-0.35 * c, 0.08 - 0.35 * s, 0), *fan), 0.6 * back)
    c2, s2 = turn(rng.normal(30, 25, n))
    span, lift = np.where(flies, 0.75, 0.2), np.where(flies, 0.75 * s2, -0.1)
    for side in (-1, 1):
        eye = head[0] + 0.6 * h, head[1] + 0.05, 0.7 * side * h
        fig.blob(eye, eye, 0.2 * h, EYE)
        shoulder, hip = (0.22 * c, 0.22 * s + 0.05, 0.18 * side), (-0.3 * c, -0.3 * s, 0.18 * side)
        rear_tip = -0.35 - 0.1 * flies, lift - 0.3 * s * ~flies, side * (0.18 + span * c2)
        front_tip = -0.02, lift, side * (0.18 + 0.8 * span * c2)
        fig.plate((shoulder, hip, rear_tip, front_tip), 0.7 * back)
        shank = np.where(flies, 0, 0.025)
        fig.blob((0, -0.1, 0.08 * side), (0.03, -0.5, 0.08 * side), shank, BEAK)
    fig.face = fig.rows(head), 2.2 * h
    return fig


def frog(rng, n):
    """Squat and wide-mouthed, with its hind legs folded."""
    fig = Figure(n)
    skin = coat(rng, FROG_COLOURS[rng.integers(0, len(FROG_COLOURS), n)])
    belly = mix(skin[0], np.array((0.9, 0.88, 0.7)), 0.6)
    up = rng.uniform(0.05, 0.3, n)
    chin, chest = 0.25 + up, 0.2 + 0.6 * up
    fig.blob((-0.3, 0.2, 0), (0.15, chest, 0), rng.normal(0.25, 0.02, n), *skin, cap=0.6)
    fig.blob((0.1, 0.16 + 0.3 * up, 0), (0.25, chest, 0), 0.21, belly)
    fig.blob((0.3, chin, -0.12), (0.3, chin, 0.12), 0.2, *skin, cap=0.7)
    fig.blob((0.42, chin - 0.06, -0.14), (0.42, chin - 0.06, 0.14), 0.1, belly)
    for side in (-1, 1):
        for x, y, z, r, colour in (
            (0.34, 0.17, 0.16, 0.085, skin[0]),
            (0.40, 0.18, 0.19, 0.060, BEAK),
            (0.44, 0.18, 0.21, 0.035, EYE),
        ):
            fig.blob((x, chin + y, z * side), (x, chin + y, z * side), r, colour)
        spread = rng.uniform(0.35, 0.55, n) * side
        knee, ankle = (0.05, rng.uniform(0.15, 0.3, n), spread), (-0.4, 0.07, 0.9 * spread)
        fig.blob((-0.4, 0.15, 0.15 * side), knee, 0.1, *skin, cap=0.5)
        fig.blob(knee, ankle, 0.065, *skin, cap=0.5)
        fig.blob(ankle, (0.1, 0.03, 1.15 * spread), 0.045, *skin)
        elbow = 0.2, 0.12 + 0.4 * up, 0.33 * side
        fig.blob((0.15, chest - 0.05, 0.18 * side), elbow, 0.07, *skin)
        fig.blob(elbow, (0.35, 0.03, 0.32 * side), 0.05, *skin)
    fig.face = fig.rows((0.35, chin, 0)), np.full(n, 0.42)
    return fig


# ------------------------------------------------------------------ machines

GREYS = (0.12, 0.5, 0.7, 0.92)
PAINTS = np.array(
    [(0.75, 0.1, 0.08), (0.1, 0.2, 0.6), (0.9, 0.75, 0.1), (0.1, 0.4, 0.25), (0.35, 0.55, 0.8)]
)
GLASS, TYRE, STEEL = (0.15, 0.2, 0.26), (0.08, 0.08, 0.09), (0.6, 0.62, 0.64)
HEADLIGHT, TAILLIGHT = (1, 0.97, 0.85), (0.8, 0.05, 0.05)


def paint(rng, n):
    """White, grey, black or bright: (n, 3)."""
    colour = np.where(
        coin(rng, n, 0.5), rng.choice(GREYS, (n, 1)), PAINTS[rng.integers(0, len(PAINTS), n)]
    )
    return colour * rng.uniform(0.75, 1.05, (n, 1))


def wheels(fig, places, radius, z):
    for x in places:
        for side in (-z, z):
            fig.blob((x, radius, 0.9 * side), (x, radius, 1.05 * side), radius, TYRE, cap=0)
            fig.blob((x, radius, 1.05 * side), (x, radius, 1.1 * side), 0.5 * radius, STEEL, cap=0)


def automobile(rng, n):
    """Saloon, estate or small car."""
    fig, body = Figure(n), paint(rng, n)
    x, w = rng.uniform(0.85, 1.15, n), rng.uniform(0.36, 0.42, n)
    waist = rng.uniform(0.38, 0.48, n)
    roof = waist + rng.uniform(0.2, 0.36, n)
    back, front = -x * rng.uniform(0.55, 0.98, n), x * rng.uniform(0.3, 0.45, n)
    fig.block((-x, x, 0.12, w), (-0.98 * x, 0.96 * x, waist, 0.96 * w), body)
    fig.block((back, front, waist, 0.92 * w), (back + 0.2, front - 0.35, roof, 0.72 * w), GLASS)
    edge = back + 0.2, front - 0.35, roof, 0.72 * w
    fig.block(edge, (back + 0.23, front - 0.38, roof + 0.04, 0.66 * w), body)
    post = (back + front - 0.15) / 2
    for z in (-w, w):
        foot, top = (waist, 0.93 * z), (roof, 0.74 * z)
        fig.plate(((post - 0.04, *foot), (post + 0.04, *foot), (post, *top), (post, *top)), body)
        for lamp, colour in ((x, HEADLIGHT), (-x, TAILLIGHT)):
            fig.blob((lamp, 0.8 * waist, 0.7 * z), (lamp, 0.8 * waist, 0.7 * z), 0.07, colour)
    wheels(fig, (-0.6 * x, 0.62 * x), 0.18, w)
    return fig


def truck(rng, n):
    """A cab before a box or a flat bed."""
    fig, body, load = Figure(n), paint(rng, n), paint(rng, n)
    w, cab, x = 0.4, rng.uniform(0.75, 1, n), -rng.uniform(0.9, 1.4, n)
    top = 0.25 + rng.choice((0.35, 0.9, 1.05), n) * rng.uniform(0.9, 1.1, n)
    fig.block((x, 0.65, 0.2, 0.8 * w), (x, 0.65, 0.32, 0.8 * w), TYRE)
    fig.block((x, 0.1, 0.32, w), (x, 0.1, top, w), load)
    fig.block((0.16, 0.68, 0.2, 0.95 * w), (0.16, 0.6, cab, 0.9 * w), body)
    sill, head = 0.1 + 0.5 * cab, cab - 0.06
    screen = [(0.66, sill, 0.34), (0.66, sill, -0.34), (0.635, head, -0.32), (0.635, head, 0.32)]
    fig.plate(screen, GLASS)
    grille = [(0.69, 0.25, 0.25), (0.69, 0.25, -0.25), (0.69, 0.4, -0.25), (0.69, 0.4, 0.25)]
    fig.plate(grille, STEEL)
    for z in (-w, w):
        fig.panel((0.3, 0.56), (sill, head), 0.97 * z, GLASS)
        fig.blob((0.68, 0.3, 0.75 * z), (0.69, 0.3, 0.75 * z), 0.06, HEADLIGHT)
    wheels(fig, (0.8 * x, 0.8 * x + 0.38, 0.42), 0.17, w)
    return fig


def ship(rng, n):
    """A ship with a house and a funnel, or a sailing boat."""
    fig, hull, house = Figure(n), paint(rng, n), mix(paint(rng, n), 0.95, 0.7)
    sails = rng.uniform(size=n) < 0.3
    w, deck, bow = rng.uniform(0.2, 0.3, n), rng.uniform(0.22, 0.38, n), rng.uniform(0.2, 0.4, n)
    stem = 0.6 + bow, deck + 0.06, 0
    fig.block((-0.9, 0.5, 0, 0.7 * w), (-1, 0.55, deck, w), hull)
    fig.plate(((0.55, deck, -w), (0.55, deck, w), stem, stem), 0.7 * house)
    back = rng.uniform(-0.9, -0.3, n)
    front = np.minimum(back + rng.uniform(0.4, 1.1, n), 0.5)
    tall = np.where(sails, 0.03, rng.uniform(0.2, 0.4, n))
    storey = deck + tall
    fig.block((back, front, deck, 0.75 * w), (back, front - 0.03, storey, 0.75 * w), house)
    bridge = back + 0.1, front - 0.2
    fig.block((*bridge, storey, 0.6 * w), (*bridge, storey + 0.8 * tall, 0.6 * w), house)
    for z in (-w, w):
        fig.plate(((0.5, 0, 0.7 * z), (0.55, deck, z), stem, (0.5 + 0.7 * bow, 0, 0)), hull)
        fig.panel((-0.95, 0.52), (0.45 * deck, 0.6 * deck), 0.9 * z, house)
        panes = deck + 0.4 * tall, deck + 0.7 * tall
        fig.panel((back + 0.03, front - 0.06), panes, 0.77 * z, GLASS)
    smoke = mix(back, front, 0.4)
    fig.blob((smoke, storey, 0), (smoke, storey + 1.5 * tall, 0), np.where(sails, 0, 0.06), hull)
    mast = np.where(sails, rng.uniform(1, 1.5, n), deck + 3 * tall)
    fig.blob((0.1, deck, 0), (0.1, mast, 0), 0.02, NOSE, cap=0)
    for reach in (-0.65 * sails, 0.6 * sails):
        peak = 0.1, 0.97 * mast, 0
        fig.plate(((0.1, deck + 0.1, 0), (0.1 + reach, deck + 0.12, 0.2), peak, peak), 0.95)
    return fig


def airplane(rng, n):
    """Slow and straight-winged to fast and swept."""
    fig, body, trim = Figure(n), mix(paint(rng, n), 0.9, rng.uniform(0, 0.8, (n, 1))), paint(rng, n)
    r, sweep = rng.uniform(0.11, 0.17, n), rng.uniform(0, 0.6, n)
    span, chord, lift = rng.uniform(0.7, 1.1, n), rng.uniform(0.3, 0.5, n), rng.uniform(0, 0.1, n)
    fig.blob((-0.85, 0, 0), (0.85, 0, 0), r, body)
    fig.blob((0.72, 0.03, 0), (0.86, 0.02, 0), 0.6 * r, GLASS)
    fig.plate(((-0.5, 0, 0), (-0.8, 0.45, 0), (-0.98, 0.45, 0), (-0.92, 0, 0)), trim)
    for side in (-1, 1):
        z = side * span
        wing = (0.25, -0.04, 0), (0.25 - sweep, lift, z), (0.05 - sweep, lift, z)
        fig.plate((*wing, (0.25 - chord, -0.04, 0)), 0.85 * body)
        tail = (-0.7, 0.03, 0), (-0.85, 0.05, 0.36 * side), (-0.97, 0.05, 0.36 * side)
        fig.plate((*tail, (-0.92, 0.03, 0)), 0.85 * body)
        fig.panel((-0.7, 0.6), (0.02, 0.05), 1.02 * r * side, trim)
        nacelle = 0.25 - 0.3 * sweep
        fig.blob((nacelle - 0.15, -0.1, 0.35 * z), (nacelle, -0.1, 0.35 * z), 0.06, trim, cap=0.5)
    return fig


# ------------------------------------------------------------------ camera and light

MACHINES = {"airplane": airplane, "automobile": automobile, "ship": ship, "truck": truck}
BUILDERS = {**MACHINES, "bird": bird, "frog": frog}
# Yaw (0: from the side, 90: from the front) and height of the camera in degrees, share of
# portraits, and the places that a class likes to have behind and under it.
VIEWS = {
    "airplane":   ((-60, 60), (-50, 60), 0, ("sky", "wall"), ("sky", "lake")),
    "automobile": ((-10, 80), (0, 30), 0, ("trees", "pagoda"), ("lake", "wall")),
    "bird":       ((-20, 60), (-10, 20), 0.2, ("leaves", "sky"), ("leaves", "trees")),
    "cat":        ((-15, 90), (-5, 25), 0.55, ("wall", "flag", "shade"), ("lake", "petals")),
    "deer":       ((-15, 75), (-5, 15), 0.25, ("trees", "shade"), ("hedge", "leaves")),
    "dog":        ((-15, 90), (-5, 25), 0.55, ("wall", "flag", "shade"), ("lake", "petals")),
    "frog":       ((-10, 80), (5, 50), 0.3, ("leaves", "shade"), ("leaves", "trees")),
    "horse":      ((-15, 75), (-5, 15), 0.25, ("trees", "sky"), ("hedge", "lake")),
    "ship":       ((-30, 60), (0, 20), 0, ("sky", "wall"), ("lake",)),
    "truck":      ((-10, 80), (0, 25), 0, ("sky", "pagoda"), ("lake", "wall")),
}  # fmt: skip


def along(values, points):
    """(n,) values shaped to go with (n, ...) points."""
    return values.reshape(-1, *[1] * (points.ndim - 1))


def take_view(fig, kind, rng):
    """Aim the camera at every figure: starts, ends, radii, corners on the canvas.

    The canvas frame is (right, down, near), in canvas pixels; float32.
    """
    n = fig.n
    yaws, heights, portraits = VIEWS[kind][:3]
    angles = rng.uniform(*yaws, n), rng.uniform(*heights, n), rng.normal(0, 5, n)
    turns = [turn(a) for a in angles]

    def rotate(points):
        x, y, z = np.moveaxis(points, -1, 0)
        (yc, ys), (hc, hs), (rc, rs) = [[along(v, x) for v in pair] for pair in turns]
        x, z = x * yc - z * ys, x * ys + z * yc
        y, z = y * hc - z * hs, y * hs + z * hc
        return np.stack([x * rc - y * rs, -x * rs - y * rc, z], -1)

    starts, ends, radii = (np.stack([blob[i] for blob in fig.blobs], 1) for i in range(3))
    corners = np.array([p for p, _ in fig.plates]).reshape(-1, n, 4, 3).swapaxes(0, 1)
    starts, ends, corners = rotate(starts), rotate(ends), rotate(corners)

    outline = np.concatenate([starts, ends, corners.reshape(n, -1, 3)], 1)[..., :2]
    low, high = outline.min(1), outline.max(1)
    centre, extent = (low + high) / 2, (high - low).max(1) / 2 + 0.1 * (kind not in MACHINES)
    if fig.face:
        close = rng.uniform(size=n) < portraits
        centre = np.where(close[:, None], rotate(fig.face[0])[:, :2], centre)
        extent = np.where(close, fig.face[1], extent)
    scale = rng.uniform(0.8, 1.1, n) * FINE / 2 / extent
    target = FINE * rng.uniform(0.42, 0.58, (n, 2))
    offset = np.pad(target - centre * scale[:, None], ((0, 0), (0, 1)))

    def place(p):
        return (p * along(scale, p) + offset.reshape(n, *[1] * (p.ndim - 2), 3)).astype(np.float32)

    radii = np.stack([radii[..., 0] * scale[:, None], radii[..., 1]], -1).astype(np.float32)
    return place(starts), place(ends), radii, place(corners)


GRID = np.arange(FINE, dtype=np.float32) + np.float32(0.5)


def dot(a, b):
    return (a * b).sum(-1)


def ellipsoid(start, end, radius, light):
    """Depth (NaN outside) and light of m ellipsoids on the canvas: two (m, 64, 64).

    M = p 1 + (q - p) u u' takes the ellipsoid with axis u and half axes 1/p and 1/q to the unit
    ball; depth solves |M (x, y, z)| = 1, and M (x, y, z) stands in for the normal.
    """
    radius, cap = np.maximum(radius[:, :1], 0.01), radius[:, 1:]
    axis = end - start
    length = np.sqrt(dot(axis, axis))[:, None]
    u = axis / np.maximum(length, 1e-3)
    p, q = 1 / radius, 1 / np.maximum(length / 2 + cap * radius, 0.05)
    w = p * light + (q - p) * dot(light, u)[:, None] * u
    (cx, cy, cz), (ux, uy, uz), (wx, wy, wz) = (
        v.T[:, :, None, None] for v in ((start + end) / 2, u, w)
    )
    p, q = p[..., None], q[..., None]
    x, y = GRID - cx, GRID[:, None] - cy
    k = p * p - q * q
    a = p * p - k * uz * uz
    e, f = p * p / a, k / a
    inside = 2 * e * f * ux * uy * x * y
    inside += 1 / a - e * (1 - f * ux * ux) * x * x
    inside -= e * (1 - f * uy * uy) * y * y
    depth = np.sqrt(inside, out=inside)
    depth += f * uz * ux * x + f * uz * uy * y
    tone = wz * depth
    tone += wx * x + wy * y
    depth += cz
    return depth, tone


def quadrilateral(corners, light):
    """Depth (NaN outside) and light of m plates on the canvas: (m, 64, 64) and (m, 1, 1)."""
    a, b = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    normal = np.cross(a, b)
    turned = np.where(normal[:, 2:] < 0, np.float32(-1), np.float32(1))
    normal *= turned / np.maximum(np.sqrt(dot(normal, normal)), 1e-6)[:, None]
    tone = dot(normal, light)[:, None, None]
    x, y = GRID - corners[..., :1, None], GRID[:, None] - corners[..., 1:2, None]
    nx, ny, nz = normal.T[:, :, None, None]
    nz = np.maximum(nz, 1e-3)
    depth = corners[:, 0, 2, None, None] - nx / nz * x[:, 0] - ny / nz * y[:, 0]
    sides = (np.roll(corners, -1, 1) - corners) * turned[:, None]
    outside = np.zeros(depth.shape, bool)
    for i in range(4):
        ex, ey = sides[:, i, 0, None, None], sides[:, i, 1, None, None]
        outside |= ex * y[:, i] < ey * x[:, i]
    np.copyto(depth, np.nan, where=outside)
    return depth, tone


def render(starts, ends, radii, corners, light):
    """The part seen at each pixel (-1: none) and how light it is there: two (m, 64, 64)."""
    shape = len(light), FINE, FINE
    nearest = np.full(shape, -1e6, np.float32)
    shade = np.zeros(shape, np.float32)
    part = np.full(shape, -1, np.int16)
    blobs, plates = (range(v.shape[1]) for v in (starts, corners))
    surfaces = [(ellipsoid, (starts[:, k], ends[:, k], radii[:, k])) for k in blobs]
    surfaces += [(quadrilateral, (corners[:, k],)) for k in plates]
    for number, (surface, where) in enumerate(surfaces):
        depth, tone = surface(*where, light)
        seen = depth > nearest
        for kept, new in ((nearest, depth), (shade, tone), (part, number)):
            np.copyto(kept, new, where=seen)
    return part, np.maximum(0.7 + 0.4 * shade, 0.2)


# ------------------------------------------------------------------ photographs

# Photograph at half size, and a box in it: left, top, right, bottom.
PLACES = {
    "sky": ("china", (165, 0, 320, 95)),
    "lake": ("china", (165, 95, 280, 150)),
    "trees": ("china", (150, 135, 320, 213)),
    "hedge": ("china", (0, 165, 165, 213)),
    "pagoda": ("china", (35, 30, 175, 200)),
    "leaves": ("flower", (0, 0, 100, 213)),
    "shade": ("flower", (215, 0, 320, 190)),
    "petals": ("flower", (90, 45, 220, 175)),
    "wall": ("hopper", (190, 10, 256, 100)),
    "flag": ("hopper", (0, 10, 65, 150)),
}


def load_photographs():
    """The photographs at half size: {name: PIL image}."""
    china, flower = (Image.fromarray(image) for image in load_sample_images().images)
    with get_sample_data("grace_hopper.jpg") as file:
        hopper = Image.open(file).convert("RGB")
    return {"china": china.reduce(2), "flower": flower.reduce(2), "hopper": hopper.reduce(2)}


def cut(photos, place, rng):
    """A square of the place, 32 × 32, in focus or out of it."""
    name, (left, top, right, bottom) = PLACES[place]
    side = rng.integers(32, min(right - left, bottom - top) + 1)
    x, y = rng.integers(left, right - side + 1), rng.integers(top, bottom - side + 1)
    pixels = SIZE // int(rng.choice((1, 2, 4)))
    small = photos[name].resize((pixels, pixels), Image.BILINEAR, (x, y, x + side, y + side))
    return np.asarray(small.resize((SIZE, SIZE), Image.BICUBIC))


def backgrounds(photos, kind, m, rng):
    """m pairs of places that meet at a horizon, above or below the frame for some."""
    halves = []
    for liked in VIEWS[kind][3:]:
        places = [rng.choice(liked if rng.uniform() < 0.5 else list(PLACES)) for _ in range(m)]
        half = np.stack([cut(photos, place, rng) for place in places]).astype(np.float32) / 255
        half = mix(half.mean(3, keepdims=True), half, rng.uniform(0.3, 1.1, (m, 1, 1, 1)))
        halves.append(half * rng.uniform(0.75, 1.25, (m, 1, 1, 3)))
    row, horizon = np.arange(SIZE)[:, None, None], rng.uniform(-10, 42, (m, 1, 1, 1))
    return mix(*halves, ((row - horizon) / rng.uniform(1, 5, (m, 1, 1, 1))).clip(0, 1))


def coats(greys, kind, m, rng):
    """Where the second colour shows (0 to 1) and how fur shades: two (m, 64, 64)."""
    each = m, 1, 1
    hair = np.empty((m, FINE, FINE), np.float32)
    for window in hair:
        grey = greys[rng.integers(len(greys))]
        y, x = (rng.integers(edge - FINE) for edge in grey.shape)
        window[:] = grey[y : y + FINE, x : x + FINE]
    hair -= hair.mean((1, 2), keepdims=True)
    c, s = turn(rng.uniform(-30, 30, each))
    wave = (GRID * c + GRID[:, None] * s) / rng.uniform(5, 11, each) + 3 * hair
    striped, patched = MARKED.get(kind, (0, 0))
    style = rng.uniform(size=each)
    mark = np.where(style < striped, 0.8 * (np.abs(wave % 1 - 0.5) < 0.2), 0)
    mark = np.where(style > 1 - patched, hair > 0.02, mark)
    rough = rng.uniform(0, 0.6 * (kind not in MACHINES), each)
    fur = 1 + (rough * hair).clip(-0.3, 0.3)
    return mark.astype(np.float32), fur.astype(np.float32)


def develop(picture, rng):
    """Contrast, exposure, colour cast, now and then grey, mirrored, noise: uint8."""
    m = len(picture)
    each = m, 1, 1, 1
    mean = picture.mean((1, 2, 3), keepdims=True)
    picture = mean + (picture - mean) * rng.uniform(0.8, 1.25, each)
    picture *= mix(1, rng.uniform(0.28, 0.6, each) / mean, 0.8)
    picture += rng.uniform(-0.04, 0.04, (m, 1, 1, 3))
    grey = picture.mean(3, keepdims=True)
    picture = np.where(rng.uniform(size=each) < 0.03, grey, picture)
    picture = np.where(rng.uniform(size=each) < 0.5, picture[:, :, ::-1], picture)
    picture += rng.uniform(0, 0.03, each) * rng.standard_normal(picture.shape, np.float32)
    return (255 * picture).clip(0, 255).astype(np.uint8)


def draw(kind, n, photos, seed):
    """n pictures of one class: uint8, (n, 3, 32, 32)."""
    rng = np.random.default_rng(seed)
    fig = BUILDERS[kind](rng, n) if kind in BUILDERS else quadruped(rng, n, kind)
    space = take_view(fig, kind, rng)
    colours = np.stack([part[-1] for part in fig.blobs + fig.plates], 1)
    colours = np.pad(colours, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=1)  # opaque
    colours = colours.reshape(n, -1, 8).astype(np.float32)
    light = rng.uniform((-1, -1, 0.2), (1, -0.2, 1), (n, 3))
    light = (light / np.sqrt(dot(light, light))[:, None]).astype(np.float32)
    greys = [np.asarray(photo.convert("L"), np.float32) / 255 for photo in photos.values()]
    pictures = np.empty((n, SIZE, SIZE, 3), np.uint8)
    for first in range(0, n, CHUNK):
        chunk = slice(first, min(first + CHUNK, n))
        m = chunk.stop - first
        with np.errstate(invalid="ignore"):  # a root of less than zero is NaN: nothing there
            part, shade = render(*(v[chunk] for v in space), light[chunk])
        mark, fur = coats(greys, kind, m, rng)
        pick = colours[chunk][np.arange(m)[:, None, None], part]
        colour = mix(pick[..., :4], pick[..., 4:], mark[..., None])
        colour[..., :3] *= (shade * fur)[..., None]
        colour *= (part >= 0)[..., None]
        figure = sum(colour[:, i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4
        behind = backgrounds(photos, kind, m, rng)
        tint = mix(1, 2 * behind.mean((1, 2), keepdims=True), 0.25)
        picture = behind * (1 - figure[..., 3:]) + tint * figure[..., :3]
        pictures[chunk] = develop(picture, rng)
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))


def make(seed: int = 0, size: int | None = None) -> dict[str, ImageSet]:
    """Draw the splits `train` and `test` of the sample, uint8 (N, 3, 32, 32) each.

    ValueError for any `size` but 32, the only one that CIFAR-10 has.
    """
    if size not in (None, SIZE):
        raise ValueError(f"size {size} was asked for; cifar10 is drawn at {SIZE} only")
    photos = load_photographs()
    sets = {}
    for split, (of_pet, of_other) in COUNTS.items():
        key = seed, list(COUNTS).index(split)
        counts = [of_pet if kind in PETS else of_other for kind in CLASSES]
        labels = np.repeat(np.arange(len(CLASSES)), counts)
        images = np.concatenate(
            [draw(kind, counts[i], photos, (*key, i)) for i, kind in enumerate(CLASSES)]
        )
        order = np.random.default_rng(key).permutation(len(labels))
        sets[split] = ImageSet(
            images[order], labels[order], CLASSES, name="cifar10", source="sample", origin=ORIGIN
        )
    return sets
