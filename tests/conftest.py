"""Whole notebooks are run as on Binder: one core, 2 GB. What they needed is printed at the end."""

import pytest
import torch


@pytest.fixture(autouse=True)
def denormal_numbers_as_before():
    """A test that sets up threads has them flushed, which hypothesis does not bear."""
    yield
    torch.set_flush_denormal(False)


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
