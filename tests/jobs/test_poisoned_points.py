"""Saved points that were changed by somebody, with a marker that fits them: a continued training runs nothing of them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from bomb import Bomb
from runs import make_run
from working import finish, start, wait_for_step

from qlora_demo.run_dir import Home, RunDir, read_json, write_json
from qlora_demo.training.checkpoints import COMPLETE, _fingerprints, step_of


@pytest.fixture
def stopped(tiny_home: Home) -> RunDir:
    run = make_run(tiny_home, "run", method="lora", epochs=20.0)
    process = start(run)
    wait_for_step(run, 2, process)
    run.stop.write_text("interrupt")
    assert process.wait(timeout=60) == 75
    run.stop.unlink()
    return run


def test_pickles_in_a_saved_point_are_not_run(stopped: RunDir, tmp_path: Path) -> None:
    point, marker = next(stopped.checkpoints.iterdir()), tmp_path / "code was run"
    held = {path.name: path.read_bytes() for path in point.iterdir()}
    for name in ("optimizer.pt", "rng_state.pth", "adapter_model.bin"):
        for other, content in held.items():
            (point / other).write_bytes(content)
        (point / name).write_bytes(pickle.dumps(Bomb(marker)))
        if name == "adapter_model.bin":
            (point / "adapter_model.safetensors").unlink()
        write_json(point / COMPLETE, {"step": step_of(point), "files": _fingerprints(point)})
        stopped.result_json.unlink(missing_ok=True)
        finish(stopped)
        assert not marker.exists(), name
        assert read_json(stopped.result_json)["outcome"] == "failed"
