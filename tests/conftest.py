"""What tests share: their order, the drawn samples, and a summary of times at the end."""

import importlib
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from helpers.datasets import find, offline

COURSE = Path(__file__).parents[1]
COURSE_DATA = os.environ.get("COURSE_DATA")  # read before fixtures hide it
WHOLE = "test_course.py", "test_colab.py", "test_notebooks.py"  # a test of these runs a notebook
# what takes minutes, so that no worker has to wait for another at the end
FIRST = "test_exercises.py", "test_explorables.py", "test_pages.py", "test_grading.py", *WHOLE


def pytest_collection_modifyitems(items):
    """The long ones first."""
    items.sort(key=lambda item: place(item.path))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """What a worker is given at a time: a file, whose fixtures are made once, or a test that runs a
    notebook. (Marks of groups do nothing under xdist 3.8 and pytest 9.2.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Pieces(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return piece_of(nodeid)

    return Pieces(config, log)


def piece_of(nodeid):
    file = nodeid.partition("::")[0]
    return nodeid if file.endswith(WHOLE) else file


def pytest_sessionfinish(session):
    """A piece that was run on two workers fails the run: its fixtures took their minutes twice."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    workers = {}
    for reports in reporter.stats.values() if reporter else ():
        for report in (r for r in reports if isinstance(r, pytest.TestReport)):
            if worker := getattr(report, "worker_id", None):
                workers.setdefault(piece_of(report.nodeid), set()).add(worker)
    if torn := [piece for piece, ran in workers.items() if len(ran) > 1]:
        reporter.section("run on more than one worker")
        reporter.write_line("\n".join(torn))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def place(path):
    if path.name in FIRST:
        return FIRST.index(path.name)
    return len(FIRST) + (path.suffix != ".ipynb")


@pytest.fixture(autouse=True)
def no_setting_of_the_notebooks(monkeypatch):
    """`make test` sets these for nbval, whose cells know no fixtures."""
    for name in ("COURSE_PROFILE", "COURSE_STRICT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def denormal_numbers_as_before():
    """A test that sets up threads has them flushed, which hypothesis does not bear."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """drawn(name, seed=0) is a root for `load` where that sample lies.

    It is drawn once in a run, by the first worker that asks, and kept where COURSE_DATA says: the
    notebooks that are run after the tests of the library find it there.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def root_of(name, seed=0):
        root = Path(COURSE_DATA) if COURSE_DATA and seed == 0 else shared / f"drawn-{seed}"
        data_set = find(name)
        folder = root / "samples" / f"{name}-{data_set.sizes[0]}"
        with FileLock(shared / f"{name}-{seed}.lock"):
            if offline._kept(folder, name) is None:
                module = importlib.import_module(f"helpers.datasets.samples.{data_set.sample}")
                offline._keep(module.make(seed), folder, name)
        return root

    return root_of


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site."""
    if built := os.environ.get("COURSE_SITE"):  # .ci/run has just built it
        return Path(built)
    book = COURSE / ".venv-site/bin/jupyter-book"
    if not book.exists():
        pytest.skip("no .venv-site: make site")
    folder = tmp_path_factory.mktemp("site")
    command = [book, "build", ".", "--quiet", "-W", "--keep-going"]
    command += ["--config", "site/_config.yml", "--toc", "site/_toc.yml", "--path-output", folder]
    done = subprocess.run(command, cwd=COURSE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "_build" / "html"


@pytest.fixture
def needed(record_property):
    """needed(text) notes what a notebook needed, for the summary."""
    return lambda text: record_property("needed", text)


def pytest_terminal_summary(terminalreporter):
    work = Counter()
    for report in (r for reports in terminalreporter.stats.values() for r in reports):
        if isinstance(report, pytest.TestReport):
            work[piece_of(report.nodeid)] += report.duration
    if len(work) > 1:
        terminalreporter.section("seconds of work, all workers together, and where most of it was")
        terminalreporter.write_line(f"{sum(work.values()):6.0f} s")
        for piece, seconds in work.most_common(20):
            terminalreporter.write_line(f"{seconds:6.0f} s  {piece}")

    notes = sorted(
        f"{report.nodeid.partition('[')[2].rstrip(']')}: {text}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if report.when == "call"
        for name, text in report.user_properties
        if name == "needed"
    )
    if notes:
        terminalreporter.section("what the notebooks needed on one core")
        terminalreporter.write_line("\n".join(notes))
