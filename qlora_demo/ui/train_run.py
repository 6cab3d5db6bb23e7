"""Tab 2, Train, during and after: one run as it stands in the studio. Nothing here is kept by the page."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.run_view import RunView
from qlora_demo.ui import download_button, report_fold, train_answers, train_end, train_plot, train_watch
from qlora_demo.ui import views_run as say
from qlora_demo.ui.chat_drawing import example_ready
from qlora_demo.ui.drawn import Drawn
from qlora_demo.ui.form_fields import LABELS
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import button, note, shown, table, text
from qlora_demo.ui.shell import Shell
from qlora_demo.ui.train_answers import Answers
from qlora_demo.ui.train_end import Ending
from qlora_demo.ui.train_plot import ErrorPlot
from qlora_demo.ui.train_watch import WatchStrip
from qlora_demo.ui.views_end import knows
from qlora_demo.ui.views_numbers import numbers
from qlora_demo.ui.views_train import settings_rows
from qlora_demo.ui.views_watch import Strip, strip

MEANWHILE = "Meanwhile: chat with the example"
COMPARISON = "One of several trainings that are compared: see them side by side"


@dataclass(frozen=True)
class TrainRun:
    """The parts of one run's view, from top to bottom."""

    box: gr.Column
    title: gr.HTML
    stop: gr.Button
    progress: gr.HTML
    meanwhile: gr.Button
    comparison: gr.Button
    remark: gr.HTML
    problem: gr.HTML
    ending: Ending
    answers: Answers
    knows: gr.HTML
    report: report_fold.ReportFold
    watch: WatchStrip
    plot: ErrorPlot
    numbers: gr.HTML
    log: gr.Textbox
    settings: gr.HTML
    command: gr.Textbox

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        top = [self.title, self.stop, self.progress, self.meanwhile, self.comparison, self.remark, self.problem, *self.ending.outputs()]
        middle = [*self.answers.outputs(), self.knows, *self.report.outputs(), *self.watch.outputs(), *self.plot.outputs()]
        return [*top, *middle, self.numbers, self.log, self.settings, self.command]


def build() -> TrainRun:
    parts: dict = {}
    with gr.Column(visible=False, elem_id="train-run") as parts["box"]:
        with gr.Row(elem_classes="qd-line"):
            parts["title"] = text("", elem_id="run-title")
            parts["stop"] = gr.Button("Stop and keep what it learned", size="sm", scale=0, min_width=260, elem_id="stop-training")
        parts["progress"] = text("", elem_id="run-progress")
        parts["meanwhile"] = gr.Button(MEANWHILE, size="sm", visible=False, elem_id="meanwhile", elem_classes="qd-narrow")
        parts["comparison"] = gr.Button(COMPARISON, size="sm", visible=False, elem_id="see-comparison", elem_classes="qd-narrow")
        parts["remark"] = text("", visible=False, elem_id="run-remark")
        parts["problem"] = text("", visible=False, elem_id="run-problem")
        parts["ending"] = train_end.build()
        answers = train_answers.build()
        parts["knows"] = text("", visible=False, elem_id="still-knows")
        parts["report"] = report_fold.build("run-report")
        parts["watch"] = train_watch.build()
        parts["plot"] = train_plot.build()
        with gr.Accordion("Numbers", open=False, elem_id="run-numbers"):
            parts["numbers"] = text("")
        parts["answers"] = Answers(**answers, **train_answers.build_all())
        parts |= _folded()
    return TrainRun(**parts)


def _folded() -> dict:
    parts: dict = {}
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


def draw(run: TrainRun, visit: Visit, view: RunView, before: Strip | None) -> Updates:
    """Everything, from the studio alone; `before` is what "watch it learn" shows of this run already, None for nothing."""
    return {
        **draw_progress(run, visit, view, before),
        **train_end.draw(run.ending, visit, view),
        **train_answers.draw(run.answers, view),
        run.title: say.title(view),
        run.comparison: button(COMPARISON, _together(visit, view)),
        run.knows: shown(knows(view) if say.over(view) and view.usable() else ""),
        **report_fold.draw(run.report, view, visit.owner),
        run.settings: settings(view),
        run.command: view.command,
    }


def _together(visit: Visit, view: RunView) -> bool:
    """Whether another training that was started with it is this visitor's, and there still."""
    return view.job.set_id is not None and any(job.set_id == view.job.set_id and job.run != view.id for job in visit.studio.jobs(visit.owner))


def draw_progress(run: TrainRun, visit: Visit, view: RunView, before: Strip | None) -> Updates:
    """What changes while a run goes on."""
    happened, kind = say.remark(view)
    stop = say.stop_label(view)
    return {
        run.stop: button(stop, bool(stop) and visit.studio.may_change(visit.owner, view.job)),
        run.progress: shown(say.progress_bar(view)),
        run.meanwhile: button(MEANWHILE, view.job.state == "queued" and example_ready(visit) is not None),
        run.remark: shown(note(happened, kind)),
        **train_watch.draw(run.watch, strip(view), before),
        **train_plot.draw(run.plot, view),
        run.numbers: numbers(view),
        run.log: visit.studio.log(visit.owner, view.id),
    }


def settings(view: RunView) -> str:
    """The recipe in words."""
    return table(("Setting", "Value"), settings_rows(view.recipe, view.model, LABELS))


def wire(run: TrainRun, shell: Shell, guard: Guard) -> None:
    """What happens inside this view; ways to other tabs are wired by the page."""

    def stop(visit: Visit, run_id: str, drawn: Drawn) -> Updates:
        visit.studio.stop(visit.owner, run_id)
        return draw(run, visit, visit.studio.run(visit.owner, run_id), drawn.strip_of(run_id))

    def resume(visit: Visit, run_id: str, drawn: Drawn) -> Updates:
        visit.studio.resume(visit.owner, run_id)
        return draw(run, visit, visit.studio.run(visit.owner, run_id), drawn.strip_of(run_id))

    guard.on(run.stop.click, stop, [shell.run_id, shell.drawn], run.outputs(), run.problem)
    guard.on(run.ending.resume.click, resume, [shell.run_id, shell.drawn], run.outputs(), run.problem)
    download_button.wire(run.ending.download, guard, shell.run_id, run.problem)
    report_fold.wire(run.report, guard, shell.run_id, run.problem)
    train_answers.wire(run.answers, run.problem, shell, guard)
