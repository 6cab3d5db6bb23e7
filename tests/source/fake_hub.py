"""A model hub on this machine, as far as fetching one model needs it: list, tree, and files behind a redirect, with ways to go wrong."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

CHUNK = 16_384


@dataclass
class FakeHub:
    """`files` is name to content of the one model that it has; files that end in .safetensors or .bin are large ones (LFS).

    `answer` is (status, X-Error-Code) and `page` the text for every question about the model; the first `busy` questions are answered with
    503. `pace` is bytes a second of large files. `drops` are the numbers of bytes after which the next connections for large files break.
    `claims` are sizes that the list tells instead of the true ones. `silent` takes questions and never answers. `corrupt` sends other bytes.
    `no_ranges` sends the whole file whatever is asked.
    """

    files: dict[str, bytes]
    commit: str
    answer: tuple[int, str] | None = None
    page: bytes = b"{}"
    busy: int = 0
    pace: float = 0.0
    drops: list[int] = field(default_factory=list)
    claims: dict[str, int] = field(default_factory=dict)
    silent: bool = False
    corrupt: bool = False
    no_ranges: bool = False
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, Range) of everything that was asked."""

    def __enter__(self) -> FakeHub:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._closing = threading.Event()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def store(self) -> str:
        """Where large files lie. Another host than the hub's, as in the world: the library does not follow there when it asks for headers."""
        return f"http://localhost:{self._server.server_address[1]}/cdn"

    def wait_for_end(self) -> None:
        self._closing.wait(60)

    def asked_for(self) -> set[str]:
        """Names of the files that were asked for."""
        return {path.partition("/resolve/")[2].partition("/")[2] for _, path, _ in self.requests if "/resolve/" in path}

    def ranges(self) -> list[str]:
        """The Range of each time that bytes of a large file were asked for, "" for the whole."""
        return [part for method, path, part in self.requests if method == "GET" and path.startswith("/cdn/")]

    def entries(self) -> list[dict]:
        return [self._entry(name) for name in self.files]

    def _entry(self, name: str) -> dict:
        size = self.claims.get(name, len(self.files[name]))
        large = {"lfs": {"sha256": sha256(self.files[name]), "size": size, "pointerSize": 134}} if is_large(name) else {}
        return {"rfilename": name, "size": size, "blobId": blob_id(self.files[name]), **large}

    def tree(self) -> list[dict]:
        made = []
        for entry in self.entries():
            large = {"lfs": {"oid": entry["lfs"]["sha256"], "size": entry["size"], "pointerSize": 134}} if "lfs" in entry else {}
            made.append({"type": "file", "path": entry["rfilename"], "size": entry["size"], "oid": entry["blobId"], **large})
        return made


def is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    """Runs in a thread for each connection; a client that is gone is no fault."""

    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._respond()

    def do_GET(self) -> None:
        self._respond()

    def log_message(self, *values: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def _respond(self) -> None:
        hub, path = self.hub, urlsplit(self.path).path
        hub.requests.append((self.command, path, self.headers.get("Range", "")))
        if hub.silent:
            hub.wait_for_end()
        elif path.startswith("/cdn/"):
            self._large(next(content for content in hub.files.values() if sha256(content) == path.removeprefix("/cdn/")))
        elif hub.busy:
            hub.busy -= 1
            self._send(503, b"{}")
        elif hub.answer:
            self._send(hub.answer[0], hub.page, {"X-Error-Code": hub.answer[1]})
        elif path.startswith("/api/models/") and "/revision/" in path:
            self._send(200, json.dumps({"id": "a/b", "sha": hub.commit, "siblings": hub.entries()}).encode())
        elif path.startswith("/api/models/") and "/tree/" in path:
            self._send(200, json.dumps(hub.tree()).encode())
        else:
            self._file(path.partition("/resolve/")[2].partition("/")[2])

    def _file(self, name: str) -> None:
        content = self.hub.files[name]
        common = {"X-Repo-Commit": self.hub.commit}
        if is_large(name):
            linked = {"X-Linked-Etag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content)), "Location": f"{self.hub.store}/{sha256(content)}"}
            self._send(302, b"", {**common, **linked})
        else:
            self._send(200, content, {**common, "ETag": f'"{blob_id(content)}"'})

    def _large(self, content: bytes) -> None:
        begin = 0 if self.hub.no_ranges else int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        left = content[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(left)))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if self.hub.corrupt:
            left = bytes(len(left))
        drop = self.hub.drops.pop(0) if self.hub.drops else len(left)
        for at in range(0, min(drop, len(left)), CHUNK):
            self.wfile.write(left[at : min(at + CHUNK, drop)])
            if self.hub.pace:
                time.sleep(CHUNK / self.hub.pace)
        self.close_connection = drop < len(left)

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)
