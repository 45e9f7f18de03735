"""The pages of the site, and the solved notebooks as nbconvert exports them, in Chromium.

The network is cut. What an exported page looks like is nbconvert's: what its own template does
wrong is named below, and nothing else is exempt.
"""

import functools
import http.server
import re
import shutil
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from lab import ARGUMENTS
from nbconvert import HTMLExporter

from helpers.authoring.build import COURSE, lessons, sources

playwright = pytest.importorskip("playwright.sync_api", reason="playwright comes with make dev")

AXE = COURSE / "tests/explorables/javascript/node_modules/axe-core/axe.min.js"
needs_axe = pytest.mark.skipif(not AXE.exists(), reason="axe-core comes with make lint and npm")
# explorables, in frames, have a test of their own, which looks at each one once and in both themes
FAULTS = """async ([context, options]) =>
  (await axe.run(context, { iframes: false, resultTypes: ["violations"], ...options })).violations
  .filter(({ impact }) => ["serious", "critical"].includes(impact))
  .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}`))"""
# Contrast takes most of the time, and texts in the same colours and size on the same backgrounds
# have the same: one of each is marked. The colour of code hangs on its word's class.
MARK = """(exempt) => {
  const seen = new Set();
  for (const word of document.querySelectorAll(".highlight span"))
    if (seen.has(word.className)) word.replaceWith(word.textContent);
    else seen.add(word.className);
  const behind = new Map([[null, ""]]);
  for (const node of document.querySelectorAll("body, body *")) {
    const style = getComputedStyle(node);
    const { backgroundColor, backgroundImage, color, fontSize, fontWeight, opacity } = style;
    const above = behind.get(node.parentElement) ?? "";
    const own = /^rgba\\(.*, 0\\)$/.test(backgroundColor) && backgroundImage === "none" ? ""
      : `${backgroundColor} ${backgroundImage}`;
    behind.set(node, `${above}|${own}|${opacity === "1" ? "" : opacity}`.replace(/\\|+$/, ""));
    const own_key = [color, fontSize, fontWeight, node.tagName, node.className];
    const key = [...own_key, behind.get(node)].join();
    const text = node.matches("input, select, textarea") ||
      [...node.childNodes].some((part) => part.nodeType === 3 && part.data.trim());
    if (text && !seen.has(key) && node.checkVisibility() && !node.closest(exempt)) {
      seen.add(key);
      node.dataset.contrast = "";
    }
  }
}"""
AT_ONCE = """addEventListener("DOMContentLoaded", () => {
  const style = document.createElement("style");
  style.textContent = "*, ::before, ::after { transition: none !important }";
  document.head.append(style);
})"""
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
WHOLE = [{"include": [["html"]]}, {"rules": {"color-contrast": {"enabled": False}}}]
CONTRAST = [{"include": [["[data-contrast]"]]}, {"runOnly": ["color-contrast"]}]
# nbconvert 7.17's template: pale prompts and colours of code, links that are not underlined
NBCONVERT = {
    "color-contrast": ".jp-InputPrompt, .jp-OutputPrompt, .highlight",
    "link-in-text-block": ".jp-RenderedHTMLCommon a",
}
LIMIT = 1.5e6  # bytes of a page without pictures
PICTURE = re.compile(rb"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+")


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with playwright.sync_playwright() as driver:
        try:
            found = driver.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        except playwright.Error as error:
            pytest.skip(f"no Chromium (apt install chromium): {error}")
        yield found
        found.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(offline=True, viewport={"width": 1400, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def visited(site, browser):
    """Each page opened once. -> {path: (what axe finds, what the console says, bytes)}"""
    found = {}
    context = browser.new_context(offline=True, viewport={"width": 1400, "height": 900})
    context.add_init_script(AT_ONCE)
    for path in site.rglob("*.html"):
        if "_static" in path.parts:
            continue
        page, complaints, files = context.new_page(), [], {}
        page.on("pageerror", lambda error, complaints=complaints: complaints.append(str(error)))
        page.on("request", lambda request, files=files: note(request, files))
        page.goto(path.resolve().as_uri())
        if path == site / "index.html":  # leads on to another one
            page.wait_for_url("**/README.html")
        faults = axe(page)  # meanwhile a page may ask for more
        found[path.relative_to(site).as_posix()] = (faults, complaints, sum(files.values()))
        page.close()
    context.close()
    assert len(found) > 2 * len(sources())
    return found


def axe(page):
    """Serious faults of a page: contrast, in both themes, and all the rest."""
    if not AXE.exists():
        return []
    page.evaluate(MARK, "noscript")
    page.add_script_tag(path=AXE)
    faults = page.evaluate(FAULTS, WHOLE)
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        page.evaluate(DRAWN)
        faults += [f"{theme}: {fault}" for fault in page.evaluate(FAULTS, CONTRAST)]
    return faults


@needs_axe
def test_axe_finds_no_serious_fault_on_the_site(visited):
    assert {path: faults[:5] for path, (faults, _, _) in visited.items() if faults} == {}


def test_no_page_complains_in_the_console(visited):
    assert {path: said[:5] for path, (_, said, _) in visited.items() if said} == {}


@needs_axe
@pytest.mark.parametrize("source", lessons(), ids=lambda path: path.stem)
def test_axe_finds_no_serious_fault_of_ours_in_an_exported_page(source, page, tmp_path):
    notebook = COURSE / f"solutions/{source.stem}.ipynb"
    (tmp_path / "page.html").write_text(HTMLExporter().from_filename(str(notebook))[0])
    page.goto((tmp_path / "page.html").as_uri())
    page.evaluate(MARK, NBCONVERT["color-contrast"])
    page.add_script_tag(path=AXE)
    off = {"rules": {rule: {"enabled": False} for rule in NBCONVERT}}
    others = {"include": [["html"]], "exclude": [[NBCONVERT["link-in-text-block"]]]}
    faults = page.evaluate(FAULTS, [WHOLE[0], off]) + page.evaluate(FAULTS, CONTRAST)
    faults += page.evaluate(FAULTS, [others, {"runOnly": ["link-in-text-block"]}])
    assert faults == []


def test_no_module_page_is_above_its_limit(visited):
    """Everything that a page asks for but pictures, as it lies on the disk, uncompressed."""
    names = [f"{folder}/{s.stem}.html" for s in sources() for folder in ("notebooks", "solutions")]
    weights = {name: visited[name][2] for name in names}
    for name, weight in weights.items():
        print(f"{weight / 1e6:5.2f} MB  {name}")
    assert min(weights.values()) > 1e5 and max(weights.values()) <= LIMIT


def note(request, files):
    """Add the size of what a page asks for, with the pictures taken out."""
    path = Path(unquote(urlsplit(request.url).path))
    if request.url.startswith("file:") and request.resource_type != "image":
        files[path] = len(PICTURE.sub(b"", path.read_bytes()))


def test_formulas_are_drawn(site, page):
    page.goto((site / "solutions/02_vae_and_elbo.html").resolve().as_uri())
    boxes = page.locator("math").evaluate_all(
        "all => all.map((one) => one.offsetHeight || one.getBoundingClientRect().height)"
    )
    assert len(boxes) > 40 and min(boxes) > 5


def test_search_finds_a_term(site, page):
    page.goto(f"{(site / 'search.html').resolve().as_uri()}?q=conformal")
    page.locator("#search-results li a").first.wait_for()


def test_icons_and_styles_that_are_left_are_those_in_use(site, page):
    page.goto((site / "notebooks/00_self_test.html").resolve().as_uri())
    icons = page.locator("svg.svg-inline--fa")
    icons.first.wait_for(state="attached")
    missing = (
        "all => all.filter((one) => !one.dataset.icon || !one.querySelector('path[d]')).length"
    )
    assert icons.count() > 5 and icons.evaluate_all(missing) == 0
    assert page.locator("i.fa-solid").count() == 0  # the script puts a drawing in the place of each
    assert page.locator(".bd-sidebar-primary").bounding_box()["x"] >= 0


def test_the_start_page_shows_a_live_figure_and_the_modules_first(site, page):
    """At 1,400 by 900 pixels without scrolling; nothing is cut off at 360."""
    page.goto((site / "README.html").resolve().as_uri())
    frame = page.frame_locator("iframe")
    frame.locator(".status p:not(:empty)").first.wait_for()
    before = frame.locator(".status p").first.inner_text()
    frame.locator("input[type=range]").press("End")
    page.wait_for_timeout(200)
    assert frame.locator(".status p").first.inner_text() != before
    assert page.locator("#the-modules h2").bounding_box()["y"] < 800
    assert page.locator(".bd-sidebar-primary a").count() == 0  # no second list of them
    page.set_viewport_size({"width": 360, "height": 900})
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth")
    for row in page.locator("#the-modules tbody tr").all():
        box = row.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360


@pytest.fixture
def served(site, tmp_path):
    """The address of the site on a server that has it in a folder of a folder."""
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "place").symlink_to(site.resolve())

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/some/place"
        server.shutdown()


def test_the_site_works_below_any_path(served, browser):
    """Pages, links, a live figure and the search; nothing is asked for outside of the site."""
    context = browser.new_context()
    page, wrong = context.new_page(), []
    inside = re.compile(f"{re.escape(served)}/|data:|about:")

    def outside(route):
        if "badge" not in route.request.url:  # drawn by the hosts that they lead to
            wrong.append(route.request.url)
        route.abort()

    context.route(lambda url: not inside.match(url), outside)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.goto(f"{served}/")  # index.html leads on to the first page
    page.locator("#the-modules a[href$='02_vae_and_elbo.html']").first.click()
    page.wait_for_url(f"{served}/notebooks/02_vae_and_elbo.html")
    page.goto(f"{served}/solutions/02_vae_and_elbo.html")
    frame = page.frame_locator("iframe[title*='ELBO']").first
    frame.locator("input[type=range]").first.press("End")
    assert "nats stays as it is" in frame.locator(".status p").first.inner_text()
    page.goto(f"{served}/search.html?q=conformal")
    page.locator("#search-results li a").first.click()
    page.wait_for_url(re.compile(re.escape(served) + r"/.+\.html"))
    page.locator("article h1").wait_for()
    assert not wrong
    context.close()
