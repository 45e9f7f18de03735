"""Archives and trees at random from a seed: each is a usable set, or one message of four lines.

`FUZZ_CASES=5000 FUZZ_SEED=1 pytest -s tests/datasets/test_fuzz.py` looks further than `make test`.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import shutil
import tarfile
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from helpers.datasets import DataError, find, load, store, usable
from helpers.datasets.prepare import prepare

CASES = int(os.environ.get("FUZZ_CASES", 250))
SEED = int(os.environ.get("FUZZ_SEED", 0))
SPLITS = ("", "", "", "train/", "test/", "val/", "Train/", "valid/", "Testing/")
NORMALS = ("NORMAL", "Normal", "normal", "normal ", "NORMA\u0301L", "healthy")
SICK = ("CNV", "cnv", "Dru\u0308sen", "Dr\u00fcsen", "DME", "正常", "a b", "CON", "nul.x")
NAMES = (
    "{c}-{p}-{i}", "{c}-{p}-{i} - Copy", "{i}", "{i}", "scan {i} (1)", "-{i}", ".{i}", "{i}é",
    "{p}-{i}",
)  # fmt: skip
PLACES = ("", "", "", "./", "data/", "OCT2017 /", "data\\", "a/b/c/", "__MACOSX/", "../", "C:/")
JUNK = (
    "README.txt",
    ".DS_Store",
    "Thumbs.db",
    "list.csv",
    "CNV/notes.md",
    "normal/1.xyz",
    "empty.zip",
)


def picture(rng):
    """The bytes of a picture of some kind, size and mode, and its suffix."""
    mode = rng.choice(["L", "L", "L", "RGB", "RGBA", "P", "1", "CMYK", "I;16", "F", "LA"])
    kinds = ["png", "tiff"] if mode in ("RGBA", "P", "1", "LA", "I;16") else ["jpeg", "tiff"]
    kind = "tiff" if mode == "F" else str(rng.choice(kinds))
    height, width = (int(n) for n in rng.integers(1, 40, 2))
    pixels = rng.integers(0, 256, (height, width), dtype=np.uint8)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels.astype(np.uint16) << 8)
    elif mode != "L":
        image = image.convert(str(mode))
    file = io.BytesIO()
    image.save(file, kind)
    suffix = {"jpeg": (".jpeg", ".JPG", ".jpg"), "png": (".png",), "tiff": (".tif", ".TIFF")}[kind]
    return file.getvalue(), str(rng.choice(suffix))


def damaged(rng, data):
    """The bytes cut, changed, emptied or replaced."""
    kind, place = rng.integers(5), int(rng.integers(len(data) + 1))
    noise = rng.bytes(int(rng.integers(1, 9)))
    return [
        data[:place],
        data[:place] + noise + data[place + len(noise) :],
        b"",
        bytes(len(data)),
        b"version https://git-lfs.github.com/spec/v1\n" + noise,
    ][kind]


def a_tree(rng):
    """{path: bytes} of class folders, more or less in order."""
    files, good = {}, rng.random() < 0.5  # half of them are nearly in order
    place = "" if good else str(rng.choice(PLACES))
    splits = [["train/", "test/"], ["train/", "val/"], [""]][rng.integers(3)]
    if not good:
        splits = {str(s) for s in rng.choice(SPLITS, rng.integers(1, 4))}
    patients = rng.random() < 0.15
    bad = rng.choice([0, 0, 0, 0.003, 0.3])
    for split in splits:
        sick = [str(c) for c in rng.choice(SICK, rng.integers(1, 3))] if not good else ["CNV"]
        for c in [str(rng.choice(NORMALS[: 3 if good else None])), *sick]:
            name = "{c}-{p}-{i}" if rng.random() < 0.4 else "{i}"
            for i in range(int(rng.integers(3 if good else 0, 12))):
                if not good and rng.random() < 0.2:
                    name = str(rng.choice(NAMES))
                data, suffix = picture(rng)
                if rng.random() < bad:
                    data = damaged(rng, data)
                own = name.format(c=c, i=i, p=i // 3 + 10 * len(files))
                folder = f"{c}/p{i // 2}" if patients else c
                files[f"{place}{split}{folder}/{own}{suffix}"] = data
    for file in rng.choice(JUNK, rng.integers(0, 3)) if rng.random() < 0.3 else ():
        files[place + str(file)] = rng.bytes(int(rng.integers(0, 30)))
    return files


def as_folder(rng, files, top):
    """The files on the disk, some as links, and what comes with a disk."""
    store_ = top.with_name("linked")
    for path, data in files.items():
        inside = path.replace("../", "up/").replace("C:/", "C_/").replace("\\", "/")
        place = top / inside
        if rng.random() < 0.05:
            real = store_ / str(len(list(store_.rglob("*"))))
            real.parent.mkdir(exist_ok=True)
            real.write_bytes(data)
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.is_symlink() and not place.exists():
                place.symlink_to(real if rng.random() < 0.9 else "nowhere")
            continue
        with contextlib.suppress(OSError):  # a folder and a file of one name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    top.mkdir(exist_ok=True)
    folders = [path for path in top.rglob("*") if path.is_dir()]
    if folders and rng.random() < 0.3:
        folder = folders[rng.integers(len(folders))]
        if rng.random() < 0.5:
            (folder / "loop").symlink_to(top)
        else:
            shutil.move(folder, store_.with_name("class"))
            folder.symlink_to(store_.with_name("class"))
    return top


def as_archive(rng, files, top):
    """A file with them in it: a tar, a zip, packed, nested, under any name, some damaged."""
    buffer = io.BytesIO()
    if rng.random() < 0.5:
        kind = int(rng.choice([0, 8, 8, 8, 12, 14]))
        with zipfile.ZipFile(buffer, "w", kind) as archive:
            for path, data in files.items():
                archive.writestr(path.replace("/", "\\") if kind == 0 else path, data)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path, data in files.items():
                member = tarfile.TarInfo(path)
                member.size = len(data)
                if rng.random() < 0.002:
                    member.type, member.linkname = tarfile.SYMTYPE, "elsewhere"
                tar.addfile(member, io.BytesIO(data))
    data = buffer.getvalue()
    if rng.random() < 0.3:
        data = bytes(damaged(rng, data))
    pack = [bytes, gzip.compress, bz2.compress, lzma.compress][rng.integers(4)]
    data = pack(data)
    if rng.random() < 0.2:
        data = damaged(rng, data)
    if rng.random() < 0.1:
        data = an_npz(rng)
    names = ["x.tar.gz", "x.tar.gz?dl=1", "x.zip", "x.tgz.1", "x.npz", "x", "x (1).tar", "ä.tar.xz"]
    name = str(rng.choice(names))
    top.mkdir()
    if rng.random() < 0.15:
        with zipfile.ZipFile(top / "outer.zip", "w") as archive:
            archive.writestr(name, data)
        return top / "outer.zip"
    (top / name).write_bytes(data)
    return top / name if rng.random() < 0.8 else top


def an_npz(rng):
    """The bytes of a file such as OCTMNIST's, more or less."""
    buffer, arrays = io.BytesIO(), {}
    for part in ("train", "val", "test")[: 3 if rng.random() < 0.8 else 2]:
        n, size = int(rng.integers(1, 30)), int(rng.choice([16, 16, 16, 28]))
        arrays[f"{part}_images"] = rng.integers(0, 256, (n, size, size), dtype=np.uint8)
        labels = np.arange(n)[:, None] % (4 if rng.random() < 0.9 else 9)
        arrays[f"{part}_labels"] = labels if rng.random() < 0.9 else labels[1:]
    np.savez(buffer, **arrays)
    return damaged(rng, buffer.getvalue()) if rng.random() < 0.4 else buffer.getvalue()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged headers
def test_a_usable_set_or_one_message(tmp_path, capsys):
    outcomes, reasons, raw = Counter(), Counter(), []
    for case in range(CASES):
        rng = np.random.default_rng([SEED, case])
        here = tmp_path / str(case)
        here.mkdir()
        given = (as_folder if rng.random() < 0.4 else as_archive)(rng, a_tree(rng), here / "given")
        root = here / "data"
        try:
            folder = prepare(find("oct"), 16, root, given)
            store.check(folder)
            sets = load("oct", source="real", root=root, size=16)
            usable.check_scans(sets, "NORMAL", given)
            outcomes["prepared"] += 1
        except DataError as error:
            lines = str(error).splitlines()
            if len(lines) != 4 or not lines[1].startswith("  Where: ") or "delete" in lines[2]:
                raw.append((case, str(error)))
            outcomes["refused"] += 1
            reasons[lines[0].split(":")[1][:60]] += 1
        except Exception as error:
            raw.append((case, repr(error)))
        over = {path.name for path in root.glob("*")} | {path.name for path in root.glob(".*")}
        if over - {"oct-16", ".oct-16.lock"} or list(root.rglob("scratch")):
            outcomes["left-overs"] += 1
        shutil.rmtree(here)
    with capsys.disabled():
        print(
            f"\nfuzz: cases {CASES}, refused {outcomes['refused']}, prepared "
            f"{outcomes['prepared']}, left-overs {outcomes['left-overs']}, raw {len(raw)}"
        )
    assert not raw, raw[:10]
    assert not outcomes["left-overs"]
    assert min(outcomes["refused"], outcomes["prepared"]) > CASES / 10, reasons
