"""Asking the evaluation worker: the side that imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qlora_demo.errors import BusyError, ModelError
from qlora_demo.pipes import Child, ChildDied
from qlora_demo.run_dir import RunDir

DIED = "The test ended unexpectedly; often the memory ran out. Close the chat or other programs, and try again."


def evaluate_in_child(run: RunDir, rows: Path | None, environ: Mapping[str, str], log: Path, loaded: Callable[[], None]) -> dict[str, Any]:
    """The report of `run` on the rows of a data set, or where `rows` is None on those it set aside. `loaded` is called once the models are there.

    Raises ModelError, BusyError.
    """
    child = Child("qlora_demo.evaluation.worker", environ, log)
    report: dict[str, Any] = {}
    try:
        for reply in child.ask({"op": "evaluate", "run": str(run.path), "rows": str(rows or "")}):
            if reply["type"] == "loaded":
                loaded()
            elif reply["type"] == "error":
                raise ModelError(reply["message"])
            else:
                report = reply["report"]
    except ChildDied as error:
        raise BusyError(DIED) from error
    finally:
        child.close()
    return report
