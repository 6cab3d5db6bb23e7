"""A conversation as a file to keep: Markdown to read, JSON for programs. What was said is data in both."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

SCHEMA = 1


@dataclass(frozen=True)
class Told:
    """Whose answers these are, and what both models were told before."""

    name: str
    model: str
    method: str
    instruction: str
    when: str
    other: str = ""
    """The model that answers in the base model's place; "" for the base model."""


def markdown(told: Told, turns: Sequence[Sequence[str]]) -> str:
    """Every text stands in a fence that is longer than any inside it, so that it is read as it was written."""
    left = f"{code(told.other)}:" if told.other else "Base model:"
    parts = [f"# Chat with {code(told.name)}", f"Base model: {code(told.model)}. Trained with {told.method}. Saved on {told.when}."]
    if told.instruction.strip():
        parts += ["Instruction to both:", fenced(told.instruction)]
    for number, (question, base, yours) in enumerate(turns, 1):
        parts += [f"## Question {number}", fenced(question), left, fenced(base), "Your model:", fenced(yours)]
    return "\n\n".join(parts) + "\n"


def data(told: Told, turns: Sequence[Sequence[str]]) -> str:
    """One JSON object."""
    left = "other" if told.other else "base"
    said = [{"question": question, left: answer, "yours": yours} for question, answer, yours in turns]
    about = {"name": told.name, "base_model": told.model, "method": told.method, "instruction": told.instruction, "saved": told.when}
    about |= {"compared_with": told.other} if told.other else {}
    return json.dumps({"schema": SCHEMA, **about, "turns": said}, ensure_ascii=False, indent=1) + "\n"


def fenced(text: str) -> str:
    """A code block."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{text}\n{fence}"


def code(text: str) -> str:
    """The same inside a line."""
    fence = "`" * (_longest_run(text) + 1)
    return f"{fence} {' '.join(text.split())} {fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
