"""What a watcher over this server is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qlora_demo import run_dir
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio


@pytest.fixture
def studio(tiny_home: Home) -> Iterator[Studio]:
    made = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True))
    made.start()
    yield made
    made.close()


def test_all_is_well(studio: Studio) -> None:
    assert studio.failing() == ()
    assert studio.ledger.datasets("") == []  # what was tried left nothing


def test_what_fails_is_named(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_dir, "LEAST_ROOM", 10**18)
    assert studio.failing() == ("disk",)
    studio.scheduler.close()
    assert studio.failing() == ("disk", "scheduler")


def test_a_ledger_that_is_gone_or_broken(tiny_home: Home) -> None:
    studio = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True))  # not started: its end would look at the ledger
    assert studio.failing() == ("scheduler",)
    for leftover in tiny_home.path.glob("ledger.sqlite-*"):
        leftover.unlink()
    tiny_home.ledger.write_bytes(b"no database, but long enough to be looked at" * 100)
    assert studio.failing() == ("ledger", "scheduler")
    tiny_home.ledger.unlink()
    assert studio.failing() == ("ledger", "scheduler")
