"""GET /download/TICKET: a model as a zip archive, or answers as a table. The ticket is all that counts, so that a plain link brings it."""

from __future__ import annotations

import re

from anyio import to_thread
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from qlora_demo.downloads import Archive, Content, Downloadable, Tickets
from qlora_demo.errors import StorageError
from qlora_demo.web.answers import refuse

PLACE = "/download/"
TICKET = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
NO_TICKET = "This download link is not valid any more. Go back to the page and press Download again."


class Download:
    """404 with one and the same sentence to a ticket that is unknown, has run out, or is none, and to one whose model is gone."""

    def __init__(self, app: ASGIApp, tickets: Tickets):
        self._app, self._tickets = app, tickets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(PLACE) or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        ticket = scope["path"].removeprefix(PLACE)
        what = self._tickets.what(ticket) if TICKET.fullmatch(ticket) else None
        opened = await to_thread.run_sync(_opened, what) if what else None
        if what is None or opened is None:
            await refuse(scope, send, 404, NO_TICKET)
            return
        length = opened.length()
        headers = {"content-disposition": what.disposition(), "cache-control": "no-store", "content-type": what.media_type}
        headers |= {"content-length": str(length)} if length is not None else {}
        try:
            if scope["method"] == "HEAD":
                await Response(headers=headers)(scope, receive, send)
            else:
                # Read in threads, and only as fast as it is taken.
                await StreamingResponse(opened.pieces(), headers=headers)(scope, receive, send)
        finally:
            opened.close()


def _opened(what: Downloadable) -> Archive | Content | None:
    try:
        opened = what.open()
    except (OSError, StorageError):
        return None
    return opened if opened.files() else None
