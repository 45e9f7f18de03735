"""Prepared data on disk: one folder per data set and size, plain .npy arrays and a manifest.

    mnist-28/
        manifest.json        checksums, source, licence, citation, counts, what was left out
        train_images.npy     uint8 (N, C, H, W)
        train_labels.npy     int64 (N,)
        train_groups.npy     int64 (N,), where patients are known
        train_masks.npy      bool (N, H, W), where lesions were drawn

A folder is written under a temporary name and renamed when it is complete, so what has the
right name is whole.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import stat
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
from filelock import FileLock, SoftFileLock, Timeout

from helpers.datasets.download import disk_error
from helpers.datasets.errors import DataError, legible
from helpers.datasets.image_set import ImageSet

FORMAT = 1
MANIFEST = "manifest.json"
SPLITS = ("train", "test", "all")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_named(folder, name):
    """What the operating system refuses in the block becomes a DataError."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, folder, name) from error


# --- other processes -----------------------------------------------------------------------------

POLL = 1.0  # seconds between two looks at a lock that another process holds
LONGEST = 3600  # seconds to wait for it
SILENT = 10  # seconds after which a disk that does not answer is taken to know no locks
ABANDONED = 86_400  # seconds after which the temporary folder of another machine is left over


def _host():
    return re.sub(r"\W+", "-", platform.node()) or "here"


def own(folder, suffix):
    """A name beside `folder` that no other process uses: .mnist-28.HOST-PID.part"""
    return folder.with_name(f".{folder.name}.{_host()}-{os.getpid()}{suffix}")


def _is_gone(host, pid):
    """Whether that process has ended, where this machine can tell."""
    return host == _host() and not psutil.pid_exists(int(pid))


@contextmanager
def locked(folder, name):
    """Hold the lock of a prepared `folder`; wait for another process that holds it.

    Yields True, or False where there is no lock to be had: on a network disk without locks. What
    is written has names of its own process, so without a lock two only do the same work twice.
    """
    with disk_named(folder.parent, name):
        folder.parent.mkdir(parents=True, exist_ok=True)
        held = _knows_locks(folder)
        rights = folder.parent.stat().st_mode
        lock = FileLock(folder.with_name(f".{folder.name}.lock"), mode=rights & 0o666 | 0o600)
        holder = folder.with_name(f".{folder.name}.holder.lock")
        try:
            held = held and _acquire(lock, holder, name)
        except PermissionError:  # the lock is another user's
            held = False
    if not held:
        print(f"{name}: no file lock can be had in {folder.parent}; going on without.", flush=True)
        yield False
        return
    try:
        with suppress(OSError):  # it only tells those who wait whom they wait for
            holder.write_text(f"{_host()} {os.getpid()}", encoding="utf-8")
        yield True
    finally:
        with suppress(OSError):
            holder.unlink()
        with suppress(OSError):  # a network disk may fail here, after the work
            lock.release()


def _knows_locks(folder):
    """Whether the disk of `folder` knows file locks, tried on a file that is nobody else's.

    filelock up to 3.18 takes a disk that knows none for a lock held by another, for ever. In a
    thread, since a network disk whose lock service is down does not answer at all.
    """
    probe, known = own(folder, ".lock"), []

    def try_it():
        with suppress(OSError, NotImplementedError, Timeout), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # newer ones warn, and make another kind of lock
            lock = FileLock(probe)
            lock.acquire(timeout=0)
            known.append(not isinstance(lock, SoftFileLock))
            lock.release()

    probe.touch()  # what the disk has against files is another matter, and raised
    thread = threading.Thread(target=try_it, daemon=True)
    thread.start()
    thread.join(SILENT)
    with suppress(OSError):
        probe.unlink()
    return known == [True]


def _acquire(lock, holder, name):
    """True once the lock is held; False where its holder is gone and a network disk keeps it."""
    gone, said, end = 0, False, time.monotonic() + LONGEST
    while gone < 3:  # a process may hold it already and not have written its name yet
        try:
            lock.acquire(timeout=POLL if said else 0)
            return True
        except Timeout:
            host, pid = _read_holder(holder)
        who = f"process {pid} on {host}" if pid else "it is not known which"
        if not said:
            print(
                f"{name}: another process is preparing it ({who}); waiting for that one.",
                flush=True,
            )
            said = True
        gone = gone + 1 if pid and _is_gone(host, pid) else 0
        if time.monotonic() > end:
            what = f"{name}: another process ({who}) has been preparing it for an hour."
            todo = "wait for it or end it, or set COURSE_DATA to a folder of your own"
            raise DataError(what, lock.lock_file, todo, name)
    return False


def _read_holder(holder):
    try:
        host, pid = holder.read_text(encoding="utf-8").split()
        return host, int(pid)
    except (OSError, ValueError):
        return "", 0


# --- writing -------------------------------------------------------------------------------------


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
            groups = np.asarray(groups)
            if not np.can_cast(groups.dtype, np.int64):  # in float64, patients would merge
                raise ValueError(
                    f"{split} groups must be whole numbers that fit int64, got {groups.dtype}; "
                    "number the patients from 0"
                )
            self.groups.setdefault(split, []).append(groups.astype(np.int64))

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
        write_manifest(self.folder, manifest)


def write_manifest(folder, manifest):
    """Write the manifest; of file names that are no text, what can be written."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(legible(text), encoding="utf-8")


@contextmanager
def writing(folder):
    """A Writer whose files appear as `folder` once the block has ended well, and not before."""
    _sweep(folder)
    part = own(folder, ".part")
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


def _sweep(folder):
    """Remove what processes left that were killed while they wrote `folder`."""
    for path in folder.parent.glob(f".{folder.name}.*"):
        if path.suffix in (".part", ".old") and path.is_dir():
            writer = re.fullmatch(r"\.(.+)-(\d+)", path.stem.removeprefix(f".{folder.name}"))
            mine = path.stem == own(folder, "").name
            if mine or not writer or _is_gone(*writer.groups()) or _age(path) > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)


def _age(path):
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # somebody else has removed it
        return 0


def replace_folder(part, folder):
    """Rename `part` to `folder`, in place of what may be there."""
    old = own(folder, ".old")
    shutil.rmtree(old, ignore_errors=True)
    for last in (False, False, True):  # without a lock another process may do the same just now
        with suppress(FileNotFoundError):
            folder.rename(old)
        try:
            part.rename(folder)
            break
        except OSError:
            if not folder.exists() and old.exists():
                old.rename(folder)
                raise
            if last:
                raise
            shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    for path in (folder, *folder.glob("*")):
        share(path)


def share(path):
    """Let those read `path` who may read the folder it is in: a strict umask shuts them out."""
    if os.name == "posix":
        with suppress(OSError):  # a disk without such rights
            rights = path.parent.stat().st_mode
            path.chmod(path.stat().st_mode | rights & (0o555 if path.is_dir() else 0o444))


def copy_folder(source, folder, name):
    """Copy the prepared folder `source` to `folder`, checked, in place of what may be there."""
    _sweep(folder)
    part = own(folder, ".part")
    try:
        part.mkdir(parents=True)
        manifest = read_manifest(source, "")
        for file in (*manifest["files"], MANIFEST):
            shutil.copyfile(source / file, part / file)  # no rights: a stick may know none
        try:
            check(part)
        except DataError:
            check(source)
            what = f"{name}: the copy differs from the original; the disk it is on is failing."
            raise DataError(what, folder.parent, "copy to another disk or stick", "") from None
        replace_folder(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_prepared(folder):
    """Whether there is a prepared folder; DataError where the disk does not let that be seen."""
    with disk_named(folder, name_of(folder)):
        try:
            return stat.S_ISREG((folder / MANIFEST).stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False


def is_same(folder, other):
    """Whether two folders are whole and hold the same prepared files."""
    try:
        return read_manifest(folder, "")["files"] == read_manifest(other, "")["files"]
    except DataError:
        return False


def name_of(folder):
    return folder.name.lstrip(".").split("-")[0]


# --- reading -------------------------------------------------------------------------------------


def prepared_folders(root):
    """The prepared folders in `root`, by name."""
    return sorted(path.parent for path in Path(root).glob(f"[!.]*/{MANIFEST}"))


def elsewhere(root, name):
    """Names of the folders in `root` that hold the data set, in any size and under any name."""
    found = []
    for folder in prepared_folders(root):
        with suppress(OSError, ValueError, LookupError, TypeError):
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            if manifest["name"] == name:
                found.append(f"{folder.name} ({manifest['size']} px)")
    return found


def _again(name):
    return f"move the folder away, then prepare it as before: python -m data_scripts.prepare {name}"


@contextmanager
def _damage_named(folder, name):
    """What goes wrong while prepared files are read becomes a DataError, with its true cause."""
    try:
        yield
    except MemoryError as error:
        what = f"{name}: the prepared files do not fit into the memory that is free."
        raise DataError(what, folder, "close other notebooks and programs", name) from error
    except OSError as error:
        if not isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
            raise disk_error(error, folder, name) from error  # the disk's fault, not the files'
        what = f"{name}: the prepared files are incomplete ({error.strerror}: {error.filename})."
        raise DataError(what, folder, _again(name), name) from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        what = f"{name}: the prepared files are damaged ({error})."
        raise DataError(what, folder, _again(name), name) from error


def read_manifest(folder, name, size=None):
    """The manifest of a prepared folder, once its files were found to have the right sizes.

    DataError where they are of another data set than `name`, or not of `size`; "" and None for any.
    """
    with _damage_named(folder, name or name_of(folder)):
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}, this course reads {FORMAT}")
        for file, facts in manifest["files"].items():
            if (found := (folder / file).stat().st_size) != facts["bytes"]:
                raise ValueError(f"{file} has {found:,} bytes instead of {facts['bytes']:,}")
        real_name, real_size = manifest.get("name", name), manifest.get("size", size)
    if name not in ("", real_name) or size not in (None, real_size):
        right = f"{real_name}-{real_size}"
        raise DataError(
            f"{name}: this folder holds {real_name} at {real_size} pixels, under another name.",
            folder,
            f"rename it to {right}, and prepare: python -m data_scripts.prepare {name}",
            name,
        )
    return manifest


def check(folder):
    """The manifest of a prepared folder, once every file was found to have its sha256."""
    manifest = read_manifest(folder, "")
    name = manifest.get("name", name_of(folder))
    for file, facts in manifest["files"].items():
        with _damage_named(folder, name):
            good = sha256(folder / file) == facts["sha256"]
        if not good:
            what = f"{name}: {file} is damaged (wrong sha256 sum)."
            raise DataError(what, folder / file, _again(name), name)
    return manifest


def read(folder, name, size=None):
    """The prepared splits in `folder`, {split: ImageSet}, pictures memory-mapped.

    size : side length that the pictures must have; any by default
    """
    manifest = read_manifest(folder, name, size)
    with _damage_named(folder, name):
        splits = {
            split: ImageSet(
                images=_array(folder, manifest, f"{split}_images.npy", mapped=True),
                labels=_array(folder, manifest, f"{split}_labels.npy"),
                classes=tuple(manifest["classes"]),
                groups=_array(folder, manifest, f"{split}_groups.npy"),
                masks=_array(folder, manifest, f"{split}_masks.npy", mapped=True),
                name=name,
                source=manifest["kind"],
                origin=manifest["origin"],
            )
            for split in manifest["counts"]
        }
        for split, part in splits.items():
            if size and part.images.shape[2:] != (size, size):
                raise ValueError(
                    f"{split} pictures are {part.images.shape[1:]}, not of {size} pixels"
                )
    return splits


def _array(folder, manifest, file, mapped=False):
    """An array of a prepared folder, or None where it has none of that name."""
    if file not in manifest["files"]:
        return None
    if not mapped:
        return np.load(folder / file, allow_pickle=False)
    try:
        return np.load(folder / file, mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError:  # a disk that cannot map files; what else it may have, reading tells
        array = np.load(folder / file, allow_pickle=False)
        print(f"{folder.name}: {file} is read into memory; its disk cannot map files.", flush=True)
        array.setflags(write=False)  # as it is when mapped
        return array
