"""The web process's side of chat: starts the chat worker, sends questions, gives its memory back when training needs it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from qlora_demo.chat.line import Line
from qlora_demo.data.conversation import Message, message_to_json
from qlora_demo.errors import BusyError, ModelError
from qlora_demo.pipes import Child, ChildDied, Reply
from qlora_demo.run_dir import RunDir


@dataclass(frozen=True)
class Ask:
    """How both sides answer; see models.pair.Sampling, which this process cannot import (it needs torch)."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 0.9
    seed: int = 0


@dataclass(frozen=True)
class Turn:
    """Both answers so far. `status` is "waking", "reading", "answering" or "done"; `tokens` and `seconds` are known when done.

    `base` is the left column's, also where that is another run. `unchanged`, when done: the base column's numbers were compared with the base model's
    own after this answer, and were the same bit for bit; None where the left column is another run.
    """

    base: str = ""
    adapted: str = ""
    status: str = "waking"
    tokens: int | None = None
    seconds: float | None = None
    unchanged: bool | None = None
    shortened: bool = False
    """The conversation is longer than what is read: its oldest turns were left out."""
    before: int = 0
    """Whose questions are answered first, while it is "waking"."""


GIVEN_BACK = "Your chat was paused to make room for training. The conversation is kept."
DIED = "The chat closed unexpectedly; often the memory ran out. Ask again to start it anew."


class ChatClient:
    """One chat worker at most. Questions from several tabs stand in a line, whatever base they need: none ends the worker that answers another."""

    def __init__(self, environ: Mapping[str, str], log: Path, idle_seconds: float):
        self._environ, self._log, self._idle_seconds = environ, log, idle_seconds
        self._child: Child | None = None
        self._base = ""
        self._lock = threading.Lock()
        self._line = Line()
        self._given_back = False
        self._times_given_back = 0
        self._idle: threading.Timer | None = None
        self._newest: tuple[RunDir, RunDir | None, str] | None = None

    def running(self) -> bool:
        return self.pid() is not None

    def pid(self) -> int | None:
        child = self._child  # another thread may end it meanwhile
        return child.pid if child is not None and child.alive() else None

    def ask(self, run: RunDir, base: str, columns: Sequence[Sequence[Message]], ask: Ask, against: RunDir | None = None) -> Iterator[Turn]:
        """Both answers as they grow; in the left column those of `against` instead of the base model's, a run of the same base, packed alike.

        `base` names the base model and how it is packed: another base is another worker. Raises UserError.
        """
        times = self._times_given_back
        with self._line.ticket() as ticket:
            for before in self._line.before(ticket):
                yield Turn(status="waking", before=before)
            if self._times_given_back != times:  # while it stood in line: the room is a training's now
                raise BusyError(GIVEN_BACK)
            yield Turn(status="waking")
            self._newest = (run, against, base)
            histories = [[message_to_json(m) for m in column] for column in columns]
            request = {"op": "ask", **_folders(run, against), "columns": histories, "sampling": asdict(ask)}
            try:
                yield from _turns(self._ready(base).ask(request))
            except ChildDied as error:
                raise BusyError(GIVEN_BACK if self._given_back else DIED) from error
            finally:
                self._rest()

    def release(self, given_back: bool = True) -> None:
        """Ends the worker, so that its memory is free. Whoever waits for an answer is told."""
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()  # else it would later take what was given back for what nobody has used
            self._given_back = given_back
            self._times_given_back += given_back
            if self._child is not None:
                self._child.close()
                self._child = None

    def base(self) -> str:
        """The base model in memory and how it is packed, as `ask` was told; "" where there is none."""
        return self._base if self.running() else ""

    def given_back(self) -> bool:
        """It was ended to make room, and has not come back yet."""
        return self._given_back

    def come_back(self) -> None:
        """Wakes up the model that was talked to when the chat was given back, and returns at once; nothing where it was not."""
        if self._given_back and self._newest is not None:
            threading.Thread(target=self._wake_up, args=self._newest, daemon=True).start()

    def _wake_up(self, run: RunDir, against: RunDir | None, base: str) -> None:
        with self._line.ticket() as ticket:
            for _ in self._line.before(ticket):
                pass
            if self.running():  # somebody asked meanwhile
                return
            try:
                for reply in self._ready(base).ask({"op": "open", **_folders(run, against)}):
                    if reply["type"] == "error":  # deleted meanwhile, or no memory: the next question says so
                        print(reply["message"], file=sys.stderr, flush=True)
            except ChildDied as error:  # given back again
                print(error, file=sys.stderr, flush=True)
            self._rest()

    def _ready(self, base: str) -> Child:
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
            if self._child is not None and (self._base != base or not self._child.alive()):
                self._child.close()
                self._child = None
            if self._child is None:
                self._child = Child("qlora_demo.chat.worker", self._environ, self._log)
                self._base = base
                self._given_back = False
            return self._child

    def _rest(self) -> None:
        with self._lock:
            self._idle = threading.Timer(self._idle_seconds, self.release, kwargs={"given_back": False})
            self._idle.daemon = True
            self._idle.start()


def _turns(replies: Iterator[Reply]) -> Iterator[Turn]:
    """Of an "ask" request. Raises ModelError with the worker's sentence."""
    texts = ["", ""]
    with closing(replies):
        for reply in replies:
            if reply["type"] == "loaded":
                yield Turn(status="reading")
            elif reply["type"] == "text":
                texts = [text + new for text, new in zip(texts, reply["texts"], strict=True)]
                yield Turn(texts[0], texts[1], "answering")
            elif reply["type"] == "done":
                base, adapted = (answer["text"] for answer in reply["answers"])
                tokens = sum(answer["tokens"] for answer in reply["answers"])
                yield Turn(base, adapted, "done", tokens, reply["seconds"], reply["unchanged"], reply["shortened"])
            else:
                raise ModelError(reply["message"])


def _folders(run: RunDir, against: RunDir | None) -> dict[str, str]:
    """Of a request."""
    return {"run": str(run.path), "against": "" if against is None else str(against.path)}
