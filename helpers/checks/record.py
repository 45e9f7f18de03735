"""The learner's progress: a small JSON file beside the notebook. Nothing leaves the machine."""

import json
import os
from itertools import groupby
from pathlib import Path

from helpers.banner import COLOURS

FILE = ".course-progress.json"
MARKS = {"passed": ("●", "good"), "not_started": ("○", "open")}
FAILING = ("✗", "bad")
LEGEND = "● passed   ○ open   ✗ not right yet"


class Record:
    """Last status of each exercise. A folder that cannot be written only means no record."""

    def __init__(self, path=None):
        self.path = Path(path or FILE)

    def statuses(self):
        try:
            statuses = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return statuses if isinstance(statuses, dict) else {}

    def note(self, exercise_id, status):
        statuses = self.statuses() | {exercise_id: status}
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            draft.write_text(json.dumps(statuses, indent=1), encoding="utf-8")
            draft.replace(self.path)
        except OSError:
            draft.unlink(missing_ok=True)


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
