"""The process in the sandbox: runs the learner's cells, and carries out the grader's calls.

It knows no expected value and makes no verdict: whatever a submission does to this process, it
changes no more than its own answers.
"""

import ast
import asyncio
import builtins
import inspect
import linecache
import marshal
import os
import socket
import sys
import traceback
import types
import warnings
from contextlib import contextmanager
from unittest.mock import patch

import helpers  # noqa: F401  before torch: sets how its threads wait

# isort: split
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from helpers.grading import peer as peer_module
from helpers.grading.peer import LAYERS, Peer, data_of, encoded, is_data, news, parts_of
from helpers.grading.wire import Channel, Lost, Writer

NAMES = {"F": F, "np": np, "nn": nn, "torch": torch}
HASH = builtins.hash


class Inside(Peer):
    """The learner's names, and the objects that the grader has stand-ins for."""

    def __init__(self, channel):
        super().__init__(channel)
        self.names = {"__name__": "__main__", "display": lambda *_, **__: None}
        self.names["get_ipython"] = lambda: None
        self.objects, self.known, self.places, self.made = {}, {}, {}, 0
        self.here = {}  # id of a function of the grader's -> the same here

    # --- values of both sides -------------------------------------------------------------------

    def export(self, x, writer):
        """How an object that is no data is written: by a number, and what can be said of it."""
        if place := self.places.get(id(x)):
            root, path = place
            return ["m", root, path]
        number = self._number(x)
        if isinstance(x, nn.Module):
            self.known[number] = parts = parts_of(x)
            return ["M", number, writer.write(parts), _methods(type(x))]
        if isinstance(x, type):
            return ["C", number, x.__name__, issubclass(x, nn.Module), _methods(x), _signature(x)]
        if isinstance(x, types.FunctionType) or (callable(x) and not is_instance_of_learner(x)):
            return ["Q", number, getattr(x, "__name__", "function"), _signature(x)]
        return ["O", number, type(x).__name__, writer.write(data_of(x)), _methods(type(x))]

    def _number(self, x):
        self.made += 1
        number = self.made
        self.objects[number] = x
        self._register(number)
        return number

    def _register(self, number):
        x = self.objects[number]
        self.places[id(x)] = number, ""
        if isinstance(x, nn.Module):
            for path, part in x.named_modules():
                self.places.setdefault(id(part), (number, path))

    def adopt(self, node, reader=None):
        match node:
            case ["m", root, path]:
                return self.objects[root].get_submodule(path) if path else self.objects[root]
            case ["b", root, path, name]:
                return getattr(self.adopt(["m", root, path]), name)
            case ["q", number, name]:  # a function of the grader's that stays there
                return self.here.setdefault(number, given_function(self, number, name))
            case ["torch", name]:
                return getattr(F, name)
            case ["code", data]:  # a plain function of the grader's, by its code
                code = marshal.loads(bytes.fromhex(data))
                return types.FunctionType(code, NAMES | {"__builtins__": builtins}, code.co_name)
            case ["M", number, sources, parts]:
                return self._migrated(number, sources, reader.read(parts))
        raise Lost(f"an unknown node {node[0]!r}")

    def _migrated(self, number, sources, parts):
        """A module of the grader's that lives here from now on."""
        made = {}
        for path, said in parts.items():
            if path in sources:
                space = dict(NAMES, math=__import__("math"))
                text, name = sources[path]
                exec(text, space)
                cls = space[name]
                try:
                    part = cls()
                except TypeError:
                    part = cls.__new__(cls)
                    nn.Module.__init__(part)
            else:
                part = LAYERS[said["layer"]].__new__(LAYERS[said["layer"]])
                nn.Module.__init__(part)
            made[path] = part
            if path:
                above, _, name = path.rpartition(".")
                made[above]._modules[name] = part
        root = made[""]
        peer_module.renew(root, parts)
        self.objects[number] = root
        self._register(number)
        self.known[number] = parts_of(root)
        return root

    # --- what the grader asks for ---------------------------------------------------------------

    def perform(self, message, reader, writer):
        op = message["op"]
        if op == "cell":
            return self._cell(message["text"], message["name"])
        if op == "look":
            missing = message["name"] not in self.names
            value = None if missing else self.names[message["name"]]
            return {"missing": missing, "value": writer.write(value)}
        if op == "hand":
            return self._hand(message["module"], message["text"], message["name"], message["bind"])
        if op == "forget":
            for held in (self.calls, self.objects, self.known, self.places, self.here):
                held.clear()
            return {}
        if op == "mode":
            self._sync(reader, message)
            self.adopt(["m", *message["to"]]).train(*reader.read(message["args"]))
            return {"sync": self._news({message["to"][0]}, writer)}
        return self._call(message, reader, writer)

    def _call(self, message, reader, writer):
        self._sync(reader, message)
        peer_module.adopt_session(reader.read(message["session"]))
        args, kwargs = reader.read(message["args"]), reader.read(message["kwargs"])
        roots = set(message["roots"])
        leaves = [*reader.leaves]
        for root, name in message["through"]:
            leaves.append(self.objects[root].get_parameter(name))
        number, path = message["to"]
        target = self.objects[number]
        target = target.get_submodule(path) if path else target
        name = message["method"]
        f = target if name == "__call__" else getattr(target, name)
        before = encoded([args, kwargs])
        events = []
        with (
            warnings.catch_warnings(record=True) as heard,
            watched(self.objects, message["watch"], events),
            salted(message["salted"]),
        ):
            warnings.simplefilter("always")
            value = f(*args, **kwargs)
        answer = {"value": writer.write(value)}
        answer["number"] = self.keep(writer, leaves)
        answer["session"] = writer.write(peer_module.session())
        answer["warnings"] = [[w.category.__name__, str(w.message)] for w in heard[:20]]
        after = encoded([args, kwargs])
        if after != before:
            answer["edits"] = writer.write(detached([only_data(args), only_data(kwargs)]))
        answer["events"] = [[*e[:2], writer.write(e[2]), writer.write(e[3])] for e in events]
        answer["sync"] = self._news(roots, writer)
        return answer

    def _sync(self, reader, message):
        """Take over what the grader did to its stand-ins since the last call."""
        for root, said in reader.read(message["sync"]):
            x = self.objects[root]
            if isinstance(x, nn.Module):
                peer_module.renew(x, said)
                self.known[root] = parts_of(x)
            else:
                x.__dict__.update(said)

    def _news(self, roots, writer):
        found = []
        for root in roots:
            x = self.objects[root]
            if isinstance(x, nn.Module):
                now = parts_of(x)
                if fresh := news(now, self.known.get(root, {})):
                    whole = now.keys() != self.known.get(root, {}).keys()
                    self.known[root] = now
                    self._register(root)
                    found.append([root, writer.write(fresh), whole])
            elif not isinstance(x, type) and not isinstance(x, types.FunctionType):
                found.append([root, writer.write(data_of(x)), False])
        return found

    def _cell(self, text, name):
        """Run a cell as a notebook does. What it prints goes nowhere."""
        file = f"<cell {name}>"
        linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
        try:
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            waits = eval(compile(text, file, "exec", flags), self.names)
            if inspect.iscoroutine(waits):
                asyncio.run(waits)
        except SystemExit as error:
            raise RuntimeError(f"the cell called exit ({error})") from None
        return {"value": ["c", None]}

    def _hand(self, module, text, name, bind):
        """The course's own answer, after the verdict: as the notebook goes on with it."""
        if module:
            home = __import__(module, fromlist=["_"])
            stub = getattr(home, name)
            exec(compile(text, f"<{module}>", "exec"), vars(home))
            new = getattr(home, name)
            for other in [m for n, m in sys.modules.items() if n.startswith("helpers")]:
                for key, value in list(vars(other).items()):
                    if value is stub:
                        setattr(other, key, new)
        else:
            exec(compile(text, f"<{name}>", "exec"), self.names)
            new = self.names[name]
        for key, value in list(self.names.items()):
            if module and value is stub:
                self.names[key] = new
        if bind:
            self.names[name] = new
        return {"value": ["c", None]}

    def failure(self, error):
        kind = next((c.__name__ for c in type(error).__mro__ if _known(c)), "Exception")
        frames = [
            f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<cell")
        ]
        where = [frames[-1].lineno, (frames[-1].line or "").strip()] if frames else None
        return {"error": [type(error).__name__, str(error), kind, where]}

    def serve(self, message, block):
        try:
            super().serve(message, block)
        except Refused:
            self.channel.send({"error": ["ReferenceCalled", "", "ReferenceCalled", None]}, [])
        except (SystemExit, KeyboardInterrupt) as error:
            said = self.failure(error)
            said["error"][2] = type(error).__name__
            self.channel.send(said, [])


class Refused(BaseException):
    """A stub that stands where the course's own answer was has been called."""


builtins._grading_refused = Refused  # what the stubs raise


def _known(cls):
    linalg = cls in (np.linalg.LinAlgError, torch.linalg.LinAlgError)
    return getattr(builtins, cls.__name__, None) is cls or linalg


def is_instance_of_learner(x):
    """Whether x is an object of a class of the notebook, rather than a function in disguise."""
    return type(x).__module__ == "__main__"


def _methods(cls):
    """[name, signature] of the methods that a class defines, torch's and object's own aside."""
    found = {}
    for c in cls.__mro__:
        if c is object or c.__module__.partition(".")[0] == "torch":
            continue
        for name, f in vars(c).items():
            if isinstance(f, types.FunctionType) and (not name.startswith("__")):
                found.setdefault(name, _signature(f))
    return [[name, signature] for name, signature in found.items()]


def _signature(f):
    """[name, kind, default] of each parameter, or None where it cannot be read."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return None
    return [[p.name, int(p.kind), _default(p)] for p in parameters]


def _default(p):
    if p.default is p.empty:
        return ["none"]
    if is_data(p.default) and not isinstance(p.default, (np.ndarray, torch.Tensor)):
        return ["data", Writer(lambda *_: ["c", None]).write(p.default)]
    return ["other", getattr(p.default, "__name__", "")]


def given_function(peer, number, name):
    """A function here that calls one of the grader's."""

    def call(*args, **kwargs):
        answer, reader = peer.ask({"op": "back", "to": number}, args=args, kwargs=kwargs)
        if "error" in answer:
            kind = getattr(builtins, answer["error"][0], RuntimeError)
            kind = kind if isinstance(kind, type) and issubclass(kind, Exception) else RuntimeError
            raise kind(answer["error"][1])
        return reader.read_all(answer["value"])

    call.__name__ = name
    return call


def detached(x):
    if isinstance(x, torch.Tensor):
        return x.detach()
    if isinstance(x, (list, tuple)):
        return type(x)(detached(part) for part in x)
    if isinstance(x, dict):
        return {name: detached(part) for name, part in x.items()}
    return x


def only_data(x):
    if isinstance(x, (list, tuple)):
        return type(x)(only_data(part) for part in x)
    if isinstance(x, dict):
        return {name: only_data(part) for name, part in x.items()}
    return x if is_data(x) else None


@contextmanager
def salted(on):
    """`hash` of text as another session would salt it, where the grader asks for that."""

    def after(x):
        return HASH((HASH(x), 77)) if holds_text(x) else HASH(x)

    def holds_text(x):
        return isinstance(x, (str, bytes)) or (isinstance(x, tuple) and any(map(holds_text, x)))

    if not on:
        yield
        return
    with patch.object(builtins, "hash", after):
        yield


@contextmanager
def watched(objects, places, events):
    """Note what enters and leaves these layers: [root, path], as the grader's hooks want it."""
    handles = []
    for root, path in places:

        def note(layer, given, made, place=(root, path)):
            made = made.detach().clone() if isinstance(made, torch.Tensor) else None
            given = tuple(x.detach().clone() for x in given if isinstance(x, torch.Tensor))
            events.append([*place, given, made])

        layer = objects[root].get_submodule(path) if path else objects[root]
        handles.append(layer.register_forward_hook(note))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def limit(memory):
    """What the kernel of the operating system holds this process to, whatever it runs."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    for what, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, 256 * 2**20),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(what, (most, most))
        except (ValueError, OSError):
            continue  # a lower one holds already; macOS knows no limit of data


def main():
    number, memory = int(sys.argv[1]), int(sys.argv[2])
    limit(memory)
    torch.set_num_threads(1)
    end = socket.socket(fileno=number)
    end.set_inheritable(False)
    channel = Channel(end)
    inside = Inside(channel)
    main_names = vars(sys.modules["__main__"])
    main_names.clear()
    main_names.update(inside.names, __builtins__=builtins)
    inside.names = main_names
    sys.argv[:] = [""]
    channel.send({"ready": os.getpid()}, [])
    while True:
        try:
            inside.serve(*channel.receive())
        except Lost:
            os._exit(0)
