"""A training that may be killed at any moment and goes on where its last checkpoint stands.

A checkpoint holds all that the next step depends on: model, optimizer, the order of the pictures
and the place in it, and the state of the random numbers.
"""

import os
from pathlib import Path

import torch

from helpers.runtime import device


class CheckpointError(Exception):
    """A checkpoint file that cannot be used; the message says why and what to do."""


def save_checkpoint(path, state):
    """Write tensors and plain values as a whole or not at all: under another name, then renamed."""
    path = Path(path)
    draft = path.with_name(f"{path.name}.part")
    with open(draft, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())  # on the disk before it takes the old one's place
    os.replace(draft, path)


def load_checkpoint(path):
    """What `save_checkpoint` wrote, on the CPU. Runs no code from the file (`weights_only`).

    Raises CheckpointError for a file that is cut short, damaged or no checkpoint.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged bytes fail in many ways
        raise CheckpointError(
            f"{path} cannot be read as a checkpoint: it is cut short, damaged, or another kind of "
            f"file. Delete it; the training then starts anew."
        ) from error


def training_state(model, optimizer, order, losses):
    """What goes into a checkpoint: where a training stands, as a dict.

    order : `helpers.training.Order`; losses : of the steps so far, floats
    """
    cuda = device().type == "cuda"
    return {
        "setting": {"pictures": order.pictures, "batch_size": order.batch_size},
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
        and state["setting"] == expected["setting"]
        and _shapes(state["model"]) == _shapes(expected["model"])
    )
    if not same:
        raise CheckpointError(
            f"{path} is the checkpoint of another training: other data, another batch size or "
            "another network. Delete it, or give another path."
        )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    order.order, order.place = state["order"], state["place"]
    torch.set_rng_state(state["random"])
    if state["random on the GPU"] is not None and device().type == "cuda":
        torch.cuda.set_rng_state(state["random on the GPU"])
    return state["losses"]


def _shapes(tensors):
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
