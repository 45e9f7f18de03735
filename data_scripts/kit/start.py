"""Installs the course from this folder, without a network, and opens it: see README.txt.

Rests on the standard library alone, and is copied into each kit. What it makes lies in the folder
anomaly-course of the user, so that the kit may be read-only, and may be taken away afterwards.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

KIT = Path(__file__).resolve().parent
JUPYTER = [
    "--ServerApp.ip=127.0.0.1",
    "--LabApp.default_url=/lab/tree/notebooks/README.md",
    "--log-level=WARN",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    home = Path.home() / "anomaly-course"
    parser.add_argument("--folder", type=Path, default=home, help="where to work [%(default)s]")
    parser.add_argument("--no-lab", action="store_true", help="install, and open nothing")
    options = parser.parse_args()
    folder = options.folder.resolve()
    check_python()
    copy(KIT / "course", folder)
    copy(KIT / "data", folder / "data")
    python = install(folder)
    if not options.no_lab:
        sys.exit(lab(folder, python))


def system():
    """The name of this platform, as the kit's lists of packages have it."""
    name = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}.get(platform.system(), "")
    return "linux-arm" if name == "linux" and platform.machine() == "aarch64" else name


def check_python():
    """Stop with a sentence where the kit has no wheels for this Python."""
    pythons = (KIT / "wheels" / "pythons.txt").read_text(encoding="utf-8").split()
    version = "{}.{}".format(*sys.version_info)
    if version not in pythons:
        sys.exit(f"This is Python {version}; the kit is for {', '.join(pythons)}.")
    if not requirements().exists():
        sys.exit(f"The kit has no packages for this computer ({platform.platform()}).")


def requirements():
    return KIT / "wheels" / f"{system()}.txt"


def copy(source, target):
    """Copy the files that `target` does not have: a notebook with answers in it stays."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir() or place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f"{place.name}.part")
        shutil.copyfile(path, draft)
        draft.replace(place)


def install(folder):
    """The Python of the course's environment, made where it is not there yet or not finished."""
    home = folder / ".venv"
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    finished, wanted = home / "kit.txt", requirements().read_bytes()
    if finished.exists() and finished.read_bytes() == wanted:
        return python
    print(f"Installing into {home}. This takes some minutes.", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-index"]
    pip += ["--disable-pip-version-check", "--no-cache-dir"]
    here = ["--find-links", str(KIT / "wheels")]
    for what in (
        [*here, "--no-deps", "--require-hashes", "-r", str(requirements())],
        ["--no-deps", "--no-build-isolation", "--editable", str(folder)],
    ):
        if subprocess.run([*pip, *what]).returncode:
            sys.exit("The installation failed; the lines above say why. Then start again.")
    finished.write_bytes(wanted)
    return python


def lab(folder, python):
    """Open JupyterLab and wait until it is stopped."""
    print("Starting JupyterLab. To stop it, press Ctrl-C twice in this window.", flush=True)
    paths = [str(folder / ".jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    settings = {"JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths))}
    command = [str(python), "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", *JUPYTER]
    return subprocess.run(command, cwd=folder, env=os.environ | settings).returncode


if __name__ == "__main__":
    main()
