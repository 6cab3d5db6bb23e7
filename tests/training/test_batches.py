"""The plan of steps: pure, complete, the longest batch first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qlora_demo.training.batches import deal, plan, split

LENGTHS = st.lists(st.integers(1, 500), min_size=1, max_size=120)


@given(LENGTHS, st.integers(1, 16), st.integers(0, 99), st.integers(1, 4))
def test_every_row_is_learned_once_an_epoch(lengths: list[int], batch: int, seed: int, epochs: int) -> None:
    steps = plan(lengths, batch, seed, epochs)
    assert sorted(row for step in steps for row in step) == sorted(list(range(len(lengths))) * epochs)
    assert max(len(step) for step in steps) <= batch


@given(LENGTHS, st.integers(1, 16), st.integers(0, 99))
def test_the_first_step_holds_the_longest_row(lengths: list[int], batch: int, seed: int) -> None:
    assert max(lengths) == max(lengths[row] for row in plan(lengths, batch, seed, 2)[0])


@given(LENGTHS, st.integers(1, 16), st.integers(0, 99))
def test_the_plan_is_a_function_of_its_arguments(lengths: list[int], batch: int, seed: int) -> None:
    assert plan(lengths, batch, seed, 2) == plan(lengths, batch, seed, 2)


def test_another_seed_is_another_order() -> None:
    lengths = list(range(1, 60))
    assert plan(lengths, 4, 1, 1) != plan(lengths, 4, 2, 1)


def test_half_an_epoch_is_half_the_steps() -> None:
    assert len(plan([10] * 40, 4, 0, 0.5)) == 5


@given(LENGTHS, st.integers(1, 8))
def test_splitting_loses_nothing(lengths: list[int], micro: int) -> None:
    step = tuple(range(len(lengths)))
    groups = split(step, lengths, micro)
    assert sorted(row for group in groups for row in group) == list(step)
    assert max(len(group) for group in groups) <= micro


@given(LENGTHS, st.integers(1, 8))
def test_dealing_loses_nothing_and_loads_evenly(lengths: list[int], ranks: int) -> None:
    step = tuple(range(len(lengths)))
    shares = deal(step, lengths, ranks)
    assert sorted(row for share in shares for row in share) == list(step) and len(shares) == ranks
    loads = [sum(lengths[row] for row in share) for share in shares]
    assert max(loads) - min(loads) <= max(lengths)
    assert min(map(len, shares)) > 0 or len(step) < ranks
