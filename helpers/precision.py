"""Mixed precision: whether this device trains faster in bfloat16, and where the course uses it."""

import time
from contextlib import nullcontext
from functools import cache
from statistics import median

import torch
from torch import nn

from helpers.runtime import device, forked_random, profile

WORTH = 1.1  # bfloat16 has fewer digits, so it has to gain something


@cache
def bfloat16_gain(seconds=0.25):
    """Training steps a second in bfloat16 over those in float32, of a small convolutional network.

    seconds : for each of the two. Measured once in a process; 0.0 where the device cannot do it.
    """
    with forked_random():
        try:  # in turn, since another process may start or end meanwhile
            turns = [[_speed(half, seconds / 5) for half in (True, False)] for _ in range(5)]
            return median(half / full for half, full in turns)
        except (RuntimeError, TypeError):  # "not implemented for 'BFloat16'", by older devices
            return 0.0


def _speed(half, seconds):
    """Steps a second of residual-like convolutions, as they are in module 5's encoder."""
    wide = nn.Conv2d(64, 64, 3, padding=1, bias=False)
    net = nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), wide, nn.BatchNorm2d(64), nn.ReLU())
    net = net.to(device()).to(memory_format=torch.channels_last)
    x = torch.rand(32, 1, 32, 32, device=device())

    def step():
        with torch.autocast(device().type, torch.bfloat16, enabled=half):
            loss = net(x).float().square().mean()
        loss.backward()
        return net[0].bias.grad.sum().item()  # waits for the device

    step()
    start, steps = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        step()
        steps += 1
    return steps / elapsed


def uses_bfloat16():
    """Whether `autocast` computes in bfloat16: in the full profile, where the device gains by it.

    The quick profile stays in float32 on all machines, so that its numbers compare with the tables.
    """
    return profile() == "full" and bfloat16_gain() > WORTH


def autocast():
    """A context for a forward pass in training: bfloat16 where `uses_bfloat16`, else as always.

    Without a cache of the weights in bfloat16, which would be those from before an optimizer step.
    """
    if uses_bfloat16():
        return torch.autocast(device().type, torch.bfloat16, cache_enabled=False)
    return nullcontext()


def mixed(model):
    """The model's forward pass in training, under `autocast`: (N, ...) -> float32 tensor"""

    def forward(x):
        with autocast():
            return model(x).float()

    return forward
