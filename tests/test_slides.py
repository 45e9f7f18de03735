"""Slides: cut at headings, one figure each, nothing that only a learner needs, and all fits."""

import shutil

import nbformat
import pytest

from helpers.authoring import slides
from helpers.authoring.build import COURSE, lessons

SHIPPED = (COURSE / "site" / "slides" / "node_modules" / "reveal.js").exists()


def code(source, *outputs, tags=(), id="cell"):
    made = [nbformat.v4.new_output(kind, **fields) for kind, fields in outputs]
    return nbformat.v4.new_code_cell(source, outputs=made, id=id, metadata={"tags": list(tags)})


def figure(html="<figure><img src=''></figure>"):
    return "display_data", {"data": {"text/html": html}}


def printed(text):
    return "stream", {"name": "stdout", "text": text}


def made(*cells):
    """[(slide_type, source, outputs, whether its code is shown)] of the slides of these cells."""
    notebook = slides.slides(nbformat.v4.new_notebook(cells=list(cells)))
    return [
        (
            c.metadata.slideshow.slide_type,
            c.source,
            c.get("outputs", []),
            not c.metadata.get("transient", {}).get("remove_source", False),
        )
        for c in notebook.cells
    ]


def test_headings_begin_slides_and_text_that_is_too_long_is_cut_between_paragraphs():
    text = "## 3 · Bounds\n\n" + "\n\n".join(["word " * 70] * 6)
    found = made(nbformat.v4.new_markdown_cell(text))
    assert [kind for kind, *_ in found] == ["slide", *["subslide"] * (len(found) - 1)]
    assert len(found) > 1 and all("3 · Bounds" in source for _, source, *_ in found)
    assert sum(source.count("word") for _, source, *_ in found) == 6 * 70
    assert made(nbformat.v4.new_markdown_cell("### Exercise 1.1"))[0][0] == "subslide"


def test_a_formula_a_fence_and_a_short_list_are_not_torn():
    for block in ("$$\na\n\n= b\n$$", "```\na\n\nb\n```", "- a\n- b"):
        assert slides.blocks(f"Text.\n\n{block}\n\nMore.") == ["Text.", block, "More."]
    long = "\n".join(["- " + "word " * 40] * 6)
    assert slides.blocks(long) == long.split("\n")


def test_a_formula_stays_with_the_sentence_that_it_ends():
    text = "\n\n".join(["word " * 70] * 3 + ["We get", "$$a = b$$"])
    assert any("We get\n\n$$a = b$$" in page for page in slides.pages(text))


def test_each_figure_has_a_slide_of_its_own_without_its_code():
    found = made(code("plot()", figure(), figure()))
    shown = [part for part in found if part[2]]
    assert len(shown) == 2 and not any(has_code for *_, has_code in shown)
    assert [kind for kind, *_ in found] == ["subslide", "-", "subslide", "-"]


def test_code_is_shown_where_it_is_short():
    short, long = "a = 1\nprint(a)", "\n".join(["a = 1"] * 30)
    assert made(code(short, printed("1")))[-1][3]
    assert not made(code(long, printed("1")))[-1][3]
    assert made(code(short, printed("1\n" * 40))) == []
    assert made(code(short, printed("100%|███| 7/7"))) == []
    assert made(code("def f(): ...", tags=["exercise"]))[-1][3]
    assert made(code(long, tags=["exercise"])) == []


@pytest.mark.parametrize(
    "cell",
    [
        code("setup()", figure(), tags=["setup"]),
        code('f = check("1.1", f)', figure(), tags=["check"]),
        code("claim('', True)", printed("holds"), tags=["claim"]),
        code("bootstrap", printed("x"), id="bootstrap"),
        code('quiz("01")', figure()),
        code("progress()", figure()),
        code("preflight()", figure("<div>a line about the machine</div>")),
    ],
    ids=["setup", "check", "claim", "bootstrap", "quiz", "progress", "banner"],
)
def test_what_only_a_learner_needs_is_left_out(cell):
    assert made(cell) == []


def test_a_folded_answer_is_open():
    shown = "<details><summary>What you should see</summary>\n\n0.5\n\n</details>"
    found = made(code("seen()", ("display_data", {"data": {"text/markdown": shown}})))
    assert "<details open>" in found[-1][1] and "0.5" in found[-1][1]


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_every_figure_of_a_module_is_there(path):
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    figures = [
        output
        for cell in notebook.cells
        if not set(cell.metadata.get("tags", [])) & slides.LEFT_OUT
        for output in cell.get("outputs", [])
        if "<img" in output.get("data", {}).get("text/html", "")
    ]
    found = [o for c in slides.slides(notebook).cells for o in c.get("outputs", [])]
    assert all(figure in found for figure in figures)


@pytest.mark.skipif(not SHIPPED, reason="no reveal.js in site/slides: make slides")
def test_a_slide_that_does_not_fit_is_found_and_nothing_comes_from_the_network(
    tmp_path, monkeypatch
):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright: make dev")
    if not (chromium := shutil.which("chromium")):
        pytest.skip("no Chromium (apt install chromium)")
    tall = "<table>" + "<tr><td>row</td></tr>" * 60 + "</table>"
    cells = [
        nbformat.v4.new_markdown_cell("# Title\n\nText with $x^2$."),
        code("table()", figure(tall), id="table"),
        code("figure()", figure()),
    ]
    source = tmp_path / "09_made.py"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source.with_suffix(".ipynb"))
    monkeypatch.setattr(slides, "TARGET", tmp_path / "out")
    page = slides.export(source)
    slides.ship()
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        lines, count = slides.faults(page, browser)
        browser.close()
    assert count == 3
    assert len(lines) == 1 and "09_made.html#/0/1 is" in lines[0]
