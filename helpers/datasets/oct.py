"""Retinal OCT scans through three doors.

1. OCTMNIST at 64 or 128 pixels, from MedMNIST's record: the download.
2. The original archive of Kermany et al. or its folder, with patients in the file names.
3. Any folder or archive of class folders, one of which is called "normal".
"""

import hashlib
import re
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from helpers.datasets import tree, usable
from helpers.datasets.dataset import DataSet
from helpers.datasets.download import RemoteFile, matches
from helpers.datasets.errors import DataError

CLASSES = ("CNV", "DME", "DRUSEN", "NORMAL")  # OCTMNIST's labels 0 to 3
NORMAL = "NORMAL"
RECORD = "https://zenodo.org/records/10519652/files"
MD5 = {64: "e229e9440236b774d9f0dfef9d07bdaf", 128: "0a97e76651ace45c5d943ee3f65b63ae"}
SCANS = 109_309
LONGEST = 2**62  # patients' numbers are int64; those of other patients follow the largest
TEST = 1 / 3  # of each class, where a folder has no split of its own
PATIENT = re.compile(  # CLASS-PATIENT-NUMBER, and what copies add; a class has a letter
    r"(?![^-]*(?<![^\W_])\d{4}-\d\d-\d\d(?!\d))"  # but no date: 2023-01-15, scan_2023-01-15
    r"[^-]*[^\W\d_][^-]*-(\d+)-\d+([ (_~].*)?$"
)


def official_files(size):
    """OCTMNIST at `size`; nothing where it does not come in that size."""
    name = f"octmnist_{size}.npz"
    url = f"{RECORD}/{name}?download=1"
    return [RemoteFile(name, (url,), f"md5:{MD5[size]}", SCANS * size**2)] if size in MD5 else []


def read(source, size, out):
    """The scans at `source` into `out`, by the door that fits."""
    found, lost = [source] if _is_octmnist(source) else [], ""
    files = sorted(source.glob("octmnist*.npz*")) or sorted(source.glob("*.npz*"))
    if files:  # in a folder
        right = [file for file in files if re.search(rf"_{size}\b", file.name)]
        found = right or files[:1]
    if found:
        classes, origin = read_octmnist(found[0], size, out)
    else:
        classes, origin, lost = read_tree(source, size, out)
    parts = usable.parts_of(out, classes)
    usable.check_scans(parts, NORMAL, f"{_text(str(source))} ({origin})", lost)
    return classes, ". ".join([origin, *usable.few_scans(parts, NORMAL)])


def _is_octmnist(source):
    """Whether it is a file of MedMNIST's, whatever it is called: octmnist_64.npz?download=1."""
    if source.is_file() and zipfile.is_zipfile(source):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(source) as archive:
            return "train_images.npy" in archive.namelist()
    return source.is_file() and ".npz" in source.name  # or what is left of it


def read_octmnist(source, size, out):
    """OCTMNIST's file; its validation part, cut at random from training, goes back there."""
    seen, copies, found = set(), 0, set()
    try:
        with zipfile.ZipFile(source) as archive:
            for split, part in (("test", "test"), ("train", "train"), ("train", "val")):
                labels = np.concatenate(list(_rows(archive, f"{part}_labels.npy"))).ravel()
                found |= set(labels.tolist())
                start = 0
                for images in _rows(archive, f"{part}_images.npy"):
                    if images.dtype != np.uint8 or images.shape[1:] != (size, size):
                        _other_shape(source, images, size)
                    digests = [hashlib.blake2b(x, digest_size=16).digest() for x in images]
                    new = [digest not in seen and not seen.add(digest) for digest in digests]
                    out.add(split, images[new][:, None], labels[start : start + len(images)][new])
                    copies += len(new) - sum(new)
                    start += len(images)
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise whatever they like
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's
        raise DataError(
            f"oct: the file is no whole OCTMNIST at {size} pixels ({error}).",
            source,
            f"get it again; the download is: python -m data_scripts.prepare oct --size {size}",
            "oct",
        ) from error
    if found != set(range(len(CLASSES))):
        raise DataError(
            f"oct: this is another set than OCTMNIST, whose classes are 0 to 3; found: "
            f"{', '.join(map(str, sorted(found)[:10]))}.",
            source,
            f"give octmnist_{size}.npz",
            "oct",
        )
    out.leave_out(copies, "exact copy of another scan")
    checked = matches(source, f"md5:{MD5[size]}") if size in MD5 else False
    note = "md5 checked" if checked else "not the official md5 sum"
    return CLASSES, f"OCTMNIST (MedMNIST, from Kermany et al. 2018; {note}), patients unknown"


def _other_shape(source, images, size):
    """Whole, but of another size or set: to be said as that, or a good file may be deleted."""
    pixels = "×".join(map(str, images.shape[1:]))
    raise DataError(
        f"oct: the file holds images of {pixels} ({images.dtype}), not {size}×{size} (uint8).",
        source,
        f"it may be as good as any: leave it, and give octmnist_{size}.npz",
        "oct",
    )


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

    Exact copies are removed, those in the training part first. Where headers, folders or names
    tell the patient, a patient with scans in the test part is taken out of the training part.
    -> classes, origin, and a clause about the training scans that this took, or ""
    """
    with tree.Tree(source, out.scratch, "oct") as files:
        folder_of = tree.lift_patients(files, NORMAL)
        pictures = tree.one_spelling(tree.survey(files, out), [NORMAL])
        if any(picture.split for picture in pictures):
            stray = [p.file for p in pictures if not p.split]
            out.leave_out(len(stray), "not in train/ or test/, where others are", stray)
            pictures = [picture for picture in pictures if picture.split]
        classes = tuple(sorted({picture.class_name for picture in pictures}))
        if NORMAL not in classes or len(classes) < 2:
            raise DataError(
                f"oct: a folder called normal and one more are needed; found: {_few(classes)}.",
                files.source,
                "rename the folder with the healthy scans to normal",
                "oct",
            )
        if len({picture.patient for picture in pictures}) == 1:  # all were given one, to hide them
            pictures = [replace(picture, patient=None) for picture in pictures]
        named = {p.file: p.patient or folder_of.get(p.file) or patient(p.file) for p in pictures}
        # Of a volume nobody knows whose it is, but its frames are of one eye.
        named |= {p.file: p.file for p in pictures if p.facts.frames > 1 and named[p.file] is None}
        who, how = _patients(named, folder_of, pictures)
        split, parts = _splits(pictures, who)
        lost = ""

        def tested(picture):
            return split[picture.file] == "test"

        pictures.sort(key=lambda p: (not tested(p), _number_aware(p.file)))
        kept = tree.without_duplicates(files, pictures, out, first=lambda p: not tested(p))
        if who:
            in_test = {who[p.file] for p in kept if tested(p)}
            shared = [p for p in kept if not tested(p) and who[p.file] in in_test]
            gone = {p.file for p in shared}
            reason = "training scan of a patient who is in the test part"
            out.leave_out(len(gone), reason, sorted(gone))
            kept = [p for p in kept if p.file not in gone]
            # A header's patient is a number of this run alone: its file says more.
            names = dict.fromkeys(p.file if p.patient else str(named[p.file]) for p in shared)
            if names:
                lost = (
                    f"{len(gone)} scans of train were left out, since their patients "
                    f"({_few(names, 3)}) are in test as well"
                )
        cut = tree.write(
            files,
            kept,
            classes,
            size,
            out,
            split=lambda picture: split[picture.file],
            group=(lambda picture: who[picture.file]) if who else None,
        )
    return classes, f"OCT scans from {_text(files.source.name)}, {parts}, {how}{cut}", lost


def _few(names, most=8):
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")


def _patients(who, folder_of, pictures):
    """The patient of each file, as a number, or None where too few are known; and a sentence.

    who : {file: patient or None}. One odd name must not end the separation of all the others: such
    a scan counts as a patient of its own, and it is said. Where most are odd, the few that fit the
    pattern do so by chance.
    """
    odd = [file for file, name in who.items() if name is None]
    headers = any(picture.patient for picture in pictures)
    volumes = any(picture.facts.frames > 1 for picture in pictures)
    if len(odd) > len(who) / 2 and not headers and not volumes:
        return None, "patients unknown (names are not CLASS-PATIENT-NUMBER)"
    if len({*who.values()} - {None}) < 2:  # a year, say: OCT-2023-17.png
        return None, "patients unknown (all names have one and the same number for them)"
    if headers:
        how = "patients known from the headers"
    elif volumes:
        how = "each volume counts as a patient where none is known"
    else:
        how = f"patients known from the {'folders' if folder_of else 'file names'}"
    if odd:
        how += f"; {len(odd)} scans without a patient, such as {odd[0]}, count as one each"
        usable.say("oct", how)
    numbers = [name for name in who.values() if isinstance(name, int)]
    if len(numbers) == len(who):
        return who, how
    # Kermany's numbers stay what they are; other names follow them
    # in the order of the files: what stands for a patient is another at each preparation.
    names = list(dict.fromkeys(str(n) for n in who.values() if not isinstance(n, int | None)))
    number = {name: i for i, name in enumerate(names, max(numbers, default=0) + 1)}
    own = {file: i for i, file in enumerate(odd, max(numbers, default=0) + len(names) + 1)}
    return {
        file: own[file] if name is None else name if isinstance(name, int) else number[str(name)]
        for file, name in who.items()
    }, how


def _splits(pictures, who):
    """{file: "train" or "test"}, and whose split it is.

    Without a test part the validation part is it. Without any split, the last third of each class
    is tested: of its patients where they are known, else of its scans.
    """
    parts = {tree.SPLITS.get(picture.split) for picture in pictures}
    if len(parts) > 1:
        test = "test" if "test" in parts else "val"
        how = "the authors' split"
        if test == "val":
            how += ", its validation part taken for the test part, which is not there"
            usable.say("oct", how)
        return {
            p.file: "test" if tree.SPLITS.get(p.split) == test else "train" for p in pictures
        }, how
    test = set()
    name = who.get if who else lambda file: file
    for class_name in {picture.class_name for picture in pictures}:
        files = [p.file for p in pictures if p.class_name == class_name]
        own = list(dict.fromkeys(map(name, sorted(files, key=_number_aware))))
        test.update(own[round(len(own) * (1 - TEST)) :])
    how = "split by contiguous ranges" + (" of patients" if who else "")
    return {p.file: "test" if name(p.file) in test else "train" for p in pictures}, how


def _number_aware(file):
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file)]


def _text(name):
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def patient(file):
    """The patient's number in a name such as CNV-1016042-12.jpeg, or None.

    Copies have the original's: "CNV-1016042-12 - Copy.jpeg", "CNV-1016042-12 (1).jpeg".
    A number that is too long to be stored, such as a time of 20 digits, is text.
    """
    match = PATIENT.match(PurePosixPath(file).stem)
    if not match:
        return None
    number = int(match[1])
    return number if number < LONGEST else str(number)


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
