"""Figures: described for those who do not see them, and readable for those who do."""

import ast
import importlib
import inspect
import re
from html.parser import HTMLParser
from io import BytesIO

import matplotlib
import numpy as np
import pytest
from drawings import DRAWINGS, Data
from PIL import Image
from readable import faults, uses_the_colour_of_anomalies

from helpers import plotting, widgets
from helpers.authoring.build import lessons
from helpers.banner import Shown
from helpers.plotting import style


def figures_shown(source):
    """(cell id, whether it has a description) of each call of plotting.show in a source."""
    cell = ""
    starts = {}
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
        if found := re.match(r'# %%.* id="([^"]+)"', line):
            cell = found[1]
        starts[number] = cell
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "plotting.show":
            described = len(node.args) > 2 or "alt" in [word.arg for word in node.keywords]
            yield starts[node.lineno], described


@pytest.mark.parametrize("source", lessons(), ids=lambda path: path.stem)
def test_every_figure_of_a_module_has_a_description(source):
    shown = list(figures_shown(source))
    missing = {cell for cell, described in shown if not described}
    assert len(shown) > 5
    assert not missing


@pytest.mark.parametrize("source", lessons(), ids=lambda path: path.stem)
def test_no_description_is_a_mood_or_the_caption(source):
    """It names what is drawn, in a sentence at least."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "plotting.show":
            words = {word.arg: word.value for word in node.keywords}
            if alt := words.get("alt", node.args[2] if len(node.args) > 2 else None):
                text = ast.unparse(alt)
                if isinstance(alt, ast.Call):  # of the module's own function
                    own = importlib.import_module(f"helpers.experiments.module_{source.name[:2]}")
                    text = inspect.getsource(getattr(own, alt.func.id))
                assert len(text.split()) > 6 and "?" not in text, text
                assert text != ast.unparse(node.args[1])


class Images(HTMLParser):
    """The attributes of all img elements."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found.append(dict(attributes))


def test_a_figure_is_one_output_with_its_description(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting.style, "display", shown.append)
    figure, axis = plotting.new_figure(4, 2)
    axis.plot([0, 1])
    plotting.show(figure, "It rises by `1`.", alt='A line "from" 0 to 1 <up>')
    (output,) = shown
    (image,) = Images(output._repr_html_()).found
    assert image["alt"] == 'A line "from" 0 to 1 <up>'
    assert "It rises by <code>1</code>." in output._repr_html_()
    assert image["alt"] in repr(output) and "It rises" in repr(output)
    assert not hasattr(output, "_repr_png_")  # it would be stored twice
    picture = Image.open(BytesIO(output.png))
    assert picture.width == 2 * int(image["width"]) == 800  # sharp where a pixel is half as wide
    assert picture.mode == "P"


def test_a_live_curve_says_where_it_is(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting.lines, "display", lambda output, **_: shown.append(output))
    curve = plotting.LiveCurve("epoch", "error")
    output = curve.output([{"train": 2.0, "validation": 3.0}, {"train": 1.0, "validation": 1.5}])
    assert isinstance(shown[0], Shown) and "error over epoch" in shown[0].alt
    assert "Train: from 2 to 1. Validation: from 3 to 1.5." in output.alt
    assert "logarithmic" in output.alt


def test_losses_below_zero_have_a_linear_axis(monkeypatch):
    monkeypatch.setattr(plotting.lines, "display", lambda output, **_: None)
    curve, history = plotting.LiveCurve("epoch", "minus the ELBO"), [{"train": 2.0}, {"train": -1}]
    assert "logarithmic" not in curve.output(history).alt
    (axis,) = curve.draw(history).axes
    assert axis.get_yscale() == "linear" and axis.get_ylim()[0] < -1


@pytest.mark.parametrize("scores", [[-3.0, -2, -1], [-1.0, 0, 9], [0.0, 1, 9], [2.0, 2, 2]])
def test_a_histogram_holds_all_scores_of_either_sign(scores):
    (axis,) = plotting.score_histogram({"normal": np.array(scores)}, {}).axes
    assert sum(bar.get_height() for bar in axis.patches) == len(scores)
    assert "logarithmic" not in axis.get_xlabel() and axis.get_xscale() == "linear"


# --- what is drawn


@pytest.fixture(scope="module")
def data(drawn):
    with matplotlib.rc_context():
        plotting.use_course_style()
        yield Data(drawn)


@pytest.mark.parametrize("name", DRAWINGS)
def test_all_of_a_figure_can_be_read(name, data):
    """Text stands out, nothing lies on it, legends hide no data, orange is for anomalies."""
    draw, anomalies = DRAWINGS[name]
    figure = draw(data)
    assert not faults(figure)
    assert anomalies or not uses_the_colour_of_anomalies(figure)


def test_every_figure_is_drawn_here():
    rooms = [room for _, room in inspect.getmembers(plotting, inspect.ismodule)]
    drawing = {
        name
        for room in rooms
        for name, function in inspect.getmembers(room, inspect.isfunction)
        if re.search(r"return figure$", inspect.getsource(function), re.MULTILINE)
    }
    explorers = {name for name in widgets.__all__ if not name.startswith("show_")}
    assert len(drawing) > 20 and len(explorers) == 2
    assert drawing | explorers <= set(DRAWINGS)


def test_classes_and_groups_can_be_told_apart():
    for colours in (plotting.GROUPS, plotting.CLASSES):
        assert len(set(colours)) == len(colours) and plotting.ANOMALY not in colours


def test_names_at_one_place_are_moved_apart():
    gap = np.array([0.5, 0.2])
    places = plotting.latent.apart([[0, 0], [0, 0], [0.1, 0], [3, 3]], gap)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    assert min((abs(places[i] - places[j]) / gap).max() for i, j in pairs) > 0.999
    assert places[3].tolist() == [3, 3] and abs(places[:3]).max() < 1


def spoiled(how):
    """A figure with one fault."""
    figure, axis = plotting.new_figure(4, 2)
    axis.plot([0, 1], [0, 1], label="a line")
    how(axis)
    return figure


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (lambda axis: axis.text(0.1, 0.8, "pale", color="#999999"), "'pale' has a contrast of 2.8"),
        (lambda axis: axis.text(0.4, 0.45, "struck through"), "lies over lines"),
        (lambda axis: axis.text(0.1, 0.8, "tiny", fontsize=7), "'tiny' has 7.0 points"),
        (lambda axis: axis.text(0.1, 0.8, "two") and axis.text(0.1, 0.82, "one"), "overlap"),
        (lambda axis: axis.text(1.6, 0.5, "beyond", in_layout=False), "'beyond' leaves"),
        (lambda axis: axis.legend(loc="center"), "the legend ['a line'] hides data"),
        (
            lambda axis: (
                axis.imshow(np.zeros((2, 2)), extent=(0, 1, 0, 1), cmap="gray")
                and axis.text(0.1, 0.8, "black")
            ),
            "'black' has a contrast of 1.",
        ),
    ],
)
def test_a_fault_is_found(how, says):
    found = faults(spoiled(how))
    assert any(says in one for one in found), found


def test_a_figure_without_fault_has_none():
    assert not faults(spoiled(lambda axis: axis.legend(loc="upper left")))
    assert not uses_the_colour_of_anomalies(spoiled(lambda axis: None))
    orange = spoiled(lambda axis: axis.axvspan(0, 1, color=plotting.ANOMALY, alpha=0.3))
    assert uses_the_colour_of_anomalies(orange)


@pytest.mark.parametrize("many", [True, False])
def test_photographs_keep_their_colours(many):
    """256 colours showed plain grey as (134, 127, 122) beside photographs."""
    shape = (2, 3, 32, 32)
    images = np.random.default_rng(0).integers(0, 256, shape) if many else np.full(shape, 128)
    png = Image.open(BytesIO(style.to_png(plotting.image_rows({"": images.astype(np.uint8)}))))
    assert png.mode == ("RGB" if many else "P")
    grey = plotting.image_rows({"": np.concatenate([images, np.full(shape, 128)]).astype(np.uint8)})
    colours = np.asarray(Image.open(BytesIO(style.to_png(grey))).convert("RGB")).reshape(-1, 3)
    assert (colours == 128).all(axis=1).mean() > 0.1


@pytest.mark.parametrize("kind", ["images", "lines"])
def test_a_figure_is_drawn_as_savefig_draws_it(kind):
    def made():
        if kind == "images":
            return plotting.image_rows({"a name": np.zeros((3, 1, 8, 8), np.uint8)}, "abc")
        figure, axes = style.new_figure(ncols=2)
        axes[0].plot([1, 3, 2], label="a line")
        axes[1].set(xlabel="below", ylabel="beside", title="above")
        style.legend_below(axes[0])
        return figure

    figure, file = made(), BytesIO()
    image, dpi = style.drawn(figure, 150), figure.dpi
    made().savefig(file, format="png", dpi=150)
    assert np.array_equal(image, Image.open(file).convert("RGB")) and dpi == made().dpi
