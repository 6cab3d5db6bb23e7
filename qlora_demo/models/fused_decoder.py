"""A Llama-like decoder's loss and gradients on a processor, forward and back written by hand: a quarter of the time of autograd through its modules.

One dtype throughout; grouped products (`fused_linear`); logits for learned positions only, a piece at a time; attention as plain batched products,
which on a processor are several times as fast as the fused kernel for rows of a few hundred tokens. Rows are padded on the right, so a causal mask is
all that attention needs. tests/models/test_fused_decoder.py holds loss and gradients equal to transformers' and autograd's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from qlora_demo.data.rendering import IGNORED
from qlora_demo.models.fused_linear import Tensor, add_gradient, fuse, leave_the_file
from qlora_demo.models.workspace import Workspace

FAMILIES = ("llama", "qwen2", "qwen3")
LOGIT_ROWS = 128
"""Positions whose logits are in memory together: with 49,152 words in 16 bits, 12 MB, about what the processor's cache holds."""
KEPT_ATTENTION = 256
"""Longest row whose attention weights are kept for the way back: their size grows with its square, and making them again is cheap."""


def supports(model: PreTrainedModel) -> bool:
    """Whether this model, with its adapter in it, is one that these gradients are written for."""
    config = model.config
    if config.model_type not in FAMILIES or config.hidden_act != "silu" or model.device.type != "cpu":
        return False
    windows = config.model_type != "llama" and config.use_sliding_window
    dropout = any(p.p for m in model.modules() if isinstance(m, LoraLayer) for p in m.lora_dropout.values() if isinstance(p, torch.nn.Dropout))
    return not windows and not dropout


class Norm:
    """RMSNorm (Zhang and Sennrich 2019) over the last dimension."""

    def __init__(self, module: torch.nn.Module):
        self._weight, self._eps = module.weight, module.variance_epsilon
        leave_the_file(self._weight)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The normed input, and 1 / its root mean square in fp32 for `again` and `backward`."""
        inverse = x.float().square().mean(-1, keepdim=True).add_(self._eps).rsqrt_()
        return self.again(x, inverse), inverse

    def again(self, x: Tensor, inverse: Tensor) -> Tensor:
        return _scaled(x, inverse).to(x.dtype).mul_(self._weight.data)

    def backward(self, dy: Tensor, x: Tensor, inverse: Tensor) -> Tensor:
        hat = _scaled(x, inverse)
        if self._weight.requires_grad:
            add_gradient(self._weight, (dy * hat).flatten(0, -2).sum(0).to(x.dtype))
        d_hat = (dy * self._weight.data).float()
        share = (d_hat * hat).mean(-1, keepdim=True)
        return d_hat.addcmul_(hat, share, value=-1).mul_(inverse).to(x.dtype)


def _scaled(x: Tensor, inverse: Tensor) -> Tensor:
    return x.float().mul_(inverse) if x.dtype != torch.float32 else x * inverse


@dataclass(frozen=True)
class Shape:
    """What all layers share for one batch. `cos` and `sin` are (1, length, 1, head_dim / 2); `mask` is (1, group * length, length), true where a
    position may not look. What is kept for the way back is in `space`."""

    rows: int
    length: int
    heads: int
    kv_heads: int
    head_dim: int
    cos: Tensor
    sin: Tensor
    mask: Tensor
    space: Workspace

    def group(self) -> int:
        """Query heads that share a key head."""
        return self.heads // self.kv_heads


def rotate(x: Tensor, cos: Tensor, sin: Tensor, out: Tensor) -> None:
    """Rotary position embedding (Su et al. 2021) of (..., head_dim) into `out`. With -sin it is its own way back."""
    first, second = x.chunk(2, dim=-1)
    out_first, out_second = out.chunk(2, dim=-1)
    torch.mul(first, cos, out=out_first).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=out_second).addcmul_(first, sin)


class Attention:
    """Grouped-query attention. Heads that share a key are laid one after the other, so that each key head is one batched product."""

    def __init__(self, module: torch.nn.Module, scratch: Tensor, head_norms: bool):
        self.qkv = fuse([module.q_proj, module.k_proj, module.v_proj], scratch)
        self.out = fuse([module.o_proj], scratch)
        self._norms = (Norm(module.q_norm), Norm(module.k_norm)) if head_norms else ()
        self.scale = module.scaling

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
        rotated_q, rotated_k = _grouped(q, k, shape, shape.sin)
        values = _by_head(v, shape)
        mark = shape.space.mark()
        weights: Tensor | None = self._weights(rotated_q, rotated_k, shape)
        mixed = torch.bmm(weights, values)
        if shape.length > KEPT_ATTENTION:
            weights = None
            shape.space.rewind(mark)
        joined = _by_token(mixed, shape)
        y, low_out = self.out.forward(joined, take, take)
        return y, (low, raw if self._norms else (), inverses, rotated_q, rotated_k, values, weights, joined, low_out)

    def normed(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Where the family norms its heads."""
        return (self._norms[0].forward(q)[0], self._norms[1].forward(k)[0]) if self._norms else (q, k)

    def _weights(self, q: Tensor, k: Tensor, shape: Shape) -> Tensor:
        scores = shape.space.take(len(q), q.shape[1], shape.length)
        torch.baddbmm(scores, q, k.transpose(1, 2), beta=0, alpha=self.scale, out=scores).masked_fill_(shape.mask, float("-inf"))
        return torch.softmax(scores, dim=-1, out=scores)

    def backward(self, dy: Tensor, x: Tensor, kept: tuple[Any, ...], shape: Shape) -> Tensor:
        """The gradient of the input."""
        low, raw, inverses, q, k, v, weights, joined, low_out = kept
        d_joined = self.out.backward(dy, joined, low_out)
        d_mixed = d_joined.view(shape.rows, shape.length, shape.kv_heads, shape.group(), shape.head_dim).permute(0, 2, 3, 1, 4).reshape(q.shape)
        if weights is None:
            weights = self._weights(q, k, shape)
        d_v = torch.bmm(weights.transpose(1, 2), d_mixed)
        d_weights = torch.bmm(d_mixed, v.transpose(1, 2), out=shape.space.take(*weights.shape))
        d_scores = torch.ops.aten._softmax_backward_data.out(d_weights, weights, -1, weights.dtype, grad_input=d_weights)
        nothing = q.new_empty(())
        d_q = torch.baddbmm(nothing, d_scores, k, beta=0, alpha=self.scale)
        d_k = torch.baddbmm(nothing, d_scores.transpose(1, 2), q, beta=0, alpha=self.scale)
        d_projected = q.new_empty(shape.rows * shape.length, (shape.heads + 2 * shape.kv_heads) * shape.head_dim)
        to_q, to_k, to_v = self._parts(d_projected, shape)
        _ungrouped(d_q, d_k, shape, to_q, to_k)
        to_v.copy_(d_v.view(shape.rows, shape.kv_heads, shape.length, shape.head_dim).permute(0, 2, 1, 3))
        if self._norms:
            to_q.copy_(self._norms[0].backward(to_q, raw[0], inverses[0]))
            to_k.copy_(self._norms[1].backward(to_k, raw[1], inverses[1]))
        return self.qkv.backward(d_projected, x, low)

    def _parts(self, projected: Tensor, shape: Shape) -> tuple[Tensor, ...]:
        """Views of q, k and v, each (rows, length, its heads, head_dim)."""
        heads = projected.view(shape.rows, shape.length, -1, shape.head_dim)
        return heads.split([shape.heads, shape.kv_heads, shape.kv_heads], dim=2)


def _grouped(q: Tensor, k: Tensor, shape: Shape, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Rotated, q as (rows * kv_heads, group * length, head_dim) and k as (rows * kv_heads, length, head_dim)."""
    grouped_q = shape.space.take(shape.rows, shape.kv_heads, shape.group(), shape.length, shape.head_dim)
    grouped_k = shape.space.take(shape.rows, shape.kv_heads, shape.length, shape.head_dim)
    rotate(q, shape.cos, sin, grouped_q.flatten(1, 2).transpose(1, 2))
    rotate(k, shape.cos, sin, grouped_k.transpose(1, 2))
    return grouped_q.view(-1, shape.group() * shape.length, shape.head_dim), grouped_k.view(-1, shape.length, shape.head_dim)


def _ungrouped(d_q: Tensor, d_k: Tensor, shape: Shape, to_q: Tensor, to_k: Tensor) -> None:
    """The way back of `_grouped`, into (rows, length, heads, head_dim)."""
    rotate(d_q.view(shape.rows, shape.heads, shape.length, shape.head_dim).transpose(1, 2), shape.cos, -shape.sin, to_q)
    rotate(d_k.view(shape.rows, shape.kv_heads, shape.length, shape.head_dim).transpose(1, 2), shape.cos, -shape.sin, to_k)


def _by_head(v: Tensor, shape: Shape) -> Tensor:
    """(rows, length, kv_heads, head_dim) to (rows * kv_heads, length, head_dim)."""
    heads = shape.space.take(shape.rows, shape.kv_heads, shape.length, shape.head_dim)
    return heads.copy_(v.transpose(1, 2)).view(-1, shape.length, shape.head_dim)


def _by_token(mixed: Tensor, shape: Shape) -> Tensor:
    """(rows * kv_heads, group * length, head_dim) to (tokens, heads * head_dim)."""
    joined = shape.space.take(shape.rows, shape.length, shape.heads, shape.head_dim)
    joined.copy_(mixed.view(shape.rows, shape.heads, shape.length, shape.head_dim).transpose(1, 2))
    return joined.view(shape.rows * shape.length, -1)


class GatedMlp:
    """down(silu(gate(x)) * up(x)) (Shazeer 2020)."""

    def __init__(self, module: torch.nn.Module, scratch: Tensor):
        self.gate_up = fuse([module.gate_proj, module.up_proj], scratch)
        self.down = fuse([module.down_proj], scratch)

    def forward(self, x: Tensor, shape: Shape) -> tuple[Tensor, tuple[Tensor, ...]]:
        take = shape.space.take
        both, low = self.gate_up.forward(x, take, take)
        gate, up = both.chunk(2, dim=1)
        y, low_down = self.down.forward(torch.nn.functional.silu(gate).mul_(up), take, take)
        return y, (both, low, low_down)

    def backward(self, dy: Tensor, x: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
        both, low, low_down = kept
        gate, up = both.chunk(2, dim=1)
        opened = torch.nn.functional.silu(gate)
        inner = opened * up
        d_inner = self.down.backward(dy, inner, low_down)
        d_both = torch.empty_like(both)
        d_gate, d_up = d_both.chunk(2, dim=1)
        torch.mul(d_inner, opened, out=d_up)
        torch.ops.aten.silu_backward.grad_input(d_inner.mul_(up), gate, grad_input=d_gate)
        return self.gate_up.backward(d_both, x, low)


class Layer:
    """One block: both halves with their norms and residuals. Between `forward` and `backward` it holds what the latter needs.

    With `recompute` that is only its input: less memory, and the forward pass once more.
    """

    def __init__(self, module: torch.nn.Module, scratch: Tensor, head_norms: bool, recompute: bool):
        self.attention = Attention(module.self_attn, scratch, head_norms)
        self.mlp = GatedMlp(module.mlp, scratch)
        self.before_attention, self.before_mlp = Norm(module.input_layernorm), Norm(module.post_attention_layernorm)
        self._recompute = recompute
        self._kept: tuple[Any, ...] = ()

    def refresh(self) -> None:
        for part in (self.attention.qkv, self.attention.out, self.mlp.gate_up, self.mlp.down):
            part.refresh()

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        if self._recompute:
            self._kept = (x,)
            return self.through(x, shape)
        y, self._kept = self._forward(x, shape)
        return y

    def through(self, x: Tensor, shape: Shape) -> Tensor:
        """Nothing but the result stays."""
        result = shape.space.take(*x.shape)
        mark = shape.space.mark()
        result.copy_(self._forward(x, shape)[0])
        shape.space.rewind(mark)
        return result

    def _forward(self, x: Tensor, shape: Shape) -> tuple[Tensor, tuple[Any, ...]]:
        normed, inverse = self.before_attention.forward(x)
        attended, of_attention = self.attention.forward(normed, shape)
        middle = attended.add_(x)
        normed, inverse_middle = self.before_mlp.forward(middle)
        y, of_mlp = self.mlp.forward(normed, shape)
        return y.add_(middle), (x, inverse, of_attention, middle, inverse_middle, of_mlp)

    def backward(self, dy: Tensor, shape: Shape) -> Tensor:
        kept, self._kept = self._kept, ()
        mark = shape.space.mark()
        if self._recompute:
            _, kept = self._forward(kept[0], shape)
        x, inverse, of_attention, middle, inverse_middle, of_mlp = kept
        d_normed = self.mlp.backward(dy, self.before_mlp.again(middle, inverse_middle), of_mlp)
        d_middle = self.before_mlp.backward(d_normed, middle, inverse_middle).add_(dy)
        d_normed = self.attention.backward(d_middle, self.before_attention.again(x, inverse), of_attention, shape)
        shape.space.rewind(mark)
        return self.before_attention.backward(d_normed, x, inverse).add_(d_middle)


def _next_tokens(labels: Tensor) -> Tensor:
    """(rows * length,): what each position is to foretell, `IGNORED` where nothing."""
    return torch.nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED).flatten()


class FusedDecoder:
    """`model` is the causal model with its adapter in it, or one that learns whole; `supports` must be true of it.

    The weights of grouped layers become views of shared matrices; everything else about the model stays as it is.
    """

    def __init__(self, model: PreTrainedModel, recompute: bool = False):
        inner, config = model.model, model.config
        head_dim = inner.layers[0].self_attn.head_dim
        widest = max(config.intermediate_size * 2, (config.num_attention_heads + 2 * config.num_key_value_heads) * head_dim)
        packed = isinstance(inner.layers[0].mlp.up_proj, LoraLayer)
        scratch = torch.empty(widest * config.hidden_size if packed else 0, dtype=model.dtype)
        head_norms = config.model_type == "qwen3"
        self.layers = [Layer(module, scratch, head_norms, recompute) for module in inner.layers]
        self.heads, self.kv_heads, self.head_dim = config.num_attention_heads, config.num_key_value_heads, head_dim
        self._norm = Norm(inner.norm)
        self._embedding, self._head = inner.embed_tokens.weight, model.lm_head.weight
        for weight in {self._embedding, self._head}:
            leave_the_file(weight)
        self._rotary: Callable[..., tuple[Tensor, Tensor]] = inner.rotary_emb
        self._space = Workspace(model.dtype, model.device)

    @property
    def dtype(self) -> torch.dtype:
        return self._head.dtype

    def refresh(self) -> None:
        """After weights have changed."""
        for layer in self.layers:
            layer.refresh()

    def embedded(self, ids: Tensor) -> Tensor:
        """(...) to (..., hidden size)."""
        return self._embedding.data[ids]

    def angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin of (rows, length) positions, each (rows, length, head_dim / 2)."""
        cos, sin = self._rotary(self._embedding.data, positions)
        half = self.head_dim // 2
        return cos[..., :half], sin[..., :half]

    def logits(self, hidden: Tensor) -> Tensor:
        """(rows, hidden size) after all layers to (rows, vocabulary)."""
        return torch.nn.functional.linear(self._norm.forward(hidden)[0], self._head.data)

    @torch.no_grad()
    def accumulate(self, batch: dict[str, Tensor], learned: int) -> Tensor:
        """Adds the gradients of (summed loss / `learned`) to the parameters' and returns that loss. `batch` is right-padded."""
        self.refresh()
        ids = batch["input_ids"]
        shape = self._shape(*ids.shape)
        hidden = self.embedded(ids.flatten())
        for layer in self.layers:
            hidden = layer.forward(hidden, shape)
        loss, gradient = self._loss(hidden, batch["labels"], learned)
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient, shape)
        if self._embedding.requires_grad:
            if self._embedding.grad is None:
                self._embedding.grad = torch.zeros_like(self._embedding)
            self._embedding.grad.index_add_(0, ids.flatten(), gradient)
        return loss

    @torch.no_grad()
    def row_losses(self, batch: dict[str, Tensor]) -> Tensor:
        """(rows,) in fp32: the summed cross-entropy over each row's learned tokens. `batch` is right-padded; nothing is kept for a way back."""
        self.refresh()
        ids = batch["input_ids"]
        shape = self._shape(*ids.shape)
        hidden = self.embedded(ids.flatten())
        for layer in self.layers:
            hidden = layer.through(hidden, shape)
        shifted = _next_tokens(batch["labels"])
        where = (shifted != IGNORED).nonzero()[:, 0]
        losses = torch.zeros(len(ids))
        for some in where.split(LOGIT_ROWS // 2):  # 32 bits a logit: as much memory as twice as many in training
            found = torch.nn.functional.cross_entropy(self.logits(hidden[some]).float(), shifted[some], reduction="none")
            losses.index_add_(0, some // shape.length, found)
        return losses

    def _shape(self, rows: int, length: int) -> Shape:
        cos, sin = self.angles(torch.arange(length)[None])
        mask = torch.ones(length, length, dtype=torch.bool).triu_(1).repeat(self.heads // self.kv_heads, 1)[None]
        self._space.rewind()
        return Shape(rows, length, self.heads, self.kv_heads, self.head_dim, cos[:, :, None], sin[:, :, None], mask, self._space)

    def _loss(self, hidden: Tensor, labels: Tensor, learned: int) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient for `hidden` (tokens, hidden size), zero where nothing is learned."""
        shifted = _next_tokens(labels)
        where = (shifted != IGNORED).nonzero()[:, 0]
        chosen = hidden[where]
        normed, inverse = self._norm.forward(chosen)
        d_normed = torch.empty_like(normed)
        total = torch.zeros(())
        for start in range(0, len(where), LOGIT_ROWS):
            piece = slice(start, start + LOGIT_ROWS)
            logits = torch.nn.functional.linear(normed[piece], self._head.data)
            error = torch.softmax(logits, dim=-1)
            targets = torch.arange(len(logits)) * logits.shape[1] + shifted[where[piece]]
            # log of the sum of exponentials through the largest: its share of the whole is never too small to have a logarithm.
            largest, place = logits.max(dim=-1, keepdim=True)
            total += (largest.float() - error.gather(1, place).float().log_()).sum() - logits.view(-1)[targets].float().sum()
            error.view(-1)[targets] -= 1
            torch.mm(error, self._head.data, out=d_normed[piece])
            if self._head.requires_grad:
                add_gradient(self._head, error.T @ (normed[piece] / learned))
        d_normed.div_(learned)
        gradient = torch.zeros_like(hidden)
        gradient[where] = self._norm.backward(d_normed, chosen, inverse)
        return total / learned, gradient
