"""The quiz at the end of each module: choosing an answer shows at once if it is right, and why.

The questions are data, below; everything happens on this machine and nothing is recorded.
"""

import html
from dataclasses import dataclass
from textwrap import fill, indent

import ipywidgets as widgets
from IPython.display import display

from helpers.banner import COLOURS
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


QUESTIONS = {
    "01": (
        Question(
            "A threshold is set at the mean plus one standard deviation of validation losses that "
            "were averaged over batches of 64 images, and is then used on single images. What "
            "happens?",
            (
                Option(
                    "Nothing unusual: batch means and image errors have the same mean.",
                    "The means agree, the spreads do not: a mean of 64 independent errors has an "
                    "eighth of the spread of one error.",
                ),
                Option(
                    "It flags too few images, because a mean hides the extremes.",
                    "The other way round: since batch means spread less, the threshold lies lower "
                    "than one standard deviation of single errors would put it.",
                ),
                Option(
                    "It flags far more normal images than a rule set on single images.",
                    "Batch means spread about √64 = 8 times less than single errors, so the "
                    "threshold lies just above the mean error, and a large share of normal images "
                    "lies above that.",
                    right=True,
                ),
                Option(
                    "It goes wrong only where the last batch is incomplete.",
                    "An incomplete batch adds a little noise, but the rule would fail in the same "
                    "way with batches that are all full.",
                ),
            ),
        ),
        Question(
            "A detector flags an image when its split-conformal p-value is at most 0.05. What is "
            "promised, if calibration images and new normal images are exchangeable?",
            (
                Option(
                    "At least 95 % of the anomalies are flagged.",
                    "The p-value is computed from normal images alone, so it can promise nothing "
                    "about anomalies: a useless score keeps the promise as well as a good one.",
                ),
                Option(
                    "At most 5 % of the flagged images are normal.",
                    "That share also depends on how rare anomalies are: where every image is "
                    "normal, all that is flagged is normal.",
                ),
                Option(
                    "With this calibration set, at most 5 % of all future normal images are "
                    "flagged.",
                    "The promise is marginal: an average over calibration sets. A single one may "
                    "lie a little above or below, and the more so the smaller it is.",
                ),
                Option(
                    "Averaged over calibration sets, at most 5 % of new normal images are flagged.",
                    "The rank of a new normal image among the calibration images is uniform, so "
                    "P(p ≤ 0.05) ≤ 0.05 for any score and any finite n, averaged over the draw of "
                    "the calibration set.",
                    right=True,
                ),
            ),
        ),
        Question(
            "A broken detector gives every image the same score. What is its AUROC, by ranks?",
            (
                Option(
                    "0, because no anomaly scores above a normal image.",
                    "That counts ties as lost. By ranks a tie counts one half, since a coin would "
                    "have to decide between the two images.",
                ),
                Option(
                    "0.5: every pair of a normal image and an anomaly is a tie.",
                    "AUROC is the probability that an anomaly scores above a normal image, ties "
                    "counting half. All pairs are ties here, so the score ranks nothing.",
                    right=True,
                ),
                Option(
                    "0.5: half of the images are classified correctly.",
                    "The number is right, the reading is not: AUROC speaks of pairs and needs no "
                    "threshold. With any threshold this detector flags all images or none.",
                ),
                Option(
                    "1, because no normal image scores above an anomaly.",
                    "That counts ties as won, which is what an implementation with ≥ in place of "
                    "> and a half for ties would report.",
                ),
            ),
        ),
        Question(
            "An autoencoder was trained on normal images only, yet it reconstructs some anomalies "
            "very well. What is the most likely reason?",
            (
                Option(
                    "What it learned, strokes and smooth shapes, also describes those anomalies.",
                    "Training asks for a small error on normal images and never for a large one "
                    "elsewhere. Images made of the same parts, or simpler ones, are reconstructed "
                    "too.",
                    right=True,
                ),
                Option(
                    "The latent space is too small.",
                    "A smaller code makes more images hard to reconstruct. It is a wide code that "
                    "lets the network copy anything.",
                ),
                Option(
                    "The threshold was set too high.",
                    "The threshold decides what is done with an error. The error itself is small "
                    "before any threshold is chosen.",
                ),
                Option(
                    "There must have been anomalies among the training images.",
                    "That would help them too, but it is not needed: a network reconstructs what "
                    "its parts can express, and that is more than it has seen.",
                ),
            ),
        ),
        Question(
            "Is a plain autoencoder a generative model of the images?",
            (
                Option(
                    "Yes: decoding a random code gives a new image.",
                    "A random code drawn from what? Training fixes no distribution of the codes, "
                    "and codes far from those of real images may decode to anything.",
                ),
                Option(
                    "Yes: it interpolates smoothly between two images.",
                    "That shows that the decoder is smooth between known codes. It gives neither "
                    "new samples in the right proportions nor a probability of an image.",
                ),
                Option(
                    "No: its decoder is deterministic.",
                    "So is the generator of a GAN, which is a generative model. What is missing is "
                    "a distribution to draw the input of the decoder from.",
                ),
                Option(
                    "No: it defines no distribution of the codes, hence none of the images.",
                    "There is nothing to sample from and no p(x) to evaluate. A variational "
                    "autoencoder adds a prior on the codes, and with it samples and a bound on "
                    "p(x).",
                    right=True,
                ),
            ),
        ),
    ),
}


def quiz(module):
    """The quiz of a module, for example quiz("01"), to be shown as the last value of a cell."""
    if module not in QUESTIONS:
        raise ValueError(f"no quiz for module {module!r}; there are {', '.join(QUESTIONS)}")
    return Quiz(QUESTIONS[module])


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
        display(_Text(self.questions))

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
