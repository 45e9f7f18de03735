import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from helpers.widgets.samples import draw_round, draw_rounds, sample_quiz

REAL = np.full((20, 1, 28, 28), 255, np.uint8) - np.arange(20, dtype=np.uint8).reshape(-1, 1, 1, 1)
SAMPLES = torch.linspace(0, 0.5, 60).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
PLACES = [place for _, place in draw_rounds(REAL, SAMPLES, 8)]


def framed(explorer):
    """Numbers of the framed pictures, and the titles of those."""
    axes = [axis for axis in explorer.figure.axes if axis.patches]
    return {int(axis.get_title()[0]): axis.get_title()[3:] for axis in axes}


def wrong(place):
    return place % 6 + 1


def test_each_round_has_one_real_picture_and_none_comes_twice():
    rounds = draw_rounds(REAL, SAMPLES, 8)
    for pictures, place in rounds:
        assert (pictures[:, 0, 0] > 0.6).nonzero()[0].tolist() == [place - 1]
    values = np.concatenate([pictures[:, 0, 0] for pictures, _ in rounds])
    assert len(np.unique(values)) == 48
    assert len(set(PLACES)) > 2
    for (pictures, place), (again, same) in zip(rounds, draw_rounds(REAL, SAMPLES, 8), strict=True):
        np.testing.assert_array_equal(pictures, again)
        assert place == same


def test_nothing_is_revealed_before_a_guess():
    quiz = sample_quiz(REAL, SAMPLES)
    assert framed(quiz) == {}
    assert quiz.text == "Round 1: one of the 6 pictures is a real digit, the others are samples."


def test_a_guess_reveals_the_real_picture_and_is_counted():
    quiz = sample_quiz(REAL, SAMPLES)
    quiz.controls["guess"].value = PLACES[0]
    assert framed(quiz) == {PLACES[0]: "real"}
    assert quiz.text == (
        f"Round 1, right: picture {PLACES[0]} is the real digit; you chose {PLACES[0]}. "
        "1 of 1 right so far; guessing would give 1 in 6."
    )
    quiz.controls["number"].value = 3
    assert quiz.controls["guess"].value == 0
    assert framed(quiz) == {}
    assert quiz.text.endswith("samples. 1 of 1 right so far; guessing would give 1 in 6.")
    mistake = wrong(PLACES[2])
    quiz.controls["guess"].value = mistake
    assert framed(quiz) == {PLACES[2]: "real", mistake: "a sample"}
    assert f"Round 3, wrong: picture {PLACES[2]} is the real digit; you chose {mistake}." in (
        quiz.text
    )
    assert "1 of 2 right so far" in quiz.text


def test_a_round_remembers_its_first_guess():
    quiz = sample_quiz(REAL, SAMPLES)
    mistake = wrong(PLACES[0])
    quiz.controls["guess"].value = mistake
    quiz.controls["guess"].value = PLACES[0]
    assert "right: picture" in quiz.text
    assert "The first guess of a round counts. 0 of 1 right" in quiz.text
    quiz.controls["number"].value = 2
    quiz.controls["number"].value = 1
    assert quiz.controls["guess"].value == mistake
    assert mistake in framed(quiz)


def test_the_drawing_needs_no_widgets():
    figure = Figure()
    text = draw_round(figure, np.zeros((6, 28, 28)), 4, 2)
    assert text == ", wrong: picture 4 is the real digit; you chose 2."
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["1", "2: a sample", "3", "4: real", "5", "6"]


def test_too_few_pictures_are_counted():
    with pytest.raises(ValueError, match="8 real pictures and 40 samples; got 20 and 39"):
        sample_quiz(REAL, SAMPLES[:39])
