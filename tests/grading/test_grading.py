"""A class in which everything happens is graded: each gets what it deserves, none stops others."""

import csv
import os
import signal
import subprocess
import sys
import threading

import pytest

from grading import classroom
from helpers.checks.watch import ReferenceCalled
from helpers.grading import judge, report, sandbox, submission
from helpers.grading.run import Row
from helpers.grading.wire import Lost
from helpers.places import COURSE

needs_bwrap = pytest.mark.skipif(
    bool(sandbox.missing()),
    reason="submissions are shut off by bubblewrap: apt install bubblewrap",
)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """One run for all: ({learner: statuses wanted}, {learner: {exercise: row}}, its folder)."""
    folder = tmp_path_factory.mktemp("class")
    wanted = classroom.write(folder / "handed in")
    command = [sys.executable, "-m", "helpers.checks.grade", str(folder / "handed in")]
    command += ["--csv", str(folder / "g.csv"), "--html", str(folder / "class.html")]
    command += ["--timeout", "10", "--memory", "1.5", "--jobs", "2"]
    done = subprocess.run(command, cwd=COURSE, capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stderr
    found = {}
    with open(folder / "g.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["learner"], {})[row["exercise"]] = row
    return wanted, found, folder


@needs_bwrap
@pytest.mark.parametrize("learner", classroom.class_of())
def test_each_gets_the_grade_that_it_deserves(graded, learner):
    wanted, found, _ = graded
    own = found[learner]
    if wanted[learner] is None:
        assert [row["status"] for row in own.values()] == ["unreadable"]
        return
    amiss = {
        id: (own[id]["status"], own[id]["sentence"])
        for id, statuses in wanted[learner].items()
        if own[id]["status"] not in statuses.split("|")
    }
    assert not amiss
    for id, row in own.items():
        full = classroom.MODULE[id].difficulty if row["status"] == "passed" else 0
        assert int(row["points"]) == full
        assert len(row["sentence"]) <= judge.LONGEST


@needs_bwrap
def test_a_known_mistake_has_its_name_and_sentence(graded):
    _, found, folder = graded
    row = found["one wrong"]["1.4"]
    assert row["mistake"]
    assert row["sentence"] in (folder / "feedback" / "one wrong.html").read_text().replace(
        "&#x27;", "'"
    ).replace("&quot;", '"')
    assert row["mistake"].replace("_", " ") in (folder / "class.html").read_text()


@needs_bwrap
def test_a_fork_bomb_is_stopped_for_its_processes_and_not_by_the_clock(graded):
    row = graded[1]["fork bomb"]["1.4"]
    assert row["status"] == "stopped" and "processes" in row["sentence"], row


@needs_bwrap
def test_processes_are_counted_while_a_measure_of_memory_is_waited_for(tmp_path, monkeypatch):
    """The system tells no memory of a process that is being copied, in a fork bomb for seconds."""
    asked, over = threading.Event(), threading.Event()
    monkeypatch.setattr(sandbox, "_memory", lambda pid: asked.set() or (over.wait() and 0))
    sandbox.stripped_course(tmp_path, [])
    box = sandbox.Sandbox(tmp_path, 2**31, 30)
    try:
        assert asked.wait(60)
        box.allow(60)
        with pytest.raises(Lost):
            box.ask("cell", name="bomb", text="import os\nwhile True: os.fork()")
        assert "processes" in box.why
    finally:
        over.set()
        box.close()


def test_a_family_is_all_descendants_up_to_one_more_than_allowed(monkeypatch):
    sleep = "import time; time.sleep(60)"
    starts = "import subprocess, sys; f = lambda: subprocess.Popen([sys.executable, '-c', {!r}]); "
    starts += "print(*[f().pid for _ in range(3)], flush=True); {}"
    other, parent = (
        subprocess.Popen(
            [sys.executable, "-c", starts.format(sleep, sleep)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    )
    children = [set(map(int, p.stdout.readline().split())) for p in (other, parent)]
    try:
        family, others = sandbox._family(parent.pid, set())
        assert family == {parent.pid, *children[1]}
        assert {other.pid, *children[0]} <= others
        assert sandbox._family(parent.pid, others)[0] == family
        monkeypatch.setattr(sandbox, "PROCESSES", 1)
        assert len(sandbox._family(parent.pid, set())[0]) == 2
    finally:
        for pid in {other.pid, parent.pid}.union(*children):
            os.kill(pid, signal.SIGKILL)
        other.communicate(), parent.communicate()


def test_without_a_sandbox_nothing_is_run(tmp_path):
    """It says which protection is missing, and goes on only if it is told to."""
    classroom.write(tmp_path / "class", ["perfect"])
    command = [sys.executable, "-m", "helpers.checks.grade", str(tmp_path / "class")]
    bare = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=COURSE, env=bare, capture_output=True, text=True)
    assert done.returncode == 2
    assert "network" in done.stderr and "--unprotected" in done.stderr


@needs_bwrap
def test_the_sandbox_has_no_reference_no_check_and_no_network(tmp_path):
    """Whatever a submission reads there, what it is asked to write is not among it."""
    references = ["helpers.scores.reconstruction_error", "helpers.models.ConvAutoencoder"]
    sandbox.stripped_course(tmp_path, references)
    box = sandbox.Sandbox(tmp_path, 2**31, 30)
    try:
        box.allow(60)
        box.ask("cell", name="look", text=LOOK)
        seen, _ = box.ask("look", name="seen")
        assert seen == []
        stub = "import torch\nfrom helpers.scores import reconstruction_error as f\n"
        stub += "x = torch.zeros(2, 1, 3, 4)\nf(x, x)"
        with pytest.raises(ReferenceCalled):
            box.ask("cell", name="call", text=stub)
    finally:
        box.close()


LOOK = f"""
import os, socket, sys
seen = []
for folder, _, files in os.walk("/"):
    if folder.startswith(("/proc", "/sys", "/usr")) or "/torch/" in folder:
        continue
    seen += [folder for f in files if f.startswith(("module_01.toml", "right_01", "solution"))]
    for f in files:
        if f == "scores.py" and "helpers" in folder:
            text = open(os.path.join(folder, f)).read()
            own = text.partition("def reconstruction_error")[2][:400]
            seen += [f] if "square().flatten" in own else []
seen += [p for p in ({str(COURSE / "solutions")!r}, {str(COURSE / "tests")!r}) if os.path.exists(p)]
try:
    socket.create_connection(("127.0.0.1", 22), timeout=1)
    seen.append("network")
except ConnectionRefusedError:
    pass
except OSError:
    pass
try:
    socket.create_connection(("1.1.1.1", 53), timeout=1)
    seen.append("network")
except OSError:
    pass
"""


@pytest.mark.parametrize("order", ["function first", "module first"])
def test_grade_is_a_function_whichever_is_imported_first(order):
    lines = ["from helpers.checks import grade as f", "import helpers.checks.grade"]
    lines = lines if order == "function first" else lines[::-1]
    lines += ["import helpers.checks", "from helpers.checks import grade", "ask = lambda *_: 0"]
    lines += ["print(f('1.1', None).status, grade('1.1', None).status)"]
    text = "; ".join(lines)
    done = subprocess.run([sys.executable, "-c", text], cwd=COURSE, capture_output=True, text=True)
    assert done.stdout.split() == ["not_started", "not_started"], done.stderr


def test_a_million_blank_lines_are_read_in_seconds():
    cell = submission.Cell("", "def f(" + "\n" * 10**6)
    exercise = classroom.MODULE["1.4"]
    assert submission.answer(exercise, [cell]).status == "missing"


def test_learners_are_told_apart_in_a_flat_folder(tmp_path):
    for name in ("01_autoencoder_basics_ana.ipynb", "bo-01_autoencoder_basics.ipynb"):
        (tmp_path / name).write_text("{}")
    assert list(submission.submissions(tmp_path)) == ["ana", "bo"]


def test_shadow_files_and_hidden_ones_are_no_submissions(tmp_path):
    """What macOS packs into archives, a NAS beside its files, and editors beside theirs."""
    names = ["ana/01_x.ipynb", "ana/._01_x.ipynb", "__MACOSX/ana/._01_x.ipynb", "._bo.ipynb"]
    names += ["@eaDir/bo.ipynb", ".git/bo.ipynb", "ana/.ipynb_checkpoints/01_x.ipynb"]
    for name in [*names, "cy/._01_x.ipynb"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = submission.submissions(tmp_path)
    assert found == {"ana": [tmp_path / "ana/01_x.ipynb"], "cy": [tmp_path / "cy"]}


@pytest.fixture
def graded_at_once(tmp_path, monkeypatch):
    """Run the command in a class of one whose grade needs no time, after `before()`."""
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "ana.ipynb").write_text("{}")
    row = Row("ana", "1.4", "error", "passed", "", 2, 2, "Right.", 0.1)
    runs = []

    def command(*options, before=lambda: None):
        monkeypatch.setattr(report, "grade_class", lambda *a: (before(), runs.append(a), [row])[-1])
        arguments = [str(tmp_path / "class"), "--unprotected", *map(str, options)]
        return report.main(arguments)

    command.runs = runs
    return command


def test_a_table_that_cannot_be_written_is_said_before_the_grading(
    tmp_path, graded_at_once, capsys
):
    table, file = tmp_path / "g.csv", tmp_path / "file"
    table.write_text("of last week")
    file.write_text("")
    for options in (
        ("--csv", file / "g.csv"),
        ("--csv", tmp_path),
        ("--csv", table, "--html", file / "g.html"),
        ("--csv", table, "--html", tmp_path),
    ):
        with pytest.raises(SystemExit) as end:
            graded_at_once(*options)
        assert end.value.code == 2
        assert f"{options[-1]} cannot be written" in capsys.readouterr().err
    (tmp_path / "feedback").write_text("")
    with pytest.raises(SystemExit):
        graded_at_once("--csv", tmp_path / "new.csv", "--html", tmp_path / "g.html")
    assert not graded_at_once.runs
    assert table.read_text() == "of last week"
    assert not (tmp_path / "new.csv").exists() and not (tmp_path / "g.html").exists()


def test_a_full_disk_leaves_the_grades_to_the_terminal(
    tmp_path, graded_at_once, capsys, monkeypatch
):
    def full(path, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "write_table", full)
    assert graded_at_once("--csv", tmp_path / "g.csv") == 1
    said = capsys.readouterr()
    assert "ana,1.4" in said.out and said.err.count("No space left on device") == 2


def test_a_link_to_a_table_that_is_to_come_stays(tmp_path, graded_at_once):
    link, table = tmp_path / "g.csv", tmp_path / "later.csv"
    link.symlink_to(table)
    assert graded_at_once("--csv", link) == 0
    assert link.is_symlink() and "ana,1.4" in table.read_text()


def test_folders_of_tables_are_made(tmp_path, graded_at_once):
    table, page = tmp_path / "a" / "b" / "g.csv", tmp_path / "c" / "g.html"
    assert graded_at_once("--csv", table, "--html", page) == 0
    assert "ana,1.4" in table.read_text() and "ana" in page.read_text()
    assert "Right." in (tmp_path / "c" / "feedback" / "ana.html").read_text()


def test_grades_are_kept_where_the_table_was_opened_meanwhile(tmp_path, graded_at_once, capsys):
    table, page = tmp_path / "g.csv", tmp_path / "g.html"

    def meanwhile():
        table.mkdir()
        page.mkdir()
        (tmp_path / "feedback" / "ana.html").mkdir()

    assert graded_at_once("--csv", table, "--html", page, before=meanwhile) == 0
    said = capsys.readouterr().err
    assert said.count("was written instead") == 3
    (other,), (overview,) = tmp_path.glob("g-*.csv"), tmp_path.glob("g-*.html")
    assert str(other) in said and "ana,1.4" in other.read_text() and "ana" in overview.read_text()
    assert "Right." in next(tmp_path.glob("feedback-*/ana.html")).read_text()
