"""What a ZIP file is: a workbook, a chat export, or something that is no data. Reads its members within a budget and writes none to the disk."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from qlora_demo.data.decoding import UNPACK
from qlora_demo.data.table import Limits
from qlora_demo.data.wording import megabytes, shown
from qlora_demo.errors import DataError

MAX_MEMBERS = 10_000
MAX_DIRECTORY = 8_000_000
"""Bytes of the list of members at the end of the file."""
PIECE = 1 << 18
LOCAL_HEADER = 30
PASSWORD_FLAG = 0x1
EXCEL, LIBRE_OFFICE = "xl/workbook.xml", "content.xml"
SHARED_STRINGS = "xl/sharedstrings.xml"
MIME_TYPE, SPREADSHEET = "mimetype", b"application/vnd.oasis.opendocument.spreadsheet"
PARTS = (".xml", ".rels")
"""Of a workbook, what holds cells and how they are put together; no pictures, no macros."""
READ = (*PARTS, ".json", ".txt")
CHATS = re.compile(r"([^/]+/)?conversations(-\d+)?\.json")  # ChatGPT, and Claude, which splits a long one
TELEGRAM = re.compile(r"([^/]+/)?result\.json")
WHATSAPP = re.compile(r"([^/]+/)?(_chat|WhatsApp[^/]*)\.txt")
PACKED = (".zip", ".7z", ".rar", ".gz", ".tar", ".tgz")

COPY = "Copy its text into a table and upload that."
# (a member's name in small letters, what such a file is, the way out)
OTHERS = (
    ("word/document.xml", "a Word document", COPY),
    ("ppt/presentation.xml", "a PowerPoint presentation", COPY),
    ("xl/workbook.bin", "a binary Excel workbook (xlsb)", "Save it as .xlsx or CSV and upload that."),
    ("index/document.iwa", "an Apple document (Numbers, Pages or Keynote)", "Export its table as CSV and upload that."),
    ("meta-inf/container.xml", "a book (EPUB)", COPY),
    (LIBRE_OFFICE, "an office document without a table", COPY),
    ("androidmanifest.xml", "a program", "Upload a table, JSON, or text."),
)


@dataclass(frozen=True)
class Inside:
    """`kind` is "workbook" or "chat export", `members` the names to read, as the file spells them."""

    kind: str
    members: tuple[str, ...]


def look_inside(path: Path, name: str, limits: Limits) -> Inside:
    """Raises DataError for any other ZIP file, and for a broken or protected one."""
    members = _members(path, name)
    by_name = {_plain(info.filename): info.filename for info in members}
    if "xl/workbook.bin" not in by_name and (EXCEL in by_name or _is_spreadsheet(path, by_name, name, limits)):
        parts = sorted((n for n in by_name if n.endswith(PARTS)), key=lambda n: n != SHARED_STRINGS)
        return Inside("workbook", tuple(by_name[n] for n in parts))
    chats = _chat_members([info.filename for info in members])
    if chats:
        return Inside("chat export", chats)
    for member, what, way_out in OTHERS:
        if member in by_name:
            raise DataError(f"{name} is {what}. {way_out}")
    if any(n.endswith(PACKED) for n in by_name):
        raise DataError(f"{name} is an archive (ZIP) with another archive inside. Unpack both and upload the file that you find.")
    raise DataError(f"{name} is an archive (ZIP). {UNPACK}")


def read_members(path: Path, inside: Inside, name: str, limits: Limits) -> list[tuple[str, bytes]]:
    """(name, content) of each member. Raises DataError where they are broken, or unpack to more than `limits.max_unpacked_bytes` together."""
    pieces = unpacked(path, inside.members, name, limits.max_unpacked_bytes)
    return [(member, b"".join(piece for _, piece in group)) for member, group in groupby(pieces, key=lambda pair: pair[0])]


def unpacked(path: Path, members: Sequence[str], name: str, most: int) -> Iterator[tuple[str, bytes]]:
    """(name, next piece of its content) of one member after the other; an empty piece ends each. What a member says about its size is not
    believed. Raises DataError where they are broken, or unpack to more than `most` bytes together."""
    left = most
    by_name = {info.filename: info for info in _members(path, name)}
    with path.open("rb") as file:
        for member in members:
            for piece in _content(file, by_name[member], name):
                left -= len(piece)
                if left < 0:
                    raise DataError(f"{name} unpacks to more than {megabytes(most)}. Upload a smaller file.")
                if piece:
                    yield member, piece
            yield member, b""


def _plain(member: str) -> str:
    """Some programs write backslashes, and readers of workbooks tell no capitals from small letters."""
    return member.replace("\\", "/").lower()


def _members(path: Path, name: str) -> list[zipfile.ZipInfo]:
    """All but folders and what macOS adds. Raises DataError."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(_SmallReads(file)) as archive:
            members = [m for m in archive.infolist() if not m.filename.endswith("/") and not m.filename.startswith("__MACOSX/")]
    except zipfile.LargeZipFile as error:
        raise _too_many(name) from error
    except (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, OSError) as error:
        raise _broken(name) from error
    if len(members) > MAX_MEMBERS:
        raise _too_many(name)
    if any(m.flag_bits & PASSWORD_FLAG for m in members):
        raise DataError(f"{name} is protected with a password. Save it without one and upload it again.")
    twice = [n for n, times in Counter(_plain(m.filename) for m in members).items() if times > 1 and n.endswith(READ)]
    if twice:
        raise DataError(f"{name} holds '{shown(twice[0])}' twice, so that nobody can tell which one counts. Save it again and upload that.")
    return members


class _SmallReads:
    """An open file that refuses to read much at once: a ZIP file says itself how long its list of members is, and zipfile believes that."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY:
            raise zipfile.LargeZipFile
        return self.file.read(size)


def _content(file: BinaryIO, member: zipfile.ZipInfo, name: str) -> Iterator[bytes]:
    """A member's content in pieces of up to PIECE bytes."""
    file.seek(max(member.header_offset, 0))
    header = file.read(LOCAL_HEADER)
    if len(header) < LOCAL_HEADER or not header.startswith(b"PK\x03\x04"):
        raise _broken(name)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{name} is packed in an unusual way. Unpack it, pack it again as a plain ZIP file and upload that.")
    name_length, extra_length = struct.unpack("<HH", header[26:])
    file.seek(name_length + extra_length, 1)
    packed = _read(file, member.compress_size)
    check = 0
    for piece in packed if member.compress_type == zipfile.ZIP_STORED else _inflate(packed, name):
        check = zlib.crc32(piece, check)
        yield piece
    if check != member.CRC:
        raise _broken(name)


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (piece := file.read(min(PIECE, size))):
        size -= len(piece)
        yield piece


def _inflate(packed: Iterator[bytes], name: str) -> Iterator[bytes]:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    while not stream.eof:
        waiting = stream.unconsumed_tail or next(packed, b"")
        try:
            piece = stream.decompress(waiting, PIECE)
        except zlib.error as error:
            raise _broken(name) from error
        if not waiting and not piece:
            raise _broken(name)
        yield piece


def _is_spreadsheet(path: Path, by_name: dict[str, str], name: str, limits: Limits) -> bool:
    """LibreOffice writes documents of every kind alike; one member says which."""
    if LIBRE_OFFICE not in by_name or MIME_TYPE not in by_name:
        return False
    return any(piece.startswith(SPREADSHEET) for _, piece in unpacked(path, [by_name[MIME_TYPE]], name, limits.max_unpacked_bytes))


def _chat_members(names: Sequence[str]) -> tuple[str, ...]:
    """Those that hold the chats of a known export; none where it is not plain which."""
    chats = sorted(n for n in names if CHATS.fullmatch(n))
    if chats:
        return tuple(chats) if len({n.rpartition("/")[0] for n in chats}) == 1 else ()
    for pattern in (TELEGRAM, WHATSAPP):
        found = [n for n in names if pattern.fullmatch(n)]
        if len(found) == 1:
            return tuple(found)
    return ()


def _broken(name: str) -> DataError:
    return DataError(f"{name} is broken or cut off: it cannot be unpacked. Save or download it again and upload that.")


def _too_many(name: str) -> DataError:
    return DataError(f"{name} is an archive with more than {MAX_MEMBERS:,} files inside. {UNPACK}")
