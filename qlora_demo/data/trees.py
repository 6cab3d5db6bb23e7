"""Trees of messages, one message a row with its parent: each way from a first question to a last answer becomes a conversation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qlora_demo.data.table import Entry
from qlora_demo.data.wording import Mistake

LARGEST_TREE = 2000
"""Messages; a longer one is cut, so that memory stays flat."""


@dataclass(frozen=True)
class Branch:
    """A conversation's messages from the first to a last answer, in the way that `turns.read_turns` takes them, and that answer's place. Answers
    that an earlier branch holds have weight 0, so that each is learned once."""

    position: str
    messages: list[dict[str, Any]]


@dataclass
class _Node:
    parent: str
    speaker: str
    text: Any
    position: str
    answered: bool = False
    learned: bool = False


def branches(entries: Iterable[Entry | Mistake], roles: Mapping[str, str]) -> Iterator[Branch | Mistake | str]:
    """`roles` says which columns are id, parent, speaker and content. Holds one tree at a time, so a tree's rows must follow each other, parents
    first; the place of a row whose parent does not stand before it comes as a string."""
    tree: dict[str, _Node] = {}
    for entry in entries:
        if isinstance(entry, Mistake):
            yield entry
            continue
        row = entry.values
        identity, parent = str(row.get(roles["id"])), str(row.get(roles["parent"]) or "")
        if not parent or len(tree) >= LARGEST_TREE:
            yield from _of_tree(tree)
            tree = {}
        if parent and parent not in tree:
            yield entry.position
            continue
        tree[identity] = _Node(parent, str(row.get(roles["speaker"])), row.get(roles["content"]), entry.position)
    yield from _of_tree(tree)


def _of_tree(tree: Mapping[str, _Node]) -> Iterator[Branch]:
    for node in tree.values():
        if _answers(node):
            _mark_above(tree, node)
    for node in tree.values():
        if _answers(node) and not node.answered:
            yield Branch(node.position, _way_to(tree, node))


def _answers(node: _Node) -> bool:
    return node.speaker.strip().lower() == "assistant"


def _mark_above(tree: Mapping[str, _Node], node: _Node) -> None:
    """All messages above an answer have one below them."""
    above = tree.get(node.parent)
    while above is not None and not above.answered:
        above.answered = True
        above = tree.get(above.parent)


def _way_to(tree: Mapping[str, _Node], node: _Node) -> list[dict[str, Any]]:
    way: list[dict[str, Any]] = []
    step: _Node | None = node
    while step is not None:
        way.append({"from": step.speaker, "value": step.text, "weight": 0 if step.learned else 1})
        step.learned = step.learned or _answers(step)
        step = tree.get(step.parent)
    return way[::-1]
