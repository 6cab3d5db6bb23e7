"""Unknown names: which columns hold text, and which of them is asked."""

from __future__ import annotations

from typing import Any

import pytest
from data.tables import table_of

from qlora_demo.data.guessing import guess_columns

ASKED = ["Where is it?", "When?", "Why not?", "Who is there?", "How?", "Which one?"]
TOLD = ["In town.", "At ten in the morning.", "Nobody knows.", "Ann.", "Like so.", "The second one, as always."]
IDS = ["a7f3", "b9c1", "c0d2", "d4e5", "e6f7", "f8a9"]
KINDS = ["open", "closed", "open", "open", "closed", "open"]


def rows(**columns: list[Any]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize(
    ("columns", "asked", "answered"),
    [
        ({"left": TOLD, "right": ASKED}, "right", "left"),
        ({"left": [*map(str.upper, TOLD)], "right": ["x" + text for text in TOLD]}, "left", "right"),
        ({"one": ["word"], "two": ["word"]}, "one", "two"),
        ({"Antwort": ["x"], "right": ["a longer text"]}, "right", "Antwort"),
        ({"left": ["a longer text"], "Frage": ["x"]}, "Frage", "left"),
        ({"A": ["a long text here"], "B": ["short"]}, "B", "A"),
        ({"who": ["Ann", "Ben", "Cleo"], "says": ["so much text", "more text", "text"], "then": ["Is it?", "Oh?", "So?"]}, "then", "says"),
        ({"id": IDS, "kind": KINDS, "left": ASKED, "day": ["2026-01-01"] * 6, "right": TOLD, "n": [1] * 6}, "left", "right"),
    ],
)
def test_two_columns_of_text_are_always_guessed(columns: dict[str, list[Any]], asked: str, answered: str) -> None:
    guess = guess_columns(table_of(*rows(**columns)))
    assert guess.roles == {"user": asked, "assistant": answered}
    assert guess.notes == (f"We took '{asked}' as the question and '{answered}' as the answer, guessed from the texts.",)


@pytest.mark.parametrize(
    "other",
    [
        IDS,
        [1, 2, 3, 4, 5, 6],
        ["en"] * 6,
        ["https://a.example/some/page"] * 6,
        ["2026-01-01"] * 6,
        ["ann@example.org"] * 6,
        ["img/a.png"] * 6,
        [None] * 6,
    ],
)
def test_ids_numbers_dates_addresses_and_kinds_are_no_text(other: list[Any]) -> None:
    guess = guess_columns(table_of(*rows(text=TOLD, other=other)))
    assert (guess.text_columns, guess.roles) == (("text",), {})


def test_a_text_beside_kinds_is_sorted() -> None:
    guess = guess_columns(table_of(*rows(mail=TOLD, state=KINDS)))
    assert guess.roles == {"user": "mail", "label": "state"}
    assert guess.notes == ("We took 'mail' as the text and 'state' as the label to sort by, guessed from the values.",)


def test_nothing_to_guess() -> None:
    guess = guess_columns(table_of(*rows(id=IDS, n=[1] * 6)))
    assert (guess.text_columns, guess.roles, guess.notes) == ((), {}, ())
