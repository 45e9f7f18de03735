"""Every exercise: a wrong answer gets its own sentence, a right one passes however written."""

import time

import pytest
import right_01
import right_02
import right_03
import right_04
import right_05
import torch

from helpers.checks import exercises, grade

MODULES = right_01, right_02, right_03, right_04, right_05
RIGHT = {id: candidates for module in MODULES for id, candidates in module.RIGHT.items()}
EXERCISES = {e.id: e for e in exercises()}
MUTANTS = [(e.id, m) for e in exercises() for m in e.misconceptions]
RIGHT_ONES = [(id, candidate) for id, candidates in RIGHT.items() for candidate in candidates]


@pytest.mark.parametrize(("id", "mutant"), MUTANTS, ids=lambda x: getattr(x, "name", x))
def test_mutant_is_rejected_for_its_own_reason(id, mutant):
    verdict = grade(id, mutant.variant)
    assert verdict.status in ("wrong_form", "wrong_value", "wrong_behaviour")
    assert verdict.misconception == mutant.name
    assert verdict.detail == mutant.says


@pytest.mark.parametrize("skipped", [1, 23, 456])
@pytest.mark.parametrize(
    ("id", "mutant"),
    [(id, m) for id, m in MUTANTS if id in ("2.5", "2.6", "2.12")],
    ids=lambda x: getattr(x, "name", x),
)
def test_a_mistake_in_drawing_is_named_whatever_is_drawn(id, mutant, skipped):
    def with_other_draws(*args, **kwargs):
        torch.rand(skipped)
        return mutant.variant(*args, **kwargs)

    assert grade(id, with_other_draws).misconception == mutant.name


@pytest.mark.parametrize(("id", "candidate"), RIGHT_ONES, ids=lambda x: getattr(x, "__name__", x))
def test_right_answer_passes(id, candidate):
    verdict = grade(id, candidate)
    assert verdict.status == "passed", verdict.detail


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
class TestExercise:
    def test_reference_passes(self, exercise):
        verdict = grade(exercise.id, exercise.load_reference())
        assert verdict.status == "passed", verdict.detail

    def test_is_complete(self, exercise):
        assert exercise.title
        assert exercise.difficulty in (1, 2, 3)
        assert 1 <= exercise.minutes <= 30
        assert len(exercise.hints) == 3 and all(exercise.hints)
        says = [m.says for m in exercise.misconceptions]
        assert len(says) >= 3 and len(set(says)) == len(says)
        assert len(RIGHT[exercise.id]) >= 2

    def test_last_hint_is_not_the_first(self, exercise):
        """The ladder climbs: only the last rung may show the decisive code."""
        assert len(set(exercise.hints)) == 3

    def test_grading_is_quick(self, exercise):
        """Processor time, since other processes may be busy; the promise is two seconds."""
        start = time.process_time()
        grade(exercise.id, exercise.misconceptions[-1].variant)
        assert time.process_time() - start < 2
