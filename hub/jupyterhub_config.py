"""A hub for a class on one machine: jupyterhub -f hub/jupyterhub_config.py, from the course folder.

As it stands it is for a rehearsal: local processes, no passwords, this computer only. README.md in
this folder says what a real class needs.

Environment: HUB_PORT, and HUB_PROXY, the command of configurable-http-proxy.
"""

import json
import os
import shlex
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
PORT = int(os.environ.get("HUB_PORT", "8000"))
c = get_config()  # noqa: F821 (JupyterHub defines it)

c.JupyterHub.bind_url = f"http://127.0.0.1:{PORT}"
c.JupyterHub.hub_port = PORT + 1
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{PORT + 2}"
c.ConfigurableHTTPProxy.command = shlex.split(
    os.environ.get("HUB_PROXY", "configurable-http-proxy")
)
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(Path.cwd() / "learners" / "{username}")

# The servers run in the hub's environment, the kernels in the course's: as forks of one process,
# which shares out the memory of what all of them import (forked_kernels.py).
KERNELS = Path.cwd() / "jupyter" / "kernels" / "python3"
KERNELS.mkdir(parents=True, exist_ok=True)
FORKED, SOCKET = str(Path(__file__).with_name("forked_kernels.py")), str(Path.cwd() / "kernels")
PYTHON = str(COURSE / ".venv/bin/python")
SPEC = {
    "argv": [PYTHON, "-I", "-S", FORKED, "start", SOCKET, "-f", "{connection_file}"],
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
    "interrupt_mode": "message",  # a signal would reach the command and not the kernel
}
(KERNELS / "kernel.json").write_text(json.dumps(SPEC), encoding="utf-8")
c.JupyterHub.services = [
    {
        "name": "kernels",
        "command": [PYTHON, FORKED, "serve", SOCKET],
        "environment": {"OMP_NUM_THREADS": "1"},  # read when torch is imported
    }
]

# Each learner gets the notebooks as files of their own; helpers, data and samples are shared.
c.Spawner.default_url = "/lab/tree/notebooks/README.md"
c.Spawner.environment = {
    "JUPYTER_PATH": str(Path.cwd() / "jupyter"),
    "COURSE_DATA": os.environ.get("COURSE_DATA", str(COURSE / "data")),
    "COURSE_PROFILE": "quick",  # also where a server finds a GPU
    # a class shares the processors: one thread a learner trains as fast and disturbs less
    "OMP_NUM_THREADS": "1",
}
