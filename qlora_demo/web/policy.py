"""The content policy: what a browser may load, run and send while it shows the page, and who may read it from elsewhere: nobody."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    [
        "default-src 'self'",
        # gradio's own page needs both: inline scripts start it, its HTML component and its plots compile functions.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self' https://huggingface.co",
        "frame-ancestors 'self' https://huggingface.co",
    ]
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # "no-referrer" would make a browser hide the origin of the page's own forms.
    "referrer-policy": "same-origin",
}


class Policy:
    """Every answer carries the policy, and none carries a permission for other sites.

    gradio gives such permissions to every site that asks, with the visitor's cookies, wherever its own name is not "localhost".
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in {name for name in headers if name.startswith("access-control-")}:
                    del headers[name]
                headers.update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_policy)
