"""A repository's files from the model hub into its cache on this disk, so that a broken download goes on where it ended.

The hub's own library begins a broken file anew: it writes each download under a new name and removes what came when it fails. Here the bytes go
to `blobs/ETAG.incomplete`, a next call asks for the rest (HTTP Range), and a whole file is checked against the hub's sum before it gets its
name. The library then finds it as its own, and links it where every tool looks for it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx2
from filelock import FileLock, Timeout
from huggingface_hub import HfApi, constants, get_session, hf_hub_download, hf_hub_url, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import build_hf_headers, filter_repo_objects, hf_raise_for_status

from qlora_demo.catalogue import GB, BaseModel
from qlora_demo.errors import ModelError

Result = TypeVar("Result")
Watch = Callable[[int, int], bool]
"""Called about every half second with (bytes that are here, bytes in all), in all 0 while unknown; returns True when the fetching should end."""
LOOK_SECONDS = 0.5
PAUSES = (1, 2, 4)
"""Seconds between the tries after a broken connection; a new byte begins them anew."""
PASSING = (408, 500, 502, 503, 504)
"""Answers of the hub that a later try may not get."""
SPARE_BYTES = GB
"""Of the disk, left free beside the download."""


class Cancelled(Exception):
    """`watch` said that the fetching should end. What came is kept."""


def unwatched(done: int, total: int) -> bool:
    """The watch of whoever waits to the end."""
    return False


@dataclass(frozen=True)
class HubFile:
    """One file of a repository. `etag` names it in the cache: its sha256 where it is large (LFS), else its git blob sha1."""

    name: str
    size: int
    etag: str


class Fetch:
    """One repository at one revision, fetched in a thread of its own: a read that waits for the hub cannot be ended from outside."""

    def __init__(self, model: BaseModel, patterns: Sequence[str]):
        self._model, self._patterns = model, patterns
        self._cache = Path(constants.HF_HUB_CACHE)
        self._folder = repo_folder_name(repo_id=model.id, repo_type="model")
        self._here: dict[str, int] = {}
        self._total = 0
        self._ended = threading.Event()

    def done(self) -> int:
        """Bytes that are on this disk, of the files that are wanted."""
        return sum(self._here.values())

    def total(self) -> int:
        """Bytes of all files that are wanted; 0 until the hub has told."""
        return self._total

    def run(self, watch: Watch) -> Path:
        """The folder with the files. Raises Cancelled, ModelError, OSError, httpx2.HTTPError and what huggingface_hub raises."""
        outcome: Future[Path] = Future()
        threading.Thread(target=self._thread, args=(outcome,), daemon=True).start()
        while not outcome.done():
            wait([outcome], LOOK_SECONDS)
            if watch(self.done(), self.total()) and not outcome.done():
                self._ended.set()
                wait([outcome], LOOK_SECONDS)  # it lets go of its file at the next bytes
                raise Cancelled
        return outcome.result()

    def _thread(self, outcome: Future[Path]) -> None:
        try:
            outcome.set_result(self._work())
        except BaseException as error:  # the thread's outermost edge: whoever waits raises it
            outcome.set_exception(error)

    def _work(self) -> Path:
        files = self._patiently(self._list)
        self._here = {file.name: self._size_here(file) for file in files}
        self._total = sum(file.size for file in files)
        self._make_sure_of_room()
        for file in files:
            if not self._placed(file):
                self._place(file)
        return Path(snapshot_download(self._model.id, revision=self._model.revision, allow_patterns=list(self._patterns)))

    def _list(self) -> list[HubFile]:
        seconds = constants.HF_HUB_DOWNLOAD_TIMEOUT
        info = HfApi().model_info(self._model.id, revision=self._model.revision, files_metadata=True, timeout=seconds)
        wanted = filter_repo_objects(info.siblings or [], allow_patterns=list(self._patterns), key=lambda file: file.rfilename)
        return [HubFile(f.rfilename, f.lfs.size if f.lfs else f.size or 0, f.lfs.sha256 if f.lfs else f.blob_id or "") for f in wanted]

    def _placed(self, file: HubFile) -> bool:
        return isinstance(try_to_load_from_cache(self._model.id, file.name, revision=self._model.revision), str)

    def _blob(self, file: HubFile) -> Path:
        return self._cache / self._folder / "blobs" / file.etag

    def _size_here(self, file: HubFile) -> int:
        blob = self._blob(file)
        return file.size if self._placed(file) or blob.exists() else _size(_incomplete(blob))

    def _make_sure_of_room(self) -> None:
        needed = self._total - self.done() + SPARE_BYTES
        place = next(folder for folder in (self._cache, *self._cache.parents) if folder.exists())
        free = shutil.disk_usage(place).free
        if self.done() < self._total and free < needed:
            raise ModelError(
                f"{self._model.name} needs {needed / GB:.1f} GB of disk for its download; {free / GB:.1f} GB are free in {self._cache}. "
                "Free some, or set HF_HOME to another disk."
            )

    def _place(self, file: HubFile) -> None:
        blob = self._blob(file)
        blob.parent.mkdir(parents=True, exist_ok=True)
        # The library's own lock for this blob: one process fetches, others find it done.
        with held(self._cache / ".locks" / self._folder / f"{file.etag}.lock", self._ended.is_set):
            if not blob.exists():
                self._patiently(lambda: self._receive(file))
                self._check(file)
                _incomplete(blob).replace(blob)
        linked = Path(hf_hub_download(self._model.id, file.name, revision=self._model.revision))
        if not linked.is_symlink():
            blob.unlink(missing_ok=True)  # a system without links: it was copied, and one copy is enough
        self._here[file.name] = file.size

    def _receive(self, file: HubFile) -> None:
        """Appends what is missing. Raises httpx2.TransportError where the connection broke, Cancelled."""
        part = _incomplete(self._blob(file))
        self._here[file.name] = begin = _size(part)
        if begin == file.size:
            return
        url = hf_hub_url(self._model.id, file.name, revision=self._model.revision)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity", **({"Range": f"bytes={begin}-"} if begin else {})}
        with get_session().stream("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT) as response:
            hf_raise_for_status(response)
            with part.open("ab" if response.status_code == 206 else "wb") as out:
                self._here[file.name] = out.tell()
                for chunk in response.iter_bytes():
                    out.write(chunk)
                    self._here[file.name] += len(chunk)
                    if self._ended.is_set():
                        raise Cancelled
                out.flush()
                os.fsync(out.fileno())
        if self._here[file.name] < file.size:
            raise httpx2.RemoteProtocolError(f"{file.name} ended after {self._here[file.name]} of {file.size} bytes")

    def _check(self, file: HubFile) -> None:
        part = _incomplete(self._blob(file))
        if _sum(part, file) != file.etag:
            part.unlink()
            raise ModelError(f"A file of {self._model.name} arrived damaged ({file.name}). Try again; it is fetched anew.")

    def _patiently(self, work: Callable[[], Result]) -> Result:
        """`work`, again after a pause where the connection broke, until no try of PAUSES brought a new byte."""
        failures = 0
        while True:
            before = self.done()
            try:
                return work()
            except (httpx2.TransportError, HfHubHTTPError) as error:
                failures = failures if self.done() <= before else 0
                unreached = not self._total and isinstance(error, httpx2.ConnectError)  # most likely there is no internet: told at once
                if unreached or failures == len(PAUSES) or not _passing(error):
                    raise
                if self._ended.wait(PAUSES[failures]):
                    raise Cancelled from error
                failures += 1


def _passing(error: httpx2.HTTPError) -> bool:
    """Whether a next try may go better: the connection broke, or the hub is busy."""
    return not isinstance(error, HfHubHTTPError) or error.response.status_code in PASSING


@contextmanager
def held(lock_file: Path, given_up: Callable[[], bool]) -> Iterator[None]:
    """Holds a lock that another process may hold for long. Raises Cancelled where `given_up` says so meanwhile."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_file)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=LOOK_SECONDS)
        except Timeout as error:
            if given_up():
                raise Cancelled from error
    try:
        yield
    finally:
        lock.release()


def _incomplete(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.incomplete")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sum(path: Path, file: HubFile) -> str:
    """As the hub names it: sha256, or git's sha1 of header and content."""
    if len(file.etag) == 64:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    return hashlib.sha1(b"blob %d\0" % file.size + path.read_bytes(), usedforsecurity=False).hexdigest()
