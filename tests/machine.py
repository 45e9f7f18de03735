"""How slow the machine is at the moment: a test of speed is to judge the code, not the machine.

A bound in seconds is meant for the machine of reference, two cores of a shared server while it is
quiet. That very machine took twice as long for the same work whenever it was not.
"""

import time

import numpy as np
import torch

REFERENCE = 0.045  # seconds of processor time that `work` takes there, where it is quiet


def work():
    """Small calls of Python, numpy and torch, as the checks make them. -> processor seconds"""
    rng, x = np.random.default_rng(0), torch.ones(4, 8, 16, 16)
    weight = torch.ones(8, 8, 3, 3)
    torch.nn.functional.conv2d(x, weight)  # the first one of a process sets torch up
    start = time.process_time()
    for _ in range(1000):
        np.mean(np.sort(rng.integers(0, 50, 50)))
    for _ in range(100):
        torch.nn.functional.conv2d(x, weight).relu().mean().item()
    sum(i * i for i in range(200_000))
    return time.process_time() - start


class Slowness:
    """`with Slowness() as machine: ...`, then machine.times: how slow it was, at least 1."""

    def __enter__(self):
        self._before = work()
        return self

    def __exit__(self, *_):
        self.times = max(1, self._before / REFERENCE, work() / REFERENCE)
