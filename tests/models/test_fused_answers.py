"""The fused decoder's answers are those of transformers' `generate`, of the adapted model and of the base."""

from __future__ import annotations

import pytest
import torch
from test_fused_decoder import CONFIGS, made, with_adapter
from transformers import PreTrainedModel

from qlora_demo.models.fused_answers import greedy
from qlora_demo.models.fused_decoder import FusedDecoder

PROMPTS = [[5, 9, 200, 31, 7, 42], [17, 3], list(range(40, 61))]
LONGEST = 12


def babbling(family: str) -> PreTrainedModel:
    """With weights so spread that it does not only repeat the last token."""
    model = made(family).eval()
    torch.manual_seed(3)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data.normal_(std=0.15)
    return model


def by_generate(model: PreTrainedModel, ends: frozenset[int]) -> list[list[int]]:
    """One row at a time: nothing is padded."""
    answers = []
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        settings = {"do_sample": False, "max_new_tokens": LONGEST, "pad_token_id": 0, "eos_token_id": sorted(ends) or None}
        found = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)[0, len(prompt) :].tolist()
        answers.append([token for token in found if token not in ends])
    return answers


@pytest.mark.parametrize("family", CONFIGS)
def test_answers_of_adapted_model_and_base(family: str) -> None:
    base = by_generate(babbling(family), frozenset())
    model = with_adapter(babbling(family)).eval()
    adapted = by_generate(model, frozenset())
    assert adapted != base
    decoder = FusedDecoder(model)
    assert greedy(decoder, PROMPTS, frozenset(), LONGEST) == adapted
    assert greedy(decoder, PROMPTS, frozenset(), LONGEST, adapter=False) == base


def test_a_row_ends_at_its_own_end() -> None:
    model = babbling("llama")
    free = by_generate(model, frozenset())
    ends = frozenset({free[0][4], free[2][1]})
    answers = greedy(FusedDecoder(model), PROMPTS, ends, LONGEST)
    assert answers == by_generate(model, ends)
    assert len({len(answer) for answer in answers}) > 1


def test_it_can_be_cancelled() -> None:
    asked = iter([False, False, True])
    answers = greedy(FusedDecoder(made("llama")), PROMPTS, frozenset(), LONGEST, cancelled=lambda: next(asked))
    assert [len(answer) for answer in answers] == [3, 3, 3]


def test_weights_that_were_given_other_memory_are_followed() -> None:
    """As loading a checkpoint does."""
    model = with_adapter(babbling("llama")).eval()
    decoder = FusedDecoder(model)
    before = greedy(decoder, PROMPTS, frozenset(), LONGEST)
    for name, parameter in model.named_parameters():
        if "lora_A" in name:
            parameter.data = torch.randn_like(parameter)
    after = greedy(decoder, PROMPTS, frozenset(), LONGEST)
    assert before != after == by_generate(model, frozenset())
