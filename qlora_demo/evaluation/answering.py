"""Questions answered by base and adapted model, greedily and side by side: many where an answer is a label, few where it is a text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch

from qlora_demo.data.conversation import Conversation
from qlora_demo.data.rendering import Renderer
from qlora_demo.evaluation.scores import Compared
from qlora_demo.models.pair import Pair, Sampling

QUESTIONS, LABELLED = 10, 200
"""Ten texts are what a person reads, take two processor cores about eight seconds, and tell 8 wins to 1 from luck; labels are done forty times as
fast, and a share of right ones needs many: of 200 it is known to seven points."""
LONGEST_ANSWER, SPARE_TOKENS = 96, 4
SORTING_SECONDS, LONGEST_SECONDS = 20.0, 300.0
"""After the first no more labels are asked for. After the second, which only a large model on a slow processor meets, an answer in progress is cut,
for both sides alike."""
BATCH_ROWS, BATCH_TOKENS = 16, 4096
"""A batch has at most so many questions, or so many tokens of them, padding counted."""
SEED = 0


def compare(pair: Pair, renderer: Renderer, rows: Sequence[Conversation], max_length: int, sorts: bool) -> list[Compared]:
    """What both sides say to some of `rows`, drawn at random where there are more than are asked; in the order of `rows`.

    A question longer than `max_length` tokens is not asked: such a one was never learned from.
    """
    began = time.monotonic()
    prompts = {i: renderer.prompt(rows[i].prompt()) for i in drawn(len(rows), LABELLED if sorts else QUESTIONS)}
    chosen = [i for i, prompt in prompts.items() if len(prompt) <= max_length]
    if not chosen:
        return []
    sampling = Sampling(max_new_tokens=_longest(renderer, [rows[i].answer() for i in chosen], sorts))
    answered: dict[int, Compared] = {}
    for batch in _batches(chosen, {i: len(prompt) for i, prompt in prompts.items()}):
        if answered and time.monotonic() - began > (SORTING_SECONDS if sorts else LONGEST_SECONDS):
            print(f"{len(answered)} of {len(chosen)} questions asked: the others would take too long here.", flush=True)
            break
        asked = [prompts[i] for i in batch]
        answers = pair.answers(renderer.tokenizer, (asked, asked), sampling, cancelled=lambda: time.monotonic() - began > LONGEST_SECONDS)
        for i, base, adapted in zip(batch, answers[: len(batch)], answers[len(batch) :], strict=True):
            answered[i] = Compared(rows[i].question(), rows[i].answer(), base.text, adapted.text)
    return [answered[i] for i in sorted(answered)]


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
