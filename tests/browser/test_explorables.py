"""The explorables in Chromium, on a page of their own, with the network cut.

Measured with the processor throttled four times. What a move takes from the event to the drawn
picture is mostly the wait for the next frame, so the script's own time has a bound of its own.
"""

import shutil
import statistics
import sys
from pathlib import Path

import pytest
from lab import ARGUMENTS

sys.path.insert(0, str(Path(__file__).parents[1] / "explorables"))
from examples import EXAMPLES

playwright = pytest.importorskip("playwright.sync_api", reason="playwright comes with make dev")

# before any script: notes what each drawn frame costs, and when a move has been drawn
WATCH = """
window.drawn = [];
const original = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (draw) => original((time) => {
  const start = performance.now();
  draw(time);
  window.drawn.push({ cost: performance.now() - start, end: performance.now() });
});
"""
MOVE = """async (input) => {
  const [low, high] = [Number(input.min), Number(input.max)];
  const moves = [];
  for (let i = 0; i < 100; i++) {
    const before = window.drawn.length;
    input.value = low + ((high - low) * ((37 * i) % 100)) / 100;
    const start = performance.now();
    input.dispatchEvent(new Event("input"));
    input.dispatchEvent(new Event("input"));
    const handled = performance.now() - start;
    while (window.drawn.length === before) await new Promise((go) => setTimeout(go, 0));
    const frame = window.drawn[window.drawn.length - 1];
    moves.push({ script: handled / 2 + frame.cost, wait: frame.end - start,
                 draws: window.drawn.length - before });
  }
  return moves;
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        try:
            chromium = driver.chromium.launch(executable_path=found(), args=list(ARGUMENTS))
        except playwright.Error as error:
            pytest.skip(f"no Chromium (apt install chromium): {error}")
        yield chromium
        chromium.close()


def found():
    return shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def opened(browser, tmp_path):
    """Open an explorable's output in a page without network. -> (frame, page, complaints)"""
    pages = []

    def open_it(name, **options):
        path = tmp_path / f"{name}.html"
        html = EXAMPLES[name]()._repr_html_()
        path.write_text(f"<!doctype html><html lang='en'><title>t</title>{html}</html>")
        context = browser.new_context(offline=True, **options)
        context.add_init_script(WATCH)
        page = context.new_page()
        complaints = []
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: r.url.startswith("http") and complaints.append(r.url))
        page.goto(path.as_uri())
        frame = page.frames[1]
        frame.wait_for_selector(".status p:not(:empty)")
        pages.append(context)
        return frame, page, complaints

    yield open_it
    for context in pages:
        context.close()


def status(frame):
    return frame.locator(".status p").first.inner_text()


@pytest.mark.parametrize("name", EXAMPLES)
def test_moves_are_quick(opened, name):
    frame, page, complaints = opened(name)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    for slider in frame.locator("input[type=range]").element_handles():
        # other processes on this machine slow a round down: the best of five counts
        rounds = [slider.evaluate(MOVE) for _ in range(5)]
        assert min(statistics.median(m["script"] for m in moves) for moves in rounds) <= 2
        assert min(statistics.median(m["wait"] for m in moves) for moves in rounds) <= 33
        assert max(m["draws"] for moves in rounds for m in moves) == 1  # two events, one draw
    assert not complaints


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_keyboard_reaches_and_moves_every_control(opened, name):
    frame, page, complaints = opened(name)
    controls = frame.locator("input, select, button").element_handles()
    assert controls
    page.keyboard.press("Tab")
    for control in controls:
        assert control.evaluate("node => node === document.activeElement")
        if control.evaluate("node => node.type") == "range":
            texts = []
            for key in ("Home", "End"):
                page.keyboard.press(key)
                page.wait_for_timeout(60)
                texts.append(status(frame))
                assert control.get_attribute("aria-valuetext") in control.evaluate(
                    "node => node.parentNode.textContent"
                )
        page.keyboard.press("Tab")
    assert not complaints


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_control_has_a_label_and_the_frame_a_title(opened, name):
    frame, page, _ = opened(name)
    for control in frame.locator("input, select").element_handles():
        assert control.evaluate("node => node.labels.length === 1 && node.labels[0].textContent")
    assert page.locator("iframe").get_attribute("title")
    assert page.locator("img").get_attribute("alt")
    assert frame.locator("[role=img]").first.get_attribute("aria-label")


AXE = Path(__file__).parents[1] / "explorables/javascript/node_modules/axe-core/axe.min.js"
FAULTS = """async () => (await axe.run()).violations
  .filter(({ impact }) => ["serious", "critical"].includes(impact))
  .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120))}`)"""


@pytest.mark.skipif(not AXE.exists(), reason="axe-core comes with make lint, where npm is there")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_axe_finds_no_serious_fault(opened, name, theme):
    frame, _, _ = opened(name)
    frame.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    frame.add_script_tag(path=AXE)
    assert frame.evaluate(FAULTS) == []


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("name", EXAMPLES)
def test_fits_the_page(opened, name, width):
    """Nothing is cut off, and the frame is as high as what is in it."""
    frame, page, _ = opened(name, viewport={"width": width, "height": 900})
    page.wait_for_timeout(100)
    root = "document.documentElement"
    assert frame.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
    assert frame.evaluate(f"{root}.scrollHeight <= window.innerHeight + 1")


@pytest.mark.parametrize("name", EXAMPLES)
def test_without_scripts_a_picture_stands_there(opened, browser, tmp_path, name):
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html>{EXAMPLES[name]()._repr_html_()}")
    page = browser.new_page(java_script_enabled=False)
    page.goto(path.as_uri())
    assert page.locator("img").is_visible()
    assert "static image" in page.locator("figcaption").inner_text()
    page.close()
