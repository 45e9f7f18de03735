"""The class through nbgrader, and thirty ordinary submissions through nbgrader and our own grader.

    python tests/grading/in_nbgrader.py class [KIND ...]     a quarter of an hour
    python tests/grading/in_nbgrader.py thirty               five minutes on a quiet machine

Needs `make nbgrader` once, for .venv-nbgrader. Stops with status 1 where a grade is another one.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

COURSE = Path(__file__).parents[2]
sys.path[:0] = [str(COURSE), str(COURSE / "tests")]

from grading import classroom  # noqa: E402
from helpers.authoring.nbgrader import course  # noqa: E402

BIN = COURSE / ".venv-nbgrader" / "bin"
ASSIGNMENT = "module_01"
ORDINARY = {
    "right": classroom.ANSWERS,
    "one wrong": classroom.ANSWERS | {"1.4": classroom.WRONG_14},
    "half done": {id: classroom.ANSWERS[id] for id in list(classroom.ANSWERS)[:6]},
}


def nbgrader(folder, *command):
    """What `nbgrader COMMAND` says, in the course's folder."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    command = [BIN / "nbgrader", *command]
    options = {"cwd": folder, "env": os.environ | {"PATH": path}, "text": True}
    return subprocess.run(command, capture_output=True, **options)


def new_course(folder):
    course.write(folder)
    done = nbgrader(folder, "generate_assignment", ASSIGNMENT)
    assert done.returncode == 0, done.stderr


def hand_in(folder, learner, made):
    """made : a notebook, the file's text or bytes, or None for a folder without a file"""
    path = folder / "submitted" / learner / ASSIGNMENT / classroom.NAME
    path.parent.mkdir(parents=True)
    if made is not None:
        text = made if isinstance(made, (str, bytes)) else json.dumps(made)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def scores(folder):
    """{learner: points} as nbgrader exports them."""
    done = nbgrader(folder, "export")
    assert done.returncode == 0, done.stderr
    with open(folder / "grades.csv", encoding="utf-8", newline="") as lines:
        rows = [line for line in csv.DictReader(lines) if line["assignment"] == ASSIGNMENT]
    return {row["student_id"]: float(row["score"] or 0) for row in rows}


def deserved(statuses):
    """The least and the most points of a submission: some may pass or be stopped."""
    points = [(classroom.MODULE[id].difficulty, s.split("|")) for id, s in (statuses or {}).items()]
    least = sum(n for n, allowed in points if allowed == ["passed"])
    return least, sum(n for n, allowed in points if "passed" in allowed)


def grade_class(folder, kinds):
    """Whether each kind has the grade that it deserves; one line for each."""
    new_course(folder)
    everyone = classroom.class_of()
    unknown = [kind for kind in kinds if kind not in everyone]
    if unknown:
        raise SystemExit(f"no such kind: {unknown}; there are {', '.join(everyone)}")
    kinds = kinds or list(everyone)
    names = {kind: f"learner{i:02}" for i, kind in enumerate(kinds)}
    took, said = {}, {}
    for kind, name in names.items():
        hand_in(folder, name, everyone[kind][0])
        start = time.monotonic()
        done = nbgrader(folder, "autograde", ASSIGNMENT, "--student", name)
        took[kind], said[kind] = time.monotonic() - start, done.returncode
        print(f"  {kind}: {took[kind]:.0f} s", file=sys.stderr, flush=True)
    found, right = scores(folder), True
    for kind, name in names.items():
        least, most = deserved(everyone[kind][1])
        score = found.get(name, 0)
        right &= least <= score <= most
        wanted = f"{least}" if least == most else f"{least} to {most}"
        print(
            f"{kind:25} {score:4.0f} points, deserves {wanted:8} "
            f"{'' if least <= score <= most else 'WRONG '}(status {said[kind]}, {took[kind]:.0f} s)"
        )
    return right


@contextmanager
def measured(found):
    """Seconds, and the most memory (PSS, GB) of all processes that this one starts meanwhile."""
    over = threading.Event()

    def look():
        while not over.wait(0.5):
            together = 0
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    together += process.memory_full_info().pss
            found["gb"] = max(found.get("gb", 0), together / 2**30)

    watcher = threading.Thread(target=look)
    watcher.start()
    start = time.monotonic()
    try:
        yield
    finally:
        found["seconds"] = time.monotonic() - start
        over.set()
        watcher.join()


def grade_thirty(folder, jobs=2):
    """Whether both give the same points; prints minutes, memory and the ratio."""
    submissions = {
        f"{kind} {i}".replace(" ", "-"): classroom.notebook(answers)
        for i in range(10)
        for kind, answers in ORDINARY.items()
    }
    for learner, made in submissions.items():
        path = folder / "ours" / learner / classroom.NAME
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(made), encoding="utf-8")
    table, ours = folder / "ours.csv", {}
    command = [sys.executable, "-m", "helpers.checks.grade", folder / "ours", "--csv", table]
    with measured(ours):
        subprocess.run([*command, "--jobs", str(jobs)], cwd=COURSE, check=True, capture_output=True)
    with table.open(encoding="utf-8", newline="") as lines:
        own = dict.fromkeys(submissions, 0)
        for row in csv.DictReader(lines):
            own[row["learner"]] += int(row["points"])
    print(
        f"own grader, {jobs} jobs: {ours['seconds'] / 60:.1f} min, {ours['gb']:.2f} GB", flush=True
    )
    new_course(folder / "nbgrader")
    for learner, made in submissions.items():
        hand_in(folder / "nbgrader", learner, made)
    theirs = {}
    with measured(theirs):
        done = nbgrader(folder / "nbgrader", "autograde", ASSIGNMENT)
    assert done.returncode == 0, done.stderr
    print(f"nbgrader autograde: {theirs['seconds'] / 60:.1f} min, {theirs['gb']:.2f} GB")
    same = scores(folder / "nbgrader") == own
    print(f"ratio {ours['seconds'] / theirs['seconds']:.2f}; the same points: {same}")
    print(", ".join(f"{learner} {points}" for learner, points in sorted(own.items())))
    return same


def main(what="", *kinds):
    if what not in ("class", "thirty"):
        raise SystemExit(__doc__)
    if not (BIN / "nbgrader").exists():
        raise SystemExit("There is no .venv-nbgrader: make nbgrader DIR=FOLDER")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        right = grade_class(folder / "class", kinds) if what == "class" else grade_thirty(folder)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
