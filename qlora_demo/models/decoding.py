"""Answers of one model to several rows, a token a row at each step: the model's own forward pass, in a loop of our own.

transformers' `generate` costs a few milliseconds a token more, cannot go on from what was read for an earlier question in rows of different lengths,
and must not be left by an exception. tests/models/test_decoding.py holds the tokens equal to its.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from qlora_demo.models.loading import causal_model
from qlora_demo.models.reading import Memory, begin, pad_left

LIKELY = 256
"""Words that are looked at before all are sorted: nearly always they hold `top_p` of the probability."""
UNFINISHED = "\ufffd"
"""What a tokenizer gives for a character whose other bytes are yet to come."""


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


class Choice:
    """Chooses the next token of each row. All rows, and both models of a pair, meet the same chances: what differs is what the models say."""

    def __init__(self, sampling: Sampling):
        self._temperature, self._top_p = sampling.temperature, sampling.top_p
        self._chance = torch.Generator().manual_seed(sampling.seed)

    def __call__(self, logits: torch.Tensor) -> list[int]:
        """Of (rows, vocabulary)."""
        logits = logits.float()
        if self._temperature <= 0:
            return logits.argmax(-1).tolist()
        probable, tokens = self._likely(torch.softmax(logits / self._temperature, dim=-1))
        reached = probable.cumsum(-1)
        kept = reached - probable < self._top_p  # the fewest that hold top_p together
        kept[:, 0] = True
        count = kept.sum(-1, keepdim=True)
        chance = torch.rand(1, generator=self._chance).item()
        place = torch.searchsorted(reached, chance * reached.gather(1, count - 1), right=True).minimum(count - 1)
        return tokens.gather(1, place)[:, 0].tolist()

    def _likely(self, probabilities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The likeliest first: as many as hold `top_p`, and perhaps more."""
        probable, tokens = probabilities.topk(min(LIKELY, probabilities.shape[-1]), dim=-1)
        if bool((probable.sum(-1) < self._top_p).any()):
            return probabilities.sort(dim=-1, descending=True)
        return probable, tokens


class RowText:
    """One row's tokens as text that grows; a character that is still spread over tokens to come waits."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, emit: Callable[[str], None]):
        self._tokenizer, self._emit = tokenizer, emit
        self.tokens: list[int] = []
        self.ended = False
        self._sent = ""

    def add(self, token: int, ends: frozenset[int]) -> None:
        if token in ends:
            self.ended = True
        else:
            self.tokens.append(token)
        text = self._text()
        if len(text) > len(self._sent) and (self.ended or not text.endswith(UNFINISHED)):
            self._emit(text[len(self._sent) :])
            self._sent = text

    def answer(self) -> Answer:
        return Answer(self._text().strip(), len(self.tokens), self.ended)

    def _text(self) -> str:
        return self._tokenizer.decode(self.tokens, skip_special_tokens=True)


def end_tokens(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Every token that ends an answer: the tokenizer's and those of the model's generation settings."""
    configured = model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*several, tokenizer.eos_token_id] if token is not None)


class Answering:
    """One model's rows while they are answered. `kept` is what it read for an earlier question: it goes on from there where the prompts do."""

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        emit: Callable[[int, str], None],
        kept: Memory | None = None,
    ):
        self._model = causal_model(model)
        self._ends, self._choice = end_tokens(model, tokenizer), Choice(sampling)
        self._prompts = prompts
        self._texts = [RowText(tokenizer, lambda text, row=row: emit(row, text)) for row in range(len(prompts))]
        start = begin(self._model, prompts, kept)
        rest = pad_left([prompt[known:] for prompt, known in zip(prompts, start.known, strict=True)], tokenizer.pad_token_id, self._model.device)
        self._cache, self._next = start.cache, rest["input_ids"]
        self._width = start.mask.shape[1]
        answer = torch.ones(len(prompts), sampling.max_new_tokens, dtype=torch.long, device=self._model.device)
        self._mask = torch.cat([start.mask, rest["attention_mask"], answer], dim=1)
        known = torch.tensor(start.known, device=self._model.device)[:, None]
        self._positions = (known + rest["attention_mask"].cumsum(-1) - 1).clamp_(min=0)

    def step(self) -> None:
        """One token more for every row. A row that has ended goes on too, unheard, so that the others' batch stays the same."""
        self._width += self._next.shape[1]
        logits = self._model(
            input_ids=self._next,
            attention_mask=self._mask[:, : self._width],
            position_ids=self._positions,
            cache=self._cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits
        tokens = self._choice(logits[:, -1])
        for row, (text, token) in enumerate(zip(self._texts, tokens, strict=True)):
            if not text.ended:
                text.add(token, self._ends)
                if text.ended:
                    self._mask[row, self._width :] = 0  # what it goes on to read is nothing to look back at
        self._next = torch.tensor(tokens, device=self._next.device)[:, None]
        self._positions = self._positions[:, -1:] + 1

    def done(self) -> bool:
        """Every row has come to its end."""
        return all(text.ended for text in self._texts)

    def answers(self) -> list[Answer]:
        return [text.answer() for text in self._texts]

    def memory(self) -> Memory:
        """What was read so far: each prompt and, but for a last token, its answer."""
        mask = self._mask[:, : self._width]
        said = ([*prompt, *text.tokens] for prompt, text in zip(self._prompts, self._texts, strict=True))
        return Memory(self._cache, mask, [tokens[:count] for tokens, count in zip(said, mask.sum(-1).tolist(), strict=True)])
