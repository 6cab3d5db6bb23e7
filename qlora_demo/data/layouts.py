"""The formats that data comes in: which columns each needs, what they must hold, and which role they fill.

FORMATS is the one table of them. The first whose needs are filled is taken, so the more telling stand first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qlora_demo.data.columns import (
    ANSWERS,
    ASKERS,
    CONTEXT,
    CONVERSATIONS,
    LABELS,
    PAIRS,
    PROMPTS,
    QUESTIONS,
    REPLIERS,
    SYSTEM,
    TEXTS,
    column_index,
    first_named,
    language,
    values_of,
)
from qlora_demo.data.guessing import is_text
from qlora_demo.data.markup import style_of_column
from qlora_demo.data.table import Table

Values = Sequence[Any]
LIST_AS_TEXT = re.compile(r"\s*\[\s*[\[{\"'\]]")
BOOLEANS = (True, False, "true", "false")


def has_lists(values: Values) -> bool:
    """Lists, also written as text; or nothing that tells otherwise."""
    return not values or any(isinstance(v, list) or (isinstance(v, str) and LIST_AS_TEXT.match(v)) for v in values)


def has_messages(values: Values) -> bool:
    """Lists of objects that say who speaks."""
    lists = [value for value in values if isinstance(value, list) and value]
    speaking = [v for v in lists if isinstance(v[0], Mapping) and {"role", "from"} & v[0].keys()]
    return bool(lists) and 2 * len(speaking) > len(values)


def has_objects(values: Values) -> bool:
    return any(isinstance(value, Mapping) for value in values)


def has_booleans(values: Values) -> bool:
    return all((v.strip().lower() if isinstance(v, str) else v) in BOOLEANS for v in values)


def is_whole(values: Values) -> bool:
    """Lists of messages, or texts with the marks of one: the prompt is in there."""
    return has_messages(values) or is_marked(values)


def is_marked(values: Values) -> bool:
    return style_of_column(values) is not None


@dataclass(frozen=True)
class Format:
    """`needs` and `may` say for each role the column names that fill it, as `plain_name` writes them, the best first. `holds` says what the first
    rows must hold under a needed role."""

    name: str
    needs: Mapping[str, Sequence[str]]
    may: Mapping[str, Sequence[str]] = field(default_factory=dict)
    holds: Mapping[str, Callable[[Values], bool]] = field(default_factory=dict)

    def roles(self, table: Table, index: Mapping[str, str]) -> dict[str, str]:
        """role -> column, empty where a needed role is not filled. `index` is plain name -> column."""
        found = {role: column for role, names in self.needs.items() if (column := self._column(role, names, table, index))}
        if len(found) < len(self.needs) or len(set(found.values())) < len(found):
            return {}
        extra = {role: first_named(index, names) for role, names in {"system": SYSTEM, **self.may}.items()}
        return {**found, **{role: column for role, column in extra.items() if column and column not in found.values()}}

    def _column(self, role: str, names: Sequence[str], table: Table, index: Mapping[str, str]) -> str:
        if role not in self.holds:
            return first_named(index, names)
        columns = (index[name] for name in names if name in index)
        return next((column for column in columns if self.holds[role](values_of(table.sample, column))), "")


FORMATS: tuple[Format, ...] = (
    Format("tree", {"id": ("messageid",), "parent": ("parentid",), "speaker": ("role",), "content": ("text",)}),
    Format("messages", {"messages": ("messages",)}, holds={"messages": has_lists}),
    Format("preference", {"before": ("input",), "chosen": ("preferredoutput",)}, holds={"before": has_objects}),
    Format("preference", {"before": ("prompt",), "chosen": ("text",), "rejected": ("rejectedtext",)}),
    Format("preference", {"before": PROMPTS, "chosen": ("chosen",), "rejected": ("rejected",)}),
    Format("preference", {"chosen": ("chosen",), "rejected": ("rejected",)}, holds={"chosen": is_whole}),
    Format("sharegpt", {"messages": CONVERSATIONS}, holds={"messages": lambda values: bool(values) and has_lists(values)}),
    Format("translation", {"translation": ("translation", "translations")}, holds={"translation": has_objects}),
    Format("instruction", {"user": ("instruction",), "assistant": ANSWERS}, {"context": ("input", *CONTEXT), "history": ("history",)}),
    Format(
        "kto",
        {"user": ("prompt",), "assistant": ("completion", "response"), "good": ("label",)},
        holds={"good": has_booleans},
    ),
    Format("prompt-completion", {"user": ("prompt",), "assistant": ("completion",)}, {"context": CONTEXT, "history": ("history",)}),
    Format("question-answer", {"user": QUESTIONS, "assistant": ANSWERS}, {"context": CONTEXT, "history": ("history",)}),
    *(Format("question-answer", {"user": (asked,), "assistant": (answered,)}) for asked, answered in PAIRS),
    Format("question-answer", {"user": ASKERS, "assistant": REPLIERS}),
    Format("question-answer", {"user": QUESTIONS, "assistant": REPLIERS}),
    Format("question-answer", {"user": ASKERS, "assistant": ANSWERS}),
)
SORTING = Format("text-label", {"user": TEXTS, "label": LABELS})


def find_roles(table: Table) -> tuple[str, dict[str, str]]:
    """(the format's name, role -> column); ("", {}) where neither names nor contents are known."""
    index = column_index(table.columns)
    fitting = [(known, roles) for known in FORMATS if (roles := known.roles(table, index))]
    if fitting:
        # Of two formats mixed in one file, the first row's is meant: the mistakes are then the rows of the other.
        first = table.sample[0] if table.sample else {}
        known, roles = next((f for f in fitting if any(f[1][role] in first for role in f[0].needs)), fitting[0])
        return known.name, roles
    for role, format_name, fits in (("marked", "marked-text", is_marked), ("messages", "messages", has_messages)):
        column = next((column for column in table.columns if fits(values_of(table.sample, column))), "")
        if column:
            return format_name, {role: column}
    languages = [c for c in table.columns if language(c) and is_text(values_of(table.sample, c))]
    if len(languages) == 2 and language(languages[0]) != language(languages[1]):
        return "translation", {"user": languages[0], "assistant": languages[1]}
    roles = SORTING.roles(table, index)
    return (SORTING.name, roles) if roles else ("", {})
