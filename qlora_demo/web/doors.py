"""What may be asked for at all: the routes that the page itself uses, each with the largest body it takes. Everything else is not there.

gradio serves much more: files by their path, other servers' pages, named calls, streams, editing by a model, monitoring. None of it is used here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from python_multipart.multipart import parse_options_header
from starlette.formparsers import MultiPartException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qlora_demo.web.answers import TooLarge, again, header, read_body, refuse
from qlora_demo.web.calls import Function, mistake, mistake_of_cancel
from qlora_demo.web.one_file import NO_FILE, OneFile

API = "/gradio_api"
JOIN, RUN, CANCEL, UPLOAD = f"{API}/queue/join", f"{API}/run/predict", f"{API}/cancel", f"{API}/upload"
CALL_BYTES = 4_000_000
"""A call holds pasted text of up to 1 MB, which JSON may write as six times as many, and the conversation of a chat."""
FORM_BYTES = 10_000
SHOWN = re.compile(
    "/|/config|/theme\\.css|/favicon\\.ico|/robots\\.txt|/manifest\\.json|/(assets|static|svelte)(/[\\w@+-][\\w.@+-]*)+"
    "|/login/(huggingface|callback)|/logout"
    f"|{API}/(startup-events|app_id|theme\\.css|queue/data|queue/status|upload_progress)"
    f"|{API}/heartbeat/[A-Za-z0-9_-]{{1,64}}",
    re.ASCII,
)
"""To GET and HEAD."""
FORMS = ("/login", f"{API}/reset")
NOT_HERE = "There is nothing at this address."
LARGE = "This is more than the page takes at once."


class Doors:
    """`functions` are those of the page, by number."""

    def __init__(self, app: ASGIApp, functions: Mapping[int, Function]):
        self._app = app
        self._functions = {way: {n: one for n, one in functions.items() if one.queued == (way == JOIN)} for way in (JOIN, RUN)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if method in ("GET", "HEAD") and SHOWN.fullmatch(path):
            await self._app(scope, receive, send)
        elif method == "POST" and path == UPLOAD:
            await self._upload(scope, receive, send)
        elif method == "POST" and path in (JOIN, RUN, CANCEL, *FORMS):
            await self._call(scope, receive, send)
        else:
            await refuse(scope, send, 404, NOT_HERE)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        try:
            body = await read_body(scope, receive, CALL_BYTES if path in self._functions else FORM_BYTES)
        except TooLarge:
            await refuse(scope, send, 413, LARGE, (b"connection", b"close"))
            return
        except EOFError:
            return
        wrong = ""
        if path in self._functions:
            wrong = mistake(body, self._functions[path])
        elif path == CANCEL:
            wrong = mistake_of_cancel(body)
        if wrong:
            await refuse(scope, send, 400, wrong)
        else:
            await self._app(scope, again(body, receive), refusals(send) if path == RUN else send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind, options = parse_options_header(header(scope, b"content-type"))
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 200:
            await refuse(scope, send, 400, NO_FILE)
            return
        seen = OneFile(boundary)

        async def receive_one_file() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                # gradio deletes what it has of a file after this error alone.
                raise MultiPartException("The upload was broken off.")
            seen.feed(message.get("body", b""))
            return message

        await self._app(scope, receive_one_file, send)


def refusals(send: Send) -> Send:
    """gradio answers 500 when a function that runs at once says no, or cannot work with its values; in its line, the same is no error of the server.
    What a failed function left in the log stays there.
    """

    async def send_refusal(message: Message) -> None:
        failed = message["type"] == "http.response.start" and message["status"] == 500
        await send({**message, "status": 422} if failed else message)

    return send_refusal
