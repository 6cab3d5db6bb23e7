"""How the page is served: gradio's settings, and the guards around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType, NoneType

import gradio as gr
from fastapi import FastAPI

from qlora_demo.studio import Studio
from qlora_demo.ui.theme import CSS, theme
from qlora_demo.web.calls import Function, Kind
from qlora_demo.web.guards import guarded

OPEN_PAGES = 400
"""That the server remembers, 1.3 MB each. An open page looks every second or two, so those that are forgotten are closed."""
NUMBER: Kind = (int, float)
KINDS: Mapping[type, Kind] = MappingProxyType(
    {
        gr.Textbox: (str, NoneType),
        gr.Checkbox: (bool, NoneType),
        gr.Slider: (*NUMBER, NoneType),
        gr.Number: (*NUMBER, NoneType),
        gr.CheckboxGroup: (list,),
        gr.Radio: (str, *NUMBER, NoneType),
        gr.Dropdown: (str, *NUMBER, list, NoneType),
        gr.File: (dict, list, NoneType),
        gr.State: (NoneType,),
    }
)


def launch(demo: gr.Blocks, studio: Studio) -> str:
    """Serves the page in threads of its own and returns its address."""
    settings = studio.settings

    @asynccontextmanager
    async def behind_guards(app: FastAPI) -> AsyncIterator[None]:
        # Not as `middleware`: gradio puts its own around what it is given, with permissions for other sites, and its errors' pages outside of that.
        app.middleware_stack = guarded(app.middleware_stack, studio, functions(demo))
        yield

    demo.queue(max_size=1000, default_concurrency_limit=8)
    _, address, _ = demo.launch(
        server_name=settings.host,
        server_port=settings.port or None,
        prevent_thread_lock=True,
        quiet=True,
        max_threads=64,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        share=False,
        enable_monitoring=False,
        run_history=False,
        footer_links=[],
        allowed_paths=[],
        blocked_paths=[str(studio.home.path)],
        state_session_capacity=OPEN_PAGES,
        max_file_size=settings.max_upload_bytes(),
        app_kwargs={"max_body_size": settings.max_upload_bytes() + 1_000_000, "lifespan": behind_guards},
        auth=settings.logins() or None,
        theme=theme(),
        css_paths=[CSS],
    )
    return address


def functions(demo: gr.Blocks) -> dict[int, Function]:
    """What may be called, by number. Functions that run in the browser alone are not among them."""
    return {
        number: Function(tuple(kind(block) for block in function.inputs), bool(function.queue))
        for number, function in demo.fns.items()
        if function.fn is not None
    }


def kind(block: object) -> Kind:
    """What a browser sends as the value of a component. gradio looks at some of them only, and what it lets pass reaches our functions.

    What a browser remembers has the type of its default: a release that changes the type must change the storage key as well.
    """
    if isinstance(block, gr.BrowserState):
        default = type(block.default_value)
        return NUMBER if default in NUMBER else () if default is NoneType else (default,)
    return next((found for component, found in KINDS.items() if isinstance(block, component)), ())
