"""Memory and time of a run before it starts: arithmetic on the model's dimensions, no model needed."""

from __future__ import annotations

from dataclasses import dataclass

from qlora_demo.catalogue import Dimensions
from qlora_demo.recipe import Recipe

NF4_BYTES = 0.516  # a weight with its double-quantised scale: 4.127 bits (QLoRA paper, section 3)
OVERHEAD = 1_100_000_000  # libraries and allocator of a training process, measured on CPU
ACTIVATION_SAFETY = 1.25
DEFAULT_CPU_FLOPS = 1.1e11  # a second, two recent cores without calibration; corrected by the first steps of every run


@dataclass(frozen=True)
class Memory:
    """Bytes of one training run by purpose. `adapter` is 0 where the whole model learns."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    overhead: int

    def total(self) -> int:
        return self.weights + self.adapter + self.gradients + self.optimizer + self.activations + self.overhead


def training_memory(dimensions: Dimensions, recipe: Recipe, longest: int) -> Memory:
    """`longest` is the longest row in tokens. Adapter weights in up to 32 bits, masters and two Adam moments in 32.

    Full: 16-bit weights, their gradients in 32 bits at the moment of a step, 32-bit masters and moments: 18 bytes a parameter.
    """
    full = recipe.method == "full"
    adapter = 0 if full else dimensions.adapter_parameters(recipe.rank)
    learning = dimensions.parameters() if full else adapter
    linear = dimensions.linear_parameters() * (NF4_BYTES if recipe.method == "qlora" else 2)
    tokens = recipe.micro_batch_size * min(longest, recipe.max_length)
    return Memory(
        weights=int(linear + 2 * dimensions.other_parameters()),
        adapter=4 * adapter,
        gradients=4 * learning,
        optimizer=12 * learning,
        activations=int(ACTIVATION_SAFETY * tokens * (_block_bytes(dimensions) + _head_bytes(dimensions))),
        overhead=OVERHEAD,
    )


def _block_bytes(d: Dimensions) -> int:
    """Kept for the backward pass by all blocks, a token: 16-bit inputs of each operation (knowledge: Korthikanti et al. 2022, adapted)."""
    return d.layers * 2 * (12 * d.hidden + 3 * d.heads * d.head_dim + 2 * d.kv_heads * d.head_dim + 4 * d.intermediate)


def _head_bytes(d: Dimensions) -> int:
    """Logits in 16 and 32 bits, their softmax and gradient, for the half of the tokens that carry loss."""
    return d.vocabulary * (2 + 4 + 4 + 2) // 2


def training_seconds(dimensions: Dimensions, method: str, tokens: int, tokens_per_second: float | None) -> float:
    """`tokens` over all epochs. `tokens_per_second` is what a past run of this model measured here, else arithmetic on the operations:
    forward and backward through the linear layers, and a third pass for their own gradients where the whole model learns."""
    if tokens_per_second:
        return tokens / tokens_per_second
    operations = (6 if method == "full" else 4) * dimensions.linear_parameters() + 6 * dimensions.vocabulary * dimensions.hidden / 2
    return tokens * operations / DEFAULT_CPU_FLOPS
