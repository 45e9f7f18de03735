"""Class folders of pictures, in a folder or an archive, to arrays.

    [anything/][train|val|test/]CLASS/PICTURE.jpeg

An archive is known by its content, whatever its name, and its members are never unpacked to where
they want to: they are read one by one, so that a path in it cannot lead anywhere. An archive with
odd paths, links or an absurd size is refused whole.
"""

import hashlib
import importlib
import os
import re
import secrets
import stat
import tarfile
import unicodedata
import zipfile
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from helpers.datasets import dicom, pictures
from helpers.datasets.errors import DataError, PictureError

SPLITS = {  # what people call the parts, and what they are
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "lzma"}  # first bytes, Python's module
FOREIGN = {b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive", b"\x28\xb5\x2f\xfd": "zstd"}
ZIP = b"PK\3\4", b"PK\5\6"
ABOUT = re.compile(  # texts that lie beside an archive
    r"(?i)(^|/)(readme|licen[cs]e|copying|citation|checksums?|md5sums?|sha256sums?)[^/]*$"
    r"|\.(txt|md|rst|pdf|html?|csv|json|xml|rtf|docx?|xlsx?|md5|sha1|sha256)$"
)
DEEPEST = 4  # archives in archives
FEW = 8  # files that are looked into, whether they are archives
BLOW_UP = 20  # an archive may unpack to this many times its size (pictures: once, CIFAR: 1.1)
SLACK = 10 << 20  # and to this many bytes more
SKIPPED = 0.01  # share of pictures that may be skipped; more means a damaged archive
CHUNK = 1024  # pictures in memory at a time
JUST_A_PICTURE = pictures.Facts()
SYSTEM = {
    "__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information",
    "Thumbs.db", "desktop.ini",
}  # fmt: skip


class Tree:
    """The files of a folder or an archive by name, read one at a time.

    An archive that lies alone in the folder, or in another archive, is opened in its turn.

    official : name of the archive to take where it lies in the folder
    names : their paths with "/", sorted; hidden files and the system's own are not among them
    read(name) : the bytes of one
    """

    def __init__(self, source, scratch, name, official=None):
        self.source, self.scratch, self.name = Path(source), scratch, name
        if official and os.path.isfile(self.source / official):  # in a folder with other downloads
            self.source /= official
        try:
            self.size = self.source.stat().st_size
        except (FileNotFoundError, NotADirectoryError) as error:
            what = f"{name}: there is no such file or folder."
            raise DataError(what, source, "check --archive", name) from error
        except OSError as error:
            raise self._not_readable(source, error) from error

    def __enter__(self):
        with ExitStack() as self.closing, self._explained():
            self._open(self.source)
            for _ in range(DEEPEST):
                if not (inner := self._only_archive()):
                    break
                self._open(inner)
            self._not_several()
            self.closing = self.closing.pop_all()  # all went well: it closes with the tree
        return self

    def __exit__(self, *exception):
        self.closing.close()

    def read(self, file):
        with self._explained(), self._stream(file) as stream:
            data = stream.read()
        if len(data) < self.sizes.get(file, 0):
            self._refuse("ends too early")
        return data

    def _open(self, path):
        """Let names, sizes and streams be those of the folder or archive at `path`."""
        self.sizes, self.places = {}, {}
        if path.is_dir():
            files = self._folder(path)
        else:
            kind, path = self._unpacked(path)
            if kind == "tar":
                files = self._tar(path)
            elif kind == "zip" or zipfile.is_zipfile(path):  # the latter: behind a program
                files = self._zip(path)
            else:
                self._refuse(f"is {kind or 'neither a folder nor a tar or zip archive'}", *UNPACK)
        self.names = sorted(file for file in files if not _hidden(file))

    def _folder(self, top):
        files, seen = self.places, {os.path.realpath(top)}
        for folder, inside, names in os.walk(top, followlinks=True, onerror=self._no_folder):
            # Links to folders are followed, each folder once: a link may lead back to one above.
            real = {sub: os.path.realpath(os.path.join(folder, sub)) for sub in sorted(inside)}
            inside[:] = [sub for sub in real if not (_hidden(sub) or real[sub] in seen)]
            seen |= {real[sub] for sub in inside}
            for path in (Path(folder) / name for name in names):
                # What is there and no file would be a pipe; what is not there is a link without
                # an end, or may not be looked at, which is said when it is read.
                if os.path.isfile(path) or not os.path.exists(path):
                    files[_readable(path.relative_to(top).as_posix())] = path
        self._stream = lambda file: self._file(files[file])
        return files

    def _no_folder(self, error):
        raise self._not_readable(error.filename, error) from error

    def _file(self, path):
        try:
            return open(path, "rb")
        except OSError as error:
            raise self._not_readable(path, error) from error

    def _not_readable(self, path, error):
        return DataError(
            f"{self.name}: {os.path.basename(path)} cannot be read ({error.strerror}).",
            _readable(str(path)),
            "give this user the right to read it (of a link: what it leads to), or leave it out",
            self.name,
        )

    def _zip(self, path):
        archive = self.closing.enter_context(zipfile.ZipFile(path))
        members = {}
        for member in archive.infolist():
            if member.flag_bits & 1:
                self._refuse("is locked with a password", *UNPACK)
            if member.compress_type not in (0, 8, 12, 14):  # Windows takes 9 for large files
                self._refuse("is compressed in a way that Python does not read", *UNPACK)
            if stat.S_ISLNK(member.external_attr >> 16):
                self._refuse(f"holds a link or device ({member.filename})", *FOLLOW)
            if not member.is_dir() and not member.filename.endswith("\\"):
                members[self._inside(member.filename)] = member
        self._check({file: member.file_size for file, member in members.items()})
        self._stream = lambda file: archive.open(members[file])
        return members

    def _tar(self, path):
        archive = self.closing.enter_context(tarfile.open(path, "r:"))  # noqa: SIM115
        members = {}
        for member in archive:
            if member.size > self._limit():
                self._refuse("would unpack to an absurd size")
            if member.isfile():
                members[self._inside(member.name)] = member
            elif member.islnk() and (first := PurePosixPath(member.linkname).as_posix()) in members:
                members[self._inside(member.name)] = members[first]  # one file with two names
            elif not member.isdir():
                self._refuse(f"holds a link or device ({member.name})", *FOLLOW)
        self._check({file: member.size for file, member in members.items()})
        self._stream = lambda file: archive.extractfile(members[file])
        return members

    def _unpacked(self, path):
        """The kind of archive that `path` is, once no compression is around it, and where it is.

        Members are wanted in the order of their names, and a compressed stream cannot jump: read
        as it is, it would be unpacked from its beginning for each of them.
        """
        for _ in range(DEEPEST):
            with self._file(path) as file:
                kind = _kind(file.read(512))
            if kind not in PACKED.values():
                break
            with self._file(path) as file, _decompressed(kind, file) as stream:
                path = self._to_scratch(stream)
        return kind, path

    def _to_scratch(self, stream):
        place = self.scratch / f"archive-{len(list(self.scratch.iterdir()))}"
        with open(place, "wb") as out:
            while piece := stream.read(1 << 20):
                out.write(piece)
                if out.tell() > self._limit():
                    self._refuse("would unpack to an absurd size")
        return place

    def _only_archive(self):
        """The path of the one archive that is here, where all else are texts about it, or None."""
        files = [file for file in self.names if not ABOUT.search(file)]
        if len(files) != 1 or not self._is_archive(files[0]):
            return None
        if files[0] in self.places:
            self.size = self.places[files[0]].stat().st_size
            return self.places[files[0]]
        with self._stream(files[0]) as stream:
            return self._to_scratch(stream)

    def _not_several(self):
        """train.zip and test.zip, side by side: nobody has said which to open."""
        files = [file for file in self.names if not ABOUT.search(file)]
        if 1 < len(files) <= FEW and all(self._is_archive(file, damaged=False) for file in files):
            raise DataError(
                f"{self.name}: several archives lie side by side: {', '.join(files)}.",
                self.source,
                "give one of them, or unpack them into one folder and give that",
                self.name,
            )

    def _is_archive(self, file, damaged=True):
        """Whether a file here is an archive; `damaged` where its beginning cannot be unpacked."""
        with self._stream(file) as stream:
            kind = _kind(stream.read(512))
        if kind not in PACKED.values():
            return kind in ("tar", "zip", *FOREIGN.values())
        try:
            with self._stream(file) as stream, _decompressed(kind, stream) as inner:
                return _kind(inner.read(512)) in ("tar", "zip", *PACKED.values())
        except Exception:  # whatever Python's decompressors raise
            return damaged

    def _limit(self):
        return BLOW_UP * self.size + SLACK

    def _inside(self, file):
        """A member's name with "/" between its parts, which must stay inside."""
        path = PurePosixPath(file.replace("\\", "/"))  # Windows' old Compress-Archive
        if path.is_absolute() or ".." in path.parts or re.search(r"\x00|^\w:", file):
            self._refuse(f"holds a path that leads outside ({file})")
        return _readable(path.as_posix())  # without "./" at the beginning, too

    def _check(self, sizes):
        self.sizes = sizes
        if sum(sizes.values()) > self._limit():
            self._refuse("would unpack to an absurd size")

    def _refuse(self, why, todo="get the archive again from where it came from"):
        what = f"{self.name}: the archive {why}; nothing was taken from it."
        raise DataError(what, self.source, todo, self.name)

    @contextmanager
    def _explained(self):
        """Whatever the archives' readers raise becomes a DataError; what the disk says does not."""
        try:
            yield
        except (DataError, MemoryError):
            raise
        except ImportError as error:  # of bz2 or lzma
            raise DataError(
                f"{self.name}: this Python was built without what unpacks the archive ({error}).",
                self.source,
                *UNPACK,
                self.name,
            ) from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DataError(
                f"{self.name}: the archive is incomplete or damaged ({error}).",
                self.source,
                "get it again, or unpack it with another program and give the folder",
                self.name,
            ) from error


UNPACK = ("unpack it with the program that made it, and give the folder",)
FOLLOW = ("pack it again with links followed (tar -h), or give the folder itself",)


def _kind(head):
    """What a file is, by its first 512 bytes: "tar", "zip", a compression's module, or None."""
    if head.startswith(ZIP):
        return "zip"
    for magic, kind in (PACKED | FOREIGN).items():
        if head.startswith(magic):
            return kind
    if head.lstrip()[:1] == b"<":
        return "a web page: the download did not give the file"
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None
    return "tar"


def _decompressed(kind, stream):
    return importlib.import_module(kind).open(stream)  # not every Python has all three


def _hidden(file):
    return any(part.startswith(".") or part in SYSTEM for part in file.split("/"))


def _readable(file):
    """A file's name as text that can be printed and stored, where it is not UTF-8."""
    return file.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def lift_patients(tree, class_name):
    """Patients' folders inside class folders, CLASS/PATIENT/[.../]scan, are taken for names.

    tree : its files are afterwards CLASS/PATIENT_scan, as `survey` wants them
    class_name : of one class that is there, in any spelling
    -> {file: patient}; empty where scans lie in the class folders themselves
    """
    parts = {file: file.split("/") for file in tree.names if not ABOUT.search(file)}
    levels = {i for p in parts.values() for i, x in enumerate(p[:-1]) if key(x) == key(class_name)}
    if len(levels) != 1 or not all(len(p) > min(levels) + 2 for p in parts.values()):
        return {}
    at = levels.pop() + 1
    lifted = {"/".join([*p[:at], "_".join(p[at:])]): file for file, p in parts.items()}
    if len(lifted) < len(parts):  # two would have one name
        return {}
    tree.names, read = sorted(lifted), tree.read
    tree.read = lambda file: read(lifted[file])
    patients = {file: parts[lifted[file]][at] for file in lifted}
    return patients if len(set(patients.values())) > 1 else {}  # CLASS/images/ is no patient


def key(name):
    """What all spellings of a class's name have in common: case, Unicode form, outer spaces."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())


def one_spelling(pictures, known=()):
    """The pictures with one name a class: that in `known`, else the most frequent spelling.

    train/Normal and test/NORMAL are one folder on Windows and macOS, and two on Linux.
    """
    names = {}
    for name, _ in Counter(sorted(picture.class_name for picture in pictures)).most_common():
        names.setdefault(key(name), unicodedata.normalize("NFC", name).strip())
    names |= {key(name): name for name in known}
    return [replace(picture, class_name=names[key(picture.class_name)]) for picture in pictures]


@dataclass(frozen=True)
class Picture:
    """A picture file, what its path says and what it says itself."""

    file: str
    split: str | None
    class_name: str
    digest: bytes
    patient: str | None = None  # from its header, as a number that cannot be turned back
    facts: pictures.Facts = JUST_A_PICTURE


def survey(tree, out):
    """All pictures of the tree, as Picture, in the order of their paths.

    Files that are no pictures are noted in `out`. The class folders must stand in one place.
    """
    found, places, others, empty = [], set(), [], []
    secret = secrets.token_bytes(32)  # for patients' numbers; it is forgotten when this ends
    for file in tqdm(tree.names, desc=f"{tree.name}: looking", unit=" files", leave=False):
        path = PurePosixPath(file)
        if len(path.parts) < 2 or not _may_be_picture(path):
            others.append(file)
            continue
        data = tree.read(file)
        if path.suffix.lower() not in pictures.SUFFIXES and not dicom.is_dicom(data):
            others.append(file)
            continue
        if dicom.is_dicom(data) and not dicom.installed():
            what = f"{tree.name}: there are DICOM files, and pydicom is not installed to read them."
            raise DataError(what, file, dicom.INSTALL, tree.name)
        try:
            facts = pictures.look(data, secret)
        except PictureError:  # which `write` meets again, and counts
            facts = JUST_A_PICTURE
        if not facts.frames:
            empty.append(file)
            continue
        parents, class_name = path.parts[:-2], path.parts[-2]
        split = parents[-1].lower() if parents and parents[-1].lower() in SPLITS else None
        places.add(parents[:-1] if split else parents)
        digest = hashlib.blake2b(data, digest_size=16).digest()
        found.append(Picture(file, split, class_name, digest, facts.patient, facts))
    _check_others(tree, found, others)
    out.leave_out(len(others), "not a picture in a class folder", others)
    out.leave_out(len(empty), "DICOM file without a picture", empty)
    if len(places) != 1:
        where = ", ".join(sorted("/".join(place) or "." for place in places)) or "none"
        raise DataError(
            f"{tree.name}: class folders must stand side by side in one place; found: {where}.",
            tree.source,
            "give the folder that holds the class folders (or train/ and test/ with them)",
            tree.name,
        )
    named = sum(picture.facts.may_name for picture in found)
    if named:
        print(
            f"{tree.name}: {named} DICOM files do not say that their pixels are free of names: "
            "look before you show them.",
            flush=True,
        )
    return found


def _may_be_picture(path):
    """By its suffix; DICOM files often have none, or numbers with points for a name."""
    suffix = path.suffix.lower()
    return suffix in pictures.SUFFIXES or (
        (not suffix or suffix[1:].isdigit()) and path.name != "DICOMDIR"
    )


def _check_others(tree, found, others):
    """DataError where there are no pictures, or a class folder holds files of makers only."""
    folders = {str(PurePosixPath(picture.file).parent) for picture in found}
    kinds, makers = Counter(), Counter()
    for file in others:
        path = PurePosixPath(file)
        suffix = path.suffix.lower()
        kinds[suffix or "without a suffix"] += 1
        if suffix in pictures.VENDORS and str(path.parent) not in folders:
            makers[f"{suffix} ({pictures.VENDORS[suffix]})"] += 1
    if makers:
        what = f"files of a maker's own format, which the course does not read: {_counts(makers)}"
        todo = "export the scans from the maker's program as DICOM or PNG"
    elif found or not others:
        return
    elif any(suffix in pictures.SUFFIXES for suffix in kinds):
        what = f"the pictures lie in no class folder; found: {_counts(kinds)}"
        todo = "give the folder that holds the class folders (or train/ and test/ with them)"
    else:
        what = f"no picture of a kind that the course reads; found: {_counts(kinds)}"
        todo = f"give {', '.join(pictures.KINDS)} files in class folders"
    raise DataError(f"{tree.name}: {what}.", tree.source, todo, tree.name)


def _counts(counter, most=6):
    parts = [f"{count} {name}" for name, count in counter.most_common(most)]
    return ", ".join(parts) + (" and others" if len(counter) > most else "")


def without_duplicates(tree, pictures, out, first=lambda picture: 0):
    """The pictures without exact copies; these are noted in `out` by class.

    first(picture) : the lowest is kept; then the original rather than "original - Copy" or
        "original (1)"; then the first

    Files without content, which are equal, too, are no copies: they are to be found unreadable.
    """
    same = defaultdict(list)
    for picture in pictures:
        same[picture.digest].append(picture)
    copies = set()
    for group in same.values():
        if len(group) > 1 and not _hollow(tree.read(group[0].file)):
            stems = {picture.file: PurePosixPath(picture.file).stem for picture in group}

            def place(picture, stems=stems):
                stem = stems[picture.file]
                copied = any(other != stem and other in stem for other in stems.values())
                return first(picture), copied

            copies |= {picture.file for picture in group} - {min(group, key=place).file}
    per_class = defaultdict(list)
    for picture in pictures:
        if picture.file in copies:
            per_class[picture.class_name].append(picture.file)
    for class_name, files in sorted(per_class.items()):
        out.leave_out(len(files), f"exact copy of another picture ({class_name})", files)
    return [picture for picture in pictures if picture.file not in copies]


def _hollow(data):
    """Whether a file holds no picture at all: what broken copies and cloud folders leave behind.

    Nothing, zeros only, or the text that stands in for a file (git LFS) or says why there is none.
    """
    return not data.strip(b"\0") or data.lstrip()[:1] in (b"<", b"{") or data[:8] == b"version "


def write(tree, chosen, classes, size, out, split=None, group=None):
    """Decode the pictures to size×size grey and give them to `out`, each frame as one.

    split(picture), group(picture) : its split ("all" by default) and patient (none by default)

    A picture that cannot be read is skipped and noted; more than 1 % of them is an error.
    Returns clauses about what the middle square left out and how deep pixels became bytes.
    """
    split = split or (lambda picture: "all")
    unreadable, cuts = [], []
    black_and_white, aspect = _common(chosen)
    progress = tqdm(desc=f"{tree.name}: reading", total=len(chosen), unit=" pictures", leave=False)

    def scans(picture):
        values = picture.facts.values
        ours = values and black_and_white[values[0]]
        if values and (why := pictures.nearly_flat(values, ours)):
            raise PictureError(why)
        stretch = (picture.facts.aspect or aspect) / aspect
        images, cut = pictures.read_scans(
            tree.read(picture.file), size, picture.facts, ours, stretch
        )
        cuts.append(cut)
        return images

    def add(name, of, images):
        labels = [classes.index(picture.class_name) for picture in of]
        groups = [group(picture) for picture in of] if group else None
        out.add(name, np.concatenate(images)[:, None], labels, groups)

    with progress:
        for name in sorted({split(picture) for picture in chosen}):
            good, images = [], []
            for picture in (picture for picture in chosen if split(picture) == name):
                try:
                    images.append(scans(picture))
                    good += [picture] * len(images[-1])
                except PictureError as error:
                    unreadable.append(f"{picture.file}: {error}")
                progress.update()
                if len(good) >= CHUNK:
                    add(name, good, images)
                    good, images = [], []
            if good:
                add(name, good, images)
    out.leave_out(len(unreadable), "cannot be read", unreadable)
    if len(unreadable) > SKIPPED * len(chosen):
        raise DataError(
            f"{tree.name}: {len(unreadable)} of {len(chosen)} pictures cannot be read.",
            f"{tree.source}; the first is {unreadable[0]}",
            "get or export these pictures again, or take them out",
            tree.name,
        )
    said = ""
    if share := round(100 * np.mean(cuts)) if cuts else 0:
        said += f", the middle square of each ({share} % of the picture cut off)"
    for kind, (black, white) in black_and_white.items():
        if kind not in pictures.FIXED:
            said += f", {black:g} of {kind} pixels shown black, {white:g} white"
    return said


def _common(chosen):
    """{kind: black and white} of pixels beyond a byte, and the usual aspect of a pixel.

    Both are one for all: with a scale for each file, files would differ in brightness by chance;
    with a square of each scanner's own pixels, tissue would differ in shape by scanner.
    """
    values = defaultdict(list)
    for picture in chosen:
        if picture.facts.values:
            values[picture.facts.values[0]].append(picture.facts.values)
    aspects = [picture.facts.aspect for picture in chosen if picture.facts.aspect]
    return (
        {kind: pictures.scale(of_kind) for kind, of_kind in values.items()},
        float(np.median(aspects)) if aspects else 1.0,
    )
