"""Saved points of a run: a folder counts only once its COMPLETE.json, written last, agrees with every file's size and sha256."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from qlora_demo.errors import StorageError
from qlora_demo.run_dir import publish, read_json, write_json

COMPLETE = "COMPLETE.json"
KEPT = 2


def seal(written: Path, folder: Path, step: int) -> Path:
    """Marks the checkpoint that the Trainer wrote at `written`, renames it to `folder/step-N` and drops all but the newest two."""
    write_json(written / COMPLETE, {"step": step, "files": _fingerprints(written)})
    final = folder / f"step-{step}"
    if final.exists():
        shutil.rmtree(final)
    publish(written, final)
    for old in _by_step(folder)[KEPT:]:
        shutil.rmtree(old)
    return final


def newest(folder: Path) -> Path | None:
    """The newest checkpoint that verifies; what does not is deleted."""
    for leftover in folder.glob("checkpoint-*"):
        shutil.rmtree(leftover)
    for candidate in _by_step(folder):
        if is_whole(candidate):
            return candidate
        shutil.rmtree(candidate)
    return None


def whole(folder: Path) -> list[Path]:
    """All that verify, the newest first."""
    return [candidate for candidate in _by_step(folder) if is_whole(candidate)]


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("step-"))


def is_whole(checkpoint: Path) -> bool:
    try:
        marker = read_json(checkpoint / COMPLETE)
    except StorageError:
        return False
    return marker["files"] == _fingerprints(checkpoint)


def _by_step(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), key=step_of, reverse=True)


def _fingerprints(folder: Path) -> dict[str, list[object]]:
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name != COMPLETE:
            with path.open("rb") as file:
                found[path.name] = [path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()]
    return json.loads(json.dumps(found))
