"""A report as lines for a terminal, of this version and of an earlier one."""

from __future__ import annotations

from dataclasses import replace

from runs import conversations

from qlora_demo.evaluation.answering import Asked
from qlora_demo.evaluation.diagnosis import Facts
from qlora_demo.evaluation.earlier import completed
from qlora_demo.evaluation.kept import Forgetting
from qlora_demo.evaluation.report import Trial, build_report
from qlora_demo.evaluation.scores import Compared
from qlora_demo.evaluation.verdict import IN_FILE, SET_ASIDE
from qlora_demo.evaluation.words import in_words, knowledge, sample
from qlora_demo.recipe import Recipe

FACTS = Facts(Recipe(), Recipe(), rows=100, steps=81, first_loss=2.5, last_loss=1.2, moved=3.4)
TRIAL = Trial(conversations(12), SET_ASIDE, [], FACTS)
OLD = {
    "rows": 1,
    "kind": "answers",
    "verdict": "It learned.",
    "learned": "yes",
    "advice": None,
    "base": {"loss": 2.5, "perplexity": 12.18, "exact_match": 0.0, "accuracy": None, "chrf": 9.0},
    "adapted": {"loss": 1.25, "perplexity": 3.49, "exact_match": 0.5, "accuracy": None, "chrf": 62.5},
    "majority": None,
    "won": 1,
    "lost": 0,
    "ties": 0,
    "p_value": 0.5,
    "forgetting": {"base_loss": 2.9, "adapted_loss": 2.95, "kept": 60, "of": 100},
    "answers": [{"question": "?", "expected": "e", "base": "b", "adapted": "a"}],
}


def texts(base: str = "zzz", adapted: str = "a bird") -> Asked:
    return Asked([Compared(f"question {i}", "a bird in the hand", base, f"{adapted} {i}", i) for i in range(12)], 12)


def test_texts() -> None:
    said = in_words(build_report(TRIAL, texts(), None)).splitlines()
    assert said[0].startswith("It learned.")
    assert said[1] == "Tested on all 12 rows set aside."
    assert "closeness (chrF): 0.000 before training, " in "\n".join(said)
    assert any(line.startswith("shared words (token F1): 0.000 before training, 0.5") for line in said)
    assert any(line.startswith("words in an answer: 1.000 before training, 3.000 after, 5.000 in the data") for line in said)
    assert any(line.startswith("with other rows, closeness (chrF) would likely be (95 %): 0.000 to 0.000 before, ") for line in said)
    assert any(line.startswith("Closest to your own answer: question ") for line in said)
    assert not any("macro" in line or "label" in line for line in said)


def test_labels() -> None:
    compared = [Compared("?", "happy", "no idea", "happy")] * 7 + [Compared("?", "sad", "sad", "happy")] + [Compared("?", "sad", "?", "sad")] * 4
    said = in_words(build_report(replace(TRIAL, labels=["happy", "happy", "sad"]), Asked(compared, 12), None))
    assert "right label: 0.083 before training, 0.917 after" in said
    table = said[said.index("your model, what it answered:") :].splitlines()
    assert table[1].split() == ["right", "label", "happy", "sad", "another", "text"]
    assert [line.split() for line in table[2:4]] == [["happy", "7", "0", "0"], ["sad", "1", "4", "0"]]
    assert "Sorted wrong: ?" in said


def test_code() -> None:
    function = "def f(x):\n    return x"
    compared = [Compared("?", function, "Sure.", function)] * 6
    said = in_words(build_report(TRIAL, Asked(compared, 6), None))
    assert "valid Python, of the answers that were not cut off: 0 of 6 before, 6 of 6 after" in said


def test_the_sample_is_said() -> None:
    report = build_report(TRIAL, texts(), None)
    some = {"tested": 40, "of": 212, "too_long": 0, "time_over": False}
    assert sample({**report, "sample": some}) == "Tested on 40 of the 212 rows set aside, drawn at random."
    over = sample({**report, "sample": {**some, "tested": 16, "time_over": True}, "where": IN_FILE})
    assert over == "Tested on 16 of the 212 rows in this file, drawn at random. More would have taken too long here."
    long = sample({**report, "sample": {"tested": 11, "of": 12, "too_long": 1, "time_over": False}})
    assert long == "Tested on all 11 rows set aside. 1 is longer than the longest row that it reads."
    assert sample({**report, "sample": {"tested": 1, "of": 1, "too_long": 0, "time_over": False}}) == "Tested on the one row set aside."
    assert sample(build_report(replace(TRIAL, rows=[]), Asked([], 0), None)) == ""


def test_what_is_kept_and_what_to_change_where_it_is_low() -> None:
    kept = build_report(TRIAL, texts(), None, Forgetting(2.0, 2.1, 97, 100))
    assert knowledge(kept) == "Still knows general things: 97 of 100 kept."
    low = knowledge(build_report(TRIAL, texts(), None, Forgetting(2.0, 4.0, 60, 100)))
    assert low.startswith("Still knows general things: 60 of 100 kept. That is low. Smaller changes (learning rate)")
    assert knowledge(build_report(TRIAL, texts(), None)) == ""


def test_an_earlier_versions_report_says_what_it_knows() -> None:
    said = in_words(completed(OLD)).splitlines()
    assert said[:2] == ["It learned.", "error: 2.500 before training, 1.250 after"]
    assert said[-1].startswith("Still knows general things: 60 of 100 kept. That is low.")
    assert completed(completed(OLD)) == completed(OLD)
    new = build_report(TRIAL, texts(), None)
    assert completed(new) == new and set(completed(OLD)) == set(new)
    assert set(completed(OLD)["base"]) == set(new["base"]) and set(completed(OLD)["answers"][0]) == set(new["answers"][0])


def test_what_a_model_wrote_cannot_move_a_terminals_cursor() -> None:
    said = in_words(build_report(TRIAL, texts(adapted="\x1b[2J\x07 gone\r\nnext"), None))
    assert "\x1b" not in said and "\x07" not in said and "[2J gone next" in said
