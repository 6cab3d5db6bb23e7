"""Tab 1, left: where the data comes from: an example, a file, the paste box, or the model hub."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.examples import EXAMPLES
from qlora_demo.studio import Studio
from qlora_demo.ui.parts import counted, heading, text

PASTE_HINT = "One pair on each line: question, a tab or semicolon, answer. Or paste cells from a spreadsheet, JSON, or plain text."
HUB_HINT = "Its name on the Hub, such as owner/name. No program of it runs here; only its table is fetched."


@dataclass(frozen=True)
class Sources:
    """`splits` is what the hub's data set offers, as `Split`s; `delete` removes what was uploaded."""

    examples: tuple[gr.Button, ...]
    file: gr.File
    delete: gr.Button
    paste: gr.Textbox
    read_paste: gr.Button
    hub_name: gr.Textbox
    hub_look: gr.Button
    hub_problem: gr.HTML
    hub_choice: gr.Column
    hub_config: gr.Dropdown
    hub_split: gr.Dropdown
    hub_fetch: gr.Button
    splits: gr.State


def build(studio: Studio) -> Sources:
    text(heading("What should it learn?"))
    with gr.Row(elem_classes="qd-cards"):
        examples = tuple(gr.Button(f"{e.title}\n{e.text}", elem_id=f"example-{e.id}", elem_classes="qd-card") for e in EXAMPLES)
    text(heading("Or use your own", 3))
    file = gr.File(label="Your file", elem_id="upload", height=190)
    text(f'<p class="qd-small">{_what_comes_in(studio)}</p>')
    delete = gr.Button("Delete it now", size="sm", visible=False, elem_id="delete-upload", elem_classes="qd-narrow")
    with gr.Accordion("Paste instead", open=False, elem_id="paste"):
        paste = gr.Textbox(label="Your examples", info=PASTE_HINT, lines=6, max_lines=14, elem_id="paste-box")
        read_paste = gr.Button("Read what I pasted", elem_id="read-paste", elem_classes="qd-narrow")
    with gr.Accordion("More: a data set from the Hugging Face Hub", open=False, elem_id="hub"):
        hub_name = gr.Textbox(label="Data set", info=HUB_HINT, max_lines=1, elem_id="hub-name")
        hub_look = gr.Button("Look what it has", elem_id="hub-look", elem_classes="qd-narrow")
        hub_problem = text("", visible=False, elem_id="hub-problem")
        with gr.Column(visible=False) as hub_choice:
            hub_config = gr.Dropdown([], label="Part (configuration)", elem_id="hub-config")
            hub_split = gr.Dropdown([], label="Rows (split)", elem_id="hub-split")
            hub_fetch = gr.Button("Fetch and read it", elem_id="hub-fetch", elem_classes="qd-narrow")
    return Sources(
        examples, file, delete, paste, read_paste, hub_name, hub_look, hub_problem, hub_choice, hub_config, hub_split, hub_fetch, gr.State(())
    )


def _what_comes_in(studio: Studio) -> str:
    settings = studio.settings
    kinds = "Excel, CSV, JSON, Parquet, plain text, or a chat export (ChatGPT, Claude, WhatsApp, Telegram)"
    most = f"up to {settings.max_upload_mb:,} MB and {settings.max_rows:,} rows"
    place = "It goes to this server only." if settings.shared() else "It stays on this machine."
    place += " Other visitors cannot see it; its host can." if settings.public() else ""
    return f"{kinds}; {most}. {place} {kept(settings.keep_data_hours, settings.keep_days)}".strip()


def kept(hours: int, days: int) -> str:
    """How long data stays here; 0 is for ever."""
    if not hours or 0 < 24 * days <= hours:
        return f"Deleted {counted(days, 'day')} after its last use." if days else ""
    trained = f"or if you train on it, {counted(days, 'day')} after its last use" if days else "unless you train on it"
    return f"Deleted after {counted(hours, 'hour')}, {trained}."
