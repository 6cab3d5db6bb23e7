"""What every tab shares: the header, the tab bar, and the ids that say which data and which run are shown."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.ui.drawn import NOTHING
from qlora_demo.ui.parts import text
from qlora_demo.ui.views_chat import EMPTY

DATA, TRAIN, CHAT, MODELS, HOW = "data", "train", "chat", "models", "how"
SECRET = "what-the-browser-remembers"  # noqa: S105
"""Fixed, so that a restart of the server forgets nothing. It is sent to the page and protects nothing from whoever sits at this browser."""


@dataclass(frozen=True)
class Shell:
    """`dataset_id` and `run_id` are kept in the browser, "" for none; `visited` is when this browser last opened the page,
    `chat` its conversation.

    `drawn` is what the page shows of the runs, so that a tick redraws only what has changed; it then counts up `noticed`. `key` is the browser's, see
    owners.py; `shared` is the secret part of a link to a model. Both come in behind the "#" of an address, which a browser sends to no server.

    `gate` asks for a workshop's code before anything else is there.
    """

    header: gr.HTML
    show: gr.Button
    announcement: gr.HTML
    message: gr.HTML
    dataset_id: gr.BrowserState
    run_id: gr.BrowserState
    visited: gr.BrowserState
    chat: gr.BrowserState
    drawn: gr.State
    noticed: gr.State
    key: gr.BrowserState
    shared: gr.Textbox
    gate: gr.Row
    code: gr.Textbox
    come_in: gr.Button


def remembered(default: object, key: str) -> gr.BrowserState:
    """A value that this browser keeps over reloads and restarts of the server."""
    return gr.BrowserState(default, storage_key=f"qlora-demo-{key}", secret=SECRET)


def build_shell(banner: str) -> Shell:
    """The top of the page. The header's text is set at every load; `banner` stays, and "" is none."""
    dataset_id, run_id, visited = remembered("", "dataset"), remembered("", "run"), remembered(0.0, "visited")
    chat = remembered(EMPTY, "chat")
    drawn, noticed = gr.State(NOTHING), gr.State(0)
    with gr.Row(elem_classes="qd-top"):
        header = text("", elem_id="header")
        show = gr.Button("Show", size="sm", scale=0, min_width=88, visible=False, elem_id="show-run")
    text(banner, visible=bool(banner), elem_id="place")
    announcement = text("", elem_id="announcement", elem_classes="qd-unseen")
    message = text("", visible=False, elem_id="message")
    with gr.Row(visible=False, elem_classes="qd-line", elem_id="gate") as gate:
        code = gr.Textbox("", label="Code of this workshop", max_lines=1, max_length=100, elem_id="workshop-code")
        come_in = gr.Button("Come in", variant="primary", scale=0, min_width=140, elem_id="come-in")
    shared = gr.Textbox("", visible=False)
    key = remembered("", "key")
    return Shell(header, show, announcement, message, dataset_id, run_id, visited, chat, drawn, noticed, key, shared, gate, code, come_in)


ARRIVE = """(key, code, shared, ...others) => {
  const link = new URLSearchParams(location.hash.slice(1));
  if (link.has('key') || link.has('share')) history.replaceState(null, '', location.pathname + location.search);
  return [link.get('key') || key, code, link.get('share') || shared, ...others];
}"""
"""What stands behind the "#" is taken out of the address, so that it is not passed on with it."""
LIVE_REGION = """() => {
  const place = document.getElementById('announcement');
  place.setAttribute('role', 'status');
  place.setAttribute('aria-live', 'polite');
}"""
"""A live region must exist before its text changes; gradio replaces what is inside its html, so the place itself is made one."""
