"""Make a kit: the course in one folder, for a USB stick or a server in the local network.

    python -m data_scripts.kit DIR                                    three systems, three Pythons
    python -m data_scripts.kit DIR --platforms linux --pythons 3.12

The wheels are those of the lock, with its hashes. DIR/README.txt tells a learner how to start.
"""

import argparse
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from data_scripts import mirror
from data_scripts.kit import wheels
from data_scripts.kit.wheels import PLATFORMS, PYTHONS, KitError
from helpers.datasets import DataError, store
from helpers.places import COURSE, FROM_WHEEL, course_data

HERE = Path(__file__).parent
# macOS opens a file that is called .command by a double click.
STARTERS = {name: name for name in ("start.py", "start.sh", "start.bat")} | {
    "start.command": "start.sh"
}
# What a learner has of the course, and what its pages link to.
COPIED = ("notebooks", "solutions", "helpers", "data_scripts", "docs", "hub", ".jupyter")
COPIED += ("README.md", "INSTRUCTORS.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE")
COPIED += ("CITATION.cff", "pyproject.toml", "environment.yml")
LEFT_OUT = ("__pycache__", ".ipynb_checkpoints", ".course-*", "*.part", "*.lock")
# All that is taken where notebooks run: what they write there is somebody's work, or of patients.
TAKEN = {
    "notebooks": ("*.ipynb", "README.md"),
    "solutions": ("*.ipynb", "*.py", "figures", "results"),
}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="make kit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the kit is, or will be")
    names = [name for name in PLATFORMS if name != "linux-arm"]
    parser.add_argument("--platforms", nargs="+", default=names, choices=PLATFORMS)
    parser.add_argument("--pythons", nargs="+", default=PYTHONS, choices=PYTHONS)
    parser.add_argument("--root", type=Path, help="folder of prepared files [COURSE_DATA or data/]")
    parser.add_argument("--lock", type=Path, default=COURSE / "locks" / "requirements.txt")
    options = parser.parse_args(arguments)
    if FROM_WHEEL:
        parser.error("a kit is made in the course folder, which this installation does not have")
    try:
        make(options)
    except (KitError, DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def make(options):
    """Write the whole kit. What is there already is kept and completed."""
    kit = options.folder
    kit.mkdir(parents=True, exist_ok=True)
    if changed := changed_notebooks():
        print(f"The kit takes these notebooks as they are here, changed: {', '.join(changed)}")
    copy_course(kit / "course")
    mirror.copy(options.root or course_data(), kit / "data")
    torch = bring_wheels(kit / "wheels", options)
    for name, source in STARTERS.items():
        text = (HERE / source).read_text(encoding="utf-8")
        ends = "\r\n" if name.endswith(".bat") else "\n"  # Windows' cmd needs its own
        (kit / name).write_text(text, encoding="utf-8", newline=ends)
        (kit / name).chmod(0o755)
    (kit / "README.txt").write_text(sheet(kit, options, torch), encoding="utf-8", newline="\r\n")
    print(f"{kit} is ready, {size(kit) / 1e9:.1f} GB.")


def changed_notebooks():
    """The exercise notebooks that differ from the committed ones; none where git cannot say."""
    command = ["git", "-C", str(COURSE), "diff", "--name-only", "HEAD", "--", "notebooks"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.split()
    except OSError:
        return []


def copy_course(target):
    """The course's files, in place of what an older kit had there."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in COPIED:
        source = COURSE / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=left_out)
        else:
            shutil.copy(source, target / name)


def left_out(folder, names):
    """The names in a folder of the course that no kit takes."""
    taken = TAKEN.get(str(Path(folder).relative_to(COURSE)), ("*",))
    wanted = {name for name in names if any(fnmatch(name, pattern) for pattern in taken)}
    return set(names) - wanted | shutil.ignore_patterns(*LEFT_OUT)(folder, names)


def bring_wheels(folder, options):
    """Download what is not there yet. Returns a sentence about PyTorch on Linux, or ""."""
    folder.mkdir(exist_ok=True)
    lock = wheels.pins(options.lock.read_text(encoding="utf-8"))
    has_torch = any(pin.name in wheels.TORCH for pin in lock)
    index = wheels.cpu_index(lock) if "linux" in options.platforms and has_torch else None
    for name in options.platforms:
        for python in options.pythons:
            print(f"wheels for {name}, Python {python} ...", flush=True)
            wheels.download(lock, name, python, folder, index if name == "linux" else None)
        cpu = index and name == "linux"
        text = wheels.list_for(lock, folder) if cpu else "\n".join(p.text for p in lock) + "\n"
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
    pythons = sorted(options.pythons, reverse=True)
    (folder / "pythons.txt").write_text("\n".join(pythons) + "\n", encoding="utf-8", newline="\n")
    if "linux" not in options.platforms or not has_torch:
        return ""
    if index:
        return "PyTorch on Linux: the build for CPUs"
    return "PyTorch on Linux: the build with CUDA, since the CPU build could not be reached"


def sheet(kit, options, torch):
    """The page for learners."""
    pyproject = tomllib.loads((COURSE / "pyproject.toml").read_text(encoding="utf-8"))
    folders = store.prepared_folders(kit / "data")
    systems = {"linux": "Linux", "linux-arm": "Linux (ARM)", "macos": "macOS (Apple chips)"}
    systems |= {"windows": "Windows"}
    large = "CUDA" in torch or "linux-arm" in options.platforms
    text = (HERE / "README.txt").read_text(encoding="utf-8")
    return text.format(
        pythons=", ".join(options.pythons),
        either="any of them will do" if len(options.pythons) > 1 else "no other version will do",
        disk="7 on Linux, 2 on other systems" if large else 2,
        extra="On Debian and Ubuntu: the package python3-venv.",
        version=pyproject["project"]["version"],
        platforms=", ".join(systems[name] for name in options.platforms),
        data=", ".join(f.name for f in folders) or "offline samples, made on your computer",
        torch=f"  {torch}" if torch else "",
    )


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
