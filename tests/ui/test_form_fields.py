"""The form asks for exactly what a run can be told."""

from __future__ import annotations

from dataclasses import fields, replace

import gradio as gr
import pytest

from qlora_demo.catalogue import BUNDLED_ID
from qlora_demo.errors import RecipeError
from qlora_demo.recipe import Recipe, help_of
from qlora_demo.ui import train_form
from qlora_demo.ui.form_fields import ADVANCED, FIELDS, draw_backs, in_range, read_form, write_form


@pytest.fixture(scope="module")
def form() -> train_form.TrainForm:
    with gr.Blocks():
        return train_form.build(False)


def test_one_control_for_each_field_of_a_recipe(form: train_form.TrainForm) -> None:
    assert list(form.controls) == [f.name for f in fields(Recipe)]


def test_each_control_has_the_recipes_words(form: train_form.TrainForm) -> None:
    assert {name: control.label for name, control in form.controls.items()} == {name: help_of(name).label for name in FIELDS}


def test_what_is_written_into_the_form_is_read_back() -> None:
    recipe = Recipe(model=BUNDLED_ID, method="lora", epochs=2.5, system_prompt="Be brief.")
    assert read_form(write_form(recipe)) == recipe


def test_each_advanced_field_has_its_way_back_where_it_differs(form: train_form.TrainForm) -> None:
    recommended = Recipe(model=BUNDLED_ID, epochs=3.0)
    assert tuple(form.backs) == ADVANCED
    values = write_form(replace(recommended, epochs=None, learning_rate=1e-4, system_prompt="Be brief.", schedule="cosine"))
    drawn = draw_backs(form.backs, values, recommended)
    shown = {name: drawn[back]["value"] for name, back in form.backs.items() if drawn[back]["visible"]}
    assert shown == {
        "epochs": "Back to recommended: 3",
        "learning_rate": "Back to recommended: 0.0005",
        "schedule": "Back to recommended: Linear",
        "system_prompt": "Back to recommended: empty",
    }


def test_what_is_out_of_range_is_said_in_the_words_of_the_form() -> None:
    with pytest.raises(RecipeError, match=r"^Rows at once \(micro-batch\) must be from 1 to 256; it is 0\.$"):
        in_range(Recipe(model=BUNDLED_ID, micro_batch_size=0))
    assert in_range(Recipe(model=BUNDLED_ID)) == Recipe(model=BUNDLED_ID)


def test_empty_numbers_are_named_by_their_labels() -> None:
    values = write_form(replace(Recipe(model=BUNDLED_ID), epochs=None, rank=None))
    with pytest.raises(RecipeError, match=r"^Fill in a number: Times through your data \(epochs\), Room in the adapter \(rank\)\.$"):
        read_form(values)
