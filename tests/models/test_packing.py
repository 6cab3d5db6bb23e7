"""The quick packing gives bitsandbytes' own bytes, and is there only while a model is read."""

from __future__ import annotations

from pathlib import Path

import bitsandbytes
import pytest
import torch
from bitsandbytes.functional import quantize_4bit

from qlora_demo.models import packing
from qlora_demo.models.loading import Precision, load_base
from qlora_demo.models.packing import fast_packing, pack

SHAPES = [(64, 64), (576, 1536), (3, 100), (1, 1), (7, 9), (5, 64)]
"""Whole blocks, several pieces, a last block that is not full, an odd number of weights."""


def packed_by_bitsandbytes(weights: torch.Tensor, blocksize: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ops.bitsandbytes.quantize_4bit.default(weights, blocksize, "nf4", torch.uint8)


@pytest.mark.parametrize("blocksize", [64, 128])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_bytes_are_those_of_bitsandbytes(shape: tuple[int, int], dtype: torch.dtype, blocksize: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PIECE", 4096)
    torch.manual_seed(0)
    weights = (torch.randn(shape) * 0.02).to(dtype)
    weights[0, : min(64, shape[1])] = 0
    theirs = packed_by_bitsandbytes(weights, blocksize)
    ours = pack(weights, blocksize, "nf4", torch.uint8)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape and mine.dtype == other.dtype
        assert torch.equal(mine, other)


def test_a_value_on_a_bound_is_coded_alike() -> None:
    codes = bitsandbytes.functional.get_4bit_type("nf4", device="cpu")
    values = torch.cat([codes, (codes[:-1] + codes[1:]) / 2, torch.zeros(33)]).view(1, 64)
    assert torch.equal(pack(values, 64, "nf4", torch.uint8)[0], packed_by_bitsandbytes(values, 64)[0])


def test_it_is_in_force_only_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(*arguments: object) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(1)
        return pack(*arguments)

    monkeypatch.setattr(packing, "pack", counted)
    weights = torch.ones(64, 64)
    with fast_packing():
        quantize_4bit(weights, quant_type="nf4")
    assert calls == [1]
    quantize_4bit(weights, quant_type="nf4")
    assert calls == [1]


def test_a_model_is_read_with_it(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(*arguments: object) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(1)
        return pack(*arguments)

    monkeypatch.setattr(packing, "pack", counted)
    model = load_base(tiny_folder, "qlora", Precision(torch.bfloat16, "", ""), "cpu")
    layers = [module for module in model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit)]
    assert len(calls) == len(layers) > 0


def test_codes_in_another_order_are_refused() -> None:
    with pytest.raises(ValueError, match="only nf4"):
        pack(torch.ones(64, 64), 64, "fp4", torch.uint8)
