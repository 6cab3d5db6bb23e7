"""How the page is served: gradio's settings, and the guards around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import gradio as gr
from fastapi import FastAPI

from qlora_demo.studio import Studio
from qlora_demo.ui.theme import CSS, theme
from qlora_demo.web.guards import guarded


def launch(demo: gr.Blocks, studio: Studio) -> str:
    """Serves the page in threads of its own and returns its address."""
    settings = studio.settings

    @asynccontextmanager
    async def behind_guards(app: FastAPI) -> AsyncIterator[None]:
        # Not as `middleware`: gradio puts its own around what it is given, with permissions for other sites, and its errors' pages outside of that.
        app.middleware_stack = guarded(app.middleware_stack, studio, functions(demo))
        yield

    demo.queue(max_size=300, default_concurrency_limit=8)
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
        state_session_capacity=1000,
        max_file_size=settings.max_upload_bytes(),
        app_kwargs={"max_body_size": settings.max_upload_bytes() + 1_000_000, "lifespan": behind_guards},
        theme=theme(),
        css_paths=[CSS],
    )
    return address


def functions(demo: gr.Blocks) -> dict[int, int]:
    """How many values each function of the page takes, by number; those that run in the browser alone are none."""
    return {number: len(function.inputs) for number, function in demo.fns.items() if function.fn is not None}
