"""The data sets of one home: added, read again with other choices, shown, removed. Every method takes the owner; nobody meets another's."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Row
from qlora_demo.data.dataset import PreparedDataset, load_dataset_folder
from qlora_demo.data.finding import Finding
from qlora_demo.data.lengths import length_findings
from qlora_demo.data.passages import PASTED
from qlora_demo.data.reader import SOURCE, read_again_in_child, read_in_child
from qlora_demo.data.table import Limits
from qlora_demo.data.wording import megabytes
from qlora_demo.errors import DataError, ModelError, NotFoundError, StorageError
from qlora_demo.examples import find_example
from qlora_demo.jobs.ledger import EVERYONE, Ledger
from qlora_demo.pipes import Child, ChildDied
from qlora_demo.recipe import Recipe
from qlora_demo.room import told_when_full
from qlora_demo.run_dir import Home, new_id, read_json, write_json
from qlora_demo.settings import Settings
from qlora_demo.source.fetch import Watch, unwatched
from qlora_demo.source.hub_data import Split, fetch_split, parse_repo, splits
from qlora_demo.storage import Storage, remove_dataset

OWNER = "owner.json"
"""In a data set's folder: whose it is, and the file that it was read from, as a command would name it."""
PASTED_BYTES = 1_000_000
KEPT_SECONDS = 60
QUICKLY_COUNTED = 20_000
"""Rows: some seconds."""
FIRST_CHOICES = Choices()
EXAMPLES_FOLDER = "examples/"
"""What the files that come along are called, as a command would name them."""


class DataSets:
    """`environ` is what the data worker starts with."""

    def __init__(self, home: Home, ledger: Ledger, settings: Settings, environ: Mapping[str, str]):
        self._home, self._ledger, self._settings, self._environ = home, ledger, settings, environ
        self._storage = Storage(home, ledger, settings)
        self._worker: Child | None = None
        self._starting = threading.Lock()
        self._turns: dict[int, threading.RLock] = {}
        self._followers: dict[str, str] = {}
        self._replaced: list[tuple[float, str, str]] = []

    def close(self) -> None:
        self._sweep(0)
        if self._worker is not None:
            self._worker.close()

    # Adding

    def limits(self) -> Limits:
        settings = self._settings
        return Limits(
            max_bytes=settings.max_upload_bytes(),
            max_rows=settings.max_rows,
            max_cell_bytes=settings.max_cell_kb * 1000,
            max_memory_bytes=settings.read_memory_mb * 1_000_000,
        )

    def add_file(self, owner: str, path: Path, display_name: str, choices: Choices = FIRST_CHOICES) -> str:
        """Reads a file in a short child and keeps what it understood. Returns the data set's id. Raises DataError, StorageError."""
        return self._add(owner, path, display_name, display_name, choices)

    def add_example(self, owner: str, example_id: str) -> str:
        example = find_example(example_id)
        return self._add(owner, example.path(), example.file, f"{EXAMPLES_FOLDER}{example.file}", FIRST_CHOICES)

    def add_text(self, owner: str, text: str, choices: Choices = FIRST_CHOICES) -> str:
        """What somebody pasted: pairs, cells of a spreadsheet, JSON, or plain text. Raises DataError, StorageError."""
        pasted = text.encode("utf-8", errors="replace")
        if not pasted.strip():
            raise DataError("Nothing was pasted yet. Put some pairs, cells or text into the box.")
        if len(pasted) > PASTED_BYTES:
            size, most = megabytes(len(pasted)), megabytes(PASTED_BYTES)
            raise DataError(f"The pasted text has {size}; up to {most} can be pasted. Save it as a file and upload that.")
        self._storage.check_data(owner, len(pasted))
        with told_when_full(), tempfile.TemporaryDirectory(dir=self._home.datasets, prefix=".paste-") as folder:
            path = Path(folder) / "pasted"
            path.write_bytes(pasted)
            return self._add(owner, path, PASTED, PASTED, choices)

    def hub_splits(self, text: str) -> tuple[Split, ...]:
        """What can be chosen of a data set on the model hub, which `text` names. Raises DataError."""
        if self._settings.offline:
            raise DataError("No internet here, so the Hub cannot be reached. Upload a file instead.")
        return splits(parse_repo(text))

    def add_hub(self, owner: str, text: str, split: Split, watch: Watch = unwatched) -> str:
        """Fetches the first file of a split and reads it. Raises DataError, StorageError, Cancelled."""
        repo = parse_repo(text)
        with tempfile.TemporaryDirectory(dir=self._home.datasets, prefix=".hub-") as folder:
            path = fetch_split(repo, split, Path(folder), self._settings.max_upload_bytes(), watch)
            name = f"{repo}, {split.name}{path.suffix}"
            return self._add(owner, path, name, name, FIRST_CHOICES)

    def _add(self, owner: str, path: Path, display_name: str, name: str, choices: Choices) -> str:
        self._storage.check_data(owner, path.stat().st_size if path.is_file() else 0)
        dataset_id = new_id()
        read_in_child(path, display_name, choices, self.limits(), self._home.datasets / dataset_id)
        self._own(owner, dataset_id, name)
        return dataset_id

    def _own(self, owner: str, dataset_id: str, name: str) -> None:
        """In its folder too, for a ledger that has to be made again."""
        write_json(self._home.datasets / dataset_id / OWNER, {"owner": owner, "name": name, "created": time.time()})
        self._ledger.add_dataset(dataset_id, owner, name)

    def sign(self, owner: str) -> None:
        """Writes into all folders of this owner's whose they are now."""
        for dataset_id in self._ledger.datasets(owner):
            about = self._home.datasets / dataset_id / OWNER
            write_json(about, {**{key: value for key, value in read_json(about).items() if key != "schema"}, "owner": owner})

    # Using

    def get(self, owner: str, dataset_id: str) -> PreparedDataset:
        """Raises NotFoundError."""
        if self._ledger.dataset_owner(dataset_id) not in (owner, EVERYONE):
            raise NotFoundError("This data set is not here any more. Upload the file again.")
        return load_dataset_folder(self._home.datasets / dataset_id)

    def is_example(self, dataset_id: str) -> bool:
        """Whether it was read from a file that comes along."""
        return self._ledger.dataset_name(dataset_id).startswith(EXAMPLES_FOLDER)

    def turn(self, owner: str, dataset_id: str) -> threading.RLock:
        """To be held from looking at what is chosen until another choice is made: two quick clicks are two changes, one after the other. There is one
        for each file, whatever was made of it. "" is for what could not be read yet. Raises NotFoundError."""
        if dataset_id:
            self.get(owner, self.newest(dataset_id))
        source = self._home.datasets / dataset_id / SOURCE
        with self._starting:
            return self._turns.setdefault(source.stat().st_ino if source.exists() else 0, threading.RLock())

    def newest(self, dataset_id: str) -> str:
        """What the data set has become by the choices made since."""
        while dataset_id in self._followers:
            dataset_id = self._followers[dataset_id]
        return dataset_id

    def change(self, owner: str, dataset_id: str, choices: Choices) -> str:
        """The same file with other choices, as a new data set. The old one goes after a minute, unless a run learned from it: a click that was made
        while the new one was read still speaks of it. Returns the new id. Raises DataError, NotFoundError, StorageError.
        """
        with self.turn(owner, dataset_id):
            self.get(owner, dataset_id)
            self._storage.check_data(owner, (self._home.datasets / dataset_id / SOURCE).stat().st_size)
            new, name = new_id(), self._ledger.dataset_name(dataset_id)
            read_again_in_child(self._home.datasets / dataset_id, name, choices, self.limits(), self._home.datasets / new)
            self._own(owner, new, name)
            self._followers[dataset_id] = new
            self._sweep(KEPT_SECONDS)
            self._replaced.append((time.monotonic(), owner, dataset_id))
        return new

    def _sweep(self, age: float) -> None:
        """Removes what was replaced so many seconds ago."""
        kept = []
        for when, owner, dataset_id in self._replaced:
            if time.monotonic() - when < age:
                kept.append((when, owner, dataset_id))
            elif self._ledger.dataset_owner(dataset_id) == owner and dataset_id not in self._learned_from(owner):
                remove_dataset(self._home, self._ledger, dataset_id)
        self._replaced = kept

    def forget(self, owner: str, dataset_id: str) -> None:
        """`remove`, but what a run learned from stays, to train on again. An example's file is read anew when it is chosen."""
        if self._ledger.dataset_owner(dataset_id) == owner:
            for other in self._same_file(owner, dataset_id) - self._learned_from(owner):
                remove_dataset(self._home, self._ledger, other)

    def remove(self, owner: str, dataset_id: str) -> None:
        """The uploaded file and every data set that was read from it. Runs keep their own copy of the rows they learned from."""
        if self._ledger.dataset_owner(dataset_id) != owner:
            raise NotFoundError("This data set is not yours.")
        for other in self._same_file(owner, dataset_id):
            remove_dataset(self._home, self._ledger, other)

    def remove_one(self, owner: str, dataset_id: str) -> None:
        """This data set alone, as it is. Raises NotFoundError."""
        if self._ledger.dataset_owner(dataset_id) != owner:
            raise NotFoundError("This data set is not yours.")
        remove_dataset(self._home, self._ledger, dataset_id)

    def _same_file(self, owner: str, dataset_id: str) -> set[str]:
        """The data sets that were read from the same file: it is linked, not copied, when other choices are made."""
        source = self._home.datasets / dataset_id / SOURCE
        sources = {other: self._home.datasets / other / SOURCE for other in self._ledger.datasets(owner)}
        return {other for other, path in sources.items() if path.exists() and path.samefile(source)}

    def _learned_from(self, owner: str) -> set[str]:
        learned = set()
        for job in self._ledger.jobs(owner):
            with suppress(StorageError):  # a damaged run keeps nothing
                learned.add(read_json(self._home.run(job.run).run_json)["dataset"])
        return learned

    # Tokens

    def count(self, owner: str, dataset_id: str, recipe: Recipe) -> Iterator[dict[str, Any]]:
        """{"type": "progress", "rows": n} about every second, at last {"type": "done", "tokens": {...}}; see `data/worker.py`. Fetches the model's
        tokenizer on first use. Raises ModelError."""
        self.get(owner, dataset_id)
        path = str(self._home.datasets / dataset_id / "rows.jsonl")
        yield from self._ask_worker({"op": "count", "rows": path}, recipe)

    def count_tokens(self, owner: str, dataset_id: str, recipe: Recipe) -> dict[str, Any]:
        """The numbers at the end of `count`."""
        *_, last = self.count(owner, dataset_id, recipe)
        return last["tokens"]

    def too_long(self, owner: str, dataset_id: str, recipe: Recipe) -> tuple[Finding, ...]:
        """Remarks on rows that the length limit cuts. None where the tokenizer is not here, or where counting would take long."""
        if len(self.get(owner, dataset_id).rows) > QUICKLY_COUNTED:
            return ()
        try:
            return length_findings(self.count_tokens(owner, dataset_id, recipe), recipe.max_length)
        except ModelError:
            return ()

    def show(self, row: Row, recipe: Recipe) -> dict[str, Any]:
        """{"rows": token rows as lists of pieces, "note"}: what the model sees of one row. Raises ModelError."""
        *_, last = self._ask_worker({"op": "show", "row": row.to_json()}, recipe)
        return last

    def _ask_worker(self, about: Mapping[str, Any], recipe: Recipe) -> Iterator[dict[str, Any]]:
        request = {**about, "model": recipe.model, "system_prompt": recipe.system_prompt, "max_length": recipe.max_length}
        with self._starting:
            if self._worker is None or not self._worker.alive():
                self._worker = Child("qlora_demo.data.worker", self._environ, self._home.path / "data.log")
        try:
            for reply in self._worker.ask(request):
                if reply["type"] == "error":
                    raise ModelError(reply["message"])
                yield reply
        except ChildDied as error:
            raise DataError("Counting the words ended unexpectedly; often the memory ran out. Try again.") from error
