"""Each adapter on its own rows: PEFT's own numbers, the base's rows untouched, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from answering import FAMILIES, adapted_folder, made, with_adapters
from peft.tuners.lora import LoraLayer

from qlora_demo.models.loading import Precision, causal_model, load_base
from qlora_demo.models.reading import pad_left
from qlora_demo.models.row_adapters import BASE, adapters_on_rows, spans_of

PROMPTS = [[5, 9, 30, 41], [7, 8], [90, 12, 13, 14, 15, 16], [44, 45, 46]]
NAMES = [BASE, "one", "one", "two"]


def logits(model, names: list[str]) -> torch.Tensor:
    """Of the last position, where no row is padded."""
    with torch.inference_mode(), adapters_on_rows(model, names):
        return causal_model(model)(**pad_left(PROMPTS[: len(names)], 0, "cpu")).logits[:, -1]


def test_neighbours_with_the_same_adapter_are_one_slice() -> None:
    assert spans_of([BASE, "a", "a", BASE, "b", "a"]) == [("a", slice(1, 3)), ("b", slice(4, 5)), ("a", slice(5, 6))]
    assert spans_of([BASE, BASE]) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_the_numbers_are_those_of_pefts_mixed_batch(family: str) -> None:
    model = with_adapters(made(family), "one", "two")
    ours = logits(model, NAMES)
    with torch.inference_mode():
        theirs = model(**pad_left(PROMPTS, 0, "cpu"), adapter_names=NAMES).logits[:, -1]
        plain = made(family)(**pad_left(PROMPTS, 0, "cpu")).logits[:, -1]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert torch.equal(ours[0], plain[0])
    assert not torch.allclose(ours[1], plain[1], atol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_the_base_row_is_bit_equal_to_the_plain_model(tiny_folder: Path, method: str, dtype: torch.dtype) -> None:
    model = adapted_folder(tiny_folder, method, dtype, "one", "two")
    plain = load_base(tiny_folder, method, Precision(dtype, "", ""), "cpu").eval()
    ours = logits(model, NAMES)
    with torch.inference_mode():
        theirs = plain(**pad_left(PROMPTS, 0, "cpu")).logits[:, -1]
        peft = model(**pad_left(PROMPTS, 0, "cpu"), adapter_names=NAMES).logits[:, -1]
    assert torch.equal(ours[0], theirs[0])
    assert not torch.equal(ours[1], theirs[1])
    torch.testing.assert_close(ours, peft, rtol=0.05, atol=0.3 if dtype == torch.bfloat16 else 0.05)


def test_nothing_is_left_behind_by_an_exception_either() -> None:
    model = with_adapters(made("llama"), "one")
    before = logits(model, [BASE, "one"])
    with pytest.raises(ZeroDivisionError), adapters_on_rows(model, ["one", BASE]):
        raise ZeroDivisionError
    assert not any("forward" in vars(module) or "forward" in module._modules for module in model.modules() if isinstance(module, LoraLayer))
    assert torch.equal(logits(model, [BASE, "one"]), before)
    with torch.inference_mode(), model.disable_adapter():
        assert torch.equal(model(**pad_left(PROMPTS[:2], 0, "cpu")).logits[0, -1], before[0])


def test_a_model_without_adapters_is_let_be() -> None:
    model = made("llama")
    with torch.inference_mode():
        assert torch.equal(logits(model, [BASE] * 4), model(**pad_left(PROMPTS, 0, "cpu")).logits[:, -1])
