"""The training loop of module 1, as a library function, and its variations.

Pictures stay in memory as uint8; a batch is sliced, moved and scaled to [0, 1] when its turn
comes. Nothing is decoded or collated one by one.
"""

import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

from helpers.losses import elbo, elbo_terms
from helpers.runtime import device


def as_input(images):
    """uint8 pictures in [0, 255] -> float32 tensor in [0, 1] on the device in use."""
    images = torch.from_numpy(np.array(images)).to(device())  # a copy: files are read-only
    return images.float().div_(255).contiguous(memory_format=torch.channels_last)


def batches(images, batch_size=64, *, shuffle=False):
    """Yield the pictures as float batches. uint8 (N, C, H, W) -> float32 (batch_size, C, H, W)

    The last batch holds the remainder. With `shuffle` the order is drawn from torch's generator.
    """
    order = torch.randperm(len(images)).numpy() if shuffle else np.arange(len(images))
    for start in range(0, len(images), batch_size):
        index = order[start : start + batch_size]
        # sorted: a memory-mapped file is read in one direction
        yield as_input(images[np.sort(index)])


def train_step(model, x, optimizer, loss_fn):
    """One update of the model on the batch x. Returns the loss before the update, as a float."""
    optimizer.zero_grad()
    loss = loss_fn(model(x), x)
    loss.backward()
    optimizer.step()
    return loss.item()


def reconstruction(model, x):
    """The objective of an autoencoder: mean squared error of the batch."""
    return F.mse_loss(model(x), x)


def vae_error(vae, x):
    """Mean squared error of the reconstruction from mu."""
    return F.mse_loss(vae(x)[0], x)


def negative_elbo(vae, x, beta=1.0):
    """The objective of a VAE: minus the ELBO in nats, mean over the batch, one draw of z each."""
    return -elbo(*elbo_terms(vae, x), beta=beta).mean()


def adam(model, lr=1e-3, weight_decay=1e-5):
    """Adam as the source of module 1 sets it. One fused kernel updates all parameters."""
    return torch.optim.Adam(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)


def fit(
    model,
    images,
    *,
    epochs,
    validation=None,
    batch_size=64,
    optimizer=None,
    objective=reconstruction,
    on_epoch=None,
    progress=True,
):
    """Train in place and return the history, one dict per epoch.

    images, validation : uint8 arrays (N, C, H, W)
    objective : objective(model, x) -> scalar tensor to be made small, a mean over the batch
    on_epoch : called as on_epoch(history) after each epoch, with the model in eval mode
    history : epoch (from 1), train and validation (mean objective), seconds so far
    """
    to_device(model)

    def measure():
        return {} if validation is None else {"validation": mean_loss(model, validation, objective)}

    return _fit(
        model,
        optimizer or adam(model),
        lambda places: objective(model, as_input(images[places])),
        Order(len(images), batch_size),
        epochs,
        measure,
        on_epoch=on_epoch,
        progress=progress,
    )


@torch.inference_mode()
def mean_loss(model, images, objective=reconstruction, batch_size=500):
    """Mean objective, whatever the size of the last batch. uint8 (N, C, H, W) -> float"""
    model.eval()
    total = sum(objective(model, x).item() * len(x) for x in batches(images, batch_size))
    return total / len(images)


@torch.inference_mode()
def apply(function, images, batch_size=500):
    """function(batch) over all pictures, on the CPU. uint8 (N, C, H, W) -> tensor (N, ...)

    Put the model that the function uses into eval mode first.
    """
    return torch.cat([function(x).cpu() for x in batches(images, batch_size)])


def fit_classifier(
    model,
    images,
    labels,
    *,
    epochs,
    validation=None,
    batch_size=64,
    lr=2e-3,
    weight_decay=0.01,
    augment=None,
    progress=True,
):
    """Train in place by cross-entropy and return the history, one dict per epoch.

    images, labels : uint8 (N, C, H, W), integers (N,); validation : the same two, or None
    lr : peak of a one-cycle schedule for AdamW (Smith, arXiv 1708.07120)
    augment : float batch -> float batch, in training only
    history : epoch (from 1), train (mean loss), accuracy (on the validation pictures), seconds
    """
    to_device(model)
    order = Order(len(images), batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)
    total_steps = epochs * order.batches
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=total_steps)

    def loss_of(places):
        x, y = as_input(images[places]), torch.as_tensor(labels[places]).to(device())
        return F.cross_entropy(model(augment(x) if augment else x), y)

    def measure():
        return {} if validation is None else {"accuracy": accuracy(model, *validation)}

    return _fit(
        model, optimizer, loss_of, order, epochs, measure, schedule=schedule, progress=progress
    )


def accuracy(model, images, labels):
    """Share of pictures whose highest logit is their class. uint8 (N, C, H, W), (N,) -> float"""
    model.eval()
    return float((apply(model, images).argmax(dim=1).numpy() == labels).mean())


def to_device(model):
    """Move a model to the device in use, in the memory layout that convolutions are fastest in."""
    model.to(device()).to(memory_format=torch.channels_last)


class Order:
    """The pictures in random order, batch after batch: a new order follows the last picture.

    pictures, batch_size : how many; batches : in an epoch
    order, place : where it stands. An order is drawn from torch's generator when its first batch
        is asked for, not earlier, so that nothing depends on what is drawn between epochs.
    """

    def __init__(self, pictures, batch_size):
        self.pictures, self.batch_size = pictures, batch_size
        self.batches = -(-pictures // batch_size)
        self.order, self.place = torch.empty(0, dtype=torch.int64), 0

    def next_batch(self):
        """Positions of the next batch, ascending: a memory-mapped file is read in one direction."""
        if self.place >= len(self.order):
            self.order, self.place = torch.randperm(self.pictures), 0
        start, self.place = self.place, self.place + self.batch_size
        return np.sort(self.order[start : self.place].numpy())


def train_steps(model, update, order, *, steps, every, pause, done=0, progress=True):
    """The loop of every training: update(positions of a batch), until `steps` steps are done.

    order : Order; done : steps that an earlier session has done
    every, pause : after so many steps, and after the last, pause(step) with the model in eval mode
    """
    with tqdm(
        total=steps,
        initial=done,
        file=sys.stdout,
        ncols=80,
        disable=not progress,
        mininterval=0.5,
        unit="step",
    ) as bar:
        for step in range(done + 1, steps + 1):
            model.train()
            update(order.next_batch())
            bar.update()
            if step % every == 0 or step == steps:
                model.eval()
                pause(step)
    model.eval()


def _fit(
    model, optimizer, loss_of, order, epochs, measure, *, schedule=None, on_epoch=None, progress
):
    """Make loss_of(positions of a batch) small, epoch after epoch. Returns the history.

    measure : measure() -> what the history also says of an epoch, with the model in eval mode
    """
    history, total, start = [], 0.0, time.perf_counter()

    def update(places):
        nonlocal total
        optimizer.zero_grad()
        loss = loss_of(places)
        loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
        total += loss.item() * len(places)

    def end_epoch(step):
        nonlocal total
        row = {"epoch": len(history) + 1, "train": total / order.pictures} | measure()
        history.append(row | {"seconds": time.perf_counter() - start})
        total = 0.0
        if on_epoch:
            on_epoch(history)

    every = order.batches
    train_steps(
        model, update, order, steps=epochs * every, every=every, pause=end_epoch, progress=progress
    )
    return history
