import nbformat
from nbclient import NotebookClient

from helpers.widgets import threshold_explorer


def test_moving_a_control_updates_the_picture_and_the_line(displayed):
    explorer = threshold_explorer([1, 2, 3], [3, 4], thresholds={})
    assert not displayed
    explorer._ipython_display_()
    assert [update for update, _ in displayed] == [False] * 3
    view, picture, line = (value for _, value in displayed)
    assert "application/vnd.jupyter.widget-view+json" in view
    assert picture.png.startswith(b"\x89PNG")
    assert f'<img alt="{explorer.alt}"' in picture._repr_html_()
    assert repr(line) == explorer.text
    del displayed[:]
    explorer.controls["threshold"].index = 30
    (updated, new_picture), (_, new_line) = displayed
    assert updated
    assert new_picture.png != picture.png
    assert repr(new_line) == explorer.text != repr(line)


def test_a_saved_notebook_holds_the_picture_and_the_text_and_they_are_updated():
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(
                "from helpers.widgets import threshold_explorer\n"
                "explorer = threshold_explorer([1, 2, 3], [3, 4], thresholds={'two': 2})\n"
                "explorer"
            ),
            nbformat.v4.new_code_cell("explorer.controls['threshold'].index = 0"),
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
    assert "1 of 3 normal" in first[2]["text/plain"]
    assert "3 of 3 normal" in second[2]["text/plain"]
    assert first[1]["text/html"] != second[1]["text/html"]
