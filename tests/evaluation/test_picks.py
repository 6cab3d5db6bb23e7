"""What to read first."""

from __future__ import annotations

from qlora_demo.evaluation.picks import Marks, Picked, pick


def test_best_worst_and_most_changed_are_three_different_ones() -> None:
    marks = [Marks(10, 60, 40), Marks(10, 100, 15), Marks(5, 100, 10), Marks(30, 20, 50), Marks(12, 20, 45), Marks(20, 70, 3)]
    assert pick(marks, 99.9) == Picked(best=2, worst=3, changed=5)


def test_labels_are_right_wrong_and_changed() -> None:
    right, wrong, both = Marks(0, 1, 0), Marks(1, 0, 0), Marks(1, 1, 1)
    assert pick([both, right, wrong, both], 1) == Picked(best=1, worst=2, changed=None)
    assert pick([both, right, right], 1) == Picked(best=1, worst=None, changed=2)


def test_few_answers_are_not_shown_twice() -> None:
    assert pick([], 99.9) == Picked(None, None, None)
    assert pick([Marks(10, 60, 20)], 99.9) == Picked(0, None, None)
    assert pick([Marks(10, 60, 20), Marks(10, 50, 20)], 99.9) == Picked(0, 1, None)
    assert pick([Marks(9, 100, 9), Marks(9, 100, 100)], 99.9) == Picked(0, None, None)
