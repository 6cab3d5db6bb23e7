"""Signing in on a Space: the account's models, what the browser had before goes along, and the Space's creator is its host."""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64encode
from collections.abc import Iterator

import httpx2
import pytest
from asgi import finished
from itsdangerous import TimestampSigner
from serving import Server

from benchmarks.page_client import Layout, Visitor, read_layout
from qlora_demo.owners import HOST, of_key
from qlora_demo.run_dir import Home

CLIENT_SECRET = "only-the-space-knows-it"  # noqa: S105
SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "ann/demo",
    "SPACE_AUTHOR_NAME": "ann",
    "SPACE_HOST": "ann-demo.hf.space",
    "OAUTH_CLIENT_ID": "client",
    "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
    "OAUTH_SCOPES": "openid profile",
    "OPENID_PROVIDER_URL": "https://huggingface.co",
    "QLORA_DEMO_HOST": "127.0.0.1",
    "QLORA_DEMO_HOSTS": "127.0.0.1",
    "QLORA_DEMO_PORT": "0",
}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(Home(tmp_path_factory.mktemp("space") / "home").create(), SPACE)
    made.start()
    yield made
    made.stop()


def cookie(name: str, number: str, secret: str = CLIENT_SECRET) -> dict[str, str]:
    """What gradio gives a browser whose account the model hub has confirmed."""
    user = {"sub": number, "name": name, "preferred_username": name, "profile": "", "picture": ""}
    session = {"oauth_info": {"userinfo": user, "access_token": "hf_x", "scope": "openid", "expires_at": time.time() + 3600}}
    key = hashlib.sha256(f"{secret}-v4".encode()).hexdigest()
    return {"cookie": f"session={TimestampSigner(key).sign(b64encode(json.dumps(session).encode())).decode()}"}


async def lands(server: Server, key: str = "", **headers: str) -> tuple[str, bool]:
    """(the key that the browser has then, whether it sees the host's row)."""
    async with httpx2.AsyncClient(base_url=f"{server.url}/", headers=headers) as client:
        layout: Layout = await read_layout(client)
        visitor = Visitor(client, layout, key=key)
        landing = layout.function(layout.page, "load")
        shown: list[object] = []
        visitor._keep = lambda function, values: shown.extend(values)  # type: ignore[method-assign]
        await visitor.click(landing)
        answers = dict(zip(landing["outputs"], shown, strict=True))
        kept = next(number for number in landing["outputs"] if layout.stored(number) == "qlora-demo-key")
        host = answers[layout.named("host")]
        return str(answers[kept]), isinstance(host, dict) and bool(host["visible"])


def add_data(server: Server, owner: str) -> str:
    return server.studio().data.add_example(owner, "character")


def test_somebody_without_an_account_gets_a_key(space: Server) -> None:
    key, host = finished(lands(space))
    assert len(key) == 32 and not host
    assert space.studio().ledger.knows_owner(of_key(key))


def test_what_the_browser_had_goes_to_the_account(space: Server) -> None:
    key, _ = finished(lands(space))
    dataset = add_data(space, of_key(key))
    finished(lands(space, key, **cookie("bob", "2")))
    owners = space.studio().ledger.all_datasets()
    assert owners[dataset].startswith("hub-")
    before = owners[dataset]
    finished(lands(space, "", **cookie("bob-renamed", "2")))
    other = add_data(space, before)
    assert space.studio().ledger.all_datasets()[other] == before


def test_the_creator_is_the_host_and_nobody_who_says_so(space: Server) -> None:
    assert finished(lands(space, **cookie("ann", "1")))[1]
    assert not finished(lands(space, **cookie("Ann", "3")))[1]
    assert not finished(lands(space, **cookie("ann", "1", secret="guessed")))[1]
    assert HOST not in space.studio().ledger.all_datasets().values()


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(Home(tmp_path_factory.mktemp("private") / "home").create(), {"QLORA_DEMO_AUTH": "ann:one,bob:two"})
    made.start()
    yield made
    made.stop()


async def adds_data(server: Server, name: str, password: str) -> set[str]:
    """Logs in and chooses an example. The owners of all data sets then."""
    async with httpx2.AsyncClient(base_url=f"{server.url}/", timeout=60) as client:
        answer = await client.post("login", data={"username": name, "password": password})
        if answer.status_code != 200:
            raise PermissionError(answer.text)
        layout = await read_layout(client)
        visitor = Visitor(client, layout)
        await visitor.land()
        await visitor.click(layout.function(layout.named("example-character"), "click"))
    return set(server.studio().ledger.all_datasets().values())


def test_a_page_with_a_login_is_for_those_who_have_one(private: Server) -> None:
    with httpx2.Client(base_url=f"{private.url}/") as client:
        assert "dependencies" not in client.get("config").text
        call = {"data": [""], "fn_index": 1, "session_hash": "x", "trigger_id": None, "event_data": None}
        assert {client.post(f"gradio_api/{way}", json=call).status_code for way in ("queue/join", "run/predict")} <= {400, 401}
        assert client.post("gradio_api/upload", files={"files": ("x.csv", b"a,b")}).status_code == 401
    with pytest.raises(PermissionError):
        finished(adds_data(private, "ann", "two"))
    first = finished(adds_data(private, "ann", "one"))
    both = finished(adds_data(private, "bob", "two"))
    assert (len(first), len(both)) == (1, 2) and all(owner.startswith("login-") for owner in both)
