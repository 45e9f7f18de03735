"""Build notebooks/NN_topic.ipynb and solutions/NN_topic.ipynb from solutions/NN_topic.py.

The source is a percent-format script. Every cell names its id in its metadata; an exercise cell
names its reference as well, whose own source stands in its place in the solution notebook.
"""

import base64
import datetime
import importlib
import json
import os
import re
import resource
import time

import jupytext
import nbformat
import torch
from nbclient import NotebookClient

from helpers import doctor
from helpers.authoring import glossary, instructors, parts
from helpers.authoring.bench import report
from helpers.authoring.launch import BOOTSTRAP, badges, definitions
from helpers.authoring.parts import SourceError
from helpers.authoring.time import exercise_of, rounded
from helpers.checks import exercises
from helpers.checks.exercise import broken_source, source_of
from helpers.explorables.page import refreshed
from helpers.runtime import COURSE, TIMINGS, device, prepare_torch, probe, profile, timings

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# Module 3 needs modules 1 and 2; module 4 needs module 1 and little of the others; module 5 needs
# 1 and 3. Pauses are not counted.
PLANS = {"half a day": (1, 4), "a day": (1, 2, 3), "two days": (1, 2, 3, 4, 5)}
DOTS = {1: "●○○", 2: "●●○", 3: "●●●"}
PNG_IN_HTML = re.compile(r'src="data:image/png;base64,([^"]+)"')  # of a figure
NOT_RUN = (
    "<details><summary>What you should see</summary>\n\nThe solved notebook has not been "
    "executed; run it to read the answer.\n\n</details>"
)
EXERCISE_HEADING = re.compile(r"^### Exercise (\d+\.\d+)$", re.MULTILINE)


def sources(module=None):
    """The module sources, all or the one whose number is `module` ("01" or "1")."""
    found = sorted((COURSE / "solutions").glob("[0-9][0-9]_*.py"))
    if module is not None:
        found = [path for path in found if int(path.name[:2]) == int(module)]
    if not found:
        raise SourceError(f"no solutions/NN_*.py for module {module}")
    return found


def lessons():
    """The sources of the modules, without the self-test, which has no results and no figures."""
    return [path for path in sources() if path.name[:2] != "00"]


def read_source(path):
    """The cells of a percent-format script as the solution notebook shows them."""
    cells = read_cells(path)
    add_launch(cells, path.stem)
    add_parts(cells, path.stem[:2])
    return cells


def read_cells(path):
    """The cells of a percent-format script, each with its id, tags and reference set."""
    notebook = jupytext.read(path, fmt="py:percent")
    headings = {e.id: f"### Exercise {e.id} · {e.title}" for e in exercises()}
    facts = {
        e.id: f"*Difficulty {DOTS[e.difficulty]} · about {e.minutes} minutes*" for e in exercises()
    }
    cells, seen = [], set()
    for cell in notebook.cells:
        meta = cell.metadata
        where = f"{path.name}: cell {cell.source[:40]!r}"
        if "id" not in meta:
            raise SourceError(f'{where} has no id; write # %% id="..."')
        cell.id = meta["id"]
        if cell.id in seen:
            raise SourceError(f"{where}: the id {cell.id!r} is used twice")
        seen.add(cell.id)
        cell.source = cell.source.strip("\n")  # a formatted script has two lines before a function
        if cell.cell_type == "markdown":
            cell.source = EXERCISE_HEADING.sub(
                lambda m: f"{headings[m[1]]}\n\n{facts[m[1]]}", cell.source
            )
        if "exercise" in meta.get("tags", []) and "reference" not in meta:
            raise SourceError(f"{where} is an exercise without a reference")
        cells.append(cell)
    return cells


def split(cells, module):
    """The module's parts, with the computing as it was measured in the quick profile."""
    run = timings().get(module, {}).get("quick", {})
    return parts.split(cells, module, run.get("cells") or {cells[0].id: run.get("seconds", 0)})


def module_parts(path):
    """The parts of the module at `path`, of its source's own cells."""
    return split(read_cells(path), path.stem[:2])


def add_parts(cells, module):
    """Mark what is core and what is optional, and say in the title how long it takes."""
    found = split(cells, module)
    if wrong := parts.borrowed(found, solved_source):
        raise SourceError("\n".join(f"module {module}: {sentence}" for sentence in wrong))
    cells[0].source = cells[0].source.replace("<!-- time -->", parts.said(found))
    marked = parts.mark(found, parts.needed(found, solved_source)[0])
    for part in found:
        for cell in part.cells:
            cell.source = marked.get(cell.id, cell.source)
            if cell.cell_type == "markdown":
                cell.source = glossary.anchored(cell.source)
            kind = "optional" if part.optional else "core"
            tags = cell.metadata.get("tags", [])
            cell.metadata["tags"] = [*(tag for tag in tags if tag != kind), kind]


def add_launch(cells, module):
    """Put the badges under the module's title, and the bootstrap before its first code cell."""
    title, _, text = cells[0].source.partition("\n")
    if not title.startswith("# "):
        raise SourceError(f"{module}: the first cell is no title")
    cells[0].source = f"{title}\n\n{badges(module)}\n{text}"
    folded = {"jupyter": {"source_hidden": True}}
    bootstrap = nbformat.v4.new_code_cell(BOOTSTRAP, id="bootstrap", metadata=folded)
    first = next(i for i, cell in enumerate(cells) if cell.cell_type == "code")
    cells.insert(first, bootstrap)


def make_notebook(cells, *, solved, shown=None):
    """The notebook, with scaffolds or with the references' own source in their place.

    shown : in an exercise notebook, the folded answers of the executed solution (`answers`)

    Claims are judged in the solution alone: a learner's run may come out otherwise and go on.
    """
    out = []
    for cell in cells:
        tags, kind, source = cell.metadata.get("tags", []), cell.cell_type, cell.source
        if solved:
            source = solved_source(cell)
        elif "claim" in tags:
            continue
        elif "seen" in tags:
            kind, source = "markdown", (shown or {}).get(cell.id, NOT_RUN)
        elif "exercise" in tags:
            source = start_of(cell)
        make = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
        kept = {key: cell.metadata[key] for key in ("tags", "jupyter") if cell.metadata.get(key)}
        out.append(make(source, id=cell.id, metadata=kept))
    return nbformat.v4.new_notebook(cells=out, metadata=METADATA)


def solved_source(cell):
    """The source of a cell as the solution notebook has it."""
    reference = cell.metadata.get("reference")
    return reference_source(reference) if reference else cell.source


def start_of(cell):
    """What a learner finds in an exercise's cell: a function with a bug, or the scaffold."""
    known = exercise_of(cell) in {e.id for e in exercises()}
    return (known and broken_source(exercise_of(cell))) or cell.source


def answers(solution):
    """{cell id: Markdown} of the cells tagged `seen` of an executed solution notebook."""
    found = {}
    for cell in solution.cells:
        if "seen" in cell.metadata.get("tags", []):
            texts = [
                o.data["text/markdown"]
                for o in cell.outputs
                if "text/markdown" in o.get("data", {})
            ]
            if texts:
                found[cell.id] = "\n\n".join(texts)
    return found


def reference_source(name):
    """The source text of the function or class `name` of helpers, to stand in a cell.

    A name without a module is an exercise's own, whose solution its file of texts holds.
    """
    if "." not in name:
        return next(e for e in exercises() if e.reference == name).source().strip()
    module, attribute = name.rsplit(".", 1)
    return source_of(getattr(importlib.import_module(module), attribute)).rstrip()


def keep_outputs(notebook, path):
    """Take the outputs of the file at `path` over if its code is the same.

    Returns whether they could be kept; if not, the notebook has to be executed. The bootstrap may
    change (it names the release): it does nothing here. Explorables get today's scripts.
    """
    if not path.exists():
        return False
    old, new = (
        [cell for cell in cells if cell.cell_type == "code"]
        for cells in (nbformat.read(path, as_version=4).cells, notebook.cells)
    )
    code = [[(c.id, c.source) for c in cells if c.id != "bootstrap"] for cells in (old, new)]
    if code[0] != code[1] or len(old) != len(new):
        return False
    for cell, before in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = before.outputs, before.execution_count
        for data in (output.get("data", {}) for output in cell.outputs):
            if "text/html" in data:
                data["text/html"] = refreshed(data["text/html"])
    return any(cell.get("execution_count") for cell in new)


def execute(notebook, folder, *, timeout=3600, **environment):
    """Run all cells in `folder` and return the seconds that took (`seconds_of`: of each cell)."""
    start = time.perf_counter()
    client = NotebookClient(
        notebook,
        timeout=timeout,
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        coalesce_streams=True,  # of a progress bar only its last state
        record_timing=True,
    )
    client.execute(env=os.environ | environment)
    notebook.metadata = nbformat.from_dict(METADATA)  # the client adds its Python's version
    return time.perf_counter() - start


def seconds_of(notebook):
    """Take the seconds of each cell out of an executed notebook: {cell id: seconds}."""
    found = {}
    for cell in notebook.cells:
        if times := cell.metadata.pop("execution", None):
            busy, idle = (
                datetime.datetime.fromisoformat(times[f"iopub.status.{state}"])
                for state in ("busy", "idle")
            )
            found[cell.id] = (idle - busy).total_seconds()
    return found


def build(path, *, run=True, force=False):
    """Write both notebooks of a source. The solution is executed if `run` and it is stale.

    The exercise notebook is written last: it shows answers and minutes of the executed solution.
    """
    module = path.stem[:2]
    cells = read_source(path)
    target = path.with_suffix(".ipynb")
    solution = make_notebook(cells, solved=True)
    kept = keep_outputs(solution, target)
    if run and (force or not kept):
        if profile() == "smoke":
            raise SourceError("COURSE_PROFILE is smoke, whose results mean nothing; unset it")
        print(f"{path.stem}: executing ...", flush=True)
        source = executed_on(cells)
        chosen = {"COURSE_SOURCE": source} if source else {}
        seconds = execute(solution, path.parent, COURSE_STRICT="1", **chosen)
        record_timing(module, seconds, seconds_of(solution))
        cells = read_source(path)  # the minutes that it says have changed
        for cell, new in zip(solution.cells, make_notebook(cells, solved=True).cells, strict=True):
            cell.source = new.source
        print(f"{path.stem}: executed in {seconds:.0f} s", flush=True)
    elif not kept:
        print(
            f"{path.stem}: its cells changed; its outputs are gone until it is executed", flush=True
        )
    write(solution, target)
    exercise = make_notebook(cells, solved=False, shown=answers(solution))
    write(exercise, COURSE / "notebooks" / f"{path.stem}.ipynb")
    publish(module, solution)


def executed_on(cells):
    """`executed_on` of the module's first cell, which overrides COURSE_SOURCE, or None.

    It is "sample" where the real pictures may not be shown to everyone, as patients' scans.
    """
    return cells[0].metadata.get("executed_on")


def publish(module, solution):
    """Bring the module's picture and its table of results from the solution to the documents."""
    if figure := tagged_output(solution, "cover", "text/html", PNG_IN_HTML):
        path = COURSE / "solutions" / "figures" / f"{module}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(PNG_IN_HTML.search(figure)[1]))
    if table := tagged_output(solution, "results", "text/markdown"):
        fill(COURSE / "docs" / "results.md", f"results-{module}", table)


def fill(document, name, text):
    """Replace what stands in a document between <!-- name --> and <!-- end -->."""
    start, end = f"<!-- {name} -->", "<!-- end -->"
    before, rest = document.read_text(encoding="utf-8").split(start)
    after = rest.split(end, 1)[1]
    new = f"{before}{start}\n\n{text.strip()}\n\n{end}{after}"
    document.write_text(new, encoding="utf-8", newline="\n")


def fill_documents():
    """What the documents say of all modules, from the same sources as everything else."""
    modules = [path.stem for path in lessons()]
    found = {path.stem: module_parts(path) for path in lessons()}
    minutes = {module: parts.totals(own) for module, own in found.items()}
    for page in ("README.md", "notebooks/README.md"):
        fill_columns(COURSE / page, columns(minutes))
    guide = COURSE / "INSTRUCTORS.md"
    for page in (COURSE / "notebooks" / "README.md", guide):
        fill(page, "plans", plans(minutes))
    fill(guide, "timetables", instructors.timetables(found))
    fill(guide, "points", instructors.points(found))
    fill(guide, "modules", instructors.overview(found))
    fill(COURSE / "docs" / "exercises.md", "exercises", instructors.exercise_pages(found))
    fill(COURSE / "README.md", "launch", definitions([path.stem for path in sources()]))
    fill(COURSE / "docs" / "glossary.md", "glossary", glossary.page(found))
    fill(COURSE / "docs" / "troubleshooting.md", "troubleshooting", doctor.table())
    fill(COURSE / "notebooks" / "README.md", "measured", measured_table(modules))
    fill(COURSE / "docs" / "speed.md", "bench", report.summary())


def minutes_table(path):
    """The minutes of each part of a module as text, for its author."""
    found = module_parts(path)
    lines = [f"{path.stem}: {parts.said(found)}".replace(parts.BAR, "▌")]
    for part in found:
        mark = "optional" if part.optional else "core"
        lines.append(f"{part.seconds / 60:6.1f}  {mark:8}  {'  ' * part.level}{part.title}")
    return "\n".join(lines)


def columns(minutes):
    """{module: {column: text}} of the tables of modules, from the seconds of `parts.totals`."""
    table = {}
    for module, seconds in minutes.items():
        own = [e for e in exercises() if int(e.id.split(".")[0]) == int(module[:2])]
        optional = f"{rounded(seconds['optional'])} min" if seconds["optional"] else "–"
        core = f"{rounded(seconds['core'])} min"
        table[module] = {"exercises": str(len(own)), "core": core, "optional": optional}
    return table


def fill_columns(document, table):
    """Fill columns of a Markdown table, in the rows that link to notebooks/MODULE.ipynb."""
    lines = document.read_text(encoding="utf-8").splitlines()
    for i, line in enumerate(lines):
        if line.startswith("| module |") and "| core |" in line:
            header = [cell.strip() for cell in line.split("|")]
        for module, texts in table.items():
            if line.startswith("| [") and re.match(
                rf"[^|]*\]\((notebooks/)?{module}\.ipynb\)", line[2:]
            ):
                cells = line.split("|")
                for name, text in texts.items():
                    cells[header.index(name)] = f" {text} "
                lines[i] = "|".join(cells)
    document.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def plans(minutes):
    """What fits into half a day, a day and two days, added up from the modules' minutes."""
    rows = ["| you have | modules | their core | and their optional parts |", "|---|---|---|---|"]
    by_number = {int(module[:2]): seconds for module, seconds in minutes.items()}
    for you_have, numbers in PLANS.items():
        core, optional = (
            f"{sum(by_number[n][kind] for n in numbers) / 3600:.1f} h"
            for kind in ("core", "optional")
        )
        names = ", ".join(map(str, numbers))
        rows.append(f"| {you_have} | {names} | {core} | {optional} |")
    return "\n".join(rows)


def measured_table(modules):
    """What each notebook needed when it was built, in the quick profile, and where it is solved."""
    rows = ["| module | computing | memory | with all answers and figures |", "|---|---|---|---|"]
    for module in modules:
        need = "not measured yet | "
        if run := timings().get(module[:2], {}).get("quick"):
            threads = "1 thread" if run["threads"] == 1 else f"{run['threads']} threads"
            need = f"{run['seconds'] / 60:.1f} min ({run['device']}, {threads}) | "
            need += f"{run['peak_memory_mb'] / 1000:.1f} GB"
        rows.append(f"| {int(module[:2])} | {need} | [solved](../solutions/{module}.ipynb) |")
    return "\n".join(rows)


def tagged_output(notebook, tag, kind, pattern=""):
    """The first output of the MIME type `kind`, with `pattern` in it, of the cells with this tag,
    or None."""
    for cell in notebook.cells:
        if tag in cell.metadata.get("tags", []):
            for output in cell.outputs:
                if re.search(pattern, data := output.get("data", {}).get(kind, "")) and data:
                    return data


def record_timing(module, seconds, cells):
    """Keep what `preflight` estimates from: the seconds, and this machine's speed.

    cells : seconds by cell id, for the minutes that a part of the module takes
    """
    prepare_torch()
    table = timings()
    table.setdefault(module, {})[profile()] = {
        "seconds": round(seconds, 1),
        "cells": {id: round(s, 1) for id, s in cells.items() if s >= 0.1},
        "steps_per_second": round(probe(seconds=2), 1),
        "device": device().type,
        "threads": torch.get_num_threads(),
        # of the largest child process so far, the kernel; Linux counts in KiB
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    }
    TIMINGS.parent.mkdir(exist_ok=True)
    TIMINGS.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def write(notebook, path):
    """Write as Jupyter does, so that saving an untouched notebook changes no byte of the file.

    A line of a cell is then a line of the file, too. So git can merge a correction of the course
    into a notebook in which a learner has worked.
    """
    nbformat.validate(notebook)
    draft = path.with_suffix(".part")
    draft.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
    draft.replace(path)
