"""Class folders of pictures, in a folder or an archive, to arrays.

    [anything/][train|val|test/]CLASS/PICTURE.jpeg

An archive is never unpacked to disk: its members are read one by one, so that a path in it
cannot lead anywhere. An archive with odd paths, links or an absurd size is refused whole.
"""

import gzip
import hashlib
import io
import lzma
import re
import tarfile
import warnings
import zipfile
import zlib
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image
from tqdm import tqdm

from helpers.datasets.errors import DataError

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
PICTURES = {".jpeg", ".jpg", ".png", ".bmp", ".tif", ".tiff"}
SPLITS = ("train", "val", "test")
BLOW_UP = 20  # an archive may unpack to this many times its size (pictures: once, CIFAR: 1.1)
SLACK = 10 << 20  # and to this many bytes more
SKIPPED = 0.01  # share of pictures that may be skipped; more means a damaged archive
CHUNK = 1024  # pictures in memory at a time
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError,
    NotImplementedError, RuntimeError,  # a zip with an unknown method, or with a password
)  # fmt: skip
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning)  # by Pillow


class Tree:
    """The files of a folder or an archive by name, read one at a time.

    names : their paths with "/", sorted; hidden files and macOS's extra ones are not among them
    read(name) : the bytes of one
    """

    def __init__(self, source, scratch, name):
        self.source, self.scratch, self.name = _only_archive(source, name), scratch, name
        self.size = self.source.stat().st_size

    def __enter__(self):
        with self._explained():
            if self.source.is_dir():
                files, self.read = self._folder()
            elif zipfile.is_zipfile(self.source):
                files, self.read = self._zip()
            elif self.source.suffix in (".gz", ".tgz") or tarfile.is_tarfile(self.source):
                files, self.read = self._tar()
            else:
                self._refuse("is neither a folder nor a tar or zip archive")
        self.names = sorted(file for file in files if not _hidden(file))
        return self

    def __exit__(self, *exception):
        if hasattr(self, "archive"):
            self.archive.close()

    def _folder(self):
        files = {path.relative_to(self.source).as_posix(): path for path in self.source.rglob("*")}
        files = {file: path for file, path in files.items() if path.is_file()}
        return files, lambda file: files[file].read_bytes()

    def _zip(self):
        self.archive = zipfile.ZipFile(self.source)
        members = [info for info in self.archive.infolist() if not info.is_dir()]
        self._check({info.filename: info.file_size for info in members})
        return [info.filename for info in members], self._read_zip

    def _read_zip(self, file):
        with self._explained():
            return self.archive.read(file)

    def _tar(self):
        # Members are wanted in the order of their names, and a gzip stream cannot jump.
        plain = self.source
        if self.source.suffix in (".gz", ".tgz"):
            plain = self.scratch / "archive.tar"
            with gzip.open(self.source) as packed, open(plain, "wb") as out:
                while piece := packed.read(1 << 20):
                    out.write(piece)
                    if out.tell() > self._limit():
                        self._refuse("would unpack to an absurd size")
        self.archive = tarfile.open(plain)  # noqa: SIM115 - closed by __exit__
        members = {}
        for member in self.archive:
            if member.size > self._limit():
                self._refuse("would unpack to an absurd size")
            if member.isfile():
                members[member.name] = member
            elif not member.isdir():
                self._refuse(f"holds a link or device ({member.name})")
        self._check({file: member.size for file, member in members.items()})
        return members, lambda file: self._read_tar(members[file])

    def _read_tar(self, member):
        with self._explained(), closing(self.archive.extractfile(member)) as file:
            data = file.read()
        if len(data) < member.size:
            self._refuse("ends too early")
        return data

    def _limit(self):
        return BLOW_UP * self.size + SLACK

    def _check(self, sizes):
        for file in sizes:
            path = PurePosixPath(file)
            if path.is_absolute() or ".." in path.parts or re.search(r"[\\\x00]|^\w:", file):
                self._refuse(f"holds a path that leads outside ({file})")
        if sum(sizes.values()) > self._limit():
            self._refuse("would unpack to an absurd size")

    def _refuse(self, why):
        raise DataError(
            f"{self.name}: the archive {why}; nothing was taken from it.",
            self.source,
            "get the archive again from its official address",
            self.name,
        )

    @contextmanager
    def _explained(self):
        try:
            yield
        except BROKEN as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{self.name}: the archive is incomplete or damaged ({error}).",
                self.source,
                "delete it and get it again",
                self.name,
            ) from error


def _only_archive(source, name):
    """`source`, or the one archive that lies in it where it is a folder without folders."""
    if not source.exists():
        raise DataError(
            f"{name}: there is no such file or folder.", source, "check --archive", name
        )
    if source.is_file() or any(path.is_dir() for path in source.iterdir()):
        return source
    archives = [path for path in source.iterdir() if path.name.endswith(ARCHIVES)]
    return archives[0] if len(archives) == 1 else source


def _hidden(file):
    return any(part.startswith(".") or part == "__MACOSX" for part in file.split("/"))


@dataclass(frozen=True)
class Picture:
    """A picture file and what its path says."""

    file: str
    split: str | None
    class_name: str
    digest: bytes


def survey(tree, out):
    """All pictures of the tree, as Picture, in the order of their paths.

    Files that are no pictures are noted in `out`. The class folders must stand in one place.
    """
    pictures, places, others = [], set(), []
    for file in tqdm(tree.names, desc=f"{tree.name}: looking", unit=" files", leave=False):
        path = PurePosixPath(file)
        if path.suffix.lower() not in PICTURES or len(path.parts) < 2:
            others.append(file)
            continue
        parents, class_name = path.parts[:-2], path.parts[-2]
        split = parents[-1].lower() if parents and parents[-1].lower() in SPLITS else None
        places.add(parents[:-1] if split else parents)
        digest = hashlib.blake2b(tree.read(file), digest_size=16).digest()
        pictures.append(Picture(file, split, class_name, digest))
    out.leave_out(len(others), "not a picture in a class folder", others)
    if len(places) != 1:
        found = ", ".join(sorted("/".join(place) or "." for place in places)) or "none"
        raise DataError(
            f"{tree.name}: class folders must stand side by side in one place; found: {found}.",
            tree.source,
            "give the folder that holds the class folders (or train/ and test/ with them)",
            tree.name,
        )
    return pictures


def without_duplicates(pictures, out):
    """The pictures without exact copies of an earlier one; they are noted in `out` by class."""
    seen, kept, copies = set(), [], []
    for picture in pictures:
        (copies if picture.digest in seen else kept).append(picture)
        seen.add(picture.digest)
    per_class = Counter(picture.class_name for picture in copies)
    for class_name, count in sorted(per_class.items()):
        examples = [picture.file for picture in copies if picture.class_name == class_name]
        out.leave_out(count, f"exact copy of another picture ({class_name})", examples)
    return kept


def write(tree, pictures, classes, size, out, split=None, group=None):
    """Decode the pictures to size×size grey and give them to `out`.

    split(picture), group(picture) : its split ("all" by default) and patient (none by default)

    A picture that cannot be decoded is skipped and noted; more than 1 % of them is an error.
    """
    split = split or (lambda picture: "all")
    unreadable = []
    progress = tqdm(
        desc=f"{tree.name}: reading", total=len(pictures), unit=" pictures", leave=False
    )
    with progress:
        for name in sorted({split(picture) for picture in pictures}):
            part = [picture for picture in pictures if split(picture) == name]
            for start in range(0, len(part), CHUNK):
                good, images = [], []
                for picture in part[start : start + CHUNK]:
                    try:
                        images.append(decode(tree.read(picture.file), size))
                        good.append(picture)
                    except UNREADABLE as error:
                        unreadable.append(f"{picture.file}: {error}")
                    progress.update()
                if good:
                    labels = [classes.index(picture.class_name) for picture in good]
                    groups = [group(picture) for picture in good] if group else None
                    out.add(name, np.stack(images)[:, None], labels, groups)
    out.leave_out(len(unreadable), "cannot be decoded", unreadable)
    if len(unreadable) > SKIPPED * len(pictures):
        raise DataError(
            f"{tree.name}: {len(unreadable)} of {len(pictures)} pictures cannot be decoded.",
            f"{tree.source}; the first is {unreadable[0]}",
            "get the archive again, or take these pictures out",
            tree.name,
        )


def decode(data, size):
    """A picture file's bytes as grey (size, size) uint8; other shapes are squeezed to a square."""
    with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image.draft("L", (2 * size, 2 * size))  # a JPEG can be decoded at a fraction of its size
        image = image.convert("L")
        if image.size != (size, size):
            image = image.resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(image)
