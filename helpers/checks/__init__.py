"""Exercise checks with feedback: check, hint, solution, progress; and grade for machines."""

import os

from IPython import get_ipython
from IPython.display import display

from helpers.banner import Banner
from helpers.checks import module_01, module_02, module_03, module_04, module_05
from helpers.checks.grading import grade_exercise
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

_MODULES = module_01, module_02, module_03, module_04, module_05
_EXERCISES = {e.id: e for module in _MODULES for e in module.EXERCISES}
_TONES = {"passed": "good", "not_started": "open"}
_rungs = {}
_handed_out = {}  # by exercise: the reference that a check put in the answer's place
_NOTHING_NEW = Verdict(
    "not_started",
    "no new answer",
    "The name still holds the reference that the last check gave you. Run the cell of the exercise "
    "first, and look whether it ends with an error.",
)


def exercises():
    """All exercises of the course, in order: id, title, reference, difficulty (1 to 3), minutes."""
    return list(_EXERCISES.values())


def grade(id, candidate):
    """Verdict on a candidate for exercise `id` ("1.4"), without display. Never raises for it."""
    return grade_exercise(_exercise(id), candidate)


def check(id, candidate):
    """Show the verdict on the candidate; return it if it passed, else the reference.

    So the notebook goes on in either case. With COURSE_STRICT=1 in the environment a check that
    did not pass raises CheckFailed.
    """
    exercise = _exercise(id)
    if get_ipython() and candidate is _handed_out.get(id):
        verdict = _NOTHING_NEW
    else:
        verdict = grade_exercise(exercise, candidate)
        Record().note(id, verdict.status)
    text = verdict.detail
    if not verdict.passed:
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
    if os.environ.get("COURSE_STRICT") == "1":
        raise CheckFailed(id, verdict)
    _handed_out[id] = exercise.load_reference()
    return _handed_out[id]


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


def _exercise(id):
    if id not in _EXERCISES:
        known = ", ".join(_EXERCISES)
        raise KeyError(f"no exercise {id!r}; the exercises are {known}")
    return _EXERCISES[id]
