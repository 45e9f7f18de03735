"""Sentences of the course about its own results, held by the run that they speak of."""

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
