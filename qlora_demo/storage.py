"""What a home may keep: whether there is room for one more run or data set, how much each owner has, and until when it stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from qlora_demo.catalogue import GB, find_model
from qlora_demo.data.dataset import ABOUT
from qlora_demo.errors import StorageError
from qlora_demo.estimate import Computing, artifact_bytes, disk_bytes
from qlora_demo.hardware import Machine
from qlora_demo.jobs.ledger import EVERYONE, FINAL, Job, Ledger
from qlora_demo.recipe import Recipe
from qlora_demo.room import FULL_BYTES, MAKE_ROOM, free_bytes, give_reserve, size_of
from qlora_demo.run_dir import Home, clear_away, put_away, read_json
from qlora_demo.settings import Settings

SPARE_BYTES = 1_000_000_000
"""Left beside what a run writes: for its log, other runs, and the system."""
DATA_SPARE_BYTES, DATA_COPIES = 100_000_000, 3
"""The file as it was given, its rows, and what is unpacked of it on the way."""
DAY, HOUR = 86_400, 3_600


class Storage:
    """`settings` has the limits; 0 is none."""

    def __init__(self, home: Home, ledger: Ledger, settings: Settings):
        self._home, self._ledger, self._settings = home, ledger, settings

    # Room

    def full(self) -> bool:
        """Whether nothing that is begun now would end well."""
        return free_bytes(self._home.path) < FULL_BYTES

    def check_run(self, owner: str, recipe: Recipe, machine: Machine) -> None:
        """Whether a run can be made and brought to its end. Raises StorageError."""
        dimensions, number = find_model(recipe.model).dimensions, Computing.of(machine).number
        needed, free = disk_bytes(dimensions, recipe, number) + SPARE_BYTES, free_bytes(self._home.path)
        if needed > free:
            way = "Choose QLoRA or a smaller model, or delete" if recipe.method == "full" else "Choose a smaller model, or delete"
            raise StorageError(
                f"This needs about {gigabytes(needed)} of disk for its saved points and its result; {gigabytes(free)} are free. "
                f"{way} a model or a data set that is no longer needed."
            )
        self._check_quotas(owner, artifact_bytes(dimensions, recipe, number))

    def check_data(self, owner: str, size: int) -> None:
        """Whether a data set of a file with `size` bytes can be made. Raises StorageError."""
        needed, free = DATA_COPIES * size + DATA_SPARE_BYTES, free_bytes(self._home.path)
        if needed > free:
            raise StorageError(f"The disk is nearly full: this file needs about {gigabytes(needed)}, {gigabytes(free)} are free. {MAKE_ROOM}.")
        self._check_quotas(owner, size)

    def check_export(self, owner: str, needed: int, kept: int) -> None:
        """Whether a form of a model can be prepared: `needed` bytes while it is made, `kept` of them afterwards. Raises StorageError."""
        whole, free = needed + DATA_SPARE_BYTES, free_bytes(self._home.path)
        if whole > free:
            raise StorageError(f"To prepare this, about {gigabytes(whole)} of disk are needed; {gigabytes(free)} are free. {MAKE_ROOM}.")
        self._check_quotas(owner, kept)

    def _check_quotas(self, owner: str, more: int) -> None:
        if owner == EVERYONE:
            return
        own, every = self._settings.owner_disk_mb * 1_000_000, self._settings.disk_gb * GB
        if own and (used := self.used_by(owner)) + more > own:
            raise StorageError(
                f"Your models and data sets take {gigabytes(used)} of your {gigabytes(own)} here. Delete a model or a data set to make room."
            )
        if every and (used := self.used()) + more > every:
            raise StorageError(
                f"All models and data sets here take {gigabytes(used)} of {gigabytes(every)}. Delete a model or a data set of yours to make room, "
                "or try again later."
            )

    def used_by(self, owner: str) -> int:
        """Bytes of one owner's runs and data sets."""
        folders = [self._home.run(job.run).path for job in self._ledger.jobs(owner)]
        folders += [self._home.datasets / dataset_id for dataset_id in self._ledger.datasets(owner)]
        seen: set[int] = set()
        return sum(size_of(folder, seen) for folder in folders)

    def used(self) -> int:
        """Bytes of all runs and data sets, and of the logs beside them. Base models are not counted, wherever in the home they lie."""
        seen: set[int] = set()
        logs = sum(file.stat().st_size for file in self._home.path.glob("*.log"))
        return logs + size_of(self._home.runs, seen) + size_of(self._home.datasets, seen)

    # Time

    def run_until(self, job: Job) -> float | None:
        """When a run is deleted, in seconds since the epoch; None of one that stays for ever, or for now."""
        if not self._settings.keep_days or job.owner == EVERYONE or job.state not in FINAL:
            return None
        return last_use(self._home, job) + self._settings.keep_days * DAY

    def data_until(self, dataset_id: str, learned: float | None) -> float | None:
        """When a data set is deleted. `learned` is the last use of a model that learned from it, None where none did."""
        since = modified(self._home.datasets / dataset_id / ABOUT)
        if learned is not None:
            return max(since, learned) + self._settings.keep_days * DAY if self._settings.keep_days else None
        limits = [self._settings.keep_days * DAY, self._settings.keep_data_hours * HOUR]
        return since + min(limit for limit in limits if limit) if any(limits) else None

    def note_run(self, run_id: str) -> None:
        """That somebody asks this model something now."""
        _note_use(self._home.run(run_id).used)

    def note_data(self, dataset_id: str) -> None:
        """That somebody trains on it now."""
        _note_use(self._home.datasets / dataset_id / ABOUT)

    def learned_from(self) -> Mapping[str, float]:
        """For each data set that a run learned from, the last use of the newest; of one that trains or waits, no end."""
        found: dict[str, float] = {}
        for job in self._ledger.jobs():
            with suppress(StorageError):  # a damaged run keeps nothing
                dataset_id = read_json(self._home.run(job.run).run_json).get("dataset", "")
                used = last_use(self._home, job) if job.state in FINAL else float("inf")
                found[dataset_id] = max(found.get(dataset_id, 0.0), used)
        return found


def last_use(home: Home, job: Job) -> float:
    """When a run ended, or was last asked something. Seconds since the epoch."""
    return max(job.ended or job.created, modified(home.run(job.run).used))


def _note_use(path: Path) -> None:
    """Sets a file's time to now. A full disk does not matter: what is used then is kept a little shorter."""
    with suppress(OSError):
        path.touch()


def modified(path: Path) -> float:
    """0 where it is missing."""
    try:
        return os.lstat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def remove_dataset(home: Home, ledger: Ledger, dataset_id: str) -> None:
    """The folder first, which a crash in between leaves under no name that counts."""
    folder = home.datasets / dataset_id
    make_way(home, folder, ABOUT)
    put_away(folder)
    ledger.remove_dataset(dataset_id)
    clear_away(folder)


def make_way(home: Home, folder: Path, kept: str) -> None:
    """Before a folder is deleted on a full disk: what is in it goes at once, all but the file `kept`. Else there were no room to write that it is
    gone, and so no way to make any."""
    if free_bytes(home.path) >= FULL_BYTES or not folder.is_dir():
        return
    give_reserve(home.path)
    for inside in folder.iterdir():
        if inside.is_dir() and not inside.is_symlink():
            shutil.rmtree(inside, ignore_errors=True)
        elif inside.name != kept:
            inside.unlink(missing_ok=True)


def gigabytes(count: float) -> str:
    """ "1.2 GB", below one "340 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
