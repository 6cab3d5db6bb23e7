"""How to ask the short child that reads: the server itself never opens what strangers give."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from qlora_demo.data.choices import Choices
from qlora_demo.data.table import Limits
from qlora_demo.data.wording import shown_name
from qlora_demo.errors import DataError, WayOut
from qlora_demo.systems import TOO_MUCH_MEMORY

SOURCE = "source"
"""The file as it was given, inside its data set's folder: other choices read it again."""
TIME_LIMIT, BYTES_PER_SECOND = 120, 1_000_000
"""Seconds for any file, and more for a large one."""
BASE_MEMORY = 280_000_000
MEMORY_FACTOR, UNPACKED_FACTOR = 12, 40
"""Bytes of memory for each byte of the file, on top of BASE_MEMORY: a JSON document is held whole, as text and as values. A packed file is larger
than it looks."""
KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH")


def read_in_child(path: Path, display_name: str, choices: Choices, limits: Limits, out: Path) -> None:
    """Reads a person's file and saves the data set as the folder `out`, which must not exist yet. Raises DataError; then `out` stays absent."""
    _ask({"path": str(path.absolute()), "ours": False, "display_name": display_name}, choices, limits, out)


def read_again_in_child(folder: Path, display_name: str, choices: Choices, limits: Limits, out: Path) -> None:
    """The same for a data set's own file, with other choices."""
    _ask({"path": str((folder / SOURCE).absolute()), "ours": True, "display_name": display_name}, choices, limits, out)


def _ask(about: Mapping[str, object], choices: Choices, limits: Limits, out: Path) -> None:
    request = {**about, "choices": choices.to_json(), "limits": asdict(limits), "out": str(out.absolute())}
    name = shown_name(str(about["display_name"]))
    seconds = TIME_LIMIT + _size(Path(str(about["path"]))) // BYTES_PER_SECOND
    try:
        done = subprocess.run(
            [sys.executable, "-m", "qlora_demo.data.reader_child"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=_environment(os.environ),
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"Reading {name} took longer than {seconds // 60} minutes. Upload a smaller file.") from error
    finally:
        shutil.rmtree(unfinished(out), ignore_errors=True)
    if done.returncode < 0 or done.returncode == TOO_MUCH_MEMORY:
        raise DataError(too_much_memory(name))
    if done.returncode > 0:
        raise RuntimeError(f"the reader failed on {name}:\n{done.stderr}")
    reply = json.loads(done.stdout)
    if "error" in reply:
        raise DataError(reply["error"], [WayOut(label, change) for label, change in reply["ways_out"]], reply["columns"])


def unfinished(folder: Path) -> Path:
    """Where the child builds `folder`; what is left there belongs to a child that was killed."""
    return folder.with_name(f".new-{folder.name}")


def most_memory(path: Path, limits: Limits) -> int:
    """Bytes that reading this file may take."""
    factor = UNPACKED_FACTOR if _starts_with_zip(path) else MEMORY_FACTOR
    return min(limits.max_memory_bytes, BASE_MEMORY + factor * min(_size(path), limits.max_bytes))


def too_much_memory(name: str) -> str:
    return f"Reading {shown_name(name)} needs more memory than one file may use here. Upload a smaller file."


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _starts_with_zip(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What Python needs to start and to find this package; no settings and no secrets of the server. Libraries start no threads of their own."""
    kept = {key: environ[key] for key in KEPT_ENVIRONMENT if key in environ}
    package_parent = str(Path(__file__).resolve().parents[2])
    # pyarrow's own pool would reserve half of the memory that the child may take.
    frugal = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    return {**kept, **frugal, "PYTHONPATH": package_parent, "PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"}
