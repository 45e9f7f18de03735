"""What comes of grading a class: a table, an overview, a page for each learner; the command."""

import argparse
import csv
import html
import json
import os
import sys
import time
from collections import Counter
from dataclasses import fields
from pathlib import Path

from helpers.grading import sandbox
from helpers.grading.run import GB, Limits, Row, grade_class
from helpers.grading.submission import submissions
from helpers.places import COURSE, setting

COLUMNS = [f.name for f in fields(Row) if f.name != "peak"]
MARKS = {"passed": "✓", "not_started": "○", "missing": "○"}
COLOURS = {"✓": "#c9e7cf", "○": "#eeeeee", "✗": "#f7d3bf"}
STYLE = (
    "<style>body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin-bottom:1em}td,th{border:1px solid #bbb;"
    "padding:.2em .5em;text-align:left;vertical-align:top}"
    "th,.points{white-space:nowrap}</style>"
)


def write_table(path, rows):
    """The rows as CSV. A text that a spreadsheet would take for a formula begins with a quote."""
    with open(path, "w", newline="", encoding="utf-8", errors="replace") as file:
        write_rows(file, rows)


def write_rows(file, rows):
    """`write_table` into an open file."""
    table = csv.writer(file)
    table.writerow(COLUMNS)
    for row in rows:
        cells = [getattr(row, name) for name in COLUMNS]
        table.writerow(
            "'" + x
            if isinstance(x, str) and x.startswith(("=", "+", "-", "@", "\t"))
            else f"{x:.2f}"
            if isinstance(x, float)
            else x
            for x in cells
        )


def write_overview(path, rows, found):
    """A page on the class: who is stuck where, which misconceptions are common, attempts."""
    exercises = sorted({r.exercise for r in rows if r.of}, key=_number)
    page = "".join(
        _grid(rows, _files(rows), [e for e in exercises if _number(e)[0] == module])
        for module in dict.fromkeys(_number(e)[0] for e in exercises)
    )
    if unread := [r for r in rows if not r.of]:
        page += "<h2>Not graded</h2>" + "".join(
            f"<p>{html.escape(f'{r.learner}, {r.exercise}: {r.sentence}')}</p>" for r in unread
        )
    page += "<p>✓ passed, ○ not started, ✗ not right yet. Point at a mark to read why.</p>"
    page += "<h2>Where the class is stuck</h2>" + _stuck(rows, exercises)
    page += "<h2>Common misconceptions</h2>" + _mistakes(rows)
    if tries := _attempts(found):
        rows_of = "".join(
            f"<tr><td>{html.escape(a)}</td><td>{b}</td><td>{n}</td></tr>" for a, b, n in tries
        )
        page += "<h2>Attempts at the wrap-ups</h2><table><tr><th>learner</th><th>exercise</th>"
        page += f"<th>attempts</th></tr>{rows_of}</table>"
    _page(path, "The class", page)


def _grid(rows, files, exercises):
    """The marks of one module: a line for each learner who handed it in."""
    of = {(r.learner, r.exercise): r for r in rows if r.exercise in exercises}
    head = "".join(f"<th>{e}</th>" for e in exercises)
    lines = []
    for learner in dict.fromkeys(learner for learner, _ in of):
        own = [of.get((learner, e)) for e in exercises]
        done = [r for r in own if r]
        points = f"{sum(r.points for r in done)} of {sum(r.of for r in done)}"
        link = f'<a href="feedback/{html.escape(files[learner])}.html">{html.escape(learner)}</a>'
        lines.append(
            f"<tr><th>{link}</th>{''.join(map(_mark, own))}<td class=points>{points}</td></tr>"
        )
    return f"<table><tr><th>learner</th>{head}<th>points</th></tr>{''.join(lines)}</table>"


def _stuck(rows, exercises):
    lines = []
    for e in exercises:
        own = [r for r in rows if r.exercise == e]
        wrong = [r.learner for r in own if MARKS.get(r.status, "✗") == "✗"]
        still = [r.learner for r in own if MARKS.get(r.status) == "○"]
        passed = len(own) - len(wrong) - len(still)
        lines.append(
            f"<tr><td>{e}, {html.escape(own[0].title)}</td><td>{passed} of {len(own)}</td>"
            f"<td>{html.escape(', '.join(wrong))}</td><td>{html.escape(', '.join(still))}</td></tr>"
        )
    head = "<tr><th>exercise</th><th>passed</th><th>not right yet</th><th>not started</th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def _mistakes(rows):
    counts = Counter((r.exercise, r.mistake) for r in rows if r.mistake)
    if not counts:
        return "<p>None has been recognised.</p>"
    says = {(r.exercise, r.mistake): r.sentence for r in rows}
    lines = "".join(
        f"<tr><td>{n}</td><td>{e}</td><td>{html.escape(m.replace('_', ' '))}</td>"
        f"<td>{html.escape(says[e, m])}</td></tr>"
        for (e, m), n in counts.most_common()
    )
    names = "learners", "exercise", "mistake", "for example"
    head = "".join(f"<th>{name}</th>" for name in names)
    return f"<table><tr>{head}</tr>{lines}</table>"


def _attempts(found):
    """(learner, exercise, attempts) of the files of attempts that came along with submissions."""
    from helpers.checks.record import SCORES, Scores

    for learner, paths in found.items():
        for folder in dict.fromkeys(p.parent for p in paths if p.parent.joinpath(SCORES).is_file()):
            for exercise, entry in Scores(folder / SCORES).entries().items():
                yield learner, html.escape(exercise), entry["tries"]


def write_feedback(folder, rows):
    """A page for each learner: the verdicts' sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    for learner, file in _files(rows).items():
        own = [r for r in rows if r.learner == learner]
        lines = "".join(
            f"<tr>{_mark(r)}<td>{html.escape(f'{r.exercise} {r.title}')}</td>"
            f'<td class="points">{r.points} of {r.of}</td><td>{html.escape(r.sentence)}</td></tr>'
            for r in own
        )
        points = f"{sum(r.points for r in own)} of {sum(r.of for r in own)} points"
        _page(folder / f"{file}.html", learner, f"<p>{points}</p><table>{lines}</table>")


def _mark(row):
    if row is None:
        return "<td></td>"
    mark = MARKS.get(row.status, "✗")
    colour, why = COLOURS[mark], html.escape(row.sentence, quote=True)
    return f'<td style="background:{colour}" title="{why}">{mark}</td>'


def _number(exercise):
    return tuple(int(n) for n in exercise.split(".")) if exercise[:1].isdigit() else (99,)


def _files(rows):
    """{learner: the name of a file}, no two of which differ by large and small letters alone."""
    files = {}
    for learner in dict.fromkeys(r.learner for r in rows):
        name = "".join(c if c.isalnum() or c in "-_. " else "_" for c in learner).strip(". ") or "_"
        while name.casefold() in map(str.casefold, files.values()):
            name += "_"
        files[learner] = name
    return files


def _page(path, title, body):
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    )
    text = f"{head}{STYLE}<h1>{html.escape(title)}</h1>{body}</html>\n"
    Path(path).write_text(text, encoding="utf-8", errors="replace")


def unwritable(path):
    """Why a file cannot be written, or "". Makes its folder, and leaves a file there as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        there = path.exists() or path.is_symlink()
        with open(path, "a"):  # a spreadsheet that has it open may keep it shut for all others
            pass
        if not there:
            path.unlink()
    except OSError as error:
        return f"{path} cannot be written ({error.strerror}: {error.filename})"
    return ""


def write_somewhere(write, path, *what):
    """write(path, *what), or where that fails under another name. -> whether one was written"""
    other = path.with_stem(f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}")
    for place in (path, other):
        try:
            write(place, *what)
        except OSError as error:
            print(f"{place} could not be written ({error.strerror}).", file=sys.stderr)
            continue
        if place is other:
            print(f"{other} was written instead.", file=sys.stderr)
        return True
    return False


def main(arguments=None):
    """The command line. Returns the exit status."""
    say = argparse.ArgumentParser(
        prog="python -m helpers.checks.grade",
        description="Grade submitted notebooks (NN_*.ipynb), each in a sandbox without network.",
    )
    say.add_argument("folder", type=Path, help="submissions, flat or a folder for each learner")
    say.add_argument("--csv", type=Path, default=Path("grades.csv"), help="the table")
    say.add_argument("--html", type=Path, help="overview of the class; pages of feedback beside it")
    say.add_argument("--jobs", type=int, default=os.cpu_count(), help="submissions at a time")
    say.add_argument("--timeout", type=float, default=60, help="seconds for one exercise")
    say.add_argument("--memory", type=float, default=3, help="GB for one submission")
    say.add_argument("--unprotected", action="store_true", help="run them without a sandbox")
    chosen = say.parse_args(arguments)
    if why := sandbox.missing():
        print(why, file=sys.stderr)
        if not chosen.unprotected:
            print("Nothing was run. `--unprotected` grades all the same.", file=sys.stderr)
            return 2
    if not chosen.folder.is_dir():
        say.error(f"{chosen.folder} is no folder")
    if not (COURSE / "notebooks").is_dir():
        say.error("the course's own notebooks are needed: run this in a clone of the course")
    found = submissions(chosen.folder)
    if not found:
        say.error(f"no notebook lies in {chosen.folder}")
    outputs = [chosen.csv]
    if chosen.html:
        outputs += [chosen.html, chosen.html.parent / "feedback" / "_.html"]
    for why in filter(None, map(unwritable, outputs)):
        say.error(f"{why}: close it where it is open, or choose another place")
    data = Path(setting("COURSE_DATA") or COURSE / "data").absolute()
    limits = Limits(
        chosen.timeout,
        chosen.memory * GB,
        not chosen.unprotected,
        str(data) if data.is_dir() else None,
    )
    start = time.monotonic()

    def report(rows):
        points = f"{sum(r.points for r in rows)} of {sum(r.of for r in rows)} points"
        print(f"{rows[0].learner}: {points}, {sum(r.seconds for r in rows):.0f} s", flush=True)

    rows = grade_class(found, limits, max(1, chosen.jobs), report)
    kept = write_somewhere(write_table, chosen.csv, rows)
    if not kept:  # a full disk: the terminal still takes the grades
        write_rows(sys.stdout, rows)
    if chosen.html:
        write_somewhere(write_overview, chosen.html, rows, found)
        write_somewhere(write_feedback, chosen.html.parent / "feedback", rows)
    peak = max((r.peak for r in rows), default=0)
    print(
        json.dumps(
            {
                "submissions": sum(map(len, found.values())),
                "seconds": round(time.monotonic() - start),
                "peak_gb": round(peak / GB, 2),
            }
        )
    )
    return 0 if kept else 1
