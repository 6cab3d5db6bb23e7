"""An upload request holds one file."""

from __future__ import annotations

import pytest
from starlette.formparsers import MultiPartException

from qlora_demo.web.one_file import NO_FILE, ONE, OneFile

HEAD = b'--XX\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
FIELD = b'--XX\r\nContent-Disposition: form-data; name="files"\r\n\r\n'
END = b"\r\n--XX--\r\n"


def fed(body: bytes, size: int) -> str:
    seen = OneFile(b"XX")
    try:
        for at in range(0, len(body), size):
            seen.feed(body[at : at + size])
    except MultiPartException as error:
        return error.message
    return ""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_in_pieces_of_any_size(size: int) -> None:
    content = b"a,b\r\n--X\r\n--XY\r\n" * 20
    assert fed(HEAD + content + END, size) == ""
    assert fed(HEAD + END, size) == ""
    assert fed(HEAD + content + b"\r\n" + HEAD + content + END, size) == ONE
    assert fed(HEAD + content + b"\r\n" + FIELD + b"x" * 1000 + END, size) == ONE
    assert fed(FIELD + b"x" * 1000 + END, size) == NO_FILE
    assert fed(b"junk" + HEAD + END, size) == NO_FILE
    assert fed(HEAD.replace(b"files", b"other") + END, size) == NO_FILE


def test_a_head_without_end_is_not_kept() -> None:
    assert fed(b"--XX\r\n" + b"A" * 100_000, 1000) == NO_FILE
