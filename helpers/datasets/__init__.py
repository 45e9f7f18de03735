"""The five data sets of the course behind one call.

>>> from helpers.datasets import load
>>> digits = load("mnist", source="sample")
mnist: offline sample ...
>>> digits["train"].images.shape
(1297, 1, 28, 28)
"""

import functools
import os
from pathlib import Path

from helpers.datasets import banner, store
from helpers.datasets.download import megabytes, reachable
from helpers.datasets.errors import DataError
from helpers.datasets.image_set import ImageSet
from helpers.datasets.mnist import FASHION_MNIST, MNIST
from helpers.datasets.offline import sample
from helpers.datasets.prepare import fetch_prepared, folder_of, mirror, prepare

__all__ = ["DATA_SETS", "DataError", "ImageSet", "load"]

DATA_SETS = {data_set.name: data_set for data_set in (MNIST, FASHION_MNIST)}
SOURCES = ("auto", "real", "sample")


def load(name, *, source="auto", root=None, size=None):
    """Load a data set and say in a banner which data these are.

    Parameters
    ----------
    name : "mnist", "fashion_mnist", "mednist", "cifar10" or "oct"
    source : "real" (prepared files, downloaded where they are not there), "sample" (made on this
        machine, no network), or "auto": real where it can be had quickly, else the sample.
        COURSE_SOURCE decides in place of "auto".
    root : folder of prepared files; COURSE_DATA, else data/ in the course folder
    size : side length in pixels; each data set has its default

    Returns
    -------
    dict of ImageSet, one for each of the authors' splits: "train" and "test", or "all"

    Raises
    ------
    DataError when real data are asked for and cannot be had
    """
    data_set = find(name)
    size = data_set.checked_size(size)
    root = Path(root) if root else store.course_data()
    if source == "auto":
        source = os.environ.get("COURSE_SOURCE") or "auto"
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(SOURCES)}, got {source!r}")
    why = ""
    if source != "sample":
        try:
            splits = _real(data_set, size, root, unasked=source == "auto")
            banner.show("real", [f"{name}: real data ({_counts(splits)}). {_origin(splits)}."])
            return splits
        except DataError as error:
            if source == "real":
                raise
            why = error.what
    splits = sample(data_set, size, root)
    lines = [f"{name}: offline sample ({_counts(splits)}), not the real data. {_origin(splits)}."]
    if why:
        lines.append(f"Why: {why}")
    lines.append(f"For the real data: python -m data_scripts.prepare {name}, then restart.")
    banner.show("sample", lines)
    return splits


def find(name):
    """The DataSet called `name`."""
    if name not in DATA_SETS:
        raise ValueError(f"no data set {name!r}; there are {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def _counts(splits):
    shape = "×".join(map(str, next(iter(splits.values())).images.shape[1:]))
    return ", ".join(f"{split} {len(part):,}" for split, part in splits.items()) + f", {shape}"


def _origin(splits):
    return next(iter(splits.values())).origin


def _real(data_set, size, root, unasked):
    """Prepared files, from the mirror or the authors where they are not there.

    `unasked` (source="auto") starts no long download, waits for no dead network, and does not
    try again in this process what has failed.
    """
    folder = folder_of(data_set, size, root)
    where = mirror()
    if store.is_prepared(folder):
        return store.read(folder, data_set.name)
    if isinstance(where, Path) and store.is_prepared(where / folder.name):
        return store.read(where / folder.name, data_set.name)
    fetch = _fetch_once if unasked else _fetch
    error = fetch(data_set, size, root, where, unasked)
    if error:
        raise error
    return store.read(folder, data_set.name)


def _fetch(data_set, size, root, where, unasked):
    """Bring the prepared folder here. Returns the DataError if that failed."""
    try:
        if isinstance(where, str):
            fetch_prepared(data_set, size, root, where)
        elif not unasked:
            prepare(data_set, size, root)
        else:
            _prepare_unasked(data_set, size, root)
    except DataError as error:
        return error


_fetch_once = functools.cache(_fetch)


def _prepare_unasked(data_set, size, root):
    files = data_set.files(size)
    total = megabytes(sum(file.bytes for file in files))
    todo = f"python -m data_scripts.prepare {data_set.name}"
    if not data_set.in_auto:
        what = f"the real files are not here, and {total} are not downloaded unasked."
        raise DataError(what, root, todo, data_set.name)
    if not reachable(files[0].urls):
        raise DataError("the real files are not here, and no network.", root, todo, data_set.name)
    prepare(data_set, size, root)
