"""Compute the long tables, one entry at a time: python -m helpers.results.compute [TABLE ...]

Every entry is written as soon as it is there, so the run may be killed and taken up again, and two
runs share the work. Data and profile are those of the environment (COURSE_SOURCE, COURSE_DATA,
COURSE_PROFILE), unless the table is about one source. OMP_NUM_THREADS sets the threads of an entry;
without, they are one where several entries are computed at once.
"""

import argparse
import os
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from joblib import Parallel, delayed, parallel_config

from helpers.places import FROM_WHEEL
from helpers.results.check import compare, like_values, tenth
from helpers.results.entries import (
    TimeLeft,
    attempt,
    claim,
    course_environment,
    fixed_source,
    keep,
    release,
    tasks,
)
from helpers.results.tables import TABLES
from helpers.runtime import profile


class WorkersLostError(Exception):
    """The run cannot go on: a process that computed entries is gone."""


def main():
    parser = argparse.ArgumentParser(prog="make results", description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(TABLES)}; all without")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each if above 1")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, tcp://...")
    parser.add_argument("--again", action="store_true", help="compute entries that are there, too")
    parser.add_argument(
        "--check", action="store_true", help="compute a random tenth again, compare, write nothing"
    )
    parser.add_argument("--seed", type=int, help="of the tenth; without, today's date")
    args = parser.parse_args()
    if FROM_WHEEL:
        parser.error("tables are computed in a clone of the course; here they are installed")
    unknown = set(args.tables) - set(TABLES)
    if unknown:
        parser.error(f"no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
    if profile() == "smoke":
        parser.error("COURSE_PROFILE is smoke, whose results mean nothing; unset it")
    try:
        every = [task for name in args.tables or TABLES for task in tasks(name)]
        with workers(args, parser) as (count, threads):
            if args.check:
                seed = date.today().toordinal() if args.seed is None else args.seed
                done = check(every, seed, count, threads)
            else:
                done = fill(every, args.again, count, threads)
    except KeyboardInterrupt:
        print("Stopped. What was computed is kept; the same command goes on.")
        sys.exit(130)
    except WorkersLostError as error:
        sys.exit(f"{error}. What was computed is kept; the same command goes on.")
    sys.exit(0 if done else 1)


@contextmanager
def workers(args, parser):
    """In the block, joblib computes where the arguments say. -> how many at once, threads each"""
    own = int(os.environ.get("OMP_NUM_THREADS") or 0)
    if args.scheduler:
        try:
            from helpers.results.cluster import ClusterError, cluster
        except ImportError as error:
            parser.error(f"--scheduler needs Dask ({error}): pip install --editable '.[cluster]'")
        try:
            with cluster(args.scheduler) as count:
                yield count, own or 1
        except ClusterError as error:
            parser.error(str(error))
    elif args.jobs > 1:
        with parallel_config("loky", n_jobs=args.jobs, inner_max_num_threads=own or 1):
            yield args.jobs, own or 1
    else:
        yield 1, own or None


def computed(todo, threads):
    """Compute the entries of an iterable of tasks. -> outcomes of `attempt`, as they come"""

    def call(task):
        table = TABLES[task.table]
        environment = course_environment() | {"COURSE_PROFILE": profile()}
        if not table.source:
            environment["COURSE_SOURCE"] = task.source  # a worker without these data has to fail
        if "COURSE_DATA" in environment:
            environment["COURSE_DATA"] = str(Path(environment["COURSE_DATA"]).absolute())
        return delayed(attempt)(
            task, table.function, task.parameters, fixed_source(table), environment, threads
        )

    try:
        yield from Parallel(return_as="generator_unordered", batch_size=1)(map(call, todo))
    except Exception as error:  # those of an entry are in its outcome
        text = str(error).strip().partition("\n")[0]
        raise WorkersLostError(f"A worker was lost: {type(error).__name__}, {text}") from error


def fill(every, again, count, threads):
    """Compute what is missing, or all `again`, and keep it. -> bool, no entry failed"""
    todo = [task for task in every if again or not task.stored]
    left, claims, elsewhere, failed = TimeLeft(todo, count), {}, [], {}
    print(f"Of {len(every)} entries, to be computed: {left}", flush=True)

    def claimed():
        for task in todo:
            lock = claim(task)
            if lock and (again or not task.stored):
                claims[task] = lock
                yield task
            else:
                elsewhere.append(task)
                left.finish(task)
                if lock:
                    release(lock)

    try:
        for task, entry, error in computed(claimed(), threads):
            if entry:
                keep(task.table, entry)
            else:
                failed[task] = error
            left.finish(task, entry and entry["seconds"])
            outcome = f"{entry['seconds']:.0f} s" if entry else "failed"
            print(f"{task}: {outcome}; {left}", flush=True)
            release(claims.pop(task))
    finally:
        for lock in claims.values():
            release(lock)
    if elsewhere:
        print(f"Done or under way in another run: {len(elsewhere)}.")
    for task, error in failed.items():
        print(f"\n{task} failed:\n{error}", file=sys.stderr)
    return not failed


def check(every, seed, count, threads):
    """Compute a random tenth of the stored entries again and compare. -> bool, all agree

    What "agree" means is in `helpers.results.check.compare`.
    """
    todo = tenth(every, seed)
    left = TimeLeft(todo, count)
    print(f"Stored entries, drawn with --seed {seed}: {left}", flush=True)
    agreed = True
    for task, entry, error in computed(todo, threads):
        left.finish(task, entry and entry["seconds"])
        agrees, text = False, error
        if entry:
            agrees, text = compare(entry["values"], like_values(task))
        agreed = agreed and agrees
        verdict = "agrees" if agrees else "DISAGREES"
        print(f"{task} {verdict}: {text}; {left}", flush=True)
    return agreed


if __name__ == "__main__":
    main()
