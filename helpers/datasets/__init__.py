"""The five data sets of the course behind one call.

>>> from helpers.datasets import load
>>> digits = load("mnist", source="sample")
mnist: offline sample, ...
>>> digits["train"].images.shape
(1297, 1, 28, 28)
"""

import os
from pathlib import Path

from helpers import places
from helpers.banner import Banner
from helpers.datasets import store
from helpers.datasets.cifar10 import CIFAR10
from helpers.datasets.download import megabytes, reachable
from helpers.datasets.errors import DataError
from helpers.datasets.image_set import ImageSet
from helpers.datasets.mednist import MEDNIST
from helpers.datasets.mnist import FASHION_MNIST, MNIST
from helpers.datasets.oct import OCT
from helpers.datasets.offline import sample
from helpers.datasets.prepare import bring, folder_of, mirror
from helpers.places import course_data, misspelt_settings, setting

__all__ = ["DATA_SETS", "DataError", "ImageSet", "load"]

DATA_SETS = {data_set.name: data_set for data_set in (MNIST, FASHION_MNIST, MEDNIST, CIFAR10, OCT)}
SOURCES = ("auto", "real", "sample")
# Images of a split in the smoke profile, at most: few, and enough for every cell of the notebooks.
FEW = {"mnist": 3000, "fashion_mnist": 2000, "mednist": 4800, "cifar10": 10_000}


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
    dict of ImageSet, one for each of the authors' splits: "train" and "test", or "all". In the
    smoke profile a random part of each (FEW)

    Raises
    ------
    DataError when real data are asked for and cannot be had
    """
    data_set = find(name)
    size = data_set.checked_size(size)
    root = Path(os.path.expandvars(os.path.expanduser(root))) if root else course_data()
    if source == "auto":
        source = setting("COURSE_SOURCE") or "auto"
        if source not in SOURCES:
            allowed = ", ".join(SOURCES)
            raise ValueError(f"COURSE_SOURCE is {source!r}; it must be one of {allowed}, or unset")
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(SOURCES)}, got {source!r}")
    notes = [f"{odd} is no setting; {right} is." for odd, right in misspelt_settings().items()]
    if source != "sample":
        try:
            splits = _few(name, _real(data_set, size, root, unasked=source == "auto"))
            text = "\n".join([_origin(splits), *notes])
            Banner(f"{name}: real data, {_counts(splits)}", text).show()
            return splits
        except DataError as error:
            if source == "real" or size not in data_set.sizes:  # the sample comes in no other
                raise
            notes.append(f"{error.what} Looked in: {error.where}")
    splits = _few(name, sample(data_set, size, root))
    command = places.command("data_scripts.prepare", name)
    if size != data_set.sizes[0]:
        command += f" --size {size}"
    notes.append("For the real data, and then restart the notebook:")
    text = "\n".join([_origin(splits), *notes])
    Banner(f"{name}: offline sample, {_counts(splits)}", text, code=command, tone="open").show()
    return splits


def _few(name, splits):
    """The splits; in the smoke profile some of their images, so that no cell takes long."""
    most = FEW.get(name) if setting("COURSE_PROFILE").lower() == "smoke" else None
    return {
        split: part if most is None or len(part) <= most else part.draw(most, seed=0)[0]
        for split, part in splits.items()
    }


def find(name):
    """The DataSet called `name`."""
    if name not in DATA_SETS:
        raise ValueError(f"no data set {name!r}; there are {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def _counts(splits):
    shape = "×".join(map(str, next(iter(splits.values())).images.shape[1:]))
    return f"{', '.join(f'{split} {len(part):,}' for split, part in splits.items())} of {shape}"


def _origin(splits):
    return next(iter(splits.values())).origin.rstrip(".") + "."


def _real(data_set, size, root, unasked):
    """Prepared files, from the mirror or the authors where they are not there.

    `unasked` (source="auto") starts no long download, waits for no dead network, and does not
    try again in this process what has failed.
    """
    folder = folder_of(data_set, size, root)
    if not store.is_prepared(folder):
        place = mirror(data_set.name)
        if isinstance(place, Path):  # read where it is
            folder = folder_of(data_set, size, place)
        if not isinstance(place, Path) or not store.is_prepared(folder):
            if others := store.elsewhere(root, data_set.name):
                print(f"{data_set.name}: not {folder.name}, but {', '.join(others)} in {root}.")
            (_bring_unasked if unasked else bring)(data_set, size, root)
    return store.read(folder, data_set.name, size)


_failed = {}  # what could not be had unasked in this process, and why


def _bring_unasked(data_set, size, root):
    place = mirror(data_set.name)
    key = data_set.name, size, root, place
    if key in _failed:
        raise _failed[key].with_traceback(None)  # or it would grow with every call
    try:
        if place is None:
            _check_quick(data_set, size, root)
        bring(data_set, size, root)
    except DataError as error:
        _failed[key] = error
        raise


def _check_quick(data_set, size, root):
    """DataError where a download would be long, or where no address answers."""
    todo = places.command("data_scripts.prepare", data_set.name)
    where = root if root.exists() else f"{root} (there is no such folder)"
    if not data_set.in_auto:
        most = megabytes(sum(file.bytes for file in data_set.files(size)))
        what = f"The real files are not here, and up to {most} are not downloaded unasked."
        raise DataError(what, where, todo, data_set.name)
    urls = [url for file in data_set.files(size)[:1] for url in file.urls]
    if not reachable(urls):
        what = "The real files are not here, and the network does not answer."
        raise DataError(what, where, todo, data_set.name)
