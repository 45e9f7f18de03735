"""One entry of a long table: what is missing, computed, kept, and how long the rest will take."""

import json
import os
import platform
import subprocess
import threading
import time
import traceback
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock, Timeout

from helpers.datasets import load
from helpers.results import FOLDER, read_entries
from helpers.results.tables import TABLES
from helpers.runtime import COURSE, device, prepare_torch, profile
from helpers.threads import fixed_threads

ALONE = threading.Lock()  # seeds, threads and environment are the whole process's


class Task(NamedTuple):
    """An entry to be computed: its table, its place in the table's list, the source of its data."""

    table: str
    place: int
    source: str

    @property
    def parameters(self):
        return TABLES[self.table].entries[self.place]

    @property
    def stored(self):
        """The entry as stored for this data and profile, or None."""
        own = self.parameters, self.source, profile()
        return next((e for e in read_entries(self.table) if identity(e) == own), None)

    def __str__(self):
        named = ", ".join(f"{name} {value}" for name, value in self.parameters.items())
        return f"{self.table}, {named}"


def tasks(name):
    """All entries of a table, for the data that there are here. -> list of Task"""
    table = TABLES[name]
    source = next(iter(load(table.data, **fixed_source(table)).values())).source
    return [Task(name, place, source) for place in range(len(table.entries))]


def fixed_source(table):
    """The argument `source` of a table that is about one source."""
    return {"source": table.source} if table.source else {}


def identity(entry):
    """What tells entries apart: the parameters, the data and the profile."""
    return entry["parameters"], entry["values"]["source"], entry["profile"]


def attempt(task, function, parameters, fixed, environment, threads):
    """Compute an entry in a process of the run. -> task, entry, None or task, None, traceback

    What the process cannot know comes along, since it may be on another machine or live for
    several runs: environment is {name: value} of COURSE_* variables, threads a number or None
    for as many as pay off. Of several threads of a Dask worker one computes at a time.
    """
    limited = fixed_threads(threads) if threads else nullcontext()
    with ALONE, course_variables(environment), limited:
        prepare_torch()
        try:
            return task, compute(function, parameters, fixed), None
        except Exception:
            return task, None, traceback.format_exc()


@contextmanager
def course_variables(environment):
    """In the block, COURSE_* variables are those of `environment` before this process's own."""
    before = course_environment()
    os.environ.update(environment)
    try:
        yield
    finally:
        for name in course_environment():
            del os.environ[name]
        os.environ.update(before)


def course_environment():
    """{name: value} of the variables that the course reads."""
    return {name: value for name, value in os.environ.items() if name.startswith("COURSE_")}


def compute(function, parameters, fixed):
    """An entry, with what is needed to judge it and to compute it again. -> dict"""
    start = time.perf_counter()
    values = function(**parameters, **fixed)
    return {
        "parameters": parameters,
        "values": values,
        "profile": profile(),
        "seconds": round(time.perf_counter() - start, 1),
        "machine": f"{platform.machine()}, {device().type}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}",
        "commit": commit(),
    }


def commit():
    """The commit that the code stands at, marked "-dirty" where helpers/ differs from it."""
    git = ["git", "-C", str(COURSE)]
    try:
        head = subprocess.check_output([*git, "rev-parse", "--short=12", "HEAD"], text=True).strip()
        changed = subprocess.check_output([*git, "status", "--porcelain", "--", "helpers"])
        return f"{head}-dirty" if changed else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def claim(task):
    """Claim an entry, so that two runs at once share the work. -> FileLock, or None if taken

    The operating system frees the claim of a run that was killed.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    name = f"{task.table}.{profile()}.{task.source}.{task.place}.json.lock"
    lock = FileLock(FOLDER / name, thread_local=False)  # joblib asks for entries in its threads
    try:
        return lock.acquire(blocking=False).lock
    except Timeout:
        return None


def release(lock):
    """Give a claim back. Its file goes, too: there is one for each entry."""
    lock.release()
    with suppress(OSError):  # Windows: the other run is looking at it
        Path(lock.lock_file).unlink(missing_ok=True)


def keep(name, entry):
    """Add the entry to its table's file, in place of an older one of the same identity."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    with FileLock(f"{path}.lock"):
        order = TABLES[name].entries
        others = [e for e in read_entries(name) if e["parameters"] in order]
        entries = [entry, *(e for e in others if identity(e) != identity(entry))]
        entries.sort(
            key=lambda e: (e["values"]["source"], e["profile"], order.index(e["parameters"]))
        )
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)


def but_seed(parameters):
    """The parameters without the seed: those of like entries are equal."""
    return {name: value for name, value in parameters.items() if name != "seed"}


class TimeLeft:
    """How long a run still takes: as the stored entries took, times how this run compares."""

    def __init__(self, tasks, workers):
        self.workers = workers
        self.expected = {task: _usual_seconds(task) for task in tasks}
        self.measured = {}
        self.open = set(tasks)

    def finish(self, task, seconds=None):
        """The task is done, after `seconds`; without, it failed or another run has it."""
        self.open.discard(task)
        if seconds is not None:
            self.measured[task] = seconds

    def seconds(self):
        """Estimate of what is left, or None where nothing like it was ever computed."""
        compared = [task for task in self.measured if self.expected[task]]
        expected = sum(self.expected[task] for task in compared)
        pace = sum(self.measured[task] for task in compared) / expected if expected else 1
        known = {task: pace * usual for task, usual in self.expected.items() if usual}
        known |= self.measured
        left = []
        for task in list(self.open):  # joblib's threads find entries that another run has
            own = [known[task]] if task in known else []
            table = [s for other, s in known.items() if other.table == task.table]
            like = own or table or list(known.values())
            if not like:
                return None
            left.append(sum(like) / len(like))
        return max(sum(left) / self.workers, max(left, default=0))

    def __str__(self):
        count = f"{len(self.open)} entr{'y' if len(self.open) == 1 else 'ies'} left"
        seconds = self.seconds()
        if seconds is None:
            return f"{count}, how long is not known yet"
        if seconds < 90:
            return f"{count}, about {seconds:.0f} s"
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{count}, about {f'{hours} h ' if hours else ''}{minutes} min"


def _usual_seconds(task):
    """Mean seconds of the stored entries that differ in the seed alone, else of the table's."""
    entries = [e for e in read_entries(task.table) if e["profile"] == profile()]
    like = [e for e in entries if but_seed(e["parameters"]) == but_seed(task.parameters)]
    seconds = [e["seconds"] for e in like or entries]
    return sum(seconds) / len(seconds) if seconds else None
