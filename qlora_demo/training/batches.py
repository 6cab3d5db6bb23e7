"""The optimizer steps of a run as a pure function of lengths, batch size, seed and epochs.

Micro-batches and ranks only split a step. Resume, halving after out-of-memory and several processes rest on this: step 57 has the same rows
on every machine and in every attempt. (The Trainer's own length grouping draws from the global generator: after a resume its order differs.)
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

Step = tuple[int, ...]


def plan(lengths: Sequence[int], batch_size: int, seed: int, epochs: float) -> list[Step]:
    """The row indices of every optimizer step.

    Rows of similar length share a step, so that little is padded; steps come in random order; every row once an epoch. The first step of all
    holds the longest row: it shows at once whether the run fits in memory.
    """
    per_epoch = math.ceil(len(lengths) / batch_size)
    steps: list[Step] = []
    for epoch in range(math.ceil(epochs)):
        steps += _epoch(lengths, batch_size, random.Random(f"{seed}/{epoch}"))
    longest = max(range(len(lengths)), key=lambda row: lengths[row])
    first = next(i for i, step in enumerate(steps) if longest in step)
    steps.insert(0, steps.pop(first))
    return steps[: max(1, round(per_epoch * epochs))]


def _epoch(lengths: Sequence[int], batch_size: int, rng: random.Random) -> list[Step]:
    order = list(range(len(lengths)))
    rng.shuffle(order)
    # Sorted within chunks of some steps only: all-sorted would put the same rows together in every epoch.
    chunk = batch_size * 16
    steps = []
    for start in range(0, len(order), chunk):
        rows = sorted(order[start : start + chunk], key=lambda row: lengths[row])
        steps += [tuple(rows[i : i + batch_size]) for i in range(0, len(rows), batch_size)]
    rng.shuffle(steps)
    return steps


def deal(step: Step, lengths: Sequence[int], ranks: int) -> list[Step]:
    """Each process's rows of a step: the longest first, always to the one with the fewest tokens so far. One gets none where rows are too few."""
    shares: list[list[int]] = [[] for _ in range(ranks)]
    for row in sorted(step, key=lambda row: -lengths[row]):
        min(shares, key=lambda share: sum(lengths[i] for i in share)).append(row)
    return [tuple(share) for share in shares]


def split(step: Step, lengths: Sequence[int], micro_batch_size: int, tokens_at_once: int = 0) -> list[Step]:
    """A step's micro-batches, longest rows first: if one does not fit, the first already shows it.

    Each has at most `micro_batch_size` rows and, where `tokens_at_once` is not 0, at most so many tokens with its padding; a longer row comes alone.
    """
    groups: list[list[int]] = []
    for row in sorted(step, key=lambda row: -lengths[row]):
        widest = lengths[groups[-1][0]] if groups else 0
        full = not groups or len(groups[-1]) == micro_batch_size or 0 < tokens_at_once < widest * (len(groups[-1]) + 1)
        if full:
            groups.append([])
        groups[-1].append(row)
    return [tuple(group) for group in groups]
