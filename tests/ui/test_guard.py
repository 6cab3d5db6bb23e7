"""A UserError becomes text beside its control; anything else is a bug and is not caught."""

from __future__ import annotations

import gradio as gr
import pytest

from qlora_demo.errors import BusyError, DataError
from qlora_demo.ui.guard import as_message, shown_in, stream_shown_in


def fail(*_: object) -> dict:
    raise DataError("Line 3 has <5> values.")


def test_the_sentence_is_shown_in_its_place() -> None:
    with gr.Blocks():
        place = gr.HTML("")
    update = shown_in(place, fail)()[place]
    assert update["visible"] is True
    assert "Line 3 has &lt;5&gt; values." in update["value"]


def test_success_clears_the_place() -> None:
    with gr.Blocks():
        place, other = gr.HTML(""), gr.HTML("")
    assert shown_in(place, lambda: {other: "done"})() == {place: gr.update(value="", visible=False), other: "done"}


def test_a_stream_keeps_what_came_before_the_error() -> None:
    with gr.Blocks():
        place, other = gr.HTML(""), gr.HTML("")

    def two_then_fail(_: str):
        yield {other: "a"}
        raise BusyError("This machine is training.")

    updates = list(stream_shown_in(place, two_then_fail, lambda question: {other: question})("why?"))
    assert updates[0] == {other: "a"}
    assert updates[1][other] == "why?"
    assert "This machine is training." in updates[1][place]["value"]


def test_errors_without_a_place_are_messages() -> None:
    with pytest.raises(gr.Error, match="Line 3 has <5> values."):
        as_message(fail)()


def test_bugs_are_not_caught() -> None:
    with gr.Blocks():
        place = gr.HTML("")
    with pytest.raises(ZeroDivisionError):
        shown_in(place, lambda: {place: 1 / 0})()
