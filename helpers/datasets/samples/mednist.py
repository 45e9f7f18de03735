"""The offline stand-in for MedNIST: six drawn imaging modalities at 64×64.

Each function draws one image, (64, 64) floats from 0 to 255, with anatomy, pose, exposure and
noise of its own. The numbers are proportions read off real images by eye.
"""

import numpy as np

from helpers.datasets.image_set import ImageSet
from helpers.datasets.samples.drawing import (
    SIZE,
    Layer,
    X,
    Y,
    band,
    blob,
    bone,
    capsule,
    column,
    ellipse,
    exposed,
    mirrored,
    pose,
    rectangle,
    stretched,
    texture,
)

SIDES = np.array([-1, 1])  # the image's left and right

# ---- X-ray --------------------------------------------------------------------------------------

# Rows: thumb, index, middle, ring and little finger, at rest; columns: metacarpal and phalanges.
# The unit is the middle metacarpal's length, the origin is the wrist, angles are from straight up.
BASE = np.array([0.30 - 0.05j, 0.22 - 0.30j, 0.05 - 0.34j, -0.11 - 0.30j, -0.25 - 0.22j])
ANGLE = np.array([0.75, 0.17, 0.02, -0.13, -0.29])
FAN_AT_WRIST, FAN_AT_KNUCKLE = np.array([0.3, 0, 0, 0, 0]), np.array([0.25, 0.8, 0.8, 0.8, 0.8])
LENGTH = np.array(
    [
        [0.66, 0.50, 0.36, 0.00],
        [1.00, 0.62, 0.38, 0.27],
        [1.00, 0.69, 0.45, 0.28],
        [0.88, 0.64, 0.43, 0.28],
        [0.82, 0.52, 0.30, 0.25],
    ]
)
EXISTS = LENGTH > 0
BONE_WIDTH = np.array([[0.12, 0.10, 0.08, 0]] + 4 * [[0.11, 0.095, 0.08, 0.06]])[EXISTS]
FLESH_WIDTH = np.array([[0.24, 0.20, 0.16, 0]] + 4 * [[0.25, 0.185, 0.165, 0.14]])[EXISTS]
FLESH = np.array([[165, 135, 110, 0]] + 4 * [[165, 135, 115, 100]])[EXISTS]
CARPALS = np.array(
    [-0.22 - 0.12j, -0.06 - 0.2j, 0.1 - 0.2j, 0.25 - 0.15j, -0.2 + 0.02j, -0.03 - 0.02j, 0.13]
)


def hand(rng):
    """Hand X-ray: long bones with their joints, carpals, radius and ulna, flesh."""
    where = pose(
        rng.normal(0.02, 0.07) + 1j * rng.normal(0.42, 0.07),
        scale=min(0.55, rng.normal(0.47, 0.05)),
        angle=rng.normal(0.05, 0.16),
        mirror=rng.random() < 0.2,
    )
    flesh, bones = Layer(where), Layer(where)

    spread = rng.uniform(0, 1.4)
    at_wrist = ANGLE * (1 + FAN_AT_WRIST * (spread - 1))
    at_knuckle = at_wrist + FAN_AT_KNUCKLE * ANGLE * spread + rng.normal(0, 0.05, 5)
    at_middle_joint = at_knuckle + rng.normal(0, 0.06, 5)
    angle = np.stack([at_wrist, at_knuckle, at_middle_joint, at_middle_joint], axis=1)
    along = -1j * np.exp(1j * angle)
    step = along * LENGTH * rng.normal(1, 0.03, LENGTH.shape)
    end = column(BASE) + np.cumsum(step, axis=1)
    start, end, along = (end - step)[EXISTS], end[EXISTS], along[EXISTS]

    stout, elbow = rng.normal(1, 0.1), 3.2j * np.exp(1j * rng.normal(0, 0.15))
    flesh.fill(capsule(0.1j, elbow, 0.45 * stout, 0.62 * stout), 215)
    flesh.fill(capsule(0j, -0.03 - 0.75j, 0.42 * stout, 0.38 * stout), 185)
    flesh.fill(capsule(0.1 - 0.1j, 0.33 - 0.5j, 0.3 * stout, 0.14 * stout), 165)
    flesh.fill(capsule(start, end, FLESH_WIDTH * stout, 0.9 * FLESH_WIDTH * stout), FLESH)

    bones.fill(bone(start + 0.035 * along, end - 0.035 * along, BONE_WIDTH), 235)
    bones.fill(bone(start + 0.1 * along, end - 0.1 * along, 0.45 * BONE_WIDTH), 160)  # marrow
    r = rng.uniform(0.085, 0.12, (2, 7))
    bones.fill(ellipse(CARPALS, *r, rng.uniform(0, 3, 7)), rng.uniform(190, 240, 7))
    head, width = np.array([0.17 + 0.13j, -0.19 + 0.15j]), np.array([0.21, 0.13])
    bones.fill(bone(head, 0.9 * head + elbow, width), 240)
    bones.fill(bone(head + 0.2j, 0.9 * head + elbow, 0.45 * width), 185)

    thickness = flesh.pixels(blur=0.8) / 255
    picture = thickness * rng.uniform(130, 230) * (1 + rng.uniform(0, 0.4) * Y)
    picture += bones.pixels() / 255 * (0.4 + thickness) * rng.uniform(75, 130)
    scatter = rng.uniform(0, 40) * (1 - 0.4 * (X**2 + Y**2))
    picture = scatter + picture * (1 - scatter / 255)
    return exposed(rng, plate(rng, picture), gamma=(0.8, 1.25), noise=(0.3, 3))


def plate(rng, picture):
    """The plate around a hand: a letter on a tag, at times a grey field with a border."""
    if rng.random() < 0.8:
        x = rng.choice(SIDES, p=(0.8, 0.2)) * rng.uniform(0.65, 0.88)
        where = pose(x + 1j * rng.uniform(-0.85, 0.8), rng.uniform(0.7, 1.3), rng.normal(0, 0.3))
        tag = Layer(where)
        tag.fill(rectangle(0j, 0.07, 0.11), rng.uniform(20, 90))
        tag.fill(rectangle([-0.02, 0.01 + 0.05j], [0.02, 0.04], [0.07, 0.02]), 240)  # an L
        picture = np.maximum(picture, tag.pixels())
    if rng.random() < 0.22:
        field = Layer(pose(angle=rng.normal(0, 0.07)))
        field.fill(rectangle(0j, *rng.uniform(0.75, 1, 2)), 255)
        inside = field.pixels() / 255
        grey, border = rng.uniform(20, 150), rng.choice([0, 0, 70, 255])
        picture = inside * (grey + picture * (1 - grey / 255)) + (1 - inside) * border
    return picture


# The right half of each: neck, shoulder, side; apex, outer wall, diaphragm, inner wall.
HALF_TRUNK = np.array([0.13, 0.16, 0.3, 0.72, 0.95, 1.02, 0.92, 0.9]) + 1j * np.array(
    [-1.3, -0.85, -0.76, -0.66, -0.5, -0.2, 0.2, 1.3]
)
TRUNK = np.concatenate([HALF_TRUNK, -HALF_TRUNK[::-1].conj()])
LUNG_X = [0.17, 0.28, 0.4, 0.52, 0.61, 0.65, 0.67, 0.56, 0.42, 0.27, 0.14, 0.1, 0.12]
LUNG_Y = [-0.7, -0.78, -0.7, -0.48, -0.15, 0.2, 0.46, 0.3, 0.22, 0.24, 0.34, 0, -0.4]
LUNG = np.array(LUNG_X) + 1j * np.array(LUNG_Y)


def chest_xray(rng):
    """Chest X-ray: lungs over the diaphragm, heart, ribs, clavicles, spine."""
    where = pose(
        rng.normal(0, 0.05) + 1j * rng.normal(0, 0.07), rng.uniform(0.88, 1.25), rng.normal(0, 0.05)
    )
    body, lungs, bones = Layer(where), Layer(where), Layer(where)
    wide, tall = rng.normal(1, 0.07), rng.normal(1, 0.09)

    body.fill(stretched(TRUNK, wide, 1), 200)
    outline = mirrored(LUNG) + rng.normal(0, 0.02, (2, LUNG.size, 2)) @ [1, 1j]
    lungs.fill(stretched(outline, wide, tall * rng.normal(1, 0.06, (2, 1))), 255)
    r = rng.uniform(0.2, 0.34)
    heart = rng.normal(0.12, 0.03) + 1j * (0.34 * tall - 0.8 * r)
    lungs.fill(blob(rng, heart, 1.15 * r, r, 0.6, wobble=0.03), 30)
    lungs.fill(capsule(-0.9j, 0.4j, 0.1, rng.uniform(0.1, 0.16)), 20)

    t, level = np.linspace(0, 1, 8), column(np.arange(9)) / 8
    reach = (0.42 + 0.28 * np.sin(1.9 * level**0.8)) * wide
    y, slope = tall * (1.05 * level - 0.74), rng.uniform(0.05, 0.25)
    back = (
        0.1 + (reach - 0.1) * np.sin(t * np.pi / 2) + 1j * (y - 0.1 * np.sin(2.6 * t) + slope * t)
    )
    front = reach * (1 - 0.6 * t**2) + 1j * (y + slope + 0.25 * t)
    bones.fill(mirrored(band(back, 0.045j)), 150)
    bones.fill(mirrored(band(front[:6], 0.03 + 0.03j)), 90)
    collar = 1j * tall * rng.uniform(-0.68, -0.6)
    bones.fill(bone(0.1 * SIDES + collar, 0.75 * wide * SIDES + collar - 0.1j, 0.06), 170)
    bones.fill(ellipse(1j * np.arange(-1, 0.9, 0.16), 0.08, 0.06), 110)

    air, trunk = lungs.pixels(blur=rng.uniform(0.7, 1.2)) / 255, body.pixels(blur=1.2) / 200
    haze = rng.uniform(5, 40) * texture(rng, 4) + rng.uniform(4, 16) * texture(rng, 1)
    picture = trunk * (rng.uniform(165, 235) + 50 * np.clip(Y, -0.7, 0.7))
    picture += rng.uniform(1, 11) * texture(rng, 3) * trunk  # breasts, organs, folds
    picture -= air * (rng.uniform(70, 150) - haze)
    picture += bones.pixels(blur=0.4) / 255 * rng.uniform(40, 80) * trunk * (0.4 + air)
    picture += rng.uniform(5, 25) * (X * rng.normal() + Y * rng.normal())  # uneven beam
    return exposed(rng, picture, gamma=(0.65, 1.6), noise=(1, 5))


# ---- CT -----------------------------------------------------------------------------------------


def head_ct(rng):
    """Axial head CT at a random level, from the jaw (0) over the brain to the vertex (1)."""
    level = rng.uniform(0, 1)
    where = pose(
        rng.normal(0, 0.06) + 1j * rng.normal(-0.05, 0.08),
        rng.uniform(0.85, 1.1),
        rng.normal(0, 0.12),
    )
    width = 0.55 * rng.normal(1, 0.04) * np.sqrt(1 - 3 * max(0, level - 0.5) ** 2)
    depth = 1j * width * rng.normal(1.25, 0.05)
    head = Layer(where)
    if level < 0.15:
        jaw(rng, head, width, depth)
    elif level < 0.35:
        skull_base(rng, head, width, depth)
    else:
        brain(rng, head, width, depth, level)
    picture = head.pixels(blur=0.4)
    soft = (picture > 60) & (picture < 110)
    picture += soft * rng.uniform(2, 10) * texture(rng, rng.uniform(0.5, 1))
    if rng.random() < 0.6:
        rest, t = Layer(), np.linspace(0, np.pi, 15)
        arc = rng.uniform(0.8, 0.95) * np.cos(t) + 1j * rng.uniform(0.65, 1) * np.sin(t) ** 0.4
        rest.fill(band(arc, -0.02 * arc), 190)
        picture = np.maximum(picture, rest.pixels())
    picture = rng.normal(25, 5) + rng.uniform(0.85, 1.15) * picture
    return picture + rng.uniform(0.5, 3) * rng.standard_normal(picture.shape)


def jaw(rng, head, width, depth):
    """Mandible, tongue, airway, cervical vertebra and the muscles of the neck."""
    head.fill(blob(rng, 0j, 0.85 * width, 0.9 * depth.imag), rng.uniform(55, 90))
    head.fill(blob(rng, 0.2 * SIDES + 0.35 * depth, 0.17, 0.22), 95)
    t = np.linspace(-0.2, np.pi + 0.2, 13)
    arch = 0.62 * width * np.cos(t) - 0.1j - rng.uniform(0.55, 0.75) * depth * np.sin(t)
    head.fill(band(arch, -rng.uniform(0.12, 0.25) * arch), 230)
    head.fill(blob(rng, -0.3 * depth, 0.2, 0.2), 100)
    head.fill(blob(rng, -0.02j, 0.09, 0.05), 0)
    vertebra(head, 0.22j, rng.uniform(0.12, 0.16), 235)


def skull_base(rng, head, width, depth):
    """Nose and its septum, maxillary sinuses, cheek bones, petrous bones, cerebellum."""
    face, tilt = width * rng.uniform(0.75, 0.95), 1j * rng.uniform(0.05, 0.2)
    head.fill(blob(rng, -0.35 * depth, face, 0.75 * depth.imag, wobble=0.03), 85)
    head.fill(ellipse(0.35 * depth, 0.97 * width, 0.62 * depth.imag), 235)
    head.fill(blob(rng, 0.44 * depth, 0.8 * width, 0.46 * depth.imag, wobble=0.02), 85)
    head.fill(blob(rng, 0.02j, 0.13, 0.12), 225)
    head.fill(bone(0.1 * SIDES, width * 0.95 * SIDES + tilt, rng.uniform(0.06, 0.12)), 230)
    head.fill(bone(0.1 * SIDES - 0.75 * depth, 0.9 * face * SIDES - 0.1j, 0.06), 225)
    sinus, filled = 0.22 * SIDES - 0.45 * depth, rng.choice([5, 80])
    head.fill(blob(rng, sinus, *rng.uniform((0.09, 0.1), (0.14, 0.18)), 0.3 * SIDES), filled)
    head.fill(ellipse(0.72 * width * SIDES + tilt, 0.08, 0.05), 20)
    head.fill(capsule(-1.1 * depth, -0.25 * depth, 0.04, rng.uniform(0.06, 0.1)), 0)
    head.fill(bone(-1.15 * depth, -0.3 * depth, 0.025), 225)


def brain(rng, head, width, depth, level):
    """Skull and brain with the midline; low down orbits and nose, high up sulci for ventricles."""
    if level < 0.55:
        orbit = rng.uniform(0.17, 0.22) * SIDES - 0.97 * depth
        head.fill(ellipse(orbit, 0.15, 0.17), 225)
        head.fill(ellipse(orbit, 0.11, 0.13), rng.choice([5, 90]))
        head.fill(capsule(-1.25 * depth, -0.9 * depth, 0.03, 0.1), 225)
    skull = blob(rng, 0j, width, depth.imag, wobble=0.012)
    inner = skull * (1 - (rng.uniform(0.05, 0.08) + 0.25 * max(0, level - 0.75)) / width)
    head.fill(skull * 1.05, 45)
    head.fill(skull, 230)
    head.fill(inner, 80)
    if level < 0.8:
        horn, thick = 0.04 * SIDES - 0.04j, rng.uniform(0.02, 0.07)
        head.fill(bone(horn, rng.uniform(0.08, 0.18) * SIDES - 0.25j, thick), 20)
        head.fill(bone(horn, rng.uniform(0.14, 0.24) * SIDES + 0.27j, thick), 20)
    else:
        sulcus = 0.75 * inner[rng.integers(0, 24, 8)]
        head.fill(bone(sulcus, sulcus * rng.uniform(0.5, 0.7), 0.02), 55)
    head.fill(bone(-0.85 * depth, 0.85 * depth, 0.014), rng.choice([50, 120]))


def vertebra(layer, centre, size, grey):
    """A vertebra from above: spinous and transverse processes, body, canal."""
    layer.fill(capsule(centre, centre + 2.1j * size, 0.5 * size, 0.15 * size), grey)
    process = centre + (1.4 * SIDES + 1.3j) * size
    layer.fill(capsule(centre + 1j * size, process, 0.3 * size, 0.2 * size), grey)
    layer.fill(ellipse(centre, size, 0.8 * size), grey)
    layer.fill(ellipse(centre, 0.7 * size, 0.5 * size), 0.75 * grey)
    layer.fill(ellipse(centre + 1j * size, 0.4 * size, 0.3 * size), 0.2 * grey)


def ribs(rng, layer, width, height):
    """Short arcs around the cage, where the slice cuts the slanting ribs."""
    t = column(np.arange(rng.uniform(-1.1, -0.9), 4.1, rng.uniform(0.42, 0.6)))
    t = t + np.linspace(0, 1, 4) * rng.uniform(0.1, 0.35, t.shape)
    arc = width * np.cos(t) + 1j * height * np.sin(t)
    layer.fill(band(arc, rng.uniform(0.03, 0.06) * arc), rng.uniform(90, 140))


def body_pose(rng):
    return pose(
        rng.normal(0, 0.04) + 1j * rng.normal(-0.05, 0.07),
        rng.uniform(0.85, 1.1),
        rng.normal(0, 0.05),
    )


def body_ct(rng, tissue, ground, speckle):
    """Body CT in a window that shows air, inside and out, as mid-grey; at times with the couch."""
    tissue = tissue.pixels()
    inside = np.clip(tissue / 25, 0, 1)
    picture = tissue * rng.uniform(0.85, 1.15)
    picture += inside * rng.uniform(1, 6) * rng.standard_normal(tissue.shape)
    picture += inside * rng.uniform(0, 90, tissue.shape) * (rng.random(tissue.shape) < speckle)
    if rng.random() < 0.8:
        couch, x = Layer(), np.linspace(-0.95, 0.95, 11)
        edge = x + 1j * (rng.uniform(0.72, 0.92) - rng.uniform(0, 0.25) * x**2)
        couch.fill(band(edge, 0.02j), rng.uniform(30, 120))
        picture = np.maximum(picture, couch.pixels())
    return ground + picture + rng.uniform(0.1, 1.5) * rng.standard_normal(tissue.shape)


def chest_ct(rng):
    """Axial chest CT: wall, ribs, lungs, heart or great vessels; at times through the shoulders."""
    tissue, level = Layer(body_pose(rng)), rng.uniform(0, 1)
    width, height = rng.uniform(0.76, 0.9), rng.uniform(0.5, 0.66)
    if level > 0.85:
        shoulders(rng, tissue, width, height)
    else:
        tissue.fill(blob(rng, 0j, width, height, wobble=0.02), rng.uniform(3, 20))
        back = width * rng.uniform(0.55, 0.65) * SIDES + 0.62j * height
        tissue.fill(blob(rng, back, 0.25, 0.1, -0.5 * SIDES), rng.uniform(15, 35))
        tissue.fill(ellipse(0j, 0.88 * width, 0.88 * height), rng.uniform(8, 30))
        lung = 0.44 * width * SIDES - 0.01j
        tissue.fill(blob(rng, lung, 0.4 * width, 0.78 * height, 0.12 * SIDES, wobble=0.02), 0)
        ribs(rng, tissue, 0.86 * width, 0.86 * height)
    heart, blood = 0.06 + 1j * rng.normal(-0.13, 0.05), rng.uniform(25, 90)
    if level < 0.5:
        r = rng.uniform(0.18, 0.32)
        tissue.fill(blob(rng, heart, 1.15 * r, 0.9 * r, rng.uniform(-0.9, 0)), blood)
        chamber = heart + rng.normal(0, 0.07, (2, 2)) @ [1, 1j]
        tissue.fill(ellipse(chamber, 0.5 * r, 0.4 * r), blood * rng.uniform(0.7, 1.4))
    else:
        vessel, r = heart + rng.normal(0, 0.09, (4, 2)) @ [1, 1j], rng.uniform(0.04, 0.13, (2, 4))
        tissue.fill(ellipse(vessel, *r, rng.uniform(0, 3, 4)), blood * rng.uniform(0.8, 1.3, 4))
    if level < 0.15:  # the dome of the liver
        tissue.fill(blob(rng, -0.4 * width - 0.05j, rng.uniform(0.15, 0.3), 0.25), 0.7 * blood)
    spine = 0.55j * height
    tissue.fill(ellipse(spine + 0.12 - 0.15j, 0.06, 0.06), blood)
    vertebra(tissue, spine, rng.uniform(0.08, 0.12), 110)
    return body_ct(rng, tissue, ground=rng.normal(118, 8), speckle=rng.uniform(0, 0.4) ** 1.5)


def shoulders(rng, tissue, width, height):
    """Muscle, lung tips, heads of the upper arms, clavicles, shoulder blades."""
    tissue.fill(capsule(-0.72 + 0.1j, 0.72 + 0.1j, 0.24, 0.24), rng.uniform(5, 20))
    tissue.fill(blob(rng, 0.05j, 0.5 * width, 0.7 * height), rng.uniform(15, 35))
    tissue.fill(blob(rng, 0.2 * SIDES, 0.1, 0.16, 0.2 * SIDES), 0)
    joint = rng.uniform(0.62, 0.75) * SIDES + 0.05j
    tissue.fill(ellipse(joint, 0.1, 0.1), 130)
    tissue.fill(ellipse(joint, 0.06, 0.06), 80)
    tissue.fill(bone(0.12 * SIDES - 0.3j, joint - 0.2j, 0.04), 120)
    tissue.fill(bone(joint + 0.08j, 0.38 * SIDES + 0.32j, 0.04), 120)


def abdomen_ct(rng):
    """Axial abdominal CT at a random level, from the liver (0) over the kidneys to the hips (1)."""
    tissue, level = Layer(body_pose(rng)), rng.uniform(0, 1)
    width, height = rng.uniform(0.7, 0.9), rng.uniform(0.48, 0.66)
    trunk, fat = blob(rng, 0j, width, height, wobble=0.02), rng.uniform(0, 8)
    spine, organ = 0.45j * height, rng.uniform(30, 60)
    for scale, grey in ((1, 14), (0.97, fat), (0.88, rng.uniform(20, 36)), (0.81, fat)):
        tissue.fill(trunk * scale, grey)  # skin, fat, muscle, fat
    tissue.fill(blob(rng, 0.2 * SIDES + spine + 0.1j, 0.16, 0.12), 0.9 * organ)
    if level < 0.35:  # liver, spleen, stomach
        tissue.fill(blob(rng, -0.38 * width - 0.1j, 0.42 * width, 0.6 * height, 0.2), organ)
        tissue.fill(blob(rng, 0.58 * width + 0.12j, 0.16, 0.2, -0.3), 1.1 * organ)
        tissue.fill(blob(rng, 0.3 * width - 0.2j, 0.2, 0.15, 0.5), organ * rng.uniform(0.4, 1))
    if 0.2 < level < 0.6:
        kidney = rng.normal(0.42, 0.03) * SIDES + 1j * rng.normal(0.15, 0.04, 2)
        r = rng.uniform(0.11, 0.15)
        tissue.fill(blob(rng, kidney, r, 1.2 * r, 0.4 * SIDES), organ * rng.uniform(1.2, 2.2))
        tissue.fill(ellipse(kidney - 0.04 * SIDES, 0.4 * r, 0.4 * r), organ)
    if level > 0.25:  # bowel
        n = rng.integers(4, 14)
        loop = rng.normal(0, 0.3 * width, n) + 1j * rng.normal(-0.14, 0.1, n)
        r = rng.uniform(0.04, 0.12, (2, n))
        loop = blob(rng, loop, *r, rng.uniform(0, 3, n), wobble=0.1)
        tissue.fill(loop, organ * rng.uniform(0.3, 1.2, n))
    if level < 0.5:
        ribs(rng, tissue, 0.83 * width, 0.83 * height)
    if level < 0.7:
        vertebra(tissue, spine, rng.uniform(0.09, 0.13), 130)
        vessel = spine - 0.17j + np.array([-0.08, 0.03])
        tissue.fill(ellipse(vessel, 0.05, 0.045), organ * rng.uniform(1, 2.2, 2))
    else:
        hips(rng, tissue, spine, level)
        tissue.fill(blob(rng, -0.05j, *rng.uniform(0.12, 0.25, 2)), organ)  # bladder
    return body_ct(rng, tissue, ground=rng.normal(111, 8), speckle=rng.uniform(0, 0.1))


def hips(rng, tissue, spine, level):
    """Sacrum with the iliac wings, or lower down the heads of the thigh bones."""
    tissue.fill(blob(rng, spine + 0.1j, 0.13, 0.09), 115)
    if level < 0.85:
        crest = rng.uniform(0.42, 0.58) * SIDES + 1j * rng.normal(-0.05, 0.07)
        tissue.fill(bone(0.15 * SIDES + spine + 0.07j, crest, rng.uniform(0.05, 0.09)), 130)
    else:
        tissue.fill(blob(rng, 0.45 * SIDES + 0.1j, 0.14, 0.14), rng.uniform(110, 140))
        tissue.fill(bone(0.14 * SIDES - 0.15j, 0.34 * SIDES + 0.2j, 0.05), 125)


# ---- MRI ----------------------------------------------------------------------------------------


def breast_mri(rng):
    """Axial breast MRI, face down: bright fat, dark glands, dark thorax, nothing behind."""
    back = rng.uniform(0.35, 0.8)
    where = pose(rng.normal(0, 0.04) + 1j * back, rng.uniform(0.85, 1.1), rng.normal(0, 0.03))
    fat, glands, thorax = Layer(where), Layer(where), Layer(where)
    width, height = rng.uniform(0.74, 0.9), rng.uniform(0.42, 0.66)
    chest = blob(rng, 0j, width, height, wobble=0.03)
    reach = np.maximum(0.03, rng.uniform(-0.1, 0.6) + rng.normal(0, 0.09, 2))
    root = rng.normal(0.52, 0.05) * width * SIDES - 0.5j * height
    tip = root + rng.normal(0.02, 0.05) * SIDES - 1j * (reach + 0.1)
    r = rng.uniform(0.3, 0.4)
    fat.fill(chest, 255)
    fat.fill(capsule(root, tip, 1.15 * r, r * rng.uniform(0.6, 1, 2)), 255)
    glands.fill(blob(rng, 0.25 * root + 0.75 * tip, 0.15, 0.1 + 0.3 * reach, wobble=0.1), 255)
    thorax.fill(chest * rng.uniform(0.8, 0.92), 255)

    picture = fat.pixels(blur=0.6) * rng.uniform(0.6, 0.9)
    picture *= np.clip(1 - rng.uniform(0, 0.6) * (Y - back + 0.6), 0.4, 1.2)  # the coil is in front
    strands = 1 / (1 + np.exp(-2 * (texture(rng, 0.9) - rng.uniform(-1, 1.5))))
    picture *= 1 - glands.pixels(blur=1) / 255 * strands * rng.uniform(0.3, 0.9)
    organs = (
        rng.uniform(10, 50)
        + rng.uniform(3, 20) * texture(rng, 3)
        + rng.uniform(2, 14) * texture(rng, 1)
    )
    inside = thorax.pixels(blur=0.5) / 255
    picture += inside * (np.maximum(organs, 0) - picture)
    picture *= back + rng.normal(0, 0.02) > Y
    return exposed(rng, picture + rng.uniform(0, 4), gamma=(0.8, 1.2), noise=(1, 4))


# ---- The set ------------------------------------------------------------------------------------

MODALITIES = {  # class: how a picture is drawn, how many there are
    "AbdomenCT": (abdomen_ct, 400),
    "BreastMRI": (breast_mri, 400),
    "CXR": (chest_xray, 400),
    "ChestCT": (chest_ct, 400),
    "Hand": (hand, 2000),
    "HeadCT": (head_ct, 400),
}


def make(seed: int = 0, size: int | None = None) -> dict[str, ImageSet]:
    """Draw the set: 2,000 hands and 400 pictures of each other class, uint8 (4000, 1, 64, 64)."""
    if size not in (None, SIZE):
        raise ValueError(f"the mednist sample is drawn at size {SIZE} only, got size={size}")
    pictures, labels = [], []
    for label, (draw, count) in enumerate(MODALITIES.values()):
        rng = np.random.default_rng([seed, label])
        pictures += [np.rint(draw(rng)).clip(0, 255).astype(np.uint8) for _ in range(count)]
        labels += [label] * count
    images = ImageSet(
        images=np.stack(pictures)[:, None],
        labels=np.array(labels, dtype=np.int64),
        classes=tuple(MODALITIES),
        name="mednist",
        source="sample",
        origin="Pictures of six imaging modalities in the manner of MedNIST, drawn by this course; "
        "no patient is shown.",
    )
    return {"all": images}
