"""What tab 1 says about how long data is kept."""

from __future__ import annotations

import pytest

from qlora_demo.ui.data_source import kept


@pytest.mark.parametrize(
    ("hours", "days", "words"),
    [
        (0, 0, ""),
        (24, 7, "Deleted after 24 hours, or if you train on it, 7 days after its last use."),
        (1, 1, "Deleted after 1 hour, or if you train on it, 1 day after its last use."),
        (24, 0, "Deleted after 24 hours, unless you train on it."),
        (0, 7, "Deleted 7 days after its last use."),
        (48, 1, "Deleted 1 day after its last use."),
    ],
)
def test_it_is_said_where_data_is_deleted_and_only_there(hours: int, days: int, words: str) -> None:
    assert kept(hours, days) == words
