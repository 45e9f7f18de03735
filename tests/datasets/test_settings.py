"""No setting is passed over in silence, and a network that stands in between is named."""

import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from faults import Handler, refused, targz, tiny_mednist

from data_scripts import check, mirror, prepare
from helpers import places
from helpers.datasets import DATA_SETS, DataError, download, load, store

COURSE = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path):
    archive, root = tmp_path / "MedNIST.tar.gz", tmp_path / "data"
    archive.write_bytes(targz(tiny_mednist()))
    assert prepare.main(["mednist", "--archive", str(archive), "--root", str(root)]) == 0
    return root


# --- folders and addresses -----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["scans", '"scans"', " scans ", "./scans", "$PLACE"])
def test_relative_folder_lies_in_the_course(tmp_path, monkeypatch, text):
    monkeypatch.setenv("PLACE", "scans")
    monkeypatch.setenv("COURSE_DATA", text)
    monkeypatch.chdir(tmp_path)
    assert places.course_data() == COURSE / "scans"


@pytest.mark.parametrize(
    "where",
    ["127.0.0.1:8000", "localhost:8000", "/media/none", "ftp://host/x", "http://", "http://h:port",
     "http://[::1", "file:///media/stick", "none"],
)  # fmt: skip
def test_mirror_that_is_none_stops_the_download(tmp_path, monkeypatch, capsys, where):
    monkeypatch.setenv("COURSE_MIRROR", where)
    monkeypatch.setattr("helpers.datasets.bring", lambda *_: pytest.fail("downloads"))
    with refused(tmp_path, "COURSE_MIRROR is "):
        load("mnist", source="real", root=tmp_path)
    load("mnist", root=tmp_path)
    assert f"COURSE_MIRROR is {where!r}" in capsys.readouterr().out
    assert prepare.main(["mnist", "--dry-run", "--root", str(tmp_path)]) == 1


def test_stick_without_the_set(tmp_path, root, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", str(root))
    with refused(tmp_path / "fresh", "does not hold mnist-28; it holds mednist-64"):
        load("mnist", source="real", root=tmp_path / "fresh")


def test_prepare_takes_what_the_stick_has(tmp_path, root, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", str(root))
    assert prepare.main(["mednist", "--root", str(tmp_path / "fresh")]) == 0
    store.check(tmp_path / "fresh" / "mednist-64")


def test_misspelt_name_and_value(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_MIROR", "http://x")
    load("mnist", source="sample")
    assert "COURSE_MIROR is no setting; COURSE_MIRROR is." in capsys.readouterr().out
    monkeypatch.setenv("COURSE_SOURCE", "reel")
    with pytest.raises(ValueError, match="COURSE_SOURCE is 'reel'; it must be one of auto, real"):
        load("mnist")


def test_other_size_and_folder_that_is_not_there_are_said(tmp_path, root, monkeypatch, capsys):
    (root / "mednist-64").rename(root / "mednist-64 copy")
    here = replace(DATA_SETS["mednist"], sample="digits")
    monkeypatch.setitem(DATA_SETS, "mednist", here)
    load("mednist", root=root)
    assert "not mednist-64, but mednist-64 copy (64 px)" in capsys.readouterr().out
    load("mednist", root=tmp_path / "stick")
    assert "no such folder" in " ".join(capsys.readouterr().out.split())
    assert check.main(["--root", str(root)]) == 0
    assert "under the name mednist-64 only" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "size"), [("mnist", 28), ("oct", 64)])
def test_folder_of_another_set_is_told_apart(root, name, size):
    (root / "mednist-64").rename(root / f"{name}-{size}")
    with pytest.raises(DataError, match="holds mednist at 64 pixels, under another name") as caught:
        load(name, source="real", root=root)
    assert "delete" not in str(caught.value)


def test_arrays_of_another_size_are_told(root, monkeypatch):
    monkeypatch.setattr(store, "read_manifest", with_size(store.read_manifest))
    with pytest.raises(DataError, match="not of 32 pixels"):
        store.read(root / "mednist-64", "mednist", 32)


def with_size(read):
    return lambda folder, name, size: {**read(folder, name), "size": size}


# --- the mirror ----------------------------------------------------------------------------------


def test_mirror_refreshes_what_changed(tmp_path, root, monkeypatch, capsys):
    stick = tmp_path / "stick"
    assert mirror.main([str(stick), "--root", str(root)]) == 0
    assert mirror.main([str(stick), "--root", str(root)]) == 0
    assert capsys.readouterr().out.count("copied") == 1
    files = tiny_mednist()
    files.pop("MedNIST/Hand/000000.jpeg")
    (tmp_path / "new.tar.gz").write_bytes(targz(files))
    arguments = ["mednist", "--archive", str(tmp_path / "new.tar.gz"), "--root", str(root)]
    assert prepare.main(arguments) == 0
    assert mirror.main([str(stick), "--root", str(root)]) == 0
    assert len(load("mednist", root=stick)["all"]) == 29
    monkeypatch.setenv("COURSE_MIRROR", str(stick))  # and so does a learner's copy of it
    prepare.main(["mednist", "--root", str(tmp_path / "fresh")])
    assert len(load("mednist", root=tmp_path / "fresh")["all"]) == 29
    monkeypatch.setenv("COURSE_MIRROR", str(root))
    (tmp_path / "old.tar.gz").write_bytes(targz(tiny_mednist()))
    arguments[2] = str(tmp_path / "old.tar.gz")
    assert prepare.main(arguments) == 0
    prepare.main(["mednist", "--root", str(tmp_path / "fresh")])
    assert len(load("mednist", root=tmp_path / "fresh")["all"]) == 30


def test_mirror_goes_on_after_a_damaged_set(tmp_path, root, monkeypatch, capsys):
    for size in (16, 32):
        shutil.copytree(root / "mednist-64", root / f"mednist-{size}")
        labels = root / f"mednist-{size}" / "all_labels.npy"
        labels.write_bytes(labels.read_bytes()[:-1] + b"x")
    served = []
    monkeypatch.setattr(mirror, "serve", lambda *given: served.append(given))
    stick = tmp_path / "stick"
    assert mirror.main([str(stick), "--root", str(root), "--serve", "0"]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("all_labels.npy is damaged (wrong sha256 sum)") == 2
    assert f"{stick} holds mednist-64." in captured.out and served == [(stick, 0)]
    store.check(stick / "mednist-64")
    with pytest.raises(DataError, match="damaged"):  # so that no kit is made without it
        mirror.copy(root, tmp_path / "kit")
    shutil.rmtree(root / "mednist-64")
    assert mirror.main([str(tmp_path / "other"), "--root", str(root)]) == 1
    assert "Nothing to mirror" not in capsys.readouterr().err


def test_mirror_that_is_gone_leaves_what_is_there(root, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_MIRROR", "http://127.0.0.1:9")
    assert prepare.main(["mednist", "--root", str(root)]) == 0
    assert "stays as it is" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["busy", 70000])
def test_port_that_cannot_be_had(tmp_path, root, capsys, port):
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1] if port == "busy" else port
        arguments = [str(tmp_path / "m"), "--root", str(root), "--serve", str(port)]
        assert mirror.main(arguments) == 1
    error = capsys.readouterr().err
    assert f"port {port}" in error and "choose another" in error and len(error.splitlines()) == 3


# --- what stands between -------------------------------------------------------------------------


@pytest.fixture
def no_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HTTP_PROXY", "http://me:secret@127.0.0.1:9", "cannot be reached"),
        ("ALL_PROXY", "socks5h://127.0.0.1:9", "pip install pysocks"),
    ],
)
def test_proxy_is_named(tmp_path, no_proxies, monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("COURSE_MIRROR", "http://192.0.2.1:8000")
    with refused(tmp_path, f"{words}.* the proxy .*127.0.0.1:9"):
        try:
            load("mnist", source="real", root=tmp_path)
        except DataError as error:
            assert "NO_PROXY" in str(error) and "secret" not in str(error)
            raise


def test_no_proxy_is_respected(no_proxies, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "192.0.2.1")
    assert download.proxy_of("http://192.0.2.1:8000/x") == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (requests.exceptions.SSLError("self-signed"), "no trusted certificate"),
        (requests.ConnectionError("Failed to resolve 'nowhere'"), "DNS"),
        (requests.ConnectionError("[Errno 11001] getaddrinfo failed"), "DNS"),
        (requests.exceptions.JSONDecodeError("x", "<html>", 0), "log-in"),
    ],
)
def test_network_in_words(no_proxies, error, words):
    assert words in download.in_words(error, "http://nowhere/")


def test_certificate_file_that_is_not_there(tmp_path, no_proxies, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("COURSE_MIRROR", "https://127.0.0.1:9")
    with refused(tmp_path, "certificate bundle"):
        load("mnist", source="real", root=tmp_path)


def test_inspected_connection_has_its_advice():
    todo = download.network_todo(download.CERTIFICATE, "https://x/", "try later")
    assert "REQUESTS_CA_BUNDLE" in todo and todo.startswith("try later")


def test_log_in_page_in_place_of_the_mirror(tmp_path, server, monkeypatch):
    monkeypatch.setattr(Handler, "do_GET", Handler.html)
    monkeypatch.setenv("COURSE_MIRROR", server.url)
    with refused(tmp_path, "log-in"):
        load("mnist", source="real", root=tmp_path)


# --- the console ---------------------------------------------------------------------------------


def test_prepare_prints_on_any_console(tmp_path):
    files = {f"in/{c}/{i}.jpeg": b for c, i, b in pictures()}
    (tmp_path / "in.tar.gz").write_bytes(targz(files))
    done = subprocess.run(
        [sys.executable, "-m", "data_scripts.prepare", "oct", "--archive", tmp_path / "in.tar.gz",
         "--root", tmp_path / "data"],
        cwd=COURSE, capture_output=True, timeout=120,
        env={"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0", "PYTHONPATH": str(COURSE)},
    )  # fmt: skip
    assert done.returncode == 0 and b"left out" in done.stdout, done.stderr


def pictures():
    from faults import jpeg

    for c, name in enumerate(("正常", "normal")):
        yield from ((name, i, jpeg(100 * c + i)) for i in range(40))
    yield "正常", 99, jpeg(0)
