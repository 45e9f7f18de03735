"""Does an entry that is computed again agree with the table?"""

import math
import random
from numbers import Real

import numpy as np

from helpers.results import read_entries
from helpers.results.entries import but_seed
from helpers.results.tables import TABLES
from helpers.runtime import profile


def tenth(tasks, seed):
    """A random tenth of the stored ones among the tasks, at least one, in their order.

    Tables of times are left out: those are another machine's own.
    """
    there = [task for task in tasks if TABLES[task.table].repeatable and task.stored]
    chosen = random.Random(seed).sample(there, math.ceil(len(there) / 10))
    return sorted(chosen, key=there.index)


def like_values(task):
    """Values of the stored entries that differ from the task in the seed at most. -> list"""
    return [
        entry["values"]
        for entry in read_entries(task.table)
        if but_seed(entry["parameters"]) == but_seed(task.parameters)
        and (entry["values"]["source"], entry["profile"]) == (task.source, profile())
    ]


def numbers(values):
    """The numbers among an entry's values; the mean of a list of them. -> {name: float}"""
    lists = {name: np.mean(value) for name, value in values.items() if isinstance(value, list)}
    plain = {name: value for name, value in values.items() if isinstance(value, Real)}
    return {name: float(value) for name, value in (plain | lists).items()}


def seed_range(stored):
    """Between which two numbers the number of one more training should lie. (seeds,) -> low, high

    On the machine that made the table the same number comes out. Elsewhere sums are rounded
    differently, and after some hundred steps the network is as different as with another seed.
    So: from the smallest to the largest over the stored seeds, widened on both sides by their
    standard deviation (n - 1 in the denominator), and by a hundredth of the largest magnitude at
    the least, for what depends on no seed but on rounding (PCA, a library's version).

    One seed says nothing about the spread; there a tenth of the number is allowed. That is twice
    the median of the standard deviations (relative to the magnitude) over the three seeds that
    the tables of module 5 had, the widest ones. It finds gross disagreement only.
    """
    stored = np.asarray(stored, dtype=float)
    magnitude = np.abs(stored).max()
    several = len(stored) > 1
    margin = max(stored.std(ddof=1), 0.01 * magnitude) if several else 0.1 * magnitude
    return stored.min() - margin, stored.max() + margin


def compare(values, like):
    """Does an entry agree with the like entries? -> bool, a line that says by how much

    values : of the entry; like : those of the stored entries that differ in the seed at most

    It agrees if it has the same numbers, and at most one in twenty lies outside its `seed_range`.
    Some do by chance: after five independent draws from a normal distribution a sixth one lies
    outside with probability 0.12. The same seed comes nearer: with two threads in place of one,
    1 of the 177 numbers of an entry of `03_seeds` was outside, and none of another's.
    """
    new, stored = numbers(values), [numbers(other) for other in like]
    unknown = sorted(set(new) ^ set().union(*stored))
    outside = []
    for name in sorted(set(new) - set(unknown)):
        seeds = [other[name] for other in stored if name in other]
        low, high = seed_range(seeds)
        if not (low <= new[name] <= high or np.isnan([new[name], *seeds]).all()):
            outside.append(f"{name} is {new[name]:.4g}, not {low:.4g} to {high:.4g}")
    text = f"{len(new) - len(outside) - len(set(unknown) & set(new))} of {len(new)} numbers lie in"
    text += f" the range of {len(like)} seed{'s' if len(like) != 1 else ''}"
    if unknown:
        text += f"; in the table or here only: {', '.join(unknown)}"
    if outside:
        text += f"; outside: {'; '.join(outside)}"
    return not unknown and len(outside) <= len(new) // 20, text
