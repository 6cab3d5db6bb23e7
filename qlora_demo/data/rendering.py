"""From a row to tokens and a loss mask. Preview, training, evaluation and chat all render here and nowhere else.

A conversation goes through the base model's own chat template. Control tokens that somebody typed into the data are encoded as the plain text
they are (see `encoding`). Loss is on the answers and the token that ends each, nothing else.

Some templates render an earlier turn differently inside a longer chat (Qwen3 drops its empty thinking block). Where every prefix agrees with
the whole, a conversation is one row with several learned spans; else it becomes one row for each answer, as chat would have asked it.

Some templates have no place for a system prompt: they refuse it or leave it out. It then stands before the first question, with an empty line
between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from qlora_demo.data.conversation import Message, Passage, Row
from qlora_demo.data.encoding import Encoder
from qlora_demo.errors import ModelError

IGNORED = -100
BATCH_ROWS = 256
BATCH_CHARACTERS = 1_000_000
"""Rows are rendered in batches of at most so many, or of so many characters: faster than one by one, and no batch needs much memory."""
UNLIKELY = ("qvorax", "zumtil", "wexbor")
"""Words that no template holds, to see what one does with a system prompt, a question and an answer."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Pads on the left, as answering several prompts at once needs."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, padding_side="left")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@dataclass(frozen=True)
class Rendered:
    """`input_ids` and `labels` of equal length; labels are IGNORED where nothing is learned."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    row: int = 0

    def learned(self) -> int:
        """Tokens that carry loss: the first token of a sequence is never predicted."""
        predicted = self.labels[1:]
        return len(predicted) - predicted.count(IGNORED)

    def cut(self, max_length: int, row: int = 0) -> Rendered:
        """The first `max_length` tokens, as part of the data's row `row`."""
        return Rendered(self.input_ids[:max_length], self.labels[:max_length], row)


@dataclass(frozen=True, eq=False)
class Asked:
    """What the template is to render: some turns, up to where the model's answer begins or not. Told apart by identity."""

    messages: tuple[Message, ...]
    answer_follows: bool = False


@dataclass(frozen=True)
class Plan:
    """All that a conversation's tokens are made of: for each learned turn the prompt before it and all up to its end; and the whole."""

    answers: tuple[tuple[Asked, Asked], ...]
    whole: Asked

    @classmethod
    def of(cls, messages: tuple[Message, ...]) -> Plan:
        answers = [(Asked(messages[:i], True), Asked(messages[: i + 1])) for i, message in enumerate(messages) if message.learned()]
        return cls(tuple(answers), answers[-1][1] if messages[-1].learned() else Asked(messages))

    def asked(self) -> Iterator[Asked]:
        yield from chain.from_iterable(self.answers)
        if not self.answers or self.whole is not self.answers[-1][1]:
            yield self.whole


@dataclass(frozen=True)
class Spoken:
    """One of a conversation's answers: the tokens up to its end of turn, learned from `start` on."""

    ids: tuple[int, ...]
    start: int

    def rendered(self) -> Rendered:
        return Rendered(self.ids, (IGNORED,) * self.start + self.ids[self.start :])


@dataclass(frozen=True)
class Renderer:
    """A tokenizer with what the base model's template needs and the run's system prompt ("" leaves the template's own)."""

    tokenizer: PreTrainedTokenizerBase
    template_options: Mapping[str, Any]
    system_prompt: str = ""

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Tokens up to where the model's answer begins. Raises ModelError."""
        asked = Asked(tuple(messages), answer_follows=True)
        return list(self.encoder.encode([self._texts([asked])[asked]])[0])

    def render(self, row: Row, max_length: int, index: int = 0) -> list[Rendered]:
        """One or more token rows, cut at `max_length` tokens; rows in which nothing is left to learn are dropped. Raises ModelError."""
        (whole,) = self.whole([row])
        cut = [r.cut(max_length, index) for r in whole]
        return [r for r in cut if r.learned() > 0]

    def render_all(self, rows: Iterable[Row], max_length: int) -> Iterator[Rendered]:
        """The same for many rows, several times as fast; each row's `row` is its place among them, from 0."""
        index = 0
        for batch in batches(rows):
            for whole in self.whole(batch):
                cut = [r.cut(max_length, index) for r in whole]
                yield from (r for r in cut if r.learned() > 0)
                index += 1

    def whole(self, rows: Sequence[Row]) -> list[list[Rendered]]:
        """The uncut token rows of each row; as many rows as fit into memory several times, see `batches`. Raises ModelError."""
        plans = [row if isinstance(row, Passage) else Plan.of(row.messages) for row in rows]
        texts = self._texts([asked for plan in plans if isinstance(plan, Plan) for asked in plan.asked()])
        ids = dict(zip(texts, self.encoder.encode(list(texts.values())), strict=True))
        return [self._passage(plan) if isinstance(plan, Passage) else self._conversation(plan, texts, ids) for plan in plans]

    def text(self, token_ids: Sequence[int]) -> str:
        """The words of an answer, without special tokens."""
        return self.tokenizer.decode(list(token_ids), skip_special_tokens=True).strip()

    @cached_property
    def encoder(self) -> Encoder:
        return Encoder(self.tokenizer)

    @cached_property
    def end_of_turn(self) -> int | None:
        """The token that ends an answer: the first control token that the template writes after one. None if it writes none there."""
        _, question, answer = UNLIKELY
        text = self._apply([_turns(question, answer)])[0]
        ids = self.encoder.encode([text[text.rfind(answer) + len(answer) :]])[0]
        return next((token for token in ids if token in self.encoder.control_ids), None)

    @cached_property
    def _has_system_role(self) -> bool:
        system, question, answer = UNLIKELY
        try:
            (text,) = self._apply([[{"role": "system", "content": system}, *_turns(question, answer)]])
        except TemplateError:
            return False
        return system in text

    def _passage(self, passage: Passage) -> list[Rendered]:
        ids = (*self.encoder.encode([self.encoder.hide(passage.text)])[0], self.tokenizer.eos_token_id)
        return [Rendered(ids, ids)]

    def _conversation(self, plan: Plan, texts: Mapping[Asked, str], ids: Mapping[Asked, tuple[int, ...]]) -> list[Rendered]:
        spoken = [self._spoken(prompt, full, texts, ids) for prompt, full in plan.answers]
        whole = ids[plan.whole]
        if all(whole[: len(answer.ids)] == answer.ids for answer in spoken):
            return [_merged(whole, spoken)]
        return [answer.rendered() for answer in spoken]

    def _spoken(self, prompt: Asked, full: Asked, texts: Mapping[Asked, str], ids: Mapping[Asked, tuple[int, ...]]) -> Spoken:
        """The last message of `full` as the model would say it: prompt, answer, end of turn."""
        before, tokens = ids[prompt], ids[full]
        if tokens[: len(before)] != before:
            # The template writes the same, but the answer's first letters (a line break, say) flow into the prompt's last token.
            # Chat gives the prompt as tokens, so the answer is what follows them.
            if not texts[full].startswith(texts[prompt]):
                raise ModelError("This base model writes answers differently from how it is asked, so it cannot be trained. Choose another one.")
            tokens = before + self.encoder.after_typed(texts[full][len(texts[prompt]) :])
        end = len(tokens)
        while end > len(before) and tokens[end - 1] != self.end_of_turn:
            end -= 1
        return Spoken(tokens if end == len(before) else tokens[:end], len(before))  # without an end of turn, all of it

    def _texts(self, asked: Sequence[Asked]) -> dict[Asked, str]:
        """What the template makes of each, with typed control tokens hidden."""
        texts: dict[Asked, str] = {}
        for answer_follows in (False, True):
            some = [one for one in asked if one.answer_follows == answer_follows]
            try:
                texts |= zip(some, self._apply([self._shown(one.messages) for one in some], answer_follows), strict=True)
            except TemplateError as error:
                raise ModelError(f"This base model cannot read such conversations: {error}. Choose another one.") from error
        return texts

    def _shown(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        """The turns as the template gets them."""
        turns = [{"role": m.role, "content": self.encoder.hide(m.content)} for m in messages]
        if self.system_prompt and turns[0]["role"] != "system":
            turns.insert(0, {"role": "system", "content": self.encoder.hide(self.system_prompt)})
        if turns[0]["role"] == "system" and not self._has_system_role:
            system, question, *others = turns
            turns = [{**question, "content": f"{system['content']}\n\n{question['content']}"}, *others]
        return turns

    def _apply(self, chats: list[list[dict[str, str]]], answer_follows: bool = False) -> list[str]:
        if not chats:
            return []
        return self.tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=answer_follows, **self.template_options)


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """`rows` in portions that are quick to render and need little memory."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += _size(row)
        if len(batch) == BATCH_ROWS or size > BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(row: Row) -> int:
    """Characters that are rendered for it: everything before it once more for each answer."""
    if isinstance(row, Passage):
        return len(row.text)
    return sum(len(m.content) for m in row.messages) * len(row.messages)


def _turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _merged(whole: tuple[int, ...], answers: Sequence[Spoken]) -> Rendered:
    """One row that ends with the last answer's end of turn and learns every answer's span."""
    end = len(answers[-1].ids) if answers else len(whole)
    labels = [IGNORED] * end
    for answer in answers:
        labels[answer.start : len(answer.ids)] = answer.ids[answer.start :]
    return Rendered(whole[:end], tuple(labels))
