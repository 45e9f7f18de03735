"""Every exercise: known mistakes by name, right answers however written, wrong ones refused."""

import importlib
import time
import tomllib
from pathlib import Path

import pytest
from mutation import AND, survivors

from helpers.checks import exercises, grade
from helpers.checks.grading import known

EXERCISES = {e.id: e for e in exercises()}
MODULES = sorted({f"{int(id.split('.')[0]):02}" for id in EXERCISES})
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
    verdict = grade(id, mistake.variant)
    assert verdict.status in REFUSED
    assert verdict.misconception == mistake.name, verdict.detail
    named, plain = verdict.detail.split("\n", 1)
    assert named == mistake.says
    assert plain


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
        for mistake in (exercise.mistakes[0], exercise.mistakes[-1]):
            mistake.variant  # noqa: B018  compiled before the clock runs
            known.cache_clear()
            start = time.process_time()
            grade(exercise.id, mistake.variant)
            assert time.process_time() - start < 2
