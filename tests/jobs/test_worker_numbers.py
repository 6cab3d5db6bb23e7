"""Numbers that grow too large end a run before they reach its weights; what it had learned until then can be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from runs import make_run
from safetensors.torch import load_file, save_file
from working import finish

from qlora_demo.events import read_events
from qlora_demo.run_dir import Home, RunDir, read_json
from qlora_demo.source.place import bundled_folder


def broken_run(home: Home, name: str, **fields: object) -> RunDir:
    """Breaks at step 5; a point is saved after step 3."""
    run = make_run(home, name, **fields)
    (run.path / "tamper.json").write_text(json.dumps({"broken_step": 5, "saved_step": 3}))
    assert finish(run, "tampered_worker") == 0, run.log.read_text()
    return run


@pytest.mark.parametrize("method", ["lora", "qlora", "full"])
def test_the_weights_of_the_last_saved_point_are_kept(tiny_home: Home, method: str) -> None:
    run = broken_run(tiny_home, "run", method=method, learning_rate=3e-4)
    result = read_json(run.result_json)
    assert (result["outcome"], result["kept_step"]) == ("failed", 3)
    assert result["reason"] == "Training went wrong at step 5 (the numbers grew too large). Saved up to step 3."
    assert result["advice"]["button"] == "Try again, gentler"
    assert result["advice"]["changes"] == {"learning_rate": pytest.approx(1e-4)}
    assert [e["step"] for e in read_events(run.events)[0] if e["type"] == "step"] == [1, 2, 3, 4]
    saved = load_file(next((run.checkpoints / "step-3").glob("*model.safetensors")))
    kept = load_file(next(run.weights().glob("*.safetensors")))
    assert kept.keys() == saved.keys()
    assert all(kept[name].isfinite().all() and kept[name].float().equal(saved[name].float()) for name in kept)
    names = {file.name for file in run.weights().iterdir()}
    assert names >= ({"config.json", "tokenizer.json"} if method == "full" else {"adapter_config.json"})


def test_without_a_saved_point_nothing_is_kept(tiny_home: Home, tiny_folder: Path, tmp_path: Path) -> None:
    """A base model with one broken number gives no finite loss."""
    broken = tmp_path / "broken"
    shutil.copytree(tiny_folder, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    place = bundled_folder(tiny_home.models)
    place.unlink()
    place.symlink_to(broken, target_is_directory=True)
    run = make_run(tiny_home, "run")
    assert finish(run) == 0
    result = read_json(run.result_json)
    assert result["reason"] == "Training went wrong at step 1 (the numbers grew too large). Nothing was saved yet."
    assert (result["kept_step"], result["advice"]["button"]) == (None, "Try again, gentler")
    assert not run.adapter.exists()
    assert "Traceback" not in run.log.read_text()
