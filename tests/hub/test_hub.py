"""Eight learners on a real JupyterHub on this machine: they log in, open module 1 and work in it.

Needs .venv-hub and configurable-http-proxy (hub/README.md); HUB_PROXY names its command where it is
not on the PATH. Without them nothing is tested here.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import psutil
import pytest
import requests
import websocket

COURSE = Path(__file__).parents[2]
HUB = COURSE / ".venv-hub" / "bin" / "jupyterhub"
PROXY = os.environ.get("HUB_PROXY", "configurable-http-proxy")
TOKEN = uuid.uuid4().hex
LEARNERS = int(os.environ.get("COURSE_HUB_LEARNERS", "2"))
pytestmark = pytest.mark.skipif(
    not HUB.exists() or not shutil.which(PROXY.split()[0]),
    reason="no JupyterHub: make hub, and npm install --global configurable-http-proxy",
)
ADMIN = f"""
c.JupyterHub.services = [{{"name": "test", "api_token": "{TOKEN}"}}]
c.JupyterHub.load_roles = [{{"name": "test", "services": ["test"],
  "scopes": ["admin:users", "admin:servers", "access:servers"]}}]
c.Spawner.args = ["--allow-root"]
"""


def free_port():
    """The first of three free ports in a row."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        try:
            for other in (port + 1, port + 2):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", other))
            return port
        except OSError:
            continue


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A running hub: its address."""
    folder = tmp_path_factory.mktemp("hub")
    config = folder / "config.py"
    config.write_text(f"load_subconfig({str(COURSE / 'hub' / 'jupyterhub_config.py')!r})\n{ADMIN}")
    port = free_port()
    environment = os.environ | {
        "HUB_PORT": str(port),
        "HUB_PROXY": PROXY,
        "COURSE_PROFILE": "quick",
    }
    environment["PATH"] = f"{HUB.parent}{os.pathsep}{environment['PATH']}"
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [HUB, "-f", config], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not answers(f"{address}/hub/api"):
            assert process.poll() is None and time.monotonic() < deadline, (
                folder / "log"
            ).read_text()
            time.sleep(0.3)
        yield address
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.terminate()
        process.terminate()
        process.wait(30)


def answers(address):
    try:
        return requests.get(address, timeout=2).ok
    except requests.ConnectionError:
        return False


class Learner:
    """Logs in through the hub, opens a kernel beside the notebooks and runs cells in it."""

    def __init__(self, hub, name):
        self.base, self.name = f"{hub}/user/{name}/", name
        self.headers = {"Authorization": f"token {TOKEN}"}
        api = f"{hub}/hub/api/users/{name}"
        requests.post(api, headers=self.headers, timeout=30).raise_for_status()
        requests.post(f"{api}/server", headers=self.headers, timeout=120).raise_for_status()
        deadline = time.monotonic() + 120
        while (
            not requests.get(api, headers=self.headers, timeout=30)
            .json()["servers"]
            .get("", {})
            .get("ready")
        ):
            assert time.monotonic() < deadline, f"the server of {name} did not start"
            time.sleep(0.5)
        kernel = self.post("api/kernels", {"name": "python3"})
        address = self.base.replace("http", "ws", 1) + f"api/kernels/{kernel['id']}/channels"
        self.socket = websocket.create_connection(address, header=self.headers, timeout=600)

    def post(self, path, body):
        reply = requests.post(self.base + path, headers=self.headers, json=body, timeout=60)
        reply.raise_for_status()
        return reply.json()

    def run(self, code):
        """Execute code; returns what it printed. An error is raised."""
        id, printed = uuid.uuid4().hex, []
        message = {
            "header": {
                "msg_id": id,
                "msg_type": "execute_request",
                "username": self.name,
                "session": id,
                "version": "5.3",
                "date": "",
            },
            "parent_header": {},
            "metadata": {},
            "channel": "shell",
            "content": {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": True,
            },
        }
        self.socket.send(json.dumps(message))
        while True:
            reply = json.loads(self.socket.recv())
            if reply.get("parent_header", {}).get("msg_id") != id:
                continue
            content = reply["content"]
            if reply["msg_type"] == "stream":
                printed.append(content["text"])
            elif reply["msg_type"] == "error":
                raise AssertionError("\n".join(content["traceback"]))
            elif reply["msg_type"] == "status" and content["execution_state"] == "idle":
                return "".join(printed)


def work(learner):
    """Module 1's solution up to its training, then every check. -> seconds and process id"""
    notebook = nbformat.read(COURSE / "solutions" / "01_autoencoder_basics.ipynb", as_version=4)
    trained = [cell.id for cell in notebook.cells].index("loop")
    start = time.monotonic()
    for i, cell in enumerate(notebook.cells):
        judged = {"exercise", "check"} & set(cell.metadata.get("tags", []))
        # a wrap-up's answer uses what all cells before it have made
        if cell.cell_type == "code" and (
            i <= trained or (judged and "anomaly_score" not in cell.source)
        ):
            learner.run(cell.source)
    pid = int(learner.run("import os; print(os.getpid())"))
    return time.monotonic() - start, pid


def test_a_class_works_at_once(hub):
    with ThreadPoolExecutor(LEARNERS) as pool:
        learners = list(pool.map(lambda i: Learner(hub, f"learner-{i}"), range(LEARNERS)))
        done = list(pool.map(work, learners))
    for seconds, pid in done:
        kernel = psutil.Process(pid)
        kernel_mb, server_mb = (
            process.memory_full_info().pss / 1e6 for process in (kernel, kernel.parent())
        )
        print(f"{seconds:.0f} s, kernel {kernel_mb:.0f} MB, server {server_mb:.0f} MB (PSS)")
        assert kernel_mb + server_mb < 1000, "hub/README.md plans 1 GB a learner"
