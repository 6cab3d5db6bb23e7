"""Grouped-query attention forward and back: by plain batched products on a processor, through torch's fused kernel on a card.

On a processor plain products are several times as fast as the fused kernel for rows of a few hundred tokens. Rows are padded on the right, so a
causal mask is all that attention needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from qlora_demo.models.fused_linear import Tensor, fuse
from qlora_demo.models.fused_norm import Norm
from qlora_demo.models.workspace import Workspace

KEPT_ATTENTION = 256
"""Longest row whose attention weights are kept for the way back: their size grows with its square, and making them again is cheap."""


@dataclass(frozen=True)
class Shape:
    """What all layers share for one batch. `cos` and `sin` are (1, length, 1, head_dim / 2); `mask` is (1, group * length, length), true where a
    position may not look, and only for products. What is kept for the way back is in `space`."""

    rows: int
    length: int
    heads: int
    kv_heads: int
    head_dim: int
    cos: Tensor
    sin: Tensor
    mask: Tensor | None
    space: Workspace

    def by_head(self, x: Tensor) -> Tensor:
        """Queries or keys of any layout in memory as (rows, heads, length, head_dim)."""
        return x.view(self.rows, -1, self.length, self.head_dim)


def rotate(x: Tensor, cos: Tensor, sin: Tensor, out: Tensor) -> None:
    """Rotary position embedding (Su et al. 2021) of (..., head_dim) into `out`. With -sin it is its own way back."""
    first, second = x.chunk(2, dim=-1)
    out_first, out_second = out.chunk(2, dim=-1)
    torch.mul(first, cos, out=out_first).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=out_second).addcmul_(first, sin)


class Products:
    """Attention as three batched products: heads that share a key are laid one after the other, so that each key head is one of them."""

    def __init__(self, scale: float):
        self._scale = scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor, shape: Shape) -> tuple[Tensor, Tensor | None]:
        """(rows, heads, length, head_dim) of (rows * kv_heads, positions, head_dim) each, and the weights, if the row is short."""
        mark = shape.space.mark()
        weights = self._weights(q, k, shape)
        mixed = shape.by_head(torch.bmm(weights, v))
        if shape.length <= KEPT_ATTENTION:
            return mixed, weights
        shape.space.rewind(mark)
        return mixed, None

    def _weights(self, q: Tensor, k: Tensor, shape: Shape) -> Tensor:
        assert shape.mask is not None  # noqa: S101
        scores = shape.space.take(len(q), q.shape[1], shape.length)
        torch.baddbmm(scores, q, k.transpose(1, 2), beta=0, alpha=self._scale, out=scores).masked_fill_(shape.mask, float("-inf"))
        return torch.softmax(scores, dim=-1, out=scores)

    def backward(self, d_mixed: Tensor, of: tuple[Tensor, Tensor, Tensor], kept: Tensor | None, shape: Shape) -> tuple[Tensor, ...]:
        """The gradients of q, k and v, each (rows, its heads, length, head_dim)."""
        q, k, v = of
        d_mixed = d_mixed.reshape(q.shape)
        weights = self._weights(q, k, shape) if kept is None else kept
        d_v = torch.bmm(weights.transpose(1, 2), d_mixed)
        d_weights = torch.bmm(d_mixed, v.transpose(1, 2), out=shape.space.take(*weights.shape))
        d_scores = torch.ops.aten._softmax_backward_data.out(d_weights, weights, -1, weights.dtype, grad_input=d_weights)
        nothing = q.new_empty(())
        d_q = torch.baddbmm(nothing, d_scores, k, beta=0, alpha=self._scale)
        d_k = torch.baddbmm(nothing, d_scores.transpose(1, 2), q, beta=0, alpha=self._scale)
        return shape.by_head(d_q), shape.by_head(d_k), shape.by_head(d_v)


class Kernel:
    """Attention in one call of torch's, back through its own autograd. As `Products` otherwise."""

    def __init__(self, scale: float):
        self._scale = scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor, shape: Shape) -> tuple[Tensor, tuple[Tensor, ...]]:
        with torch.enable_grad():
            # `.data`, not `.detach()`: the workspace's other pieces may be written without autograd taking it for a change of these.
            leaves = tuple(shape.by_head(part).data.requires_grad_() for part in (q, k, v))
            grouped = shape.heads != shape.kv_heads
            mixed = torch.nn.functional.scaled_dot_product_attention(*leaves, is_causal=True, scale=self._scale, enable_gqa=grouped)
        return mixed.detach(), (mixed, *leaves)

    def backward(self, d_mixed: Tensor, of: tuple[Tensor, ...], kept: tuple[Tensor, ...], shape: Shape) -> tuple[Tensor, ...]:
        mixed, *leaves = kept
        return torch.autograd.grad(mixed, leaves, d_mixed)


class Attention:
    """The whole half of a block: projections, rotation, attention, projection. With `kernel` it is `Kernel`'s attention."""

    def __init__(self, module: torch.nn.Module, scratch: Tensor, head_norms: bool, kernel: bool):
        self.qkv = fuse([module.q_proj, module.k_proj, module.v_proj], scratch)
        self.out = fuse([module.o_proj], scratch)
        self._norms = (Norm(module.q_norm), Norm(module.k_norm)) if head_norms else ()
        self.scale = module.scaling
        self._mix: Any = Kernel(self.scale) if kernel else Products(self.scale)

    def forward(self, x: Tensor, shape: Shape) -> tuple[Tensor, tuple[Any, ...]]:
        """(tokens, hidden) in and out, and what `backward` needs."""
        take = shape.space.take
        projected, low = self.qkv.forward(x, take if self._norms else None, take)
        q, k, v = self._parts(projected, shape)
        raw = (q, k)
        inverses: tuple[Tensor, ...] = ()
        if self._norms:
            (q, of_q), (k, of_k) = self._norms[0].forward(q), self._norms[1].forward(k)
            inverses = (of_q, of_k)
        mixing = (*_rotated(q, k, shape), _by_head(v, shape))
        mixed, of_mixing = self._mix.forward(*mixing, shape)
        joined = _by_token(mixed, shape)
        y, low_out = self.out.forward(joined, take, take)
        return y, (low, raw if self._norms else (), inverses, mixing, of_mixing, joined, low_out)

    def normed(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Where the family norms its heads."""
        return (self._norms[0].forward(q)[0], self._norms[1].forward(k)[0]) if self._norms else (q, k)

    def backward(self, dy: Tensor, x: Tensor, kept: tuple[Any, ...], shape: Shape) -> Tensor:
        """The gradient of the input."""
        low, raw, inverses, mixing, of_mixing, joined, low_out = kept
        d_joined = self.out.backward(dy, joined, low_out)
        d_mixed = d_joined.view(shape.rows, shape.length, shape.heads, shape.head_dim).transpose(1, 2)
        d_q, d_k, d_v = self._mix.backward(d_mixed, mixing, of_mixing, shape)
        d_projected = joined.new_empty(shape.rows * shape.length, (shape.heads + 2 * shape.kv_heads) * shape.head_dim)
        to_q, to_k, to_v = self._parts(d_projected, shape)
        rotate(d_q.transpose(1, 2), shape.cos, -shape.sin, to_q)
        rotate(d_k.transpose(1, 2), shape.cos, -shape.sin, to_k)
        to_v.copy_(d_v.transpose(1, 2))
        if self._norms:
            to_q.copy_(self._norms[0].backward(to_q, raw[0], inverses[0]))
            to_k.copy_(self._norms[1].backward(to_k, raw[1], inverses[1]))
        return self.qkv.backward(d_projected, x, low)

    def _parts(self, projected: Tensor, shape: Shape) -> tuple[Tensor, ...]:
        """Views of q, k and v, each (rows, length, its heads, head_dim)."""
        heads = projected.view(shape.rows, shape.length, -1, shape.head_dim)
        return heads.split([shape.heads, shape.kv_heads, shape.kv_heads], dim=2)


def _rotated(q: Tensor, k: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """(rows, length, its heads, head_dim) to q as (rows * kv_heads, query heads that share a key * length, head_dim) and k as
    (rows * kv_heads, length, head_dim)."""
    by_head = [shape.space.take(shape.rows, heads, shape.length, shape.head_dim) for heads in (shape.heads, shape.kv_heads)]
    for x, out in zip((q, k), by_head, strict=True):
        rotate(x, shape.cos, shape.sin, out.transpose(1, 2))
    return by_head[0].view(shape.rows * shape.kv_heads, -1, shape.head_dim), by_head[1].view(-1, shape.length, shape.head_dim)


def _by_head(v: Tensor, shape: Shape) -> Tensor:
    """(rows, length, kv_heads, head_dim) to (rows * kv_heads, length, head_dim)."""
    heads = shape.space.take(shape.rows, shape.kv_heads, shape.length, shape.head_dim)
    return heads.copy_(v.transpose(1, 2)).view(-1, shape.length, shape.head_dim)


def _by_token(mixed: Tensor, shape: Shape) -> Tensor:
    """(rows, heads, length, head_dim) to (tokens, heads * head_dim)."""
    joined = shape.space.take(shape.rows, shape.length, shape.heads, shape.head_dim)
    return joined.copy_(mixed.transpose(1, 2)).view(shape.rows * shape.length, -1)
