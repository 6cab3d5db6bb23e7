"""What a page or a command may ask for. Every method takes the owner; nobody meets another's data set, run or chat."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qlora_demo.caps import NO_CAPS, Caps
from qlora_demo.catalogue import BUNDLED_ID, BaseModel, find_model
from qlora_demo.chat.client import Ask, ChatClient, Turn
from qlora_demo.data.conversation import Message, Row, read_rows
from qlora_demo.data.dataset import PreparedDataset
from qlora_demo.data.finding import Finding
from qlora_demo.data.language import language_finding
from qlora_demo.data.split import default_held_out, split
from qlora_demo.data.stored import ROWS, StoredRows
from qlora_demo.data_sets import DataSets
from qlora_demo.downloads import AnswersFile, Tickets
from qlora_demo.errors import BusyError, DataError, DiskFullError, ModelError, NotFoundError, StorageError, UserError
from qlora_demo.evaluation.client import evaluate_in_child
from qlora_demo.exports import Exports
from qlora_demo.forecast import UNKNOWN, Forecast, Sizes, forecast, past_runs
from qlora_demo.hardware import Machine, detect
from qlora_demo.hosting import Hosting
from qlora_demo.housekeeping import Housekeeper
from qlora_demo.jobs.export_line import ExportLine
from qlora_demo.jobs.export_queue import ExportQueue
from qlora_demo.jobs.ledger import ACTIVE, EVERYONE, Job
from qlora_demo.jobs.scheduler import Scheduler, Tenants
from qlora_demo.memory import Memory
from qlora_demo.offers import ModelChoice, Offers
from qlora_demo.owners import Owners
from qlora_demo.pipes import child_environ, training_environ
from qlora_demo.recipe import Material, Recipe, recommended
from qlora_demo.recovery import complete, open_ledger
from qlora_demo.redact import end_of, redact
from qlora_demo.run_dir import Home, has_room, read_json, remove, write_json
from qlora_demo.run_view import RunView, check_askable, in_line, read_view
from qlora_demo.settings import Settings
from qlora_demo.sharing import Sharing
from qlora_demo.storage import Storage
from qlora_demo.submission import LONGEST_NAME, Submission, build, renamed
from qlora_demo.votes import Votes

AGAIN = ", again"
EXAMPLE, EXAMPLE_NAME = "character", "Example: a character"


class Studio:
    """One home. `start` takes its lock and begins to work through the line; without it a Studio only reads and submits.

    `spare_cores` are left to a page and its browser by chat, whose many small products gain nothing from the last core beside a busy browser
    (4-bit, two cores: 95 ms a token with one thread, 129 with two). Training takes all cores, at a lower priority.
    """

    def __init__(self, settings: Settings, spare_cores: int = 0):
        self.settings = settings
        self.home = Home(settings.home_dir()).create()
        self.machine: Machine = detect(settings)
        home = {"QLORA_DEMO_HOME": str(self.home.path)}
        training = {**training_environ(os.environ, self.machine.cores), **home}
        environ = {**child_environ(os.environ), **home, "OMP_NUM_THREADS": str(max(1, self.machine.cores - spare_cores))}
        self._environ = training
        self.ledger = open_ledger(self.home)
        self.owners = Owners(settings, self.ledger)
        self.sharing = Sharing(self.ledger)
        self.votes = Votes(self.home, self.ledger)
        self._submitting = threading.Lock()
        self.chat = ChatClient(environ, self.home.path / "chat.log", settings.chat_idle_minutes * 60)
        tenants = Tenants(lambda job: self.memory.make_room(job), self.chat.come_back)
        self.scheduler = Scheduler(self.home, self.ledger, tenants, training)
        self.memory = Memory(self.home, self.ledger, self.machine, self.scheduler, self.chat)
        self.hosting = Hosting(self.home, self.ledger, self.scheduler, self.owners)
        self.data = DataSets(self.home, self.ledger, settings, environ)
        self._offers = Offers(settings, self.home, self.machine)
        self.tickets = Tickets()
        self.storage = Storage(self.home, self.ledger, settings)
        self.housekeeper = Housekeeper(self.home, self.ledger, settings)
        exports = ExportQueue(self.ledger)
        self._export_line = ExportLine(self.home, self.storage, exports, environ, self._holding_memory)
        self.exports = Exports(self.home, self.ledger, self.storage, self.tickets, self._export_line, exports)

    def start(self, warm: bool = False) -> None:
        """`warm` keeps the next worker ready. Raises StorageError where another server has this home. A Space that nobody uses yet trains
        everyone's example."""
        self.housekeeper.bring_back()
        complete(self.home, self.ledger)
        self.scheduler.start(warm)
        self._export_line.start()
        self.housekeeper.start()
        if self.settings.space and not self.ledger.jobs():
            try:
                self.train_example()
            except UserError as error:  # no room for it here: the page works without
                print(error, file=sys.stderr, flush=True)

    def start_exports(self) -> None:
        """Works through what is prepared alone. Raises StorageError where another server has this home."""
        self.scheduler.hold()
        self._export_line.start()

    def _holding_memory(self) -> bool:
        """Whether something runs here whose memory will be free later."""
        return self.ledger.active() is not None or self.chat.running()

    def close(self) -> None:
        """A running training saves a point and goes on at the next start."""
        self.chat.release(given_back=False)
        self.data.close()
        self._export_line.close()
        self.scheduler.close()
        self.housekeeper.close()
        self.ledger.close()

    def failing(self) -> tuple[str, ...]:
        """What keeps this server from its work, by name: "ledger", "disk", "scheduler"."""
        works = {"ledger": self.ledger.can_write(), "disk": has_room(self.home), "scheduler": self.scheduler.working()}
        return tuple(name for name, fine in works.items() if not fine)

    # Base models

    def models(self, owner: str) -> list[ModelChoice]:
        """All on offer; those that need the internet last where there is none. In a workshop only the small one that comes along."""
        return self._offers.choices(self.caps(owner).small_only)

    # Data

    def split(self, dataset: PreparedDataset, recipe: Recipe) -> tuple[StoredRows, StoredRows]:
        """(rows to learn from, rows set aside)."""
        index = dataset.rows.index
        learn, held_out = split(index["group"], index["label"], recipe.held_out, recipe.seed)
        return dataset.rows.at(learn), dataset.rows.at(held_out)

    def language_finding(self, dataset: PreparedDataset, model_id: str) -> Finding | None:
        """A remark where the data's language is not one that the base model knows."""
        return language_finding(dataset.report.language, find_model(model_id).languages)

    # Training

    def recommend(self, owner: str, dataset_id: str, model_id: str = "", method: str = "", preset: str = "balanced") -> Recipe:
        """What suits this data, or without any about as much as people have, on this machine."""
        model = find_model(model_id) if model_id else next(c.model for c in self.models(owner) if c.default)
        if not dataset_id:
            held_out = default_held_out(UNKNOWN.rows, "conversations")
            return recommended(model, method or self.default_method()[0], preset, Material(UNKNOWN.rows - held_out, UNKNOWN.mean), held_out)
        dataset = self.data.get(owner, dataset_id)
        held_out = default_held_out(len(dataset.rows), dataset.kind) if dataset.choices.test else 0
        material = Material(len(dataset.rows) - held_out, float(dataset.lengths().mean()), dataset.goal)
        return recommended(model, method or self.default_method()[0], preset, material, held_out)

    def default_method(self) -> tuple[str, str]:
        """(method, why); the reason begins with what should be known of this machine, such as a card that cannot be used."""
        if self.machine.fast_4_bit:
            return "qlora", f"{self.machine.note} Recommended here: it needs the least memory.".strip()
        return "lora", f"{self.machine.note} Recommended here: this processor unpacks a 4-bit model slowly.".strip()

    def forecast(self, owner: str, dataset_id: str, recipe: Recipe) -> Forecast:
        """Memory and time by arithmetic, both corrected by the last runs here; of the ways to do it, the one that the worker would choose now."""
        if not dataset_id:
            return self.forecast_for(owner, recipe, UNKNOWN)
        lengths = np.minimum(self.data.get(owner, dataset_id).lengths(), recipe.max_length)
        return self.forecast_for(owner, recipe, Sizes(len(lengths), int(lengths.max()), float(lengths.mean())))

    def forecast_for(self, owner: str, recipe: Recipe, sizes: Sizes) -> Forecast:
        """As `forecast`, for data of which only the sizes are known."""
        return forecast(recipe, sizes, self.machine, self.memory.free_in_turn(), past_runs(self.home, self.ledger, owner, self.machine))

    def submit(self, owner: str, dataset_id: str, recipe: Recipe, name: str, set_id: str | None = None) -> str:
        """The run is on disk and in the line when this returns. `set_id` is of those that are started together. Returns its id. Raises UserError of
        every kind."""
        recipe.validate()
        model, caps = self._offered(owner, recipe.model), self.caps(owner)
        caps.check_line(self.ledger.in_line(owner))
        forecast = self.forecast(owner, dataset_id, recipe)
        if not forecast.fits:
            raise BusyError(
                f"This needs about {forecast.memory_bytes / 1e9:.1f} GB of memory; {forecast.free_bytes / 1e9:.1f} GB are free. "
                "Choose QLoRA or a smaller model."
            )
        self.storage.check_run(owner, recipe, self.machine)
        dataset = self.data.get(owner, dataset_id)
        learn, held_out = self.split(dataset, recipe)
        if not learn:
            raise DataError("No rows are left to learn from. Set fewer rows aside.")
        caps.check(recipe, len(learn))
        title = name.strip()[:LONGEST_NAME] or dataset.name
        file = self.ledger.dataset_name(dataset_id)
        submission = Submission(owner, title, recipe, model, learn, held_out, dataset_id, dataset, file, forecast.seconds, forecast.memory_bytes)
        submission = replace(submission, max_seconds=caps.seconds(), set_id=set_id)
        run_id = build(self.home, submission)
        with self._submitting:  # of two clicks at once, the second must see the first
            try:
                caps.check_line(self.ledger.in_line(owner))
                self.ledger.add_job("train", run_id, owner, set_id)
            except (BusyError, DiskFullError):
                remove(self.home.run(run_id).path)
                raise
        self.storage.note_data(dataset_id)
        active = self.ledger.active()
        if active is not None and active.owner == EVERYONE != owner:
            self.scheduler.give_way(active)
        self.scheduler.wake()
        return run_id

    def caps(self, owner: str) -> Caps:
        """What this owner may ask for at most."""
        return NO_CAPS if owner == EVERYONE or self.owners.is_host(owner) else Caps.of(self.settings)

    def _offered(self, owner: str, model_id: str) -> BaseModel:
        """Raises ModelError for a model that this owner is not offered."""
        model = find_model(model_id)
        if self.caps(owner).small_only and not model.bundled():
            raise ModelError("This workshop trains the small model that comes along. Choose that one.")
        return model

    def better(self, owner: str, run_id: str) -> str:
        """Starts the run that a run's own advice asks for, on the same data. Returns its id. Raises BusyError where there is no advice, NotFoundError
        where the data is gone, and what `submit` raises.
        """
        view = self.run(owner, run_id)
        recipe = view.better()
        if recipe is None:
            raise BusyError("Nothing is known that this run would do better with.")
        return self.submit(owner, self.data_of(owner, run_id), recipe, view.name.removesuffix(AGAIN)[: LONGEST_NAME - len(AGAIN)] + AGAIN)

    def train_example(self) -> str:
        """Everyone's example model, so that Chat is never empty: trained once, behind everybody's own runs. Returns its run's id.

        On the model preferred here if it is on this disk, else on the one that comes along: nobody asked for gigabytes. Raises UserError.
        """
        made = next(iter(self.ledger.jobs(EVERYONE)), None)
        if made is not None:
            if made.state in ("failed", "stopped", "interrupted"):
                self.exports.forget(made.run)
                self.scheduler.resume(made)
                self.scheduler.wake()
            return made.run
        dataset_id = self.data.add_example(EVERYONE, EXAMPLE)
        preferred = next(choice for choice in self.models(EVERYONE) if choice.default)
        model_id = preferred.model.id if preferred.here else BUNDLED_ID
        return self.submit(EVERYONE, dataset_id, self.recommend(EVERYONE, dataset_id, model_id), EXAMPLE_NAME)

    def runs(self, owner: str) -> list[RunView]:
        """Newest first, everyone's example last. A run that cannot be read (damaged, or of another release) is left out: the log says why."""
        views = []
        for job in self.jobs(owner):
            try:
                views.append(self.run(owner, job.run))
            except StorageError as error:
                print(error, file=sys.stderr, flush=True)
        return views

    def jobs(self, owner: str) -> list[Job]:
        """In the order of `runs`: one's own, what others share, everyone's."""
        return [*reversed(self.ledger.jobs(owner)), *self.ledger.guest_jobs(owner), *self.ledger.jobs(EVERYONE)]

    def find_run(self, owner: str, text: str) -> str:
        """An id from an id, a unique beginning of one, or "last". Raises NotFoundError."""
        ids = [job.run for job in self.jobs(owner)]
        if text == "last" and ids:
            return ids[0]
        found = [run_id for run_id in ids if run_id.startswith(text)]
        if len(found) == 1:
            return found[0]
        raise NotFoundError(f"{'Several runs begin' if found else 'No run of yours begins'} with {text!r}. 'runs' lists them.")

    def run(self, owner: str, run_id: str) -> RunView:
        """Raises NotFoundError."""
        job = self.ledger.job_of_run(run_id, owner)
        view = replace(read_view(self.home, job), keeps_until=self.storage.run_until(job))
        return in_line(view, self.home, self.ledger, time.time())

    def may_change(self, owner: str, job: Job) -> bool:
        """One's own runs; everyone's example only by the host."""
        return job.owner == owner or (job.owner == EVERYONE and self.owners.is_host(owner))

    def _changeable(self, owner: str, run_id: str) -> Job:
        """Raises NotFoundError, and BusyError where it is everyone's or another's."""
        job = self.ledger.job_of_run(run_id, owner)
        if not self.may_change(owner, job):
            whose = "This example is everyone's" if job.owner == EVERYONE else "This model is shared with you"
            raise BusyError(f"{whose}: you can chat with it, but not change it.")
        return job

    def rename(self, owner: str, run_id: str, name: str) -> None:
        """Raises RecipeError for an empty name."""
        self._changeable(owner, run_id)
        run_json = self.home.run(run_id).run_json
        write_json(run_json, renamed(read_json(run_json), name))
        self.exports.forget(run_id)

    def data_of(self, owner: str, run_id: str) -> str:
        """The id of the data set that a run learned from. Raises NotFoundError where it is gone."""
        self.ledger.job_of_run(run_id, owner)
        dataset_id = read_json(self.home.run(run_id).run_json)["dataset"]
        self.data.get(owner, dataset_id)
        return dataset_id

    def log(self, owner: str, run_id: str, last_bytes: int = 20_000) -> str:
        """The end of what the worker wrote, in whole lines, without secrets and places."""
        self.ledger.job_of_run(run_id, owner)
        return redact(end_of(self.home.run(run_id).log, last_bytes), os.environ, self.home.path)

    def stop(self, owner: str, run_id: str) -> None:
        self.scheduler.stop(self._changeable(owner, run_id))

    def resume(self, owner: str, run_id: str) -> None:
        """From the newest saved point, else from the start. Raises BusyError for a run that is not over."""
        job = self._changeable(owner, run_id)
        if job.state not in ("failed", "stopped", "interrupted"):
            raise BusyError("This run is not stopped, so there is nothing to continue.")
        if self.run(owner, run_id).time_is_up():
            raise BusyError("This run has used all its time here. Train again with fewer steps.")
        self.exports.forget(run_id)
        self.scheduler.resume(job)
        self.scheduler.wake()

    def delete(self, owner: str, run_id: str) -> None:
        """Model, data and report go for good, from the bucket too. Raises BusyError while it trains, StorageError."""
        job = self._changeable(owner, run_id)
        self.exports.forget(run_id)
        if job.state in ACTIVE or not self.housekeeper.delete_run(run_id):
            self.ledger.job_of_run(run_id, owner)  # raises where another click was quicker
            raise BusyError("This model is still training. Stop it first, then delete it.")

    def hand_over(self, owner: str, to: str) -> None:
        """All models and data of one owner to another: somebody signed in."""
        for run_id in self.ledger.hand_over(owner, to):
            run_json = self.home.run(run_id).run_json
            write_json(run_json, {**{key: value for key, value in read_json(run_json).items() if key != "schema"}, "owner": to})
        self.data.sign(to)
        self.exports.hand_over(owner, to)

    def delete_everything(self, owner: str) -> None:
        """All models and data of this owner, for good. Raises BusyError while one trains."""
        jobs = self.ledger.jobs(owner)
        if any(job.state in ACTIVE for job in jobs):
            raise BusyError("One of your models is still training. Stop it first, then delete everything.")
        for job in jobs:
            self.delete(owner, job.run)
        for dataset_id in self.ledger.datasets(owner):
            self.data.remove_one(owner, dataset_id)

    def download(self, owner: str, run_id: str, answers: str = "") -> str:
        """A ticket for `/download/TICKET`, where what a run learned can be had for some minutes, or its test's `answers` as "csv" or "jsonl". Raises
        BusyError, NotFoundError, StorageError."""
        if not answers:
            return self.exports.as_it_is(owner, run_id)
        run, view = self.exports.run_dir(owner, run_id), self.run(owner, run_id)
        if not (view.report and view.report["answers"]):
            raise BusyError("This model was not asked anything at its end, so there are no answers to download.")
        return self.tickets.mint(AnswersFile(run, view.name, answers))

    def questions(self, owner: str, run_id: str) -> tuple[list[Row], list[Row]]:
        """(rows it learned from, rows it has never seen)."""
        self.ledger.job_of_run(run_id, owner)
        run = self.home.run(run_id)
        return read_rows(run.train_jsonl), read_rows(run.held_out_jsonl)

    def evaluate(self, owner: str, run_id: str, dataset_id: str = "", loaded: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """The report of base and trained model on a data set, or without one on the rows set aside, which the run then keeps. `loaded` is called once
        the models are in memory. Raises BusyError, ModelError, NotFoundError.
        """
        if not self.run(owner, run_id).usable():
            raise BusyError("This model is not finished, so it cannot be tested yet.")
        if dataset_id:
            self.data.get(owner, dataset_id)
        self.storage.note_run(run_id)
        rows = self.home.datasets / dataset_id / ROWS if dataset_id else None
        return evaluate_in_child(self.home.run(run_id), rows, self._environ, self.home.path / "evaluation.log", loaded)

    # Chat

    def ask(self, owner: str, run_id: str, columns: Sequence[Sequence[Message]], ask: Ask, against: str = "") -> Iterator[Turn]:
        """Both answers as they grow: `columns` are the histories of base and adapted, each ending with the question. Another run's model answers in
        the base's place where its id is `against`. Raises UserError."""
        view, other = self.run(owner, run_id), self.run(owner, against) if against else None
        check_askable(view, other)
        if self.memory.chat_waits_for(view, other) is not None:
            raise BusyError("This machine is training. Chat opens when it is done.")
        for asked in filter(None, (run_id, against)):
            self.storage.note_run(asked)
        ask = replace(ask, max_new_tokens=self.caps(owner).answer(ask.max_new_tokens))
        base, left = f"{view.model.id} {view.recipe.method}", self.home.run(against) if against else None
        yield from self.chat.ask(self.home.run(run_id), base, columns, ask, left)
