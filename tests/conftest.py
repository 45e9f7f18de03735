"""What tests share: the drawn samples, and what notebooks needed, printed at the end."""

import importlib
import os
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from helpers.datasets import find, offline

COURSE_DATA = os.environ.get("COURSE_DATA")  # read before fixtures hide it


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


@pytest.fixture
def needed(record_property):
    """needed(text) notes what a notebook needed, for the summary."""
    return lambda text: record_property("needed", text)


def pytest_terminal_summary(terminalreporter):
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
