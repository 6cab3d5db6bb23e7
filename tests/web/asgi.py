"""Guards asked directly, without a server: one request, and what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Result = TypeVar("Result")


def finished(work: Coroutine[Any, Any, Result]) -> Result:
    """In a thread of its own: where a browser has been driven before, this one has a loop that still runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


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
    finished(app(dict(scope), receive, send))
    return sent[0]["status"]
