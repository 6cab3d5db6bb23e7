"""Closeness, labels, the sign test: pure functions."""

from __future__ import annotations

import pytest

from qlora_demo.evaluation.kept import Forgetting
from qlora_demo.evaluation.scores import Compared, Sorted, Tally, closeness, closer, same_label, sorting


def rows(*triples: tuple[str, str, str]) -> list[Compared]:
    return [Compared("?", *triple) for triple in triples]


def test_closeness_is_sacrebleus_chrf() -> None:
    assert closeness("Yes, on Sundays.", "Yes, on Sundays.") == pytest.approx(100)
    assert closeness("", "yes") == closeness("zzz", "yes") == 0.0
    # By hand: of "abc" against "abd", 2 of 3 single characters and 1 of 2 pairs are shared, none of the runs of three: (2/3 + 1/2 + 0) / 3.
    assert closeness("abc", "abd") == pytest.approx(100 * (2 / 3 + 1 / 2) / 3)
    assert closeness("我住在海边", "我住在山边") > closeness("谢谢", "我住在山边")


def test_labels_are_compared_by_their_words() -> None:
    assert same_label("Happy.", "happy")
    assert not same_label("happy or unhappy", "happy")
    assert not same_label("", "happy") and not same_label("!", "?")
    assert same_label(" +1 ", "+1") and same_label("?", "?")
    assert same_label("**Happy**", "happy") and same_label('"happy".', "happy") and same_label("'happy'", "Happy")


@pytest.mark.parametrize(("answer", "label"), [("1", "-1"), ("<=50K", ">50K"), ("A+", "A"), ("A*", "A"), ("C", "C++"), ("C#", "C"), ("1", "!1")])
def test_signs_that_tell_labels_apart_count(answer: str, label: str) -> None:
    assert not same_label(answer, label) and not same_label(label, answer)


def test_the_sign_test_is_one_sided() -> None:
    assert Tally(8, 1, 1).p_value() == pytest.approx(10 / 512)  # (9 over 8) + (9 over 9) of 2^9
    assert Tally(6, 4, 0).p_value() == pytest.approx(386 / 1024)
    assert Tally(0, 0, 5).p_value() == 1.0
    assert Tally(0, 5, 0).p_value() == 1.0
    assert not Tally(5, 0, 0).luck() and Tally(4, 0, 1).luck()
    assert Tally(8, 2, 0).luck() and not Tally(9, 1, 0).luck()
    assert Tally(120, 70, 10).p_value() < 0.001


def test_closer_counts_wins_losses_and_ties() -> None:
    won, lost, tie = ("a bird", "x", "a bird"), ("a bird", "a bird", "x"), ("a bird", "zzz", "yyy")
    assert closer(rows(*[won] * 8, lost, tie)) == Tally(8, 1, 1)
    nearly = "it stands by the sea and has stood there for a hundred years, they say"
    assert closer(rows((nearly, nearly.replace("say", "sax"), nearly.replace("say", "saw")))) == Tally(0, 0, 1)


def test_sorting_counts_both_sides_and_the_commonest_label() -> None:
    compared = rows(("happy", "I think", "happy"), ("sad", "happy", "Sad."), ("happy", "happy", "sad"))
    found = sorting(compared, ["happy", "happy", "sad"])
    assert (found.rows, found.right, found.base_right, found.label, found.label_right) == (3, 2, 1, "happy", 2)
    assert found.over_base == Tally(2, 1, 0)


def test_a_share_of_right_ones_is_luck_where_guesses_as_good_as_the_commonest_label_reach_it() -> None:
    def sorted_rows(right: int, label_right: int, rows: int) -> Sorted:
        return Sorted(rows, right, 0, "happy", label_right, Tally(right, 0, rows - right))

    # Of 24 coins 18 or more fall on one side in 190051 of 2^24 times, 17 or more in 536155.
    assert not sorted_rows(18, 12, 24).guess_luck() and not sorted_rows(17, 12, 24).guess_luck()
    assert sorted_rows(16, 12, 24).guess_luck()
    assert sorted_rows(11, 8, 15).guess_luck() and not sorted_rows(150, 120, 200).guess_luck()
    assert not sorted_rows(3, 0, 10).guess_luck()


def test_much_forgotten_is_lost() -> None:
    assert not Forgetting(2.0, 2.1, 88, 91).lost()
    assert Forgetting(2.0, 4.0, 71, 91).lost()
