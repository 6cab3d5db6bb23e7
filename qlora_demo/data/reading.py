"""From a file to a table: reads it as what its content is, whatever it is called."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from qlora_demo.data.archive import Inside, look_inside, read_members
from qlora_demo.data.choices import Choices
from qlora_demo.data.decoding import TextFile, decode, decode_bytes
from qlora_demo.data.delimited import read_delimited
from qlora_demo.data.exports.find import read_json_export, read_text_export
from qlora_demo.data.json_rows import read_document, read_json_text
from qlora_demo.data.parquet import read_parquet
from qlora_demo.data.passages import is_prose, read_passages
from qlora_demo.data.table import Limits, Table
from qlora_demo.data.wording import shown_name
from qlora_demo.data.workbook import read_workbook
from qlora_demo.errors import DataError

JSON_SUFFIXES = ("json", "jsonl", "ndjson")
JSON_START = re.compile(r'\s*(\{\s*"|\[\s*[\[{])')
"""No table of ours begins like this, so that JSON under any other name is read as JSON."""
ZIP, PARQUET, OLD_OFFICE = b"PK\x03\x04", (b"PAR1", b"PARE"), b"\xd0\xcf\x11\xe0"


def read_table(path: Path, display_name: str, choices: Choices, limits: Limits) -> Table:
    """`path` is a regular file of ours that stays as it is: it is read several times. `display_name` is what the person calls it: it gives the
    suffix and stands in sentences, and is never opened. Raises DataError."""
    name = shown_name(display_name)
    suffix = display_name.rpartition(".")[2].strip().lower()
    with path.open("rb") as file:
        start = file.read(4)
    if start in PARQUET:
        return read_parquet(path, name, limits)
    if start == OLD_OFFICE:
        return read_workbook(path, name, choices.sheet, limits)
    if start == ZIP:
        inside = look_inside(path, name, limits)
        if inside.kind == "workbook":
            return read_workbook(path, name, choices.sheet, limits)
        return _read_export(path, name, inside, choices.speaker, limits)
    return _read_text(path, name, suffix, choices.speaker, limits)


def _read_text(path: Path, name: str, suffix: str, speaker: str, limits: Limits) -> Table:
    file = decode(path, name, suffix)
    head = file.head()
    if suffix in JSON_SUFFIXES or JSON_START.match(head):
        table = read_json_text(file, name, suffix, limits, speaker)
    else:
        table = read_text_export(file.lines, name, speaker) or _read_plain(file, head, name, suffix, limits)
    return replace(table, notes=(*file.notes, *table.notes))


def _read_plain(file: TextFile, head: str, name: str, suffix: str, limits: Limits) -> Table:
    return read_passages(file, name) if is_prose(head, suffix) else read_delimited(file, name, suffix, limits)


def _read_export(path: Path, name: str, inside: Inside, speaker: str, limits: Limits) -> Table:
    """A chat export in a ZIP file. One in several JSON files is a list in each."""
    members = read_members(path, inside, name, limits)
    if all(member.endswith(".txt") for member, _ in members):
        unpacked = path.with_name("unpacked")
        unpacked.write_bytes(b"\n".join(content for _, content in members))
        table = read_text_export(decode(unpacked, name, "txt").lines, name, speaker)
    else:
        documents = [read_document(decode_bytes(content, name), name) for _, content in members]
        whole = documents[0] if len(documents) == 1 else [chat for document in documents if isinstance(document, list) for chat in document]
        table = read_json_export(whole, name, speaker)
    if table is None:
        raise DataError(f"{name} looks like a chat export, but no chat was found in it. Unpack it and upload the file inside.")
    return table
