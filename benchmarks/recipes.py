"""What each recipe learns on data sets of several kinds and sizes: what `recipe.recommended` is tuned on.

Usage: python -m benchmarks.recipes [--sets reviews,intents] [--methods lora] [--rates 2e-4,5e-4] [--preset quick] [--set epochs=2,4] [--out FILE]

Without --rates and --set, the recommended recipe is measured. Several values of a field, with commas between, give one cell each, for every
combination. Each cell is a process of its own. With --out, finished cells are kept in FILE, one JSON object a line, and are not measured again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.recipe_sets import SETS, RecipeSet
from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.data.stored import tokens_guess
from qlora_demo.errors import UserError
from qlora_demo.pipes import child_environ
from qlora_demo.recipe import METHODS, PRESETS, Material, Recipe, recommended
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings

HEAD = "| set | method | rate | batch | epochs | steps | seconds | tokens/s | error on rows set aside | score | base | majority | other settings |"
SHOWN = ("model", "method", "preset", "learning_rate", "batch_size", "micro_batch_size", "epochs", "held_out")
"""Fields that have a column of their own, or need none."""


@dataclass(frozen=True)
class Cell:
    """One training with its scores, or the base model's scores if `untrained`; full training and LoRA have the same base."""

    set: str
    recipe: Recipe
    untrained: bool = False

    def key(self) -> dict[str, Any]:
        return {"set": self.set, "recipe": self.recipe.to_json(), "untrained": self.untrained}

    def base(self) -> Cell:
        method = "qlora" if self.recipe.method == "qlora" else "lora"
        return Cell(self.set, Recipe(model=self.recipe.model, method=method, system_prompt=self.recipe.system_prompt), untrained=True)


@dataclass(frozen=True)
class Results:
    """Finished cells, kept in a file of one JSON object a line."""

    file: Path
    folder: Path

    def of(self, cell: Cell) -> dict[str, Any]:
        """Measured now, unless it was before. Raises CalledProcessError."""
        for line in self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else []:
            found: dict[str, Any] = json.loads(line)
            if found["cell"] == cell.key():
                return found["result"]
        command = [sys.executable, "-m", "benchmarks.recipe_cell", json.dumps({**cell.key(), "folder": str(self.folder)})]
        done = subprocess.run(command, env=child_environ(os.environ), capture_output=True, text=True)
        if done.returncode:
            print(done.stderr[-4000:], file=sys.stderr)
            done.check_returncode()
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"cell": cell.key(), "result": result}) + "\n")
        return result


def material_of(chosen: RecipeSet) -> Material:
    """As the page would find it."""
    tokens = sum(map(tokens_guess, chosen.learn)) / len(chosen.learn)
    return Material(len(chosen.learn), tokens, "sorting" if chosen.kind == "sorting" else "character")


def cells(options: argparse.Namespace, name: str, material: Material, held_out: int) -> list[Cell]:
    """Every combination of what was asked for, on one set."""
    grid = {field: values.split(",") for field, _, values in (text.partition("=") for text in options.set)}
    if options.rates:
        grid["learning_rate"] = options.rates.split(",")
    found = []
    for method in options.methods.split(","):
        start = recommended(find_model(options.model), method, options.preset, material, held_out)
        for values in itertools.product(*grid.values()):
            recipe = start.with_texts(dict(zip(grid, values, strict=True)))
            if "batch_size" in grid and "micro_batch_size" not in grid:
                recipe = replace(recipe, micro_batch_size=recipe.batch_size)
            found.append(Cell(name, recipe.validate()))
    return found


def line(cell: Cell, result: dict[str, Any], base: dict[str, Any], plain: Recipe) -> str:
    """A row of the table; the last column holds what differs from the fields of `plain`."""
    recipe, kind, asked = cell.recipe, result["kind"], result["asked"]
    other = [f"{field} {value}" for field, value in recipe.to_json().items() if field not in SHOWN and value != plain.to_json()[field]]
    if result["broke_at"]:
        other.append(f"numbers broke at step {result['broke_at']}")
    speed = f"{result['tokens_per_second']:.0f}" if result["tokens_per_second"] else "-"
    columns = [
        cell.set,
        recipe.method,
        f"{recipe.learning_rate:g}",
        str(recipe.batch_size),
        f"{recipe.epochs:g}",
        str(result["steps"]),
        f"{result['seconds']:.0f}",
        speed,
        f"{base['held_out_loss']:.3f} -> {result['held_out_loss']:.3f}",
        _score(kind, result["score"], asked),
        _score(kind, base["score"], asked),
        "-" if result["majority"] is None else _score(kind, result["majority"], asked),
        ", ".join(other),
    ]
    return f"| {' | '.join(columns)} |"


def _score(kind: str, score: float, asked: int) -> str:
    return {"sorting": f"{score:.3f}", "names": f"{score * asked:.0f} of {asked}", "answers": f"chrF {100 * score:.1f}"}[kind]


def sweep(options: argparse.Namespace, results: Results) -> int:
    """Prints the table as it grows. Returns how many cells failed."""
    began, failed = time.monotonic(), 0
    print(f"{HEAD}\n{'|---' * HEAD.count(' | ')}|---|", flush=True)
    for name in options.sets.split(","):
        chosen = SETS[name](results.folder)
        for cell in cells(options, name, material_of(chosen), len(chosen.held_out)):
            if options.seconds and time.monotonic() - began > options.seconds:
                print(f"{options.seconds:g} seconds are over; the same command goes on from here.", file=sys.stderr)
                return failed
            try:
                base, result = results.of(cell.base()), results.of(cell)
            except subprocess.CalledProcessError:
                print(f"| {name} | {cell.recipe.method} | failed |", flush=True)
                failed += 1
                continue
            print(line(cell, result, base, Recipe()), flush=True)
    return failed


def _known(names: str, known: Sequence[str]) -> str:
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}; there are {', '.join(known)}")
    return names


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS), type=lambda names: _known(names, list(SETS)))
    parser.add_argument("--methods", default=",".join(METHODS), type=lambda names: _known(names, METHODS))
    parser.add_argument("--rates", default="", help="learning rates, with commas between")
    parser.add_argument("--preset", default="balanced", choices=PRESETS)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE[,VALUE]", help="of the recipe; may be given several times")
    parser.add_argument("--model", default=BUNDLED_ID)
    parser.add_argument("--seconds", type=float, default=0, help="begin no new cell after so long")
    parser.add_argument("--out", type=Path, help="keeps finished cells and goes on after them")
    options = parser.parse_args()
    folder = Home(Settings.from_env(os.environ).home_dir()).create().path / "benchmarks"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        try:
            return min(1, sweep(options, Results(options.out or Path(place) / "cells.jsonl", folder)))
        except UserError as error:
            print(error, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
