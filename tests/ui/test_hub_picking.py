"""Choosing a part of a data set on the hub: what a page could not have sent is told, not thrown."""

from __future__ import annotations

import pytest

from qlora_demo.errors import DataError
from qlora_demo.source.hub_data import Split
from qlora_demo.ui.hub_picking import find_split, split_names

SPLITS = (Split("main", "test", ("a.csv",)), Split("main", "train", ("b.csv",)), Split("other", "dev", ("c.csv",)))


def test_one_learns_from_train_where_there_is_one() -> None:
    assert split_names(SPLITS, "main") == (["test", "train"], "train")
    assert split_names(SPLITS, "other") == (["dev"], "dev")


def test_a_part_is_found_by_both_names() -> None:
    assert find_split(SPLITS, "main", "train") == SPLITS[1]


def test_what_is_not_there_is_told() -> None:
    for ask in (lambda: split_names(SPLITS, "none"), lambda: find_split(SPLITS, "main", "dev"), lambda: find_split((), "main", "train")):
        with pytest.raises(DataError, match="^That part is not in this data set. Look the data set up again, then choose.$"):
            ask()
