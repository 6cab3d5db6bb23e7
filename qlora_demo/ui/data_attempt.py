"""Reading what a person gave, again and again with other choices: the one place where a problem with the data gets its buttons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qlora_demo.data.choices import Choices
from qlora_demo.errors import WayOut
from qlora_demo.ui.guard import Visit


@dataclass(frozen=True)
class Attempt:
    """What was to be read: the file at `path`, `text` that was pasted, or a data set that is here already; with which choices. `ways_out` are the
    buttons that are shown where it did not work. `seen` is the data set that stood on the page when the click was made."""

    path: str = ""
    text: str = ""
    dataset_id: str = ""
    choices: Choices = Choices()
    ways_out: tuple[WayOut, ...] = ()
    seen: str = ""

    def pending(self) -> bool:
        """A file or a text that has not become a data set yet."""
        return bool(self.path or self.text)

    def changed(self, change: dict[str, Any]) -> Attempt:
        return replace(self, choices=replace(self.choices, **change), ways_out=())

    def way_out(self, number: int) -> Attempt:
        """As the button of that number changes it."""
        return self.changed(dict(self.ways_out[number].change))

    def read(self, visit: Visit) -> str:
        """Returns the data set's id. The upload in the temporary folder is deleted once the home has its copy: "Delete it now" then leaves none.
        Raises DataError, NotFoundError."""
        if self.path:
            dataset_id = visit.studio.data.add_file(visit.owner, Path(self.path), Path(self.path).name, self.choices)
            Path(self.path).unlink(missing_ok=True)
            return dataset_id
        if self.text:
            return visit.studio.data.add_text(visit.owner, self.text, self.choices)
        return visit.studio.data.change(visit.owner, self.dataset_id, self.choices)


def current(visit: Visit, asked: Attempt, dataset_id: str) -> Attempt:
    """What other choices are about: the data set that is shown, else the file that could not be read. Raises NotFoundError."""
    if not dataset_id:
        return asked
    newest = visit.studio.data.newest(dataset_id)
    return Attempt(dataset_id=newest, choices=visit.studio.data.get(visit.owner, newest).choices, seen=dataset_id)
