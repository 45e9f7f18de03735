"""What is wrong with this machine, and what to do about it: python -m helpers.doctor

Exit status 1 if something is broken. Rests on the standard library; what else it needs it imports
where it looks, so that it works in a broken environment. The table of docs/troubleshooting.md is
made from CHECKS.
"""

import importlib
import importlib.util
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from helpers import places

PYTHONS = ((3, 11), (3, 12), (3, 13))
STANDARD = "ssl", "zlib", "bz2", "lzma", "ctypes", "sqlite3"  # not in every Python that was built
PORT = 8888
GB = 1e9
MANAGER = "@jupyter-widgets/jupyterlab-manager"
ANEW = "`make clean`, then `make lab`; with conda `conda env remove -n anomaly-course`, then create"


class Check(NamedTuple):
    """`look` returns (state, what it found); the states are ok, note (it works) and broken."""

    name: str
    symptom: str
    remedy: str
    look: Callable[[], tuple[str, str]]


CHECKS = []


def check(name, symptom, remedy):
    """Put the decorated function, which looks, on the list of checks."""

    def register(look):
        CHECKS.append(Check(name, symptom, remedy, look))
        return look

    return register


@check(
    "Python",
    "The installation fails with `SyntaxError`, or a module is missing that belongs to Python: "
    "`No module named '_lzma'`, `'_ctypes'` or `'_sqlite3'`",
    "Install Python 3.11, 3.12 or 3.13. Then give `make clean` and "
    "`make env PYTHON=/path/to/python3.12`. If a module of Python is missing, your Python was "
    "built without a library: with pyenv, install the headers of xz, libffi and SQLite, and build "
    "it again",
)
def python():
    found = f"{platform.python_version()}, {sys.executable}"
    lacks = [name for name in STANDARD if not can_import(name)]
    if lacks:
        return "broken", f"{found} lacks {', '.join(lacks)}"
    return "ok" if sys.version_info[:2] in PYTHONS else "broken", found


def can_import(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


@check(
    "Environment",
    "`ModuleNotFoundError`, although everything has been installed",
    "Start the course with its own Python: `make lab`, or `.venv/bin/python` in place of `python`",
)
def environment():
    own = places.COURSE / ".venv"
    if own.exists() and not os.path.samefile(own, sys.prefix):
        return "note", f"this is not the Python of the course's .venv, but that of {sys.prefix}"
    return "ok", sys.prefix


@check(
    "Packages",
    "`ModuleNotFoundError: No module named ...`",
    "Give `make env` (conda: `conda env update -f environment.yml`). Then restart the kernel",
)
def installed():
    from importlib.metadata import PackageNotFoundError, version

    from helpers.packages import numbers, packages

    wrong = []
    for package in packages():
        try:
            if numbers(version(package.name)) < numbers(package.minimum):
                have = version(package.name)
                wrong.append(f"{package.name} is {have}, older than {package.minimum}")
        except PackageNotFoundError:
            wrong.append(f"{package.name} is missing")
    return ("broken", "; ".join(wrong)) if wrong else ("ok", f"{len(packages())} packages")


@check(
    "Course",
    "`ModuleNotFoundError: No course above ...` or `No module named 'helpers'`, after the notebook "
    "was copied or opened elsewhere",
    "Open the notebook inside the course folder. Or install the course for the Python of the "
    "notebook's kernel: in the course folder give `.venv/bin/python -m pip install -e .` (conda: "
    "`python -m pip install -e .`)",
)
def course():
    if places.is_installed():
        return "ok", "this Python finds it from any folder"
    return "note", f"this Python finds it in {places.COURSE} and below, not from other folders"


@check(
    "Imports",
    "`ImportError`, `undefined symbol` or `DLL load failed`, although the package is installed",
    f"Build the environment again: {ANEW} it again. On Windows, torch also needs the Microsoft "
    "Visual C++ runtime",
)
def importable():
    from helpers.packages import packages

    wrong = []
    for package in packages():
        try:
            if not package.is_missing:
                importlib.import_module(package.import_name)
        except Exception as error:  # whatever a broken package raises
            wrong.append(f"import {package.import_name}: {type(error).__name__}: {error}")
    return ("broken", "; ".join(wrong)) if wrong else ("ok", "what is installed can be imported")


@check(
    "Names",
    "`AttributeError: partially initialized module`, or a library lacks a function that it should "
    "have",
    "A file of yours beside the notebooks has the name of a library, so Python imports your file. "
    "Rename it",
)
def shadowed():
    from helpers.packages import packages

    theirs = {"helpers", *(package.import_name for package in packages())}
    theirs |= set(sys.stdlib_module_names)
    files = [p for p in notebooks().glob("*") if p.suffix in ("", ".py")]
    wrong = {p for p in files if p.name.partition(".")[0] in theirs} | namesakes()
    if wrong:
        return "broken", ", ".join(sorted(map(str, wrong)))
    return "ok", "no file beside the notebooks has the name of a library"


def namesakes():
    """Files that `import helpers` finds before the course's package, from wherever a notebook lies.

    The course may be on the path twice: in front, as the current folder, and where it is installed.
    Whatever stands before the latter is found by a notebook in another folder.
    """
    ours = Path(__file__).resolve().parent
    homes = [Path(folder).resolve() / "helpers" for folder in sys.path]
    installed = max((i for i, home in enumerate(homes) if home.resolve() == ours), default=0)
    others = [home for home in homes[:installed] if home.resolve() != ours]
    files = [file for home in others for file in (home.with_suffix(".py"), home / "__init__.py")]
    return {file for file in files if file.exists()}


@check(
    "Device",
    "`preflight` says cpu although the machine has a GPU, or a cell stops with `CUDA error`, "
    "`no kernel image` or `out of memory`",
    "Update the NVIDIA driver. If torch was installed for the CPU only (`make lab TORCH=cpu`), "
    "give `make clean`, then `make lab`. If the GPU is too old for torch, or other programs fill "
    "it, set `COURSE_DEVICE=cpu`: the course then leaves it alone",
)
def device():
    import torch

    from helpers import runtime

    chosen = runtime.device()
    if why := runtime.why_not_the_gpu():
        return "note", f"cpu, since torch cannot use the GPU: {why}"
    if chosen.type == "cuda":
        return "ok", f"cuda, {torch.cuda.get_device_name()}"
    if chosen.type == "mps":
        return "ok", "mps (Apple)"
    if places.setting("COURSE_DEVICE"):
        return "ok", "cpu, as COURSE_DEVICE says"
    if (
        shutil.which("nvidia-smi")
        and not subprocess.run(["nvidia-smi"], capture_output=True).returncode
    ):
        return "note", f"cpu, though there is an NVIDIA GPU; torch is {torch.__version__}"
    return "ok", "cpu: no GPU found, and none needed"


@check(
    "Threads",
    "Training is several times slower than `preflight` says",
    "Stop other running notebooks. Unset `OMP_NUM_THREADS`: the course finds out by itself how "
    "many cores it may use",
)
def threads():
    import joblib

    cores, wanted = joblib.cpu_count(), os.environ.get("OMP_NUM_THREADS")
    if wanted and not wanted.isdigit():
        return "note", f"OMP_NUM_THREADS is {wanted!r}, which is no number"
    if wanted and int(wanted) > cores:
        return "note", f"OMP_NUM_THREADS is {wanted}, and this process may use {cores} cores"
    return "ok", f"{cores} cores for this process"


@check(
    "Memory",
    "The kernel dies and restarts",
    "The memory is full. In JupyterLab choose Kernel, Shut Down All Kernels; close other programs; "
    "work in one notebook at a time",
)
def memory():
    import psutil

    free = psutil.virtual_memory().available
    return "ok" if free > 1.5 * GB else "broken", f"{free / GB:.1f} GB free"


def notebooks():
    """Where the learner works: a wheel brings no notebooks, so they lie where this is run."""
    return Path.cwd() if places.FROM_WHEEL else places.COURSE / "notebooks"


def existing(path):
    """The path, or the nearest folder above it that is there."""
    # os.path: what may not be read counts as not there; a drive of Windows may be missing whole
    return next((p for p in (path, *path.parents) if os.path.exists(p)), Path.cwd())


@check(
    "Disk",
    "`No space left on device`",
    "Delete what you do not need, or set `COURSE_DATA` to a folder on another disk",
)
def disk():
    folders = (notebooks(), places.course_data())
    free = {str(p): shutil.disk_usage(existing(p)).free for p in folders}
    found = ", ".join(f"{size / GB:.1f} GB free for {path}" for path, size in free.items())
    return "ok" if min(free.values()) > 1 * GB else "broken", found


@check(
    "Folder",
    "`Permission denied`, or your work and progress are not saved",
    "Copy the course to a folder in which you may write, or make this folder yours. For the data, "
    "`COURSE_DATA` may name another folder",
)
def writable():
    for folder in (notebooks(), existing(places.course_data())):
        try:
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            return "broken", f"{folder}: {error.strerror}"
    return "ok", "notebooks and data can be written"


@check(
    "Settings",
    "`ValueError: COURSE_PROFILE is ...` or `COURSE_DEVICE is ...`, or the notebook stops at a "
    "check that failed",
    "Unset the variables: `unset COURSE_PROFILE COURSE_SOURCE COURSE_DEVICE COURSE_STRICT` "
    "(PowerShell: `Remove-Item Env:COURSE_PROFILE`). Then start JupyterLab again",
)
def settings():
    allowed = {
        "COURSE_PROFILE": ("quick", "full", "smoke"),
        "COURSE_SOURCE": ("auto", "real", "sample"),
        "COURSE_DEVICE": ("cpu", "cuda", "mps"),
    }
    for name, values in allowed.items():
        value = places.setting(name).lower()
        if value and value not in values:
            return "broken", f"{name} is {value!r}, not one of {', '.join(values)}"
    if odd := places.misspelt_settings():
        return "broken", "; ".join(f"{o} is no setting, {right} is" for o, right in odd.items())
    if os.environ.get("COURSE_STRICT") == "1":
        return "note", "COURSE_STRICT is 1: the first failed check stops the notebook"
    return "ok", ", ".join(f"{n}={os.environ[n]}" for n in allowed if n in os.environ) or "none set"


@check(
    "Data",
    "`DataError`: the prepared files are damaged, or the real data are not there",
    "Move the folder that the message names to another place, then give `make data`. To work with "
    "the offline sample: `export COURSE_SOURCE=sample` (PowerShell: "
    '`$env:COURSE_SOURCE = "sample"`). If `COURSE_DATA` names a disk, see that it is connected',
)
def data():
    folder, good, bad = places.course_data(), [], []
    if not os.path.isdir(folder) and places.setting("COURSE_DATA"):
        return "note", f"COURSE_DATA names {folder}, and there is no such folder yet"
    try:
        os.listdir(folder)
    except FileNotFoundError:
        pass  # data/, before the first set is prepared
    except OSError as error:
        return "broken", f"{folder}: {error.strerror}"
    for manifest in sorted(folder.glob("[!.]*/manifest.json")):
        name = manifest.parent.name
        try:
            facts = json.loads(manifest.read_text(encoding="utf-8"))
            for file, wanted in facts["files"].items():
                if (manifest.parent / file).stat().st_size != wanted["bytes"]:
                    raise ValueError(f"{file} is incomplete")
            right = f"{facts.get('name')}-{facts.get('size')}"
            good.append(name if right == name else f"{name} (found only when called {right})")
        except PermissionError as error:
            bad.append(f"{name} ({error.strerror})")
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            bad.append(f"{name} (damaged)")
    if bad:
        return "broken", f"in {folder}: {', '.join(bad)}"
    if good:
        return "ok", f"real data in {folder}: {', '.join(good)}"
    if places.setting("COURSE_SOURCE") == "real":
        return "broken", f"COURSE_SOURCE is real, and {folder} holds none"
    return "ok", "offline samples; for the real data: make data"


@check(
    "Mirror",
    "`DataError`: the classroom mirror does not answer",
    "Ask the instructor for the address, which begins with `http://`. If the data are on a stick, "
    "plug it in. To do without the mirror: `unset COURSE_MIRROR` (PowerShell: "
    "`Remove-Item Env:COURSE_MIRROR`)",
)
def mirror():
    try:
        where = places.course_mirror()
    except ValueError as error:
        return "broken", str(error)
    if not isinstance(where, str):
        return "ok", str(where or "none set")
    try:
        urllib.request.urlopen(where, timeout=5).close()
    except urllib.error.HTTPError:
        pass  # it answers
    except (OSError, ValueError) as error:
        return "broken", f"{where}: {error}"
    return "ok", where


@check(
    "Proxy",
    "`DataError` names a proxy or a certificate, or the mirror is running and cannot be reached",
    "For a mirror in your own network: `export NO_PROXY=ADDRESS` (PowerShell: "
    '`$env:NO_PROXY = "ADDRESS"`). For a SOCKS proxy: `pip install pysocks`. If the proxy of your '
    "institution decrypts connections, set `REQUESTS_CA_BUNDLE` to its certificate file",
)
def proxy():
    proxies = urllib.request.getproxies()  # of the variables, and of Windows' and macOS's settings
    found = ", ".join(
        f"{scheme} through {re.sub('//.*@', '//', where)}"  # without name and password
        for scheme, where in sorted(proxies.items())
        if scheme != "no"
    )
    bundle = os.environ.get("REQUESTS_CA_BUNDLE", "")
    if bundle and not os.path.exists(bundle):
        return "broken", f"REQUESTS_CA_BUNDLE is {bundle}, which is not there"
    socks = any(where.startswith("socks") for where in proxies.values())
    if socks and importlib.util.find_spec("socks") is None:
        return "broken", f"{found}, and pysocks is missing"
    return "ok", f"{found}; not for {proxies.get('no') or 'any address'}" if found else "none set"


@check(
    "Port",
    "JupyterLab opens on another port than 8888, or shows another person's files",
    "Open the address that `make lab` printed, or choose a port: `make lab PORT=8890`",
)
def port():
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)):
            return "ok", f"{PORT} is free"
    return "note", f"{PORT} is in use, perhaps by another JupyterLab"


@check(
    "Widgets",
    '`interactive(children=...)` or "Error displaying widget" in place of sliders',
    f"Give `jupyter labextension enable {MANAGER}`. If it is not there, give `pip install "
    "--force-reinstall jupyterlab_widgets`. Then reload the page",
)
def widgets():
    from jupyter_core.paths import jupyter_config_path, jupyter_path

    if not any(
        (Path(p) / MANAGER / "package.json").is_file() for p in jupyter_path("labextensions")
    ):
        return "broken", f"JupyterLab has no {MANAGER}"
    for folder in jupyter_config_path():
        page = Path(folder) / "labconfig" / "page_config.json"
        if page.is_file():
            disabled = json.loads(page.read_text(encoding="utf-8")).get("disabledExtensions", {})
            if disabled.get(MANAGER):
                return "broken", f"disabled in {page}"
    return "ok", "enabled"


@check(
    "Kernel",
    "The notebook runs in another Python than the one that `make env` set up",
    "Delete the folder that the program names (`jupyter kernelspec remove python3`). Then restart "
    "JupyterLab",
)
def kernel():
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("kernels"):
        spec = Path(folder) / "python3" / "kernel.json"
        if spec.is_file():
            program = Path(json.loads(spec.read_text(encoding="utf-8"))["argv"][0])
            ours = not program.is_absolute() or program.parent == Path(sys.executable).parent
            return "ok" if ours else "broken", f"{spec.parent} starts {program}"
    return "ok", "of this Python"


@check(
    "Clock",
    "`CERTIFICATE_VERIFY_FAILED` at every download",
    "The clock of the computer is wrong. Set it",
)
def clock():
    """A clock before the day on which this Python was built is wrong."""
    built = platform.python_build()[1]
    try:
        wrong = time.time() < time.mktime(time.strptime(built[:11], "%b %d %Y"))
    except ValueError:
        wrong = False
    return "broken" if wrong else "ok", time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time()))


def diagnose():
    """Yields (check, state, what it found) of each check."""
    for check in CHECKS:
        try:
            yield (check, *check.look())
        except Exception as error:  # one look that fails must not hide the others
            yield check, "unknown", f"could not look: {type(error).__name__}: {error}"


def table():
    """The table of docs/troubleshooting.md."""
    rows = ["| what you see | what to do |", "|---|---|"]
    return "\n".join([*rows, *(f"| {check.symptom} | {check.remedy} |" for check in CHECKS)])


def main():
    states = []
    for check, state, found in diagnose():
        states.append(state)
        print(f"{state:7}  {check.name:11}  {found}", flush=True)
        if state in ("note", "broken"):
            print(f"{'->':>20}  {check.remedy}")
    if "broken" in states:
        sys.exit(f"\n{states.count('broken')} broken: do what the arrows say, then run it again.")
    print("\nNothing is broken.")


if __name__ == "__main__":
    main()
