"""A mounted storage bucket beside the home: what was learned is copied there, and found again by the next start on an empty disk.

A bucket knows neither locks nor renames, so nothing in it is ever changed: each copy of a run is a folder of its own, and counts only once its
marker, written last, names every file with size and sha256. Then the copies before it go. Without a marker a copy is half, and goes too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from qlora_demo.errors import StorageError
from qlora_demo.room import free_bytes
from qlora_demo.run_dir import SCHEMA, Home, RunDir, new_id, publish, read_json
from qlora_demo.settings import Settings
from qlora_demo.training import checkpoints

MARKER = "WHOLE.json"
BLOCK = 1 << 20
LEFT_FREE = 1_000_000_000
"""Bytes of the local disk that bringing back leaves free."""
Seen = dict[str, list[int]]
"""For each file its size and its time in nanoseconds."""


class Bucket:
    """Only one thread copies; any may call `forget`."""

    def __init__(self, path: Path):
        self._runs = path / "runs"
        self._copied: dict[str, Seen] = {}
        self._forgotten: list[str] = []

    def keep(self, run: RunDir) -> bool:
        """Copies what is worth keeping of a run, unless that is there already. Returns whether it did: not of a run that changes or is deleted
        meanwhile, which the next look finds at rest. Raises OSError."""
        target = self._runs / run.id / new_id()
        try:
            files = kept_files(run)
            seen = _seen(run, files)
            if seen == self._last_copied(run.id):
                return False
            found = {name: _copy(run.path / name, target / name) for name in files}
            _write(target / MARKER, {"schema": SCHEMA, "made": time.time(), "seen": seen, "files": found})
            whole = _seen(run, kept_files(run)) == seen  # after the marker: whoever deletes the run from here on finds it
        except FileNotFoundError:
            whole = False
        except OSError:
            _discard(target)
            raise
        if not whole:
            _discard(target)
            return False
        self._copied[run.id] = seen
        for other in _folders(self._runs / run.id):
            if other != target:
                _discard(other)
        return True

    def _last_copied(self, run_id: str) -> Seen:
        if run_id not in self._copied:
            marked = _marked(self._runs / run_id)
            self._copied[run_id] = marked[0][1]["seen"] if marked else {}
        return self._copied[run_id]

    def forget(self, run_id: str) -> None:
        """Makes all copies of a deleted run worthless at once; `clear` takes them away. Raises StorageError where the bucket does not answer."""
        try:
            for copy in _folders(self._runs / run_id):
                (copy / MARKER).unlink(missing_ok=True)
                self._forgotten.append(run_id)
        except OSError as error:
            sentence = f"The copy in the storage bucket could not be deleted ({error.strerror}). Try again in a minute."
            raise StorageError(sentence) from error

    def clear(self, everywhere: bool) -> None:
        """Takes half copies away: of runs that were deleted just now, or `everywhere`, which asks the bucket for much."""
        forgotten = [self._runs / self._forgotten.pop() for _ in range(len(self._forgotten))]
        for run in _folders(self._runs) if everywhere else forgotten:
            for copy in _folders(run):
                if not (copy / MARKER).exists():
                    shutil.rmtree(copy, ignore_errors=True)
            with suppress(OSError):
                run.rmdir()  # only where it is empty

    def bring_back(self, home: Home) -> list[str]:
        """Copies every whole run that is not in the home into it, as it was: its newest copy that verifies. Returns their ids. What cannot be brought
        back stays in the bucket, and is told on standard error."""
        brought = []
        try:
            places = _folders(self._runs)
        except OSError as error:
            print(f"The bucket cannot be read ({error.strerror}). What it has is not brought back.", file=sys.stderr, flush=True)
            return []
        for place in places:
            if home.run(place.name).path.exists():
                continue
            try:
                if any(_bring(copy, about, home.run(place.name)) for copy, about in _marked(place)):
                    brought.append(place.name)
                else:
                    print(f"The bucket has no whole copy of {place.name}.", file=sys.stderr, flush=True)
            except (OSError, StorageError) as error:
                print(f"{place.name} could not be brought back: {error}", file=sys.stderr, flush=True)
        return brought


def bucket_of(settings: Settings) -> Bucket | None:
    """None where none is mounted."""
    place = settings.bucket_dir()
    return Bucket(place) if place is not None else None


def kept_files(run: RunDir) -> list[str]:
    """What is worth keeping, as names inside the run's directory: all but its log, and of its saved points the newest."""
    single = [run.run_json, run.recipe_json, run.fit_json, run.events, run.report_json, run.result_json, run.blind_vote_json]
    folders = [run.data, run.weights(), *_newest_checkpoint(run)]
    inside = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
    return [file.relative_to(run.path).as_posix() for file in [*single, *sorted(inside)] if file.is_file() and not file.is_symlink()]


def _newest_checkpoint(run: RunDir) -> Sequence[Path]:
    """One at most. Whether its files agree with its COMPLETE.json is seen when somebody goes on from it."""
    whole = [folder for folder in run.checkpoints.glob("step-*") if (folder / checkpoints.COMPLETE).exists()]
    return sorted(whole, key=checkpoints.step_of)[-1:]


def _seen(run: RunDir, files: Sequence[str]) -> Seen:
    """Events come by the second; they alone are no reason for another copy."""
    found = {}
    for name in files:
        if run.path / name != run.events:
            about = os.lstat(run.path / name)
            found[name] = [about.st_size, about.st_mtime_ns]
    return found


def _copy(source: Path, target: Path) -> list[Any]:
    """Returns size and sha256 of what was copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    size, digest = 0, hashlib.sha256()
    with source.open("rb") as file, target.open("wb") as copy:
        while block := file.read(BLOCK):
            copy.write(block)
            digest.update(block)
            size += len(block)
    return [size, digest.hexdigest()]


def _write(path: Path, value: dict[str, Any]) -> None:
    """In place, synced: half of it is no JSON."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())


def _folders(place: Path) -> list[Path]:
    """None where it is missing."""
    return sorted(entry for entry in place.iterdir() if entry.is_dir() and not entry.is_symlink()) if place.is_dir() else []


def _marked(place: Path) -> list[tuple[Path, dict[str, Any]]]:
    """A run's copies with their markers, the newest first."""
    found = []
    for copy in _folders(place):
        with suppress(StorageError):
            found.append((copy, read_json(copy / MARKER)))
    return sorted(found, key=lambda item: item[1]["made"], reverse=True)


def _discard(copy: Path) -> None:
    (copy / MARKER).unlink(missing_ok=True)
    shutil.rmtree(copy, ignore_errors=True)


def _bring(copy: Path, about: dict[str, Any], run: RunDir) -> bool:
    """Whether it was whole. Raises StorageError where the local disk is too small for it, OSError."""
    names = [file.relative_to(copy).as_posix() for file in copy.rglob("*") if file.is_file() and not file.is_symlink()]
    names.remove(MARKER)
    if sorted(names) != sorted(about["files"]):
        return False
    needed = sum(size for size, _ in about["files"].values()) + LEFT_FREE
    if needed > free_bytes(run.path.parent):
        raise StorageError(f"The disk has no {needed / 1e9:.1f} GB free.")
    made = RunDir(run.path.with_name(f".new-{run.id}"))
    try:
        shutil.rmtree(made.path, ignore_errors=True)
        if any(_copy(copy / name, made.path / name) != about["files"][name] for name in names):
            return False
        for name in set(names) & set(about["seen"]):
            os.utime(made.path / name, ns=(about["seen"][name][1],) * 2)  # so that it is not taken for changed
        made.used.touch()  # that somebody used it since it was copied is not known
        publish(made.path, run.path)
        return True
    finally:
        shutil.rmtree(made.path, ignore_errors=True)
