"""What the documents show is there, and is what the notebooks computed."""

import re

import nbformat
import pytest

from helpers.authoring.build import (
    COURSE,
    executed_on,
    lessons,
    measured_table,
    read_source,
)
from helpers.checks import exercises
from helpers.datasets import DATA_SETS
from helpers.datasets.download import megabytes

PAGES = sorted(f"docs/{path.name}" for path in (COURSE / "docs").glob("*.md"))
ENTRIES = ["README.md", "INSTRUCTORS.md"]  # for learners, and for instructors
DOCUMENTS = [
    *ENTRIES,
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "notebooks/README.md",
    "hub/README.md",
    *PAGES,
]
START_PAGES = ["README.md", "notebooks/README.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    path = COURSE / name
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (path.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("source", lessons(), ids=lambda p: p.stem)
def test_results_page_shows_what_the_solution_notebook_computed(source):
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
    assert tables[0] in (COURSE / "docs/results.md").read_text(encoding="utf-8")


def test_start_page_shows_what_was_measured():
    table = measured_table([source.stem for source in lessons()])
    assert table in (COURSE / "notebooks" / "README.md").read_text(encoding="utf-8")


def test_make_targets_named_in_the_documents_exist():
    makefile = (COURSE / "Makefile").read_text(encoding="utf-8")
    text = "".join((COURSE / name).read_text(encoding="utf-8") for name in DOCUMENTS)
    for target in set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_hub_takes_torch_out_of_the_lock_as_make_does():
    makefile = (COURSE / "Makefile").read_text(encoding="utf-8").replace("$$", "$")
    recipe = makefile.split("define install_cpu\n")[1].split("endef")[0]
    programs = re.findall(r"(?:awk|sed -n) ('.+?')", recipe)
    page = (COURSE / "hub/README.md").read_text(encoding="utf-8")
    assert len(programs) == 2 and all(program in page for program in programs)


def test_the_table_of_data_has_the_sizes_of_the_downloads():
    page = (COURSE / "INSTRUCTORS.md").read_text(encoding="utf-8")
    table = page.split("| data set | modules | download, at most | prepared |")[1].split("\n\n")[0]
    row = re.compile(r"^\| `(\w+)(?: --size (\d+))?`.*?\| [\d, ]+ \| (.+?) \|", re.MULTILINE)
    rows = row.findall(table)
    assert {name for name, *_ in rows} == DATA_SETS.keys()
    for name, size, said in rows:
        data_set = DATA_SETS[name]
        files = data_set.files(data_set.checked_size(int(size) if size else None))
        assert said == megabytes(sum(file.bytes for file in files)), name


@pytest.mark.parametrize("name", START_PAGES)
def test_start_pages_list_every_module_with_its_number_of_exercises(name):
    lines = (COURSE / name).read_text(encoding="utf-8").splitlines()
    for source in lessons():
        row = next(line for line in lines if f"{source.stem}.ipynb)" in line)
        own = [e for e in exercises() if int(e.id.split(".")[0]) == int(source.stem[:2])]
        assert f"| {len(own)} |" in row


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_linked_from_an_entry_and_part_of_the_site(page):
    entries = [(COURSE / name).read_text(encoding="utf-8") for name in ENTRIES]
    assert any(f"]({page})" in text for text in entries)
    assert f"file: {page.removesuffix('.md')}\n" in (COURSE / "site/_toc.yml").read_text()


def test_readme_fits_on_two_screens():
    lines = (COURSE / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 95
