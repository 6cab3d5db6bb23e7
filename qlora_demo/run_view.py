"""A run as people see it: its job, its recipe, what its events add up to, its report and its result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from qlora_demo.catalogue import BaseModel, find_model
from qlora_demo.errors import BusyError, ModelError, StorageError
from qlora_demo.evaluation.earlier import completed
from qlora_demo.events import read_events
from qlora_demo.jobs.ledger import ACTIVE, EVERYONE, Job, Ledger
from qlora_demo.progress import Progress, progress_of
from qlora_demo.recipe import Recipe, from_json
from qlora_demo.run_dir import Home, read_json

RESULT_FIELDS = (
    "steps",
    "train_loss",
    "held_out_loss",
    "tokens_per_second",
    "seconds",
    "peak_memory_bytes",
    "trainable_parameters",
    "total_parameters",
    "artifact_bytes",
)
"""Of result.json, what a command tells."""
SHORTEST_SECONDS = 10.0
"""What a run that is over its forecast is still expected to take."""


@dataclass(frozen=True)
class RunView:
    """`place` and `starts_in` (seconds) are of a run that waits: 1 is next. `shared` is everyone's example."""

    id: str
    name: str
    created: float
    job: Job
    recipe: Recipe
    model: BaseModel
    rows: int
    progress: Progress
    report: dict[str, Any] | None
    result: dict[str, Any] | None
    forecast_seconds: float
    predicted_memory_bytes: int
    command: str
    changed: tuple[str, ...] = ()
    """What had to be changed on the way to make it fit, as sentences."""
    place: int = 0
    starts_in: float | None = None
    keeps_until: float | None = None
    """When it is deleted, in seconds since the epoch; None where it stays."""

    def usable(self) -> bool:
        """Has weights to chat with: a run that was stopped while its base model was fetched has none."""
        return self.result is not None and bool(self.result.get("artifact_bytes") or self.kept_step())

    def time_is_up(self) -> bool:
        """Ended by the limit of this demo: going on would end at once."""
        return self.result is not None and bool(self.result.get("time_is_up"))

    def kept_step(self) -> int | None:
        """Of a run that failed: the saved point whose weights are kept, None where there is none."""
        return self.result.get("kept_step") if self.result else None

    def advice(self) -> dict[str, Any] | None:
        """The one change that would help: reason, words of the button, and the recipe's fields with their new values. None where all is well."""
        return (self.result or {}).get("advice") or (self.report or {}).get("advice")

    def better(self) -> Recipe | None:
        """The recipe with that change."""
        advice = self.advice()
        if advice is None:
            return None
        changed = replace(self.recipe, **advice["changes"])
        return replace(changed, micro_batch_size=min(changed.micro_batch_size, changed.batch_size))

    def active(self) -> bool:
        return self.job.state in (*ACTIVE, "queued")

    def shared(self) -> bool:
        return self.job.owner == EVERYONE

    def guest(self, owner: str) -> bool:
        """Whether this owner may only read it, because somebody shared it."""
        return self.job.owner not in (owner, EVERYONE)

    def seconds_left(self, now: float) -> float:
        """Until it ends, for one that is running; the whole forecast for one that waits."""
        if self.job.started is None:
            return self.forecast_seconds
        if self.progress.seconds_left is not None:
            return self.progress.seconds_left
        return max(SHORTEST_SECONDS, self.forecast_seconds - (now - self.job.started))


def check_askable(view: RunView, against: RunView | None = None) -> None:
    """Chat can ask this run's model, and beside it that of `against`: both are of one base model, packed alike. Raises BusyError, ModelError."""
    if not view.usable():
        raise BusyError("This model is not finished, so it cannot answer yet.")
    if against is None:
        return
    if not against.usable():
        raise BusyError(f"{against.name} is not finished, so it cannot answer yet.")
    if against.model != view.model:
        raise ModelError(
            f"{against.name} was trained on {against.model.name}, {view.name} on {view.model.name}. Compare two models with the same base model."
        )
    if (against.recipe.method == "qlora") != (view.recipe.method == "qlora"):
        raise ModelError(
            "One of these models was trained with QLoRA, on a base model packed to 4 bits, and the other was not. Compare two that were trained with "
            "QLoRA, or two that were not."
        )


def read_view(home: Home, job: Job) -> RunView:
    """From the run's files. Raises StorageError where they are damaged."""
    run = home.run(job.run)
    about = read_json(run.run_json)
    recipe = from_json(read_json(run.recipe_json))
    progress = progress_of(read_events(run.events)[0])
    if job.state in ACTIVE and progress.seen < (job.started or 0.0):
        progress = replace(progress, phase="waiting", seconds_left=None)  # what the events say is of the attempt before
    return RunView(
        id=job.run,
        name=about["name"],
        created=about["created"],
        job=job,
        recipe=recipe,
        model=find_model(recipe.model),
        rows=about["rows"],
        progress=progress,
        report=completed(read_json(run.report_json)) if run.report_json.exists() else None,
        result=run.result(),
        forecast_seconds=about["forecast_seconds"],
        predicted_memory_bytes=about["predicted_memory_bytes"],
        command=about["command"],
        changed=tuple(read_json(run.fit_json)["attempts"]) if run.fit_json.exists() else (),
    )


def in_line(view: RunView, home: Home, ledger: Ledger, now: float) -> RunView:
    """With its place and when it starts: after what runs now and all before it, by their forecasts."""
    if view.job.state != "queued":
        return view
    active = ledger.active()
    ahead = list(takewhile(lambda job: job.run != view.id, ledger.waiting()))
    before = [*([active] if active else []), *ahead]
    return replace(view, place=len(ahead) + 1, starts_in=sum(_seconds_left(home, job, now) for job in before))


def _seconds_left(home: Home, job: Job, now: float) -> float:
    """None of a damaged run: it ends as soon as it begins."""
    try:
        return read_view(home, job).seconds_left(now)
    except StorageError:
        return 0.0


def result_of(view: RunView) -> dict[str, Any]:
    """From result.json, else from the ledger; what is not known is null."""
    known = view.result or {}
    return {
        "run": view.id,
        "state": view.job.state,
        "reason": view.job.reason,
        **{name: known.get(name) for name in RESULT_FIELDS},
        "predicted_memory_bytes": view.predicted_memory_bytes,
    }
