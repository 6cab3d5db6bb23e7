"""Asking the export worker: the side that imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qlora_demo.errors import BusyError, DiskFullError, ModelError
from qlora_demo.pipes import Child, ChildDied

DIED = "This ended unexpectedly; often the memory ran out. Close other programs, and try again."
Tell = Callable[[float, str], None]


@dataclass(frozen=True)
class Push:
    """Where to, and with whose token: in this process's memory until it is sent, and nowhere else."""

    name: str
    private: bool
    token: str = field(repr=False)


class Stopped(Exception):
    """It was given up, as asked; its text says what is left on the Hub, "" for nothing."""


class ExportChild:
    """One request in a process of its own, which any thread may `end`."""

    def __init__(self, environ: Mapping[str, str], log: Path):
        self._child = Child("qlora_demo.export.worker", environ, log)

    def prepare(self, run: Path, form: str, tell: Tell) -> None:
        """Raises ModelError, BusyError."""
        self._ask({"op": "prepare", "run": str(run), "form": form}, tell)

    def push(self, run: Path, form: str, push: Push, tell: Tell) -> str:
        """Sends what is prepared of one form. The address of the repository. The token is written to the child's input and nowhere else. Raises
        ModelError, BusyError, and Stopped after `cancel`."""
        asked = {"op": "push", "run": str(run), "form": form, "name": push.name, "private": push.private, "token": push.token}
        return self._ask(asked, tell)["url"]

    def _ask(self, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
        try:
            with closing(self._child.ask(request)) as replies:
                for reply in replies:
                    if reply["type"] == "progress":
                        self._tell(tell, reply)
                    elif reply["type"] == "error":
                        raise ModelError(reply["message"])
                    elif reply["type"] == "stopped":
                        raise Stopped(reply["message"])
                    else:
                        return reply
        except ChildDied as error:
            raise BusyError(DIED) from error
        finally:
            self._child.close()
        raise BusyError(DIED)

    def _tell(self, tell: Tell, reply: Mapping[str, Any]) -> None:
        """Raises what `tell` raises, of a full disk, with nobody left who would answer in its place."""
        try:
            tell(reply["share"], reply["doing"])
        except DiskFullError:
            self._child.close()
            raise

    def cancel(self) -> None:
        """A sending ends as soon as it has tidied up; whether it was too late for that, its own end says."""
        with suppress(ChildDied):  # it has just ended
            self._child.send({"op": "cancel"})

    def end(self) -> None:
        """At once; whoever waits for it gets BusyError."""
        self._child.close()
