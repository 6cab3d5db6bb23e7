"""Only this page's own scripts may change something: another site in the same browser may not, whatever cookies come along."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from qlora_demo.web.answers import READING, header, header_values, refuse
from qlora_demo.web.hosts import bare, matches

USUAL_PORTS = (":80", ":443")


def is_own(origin: str, host: str, hosts: tuple[str, ...]) -> bool:
    """Whether an Origin header means this page: the same name and port as the Host header, or one of the names in `hosts`, for a
    page behind a proxy that changes its name. "null", as a file or a sandboxed frame sends it, never does.
    """
    try:
        place = urlsplit(origin).netloc.lower()
    except ValueError:
        return False
    return bool(place) and (_plain(place) == _plain(host.lower()) or matches(bare(place), hosts))


def _plain(place: str) -> str:
    return next((place.removesuffix(port) for port in USUAL_PORTS if place.endswith(port)), place)


class Origins:
    """403 to a request that may change something and comes from elsewhere. Programs other than browsers send no Origin, and may."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]):
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = header_values(scope, b"origin")
        if scope["method"] in READING or all(is_own(origin, header(scope, b"host"), self._hosts) for origin in origins):
            await self._app(scope, receive, send)
        else:
            await refuse(scope, send, 403, "Another site may not use this page in your name. Open the page itself.")
