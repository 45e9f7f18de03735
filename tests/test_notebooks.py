"""Every exercise notebook as a learner runs it: untouched, and with the solutions put in."""

import json
from pathlib import Path

import nbformat
import pytest
from conditions import MEMORY_MB, chromium, one_core

from helpers.authoring.build import COURSE, execute, read_source, reference_source, sources
from helpers.checks import exercises

PATHS = [COURSE / "notebooks" / f"{path.stem}.ipynb" for path in sources()]


@pytest.fixture(params=PATHS, ids=lambda p: p.stem)
def path(request):
    return request.param


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder beside which `helpers` lies, as notebooks/ does; the progress file goes there."""
    (tmp_path / "helpers").symlink_to(COURSE / "helpers")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    return tmp_path / "notebooks"


def own_exercises(path):
    return [e.id for e in exercises() if int(e.id.split(".")[0]) == int(path.stem[:2])]


def statuses(folder):
    return json.loads((folder / ".course-progress.json").read_text(encoding="utf-8"))


@pytest.mark.skipif(chromium() is not None, reason="tests/browser runs them, in JupyterLab")
def test_untouched_notebook_runs_to_its_end_as_on_binder(path, folder, monkeypatch, needed):
    monkeypatch.delenv("COURSE_STRICT", raising=False)
    monkeypatch.setenv("COURSE_SOURCE", "sample")
    notebook = nbformat.read(path, as_version=4)
    ask = f"import sys; sys.path.append({str(Path(__file__).parent)!r})"
    ask += "; from conditions import peak_memory; print(peak_memory('self'))"
    notebook.cells.append(nbformat.v4.new_code_cell(ask))
    with one_core():
        seconds = execute(notebook, folder)
    memory = int(notebook.cells.pop().outputs[0].text)
    needed(f"{seconds:.0f} s, {memory} MB")
    assert memory < MEMORY_MB
    assert statuses(folder) == dict.fromkeys(own_exercises(path), "not_started")
    banners = [c for c in notebook.cells if "check" in c.metadata.get("tags", [])]
    for cell in banners:
        assert "not started yet" in text_of(cell)


def test_with_the_solutions_every_check_passes(path, folder, monkeypatch):
    monkeypatch.setenv("COURSE_STRICT", "1")
    notebook = nbformat.read(path, as_version=4)
    references = {
        cell.id: cell.metadata["reference"]
        for source in sources(path.stem[:2])
        for cell in read_source(source)
        if "reference" in cell.metadata
    }
    for cell in notebook.cells:
        if cell.id in references:
            cell.source = reference_source(references[cell.id])
    execute(notebook, folder)
    assert statuses(folder) == dict.fromkeys(own_exercises(path), "passed")


def text_of(cell):
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.get("outputs", [])
    )
