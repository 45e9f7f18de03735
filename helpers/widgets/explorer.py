"""An explorer: controls, the picture that they drive, and a line that describes it."""

import io
import traceback
import uuid

from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from helpers.banner import Banner, Caption, Shown
from helpers.plotting.style import PIXELS, to_png


class Explorer:
    """Controls, the picture that they drive, and one line of text that says what it shows.

    controls : dict of the widgets by name; setting a widget's `value` redraws
    figure, text : the present state, as a matplotlib Figure and in words
    """

    def __init__(self, draw, controls, layout, size, alt):
        """draw(figure, **values of the controls) -> text. `layout` is the widget shown.

        size : in inches; alt : what is seen in every state, for those who do not see it
        """
        self.controls, self.layout, self.alt = controls, layout, alt
        self._draw, self._size = draw, size
        self._id, self._shown = uuid.uuid4().hex, False
        for control in controls.values():
            control.observe(self._redraw, "value")
        self._redraw()

    def _redraw(self, change=None):
        try:
            figure = Figure(figsize=self._size, dpi=2 * PIXELS)  # outside pyplot: shown only by us
            # the drawing functions place their axes: a layout engine doubles the time of a redraw
            figure.set_layout_engine("none")
            values = {name: control.value for name, control in self.controls.items()}
            self.text = self._draw(figure, **values)
            self.figure = figure
            if self._shown:
                self._show(update=True)
        except Exception as error:
            if self._shown:  # ipywidgets would write it to a log that nobody reads
                banner = Banner(repr(error), code=traceback.format_exc(), tone="bad")
                display(banner, display_id=self._id + "line", update=True)
            raise

    def set(self, **values):
        """Move several controls at once, with one redraw."""
        for name, value in values.items():
            self.controls[name].unobserve(self._redraw, "value")
            self.controls[name].value = value
            self.controls[name].observe(self._redraw, "value")
        self._redraw()

    def _show(self, update):
        if update:  # while a slider moves: quickly; the first, which notebooks keep, small
            page = io.BytesIO()
            FigureCanvasAgg(self.figure).print_png(page, pil_kwargs={"compress_level": 1})
            png = page.getvalue()
        else:
            png = to_png(self.figure)
        picture = Shown(png, round(PIXELS * self.figure.get_figwidth()), self.alt)
        display(picture, display_id=self._id + "picture", update=update)
        display(Caption(self.text), display_id=self._id + "line", update=update)

    def _ipython_display_(self):
        show_controls(self.layout, "Sliders and buttons: run this cell to use them.")
        self._show(update=False)
        self._shown = True

    def __repr__(self):
        return self.text


def show_controls(widget, without_kernel):
    """Display a widget. `without_kernel` is what a reader sees who has no kernel to run it."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    bundle = {"text/plain": without_kernel, "application/vnd.jupyter.widget-view+json": view}
    display(bundle, raw=True)
