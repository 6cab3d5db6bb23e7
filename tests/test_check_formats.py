"""Every kind and layout through `check --json`, as a person would ask: conversations compared exactly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from data.every_format import EVERY_FORMAT, Case
from typer.testing import CliRunner

from qlora_demo.cli import app


@pytest.mark.parametrize("case", EVERY_FORMAT, ids=lambda case: case.name)
def test_check_understands(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QLORA_DEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("QLORA_DEMO_OFFLINE", "1")
    path = tmp_path / case.name
    path.write_bytes(case.content)
    done = CliRunner().invoke(app, ["check", str(path), "--json", "--no-tokens", "--preview", "9", *case.options])
    assert done.exit_code == 0, done.stderr or done.exception
    value = json.loads(done.stdout)
    assert value["format"] == case.format
    found = tuple([("text", row["text"])] if "text" in row else [(m["role"], m["content"]) for m in row["messages"]] for row in value["preview"])
    assert found == case.rows
