"""Feeds the readers what strangers may bring: `python -m benchmarks.fuzz [--cases 10000] [--seed 1]`.

The cases are those of tests/data/test_data_fuzz.py, many more of them, in this one process. Each must be read or refused in a sentence; what does
neither is printed with its bytes, and the command fails.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from data.fuzzing import STRATEGIES, Case, outcome  # noqa: E402

SLOW = 10.0
"""Seconds after which one small file counts as stuck."""


def run(kind: str, cases: int, start: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """(how often each outcome came, what was neither read nor refused)."""
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []

    @seed(start)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(STRATEGIES[kind])
    def one(case: Case) -> None:
        began = time.perf_counter()
        try:
            found = outcome(folder, case)
        except Exception as error:  # noqa: BLE001 - what it may be is what we want to know
            found = "anything else"
            wrong.append(f"{kind}: {type(error).__name__}: {error}\n    {case!r}")
        if time.perf_counter() - began > SLOW:
            wrong.append(f"{kind}: {time.perf_counter() - began:.0f} s\n    {case!r}")
        outcomes[found] += 1
        for left in folder.iterdir():
            shutil.rmtree(left)

    one()
    return outcomes, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))  # noqa: S311
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    total: Counter[str] = Counter()
    wrong: list[str] = []
    share = -(-asked.cases // len(STRATEGIES))
    print(f"Seed {asked.seed}\n\n| kind of file | cases | seconds | read | refused | anything else |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for kind in STRATEGIES:
            started = time.perf_counter()
            outcomes, found = run(kind, share, asked.seed, Path(folder))
            total += outcomes
            wrong += found
            print(_line(kind, outcomes, time.perf_counter() - started), flush=True)
    print(_line("all", total, time.perf_counter() - began))
    print(*wrong, sep="\n")
    return 1 if wrong else 0


def _line(kind: str, outcomes: Counter[str], seconds: float) -> str:
    numbers = " | ".join(f"{outcomes[name]:,}" for name in ("read", "refused", "anything else"))
    return f"| {kind} | {outcomes.total():,} | {seconds:.0f} | {numbers} |"


if __name__ == "__main__":
    sys.exit(main())
