"""Signs inside a text that mean something to a machine: marks of chat formats, words like </think>, hidden marks of direction."""

from __future__ import annotations

import re

TEMPLATE = re.compile(
    r"<\|im_(?:start|end)\|>|<\|(?:start|end)_header_id\|>|<\|(?:eot_id|begin_of_text|end_of_text|endoftext)\|>|<\|(?:system|user|assistant|end)\|>"
    r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|^### (?:Instruction|Response|Human|Assistant|User):"
    r"|^<s>|<s>(?=\s*\[INST\])|</s>(?=\s*(?:<s>|\Z))",
    re.MULTILINE,
)
# With the speaker's name where a mark announces it.
REMOVED = re.compile(
    r"<\|im_start\|>(?:system|user|assistant|tool)?[ \t]*\n?|<\|start_header_id\|>\w*<\|end_header_id\|>\s*|<start_of_turn>(?:user|model)?[ \t]*\n?"
    rf"|^### (?:Instruction|Input|Response|Human|Assistant|User):[ \t]*\n?|{TEMPLATE.pattern}",
    re.MULTILINE,
)
SPECIAL = re.compile(r"</?(?:think|tool_call|tool_response|unk|pad|mask|bos|eos)>|<\|[a-z][a-z0-9_ ]{0,30}\|>|\[(?:CLS|SEP|PAD|MASK|UNK)\]")
HINTS = ("<|", "INST]", "_of_turn>", "### ", "<s>", "</s>", "SYS>>")
DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")


def template_mark(text: str) -> str:
    """The first mark of a chat format in a text, "" if there is none."""
    if "<" not in text and "[" not in text and "### " not in text:
        return ""
    found = TEMPLATE.search(text) if any(hint in text for hint in HINTS) else None
    return found[0].strip() if found else ""


def special_word(text: str) -> str:
    """The first word that means something special to some models and is no mark of a chat format, "" if there is none."""
    if "<" not in text and "[" not in text:
        return ""
    return next((m[0] for m in SPECIAL.finditer(text) if not TEMPLATE.fullmatch(m[0])), "")


def without_template(text: str) -> str:
    """The text without marks of chat formats; as it was if nothing else is in it."""
    if not template_mark(text):
        return text
    return re.sub(r"\n{3,}", "\n\n", REMOVED.sub("", text)).strip() or text


def has_direction(text: str) -> bool:
    return not text.isascii() and DIRECTION.search(text) is not None


def without_direction(text: str) -> str:
    """The text without invisible marks that turn the order of letters around."""
    return DIRECTION.sub("", text) or text
