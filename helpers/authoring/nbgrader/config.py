"""Settings of this nbgrader course, written by the course's `make nbgrader`. Edit as you like.

nbgrader's own autograding runs the learner's notebook, which can then switch its checks off. Here
each submission goes to the course's grader (`python -m helpers.checks.grade`), which takes only the
answers out of it, runs them in a sandbox and says what each is worth. What nbgrader stores, exports
and shows as feedback is the released notebook with these answers and verdicts in it. So a copied,
edited or missing cell, or a notebook without nbgrader's metadata, does no harm.
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
from nbconvert.exporters import NotebookExporter
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


# Last: the course's folders are not to hide any package. This part of it needs none of its own.
sys.path.append(COURSE)  # noqa: F821
from helpers.grading import submission  # noqa: E402


class AnyNotebook(NotebookExporter):
    """Reads whatever the course's grader reads.

    nbformat knows neither other encodings than UTF-8 nor cells that lack what a cell has, and
    nbgrader would give such a file no points.
    """

    def from_file(self, file_stream, resources=None, **options):
        try:
            nb = nbformat.read(file_stream, as_version=4)
        except Exception as error:
            try:
                cells = submission.read(Path(file_stream.name))
            except submission.Unreadable:
                raise error from None
            made = nbformat.v4.new_code_cell
            cells = [made(c.text, **({"id": c.id} if c.id else {})) for c in cells]
            nb = nbformat.v4.new_notebook(cells=cells)
        return self.from_notebook_node(nb, resources=resources, **options)


class Judge(NbGraderPreprocessor):
    """Puts a submission's answers into the released notebook, and a verdict below each."""

    def preprocess(self, nb, resources):
        name, where = resources["nbgrader"]["notebook"], resources["nbgrader"]["assignment"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.ipynb"
            nbformat.write(nb, path)
            verdicts, cells = self.verdicts(path), submission.read(path)
        # as they were written: the grader's own texts have no magics
        texts = [cell.source for cell in nb.cells if cell.cell_type == "code"]
        texts = dict(zip(cells, texts, strict=True))
        released = Path(c.CourseDirectory.root, "release", where, f"{name}.ipynb")
        nb = nbformat.read(released, as_version=4)
        for cell in nb.cells:
            kind, _, number = cell.id.partition("-")
            id = number.replace("-", ".")
            if kind == "check":
                cell.outputs = [output(verdicts[id])]
            elif kind == "ex" and id in NAMES:  # noqa: F821
                answer = submission.answer(SimpleNamespace(id=id, name=NAMES[id]), cells)  # noqa: F821
                found = [texts[part] for part in cells if part in answer.cells]
                cell.source = "\n\n".join(found) or cell.source
        return nb, resources

    def verdicts(self, path):
        """{exercise: its line in the grader's table} of the notebook, alone in its folder."""
        folder, table = path.parent, path.with_suffix(".csv")
        command = [PYTHON, "-m", "helpers.checks.grade", folder, "--csv", table, "--jobs", "1"]  # noqa: F821
        done = subprocess.run(command, cwd=COURSE, capture_output=True, text=True)  # noqa: F821
        if done.returncode:
            raise RuntimeError(f"the course's grader stopped: {done.stderr.strip()}")
        with table.open(encoding="utf-8", newline="") as lines:
            found = {line["exercise"]: line for line in csv.DictReader(lines)}
        whole = found.get(path.name)  # one line on the file, where it was not graded
        if whole and whole["status"] != "unreadable":
            raise RuntimeError(whole["sentence"])
        return dict.fromkeys(NAMES, whole) if whole else found  # noqa: F821


def output(verdict):
    """What a check cell shows. nbgrader gives all points to a cell without an error, else none."""
    text = f"{verdict['status']}: {verdict['sentence']}"
    if verdict["status"] == "passed":
        return nbformat.v4.new_output("stream", name="stdout", text=text)
    return nbformat.v4.new_output("error", ename=verdict["status"], evalue=text, traceback=[text])


c.Autograde.exporter_class = AnyNotebook
c.Autograde.sanitize_preprocessors = [Judge, CheckCellMetadata]
c.Autograde.autograde_preprocessors = [
    LimitOutput,
    SaveAutoGrades,
    AssignLatePenalties,
    CheckCellMetadata,
]
