"""What a run will take on this machine: arithmetic, corrected by the runs that were finished here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from qlora_demo.catalogue import find_model
from qlora_demo.errors import StorageError
from qlora_demo.estimate import Computing, Memory, Past, Way, Work, memory_correction, time_correction
from qlora_demo.hardware import Machine
from qlora_demo.jobs.ledger import EVERYONE, Ledger
from qlora_demo.recipe import Recipe, from_json
from qlora_demo.run_dir import Home, RunDir, read_json
from qlora_demo.spread import fit_over

RUNS_REMEMBERED = 12


@dataclass(frozen=True)
class Sizes:
    """What a forecast needs to know of data: how many rows, and the tokens of the longest and of one on average, cut to the recipe's limit."""

    rows: int
    longest: int
    mean: float


@dataclass(frozen=True)
class Forecast:
    """What a run will take. `seconds` is from its start to its end; `free_bytes` is what this machine has now. `memory` is `memory_bytes` by purpose,
    for `way`, which is how it would be done. Of several cards, bytes are those of one."""

    memory_bytes: int
    free_bytes: int
    seconds: float
    steps: int
    fits: bool
    memory: Memory
    way: Way

    def reason(self) -> str:
        """Whether it fits, with the figures."""
        needs, free = f"{self.memory_bytes / 1e9:.1f} GB of memory", f"{self.free_bytes / 1e9:.1f} GB are free"
        return f"It fits: it needs {needs}, and {free}." if self.fits else f"It does not fit: it needs {needs}, and only {free}."

    def to_json(self) -> dict[str, object]:
        """For the command line; bytes and seconds."""
        parts = {**asdict(self.memory), "total": self.memory_bytes}
        told = {"free_bytes": self.free_bytes, "fits": self.fits, "seconds": self.seconds, "steps": self.steps}
        return {"memory_bytes": parts, **told, "reason": self.reason()}


UNKNOWN = Sizes(100, 100, 100.0)
"""Where there is no data yet."""


def forecast(recipe: Recipe, sizes: Sizes, machine: Machine, free: int, past: Sequence[Past]) -> Forecast:
    """Of the ways to do it, the one that the worker would choose with `free` bytes. Raises ModelError."""
    dimensions, computing = find_model(recipe.model).dimensions, Computing.of(machine)
    correction = memory_correction(past, recipe.model, recipe.method)
    way = fit_over(dimensions, recipe, sizes.longest, int(free / correction), computing, machine.processes)
    chosen = replace(recipe, micro_batch_size=way.micro_batch_size)
    learn = max(1, sizes.rows - recipe.held_out)
    steps = max(1, round(recipe.epochs * -(-learn // recipe.batch_size)))
    how = way.checkpointing, way.processes, way.sharded
    work = Work(chosen, dimensions, int(recipe.epochs * learn * sizes.mean), steps, computing, machine.cores, *how)
    learning = work.learning_seconds() * time_correction(past, recipe.model, recipe.method)
    seconds = work.starting_seconds() + learning + work.testing_seconds(int(recipe.held_out * sizes.mean))
    memory = way.memory.times(correction * (way.processes if computing.device == "cpu" else 1))
    return Forecast(memory.total(), free, seconds, steps, memory.total() < free, memory, way)


def past_runs(home: Home, ledger: Ledger, owner: str, machine: Machine) -> list[Past]:
    """The last finished runs, oldest first: the owner's and everyone's example."""
    jobs = [job for job in (*ledger.jobs(EVERYONE), *ledger.jobs(owner)) if job.state == "finished"]
    found = (_past(home.run(job.run), machine) for job in jobs[-RUNS_REMEMBERED:])
    return [past for past in found if past is not None]


def _past(run: RunDir, machine: Machine) -> Past | None:
    """None of one that tells nothing: damaged, of an earlier release, or continued only to be tested."""
    try:
        result, recipe = run.result(), from_json(read_json(run.recipe_json))
    except StorageError:
        return None
    if not result or "checkpointing" not in result or not result["tokens_per_second"]:
        return None
    done = replace(recipe, micro_batch_size=result["micro_batch_size"])
    tokens = int(result["tokens_per_second"] * result["seconds"])
    dimensions = find_model(recipe.model).dimensions
    how = result["checkpointing"], result.get("processes", 1), bool(result.get("sharded"))  # an earlier release has one process
    work = Work(done, dimensions, tokens, result["steps"], Computing.of(machine), machine.cores, *how)
    seconds = work.learning_seconds(), result["seconds"]
    return Past(recipe.model, recipe.method, result["predicted_memory_bytes"], result["peak_memory_bytes"], *seconds)
