#!/usr/bin/env bash
# nbconvert 7.17.2: alternative text of a figure is read by the template "classic" and ignored by the
# default one ("lab"), which writes "No description has been provided for this image" over it.
#
# The default template prints that warning text, so one would think that a description can be
# provided. Three places for it are in use: metadata.alt of the output, metadata["image/png"].alt of
# the output, metadata.alt of the cell. "classic" honours each; "lab" and "slides" none of them.
#
# Seen, images with their description, of three: classic 3, lab 0, slides 0.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install -qq --disable-pip-version-check nbconvert==7.17.2 nbformat==5.11.1
cat >"$work/count.py" <<'PY'
from nbconvert import HTMLExporter, SlidesExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def cell(words, place):
    kind = {"image/png": {"alt": words}} if place == "kind" else {}
    kind = {"alt": words} if place == "output" else kind
    output = new_output("display_data", data={"image/png": PIXEL}, metadata=kind)
    return new_code_cell("", outputs=[output], metadata={"alt": words} if place == "cell" else {})


notebook = new_notebook(cells=[cell(f"Words {p}", p) for p in ("output", "kind", "cell")])
found = {}
for name, exporter in {
    "classic": HTMLExporter(template_name="classic"),
    "lab": HTMLExporter(template_name="lab"),
    "slides": SlidesExporter(),
}.items():
    page, _ = exporter.from_notebook_node(notebook)
    found[name] = sum(f'alt="Words {p}"' in page for p in ("output", "kind", "cell"))
print("nbconvert 7.17.2, images of three with their description:", found)
raise SystemExit(found != {"classic": 3, "lab": 0, "slides": 0})
PY
"$work/env/bin/python" "$work/count.py" 2>/dev/null
