"""Where each row stands in its file, in four bytes a row as long as the places are counted ("line 2", "line 3")."""

from __future__ import annotations

from array import array
from bisect import bisect_right

NO_NUMBER = 0xFFFFFFFF


class Places:
    """Phrases by row number. What stands before the number is kept once for a run of rows."""

    def __init__(self) -> None:
        self._numbers = array("I")
        self._begins = array("I")
        self._before: list[str] = []
        self._expected: str | None = None

    def add(self, place: str) -> None:
        if place == self._expected:
            self._numbers.append(self._numbers[-1] + 1)
        else:
            self._add_other(place)
        self._expected = None if self._numbers[-1] == NO_NUMBER else f"{self._before[-1]}{self._numbers[-1] + 1}"

    def _add_other(self, place: str) -> None:
        before, space, number = place.rpartition(" ")
        before += space
        counted = number.isascii() and number.isdigit() and str(int(number[:10])) == number and int(number) < NO_NUMBER - 1
        if not counted:
            before = place
        if not self._before or before != self._before[-1]:
            self._begins.append(len(self._numbers))
            self._before.append(before)
        self._numbers.append(int(number) if counted else NO_NUMBER)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, row: int) -> str:
        before = self._before[bisect_right(self._begins, row) - 1]
        return before if self._numbers[row] == NO_NUMBER else f"{before}{self._numbers[row]}"
