"""Choices about a file: kept, repeated, taken back."""

from __future__ import annotations

import json

from qlora_demo.data.choices import Choices


def test_only_what_differs_is_kept_and_it_survives_json() -> None:
    assert Choices().to_json() == {}
    choices = Choices({"user": "q"}, "FAQ", "Ann", {"0": "bad"}, True, 500, ("duplicates", "emails", "duplicates"), False)
    assert Choices.from_json(json.loads(json.dumps(choices.to_json()))) == choices


def test_a_fix_can_be_done_again_and_is_taken_back_whole() -> None:
    choices = Choices().with_fix("duplicates").with_fix("emails").with_fix("duplicates")
    assert choices.fixes == ("duplicates", "emails", "duplicates")
    assert choices.without_fix("duplicates").fixes == ("emails",)
