"""The numbers of a data set in tokens, against counting row by row; and the histogram's round borders."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from families import chat
from hypothesis import given
from hypothesis import strategies as st
from runs import conversations

from qlora_demo.data.conversation import Passage, Row, write_rows
from qlora_demo.data.counting import LISTED_PLACES, MOST_BUCKETS, Tally, counted, histogram, stream_rows
from qlora_demo.data.rendering import Renderer, load_tokenizer


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Renderer:
    return Renderer(load_tokenizer(tiny_folder), {})


def count(renderer: Renderer, rows: list[Row], max_length: int, cores: int = 2) -> Tally:
    return list(counted(renderer, rows, max_length, cores))[-1]


@pytest.mark.parametrize("cores", [1, 3])
def test_the_sums_are_those_of_every_row_alone(tiny: Renderer, cores: int) -> None:
    rows: list[Row] = [*conversations(700), Passage("the tide and the boat", "passage 1")]
    limit = 40
    rendered = [one for row in rows for one in tiny.render(row, limit)]
    whole = [len(tiny.render(row, 10**9)[0].input_ids) for row in rows]
    numbers = count(tiny, rows, limit, cores).to_json()
    assert numbers["total"] == sum(len(one.input_ids) for one in rendered)
    assert numbers["trained"] == sum(one.learned() for one in rendered)
    assert numbers["longest"] == max(whole)
    assert numbers["cut"] == sum(length > limit for length in whole)
    assert numbers["cut_rows"] == [row.source for row, length in zip(rows, whole, strict=True) if length > limit][:LISTED_PLACES]
    assert sum(rows for _, _, rows in numbers["histogram"]) == 701


def test_rows_in_which_nothing_is_left_to_learn_are_named(tiny: Renderer) -> None:
    long_question = chat("sea " * 100, "storm")
    row = type(long_question)(long_question.messages, "row 7")
    tally = count(tiny, [*conversations(3), row], 64)
    assert (tally.empty, tally.empty_rows) == (1, ["row 7"])
    assert (tally.cut, tally.cut_rows) == (1, ["row 7"])


def test_at_most_a_hundred_places_are_listed(tiny: Renderer) -> None:
    tally = count(tiny, list(conversations(150)), 2)
    assert (tally.cut, len(tally.cut_rows), tally.empty, len(tally.empty_rows)) == (150, 100, 150, 100)


def test_no_rows(tiny: Renderer, tmp_path: Path) -> None:
    numbers = count(tiny, list(stream_rows(tmp_path / "none.jsonl")), 64).to_json()
    assert numbers == {"total": 0, "trained": 0, "longest": 0, "cut": 0, "empty": 0, "histogram": [], "cut_rows": [], "empty_rows": []}


def test_rows_come_back_from_their_file_one_by_one(tmp_path: Path) -> None:
    rows: list[Row] = [*conversations(3), Passage("a\u2028b\x85c\nd", "passage 1")]
    write_rows(tmp_path / "rows.jsonl", rows)
    assert list(stream_rows(tmp_path / "rows.jsonl")) == rows


def test_the_rows_are_read_as_they_are_counted(tiny: Renderer) -> None:
    """Memory does not grow with the file: little more than one batch is read before the first is counted."""
    read = 0

    def rows():
        nonlocal read
        for row in conversations(1) * 20_000:
            read += 1
            yield row

    tallies = counted(tiny, rows(), 64, 2)
    next(tallies)
    assert read < 3_000
    tallies.close()


def test_a_histogram_has_round_borders() -> None:
    assert histogram(Counter({55: 2, 64: 1, 99: 3, 120: 1})) == [
        (50, 60, 2),
        (60, 70, 1),
        (70, 80, 0),
        (80, 90, 0),
        (90, 100, 3),
        (100, 110, 0),
        (110, 120, 0),
        (120, 130, 1),
    ]


def test_a_few_far_longer_rows_share_the_last_bucket() -> None:
    buckets = histogram(Counter({length: 100 for length in range(20, 100)} | {90_005: 1}))
    assert buckets[0] == (20, 30, 1000)
    assert buckets[-1] == (130, 90_010, 1)


@given(st.dictionaries(st.integers(1, 100_000), st.integers(1, 50), min_size=1, max_size=40))
def test_every_row_is_in_one_bucket(lengths: dict[int, int]) -> None:
    buckets = histogram(Counter(lengths))
    assert len(buckets) <= MOST_BUCKETS
    assert [begin for begin, _, _ in buckets[1:]] == [end for _, end, _ in buckets[:-1]]
    for begin, end, rows in buckets:
        assert rows == sum(count for length, count in lengths.items() if begin <= length < end)
    assert sum(rows for _, _, rows in buckets) == sum(lengths.values())
