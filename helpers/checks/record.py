"""The learner's progress: a small JSON file beside the notebook. Nothing leaves the machine."""

import json
import os
import secrets
import warnings
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import groupby
from pathlib import Path

from filelock import FileLock

from helpers.banner import COLOURS

FILE = ".course-progress.json"
SCORES = ".course-scores.json"
SHOWN = 5  # attempts
MARKS = {"passed": ("●", "good"), "not_started": ("○", "open")}
FAILING = ("✗", "bad")
LEGEND = "● passed   ○ open   ✗ not right yet"
_unsaved = {}  # path -> {exercise: what is noted} that no file has taken yet


class Record:
    """Last status of each exercise. Where the folder cannot be written, until the kernel restarts.

    path : of the file; by default beside the notebook
    """

    def __init__(self, path=None):
        self.path = Path(path or FILE).absolute()

    def statuses(self):
        return _read(self.path, str)

    def note(self, exercise_id, status):
        """Keep a status. Returns "", or the line that says that it is not on the disk, and why."""
        with _locked(self.path):
            why = _keep(self.path, self.statuses(), exercise_id, status)
        return why and f"Your progress is kept until the kernel restarts, not on disk: {why}."


ROW = {"auroc": float, "passed": bool, "on": str, "at": str}  # an attempt; on real data or sample


class Scores:
    """The best attempts at each wrap-up exercise on each data, for the learner alone.

    path : of the file; by default beside the notebook
    """

    def __init__(self, path=None):
        self.path = Path(path or SCORES).absolute()

    def best(self):
        """{exercise: the highest AUROC so far}"""
        return {id: max(r["auroc"] for r in e["best"]) for id, e in self.entries().items()}

    def passed(self, exercise_id):
        """Whether an attempt so far has passed: a later one that does not takes nothing away."""
        entry = self.entries().get(exercise_id, {"best": []})
        return any(r["passed"] for r in entry["best"])

    def entries(self):
        found = {}
        for id, entry in _read(self.path, dict).items():
            with suppress(KeyError, TypeError, ValueError):  # what somebody else wrote there
                rows = [{name: kind(r[name]) for name, kind in ROW.items()} for r in entry["best"]]
                if rows:
                    found[id] = {"tries": int(entry["tries"]), "best": rows}
        return found

    def note(self, exercise_id, verdict):
        """Keep an attempt. Returns the lines that show the best ones, this one marked."""
        with _locked(self.path):
            entry = self.entries().get(exercise_id, {"tries": 0, "best": []})
            at = datetime.now().strftime("%d %b %Y, %H:%M:%S")
            row = {"auroc": round(verdict.score, 4), "passed": verdict.passed}
            row |= {"on": verdict.source, "at": at}
            others = [r for r in entry["best"] if r["on"] != verdict.source]
            own = [r for r in entry["best"] if r["on"] == verdict.source]
            own = sorted([*own, row], key=lambda r: -r["auroc"])[:SHOWN]
            new = {"tries": entry["tries"] + 1, "best": own + others}
            why = _keep(self.path, self.entries(), exercise_id, new)
        where = f"until the kernel restarts, not on disk: {why}" if why else "beside the notebook"
        lines = [f"\nYour best so far (attempts: {new['tries']}; kept for you alone, {where}):"]
        for r in own:
            line = f"{'✓' if r['passed'] else '✗'} {r['auroc']:.3f}  {r['at']}, {r['on']} data"
            lines.append(line + "  ← now" * (r is row))
        return "\n".join(lines)


def _read(path, kind):
    """What the file holds, as {exercise: a `kind`}, and what no file has taken yet."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        held = {}
    return {id: x for id, x in held.items() if isinstance(x, kind)} | _unsaved.get(path, {})


def _keep(path, held, exercise_id, value):
    """Write `held` with one value more. Returns "", or why the disk does not take it."""
    # another kernel, perhaps with the same number on another machine, writes its own
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        draft.write_text(json.dumps(held | {exercise_id: value}, indent=1), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):  # of a read-only disk, where there is none either
            draft.unlink()
        _unsaved.setdefault(path, {})[exercise_id] = value
        return error.strerror or type(error).__name__
    _unsaved.pop(path, None)
    return ""


@contextmanager
def _locked(path):
    """Two kernels write their notes one after the other, where the disk knows locks."""
    lock = FileLock(path.with_name(f"{path.name}.lock"), timeout=2)
    with suppress(OSError, NotImplementedError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a disk without locks, where filelock has another way
        lock.acquire()  # its Timeout is an OSError
    try:
        yield
    finally:
        lock.release()


class Progress:
    """A compact picture of the course: one row a module, one mark an exercise.

    best : {wrap-up exercise: highest AUROC so far}
    """

    def __init__(self, exercises, statuses, best=None):
        self.best = best or {}
        self.marks = {e: MARKS.get(statuses.get(e.id, "not_started"), FAILING) for e in exercises}

    def modules(self):
        by_module = groupby(self.marks.items(), lambda item: item[0].id.split(".")[0])
        for module, items in by_module:
            items = list(items)
            passed = sum(mark == MARKS["passed"] for _, mark in items)
            share = f"{passed} of {len(items)}"
            best = [self.best[e.id] for e, _ in items if e.id in self.best]
            share += f", wrap-up {best[0]:.3f}" if best else ""
            yield f"Module {module}" if module != "0" else "Self-test", items, share

    def _repr_html_(self):
        rows = "".join(
            f'<tr><td style="text-align:left;white-space:nowrap">{name}</td>'
            '<td style="text-align:left">'
            + "".join(_chip(exercise, *mark) for exercise, mark in items)
            + f'</td><td style="white-space:nowrap">{share}</td></tr>'
            for name, items, share in self.modules()
        )
        return f'<table style="border:none">{rows}</table><small>{LEGEND}</small>'

    def __repr__(self):
        rows = [
            f"{name}  {' '.join(mark for _, (mark, _) in items)}  {share}"
            for name, items, share in self.modules()
        ]
        return "\n".join([*rows, LEGEND])


def _chip(exercise, mark, tone):
    return (
        f'<span title="{exercise.title}" style="display:inline-block;min-width:3.2em;margin:1px;'
        f"padding:1px 4px;text-align:center;border-radius:3px;"
        f'background:rgba({COLOURS[tone]},.25)">{mark} {exercise.id}</span>'
    )
