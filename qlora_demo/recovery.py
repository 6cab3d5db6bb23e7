"""The ledger of a home from what lies in its folders: made again where it is missing or broken, completed where a crash has left a row out.

A run says its owner in run.json and its end in result.json, a data set its owner in owner.json. What only the ledger knew is lost with it: how often
a run was tried by itself, and who had been moved in the line. A server whose ledger is deleted while it works cannot mend that: its calls fail until
it is started again, which makes the ledger anew; a worker goes on meanwhile and is adopted.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from qlora_demo.data_sets import OWNER
from qlora_demo.errors import StorageError
from qlora_demo.events import read_events
from qlora_demo.jobs import processes
from qlora_demo.jobs.ledger import DamagedLedger, Found, Ledger
from qlora_demo.jobs.scheduler import INTERRUPTED, LEFT_THE_LINE, STOPPED_UNSAVED
from qlora_demo.run_dir import Home, RunDir, read_json
from qlora_demo.systems import replace


def open_ledger(home: Home) -> Ledger:
    """Whole and complete. Raises StorageError where it is of another release, or broken while another server works here."""
    try:
        ledger = Ledger(home.ledger)
    except DamagedLedger as error:
        ledger = _made_again(home, error)
    complete(home, ledger)
    return ledger


def _made_again(home: Home, damaged: DamagedLedger) -> Ledger:
    """An empty one; the broken file stays beside it, as ledger.broken-TIME."""
    try:
        with FileLock(home.scheduler_lock, timeout=0):
            try:
                return Ledger(home.ledger)  # another process may just have done the same
            except DamagedLedger:
                aside = home.path / f"ledger.broken-{time.strftime('%Y%m%d-%H%M%S')}"
                for end in ("", "-wal", "-shm"):
                    path = home.ledger.with_name(home.ledger.name + end)
                    if path.exists():
                        replace(path, aside.with_name(aside.name + end))
                print(f"{damaged} It is made again from the runs folder; the broken file is {aside.name} now.", file=sys.stderr, flush=True)
                return Ledger(home.ledger)
    except Timeout:
        raise damaged from None


def complete(home: Home, ledger: Ledger) -> None:
    """Adds what lies in the folders and is in no row; drops rows whose folder is gone. Harmless beside a server: what it adds meanwhile stays as it
    is. (Rows are read first: a run's directory is there before its row.)"""
    known, datasets = {job.run for job in ledger.jobs()}, ledger.all_datasets()
    runs = _folders(home.runs)
    found = [_found(RunDir(folder)) for folder in runs.values() if folder.name not in known and (folder / "run.json").exists()]
    for one in sorted((one for one in found if one is not None), key=lambda one: one.created):
        ledger.restore_job(one)
    for run_id in known - set(runs):
        ledger.remove_run(run_id, lambda: None)
    folders = _folders(home.datasets)
    for folder in folders.values():
        if folder.name not in datasets and (folder / OWNER).exists():
            _restore_dataset(ledger, folder)
    for dataset_id in set(datasets) - set(folders):
        ledger.remove_dataset(dataset_id)


def _folders(place: Path) -> dict[str, Path]:
    """Those under their final names, by name."""
    return {path.name: path for path in place.iterdir() if not path.name.startswith(".") and path.is_dir()}


def _restore_dataset(ledger: Ledger, folder: Path) -> None:
    try:
        about = read_json(folder / OWNER)
    except StorageError as error:
        _tell(error)
        return
    ledger.restore_dataset(folder.name, about["owner"], about["name"], about["created"])


def _tell(error: StorageError) -> None:
    print(f"Not in the ledger, and cannot be added: {error}", file=sys.stderr, flush=True)


def _found(run: RunDir) -> Found | None:
    """A run by its directory alone. None of a damaged one, which nobody can be given."""
    try:
        about = read_json(run.run_json)
        state, reason, ended = _state(run)
    except StorageError as error:
        _tell(error)
        return None
    if "owner" not in about:  # made by hand
        return None
    return Found(run.id, about["owner"], state, reason, about["created"], _started(run), ended, processes.signed(run), about.get("set"))


def _state(run: RunDir) -> tuple[str, str, float | None]:
    """(state, reason, when it ended). Raises StorageError."""
    if run.result_json.exists():
        result = run.result() or {}
        return result["outcome"], result["reason"], result.get("ended", run.result_json.stat().st_mtime)
    if processes.alive(run):
        return "running", "", None
    begun = run.events.exists()
    if processes.stop_request(run) == "stop":
        return "stopped", STOPPED_UNSAVED if begun else LEFT_THE_LINE, run.stop.stat().st_mtime
    return ("interrupted", INTERRUPTED, None) if begun else ("queued", "", None)


def _started(run: RunDir) -> float | None:
    """When its last attempt began, as far as its events tell."""
    try:
        events = read_events(run.events)[0]
    except ValueError:
        return None
    return next((e["time"] for e in events if e["attempt"] == events[-1]["attempt"]), None)
