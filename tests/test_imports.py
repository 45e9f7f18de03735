"""What takes seconds to import comes in where it is needed, or while the learner reads."""

import ast
import builtins
import importlib
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from helpers.authoring.build import make_notebook, read_source, sources
from helpers.checks import grade
from helpers.preload import preload, wait
from helpers.runtime import COURSE

HEAVY = {"ipywidgets", "matplotlib", "openTSNE", "pandas", "requests", "scipy.stats", "seaborn"}
HEAVY |= {"skimage", "sklearn", "sympy", "torch._dynamo", "torchvision"}
# Not here: `thresholds`, whose Screen is an estimator of scikit-learn, and what imports it.
LIGHT = [
    # rooms, and what they may import of the heavy
    ("augment checks datasets latent losses models preload runtime scores training", set()),
    ("calibration metrics results", {"pandas"}),
    ("plotting", {"matplotlib"}),
]
PATHS = sources()


def run(code):
    """What the code prints, in a process of its own. Fails where it prints to stderr."""
    done = subprocess.run([sys.executable, "-c", code], cwd=COURSE, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def loaded(code, heavy):
    return ast.literal_eval(
        run(f"{code}\nimport sys; print([m for m in {heavy} if m in sys.modules])")
    )


@pytest.mark.parametrize(("rooms", "allowed"), LIGHT, ids=lambda x: x if isinstance(x, str) else "")
def test_importing_a_room_is_light(rooms, allowed):
    code = "; ".join(f"import helpers.{room}" for room in rooms.split())
    assert not loaded(code, HEAVY - allowed)


def test_figures_need_no_torch():
    assert not loaded("import helpers.plotting", {"torch"})


def code_cells(path, solved=False):
    return [
        c for c in make_notebook(read_source(path), solved=solved).cells if c.cell_type == "code"
    ]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_first_cell_is_light(path):
    setup = next(cell.source for cell in code_cells(path) if cell.id == "setup")
    without_thread = "import helpers.preload; helpers.preload.preload = lambda *modules: None"
    assert not loaded(f"{without_thread}\n{setup}", HEAVY)


@pytest.mark.parametrize("solved", [False, True], ids=["exercise", "solution"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_no_cell_uses_what_a_later_one_imports(path, solved):
    known, unknown = {*dir(builtins), "get_ipython"}, []
    for cell in code_cells(path, solved):
        nodes = list(ast.walk(ast.parse(cell.source)))
        for node in nodes:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                known.add(node.name)
            elif isinstance(node, ast.alias):
                known.add((node.asname or node.name).split(".")[0])
            elif isinstance(node, ast.arg):
                known.add(node.arg)
            elif isinstance(node, ast.ExceptHandler):
                known.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                known.add(node.id)
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        unknown += [(cell.id, name) for name in sorted(used - known)]
    assert not unknown


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_a_notebook_preloads_is_there(path):
    calls = [
        node
        for cell in code_cells(path)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "preload"
    ]
    modules = [argument.value for call in calls for argument in call.args]
    assert f"helpers.checks.module_{path.stem[:2]}" in modules
    assert all(map(find_spec, modules))


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """The name of a module that takes half a second to import; beside it, one that fails."""
    (tmp_path / "slow_to_import.py").write_text("import time; time.sleep(0.5); value = 7")
    (tmp_path / "broken_import.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    yield "slow_to_import"
    sys.modules.pop("slow_to_import", None)


def test_preload_returns_at_once_and_an_import_waits_for_it(slow):
    start = time.perf_counter()
    preload(slow)
    assert time.perf_counter() - start < 0.4
    assert importlib.import_module(slow).value == 7
    assert time.perf_counter() - start >= 0.5


def test_an_error_is_met_by_the_import_that_needs_the_module(slow, capfd):
    preload("broken_import", slow)
    wait()
    assert slow in sys.modules
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("broken_import")


def test_a_check_waits_for_imports_in_the_background(slow):
    preload(slow)
    grade("1.1", None)
    assert slow in sys.modules


AT_ONCE = """
from helpers.preload import preload
import torch
preload("torch._dynamo")
preload("seaborn", "helpers.checks.module_01")
"""


def test_cells_run_without_a_pause():
    """All that is on its way is asked for at once, from the other end."""
    use = """
from helpers.checks import grade
from sklearn.covariance import LedoitWolf
from helpers import plotting
plotting.use_course_style()
p = torch.nn.Parameter(torch.ones(3))
optimizer = torch.optim.Adam([p])
p.sum().backward(); optimizer.step()
print(grade("1.1", None).status, p[0].item() < 1)
"""
    assert run(AT_ONCE + use) == "not_started True\n"


@pytest.mark.parametrize("seconds", [0, 0.3, 1.5])
def test_a_process_may_end_meanwhile(seconds):
    assert run(f"{AT_ONCE}\nimport time; time.sleep({seconds})") == ""
