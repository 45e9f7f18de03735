"""Mutants of the references: each changes one or two places, whatever the exercise is about.

A probe is as good as the mutants that it rejects. From the command line, with the numbers of
exercises or without: python tests/checks/mutation.py [1.4 2.6 ...] prints those that pass.
"""

import ast
import copy
import inspect
import itertools
import pickle
import random
import signal
import sys
import time
from contextlib import contextmanager
from typing import NamedTuple

from helpers.checks import exercises, grade
from helpers.checks.exercise import NAMES, Exercise

OPERATORS = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.MatMult: (ast.Mult,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
AND = " && "  # between the two changes of a mutant of order 2; it cannot be code
SECONDS = 5  # for one mutant; an endless loop is rejected, too


class Change(NamedTuple):
    """One edit of a syntax tree: node number `place` of ast.walk is replaced by `new`."""

    place: int
    new: ast.AST
    what: str


def changes(tree):
    """All changes of a function or class, as {what it does: Change}."""
    found = {}
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in docstrings:
            continue
        for new in replacements(node):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                new, what = new
            else:
                what = f"{ast.unparse(node)} -> {ast.unparse(new)}"
            line = getattr(node, "lineno", 0)
            found.setdefault(f"line {line}: {what}", Change(place, new, what))
    return found


def replacements(node):
    """What may stand in the place of a node."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        for other in OPERATORS.get(type(node.op), ()):
            yield with_field(node, "op", other())
    if isinstance(node, ast.BoolOp):
        yield with_field(node, "op", OPERATORS[type(node.op)][0]())
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for other in OPERATORS.get(type(op), ()):
                yield with_field(node, "ops", [*node.ops[:i], other(), *node.ops[i + 1 :]])
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, (int, float)):
            yield from map(
                ast.Constant, {node.value + 1, node.value - 1, -node.value} - {node.value}
            )
        elif node.value is None:
            yield ast.Constant(0)
    if isinstance(node, ast.UnaryOp):
        yield node.operand
    if isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    if isinstance(node, ast.If):
        yield with_field(node, "test", ast.Constant(True))
        yield with_field(node, "test", ast.Constant(False))
    if isinstance(node, ast.Call):
        yield from calls(node)
    if isinstance(node, ast.Slice):
        for field in ("lower", "upper", "step"):
            if getattr(node, field):
                yield with_field(node, field, None)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield node.value
    if isinstance(node, ast.FunctionDef):
        yield from ignored_arguments(node)


def calls(node):
    """A call dropped, with two arguments swapped, or without one of those given by name."""
    if isinstance(node.func, ast.Attribute):
        yield node.func.value  # x.sum() -> x; np.sum(x) -> np, which fails at once
    if node.args:
        yield node.args[0]
    for i in range(len(node.args) - 1):
        swapped = list(node.args)
        swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
        yield with_field(node, "args", swapped)
    for keyword in node.keywords:
        yield with_field(node, "keywords", [k for k in node.keywords if k is not keyword])


def ignored_arguments(function):
    """The function with one argument blanked or taken for its default, or two exchanged."""
    arguments = function.args
    every = [*arguments.args, *arguments.kwonlyargs]
    names = [a.arg for a in every if a.arg != "self"]
    defaults = dict(
        zip(reversed([a.arg for a in arguments.args]), reversed(arguments.defaults), strict=False)
    ) | {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d}
    for name in names:
        blank = ast.BinOp(ast.Name(name, ast.Load()), ast.Mult(), ast.Constant(0))
        new = defaults.get(name, blank)
        yield renamed(function, {name: new}), f"{function.name} ignores {name}"
    for a, b in itertools.pairwise(names):
        swap = {a: ast.Name(b, ast.Load()), b: ast.Name(a, ast.Load())}
        yield renamed(function, swap), f"{function.name} exchanges {a} and {b}"


def renamed(function, new):
    """The function with other expressions in place of the names that its body reads."""

    class Rename(ast.NodeTransformer):
        def visit_Name(self, node):
            reads = isinstance(node.ctx, ast.Load) and node.id in new
            return copy.deepcopy(new[node.id]) if reads else node

    changed = copy.deepcopy(function)
    changed.body = [Rename().visit(statement) for statement in changed.body]
    return changed


def with_field(node, field, new):
    changed = copy.copy(node)
    setattr(changed, field, new)
    return changed


def apply(tree, *edits):
    """A copy of the tree with the nodes replaced."""
    tree = pickle.loads(pickle.dumps(tree))  # as copy.deepcopy, in a third of its time
    nodes = list(ast.walk(tree))
    new = {id(nodes[edit.place]): copy.deepcopy(edit.new) for edit in edits}

    class Replace(ast.NodeTransformer):
        def visit(self, node):
            return new.pop(id(node)) if id(node) in new else self.generic_visit(node)

    return ast.fix_missing_locations(Replace().visit(tree))


def apart(tree, a, b):
    """Whether neither of two nodes holds the other."""
    nodes = list(ast.walk(tree))
    a, b = nodes[a], nodes[b]
    return all(x is not b for x in ast.walk(a)) and all(x is not a for x in ast.walk(b))


def mutants(exercise, order=1, sample=None):
    """(name, candidate) of all mutants of order 1, or of a seeded sample of those of order 2."""
    reference = exercise.load_reference()
    tree = ast.parse(exercise.source())
    found = changes(tree)
    chosen = [(name,) for name in found]
    if order == 2:
        draw = random.Random(exercise.id)
        names = sorted(found)
        pairs = [tuple(sorted(draw.sample(names, 2))) for _ in range(sample)]
        # a change within another one would be lost
        within = {(a, b) for a, b in pairs if not apart(tree, found[a].place, found[b].place)}
        chosen = sorted(set(pairs) - within)
    for names in chosen:
        mutant = apply(tree, *(found[name] for name in names))
        namespace = NAMES | vars(inspect.getmodule(reference))
        try:
            exec(compile(mutant, "<mutant>", "exec"), namespace)
        except Exception:
            continue  # not even a function: nobody could hand it in
        yield AND.join(names), namespace[reference.__name__]


def survivors(exercise, order=1, sample=None):
    """(number of mutants, names of those that pass)."""
    tried, passed = 0, []
    for name, candidate in mutants(exercise, order, sample):
        tried += 1
        try:
            with limited(SECONDS):
                verdict = grade(exercise.id, candidate)
        except TimeoutError:
            continue
        if verdict.status not in ("wrong_form", "wrong_value", "wrong_behaviour"):
            passed.append(name if verdict.passed else f"{name} [{verdict.status}]")
    return tried, passed


class OutOfTime(BaseException):
    """Not an Exception, which the checker would take for the candidate's own."""


@contextmanager
def limited(seconds):
    """Raise TimeoutError when the seconds of processor time are over."""

    def stop(*_):
        raise OutOfTime

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    except OutOfTime:
        raise TimeoutError from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


if __name__ == "__main__":
    wanted = set(sys.argv[1:])
    for e in exercises():
        if not isinstance(e, Exercise) or (wanted and e.id not in wanted):
            continue
        for order, sample in ((1, None), (2, 60)):
            start = time.process_time()
            tried, passed = survivors(e, order, sample)
            took = time.process_time() - start
            print(f"{e.id} order {order}: {tried} mutants, {len(passed)} pass, {took:.0f} s")
            for name in passed:
                print(f"    {name}")
