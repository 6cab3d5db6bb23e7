"""Greedy answers of a fused decoder: several rows at once, one token a step, several times as fast on a processor as `generate`.

A tenth of the calls of transformers' modules with PEFT's in them: one token through 135 million parameters is bound by calls, not by arithmetic.
tests/models/test_fused_answers.py holds the tokens equal to those of `generate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from qlora_demo.models.fused_attention import rotate
from qlora_demo.models.fused_decoder import FusedDecoder, Layer
from qlora_demo.models.fused_linear import FrozenBase, Learning, Tensor


@dataclass
class Cache:
    """Keys and values of one layer, each (rows, kv_heads, longest, head_dim)."""

    keys: Tensor
    values: Tensor


@dataclass(frozen=True)
class Reading:
    """One step: `positions` (rows, new) of the tokens read, `hidden` (rows, 1, new, longest) true where a new token may not look."""

    positions: Tensor
    hidden: Tensor
    cos: Tensor
    sin: Tensor
    adapter: bool

    def product(self, part: FrozenBase | Learning, x: Tensor) -> Tensor:
        return part.forward(x)[0] if self.adapter else part.base(x)


@torch.no_grad()
def greedy(
    decoder: FusedDecoder,
    prompts: Sequence[Sequence[int]],
    ends: frozenset[int],
    longest: int,
    adapter: bool = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> list[list[int]]:
    """The tokens of each row's answer, at most `longest`, without the one that ends it. Without `adapter` it is the base that answers."""
    decoder.refresh()
    device = decoder.device
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    width = int(lengths.max())
    caches = [_empty_cache(decoder, len(prompts), width + longest) for _ in decoder.layers]
    ids = torch.tensor([[*prompt, *[0] * (width - len(prompt))] for prompt in prompts], device=device)
    hidden = _read(decoder, ids, torch.arange(width, device=device).expand(len(prompts), -1), caches, adapter)
    last = hidden[torch.arange(len(prompts), device=device), lengths - 1]
    answers: list[list[int]] = [[] for _ in prompts]
    open_rows = set(range(len(prompts)))
    for step in range(longest):
        tokens = decoder.logits(last).argmax(-1)
        for row, token in enumerate(tokens.tolist()):
            if row in open_rows and token in ends:
                open_rows.remove(row)
            elif row in open_rows:
                answers[row].append(token)
        if not open_rows or step == longest - 1 or cancelled():
            break
        last = _read(decoder, tokens[:, None], (lengths + step)[:, None], caches, adapter)[:, 0]
    return answers


def _empty_cache(decoder: FusedDecoder, rows: int, longest: int) -> Cache:
    shape = (rows, decoder.kv_heads, longest, decoder.head_dim)
    return Cache(*(torch.zeros(shape, dtype=decoder.dtype, device=decoder.device) for _ in range(2)))


def _read(decoder: FusedDecoder, ids: Tensor, positions: Tensor, caches: Sequence[Cache], adapter: bool) -> Tensor:
    """(rows, new, hidden size) after all layers, with the new keys and values put into the caches. Rows shorter than the first reading leave rubbish
    beyond their end, which is overwritten before any token may look at it."""
    place = torch.arange(caches[0].keys.shape[2], device=decoder.device)
    cos, sin = decoder.angles(positions)
    reading = Reading(positions, (place > positions[..., None])[:, None], cos[:, :, None], sin[:, :, None], adapter)
    hidden = decoder.embedded(ids)
    for layer, cache in zip(decoder.layers, caches, strict=True):
        hidden = _through(layer, hidden, reading, cache, decoder)
    return hidden


def _through(layer: Layer, x: Tensor, reading: Reading, cache: Cache, decoder: FusedDecoder) -> Tensor:
    normed, _ = layer.before_attention.forward(x)
    middle = _attend(layer, normed, reading, cache, decoder).add_(x)
    normed, _ = layer.before_mlp.forward(middle)
    gate, up = reading.product(layer.mlp.gate_up, normed.flatten(0, 1)).chunk(2, dim=1)
    return reading.product(layer.mlp.down, torch.nn.functional.silu(gate).mul_(up)).view(x.shape).add_(middle)


def _attend(layer: Layer, x: Tensor, reading: Reading, cache: Cache, decoder: FusedDecoder) -> Tensor:
    rows, new, width = x.shape
    attention = layer.attention
    heads = reading.product(attention.qkv, x.flatten(0, 1)).view(rows, new, -1, decoder.head_dim)
    q, k, v = heads.split([decoder.heads, decoder.kv_heads, decoder.kv_heads], dim=2)
    q, k = attention.normed(q, k)
    turned_q, turned_k = torch.empty_like(q), torch.empty_like(k)
    rotate(q, reading.cos, reading.sin, turned_q)
    rotate(k, reading.cos, reading.sin, turned_k)
    row = torch.arange(rows, device=x.device)[:, None]
    cache.keys[row, :, reading.positions] = turned_k
    cache.values[row, :, reading.positions] = v
    grouped = turned_q.view(rows, new, decoder.kv_heads, -1, decoder.head_dim).permute(0, 2, 3, 1, 4).flatten(2, 3)
    scores = (grouped @ cache.keys.transpose(2, 3)).mul_(attention.scale)
    weights = torch.softmax(scores.unflatten(2, (-1, new)).masked_fill_(reading.hidden[:, None], float("-inf")), dim=-1)
    mixed = (weights.flatten(2, 3) @ cache.values).unflatten(2, (-1, new))
    joined = mixed.permute(0, 3, 1, 2, 4).reshape(rows * new, -1)
    return reading.product(attention.out, joined).view(rows, new, width)
