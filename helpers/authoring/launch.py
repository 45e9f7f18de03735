"""Where a notebook opens with one click, and its first code cell: from one setting in pyproject.

All of it points at the release tag of the version, never at a branch that moves on.
"""

import tomllib

from helpers.packages import PYPROJECT

SETTINGS = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
REPOSITORY = SETTINGS["tool"]["course"]["repository"]  # owner/name
TAG = f"v{SETTINGS['project']['version']}"
URL = f"https://github.com/{REPOSITORY}"

COLAB = "https://colab.research.google.com"
BINDER = "https://mybinder.org"

FOLDER = REPOSITORY.partition("/")[2]
BOOTSTRAP = f"""\
# Colab: get the course, and what Colab lacks. Everywhere: find the course, also from another folder
import os
import sys
from pathlib import Path

if "google.colab" in sys.modules and not os.path.exists("../helpers"):
    shell = get_ipython().system
    if not os.path.exists("{FOLDER}"):
        clone = "git -c advice.detachedHead=false clone --quiet --depth 1 --branch {TAG}"
        shell(clone + " {URL}")
    shell(f"cd {FOLDER} && {{sys.executable}} -m helpers.packages")
    os.chdir("{FOLDER}/notebooks")
here = Path.cwd()
homes = [folder / name for folder in (here, *here.parents) for name in ("", "{FOLDER}")]
homes += map(Path, sys.path)
home = next((h for h in homes if os.path.isfile(h / "helpers" / "places.py")), None)
if home is None:
    todo = 'open it inside the course folder, or first run: sys.path.insert(0, "COURSE FOLDER")'
    raise ModuleNotFoundError(f"No course above {{here}}, and none installed: {{todo}}")
if str(home) not in sys.path:
    sys.path.insert(0, str(home))
import helpers"""


IMAGES = {"colab": f"{COLAB}/assets/colab-badge.svg", "binder": f"{BINDER}/badge_logo.svg"}


def addresses(module):
    """Where notebooks/`module`.ipynb opens with one click: {"colab": URL, "binder": URL}."""
    path = f"notebooks/{module}.ipynb"
    return {
        "colab": f"{COLAB}/github/{REPOSITORY}/blob/{TAG}/{path}",
        "binder": f"{BINDER}/v2/gh/{REPOSITORY}/{TAG}?urlpath=lab/tree/{path}",
    }


def badges(module):
    """Markdown of the badges that open notebooks/`module`.ipynb on Colab and on Binder."""
    to = addresses(module)
    return (
        f"[![Open in Colab]({IMAGES['colab']})]({to['colab']}) "
        f"[![Open on Binder]({IMAGES['binder']})]({to['binder']})"
    )


def definitions(modules):
    """The same for a table: what [![Open in Colab][colab]][colab-1] refers to, and so on."""
    lines = [f"[{place}]: {image}" for place, image in IMAGES.items()]
    for module in modules:
        number = int(module[:2])
        lines += [f"[{place}-{number}]: {url}" for place, url in addresses(module).items()]
    return "\n".join(lines)
