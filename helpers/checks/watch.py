"""What an answer does beside returning something: to its arguments, to the session, to our library.

One mechanism for all exercises. A probe calls a watched candidate, which receives copies: nothing
that an answer does can spoil the inputs of the next look, or of the next check.
"""

import copy
import inspect
import random
import warnings
from contextlib import contextmanager
from functools import wraps
from types import FunctionType

import numpy as np
import torch
from IPython.utils.capture import capture_output

from helpers.checks.findings import Finding
from helpers.runtime import forked_random


class ReferenceCalled(BaseException):
    """The answer calls the course's own reference. No `except Exception` of an answer hides it."""


class Watch:
    """Watches one candidate while a probe runs, and then says what it did.

    candidate : the learner's function or class, in a form that the probe calls like the original
    """

    def __init__(self, candidate, exercise):
        reference = exercise.load_reference()
        self._takes_seed = any(p.name == "seed" for p in exercise.parameters)
        self.edited = []  # names of the parameters whose arguments were changed in place
        self._inside = False
        self._before = session()
        if isinstance(candidate, type):
            self.candidate = self._watch_class(candidate, reference)
        else:
            self.candidate = self._watch_call(candidate)

    def findings(self):
        """The conduct of the candidate, as findings that are wrong."""
        for name in dict.fromkeys(self.edited):
            says = (
                f"Your code changes its argument `{name}` in place, so the caller goes on with "
                "other numbers than before. Compute a new array or tensor, or work on a copy."
            )
            yield Finding("wrong_behaviour", ("edited", name), False, says)
        now = session()
        for name, value in self._before.items():
            draws = name in _WALKS and not self._takes_seed and _WALKS[name](value, now[name])
            if now[name] != value and not draws:
                says = f"Your code changes {name} for the whole session{_REMEDIES.get(name, '.')}"
                yield Finding("wrong_behaviour", ("session", name), False, says)

    def _watch_class(self, candidate, reference):
        """A subclass whose methods are watched: those that the reference has as well."""
        methods = {
            name: self._watch_call(function, method=True)
            for name in vars(reference)
            if not name.startswith("__")
            and isinstance(function := inspect.getattr_static(candidate, name, None), FunctionType)
        }
        kept = {
            name: getattr(candidate, name) for name in ("__module__", "__qualname__", "__doc__")
        }
        return type(candidate)(candidate.__name__, (candidate,), kept | methods)

    def _watch_call(self, function, method=False):
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # some built-in functions have none
            signature = None

        @wraps(function)
        def call(*args, **kwargs):
            if self._inside:  # a method that calls another one of its class
                return function(*args, **kwargs)
            own, given = (args[:1], args[1:]) if method else ((), args)
            handed = copied((given, kwargs))
            self._inside = True
            try:
                return function(*own, *handed[0], **handed[1])
            finally:
                self._inside = False
                if not alike((given, kwargs), handed):
                    before = named(signature, (*own, *given), kwargs)
                    after = named(signature, (*own, *handed[0]), handed[1])
                    self.edited += [n for n in before if not alike(before[n], after[n])]

        return call


_OWN_GENERATOR = (
    ": it seeds them or draws from them. A generator of its own, `np.random.default_rng(seed)`, "
    "touches nothing else."
)
_REMEDIES = {
    "numpy's global random numbers": _OWN_GENERATOR,
    "Python's global random numbers": _OWN_GENERATOR,
    "torch's random seed": ", so that whatever is drawn afterwards starts anew. Leave the seed to "
    "whoever calls, or use a `torch.Generator` of your own.",
}


def numpy_draws(before, after, blocks=2000):
    """Whether the state of numpy's generator comes about by drawing alone, without a seed."""
    walk = np.random.RandomState()
    walk.set_state(("MT19937", np.frombuffer(before[0], np.uint32), before[1]))
    for _ in range(blocks):
        if walk.get_state()[1].tobytes() == after[0]:
            return True
        walk.bytes(4 * 624)  # the state is made anew for every 624 words
    return False


def python_draws(before, after, blocks=2000):
    """The same for Python's generator."""
    walk = random.Random()
    walk.setstate(before)
    for _ in range(blocks):
        if walk.getstate()[1][:-1] == after[1][:-1]:
            return True
        walk.getrandbits(32 * 624)
    return False


# Where a function takes no seed, drawing from a generator that all share is no fault.
_WALKS = {
    "numpy's global random numbers": numpy_draws,
    "Python's global random numbers": python_draws,
}


def session():
    """Settings that no answer may leave changed. Drawing from torch's generator is no change."""
    _, keys, place, *_ = np.random.get_state()  # noqa: NPY002
    return {
        "torch's random seed": torch.initial_seed(),
        "numpy's global random numbers": (keys.tobytes(), place),
        "Python's global random numbers": random.getstate(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's default device": torch.get_default_device(),
    }


@contextmanager
def preserved_session():
    """Put random states, gradient mode, default dtype and device back at the end."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    grad, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    device = torch.get_default_device()
    with forked_random():
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


@contextmanager
def quiet():
    """A preserved session in which nothing is displayed or printed, and numbers do not warn."""
    with (
        preserved_session(),
        capture_output(),
        warnings.catch_warnings(action="ignore"),
        np.errstate(all="ignore"),
    ):
        yield


def is_frame(x):
    """Whether x is a Series or DataFrame of pandas."""
    import pandas as pd

    return isinstance(x, (pd.Series, pd.DataFrame))


def copied(x):
    """A copy of the data in x. Models, optimizers, functions and other objects stay the same."""
    if isinstance(x, torch.Tensor):
        return x.clone()  # gradients go on to the original
    if isinstance(x, np.ndarray):
        return x.copy(order="K")
    if is_frame(x):
        return copy.deepcopy(x)
    if type(x) in (list, tuple):
        return type(x)(copied(part) for part in x)
    if type(x) is dict:
        return {name: copied(part) for name, part in x.items()}
    return x


def alike(a, b):
    """Whether two copies of the same data still hold the same."""
    if isinstance(a, torch.Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        a, b = a.detach(), b.detach()
        return bool(((a == b) | ((a != a) & (b != b))).all())  # NaN is like NaN
    if isinstance(a, np.ndarray):
        if a.dtype.kind == "f":
            return a.shape == b.shape and np.array_equal(a, b, equal_nan=True)
        return np.array_equal(a, b)
    if is_frame(a):
        return a.equals(b)
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if type(a) is dict:
        return list(a) == list(b) and all(alike(a[name], b[name]) for name in a)
    return a is b or bool(a == b)


def named(signature, args, kwargs):
    """The arguments by the names of the parameters."""
    try:
        return signature.bind(*args, **kwargs).arguments
    except (AttributeError, TypeError):  # without a signature, or called against it
        return {f"argument {i}": x for i, x in enumerate(args, start=1)} | kwargs


def functions_of(x):
    """The Python functions that x consists of: itself, or the methods that its class defines."""
    parts = vars(x).values() if isinstance(x, type) else [x]
    return [f for part in parts if isinstance(f := inspect.unwrap(part), FunctionType)]


def is_ours(candidate, reference):
    """Whether the candidate is the reference, or built from its code or on its class."""
    classes = isinstance(candidate, type) and isinstance(reference, type)
    if classes and issubclass(candidate, reference):
        return True
    # by identity: a learner's own words may compile to code that is equal
    ours = [f.__code__ for f in functions_of(reference)]
    return any(f.__code__ is code for f in functions_of(candidate) for code in ours)


@contextmanager
def out_of_reach(reference):
    """Within, the reference's own code raises ReferenceCalled, whatever name it is called by.

    Code objects are exchanged because a learner may hold the function itself, by import or because
    an earlier check handed it out: no name that could be patched leads to it.
    """
    functions = functions_of(reference)
    codes = [f.__code__ for f in functions]
    try:
        for f in functions:
            f.__code__ = _refusing(len(f.__code__.co_freevars))
        yield
    finally:
        for f, code in zip(functions, codes, strict=True):
            f.__code__ = code


def _refusing(cells):
    """Code that raises ReferenceCalled, with as many closure cells as the code it stands in for."""

    def plain(*args, **kwargs):
        # It runs with the globals of the reference's module, so it has to import what it raises.
        from helpers.checks.watch import ReferenceCalled

        raise ReferenceCalled

    def with_cell(*args, **kwargs):
        from helpers.checks.watch import ReferenceCalled

        raise ReferenceCalled(cells)  # a method that calls super() holds its class in a cell

    return (plain, with_cell)[cells].__code__
