"""One submission is judged, exercise after exercise; a sandbox that breaks is replaced."""

import atexit
import secrets
import shutil
import tempfile
import time
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch

import numpy as np
import torch

from helpers.checks import grading, of_module
from helpers.checks.exercise import Exercise
from helpers.checks.grading import grade_exercise, not_your_own
from helpers.checks.verdict import FORM, VALUE, Verdict
from helpers.checks.watch import ReferenceCalled, quiet
from helpers.grading import submission
from helpers.grading.peer import is_data
from helpers.grading.run import POINTS, PREPARING, Row
from helpers.grading.sandbox import Sandbox, stripped_course
from helpers.grading.wire import Lost

SECRET = secrets.randbelow(2**31)  # of this run: what is drawn for the probes
DRAWN = {"3.1", "4.1"}  # their probes draw arrays, and know no number of what is drawn
FREE = {"3.9"}  # two right answers may differ, here on the border of an image
LONGEST = 2000  # letters of a sentence: an error's text may be as long as its author likes
REPLAYS = 8  # calls of a probe that are made once more with other numbers
TITLES = {"wrong_form": FORM, "missing": "not in the notebook", "not_started": "not started yet"}
ELSEWHERE = (
    "It is right on the course's own examples, and wrong on others like them. An answer computes "
    "its result from what it is given."
)
CALLS_REFERENCE = "The course's own answer is not at hand while answers are graded."


class Judge:
    """Judges the exercises of one module for one learner."""

    def __init__(self, module, cells, limits):
        self.module, self.cells, self.limits = module, cells, limits
        exercises = of_module(module)
        places = [c.id for c in submission.released(module)]
        in_order = sorted(exercises.values(), key=lambda e: _place(places, e))
        self.exercises = in_order
        self.folder = course_without_references(module)
        self.box, self.done, self.judged, self.peak = None, [], [], 0
        self.waiting = []  # what the sandbox still has to be handed, before it is used again
        self.fresh = False  # whether nothing has been judged in this sandbox yet

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._drop()

    def _drop(self):
        if self.box:
            self.peak = max(self.peak, self.box.peak)
            self.box.close()
        self.box, self.done, self.waiting = None, [], []

    def row(self, learner, exercise):
        """Judge one exercise; the others go on whatever it does."""
        start = time.monotonic()
        answer = submission.answer(exercise, self.cells)
        verdict = self._verdict(exercise, answer)
        self.judged.append(exercise)
        self.fresh = False
        if self.box:
            self.peak = max(self.peak, self.box.peak)
            self.waiting.append((exercise, not verdict.passed))
        of = POINTS[exercise.difficulty]
        return Row(
            learner,
            exercise.id,
            exercise.title,
            verdict.status,
            verdict.misconception or "",
            of if verdict.passed else 0,
            of,
            " ".join(f"{verdict.title}. {verdict.detail}"[:LONGEST].split()),
            time.monotonic() - start,
            self.peak,
        )

    def _verdict(self, exercise, answer):
        if answer.status:
            return Verdict(answer.status, TITLES[answer.status], answer.says)
        if not submission.is_own(answer) and exercise.kind not in ("predict", "choose"):
            says = f"`{answer.name}` is something of a library by another name. Write it yourself."
            return Verdict("not_started", "no answer of your own", says)
        try:
            return self._judged(exercise, answer)
        except Lost as error:
            why, late = self.box.why or error, self.box.channel.is_late()
            self._drop()
            if not self.fresh and not late:  # perhaps by what an earlier answer left running
                return self._verdict(exercise, answer)
            return Verdict("stopped", "stopped", f"Your answer was stopped: {why}.")
        except ReferenceCalled:
            return _not_own(exercise)

    def _judged(self, exercise, answer):
        box = self._running()
        wrap_up = exercise.kind == "wrap-up"
        box.allow(self.limits.timeout * (PREPARING if wrap_up else 1))
        error = self._prepare(answer)
        if error is not None:
            raised = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            where = getattr(error, "line_of_cell", None)
            raised += " (line {} of your cell: `{}`)".format(*where) if where else ""
            return Verdict("wrong_form", FORM, f"The cell stopped with {raised}")
        grader = box.grader
        grader.reference = exercise.load_reference() if isinstance(exercise, Exercise) else None
        candidate, found = box.ask("look", name=answer.name)
        if found["missing"]:
            return Verdict("wrong_form", FORM, f"The cell defines no `{answer.name}`.")
        varied = isinstance(exercise, Exercise)
        with drawn_anew(exercise.id in DRAWN):
            grader.log = [] if varied else None
            verdict = grade_exercise(exercise, candidate)
            calls, grader.log = grader.log or [], None
            again = verdict.passed and varied and not isinstance(candidate, type)
            if again and not holds_elsewhere(exercise, candidate, calls):
                verdict = Verdict("wrong_value", VALUE, ELSEWHERE, "memorised")
        grader.forget()
        return verdict

    def _running(self):
        """The sandbox; a new one goes on where the broken one was, with the course's own answers.

        Any of the learner's may be the one that broke it, even one that passed.
        """
        if self.box:
            self._go_on()
        if self.box is None:
            self.fresh, limits = True, self.limits
            self.box = Sandbox(
                self.folder, int(limits.memory), limits.timeout, limits.shut, limits.data
            )
            for exercise in self.judged:
                self._hand(exercise, bind=True)
        return self.box

    def _prepare(self, answer):
        """Run what the answer needs, then its own cells. Returns the error of its own, or None."""
        for cell in submission.prelude(self.module, answer, self.cells, self.done):
            self.done.append(cell)
            try:
                self.box.ask("cell", text=cell.text, name=cell.id or "yours")
            except (Exception, SystemExit):
                continue  # whoever needs its names meets the error again
        for cell in answer.cells:
            try:
                self.box.ask("cell", text=cell.text, name=cell.id or "yours")
            except (Exception, SystemExit) as error:
                return error
        return None

    def _go_on(self):
        """Hand the course's own answers in where the verdict stands, as the notebook does."""
        waiting, self.waiting = self.waiting, []
        try:
            for exercise, bind in waiting:
                self._hand(exercise, bind)
        except (Exception, SystemExit, Lost):
            self._drop()

    def _hand(self, exercise, bind):
        """Give the sandbox the course's own answer, and with `bind` the learner's name for it."""
        is_function = isinstance(exercise, Exercise)
        if exercise.kind == "wrap-up" or not (is_function or bind):
            return
        module = exercise.load_reference().__module__ if is_function else ""
        self.box.allow(self.limits.timeout)
        self.box.ask("hand", module=module, text=exercise.source(), name=exercise.name, bind=bind)


@cache
def course_without_references(module):
    """The folder from which the sandboxes of this process import, until the process ends."""
    folder = tempfile.mkdtemp(prefix="course-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    exercises = of_module(module).values()
    stripped_course(folder, [e.reference for e in exercises if isinstance(e, Exercise)])
    return folder


def _place(places, exercise):
    id = "ex-" + exercise.id.replace(".", "-")
    return places.index(id) if id in places else len(places)


def _not_own(exercise):
    verdict = not_your_own(exercise.load_reference())
    return Verdict(verdict.status, verdict.title, CALLS_REFERENCE)


@contextmanager
def drawn_anew(arrays):
    """What the probes draw at random is drawn from this run's secret.

    arrays : numpy's generators as well
    """
    generator = np.random.default_rng

    def other(given=None):
        return generator(given if given is None else [int(given), SECRET])

    with patch.object(grading, "SEED", (grading.SEED + SECRET) % 2**63):
        if not arrays:
            yield
            return
        with patch.object(np.random, "default_rng", other):
            yield


def holds_elsewhere(exercise, candidate, calls):
    """Whether the answer mostly agrees with the reference on calls of the probe with other numbers.

    Only where the reference gives the same twice, and a number or array; a call that it refuses or
    that the probe did not make with data alone tells nothing.
    """
    if exercise.id in FREE or any(p.name == "seed" for p in exercise.parameters):
        return True
    reference, rng = exercise.load_reference(), np.random.default_rng(SECRET)
    agree, compared = 0, 0
    calls = [(a, k) for a, k in calls if is_data(list(a)) and is_data(k)]
    picked = [calls[i] for i in rng.permutation(len(calls))[:REPLAYS]]
    for args, kwargs in picked:
        other = [varied(x, rng) for x in args]
        named = {name: varied(x, rng) for name, x in kwargs.items()}
        with quiet():
            wanted = [_outcome(reference, other, named) for _ in range(2)]
            if wanted[0] is None or not close(*wanted):
                continue
            seen = _outcome(candidate, other, named)
        compared += 1
        agree += seen is not None and close(seen, wanted[0])
    return agree >= 0.75 * compared  # in float32 two right ways may part on hard inputs


def _outcome(f, args, kwargs):
    try:
        return _array(f(*args, **kwargs))
    except Exception:
        return None


def _array(x):
    """What came out as one array, or None where it is no number."""
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().numpy()
    if isinstance(x, (tuple, list)):
        parts = [_array(part) for part in x]
        return None if any(p is None for p in parts) else np.concatenate([p.ravel() for p in parts])
    try:
        array = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return array if np.isfinite(array).all() else None


def close(a, b):
    if a.size != b.size:
        return False
    slack = 1e-2 * np.median(abs(b)) + 1e-6 if b.size else 0
    return np.allclose(a.ravel(), b.ravel(), rtol=1e-2, atol=slack)


def varied(x, rng):
    """Other numbers of the same kind: floats up to a half smaller, each by itself."""
    if isinstance(x, torch.Tensor) and x.dtype in (torch.float32, torch.float64):
        factor = torch.from_numpy(rng.uniform(0.5, 1, tuple(x.shape))).to(x.dtype)
        return x.detach() * factor
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return x * rng.uniform(0.5, 1, x.shape)
    if isinstance(x, np.ndarray) and x.dtype == bool:
        return x ^ (rng.random(x.shape) < 0.1)
    if type(x) is int and x > 3:
        return x + int(rng.integers(1, 4))
    return x
