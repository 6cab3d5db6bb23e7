"""How often each of two sides was ahead, and whether such a lead could be luck. Imports nothing, so that the page can use it too."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

LUCK = 0.05
"""A lead that chance alone gives more often than this could be luck."""


@dataclass(frozen=True)
class Tally:
    """On how many rows each side is ahead, and on how many neither is."""

    won: int
    lost: int
    ties: int

    @classmethod
    def of(cls, gains: Iterable[float]) -> Tally:
        """From what the adapted model is ahead by on each row; negative where it is behind."""
        signs = Counter((gain > 0) - (gain < 0) for gain in gains)
        return cls(signs[1], signs[-1], signs[0])

    def p_value(self) -> float:
        """Of the one-sided sign test: how often so many wins come by chance where both sides are equally good. Ties say nothing.

        One-sided, since what is asked is whether training helped; that it harmed is told from the counts. Two-sided, a set of five rows aside, which
        small data has, could never show anything. The sign test, since scores of different questions have no common scale.
        """
        rows = self.won + self.lost
        return sum(math.comb(rows, won) for won in range(self.won, rows + 1)) / 2**rows

    def luck(self) -> bool:
        return self.p_value() > LUCK
