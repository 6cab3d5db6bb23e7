"""Watch it learn: three questions that are answered before training and again after each evaluation during it.

Asking leaves no trace in training: no gradient, no random number, every mode as it was. tests/evaluation/test_watching.py holds a training with
it bit-equal to one without.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from qlora_demo.data.conversation import Conversation, Passage, Row
from qlora_demo.data.rendering import Renderer
from qlora_demo.models.decoding import end_tokens
from qlora_demo.models.fused_answers import greedy
from qlora_demo.models.fused_decoder import FusedDecoder
from qlora_demo.models.reading import pad_left

QUESTIONS = 3
LONGEST_ANSWER, LONGEST_QUESTION = 48, 1024
"""Tokens."""
SECONDS = 6.0
"""After these, the answers stay as far as they came: nobody waits for them, and training does."""
FIRST_WORDS, MOST_EXPECTED = 12, 40
"""How many words of a passage are given to go on from, and how many of those that follow are shown."""


@dataclass(frozen=True)
class Question:
    """What people read of it, and the tokens that the model reads."""

    question: str
    expected: str
    set_aside: bool
    prompt: tuple[int, ...]

    def shown(self) -> dict[str, Any]:
        """For the event that begins it."""
        return {"question": self.question, "expected": self.expected, "set_aside": self.set_aside}


def choose(renderer: Renderer, held_out: Sequence[Row], learned: Sequence[Row]) -> list[Question]:
    """Three different questions spread over the rows set aside; where those have fewer, the rest from the rows that are learned."""
    chosen: dict[str, Question] = {}
    for rows, set_aside in ((held_out, True), (learned, False)):
        for row in _spread(rows):
            question = _question(renderer, row, set_aside)
            if len(chosen) < QUESTIONS and len(question.prompt) <= LONGEST_QUESTION:
                chosen.setdefault(question.question, question)
    return list(chosen.values())


def _spread(rows: Sequence[Row]) -> list[Row]:
    """A few more than are asked, evenly spread, since some may be too long or equal."""
    wanted = min(len(rows), 2 * QUESTIONS)
    places = [i * len(rows) // wanted for i in range(wanted)]
    return [rows[i] for i in (*places[::2], *places[1::2])]


def _question(renderer: Renderer, row: Row, set_aside: bool) -> Question:
    if isinstance(row, Conversation):
        return Question(row.question(), row.answer(), set_aside, tuple(renderer.prompt(row.prompt())))
    start, rest = _beginning(row)
    (prompt,) = renderer.encoder.encode([renderer.encoder.hide(start)])
    return Question(start, rest, set_aside, prompt)


def _beginning(passage: Passage) -> tuple[str, str]:
    """(its first words, those that follow); where words are not set apart, a third of it."""
    text = passage.text.strip()
    words = list(re.finditer(r"\S+", text))
    if len(words) < 2 * FIRST_WORDS:
        cut = max(1, len(text) // 3)
        return text[:cut], text[cut:].strip()
    cut, end = words[FIRST_WORDS - 1].end(), words[min(len(words), FIRST_WORDS + MOST_EXPECTED) - 1].end()
    return text[:cut], text[cut:end].strip()


@dataclass(frozen=True)
class Watching:
    """`model` is the causal model itself, adapter layers inside it; `write` is the run's EventWriter's. `decoder` gives the fused one that makes the
    gradients, where there is one: it answers in half the time."""

    model: Any
    renderer: Renderer
    questions: Sequence[Question]
    write: Callable[..., None]
    decoder: Callable[[], FusedDecoder | None] = lambda: None

    def __call__(self, step: int) -> None:
        """Answers all in one batch, as the model is now, and writes them down. Step 0 is before training."""
        for index, answer in enumerate(self.answers(of_base=step == 0)):
            self.write("sample", step, index=index, answer=answer)

    def answers(self, of_base: bool = False) -> list[str]:
        """`of_base` tells the fused decoder, which knows nothing of PEFT's switches; whoever asks has switched the adapter off."""
        prompts, began = [question.prompt for question in self.questions], time.monotonic()
        ends = end_tokens(self.model, self.renderer.tokenizer)
        decoder = self.decoder()
        if decoder is None:
            tokens = self._generated(prompts, ends, lambda: time.monotonic() - began > SECONDS)
        else:
            tokens = greedy(decoder, prompts, ends, LONGEST_ANSWER, not of_base, lambda: time.monotonic() - began > SECONDS)
        return [self.renderer.text(row) for row in tokens]

    def _generated(self, prompts: Sequence[Sequence[int]], ends: frozenset[int], cancelled: Callable[[], bool]) -> list[list[int]]:
        inputs = pad_left(prompts, self.renderer.tokenizer.pad_token_id, self.model.device)
        was_training = self.model.training
        self.model.eval()
        with torch.no_grad():  # not inference_mode: a tensor that a layer keeps must be fit for the next backward pass
            tokens = self.model.generate(
                **inputs,
                max_new_tokens=LONGEST_ANSWER,
                do_sample=False,
                use_cache=True,
                pad_token_id=self.renderer.tokenizer.pad_token_id,
                eos_token_id=sorted(ends),
                stopping_criteria=StoppingCriteriaList([Ended(cancelled)]),
            )
        self.model.train(was_training)
        return tokens[:, inputs["input_ids"].shape[1] :].tolist()


class Ended(StoppingCriteria):
    """Ends every row of a `generate` once `asked()` is true. Nothing raises inside it: PEFT would be left as it was in there."""

    def __init__(self, asked: Callable[[], bool]):
        self._asked = asked

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return torch.full((input_ids.shape[0],), self._asked(), device=input_ids.device, dtype=torch.bool)
