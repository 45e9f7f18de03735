"""Exercise checks with feedback: check, hint, solution, progress; and grade for machines."""

import importlib
import os
import re
from functools import cache

from helpers.banner import Banner, show
from helpers.checks.exercise import MODULES
from helpers.checks.findings import kind_of
from helpers.checks.grading import grade_exercise
from helpers.checks.record import Progress, Record, Scores
from helpers.checks.values import given
from helpers.checks.verdict import NOT_YOUR_OWN, CheckFailed, Verdict

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
    """All exercises of the course, in order: id, title, kind, reference, difficulty, minutes."""
    return [e for module in MODULES for e in of_module(module).values()]


def grade(id, candidate):
    """Verdict on a candidate for exercise `id` ("1.4"), without display. Never raises for it."""
    return grade_exercise(_exercise(id), candidate)


def check(id, candidate):
    """Show the verdict on the candidate; return it if it passed, else the reference.

    So the notebook goes on in either case. A wrap-up's candidate comes back in any case: nothing
    later needs it. With COURSE_STRICT=1 in the environment a check that did not pass raises
    CheckFailed.
    """
    exercise = _exercise(id)
    verdict = grade_exercise(exercise, candidate)
    id, lost = exercise.id, ""
    strict = os.environ.get("COURSE_STRICT") == "1"
    text, status = verdict.detail, verdict.status
    if verdict.score is not None and not strict:  # a build shows the same twice
        text += Scores().note(id, verdict)
        status = "passed" if Scores().passed(id) else status
    if verdict.title != NOT_YOUR_OWN:  # that says nothing about what the learner wrote before
        lost = Record().note(id, status)
    if not verdict.passed and not strict:
        text += f"\n{_and_now(exercise)}"
    text += lost and f"\n{lost}"
    mark = {"passed": "✓", "not_started": "○"}.get(verdict.status, "✗")
    title = f"{mark} Exercise {id}, {exercise.title}: {verdict.title}"
    Banner(title, text, tone=_TONES.get(verdict.status, "bad")).show()
    if strict and not verdict.passed:
        raise CheckFailed(id, verdict)
    if verdict.passed or exercise.kind == "wrap-up":
        return candidate
    reference = exercise.load_reference()
    return given(reference) if exercise.kind in ("predict", "choose") else reference


def _and_now(exercise):
    """What the notebook goes on with, and where help is."""
    help = f'`hint("{exercise.id}")` helps, `solution("{exercise.id}")` shows'
    if exercise.kind == "wrap-up":
        return f"Try as often as you like. {help} one way."
    if exercise.kind in ("predict", "choose"):
        return f"The notebook goes on with the course's own answer. {help} it."
    return f"The notebook goes on with the reference `{exercise.name}`. {help} it."


def hint(id):
    """Show the next hint: the concept, then the line to look at, then nearly the code."""
    exercise = _exercise(id)
    id = exercise.id
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
    Banner(
        f"Solution of exercise {exercise.id}: {exercise.reference}", code=exercise.source()
    ).show()


def progress():
    """Show what is passed, open and failing, from the file beside the notebook."""
    show(Progress(exercises(), Record().statuses(), Scores().best()))


@cache
def of_module(module):
    """{id: exercise} of a module ("02"). Its probes and references are imported here."""
    return {e.id: e for e in importlib.import_module(f"helpers.checks.module_{module}").EXERCISES}


class UnknownExercise(KeyError):
    """An id that is none, or one that could be two exercises. The message says how to write it."""

    __str__ = Exception.__str__  # a KeyError shows its message in quotes, on one line


_ID = re.compile(r"(?:(?:exercise|ex)[\s.-]*)?0*(\d+)\s*[.,-]\s*0*(\d+)\.?", re.IGNORECASE)


def _exercise(id):
    """The exercise "1.4", also where 1.4, "01.04", "1,4" or "Exercise 1.4" is written."""
    written = str(id).strip(" \t\n'\"`")
    match = _ID.fullmatch(written)
    number, own = (f"{match[1]}.{match[2]}", match[1]) if match else (None, written)
    found = of_module(f"{own:0>2}") if f"{own:0>2}" in MODULES else {}
    if not isinstance(id, str) and f"{number}0" in found:  # to Python 1.10 is the number 1.1
        raise UnknownExercise(
            f"{number} may be exercise {number} or {number}0: put the id in quotes, "
            f'as in hint("{number}") or hint("{number}0")'
        )
    if number not in found:
        shown = repr(id) if isinstance(id, (str, int, float)) else kind_of(id)
        known = ", ".join(found) or ", ".join(e.id for e in exercises())
        raise UnknownExercise(
            f"no exercise {shown}: put the id in quotes and first, as in "
            f'hint("1.4") and check("1.4", your_function); the exercises are {known}'
        )
    return found[number]
