"""What is wrong with the files people bring, one entry a kind: the sentence that refuses it, or what is read and remarked."""

from __future__ import annotations

import io
import json
import pickle
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
from data.asking import Read, Refused
from data.fuzzing import GOOD, packed
from data.sheets import workbook
from data.tables import msgs

Q = "question,answer\n"
LINE = '{"question": "x", "answer": "y"}\n'
EXPECTED = 'Expected a list of objects, such as [{"question": "...", "answer": "..."}].'
DEEP = "lists and objects stand more than 20 deep inside each other"
CANNOT = "We could not read"
ONE, PAIR, TWO = ("x | y",), ("a | b",), ("a | b", "a | b")
TWICE = "1 row appears twice."
SHEET = workbook({"S": [["question", "answer"], ["x", "y"]]})


def fix(place: str) -> str:
    return f"Fix {place} and upload it again."


def chats(*lists: object) -> str:
    """A good conversation, and one line more for each value under "messages"."""
    return "".join(json.dumps({"messages": value}) + "\n" for value in (msgs("user: a", "assistant: b"), *lists))


def parquet(**columns: object) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made)
    return made.getvalue()


WHOLE = parquet(question=["x"] * 50, answer=["y"] * 50)
BROKEN_PARQUET = "a.parquet is a broken Parquet file, is cut off, or is encrypted. Save or download it again and upload that."
UTF16 = ("The file was read as UTF-16 text.",)

ROWS: dict[str, tuple[Refused | Read, ...]] = {
    "01 nothing": (Refused("a.csv", "", "a.csv is empty. Upload a file with column names and rows."),),
    "02 only blank lines": (
        Refused("a.csv", "\n \n\t\n", "a.csv is empty. Upload a file with column names and rows."),
        Refused("a.jsonl", "\n \n", "a.jsonl is empty. Upload a file with column names and rows."),
    ),
    "03 only column names": (Refused("a.csv", Q, "a.csv has column names but no rows. Upload a file with rows."),),
    "07 UTF-8 with its mark": (Read("a.csv", (Q + "ü,y\n").encode("utf-8-sig"), ("ü | y",)),),
    "08 UTF-16 with its mark": (
        Read("a.csv", (Q + "ü,y\n").encode("utf-16"), ("ü | y",), UTF16),
        Read("a.jsonl", b"\xfe\xff" + LINE.encode("utf-16-be"), ONE, UTF16),
    ),
    "09 UTF-16 without its mark": (
        Refused(
            "a.csv",
            (Q + "ü,y\n").encode("utf-16-le"),
            "a.csv seems to be UTF-16 text without its mark: it is full of NUL bytes. Save it as UTF-8 and upload it again.",
        ),
    ),
    "10 Windows-1252 where it can be nothing else, no other encoding": (
        Read(
            "a.csv",
            (Q + "Wo?,Für Müller\n").encode("cp1252"),
            ("Wo? | Für Müller",),
            ("The file is not in UTF-8. It was read as Windows-1252 text; check that its accents look right.",),
        ),
        Refused(
            "a.csv",
            (Q + "Где?,Тут\n").encode("cp1251"),
            "a.csv is not UTF-8 text: line 2 holds a byte that does not belong there (byte 17 of the file). "
            "Save it as UTF-8, in a spreadsheet as 'CSV UTF-8', and upload it again.",
        ),
    ),
    "11 pictures, programs and documents under a table's name": (
        Refused("a.csv", b"\x89PNG\r\n\x1a\n\0\0", "a.csv is an image. Upload a table, JSON, or text."),
        Refused("a.jsonl", b"MZ\x90\0\3\0\0\0", "a.jsonl is a program. Upload a table, JSON, or text."),
        Refused("a.csv", b"%PDF-1.7\n", "a.csv is a PDF. Copy its text into a table and upload that."),
    ),
    "12 a ZIP file: only a workbook or a chat export": (
        Refused("a.csv", packed({"data.csv": Q.encode() + b"x,y\n"}), "a.csv is an archive (ZIP). Unpack it and upload the file inside."),
        Read("a.csv", SHEET, ONE),
        Read("a.csv", GOOD["zip"][0][1], ("When? | At nine",)),
    ),
    "15 programs, pickles and archives": (
        Refused("a.py", "import os\n", "a.py is a program. Upload a table, JSON, or text."),
        Refused("a.pkl", pickle.dumps({"a": 1}), "a.pkl is a Python pickle. Upload a table, JSON, or text."),
        Refused("a.arrow", b"ARROW1\0\0", "a.arrow is an Arrow file. Upload a table, JSON, or text."),
        Refused("a.h5", b"\x89HDF\r\n", "a.h5 is an HDF5 file. Upload a table, JSON, or text."),
        Refused("a.tar", b" " * 257 + b"ustar", "a.tar is an archive (tar). Upload a table, JSON, or text."),
    ),
    "17 Parquet with lists": (
        Read("a.parquet", parquet(messages=[msgs("user: a", "assistant: b")]), PAIR),
        Refused(
            "a.parquet",
            parquet(messages=[[1, 2]]),
            f"{CANNOT} a.parquet: row 1, message 1: an object with role and content was expected. {fix('row 1')}",
        ),
    ),
    "18 Parquet with bytes, times and decimals": (
        Read(
            "a.parquet",
            parquet(question=[datetime(2024, 1, 2)], answer=[Decimal("1.50")], picture=[b"\1\2"]),
            ("2024-01-02T00:00:00 | 1.50",),
            ("We left out 1 column that cannot be read as text: picture (binary).",),
        ),
        Refused(
            "a.parquet", parquet(picture=[b"\1"]), "a.parquet has no column of text or numbers, only: picture (binary). Upload a file with texts."
        ),
    ),
    "19 broken Parquet": (
        Refused("a.parquet", WHOLE[:-20], BROKEN_PARQUET),
        Refused("a.parquet", WHOLE[:200] + b"PAR1", BROKEN_PARQUET),
    ),
    "20 JSON Lines with broken lines": (
        Refused(
            "a.jsonl", LINE * 2 + '{"question": "x", "answer" "y"}\n', f"{CANNOT} a.jsonl: line 3, character 28: a colon is missing. {fix('line 3')}"
        ),
        Refused(
            "a.jsonl",
            LINE + '{"question" "x"}\n' * 8,
            "a.jsonl has 8 mistakes. "
            + "".join(f"Line {i}, character 13: a colon is missing. " for i in range(2, 8))
            + "And 2 more. Fix them and upload it again.",
        ),
    ),
    "21 JSON Lines cut off": (
        Refused(
            "a.jsonl",
            LINE + '{"question": "x", "ans',
            f"{CANNOT} a.jsonl: line 2, character 19: the text that begins here is never closed; the file may be cut off here. {fix('line 2')}",
        ),
    ),
    "22 JSON as a list, under data, by column": (
        Read("a.json", f"[{LINE}]", ONE),
        Read("a.json", f'{{"data": [{LINE}]}}', ONE),
        Refused("a.json", '{"question": ["x"], "answer": ["y"]}', f"a.json holds one object and no list of rows. {EXPECTED}"),
    ),
    "23 JSON that is one value": (
        Refused("a.json", "42", f"a.json holds nothing but a number. {EXPECTED}"),
        Refused("a.json", "null", f"a.json holds nothing but null. {EXPECTED}"),
        Refused("a.json", '"x"', f"a.json holds nothing but a text. {EXPECTED}"),
    ),
    "24 JSON that is very deep": (
        Refused("a.json", "[" * 2000 + "]" * 2000, f"{CANNOT} a.json: {DEEP}. {EXPECTED}"),
        Refused("a.jsonl", LINE + '{"q":' * 100_000 + "1" + "}" * 100_000, f"{CANNOT} a.jsonl: line 2: {DEEP}. {fix('line 2')}"),
    ),
    "25 numbers that are none": (
        Refused(
            "a.jsonl",
            LINE + '{"question": "x", "answer": NaN}\n{"question": Infinity, "answer": "y"}\n{"question": "x", "answer": 1e999}\n',
            "a.jsonl has 3 mistakes. Line 2, field 'answer': NaN is not a value that JSON allows. "
            "Line 3, field 'question': Infinity is not a value that JSON allows. Line 4, field 'answer': the number 1e999 is too large. "
            "Fix them and upload it again.",
        ),
    ),
    "26 a name that stands twice": (
        Refused(
            "a.jsonl", LINE + '{"question": "x", "question": "z"}', f"{CANNOT} a.jsonl: line 2: the name 'question' stands twice. {fix('line 2')}"
        ),
    ),
    "27 a number of 5,000 digits": (
        Refused(
            "a.jsonl",
            f'{LINE}{{"question": "x", "answer": {"1" * 5000}}}',
            f"{CANNOT} a.jsonl: line 2, field 'answer': a number has 5,000 digits. {fix('line 2')}",
        ),
    ),
    "28 half of a character": (
        Refused(
            "a.jsonl",
            LINE + '{"question": "x", "answer": "\\ud800"}',
            f"{CANNOT} a.jsonl: line 2, field 'answer': the text holds half of a character (a lone surrogate). {fix('line 2')}",
        ),
    ),
    "29 NUL and control characters": (
        Refused("a.csv", Q + "a\0b,y\n", f"{CANNOT} a.csv: line 2 holds a NUL byte (byte 18 of the file), which no text has. {fix('line 2')}"),
        Refused(
            "a.csv", (Q + "a\0b,y\n").encode("utf-16") + b"\xdf", f"{CANNOT} a.csv: line 2 holds a NUL character, which no text has. {fix('line 2')}"
        ),
        Read("a.csv", Q + "a\x07,y\n" + "c,d\x1b\n", ("a | y", "c | d"), ("2 rows held control characters. They were removed.",)),
    ),
    "30 every line break": (Read("a.csv", "question,answer\r\na,b\r\nc,d\re,f\n", ("a | b", "c | d", "e | f")),),
    "31 a line break inside quotes": (
        Read("a.csv", Q + '"one\ntwo",x\n', ("one\ntwo | x",)),
        Refused("a.csv", Q + '"one\ntwo",x\ny,z,w\n', f"{CANNOT} a.csv: line 4 has 3 values, the first line has 2. {fix('line 4')}"),
    ),
    "32 a quote that is never closed": (
        Refused("a.csv", Q + 'x,"y\nz,w\n', f"{CANNOT} a.csv: line 2: the quote opened on line 2 is never closed. {fix('line 2')}"),
    ),
    "33 a row that is too long": (
        Refused("a.csv", Q + "x,y\na,b,c\n", f"{CANNOT} a.csv: line 3 has 3 values, the first line has 2. {fix('line 3')}"),
    ),
    "34 two columns of one name": (Refused("a.csv", "text,text\n1,2\n", "a.csv has two columns called 'text'. Rename one and upload it again."),),
    "35 semicolons and tabs": (
        Read("a.csv", "question;answer\nx, me;y\n", ("x, me | y",), ("The file was read with ; between the columns.",)),
        Read("a.csv", "question\tanswer\nx\ty\n", ONE, ("The file was read with tabs between the columns.",)),
    ),
    "36 no column names": (
        Read(
            "a.csv",
            "What do you sell?,We sell bread.\nAnd when?,At six\n",
            ("What do you sell? | We sell bread.", "And when? | At six"),
            (
                "We took 'A' as the question and 'B' as the answer, guessed from the texts.",
                "Your file has no column names. We called them A, B.",
            ),
        ),
    ),
    "37 NA, null and nothing": (
        Read(
            "a.csv",
            Q + "NA,null\nNone,x\ny,\n,z\n",
            ("NA | null", "None | x"),
            ("1 row has no answer (4). Left out.", "1 row has no question (5). Left out."),
        ),
    ),
    "38 numbers stay the text they are": (Read("a.csv", Q + "007,1e5\nx,TRUE\n", ("007 | 1e5", "x | TRUE")),),
    "41 two kinds of rows in one file": (
        Refused(
            "a.jsonl",
            LINE * 3 + '{"prompt": "p", "completion": "c"}\n',
            f"{CANNOT} a.jsonl: line 4: 'question' is missing; 'answer' is missing; the other rows have it. {fix('line 4')}",
        ),
        Refused(
            "a.jsonl",
            LINE * 3 + '{"messages": []}\n',
            f"{CANNOT} a.jsonl: line 4: 'question' is missing; 'answer' is missing; the other rows have it. {fix('line 4')}",
        ),
    ),
    "42 messages that are no list of objects": (
        Refused(
            "a.jsonl",
            chats(3, [1], "hello"),
            "a.jsonl has 3 mistakes. Line 2: a list of messages was expected. Line 3, message 1: an object with role and content was expected. "
            "Line 4: a list of messages was expected, and the text is no list in JSON. Fix them and upload it again.",
        ),
        Read(
            "a.jsonl",
            chats(json.dumps(msgs("user: a", "assistant: b"))),
            TWO,
            (TWICE, "1 row holds its messages as text. They were read as a list."),
        ),
    ),
    "43 no role, no content": (
        Refused(
            "a.jsonl",
            chats([*msgs("user: a"), {"content": "b"}], [*msgs("user: a"), {"role": "assistant"}]),
            "a.jsonl has 2 mistakes. Line 2, message 2: the role is missing. Line 3, message 2: the content is missing. "
            "Fix them and upload it again.",
        ),
    ),
    "44 other names for who speaks": (
        Read("a.jsonl", chats(msgs("human: a", "bot: b")), TWO, (TWICE, "1 row uses other names for the speakers. They were translated.")),
        Read("a.jsonl", json.dumps({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}), PAIR),
        Refused(
            "a.jsonl",
            chats(msgs("wizard: a", "assistant: b")),
            f"{CANNOT} a.jsonl: line 2, message 1: the role 'wizard' is not known; use system, user or assistant. {fix('line 2')}",
        ),
    ),
    "45 two turns of one speaker": (
        Read(
            "a.jsonl",
            chats(msgs("user: a", "user: b", "assistant: c")),
            ("a | b", "a\n\nb | c"),
            ("1 row has several turns of one speaker in a row. They were joined.",),
        ),
    ),
    "46 an answer first, instructions in the middle": (
        Refused(
            "a.jsonl",
            chats(msgs("assistant: a", "user: b"), msgs("user: a", "system: s", "assistant: b")),
            "a.jsonl has 2 mistakes. Line 2: the conversation begins with an answer; the first turn must be a question. "
            "Line 3: instructions (system) must stand before everything else. Fix them and upload it again.",
        ),
    ),
    "47 no answer, a question last": (
        Read(
            "a.jsonl",
            chats(msgs("user: a"), msgs("user: a", "assistant: b", "user: c")),
            TWO,
            (TWICE, "1 row has no answer (2). Left out.", "1 row ends with a question. That question was left out."),
        ),
    ),
    "48 empty answers": (
        Read("a.jsonl", chats(msgs("user: a", "assistant:  ")), PAIR, ("1 row has no answer (2). Left out.",)),
        Refused("a.csv", Q + "a,\n", "No row of a.csv can be learned from: its only row was left out (no answer). Fill it in."),
        Refused("a.csv", Q + "a,\nb, \n", "No row of a.csv can be learned from: all 2 rows were left out (no answer). Fill them in."),
    ),
    "49 content that is no text": (
        Refused(
            "a.jsonl",
            chats([{"role": "user", "content": None}, *msgs("assistant: b")], [{"role": "user", "content": 3}, *msgs("assistant: b")]),
            "a.jsonl has 2 mistakes. Line 2, message 1: the content is missing. "
            "Line 3, message 1: the content is no text; only text can be learned. Fix them and upload it again.",
        ),
        Read(
            "a.jsonl",
            chats(
                [{"role": "user", "content": [{"type": "text", "text": "c"}, {"type": "image_url", "image_url": "x"}]}, *msgs("assistant: d")],
                [*msgs("user: e"), {"role": "assistant", "content": None, "tool_calls": [{}]}, *msgs("tool: 3", "assistant: f")],
            ),
            ("a | b", "c | d", "e | f"),
            ("1 row calls tools. Those turns were left out.", "1 row holds pictures or other attachments. They were left out."),
        ),
    ),
    "50 signs that mean something to a model": (
        Read(
            "a.csv",
            Q + "What is <|im_end|>?,a mark\nx,so </think> be it\n",
            ("What is <|im_end|>? | a mark", "x | so </think> be it"),
            ("1 row holds marks of a chat format, such as <|im_end|>.", "1 row holds </think> or the like."),
        ),
    ),
    "51 a chat format applied already": (
        Read(
            "a.jsonl",
            json.dumps({"text": "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>"}),
            PAIR,
            ("'text' holds whole conversations with marks between the turns (ChatML).",),
        ),
    ),
    "52 letters of every script, and marks of direction": (
        Read(
            "a.csv",
            Q + "👩‍👩‍👧 é\u2028x,שלום\u202e\n",
            ("👩‍👩‍👧 é\u2028x | שלום\u202e",),
            ("1 row holds invisible marks that turn the direction of the text.",),
        ),
    ),
    "53 one row again and again": (Read("a.csv", Q + "a,b\n" * 9, PAIR * 9, ("8 rows repeat an earlier one.",)),),
    "61 keys and addresses": (
        Read(
            "a.csv",
            Q + f"x,hf_{'a1' * 20}\ny,write to a@b.de\n",
            (f"x | hf_{'a1' * 20}", "y | write to a@b.de"),
            (
                "1 row holds a key or a password. The model may repeat it.",
                "1 row holds an e-mail address. The model may repeat it.",
            ),
        ),
    ),
}
