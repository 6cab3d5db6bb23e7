"""Guards asked directly, without a server: one request, and what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that lets everything pass."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


def status(app: ASGIApp, method: str, path: str, headers: Sequence[tuple[str, str]] = (), client: str = "192.0.2.7") -> int:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    encoded = [(name.encode(), value.encode()) for name, value in headers]
    scope: Mapping[str, Any] = {"type": "http", "method": method, "path": path, "headers": encoded, "client": (client, 1)}
    asyncio.run(app(dict(scope), receive, send))
    return sent[0]["status"]
