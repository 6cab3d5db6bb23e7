"""What was read for one question is not read again for the next, and the answers are those of a model that read it all anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from answering import made, with_adapters
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from qlora_demo.data.rendering import load_tokenizer
from qlora_demo.models.pair import Pair, Sampling
from qlora_demo.models.reading import Memory, begin

TOKENS = st.lists(st.integers(3, 319), min_size=1, max_size=20)
TURNS = st.lists(st.tuples(TOKENS, TOKENS), min_size=2, max_size=4)


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path):
    return load_tokenizer(tiny_folder)


def conversation(pair: Pair, tokenizer, turns: list[tuple[list[int], list[int]]], longest: int = 8) -> tuple[list, list[int]]:
    """Both columns' answers to every turn, each after all that was said before, and how many tokens were read for each."""
    histories: tuple[list[int], list[int]] = ([], [])
    said, read = [], []

    def counted(module, inputs, values) -> None:
        read[-1] += values["input_ids"].shape[1]

    hook = pair.base.get_base_model().register_forward_pre_hook(counted, with_kwargs=True)
    for new in turns:
        read.append(0)
        for history, words in zip(histories, new, strict=True):
            history.extend(words)
        answers = pair.answers(tokenizer, ([list(histories[0])], [list(histories[1])]), Sampling(longest))
        said.append(answers)
        for history, answer in zip(histories, answers, strict=True):
            history.extend(tokenizer(answer.text, add_special_tokens=False)["input_ids"])
    hook.remove()
    return said, read


@settings(max_examples=15, deadline=None)
@given(turns=TURNS)
def test_a_conversation_goes_as_if_all_were_read_anew(tokenizer, turns) -> None:
    model = with_adapters(made("llama"), "one")
    warm, _ = conversation(Pair(model, model, "one", remembers=True), tokenizer, turns)
    cold, _ = conversation(Pair(model, model, "one"), tokenizer, turns)
    assert warm == cold


def test_only_what_is_new_is_read(tokenizer) -> None:
    model = with_adapters(made("qwen3"), "one")
    turns = [(list(range(3, 83)), list(range(9, 69))), ([50, 51], [60]), ([70], [71, 72, 73])]
    _, warm = conversation(Pair(model, model, "one", remembers=True), tokenizer, turns)
    _, cold = conversation(Pair(model, model, "one"), tokenizer, turns)
    assert warm[0] == cold[0]
    assert max(warm[1:]) < 40 < min(cold[1:])


def test_another_history_is_read_anew(tokenizer) -> None:
    model = with_adapters(made("llama"), "one")
    pair, alone = Pair(model, model, "one", remembers=True), Pair(model, model, "one")
    pair.answers(tokenizer, ([[5] * 30], [[6] * 30]), Sampling(4))
    asked = ([[7] * 30], [[6] * 32])
    assert pair.answers(tokenizer, asked, Sampling(6)) == alone.answers(tokenizer, asked, Sampling(6))


def test_a_shorter_question_after_undo_goes_on_from_its_own_part(tokenizer) -> None:
    model = with_adapters(made("llama"), "one")
    pair, alone = Pair(model, model, "one", remembers=True), Pair(model, model, "one")
    long, short = list(range(3, 60)), list(range(3, 40))
    pair.answers(tokenizer, ([long], [long]), Sampling(4))
    assert pair.answers(tokenizer, ([short], [short]), Sampling(6)) == alone.answers(tokenizer, ([short], [short]), Sampling(6))


def test_two_models_in_turns_remember_too(tokenizer) -> None:
    base, other = made("llama"), made("llama", initializer_range=0.3)
    pair, alone = Pair(base, other, remembers=True), Pair(base, other)
    for length in (30, 34, 40):
        asked = ([list(range(3, 3 + length))], [list(range(20, 20 + length))])
        assert pair.answers(tokenizer, asked, Sampling(6)) == alone.answers(tokenizer, asked, Sampling(6))


def test_layers_that_forget_are_read_anew() -> None:
    """Gemma 3's sliding windows keep only the end of what was read."""
    model = made("gemma3_text")
    cache = DynamicCache(config=model.config)
    tokens = list(range(3, 43))
    with torch.inference_mode():
        model(input_ids=torch.tensor([tokens]), cache=cache, use_cache=True)
    assert begin(model, [[*tokens, 7]], Memory(cache, torch.ones(1, 40, dtype=torch.long), [tokens])).known == [0]


def test_after_an_exception_nothing_is_remembered(tokenizer) -> None:
    model = with_adapters(made("llama"), "one")
    pair, alone = Pair(model, model, "one", remembers=True), Pair(model, model, "one")
    history = list(range(3, 40))
    pair.answers(tokenizer, ([history], [history]), Sampling(4))

    def failing(row: int, text: str) -> None:
        raise OSError("the pipe is closed")

    with pytest.raises(OSError, match="pipe"):
        pair.answers(tokenizer, ([[*history, 7]], [[*history, 7]]), Sampling(4), failing)
    asked = ([[*history, 8]], [[*history, 8]])
    assert pair.answers(tokenizer, asked, Sampling(6)) == alone.answers(tokenizer, asked, Sampling(6))


def test_a_question_that_is_asked_once_more_is_read_anew(tokenizer) -> None:
    """In 16 bits what was kept has other last bits, and the same question is to get the same answer."""
    model = with_adapters(made("llama"), "one")
    pair, prompts, read = Pair(model, model, "one", remembers=True), (list(range(3, 60)), list(range(9, 70))), []

    def counted(module, inputs, values) -> None:
        read[-1] += values["input_ids"].shape[1]

    hook = model.get_base_model().register_forward_pre_hook(counted, with_kwargs=True)
    for _ in range(2):
        read.append(0)
        pair.answers(tokenizer, ([prompts[0]], [prompts[1]]), Sampling(4))
    hook.remove()
    assert read[0] == read[1] >= 61


def test_what_is_of_no_use_is_let_go_before_the_next_is_read(tokenizer) -> None:
    model = with_adapters(made("llama"), "one")
    pair = Pair(model, model, "one", remembers=True)
    pair.answers(tokenizer, ([list(range(3, 60))], [list(range(3, 60))]), Sampling(2))
    kept = pair._kept[0]
    start = begin(model.get_base_model(), [[5, 6, 7]] * 2, kept)
    assert start.known == [0, 0] and not kept.cache.layers
