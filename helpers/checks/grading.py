"""`grade`: run an exercise's probe on a candidate and say what is wrong, in words."""

import dis
import os
import random
import traceback
import types
import warnings
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from helpers.checks.exercise import Finding, kind_of, same
from helpers.checks.verdict import Verdict

TITLES = {
    "wrong_form": "not the right form yet",
    "wrong_value": "the form is right, the value is not",
    "wrong_behaviour": "the value is right, something else is not",
}


def grade_exercise(exercise, candidate):
    """Verdict on the candidate. Leaves random state, modes and defaults as they were."""
    try:
        reference = exercise.load_reference()
        if candidate is None or candidate is ... or is_untouched(candidate, reference):
            return Verdict("not_started", "not started yet", "Write the cell above, then check it.")
        if not callable(candidate) or isinstance(candidate, (nn.Module, torch.Tensor)):
            name = reference.__name__
            says = f'`check` wants `{name}` itself, as in check("{exercise.id}", {name}), '
            return Verdict(
                "wrong_form", TITLES["wrong_form"], f"{says}but got {kind_of(candidate)}."
            )
        if isinstance(reference, type) and not isinstance(candidate, type):
            says = f"`{reference.__name__}` should be a class; yours is a function."
            return Verdict("wrong_form", TITLES["wrong_form"], says)
        findings = observe(exercise, candidate)
        wrong = next((f for f in findings if not f.right), None)
        if wrong is None:
            return Verdict("passed", "passed")
        if wrong.kind == "raised" and not all(f.right for f in observe(exercise, reference)):
            raise RuntimeError(f"the reference itself fails: {wrong.says}")
        status = "wrong_form" if wrong.kind == "raised" else wrong.kind
        known = recognise(exercise, findings)
        if known:
            return Verdict(status, TITLES[status], known.says, known.name)
        return Verdict(status, TITLES[status], wrong.says)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        says = (
            f"The checker itself failed ({type(error).__name__}: {error}; "
            f"{os.path.basename(where.filename)}, line {where.lineno}). This is our fault, not "
            "yours: go on with the reference, and please report it."
        )
        return Verdict("checker_error", "the checker failed", says)


def observe(exercise, candidate):
    """All findings of the exercise's probe, up to the first exception that the candidate raises."""
    findings = []
    with preserved_state(), warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        torch.manual_seed(731_904)  # no seed that a candidate would set itself
        before = global_state()
        try:
            for finding in exercise.probe(candidate):
                findings.append(finding)
        except (Exception, SystemExit) as error:
            seen = f"{type(error).__name__}: {error}"
            findings.append(Finding("raised", seen, False, explain(error, candidate)))
        changed = [name for name, value in global_state().items() if before[name] != value]
        if changed:
            says = (
                f"Your code changes {changed[0]} for the whole session and leaves it so. "
                "A function should leave the world as it found it."
            )
            findings.append(Finding("wrong_behaviour", tuple(changed), False, says))
    return findings


def recognise(exercise, findings):
    """The misconception whose variant goes wrong at the same place in the same way, or None.

    Of several, the one that agrees with the candidate on most findings.
    """
    first = first_wrong(findings)
    best, most = None, 0
    for misconception in exercise.misconceptions:
        others = observe(exercise, misconception.variant)
        if first_wrong(others) != first:
            continue
        agree = [
            a.kind == b.kind and same(a.seen, b.seen)
            for a, b in zip(findings, others, strict=False)
        ]
        if agree[first] and sum(agree) > most:
            best, most = misconception, sum(agree)
    return best


def first_wrong(findings):
    return next((i for i, finding in enumerate(findings) if not finding.right), None)


def global_state():
    """Settings that no exercise may leave changed. Drawing random numbers is no change."""
    return {
        "torch's random seed": torch.initial_seed(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's default device": torch.get_default_device(),
    }


@contextmanager
def preserved_state():
    """Put random states, gradient mode and default dtype back at the end."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    grad, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    device = torch.get_default_device()
    with torch.random.fork_rng():
        try:
            torch.set_grad_enabled(True)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
            torch.set_grad_enabled(grad)
            torch.set_default_dtype(dtype)
            if torch.get_default_device() != device:
                torch.set_default_device(device)


def explain(error, candidate):
    """The error and the learner's line that raised it, in one sentence."""
    message = str(error).splitlines()[0] if str(error) else ""
    says = f"It stopped with {type(error).__name__}: {message}"
    own_file = code_file(candidate)
    own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == own_file]
    if own and (line := (own[-1].line or "").strip()):
        says += f" (line {own[-1].lineno} of your cell: `{line}`)"
    return says


def code_file(candidate):
    """The file, or the notebook cell, that holds the candidate's code."""
    functions = vars(candidate).values() if isinstance(candidate, type) else [candidate]
    return next((f.__code__.co_filename for f in functions if hasattr(f, "__code__")), None)


def is_untouched(candidate, reference):
    """Whether the candidate is still the scaffold, which has `...` wherever something is asked."""
    if isinstance(candidate, types.FunctionType):
        return is_stub(candidate)
    if not isinstance(candidate, type) or not isinstance(reference, type):
        return False
    asked = [name for name, f in vars(reference).items() if isinstance(f, types.FunctionType)]
    written = [vars(candidate).get(name) for name in asked if name != "__init__"]
    stubs = all(isinstance(f, types.FunctionType) and is_stub(f) for f in written)
    return stubs or holds_ellipsis(candidate)


def holds_ellipsis(cls):
    """Whether a fresh instance of an nn.Module class has only `...` where its layers belong."""
    try:
        with preserved_state():
            instance = cls()
    except Exception:
        return False  # the probe will say what is wrong
    return any(v is ... for v in vars(instance).values()) and not list(instance.children())


def is_stub(function):
    """Whether a function's body is only a docstring, `...`, `pass`, or the return of these."""
    harmless = {
        "RESUME",
        "NOP",
        "LOAD_CONST",
        "RETURN_VALUE",
        "RETURN_CONST",
        "LOAD_COMMON_CONSTANT",
    }
    instructions = list(dis.get_instructions(function))
    if any(i.opname not in harmless for i in instructions):
        return False
    return all(
        i.argval in (None, ...) for i in instructions if i.opname in ("LOAD_CONST", "RETURN_CONST")
    )
