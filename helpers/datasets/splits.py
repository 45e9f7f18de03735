"""Splits without leaks: roles that share no image, the same on every machine."""

import hashlib

import numpy as np


def hold_one_out(labels, held_out, calibration_share=1 / 6, seed=0):
    """Positions of the normal images for training and for calibration, shuffled and disjoint.

    labels : (N,), of which `held_out` is the anomaly, absent from both
    -> train (m,), calibration (k,) with k = calibration_share of the normal images, rounded down
    """
    normal = np.flatnonzero(labels != held_out)
    normal = np.random.default_rng(seed).permutation(normal)
    k = int(len(normal) * calibration_share)
    return normal[k:], normal[:k]


def split_by_content(images, shares=(0.8, 0.1, 0.1), seed=0):
    """Positions of the images of each part; equal images always share a part.

    images : (N, ...), any order; shares : of the parts, on average; -> one array a share
    An image's part depends on its own bytes and the seed alone, so the split is the same in
    whatever order the files were read, and stays when images are added.
    """
    salt = str(seed).encode()
    digests = [hashlib.sha256(salt + image.tobytes()).digest() for image in images]
    place = np.array([int.from_bytes(digest[:6], "big") / 2**48 for digest in digests])
    part = np.searchsorted(np.cumsum(shares)[:-1], place, side="right")
    return [np.flatnonzero(part == i) for i in range(len(shares))]


def class_roles(labels, wanted, shares, seed=0):
    """Positions of the images of each role: of the classes `wanted` only, each class cut alike.

    labels : (N,); wanted : class numbers; shares : of the roles, together at most 1
    -> one array of positions a share, in their order in the set; no position in two of them
    """
    rng = np.random.default_rng(seed)
    parts = []
    for label in wanted:
        own = rng.permutation(np.flatnonzero(labels == label))
        ends = np.round(np.cumsum(shares) * len(own)).astype(int)
        parts.append(np.split(own, ends)[: len(shares)])
    return [np.sort(np.concatenate(role)) for role in zip(*parts, strict=True)]


def patients_of_class(labels, groups):
    """The patients of each class, each in the class of its first scan. -> {class: array}

    labels, groups : (N,), class and patient of each image
    """
    patients, first = np.unique(groups, return_index=True)
    classes = labels[first]
    return {label: patients[classes == label] for label in np.unique(classes).tolist()}


def subset_by_patient(labels, groups, share, seed=0):
    """Positions of all images of `share` of the patients of each class, at least one of each.

    labels, groups : (N,), class and patient of each image; -> (m,), ascending
    No patient is split. For one seed a smaller share is part of a larger one.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for own in patients_of_class(labels, groups).values():
        own = rng.permutation(own)
        chosen.extend(own[: max(1, round(share * len(own)))])
    return np.flatnonzero(np.isin(groups, chosen))


def hold_back(pictures, share=0.25):
    """Positions of an ImageSet's images but those of `share` of the patients, and of those."""
    held = subset_by_patient(pictures.labels, patients(pictures), share)
    return np.setdiff1d(np.arange(len(pictures)), held), held


def patients(pictures, run=10):
    """The patient of each image of an ImageSet. -> (N,)

    Where patients are not known, runs of neighbouring images of a class stand in for them:
    neighbours are often slices of one eye. The runs are shorter where a class would have fewer
    than four, so that a small set still has something to hold back.
    """
    if pictures.groups is not None:
        return pictures.groups
    stand_in = np.empty(len(pictures), dtype=np.int64)
    for label in range(len(pictures.classes)):
        own = np.flatnonzero(pictures.labels == label)
        length = min(run, max(1, len(own) // 4))
        stand_in[own] = label * len(pictures) + np.arange(len(own)) // length
    return stand_in


def stream(n, m, rate, seed=0):
    """Positions of a stream in which a share `rate` of the images is out of sample.

    n, m : images that there are in sample and out of it; -> positions among n, among m
    The stream is as long as the images last: all of one kind are in it.
    """
    rng = np.random.default_rng(seed)
    length = min(n / (1 - rate) if rate < 1 else np.inf, m / rate if rate > 0 else np.inf)
    outside = round(rate * length)
    inside = round(length) - outside
    return rng.permutation(n)[:inside], rng.permutation(m)[:outside]
