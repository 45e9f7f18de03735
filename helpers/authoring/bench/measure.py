"""Contenders side by side: each in a process of its own, measured in turn, slice by slice.

A machine's clock drifts, and other processes come and go; what is measured in turn meets the same.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager, nullcontext
from itertools import zip_longest
from pathlib import Path
from statistics import median, quantiles

import nbformat
from nbclient import NotebookClient

from helpers.places import COURSE, course_data

HERE = Path(__file__).parent
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "COURSE_MIRROR", "COURSE_SOURCE")


def environment(root, threads=None, **settings):
    """A contender's environment: nothing in it that `helpers` has set for this process.

    threads : torch's, for those who do not set them otherwise; its own choice without
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    kept |= {"PYTHONPATH": str(root), "COURSE_DATA": str(course_data()), "COURSE_PROFILE": "quick"}
    return kept | ({"OMP_NUM_THREADS": str(threads)} if threads else {}) | settings


def unpacked(commit, folder):
    """The course as it was at a commit, in the folder; None where git cannot give it."""
    done = subprocess.run(["git", "-C", COURSE, "archive", commit], capture_output=True)
    if done.returncode:
        print(
            f"{commit} is not in this clone (git fetch --unshallow): compared without it.",
            flush=True,
        )
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return Path(folder)


class Contender:
    """A process that works on request (contender.py). RuntimeError where it ends by itself."""

    def __init__(self, root, *arguments, threads=None, profile="quick"):
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  (see close)
        self.process = subprocess.Popen(
            [sys.executable, HERE / "contender.py", *map(str, arguments)],
            cwd=root,
            env=environment(root, threads, COURSE_PROFILE=profile),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def ask(self, command, **options):
        self.process.stdin.write(json.dumps([command, options]) + "\n")
        self.process.stdin.flush()
        if answer := self.process.stdout.readline():
            return json.loads(answer)
        self.errors.seek(0)
        raise RuntimeError(f"{self.process.args[2:]} ended:\n{self.errors.read()[-2000:]}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def spread(values):
    """[lower quartile, median, upper quartile]"""
    return quantiles(values, n=4, method="inclusive") if len(values) > 1 else 3 * values


def compared(times, to="course"):
    """Of {contender: its times in the same rounds}: the spread, and how it relates to the course's.

    -> {contender: {"seconds": spread, "ratio": of medians, "ratios": their spread by round}}
    """
    return {
        name: {
            "seconds": spread(own),
            "ratio": median(own) / median(times[to]),
            "ratios": spread([a / b for a, b in zip(own, times[to], strict=True)]),
        }
        for name, own in times.items()
    }


def training(roots, *, module, pictures, rounds, threads=(1, 2), test=False):
    """Training loops on `pictures` pictures a round; seconds are those of 1,000. -> rows

    roots : {contender: folder of its course}; the source is added
    threads : None leaves them to each contender, as a learner would
    test : also the error on the test pictures after these rounds
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        with closing(Contender(COURSE, "prepare", module, folder)) as writer:
            data = writer.ask("prepare")
        for n in threads:
            with ExitStack() as stack:

                def start(*arguments, stack=stack, n=n):
                    # the sources' sizes are those of the full profile
                    contender = Contender(*arguments, threads=n, profile="full")
                    return stack.enter_context(closing(contender))

                contenders = {k: start(root, "course", module, folder) for k, root in roots.items()}
                contenders["source"] = start(HERE, "source", module, folder)
                limit = start(HERE, "limit")
                known = {name: c.ask("about", n=pictures) for name, c in contenders.items()}
                times, faults, rates = {k: [] for k in known}, {k: [] for k in known}, []
                for i in range(rounds):
                    turn = list(contenders)
                    for name in turn[i % len(turn) :] + turn[: i % len(turn)]:
                        answer = contenders[name].ask("slice", n=pictures)
                        times[name].append(1000 * answer["seconds"] / answer["pictures"])
                        faults[name].append(answer["faults_per_step"])
                    rates.append(limit.ask("products")["gflop_per_second"])
                for name, row in compared(times).items():
                    c, least = contenders[name], 1000 * known[name]["gflop"] / median(rates)
                    row |= {"images_per_second": 1000 / row["seconds"][1]} | known[name]
                    row |= {"of_limit": row["seconds"][1] / least, "matmul_gflops": median(rates)}
                    row |= {"faults_per_step": median(faults[name])} | c.ask("memory")
                    if test:
                        row |= c.ask("test", path=f"{folder}/test.npy")
                    row["data_share"] = c.ask("slice", n=pictures, share=True)["data_share"]
                    rows.append({"contender": name} | row | {"data": data["source"]})
    return rows


def beside_busy(roots, *, pictures, rounds):
    """Module 1 on as many threads as it chooses, alone and beside a process that uses one core."""
    times = {"quiet": [], "busy": []}
    with tempfile.TemporaryDirectory() as folder:
        with closing(Contender(COURSE, "prepare", "01", folder)) as writer:
            writer.ask("prepare")
        with closing(Contender(roots["course"], "course", "01", folder)) as course:
            course.ask("slice", n=pictures)
            for _ in range(rounds):
                for state, own in times.items():
                    with busy_process() if state == "busy" else nullcontext():
                        answer = course.ask("slice", n=pictures)
                    own.append(1000 * answer["seconds"] / answer["pictures"])
    return [{"contender": k} | row for k, row in compared(times, to="quiet").items()]


@contextmanager
def busy_process():
    """Meanwhile another process uses one core; it ends with this one, however that ends."""
    code = (
        "import os, sys, threading\n"
        "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()\n"
        "while True: pass"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        try:
            yield
        finally:
            process.kill()


def classifier(roots, *, rounds, profile="quick"):
    """Module 4's classifier, one seed a round. -> rows, with the accuracy of each seed"""
    answers = {name: [] for name in roots}
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(closing(Contender(root, "classifier", profile=profile)))
            for name, root in roots.items()
        }
        for seed in range(rounds):
            for name, contender in contenders.items():
                answers[name].append(contender.ask("classifier", seed=seed))
    rows = compared({name: [a["seconds"] for a in own] for name, own in answers.items()})
    return [
        {"contender": name} | row | {"accuracy": [a["accuracy"] for a in answers[name]]}
        for name, row in rows.items()
    ]


def notebook(root, module):
    """A module's solution notebook in the course at `root`."""
    return nbformat.read(next((root / "solutions").glob(f"{module}_*.ipynb")), as_version=4)


def imports(roots, *, module, rounds):
    """Seconds of a notebook's first cell in a fresh process. -> rows"""
    times = {name: [] for name in roots}
    for i in range(rounds + 1):
        for name, root in roots.items():
            cell = next(c.source for c in notebook(root, module).cells if c.id == "setup")
            code = f"import time; start = time.perf_counter(); exec({cell!r})"
            code += "; print(time.perf_counter() - start)"
            out = subprocess.check_output(
                [sys.executable, "-c", code], cwd=root / "solutions", env=environment(root)
            )
            if i:  # the first round brings the files into memory
                times[name].append(float(out))
    return [{"contender": name} | row for name, row in compared(times).items()]


def sections(cells):
    """[title, positions of its code cells] of each section; before them, cells by their ids."""
    found = []
    for i, cell in enumerate(cells):
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append([cell.source.splitlines()[0][3:], []])
        elif cell.cell_type == "code":
            if not found or (len(found[-1][1]) and not found[-1][0][0].isdigit()):
                found.append([cell.id, []])
            found[-1][1].append(i)
    return found


def notebooks(roots, *, module, rounds):
    """A solution notebook in the quick profile, section by section in turn. -> rows

    "all" is the whole notebook, and has its peak memory.
    """
    settings = {"COURSE_SOURCE": "sample"} if module == "05" else {}
    times, peak, rows = {name: {} for name in roots}, {}, []
    for _ in range(rounds):
        with ExitStack() as stack:
            clients, parts = {}, []
            for name, root in roots.items():
                # a folder of its own: no progress or checkpoint of an earlier run
                where = {"path": stack.enter_context(tempfile.TemporaryDirectory())}
                client = NotebookClient(
                    notebook(root, module), timeout=3600, resources={"metadata": where}
                )
                stack.enter_context(client.setup_kernel(env=environment(root, **settings)))
                parts.append([(name, *part) for part in sections(client.nb.cells)])
                clients[name] = client
            for name, title, cells in filter(None, sum(zip_longest(*parts), ())):
                client, start = clients[name], time.perf_counter()
                for i in cells:
                    client.execute_cell(client.nb.cells[i], i)
                times[name].setdefault(title, []).append(time.perf_counter() - start)
            peak = {name: peak_mb(client) for name, client in clients.items()}
    for own in times.values():
        own["all"] = [sum(seconds) for seconds in zip(*own.values(), strict=True)]
    for title in times["course"]:
        same = {name: own[title] for name, own in times.items() if title in own}
        for name, row in compared(same).items():
            row |= {"peak_mb": peak[name]} if title == "all" else {}
            rows.append({"section": title, "contender": name} | row)
    return rows


def peak_mb(client):
    """The most memory that a client's kernel has had."""
    ask = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    cell = nbformat.v4.new_code_cell(ask)
    client.nb.cells.append(cell)
    return int(client.execute_cell(cell, len(client.nb.cells) - 1).outputs[0].text)
