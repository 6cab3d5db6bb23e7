"""The short form of `benchmarks.crash`: a worker, a server and both are killed, and every promise about runs is checked."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.crash import crash, table


def test_killed_runs_end_as_if_nothing_had_happened(tmp_path: Path) -> None:
    bench = crash(tmp_path / "home", ["save", "server", "both"], random.Random(3))
    assert bench.problems == [], table(bench)
    assert sorted(kill.kind for kill in bench.kills) == ["both", "save", "server"]
