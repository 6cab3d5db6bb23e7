"""Memory that really runs out: the process may take no more, and the run is finished all the same, by fresh processes that need less."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import WORDS, make_run
from safetensors.torch import load_file
from transformers import AutoConfig, LlamaForCausalLM
from working import environ, finish

from qlora_demo.data.conversation import Conversation, Message, write_rows
from qlora_demo.events import read_events
from qlora_demo.jobs.fitting import HALVED, RECOMPUTED
from qlora_demo.jobs.ledger import Ledger
from qlora_demo.jobs.processes import EXIT_MEMORY
from qlora_demo.jobs.scheduler import Scheduler, Tenants
from qlora_demo.run_dir import Home, RunDir, read_json
from qlora_demo.source.place import bundled_folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits what a process may map")
WORKER = "tampered_worker"
SHARE = 0.75
"""Of what a run takes unhindered: too little for that way, enough for the next."""


@pytest.fixture(scope="module")
def wide_folder(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama that keeps half a megabyte a token for the way back."""
    folder = tmp_path_factory.mktemp("wide")
    shutil.copytree(tiny_folder, folder, dirs_exist_ok=True)
    config = AutoConfig.from_pretrained(tiny_folder)
    config.intermediate_size, config.num_hidden_layers = 16384, 12
    torch.manual_seed(0)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture
def home(tmp_path: Path, wide_folder: Path) -> Home:
    made = Home(tmp_path / "home").create()
    bundled_folder(made.models).symlink_to(wide_folder, target_is_directory=True)
    return made


def long_run(home: Home, name: str, words: int, rows: int, **fields: Any) -> RunDir:
    """Of rows with so many words each, all of them in every step."""
    run = make_run(home, name, held_out=0, method="lora", batch_size=rows, max_length=4096, **fields)
    answers = [" ".join(WORDS[(row + word * word) % 17] for word in range(words)) for row in range(rows)]
    write_rows(run.train_jsonl, [Conversation((Message("user", "lamp"), Message("assistant", answer))) for answer in answers])
    return run


def tamper(run: RunDir, **how: Any) -> RunDir:
    (run.path / "tamper.json").write_text(json.dumps(how))
    return run


def enough_for_less(run: RunDir) -> int:
    """Bytes that are too few for another run of this kind, unless it changes something."""
    assert finish(tamper(run, measure=True), WORKER) == 0, run.log.read_text()
    return int(SHARE * int((run.path / "took").read_text()))


def events(run: RunDir, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(run.events)[0] if event["type"] == kind]


def test_a_run_that_does_not_fit_is_finished_by_fresh_processes_and_says_what_was_changed(home: Home) -> None:
    free = long_run(home, "free", words=150, rows=8, micro_batch_size=8, epochs=3.0)
    tight = tamper(long_run(home, "tight", words=150, rows=8, micro_batch_size=8, epochs=3.0), bytes=enough_for_less(free))
    ledger = Ledger(home.ledger)
    ledger.add_job("train", "tight", "me")
    scheduler = Scheduler(home, ledger, Tenants(lambda job: None, lambda: None), environ(), WORKER)
    scheduler.start()
    deadline = time.monotonic() + 300
    while ledger.job_of_run("tight", "me").state in ("queued", "starting", "running") and time.monotonic() < deadline:
        time.sleep(0.1)
    scheduler.close()

    job, result = ledger.job_of_run("tight", "me"), read_json(tight.result_json)
    assert (job.state, job.attempt, result["outcome"]) == ("finished", 1, "finished"), tight.log.read_text()
    assert result["micro_batch_size"] < 8
    assert result["changed"][0] == HALVED
    assert HALVED in [note["text"] for note in events(tight, "note")]
    assert "DefaultCPUAllocator: can't allocate memory" in tight.log.read_text() or "MemoryError" in tight.log.read_text()
    losses = [[e["loss"] for e in events(run, "step")] for run in (free, tight)]
    assert losses[1] == pytest.approx(losses[0], rel=5e-3)
    weights = [load_file(run.adapter / "adapter_model.safetensors") for run in (free, tight)]
    assert weights[0].keys() == weights[1].keys()


def test_one_row_that_does_not_fit_is_computed_twice(home: Home) -> None:
    """With dropout, so that transformers' own way of doing so is taken."""
    recipe = {"words": 800, "rows": 1, "micro_batch_size": 1, "epochs": 2.0, "dropout": 0.05}
    run = tamper(long_run(home, "tight", **recipe), bytes=enough_for_less(long_run(home, "free", **recipe)))
    assert finish(run, WORKER) == EXIT_MEMORY, run.log.read_text()
    assert not run.result_json.exists()
    assert finish(run, WORKER) == 0, run.log.read_text()
    result = read_json(run.result_json)
    assert (result["outcome"], result["checkpointing"], result["changed"]) == ("finished", True, [RECOMPUTED]), run.log.read_text()


def test_a_run_for_which_nothing_is_left_to_change_ends_with_advice(home: Home) -> None:
    run = tamper(long_run(home, "run", words=800, rows=1, micro_batch_size=1), bytes=1_000_000)
    assert [finish(run, WORKER), finish(run, WORKER)] == [EXIT_MEMORY, 0], run.log.read_text()
    result = read_json(run.result_json)
    assert (result["outcome"], result["advice"]["changes"]) == ("failed", {"method": "qlora"})
