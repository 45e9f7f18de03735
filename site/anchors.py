"""Lets links from other pages lead to an anchor that a notebook has as HTML: <a id="..."></a>.

MyST knows those of headings, and would take others for mistakes. A link to an anchor that is not
there still fails the build.
"""

import re

from docutils import nodes


def note_anchors(app, doctree):
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for raw in doctree.findall(nodes.raw):
        for name in re.findall(r'<a id="([^"]+)"', raw.astext()):
            slugs[name] = (raw.line, name, name)


def setup(app):
    app.connect("doctree-read", note_anchors)
    return {"parallel_read_safe": True}
