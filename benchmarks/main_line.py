"""The main line with the bundled model: click to first loss, to finished, to the first words of both columns.

Usage: python -m benchmarks.main_line [--method qlora] [--preset balanced]. Fetches the bundled model before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

from qlora_demo.chat.client import Ask
from qlora_demo.data.conversation import Message
from qlora_demo.events import read_events
from qlora_demo.owners import LOCAL
from qlora_demo.settings import Settings
from qlora_demo.source.bundled import ensure_bundled
from qlora_demo.studio import Studio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", default="")
    parser.add_argument("--preset", default="balanced")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["QLORA_DEMO_HOME"] = place
        studio = Studio(Settings.from_env(os.environ))
        ensure_bundled(studio.home.models, studio.settings.bundled_model)
        studio.start()
        measured = measure(studio, options.method, options.preset)
        studio.close()
    print("| measured | value |\n|---|---|")
    for name, value in measured:
        print(f"| {name} | {value} |")


def measure(studio: Studio, method: str, preset: str) -> list[tuple[str, str]]:
    dataset = studio.data.add_example(LOCAL, "character")
    recipe = studio.recommend(LOCAL, dataset, method=method, preset=preset)
    clicked = time.time()
    run = studio.submit(LOCAL, dataset, recipe, "benchmark")
    returned = time.time()
    while studio.run(LOCAL, run).active():
        time.sleep(0.2)
    finished = time.time()
    view = studio.run(LOCAL, run)
    first_loss = next(e["time"] for e in read_events(studio.home.run(run).events)[0] if e["type"] == "step")
    asked = time.monotonic()
    question = [Message("user", "What do people call you?")]
    first_word = 0.0
    last = None
    for last in studio.ask(LOCAL, run, [question, question], Ask(max_new_tokens=64)):
        if last.base and last.adapted and not first_word:
            first_word = time.monotonic() - asked
    warm_asked = time.monotonic()
    warm = next(time.monotonic() - warm_asked for t in studio.ask(LOCAL, run, [question, question], Ask(max_new_tokens=8)) if t.base and t.adapted)
    result = view.result or {}
    return [
        ("method, steps", f"{recipe.method}, {result['steps']}"),
        ("the click returns after", f"{returned - clicked:.2f} s"),
        ("first loss", f"{first_loss - clicked:.1f} s"),
        ("finished, testing included", f"{finished - clicked:.1f} s (expected {view.forecast_seconds:.0f} s)"),
        ("learning alone", f"{result['seconds']:.1f} s, {result['tokens_per_second']:.0f} tokens/s without padding"),
        ("peak memory of the worker", f"{result['peak_memory_bytes'] / 1e9:.2f} GB (expected {view.predicted_memory_bytes / 1e9:.2f} GB)"),
        ("first words of both columns, chat not awake", f"{first_word:.1f} s"),
        ("first words of both columns, chat awake", f"{warm:.1f} s"),
        ("both columns", f"{last.tokens / last.seconds:.1f} tokens/s together"),
        ("held-out loss", f"{view.report['base']['loss']:.2f} before, {view.report['adapted']['loss']:.2f} after"),
        ("verdict", view.report["verdict"]),
    ]


if __name__ == "__main__":
    main()
