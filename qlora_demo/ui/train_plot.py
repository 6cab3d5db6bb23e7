"""The plot of errors: in tab 2 each step of your rows, the same smoothed, and the rows set aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
import pandas as pd

from qlora_demo.run_view import RunView
from qlora_demo.ui import views_numbers as say
from qlora_demo.ui.guard import Updates
from qlora_demo.ui.parts import text
from qlora_demo.ui.theme import BASE_COLOUR, STEPS_COLOUR, YOURS_COLOUR

SERIES = {say.EACH_STEP: STEPS_COLOUR, say.YOUR_ROWS: YOURS_COLOUR, say.ASIDE_ROWS: BASE_COLOUR}
KEY_CLASSES = {say.EACH_STEP: "qd-steps-key", say.YOUR_ROWS: "", say.ASIDE_ROWS: "qd-aside"}
KEY = "".join(f'<span><span class="qd-key {kind}" aria-hidden="true"></span>{words}</span>' for words, kind in KEY_CLASSES.items())


@dataclass(frozen=True)
class ErrorPlot:
    box: gr.Column
    plot: gr.LinePlot

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [self.box, self.plot]


def build() -> ErrorPlot:
    with gr.Column(visible=False) as box:
        plot = error_plot("Error, lower is better", SERIES, "run-plot")
        text(f'<p class="qd-small qd-keys">{KEY}</p>')
    return ErrorPlot(box, plot)


def error_plot(label: str, colours: Mapping[str, str], elem_id: str) -> gr.LinePlot:
    """Errors by step, one line for each of `colours`; the key stands below, in html."""
    return gr.LinePlot(
        frame([]),
        x="step",
        y="error",
        color="series",
        label=label,
        color_map=dict(colours),
        x_axis_format="d",
        colors_in_legend=[],
        y_title=" ",
        height=220,
        buttons=[],
        elem_id=elem_id,
    )


def frame(rows: list[tuple[int, float | None, str]]) -> pd.DataFrame:
    """(step, error, series) as the plot takes them."""
    return pd.DataFrame(rows, columns=["step", "error", "series"])


def draw(part: ErrorPlot, view: RunView) -> Updates:
    """Hidden until the first step is done."""
    points = bool(view.progress.points)
    return {part.box: gr.update(visible=points), part.plot: frame(say.plot_rows(view)) if points else gr.skip()}
