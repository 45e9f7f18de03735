"""From official archives, or a mirror, to prepared files."""

import errno
import os
import re
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

from helpers.datasets import store
from helpers.datasets.download import (
    Failed,
    RemoteFile,
    ask,
    disk_error,
    download,
    free_bytes,
    in_words,
    megabytes,
    network_todo,
)
from helpers.datasets.errors import DataError
from helpers.places import course_mirror


def folder_of(data_set, size, root):
    """The folder of one prepared data set."""
    return Path(root) / f"{data_set.name}-{size}"


def mirror(name):
    """The classroom mirror that COURSE_MIRROR names: an address, a folder, or None."""
    try:
        return course_mirror()
    except ValueError as error:
        todo = (
            "plug in and mount the stick, write http:// before an address, or unset COURSE_MIRROR"
        )
        raise DataError(f"{name}: {error}.", "the settings", todo, name) from error


def bring(data_set, size, root):
    """Prepared files from the classroom mirror, else from the official address."""
    place = mirror(data_set.name)
    if place is None:
        return prepare(data_set, size, root)
    return copy_prepared(data_set, size, root, place)


@contextmanager
def _preparing(data_set, size, root):
    """The lock of one prepared folder, errors in words. Yields the folder, and one for downloads.

    The latter is found again where a download was cut; without a lock it is this process's own.
    """
    folder, name = folder_of(data_set, size, root), data_set.name
    downloads = folder.with_name("downloads") / folder.name
    with store.locked(folder, name) as held, store.disk_named(folder.parent, name):
        if not held:
            downloads = store.own(downloads, ".part")
        try:
            yield folder, downloads
        except MemoryError as error:
            what, todo = (
                f"{name}: there is too little memory.",
                "close other notebooks and programs",
            )
            raise DataError(what, folder, todo, name) from error
        except ValueError as error:  # of a library that a file surprises
            what, todo = f"{name}: {error}.", "see that this is the right file, or get it again"
            raise DataError(what, folder, todo, name) from error
        finally:
            if not held:
                shutil.rmtree(downloads, ignore_errors=True)


def prepare(data_set, size, root, archive=None):
    """Prepare `data_set` under `root`, from the local `archive` or by download.

    Does nothing when it is there already and no archive is given. Returns the folder.
    """
    folder = folder_of(data_set, size, root)
    if archive is None and store.is_prepared(folder):  # perhaps where nothing can be written
        return folder
    with _preparing(data_set, size, root) as (folder, downloads):
        if archive is None and store.is_prepared(folder):  # by the process that had the lock
            return folder
        source = Path(archive) if archive else _official(data_set, size, downloads)
        start = time.perf_counter()
        with store.writing(folder) as out:
            classes, origin = data_set.read(source, size, out)
            about = {
                "name": data_set.name,
                "size": size,
                "kind": "real",
                "origin": origin,
                "source": [url for file in data_set.files(size) for url in file.urls],
                "licence": data_set.licence,
                "citation": data_set.citation,
                "seconds": round(time.perf_counter() - start, 1),
            }
            out.finish(classes, about)
        shutil.rmtree(downloads, ignore_errors=True)
    return folder


def _official(data_set, size, downloads):
    """The official files in the folder `downloads`."""
    files, name = data_set.files(size), data_set.name
    if not files:
        sizes = " or ".join(map(str, data_set.sizes))
        what = f"{name}: there is no download at {size} pixels, only at {sizes}."
        todo = f"give the original pictures: python -m data_scripts.prepare {name} --archive PATH"
        raise DataError(what, downloads, todo, name)
    todo = (
        "try again later (it goes on where it stopped), or get the file in another way and run: "
        f"python -m data_scripts.prepare {name} --archive PATH"
    )
    return _download(files, downloads, name, todo)


def _download(files, folder, name, todo):
    total = sum(file.bytes for file in files)
    print(f"{name}: {len(files)} file(s), up to {megabytes(total)}, to {folder}", flush=True)
    free = free_bytes(folder)
    if free is not None and free < 2 * total:  # the download, and what is made of it
        raise disk_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), folder, name)
    for file in files:
        download(file, folder, name, todo)
    return folder


def copy_prepared(data_set, size, root, place):
    """Copy one prepared folder from the classroom mirror, a folder or an address. -> the folder

    What is there already is replaced where the mirror has another version of it; where the mirror
    does not answer, it stays.
    """
    name, folder = data_set.name, folder_of(data_set, size, root)
    there = store.is_prepared(folder)
    try:
        manifest = _mirrored(folder.name, name, size, place)
        if there and store.read_manifest(folder, name)["files"] == manifest["files"]:
            return folder
    except DataError as error:
        if not there:
            raise
        print(f"{error.what} What is in {folder} stays as it is.", flush=True)
        return folder
    with _preparing(data_set, size, root) as (folder, downloads):
        if isinstance(place, Path):
            store.copy_folder(place / folder.name, folder, name)
            return folder
        url = f"{place}/{folder.name}"
        files = [
            RemoteFile(file, (f"{url}/{file}",), f"sha256:{facts['sha256']}", facts["bytes"])
            for file, facts in manifest["files"].items()
        ]
        part = _download(files, downloads, name, MIRROR_TODO)
        for path in set(part.iterdir()) - {part / file.name for file in files}:
            path.unlink()  # of an older version
        store.write_manifest(part, manifest)
        store.replace_folder(part, folder)
    return folder


MIRROR_TODO = "check COURSE_MIRROR and that the mirror is being served, or unset it"


def _mirrored(folder_name, name, size, place):
    """The manifest of a prepared folder in the mirror."""
    if isinstance(place, Path):
        folder = place / folder_name
        if store.is_prepared(folder):
            return store.read_manifest(folder, name, size)
        found = ", ".join(path.name for path in store.prepared_folders(place)) or "no prepared data"
        what = f"{name}: the classroom mirror does not hold {folder_name}; it holds {found}."
        raise DataError(what, place, "ask for it, or unset COURSE_MIRROR", name)
    import requests

    url = f"{place}/{folder_name}"
    try:
        answer = ask(f"{url}/{store.MANIFEST}")
        answer.raise_for_status()
        manifest = answer.json()
        for facts in manifest["files"].values():
            facts["sha256"], facts["bytes"]
        other = (manifest["name"], manifest["size"]) != (name, size)
    except (
        Failed,
        requests.RequestException,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        why = in_words(error, url)
        what = f"{name}: the classroom mirror does not give it ({why})."
        raise DataError(what, url, network_todo(why, url, MIRROR_TODO), name) from error
    if other:
        what = f"{name}: the mirror has {manifest['name']} at {manifest['size']} px in this folder."
        raise DataError(what, url, "tell whoever made the mirror, or unset COURSE_MIRROR", name)
    if not all(re.fullmatch(r"\w+\.npy", file) for file in manifest["files"]):
        raise DataError(f"{name}: the mirror's manifest names odd files.", url, MIRROR_TODO, name)
    return manifest
