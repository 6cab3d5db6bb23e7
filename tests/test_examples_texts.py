"""The two examples made of texts: summaries in one manner, and one subject whose facts agree."""

from __future__ import annotations

import json

import pytest

from qlora_demo.examples import FOLDER

ROWS = [json.loads(line) for line in (FOLDER / "summaries.jsonl").read_text(encoding="utf-8").splitlines()]
TITLE, *PASSAGES = (FOLDER / "subject.txt").read_text(encoding="utf-8").strip().split("\n\n")
FACTS = ("Agnes Torrel", "760 millimetres", "1,486 metres", "Bramble", "Thistle", "Old Martin", "1923", "arley dumplings", "Tarn Bridge")


def first_words(text: str, count: int) -> str:
    return " ".join(text.split()[:count])


def test_every_summary_is_one_short_sentence() -> None:
    assert 60 <= len(ROWS) <= 200
    for row in ROWS:
        assert list(row) == ["article", "summary"]
        article, summary = row["article"].split(), row["summary"].split()
        assert len(summary) <= 22 and 3 * len(summary) < len(article), row["summary"]
        assert row["summary"].endswith(".") and ". " not in row["summary"]
        assert not row["summary"].startswith("This ")
        assert 50 <= len(article) <= 140


def test_no_two_articles_begin_alike() -> None:
    assert len({first_words(row["article"], 5) for row in ROWS}) == len(ROWS)
    assert len({first_words(row["summary"], 3) for row in ROWS}) > 0.9 * len(ROWS)


def test_the_subject_is_told_in_passages_of_one_size() -> None:
    assert TITLE == "The Hollin Valley Railway"
    assert 60 <= len(PASSAGES) <= 200 and len(set(PASSAGES)) == len(PASSAGES)
    assert all(30 <= len(passage.split()) <= 95 for passage in PASSAGES)


@pytest.mark.parametrize("fact", FACTS)
def test_what_matters_is_met_several_times(fact: str) -> None:
    assert sum(fact in passage for passage in PASSAGES) >= 3
