"""Linear layers that read the same input, as one matrix product forward and one back, with the gradients of what learns written by hand.

PEFT's own layers make 21 small products a block for the adapters alone, and autograd keeps a copy of every input; here q, k and v share theirs, and
so do gate and up. tests/models/test_fused_decoder.py holds every gradient equal to autograd's through the original layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit
from peft.tuners.lora import LoraLayer

Tensor = torch.Tensor
New = Callable[[int, int], Tensor]
"""Makes an empty matrix of so many rows and columns."""


def add_gradient(parameter: torch.nn.Parameter, gradient: Tensor) -> None:
    """To what the step's earlier micro-batches gave. `gradient` may be kept: it must be nobody else's."""
    if parameter.grad is None:
        parameter.grad = gradient
    else:
        parameter.grad.add_(gradient)


def leave_the_file(weight: torch.nn.Parameter) -> None:
    """Gives it memory of its own.

    transformers leaves weights where the model's file is mapped, and a single one keeps all of the file in memory: beside the grouped copies of the
    others, the model would be there twice.
    """
    weight.data = weight.data.clone()


class Dense:
    """The weights of several layers in one matrix, (all outputs, inputs). The layers' own weights become views of its rows."""

    def __init__(self, layers: Sequence[torch.nn.Linear]):
        self._weights = [layer.weight for layer in layers]
        self._matrix = torch.cat([weight.data for weight in self._weights])
        self.adopt()

    def adopt(self) -> None:
        _adopt(self._weights, self._matrix)

    def matrix(self) -> Tensor:
        return self._matrix


def _adopt(parameters: Sequence[torch.nn.Parameter], stack: Tensor) -> None:
    """Makes each parameter a view of its rows of `stack`, with its own numbers: again where somebody gave it other memory, as loading a checkpoint
    does."""
    for parameter, rows in zip(parameters, stack.split([parameter.shape[0] for parameter in parameters]), strict=True):
        if parameter.data_ptr() != rows.data_ptr():
            parameter.data = rows.copy_(parameter.data)


class Packed:
    """As `Dense`, of 4-bit layers: unpacked anew for every product into `scratch`, as that takes a twentieth of the product's own time."""

    def __init__(self, layers: Sequence[Linear4bit], scratch: Tensor):
        self._layers, self._scratch = layers, scratch

    def matrix(self) -> Tensor:
        """Valid until the next call of any layer that shares the scratch."""
        wide = self._layers[0].in_features
        whole = self._scratch[: wide * sum(layer.out_features for layer in self._layers)].view(-1, wide)
        for layer, rows in zip(self._layers, whole.split([layer.out_features for layer in self._layers]), strict=True):
            rows.copy_(dequantize_4bit(layer.weight.data, layer.weight.quant_state))
        return whole


class FrozenBase:
    """Layers whose weights stay and whose LoRA adapters learn: y = x W' + (x A') B' s, with A stacked over the layers and s B block-diagonal.

    The A matrices become views of the stack's rows, so an optimizer that changes them in place changes the stack.
    """

    def __init__(self, layers: Sequence[LoraLayer], weights: Dense | Packed, adapter: str):
        self._weights = weights
        self._downs = [layer.lora_A[adapter].weight for layer in layers]
        self._ups = [layer.lora_B[adapter].weight for layer in layers]
        self._scales = [layer.scaling[adapter] for layer in layers]
        self._ranks = [down.shape[0] for down in self._downs]
        self._outs = [up.shape[0] for up in self._ups]
        self._down = torch.cat([down.data for down in self._downs])
        self._up = self._down.new_zeros(sum(self._outs), sum(self._ranks))
        self._bias = _stacked_bias([layer.get_base_layer() for layer in layers])

    def refresh(self) -> None:
        """After the adapter has changed."""
        _adopt(self._downs, self._down)
        for block, up, scale in zip(self._blocks(self._up), self._ups, self._scales, strict=True):
            torch.mul(up.data, scale, out=block)

    def _blocks(self, matrix: Tensor) -> list[Tensor]:
        """The diagonal blocks of a matrix (all outputs, all ranks), as views."""
        rows = matrix.split(self._outs)
        return [row.split(self._ranks, dim=1)[i] for i, row in enumerate(rows)]

    def forward(self, x: Tensor, new: New | None = None, new_low: New | None = None) -> tuple[Tensor, Tensor]:
        """(tokens, inputs) to (tokens, outputs), and (tokens, ranks) for `backward`, in matrices that `new` and `new_low` make."""
        low = torch.mm(x, self._down.T, out=(new_low or x.new_empty)(len(x), len(self._down)))
        return self.base(x, new).addmm_(low, self._up.T), low

    def base(self, x: Tensor, new: New | None = None) -> Tensor:
        """Without the adapter."""
        matrix = self._weights.matrix()
        y = torch.mm(x, matrix.T, out=(new or x.new_empty)(len(x), len(matrix)))
        return y if self._bias is None else y.add_(self._bias)

    def backward(self, dy: Tensor, x: Tensor, low: Tensor) -> Tensor:
        """The gradient of the input; those of A and B are added to theirs."""
        d_low = dy @ self._up
        for down, gradient in zip(self._downs, (d_low.T @ x).split(self._ranks), strict=True):
            add_gradient(down, gradient)
        for up, gradient, scale in zip(self._ups, self._blocks(dy.T @ low), self._scales, strict=True):
            add_gradient(up, gradient * scale)
        dx = dy @ self._weights.matrix()
        return dx.addmm_(d_low, self._down)


class Learning:
    """Layers that learn themselves."""

    def __init__(self, layers: Sequence[torch.nn.Linear]):
        self._layers = layers
        self._weights = Dense(layers)
        self._outs = [layer.out_features for layer in layers]

    def refresh(self) -> None:
        """After the weights have got other memory."""
        self._weights.adopt()

    def forward(self, x: Tensor, new: New | None = None, new_low: New | None = None) -> tuple[Tensor, Tensor]:
        """As `FrozenBase`; nothing but the input is needed to go back."""
        return self.base(x, new), x.new_empty(0)

    def base(self, x: Tensor, new: New | None = None) -> Tensor:
        """The same: there is no adapter."""
        matrix = self._weights.matrix()
        y = torch.mm(x, matrix.T, out=(new or x.new_empty)(len(x), len(matrix)))
        bias = _stacked_bias(self._layers)
        return y if bias is None else y.add_(bias)

    def backward(self, dy: Tensor, x: Tensor, low: Tensor) -> Tensor:
        """As `FrozenBase`."""
        for layer, gradient, part in zip(self._layers, (dy.T @ x).split(self._outs), dy.split(self._outs, dim=1), strict=True):
            add_gradient(layer.weight, gradient)
            if layer.bias is not None:
                add_gradient(layer.bias, part.sum(0))
        return dy @ self._weights.matrix()


def _stacked_bias(layers: Sequence[torch.nn.Linear]) -> Tensor | None:
    return None if layers[0].bias is None else torch.cat([layer.bias.data for layer in layers])


def _biases_leave_the_file(layers: Sequence[torch.nn.Linear]) -> None:
    for layer in layers:
        if layer.bias is not None:
            leave_the_file(layer.bias)


def fuse(layers: Sequence[torch.nn.Module], scratch: Tensor) -> FrozenBase | Learning:
    """`layers` read the same input; all have an adapter or none has. `scratch` is shared by all 4-bit layers of a model."""
    if not isinstance(layers[0], LoraLayer):
        _biases_leave_the_file(layers)
        return Learning(layers)
    bases = [layer.get_base_layer() for layer in layers]
    _biases_leave_the_file(bases)
    weights = Packed(bases, scratch) if isinstance(bases[0], Linear4bit) else Dense(bases)
    return FrozenBase(layers, weights, layers[0].active_adapters[0])
