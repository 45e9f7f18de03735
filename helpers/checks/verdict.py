"""What the checker found, and how it is told."""

from dataclasses import dataclass

# titles of what is not right yet
FORM = "not the right form yet"
VALUE = "the form is right, the value is not"
NOT_YOUR_OWN = "no answer of your own"
BEHAVIOUR = "the value is right, something else is not"


@dataclass(frozen=True)
class Verdict:
    """The result of `grade`. `misconception` names the known mistake, where it is one.

    status : "not_started", "wrong_form" (type, shape, dtype, missing method), "wrong_value",
        "wrong_behaviour" (right number, wrong property: gradient, in-place edit, batch
        dependence), "passed" or "checker_error"
    score, source : of a wrap-up exercise, the AUROC on the hidden images, "real" or "sample"
    """

    status: str
    title: str
    detail: str = ""
    misconception: str | None = None
    score: float | None = None
    source: str = ""

    @property
    def passed(self):
        return self.status == "passed"


def not_started(says):
    return Verdict("not_started", "not started yet", says)


class CheckFailed(AssertionError):
    """A failed check under COURSE_STRICT=1."""

    def __init__(self, exercise_id, verdict):
        self.verdict = verdict
        super().__init__(f"Exercise {exercise_id}: {verdict.title}. {verdict.detail}")
