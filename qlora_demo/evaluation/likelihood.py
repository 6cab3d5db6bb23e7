"""How likely each of many rows is to a model, without gradients: what held-out losses, passages and general knowledge are measured by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel

from qlora_demo.data.rendering import IGNORED, Rendered
from qlora_demo.models.fused_decoder import FusedDecoder
from qlora_demo.models.loss import Batch, collate

BATCH_TOKENS = 2048
"""Padding counted, unless one row alone is longer."""
HEAD_TOKENS = 128
"""Logits are made for so many positions at once: of 150,000 word pieces, with their logarithms in 32 bits, 200 MB."""


def row_losses(model: PreTrainedModel, rows: Sequence[Rendered], pad_id: int, decoder: FusedDecoder | None = None) -> list[float]:
    """Summed cross-entropy over each row's learned tokens, in the order of `rows`. Leaves the model's mode as it was. `decoder` is that of the model
    in training, where there is one: faster, and in memory that training has already."""
    was_training = model.training
    model.eval()
    losses = [0.0] * len(rows)
    with torch.no_grad():
        for places in _batches([len(row.input_ids) for row in rows]):
            batch = {name: tensor.to(model.device) for name, tensor in collate([rows[i] for i in places], pad_id).items()}
            sums = decoder.row_losses(batch) if decoder else _sums(model, batch)
            for place, loss in zip(places, sums.tolist(), strict=True):
                losses[place] = loss
    model.train(was_training)
    return losses


def mean(losses: Sequence[float], rows: Sequence[Rendered]) -> float:
    """Loss a learned token over all rows."""
    return sum(losses) / sum(row.learned() for row in rows)


def _sums(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """One sum for each row of the batch, in fp32."""
    hidden = model.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False).last_hidden_state
    targets = batch["labels"][:, 1:]
    learned = targets != IGNORED
    states, wanted, row = hidden[:, :-1][learned], targets[learned], learned.nonzero()[:, 0]
    sums = torch.zeros(len(targets), device=targets.device)
    for some, right, of in zip(states.split(HEAD_TOKENS), wanted.split(HEAD_TOKENS), row.split(HEAD_TOKENS), strict=True):
        sums.index_add_(0, of, torch.nn.functional.cross_entropy(model.lm_head(some).float(), right, reduction="none"))
    return sums


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of rows of about equal length, the longest first."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
