"""The report of a run: held-out loss, and the held-out questions answered by base and adapted model in one batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qlora_demo.data.conversation import Conversation, Row
from qlora_demo.data.rendering import Renderer
from qlora_demo.evaluation.scores import Compared, verdict_free, verdict_passages, verdict_sorting
from qlora_demo.models.pair import Pair, Sampling

QUESTIONS = 10
LONGEST_ANSWER = 96


@dataclass(frozen=True)
class Losses:
    """Mean loss a learned token."""

    base: float
    adapted: float


def held_out_losses(pair: Pair, renderer: Renderer, rows: Sequence[Row], max_length: int, micro_batch_size: int) -> Losses | None:
    """Both on the same rows; None where nothing of them can be scored."""
    rendered = list(renderer.render_all(rows, max_length))
    if not rendered:
        return None
    return Losses(*pair.losses(rendered, renderer.tokenizer.pad_token_id, micro_batch_size))


def compare(pair: Pair, renderer: Renderer, rows: Sequence[Row]) -> list[Compared]:
    """The first QUESTIONS conversations of `rows` answered by both, greedily."""
    asked = [row for row in rows if isinstance(row, Conversation)][:QUESTIONS]
    if not asked:
        return []
    prompts = [renderer.prompt(row.prompt()) for row in asked]
    longest = max(len(renderer.tokenizer(row.answer())["input_ids"]) for row in asked)
    answers = pair.answers(renderer.tokenizer, (prompts, prompts), Sampling(max_new_tokens=min(LONGEST_ANSWER, 2 * longest + 8)))
    base, adapted = answers[: len(asked)], answers[len(asked) :]
    return [Compared(row.question(), row.answer(), b.text, a.text) for row, b, a in zip(asked, base, adapted, strict=True)]


def build_report(compared: Sequence[Compared], losses: Losses | None, labels: Sequence[str]) -> dict[str, Any]:
    """report.json. `labels` are those of the trained rows where the data sorts, else empty."""
    if losses and not compared:
        verdict = verdict_passages(losses.base, losses.adapted)
    elif not compared:
        verdict = "Trained on all rows, so there is no test. Ask it something in Chat."
    else:
        verdict = verdict_sorting(compared, labels) if labels else verdict_free(compared)
    return {
        "rows": len(compared),
        "verdict": verdict,
        "base": _scores(losses.base if losses else None),
        "adapted": _scores(losses.adapted if losses else None),
        "answers": [asdict(c) for c in compared],
    }


def _scores(loss: float | None) -> dict[str, float | None]:
    return {"loss": loss, "perplexity": math.exp(min(loss, 700)) if loss is not None else None}
