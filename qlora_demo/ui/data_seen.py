"""Tab 1, right, below: what the model sees of the row that is shown, and the numbers of the whole data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from qlora_demo.ui.guard import Updates, Visit
from qlora_demo.ui.parts import text
from qlora_demo.ui.views_seen import numbers, seen


@dataclass(frozen=True)
class Seen:
    """`shown` is whether the first part is open, so that it follows the row."""

    part: gr.Accordion
    text: gr.HTML
    shown: gr.State
    numbers: gr.Accordion
    table: gr.HTML

    def outputs(self) -> list:
        """Everything that `closed` may set."""
        return [self.part, self.text, self.shown, self.numbers, self.table]


def build() -> Seen:
    with gr.Accordion("What the model sees", open=False, elem_id="data-seen") as part:
        words = text("", elem_id="data-seen-text")
    with gr.Accordion("Numbers", open=False, elem_id="data-numbers") as folded:
        table = text("", elem_id="data-numbers-table")
    return Seen(part, words, gr.State(False), folded, table)


def closed(part: Seen) -> Updates:
    """Both folded: they are prepared when somebody opens them."""
    return {part.part: gr.update(open=False), part.text: "", part.shown: False, part.numbers: gr.update(open=False), part.table: ""}


def show(part: Seen, visit: Visit, dataset_id: str, model: str, index: int) -> Updates:
    """One row as this model reads it. Raises ModelError."""
    dataset = visit.studio.data.get(visit.owner, dataset_id)
    recipe = visit.studio.recommend(visit.owner, dataset_id, model)
    reply = visit.studio.data.show(dataset.rows[index], recipe)
    return {part.text: seen(reply["rows"], reply["note"], recipe.model), part.shown: True}


def count(part: Seen, visit: Visit, dataset_id: str, model: str) -> Iterator[Updates]:
    """The numbers, with how far the counting is. Raises ModelError."""
    dataset = visit.studio.data.get(visit.owner, dataset_id)
    yield {part.table: numbers(dataset, None)}
    for reply in visit.studio.data.count(visit.owner, dataset_id, visit.studio.recommend(visit.owner, dataset_id, model)):
        done = reply["type"] == "done"
        yield {part.table: numbers(dataset, reply["tokens"]) if done else numbers(dataset, None, reply["rows"])}
