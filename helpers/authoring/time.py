"""How long a learner needs, in minutes, by one rule for all modules.

Minutes are added up cell by cell, for the notebook that the learner works in: words read, lines of
code read, figures looked at, exercises at their own minutes, quiz questions, and the computing as
it was measured when the solution was executed.
"""

import re

from helpers.checks.exercise import texts

# Adults read English non-fiction silently at 238 words a minute (Brysbaert, Journal of Memory and
# Language 109, 2019, a mean over 190 studies). A quarter of it, for a text that is to be learned
# from, by readers whose first language is another and who look from the text to code and figures
# and back. This rate and those of formulas, figures and answers were set so that the sums agree
# with dry runs: of the modules as they stood then, five readers who had not written them put the
# core at 146, 156, 175, 150 and 166 minutes, and these rates at 149, 158, 161, 156 and 146. Such
# estimates hang on what a reader sees first: of today's cores, stated at 100 to 105 minutes, five
# others who counted by parts, and did not know the stated minutes, made 73, 94, 98, 72 and 88.
WORDS_A_MINUTE = 60
# Given code is read line by line, to see what it does. (Reviewers who look for faults read 200 to
# 400 lines an hour, two to three times as slowly.)
CODE_LINE = 6
# A formula on a line of its own is read symbol by symbol, against the text around it.
FORMULA = 75
# What do the axes show, what stands out, what does the caption say?
FIGURE = 75
# A slider or a button is tried out a few times.
WIDGET = 120
# The question, one's own answer, and the folded answer below it.
SEEN = 75
# The question and its options, a decision, the reason.
QUIZ_QUESTION = 60

HIDDEN = re.compile(r"<!--.*?-->|<[^>]+>|\]\([^)]*\)", re.DOTALL)  # comments, HTML tags, addresses
WORD = re.compile(r"[^\W\d_][\w'’-]*")
QUIZ = re.compile(r"\bquiz\(\s*\"\d+\"\s*(?:,\s*\"([\w-]+)\")?")


def reading(cell):
    """Seconds to read a markdown cell."""
    text, formulae = re.subn(r"\$\$.*?\$\$", " ", cell.source, flags=re.DOTALL)
    words = len(WORD.findall(HIDDEN.sub(" ", text)))
    return words / WORDS_A_MINUTE * 60 + formulae * FORMULA


def work(cell, exercises, questions):
    """Seconds that a learner is busy with a cell of the module's source, without its computing.

    exercises : of the module, by id; questions : its quiz, as the file of texts holds it
    """
    tags = set(cell.metadata.get("tags", []))
    if cell.cell_type == "markdown":
        return reading(cell)
    if "exercise" in tags:
        return 60 * exercises[exercise_of(cell)].minutes if exercise_of(cell) in exercises else 0
    if tags & {"check", "claim"} or cell.metadata.get("jupyter", {}).get("source_hidden"):
        return 0  # the minutes of an exercise include its check; a learner's notebook has no claims
    if "seen" in tags:
        return SEEN
    lines = sum(bool(line.strip()) for line in cell.source.splitlines())
    return (
        lines * CODE_LINE
        + cell.source.count("plotting.show(") * FIGURE
        + len(re.findall(r"from helpers\.(?:widgets|explorables) import", cell.source)) * WIDGET
        + asked(cell.source, questions) * QUIZ_QUESTION
    )


def exercise_of(cell):
    """The id of the exercise of a cell: "1.4" for the cell ex-1-4."""
    return cell.id.removeprefix("ex-").replace("-", ".")


def asked(source, questions):
    """How many questions of the quiz a cell asks: one that it names, else those not yet placed."""
    count = 0
    for placed in QUIZ.findall(source):
        count += 1 if placed else sum(not question.get("placed") for question in questions)
    return count


def quiz_of(module, cells):
    """The questions of a module's quiz, those marked `placed` which a cell asks by their id."""
    placed = {id for cell in cells for id in QUIZ.findall(cell.source) if id}
    return [q | {"placed": q.get("id") in placed} for q in texts(module).get("quiz", [])]


def rounded(seconds):
    """Whole minutes, as they are said: at least one, and from 20 on in steps of five."""
    minutes = seconds / 60
    return 5 * round(minutes / 5) if minutes >= 20 else max(1, round(minutes))


def said(seconds):
    """ "1 minute", "25 minutes"."""
    minutes = rounded(seconds)
    return f"{minutes} minute{'s' * (minutes > 1)}"
