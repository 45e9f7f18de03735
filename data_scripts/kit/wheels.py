"""Which packages of the lock a platform needs, and their wheels."""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import parse_wheel_filename

# PyTorch's CPU build on Linux needs none of these.
CUDA = re.compile(r"triton|(nvidia|cuda)-.*")
TORCH = {"torch", "torchvision"}


class KitError(RuntimeError):
    """A kit cannot be made: the message says why, in words."""


@dataclass(frozen=True)
class Platform:
    """An operating system and processor: its tags of wheels, and what its markers are."""

    tags: tuple[str, ...]
    markers: dict

    def environment(self, python):
        """The markers' variables, for a Python such as "3.12.0"."""
        minor = ".".join(python.split(".")[:2])
        implementation = {"implementation_name": "cpython"}
        implementation |= {"platform_python_implementation": "CPython"}
        versions = {"python_version": minor, "python_full_version": python}
        return implementation | versions | self.markers


def _platform(tags, sys_platform, system, machine):
    os_name = "nt" if sys_platform == "win32" else "posix"
    markers = {"sys_platform": sys_platform, "platform_system": system, "os_name": os_name}
    return Platform(tuple(tags), markers | {"platform_machine": machine})


def _linux(machine):
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1)]  # glibc, from 2018 on
    tags += [f"manylinux{year}_{machine}" for year in (2014, 2010, 1)]
    return _platform(tags, "linux", "Linux", machine)


PLATFORMS = {
    "linux": _linux("x86_64"),
    "linux-arm": _linux("aarch64"),
    "macos": _platform(["macosx_14_0_arm64"], "darwin", "Darwin", "arm64"),
    "windows": _platform(["win_amd64"], "win32", "Windows", "AMD64"),
}
PYTHONS = ("3.11", "3.12", "3.13")


@dataclass(frozen=True)
class Pin:
    """An entry of the lock. text : as it stands there, with marker and hashes"""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def text(self):
        marker = f" ; {self.marker}" if self.marker else ""
        hashes = "".join(f" \\\n    --hash={value}" for value in self.hashes)
        return f"{self.name}=={self.version}{marker}{hashes}"

    def is_for(self, platform, python):
        return not self.marker or Marker(self.marker).evaluate(platform.environment(python))


def pins(lock):
    """The entries of a lock's text."""
    found = []
    for entry in re.findall(r"^[a-z0-9].*", lock.replace("\\\n", ""), re.MULTILINE | re.IGNORECASE):
        head, *hashes = entry.split("--hash=")
        requirement, _, marker = head.partition(";")
        name, _, version = requirement.strip().partition("==")
        found.append(Pin(name, version, marker.strip(), tuple(h.strip() for h in hashes)))
    return found


def needed(lock, platform, python):
    """[pins]: what a Python such as "3.12" needs on a platform, one list for each pip call.

    A marker may ask for the third number of the version (3.11.5). Both ends of it are taken, and
    what they want differently goes into a call of its own.
    """
    first, last = (
        [pin for pin in lock if pin.is_for(platform, f"{python}.{patch}")] for patch in (99, 0)
    )
    return [part for part in (first, [pin for pin in last if pin not in first]) if part]


def download(lock, name, python, folder, cpu_index=None):
    """Bring the wheels of one platform and Python into `folder`. Hashes are those of the lock.

    cpu_index : where PyTorch's CPU builds lie; they have other hashes, which are not checked here
    """
    platform, rest = PLATFORMS[name], lock
    if cpu_index:
        rest = [pin for pin in lock if pin.name not in TORCH and not CUDA.fullmatch(pin.name)]
        builds = [f"{pin.name}=={pin.version}" for pin in lock if pin.name in TORCH]
        pip(platform, python, folder, "--index-url", cpu_index, *builds)
    for part in needed(rest, platform, python):
        with tempfile.TemporaryDirectory() as scratch:
            listed = Path(scratch) / "wanted.txt"
            lines = [Pin(pin.name, pin.version, "", pin.hashes).text for pin in part]
            listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
            pip(platform, python, folder, "--require-hashes", "-r", str(listed))


def pip(platform, python, folder, *what):
    """Download wheels of a platform, which need not be this one, without what they depend on."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), "--implementation", "cp"]
    command += ["--python-version", f"{python}.99"]  # some packages want 3.11.5 or newer
    command += [f"--abi={abi}" for abi in (f"cp{python.replace('.', '')}", "abi3", "none")]
    command += [f"--platform={tag}" for tag in platform.tags]
    done = subprocess.run([*command, *what], capture_output=True, text=True, env=quiet())
    if done.returncode:
        raise KitError(f"pip could not download all wheels:\n{done.stderr.strip()}")


def quiet():
    return os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def cpu_index(lock):
    """The address of PyTorch's CPU builds for Linux, or None where it cannot be reached.

    uv knows it (`--torch-backend`); pip, which downloads for other platforms, is told.
    """
    builds = "\n".join(f"{pin.name}=={pin.version}" for pin in lock if pin.name in TORCH)
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--no-deps", "--quiet"]
    command += ["--torch-backend", "cpu", "--emit-index-annotation", "--no-header"]
    command += ["--python-platform", "x86_64-manylinux_2_28"]
    done = subprocess.run(command, input=builds, capture_output=True, text=True)
    found = re.search(r"# from (\S+/cpu)\b", done.stdout)
    return found[1] if done.returncode == 0 and found else None


def list_for(lock, folder):
    """The lock's text where CPU builds of torch lie in `folder`: they have hashes of their own."""
    found = {}
    for wheel in sorted(folder.glob("torch*+cpu-*.whl")):
        name, version, *_ = parse_wheel_filename(wheel.name)
        value = f"sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
        found.setdefault((name, str(version)), []).append(value)
    rest = [pin for pin in lock if pin.name not in TORCH and not CUDA.fullmatch(pin.name)]
    own = [Pin(name, version, "", tuple(hashes)) for (name, version), hashes in found.items()]
    return "\n".join(pin.text for pin in [*rest, *own]) + "\n"
