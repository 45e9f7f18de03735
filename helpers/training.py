"""The training loop of module 1, as a library function, and its variations.

Images stay in memory as uint8; a batch is sliced, moved and scaled to [0, 1] when its turn
comes. Nothing is decoded or collated one by one.
"""

import sys
import time
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from helpers.arrays import as_numpy
from helpers.losses import elbo, elbo_terms
from helpers.precision import autocast
from helpers.runtime import device
from helpers.threads import paced


def as_input(images):
    """uint8 images in [0, 255] -> float32 tensor in [0, 1] on the device in use."""
    images = as_numpy(images)
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(
            f"images should be uint8 (N, C, H, W), from 0 to 255; got {images.dtype} of shape "
            f"{tuple(images.shape)}: give them as `load` does, before any division"
        )
    images = torch.from_numpy(np.array(images)).to(device())  # a copy: files are read-only
    return images.float().div_(255).contiguous(memory_format=torch.channels_last)


def batches(images, batch_size=64, *, shuffle=False):
    """Yield the images as float batches. uint8 (N, C, H, W) -> float32 (batch_size, C, H, W)

    The last batch holds the remainder. With `shuffle` the order is drawn from torch's generator.
    """
    order = torch.randperm(len(images)).numpy() if shuffle else np.arange(len(images))
    starts = range(0, len(images), batch_size)
    for start in paced(starts) if shuffle else starts:
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


def epochs_for(steps, batch_size, images):
    """Epochs that come closest to `steps` steps; at least one. Fewer images still make a step."""
    return max(1, round(steps * batch_size / max(batch_size, len(images))))


def fit(
    model,
    images,
    *,
    epochs,
    validation=None,
    batch_size=64,
    optimizer=None,
    objective=reconstruction,
    schedule=None,
    on_epoch=None,
    mixed=False,
    progress=True,
):
    """Train in place and return the history, one dict per epoch.

    images, validation : uint8 arrays (N, C, H, W)
    objective : objective(model, x) -> scalar tensor to be made small, a mean over the batch
    schedule : of the optimizer's learning rate, which takes a step after each update
    on_epoch : called as on_epoch(history) after each epoch, with the model in eval mode
    mixed : whether the objective may be computed in bfloat16 (`helpers.precision`); it should turn
        what it sums up into float32
    history : epoch (from 1), train and validation (mean objective), seconds so far
    """
    to_device(model)

    def loss_of(places):
        with autocast() if mixed else nullcontext():
            return objective(model, as_input(images[places]))

    def measure():
        return {} if validation is None else {"validation": mean_loss(model, validation, objective)}

    order, optimizer = Order(len(images), batch_size), optimizer or adam(model)
    options = {"schedule": schedule, "progress": progress}
    return _fit(model, optimizer, loss_of, order, epochs, measure, on_epoch, **options)


@torch.inference_mode()
def mean_loss(model, images, objective=reconstruction, batch_size=100):
    """Mean objective, whatever the size of the last batch. uint8 (N, C, H, W) -> float"""
    model.eval()
    total = sum(objective(model, x).item() * len(x) for x in batches(images, batch_size))
    return total / len(images)


@torch.inference_mode()
def apply(function, images, batch_size=100):
    """function(batch) over all images, on the CPU. uint8 (N, C, H, W) -> tensor (N, ...)

    Put the model that the function uses into eval mode first.
    """
    if not len(images):
        raise ValueError(f"apply: one image at least is wanted; got shape {images.shape}")
    return torch.cat([function(x).cpu() for x in batches(images, batch_size)])


@contextmanager
def evaluating(model):
    """Eval mode and no gradients; afterwards the model is in the mode in which it came."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


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
    mixed=False,
    progress=True,
):
    """Train in place by cross-entropy and return the history, one dict per epoch.

    images, labels : uint8 (N, C, H, W), integers (N,); validation : the same two, or None
    lr : peak of a one-cycle schedule for AdamW (Smith, arXiv 1708.07120)
    augment : float batch -> float batch, in training only
    mixed : whether the forward pass may be computed in bfloat16 (`helpers.precision`)
    history : epoch (from 1), train (mean loss), accuracy (on the validation images), seconds
    """
    to_device(model)
    labels = _classes(labels, images)
    order = Order(len(images), batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)
    total_steps = epochs * len(order.sizes)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=total_steps)

    def loss_of(places):
        x, y = as_input(images[places]), torch.from_numpy(labels[places]).to(device())
        with autocast() if mixed else nullcontext():
            logits = model(augment(x) if augment else x)
        return F.cross_entropy(logits.float(), y)

    def measure():
        return {} if validation is None else {"accuracy": accuracy(model, *validation)}

    options = {"schedule": schedule, "progress": progress}
    return _fit(model, optimizer, loss_of, order, epochs, measure, **options)


def accuracy(model, images, labels):
    """Share of images whose highest logit is their class. uint8 (N, C, H, W), (N,) -> float"""
    model.eval()
    labels = _classes(labels, images)
    return float((apply(model, images).argmax(dim=1).numpy() == labels).mean())


def _classes(labels, images):
    """Labels as int64, which cross-entropy wants: of an array, list or tensor of whole numbers."""
    labels = as_numpy(labels)
    if labels.dtype.kind not in "biu" or labels.shape != (len(images),):
        raise ValueError(
            f"labels should be whole numbers, one for each of {len(images)} images; got "
            f"{labels.dtype} of shape {labels.shape}"
        )
    return labels.astype(np.int64)


def to_device(model):
    """Move a model to the device in use, in the memory layout that convolutions are fastest in."""
    model.to(device()).to(memory_format=torch.channels_last)


class Order:
    """The images in random order, batch after batch: a new order follows the last image.

    pictures, batch_size : how many; sizes : of an epoch's batches, the last with the remainder
    order, place : where it stands. An order is drawn from torch's generator when its first batch
        is asked for, not earlier, so that nothing depends on what is drawn between epochs.
    """

    def __init__(self, pictures, batch_size):
        self.pictures, self.batch_size = pictures, int(batch_size)
        self.sizes = [min(batch_size, pictures - at) for at in range(0, pictures, batch_size)]
        self.order, self.place = torch.empty(0, dtype=torch.int64), 0

    def next_batch(self):
        """Positions of the next batch, ascending: a memory-mapped file is read in one direction."""
        if self.place >= len(self.order):
            self.order, self.place = torch.randperm(self.pictures), 0
        start, self.place = self.place, self.place + self.batch_size
        return np.sort(self.order[start : self.place].numpy())


def descend(
    model,
    optimizer,
    loss_of,
    order,
    *,
    steps,
    losses,
    every,
    pause,
    schedule=None,
    max_norm=None,
    progress=True,
):
    """The loop of every training: updates of the model until `losses` has an entry for each step.

    loss_of : loss_of(positions of a batch) -> scalar tensor; order : Order, which gives them
    losses : of the steps done so far, floats; new ones are appended
    pause : called as pause(step) after each `every` steps and the last one, model in eval mode
    schedule, max_norm : of the learning rate; of the gradient, which is clipped there
    """
    with tqdm(
        total=steps,
        initial=len(losses),
        file=sys.stdout,
        ncols=80,
        disable=not progress,
        mininterval=0.5,
        unit="step",
    ) as bar:
        for step in paced(range(len(losses) + 1, steps + 1)):
            model.train()
            optimizer.zero_grad()
            loss = loss_of(order.next_batch())
            loss.backward()
            if max_norm is not None:
                nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()
            if schedule:
                schedule.step()
            losses.append(loss.item())
            bar.update()
            if step % every == 0 or step == steps:
                model.eval()
                pause(step)
    model.eval()


def _fit(model, optimizer, loss_of, order, epochs, measure, on_epoch=None, **options):
    """`descend` by epochs. Returns the history; measure() -> what it says besides of an epoch."""
    history, losses, start = [], [], time.perf_counter()

    def end_epoch(step):
        total = 0.0
        for size, loss in zip(order.sizes, losses[-len(order.sizes) :], strict=True):
            total += loss * size
        row = {"epoch": len(history) + 1, "train": total / sum(order.sizes)} | measure()
        history.append(row | {"seconds": time.perf_counter() - start})
        if on_epoch:
            on_epoch(history)

    every = len(order.sizes)
    options |= {"steps": epochs * every, "every": every}
    descend(model, optimizer, loss_of, order, losses=losses, pause=end_epoch, **options)
    return history
