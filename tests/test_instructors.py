"""The pages for instructors: up to date, complete, and the clock adds up."""

import re
from itertools import pairwise
from types import SimpleNamespace

import nbformat
import pytest

from helpers.authoring import instructors, parts
from helpers.authoring.build import COURSE, PLANS, lessons, module_parts
from helpers.authoring.instructors import TIMETABLES, Timetable
from helpers.checks import exercises
from helpers.checks.exercise import texts
from helpers.grading.run import POINTS

CLOCK = re.compile(r"^\| (\d+):(\d+) to (\d+):(\d+) \| (.+) \| (.*) \| (\d+) \|$", re.MULTILINE)
STOP = re.compile(r"\[([\d.]+)\]\(docs/exercises\.md#([\w-]+)\) until (\d+):(\d+)")


@pytest.fixture(scope="module")
def modules():
    return {path.stem: module_parts(path) for path in lessons()}


def rows(table):
    """[(start, end, what, minutes)] of a timetable, in minutes since midnight."""
    return [
        (60 * int(a) + int(b), 60 * int(c) + int(d), what, int(minutes))
        for a, b, c, d, what, _, minutes in CLOCK.findall(table)
    ]


def stops(table):
    """[(start of the block, its end, what, {exercise: when it stops})], in minutes."""
    return [
        (*row[:3], {id: 60 * int(h) + int(m) for id, _, h, m in STOP.findall(found[5])})
        for row, found in zip(rows(table), CLOCK.findall(table), strict=True)
    ]


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("INSTRUCTORS.md", instructors.timetables),
        ("INSTRUCTORS.md", instructors.points),
        ("INSTRUCTORS.md", instructors.overview),
        ("docs/exercises.md", instructors.exercise_pages),
    ],
    ids=["timetables", "points", "modules", "exercises"],
)
def test_pages_show_what_the_modules_say(modules, page, made):
    assert made(modules).strip() in (COURSE / page).read_text(encoding="utf-8"), "make build"


def test_every_exercise_has_its_question_and_no_other_has_one():
    own = {e.id for e in exercises() if not e.id.startswith("0.")}
    assert instructors.questions().keys() == own
    for id, entry in instructors.questions().items():
        assert entry.keys() - {"afterwards"} == {"ask", "answer"}, id
        assert entry["ask"].endswith("?") and entry["answer"].endswith("."), id


def test_the_guide_has_all_that_the_checker_knows(modules):
    page = instructors.exercise_pages(modules)
    for exercise in exercises():
        if not exercise.id.startswith("0."):
            assert page.count(f"### {exercise.id} · {exercise.title}\n") == 1
            assert all(says in page for _, says in instructors.misconceptions(exercise))
            assert instructors.misconceptions(exercise) or exercise.kind == "wrap-up"


def test_the_guide_answers_what_is_predicted(modules):
    page = instructors.exercise_pages(modules)
    known = [e for e in exercises() if e.kind == "predict" and not e.id.startswith("0.")]
    assert page.count("**The answer:**") == len(known) >= 5
    for exercise in known:
        entry = page.split(f"### {exercise.id} · ")[1].split("\n### ")[0]
        (line,) = re.findall(r"^\*\*The answer:\*\* (.+)$", entry, re.MULTILINE)
        right = exercise.about["answer"]
        right = right if isinstance(right, dict) else {"": right}
        assert exercise.about["why"] in line
        assert all(
            f"`{part}` {x}" in line if part else f"{x}. " in line for part, x in right.items()
        )


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"answer": 36}, "36. *So.*"),
        ({"answer": {"a": 1, "b": 0.5}}, "`a` 1, `b` 0.5. *So.*"),
        ({"band": [0.8, 0.9]}, "from 0.8 to 0.9. *So.*"),
    ],
)
def test_an_answer_is_a_number_several_or_a_band(about, says):
    exercise = SimpleNamespace(id="9.1", about=about | {"why": "So."})
    assert instructors.predicted(exercise) == says


def test_points_are_those_of_the_grader(modules):
    table = instructors.points(modules)
    rows = re.findall(r"^\| (\d) \| ([\d., ]+) \| (\d+) \| (\d+) \|$", table, re.MULTILINE)
    assert len(rows) == len(modules)
    for module, core, counted, of in rows:
        own = [e for e in exercises() if e.id.startswith(f"{module}.")]
        asked = [e for e in own if e.id in core.split(", ")]
        assert sum(POINTS[e.difficulty] for e in asked) == int(counted)
        assert sum(POINTS[e.difficulty] for e in own) == int(of)
        assert 4 <= len(asked) == len(core.split(", ")) < len(own)
    sums = [sum(int(row[i]) for row in rows) for i in (2, 3)]
    assert table.endswith(f"| **all** | | {sums[0]} | {sums[1]} |")
    assert 0.2 < sums[0] / sums[1] < 0.25, "INSTRUCTORS.md says: less than a quarter"


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
        assert max(minutes for *_, what, minutes in day if "Module" in what) <= 90
    for name, own in modules.items():
        if int(name[:2]) in plan.modules:
            titles = [s.title for s in instructors.sections(name, own) if s.core]
            assert all(table.count(title) >= 1 for title in titles)


def test_half_a_day_is_no_longer_than_a_room_stays(modules):
    day = rows(instructors.timetable(TIMETABLES["half a day"], modules))
    assert day[-1][1] - day[0][0] <= 4 * 60 + 15
    assert day[-1][1] <= TIMETABLES["half a day"].until


@pytest.mark.parametrize("plan", TIMETABLES.values(), ids=TIMETABLES)
def test_each_exercise_of_a_block_is_named_and_stops_within_it(modules, plan):
    table = instructors.timetable(plan, modules)
    work, home = instructors.chosen(plan, modules)
    tasks, blocks = {s.title: [t.id for t in s.tasks] for s in work}, stops(table)
    named = [id for *_, found in blocks for id in found]
    assert named == [t.id for s in work for t in s.tasks]
    for start, end, what, found in blocks:
        assert list(found.values()) == sorted(found.values())
        assert all(start < stop <= end for stop in found.values())
        for id in found:
            assert any(title in what for title, own in tasks.items() if id in own), id
    at_home = table.partition("**For home**")[2]
    assert all(t.link in at_home for s in home for t in s.tasks)
    shown = [t.link for s in work for t in s.tasks if t.shown]
    assert all(f"you show {link}" in table for link in shown)
    assert table.count("you show") == len(shown) < len(named) / 2, "mostly, learners write"


def test_the_links_of_the_timetables_lead_to_the_guide(modules):
    links = re.findall(r"exercises\.md#([\w-]+)", instructors.timetables(modules))
    guide = (COURSE / "docs" / "exercises.md").read_text(encoding="utf-8")
    assert links and all(guide.count(f'<a id="{link}"') == 1 for link in links)


def test_the_room_rule_agrees_with_the_walk_through():
    """The blocks of the plan of 29 November: minutes for one learner, exercises, sections, changes
    of notebook, and what they were put at for a room of twenty."""
    for core, exercises_, sections_, changes, estimate in [
        (63, 3, 4, 0, 78),
        (69, 1, 6, 1, 90),
        (69, 3, 4, 0, 92),
    ]:
        block = [instructors.Section("01", "1 · S", core=60 * core)]
        block += [instructors.Section("01", "2 · S") for _ in range(sections_ - 1)]
        block[0].tasks = [instructors.Task("1.2", 10, 10)] * exercises_
        block[0].change = bool(changes)
        assert sum(s.room for s in block) == pytest.approx(estimate, rel=0.1)


def test_what_is_left_out_with_a_section_is_in_the_notebook(modules):
    numbered = {name[:2]: own for name, own in modules.items()}
    for key, note in instructors.WITHOUT.items():
        module, number = key.split("/")
        cells = [cell.source for part in numbered[module] for cell in part.cells]
        asked = [q["question"] for q in texts(module).get("quiz", [])]
        assert any(source.startswith(f"## {number} · ") for source in cells)
        for quoted in re.findall(r'"([^"]+)"', note):
            assert any(quoted in text for text in cells + asked), quoted


def test_the_table_of_the_samples_has_the_numbers_of_the_real_data():
    page = (COURSE / "INSTRUCTORS.md").read_text(encoding="utf-8")
    table = page.split("## What differs on the offline samples")[1].split("\n## ")[0]
    lines = re.findall(r"^\| (\d), section .+?\|(.+?)\|", table, re.MULTILINE)
    assert len(lines) >= 5
    for module, real in lines:
        (path,) = (COURSE / "solutions").glob(f"0{module}_*.ipynb")
        printed = str([c.get("outputs") for c in nbformat.read(path, as_version=4).cells])
        assert all(number in printed for number in re.findall(r"\d\.\d+", real)), real


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


def test_what_does_not_fit_gives_way_in_the_order_that_is_given():
    modules = {"01_topic": made(54, 54, 54, 54)}
    plan = Timetable((1,), 1, 12 * 60 + 45, ("01/3", "01/2"))
    work, home = instructors.chosen(plan, modules)
    assert [s.key for s in home] == ["01/3"] and len(work) == 3
    assert "Module 1, 3 · S3" in instructors.timetable(plan, modules)
    with pytest.raises(parts.SourceError, match="do not fit"):
        instructors.chosen(Timetable((1,), 1, 10 * 60, ("01/3",)), modules)
    with pytest.raises(parts.SourceError, match="01/9"):
        instructors.chosen(Timetable((1,), 1, 17 * 60, ("01/9",)), modules)


def exercise_after(minutes):
    """A module whose one section has this much computing, exercise 1.4 of 8 minutes, and more."""
    cells = [
        nbformat.v4.new_markdown_cell("# Title", id="title"),
        nbformat.v4.new_markdown_cell("## 1 · S1", id="s1"),
        nbformat.v4.new_code_cell("", id="c1"),
        nbformat.v4.new_code_cell("...", id="ex-1-4", metadata={"tags": ["exercise"]}),
        nbformat.v4.new_code_cell("", id="c2"),
    ]
    return {"01_topic": parts.split(cells, "01", {"c1": 60 * minutes, "c2": 1200})}


def test_an_exercise_stops_after_what_is_before_it_a_question_and_its_minutes():
    plan = Timetable((1,), 1, 12 * 60)
    ((*_, found),) = [
        row for row in stops(instructors.timetable(plan, exercise_after(10))) if row[3]
    ]
    begin = instructors.START + instructors.WELCOME + 10
    assert found == {"1.4": begin + instructors.QUESTION + 8}


def test_an_exercise_that_is_shown_saves_minutes():
    modules = exercise_after(10)
    (written,), _ = instructors.chosen(Timetable((1,), 1, 12 * 60, ("1.4",)), modules)
    assert not written.tasks[0].shown  # it fits
    until = 10 * 60 + 1 + instructors.CLOSE
    (shown,), home = instructors.chosen(Timetable((1,), 1, until, ("1.4",)), modules)
    assert shown.tasks[0].shown and not home
    saved = 8 + instructors.QUESTION + instructors.ANSWER - instructors.SHOWN
    assert written.room - shown.room == pytest.approx(saved)


def test_the_guide_says_where_each_quiz_question_is_asked(modules):
    for module, found in modules.items():
        placed = {q["id"] for q in texts(module[:2]).get("quiz", []) if q.get("placed")}
        assert instructors.asked_in(found).keys() == placed
    (first,) = (found for module, found in modules.items() if module.startswith("01"))
    assert instructors.asked_in(first)["batch-means"] == "section 5, optional"


def test_what_the_welcome_runs_is_not_counted_again():
    modules = exercise_after(10)
    plan = Timetable((1,), 1, 12 * 60)
    (whole,), _ = instructors.chosen(plan, modules)
    modules["01_topic"][1].cells[1].id = instructors.BEGUN  # c1, ten minutes of computing
    (rest,), _ = instructors.chosen(plan, modules)
    seconds = 1 + 1 + 10 * 60  # the words of the title and of the heading, and the cell
    assert whole.core - rest.core == seconds
    assert whole.tasks[0].end - rest.tasks[0].end == pytest.approx(seconds / 60)


def test_cells_of_a_section_at_home_are_run_where_a_later_one_reads_them():
    sources = ["a = 1", "b = a", "c = 2", "print(b)"]
    found = []
    for i, source in enumerate(sources, 1):
        cell = nbformat.v4.new_code_cell(source)
        found.append(instructors.Section("01", f"{i} · S{i}", core=60, cells=[cell]))
    needed = instructors.readers([found[3]], found[:3])
    assert needed == {"01/1": ["2"], "01/2": ["4"], "01/3": []}
    other = instructors.Section(
        "02", "1 · T", core=60, cells=[nbformat.v4.new_code_cell("print(c)")]
    )
    assert instructors.readers([other], [found[2]]) == {"01/3": []}, "another notebook"


def test_blocks_are_as_even_as_their_sections_let_them():
    work = instructors.sections("01_topic", made(50, 10, 10, 50))
    assert [len(block) for block in instructors.cut(work, 2)] == [2, 2]
    assert [len(block) for block in instructors.cut(work[:1], 3)] == [1]
