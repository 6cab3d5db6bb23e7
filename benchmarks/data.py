"""How fast a data set is read and how much memory that takes, from ten thousand rows to a million: `python -m benchmarks.data [--rows 1000000]`.

Each file is read by the same child process that the app uses, alone on the machine: read, recognised, converted, examined, written.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from qlora_demo.data.table import Limits

TEXT = "we deliver every order within two days after it was packed and you can follow it on our page until it is at your door"
WORDS = TEXT.split()
READ = (
    "import sys; from qlora_demo.data import reader_child; from qlora_demo.systems import peak_memory\n"
    "reader_child.main(); print(peak_memory(), file=sys.stderr)"
)


def pairs(rows: int) -> Iterator[tuple[str, str]]:
    """Questions and answers of about forty words, no two alike."""
    for number in range(rows):
        turn = number % len(WORDS)
        yield f"What about order number {number}, the {WORDS[turn]} one?", " ".join([str(number), *WORDS[turn:], *WORDS[:turn]])


def write(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            writer = csv.writer(file)
            writer.writerow(("question", "answer"))
            writer.writerows(pairs(rows))
        elif path.suffix == ".json":
            file.write("[" + ",\n".join(json.dumps({"question": asked, "answer": said}) for asked, said in pairs(rows)) + "]")
        else:
            file.writelines(json.dumps({"question": asked, "answer": said}) + "\n" for asked, said in pairs(rows))


def read(path: Path, out: Path) -> tuple[float, int]:
    """(seconds, bytes at the highest point) of the child."""
    limits = Limits(max_bytes=10**10, max_rows=10**7)
    request = {"path": str(path), "ours": False, "display_name": path.name, "choices": {}, "limits": asdict(limits), "out": str(out)}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", READ], input=json.dumps(request), capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    assert json.loads(done.stdout) == {"ok": True}, done.stdout
    return seconds, int(done.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    most = parser.parse_args().rows
    print("| file | rows | MB | seconds | rows/s | MB/s | peak memory, MB |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".jsonl", ".csv", ".json"):
            for rows in (10_000, most):
                path = Path(folder) / f"rows{suffix}"
                write(path, rows)
                size = path.stat().st_size / 1e6
                seconds, peak = read(path, Path(folder) / f"out{suffix}{rows}")
                figures = f"{rows:,} | {size:,.0f} | {seconds:.1f} | {rows / seconds:,.0f} | {size / seconds:.1f} | {peak / 1e6:.0f}"
                print(f"| {suffix[1:]} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
