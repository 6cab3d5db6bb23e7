"""One function a format, from the values of a row to the turns of a conversation; which role is filled decides which reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qlora_demo.data.columns import translate_task
from qlora_demo.data.conversation import Message
from qlora_demo.data.markup import TEMPLATES, find_style, marked_turns
from qlora_demo.data.turns import UNSEEN, Skip, Turns, Wrong, finished, read_turns, text_of
from qlora_demo.data.wording import shown

Values = Mapping[str, Any]
Reader = Callable[[Values], Turns]
Roles = Mapping[str, str]


def reader_of(roles: Roles) -> Reader:
    """What reads the rows of a table with these roles; `labels_reader` reads those that are sorted. Raises Wrong or Skip for a row."""
    read = next((make(roles) for role, make in READERS.items() if role in roles), None) or pair_reader(roles)
    needed = [column for role, column in roles.items() if role not in ("system", "context", "history")]

    def read_present(values: Values) -> Turns:
        if any(column in values for column in needed):
            return read(values)
        raise Wrong("; ".join(f"'{shown(column)}' is missing" for column in needed) + "; the other rows have it")

    return read_present


def pair_reader(roles: Roles) -> Reader:
    """A question and an answer, each a text, or messages; with context, earlier turns and instructions where there are any."""
    asked_in, answered_in = roles["user"], roles["assistant"]
    task = translate_task(asked_in, answered_in)
    plain = not task and not roles.keys() & {"system", "context", "history"}

    def read(values: Values) -> Turns:
        asked, answered = values.get(asked_in), values.get(answered_in)
        if plain and isinstance(asked, str) and isinstance(answered, str):
            asked, answered = asked.strip(), answered.strip()
            if asked and answered and answered[0] != "<" and not UNSEEN.search(asked) and not UNSEEN.search(answered):
                return Turns((Message("user", asked), Message("assistant", answered)))
        return _read_pair(values, roles, task)

    return read


def labels_reader(roles: Roles, labels: Sequence[str], names: Mapping[str, str]) -> Reader:
    """A text and the name of its kind; the instruction lists all names."""
    text_in, label_in = roles["user"], roles["label"]
    task = f"Sort the text. Answer with one of: {', '.join(labels)}."

    def read(values: Values) -> Turns:
        if text_in not in values and label_in not in values:
            raise Wrong(f"'{shown(text_in)}' is missing; '{shown(label_in)}' is missing; the other rows have it")
        text, label = cell(values, text_in), cell(values, label_in)
        if not text:
            raise Skip("no text")
        if not label:
            raise Skip("no label")
        return finished([Message("system", _system(values, roles) or task), Message("user", text), Message("assistant", names.get(label, label))], ())

    return read


def messages_reader(roles: Roles) -> Reader:
    """A list of messages in one column."""
    return lambda values: read_turns(values.get(roles["messages"]), _system(values, roles))


def marked_reader(roles: Roles) -> Reader:
    """A conversation in one text."""

    def read(values: Values) -> Turns:
        text = cell(values, roles["marked"])
        style = find_style([text])
        if style is None:
            raise Skip("no question and answer")
        return read_turns(marked_turns(text, style), _system(values, roles))

    return read


def translation_reader(roles: Roles) -> Reader:
    """{"en": ..., "fr": ...}: the first language is asked, the second is the answer."""

    def read(values: Values) -> Turns:
        texts = values.get(roles["translation"])
        if not isinstance(texts, Mapping) or len(texts) < 2:
            raise Wrong("a text in two languages was expected", f"column '{shown(roles['translation'])}'")
        (first, asked), (second, answered) = list(texts.items())[:2]
        task = translate_task(first, second) or f"Translate from {shown(first)} to {shown(second)}."
        return _asked_and_answered([Message("system", task)], plain_text(asked).strip(), plain_text(answered).strip(), ())

    return read


def preference_reader(roles: Roles) -> Reader:
    """Two answers to one prompt: the better one is learned. It may hold the prompt as well."""

    def read(values: Values) -> Turns:
        chosen = _as_list(values.get(roles["chosen"]), "assistant")
        if not chosen:
            raise Skip("no answer")
        before = [] if _begins(chosen) or "before" not in roles else _as_list(values.get(roles["before"]), "user")
        return read_turns(before + chosen, _system(values, roles))

    return read


def kto_reader(roles: Roles) -> Reader:
    """An answer with a thumb up or down: the good ones are learned."""
    read = pair_reader(roles)

    def read_good(values: Values) -> Turns:
        good = values.get(roles["good"])
        if (good.strip().lower() if isinstance(good, str) else good) in (False, None, "false", "0", ""):
            raise Skip("it was marked as bad")
        return read(values)

    return read_good


READERS: Mapping[str, Callable[[Roles], Reader]] = {
    "messages": messages_reader,
    "marked": marked_reader,
    "translation": translation_reader,
    "chosen": preference_reader,
    "good": kto_reader,
}
"""By the role that only this format has; all others are pairs."""


def cell(values: Values, column: str) -> str:
    """The text there. Raises Wrong for a list or an object."""
    value = values.get(column)
    if isinstance(value, (list, dict)):
        raise Wrong("a list or an object stands where a text was expected", f"column '{shown(column)}'")
    return plain_text(value).strip()


def plain_text(value: Any) -> str:
    """Numbers, true and false as JSON writes them; nothing for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _read_pair(values: Values, roles: Roles, task: str) -> Turns:
    asked, answered = values.get(roles["user"]), values.get(roles["assistant"])
    changes: list[str] = []
    several = _several(answered)
    if several:
        answered = several[0]
        changes += ["first_answer"] if len(set(several)) > 1 else []
    system = _system(values, roles) or task
    if isinstance(asked, list) or isinstance(answered, list):
        return read_turns(_as_list(asked, "user") + _as_list(answered, "assistant"), system)
    question = cell(values, roles["user"])
    answer = plain_text(answered).strip() if several else cell(values, roles["assistant"])
    context = cell(values, roles["context"]) if "context" in roles else ""
    messages = [Message("system", system), *_history(values, roles)]
    return _asked_and_answered(messages, "\n\n".join(filter(None, (question, context))), answer, changes)


def _asked_and_answered(before: Sequence[Message], question: str, answer: str, changes: Sequence[str]) -> Turns:
    if not question:
        raise Skip("no question")
    if not answer:
        raise Skip("no answer")
    return finished([*before, Message("user", question), Message("assistant", answer)], changes)


def _several(answered: Any) -> list[str]:
    """The answers of {"text": [...]} or of a list of texts; none where it is anything else."""
    if isinstance(answered, dict) and "text" in answered:
        texts = answered["text"]
        answered = (texts or [""]) if isinstance(texts, list) else [texts]
    return answered if isinstance(answered, list) and answered and all(isinstance(text, str) for text in answered) else []


def _history(values: Values, roles: Roles) -> Sequence[Message]:
    earlier = values.get(roles["history"]) if "history" in roles else None
    return read_turns(earlier).messages if earlier else ()


def _system(values: Values, roles: Roles) -> str:
    """A text, or an object with the text in parts."""
    if "system" not in roles:
        return ""
    value = values.get(roles["system"])
    if isinstance(value, dict):
        return text_of(value.get("parts", value.get("content")), f"column '{shown(roles['system'])}'")[0].strip()
    return cell(values, roles["system"])


def _as_list(value: Any, role: str) -> list[Any]:
    """Messages, whether they stand there as a list, alone, under "messages", or in one text with marks."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return value["messages"] if isinstance(value.get("messages"), list) else [value]
    text = plain_text(value).strip()
    style = find_style([text], TEMPLATES)
    return marked_turns(text, style) if style else [{"from": role, "value": text}] if text else []


def _begins(chosen: Sequence[Any]) -> bool:
    """Whether the messages are a whole conversation and not only its answer."""
    first = chosen[0]
    speaker = first.get("role", first.get("from")) if isinstance(first, dict) else ""
    return isinstance(speaker, str) and speaker.strip().lower() in ("system", "user", "human", "prompter", "developer")
