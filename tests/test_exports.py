"""Taking a model along, by the owner's calls: real workers prepare the forms of a tiny model, one after the other, and nobody else gets them."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_model_hub import ME, TOKEN, FakeModelHub, Fault
from learned import learned_run

from qlora_demo import exports as exports_module
from qlora_demo.errors import BusyError, NotFoundError, RecipeError, StorageError
from qlora_demo.export.about import about_run
from qlora_demo.export.card import card
from qlora_demo.export.client import Push
from qlora_demo.export.forms import ADAPTER, MERGED, Form
from qlora_demo.export.prepared import mark, prepared
from qlora_demo.exports import Offer
from qlora_demo.jobs import export_line
from qlora_demo.jobs.export_queue import PREPARE, PUSH
from qlora_demo.jobs.ledger import EVERYONE
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import Home, RunDir
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

MERGED_FILES = {
    "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"
}  # fmt: skip


def opened(home: Home, **fields: object) -> Studio:
    return Studio(Settings(**{"home": str(home.path), "device": "cpu", "offline": True, **fields}))


@pytest.fixture
def studio(tiny_home: Home) -> Iterator[Studio]:
    """Nothing is worked through yet."""
    made = opened(tiny_home)
    yield made
    made.close()


def until(studio: Studio, run: RunDir, form: Form, true: Callable[[Offer], bool], seconds: float = 60) -> Offer:
    deadline = time.monotonic() + seconds
    while not true(offer := studio.exports.offer(LOCAL, run.id, form.key)):
        assert time.monotonic() < deadline, (offer, (studio.home.path / "exports.log").read_text())
        time.sleep(0.05)
    return offer


def over(offer: Offer) -> bool:
    return offer.open() is None


def test_every_form_is_offered_with_its_size(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder)
    offers = studio.exports.offers(LOCAL, run.id)
    assert [offer.form.key for offer in offers] == ["adapter", "merged", "gguf-q8_0", "gguf-f16", "gguf-adapter"]
    assert all(offer.bytes > 0 and offer.seconds > 0 and offer.ready is None and over(offer) for offer in offers)
    whole = learned_run(studio, tiny_folder, "whole", "full")
    assert [offer.form.key for offer in studio.exports.offers(LOCAL, whole.id)] == ["merged", "gguf-q8_0", "gguf-f16"]


def test_adapter_and_whole_model_are_prepared_one_after_the_other(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder)
    for form in (ADAPTER, MERGED):
        studio.exports.prepare(LOCAL, run.id, form.key)
    assert studio.exports.prepare(LOCAL, run.id, MERGED.key).ahead == 1  # twice is once
    studio.start()
    ready = until(studio, run, MERGED, over).ready
    assert ready is not None and {name for name, _, _ in ready.files} == MERGED_FILES
    assert {path.name for path in run.exports.iterdir()} == {"adapter", "adapter.json", "merged", "merged.json"}
    first = prepared(run, "adapter")
    assert first is not None and {name for name, _, _ in first.files} == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((first.folder / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("HuggingFaceTB/SmolLM2-135M-Instruct", None)
    for path in run.exports.rglob("*"):
        if path.suffix in (".json", ".md", ".jinja"):
            assert str(studio.home.path.parent) not in path.read_text(), path
    assert (first.folder / "adapter_model.safetensors").read_bytes() == (run.adapter / "adapter_model.safetensors").read_bytes()
    assert studio.exports.prepare(LOCAL, run.id, MERGED.key).open() is None  # ready: nothing is made again


def test_a_model_that_was_trained_whole_is_taken_whole(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder, "whole", "full")
    studio.exports.prepare(LOCAL, run.id, MERGED.key)
    studio.start()
    ready = until(studio, run, MERGED, over).ready
    assert ready is not None and {name for name, _, _ in ready.files} == MERGED_FILES
    assert (ready.folder / "model.safetensors").read_bytes() == (run.model / "model.safetensors").read_bytes()


def test_what_a_run_left_can_be_had_at_once_with_its_card(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder)
    what = studio.tickets.what(studio.download(LOCAL, run.id))
    assert what is not None
    with zipfile.ZipFile(io.BytesIO(b"".join(what.open().pieces()))) as archive:
        assert archive.testzip() is None
        found = {name.removeprefix("My FAQ/"): archive.read(name) for name in archive.namelist()}
    assert set(found) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert json.loads(found["adapter_config.json"])["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert b"base_model: HuggingFaceTB/SmolLM2-135M-Instruct" in found["README.md"]
    assert json.loads((run.adapter / "adapter_config.json").read_text())["base_model_name_or_path"].startswith("bundled/")  # the run's own stays


def test_prepared_files_come_as_one_archive(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder)
    with pytest.raises(BusyError, match="not prepared yet"):
        studio.exports.download(LOCAL, run.id, MERGED.key)
    studio.exports.prepare(LOCAL, run.id, MERGED.key)
    studio.start()
    until(studio, run, MERGED, over)
    what = studio.tickets.what(studio.exports.download(LOCAL, run.id, MERGED.key))
    assert what is not None and "My%20FAQ%20merged.zip" in what.disposition()
    assert what.open().files() == len(MERGED_FILES)


def test_it_is_given_up_at_once_and_leaves_nothing(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder)
    studio.exports.prepare(LOCAL, run.id, MERGED.key)
    studio.start()
    until(studio, run, MERGED, lambda offer: offer.prepare is not None and offer.prepare.state == "running")
    offer = studio.exports.stop(LOCAL, run.id, MERGED.key)
    assert offer.prepare is not None and offer.prepare.state == "stopped" and offer.prepare.reason == "You stopped it."
    deadline = time.monotonic() + 30
    while studio._export_line._running is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not list(run.exports.glob("*"))
    studio.exports.prepare(LOCAL, run.id, MERGED.key)
    assert until(studio, run, MERGED, over).ready is not None  # and it can be had afterwards


def test_a_server_that_ends_meanwhile_begins_anew_at_its_next_start(tiny_home: Home, tiny_folder: Path) -> None:
    first = opened(tiny_home)
    run = learned_run(first, tiny_folder)
    first.exports.prepare(LOCAL, run.id, MERGED.key)
    first.start()
    until(first, run, MERGED, lambda offer: offer.prepare is not None and offer.prepare.state == "running")
    first.close()
    second = opened(tiny_home)
    try:
        offer = second.exports.offer(LOCAL, run.id, MERGED.key)
        assert offer.prepare is not None and offer.prepare.state == "queued"
        second.start()
        assert until(second, run, MERGED, over).ready is not None
    finally:
        second.close()


def test_only_the_owner_and_only_of_a_finished_model(tiny_home: Home, tiny_folder: Path) -> None:
    studio = opened(tiny_home, mode="public")
    owner, guest, stranger = (studio.owners.owner(studio.owners.new_key()) for _ in range(3))
    run = learned_run(studio, tiny_folder, owner=owner)
    studio.sharing.come_by(guest, studio.sharing.link(owner, run.id))
    push = Push("me/x", True, "hf_secret")
    calls = (
        lambda who: studio.exports.offers(who, run.id),
        lambda who: studio.exports.prepare(who, run.id, "merged"),
        lambda who: studio.exports.push(who, run.id, "merged", push),
        lambda who: studio.exports.stop(who, run.id, "merged"),
        lambda who: studio.exports.download(who, run.id, "merged"),
        lambda who: studio.exports.as_it_is(who, run.id),
        lambda who: studio.exports.ways(who, run.id, "merged", "folder"),
    )
    for call in calls:
        with pytest.raises(NotFoundError):
            call(stranger)
        with pytest.raises(BusyError, match="not download it"):
            call(guest)
    run.result_json.unlink()
    for call in calls:
        with pytest.raises(BusyError, match="not finished"):
            call(owner)
    assert not run.exports.exists()
    studio.close()


def test_who_signs_in_finds_what_is_being_prepared(tiny_home: Home, tiny_folder: Path) -> None:
    studio = opened(tiny_home, mode="public")
    before, after = (studio.owners.owner(studio.owners.new_key()) for _ in range(2))
    run = learned_run(studio, tiny_folder, owner=before)
    studio.exports.prepare(before, run.id, ADAPTER.key)
    studio.hand_over(before, after)
    offer = studio.exports.offer(after, run.id, ADAPTER.key)
    assert offer.prepare is not None and offer.prepare.open() and offer.prepare.owner == after and offer.mine
    assert studio.exports.prepare(after, run.id, ADAPTER.key).prepare == offer.prepare  # once, not twice
    studio.close()


def test_a_visitor_has_few_in_line_and_a_full_quota_is_a_sentence(tiny_home: Home, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = opened(tiny_home, mode="public", owner_disk_mb=200)
    owner = studio.owners.owner(studio.owners.new_key())
    run = learned_run(studio, tiny_folder, owner=owner)
    with pytest.raises(StorageError, match="of your 200 MB here"):
        studio.exports.prepare(owner, run.id, MERGED.key)
    monkeypatch.setattr(exports_module, "MOST_IN_LINE", 1)
    studio.exports.prepare(owner, run.id, ADAPTER.key)
    with pytest.raises(BusyError, match="being prepared or sent already"):
        studio.exports.prepare(owner, run.id, "gguf-adapter")
    studio.close()


def test_a_form_that_is_none_and_a_name_that_is_none_are_sentences(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder)
    with pytest.raises(RecipeError, match="cannot be had as"):
        studio.exports.prepare(LOCAL, run.id, "../merged")
    with pytest.raises(Exception, match="(?i)name"):
        studio.exports.push(LOCAL, run.id, ADAPTER.key, Push("a b/../c", True, "hf_secret"))
    with pytest.raises(BusyError, match="Give a token"):
        studio.exports.push(LOCAL, run.id, ADAPTER.key, Push("me/x", True, " "))


def test_too_little_memory_is_waited_for_or_said(studio: Studio, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = learned_run(studio, tiny_folder)
    monkeypatch.setattr(export_line, "free_memory", lambda: 10_000_000)
    busy = [True]
    monkeypatch.setattr(studio._export_line, "_busy", lambda: busy[0])
    studio.exports.prepare(LOCAL, run.id, MERGED.key)
    studio.start()
    offer = until(studio, run, MERGED, lambda offer: offer.prepare is not None and offer.prepare.doing != "")
    assert offer.prepare is not None and (offer.prepare.state, offer.prepare.doing) == ("queued", "Waits until memory is free")
    busy[0] = False
    offer = until(studio, run, MERGED, over)
    assert offer.prepare is not None and offer.prepare.state == "failed" and "0.0 GB are free" in offer.prepare.reason


def test_a_fault_of_ours_does_not_hold_up_the_line(studio: Studio, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = learned_run(studio, tiny_folder)
    real, faulty = export_line.ExportChild, [True]

    def child(environ: object, log: Path) -> export_line.ExportChild:
        if faulty.pop():
            raise RuntimeError("a fault")
        return real(environ, log)

    monkeypatch.setattr(export_line, "ExportChild", child)
    faulty.insert(0, False)
    studio.exports.prepare(LOCAL, run.id, MERGED.key)
    studio.exports.prepare(LOCAL, run.id, ADAPTER.key)
    studio.start()
    offer = until(studio, run, MERGED, over)
    assert offer.prepare is not None and (offer.prepare.state, offer.prepare.reason) == ("failed", export_line.FAULT)
    assert until(studio, run, ADAPTER, over).ready is not None


def test_a_deleted_model_is_made_into_nothing_any_more(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder)
    studio.exports.prepare(LOCAL, run.id, MERGED.key)
    studio.start()
    until(studio, run, MERGED, lambda offer: offer.prepare is not None and offer.prepare.state == "running")
    studio.delete(LOCAL, run.id)
    time.sleep(1)
    assert not run.path.exists() and list(studio.home.runs.iterdir()) == []


def test_what_is_renamed_or_goes_on_is_prepared_anew(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder)
    for change in (lambda: studio.rename(LOCAL, run.id, "Another name"), lambda: studio.resume(LOCAL, run.id)):
        (run.exports / "merged").mkdir(parents=True)
        mark(run, "merged", 1.0)
        studio.exports.prepare(LOCAL, run.id, ADAPTER.key)
        studio.ledger.move(studio.run(LOCAL, run.id).job.id, ("finished",), "stopped")
        change()
        assert prepared(run, "merged") is None and not (run.exports / "merged").exists()
        assert studio.exports._queue.all_of_run(run.id) == []


def test_of_everyones_example_nobody_sees_or_stops_anothers_sending(tiny_home: Home, tiny_folder: Path) -> None:
    studio = opened(tiny_home, mode="public")
    ann, bob = (studio.owners.owner(studio.owners.new_key()) for _ in range(2))
    run = learned_run(studio, tiny_folder, owner=EVERYONE)
    studio.exports.push(ann, run.id, ADAPTER.key, Push("ann/secret", True, TOKEN))
    seen = studio.exports.offer(bob, run.id, ADAPTER.key)
    assert seen.push is None and seen.prepare is not None and not seen.mine
    studio.exports.stop(bob, run.id, ADAPTER.key)
    mine = studio.exports.offer(ann, run.id, ADAPTER.key)
    assert mine.push is not None and mine.push.open() and mine.prepare is not None and mine.prepare.open()
    assert studio.exports.push(bob, run.id, ADAPTER.key, Push("bob/own", True, TOKEN)).push.target == "bob/own"
    with pytest.raises(BusyError, match="being sent already"):
        studio.exports.push(ann, run.id, ADAPTER.key, Push("ann/other", True, TOKEN))
    assert studio.exports.offer(ann, run.id, ADAPTER.key).push.target == "ann/secret"
    studio.close()


def test_what_waits_for_memory_holds_up_nobody(studio: Studio, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = learned_run(studio, tiny_folder, "large"), learned_run(studio, tiny_folder, "small")
    monkeypatch.setattr(export_line, "free_memory", lambda: 1_100_000_000)
    monkeypatch.setattr(studio._export_line, "_busy", lambda: True)
    studio.exports.prepare(LOCAL, large.id, MERGED.key)
    studio.exports.prepare(LOCAL, small.id, ADAPTER.key)
    studio.start()
    assert until(studio, small, ADAPTER, over).ready is not None
    waits = studio.exports.offer(LOCAL, large.id, MERGED.key).prepare
    assert waits is not None and (waits.state, waits.doing) == ("queued", "Waits until memory is free")


def test_what_another_process_takes_out_of_the_line_is_given_up(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder)
    studio.exports.prepare(LOCAL, run.id, MERGED.key)
    studio.start()
    until(studio, run, MERGED, lambda offer: offer.prepare is not None and offer.prepare.state == "running")
    other = opened(studio.home)
    other.rename(LOCAL, run.id, "Renamed by a command")
    other.close()
    until(studio, run, MERGED, over)
    deadline = time.monotonic() + 30
    while studio._export_line._running is not None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert prepared(run, "merged") is None or "Renamed by a command" in (run.exports / "merged" / "README.md").read_text()


def test_a_row_that_a_full_disk_left_running_is_ended_and_the_line_goes_on(studio: Studio, tiny_folder: Path) -> None:
    left, waits = learned_run(studio, tiny_folder, "left"), learned_run(studio, tiny_folder, "waits")
    studio.start()
    time.sleep(0.2)
    with studio.ledger.connect() as db:  # as a tick leaves it that could not write its end
        db.execute(
            "INSERT INTO exports(run, form, op, owner, state, queued) VALUES(?, 'adapter', 'prepare', ?, 'running', 1.0)", (left.id, LOCAL)
        )
    studio.exports.prepare(LOCAL, waits.id, ADAPTER.key)
    assert until(studio, waits, ADAPTER, over).ready is not None
    row = studio.exports.offer(LOCAL, left.id, ADAPTER.key).prepare
    assert row is not None and (row.state, row.reason) == ("failed", export_line.CUT_OFF)


def test_damaged_weights_are_a_sentence_and_the_line_goes_on(studio: Studio, tiny_folder: Path) -> None:
    broken, whole = learned_run(studio, tiny_folder, "broken"), learned_run(studio, tiny_folder, "whole")
    (broken.adapter / "adapter_model.safetensors").write_bytes(b"no weights")
    studio.exports.prepare(LOCAL, broken.id, MERGED.key)
    studio.exports.prepare(LOCAL, whole.id, MERGED.key)
    studio.start()
    offer = until(studio, broken, MERGED, over)
    assert offer.prepare is not None and offer.prepare.reason.startswith("The weights of this model are damaged")
    assert until(studio, whole, MERGED, over).ready is not None
    assert not list(broken.exports.glob(".*")) and not list(broken.exports.glob("*.json"))


def test_a_token_is_in_no_row_and_no_repr(studio: Studio, tiny_folder: Path) -> None:
    run = learned_run(studio, tiny_folder)
    push = Push("me/x", True, "hf_very_secret")
    assert "secret" not in repr(push)
    studio.exports.push(LOCAL, run.id, ADAPTER.key, push)
    rows = studio.exports.offer(LOCAL, run.id, ADAPTER.key)
    assert rows.prepare is not None and rows.push is not None and (rows.prepare.op, rows.push.op, rows.push.target) == (PREPARE, PUSH, "me/x")
    studio.ledger.close()
    held = b"".join(path.read_bytes() for path in studio.home.path.rglob("*") if path.is_file())
    assert b"hf_very_secret" not in held


@pytest.fixture
def hub() -> Iterator[FakeModelHub]:
    with FakeModelHub() as made:
        yield made


@pytest.fixture
def sending(tiny_home: Home, tiny_folder: Path, hub: FakeModelHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Studio, RunDir]]:
    """A server whose Hub is on this machine, and a finished model."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    studio = opened(tiny_home, offline=False)
    run = learned_run(studio, tiny_folder)
    studio.start()
    yield studio, run
    studio.close()


def test_a_model_is_prepared_and_sent(sending: tuple[Studio, RunDir], hub: FakeModelHub) -> None:
    studio, run = sending
    studio.exports.push(LOCAL, run.id, MERGED.key, Push(f"{ME}/open", False, TOKEN))
    push = until(studio, run, MERGED, lambda offer: over(offer) and offer.push is not None).push
    assert push is not None and (push.state, push.target) == ("finished", f"{hub.url}/{ME}/open"), push
    assert set(hub.repos[f"{ME}/open"].added()) == MERGED_FILES and not hub.repos[f"{ME}/open"].private and hub.problems == []
    sent = hub.repos[f"{ME}/open"].files["README.md"]
    assert sent != hashlib.sha256((run.exports / "merged" / "README.md").read_bytes()).hexdigest()
    assert sent == hashlib.sha256(card(about_run(run), "merged", f"{ME}/open").encode()).hexdigest()  # it is used under the name that it has there


def test_a_sending_that_is_stopped_leaves_nothing_on_the_hub(sending: tuple[Studio, RunDir], hub: FakeModelHub) -> None:
    studio, run = sending
    created = threading.Event()

    def slowly(step: str) -> None:
        if step == "preupload":
            created.set()
            time.sleep(1)

    hub.during = slowly
    studio.exports.push(LOCAL, run.id, ADAPTER.key, Push("faq", True, TOKEN))
    assert created.wait(30) and hub.repos
    studio.exports.stop(LOCAL, run.id, ADAPTER.key)
    push = until(studio, run, ADAPTER, over).push
    assert push is not None and push.state == "stopped" and push.reason == "You stopped it. Nothing was published." and hub.repos == {}
    studio.exports.push(LOCAL, run.id, ADAPTER.key, Push("faq", True, TOKEN))
    hub.during = lambda step: None
    push = until(studio, run, ADAPTER, over).push
    assert push is not None and push.state == "finished" and push.target == f"{hub.url}/{ME}/faq"


def test_a_token_that_is_wrong_is_a_sentence(sending: tuple[Studio, RunDir], hub: FakeModelHub) -> None:
    studio, run = sending
    hub.faults["whoami"] = Fault(401, message="Invalid credentials in Authorization header")
    studio.exports.push(LOCAL, run.id, ADAPTER.key, Push("faq", True, TOKEN))
    push = until(studio, run, ADAPTER, over).push
    assert push is not None and push.state == "failed" and "token" in push.reason and hub.repos == {}
