"""python -m helpers.authoring.slides [MODULE ...] [--check]: slides of the solved notebooks.

A slide begins at each heading, a figure has a slide of its own, and text that is too long for one
slide is cut between paragraphs. Slides lie in _slides, with reveal.js and MathJax beside them, and
need no network. Answers to exercises come on the slide after the exercise.
"""

import argparse
import math
import re
import shutil
import sys

import nbformat
from nbconvert.exporters import SlidesExporter

from helpers.authoring.build import COURSE, sources

SOURCE, TARGET = COURSE / "site" / "slides", COURSE / "_slides"
# Of each npm package, where in _slides what goes.
SHIPPED = {
    "reveal.js/dist/reveal.js": "reveal/reveal.js",
    "reveal.js/dist/reveal.css": "reveal/dist/reveal.css",
    "reveal.js/dist/theme/white.css": "reveal/dist/theme/white.css",
    "reveal.js/dist/theme/fonts": "reveal/dist/theme/fonts",
    "mathjax/es5/tex-svg.js": "mathjax/tex-svg.js",
}
WIDTH, HEIGHT = 1280, 720  # of a slide, in pixels
LINES = 15  # of text on a slide
ROOM = 4  # more for a formula, which ends the sentence before it
LINE = 92  # characters on a line
CODE_LINES = 18  # of code and its output together
LEFT_OUT = {"setup", "check", "claim"}
SHOWN = re.compile(r"<(img|table|iframe|svg)\b")
BADGES = re.compile(r"^\[!\[.*\n?", re.MULTILINE)
ANCHOR = re.compile(r"<a (id|href)=[^>]*>.*?</a>")


def slides(notebook):
    """The notebook as cells that each know whether they begin a slide."""
    out, title = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            source = ANCHOR.sub("", BADGES.sub("", cell.source)).strip()
            for text in pages(source):
                if heading := re.match(r"(#{1,3}) (.+)", text):
                    if len(heading[1]) <= 2:
                        title = heading[2]
                    kind = "slide" if len(heading[1]) <= 2 else "subslide"
                else:
                    kind, text = "subslide", running(title) + text
                out.append(markdown(text, kind))
        else:
            for part in shown(cell):
                out += [markdown(running(title), "subslide"), part]
    return nbformat.v4.new_notebook(cells=out, metadata=notebook.metadata)


def running(title):
    """The section's title in small, where a slide has no heading of its own."""
    return f'<p class="running">{title}</p>\n\n'


def markdown(source, kind):
    return nbformat.v4.new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}})


# --- text -----------------------------------------------------------------------------------------


def pages(source):
    """A markdown cell's text, cut into what fits on a slide each. A heading begins a slide."""
    found, height = [], 0
    for block in blocks(source):
        rows = height_of(block)
        is_heading = bool(re.match("#{1,3} ", block))
        limit = LINES + ROOM * block.startswith("$$")
        if not found or is_heading or height + rows > limit:
            found.append([])
            height = 0
        found[-1].append(block)
        height += rows
    return ["\n\n".join(page) for page in found]


def blocks(source):
    """The paragraphs, lists and formulae of a text; a long list comes item by item."""
    found, fence = [], False
    for block in re.split(r"\n\s*\n", source):
        if fence:
            found[-1] += f"\n\n{block}"
        else:
            found.append(block)
        fence ^= (block.count("```") + block.count("$$")) % 2 == 1
    return [part for block in found if block.strip() for part in items(block)]


def items(block):
    """A heading by itself, the items of a list that is too long, or the block as it is."""
    if re.match("#{1,3} ", block) and "\n" in block:
        head, _, rest = block.partition("\n")
        return [head, *items(rest)]
    if height_of(block) > LINES / 2 and re.match(r"[-*] |\d+\. ", block):
        return re.split(r"\n(?=[-*] |\d+\. )", block)
    return [block]


def height_of(block):
    """Lines of a slide that a block takes, with the space after it."""
    if "$$" in block:
        return 3 * block.count("$$") / 2 + len(block.splitlines()) / 4
    if block.startswith(("```", "|")):
        return 0.8 * len(block.splitlines()) + 1
    if re.match(r"[-*] |\d+\. ", block):
        listed = re.split(r"\n(?=[-*] |\d+\. )", block)
        return sum(math.ceil(len(item) / LINE) for item in listed) + 0.5
    return math.ceil(len(block) / LINE) * (1.6 if block.startswith("#") else 1) + 0.5


# --- code and its outputs -------------------------------------------------------------------------


def shown(cell):
    """What of a code cell is shown, each on a slide of its own."""
    tags = set(cell.metadata.get("tags", []))
    if tags & LEFT_OUT or cell.id == "bootstrap" or re.search(r"\b(quiz|progress)\(", cell.source):
        return []
    if "exercise" in tags:
        return [part(cell, [], code=True)] if rows(cell.source) <= CODE_LINES else []
    found = []
    for output in cell.outputs:
        data = output.get("data", {})
        if "text/markdown" in data:
            opened = data["text/markdown"].replace("<details>", "<details open>")
            found += [markdown(page, "-") for page in pages(opened)[:1]]
        elif SHOWN.search(data.get("text/html", "")):
            found.append(part(cell, [output]))
        elif output.output_type == "stream" and output.name == "stdout":
            code = rows(cell.source) + rows(output.text) <= CODE_LINES
            if rows(output.text) <= CODE_LINES and "%|" not in output.text:  # no progress bars
                found.append(part(cell, [output], code=code))
    return found


def part(cell, outputs, *, code=False):
    """A cell that shows these outputs, with or without its code, on the slide that is open."""
    metadata = {"slideshow": {"slide_type": "-"}, "transient": {"remove_source": not code}}
    return nbformat.v4.new_code_cell(cell.source, outputs=outputs, metadata=metadata)


def rows(text):
    return len(text.strip().splitlines())


# --- export ---------------------------------------------------------------------------------------


def export(path):
    """Write the slides of the module whose source is at `path`. Returns where they are."""
    exporter = SlidesExporter(
        template_name="course",
        extra_template_basedirs=[str(SOURCE)],
        reveal_url_prefix="reveal",
    )
    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    html, _ = exporter.from_notebook_node(
        slides(notebook), resources={"metadata": {"name": path.stem}}
    )
    TARGET.mkdir(exist_ok=True)
    page = TARGET / f"{path.stem}.html"
    page.write_text(html, encoding="utf-8")
    return page


def ship():
    """Copy reveal.js and MathJax beside the slides."""
    shutil.copy(SOURCE / "slides.css", TARGET)
    for source, place in SHIPPED.items():
        source, place = SOURCE / "node_modules" / source, TARGET / place
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            shutil.copy(source, place)


MEASURE = """async () => {
  await MathJax.startup.promise;
  const found = [];
  for (const section of Reveal.getSlides()) {
    const { h, v } = Reveal.getIndices(section);
    Reveal.slide(h, v);
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const scale = Reveal.getScale();
    const top = section.getBoundingClientRect().top;
    const left = section.getBoundingClientRect().left;
    let height = 0, width = 0;
    const parts = "p, li, img, table, pre, iframe, h1, h2, h3, mjx-container";
    for (const part of section.querySelectorAll(parts)) {
      const box = part.getBoundingClientRect();
      height = Math.max(height, (box.bottom - top) / scale);
      width = Math.max(width, (box.right - left) / scale);
    }
    found.push({ h, v, height, width, text: section.innerText.slice(0, 60) });
  }
  return found;
}"""


def measured(page, browser):
    """[{h, v, height, width, text}] of each slide of a page, as Chromium draws it."""
    tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    requests = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page.as_uri())
    tab.wait_for_function("window.Reveal && Reveal.isReady()")
    found = tab.evaluate(MEASURE)
    outside = [url for url in requests if url.startswith("http")]
    tab.close()
    return found, outside


def faults(page, browser):
    """Slides that are larger than the page, and what it asks of the network, one line each."""
    found, outside = measured(page, browser)
    lines = [
        f"{page.name}#/{s['h']}/{s['v']} is {s['width']:.0f}×{s['height']:.0f}: {s['text']!r}"
        for s in found
        if s["height"] > HEIGHT or s["width"] > WIDTH + 1
    ]
    return lines + [f"{page.name} asks for {url}" for url in outside], len(found)


def main():
    parser = argparse.ArgumentParser(prog="make slides", description=__doc__)
    parser.add_argument("modules", nargs="*", help="module numbers, 01 for one; all without")
    parser.add_argument("--check", action="store_true", help="look for slides that do not fit")
    options = parser.parse_args()
    numbers = options.modules or [p.stem[:2] for p in sources() if p.stem[:2] != "00"]
    written = [export(path) for number in numbers for path in sources(number)]
    ship()
    print(f"{len(written)} in {TARGET}: open one in a browser.")
    if not options.check:
        return 0
    from playwright.sync_api import sync_playwright

    wrong = []
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for page in written:
            lines, count = faults(page, browser)
            print(f"{page.name}: {count} slides, {len(lines)} faults")
            wrong += lines
        browser.close()
    print("\n".join(wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
