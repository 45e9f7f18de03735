"""Sentences of the course about its own results, held by the run that they speak of."""

from IPython.display import display

from helpers.runtime import profile


def claim(sentence, holds):
    """Say that a sentence of the text is true of this run, or stop.

    sentence : what the text says, in one line; holds : whether the numbers of this run agree
    In the smoke profile, whose numbers mean nothing, it is not judged.

    Raises AssertionError where it does not hold: mend the text, or find out what has changed.
    """
    if profile() == "smoke":
        print(f"not judged (smoke): {sentence}")
        return
    if not holds:
        raise AssertionError(f"The text says: {sentence}. This run says otherwise.")
    print(f"holds: {sentence}")


class Seen:
    """What there was to be seen in a run, folded away until the reader opens it."""

    def __init__(self, text):
        self.text = text

    def _repr_markdown_(self):
        return f"<details><summary>What you should see</summary>\n\n{self.text}\n\n</details>"

    def __repr__(self):
        return f"What you should see: {self.text}"


def seen(text):
    """Answer a question that the text has put to the learner, with the numbers of this run.

    text : Markdown; an f-string with what this run computed, and the reason
    The cell is tagged `seen`. An exercise notebook shows the text of the executed solution, since a
    learner's own numbers may differ.
    """
    display(Seen(text))
