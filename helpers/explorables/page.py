"""One HTML output that holds an explorable: its script, its data, and a static image of it."""

import base64
import html
import json
import re
from pathlib import Path

import numpy as np

from helpers.plotting.style import PIXELS

HERE = Path(__file__).parent
# a declaration at the margin, up to the next one or the comment in front of it
DECLARATION = re.compile(
    r"^(export )?(?:function|const|let) (\w+).*?\n(?=\n|/\*\*|export |\Z)", re.MULTILINE | re.DOTALL
)
IMPORT = re.compile(r'^import \{[^}]*\} from "\./kit\.mjs";\n', re.MULTILINE)
# comments on lines of their own, and indentation
SPARE = re.compile(r"^\s*(/\*.*?\*/|//.*?$)?\s*", re.MULTILINE | re.DOTALL)
FRAME = re.compile(
    r'(?P<before><iframe title="(?P<title>[^"]*)" data-script="(?P<name>\w+)"[^>]* srcdoc=\')'
    r"(?P<page>[^']*)'"
)
DATA = re.compile(r'<script type="application/json" id="data">(?P<data>.*?)</script>', re.DOTALL)
STATIC = (
    "A static image. To move it, allow scripts, or trust this notebook "
    "(in JupyterLab: View, Activate Command Palette, Trust Notebook)."
)


class Framed:
    """A page that runs in the reader's browser, in a frame over what is seen without scripts.

    name : of the script, NAME.mjs beside this file
    title : what it is, read by screen readers as the name of the frame
    data : what the script gets; numbers, texts, lists, arrays, dicts of these
    height : in pixels, until the script fits it
    """

    def __init__(self, name, title, data, height):
        self.name, self.title, self.height = name, title, height
        self.data = json.loads(json.dumps(data, default=_plain, allow_nan=False))

    def page(self):
        """The HTML page in the frame, complete in itself."""
        # </script> inside of it would end the script
        data = json.dumps(self.data, separators=(",", ":")).replace("</", "<\\/")
        return _page(self.name, html.escape(self.title), data)

    def still(self):
        """The HTML that stands where scripts may not run."""
        raise NotImplementedError

    def _repr_html_(self):
        # The frame lies over the rest and is transparent until its script paints. A notebook that
        # is not trusted loses the frame alone. (IPython warns of an iframe outside of a <div>.)
        return (
            f'<div style="display:grid;max-width:54em">{self.still()}'
            f'<iframe title="{html.escape(self.title)}" data-script="{self.name}" '
            f'style="grid-area:1/1;width:100%;border:0;'
            f"height:{self.height}px\" srcdoc='{_attribute(self.page())}'></iframe></div>"
        )


class Explorable(Framed):
    """An interactive figure.

    figure : a matplotlib figure of the first state, shown where scripts do not run
    alt : what that figure shows, in words
    name, title, data, height : as in `Framed`
    """

    def __init__(self, name, title, data, figure, alt, height=330):
        super().__init__(name, title, data, height)
        self.figure, self.alt = figure, alt

    def still(self):
        png = base64.b64encode(self.figure._repr_png_()).decode()
        width = round(PIXELS * self.figure.get_figwidth())
        return (
            f'<figure style="grid-area:1/1;margin:0"><img alt="{html.escape(self.alt)}" '
            f'width="{width}" style="max-width:100%;height:auto" '
            f'src="data:image/png;base64,{png}">'
            f"<figcaption><small>{STATIC}</small></figcaption></figure>"
        )

    def __repr__(self):
        return f"[{self.title}] {self.alt}"


def refreshed(output):
    """A notebook's HTML output with today's script and style in its frames; their data stay."""

    def again(frame):
        data = DATA.search(html.unescape(frame["page"]))
        page = _page(frame["name"], frame["title"], data["data"])
        return f"{frame['before']}{_attribute(page)}'"

    return FRAME.sub(again, output)


def _page(name, title, data):
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_read('frame.css')}</style></head>"
        f"<body><main></main>"
        f'<script type="application/json" id="data">{data}</script>'
        f'<script type="module">{script(name)}\n{_read("frame.js")}</script></body></html>'
    )


def script(name):
    """The explorable's module with what it imports, as one script without imports and exports."""
    own = _read(f"{name}.mjs")
    text = _needed(IMPORT.findall(own)) + IMPORT.sub("", own)
    return re.sub(r"^export ", "", text, flags=re.MULTILINE)


def _needed(texts):
    """The declarations of kit.mjs that these texts name, and those that they name in turn."""
    kit = (HERE / "kit.mjs").read_text(encoding="utf-8")
    left = {match[2]: match[0] for match in DECLARATION.finditer(kit)}
    found, texts = {}, list(texts)
    while texts:
        words = set(re.findall(r"\w+", texts.pop()))
        texts += [left[name] for name in left if name in words]
        found |= {name: left.pop(name) for name in list(left) if name in words}
    # in the order of the file
    every = [match[2] for match in DECLARATION.finditer(kit)]
    return "".join(SPARE.sub("", found[name]) for name in every if name in found)


def _attribute(text):
    """For an attribute in single quotes: a page holds many double ones, which may stay."""
    return text.replace("&", "&amp;").replace("'", "&#39;")


def _read(name):
    """A file beside this one, without comments and indentation, which readers need not load."""
    text = (HERE / name).read_text(encoding="utf-8")
    return SPARE.sub("", text)


def _plain(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"an explorable's data cannot hold {type(value).__name__}")
