"""What `make` does on machines of all sorts, with stand-ins for Python, uv and df on the PATH;
and, in the real environment, that `make lab` serves the course."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from helpers import doctor

COURSE = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    shutil.which("make") is None, reason="make is not installed; on Debian: apt install make"
)

# A Python of some version, which lacks one module of the standard library.
SYSTEM_PYTHON = """\
#!/bin/sh
case "$*" in
  *version_info*) echo {version} ;;
  *"import {lacks}"*) exit 1 ;;
  "-m venv .venv") mkdir -p .venv/bin && cp "$STUBS/venv-python" .venv/bin/python ;;
esac
"""
# .venv's Python: logs its calls. Installing uv makes one; other commands end as told.
VENV_PYTHON = """\
#!/bin/sh
[ "$1" = -c ] && exit
echo "python $*" >>"$LOG"
case "$*" in
  *"-r /dev/stdin"*) cat >>"$LOG"; cp "$STUBS/uv" .venv/bin/uv ;;
  *"-m pip install"*) exit ${PIP_STATUS:-0} ;;
  *"-m pytest"*) echo "$OMP_NUM_THREADS thread, $COURSE_PROFILE, strict $COURSE_STRICT"
    exit ${TEST_STATUS:-0} ;;
esac
"""
UV = """\
#!/bin/sh
echo "uv $*" >>"$LOG"
exit ${UV_STATUS:-0}
"""
DF = """\
#!/bin/sh
echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
echo "/dev/disk 99999999 1 ${FREE_KB:-50000000} 1% /"
"""
CANDIDATES = ("python3.13", "python3.12", "python3.11", "python3", "python")


class Machine:
    """A course folder with its Makefile, on a machine whose commands are stand-ins."""

    def __init__(self, root):
        self.course = root / "Mein Kurs für alle"  # make splits at spaces where it is let
        self.stubs, self.log = root / "stubs", root / "log"
        self.course.mkdir()
        self.stubs.mkdir()
        (self.course / "locks").mkdir()
        (self.course / "pyproject.toml").write_text("[project]\n")
        shutil.copy(COURSE / "Makefile", self.course)
        self.lock("requirements.txt", "torch==1.0 \\\n    --hash=sha256:0\n")
        self.lock(
            "requirements-dev.txt",
            "torch==1.0 \\\n    --hash=sha256:0\nuv==0.1 \\\n    --hash=sha256:1 \\\n"
            "    --hash=sha256:2\n    # via course\nxyz==1 \\\n    --hash=sha256:3\n",
        )
        self.command("venv-python", VENV_PYTHON)
        self.command("uv", UV)
        self.command("df", DF)
        for name in CANDIDATES:  # hides the real ones, as pyenv does
            self.command(name, "#!/bin/sh\necho 'pyenv: command not found' >&2; exit 127\n")

    def command(self, name, text):
        path = self.stubs / name
        path.write_text(text)
        path.chmod(0o755)

    def python(self, name, version, *, lacks="nothing"):
        self.command(name, SYSTEM_PYTHON.format(version=version, lacks=lacks))

    def lock(self, name, text):
        (self.course / "locks" / name).write_text(text)

    def make(self, *arguments, **environment):
        """Run make; returns its exit status, what it printed, and the calls it made."""
        self.log.write_text("")
        done = subprocess.run(
            ["make", "--no-print-directory", *arguments],
            cwd=self.course,
            env={
                "PATH": f"{self.stubs}:/usr/bin:/bin",
                "STUBS": str(self.stubs),
                "LOG": str(self.log),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, self.log.read_text()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def ready(machine):
    """A machine whose environment is installed, maintainers' tools included."""
    machine.python("python3", "3.12")
    assert machine.make("dev")[0] == 0
    return machine


def test_help_lists_every_target(machine):
    status, printed, _ = machine.make()
    makefile = (COURSE / "Makefile").read_text()
    targets = re.search(r"\.PHONY: (.*)", makefile).group(1).split()
    assert status == 0 and re.findall(r"make (\w+)\t", printed) == targets


@pytest.mark.parametrize("version", ["3.10", "3.14", "2.7"])
def test_unsupported_python_is_refused_in_one_line(machine, version):
    machine.python("python3", version)
    status, printed, calls = machine.make("env")
    message, error = printed.splitlines()
    assert status != 0 and calls == "" and error.startswith("make: ***")
    assert "needs Python 3.11, 3.12 or 3.13." in message
    assert f"python3 is {version}." in message and "PYTHON=" in message


def test_no_python_at_all(machine):
    status, printed, _ = machine.make("env")
    assert status != 0 and "None was found." in printed and "pyenv" not in printed


def test_python_without_venv_is_explained(machine):
    machine.python("python3", "3.11", lacks="ensurepip")
    status, printed, _ = machine.make("env")
    assert status != 0 and "apt install python3.11-venv" in printed


@pytest.mark.parametrize("module", [*doctor.STANDARD])
def test_python_that_was_built_without_a_library_is_explained(machine, module):
    machine.python("python3.13", "3.13", lacks=module)
    status, printed, _ = machine.make("env")
    assert status != 0 and f"python3.13 is 3.13 but lacks {module}. It was built without" in printed
    assert "apt install" not in printed and "PYTHON=" in printed
    machine.python("python3", "3.12")
    assert machine.make("env")[0] == 0


def test_first_python_that_can_make_a_venv_is_taken(machine):
    machine.python("python3.13", "3.13", lacks="ensurepip")
    machine.python("python3", "3.12")
    status, printed, _ = machine.make("env")
    assert status == 0 and "Creating .venv with python3 (Python 3.12)." in printed


def test_python_can_be_named(machine):
    machine.python("python3", "3.12")
    machine.python("mine", "3.11")
    assert "with mine (Python 3.11)" in machine.make("env", "PYTHON=mine")[1]


def test_uv_comes_from_the_lock_and_installs_the_lock_with_hashes(machine):
    machine.python("python3", "3.12")
    status, printed, calls = machine.make("env")
    assert status == 0 and "GB to download" in printed
    assert "uv==0.1 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n" in calls
    assert "xyz" not in calls and calls.count("--require-hashes") == 2
    install = "uv pip install --compile-bytecode --python .venv/bin/python"
    assert f"{install} --require-hashes -r locks/requirements.txt" in calls


def test_installs_again_only_when_the_lock_changes(ready):
    lock = ready.course / "locks/requirements.txt"
    assert ready.make("env")[2] == ""
    os.utime(lock)  # as a fresh checkout does
    assert ready.make("env")[2] == ""
    lock.write_text(lock.read_text().replace("1.0", "1.1"))
    status, printed, calls = ready.make("dev")
    assert status == 0 and calls.count("uv pip install") == 1
    assert "GB to download" not in printed
    assert ready.make("dev")[2] == ""


def test_learners_do_not_get_the_maintainers_tools(machine):
    machine.python("python3", "3.12")
    assert "requirements-dev.txt" not in machine.make("lab")[2]


def test_course_is_installed_editable_without_the_network(machine):
    machine.python("python3", "3.12")
    last = machine.make("env")[2].splitlines()[-1]
    assert last.startswith("python -m pip install ") and last.endswith("--editable .")
    assert {"--no-index", "--no-deps", "--no-build-isolation"} <= set(last.split())
    (machine.course / "pyproject.toml").write_text("[project]\nversion = 2\n")
    assert machine.make("env")[2].splitlines() == [last]
    moved = machine.course.with_name("elsewhere")
    machine.course = machine.course.rename(moved)
    assert machine.make("env")[2].splitlines() == [last]
    assert machine.make("env")[2] == ""


@pytest.mark.skipif(sys.platform != "linux", reason="TORCH=cpu is for Linux")
class TestCPU:
    @pytest.fixture
    def machine(self, machine):
        machine.python("python3", "3.12")
        blocks = "numpy==2.0|torch==1.0|torchvision==0.1|triton==3|nvidia-nccl-cu13==2|cuda-x==1"
        text = "".join(f"{b} \\\n    --hash=sha256:0\n    # via x\n" for b in blocks.split("|"))
        machine.lock("requirements.txt", text)
        dev = (machine.course / "locks/requirements-dev.txt").read_text()
        machine.lock("requirements-dev.txt", dev + "nvidia-nccl-cu13==2 \\\n    --hash=sha256:0\n")
        return machine

    def test_torch_is_the_cpu_build_and_the_rest_is_hashed(self, machine):
        status, printed, calls = machine.make("env", "TORCH=cpu")
        assert status == 0 and "About 1 GB to download and 2 GB on disk" in printed
        installs = [line for line in calls.splitlines() if line.startswith("uv pip install")]
        python = "uv pip install --compile-bytecode --python .venv/bin/python"
        assert installs == [
            f"{python} --require-hashes -r .venv/without-torch.txt",
            f"{python} --torch-backend cpu torch==1.0 torchvision==0.1",
        ]
        rest = (machine.course / ".venv/without-torch.txt").read_text()
        assert rest == "numpy==2.0 \\\n    --hash=sha256:0\n    # via x\n"

    def test_the_choice_is_remembered(self, machine):
        machine.make("env", "TORCH=cpu")
        assert machine.make("env")[2] == ""
        calls = machine.make("dev")[2]
        assert "--torch-backend cpu" in calls and "requirements-dev.txt" not in calls
        assert "nvidia" not in (machine.course / ".venv/without-torch.txt").read_text()

    def test_a_small_disk_will_do(self, machine):
        assert machine.make("env", FREE_KB="3000000")[0] != 0
        assert machine.make("env", "TORCH=cpu", FREE_KB="3000000")[0] == 0

    def test_another_word_is_refused(self, machine):
        status, printed, calls = machine.make("env", "TORCH=gpu")
        assert status != 0 and "TORCH=gpu" in printed and calls == ""

    def test_failure_is_explained_and_nothing_remembered(self, machine):
        status, printed, calls = machine.make("env", "TORCH=cpu", UV_STATUS="2")
        assert status != 0 and "The installation failed" in printed
        assert (
            "python -m pip install --disable-pip-version-check --require-hashes -r locks"
            not in calls
        )
        assert not (machine.course / ".venv/torch").exists()


def test_pip_steps_in_for_uv(machine):
    machine.python("python3", "3.12")
    status, _, calls = machine.make("env", UV_STATUS="2")
    assert status == 0
    assert (
        "pip install --disable-pip-version-check --require-hashes -r locks/requirements.txt"
        in calls
    )
    assert machine.make("env")[2] == ""


def test_failed_installation_is_explained_and_taken_up_again(machine):
    machine.python("python3", "3.12")
    status, printed, _ = machine.make("lab", UV_STATUS="2", PIP_STATUS="1")
    assert status != 0 and "The installation failed" in printed and "conda" in printed
    assert "Starting JupyterLab" not in printed
    status, printed, calls = machine.make("env")
    assert status == 0 and "uv pip install" in calls and "Creating" not in printed


def test_broken_venv_is_made_anew(ready):
    python = ready.course / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/no/such/python")  # what a system upgrade leaves
    status, printed, calls = ready.make("env")
    assert status == 0 and "Creating .venv" in printed and "uv pip install" in calls


def test_full_disk_is_seen_before_the_download(machine):
    machine.python("python3", "3.12")
    status, printed, calls = machine.make("env", FREE_KB="1234567")
    needed = "7 GB" if sys.platform == "linux" else "2 GB"
    assert status != 0 and f"needs {needed} of disk space" in printed and "1.2 GB" in printed
    assert "uv pip install" not in calls


def test_lab_is_local_and_opens_no_browser_without_a_screen(ready):
    status, _, calls = ready.make("lab", "PORT=9000")
    assert status == 0
    assert "--ServerApp.ip=127.0.0.1" in calls and "--ServerApp.port=9000" in calls
    assert "--LabApp.default_url=/lab/tree/notebooks/README.md" in calls
    assert ("--no-browser" in calls) == (sys.platform != "darwin")
    assert "--no-browser" not in ready.make("lab", DISPLAY=":0")[2]


def test_notebooks_are_tested_by_nbval_beside_the_library(ready):
    """Its cells need one worker a notebook (loadfile)."""
    (ready.course / "solutions").mkdir()
    (ready.course / "solutions/01.ipynb").touch()
    status, printed, calls = ready.make("test")
    all_others, alone = (line for line in calls.splitlines() if "pytest" in line)
    assert status == 0 and all_others.endswith(" tests solutions/01.ipynb")
    assert "--dist loadfile" in all_others and "--nbval-lax" in all_others
    assert "-m not alone" in all_others and alone.endswith(" -m alone tests/browser")
    assert printed.count("1 thread, smoke, strict 1") == 2  # a failed check fails its notebook
    status, printed, _ = ready.make("test", "PROFILE=quick", TEST_STATUS="1")
    assert status != 0 and "quick" in printed


def test_site_has_an_environment_of_its_own(ready):
    ready.lock("requirements-site.txt", "jupyter-book==1 \\\n    --hash=sha256:0\n")
    book = ready.course / ".venv-site/bin/jupyter-book"
    book.parent.mkdir(parents=True)
    book.write_text('#!/bin/sh\necho "book $*" >>"$LOG"\n')
    book.chmod(0o755)
    status, _, calls = ready.make("site")
    assert status == 0 and "--path-output _site" in calls and "dev" not in calls
    assert "uv venv" in calls and "--require-hashes -r locks/requirements-site.txt" in calls
    calls = ready.make("site")[2]
    assert "uv" not in calls and "book build" in calls


def test_arguments_reach_the_command(ready):
    assert (
        "-m helpers.authoring 01 --no-execute"
        in ready.make("build", "MODULE=01", "ARGS=--no-execute")[2]
    )
    assert "-m data_scripts.prepare mnist\n" in ready.make("data", "ARGS=mnist")[2]
    assert "-m data_scripts.kit kit\n" in ready.make("kit")[2]
    chosen = ready.make("kit", "DIR=a stick", "PLATFORMS=linux macos", "ARGS=--pythons 3.12")[2]
    assert "-m data_scripts.kit a stick --platforms linux macos --pythons 3.12\n" in chosen


def test_lock_names_its_files_and_no_index(ready):
    calls = ready.make("lock", "ARGS=--upgrade")[2].splitlines()
    assert len(calls) == 5 and all("--upgrade" in c and "--no-emit-index-url" in c for c in calls)
    assert "--extra dev --constraints locks/requirements.txt" in calls[1]
    assert all("--group build" in c for c in calls[:2])
    groups = [call.partition("--group ")[2].split()[0] for call in calls]
    assert groups == ["build", "build", "site", "nbgrader", "hub"]
    names = [call.partition("--output-file ")[2] for call in calls]
    assert names == [
        f"locks/requirements{kind}.txt" for kind in ("", "-dev", "-site", "-nbgrader", "-hub")
    ]


def test_clean_keeps_data_and_notebooks(ready):
    kept = [ready.course / "data/mnist/images.npy", ready.course / "notebooks/01.ipynb"]
    for path in kept:
        path.parent.mkdir(parents=True)
        path.write_text("work")
    (ready.course / "helpers/__pycache__").mkdir(parents=True)
    assert ready.make("clean")[0] == 0
    assert not (ready.course / ".venv").exists()
    assert not (ready.course / "helpers/__pycache__").exists()
    assert all(path.exists() for path in kept)


def wait_until_served(port):
    """JupyterLab prints its address a moment before it listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.2)


@pytest.mark.skipif(
    Path(sys.prefix) != COURSE / ".venv", reason="needs the course's own .venv: run `make test`"
)
def test_lab_serves_the_course(tmp_path):
    """A request to the printed URL answers; without its token, or from outside, none does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("DISPLAY", None)
    server = subprocess.Popen(
        ["make", "lab", f"PORT={port}"],
        cwd=COURSE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        lines = iter(server.stdout.readline, "")
        url = next(m.group() for line in lines if (m := re.search(r"http://\S+token=\w+", line)))
        assert f"127.0.0.1:{port}/lab/tree/notebooks/README.md" in url
        wait_until_served(port)
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.status == 200 and b"<title>JupyterLab</title>" in answer.read()
        contents = f"http://127.0.0.1:{port}/api/contents/notebooks"
        with urllib.request.urlopen(f"{contents}?token={url.partition('token=')[2]}") as answer:
            assert b"README.md" in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(contents, timeout=30)
        listening = []
        for process in psutil.Process(server.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # some last a moment only
                listening += [c for c in process.net_connections() if c.status == "LISTEN"]
        assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def test_the_server_takes_the_picture_of_a_phone_and_a_scan_of_16_bits():
    """200 MB in one message, a third more where it is sent as base64."""
    code = "from jupyter_server.serverapp import ServerApp as S; a = S(); a.load_config_file(); "
    code += "print(a.tornado_settings['websocket_max_message_size'])"
    command = (COURSE / "Makefile").read_text().partition("\nlab:")[2].partition("\n\n")[0]
    assert 'JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter$$' in command
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"JUPYTER_CONFIG_PATH": str(COURSE / ".jupyter")},
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) >= 200e6 * 4 / 3, done.stderr
