"""A report as lines for a terminal."""

from __future__ import annotations

from typing import Any

WORDS = {"loss": "error", "perplexity": "perplexity", "exact_match": "exactly right", "accuracy": "right label", "chrf": "closeness (chrF)"}


def in_words(report: dict[str, Any]) -> str:
    """The verdict, the numbers behind it, what is still known, and what would help as an option of `train`."""
    known = [(word, report["base"][name], report["adapted"][name]) for name, word in WORDS.items() if report["base"][name] is not None]
    lines = [report["verdict"], *(f"{word}: {base:.3f} before training, {adapted:.3f} after" for word, base, adapted in known)]
    kept, advice = report["forgetting"], report["advice"]
    if kept:
        lines.append(f"general knowledge: {kept['kept']} of {kept['of']} kept")
    if advice:
        lines.append(f"{advice['button']}: " + " ".join(f"--set {name}={value}" for name, value in advice["changes"].items()))
    return "\n".join(lines)
