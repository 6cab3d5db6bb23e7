"""A data set of the Hugging Face Hub: which parts it has, and the first file of one of them. No code of it is ever run.

The Hub keeps a copy of most public data sets as Parquet files. `GET /api/datasets/NAME/parquet` lists it as {subset: {split: [address]}}; each
address leads by redirects to a file server. Where there is no such copy, the plain files of the data set itself are offered.

Nothing here sends a token. To be called in a child with `pipes.child_environ`: elsewhere the hub's library may ask the Hub for things of its own.
"""

from __future__ import annotations

import errno
import json
import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
from huggingface_hub import constants, get_session
from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers, fix_hf_endpoint_in_url, validate_repo_id

from qlora_demo.errors import DataError, StorageError
from qlora_demo.source.fetch import LOOK_SECONDS, PASSING, PAUSES, Cancelled, Watch, unwatched

Result = TypeVar("Result")
SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt", ".xlsx")
NOT_DATA = frozenset(
    ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "requirements.txt", "license.txt", "readme.txt")
)
"""Files that many data sets have beside their data."""
PLAIN = "files"
"""The `config` of splits that are single files of the data set itself."""
LISTING_BYTES = 20_000_000
TREE_PAGES = 10
"""Of up to a thousand files each; what follows is not offered."""
NO_INTERNET = "No internet here, so the Hub cannot be reached. Upload a file instead."
NO_NAME = 'That is no data set of the Hub. Write its name like "owner/name", or paste its address from huggingface.co/datasets.'
SLOW = "The Hub did not answer in time. Try again later, or upload a file instead."
BROKEN = "The connection to the Hub was lost. Try again, or upload a file instead."
NO_HUB = "What answered is not the Hub, or not as this app knows it. A network may ask for a login first. Upload a file instead."
_WEB = re.compile(r"^(https?://)?(www\.)?(huggingface\.co|hf\.co)/+", re.IGNORECASE)
_PAGES = frozenset(("viewer", "tree", "blob", "raw", "resolve", "discussions", "commits", "commit", "settings", "embed", "sql-console"))
"""What follows a data set's name in addresses, and so is no name where the data set has no owner."""


@dataclass(frozen=True)
class Split:
    """One part of a data set. `config` (the subset) and `name` are as the Hub tells them: anybody's text, for showing only. `files` are addresses."""

    config: str
    name: str
    files: tuple[str, ...]

    def suffix(self) -> str:
        """ ".csv" and so on: of the file that `fetch_split` takes."""
        found = PurePosixPath(self.files[0]).suffix.lower()
        return found if found in SUFFIXES else ".parquet"


class _Refused(Exception):
    """The Hub answered with anything but 200. `code` is its X-Error-Code, "" for none."""

    def __init__(self, status: int, code: str):
        super().__init__(f"{status} {code}")
        self.status, self.code = status, code

    def sentence(self, repo: str) -> str:
        if self.code == "GatedRepo" or self.status == 403:
            return f"The owner of {repo} asks everyone to agree to terms on the Hub first. Download its file there and upload it here."
        if self.code == "EntryNotFound":
            return f"This file of {repo} is no longer on the Hub. Look the data set up again."
        if self.status in (401, 404):  # without a token the Hub answers 401 for what is private and for what is not there at all
            return f"There is no public data set {repo} on the Hub. Check the spelling; private ones cannot be read here."
        if self.status == 429:
            return "The Hub has too many requests from here now. Try again in a few minutes."
        return f"The Hub answered with an error ({self.status}). Try again later, or upload a file instead."


def parse_repo(text: str) -> str:
    """ "owner/name" or "name" out of what a person typed or pasted: that, "datasets/owner/name", or an address. Raises DataError."""
    path = re.split(r"[?#]", text.strip())[0]
    inside = _WEB.sub("", path.removeprefix(f"{constants.ENDPOINT}/"))
    parts = [part for part in inside.split("/") if part]
    if parts[:1] == ["datasets"]:
        parts = parts[1:2] if parts[2:3] and parts[2] in _PAGES else parts[1:3]
    elif inside != path:  # the address of a model or a person
        raise DataError(NO_NAME)
    repo = "/".join(parts)
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise DataError(NO_NAME) from error
    return repo


def splits(repo: str) -> tuple[Split, ...]:
    """All parts of `repo` (a name as `parse_repo` gives it), at least one. Raises DataError."""
    with _told(repo):
        return _parquet_copy(repo) or _plain_files(repo)


def fetch_split(repo: str, split: Split, folder: Path, max_bytes: int, watch: Watch = unwatched) -> Path:
    """Fetches the first file of `split` to `folder`/data.SUFFIX, of up to `max_bytes` bytes.

    `watch` is called as bytes come, at most every half second. Raises Cancelled where it returns True, DataError, StorageError; no part is left.
    """
    whole = folder / f"data{split.suffix()}"
    part = whole.with_name(f"{whole.name}.incomplete")
    try:
        with _told(repo):
            url = _of_this_hub(repo, split.files[0])
            _patiently(lambda: _receive(url, part, max_bytes, watch))
        return part.replace(whole)
    except OSError as error:
        raise StorageError(_disk(folder, error)) from error
    finally:
        part.unlink(missing_ok=True)


def _parquet_copy(repo: str) -> tuple[Split, ...]:
    """Empty where the Hub keeps no copy, or cannot tell of one now."""
    try:
        listing, _ = _patiently(lambda: _read_json(f"{constants.ENDPOINT}/api/datasets/{repo}/parquet"))
    except _Refused as refused:
        if refused.status in (401, 403, 429):
            raise
        return ()
    made = []
    for config, parts in _expect(dict, listing).items():
        for name, urls in _expect(dict, parts).items():
            files = tuple(_of_this_hub(repo, _text(url)) for url in _expect(list, urls))
            made.append(Split(_text(config), _text(name), files))
    return tuple(split for split in made if split.files)


def _plain_files(repo: str) -> tuple[Split, ...]:
    paths = _tree(repo)
    data = [path for path in paths if _is_data(PurePosixPath(path))]
    if not data and any(path.endswith(".py") for path in paths):
        raise DataError(
            f"{repo} has no files with data, only a program that fetches them. This app runs no programs from the Hub. Choose another data set."
        )
    if not data:
        raise DataError(f"{repo} has no file that can be read here ({', '.join(s[1:] for s in SUFFIXES)}). Choose another data set.")
    return tuple(Split(PLAIN, path, (f"{constants.ENDPOINT}/datasets/{repo}/resolve/main/{quote(path)}",)) for path in data)


def _tree(repo: str) -> list[str]:
    """The paths of all files of the data set, the first of its thousands."""
    url, paths = f"{constants.ENDPOINT}/api/datasets/{repo}/tree/main?recursive=true", []
    for _ in range(TREE_PAGES):
        entries, following = _patiently(lambda page=url: _read_json(page))
        for entry in _expect(list, entries):
            if _expect(dict, entry).get("type") == "file":
                paths.append(_text(entry.get("path")))
        if not following:
            break
        url = _of_this_hub(repo, following)
    return paths


def _is_data(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in SUFFIXES and path.name.lower() not in NOT_DATA and not hidden


def _of_this_hub(repo: str, url: str) -> str:
    """`url` where it lies on the hub that was asked; a mirror may name the original hub in its place. Raises DataError for any other host."""
    here = fix_hf_endpoint_in_url(url, constants.ENDPOINT)
    if not here.startswith(f"{constants.ENDPOINT}/"):
        raise DataError(f"The Hub's list of files of {repo} leads to another server, so nothing was fetched. Choose another data set.")
    return here


def _read_json(url: str) -> tuple[Any, str]:
    """The document at `url`, and the address of the list's next page, "" for none."""
    content = bytearray()
    with _answer(url) as response:
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > LISTING_BYTES:
                raise DataError(NO_HUB)
        following = response.links.get("next", {}).get("url", "")
    try:
        return json.loads(content), following
    except (ValueError, RecursionError) as error:
        raise DataError(NO_HUB) from error


def _expect(kind: type[Result], value: Any) -> Result:
    if not isinstance(value, kind):
        raise DataError(NO_HUB)
    return value


def _text(value: Any) -> str:
    """Without halves of characters, which no page and no address can hold."""
    return _expect(str, value).encode("utf-8", "replace").decode()


def _receive(url: str, part: Path, max_bytes: int, watch: Watch) -> None:
    """Writes `part` anew. While the Hub says nothing, `watch` waits too: up to the session's timeout.

    Raises Cancelled, DataError, _Refused, OSError and what the session raises.
    """
    with _answer(url) as response, part.open("wb") as out:
        total = int(response.headers.get("Content-Length", 0))
        if total > max_bytes:
            raise DataError(_too_big(_size(total), max_bytes))
        done, next_look = 0, 0.0
        for chunk in response.iter_bytes():
            done += len(chunk)
            if done > max_bytes:
                raise DataError(_too_big(f"more than {_size(max_bytes)}", max_bytes))
            out.write(chunk)
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + LOOK_SECONDS
                if watch(done, total):
                    raise Cancelled


@contextmanager
def _answer(url: str) -> Iterator[httpx2.Response]:
    """The open answer to a GET, behind redirects. The session takes an authorization off where one leads to another host."""
    headers = {**build_hf_headers(token=False), "Accept-Encoding": "identity"}
    seconds = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with get_session().stream("GET", url, headers=headers, timeout=seconds, follow_redirects=True) as response:
        if response.status_code != 200:
            raise _Refused(response.status_code, response.headers.get("X-Error-Code", ""))
        yield response


def _patiently(work: Callable[[], Result]) -> Result:
    """`work`, again after each of PAUSES where the connection broke or the Hub is busy. A Hub that says nothing is waited for once."""
    for pause in PAUSES:
        try:
            return work()
        except (httpx2.NetworkError, httpx2.RemoteProtocolError, _Refused) as error:
            if isinstance(error, httpx2.ConnectError) or (isinstance(error, _Refused) and error.status not in PASSING):
                raise
        time.sleep(pause)
    return work()


@contextmanager
def _told(repo: str) -> Iterator[None]:
    """Whatever goes wrong on the network, as a sentence."""
    try:
        yield
    except _Refused as refused:
        raise DataError(refused.sentence(repo)) from refused
    except (OfflineModeIsEnabled, httpx2.ConnectError, httpx2.ProxyError) as error:
        raise DataError(NO_INTERNET) from error
    except httpx2.TimeoutException as error:
        raise DataError(SLOW) from error
    except httpx2.InvalidURL as error:
        raise DataError(NO_HUB) from error
    except httpx2.HTTPError as error:
        raise DataError(BROKEN) from error


def _too_big(found: str, max_bytes: int) -> str:
    return f"The first file of this split has {found}; up to {_size(max_bytes)} are read. Choose a smaller split."


def _size(size: int) -> str:
    """ "3.1 GB", "12 MB": rounded up, so that what is too big never reads like what is allowed."""
    unit, name = (1e9, "GB") if size > 999e6 else (1e6, "MB")
    return f"{math.ceil(10 * size / unit) / 10:,.1f}".removesuffix(".0") + f" {name}"


def _disk(folder: Path, error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk is full: the data set has no room in {folder}. Free some space and try again."
    return f"The data set could not be saved in {folder} ({error.strerror or error}). Check that disk."
