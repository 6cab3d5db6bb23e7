"""What is changed when memory runs out, step by step, and how it is told that it did."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

import pytest
import torch
from runs import make_run

from qlora_demo import systems
from qlora_demo.events import EventWriter
from qlora_demo.jobs import fitting
from qlora_demo.jobs.fitting import HALVED, RECOMPUTED, Fit
from qlora_demo.recipe import Recipe
from qlora_demo.run_dir import Home, RunDir, write_json


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


def test_the_ladder_goes_down_to_one_row_then_to_computing_twice() -> None:
    steps = [Fit(12)]
    while (following := fitting.next_fit(steps[-1])) is not None:
        steps.append(following)
    assert [(fit.micro_batch_size, fit.checkpointing) for fit in steps] == [(12, False), (6, False), (3, False), (1, False), (1, True)]
    assert steps[3].changed == (HALVED,)
    assert steps[-1].changed == (HALVED, RECOMPUTED)


def test_each_step_down_is_kept_for_the_next_worker(home: Home) -> None:
    run, recipe = make_run(home, "run"), Recipe(batch_size=4, micro_batch_size=4)
    began = time.time() - 1
    assert fitting.read_fit(run, recipe) == Fit(4)
    assert not fitting.stepped_down_since(run, began)
    assert fitting.step_down(run)
    assert fitting.read_fit(run, recipe) == Fit(2, False, (HALVED,))
    assert fitting.stepped_down_since(run, began)
    assert not fitting.stepped_down_since(run, time.time() + 1)
    assert [fitting.step_down(run) for _ in range(4)] == [True, True, False, False]
    assert fitting.read_fit(run, recipe) == Fit(1, True, (HALVED, RECOMPUTED))


def test_a_base_model_that_cannot_be_read_is_not_helped_by_fewer_rows(home: Home) -> None:
    run = make_run(home, "run")
    EventWriter(run.events, 1).write("phase", phase="loading")
    assert not fitting.step_down(run)


@pytest.mark.parametrize(("method", "button"), [("lora", "Train again with QLoRA"), ("full", "Train again with QLoRA"), ("qlora", None)])
def test_the_end_of_the_ladder_names_the_one_change_that_is_left(home: Home, method: str, button: str | None) -> None:
    result = fitting.nothing_left(make_run(home, "run", method=method, learning_rate=1e-4))
    assert result["outcome"] == "failed"
    advice = result.get("advice")
    assert (advice["button"] if advice else None) == button
    if method == "qlora":
        assert "Shorten the longest row (max_length), or choose a smaller model." in result["reason"]
    elif method == "lora":
        assert advice["changes"] == {"method": "qlora"}
    else:
        assert advice["changes"]["method"] == "qlora" and 2e-4 <= advice["changes"]["learning_rate"] <= 2e-3


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.56 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_errors_that_say_memory_ran_out(error: BaseException) -> None:
    assert fitting.out_of_memory(error)


def test_what_torch_raises_here_is_one_of_them() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**52, dtype=torch.uint8)
    assert fitting.out_of_memory(error.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("size mismatch"),
        RuntimeError("could not create a primitive descriptor for a matmul"),
        OSError(errno.ENOSPC, "no space"),
        ValueError("out of memory"),
    ],
)
def test_other_errors_are_faults(error: BaseException) -> None:
    assert not fitting.out_of_memory(error)


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "events"
    place.write_text("oom 1\noom_kill 3\n")
    monkeypatch.setattr(systems, "CGROUP_EVENTS", place)
    return place


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts")
def test_a_kill_counts_only_where_the_system_counted_one(home: Home, counter: Path) -> None:
    run = make_run(home, "run")
    assert not fitting.killed_for_memory(run, 3)
    counter.write_text("oom 1\noom_kill 4\n")
    assert fitting.killed_for_memory(run, 3)


@pytest.mark.parametrize(("held", "died_of_it"), [(9_000, True), (2_000, False), (None, False)])
def test_elsewhere_the_workers_last_word_tells(home: Home, monkeypatch: pytest.MonkeyPatch, held: int | None, died_of_it: bool) -> None:
    run: RunDir = make_run(home, "run")
    if held is not None:
        EventWriter(run.events, 1).write("step", 1, loss=1.0, memory_bytes=held)
    monkeypatch.setattr(fitting, "memory_kills", lambda: None)
    monkeypatch.setattr(fitting, "free_memory", lambda: 10_000)
    assert fitting.killed_for_memory(run, None) == died_of_it


def test_how_many_processes_share_it_is_kept_and_unknown_of_earlier_runs(home: Home) -> None:
    run, recipe = make_run(home, "run"), Recipe()
    fitting.write_fit(run, Fit(2, True, processes=4, sharded=True))
    assert fitting.read_fit(run, recipe) == Fit(2, True, processes=4, sharded=True)
    write_json(run.fit_json, {"micro_batch_size": 2, "checkpointing": True, "paged": False, "attempts": []})
    assert fitting.read_fit(run, recipe) == Fit(2, True)
