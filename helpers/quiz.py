"""Questions about a module, where the topic comes and at its end; answers are judged at once.

The questions stand with the other texts of a module, in helpers/checks/module_NN.toml: with options
to choose from, or with a number to type. All happens on this machine and nothing is recorded.
"""

import html
import math
from dataclasses import dataclass, replace
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

    def judge(self, typed):
        """(right, what to say) of an answer as it was typed; (None, what to say) of no number."""
        x = number(typed)
        if x is None:
            return None, f"This is no number: {typed}. Type one, such as 0.25, 25 % or 1/4."
        if abs(x - self.answer) <= self.tolerance + 1e-9 * abs(self.answer):
            return True, self.reason
        for near in self.near:
            width = self.tolerance if near.tolerance is None else near.tolerance
            if abs(x - near.value) <= width + 1e-9:
                return False, near.says
        if abs(x / 100 - self.answer) <= self.tolerance < 1 and 0 < self.answer <= 1:
            return False, "This is the percentage. Type 25 % or 0.25, not 25."
        return False, "Too low." if x < self.answer else "Too high."


def number(typed):
    """The number that a text means: 0.25, 0,25, 25 % or 1/4; None where it means none."""
    text = str(typed).strip().replace(",", ".").replace("−", "-")
    share = text.endswith("%")
    try:
        over, *under = (float(part) for part in text.rstrip("% ").split("/"))
        x = over / under[0] if under else over
    except (ValueError, ZeroDivisionError):
        return None
    return (x / 100 if share else x) if math.isfinite(x) and len(under) <= 1 else None


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
        return Quiz([q for q in every if not q.placed])
    found = [q for q in every if q.id == id]
    if not found:
        names = ", ".join(q.id for q in every)
        raise ValueError(f"no question {id!r} in module {known}; there are {names}")
    if found[0].run:
        if value is None:
            raise ValueError(f"question {id!r} asks for a number of your run: give it as value=")
        reason = found[0].reason.format(value=float(value))
        found = [replace(found[0], answer=float(value), reason=reason)]
    return Quiz(found)


class Quiz:
    """Questions with radio buttons or a field for a number, and below the same as text.

    fields, feedback : the widgets of each question. The value of radio buttons is the position of
        the option, that of a field is what was typed.
    """

    def __init__(self, questions):
        self.questions = questions
        self.fields = [_field(question) for question in questions]
        self.feedback = [widgets.HTML() for _ in questions]
        for question, field, feedback in zip(questions, self.fields, self.feedback, strict=True):
            field.observe(_answer(question, feedback), "value")

    def _ipython_display_(self):
        parts = [widgets.HTML(STYLE)]
        for number, question in enumerate(self.questions):
            lead = f"<b>{number + 1}.</b> " if len(self.questions) > 1 else "<b>Question.</b> "
            heading = f'<div style="margin-top:.8em">{lead}{html.escape(question.text)}</div>'
            parts += [widgets.HTML(heading), self.fields[number], self.feedback[number]]
        box = widgets.VBox(parts)
        box.add_class("course-quiz")
        show_controls(box, "Quiz: run this cell to answer; as text it stands below.")
        show(_Text(self.questions))

    def answers(self):
        """Print all answers with their reasons, for who reads without clicking."""
        print(_Text(self.questions).answers())

    def __repr__(self):
        return repr(_Text(self.questions))


# long answers wrap instead of running out of the page
STYLE = """<style>
.course-quiz { max-width: 60em; }
.course-quiz .widget-html-content { line-height: 1.45; height: auto; }
.course-quiz .widget-radio, .course-quiz .widget-radio-box { width: auto; height: auto; }
.course-quiz .widget-radio-box label { height: auto; line-height: 1.45; white-space: normal; }
</style>"""


def _field(question):
    """What the question is answered with. Its tooltip names it for a screen reader."""
    if question.options:
        options = [(option.text, position) for position, option in enumerate(question.options)]
        return widgets.RadioButtons(
            options=options, value=None, layout={"width": "auto"}, tooltip=question.text
        )
    return widgets.Text(
        description="Your answer",
        placeholder="a number, then Enter",
        continuous_update=False,
        tooltip=question.text,
        style={"description_width": "initial"},
    )


def _answer(question, feedback):
    def show(change):
        if question.options:
            option = question.options[change.new]
            right, says = option.right, option.reason
        elif not change.new.strip():
            feedback.value = ""
            return
        else:
            right, says = question.judge(change.new)
        tone = {True: "good", False: "bad", None: "open"}[right]
        feedback.value = (
            f'<div role="status" style="border-left:.3em solid rgb({COLOURS[tone]});'
            f'background:rgba({COLOURS[tone]},.12);padding:.4em .9em;line-height:1.45">'
            f"<b>{_VERDICTS[right]}</b> {html.escape(says)}</div>"
        )

    return show


_VERDICTS = {True: "Right.", False: "Not this one.", None: "Not read."}


def _lettered(question):
    return zip("ABCDEF", question.options, strict=False)


class _Text:
    """The questions as text. The answers are folded away in HTML, and not in the plain text."""

    def __init__(self, questions):
        self.questions = questions

    def _repr_html_(self):
        parts = []
        for number, question in enumerate(self.questions, start=1):
            options = [
                f"{letter}. {html.escape(option.text)}" for letter, option in _lettered(question)
            ]
            reasons = [
                f"{name and f'{name}. '}<b>{verdict}</b> {html.escape(reason)}"
                for name, verdict, reason in _reasons(question)
            ]
            parts.append(
                f"<p><b>{number}.</b> {html.escape(question.text)}</p>"
                + (f"<p>{'<br>'.join(options)}</p>" if options else "")
                + f"<details><summary>Answer</summary><p>{'<br>'.join(reasons)}</p></details>"
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
        return "\n".join(lines).rstrip()

    def answers(self):
        """The answers as plain text."""
        lines = []
        for number, question in enumerate(self.questions, start=1):
            for name, verdict, reason in _reasons(question):
                text = f"{number}{name}. {verdict} {reason}"
                lines.append(indent(fill(text, 85, subsequent_indent="    "), "   "))
        return "\n".join(lines)


def _reasons(question):
    """(letter, verdict, reason) of each option; of a number, the number and why."""
    if question.options:
        return [(a, _VERDICTS[option.right], option.reason) for a, option in _lettered(question)]
    return [("", f"{question.answer:.4g}.", question.reason)]
