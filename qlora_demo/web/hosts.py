"""Under which names the page answers. A stranger's site whose name suddenly leads to this machine (DNS rebinding) is not one of them."""

from __future__ import annotations

import ipaddress
import socket

from starlette.types import ASGIApp, Receive, Scope, Send

from qlora_demo.settings import Settings
from qlora_demo.web.answers import header_values, refuse

SPACES = "*.hf.space"


def listed(settings: Settings) -> tuple[str, ...]:
    """The names that the host of this page set."""
    return tuple(name.strip().lower() for name in settings.hosts.split(",") if name.strip())


def origins(settings: Settings) -> tuple[str, ...]:
    """Names from which the page itself comes, whatever the Host header says behind a proxy."""
    return (*listed(settings), *([settings.space_host.lower()] if settings.space_host else []))


def names(settings: Settings) -> tuple[str, ...]:
    """The names of this page: those that its host set, else the usual ones. `*.example.org` stands for every name below it, `*` for all."""
    if settings.hosts:
        return ("localhost", *listed(settings))
    if settings.space:
        return ("localhost", settings.space_host.lower(), SPACES)
    own = socket.gethostname().lower()
    return ("localhost", settings.host.lower(), own, f"{own}.local") if settings.shared() else ("localhost", settings.host.lower())


def is_named(host: str, names: tuple[str, ...]) -> bool:
    """Whether a Host header names this page. A numeric address always does: no name that leads elsewhere tomorrow is involved."""
    name = bare(host)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "*" in names or matches(name, names)
    return True


def matches(name: str, names: tuple[str, ...]) -> bool:
    """Whether a name is one of `names`, or below one that begins with `*.`."""
    return any(name == one or (one.startswith("*.") and name.endswith(one[1:])) for one in names if one)


def bare(host: str) -> str:
    """A Host header's name alone: without port, brackets, or the dot that may end a name."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


class Hosts:
    """400 to a request under any other name. One without a name comes from no browser."""

    def __init__(self, app: ASGIApp, names: tuple[str, ...]):
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = [*header_values(scope, b"host"), *(one.strip() for value in header_values(scope, b"x-forwarded-host") for one in value.split(","))]
        if all(is_named(host, self._names) for host in said):
            await self._app(scope, receive, send)
        else:
            await refuse(scope, send, 400, "This page does not answer under that name. Its host can allow a name with QLORA_DEMO_HOSTS.")
