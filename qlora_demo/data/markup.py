"""Whole conversations in one text, with marks between the turns: chat templates, "### Human:", "Q:" and "A:"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ENOUGH = 0.8
LOOKED_AT = 10_000
"""Characters of a text of the sample: a question and an answer begin there, and a table of long texts is still recognised at once."""
QUESTION_MARKS = ("user", "human", "prompter", "instruction", "q", "question", "frage", "customer", "[inst]")
ANSWER_MARKS = ("assistant", "gpt", "model", "response", "output", "a", "answer", "antwort", "bot", "ai", "agent", "[/inst]")
ROLE_OF_MARK = {
    **dict.fromkeys(QUESTION_MARKS, "user"),
    **dict.fromkeys(ANSWER_MARKS, "assistant"),
    "input": "user",
    "[inst]<<sys>>": "system",
    "<</sys>>": "user",
}
LINE_MARKS = "User|Human|Customer|Assistant|Bot|AI|Agent|Q|A|Question|Answer|Frage|Antwort"


@dataclass(frozen=True)
class Style:
    """`opening` begins a turn and its first group names who speaks; `marks` stand between turns and are no text. `name` is for people."""

    name: str
    opening: re.Pattern[str]
    marks: tuple[str, ...] = ()


TEMPLATES = (
    Style("ChatML", re.compile(r"<\|im_start\|>[ \t]*(\w+)[ \t]*\n?"), ("<|im_end|>", "<|endoftext|>")),
    Style("Llama 3", re.compile(r"<\|start_header_id\|>\s*(\w+)\s*<\|end_header_id\|>"), ("<|begin_of_text|>", "<|eot_id|>", "<|end_of_text|>")),
    Style("Llama 2", re.compile(r"(\[INST\]\s*<<SYS>>|<</SYS>>|\[INST\]|\[/INST\])"), ("<s>", "</s>")),
    Style("Gemma", re.compile(r"<start_of_turn>(\w+)\n"), ("<bos>", "<end_of_turn>", "<eos>")),
    Style("Zephyr", re.compile(r"<\|(system|user|assistant)\|>"), ("</s>", "<|end|>", "<|endoftext|>")),
    Style("### Human", re.compile(r"###\s*(System|Human|User|Assistant|Instruction|Input|Response|Output)\s*:"), ("</s>", "<|endoftext|>")),
    Style("Human, Assistant", re.compile(r"(?:^|\n\n)(Human|Assistant):")),
    Style("USER, ASSISTANT", re.compile(r"(?:^|(?<=\s)|(?<=</s>))(USER|ASSISTANT):"), ("<s>", "</s>")),
)
STYLES = (*TEMPLATES, Style("names before the lines", re.compile(rf"^({LINE_MARKS})[ \t]*:", re.MULTILINE)))
"""In a prompt, "Q:" and "A:" may stand for other things: there, only templates count."""


def find_style(texts: Sequence[Any], styles: Sequence[Style] = STYLES) -> Style | None:
    """The first style in which four of five texts hold a question and an answer."""
    whole = [text for text in texts if isinstance(text, str)]
    for style in styles:
        marked = sum(_is_marked(text, style) for text in whole)
        if marked and marked >= ENOUGH * len(texts):
            return style
    return None


def style_of_column(values: Sequence[Any]) -> Style | None:
    """The style of most texts, told by their beginnings."""
    return find_style([value[:LOOKED_AT] if isinstance(value, str) else value for value in values])


def marked_turns(text: str, style: Style) -> list[dict[str, str]]:
    """Turns as {"from": who speaks, "value": text}, in the way that `turns.read_turns` takes them; what stands before the first is the system's.
    An empty turn at the end, which a model would have filled, is left out."""
    found = list(style.opening.finditer(text))
    ends = [*(match.start() for match in found), len(text)]
    turns = [{"from": "system", "value": _without(text[: ends[0]], style.marks)}]
    for i, match in enumerate(found):
        role, value = _role(match[1]), _without(text[match.end() : ends[i + 1]], style.marks)
        if turns[-1]["from"] == role:
            turns[-1] = {"from": role, "value": f"{turns[-1]['value']}\n\n{value}".strip()}
        else:
            turns.append({"from": role, "value": value})
    begin = 0 if turns[0]["value"] else 1
    return turns[begin:] if turns[-1]["value"] else turns[begin:-1]


def _is_marked(text: str, style: Style) -> bool:
    roles = {_role(match[1]) for match in style.opening.finditer(text)}
    return {"user", "assistant"} <= roles


def _role(mark: str) -> str:
    name = "".join(mark.split()).lower()
    return ROLE_OF_MARK.get(name, name)


def _without(text: str, marks: Sequence[str]) -> str:
    for mark in marks:
        text = text.replace(mark, "")
    return text.strip()
