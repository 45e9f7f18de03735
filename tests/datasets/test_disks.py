"""Disks that are not a laptop's: no locks, no mmap, read-only, of other users; and a class."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from faults import targz, tiny_mednist
from filelock import FileLock

from data_scripts import mirror, prepare
from helpers.datasets import DataError, download, load, offline, store

COURSE = Path(__file__).parents[2]
# `make test` has two cores; COURSE_CLASS_SIZE=30 is a class of thirty
CLASS_SIZE = int(os.environ.get("COURSE_CLASS_SIZE", 4))


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "MedNIST.tar.gz"
    path.write_bytes(targz(tiny_mednist()))
    return path


@pytest.fixture
def root(tmp_path, archive):
    root = tmp_path / "data"
    assert prepare.main(["mednist", "--archive", str(archive), "--root", str(root)]) == 0
    return root


def left_over(root):
    return [p.name for p in root.iterdir() if p.suffix in (".part", ".old") or "holder" in p.name]


# --- locks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_disk_without_locks(tmp_path, archive, monkeypatch, capsys, number):
    fcntl = pytest.importorskip("fcntl", reason="Windows has locks of another kind")

    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    root = tmp_path / "data"
    assert prepare.main(["mednist", "--archive", str(archive), "--root", str(root)]) == 0
    assert "no file lock can be had" in capsys.readouterr().out
    assert len(load("mednist", root=root)["all"]) == 30 and not left_over(root)


def test_lock_service_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SILENT", 0.2)
    monkeypatch.setattr(FileLock, "acquire", lambda *_, **__: time.sleep(3))
    with store.locked(tmp_path / "mnist-28", "mnist") as held:
        assert not held


def test_lock_is_let_go_and_waited_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(store, "POLL", 0.05)
    folder, order = tmp_path / "mnist-28", []

    def second():
        with store.locked(folder, "mnist") as held:
            order.append(("second", held))

    with store.locked(folder, "mnist") as held:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.4)
        order.append(("first", held))
    thread.join(10)
    assert order == [("first", True), ("second", True)]
    assert f"process {os.getpid()} on " in capsys.readouterr().out


def test_waiting_ends_with_the_process_that_is_waited_for(tmp_path, monkeypatch):
    """A network disk may keep the lock of a process that is gone."""
    monkeypatch.setattr(store, "POLL", 0.02)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with FileLock(tmp_path / ".mnist-28.lock"):
        (tmp_path / ".mnist-28.holder.lock").write_text(f"{store._host()} {gone.pid}")
        with store.locked(tmp_path / "mnist-28", "mnist") as held:
            assert not held


def test_waiting_for_a_living_process_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "POLL", 0.02)
    monkeypatch.setattr(store, "LONGEST", 0.1)
    with (
        FileLock(tmp_path / ".mnist-28.lock"),
        pytest.raises(DataError, match="for an hour"),
        store.locked(tmp_path / "mnist-28", "mnist"),
    ):
        pass


def test_two_writers_without_a_lock_do_each_other_no_harm(tmp_path, monkeypatch):
    folder = tmp_path / "mednist-64"
    folder.mkdir()
    (folder / "first").touch()
    part = store.own(folder, ".part")
    part.mkdir()
    (part / "mine").touch()
    rename = Path.rename

    def between(path, target):  # the other puts its own there when ours has just taken the old away
        moved = rename(path, target)
        if path == folder and not (tmp_path / "done").exists():
            (tmp_path / "done").touch()
            folder.mkdir()
            (folder / "theirs").touch()
        return moved

    monkeypatch.setattr(Path, "rename", between)
    store.replace_folder(part, folder)
    assert [p.name for p in folder.iterdir()] == ["mine"] and not left_over(tmp_path)


def test_only_what_dead_processes_left_is_swept(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = store._host()
    names = {f".oct-64.{host}-{gone.pid}.part": False, ".oct-64.part": False}
    names |= {f".oct-64.{host}-{os.getppid()}.part": True, ".oct-64.other-9.part": True}
    for name in names:
        (tmp_path / name).mkdir()
    store._sweep(tmp_path / "oct-64")
    assert {name: (tmp_path / name).exists() for name in names} == names


# --- mapping, rights, room -----------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EINVAL, errno.ENOMEM])
def test_disk_without_mmap(root, monkeypatch, capsys, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    mapped = load("mednist", root=root)["all"].images
    monkeypatch.setattr("mmap.mmap", refuse)
    images = load("mednist", source="real", root=root)["all"].images
    np.testing.assert_array_equal(images, mapped)
    assert not images.flags.writeable and not isinstance(images, np.memmap)
    assert "cannot map files" in capsys.readouterr().out


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_fault_of_the_disk_is_not_called_damage(root, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number), "file")

    monkeypatch.setattr(np, "load", refuse)
    with pytest.raises(DataError, match=os.strerror(number)) as caught:
        load("mednist", source="real", root=root)
    assert "damaged" not in str(caught.value) and "delete" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_files_are_readable_as_their_folder_is(tmp_path, archive):
    root = tmp_path / "shared"
    root.mkdir()
    root.chmod(0o755)
    before = os.umask(0o077)
    try:
        assert prepare.main(["mednist", "--archive", str(archive), "--root", str(root)]) == 0
    finally:
        os.umask(before)
    for path in (root / "mednist-64", *(root / "mednist-64").iterdir()):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_folder_that_may_not_be_read_is_named(root):
    """As another user, since root may read all."""
    code = """
import os, sys
from pathlib import Path
from helpers.datasets import DataError, load
if not os.getuid(): os.setuid(65534)
try: load("mednist", source="real", root=sys.argv[1])
except DataError as error: print(error)
"""
    (root / "mednist-64").chmod(0)
    for folder in (root, *root.parents[:3]):
        with_others = folder.stat().st_mode | 0o755
        folder.chmod(with_others)
    try:
        done = run("-c", code, root)
    finally:
        (root / "mednist-64").chmod(0o755)
    assert "Permission denied" in done.stdout and "set COURSE_DATA" in done.stdout, done.stderr


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(COURSE), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def test_prepared_data_on_a_read_only_disk_need_no_lock(root, monkeypatch):
    monkeypatch.setattr(store, "locked", lambda *_: pytest.fail("asked for a lock"))
    assert prepare.main(["mednist", "--root", str(root)]) == 0


def test_sample_that_cannot_be_kept_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(offline, "ENOUGH", 0)
    (tmp_path / "samples").write_text("")
    offline.sample.cache_clear()
    assert load("mnist", source="sample", root=tmp_path)["train"]
    assert "kept in memory only" in capsys.readouterr().out
    offline.sample.cache_clear()


def test_full_stick(root, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    assert mirror.main([str(tmp_path / "stick"), "--root", str(root)]) == 1
    error = capsys.readouterr().err
    assert "No space left" in error and "make room" in error and len(error.splitlines()) <= 4
    assert not left_over(tmp_path / "stick")


def test_free_space_of_a_drive_that_is_not_there(monkeypatch):
    def missing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(shutil, "disk_usage", missing)
    assert download.free_bytes(Path("/none/at/all")) is None


def test_error_of_shutil_is_one_line():
    error = download.disk_error(
        shutil.Error([("a", "b", "[Errno 5] Input/output error")]), Path("/x"), "mnist"
    )
    assert str(error).splitlines()[:2] == ["mnist: [Errno 5] Input/output error.", "  Where: b"]


def test_md5_on_a_machine_in_fips_mode(tmp_path, monkeypatch):
    new = hashlib.new

    def fips(name, data=b"", *, usedforsecurity=True):
        if name == "md5" and usedforsecurity:
            raise ValueError("[digital envelope routines] unsupported")
        return new(name, data, usedforsecurity=usedforsecurity)

    monkeypatch.setattr(hashlib, "new", fips)
    (tmp_path / "empty").touch()
    assert download.matches(tmp_path / "empty", "md5:d41d8cd98f00b204e9800998ecf8427e")


def test_names_that_are_no_text_are_written_and_shown(tmp_path):
    with store.writing(tmp_path / "oct-64") as out:
        out.add("all", np.zeros((1, 1, 8, 8), np.uint8), [0])
        out.leave_out(1, "a file", ["caf\udce9.png", "\ud800"])
        out.finish(("\udce9",), {"name": "oct", "size": 8, "kind": "real", "origin": "\udce9"})
    manifest = json.loads((tmp_path / "oct-64" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["left_out"][0]["examples"][0].startswith("caf\ufffd")
    assert store.read(tmp_path / "oct-64", "oct")["all"].classes == ("\ufffd" * 3,)
    str(DataError("caf\udce9", "\ud800", "", "oct")).encode("utf-8")


# --- a class -------------------------------------------------------------------------------------

LEARNER = """
import os, resource, sys
from helpers.banner import Banner
from helpers.checks import check
from helpers.datasets import load
def mine(x, x_hat): return (x - x_hat).square().mean(dim=(1, 2, 3))
assert load("mednist", source="real")["all"].source == "real"
assert len(load("mnist", source="sample")["train"]) == 1297
assert check("1.4", mine) is mine
Banner("done").show()
print("MEMORY", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a read-only disk is mounted on Linux only")
def test_a_class_on_one_read_only_course_folder(root, tmp_path):
    course = tmp_path / "course"
    course.mkdir()
    mounted = not subprocess.run(
        ["mount", "-t", "tmpfs", "tmpfs", str(course)], capture_output=True
    ).returncode
    try:
        for part in ("helpers", "data_scripts", "pyproject.toml", "solutions/results"):
            copy = shutil.copytree if (COURSE / part).is_dir() else shutil.copy
            (course / part).parent.mkdir(exist_ok=True)
            copy(COURSE / part, course / part)
        (course / "notebooks").mkdir()
        shutil.copytree(root, course / "data")
        if mounted:
            subprocess.run(["mount", "-o", "remount,ro", str(course)], check=True)
        else:
            for path in (course, *course.rglob("*")):
                path.chmod(path.stat().st_mode & 0o555)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COURSE_")}
        environment |= {"PYTHONPATH": str(course), "OMP_NUM_THREADS": "1"}
        start = time.monotonic()
        learners = [
            subprocess.Popen(
                [sys.executable, "-c", LEARNER],
                cwd=course / "notebooks",
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for _ in range(CLASS_SIZE)
        ]
        printed = [learner.communicate(timeout=300)[0] for learner in learners]
        seconds = time.monotonic() - start
    finally:
        if mounted:
            subprocess.run(["umount", str(course)], check=True)
        else:
            for path in (course, *course.rglob("*")):
                path.chmod(0o755)
    for learner, text in zip(learners, printed, strict=True):
        assert learner.returncode == 0 and "done" in text and "real data" in text, text
    memory = [int(text.split("MEMORY ")[1]) for text in printed]
    print(f"{CLASS_SIZE} learners: {seconds:.0f} s, at most {max(memory)} MB each")
