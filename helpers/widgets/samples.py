"""Real pictures among samples of a model: can they be told apart?"""

import ipywidgets as widgets
import numpy as np
import torch

from helpers.plotting import NORMAL, THIRD, as_pictures, ink
from helpers.widgets import parts
from helpers.widgets.explorer import Explorer

SHOWN = 6  # pictures in a round, one of them real

SEEN = "Six numbered images in a row; after a guess the real one is framed."


def sample_quiz(real, samples, rounds=8):
    """Find the real picture among six; a guess reveals it, and the first guess counts.

    real, samples : uint8 or float in [0, 1], (N, 1, H, W); enough of them that none comes twice
    """
    drawn = draw_rounds(real, samples, rounds)
    guesses = {}  # round -> the first guess
    number = parts.slider(widgets.IntSlider, 1, 1, rounds, 1, "round")
    guess = widgets.ToggleButtons(
        options=[("–", 0), *((str(place), place) for place in range(1, SHOWN + 1))],
        description="real is",
        style={**parts.NAMES, "button_width": "3em"},
    )

    def turn_page(change):
        guess.value = guesses.get(change.new, 0)

    number.observe(turn_page, "value")  # before the redraw of the explorer

    def draw(figure, number, guess):
        if guess:
            guesses.setdefault(number, guess)
        right = sum(first == drawn[n - 1][1] for n, first in guesses.items())
        pictures, place = drawn[number - 1]
        text = f"Round {number}{draw_round(figure, pictures, place, guess)}"
        if guess not in (0, guesses.get(number)):
            text += " The first guess of a round counts."
        if guesses:
            text += f" {right} of {len(guesses)} right so far; guessing would give 1 in {SHOWN}."
        return text

    layout = widgets.VBox([number, guess])
    return Explorer(draw, {"number": number, "guess": guess}, layout, size=(9.5, 2.0), alt=SEEN)


def draw_rounds(real, samples, rounds):
    """Six pictures (6, H, W) a round and the place of the real one, 1 to 6: the same each time."""
    real, samples = (
        as_pictures(images.detach().cpu() if isinstance(images, torch.Tensor) else images)
        for images in (real, samples)
    )
    needed = (SHOWN - 1) * rounds
    if len(real) < rounds or len(samples) < needed:
        raise ValueError(
            f"{rounds} rounds take {rounds} real pictures and {needed} samples; "
            f"got {len(real)} and {len(samples)}"
        )
    rng = np.random.default_rng(0)
    chosen = real[rng.choice(len(real), rounds, replace=False)]
    others = samples[rng.choice(len(samples), needed, replace=False)]
    places = rng.integers(SHOWN, size=rounds)
    others = others.reshape(rounds, SHOWN - 1, *others.shape[1:])
    return [
        (np.insert(fake, place, true, axis=0), int(place) + 1)
        for true, fake, place in zip(chosen, others, places, strict=True)
    ]


def draw_round(figure, pictures, place, guess=0):
    """Six numbered pictures; after a guess (1 to 6) the real one and a wrong guess framed. -> text

    pictures : (6, H, W) in [0, 1]; place : of the real one, 1 to 6
    """
    for number, picture in enumerate(pictures, start=1):
        axes = figure.add_axes(((number - 1) / SHOWN + 0.005, 0.04, 1 / SHOWN - 0.01, 0.8))
        parts.image(axes, picture, str(number))
        if guess and number in (place, guess):
            real = number == place
            colour = NORMAL if real else THIRD
            parts.frame(axes, (0, 0), *picture.shape[::-1], colour, "-" if real else "--")
            axes.set_title(f"{number}: {'real' if real else 'a sample'}", color=ink(colour))
    if not guess:
        return f": one of the {SHOWN} pictures is a real digit, the others are samples."
    verdict = "right" if guess == place else "wrong"
    return f", {verdict}: picture {place} is the real digit; you chose {guess}."
