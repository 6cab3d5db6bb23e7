"""Fetching a base model from a hub of our own, each time in a new process: whole, broken, ended, killed, refused."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from source.fake_hub import FakeHub, blob_id, sha256

from qlora_demo.catalogue import find_model
from qlora_demo.pipes import child_environ

MODEL = find_model("Qwen/Qwen3-4B-Instruct-2507")
CHILD = Path(__file__).with_name("locate_child.py")
MB = 1_000_000
INDEX = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}


def content() -> dict[str, bytes]:
    """The files of a model; the last three are none that we want."""
    noise = random.Random(0).randbytes
    return {
        "config.json": b'{"model_type": "qwen3"}',
        "tokenizer_config.json": b"{}",
        "tokenizer.json": noise(50_000).hex().encode(),
        "chat_template.jinja": b"{{ messages }}",
        "merges.txt": b"a b",
        "model.safetensors.index.json": json.dumps(INDEX).encode(),
        "model-00001-of-00002.safetensors": noise(3 * MB),
        "model-00002-of-00002.safetensors": noise(2 * MB),
        "pytorch_model.bin": noise(4 * MB),
        "README.md": b"# A model",
        "modeling.py": b"raise SystemExit",
    }


UNWANTED = {"pytorch_model.bin", "README.md", "modeling.py"}


@dataclass(frozen=True)
class Place:
    """A hub and an empty cache."""

    hub: FakeHub
    cache: Path

    def environ(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in child_environ(os.environ).items() if not name.startswith("HF_HUB_OFFLINE")}
        return {**kept, "HF_ENDPOINT": self.hub.url, "HF_HOME": str(self.cache), "HF_HUB_DOWNLOAD_TIMEOUT": "2", **more}

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(CHILD), *arguments]
        return subprocess.Popen(command, env=self.environ(**environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def locate(self, *arguments: str, **environ: str) -> list[dict]:
        child = self.start(*arguments, **environ)
        output, errors = child.communicate(timeout=90)
        assert child.returncode == 0, errors
        return [json.loads(line) for line in output.splitlines()]

    def error(self, *arguments: str, **environ: str) -> str:
        return self.locate(*arguments, **environ)[-1]["error"]

    @property
    def repository(self) -> Path:
        return self.cache / "hub" / f"models--{MODEL.id.replace('/', '--')}"

    def part(self, name: str) -> Path:
        return self.repository / "blobs" / f"{sha256(self.hub.files[name])}.incomplete"

    def is_whole(self, seen: list[dict]) -> bool:
        folder = Path(seen[-1]["folder"])
        found = {path.name: path.read_bytes() for path in folder.iterdir()}
        return found == {name: data for name, data in self.hub.files.items() if name not in UNWANTED}

    def wanted_bytes(self) -> int:
        return sum(len(data) for name, data in self.hub.files.items() if name not in UNWANTED)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with FakeHub(content(), MODEL.revision) as hub:
        yield Place(hub, tmp_path / "cache")


def test_the_files_that_are_wanted_come_whole_and_no_others_are_asked_for(place: Place) -> None:
    place.hub.pace = 2 * MB
    seen = place.locate()
    assert place.is_whole(seen)
    assert place.hub.asked_for() == set(place.hub.files) - UNWANTED
    looks = [(look["done"], look["total"]) for look in seen[:-1] if look["total"]]
    assert {total for _, total in looks} == {place.wanted_bytes()}
    assert len({done for done, _ in looks}) > 2
    assert looks == sorted(looks)
    assert looks[-1][0] == place.wanted_bytes()
    assert list(place.repository.rglob("*.incomplete")) == []


def test_nothing_is_asked_when_all_is_here(place: Place) -> None:
    first = place.locate()
    place.hub.requests.clear()
    assert place.locate() == [first[-1]]
    assert place.hub.requests == []
    assert place.locate(QLORA_DEMO_OFFLINE="1") == place.locate(HF_HUB_OFFLINE="1") == [first[-1]]


def test_what_another_tool_left_without_a_list_of_files_is_taken_as_it_is(place: Place) -> None:
    first = place.locate()
    (place.repository / "trees" / f"{MODEL.revision}.json").unlink()
    place.hub.requests.clear()
    assert place.locate() == [first[-1]]
    assert place.hub.requests == []
    Path(first[-1]["folder"], "model-00002-of-00002.safetensors").unlink()
    assert place.is_whole(place.locate())
    assert place.hub.ranges() == []  # its bytes were still in the cache


def test_an_ended_download_goes_on_where_it_ended(place: Place) -> None:
    place.hub.pace = 2 * MB
    seen = place.locate("cancel-at", str(1 * MB))
    assert seen[-1]["cancelled"]
    assert place.part("model-00001-of-00002.safetensors").stat().st_size >= 0.5 * MB
    place.hub.pace = 0
    place.hub.requests.clear()
    seen = place.locate()
    assert place.is_whole(seen)
    begin = int(place.hub.ranges()[0].removeprefix("bytes=").rstrip("-"))
    assert begin >= 0.5 * MB
    assert seen[0]["total"] == 0 or seen[0]["done"] >= begin


def test_a_killed_download_goes_on_where_it_ended(place: Place) -> None:
    place.hub.pace = 2 * MB
    child = place.start()
    part = place.part("model-00001-of-00002.safetensors")
    while not (part.exists() and part.stat().st_size > 0.5 * MB):
        assert child.poll() is None
        time.sleep(0.02)
    child.kill()
    child.communicate()
    kept = part.stat().st_size
    place.hub.pace = 0
    place.hub.requests.clear()
    assert place.is_whole(place.locate())
    assert place.hub.ranges() == [f"bytes={kept}-", ""]


def test_it_ends_while_the_hub_says_nothing(place: Place) -> None:
    place.hub.silent = True
    seen = place.locate("cancel-at", "0", HF_HUB_DOWNLOAD_TIMEOUT="30")
    assert seen[-1]["cancelled"]
    assert seen[-1]["seconds"] < 10  # and not when the read has waited for its 30


def test_a_broken_connection_is_taken_up_again(place: Place) -> None:
    place.hub.drops = [1 * MB, MB // 2]
    assert place.is_whole(place.locate())
    assert place.hub.ranges() == ["", f"bytes={1 * MB}-", f"bytes={3 * MB // 2}-", ""]


def test_a_busy_hub_is_asked_again(place: Place) -> None:
    place.hub.busy = 1
    assert place.is_whole(place.locate())


def test_a_hub_that_cannot_send_the_rest_sends_the_whole(place: Place) -> None:
    place.hub.drops, place.hub.no_ranges = [1 * MB], True
    assert place.is_whole(place.locate())


def test_a_connection_that_stays_lost_is_a_sentence_and_what_came_is_kept(place: Place) -> None:
    place.hub.drops = [1 * MB, 0, 0, 0]
    assert place.error() == "The connection to the model hub was lost after 1 of 5 MB. What came is kept; try again and it goes on there."
    place.hub.requests.clear()
    assert place.is_whole(place.locate())
    assert place.hub.ranges()[0] == f"bytes={1 * MB}-"


def test_bytes_that_are_not_the_hubs_are_not_taken(place: Place) -> None:
    place.hub.corrupt = True
    assert place.error() == (
        "A file of Qwen3 4B arrived damaged (model-00001-of-00002.safetensors). Try again; it is fetched anew."
    )
    place.hub.corrupt = False
    assert place.is_whole(place.locate())


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((401, "GatedRepo"), "Qwen3 4B asks for its terms to be accepted first. Choose another model."),
        ((403, "GatedRepo"), "Qwen3 4B asks for its terms to be accepted first. Choose another model."),
        ((404, "RepoNotFound"), "Qwen3 4B is no longer on the model hub. Choose another model."),
        ((404, "RevisionNotFound"), "The version of Qwen3 4B that this release knows is no longer on the model hub. Choose another model."),
        ((418, ""), "The model hub answered with an error (418) while Qwen3 4B was fetched. What came is kept; try again later."),
        ((500, ""), "The model hub answered with an error (500) while Qwen3 4B was fetched. What came is kept; try again later."),
        ((429, ""), "The model hub has too many requests from here now. What came of Qwen3 4B is kept; try again in a few minutes."),
    ],
)
def test_what_the_hub_refuses_is_a_sentence(place: Place, answer: tuple[int, str], sentence: str) -> None:
    place.hub.answer = answer
    assert place.error() == sentence


def test_a_hub_that_cannot_be_reached_is_a_sentence(place: Place) -> None:
    sentence = "Qwen3 4B is not on this disk and the model hub cannot be reached. Choose the bundled model."
    assert place.error(HF_ENDPOINT="http://127.0.0.1:9") == sentence


@pytest.mark.parametrize("name", ["QLORA_DEMO_OFFLINE", "HF_HUB_OFFLINE"])
def test_working_offline_is_a_sentence(place: Place, name: str) -> None:
    assert place.error(**{name: "1"}) == (
        "Qwen3 4B is not on this disk, and this app is set to ask nobody for it. Choose the bundled model, or fetch it once with internet."
    )
    assert place.hub.requests == []


def test_a_disk_without_room_is_told_before_the_first_byte(place: Place) -> None:
    place.hub.claims = {"model-00001-of-00002.safetensors": 10**15}
    sentence = place.error()
    assert sentence.startswith("Qwen3 4B needs 1000001.0 GB of disk for its download; ")
    assert sentence.endswith(f" GB are free in {place.cache}/hub. Free some, or set HF_HOME to another disk.")
    assert place.hub.asked_for() == set()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_runs_full_on_the_way_is_a_sentence(place: Place) -> None:
    part = place.repository / "blobs" / f"{blob_id(place.hub.files['tokenizer.json'])}.incomplete"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    assert place.error() == (
        f"The disk is full: Qwen3 4B has no room in {place.cache}/hub. Free some, or set HF_HOME to another disk. What came is kept."
    )


def test_a_login_page_in_the_hubs_place_is_told_as_no_hub(place: Place) -> None:
    place.hub.answer = (200, "")
    place.hub.page = b"<html>Welcome to our network</html>"
    assert place.error() == "Qwen3 4B is not on this disk and the model hub cannot be reached. Choose the bundled model."


def test_a_tokenizer_comes_without_the_weights_and_does_not_pass_for_the_model(place: Place) -> None:
    folder = Path(place.locate("tokenizer")[-1]["folder"])
    assert (folder / "tokenizer.json").read_bytes() == place.hub.files["tokenizer.json"]
    assert place.hub.ranges() == []
    place.hub.requests.clear()
    assert place.locate("tokenizer")[-1]["folder"] == str(folder)
    assert place.hub.requests == []
    assert place.is_whole(place.locate())
