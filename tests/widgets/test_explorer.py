import inspect

import ipywidgets as widgets
import nbformat
import numpy as np
from nbclient import NotebookClient

from helpers.widgets import parts
from helpers.widgets.explorer import Explorer


def squares():
    """A slider, and a curve up to the number that it stands at."""

    def draw(figure, last):
        figure.add_subplot().plot(np.arange(last + 1) ** 2)
        return f"{last} squared is {last**2}."

    last = parts.slider(widgets.IntSlider, 3, 0, 9, 1, "last")
    return Explorer(draw, {"last": last}, last, size=(4, 3), alt="A parabola.")


def test_moving_a_control_updates_the_picture_and_the_line(displayed):
    explorer = squares()
    assert not displayed
    explorer._ipython_display_()
    assert [update for update, _ in displayed] == [False] * 3
    view, picture, line = (value for _, value in displayed)
    assert "application/vnd.jupyter.widget-view+json" in view
    assert picture.png.startswith(b"\x89PNG")
    assert f'<img alt="{explorer.alt}"' in picture._repr_html_()
    assert repr(line) == explorer.text
    del displayed[:]
    explorer.controls["last"].value = 5
    (updated, new_picture), (_, new_line) = displayed
    assert updated
    assert new_picture.png != picture.png
    assert repr(new_line) == explorer.text != repr(line)


def test_a_saved_notebook_holds_the_picture_and_the_text_and_they_are_updated():
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "import ipywidgets as widgets\nimport numpy as np\n"
                "from helpers.widgets import parts\n"
                "from helpers.widgets.explorer import Explorer\n"
                f"{inspect.getsource(squares)}\n"
                "explorer = squares()\nexplorer"
            ),
            nbformat.v4.new_code_cell("explorer.controls['last'].value = 0"),
        ]
    )
    client = NotebookClient(notebook, store_widget_state=False)
    with client.setup_kernel():
        client.execute_cell(notebook.cells[0], 0)
        first = [output.data for output in notebook.cells[0].outputs]
        client.execute_cell(notebook.cells[1], 1)
        second = [output.data for output in notebook.cells[0].outputs]
    assert not notebook.cells[1].outputs
    for view, picture, line in (first, second):
        assert "run this cell" in view["text/plain"]
        assert set(picture) == {"text/html", "text/plain"}
        assert set(line) == {"text/html", "text/plain"}
    assert "3 squared is 9." in first[2]["text/plain"]
    assert "0 squared is 0." in second[2]["text/plain"]
    assert first[1]["text/html"] != second[1]["text/html"]
