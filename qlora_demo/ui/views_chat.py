"""What tab 3 shows and sends: pure functions between a kept chat, chat messages for the page, and messages for the models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qlora_demo.chat.client import Ask, Turn
from qlora_demo.data.conversation import Conversation, Message, Row
from qlora_demo.run_view import RunView
from qlora_demo.ui.parts import counted, duration, esc, literal

SUGGESTIONS = 3
SAME, VARIED = "same", "varied"
LENGTHS = [(f"{words} words", words) for words in (50, 100, 200, 400)]
TOKENS_A_WORD = 1.4
Chat = dict[str, Any]
"""What the browser keeps: {"run": id, "turns": [[question, base's answer, your model's answer], ...]}."""

EMPTY: Chat = {"run": "", "turns": []}


def turns_for(chat: Chat, run_id: str) -> list[list[str]]:
    """The turns kept for a run; those of another run are another chat. What comes from a browser is taken as text."""
    turns = chat["turns"] if chat["run"] == run_id else []
    return [[str(part) for part in turn] for turn in turns if len(turn) == 3]


def column(turns: Sequence[Sequence[str]], side: int) -> list[dict[str, str]]:
    """One column for a gr.Chatbot; `side` is 1 for base, 2 for yours."""
    return [{"role": m.role, "content": literal(m.content)} for m in _messages(turns, side)]


def _messages(turns: Sequence[Sequence[str]], side: int) -> list[Message]:
    return [message for turn in turns for message in (Message("user", turn[0]), Message("assistant", turn[side]))]


def history(turns: Sequence[Sequence[str]], side: int, instruction: str, question: str) -> list[Message]:
    """What one model reads: each column remembers its own answers."""
    system = [Message("system", instruction)] if instruction.strip() else []
    return [*system, *_messages(turns, side), Message("user", question)]


def sampling(style: str, words: int) -> Ask:
    """The settings in words, as the models take them."""
    return Ask(max_new_tokens=round(TOKENS_A_WORD * words), temperature=0.8 if style == VARIED else 0.0)


def status(turn: Turn) -> str:
    """What is going on, in one line."""
    if turn.status == "done":
        tokens = counted(turn.tokens or 0, "word piece")
        text = f"Both answered in {duration(turn.seconds or 0)}, {tokens}."
    else:
        text = {"waking": "Waking the model up, about 10 seconds.", "reading": "Reading your question…", "answering": "Answering…"}[turn.status]
    return f'<p class="qd-small">{esc(text)}</p>'


def suggestions(rows: Sequence[Row]) -> list[str]:
    """Short questions that make sense without what was said before them, each once."""
    first = [row.question() for row in rows if isinstance(row, Conversation) and sum(m.role == "user" for m in row.messages) == 1]
    return list(dict.fromkeys(first))[:SUGGESTIONS]


def own_instruction(view: RunView, learned: Sequence[Row]) -> str:
    """The instruction that the model was trained with: the rows' own, else the run's."""
    first = learned[0] if learned else None
    if isinstance(first, Conversation) and first.messages[0].role == "system":
        return first.messages[0].content
    return view.recipe.system_prompt


def headings(view: RunView | None) -> tuple[str, str]:
    """Above the two columns."""
    yours = f"Your model · {view.name}" if view else "Your model"
    base = f"Base model · before training{_packed(view)}"
    return f'<h3 class="qd-h3 qd-base">{esc(base)}</h3>', f'<h3 class="qd-h3 qd-yours">{esc(yours)}</h3>'


def _packed(view: RunView | None) -> str:
    return " · packed to 4 bits, as yours" if view and view.recipe.method == "qlora" else ""
