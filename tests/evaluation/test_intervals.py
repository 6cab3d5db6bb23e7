"""chrF from counts is sacrebleu's; intervals are the bootstrap's, the same each time, and cover as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sacrebleu.metrics import CHRF

from qlora_demo.evaluation.intervals import FEWEST_ROWS, corpus_chrf, intervals, ratio, share
from qlora_demo.evaluation.letters import chrf, counts

TEXTS = some.text(alphabet="ab cé船 \n.", max_size=14)


@settings(deadline=None)
@given(some.lists(some.tuples(TEXTS, TEXTS), min_size=1, max_size=6))
def test_chrf_of_counts_is_sacrebleus(pairs: list[tuple[str, str]]) -> None:
    answers, expected = [a for a, _ in pairs], [e for _, e in pairs]
    counted = counts(answers, expected)
    assert float(chrf(counted.sum(0))) == pytest.approx(CHRF().corpus_score(answers, [expected]).score, abs=1e-9)
    alone = [CHRF().sentence_score(a, [e]).score for a, e in pairs]
    assert chrf(counted).tolist() == pytest.approx(alone, abs=1e-9)


def test_a_drawn_corpus_scores_as_the_texts_of_it_would() -> None:
    answers, expected = ["a bird", "the sea at night", "tea"], ["a bird", "the see", "rope"]
    drawn = np.array([[1, 1, 1], [0, 3, 0], [2, 0, 1]])
    found = corpus_chrf(counts(answers, expected))(drawn)
    for score, times in zip(found, drawn, strict=True):
        texts = [(a, e) for a, e, n in zip(answers, expected, times, strict=True) for _ in range(n)]
        assert score == pytest.approx(CHRF().corpus_score([a for a, _ in texts], [[e for _, e in texts]]).score)


def test_shares_and_ratios_of_drawn_rows() -> None:
    drawn = np.array([[1, 1, 1], [3, 0, 0], [0, 2, 1]])
    assert share([True, False, True])(drawn).tolist() == pytest.approx([2 / 3, 1.0, 1 / 3])
    assert ratio([4.0, 1.0, 2.0], [2, 1, 4])(drawn).tolist() == pytest.approx([1.0, 2.0, 4 / 6])


def test_the_interval_of_a_share_is_about_the_binomials() -> None:
    """40 rows, 30 right: what 40 throws of a coin that falls right three times in four give in the middle 95 % of the cases."""
    right = [True] * 30 + [False] * 10
    found = intervals("accuracy", 40, share([False] * 40), share(right))
    chances = [math.comb(40, k) * 0.75**k * 0.25 ** (40 - k) for k in range(41)]
    below = np.cumsum(chances)
    low, high = int(np.searchsorted(below, 0.025)) / 40, int(np.searchsorted(below, 0.975)) / 40
    assert found["adapted"] == pytest.approx([low, high], abs=0.026)
    assert found["base"] == [0.0, 0.0] and found["difference"] == found["adapted"]
    assert (found["score"], found["rows"]) == ("accuracy", 40)
    assert intervals("accuracy", 40, share([False] * 40), share(right)) == found


def test_the_difference_is_of_the_same_rows() -> None:
    """Two sides that are right on the same rows but for one differ by that one, however much each alone may vary."""
    base, adapted = [True, False] * 20, [True, False] * 19 + [True, True]
    found = intervals("accuracy", 40, share(base), share(adapted))
    assert found["base"][1] - found["base"][0] > 0.25
    assert found["difference"][0] == 0.0 and found["difference"][1] <= 0.1


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    draw = np.random.default_rng(1)
    covered = 0
    for _ in range(40):
        right = (draw.random(60) < 0.7).tolist()
        low, high = intervals("accuracy", 60, share(right), share(right))["adapted"]
        covered += low <= 0.7 <= high
    assert 0.88 <= covered / 40 <= 1.0


def test_of_too_few_rows_there_is_none() -> None:
    few = FEWEST_ROWS - 1
    assert intervals("accuracy", few, share([True] * few), share([True] * few)) is None
