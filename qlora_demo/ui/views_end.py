"""What tab 2 shows of a run that is over: the verdict, the one change that would help, all answers. Pure functions of a RunView."""

from __future__ import annotations

from qlora_demo.evaluation.words import knowledge
from qlora_demo.recipe import METHOD_NAMES, help_of
from qlora_demo.run_view import RunView
from qlora_demo.ui.parts import esc, roughly

KINDS = {"yes": "qd-good", "no": "qd-warn", "forgot": "qd-warn"}
CAUTION = "Check facts before you rely on it: a model can be sure and wrong."


def verdict(view: RunView) -> str:
    """The headline of what it learned, "" before it is known."""
    return str(view.report["verdict"]) if view.report else ""


def verdict_box(view: RunView) -> str:
    """The headline, coloured by whether it learned; "" before it is known."""
    kind = KINDS.get((view.report or {}).get("learned", ""), "")
    return f'<p class="qd-note qd-verdict {kind}">{esc(verdict(view))}</p>' if verdict(view) else ""


def chat_label(view: RunView) -> str:
    """The words of the button that leads to Chat; "" where it cannot answer."""
    if view.job.state == "failed" and view.kept_step():
        return f"Use step {view.kept_step()}"
    return "Chat with it" if view.usable() else ""


def better_label(view: RunView, seconds: float) -> str:
    """The words of the button that starts the better run: what it does, and about how long that takes. "" where nothing better is known."""
    advice = view.advice()
    return f"{advice['button']}: about {roughly(seconds)}" if advice else ""


def better_words(view: RunView) -> str:
    """Why, unless that was said already, and what the better run changes."""
    advice = view.advice()
    if advice is None:
        return ""
    said = f"{verdict(view)} {view.job.reason}".casefold()
    why = "" if advice["reason"].rstrip(".").casefold() in said else f"{advice['reason']} "
    now = view.recipe.to_json()
    changes = [f"{help_of(name).label}: {_value(value)} instead of {_value(now[name])}." for name, value in advice["changes"].items()]
    return f'<p class="qd-small">{esc(why + " ".join(changes))}</p>'


def _value(value: float | str) -> str:
    return METHOD_NAMES.get(value, value) if isinstance(value, str) else f"{value:.3g}"


def knows(view: RunView) -> str:
    """How much general knowledge is left, and what nobody may forget."""
    kept = knowledge(view.report) if view.report else ""
    return f'{f"<p>{esc(kept)}</p>" if kept else ""}<p class="qd-small">{CAUTION}</p>'


def answers(view: RunView) -> list[dict[str, str]]:
    """The compared answers of the report: question, expected, base, adapted."""
    return view.report["answers"] if view.report else []


def answer(view: RunView, index: int) -> str:
    """One question set aside with all three answers; "" where there is none."""
    found = answers(view)
    if not found:
        return ""
    item = found[index % len(found)]
    rows = (("Base", "qd-base", item["base"]), ("Yours", "qd-yours", item["adapted"]), ("Your own answer", "", item["expected"]))
    lines = "".join(f'<dt class="{kind}">{esc(word)}</dt><dd>{esc(text)}</dd>' for word, kind, text in rows)
    question = f'<h3 class="qd-h3">{esc(item["question"])}</h3><p class="qd-small">set aside: your model has never seen it</p>'
    return f'{question}<dl class="qd-answers">{lines}</dl>'


def answer_rows(view: RunView) -> list[tuple[object, ...]]:
    """All of them, for a table."""
    return [(item["question"], item["base"], item["adapted"], item["expected"]) for item in answers(view)]
