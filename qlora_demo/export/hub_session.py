"""The Hub's own client, made to end: limits of time, an end to what it tries again by itself, and a count of the bytes that it has sent."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import close_session, set_client_factory

CONNECT_SECONDS = 15.0
SILENCE_SECONDS = 75.0
"""How long one answer, or room for the next bytes, is waited for. The Hub itself gives up a commit after 60."""
PATIENCE_SECONDS = 60.0
"""From a first failure on, for as long as the client may try again. It knows no limit of time itself, and waits as long as an answer says."""
BUSY = (408, 429, 500, 502, 503, 504)
"""What the client tries again."""
CONFLICT = "another conflicting operation is in progress"
"""Within a 409: while the Hub says so, the client asks without a pause and without end."""
TURN = 0.01
"""The share by which the count must have grown to be told."""


class GaveUp(Exception):
    """The client would have gone on trying. `status` is the last answer's, None where the connection failed: the cause tells how."""

    def __init__(self, status: int | None):
        super().__init__(f"gave up after {status or 'a broken connection'}")
        self.status = status


class Session:
    """What is known of one session with the Hub. `commit_sent` is whether a commit may have reached it."""

    def __init__(self, silence_seconds: float):
        self.silence_seconds = silence_seconds
        self.commit_sent = False
        self._failing_since: float | None = None

    def begins(self, request: httpx2.Request) -> None:
        self.commit_sent = self.commit_sent or request.url.path.endswith("/commit/main")

    def worked(self) -> None:
        self._failing_since = None

    def failed(self) -> bool:
        """Whether it is time to give up."""
        now = time.monotonic()
        self._failing_since = now if self._failing_since is None else self._failing_since
        return now - self._failing_since >= PATIENCE_SECONDS


class _Client(httpx2.Client):
    def __init__(self, session: Session):
        super().__init__(follow_redirects=True, timeout=httpx2.Timeout(session.silence_seconds, connect=CONNECT_SECONDS))
        self._hub_session = session

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Raises GaveUp beside what it raises anyway."""
        self._hub_session.begins(request)
        try:
            response = super().send(request, **options)
        except httpx2.TransportError as error:
            if self._hub_session.failed():
                raise GaveUp(None) from error
            raise
        conflict = response.status_code == 409 and CONFLICT in response.text
        if not conflict and response.status_code not in BUSY:
            self._hub_session.worked()
            return response
        # Whoever is told when to come again would be kept waiting for as long.
        if self._hub_session.failed() or response.status_code == 429 or "Retry-After" in response.headers:
            raise GaveUp(response.status_code)
        if conflict:
            time.sleep(1)
        return response


@contextmanager
def session(silence_seconds: float) -> Iterator[Session]:
    """All that the Hub's client asks meanwhile goes through one patient client, which is closed at the end."""
    made = Session(silence_seconds)
    set_client_factory(lambda: _Client(made))
    try:
        yield made
    finally:
        close_session()


class Progress:
    """Tells the share of all bytes that were handed to the network, each byte once however often it is sent again. `tell` is never given less than
    before."""

    def __init__(self, total: int, tell: Callable[[float], None]):
        self._total, self._tell = total, tell
        self._furthest: dict[str, int] = {}
        self._told, self._begun = 0.0, False

    def begin(self) -> None:
        """What is read from now on is sent. Before, each file is read once for its sum."""
        self._begun = True

    def reached(self, file: str, place: int) -> None:
        if not self._begun or place <= self._furthest.get(file, 0):
            return
        self._furthest[file] = place
        share = min(sum(self._furthest.values()) / self._total, 1 - TURN)  # the rest is the Hub's own word that it has all
        if share >= self._told + TURN:
            self._told = share
            self._tell(share)


class CountedFile(io.BufferedReader):
    """A file that tells how far it was read. The client sends an open file piece by piece, and never by Xet."""

    def __init__(self, path: Path, progress: Progress):
        super().__init__(io.FileIO(path))
        self._progress = progress

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._progress.reached(str(self.name), self.tell())
        return data
