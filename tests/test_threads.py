"""Thread counts by trial, against a clock that the tests turn, and memory that a process keeps."""

import platform
import subprocess
import sys

import pytest
import torch

from helpers import threads


class Machine:
    """A clock, and steps that take `seconds(threads, time)`."""

    def __init__(self, monkeypatch, seconds, cores=2):
        self.seconds, self.time, self.set, self.log = seconds, 0.0, cores, []
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.setattr(threads, "_computes_on_cpu", lambda: True)
        monkeypatch.setattr("joblib.cpu_count", lambda: cores)
        monkeypatch.setattr("time.perf_counter", lambda: self.time)
        monkeypatch.setattr(torch, "get_num_threads", lambda: self.set)
        monkeypatch.setattr(torch, "set_num_threads", lambda n: setattr(self, "set", n))

    def run(self, steps):
        """The number of threads of each step."""
        log = []
        for _ in threads.paced(range(steps)):
            log.append(self.set)
            self.time += self.seconds(self.set, self.time)
        return log


@pytest.mark.parametrize(
    ("cores", "choices"), [(1, [1]), (2, [1, 2]), (4, [1, 2, 4]), (6, [1, 2, 4, 6])]
)
def test_choices_come_from_the_quota(monkeypatch, cores, choices):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    assert threads.usable() == choices
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.usable() == [3]


def test_every_step_comes_once_and_in_order(monkeypatch):
    Machine(monkeypatch, lambda n, t: 0.01)
    assert list(threads.paced(range(50))) == list(range(50))


@pytest.mark.parametrize("cores", [2, 4, 6])
def test_a_quiet_machine_gets_all_cores(monkeypatch, cores):
    machine = Machine(monkeypatch, lambda n, t: 0.01 / n, cores)
    log = machine.run(2000)
    assert log.count(cores) > 0.9 * len(log)
    assert machine.set == cores


def test_beside_a_busy_process_one_thread_computes(monkeypatch):
    machine = Machine(monkeypatch, lambda n, t: 0.01 if n == 1 else 0.032)
    machine.run(1000)
    assert machine.set == 1
    assert machine.time < 1000 * 0.01 * 1.15  # what the trials cost


def test_a_process_that_comes_and_goes_is_noticed(monkeypatch):
    def seconds(n, time):
        busy = 5 < time < 30
        return 0.01 / n if n == 1 or not busy else 0.032

    machine = Machine(monkeypatch, seconds)
    machine.run(800)  # 4 s of two threads
    assert machine.set == 2
    machine.run(1500)
    assert 5 < machine.time < 30
    assert machine.set == 1
    machine.run(4000)
    assert machine.time > 30
    assert machine.set == 2


def test_a_step_that_takes_long_for_once_changes_nothing(monkeypatch):
    calls = []

    def seconds(n, time):
        calls.append(n)
        return 0.5 if len(calls) % 20 == 0 else 0.01 / n  # an evaluation now and then

    machine = Machine(monkeypatch, seconds)
    machine.run(500)
    assert machine.set == 2


def test_a_loop_left_early_keeps_the_best_so_far(monkeypatch):
    machine = Machine(monkeypatch, lambda n, t: 0.01 / n)
    for step in threads.paced(range(100)):
        machine.time += machine.seconds(machine.set, 0)
        if step == 4:  # in the middle of the first trial, on one thread
            break
    assert machine.set == 2


def test_fixed_threads_are_for_the_block_only(monkeypatch):
    machine = Machine(monkeypatch, lambda n, t: 0.01 / n)
    with threads.fixed_threads(1):
        assert machine.run(20) == [1] * 20
    assert machine.set == 2
    assert 2 in machine.run(20)


TRAINING = """
import resource, sys
import helpers
import numpy as np
import torch
from helpers.models import DeepAutoencoder
from helpers.runtime import prepare_torch, set_seed
from helpers.training import fit

if sys.argv[1] == "kept":
    prepare_torch()
torch.set_num_threads(1)
set_seed(0)
images = np.random.default_rng(0).integers(0, 256, (256, 1, 32, 32), dtype=np.uint8)
model = DeepAutoencoder(32, (16, 32, 64), 64)
fit(model, images, epochs=1, batch_size=128, progress=False)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
history = fit(model, images, epochs=5, batch_size=128, progress=False)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults // 10, [row["train"] for row in history])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc")
def test_freed_memory_is_kept_and_losses_are_the_same():
    """Page faults a step: 10,000 with glibc 2.41 and torch 2.15 as they are, next to none here."""
    faults, losses = {}, {}
    for memory in ("given back", "kept"):
        command = [sys.executable, "-c", TRAINING, memory]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        count, losses[memory] = out.split(" ", 1)
        faults[memory] = int(count)
    assert losses["kept"] == losses["given back"]
    assert faults["kept"] < 500 < faults["given back"]
