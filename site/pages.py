"""What the site's pages have, and the same texts in Jupyter and on a code host have not.

The picture of the README becomes the live figure of module 1, an exercise page says how to open it
on one's own computer, and what no page uses is left out.
"""

import json
import re
from pathlib import Path

from docutils import nodes

# name: [width, height, [other names], code, path]
ICON = re.compile(r'"?([\w-]+)"?:\[\d+,\d+,\[[^\]]*\],"\w+",(?:"[^"]*"|\[[^\]]*\])\],?')
ICON_FONT = re.compile(r"@font-face\{[^{}]*Font Awesome[^{}]*\}".replace(" ", r"\\? "))
RULE = re.compile(r"(?P<selectors>[^{}@;/]+)(?P<style>\{[^{}]*\})")
OUTER_COMMA = re.compile(r",(?![^(]*\))")


def add_to_page(app, doctree):
    page = app.env.docname
    if page == "README":
        picture = next(doctree.findall(nodes.image))
        picture.parent.replace(picture, live_figure(app.srcdir))
    elif re.match(r"notebooks/\d", page):
        badges = next(doctree.findall(nodes.image)).parent
        while not isinstance(badges, nodes.paragraph):
            badges = badges.parent
        badges.parent.insert(badges.parent.index(badges) + 1, local_command(page))


def live_figure(folder):
    """The explorable with a threshold, as the solution of module 1 has stored it."""
    text = Path(folder, "solutions/01_autoencoder_basics.ipynb").read_text(encoding="utf-8")
    cell = next(c for c in json.loads(text)["cells"] if c["id"] == "explore-threshold")
    html = next(o["data"]["text/html"] for o in cell["outputs"] if "text/html" in o["data"])
    return nodes.raw("", f'<div class="live-figure">{"".join(html)}</div>', format="html")


def local_command(page):
    install = nodes.reference("", "Installation", refuri="../README.html#start")
    return nodes.paragraph(
        "",
        "",
        nodes.Text("On your own computer: "),
        nodes.literal("", "make lab"),
        nodes.Text(", then open "),
        nodes.literal("", f"{page}.ipynb"),
        nodes.Text(". ("),
        install,
        nodes.Text(")"),
    )


def leave_out(app, page, template, context, doctree):
    """No page has cards or tabs, for which Jupyter Book sends sphinx-design along, and none runs
    code by thebe, whose settings it writes twice: an error in each page's console.
    """
    for kind in ("css_files", "script_files"):
        for file in list(context[kind]):
            texts = f"{file.filename} {file.attributes.get('body', '')}"
            if "design" in texts or "thebe" in texts.lower():
                context[kind].remove(file)


def finish(app, error):
    if not error:
        name_toggles(app)
        thin_out(app)


def name_toggles(app):
    """The arrows in the sidebar have no text: a screen reader needs one."""
    toggle = '<summary><span class="toctree-toggle"'
    for path in Path(app.outdir).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        if toggle in text:
            named = text.replace(toggle, toggle.replace(">", ' aria-label="Solution">', 1))
            path.write_text(named, encoding="utf-8")


def thin_out(app):
    """Keep the icons and the rules of style that some page or script can use.

    Font Awesome is 1.5 MB, and the theme's sheet, with all of Bootstrap, is 0.4 MB a page.
    """
    static = Path(app.outdir, "_static")
    icons, sheets = static / "scripts/fontawesome.js", static.glob("styles/*.css")
    files = [*Path(app.outdir).rglob("*.html"), *static.rglob("*.js")]
    words = {
        word
        for path in files
        if path != icons
        for word in re.findall(r"[\w-]+", path.read_text(encoding="utf-8"))
    }
    used = {word.removeprefix("fa-") for word in words if word.startswith("fa-")}
    thin = ICON.sub(lambda m: m[0] if m[1] in used else "", icons.read_text(encoding="utf-8"))
    icons.write_text(thin, encoding="utf-8")
    for sheet in sheets:
        rules = ICON_FONT.sub("", sheet.read_text(encoding="utf-8"))
        sheet.write_text(RULE.sub(lambda m: kept_rule(m, words), rules), encoding="utf-8")


def kept_rule(rule, words):
    """The rule without the selectors that name a class which is in no page and no script.

    Nothing is left of a rule that draws an icon by its font: the script draws those that are there.
    """
    if re.search("--fa-font|Font Awesome", rule["style"].replace("\\", "")):
        return ""
    chosen = [s for s in OUTER_COMMA.split(rule["selectors"]) if classes(s) <= words]
    return ",".join(chosen) + rule["style"] if chosen else ""


def classes(selector):
    """The classes without which nothing is selected; of alternatives, none."""
    return set(re.findall(r"\.([a-zA-Z][\w-]*)", re.sub(r":\w+\([^)]*\)", "", selector)))


def setup(app):
    app.connect("doctree-read", add_to_page)
    app.connect("html-page-context", leave_out, priority=900)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True}
