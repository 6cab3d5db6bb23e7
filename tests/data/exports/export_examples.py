"""Helpers of the export tests: what a table holds, and any JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hypothesis import strategies as st

from qlora_demo.data.table import Entry, Table
from qlora_demo.data.wording import Mistake


def talk(*texts: str) -> list[dict[str, str]]:
    """Messages in turn, a question first."""
    return [{"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(texts)]


def conversations(table: Table | None) -> list[tuple[str, list[dict[str, str]]]]:
    """(place, messages) of every row; a mistake counts as a failure."""
    assert table is not None
    assert table.columns == ("messages",)
    rows = list(table.entries())
    assert list(table.entries()) == rows
    assert all(isinstance(row, Entry) for row in rows), rows
    return [(row.position, row.values["messages"]) for row in rows if isinstance(row, Entry)]


def mistakes(table: Table | None) -> list[str]:
    assert table is not None
    return [row.alone() for row in table.entries() if isinstance(row, Mistake)]


def lines_of(text: str) -> Callable[[], Iterator[str]]:
    return lambda: iter(text.split("\n"))


def assert_sound(table: Table | None) -> None:
    """Whatever was read: rows that can be used, and the same rows a second time."""
    if table is None:
        return
    rows = list(table.entries())
    assert rows == list(table.entries())
    for row in rows:
        if isinstance(row, Mistake):
            assert row.alone()
            continue
        messages = row.values["messages"]
        assert all(m["role"] in ("user", "assistant") and isinstance(m["content"], str) for m in messages)
        "".join(m["content"] for m in messages).encode()
        if table.speakers:
            assert len(messages) >= 2 and messages[0]["role"] == "user" and messages[-1]["role"] == "assistant"


def any_json(names: list[str], texts: list[str]) -> st.SearchStrategy:
    """Any JSON made of these names and texts, with the types anywhere."""
    leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*texts, "\ud83d", "", "x"])
    return st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*names, *texts]), inner, max_size=5), max_leaves=15
    )
