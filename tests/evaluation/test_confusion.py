"""Which label was taken for which, and macro-F1, computed by hand."""

from __future__ import annotations

import pytest

from qlora_demo.evaluation.confusion import label_names, macro_f1, matrix


def test_labels_come_once_the_most_frequent_of_the_learned_first() -> None:
    assert label_names(["sad", "Angry"], ["sad", "happy", "happy", "Sad."]) == ["happy", "sad", "Angry"]
    assert label_names(["calm"], []) == ["calm"]


def test_what_is_no_label_has_the_last_column() -> None:
    expected = ["happy", "happy", "happy", "sad", "sad"]
    answers = ["Happy.", "sad", "I think that it is happy", "SAD", ""]
    assert matrix(answers, expected, ["happy", "sad"]) == [[1, 1, 1], [0, 1, 1]]


def test_macro_f1_by_hand() -> None:
    # happy: precision 2/3, recall 2/4, F1 4/7. sad: precision 1/2, recall 1/1, F1 2/3. calm: precision 0, recall 0.
    counted = [[2, 1, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]]
    assert macro_f1(counted) == pytest.approx((4 / 7 + 2 / 3 + 0) / 3)
    assert macro_f1([[3, 0, 0], [0, 2, 0]]) == 1.0
    # A label that is never right has no recall; that it was answered still costs the one it was answered for.
    assert macro_f1([[1, 1, 0], [0, 0, 0]]) == pytest.approx(2 / 3)


def test_always_saying_the_commonest_label_looks_worse_than_its_accuracy() -> None:
    counted = matrix(["happy"] * 10, ["happy"] * 9 + ["sad"], ["happy", "sad"])
    assert macro_f1(counted) == pytest.approx((18 / 19 + 0) / 2)
