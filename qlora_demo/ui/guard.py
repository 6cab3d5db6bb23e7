"""The one place where a UserError becomes something to read on the page. Other exceptions go to the log and are not caught."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from qlora_demo.errors import UserError
from qlora_demo.ui.parts import alert, shown

Updates = dict[Any, Any]


def shown_in(place: gr.HTML, handler: Callable[..., Updates]) -> Callable[..., Updates]:
    """A handler whose UserError is read in `place`, beside the control that caused it. `place` must be among the event's outputs."""

    @functools.wraps(handler)
    def guarded(*values: Any) -> Updates:
        try:
            return {place: shown(""), **handler(*values)}
        except UserError as error:
            return {place: shown(alert(str(error)))}

    return guarded


Stream = Callable[..., Iterator[Updates]]


def stream_shown_in(place: gr.HTML, handler: Stream, afterwards: Callable[..., Updates]) -> Stream:
    """`shown_in` for a generator. `afterwards` gets the handler's inputs and tells what else to put right after an error."""

    @functools.wraps(handler)
    def guarded(*values: Any) -> Iterator[Updates]:
        try:
            yield from handler(*values)
        except UserError as error:
            yield {place: shown(alert(str(error))), **afterwards(*values)}

    return guarded


def as_message(handler: Callable[..., Updates]) -> Callable[..., Updates]:
    """A handler whose UserError appears as a message over the page: for actions without a place of their own."""

    @functools.wraps(handler)
    def guarded(*values: Any) -> Updates:
        try:
            return handler(*values)
        except UserError as error:
            raise gr.Error(str(error), title="This did not work", print_exception=False) from error

    return guarded
