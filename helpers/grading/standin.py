"""The grader's side: stand-ins for what a submission defines, which the probes use like the thing.

A call of a stand-in is sent into the sandbox, with this session's random numbers and settings, and
gives back what came out: numbers, arrays, tensors that know their gradient, and stand-ins again. A
network's stand-in is an nn.Module whose parameters are the sandbox's, brought up to date with each
call, in both directions. A network that a probe hands in moves into the sandbox, and what the probe
holds becomes its stand-in.
"""

import builtins
import dis
import functools
import inspect
import marshal
import textwrap
import types
import warnings

import numpy as np
import torch
from torch import nn

from helpers.checks.watch import ReferenceCalled
from helpers.grading import peer as peer_module
from helpers.grading.peer import LAYERS, Peer, news, parts_of, put, renew
from helpers.grading.wire import Lost, Reader

PLAIN = {"F", "math", "nn", "np", "torch"} | set(dir(builtins))  # what code that is sent may name
HASH = builtins.hash


class Grader(Peer):
    """The grader's end: makes stand-ins, and serves the functions that a probe hands in."""

    def __init__(self, channel):
        super().__init__(channel)
        self.roots, self.known = {}, {}  # stand-ins by number, and what the sandbox knows of them
        self.given, self.moved = {}, 0
        self.reference = None  # of the exercise that is judged: its defaults are compared
        self.log = None  # a list, where the calls of the candidate are to be noted

    def __deepcopy__(self, memo):
        return self  # a copy of a stand-in stands for the same original

    # --- values of both sides -------------------------------------------------------------------

    def export(self, x, writer):
        if isinstance(x, types.MethodType) and isinstance(x.__self__, nn.Module):
            self._ensure(x.__self__, writer)
            return ["b", *x.__self__._grading_place, x.__name__]
        if place := getattr(x, "_grading_place", None):
            return ["m", *place]
        if isinstance(x, nn.Module):
            return self._ensure(x, writer)
        name = getattr(x, "__name__", "")
        if getattr(torch.nn.functional, name, None) is x:
            return ["torch", name]
        if isinstance(x, types.FunctionType) and _is_plain(x):
            return ["code", marshal.dumps(x.__code__).hex()]
        if callable(x):
            number = next((n for n, f in self.given.items() if f is x), len(self.given) + 1)
            self.given[number] = x
            return ["q", number, name or "function"]
        raise TypeError(f"{type(x).__name__} cannot be sent into the sandbox")

    def _ensure(self, module, writer):
        """Move a module of the probe's into the sandbox, unless it is there."""
        if place := getattr(module, "_grading_place", None):
            return ["m", *place]
        self.moved -= 1
        number, sources = self.moved, {}
        for path, part in module.named_modules():
            if LAYERS.get(type(part).__name__) is not type(part):
                sources[path] = [
                    textwrap.dedent(inspect.getsource(type(part))),
                    type(part).__name__,
                ]
        parts = parts_of(module)
        self._adopt_parts(module, number)
        self.known[number] = parts
        return ["M", number, sources, writer.write(parts)]

    def _adopt_parts(self, root, number):
        """Make every part of a module a stand-in for the part of the same path over there."""
        self.roots[number] = root
        for path, part in root.named_modules():
            if not isinstance(part, StandIn):
                part.__class__ = _mixed(type(part))
            part.__dict__["_grading"], part.__dict__["_grading_place"] = self, (number, path)

    def adopt(self, node, reader):
        match node:
            case ["m", root, path]:
                x = self.roots[root]
                return x.get_submodule(path) if path else x
            case ["M", number, parts, methods]:
                said = reader.read(parts)
                module = _bare(said[""])
                self.settle(module, number, said, methods)
                return module
            case ["C", number, name, is_module, methods, signature]:
                return self._class(number, str(name), is_module, methods, signature)
            case ["Q", number, name, signature]:
                return self._function(number, "__call__", str(name), signature)
            case ["O", number, name, data, methods]:
                x = self._class(number, str(name), False, methods, None, made=True)()
                x.__dict__.update(reader.read(data))
                x.__dict__["_grading_place"] = number, ""
                self.roots[number] = x
                return x
        raise Lost("it sent nonsense")

    def settle(self, module, number, parts, methods):
        """Give a new stand-in of a network the parts that its original has."""
        renew(module, parts, make=_bare)
        self._adopt_parts(module, number)
        module.__dict__["_grading_methods"] = [m[0] for m in methods]
        self.known[number] = parts_of(module)

    # --- calls ------------------------------------------------------------------------------------

    def invoke(self, place, method, args, kwargs):
        """Call something in the sandbox: (root, path) and the name of a method."""
        if self.log is not None and method == "__call__" and place[0] not in self.roots:
            self.log.append((args, kwargs))
        involved = {place[0]} | {n for x in (*args, *kwargs.values()) for n in _roots_in(x)}
        involved &= self.roots.keys()
        for x in (*args, *kwargs.values()):
            if isinstance(x, nn.Module) and not isinstance(x, StandIn):
                involved.add(self.moved - 1)  # its number, once it is written
        through, extra = [], []
        for root in sorted(involved & self.roots.keys()):
            if isinstance(self.roots[root], nn.Module):
                for name, p in self.roots[root].named_parameters():
                    if p.requires_grad and torch.is_grad_enabled():
                        through.append([root, name])
                        extra.append(p)
        message = {
            "op": "call",
            "to": list(place),
            "method": method,
            "through": through,
            "roots": sorted(involved),
            "watch": self._hooked(),
            "salted": builtins.hash is not HASH,
        }
        values = {"args": list(args), "kwargs": kwargs, "session": peer_module.session()}
        answer, reader = self.ask(message, extra, sync=self._fresh(involved), **values)
        return self._taken(answer, reader, [list(args), kwargs])

    def mode(self, place, mode):
        """`train(mode)` of a part, as the original does it."""
        message = {"op": "mode", "to": list(place)}
        answer, reader = self.ask(message, sync=self._fresh({place[0]}), args=[mode])
        self._taken(answer, reader, [[], {}])

    def forget(self):
        """Let go of all stand-ins of an exercise, and of what they stand for."""
        super().ask({"op": "forget"})
        self.calls.clear(), self.roots.clear(), self.known.clear(), self.given.clear()

    def _fresh(self, roots):
        """What was done to these stand-ins since the sandbox was told last."""
        found = []
        for root in sorted(roots & self.roots.keys()):
            x = self.roots[root]
            if isinstance(x, nn.Module):
                now = parts_of(x)
                for path, part in now.items():  # the sandbox counts its own hooks
                    part["hooks"] = self.known[root].get(path, part)["hooks"]
                if fresh := news(now, self.known[root]):
                    self.known[root] = now
                    found.append((root, fresh))
        return found

    def _hooked(self):
        """Parts on which the probe itself has hooks: the sandbox is to tell what passes there."""
        return [
            list(part._grading_place)
            for root in self.roots.values()
            if isinstance(root, nn.Module)
            for part in root.modules()
            if any(
                h is not _nothing
                for h in (*part._forward_hooks.values(), *part._forward_pre_hooks.values())
            )
        ]

    def _taken(self, answer, reader, given):
        """The value of an answer, after what it says of session, stand-ins and arguments."""
        if "error" in answer:
            raise _error(answer["error"])
        try:
            return self._take(answer, reader, given)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise Lost(f"it sent nonsense ({error})") from error

    def _take(self, answer, reader, given):
        if "value" in answer:
            value = reader.read_all(answer["value"])
        for root, node, whole in answer.get("sync", ()):
            x, said = self.roots[root], reader.read(node)
            if isinstance(x, nn.Module):
                renew(x, said, make=_bare if whole else None)
                self._adopt_parts(x, root)
                _count_hooks(x, said)
                self.known[root] = parts_of(x)
            else:
                x.__dict__.update({n: v for n, v in said.items() if not n.startswith("_grading")})
        if "session" in answer:
            peer_module.adopt_session(reader.read(answer["session"]))
        if "edits" in answer:
            for old, new in zip(given, reader.read(answer["edits"]), strict=True):
                _put_data(old, new)
        for root, path, inputs, made in answer.get("events", ()):
            part = self.roots[root].get_submodule(path)
            inputs, made = reader.read(inputs), reader.read(made)
            for hook in list(part._forward_pre_hooks.values()):
                hook(part, inputs)
            for hook in list(part._forward_hooks.values()):
                hook(part, inputs, made)
        for kind, text in answer.get("warnings", ()):
            kind = getattr(builtins, kind, UserWarning)
            is_one = isinstance(kind, type) and issubclass(kind, Warning)
            warnings.warn(str(text), kind if is_one else UserWarning, stacklevel=4)
        return value if "value" in answer else None

    def perform(self, message, reader, writer):
        """The one thing that the sandbox may ask for: a call of a function that it was given."""
        if message.get("op") != "back" or message.get("to") not in self.given:
            raise Lost("it asked for what it was not given")
        args, kwargs = reader.read(message["args"]), reader.read(message["kwargs"])
        value = self.given[message["to"]](*args, **kwargs)
        answer = {"value": writer.write(value)}
        answer["number"] = self.keep(writer, reader.leaves)
        return answer

    # --- stand-ins for functions and classes ------------------------------------------------------

    def _function(self, number, method, name, signature):
        def standin(*args, **kwargs):
            return self.invoke((number, ""), method, args, kwargs)

        standin.__name__ = standin.__qualname__ = name
        standin.__signature__ = self._signature(signature)
        return standin

    def _class(self, number, name, is_module, methods, signature, made=False):
        grader = self

        def __init__(x, *args, **kwargs):
            grader._new(x, number, args, kwargs, is_module)

        members = {"_grading": self, "__signature__": self._signature(signature)}
        if not made:
            members["__init__"] = __init__
        for method, own in methods:
            members[method] = self._method(str(method), own)
        if is_module:
            members.pop("train", None)
        return type(name, (StandIn, nn.Module) if is_module else (Thing,), members)

    def _method(self, name, signature):
        def method(x, *args, **kwargs):
            called = "__call__" if name == "forward" else name
            return x._grading.invoke(x._grading_place, called, args, kwargs)

        method.__name__ = name
        return method

    def _new(self, x, number, args, kwargs, is_module):
        """Make the original of a new stand-in x, in the sandbox."""
        if is_module:
            nn.Module.__init__(x)
        message = {
            "op": "call",
            "to": [number, ""],
            "method": "__call__",
            "through": [],
            "roots": [],
        }
        message |= {"watch": [], "salted": builtins.hash is not HASH}
        values = {"args": list(args), "kwargs": kwargs, "session": peer_module.session()}
        answer, reader = self.ask(message, sync=[], **values)
        node = answer.pop("value", None)
        self._taken(answer, reader, [list(args), kwargs])
        match node:
            case ["M", root, parts, own] if is_module:
                self.settle(x, root, reader.read(parts), own)
            case ["O", root, _, data, _] if not is_module:
                x.__dict__.update(reader.read(data))
                x.__dict__["_grading_place"] = root, ""
                self.roots[root] = x
            case _:
                raise Lost("it sent nonsense")

    def _signature(self, said):
        """A signature as inspect gives it, or one of anything."""
        anything = inspect.Signature([inspect.Parameter("args", 2), inspect.Parameter("kwargs", 4)])
        if said is None:
            return anything
        try:
            return inspect.Signature(
                [inspect.Parameter(n, kind, default=self._default(n, d)) for n, kind, d in said]
            )
        except (KeyError, TypeError, ValueError):
            return anything

    def _default(self, name, said):
        match said:
            case ["data", node]:
                return Reader(b"", self.adopt).read(node)
            case ["other", called]:
                known = inspect.signature(self.reference).parameters if self.reference else {}
                same = name in known and getattr(known[name].default, "__name__", "") == called
                return known[name].default if same else called
        return inspect.Parameter.empty


class Thing:
    """A stand-in for an object that is no network."""


class StandIn:
    """A stand-in for a network, or a part of one. Comes before nn.Module among the bases."""

    def forward(self, *args, **kwargs):
        return self._grading.invoke(self._grading_place, "__call__", args, kwargs)

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)  # the hooks of both sides are run with the answer

    def train(self, mode=True):
        self._grading.mode(self._grading_place, mode)
        return self

    def _method_of(self, name, *args, **kwargs):
        return self._grading.invoke(self._grading_place, name, args, kwargs)

    def __getattr__(self, name):
        if name in self.__dict__.get("_grading_methods", ()):
            return functools.partial(self._method_of, name)
        return super().__getattr__(name)


@functools.cache
def _mixed(cls):
    """The class of a stand-in for a part of this class."""
    return type(cls.__name__, (StandIn, cls), {"forward": StandIn.forward, "_grading_own": cls})


def _bare(said):
    """A new stand-in, without parameters, for a part of which this is said."""
    cls = _mixed(LAYERS.get(said["layer"], nn.Module))
    part = cls.__new__(cls)
    nn.Module.__init__(part)
    return part


def _is_plain(f):
    """Whether a function's code alone tells what it does."""
    return f.__closure__ is None and not f.__defaults__ and set(_globals(f.__code__)) <= PLAIN


def _globals(code):
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _globals(part)


def _roots_in(x):
    if place := getattr(x, "_grading_place", None):
        yield place[0]
    if isinstance(x, types.MethodType):
        yield from _roots_in(x.__self__)
    if isinstance(x, (list, tuple)):
        for part in x:
            yield from _roots_in(part)


def _put_data(old, new):
    """As put, for lists and dicts of arguments: only arrays, tensors and what lists hold."""
    if isinstance(old, dict):
        old, new = list(old.values()), [new.get(name) for name in old]
    pairs = zip(old, new, strict=True)
    for a, b in pairs:
        put(a, b)


def _nothing(*_):
    """Stands for a hook that the original has: probes count them."""


def _count_hooks(root, said):
    for path, part in said.items():
        hooks = root.get_submodule(path)._forward_hooks
        own = [key for key, hook in hooks.items() if hook is _nothing]
        for key in own:
            del hooks[key]
        hooks |= {f"over there {i}": _nothing for i in range(min(int(part["hooks"]), 100))}


class CellError(Exception):
    """An error of a kind that only the submission knows."""


def _error(said):
    """The exception that the submission raised, as one of this side."""
    name, text, kind, where = (said + [None] * 4)[:4]
    if kind == "ReferenceCalled":
        return ReferenceCalled()
    cls = SystemExit if kind == "SystemExit" else getattr(builtins, str(kind), None)
    if kind == "LinAlgError":
        cls = np.linalg.LinAlgError if "numpy" in str(text) else torch.linalg.LinAlgError
    if not (isinstance(cls, type) and issubclass(cls, (Exception, SystemExit))):
        cls = CellError
    if str(name) != cls.__name__ or cls in (KeyError, UnicodeDecodeError, UnicodeEncodeError):
        base = CellError if cls.__name__.startswith("Unicode") else cls
        cls = type(str(name), (base,), {"__str__": lambda error: str(error.args[0])})
    try:
        error = cls(str(text))
    except TypeError:
        error = CellError(str(text))
    error.line_of_cell = where if isinstance(where, list) and len(where) == 2 else None
    return error
