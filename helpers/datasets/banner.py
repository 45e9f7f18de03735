"""One line under each `load` that says which data are in use."""

import html
import sys

STYLE = (
    "border-left:4px solid {colour};background:rgba(128,128,128,.12);"
    "padding:.4em .8em;margin:.3em 0;font-size:90%"
)
COLOURS = {"real": "#0072b2", "sample": "#e69f00"}  # Okabe and Ito: safe for colour-blind eyes


class Banner:
    """Shown as a quiet box in a notebook and as plain text elsewhere."""

    def __init__(self, source, lines):
        self.source, self.lines = source, lines

    def __repr__(self):
        return "\n".join(self.lines)

    def _repr_html_(self):
        first, *rest = map(html.escape, self.lines)
        body = "<br>".join([f"<b>{first}</b>", *rest])
        return f'<div style="{STYLE.format(colour=COLOURS[self.source])}">{body}</div>'


def show(source, lines):
    """Show the lines; `source` ("real" or "sample") sets the colour."""
    banner = Banner(source, lines)
    ipython = sys.modules.get("IPython")
    if ipython and ipython.get_ipython():
        ipython.display.display(banner)
    else:
        print(banner, flush=True)
