"""What the guards read from a request, and the short answers that they give themselves."""

from __future__ import annotations

import json

from starlette.types import Message, Receive, Scope, Send

READING = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Every value of a header, in its order; `name` in small letters."""
    return [value.decode("latin-1") for found, value in scope["headers"] if found == name]


def header(scope: Scope, name: bytes) -> str:
    """A header's only value; "" where there is none, or more than one."""
    values = header_values(scope, name)
    return values[0] if len(values) == 1 else ""


async def refuse(scope: Scope, send: Send, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
    """Says no in a sentence: as text to somebody who looks, as JSON to the page, which shows its `detail`."""
    if scope["method"] in READING:
        kind, body = b"text/plain; charset=utf-8", sentence.encode()
    else:
        kind, body = b"application/json", json.dumps({"detail": sentence, "error": sentence}).encode()
    await answer(scope, send, status, body, (b"content-type", kind), *headers)


async def answer(scope: Scope, send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """A whole answer; to HEAD, without its body."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length, (b"cache-control", b"no-store")]})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class TooLarge(Exception):
    """A body above its limit."""


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be larger than `most` bytes, and EOFError where the sender went away."""
    said = header(scope, b"content-length")
    if said.isdigit() and int(said) > most:
        raise TooLarge
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise EOFError
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size > most:
            raise TooLarge
        parts.append(part)
    return b"".join(parts)


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body which was read already, then what comes after it."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
