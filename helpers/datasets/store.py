"""Prepared data on disk: one folder per data set and size, plain .npy arrays and a manifest.

    mnist-28/
        manifest.json        checksums, source, licence, citation, counts, what was left out
        train_images.npy     uint8 (N, C, H, W)
        train_labels.npy     int64 (N,)
        train_groups.npy     where patients are known
        train_masks.npy      bool (N, H, W), where lesions were drawn

A folder is written under a temporary name and renamed when it is complete, so what has the
right name is whole.
"""

import hashlib
import json
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from helpers.datasets.download import disk_error
from helpers.datasets.errors import DataError
from helpers.datasets.image_set import ImageSet

FORMAT = 1
MANIFEST = "manifest.json"
SPLITS = ("train", "test", "all")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(folder, name):
    """Hold the lock of a prepared `folder`; wait for another process that holds it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"{name}: another process is preparing it; waiting for that one.", flush=True)
            lock.acquire()
    except OSError as error:
        raise disk_error(error, folder.parent, name) from error
    with lock:
        yield


class GrowingArray:
    """A .npy file that grows row by row, with only the newest rows in memory."""

    def __init__(self, path, row_shape, dtype):
        self.shape, self.dtype = (0, *row_shape), np.dtype(dtype)
        self.file = open(path, "wb")  # noqa: SIM115 - closed by close()
        self._write_header()

    def _write_header(self):
        # numpy leaves room in the header for the first axis to grow in place.
        np.lib.format.write_array_header_1_0(
            self.file,
            {
                "descr": np.lib.format.dtype_to_descr(self.dtype),
                "fortran_order": False,
                "shape": self.shape,
            },
        )

    def append(self, rows):
        if rows.shape[1:] != self.shape[1:]:
            raise ValueError(f"rows must be {self.shape[1:]}, got {rows.shape[1:]}")
        self.file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.shape = (self.shape[0] + len(rows), *self.shape[1:])

    def close(self):
        self.file.seek(0)
        self._write_header()
        self.file.close()


class Writer:
    """Takes the pictures of a data set, chunk by chunk, into the files of one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.scratch = folder / "scratch"  # for archives that must be unpacked; never kept
        self.scratch.mkdir()
        self.arrays, self.labels, self.groups = {}, {}, {}
        self.left_out = []

    def add(self, split, images, labels, groups=None, masks=None):
        """Append pictures (uint8, (n, C, H, W)) and what is known about them to `split`."""
        for part, rows in (("images", images), ("masks", masks)):
            if rows is not None:
                key = f"{split}_{part}"
                if key not in self.arrays:
                    path = self.folder / f"{key}.npy"
                    self.arrays[key] = GrowingArray(path, rows.shape[1:], rows.dtype)
                self.arrays[key].append(rows)
        self.labels.setdefault(split, []).append(np.asarray(labels, np.int64))
        if groups is not None:
            self.groups.setdefault(split, []).append(np.asarray(groups))

    def leave_out(self, count, reason, examples=()):
        """Note in the manifest that `count` pictures were left out, and why."""
        if count:
            self.left_out.append(
                {"count": int(count), "reason": reason, "examples": list(examples)[:10]}
            )

    def abort(self):
        """Let go of the files, unfinished as they are."""
        for array in self.arrays.values():
            array.file.close()

    def finish(self, classes, about):
        """Complete the arrays and write the manifest."""
        shutil.rmtree(self.scratch)
        for array in self.arrays.values():
            array.close()
        counts = {}
        for split in sorted(self.labels, key=SPLITS.index):
            labels = np.concatenate(self.labels[split])
            np.save(self.folder / f"{split}_labels.npy", labels)
            per_class = np.bincount(labels, minlength=len(classes)).tolist()
            counts[split] = dict(zip(classes, per_class, strict=True))
        for split, chunks in self.groups.items():
            np.save(self.folder / f"{split}_groups.npy", np.concatenate(chunks))
        manifest = {
            "format": FORMAT,
            **about,
            "classes": list(classes),
            "counts": counts,
            "left_out": self.left_out,
            "files": {
                path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
                for path in sorted(self.folder.glob("*.npy"))
            },
        }
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        (self.folder / MANIFEST).write_text(text, encoding="utf-8")


@contextmanager
def writing(folder):
    """A Writer whose files appear as `folder` once the block has ended well, and not before.

    The caller holds the lock, so a temporary folder found here is what a killed process left.
    """
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    writer = Writer(part)
    try:
        yield writer
    except BaseException:
        with suppress(OSError):  # a full disk fails once more when files are closed
            writer.abort()
        shutil.rmtree(part, ignore_errors=True)
        raise
    replace_folder(part, folder)


def replace_folder(part, folder):
    """Rename `part` to `folder`, in place of what may be there."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def is_prepared(folder):
    return (folder / MANIFEST).is_file()


def prepared_folders(root):
    """The prepared folders in `root`, by name."""
    return sorted(path.parent for path in Path(root).glob(f"[!.]*/{MANIFEST}"))


def _again(name):
    return f"delete the folder and run: python -m data_scripts.prepare {name}"


@contextmanager
def _damage_named(folder, name):
    """What goes wrong while prepared files are read becomes a DataError."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        what = f"{name}: the prepared files are damaged ({error})."
        raise DataError(what, folder, _again(name), name) from error


def read_manifest(folder, name):
    """The manifest of a prepared folder, once its files were found to have the right sizes."""
    with _damage_named(folder, name):
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}, this course reads {FORMAT}")
        for file, facts in manifest["files"].items():
            if (found := (folder / file).stat().st_size) != facts["bytes"]:
                raise ValueError(f"{file} has {found:,} bytes instead of {facts['bytes']:,}")
    return manifest


def check(folder):
    """The manifest of a prepared folder, once every file was found to have its sha256."""
    name = folder.name.lstrip(".").split("-")[0]
    manifest = read_manifest(folder, name)
    for file, facts in manifest["files"].items():
        if sha256(folder / file) != facts["sha256"]:
            what = f"{name}: {file} is damaged (wrong sha256 sum)."
            raise DataError(what, folder / file, _again(name), name)
    return manifest


def read(folder, name):
    """The prepared splits in `folder`, {split: ImageSet}, pictures memory-mapped."""
    manifest = read_manifest(folder, name)

    def part(split, what, **options):
        file = f"{split}_{what}.npy"
        if file in manifest["files"]:
            return np.load(folder / file, allow_pickle=False, **options)

    with _damage_named(folder, name):
        return {
            split: ImageSet(
                images=part(split, "images", mmap_mode="r"),
                labels=part(split, "labels"),
                classes=tuple(manifest["classes"]),
                groups=part(split, "groups"),
                masks=part(split, "masks", mmap_mode="r"),
                name=name,
                source=manifest["kind"],
                origin=manifest["origin"],
            )
            for split in manifest["counts"]
        }
