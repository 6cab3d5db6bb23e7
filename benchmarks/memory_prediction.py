"""Memory that a training takes beside what was predicted: three methods, three models made here, three lengths, each in a process of its own.

Usage: python -m benchmarks.memory_prediction [--models 135M] [--methods lora] [--lengths 256] [--precisions own fp32] [--kept 0 1]
Both figures are above what the process holds once everything is imported. Ends with 1 if the worst error is over a tenth.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path

from qlora_demo.catalogue import Dimensions
from qlora_demo.estimate import LIBRARIES
from qlora_demo.hardware import detect
from qlora_demo.pipes import training_environ
from qlora_demo.recipe import METHODS
from qlora_demo.settings import Settings

MODELS = {
    "80M": Dimensions(384, 12, 1024, 6, 2, 64, 151_936),
    "135M": Dimensions(576, 30, 1536, 9, 3, 64, 49_152),
    "360M": Dimensions(960, 32, 2560, 15, 5, 64, 49_152),
}
"""The first with the vocabulary of a model of many languages, the others shaped as SmolLM2."""
ROWS_AT_ONCE = {64: 8, 256: 8, 1000: 4}
STEPS = 3
ALLOWED = 0.10
HEAD = ("model", "method", "numbers", "row, tokens", "rows", "inner values", "predicted", "measured", "error")


@dataclass(frozen=True)
class Cell:
    """One line of the table, before it is measured."""

    model: str
    method: str
    length: int
    precision: str
    checkpointing: bool

    def measure(self, folder: Path) -> tuple[int, int]:
        """(predicted, measured) bytes above the imports, in a process of its own."""
        import psutil  # noqa: PLC0415

        import qlora_demo.jobs.train  # noqa: F401, PLC0415 - all that a worker imports
        from benchmarks.learning import Task, learn  # noqa: PLC0415

        rows = ROWS_AT_ONCE[self.length]
        shared = {"words": self.length, "max_length": self.length, "batch_size": rows, "rows": STEPS * rows, "epochs": 1.0, "tested": True}
        task = Task(folder, MODELS[self.model], self.method, self.precision, "cpu", checkpointing=self.checkpointing, **shared)
        imported = psutil.Process().memory_info().rss
        with tempfile.TemporaryDirectory() as place, redirect_stdout(sys.stderr):
            learned = learn(task, Path(place))
        return learned.predicted - LIBRARIES, learned.peak - imported

    def line(self, predicted: int, measured: int) -> str:
        cells = (
            self.model,
            self.method,
            {"own": "16 bits", "fp32": "32 bits"}[self.precision],
            str(self.length),
            str(ROWS_AT_ONCE[self.length]),
            "computed twice" if self.checkpointing else "kept",
            f"{predicted / 1e6:,.0f} MB",
            f"{measured / 1e6:,.0f} MB",
            f"{predicted / measured - 1:+.1%}",
        )
        return f"| {' | '.join(cells)} |"


def make(folder: Path, shape: Dimensions) -> None:
    from benchmarks.made_model import byte_tokenizer, save_made_model  # noqa: PLC0415

    save_made_model(folder, shape, byte_tokenizer())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--lengths", nargs="+", type=int, choices=ROWS_AT_ONCE, default=list(ROWS_AT_ONCE))
    parser.add_argument("--precisions", nargs="+", choices=("own", "fp32"), default=["own"])
    parser.add_argument("--kept", nargs="+", type=int, choices=(0, 1), default=[1], help="0: inner values are computed twice")
    options = parser.parse_args()
    cells = [
        Cell(model, method, length, precision, not kept)
        for model, method, length, precision, kept in product(
            options.models, options.methods, options.lengths, options.precisions, options.kept
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        machine = detect(Settings(home=f"{folder}/home", device="cpu"))
        os.environ.update(training_environ(os.environ, machine.cores))
        print(f"{machine.name}, {machine.cores} cores\n\n| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|", flush=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
            worst = max(measured(processes, Path(folder), cells))
    print(f"\nWorst error: {worst:.1%}")
    sys.exit(worst > ALLOWED)


def measured(processes: ProcessPoolExecutor, place: Path, cells: list[Cell]) -> list[float]:
    """Prints each cell's line; returns their errors without signs."""
    errors = []
    for cell in cells:
        folder = place / cell.model
        if not folder.exists():
            processes.submit(make, folder, MODELS[cell.model]).result()
        predicted, taken = processes.submit(cell.measure, folder).result()
        print(cell.line(predicted, taken), flush=True)
        errors.append(abs(predicted / taken - 1))
    return errors


if __name__ == "__main__":
    main()
