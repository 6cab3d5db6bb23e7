"""Whatever the bytes are: a data set, or a DataError that a person can read."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.fuzzing import GOOD, STRATEGIES, outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qlora_demo.data.choices import Choices

FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("kind", STRATEGIES)
@FEW
@given(data=st.data())
def test_read_or_refused_in_a_sentence(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    outcome(tmp_path, data.draw(STRATEGIES[kind]))


def test_the_good_files_are_read(tmp_path: Path) -> None:
    for reader, files in GOOD.items():
        for name, content in files:
            assert outcome(tmp_path, (name, content, Choices())) == "read", (reader, name)


@pytest.mark.parametrize("content", [b'{"q": ' * 3000, b"[" * 50_000 + b"]" * 50_000, b'q,a\n"' * 2000, b"a" * 2_000_000, b'{"a":' + b"9" * 100_000])
def test_awkward_shapes(tmp_path: Path, content: bytes) -> None:
    for name in ("a.csv", "a.json", "a.jsonl"):
        outcome(tmp_path, (name, content, Choices()))
