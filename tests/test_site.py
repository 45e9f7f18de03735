"""The static site: no link in it leads nowhere, and every solved notebook has its figures."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from nbconvert import HTMLExporter

from helpers.authoring.build import COURSE, lessons, sources
from helpers.authoring.launch import addresses

DECORATION = object()  # an image that says of itself that it means nothing
LOADING = (None, "stylesheet", "preload", "icon")


class Page(HTMLParser):
    """The links, pictures and anchors of a page, and of the pages in its frames."""

    def __init__(self, page):
        super().__init__()
        self.targets, self.images, self.anchors, self.loaded = [], [], {"", "top"}, set()
        self.feed(page.read_text(encoding="utf-8") if isinstance(page, Path) else page)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.anchors |= {named[key] for key in ("id", "name") if named.get(key)}
        self.targets += [named[key] for key in ("href", "src") if named.get(key)]
        if tag == "img":
            silent = named.get("role") in ("presentation", "none")
            self.images.append((named["src"], DECORATION if silent else named.get("alt")))
        if tag in ("img", "script", "iframe", "link") and named.get("rel") in LOADING:
            self.loaded |= {named[key] for key in ("src", "href") if named.get(key)}
        if "srcdoc" in named:
            inner = Page(named["srcdoc"])
            self.images += inner.images
            self.loaded |= inner.loaded


def pages(site):
    return [path for path in site.rglob("*.html") if "_static" not in path.parts]


def test_no_dead_links(site):
    found = {path.resolve(): Page(path) for path in pages(site)}
    dead = []
    for path, page in found.items():
        for target in page.targets:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            file = (path.parent / unquote(url.path)).resolve() if url.path else path
            anchors = found[file].anchors if file in found else {url.fragment}
            if not file.exists() or unquote(url.fragment) not in anchors:
                dead.append(f"{path.name}: {target}")
    assert len(found) > 2 * len(sources()) and not dead


def test_every_solved_notebook_shows_its_figures(site):
    for source in lessons():
        images = Page(site / "solutions" / f"{source.stem}.html").images
        assert len([src for src, _ in images if src.startswith("data:image/png")]) > 5
        assert not [alt for src, alt in images if src.startswith("data:") and len(alt or "") < 20]


def test_formulas_need_no_script_and_no_network(site):
    """They are MathML; latex2mathml leaves a command that it does not know as it stands."""
    text = (site / "solutions/02_vae_and_elbo.html").read_text(encoding="utf-8")
    formulas = re.findall(r"<math.*?</math>", text, re.DOTALL)
    assert len(formulas) > 40
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        assert not [f for f in re.findall(r"<math.*?</math>", text, re.DOTALL) if "\\" in f]
        assert 'class="math ' not in text and "window.MathJax" not in text


def test_nothing_is_loaded_from_another_server(site):
    """So the network may be cut, but for the badges; and every path is relative, for any prefix."""
    for path in pages(site):
        page = Page(path)
        badges = {src for src, _ in page.images if "badge" in src}
        loaded = {src for src in page.loaded if not src.startswith("data:")} - badges
        assert not [src for src in loaded if urlsplit(src).netloc or src.startswith("/")]
        assert not [target for target in page.targets if target.startswith("/")]


def test_exercise_pages_say_how_to_open_them(site):
    for source in sources():
        text = (site / f"notebooks/{source.stem}.html").read_text(encoding="utf-8")
        for address in addresses(source.stem).values():
            assert f'href="{html.escape(address)}"' in text
        command = re.sub("<[^>]+>", "", text[text.index("On your own computer") :][:600])
        assert "make lab" in command and f"notebooks/{source.stem}.ipynb" in command


def test_the_start_page_has_a_live_figure_and_each_module_once(site):
    text = (site / "README.html").read_text(encoding="utf-8")
    assert text.count("<iframe ") == 1 and text.index("<iframe ") < text.index('id="the-modules"')
    for source in lessons():
        assert text.count(f'href="notebooks/{source.stem}.html"') == 1


def test_every_notebook_is_in_the_contents():
    contents = (COURSE / "site/_toc.yml").read_text(encoding="utf-8")
    for source in sources():
        assert all(f"file: {d}/{source.stem}\n" in contents for d in ("notebooks", "solutions"))


FILE_NAME = re.compile(r"\.(png|jpe?g|svg|gif|webp)$|^[\da-f]{16,}|^No description")


def unspoken(page):
    """The images without a text in the place of them: none, empty, or the name of a file."""
    said = [(src, alt) for src, alt in page.images if alt is not DECORATION]
    return [
        (src[:60], alt) for src, alt in said if not (alt or "").strip() or FILE_NAME.search(alt)
    ]


def test_every_image_of_the_site_has_a_text(site):
    found = {path: Page(path) for path in pages(site)}
    assert sum(len(page.images) for page in found.values()) > 100
    assert not {path.name: wrong for path, page in found.items() if (wrong := unspoken(page))}


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_every_image_of_a_notebook_and_of_its_export_has_a_text(source):
    for folder in ("notebooks", "solutions"):
        exported, _ = HTMLExporter().from_filename(str(COURSE / folder / f"{source.stem}.ipynb"))
        page = Page(exported)
        assert not unspoken(page)
        assert len(page.images) > 5 or folder == "notebooks" or source not in lessons()


@pytest.mark.parametrize("folder", ["notebooks", "solutions"])
def test_no_notebook_is_above_3_mb(folder):
    sizes = {path.name: path.stat().st_size for path in (COURSE / folder).glob("*.ipynb")}
    print({name: f"{size / 1e6:.2f} MB" for name, size in sizes.items()})
    assert len(sizes) == len(sources()) and max(sizes.values()) < 3e6
