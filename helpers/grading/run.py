"""A class is graded: each submission in a sandbox of its own, several at a time."""

import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

POINTS = {1: 1, 2: 2, 3: 3}  # by difficulty
PREPARING = 10  # times the limit, for what a wrap-up needs: its notebook trains networks
GB = 2**30


@dataclass(frozen=True)
class Row:
    """One line of the table. `mistake` is a known misconception's name, "" where there is none."""

    learner: str
    exercise: str
    title: str
    status: str
    mistake: str
    points: int
    of: int
    sentence: str
    seconds: float
    peak: int = 0  # bytes, of the submission's processes so far


@dataclass(frozen=True)
class Limits:
    """timeout : seconds for one exercise; memory : bytes of a submission; shut : in a sandbox"""

    timeout: float = 60
    memory: float = 3 * GB
    shut: bool = True
    data: str | None = None


def grade_class(found, limits, jobs, report=lambda rows: None):
    """The rows of all submissions, {learner: [paths]}. A submission that fails stops no other."""
    work = [(learner, path) for learner, paths in found.items() for path in paths]
    rows, left = {}, list(work)
    for workers in (jobs, 1):  # a grader that was killed takes what was open in its pool along
        if not left:
            break
        todo, left = left, []
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            started = {pool.submit(grade_one, *item, limits): item for item in todo}
            for job in as_completed(started):
                item = started[job]
                try:
                    rows[item] = job.result()
                except BrokenProcessPool:
                    left.append(item)
                except Exception as error:
                    rows[item] = [_failed(*item, f"The grader failed: {error!r}")]
                if item in rows:
                    report(rows[item])
    for item in left:
        rows[item] = [_failed(*item, "The grader's own process was killed while it graded this.")]
    return best([row for item in work for row in rows[item]])


def best(rows):
    """One row for each exercise of a learner: of several notebooks the better answer counts."""
    kept = {}
    for row in rows:
        key = row.learner, row.exercise
        if key not in kept or row.points > kept[key].points:
            kept[key] = row
    return list(kept.values())


def _failed(learner, path, says):
    return Row(learner, path.name, "", "checker_error", "", 0, 0, says, 0.0)


def grade_one(learner, path, limits):
    """The rows of one submission."""
    from helpers.grading import submission
    from helpers.grading.judge import Judge

    start = time.monotonic()
    try:
        cells = submission.read(path)
        module = submission.module_of(path, cells)
    except submission.Unreadable as error:
        spent = time.monotonic() - start
        return [Row(learner, path.name, "", "unreadable", "", 0, 0, str(error), spent)]
    # what a submission warns of is heard by the probes alone
    with warnings.catch_warnings(action="ignore"), Judge(module, cells, limits) as judge:
        return [judge.row(learner, exercise) for exercise in judge.exercises]
