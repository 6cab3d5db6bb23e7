"""From a file's bytes to its text, or a sentence about what the file is instead. Nothing is unpacked and no encoding is guessed."""

from __future__ import annotations

import codecs

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
    (0, b"\xd0\xcf\x11\xe0", "an old Office document", SAVE_AS_CSV),
    (0, b"\x1f\x8b", "a compressed file (gzip)", UNPACK),
    (0, b"BZh91AY", "a compressed file (bzip2)", UNPACK),
    (0, b"\xfd7zXZ", "a compressed file (xz)", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a compressed file (zstd)", UNPACK),
    (0, b"7z\xbc\xaf", "an archive (7z)", UNPACK),
    (0, b"Rar!", "an archive (RAR)", UNPACK),
    (257, b"ustar", "an archive (tar)", UNPACK),
    (0, b"PAR1\x15", "a Parquet file", SAVE_AS_CSV),
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
# A ZIP file is what the names inside it say.
ZIPPED: tuple[tuple[bytes, str, str], ...] = (
    (b"xl/", "an Excel workbook", SAVE_AS_CSV),
    (b"opendocument.spreadsheet", "a LibreOffice workbook", SAVE_AS_CSV),
    (b"word/", "a Word document", "Copy its text into a table and upload that."),
    (b"", "an archive (ZIP)", UNPACK),
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
CONTROLS = bytes(b for b in range(32) if b not in b"\t\n\r\f\x1b")


def decode(data: bytes, name: str, suffix: str) -> tuple[str, tuple[str, ...]]:
    """(text with \\n as its only line break, notes). Raises DataError for what is no text, or text in an encoding that cannot be told."""
    if suffix in SUFFIXES:
        raise _is_instead(name, SUFFIXES[suffix], UPLOAD)
    mark, encoding, title = next((m for m in MARKS if data.startswith(m[0])), (b"", "utf-8", "UTF-8"))
    if not mark:
        _refuse_known(data, name)
    if encoding == "utf-8":
        _refuse_nul(data, name)
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(data, name, len(mark) + error.start, encoding, title) from error
    text = _plain_breaks(text)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise mistakes_error(name, [Mistake(f"line {line}", "a NUL character, which no text has", "holds")])
    if not text.strip():
        raise DataError(f"{name} is empty. Upload a file with column names and rows.")
    return text, () if encoding == "utf-8" else (f"The file was read as {title} text.",)


def _is_instead(name: str, what: str, way_out: str) -> DataError:
    return DataError(f"{name} is {what}. {way_out}")


def _refuse_known(data: bytes, name: str) -> None:
    if data.startswith(b"PK\x03\x04"):
        ends = data[:65536] + data[-65536:]
        what, way_out = next((what, way_out) for inside, what, way_out in ZIPPED if inside in ends)
        raise _is_instead(name, what, way_out)
    for offset, signature, what, way_out in SIGNATURES:
        if data.startswith(signature, offset):
            raise _is_instead(name, what, way_out)


def _refuse_nul(data: bytes, name: str) -> None:
    """NUL bytes tell UTF-16 without its mark, a binary file, or a single slip."""
    sample = data[:SAMPLE]
    nul = sample.count(0)
    one_side = max(sample[0::2].count(0), sample[1::2].count(0))
    if nul > len(sample) / 5 and one_side > 0.9 * nul:
        raise DataError(f"{name} seems to be UTF-16 text without its mark: it is full of NUL bytes. Save it as UTF-8 and upload it again.")
    controls = len(sample) - len(sample.translate(None, CONTROLS))
    if controls > max(8, len(sample) / 20):
        raise DataError(f"{name} is not a text file. {UPLOAD}")
    at = data.find(0)
    if at >= 0:
        line = _line_of(data, at, "utf-8")
        raise mistakes_error(name, [Mistake(f"line {line}", f"a NUL byte (byte {at + 1:,} of the file), which no text has", "holds")])


def _undecodable(data: bytes, name: str, at: int, encoding: str, title: str) -> DataError:
    line = _line_of(data, at, encoding)
    what = f"{name} is not {title} text: line {line} holds a byte that does not belong there (byte {at + 1:,} of the file)."
    return DataError(f"{what} Save it as UTF-8, in a spreadsheet as 'CSV UTF-8', and upload it again.")


def _line_of(data: bytes, at: int, encoding: str) -> int:
    return _plain_breaks(data[:at].decode(encoding, errors="replace")).count("\n") + 1


def _plain_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
