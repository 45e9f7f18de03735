"""The training loop of module 1, as a library function.

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
    model.to(device()).to(memory_format=torch.channels_last)
    optimizer = optimizer or adam(model)
    history, start = [], time.perf_counter()
    steps = epochs * -(-len(images) // batch_size)
    with tqdm(
        total=steps, file=sys.stdout, ncols=80, disable=not progress, mininterval=0.5, unit="step"
    ) as bar:
        for epoch in range(1, epochs + 1):
            model.train()
            total = 0.0
            for x in batches(images, batch_size, shuffle=True):
                optimizer.zero_grad()
                loss = objective(model, x)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(x)
                bar.update()
            model.eval()
            row = {"epoch": epoch, "train": total / len(images)}
            if validation is not None:
                row["validation"] = mean_loss(model, validation, objective)
            history.append(row | {"seconds": time.perf_counter() - start})
            if on_epoch:
                on_epoch(history)
    return history


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
    model.to(device()).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)
    per_epoch = -(-len(images) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=epochs * per_epoch)
    history, start = [], time.perf_counter()
    with tqdm(
        total=epochs * per_epoch,
        file=sys.stdout,
        ncols=80,
        disable=not progress,
        mininterval=0.5,
        unit="step",
    ) as bar:
        for epoch in range(1, epochs + 1):
            model.train()
            total = 0.0
            order = torch.randperm(len(images)).numpy()
            for at in range(0, len(images), batch_size):
                index = np.sort(order[at : at + batch_size])
                x, y = as_input(images[index]), torch.as_tensor(labels[index]).to(device())
                optimizer.zero_grad()
                loss = F.cross_entropy(model(augment(x) if augment else x), y)
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(x)
                bar.update()
            model.eval()
            row = {"epoch": epoch, "train": total / len(images)}
            if validation is not None:
                row["accuracy"] = accuracy(model, *validation)
            history.append(row | {"seconds": time.perf_counter() - start})
    return history


def accuracy(model, images, labels):
    """Share of pictures whose highest logit is their class. uint8 (N, C, H, W), (N,) -> float"""
    model.eval()
    return float((apply(model, images).argmax(dim=1).numpy() == labels).mean())
