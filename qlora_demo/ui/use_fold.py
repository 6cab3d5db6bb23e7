"""The fold "How to use it" of a finished model in My models: code to copy for each program that takes one of its forms."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.downloads import safe_name
from qlora_demo.export.forms import ADAPTER, GGUF_Q8, MERGED, Form
from qlora_demo.export.usage import Way, gguf_name
from qlora_demo.run_view import RunView
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import esc, text

STARTED = {"python": "A Python program. Start it", "shell": "For a terminal,"}


@dataclass(frozen=True)
class UseFold:
    """`ways` has the places of the uses as its values."""

    box: gr.Accordion
    ways: gr.Radio
    needs: gr.HTML
    code: gr.Textbox
    problem: gr.HTML

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [self.box, self.ways, self.needs, self.code, self.problem]


@dataclass(frozen=True)
class Use:
    """One program, and the form that it takes."""

    form: Form
    way: Way

    def label(self) -> str:
        return f"{self.way.title}\nwith “{self.form.name}”"

    def needs(self) -> str:
        """Html: what to do first, and what else should be known."""
        first = f"First download “{self.form.name}” above and unpack it. {self.way.needs}"
        return f"<p>{esc(first)}</p>" + (f'<p class="qd-small">{esc(self.way.note)}</p>' if self.way.note else "")

    def where(self) -> str:
        """In which folder the code is started."""
        return f"{STARTED[self.way.language]} {'in' if self.form.gguf else 'beside'} the folder that you unpacked."


def build(elem_id: str) -> UseFold:
    with gr.Accordion("How to use it", open=False, visible=False, elem_id=elem_id) as box:
        ways = gr.Radio([], label="With which program", elem_classes="qd-choices", elem_id=f"{elem_id}-ways")
        needs = text("", elem_id=f"{elem_id}-needs")
        code = gr.Textbox("", label="To copy", lines=4, max_lines=24, interactive=False, buttons=["copy"], elem_id=f"{elem_id}-code")
        problem = text("", visible=False)
    return UseFold(box, ways, needs, code, problem)


def uses(visit: Visit, view: RunView) -> list[Use]:
    """What a run leaves as it is comes first, then the file for one's own computer. Raises NotFoundError, BusyError, StorageError."""
    name = safe_name(view.name)
    sources = ((MERGED if view.recipe.method == "full" else ADAPTER, name), (GGUF_Q8, gguf_name(view.name, GGUF_Q8.key)))
    return [Use(form, way) for form, source in sources for way in visit.studio.exports.ways(visit.owner, view.id, form.key, source)]


def draw(part: UseFold, visit: Visit, view: RunView) -> Updates:
    """Hidden while there is nothing to take along, and for guests."""
    if not view.usable() or view.guest(visit.owner):
        return {part.box: gr.update(visible=False)}
    found = uses(visit, view)
    choices = [(use.label(), place) for place, use in enumerate(found)]
    return {part.box: gr.update(visible=True), part.ways: gr.update(choices=choices, value=0), **_chosen(part, found[0])}


def _chosen(part: UseFold, use: Use) -> Updates:
    return {part.needs: use.needs(), part.code: gr.update(value=use.way.code, info=use.where())}


def wire(part: UseFold, guard: Guard, run: gr.components.Component) -> None:
    """`run` tells which model."""

    def choose(visit: Visit, run_id: str, place: object) -> Updates:
        found = uses(visit, visit.studio.run(visit.owner, run_id))
        return _chosen(part, found[place] if type(place) is int and 0 <= place < len(found) else found[0])

    guard.on(part.ways.input, choose, [run, part.ways], [part.needs, part.code, part.problem], part.problem)
