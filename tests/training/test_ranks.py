"""What several processes tell each other: gradients and losses in sum, one word about stopping, whether they began alike."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from qlora_demo.jobs.deadline import TIME_IS_UP
from qlora_demo.training import ranks as module
from qlora_demo.training.ranks import ALONE, WORDS, Ranks


def weights_of(*numbers: float) -> list[torch.nn.Parameter]:
    made = [torch.nn.Parameter(torch.full((3,), number)) for number in numbers]
    return [*made, torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16)), torch.nn.Parameter(torch.ones(4))]


def together(rank: int, meeting: Path) -> dict[str, object]:
    """At the top of the module, so that other processes find it."""
    module.AT_ONCE = 2  # so that a weight is added up in pieces, and pieces of two together
    ranks = Ranks.join(rank, 2, meeting, "cpu")
    weights = weights_of(0.5)
    asked = ranks.heard_by_all(lambda: "stop" if rank == 0 else "interrupt")
    found: dict[str, object] = {"before": asked()}
    ranks.begin_step(weights, seed=7)
    found |= {"noise": torch.rand(()).item()}
    weights[0].grad = torch.full((3,), 1.0 + rank)
    weights[1].grad = torch.full((2,), 256.0 + rank, dtype=torch.bfloat16)
    if rank == 1:
        weights[2].grad = torch.arange(4.0)  # the other has no row from which it learns
    found["loss"] = float(ranks.add_up(weights, torch.tensor(0.25 + rank)))
    found["asked"] = asked()
    found["gradients"] = [weight.grad.tolist() for weight in weights]
    found["dtypes"] = [str(weight.grad.dtype) for weight in weights]
    found |= {"first": ranks.from_first(lambda: f"from {rank}"), "smallest": ranks.smallest(10 + rank)}
    other = Ranks(rank, 2)
    try:
        other.begin_step(weights_of(0.5 + rank), seed=7)
    except RuntimeError as error:
        found["error"] = str(error)
    ranks.leave()
    return found


def test_two_processes(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        one, two = (asked.result(timeout=90) for asked in [processes.submit(together, rank, tmp_path / "meeting") for rank in range(2)])
    assert one["noise"] != two["noise"]
    for name in ("before", "asked", "loss", "gradients", "dtypes", "first", "smallest", "error"):
        assert one[name] == two[name]
    assert (one["before"], one["asked"], one["loss"], one["first"], one["smallest"]) == ("", "stop", 1.5, "from 0", 10)
    assert one["gradients"] == [[3.0] * 3, [512.0] * 2, [0.0, 1.0, 2.0, 3.0]]  # 513 in 16 bits
    assert one["dtypes"] == ["torch.float32", "torch.bfloat16", "torch.float32"]
    assert one["error"] == "The processes of this training do not begin with the same weights."


def test_alone_nothing_is_told_and_nothing_changes() -> None:
    weights = weights_of(0.5)
    assert ALONE.heard_by_all(lambda: "stop")() == "stop"
    ALONE.begin_step(weights, seed=1)
    assert ALONE.add_up(weights, torch.tensor(2.0)) == 2.0 and weights[0].grad is None
    assert (ALONE.first, ALONE.from_first(lambda: 3), ALONE.smallest(4)) == (True, 3, 4)
    ALONE.leave()


@pytest.mark.parametrize("word", ["stop", "interrupt", TIME_IS_UP])
def test_all_that_ends_a_training_can_be_told(word: str) -> None:
    assert word in WORDS
