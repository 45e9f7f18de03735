"""Exercise checks with feedback: check, hint, solution, progress; and grade for machines."""

import importlib
import os
from functools import cache

from IPython.display import display

from helpers.banner import Banner
from helpers.checks.exercise import MODULES
from helpers.checks.grading import NOT_YOUR_OWN, grade_exercise
from helpers.checks.record import Progress, Record
from helpers.checks.verdict import CheckFailed, Verdict

__all__ = [
    "CheckFailed",
    "Verdict",
    "check",
    "exercises",
    "grade",
    "hint",
    "progress",
    "solution",
]

_TONES = {"passed": "good", "not_started": "open"}
_rungs = {}


def exercises():
    """All exercises of the course, in order: id, title, reference, difficulty (1 to 3), minutes."""
    return [e for module in MODULES for e in _of_module(module).values()]


def grade(id, candidate):
    """Verdict on a candidate for exercise `id` ("1.4"), without display. Never raises for it."""
    return grade_exercise(_exercise(id), candidate)


def check(id, candidate):
    """Show the verdict on the candidate; return it if it passed, else the reference.

    So the notebook goes on in either case. With COURSE_STRICT=1 in the environment a check that
    did not pass raises CheckFailed.
    """
    exercise = _exercise(id)
    verdict = grade_exercise(exercise, candidate)
    if verdict.title != NOT_YOUR_OWN:  # that says nothing about what the learner wrote before
        Record().note(id, verdict.status)
    strict = os.environ.get("COURSE_STRICT") == "1"
    text = verdict.detail
    if not verdict.passed and not strict:
        name = exercise.reference.rsplit(".", 1)[1]
        text += (
            f"\nThe notebook goes on with the reference `{name}`. "
            f'`hint("{id}")` helps, `solution("{id}")` shows it.'
        )
    mark = {"passed": "✓", "not_started": "○"}.get(verdict.status, "✗")
    title = f"{mark} Exercise {id}, {exercise.title}: {verdict.title}"
    Banner(title, text, tone=_TONES.get(verdict.status, "bad")).show()
    if verdict.passed:
        return candidate
    if strict:
        raise CheckFailed(id, verdict)
    return exercise.load_reference()


def hint(id):
    """Show the next hint: the concept, then the line to look at, then nearly the code."""
    exercise = _exercise(id)
    rung = _rungs.get(id, 0)
    _rungs[id] = min(rung + 1, len(exercise.hints) - 1)
    more = (
        "" if rung == len(exercise.hints) - 1 else f'\nOnce more `hint("{id}")` for the next one.'
    )
    title = f"Hint {rung + 1} of {len(exercise.hints)} for exercise {id}, {exercise.title}"
    Banner(title, exercise.hints[rung] + more).show()


def solution(id):
    """Show the source of the reference."""
    exercise = _exercise(id)
    Banner(f"Solution of exercise {id}: {exercise.reference}", code=exercise.source()).show()


def progress():
    """Show what is passed, open and failing, from the file beside the notebook."""
    display(Progress(exercises(), Record().statuses()))


@cache
def _of_module(module):
    """The exercises of a module ("02") by id. Its probes and references are imported here."""
    return {e.id: e for e in importlib.import_module(f"helpers.checks.module_{module}").EXERCISES}


def _exercise(id):
    module = f"{id.split('.')[0]:0>2}" if isinstance(id, str) else None
    if module not in MODULES or id not in _of_module(module):
        known = ", ".join(e.id for e in exercises())
        raise KeyError(f"no exercise {id!r}; the exercises are {known}")
    return _of_module(module)[id]
