"""Speed and memory of training on a graphics card, for every method and precision, on a model made here: nothing is downloaded.

Usage: python -m benchmarks.gpu [--device cuda] [--hidden 2048] [--layers 22] [--rows 64]. Each line of the table is a process of its own.
`--device cpu --hidden 128 --layers 2` runs the same code without a card.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from qlora_demo.hardware import detect
from qlora_demo.recipe import METHODS
from qlora_demo.settings import Settings

HEAD = ("method", "precision", "steps", "tokens/s", "tokens/s as the page counts", "peak memory", "predicted", "error, first and last")
NO_CARD = "No line was measured: torch finds no CUDA card on this machine. --device cpu runs the same code on the processor."


@dataclass(frozen=True)
class Line:
    """One line of the table, before it is asked for."""

    folder: str
    method: str
    precision: str
    options: argparse.Namespace

    def measure(self) -> tuple[str, ...]:
        """In a process of its own: libraries that compute are loaded there, and its memory is all its own."""
        from benchmarks.learning import Task, learn  # noqa: PLC0415
        from benchmarks.made_model import dimensions  # noqa: PLC0415

        options = self.options
        shape = dimensions(options.hidden, options.layers)
        task = Task(Path(self.folder), shape, self.method, self.precision, options.device, rows=options.rows)
        with tempfile.TemporaryDirectory() as place, redirect_stdout(sys.stderr):
            learned = learn(task, Path(place))
        return (
            self.method,
            self.precision,
            str(len(learned.losses)),
            f"{learned.speed:,.0f}",
            f"{learned.page_speed:,.0f}",
            f"{learned.peak / 1e9:.2f} GB",
            f"{learned.predicted / 1e9:.2f} GB",
            f"{learned.losses[0]:.2f}, {learned.losses[-1]:.2f}",
        )


def make(folder: str, options: argparse.Namespace) -> int:
    """Saves the model; returns its parameters."""
    from benchmarks.made_model import byte_tokenizer, dimensions, save_made_model  # noqa: PLC0415

    shape = dimensions(options.hidden, options.layers)
    save_made_model(Path(folder), shape, byte_tokenizer())
    return shape.parameters()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--hidden", type=int, default=2048)
    parser.add_argument("--layers", type=int, default=22)
    parser.add_argument("--rows", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        machine = detect(Settings(home=f"{folder}/home", device=options.device))
        if machine.device != options.device:
            print(machine.note or NO_CARD)
            return
        precisions = ("bf16", "fp16") if options.device == "cuda" else ("own",)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
            parameters = processes.submit(make, f"{folder}/model", options).result()
            print(f"{machine.name}. A Llama of {parameters / 1e6:,.0f} million parameters, hidden {options.hidden}, {options.layers} layers.\n")
            print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|", flush=True)
            for method in METHODS:
                for precision in precisions:
                    line = processes.submit(Line(f"{folder}/model", method, precision, options).measure).result()
                    print(f"| {' | '.join(line)} |", flush=True)


if __name__ == "__main__":
    main()
