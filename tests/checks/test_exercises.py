"""Every exercise: known mistakes by name, right answers however written, wrong ones refused."""

import ast
import importlib
import inspect
import time
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from machine import Slowness
from mutation import AND, survivors

from helpers.checks import check, exercises, grade, values, wrap_up
from helpers.checks.exercise import KINDS, NAMES, Exercise, Task, broken_source
from helpers.checks.grading import AS_GIVEN, STILL_THERE, known
from helpers.experiments.module_05 import another_scanner

EVERY = {e.id: e for e in exercises()}
EXERCISES = {id: e for id, e in EVERY.items() if isinstance(e, Exercise)}
TASKS = {id: e for id, e in EVERY.items() if isinstance(e, Task)}
MODULES = sorted({f"{int(id.split('.')[0]):02}" for id in EVERY})
BANKS = [
    importlib.import_module(f"{kind}_{module}") for module in MODULES for kind in ("right", "wrong")
]
RIGHT = {id: answers for bank in BANKS for id, answers in getattr(bank, "RIGHT", {}).items()}
WRONG = {id: answers for bank in BANKS for id, answers in getattr(bank, "WRONG", {}).items()}
ALLOWED = {
    id: allowed
    for module in MODULES
    for id, allowed in tomllib.loads(
        (Path(__file__).parent / f"survivors_{module}.toml").read_text(encoding="utf-8")
    ).items()
}
REFUSED = "wrong_form", "wrong_value", "wrong_behaviour"


def listed(bank):
    """Every answer of a bank with its exercise, named after what it is."""
    for id, answers in bank.items():
        for answer in answers:
            name = getattr(answer[0] if isinstance(answer, tuple) else answer, "__name__", "answer")
            yield pytest.param(id, answer, id=f"{id}-{name}")


@pytest.mark.parametrize(
    ("id", "mistake"),
    [pytest.param(e.id, m, id=f"{e.id}-{m.name}") for e in exercises() for m in e.mistakes],
)
def test_a_known_mistake_is_named_and_the_plain_sentence_stands_beside_it(id, mistake):
    """The bug of a cell is not named, even where the rest of the cell is another: see below."""
    bug = mistake is EVERY[id].bug
    verdict = grade(id, otherwise_written(EVERY[id]) if bug else mistake.variant)
    assert verdict.status in REFUSED
    assert verdict.misconception == mistake.name, verdict.detail
    named, plain = verdict.detail.split("\n", 1)
    assert named == (STILL_THERE if bug else mistake.says)
    assert plain


def run(code, exercise):
    """The function or class that a cell of the exercise's notebook would define."""
    names = NAMES | vars(inspect.getmodule(exercise.load_reference()))
    exec(compile(code, "cell", "exec"), names)
    return names[exercise.name]


def otherwise_written(exercise):
    """The cell with the bug, where the learner has added a line to each function."""
    tree = ast.parse(broken_source(exercise.id))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            function.body[:0] = ast.parse("unused = 0").body
    return run(ast.fix_missing_locations(tree), exercise)


@pytest.mark.parametrize("id", [id for id, e in EXERCISES.items() if e.bug])
def test_the_cell_with_the_bug_is_not_started_and_nothing_is_given_away(id):
    exercise = EVERY[id]
    verdict = grade(id, run(f"# a learner's comment\n{broken_source(id)}", exercise))
    assert (verdict.status, verdict.title) == ("not_started", "not started yet")
    assert verdict.detail == AS_GIVEN
    assert broken_source(id) != exercise.source().rstrip()


def test_a_module_has_at_most_two_exercises_of_one_kind():
    number = Counter((f"{int(id.split('.')[0]):02}", e.kind) for id, e in EVERY.items())
    assert not {key: n for key, n in number.items() if n > 2}
    assert {kind for _, kind in number} <= set(KINDS)


def test_names_without_a_module_are_unique():
    """The builder finds an exercise's solution by its name."""
    names = [e.reference for e in TASKS.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("id", "answer"), list(listed(WRONG)))
def test_a_wrong_answer_is_refused_for_its_own_reason(id, answer):
    """Written by hand, not edited from the reference; with it the mistake or a part of the text."""
    candidate, expected = answer
    verdict = grade(id, candidate)
    assert verdict.status in REFUSED
    assert expected == verdict.misconception or expected in verdict.detail, verdict


@pytest.mark.parametrize(("id", "answer"), list(listed(RIGHT)))
def test_a_right_answer_passes(id, answer):
    verdict = grade(id, answer)
    assert verdict.status == "passed", verdict.detail


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
class TestExercise:
    def test_a_copy_of_the_reference_passes_and_the_reference_does_not(self, exercise):
        verdict = grade(exercise.id, exercise.edited())
        assert verdict.status == "passed", verdict.detail
        assert grade(exercise.id, exercise.load_reference()).status == "not_started"

    def test_is_complete(self, exercise):
        assert exercise.difficulty in (1, 2, 3)
        assert 1 <= exercise.minutes <= 30
        assert len(exercise.hints) == 3 and all(exercise.hints)
        says = [m.says for m in exercise.mistakes]
        assert len(says) >= 3 and len(set(says)) == len(says)
        assert not any("\n" in text for text in says)
        assert len(RIGHT[exercise.id]) >= 2
        assert exercise.kind in KINDS

    @pytest.mark.parametrize("order", [1, 2])
    def test_mutants_of_the_reference_are_refused(self, exercise, order):
        allowed = ALLOWED.get(exercise.id, {})
        tried, passed = survivors(exercise, order, sample=60)
        assert tried > 0
        if order == 1:
            assert sorted(passed) == sorted(name for name in allowed if AND not in name)
        else:  # two changes of which neither matters do not matter together
            assert [
                p for p in passed if p not in allowed and not set(p.split(AND)) <= set(allowed)
            ] == []

    def test_grading_is_quick(self, exercise):
        """Processor time, since other processes may be busy; the promise is two seconds."""
        mistake = exercise.mistakes[-1]  # all others are tried as well, whichever it is
        mistake.variant  # noqa: B018  compiled before the clock runs
        known.cache_clear()
        assert seconds_of(exercise.id, mistake.variant) < 2


def seconds_of(id, answer):
    """Processor time of a check, on the machine of reference."""
    with Slowness() as machine:
        start = time.process_time()
        grade(id, answer)
        took = time.process_time() - start
    return took / machine.times


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
class TestTask:
    def test_is_complete(self, task):
        assert task.difficulty in (1, 2, 3)
        assert 1 <= task.minutes <= 30
        assert len(task.hints) == 3 and all(task.hints)
        assert len(RIGHT[task.id]) >= 3 and len(WRONG[task.id]) >= 3
        for text in said_by(task):
            assert text.endswith((".", "?")) and "\n" not in text

    def test_nothing_written_is_not_started(self, task):
        for blank in (None, ..., {"choice": ..., "because": ...}):
            if task.kind != "wrap-up" or not isinstance(blank, dict):
                verdict = grade(task.id, blank)
                assert (verdict.status, verdict.title) == ("not_started", "not started yet")

    def test_the_solution_passes_and_what_a_check_handed_out_does_not(self, task, capsys):
        if task.kind == "wrap-up":  # it needs its notebook, where nbval runs it
            compile(task.solution, task.id, "exec")
            return
        assert grade(task.id, task.load_reference()).passed
        handed_out = check(task.id, ...)
        assert handed_out == task.load_reference() and repr(handed_out) == repr(
            task.load_reference()
        )
        assert grade(task.id, handed_out).status == "not_started"

    def test_a_listed_mistake_is_named(self, task):
        mistakes = task.about.get("mistakes", {})
        assert task.kind != "predict" or len(mistakes) >= 3
        for name in mistakes:
            assert any(expected == name for _, expected in WRONG[task.id]), name

    def test_grading_is_quick(self, task):
        """The samples are drawn before the clock runs: a notebook has them by then. Not the scans
        of 5.15's hidden patients, which the check alone draws."""
        wrong = WRONG[task.id][0][0]
        grade(task.id, wrong)
        values.held_back.cache_clear()
        wrap_up.hidden.cache_clear()
        another_scanner.cache_clear()
        assert seconds_of(task.id, wrong) < 2


def said_by(task):
    """All sentences of an exercise's file that a learner may be told."""
    about = task.about
    yield from (m["says"] for m in about.get("mistakes", {}).values())
    yield from (r["says"] for r in about.get("reasons", {}).values())
    yield from about.get("choices", {}).values()
    yield from (about[name] for name in ("why", "numbers") if name in about)
