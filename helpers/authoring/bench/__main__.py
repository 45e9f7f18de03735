"""Time the course beside its sources' loops and an older commit: python -m helpers.authoring.bench

Without a part named, all of them.
"""

import argparse
import datetime
import platform
import tempfile
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import joblib

from helpers.authoring.bench import measure, report
from helpers.places import COURSE

# pictures a round and contender, so that it takes some seconds, and rounds
TRAINING = {"01": (9600, 9), "02": (12_800, 9), "03": (640, 9), "04": (1280, 9), "05": (32, 5)}
# what a part takes on two cores, in minutes
MINUTES = {"training": 4, "epochs": 20, "busy": 2, "classifier": 5, "imports": 2, "notebooks": 12}
KINDS = {
    "training": "training loops on one and two threads, slice by slice",
    "epochs": "module 1 by 20 whole epochs, threads as each sets them, and its test error",
    "busy": "module 1, threads as it chooses, beside a busy process",
    "classifier": "module 4's classifier on three seeds",
    "imports": "first cells in fresh processes",
    "notebooks": "solution notebooks by section",
}


def parts(chosen, modules, quick):
    """The parts that were asked for, {(kind, module or ""): function(roots) -> rows}"""
    few = partial(min, 2) if quick else int
    scale = 10 if quick else 1
    found = {}
    for module in modules:
        if "training" in chosen:
            pictures, rounds = TRAINING[module]
            options = {"pictures": max(32, pictures // scale), "rounds": few(rounds)}
            found["training", module] = partial(measure.training, module=module, **options)
        for kind, rounds in (("imports", 5), ("notebooks", 3)):
            if kind in chosen:
                options = {"module": module, "rounds": few(rounds)}
                found[kind, module] = partial(getattr(measure, kind), **options)
    if "epochs" in chosen:
        options = {"pictures": 60_000 // scale, "rounds": few(20), "threads": [None], "test": True}
        found["epochs", "01"] = partial(measure.training, module="01", **options)
    if "busy" in chosen:
        options = {"pictures": 9600 // scale, "rounds": few(9)}
        found["busy", "01"] = partial(measure.beside_busy, **options)
    if "classifier" in chosen:
        found["classifier", "04"] = partial(measure.classifier, rounds=few(3))
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--module",
        action="append",
        choices=TRAINING,
        help="this module only, may be repeated; alone it means its --training",
    )
    for kind, text in KINDS.items():
        parser.add_argument(f"--{kind}", action="store_true", help=text)
    parser.add_argument("--quick", action="store_true", help="short, and kept only in --out")
    parser.add_argument("--against", default="354511f", help="an older commit [%(default)s]")
    parser.add_argument("--out", type=Path, help="[solutions/results/bench.json]")
    args = parser.parse_args(arguments)

    chosen = {kind for kind in KINDS if getattr(args, kind)}
    chosen = chosen or ({"training"} if args.module else set(KINDS))
    todo = parts(chosen, args.module or TRAINING, args.quick)
    minutes = sum(MINUTES[kind] for kind, _ in todo) / (5 if args.quick else 1)
    print(f"{len(todo)} parts, about {minutes:.0f} minutes on two quiet cores", flush=True)
    out = args.out or (None if args.quick else report.PATH)
    with tempfile.TemporaryDirectory() as folder:
        older = measure.unpacked(args.against, folder)
        roots = {"course": COURSE} | ({args.against: older} if older else {})
        for (kind, module), function in todo.items():
            start = time.perf_counter()
            rows = function(roots=roots)
            seconds = time.perf_counter() - start
            print(f"\n{kind} {module}, {seconds:.0f} s\n\n{report.text(rows)}", flush=True)
            if out:
                report.keep(f"{kind} {module}", about() | {"rows": rows}, out)


def about():
    """What a table has to say about where its numbers come from."""
    from helpers.results.entries import commit  # torch comes with it: not before contenders start

    return {
        "machine": f"{platform.machine()}, {joblib.cpu_count()} cores",
        "commit": commit(),
        "torch": version("torch"),
        "date": datetime.date.today().isoformat(),
    }


if __name__ == "__main__":
    main()
