"""What tab 2 says before a training."""

from __future__ import annotations

from dataclasses import replace

from ui.ui_examples import choice, forecast

from qlora_demo.catalogue import BUNDLED_ID
from qlora_demo.recipe import Recipe
from qlora_demo.ui.views_train import (
    METHOD_TEXTS,
    memory_bars,
    method_choices,
    model_choices,
    money,
    no_fit,
    out_of_reach,
    too_slow,
    what_will_happen,
)

RECIPE = Recipe(model=BUNDLED_ID, held_out=10, epochs=3.0)


def test_cards_name_the_time_and_the_recommended_method() -> None:
    forecasts = {"qlora": forecast(), "lora": forecast(seconds=100), "full": forecast(seconds=400)}
    cards = dict((value, text) for text, value in method_choices(forecasts, "qlora"))
    assert cards["qlora"].splitlines() == [
        "QLoRA · smallest memory",
        "The packed model stays as it is, an add-on learns.",
        "about 3 min · Recommended here",
    ]
    assert cards["lora"].splitlines()[-1] == "about 2 min"
    assert cards["full"].splitlines() == ["Full · largest memory", METHOD_TEXTS["full"][1], "about 7 min"]


def test_what_will_happen() -> None:
    text = what_will_happen(RECIPE, choice(), 118, forecast(), graphics_card=True)
    for words in ("already here", "Learn from 108 rows, 3 times", "108 steps", "Test on the 10 set aside", "In all about 3 minutes."):
        assert words in text
    slow = what_will_happen(RECIPE, choice(here=False), 118, forecast(), graphics_card=False)
    assert "98 MB to fetch first, once" in slow
    assert "Without a graphics card this takes about 3 minutes.<" in slow
    two = replace(forecast(), way=replace(forecast().way, processes=2))
    text = what_will_happen(RECIPE, choice(), 118, two, graphics_card=True)
    assert "In all about 3 minutes. Uses 2 cards: each reads half of every step.<" in text


def test_memory_is_said_in_words_not_by_colour_alone() -> None:
    text = memory_bars({"qlora": forecast(5e9), "lora": forecast(13e9)})
    assert "Memory free here: 15 GB" in text
    assert 'aria-label="QLoRA: 5.0 GB of 15 GB, fits"' in text
    assert ">tight<" in text
    assert ">does not fit<" in memory_bars({"lora": forecast(38e9)})


def test_a_space_says_what_it_costs_where_its_price_is_known() -> None:
    assert money("t4-small", 180) == '<p class="qd-small">About $0.02 of this Space\'s GPU.</p>'
    assert "Less than $0.01 of" in money("l4x1", 20)
    assert [money(hardware, 180) for hardware in ("", "none", "cpu-basic", "zero-a10g")] == ["", "", "", ""]


def test_what_does_not_fit_comes_with_a_way_out() -> None:
    lora = Recipe(model=BUNDLED_ID, method="lora")
    assert no_fit(lora, forecast(38e9, 12e9)) == "LoRA training needs 38 GB, and 12 GB of memory are free here. Choose QLoRA or a smaller model."
    assert no_fit(lora, forecast()) == ""


def test_models_out_of_reach() -> None:
    assert out_of_reach(choice(here=False, reachable=False)).endswith("which is not reachable here. Choose another model.")
    assert out_of_reach(choice(here=True, reachable=False)) == ""
    assert model_choices([choice(here=False, reachable=False)]) == [("SmolLM2 135M · speaks English · needs internet", BUNDLED_ID)]


def test_a_demos_minutes_are_told_before_they_end_it() -> None:
    assert too_slow(forecast(seconds=900), 15) == too_slow(forecast(seconds=9000), 0) == ""
    said = "This demo trains for up to 5 minutes; this takes about 15 min. What it has learned by then is kept."
    assert too_slow(forecast(seconds=900), 5) == said
