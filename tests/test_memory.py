"""Who may have the memory of the device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qlora_demo.hardware import Machine
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio


def test_the_memory_of_a_worker_that_waits_is_free_for_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True))
    monkeypatch.setattr(Machine, "free_bytes", lambda machine: 1_000)
    monkeypatch.setattr(studio.scheduler, "waiting_bytes", lambda: 600)
    assert studio.memory.free_in_turn() == 1_600
    card = replace(studio.memory, machine=replace(studio.machine, device="cuda", memory_bytes=10_000))
    assert card.free_in_turn() == 1_000  # there it holds none of the card's
    studio.close()
