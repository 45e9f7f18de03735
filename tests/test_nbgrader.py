"""What `make nbgrader` writes, and what nbgrader makes of it where it is installed."""

import nbformat
import pytest

from helpers.authoring.nbgrader import course
from helpers.checks import exercises


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
