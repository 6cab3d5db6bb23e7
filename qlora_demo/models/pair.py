"""Answers of the base model and of adapters in one batch: PEFT's mixed batch, one decoding loop, every row streamed.

`adapter_names=["__base__", name]` runs each row through the base weights and adds the adapter to its own row alone, so the base row is the
untouched base model: tests/models/test_pair.py holds it bit-equal to the same batch through the plain model. An exception inside `generate`
would leave PEFT's hooks behind and break every later call (peft 0.21, tuners/lora/model.py), so nothing here raises to stop: a
StoppingCriteria does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

BASE = "__base__"


@dataclass(frozen=True)
class Sampling:
    """How to answer. `temperature` 0 is greedy: the same answer each time."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 0.9
    seed: int = 0


@dataclass(frozen=True)
class Answer:
    """One row's answer; `complete` is False where the length or a stop cut it."""

    text: str
    tokens: int
    complete: bool


class RowStreamer(BaseStreamer):
    """Calls `emit(row, new_text)`; text waits while a character is still spread over tokens to come."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, rows: int, ends: frozenset[int], emit: Callable[[int, str], None]):
        self._tokenizer, self._ends, self._emit = tokenizer, ends, emit
        self._tokens: list[list[int]] = [[] for _ in range(rows)]
        self._sent = [""] * rows
        self._done = [False] * rows
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        """The prompts once, (rows, length); then one token a row, (rows,)."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        for row, token in enumerate(value.tolist()):
            if self._done[row]:
                continue
            if token in self._ends:
                self._done[row] = True
            else:
                self._tokens[row].append(token)
            text = self._tokenizer.decode(self._tokens[row], skip_special_tokens=True)
            if text.endswith("\ufffd") and not self._done[row]:
                continue
            if len(text) > len(self._sent[row]):
                self._emit(row, text[len(self._sent[row]) :])
                self._sent[row] = text

    def end(self) -> None:
        """`generate` is done."""

    def answers(self) -> list[Answer]:
        texts = [self._tokenizer.decode(tokens, skip_special_tokens=True).strip() for tokens in self._tokens]
        return [Answer(text, len(tokens), done) for text, tokens, done in zip(texts, self._tokens, self._done, strict=True)]


class Cancelled(StoppingCriteria):
    """Ends every row once `asked()` is true."""

    def __init__(self, asked: Callable[[], bool]):
        self._asked = asked

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._asked(), device=input_ids.device, dtype=torch.bool)


def pad_left(prompts: Sequence[Sequence[int]], pad_id: int, device: Any) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask`, (rows, longest)."""
    width = max(map(len, prompts))
    ids = [[pad_id] * (width - len(p)) + list(p) for p in prompts]
    mask = [[0] * (width - len(p)) + [1] * len(p) for p in prompts]
    return {"input_ids": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}


def end_tokens(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Every token that ends an answer: the tokenizer's and those of the model's generation settings."""
    configured = model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*several, tokenizer.eos_token_id] if token is not None)


def answer_rows(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[tuple[str, Sequence[int]]],
    sampling: Sampling,
    emit: Callable[[int, str], None] = lambda row, text: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Answer]:
    """Answers `rows` of (adapter name or BASE, prompt tokens) in one batch. `model` is a PEFT model in evaluation mode."""
    ends = end_tokens(model, tokenizer)
    streamer = RowStreamer(tokenizer, len(rows), ends, emit)
    options: dict[str, Any] = {"do_sample": False}
    if sampling.temperature > 0:
        torch.manual_seed(sampling.seed)
        options = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    with torch.inference_mode():
        model.generate(
            **pad_left([prompt for _, prompt in rows], tokenizer.pad_token_id, model.device),
            adapter_names=[name for name, _ in rows],
            max_new_tokens=sampling.max_new_tokens,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=sorted(ends),
            streamer=streamer,
            stopping_criteria=StoppingCriteriaList([Cancelled(cancelled)]),
            use_cache=True,
            **options,
        )
    return streamer.answers()
