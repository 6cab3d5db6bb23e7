"""Each way of learning nothing, or too much, has its one change and its words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qlora_demo.evaluation.diagnosis import GENTLER, LARGER, LONGER, Advice, Facts, ends, forgot, longer_rows, why_not
from qlora_demo.recipe import Recipe

RECIPE = Recipe(learning_rate=5e-4, batch_size=4, micro_batch_size=4, epochs=3.0)
WELL = Facts(RECIPE, RECIPE, rows=108, steps=81, first_loss=2.5, last_loss=1.2, moved=3.4, same_answers=False)


def with_rate(facts: Facts, rate: float) -> Facts:
    return replace(facts, recipe=replace(facts.recipe, learning_rate=rate))


def test_a_run_that_went_well_has_no_cause() -> None:
    assert why_not(WELL) is None


def test_too_few_steps_become_about_a_hundred() -> None:
    few = replace(WELL, rows=22, steps=6, recipe=replace(RECIPE, epochs=1.0))
    assert why_not(few) == Advice("It only took 6 steps.", LONGER, {"epochs": 17.0})
    assert 95 <= 17 * 6 <= 105
    assert why_not(replace(few, steps=1)).reason == "It only took 1 step."
    assert why_not(few).because() == "it only took 6 steps."


def test_longer_is_longer_even_where_a_time_through_the_data_has_many_steps() -> None:
    assert why_not(replace(WELL, rows=400, steps=50, recipe=replace(RECIPE, epochs=0.5))).changes == {"epochs": 1.0}
    assert why_not(replace(WELL, rows=4000, steps=50, recipe=replace(RECIPE, epochs=1.4))).changes == {"epochs": 2.0}


def test_more_epochs_than_are_allowed_are_never_asked_for() -> None:
    assert why_not(replace(WELL, rows=2, steps=3, recipe=replace(RECIPE, epochs=99.5))).changes == {"epochs": 100.0}


def test_a_flat_error_at_a_small_rate_gets_the_recommended_one() -> None:
    flat = with_rate(replace(WELL, last_loss=2.49), 1e-6)
    assert why_not(flat) == Advice("Its error did not get smaller.", LARGER, {"learning_rate": 5e-4})
    assert why_not(replace(flat, steps=6)).button == LARGER


def test_a_flat_error_at_the_recommended_rate_gets_three_times_as_much() -> None:
    assert why_not(replace(WELL, last_loss=2.49)).changes == {"learning_rate": 1.5e-3}


def test_a_rate_that_is_only_a_little_small_is_not_the_cause_of_six_steps() -> None:
    assert why_not(with_rate(replace(WELL, last_loss=2.49, steps=6), 4e-4)).button == LONGER


def test_an_adapter_that_stands_still() -> None:
    assert why_not(with_rate(replace(WELL, moved=0.0), 1e-7)) == Advice("Nothing in its add-on has moved.", LARGER, {"learning_rate": 5e-4})
    assert why_not(replace(WELL, moved=None)) is None


def test_an_error_that_grew_needs_smaller_changes() -> None:
    grew = why_not(with_rate(replace(WELL, last_loss=4.0), 1e-2))
    assert grew == Advice("Its error grew instead of getting smaller.", GENTLER, {"learning_rate": 3.3e-3})


def test_the_same_answers_as_before() -> None:
    same = replace(WELL, same_answers=True)
    assert why_not(same) == Advice("It still answers as the base model does.", LONGER, {"epochs": 6.0})
    assert why_not(with_rate(same, 1e-5)).changes == {"learning_rate": 5e-4}


def test_nothing_that_carries_loss_needs_longer_rows() -> None:
    assert longer_rows(1500).changes == {"max_length": 1536}
    assert longer_rows(100_000).changes == {"max_length": 32_768}


def test_forgetting_needs_smaller_changes_or_where_they_are_small_fewer() -> None:
    assert forgot(WELL) == Advice("Smaller changes keep more of it.", GENTLER, {"learning_rate": 1.7e-4})
    assert forgot(with_rate(WELL, 1.7e-4)).changes == {"epochs": 1.5}
    once = with_rate(replace(WELL, recipe=replace(RECIPE, epochs=1.0)), 1.7e-4)
    assert forgot(once).changes == {"learning_rate": 5.7e-5}


@pytest.mark.parametrize("facts", [replace(WELL, steps=6), replace(WELL, last_loss=2.49), replace(WELL, last_loss=9.0), replace(WELL, moved=0.0)])
def test_every_advice_is_one_change_to_a_recipe_that_can_be_used(facts: Facts) -> None:
    advice = why_not(facts)
    assert len(advice.changes) == 1
    replace(facts.recipe, **advice.changes).validate()


def test_the_ends_of_a_curve_are_means() -> None:
    assert ends([]) == (None, None)
    assert ends([4.0]) == (4.0, 4.0)
    assert ends([4.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0]) == (3.0, 1.5)
    assert ends([float(100 - i) for i in range(100)]) == (95.5, 5.5)
