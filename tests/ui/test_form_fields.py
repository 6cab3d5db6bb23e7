"""The form asks for exactly what a run can be told."""

from __future__ import annotations

from dataclasses import fields, replace

import gradio as gr
import pytest

from qlora_demo.catalogue import BUNDLED_ID
from qlora_demo.errors import RecipeError
from qlora_demo.recipe import Recipe, help_of
from qlora_demo.ui import train_form
from qlora_demo.ui.form_fields import FIELDS, read_form, write_form


@pytest.fixture(scope="module")
def form() -> train_form.TrainForm:
    with gr.Blocks():
        return train_form.build()


def test_one_control_for_each_field_of_a_recipe(form: train_form.TrainForm) -> None:
    assert list(form.controls) == [f.name for f in fields(Recipe)]


def test_each_control_has_the_recipes_words(form: train_form.TrainForm) -> None:
    assert {name: control.label for name, control in form.controls.items()} == {name: help_of(name).label for name in FIELDS}


def test_what_is_written_into_the_form_is_read_back() -> None:
    recipe = Recipe(model=BUNDLED_ID, method="lora", epochs=2.5, system_prompt="Be brief.")
    assert read_form(write_form(recipe)) == recipe


def test_empty_numbers_are_named_by_their_labels() -> None:
    values = write_form(replace(Recipe(model=BUNDLED_ID), epochs=None, rank=None))
    with pytest.raises(RecipeError, match=r"^Fill in a number: Times through your data \(epochs\), Room in the adapter \(rank\)\.$"):
        read_form(values)
