"""Questions answered by base and adapted model, greedily and side by side: many where an answer is a label, fewer where it is a text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from qlora_demo.data.conversation import Conversation
from qlora_demo.data.rendering import Renderer
from qlora_demo.evaluation.scores import Compared
from qlora_demo.models.pair import Pair, Sampling

QUESTIONS, LABELLED = 40, 200
"""Texts and labels that are asked for at most. Ten texts take two processor cores about eight seconds and tell 8 wins to 1 from luck; labels are done
forty times as fast, and a share of right ones needs many: of 200 it is known to seven points."""
LONGEST_ANSWER, SPARE_TOKENS = 96, 4
TEXT_SECONDS, SORTING_SECONDS, LONGEST_SECONDS = 12.0, 20.0, 300.0
"""After the first no more texts are asked for, after the second no more labels. After the third, which only a large model on a slow processor
meets, an answer in progress is cut, for both sides alike."""
BATCH_ROWS, BATCH_TOKENS = 16, 4096
"""A batch has at most so many questions, or so many tokens of them, padding counted."""
SEED = 0


@dataclass(frozen=True)
class Asked:
    """Both sides' answers to some of `of` rows, in the order of those. `too_long` are not asked; with `time_over`, fewer than were to be."""

    compared: list[Compared]
    of: int
    too_long: int = 0
    time_over: bool = False


def compare(pair: Pair, renderer: Renderer, rows: Sequence[Conversation], max_length: int, sorts: bool) -> Asked:
    """What both sides say to some of `rows`, drawn at random where there are more than are asked.

    A question longer than `max_length` tokens is not asked: such a one was never learned from.
    """
    began = time.monotonic()
    prompts = {i: renderer.prompt(rows[i].prompt()) for i in drawn(len(rows), LABELLED if sorts else QUESTIONS)}
    chosen = [i for i, prompt in prompts.items() if len(prompt) <= max_length]
    if not chosen:
        return Asked([], len(rows), len(prompts))
    sampling = Sampling(max_new_tokens=_longest(renderer, [rows[i].answer() for i in chosen], sorts))
    answered: dict[int, Compared] = {}
    for batch in _batches(chosen, {i: len(prompt) for i, prompt in prompts.items()}):
        if answered and time.monotonic() - began > (SORTING_SECONDS if sorts else TEXT_SECONDS):
            print(f"{len(answered)} of {len(chosen)} questions asked: the others would take too long here.", flush=True)
            break
        asked = [prompts[i] for i in batch]
        answers = pair.answers(renderer.tokenizer, (asked, asked), sampling, cancelled=lambda: time.monotonic() - began > LONGEST_SECONDS)
        for i, base, adapted in zip(batch, answers[: len(batch)], answers[len(batch) :], strict=True):
            answered[i] = Compared(rows[i].question(), rows[i].answer(), base.text, adapted.text, i, base.complete, adapted.complete)
    cut = time.monotonic() - began > LONGEST_SECONDS
    return Asked([answered[i] for i in sorted(answered)], len(rows), len(prompts) - len(chosen), cut or len(answered) < len(chosen))


def drawn(count: int, most: int) -> list[int]:
    """In random order, so that those that are asked before the time is over speak for all; the same each time."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(SEED)).tolist()[:most]


def _longest(renderer: Renderer, answers: Sequence[str], sorts: bool) -> int:
    """Tokens an answer may have: twice the longest in the data, for a label a few more than the longest, so that a longer one is seen to be none."""
    longest = max(len(ids) for ids in renderer.tokenizer(list(answers))["input_ids"])
    return longest + SPARE_TOKENS if sorts else min(LONGEST_ANSWER, 2 * longest + 8)


def _batches(order: Sequence[int], lengths: dict[int, int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for i in order:
        widest = max(lengths[j] for j in (*batch, i))
        if batch and (len(batch) == BATCH_ROWS or widest * (len(batch) + 1) > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
