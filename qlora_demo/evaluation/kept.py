"""How much general knowledge is left after training. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

KEPT_SHARE = 0.85
"""Less general knowledge kept than this is told as a loss. Of the bundled model, recommended runs on questions and labels keep 96 % and more, one on
plain text 70 %; at ten times the recommended rate, an adapter keeps 40 % and the whole model 73 %."""


@dataclass(frozen=True)
class Forgetting:
    """`kept` of the `of` general items that the base gets right. The losses are of the right endings, a token."""

    base_loss: float
    adapted_loss: float
    kept: int
    of: int

    def lost(self) -> bool:
        """Whether so much is gone that it should be said."""
        return self.kept < KEPT_SHARE * self.of

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        return {**asdict(self), "low": self.lost()}

    def words(self) -> str:
        return f"{self.kept} of {self.of} kept"
