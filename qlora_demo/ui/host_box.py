"""My models, last: what the host of a shared page sees and does. No names, no data, no chats."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from qlora_demo.caps import Caps
from qlora_demo.hosting import Waiting
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import button, esc, ordinal, shown, size, text
from qlora_demo.ui.views_place import limits

PAUSE, GO_ON = "Pause new trainings", "Let new trainings start"
NONE = "<p>Nothing trains or waits.</p>"


@dataclass(frozen=True)
class HostBox:
    box: gr.Accordion
    line: gr.Radio
    empty: gr.HTML
    stop: gr.Button
    up: gr.Button
    pause: gr.Button
    look: gr.Button
    used: gr.HTML
    problem: gr.HTML

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [self.box, self.line, self.empty, self.stop, self.up, self.pause, self.used, self.problem]


def build() -> HostBox:
    with gr.Accordion("Host", open=False, visible=False, elem_id="host") as box:
        empty = text(NONE, elem_id="host-empty")
        line = gr.Radio([], label="Trainings in line", visible=False, elem_classes="qd-choices", elem_id="host-line")
        with gr.Row(elem_classes="qd-line"):
            stop = gr.Button("Stop it", size="sm", scale=0, min_width=120, visible=False, elem_id="host-stop")
            up = gr.Button("Make it the next", size="sm", scale=0, min_width=160, visible=False, elem_id="host-up")
            pause = gr.Button(PAUSE, size="sm", scale=0, min_width=200, elem_id="host-pause")
            look = gr.Button("Look again", size="sm", scale=0, min_width=120, elem_id="host-look")
        used = text("", elem_id="host-used")
        problem = text("", visible=False, elem_id="host-problem")
    return HostBox(box, line, empty, stop, up, pause, look, used, problem)


def draw(part: HostBox, visit: Visit) -> Updates:
    """Hidden from everybody else, and where nobody else can come."""
    if not (visit.host() and visit.studio.settings.shared()):
        return {part.box: gr.update(visible=False)}
    hosting, settings = visit.studio.hosting, visit.studio.settings
    line = hosting.line(visit.owner)
    disk = shutil.disk_usage(visit.studio.home.path)
    told = f"{hosting.minutes_used(visit.owner):.0f} minutes of training in all. {size(disk.free)} of {size(disk.total)} are free on the disk."
    held = f" {limits(Caps.of(settings), settings.max_rows)} You have none." if settings.public() else ""
    return {
        part.box: gr.update(visible=True),
        part.line: gr.update(choices=[(_words(one, place), one.job_id) for place, one in enumerate(line)], value=None, visible=bool(line)),
        part.empty: shown("" if line else NONE),
        part.stop: button("Stop it", bool(line)),
        part.up: button("Make it the next", bool(line)),
        part.pause: button(GO_ON if hosting.paused() else PAUSE, True),
        part.used: f'<p class="qd-small">{esc(told + held)}</p>',
    }


def _words(one: Waiting, place: int) -> str:
    whose = {0: "Yours", -1: "The example"}.get(one.visitor, f"Visitor {one.visitor}")
    if one.training:
        return f"{whose}: training, {100 * one.share:.0f} %, for {one.minutes:.0f} min"
    return f"{whose}: {ordinal(place + 1)} in line, for {one.minutes:.0f} min"


def wire(part: HostBox, guard: Guard) -> None:
    """Each click draws the line as it is then."""

    def chosen(do: Callable[[Visit, int], None]) -> Callable[[Visit, int | None], Updates]:
        def handler(visit: Visit, job_id: int | None) -> Updates:
            if job_id is not None:
                do(visit, job_id)
            return draw(part, visit)

        return handler

    def pause(visit: Visit) -> Updates:
        visit.studio.hosting.pause(visit.owner, not visit.studio.hosting.paused())
        return draw(part, visit)

    stop = chosen(lambda visit, job_id: visit.studio.hosting.stop(visit.owner, job_id))
    up = chosen(lambda visit, job_id: visit.studio.hosting.to_front(visit.owner, job_id))
    guard.on(part.stop.click, stop, [part.line], part.outputs(), part.problem)
    guard.on(part.up.click, up, [part.line], part.outputs(), part.problem)
    guard.on(part.pause.click, pause, [], part.outputs(), part.problem)
    guard.on([part.look.click, part.box.expand], lambda visit: draw(part, visit), [], part.outputs(), part.problem)
