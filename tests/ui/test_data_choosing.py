"""From what is chosen on the page to choices about the file."""

from __future__ import annotations

import pytest

from qlora_demo.data.choices import Choices
from qlora_demo.errors import DataError, WayOut
from qlora_demo.ui.data_attempt import Attempt
from qlora_demo.ui.data_choosing import with_columns, with_names


def test_columns() -> None:
    before = Choices(fixes=("duplicates",), columns={"user": "a", "assistant": "b"})
    assert with_columns(before, "b", "a", "", False) == Choices(fixes=("duplicates",), columns={"user": "b", "assistant": "a"})
    assert with_columns(before, "a", "b", "c", True).columns == {"user": "a", "label": "b", "system": "c"}
    assert with_columns(before, "a", "b", "a", False).columns == {"user": "a", "assistant": "b"}  # a column cannot be both


def test_names_for_labels() -> None:
    assert with_names(Choices(), ("0", "1", "2"), "bad; so so; good").labels == {"0": "bad", "1": "so so", "2": "good"}
    for text, told in (("bad, good", "you gave 2"), ("bad, good, bad", "some are the same")):
        with pytest.raises(DataError, match=f"^3 different names are needed, one for each of 0, 1, 2; {told}.$"):
            with_names(Choices(), ("0", "1", "2"), text)
    assert with_names(Choices(labels={"0": "bad"}), ("0", "1"), "").labels == {}


def test_a_way_out_changes_one_choice() -> None:
    asked = Attempt(path="/x", choices=Choices(sheet="FAQ"), ways_out=(WayOut("Use the first 500", {"first_rows": 500}),))
    again = asked.changed(dict(asked.ways_out[0].change))
    assert (again.path, again.choices, again.ways_out) == ("/x", Choices(sheet="FAQ", first_rows=500), ())
    assert asked.pending() and not Attempt(dataset_id="1").pending()
