"""Tab 2, Train, during and after: one run as it stands in the studio. Nothing here is kept by the page."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
import pandas as pd

from qlora_demo.run_view import RunView
from qlora_demo.studio import LOCAL, Studio
from qlora_demo.ui import views_run as say
from qlora_demo.ui.form_fields import LABELS
from qlora_demo.ui.guard import Updates, shown_in
from qlora_demo.ui.parts import button, esc, note, shown, table, text
from qlora_demo.ui.shell import Shell
from qlora_demo.ui.theme import BASE_COLOUR, YOURS_COLOUR
from qlora_demo.ui.views_train import settings_rows

SERIES = {say.YOUR_ROWS: YOURS_COLOUR, say.ASIDE_ROWS: BASE_COLOUR}
KEY = (
    f'<p class="qd-small"><span class="qd-key" aria-hidden="true"></span>{say.YOUR_ROWS}'
    f'<span class="qd-key qd-aside" aria-hidden="true"></span>{say.ASIDE_ROWS}</p>'
)
CAUTION = "Check facts before you rely on it: a model can be sure and wrong."


@dataclass(frozen=True)
class TrainRun:
    """The parts of one run's view. `index` counts the questions set aside; `drawn` is the run whose settings are drawn."""

    box: gr.Column
    title: gr.HTML
    stop: gr.Button
    progress: gr.HTML
    remark: gr.HTML
    problem: gr.HTML
    verdict: gr.HTML
    chat: gr.Button
    resume: gr.Button
    again: gr.Button
    answer_box: gr.Column
    answer: gr.HTML
    previous: gr.Button
    position: gr.HTML
    next: gr.Button
    plot_box: gr.Column
    plot: gr.LinePlot
    numbers: gr.HTML
    all_answers: gr.Accordion
    all_answers_table: gr.HTML
    log: gr.Textbox
    settings: gr.HTML
    command: gr.Textbox
    index: gr.State

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        top = [self.title, self.stop, self.progress, self.remark, self.problem, self.verdict, self.chat, self.resume, self.again]
        middle = [self.answer_box, self.answer, self.position, self.plot_box, self.plot]
        return [*top, *middle, self.numbers, self.all_answers, self.all_answers_table, self.log, self.settings, self.command, self.index]


def build() -> TrainRun:
    parts: dict = {"index": gr.State(0)}
    with gr.Column(visible=False, elem_id="train-run") as parts["box"]:
        with gr.Row(elem_classes="qd-line"):
            parts["title"] = text("", elem_id="run-title")
            parts["stop"] = gr.Button("Stop and keep what it learned", size="sm", scale=0, min_width=260, elem_id="stop-training")
        parts["progress"] = text("", elem_id="run-progress")
        parts["remark"] = text("", visible=False, elem_id="run-remark")
        parts["problem"] = text("", visible=False, elem_id="run-problem")
        parts["verdict"] = text("", visible=False, elem_id="verdict")
        with gr.Row(elem_classes="qd-line"):
            parts["chat"] = gr.Button("Chat with it", variant="primary", visible=False, scale=0, min_width=180, elem_id="chat-with-it")
            parts["resume"] = gr.Button("Try again", visible=False, scale=0, min_width=240, elem_id="resume")
            parts["again"] = gr.Button("Train again with changes", visible=False, scale=0, min_width=240, elem_id="train-again")
        with gr.Column(visible=False, elem_classes="qd-card-box") as parts["answer_box"]:
            parts["answer"] = text("", elem_id="compared")
            with gr.Row(elem_classes="qd-line"):
                parts["previous"] = gr.Button("‹ Previous", size="sm", scale=0, min_width=120, elem_id="answer-previous")
                parts["position"] = text("", elem_id="answer-position")
                parts["next"] = gr.Button("Next ›", size="sm", scale=0, min_width=120, elem_id="answer-next")
            text(f'<p class="qd-small">{CAUTION}</p>')
        with gr.Column(visible=False) as parts["plot_box"]:
            parts["plot"] = _plot()
            text(KEY)
        parts |= _folded()
    return TrainRun(**parts)


def _plot() -> gr.LinePlot:
    return gr.LinePlot(
        _frame([]),
        x="step",
        y="error",
        color="series",
        label="Error, lower is better",
        color_map=SERIES,
        x_axis_format="d",
        colors_in_legend=[],
        y_title=" ",
        height=220,
        buttons=[],
        elem_id="run-plot",
    )


def _frame(rows: list[tuple[int, float | None, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["step", "error", "series"])


def _folded() -> dict:
    parts: dict = {}
    with gr.Accordion("Numbers", open=False, elem_id="run-numbers"):
        parts["numbers"] = text("")
    with gr.Accordion("All answers", open=False, visible=False, elem_id="run-answers") as parts["all_answers"]:
        parts["all_answers_table"] = text("")
    with gr.Accordion("Log", open=False, elem_id="run-log"):
        parts["log"] = gr.Textbox("", label="What the training wrote", lines=14, max_lines=14, autoscroll=True, interactive=False, buttons=["copy"])
    with gr.Accordion("Settings used", open=False, elem_id="run-settings"):
        parts["settings"] = text("")
        parts["command"] = command_box("run-command")
    return parts


def command_box(elem_id: str) -> gr.Textbox:
    """The command that repeats a run, with a button that copies it."""
    where = "For a terminal in the folder where the file is."
    return gr.Textbox("", label="The command that repeats it", info=where, lines=3, interactive=False, buttons=["copy"], elem_id=elem_id)


def draw(run: TrainRun, studio: Studio, view: RunView, index: int = 0) -> Updates:
    """Everything, from the studio alone."""
    happened, kind = say.remark(view)
    points = bool(view.progress.points)
    resume, stop, change = say.resume_label(view), say.stop_label(view), studio.may_change(LOCAL, view.job)
    ended = say.over(view)
    return {
        run.title: say.title(view),
        run.stop: button(stop, bool(stop) and change),
        run.progress: shown(say.progress_bar(view)),
        run.remark: shown(note(happened, kind)),
        run.verdict: shown(f'<p class="qd-verdict">{esc(say.verdict(view))}</p>' if say.verdict(view) and ended else ""),
        run.chat: button("Chat with it", view.usable() and ended),
        run.resume: button(resume, bool(resume) and change),
        run.again: button("Train again with changes", ended),
        **_answer(run, view, index),
        run.plot_box: gr.update(visible=points),
        run.plot: _frame(say.plot_rows(view)) if points else gr.skip(),
        run.numbers: table(("", ""), say.numbers(view)),
        run.all_answers: gr.update(visible=bool(say.answers(view)), label=f"All {len(say.answers(view))} answers"),
        run.all_answers_table: table(("Question", "Base", "Yours", "Your own answer"), say.answer_rows(view)),
        run.log: studio.log(LOCAL, view.id),
        run.settings: settings(view),
        run.command: view.command,
    }


def settings(view: RunView) -> str:
    """The recipe in words."""
    return table(("Setting", "Value"), settings_rows(view.recipe, view.model, LABELS))


def _answer(run: TrainRun, view: RunView, index: int) -> Updates:
    count = len(say.answers(view))
    at = index % count if count else 0
    return {
        run.answer_box: gr.update(visible=bool(count) and say.over(view)),
        run.answer: say.answer(view, at),
        run.position: f'<p class="qd-small qd-centre">{at + 1} of {count}</p>',
        run.index: at,
    }


def wire(run: TrainRun, shell: Shell, studio: Studio) -> None:
    """What happens inside this view; ways to other tabs are wired by the page."""

    def stop(run_id: str) -> Updates:
        studio.stop(LOCAL, run_id)
        return draw(run, studio, studio.run(LOCAL, run_id))

    def resume(run_id: str) -> Updates:
        studio.resume(LOCAL, run_id)
        return draw(run, studio, studio.run(LOCAL, run_id))

    def step(by: int):
        return lambda run_id, index: _answer(run, studio.run(LOCAL, run_id), index + by)

    shared = {"api_visibility": "private", "show_progress": "hidden"}
    run.stop.click(shown_in(run.problem, stop), [shell.run_id], run.outputs(), **shared)
    run.resume.click(shown_in(run.problem, resume), [shell.run_id], run.outputs(), **shared)
    for arrow, by in ((run.previous, -1), (run.next, 1)):
        arrow.click(shown_in(run.problem, step(by)), [shell.run_id, run.index], run.outputs(), **shared)
