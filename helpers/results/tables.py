"""What the long tables hold: one function for each table, one call for each of its entries.

`make results` calls them for all entries, a notebook for the one that it trains live.
"""

from collections.abc import Callable
from typing import NamedTuple

from helpers.datasets.mednist import CLASSES as MEDNIST_CLASSES
from helpers.experiments.module_01 import bottleneck
from helpers.experiments.module_02 import beta, binarised, held_out
from helpers.experiments.module_03 import (
    hands,
    longer_training,
    loop,
    normal_class,
    source_loss,
)
from helpers.experiments.module_04 import longer, screens
from helpers.experiments.module_05 import ladder

SEEDS = range(5)


class Table(NamedTuple):
    """A long table: the data set it is about, its function, the parameters of its entries.

    source : where the table is about one source whatever the environment says; the function
        then takes it as an argument
    repeatable : False where the numbers are times, which another machine does not repeat
    """

    data: str
    function: Callable[..., dict]
    entries: list[dict]
    source: str | None = None
    repeatable: bool = True


def _rungs(*diseases, seeds):
    """Entries of the leakage ladder: each rung with each seed, and the trivial scores."""
    every = ("random", "denoising", "all labels", "denoising, normals", *diseases)
    rungs = [{"rung": rung, "seed": seed} for seed in seeds for rung in every]
    return [{"rung": "no network", "seed": 0}, *rungs]


# A seed's sweep is whole before the next one begins, wherever the computing is stopped.
TABLES = {
    "01_bottleneck": Table(
        "mnist",
        bottleneck,
        [{"latent_dim": d, "seed": s} for s in SEEDS for d in (2, 4, 8, 12, 20, 32, 64, 128, 784)],
    ),
    "02_held_out": Table(
        "mnist",
        held_out,
        [{"held_out": str(digit), "seed": s} for s in SEEDS for digit in range(10)],
    ),
    "02_beta": Table(
        "mnist",
        beta,
        [
            {"latent_dim": d, "beta": b, "seed": s}
            for s in SEEDS
            for d in (2, 10)
            for b in (0.1, 0.5, 1, 2, 4, 16, 100_000)
        ],
    ),
    "02_binarised": Table("mnist", binarised, [{"latent_dim": 20, "seed": 0}]),
    "03_seeds": Table("mednist", hands, [{"seed": s} for s in SEEDS]),
    "03_longer": Table(
        "mednist",
        longer_training,
        [{"model": m, "seed": s} for s in SEEDS for m in ("AE", "VAE")],
    ),
    "03_source_loss": Table("mednist", source_loss, [{"seed": s} for s in SEEDS]),
    "03_normal_class": Table(
        "mednist",
        normal_class,
        [{"normal": name, "seed": s} for s in SEEDS for name in MEDNIST_CLASSES],
    ),
    "03_loop": Table(
        "mednist",
        loop,
        [{"pictures": p} for p in ("in memory", "JPEG files")],
        repeatable=False,
    ),
    "04_seeds": Table("cifar10", screens, [{"seed": s} for s in SEEDS]),
    "04_longer": Table(
        "cifar10",
        longer,
        [{"size": z, "seed": s} for s in SEEDS for z in ("small", "large")],
    ),
    "05_ladder": Table("oct", ladder, _rungs("CNV", "DME", "DRUSEN", seeds=SEEDS), source="sample"),
    "05_ladder_neh": Table("oct", ladder, _rungs("AMD", "DME", seeds=SEEDS), source="real"),
    "05_share": Table(
        "oct",
        ladder,
        [
            {"rung": rung, "share": share, "seed": s}
            for s in SEEDS
            for rung in ("all labels", "denoising")
            for share in (5, 10, 20, 40, 100)
        ],
        source="sample",
    ),
    "05_bottleneck": Table(
        "oct",
        ladder,
        [
            {"rung": "all labels", "code_channels": c, "seed": s}
            for s in SEEDS
            for c in (0, 16, 4, 1)
        ],
        source="sample",
    ),
}
