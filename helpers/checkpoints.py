"""A training that may be killed at any moment and goes on where its last checkpoint stands.

A checkpoint holds all that the next step depends on: model, optimizer, the order of the pictures
and the place in it, and the state of the random numbers.
"""

import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from helpers.augment import flip
from helpers.models.oct import signed
from helpers.runtime import device
from helpers.training import adam, as_input


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


def decoder_step(cae, x, optimizer):
    """One update by the Huber loss, the gradient's norm clipped at 1. -> the loss, as a float"""
    optimizer.zero_grad()
    loss = F.huber_loss(cae(x), x)
    loss.backward()
    nn.utils.clip_grad_norm_(cae.parameters(), max_norm=1.0)
    optimizer.step()
    return loss.item()


def train_decoder(
    cae, images, *, steps, path=None, every=100, batch_size=32, on_checkpoint=None, progress=True
):
    """Train an OctAutoencoder in place up to step `steps`; returns the loss of each step.

    images : uint8 (N, 1, H, W); mirrored at random
    path : checkpoint file, written every `every` steps; where there is one, the training goes on
        from it
    on_checkpoint : called as on_checkpoint(step, losses) at the same steps, model in eval mode

    Raises CheckpointError where the file cannot be used for this training.
    """
    cae.to(device()).to(memory_format=torch.channels_last)
    run = _Run(cae, adam(cae, lr=5e-4, weight_decay=0), len(images), batch_size)
    if path and Path(path).exists():
        run.restore(load_checkpoint(path), path)
    bar = tqdm(
        total=steps,
        initial=run.step,
        file=sys.stdout,
        ncols=80,
        disable=not progress,
        mininterval=0.5,
        unit="step",
    )
    with bar:
        while run.step < steps:
            cae.train()
            x = flip(signed(as_input(images[np.sort(run.next_places())])))
            run.losses.append(decoder_step(cae, x, run.optimizer))
            bar.update()
            if run.step % every == 0 or run.step == steps:
                cae.eval()
                if path:
                    save_checkpoint(path, run.state())
                if on_checkpoint:
                    on_checkpoint(run.step, run.losses)
    cae.eval()
    return run.losses


class _Run:
    """Where a training stands."""

    def __init__(self, model, optimizer, pictures, batch_size):
        self.model, self.optimizer, self.losses = model, optimizer, []
        self.setting = {"pictures": pictures, "batch_size": batch_size}
        self.order, self.place = torch.randperm(pictures), 0

    @property
    def step(self):
        return len(self.losses)

    def next_places(self):
        """Positions of the next batch; a new order after the last picture."""
        if self.place >= len(self.order):
            self.order, self.place = torch.randperm(len(self.order)), 0
        self.place += self.setting["batch_size"]
        return self.order[self.place - self.setting["batch_size"] : self.place].numpy()

    def state(self):
        cuda = device().type == "cuda"
        return {
            "setting": self.setting,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "losses": self.losses,
            "order": self.order,
            "place": self.place,
            "random": torch.get_rng_state(),
            "random on the GPU": torch.cuda.get_rng_state() if cuda else None,
        }

    def restore(self, state, path):
        expected = self.state()
        same = (
            isinstance(state, dict)
            and state.keys() == expected.keys()
            and state["setting"] == self.setting
            and _shapes(state["model"]) == _shapes(expected["model"])
        )
        if not same:
            raise CheckpointError(
                f"{path} is the checkpoint of another training: other data, another batch size or "
                "another network. Delete it, or give another path."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.losses, self.order, self.place = state["losses"], state["order"], state["place"]
        torch.set_rng_state(state["random"])
        if state["random on the GPU"] is not None and device().type == "cuda":
            torch.cuda.set_rng_state(state["random on the GPU"])


def _shapes(tensors):
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
