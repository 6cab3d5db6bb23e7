"""What is set aside: how much, the same every time, and never a row that is also learned."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from qlora_demo.data.conversation import Conversation, Message, Passage
from qlora_demo.data.split import default_held_out, split


def row(question: str, answer: str = "x", label: str | None = None) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), label=label)


@pytest.mark.parametrize(
    ("rows", "kind", "expected"),
    [(19, "conversations", 0), (20, "conversations", 5), (80, "conversations", 8), (118, "conversations", 10), (9999, "conversations", 10)]
    + [(19, "labels", 0), (100, "labels", 15), (5000, "labels", 200)],
)
def test_how_many_are_set_aside(rows: int, kind: str, expected: int) -> None:
    assert default_held_out(rows, kind) == expected


def test_every_row_is_on_one_side() -> None:
    rows = [row(f"q{i}") for i in range(118)]
    learn, held_out = split(rows, 10, seed=0)
    assert len(held_out) == 10
    assert sorted(learn + held_out) == list(range(118))
    assert split(rows, 10, seed=0) == (learn, held_out)
    assert split(rows, 10, seed=1) != (learn, held_out)


def test_few_rows_are_all_learned() -> None:
    assert split([row(f"q{i}") for i in range(19)], 5, seed=0) == (list(range(19)), [])
    assert split([row(f"q{i}") for i in range(30)], 0, seed=0) == (list(range(30)), [])


def test_rows_that_teach_the_same_are_never_parted() -> None:
    rows = [row(f"Q{i % 30}" if i % 2 else f" q{i % 30}") for i in range(90)]
    for seed in range(5):
        learn, held_out = split(rows, 9, seed)
        assert 0 < len(held_out) <= 9
        assert not {rows[i].key() for i in learn} & {rows[i].key() for i in held_out}


def test_labels_keep_their_shares() -> None:
    labels = ["good"] * 60 + ["bad"] * 30 + ["odd"] * 10
    _, held_out = split([row(f"q{i}", label, label) for i, label in enumerate(labels)], 20, seed=3)
    assert Counter(labels[i] for i in held_out) == {"good": 12, "bad": 6, "odd": 2}


def test_something_is_always_left_to_learn_from() -> None:
    rows = [row(f"q{i}", "x", "ab"[i % 2]) for i in range(20)]
    learn, _ = split(rows, 500, seed=0)
    assert sorted(rows[i].label for i in learn) == ["a", "b"]
    assert split([row("same")] * 40, 5, seed=0) == (list(range(40)), [])
    assert len(split([Passage(f"text {i}") for i in range(40)], 5, seed=0)[1]) == 5


def test_another_process_sets_the_same_rows_aside() -> None:
    code = (
        "from qlora_demo.data.conversation import Passage\nfrom qlora_demo.data.split import split\n"
        "print(split([Passage(f'text {i}') for i in range(50)], 7, 11)[1])"
    )
    told = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert told == {f"{split([Passage(f'text {i}') for i in range(50)], 7, 11)[1]}\n"}
