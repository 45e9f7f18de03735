"""A framed note that reads well in JupyterLab, VS Code, Colab, and as plain text in a terminal."""

import base64
import html
import textwrap

from IPython.display import display

from helpers.console import take_any_text

# translucent, so that they sit on light and dark themes alike; safe for colour-blind readers
COLOURS = {
    "info": "86, 180, 233",
    "good": "0, 158, 115",
    "open": "150, 150, 150",
    "bad": "213, 94, 0",
}
CELL = "text-align:left;vertical-align:top;line-height:1.45;padding:0 1em 0 0"
CODE = "margin:.4em 0 0;white-space:pre-wrap;background:none"


def show(*things):
    """Display things; where they are printed as text, on any console."""
    take_any_text()  # again: the output may have been redirected since the import
    display(*things)


class Banner:
    """A title, a few lines of text, and optionally rows of name and value.

    `code` marks text that must keep its line breaks. Text between backticks is set as code.
    """

    def __init__(self, title, text="", *, rows=None, code="", tone="info"):
        self.title, self.text, self.rows, self.code, self.tone = title, text, rows or {}, code, tone

    def show(self):
        show(self)

    def _repr_html_(self):
        colour = COLOURS[self.tone]
        parts = [f"<b>{_inline(self.title)}</b>"]
        parts += [f"<div>{_inline(line)}</div>" for line in self.text.splitlines() if line]
        if self.rows:
            cells = "".join(
                f'<tr style="background:none"><td style="{CELL};opacity:.7">{_inline(name)}</td>'
                f'<td style="{CELL}">{_inline(str(value))}</td></tr>'
                for name, value in self.rows.items()
            )
            parts.append(f'<table style="margin:.3em 0;border:none">{cells}</table>')
        if self.code:
            parts.append(f'<pre style="{CODE}">{html.escape(self.code)}</pre>')
        return (
            f'<div style="border-left:.3em solid rgb({colour});background:rgba({colour},.12);'
            f'padding:.5em .9em;margin:.2em 0;max-width:56em;line-height:1.45">'
            f"{''.join(parts)}</div>"
        )

    def __repr__(self):
        lines = [self.title]
        for line in self.text.splitlines():
            lines += textwrap.wrap(line, 88, initial_indent="  ", subsequent_indent="  ")
        width = max(map(len, self.rows), default=0)
        for name, value in self.rows.items():
            lines += textwrap.wrap(
                f"{name:<{width}}  {value}",
                100,
                initial_indent="  ",
                subsequent_indent=" " * (width + 4),
            )
        if self.code:
            lines.append(textwrap.indent(self.code, "    "))
        return "\n".join(lines)


def _inline(text):
    """Escape for HTML; text between backticks becomes code."""
    pieces = html.escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces))


class Shown:
    """A PNG as a figure, with its description for those who do not see it and its caption.

    It is HTML alone, for no viewer takes an image's description from an image output: in HTML it
    reaches JupyterLab, exports and the site. Beside HTML, an image output would be stored and never
    shown.

    png : bytes; width : on the page, in CSS pixels; alt : what is seen; caption : what it says
    """

    def __init__(self, png, width, alt, caption=""):
        self.png, self.width, self.alt, self.caption = png, width, alt, caption

    def _repr_html_(self):
        source = base64.b64encode(self.png).decode()
        caption = f"<figcaption>{_small(self.caption)}</figcaption>" if self.caption else ""
        return (
            f'<figure style="margin:0"><img alt="{html.escape(self.alt)}" width="{self.width}" '
            f'style="max-width:100%;height:auto" src="data:image/png;base64,{source}">'
            f"{caption}</figure>"
        )

    def __repr__(self):
        return f"[figure: {self.alt}]\n{self.caption}".strip()


def _small(text):
    return f'<small style="opacity:.85">{_inline(text)}</small>'


class Caption:
    """A line of small text under a figure."""

    def __init__(self, text):
        self.text = text

    def _repr_html_(self):
        return _small(self.text)

    def __repr__(self):
        return self.text
