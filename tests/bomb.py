"""A pickle that does something where it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Bomb:
    """Makes a file."""

    def __init__(self, marker: Path):
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self._marker), "w")
