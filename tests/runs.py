"""Rows and run directories that many tests begin with."""

from __future__ import annotations

from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.data.conversation import Conversation, Message, write_rows
from qlora_demo.recipe import Recipe
from qlora_demo.run_dir import Home, RunDir, write_json

WORDS = tuple("lamp light sea night storm boat harbour quiet tea rope keeper gull rock wind tide paint brass".split())


def conversations(count: int) -> list[Conversation]:
    """Different short rows, the same in every test."""
    rows = []
    for i in range(count):
        question = f"{WORDS[i % 17]} and {WORDS[(3 * i + 1) % 17]} number {i}"
        answer = " ".join(WORDS[(i * step) % 17] for step in range(1, 4 + i % 7))
        rows.append(Conversation((Message("user", question), Message("assistant", answer)), f"row {i + 1}"))
    return rows


def make_run(home: Home, name: str, rows: int = 12, held_out: int = 3, **fields: object) -> RunDir:
    """A run directory as a submission makes it."""
    run = home.run(name)
    run.data.mkdir(parents=True)
    made = conversations(rows + held_out)
    write_rows(run.train_jsonl, made[:rows])
    write_rows(run.held_out_jsonl, made[rows:])
    recipe = Recipe(model=BUNDLED_ID, **{"batch_size": 4, "micro_batch_size": 4, "epochs": 2.0, "evaluations": 2, **fields})
    write_json(run.recipe_json, recipe.to_json())
    write_json(run.run_json, {"id": name, "name": name, "base": find_model(BUNDLED_ID).identity()})
    return run
