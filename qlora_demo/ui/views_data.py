"""What tab 1 shows of a data set: pure functions from a PreparedDataset to texts and chat messages."""

from __future__ import annotations

from collections.abc import Sequence

from qlora_demo.data.conversation import Conversation, Passage, Row
from qlora_demo.data.dataset import PreparedDataset, Warning_
from qlora_demo.ui.parts import counted, esc, literal, table

OPEN_REMARKS = 3
SHOWN_ROWS = 50
READ_AS = {
    "messages": "chats, as lists of messages",
    "sharegpt": "chats, as lists of turns (ShareGPT)",
    "instruction": "instructions with their answers",
    "prompt-completion": "prompts with their completions",
    "question-answer": "questions with their answers",
    "text-label": "texts with their labels",
    "two-columns": "two columns of text: the shorter asks, the longer answers",
    "text": "plain text, in passages",
    "mapping": "the columns that you chose",
}


def noun(dataset: PreparedDataset) -> str:
    """What one row is called."""
    return {"labels": "text", "passages": "passage", "conversations": "conversation"}[dataset.kind]


GOALS = {
    "character": "It will learn to answer as these conversations do.",
    "sorting": "It will learn to sort texts by their labels.",
    "summary": "It will learn to say long texts in short.",
    "code": "It will learn to write such code.",
    "subject": "It will learn this text's subject and manner. Ask it to go on from a first sentence.",
}


def goal(dataset: PreparedDataset) -> str:
    """What the data is good for, as it was inferred from its rows."""
    return GOALS[dataset.goal()]


def title(dataset: PreparedDataset) -> str:
    return f'<h2 class="qd-h2">{esc(dataset.name)}</h2>'


def chat_messages(row: Row) -> list[dict[str, str]]:
    """For a gr.Chatbot. An instruction is shown apart, see `instruction`."""
    if isinstance(row, Conversation):
        return [{"role": m.role, "content": literal(m.content)} for m in row.messages if m.role != "system"]
    return [{"role": "assistant", "content": literal(row.text)}]


def instruction(row: Row) -> str:
    """The row's own instruction to the model, "" where there is none."""
    if isinstance(row, Conversation) and row.messages[0].role == "system":
        return row.messages[0].content
    return ""


def position(index: int, dataset: PreparedDataset) -> str:
    """ "conversation 3 of 118 · line 3", and the instruction above it where it has one."""
    row = dataset.rows[index]
    said = instruction(row)
    first = f'<p class="qd-small">Instruction: {esc(said)}</p>' if said else ""
    place = f" · {esc(row.source)}" if row.source else ""
    return f'{first}<p class="qd-small qd-centre">{noun(dataset)} {index + 1:,} of {len(dataset.rows):,}{place}</p>'


def counts(dataset: PreparedDataset, held_out: int) -> str:
    """How many there are, to learn from and set aside."""
    every, name = len(dataset.rows), noun(dataset)
    if held_out == 0:
        return f"{counted(every, name)}, all to learn from. None is set aside, so there is no test score."
    return f"{counted(every, name)}: {every - held_out:,} to learn from, {held_out:,} set aside for testing."


def remarks(warnings: Sequence[Warning_]) -> str:
    """What the reading found: three open, the rest folded. The rows that a remark is about unfold."""
    if not warnings:
        return ""
    lines = [_remark(w) for w in warnings]
    shown = "".join(lines[:OPEN_REMARKS])
    rest = lines[OPEN_REMARKS:]
    if rest:
        more = f"{len(rest)} more remark{'' if len(rest) == 1 else 's'}"
        shown += f"<li><details><summary>{more}</summary><ul class='qd-remarks'>{''.join(rest)}</ul></details></li>"
    return f'<ul class="qd-remarks">{shown}</ul>'


def _remark(warning: Warning_) -> str:
    text = f'<span class="qd-mark">Note</span> {esc(warning.message)}'
    if not warning.rows:
        return f"<li>{text}</li>"
    places = ", ".join(str(row) for row in warning.rows[:SHOWN_ROWS])
    more = f" and {len(warning.rows) - SHOWN_ROWS:,} more" if len(warning.rows) > SHOWN_ROWS else ""
    return f"<li>{text} <details><summary>Show</summary>{esc(places + more)}</details></li>"


def questions_and_answers(rows: Sequence[Row]) -> str:
    """The first rows as a table of the last question and its answer."""
    first = rows[:SHOWN_ROWS]
    if first and isinstance(first[0], Passage):
        return table(("Passage",), [(row.text,) for row in first if isinstance(row, Passage)])
    cells = [(row.question(), row.answer()) for row in first if isinstance(row, Conversation)]
    return table(("Question", "Answer"), [*cells]) if cells else ""


def numbers(dataset: PreparedDataset, tokens: dict[str, int] | None) -> str:
    """Counts for who wants them; `tokens` as studio.count_tokens gives them, None before they are counted."""
    report = dataset.report
    rows: list[tuple[object, ...]] = [
        ("Rows in the file", f"{report.rows_read:,}"),
        ("Kept", f"{report.kept:,}"),
        ("Left out", f"{len(report.dropped):,}"),
        ("Read as", READ_AS.get(dataset.format, dataset.format)),
    ]
    if tokens:
        rows += [
            ("Words or word pieces (tokens)", f"{tokens['total']:,}"),
            ("Of those, learned", f"{tokens['trained']:,}"),
            ("In the longest row", f"{tokens['longest']:,}"),
            ("Rows cut because they are too long", f"{tokens['cut']:,}"),
        ]
    return table(("", ""), rows)
