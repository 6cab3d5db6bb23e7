"""AdamW that keeps 32-bit master copies of 16-bit weights, of an adapter or of a whole model.

A bf16 number has 8 significant bits: near the end of a run most updates are smaller than its steps and would be lost. The masters collect
them; the model computes with their rounded copies, in one dtype, without autocast (which re-casts the frozen weights at every call).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

AT_ONCE = 8_000_000
"""Numbers whose gradients are in memory in 32 bits together; more only where one parameter alone has more."""


class MasterAdamW(torch.optim.AdamW):
    """Steps 32-bit copies of `weights` and writes them back rounded."""

    def __init__(self, weights: Sequence[torch.nn.Parameter], lr: float):
        self.weights = list(weights)
        super().__init__([torch.nn.Parameter(w.detach().to(torch.float32, copy=True)) for w in self.weights], lr=lr, weight_decay=0.0, fused=True)
        for master in self.masters:  # now, as AdamW's own first step would put them between a step's inner values, and break up that memory for good
            self.state[master] = {"step": torch.zeros(()), "exp_avg": torch.zeros_like(master), "exp_avg_sq": torch.zeros_like(master)}

    @property
    def masters(self) -> list[torch.Tensor]:
        return self.param_groups[0]["params"]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for some in self._pieces():
            for master, weight in some:
                master.grad = None if weight.grad is None else weight.grad.float()
                weight.grad = None
            super().step(closure)  # of those that have a gradient
            for master, weight in some:
                weight.copy_(master)
                master.grad = None

    def _pieces(self) -> Iterator[list[tuple[torch.Tensor, torch.nn.Parameter]]]:
        """Masters with their weights, a few layers' together."""
        some: list[tuple[torch.Tensor, torch.nn.Parameter]] = []
        for master, weight in zip(self.masters, self.weights, strict=True):
            if some and sum(m.numel() for m, _ in some) + master.numel() > AT_ONCE:
                yield some
                some = []
            some.append((master, weight))
        yield some

    def zero_grad(self, set_to_none: bool = True) -> None:
        for weight in self.weights:
            weight.grad = None

    def state_dict(self) -> dict[str, Any]:
        """AdamW's own state and the masters, so that a resumed run goes on from the exact numbers. As there, tensors are the optimizer's own:
        accelerate asks for all of it only to put it back."""
        return {**super().state_dict(), "masters": [master.detach() for master in self.masters]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "masters"})
        with torch.no_grad():
            for master, saved in zip(self.masters, state_dict["masters"], strict=True):
                master.copy_(saved)
