"""How far a score could be from what other rows would have given: bootstrap intervals. Pure.

The rows tested are drawn again and again, with replacement, and scored each time; the middle 95 % of the scores are the interval (the percentile
bootstrap, Efron 1979). Both sides are scored on the same drawn rows, so the interval of their difference knows that some rows are hard for both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qlora_demo.evaluation.letters import chrf

SAMPLES, SEED = 2000, 0
MIDDLE = (2.5, 97.5)
"""Percentiles: 95 % lie between them."""
FEWEST_ROWS = 5
"""Drawn again and again, fewer rows show mostly themselves."""
Statistic = Callable[[np.ndarray], np.ndarray]
"""Scores of samples from (samples, rows): how often each row was drawn."""


def intervals(score: str, rows: int, base: Statistic, adapted: Statistic) -> dict[str, Any] | None:
    """Of one score for both sides and for what the adapted model is ahead by, as [low, high]. The same each time; None of too few rows."""
    if rows < FEWEST_ROWS:
        return None
    drawn = np.random.default_rng(SEED).multinomial(rows, np.full(rows, 1 / rows), SAMPLES)
    before, after = base(drawn), adapted(drawn)
    return {"score": score, "rows": rows, "base": _middle(before), "adapted": _middle(after), "difference": _middle(after - before)}


def _middle(scores: np.ndarray) -> list[float]:
    return [float(edge) for edge in np.percentile(scores, MIDDLE)]


def share(truths: Sequence[bool]) -> Statistic:
    """The share of rows that are true."""
    values = np.array(truths, float)
    return lambda drawn: drawn @ values / len(values)


def ratio(above: Sequence[float], below: Sequence[float]) -> Statistic:
    """A sum over a sum, such as loss over tokens."""
    over, under = np.array(above, float), np.array(below, float)
    return lambda drawn: (drawn @ over) / (drawn @ under)


def corpus_chrf(counted: np.ndarray) -> Statistic:
    """chrF of all answers together, from `letters.counts`."""
    return lambda drawn: chrf(drawn @ counted)
