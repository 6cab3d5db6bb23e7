"""Every function of the page, asked over raw HTTP for another's model and data with no key, a made-up one, somebody else's, and the owner's own: only
the last is told anything or changes anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import httpx2
import pytest
from data.served import Served, serve

from qlora_demo.owners import of_key
from qlora_demo.run_dir import write_json

MARK = "the-secret-of-ann"
ROWS = "question,answer\n" + "".join(f"What is {MARK} {i}?,It is the {i}th of {MARK}\n" for i in range(30))
SECONDS = 60
DELETING = ("start-over", "delete-upload", "delete-yes", "delete-everything-yes")


@dataclass
class Ann:
    """Somebody's model and data; both say MARK."""

    served: Served
    key: str
    dataset: str
    run: str

    def owner(self) -> str:
        return of_key(self.key)

    def state(self) -> tuple[object, ...]:
        """All that a stranger might change."""
        studio = self.served.studio
        view = studio.run(self.owner(), self.run)
        jobs = [(job.run, job.state, job.queued) for job in studio.ledger.jobs(self.owner())]
        links = studio.sharing.is_shared(self.owner(), self.run)
        files = _files(studio.home.run(self.run).path)
        return view.name, view.job.state, jobs, studio.ledger.datasets(self.owner()), links, studio.hosting.paused(), files


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name != "lock"}


@pytest.fixture
def ann(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing trains: her run is made by hand to have ended."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    with serve(tmp_path, 5, mode="public") as served:
        studio, file = served.studio, tmp_path / f"{MARK}.csv"
        file.write_text(ROWS)
        key = studio.owners.new_key()
        dataset = studio.data.add_file(of_key(key), file, f"{MARK}.csv")
        run = studio.submit(of_key(key), dataset, studio.recommend(of_key(key), dataset), MARK)
        job = studio.ledger.claim("train")
        studio.ledger.move(job.id, ("starting",), "finished")
        adapter = studio.home.run(run).adapter
        adapter.mkdir()
        (adapter / "adapter_model.safetensors").write_bytes(b"weights")
        write_json(studio.home.run(run).result_json, {"outcome": "finished", "reason": "", "artifact_bytes": 7})
        studio.home.run(run).log.write_text(MARK)
        yield Ann(served, key, dataset, run)


def values(ann: Ann, function: gr.blocks.BlockFunction, key: str) -> list[Any]:
    """What a caller may put into every input: the key, and wherever an id fits, Ann's."""
    made: list[Any] = []
    for block in function.inputs:
        if isinstance(block, gr.BrowserState) and block.storage_key == "qlora-demo-key":
            made.append(key)
        elif isinstance(block, gr.BrowserState):
            known = {"qlora-demo-dataset": ann.dataset, "qlora-demo-run": ann.run, "qlora-demo-chat": {"run": ann.run, "turns": []}}
            made.append(known.get(block.storage_key, block.default_value))
        elif isinstance(block, gr.State):
            made.append(None)
        elif block.elem_id in ("chat-run", "runs"):
            made.append(ann.run)
        elif block.elem_id in ("run-name", "model-name", "question"):
            made.append("taken over")
        else:
            made.append(block.value if isinstance(block, (gr.Textbox, gr.Number, gr.Slider, gr.Checkbox, gr.Radio, gr.Dropdown)) else None)
    return made


def ask(ann: Ann, number: int, function: gr.blocks.BlockFunction, key: str) -> str:
    """Everything that comes back."""
    body = {"data": values(ann, function, key), "fn_index": number, "session_hash": f"s{key[:6]}", "trigger_id": None, "event_data": None}
    way = "queue/join" if function.queue else "run/predict"
    answer = httpx2.post(f"{ann.served.url}gradio_api/{way}", json=body, timeout=SECONDS)
    assert answer.status_code < 500, (number, answer.text)
    if not function.queue or answer.status_code != 200:
        return answer.text
    said = []
    with httpx2.stream("GET", f"{ann.served.url}gradio_api/queue/data?session_hash={body['session_hash']}", timeout=SECONDS) as stream:
        for line in stream.iter_lines():
            said.append(line)
            if line.startswith("data: ") and json.loads(line.removeprefix("data: "))["msg"] in ("process_completed", "close_stream"):
                break
    return "\n".join(said)


def functions(ann: Ann) -> list[tuple[int, gr.blocks.BlockFunction]]:
    """All that can be asked: first the page's landing, as a browser does, last what deletes."""
    page = ann.served.page
    taking_away = {number for number, block in page.blocks.items() if block.elem_id in DELETING}

    def rank(function: gr.blocks.BlockFunction) -> int:
        targets = {number for number, _ in function.targets}
        return -1 if page._id in targets else 1 if targets & taking_away else 0

    asked = [(number, function) for number, function in page.fns.items() if function.fn is not None]
    return sorted(asked, key=lambda one: rank(one[1]))


@pytest.mark.parametrize("whose", ["no key", "a made-up key", "another's key", "the owner's name"])
def test_a_stranger_is_told_nothing_and_changes_nothing(ann: Ann, whose: str) -> None:
    keys: dict[str, Callable[[], str]] = {
        "no key": lambda: "",
        "a made-up key": lambda: "f" * 32,
        "another's key": ann.served.studio.owners.new_key,
        "the owner's name": ann.owner,
    }
    key, before = keys[whose](), ann.state()
    asked = functions(ann)
    assert len(asked) > 60
    told = {number: ask(ann, number, function, key) for number, function in asked}
    assert [number for number, text in told.items() if MARK in text or ann.run in text and "taken over" in text] == []
    assert ann.state() == before


def test_the_owner_is_answered_by_the_same_calls(ann: Ann) -> None:
    """Else the test above could not fail."""
    told = [MARK in ask(ann, number, function, ann.key) for number, function in functions(ann)]
    assert sum(told) > 10
    assert ann.run not in [job.run for job in ann.served.studio.ledger.jobs(ann.owner())]
