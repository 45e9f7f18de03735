"""What can be read off the code of an answer: who raised, whether it is a stub, or as given."""

import traceback
import types

from helpers.checks.watch import functions_of


def explain(error, candidate):
    """The error and the learner's line that raised it, in one sentence."""
    message = str(error).splitlines()[0] if str(error) else ""
    says = f"It stopped with {type(error).__name__}: {message}"
    if hasattr(error, "line_of_cell"):  # it was raised in another process
        where = error.line_of_cell
        return says + (" (line {} of your cell: `{}`)".format(*where) if where else "")
    own_file = code_file(candidate)
    own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == own_file]
    if own and (line := (own[-1].line or "").strip()):
        says += f" (line {own[-1].lineno} of your cell: `{line}`)"
    return says


def code_file(candidate):
    """The file, or the notebook cell, that holds the candidate's code."""
    return next((f.__code__.co_filename for f in functions_of(candidate)), None)


def same_code(a, b):
    """Whether two functions or classes are compiled from the same text, comments aside."""
    return type(a) is type(b) and texture(a) == texture(b)


def texture(x):
    """What a function or a class consists of, with the private functions of its cell."""
    found = {}
    for f in functions_of(x):
        found[f.__name__] = bare(f.__code__)
        for name in f.__code__.co_names:
            if name.startswith("_") and isinstance(
                own := f.__globals__.get(name), types.FunctionType
            ):
                found[name] = bare(own.__code__)
    return found


def bare(code):
    """The instructions of a code object, and what they name."""
    held = [bare(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, held


def _bytecode(body):
    namespace = {}
    exec(f"def f(): {body}", namespace)
    return namespace["f"].__code__.co_code


# Of functions that do nothing, by whichever Python runs; a docstring moves the other constants.
STUBS = {
    _bytecode(body)
    for body in ("...", "return ...", '"Text."', '"Text."; return ...', '"Text."; return None')
}


def is_stub(function):
    """Whether a function's body is only a docstring, `...`, `pass`, or the return of these."""
    code = function.__code__
    return code.co_code in STUBS and set(code.co_consts) <= {None, ..., function.__doc__}
