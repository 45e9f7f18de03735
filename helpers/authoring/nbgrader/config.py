"""Settings of this nbgrader course, written by the course's `make nbgrader`. Edit as you like.

nbgrader's own autograding runs the learner's notebook, which can then switch its checks off. Here
each submission goes to the course's grader (`python -m helpers.checks.grade`), which takes only the
answers out of it, runs them in a sandbox and says what each is worth. What nbgrader stores, exports
and shows as feedback is the released notebook with these answers and verdicts in it. So a copied,
edited or missing cell, or a notebook without nbgrader's metadata, does no harm.
"""

import csv
import subprocess
import tempfile
from pathlib import Path

import nbformat
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ComputeChecksums,
    IncludeHeaderFooter,
    LimitOutput,
    LockCells,
    NbGraderPreprocessor,
    SaveAutoGrades,
    SaveCells,
)

# <settings>
c = get_config()  # noqa: F821 (nbgrader defines it)
c.CourseDirectory.root = str(Path(__file__).parent)
c.CourseDirectory.course_id = ""

# Without ClearSolutions, which would empty the cells that tell a learner what to write.
c.GenerateAssignment.preprocessors = [
    IncludeHeaderFooter,
    LockCells,
    CheckCellMetadata,
    ComputeChecksums,
    SaveCells,
]


class Judge(NbGraderPreprocessor):
    """Puts a submission's answers into the released notebook, and a verdict below each."""

    def preprocess(self, nb, resources):
        name, where = resources["nbgrader"]["notebook"], resources["nbgrader"]["assignment"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.ipynb"
            nbformat.write(nb, path)
            verdicts = self.verdicts(path.parent)
        answers = {c.id: c.source for c in nb.cells if c.cell_type == "code"}
        released = Path(c.CourseDirectory.root, "release", where, f"{name}.ipynb")
        nb = nbformat.read(released, as_version=4)
        for cell in nb.cells:
            if cell.id.startswith("check-"):
                id = cell.id.removeprefix("check-").replace("-", ".")
                cell.outputs = [output(verdicts[id])]
            elif cell.id.startswith("ex-"):
                cell.source = answers.get(cell.id, cell.source)
        return nb, resources

    def verdicts(self, folder):
        """{exercise: its line in the grader's table} of the one notebook in `folder`."""
        table = folder / "grades.csv"
        command = [PYTHON, "-m", "helpers.checks.grade", folder, "--csv", table, "--jobs", "1"]  # noqa: F821
        done = subprocess.run(command, cwd=COURSE, capture_output=True, text=True)  # noqa: F821
        if done.returncode:
            raise RuntimeError(f"the course's grader stopped: {done.stderr.strip()}")
        with table.open(encoding="utf-8", newline="") as lines:
            return {line["exercise"]: line for line in csv.DictReader(lines)}


def output(verdict):
    """What a check cell shows. nbgrader gives all points to a cell without an error, else none."""
    text = f"{verdict['status']}: {verdict['sentence']}"
    if verdict["status"] == "passed":
        return nbformat.v4.new_output("stream", name="stdout", text=text)
    return nbformat.v4.new_output("error", ename=verdict["status"], evalue=text, traceback=[text])


c.Autograde.sanitize_preprocessors = [Judge, CheckCellMetadata]
c.Autograde.autograde_preprocessors = [
    LimitOutput,
    SaveAutoGrades,
    AssignLatePenalties,
    CheckCellMetadata,
]
