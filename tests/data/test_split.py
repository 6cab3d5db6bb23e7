"""What is set aside: how much, the same every time, and never a row that is also learned."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qlora_demo.data.split import default_held_out, split


@pytest.mark.parametrize(
    ("rows", "kind", "expected"),
    [(19, "conversations", 0), (20, "conversations", 5), (80, "conversations", 8), (118, "conversations", 10), (9999, "conversations", 10)]
    + [(19, "labels", 0), (100, "labels", 15), (5000, "labels", 200)],
)
def test_how_many_are_set_aside(rows: int, kind: str, expected: int) -> None:
    assert default_held_out(rows, kind) == expected


def test_every_row_is_on_one_side() -> None:
    learn, held_out = split(range(118), [-1] * 118, 10, seed=0)
    assert len(held_out) == 10
    assert sorted(learn + held_out) == list(range(118))
    assert split(np.arange(118, dtype=np.uint32), np.full(118, -1), 10, seed=0) == (learn, held_out)
    assert split(range(118), [0] * 118, 10, seed=0) == (learn, held_out)
    assert split(range(118), [-1] * 118, 10, seed=1) != (learn, held_out)


def test_few_rows_are_all_learned() -> None:
    assert split(range(19), [0] * 19, 5, seed=0) == (list(range(19)), [])
    assert split(range(30), [0] * 30, 0, seed=0) == (list(range(30)), [])


def test_labels_keep_their_shares() -> None:
    labels = [0] * 60 + [1] * 30 + [2] * 10
    _, held_out = split(range(100), labels, 20, seed=3)
    assert Counter(labels[i] for i in held_out) == {0: 12, 1: 6, 2: 2}


def test_something_is_always_left_to_learn_from() -> None:
    labels = [0, 1] * 10
    learn, _ = split(range(20), labels, 500, seed=0)
    assert sorted(labels[i] for i in learn) == [0, 1]
    assert split([7] * 40, [0] * 40, 5, seed=0) == (list(range(40)), [])


def test_a_label_that_only_its_group_holds_is_learned() -> None:
    groups, labels = [*range(38), 38, 38], [0] * 39 + [1]
    assert all(39 in split(groups, labels, 20, seed)[0] for seed in range(20))


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 30), st.integers(-1, 3)), min_size=20, max_size=80),
    held_out=st.integers(0, 100),
    seed=st.integers(0, 2**31 - 1),
)
def test_no_group_is_on_both_sides(rows: list[tuple[int, int]], held_out: int, seed: int) -> None:
    groups, labels = zip(*rows, strict=True)
    learn, aside = split(groups, labels, held_out, seed)
    assert sorted(learn + aside) == list(range(len(rows)))
    assert len(aside) <= held_out
    assert not {groups[i] for i in learn} & {groups[i] for i in aside}
    assert {labels[i] for i in learn} == set(labels)


def test_another_process_sets_the_same_rows_aside() -> None:
    code = "from qlora_demo.data.split import split\nprint(split([i // 2 for i in range(50)], [i % 2 for i in range(50)], 7, 11)[1])"
    told = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert told == {f"{split([i // 2 for i in range(50)], [i % 2 for i in range(50)], 7, 11)[1]}\n"}
