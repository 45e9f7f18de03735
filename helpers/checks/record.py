"""The learner's progress: a small JSON file beside the notebook. Nothing leaves the machine."""

import json
import os
import secrets
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from helpers.banner import COLOURS

FILE = ".course-progress.json"
MARKS = {"passed": ("●", "good"), "not_started": ("○", "open")}
FAILING = ("✗", "bad")
LEGEND = "● passed   ○ open   ✗ not right yet"
_unsaved = {}  # path -> {exercise: status} that no file has taken yet


class Record:
    """Last status of each exercise. Where the folder cannot be written, until the kernel restarts.

    path : of the file; by default beside the notebook
    """

    def __init__(self, path=None):
        self.path = Path(path or FILE).absolute()

    def statuses(self):
        try:
            statuses = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            statuses = None
        if not isinstance(statuses, dict):
            statuses = {}
        kept = {id: status for id, status in statuses.items() if isinstance(status, str)}
        return kept | _unsaved.get(self.path, {})

    def note(self, exercise_id, status):
        """Keep a status. Returns "", or the line that says that it is not on the disk, and why."""
        statuses = self.statuses() | {exercise_id: status}
        # another kernel, perhaps with the same number on another machine, writes its own
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            draft.write_text(json.dumps(statuses, indent=1), encoding="utf-8")
            draft.replace(self.path)
        except OSError as error:
            with suppress(OSError):  # of a read-only disk, where there is none either
                draft.unlink()
            _unsaved.setdefault(self.path, {})[exercise_id] = status
            why = error.strerror or type(error).__name__
            return f"Your progress is kept until the kernel restarts, not on disk: {why}."
        _unsaved.pop(self.path, None)
        return ""


class Progress:
    """A compact picture of the course: one row a module, one mark an exercise."""

    def __init__(self, exercises, statuses):
        self.marks = {e: MARKS.get(statuses.get(e.id, "not_started"), FAILING) for e in exercises}

    def modules(self):
        by_module = groupby(self.marks.items(), lambda item: item[0].id.split(".")[0])
        for module, items in by_module:
            items = list(items)
            passed = sum(mark == MARKS["passed"] for _, mark in items)
            yield f"Module {module}", items, f"{passed} of {len(items)}"

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
