"""A button that brings something of a model to the browser: what it learned as an archive, or the answers of its test as a table."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.run_view import RunView
from qlora_demo.ui.guard import COMMON, Guard, Updates, Visit
from qlora_demo.ui.parts import button, size

OPEN = "ticket => { if (ticket) location.assign(new URL('download/' + ticket, location.origin + location.pathname)); }"
"""The answer is an attachment, so the page stays."""


@dataclass(frozen=True)
class DownloadButton:
    """`ticket` is on its way from the server to the browser only."""

    button: gr.Button
    ticket: gr.Textbox


def build(elem_id: str, label: str = "Download", visible: bool = False) -> DownloadButton:
    return DownloadButton(gr.Button(label, scale=0, min_width=180, visible=visible, elem_id=elem_id), gr.Textbox("", visible=False))


def draw(part: DownloadButton, view: RunView, owner: str) -> Updates:
    """Hidden while there is nothing to take along, and for guests."""
    held = (view.result or {}).get("artifact_bytes") or 0
    return {part.button: button(f"Download, {size(held)}" if held else "Download", view.usable() and not view.guest(owner))}


def wire(part: DownloadButton, guard: Guard, run: gr.components.Component, problem: gr.HTML, answers: str = "") -> None:
    """`run` tells which model; `answers` is "" for what it learned, else the form of the table."""

    def ticket(visit: Visit, run_id: str) -> Updates:
        return {part.ticket: visit.studio.download(visit.owner, run_id, answers)}

    asked = guard.on(part.button.click, ticket, [run], [part.ticket, problem], problem)
    asked.success(None, [part.ticket], None, js=OPEN, **COMMON).then(lambda: "", None, [part.ticket], **COMMON)
