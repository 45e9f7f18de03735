"""Every notebook as on Colab: from an empty folder, by the bootstrap cell, with Colab's packages.

The remote is a repository made of this working tree; git is told to take it for the real one.
"""

import json
import os
import subprocess
import sys
from importlib.metadata import distributions

import nbformat
import pytest
from conditions import PROFILE

from helpers.authoring.build import COURSE, execute, sources
from helpers.authoring.launch import BOOTSTRAP, TAG, URL

PYTHON = os.environ.get("COURSE_COLAB_PYTHON")
pytestmark = pytest.mark.skipif(
    not PYTHON,
    reason="COURSE_COLAB_PYTHON names no Python with Colab's packages: python3.11 -m venv DIR && "
    "DIR/bin/pip install -r tests/colab/requirements.txt",
)
START = "import sys; sys.path.append({!r}); import google.colab; import ipykernel.kernelapp as app"


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


# Of each example, all that a browser gets but the pixels of matplotlib's static figure
OUTPUTS = """
import json, re, sys
sys.path[:0] = sys.argv[1:]
from examples import EXAMPLES
figure = re.compile(r'(width="\\d+"[^>]*) src="data:image/png;base64,[^"]+"')
print(json.dumps({n: figure.sub(r"\\1", make()._repr_html_(), 1) for n, make in EXAMPLES.items()}))
"""


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """A repository with the files of this working tree, at the release tag."""
    folder = tmp_path_factory.mktemp("remote")
    files = run("git", "ls-files", "-co", "--exclude-standard", cwd=COURSE).splitlines()
    for name in (name for name in files if (COURSE / name).is_file()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((COURSE / name).read_bytes())
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    run(*git, "commit", "--quiet", "-m", "release", cwd=folder)
    run("git", "tag", TAG, cwd=folder)
    return folder


@pytest.fixture
def machine(remote, tmp_path, monkeypatch):
    """Colab's packages under an environment that takes what is installed, and a kernel in it."""
    run(PYTHON, "-m", "venv", tmp_path / "venv")
    own = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    theirs = run(PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    (own / "colab.pth").write_text(theirs)
    (tmp_path / "stub" / "google" / "colab").mkdir(parents=True)
    (tmp_path / "stub" / "google" / "colab" / "__init__.py").touch()
    start = f"{START.format(str(tmp_path / 'stub'))}; app.launch_new_instance()"
    argv = [str(tmp_path / "venv/bin/python"), "-c", start, "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Colab", "language": "python"}
    (tmp_path / "jupyter" / "kernels" / "colab").mkdir(parents=True)
    (tmp_path / "jupyter" / "kernels" / "colab" / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("PYTHONPATH", "COURSE_DATA", "COURSE_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COURSE_PROFILE", PROFILE)
    monkeypatch.setenv("COURSE_SOURCE", "sample")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{remote}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", URL)
    (tmp_path / "content").mkdir()
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="Colab is Linux")
@pytest.mark.parametrize("source", sources(), ids=lambda p: p.stem)
def test_notebook_from_an_empty_folder(source, machine, needed):
    path = COURSE / "notebooks" / f"{source.stem}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    at = next(i for i, cell in enumerate(notebook.cells) if cell.id == "bootstrap")
    again = nbformat.v4.new_code_cell(BOOTSTRAP)
    notebook.cells.insert(at + 1, again)
    notebook.metadata.kernelspec.name = "colab"
    seconds = execute(notebook, machine / "content")
    needed(f"{seconds:.0f} s with Colab's packages")

    printed = "".join(output.text for output in notebook.cells[at].outputs)
    assert printed.splitlines()[0] == "Installing openTSNE" and "error" not in printed.lower()
    assert again.outputs == []
    assert [p.name for p in (machine / "content").iterdir()] == ["anomaly-course"]
    assert (machine / "content/anomaly-course/notebooks/.course-progress.json").exists()
    own = next((machine / "venv").glob("lib/python*/site-packages"))
    added = {d.name for d in distributions(path=[str(own)])} - {"pip", "setuptools"}
    assert added == {"openTSNE"}  # nothing that Colab ships was replaced


def test_explorables_give_the_same_html():
    places = (str(COURSE), str(COURSE / "tests/explorables"))
    theirs, ours = (
        json.loads(run(python, "-c", OUTPUTS, *places)) for python in (PYTHON, sys.executable)
    )
    assert len(ours) > 15 and ours == theirs
