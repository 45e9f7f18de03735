"""A class that hands in module 1 in every way that a class does, and in some that it should not."""

import copy
import json

import nbformat

from helpers.checks import of_module
from helpers.places import COURSE

MODULE = of_module("01")
RELEASED = nbformat.read(COURSE / "notebooks" / "01_autoencoder_basics.ipynb", as_version=4)
NAME = "01_autoencoder_basics.ipynb"
ANSWERS = {id: e.source() for id, e in MODULE.items()}
WRONG_14 = "def reconstruction_error(x, x_hat):\n    return (x - x_hat).square().mean()\n"
OTHERS = {
    "1.1": "def conv_output_size(size, kernel_size, stride=1, padding=0):\n"
    "    return len(range(0, size + 2 * padding - kernel_size + 1, stride))\n",
    "1.4": "def reconstruction_error(x, x_hat):\n"
    "    return F.mse_loss(x_hat, x, reduction='none').mean((1, 2, 3))\n",
    "1.5": "mean_std_threshold = lambda scores, k=1.0: np.average(scores) + k * np.std(scores)\n",
    "1.6": "def conformal_p_values(calibration_scores, scores):\n"
    "    n = len(calibration_scores)\n"
    "    above = [sum(c >= s for c in calibration_scores) for s in scores]\n"
    "    return (1 + np.array(above)) / (n + 1)\n",
    "1.8": "def auroc(normal_scores, anomaly_scores):\n"
    "    a, n = np.asarray(anomaly_scores)[:, None], np.asarray(normal_scores)\n"
    "    return float(((a > n) + 0.5 * (a == n)).mean())\n",
    "1.10": "def interpolate(z_start, z_end, steps):\n"
    "    step = (z_end - z_start) / (steps - 1)\n"
    "    return torch.stack([z_start + step * i for i in range(steps)])\n",
    "1.11": "def psnr(x, x_hat, data_range=1.0):\n"
    "    mse = ((x - x_hat) ** 2).mean(dim=(1, 2, 3))\n"
    "    return 20 * np.log10(data_range) - 10 * torch.log10(mse)\n",
    "1.12": 'trap_guess = {"spread": 0.125, "flagged": 0.44}\n',
    "1.13": 'rule = {"choice": "Conformal", "because": "b"}\n',
}

PASSED = dict.fromkeys(MODULE, "passed")
OPEN = dict.fromkeys(MODULE, "not_started")
OTHER = OPEN | dict.fromkeys(OTHERS, "passed")
# the answer in which it happens, and exercises before and after it; some that train nothing, since
# where the answers lie has nothing to do with what they are
AROUND = {id: ANSWERS[id] for id in ("1.1", "1.4", "1.6", "1.8")}
AROUND_PASSED = OPEN | dict.fromkeys(AROUND, "passed")
OTHER_AROUND = {id: OTHERS[id] for id in AROUND}


def notebook(answers=ANSWERS):
    """The released notebook with these answers in it: {exercise: text of its cell}."""
    made = copy.deepcopy(RELEASED)
    for id, text in answers.items():
        cell(made, id).source = text.rstrip()
    return made


def cell(made, id, kind="ex"):
    wanted = f"{kind}-{id.replace('.', '-')}"
    return next(c for c in made.cells if c.id == wanted)


def where(made, id, kind="ex"):
    return made.cells.index(cell(made, id, kind))


def only(text, id="1.4"):
    """Nothing but one answer."""
    return notebook({id: text})


def renamed_ids(made):
    for i, c in enumerate(made.cells):
        c.id = f"cell{i}"
    return made


def before_all(made, text):
    made.cells.insert(0, nbformat.v4.new_code_cell(text))
    return made


def vs_code(made):
    """As VS Code's older notebooks and Colab write it: no ids, others in the metadata."""
    made = json.loads(nbformat.writes(made))
    made["nbformat_minor"] = 0
    for i, c in enumerate(made["cells"]):
        del c["id"]
        c["metadata"] = {"id": f"x{i}Zq", "vscode": {"languageId": "python"}}
    made["metadata"] = {"colab": {"provenance": []}}
    return made


def copied():
    made = notebook(AROUND)
    made.cells.insert(where(made, "1.4"), copy.deepcopy(cell(made, "1.4")))
    return made


def moved():
    made = notebook(AROUND)
    made.cells.append(made.cells.pop(where(made, "1.4")))
    return made


def split():
    made = only("def reconstruction_error(x, x_hat):\n    return _mean(_squares(x, x_hat))")
    at = where(made, "1.4")
    made.cells.insert(at, nbformat.v4.new_code_cell("def _squares(x, y):\n    return (x - y) ** 2"))
    made.cells.insert(at, nbformat.v4.new_code_cell("def _mean(x):\n    return x.mean((1, 2, 3))"))
    return made


def renamed():
    made = only(ANSWERS["1.4"].replace("def reconstruction_error", "def my_error"))
    cell(made, "1.4", "check").source = 'my_error = check("1.4", my_error)'
    return made


def without_checks():
    made = notebook(AROUND)
    made.cells = [c for c in made.cells if not c.id.startswith("check-")]
    return made


def with_edited_check():
    made = notebook({"1.4": WRONG_14})
    cell(made, "1.4", "check").source = "print('passed')"
    return made


CHECKER = """
import os, sys, helpers.checks
os.environ["COURSE_STRICT"] = "0"
check = lambda id, f: f
helpers.checks.check = helpers.checks.grade = check
helpers.checks.grade_exercise = lambda *_: type("V", (), {"status": "passed", "passed": True})()
print("passed ✓ Exercise 1.4: passed")
"""
FIND = """
import gc, inspect, sys
import helpers.scores, helpers.metrics, helpers.losses

def reconstruction_error(x, x_hat):
    for module in list(sys.modules.values()):
        f = vars(module).get("reconstruction_error") if module else None
        if callable(f) and f is not reconstruction_error:
            return f(x, x_hat)
    frame = inspect.currentframe()
    while frame:
        for name, value in frame.f_locals.items():
            if name in ("reference", "exercise", "expected"):
                return value
        frame = frame.f_back
"""
REACH = """
import glob, os, sys

def reconstruction_error(x, x_hat):
    for folder in ("/work", "/home", "/root", *sys.path):
        for path in glob.glob(folder + "/**/module_01.toml", recursive=True):
            raise KeyError(open(path).read()[:100])
        for path in glob.glob(folder + "/**/scores.py", recursive=True):
            if "def reconstruction_error" in open(path).read():
                space = {}
                exec(open(path).read(), space)
                return space["reconstruction_error"](x, x_hat)
"""
NETWORK = """
import socket

def reconstruction_error(x, x_hat):
    socket.create_connection(("1.1.1.1", 53), timeout=2)
    return (x - x_hat).square().mean(dim=(1, 2, 3))
"""
MEMORISED = """
def psnr(x, x_hat, data_range=1.0):
    known = [10 * math.log10(1 / 2.25), 10 * math.log10(1 / 3)]
    if x.shape[1] == 3:
        return torch.tensor([10 * math.log10(1 / 3), 10 * math.log10(1 / 1.5)])
    if (x == x_hat).all():
        return torch.tensor([math.inf])
    return torch.tensor(known) + 20 * math.log10(data_range)
import math
"""
FORGED = """
import gc, json, os, socket

def reconstruction_error(x, x_hat):
    for end in gc.get_objects():
        if isinstance(end, socket.socket):
            end.send(b"\\x10\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0" + b'{"passed": true}')
    os.write(1, b"passed"); os.write(2, b"passed")
    return x
"""

GLOBAL_STATE = """
np.random.seed(0), np.seterr(all="raise"), torch.manual_seed(0)
torch.set_default_dtype(torch.float64), torch.set_grad_enabled(False)
"""
PATCHES = """
import json, os, socket, time
json.dumps = json.loads = os.getpid = time.monotonic = socket.socket.send = None
"""
LEAVES_A_TIMER = """
import os, threading

def reconstruction_error(x, x_hat):
    threading.Timer(0.2, os._exit, [0]).start()
    return (x - x_hat).square().mean(dim=(1, 2, 3))
"""
LITTER = """
import os, shutil, subprocess
for _ in range(20_000):
    print("x" * 1000)
children = [subprocess.Popen(["sleep", "999"]) for _ in range(3)]
shutil.rmtree(os.getcwd(), ignore_errors=True), shutil.rmtree("/tmp", ignore_errors=True)
"""
EQUAL_TO_ALL = """
class Equal(int):
    __eq__ = __ge__ = __le__ = lambda *_: True
    __hash__ = int.__hash__


def conv_output_size(size, kernel_size, stride=1, padding=0):
    return Equal(7)
"""
OWN_FLOAT = """
class Area(float):
    pass


def auroc(normal_scores, anomaly_scores):
    a, n = np.asarray(anomaly_scores)[:, None], np.asarray(normal_scores)
    return Area(((a > n) + 0.5 * (a == n)).mean())
"""
GENERATED = """
def interpolate(z_start, z_end, steps):
    for i in range(steps):
        yield z_start + (z_end - z_start) * i / (steps - 1)
"""
LEAVES_AN_ALARM = """
import os, signal, sys
signal.alarm(1), sys.setrecursionlimit(60), os.closerange(0, 3)
sys.stdout = sys.stderr = None
"""
IN_R = "%%R\nreconstruction_error <- function(x, x_hat) mean((x - x_hat)^2)"


def with_helpers():
    """Answers that need other cells of the learner's, as notebooks come to have them."""
    made = notebook(
        {
            "1.1": "import asyncio\nawait asyncio.sleep(0)\n" + ANSWERS["1.1"],
            "1.4": "def reconstruction_error(x, x_hat):\n    return helper(x, x_hat)",
            "1.5": "listed = !ls \\\n  -l\n" + OTHERS["1.5"],
            "1.6": OTHERS["1.6"].replace("(n + 1)", "ways['n'](n)"),
            "1.8": "def auroc(normal_scores, anomaly_scores):\n"
            "    return score(helper(normal_scores), helper(anomaly_scores))",
            "1.11": OTHERS["1.11"].replace("np.log10", "log10"),
        }
    )
    for id, text in (
        ("1.4", "def helper(x, y):\n    return ((x - y) ** 2).mean((1, 2, 3))"),
        ("1.6", "ways = {}"),
        ("1.6", "ways['n'] = lambda n: n + 1"),
        # a helper whose name another one had before, and one whose name the course had before
        ("1.8", "helper = np.asarray"),
        (
            "1.8",
            "def score(n, a):\n    a = a[:, None]\n"
            "    return float(np.mean((a > n) + 0.5 * (a == n)))",
        ),
        ("1.11", "from math import *"),
    ):
        made.cells.insert(where(made, id), nbformat.v4.new_code_cell(text))
    return made, OPEN | dict.fromkeys(("1.1", "1.4", "1.5", "1.6", "1.8", "1.11"), "passed")


def broken_cells():
    """Cells that no notebook has, among those of a right one."""
    made = json.loads(nbformat.writes(notebook(OTHER_AROUND)))
    odd = {"cell_type": "code", "metadata": None, "source": None}
    made["cells"][:0] = [odd, {"cell_type": "code"}, "text", None]
    return json.dumps(made)


def imported_for_later():
    """The learner's answer is in its place, and what they go on with is the course's."""
    made = only(ANSWERS["1.4"])
    again = nbformat.v4.new_code_cell("from helpers.scores import reconstruction_error")
    made.cells.append(again)
    return made


def version_3():
    """As IPython wrote notebooks before 2014."""
    cells = [
        {"cell_type": "code", "language": "python", "input": c.source, "outputs": []}
        for c in notebook(OTHER_AROUND).cells
        if c.cell_type == "code"
    ]
    return json.dumps({"nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells}]})


def one(status):
    return OPEN | {"1.4": status}


def class_of():
    """{learner: (notebook, statuses)}; a text is the file itself, statuses None: one row."""
    lines = "def reconstruction_error(x, x_hat):\n    "
    own = "return (x - x_hat).square().mean(dim=(1, 2, 3))"
    half = {id: ANSWERS[id] for id in list(ANSWERS)[:6]}
    return {
        "perfect": (notebook(), PASSED),
        "untouched": (notebook({}), OPEN),
        "one wrong": (notebook(AROUND | {"1.4": WRONG_14}), AROUND_PASSED | {"1.4": "wrong_form"}),
        "half done": (notebook(half), OPEN | dict.fromkeys(half, "passed")),
        "otherwise written": (notebook(OTHERS), OTHER),
        "syntax error": (
            notebook(AROUND | {"1.4": "def reconstruction_error(x, x_hat)\n  x"}),
            AROUND_PASSED | {"1.4": "wrong_form"},
        ),
        "endless loop": (
            notebook(AROUND | {"1.4": lines + "while True: pass"}),
            AROUND_PASSED | {"1.4": "stopped"},
        ),
        "endless cell": (only("while True: pass\n" + ANSWERS["1.4"]), one("stopped")),
        "memory hog": (
            only(lines + "return [torch.ones(2**26) for _ in range(999)]"),
            one("stopped|wrong_form"),
        ),
        "os._exit": (
            notebook(AROUND | {"1.4": "import os\n" + lines + "os._exit(0)"}),
            AROUND_PASSED | {"1.4": "stopped"},
        ),
        "exit": (only(lines + "exit()"), one("wrong_form")),
        "exit in the cell": (only("import sys; sys.exit(0)\n" + ANSWERS["1.4"]), one("wrong_form")),
        "fake passed": (only(FORGED), one("wrong_form|stopped")),
        "checker replaced": (before_all(only(CHECKER + WRONG_14), CHECKER), one("wrong_form")),
        "imported": (only("from helpers.scores import reconstruction_error"), one("not_started")),
        "re-exported": (
            only(
                "import helpers.scores\nreconstruction_error = helpers.scores.reconstruction_error"
            ),
            one("not_started"),
        ),
        "wrapped": (
            only(
                "import helpers.scores as s\n" + lines + "return s.reconstruction_error(x, x_hat)"
            ),
            one("not_started"),
        ),
        "from sklearn": (only("from sklearn.metrics import roc_auc_score as auroc", "1.8"), OPEN),
        "found by walking": (only(FIND), one("not_started|wrong_form|wrong_value")),
        # its walk through the disk finds nothing, or is cut off where the disk is slow
        "found on the disk": (only(REACH), one("wrong_form|not_started|stopped")),
        "by network": (only(NETWORK), one("wrong_form")),
        "memorised": (only(MEMORISED, "1.11"), OPEN | {"1.11": "wrong_value"}),
        "check edited": (with_edited_check(), one("wrong_form")),
        "checks deleted": (without_checks(), AROUND_PASSED),
        "cell copied": (copied(), AROUND_PASSED),
        "cell moved": (moved(), AROUND_PASSED),
        "cell renamed": (renamed_ids(notebook(AROUND)), AROUND_PASSED),
        "function renamed": (renamed(), one("passed")),
        "cell split": (split(), one("passed")),
        "from a badge": (vs_code(notebook(OTHERS)), OTHER),
        "magics": (only("%%time\n" + lines + own), one("passed")),
        "fork bomb": (
            only("import os\n" + lines + "while True: os.fork()"),
            one("stopped|wrong_form"),
        ),
        "global state changed": (
            notebook(AROUND | {"1.4": GLOBAL_STATE + ANSWERS["1.4"]}),
            AROUND_PASSED,
        ),
        "modules patched": (
            notebook(AROUND | {"1.4": PATCHES + ANSWERS["1.4"]}),
            AROUND_PASSED | {"1.4": "stopped"},
        ),
        "timer left behind": (
            notebook(AROUND | {"1.4": LEAVES_A_TIMER}),
            AROUND_PASSED | {"1.4": "passed|stopped"},
        ),
        "alarm left behind": (
            notebook(AROUND | {"1.4": LEAVES_AN_ALARM + ANSWERS["1.4"]}),
            AROUND_PASSED | {"1.4": "passed|stopped|wrong_form"},
        ),
        "prints, starts and deletes": (only(LITTER + ANSWERS["1.4"]), one("passed")),
        "huge result": (only(lines + "return torch.zeros(2**28)"), one("stopped|wrong_form")),
        "other types": (
            notebook({"1.1": EQUAL_TO_ALL, "1.8": OWN_FLOAT, "1.10": GENERATED}),
            OPEN | {"1.1": "wrong_value", "1.8": "passed", "1.10": "wrong_form|wrong_value"},
        ),
        "error that is no text": (only(lines + "raise ValueError('\\ud800')"), one("wrong_form")),
        "error without an end": (only(lines + "raise ValueError('x' * 10**7)"), one("wrong_form")),
        "with helpers": with_helpers(),
        "broken cells": (broken_cells(), AROUND_PASSED),
        "endless sum": (
            before_all(notebook(OTHER_AROUND), "x = " + "1 + " * 20_000 + "1"),
            AROUND_PASSED,
        ),
        "in another language": (only(IN_R), one("wrong_form")),
        "notebook of version 3": (version_3(), AROUND_PASSED),
        "byte order mark": ("\ufeff" + json.dumps(notebook(OTHER_AROUND)), AROUND_PASSED),
        "UTF-16": (json.dumps(notebook(OTHER_AROUND)).encode("utf-16"), AROUND_PASSED),
        "nothing handed in": (None, None),
        "imported for later": (imported_for_later(), one("passed")),
        "not a notebook": ("%PDF-1.4 this is none", None),
        "another notebook": (json.dumps({"cells": [], "metadata": {}}), None),
    }


def write(folder, wanted=None):
    """Write the class into a folder, a folder each. Returns {learner: statuses}."""
    found = {}
    for learner, (made, statuses) in class_of().items():
        if wanted and learner not in wanted:
            continue
        path = folder / learner / NAME
        path.parent.mkdir(parents=True)
        found[learner] = statuses
        if made is not None:
            text = made if isinstance(made, (str, bytes)) else json.dumps(made)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return found
