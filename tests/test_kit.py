"""The kit: the right wheels for each platform, and a real installation without any network, of a
lock that holds the course's build backend and one small package."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from data_scripts.kit import __main__ as kit
from data_scripts.kit import wheels
from data_scripts.kit.wheels import PLATFORMS, PYTHONS, KitError, needed
from helpers.checks import record
from helpers.places import COURSE

HERE = "{}.{}".format(*sys.version_info)
LOCK = wheels.pins((COURSE / "locks" / "requirements.txt").read_text(encoding="utf-8"))
# The build backend with all that it needs, and a small package.
SMALL = ("hatchling", "packaging", "pathspec", "pluggy", "trove-classifiers", "tqdm")


def names(platform, python, lock=LOCK):
    return {pin.name for part in needed(lock, PLATFORMS[platform], python) for pin in part}


def test_the_lock_is_read_whole():
    text = (COURSE / "locks" / "requirements.txt").read_text(encoding="utf-8")
    assert sum(len(pin.hashes) for pin in LOCK) == text.count("--hash=")
    assert all(pin.hashes and pin.version[0].isdigit() for pin in LOCK)
    assert wheels.pins("\n".join(pin.text for pin in LOCK)) == LOCK


@pytest.mark.parametrize("python", PYTHONS)
def test_each_platform_gets_what_its_markers_say(python):
    for platform in PLATFORMS:
        own = names(platform, python)
        assert {"torch", "numpy", "jupyterlab", "hatchling"} <= own
        assert ("pywinpty" in own) == (platform == "windows")
        assert ("appnope" in own) == (platform == "macos")
        assert any(wheels.CUDA.fullmatch(name) for name in own) == platform.startswith("linux")


def test_both_sides_of_a_marker_on_the_third_number_are_taken():
    lock = wheels.pins(
        "a==1 ; python_full_version < '3.11.5' \\\n    --hash=sha256:0\n"
        "a==2 ; python_full_version >= '3.11.5' \\\n    --hash=sha256:1\n"
    )
    parts = needed(lock, PLATFORMS["linux"], "3.11")
    assert [[pin.version for pin in part] for part in parts] == [["2"], ["1"]]
    assert len(needed(lock, PLATFORMS["linux"], "3.12")) == 1


def test_with_cpu_builds_no_cuda_is_wanted_and_their_own_hashes_hold(tmp_path):
    for python in ("cp311", "cp312"):
        path = tmp_path / f"torch-2.15.0+cpu-{python}-{python}-manylinux_2_28_x86_64.whl"
        path.write_text(python)
    found = wheels.pins(wheels.list_for(LOCK, tmp_path))
    (torch,) = [pin for pin in found if pin.name in wheels.TORCH]
    assert torch.version == "2.15.0+cpu" and len(torch.hashes) == 2
    assert f"sha256:{hashlib.sha256(b'cp312').hexdigest()}" in torch.hashes
    assert not any(wheels.CUDA.fullmatch(pin.name) for pin in found)
    rest = {pin.name for pin in LOCK if not wheels.CUDA.fullmatch(pin.name)} - wheels.TORCH
    assert {pin.name for pin in found} == rest | {"torch"}


def test_cpu_builds_are_downloaded_from_where_uv_finds_them(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(wheels, "pip", lambda platform, python, folder, *what: calls.append(what))
    wheels.download(LOCK, "linux", "3.12", tmp_path, "https://example.org/cpu")
    version = next(pin.version for pin in LOCK if pin.name == "torch")
    assert calls[0][:2] == ("--index-url", "https://example.org/cpu")
    assert f"torch=={version}" in calls[0] and all("--require-hashes" in c for c in calls[1:])

    answer = subprocess.CompletedProcess([], 0, "torch==1+cpu\n    # from https://a.org/whl/cpu\n")
    monkeypatch.setattr(wheels.subprocess, "run", lambda *a, **k: answer)
    assert wheels.cpu_index(LOCK) == "https://a.org/whl/cpu"
    answer.returncode = 1
    assert wheels.cpu_index(LOCK) is None


# --- a kit of a few packages ----------------------------------------------------------------------


def packed(name, folder):
    """A wheel of a pure-Python package of this environment."""
    found = distribution(name)
    title = f"{found.name.replace('-', '_')}-{found.version}"
    path = folder / f"{title}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file in found.files:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                wheel.write(file.locate(), str(file))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A kit, made without a network: pip finds the packages in a folder."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("no hatchling to install the course with: make dev")
    root = tmp_path_factory.mktemp("kit")
    (root / "index").mkdir()
    lines = []
    for name in SMALL:
        wheel = packed(name, root / "index")
        value = hashlib.sha256(wheel.read_bytes()).hexdigest()
        version = distribution(name).version
        lines.append(f"{name}=={version} \\\n    --hash=sha256:{value}\n")
    lines.append("pywinpty==1 ; os_name == 'nt' \\\n    --hash=sha256:0\n")
    (root / "lock.txt").write_text("".join(lines))
    data = root / "prepared"
    data.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(root / "index"))
        arguments = [root / "a kit", "--lock", root / "lock.txt", "--root", data]
        arguments += ["--platforms", "linux", "--pythons", HERE]
        assert kit.main([str(a) for a in arguments]) == 0
    return root / "a kit"


def test_a_kit_holds_the_course_and_no_work_of_anybody(made):
    course = made / "course"
    assert (course / "notebooks" / "01_autoencoder_basics.ipynb").exists()
    assert (course / "helpers" / "checks" / "module_01.toml").exists()
    assert (course / "solutions" / "results" / "timings.json").exists()
    assert not list(course.rglob("__pycache__")) and not list(course.rglob(".course-*"))
    assert not (course / "tests").exists() and not (course / ".venv").exists()


def test_what_runs_of_notebooks_wrote_is_left_out(tmp_path, monkeypatch):
    course = tmp_path / "course"
    for name in kit.COPIED:
        place = course / name
        place.mkdir(parents=True) if (COURSE / name).is_dir() else place.touch()
    sources = [path.read_text(encoding="utf-8") for path in (COURSE / "solutions").glob("*.py")]
    written = {name for text in sources for name in re.findall(r'output_path\("(.+?)"\)', text)}
    written |= {record.FILE, record.SCORES, f"{record.SCORES}.lock", "06_map.png", "my scans"}
    assert {"05_decoder.pt", "05_losses.csv", "05_model_card.md"} < written
    for folder in ("notebooks", "solutions"):
        for name in (*written, "05_topic.ipynb"):
            (course / folder / name).touch()
        (course / folder / "scans").mkdir()
    for name in ("notebooks/README.md", "solutions/05_topic.py", "solutions/results/05_share.json"):
        (course / name).parent.mkdir(exist_ok=True)
        (course / name).touch()
    monkeypatch.setattr(kit, "COURSE", course)
    kit.copy_course(tmp_path / "copy")
    folders = [tmp_path / "copy" / name for name in ("notebooks", "solutions")]
    found = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert found == [["05_topic.ipynb", "README.md"], ["05_topic.ipynb", "05_topic.py", "results"]]
    assert (folders[1] / "results" / "05_share.json").exists()


def test_links_of_a_kits_pages_lead_somewhere(made):
    pages = sorted((made / "course").rglob("*.md"))
    assert len(pages) > 10
    for page in pages:
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
        own = [link for link in links if "://" not in link]
        assert not [link for link in own if not (page.parent / link).exists()], page.name


def test_the_sheet_fits_on_a_page_and_says_what_is_there(made):
    raw = (made / "README.txt").read_bytes()
    lines = raw.decode().splitlines()
    assert b"{" not in raw and len(lines) <= 60 and max(map(len, lines)) <= 100
    text = "\n".join(lines)
    assert f"Python {HERE} (no other version will do)" in text and "Packages for Linux\n" in text
    assert "offline samples" in text and "PyTorch" not in text  # it is not in this lock
    assert b"\r\n" in (made / "start.bat").read_bytes()
    assert b"\r" not in (made / "start.command").read_bytes()
    assert os.access(made / "start.sh", os.X_OK)


def offline(*command, **options):
    """Run a command where no network is, if this system can take it away."""
    cut = ["unshare", "--map-root-user", "--net"]
    works = shutil.which("unshare") and not subprocess.run([*cut, "true"]).returncode
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON", "COURSE_"))}
    return subprocess.run(
        [*(cut if works else []), *map(str, command)],
        capture_output=True,
        text=True,
        env=clean | options.pop("env", {}),
        **options,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the kit of this test is for Linux")
def test_it_installs_without_a_network_and_keeps_what_a_learner_wrote(made, tmp_path):
    folder = tmp_path / "my course"
    start = (sys.executable, made / "start.py", "--folder", folder, "--no-lab")
    done = offline(*start)
    assert done.returncode == 0, done.stdout + done.stderr
    python = folder / ".venv" / "bin" / "python"
    code = "import tqdm, helpers.places as p; print(p.is_installed(), p.COURSE)"
    assert offline(python, "-c", code, cwd=tmp_path).stdout.split("\n")[0] == f"True {folder}"

    notebook = folder / "notebooks" / "01_autoencoder_basics.ipynb"
    notebook.write_text("my answers")
    again = offline(*start)
    assert again.returncode == 0 and "Installing" not in again.stdout
    assert notebook.read_text() == "my answers"


def test_the_starter_finds_a_python_of_the_kit(made, tmp_path):
    stub = tmp_path / f"python{HERE}"
    stub.write_text('#!/bin/sh\n[ "$1" = -c ] || echo "$0 $*"\n')
    stub.chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", made / "start.sh", "--no-lab"], env=path, capture_output=True, text=True
    )
    assert done.stdout == f"{stub} {made}/start.py --no-lab\n"
    stub.unlink()
    (made / "wheels" / "pythons.txt").write_text("3.0\n")
    try:
        done = subprocess.run(["sh", made / "start.sh"], env=path, capture_output=True, text=True)
        assert done.returncode == 1 and "No Python of these versions" in done.stdout
        done = subprocess.run([sys.executable, made / "start.py"], capture_output=True, text=True)
        assert done.returncode == 1 and "the kit is for 3.0" in done.stderr
    finally:
        (made / "wheels" / "pythons.txt").write_text(f"{HERE}\n")


def test_what_pip_cannot_find_is_said_and_nothing_is_called_ready(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    lock = tmp_path / "lock.txt"
    lock.write_text("no-such-package==1 \\\n    --hash=sha256:0\n")
    arguments = [str(tmp_path / "kit"), "--lock", str(lock), "--root", str(tmp_path / "none")]
    assert kit.main([*arguments, "--platforms", "windows", "--pythons", "3.12"]) == 1
    printed = capsys.readouterr()
    assert "no-such-package" in printed.err and "ready" not in printed.out
    with pytest.raises(KitError, match="no-such-package"):
        pins = wheels.pins(lock.read_text())
        wheels.download(pins, "windows", "3.12", tmp_path)


def test_nothing_in_start_needs_a_package(tmp_path):
    """It runs before anything is installed."""
    start = Path(kit.__file__).parent / "start.py"
    done = subprocess.run([sys.executable, "-I", "-S", start, "--help"], capture_output=True)
    assert done.returncode == 0
