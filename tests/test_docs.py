"""What the documents show is there, and is what the notebooks computed."""

import re
from pathlib import Path

import nbformat
import pytest

from helpers.authoring.build import (
    COURSE,
    executed_on,
    measured_table,
    read_source,
    sources,
)

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "notebooks/README.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    path = COURSE / name
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (path.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("source", sources(), ids=lambda p: p.stem)
def test_readme_shows_what_the_solution_notebook_computed(source):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    tables = [
        output.data["text/markdown"].strip()
        for cell in notebook.cells
        if "results" in cell.metadata.get("tags", [])
        for output in cell.outputs
    ]
    assert len(tables) == 1
    wanted = executed_on(read_source(source)) or "real"
    assert f"{wanted} data" in tables[0], "the committed notebook was executed on other data"
    assert tables[0] in (COURSE / "README.md").read_text(encoding="utf-8")


def test_start_page_shows_what_was_measured():
    table = measured_table([source.stem for source in sources()])
    assert table in (COURSE / "notebooks" / "README.md").read_text(encoding="utf-8")


def test_make_targets_named_in_the_documents_exist():
    makefile = (COURSE / "Makefile").read_text(encoding="utf-8")
    text = "".join((COURSE / name).read_text(encoding="utf-8") for name in DOCUMENTS)
    for target in set(re.findall(r"`?make ([a-z]+)", text)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_modules_in_the_start_page_exist():
    text = Path(COURSE / "notebooks" / "README.md").read_text(encoding="utf-8")
    for source in sources():
        assert f"{source.stem}.ipynb" in text
