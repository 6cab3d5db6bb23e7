"""Our loop says what transformers' `generate` says, token for token, whatever the histories; rows end, stream and stop by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from answering import FAMILIES, adapted_folder, made, with_adapters
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache, PreTrainedTokenizerBase
from transformers.generation.logits_process import TopPLogitsWarper

from qlora_demo.data.rendering import load_tokenizer
from qlora_demo.models.decoding import Choice, RowText, Sampling, end_tokens
from qlora_demo.models.loading import Precision, causal_model, load_base
from qlora_demo.models.pair import BASE, Side, answer_rows, answer_sides
from qlora_demo.models.reading import pad_left

HISTORIES = st.lists(st.lists(st.integers(3, 319), min_size=1, max_size=40), min_size=2, max_size=2)
LONGEST = 12


@pytest.fixture(scope="module")
def tokenizer(tiny_folder) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_folder)


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    return with_adapters(made(request.param), "one")


def generated(model, prompts: list[list[int]], ends: list[int], **names) -> list[list[int]]:
    """transformers' answers, each up to its end."""
    batch = pad_left(prompts, 0, "cpu")
    with torch.inference_mode():
        rows = model.generate(**batch, **names, do_sample=False, max_new_tokens=LONGEST, eos_token_id=ends, pad_token_id=0)
    answers = []
    for row in rows[:, batch["input_ids"].shape[1] :].tolist():
        end = next((place for place, token in enumerate(row) if token in ends), len(row))
        answers.append(row[:end])
    return answers


def tokens_of(model, tokenizer, rows: list[tuple[str, list[int]]]) -> tuple[list[list[int]], list]:
    """Ours, from what was read, with their last token; and the answers."""
    side = Side(model, [name for name, _ in rows], [prompt for _, prompt in rows])
    answers, (memory,) = answer_sides([side], tokenizer, Sampling(LONGEST))
    said = [read[len(prompt) :] for read, (_, prompt) in zip(memory.tokens, rows, strict=True)]
    return said, answers


@settings(max_examples=12, deadline=None)
@given(prompts=HISTORIES)
def test_both_rows_are_those_of_generate_and_the_base_also_as_alone(model, tokenizer, prompts: list[list[int]]) -> None:
    ends = sorted(end_tokens(model, tokenizer))
    said, answers = tokens_of(model, tokenizer, [(BASE, prompts[0]), ("one", prompts[1])])
    together = generated(model, prompts, ends, adapter_names=[BASE, "one"])
    with model.disable_adapter():
        alone = generated(model, prompts[:1], ends)
    assert together[0] == alone[0]
    for mine, theirs, answer in zip(said, together, answers, strict=True):
        assert answer.tokens == len(theirs)
        assert mine == theirs[: len(mine)] and len(mine) >= len(theirs) - 1  # a last token is said, but not read
        assert answer.text == tokenizer.decode(theirs, skip_special_tokens=True).strip()


@pytest.fixture(scope="module", params=[(m, d) for m in ("lora", "qlora") for d in (torch.float32, torch.bfloat16, torch.float16)], ids=str)
def both_models(request, tiny_folder: Path) -> tuple[Any, Any]:
    """One with a loud adapter, and the plain one."""
    method, dtype = request.param
    return adapted_folder(tiny_folder, method, dtype), load_base(tiny_folder, method, Precision(dtype, "", ""), "cpu").eval()


@settings(max_examples=6, deadline=None)
@given(prompts=HISTORIES)
def test_every_step_of_the_base_row_is_bit_equal_to_the_plain_model(both_models, tokenizer, prompts: list[list[int]]) -> None:
    """What our loop gives to the model with the adapter is given to the plain model too: the same padded batch, from its own cache."""
    model, plain = both_models
    steps: list[tuple[dict[str, Any], torch.Tensor]] = []
    hook = causal_model(model).register_forward_hook(lambda module, inputs, values, output: steps.append((values, output.logits)), with_kwargs=True)
    answer_rows(model, tokenizer, [(BASE, prompts[0]), ("one", prompts[1])], Sampling(LONGEST))
    hook.remove()
    cache = DynamicCache(config=plain.config)
    with torch.inference_mode():
        for values, logits in steps:
            theirs = plain(**{**values, "cache": cache}).logits
            assert torch.equal(logits[0], theirs[0])
            assert not torch.equal(logits[1], theirs[1])


def test_each_row_has_its_own_end(tokenizer) -> None:
    model = with_adapters(made("llama"), "one")
    rows = [(BASE, [5, 6, 7]), ("one", [5, 6, 7, 8, 9])]
    free = [answer_rows(model, tokenizer, rows, Sampling(n)) for n in (1, 6)]
    base = generated(model, [row[1] for row in rows], [2], adapter_names=[BASE, "one"])[0]
    model.generation_config.eos_token_id = [2, base[2]]  # what the base says third now ends an answer
    first = base.index(base[2])
    ended = answer_rows(model, tokenizer, rows, Sampling(6))
    assert (ended[0].tokens, ended[0].complete) == (first, True)
    assert ended[1].text == free[1][1].text and not ended[1].complete


def test_streamed_text_adds_up_and_holds_no_half_character(tokenizer) -> None:
    said = "sea ☕ über 漢字 👩‍🚀 end"
    streamed: list[str] = []
    row = RowText(tokenizer, streamed.append)
    for token in tokenizer(said, add_special_tokens=False)["input_ids"]:
        row.add(token, frozenset({2}))
    row.add(2, frozenset({2}))
    assert "".join(streamed) == said and row.answer().text == said and row.ended
    assert len(streamed) > 5 and "\ufffd" not in "".join(streamed)


@given(st.text(max_size=40))
def test_any_text_streams_whole(tokenizer, said: str) -> None:
    streamed: list[str] = []
    row = RowText(tokenizer, streamed.append)
    for token in [*tokenizer(said, add_special_tokens=False)["input_ids"], 2]:
        row.add(token, frozenset({2}))
    assert "".join(streamed).strip() == row.answer().text


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 1.0), st.floats(0.1, 3.0))
def test_words_are_drawn_from_top_p_alone_as_transformers_means_it(seed: int, top_p: float, temperature: float) -> None:
    logits = torch.randn(2, 700, generator=torch.Generator().manual_seed(seed)) * 3
    possible = TopPLogitsWarper(top_p)(None, logits / temperature) > float("-inf")
    choose = Choice(Sampling(temperature=temperature, top_p=top_p, seed=seed))
    for _ in range(8):
        assert all(possible[row, token] for row, token in enumerate(choose(logits)))


def test_words_come_as_often_as_they_are_probable() -> None:
    shares = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    choose = Choice(Sampling(temperature=1.0, top_p=0.9, seed=1))
    drawn = [choose(shares.log())[0] for _ in range(4000)]
    counted = torch.bincount(torch.tensor(drawn), minlength=4) / 4000
    torch.testing.assert_close(counted, torch.tensor([0.5, 0.3, 0.15, 0.0]) / 0.95, atol=0.03, rtol=0)


def test_two_columns_that_think_the_same_say_the_same(tokenizer) -> None:
    model = with_adapters(made("llama"), "one")
    first, second = answer_rows(model, tokenizer, [("one", [5, 6, 7])] * 2, Sampling(12, 1.0, 0.95, 7))
    assert first == second


def test_cancelled_midway_and_failed_midway_the_model_answers_as_before(tokenizer) -> None:
    model = with_adapters(made("llama"), "one")
    rows = [(BASE, [5, 6, 7]), ("one", [5, 6, 7, 8])]
    before = answer_rows(model, tokenizer, rows, Sampling(12))
    asked: list[int] = []
    stopped = answer_rows(model, tokenizer, rows, Sampling(12), cancelled=lambda: asked.append(1) is None and len(asked) > 4)
    assert [answer.tokens for answer in stopped] == [4, 4]
    assert answer_rows(model, tokenizer, rows, Sampling(0)) == answer_rows(model, tokenizer, rows, Sampling(5), cancelled=lambda: True)

    def failing(row: int, text: str) -> None:
        raise OSError("the pipe is closed")

    with pytest.raises(OSError, match="pipe"):
        answer_rows(model, tokenizer, rows, Sampling(12), failing)
    assert answer_rows(model, tokenizer, rows, Sampling(12)) == before
    with torch.inference_mode(), model.disable_adapter():
        assert torch.equal(model(torch.tensor([[5, 6, 7]])).logits, made("llama")(torch.tensor([[5, 6, 7]])).logits)
