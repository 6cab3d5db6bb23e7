"""The training worker as a process: the files it leaves, stopping, dying, going on."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from filelock import FileLock
from runs import make_run
from safetensors.torch import load_file
from working import files, finish, start, wait_for_step

from qlora_demo.events import read_events
from qlora_demo.run_dir import Home, read_json
from qlora_demo.source.place import bundled_folder

FINISHED = {
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "data/held_out.jsonl",
    "data/train.jsonl",
    "events.jsonl",
    "lock",
    "recipe.json",
    "report.json",
    "result.json",
    "run.json",
    "worker.log",
}
TOKENIZER = ("chat_template.jinja", "tokenizer.json", "tokenizer_config.json")


def test_full_training_leaves_a_whole_model_in_which_the_weights_have_moved(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run", method="full", learning_rate=5e-4)
    assert finish(run) == 0, run.log.read_text()
    adapter = {name for name in FINISHED if name.startswith("adapter/")}
    weights = {f"model/{name}" for name in ("config.json", "generation_config.json", "model.safetensors", *TOKENIZER)}
    assert files(run) == FINISHED - adapter | weights
    before = load_file(bundled_folder(tiny_home.models) / "model.safetensors")
    after = load_file(run.model / "model.safetensors")
    assert before.keys() == after.keys()
    assert [name for name in before if after[name].dtype != before[name].dtype] == []
    # Norms begin at 1, where 16 bits step by 0.008: six steps of a run do not get there.
    assert [name for name in before if "norm" not in name and bool((after[name] == before[name]).all())] == []
    result = read_json(run.result_json)
    assert result["trainable_parameters"] == sum(weight.numel() for weight in before.values())
    report = read_json(run.report_json)
    assert report["adapted"]["loss"] < report["base"]["loss"]
    assert [a["base"] for a in report["answers"]] != [a["adapted"] for a in report["answers"]]


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_a_finished_run_leaves_exactly_these_files(tiny_home: Home, method: str) -> None:
    run = make_run(tiny_home, "run", method=method)
    assert finish(run) == 0, run.log.read_text()
    assert files(run) == FINISHED
    result = read_json(run.result_json)
    assert (result["outcome"], result["reason"], result["steps"]) == ("finished", "", 6)
    phases = [e["phase"] for e in read_events(run.events)[0] if e["type"] == "phase"]
    assert phases == ["getting", "loading", "fitting", "learning", "testing", "saving"]
    config = json.loads((run.adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "bundled/SmolLM2-135M-Instruct"
    moved = load_file(run.adapter / "adapter_model.safetensors")
    assert all(weight.abs().max() > 0 for name, weight in moved.items() if "lora_B" in name)
    assert "Traceback" not in run.log.read_text()


def test_answers_before_training_are_the_base_models_even_where_they_come_later(tiny_home: Home) -> None:
    """Bold changes would show: a whole model answers late only where the first step changes nothing."""
    answers = []
    for method, warmup, late in (("full", 0.0, False), ("full", 0.1, True), ("lora", 0.0, True)):
        run = make_run(tiny_home, f"{method}{warmup}", method=method, learning_rate=0.05, warmup=warmup)
        assert finish(run) == 0, run.log.read_text()
        events = read_events(run.events)[0]
        answers.append([e["answer"] for e in events if e["type"] == "sample" and e["step"] == 0])
        order = [e["type"] for e in events if e["type"] in ("step", "fit") or (e["type"], e["step"]) == ("sample", 0)]
        assert order.index("sample") == (2 if late else 0)
    assert len(answers[0]) == 3 and answers[0] == answers[1] == answers[2]
    assert [e["answer"] for e in events if e["type"] == "sample" and e["step"] == 6] != answers[2]


def test_a_second_worker_for_the_same_run_steps_back(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run")
    with FileLock(run.lock):
        assert finish(run) == 3
    assert not run.events.exists()


def test_a_worker_that_waits_for_the_device_can_be_ended(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run")
    with FileLock(tiny_home.device_lock):
        process = start(run)
        while not process.poll() and not Path(run.lock).exists():
            time.sleep(0.05)
        run.stop.write_text("interrupt")
        assert process.wait(timeout=60) == 75
    assert not run.events.exists()


def test_stop_keeps_what_was_learned_and_can_go_on(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run", epochs=20.0)
    process = start(run)
    wait_for_step(run, 3, process)
    run.stop.write_text("stop")
    assert process.wait(timeout=60) == 0
    result = read_json(run.result_json)
    assert result["outcome"] == "stopped"
    assert result["reason"] == f"Stopped by you at step {result['steps']} of 60."
    assert (run.adapter / "adapter_model.safetensors").exists()
    assert (run.checkpoints / f"step-{result['steps']}" / "COMPLETE.json").exists()
    run.stop.unlink()
    run.result_json.unlink()
    assert finish(run) == 0
    assert read_json(run.result_json)["steps"] == 60
    steps = [e["step"] for e in read_events(run.events)[0] if e["type"] == "step"]
    assert steps == list(range(1, 61))
    assert files(run) == FINISHED


@pytest.mark.parametrize("method", ["lora", "full"])
def test_sigterm_saves_a_point_and_the_end_is_bit_equal(tiny_home: Home, method: str) -> None:
    """Interrupted and continued gives the same weights as never interrupted."""
    straight, broken = (make_run(tiny_home, name, epochs=10.0, method=method) for name in ("straight", "broken"))
    assert finish(straight) == 0
    process = start(broken)
    wait_for_step(broken, 5, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 75
    assert not broken.result_json.exists()
    assert finish(broken) == 0
    weights = [load_file(next(run.weights().glob("*.safetensors"))) for run in (straight, broken)]
    assert weights[0] and all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    losses = [[e["loss"] for e in read_events(run.events)[0] if e["type"] == "step"] for run in (straight, broken)]
    assert losses[0] == losses[1]


def test_a_killed_worker_goes_on_from_its_last_whole_point(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run", epochs=20.0)
    process = start(run)
    wait_for_step(run, 3, process)
    run.stop.write_text("interrupt")
    process.wait(timeout=60)
    run.stop.unlink()
    saved = max(int(p.name.removeprefix("step-")) for p in run.checkpoints.iterdir())
    process = start(run)
    wait_for_step(run, saved + 3, process)
    process.kill()
    process.wait()
    with run.events.open("ab") as file:
        file.write(b'{"attempt": 2, "torn')
    assert finish(run) == 0
    events = read_events(run.events)[0]
    assert [e["seq"] for e in events] == list(range(len(events)))
    assert [e["step"] for e in events if e["type"] == "step" and e["attempt"] == 3][0] == saved + 1


def test_a_truncated_point_is_passed_over(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run", epochs=20.0)
    process = start(run)
    wait_for_step(run, 2, process)
    run.stop.write_text("interrupt")
    process.wait(timeout=60)
    run.stop.unlink()
    newest = next(run.checkpoints.iterdir())
    weights = newest / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert finish(run) == 0
    assert [e["step"] for e in read_events(run.events)[0] if e["type"] == "step" and e["attempt"] == 2][0] == 1


def test_an_empty_answer_beyond_the_longest_row_is_named(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run", max_length=16)
    assert finish(run) == 0
    assert read_json(run.result_json)["reason"] == (
        "Nothing is left to learn: every answer lies beyond the longest row. Raise max_length or shorten the questions."
    )


def test_the_run_directory_needs_nothing_but_its_path(tiny_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = make_run(tiny_home, "run", epochs=1.0)
    assert finish(run) == 0
    assert run.result_json.exists()
