"""The doctor finds what is planted, and says what to do about it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from helpers import doctor, packages, places

COURSE = Path(__file__).parents[1]


def finding(name):
    """(state, what it found, remedy) of one check."""
    check = next(c for c in doctor.CHECKS if c.name == name)
    return (*check.look(), check.remedy)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course folder of its own, and none of the course's variables."""
    for name in [n for n in os.environ if n.startswith("COURSE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(places, "COURSE", tmp_path)
    return tmp_path


def test_healthy_environment(course, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(8e9))
    found = {check.name: (state, what) for check, state, what in doctor.diagnose()}
    found.pop("Port")  # somebody may be using it
    assert {state for state, _ in found.values()} == {"ok"}, found


# --- planted faults: name of the check, what it must find, a word of the remedy -----------------

Memory = namedtuple("Memory", "available")
Disk = namedtuple("Disk", "free")


def old_python(course, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1, "final", 0))
    monkeypatch.setattr("platform.python_version", lambda: "3.9.1")


def python_without_lzma(course, monkeypatch):
    monkeypatch.setitem(sys.modules, "lzma", None)


def course_found_from_here_alone(course, monkeypatch):
    monkeypatch.setattr(places, "is_installed", lambda: False)


def unusable_gpu(course, monkeypatch):
    from helpers import runtime

    monkeypatch.setattr(runtime, "_chosen", lambda: ["cpu", "CUDA error: no kernel image"])
    monkeypatch.setattr(runtime, "device", lambda: runtime._chosen()[0])


def misspelt_device(course, monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "gpu")


def other_environment(course, monkeypatch):
    (course / ".venv").mkdir()


def missing_package(course, monkeypatch):
    list_packages(course, monkeypatch, "no-such-package>=1.0")


def old_package(course, monkeypatch):
    list_packages(course, monkeypatch, "pytest>=999.1")


def list_packages(course, monkeypatch, requirement):
    (course / "pyproject.toml").write_text(f'[project]\ndependencies = ["{requirement}"]\n')
    monkeypatch.setattr(packages, "PYPROJECT", course / "pyproject.toml")


def broken_package(course, monkeypatch):
    list_packages(course, monkeypatch, "brokenlib>=1")
    (course / "brokenlib.py").write_text("raise OSError('DLL load failed')")
    monkeypatch.syspath_prepend(course)


def shadowing_file(course, monkeypatch):
    (course / "notebooks" / "torch.py").touch()


def own_helpers(course, monkeypatch):
    (course / "notebooks" / "helpers.py").touch()


def own_helpers_on_the_path(course, monkeypatch):
    """Before the course's package, as PYTHONPATH is before an editable installation."""
    (course / "scripts").mkdir()
    (course / "scripts" / "helpers.py").touch()
    monkeypatch.setattr(sys, "path", [str(COURSE), str(course / "scripts"), str(COURSE)])


def own_helpers_as_a_package(course, monkeypatch):
    (course / "helpers").mkdir()
    (course / "helpers" / "__init__.py").touch()
    monkeypatch.syspath_prepend(course)


def unseen_gpu(course, monkeypatch):
    tool = course / "nvidia-smi"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(course), prepend=os.pathsep)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)


def too_many_threads(course, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "512")


def little_memory(course, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(1.2e9))


def full_disk(course, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: Disk(4e8))


def folder_not_writable(course, monkeypatch):
    (course / "notebooks").rmdir()
    (course / "notebooks").write_text("")  # holds for root, too


def misspelt_profile(course, monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "fast")


def strict(course, monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")


def damaged_data(course, monkeypatch):
    folder = course / "data" / "mnist-28"
    folder.mkdir(parents=True)
    (folder / "train_images.npy").write_bytes(b"cut")
    files = {"train_images.npy": {"bytes": 47_040_128, "sha256": "0"}}
    (folder / "manifest.json").write_text(json.dumps({"files": files}))


def no_real_data(course, monkeypatch):
    monkeypatch.setenv("COURSE_SOURCE", "real")


def silent_mirror(course, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", f"http://127.0.0.1:{free_port()}")


def mirror_on_no_stick(course, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", str(course / "stick"))


def address_without_http(course, monkeypatch):
    monkeypatch.setenv("COURSE_MIRROR", "192.0.2.1:8000")


def misspelt_name(course, monkeypatch):
    monkeypatch.setenv("COURSE_MIROR", "http://192.0.2.1")


def unmounted_data(course, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(course / "stick"))


def other_name(course, monkeypatch):
    folder = course / "data" / "mnist-28 copy"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"files": {}, "name": "mnist", "size": 28}')


def set_proxy(monkeypatch, name, value):
    for other in [n for n in os.environ if n.lower().endswith("_proxy")]:
        monkeypatch.delenv(other)
    monkeypatch.setenv(name, value)


def a_proxy(course, monkeypatch):
    set_proxy(monkeypatch, "HTTP_PROXY", "http://me:secret@proxy:3128")


def socks_proxy(course, monkeypatch):
    set_proxy(monkeypatch, "ALL_PROXY", "socks5h://proxy:1080")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def no_bundle(course, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(course / "none.pem"))


def port_in_use(course, monkeypatch):
    port_in_use.server = socket.create_server(("127.0.0.1", 0))  # open while this refers to it
    monkeypatch.setattr(doctor, "PORT", port_in_use.server.getsockname()[1])


def widgets_disabled(course, monkeypatch):
    (course / "labconfig").mkdir()
    page = {"disabledExtensions": {doctor.MANAGER: True}}
    (course / "labconfig" / "page_config.json").write_text(json.dumps(page))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(course))


def widgets_missing(course, monkeypatch):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *parts: [str(course)])


def foreign_kernel(course, monkeypatch):
    spec = course / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = ["/opt/other/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv}))
    monkeypatch.setenv("JUPYTER_PATH", str(course))


def clock_at_the_epoch(course, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 86_400.0)


FAULTS = [
    (old_python, "Python", "broken", "3.9.1", "Install Python 3.11"),
    (python_without_lzma, "Python", "broken", "lacks lzma", "pyenv"),
    (course_found_from_here_alone, "Course", "note", "not from other folders", "pip install -e ."),
    (unusable_gpu, "Device", "note", "no kernel image", "COURSE_DEVICE=cpu"),
    (misspelt_device, "Settings", "broken", "'gpu', not one of cpu, cuda, mps", "COURSE_DEVICE"),
    (other_environment, "Environment", "note", "not the Python", ".venv/bin/python"),
    (missing_package, "Packages", "broken", "no-such-package is missing", "make env"),
    (old_package, "Packages", "broken", "older than 999.1", "make env"),
    (broken_package, "Imports", "broken", "DLL load failed", "make clean"),
    (shadowing_file, "Names", "broken", "torch.py", "Rename"),
    (own_helpers, "Names", "broken", "notebooks/helpers.py", "Rename"),
    (own_helpers_on_the_path, "Names", "broken", "scripts/helpers.py", "Rename"),
    (own_helpers_as_a_package, "Names", "broken", "helpers/__init__.py", "Rename"),
    (unseen_gpu, "Device", "note", "NVIDIA GPU", "driver"),
    (too_many_threads, "Threads", "note", "512", "Unset `OMP_NUM_THREADS`"),
    (little_memory, "Memory", "broken", "1.2 GB", "Shut Down All Kernels"),
    (full_disk, "Disk", "broken", "0.4 GB", "another disk"),
    (folder_not_writable, "Folder", "broken", "notebooks", "may write"),
    (misspelt_profile, "Settings", "broken", "'fast', not one of quick, full, smoke", "unset"),
    (strict, "Settings", "note", "stops the notebook", "unset"),
    (damaged_data, "Data", "broken", "mnist-28 (damaged)", "Move the folder"),
    (no_real_data, "Data", "broken", "holds none", "COURSE_SOURCE=sample"),
    (silent_mirror, "Mirror", "broken", "refused", "unset COURSE_MIRROR"),
    (mirror_on_no_stick, "Mirror", "broken", "no such folder", "instructor"),
    (address_without_http, "Mirror", "broken", "no http:// address", "http://"),
    (misspelt_name, "Settings", "broken", "COURSE_MIRROR is", "unset"),
    (unmounted_data, "Data", "note", "no such folder", "it is connected"),
    (other_name, "Data", "ok", "found only when called mnist-28", "make data"),
    (a_proxy, "Proxy", "ok", "http through http://proxy:3128", "NO_PROXY"),
    (socks_proxy, "Proxy", "broken", "pysocks is missing", "pip install pysocks"),
    (no_bundle, "Proxy", "broken", "which is not there", "REQUESTS_CA_BUNDLE"),
    (port_in_use, "Port", "note", "is in use", "PORT=8890"),
    (widgets_disabled, "Widgets", "broken", "disabled in", "labextension enable"),
    (widgets_missing, "Widgets", "broken", "has no", "force-reinstall"),
    (foreign_kernel, "Kernel", "broken", "/opt/other/bin/python", "kernelspec remove"),
    (clock_at_the_epoch, "Clock", "broken", "1970-01-0", "Set it"),
]


@pytest.mark.parametrize(
    ("plant", "name", "state", "what", "remedy"),
    FAULTS,
    ids=[plant.__name__ for plant, *_ in FAULTS],
)
def test_planted_fault_is_found_with_its_remedy(
    plant, name, state, what, remedy, course, monkeypatch
):
    plant(course, monkeypatch)
    found_state, found, found_remedy = finding(name)
    assert (found_state, what in found, remedy in found_remedy) == (state, True, True), found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_namesake_behind_the_course_is_no_fault(course, monkeypatch):
    (course / "helpers.py").touch()
    (course / "scripts" / "helpers").mkdir(parents=True)  # no __init__.py: any package goes first
    monkeypatch.setattr(sys, "path", [str(course / "scripts"), str(COURSE), str(course)])
    assert finding("Names")[0] == "ok"


# --- as a command -------------------------------------------------------------------------------


def run(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, *arguments, "-m", "helpers.doctor"],
        cwd=COURSE,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def test_command_ends_with_1_and_shows_the_remedy_under_the_problem():
    status, printed = run(COURSE_PROFILE="fast")
    lines = printed.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("broken   Settings"))
    assert status == 1 and "->  Unset the variable" in lines[at + 1] and "1 broken" in lines[-1]


def test_works_without_any_package():
    """-S hides site-packages: no torch, no numpy, no psutil, no Jupyter."""
    status, printed = run("-S", PYTHONPATH="")
    assert status == 1 and "torch is missing" in printed and "numpy is missing" in printed
    assert "Traceback" not in printed and "unknown  Memory" in printed
    assert len([line for line in printed.splitlines() if line[:1] not in (" ", "")]) > len(
        doctor.CHECKS
    )


def test_documents_show_the_table():
    assert doctor.table() in (COURSE / "docs/troubleshooting.md").read_text(encoding="utf-8")
