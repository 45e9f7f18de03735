"""Compare a move of each explorable with one of a widget whose picture the kernel draws.

A move is one of a slider, or the choice of an entry of a list or of a radio button. All in one
Chromium, slowed down to a quarter of its speed (`throttle` in test_explorables.py, which has the
tests of speed), 100 moves of each control, medians. By hand: the kernel's part takes minutes.

    .venv/bin/python tests/browser/moves.py [--old CHECKOUT OF 354511f] [explorable ...]
"""

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "explorables"))
from lab import ARGUMENTS, COURSE, Notebook, copy_course, server
from test_explorables import CONTROLS, EVERY, WATCH, throttle

from helpers.authoring.build import METADATA

MOVES = 100
START = "import sys\nsys.path.insert(0, {course!r})\nimport numpy as np\nimport torch\n"
THRESHOLD = """
from helpers.widgets import threshold_explorer
random = np.random.default_rng(0)
normal, anomaly = random.lognormal(-4, 0.4, 500), random.lognormal(-3, 0.5, 300)
threshold_explorer(normal, anomaly, thresholds={"mean + sd": 0.03, "conformal": 0.04})"""
PERTURB = """
from helpers.models import ConvAutoencoder
from helpers.scores import reconstruction_error
from helpers.widgets import perturb_explorer
random = np.random.default_rng(0)
images = random.integers(0, 256, (30, 1, 28, 28), dtype=np.uint8)
torch.manual_seed(0)
model = ConvAutoencoder(latent_dim=4)
labels, scores = np.repeat([2, 5, 7], 10), random.gamma(4, 0.02, 500)
perturb_explorer(model, reconstruction_error, images, labels, 0.1, scores)"""
# notes when a key went down, and when a new picture stood in the page
OBSERVE = """() => {
  window.pictures = [];
  addEventListener("keydown", () => (window.pressed = performance.now()), true);
  const image = (node) => node.nodeName === "IMG" || node.querySelector?.("img");
  new MutationObserver((changes) => {
    if (changes.some((c) => c.attributeName === "src" || [...c.addedNodes].some(image)))
      window.pictures.push(performance.now() - window.pressed);
  }).observe(document.querySelector(".jp-Notebook"), {
    subtree: true, childList: true, attributes: true, attributeFilter: ["src"] });
}"""


def explorable(browser, name, folder):
    """{kind of control: (ms of script, ms from input to drawn, draws)} of a move."""
    path = folder / f"{name}.html"
    path.write_text(f"<!doctype html><title>t</title>{EVERY[name]()._repr_html_()}")
    context = browser.new_context(offline=True)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(path.as_uri())
    frame = page.frames[1]
    frame.wait_for_selector("main > *", state="attached")
    throttle(page, page.context.new_cdp_session(page))
    found = {}
    for kind, (fields, script) in CONTROLS.items():
        controls = frame.locator(fields).element_handles()
        if moves := [move for control in controls for move in control.evaluate(script, MOVES)]:
            found[kind] = [
                statistics.median(m[key] for m in moves) for key in ("script", "wait", "draws")
            ]
    context.close()
    return found


def widget(browser, url, token, name, process):
    """(ms of the kernel's processor, ms from input to the new picture, pictures) of a move."""
    page = browser.new_page()
    notebook = Notebook(page, url, token, f"notebooks/{name}.ipynb")
    notebook.run_some([0])
    handle = page.locator(".jp-OutputArea .noUi-handle").first
    handle.wait_for(timeout=300_000)
    page.locator(".jp-OutputArea img").first.wait_for()
    time.sleep(2)
    kernels = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "ipykernel_launcher" in " ".join(child.cmdline())
    ]
    kernel = max(kernels, key=lambda child: child.create_time())
    throttle(page, page.context.new_cdp_session(page))
    page.evaluate(OBSERVE)
    handle.focus()
    before, waits, pictures = sum(kernel.cpu_times()[:2]), [], 0
    for i in range(MOVES):
        page.keyboard.press("ArrowRight" if i // 5 % 2 == 0 else "ArrowLeft")
        page.wait_for_function(f"window.pictures.length > {pictures}", timeout=60_000)
        seen = page.evaluate("window.pictures")
        waits.append(seen[pictures])
        pictures = len(seen)
    cost = 1000 * (sum(kernel.cpu_times()[:2]) - before) / MOVES
    page.close()
    return cost, statistics.median(waits), pictures / MOVES


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", help="a folder with the course as it was at 354511f")
    parser.add_argument("names", nargs="*", help="explorables, by default all")
    chosen = parser.parse_args()
    cells = {"perturb": START.format(course=str(COURSE)) + PERTURB}
    if chosen.old:
        cells["old_threshold"] = START.format(course=str(Path(chosen.old).resolve())) + THRESHOLD
        cells["old_perturb"] = START.format(course=str(Path(chosen.old).resolve())) + PERTURB
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        scratch = Path(scratch)
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = driver.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        row = "{:20} {:>12} {:>16} {:>8}".format
        print(row("explorable", "script, ms", "to drawn, ms", "draws"), flush=True)
        drawn = {}
        for name in chosen.names or EVERY:
            for kind, measured in explorable(browser, name, scratch).items():
                drawn[name, kind] = measured
                print(row(f"{name}, {kind}", *(f"{v:.2f}" for v in measured)), flush=True)
        folder = scratch / "course"
        folder.mkdir()
        copy_course(folder)
        for name, source in cells.items():
            code = nbformat.v4.new_code_cell(source)
            notebook = nbformat.v4.new_notebook(cells=[code], metadata=METADATA)
            nbformat.write(notebook, folder / f"notebooks/{name}.ipynb")
        print(row("widget", "kernel, ms", "to picture, ms", "draws"), flush=True)
        with server(folder, scratch) as ((url, token), process):
            widgets = {}
            for name in cells:
                widgets[name] = widget(browser, url, token, name, process)
                print(row(name, *(f"{value:.2f}" for value in widgets[name])), flush=True)
        browser.close()
        for name, (cost, wait, _) in widgets.items():
            slowest = [max(values) for values in zip(*drawn.values(), strict=True)]
            print(
                f"{name}: {cost / slowest[0]:.0f} times the script of the slowest explorable, and "
                f"{wait / slowest[1]:.1f} times as long to the picture"
            )


if __name__ == "__main__":
    main()
