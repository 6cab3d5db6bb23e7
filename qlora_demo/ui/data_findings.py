"""Tab 1, right: what was found in the data, one line each, with a button where a click fixes it. Three are open, the rest folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from qlora_demo.data.choices import Choices
from qlora_demo.data.finding import Finding
from qlora_demo.ui.guard import Updates
from qlora_demo.ui.parts import button, text
from qlora_demo.ui.views_findings import finding_text, more_remarks

OPEN, FOLDED = 3, 12


@dataclass(frozen=True)
class Line:
    row: gr.Row
    text: gr.HTML
    fix: gr.Button


@dataclass(frozen=True)
class Findings:
    lines: tuple[Line, ...]
    folded: gr.Accordion

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [part for line in self.lines for part in (line.row, line.text, line.fix)] + [self.folded]


def build() -> Findings:
    with gr.Column(elem_id="data-remarks", elem_classes="qd-findings"):
        first = tuple(_line(i) for i in range(OPEN))
        with gr.Accordion("More remarks", open=False, visible=False, elem_id="more-remarks") as folded:
            rest = tuple(_line(i) for i in range(OPEN, OPEN + FOLDED))
    return Findings((*first, *rest), folded)


def _line(number: int) -> Line:
    with gr.Row(visible=False, elem_classes="qd-line") as row:
        words = text("", elem_id=f"remark-{number}")
        fix = gr.Button("", size="sm", scale=0, min_width=120, visible=False, elem_id=f"fix-{number}")
    return Line(row, words, fix)


def draw(part: Findings, findings: Sequence[Finding]) -> Updates:
    updates: Updates = {part.folded: gr.update(label=more_remarks(len(findings) - OPEN), visible=len(findings) > OPEN, open=False)}
    shown = [*findings, *[None] * (len(part.lines) - len(findings))]
    for line, finding in zip(part.lines, shown, strict=False):
        updates[line.row] = gr.update(visible=finding is not None)
        if finding is not None:
            updates[line.text] = finding_text(finding)
            updates[line.fix] = button(finding.button, bool(finding.button))
    return updates


def after_click(choices: Choices, findings: Sequence[Finding], number: int, words: str) -> Choices:
    """What the button of finding `number` changes. Where its words are another finding's by now (it was pressed twice), nothing."""
    if number >= len(findings) or findings[number].button != words:
        return choices
    finding = findings[number]
    return choices.without_fix(finding.code) if finding.done else choices.with_fix(finding.code)
