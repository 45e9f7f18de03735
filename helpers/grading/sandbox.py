"""The process that runs a submission: shut off by bubblewrap, and held to its time and memory.

What it sees: the system's programs and Python, read-only; prepared data, read-only; the course
without the references, the checks and the solutions; a folder of its own in memory. No network, no
home, no other process.
"""

import ast
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from helpers.grading.standin import Grader
from helpers.grading.wire import Channel, Lost
from helpers.places import HERE

START = 120  # seconds in which a sandbox has to be there
WATCH = 0.1  # seconds between two looks at its processes, and at their memory
GROWTH = 1.02  # by how much it has to have grown since it was looked at closely
PROCESSES = 16
GB = 2**30
LEFT_OUT = "checks", "authoring", "quiz.py", "grading/sandbox.py", "grading/standin.py"
LEFT_OUT += "grading/submission.py", "grading/run.py", "grading/judge.py", "grading/report.py"
CHECKS = '''"""The checks are the grader's: here `check` hands back what it gets."""


def check(id, candidate):
    return candidate


def hint(*_, **__):
    """Nothing."""


quiz = progress = solution = hint
'''
STUB = "raise __import__('builtins')._grading_refused"


class NoSandbox(RuntimeError):
    """No submission can be shut off here. The message says which protection is missing."""


@cache
def missing():
    """Why submissions cannot be shut off on this machine, in a sentence; "" where they can."""
    lost = (
        "Without it a submission could read this computer's files (the references, other "
        "submissions), use the network and stop other programs."
    )
    if not sys.platform.startswith("linux"):
        return f"Submissions are shut off by bubblewrap, which exists on Linux alone. {lost}"
    if shutil.which("bwrap") is None:
        return f"`bwrap` is not installed (Debian, Ubuntu: `apt install bubblewrap`). {lost}"
    trial = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    found = subprocess.run(trial, capture_output=True, text=True)
    if found.returncode:
        return f"`bwrap` is there and may not be used ({found.stderr.strip()[:200]}). {lost}"
    return ""


def stripped_course(folder, references):
    """Copy `helpers` into the folder without checks, and with stubs for these references.

    references : "helpers.scores.auroc", ...; each must be defined in the course's files
    """
    target = Path(folder) / "helpers"
    skip = [HERE / part for part in LEFT_OUT]

    def ignored(where, names):
        return [n for n in names if Path(where) / n in skip or n == "__pycache__"]

    shutil.copytree(HERE, target, ignore=ignored)
    (target / "checks").mkdir()
    (target / "checks" / "__init__.py").write_text(CHECKS)
    (target / "quiz.py").write_text(CHECKS)
    left = set(references)
    for path in target.rglob("*.py"):
        names = {r.rsplit(".", 1)[1] for r in left}
        text = path.read_text(encoding="utf-8")
        if not any(name in text for name in names):
            continue
        where = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        tree, own = ast.parse(text), {}
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in names:
                own[node.name] = node
        package = where.rpartition(".")[0]  # a reference may be named where it is exported
        here = {r for r in left if r.rsplit(".", 1)[1] in own and r.startswith(package)}
        for r in here:
            _empty(own[r.rsplit(".", 1)[1]])
        if here:
            path.write_text(ast.unparse(tree))
    return target


def _empty(node):
    """Leave the name and the parameters of a function or class, and nothing of what it does."""
    refuse = ast.parse(STUB).body
    if isinstance(node, ast.FunctionDef):
        node.body, node.decorator_list = refuse, []
    else:
        new = ast.parse(f"def __init__(self, *args, **kwargs): {STUB}").body
        node.body = new


class Sandbox:
    """One process for one submission, and the grader's end of the line to it.

    course : the folder with the stripped `helpers`
    memory : bytes; timeout : seconds for one exercise
    shut : False runs it without bubblewrap
    """

    def __init__(self, course, memory, timeout, shut=True, data=None):
        self.memory, self.timeout, self.peak = memory, timeout, 0
        self.home = tempfile.mkdtemp(prefix="grading-") if not shut else None
        ours, theirs = socket.socketpair()
        starts = f"import sys; sys.argv[1:] = ['{theirs.fileno()}', '{2 * memory}']; "
        starts += "from helpers.grading.inside import main; main()"
        command = [sys.executable, "-X", "utf8", "-c", starts]
        environment = _environment(course, data)
        if shut:
            command = [*_walls(course, memory, data), *command]
            environment["HOME"] = "/tmp/home"
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=self.home,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if os.environ.get("COURSE_GRADING_DEBUG") else subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self.channel, self.why = Channel(ours), ""
        self.grader = Grader(self.channel)
        self.family = {self.process.pid}
        for watch in (self._watch_processes, self._watch_memory):
            threading.Thread(target=watch, daemon=True).start()
        self.allow(START)
        try:
            self.channel.receive()
        except Lost as error:
            self.close()
            raise NoSandbox(f"the sandbox did not start: {self.why or error}") from None

    def allow(self, seconds):
        """From now on, everything must have come back after so many seconds."""
        self.channel.deadline = time.monotonic() + seconds

    def ask(self, op, **message):
        """A request without stand-ins: a cell, a name. Raises what the cell raised."""
        answer, reader = self.grader.ask({"op": op, **message})
        return self.grader._taken(answer, reader, [[], {}]), answer

    def _watch_processes(self):
        """Stop it where it has more processes than it may."""
        others = set()
        while self.process.poll() is None:
            self.family, others = _family(self.process.pid, others)
            if len(self.family) > PROCESSES:
                self.why = f"it started more than {PROCESSES} processes"
                return self.stop()
            time.sleep(WATCH)

    def _watch_memory(self):
        """Stop it where all its processes together hold more memory than they may.

        What they share is counted by share, which takes the system many times as long to tell as
        their resident memory, a bound: it is asked for where that has grown. For a process that is
        being copied there is no answer until the copy is made, seconds later where there are many:
        hence a thread that does nothing else.
        """
        seen = 0
        while self.process.poll() is None:
            resident = _sum(_resident, self.family)
            if resident > min(GROWTH * seen, self.memory):
                seen, held = max(seen, resident), _sum(_memory, self.family)
                self.peak = max(self.peak, held)
                if held > self.memory:
                    self.why = self.why or f"it took more than {self.memory / GB:.3g} GB of memory"
                    return self.stop()
            time.sleep(WATCH)

    def stop(self):
        """End every process of it.

        With bubblewrap's the others of its namespace go, at once: whoever goes through them one by
        one gives them time to start more.
        """
        children = []
        if self.home:  # no namespace
            with suppress(psutil.Error):
                children = psutil.Process(self.process.pid).children(recursive=True)
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for child in children:
            with suppress(psutil.Error):
                child.kill()

    def close(self):
        self.stop()
        self.process.wait()
        self.channel.socket.close()
        if self.home:
            shutil.rmtree(self.home, ignore_errors=True)


def _family(root, others):
    """Process ids of root and what descends from it, and those of all others that were looked at.

    others : what the last call returned, which is not looked at again. The newest come first and
    PROCESSES are enough: to go through all that a fork bomb starts takes longer the more there are.
    """
    running = psutil.pids()
    family, others = {root}, {0}.union(others.intersection(running))
    for pid in reversed(running):
        line = set()
        with suppress(psutil.Error):
            while pid not in family and pid not in others:
                line.add(pid)
                pid = psutil.Process(pid).ppid()
            (family if pid in family else others).update(line)
        if len(family) > PROCESSES:
            break
    return family, others


def _sum(measure, pids):
    """Of those of the processes that are still there."""
    total = 0
    for pid in pids:
        with suppress(psutil.Error, OSError):
            total += measure(pid)
    return total


def _resident(pid):
    """Bytes of a process, shared pages counted in full."""
    return psutil.Process(pid).memory_info().rss


def _memory(pid):
    """Bytes of a process, pages that it shares counted by share (PSS), where the system tells."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return _resident(pid)


def _environment(course, data):
    kept = {n: os.environ[n] for n in ("PATH", "LANG", "SYSTEMROOT", "TEMP") if n in os.environ}
    kept |= {n: v for n, v in os.environ.items() if n in ("COURSE_PROFILE", "COURSE_SOURCE")}
    kept |= {"PYTHONPATH": str(course), "COURSE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    kept |= {"MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    return kept | ({"COURSE_DATA": str(data)} if data else {})


def _walls(course, memory, data):
    """The command line of bubblewrap up to the program that it is to run."""
    walls = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    system = "/usr", "/bin", "/lib", "/lib32", "/lib64"
    for path in (*system, "/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache"):
        walls += ["--ro-bind-try", path, path]
    size = ["--size", str(memory // 4)] if _knows_size() else []
    walls += ["--proc", "/proc", "--dev", "/dev", *size, "--tmpfs", "/tmp", "--dir", "/tmp/home"]
    python = {os.path.realpath(p) for p in (sys.prefix, sys.base_prefix)} | {sys.prefix}
    for path in sorted(python):
        walls += ["--ro-bind", path, path]
        # a wheel's course lies among the packages
        for packages in Path(path).glob("lib/python*/site-packages/helpers"):
            walls += ["--tmpfs", str(packages)]
    walls += ["--ro-bind", str(course), str(course)]
    if data and os.path.isdir(data):
        walls += ["--ro-bind", str(data), str(data)]
        for path in {os.path.realpath(p) for p in Path(data).iterdir() if p.is_symlink()}:
            walls += ["--ro-bind-try", path, path]
    return [*walls, "--chdir", "/tmp/home"]


@cache
def _knows_size():
    return "--size" in subprocess.run(["bwrap", "--help"], capture_output=True, text=True).stdout
