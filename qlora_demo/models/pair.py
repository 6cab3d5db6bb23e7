"""Answers of two models side by side, both streamed: one batch where they are adapters of one model or its base, else two models in turns.

In one batch each row has its own adapter or none (`row_adapters`), so the base row is the untouched base model: tests/models/test_row_adapters.py
holds it bit-equal to the same batch through the plain model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qlora_demo.models.decoding import Answer, Answering, Sampling
from qlora_demo.models.loading import causal_model
from qlora_demo.models.reading import Memory
from qlora_demo.models.row_adapters import BASE, adapters_on_rows

__all__ = ["BASE", "Answer", "Pair", "Sampling", "Side", "answer_in_turns", "answer_rows", "answer_sides"]

T = TypeVar("T")
Prompts = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Side:
    """A model in evaluation mode, and for each of its rows the adapter (or BASE) and the prompt. `kept` is what it read before."""

    model: Any
    names: Sequence[str]
    prompts: Prompts
    kept: Memory | None = None


def answer_sides(
    sides: Sequence[Side],
    tokenizer: PreTrainedTokenizerBase,
    sampling: Sampling,
    emit: Callable[[int, str], None] = lambda row, text: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[list[Answer], list[Memory]]:
    """A token of each side in turn. Rows are counted through, the first side's first. Also what each side has read, to go on from.

    Nothing here raises to stop: `cancelled` is looked at before every step.
    """
    with torch.inference_mode(), ExitStack() as adapters:
        answering, before = [], 0
        for side in sides:
            adapters.enter_context(adapters_on_rows(side.model, side.names))
            shifted = lambda row, text, first=before: emit(first + row, text)  # noqa: E731
            answering.append(Answering(side.model, tokenizer, side.prompts, sampling, shifted, side.kept))
            before += len(side.prompts)
        for _ in range(sampling.max_new_tokens):
            for one in answering:
                if not one.done() and not cancelled():
                    one.step()
        return [answer for one in answering for answer in one.answers()], [one.memory() for one in answering]


def answer_rows(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[tuple[str, Sequence[int]]],
    sampling: Sampling,
    emit: Callable[[int, str], None] = lambda row, text: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Answer]:
    """Answers `rows` of (adapter name or BASE, prompt tokens) in one batch."""
    side = Side(model, [name for name, _ in rows], [prompt for _, prompt in rows])
    return answer_sides([side], tokenizer, sampling, emit, cancelled)[0]


def answer_in_turns(
    models: Sequence[Any],
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompts],
    sampling: Sampling,
    emit: Callable[[int, str], None] = lambda row, text: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Answer]:
    """Each of `models` answers its own prompts; the models take turns. Rows are counted through, the first model's first."""
    sides = [Side(model, [BASE] * len(rows), rows) for model, rows in zip(models, prompts, strict=True)]
    return answer_sides(sides, tokenizer, sampling, emit, cancelled)[0]


@dataclass(frozen=True)
class Pair:
    """Two models in memory: one PEFT model with the names of its adapters, or two models, of which either may be a PEFT model.

    `adapter` is the right column's, "" for none; `left` the left column's, BASE where it is the base model or a whole one. With `remembers` each
    question goes on from what the one before had read.
    """

    base: Any
    adapted: Any
    adapter: str = ""
    left: str = BASE
    remembers: bool = False
    _kept: list[Memory] = field(default_factory=list, repr=False, compare=False)

    def answers(
        self,
        tokenizer: PreTrainedTokenizerBase,
        prompts: tuple[Prompts, Prompts],
        sampling: Sampling,
        emit: Callable[[int, str], None] = lambda row, text: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Answer]:
        """Of the left model to the first prompts, then of the right one to the second; `emit` gets rows in that order."""
        kept = [*self._kept]
        self._kept.clear()  # its tensors change hands: after an exception there is nothing to go on from
        answers, memories = answer_sides(self._sides(prompts, kept), tokenizer, sampling, emit, cancelled)
        if self.remembers:
            self._kept.extend(memories)
        return answers

    def _sides(self, prompts: tuple[Prompts, Prompts], kept: list[Memory]) -> list[Side]:
        left, right = [self.left] * len(prompts[0]), [self.adapter or BASE] * len(prompts[1])
        if self.base is self.adapted:
            return [Side(self.base, [*left, *right], [*prompts[0], *prompts[1]], *kept)]
        memories = kept or [None, None]
        return [Side(self.base, left, prompts[0], memories[0]), Side(self.adapted, right, prompts[1], memories[1])]

    def both(self, measure: Callable[[PreTrainedModel], T]) -> tuple[T, T]:
        """What `measure` makes of (base, adapted), each given as the causal model itself."""
        adapted = measure(causal_model(self.adapted))
        if not self.adapter:
            return measure(self.base), adapted
        with self.base.disable_adapter():
            return measure(causal_model(self.base)), adapted
