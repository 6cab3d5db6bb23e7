"""Reports that an earlier version of the app wrote: what they lack is unknown. The one place that knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qlora_demo.evaluation.kept import Forgetting

UNKNOWN: dict[str, Any] = {
    "where": "set aside",
    "sample": None,
    "data": {"words": None, "repeated": None},
    "intervals": None,
    "confusion": None,
    "code": None,
    "picked": {"best": None, "worst": None, "changed": None},
    "general": [],
}
SIDE: dict[str, Any] = {"token_f1": None, "macro_f1": None, "words": None, "repeated": None}
ANSWER: dict[str, Any] = {"row": None, "base_whole": True, "adapted_whole": True, "base_score": None, "adapted_score": None}


def completed(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with every key that this version writes."""
    kept = report["forgetting"]
    forgetting = kept and Forgetting(kept["base_loss"], kept["adapted_loss"], kept["kept"], kept["of"]).to_json()
    sides = {side: {**SIDE, **report[side]} for side in ("base", "adapted")}
    return {**UNKNOWN, **report, **sides, "forgetting": forgetting, "answers": [{**ANSWER, **answer} for answer in report["answers"]]}
