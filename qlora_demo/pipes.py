"""A child process that answers requests: one JSON object a line in, one or more a line out.

The chat worker and the data worker are such children. A child ends at the end of its input, so it never outlives the server; a reply with
`"last": true` closes its request. A dead child is a ChildDied for whoever waits; the next `start` gives a new one.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

Reply = dict[str, Any]
SECRET_WORDS = ("TOKEN", "SECRET", "PASSW", "PASSPHRASE", "AUTH", "KEY", "CREDENTIAL", "COOKIE", "WORKSHOP", "AWS_")
"""In names of variables; QLORA_DEMO_AUTH and OAUTH_CLIENT_ID are among them."""


class ChildDied(Exception):
    """The child ended before it had answered. `code` is its exit code, negative for a signal."""

    def __init__(self, code: int):
        super().__init__(f"the child process ended with code {code}")
        self.code = code


class Child:
    """One running child. Requests are answered one after the other, in the order they came."""

    def __init__(self, module: str, environ: Mapping[str, str], log: Path):
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=dict(environ),
                text=True,
                encoding="utf-8",
            )
        self._turn = threading.Lock()
        self._write = threading.Lock()
        self._replies: queue.Queue[Reply | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: Mapping[str, Any]) -> Iterator[Reply]:
        """Replies as they come, the last one included. Closing the iterator early asks the child to cancel and waits for its last reply."""
        with self._turn:
            self.send(request)
            finished = False
            try:
                while not finished:
                    reply = self._next()
                    finished = bool(reply.get("last"))
                    yield reply
            finally:
                if not finished and self.alive():
                    self.send({"op": "cancel"})
                    while not self._next().get("last"):
                        pass

    def send(self, message: Mapping[str, Any]) -> None:
        """Raises ChildDied."""
        try:
            with self._write:
                assert self._process.stdin is not None  # noqa: S101
                self._process.stdin.write(json.dumps(message) + "\n")
                self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise ChildDied(self._process.wait()) from error

    def close(self) -> None:
        """Ends the child and waits until its memory is back."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _next(self) -> Reply:
        reply = self._replies.get()
        if reply is None:
            self._replies.put(None)
            raise ChildDied(self._process.wait())
        return reply

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            self._replies.put(json.loads(line))
        self._replies.put(None)


def own_output() -> TextIO:
    """For the child: the pipe to the server, with everything that libraries print sent to standard error (the log) instead."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return pipe


def is_secret(name: str) -> bool:
    """Whether a variable of the environment is named like one that holds a secret."""
    return any(word in name.upper() for word in SECRET_WORDS)


def child_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """A child's environment: ours without secrets, and able to import this package from any folder."""
    kept = {name: value for name, value in environ.items() if not is_secret(name)}
    package_parent = str(Path(__file__).resolve().parent.parent)
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [package_parent, environ.get("PYTHONPATH", "")]))
    quiet = {
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        # OpenMP's threads spin while they wait for each other. Beside one busy process on two cores, the default's long spin makes a training step
        # 2 to 3 times and a token of chat 3 times as slow; with this short one it is 1.7 times and the same. Alone, it costs training a thirtieth.
        "GOMP_SPINCOUNT": "1000",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    }
    return {**kept, **quiet}


def training_environ(environ: Mapping[str, str], cores: int) -> dict[str, str]:
    """As `child_environ`, for a process that trains on `cores` threads."""
    return {**child_environ(environ), "OMP_NUM_THREADS": str(cores)}
