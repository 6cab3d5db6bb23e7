"""Memory for the inner values of a pass, taken piece by piece and used again by the next pass.

From the C library each value would get a place of its own among short-lived ones, with gaps between them that fit nothing later: a fifth of the
memory of a training step. Here they lie side by side, so that a step takes what arithmetic says.
"""

from __future__ import annotations

from math import prod

import torch

BLOCK = 32_000_000
"""Numbers that are asked for together. What of a block is never touched takes no memory."""
ALIGNED = 64
"""Numbers: every piece begins where fast loads like it."""


class Workspace:
    """Tensors of one dtype on one device, valid until `rewind` goes back before them."""

    def __init__(self, dtype: torch.dtype, device: torch.device):
        self._dtype, self._device = dtype, device
        self._blocks: list[torch.Tensor] = []
        self._at = (0, 0)

    def take(self, *shape: int) -> torch.Tensor:
        """A contiguous tensor of this shape with any numbers in it."""
        count = prod(shape)
        block, start = self._at
        while block < len(self._blocks) and start + count > len(self._blocks[block]):
            block, start = block + 1, 0
        if block == len(self._blocks):
            self._blocks.append(torch.empty(max(BLOCK, count), dtype=self._dtype, device=self._device))
        self._at = block, start + -(-count // ALIGNED) * ALIGNED
        return self._blocks[block][start : start + count].view(shape)

    def mark(self) -> tuple[int, int]:
        """How far it is used."""
        return self._at

    def rewind(self, mark: tuple[int, int] = (0, 0)) -> None:
        """All that was taken since `mark` may be taken anew."""
        self._at = mark
