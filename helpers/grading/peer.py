"""Calls from one process to the other, in both directions, with gradients through them."""

import json
import numbers

import numpy as np
import torch
from torch import nn

from helpers.grading.wire import Lost, Reader, Writer, bridged, gradients_of

DEPTH = 50  # of calls within calls


class Peer:
    """One end. `perform(message, reader)` carries out what the other end asks for."""

    def __init__(self, channel):
        self.channel = channel
        self.calls, self.count, self.depth = {}, 0, 0

    def ask(self, message, extra=(), **values):
        """Send a request and wait for its answer: (answer, reader). Serves requests meanwhile.

        values : data that go along, each written as message[name]
        extra : tensors of this side, beside those in the values, that want a gradient
        """
        writer = Writer(self.export)
        for name, x in values.items():
            message[name] = writer.write(x)
        leaves = [*writer.leaves, *extra] if torch.is_grad_enabled() else []
        self.channel.send(message, writer.blobs)
        while True:
            answer, block = self.channel.receive()
            if "op" not in answer:
                break
            self.serve(answer, block)
        number = answer.get("number")

        def backward(gradients):
            request = {"op": "backward", "number": number}
            given, reader = self.ask(request, gradients=list(gradients))
            found = reader.read(given["value"])
            if not isinstance(found, list) or len(found) != len(leaves):
                raise Lost("it sent nonsense")
            return [
                None if g is None or g.shape != leaf.shape else g.to(leaf.dtype)
                for g, leaf in zip(found, leaves, strict=True)
            ]

        def join(results):
            return bridged(backward, results, leaves)

        return answer, Reader(block, self.adopt, join)

    def serve(self, message, block):
        """Carry out one request of the other side and answer it."""
        self.depth += 1
        try:
            if self.depth > DEPTH:
                raise Lost("it called and called")
            answer, writer = self._answer(message, Reader(block, self.adopt))
        finally:
            self.depth -= 1
        self.channel.send(answer, writer.blobs)

    def _answer(self, message, reader):
        writer = Writer(self.export)
        if message["op"] == "backward":
            outputs, inputs = self.calls.get(message["number"], ((), ()))
            given = reader.read(message["gradients"])
            try:
                value = list(gradients_of(outputs, inputs, given))
            except Exception as error:
                return self.failure(error), writer
            return {"value": writer.write(value)}, writer
        try:
            return self.perform(message, reader, writer), writer
        except Exception as error:
            return self.failure(error), Writer(self.export)

    def keep(self, writer, inputs):
        """The number by which the other side asks for gradients of what was just written."""
        self.count += 1
        if writer.leaves:
            self.calls[self.count] = list(writer.leaves), list(inputs)
        return self.count

    def failure(self, error):
        return {"error": [type(error).__name__, str(error)]}


# --- modules: what they consist of, as data -----------------------------------------------------

INTERNAL = frozenset(vars(nn.Module()))
LAYERS = {
    name: c for name, c in vars(nn).items() if isinstance(c, type) and issubclass(c, nn.Module)
}


def is_data(x):
    """Whether x is made of numbers, texts and arrays alone."""
    if isinstance(x, (list, tuple)):
        return all(map(is_data, x))
    if isinstance(x, dict):
        return all(map(is_data, x)) and all(map(is_data, x.values()))
    if isinstance(x, nn.Parameter):
        return False  # it is a part of a network, which no copy can stand for
    plain = str, numbers.Number, np.ndarray, np.generic, torch.Tensor, torch.dtype, slice
    return x is None or x is ... or isinstance(x, plain)


def data_of(x):
    """The attributes of an object that are data, those of its notebook's classes among them."""
    held = {}
    for c in reversed(type(x).__mro__):
        if c.__module__ == "__main__":
            held |= {n: v for n, v in vars(c).items() if not n.startswith("__")}
    held |= getattr(x, "__dict__", {})
    return {
        n: v
        for n, v in held.items()
        if n not in INTERNAL and not n.startswith("_grading") and is_data(v)
    }


def copied(x):
    """A copy of data."""
    if isinstance(x, torch.Tensor):
        return x.detach().clone()
    if isinstance(x, np.ndarray):
        return x.copy()
    if isinstance(x, dict):
        return {name: copied(part) for name, part in x.items()}
    if isinstance(x, (list, tuple)):
        return [copied(part) for part in x] if isinstance(x, list) else tuple(map(copied, x))
    return x


def layer_of(module):
    """The name of torch's own class that a module is, or descends from; "Module" at last."""
    return next(c.__name__ for c in type(module).__mro__ if LAYERS.get(c.__name__) is c)


def parts_of(module):
    """{path: what this part of the module is now}. Tensors are copies."""
    found = {}
    for path, part in module.named_modules():
        params = {
            n: None if p is None else (p.detach().clone(), p.requires_grad)
            for n, p in part._parameters.items()
            if not isinstance(p, nn.parameter.UninitializedParameter)
        }
        buffers = {
            n: b if b is None else b.detach().clone()
            for n, b in part._buffers.items()
            if not isinstance(b, nn.parameter.UninitializedBuffer)
        }
        found[path] = {
            "layer": layer_of(part),
            "name": type(part).__name__,
            "training": part.training,
            "hooks": len(part._forward_hooks) + len(part._forward_pre_hooks),
            "data": copied(data_of(part)),
            "params": params,
            "buffers": buffers,
        }
    return found


def news(now, known):
    """The parts that are not as they are known; all of them where parts came or went."""
    if now.keys() != known.keys():
        return now
    return {path: part for path, part in now.items() if not same(part, known[path])}


def same(a, b):
    if isinstance(a, torch.Tensor):
        return (
            isinstance(b, torch.Tensor)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and bool(torch.equal(a, b) or ((a == b) | ((a != a) & (b != b))).all())
        )
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and type(a) is type(b):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def renew(module, parts, make=None):
    """Bring a module to what the other side says of its parts; make(part) makes one that is new."""
    if not isinstance(parts, dict) or ("" not in parts and make):
        raise Lost("it sent nonsense")
    known = dict(module.named_modules())
    for path, said in parts.items():
        part = known.get(path)
        if part is None:
            if make is None:
                continue
            part = known[path] = make(said)
            above, _, name = path.rpartition(".")
            known[above]._modules[name] = part
        part.training = bool(said["training"])
        part.__dict__.update({n: v for n, v in said["data"].items() if n not in INTERNAL})
        for name, p in said["params"].items():
            _put_parameter(part, name, p)
        for name, b in said["buffers"].items():
            old = part._buffers.get(name)
            if isinstance(old, torch.Tensor) and b is not None and old.shape == b.shape:
                old.data.copy_(b)
            else:
                part._buffers[name] = b


def _put_parameter(part, name, said):
    old = part._parameters.get(name)
    if said is None:
        part._parameters[name] = None
        return
    tensor, wants = said
    if old is None or type(old) is not nn.Parameter or old.dtype != tensor.dtype:
        part._parameters[name] = nn.Parameter(tensor, requires_grad=bool(wants))
        return
    if old.shape == tensor.shape:
        if not torch.equal(old.data, tensor):
            old.data.copy_(tensor)
    else:
        old.data = tensor
    old.requires_grad_(bool(wants))


def encoded(x):
    """x as one comparable thing: by its data; by identity where it is none."""
    writer = Writer(lambda x, _: ["x", id(x)])
    node = writer.write(x)
    return json.dumps(node), b"".join(writer.blobs)


def put(old, new):
    """Make the data in `old` those of `new`, in place, as far as its kind allows."""
    if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
        if old.shape == new.shape and old.dtype == new.dtype:
            old.data.copy_(new)
        else:
            old.data = new.detach()
    elif isinstance(old, np.ndarray) and isinstance(new, np.ndarray) and old.shape == new.shape:
        old[...] = new
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) == len(new) and any(isinstance(x, (np.ndarray, torch.Tensor)) for x in old):
            for a, b in zip(old, new, strict=True):
                put(a, b)
        else:
            old[:] = new
    elif isinstance(old, tuple) and isinstance(new, tuple):
        for a, b in zip(old, new, strict=False):
            put(a, b)
    elif isinstance(old, dict) and isinstance(new, dict):
        if any(isinstance(x, (np.ndarray, torch.Tensor)) for x in old.values()):
            for name in old.keys() & new.keys():
                put(old[name], new[name])
        else:
            old.clear()
            old.update(new)


# --- the session: random numbers and settings, which both sides share during a call -------------


def session():
    """Random states and torch's settings, as data."""
    import random

    _, keys, place, gauss, cached = np.random.get_state()  # noqa: NPY002
    version, state, following = random.getstate()
    return [
        torch.get_rng_state(),
        [keys, place, gauss, cached],
        [version, np.array(state, dtype=np.uint64), following],
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        str(torch.get_default_device()),
    ]


def adopt_session(said):
    """Take over what the other side says of its session."""
    import random

    rng, (keys, place, gauss, cached), (version, state, following), grad, dtype, device = said
    torch.set_rng_state(rng)
    np.random.set_state(("MT19937", keys, place, gauss, cached))  # noqa: NPY002
    random.setstate((version, tuple(int(x) for x in state), following))
    torch.set_grad_enabled(grad)
    torch.set_default_dtype(dtype)
    if device != str(torch.get_default_device()):
        torch.set_default_device(device if device in ("cpu", "meta") else "cpu")
