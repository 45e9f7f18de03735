"""What passes between the grader and the sandbox: JSON and raw arrays, never pickles.

Both sides use this file. A message is a JSON object and one block of bytes, to which the arrays in
it point. Nothing that comes in is run: it becomes numbers, texts, arrays, tensors and stand-ins.
"""

import itertools
import json
import math
import select
import struct
import time

import numpy as np
import torch

HEAD = struct.Struct("<IQ")
MOST = 512 * 2**20  # bytes of a message
ITEMS = 100_000  # of an iterator that is sent
TENSOR_TYPES = {
    str(t).removeprefix("torch."): t
    for t in vars(torch).values()
    if isinstance(t, torch.dtype) and "q" not in str(t) and not str(t).endswith("bits8")
}


class Lost(BaseException):
    """The other side is gone, is late, or talks nonsense. No `except Exception` hides it."""


class Channel:
    """Messages over a socket. `deadline` is a time of time.monotonic(), or None."""

    def __init__(self, socket):
        self.socket, self.deadline = socket, None

    def send(self, message, blobs):
        """Write a message and the arrays (bytes) that it points to."""
        body, data = json.dumps(message).encode(), b"".join(blobs)
        left = memoryview(HEAD.pack(len(body), len(data)) + body + data)
        while left:
            self._wait(write=True)
            try:
                left = left[self.socket.send(left[: 2**20]) :]
            except OSError as error:
                raise Lost("its process ended") from error

    def receive(self):
        """(message, block of bytes)"""
        size, more = HEAD.unpack(self._read(HEAD.size))
        if size + more > MOST:
            raise Lost("it sent more than a check can take")
        body, block = self._read(size), self._read(more)
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Lost("it sent nonsense") from error
        if not isinstance(message, dict):
            raise Lost("it sent nonsense")
        return message, block

    def _read(self, size):
        block = bytearray()
        while len(block) < size:
            self._wait()
            try:
                part = self.socket.recv(min(size - len(block), 2**20))
            except OSError as error:
                raise Lost("its process ended") from error
            if not part:
                raise Lost("its process ended")
            block += part
        return bytes(block)

    def is_late(self):
        return self.deadline is not None and time.monotonic() >= self.deadline

    def _wait(self, write=False):
        if self.deadline is None:
            return
        sockets = [self.socket]
        left = max(0, self.deadline - time.monotonic())
        if not any(select.select([] if write else sockets, sockets if write else [], [], left)):
            raise Lost("it took too long")


class Writer:
    """Turns values into JSON; `leaves` are the tensors, in order, that want a gradient.

    export(x, writer) -> node: for what is no data (functions, classes, modules, objects)
    """

    def __init__(self, export):
        self.export, self.blobs, self.at, self.leaves = export, [], 0, []

    def block(self, data):
        start, self.at = self.at, self.at + len(data)
        self.blobs.append(data)
        return [start, len(data)]

    def write(self, x):
        kind = type(x)
        if x is None or kind is bool or isinstance(x, str):
            return ["c", x if x is None or kind is bool else str(x)]
        if x is ...:
            return ["e"]
        if isinstance(x, np.ndarray):
            return self.array(x)
        if isinstance(x, np.generic):
            return ["g", self.array(np.asarray(x))]
        if isinstance(x, int):
            return ["i", hex(x)]
        if isinstance(x, float):
            return ["f", repr(float(x))]
        if isinstance(x, torch.Tensor):
            return self.tensor(x)
        if isinstance(x, (tuple, list, set, frozenset)):
            name = "t" if isinstance(x, tuple) else "l" if isinstance(x, list) else "s"
            return [name, [self.write(part) for part in x]]
        if isinstance(x, dict):
            return ["d", [[self.write(a), self.write(b)] for a, b in x.items()]]
        if isinstance(x, (torch.dtype, torch.device)):
            return ["D", str(x)]
        if isinstance(x, (range, slice)):
            return [
                "r" if isinstance(x, range) else "k",
                [self.write(p) for p in (x.start, x.stop, x.step)],
            ]
        if kind.__module__.startswith("pandas") and hasattr(x, "index"):
            return self.frame(x)
        if hasattr(x, "__next__"):
            return ["n", [self.write(part) for part in itertools.islice(x, ITEMS)]]
        return self.export(x, self)

    def array(self, x):
        if x.dtype.kind in "biufcSU":
            return ["a", x.dtype.str, list(x.shape), self.block(np.ascontiguousarray(x).tobytes())]
        return ["o", list(x.shape), [self.write(part) for part in x.ravel().tolist()]]

    def tensor(self, x):
        wants = bool(x.requires_grad)
        if wants:
            self.leaves.append(x)
        plain = x.detach().cpu()
        if plain.layout is not torch.strided:
            plain = plain.to_dense()
        plain = plain.resolve_conj().resolve_neg().reshape(-1)
        flat = torch.empty(plain.shape, dtype=plain.dtype, device="cpu").copy_(plain)
        data = flat.view(torch.uint8).numpy().tobytes()
        return ["T", str(x.dtype).removeprefix("torch."), list(x.shape), self.block(data), wants]

    def frame(self, x):
        index = self.write(list(x.index))
        if x.ndim == 1:
            return ["S", self.write(np.asarray(x)), index, self.write(x.name)]
        columns = [[self.write(name), self.write(np.asarray(x[name]))] for name in x.columns]
        return ["F", columns, index]


class Reader:
    """Turns JSON back into values; `leaves` are the tensors, in order, that want a gradient.

    adopt(node, reader) -> value: for what is no data
    join(leaves) -> tensors, of the same numbers, which take their places
    """

    def __init__(self, block, adopt, join=None):
        self.data, self.adopt, self.join = block, adopt, join
        self.leaves, self.joined = [], {}

    def read_all(self, node):
        """The value; its tensors that want a gradient are joined to this side's graph first."""
        if self.join:
            wanting = list(_wanting(node))
            made = [self.tensor(n) for n in wanting]
            for n, t in zip(wanting, self.join(made) if made else [], strict=True):
                self.joined[tuple(n[3])] = t
        return self.read(node)

    def read(self, node):
        try:
            return self._read(node)
        except (
            IndexError,
            KeyError,
            TypeError,
            ValueError,
            OverflowError,
            RecursionError,
        ) as error:
            raise Lost(f"it sent nonsense ({error})") from error

    def _read(self, node):
        kind = node[0]
        match kind:
            case "c":
                if node[1] is None or isinstance(node[1], (bool, str)):
                    return node[1]
            case "e":
                return ...
            case "i":
                return int(node[1], 16)
            case "f":
                return float(node[1])
            case "t" | "l" | "s" | "n":
                parts = [self._read(part) for part in node[1]]
                return {"t": tuple, "l": list, "s": set, "n": iter}[kind](parts)
            case "d":
                return {self._read(a): self._read(b) for a, b in node[1]}
            case "a":
                return self.array(node)
            case "g":
                return self.array(node[1])[()]
            case "o":
                array = np.empty(_size(node[1]), dtype=object)
                array[:] = [self._read(part) for part in node[2]]
                return array.reshape(node[1])
            case "T":
                found = self.joined.get(tuple(node[3])) if node[4] else None
                if found is not None:
                    return found
                x = self.tensor(node)
                if node[4]:
                    self.leaves.append(x.requires_grad_())
                return x
            case "D":
                name = node[1].removeprefix("torch.")
                return TENSOR_TYPES[name] if name in TENSOR_TYPES else torch.device("cpu")
            case "r" | "k":
                return (range if kind == "r" else slice)(*map(self._read, node[1]))
            case "S":
                import pandas as pd

                return pd.Series(
                    self._read(node[1]), index=self._read(node[2]), name=self._read(node[3])
                )
            case "F":
                import pandas as pd

                columns = {self._read(name): self._read(column) for name, column in node[1]}
                return pd.DataFrame(columns, index=self._read(node[2]))
        return self.adopt(node, self)

    def array(self, node):
        _, kind, shape, place = node
        kind = np.dtype(kind)
        if kind.hasobject or kind.kind not in "biufcSU":
            raise ValueError("a type that is not sent")
        return np.frombuffer(self._bytes(place), dtype=kind).reshape(shape).copy()

    def tensor(self, node):
        _, kind, shape, place, _ = node
        kind, data = TENSOR_TYPES[kind], self._bytes(place)
        if len(data) != _size(shape) * kind.itemsize:
            raise ValueError("a tensor of the wrong size")
        if not data:
            return torch.empty(shape, dtype=kind)
        return torch.frombuffer(bytearray(data), dtype=torch.uint8).view(kind).reshape(shape)

    def _bytes(self, place):
        start, size = place
        if not 0 <= start <= start + size <= len(self.data):
            raise ValueError("bytes that are not there")
        return self.data[start : start + size]


def _size(shape):
    if any(not isinstance(n, int) or n < 0 for n in shape):
        raise ValueError("a shape that is none")
    return math.prod(shape)


def _wanting(node):
    if isinstance(node, list):
        if len(node) == 5 and node[0] == "T" and node[4] is True:
            yield node
        else:
            for part in node:
                yield from _wanting(part)


class Bridge(torch.autograd.Function):
    """Joins the graphs of the two sides: backward asks the other side for its gradients."""

    @staticmethod
    def forward(ctx, ask, count, *tensors):
        # `tensors`: the results as they came, then what they were made of
        ctx.ask, ctx.count = ask, count
        return tuple(t.view_as(t) for t in tensors[:count])

    @staticmethod
    def backward(ctx, *gradients):
        return (None, None, *[None] * ctx.count, *ctx.ask(gradients), None)


def bridged(ask, results, leaves):
    """The results, made of the leaves by the other side; ask(gradients) -> those to the leaves."""
    anchor = torch.zeros((), requires_grad=True)  # a result may depend on what is over there alone
    with torch.enable_grad():
        return Bridge.apply(ask, len(results), *results, *leaves, anchor)


def gradients_of(outputs, inputs, given):
    """The gradients to the inputs, None where none arrives; None in `given` counts as 0."""
    pairs = [(o, g) for o, g in zip(outputs, given, strict=True) if g is not None]
    if not pairs or not inputs:
        return [None] * len(inputs)
    outs, weights = zip(*pairs, strict=True)
    return torch.autograd.grad(outs, inputs, weights, allow_unused=True, retain_graph=True)
