"""The data sets that come with the app."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qlora_demo.errors import NotFoundError

FOLDER = Path(__file__).resolve().parent.parent / "examples"


@dataclass(frozen=True)
class Example:
    """`title` and `text` are the two lines of its card."""

    id: str
    file: str
    title: str
    text: str

    def path(self) -> Path:
        return FOLDER / self.file


EXAMPLES = (
    Example("character", "character.jsonl", "A character", "talks as somebody you have never met"),
    Example("sentiment", "sentiment.csv", "Happy or unhappy", "sorts what customers wrote"),
    Example("summary", "summaries.jsonl", "Summaries", "says a notice in one sentence"),
    Example("code", "python.json", "Small Python", "writes short functions in one manner"),
    Example("subject", "subject.txt", "One subject, from a text", "knows a railway that never was"),
)


def find_example(example_id: str) -> Example:
    """Raises NotFoundError."""
    for example in EXAMPLES:
        if example.id == example_id:
            return example
    raise NotFoundError(f"There is no example called {example_id!r}.")
