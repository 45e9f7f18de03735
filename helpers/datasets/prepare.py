"""From official archives, or a mirror, to prepared files."""

import errno
import json
import os
import re
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from helpers.datasets import store
from helpers.datasets.download import (
    TIMEOUT,
    RemoteFile,
    disk_error,
    download,
    free_bytes,
    in_words,
    megabytes,
)
from helpers.datasets.errors import DataError


def folder_of(data_set, size, root):
    """The folder of one prepared data set."""
    return Path(root) / f"{data_set.name}-{size}"


def mirror():
    """The classroom mirror that COURSE_MIRROR names: an address, a folder, or None."""
    where = os.environ.get("COURSE_MIRROR")
    if where and urlsplit(where).scheme in ("http", "https"):
        return where.rstrip("/")
    return Path(where).expanduser() if where else None


def bring(data_set, size, root):
    """Prepared files from the classroom mirror, else from the official address."""
    if isinstance(mirror(), str):
        return copy_prepared(data_set, size, root, mirror())
    return prepare(data_set, size, root)


@contextmanager
def _preparing(data_set, size, root):
    """The lock of one prepared folder, and disk errors in words."""
    folder = folder_of(data_set, size, root)
    with store.locked(folder, data_set.name):
        try:
            yield folder
        except OSError as error:
            raise disk_error(error, folder.parent, data_set.name) from error


def prepare(data_set, size, root, archive=None):
    """Prepare `data_set` under `root`, from the local `archive` or by download.

    Does nothing when it is there already and no archive is given. Returns the folder.
    """
    with _preparing(data_set, size, root) as folder:
        if archive is None and store.is_prepared(folder):
            return folder
        downloads = folder.with_name("downloads") / folder.name
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
    if free_bytes(folder) < 2 * total:  # the download, and what is made of it
        raise disk_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), folder, name)
    for file in files:
        download(file, folder, name, todo)
    return folder


def copy_prepared(data_set, size, root, address):
    """Copy one prepared folder from the classroom mirror at `address`. Returns the folder."""
    import requests

    name = data_set.name
    with _preparing(data_set, size, root) as folder:
        if store.is_prepared(folder):
            return folder
        url = f"{address}/{folder.name}"
        todo = "check COURSE_MIRROR and that the mirror is being served, or unset it"
        try:
            answer = requests.get(f"{url}/{store.MANIFEST}", timeout=TIMEOUT)
            answer.raise_for_status()
            manifest = answer.json()
            files = [
                RemoteFile(file, (f"{url}/{file}",), f"sha256:{facts['sha256']}", facts["bytes"])
                for file, facts in manifest["files"].items()
            ]
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            what = f"{name}: the classroom mirror does not give it ({in_words(error)})."
            raise DataError(what, url, todo, name) from error
        if not all(re.fullmatch(r"\w+\.npy", file.name) for file in files):
            raise DataError(f"{name}: the mirror's manifest names odd files.", url, todo, name)
        part = _download(files, folder.with_name("downloads") / folder.name, name, todo)
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        (part / store.MANIFEST).write_text(text, encoding="utf-8")
        store.replace_folder(part, folder)
    return folder
