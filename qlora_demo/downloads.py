"""Downloads: tickets for one thing each: a folder as a zip archive that is made while it is sent, or a test's answers as a table."""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from qlora_demo.data.conversation import Conversation, read_rows
from qlora_demo.evaluation.earlier import completed
from qlora_demo.evaluation.exported import exported
from qlora_demo.run_dir import RunDir, read_json
from qlora_demo.systems import open_file

TICKET_SECONDS = 600.0
MOST_TICKETS = 10_000
"""Far more than ten minutes of clicks; the oldest goes first."""
PIECE = 1_000_000
LONGEST_NAME = 60
LONG = 2**31 - 1
"""Bytes from which on zip writes its longer form, with more than one way to be as long."""
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)
"""What Windows takes for devices."""


def safe_name(name: str) -> str:
    """A file's name from what a person calls something: letters, digits, spaces, dots inside; on every system a plain file's name."""
    plain = re.sub(r"[^\w .-]+", "-", name).strip(" .-_")[:LONGEST_NAME].rstrip(" .-_")
    return "model" if not plain or RESERVED.fullmatch(plain.partition(".")[0]) else plain


@dataclass(frozen=True)
class Folder:
    """What one ticket gives: the files that lie in `path`, packed under `name`. `texts` stand beside them, or in their place."""

    path: Path
    name: str
    texts: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/zip"

    def disposition(self) -> str:
        """The Content-Disposition header."""
        return _attachment(f"{safe_name(self.name)}.zip")

    def open(self) -> Archive:
        """All files, opened at once: what is deleted or renamed meanwhile still arrives whole. Links are left out. Raises OSError."""
        paths = sorted(path for path in self.path.rglob("*") if path.is_file() and not path.is_symlink())
        files: list[tuple[str, BinaryIO]] = []
        try:
            for path in paths:
                name = path.relative_to(self.path).as_posix()
                if name not in self.texts:
                    files.append((name, os.fdopen(open_file(path), "rb")))
            files += [(name, _file_of(text)) for name, text in self.texts.items()] if files else []
        except OSError:
            for _, file in files:
                file.close()
            raise
        return Archive(safe_name(self.name), files)


@dataclass(frozen=True)
class AnswersFile:
    """What one ticket gives: all rows that a run set aside with both models' answers, as "csv" or "jsonl"."""

    run: RunDir
    name: str
    form: str

    @property
    def media_type(self) -> str:
        return "text/csv; charset=utf-8" if self.form == "csv" else "application/jsonl; charset=utf-8"

    def disposition(self) -> str:
        """The Content-Disposition header."""
        return _attachment(f"{safe_name(self.name)}, answers.{self.form}")

    def open(self) -> Content:
        """Made now, so that nothing of it is kept meanwhile. Raises OSError, StorageError."""
        rows = [row for row in read_rows(self.run.held_out_jsonl) if isinstance(row, Conversation)]
        text = exported(self.form, rows, completed(read_json(self.run.report_json)))
        return Content(text.encode("utf-8", "replace"))


def _file_of(text: str) -> BinaryIO:
    """Open for reading, and gone when it is closed."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (its reader closes it)
    file.write(text.encode("utf-8", "replace"))
    file.seek(0)
    return file


Downloadable = Folder | AnswersFile


def _attachment(whole: str) -> str:
    """With the name in letters that every browser knows, and in its own (RFC 5987)."""
    plain = whole.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(whole)}"


@dataclass(frozen=True)
class Content:
    """A file that lies in memory; read as an Archive is."""

    content: bytes

    def files(self) -> int:
        return 1

    def length(self) -> int:
        return len(self.content)

    def pieces(self) -> Iterator[bytes]:
        yield self.content

    def close(self) -> None:
        """Nothing is open."""


class Archive:
    """An open folder. `pieces` reads it once and closes it."""

    def __init__(self, name: str, files: list[tuple[str, BinaryIO]]):
        self._entries = [(_entry(f"{name}/{inside}", file), file) for inside, file in files]

    def files(self) -> int:
        """How many there are."""
        return len(self._entries)

    def length(self) -> int | None:
        """Bytes of the whole archive, so that a browser can show how far it is; None where zip's longer form is needed."""
        total = 22
        for entry, _ in self._entries:
            total += 30 + 16 + 46 + 2 * len(entry.filename.encode()) + entry.file_size
        return total if total < LONG else None

    def pieces(self) -> Iterator[bytes]:
        """The archive, a piece at a time: nothing is packed smaller, as weights cannot be, and nothing is kept."""
        sink = _Sink()
        try:
            with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
                for entry, file in self._entries:
                    with archive.open(entry, "w") as target:
                        left = entry.file_size
                        while left and (piece := file.read(min(PIECE, left))):
                            left -= len(piece)
                            target.write(piece)
                            yield sink.taken()
            yield sink.taken()
        finally:
            self.close()

    def close(self) -> None:
        for _, file in self._entries:
            file.close()


def _entry(name: str, file: BinaryIO) -> zipfile.ZipInfo:
    about = os.fstat(file.fileno())
    entry = zipfile.ZipInfo(name, time.gmtime(max(about.st_mtime, 315_619_200))[:6])  # zip knows no time before 1980
    entry.file_size = about.st_size
    entry.external_attr = 0o644 << 16
    return entry


class _Sink(io.RawIOBase):
    """Where zipfile writes to. It has no places to go back to, so that each piece can leave at once."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        whole, self._parts = b"".join(self._parts), []
        return whole


class Tickets:
    """Who may download what, for some minutes: the ticket in a link says it, and nothing else does.

    Kept in memory, and as hashes: a ticket lives shorter than a server does, and none is of use to whoever reads this process or its files later.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock, self._lock = clock, threading.Lock()
        self._known: dict[bytes, tuple[float, Downloadable]] = {}

    def mint(self, what: Downloadable) -> str:
        """128 random bits, as text that a link can hold."""
        ticket = secrets.token_urlsafe(16)
        with self._lock:
            now = self._clock()
            living = [item for item in self._known.items() if item[1][0] > now]
            self._known = dict(living[-MOST_TICKETS + 1 :])
            self._known[_hashed(ticket)] = (now + TICKET_SECONDS, what)
        return ticket

    def what(self, ticket: str) -> Downloadable | None:
        """What a ticket is for; None for one that was never given, or has run out. It may be used more than once, as browsers ask twice."""
        with self._lock:
            until, what = self._known.get(_hashed(ticket), (0.0, None))
        return what if until > self._clock() else None


def _hashed(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode()).digest()
