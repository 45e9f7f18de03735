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


def test_one_line_a_group_and_no_line_for_other_columns():
    explorer = share_explorer(TABLE)
    labels = [text.get_text() for text in explorer.figure.axes[1].get_legend().get_texts()]
    assert labels == ["DME", "all"]
