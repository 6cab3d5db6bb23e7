"""How much one address may ask for: a flood from one place leaves the page to the others."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from qlora_demo.web.answers import header_values, refuse

COUNTED = {("POST", "/gradio_api/queue/join"), ("POST", "/gradio_api/upload"), ("GET", ""), ("HEAD", ""), ("GET", "/config"), ("HEAD", "/config")}
"""Clicks, uploads, and pages that are opened."""
LOOKS = {("POST", "/gradio_api/run/predict")}
"""An open page's look at its run, every other second. They count for themselves: a full room must not pay for watching."""
LOOKS_A_CLICK = 4
"""So many looks may come for each click: a hundred and more pages behind one address."""
SECONDS = 60.0
AT_ONCE = 12
"""The requests of five seconds may come at once: a room of thirty that opens the page and presses the same button. Taking in three hundred keeps
everybody else waiting for a second and more."""
KEPT = 20_000
"""Addresses that are remembered: about 5 MB."""


def address(scope: Scope, behind_proxy: bool) -> str:
    """Whose request this is. Behind a Space's proxy that is the last public address which was passed on: what stands before it, anybody can write.

    An IPv6 visitor has a whole network of addresses (/64), which counts as one.
    """
    hops = [scope["client"][0] if scope.get("client") else ""]
    if behind_proxy:
        hops = [*(hop.strip() for value in header_values(scope, b"x-forwarded-for") for hop in value.split(",")), *hops]
    for hop in reversed(hops):
        try:
            found = ipaddress.ip_address(hop)
        except ValueError:
            continue
        if found.is_global:
            return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
    return hops[-1]


class Pace:
    """429 to an address that has used up its requests; they come back evenly. `per_minute` 0 counts nobody."""

    def __init__(self, app: ASGIApp, per_minute: int, behind_proxy: bool, clock: Callable[[], float] = time.monotonic):
        self._app, self._per_minute, self._behind_proxy, self._clock = app, per_minute, behind_proxy, clock
        self._left: OrderedDict[tuple[str, bool], tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = (scope["method"], scope["path"].rstrip("/"))
        looks = asked in LOOKS
        counted = self._per_minute and (looks or asked in COUNTED)
        if counted and not self._take(address(scope, self._behind_proxy), looks):
            sentence = "Too many requests came from your network at once. Wait some seconds, then try again."
            await refuse(scope, send, 429, sentence, (b"retry-after", b"5"))
        else:
            await self._app(scope, receive, send)

    def _take(self, who: str, looks: bool) -> bool:
        """Whether one more is left, which then is gone."""
        now, per_minute = self._clock(), self._per_minute * (LOOKS_A_CLICK if looks else 1)
        most = max(1.0, per_minute / AT_ONCE)
        left, seen = self._left.pop((who, looks), (most, now))
        left = min(most, left + (now - seen) * per_minute / SECONDS)
        self._left[who, looks] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > KEPT:
            self._left.popitem(last=False)
        return left >= 1
