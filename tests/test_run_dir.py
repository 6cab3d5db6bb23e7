"""Files of a run: whole or absent, and honest about their schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qlora_demo.errors import StorageError
from qlora_demo.run_dir import Home, publish, read_json, remove, write_json


def test_json_comes_back_with_its_schema(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Zoë"})
    assert read_json(tmp_path / "a.json") == {"schema": 1, "name": "Zoë"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_an_unknown_schema_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema": 9}))
    with pytest.raises(StorageError, match="has schema 9; this release reads schema 1"):
        read_json(tmp_path / "run.json")


@pytest.mark.parametrize("text", ["{", "[1]", "\x00"])
def test_a_damaged_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(StorageError):
        read_json(tmp_path / "run.json")


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="run.json is missing"):
        read_json(tmp_path / "run.json")


def test_publish_renames_a_whole_folder(tmp_path: Path) -> None:
    made = tmp_path / ".made"
    (made / "inside").mkdir(parents=True)
    (made / "inside" / "file").write_text("x")
    publish(made, tmp_path / "final")
    assert (tmp_path / "final" / "inside" / "file").read_text() == "x"
    assert not made.exists()


def test_remove_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    remove(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Set QLORA_DEMO_HOME"):
        Home(tmp_path / "file").create()
