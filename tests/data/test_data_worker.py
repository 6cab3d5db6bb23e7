"""The data worker as the server uses it: a real child process, asked over its pipe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import conversations

from qlora_demo.catalogue import BUNDLED_ID
from qlora_demo.data.conversation import Conversation, write_rows
from qlora_demo.pipes import Child, child_environ
from qlora_demo.source.place import bundled_folder


@pytest.fixture(scope="module")
def child(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """One child for all tests; the tiny model stands in the bundled one's place."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    bundled_folder(home / "models").symlink_to(tiny_folder, target_is_directory=True)
    environ = {**os.environ, "QLORA_DEMO_HOME": str(home), "QLORA_DEMO_DEVICE": "cpu", "HF_HUB_OFFLINE": "1"}
    child = Child("qlora_demo.data.worker", child_environ(environ), home / "data.log")
    yield child
    child.close()


def count(rows: Path, **values: object) -> dict[str, object]:
    return {"op": "count", "model": BUNDLED_ID, "system_prompt": "", "max_length": 512, "rows": str(rows), **values}


def made(path: Path, rows: list[Conversation]) -> Path:
    write_rows(path, rows)
    return path


def test_a_small_data_set_is_answered_at_once(child: Child, tmp_path: Path) -> None:
    replies = list(child.ask(count(made(tmp_path / "rows.jsonl", conversations(12)))))
    assert [reply["type"] for reply in replies] == ["done"]
    tokens = replies[0]["tokens"]
    assert tokens["total"] > tokens["trained"] > 0
    assert set(tokens) == {"total", "trained", "longest", "cut", "empty", "histogram", "cut_rows", "empty_rows"}


def test_counting_can_be_cancelled_and_the_child_goes_on(child: Child, tmp_path: Path) -> None:
    many = tmp_path / "many.jsonl"
    line = made(tmp_path / "one.jsonl", conversations(1)).read_text()
    many.write_text(line * 400_000)
    asked = child.ask(count(many))
    assert next(asked)["type"] == "progress"
    asked.close()
    (reply,) = child.ask(count(made(tmp_path / "rows.jsonl", conversations(3))))
    assert reply["type"] == "done"


def test_a_row_is_shown_in_pieces(child: Child) -> None:
    request = {"op": "show", "model": BUNDLED_ID, "system_prompt": "Be brief.", "max_length": 512, "row": conversations(1)[0].to_json()}
    (reply,) = child.ask(request)
    (row,) = reply["rows"]
    assert {"text": "system\nBe brief.", "kind": "read", "mark": False} in row
    assert row[-1] == {"text": "<|im_end|>", "kind": "learned", "mark": True}
    assert (reply["type"], reply["note"], reply["last"]) == ("done", "", True)


def test_an_unknown_model_is_a_sentence(child: Child, tmp_path: Path) -> None:
    (reply,) = child.ask(count(tmp_path / "none.jsonl", model="nobody/nothing"))
    assert reply["type"] == "error"
    assert reply["message"].startswith("There is no base model called 'nobody/nothing' here.")
