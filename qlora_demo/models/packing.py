"""Base weights into 4 bits on a processor: what bitsandbytes does, byte for byte, several times as fast.

bitsandbytes 0.50 has no quick code for this on a processor; its general one looks each number up by halving (`torch.bucketize`), through copies as
large as the whole weight. Here every number is compared with the fifteen bounds between the codes, all at once, in pieces that stay in the
processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from bitsandbytes.functional import get_4bit_type

PIECE = 1 << 18
"""Numbers at once: a megabyte of float32. A multiple of every block size."""
SMALLEST = 1e-38
"""As in bitsandbytes: a block of zeros is not divided by zero."""


@contextmanager
def fast_packing() -> Iterator[None]:
    """While it lasts, weights on the processor are packed by `pack`; cards have their own code."""
    with torch.library._scoped_library("bitsandbytes", "IMPL") as operators:
        operators.impl("quantize_4bit", pack, "CPU")
        yield


def pack(weights: torch.Tensor, blocksize: int, quant_type: str, storage: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Two codes a byte (`storage`: how those bytes are to be seen), shape (bytes, 1), and the largest absolute value of each block, float32.

    Raises ValueError for codes other than NF4, whose order is not that of their values.
    """
    if quant_type != "nf4":
        raise ValueError(f"only nf4 is packed here, not {quant_type}")
    codes = get_4bit_type("nf4", device="cpu")
    bounds = ((codes[:-1] + codes[1:]) / 2).tolist()
    flat = weights.reshape(-1)
    blocks, rest = divmod(flat.numel(), blocksize)
    packed = torch.empty((flat.numel() + 1) // 2, dtype=torch.uint8)
    largest = torch.empty(blocks + (rest > 0))
    for start in range(0, blocks * blocksize, PIECE):
        piece = flat[start : min(start + PIECE, blocks * blocksize)].float().view(-1, blocksize)
        most = largest[start // blocksize :][: len(piece)]
        torch.amax(piece.abs(), dim=-1, out=most)
        scaled = (piece * (1.0 / most.clamp(min=SMALLEST).view(-1, 1))).clamp_(-1, 1)
        packed[start // 2 : (start + piece.numel() + 1) // 2] = _two_a_byte(scaled.view(-1), bounds)
    if rest:
        piece = flat[-rest:].float()
        largest[-1] = piece.abs().max().clamp(min=SMALLEST)
        packed[blocks * blocksize // 2 :] = _two_a_byte((piece / largest[-1]).clamp_(-1, 1), bounds)
    return packed.view(storage).unsqueeze(1), largest


def _two_a_byte(scaled: torch.Tensor, bounds: list[float]) -> torch.Tensor:
    """Float32 (n,) between -1 and 1 to the n/2 bytes of their codes; a code is the number of bounds below a value."""
    codes = torch.zeros(scaled.numel() + scaled.numel() % 2, dtype=torch.uint8)
    if scaled.numel() % 2:
        scaled = torch.nn.functional.pad(scaled, (0, 1))
    for bound in bounds:
        codes += scaled > bound
    return codes[::2] << 4 | codes[1::2]
