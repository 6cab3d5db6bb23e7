"""What was prepared of a run and lies in its folder: exports/FORM with the files, exports/FORM.json beside it once they are whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qlora_demo.run_dir import RunDir, clear_away, put_away, read_json, write_json


@dataclass(frozen=True)
class Prepared:
    """One form of one run. `files` are (name, bytes, sha256)."""

    folder: Path
    files: tuple[tuple[str, int, str], ...]
    seconds: float

    def bytes(self) -> int:
        return sum(size for _, size, _ in self.files)


def prepared(run: RunDir, key: str) -> Prepared | None:
    """None while there is none. Raises StorageError for a damaged marker."""
    if not run.export_json(key).exists():
        return None
    about = read_json(run.export_json(key))
    return Prepared(run.exports / key, tuple((name, size, sha256) for name, size, sha256 in about["files"]), about["seconds"])


def mark(run: RunDir, key: str, seconds: float, **about: Any) -> None:
    """Says that the folder is whole."""
    folder = run.exports / key
    files = []
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            files.append([path.name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()])
    write_json(run.export_json(key), {"form": key, "files": files, "seconds": seconds, **about})


def withdraw(run: RunDir, key: str) -> None:
    """Deletes it; the marker first, so that nobody takes half of it for whole."""
    run.export_json(key).unlink(missing_ok=True)
    put_away(run.exports / key)
    clear_away(run.exports / key)
