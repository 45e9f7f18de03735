"""What a probe finds: one thing looked at, whether it is right, and the sentence if it is not.

Probes are written with the functions below."""

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
    says : one sentence for the learner, which stands beside that of a known mistake
    """

    kind: str
    seen: Any
    right: bool
    says: str


def value(what, seen, expected, tolerance=1e-4, kind="wrong_value"):
    """`seen` is a number or array equal to `expected`, which is known on paper."""
    try:
        seen_array = as_numbers(seen)
    except (TypeError, ValueError):
        says = f"{what} should give {show(expected)}; yours gave {kind_of(seen)}."
        return Finding("wrong_form", kind_of(seen), False, says)
    expected_array = as_numbers(expected)
    if seen_array.shape != expected_array.shape:
        says = (
            f"{what} should give {shape_name(expected_array.shape)}; "
            f"yours gave {shape_name(seen_array.shape)}."
        )
        return Finding("wrong_form", seen_array, False, says)
    right = np.allclose(seen_array, expected_array, rtol=tolerance, atol=tolerance, equal_nan=True)
    return Finding(
        kind,
        seen_array,
        right,
        f"{what} should give {show(expected)}; yours gave {show(seen)}.",
    )


def plain(x):
    """A tensor, or a list of tensors, as NumPy can read it; anything else as it is."""
    if isinstance(x, (list, tuple)):
        return [plain(part) for part in x]
    return x.detach().cpu() if isinstance(x, torch.Tensor) else x


def as_numbers(given):
    """A number, an array, a tensor or a list of those as float64. TypeError or ValueError else."""
    given = plain(given)
    array = np.asarray(given)
    parts = array.ravel() if array.dtype.kind == "O" else ()
    if array.dtype.kind in "US" or any(part is None or isinstance(part, str) for part in parts):
        raise TypeError  # text is no number, though it may have digits
    return np.asarray(given, dtype=np.float64)


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
    array = np.asarray(plain(x))
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


def keeps_dtype(f, *args, dtypes=(torch.float64, torch.float32)):
    """The result of f has the type of its tensors, in each precision."""
    for dtype in dtypes:
        out = f(*(a.to(dtype) if isinstance(a, torch.Tensor) else a for a in args))
        outs = out if isinstance(out, (tuple, list)) else [out]
        given = next((o.dtype for o in outs if o.dtype != dtype), dtype)
        name, other = (str(d).removeprefix("torch.") for d in (dtype, given))
        if not isinstance(given, torch.dtype):
            other = f"an array of {other}, and a tensor is asked for"
        says = f"{name} in should be {name} out; yours gave {other}."
        yield form(given == dtype, says, seen=other)


def gradients_are(f, args, expected, what="the result"):
    """The gradient of the sum of f(*args) to each argument: {name: expected}, in order."""
    args = [a.detach().clone().requires_grad_() for a in args]
    out = f(*args)
    found = [None] * len(args)
    if isinstance(out, torch.Tensor) and out.requires_grad:
        found = torch.autograd.grad(out.sum(), args, allow_unused=True)
    for (name, right), g in zip(expected.items(), found, strict=True):
        if g is None:
            says = (
                f"No gradient flows from {what} to `{name}`: on the way it was turned into a plain "
                "number or array, or detached."
            )
            yield Finding("wrong_behaviour", "no gradient", False, says)
        else:
            yield value(f"The gradient of {what} to `{name}`", g, right, kind="wrong_behaviour")


def seeded(draw, what):
    """draw(**{}) is alike at each call, and draw(seed=1) is another. `what`: "splits", "draws".

    That no global generator moves is looked at for all exercises, in `watch`.
    """
    first, again, other = draw(), draw(), draw(seed=1)
    says = f"Two calls with the same seed give two different {what}: draw from a generator made "
    yield behaviour(same(first, again), says + "from the argument, `np.random.default_rng(seed)`.")
    says = f"seed=1 gives the same {what} as seed=0: use the argument `seed`."
    yield behaviour(not same(first, other), says)


def drawn(what, seen, expected, tolerance):
    """`seen`, measured over many random draws, is `expected` within `tolerance`.

    Tolerances are eight standard errors and more, so that chance decides nothing. What is recorded
    is coarse, steps of four tolerances and at most five, so that two samples of one law look alike.
    """
    off = (np.asarray(seen) - np.asarray(expected)) / np.asarray(tolerance)
    says = f"{what} should be near {show(expected)}; yours gave {show(seen)}."
    steps = np.clip(np.round(off / 4), -5, 5)
    return Finding("wrong_value", steps, bool((abs(off) <= 1).all()), says)


def follows(what, sample, law, name):
    """The sample follows the law, a frozen distribution of scipy.stats whose `name` is said.

    Kolmogorov and Smirnov's test; it refuses a right answer in one of ten million checks.
    """
    from scipy.stats import kstest

    sample = np.asarray(sample, dtype=np.float64).ravel()
    right = bool(np.isfinite(sample).all()) and kstest(sample, law.cdf).pvalue > 1e-7
    says = (
        f"{what} should follow {name}; yours follow another distribution, though their mean and "
        "spread may be right."
    )
    return Finding("wrong_value", right, right, says)


def cases(f, table, tolerance=1e-4):
    """What f gives, one value for each {what: (argument, ..., expected)}."""
    for what, (*given, expected) in table.items():
        yield value(what, f(*given), expected, tolerance)
