"""Runs, data sets and forecasts for the tests of the page's views."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.data.dataset import PreparedDataset, Report
from qlora_demo.data.finding import Finding
from qlora_demo.estimate import Memory, Way
from qlora_demo.evaluation.earlier import completed
from qlora_demo.forecast import Forecast
from qlora_demo.jobs.ledger import Job
from qlora_demo.offers import ModelChoice
from qlora_demo.progress import Progress, Watched
from qlora_demo.recipe import Recipe
from qlora_demo.run_view import RunView

HOSTILE = "<img src=x onerror=alert(1)> ${alert(2)} {{x}} \"'"
ANSWERS = [
    {"question": "Who are you?", "expected": "I am Wilna.", "base": "I am an AI.", "adapted": "I am Wilna."},
    {"question": HOSTILE, "expected": HOSTILE, "base": HOSTILE, "adapted": HOSTILE},
]
ADVICE = {"reason": "It only took 6 steps.", "button": "Train again, longer", "changes": {"epochs": 20.0}}
EARLIER = {
    "rows": 2,
    "kind": "answers",
    "verdict": "It learned.",
    "learned": "yes",
    "advice": None,
    "base": {"loss": 2.5, "perplexity": 12.18, "exact_match": 0.0, "accuracy": None, "chrf": 9.0},
    "adapted": {"loss": 1.25, "perplexity": 3.49, "exact_match": 0.5, "accuracy": None, "chrf": 62.5},
    "majority": None,
    "won": 2,
    "lost": 0,
    "ties": 0,
    "p_value": 0.25,
    "forgetting": {"base_loss": 2.9, "adapted_loss": 2.95, "kept": 97, "of": 100},
    "answers": ANSWERS,
}
REPORT = completed(EARLIER)
"""As the page reads one of an earlier version."""
TEXTS = {
    **REPORT,
    "sample": {"tested": 2, "of": 12, "too_long": 1, "time_over": False},
    "base": {**REPORT["base"], "token_f1": 0.1, "words": 40.0, "repeated": 0.25},
    "adapted": {**REPORT["adapted"], "token_f1": 0.65, "words": 6.0, "repeated": None},
    "data": {"words": 5.5, "repeated": 0.0},
    "intervals": {"score": "chrf", "rows": 12, "base": [5.0, 14.0], "adapted": [50.1, 70.0], "difference": [40.0, 61.0]},
    "code": {"language": "Python", "base": {"valid": 0, "of": 1}, "adapted": {"valid": 2, "of": 2}},
    "picked": {"best": 0, "worst": 1, "changed": None},
    "general": [{"question": HOSTILE, "base": "Paris.", "adapted": HOSTILE}],
}
SORTED = {
    **REPORT,
    "kind": "sorting",
    "sample": {"tested": 40, "of": 40, "too_long": 0, "time_over": False},
    "base": {**REPORT["base"], "accuracy": 0.075, "macro_f1": 0.1, "chrf": None},
    "adapted": {**REPORT["adapted"], "accuracy": 0.85, "macro_f1": 0.84, "chrf": None},
    "intervals": {"score": "accuracy", "rows": 40, "base": [0.0, 0.15], "adapted": [0.73, 0.95], "difference": [0.6, 0.9]},
    "majority": {"label": "happy", "accuracy": 0.525},
    "confusion": {"labels": ["happy", HOSTILE], "base": [[3, 0, 18], [0, 0, 19]], "adapted": [[20, 1, 0], [4, 14, 1]]},
    "picked": {"best": 0, "worst": None, "changed": None},
}
NOT_LEARNED = {**REPORT, "verdict": "It has not learned your answers: it only took 6 steps.", "learned": "no", "advice": ADVICE}
BROKE = "Training went wrong at step 57 (the numbers grew too large). Saved up to step 50."
GENTLER = {"reason": "The numbers grew too large.", "button": "Try again, gentler", "changes": {"learning_rate": 0.00017}}
KEPT = {"outcome": "failed", "reason": BROKE, "advice": GENTLER, "kept_step": 50}
WATCHED = (
    Watched("Who are you?", "I am Wilna.", True, ((0, "I am an AI."), (36, "I am Wil."))),
    Watched(HOSTILE, HOSTILE, False, ((0, HOSTILE), (36, " "))),
)
FIT = {"micro_batch_size": 2, "checkpointing": True, "predicted_bytes": 5_000_000_000, "measured_bytes": 4_900_000_000}

GOOD, SAME, BAD = [90.0] * 10, [*[89.0, 92.0] * 5], [20.0] * 10
"""Scores of ten answers: good ones, others as good, and bad ones."""


def job(state: str, reason: str = "") -> Job:
    return Job(1, "train", "abc", "local", state, reason, 1, None, 100.0, 100.0, 110.0, 281.0, None, None, None)


def run(state: str = "running", reason: str = "", report: dict | None = None, place: int = 0, **progress: object) -> RunView:
    """A run of 108 steps in any state; `starts_in` is of one that waits, all else its progress."""
    starts_in = progress.pop("starts_in", None)
    result = {"outcome": state, "artifact_bytes": 9_900_000} if state in ("finished", "stopped") else None
    values = {
        "id": "abc",
        "name": "customers, 24 Nov",
        "created": 100.0,
        "job": job(state, reason),
        "place": place,
        "starts_in": starts_in,
        "recipe": Recipe(model=BUNDLED_ID),
        "model": find_model(BUNDLED_ID),
        "rows": 108,
        "progress": Progress(**{"steps": 108, **progress}),
        "report": report,
        "result": result,
        "forecast_seconds": 180.0,
        "predicted_memory_bytes": 5_100_000_000,
        "command": "python -m qlora_demo train customers.csv",
    }
    return RunView(**values)


def answered(scores: list[float], kept: int = 97, asked: str = "q", **adapted: Any) -> dict[str, Any]:
    """A report on as many questions as there are scores."""
    answers = [
        {"question": f"{asked}{i}", "expected": "e", "base": "b", "adapted": "a", "adapted_score": score}
        for i, score in enumerate(scores)
    ]
    figures = {"accuracy": None, "chrf": sum(scores) / len(scores), "perplexity": 3.0, **adapted}
    forgetting = {"base_loss": 1.0, "adapted_loss": 1.0, "kept": kept, "of": 100}
    return {**REPORT, "rows": len(scores), "answers": answers, "adapted": figures, "forgetting": forgetting}


def made(name: str, report: dict[str, Any] | None, memory: int, **recipe: Any) -> RunView:
    view = run("finished", report=report)
    result = {"outcome": "finished", "artifact_bytes": 10_000_000, "peak_memory_bytes": memory, "trainable_parameters": 4_900_000}
    return replace(view, id=name, name=name, result=result, recipe=replace(view.recipe, **recipe))


def dataset(rows: int = 3, findings: tuple[Finding, ...] = (), kind: str = "conversations") -> PreparedDataset:
    made = tuple(
        Conversation((Message("user", f"question {i}"), Message("assistant", f"answer {i}")), f"line {i + 1}") for i in range(rows)
    )
    report = Report(rows, rows, findings=findings)
    return PreparedDataset("orders.csv", kind, "question/answer", ("q", "a"), {"user": "q", "assistant": "a"}, made, report)


def choice(here: bool = True, reachable: bool = True) -> ModelChoice:
    return ModelChoice(find_model(BUNDLED_ID), here, reachable, True)


def forecast(memory: float = 5.1e9, free: float = 14.6e9, seconds: float = 180.0) -> Forecast:
    parts = Memory(int(memory), 0, 0, 0, 0, 0)
    return Forecast(int(memory), int(free), seconds, 108, memory < free, parts, Way(8, False, False, parts))


def with_model(view: RunView, name: str) -> RunView:
    return replace(view, name=name)
