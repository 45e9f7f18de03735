"""Text for any console, file or pipe. Rests on the standard library alone."""

import sys


def take_any_text():
    r"""Let what stands behind print show a sign that its code page lacks as \u2713.

    On Windows a redirected output has the code page of the country, and the name of a file need be
    no Unicode at all. Python would stop at the first such sign, after the work that it tells of.
    """
    for stream in (sys.stdout, sys.stderr):
        # a notebook's stream takes everything and cannot be set; pythonw has none
        if getattr(stream, "errors", None) in ("strict", "surrogateescape"):
            getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
