"""Adapters on their own rows of a batch: what PEFT's mixed batch computes, in a third of its calls.

PEFT 0.21 (tuners/lora/layer.py, `_mixed_batch_forward`) picks rows by lists of indices, which copies them and on a card waits for each copy, and
hands `adapter_names` to every layer by hooks that an exception leaves behind. Here rows are slices, and the layers' own `forward` is always back in
its place. Rows of `BASE` go through the base layer and nothing else. tests/models/test_row_adapters.py holds the numbers equal to PEFT's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from bitsandbytes.nn import Linear4bit
from peft.tuners.lora import LoraLayer

from qlora_demo.models.loading import causal_model

BASE = "__base__"
"""In an adapter's place: the row of the base model."""
Span = tuple[str, slice]


def spans_of(names: Sequence[str]) -> list[Span]:
    """Neighbouring rows with the same adapter, as (adapter, rows); rows of the base are left out."""
    spans, start = [], 0
    for name, rows in groupby(names):
        end = start + len(list(rows))
        if name != BASE:
            spans.append((name, slice(start, end)))
        start = end
    return spans


@contextmanager
def adapters_on_rows(model: Any, names: Sequence[str]) -> Iterator[None]:
    """While it lasts, row i of every batch through `model` has the adapter `names[i]`, or none where that is BASE.

    A model without adapters is let be. For LoRA on linear layers, as this app trains it, in evaluation: no dropout.
    """
    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    spans, dtype = spans_of(names), causal_model(model).dtype
    try:
        for layer in layers:
            layer.forward = _forward(layer, spans, dtype)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("forward", None)


def _forward(layer: LoraLayer, spans: Sequence[Span], dtype: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    base = _base_forward(layer.base_layer)
    shares = [(rows, *_share(layer, name, dtype)) for name, rows in spans if name in layer.lora_A]

    def forward(x: torch.Tensor) -> torch.Tensor:
        result = base(x)
        for rows, down, up in shares:
            low = x[rows].flatten(0, -2).to(down.dtype) @ down
            mine = result[rows].view(-1, result.shape[-1])  # no copy: what is added must arrive
            if mine.dtype == low.dtype:
                mine.addmm_(low, up)
            else:
                mine.add_(low @ up)
        return result

    return forward if shares else base


def _base_forward(base: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """The layer's own; for a weight that bitsandbytes has repacked for this processor, the product that it comes to in the end, without five calls on
    the way to it, which count when it is one token that is multiplied."""
    repacked = isinstance(base, Linear4bit) and vars(base.weight.quant_state).get("packing_format_for_cpu", False)
    if not repacked or base.bias is not None or base.compute_dtype != torch.bfloat16:
        return base.forward
    weight, state = base.weight.data, base.weight.quant_state

    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.ops.bitsandbytes.gemv_4bit.default(x, weight, state.shape, state.absmax, state.code, state.blocksize)

    return forward


def _share(layer: LoraLayer, name: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """A (inputs, rank) and scaled B (rank, outputs) of one adapter.

    On a processor in 32 bits: torch prepares every product in 16 bits anew, which takes ten times as long as these small ones themselves.
    """
    down, up = layer.lora_A[name].weight.detach(), layer.lora_B[name].weight.detach()
    own = torch.float32 if down.device.type == "cpu" else dtype
    return down.to(own).T, (up * layer.scaling[name]).to(own).T.contiguous()
