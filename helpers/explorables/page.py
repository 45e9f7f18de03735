"""One HTML output that holds an explorable: its script, its data, and a static image of it."""

import base64
import html
import json
import re
from pathlib import Path

import numpy as np

from helpers.plotting.style import PIXELS

HERE = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "\./kit\.mjs";\n', re.MULTILINE)
STATIC = (
    "A static image. To move it, allow scripts, or trust this notebook "
    "(in JupyterLab: View, Activate Command Palette, Trust Notebook)."
)


class Explorable:
    """An interactive figure that runs in the reader's browser.

    name : of the script, NAME.mjs beside this file
    title : what it is, read by screen readers as the name of the frame
    data : what the script gets; numbers, texts, lists, arrays, dicts of these
    figure : a matplotlib figure of the first state, shown where scripts do not run
    alt : what that figure shows, in words
    height : in pixels, until the script fits it
    """

    def __init__(self, name, title, data, figure, alt, height=330):
        self.name, self.title, self.figure, self.alt = name, title, figure, alt
        self.data = json.loads(json.dumps(data, default=_plain, allow_nan=False))
        self.height = height

    def page(self):
        """The HTML page in the frame, complete in itself."""
        # </script> inside of it would end the script
        data = json.dumps(self.data, separators=(",", ":")).replace("</", "<\\/")
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width">'
            f"<title>{html.escape(self.title)}</title><style>{_read('frame.css')}</style></head>"
            f"<body><main></main>"
            f'<script type="application/json" id="data">{data}</script>'
            f'<script type="module">{script(self.name)}\n{_read("frame.js")}</script></body></html>'
        )

    def _repr_html_(self):
        # The frame lies over the image and is transparent until its script paints. A notebook that
        # is not trusted loses the frame alone. (IPython warns of an iframe outside of a <div>.)
        png = base64.b64encode(self.figure._repr_png_()).decode()
        style = "grid-area:1/1;width:100%;border:0"
        width = round(PIXELS * self.figure.get_figwidth())
        return (
            f'<div style="display:grid;max-width:54em">'
            f'<figure style="grid-area:1/1;margin:0"><img alt="{html.escape(self.alt)}" '
            f'width="{width}" style="max-width:100%;height:auto" '
            f'src="data:image/png;base64,{png}">'
            f"<figcaption><small>{STATIC}</small></figcaption></figure>"
            f'<iframe title="{html.escape(self.title)}" style="{style};height:{self.height}px" '
            f'srcdoc="{html.escape(self.page())}"></iframe></div>'
        )

    def __repr__(self):
        return f"[{self.title}] {self.alt}"


def script(name):
    """The explorable's module with what it imports, as one script without imports and exports."""
    text = _read("kit.mjs") + IMPORT.sub("", _read(f"{name}.mjs"))
    return re.sub(r"^export ", "", text, flags=re.MULTILINE)


def _read(name):
    return (HERE / name).read_text(encoding="utf-8")


def _plain(value):
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"an explorable's data cannot hold {type(value).__name__}")
