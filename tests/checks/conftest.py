import os

import pytest


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Each test keeps its progress file to itself."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def on_the_sample(tmp_path_factory, monkeypatch):
    """What is judged on images is judged on the offline samples, kept where `drawn` keeps them."""
    monkeypatch.setenv("COURSE_SOURCE", "sample")
    if "COURSE_DATA" not in os.environ:
        base = tmp_path_factory.getbasetemp()
        shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
        monkeypatch.setenv("COURSE_DATA", str(shared / "drawn-0"))
