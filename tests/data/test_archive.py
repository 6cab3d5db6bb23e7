"""What a ZIP file is, and what is read of it. Whatever the bytes are, a person gets a sentence."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qlora_demo.data.archive import Inside, look_inside, read_members
from qlora_demo.data.table import Limits
from qlora_demo.errors import DataError

ODS = b"application/vnd.oasis.opendocument.spreadsheet"


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return buffer.getvalue()


def look(folder: Path, content: bytes) -> Inside:
    (folder / "upload").write_bytes(content)
    return look_inside(folder / "upload", "a.zip", Limits())


def refusal(folder: Path, content: bytes, limits: Limits | None = None) -> str:
    (folder / "upload").write_bytes(content)
    with pytest.raises(DataError) as error:
        inside = look_inside(folder / "upload", "a.zip", limits or Limits())
        read_members(folder / "upload", inside, "a.zip", limits or Limits())
    return str(error.value)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (("xl/workbook.xml", "xl/sharedStrings.xml", "xl/media/a.png"), ("xl/sharedStrings.xml", "xl/workbook.xml")),
        (("conversations.json", "chat.html", "user.json"), ("conversations.json",)),
        (("export/conversations-001.json", "export/conversations-000.json"), ("export/conversations-000.json", "export/conversations-001.json")),
        (("_chat.txt", "photo.jpg", "__MACOSX/_chat.txt"), ("_chat.txt",)),
        (("WhatsApp-Chat mit Anna.txt", "notes.txt"), ("WhatsApp-Chat mit Anna.txt",)),
        (("ChatExport/result.json", "ChatExport/photos/a.jpg"), ("ChatExport/result.json",)),
    ],
)
def test_workbooks_and_chat_exports(tmp_path: Path, members: tuple[str, ...], expected: tuple[str, ...]) -> None:
    kind = "workbook" if "xl/workbook.xml" in members else "chat export"
    assert look(tmp_path, packed(dict.fromkeys(members, b"x"))) == Inside(kind, expected)


def test_a_libre_office_workbook_is_told_by_its_mime_type(tmp_path: Path) -> None:
    members = {"mimetype": ODS, "content.xml": b"x", "META-INF/manifest.xml": b"x"}
    assert look(tmp_path, packed(members)) == Inside("workbook", ("content.xml", "META-INF/manifest.xml"))
    text = refusal(tmp_path, packed({**members, "mimetype": b"application/vnd.oasis.opendocument.text"}))
    assert text == "a.zip is an office document without a table. Copy its text into a table and upload that."


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        (("word/document.xml",), "a.zip is a Word document. Copy its text into a table and upload that."),
        (("xl/workbook.bin",), "a.zip is a binary Excel workbook (xlsb). Save it as .xlsx or CSV and upload that."),
        (("a.csv",), "a.zip is an archive (ZIP). Unpack it and upload the file inside."),
        ((), "a.zip is an archive (ZIP). Unpack it and upload the file inside."),
        (("a/conversations.json", "b/conversations.json"), "a.zip is an archive (ZIP). Unpack it and upload the file inside."),
        (("deep/down/here/conversations.json",), "a.zip is an archive (ZIP). Unpack it and upload the file inside."),
        (("_chat.txt", "WhatsApp Chat.txt"), "a.zip is an archive (ZIP). Unpack it and upload the file inside."),
        (("b.zip",), "a.zip is an archive (ZIP) with another archive inside. Unpack both and upload the file that you find."),
    ],
)
def test_anything_else_says_what_it_is(tmp_path: Path, members: tuple[str, ...], sentence: str) -> None:
    assert refusal(tmp_path, packed(dict.fromkeys(members, b"x"))) == sentence


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_whole_and_nothing_is_written(tmp_path: Path, method: int) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "upload").write_bytes(packed({"conversations-0.json": content, "conversations-1.json": b"", "../../evil.txt": b"x"}, method))
    inside = look_inside(tmp_path / "upload", "a.zip", Limits())
    read = read_members(tmp_path / "upload", inside, "a.zip", Limits())
    assert read == [("conversations-0.json", content), ("conversations-1.json", b"")]
    assert [path.name for path in tmp_path.iterdir()] == ["upload"]


def test_a_member_written_as_a_stream_is_read(tmp_path: Path) -> None:
    class OneWay(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    buffer = OneWay()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("result.json", "w", force_zip64=True) as member:
        member.write(b'{"a": 1}')
    (tmp_path / "upload").write_bytes(buffer.getvalue())
    inside = look_inside(tmp_path / "upload", "a.zip", Limits())
    assert read_members(tmp_path / "upload", inside, "a.zip", Limits()) == [("result.json", b'{"a": 1}')]


def test_the_budget_counts_what_really_comes_out(tmp_path: Path) -> None:
    content = packed({"result.json": b"0" * 50_000_000})
    lying = content.replace((50_000_000).to_bytes(4, "little"), (7).to_bytes(4, "little"))
    assert lying != content
    for bomb in (content, lying):
        assert refusal(tmp_path, bomb, Limits(max_unpacked_bytes=2_000_000)) == "a.zip unpacks to more than 2 MB. Upload a smaller file."


def test_broken_protected_and_ambiguous_files(tmp_path: Path) -> None:
    good = packed({"result.json": b'{"a": "' + bytes(range(97, 122)) * 9 + b'"}', "b": b"x"})
    broken = "a.zip is broken or cut off: it cannot be unpacked. Save or download it again and upload that."
    assert refusal(tmp_path, good[:-30]) == broken
    assert refusal(tmp_path, good[:50] + b"\xff\xff\xff" + good[53:]) == broken
    assert refusal(tmp_path, b"PK\x03\x04") == broken
    at = good.index(b"PK\x01\x02")
    protected = good[: at + 8] + b"\x01" + good[at + 9 :]
    assert refusal(tmp_path, protected) == "a.zip is protected with a password. Save it without one and upload it again."
    with pytest.warns(UserWarning, match="Duplicate"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("result.json", "1")
            archive.writestr("result.json", "2")
    twice = "a.zip holds 'result.json' twice, so that nobody can tell which one counts. Save it again and upload that."
    assert refusal(tmp_path, buffer.getvalue()) == twice
    unusual = "a.zip is packed in an unusual way. Unpack it, pack it again as a plain ZIP file and upload that."
    assert refusal(tmp_path, packed({"result.json": b"x"}, zipfile.ZIP_BZIP2)) == unusual


@pytest.mark.parametrize("count", [10_001, 200_000])
def test_too_many_members(tmp_path: Path, count: int) -> None:
    end = packed({"a": b""})
    entry = end[end.index(b"PK\x01\x02") : end.index(b"PK\x05\x06")]
    tail = bytearray(end[end.index(b"PK\x05\x06") :])
    tail[8:12] = (0xFFFF).to_bytes(2, "little") * 2
    tail[12:16] = (len(entry) * count).to_bytes(4, "little")
    content = end[: end.index(b"PK\x01\x02")] + entry * count + bytes(tail)
    assert refusal(tmp_path, content) == "a.zip is an archive with more than 10,000 files inside. Unpack it and upload the file inside."


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 600), cut=st.integers(0, 40), put=st.binary(max_size=6))
def test_good_files_with_one_slip(tmp_path: Path, at: int, cut: int, put: bytes) -> None:
    good = packed({"conversations-0.json": b"[1, 2]" * 20, "conversations-1.json": b"[]", "mimetype": ODS})
    (tmp_path / "upload").write_bytes(good[:at] + put + good[at + cut :])
    try:
        inside = look_inside(tmp_path / "upload", "a.zip", Limits())
        read_members(tmp_path / "upload", inside, "a.zip", Limits())
    except DataError as error:
        assert str(error).endswith(".")
