"""Figures that rest on matplotlib as it will be: what it announces to remove is an error here."""

import warnings

import numpy as np
import pandas as pd

from helpers import plotting


def test_boxes_use_nothing_that_matplotlib_will_remove():
    scores = np.random.default_rng(0).random(40) + 0.1
    frame = pd.DataFrame({"class": ["b", "a"] * 20, "score": scores})
    with warnings.catch_warnings(action="error"):
        figure = plotting.boxes(frame, "class", "score", log=True)
        figure._repr_png_()
        ordered = plotting.boxes(frame, "class", "score", order=["a", "b"])
    names = [[t.get_text() for t in f.axes[0].get_xticklabels()] for f in (figure, ordered)]
    assert names == [["b", "a"], ["a", "b"]]
    assert figure.axes[0].get_ylabel() == "score" and figure.axes[0].get_yscale() == "log"
    # the line in the box of "a" is its median
    medians = [line.get_ydata()[0] for line in ordered.axes[0].lines if len(line.get_ydata()) == 2]
    assert np.isclose(medians, np.median(scores[1::2])).any()
