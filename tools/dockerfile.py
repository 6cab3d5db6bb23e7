"""Reads a Dockerfile into its steps."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One instruction: `word` is RUN, COPY, ...; `text` is the rest, its lines joined."""

    word: str
    text: str

    def arguments(self) -> tuple[dict[str, str], str]:
        """(options such as {"chown": "1000:1000"}, what follows them)."""
        options, rest = {}, self.text
        while found := re.match(r"--([\w-]+)=(\S+)\s+", rest):
            options[found[1]] = found[2]
            rest = rest[found.end() :]
        return options, rest


def read_steps(text: str) -> list[Step]:
    """The instructions in their order, without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines()]
