"""GET /download/TICKET: a model as a zip archive. The ticket is all that counts, so that a browser can fetch it by a plain link."""

from __future__ import annotations

import re

from anyio import to_thread
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from qlora_demo.downloads import Archive, Folder, Tickets
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
        folder = self._tickets.folder(ticket) if TICKET.fullmatch(ticket) else None
        archive = await to_thread.run_sync(_opened, folder) if folder else None
        if folder is None or archive is None:
            await refuse(scope, send, 404, NO_TICKET)
            return
        length = archive.length()
        headers = {"content-disposition": folder.disposition(), "cache-control": "no-store", "content-type": "application/zip"}
        headers |= {"content-length": str(length)} if length is not None else {}
        try:
            if scope["method"] == "HEAD":
                await Response(headers=headers)(scope, receive, send)
            else:
                # Read in threads, and only as fast as it is taken.
                await StreamingResponse(archive.pieces(), headers=headers)(scope, receive, send)
        finally:
            archive.close()


def _opened(folder: Folder) -> Archive | None:
    try:
        archive = folder.open()
    except OSError:
        return None
    return archive if archive.files() else None
