"""The training loss: next-token cross-entropy, computed only where something is learned.

The head of a small model is its most expensive layer (SmolLM2-135M: 28 of 106 million multiplications a token), so its logits are made for
learned positions only. tests/models/test_loss.py holds the value equal to transformers' own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from qlora_demo.data.rendering import IGNORED, Rendered

Batch = dict[str, torch.Tensor]


def collate(rows: Sequence[Rendered], pad_id: int) -> Batch:
    """Right-padded `input_ids`, `attention_mask`, `labels`, each (rows, longest)."""
    width = max(len(row.input_ids) for row in rows)
    return {
        "input_ids": torch.tensor([[*row.input_ids, *[pad_id] * (width - len(row.input_ids))] for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row.input_ids) + [0] * (width - len(row.input_ids)) for row in rows]),
        "labels": torch.tensor([[*row.labels, *[IGNORED] * (width - len(row.labels))] for row in rows]),
    }


def collate_unpadded(rows: Sequence[Rendered]) -> Batch:
    """`input_ids`, `position_ids`, `labels`, each (1, all tokens): one row after the other. Positions that begin again tell transformers where a row
    ends, so no row sees another; only flash attention computes this without waste."""
    ids = [token for row in rows for token in row.input_ids]
    positions = [position for row in rows for position in range(len(row.input_ids))]
    labels = [label for row in rows for label in (IGNORED, *row.labels[1:])]  # a first token is nobody's next one
    return {"input_ids": torch.tensor([ids]), "position_ids": torch.tensor([positions]), "labels": torch.tensor([labels])}


def loss_sum(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Summed cross-entropy over the learned tokens, a scalar in fp32. `model` is the causal model itself, adapter layers inside it."""
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    hidden = model.model(**inputs, use_cache=False).last_hidden_state
    targets = batch["labels"][:, 1:]
    learned = targets != IGNORED
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[:, :-1][learned]).float(), targets[learned], reduction="sum")
