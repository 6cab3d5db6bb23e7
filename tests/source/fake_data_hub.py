"""A hub with one data set on this machine: its list of Parquet files, its own files, and a file server behind redirects; with ways to go wrong."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

REPO = "somebody/questions"
HUB = "https://huggingface.co"
CHUNK = 16_384


@dataclass(frozen=True)
class Request:
    path: str
    host: str
    authorization: str | None


@dataclass
class FakeDataHub:
    """`copy` is the list of the Parquet copy, None for none; `store` the content of its files by their number in the address; `files` the data
    set's own files. Addresses name the original hub, as a mirror's do.

    `answers` are (status, X-Error-Code) by the beginning of the path. The first `busy` questions get a 503. `documents` are bodies by path.
    `claim` is a Content-Length to tell instead of the true one, `unclaimed` tells none. `drops` are the numbers of bytes after which the next
    files break off. `silent` takes questions and never answers. `pace` is bytes a second of files. `page_size` is of the list of files.
    `location` is where all addresses of the Parquet copy lead.
    """

    copy: Any = None
    store: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)
    busy: int = 0
    claim: int = 0
    unclaimed: bool = False
    drops: list[int] = field(default_factory=list)
    silent: bool = False
    pace: float = 0.0
    location: str | None = None
    page_size: int = 1000
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> FakeDataHub:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._closing = threading.Event()
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self) -> list[str]:
        return [request.path for request in self.requests]

    def wait_for_end(self) -> None:
        self._closing.wait(60)


def parquet_url(config: str, split: str, number: int = 0) -> str:
    return f"{HUB}/api/datasets/{REPO}/parquet/{config}/{split}/{number}.parquet"


class _Handler(BaseHTTPRequestHandler):
    """Runs in a thread for each connection; a client that is gone is no fault."""

    hub: FakeDataHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *values: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        hub, path = self.hub, urlsplit(self.path).path
        hub.requests.append(Request(self.path, self.headers["Host"], self.headers.get("Authorization")))
        refusal = next((answer for start, answer in hub.answers.items() if path.startswith(start)), None)
        if hub.silent:
            hub.wait_for_end()
        elif hub.busy:
            hub.busy -= 1
            self._send(503, b"")
        elif refusal:
            self._send(refusal[0], b"<html>no</html>", {"X-Error-Code": refusal[1]})
        elif path in hub.documents:
            self._send(200, hub.documents[path])
        else:
            self._data_set(path)

    def _data_set(self, path: str) -> None:
        known: dict[str, Callable[[str], None]] = {
            f"/api/datasets/{REPO}/parquet/": self._to_branch,
            f"/api/datasets/{REPO}/parquet": self._copy,
            f"/api/datasets/{REPO}/tree/main": self._tree,
            f"/datasets/{REPO}/resolve/refs/convert/parquet/": self._to_store,
            f"/datasets/{REPO}/resolve/main/": lambda rest: self._content(self.hub.files[unquote(rest)]),
            "/store/": lambda rest: self._content(self.hub.store[rest]),
        }
        start = next((start for start in known if path.startswith(start)), None)
        if start:
            known[start](path.removeprefix(start))
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _copy(self, rest: str) -> None:
        if self.hub.copy is None:
            self._send(404, b'{"error": "no copy"}')
        else:
            self._send(200, json.dumps(self.hub.copy).encode())

    def _to_branch(self, rest: str) -> None:
        branch = f"/datasets/{REPO}/resolve/refs/convert/parquet/{rest}"
        self._send(302, b"", {"Location": branch if self.hub.location is None else self.hub.location})

    def _to_store(self, rest: str) -> None:
        """Another host than the hub's, as in the world."""
        self._send(302, b"", {"Location": f"http://localhost:{self.hub.port}/store/{rest.rpartition('/')[2]}"})

    def _tree(self, rest: str) -> None:
        page = int(urlsplit(self.path).query.partition("page=")[2] or 0)
        begin, size = page * self.hub.page_size, self.hub.page_size
        entries = [{"type": "directory", "path": "data"}, *({"type": "file", "path": name, "size": 1} for name in self.hub.files)]
        following = f'<{HUB}/api/datasets/{REPO}/tree/main?recursive=true&page={page + 1}>; rel="next"'
        self._send(200, json.dumps(entries[begin : begin + size]).encode(), {"Link": following} if begin + size < len(entries) else {})

    def _content(self, content: bytes) -> None:
        self.send_response(200)
        if self.hub.unclaimed:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(self.hub.claim or len(content)))
        self.end_headers()
        drop = self.hub.drops.pop(0) if self.hub.drops else len(content)
        for at in range(0, min(drop, len(content)), CHUNK):
            piece = content[at : min(at + CHUNK, drop)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if self.hub.unclaimed else piece)
            if self.hub.pace:
                time.sleep(CHUNK / self.hub.pace)
        if self.hub.unclaimed and drop == len(content):
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = drop < len(content) or bool(self.hub.claim)

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
