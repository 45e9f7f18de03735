"""How long a module takes: by one rule, said where a learner looks, and no more than two hours."""

import nbformat
import pytest

from helpers.authoring import build, parts, time
from helpers.authoring.build import COURSE, lessons, module_parts, plans, read_source
from helpers.checks import exercises

HOURS = 2 * 3600


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_the_core_of_a_module_fits_two_hours(path):
    core = parts.totals(module_parts(path))["core"]
    assert core <= HOURS, "make build ARGS=--minutes"


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_sections_begin_with_a_cell_of_their_own(path):
    inside = [s for p in module_parts(path) for c in p.cells for s in parts.sections_inside(c)]
    assert not inside


def test_titles_say_how_long_it_takes():
    titles = [read_source(path)[0].source for path in lessons()]
    assert all("**Time** about " in title for title in titles)


def test_plans_are_added_up_from_the_modules():
    minutes = {path.stem: parts.totals(module_parts(path)) for path in lessons()}
    table = plans(minutes)
    for page in ("notebooks/README.md", "INSTRUCTORS.md"):
        assert table in (COURSE / page).read_text(encoding="utf-8")
    row = next(line for line in table.splitlines() if "| two days |" in line)
    course = [s["core"] for module, s in minutes.items() if module[:2] != "00"]
    assert f"| {sum(course) / 3600:.1f} h |" in row


def test_start_pages_give_the_minutes_of_each_module():
    table = build.columns({path.stem: parts.totals(module_parts(path)) for path in lessons()})
    for page in ("README.md", "notebooks/README.md"):
        lines = (COURSE / page).read_text(encoding="utf-8").splitlines()
        for module, texts in table.items():
            row = next(line for line in lines if f"{module}.ipynb)" in line and line[0] == "|")
            assert f"| {texts['exercises']} | {texts['core']} | {texts['optional']} |" in row


# --- the rule, on made-up cells -------------------------------------------------------------------


def markdown(source):
    return nbformat.v4.new_markdown_cell(source, id="m")


def code(source, *tags, id="c"):
    return nbformat.v4.new_code_cell(source, id=id, metadata={"tags": list(tags)})


def work(cell, questions=()):
    return time.work(cell, {e.id: e for e in exercises()}, questions)


def test_words_and_formulae_take_time_and_addresses_none():
    words = "word " * time.WORDS_A_MINUTE
    assert work(markdown(words)) == 60
    assert work(markdown(f"{words} $$x + y = z$$")) == 60 + time.FORMULA
    assert work(markdown(words + "<!-- a b c --> [](https://example.org) <a id='x y'></a>")) == 60


def test_code_is_read_line_by_line_and_figures_are_looked_at():
    assert work(code("a = 1\n\nb = 2")) == 2 * time.CODE_LINE
    assert work(code("plotting.show(figure, text)")) == time.CODE_LINE + time.FIGURE
    assert work(code("from helpers.widgets import x")) == time.CODE_LINE + time.WIDGET


def test_an_exercise_takes_its_own_minutes_and_its_check_none():
    exercise = exercises()[3]
    cell = code("def f():\n    ...", "exercise", id=f"ex-{exercise.id.replace('.', '-')}")
    assert work(cell) == 60 * exercise.minutes
    assert work(code("f = check('1.1', f)", "check")) == 0
    assert work(code("claim('', True)", "claim")) == 0
    assert work(code("seen('')", "seen")) == time.SEEN


def test_each_question_of_the_quiz_counts_where_it_is_asked():
    questions = [{"id": "a", "placed": True}, {"id": "b", "placed": False}, {"placed": False}]
    assert work(code('quiz("01", "a")'), questions) == time.CODE_LINE + time.QUIZ_QUESTION
    assert work(code('quiz("01")'), questions) == time.CODE_LINE + 2 * time.QUIZ_QUESTION
    assert work(code('quiz("01", "a", value=x)'), questions) == time.CODE_LINE + time.QUIZ_QUESTION


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "1 minute"), (130, "2 minutes"), (19 * 60, "19 minutes"), (43 * 60, "45 minutes")],
)
def test_minutes_are_rounded(seconds, said):
    assert time.said(seconds) == said


def test_computing_counts_in_the_part_where_it_happens():
    cells = [markdown("# T"), markdown("## 1 · A"), code(""), markdown("## 2 · B"), code("")]
    for i, cell in enumerate(cells):
        cell.id = str(i)
    cells[3].metadata["tags"] = ["optional"]
    found = parts.split(cells, "01", {"2": 30.0, "4": 50.0})
    assert [part.computing for part in found] == [0, 30, 50]
    seconds = parts.totals(found)
    assert seconds["computing"] == 80 and 50 < seconds["optional"] < 55
