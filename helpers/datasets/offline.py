"""The offline samples: made on this machine, kept in memory, and on disk where that saves time."""

import functools
import hashlib
import importlib
import time
from pathlib import Path

from helpers.datasets import store
from helpers.datasets.errors import DataError

ENOUGH = 1.0  # seconds; what takes longer to make is kept on disk


@functools.cache
def sample(data_set, size, root):
    """The sample of `data_set`, {split: ImageSet}; the arrays are read-only, since shared."""
    if size not in data_set.sizes:
        sizes = " or ".join(map(str, data_set.sizes))
        raise ValueError(f"the sample of {data_set.name} comes in size {sizes}, not {size}")
    folder = root / "samples" / f"{data_set.name}-{size}"
    if (kept := _kept(folder, data_set.name)) is not None:
        return kept
    module = importlib.import_module(f"helpers.datasets.samples.{data_set.sample}")
    start = time.perf_counter()
    splits = module.make(size=size)
    if time.perf_counter() - start > ENOUGH:
        _keep(splits, folder, data_set.name)
    for part in splits.values():
        for array in (part.images, part.labels, part.groups, part.masks):
            if array is not None:
                array.setflags(write=False)
    return splits


@functools.cache
def _recipe():
    """A digest of the sources that make the samples: a kept sample of other sources is stale."""
    sources = sorted((Path(__file__).parent / "samples").glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _kept(folder, name):
    try:
        if store.read_manifest(folder, name)["recipe"] == _recipe():
            return store.read(folder, name)
    except (DataError, KeyError):
        return None


def _keep(splits, folder, name):
    """Write the sample to disk, without a lock: whoever is last replaces the same by the same.

    Where it cannot be written, it is made anew next time.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        store.share(folder.parent)
        with store.writing(folder) as out:
            for split, part in splits.items():
                out.add(split, part.images, part.labels, part.groups, part.masks)
            first = next(iter(splits.values()))
            about = {"name": name, "kind": "sample", "origin": first.origin, "recipe": _recipe()}
            out.finish(first.classes, about)
    except OSError as error:
        why = error.strerror or error
        print(f"{name}: the sample is kept in memory only, not in {folder.parent}: {why}.")
