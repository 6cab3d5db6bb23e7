"""From a row to tokens and a loss mask. Preview, training, evaluation and chat all render here and nowhere else.

A conversation goes through the base model's own chat template with `sanitize_control_tokens=True`: special tokens that somebody typed into
the data are encoded as the plain text they are. Loss is on the answers and the token that ends each, nothing else.

Some templates render an earlier turn differently inside a longer chat (Qwen3 drops its empty thinking block). Where every prefix agrees with
the whole, a conversation is one row with several learned spans; else it becomes one row for each answer, as chat would have asked it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from qlora_demo.data.conversation import Conversation, Message, Passage, Row

IGNORED = -100


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
        return sum(label != IGNORED for label in self.labels[1:])


@dataclass(frozen=True)
class Renderer:
    """A tokenizer with what the base model's template needs and the run's system prompt ("" leaves the template's own)."""

    tokenizer: PreTrainedTokenizerBase
    template_options: Mapping[str, Any]
    system_prompt: str = ""

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Tokens up to where the model's answer begins."""
        return self._tokens(messages, add_generation_prompt=True)

    def render(self, row: Row, max_length: int, index: int = 0) -> list[Rendered]:
        """One or more token rows, cut at `max_length` tokens; rows in which nothing is left to learn are dropped."""
        whole = self._passage(row) if isinstance(row, Passage) else self._conversation(row)
        cut = [Rendered(r.input_ids[:max_length], r.labels[:max_length], index) for r in whole]
        return [r for r in cut if r.learned() > 0]

    def text(self, token_ids: Sequence[int]) -> str:
        """The words of an answer, without special tokens."""
        return self.tokenizer.decode(list(token_ids), skip_special_tokens=True).strip()

    def _passage(self, passage: Passage) -> list[Rendered]:
        ids = self.tokenizer(passage.text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        ids = (*ids, self.tokenizer.eos_token_id)
        return [Rendered(ids, ids)]

    def _conversation(self, conversation: Conversation) -> list[Rendered]:
        messages = conversation.messages
        turns = [i for i, message in enumerate(messages) if message.learned()]
        answers = [self._answer(messages[: i + 1]) for i in turns]
        whole = tuple(self._tokens(messages))
        if all(whole[: len(answer.input_ids)] == answer.input_ids for answer in answers):
            return [_merged(whole, answers)]
        return answers

    def _answer(self, messages: Sequence[Message]) -> Rendered:
        """The last of `messages` as the model would say it: prompt, answer, end of turn."""
        prompt, full = self.prompt(messages[:-1]), self._tokens(messages)
        if full[: len(prompt)] != prompt:
            raise ValueError("The chat template renders an answer differently from its prompt; this base model cannot be trained.")
        end = len(full)
        while end > len(prompt) and full[end - 1] != self.tokenizer.eos_token_id:
            end -= 1
        if end == len(prompt):  # a template without an end-of-turn token: learn all of it
            end = len(full)
        return Rendered(tuple(full[:end]), (IGNORED,) * len(prompt) + tuple(full[len(prompt) : end]))

    def _tokens(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> list[int]:
        turns = [{"role": m.role, "content": m.content} for m in messages]
        if self.system_prompt and turns[0]["role"] != "system":
            turns.insert(0, {"role": "system", "content": self.system_prompt})
        encoded = self.tokenizer.apply_chat_template(
            turns,
            tokenize=True,
            return_dict=True,
            add_generation_prompt=add_generation_prompt,
            sanitize_control_tokens=True,
            **self.template_options,
        )
        return list(encoded["input_ids"])


def _merged(whole: tuple[int, ...], answers: Sequence[Rendered]) -> Rendered:
    """One row that ends with the last answer's end of turn and learns every answer's span."""
    labels = [IGNORED] * len(whole)
    for answer in answers:
        for position, label in enumerate(answer.labels):
            if label != IGNORED:
                labels[position] = label
    end = len(answers[-1].input_ids) if answers else len(whole)
    return Rendered(whole[:end], tuple(labels[:end]))
