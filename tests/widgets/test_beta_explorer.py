import base64
import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from helpers.widgets.beta import beta_explorer, draw_beta


def strip(grey):
    """A row of ten grey pictures as the table holds it."""
    page = io.BytesIO()
    Image.fromarray(np.full((28, 280), grey, np.uint8)).save(page, "png")
    return base64.b64encode(page.getvalue()).decode()


TABLE = pd.DataFrame(
    [
        (0.5, 2, 140.04, 6.5, 2, 0.612, strip(50)),
        (4.0, 2, 150.0, 4.0, 1, 0.601, strip(100)),
        (0.5, 20, 80.0, 25.0, 18, 0.734, strip(150)),
        (4.0, 20, 97.24, 14.06, 9, 0.7123, strip(200)),
        (1e5, 20, 206.0, 0.0, 0, 0.5, strip(250)),
    ],
    columns=["beta", "latent_dim", "reconstruction", "kl", "active", "auroc", "samples"],
)


def marked(axes):
    """The points drawn as large dots."""
    big = [line for line in axes.lines if line.get_markersize() == 10]
    return [tuple(point) for line in big for point in line.get_xydata()]


def test_it_starts_at_the_first_row_and_follows_both_sliders():
    explorer = beta_explorer(TABLE)
    assert explorer.text == (
        "beta = 0.5, 2 latents: reconstruction 140.0 nats, KL 6.5 nats, 2 active units, "
        "AUROC 0.612."
    )
    explorer.controls["beta"].value = 4.0
    assert ", 1 active unit, " in explorer.text
    explorer.controls["latent_dim"].value = 20
    assert explorer.text == (
        "beta = 4, 20 latents: reconstruction 97.2 nats, KL 14.1 nats, 9 active units, AUROC 0.712."
    )
    *curves, samples = explorer.figure.axes
    assert [marked(axes) for axes in curves] == [
        [(1, 97.24)],
        [(1, 14.06)],
        [(1, 9)],
        [(1, 0.7123)],
    ]
    np.testing.assert_allclose(samples.images[0].get_array(), 200 / 255)


def test_the_curve_of_the_chosen_size_stands_out():
    figure = Figure()
    draw_beta(figure, TABLE, 4.0, 20)
    (curve,) = [line for line in figure.axes[1].lines if line.get_label() == "20 latents"]
    np.testing.assert_array_equal(curve.get_ydata(), [25.0, 14.06])
    ends = [line.get_xydata().tolist() for line in figure.axes[1].lines]
    assert [[2.0, 0.0]] in ends  # no line leads over the decades from 4 to 100,000
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["20 latents", "other sizes"]
    assert [axes.get_title(loc="left") for axes in figure.axes[:4]] == [
        "reconstruction (nats)",
        "KL (nats)",
        "active units",
        "AUROC (dotted: chance)",
    ]


def test_a_combination_that_was_not_trained_is_said_so():
    explorer = beta_explorer(TABLE)
    explorer.set(beta=1e5, latent_dim=2)
    assert explorer.text == (
        "beta = 100000, 2 latents: not in the table. With 2 latents it holds beta = 0.5, 4."
    )
    assert not any(marked(axes) for axes in explorer.figure.axes[:4])
    explorer.controls["beta"].value = 4.0
    assert "AUROC 0.601" in explorer.text


def test_a_table_of_one_row_is_drawn():
    assert "AUROC 0.612" in beta_explorer(TABLE[:1]).text


def test_several_seeds_are_drawn_and_said_as_their_mean_and_range():
    second = TABLE.assign(auroc=TABLE.auroc + 0.02, kl=TABLE.kl + 2, samples=strip(10))
    table = pd.concat([TABLE.assign(seed=0), second.assign(seed=1)], ignore_index=True)
    explorer = beta_explorer(table)
    assert explorer.text == (
        "beta = 0.5, 2 latents: reconstruction 140.0 nats, KL 7.5 nats, 2 active units, "
        "AUROC 0.622 (0.612 to 0.632, 2 seeds)."
    )
    assert marked(explorer.figure.axes[1]) == [(0, 7.5)]
    (curve,) = [line for line in explorer.figure.axes[1].lines if line.get_label() == "2 latents"]
    np.testing.assert_allclose(curve.get_ydata()[:2], [7.5, 5.0])
    np.testing.assert_allclose(explorer.figure.axes[4].images[0].get_array(), 50 / 255)
    with pytest.raises(ValueError, match="one row for each"):
        beta_explorer(pd.concat([table, table[:1]]))


def test_tables_that_will_not_do_are_named():
    with pytest.raises(ValueError, match="lacks the columns active, samples"):
        beta_explorer(TABLE.drop(columns=["samples", "active"]))
    with pytest.raises(ValueError, match="one row for each beta and latent_dim"):
        beta_explorer(pd.concat([TABLE, TABLE[:1]]))
