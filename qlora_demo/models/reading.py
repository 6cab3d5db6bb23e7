"""What a model has read, kept from one question to the next: keys and values of every row, moved to where the next batch needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer


@dataclass(frozen=True)
class Memory:
    """`mask` (rows, columns) is 1 where the cache holds a token of the row; `tokens` are these tokens, in order."""

    cache: DynamicCache
    mask: torch.Tensor
    tokens: list[list[int]]

    def known(self, prompts: Sequence[Sequence[int]]) -> list[int]:
        """How many tokens of each prompt need not be read again: all but the last at most, as the answer begins with what is said after it."""
        return [_agreeing(read, prompt[:-1]) for read, prompt in zip(self.tokens, prompts, strict=True)]

    def holds(self, prompts: Sequence[Sequence[int]]) -> bool:
        """Whether any of the prompts was read whole before."""
        return any(read[: len(prompt)] == list(prompt) for read, prompt in zip(self.tokens, prompts, strict=True))

    def moved(self, known: Sequence[int]) -> Start:
        """The first `known` tokens of each row side by side, padded on the left to the longest. The cache's own tensors are let go."""
        width, device = max(known), self.mask.device
        place = torch.zeros(len(known), width, dtype=torch.long, device=device)
        mask = torch.zeros_like(place)
        for row, count in enumerate(known):
            place[row, width - count :] = self.mask[row].nonzero()[:count, 0]
            mask[row, width - count :] = 1
        index = place[:, None, :, None]
        for layer in self.cache.layers:
            layer.keys = layer.keys.take_along_dim(index, dim=2)
            layer.values = layer.values.take_along_dim(index, dim=2)
        return Start(self.cache, mask, list(known))


@dataclass(frozen=True)
class Start:
    """Where reading begins: a cache, the mask of its columns, and how many tokens of each row it holds."""

    cache: DynamicCache
    mask: torch.Tensor
    known: list[int]


def begin(model: PreTrainedModel, prompts: Sequence[Sequence[int]], kept: Memory | None) -> Start:
    """From what is `kept`, where that leaves at most half of the longest prompt to read; else from nothing.

    Layers that forget what lies too far back (sliding windows) cannot be moved: such models read everything again. So is a question that is asked
    once more: in 16 bits the last bits of what is kept are others than those of reading anew, and the same question is to get the same answer.
    """
    if kept is not None and not kept.holds(prompts) and all(type(layer) is DynamicLayer for layer in kept.cache.layers):
        known = kept.known(prompts)
        left = max(len(prompt) - count for prompt, count in zip(prompts, known, strict=True))
        if 2 * left <= max(map(len, prompts)):
            return kept.moved(known)
    if kept is not None:
        kept.cache.layers.clear()  # not beside what is read now
    nothing = torch.zeros(len(prompts), 0, dtype=torch.long, device=model.device)
    return Start(DynamicCache(config=model.config), nothing, [0] * len(prompts))


def pad_left(prompts: Sequence[Sequence[int]], pad_id: int, device: Any) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask`, (rows, longest)."""
    width = max(map(len, prompts))
    ids = [[pad_id] * (width - len(p)) + list(p) for p in prompts]
    mask = [[0] * (width - len(p)) + [1] * len(p) for p in prompts]
    return {"input_ids": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}


def _agreeing(read: Sequence[int], prompt: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(read, prompt, strict=False)))
