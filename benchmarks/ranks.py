"""The same run by one process and by several, one after the other on this machine: each step's error, and tokens a second.

Usage: python -m benchmarks.ranks [--processes 2] [--methods lora,qlora,full] [--model ID] [--steps 12]. `--processes 0` is one for each graphics
card; on a processor they share its cores. The rows are those of the persona example.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass, replace

from qlora_demo.catalogue import BUNDLED_ID
from qlora_demo.events import latest_by_step, read_events
from qlora_demo.hardware import detect
from qlora_demo.jobs import processes
from qlora_demo.jobs.scheduler import WORKER
from qlora_demo.owners import LOCAL
from qlora_demo.pipes import training_environ
from qlora_demo.run_dir import RunDir, read_json
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

HEAD = ("method", "processes", "tokens/s", "times one", "memory of the first", "error at each step", "largest difference")


@dataclass(frozen=True)
class Trained:
    """`losses` by steps; `held` is the first process's memory at its highest, in bytes."""

    processes: int
    speed: float
    held: int
    losses: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--methods", default="lora,qlora,full")
    parser.add_argument("--model", default=BUNDLED_ID)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["QLORA_DEMO_HOME"] = place
        studio = Studio(Settings.from_env({**os.environ, "QLORA_DEMO_WARM_WORKER": "0"}))
        dataset = studio.data.add_example(LOCAL, "character")
        print(f"{detect(studio.settings).name}, {studio.machine.title()}\n\n| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|", flush=True)
        for method in options.methods.split(","):
            recipe = replace(studio.recommend(LOCAL, dataset, options.model, method), evaluations=0)
            recipe = replace(recipe, epochs=options.steps * recipe.batch_size / len(studio.data.get(LOCAL, dataset).lengths()), held_out=0)
            run = studio.home.run(studio.submit(LOCAL, dataset, recipe, method))
            one = train(run, 1)
            several = train(run, options.processes)
            furthest = max(abs(a - b) for a, b in zip(one.losses, several.losses, strict=True))
            for trained in (one, several):
                told = f"{furthest:.4f}" if trained is several else ""
                errors = ", ".join(f"{loss:.3f}" for loss in trained.losses)
                ratio = f"{trained.speed / one.speed:.2f}"
                cells = (method, str(trained.processes), f"{trained.speed:,.0f}", ratio, f"{trained.held / 1e9:.2f} GB", errors, told)
                print(f"| {' | '.join(cells)} |", flush=True)


def train(run: RunDir, number: int) -> Trained:
    """From the start, whatever an earlier one left."""
    for left in (run.events, run.result_json, run.fit_json):
        left.unlink(missing_ok=True)
    environ = {**training_environ(os.environ, os.cpu_count() or 1), "QLORA_DEMO_PROCESSES": str(number)}
    code = processes.start(run, environ, WORKER).wait()
    result = read_json(run.result_json)
    assert (code, result["outcome"]) == (0, "finished"), run.log.read_text()
    losses = [event["loss"] for event in latest_by_step(read_events(run.events)[0], "step")]
    return Trained(result["processes"], result["tokens_per_second"], result["peak_memory_bytes"], losses)


if __name__ == "__main__":
    main()
