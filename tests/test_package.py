"""The course as a wheel and as an editable installation, each used from a folder elsewhere."""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from helpers.checks import exercises
from helpers.packages import packages

COURSE = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None, reason="no hatchling to build with: make dev"
)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Environment:
    """An environment that holds the course; the other packages are those of this one."""

    def __init__(self, folder, kind):
        build = ("-m", "hatchling", "build", "--target", f"wheel:{kind}", "--directory", folder)
        run(sys.executable, *build, cwd=COURSE)
        (self.wheel,) = folder.glob("*.whl")
        run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
        self.python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        (self.site,) = (folder / "venv").rglob("site-packages")
        # Only the folder is put on the path: a .pth in it, as of an editable course, is not read.
        (self.site / "others.pth").write_text(sysconfig.get_path("purelib"))
        install = ("--no-index", "--no-deps", "--quiet", self.wheel)
        run(sys.executable, "-m", "pip", "--python", self.python, "install", *install)
        self.home = folder / "home"
        self.home.mkdir()

    def run(self, *arguments):
        """What Python prints, in a folder with nothing of the course in or above it."""
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith(("COURSE_", "PYTHON"))
        }
        home = {"HOME": str(self.home), "USERPROFILE": str(self.home)}
        return run(self.python, *arguments, cwd=self.home, env=environment | home)

    def values(self, code):
        """What the last line of what the code prints holds, as JSON."""
        return json.loads(self.run("-c", code).splitlines()[-1])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("wheel"), "standard")


@pytest.fixture(scope="module")
def editable(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("editable"), "editable")


def test_wheel_holds_the_library_the_tables_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel.wheel).namelist() if ".dist-info/" not in name}
    here = {
        path.relative_to(COURSE).as_posix()
        for folder in ("helpers", "data_scripts", "solutions/results")
        for path in (COURSE / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".lock"
    }
    here = {name for name in here if not name.startswith("helpers/authoring/")}
    assert names == {name.replace("solutions/results/", "helpers/_results/") for name in here}


def test_wheel_works_without_the_course_folder(wheel):
    before = {path for path in wheel.site.rglob("*") if path.suffix not in (".pyc", "")}
    code = """
import json
from helpers import places, runtime
from helpers.checks import check, exercises
from helpers.datasets import load
from helpers.packages import packages
from helpers.results import read_table

check("1.1", None)
print(json.dumps({
    "exercises": len(exercises()),
    "rows": len(read_table("01_bottleneck", source="real", profile="quick")),
    "seconds": runtime.estimate("01", speed=100),
    "sample": len(load("mnist", source="sample")["train"]),
    "packages": [list(package) for package in packages()],
    "missing": [package.name for package in packages() if package.is_missing],
    "data": str(places.course_data()),
}))"""
    found = wheel.values(code)
    assert found["exercises"] == len(exercises())
    assert found["rows"] > 0 and found["seconds"] > 0 and found["sample"] > 0
    assert found["missing"] == []
    assert {name for name, _ in found["packages"]} == {p.name.lower() for p in packages()}
    assert Path(found["data"]) == wheel.home / "anomaly-course" / "data"
    assert {path.name for path in wheel.home.iterdir()} <= {
        ".course-progress.json",  # beside the notebook
        ".course-progress.json.lock",
        "anomaly-course",
        ".cache",
    }
    assert {path for path in wheel.site.rglob("*") if path.suffix not in (".pyc", "")} == before


def test_wheel_brings_its_commands(wheel):
    plan = wheel.run("-m", "data_scripts.prepare", "mnist", "--dry-run")
    assert str(wheel.home / "anomaly-course" / "data" / "mnist-28") in plan
    code = """
import json
from helpers.doctor import CHECKS
looked = ("Packages", "Names", "Folder")
print(json.dumps({check.name: check.look() for check in CHECKS if check.name in looked}))"""
    found = wheel.values(code)
    assert [state for state, _ in found.values()] == ["ok"] * 3, found


def test_editable_installation_is_the_course_folder_itself(editable):
    names = [name for name in zipfile.ZipFile(editable.wheel).namelist() if "dist-info" not in name]
    assert len(names) == 1 and names[0].endswith(".pth")
    code = """
import json, data_scripts, helpers
from helpers import places
print(json.dumps([helpers.__file__, str(places.RESULTS), str(places.course_data())]))"""
    assert editable.values(code) == [
        str(COURSE / "helpers" / "__init__.py"),
        str(COURSE / "solutions" / "results"),
        str(COURSE / "data"),
    ]
