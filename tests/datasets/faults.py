"""A tiny MedNIST, a server's faults, and what every failure must look like."""

import io
import re
import tarfile
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from helpers.datasets import DataError
from helpers.datasets.mednist import CLASSES

PER_CLASS = 5


def jpeg(value, size=(64, 64)):
    """A grey JPEG file that no other `value` gives."""
    pixels = np.random.default_rng(value).integers(0, 256, (size[1], size[0]), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def tiny_mednist():
    """{path: bytes} of a MedNIST with five pictures a class."""
    return {
        f"MedNIST/{name}/{i:06}.jpeg": jpeg(100 * c + i)
        for c, name in enumerate(CLASSES)
        for i in range(PER_CLASS)
    }


def targz(files):
    """The bytes of a .tar.gz with `files`, {path: bytes}."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    """GET /FAULT[/ARGUMENT]/anything: the server's `data`, with a fault."""

    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        fault, *arguments = urlsplit(self.path).path.strip("/").split("/")
        self.server.requests.append((fault, self.headers.get("Range")))
        getattr(self, fault)(*arguments)

    def answer(self, data, ranges=True, until=None, kind="application/gzip"):
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if ranges else None
        start = int(wanted[1]) if wanted else 0
        if wanted and start >= len(data):
            self.send_response(416)
            self.end_headers()
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : None if until is None else start + until])

    def good(self, *_):
        self.answer(self.server.data)

    def cut(self, count, *_):
        """At most `count` bytes an answer, then the connection is closed."""
        self.answer(self.server.data, until=int(count))

    def cut_once(self, count, *_):
        first = len(self.server.requests) == 1
        self.answer(self.server.data, until=int(count) if first else None)

    def no_ranges(self, count, *_):
        first = len(self.server.requests) == 1
        self.answer(self.server.data, ranges=False, until=int(count) if first else None)

    def wrong(self, *_):
        self.answer(self.server.data[:-8] + bytes(8))

    def shorter(self, *_):
        self.answer(self.server.data[:-8])

    def status(self, code, *_):
        self.send_response(int(code))
        self.end_headers()

    def redirect(self, *_):
        self.send_response(302)
        self.send_header("Location", "/good/file")
        self.end_headers()

    def html(self, *_):
        self.answer(b"<html>Please log in</html>", kind="text/html; charset=utf-8")

    def page_as_file(self, *_):
        self.answer(b"<html>Please log in</html>")

    def hang(self, *_):
        self.server.go_on.wait(20)

    def stall(self, *_):
        """Half of the file, then silence."""
        self.answer(self.server.data, until=len(self.server.data) // 2)
        self.server.go_on.wait(20)

    def half_then_404(self, *_):
        if len(self.server.requests) == 1:
            self.answer(self.server.data, until=len(self.server.data) // 2)
        else:
            self.status(404)

    def log_message(self, *_):
        pass


@contextmanager
def refused(root, match, archive=None):
    """The block must raise one good DataError and leave no half-written file in `root`."""
    with pytest.raises(DataError, match=match) as caught:
        yield
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("  Where: ") and lines[2].startswith("  To do: ")
    assert 'source="sample"' in lines[3]
    assert_nothing_half_written(root, archive)


def assert_nothing_half_written(root, archive=None):
    """Only whole prepared folders, locks, and downloads: unfinished or equal to `archive`."""
    if not root.exists():
        return
    for path in root.rglob("*"):
        if path.is_file() and path.suffix not in (".lock", ".part"):
            folder = root / path.relative_to(root).parts[0]
            whole = (
                path.read_bytes() == archive
                if folder.name == "downloads"
                else (folder / "manifest.json").is_file()
            )
            assert whole, f"left over: {path}"


def wait_for(condition, seconds=30):
    """Wait until `condition()` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
