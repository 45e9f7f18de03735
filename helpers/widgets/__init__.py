"""The interactive figures: controls, the picture that they drive, and a line that describes it.

Each explorer rests on one function that draws a state and returns its description, and that
needs no widgets. The picture is an ordinary image output, so it stays in the saved notebook.
An image is flagged when its score is above the threshold.
"""

from helpers.widgets.explorer import show_controls
from helpers.widgets.perturb import perturb_explorer
from helpers.widgets.upload import show_judgement, upload_explorer

__all__ = [
    "perturb_explorer",
    "show_controls",
    "show_judgement",
    "upload_explorer",
]
