"""A Llama-like decoder's loss and gradients, forward and back written by hand: a fraction of the calls of autograd through its modules.

One dtype throughout; grouped products (`fused_linear`); attention by `fused_attention`; logits for learned positions only, a piece at a time. Rows
are padded on the right. tests/models/test_fused_decoder.py holds loss and gradients equal to transformers' and autograd's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from qlora_demo.data.rendering import IGNORED
from qlora_demo.models.fused_attention import Attention, Shape
from qlora_demo.models.fused_linear import Tensor, add_gradient, fuse, leave_the_file
from qlora_demo.models.fused_norm import Norm
from qlora_demo.models.workspace import Workspace

FAMILIES = ("llama", "qwen2", "qwen3")
LOGIT_ROWS, CARD_LOGIT_ROWS = 128, 2048
"""Positions whose logits are in memory together, on a processor and on a card: with 49,152 words in 16 bits, 12 MB, about what the processor's cache
holds, and 200 MB, enough to keep a card busy."""


def supports(model: PreTrainedModel) -> bool:
    """Whether this model, with its adapter in it, is one that these gradients are written for: on a card in bf16 alone, as fp16 needs its scaling."""
    config = model.config
    if config.model_type not in FAMILIES or config.hidden_act != "silu":
        return False
    if model.device.type != "cpu" and model.dtype != torch.bfloat16:
        return False
    windows = config.model_type != "llama" and config.use_sliding_window
    dropout = any(p.p for m in model.modules() if isinstance(m, LoraLayer) for p in m.lora_dropout.values() if isinstance(p, torch.nn.Dropout))
    return not windows and not dropout


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

    def __init__(self, module: torch.nn.Module, scratch: Tensor, recompute: bool, attention: Attention):
        self.attention = attention
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

    The weights of grouped layers become views of shared matrices; everything else about the model stays as it is. `kernel` says whether attention is
    torch's fused kernel; not said, it is on a card.
    """

    def __init__(self, model: PreTrainedModel, recompute: bool = False, kernel: bool | None = None):
        inner, config = model.model, model.config
        head_dim = inner.layers[0].self_attn.head_dim
        widest = max(config.intermediate_size * 2, (config.num_attention_heads + 2 * config.num_key_value_heads) * head_dim)
        packed = isinstance(inner.layers[0].mlp.up_proj, LoraLayer)
        scratch = torch.empty(widest * config.hidden_size if packed else 0, dtype=model.dtype, device=model.device)
        self._kernel = model.device.type == "cuda" if kernel is None else kernel
        self._logit_rows = CARD_LOGIT_ROWS if model.device.type == "cuda" else LOGIT_ROWS
        head_norms = config.model_type == "qwen3"
        self.layers = [Layer(m, scratch, recompute, Attention(m.self_attn, scratch, head_norms, self._kernel)) for m in inner.layers]
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

    @property
    def device(self) -> torch.device:
        return self._head.device

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
        ids = batch["input_ids"]
        shape, hidden = self._begun(ids)
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
        ids = batch["input_ids"]
        shape, hidden = self._begun(ids)
        for layer in self.layers:
            hidden = layer.through(hidden, shape)
        shifted = _next_tokens(batch["labels"])
        where = (shifted != IGNORED).nonzero()[:, 0]
        losses = torch.zeros(len(ids), device=self.device)
        for some in where.split(self._logit_rows // 2):  # 32 bits a logit: as much memory as twice as many in training
            found = torch.nn.functional.cross_entropy(self.logits(hidden[some]).float(), shifted[some], reduction="none")
            losses.index_add_(0, some // shape.length, found)
        return losses

    def _begun(self, ids: Tensor) -> tuple[Shape, Tensor]:
        """For a pass with the weights as they are now: what all layers share, and (tokens, hidden size) that goes into the first."""
        self.refresh()
        return self._shape(*ids.shape), self.embedded(ids.flatten())

    def _shape(self, rows: int, length: int) -> Shape:
        cos, sin = self.angles(torch.arange(length, device=self.device)[None])
        mask = None if self._kernel else torch.ones(length, length, dtype=torch.bool).triu_(1).repeat(self.heads // self.kv_heads, 1)[None]
        self._space.rewind()
        return Shape(rows, length, self.heads, self.kv_heads, self.head_dim, cos[:, :, None], sin[:, :, None], mask, self._space)

    def _loss(self, hidden: Tensor, labels: Tensor, learned: int) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient for `hidden` (tokens, hidden size), zero where nothing is learned."""
        shifted = _next_tokens(labels)
        where = (shifted != IGNORED).nonzero()[:, 0]
        chosen = hidden[where]
        normed, inverse = self._norm.forward(chosen)
        d_normed = torch.empty_like(normed)
        total = torch.zeros((), device=self.device)
        for start in range(0, len(where), self._logit_rows):
            piece = slice(start, start + self._logit_rows)
            logits = torch.nn.functional.linear(normed[piece], self._head.data)
            error = torch.softmax(logits, dim=-1)
            targets = torch.arange(len(logits), device=self.device) * logits.shape[1] + shifted[where[piece]]
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
