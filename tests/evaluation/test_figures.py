"""Each side's numbers, and what is made of the answers."""

from __future__ import annotations

import pytest

from qlora_demo.evaluation.figures import Answers, Losses, code, confusion, data_figures, figures, main_intervals, scored_answers
from qlora_demo.evaluation.scores import Compared, Tally

FUNCTION = "def f(x):\n    return x"


def side(texts: list[str], expected: list[str]) -> Answers:
    return Answers(texts, expected, [True] * len(texts))


def test_figures_are_those_that_have_a_meaning() -> None:
    labels = figures(0.0, side(["happy", "Sad."], ["happy", "sad"]), ["happy"])
    known = {"loss": 0.0, "perplexity": 1.0, "exact_match": 0.5, "accuracy": 1.0, "macro_f1": 1.0}
    assert labels == {**known, "chrf": None, "token_f1": None, "words": None, "repeated": None}
    texts = figures(None, side(["a bird", "x"], ["a bird", "a cat"]), [])
    assert (texts["loss"], texts["perplexity"], texts["exact_match"], texts["accuracy"], texts["macro_f1"]) == (None, None, 0.5, None, None)
    assert 50 < texts["chrf"] < 90
    assert (texts["token_f1"], texts["words"], texts["repeated"]) == (0.5, 1.5, None)
    endless = figures(1e6, side([], []), [])
    assert endless["perplexity"] > 1e300 and endless["chrf"] is endless["accuracy"] is None


def test_losses_are_means_of_tokens() -> None:
    losses = Losses((4.0, 1.0), (2.0, 2.0), (2, 3), 2)
    assert (losses.base(), losses.adapted(), losses.tally()) == (1.0, 0.8, Tally(1, 1, 0))


def test_the_interval_is_of_the_main_score_and_holds_it() -> None:
    compared = [Compared("?", f"a bird {i}", "zzz", f"a bird {i % 3}") for i in range(12)]
    texts = main_intervals(compared, None, sorts=False)
    assert texts["score"] == "chrf"
    assert texts["adapted"][0] < figures(None, Answers.adapted(compared), [])["chrf"] < texts["adapted"][1]
    labels = [Compared("?", "happy" if i % 2 else "sad", "sad", "happy" if i % 3 else "sad") for i in range(12)]
    found = main_intervals(labels, None, sorts=True)
    assert found["score"] == "accuracy"
    assert found["base"][0] < 0.5 < found["base"][1]
    passages = main_intervals([], Losses((4.0,) * 6, (1.0, 2.0, 3.0, 1.0, 2.0, 3.0), (2,) * 6, 6), sorts=False)
    assert (passages["score"], passages["base"]) == ("loss", [2.0, 2.0])
    assert passages["adapted"][0] < 1.0 < passages["adapted"][1] and passages["difference"][1] < 0
    assert main_intervals([], None, sorts=False) is None


def test_confusion_of_both_sides() -> None:
    compared = [Compared("?", "happy", "happy", "happy"), Compared("?", "sad", "happy", "sad"), Compared("?", "sad", "no idea", "happy")]
    found = confusion(compared, ["sad", "sad", "happy"])
    assert found == {"labels": ["sad", "happy"], "base": [[0, 1, 1], [0, 1, 0]], "adapted": [[1, 1, 0], [0, 1, 0]]}


def test_answers_that_were_cut_off_say_nothing_of_their_syntax() -> None:
    compared = [
        Compared("?", FUNCTION, "Sure.", FUNCTION),
        Compared("?", FUNCTION, FUNCTION, "def f(x", adapted_whole=False),
        Compared("?", FUNCTION, FUNCTION, "def f(x"),
    ]
    assert code(compared) == {"language": "Python", "base": {"valid": 2, "of": 3}, "adapted": {"valid": 1, "of": 2}}
    assert code([Compared("?", "a bird", FUNCTION, FUNCTION)]) is None


def test_the_datas_own_answers_are_what_both_sides_are_held_against() -> None:
    compared = [Compared("?", "one two three", "", ""), Compared("?", "tea " * 8, "", "")]
    assert data_figures(compared, sorts=False) == {"words": 5.5, "repeated": pytest.approx(0.8)}
    assert data_figures(compared, sorts=True) == data_figures([], sorts=False) == {"words": None, "repeated": None}


def test_every_answer_has_its_scores_and_some_are_picked() -> None:
    compared = [Compared("?", "a bird", "zzz", "a bird"), Compared("!", "a cat", "a cat", "zzz", row=4)]
    found = scored_answers(compared, sorts=False)
    assert found["picked"] == {"best": 0, "worst": 1, "changed": None}
    best, worst = found["answers"]
    assert (best["base_score"], best["adapted_score"]) == (0.0, pytest.approx(100)) and worst["row"] == 4
    labels = scored_answers([Compared("?", "happy", "sad", "Happy!")], sorts=True)
    assert (labels["answers"][0]["base_score"], labels["answers"][0]["adapted_score"]) == (0.0, 1.0)
