"""pyproject.toml holds the one list of dependencies; all other files must agree with it."""

import ast
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from helpers.authoring import launch

COURSE = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
SUPPORTED = ("3.11", "3.12", "3.13")
CONDA_TO_PYPI = {"pytorch": "torch", "pytorch-cpu": "torch"}
EXTRAS = {  # imported only where that extra or group is there
    "data_scripts/kit/wheels.py": "dev",
    "helpers/authoring/nbgrader/config.py": "nbgrader",
    "helpers/results/cluster.py": "cluster",
    "helpers/datasets/dicom.py": "dicom",
}
IMPORT_TO_PYPI = {
    "PIL": "pillow",
    "jupyter_core": "jupyterlab",  # comes with it, like the next two
    "jupyterlab_server": "jupyterlab",
    "websocket": "jupyterlab",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "xdist": "pytest-xdist",
    "yaml": "pyyaml",
}


def required(*groups):
    """{name: specifier} of the learner's dependencies and of the named extras."""
    lines = [*PROJECT["dependencies"]]
    for group in groups:
        extras = PROJECT["optional-dependencies"] | PYPROJECT["dependency-groups"]
        lines += extras[group]
    return {canonicalize_name(r.name): r.specifier for r in map(Requirement, lines)}


def locked(name):
    """[(requirement, its hashes)] of a lock file."""
    text = (COURSE / "locks" / name).read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "")
    entries = []
    for line in text.splitlines():
        requirement, *hashes = line.split("--hash=")
        entries.append((Requirement(requirement.strip()), hashes))
    return entries


def conda(name):
    """{name as on PyPI: version part} of a conda environment file."""
    listed = yaml.safe_load((COURSE / name).read_text(encoding="utf-8"))["dependencies"]
    parts = [re.fullmatch(r"([a-z0-9-]+)(.*)", line).groups() for line in listed]
    return {CONDA_TO_PYPI.get(package, package): version for package, version in parts}


@pytest.mark.parametrize(
    ("lock", "groups"), [("requirements.txt", ()), ("requirements-dev.txt", ("dev",))]
)
def test_lock_satisfies_pyproject_on_every_supported_system(lock, groups):
    entries = locked(lock)
    for python in SUPPORTED:
        for system, os_name in [("linux", "posix"), ("darwin", "posix"), ("win32", "nt")]:
            machine = {
                "python_version": python,
                "python_full_version": f"{python}.9",
                "sys_platform": system,
                "os_name": os_name,
            }
            here = [r for r, _ in entries if not r.marker or r.marker.evaluate(machine)]
            versions = {canonicalize_name(r.name): str(r.specifier) for r in here}
            assert len(versions) == len(here), "a package is locked twice for one system"
            for name, specifier in required(*groups).items():
                assert name in versions, f"{name} is not in {lock}: run `make lock`"
                version = versions[name].removeprefix("==")
                assert specifier.contains(version), f"{name} {version} in {lock}: run `make lock`"


@pytest.mark.parametrize(
    "lock", ["requirements.txt", "requirements-dev.txt", "requirements-site.txt"]
)
def test_lock_is_exact_hashed_and_names_no_registry(lock):
    for requirement, hashes in locked(lock):
        assert str(requirement.specifier).startswith("=="), requirement
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", h) for h in hashes), requirement
    text = (COURSE / "locks" / lock).read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index|--find-links", text)


def test_maintainers_lock_has_the_learners_versions():
    learner = {str(requirement) for requirement, _ in locked("requirements.txt")}
    assert learner <= {str(requirement) for requirement, _ in locked("requirements-dev.txt")}


def test_build_backend_is_locked_for_everyone():
    """`make env` builds the editable installation with it, and Binder does."""
    backend = PYPROJECT["build-system"]["requires"]
    assert PYPROJECT["dependency-groups"]["build"] == backend
    versions = {canonicalize_name(r.name): r.specifier for r, _ in locked("requirements.txt")}
    for requirement in map(Requirement, backend):
        assert requirement.specifier.contains(str(versions[requirement.name]).removeprefix("=="))


def test_conda_environment_is_pyprojects_list():
    environment = conda("environment.yml")
    assert SpecifierSet(environment.pop("python")) == SpecifierSet(PROJECT["requires-python"])
    assert {name: SpecifierSet(version) for name, version in environment.items()} == required()


def test_binder_pins_pyprojects_list():
    pins = {
        name: version.removeprefix("=") for name, version in conda("binder/environment.yml").items()
    }
    assert SpecifierSet(PROJECT["requires-python"]).contains(pins.pop("python"))
    backend = {r.name: r.specifier for r in map(Requirement, PYPROJECT["build-system"]["requires"])}
    needed = required() | backend
    assert set(pins) == set(needed)
    for name, specifier in needed.items():
        assert specifier.contains(Version(pins[name])), f"{name}={pins[name]}, needed {specifier}"


def test_supported_pythons_are_the_same_everywhere():
    requires = SpecifierSet(PROJECT["requires-python"])
    assert [v for v in (f"3.{minor}" for minor in range(8, 20)) if requires.contains(v)] == [
        *SUPPORTED
    ]
    makefile = (COURSE / "Makefile").read_text(encoding="utf-8")
    assert f"    {'|'.join(SUPPORTED)})" in makefile
    assert " ".join(f"python{v}" for v in reversed(SUPPORTED)) in makefile
    assert PYPROJECT["tool"]["ruff"]["target-version"] == "py311"
    assert f"--python-version {SUPPORTED[0]} " in makefile


def imports(path):
    """The top-level packages of other people that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.partition(".")[0])
    tests = COURSE / "tests"
    ours = {p.stem for f in (COURSE, path.parent) for p in f.iterdir()}
    ours |= {p.stem for p in [*tests.iterdir(), *tests.glob("*/*.py")]}
    return names - ours - sys.stdlib_module_names


@pytest.mark.parametrize("folder", ["helpers", "data_scripts", "tests"])
def test_every_import_is_a_declared_dependency(folder):
    scripts = (COURSE / folder).rglob("*.py")
    # a script that lists its dependencies itself runs in an environment of its own (uv run)
    for path in (p for p in scripts if "# /// script" not in p.read_text(encoding="utf-8")):
        maintainers_only = folder == "tests" or "authoring" in path.parts
        extras = [EXTRAS.get(path.relative_to(COURSE).as_posix()), maintainers_only and "dev"]
        declared = required(*filter(None, extras))
        for package in imports(path):
            name = canonicalize_name(IMPORT_TO_PYPI.get(package, package))
            assert name in declared, f"{path} imports {package}, which pyproject.toml does not list"


def test_citation_and_package_agree():
    citation = yaml.safe_load((COURSE / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["repository-code"] == launch.URL
    assert " AND ".join(citation["license"]) == PROJECT["license"]


def test_jupyterlab_takes_the_course_settings(monkeypatch, tmp_path):
    """JupyterLab merges the defaults, so a misspelt plugin or file name would go unnoticed."""
    from jupyterlab.commands import get_app_dir
    from jupyterlab_server.settings_utils import get_settings

    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(COURSE / ".jupyter"))
    lab = Path(get_app_dir())
    written = json.loads(
        (COURSE / ".jupyter/labconfig/default_setting_overrides.json").read_text(encoding="utf-8")
    )
    for plugin, settings in written.items():
        schema = get_settings(
            str(lab / "settings"), str(lab / "schemas"), str(tmp_path), schema_name=plugin
        )[0]["schema"]
        for key, value in settings.items():
            assert schema["properties"][key]["default"] == value
