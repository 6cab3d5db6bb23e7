"""The sentence "unchanged" is a computation: it is false as soon as anything reaches the base column."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from answering import adapted_folder, with_adapters

from qlora_demo.models.loading import Precision, load_to_answer
from qlora_demo.models.row_adapters import BASE
from qlora_demo.models.unchanged import base_rows_unchanged, fingerprint

PROMPTS = [[5, 6, 7, 8], [9, 10]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_the_base_row_is_unchanged_beside_an_adapter(tiny_folder: Path, method: str, dtype: torch.dtype) -> None:
    model = adapted_folder(tiny_folder, method, dtype, "one")
    assert base_rows_unchanged(model, [BASE, "one"], PROMPTS, 0)


def test_an_adapter_in_the_base_column_is_found(tiny_folder: Path) -> None:
    model = adapted_folder(tiny_folder, "lora", torch.float32, "one")
    model.merge_adapter(["one"])
    assert not base_rows_unchanged(model, [BASE, "one"], PROMPTS, 0)


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_one_changed_weight_changes_the_fingerprint_and_an_adapter_does_not(tiny_folder: Path, method: str) -> None:
    base = load_to_answer(tiny_folder, method, Precision(torch.bfloat16, "", ""), "cpu")
    before = fingerprint(base)
    base(input_ids=torch.tensor([[5, 6, 7]]))
    assert fingerprint(base) == before
    weight = base.get_input_embeddings().weight.data
    weight[7, 3] += 0.01
    assert fingerprint(base) != before
    weight[7, 3] = load_to_answer(tiny_folder, method, Precision(torch.bfloat16, "", ""), "cpu").get_input_embeddings().weight[7, 3]
    assert fingerprint(base) == before


def test_one_changed_scale_of_a_4_bit_weight_changes_the_fingerprint(tiny_folder: Path) -> None:
    base = load_to_answer(tiny_folder, "qlora", Precision(torch.bfloat16, "", ""), "cpu")
    before = fingerprint(base)
    with torch.inference_mode():
        base.model.layers[1].mlp.up_proj.weight.quant_state.absmax.flatten()[3] += 1
    assert fingerprint(base) != before


def test_loading_an_adapter_leaves_the_fingerprint(tiny_folder: Path) -> None:
    base = load_to_answer(tiny_folder, "lora", Precision(torch.float32, "", ""), "cpu")
    before = fingerprint(base)
    assert fingerprint(with_adapters(base, "one", "two")) == before
