"""The benchmark of chat measures every column, on a model as small as can be."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks.chat_speed import HEAD, measure


@pytest.mark.parametrize("method", ["qlora", "lora"])
def test_all_columns_are_measured(tiny_folder: Path, method: str) -> None:
    speeds = measure(method, tiny_folder, Namespace(device="cpu", numbers="fp32", tokens=24, repeats=1))
    assert (speeds.method, speeds.numbers, len(speeds.cells())) == (method, "float32", len(HEAD))
    assert min(speeds.generate, speeds.base, speeds.adapter, speeds.both, speeds.first, speeds.second_turn_kept, speeds.second_turn_anew) > 0
    assert speeds.both_over_adapter == pytest.approx(speeds.adapter / speeds.both)
    assert speeds.both_over_turns == pytest.approx(1 / speeds.both / (1 / speeds.base + 1 / speeds.adapter))
