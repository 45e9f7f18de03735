"""Conditions for whole notebooks: the profile, Binder's one core and 2 GB, a browser or none."""

import importlib.util
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

MEMORY_MB = 2000
# Of the notebooks that are run whole. `make test PROFILE=quick` trains as learners do; what the
# solved notebooks need then was measured when they were built (test_notebooks.py). Read before a
# fixture hides it.
PROFILE = os.environ.get("COURSE_PROFILE") or "smoke"


@contextmanager
def one_core():
    """What is started meanwhile runs on one core; each worker of pytest-xdist takes another."""
    if not hasattr(os, "sched_setaffinity"):  # macOS, Windows
        yield
        return
    allowed = os.sched_getaffinity(0)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    os.sched_setaffinity(0, {sorted(allowed)[worker % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def peak_memory(pid):
    """The most memory that a process has had, in MB; 0 where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    peak = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
    return int(peak[1]) // 1024 if peak else 0


def chromium():
    """The path of a Chromium that playwright can drive, or None."""
    if importlib.util.find_spec("playwright") is None:
        return None
    return shutil.which("chromium") or shutil.which("chromium-browser")
