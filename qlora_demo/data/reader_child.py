"""Reading happens in a short child with memory and time limits: `python -m qlora_demo.data.reader_child`, and how to ask it.

Standard input: {"path", "display_name", "mapping", "limits", "out"}. Standard output: {"ok": true}, or {"error": a sentence}.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from qlora_demo.data.dataset import prepare, save_dataset, unfinished
from qlora_demo.data.table import Limits
from qlora_demo.data.wording import shown_name
from qlora_demo.errors import DataError, UserError
from qlora_demo.systems import TOO_MUCH_MEMORY, limit_memory

TIME_LIMIT = 120
"""Seconds."""
BASE_MEMORY = 1_500_000_000
MEMORY_FACTOR = 12
"""Bytes of address space for each byte of the file, on top of BASE_MEMORY: text at up to four bytes a character, then rows, then JSON."""
KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH")


def prepare_in_child(path: Path, display_name: str, mapping: Mapping[str, str] | None, limits: Limits, out: Path) -> None:
    """Prepares a file and saves the data set as the folder `out`, which must not exist yet. Raises DataError; then `out` stays absent."""
    request = {
        "path": str(path.absolute()),
        "display_name": display_name,
        "mapping": dict(mapping) if mapping else None,
        "limits": asdict(limits),
        "out": str(out.absolute()),
    }
    name = shown_name(display_name)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "qlora_demo.data.reader_child"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=_environment(os.environ),
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"Reading {name} took longer than {TIME_LIMIT // 60} minutes. Upload a smaller file.") from error
    finally:
        shutil.rmtree(unfinished(out), ignore_errors=True)
    if done.returncode < 0 or done.returncode == TOO_MUCH_MEMORY:
        raise DataError(_too_much_memory(name))
    if done.returncode > 0:
        raise RuntimeError(f"the reader failed on {name}:\n{done.stderr}")
    reply = json.loads(done.stdout)
    if "error" in reply:
        raise DataError(reply["error"])


def main() -> None:
    request = json.loads(sys.stdin.read())
    print(json.dumps(_answer(request)))


def _answer(request: Mapping[str, object]) -> dict[str, object]:
    limits = Limits(**request["limits"])
    path = Path(request["path"])
    try:
        limit_memory(most_memory(path, limits))
        dataset = prepare(path, request["display_name"], request["mapping"], limits)
        save_dataset(dataset, Path(request["out"]))
    except UserError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": _too_much_memory(shown_name(request["display_name"]))}
    return {"ok": True}


def most_memory(path: Path, limits: Limits) -> int:
    """Bytes that reading this file may take."""
    size = path.stat().st_size if path.exists() else 0
    return BASE_MEMORY + MEMORY_FACTOR * min(size, limits.max_bytes)


def _too_much_memory(name: str) -> str:
    return f"Reading {name} needs more memory than one file may use here. Upload a smaller file."


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What Python needs to start and to find this package; no settings and no secrets of the server."""
    kept = {key: environ[key] for key in KEPT_ENVIRONMENT if key in environ}
    package_parent = str(Path(__file__).resolve().parents[2])
    return {**kept, "PYTHONPATH": package_parent, "PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"}


if __name__ == "__main__":
    main()
