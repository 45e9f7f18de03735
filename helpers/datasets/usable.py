"""Can the modules use what was prepared? Said by `prepare`, before it says that it is done."""

import numpy as np

from helpers.datasets.errors import DataError
from helpers.datasets.image_set import ImageSet
from helpers.datasets.splits import hold_back, patients

CALIBRATION = 19  # normal scans for a rule at 5 %: with n < 1/0.05 - 1 its threshold is infinite
HANDS = 50  # pictures of a class of which module 3's tenth for testing holds five, one a class


def say(name, text):
    """A line about what was done with the data, beside those that say what was left out."""
    print(f"{name}: {text}.", flush=True)


def parts_of(out, classes):
    """The labels and patients that a Writer was given, as {split: ImageSet} without pixels."""
    return {
        split: ImageSet(
            images=np.broadcast_to(np.uint8(0), (sum(map(len, labels)), 1, 1, 1)),
            labels=np.concatenate(labels),
            classes=tuple(classes),
            groups=np.concatenate(out.groups[split]) if split in out.groups else None,
        )
        for split, labels in out.labels.items()
    }


def counts(part):
    """{class: pictures} of an ImageSet."""
    return dict(
        zip(part.classes, np.bincount(part.labels, minlength=len(part.classes)), strict=True)
    )


def check_scans(parts, normal, source, lost=""):
    """DataError where module 5 cannot run on the scans {split: ImageSet}.

    Each class needs a scan in training and in test; the normal one of two patients in training,
    since one is held back to calibrate on.

    lost : a clause about training scans that were left out for their patients, if any were
    """
    classes, lacking = next(iter(parts.values())).classes if parts else (normal,), []
    hint = ""
    for split in ("train", "test"):
        for label, name in enumerate(classes):
            own, who = np.empty(0), ()
            if split in parts:
                own = np.flatnonzero(parts[split].labels == label)
                who = np.unique(patients(parts[split])[own])
            if len(who) < (2 if (split, name) == ("train", normal) else 1):
                known = len(own) and parts[split].groups is not None
                what = f"of one patient only ({len(own)})" if known else f"too few ({len(own)})"
                lacking.append(f"{name} scans in {split} are {what}")
                if lost and split == "train":
                    hint = "if the patients of train are others, give them other names; "
    if lacking:
        found = "; ".join(
            f"{split} {', '.join(f'{name} {n}' for name, n in counts(part).items())}"
            for split, part in parts.items()
        )
        raise DataError(
            f"oct: too little for module 5: {_few(lacking)}{f'; {lost}' if hint else ''}.",
            f"{source}; scans found: {found or 'none'}",
            f"{hint}give {normal} scans of 2 patients or more in train and 1 in test, of other "
            f"classes 1 and 1 (without such parts 3 of each), or leave a class out; better "
            f"{4 * CALIBRATION} {normal} scans in train",
            "oct",
        )


def few_scans(parts, normal):
    """What to know of scans that are few, as sentences. The roles are those of the module."""
    pool, held = (parts["train"].take(places) for places in hold_back(parts["train"]))
    pool, held, test = (counts(part)[normal] for part in (pool, held, parts["test"]))
    if held >= CALIBRATION:
        return []
    few = (
        f"few {normal} scans: {pool} to train on, {held} to calibrate on, {test} to test on; "
        f"a rule at 5 % needs {CALIBRATION} to calibrate on, about {4 * CALIBRATION} in training, "
        "and flags nothing here"
    )
    say("oct", few)
    return [few[0].upper() + few[1:]]


def _few(lines, most=4):
    return "; ".join(lines[:most]) + (f"; and {len(lines) - most} more" if lines[most:] else "")


def few_pictures(parts):
    """What to know of MedNIST where a class of it is small for module 3, as sentences."""
    small = [name for name, n in counts(parts["all"]).items() if n < HANDS]
    if not small:
        return []
    few = f"few pictures of {', '.join(small)}: module 3 needs {HANDS} of each, better thousands"
    say("mednist", few)
    return [few[0].upper() + few[1:]]
