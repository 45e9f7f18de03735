#!/usr/bin/env bash
# nbgitpuller 1.3.0 (with nbformat 5.11.1): a correction of one cell is dropped without a word where
# the notebook stores each cell's source as one string.
#
# The notebook format allows a source as one string or as a list of lines, and Jupyter Server reads
# both and writes lists. A teacher publishes a notebook with strings. A learner writes into cell 1
# and saves, in Jupyter's way; the teacher corrects cell 2. gitpuller then merges with git's "ours"
# option, line by line: saving has moved every line, so each of the teacher's lines conflicts, the
# learner's side wins, and the pull ends with exit code 0 and a merge commit. Later pulls have
# nothing left to merge. With lists of lines in the first place, both changes are kept.
#
# Seen: string sources: exit 0, correction lost; list sources: exit 0, correction kept.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install -qq --disable-pip-version-check nbgitpuller==1.3.0 nbformat==5.11.1
export PATH="$work/env/bin:$PATH" HOME="$work" GIT_CONFIG_NOSYSTEM=1
git config --global user.name A && git config --global user.email a@example.org
git config --global init.defaultBranch main

cat >"$work/edit.py" <<'PY'
"""edit.py FILE FORM CELL TEXT: set a cell's source and write the notebook in that form."""
import json, sys
import nbformat

path, form, cell, text = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
notebook = nbformat.read(path, as_version=4)
notebook.cells[cell].source = text
if form == "strings":
    written = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False)
else:  # as Jupyter Server saves
    written = nbformat.writes(notebook)
open(path, "w").write(written + "\n")
PY
cat >"$work/make.py" <<'PY'
import sys
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

cells = [
    new_markdown_cell("# Title\n\nThree cells.", id="title"),
    new_code_cell("def f(x):\n    ...", id="answer"),
    new_markdown_cell("The mean is the sum.\n\nWith a typo.", id="text"),
]
nbformat.write(new_notebook(cells=cells), sys.argv[1])
PY

corrected() { # with sources stored as $1: is the correction there after the pull?
  local form=$1 upstream=$work/up-$1 learner=$work/learner-$1
  git init -q "$upstream"
  python "$work/make.py" "$upstream/a.ipynb"
  python "$work/edit.py" "$upstream/a.ipynb" "$form" 0 $'# Title\n\nThree cells.'
  git -C "$upstream" add . && git -C "$upstream" commit -qm first
  gitpuller "file://$upstream" main "$learner" >/dev/null 2>&1
  python "$work/edit.py" "$learner/a.ipynb" lists 1 $'def f(x):\n    return sum(x) / len(x)'
  python "$work/edit.py" "$upstream/a.ipynb" "$form" 2 $'The mean is the sum over n.\n\nCorrected.'
  git -C "$upstream" commit -qam correction
  gitpuller "file://$upstream" main "$learner" >/dev/null 2>&1
  grep -q 'return sum(x)' "$learner/a.ipynb" || { echo "the answer is gone"; exit 1; }
  if grep -q 'Corrected' "$learner/a.ipynb"; then echo kept; else echo lost; fi
}

strings=$(corrected strings)
lists=$(corrected lists)
echo "nbgitpuller 1.3.0, correction of another cell: sources as strings: $strings, as lists: $lists"
[ "$strings $lists" = "lost kept" ]
