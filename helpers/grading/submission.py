"""A submitted notebook: the learner's own cells, found wherever they went.

Only text is read here; nothing of a submission is run.
"""

import ast
import builtins
import itertools
import json
import re
import symtable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from helpers.places import COURSE

LARGEST = 50 * 2**20  # bytes of a notebook
CHECK = re.compile(r"\bcheck\(\s*[\"']?([\d.,]+)[\"']?\s*,\s*(\w+)\s*\)")
OTHER_LANGUAGE = re.compile(r"\s*%%(?!(capture|prun|time|timeit)\b)\w+")
SYSTEM = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
NOTEBOOK = re.compile(r"\.ipynb(\.json|\.txt)?$", re.I)  # some browsers add the latter
# Lines that are no Python, and the name they are assigned to. A \s* that begins a line would take
# hours on a million blank ones.
MAGIC = re.compile(r"^([ \t]*)(\w+[ \t]*=[ \t]*)?(?:[%!?](?:.*\\\r?\n)*.*|\w+\?+[ \t\r]*)$", re.M)
_MADE = ast.FunctionDef, ast.ClassDef


class Unreadable(ValueError):
    """A file that is no notebook of the course. The message says why."""


@dataclass(eq=False)
class Cell:
    """A code cell: its text without magics, what its top level binds, and the names it needs.

    plain : the cell without comments and layout, to be compared
    """

    id: str
    text: str
    plain: str = field(init=False)
    tree: ast.Module | None = None
    error: str = ""
    binds: dict = field(default_factory=dict)  # name -> the node that binds it last
    needs: set = field(default_factory=set)

    def __post_init__(self):
        self.plain = self.text.strip()
        if OTHER_LANGUAGE.match(self.text):
            self.error = "it is not in Python"
            return
        try:
            ast.parse(self.text)
        except Exception:  # perhaps for the magics of a notebook
            self.text = MAGIC.sub(r"\1\2None", self.text)
        try:
            self.tree = ast.parse(self.text)
            self.needs = _needs(self.text)
            self.plain = ast.dump(self.tree)
            self.binds = {name: node for node in self.tree.body for name in _bound(node)}
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = f", line {error.lineno}" if getattr(error, "lineno", None) else ""
            self.error = f"{type(error).__name__}: {getattr(error, 'msg', error)}{line}"
            self.tree, self.plain, self.binds = None, self.text.strip(), {}

    def defines(self, name):
        """Whether it binds the name, other than to what a check gives."""
        node = self.binds.get(name)
        return node is not None and not (isinstance(node, ast.Assign) and _is_check(node.value))


def _is_check(node):
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check"


def _bound(node):
    """Names that a statement of the top level binds."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    found = []
    for part in _same_scope(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.append(part.id)
        elif isinstance(part, ast.alias):
            found.append((part.asname or part.name).partition(".")[0])
        elif part is not node and isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            found.append(part.name)
    return found


def _same_scope(node):
    yield node
    inner = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda
    for part in ast.iter_child_nodes(node):
        if isinstance(part, inner):
            yield part
        else:
            yield from _same_scope(part)


def _needs(text):
    """Names of the notebook that a cell uses, in its functions as well."""
    found = set()

    def walk(table):
        for symbol in table.get_symbols():
            outside = table.get_type() == "module" or symbol.is_global()
            if symbol.is_referenced() and outside:
                found.add(symbol.get_name())
        for child in table.get_children():
            walk(child)

    walk(symtable.symtable(text, "<cell>", "exec"))
    return {name for name in found if not hasattr(builtins, name)}


def read(path):
    """The code cells of a notebook file, in order."""
    try:
        if path.is_dir():
            raise Unreadable("No notebook (NAME.ipynb) lies in this folder.")
        if path.stat().st_size > LARGEST:
            raise Unreadable("The file is larger than any notebook of the course.")
        held = json.loads(path.read_bytes())  # in any Unicode encoding, with or without its mark
        cells = held["cells"] if "cells" in held else held["worksheets"][0]["cells"]
        found = []
        for cell in cells:
            if isinstance(cell, dict) and cell.get("cell_type") == "code":
                text = cell.get("source") or cell.get("input") or ""
                text = text if isinstance(text, str) else "".join(text)
                own = cell.get("id") or (cell.get("metadata") or {}).get("id") or ""
                found.append(Cell(str(own), text))
        return found
    except Unreadable:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
    ) as error:
        raise Unreadable("This is not a notebook: it could not be read.") from error


@cache
def released(module):
    """The cells of the course's own notebook of a module ("01"), and the exercise cells by id."""
    (path,) = sorted((COURSE / "notebooks").glob(f"{module}_*.ipynb"))
    return read(path)


@cache
def pieces(module):
    """The course's cells, cut wherever functions and imports end and other statements begin.

    A function that an answer needs comes without the training that stands in the same cell.
    """
    harmless = *_MADE, ast.Import, ast.ImportFrom
    found = []
    for cell in released(module):
        groups = itertools.groupby(cell.tree.body, lambda node: isinstance(node, harmless))
        found += [Cell(cell.id, "\n".join(map(ast.unparse, nodes))) for _, nodes in groups]
    return found


def module_of(path, cells):
    """The module ("01") of a submission: by its exercise cells, else by the file's name."""
    counts = {}
    for module in sorted(p.name[:2] for p in (COURSE / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        own = {c.id for c in released(module)}
        texts = {c.plain for c in released(module)}
        counts[module] = sum((c.id in own) + (c.plain in texts) for c in cells)
        named = [id for c in cells for id, _ in CHECK.findall(c.text)]
        counts[module] += 2 * sum(id.startswith(f"{int(module)}.") for id in named)
    best = max(counts, key=counts.get)
    if counts[best] > 3:
        return best
    named = re.match(r"(\d\d)_", path.name)
    if named and named[1] in counts and any(c.binds for c in cells):
        return named[1]
    raise Unreadable("No exercise of the course stands in this notebook.")


@dataclass(eq=False)
class Answer:
    """What a learner wrote for one exercise: the cells to be run, and the name of the answer.

    status : "" where there is an answer to be judged, else "not_started", "missing", "wrong_form"
    """

    name: str
    cells: list
    status: str = ""
    says: str = ""


def answer(exercise, cells):
    """The learner's answer to an exercise, by the cell's id, by its name, and by its content."""
    id = "ex-" + exercise.id.replace(".", "-")
    course = released(f"{int(exercise.id.split('.')[0]):02}")
    given = next((c for c in course if c.id == id), None)
    stub = given.plain if given else None
    texts = {c.plain for c in course if c is not given}
    own = [c for c in cells if c.plain not in texts]
    name = exercise.name
    found = [c for c in own if c.defines(name)]
    if all(c.plain == stub for c in found):  # it may have another name now
        for other in _other_names(exercise, cells):
            renamed = [c for c in own if c.defines(other) and c.plain != stub]
            if renamed:
                name, found = other, renamed
                break
    in_place = [c for c in cells if c.id == id]
    if all(c.plain == stub for c in found):
        alone = [c for c in in_place if c.plain != stub and not c.error]
        for c in alone:
            defined = [n for n, node in c.binds.items() if isinstance(node, _MADE)]
            if len(defined) == 1:
                name, found = defined[0], [c]
    written = [c for c in found if c.plain != stub]
    if not written:
        broken = [c for c in own if c.error and (c.id == id or _mentions(c.text, name))]
        if broken:
            says = f"The cell cannot be run: {broken[-1].error}"
            return Answer(name, broken, "wrong_form", says)
        if found or in_place:
            return Answer(name, found, "not_started", "The cell is as it was given.")
        return Answer(name, [], "missing", "The exercise's cell is not in the notebook.")
    changes = [c for c in own if c not in written and _hangs_on(c, name)]
    return Answer(name, [*_chosen(written, name), *changes])


def _chosen(written, name):
    """Of several cells that define the answer, the last that holds one: an own id decides nothing.

    What a learner tried in a copy is later in the notebook than the cell that was copied. An import
    of the course's function for a later exercise takes no answer away.
    """
    full = [c for c in written if not _is_stub(c)]
    made = [c for c in full if not isinstance(c.binds[name], (ast.Import, ast.ImportFrom))]
    return (made or full or written)[-1:]


def _is_stub(cell):
    """Whether all that a cell defines does nothing."""
    bodies = [n.body for n in ast.walk(cell.tree) if isinstance(n, ast.FunctionDef)]
    return bool(bodies) and all(
        all(
            isinstance(s, ast.Pass)
            or (
                isinstance(s, (ast.Expr, ast.Return))
                and (s.value is None or isinstance(s.value, ast.Constant))
            )
            for s in body
        )
        for body in bodies
    )


def _hangs_on(cell, name):
    """Whether a cell hangs something on what the name holds: a class in two halves."""
    return any(
        getattr(target.value, "id", "") == name
        for node in (cell.tree.body if cell.tree else ())
        for target in (node.targets if isinstance(node, ast.Assign) else ())
        if isinstance(target, (ast.Attribute, ast.Subscript))
    )


def _other_names(exercise, cells):
    """Names under which the learner's check cell hands the answer in."""
    for cell in cells:
        for id, name in CHECK.findall(cell.text):
            if id == exercise.id and name != exercise.name:
                yield name


def _mentions(text, name):
    return re.search(
        rf"^[ \t]*((def|class)[ \t]+{re.escape(name)}\b|{re.escape(name)}[ \t]*=)", text, re.M
    )


def is_own(answer):
    """Whether the answer is written in the cell, and not another name of something of a library."""
    for cell in answer.cells:
        node = cell.binds.get(answer.name)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return False
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Attribute, ast.Name)):
            value = node.value
            if isinstance(value, ast.Attribute):
                return False
            bound = cell.binds.get(value.id)
            return isinstance(bound, (*_MADE, ast.Assign))
    return True


def prelude(module, answer, cells, done):
    """The other cells that an answer needs, in order: the course's as released, and the learner's.

    done : cells that have been run. A name is taken from the course where the course has it, unless
    the learner has given it to a function of their own between the course's cell and the answer.
    """
    course = pieces(module)
    place = len(course)
    for i, cell in enumerate(course):
        if cell.id.startswith("ex-") and cell.defines(answer.name):
            place = i
    texts = {c.plain for c in released(module)}
    extra = [c for c in cells if c.plain not in texts and c.tree and c not in answer.cells]
    at = {c: k for k, c in enumerate(cells)}  # in the learner's notebook
    end, by_text = at[answer.cells[0]], {c.plain: at[c] for c in cells}
    given = {c.id: by_text.get(c.plain, -1) for c in released(module)}
    chosen, open_names = {}, set()
    for cell in answer.cells:
        open_names |= {(name, place) for name in cell.needs}
    seen = set()
    while open_names:
        name, before = open_names.pop()
        if (name, before) in seen:
            continue
        seen.add((name, before))
        i = next((i for i in reversed(range(before)) if name in course[i].binds), None)
        if i is not None and course[i].id.startswith(("ex-", "check-")):
            continue  # the exercises are run in their own order
        # the name is from the learner's last cell above the answer, else from the first below
        own = [c for c in extra if c.defines(name)]
        own = [c for c in own if at[c] < end][-1:] or own[:1]
        hidden = i is not None and any(
            given[course[i].id] < at[c] < end and isinstance(c.binds[name], _MADE) for c in own
        )
        if i is not None and not hidden:
            later = enumerate(course[i + 1 : before], start=i + 1)
            wanted = [(i, course[i]), *((k, c) for k, c in later if _trains(c, name))]
        else:
            if own:  # what is put into it further down comes along
                own += [c for c in extra if at[own[0]] < at[c] < end and _hangs_on(c, name)]
            else:  # perhaps it is one of `from math import *`
                own = [c for c in extra if c.defines("*")]
            wanted = [(len(course) + extra.index(c), c) for c in own]
        for k, cell in wanted:
            if cell not in done:
                chosen[k] = cell
            open_names |= {(n, min(k, len(course))) for n in cell.needs}
    return [chosen[k] for k in sorted(chosen)]


def _trains(cell, name):
    """Whether a cell of the course changes what a name holds, as `fit(model, ...)` does."""
    if not cell.tree or name not in cell.needs or name in cell.binds:
        return False
    for node in ast.walk(cell.tree):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            given = {getattr(a, "id", "") for a in node.args}
            if called.startswith(("fit", "train")) and name in given:
                return True
    return False


def submissions(folder):
    """{learner: [paths]} of the notebooks below a folder, flat or a folder each.

    Hidden files and the system's own, as macOS packs into archives, are not submissions.
    A learner's folder without a notebook stands for itself: it is seen that nothing came.
    """
    folder = Path(folder)
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if any(map(_hidden, inside)) or path.is_symlink():
            continue
        if NOTEBOOK.search(path.name) and path.is_file():
            learner = inside[0] if inside[1:] else _learner(NOTEBOOK.sub("", path.name))
            found.setdefault(learner, []).append(path)
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not _hidden(path.name):
            found.setdefault(path.name, [path])
    return found


def _hidden(name):
    return name.startswith(".") or name in SYSTEM


def _learner(stem):
    """In a flat folder the name is what stands beside the notebook's: 01_autoencoder_basics_ana."""
    for path in sorted((COURSE / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        if path.stem in stem and stem != path.stem:
            return stem.replace(path.stem, "").strip(" _-.") or stem
    return re.sub(r"^\d\d_", "", stem)
