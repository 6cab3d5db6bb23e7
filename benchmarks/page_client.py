"""A browser's part of the page, without the browser: one visitor who lands, polls and clicks over HTTP, as many at once as are wanted."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2

SECONDS = 60
KEY = "qlora-demo-key"


@dataclass(frozen=True)
class Layout:
    """What /config tells of the page: its components by number, its functions, and the page's own number."""

    components: dict[int, dict[str, Any]]
    functions: list[dict[str, Any]]
    page: int

    def named(self, elem_id: str) -> int:
        """The number of a component."""
        return next(number for number, one in self.components.items() if one["props"].get("elem_id") == elem_id)

    def function(self, target: int, event: str) -> dict[str, Any]:
        """What the server does at an event."""
        return next(one for one in self.functions if one["backend_fn"] and [target, event] in [list(pair) for pair in one["targets"]])

    def stored(self, number: int) -> str:
        """The name under which a browser keeps a component's value, "" for others."""
        return str(self.components[number]["props"].get("storage_key") or "")


@dataclass
class Visitor:
    """One session. `key` is what the server gave this browser; `kept` are values that the browser remembers, `shown` those of other components."""

    client: httpx2.AsyncClient
    layout: Layout
    session: str = field(default_factory=lambda: secrets.token_hex(6))
    key: str = ""
    kept: dict[str, Any] = field(default_factory=dict)
    shown: dict[int, Any] = field(default_factory=dict)

    async def land(self) -> None:
        """The first drawing."""
        await self.client.get("")
        await self.click(self.layout.function(self.layout.page, "load"))

    async def click(self, function: dict[str, Any], values: dict[int, Any] | None = None) -> float:
        """Seconds until its answer is there. Raises httpx2.HTTPError, RuntimeError where the page says no."""
        began = time.perf_counter()
        call = self._call(function, values or {})
        joined = await self.client.post("gradio_api/queue/join", json=call, timeout=SECONDS)
        joined.raise_for_status()
        event = joined.json()["event_id"]
        async with self.client.stream("GET", f"gradio_api/queue/data?session_hash={self.session}", timeout=SECONDS) as stream:
            async for line in stream.aiter_lines():
                message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed" and message.get("event_id") == event:
                    if not message["success"]:
                        raise RuntimeError(str(message["output"])[:200])
                    self._keep(function, message["output"]["data"])
                    return time.perf_counter() - began
        raise RuntimeError("the stream ended before the answer")

    async def click_through(self, function: dict[str, Any]) -> float:
        """As `click`, with what the page asks by itself afterwards. Seconds of all of it."""
        took = await self.click(function)
        for following in self.layout.functions:
            if following["trigger_after"] == function["id"] and following["backend_fn"]:
                took += await self.click_through(following)
        return took

    async def poll(self, function: dict[str, Any]) -> float:
        """Seconds of one tick."""
        began = time.perf_counter()
        answer = await self.client.post("gradio_api/run/predict", json=self._call(function, {}), timeout=SECONDS)
        answer.raise_for_status()
        return time.perf_counter() - began

    def _call(self, function: dict[str, Any], values: dict[int, Any]) -> dict[str, Any]:
        data = [values.get(number, self._value(number)) for number in function["inputs"]]
        return {"data": data, "fn_index": function["id"], "session_hash": self.session, "trigger_id": None, "event_data": None}

    def _value(self, number: int) -> Any:
        stored = self.layout.stored(number)
        if stored == KEY:
            return self.key
        component = self.layout.components[number]
        if stored:
            return self.kept.get(stored, component["props"].get("default_value"))
        return None if component["type"] == "state" else self.shown.get(number, component["props"].get("value"))

    def _keep(self, function: dict[str, Any], values: list[Any]) -> None:
        for number, value in zip(function["outputs"], values, strict=True):
            stored, updated = self.layout.stored(number), isinstance(value, dict) and value.get("__type__") == "update"
            if updated and "value" in value:
                self.shown[number] = value["value"]
            elif stored and not updated:
                self.kept[stored] = value
                self.key = value if stored == KEY else self.key
            elif not updated:
                self.shown[number] = value


async def read_layout(client: httpx2.AsyncClient) -> Layout:
    config = (await client.get("config", timeout=SECONDS)).json()
    return Layout({one["id"]: one for one in config["components"]}, config["dependencies"], config["page"][""]["layout"]["id"])
