"""What tab 3 shows and sends: pure functions between a kept chat, chat messages for the page, and messages for the models."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from qlora_demo.chat.client import Ask, Turn
from qlora_demo.data.conversation import Conversation, Message, Row
from qlora_demo.run_view import RunView
from qlora_demo.ui.parts import counted, duration, esc, literal, note
from qlora_demo.ui.views_differences import marked

SUGGESTIONS = 3
SAME, VARIED = "same", "varied"
LENGTHS = [(f"{words} words", words) for words in (50, 100, 200, 400)]
TOKENS_A_WORD = 1.4
Chat = dict[str, Any]
"""What the browser keeps: {"run": id, "turns": [[question, base's answer, your model's answer], ...], "against": id}.

`against` is the model that answers in the base model's place, "" for the base model; a chat kept by an earlier release has none.
"""

EMPTY: Chat = {"run": "", "turns": [], "against": ""}
TOO_LONG = "This chat has grown too long; the oldest part is no longer read."
SAME_AGAIN = " The answers are the same each time. For others, choose More varied in Settings."
TICK = ' <span class="qd-tick" tabindex="0" aria-describedby="unchanged-why">✓ unchanged</span>'
WHY = "Checked a moment ago: this side gives exactly the base model's own numbers."
CHANGED = (
    '<p class="qd-note qd-bad" role="alert">This side did not give the base model\'s own numbers. Do not trust this comparison. '
    "Start the app again, or tell whoever runs this page; then ask once more.</p>"
)


def turns_for(chat: Chat, run_id: str) -> list[list[str]]:
    """The turns kept for a run; those of another run are another chat. What comes from a browser is taken as text."""
    turns = chat["turns"] if chat["run"] == run_id else []
    return [[str(part) for part in turn] for turn in turns if len(turn) == 3]


def against_of(chat: Chat, run_id: str) -> str:
    """Which model this one is compared with, "" for its base model."""
    return str(chat.get("against", "")) if chat["run"] == run_id else ""


def kept(chat: Chat, run_id: str, turns: list[list[str]]) -> Chat:
    """What the browser keeps from now on: other turns of the same comparison."""
    return {"run": run_id, "turns": turns, "against": against_of(chat, run_id)}


def columns(turns: Sequence[Sequence[str]], differences: bool = False) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The base model's column and yours, each for a gr.Chatbot; on demand with the words marked that the other answer has not."""
    sides: tuple[list[dict[str, str]], list[dict[str, str]]] = ([], [])
    for question, *answers in turns:
        shown = marked(*answers) if differences else [literal(answer) for answer in answers]
        for side, answer in zip(sides, shown, strict=True):
            side += [{"role": "user", "content": literal(question)}, {"role": "assistant", "content": answer}]
    return sides


def _messages(turns: Sequence[Sequence[str]], side: int) -> list[Message]:
    return [message for turn in turns for message in (Message("user", turn[0]), Message("assistant", turn[side]))]


def history(turns: Sequence[Sequence[str]], side: int, instruction: str, question: str) -> list[Message]:
    """What one model reads: each column remembers its own answers."""
    system = [Message("system", instruction)] if instruction.strip() else []
    return [*system, *_messages(turns, side), Message("user", question)]


def sampling(style: str, words: int) -> Ask:
    """The settings in words, as the models take them. Varied answers are others each time."""
    seed = secrets.randbits(31) if style == VARIED else 0
    return Ask(max_new_tokens=round(TOKENS_A_WORD * words), temperature=0.8 if style == VARIED else 0.0, seed=seed)


def status(turn: Turn | None, same_again: bool = False) -> str:
    """What is going on, in one line; None before the question has reached the model. `same_again`: it was answered the same way before."""
    if turn is None:
        return '<p class="qd-small">Waiting for the model…</p>'
    if turn.status == "done":
        tokens = counted(turn.tokens or 0, "word piece")
        text = f"Both answered in {duration(turn.seconds or 0)}, {tokens}.{SAME_AGAIN if same_again else ''}"
    else:
        waking = f"Answering {counted(turn.before, 'question')} before yours." if turn.before else "Waking the model up, about 10 seconds."
        text = {"waking": waking, "reading": "Reading your question…", "answering": "Answering…"}[turn.status]
    return f'<p class="qd-small">{esc(text)}</p>{note(TOO_LONG if turn.shortened else "", "qd-warn")}'


def suggestions(rows: Sequence[Row]) -> list[str]:
    """Questions to begin with."""
    return questions(rows)[:SUGGESTIONS]


def questions(rows: Sequence[Row]) -> list[str]:
    """Those that make sense without what was said before them, each once."""
    first = [row.question() for row in rows if isinstance(row, Conversation) and sum(m.role == "user" for m in row.messages) == 1]
    return list(dict.fromkeys(first))


def own_answer(rows: Sequence[Row], question: str) -> str:
    """The data's answer to one of those questions; "" for any other."""
    return next((row.answer() for row in rows if isinstance(row, Conversation) and questions([row]) == [question]), "")


def own_words(answer: str) -> str:
    """The data's answer, to be read beside those of the models."""
    words = "Your own answer, which your model has never seen:"
    return f'<div class="qd-note"><p class="qd-small">{words}</p><div class="qd-said">{esc(answer)}</div></div>'


def comparisons(views: Sequence[RunView], chosen: str | None) -> list[tuple[str, str]]:
    """(label, id) of what a model can be compared with: its base model, and other models of the same one, packed alike."""
    view = next((view for view in views if view.id == chosen), None)
    others = [other for other in views if view and other.id != view.id and other.usable() and _base(other) == _base(view)]
    return [("Base model, before training", ""), *((other.name, other.id) for other in others)]


def own_instruction(view: RunView, learned: Sequence[Row]) -> str:
    """The instruction that the model was trained with: the rows' own, else the run's."""
    first = learned[0] if learned else None
    if isinstance(first, Conversation) and first.messages[0].role == "system":
        return first.messages[0].content
    return view.recipe.system_prompt


def headings(view: RunView | None, unchanged: bool | None = None, other: RunView | None = None) -> tuple[str, str]:
    """Above the two columns. `unchanged` is what was found of the base's numbers, None where nothing was; `other` answers in the base's place."""
    yours = f"Your model · {view.name}" if view else "Your model"
    base = f"Compared with · {other.name}" if other else f"Base model · before training{_packed(view)}"
    tick = TICK if unchanged else ""
    found = {None: "", True: f'<span class="qd-tip" id="unchanged-why" role="tooltip">{WHY}</span>', False: CHANGED}[unchanged]
    return f'<h3 class="qd-h3 qd-base">{esc(base)}{tick}</h3>{found}', f'<h3 class="qd-h3 qd-yours">{esc(yours)}</h3>'


def _base(view: RunView) -> tuple[str, bool]:
    return view.model.id, view.recipe.method == "qlora"


def _packed(view: RunView | None) -> str:
    return " · packed to 4 bits, as yours" if view and view.recipe.method == "qlora" else ""
