"""The static site: no link in it leads nowhere, and every solved notebook has its figures."""

import os
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from helpers.authoring.build import COURSE, lessons, sources

BOOK = COURSE / ".venv-site/bin/jupyter-book"
pytestmark = pytest.mark.skipif(not BOOK.exists(), reason="no .venv-site: make site")


class Page(HTMLParser):
    """The links, pictures and anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.images, self.anchors = [], [], {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.anchors |= {named[key] for key in ("id", "name") if named.get(key)}
        self.targets += [named[key] for key in ("href", "src") if named.get(key)]
        if tag == "img":
            self.images.append((named["src"], named.get("alt", "")))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if built := os.environ.get("COURSE_SITE"):  # .ci/run has just built it
        return Path(built)
    folder = tmp_path_factory.mktemp("site")
    command = [BOOK, "build", ".", "--quiet", "-W", "--keep-going"]
    command += ["--config", "site/_config.yml", "--toc", "site/_toc.yml", "--path-output", folder]
    done = subprocess.run(command, cwd=COURSE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "_build" / "html"


def test_no_dead_links(site):
    pages = {
        path.resolve(): Page(path) for path in site.rglob("*.html") if "_static" not in str(path)
    }
    dead = []
    for path, page in pages.items():
        for target in page.targets:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            file = (path.parent / unquote(url.path)).resolve() if url.path else path
            anchors = pages[file].anchors if file in pages else {url.fragment}
            if not file.exists() or unquote(url.fragment) not in anchors:
                dead.append(f"{path.name}: {target}")
    assert len(pages) > 2 * len(sources()) and not dead


def test_every_solved_notebook_shows_its_figures(site):
    for source in lessons():
        images = Page(site / "solutions" / f"{source.stem}.html").images
        assert len([src for src, _ in images if src.startswith("data:image/png")]) > 5
        assert not [alt for src, alt in images if src.startswith("data:") and len(alt) < 20]


def test_formulas_are_drawn_without_the_network(site):
    """MathJax comes with the site; the badges alone ask other servers."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright comes with make dev")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("no Chromium: apt install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        page.goto((site / "solutions" / "02_vae_and_elbo.html").as_uri())
        page.wait_for_selector("mjx-container")
        page.wait_for_timeout(2000)
        drawn, written = (page.locator(s).count() for s in ("mjx-container", ".math"))
        browser.close()
    assert drawn == written > 20
