"""All guards in their order, around the whole application."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from qlora_demo.studio import Studio
from qlora_demo.web.calls import Function
from qlora_demo.web.doors import Doors
from qlora_demo.web.download import Download
from qlora_demo.web.health import Health
from qlora_demo.web.hosts import Hosts, names, origins
from qlora_demo.web.origins import Origins
from qlora_demo.web.pace import Pace
from qlora_demo.web.policy import Policy


def guarded(app: ASGIApp, studio: Studio, functions: Mapping[int, Function]) -> ASGIApp:
    """`app` as strangers meet it. `functions` are those of the page, by number."""
    settings = studio.settings
    inner = Doors(app, functions)
    inner = Download(inner, studio.tickets)
    inner = Health(inner, studio)
    inner = Pace(inner, settings.requests_per_minute, behind_proxy=bool(settings.space))
    inner = Origins(inner, origins(settings))
    inner = Hosts(inner, names(settings))
    outermost = Policy(inner)

    async def enter(scope: Scope, receive: Receive, send: Send) -> None:
        await (outermost if scope["type"] == "http" else app)(scope, receive, send)

    return enter
