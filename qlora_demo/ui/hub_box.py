"""Sending one form of a model to the Hugging Face Hub: as whom, under which name, and whether others see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from qlora_demo.errors import BusyError
from qlora_demo.export.client import Push
from qlora_demo.export.forms import ADAPTER, GGUF_Q8, MERGED
from qlora_demo.export.hub_names import proposed
from qlora_demo.exports import Offer
from qlora_demo.run_view import RunView
from qlora_demo.settings import Settings
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import button, shown, text
from qlora_demo.ui.views_take import sending

SEND, STOP = "Send it", "Stop sending"
SIGN_IN = "Sign in with your Hugging Face account first. This page may then make repositories for you, and see no others."
TOKEN = "Token with write access"  # noqa: S105 (a label)
TOKEN_HINT = "Make one under huggingface.co/settings/tokens. It is used once and kept nowhere."  # noqa: S105
LONGEST_TOKEN, LONGEST_NAME = 200, 160


@dataclass(frozen=True)
class HubBox:
    """`token` is hidden where this page knows its visitors by the hub's login, which brings one."""

    fold: gr.Accordion
    form: gr.Radio
    name: gr.Textbox
    token: gr.Textbox
    private: gr.Checkbox
    send: gr.Button
    stop: gr.Button
    said: gr.HTML
    problem: gr.HTML

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        return [self.form, self.name, self.token, self.private, self.send, self.stop, self.said, self.problem]


def build(settings: Settings) -> HubBox:
    with gr.Accordion("Hugging Face Hub", open=False, elem_id="hub-box") as fold:
        text('<p class="qd-small">A repository of your own with the model and its card. Private unless you say otherwise.</p>')
        if by_login(settings):
            text(f'<p class="qd-small">{SIGN_IN}</p>')
            gr.LoginButton("Sign in", size="sm", scale=0, min_width=160, elem_id="hub-sign-in")
        form = gr.Radio([], label="What to send", elem_id="hub-form")
        name = gr.Textbox("", label="Name of the repository", max_length=LONGEST_NAME, elem_id="hub-name")
        shown_to = not by_login(settings)
        token = gr.Textbox("", label=TOKEN, info=TOKEN_HINT, type="password", max_length=LONGEST_TOKEN, visible=shown_to, elem_id="hub-token")
        private = gr.Checkbox(True, label="Private: only you see it", elem_id="hub-private")
        with gr.Row(elem_classes="qd-line"):
            send = gr.Button(SEND, scale=0, min_width=140, elem_id="hub-send")
            stop = gr.Button(STOP, scale=0, min_width=140, visible=False, elem_id="hub-stop")
        problem = text("", visible=False, elem_id="hub-problem")
        said = text("", visible=False, elem_id="hub-said")
    return HubBox(fold, form, name, token, private, send, stop, said, problem)


def by_login(settings: Settings) -> bool:
    """Whether visitors send in the name of the account that they sign in with here."""
    return settings.oauth and settings.public()


def draw(part: HubBox, visit: Visit, view: RunView, offers: list[Offer]) -> Updates:
    """For another model: the name that it would have, and the token box empty."""
    forms = [(offer.form.name, offer.form.key) for offer in offers if offer.form in (ADAPTER, MERGED, GGUF_Q8)]
    return {
        part.form: gr.update(choices=forms, value=forms[0][1]),
        part.name: proposed(view.name),
        part.token: "",
        part.private: True,
        part.send: button(SEND, True),
        part.problem: shown(""),
        **standing(part, offers),
    }


def standing(part: HubBox, offers: list[Offer]) -> Updates:
    """How the last sending of this model stands."""
    pushed = [(offer.push.queued, offer) for offer in offers if offer.push is not None]
    newest = max(pushed, key=lambda item: item[0])[1] if pushed else None
    going = newest is not None and newest.push is not None and newest.push.open()
    return {part.said: shown(sending(newest) if newest else ""), part.stop: button(STOP, going)}


def wire(part: HubBox, guard: Guard, run: gr.Radio, look: Callable[[Visit, str], Updates], looked: list) -> None:
    """`look` draws how all forms of a run stand, which are the parts `looked`."""

    def send(visit: Visit, signed_in: str, run_id: str, *values: Any) -> Updates:
        key, name, typed, private = values
        if by_login(visit.studio.settings) and not signed_in:
            raise BusyError(SIGN_IN)
        push = Push((name or "").strip(), private is not False, (signed_in or typed or "").strip())
        visit.studio.exports.push(visit.owner, run_id, key or "", push)
        return {part.token: "", **look(visit, run_id)}

    def stop(visit: Visit, run_id: str) -> Updates:
        for offer in visit.studio.exports.offers(visit.owner, run_id):
            if offer.push is not None and offer.push.open():
                visit.studio.exports.stop(visit.owner, run_id, offer.form.key)
        return look(visit, run_id)

    values = [run, part.form, part.name, part.token, part.private]
    guard.on_account([part.send.click, part.name.submit, part.token.submit], send, values, [part.token, part.problem, *looked], part.problem)
    guard.on(part.stop.click, stop, [run], [part.problem, *looked], part.problem)
