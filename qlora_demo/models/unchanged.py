"""Whether the base column is still the base model: computed after an answer, for the page to say so."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from bitsandbytes.nn import Linear4bit
from peft import PeftModel
from transformers import PreTrainedModel

from qlora_demo.models.loading import causal_model
from qlora_demo.models.reading import pad_left
from qlora_demo.models.row_adapters import BASE, adapters_on_rows

COMPARED = 32
"""Tokens of each prompt whose numbers are compared: a tenth of a second on a processor for the bundled model."""


def fingerprint(model: PreTrainedModel | PeftModel) -> tuple[int, ...]:
    """The sum of the bits of each of the base's weights, and of the scales of 4-bit ones; adapters are left out.

    To be taken after a first forward pass, in which bitsandbytes may repack 4-bit weights.
    """
    weights = [weight.data for name, weight in model.named_parameters() if ".lora_" not in name]
    scales = [module.weight.quant_state.absmax for module in model.modules() if isinstance(module, Linear4bit)]
    return tuple(_sum_of_bits(numbers) for numbers in (*weights, *scales))


def _sum_of_bits(numbers: torch.Tensor) -> int:
    flat = numbers.detach().flatten().view(torch.uint8)
    whole = len(flat) // 4 * 4
    return int(flat[:whole].view(torch.int32).sum(dtype=torch.int64)) + int(flat[whole:].sum(dtype=torch.int64))


@torch.inference_mode()
def base_rows_unchanged(model: PeftModel, names: Sequence[str], prompts: Sequence[Sequence[int]], pad_id: int) -> bool:
    """Whether the rows of BASE, beside those of adapters, come out bit for bit as with PEFT's own switch for no adapter at all."""
    batch = pad_left([prompt[:COMPARED] for prompt in prompts], pad_id, model.device)
    base_rows = [row for row, name in enumerate(names) if name == BASE]
    with adapters_on_rows(model, names):
        mixed = causal_model(model)(**batch).logits[base_rows]
    with model.disable_adapter():
        alone = causal_model(model)(**batch).logits[base_rows]
    return torch.equal(mixed, alone)
