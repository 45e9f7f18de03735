"""The quiz at the end of each module: choosing an answer shows at once if it is right, and why.

The questions stand with the other texts of a module, in helpers/checks/module_NN.toml. Everything
happens on this machine and nothing is recorded.
"""

import html
from dataclasses import dataclass
from textwrap import fill, indent

import ipywidgets as widgets

from helpers.banner import COLOURS, show
from helpers.checks.exercise import MODULES, texts
from helpers.widgets import show_controls


@dataclass(frozen=True)
class Option:
    """One answer, whether it is the right one, and the sentence that says why."""

    text: str
    reason: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with its answers, of which exactly one is right."""

    text: str
    options: tuple[Option, ...]


def questions(module):
    """The questions of a module ("02"), from its file of texts."""
    return tuple(
        Question(entry["question"], tuple(Option(**option) for option in entry["options"]))
        for entry in texts(module)["quiz"]
    )


def quiz(module):
    """The quiz of a module, for example quiz("01"), to be shown as the last value of a cell."""
    number = f"{str(module).strip():0>2}"  # quiz(1) and quiz("1") are as clear
    if number not in MODULES:
        raise ValueError(f"no quiz for module {module!r}; there are {', '.join(MODULES)}")
    return Quiz(questions(number))


class Quiz:
    """Questions with radio buttons, and below the same as text for those who read without running.

    radios, feedback : the widgets of each question; a radio's value is the position of the option
    """

    def __init__(self, questions):
        self.questions = questions
        self.radios = [_radio(question) for question in questions]
        self.feedback = [widgets.HTML() for _ in questions]
        for question, radio, feedback in zip(questions, self.radios, self.feedback, strict=True):
            radio.observe(_answer(question, feedback), "value")

    def _ipython_display_(self):
        parts = [widgets.HTML(STYLE)]
        for number, question in enumerate(self.questions):
            heading = f"<b>{number + 1}.</b> {html.escape(question.text)}"
            heading = f'<div style="margin-top:.8em">{heading}</div>'
            parts += [widgets.HTML(heading), self.radios[number], self.feedback[number]]
        box = widgets.VBox(parts)
        box.add_class("course-quiz")
        show_controls(box, "Quiz: run this cell to answer by clicking; as text it stands below.")
        show(_Text(self.questions))

    def __repr__(self):
        return repr(_Text(self.questions))


# long answers wrap instead of running out of the page
STYLE = """<style>
.course-quiz { max-width: 60em; }
.course-quiz .widget-html-content { line-height: 1.45; height: auto; }
.course-quiz .widget-radio, .course-quiz .widget-radio-box { width: auto; height: auto; }
.course-quiz .widget-radio-box label { height: auto; line-height: 1.45; white-space: normal; }
</style>"""


def _radio(question):
    options = [(option.text, position) for position, option in enumerate(question.options)]
    return widgets.RadioButtons(options=options, value=None, layout={"width": "auto"})


def _answer(question, feedback):
    def show(change):
        option = question.options[change.new]
        colour = COLOURS["good" if option.right else "bad"]
        feedback.value = (
            f'<div style="border-left:.3em solid rgb({colour});background:rgba({colour},.12);'
            f'padding:.4em .9em;line-height:1.45"><b>{_verdict(option)}</b> '
            f"{html.escape(option.reason)}</div>"
        )

    return show


def _verdict(option):
    return "Right." if option.right else "Not this one."


def _lettered(question):
    return zip("ABCDEF", question.options, strict=False)


class _Text:
    """The questions as text, the answers folded away where HTML can do so."""

    def __init__(self, questions):
        self.questions = questions

    def _repr_html_(self):
        parts = []
        for number, question in enumerate(self.questions, start=1):
            options, reasons = [], []
            for letter, option in _lettered(question):
                options.append(f"{letter}. {html.escape(option.text)}")
                reason = html.escape(option.reason)
                reasons.append(f"{letter}. <b>{_verdict(option)}</b> {reason}")
            parts.append(
                f"<p><b>{number}.</b> {html.escape(question.text)}</p>"
                f"<p>{'<br>'.join(options)}</p>"
                f"<details><summary>Answer</summary><p>{'<br>'.join(reasons)}</p></details>"
            )
        return (
            "<details><summary>The questions as text, with the answers</summary>"
            f'<div style="max-width:60em;line-height:1.45">{"".join(parts)}</div></details>'
        )

    def __repr__(self):
        lines = []
        for number, question in enumerate(self.questions, start=1):
            lines.append(fill(f"{number}. {question.text}", 88, subsequent_indent="   "))
            for letter, option in _lettered(question):
                lines.append(fill(f"   {letter}. {option.text}", 88, subsequent_indent="      "))
            lines.append("")
        lines.append("Answers")
        for number, question in enumerate(self.questions, start=1):
            for letter, option in _lettered(question):
                text = f"{number}{letter}. {_verdict(option)} {option.reason}"
                lines.append(indent(fill(text, 85, subsequent_indent="    "), "   "))
        return "\n".join(lines)
