"""The packages that the course needs, as pyproject.toml lists them, and how each is imported.

python -m helpers.packages installs those that the notebooks lack, and replaces none that is there
(on Colab). It rests on the standard library alone.
"""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from importlib.util import find_spec
from typing import NamedTuple

from helpers.places import COURSE, FROM_WHEEL

PYPROJECT = COURSE / "pyproject.toml"
IMPORT_NAMES = {
    "ipython": "IPython",
    "opentsne": "openTSNE",
    "pillow": "PIL",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
}


class Package(NamedTuple):
    name: str  # as pip knows it
    minimum: str

    @property
    def import_name(self):
        return IMPORT_NAMES.get(self.name.lower(), self.name)

    @property
    def is_missing(self):
        return find_spec(self.import_name) is None


def packages():
    """All packages of a learner's environment."""
    if FROM_WHEEL:
        listed = [line for line in requires("anomaly-course") if "extra ==" not in line]
    else:
        listed = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    return [Package(*re.fullmatch(r"([\w-]+)>=([\d.]+)", line).groups()) for line in listed]


def numbers(version):
    """The leading numbers of a version, to compare by: "2.11.0+cpu" -> (2, 11, 0)"""
    return tuple(int(n) for n in re.match(r"\d+(\.\d+)*", version)[0].split("."))


def install_missing():
    """Install what the notebooks lack. What is there is pinned, so that nothing pulls it along."""
    needed = [p for p in packages() if p.name != "jupyterlab"]  # no notebook imports it
    if missing := [p for p in needed if p.is_missing]:
        print("Installing", *(p.name for p in missing), flush=True)
        kept = [f"{p.name}=={version(p.name)}" for p in needed if p not in missing]
        wanted = [f"{p.name}>={p.minimum}" for p in missing]
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *wanted, *kept], check=True)


if __name__ == "__main__":
    install_missing()
