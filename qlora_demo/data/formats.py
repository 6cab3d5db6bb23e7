"""From a table to conversations: recognises the format by the column names, then converts row by row.

A format is one row of FORMATS: which role which column names fill. The first format whose roles are all filled is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qlora_demo.data.conversation import Conversation, Message, Passage, Row
from qlora_demo.data.guessing import guess_pair
from qlora_demo.data.passages import COLUMN
from qlora_demo.data.table import Table
from qlora_demo.data.turns import Skip, Turns, Wrong, finished, read_turns
from qlora_demo.data.wording import Mistake, column_list, counted, mistakes_error, shown
from qlora_demo.errors import DataError

ACCEPTED = "question and answer, prompt and completion, instruction and output, text and label, or messages"
MAX_LABELS = 50
MAPPED_ROLES = ("user", "assistant", "system", "label")
SYSTEM = ("system", "system prompt")

PAIRS: tuple[tuple[str, str], ...] = (
    ("questions", "answers"),
    ("question", "response"),
    ("q", "a"),
    ("prompt", "response"),
    ("prompt", "answer"),
    ("prompt", "output"),
    ("query", "response"),
    ("query", "answer"),
    ("request", "response"),
    ("message", "response"),
    ("message", "reply"),
    ("input", "output"),
    ("input", "response"),
    ("inputs", "targets"),
    ("problem", "solution"),
    ("context", "response"),
    ("human", "assistant"),
    ("human", "bot"),
    ("user", "assistant"),
    ("user", "bot"),
    ("user", "model"),
    ("source", "target"),
    ("article", "highlights"),
    ("article", "summary"),
    ("document", "summary"),
    ("dialogue", "summary"),
    ("text", "summary"),
    ("frage", "antwort"),
    ("fragen", "antworten"),
    ("eingabe", "ausgabe"),
    ("question", "réponse"),
    ("question", "reponse"),
    ("questions", "réponses"),
    ("questions", "reponses"),
    ("demande", "réponse"),
    ("pregunta", "respuesta"),
    ("preguntas", "respuestas"),
    ("entrada", "salida"),
    ("domanda", "risposta"),
    ("pergunta", "resposta"),
    ("vraag", "antwoord"),
)
# One name alone tells less than a pair: a column called A may be the first one.
QUESTIONS = frozenset(asked for asked, _ in PAIRS if len(asked) > 1)
ANSWERS = frozenset(answered for _, answered in PAIRS if len(answered) > 1)
TEXTS = ("text", "sentence", "review", "comment", "tweet", "message", "content", "satz", "bewertung", "texte", "phrase", "texto", "frase")
LABELS = ("label", "labels", "class", "category", "sentiment", "target", "intent", "topic", "klasse", "kategorie", "stimmung")
LABELS_ABROAD = ("étiquette", "catégorie", "classe", "etiqueta", "categoría", "clase")


@dataclass(frozen=True)
class Format:
    """`needs` and `may` say for each role the column names that fill it, in lower case, the best first."""

    name: str
    needs: Mapping[str, Sequence[str]]
    may: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def roles(self, columns: Mapping[str, str]) -> dict[str, str] | None:
        """role -> column, or None where a needed role is not filled. `columns` is lower-case name -> name."""
        found = {role: column for role, names in self.needs.items() if (column := _first(columns, names))}
        if len(found) < len(self.needs):
            return None
        wished = {"system": SYSTEM, **self.may}
        extra = {role: column for role, names in wished.items() if (column := _first(columns, names))}
        return {**found, **{role: column for role, column in extra.items() if column not in found.values()}}


FORMATS: tuple[Format, ...] = (
    Format("messages", {"messages": ("messages",)}),
    Format("sharegpt", {"messages": ("conversations", "conversation")}),
    Format(
        "instruction",
        {"user": ("instruction",), "assistant": ("output", "response", "completion", "answer")},
        {"context": ("input", "context")},
    ),
    Format("prompt-completion", {"user": ("prompt",), "assistant": ("completion",)}),
    Format("question-answer", {"user": ("question",), "assistant": ("answer", "answers")}, {"context": ("context",)}),
    *(Format("question-answer", {"user": (asked,), "assistant": (answered,)}) for asked, answered in PAIRS),
    Format("text-label", {"user": TEXTS, "label": (*LABELS, *LABELS_ABROAD)}),
)


@dataclass(frozen=True)
class Recognised:
    """`kind` is "conversations", "labels" or "passages"; `column_roles` is role -> column; `labels` are sorted; `notes` are sentences."""

    format_name: str
    kind: str
    column_roles: dict[str, str]
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dropped:
    """A row that was left out: where it stands, and why ("no answer")."""

    position: str
    reason: str


@dataclass(frozen=True)
class Converted:
    """`changes` are (position, code) of rows that were taken with something altered."""

    rows: tuple[Row, ...]
    dropped: tuple[Dropped, ...]
    changes: tuple[tuple[str, str], ...]


def recognise(table: Table, mapping: Mapping[str, str] | None) -> Recognised:
    """`mapping` is role -> column and beats all names: user with assistant or label, and system. Raises DataError where no columns fit."""
    if table.kind == "text":
        return Recognised("text", "passages", {COLUMN: COLUMN})
    if mapping:
        return _with_labels(table, Recognised("mapping", "conversations", _mapped(table, mapping)), chosen=True)
    columns: dict[str, str] = {}
    for column in table.columns:
        columns.setdefault(re.sub(r"[\s_-]+", " ", column.strip().lower()), column)
    for known in FORMATS:
        roles = known.roles(columns)
        if roles:
            return _with_labels(table, Recognised(known.name, "conversations", roles), chosen=False)
    guess = guess_pair(table, QUESTIONS, ANSWERS)
    if guess.roles:
        return Recognised("two-columns", "conversations", guess.roles, notes=guess.notes)
    raise DataError(_no_columns_fit(table, guess.text_columns))


def convert(table: Table, recognised: Recognised) -> Converted:
    """Rows in the order of the file. Raises DataError that lists every row that cannot be understood, or says that none is left."""
    if recognised.kind == "passages":
        return Converted(tuple(Passage(row[COLUMN], at) for row, at in zip(table.rows, table.positions, strict=True)), (), ())
    rows: list[Row] = []
    dropped: list[Dropped] = []
    changes: list[tuple[str, str]] = []
    mistakes: list[Mistake] = []
    for row, position in zip(table.rows, table.positions, strict=True):
        try:
            turns = _read(row, recognised)
        except Skip as skip:
            dropped.append(Dropped(position, skip.reason))
        except Wrong as wrong:
            mistakes.append(Mistake(f"{position}, {wrong.inside}" if wrong.inside else position, wrong.text))
        else:
            label = turns.messages[-1].content if recognised.kind == "labels" else None
            rows.append(Conversation(turns.messages, position, label))
            changes += [(position, code) for code in turns.changes]
    if mistakes:
        raise mistakes_error(table.name, mistakes)
    if not rows:
        raise DataError(_nothing_left(table, dropped))
    return Converted(tuple(rows), tuple(dropped), tuple(changes))


def _first(columns: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((columns[name] for name in names if name in columns), None)


def _mapped(table: Table, mapping: Mapping[str, str]) -> dict[str, str]:
    unknown = [role for role in mapping if role not in MAPPED_ROLES]
    if unknown:
        raise DataError(f"'{shown(unknown[0])}' is not something a column can be. Use user, assistant, system or label.")
    if "user" not in mapping or ("assistant" in mapping) == ("label" in mapping):
        raise DataError("Choose the column that is asked (user) and the one that is the answer (assistant), or the label to sort by (label).")
    roles = {}
    for role, wanted in mapping.items():
        same = [c for c in table.columns if c == wanted] or [c for c in table.columns if c.strip().lower() == wanted.strip().lower()]
        if not same:
            raise DataError(f"{table.name} has no column '{shown(wanted)}'. Its columns are: {column_list(table.columns)}.")
        roles[role] = same[0]
    if len(set(roles.values())) < len(roles):
        raise DataError("The question and the answer cannot be the same column. Choose two different ones.")
    return roles


def _with_labels(table: Table, found: Recognised, chosen: bool) -> Recognised:
    """Few labels make the data a sorting task; else the label is an answer like any other."""
    if "label" not in found.column_roles:
        return found
    column = found.column_roles["label"]
    labels = sorted({text for row in table.rows if (text := _plain_text(row.get(column)).strip())})
    if 2 <= len(labels) <= MAX_LABELS and (chosen or 2 * len(labels) < len(table.rows)):
        return Recognised(found.format_name, "labels", found.column_roles, tuple(labels))
    roles = {"assistant" if role == "label" else role: name for role, name in found.column_roles.items()}
    note = f"'{shown(column)}' has {counted(len(labels), 'different value')}, so it was taken as an answer, not as a label to sort by."
    return Recognised("question-answer", "conversations", roles, notes=(note,))


def _read(row: Mapping[str, Any], recognised: Recognised) -> Turns:
    """Raises Wrong or Skip."""
    roles = recognised.column_roles
    missing = [column for role, column in roles.items() if role not in ("system", "context")]
    if not any(column in row for column in missing):
        raise Wrong("; ".join(f"'{shown(column)}' is missing" for column in missing) + "; the other rows have it")
    system = _cell(row, roles["system"]) if "system" in roles else ""
    if "messages" in roles:
        return read_turns(row[roles["messages"]], system)
    if recognised.kind == "labels":
        return _read_labelled(row, recognised, system)
    asked, answered = row.get(roles["user"]), row.get(roles["assistant"])
    if isinstance(asked, list) or isinstance(answered, list):
        return read_turns(_as_turns(asked, "user") + _as_turns(answered, "assistant"), system)
    question, answer = _cell(row, roles["user"]), _cell(row, roles["assistant"])
    context = _cell(row, roles["context"]) if "context" in roles else ""
    if not question and not context:
        raise Skip("no question")
    if not answer:
        raise Skip("no answer")
    user = "\n\n".join(filter(None, (question, context)))
    return finished([Message("system", system), Message("user", user), Message("assistant", answer)], ())


def _read_labelled(row: Mapping[str, Any], recognised: Recognised, system: str) -> Turns:
    text, label = _cell(row, recognised.column_roles["user"]), _cell(row, recognised.column_roles["label"])
    if not text:
        raise Skip("no text")
    if not label:
        raise Skip("no label")
    task = system or f"Sort the text. Answer with one of: {', '.join(recognised.labels)}."
    return finished([Message("system", task), Message("user", text), Message("assistant", label)], ())


def _as_turns(value: Any, role: str) -> list[Any]:
    """A prompt or completion that may be a list of messages already."""
    if isinstance(value, list):
        return value
    return [{"role": role, "content": _plain_text(value)}]


def _cell(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if isinstance(value, (list, dict)):
        raise Wrong("a list or an object stands where a text was expected", f"column '{shown(column)}'")
    return _plain_text(value).strip()


def _plain_text(value: Any) -> str:
    """Numbers, true and false as JSON writes them; nothing for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _no_columns_fit(table: Table, text_columns: Sequence[str]) -> str:
    columns = f"The columns are: {column_list(table.columns)}. Names we know: {ACCEPTED}."
    if len(text_columns) == 1:
        return f"We found one column of text, '{shown(text_columns[0])}'. Add a second column with the answers. {columns}"
    found = f"{len(text_columns)} columns of text and no names that we know" if text_columns else "numbers and dates but no two columns of text"
    return f"We found {found}. Which column is asked, which is the answer? {columns}"


def _nothing_left(table: Table, dropped: Sequence[Dropped]) -> str:
    reasons = sorted({d.reason for d in dropped})
    return f"No row of {table.name} can be learned from: all {counted(len(dropped), 'row')} were left out ({', '.join(reasons)}). Fill them in."
