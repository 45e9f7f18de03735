"""The last exercise of a module: a score of the learner's own, judged on images of the check.

The method is open, and the course's own functions may be used. The answer is a function
`score(images) -> (N,)`, higher = more anomalous, of uint8 images (N, C, H, W).
"""

import types
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from helpers.checks.code import explain, is_stub
from helpers.checks.findings import as_numbers, kind_of, shape_name
from helpers.checks.verdict import BEHAVIOUR, FORM, VALUE, Verdict, not_started
from helpers.checks.watch import quiet

RESAMPLES = 200
PART = 32  # images that are scored once more, in another company


@dataclass(frozen=True, eq=False)
class Hidden:
    """The images of a check, and what the course's own scores make of them.

    images : uint8 (N, C, H, W); anomalous : bool (N,)
    source : "real" or "sample"; attempts on the one are not compared with those on the other
    trivial, rungs : {name: scores (N,)}. An answer passes that beats the best of the trivial ones
        by more than chance; the others are there to be overtaken.
    patients : of each image (N,), where some have several: whole patients are then redrawn
    """

    images: np.ndarray
    anomalous: np.ndarray
    source: str
    trivial: dict
    rungs: dict
    patients: np.ndarray | None = None

    def area(self, scores):
        return self._area(scores, (~self.anomalous, self.anomalous))

    def interval(self, scores):
        from helpers.metrics import bootstrap_interval

        if self.patients is not None:
            return self._over_patients(lambda drawn: self._area(scores, drawn))
        groups = scores[~self.anomalous], scores[self.anomalous]
        return bootstrap_interval(*groups, resamples=RESAMPLES)

    def difference(self, scores, other):
        from helpers.metrics import paired_difference

        if self.patients is not None:
            return self._over_patients(
                lambda drawn: self._area(scores, drawn) - self._area(other, drawn)
            )
        groups = (s[mask] for s in (scores, other) for mask in (~self.anomalous, self.anomalous))
        return paired_difference(*groups, resamples=RESAMPLES)

    def _over_patients(self, statistic):
        """Interval of statistic(positions of normal images, of anomalies) over other patients."""
        from helpers.metrics import by_patient, patient_interval

        places = (np.flatnonzero(mask) for mask in (~self.anomalous, self.anomalous))
        groups = (by_patient(own, self.patients[own]) for own in places)
        return patient_interval(
            *groups, lambda *drawn: statistic([p.astype(int) for p in drawn]), resamples=RESAMPLES
        )

    def _area(self, scores, places):
        from helpers.metrics import auroc  # heavy, and the first cell imports this file

        return auroc(*(scores[own] for own in places))

    def ladder(self):
        """{name: AUROC} of all the course's scores."""
        return {name: self.area(s) for name, s in (self.trivial | self.rungs).items()}


@cache
def hidden(exercise):
    """The hidden part of an exercise: made once in a session, and nothing is displayed."""
    with quiet():
        return exercise.probe()


def judged(exercise, score):
    """Verdict on a score, with its AUROC beside the course's."""
    if score is None or score is ... or untouched(score):
        return not_started("Write your score in the cell above, then check it.")
    if not callable(score) or isinstance(score, (torch.nn.Module, type)):
        says = f'`check` wants the function itself, as in check("{exercise.id}", {exercise.name}); '
        return Verdict("wrong_form", FORM, f"{says}it got {kind_of(score)}.")
    part = hidden(exercise)
    order = np.random.default_rng(7).permutation(len(part.images))
    images = part.images[order]
    handed = images.copy()
    few = np.arange(PART)[::-1]
    try:
        with quiet():
            given = score(handed)
            again = score(images[few]), score(images[:1].copy())
    except (Exception, SystemExit) as error:
        return Verdict("wrong_form", FORM, explain(error, score))
    scores, says = read(given, len(images))
    if says:
        return Verdict("wrong_form", FORM, says)
    if not np.array_equal(handed, images):
        says = "Your function changes the images that it is given. Work on a copy: `images.copy()`."
        return Verdict("wrong_behaviour", BEHAVIOUR, says)
    if np.isnan(scores).any():
        says = f"{np.isnan(scores).sum()} of your {len(scores)} scores are NaN, not a number."
        return Verdict("wrong_value", VALUE, f"{says} Look for 0/0, or the logarithm of 0.")
    if (scores == scores[0]).all():
        says = "Every image has the same score, so none can be told from another: AUROC 0.5."
        return Verdict("wrong_value", VALUE, says)
    for own, index in zip(again, (few, few[-1:]), strict=True):
        own, says = read(own, len(index))
        if says:
            return Verdict("wrong_form", FORM, says)
        if not alike(own, scores[index], scores):
            return Verdict("wrong_behaviour", BEHAVIOUR, COMPANY)
    back = np.empty_like(scores)
    back[order] = scores
    return compared(part, back)


def untouched(score):
    return isinstance(score, types.FunctionType) and is_stub(score)


COMPANY = (
    "The same image has another score in another batch. A detector on duty may see one image at a "
    "time: use nothing of the other images in the batch (a mean, a rank, a range), and no chance "
    "(a random draw, a network in training mode)."
)


def compared(part, scores):
    """The verdict on scores in the order of the hidden part, and the ladder."""
    area, (low, high) = part.area(scores), part.interval(scores)
    course = part.ladder()
    best = max(part.trivial, key=course.get)
    least, most = part.difference(scores, part.trivial[best])
    status, title = "wrong_value", NOT_YET
    if high < 0.5:
        says = "Your score is upside down: higher must mean more anomalous. With a minus in front "
        says += f"of it your AUROC would be {1 - area:.3f}."
    elif least <= 0:
        says = f"This is not better than `{best}` by more than chance: the difference in AUROC "
        says += f"lies between {least:+.3f} and {most:+.3f} (95 % interval)."
    else:
        status = title = "passed"
        says = f"Better than `{best}` by {least:.3f} to {most:.3f} (95 % interval)."
        if part.rungs:
            ahead = sum(course[name] < area for name in part.rungs)
            says += f" Higher rungs overtaken: {ahead} of {len(part.rungs)}."
    lines = [says, "AUROC on the images of this check:"]
    for name, value in sorted((course | {YOURS: area}).items(), key=lambda item: -item[1]):
        own = f"  (95 % interval {low:.3f} to {high:.3f})" if name == YOURS else ""
        lines.append(f"{value:.3f}  {name}{own}")
    return Verdict(status, title, "\n".join(lines), score=area, source=part.source)


YOURS = "yours"
NOT_YET = "the function is right, its score does not tell enough yet"


def read(given, n):
    """(scores as float64 (n,), ""), or (None, what is wrong with the form)."""
    if given is None or given is ...:
        return None, f"Your function should give {n} scores; it gave {kind_of(given)}."
    try:
        scores = as_numbers(given)
    except (TypeError, ValueError):
        return None, f"Your function should give {n} numbers; it gave {kind_of(given)}."
    if scores.shape != (n,):
        images = "A batch of one image" if n == 1 else f"{n} images"
        says = f"{images} should give scores of the shape ({n},), one for each image"
        return None, f"{says}; yours gave {shape_name(scores.shape)}."
    return scores, ""


def alike(own, before, scores):
    """Whether scores are the same up to rounding, which in float32 depends on the batch."""
    finite = scores[np.isfinite(scores)]
    spread = finite.std() if len(finite) else 1.0
    return np.allclose(own, before, rtol=1e-3, atol=1e-3 * spread, equal_nan=True)
