"""Trees of messages: one conversation a last answer, each answer learned once, little memory."""

from __future__ import annotations

from collections.abc import Iterator

from data.tables import said

from qlora_demo.data.table import Entry
from qlora_demo.data.trees import LARGEST_TREE, Branch, branches
from qlora_demo.data.wording import Mistake

ROLES = {"id": "id", "parent": "parent", "speaker": "who", "content": "text"}


def node(number: int, parent: int | None, who: str, text: str) -> Entry:
    return Entry(f"row {number}", {"id": f"m{number}", "parent": None if parent is None else f"m{parent}", "who": who, "text": text})


def weighted(*turns: tuple[str, int]) -> list[dict[str, object]]:
    return [{**message, "weight": weight} for turn, weight in turns for message in said(turn)]


def test_each_last_answer_is_a_conversation_and_each_answer_is_learned_once() -> None:
    tree = [
        node(1, None, "prompter", "Hi"),
        node(2, 1, "assistant", "Hello"),
        node(3, 2, "prompter", "Why?"),
        node(4, 3, "assistant", "So."),
        node(5, 3, "assistant", "Because."),
        node(6, 2, "prompter", "Bye"),
    ]
    start = ("prompter: Hi", 1)
    assert list(branches(tree, ROLES)) == [
        Branch("row 4", weighted(start, ("assistant: Hello", 1), ("prompter: Why?", 1), ("assistant: So.", 1))),
        Branch("row 5", weighted(start, ("assistant: Hello", 0), ("prompter: Why?", 1), ("assistant: Because.", 1))),
    ]


def test_trees_follow_each_other_and_mistakes_pass_through() -> None:
    broken = Mistake("row 3", "no object")
    rows = [node(1, None, "prompter", "a"), node(2, 1, "assistant", "b"), broken, node(4, None, "prompter", "c"), node(5, 4, "assistant", "d")]
    found = list(branches(rows, ROLES))
    assert found == [
        broken,
        Branch("row 2", weighted(("prompter: a", 1), ("assistant: b", 1))),
        Branch("row 5", weighted(("prompter: c", 1), ("assistant: d", 1))),
    ]


def test_a_message_without_its_parent_is_told() -> None:
    assert list(branches([node(1, None, "prompter", "a"), node(2, 9, "assistant", "b")], ROLES)) == ["row 2"]


def test_a_tree_without_end_is_cut() -> None:
    def endless() -> Iterator[Entry]:
        yield node(0, None, "prompter", "a")
        for number in range(1, 10**9):
            yield node(number, 0, "assistant", "b")

    stream = branches(endless(), ROLES)
    first = [next(stream) for _ in range(LARGEST_TREE - 1)]
    assert [branch.position for branch in first if isinstance(branch, Branch)] == [f"row {i}" for i in range(1, LARGEST_TREE)]
    assert next(stream) == f"row {LARGEST_TREE}"
