"""Memory and time before a run: the arithmetic moves as the real thing does. How near it comes is benchmarks/memory_prediction.py's to say."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from qlora_demo import estimate
from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.estimate import Computing, Past, Work, fit_to, memory_correction, time_correction, training_memory
from qlora_demo.evaluation import likelihood
from qlora_demo.models import fused_attention, fused_decoder
from qlora_demo.recipe import METHODS, Recipe
from qlora_demo.training import optimizer, trainer

SMALL, LARGE = find_model(BUNDLED_ID).dimensions, find_model("Qwen/Qwen3-8B").dimensions
RECIPE = Recipe(model=BUNDLED_ID, method="lora", batch_size=8, micro_batch_size=8)


def total(recipe: Recipe = RECIPE, longest: int = 100, **options: object) -> int:
    return training_memory(SMALL, recipe, longest, **options).total()


def test_the_parts_add_up_and_each_has_a_size() -> None:
    for method in METHODS:
        memory = training_memory(SMALL, replace(RECIPE, method=method), 100)
        assert memory.total() == sum(asdict(memory).values())
        assert (memory.adapter == 0) == (method == "full")
        assert min(memory.weights, memory.gradients, memory.optimizer, memory.activations, memory.overhead) > 0


def test_qlora_needs_least_and_full_most() -> None:
    needs = [total(replace(RECIPE, method=method)) for method in ("qlora", "lora", "full")]
    assert needs == sorted(needs) and len(set(needs)) == 3


def test_longer_rows_and_a_larger_adapter_need_more_and_computing_twice_less() -> None:
    assert total(longest=200) > total(longest=100)
    assert total(replace(RECIPE, rank=64)) > total()
    assert total(checkpointing=True) < total()
    assert total(computing=Computing(number=4)) > total()


def test_rows_beyond_the_tokens_that_are_read_at_once_change_nothing_on_a_processor() -> None:
    many = replace(RECIPE, batch_size=64)
    assert total(replace(many, micro_batch_size=64), longest=256) == total(replace(many, micro_batch_size=8), longest=256)
    card = Computing("cuda")
    assert total(replace(many, micro_batch_size=64), 256, computing=card) > total(replace(many, micro_batch_size=8), 256, computing=card)


def test_what_lies_beyond_the_longest_row_that_is_read_needs_nothing() -> None:
    assert total(replace(RECIPE, max_length=128), 5000) == total(replace(RECIPE, max_length=128), 128)


def test_the_engines_own_limits_are_meant() -> None:
    assert estimate.TOKENS_AT_ONCE == trainer.TOKENS_AT_ONCE
    assert (estimate.LOGIT_ROWS, estimate.CARD_LOGIT_ROWS) == (fused_decoder.LOGIT_ROWS, fused_decoder.CARD_LOGIT_ROWS)
    assert estimate.KEPT_ATTENTION == fused_attention.KEPT_ATTENTION
    assert estimate.OPTIMIZED_NUMBERS == optimizer.AT_ONCE
    assert (estimate.TESTED_TOKENS, estimate.TESTED_LOGITS) == (likelihood.BATCH_TOKENS, likelihood.HEAD_TOKENS)


def test_what_does_not_fit_is_made_smaller_step_by_step() -> None:
    recipe, longest = replace(RECIPE, model="Qwen/Qwen3-8B", method="qlora"), 1000
    card = Computing("cuda")
    whole = training_memory(LARGE, recipe, longest, card).total()
    seen = [fit_to(LARGE, recipe, longest, int(share * whole), card) for share in (2.0, 0.9, 0.6, 0.01)]
    assert (seen[0].micro_batch_size, seen[0].checkpointing) == (8, False)
    assert seen[1].micro_batch_size < 8 or seen[1].checkpointing
    assert [way.memory.total() for way in seen] == sorted((way.memory.total() for way in seen), reverse=True)
    assert (seen[-1].micro_batch_size, seen[-1].checkpointing) == (1, True)
    assert seen[0].fits(2 * whole) and not seen[-1].fits(int(0.01 * whole))


def test_a_whole_model_on_a_card_gets_a_paged_optimizer_last_of_all() -> None:
    recipe = replace(RECIPE, model="Qwen/Qwen3-8B", method="full")
    card = Computing("cuda")
    assert not fit_to(LARGE, recipe, 100, 10**12, card).paged
    assert fit_to(LARGE, recipe, 100, 10**9, card).paged
    assert not fit_to(LARGE, replace(recipe, method="lora"), 100, 10**9, card).paged


def past(model: str = "a", method: str = "lora", memory: float = 1.2, seconds: float = 2.0) -> Past:
    return Past(model, method, 1000, int(1000 * memory), 100.0, 100.0 * seconds)


def test_past_runs_correct_both_and_the_same_model_counts_first() -> None:
    assert memory_correction([], "a", "lora") == time_correction([], "a", "lora") == 1.0
    assert memory_correction([past(memory=1.4), past(memory=1.1), past(memory=1.2), past(memory=1.3)], "a", "lora") == pytest.approx(1.2)
    assert memory_correction([past("b", memory=1.4), past("a", memory=1.1)], "a", "lora") == pytest.approx(1.1)
    assert memory_correction([past("b", memory=1.4)], "a", "lora") == pytest.approx(1.4)
    assert memory_correction([past(method="full")], "a", "lora") == 1.0
    assert time_correction([past(method="full", seconds=3.0)], "a", "lora") == pytest.approx(3.0)
    assert memory_correction([past(memory=9.0)], "a", "lora") == 1.5


def test_time_grows_with_tokens_and_falls_with_cores() -> None:
    work = Work(RECIPE, SMALL, 30_000, 40, Computing(), 2)
    assert replace(work, tokens=60_000, steps=80).learning_seconds() == pytest.approx(2 * work.learning_seconds())
    assert replace(work, cores=4).learning_seconds() < work.learning_seconds()
    assert replace(work, recipe=replace(RECIPE, method="full")).learning_seconds() > work.learning_seconds()
    assert replace(work, computing=Computing(number=4)).learning_seconds() > 2 * work.learning_seconds()
    assert replace(work, checkpointing=True).learning_seconds() > work.learning_seconds()
