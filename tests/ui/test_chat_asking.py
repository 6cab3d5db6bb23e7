"""Streaming into the two columns."""

from __future__ import annotations

import gradio as gr

from qlora_demo.chat.client import Turn
from qlora_demo.ui import chat_tab
from qlora_demo.ui.chat_asking import answer


def test_the_last_update_says_everything_even_where_those_before_are_skipped() -> None:
    """Gradio empties an update once it has sent it, and the page may skip all but the last."""
    with gr.Blocks():
        tab = chat_tab.build(gr.BrowserState({"run": "", "turns": []}))
    turns = [Turn(), Turn("I", "We", "answering"), Turn("I am.", "We are.", "done", 4, 1.0)]
    last: dict = {}
    for updates in answer(tab, iter(turns), "Who?", "run", {"run": "", "turns": []}):
        last = {part: dict(update) if isinstance(update, dict) else update for part, update in updates.items()}
        for update in updates.values():
            if isinstance(update, dict):
                update.clear()
    assert "Both answered in 1 s, 4 word pieces." in last[tab.status]["value"]
    assert [message["content"] for message in last[tab.yours]] == ["Who?", "We are."]
    assert last[tab.kept] == {"run": "run", "turns": [["Who?", "I am.", "We are."]]}
    assert (last[tab.ask]["visible"], last[tab.stop]["visible"], last[tab.partial]) == (True, False, [])
