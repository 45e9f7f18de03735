"""Sentences about results which no cell of their module holds: a report for authors.

A markdown cell with such a sentence has to be followed, before the next one of the kind, by a cell
tagged `claim` or `seen`; or name in its metadata what holds it, held_by="claim-id" (several with
commas between), or why there is nothing to hold, no_result="a definition".
"""

import re

from helpers.authoring.parts import tags_of

HOLDING = {"claim", "seen"}
# What is said before a task, or of other people's work, is no result of this course.
TASK = re.compile(r"^#+ Exercise .*", re.MULTILINE | re.DOTALL)
READING = re.compile(r"^#+ Further reading\b", re.MULTILINE)
# What has numbers and comparing words of its own: code, formulae, HTML, definitions, headings.
APART = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|<[^>]+>|^> \*\*[^\n]*(?:\n>[^\n]*)*"
    r"|^#+ [^\n]*",
    re.MULTILINE | re.DOTALL,
)
# Numbers that state no result.
HARMLESS = re.compile(
    r"\d+(?:×\d+)+"  # shapes
    r"|\([^()]*\b(?:19|20)\d\d\b[^()]*\)|\b(?:19|20)\d\d\b"  # years, with the authors beside them
    r"|arXiv[: ]*\d{4}\.\d{4,5}"
    r"|\b(?:exercises?|sections?|modules?|chapters?|figures?|tables?|equations?|version)"
    r"\s+\d+(?:\.\d+)*(?:(?:,| and| to| or)\s+\d+(?:\.\d+)*)*"
    r"|\b\d+(?:\.\d+)?\s*(?:minutes?|min|hours?)\b"
    r"|\b\d+ ?% (?:confidence|interval|quantile|TPR|true)"
    r"|\bFPR at \d+ ?%|\balpha (?:=|of) [\d.]+ ?%?",
    re.IGNORECASE,
)
NUMBER = re.compile(
    r"(?<![\w.])\d+\.\d+(?![\w.]*\d)|\d ?%|\d+(?:[.,]\d+)* (?:dB|nats?|ms|seconds|points)\b"
    r"|\b\d+ (?:out )?of (?:the )?\d+\b"
)
COMPARING = re.compile(
    r"\b(?:high|low|larg|small|great|few|strong|weak|clos|near|fast|slow|narrow|wid|sharp|hard|easi)er\b"
    r"|\b(?:better|worse|less|more|fewer)\b[^.;:]*?\bthan\b|\b(?:better|worse)\b"
    r"|\b(?:most|best|worst|highest|lowest|largest|smallest|strongest|weakest|nearest to)\b"
    r"|\b(?:beats?|beaten|wins?|loses?|outperforms?|exceeds?|outdoes)\b"
    r"|\b(?:as (?:good|bad|high|low|large|small)|twice) as\b"
    r"|\b(?:two|three|four|several|many|ten) times\b"
    r"|\b(?:above|below) (?:chance|one half)\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"(?<=[.!?:])\)?\s+(?=[A-Z*(\[|-])|\n\s*\n|\n(?=[-|*] )|\n(?=\d+\. )")


def statements(text):
    """The sentences of a markdown cell that hold a number or a comparing word about a result."""
    if READING.search(text):
        text = text[: READING.search(text).start()]
    plain = HARMLESS.sub(" ", APART.sub(" ", TASK.sub("", text)))
    found = []
    for sentence in SENTENCE.split(plain):
        sentence = " ".join(sentence.split())
        if sentence.endswith("?"):
            continue  # put to the learner, and answered by a cell that is tagged `seen`
        if NUMBER.search(sentence) or COMPARING.search(sentence):
            found.append(sentence)
    return found


def unheld(cells):
    """[(cell id, sentences)] of the markdown cells whose statements no cell holds.

    cells : of a module's source, in order; the first is its title, which says what is to come
    """
    holders = {cell.id for cell in cells if tags_of(cell) & HOLDING}
    open_, report = None, []  # the last cell with statements, until a cell holds it
    for cell in cells[1:]:
        if cell.cell_type == "code":
            if tags_of(cell) & HOLDING:
                open_ = None
            continue
        if found := statements(cell.source):
            report += [open_] if open_ else []
            open_ = None if excused(cell, holders) else (cell.id, found)
            if named := unknown(cell, holders):
                found.append(f"(held_by names no cell tagged claim or seen: {', '.join(named)})")
    return report + ([open_] if open_ else [])


def excused(cell, holders):
    """Whether a cell's metadata say what holds its statements, or why nothing has to."""
    held = bool(named_by(cell)) and not unknown(cell, holders)
    return held or bool(cell.metadata.get("no_result"))


def named_by(cell):
    return [id.strip() for id in cell.metadata.get("held_by", "").split(",") if id.strip()]


def unknown(cell, holders):
    """What `held_by` names that is no cell which holds anything."""
    return [id for id in named_by(cell) if id not in holders]


def listed(module, report):
    """The report of one module as text, one sentence a line."""
    lines = [f"{module}: {len(report)} texts about results that no cell holds"]
    for id, found in report:
        lines += [f"  {id}", *(f"      {sentence}" for sentence in found)]
    return "\n".join(lines)
