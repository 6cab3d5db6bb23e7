"""What a finished model can be taken along as: which forms there are, preparing one, sending one, and the way to its files."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from qlora_demo.catalogue import find_model
from qlora_demo.downloads import Folder, Tickets, safe_name
from qlora_demo.errors import BusyError
from qlora_demo.export.about import about_run
from qlora_demo.export.as_is import texts
from qlora_demo.export.client import Push
from qlora_demo.export.forms import FORMS, Form, find_form, forms_of
from qlora_demo.export.hub_names import check_name
from qlora_demo.export.prepared import Prepared, prepared, withdraw
from qlora_demo.export.usage import Way, ways
from qlora_demo.jobs.export_line import ExportLine
from qlora_demo.jobs.export_queue import PREPARE, PUSH, Export, ExportQueue
from qlora_demo.jobs.ledger import Ledger
from qlora_demo.recipe import from_json
from qlora_demo.run_dir import Home, RunDir, read_json
from qlora_demo.run_view import RunView, read_view
from qlora_demo.storage import Storage

NOT_FINISHED = "This model is not finished, so it cannot be downloaded yet."
GUEST = "This model is shared with you: you can chat with it, but not download it."

MOST_IN_LINE = 5
MANY = f"{MOST_IN_LINE} of your files are being prepared or sent already. Wait until one is done."


@dataclass(frozen=True)
class Offer:
    """One form of one model, as it stands now. `ready` has its files; `prepare` and `push` are the rows of the line, None where there was none;
    `ahead` tells how many are before it. `mine` is whether this owner may stop what is prepared: of everyone's example, nobody."""

    form: Form
    bytes: int
    seconds: float
    ready: Prepared | None
    prepare: Export | None
    push: Export | None
    ahead: int = 0
    mine: bool = True

    def open(self) -> Export | None:
        """What is waited for."""
        return next((one for one in (self.prepare, self.push) if one is not None and one.open()), None)


class Exports:
    """Every method takes the owner."""

    def __init__(self, home: Home, ledger: Ledger, storage: Storage, tickets: Tickets, line: ExportLine, queue: ExportQueue):
        self._home, self._ledger, self._storage, self._tickets = home, ledger, storage, tickets
        self._line, self._queue = line, queue

    def offers(self, owner: str, run_id: str) -> list[Offer]:
        """In the order of `forms.FORMS`. Raises NotFoundError, BusyError."""
        view, rows = self._view(owner, run_id), self._queue.of_run(run_id, owner)
        return [self._offer(view, form, rows, owner) for form in forms_of(view.recipe.method)]

    def offer(self, owner: str, run_id: str, key: str) -> Offer:
        """Raises NotFoundError, BusyError, RecipeError."""
        view = self._view(owner, run_id)
        return self._offer(view, find_form(key, view.recipe.method), self._queue.of_run(run_id, owner), owner)

    def _offer(self, view: RunView, form: Form, rows: dict[tuple[str, str], Export], owner: str) -> Offer:
        dimensions, recipe = view.model.dimensions, view.recipe
        ready = prepared(self._home.run(view.id), form.key)
        prepare, push = rows.get((form.key, PREPARE)), rows.get((form.key, PUSH))
        waiting = next((one for one in (prepare, push) if one is not None and one.open()), None)
        size = ready.bytes() if ready else form.bytes(dimensions, recipe)
        ahead = self._queue.ahead(waiting) if waiting else 0
        return Offer(form, size, form.seconds(dimensions, recipe), ready, prepare, push, ahead, view.job.owner == owner)

    def prepare(self, owner: str, run_id: str, key: str) -> Offer:
        """Into the line, unless it is ready or waits already. Raises NotFoundError, BusyError, RecipeError, StorageError."""
        offer = self.offer(owner, run_id, key)
        if offer.ready is not None:
            self._keep(run_id, key)
        elif offer.prepare is None or not offer.prepare.open():
            view = self._view(owner, run_id)
            mine = [export for export in self._queue.open() if export.op == PREPARE and export.owner == view.job.owner]
            if len(mine) >= MOST_IN_LINE:
                raise BusyError(MANY)
            waiting = sum(self._bytes(export) for export in mine)
            needed = offer.form.disk_bytes(view.model.dimensions, view.recipe)
            self._storage.check_export(view.job.owner, waiting + needed, waiting + offer.bytes)
            self._storage.note_run(run_id)
            self._queue.add(run_id, offer.form.key, PREPARE, view.job.owner)
            self._line.wake()
        return self.offer(owner, run_id, key)

    def _keep(self, run_id: str, key: str) -> None:
        """For a day from now."""
        with suppress(FileNotFoundError):  # it has just been swept away
            os.utime(self._home.run(run_id).export_json(key))

    def _bytes(self, export: Export) -> int:
        """What it will leave, about."""
        recipe = from_json(read_json(self._home.run(export.run).recipe_json))
        return find_form(export.form, recipe.method).bytes(find_model(recipe.model).dimensions, recipe)

    def push(self, owner: str, run_id: str, key: str, push: Push) -> Offer:
        """Into the line, behind its own preparing. Raises as `prepare`, and for a name that the hub does not take."""
        check_name(push.name)
        if not push.token.strip():
            raise BusyError("Give a token with write access first. It is used once and kept nowhere.")
        self.prepare(owner, run_id, key)
        if not self._line.push(run_id, key, owner, push):
            raise BusyError("This is being sent already.")
        return self.offer(owner, run_id, key)

    def stop(self, owner: str, run_id: str, key: str) -> Offer:
        """Gives up what waits or is being made. Harmless when it is too late, or another's to stop."""
        offer = self.offer(owner, run_id, key)
        for one in (offer.push, offer.prepare if offer.mine else None):
            if one is not None and one.open():
                self._line.stop(one)
        return self.offer(owner, run_id, key)

    def download(self, owner: str, run_id: str, key: str) -> str:
        """A ticket for the prepared files as one archive. Raises BusyError."""
        offer = self.offer(owner, run_id, key)
        if offer.ready is None:
            raise BusyError("This is not prepared yet.")
        self._keep(run_id, key)
        return self._tickets.mint(Folder(offer.ready.folder, f"{safe_name(self._view(owner, run_id).name)} {key}"))

    def as_it_is(self, owner: str, run_id: str) -> str:
        """A ticket for what the run left, with its card: at once, as nothing is computed. Raises BusyError, NotFoundError, StorageError."""
        view = self._view(owner, run_id)
        run = self._home.run(run_id)
        return self._tickets.mint(Folder(run.weights(), view.name, texts(run)))

    def ways(self, owner: str, run_id: str, key: str, source: str) -> tuple[Way, ...]:
        """How to use one form elsewhere. `source` is where its files will be."""
        view = self._view(owner, run_id)
        form = find_form(key, view.recipe.method)
        return ways(about_run(self.run_dir(owner, run_id)), form.key, source)

    def run_dir(self, owner: str, run_id: str) -> RunDir:
        """Raises NotFoundError, BusyError."""
        return self._home.run(self._view(owner, run_id).id)

    def hand_over(self, owner: str, to: str) -> None:
        """With the models: somebody signed in."""
        self._queue.hand_over(owner, to)

    def forget(self, run_id: str) -> None:
        """Before a run is deleted, trained on or renamed: what was made of it is not what it will be."""
        for one in self._queue.all_of_run(run_id):
            if one.open():
                self._line.stop(one)
        self._queue.remove_run(run_id)
        for form in FORMS:
            withdraw(self._home.run(run_id), form.key)

    def _view(self, owner: str, run_id: str) -> RunView:
        """Raises NotFoundError, and BusyError for a model that is not finished, or another's."""
        view = read_view(self._home, self._ledger.job_of_run(run_id, owner))
        if not view.usable():
            raise BusyError(NOT_FINISHED)
        if view.guest(owner):
            raise BusyError(GUEST)
        return view
