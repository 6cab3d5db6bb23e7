"""Counting a data set's tokens: speed and peak memory. Usage: python -m benchmarks.tokens [--rows 200000] [--model ID]

The rows are made here: a question and an answer each, about 85 tokens. Every line is a process of its own. The plain way renders each row's prompt,
answer and whole one by one, as the tokens are defined; it is there to compare with.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.data.conversation import Conversation, Message, Row
from qlora_demo.data.counting import counted, stream_rows
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate_tokenizer
from qlora_demo.systems import peak_memory, usable_cores

TEXT = "customers may order online until noon and we deliver the same day in town between ten and fourteen on sundays ask for the refund policy"
FEW, PLAIN = 10_000, 1_000


def write(path: Path, rows: int) -> None:
    """Line by line, so that making the file needs no memory either."""
    chance, words = random.Random(0), TEXT.split()  # noqa: S311 - made data, no secret

    def text(most: int) -> str:
        return " ".join(chance.choices(words, k=chance.randint(5, most))).capitalize() + "."

    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            row = Conversation((Message("user", text(20)), Message("assistant", text(60))), f"row {number + 1}")
            file.write(json.dumps(row.to_json()) + "\n")


def plainly(renderer: Renderer, row: Row) -> None:
    assert isinstance(row, Conversation)
    turns = [{"role": m.role, "content": m.content} for m in row.messages]
    for some, answer_follows in ((turns[:-1], True), (turns, False), (turns, False)):
        renderer.tokenizer.apply_chat_template(some, add_generation_prompt=answer_follows, sanitize_control_tokens=True, **renderer.template_options)


def measure(path: Path, model_id: str, cores: int) -> dict[str, float]:
    """In this process; `cores` 0 is the plain way."""
    model = find_model(model_id)
    renderer = Renderer(load_tokenizer(locate_tokenizer(model, Settings.from_env(os.environ))), model.template_options)
    renderer.prompt([Message("user", "to warm up")])
    began = time.perf_counter()
    if cores:
        rows = list(counted(renderer, stream_rows(path), 512, cores))[-1].rows
    else:
        rows = sum(1 for row in stream_rows(path) if plainly(renderer, row) is None)
    return {"rows": rows, "seconds": time.perf_counter() - began, "peak": peak_memory()}


def line(name: str, rows: int, model_id: str, cores: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, rows)
        command = [sys.executable, "-m", "benchmarks.tokens", "--file", str(path), "--model", model_id, "--cores", str(cores)]
        environ = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}  # as the server starts its data worker
        output = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
        found, size = json.loads(output.splitlines()[-1]), path.stat().st_size / 1e6
    speed = f"{found['rows'] / found['seconds']:,.0f} | {size / found['seconds']:.1f}"
    return f"| {name} | {rows:,} | {found['seconds']:.1f} | {speed} | {found['peak'] / 1e6:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="of the large data set")
    parser.add_argument("--model", default=BUNDLED_ID)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file:
        print(json.dumps(measure(options.file, options.model, options.cores)))
        return
    cores = usable_cores()
    print("| way | rows | seconds | rows/s | MB/s | peak memory, MB |\n|---|---|---|---|---|---|")
    print(line("plain, one core", PLAIN, options.model, 0), flush=True)
    print(line("one core", FEW, options.model, 1), flush=True)
    print(line(f"all {cores} cores", FEW, options.model, cores), flush=True)
    print(line(f"all {cores} cores", options.rows, options.model, cores), flush=True)


if __name__ == "__main__":
    main()
