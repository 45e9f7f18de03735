"""Compute the long tables, one entry at a time: python -m helpers.results.compute [TABLE ...]

Every entry is written as soon as it is there, so the run may be killed and taken up again. Data
and profile are those of the environment (COURSE_SOURCE, COURSE_DATA, COURSE_PROFILE), unless the
table is about one source.
"""

import argparse
import json
import multiprocessing
import platform
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

import torch
from filelock import FileLock
from tqdm import tqdm

from helpers.datasets import load
from helpers.places import FROM_WHEEL
from helpers.results import FOLDER, read_entries
from helpers.results.tables import TABLES
from helpers.runtime import COURSE, device, prepare_torch, profile


def main():
    parser = argparse.ArgumentParser(prog="make results", description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(TABLES)}; all without")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each if above 1")
    parser.add_argument("--again", action="store_true", help="compute entries that are there, too")
    args = parser.parse_args()
    if FROM_WHEEL:
        parser.error("tables are computed in a clone of the course; here they are installed")
    unknown = set(args.tables) - set(TABLES)
    if unknown:
        parser.error(f"no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
    todo = [
        (name, parameters)
        for name in args.tables or TABLES
        for parameters in missing(name, again=args.again)
    ]
    spawn = multiprocessing.get_context("spawn")  # OpenMP does not survive a fork
    with ProcessPoolExecutor(args.jobs, spawn, start_worker, (args.jobs,)) as pool:
        futures = [pool.submit(compute, *task) for task in todo]
        for future in tqdm(as_completed(futures), total=len(todo), unit="entry"):
            name, entry = future.result()
            keep(name, entry)
            tqdm.write(f"{name} {entry['parameters']}: {entry['seconds']:.0f} s")


def missing(name, *, again=False):
    """The parameters of the table's entries that are not there for this data and profile."""
    table = TABLES[name]
    source = next(iter(load(table.data, **fixed_source(table)).values())).source
    done = [identity(entry) for entry in read_entries(name)]
    return [p for p in table.entries if again or (p, source, profile()) not in done]


def fixed_source(table):
    """The argument `source` of a table that is about one source."""
    return {"source": table.source} if table.source else {}


def start_worker(jobs):
    prepare_torch()
    if jobs > 1:
        torch.set_num_threads(1)


def identity(entry):
    """What tells entries apart: the parameters, the data and the profile."""
    return entry["parameters"], entry["values"]["source"], entry["profile"]


def compute(table, parameters):
    """One entry of a table, with what is needed to judge it and to compute it again."""
    start = time.perf_counter()
    values = TABLES[table].function(**parameters, **fixed_source(TABLES[table]))
    return table, {
        "parameters": parameters,
        "values": values,
        "profile": profile(),
        "seconds": round(time.perf_counter() - start, 1),
        "machine": f"{platform.machine()}, {device().type}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}",
        "commit": commit(),
    }


def commit():
    """The commit that the code stands at, marked "-dirty" where helpers/ differs from it."""
    git = ["git", "-C", str(COURSE)]
    try:
        head = subprocess.check_output([*git, "rev-parse", "--short=12", "HEAD"], text=True).strip()
        changed = subprocess.check_output([*git, "status", "--porcelain", "--", "helpers"])
        return f"{head}-dirty" if changed else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def keep(table, entry):
    """Add the entry to its file, in place of an older one of the same identity."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{table}.json"
    with FileLock(f"{path}.lock"):
        order = TABLES[table].entries
        others = [e for e in read_entries(table) if e["parameters"] in order]
        entries = [entry, *(e for e in others if identity(e) != identity(entry))]
        entries.sort(
            key=lambda e: (e["values"]["source"], e["profile"], order.index(e["parameters"]))
        )
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)


if __name__ == "__main__":
    main()
