"""Where the course lies on this machine, where it may write, and how it is called.

Rests on the standard library alone.
"""

import difflib
import os
import sys
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
SHIPPED = HERE / "_results"  # pyproject.toml puts the tables there in a wheel
FROM_WHEEL = SHIPPED.is_dir()
# A wheel has no course folder around it; what it has to keep lies where a clone would.
COURSE = Path(os.path.expanduser("~/anomaly-course")) if FROM_WHEEL else HERE.parent
RESULTS = SHIPPED if FROM_WHEEL else COURSE / "solutions" / "results"
SETTINGS = (
    "COURSE_DATA",
    "COURSE_DEVICE",
    "COURSE_MIRROR",
    "COURSE_PROFILE",
    "COURSE_SOURCE",
    "COURSE_STRICT",
)


def setting(name):
    """The value of a setting, "" where there is none. Windows' `set NAME="..."` keeps quotes."""
    return os.environ.get(name, "").strip().strip("\"'").strip()


def misspelt_settings():
    """{name of a variable that means nothing: the setting that it nearly is}."""
    others = [name for name in os.environ if "COURSE" in name and name not in SETTINGS]
    near = {name: difflib.get_close_matches(name.upper(), SETTINGS, 1, 0.85) for name in others}
    return {name: found[0] for name, found in near.items() if found}


def course_mirror():
    """The classroom mirror that COURSE_MIRROR names: an address (str), a folder, or None.

    ValueError, in words, where it is neither: passed over, it would send a class to the authors'.
    """
    where = setting("COURSE_MIRROR")
    if "://" in where:
        try:
            address = urlsplit(where)
            address.port  # noqa: B018 - raises where it is no number
            if address.scheme in ("http", "https") and address.hostname:
                return where.rstrip("/")
        except ValueError:
            pass
        raise ValueError(f"COURSE_MIRROR is {where!r}, which is no http:// or https:// address")
    folder = _folder(where)
    if where and not os.path.isdir(folder):
        raise ValueError(f"COURSE_MIRROR is {where!r}: no such folder, and no http:// address")
    return folder if where else None


def course_data():
    """The folder of prepared files: COURSE_DATA, else data/ in the course folder."""
    return _folder(setting("COURSE_DATA") or "data")


def _folder(text):
    """A folder that a setting names. A relative one lies in the course folder: a notebook's current
    folder is another than that of a command."""
    return COURSE / os.path.expandvars(os.path.expanduser(text))


@cache
def output_folder(wanted):
    """A folder for what a notebook writes: `wanted`, or where it takes no file, one of the user's.

    It is written to on trial, since rights, quotas and read-only disks show only so.
    """
    for folder in (wanted, Path(os.path.expanduser("~/anomaly-course/outputs"))):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(2**20))  # more than a table: a full disk takes an empty file
                file.flush()
            return folder
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="anomaly-course-"))


def output_path(name):
    """Where a notebook may write the file `name`: beside itself, or in a place that is said."""
    folder = output_folder(Path.cwd())
    if folder != Path.cwd():
        print(f"{name} goes to {folder}, since {Path.cwd()} cannot be written.")
        return folder / name
    return Path(name)


def command(module, *arguments):
    """What runs a module of the course, where the reader is: in a cell, or in any terminal folder.

    A cell's works in each folder, environment and shell, and names no folder of this machine.
    """
    line = " ".join(["-m", module, *arguments])
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        return f"%run {line}"
    program = sys.executable or "python"
    if " " in program:  # PowerShell takes a quoted program only after an ampersand
        program = f'& "{program}"' if os.name == "nt" else f'"{program}"'
    return f"{program} {line}" if is_installed() else f'cd "{COURSE}"; {program} {line}'


@cache
def is_installed():
    """Whether this Python finds the course from any folder."""
    try:
        return bool(metadata.distribution("anomaly-course"))
    except metadata.PackageNotFoundError:
        return False
