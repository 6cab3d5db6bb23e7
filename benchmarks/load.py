"""A page under load: viewers that follow a running training while somebody clicks, page after page, one client that floods, fifty at once who start.

Usage: python -m benchmarks.load [--viewers 100] [--seconds 30] [--pages 1000]
[--parts followed,flooded,submitted,pages]. Needs the bundled model. The clients run on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks.page_client import Layout, Visitor, read_layout
from qlora_demo.events import read_events
from qlora_demo.jobs.ledger import EVERYONE, Ledger
from qlora_demo.run_dir import Home

POLL_SECONDS, CLICK_SECONDS = 2.0, 0.5
FLOOD_CALLS = 400
SUBMISSIONS = 50
START_SECONDS = 120


@dataclass
class Load:
    """One server, and what came of the calls."""

    url: str
    home: Home
    process: psutil.Process
    layout: Layout
    errors: int = 0

    async def visitor(self, client: httpx2.AsyncClient) -> Visitor:
        made = Visitor(client, self.layout)
        await made.land()
        return made

    def click_function(self) -> tuple[dict[str, Any], dict[int, Any]]:
        """Another size under "How it works": arithmetic, as most clicks are."""
        shape = self.layout.named("shape")
        choices = self.layout.components[shape]["props"]["choices"]
        return self.layout.function(shape, "input"), {shape: choices[1][1]}

    def tick_function(self) -> dict[str, Any]:
        timer = next(number for number, one in self.layout.components.items() if one["type"] == "timer")
        return self.layout.function(timer, "tick")

    async def counted(self, call: Awaitable[float]) -> float | None:
        """None where it failed, which is counted."""
        try:
            return await call
        except (httpx2.HTTPError, RuntimeError) as error:
            self.errors += 1
            print(f"failed: {error!r}"[:200], file=sys.stderr)
            return None

    def megabytes(self) -> float:
        return self.process.memory_info().rss / 1e6


def client(load_url: str) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx2.AsyncClient(base_url=f"{load_url.rstrip('/')}/", limits=limits, timeout=60)


async def train(load: Load, visitor: Visitor, example: str = "character") -> None:
    """Chooses an example and starts, with what is recommended. Raises as `Visitor.click`."""
    layout = load.layout
    await visitor.click_through(layout.function(layout.named(f"example-{example}"), "click"))
    await visitor.click(layout.function(layout.named("start-training"), "click"))


async def followed(load: Load, viewers: int, seconds: float) -> str:
    """Clicks of one while so many follow a training."""
    async with client(load.url) as http:
        owner = await load.visitor(http)
        watching = [await load.visitor(http) for _ in range(viewers - 1)] + [owner]
        await train(load, owner)
        while not any(read_events(run / "events.jsonl")[0] for run in load.home.runs.iterdir()):
            await asyncio.sleep(0.5)
        click, values = load.click_function()
        end = asyncio.get_running_loop().time() + seconds
        load.errors = 0
        polls: list[float] = []

        async def follow(one: Visitor, place: int) -> None:
            await asyncio.sleep(POLL_SECONDS * place / viewers)
            while asyncio.get_running_loop().time() < end:
                took = await load.counted(one.poll(load.tick_function()))
                polls.extend([took] if took is not None else [])
                await asyncio.sleep(POLL_SECONDS)

        async def clicks() -> list[float]:
            one, found = await load.visitor(http), []
            while asyncio.get_running_loop().time() < end:
                took = await load.counted(one.click(click, values))
                found += [took] if took is not None else []
                await asyncio.sleep(CLICK_SECONDS)
            return found

        *_, found = await asyncio.gather(*(follow(one, place) for place, one in enumerate(watching)), clicks())
    training = Ledger(load.home.ledger).active() is not None
    told = f"{viewers} viewers, {'a training running' if training else 'the training ended meanwhile'}"
    return f"| {told} | clicks {shares(found)} | polls {shares(polls)} | errors {load.errors} |"


def shares(seconds: list[float]) -> str:
    ranked = sorted(1000 * second for second in seconds)
    p95, p99 = (ranked[min(len(ranked) - 1, int(len(ranked) * share))] for share in (0.95, 0.99))
    return f"{len(ranked)}: p50 {statistics.median(ranked):.0f}, p95 {p95:.0f}, p99 {p99:.0f} ms"


async def pages(load: Load, count: int) -> str:
    """Memory after each quarter of so many page loads, each a session of its own, and after as many again."""
    marks = [load.megabytes()]
    async with client(load.url) as http:
        for quarter in range(8):
            for _ in range(count // 4):
                await load.visitor(http)
            marks.append(load.megabytes())
            print(f"pages: {(quarter + 1) * (count // 4)}, {marks[-1]:.0f} MB", file=sys.stderr)
    grown = " ".join(f"{mark:.0f}" for mark in marks)
    return f"| {2 * count} page loads, each a new session | MB after each {count // 4}: {grown} | last quarter +{marks[-1] - marks[-2]:.0f} MB | |"


async def flooded(load: Load) -> str:
    """One client sends hundreds of slow calls at once; another clicks."""
    click, values = load.click_function()
    slow = load.layout.function(load.layout.named("example-character"), "click")
    async with client(load.url) as bad, client(load.url) as good:
        one, other = await load.visitor(bad), await load.visitor(good)
        flood = [asyncio.create_task(bad.post("gradio_api/queue/join", json=one._call(slow, {}))) for _ in range(FLOOD_CALLS)]
        await asyncio.sleep(0.5)
        load.errors = 0
        found = [took for _ in range(10) if (took := await load.counted(other.click(click, values))) is not None]
        answers = [answer.status_code for answer in await asyncio.gather(*flood, return_exceptions=True) if isinstance(answer, httpx2.Response)]
    turned_away = sum(code in (429, 503) for code in answers)
    told = f"another's clicks {shares(found)} | {turned_away} of {len(answers)} turned away"
    return f"| one client with {FLOOD_CALLS} slow calls | {told} | errors {load.errors} |"


async def submitted(load: Load) -> str:
    """As many visitors start at once."""
    async with client(load.url) as http:
        everyone = [await load.visitor(http) for _ in range(SUBMISSIONS)]
        load.errors = 0
        before = len(Ledger(load.home.ledger).jobs())
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(_started(load, one) for one in everyone))
        took = asyncio.get_running_loop().time() - began
    jobs = [job for job in Ledger(load.home.ledger).jobs()[before:] if job.owner != EVERYONE]
    order = [job.queued for job in jobs] == sorted(job.queued for job in jobs)
    workers = sum("qlora_demo.jobs.worker" in " ".join(one.cmdline()) for one in load.process.children(recursive=True) if one.is_running())
    told = f"{len(jobs)} rows of {len({job.owner for job in jobs})} owners, {'in' if order else 'NOT in'} order, {workers} worker"
    return f"| {SUBMISSIONS} start at once | {told} | all answered within {took:.1f} s | errors {load.errors} |"


async def _started(load: Load, one: Visitor) -> None:
    try:
        await train(load, one)
    except (httpx2.HTTPError, RuntimeError) as error:
        load.errors += 1
        print(f"failed: {error!r}"[:200], file=sys.stderr)


async def serve(home: Home, environ: dict[str, str]) -> tuple[asyncio.subprocess.Process, str]:
    """The page as a process, and its address once it answers."""
    log = home.path.parent / "server.log"
    output = await asyncio.to_thread(log.open, "wb")
    with output:
        process = await asyncio.create_subprocess_exec(sys.executable, "app.py", env=environ, stdout=output, stderr=output)
    for _ in range(START_SECONDS * 10):
        text = await asyncio.to_thread(log.read_text)
        if " in a browser" in text:
            return process, text.partition("open ")[2].partition(" in a browser")[0]
        await asyncio.sleep(0.1)
    raise RuntimeError(text)


async def run(options: argparse.Namespace, place: Path) -> None:
    home = Home(place / "home").create()
    own = {"HOME": str(home.path), "TEMP": str(place / "uploads"), "MODE": "public", "OFFLINE": "1", "DEVICE": "cpu", "MAX_RUNS": "3"}
    process, url = await serve(home, {**os.environ, **{f"QLORA_DEMO_{name}": value for name, value in own.items()}})
    try:
        async with client(url) as http:
            load = Load(url, home, psutil.Process(process.pid), await read_layout(http))
        parts: dict[str, Callable[[], Awaitable[str]]] = {
            "followed": lambda: followed(load, options.viewers, options.seconds),
            "flooded": lambda: flooded(load),
            "submitted": lambda: submitted(load),
            "pages": lambda: pages(load, options.pages),
        }
        print("| load | measured | | |\n|---|---|---|---|")
        for part in options.parts.split(","):
            print(await parts[part](), flush=True)
    finally:
        process.terminate()
        await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--parts", default="followed,flooded,submitted,pages")
    parser.add_argument("--pages", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(run(options, Path(place)))


if __name__ == "__main__":
    main()
