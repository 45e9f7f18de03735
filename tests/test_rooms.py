"""Imports in helpers run one way, between rooms whose private names stay private."""

import ast

from helpers.runtime import COURSE

# From below to above. A room imports from its own floor and from those below.
FLOORS = [
    {"__init__", "arrays", "banner", "console", "packages", "places", "preload"},
    {"precision", "runtime", "threads"},
    {"augment", "calibration", "corruptions", "datasets", "latent", "losses", "metrics", "models"}
    | {"scores", "self_test", "thresholds"},
    {"checkpoints", "claims", "plotting", "screening", "training"},
    {"experiments"},
    {"explorables"},
    {"checks", "doctor", "grading", "quiz", "results", "widgets"},
    {"authoring"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted((COURSE / "helpers").rglob("*.py"))


def imported(path):
    """(module, name) of all that a file imports from helpers, inside functions as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            yield from ((node.module, alias.name) for alias in node.names)


def test_imports_run_one_way():
    """A new room is a KeyError here: say in FLOORS where it stands."""
    up = []
    for path in FILES:
        room = path.relative_to(COURSE / "helpers").with_suffix("").parts[0]
        for module, name in imported(path):
            below = [*module.split("."), name][1]
            if FLOOR[below] > FLOOR[room]:
                up.append(f"{path.relative_to(COURSE)} imports {name} from {module}")
    assert not up


def test_private_names_are_not_imported():
    # the checks of the modules share theirs
    files = [path for path in FILES if path.parent.name != "checks"]
    assert not [(path.name, name) for path in files for _, name in imported(path) if name[0] == "_"]


def test_no_experiment_imports_another():
    for path in (COURSE / "helpers" / "experiments").glob("module_*.py"):
        assert not [module for module, _ in imported(path) if "experiments.module_" in module]
