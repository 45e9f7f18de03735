"""Exercise notebooks as learners run them: untouched, and with wrong answers.

With right answers they are the solution notebooks, which nbval executes with COURSE_STRICT=1.
"""

import json
from pathlib import Path

import nbformat
import pytest
from conditions import MEMORY_MB, PROFILE, chromium, one_core

from helpers.authoring.build import COURSE, execute, sources
from helpers.checks import exercises
from helpers.runtime import timings

PATHS = [COURSE / "notebooks" / f"{path.stem}.ipynb" for path in sources()]


@pytest.fixture(params=PATHS, ids=lambda p: p.stem)
def path(request):
    return request.param


@pytest.fixture
def folder(tmp_path):
    """A folder beside which `helpers` lies, as notebooks/ does; the progress file goes there."""
    (tmp_path / "helpers").symlink_to(COURSE / "helpers")
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def own_exercises(path):
    return [e.id for e in exercises() if int(e.id.split(".")[0]) == int(path.stem[:2])]


def statuses(folder):
    return json.loads((folder / ".course-progress.json").read_text(encoding="utf-8"))


def test_untouched_notebook_runs_to_its_end_as_on_binder(path, folder, monkeypatch, needed):
    if chromium() is not None and path.stem[:2] != "00":
        pytest.skip("tests/browser runs it, in JupyterLab")
    monkeypatch.setenv("COURSE_SOURCE", "sample")
    monkeypatch.setenv("COURSE_PROFILE", PROFILE)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.sort(key=lambda cell: "optional" in cell.metadata["tags"])  # the core runs alone
    ask = f"import sys; sys.path.append({str(Path(__file__).parent)!r})"
    ask += "; from conditions import peak_memory; print(peak_memory('self'))"
    notebook.cells.append(nbformat.v4.new_code_cell(ask))
    with one_core():
        seconds = execute(notebook, folder)
    memory = int(notebook.cells.pop().outputs[0].text)
    needed(f"{seconds:.0f} s, {memory} MB ({PROFILE})")
    assert memory < MEMORY_MB
    assert statuses(folder) == dict.fromkeys(own_exercises(path), "not_started")
    banners = [c for c in notebook.cells if "check" in c.metadata.get("tags", [])]
    for cell in banners:
        assert "not started yet" in text_of(cell)


def test_solved_notebook_in_the_quick_profile_fits_binder(path):
    """As measured when it was built."""
    assert timings()[path.stem[:2]]["quick"]["peak_memory_mb"] < MEMORY_MB


# A wrong value, an exception, and a right value that spoils its argument; and what the checker has
# to speak of.
WRONG = {
    "1.1": (
        "def conv_output_size(size, kernel_size, stride=1, padding=0):\n"
        "    return (size + padding - kernel_size) // stride + 1",
        "Padding goes on both sides",
    ),
    "1.3": (
        "def train_step(model, x, optimizer, loss_fn):\n"
        "    optimizer.zero_grad()\n"
        "    loss = loss_fn(model(x))\n"
        "    loss.backward()\n"
        "    optimizer.step()\n"
        "    return loss.item()",
        "TypeError: mse_loss()",
    ),
    "1.4": (
        "def reconstruction_error(x, x_hat):\n"
        "    x -= x_hat\n"
        "    return (x**2).mean(dim=(1, 2, 3))",
        "in place",
    ),
}
ASK = "print(*(f.__module__ for f in (conv_output_size, train_step, reconstruction_error)))"


def test_wrong_answers_are_named_and_the_notebook_goes_on(folder, monkeypatch):
    """Module 1 up to the cell that uses the last of the answers; an error in any cell fails."""
    monkeypatch.setenv("COURSE_PROFILE", "smoke")  # what is trained is not looked at
    notebook = nbformat.read(PATHS[1], as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    for id, (answer, _) in WRONG.items():
        cells[f"ex-{id.replace('.', '-')}"].source = answer
    order = list(cells)
    end = order.index("score-function") + 1
    notebook.cells[end:] = [nbformat.v4.new_code_cell(ASK)]
    execute(notebook, folder, COURSE_SOURCE="sample")
    for id, (_, says) in WRONG.items():
        banner = text_of(cells[f"check-{id.replace('.', '-')}"])
        assert banner.startswith(f"✗ Exercise {id}") and says in banner
    found = statuses(folder)
    assert found.pop("1.2") == "not_started"
    assert {id: status.partition("_")[0] for id, status in found.items()} == dict.fromkeys(
        WRONG, "wrong"
    )
    used = text_of(notebook.cells[-1]).split()
    assert all(module.startswith("helpers.") for module in used) and len(used) == len(WRONG)


def text_of(cell):
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.get("outputs", [])
    )
