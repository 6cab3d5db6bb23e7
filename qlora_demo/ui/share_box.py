"""My models, right: one's own model for others to read and chat with, by a secret link that can be taken back."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.run_view import RunView
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.keeping import PLACE
from qlora_demo.ui.parts import button, shown, text

HINT = "Off until you make a link. Who has it can read and chat, not change. It shows the data too."
MAKE, ANOTHER, BACK = "Make a link", "Make another link", "Take the link back"


@dataclass(frozen=True)
class ShareBox:
    box: gr.Accordion
    make: gr.Button
    back: gr.Button
    link: gr.Textbox
    place: gr.Textbox
    problem: gr.HTML

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [self.box, self.make, self.back, self.link, self.problem]


def build() -> ShareBox:
    with gr.Accordion("Share it", open=False, visible=False, elem_id="share-box") as box:
        text(f'<p class="qd-small">{HINT}</p>')
        with gr.Row(elem_classes="qd-line"):
            make = gr.Button(MAKE, size="sm", scale=0, min_width=160, elem_id="share-make")
            back = gr.Button(BACK, size="sm", scale=0, min_width=160, visible=False, elem_id="share-back")
        link = gr.Textbox("", label="Link to this model", interactive=False, visible=False, buttons=["copy"], elem_id="share-link")
        problem = text("", visible=False, elem_id="share-problem")
    return ShareBox(box, make, back, link, gr.Textbox("", visible=False), problem)


def draw(part: ShareBox, visit: Visit, view: RunView) -> Updates:
    """Where others have models of their own, and for one's own alone. A link that was made earlier is not shown again: only its hash is kept."""
    settings = visit.studio.settings
    mine = (settings.public() or bool(settings.auth)) and view.job.owner == visit.owner
    made = mine and visit.studio.sharing.is_shared(visit.owner, view.id)
    hidden = {part.link: gr.update(value="", visible=False), part.problem: shown("")}
    return {part.box: gr.update(visible=mine), part.make: button(ANOTHER if made else MAKE, True), part.back: button(BACK, made), **hidden}


def wire(part: ShareBox, runs: gr.Radio, guard: Guard) -> None:
    """`runs` tells which model."""

    def make(visit: Visit, run_id: str, place: str) -> Updates:
        link = f"{place}#share={visit.studio.sharing.link(visit.owner, run_id)}"
        return {part.link: gr.update(value=link, visible=True), part.make: button(ANOTHER, True), part.back: button(BACK, True)}

    def back(visit: Visit, run_id: str) -> Updates:
        visit.studio.sharing.take_back(visit.owner, run_id)
        return {part.link: gr.update(value="", visible=False), part.make: button(MAKE, True), part.back: button(BACK, False)}

    asked = part.make.click(None, None, [part.place], js=PLACE, api_visibility="private", show_progress="hidden")
    guard.on(asked.then, make, [runs, part.place], part.outputs(), part.problem)
    guard.on(part.back.click, back, [runs], part.outputs(), part.problem)
