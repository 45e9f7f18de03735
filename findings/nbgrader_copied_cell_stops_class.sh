#!/usr/bin/env bash
# nbgrader 0.9.6: one learner who copies an answer's cell stops the autograding of all who come after
# in the alphabet, and the error blames an old format of the metadata.
#
# Copying a cell copies its grade_id. DeduplicateIds then empties the metadata of one of the two, and
# CheckCellMetadata takes the empty metadata for those of schema version 0: SchemaTooOldError, which
# (unlike other errors of one submission) ends the whole run. The command that the message advises,
# `nbgrader update .`, leaves the next run where it was.
#
# Seen: exit 1, "old version" in the log, of anna, ben (copied), carl only anna has a graded notebook;
# after `nbgrader update .` the same.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
export PATH="$work/env/bin:$PATH" # nbgrader starts alembic by its name
pip install -qq --disable-pip-version-check nbgrader==0.9.6 nbconvert==7.17.2 nbformat==5.11.1 \
  ipykernel==7.1.0 2>/dev/null
mkdir "$work/course" && cd "$work/course"
cat >write.py <<'PY'
import copy
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook


def cell(source, **marks):
    marks = {"schema_version": 3, "task": False, "cell_type": "code"} | marks
    return new_code_cell(source, id=marks["grade_id"], metadata={"nbgrader": marks})


answer = cell("def square(x):\n    return x * x", grade_id="answer", solution=True, grade=False, locked=False)
test = cell("assert square(3) == 9", grade_id="test", solution=False, grade=True, locked=True, points=1)
kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
notebook = new_notebook(cells=[answer, test], metadata=kernel)


def save(notebook, folder):
    Path(folder, "ps").mkdir(parents=True)
    nbformat.write(notebook, Path(folder, "ps", "p.ipynb"))


save(notebook, "source")
for name in ("anna", "ben", "carl"):
    own = copy.deepcopy(notebook)
    if name == "ben":
        copied = copy.deepcopy(answer)
        copied.id = "copied"
        own.cells.insert(1, copied)
    save(own, f"submitted/{name}")
PY
python write.py
printf 'c = get_config()\nc.CourseDirectory.course_id = ""\n' >nbgrader_config.py
nbgrader generate_assignment ps >/dev/null 2>&1
run() {
  status=0
  nbgrader autograde ps --force >log 2>&1 || status=$?
  old=no
  grep -q "old version" log && old=yes
  echo "exit $status, old version blamed: $old, graded:$(cd autograded 2>/dev/null && printf ' %s' */ps/p.ipynb)"
}
before=$(run)
nbgrader update . >/dev/null 2>&1 || true
after=$(run)
echo "nbgrader 0.9.6, a copied cell: $before; after nbgrader update: $after"
[ "$before" = "exit 1, old version blamed: yes, graded: anna/ps/p.ipynb" ] && [ "$after" = "$before" ]
