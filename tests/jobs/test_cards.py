"""Two graphics cards train the run that one trains. Needs both; `benchmarks/gpu.sh` runs these too."""

from __future__ import annotations

import pytest
import torch
from runs import make_run
from working import start

from qlora_demo.events import read_events
from qlora_demo.recipe import METHODS
from qlora_demo.run_dir import Home, read_json, write_json

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(torch.cuda.device_count() < 2, reason="torch finds fewer than two CUDA cards on this machine")]
NEAR = 0.03
"""Of an error of about 7, in 16 bits."""


@pytest.mark.parametrize(("method", "sharded"), [*((method, False) for method in METHODS), ("lora", True), ("qlora", True)])
def test_two_cards_make_the_steps_of_one(tiny_home: Home, monkeypatch: pytest.MonkeyPatch, method: str, sharded: bool) -> None:
    monkeypatch.setenv("QLORA_DEMO_DEVICE", "cuda")
    losses = []
    for cards in (1, 2):
        monkeypatch.setenv("QLORA_DEMO_PROCESSES", str(cards))
        run = make_run(tiny_home, f"on-{cards}", rows=24, method=method, epochs=3.0)
        if sharded and cards == 2:
            how = {"micro_batch_size": 2, "checkpointing": True, "paged": False, "processes": 2, "sharded": True}
            write_json(run.fit_json, {**how, "attempts": []})
        assert start(run).wait(300) == 0, run.log.read_text()
        result = read_json(run.result_json)
        assert (result["outcome"], result["processes"], result["sharded"]) == ("finished", cards, sharded and cards == 2), run.log.read_text()
        losses.append([event["loss"] for event in read_events(run.events)[0] if event["type"] == "step"])
    assert losses[0] == pytest.approx(losses[1], abs=NEAR)
