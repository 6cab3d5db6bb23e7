"""How a run is spread over several cards: the choice, what is said of it, and how much faster it is expected to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.estimate import Computing, Work, fit_to, sharded_memory, training_memory
from qlora_demo.forecast import Sizes, forecast
from qlora_demo.hardware import Machine
from qlora_demo.recipe import Recipe
from qlora_demo.spread import fit_over, in_words

CARD = Computing("cuda")
LARGE = find_model("Qwen/Qwen3-8B").dimensions
RECIPE = Recipe(model="Qwen/Qwen3-8B", method="qlora", batch_size=8, micro_batch_size=8)
ONE_ROW = training_memory(LARGE, replace(RECIPE, micro_batch_size=1), 1000, CARD, checkpointing=True).total()


def test_what_fits_one_card_has_the_whole_model_on_each() -> None:
    way = fit_over(LARGE, RECIPE, 1000, 10**12, CARD, processes=2)
    assert (way.processes, way.sharded, way.micro_batch_size, way.checkpointing) == (2, False, 4, False)
    assert fit_over(LARGE, RECIPE, 1000, 10**12, CARD) == fit_to(LARGE, RECIPE, 1000, 10**12, CARD)


def test_a_step_of_fewer_rows_than_cards_uses_fewer_cards() -> None:
    assert fit_over(LARGE, replace(RECIPE, batch_size=2, micro_batch_size=2), 100, 10**12, CARD, processes=8).processes == 2


def test_what_does_not_fit_one_card_is_spread_where_that_fits_and_an_adapter_learns() -> None:
    free = int(0.9 * ONE_ROW)
    way = fit_over(LARGE, RECIPE, 1000, free, CARD, processes=4)
    assert way.sharded and way.fits(free) and (way.processes, way.checkpointing) == (4, True)
    assert not fit_over(LARGE, RECIPE, 1000, free, CARD, processes=1).fits(free)
    assert not fit_over(LARGE, replace(RECIPE, method="full"), 1000, free, CARD, processes=4).sharded
    assert not fit_over(LARGE, RECIPE, 1000, 10**9, CARD, processes=4).fits(10**9)


def test_more_cards_need_less_memory_each() -> None:
    needs = [sharded_memory(LARGE, replace(RECIPE, micro_batch_size=1), 1000, CARD, cards).total() for cards in (2, 4, 8)]
    assert needs == sorted(needs, reverse=True) and len(set(needs)) == 3


def test_what_is_frozen_has_16_bits_on_older_cards_too() -> None:
    old, new = (sharded_memory(LARGE, RECIPE, 1000, Computing("cuda", number), 2) for number in (4, 2))
    assert old.weights == new.weights and old.adapter == 2 * new.adapter


def test_a_spread_model_is_packed_by_the_processor_and_no_gain_is_counted() -> None:
    whole, spread = (Work(RECIPE, LARGE, 100_000, 100, CARD, 8, True, 2, sharded) for sharded in (False, True))
    alone = Work(RECIPE, LARGE, 100_000, 100, CARD, 8, True)
    assert spread.starting_seconds() > whole.starting_seconds() == alone.starting_seconds()
    assert spread.learning_seconds() == alone.learning_seconds() > whole.learning_seconds()


def test_processes_of_a_processor_share_its_memory() -> None:
    small, recipe = find_model(BUNDLED_ID).dimensions, Recipe(model=BUNDLED_ID, method="lora", batch_size=8, micro_batch_size=8)
    each = training_memory(small, replace(recipe, micro_batch_size=4), 100).total()
    assert fit_over(small, recipe, 100, int(2.2 * each), Computing(), 2).fits(int(1.1 * each))
    assert not fit_over(small, recipe, 100, each, Computing(), 2).sharded


def test_it_is_said_in_a_sentence() -> None:
    assert in_words(1, False, "cuda") == ""
    assert in_words(2, False, "cuda") == "Uses 2 cards: each reads half of every step."
    assert in_words(4, False, "cuda") == "Uses 4 cards: each reads a quarter of every step."
    assert in_words(8, False, "cuda") == "Uses 8 cards: each reads one of 8 parts of every step."
    assert in_words(2, False, "cpu") == "Uses 2 processes: each reads half of every step."
    assert in_words(2, True, "cuda") == "The model is spread over 2 cards, as it does not fit one."


def test_the_forecast_makes_the_workers_choice_and_counts_the_cards() -> None:
    card = Machine("cuda", "a card", 16, 10**12, True, processes=1)
    one, two = (forecast(RECIPE, Sizes(1000, 1000, 400.0), replace(card, processes=n), 10**12, []) for n in (1, 2))
    assert (one.way.processes, two.way.processes) == (1, 2)
    assert one.seconds > two.seconds > one.seconds / 2
    cpu = Machine("cpu", "a processor", 2, 10**12, True)
    small = Recipe(model=BUNDLED_ID, method="lora", batch_size=8, micro_batch_size=8)
    alone, both = (forecast(small, Sizes(100, 100, 80.0), replace(cpu, processes=n), 10**11, []) for n in (1, 2))
    assert both.memory_bytes > 1.5 * alone.memory_bytes


@pytest.mark.parametrize("processes", [2, 4])
def test_several_cards_take_a_share_of_the_time_and_a_tenth_more(processes: int) -> None:
    work = Work(RECIPE, LARGE, 30_000, 40, CARD, 16)
    assert replace(work, processes=processes).learning_seconds() == pytest.approx(work.learning_seconds() / (0.9 * processes))
