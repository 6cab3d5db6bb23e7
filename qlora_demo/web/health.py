"""GET /healthz: whether this server can take and train a run, for whoever watches over it."""

from __future__ import annotations

import json
import time

from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from qlora_demo.studio import Studio
from qlora_demo.web.answers import answer

PLACE = "/healthz"
SECONDS = 1.0
"""How long an answer is good for: asking often costs nothing."""


class Health:
    """200 with {"status": "ok"}, or 503 with the names of what fails, and nothing else about this machine."""

    def __init__(self, app: ASGIApp, studio: Studio):
        self._app, self._studio = app, studio
        self._seen = (0.0, ("starting",))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != PLACE or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        when, failing = self._seen
        if time.monotonic() - when > SECONDS or when == 0.0:
            failing = await to_thread.run_sync(self._studio.failing)
            self._seen = (time.monotonic(), failing)
        about = {"status": "failing", "failing": list(failing)} if failing else {"status": "ok"}
        await answer(scope, send, 503 if failing else 200, json.dumps(about).encode(), (b"content-type", b"application/json"))
