"""What both models say to a few general questions after training: some of what was kept, or lost, to be read."""

from __future__ import annotations

import time
from typing import Any

from qlora_demo.data.conversation import Message
from qlora_demo.data.rendering import Renderer
from qlora_demo.models.pair import Pair, Sampling

QUESTIONS = (
    "What is the capital of France?",
    "What is 7 plus 5?",
    "How many days are in a week?",
    "Name three colours.",
    "What is the opposite of hot?",
)
"""Knowledge, arithmetic, and doing as told; nothing of them is scored."""
LONGEST_ANSWER = 24
"""Tokens: enough to see whether it answers the question at all."""
SECONDS = 10.0
"""After these, which only a large model on a slow processor meets, the answers stay as far as they came, for both sides alike."""


def general_answers(pair: Pair, renderer: Renderer) -> list[dict[str, Any]]:
    """Question, base and adapted answer of each, greedy, asked as in chat."""
    began = time.monotonic()
    prompts = [renderer.prompt([Message("user", question)]) for question in QUESTIONS]
    said = pair.answers(renderer.tokenizer, (prompts, prompts), Sampling(LONGEST_ANSWER), cancelled=lambda: time.monotonic() - began > SECONDS)
    base, adapted = said[: len(prompts)], said[len(prompts) :]
    return [{"question": q, "base": b.text, "adapted": a.text} for q, b, a in zip(QUESTIONS, base, adapted, strict=True)]
