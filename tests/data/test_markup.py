"""Each style of marks between turns, and texts that only look as if they had some."""

from __future__ import annotations

import pytest
from data.tables import said

from qlora_demo.data.markup import STYLES, TEMPLATES, find_style, marked_turns

KIND = said("system: Be kind", "user: Hi", "assistant: Hello")
HELLO = KIND[1:]
TWICE = [*HELLO, *said("user: Bye", "assistant: See you")]
CASES = {
    "ChatML": ("<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n", KIND),
    "Llama 3": (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>",
        HELLO,
    ),
    "Llama 2": ("<s>[INST] <<SYS>>\nBe kind\n<</SYS>>\n\nHi [/INST] Hello </s>", KIND),
    "Gemma": ("<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello<end_of_turn>\n", HELLO),
    "Zephyr": ("<|system|>\nBe kind</s>\n<|user|>\nHi</s>\n<|assistant|>\nHello</s>", KIND),
    "### Human": ("### Human: Hi### Assistant: Hello### Human: Bye### Assistant: See you", TWICE),
    "Human, Assistant": ("\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Bye\n\nAssistant: See you", TWICE),
    "USER, ASSISTANT": ("Be kind USER: Hi ASSISTANT: Hello</s>", KIND),
    "names before the lines": ("Frage: Hi\nAntwort: Hello\nFrage: Bye\nAntwort: See you", TWICE),
}


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_each_style(style) -> None:
    text, expected = CASES[style.name]
    assert find_style([text]) == style
    assert marked_turns(text, style) == expected


def test_an_instruction_with_its_input_is_one_question() -> None:
    text = "Below is a task.\n\n### Instruction:\nAdd\n\n### Input:\n1, 2\n\n### Response:\n3"
    style = find_style([text])
    assert style and marked_turns(text, style) == said("system: Below is a task.", "user: Add\n\n1, 2", "assistant: 3")


def test_a_prompt_that_ends_where_the_answer_begins() -> None:
    text = "\n\nHuman: Hi\n\nAssistant:"
    style = find_style([text])
    assert style and marked_turns(text, style) == said("user: Hi")


def test_most_texts_must_hold_a_question_and_an_answer() -> None:
    marked = "Q: Hi\nA: Hello"
    assert find_style([marked] * 4 + ["Read me"]) == STYLES[-1]
    assert find_style([marked] * 3 + ["Read me"]) is None
    assert find_style(["Q: Hi", "The answer: none", "<|im_start|>user\nHi", 5, None]) is None
    assert find_style([marked], TEMPLATES) is None
    assert find_style([]) is None
