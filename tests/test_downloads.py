"""Downloads: names, tickets, and an archive that is made while it is sent."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from data.served import Served, serve
from finished import FILES, filled, finished
from runs import conversations
from ui.ui_examples import EARLIER, TEXTS

from qlora_demo import downloads
from qlora_demo.data.conversation import Conversation, Message, read_rows, write_rows
from qlora_demo.downloads import TICKET_SECONDS, AnswersFile, Folder, Tickets, safe_name
from qlora_demo.errors import BusyError, NotFoundError
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import RunDir, write_json
from qlora_demo.studio import Studio
from qlora_demo.web.download import NO_TICKET


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("My FAQ", "My FAQ"),
        ("../../etc/passwd", "etc-passwd"),
        ("$(touch x); rm -rf /", "touch x- rm -rf"),
        ("--flag", "flag"),
        ("two\nlines\r\nSet-Cookie: x", "two-lines-Set-Cookie- x"),
        ('a"b\\c\x00d', "a-b-c-d"),
        ("Zwölf Fälle", "Zwölf Fälle"),
        ("...", "model"),
        ("", "model"),
        ("CON", "model"),
        ("nul.txt", "model"),
        ("<script>", "script"),
        ("x" * 500, "x" * 60),
    ],
)
def test_a_name_becomes_a_files_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_the_header_has_the_name_twice() -> None:
    assert Folder(Path("x"), "Zwölf\r\nX: y").disposition() == "attachment; filename=\"Zw_lf-X- y.zip\"; filename*=UTF-8''Zw%C3%B6lf-X-%20y.zip"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(filled(tmp_path / "adapter"), "My FAQ")


def content(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_an_archive_has_all_files_and_its_length_is_known(folder: Folder) -> None:
    opened = folder.open()
    length, pieces = opened.length(), list(opened.pieces())
    assert length == sum(map(len, pieces))
    assert max(map(len, pieces)) < 1_100_000
    assert content(b"".join(pieces)) == {f"My FAQ/{name}": held for name, held in FILES.items()}


def test_what_is_deleted_meanwhile_still_arrives_whole(folder: Folder) -> None:
    opened = folder.open()
    for name in FILES:
        (folder.path / name).unlink()
    assert content(b"".join(opened.pieces()))["My FAQ/adapter_model.safetensors"] == FILES["adapter_model.safetensors"]


def test_an_archive_with_a_file_of_gigabytes(tmp_path: Path) -> None:
    """zip's longer form; the file has holes and takes no room."""
    (tmp_path / "big").mkdir()
    with (tmp_path / "big" / "model.safetensors").open("wb") as file:
        file.truncate(2**31 + 5)
    opened = Folder(tmp_path / "big", "big").open()
    assert opened.length() is None
    with (tmp_path / "out.zip").open("wb") as out:
        for piece in opened.pieces():
            if piece.count(0) == len(piece):
                out.seek(len(piece), io.SEEK_CUR)
            else:
                out.write(piece)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.getinfo("big/model.safetensors").file_size == 2**31 + 5


def test_a_ticket_is_for_one_folder_and_for_some_minutes(folder: Folder) -> None:
    now = [1000.0]
    tickets = Tickets(lambda: now[0])
    ticket = tickets.mint(folder)
    assert len(ticket) == 22
    assert tickets.mint(folder) != ticket
    assert tickets.what(ticket) == tickets.what(ticket) == folder
    assert [tickets.what(other) for other in ("", ticket[:-1], ticket + "A", ticket.lower(), "../x", "\u00e9")] == [None] * 6
    assert ticket not in repr(vars(tickets))
    now[0] += TICKET_SECONDS + 1
    assert tickets.what(ticket) is None


def test_the_oldest_tickets_go_first(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "MOST_TICKETS", 3)
    tickets = Tickets()
    minted = [tickets.mint(folder) for _ in range(5)]
    assert [tickets.what(ticket) is not None for ticket in minted] == [False, False, True, True, True]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    (tmp_path / "uploads").mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    with serve(tmp_path, max_upload_mb=10) as made:
        yield made


def test_over_http(served: Served, tmp_path: Path) -> None:
    studio = served.studio
    run = finished(studio, tmp_path, "Zwölf ../$(x)", conversations(30)).id
    with pytest.raises(NotFoundError, match="There is no such model of yours"):
        studio.download("somebody else", run)
    ticket = studio.download(LOCAL, run)
    whole = httpx2.get(f"{served.url}download/{ticket}", timeout=60)
    assert whole.status_code == 200
    assert whole.headers["content-type"] == "application/zip"
    assert whole.headers["content-disposition"] == "attachment; filename=\"Zw_lf ..-x.zip\"; filename*=UTF-8''Zw%C3%B6lf%20..-x.zip"
    found = {name.partition("/")[2]: held for name, held in content(whole.content).items()}
    assert set(found) == {*FILES, "README.md"} and found["adapter_model.safetensors"] == FILES["adapter_model.safetensors"]
    assert json.loads(found["adapter_config.json"])["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    head = httpx2.head(f"{served.url}download/{ticket}", timeout=60)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole.content)), b"")
    assert httpx2.post(f"{served.url}download/{ticket}", timeout=60).status_code == 404
    studio.delete(LOCAL, run)
    gone = httpx2.get(f"{served.url}download/{ticket}", timeout=60)
    never = httpx2.get(f"{served.url}download/{'A' * 22}", timeout=60)
    assert (gone.status_code, gone.text) == (never.status_code, never.text) == (404, NO_TICKET)


def with_report(studio: Studio, folder: Path, name: str, report: dict) -> RunDir:
    """A finished run with a report on its first two rows set aside."""
    run = finished(studio, folder, name, conversations(30))
    rows = read_rows(run.held_out_jsonl)
    answers = [{**answer, "row": place} for place, answer in enumerate(report["answers"])]
    write_json(run.report_json, {**report, "answers": answers})
    assert len(rows) > 2
    return run


def test_answers_over_http(served: Served, tmp_path: Path) -> None:
    studio = served.studio
    run = with_report(studio, tmp_path, "My FAQ", TEXTS)
    rows = read_rows(run.held_out_jsonl)
    table = httpx2.get(f"{served.url}download/{studio.download(LOCAL, run.id, 'csv')}", timeout=60)
    assert (table.status_code, table.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert "filename=\"My FAQ, answers.csv\"" in table.headers["content-disposition"]
    assert table.headers["content-disposition"].startswith("attachment") and table.headers["x-content-type-options"] == "nosniff"
    lines = list(csv.DictReader(io.StringIO(table.content.decode("utf-8-sig"), newline="")))
    assert len(lines) == len(rows) and (lines[0]["your model's answer"], lines[2]["your model's answer"]) == ("I am Wilna.", "")
    ticket = studio.download(LOCAL, run.id, "jsonl")
    whole = httpx2.get(f"{served.url}download/{ticket}", timeout=60)
    assert [json.loads(line)["expected"] for line in whole.text.splitlines()] == [row.answer() for row in rows]
    head = httpx2.head(f"{served.url}download/{ticket}", timeout=60)
    assert (head.headers["content-length"], head.content) == (str(len(whole.content)), b"")
    run.report_json.unlink()
    assert httpx2.get(f"{served.url}download/{ticket}", timeout=60).text == NO_TICKET
    with pytest.raises(NotFoundError, match="There is no such model of yours"):
        studio.download("somebody else", run.id, "csv")


def test_without_answers_there_are_none_to_download(served: Served, tmp_path: Path) -> None:
    for report in (None, {**TEXTS, "answers": []}):
        run = finished(served.studio, tmp_path, "x", conversations(30))
        if report:
            write_json(run.report_json, report)
        with pytest.raises(BusyError, match="was not asked anything at its end"):
            served.studio.download(LOCAL, run.id, "csv")


def test_an_earlier_versions_answers_can_be_taken_along_too(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.data.mkdir()
    asked = Conversation((Message("user", "Who are you?"), Message("assistant", "I am Wilna.")))
    write_rows(run.held_out_jsonl, [*conversations(2), asked])
    write_json(run.report_json, EARLIER)
    lines = b"".join(AnswersFile(run, "x", "jsonl").open().pieces()).decode().splitlines()
    assert [json.loads(line)["adapted"] for line in lines] == [None, None, "I am Wilna."]


def test_a_run_that_is_not_finished_has_nothing_to_download(served: Served, tmp_path: Path) -> None:
    run = finished(served.studio, tmp_path, "x", conversations(30)).id
    served.studio.home.run(run).result_json.unlink()
    with pytest.raises(BusyError, match="not finished, so it cannot be downloaded yet"):
        served.studio.download(LOCAL, run)


def test_a_slow_reader_holds_up_nobody(served: Served, tmp_path: Path) -> None:
    """Many begin a large download and take nothing of it: the page answers as before."""
    (tmp_path / "big").mkdir()
    with (tmp_path / "big" / "model.safetensors").open("wb") as file:
        file.truncate(500_000_000)
    url = f"{served.url}download/{served.studio.tickets.mint(Folder(tmp_path / 'big', 'big'))}"
    with httpx2.Client(timeout=60) as client:
        streams = [client.stream("GET", url) for _ in range(60)]
        for stream in streams:
            assert stream.__enter__().status_code == 200
        begun = time.monotonic()
        assert httpx2.get(f"{served.url}healthz", timeout=60).json() == {"status": "failing", "failing": ["scheduler"]}
        assert httpx2.get(served.url, timeout=60).status_code == 200
        assert time.monotonic() - begun < 5
        for stream in streams:
            stream.__exit__(None, None, None)
