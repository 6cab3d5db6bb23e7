"""My models, one model's panel: it beside others, with what follows."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.comparison import MOST, Comparison
from qlora_demo.errors import BusyError
from qlora_demo.run_view import RunView
from qlora_demo.ui import views_compare as say
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import note, shown, text
from qlora_demo.ui.theme import RUN_COLOURS
from qlora_demo.ui.train_plot import error_plot, frame

CLASSES = tuple(f"qd-run-{number}" for number in range(1, MOST + 1))
ALONE = "Train the same data another way, and the two can be compared here."


@dataclass(frozen=True)
class CompareBox:
    fold: gr.Accordion
    others: gr.CheckboxGroup
    problem: gr.HTML
    result: gr.HTML
    plot_box: gr.Column
    plot: gr.LinePlot
    key: gr.HTML

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [self.fold, self.others, self.problem, self.result, self.plot_box, self.plot, self.key]


def build() -> CompareBox:
    with gr.Accordion("Compare with…", open=False, elem_id="compare-box") as fold:
        others = gr.CheckboxGroup([], label="Other models", elem_id="compare-others")
        problem = text("", visible=False, elem_id="compare-problem")
        result = text("", visible=False, elem_id="compare-result")
        with gr.Column(visible=False) as plot_box:
            colours = {say.series(number): colour for number, colour in enumerate(RUN_COLOURS, 1)}
            plot = error_plot("Error on the rows set aside, lower is better", colours, "compare-plot")
            key = text("")
    return CompareBox(fold, others, problem, result, plot_box, plot, key)


def draw(box: CompareBox, visit: Visit, view: RunView) -> Updates:
    """For another model: those that were started together with it are chosen already."""
    others = [other for other in visit.studio.runs(visit.owner) if other.id != view.id]
    together = [other.id for other in others if view.job.set_id and other.job.set_id == view.job.set_id][: MOST - 1]
    choices = [(other.name, other.id) for other in others]
    chosen = gr.update(choices=choices, value=together, visible=bool(choices))
    alone = "" if choices else note(ALONE)
    return {box.fold: gr.update(open=bool(together)), box.others: chosen, box.problem: shown(alone), **compared(box, visit, view.id, together)}


def compared(box: CompareBox, visit: Visit, run_id: str, others: list[str]) -> Updates:
    """The figures of all, nothing while no other is chosen. Raises BusyError, NotFoundError."""
    if len(others) >= MOST:
        raise BusyError(f"Up to {MOST} models can be compared at once. Choose fewer.")
    if not others:
        return {box.result: shown(""), box.plot_box: gr.update(visible=False)}
    every = Comparison([visit.studio.run(visit.owner, one) for one in (run_id, *others)])
    tested = any(view.progress.held_out for view in every.views)
    return {
        box.result: shown(say.comparison(every)),
        box.plot_box: gr.update(visible=tested),
        box.plot: frame(say.plot_rows(every)),
        box.key: say.key(every.views, CLASSES),
    }


def wire(box: CompareBox, runs: gr.Radio, guard: Guard) -> None:
    """`runs` tells which model is beside the others."""

    def chosen(visit: Visit, run_id: str, others: list[str]) -> Updates:
        return compared(box, visit, run_id, others)

    guard.on(box.others.input, chosen, [runs, box.others], box.outputs(), box.problem)
