"""Training speed and peak memory beside a stock SFTTrainer script: same rows, same batch, one run, each side in a process of its own.

Usage: python -m benchmarks.train_speed [--device cpu] [--methods lora qlora full] [--rows 91] [--batch 8] [--epochs 2]
On a processor it trains the bundled model on the persona example. On a card (`--device cuda`) it trains a model made from a configuration
(`--hidden 2048 --layers 22`, random weights: nothing is downloaded) on made rows, and compares with Unsloth too where that is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from qlora_demo.catalogue import BUNDLED_ID, Dimensions, find_model
from qlora_demo.examples import find_example
from qlora_demo.hardware import detect
from qlora_demo.pipes import training_environ
from qlora_demo.recipe import METHODS
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.source.bundled import ensure_bundled
from qlora_demo.systems import usable_cores

HEAD = ("method", "who", "tokens/s, no padding", "times stock", "share of the matrix rate", "peak memory", "error, first and last")


@dataclass(frozen=True)
class Side:
    """One process's figures, whoever's they are."""

    who: str
    speed: float
    peak: int
    losses: list[float]
    trained_share: float = 1.0


def ours(task: Any) -> Side:
    from benchmarks.learning import learn  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as place:
        learned = learn(task, Path(place))
    return Side("this app", learned.speed, learned.peak, learned.losses, learned.trained_share)


def stock(task: Any) -> Side:
    from benchmarks.stock import train_stock  # noqa: PLC0415

    found = train_stock(task)
    return Side("stock SFTTrainer", found.speed, found.peak, found.losses)


def unsloth(task: Any) -> Side | None:
    from benchmarks.stock import train_unsloth  # noqa: PLC0415

    found = train_unsloth(task)
    return Side("Unsloth", found.speed, found.peak, found.losses) if found else None


def quietly(side: Callable[[Any], Side | None], task: Any) -> Side | None:
    with redirect_stdout(sys.stderr):
        return side(task)


def matrix_rate(device: str) -> float:
    """Multiplications and additions a second of bf16 products of this model's kind of shape: what no training can exceed."""
    import time  # noqa: PLC0415

    import torch  # noqa: PLC0415

    size = 8192 if device == "cuda" else 1024
    a, b = (torch.randn(size, size, dtype=torch.bfloat16, device=device) for _ in range(2))
    best = 0.0
    for _ in range(12):
        began = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


def operations(d: Dimensions, method: str, trained_share: float) -> float:
    """A token's, of the products that training cannot do without: forward and back through all layers, and the weights' own gradients where they
    learn; the head only where a token carries loss."""
    passes = 6 if method == "full" else 4
    return passes * (d.linear_parameters() + trained_share * d.vocabulary * d.hidden) + (0 if method == "full" else 6 * d.adapter_parameters(16))


def task_of(options: argparse.Namespace, method: str, place: Path) -> Any:
    from benchmarks.learning import Task  # noqa: PLC0415
    from qlora_demo.data.conversation import Conversation, Message  # noqa: PLC0415

    shared = {"rows": options.rows, "epochs": options.epochs, "batch_size": options.batch}
    if options.device == "cuda":
        from benchmarks.made_model import dimensions  # noqa: PLC0415

        return Task(place / "model", dimensions(options.hidden, options.layers), method, options.precision, "cuda", words=options.words, **shared)
    bundled = find_model(BUNDLED_ID)
    folder = ensure_bundled(Home(place).models, Settings.from_env(os.environ).bundled_model)
    lines = find_example("character").path().read_text(encoding="utf-8").splitlines()[: options.rows]
    talks = [[Message(m["role"], m["content"]) for m in json.loads(line)["messages"]] for line in lines]
    data = tuple(Conversation(tuple(talk), f"line {i + 1}") for i, talk in enumerate(talks))
    return Task(folder, bundled.dimensions, method, "own", "cpu", data=data, **shared)


def make(place: Path, options: argparse.Namespace) -> None:
    from benchmarks.made_model import byte_tokenizer, dimensions, save_made_model  # noqa: PLC0415

    save_made_model(place / "model", dimensions(options.hidden, options.layers), byte_tokenizer())


def line(method: str, side: Side, base: Side, rate: float, needed: float) -> str:
    cells = (
        method,
        side.who,
        f"{side.speed:,.0f}",
        f"{side.speed / base.speed:.2f}",
        f"{side.speed * needed / rate:.0%}",
        f"{side.peak / 1e9:.2f} GB",
        f"{side.losses[0]:.2f}, {side.losses[-1]:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--rows", type=int, default=91)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--precision", choices=("bf16", "fp16"), default="bf16", help="on a card")
    parser.add_argument("--hidden", type=int, default=2048, help="on a card")
    parser.add_argument("--layers", type=int, default=22, help="on a card")
    parser.add_argument("--words", type=int, default=60, help="on a card")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        machine = detect(Settings(home=f"{folder}/home", device=options.device))
        if machine.device != options.device:
            print(machine.note or "Nothing was measured: torch finds no CUDA card on this machine.")
            return
        measure(options, Path(folder), machine.name)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """What processes that begin meanwhile get: the C library reads some of it before Python runs."""
    before = dict(os.environ)
    os.environ.update(values)
    yield
    os.environ.clear()
    os.environ.update(before)


def in_a_process(work: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def run_side(side: Callable[[Any], Side | None], task: Any) -> Side | None:
    """Ours with the environment of the app's training workers, the others with that of this shell."""
    with environment(training_environ(os.environ, usable_cores()) if side is ours else {}):
        return in_a_process(quietly, side, task)


def measure(options: argparse.Namespace, place: Path, name: str) -> None:
    rate = in_a_process(matrix_rate, options.device)
    if options.device == "cuda":
        in_a_process(make, place, options)
    print(f"{name}, bf16 matrix rate {rate / 1e12:.2f} TFLOP/s; {options.rows} rows, batch {options.batch}, {options.epochs:g} epochs\n")
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|", flush=True)
    for method in options.methods:
        task = task_of(options, method, place)
        sides = [run_side(side, task) for side in (stock, ours, *((unsloth,) if options.device == "cuda" else ()))]
        base = sides[0]
        share = sides[1].trained_share
        for side in filter(None, sides):
            print(line(method, side, base, rate, operations(task.shape, method, share)), flush=True)


if __name__ == "__main__":
    main()
