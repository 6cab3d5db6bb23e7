"""From `python app.py` to a usable page, and the web process's memory. Usage: python -m benchmarks.startup [--times 3]"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


def once(port: int) -> tuple[float, float, int]:
    """(seconds until the page answers, seconds of processor time, resident bytes)."""
    with tempfile.TemporaryDirectory() as place:
        environ = {**os.environ, "QLORA_DEMO_HOME": f"{place}/home", "QLORA_DEMO_TEMP": f"{place}/temp", "QLORA_DEMO_PORT": str(port)}
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, str(ROOT / "app.py")], env=environ, stdout=subprocess.DEVNULL)
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=2).read()  # noqa: S310
                break
            except OSError:
                time.sleep(0.02)
        seconds = time.monotonic() - began
        server = psutil.Process(process.pid)
        processor, memory = sum(server.cpu_times()[:2]), server.memory_info().rss
        process.terminate()
        process.wait()
    return seconds, processor, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    runs = [once(7870 + i) for i in range(parser.parse_args().times)]
    print("| measured | median | worst |\n|---|---|---|")
    for name, unit, values in (
        ("start to usable page", "s", [r[0] for r in runs]),
        ("processor time until then", "s", [r[1] for r in runs]),
        ("memory of the web process", "MB", [r[2] / 1e6 for r in runs]),
    ):
        print(f"| {name} | {statistics.median(values):.1f} {unit} | {max(values):.1f} {unit} |")


if __name__ == "__main__":
    main()
