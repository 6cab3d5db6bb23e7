"""The answers worth reading first: the best, the worst, and the one that training changed most. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Marks:
    """Of one question: how close each side's answer is to the data's, and both sides' to each other; larger is closer."""

    base: float
    adapted: float
    alike: float


@dataclass(frozen=True)
class Picked:
    """Places among the answers, all different; None where no answer is left to show, or none of that kind."""

    best: int | None
    worst: int | None
    changed: int | None


def pick(marks: Sequence[Marks], perfect: float) -> Picked:
    """Best is the closest to the data's, of equal ones where the base model was furthest off. Worst is the furthest, of equal ones where the base
    was closest; none where even that is `perfect`. Changed most is that of the others whose two answers are least alike."""
    places = range(len(marks))
    best = max(places, key=lambda i: (marks[i].adapted, -marks[i].base), default=None)
    left = [i for i in places if i != best and marks[i].adapted < perfect]
    worst = min(left, key=lambda i: (marks[i].adapted, -marks[i].base), default=None)
    others = [i for i in places if i not in (best, worst) and marks[i].alike < perfect]
    return Picked(best, worst, min(others, key=lambda i: marks[i].alike, default=None))
