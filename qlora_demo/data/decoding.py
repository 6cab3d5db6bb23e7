"""From a file's bytes to its text, or a sentence about what the file is instead. Looks at the whole file once, a piece at a time."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from qlora_demo.data.wording import Mistake, mistakes_error
from qlora_demo.errors import DataError

UPLOAD = "Upload a table, JSON, or text."
UNPACK = "Unpack it and upload the file inside."
SAVE_AS_CSV = "Save it as CSV and upload that."

# (offset, bytes there, what such a file is, the way out)
SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x89PNG", "an image", UPLOAD),
    (0, b"\xff\xd8\xff", "an image", UPLOAD),
    (0, b"GIF8", "an image", UPLOAD),
    (0, b"II*\x00", "an image", UPLOAD),
    (0, b"MM\x00*", "an image", UPLOAD),
    (8, b"WEBPVP8", "an image", UPLOAD),
    (8, b"WAVEfmt", "a sound", UPLOAD),
    (0, b"ID3\x03", "a sound", UPLOAD),
    (0, b"ID3\x04", "a sound", UPLOAD),
    (0, b"OggS\x00", "a sound", UPLOAD),
    (0, b"fLaC\x00", "a sound", UPLOAD),
    (0, b"\x1aE\xdf\xa3", "a video", UPLOAD),
    (0, b"%PDF-", "a PDF", "Copy its text into a table and upload that."),
    (0, b"\x1f\x8b", "a compressed file (gzip)", UNPACK),
    (0, b"BZh91AY", "a compressed file (bzip2)", UNPACK),
    (0, b"\xfd7zXZ", "a compressed file (xz)", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a compressed file (zstd)", UNPACK),
    (0, b"7z\xbc\xaf", "an archive (7z)", UNPACK),
    (0, b"Rar!", "an archive (RAR)", UNPACK),
    (257, b"ustar", "an archive (tar)", UNPACK),
    (0, b"ARROW1\x00", "an Arrow file", SAVE_AS_CSV),
    (0, b"\x89HDF", "an HDF5 file", SAVE_AS_CSV),
    (0, b"SQLite format 3", "a database", SAVE_AS_CSV),
    (0, b"\x93NUMPY", "a NumPy array", SAVE_AS_CSV),
    (0, b"GGUF\x03", "a language model", UPLOAD),
    (0, b"\x7fELF", "a program", UPLOAD),
    (0, b"MZ\x90\x00", "a program", UPLOAD),
    (0, b"\xcf\xfa\xed\xfe", "a program", UPLOAD),
    (0, b"\x80\x02", "a Python pickle", SAVE_AS_CSV),
    (0, b"\x80\x03", "a Python pickle", SAVE_AS_CSV),
    (0, b"\x80\x04", "a Python pickle", SAVE_AS_CSV),
    (0, b"\x80\x05", "a Python pickle", SAVE_AS_CSV),
)
# Files of text that are no data.
SUFFIXES = {
    "py": "a program",
    "ipynb": "a notebook",
    "js": "a program",
    "sh": "a program",
    "html": "a web page",
    "htm": "a web page",
    "xml": "an XML file",
    "pkl": "a Python pickle",
    "pickle": "a Python pickle",
    "arrow": "an Arrow file",
    "h5": "an HDF5 file",
    "tar": "an archive (tar)",
    "safetensors": "a language model",
}
MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
SAMPLE = 8192
PIECE = 1 << 20
HEAD = 1 << 18
CONTROLS = bytes(b for b in range(32) if b not in b"\t\n\r\f\x1b")

# What Windows-1252 text is made of, one line a group of languages. Letters of two lines in one file mean another encoding: Czech or Turkish read as
# Windows-1252 mixes them.
ALPHABETS = (
    "äöüßÄÖÜẞéèêàçñáÉ",
    "éèêëàâçîïôûùüÿæœÉÈÊËÀÂÇÎÏÔÛÙÜŸÆŒñ",
    "áéíóúñüÁÉÍÓÚÑÜªº",
    "áâãàçéêíóôõúüÁÂÃÀÇÉÊÍÓÔÕÚÜªº",
    "àèéìíòóùúÀÈÉÌÒÙ",
    "åäöæøéÅÄÖÆØÉüèà",
    "éëïöüèêáóíÉËÏÖÜ",
)
SIGNS = "\u00a0¡¿«»‹›‘’‚“”„–—…•·°§©®™€£¥¢±×÷²³½¼¾µ†‡"
ODD = re.compile(
    "[À-ÖØ-öø-ÿŠŒŽšœžŸ]{3}"
    "|(?<=[a-zß-öø-ÿ])[À-ÖØ-ÞŠŒŽŸ]|(?<=[A-Z])[À-ÖØ-ÞŠŒŽŸ](?=[a-zß-ÿ])"
    "|(?<=[A-Za-zÀ-ÿ])[¡¿«»‹›‚„•°§©®™€£¥¢±×÷½¼¾†‡](?=[A-Za-zÀ-ÿ])"
)
"""Three accented letters in a row, a capital one inside a word, or a sign between two letters that has no business there."""


@dataclass(frozen=True)
class TextFile:
    """A file of text and how its bytes become text. `open` gives it with \\n as its only line break, from the start each time."""

    path: Path
    encoding: str
    notes: tuple[str, ...] = ()

    def open(self) -> TextIO:
        return self.path.open(encoding=self.encoding, newline=None)

    def lines(self) -> Iterator[str]:
        """Without their line breaks."""
        with self.open() as file:
            for line in file:
                yield line.removesuffix("\n")

    def head(self) -> str:
        """The first quarter of a million characters, whole lines where there are any."""
        with self.open() as file:
            text = file.read(HEAD)
            return text if len(text) < HEAD else text[: text.rfind("\n") + 1] or text

    def text(self) -> str:
        with self.open() as file:
            return file.read()


def decode(path: Path, name: str, suffix: str) -> TextFile:
    """Raises DataError for what is no text, or text in an encoding that cannot be told."""
    if suffix in SUFFIXES:
        raise _is_instead(name, SUFFIXES[suffix], UPLOAD)
    with path.open("rb") as file:
        start = file.read(SAMPLE)
    mark, encoding, title = next((m for m in MARKS if start.startswith(m[0])), (b"", "utf-8", "UTF-8"))
    if not mark:
        _refuse_known(start, name)
    if encoding == "utf-8":
        _refuse_binary(start, name)
    wrong = _scan(path, name, encoding)
    if wrong is None:
        reading = {"utf-8": "utf-8-sig", "utf-16-le": "utf-16", "utf-16-be": "utf-16", "utf-32-le": "utf-32", "utf-32-be": "utf-32"}[encoding]
        return TextFile(path, reading, () if encoding == "utf-8" else (f"The file was read as {title} text.",))
    if encoding == "utf-8" and not mark and _is_western(path):
        note = "The file is not in UTF-8. It was read as Windows-1252 text; check that its accents look right."
        return TextFile(path, "cp1252", (note,))
    raise _undecodable(path, name, wrong, encoding, title)


def decode_bytes(data: bytes, name: str) -> str:
    """Text of a packed file's part, which is UTF-8. Raises DataError."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"A file inside {name} is not UTF-8 text (byte {error.start + 1:,}). Unpack it and save that file as UTF-8.") from error


def _is_instead(name: str, what: str, way_out: str) -> DataError:
    return DataError(f"{name} is {what}. {way_out}")


def _refuse_known(start: bytes, name: str) -> None:
    for offset, signature, what, way_out in SIGNATURES:
        if start.startswith(signature, offset):
            raise _is_instead(name, what, way_out)


def _refuse_binary(sample: bytes, name: str) -> None:
    """NUL bytes at every other place tell UTF-16 without its mark; many control characters tell a binary file."""
    nul = sample.count(0)
    one_side = max(sample[0::2].count(0), sample[1::2].count(0))
    if nul > len(sample) / 5 and one_side > 0.9 * nul:
        raise DataError(f"{name} seems to be UTF-16 text without its mark: it is full of NUL bytes. Save it as UTF-8 and upload it again.")
    controls = len(sample) - len(sample.translate(None, CONTROLS))
    if controls > max(8, len(sample) / 20):
        raise DataError(f"{name} is not a text file. {UPLOAD}")


def _pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of the whole file."""
    offset = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield offset, piece
            offset += len(piece)


def _scan(path: Path, name: str, encoding: str) -> int | None:
    """The offset of the first byte that is not of this encoding, None where all are. Raises DataError for NUL, and where nothing is written."""
    decoder = codecs.getincrementaldecoder(encoding)()
    waiting = 0  # bytes of a character that the last piece cut
    written = False
    for offset, piece in _pieces(path):
        try:
            text = decoder.decode(piece)
        except UnicodeDecodeError as error:
            return offset - waiting + error.start
        waiting = len(decoder.getstate()[0])
        if "\0" in text:
            at = piece.find(0) if encoding == "utf-8" else 0
            raise _holds_nul(path, name, encoding, offset + at)
        written = written or bool(text.lstrip("\ufeff").strip())
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return path.stat().st_size - waiting
    if not written:
        raise DataError(f"{name} is empty. Upload a file with column names and rows.")
    return None


def _holds_nul(path: Path, name: str, encoding: str, at: int) -> DataError:
    if encoding != "utf-8":
        with path.open(encoding=encoding, errors="replace", newline=None) as file:  # what comes after the NUL may be broken too
            line = next(number for number, text in enumerate(file, 1) if "\0" in text)
        return mistakes_error(name, [Mistake(f"line {line}", "a NUL character, which no text has", "holds", fatal=True)])
    what = f"a NUL byte (byte {at + 1:,} of the file), which no text has"
    return mistakes_error(name, [Mistake(f"line {_line_of(path, at, encoding)}", what, "holds", fatal=True)])


def _undecodable(path: Path, name: str, at: int, encoding: str, title: str) -> DataError:
    line = _line_of(path, at, encoding)
    what = f"{name} is not {title} text: line {line} holds a byte that does not belong there (byte {at + 1:,} of the file)."
    return DataError(f"{what} Save it as UTF-8, in a spreadsheet as 'CSV UTF-8', and upload it again.")


def _line_of(path: Path, at: int, encoding: str) -> int:
    """The line in which the byte at `at` stands."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    breaks, last = 0, ""
    for offset, piece in _pieces(path):
        text = decoder.decode(piece[: max(0, at - offset)])
        # \r\n is one break, though it may lie across two pieces
        breaks += text.count("\n") + text.count("\r") - text.count("\r\n") - (last == "\r" and text.startswith("\n"))
        last = text[-1:] or last
    return breaks + 1


def _is_western(path: Path) -> bool:
    """Whether the file can be Windows-1252 and nothing else that is common: its letters are of one alphabet, one or two of them at a time inside
    words, and its signs stand where signs stand."""
    letters: set[str] = set()
    for _, piece in _pieces(path):
        try:
            text = piece.decode("cp1252")
        except UnicodeDecodeError:
            return False
        high = {c for c in set(text) if c > "\x7f" and c not in SIGNS}
        letters |= high
        if not all(c.isalpha() for c in high) or ODD.search(text):
            return False
    return any(letters <= set(alphabet) for alphabet in ALPHABETS)
