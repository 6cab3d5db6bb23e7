"""What a person decided about a file. A data set is a pure function of the file and these, so that every decision can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Choices:
    """`columns` is role -> column (roles: user, assistant, system, context, label, text). `sheet` of a workbook, `speaker` of a chat between
    people whom the model learns to be. `labels` gives label -> name where labels are numbers. `leave_out_broken` drops rows that cannot be read
    instead of refusing the file; `first_rows` takes only so many rows (0: all). `fixes` are codes that `fixes` knows, in the order they were made.
    `test` False sets no row aside.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    sheet: str = ""
    speaker: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    leave_out_broken: bool = False
    first_rows: int = 0
    fixes: tuple[str, ...] = ()
    test: bool = True

    def with_fix(self, code: str) -> Choices:
        """Done once more, after those before: hiding addresses may make rows equal that were not."""
        return replace(self, fixes=(*self.fixes, code))

    def without_fix(self, code: str) -> Choices:
        """Every time that it was done is taken back."""
        return replace(self, fixes=tuple(fix for fix in self.fixes if fix != code))

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the default."""
        default = asdict(Choices())
        return {name: value for name, value in asdict(self).items() if value != default[name]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Choices:
        """The inverse of `to_json`. Raises TypeError for an unknown name."""
        return cls(**{**value, "fixes": tuple(value.get("fixes", ()))})
