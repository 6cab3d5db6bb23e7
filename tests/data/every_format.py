"""Files of every kind and layout, as people would bring them, with the conversations that must come of each."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from data.format_cases import FORMATS
from data.sheets import workbook

from qlora_demo.data.conversation import Conversation, message_to_json

Turns = list[tuple[str, str]]
NAMED = ("Question", "Kundenfrage", "质问", "source", "problem")
"""Of the many names for questions and answers, those that are tried here; the others are tried where names are recognised."""


@dataclass(frozen=True)
class Case:
    """`rows` are the messages of each row as (role, text); a passage is one message of the role "text". `options` are the command line's."""

    name: str
    content: bytes
    format: str
    rows: tuple[Turns, ...]
    options: tuple[str, ...] = ()


def turns(conversation: Conversation) -> Turns:
    return [(m["role"], m["content"]) for m in map(message_to_json, conversation.messages)]


def talk(*texts: str, system: str = "") -> Turns:
    """Question, answer, question, answer."""
    said = [("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]
    return [("system", system), *said] if system else said


def of_layouts() -> list[Case]:
    """Every layout as a file of JSON lines."""
    cases = []
    for i, (layout, row, expected) in enumerate(FORMATS):
        if layout == "question-answer" and len(row) == 2 and not set(row) & set(NAMED):
            continue
        cases.append(Case(f"{layout}-{i}.jsonl", json.dumps(row).encode() + b"\n", layout, (turns(expected),)))
    return cases


PAIRS = [("When do you open?", "At nine, every day."), ("Where?", "In the old mill; by the river.")]
TALKS = tuple(talk(*pair) for pair in PAIRS)
TASK = "Sort the text. Answer with one of: bad, good."
LABELLED = tuple(talk(f"It was {word} number {i}", label, system=TASK) for i in range(3) for word, label in (("fine", "good"), ("poor", "bad")))
WHATSAPP = (
    "12/03/2024, 21:06 - Anna Berg: Are you home?\n12/03/2024, 21:07 - Ben: Yes, since six\n12/03/2024, 21:07 - Ben: Come over\n"
    "13/03/2024, 09:00 - Anna Berg: That was fine\n13/03/2024, 09:01 - Ben: It was\n"
)
TELEGRAM = {
    "name": "Ben",
    "type": "personal_chat",
    "id": 1,
    "messages": [
        {"id": i, "type": "message", "date": f"2024-03-12T21:0{i}:00", "from": who, "from_id": f"user{who}", "text": text}
        for i, (who, text) in enumerate([("Anna", "Are you home?"), ("Ben", ["Yes, ", {"type": "bold", "text": "since six"}])])
    ],
}
CHATGPT = [
    {
        "title": "A lamp",
        "current_node": "c",
        "mapping": {
            "a": {"id": "a", "message": None, "parent": None, "children": ["b"]},
            "b": {"id": "b", "message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Why a lamp?"]}}, "parent": "a"},
            "c": {"id": "c", "message": {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["To see."]}}, "parent": "b"},
        },
    }
]
CLAUDE = [
    {
        "uuid": "1",
        "name": "A lamp",
        "chat_messages": [
            {"uuid": "2", "sender": "human", "text": "Why a lamp?"},
            {"uuid": "3", "sender": "assistant", "text": "", "content": [{"type": "text", "text": "To see."}]},
        ],
    }
]


def of_files() -> list[Case]:
    """Every kind of file."""
    lamp = (talk("Why a lamp?", "To see."),)
    evenings = (talk("Are you home?", "Yes, since six\nCome over"), talk("That was fine", "It was"))
    table = [["Customers 2026", ""], ["Question", "Answer"], *map(list, PAIRS)]
    text = "The railway was dug by hand, in four winters, and it still leaks where the two valleys meet under the old mill and its pond."
    return [
        Case("comma.csv", delimited(",", ("question", "answer")), "question-answer", TALKS),
        Case("semicolon.csv", "Frage;Antwort\nÖffnen Sie?;Um zehn\n".encode("cp1252"), "question-answer", (talk("Öffnen Sie?", "Um zehn"),)),
        Case("tabs.tsv", delimited("\t", ("question", "answer")), "question-answer", TALKS),
        Case("bars.csv", delimited("|", ("question", "answer")), "question-answer", TALKS),
        Case("unnamed.csv", delimited(";", ()), "guess", TALKS),
        Case("other names.csv", delimited(",", ("Situation", "What we say")), "guess", TALKS),
        Case("utf16.csv", delimited(",", ("question", "answer")).decode().encode("utf-16"), "question-answer", TALKS),
        Case("book.xlsx", workbook({"Empty": [], "FAQ": table}), "question-answer", TALKS),
        Case("rows.parquet", parquet([{"question": q, "answer": a} for q, a in PAIRS]), "question-answer", TALKS),
        Case("chats.parquet", parquet([{"messages": [{"role": r, "content": c} for r, c in talk(*pair)]} for pair in PAIRS]), "messages", TALKS),
        Case("list.json", json.dumps([{"question": q, "answer": a} for q, a in PAIRS], indent=1).encode(), "question-answer", TALKS),
        Case("labels.csv", labelled("good", "bad"), "text-label", LABELLED),
        Case("numbers.csv", labelled("1", "0"), "text-label", LABELLED, ("--label", "0=bad", "--label", "1=good")),
        Case("subject.txt", text.encode(), "text", ([("text", text)],)),
        Case("notes.md", f"# Notes\n\n{text}\n".encode(), "text", ([("text", f"# Notes\n\n{text}")],)),
        Case("WhatsApp Chat.txt", WHATSAPP.encode(), "whatsapp", evenings, ("--speaker", "Ben")),
        Case("WhatsApp Chat.zip", zipped({"_chat.txt": WHATSAPP.encode()}), "whatsapp", evenings, ("--speaker", "Ben")),
        Case("result.json", json.dumps(TELEGRAM).encode(), "telegram", (talk("Are you home?", "Yes, since six"),), ("--speaker", "Ben")),
        Case("conversations.json", json.dumps(CHATGPT).encode(), "chatgpt", lamp),
        Case("export.zip", zipped({"conversations.json": json.dumps(CHATGPT).encode(), "user.json": b"{}"}), "chatgpt", lamp),
        Case("claude.json", json.dumps(CLAUDE).encode(), "claude", lamp),
    ]


def delimited(delimiter: str, names: Sequence[str]) -> bytes:
    quoted = [tuple(f'"{cell}"' for cell in pair) for pair in PAIRS]
    return "".join(delimiter.join(row) + "\n" for row in ([names] if names else []) + quoted).encode()


def labelled(good: str, bad: str) -> bytes:
    rows = "".join(f"It was {word} number {i},{label}\n" for i in range(3) for word, label in (("fine", good), ("poor", bad)))
    return f"review,label\n{rows}".encode()


def parquet(rows: list[dict]) -> bytes:
    made = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), made)
    return made.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


EVERY_FORMAT = [*of_layouts(), *of_files()]
