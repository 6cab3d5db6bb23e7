"""A Hub on this machine that takes models: it keeps repositories with their files, checks every request of the real client, and can fail at any step.

What it does not know is answered with 404 and noted in `problems`, and so is whatever is not as the Hub's documents say. Its storage has another
name of host than the Hub, as in the world.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TOKEN = "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"
ME = "ann"
ORGANISATION = "choir"
MULTIPART_BYTES = 1_000_000
"""Larger files go in parts of this size."""
LARGE = (".safetensors", ".gguf", ".model")
AGENT = re.compile(r"qlora-demo/[\d.]+; hf_hub/[\d.]+; python/[\d.]+")
JSON, NDJSON, LFS = "application/json", "application/x-ndjson", "application/vnd.git-lfs+json"
PIECE = 65_536


@dataclass
class Fault:
    """What goes wrong at one step, the first `times` times. `status` and `body` are answered in the place of doing it.

    `after` bytes of what is sent are read first: then the connection is cut, or is `silent` from then on. `late` does all of it, and cuts before the
    answer.
    """

    status: int = 0
    code: str = ""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    after: int | None = None
    silent: bool = False
    late: bool = False
    times: int = 1000


@dataclass(frozen=True)
class Request:
    step: str
    method: str
    path: str


@dataclass
class Repo:
    """`commits` are their ids, the first is the Hub's own. `files` are the sha256 of each by its name."""

    private: bool
    commits: list[str]
    files: dict[str, str] = field(default_factory=lambda: {".gitattributes": ""})

    def added(self) -> dict[str, str]:
        return {name: content for name, content in self.files.items() if name != ".gitattributes"}


class FakeModelHub:
    """`during` is called with each step's name before it is answered."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self.closing = threading.Event()
        self.reset()

    def reset(self) -> None:
        self.faults: dict[str, Fault] = {}
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, int] = {}
        self.requests: list[Request] = []
        self.problems: list[str] = []
        self.role = "write"
        self.made = 0
        self.during: Callable[[str], None] = lambda step: None
        self.promised: dict[str, int] = {}
        self.parts: dict[str, list[bytes]] = {}

    def __enter__(self) -> FakeModelHub:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *ended: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def storage(self) -> str:
        return f"http://localhost:{self.port}/storage"

    def add_repo(self, name: str, private: bool = True, **files: str) -> Repo:
        repo = Repo(private, [self.new_commit()])
        repo.files |= files
        self.repos[name] = repo
        return repo

    def new_commit(self) -> str:
        self.made += 1
        return f"{self.made:040x}"

    def steps(self) -> list[str]:
        return [request.step for request in self.requests]

    def fault(self, step: str) -> Fault | None:
        found = self.faults.get(step)
        if found is None or not found.times:
            return None
        found.times -= 1
        return found

    def check(self, right: bool, what: str) -> None:
        if not right:
            self.problems.append(what)


class _Cut(Exception):
    """The connection ends here."""


Answer = tuple[int, Any, dict[str, str]]
_ROUTES = (
    ("whoami", "GET", r"/api/whoami-v2"),
    ("create", "POST", r"/api/repos/create"),
    ("delete", "DELETE", r"/api/repos/delete"),
    ("yaml", "POST", r"/api/validate-yaml"),
    ("info", "GET", r"/api/models/([\w.-]+/[\w.-]+)"),
    ("preupload", "POST", r"/api/models/([\w.-]+/[\w.-]+)/preupload/main"),
    ("commit", "POST", r"/api/models/([\w.-]+/[\w.-]+)/commit/main"),
    ("batch", "POST", r"/([\w.-]+/[\w.-]+)\.git/info/lfs/objects/batch"),
    ("verify", "POST", r"/lfs/verify"),
    ("complete", "POST", r"/lfs/complete/([0-9a-f]{64})"),
    ("put", "PUT", r"/storage/([0-9a-f]{64})"),
    ("part", "PUT", r"/storage/([0-9a-f]{64})/(\d+)"),
)
_SENDS = {"create": JSON, "delete": JSON, "yaml": JSON, "preupload": JSON, "commit": NDJSON, "batch": LFS, "verify": JSON, "complete": LFS}
_WITHOUT_TOKEN = ("put", "part", "complete")
"""What is asked at a signed address."""


class _Handler(BaseHTTPRequestHandler):
    """Runs in a thread for each connection; a client that is gone is no fault."""

    hub: FakeModelHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *values: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(ConnectionError, _Cut):
            super().handle()

    def do_GET(self) -> None:
        self._any()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_GET

    def _any(self) -> None:
        url = urlsplit(self.path)
        found = [(step, match) for step, method, route in _ROUTES if method == self.command and (match := re.fullmatch(route, url.path))]
        step, match = found[0] if found else ("unknown", None)
        self.hub.requests.append(Request(step, self.command, self.path))
        if match is None or url.query not in ("", "signature=once"):
            self.hub.problems.append(f"unexpected {self.command} {self.path}")
            self._answer(404, {"error": "not found"}, {})
            return
        self._check_headers(step)
        self.hub.during(step)
        fault = self.hub.fault(step)
        if fault and (fault.after is not None or fault.silent):
            self._read(min(fault.after or 0, self._length()))
            self._end(fault.silent)
        if fault and not fault.late:
            self._drain()
            told = {"error": fault.message or "no"} if fault.body is None else fault.body
            self._answer(fault.status, told, {"X-Error-Code": fault.code, "X-Error-Message": fault.message, **fault.headers})
            return
        status, told, headers = self._do(step, match)
        if fault:
            self._end(False)
        self._answer(status, told, headers)

    def _do(self, step: str, match: re.Match[str]) -> Answer:
        steps: dict[str, Callable[..., Answer]] = {"put": self._put, "part": self._part}
        if step in steps:
            return steps[step](*match.groups())
        return getattr(self, f"_{step}")(self._read(self._length()), *match.groups())

    def _check_headers(self, step: str) -> None:
        hub, headers = self.hub, self.headers
        storage = step in ("put", "part")
        asked = headers.get("Authorization")
        hub.check(asked == (None if step in _WITHOUT_TOKEN else f"Bearer {TOKEN}"), f"{step}: authorization {asked}")
        hub.check(headers["Host"] == f"{'localhost' if storage else '127.0.0.1'}:{hub.port}", f"{step}: host {headers['Host']}")
        hub.check(headers.get("Content-Type") == _SENDS.get(step), f"{step}: content type {headers.get('Content-Type')}")
        hub.check("Transfer-Encoding" not in headers, f"{step}: no length")  # the Hub's storage takes none without
        hub.check("Cookie" not in headers, f"{step}: cookie")
        if step not in _WITHOUT_TOKEN:
            hub.check(bool(AGENT.fullmatch(headers.get("User-Agent", ""))), f"{step}: user agent {headers.get('User-Agent')}")

    def _length(self) -> int:
        return int(self.headers.get("Content-Length", 0))

    def _read(self, size: int) -> bytes:
        return self.rfile.read(size)

    def _drain(self) -> None:
        left = self._length()
        while left > 0 and (piece := self.rfile.read(min(PIECE, left))):
            left -= len(piece)

    def _end(self, silent: bool) -> None:
        if silent:
            self.hub.closing.wait(60)
        self.connection.shutdown(socket.SHUT_RDWR)
        raise _Cut

    def _answer(self, status: int, told: Any, headers: dict[str, str]) -> None:
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in {"Content-Type": "text/html" if isinstance(told, bytes) else JSON, **headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _whoami(self, sent: bytes) -> Answer:
        access = {"displayName": "mine", "role": self.hub.role}
        organisations = [{"type": "org", "name": ORGANISATION, "roleInOrg": "read"}]
        return 200, {"type": "user", "id": "1", "name": ME, "orgs": organisations, "auth": {"type": "access_token", "accessToken": access}}, {}

    def _create(self, sent: bytes) -> Answer:
        asked = json.loads(sent)
        self.hub.check(set(asked) == {"name", "organization", "visibility"}, f"create: {asked}")
        name = f"{asked['organization'] or ME}/{asked['name']}"
        if asked["organization"] not in (None, ME):
            return 403, {"error": "forbidden"}, {}
        if name in self.hub.repos:
            return 409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"}, {}
        self.hub.add_repo(name, asked["visibility"] == "private")
        return 200, {"url": f"{self.hub.url}/{name}", "name": name, "id": "1"}, {}

    def _delete(self, sent: bytes) -> Answer:
        asked = json.loads(sent)
        self.hub.check(set(asked) == {"name", "organization"}, f"delete: {asked}")
        if self.hub.repos.pop(f"{asked['organization']}/{asked['name']}", None) is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        return 200, {}, {}

    def _info(self, sent: bytes, name: str) -> Answer:
        repo = self.hub.repos.get(name)
        if repo is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        siblings = [{"rfilename": file} for file in repo.files]
        return 200, {"id": name, "private": repo.private, "sha": repo.commits[-1], "siblings": siblings, "tags": [], "downloads": 0}, {}

    def _yaml(self, sent: bytes) -> Answer:
        asked = json.loads(sent)
        self.hub.check(set(asked) == {"content", "repoType"} and asked["repoType"] == "model", "yaml: not as known")
        return 200, {"errors": [], "warnings": [{"message": "empty metadata"}]}, {}

    def _preupload(self, sent: bytes, name: str) -> Answer:
        files = json.loads(sent)["files"]
        told = []
        for file in files:
            self.hub.check(set(file) == {"path", "sample", "size"} and len(base64.b64decode(file["sample"])) <= 512, f"preupload: {file['path']}")
            large = file["path"].endswith(LARGE)
            told.append({"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": None})
        return 200, {"files": told}, {}

    def _batch(self, sent: bytes, name: str) -> Answer:
        asked = json.loads(sent)
        self.hub.check(asked["operation"] == "upload" and asked["transfers"] == ["basic", "multipart"] and asked["hash_algo"] == "sha256", "batch")
        self.hub.check(asked.get("ref") == {"name": "main"}, f"batch: {asked.get('ref')}")
        return 200, {"transfer": "basic", "objects": [self._object(one["oid"], one["size"]) for one in asked["objects"]]}, {"Content-Type": LFS}

    def _object(self, oid: str, size: int) -> dict[str, Any]:
        if oid in self.hub.objects:
            return {"oid": oid, "size": size}
        self.hub.promised[oid] = size
        upload: dict[str, Any] = {"href": f"{self.hub.storage}/{oid}?signature=once"}
        if size > MULTIPART_BYTES:
            count = -(-size // MULTIPART_BYTES)
            parts = {f"{number:05d}": f"{self.hub.storage}/{oid}/{number}?signature=once" for number in range(1, count + 1)}
            upload = {"href": f"{self.hub.url}/lfs/complete/{oid}?signature=once", "header": {"chunk_size": str(MULTIPART_BYTES), **parts}}
            self.hub.parts[oid] = [b""] * count
        return {"oid": oid, "size": size, "authenticated": True, "actions": {"upload": upload, "verify": {"href": f"{self.hub.url}/lfs/verify"}}}

    def _taken(self) -> tuple[bytes, int, bytes]:
        """(sha256, bytes, md5) of what is sent."""
        sha, md5, left = hashlib.sha256(), hashlib.md5(usedforsecurity=False), self._length()
        while left > 0:
            piece = self.rfile.read(min(PIECE, left))
            if not piece:
                raise _Cut
            sha.update(piece)
            md5.update(piece)
            left -= len(piece)
        return sha.digest(), self._length(), md5.digest()

    def _put(self, oid: str) -> Answer:
        sha, size, _ = self._taken()
        self.hub.check(sha.hex() == oid and size == self.hub.promised.get(oid), f"put: {size} bytes")
        self.hub.objects[oid] = size
        return 200, b"", {}

    def _part(self, oid: str, number: str) -> Answer:
        content = self._read(self._length())
        if len(content) < self._length():
            raise _Cut
        self.hub.parts[oid][int(number) - 1] = content
        return 200, b"", {"ETag": hashlib.md5(content, usedforsecurity=False).hexdigest()}

    def _complete(self, sent: bytes, oid: str) -> Answer:
        parts = self.hub.parts[oid]
        wanted = [{"partNumber": i, "etag": hashlib.md5(part, usedforsecurity=False).hexdigest()} for i, part in enumerate(parts, 1)]
        whole = b"".join(parts)
        self.hub.check(json.loads(sent) == {"oid": oid, "parts": wanted}, "complete: other parts than were sent")
        self.hub.check(hashlib.sha256(whole).hexdigest() == oid and len(whole) == self.hub.promised[oid], "complete: another file")
        self.hub.objects[oid] = len(whole)
        return 200, {}, {}

    def _verify(self, sent: bytes) -> Answer:
        asked = json.loads(sent)
        self.hub.check(self.hub.objects.get(asked["oid"]) == asked["size"], "verify: what was not sent")
        return 200, {}, {}

    def _commit(self, sent: bytes, name: str) -> Answer:
        lines = [json.loads(line) for line in sent.splitlines()]
        repo, header = self.hub.repos.get(name), lines[0]
        self.hub.check(header["key"] == "header" and set(header["value"]) == {"summary", "description", "parentCommit"}, f"commit: {header}")
        if repo is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        if header["value"]["parentCommit"] != repo.commits[-1]:
            return 412, {"error": "A commit has happened since. Please refresh and try again."}, {}
        files = dict(self._committed(line["key"], line["value"]) for line in lines[1:])
        self.hub.check(len(files) == len(lines) - 1, "commit: a file twice")
        repo.files |= files
        repo.commits.append(self.hub.new_commit())
        url = f"{self.hub.url}/{name}/commit/{repo.commits[-1]}"
        return 200, {"success": True, "commitOid": repo.commits[-1], "commitUrl": url, "hookOutput": ""}, {}

    def _committed(self, key: str, value: dict[str, Any]) -> tuple[str, str]:
        """(name, sha256)."""
        if key == "lfsFile":
            self.hub.check(set(value) == {"path", "algo", "oid", "size"} and value["algo"] == "sha256", f"commit: {value}")
            self.hub.check(self.hub.objects.get(value["oid"]) == value["size"], f"commit: {value['path']} was not sent")
            return value["path"], value["oid"]
        self.hub.check(key == "file" and set(value) == {"content", "path", "encoding"} and value["encoding"] == "base64", f"commit: {key}")
        return value["path"], hashlib.sha256(base64.b64decode(value["content"], validate=True)).hexdigest()
