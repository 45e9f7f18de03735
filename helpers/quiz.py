"""Questions about a module, where the topic comes and at its end; answers are judged at once.

The questions stand with the other texts of a module, in helpers/checks/module_NN.toml: with options
to choose from, or with a number to type. The browser judges (helpers/explorables/questions.mjs), so
that a quiz needs no kernel; nothing is recorded.
"""

import html
import re
from dataclasses import asdict, dataclass, replace
from textwrap import fill, indent

from helpers.checks.exercise import MODULES, texts
from helpers.explorables.page import Framed


@dataclass(frozen=True)
class Option:
    """One answer, whether it is the right one, and the sentence that says why."""

    text: str
    reason: str
    right: bool = False


@dataclass(frozen=True)
class Near:
    """A number that is known to be wrong, and the sentence for who types it."""

    value: float
    says: str
    tolerance: float | None = None  # that of the question


@dataclass(frozen=True)
class Question:
    """A question with options, of which exactly one is right, or with a number for an answer.

    tolerance : how far off a number may be; near : known mistakes; reason : why it is this number
    run : the number comes from the learner's own run, as `value` of `quiz`
    placed : a cell of the notebook asks it where its topic comes, so it is not asked at the end
    """

    id: str
    text: str
    options: tuple[Option, ...] = ()
    answer: float | None = None
    tolerance: float = 0.0
    reason: str = ""
    near: tuple[Near, ...] = ()
    run: bool = False
    placed: bool = False


def questions(module):
    """The questions of a module ("02"), from its file of texts."""
    return tuple(_question(dict(entry)) for entry in texts(module)["quiz"])


def _question(entry):
    options = tuple(Option(**option) for option in entry.pop("options", ()))
    near = tuple(Near(**wrong) for wrong in entry.pop("near", ()))
    return Question(text=entry.pop("question"), options=options, near=near, **entry)


def quiz(module, id=None, value=None):
    """A question of a module, or its quiz, to be shown as the last value of a cell.

    quiz("01", "batch-means") asks one question where its topic comes; quiz("01"), at the end of a
    module, those that no cell has asked. value : what this run found, where a question asks for it

    Raises ValueError where there is no such module or question.
    """
    known = f"{str(module).strip():0>2}"  # quiz(1) and quiz("1") are as clear
    if known not in MODULES:
        raise ValueError(f"no quiz for module {module!r}; there are {', '.join(MODULES)}")
    every = questions(known)
    if id is None:
        asked = [q for q in every if not q.placed]
        return Quiz(f"Quiz of module {known}", asked, answered=every)
    found = [q for q in every if q.id == id]
    if not found:
        names = ", ".join(q.id for q in every)
        raise ValueError(f"no question {id!r} in module {known}; there are {names}")
    if found[0].run:
        if value is None:
            raise ValueError(f"question {id!r} asks for a number of your run: give it as value=")
        reason = found[0].reason.format(value=float(value))
        found = [replace(found[0], answer=float(value), reason=reason)]
    return Quiz(f"Question: {found[0].text}", found)


class Quiz(Framed):
    """Questions to be answered in the browser; without scripts the same as text.

    answered : the questions whose answers `answers` prints; those that are asked by default
    """

    def __init__(self, title, questions, answered=None):
        data = {"questions": [_data(question) for question in questions]}
        super().__init__("questions", title, data, height=170 * len(questions))
        self.questions, self.answered = questions, answered or questions

    def still(self):
        """The questions as text, with the answers folded away."""
        parts = []
        for number, question in enumerate(self.questions, start=1):
            options = [f"{letter}. {_rich(option.text)}" for letter, option in _lettered(question)]
            reasons = [
                f"{name and f'{name}. '}<b>{verdict}</b> {_rich(reason)}"
                for name, verdict, reason in _reasons(question)
            ]
            parts.append(
                f"<p><b>{number}.</b> {_rich(question.text)}</p>"
                + (f"<p>{'<br>'.join(options)}</p>" if options else "")
                + f"<details><summary>Answer</summary><p>{'<br>'.join(reasons)}</p></details>"
            )
        # where scripts are off, the empty frame above is not to catch the clicks on "Answer"
        return (
            "<noscript><style>iframe[srcdoc]{pointer-events:none}</style></noscript>"
            f'<div style="grid-area:1/1;line-height:1.45">{"".join(parts)}</div>'
        )

    def answers(self):
        """Print questions with all answers and reasons: of the whole module for its quiz."""
        lines = []
        for number, question in enumerate(self.answered, start=1):
            lines.append(fill(f"{number}. {question.text}", 88, subsequent_indent="   "))
            texts = [f"{letter}. {option.text} " for letter, option in _lettered(question)] or [""]
            for text, (_, verdict, reason) in zip(texts, _reasons(question), strict=True):
                text = fill(f"{text}{verdict} {reason}", 85, subsequent_indent="   ")
                lines.append(indent(text, "   "))
        print("\n".join(lines))

    def __repr__(self):
        """The questions as text, without the answers."""
        lines = []
        for number, question in enumerate(self.questions, start=1):
            lines.append(fill(f"{number}. {question.text}", 88, subsequent_indent="   "))
            for letter, option in _lettered(question):
                lines.append(fill(f"   {letter}. {option.text}", 88, subsequent_indent="      "))
            lines.append("")
        return "\n".join(lines).rstrip()


def _data(question):
    """What questions.mjs judges by."""
    near = [asdict(wrong) for wrong in question.near]
    for wrong in near:
        if wrong["tolerance"] is None:
            wrong["tolerance"] = question.tolerance
    return {
        "text": question.text,
        "options": [asdict(option) for option in question.options],
        "answer": question.answer,
        "tolerance": question.tolerance,
        "reason": question.reason,
        "near": near,
    }


_VERDICTS = {True: "Right.", False: "Not this one."}


def _rich(text):
    """As HTML, in which `this` is code and *this* is stressed."""
    code = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", code)


def _lettered(question):
    return zip("ABCDEF", question.options, strict=False)


def _reasons(question):
    """(letter, verdict, reason) of each option; of a number, the number and why."""
    if question.options:
        return [(a, _VERDICTS[option.right], option.reason) for a, option in _lettered(question)]
    if question.answer is None:
        compares = "The notebook compares with the number of its run."
        return [("", "It depends on your own run.", compares)]
    return [("", f"{question.answer:.4g}.", question.reason)]
