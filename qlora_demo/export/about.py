"""What can be told to others about a finished model: from the files of its run, without a row of its data. Damaged files are a sentence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from qlora_demo.catalogue import BaseModel, find_model
from qlora_demo.data.conversation import Conversation, Row, row_from_json
from qlora_demo.data.dataset import goal_of
from qlora_demo.errors import StorageError
from qlora_demo.recipe import METHOD_NAMES, Recipe, from_json
from qlora_demo.run_dir import RunDir, read_json

ADAPTER, MERGED, GGUF, GGUF_ADAPTER = "adapter", "merged", "gguf", "gguf-adapter"
"""How others use a form; see `used_as`."""
LICENSE = "apache-2.0"
"""Of every base model on offer (catalogue.py)."""
LOOKED_AT = 200
"""Rows from which it is told what the data is good for."""


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


@dataclass(frozen=True)
class Measure:
    """A figure of the report: its key, its name, what it means in plain words, and how it is written."""

    key: str
    name: str
    words: str
    form: Callable[[float], str]


MEASURES = (
    Measure("accuracy", "Right label", "Share of the rows that it sorts right.", _percent),
    Measure("macro_f1", "Each label alike (macro-F1)", "As above, but a rare label counts as much as a frequent one.", _percent),
    Measure("exact_match", "Exactly right", "Share of the answers that are the expected text, letter by letter.", _percent),
    Measure("chrf", "Likeness of the text (chrF)", "Runs of letters shared with the expected answer. 100 is the same text.", "{:.1f}".format),
    Measure("token_f1", "Shared words (token F1)", "Words shared with the expected answer, in any order.", _percent),
    Measure("loss", "Error (loss)", "How surprised it is by the right text. Lower is better.", "{:.3f}".format),
    Measure("words", "Length", "Words in an answer.", "{:.1f}".format),
    Measure("repeated", "Says it again (repeated 4-grams)", "Share of four words in a row that came before in the same answer.", _percent),
)


@dataclass(frozen=True)
class Figure:
    """One figure before and after training, as it is written; a range says where it would likely be (95 %) with other rows, "" where unknown."""

    name: str
    words: str
    before: str
    after: str
    before_range: str = ""
    after_range: str = ""


@dataclass(frozen=True)
class Tested:
    """What the test at the end found. `kept` of `general` questions of general knowledge are still answered rightly; None where not measured."""

    verdict: str
    rows: int
    figures: tuple[Figure, ...]
    kept: int | None = None
    general: int | None = None


@dataclass(frozen=True)
class About:
    """A finished model. `kind` is "conversations", "labels" or "passages"; `goal` as in data.dataset; `language` an ISO 639-1 code, "" where it is
    not known; `labels` how many there are. What an older run did not write down is None."""

    name: str
    base: BaseModel
    recipe: Recipe
    kind: str
    goal: str
    language: str = ""
    labels: int = 0
    learned: int | None = None
    held_out: int | None = None
    tested: Tested | None = None
    steps: int | None = None
    train_loss: float | None = None
    held_out_loss: float | None = None
    ended_early: bool = False
    made: float | None = None
    """When, in seconds since the epoch."""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """qlora, lora or full."""
        return self.recipe.method

    @property
    def system_prompt(self) -> str:
        return self.recipe.system_prompt

    def method_name(self) -> str:
        return METHOD_NAMES[self.method]

    def license(self) -> str:
        """The base's, as the model hub writes it."""
        return LICENSE

    def base_revision(self) -> str:
        """Of the published base, "" for the bundled copy: its release is one of a package, which the model hub does not know."""
        return "" if self.base.bundled() else self.base.revision

    def date(self) -> str:
        """Year, month, day in UTC; "" where it is not known."""
        return "" if self.made is None else time.strftime("%Y-%m-%d", time.gmtime(self.made))


def used_as(form: str) -> str:
    """Of a form's key (export/forms.py): a whole model as a GGUF file is used alike, in however many bits its numbers are."""
    return GGUF if form.startswith(GGUF) and form != GGUF_ADAPTER else form


def about_run(run: RunDir) -> About:
    """Raises StorageError for missing or damaged files, ModelError for a base model that is no longer on offer."""
    run_json = read_json(run.run_json)
    recipe = from_json(read_json(run.recipe_json))
    base = find_model(recipe.model)
    try:
        return _about(run, run_json, recipe, base)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"The files of {run_json.get('name', run.id)!r} are damaged, so nothing can be told of it.") from error


def _about(run: RunDir, run_json: Mapping[str, Any], recipe: Recipe, base: BaseModel) -> About:
    data = _optional(run.data_report_json)
    result, report = _optional(run.result_json), _optional(run.report_json)
    rows = _first_rows(run.train_jsonl)
    labels = len(data.get("labels", ()))
    kind = "labels" if labels else "conversations" if rows and isinstance(rows[0], Conversation) else "passages"
    return About(
        name=run_json["name"].strip(),
        base=base,
        recipe=recipe,
        kind=kind,
        goal=goal_of(kind, rows) if rows else "character",
        language=data.get("language", ""),
        labels=labels,
        learned=run_json.get("rows"),
        held_out=run_json.get("held_out"),
        tested=_tested(report) if report else None,
        steps=result.get("steps") or result.get("kept_step"),
        train_loss=result.get("train_loss"),
        held_out_loss=result.get("held_out_loss"),
        ended_early=result.get("outcome", "finished") != "finished",
        made=result.get("ended", run_json.get("created")),
        versions=dict(run_json.get("versions", {})),
    )


def _optional(path: Path) -> dict[str, Any]:
    """What a run need not have, or does not have yet: nothing is known then. Raises StorageError for a damaged file."""
    return read_json(path) if path.exists() else {}


def _first_rows(path: Path) -> list[Row]:
    """Raises StorageError."""
    try:
        with path.open(encoding="utf-8") as lines:
            return [row_from_json(json.loads(line)) for line in islice(lines, LOOKED_AT)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path.parent.name}/{path.name} is missing or damaged; this run is not whole. Delete it.") from error


def _tested(report: Mapping[str, Any]) -> Tested | None:
    """None where nothing was tested."""
    if report["kind"] == "none":
        return None
    kept = report.get("forgetting") or {}
    return Tested(report["verdict"], report["rows"], _figures(report), kept.get("kept"), kept.get("of"))


def _figures(report: Mapping[str, Any]) -> tuple[Figure, ...]:
    ranges = report.get("intervals") or {}
    found = []
    for measure in MEASURES:
        before, after = (report[side].get(measure.key) for side in ("base", "adapted"))
        if before is None or after is None:
            continue
        edges = ("", "")
        if ranges.get("score") == measure.key:
            edges = tuple(" to ".join(measure.form(edge) for edge in ranges[side]) for side in ("base", "adapted"))
        found.append(Figure(measure.name, measure.words, measure.form(before), measure.form(after), *edges))
    return tuple(found)
