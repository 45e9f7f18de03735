"""What takes seconds to import comes in where it is needed, or while the learner reads."""

import ast
import builtins
import subprocess
import sys
from importlib.util import find_spec

import pytest

from helpers.authoring.build import make_notebook, read_source, sources
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


SHELL = """
import os, sys, time
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

sys.path[:0] = [{folder!r}, {course!r}]
shell = InteractiveShell.instance(config=Config({{"HistoryManager": {{"enabled": False}}}}))

def run(cell):
    start = time.perf_counter()
    shell.run_cell(cell).raise_error()
    return time.perf_counter() - start
"""


@pytest.fixture
def notebook(tmp_path):
    """notebook(code) is what the code prints; in it, run(cell) runs a cell -> its seconds."""
    (tmp_path / "slow_to_import.py").write_text("import time; time.sleep(2); value = 7")
    (tmp_path / "broken_import.py").write_text("1 / 0")
    head = SHELL.format(folder=str(tmp_path), course=str(COURSE))
    return lambda code: run(head + code)


def test_the_next_cell_waits_until_all_is_there_and_the_one_after_does_not(notebook):
    code = """
first = run("from helpers.preload import preload; preload('slow_to_import')")
cells = [run("import sys; there = 'slow_to_import' in sys.modules"), run("pass")]
print(first < 1, shell.user_ns["there"], cells[0] > 0.5, cells[1] < 0.5)
"""
    assert notebook(code) == "True True True True\n"


def test_a_learner_who_reads_does_not_wait(notebook):
    code = """
run("from helpers.preload import preload; preload('slow_to_import')")
time.sleep(4)
print(run("import slow_to_import") < 1)
"""
    assert notebook(code) == "True\n"


def test_an_error_is_met_by_the_import_that_needs_the_module(notebook):
    code = """
run("from helpers.preload import preload; preload('broken_import', 'slow_to_import')")
run("import sys; print('slow_to_import' in sys.modules)")
try:
    import broken_import
except ZeroDivisionError:
    print("met")
"""
    assert notebook(code) == "True\nmet\n"


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_kernel_may_end_meanwhile(notebook, seconds):
    code = f"""
run("from helpers.preload import preload; preload('torch._dynamo', 'slow_to_import')")
time.sleep({seconds})
"""
    assert notebook(code) == ""


def test_outside_a_notebook_nothing_is_preloaded():
    code = "from helpers.preload import preload; preload('sympy'); import threading, sys"
    assert run(f"{code}; print(threading.active_count(), 'sympy' in sys.modules)") == "1 False\n"
