"""How many questions are asked, in which batches, and when asking ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from runs import WORDS, conversations

from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.evaluation import answering
from qlora_demo.evaluation.answering import BATCH_ROWS, BATCH_TOKENS, LABELLED, QUESTIONS, compare, drawn
from qlora_demo.models.pair import Answer, Sampling


@dataclass
class Parrots:
    """Stands for a pair: both sides say what they were asked, the adapted one twice."""

    tokenizer: Any
    sizes: list[int] = field(default_factory=list)
    longest: list[int] = field(default_factory=list)

    def answers(self, tokenizer: Any, prompts: tuple[Sequence, Sequence], sampling: Sampling, cancelled: Callable[[], bool]) -> list[Answer]:
        assert prompts[0] == prompts[1]
        self.sizes.append(len(prompts[0]))
        self.longest.append(sampling.max_new_tokens)
        texts = [tokenizer.decode(p).split("<|im_end|>")[0].removeprefix("<|im_start|>user\n") for p in prompts[0]]
        return [Answer(text, 1, not cancelled()) for text in (*texts, *(2 * text for text in texts))]


@pytest.fixture
def renderer(tiny_folder: Path) -> Renderer:
    return Renderer(load_tokenizer(tiny_folder), {})


def labelled(count: int) -> list[Conversation]:
    turns = [(Message("user", f"{WORDS[i % 17]} {i}"), Message("assistant", "happy" if i % 2 else "sad")) for i in range(count)]
    return [Conversation(pair, label=pair[1].content) for pair in turns]


def test_texts_are_drawn_from_all_and_come_in_their_order(renderer: Renderer) -> None:
    rows = conversations(150)
    pair = Parrots(renderer.tokenizer)
    found = compare(pair, renderer, rows, 512, sorts=False).compared
    places = [next(i for i, row in enumerate(rows) if row.question() == c.question) for c in found]
    assert len(places) == QUESTIONS and places == sorted(places) and places[-1] > 75 and [c.row for c in found] == places
    assert all((c.base, c.adapted, c.expected) == (c.question, 2 * c.question, rows[i].answer()) for i, c in zip(places, found, strict=True))
    again, few = compare(pair, renderer, rows, 512, sorts=False), compare(pair, renderer, rows[:7], 512, sorts=False)
    assert (again.compared, again.of, again.too_long, again.time_over) == (found, 150, 0, False)
    assert (len(few.compared), few.of, few.time_over) == (7, 7, False)


def test_labels_are_asked_in_hundreds_and_may_be_short(renderer: Renderer) -> None:
    pair = Parrots(renderer.tokenizer)
    assert len(compare(pair, renderer, labelled(230), 512, sorts=True).compared) == LABELLED
    assert max(pair.sizes) == BATCH_ROWS
    longest = max(len(renderer.tokenizer(text)["input_ids"]) for text in ("happy", "sad"))
    assert set(pair.longest) == {longest + answering.SPARE_TOKENS}


def test_asking_ends_when_the_time_is_over_but_never_before_one_batch(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "SORTING_SECONDS", 0.0)
    monkeypatch.setattr(answering, "TEXT_SECONDS", 0.0)
    for rows, sorts in ((labelled(60), True), (conversations(30), False)):
        found = compare(Parrots(renderer.tokenizer), renderer, rows, 512, sorts=sorts)
        assert (len(found.compared), found.of, found.time_over) == (BATCH_ROWS, len(rows), True)
    labels = compare(Parrots(renderer.tokenizer), renderer, labelled(60), 512, sorts=True).compared
    assert {c.expected for c in labels} == {"happy", "sad"}


def test_an_answer_that_the_time_cut_is_not_whole(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "LONGEST_SECONDS", -1.0)
    found = compare(Parrots(renderer.tokenizer), renderer, conversations(3), 512, sorts=False)
    assert found.time_over and not any(c.base_whole or c.adapted_whole for c in found.compared)


def test_long_questions_make_small_batches() -> None:
    lengths = {0: 3000, 1: 3000, 2: 10, 3: 5000, 4: 100}
    batches = list(answering._batches([0, 1, 2, 3, 4], lengths))
    assert batches == [[0], [1], [2], [3], [4]]
    assert list(answering._batches(range(40), dict.fromkeys(range(40), 200))) == [list(range(16)), list(range(16, 32)), list(range(32, 40))]
    assert all(len(batch) * max(lengths[i] for i in batch) <= BATCH_TOKENS or len(batch) == 1 for batch in batches)


def test_questions_that_are_longer_than_a_row_are_not_asked(renderer: Renderer) -> None:
    endless = Conversation((Message("user", "sea " * 600), Message("assistant", "tide")))
    rows = [endless, *conversations(3)]
    found = compare(Parrots(renderer.tokenizer), renderer, rows, 512, sorts=False)
    assert [(c.question, c.row) for c in found.compared] == [(row.question(), i) for i, row in enumerate(rows) if i]
    assert (found.of, found.too_long, found.time_over) == (4, 1, False)
    nothing = compare(Parrots(renderer.tokenizer), renderer, [endless], 512, sorts=False)
    assert (nothing.compared, nothing.of, nothing.too_long) == ([], 1, 1)


def test_what_is_drawn_is_everything_where_there_is_little() -> None:
    assert sorted(drawn(5, 10)) == [0, 1, 2, 3, 4]
    assert len(set(drawn(500, 200))) == 200 and drawn(500, 200) == drawn(500, 200)
