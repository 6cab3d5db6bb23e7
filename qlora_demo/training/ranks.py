"""The processes that train one run together: which of them this is, and what they tell each other.

Each has the data, the plan and the weights that learn, and takes its share of every step. Their gradients are added up, so that all make the same
step: the one that a single process would make. They talk by torch's collectives, gloo for what lies in the machine's memory and NCCL between cards,
and meet in a file, so that nothing listens to the network. To the Trainer each is alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")
PATIENCE = timedelta(days=2)
"""The others wait while the first fetches a base model, saves a point or tests; the watchdog ends what gets nowhere."""
AT_ONCE = 8_000_000
"""Gradients that are added up in one call, in 32 bits."""
WORDS = ("", "stop", "interrupt", "deadline")
"""What may end a training, by the numbers in which it is told."""


class Ranks:
    """`rank` is this process's number, `size` how many there are; made without arguments, it is alone."""

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank, self.size = rank, size
        self._ask: Callable[[], str] = lambda: ""
        self._asked = ""
        self._compared = False

    @classmethod
    def join(cls, rank: int, size: int, meeting: Path, device: str) -> Ranks:
        """Waits until all are there. `meeting` is a file that does not exist yet, `device` "cpu" or "cuda"."""
        backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
        dist.init_process_group(backend, init_method=meeting.absolute().as_uri(), rank=rank, world_size=size, timeout=PATIENCE)
        return cls(rank, size)

    @property
    def first(self) -> bool:
        """Whether this one writes events, saved points and the result, and tests."""
        return self.rank == 0

    def from_first(self, work: Callable[[], T]) -> T:
        """What the first one finds; the others wait for it."""
        if self.size == 1:
            return work()
        told = [work() if self.first else None]
        dist.broadcast_object_list(told, src=0, device=torch.device("cpu"))
        return told[0]  # type: ignore[return-value]

    def smallest(self, number: int) -> int:
        """Of all of theirs."""
        if self.size == 1:
            return number
        found = torch.tensor(number)
        dist.all_reduce(found, dist.ReduceOp.MIN)
        return int(found)

    def heard_by_all(self, ask: Callable[[], str]) -> Callable[[], str]:
        """`ask` as all may follow it at the end of a step: what the first one was told when gradients were added up. Alone, what it is told now."""
        if self.size == 1:
            return ask
        self._ask = ask
        return lambda: self._asked

    def begin_step(self, weights: Sequence[torch.nn.Parameter], seed: int) -> None:
        """Other noise for each (dropout), the same for one of them in every attempt: `seed`
        is this step's. Raises RuntimeError where they do not begin with the same weights."""
        if self.size == 1:
            return
        if not self.first:
            torch.manual_seed(1_000_003 * self.rank + seed)
        if not self._compared:
            self._compare(weights)

    def _compare(self, weights: Sequence[torch.nn.Parameter]) -> None:
        norms = torch.stack([torch.linalg.vector_norm(weight.detach(), dtype=torch.float32) for weight in weights]).cpu()
        least, most = norms.clone(), norms.clone()
        dist.all_reduce(least, dist.ReduceOp.MIN)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        if not least.equal(most):
            raise RuntimeError("The processes of this training do not begin with the same weights.")
        self._compared = True

    def add_up(self, weights: Sequence[torch.nn.Parameter], loss: torch.Tensor) -> torch.Tensor:
        """Each weight gets the sum of all gradients, one that is missing counts as zeros; returns the sum of all losses. Added in 32 bits: 16-bit
        gradients are rounded once, as after the micro-batches of a single process."""
        if self.size == 1:
            return loss
        for weight in weights:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad.contiguous()
        for some in _groups([piece for weight in weights for piece in weight.grad.view(-1).split(AT_ONCE)]):
            summed = self._sum(torch.cat([piece.float() for piece in some]))
            for piece, whole in zip(some, summed.split([piece.numel() for piece in some]), strict=True):
                piece.copy_(whole)
        self._asked = WORDS[int(self._sum(torch.tensor(WORDS.index(self._ask()) if self.first else 0)))]
        return self._sum(loss)

    def _sum(self, numbers: torch.Tensor) -> torch.Tensor:
        dist.all_reduce(numbers)
        return numbers

    def leave(self) -> None:
        """When learning has ended: what the first one still does, it does alone."""
        if self.size > 1:
            self._sum(torch.ones(()))  # none goes while another still listens
            dist.destroy_process_group()


ALONE = Ranks()


def lost(error: BaseException) -> bool:
    """Whether an error only says that another process is gone."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))


def _groups(pieces: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Of at most AT_ONCE numbers together."""
    some: list[torch.Tensor] = []
    for piece in pieces:
        if some and sum(p.numel() for p in some) + piece.numel() > AT_ONCE:
            yield some
            some = []
        some.append(piece)
    yield some
