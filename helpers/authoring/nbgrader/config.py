"""Settings of this nbgrader course, written by the course's `make nbgrader`. Edit as you like.

nbgrader's own autograding runs the learner's notebook, which can then switch its checks off. Here
each submission goes to the course's grader (`python -m helpers.checks.grade`), which takes only the
answers out of it, runs them in a sandbox and says what each is worth. What nbgrader stores, exports
and shows as feedback is the released notebook with these answers and verdicts in it. So a copied,
edited or missing cell, or a notebook without nbgrader's metadata, does no harm.
"""

import json
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
    """Puts the answers of a submission into the released notebook, with their verdicts."""

    def preprocess(self, nb, resources):
        name, where = resources["nbgrader"]["notebook"], resources["nbgrader"]["assignment"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.ipynb"
            nbformat.write(nb, path)
            verdicts = self.verdicts(path)
        released = Path(c.CourseDirectory.root, "release", where, f"{name}.ipynb")
        nb = nbformat.read(released, as_version=4)
        for cell in nb.cells:
            kind, _, id = cell.id.partition("-")
            verdict = verdicts.get(id.replace("-", "."))
            if verdict and kind == "ex" and verdict["answer"] is not None:
                cell.source = verdict["answer"]
            elif verdict and kind == "check":
                cell.outputs = [output(verdict)]
        return nb, resources

    def verdicts(self, path):
        """{exercise: its verdict} of the notebook at `path`."""
        command = [PYTHON, "-m", "helpers.checks.grade", str(path), "--json", "-"]  # noqa: F821
        done = subprocess.run(command, cwd=COURSE, capture_output=True, text=True)  # noqa: F821
        if done.returncode:
            raise RuntimeError(f"the course's grader stopped: {done.stderr.strip()}")
        return {verdict["exercise"]: verdict for verdict in json.loads(done.stdout)}


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
