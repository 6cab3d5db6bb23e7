"""The files of a run, and the home they live in. Every JSON file says its schema; every write is whole or absent."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qlora_demo.errors import StorageError
from qlora_demo.room import FULL_BYTES, free_bytes, give_reserve, told_when_full
from qlora_demo.systems import replace, sync_folder

SCHEMA = 1
LEAST_ROOM = 200_000_000
"""Bytes: an adapter of the smallest model with its saved points."""


@dataclass(frozen=True)
class Home:
    """QLORA_DEMO_HOME: what is kept, and where."""

    path: Path

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def datasets(self) -> Path:
        return self.path / "datasets"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.sqlite"

    @property
    def scheduler_lock(self) -> Path:
        return self.path / "scheduler.lock"

    @property
    def device_lock(self) -> Path:
        """Held by the one training process of this machine's device."""
        return self.path / "device.lock"

    @property
    def paused(self) -> Path:
        """There while the host lets no new run start."""
        return self.path / "paused"

    def create(self) -> Home:
        """Raises StorageError where the folder cannot be made or written."""
        try:
            for folder in (self.runs, self.datasets, self.models):
                folder.mkdir(parents=True, exist_ok=True)
            if free_bytes(self.path) < FULL_BYTES:
                give_reserve(self.path)  # a server that cannot even open its ledger cannot be asked to make room
        except OSError as error:
            sentence = f"The folder {self.path} cannot be used ({error.strerror}). Set QLORA_DEMO_HOME to one you can write."
            raise StorageError(sentence) from error
        return self

    def run(self, run_id: str) -> RunDir:
        return RunDir(self.runs / run_id)


@dataclass(frozen=True)
class RunDir:
    """One run's directory. Who writes what: docs/architecture.md."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def run_json(self) -> Path:
        return self.path / "run.json"

    @property
    def recipe_json(self) -> Path:
        return self.path / "recipe.json"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def train_jsonl(self) -> Path:
        return self.data / "train.jsonl"

    @property
    def held_out_jsonl(self) -> Path:
        return self.data / "held_out.jsonl"

    @property
    def data_report_json(self) -> Path:
        return self.data / "report.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "worker.log"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def worker_json(self) -> Path:
        """Which process holds the lock."""
        return self.path / "worker.json"

    @property
    def stop(self) -> Path:
        return self.path / "stop"

    @property
    def used(self) -> Path:
        """Its time says when somebody last asked this model."""
        return self.path / "used"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def model(self) -> Path:
        return self.path / "model"

    def weights(self) -> Path:
        """Where what it learned is: an adapter, or after full training the whole model."""
        return self.model if self.model.exists() else self.adapter

    @property
    def exports(self) -> Path:
        """What was prepared to be taken along, a folder for each form."""
        return self.path / "exports"

    def export_json(self, form: str) -> Path:
        """There if and only if that form is whole."""
        return self.exports / f"{form}.json"

    @property
    def fit_json(self) -> Path:
        """What was changed to make it fit, while it was or after it had run."""
        return self.path / "fit.json"

    @property
    def report_json(self) -> Path:
        return self.path / "report.json"

    @property
    def blind_vote_json(self) -> Path:
        """The last blind vote of its owner."""
        return self.path / "blind_vote.json"

    @property
    def result_json(self) -> Path:
        return self.path / "result.json"

    def result(self) -> dict[str, Any] | None:
        """The outcome, or None while there is none."""
        return read_json(self.result_json) if self.result_json.exists() else None


def has_room(home: Home) -> bool:
    """Whether a small run still fits on the home's disk."""
    try:
        return shutil.disk_usage(home.path).free >= LEAST_ROOM
    except OSError:
        return False


def new_id() -> str:
    """Unguessable, short enough to type a prefix of, never starts with a dash."""
    return secrets.token_hex(8)


def read_json(path: Path) -> dict[str, Any]:
    """Raises StorageError for a missing or broken file, or one of another schema."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StorageError(f"{path.parent.name}/{path.name} is missing; this run or data set is not whole. Delete it.") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise StorageError(f"{path.parent.name}/{path.name} is damaged and cannot be read.") from error
    found = value.get("schema") if isinstance(value, dict) else None
    if found != SCHEMA:
        place = f"{path.parent.name}/{path.name}"
        raise StorageError(f"{place} has schema {found}; this release reads schema {SCHEMA}. Use the release that wrote it.")
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes beside, syncs, renames: a reader sees the old file or the new one. Raises DiskFullError."""
    write_text(path, json.dumps({"schema": SCHEMA, **value}, ensure_ascii=False, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """As `write_json`, for any text. Raises DiskFullError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with told_when_full():
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        replace(temporary, path)
        sync_folder(path.parent)


def publish(temporary: Path, final: Path) -> None:
    """Renames a folder that was built under a temporary name into place, durably. Raises DiskFullError."""
    with told_when_full():
        for file in temporary.rglob("*"):
            if file.is_file():
                with file.open("rb+") as handle:
                    os.fsync(handle.fileno())
        sync_folder(temporary)
        replace(temporary, final)
        sync_folder(final.parent)


def remove(folder: Path) -> None:
    """Deletes a folder so that a crash in between leaves nothing that looks whole: renamed first, then removed."""
    put_away(folder)
    clear_away(folder)


def put_away(folder: Path) -> None:
    """Gives a folder that is to be deleted a name under which nobody takes it for whole. One that is missing already stays so."""
    if folder.exists():
        replace(folder, _doomed(folder))


def clear_away(folder: Path) -> None:
    """Deletes what was put away."""
    if _doomed(folder).exists():
        shutil.rmtree(_doomed(folder))


def _doomed(folder: Path) -> Path:
    return folder.with_name(f".deleted-{folder.name}")
