"""Strangers at the real server's door, over raw HTTP: what is not for them stays shut, and nothing that they send breaks it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx2
import psutil
import pytest
from serving import Server

from qlora_demo.web.calls import BROKEN, BY_ADDRESS, OLD_PAGE
from qlora_demo.web.download import NO_TICKET
from qlora_demo.web.one_file import NO_FILE, ONE
from qlora_demo.web.policy import HEADERS

API = "gradio_api/"
JOIN, RUN, UPLOAD = f"{API}queue/join", f"{API}run/predict", f"{API}upload"
SECRET = "a stranger must not read this"
MOST_GROWTH = 100_000_000
"""Bytes that all this may add to the server's memory."""
DEEP = b'{"data": ' + b"[" * 50_000 + b"]" * 50_000 + b', "fn_index": 1, "session_hash": "x"}'


class Stranger(httpx2.Client):
    """Sends, and looks at every answer: no error of the server, the policy, and nothing that tells of this machine."""

    def __init__(self, server: Server):
        super().__init__(base_url=server.url.rstrip("/") + "/", timeout=60)
        self._forbidden = (str(server.home.path), "Traceback", 'File "', SECRET)

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        answer = self.request(method, path, **more)
        assert answer.status_code < 500, (method, path, more, answer.text[:300])
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert not [word for word in self._forbidden if word in answer.text], (method, path, answer.text[:300])
        return answer

    def call(self, way: str, **changed: Any) -> httpx2.Response:
        body = {"data": [], "fn_index": 1, "session_hash": "stranger", "trigger_id": None, "event_data": None, **changed}
        return self.ask("POST", way, content=json.dumps(body).encode(), headers={"content-type": "application/json"})


@pytest.fixture
def stranger(server: Server) -> Iterator[Stranger]:
    """Afterwards the server still answers, and has not grown much."""
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    with Stranger(server) as made:
        yield made
        assert made.get("healthz").json() == {"status": "ok"}
    assert process.memory_info().rss - before < MOST_GROWTH


def functions(stranger: Stranger) -> list[dict[str, Any]]:
    """Every endpoint that the page names, with those that run in the browser alone."""
    return stranger.get("config").json()["dependencies"]


@pytest.mark.parametrize(
    "path",
    [
        "etc/passwd",
        "../app.py",
        "..%2f..%2fetc%2fpasswd",
        "gradio_api/file={home}/runs/abcdef/worker.log",
        "gradio_api/file={home}/ledger.sqlite",
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=app.py",
        "gradio_api/file=..%2fapp.py",
        "gradio_api/file=http://169.254.169.254/latest",
        "gradio_api/file/{home}/ledger.sqlite",
        "file={home}/ledger.sqlite",
        "file/etc/passwd",
        "gradio_api/proxy=http://127.0.0.1:22/",
        "gradio_api/component_server",
        "gradio_api/custom_component/1/client/component/../../x",
        "gradio_api/info",
        "gradio_api/openapi.json",
        "gradio_api/token",
        "gradio_api/deep_link?session_hash=x",
        "gradio_api/vibe-code",
        "gradio_api/runs",
        "gradio_api/run-history/buckets",
        "gradio_api/stream/x/1/2/playlist.m3u8",
        "gradio_api/dev/reload",
        "monitoring",
        "monitoring/summary",
        "docs",
        "openapi.json",
        "static/../../../../etc/passwd",
        "static/..%2f..%2f..%2fetc/passwd",
        "assets/..%5c..%5cx",
        "assets//etc/passwd",
        "svelte/%2e%2e/%2e%2e/x",
        "pwa_icon/99999999999999999999",
        "download/",
        "download/../healthz",
        "download/..%2f..%2fetc%2fpasswd",
        "download/AAAAAAAAAAAAAAAAAAAAAA",
        "download/" + "A" * 5000,
        "download/{home}",
        "download/%00",
        "download/${{7*7}}",
        "%00",
        "a" * 8000,
    ],
)
def test_what_is_not_for_them_is_not_there(stranger: Stranger, server: Server, path: str) -> None:
    as_it_stands = {"target": b"/" + path.format(home=server.home.path).encode()}  # with its dots, which a client would work out
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        answer = stranger.ask(method, "", extensions=as_it_stands)
        assert answer.status_code == 404, (method, answer.status_code)
        if method == "GET" and path.startswith("download/"):
            assert answer.text == NO_TICKET


def test_every_other_route_of_gradios_answers_without_an_error(stranger: Stranger) -> None:
    named = ["", "config", "theme.css", "favicon.ico", "robots.txt", "manifest.json", "logout", "login/huggingface", "login/callback"]
    ours = ["startup-events", "app_id", "theme.css", "queue/status", "queue/data", "upload_progress", "upload_progress?upload_id=x"]
    odd = ["?deep_link=../../x", "?view=api", "?run=../../x", "?run=" + "x" * 5000, "?__theme=%00"]
    shown = ["assets/none.js", "static/none.js", "svelte/none.js", *odd]
    for path in (*named, *(API + one for one in ours), *shown):
        for method in ("GET", "HEAD"):
            stranger.ask(method, path)
    for path in ("login", f"{API}reset", f"{API}cancel"):
        for body in (b"", b"x", b"{}", b"[]", DEEP[:9000], b'{"session_hash": "a", "fn_index": 1, "event_id": "b"}'):
            for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
                stranger.ask("POST", path, content=body, headers={"content-type": kind})


def test_malformed_calls_of_every_function(stranger: Stranger) -> None:
    odd: list[Any] = [True, -1, 1e308, "x\x00y", "../../etc/passwd", "$(touch /tmp/x)", "--flag\n", [], {}, [None] * 50, {"path": "x"}]
    assert len(functions(stranger)) > 100
    for one in functions(stranger):
        number, wide = one["id"], len(one["inputs"])
        own, other = (JOIN, RUN) if one["queue"] else (RUN, JOIN)
        for data in ([None] * (wide + 1), [None] * (wide + 500), *([[None] * (wide - 1)] if wide else [])):
            assert stranger.call(own, fn_index=number, data=data).json()["detail"] == OLD_PAGE
        assert stranger.call(other, fn_index=number, data=[None] * wide).json()["detail"] == OLD_PAGE
        if not one["backend_fn"]:
            assert stranger.call(own, fn_index=number, data=[None] * wide).json()["detail"] == OLD_PAGE
        if own == RUN:
            for value in odd:
                stranger.call(RUN, fn_index=number, data=[value] * wide, event_data=value)


def test_junk_in_place_of_a_call(stranger: Stranger) -> None:
    not_finite = b'{"data": [NaN], "fn_index": 1, "session_hash": "x"}'
    junk = [b"", b"null", b"[]", b"{", b"\xff", b'{"data": []}', b'{"data": [], "fn_index": 1}', DEEP, not_finite]
    for way in (JOIN, RUN):
        for body in junk:
            answer = stranger.ask("POST", way, content=body, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()["detail"]) == (400, BROKEN)
        for number in (-1, 10**5, 10**30, "1", None, [], 1.5):
            assert stranger.call(way, fn_index=number).json()["detail"] in (BROKEN, OLD_PAGE)
        for session in (None, "", 5, "../x", "x" * 500, {"a": 1}):
            assert stranger.call(way, session_hash=session).json()["detail"] == BROKEN


def test_a_call_that_says_it_is_something_else(stranger: Stranger) -> None:
    """A form of another site could send the same bytes under these kinds."""
    one = next(one for one in functions(stranger) if one["queue"] and one["backend_fn"] and not one["inputs"])
    body = json.dumps({"data": [], "fn_index": one["id"], "session_hash": "stranger"}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert stranger.ask("POST", JOIN, content=body, headers={"content-type": kind}).status_code in (415, 422)


def test_a_file_that_was_never_uploaded(stranger: Stranger, server: Server) -> None:
    """Into every value of every function: where gradio would fetch it, it is refused; a path of this machine is read by none."""
    about = {"meta": {"_type": "gradio.FileData"}}
    for one in functions(stranger):
        wide = len(one["inputs"])
        for path in ("http://169.254.169.254/latest", "http://127.0.0.1:22", "file:///etc/passwd") if wide and one["backend_fn"] else ():
            way = JOIN if one["queue"] else RUN
            said = stranger.call(way, fn_index=one["id"], data=[{**about, "path": path}] * wide).json()["detail"]
            assert said in (BROKEN, BY_ADDRESS)  # broken: that value is never a file
    upload = next(one for one in functions(stranger) if any(event == "upload" for _, event in one["targets"]) and one["backend_fn"])
    rest = [""] * (len(upload["inputs"]) - 2)  # before the file comes the visitor's key
    assert stranger.call(JOIN, fn_index=upload["id"], data=["", {**about, "path": "http://127.0.0.1:22"}, *rest]).json()["detail"] == BY_ADDRESS
    for path in ("/etc/passwd", f"{server.home.path}/ledger.sqlite", f"{server.home.path}/runs/abcdef/worker.log", "..", ""):
        session = f"forged{abs(hash(path))}"
        data = ["", {**about, "path": path, "orig_name": "a.csv"}, *rest]
        assert stranger.call(JOIN, fn_index=upload["id"], data=data, session_hash=session).status_code == 200
        with stranger.stream("GET", f"{API}queue/data?session_hash={session}") as stream:
            lines = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
        done = next(line for line in lines if line["msg"] == "process_completed")
        assert not done["success"]
        assert SECRET not in json.dumps(done)


def test_another_site_in_the_same_browser(stranger: Stranger) -> None:
    for origin in ("http://evil.com", "null", "http://localhost:1"):
        for path in (JOIN, RUN, UPLOAD, f"{API}cancel", "login"):
            assert stranger.ask("POST", path, headers={"origin": origin}, content=b"{}").status_code == 403
        asked = {"origin": origin, "access-control-request-method": "POST", "host": "10.0.0.5:7860"}
        stranger.ask("OPTIONS", JOIN, headers=asked)
        stranger.ask("GET", "config", headers={"origin": origin, "host": "10.0.0.5:7860"})  # ask: no permission for other sites
    file = {"files": ("a.csv", b"a,b\n")}
    assert stranger.ask("POST", UPLOAD, files=file, headers={"origin": "http://evil.com"}).status_code == 403


def test_a_name_that_was_turned_to_this_machine(stranger: Stranger) -> None:
    for path in ("", "config", "healthz", f"{API}queue/status"):
        assert stranger.ask("GET", path, headers={"host": "attacker.com"}).status_code == 400
        assert stranger.ask("GET", path, headers={"x-forwarded-host": "attacker.com"}).status_code == 400
    assert stranger.ask("POST", JOIN, headers={"host": "attacker.com:7860", "origin": "http://attacker.com:7860"}, content=b"{}").status_code == 400


def pieces(head: bytes, megabytes: int) -> Iterator[bytes]:
    yield head
    for _ in range(megabytes):
        yield bytes(1_000_000)


def refused_while_sending(server: Server, path: str, kind: str, body: Iterator[bytes], length: int) -> tuple[int, int]:
    """(status, bytes that were taken): sends until an answer comes, as a flood does, which does not wait for it."""
    host, port = httpx2.URL(server.url).host, httpx2.URL(server.url).port
    taken = 0
    with socket.create_connection((host, port), timeout=60) as line:
        head = f"POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        line.sendall(head.encode())
        try:
            for piece in body:
                line.sendall(piece)
                taken += len(piece)
        except OSError:  # the server has hung up
            pass
        try:
            answer = line.recv(100)
        except OSError:
            return 0, taken
    return int(answer.split()[1]) if answer else 0, taken


@pytest.mark.parametrize("megabytes", [5, 200])
def test_a_call_of_many_megabytes(stranger: Stranger, server: Server, megabytes: int) -> None:
    for way in (JOIN, RUN):
        body = pieces(b'{"data": ["', megabytes)
        status, _ = refused_while_sending(server, way, "application/json", body, megabytes * 1_000_000 + 11)
        assert status in (0, 413)
    body_of_unknown_length = (bytes(100_000) for _ in range(megabytes * 10))
    with suppress(httpx2.TransportError):  # the server may hang up while this is sent
        assert stranger.post(JOIN, content=body_of_unknown_length, headers={"content-type": "application/json"}).status_code == 413


def test_a_field_of_200_megabytes_and_a_file_that_is_too_large(stranger: Stranger, server: Server) -> None:
    kind = "multipart/form-data; boundary=XX"
    field = b'--XX\r\ncontent-disposition: form-data; name="files"\r\n\r\n'
    assert refused_while_sending(server, UPLOAD, kind, pieces(field, 200), 200_000_000 + len(field))[0] in (0, 400, 413)
    file = b'--XX\r\ncontent-disposition: form-data; name="files"; filename="a.csv"\r\n\r\n'
    assert refused_while_sending(server, UPLOAD, kind, pieces(file, 200), 200_000_000 + len(file))[0] in (0, 413)


def test_uploads_that_are_none_or_many(stranger: Stranger, server: Server) -> None:
    good = stranger.ask("POST", UPLOAD, files={"files": ("../../../x.csv", b"a,b\n1,2\n")})
    path = good.json()[0]
    assert path.startswith(str(server.home.path.parent / "uploads")) and path.endswith("/x.csv")
    two = [("files", (f"{n}.csv", b"a,b\n")) for n in range(2)]
    assert (stranger.ask("POST", UPLOAD, files=two).status_code, stranger.ask("POST", UPLOAD, files=two).text) == (400, ONE)
    assert stranger.ask("POST", f"{UPLOAD}?upload_id=x", data={"files": "x"}, files={"other": ("a", b"")}).text == NO_FILE
    for kind in ("text/plain", "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 500):
        assert stranger.ask("POST", UPLOAD, content=b"--\r\n", headers={"content-type": kind}).status_code == 400


def comes_true(is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + 30
    while not is_so() and time.monotonic() < until:
        time.sleep(0.02)
    return is_so()


def test_an_upload_that_was_broken_off_leaves_nothing(stranger: Stranger, server: Server) -> None:
    uploads = server.home.path.parent / "uploads"
    before = set(uploads.rglob("tmp*"))
    host, port = httpx2.URL(server.url).host, httpx2.URL(server.url).port
    with socket.create_connection((host, port), timeout=60) as line:
        head = b'--XX\r\ncontent-disposition: form-data; name="files"; filename="a.csv"\r\n\r\n' + bytes(100_000)
        line.sendall(f"POST /{UPLOAD} HTTP/1.1\r\nhost: {host}\r\ncontent-type: multipart/form-data; boundary=XX\r\n".encode())
        line.sendall(b"content-length: 1000000\r\n\r\n" + head)
        assert comes_true(lambda: bool(set(uploads.rglob("tmp*")) - before))
    assert comes_true(lambda: not set(uploads.rglob("tmp*")) - before)
