import numpy as np
import pandas as pd

from helpers.widgets import share_explorer

rng = np.random.default_rng(0)
ROWS = [
    {"share": share, "pretraining images": 10 * share}
    | {
        f"{score}, {group}{end}": rng.random()
        for score in ("L1", "kNN")
        for group in ("DME", "all")
        for end in ("", ", low", ", high")
    }
    | {"L1, PRO": 0.5}
    for share in (5, 40)
]
TABLE = pd.DataFrame(ROWS)


def test_the_share_s_own_numbers_are_said():
    explorer = share_explorer(TABLE)
    for share in (5, 40):
        explorer.set(share=share)
        chosen = TABLE[TABLE.share == share].iloc[0]
        assert explorer.text.startswith(f"{share} % of the labelled patients, {10 * share} scans")
        for score in ("L1", "kNN"):
            numbers = [chosen[f"{score}, all{end}"] for end in ("", ", low", ", high")]
            assert "{} {:.3f} ({:.3f} to {:.3f})".format(score, *numbers) in explorer.text


def test_several_seeds_are_dots_around_the_line_of_their_means():
    up = {name: TABLE[name] + 0.1 for name in TABLE if name not in ("share", "pretraining images")}
    explorer = share_explorer(pd.concat([TABLE, TABLE.assign(**up)], ignore_index=True))
    assert [label for label, _ in explorer.controls["share"].options] == ["5 %", "40 %"]
    line, *_ = explorer.figure.axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), TABLE["L1, DME"] + 0.05)
    dots, *_ = explorer.figure.axes[0].collections
    assert len(dots.get_offsets()) == 4
    explorer.set(share=5)
    assert f"L1 {TABLE['L1, all'][0] + 0.05:.3f} (" in explorer.text


def test_one_line_a_group_and_no_line_for_other_columns():
    explorer = share_explorer(TABLE)
    labels = [text.get_text() for text in explorer.figure.axes[1].get_legend().get_texts()]
    assert labels == ["DME", "all"]
