"""What the folder of an nbgrader course holds, made from the exercise notebooks."""

import json
import sys
from pathlib import Path

import nbformat

from helpers.authoring.launch import badges
from helpers.authoring.time import exercise_of
from helpers.checks import exercises
from helpers.places import COURSE

SCHEMA = 3  # of nbgrader's metadata, since version 0.6


class CourseExistsError(Exception):
    """The folder holds something already; nothing there is overwritten."""


def write(folder):
    """Write `folder`/source with an assignment a module, and `folder`/nbgrader_config.py.

    Raises CourseExistsError where the folder is not empty: an nbgrader course grows a database and
    the learners' files there.
    """
    folder = Path(folder).absolute()
    if folder.exists() and any(folder.iterdir()):
        raise CourseExistsError(
            f"{folder} is not empty. Name a new folder, or delete what is in it."
        )
    for path in sorted((COURSE / "notebooks").glob("0[1-9]_*.ipynb")):
        notebook = assignment(nbformat.read(path, as_version=4), path.stem)
        target = folder / "source" / f"module_{path.stem[:2]}" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
    template = Path(__file__).with_name("config.py").read_text(encoding="utf-8")
    names = {e.id: e.name for e in exercises()}
    settings = {"COURSE": str(COURSE), "PYTHON": sys.executable, "NAMES": names}
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    config = template.replace("# <settings>\n", lines)
    (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")


def assignment(notebook, name):
    """An exercise notebook with nbgrader's metadata: answers to write, checks that give points.

    The badges go: they open the notebook without metadata somewhere else. (Such a submission is
    recognised all the same.)
    """
    known = {e.id: e for e in exercises()}
    notebook.cells[0].source = notebook.cells[0].source.replace(f"{badges(name)}\n\n", "")
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if "exercise" in tags:
            cell.metadata["nbgrader"] = marks(cell, solution=True)
        elif "check" in tags:
            exercise = known[exercise_of(cell).removeprefix("check.")]
            cell.metadata["nbgrader"] = marks(cell, grade=True, points=exercise.difficulty)
    return notebook


def marks(cell, *, solution=False, grade=False, **more):
    """nbgrader's metadata of a cell: its id there is the cell's own."""
    kind = {"solution": solution, "grade": grade, "locked": grade, "task": False}
    return {"schema_version": SCHEMA, "grade_id": cell.id, "cell_type": "code"} | kind | more
