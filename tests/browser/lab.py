"""JupyterLab as `make lab` starts it, and a page in it, driven by Chromium."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
from conditions import one_core, peak_memory

COURSE = Path(__file__).parents[2]
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
CUT = """() => [...document.querySelectorAll('.jp-OutputArea-output, .jp-RenderedMarkdown')]
  .filter(e => e.scrollWidth > e.clientWidth + 2)
  .filter(e => e.matches('.jp-OutputArea-output') || getComputedStyle(e).overflowX !== 'auto')
  .map(e => `${e.scrollWidth} in ${e.clientWidth}: ${e.innerText.slice(0, 80)}`)"""
COUNTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === 'code')
  .map(cell => cell.model.executionCount)"""
ERROR = '[data-mime-type="application/vnd.jupyter.error"]'
RUNNING = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = app.shell.currentWidget;
  await panel.context.ready;
  await panel.context.sessionContext.ready;
  await panel.context.sessionContext.session.kernel.info;
}"""
SELECT = """indices => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.deselectAll();
  notebook.activeCellIndex = indices[0];
  indices.forEach(i => notebook.select(notebook.widgets[i]));
}"""
COMMAND = "([name, options]) => window.jupyterapp.commands.execute(name, options)"


def copy_course(folder):
    """A course whose notebooks may be written, with this Python as its .venv."""
    shutil.copytree(COURSE / "notebooks", folder / "notebooks")
    for name in ("Makefile", "helpers", "solutions", ".jupyter"):
        (folder / name).symlink_to(COURSE / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@contextmanager
def server(course, scratch, profile="quick"):
    """`make lab` on one core, with no settings of the user's. Yields its address and process."""
    environment = os.environ | {"COURSE_PROFILE": profile, "COURSE_SOURCE": "sample"}
    for name in ("CONFIG", "DATA", "RUNTIME"):
        environment[f"JUPYTER_{name}_DIR"] = str(scratch / name)
    for name in ("SETTINGS", "WORKSPACES"):
        environment[f"JUPYTERLAB_{name}_DIR"] = str(scratch / name)
    environment["IPYTHONDIR"] = str(scratch / "ipython")
    settings = scratch / "SETTINGS/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')  # all cells stay in the page, to be looked at
    config = scratch / "CONFIG/jupyter_lab_config.py"
    config.parent.mkdir()
    config.write_text("c.LabApp.expose_app_in_browser = True\nc.ServerApp.open_browser = False\n")
    log = scratch / "log"
    with one_core(), log.open("w") as out:
        process = subprocess.Popen(
            ["make", "-o", "env", "lab", f"PORT={20000 + os.getpid() % 9000}"],
            cwd=course,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield address(log, process), process
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(children, timeout=20)
        for child in alive:
            child.kill()
        process.wait()


def address(log, process):
    """(address, token) that JupyterLab prints once it serves."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"(http://127\S+?)/lab\S*token=(\w+)", log.read_text()):
            return found.groups()
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()}")


def used_memory(process):
    """(server, kernel): the most memory of each, in MB."""
    commands = {p.pid: " ".join(p.cmdline()) for p in psutil.Process(process.pid).children(True)}
    return [
        max(peak_memory(pid) for pid, command in commands.items() if module in command)
        for module in ("-m jupyterlab", "-m ipykernel_launcher")
    ]


class Notebook:
    """A notebook that is open in a page."""

    def __init__(self, page, url, token, path):
        self.page = page
        for _ in range(60):  # the address is printed a moment before it is served
            try:
                page.goto(f"{url}/lab/tree/{path}?token={token}&reset", timeout=120_000)
                break
            except Exception as error:
                if "ERR_CONNECTION_REFUSED" not in str(error):
                    raise
                time.sleep(0.5)
        page.wait_for_selector(".jp-NotebookPanel .jp-Notebook .jp-Cell", timeout=120_000)
        page.evaluate(RUNNING)

    def command(self, name, **options):
        """Execute a command of JupyterLab; returns when it is done."""
        self.page.evaluate(COMMAND, [name, options])

    def cells(self):
        return self.page.locator(".jp-Notebook .jp-Cell")

    def cell(self, index):
        return self.cells().nth(index)

    def write(self, index, text):
        """Click into a cell and replace what stands there."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)

    def run(self):
        """Run the active cell, as Shift+Enter does."""
        self.command("notebook:run-cell-and-select-next")

    def run_some(self, indices):
        """Run these cells, in order."""
        self.page.evaluate(SELECT, indices)
        self.command("notebook:run-cell")

    def append(self, text):
        """A new cell at the end with this text, run. -> its index"""
        last = self.cells().count() - 1
        self.cell(last).click()
        self.command("notebook:insert-cell-below")
        self.write(last + 1, text)
        self.command("notebook:run-cell")
        return last + 1

    def output(self, index):
        return self.cell(index).locator(".jp-OutputArea").first.inner_text()

    def wait_for(self, index, text):
        """Look at a cell until its output holds a text: a long page draws what is looked at."""
        self.cell(index).scroll_into_view_if_needed()
        self.cell(index).locator(".jp-OutputArea", has_text=text).first.wait_for(timeout=20_000)

    def errors(self):
        return self.page.locator(
            '[data-mime-type="application/vnd.jupyter.error"]'
        ).all_inner_texts()

    def cut(self):
        """Outputs and texts that are wider than their place; texts may be scrolled (formulae)."""
        return self.page.evaluate(CUT)
