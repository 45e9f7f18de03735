"""Splits without leaks: roles that share no image, the same on every machine."""

import hashlib
import inspect
from functools import wraps
from numbers import Real

import numpy as np


def _checked(function, check):
    """The function behind a check of its arguments; its own source stays what `inspect` shows.

    As `reads` of helpers/arrays.py, which would load torch, and `load` is to be light.
    check(**arguments) -> {argument: its value as the function takes it}, or ValueError
    """
    signature = inspect.signature(function)

    @wraps(function)
    def checked(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        try:
            given.arguments.update(check(**given.arguments))
        except ValueError as error:
            raise ValueError(f"{function.__name__}: {error}") from None
        return function(*given.args, **given.kwargs)

    return checked


def _labels_with(wanted, labels, most=10):
    """The labels as an array. ValueError where no image has one of those `wanted`."""
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(
            f"labels should be one for each image, shape (n,); got shape {labels.shape}"
        )
    known = np.unique(labels).tolist()
    for label in wanted:
        if np.ndim(label) or label not in known:
            listed = ", ".join(map(repr, known[:most]))
            listed += f" and {len(known) - most} more" if known[most:] else ""
            if isinstance(label, str) and labels.dtype.kind in "iu":
                listed += "; classes.index(name) gives the number of a class"
            raise ValueError(f"no image has the label {label!r}; the labels are {listed}")
    return labels


def _check_shares(shares, expected, least=0):
    """ValueError where one is no number from 0 to 1, or all sum to less than `least` or over 1."""
    numbers = all(isinstance(share, Real) and 0 <= share <= 1 for share in shares)
    if not numbers or not least - 1e-6 <= sum(shares) <= 1 + 1e-6:  # 0.7 + 0.2 + 0.1 is below 1
        raise ValueError(f"{expected} (10 % is 0.1); got {', '.join(map(str, shares))}")


def hold_one_out(labels, held_out, calibration_share=1 / 6, seed=0):
    """Positions of the normal images for training and for calibration, shuffled and disjoint.

    labels : (N,), of which `held_out` is the anomaly, absent from both
    -> train (m,), calibration (k,) with k = calibration_share of the normal images, rounded down
    """
    normal = np.flatnonzero(labels != held_out)
    normal = np.random.default_rng(seed).permutation(normal)
    k = int(len(normal) * calibration_share)
    return normal[k:], normal[:k]


def _one_held_out(labels, held_out, calibration_share, **_):
    _check_shares([calibration_share], "calibration_share should be a number from 0 to 1")
    return {"labels": _labels_with([held_out], labels)}


hold_one_out = _checked(hold_one_out, _one_held_out)


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


def _all_shared_out(shares, **_):
    _check_shares(shares, "shares should be numbers from 0 to 1 that sum to 1", least=1)
    return {}


split_by_content = _checked(split_by_content, _all_shared_out)


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


def _classes_once(labels, wanted, shares, **_):
    _check_shares(shares, "shares should be numbers from 0 to 1 that sum to at most 1")
    wanted = list(wanted)
    labels = _labels_with(wanted, labels)
    if len(set(wanted)) < len(wanted):
        raise ValueError(f"wanted should name each class once; got {wanted}")
    return {"labels": labels, "wanted": wanted}


class_roles = _checked(class_roles, _classes_once)


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
