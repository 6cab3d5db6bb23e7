"""Masters in 32 bits, stepped a piece at a time."""

from __future__ import annotations

import pytest
import torch

from qlora_demo.training import optimizer
from qlora_demo.training.optimizer import MasterAdamW


def weights() -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(size).to(torch.bfloat16)) for size in (40, 300, 7, 90)]


def stepped(steps: int = 5) -> MasterAdamW:
    made = MasterAdamW(weights(), lr=1e-2)
    for step in range(steps):
        torch.manual_seed(step)
        for weight in made.weights:
            weight.grad = torch.randn_like(weight)
        made.step()
    return made


def test_the_masters_are_what_torchs_adamw_makes_of_32_bit_weights() -> None:
    ours = stepped()
    plain = [torch.nn.Parameter(weight.detach().float()) for weight in weights()]
    theirs = torch.optim.AdamW(plain, lr=1e-2, weight_decay=0.0, fused=True)
    for step in range(5):
        torch.manual_seed(step)
        for weight, half in zip(plain, ours.weights, strict=True):
            weight.grad = torch.randn_like(half).float()
        theirs.step()
    for master, weight, expected in zip(ours.masters, ours.weights, plain, strict=True):
        assert torch.equal(master, expected)
        assert torch.equal(weight, expected.to(torch.bfloat16))
        assert weight.grad is None and master.grad is None


def test_how_many_are_stepped_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stepped()
    monkeypatch.setattr(optimizer, "AT_ONCE", 100)
    assert [len(piece) for piece in MasterAdamW(weights(), lr=1e-2)._pieces()] == [1, 1, 2]
    assert all(map(torch.equal, stepped().masters, whole.masters))


def test_all_its_memory_is_there_before_the_first_step() -> None:
    made = MasterAdamW(weights(), lr=1e-2)
    before = {id(tensor) for state in made.state.values() for tensor in state.values()}
    for weight in made.weights:
        weight.grad = torch.ones_like(weight)
    made.step()
    assert {id(tensor) for state in made.state.values() for tensor in state.values()} == before


def test_it_goes_on_from_what_was_saved() -> None:
    saved = stepped(5).state_dict()
    other = MasterAdamW(weights(), lr=1e-2)
    other.load_state_dict(saved)
    longer = stepped(6)
    torch.manual_seed(5)
    for weight in other.weights:
        weight.grad = torch.randn_like(weight)
    other.step()
    assert all(map(torch.equal, other.masters, longer.masters))
