"""Labels that are one label in several spellings ("Positive", "positive.")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def plain_label(label: str) -> str:
    """Equal for two spellings of one label: without capitals, without punctuation at the end."""
    folded = " ".join(label.casefold().split())
    return folded.rstrip(".,;:!? ") or folded


def spellings(labels: Iterable[str]) -> list[list[str]]:
    """The labels that are spelled in more than one way, each as the list of its spellings, in the order given."""
    found: dict[str, list[str]] = {}
    for label in labels:
        found.setdefault(plain_label(label), []).append(label)
    return [ways for ways in found.values() if len(ways) > 1]


def one_spelling(counts: Mapping[str, int]) -> dict[str, str]:
    """Each less common spelling of a label -> the most common one, the earlier of two that are equally common. Labels of one spelling are absent."""
    usual = {}
    for ways in spellings(counts):
        best = max(ways, key=lambda way: counts[way])
        usual.update({way: best for way in ways if way != best})
    return usual
