"""What is said of rows that are too long."""

from __future__ import annotations

from qlora_demo.data.lengths import length_findings


def tokens(cut: list[str], empty: list[str]) -> dict:
    return {"cut": len(cut), "cut_rows": cut, "empty": len(empty), "empty_rows": empty}


def test_nothing_is_said_of_rows_that_fit() -> None:
    assert length_findings(tokens([], []), 512) == ()


def test_rows_that_are_cut_and_rows_of_which_nothing_is_left() -> None:
    nothing, some = length_findings(tokens(["line 2", "line 5", "line 9"], ["line 5"]), 1024)
    assert nothing.message == "1 row is cut before the answer begins (5). Nothing of that is learned."
    assert some.message == "2 rows are longer than 1,024 words or word pieces (2, 9). What lies beyond is not learned."
    assert (some.rows, some.count) == (("line 2", "line 9"), 2)
