"""What `make nbgrader` writes, and what nbgrader makes of it where it is installed."""

import copy
import json
import os
import shutil
import subprocess

import nbformat
import pytest
from grading import classroom

from helpers.authoring.nbgrader import course
from helpers.checks import exercises
from helpers.places import COURSE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nbgrader") / "course"
    course.write(folder)
    return folder


def notebooks(folder):
    return {
        path.stem: nbformat.read(path, as_version=4)
        for path in sorted(folder.glob("source/module_*/*.ipynb"))
    }


def test_every_exercise_has_an_answer_cell_and_a_locked_check_with_points(folder):
    points = {}
    for name, notebook in notebooks(folder).items():
        marks = [c.metadata["nbgrader"] for c in notebook.cells if "nbgrader" in c.metadata]
        ids = [m["grade_id"] for m in marks]
        assert len(ids) == len(set(ids)), name
        answers, checks = ([m for m in marks if m[kind]] for kind in ("solution", "grade"))
        assert len(answers) == len(checks) == len(marks) / 2
        assert all(m["locked"] for m in checks) and not any(m["locked"] for m in answers)
        points |= {m["grade_id"].removeprefix("check-"): m["points"] for m in checks}
    own = {e.id.replace(".", "-"): e.difficulty for e in exercises() if e.id[0] != "0"}
    assert points == own


def test_stubs_stay_and_badges_go(folder):
    for notebook in notebooks(folder).values():
        assert "colab.research" not in notebook.cells[0].source
    cells = {cell.id: cell.source for cell in notebooks(folder)["01_autoencoder_basics"].cells}
    assert cells["ex-1-4"].startswith("def reconstruction_error(x, x_hat):")


def test_a_folder_with_something_in_it_is_left_alone(folder):
    before = sorted(path.stat().st_mtime_ns for path in folder.rglob("*"))
    with pytest.raises(course.CourseExistsError, match="not empty"):
        course.write(folder)
    assert before == sorted(path.stat().st_mtime_ns for path in folder.rglob("*"))


NBGRADER = COURSE / ".venv-nbgrader" / "bin"


@pytest.mark.skipif(
    not (NBGRADER / "nbgrader").exists() or not shutil.which("bwrap"),
    reason="no nbgrader (make nbgrader) or no bubblewrap (apt install bubblewrap)",
)
def test_nbgrader_keeps_what_the_grader_says(folder):
    """A copied cell, an edited check, a notebook without metadata and another one do no harm.

    Nor does a file that nbgrader 0.9.6 itself gives up with an error, as one in UTF-16.
    """
    environment = os.environ | {"PATH": f"{NBGRADER}{os.pathsep}{os.environ['PATH']}"}

    def run(*command):
        command = [NBGRADER / "nbgrader", *command]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    run("generate_assignment", "module_01")
    name = "01_autoencoder_basics.ipynb"
    released = nbformat.read(folder / "release" / "module_01" / name, as_version=4)
    solved = nbformat.read(COURSE / "solutions" / name, as_version=4)
    answers = {cell.id: cell.source for cell in solved.cells}
    perfect = copy.deepcopy(released)
    for cell in perfect.cells:
        cell.source = answers[cell.id] if cell.id.startswith("ex-") else cell.source
    copied = copy.deepcopy(perfect)
    place = [cell.id for cell in copied.cells].index("ex-1-4")
    copied.cells.insert(place, copy.deepcopy(copied.cells[place]))
    copied.cells[place].id = "copied"
    for cell in copied.cells:
        cell.source = "pass" if cell.id == "check-1-4" else cell.source
    from_badge = nbformat.read(COURSE / "notebooks" / name, as_version=4)
    for cell in from_badge.cells:
        cell.source = answers[cell.id] if cell.id == "ex-1-4" else cell.source
    other = nbformat.v4.new_notebook()
    handed_in = {"anna": perfect, "ben": copied, "carl": classroom.vs_code(from_badge)}
    handed_in["dora"] = other
    handed_in["eva"] = from_badge
    for learner, notebook in handed_in.items():
        target = folder / "submitted" / learner / "module_01" / name
        target.parent.mkdir(parents=True)
        encoding = "utf-16" if learner == "eva" else "utf-8"
        target.write_text(json.dumps(notebook), encoding=encoding)
    run("autograde", "module_01")
    run("export")
    lines = [line.split(",") for line in (folder / "grades.csv").read_text().splitlines()]
    place = lines[0].index("score")
    points = {line[3]: float(line[place]) for line in lines if line[0] == "module_01"}
    full = sum(e.difficulty for e in exercises() if e.id.startswith("1."))
    one = next(e.difficulty for e in exercises() if e.id == "1.4")
    assert points == {"anna": full, "ben": full, "carl": one, "dora": 0, "eva": one}
    # the feedback shows the answer where the notebook's cells had no ids
    shown = folder / "autograded" / "carl" / "module_01" / name
    shown = {cell.id: cell.source for cell in nbformat.read(shown, as_version=4).cells}
    assert shown["ex-1-4"] == answers["ex-1-4"]
    assert shown["ex-1-1"] == {c.id: c.source for c in released.cells}["ex-1-1"]
