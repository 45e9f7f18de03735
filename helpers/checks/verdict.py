"""What the checker found, and how it is told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """The result of `grade`. `misconception` names the known mistake, where it is one.

    status : "not_started", "wrong_form" (type, shape, dtype, missing method), "wrong_value",
        "wrong_behaviour" (right number, wrong property: gradient, in-place edit, batch
        dependence), "passed" or "checker_error"
    """

    status: str
    title: str
    detail: str = ""
    misconception: str | None = None

    @property
    def passed(self):
        return self.status == "passed"


class CheckFailed(AssertionError):
    """A failed check under COURSE_STRICT=1."""

    def __init__(self, exercise_id, verdict):
        self.verdict = verdict
        super().__init__(f"Exercise {exercise_id}: {verdict.title}. {verdict.detail}")
