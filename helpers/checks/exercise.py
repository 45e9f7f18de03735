"""An exercise: its texts and mistakes from a TOML file, its probe from Python."""

import importlib
import inspect
import math
import random
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from helpers.checks.findings import Finding

FOLDER = Path(__file__).parent
MODULES = tuple(sorted(path.stem[-2:] for path in FOLDER.glob("module_*.toml")))
# What an exercise asks for. At most two of one kind in a module; the last four have own checkers.
KINDS = "network", "training", "sampling", "score", "loss", "threshold", "statistic", "metric"
KINDS += "latent space", "data split", "synthetic data", "experiment"
KINDS += "find the bug", "predict", "choose", "wrap-up"
# What a reference may be edited to use, beside the names of its own module.
NAMES = {"F": F, "math": math, "nn": nn, "np": np, "random": random, "torch": torch}


class TextError(ValueError):
    """A file of exercises breaks a rule: the message names the file's entry."""


def source_of(reference):
    """Its source text, after that of the private functions of its file which it names."""
    home = vars(inspect.getmodule(reference))
    named = getattr(getattr(reference, "__code__", None), "co_names", ())
    own = [home[n] for n in named if n.startswith("_") and inspect.isfunction(home.get(n))]
    return "\n\n".join(inspect.getsource(part) for part in (*own, reference))


# Compared by identity, so that what was observed on them can be cached.
@dataclass(frozen=True, eq=False)
class Mistake:
    """A known-wrong answer, and what a good teacher says to who wrote it.

    It is the reference with pieces of its source replaced: `edit` holds old, new, old, new, ...
    Each old piece must stand there exactly once, so that a change of the reference that touches a
    mistake fails loudly.
    """

    name: str
    says: str
    edit: tuple[str, ...]
    exercise: "Exercise"

    @cached_property
    def variant(self):
        """The wrong function or class itself."""
        return self.exercise.edited(self.edit, self.name)


@dataclass(frozen=True, eq=False)
class Exercise:
    """One exercise. `probe(candidate)` yields Findings on crafted inputs."""

    id: str
    title: str
    reference: str
    difficulty: int
    minutes: int
    hints: tuple[str, str, str]
    kind: str
    probe: Callable[[Callable], Iterator[Finding]]
    edits: dict[str, dict]
    broken: str | None = None  # the mistake that the learner's cell holds, to be found
    given: tuple[str, ...] = ()  # methods or layers of a class that the learner's cell holds

    def __post_init__(self):
        if (self.broken is not None) != (self.kind == "find the bug"):
            raise TextError(f"exercise {self.id}: `broken` belongs to the kind 'find the bug'")
        self.load_reference()  # no check should wait for an import

    @property
    def name(self):
        """The name in the notebook."""
        return self.reference.rsplit(".", 1)[1]

    def load_reference(self):
        """The reference itself: a function or class of `helpers`."""
        module, name = self.reference.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)

    @cache  # noqa: B019  exercises live as long as the session
    def source(self):
        """The source text of the reference."""
        return source_of(self.load_reference())

    @cached_property
    def parameters(self):
        """The parameters of the reference, or of its class as it is called."""
        return list(inspect.signature(self.load_reference()).parameters.values())

    def edited(self, edit=(), label="copy"):
        """The reference, compiled anew from its source with pieces of it replaced."""
        reference = self.load_reference()
        names = NAMES | vars(inspect.getmodule(reference))
        code = self.edited_source(edit, label)
        exec(compile(code, f"<exercise {self.id}, mistake {label}>", "exec"), names)
        return names[reference.__name__]

    def edited_source(self, edit, label):
        """The source of the reference with pieces of it replaced."""
        source = self.source()
        where = f"exercise {self.id}, mistake {label}"
        if len(edit) % 2:
            raise TextError(f"{where}: `edit` holds pairs of old and new, got {len(edit)} texts")
        for old, new in zip(edit[::2], edit[1::2], strict=True):
            if (times := source.count(old)) != 1:
                raise TextError(
                    f"{where}: {old!r} stands {times} times in {self.reference}, not once; edit "
                    "the mistake along with the reference"
                )
            source = source.replace(old, new)
        return source

    @cached_property
    def bug(self):
        """The mistake that the learner's cell holds, or None: `broken` names it."""
        if self.broken is None:
            return None
        for mistake in self.mistakes:
            if mistake.name == self.broken:
                return mistake
        raise TextError(f"exercise {self.id}: `broken` is {self.broken!r}, which is no mistake")

    @cached_property
    def mistakes(self):
        """The known mistakes, in the order of the file."""
        return tuple(
            Mistake(name, about["says"], tuple(about["edit"]), self)
            for name, about in self.edits.items()
        )


@dataclass(frozen=True, eq=False)
class Task:
    """An exercise whose answer is no function of `helpers`: a number, a choice, a score.

    reference : the name in the notebook; solution : what the solution notebook's cell holds
    about : what its kind needs beside that; says what is wrong with an answer
    probe : what is measured on images held back, without arguments; None where nothing is
    """

    id: str
    title: str
    reference: str
    difficulty: int
    minutes: int
    hints: tuple[str, str, str]
    kind: str
    solution: str
    about: dict
    probe: Callable[[], object] | None = None
    bug = None
    mistakes = ()

    @property
    def name(self):
        """The same."""
        return self.reference

    def load_reference(self):
        """The course's own answer: a value, or the function that the cell defines."""
        names = dict(NAMES)
        exec(compile(self.solution, f"<solution of exercise {self.id}>", "exec"), names)
        return names[self.name]

    def source(self):
        """The text of the solution notebook's cell."""
        return self.solution


@dataclass(frozen=True)
class Kind:
    """What the file says of a kind that is a Task: names that must be there, and that may be."""

    needed: frozenset
    allowed: frozenset = frozenset()
    probed: bool = True


TASKS = {
    "predict": Kind(
        frozenset({"why"}), frozenset({"answer", "tolerance", "band", "mistakes"}), probed=False
    ),
    "choose": Kind(frozenset({"choices", "reasons", "numbers"})),
    "wrap-up": Kind(frozenset()),
}


def broken_source(id):
    """The source that the learner's cell of exercise `id` ("1.5") begins with, or None.

    Where an exercise has a `broken`, it is the reference with this mistake put in: the learner
    finds it. Elsewhere the cell is the scaffold that stands in the module's source.
    """
    module = importlib.import_module(f"helpers.checks.module_{int(id.split('.')[0]):02}")
    exercise = next(e for e in module.EXERCISES if e.id == id)
    if exercise.bug is None:
        return None
    return exercise.edited_source(exercise.bug.edit, exercise.broken).rstrip()


def texts(module):
    """What the file of a module ("02") says: exercises by id, and the quiz."""
    with open(FOLDER / f"module_{module}.toml", "rb") as file:
        return tomllib.load(file)


def declared(module, probes):
    """The exercises of a module; `probes` lists their probes in the order of its file.

    A prediction has none: all that is known of it stands in the file.
    """
    about = {id: entry for id, entry in texts(module).items() if id != "quiz"}
    probed = [id for id, entry in about.items() if _probed(id, entry)]
    if len(probed) != len(probes):
        raise TextError(
            f"module {module} has {len(probed)} exercises to probe and {len(probes)} probes"
        )
    probe_of = dict(zip(probed, probes, strict=True))
    found = []
    for id, entry in about.items():
        entry["hints"] = tuple(entry["hints"])
        make = _task if entry["kind"] in TASKS else _exercise
        try:
            found.append(make(id, entry, probe_of.get(id)))
        except TypeError as error:
            raise TextError(f"exercise {id} of module {module}: {error}") from None
    return tuple(found)


def _probed(id, entry):
    if (kind := entry.get("kind")) not in KINDS:
        raise TextError(f"exercise {id}: `kind` is {kind!r}; it is one of {', '.join(KINDS)}")
    return kind not in TASKS or TASKS[kind].probed


def _exercise(id, entry, probe):
    edits = entry.pop("mistakes")
    for name, mistake in edits.items():
        if mistake.keys() != {"edit", "says"}:
            raise TextError(f"exercise {id}, mistake {name}: give it `edit` and `says`, no more")
    return Exercise(id, probe=probe, edits=edits, **entry)


def _task(id, entry, probe):
    kind = TASKS[entry["kind"]]
    own = {name: entry.pop(name) for name in kind.needed | kind.allowed if name in entry}
    if missing := kind.needed - own.keys():
        raise TextError(f"exercise {id}: a {entry['kind']} needs {', '.join(sorted(missing))}")
    return Task(id, probe=probe, about=own, **entry)
