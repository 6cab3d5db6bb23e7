"""My models, below: the link that takes a visitor's models to another browser, and deleting everything."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
import segno

from qlora_demo.settings import Settings
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import button, esc, note, shown, text

WHOSE = "These belong to this browser. Your link opens them on another one, such as your phone. Who has it can change and delete them."
SIGNED_IN = "These belong to your account. Sign in on another device to find them there."
EVERYTHING = "Delete everything of mine"
SURE = "Delete all your models, data and reports? They go for good."
PLACE = "() => location.origin + location.pathname"
GONE = "All of it is deleted."


@dataclass(frozen=True)
class Keeping:
    """`place` is the page's own address, which only the browser knows. `sign_in` is None where nobody can."""

    whose: gr.HTML
    show: gr.Button
    box: gr.Column
    link: gr.Textbox
    code: gr.HTML
    sign_in: gr.LoginButton | None
    place: gr.Textbox
    delete: gr.Button
    confirm: gr.Column
    really: gr.Button
    keep: gr.Button
    said: gr.HTML

    def outputs(self) -> list:
        """Everything that happens here may set."""
        return [self.whose, self.show, self.box, self.link, self.code, self.delete, self.confirm, self.said]


def build(settings: Settings) -> Keeping:
    parts: dict = {}
    with gr.Column(visible=settings.public() and not settings.auth, elem_classes="qd-card-box", elem_id="keeping"):
        parts["whose"] = text(f'<p class="qd-small">{WHOSE}</p>')
        with gr.Row(elem_classes="qd-line"):
            parts["show"] = gr.Button("Keep your link", size="sm", scale=0, min_width=160, elem_id="keep-link")
            can_sign_in = settings.oauth and settings.public()
            signing = {"size": "sm", "scale": 0, "min_width": 160, "elem_id": "sign-in"}
            parts["sign_in"] = gr.LoginButton("Sign in instead", **signing) if can_sign_in else None
        with gr.Column(visible=False) as parts["box"]:
            parts["link"] = gr.Textbox("", label="Your link. Keep it to yourself.", interactive=False, buttons=["copy"], elem_id="my-link")
            parts["code"] = text("", elem_id="my-code")
    parts["place"] = gr.Textbox("", visible=False)
    parts["said"] = text("", visible=False, elem_id="keeping-said")
    parts["delete"] = gr.Button(EVERYTHING, size="sm", elem_id="delete-everything", elem_classes="qd-narrow")
    with gr.Column(visible=False, elem_classes="qd-card-box") as parts["confirm"]:
        text(f"<p>{SURE}</p>")
        with gr.Row(elem_classes="qd-line"):
            parts["really"] = gr.Button("Delete everything", variant="stop", scale=0, min_width=180, elem_id="delete-everything-yes")
            parts["keep"] = gr.Button("Keep", scale=0, min_width=120, elem_id="delete-everything-no")
    return Keeping(**parts)


def draw(part: Keeping, visit: Visit) -> Updates:
    """A login needs no link."""
    anonymous = visit.owner.startswith("key-")
    return {part.whose: f'<p class="qd-small">{WHOSE if anonymous else SIGNED_IN}</p>', part.show: button("Keep your link", anonymous)}


def wire(part: Keeping, guard: Guard) -> None:
    """What happens here; deleting everything is wired by the page, as every tab must follow."""

    def show(visit: Visit, key: str, place: str) -> Updates:
        link = f"{place}#key={key}"
        picture = segno.make(link, micro=False).svg_data_uri(scale=5, border=2, light="white", dark="black")
        return {part.box: gr.update(visible=True), part.link: link, part.code: f'<img alt="QR code of your link" src="{esc(picture)}">'}

    def ask(visit: Visit) -> Updates:
        return {part.confirm: gr.update(visible=True), part.delete: button(EVERYTHING, False)}

    def keep(visit: Visit) -> Updates:
        return {part.confirm: gr.update(visible=False), part.delete: button(EVERYTHING, True), part.said: shown("")}

    asked = part.show.click(None, None, [part.place], js=PLACE, api_visibility="private", show_progress="hidden")
    guard.on(asked.then, show, [guard.key, part.place], part.outputs(), part.said)
    guard.on(part.delete.click, ask, [], part.outputs(), part.said)
    guard.on(part.keep.click, keep, [], part.outputs(), part.said)


def gone(part: Keeping) -> Updates:
    """After everything was deleted."""
    return {part.confirm: gr.update(visible=False), part.delete: button(EVERYTHING, True), part.said: shown(note(GONE))}
