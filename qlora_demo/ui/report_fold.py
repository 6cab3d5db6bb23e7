"""The fold "Report" of a run, in 2 Train and in My models: its numbers with what they mean, and the answers as tables to take along."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.run_view import RunView
from qlora_demo.ui import download_button
from qlora_demo.ui.download_button import DownloadButton
from qlora_demo.ui.guard import Guard, Updates
from qlora_demo.ui.parts import text
from qlora_demo.ui.views_report import report


@dataclass(frozen=True)
class ReportFold:
    box: gr.Accordion
    words: gr.HTML
    ways: gr.Row
    csv: DownloadButton
    jsonl: DownloadButton

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [self.box, self.words, self.ways]


def build(elem_id: str) -> ReportFold:
    with gr.Accordion("Report", open=False, visible=False, elem_id=elem_id) as box:
        words = text("")
        with gr.Row(visible=False, elem_classes="qd-line") as ways:
            csv = download_button.build(f"{elem_id}-csv", "All answers for a spreadsheet (CSV)", visible=True)
            jsonl = download_button.build(f"{elem_id}-jsonl", "All answers for programs (JSONL)", visible=True)
    return ReportFold(box, words, ways, csv, jsonl)


def draw(part: ReportFold, view: RunView, owner: str, before: str = "") -> Updates:
    """Hidden while there is no report; guests have nothing to take along. `before` is html that comes first."""
    words = report(view)
    answers = bool(view.report and view.report["answers"])
    ways = gr.update(visible=answers and view.usable() and not view.guest(owner))
    return {part.box: gr.update(visible=bool(words)), part.words: before + words, part.ways: ways}


def wire(part: ReportFold, guard: Guard, run: gr.components.Component, problem: gr.HTML) -> None:
    """`run` tells which model."""
    download_button.wire(part.csv, guard, run, problem, "csv")
    download_button.wire(part.jsonl, guard, run, problem, "jsonl")
