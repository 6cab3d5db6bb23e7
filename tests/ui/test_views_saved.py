"""A chat as a file."""

from __future__ import annotations

import json
from dataclasses import replace

from ui.ui_examples import HOSTILE

from qlora_demo.ui.views_saved import Told, code, data, fenced, markdown

TOLD = Told("customers, `24` Nov\n# x", "bundled/SmolLM2", "QLoRA", "Be brief.", "2026-11-24")
TURNS = [["who?", "I am an AI.", "I am Wilna."], [HOSTILE, "```\n# not a heading\n```", "# nor this"]]


def test_markdown_shows_what_was_said_as_it_was_written() -> None:
    text = markdown(TOLD, TURNS)
    lines = text.splitlines()
    outside, fence = [], ""
    for line in lines:  # as a reader of Markdown does: a fence is closed by one that is as long
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = line.removesuffix("text")
        else:
            outside.append(line)
    assert [line for line in outside if line.startswith("#")] == ["# Chat with `` customers, `24` Nov # x ``", "## Question 1", "## Question 2"]
    assert "not a heading" not in "".join(outside) and "onerror" not in "".join(outside)
    assert "```text\nI am Wilna.\n```" in text and HOSTILE in text


def test_json_is_the_same_as_data() -> None:
    told = json.loads(data(TOLD, TURNS))
    assert [list(turn.values()) for turn in told["turns"]] == TURNS
    assert (told["schema"], told["name"], told["instruction"]) == (1, TOLD.name, "Be brief.")


def test_another_model_in_the_bases_place_is_named() -> None:
    told = replace(TOLD, other="reviews")
    assert "` reviews `:" in markdown(told, TURNS) and "Base model:\n" not in markdown(told, TURNS)
    assert json.loads(data(told, TURNS))["turns"][0] == {"question": "who?", "other": "I am an AI.", "yours": "I am Wilna."}
    assert json.loads(data(told, TURNS))["compared_with"] == "reviews"


def test_fences_are_longer_than_any_inside() -> None:
    assert fenced("a ```` b") == "`````text\na ```` b\n`````"
    assert code("a") == "` a `"
