"""What a learner does, in a browser: run all, solve an exercise, ask for hints, move what moves.

Screenshots go to the folder that COURSE_SHOTS names, else to pytest's temporary one.
"""

import os
import re
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from conditions import MEMORY_MB, PROFILE, chromium
from lab import ARGUMENTS, COUNTS, Notebook, copy_course, server, used_memory
from PIL import Image

from helpers.authoring.build import lessons, read_source, reference_source, sources
from helpers.checks import exercises

pytestmark = pytest.mark.skipif(
    chromium() is None,
    reason="no Chromium or no playwright: apt install chromium, pip install playwright",
)


@pytest.fixture
def page():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


@pytest.fixture
def shots(tmp_path):
    return Path(os.environ.get("COURSE_SHOTS") or tmp_path / "shots")


@pytest.mark.parametrize("source", lessons(), ids=lambda p: p.stem)
def test_course(source, page, shots, tmp_path, needed):
    course = copy_course(tmp_path / "Mein Kurs für alle")
    stored = nbformat.read(course / "notebooks" / f"{source.stem}.ipynb", as_version=4)
    index = {cell.id: i for i, cell in enumerate(stored.cells)}
    start = time.monotonic()
    with server(course, tmp_path / "jupyter", PROFILE) as ((url, token), process):
        notebook = Notebook(page, url, token, f"notebooks/{source.stem}.ipynb")
        opened = time.monotonic()
        look_at_optional_parts(notebook, stored)
        run_untouched(notebook, stored, index)
        seconds = time.monotonic() - opened
        solve_one(notebook, index, source)
        climb_hints(notebook, source)
        move_every_slider(notebook)
        move_every_explorable(notebook)
        choose_another_option(notebook)
        press_every_button(notebook)
        upload_pictures(notebook, tmp_path)
        answer_the_quiz(notebook)
        look_at_progress(notebook, source)
        look_at_widths_and_themes(notebook, shots / source.stem[:2])
        memory = used_memory(process)
    needed(
        f"open after {opened - start:.0f} s, all cells in {seconds:.0f} s, "
        f"kernel {memory[1]} MB, server {memory[0]} MB ({PROFILE})"
    )
    assert sum(memory) < MEMORY_MB


def test_self_test_by_keyboard(page, tmp_path):
    """A prediction, wrong and right, and questions of both forms, answered without a mouse."""
    source = next(iter(sources("00")))
    course = copy_course(tmp_path / "course")
    stored = nbformat.read(course / "notebooks" / f"{source.stem}.ipynb", as_version=4)
    index = {cell.id: i for i, cell in enumerate(stored.cells)}
    with server(course, tmp_path / "jupyter") as ((url, token), _):
        notebook = Notebook(page, url, token, f"notebooks/{source.stem}.ipynb")
        run_untouched(notebook, stored, index)
        verdicts = []
        for means in (784, 8):
            answer = f'shapes = {{"pixels": 784, "means": {means}, "parameters": 7850}}'
            notebook.write(index["ex-0-1"], answer)
            notebook.run()
            notebook.run()
            verdicts.append(notebook.output(index["check-0-1"]))
        assert "✗" in verdicts[0] and "averages over axis 1" in verdicts[0] and "✓" in verdicts[1]
        quiz = notebook.cell(index["quiz"]).frame_locator("iframe")
        quiz.locator("input[type=radio]").first.focus()
        page.keyboard.press("Space")
        said = quiz.get_by_role("status")
        said.filter(has_text="Not this one.").wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        said.filter(has_text="Right.").wait_for(timeout=8000)
        field = quiz.get_by_label("Your answer")
        for typed, says in (("0.02", "divided by 100, the standard"), ("1/5", "√(4/100) = 0.2")):
            field.focus()
            page.keyboard.press("Control+A")
            page.keyboard.type(typed)
            page.keyboard.press("Enter")
            said.filter(has_text=says).wait_for()
        assert notebook.errors() == []


def own_exercises(source):
    return [e for e in exercises() if int(e.id.split(".")[0]) == int(source.stem[:2])]


def look_at_optional_parts(notebook, stored):
    """The first has its bar in colour, and its link leads past it; answers are folded."""
    marked = [c for c in stored.cells if c.cell_type == "markdown" and "Skip to: " in c.source]
    for cell in marked[:1]:
        at = notebook.cell(stored.cells.index(cell))
        colour = "e => getComputedStyle(e).color"
        assert at.locator("span", has_text="▌").last.evaluate(colour) == "rgb(0, 158, 115)"
        link = at.locator("a", has_text="Skip to: ")
        target = link.get_attribute("href").removeprefix("#")
        link.click()
        there = notebook.page.locator(f'[data-jupyter-id="{target}"]')
        notebook.page.wait_for_timeout(500)
        assert 0 < there.bounding_box()["y"] < 1000
    folded = notebook.page.locator(".jp-MarkdownCell details")
    for i in range(folded.count()):
        assert not folded.nth(i).evaluate("e => e.open")


def run_untouched(notebook, stored, index):
    """First the core alone, then the optional parts, as who comes back to them later."""
    optional = ["optional" in cell.metadata["tags"] for cell in stored.cells]
    for wanted in (False, True):
        if some := [i for i, is_optional in enumerate(optional) if is_optional == wanted]:
            notebook.run_some(some)
            assert notebook.errors() == []
    for id, i in index.items():
        if id.startswith("check-"):
            notebook.wait_for(i, "not started yet")
    assert None not in notebook.page.evaluate(COUNTS)


def solve_one(notebook, index, source):
    """The first function asked for: a wrong answer is called wrong, ours is right."""
    cells = (cell for cell in read_source(source) if "reference" in cell.metadata)
    cell = next(cell for cell in cells if cell.source.startswith("def "))
    check = cell.id.replace("ex-", "check-")
    wrong = f"{cell.source.rstrip()}\n    raise ValueError"
    verdicts = []
    for answer in (wrong, reference_source(cell.metadata["reference"])):
        notebook.write(index[cell.id], answer)
        notebook.run()
        notebook.run()
        verdicts.append(notebook.output(index[check]).strip()[0])
    assert verdicts == ["✗", "✓"]


def climb_hints(notebook, source):
    id = own_exercises(source)[0].id
    at = notebook.append(f'hint("{id}")')
    shown = [notebook.output(at)]
    for _ in range(2):
        notebook.command("notebook:run-cell")
        shown.append(notebook.output(at))
    for rung, text in enumerate(shown, start=1):
        assert f"Hint {rung} of 3 for exercise {id}" in text


def move_every_slider(notebook):
    sliders = notebook.page.locator(".widget-slider:visible .noUi-handle")
    for i in range(sliders.count()):
        handle = sliders.nth(i)
        low, high, now = (
            float(handle.get_attribute(f"aria-value{part}")) for part in ("min", "max", "now")
        )
        if low < high:
            changes_figure(notebook, handle, lambda h=handle, up=now < high: press(h, up))


def move_every_explorable(notebook):
    frames = [frame for frame in notebook.page.frames if frame.locator(".status").count()]
    assert frames
    for frame in frames:
        moves(frame)
    assert notebook.errors() == []


def moves(frame):
    """An explorable says something else once its first slider, or other control, is moved."""
    said, sliders = frame.locator(".status p").first, frame.locator("input[type=range]")
    if sliders.count():
        control = sliders.first
        control.press("Home")
    else:
        control = frame.locator("select, button").first
    frame.wait_for_timeout(100)
    before = said.inner_text()
    if sliders.count():
        control.press("End")
    elif control.evaluate("node => node.tagName") == "SELECT":
        control.select_option(index=control.locator("option").count() - 1)
    else:
        control.click()
    frame.wait_for_timeout(100)
    assert said.inner_text() != before


def test_an_explorable_needs_no_kernel(page, tmp_path):
    """In JupyterLab, after the kernel was shut down."""
    course = copy_course(tmp_path / "course")
    path = course / "notebooks" / "one.ipynb"
    code = nbformat.v4.new_code_cell(
        "from helpers import explorables\n\nexplorables.ranks([1, 2, 4])"
    )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[code], metadata={"kernelspec": kernel}), path)
    with server(course, tmp_path / "jupyter") as ((url, token), _):
        notebook = Notebook(page, url, token, "notebooks/one.ipynb")
        notebook.run_some([0])
        page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        (frame,) = [frame for frame in page.frames if frame.locator(".status").count()]
        moves(frame)


def press(handle, up):
    handle.focus()
    for _ in range(3):  # one step of a threshold can be less than a pixel
        handle.press("ArrowRight" if up else "ArrowLeft")


def choose_another_option(notebook):
    lists = notebook.page.locator(".widget-dropdown:visible select")
    for i in range(lists.count()):
        choice = lists.nth(i)
        options, now = choice.evaluate("e => [e.options.length, e.selectedIndex]")
        if options > 1:
            other = (now + 1) % options
            changes_figure(notebook, choice, lambda c=choice, o=other: c.select_option(index=o))
    others = notebook.page.locator(".widget-toggle-button:visible:not(.mod-active)")
    if others.count():
        changes_figure(notebook, others.first, others.first.click)


def press_every_button(notebook):
    buttons = notebook.page.locator(".widget-button:visible")
    for i in range(buttons.count()):
        changes_figure(notebook, buttons.nth(i), buttons.nth(i).click)


def answer_the_quiz(notebook):
    """The questions at the end of the module."""
    quiz = notebook.page.frame_locator("iframe[title^='Quiz of module']")
    said = quiz.get_by_role("status")
    assert not any(said.all_inner_texts())
    quiz.locator("input[type=radio]").first.click()
    said.filter(has_text=re.compile(r"Right\.|Not this one\.")).wait_for()


def upload_pictures(notebook, tmp_path):
    """A picture for every upload button, where a module has one."""
    picture = tmp_path / "mine.png"
    noise = np.random.default_rng(0).integers(0, 256, size=(50, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture)
    buttons = notebook.page.locator(".widget-upload")
    for i in range(buttons.count()):
        button = buttons.nth(i)
        changes_figure(notebook, button, lambda b=button: choose_file(notebook, b, picture))


def choose_file(notebook, button, path):
    with notebook.page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(path)


def changes_figure(notebook, control, act):
    """The picture below the control is another one after `act`."""
    figure = (
        control.locator("xpath=ancestor::*[contains(@class, 'jp-Cell ')][1]").locator("img").last
    )
    before = figure.get_attribute("src")
    act()
    for _ in range(100):
        if figure.get_attribute("src") != before:
            break
        notebook.page.wait_for_timeout(200)
    label = control.locator("xpath=ancestor::*[contains(@class, 'widget-inline-hbox')][1]")
    assert figure.get_attribute("src") != before, f"no new figure: {label.all_inner_texts()}"
    assert notebook.errors() == []


def look_at_progress(notebook, source):
    at = notebook.append("progress()")
    assert f"1 of {len(own_exercises(source))}" in notebook.output(at)


def look_at_widths_and_themes(notebook, folder):
    """Nothing is cut in a wide and in a narrow window; screenshots of both themes."""
    folder.mkdir(parents=True, exist_ok=True)
    notebook.page.evaluate("window.jupyterapp.shell.collapseLeft()")
    for theme in ("Light", "Dark"):
        notebook.command("apputils:change-theme", theme=f"JupyterLab {theme}")
        for width in (1400, 700):
            notebook.page.set_viewport_size({"width": width, "height": 1000})
            notebook.page.wait_for_timeout(1000)
            assert notebook.cut() == [], f"{width} wide, {theme}"
            scroll_through(notebook, folder / f"{theme.lower()}-{width}")


def scroll_through(notebook, name):
    """Screenshots of the whole notebook if COURSE_SHOTS asks for them, else of its end."""
    page = notebook.page
    panel = page.locator(".jp-WindowedPanel-outer").first
    height, whole = panel.evaluate("e => [e.clientHeight, e.scrollHeight]")
    tops = range(0, whole, height - 50) if "COURSE_SHOTS" in os.environ else [whole - 2 * height]
    for number, top in enumerate(tops):
        panel.evaluate("(e, top) => e.scrollTo(0, top)", top)
        page.wait_for_timeout(150)
        page.screenshot(path=f"{name}-{number:02}.png")
