"""Exercises whose answer is a value: a number predicted on paper, or a choice with its reason."""

import math
from functools import cache

import numpy as np
import torch

from helpers.checks.exercise import TextError
from helpers.checks.findings import kind_of
from helpers.checks.verdict import FORM, NOT_YOUR_OWN, VALUE, Verdict, not_started
from helpers.checks.watch import quiet


class Given:
    """Marks a value that a check handed out: it is no answer of the learner's own."""


def given(value):
    """The same value, marked."""
    kind = type(value)
    return type(kind.__name__, (Given, kind), {})(value)


def is_blank(answer):
    """Whether nothing is written yet: `...` or None, or a group of these alone."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, (list, tuple)):
        return all(map(is_blank, answer))
    return answer is None or answer is ...


def handed_out(exercise):
    says = (
        f"This is the value that the last check put into `{exercise.name}`. Write your own in the "
        "cell above, run that cell, then check."
    )
    return Verdict("not_started", NOT_YOUR_OWN, says)


# --- predict ----------------------------------------------------------------------------------


def predicted(exercise, answer):
    """Verdict on numbers that the learner predicts: the answer, or one of the known mistakes."""
    if isinstance(answer, Given):
        return handed_out(exercise)
    if is_blank(answer):
        return not_started("Write what you expect into the cell above, then check it.")
    bands = expected(exercise)
    own, says = numbers(answer, bands, exercise.name)
    if says:
        return Verdict("wrong_form", FORM, says)
    off = [part for part, band in bands.items() if not within(own[part], band)]
    if not off:
        return Verdict("passed", "passed", exercise.about["why"])
    plain = "\n".join(direction(exercise.name, part, own, bands) for part in off)
    names, says, spoken = [], [], set()
    for name, mistake in exercise.about.get("mistakes", {}).items():
        wrong = wrong_bands(exercise, mistake)
        if wrong.keys() - spoken and all(within(own[part], band) for part, band in wrong.items()):
            names.append(name)
            says.append(mistake["says"])
            spoken |= wrong.keys()  # each part has one sentence
    if names:
        return Verdict("wrong_value", VALUE, "\n".join([*says, plain]), names[0])
    if all(as_percent(own[part], bands[part]) for part in off):
        says = "This is a percentage. The cell asks for a share between 0 and 1: 25 % is 0.25."
        return Verdict("wrong_form", FORM, says, "percent")
    return Verdict("wrong_value", VALUE, plain)


def by_part(value):
    """{part: value} of a number, a list or a dict of them. A number alone has the part None."""
    if isinstance(value, dict):
        return value
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value))
    return {None: value}


def expected(exercise):
    """{part: (low, high)} of the right answer: `answer` and `tolerance`, or `band`."""
    about = exercise.about
    if ("answer" in about) == ("band" in about):
        raise TextError(f"exercise {exercise.id}: give it an `answer` or a `band`")
    if "answer" in about:
        return around(about["answer"], about.get("tolerance", 0))
    band = about["band"]
    pairs = band if isinstance(band, dict) else {None: band}
    return {part: tuple(pair) for part, pair in pairs.items()}


def around(answer, tolerance):
    parts = by_part(answer)
    widths = tolerance if isinstance(tolerance, dict) else dict.fromkeys(parts, tolerance)
    slack = 1e-6  # numbers in float32
    return {
        part: (x - widths[part] - slack * abs(x), x + widths[part] + slack * abs(x))
        for part, x in parts.items()
    }


def wrong_bands(exercise, mistake):
    """{part: (low, high)} of a known mistake; parts of the answer that it leaves out may be any."""
    if "between" in mistake:
        return {mistake.get("part"): tuple(mistake["between"])}
    tolerance = mistake.get("tolerance", exercise.about.get("tolerance", 0))
    if "part" in mistake:
        tolerance = tolerance[mistake["part"]] if isinstance(tolerance, dict) else tolerance
        return around({mistake["part"]: mistake["value"]}, tolerance)
    return around(mistake["value"], tolerance)


def within(x, band):
    return band[0] <= x <= band[1]


def as_percent(x, band):
    """Whether x is 100 times a share that would be right."""
    return 0 < band[1] <= 1 and within(x / 100, band)


def numbers(answer, bands, name):
    """({part: float}, ""), or (None, what is wrong with the form)."""
    if isinstance(answer, (np.ndarray, torch.Tensor)):
        answer = answer.tolist()
    want = ", ".join(f"`{part}`" for part in bands)
    if None in bands:
        if isinstance(answer, (list, tuple)) and len(answer) == 1:
            answer = answer[0]
        parts = {None: answer}
    elif isinstance(next(iter(bands)), str) and not isinstance(answer, dict):
        return None, f"`{name}` should be a dict with {want}; yours is {kind_of(answer)}."
    elif not isinstance(answer, (dict, list, tuple)):
        return None, f"`{name}` should hold {len(bands)} numbers; yours is {kind_of(answer)}."
    else:
        parts = by_part(answer)
    if parts.keys() != bands.keys():
        held = ", ".join(f"`{part}`" for part in parts) if isinstance(answer, dict) else len(parts)
        wanted = want if isinstance(answer, dict) else len(bands)
        return None, f"`{name}` should hold {wanted}; yours holds {held}."
    found = {}
    for part, x in parts.items():
        where = f"`{name}`" if part is None else f"`{name}[{part!r}]`"
        if is_blank(x):
            return None, f"{where} is still `...`: every part needs a number."
        if isinstance(x, str):
            return None, f"{where} should be a number, without quotes; yours is the text {x!r}."
        if callable(x) and not isinstance(x, type):
            return None, f"{where} should be the number itself; yours is a function."
        if isinstance(x, (bool, np.bool_)):
            return None, f"{where} should be a number; yours is {x}."
        try:
            found[part] = float(x)
        except (TypeError, ValueError):
            return None, f"{where} should be one number; yours is {kind_of(x)}."
        if math.isnan(found[part]):
            return None, f"{where} is not a number (NaN)."
    return found, ""


def direction(name, part, own, bands):
    """Whether a number is too high or too low; what is right is not said."""
    where = f"`{name}`" if part is None else f"`{name}[{part!r}]`"
    side = "too low" if own[part] < bands[part][0] else "too high"
    return f"{where} is {own[part]:g}, which is {side}."


# --- choose -----------------------------------------------------------------------------------


def chosen(exercise, answer):
    """Verdict on a choice and its reason, judged by a run on images that are held back."""
    if isinstance(answer, Given):
        return handed_out(exercise)
    if is_blank(answer):
        return not_started("Write your choice and your reason into the cell above, then check it.")
    if isinstance(answer, (tuple, list)) and len(answer) == 2:
        answer = dict(zip(("choice", "because"), answer, strict=True))
    if not isinstance(answer, dict) or answer.keys() != {"choice", "because"}:
        kind = f"the keys {', '.join(map(repr, answer))}" if isinstance(answer, dict) else ""
        says = f'`{exercise.name}` should be a dict with "choice" and "because"; yours has '
        return Verdict("wrong_form", FORM, says + (kind or f"the form of {kind_of(answer)}") + ".")
    about, picked = exercise.about, {}
    for key, allowed in (("choice", about["choices"]), ("because", about["reasons"])):
        names = {name.lower(): name for name in allowed}
        picked[key] = names.get(str(answer[key]).strip().lower())
        if picked[key] is None:
            yours = "still `...`" if is_blank(answer[key]) else repr(answer[key])
            listed = ", ".join(f'"{name}"' for name in allowed)
            says = f'"{key}" should be one of {listed}; yours is {yours}.'
            return Verdict("wrong_form", FORM, says)
    choice, reason = picked["choice"], about["reasons"][picked["because"]]
    found = held_back(exercise)
    numbers = about["numbers"].format(**found)
    if choice not in found["best"]:
        holds = "Your reason holds, but it speaks for another choice."
        says = [about["choices"][choice], holds if reason.get("right") else reason["says"]]
        return Verdict("wrong_value", VALUE, "\n".join([*says, numbers]), choice)
    if not reason.get("right"):
        says = f"The choice holds, the reason does not. {reason['says']}\n{numbers}"
        return Verdict("wrong_value", VALUE, says, picked["because"])
    return Verdict("passed", "passed", f"{reason['says']}\n{numbers}")


@cache
def held_back(exercise):
    """What the run on held-back images found: `best`, the choices that it supports, and numbers."""
    with quiet():
        found = exercise.probe()
    if unknown := set(found["best"]) - exercise.about["choices"].keys():
        raise TextError(f"exercise {exercise.id}: {sorted(unknown)} are no choices of its file")
    return found
