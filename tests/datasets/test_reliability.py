"""Every fault of issue "data": what fails says so in four lines and leaves nothing half-written."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from faults import PER_CLASS, assert_nothing_half_written, refused, targz, tiny_mednist, wait_for
from tiny import data_set

from helpers.datasets import DATA_SETS, download, load, store
from helpers.datasets.prepare import prepare

REPOSITORY = Path(__file__).parents[2]
TINY = Path(__file__).with_name("tiny.py")
LINUX = sys.platform == "linux"


def checksum(server):
    return f"md5:{hashlib.md5(server.data).hexdigest()}"


def prepare_from(server, root, *paths):
    urls = " ".join(f"{server.url}/{path}/MedNIST.tar.gz" for path in paths)
    return prepare(data_set(urls, checksum(server)), 64, root)


def assert_whole(root):
    """The prepared folder is right, and nothing else is there."""
    sets = store.read(root / "mednist-64", "mednist")
    assert len(sets["all"]) == 6 * PER_CLASS
    store.check(root / "mednist-64")
    assert_nothing_half_written(root)
    assert not (root / ".mednist-64.part").exists()
    assert not (root / "downloads" / "mednist-64").exists()


# --- the network ---------------------------------------------------------------------------------


def test_good_server(server, tmp_path):
    prepare_from(server, tmp_path, "good")
    assert_whole(tmp_path)


@pytest.mark.parametrize("count", [0, 1, 20_000, -1])
def test_connection_cut_at_a_byte_is_continued_there(server, tmp_path, count):
    count %= len(server.data)
    prepare_from(server, tmp_path, f"cut_once/{count}")
    assert_whole(tmp_path)
    assert server.requests[1][1] == (f"bytes={count}-" if count else None)


def test_connection_cut_again_and_again(server, tmp_path):
    prepare_from(server, tmp_path, f"cut/{len(server.data) // 9}")
    assert_whole(tmp_path)
    assert len(server.requests) == 10


def test_server_without_ranges_starts_again(server, tmp_path):
    prepare_from(server, tmp_path, "no_ranges/20000")
    assert_whole(tmp_path)


def test_part_of_another_file_is_not_kept(server, tmp_path):
    downloads = tmp_path / "downloads" / "mednist-64"
    downloads.mkdir(parents=True)
    for old in (b"something else", bytes(len(server.data)), bytes(2 * len(server.data))):
        (downloads / "MedNIST.tar.gz.part").write_bytes(old)
        prepare_from(server, tmp_path, "good")
        assert_whole(tmp_path)
        (tmp_path / "mednist-64").rename(tmp_path.with_name(f"{tmp_path.name}-{len(old)}"))
        downloads.mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("wrong", "wrong md5 sum"),
        ("shorter", "wrong md5 sum"),
        ("status/403", "HTTP 403"),
        ("status/404", "HTTP 404"),
        ("status/500", "HTTP 500"),
        ("hang", "no answer in time"),
        ("cut/0", "connection cut"),
        ("html", "web page"),
        ("page_as_file", "wrong md5 sum"),
    ],
)
def test_faulty_server_is_named(server, tmp_path, fault, words):
    with refused(tmp_path, f"127.0.0.1.*{words}"):
        prepare_from(server, tmp_path, fault)
    prepare_from(server, tmp_path, "good")  # and the next try ends well
    assert_whole(tmp_path)


def test_no_server_at_all(server, tmp_path):
    with refused(tmp_path, "cannot be reached"):
        prepare(data_set("http://127.0.0.1:9/MedNIST.tar.gz", checksum(server)), 64, tmp_path)


def test_redirect_is_followed(server, tmp_path):
    prepare_from(server, tmp_path, "redirect")
    assert_whole(tmp_path)


@pytest.mark.parametrize("first", ["status/404", "status/500", "html", "hang", "wrong", "cut/0"])
def test_second_mirror_steps_in(server, tmp_path, first):
    prepare_from(server, tmp_path, first, "good")
    assert_whole(tmp_path)


def test_second_mirror_continues_what_the_first_began(server, tmp_path):
    prepare_from(server, tmp_path, "half_then_404", "good")
    assert_whole(tmp_path)
    assert server.requests[-1] == ("good", f"bytes={len(server.data) // 2}-")


def test_server_that_falls_silent_again_and_again(server, tmp_path):
    prepare_from(server, tmp_path, "stall")
    assert_whole(tmp_path)
    arrived = len(server.data) // 2 // download.CHUNK * download.CHUNK
    assert server.requests[1] == ("stall", f"bytes={arrived}-")


def test_auto_tries_a_dead_network_once_and_shows_why(server, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("helpers.datasets.reachable", lambda urls: bool(asked.append(urls)))
    for _ in range(3):
        sets = load("mnist", root=tmp_path)
    assert sets["train"].source == "sample" and len(asked) == 1
    assert capsys.readouterr().out.count("network does not answer") == 3


def test_auto_does_not_start_a_long_download(server, tmp_path, monkeypatch, capsys):
    long = replace(data_set(f"{server.url}/good/f", checksum(server)), sample="digits")
    monkeypatch.setitem(DATA_SETS, "mednist", long)
    assert load("mednist", root=tmp_path)["train"].source == "sample"
    out = capsys.readouterr().out
    assert "not downloaded unasked" in out and "data_scripts.prepare mednist" in out
    assert not server.requests


def test_reachable_waits_no_longer_than_told(server):
    assert download.reachable([f"{server.url}/good"], 5)
    assert not download.reachable(["http://127.0.0.1:9/"], 5)


# --- processes -----------------------------------------------------------------------------------


def start(server, root, path, *stop, **options):
    command = [sys.executable, TINY, root, f"{server.url}/{path}/f", checksum(server), *stop]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=environment, stdout=pipe, stderr=pipe, text=True, **options
    )


def test_two_processes_at_once_download_once(server, tmp_path):
    both = [start(server, tmp_path, "good") for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert [fault for fault, _ in server.requests] == ["good"]
    assert_whole(tmp_path)


def test_killed_while_downloading(server, tmp_path):
    part = tmp_path / "downloads" / "mednist-64" / "MedNIST.tar.gz.part"
    process = start(server, tmp_path, "stall")
    wait_for(lambda: part.exists() and part.stat().st_size >= download.CHUNK)
    process.kill()
    process.communicate()
    assert_nothing_half_written(tmp_path)
    prepare_from(server, tmp_path, "good")
    assert_whole(tmp_path)
    fault, range_ = server.requests[-1]
    assert fault == "good" and range_.startswith("bytes=")


@pytest.mark.parametrize(
    "where",
    [
        "helpers.datasets.tree:Tree._check",  # just unpacked
        "helpers.datasets.pictures:read_scans",  # at the first picture
        "helpers.datasets.store:sha256",  # all arrays written, no manifest yet
        "helpers.datasets.store:replace_folder",  # all written, not yet renamed
    ],
)
def test_killed_while_preparing(server, tmp_path, where):
    process = start(server, tmp_path, "good", where)
    assert any(line == "stopped\n" for line in process.stdout)
    process.kill()
    process.communicate()
    assert not (tmp_path / "mednist-64").exists()
    prepare_from(server, tmp_path, "good")
    assert_whole(tmp_path)
    assert len(server.requests) == 1  # the download had been whole


# --- the disk ------------------------------------------------------------------------------------


@pytest.mark.skipif(not LINUX, reason="file size limits are tried on Linux only")
@pytest.mark.parametrize("limit", [10_000, 90_000])  # in the download; in the arrays
def test_file_size_limit(server, tmp_path, limit):
    import resource

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    assert limit < 20_000 or len(server.data) < limit < 6 * PER_CLASS * 64 * 64
    process = start(server, tmp_path, "good", preexec_fn=small)
    _, errors = process.communicate(timeout=60)
    message = errors.strip().splitlines()[-4:]
    assert process.returncode == 1 and "File too large" in message[0], errors
    assert "make room" in message[2] and 'source="sample"' in message[3]
    assert_nothing_half_written(tmp_path, server.data)
    prepare_from(server, tmp_path, "good")
    assert_whole(tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 100 kB; `remount(options)` changes it."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
        return LINUX and subprocess.run(command, capture_output=True).returncode == 0

    if not mount("-o", "size=100k"):
        pytest.skip("needs the right to mount a tmpfs (root on Linux)")
    yield folder, mount
    subprocess.run(["umount", str(folder)], check=True)


def test_disk_full(server, small_disk):
    folder, _ = small_disk
    assert len(server.data) < 100_000 < len(server.data) + 6 * PER_CLASS * 64 * 64
    with refused(folder, "No space left on device", server.data):
        prepare(data_set(f"{server.url}/good/f", checksum(server)), 64, folder)
    assert not list(folder.glob("*mednist-64/**/*.npy"))


def test_read_only_disk(server, small_disk):
    folder, mount = small_disk
    assert mount("-o", "remount,ro")
    with refused(folder, "Read-only file system"):
        prepare_from(server, folder, "good")
    assert not server.requests


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_read_only_folder(server, tmp_path):
    tmp_path.chmod(0o555)
    with refused(tmp_path, "Permission denied"):
        prepare_from(server, tmp_path, "good")


def test_too_little_space_is_seen_before_the_download(server, tmp_path, monkeypatch):
    monkeypatch.setattr("helpers.datasets.prepare.free_bytes", lambda folder: 10_000)
    with refused(tmp_path, "No space left"):
        prepare_from(server, tmp_path, "good")
    assert not server.requests


def test_data_folder_below_a_file(server, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with refused(tmp_path / "none", "mednist: "):
        prepare_from(server, file / "data", "good")


# --- archives that a server gave whole, yet are not what they should be --------------------------


def test_archive_of_truncated_pictures(server, tmp_path):
    files = tiny_mednist()
    server.data = targz({path: data[:-200] for path, data in files.items()})
    with refused(tmp_path, "30 of 30 pictures cannot be read", server.data):
        prepare_from(server, tmp_path, "good")
