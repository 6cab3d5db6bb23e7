"""Scores and the sentences made of them."""

from __future__ import annotations

from qlora_demo.evaluation.report import Losses, build_report
from qlora_demo.evaluation.scores import Compared, same_label, verdict_free, verdict_sorting, word_overlap


def test_word_overlap_counts_shared_words() -> None:
    assert word_overlap("Yes, on Sundays.", "yes on sundays") == 1.0
    assert word_overlap("no", "yes") == 0.0
    assert word_overlap("a b", "a c") == 0.5


def test_labels_are_compared_by_their_words() -> None:
    assert same_label("Happy.", "happy")
    assert not same_label("happy or unhappy", "happy")


def rows(*triples: tuple[str, str, str]) -> list[Compared]:
    return [Compared("?", *triple) for triple in triples]


def test_the_free_text_verdict_counts_wins_losses_and_ties() -> None:
    won, lost, tie = ("a b", "x", "a b"), ("a b", "a b", "x"), ("a b", "x", "y")
    assert verdict_free(rows(*[won] * 8, lost, tie)) == (
        "It learned. On the 10 questions set aside, your model's answer is closer to yours 8 times, the base model's once, 1 the same."
    )
    assert verdict_free(rows(won, lost, lost)).startswith("It learned little.")


def test_equal_answers_are_told() -> None:
    assert verdict_free(rows(("a", "x", "x"))).startswith("Both give the same answers: it has not learned yours.")


def test_sorting_is_measured_against_base_and_majority() -> None:
    compared = rows(("happy", "I think", "happy"), ("sad", "happy", "Sad."), ("happy", "happy", "sad"))
    assert verdict_sorting(compared, ["happy", "happy", "sad"]) == "Right on 2 of 3; the base model on 1; always saying 'happy' would give 2."


def test_no_rows_aside_is_no_test() -> None:
    report = build_report([], None, [])
    assert report["verdict"] == "Trained on all rows, so there is no test. Ask it something in Chat."
    assert report["base"] == {"loss": None, "perplexity": None}


def test_the_report_holds_both_losses() -> None:
    report = build_report(rows(("a", "b", "a")), Losses(2.0, 0.0), [])
    assert report["adapted"] == {"loss": 0.0, "perplexity": 1.0}
    assert report["answers"][0] == {"question": "?", "expected": "a", "base": "b", "adapted": "a"}
