"""Settings of a run: problems named at once, words for every field, JSON there and back."""

from __future__ import annotations

from dataclasses import fields

import pytest

from qlora_demo.catalogue import MODELS, find_model
from qlora_demo.errors import RecipeError
from qlora_demo.recipe import PRESETS, Recipe, from_json, help_of, recommended

SMALL = MODELS[0]


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(RecipeError) as error:
        Recipe(epochs=0, rank=1000, method="magic", batch_size=2, micro_batch_size=4).validate()
    text = str(error.value)
    assert "method must be one of qlora, lora, full; it is 'magic'." in text
    assert "epochs must be from 0.1 to 100; it is 0." in text
    assert "rank must be from 1 to 256; it is 1000." in text
    assert "micro_batch_size (4) cannot be larger than batch_size (2)." in text


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


def test_json_there_and_back() -> None:
    recipe = Recipe(model="x", epochs=4.0, system_prompt="Hello")
    assert from_json({"schema": 1, **recipe.to_json()}) == recipe


@pytest.mark.parametrize("rows", [1, 12, 108, 1000, 50_000])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("model", MODELS)
def test_recommended_settings_are_valid(model, preset: str, rows: int) -> None:
    recipe = recommended(model, "qlora", preset, rows, 10).validate()
    assert recipe.model == model.id


def test_small_sets_get_enough_steps_and_longer_presets_more() -> None:
    steps = {preset: recommended(SMALL, "lora", preset, 108, 10) for preset in PRESETS}
    count = {preset: r.epochs * 108 / r.batch_size for preset, r in steps.items()}
    assert count["balanced"] >= 80
    assert count["quick"] < count["balanced"] < count["thorough"]


def test_larger_models_learn_in_smaller_changes() -> None:
    small, large = (recommended(find_model(m), "lora", "balanced", 108, 10) for m in ("SmolLM2-135M-Instruct", "Qwen/Qwen3-32B"))
    assert large.learning_rate < small.learning_rate
