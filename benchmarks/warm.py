"""From the click to the first step with the bundled model, by a fresh worker and by one that waited: when each phase begins.

Usage: python -m benchmarks.warm [--methods lora,qlora,full] [--times 3]. The model's files are in memory before the clock starts; each run is stopped
after its first step.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time

from qlora_demo.events import Event, read_events
from qlora_demo.owners import LOCAL
from qlora_demo.settings import Settings
from qlora_demo.source.bundled import ensure_bundled
from qlora_demo.studio import Studio

PHASES = ("getting", "loading", "fitting")
QUIET_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="lora,qlora,full")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    print("| worker | method | click returns | worker begins | reads the model | checks that it fits | first step done |")
    print("|---|---|---|---|---|---|---|")
    for warm in (False, True):
        for method in options.methods.split(","):
            with tempfile.TemporaryDirectory() as place:
                rows = measure(place, method, warm, options.times)
            medians = " | ".join(f"{statistics.median(column):.2f} s" for column in zip(*rows, strict=True))
            print(f"| {'warm' if warm else 'cold'} | {method} | {medians} |", flush=True)


def measure(place: str, method: str, warm: bool, times: int) -> list[list[float]]:
    """Seconds from the click to each of the table's columns, for each of so many runs."""
    os.environ["QLORA_DEMO_HOME"] = place
    studio = Studio(Settings.from_env(os.environ))
    for file in ensure_bundled(studio.home.models, studio.settings.bundled_model).iterdir():
        file.read_bytes()
    dataset = studio.data.add_example(LOCAL, "character")
    studio.start(warm)
    rows = []
    for _ in range(times):
        if warm:
            wait_until_ready(studio)
        rows.append(first_step(studio, dataset, method))
    studio.close()
    return rows


def wait_until_ready(studio: Studio) -> None:
    """Until its memory has stopped growing."""
    before, since = 0, time.monotonic()
    while not before or time.monotonic() - since < QUIET_SECONDS:
        now = studio.scheduler.waiting_bytes()
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.1)


def first_step(studio: Studio, dataset: str, method: str) -> list[float]:
    recipe = studio.recommend(LOCAL, dataset, method=method)
    clicked = time.time()
    run = studio.submit(LOCAL, dataset, recipe, "benchmark")
    returned = time.time()
    events: list[Event] = []
    while not any(event["type"] == "step" for event in events):
        time.sleep(0.05)
        events = read_events(studio.home.run(run).events)[0]
    studio.stop(LOCAL, run)
    while studio.run(LOCAL, run).active():
        time.sleep(0.3)
    phases = [next(e["time"] for e in events if e["type"] == "phase" and e["phase"] == phase) for phase in PHASES]
    return [moment - clicked for moment in (returned, *phases, next(e["time"] for e in events if e["type"] == "step"))]


if __name__ == "__main__":
    main()
