"""How many threads torch computes with: as many as pay off just now.

On a quiet machine a second thread makes the course's small networks 1.3 to 1.8 times as fast
(docs/speed.md). As soon as another process wants its core, two threads are slower than one, since
after each operation they wait for each other. Nobody knows beforehand; a loop can try.
"""

import os
import statistics
import time
from contextlib import contextmanager

import joblib
import torch

TRIAL = 3  # steps with each number of threads; their median counts


def usable():
    """Numbers of threads to choose from: 1, 2, 4, ... and all cores that this process may use.

    Containers (Binder, hubs) show torch all cores of the host; joblib reads the quota and the
    affinity. OMP_NUM_THREADS, where set, has the last word: then there is nothing to choose.
    """
    if fixed := os.environ.get("OMP_NUM_THREADS"):
        return [int(fixed.split(",")[0])]
    cores = joblib.cpu_count()
    return [*(2**i for i in range(cores.bit_length()) if 2**i < cores), cores]


def paced(steps):
    """The same steps, each with the number of threads that this loop runs fastest with just now.

    What happens between two steps is timed: a few with each number of threads at the start, again
    from time to time, and as soon as the loop has become slower. The number that was best stays
    set afterwards.
    """
    choices = usable()
    if len(choices) == 1 or not _computes_on_cpu():
        yield from steps
        return
    pace = _Pace(choices, torch.get_num_threads())
    try:
        for step in steps:
            torch.set_num_threads(pace.threads)
            start = time.perf_counter()
            yield step
            pace.took(time.perf_counter() - start)
    finally:
        torch.set_num_threads(pace.best)


@contextmanager
def fixed_threads(number):
    """Within this block torch computes on this number of threads, whatever is faster.

    Several threads add in another order, which changes the last digits of a sum. Where two runs
    have to agree to the last digit, the number of threads must be the same.
    """
    before, fixed = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    torch.set_num_threads(number)
    os.environ["OMP_NUM_THREADS"] = str(number)  # so that `paced` leaves it at that
    try:
        yield
    finally:
        torch.set_num_threads(before)
        del os.environ["OMP_NUM_THREADS"]
        if fixed:
            os.environ["OMP_NUM_THREADS"] = fixed


class _Pace:
    """Which number of threads is the turn of.

    threads : for the next step; best : of the last trial that was finished
    """

    def __init__(self, choices, best):
        self.choices, self.best, self.patience = choices, best, 1.0
        self._start_trial()

    def took(self, seconds):
        """Take note of what a step with `threads` took."""
        if self.trial is None:
            self.left -= seconds
            self.slow = self.slow + 1 if seconds > 1.5 * self.expected else 0
            if self.left < 0 or self.slow == TRIAL:
                self._start_trial()
            return
        self.trial.append(seconds)
        if len(self.trial) == TRIAL * len(self.choices):
            self._decide()
        else:
            self.threads = self.order[len(self.trial) // TRIAL]

    def _start_trial(self):
        self.trial, self.order = [], sorted(self.choices, key=lambda n: n != self.best)
        self.threads = self.order[0]

    def _decide(self):
        parts = [self.trial[i : i + TRIAL] for i in range(0, len(self.trial), TRIAL)]
        median = dict(zip(self.order, map(statistics.median, parts), strict=True))
        winner = min(median, key=median.get)
        # the surer the choice, the rarer the trials; they may cost a tenth of the time at most
        self.patience = min(8.0, 2 * self.patience) if winner == self.best else 1.0
        self.left = max(self.patience, 10 * sum(self.trial))
        self.best = self.threads = winner
        self.expected, self.slow, self.trial = median[winner], 0, None


def _computes_on_cpu():
    from helpers.runtime import device  # late: runtime imports this file

    return device().type == "cpu"
