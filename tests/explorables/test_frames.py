"""Explorables in the outputs of stored notebooks: their scripts are today's."""

import nbformat
import pytest
from examples import EXAMPLES

from helpers.authoring.build import COURSE, lessons
from helpers.explorables.page import FRAME, refreshed
from helpers.quiz import quiz


@pytest.mark.parametrize("name", ["elbo", "quiz"])
def test_an_older_script_is_replaced_and_the_data_stay(name):
    one = quiz("00") if name == "quiz" else EXAMPLES[name]()
    one.data["more"] = "it's <b>other</b> data & more"
    now = one._repr_html_()
    older = now.replace("const SVG =", "const OLD =").replace("font-size", "font-weight")
    assert older != now and refreshed(older) == refreshed(now) == now
    assert refreshed("<p srcdoc='a'></p>") == "<p srcdoc='a'></p>"


@pytest.mark.parametrize("source", lessons(), ids=lambda path: path.stem)
def test_every_stored_frame_can_be_refreshed(source):
    cells = nbformat.read(COURSE / f"solutions/{source.stem}.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    texts = [output.get("data", {}).get("text/html", "") for output in outputs]
    assert sum(text.count("<iframe") for text in texts) == sum(
        len(FRAME.findall(text)) for text in texts
    )
    assert any("<iframe" in text for text in texts)
