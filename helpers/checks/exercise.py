"""An exercise as the checker sees it: what is asked, what is probed, what commonly goes wrong."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Finding:
    """One thing that a probe looked at.

    kind : the status of the verdict if it is wrong
    seen : what the candidate gave; two candidates that give the same behave alike
    right : whether that is right
    says : one sentence for the learner, used where no misconception matches
    """

    kind: str
    seen: Any
    right: bool
    says: str


@dataclass(frozen=True)
class Misconception:
    """A known-wrong variant, and what a good teacher says to who wrote it."""

    name: str
    says: str
    variant: Callable


@dataclass(frozen=True)
class Exercise:
    """One exercise. `probe(candidate)` yields Findings on crafted inputs."""

    id: str
    title: str
    reference: str
    difficulty: int
    minutes: int
    hints: tuple[str, str, str]
    probe: Callable[[Callable], Iterator[Finding]]
    misconceptions: tuple[Misconception, ...]

    def __post_init__(self):
        self.load_reference()  # no check should wait for an import

    def load_reference(self):
        """The reference itself: a function or class of `helpers`."""
        module, name = self.reference.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)

    def source(self):
        """The source text of the reference."""
        return inspect.getsource(self.load_reference())


# --- what probes are written with -----------------------------------------------------------


def value(what, seen, expected, tolerance=1e-4, kind="wrong_value"):
    """`seen` is a number or array equal to `expected`, which is known on paper."""
    if isinstance(seen, torch.Tensor):
        seen = seen.detach().cpu()
    try:
        seen_array = np.asarray(seen, dtype=np.float64)
    except (TypeError, ValueError):
        says = f"{what} should give {show(expected)}; yours gave {kind_of(seen)}."
        return Finding("wrong_form", kind_of(seen), False, says)
    expected_array = np.asarray(expected, dtype=np.float64)
    if seen_array.shape != expected_array.shape:
        says = (
            f"{what} should give {shape_name(expected_array.shape)}; "
            f"yours gave {shape_name(seen_array.shape)}."
        )
        return Finding("wrong_form", seen_array, False, says)
    right = np.allclose(seen_array, expected_array, rtol=tolerance, atol=tolerance, equal_nan=True)
    return Finding(
        kind, seen_array, right, f"{what} should give {show(expected)}; yours gave {show(seen)}."
    )


def shape(what, seen, expected):
    """`seen` is a tensor of shape `expected`."""
    if not isinstance(seen, torch.Tensor):
        says = f"{what} should give {kind_of(torch.empty(expected))}; yours gave {kind_of(seen)}."
        return Finding("wrong_form", kind_of(seen), False, says)
    says = f"{what} should give {shape_name(expected)}; yours gave {shape_name(seen.shape)}."
    return Finding("wrong_form", tuple(seen.shape), tuple(seen.shape) == tuple(expected), says)


def form(right, says, seen=None):
    return Finding("wrong_form", bool(right) if seen is None else seen, bool(right), says)


def behaviour(right, says, seen=None):
    return Finding("wrong_behaviour", bool(right) if seen is None else seen, bool(right), says)


def show(x):
    """A number or a short array as people write it."""
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().numpy()
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        return repr(x)
    if array.ndim == 0:
        return f"{array.item():.6g}"
    number = {"float_kind": lambda v: f"{v:.4g}"}
    text = np.array2string(array, threshold=12, separator=", ", formatter=number)
    return " ".join(text.split())


def kind_of(x):
    """What kind of thing x is, in words."""
    if x is None:
        return "None (is a `return` missing?)"
    if x is ...:
        return "`...` (a part is still to be written)"
    if isinstance(x, (torch.Tensor, np.ndarray)):
        kind = "a tensor" if isinstance(x, torch.Tensor) else "an array"
        return f"{kind} with {shape_name(x.shape)}"
    return f"an object of type {type(x).__name__}"


def shape_name(shape):
    return f"the shape {tuple(shape)}" if len(shape) else "a single number"


def same(a, b):
    """Whether two things that candidates gave are the same behaviour."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)
    return type(a) is type(b) and a == b
