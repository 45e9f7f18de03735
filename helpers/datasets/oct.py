"""Retinal OCT scans through three doors.

1. OCTMNIST at 64 or 128 pixels, from MedMNIST's record: the download.
2. The original archive of Kermany et al. or its folder, with patients in the file names.
3. Any folder or archive of class folders, one of which is called "normal".
"""

import hashlib
import re
import zipfile
import zlib
from pathlib import PurePosixPath

import numpy as np

from helpers.datasets import tree
from helpers.datasets.dataset import DataSet
from helpers.datasets.download import RemoteFile, matches
from helpers.datasets.errors import DataError

CLASSES = ("CNV", "DME", "DRUSEN", "NORMAL")  # OCTMNIST's labels 0 to 3
NORMAL = "NORMAL"
RECORD = "https://zenodo.org/records/10519652/files"
MD5 = {64: "e229e9440236b774d9f0dfef9d07bdaf", 128: "0a97e76651ace45c5d943ee3f65b63ae"}
SCANS = 109_309
TEST = 1 / 3  # of each class, where a folder has no split of its own
PATIENT = re.compile(r"[^-]+-(\d+)-(\d+)$")  # CLASS-PATIENT-NUMBER


def official_files(size):
    """OCTMNIST at `size`; nothing where it does not come in that size."""
    name = f"octmnist_{size}.npz"
    url = f"{RECORD}/{name}?download=1"
    return [RemoteFile(name, (url,), f"md5:{MD5[size]}", SCANS * size**2)] if size in MD5 else []


def read(source, size, out):
    """The scans at `source` into `out`, by the door that fits."""
    found = [source] if source.suffix == ".npz" else []
    if source.is_dir():
        found = sorted(source.glob(f"octmnist*_{size}.npz"))
    return read_octmnist(found[0], size, out) if found else read_tree(source, size, out)


def read_octmnist(source, size, out):
    """OCTMNIST's file; its validation part, cut at random from training, goes back there."""
    seen, copies = set(), 0
    try:
        with zipfile.ZipFile(source) as archive:
            for split, part in (("test", "test"), ("train", "train"), ("train", "val")):
                labels = np.concatenate(list(_rows(archive, f"{part}_labels.npy"))).ravel()
                start = 0
                for images in _rows(archive, f"{part}_images.npy"):
                    if images.dtype != np.uint8 or images.shape[1:] != (size, size):
                        raise ValueError(f"{images.dtype} {images.shape[1:]}, not {size}×{size}")
                    digests = [hashlib.blake2b(x, digest_size=16).digest() for x in images]
                    new = [digest not in seen and not seen.add(digest) for digest in digests]
                    out.add(split, images[new][:, None], labels[start : start + len(images)][new])
                    copies += len(new) - sum(new)
                    start += len(images)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, IndexError) as error:
        raise DataError(
            f"oct: the file is no whole OCTMNIST at {size} pixels ({error}).",
            source,
            f"delete it and run: python -m data_scripts.prepare oct --size {size}",
            "oct",
        ) from error
    out.leave_out(copies, "exact copy of another scan")
    checked = matches(source, f"md5:{MD5[size]}") if size in MD5 else False
    note = "md5 checked" if checked else "not the official md5 sum"
    return CLASSES, f"OCTMNIST (MedMNIST, from Kermany et al. 2018; {note}), patients unknown"


def _rows(archive, member, count=4096):
    """The array `member` of an .npz file, `count` rows at a time; never a pickle."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, by_column, dtype = header(file)
        if dtype.hasobject or by_column:
            raise ValueError(f"{member} holds Python objects or is stored by column")
        row = int(np.prod(shape[1:])) * dtype.itemsize
        for start in range(0, shape[0], count):
            rows = min(count, shape[0] - start)
            data = file.read(rows * row)
            yield np.frombuffer(data, dtype).reshape(rows, *shape[1:])


def read_tree(source, size, out):
    """Class folders: the authors' split where there is one, else contiguous ranges of names.

    Exact copies are removed, those in the training part first. Where names tell the patient, a
    patient with scans in the test part is taken out of the training part.
    """
    with tree.Tree(source, out.scratch, "oct") as files:
        pictures = tree.survey(files, out)
        folders = sorted({picture.class_name for picture in pictures})
        classes = tuple(NORMAL if name.upper() == NORMAL else name for name in folders)
        if NORMAL not in classes or len(classes) < 2:
            raise DataError(
                f"oct: a folder called normal and one more are needed; found: {folders}.",
                files.source,
                "rename the folder with the healthy scans to normal",
                "oct",
            )
        split = _splits(pictures)
        test_first = sorted(
            pictures, key=lambda p: (split[p.file] != "test", _number_aware(p.file))
        )
        kept = tree.without_duplicates(test_first, out)
        patients = {picture.file: patient(picture.file) for picture in kept}
        known = all(number is not None for number in patients.values())
        if known:
            tested = {patients[p.file] for p in kept if split[p.file] == "test"}
            shared = {
                p.file for p in kept if split[p.file] == "train" and patients[p.file] in tested
            }
            reason = "training scan of a patient who is in the test part"
            out.leave_out(len(shared), reason, sorted(shared))
            kept = [p for p in kept if p.file not in shared]
        tree.write(
            files,
            kept,
            folders,
            size,
            out,
            split=lambda picture: split[picture.file],
            group=(lambda picture: patients[picture.file]) if known else None,
        )
    how = "patients known from the file names" if known else "patients unknown"
    own = "the authors' split" if pictures[0].split else "split by contiguous ranges"
    return classes, f"OCT scans from {files.source.name}, {own}, {how}"


def _splits(pictures):
    """The split of each picture by its file: "train" or "test"."""
    if all(picture.split for picture in pictures):
        return {p.file: "test" if p.split == "test" else "train" for p in pictures}
    splits = {}
    for class_name in {picture.class_name for picture in pictures}:
        files = [p.file for p in pictures if p.class_name == class_name]
        files.sort(key=_number_aware)
        cut = round(len(files) * (1 - TEST))
        splits |= {file: "train" if i < cut else "test" for i, file in enumerate(files)}
    return splits


def _number_aware(file):
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file)]


def patient(file):
    """The patient's number in a name such as CNV-1016042-12.jpeg, or None."""
    match = PATIENT.match(PurePosixPath(file).stem)
    return int(match[1]) if match else None


OCT = DataSet(
    name="oct",
    sizes=(64, 128),
    any_size=True,
    licence="CC BY 4.0 (OCTMNIST and the original); a folder of one's own: as its owner says",
    citation="D. S. Kermany et al.: Identifying medical diagnoses and treatable diseases by "
    "image-based deep learning. Cell 172, 2018, doi 10.1016/j.cell.2018.02.010; "
    "J. Yang et al.: MedMNIST v2. Scientific Data 10, 2023, doi 10.1038/s41597-022-01721-8.",
    files=official_files,
    read=read,
    sample="oct",
)
