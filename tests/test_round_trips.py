"""A learner's copy of a notebook: saving it changes nothing, and updates of the course reach it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import pytest

from helpers.authoring.build import COURSE, sources, write

NOTEBOOKS = [
    COURSE / folder / f"{path.stem}.ipynb"
    for folder in ("notebooks", "solutions")
    for path in sources()
]

# --- opened and saved in Jupyter ----------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(folder, request) of a Jupyter server on the loopback address with nobody's settings."""
    scratch = tmp_path_factory.mktemp("jupyter")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"JUPYTER_NO_CONFIG": "1", "HOME": str(scratch)}
    for name in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{name}_DIR"] = str(scratch / name)
    (scratch / "files").mkdir()
    options = (f"port={port}", "port_retries=0", "ip=127.0.0.1", f"root_dir={scratch / 'files'}")
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"]
    command += [f"--ServerApp.{option}" for option in options]
    headers = {"Authorization": "token secret", "Content-Type": "application/json"}

    def request(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{port}/api/{path}"
        asked = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    with (scratch / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--IdentityProvider.token=secret"], env=environment, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                request("GET", "status")
                break
            except urllib.error.URLError:
                waiting = process.poll() is None and time.monotonic() < deadline
                assert waiting, (scratch / "log").read_text()
                time.sleep(0.2)
        yield scratch / "files", request
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_saving_an_untouched_notebook_changes_no_byte(path, server):
    folder, request = server
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    os.utime(copy, (0, 0))
    opened = request("GET", f"contents/{copy.name}?content=1")
    body = {key: opened[key] for key in ("type", "format", "content")}
    request("PUT", f"contents/{copy.name}", body)
    assert copy.stat().st_mtime > 0, "the server did not write"
    assert copy.read_bytes() == path.read_bytes()


# --- worked in, and updated ---------------------------------------------------------------------

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
ANSWER = "def reconstruction_error(x, x_hat):\n    return (x - x_hat).square().mean(dim=(1, 2, 3))"
CORRECTION = "**Done** when it is right, and not before"
KERNEL = {
    "name": "python",
    "version": "3.12.1",
    "file_extension": ".py",
    "pygments_lexer": "ipython3",
}


def git(folder, *arguments):
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cell(notebook, id):
    return next(c for c in notebook.cells if c.id == id)


@pytest.fixture
def repositories(tmp_path, monkeypatch):
    """(upstream, learner's clone), git without anybody's settings."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@localhost")
    upstream, clone = tmp_path / "upstream", tmp_path / "clone"
    upstream.mkdir()
    git(upstream, "init", "--quiet", "--initial-branch=main")
    shutil.copy(COURSE / ".gitattributes", upstream)
    shutil.copy(COURSE / "notebooks" / "01_autoencoder_basics.ipynb", upstream / "01.ipynb")
    git(upstream, "add", "--all")
    git(upstream, "commit", "--quiet", "--message=release")
    git(tmp_path, "clone", "--quiet", upstream, clone)
    return upstream, clone


def solve(path):
    """What JupyterLab saves when a learner has solved exercise 1.4 and run its check."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.language_info = KERNEL
    cell(notebook, "ex-1-4").source = ANSWER
    for count, id in enumerate(("ex-1-4", "check-1-4"), 1):
        cell(notebook, id).execution_count = count
    output = nbformat.v4.new_output("stream", text="1.4 passed\n")
    cell(notebook, "check-1-4").outputs = [output]
    nbformat.write(notebook, path)


def correct(upstream):
    """A correction as the course publishes it, in the text that stands right above the exercise."""
    notebook = nbformat.read(upstream / "01.ipynb", as_version=4)
    ids = [c.id for c in notebook.cells]
    text = notebook.cells[ids.index("ex-1-4") - 1]
    assert text.cell_type == "markdown" and "**Done** when" in text.source
    text.source = text.source.replace("**Done** when", CORRECTION)
    write(notebook, upstream / "01.ipynb")
    git(upstream, "commit", "--quiet", "--all", "--message=correction")


def assert_both_are_kept(path):
    text = path.read_text(encoding="utf-8")
    assert "<<<<<<<" not in text and CORRECTION in text
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert cell(notebook, "ex-1-4").source == ANSWER
    assert cell(notebook, "check-1-4").outputs[0].text == "1.4 passed\n"


@needs_git
def test_a_contributors_own_filter_leaves_the_notebooks_alone(repositories, tmp_path, monkeypatch):
    upstream, _ = repositories
    (tmp_path / "attributes").write_text("*.ipynb filter=strip\n*.txt filter=strip\n")
    settings = (
        f'[core]\nattributesFile = {tmp_path}/attributes\n[filter "strip"]\nclean = cut -c1\n'
    )
    (tmp_path / "config").write_text(settings)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    (upstream / "other.txt").write_text("cut\n")
    for name in ("01.ipynb", "other.txt"):
        os.utime(upstream / name, (0, 0))  # git looks at it again
    git(upstream, "add", "--all")
    assert git(upstream, "diff", "--cached", "--name-only").split() == ["other.txt"]
    assert git(upstream, "show", ":other.txt") == "c\n"  # the filter is at work


@needs_git
def test_nbgitpuller_brings_a_correction_into_a_solved_notebook(repositories):
    reason = "no nbgitpuller, which hubs update with: make dev"
    pull = pytest.importorskip("nbgitpuller.pull", reason=reason)
    upstream, clone = repositories
    solve(clone / "01.ipynb")
    correct(upstream)
    print(*pull.GitPuller(str(upstream), str(clone), branch="main").pull())
    assert_both_are_kept(clone / "01.ipynb")


@needs_git
def test_git_brings_a_correction_into_a_solved_notebook(repositories):
    upstream, clone = repositories
    solve(clone / "01.ipynb")
    correct(upstream)
    git(clone, "stash")
    git(clone, "pull", "--quiet")
    git(clone, "stash", "pop")
    assert_both_are_kept(clone / "01.ipynb")
