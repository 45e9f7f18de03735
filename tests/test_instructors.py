"""The pages for instructors: up to date, complete, and the clock adds up."""

import re
from itertools import pairwise

import nbformat
import pytest

from helpers.authoring import instructors, parts
from helpers.authoring.build import COURSE, PLANS, lessons, module_parts
from helpers.authoring.instructors import TIMETABLES, Timetable
from helpers.checks import exercises

CLOCK = re.compile(r"^\| (\d+):(\d+) to (\d+):(\d+) \| (.+) \| (\d+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def modules():
    return {path.stem: module_parts(path) for path in lessons()}


def rows(table):
    """[(start, end, what, minutes)] of a timetable, in minutes since midnight."""
    return [
        (60 * int(a) + int(b), 60 * int(c) + int(d), what, int(minutes))
        for a, b, c, d, what, minutes in CLOCK.findall(table)
    ]


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("INSTRUCTORS.md", instructors.timetables),
        ("INSTRUCTORS.md", instructors.overview),
        ("docs/exercises.md", instructors.exercise_pages),
    ],
    ids=["timetables", "modules", "exercises"],
)
def test_pages_show_what_the_modules_say(modules, page, made):
    assert made(modules).strip() in (COURSE / page).read_text(encoding="utf-8"), "make build"


def test_every_exercise_has_its_question_and_no_other_has_one():
    own = {e.id for e in exercises() if not e.id.startswith("0.")}
    assert instructors.questions().keys() == own
    for id, entry in instructors.questions().items():
        assert entry.keys() == {"ask", "answer"}, id
        assert entry["ask"].endswith("?") and entry["answer"].endswith("."), id


def test_the_guide_has_all_that_the_checker_knows(modules):
    page = instructors.exercise_pages(modules)
    for exercise in exercises():
        if not exercise.id.startswith("0."):
            assert page.count(f"### {exercise.id} · {exercise.title}\n") == 1
            assert all(says in page for _, says in instructors.misconceptions(exercise))
            assert instructors.misconceptions(exercise) or exercise.kind == "wrap-up"


def test_timetables_are_of_the_plans():
    assert {name: plan.modules for name, plan in TIMETABLES.items()} == PLANS


@pytest.mark.parametrize("plan", TIMETABLES.values(), ids=TIMETABLES)
def test_a_timetable_is_kept_and_leaves_nothing_out(modules, plan):
    table = instructors.timetable(plan, modules)
    days = table.split("**Day ")[1:] if plan.days > 1 else [table]
    assert len(days) == plan.days
    for day in map(rows, days):
        assert day[0][0] == instructors.START and day[-1][1] <= plan.until
        assert all(end - start == minutes for start, end, _, minutes in day)
        assert all(before[1] == after[0] for before, after in pairwise(day))
        assert not any("break" in a[2] and "break" in b[2] for a, b in pairwise(day))
        assert max(minutes for *_, what, minutes in day if "Module" in what) <= 110
    for name, own in modules.items():
        if int(name[:2]) in plan.modules:
            titles = [s.title for s in instructors.sections(name, own) if s.core]
            assert all(table.count(title) >= 1 for title in titles)


# --- on made-up modules ---------------------------------------------------------------------------


def made(*minutes, optional=()):
    """The parts of a module whose sections take so many minutes of computing."""
    cells = [nbformat.v4.new_markdown_cell("# Title", id="title")]
    seconds = {}
    for i, length in enumerate(minutes, 1):
        cells.append(nbformat.v4.new_markdown_cell(f"## {i} · S{i}", id=f"s{i}"))
        cells[-1].metadata["tags"] = ["optional"] * (i in optional)
        cells.append(nbformat.v4.new_code_cell("", id=f"c{i}"))
        seconds[f"c{i}"] = 60 * length
    return parts.split(cells, "01", seconds)


def test_sections_hold_what_is_below_them_and_the_title_goes_with_the_first():
    found = instructors.sections("01_topic", made(10, 20, 30, optional=[2]))
    assert [s.title for s in found] == ["1 · S1", "2 · S2", "3 · S3"]
    assert [round(s.minutes) for s in found] == [10, 0, 30]
    assert round(found[1].optional / 60) == 20 and found[0].key == "01/1"


def test_a_day_has_breaks_and_one_lunch_at_noon():
    work = instructors.sections("01_topic", made(*[30] * 12))
    table, end = instructors.clock(work)
    day = rows("\n".join(table))
    lunch = [row for row in day if row[2] == "*lunch*"]
    assert len(lunch) == 1 and 11.5 * 60 <= lunch[0][0] <= 13.5 * 60
    assert end == day[-1][1] and sum("*break*" in row[2] for row in day) >= 2
    short = instructors.clock(instructors.sections("01_topic", made(60, 60, 60)))[0]
    assert "lunch" not in "".join(short)


def test_what_does_not_fit_is_left_for_home_in_the_order_that_is_given():
    modules = {"01_topic": made(59, 59, 59, 59)}
    plan = Timetable((1,), 1, 12 * 60 + 45, ("01/3", "01/2"))
    work, home = instructors.chosen(plan, modules)
    assert [s.key for s in home] == ["01/3"] and len(work) == 3
    assert "module 1, 3 · S3" in instructors.timetable(plan, modules)
    with pytest.raises(parts.SourceError, match="do not fit"):
        instructors.chosen(Timetable((1,), 1, 10 * 60, ("01/3",)), modules)
    with pytest.raises(parts.SourceError, match="01/9"):
        instructors.chosen(Timetable((1,), 1, 17 * 60, ("01/9",)), modules)


def test_blocks_are_as_even_as_their_sections_let_them():
    work = instructors.sections("01_topic", made(50, 10, 10, 50))
    assert [len(block) for block in instructors.cut(work, 2)] == [2, 2]
    assert [len(block) for block in instructors.cut(work[:1], 3)] == [1]
