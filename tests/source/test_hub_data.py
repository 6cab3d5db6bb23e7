"""Data sets from a hub of our own: what is offered, fetched and refused; what a hostile list of files can do."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants
from source.fake_data_hub import REPO, FakeDataHub, parquet_url

from qlora_demo.errors import DataError, StorageError
from qlora_demo.pipes import child_environ
from qlora_demo.source import hub_data
from qlora_demo.source.fetch import Cancelled
from qlora_demo.source.hub_data import BROKEN, NO_HUB, NO_INTERNET, NO_NAME, SLOW, Split, fetch_split, parse_repo, splits

API = f"/api/datasets/{REPO}"
CONTENT = random.Random(0).randbytes(300_000)
MB = 1_000_000
GATED = f"The owner of {REPO} asks everyone to agree to terms on the Hub first. Download its file there and upload it here."
MISSING = f"There is no public data set {REPO} on the Hub. Check the spelling; private ones cannot be read here."
ELSEWHERE = f"The Hub's list of files of {REPO} leads to another server, so nothing was fetched. Choose another data set."


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDataHub]:
    """The library reads its environment when it is imported, so its constants are set here; the last tests use the environment."""
    copy = {
        "default": {"train": [parquet_url("default", "train", n) for n in range(3)], "test": [parquet_url("default", "test")]},
        "short": {"train": [parquet_url("short", "train")]},
    }
    with FakeDataHub(copy=copy, store={"0.parquet": CONTENT}) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
        monkeypatch.setattr(hub_data, "PAUSES", (0.01, 0.01, 0.01))
        yield hub
        close_session()


def first(hub: FakeDataHub) -> Split:
    return Split("default", "train", (f"{hub.url}{API}/parquet/default/train/0.parquet",))


def refused_list(repo: str = REPO) -> str:
    with pytest.raises(DataError) as caught:
        splits(repo)
    return str(caught.value)


def refused_fetch(hub: FakeDataHub, folder: Path, max_bytes: int = MB) -> str:
    with pytest.raises(DataError) as caught:
        fetch_split(REPO, first(hub), folder, max_bytes)
    assert list(folder.iterdir()) == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "repo"),
    [
        ("owner/name", "owner/name"),
        ("  owner/name\n", "owner/name"),
        ("squad", "squad"),
        ("datasets/owner/name", "owner/name"),
        ("/datasets/owner/name/", "owner/name"),
        ("datasets/squad", "squad"),
        ("https://huggingface.co/datasets/owner/name", "owner/name"),
        ("http://www.huggingface.co/datasets/owner/name/", "owner/name"),
        ("huggingface.co/datasets/Owner/na-me_2.0/viewer/default/train?row=3#top", "Owner/na-me_2.0"),
        ("https://huggingface.co/datasets/squad/viewer/plain_text/train", "squad"),
        ("https://hf.co/datasets/owner/name/tree/main/data", "owner/name"),
    ],
)
def test_a_data_set_is_named_in_many_ways(text: str, repo: str) -> None:
    assert parse_repo(text) == repo


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "/",
        "https://huggingface.co/",
        "https://huggingface.co/datasets",
        "https://huggingface.co/owner/model",
        "https://huggingface.co/spaces/owner/name",
        "https://github.com/owner/name",
        "https://evil.example/huggingface.co/datasets/owner/name",
        "owner/name/more",
        "owner/na me",
        "../../etc/passwd",
        "datasets/../secret",
        "owner/..",
        "owner/<b>",
        "http://[",
        "C:\\data.csv",
        "käse/brot",
        "x" * 100_000,
    ],
)
def test_what_names_no_data_set_is_a_sentence(text: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_repo(text)
    assert str(caught.value) == NO_NAME


def test_a_mirrors_own_addresses_are_understood(hub: FakeDataHub) -> None:
    assert parse_repo(f"{hub.url}/datasets/owner/name/tree/main") == "owner/name"


def test_the_parts_of_the_parquet_copy_are_offered(hub: FakeDataHub) -> None:
    found = splits(REPO)
    offered = [(split.config, split.name, len(split.files)) for split in found]
    assert offered == [("default", "train", 3), ("default", "test", 1), ("short", "train", 1)]
    assert found[0].files[0] == f"{hub.url}{API}/parquet/default/train/0.parquet"
    assert {split.suffix() for split in found} == {".parquet"}
    assert hub.asked() == [f"{API}/parquet"]


def test_the_first_file_comes_whole(hub: FakeDataHub, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = fetch_split(REPO, splits(REPO)[0], tmp_path, MB, lambda done, total: bool(seen.append((done, total))))
    assert path == tmp_path / "data.parquet"
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]
    assert seen[0][1] == len(CONTENT)
    assert [request.path for request in hub.requests if request.host.startswith("localhost")] == ["/store/0.parquet"]


def test_a_file_of_exactly_the_limit_is_taken(hub: FakeDataHub, tmp_path: Path) -> None:
    assert fetch_split(REPO, first(hub), tmp_path, len(CONTENT)).stat().st_size == len(CONTENT)


@pytest.mark.parametrize("copy", [None, {}, {"default": {"train": []}}])
def test_without_a_parquet_copy_the_plain_files_are_offered(hub: FakeDataHub, tmp_path: Path, copy: object) -> None:
    hub.copy = copy
    hub.files = {name: b"a,b\n1,2\n" for name in ("data/train set #1.csv", "rows.JSONL", "one.xlsx", "notes.txt")}
    hub.files |= {name: b"" for name in ("README.md", "load.py", "photo.png", "dataset_infos.json", "requirements.txt", ".cache/x.json", "csv")}
    found = splits(REPO)
    assert [(split.config, split.name) for split in found] == [
        ("files", "data/train set #1.csv"),
        ("files", "rows.JSONL"),
        ("files", "one.xlsx"),
        ("files", "notes.txt"),
    ]
    path = fetch_split(REPO, found[0], tmp_path, MB)
    assert path == tmp_path / "data.csv"
    assert path.read_bytes() == b"a,b\n1,2\n"
    assert found[1].suffix() == ".jsonl"


def test_a_copy_that_the_hub_cannot_tell_of_does_not_hide_the_plain_files(hub: FakeDataHub) -> None:
    hub.answers = {f"{API}/parquet": (500, "")}
    hub.files = {"train.csv": b"a"}
    assert [split.name for split in splits(REPO)] == ["train.csv"]


def test_a_long_list_of_files_is_read_page_by_page_up_to_a_bound(hub: FakeDataHub) -> None:
    hub.copy, hub.page_size = None, 2
    hub.files = {f"{number}.csv": b"" for number in range(50)}
    assert len(splits(REPO)) == 2 * hub_data.TREE_PAGES - 1  # one entry is a folder


def test_a_data_set_that_is_only_a_program_is_a_sentence(hub: FakeDataHub) -> None:
    hub.copy, hub.files = None, {"questions.py": b"raise SystemExit", "README.md": b"", "dataset_infos.json": b"{}"}
    assert refused_list() == (
        f"{REPO} has no files with data, only a program that fetches them. This app runs no programs from the Hub. Choose another data set."
    )
    assert not any("questions.py" in path for path in hub.asked())


def test_a_data_set_without_data_is_a_sentence(hub: FakeDataHub) -> None:
    hub.copy, hub.files = None, {"photo.png": b""}
    assert refused_list() == (
        f"{REPO} has no file that can be read here (csv, tsv, json, jsonl, parquet, txt, xlsx). Choose another data set."
    )


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((401, "GatedRepo"), GATED),
        ((403, "GatedRepo"), GATED),
        ((403, ""), GATED),
        ((401, "RepoNotFound"), MISSING),
        ((401, ""), MISSING),
        ((404, "RepoNotFound"), MISSING),
        ((404, ""), MISSING),
        ((429, ""), "The Hub has too many requests from here now. Try again in a few minutes."),
        ((418, ""), "The Hub answered with an error (418). Try again later, or upload a file instead."),
        ((500, ""), "The Hub answered with an error (500). Try again later, or upload a file instead."),
    ],
)
def test_what_the_hub_refuses_is_a_sentence(hub: FakeDataHub, tmp_path: Path, answer: tuple[int, str], sentence: str) -> None:
    hub.answers = {"/": answer}
    assert refused_list() == sentence
    assert refused_fetch(hub, tmp_path) == sentence


def test_a_data_set_that_is_not_there_is_a_sentence(hub: FakeDataHub) -> None:
    assert refused_list("nobody/nothing") == MISSING.replace(REPO, "nobody/nothing")


def test_a_file_that_is_gone_meanwhile_is_a_sentence(hub: FakeDataHub, tmp_path: Path) -> None:
    hub.answers = {"/store": (404, "EntryNotFound")}
    assert refused_fetch(hub, tmp_path) == f"This file of {REPO} is no longer on the Hub. Look the data set up again."


def test_no_internet_is_told_at_once(hub: FakeDataHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_data, "PAUSES", (60,))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert refused_list() == NO_INTERNET
    with pytest.raises(DataError, match=NO_INTERNET):
        fetch_split(REPO, Split("a", "b", ("http://127.0.0.1:9/x",)), tmp_path, MB)
    assert NO_INTERNET == "No internet here, so the Hub cannot be reached. Upload a file instead."


def test_working_offline_asks_nobody(hub: FakeDataHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert refused_list() == refused_fetch(hub, tmp_path) == NO_INTERNET
    assert hub.requests == []


def test_a_hub_that_says_nothing_is_asked_once(hub: FakeDataHub, tmp_path: Path) -> None:
    hub.silent = True
    assert refused_list() == refused_fetch(hub, tmp_path) == SLOW
    assert len(hub.requests) == 2


def test_a_busy_hub_is_asked_again(hub: FakeDataHub, tmp_path: Path) -> None:
    hub.busy = 2
    assert len(splits(REPO)) == 3
    hub.busy = 2
    assert fetch_split(REPO, first(hub), tmp_path, MB).read_bytes() == CONTENT


def test_a_broken_connection_is_taken_up_anew(hub: FakeDataHub, tmp_path: Path) -> None:
    hub.drops = [100_000, 0]
    assert fetch_split(REPO, first(hub), tmp_path, MB).read_bytes() == CONTENT


@pytest.mark.parametrize("unclaimed", [False, True])
def test_a_connection_that_stays_broken_leaves_nothing(hub: FakeDataHub, tmp_path: Path, unclaimed: bool) -> None:
    hub.unclaimed, hub.drops = unclaimed, [100_000] * 4
    assert refused_fetch(hub, tmp_path) == BROKEN


@pytest.mark.parametrize(
    "document",
    [
        b"<html>Welcome to our network</html>",
        b"",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"error": "no"}',
        b'{"default": ["a"]}',
        b'{"default": {"train": "a"}}',
        b'{"default": {"train": [1]}}',
        b"[" * 200_000,
        b"9" * 10_000,
    ],
)
def test_what_is_no_list_of_parts_is_a_sentence(hub: FakeDataHub, document: bytes) -> None:
    hub.documents = {f"{API}/parquet": document}
    assert refused_list() == NO_HUB


@pytest.mark.parametrize("document", [b"{}", b"[1]", b'[{"type": "file"}]', b'[{"type": "file", "path": 3}]'])
def test_what_is_no_list_of_files_is_a_sentence(hub: FakeDataHub, document: bytes) -> None:
    hub.copy, hub.documents = None, {f"{API}/tree/main": document}
    assert refused_list() == NO_HUB


def test_a_list_without_end_is_a_sentence(hub: FakeDataHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_data, "LISTING_BYTES", 100)
    assert refused_list() == NO_HUB


def test_a_file_that_is_said_to_be_too_big_is_not_fetched(hub: FakeDataHub, tmp_path: Path) -> None:
    hub.claim = 3_050_000_000
    sentence = refused_fetch(hub, tmp_path, 1_000_000_000)
    assert sentence == "The first file of this split has 3.1 GB; up to 1 GB are read. Choose a smaller split."


def test_a_file_that_turns_out_too_big_is_not_kept(hub: FakeDataHub, tmp_path: Path) -> None:
    hub.unclaimed = True
    sentence = refused_fetch(hub, tmp_path, 200_000)
    assert sentence == "The first file of this split has more than 0.2 MB; up to 0.2 MB are read. Choose a smaller split."


def test_ending_it_leaves_nothing(hub: FakeDataHub, tmp_path: Path) -> None:
    seen: list[int] = []

    def watch(done: int, total: int) -> bool:
        seen.append(done)
        return len(seen) == 2

    hub.pace = 200_000
    with pytest.raises(Cancelled):
        fetch_split(REPO, first(hub), tmp_path, MB, watch)
    assert list(tmp_path.iterdir()) == []
    assert 0 < seen[0] < seen[1] < len(CONTENT)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_sentence(hub: FakeDataHub, tmp_path: Path) -> None:
    (tmp_path / "data.parquet.incomplete").symlink_to("/dev/full")
    with pytest.raises(StorageError) as caught:
        fetch_split(REPO, first(hub), tmp_path, MB)
    assert str(caught.value) == f"The disk is full: the data set has no room in {tmp_path}. Free some space and try again."
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_a_sentence(hub: FakeDataHub, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        fetch_split(REPO, first(hub), tmp_path / "gone", MB)
    assert str(caught.value) == f"The data set could not be saved in {tmp_path / 'gone'} (No such file or directory). Check that disk."


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/0.parquet",
        "https://huggingface.co.evil.example/0.parquet",
        "https://huggingface.co@evil.example/0.parquet",
        "//evil.example/0.parquet",
        "file:///etc/passwd",
        "/etc/passwd",
        "../../etc/passwd",
        "",
    ],
)
def test_a_list_that_leads_to_another_host_is_refused(hub: FakeDataHub, tmp_path: Path, address: str) -> None:
    hub.copy = {"default": {"train": [parquet_url("default", "train"), address]}}
    assert refused_list() == ELSEWHERE
    with pytest.raises(DataError) as caught:  # and so are parts that came by another way than `splits`
        fetch_split(REPO, Split("default", "train", (address,)), tmp_path, MB)
    assert str(caught.value) == ELSEWHERE


@pytest.mark.parametrize(
    ("location", "sentence"),
    [("file:///etc/passwd", BROKEN), ("http://x:port/", BROKEN), ("", BROKEN), ("http://127.0.0.1:9/x", NO_INTERNET), ("/x", MISSING)],
)
def test_a_redirect_to_nowhere_is_a_sentence(hub: FakeDataHub, tmp_path: Path, location: str, sentence: str) -> None:
    hub.location = location
    assert refused_fetch(hub, tmp_path) == sentence


@pytest.mark.parametrize("address", ["/a\nb", "/" + "x" * 70_000, "/\x00"])
def test_an_address_that_cannot_be_asked_is_a_sentence(hub: FakeDataHub, tmp_path: Path, address: str) -> None:
    with pytest.raises(DataError) as caught:
        fetch_split(REPO, Split("default", "train", (hub.url + address,)), tmp_path, MB)
    assert str(caught.value) == NO_HUB


HOSTILE = ["../../../escaped", "/etc/passwd", "..\\..\\escaped", "<img src=x onerror=alert(1)>", "x" * 5000, "a\x00b", "\ud800", "CON", ""]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_texts_and_never_paths(hub: FakeDataHub, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    hub.copy = {name: {name: [parquet_url("default", "train")]}}
    (split,) = splits(REPO)
    assert split.config == split.name == name.replace("\ud800", "?")
    assert fetch_split(REPO, split, folder, MB) == folder / "data.parquet"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / "data.parquet"]


@pytest.mark.parametrize("name", [name for name in HOSTILE if not name.startswith("..")])
def test_hostile_file_names_are_no_paths_either(hub: FakeDataHub, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    hub.copy, hub.documents = None, {f"{API}/tree/main": json.dumps([{"type": "file", "path": f"{name}/a.csv"}]).encode()}
    hub.files = {f"{name}/a.csv".replace("\ud800", "?"): b"a"}
    (split,) = splits(REPO)
    assert fetch_split(REPO, split, folder, MB) == folder / "data.csv"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / "data.csv"]


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.startswith("..")])
def test_file_names_that_climb_are_not_offered(hub: FakeDataHub, name: str) -> None:
    hub.copy, hub.files = None, {f"{name}/a.csv": b"a", f"data/{name}/b.csv": b"b", "c.csv": b"c"}
    assert [split.name for split in splits(REPO)] == ["c.csv"]


def test_a_password_in_the_endpoint_does_not_follow_to_another_host(hub: FakeDataHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", f"http://me:secret@127.0.0.1:{hub.port}")
    assert fetch_split(REPO, splits(REPO)[0], tmp_path, MB).read_bytes() == CONTENT
    assert {(request.host.partition(":")[0], request.authorization is not None) for request in hub.requests} == {
        ("127.0.0.1", True),
        ("localhost", False),
    }


CHILD = f"""
import sys
from pathlib import Path
from qlora_demo.errors import DataError
from qlora_demo.source.hub_data import fetch_split, splits
try:
    print(fetch_split("{REPO}", splits("{REPO}")[0], Path(sys.argv[1]), 10**6))
except DataError as error:
    print(error)
"""


def in_a_child(hub: FakeDataHub, folder: Path, **environ: str) -> str:
    kept = {name: value for name, value in child_environ(os.environ).items() if name != "HF_HUB_OFFLINE"}
    environment = {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf"), **environ}
    return subprocess.run([sys.executable, "-c", CHILD, str(folder)], env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_a_child_asks_the_hub_of_its_environment_for_no_more_and_without_the_persons_token(hub: FakeDataHub, tmp_path: Path) -> None:
    output = in_a_child(hub, tmp_path, HF_TOKEN="hf_secret", HF_HUB_DISABLE_IMPLICIT_TOKEN="0")
    assert output == str(tmp_path / "data.parquet")
    assert hub.asked() == [
        f"{API}/parquet",
        f"{API}/parquet/default/train/0.parquet",
        f"/datasets/{REPO}/resolve/refs/convert/parquet/default/train/0.parquet",
        "/store/0.parquet",
    ]
    assert [request.authorization for request in hub.requests] == [None] * 4


def test_a_child_that_is_offline_asks_nobody(hub: FakeDataHub, tmp_path: Path) -> None:
    assert in_a_child(hub, tmp_path, HF_HUB_OFFLINE="1") == NO_INTERNET
    assert hub.requests == []


def test_a_proxy_of_the_environment_is_used(hub: FakeDataHub, tmp_path: Path) -> None:
    assert in_a_child(hub, tmp_path, HF_ENDPOINT="http://hub.invalid", http_proxy="http://127.0.0.1:9") == NO_INTERNET
    hub.answers = {"": (429, "")}
    assert in_a_child(hub, tmp_path, HF_ENDPOINT="http://hub.invalid", http_proxy=hub.url).startswith("The Hub has too many requests")
    assert [request.host for request in hub.requests] == ["hub.invalid"]
