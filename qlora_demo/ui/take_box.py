"""My models, one model's panel: "Take it with you", a row for each form, and sending one to the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.export.forms import ADAPTER, GGUF_ADAPTER, GGUF_F16, GGUF_Q8, MERGED, Form
from qlora_demo.exports import Offer
from qlora_demo.run_view import RunView
from qlora_demo.settings import Settings
from qlora_demo.ui import hub_box
from qlora_demo.ui.download_button import OPEN
from qlora_demo.ui.guard import COMMON, Guard, Updates, Visit
from qlora_demo.ui.parts import button, heading, shown, text
from qlora_demo.ui.views_take import DOWNLOAD, row, words

LOOK_SECONDS = 1.0
FIRST, MORE = (ADAPTER, GGUF_Q8, MERGED), (GGUF_F16, GGUF_ADAPTER)


@dataclass(frozen=True)
class Row:
    """`button` prepares, stops or downloads, as its form stands when it is pressed."""

    form: Form
    box: gr.Row
    said: gr.HTML
    button: gr.Button


@dataclass(frozen=True)
class TakeBox:
    """`timer` looks while something is prepared; `ticket` is on its way from the server to the browser only."""

    box: gr.Column
    rows: tuple[Row, ...]
    ticket: gr.Textbox
    problem: gr.HTML
    timer: gr.Timer
    hub: hub_box.HubBox

    def looked(self) -> list:
        """What changes while one looks."""
        return [part for one in self.rows for part in (one.said, one.button)] + [self.timer, self.hub.said, self.hub.stop]

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [self.box, *(one.box for one in self.rows), *self.looked(), self.problem, *self.hub.outputs()]


def build(settings: Settings) -> TakeBox:
    with gr.Column(visible=False, elem_classes="qd-card-box", elem_id="take-box") as box:
        text(heading("Take it with you", 3))
        problem = text("", visible=False, elem_id="take-problem")
        rows = [_row(form) for form in FIRST]
        with gr.Accordion("More forms", open=False, elem_id="take-more"):
            rows += [_row(form) for form in MORE]
        hub = hub_box.build(settings)
    return TakeBox(box, tuple(rows), gr.Textbox("", visible=False), problem, gr.Timer(LOOK_SECONDS, active=False), hub)


def _row(form: Form) -> Row:
    with gr.Row(elem_classes="qd-line") as box:
        said = text("", elem_id=f"take-{form.key}")
        press = gr.Button(DOWNLOAD, size="sm", scale=0, min_width=140, elem_id=f"take-{form.key}-button")
    return Row(form, box, said, press)


def draw(part: TakeBox, visit: Visit, view: RunView) -> Updates:
    """Hidden while there is nothing to take along, and for guests."""
    if not view.usable() or view.guest(visit.owner):
        return {part.box: gr.update(visible=False), part.timer: gr.Timer(active=False)}
    offers = visit.studio.exports.offers(visit.owner, view.id)
    there = {offer.form for offer in offers}
    rows = {one.box: gr.update(visible=one.form in there) for one in part.rows}
    hub = hub_box.draw(part.hub, visit, view, offers)
    return {part.box: gr.update(visible=True), part.problem: shown(""), **rows, **hub, **_standing(part, offers)}


def _standing(part: TakeBox, offers: list[Offer]) -> Updates:
    """How every form stands now."""
    full = all(offer.form != ADAPTER for offer in offers)
    updates: Updates = {part.timer: gr.Timer(active=any(offer.open() for offer in offers)), **hub_box.standing(part.hub, offers)}
    for one in part.rows:
        for offer in offers:
            if offer.form == one.form:
                at_once = _at_once(one.form, full)
                updates |= {one.said: row(offer, at_once), one.button: button(words(offer, at_once), True)}
    return updates


def _at_once(form: Form, full: bool) -> bool:
    """What the run left lies there already."""
    return form == (MERGED if full else ADAPTER)


def wire(part: TakeBox, guard: Guard, run: gr.Radio) -> None:
    """`run` tells which model."""

    def look(visit: Visit, run_id: str) -> Updates:
        return _standing(part, visit.studio.exports.offers(visit.owner, run_id))

    guard.tick(part.timer.tick, look, [run], part.looked(), part.problem)
    for one in part.rows:
        _wire_row(part, one, guard, run)
    hub_box.wire(part.hub, guard, run, look, part.looked())


def _wire_row(part: TakeBox, one: Row, guard: Guard, run: gr.Radio) -> None:
    def press(visit: Visit, run_id: str) -> Updates:
        exports, ticket = visit.studio.exports, ""
        offer = exports.offer(visit.owner, run_id, one.form.key)
        full = visit.studio.run(visit.owner, run_id).recipe.method == "full"
        if offer.open() is not None:
            exports.stop(visit.owner, run_id, one.form.key)
        elif _at_once(one.form, full):
            ticket = exports.as_it_is(visit.owner, run_id)
        elif offer.ready is not None:
            ticket = exports.download(visit.owner, run_id, one.form.key)
        else:
            exports.prepare(visit.owner, run_id, one.form.key)
        return {part.ticket: ticket, **_standing(part, exports.offers(visit.owner, run_id))}

    asked = guard.on(one.button.click, press, [run], [part.ticket, part.problem, *part.looked()], part.problem)
    asked.success(None, [part.ticket], None, js=OPEN, **COMMON).then(lambda: "", None, [part.ticket], **COMMON)
