"""Answers of the base model and of the trained one, both streamed: one model with an adapter, or two whole models.

With an adapter it is PEFT's mixed batch, one decoding loop for all rows.

`adapter_names=["__base__", name]` runs each row through the base weights and adds the adapter to its own row alone, so the base row is the
untouched base model: tests/models/test_pair.py holds it bit-equal to the same batch through the plain model. An exception inside `generate`
would leave PEFT's hooks behind and break every later call (peft 0.21, tuners/lora/model.py), so nothing here raises to stop: a
StoppingCriteria does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from qlora_demo.models.loading import causal_model

BASE = "__base__"
T = TypeVar("T")
TURN_TOKENS = 4
"""Two whole models answer in turns of so many tokens: often enough for both columns to grow, seldom enough to cost nothing."""
Prompts = Sequence[Sequence[int]]


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

    def done(self) -> bool:
        """Every row has come to its end."""
        return all(self._done)

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
    options = _options(tokenizer, ends, sampling, cancelled)
    with torch.inference_mode():
        model.generate(
            **pad_left([prompt for _, prompt in rows], tokenizer.pad_token_id, model.device),
            adapter_names=[name for name, _ in rows],
            max_new_tokens=sampling.max_new_tokens,
            streamer=streamer,
            **options,
        )
    return streamer.answers()


def _options(tokenizer: PreTrainedTokenizerBase, ends: frozenset[int], sampling: Sampling, cancelled: Callable[[], bool]) -> dict[str, Any]:
    """For `generate`; seeds the sampling."""
    options: dict[str, Any] = {"do_sample": False}
    if sampling.temperature > 0:
        torch.manual_seed(sampling.seed)
        options = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    stop = StoppingCriteriaList([Cancelled(cancelled)])
    return {**options, "pad_token_id": tokenizer.pad_token_id, "eos_token_id": sorted(ends), "stopping_criteria": stop, "use_cache": True}


@dataclass
class _Side:
    """One of two models with the answers it is giving; `ids` and `mask` are (rows, length so far)."""

    model: Any
    streamer: RowStreamer
    cache: DynamicCache
    ids: torch.Tensor
    mask: torch.Tensor

    def go_on(self, tokens: int, options: dict[str, Any]) -> None:
        """Up to so many tokens more for every row. A row that has ended goes on too, unheard."""
        read = self.ids.shape[1]
        self.ids = self.model.generate(
            input_ids=self.ids, attention_mask=self.mask, past_key_values=self.cache, max_new_tokens=tokens, **options
        )
        new = self.ids[:, read:]
        self.mask = torch.cat([self.mask, torch.ones_like(new)], dim=1)
        for column in new.T:
            self.streamer.put(column)


def answer_in_turns(
    models: Sequence[Any],
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompts],
    sampling: Sampling,
    emit: Callable[[int, str], None] = lambda row, text: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Answer]:
    """Each of `models` answers its own prompts; the models take turns. Rows are counted through, the first model's first.

    Each continues from its own cache, so its answers are those that it gives alone: tests/models/test_pair.py holds them equal.
    """
    ends = end_tokens(models[0], tokenizer)
    sides, before = [], 0
    for model, rows in zip(models, prompts, strict=True):
        streamer = RowStreamer(tokenizer, len(rows), ends, lambda row, text, first=before: emit(first + row, text))
        inputs = pad_left(rows, tokenizer.pad_token_id, model.device)
        streamer.put(inputs["input_ids"])
        sides.append(_Side(model, streamer, DynamicCache(config=model.config), inputs["input_ids"], inputs["attention_mask"]))
        before += len(rows)
    options = _options(tokenizer, ends, sampling, cancelled)
    with torch.inference_mode():
        for given in range(0, sampling.max_new_tokens, TURN_TOKENS):
            for side in sides:
                if not side.streamer.done() and not cancelled():
                    side.go_on(min(TURN_TOKENS, sampling.max_new_tokens - given), options)
    return [answer for side in sides for answer in side.streamer.answers()]


@dataclass(frozen=True)
class Pair:
    """Base and adapted model in memory: the same PEFT model with the name of its adapter, or two whole models and no adapter."""

    base: Any
    adapted: Any
    adapter: str = ""

    def answers(
        self,
        tokenizer: PreTrainedTokenizerBase,
        prompts: tuple[Prompts, Prompts],
        sampling: Sampling,
        emit: Callable[[int, str], None] = lambda row, text: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Answer]:
        """Of the base to the first prompts, then of the adapted model to the second; `emit` gets rows in that order."""
        if not self.adapter:
            return answer_in_turns((self.base, self.adapted), tokenizer, prompts, sampling, emit, cancelled)
        rows = [(BASE, p) for p in prompts[0]] + [(self.adapter, p) for p in prompts[1]]
        return answer_rows(self.base, tokenizer, rows, sampling, emit, cancelled)

    def both(self, measure: Callable[[PreTrainedModel], T]) -> tuple[T, T]:
        """What `measure` makes of (base, adapted), each given as the causal model itself."""
        adapted = measure(causal_model(self.adapted))
        if not self.adapter:
            return measure(self.base), adapted
        with self.base.disable_adapter():
            return measure(causal_model(self.base)), adapted
