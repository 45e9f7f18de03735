"""Explorable of module 5's ladder: which part of a detector has seen which scans and labels."""

import numpy as np

from helpers import plotting
from helpers.datasets.oct import NORMAL
from helpers.datasets.splits import patients
from helpers.experiments.module_05 import diseases, seen_by, seen_scans
from helpers.explorables.page import Explorable

PARTS = ("encoder", "decoder", "threshold", "test")


def ladder_explorer(pool, validation, test):
    """Choose a rung and a disease: what encoder, decoder and threshold saw of it. -> Explorable

    pool, validation, test : ImageSets with patients, as `helpers.experiments.module_05.task` gives
    them. A rung's encoder sees the scans that `seen_by` picks; every decoder sees the healthy scans
    of the pool, and every threshold those of the validation part.
    """
    classes = [NORMAL, *diseases(pool)]
    seen = seen_scans(pool)
    every = np.arange(len(pool))
    decoder = _counts(pool, every[pool.labels == pool.classes.index(NORMAL)], classes)
    healthy = np.flatnonzero(validation.labels == validation.classes.index(NORMAL))
    threshold = _counts(validation, healthy, classes)
    tested = _counts(test, np.arange(len(test)), classes)
    rungs = []
    for rung, labels in seen.labels.items():
        encoder = _counts(pool, seen_by(rung, pool), classes)
        counts = dict(zip(PARTS, (encoder, decoder, threshold, tested), strict=True))
        rungs.append({"name": rung, "labels": bool(labels), "counts": counts})
    figure = plotting.seen_flow(seen, decoder[0][0])
    alt = (
        "A grid with the rungs as rows and the classes as columns. A circle marks the classes that "
        "the encoder has seen, filled where it has seen their labels, with the number of scans. "
        "Arrows lead from each row to a decoder of healthy scans, and on to test scans of all "
        "classes. "
        + "; ".join(
            f"{rung}: {', '.join(f'{row[c]} {c}' for c in classes if row[c])}"
            for rung, row in seen.iterrows()
        )
        + "."
    )
    data = {"classes": classes, "parts": PARTS, "rungs": rungs, "start": {"rung": 0, "disease": 1}}
    return Explorable("ladder", "Who has seen what", data, figure, alt, height=420)


def _counts(scans, chosen, classes):
    """[scans, patients] of each class among the chosen positions."""
    who, labels = patients(scans)[chosen], scans.labels[chosen]
    of = [labels == scans.classes.index(name) for name in classes]
    return [[int(mine.sum()), len(np.unique(who[mine]))] for mine in of]
