"""Short time-outs, no outside settings, and a server on the loopback."""

import threading
from http.server import ThreadingHTTPServer

import pytest
from faults import Handler, targz, tiny_mednist

from helpers.datasets import download


@pytest.fixture(scope="session")
def course_data(tmp_path_factory):
    return tmp_path_factory.mktemp("course-data")


@pytest.fixture(autouse=True)
def quick_and_alone(monkeypatch, course_data):
    """Short time-outs, nothing from the environment, and nothing into the course's own data/."""
    monkeypatch.setattr(download, "TIMEOUT", (0.5, 0.5))
    monkeypatch.setattr(download, "PAUSE", 0)
    for name in ("COURSE_SOURCE", "COURSE_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COURSE_DATA", str(course_data))


@pytest.fixture
def server():
    """A server on the loopback whose `data` is the tiny MedNIST's archive."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.data, server.requests = targz(tiny_mednist()), []
    server.go_on = threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()
