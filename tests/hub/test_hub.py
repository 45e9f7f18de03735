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
PROFILE = os.environ.get("COURSE_PROFILE", "quick")  # read before a fixture hides it
LEARNERS = int(os.environ.get("COURSE_HUB_LEARNERS", "2"))
pytestmark = pytest.mark.skipif(
    not HUB.exists() or not shutil.which(PROXY.split()[0]),
    reason="no JupyterHub: make hub, and npm install --global configurable-http-proxy",
)
ADMIN = f"""
c.JupyterHub.services.append({{"name": "test", "api_token": "{TOKEN}"}})
c.JupyterHub.load_roles = [{{"name": "test", "services": ["test"],
  "scopes": ["admin:users", "admin:servers", "admin:server_state", "access:servers"]}}]
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
        "COURSE_PROFILE": PROFILE,
    }
    environment["PATH"] = f"{HUB.parent}{os.pathsep}{environment['PATH']}"
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [HUB, "-f", config], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 180
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
        api = self.account = f"{hub}/hub/api/users/{name}"
        requests.post(api, headers=self.headers, timeout=30).raise_for_status()
        requests.post(f"{api}/server", headers=self.headers, timeout=300).raise_for_status()
        deadline = time.monotonic() + 300
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

    def server(self):
        """The process id of the learner's server."""
        reply = requests.get(self.account, headers=self.headers, timeout=30)
        return reply.json()["servers"][""]["state"]["pid"]

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
    wrap_up = "ex-1-14", "check-1-14"  # uses what all cells before it have made
    for i, cell in enumerate(notebook.cells):
        judged = {"exercise", "check"} & set(cell.metadata.get("tags", []))
        if cell.cell_type == "code" and (i <= trained or (judged and cell.id not in wrap_up)):
            learner.run(cell.source)
    pid = int(learner.run("import os; print(os.getpid())"))
    return time.monotonic() - start, pid


def test_a_class_works_at_once(hub):
    with ThreadPoolExecutor(LEARNERS) as pool:
        learners = list(pool.map(lambda i: Learner(hub, f"learner-{i}"), range(LEARNERS)))
        done = list(pool.map(work, learners))
    for learner, (seconds, pid) in zip(learners, done, strict=True):
        server = psutil.Process(learner.server())
        parts = {"kernel": [psutil.Process(pid)], "server": [server], "command": server.children()}
        mb = {part: sum(memory(p) for p in processes) for part, processes in parts.items()}
        print(f"{seconds:.0f} s; MB (PSS):", {part: round(size) for part, size in mb.items()})
        # the fewer there are, the more of what all share falls to each
        assert sum(mb.values()) < (450 if LEARNERS >= 8 else 650), "hub/README.md plans with that"


def memory(process):
    """Megabytes of a process, a page that n processes share counted as its n-th part (PSS)."""
    return process.memory_full_info().pss / 1e6
