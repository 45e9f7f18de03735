"""The glossary: collected from the definitions in the modules' texts.

A term is defined where it is first used, in a block quote of its own:

    > **Wilson interval.** One or two plain sentences.
"""

import re
from dataclasses import dataclass

from helpers.authoring.parts import anchor, plain

DEFINITION = re.compile(r"^> \*\*([^*\n]+)\.\*\* +(.+(?:\n>.*)*)", re.MULTILINE)
# Text in which a word is no use of a term: code, formulae, addresses, HTML, headings.
APART = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]*\$|\]\([^)]*\)|<[^>]+>|^#+ [^\n]*",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Definition:
    """A term with its text, and where it stands: module ("01_topic"), cell, heading."""

    term: str
    text: str
    module: str
    cell: str
    heading: str

    @property
    def name(self):
        """The name of its anchor in the notebook."""
        return "def-" + re.sub(r"[^a-z0-9]+", "-", self.term.lower()).strip("-")


def definitions(module, parts):
    """The definitions of a module ("01_topic"), in order."""
    found = []
    for part in parts:
        for cell in part.cells:
            if cell.cell_type == "markdown":
                for term, text in DEFINITION.findall(cell.source):
                    text = " ".join(text.replace("\n>", "\n").split())
                    found.append(Definition(term, text, module, cell.id, section(part)))
    return found


def section(part):
    """The title of a part as it stands in a sentence."""
    return re.sub(r"^\d+ · ", "", plain(part.title))


def anchored(source):
    """A markdown cell's source with an unseen anchor before each definition, to link to."""

    def add(match):
        name = Definition(match[1], "", "", "", "").name
        return match[0].replace("> ", f"> {anchor(name)}", 1)

    return DEFINITION.sub(add, source)


def page(modules):
    """The entries of docs/glossary.md, sorted, each with a link to its place in the notebook.

    modules : {"01_topic": parts}
    """
    found = [d for module, parts in modules.items() for d in definitions(module, parts)]
    lines = []
    for d in sorted(found, key=lambda d: (d.term.lower(), d.module)):
        place = f"../notebooks/{d.module}.ipynb#{d.name}"
        lines.append(f"**{d.term}**\\\n{d.text} [Module {int(d.module[:2])}, {d.heading}]({place})")
    return "\n\n".join(lines) or "No term is defined yet."


def pattern(term):
    """Matches the term as a word, in the plural as well; capitals count where the term has some."""
    flags = 0 if term != term.lower() else re.IGNORECASE
    words = r"[\s-]+".join(map(re.escape, re.split(r"[\s-]+", term)))
    return re.compile(rf"(?<![\w-]){words}(?:s|es)?(?![\w-])", flags)


def troubles(modules):
    """What is wrong with the definitions of a course: a list of sentences.

    modules : {"01_topic": parts} in order
    A term may be defined once, and not be used before that. A cell in which the word means
    something else says so in its metadata: other_sense="code". The title of a module announces what
    is to come and is left out.
    """
    found = [d for module, parts in modules.items() for d in definitions(module, parts)]
    wrong, first = [], {}
    for d in found:
        if d.term in first:
            wrong.append(f"{d.term!r} is defined twice: in {first[d.term].cell} and in {d.cell}")
        first.setdefault(d.term, d)
    patterns = {term: pattern(term) for term in sorted(first, key=len, reverse=True)}
    defined = set()
    for module, parts in modules.items():
        for cell in (cell for part in parts for cell in part.cells):
            if cell.cell_type != "markdown" or cell is parts[0].cells[0]:
                continue
            wrong += [
                f"{module}: {cell.id} uses {term!r} before {first[term].cell} defines it"
                for term in used_early(cell, patterns, defined)
            ]
    return wrong


def used_early(cell, patterns, defined):
    """The terms that a cell uses before they are defined. Those that it defines join `defined`.

    patterns : by term, the longest first, so that "average precision" is no use of "precision"
    """
    text, here = cell.source, {}
    for match in DEFINITION.finditer(text):
        here.setdefault(match[1], match.start())
    text = APART.sub(lambda m: " " * len(m[0]), text)
    other = {word.strip() for word in cell.metadata.get("other_sense", "").split(",")}
    early = []
    for term, words in patterns.items():
        for match in words.finditer(text):
            text = text[: match.start()] + "_" * len(match[0]) + text[match.end() :]
            known = term in other or term in defined
            if not known and match.start() < here.get(term, len(text)):
                early.append(term)
    defined.update(here)
    return sorted(set(early))
