"""What tab 1 shows of a data set and its rows: pure functions to texts and chat messages."""

from __future__ import annotations

from collections.abc import Sequence

from qlora_demo.data.conversation import Conversation, Passage, Row
from qlora_demo.data.dataset import PreparedDataset
from qlora_demo.ui.parts import counted, esc, literal, table

SHOWN_ROWS = 50
READ_AS = {
    "messages": "chats, as lists of messages",
    "sharegpt": "chats, as lists of turns (ShareGPT)",
    "tree": "chats, as a tree of messages with several answers (OASST)",
    "preference": "answers that were preferred to others",
    "kto": "answers that were marked as good or bad",
    "translation": "texts with their translations",
    "instruction": "instructions with their answers",
    "prompt-completion": "prompts with their completions",
    "question-answer": "questions with their answers",
    "marked-text": "texts with marks for who speaks",
    "text-label": "texts with their labels",
    "guess": "two columns of text, told apart by their content",
    "text": "plain text, in passages",
    "mapping": "the columns that you chose",
    "chatgpt": "your chats with ChatGPT",
    "claude": "your chats with Claude",
    "whatsapp": "a WhatsApp chat",
    "telegram": "Telegram chats",
}


def read_as(dataset: PreparedDataset) -> str:
    """What the file was understood as."""
    return READ_AS.get(dataset.format, dataset.format)


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
    return GOALS[dataset.goal]


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
    """ "conversation 3 of 118 · line 3"."""
    row = dataset.rows[index]
    place = f" · {esc(row.source)}" if row.source else ""
    return f'<p class="qd-small qd-centre">{noun(dataset)} {index + 1:,} of {len(dataset.rows):,}{place}</p>'


def counts(dataset: PreparedDataset, held_out: int) -> str:
    """How many there are, to learn from and set aside."""
    every, name = len(dataset.rows), noun(dataset)
    if held_out == 0:
        return f"{counted(every, name)}, all to learn from. None is set aside, so there is no test score."
    return f"{counted(every, name)}: {every - held_out:,} to learn from, {held_out:,} set aside for testing."


def questions_and_answers(rows: Sequence[Row]) -> str:
    """The first rows as a table of the last question and its answer."""
    first = rows[:SHOWN_ROWS]
    if first and isinstance(first[0], Passage):
        return table(("Passage",), [(row.text,) for row in first if isinstance(row, Passage)])
    cells = [(row.question(), row.answer()) for row in first if isinstance(row, Conversation)]
    return table(("Question", "Answer"), [*cells]) if cells else ""
