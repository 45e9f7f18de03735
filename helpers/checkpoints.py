"""A training that may be killed at any moment and goes on where its last checkpoint stands.

A checkpoint holds all that the next step depends on: model, optimizer, the order of the pictures
and the place in it, and the state of the random numbers.
"""

import copy
import os
import pickle
from collections import OrderedDict
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from helpers.runtime import device

# What torch raises on a full disk, and for what cannot be pickled.
UNWRITTEN = OSError, RuntimeError, AttributeError, TypeError, pickle.PicklingError


class CheckpointError(Exception):
    """A checkpoint file that cannot be used; the message says why and what to do."""


def save_checkpoint(path, state):
    """Write tensors and plain values as a whole or not at all: under another name, then renamed.

    What was written is read back first, so that a good checkpoint is only ever replaced by another
    one. Numbers of numpy become Python's own. Raises CheckpointError, which names the entry, for
    what `load_checkpoint` would refuse.
    """
    path = Path(path)
    draft = path.with_name(f"{path.name}.part")
    draft.touch()  # where the folder takes no file, its own error says so
    try:
        with open(draft, "wb") as file:
            torch.save(_plain(state), file)
            file.flush()
            os.fsync(file.fileno())  # on the disk before it takes the old one's place
        load_checkpoint(draft)
    except (CheckpointError, *UNWRITTEN) as error:
        draft.unlink()
        raise CheckpointError(_what_is_wrong(state, path)) from error
    os.replace(draft, path)


def _plain(value):
    """The same with Python's numbers in place of numpy's, which `weights_only` refuses."""
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    if type(value) in (dict, OrderedDict):
        plain = copy.copy(value)  # with the versions that a state_dict carries as attributes
        plain.clear()
        plain.update((_plain(key), _plain(part)) for key, part in value.items())
        return plain
    return value


def _what_is_wrong(state, path):
    """The first entry that cannot be read back, in the words of a CheckpointError."""
    for name, value in _entries(state):
        try:
            file = BytesIO()
            torch.save(_plain(value), file)
            torch.load(BytesIO(file.getvalue()), weights_only=True)
        except Exception:
            return (
                f"{path} was not written: {name} is a {type(value).__module__}."
                f"{type(value).__qualname__}, which no checkpoint can hold. Save it as a tensor, "
                "number, text, or list or dict of these. The checkpoint before it is still there."
            )
    return (
        f"{path} was not written: what was written could not be read back. Is the disk full, or "
        "failing? The checkpoint before it is still there."
    )


def _entries(value, name="the state"):
    """(name, value) of all that a nested state holds, innermost parts alone."""
    if type(value) in (dict, OrderedDict):
        for key, part in value.items():
            yield f"a key of {name}", key
            yield from _entries(part, f"{name}[{key!r}]")
    elif type(value) in (list, tuple):
        for i, part in enumerate(value):
            yield from _entries(part, f"{name}[{i}]")
    else:
        yield name, value


def load_checkpoint(path):
    """What `save_checkpoint` wrote, on the CPU. Runs no code from the file (`weights_only`).

    Raises CheckpointError for a file that may not be read, is cut short, damaged or no checkpoint.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror}. Give the path of a file that this user has "
            "the right to read."
        ) from error
    with file:
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # damaged bytes fail in many ways, an OSError among them
            raise CheckpointError(
                f"{path} cannot be read as a checkpoint: it is cut short, damaged, or another kind "
                "of file. Delete it; the training then starts anew."
            ) from error


def training_state(model, optimizer, order, losses):
    """What goes into a checkpoint: where a training stands, as a dict.

    order : `helpers.training.Order`; losses : of the steps so far, floats
    """
    cuda = device().type == "cuda"
    return {
        "setting": {
            "pictures": order.pictures,
            "batch_size": order.batch_size,
            "optimizer": type(optimizer).__name__,
        },
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "losses": losses,
        "order": order.order,
        "place": order.place,
        "random": torch.get_rng_state(),
        "random on the GPU": torch.cuda.get_rng_state() if cuda else None,
    }


def restore_training(path, model, optimizer, order):
    """Put a training where its checkpoint stands. Returns the losses of the steps so far.

    Raises CheckpointError where the file cannot be read or is that of another training.
    """
    state, expected = load_checkpoint(path), training_state(model, optimizer, order, [])
    same = (
        isinstance(state, dict)
        and state.keys() == expected.keys()
        # early files do not say which optimizer it was
        and expected["setting"] == {"optimizer": type(optimizer).__name__} | state["setting"]
        and _shapes(state["model"]) == _shapes(expected["model"])
        and _takes(optimizer, state["optimizer"])
    )
    if not same:
        raise CheckpointError(
            f"{path} is the checkpoint of another training: other data, another batch size, "
            "another network or another optimizer. Delete it, or give another path."
        )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    order.order, order.place = state["order"], state["place"]
    torch.set_rng_state(state["random"])
    if state["random on the GPU"] is not None and device().type == "cuda":
        torch.cuda.set_rng_state(state["random on the GPU"])
    return state["losses"]


def _takes(optimizer, state):
    """Whether the optimizer can go on from the state: a copy of it tries one step.

    `load_state_dict` takes the numbers of another kind of optimizer, whose steps fail afterwards.
    """
    trial = copy.deepcopy(optimizer)
    try:
        trial.load_state_dict(copy.deepcopy(state))  # whose tensors it takes and changes
        for group in trial.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        trial.step()
    except Exception:  # each kind fails in its own way
        return False
    return True


def _shapes(tensors):
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
