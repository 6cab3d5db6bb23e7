"""Settings of a run: problems named at once, words for every field, JSON there and back."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from qlora_demo.catalogue import MODELS, find_model
from qlora_demo.errors import RecipeError
from qlora_demo.recipe import METHODS, PRESETS, Material, Recipe, from_json, help_of, recommended

SMALL = MODELS[0]


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(RecipeError) as error:
        Recipe(epochs=0, rank=1000, method="magic", batch_size=2, micro_batch_size=4).validate()
    text = str(error.value)
    assert "method must be one of qlora, lora, full; it is 'magic'." in text
    assert "epochs must be from 0.1 to 100; it is 0." in text
    assert "rank must be from 1 to 256; it is 1000." in text
    assert "micro_batch_size can be at most batch_size, which is 2; it is 4." in text


def test_the_form_reads_its_own_words_for_a_field() -> None:
    assert Recipe(micro_batch_size=0, seed=2**31).problems(in_words=True) == [
        "Rows at once (micro-batch) must be from 1 to 256; it is 0.",
        "Start of all randomness (seed) must be from 0 to 2147483647; it is 2147483648.",
    ]
    assert Recipe(batch_size=2, micro_batch_size=4).problems(in_words=True) == [
        "Rows at once (micro-batch) can be at most Rows per step (batch size), which is 2; it is 4."
    ]


def test_texts_become_fields() -> None:
    recipe = Recipe().with_texts({"epochs": "2.5", "rank": "8", "system_prompt": "Be brief."})
    assert (recipe.epochs, recipe.rank, recipe.system_prompt) == (2.5, 8, "Be brief.")


def test_wrong_texts_are_all_named() -> None:
    with pytest.raises(RecipeError) as error:
        Recipe().with_texts({"epochs": "many", "rank": "1.5", "magic": "1"})
    assert "epochs needs a number; it is 'many'." in str(error.value)
    assert "rank needs a whole number; it is '1.5'." in str(error.value)
    assert "There is no setting 'magic'" in str(error.value)


def test_every_field_has_words() -> None:
    for field in fields(Recipe):
        words = help_of(field.name)
        assert words.label and words.text.endswith(".")


def test_every_advanced_field_says_its_effect_on_time_memory_and_quality() -> None:
    effects = {field.name: help_of(field.name).effect for field in fields(Recipe) if field.name not in ("model", "method", "preset")}
    for name, effect in effects.items():
        assert re.search(r"\b(time|faster|fastest|slower|longer)\b", effect, re.IGNORECASE), name
        assert "emory" in effect, name
        assert effect.startswith(("More: ", "Longer: ", "Linear or cosine: ", "Another number: ")), name


def test_json_there_and_back() -> None:
    recipe = Recipe(model="x", epochs=4.0, system_prompt="Hello")
    assert from_json({"schema": 1, **recipe.to_json()}) == recipe


@pytest.mark.parametrize("rows", [1, 12, 108, 1000, 50_000])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("model", MODELS)
def test_recommended_settings_are_valid(model, preset: str, rows: int) -> None:
    recipe = recommended(model, "qlora", preset, Material(rows), 10).validate()
    assert recipe.model == model.id


def test_small_sets_get_enough_steps_and_longer_presets_more() -> None:
    steps = {preset: recommended(SMALL, "lora", preset, Material(108), 10) for preset in PRESETS}
    count = {preset: r.epochs * 108 / r.batch_size for preset, r in steps.items()}
    assert count["balanced"] >= 100
    assert count["quick"] < count["balanced"] < count["thorough"]


def test_labels_get_more_steps_than_texts() -> None:
    texts, labels = (recommended(SMALL, "lora", "balanced", Material(108, 100, goal), 10) for goal in ("character", "sorting"))
    assert labels.epochs > texts.epochs


def test_a_quick_run_of_long_rows_reads_them_less_often() -> None:
    short, long = (recommended(SMALL, "lora", "quick", Material(108, tokens), 10) for tokens in (90, 400))
    assert (short.epochs, long.epochs) == (3, 1)


def test_large_sets_do_not_get_too_many_steps() -> None:
    assert [recommended(SMALL, "lora", "balanced", Material(rows), 10).epochs for rows in (400, 2000, 5000, 50_000)] == [2, 2, 1, 1]


def test_full_training_moves_in_smaller_steps_than_an_adapter() -> None:
    rates = {method: recommended(SMALL, method, "balanced", Material(108), 10).learning_rate for method in METHODS}
    assert rates == {"qlora": 5e-4, "lora": 5e-4, "full": 5e-5}


def test_larger_models_learn_in_smaller_changes() -> None:
    small, large = (recommended(find_model(m), "lora", "balanced", Material(108), 10) for m in ("SmolLM2-135M-Instruct", "Qwen/Qwen3-32B"))
    assert large.learning_rate < small.learning_rate
