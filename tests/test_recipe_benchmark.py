"""The recipes' benchmark: its data, its scores, its grid, and a cell with the tiny model."""

from __future__ import annotations

import argparse
import json
import random
import zipfile
from pathlib import Path

import pytest

from benchmarks.command_phrases import GRAMMAR, KINDS, OWN_WORDS, Grammar, commands
from benchmarks.recipe_cell import measure, score
from benchmarks.recipe_sets import CHARACTER_QUESTIONS, RecipeSet, few, functions, persona, summaries
from benchmarks.recipes import Cell, Results, cells, line
from qlora_demo.catalogue import BUNDLED_ID
from qlora_demo.recipe import Material, Recipe

RULES = {"the": "(the|my)", "place": "[<the>] {area}"}
LISTS = {"percent": {"range": {"from": 10, "to": 12}}, "cover": {"values": [{"in": "blind[s]", "out": "blind"}]}}


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ("light[s] on", {"light on", "lights on"}),
        ("(a|b c);d", {"a;d", "b c;d"}),
        ("(open;[the] door)", {"open door", "open the door", "door open", "the door open"}),
        (
            "<place> to {percent:level}[([ ]%)| percent]",
            {f"{p} to {n}{u}" for p in ("hall", "the hall", "my hall") for n in (10, 11, 12) for u in ("", "%", " %", " percent")},
        ),
        ("{cover:class}", {"blind", "blinds"}),
    ],
)
def test_a_template_says_all_that_it_stands_for(template: str, texts: set[str]) -> None:
    grammar, chance = Grammar(RULES, LISTS, {"area": ["hall"]}), random.Random(0)
    assert {grammar.say(template, chance) for _ in range(2000)} == texts


def test_commands_set_aside_come_from_other_templates_and_rooms(tmp_path: Path) -> None:
    intents = {intent: {"data": [{"sentences": [f"{intent} {n} {{area}}" for n in range(8)]}]} for several in KINDS.values() for intent in several}
    wheel = tmp_path / "grammar.whl"
    with zipfile.ZipFile(wheel, "w") as package:
        package.writestr(GRAMMAR, json.dumps({"intents": intents, "expansion_rules": {}, "lists": {}}))
    learned, aside = commands(wheel, 5, 3, seed=0)
    assert (len(learned), len(aside)) == (5 * len(KINDS), 3 * len(KINDS))
    assert not {text.split()[0] + text.split()[1] for text, _ in learned} & {text.split()[0] + text.split()[1] for text, _ in aside}
    rooms = OWN_WORDS["area"].split(", ")
    assert all(text.split(" ", 2)[2] in rooms[:7] for text, _ in learned)
    assert all(text.split(" ", 2)[2] in rooms[7:] for text, _ in aside)


@pytest.mark.parametrize(("make", "learn", "held_out"), [(few, 24, 136), (persona, 110, 10), (summaries, 46, 15), (functions, 80, 20)])
def test_sets_made_of_the_examples(make, learn: int, held_out: int, tmp_path: Path) -> None:
    made = make(tmp_path)
    assert (len(made.learn), len(made.held_out)) == (learn, held_out)
    assert not {row.key() for row in made.learn} & {row.key() for row in made.held_out}


def test_the_character_is_asked_in_words_that_it_was_not_trained_on(tmp_path: Path) -> None:
    made = persona(tmp_path)
    known = {message.content.casefold() for row in [*made.learn, *made.held_out] for message in row.messages}
    assert len({question.casefold() for question in CHARACTER_QUESTIONS} - known) == 20
    assert len(made.asked) == 20


def test_scores() -> None:
    assert score("sorting", "Turn on.", "turn on") == 1
    assert score("sorting", "turn on the light", "turn on") == 0
    assert score("names", "I am Wilna Harrock, and you?", "Wilna Harrock") == 1
    assert score("names", "I am Wilna.", "Wilna Harrock") == 0
    assert score("answers", "a short answer", "a short answer") == pytest.approx(1)
    assert 0 < score("answers", "a short one", "a short answer") < 1


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**{"methods": "lora", "model": BUNDLED_ID, "preset": "quick", "rates": "", "set": [], **given})


def test_a_grid_has_a_cell_for_every_combination() -> None:
    (recommended,) = cells(options(), "few", Material(24), 136)
    several = cells(options(rates="2e-4,5e-4", set=["batch_size=2,16"]), "few", Material(24), 136)
    assert recommended.recipe.preset == "quick"
    pairs = {(cell.recipe.learning_rate, cell.recipe.batch_size) for cell in several}
    assert len(several) == 4 and pairs == {(2e-4, 2), (5e-4, 2), (2e-4, 16), (5e-4, 16)}
    assert all(c.recipe.micro_batch_size == c.recipe.batch_size for c in several)


def test_a_finished_cell_is_not_measured_again(tmp_path: Path) -> None:
    cell, file = Cell("no such set", Recipe(model=BUNDLED_ID)), tmp_path / "cells.jsonl"
    file.write_text(json.dumps({"cell": cell.key(), "result": {"score": 0.5}}) + "\n", encoding="utf-8")
    assert Results(file, tmp_path).of(cell) == {"score": 0.5}


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_cell_learns_and_is_scored(method: str, tiny_folder: Path, tmp_path: Path) -> None:
    whole = few(tmp_path)
    chosen = RecipeSet("sorting", whole.learn, whole.held_out[:8], whole.asked[:8])
    cell = Cell("few", Recipe(model=BUNDLED_ID, method=method, epochs=1, batch_size=12, micro_batch_size=12, learning_rate=1e-2))
    result = measure(chosen, cell.recipe, False, tiny_folder)
    base = measure(chosen, cell.base().recipe, True, tiny_folder)
    assert (result["steps"], result["asked"], result["rows"], result["broke_at"]) == (2, 8, 24, None)
    assert result["held_out_loss"] < base["held_out_loss"]
    assert result["majority"] == sum(row.label == "happy" for row in chosen.asked) / 8
    assert line(cell, result, base, Recipe()).startswith(f"| few | {method} | 0.01 | 12 | 1 | 2 |")
