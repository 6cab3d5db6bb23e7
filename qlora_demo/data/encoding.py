"""From text to tokens, many texts at once. Control tokens that somebody typed are hidden from the chat template and encoded as plain text.

The definition is `apply_chat_template(..., sanitize_control_tokens=True)`: the same tokens come out, and tests compare them. Two things differ.
A template cannot act on what was typed either (Qwen3's cuts an answer at a typed `</think>`). And a text is encoded in segments, each beginning
with a control token, because equal segments (a system prompt, an earlier turn) are then encoded once. A tokenizer finds control tokens before
it does anything else and treats the text between them separately, so the segments' tokens, one after the other, are the tokens of the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from transformers import PreTrainedTokenizerBase

ESCAPE = "\U0010fffd"
FIRST = 0x100000
"""A typed control token becomes ESCAPE and the character FIRST + its number: private characters that no template knows."""
WHOLE, AFTER_TYPED, TYPED = range(3)
"""How a segment is encoded: as it is, as what follows a typed token, as plain text."""
Segment = tuple[int, str]


@dataclass(frozen=True)
class Encoder:
    """A tokenizer, with what its chat template writes as control tokens."""

    tokenizer: PreTrainedTokenizerBase

    @cached_property
    def control(self) -> dict[str, int]:
        """Text to id of every token that steers the model: special ones, and those that the chat template writes itself."""
        template = self.tokenizer.get_chat_template()
        listed = self.tokenizer.chat_control_tokens or ()
        return {
            token.content: number
            for number, token in self.tokenizer.added_tokens_decoder.items()
            if token.special or token.content in listed or (token.content in template and not token.content.isspace())
        }

    @cached_property
    def control_ids(self) -> frozenset[int]:
        return frozenset(self.control.values())

    def hide(self, text: str) -> str:
        """`text` without control tokens; `encode` puts them back as plain text."""
        return self._typed.sub(lambda found: ESCAPE + chr(FIRST + self._numbers[found[0]]), text)

    def encode(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of each; typed tokens must be hidden."""
        split = [self._segments(text) for text in texts]
        known = self._encode_segments({segment for segments in split for segment in segments})
        return [_joined(known, segments) for segments in split]

    def after_typed(self, text: str) -> tuple[int, ...]:
        """Token ids of a text that goes on after other tokens; typed tokens must be hidden."""
        segments = self._segments(ESCAPE + chr(FIRST + len(self.control)) + text)[1:]
        return _joined(self._encode_segments(set(segments)), segments)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {text: number for number, text in enumerate((*self.control, ESCAPE))}

    @cached_property
    def _originals(self) -> dict[str, str]:
        return {chr(FIRST + number): text for text, number in self._numbers.items()}

    @cached_property
    def _typed(self) -> re.Pattern[str]:
        return _any_of(self._numbers)

    @cached_property
    def _hidden(self) -> re.Pattern[str]:
        return re.compile(f"{ESCAPE}([{chr(FIRST)}-{chr(FIRST + len(self.control))}])")

    @cached_property
    def _added(self) -> re.Pattern[str]:
        """Added tokens that the tokenizer looks for in the text as it stands."""
        return _any_of(token.content for token in self.tokenizer.added_tokens_decoder.values() if not token.normalized)

    @cached_property
    def _begins(self) -> frozenset[str]:
        """Control tokens whose tokens do not depend on what stands before them."""
        tokens = self.tokenizer.added_tokens_decoder.values()
        return frozenset(t.content for t in tokens if t.special and not (t.normalized or t.lstrip or t.single_word))

    def _segments(self, text: str) -> list[Segment]:
        if ESCAPE not in text:
            return [(WHOLE, part) for part in self._cut(text)]
        segments: list[Segment] = []
        for number, piece in enumerate(self._hidden.split(text)):
            if number % 2:
                segments.append((TYPED, self._originals[piece]))
            elif piece:
                first, *others = self._cut(piece)
                segments += [(AFTER_TYPED if number else WHOLE, first), *((WHOLE, part) for part in others)]
        return segments

    def _cut(self, text: str) -> list[str]:
        places = [found.start() for found in self._added.finditer(text) if found[0] in self._begins]
        borders = [0, *(place for place in places if place), len(text)]
        return [text[a:b] for a, b in zip(borders, borders[1:], strict=False)]

    def _encode_segments(self, segments: Iterable[Segment]) -> dict[Segment, tuple[int, ...]]:
        segments = list(segments)
        whole = [segment for segment in segments if segment[0] == WHOLE]
        known = dict(zip(whole, self._encode_whole([text for _, text in whole]), strict=True))
        return known | {segment: self._encode_after_other(segment) for segment in segments if segment[0] != WHOLE}

    def _encode_whole(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        backend = self.tokenizer.backend_tokenizer
        if backend.padding or backend.truncation or backend.encode_special_tokens:  # as another use left it
            backend.no_padding()
            backend.no_truncation()
            backend.encode_special_tokens = False
        return [tuple(encoding.ids) for encoding in backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def _encode_after_other(self, segment: Segment) -> tuple[int, ...]:
        """Encoded after a line break, which is then removed: some tokenizers put a space before the first word of a text."""
        kind, text = segment
        encode = self._encode_plain if kind == TYPED else lambda one: self._encode_whole([one])[0]
        (line_break,), ids = self._encode_whole(["\n"]), encode("\n" + text)
        return ids[len(line_break) :] if ids[: len(line_break)] == line_break else encode(text)

    def _encode_plain(self, text: str) -> tuple[int, ...]:
        """Without looking for added tokens; the tokenizer's own switch for that leaves those that are not special."""
        backend = self.tokenizer.backend_tokenizer
        text = backend.normalizer.normalize_str(text) if backend.normalizer else text
        words = [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(text)] if backend.pre_tokenizer else [text]
        return tuple(token.id for word in words for token in backend.model.tokenize(word))


def _joined(known: Mapping[Segment, tuple[int, ...]], segments: Sequence[Segment]) -> tuple[int, ...]:
    return tuple(chain.from_iterable([known[segment] for segment in segments]))


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """The longest first, as tokenizers do."""
    return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or "(?!)")
