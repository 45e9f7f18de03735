"""`grade`: run an exercise's probe on a candidate and say what is wrong, in words."""

import inspect
import math
import os
import traceback
import types
import warnings
from functools import cache

import numpy as np
import torch
from torch import nn

from helpers.checks import values, wrap_up
from helpers.checks.code import explain, is_stub, same_code
from helpers.checks.findings import Finding, form, kind_of, plain, same
from helpers.checks.verdict import BEHAVIOUR, FORM, NOT_YOUR_OWN, VALUE, Verdict, not_started
from helpers.checks.watch import (
    ReferenceCalled,
    Watch,
    is_ours,
    out_of_reach,
    preserved_session,
)
from helpers.runtime import device

TITLES = {"wrong_form": FORM, "wrong_value": VALUE, "wrong_behaviour": BEHAVIOUR}
CONDUCT = "it changes what it should leave alone"


def grade_exercise(exercise, candidate):
    """Verdict on the candidate. Leaves random state, modes and defaults as they were."""
    try:
        return JUDGES.get(exercise.kind, judge)(exercise, candidate)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        says = (
            f"The checker itself failed ({type(error).__name__}: {error}; "
            f"{os.path.basename(where.filename)}, line {where.lineno}). This is our fault, not "
            "yours: go on with the reference, and please report it."
        )
        return Verdict("checker_error", "the checker failed", says)


def judge(exercise, candidate):
    """Verdict on a function or class, by what it does on crafted inputs."""
    reference = exercise.load_reference()
    if candidate is None or candidate is ... or is_untouched(candidate, exercise):
        return not_started("Write the cell above, then check it.")
    if not callable(candidate) or isinstance(candidate, (nn.Module, torch.Tensor)):
        name = reference.__name__
        says = f'`check` wants `{name}` itself, as in check("{exercise.id}", {name}), '
        return Verdict("wrong_form", FORM, f"{says}but got {kind_of(candidate)}.")
    if isinstance(reference, type) and not isinstance(candidate, type):
        says = f"`{reference.__name__}` should be a class; yours is a function."
        return Verdict("wrong_form", FORM, says)
    if is_ours(candidate, reference):
        return not_your_own(reference)
    if isinstance(candidate, type) and (names := blank(candidate, exercise)):
        says = f"{' and '.join(f'`{name}`' for name in names)} still to be written."
        return Verdict("wrong_form", FORM, says)
    if exercise.bug and same_code(candidate, exercise.bug.variant):
        return not_started(AS_GIVEN)
    exercise.source(), exercise.parameters  # read while they can be
    try:
        with out_of_reach(reference):
            findings, conduct = observe(exercise, candidate)
    except ReferenceCalled:
        return not_your_own(reference)
    wrong = next((f for f in findings if not f.right), None)
    if conduct:
        says = conduct[0].says if wrong is None else f"{conduct[0].says}\n{wrong.says}"
        return Verdict("wrong_behaviour", CONDUCT, says)
    if wrong is None:
        return Verdict("passed", "passed")
    if wrong.kind == "raised" and not all(f.right for f in known(exercise, None).all()):
        raise RuntimeError(f"the reference itself fails: {wrong.says}")
    status = "wrong_form" if wrong.kind == "raised" else wrong.kind
    if mistake := recognise(exercise, findings):
        says = STILL_THERE if mistake is exercise.bug else mistake.says
        return Verdict(status, TITLES[status], f"{says}\n{wrong.says}", mistake.name)
    return Verdict(status, TITLES[status], wrong.says)


AS_GIVEN = (
    "This is still the cell that you were given. It runs without an error message, but one thing "
    "in it is wrong. Try it on a small input whose right result you know, or as the exercise "
    "says, and compare. Correct the cell, then check again."
)
# without the mistake's own sentence, which would find it for the learner
STILL_THERE = "You have changed the code, but its bug is still there. Look at this case:"
SEED = 731_904  # none that a candidate would set itself
JUDGES = {"predict": values.predicted, "choose": values.chosen, "wrap-up": wrap_up.judged}


def not_your_own(reference):
    """The verdict on the reference itself, on what a check handed out, and on a call of it."""
    says = (
        f"This is the course's own `{reference.__name__}`, or it calls it. Write the function "
        "yourself and run its cell; if the cell ends with an error, the name still holds what the "
        "last check gave you."
    )
    return Verdict("not_started", NOT_YOUR_OWN, says)


def observe(exercise, candidate, enough=lambda findings: False):
    """(findings, conduct): all findings of the probe, and what the candidate did beside them.

    The findings end at the first exception that the candidate raises, or where they are `enough`.
    """
    findings = []
    with preserved_session(), warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        # on a CPU not torch.manual_seed: it notes where it was called, for GPUs that are not there,
        # and took a fifth of the time of all observations in a profile of tests/checks
        (torch.default_generator if device().type == "cpu" else torch).manual_seed(SEED)
        watch = Watch(candidate, exercise)
        try:
            for finding in look(exercise, watch.candidate):
                findings.append(finding)
                if enough(findings):
                    break
        except (Exception, SystemExit) as error:
            seen = f"{type(error).__name__}: {error}"
            findings.append(Finding("raised", seen, False, explain(error, candidate)))
        return findings, list(watch.findings())


def look(exercise, candidate):
    """The finding that all exercises share, then those of the exercise's own probe."""
    yield defaults(candidate, exercise)
    yield from exercise.probe(candidate)


def defaults(candidate, exercise):
    """The finding whether the parameters have the default values of the reference's.

    None is let through: a candidate may put the value in later, and the probe judges that.
    """
    given = parameters(candidate)
    by_name = {p.name: p for p in given}
    for i, wanted in enumerate(exercise.parameters):
        own = by_name.get(wanted.name) or (given[i] if i < len(given) else None)
        if (
            wanted.default is wanted.empty
            or own is None
            or own.default is None
            or own.kind in (own.VAR_POSITIONAL, own.VAR_KEYWORD)
            or equal(own.default, wanted.default)
        ):
            continue
        says = f"The parameter `{own.name}` should have the default {wanted.default!r}; yours has "
        says += "none." if own.default is own.empty else f"{own.default!r}."
        return form(False, says, seen=(own.name, repr(own.default)))
    return form(True, "The defaults are those of the cell.")


def parameters(candidate):
    """The parameters of a function, or of a class as it is called; none if they cannot be read."""
    try:
        return list(inspect.signature(candidate).parameters.values())
    except (TypeError, ValueError):
        return []


def equal(a, b):
    """Whether two default values are the same, numbers up to rounding."""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b)
    if isinstance(b, tuple) and isinstance(a, (list, tuple, np.ndarray)):  # a list does as well
        return len(a) == len(b) and all(x == y for x, y in zip(a, b, strict=True))
    if isinstance(a, (np.ndarray, torch.Tensor)):
        return np.array_equal(plain(a), plain(b))
    return a == b


def recognise(exercise, findings):
    """The known mistake that goes wrong at the same place in the same way, or None.

    Most of all that goes wrong, in the candidate or in the mistake, must agree: another mistake
    with one symptom in common gets no name. Of several, the one that agrees most.
    """
    first = first_wrong(findings)
    best, most = None, (0.5, math.inf)  # more than half
    for mistake in exercise.mistakes:
        # to the first fault only: most mistakes part from the candidate there
        start = known(exercise, mistake).up_to(first)
        if first_wrong(start) != first or not agrees(start[first], findings[first]):
            continue
        pairs = zip(findings, known(exercise, mistake).all(), strict=False)
        wrong = [agrees(a, b) for a, b in pairs if not (a.right and b.right)]
        score = sum(wrong) / len(wrong), sum(wrong)
        if score > most:
            best, most = mistake, score
    return best


@cache
def known(exercise, mistake):
    """What the probe finds on a known mistake, or on a copy of the reference, at every check."""
    return Known(exercise, mistake)


class Known:
    """Findings that are kept. The probe goes only as far as is asked for.

    The second time it goes to the mistake's own first fault: then `up_to` has all that it needs.
    """

    def __init__(self, exercise, mistake):
        self.exercise, self.mistake = exercise, mistake
        self.findings, self.whole = [], False

    def up_to(self, number):
        """The findings at least up to this number, or up to the first fault."""
        if not self.whole and len(self.findings) <= number and first_wrong(self.findings) is None:
            deepest = math.inf if self.findings else number
            self._observe(lambda found: not found[-1].right or len(found) > deepest)
        return self.findings

    def all(self):
        if not self.whole:
            self._observe(lambda found: False)
        return self.findings

    def _observe(self, enough):
        variant = self.mistake.variant if self.mistake else self.exercise.edited()
        self.findings, _ = observe(self.exercise, variant, enough)
        self.whole = not enough(self.findings)


def agrees(a, b):
    return a.kind == b.kind and a.right == b.right and same(a.seen, b.seen)


def first_wrong(findings):
    return next((i for i, finding in enumerate(findings) if not finding.right), None)


def is_untouched(candidate, exercise):
    """Whether the candidate is still the scaffold, which has `...` wherever something is asked."""
    reference = exercise.load_reference()
    if isinstance(candidate, types.FunctionType):
        return is_stub(candidate)
    if not isinstance(candidate, type) or not isinstance(reference, type):
        return False
    start = vars(candidate).get("__init__")
    begun = start and "__init__" in vars(reference) and ... not in constants(start)
    stubs = blank(candidate, exercise) == asked(exercise)
    layers = issubclass(candidate, nn.Module)
    return (stubs and not (layers and begun)) or holds_ellipsis(candidate, exercise.given)


def constants(function):
    """The constants of a function's code; none of something else that can be called."""
    return getattr(getattr(function, "__code__", None), "co_consts", ())


def asked(exercise):
    """The names of the methods that a class should have, beside those that the scaffold has."""
    kept, own = {"__init__", *exercise.given}, vars(exercise.load_reference())
    return [n for n, f in own.items() if isinstance(f, types.FunctionType) and n not in kept]


def blank(candidate, exercise):
    """The names of those of them whose body is still `...`, in the class or where it is from."""
    found = {n: inspect.unwrap(inspect.getattr_static(candidate, n, None)) for n in asked(exercise)}
    return [n for n, f in found.items() if isinstance(f, types.FunctionType) and is_stub(f)]


def holds_ellipsis(cls, given):
    """Whether a fresh instance of an nn.Module class has only `...` where its layers belong.

    given : names of layers that the scaffold has already
    """
    # first without memory and numbers, since a large layer takes long to fill
    for place in ("meta", "cpu"):
        try:
            with preserved_session(), torch.device(place):
                instance = cls()
        except Exception:
            continue
        break
    else:
        return False  # the probe will say what is wrong
    asked = any(v is ... for v in vars(instance).values())
    return asked and set(vars(instance).get("_modules", ())) <= set(given)
