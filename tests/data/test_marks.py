"""Marks of chat formats are told from text that only looks a little like them, and can be taken away."""

from __future__ import annotations

import pytest

from qlora_demo.data.marks import has_direction, special_word, template_mark, without_direction, without_template


@pytest.mark.parametrize(
    ("text", "mark", "left"),
    [
        ("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>", "<|im_start|>", "Hi\nHello"),
        ("<s>[INST] Hi [/INST] Hello</s>", "<s>", "Hi  Hello"),
        ("[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST]", "[INST]", "Be kind.\n\nHi"),
        ("<start_of_turn>model\nHello<end_of_turn>", "<start_of_turn>", "Hello"),
        ("### Instruction:\nSay hi.\n\n### Input:\nAnna\n\n### Response:\nHi.", "### Instruction:", "Say hi.\n\nAnna\n\nHi."),
        ("<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>", "<|start_header_id|>", "Hi"),
        ("Hi<|endoftext|>", "<|endoftext|>", "Hi"),
    ],
)
def test_marks_are_found_and_taken_away(text: str, mark: str, left: str) -> None:
    assert template_mark(text) == mark
    assert without_template(text) == left
    assert template_mark(left) == ""


@pytest.mark.parametrize(
    "text",
    [
        "### Input: a number",
        "## Instruction",
        "It costs <s>10</s> 8 euros",
        "a < b and [list]",
        "x <| y |> z",
        "Response: yes",
        "[INSTALL] now",
        "#### Response:x",
    ],
)
def test_no_marks(text: str) -> None:
    assert template_mark(text) == ""
    assert without_template(text) == text


def test_a_text_of_marks_alone_is_kept() -> None:
    assert without_template("<|im_end|>") == "<|im_end|>"


def test_special_words() -> None:
    assert special_word("<think>hm</think> yes") == "<think>"
    assert special_word("well </think> yes") == "</think>"
    assert special_word("<|fim_prefix|>") == "<|fim_prefix|>"
    assert special_word("[MASK] is here") == "[MASK]"
    assert [special_word(text) for text in ("I think so", "<b>bold</b>", "[mask]", "<|im_end|>", "a <think b")] == [""] * 5


def test_direction() -> None:
    assert has_direction("a\u202eb")
    assert without_direction("a\u202eb\u2066c\u2069") == "abc"
    assert not has_direction("“quoted” 👩\u200d🚀 שלום\u200f")
