"""Tab 1: what happens at each click. Every way to data ends in an attempt to read it, and in the right column drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from qlora_demo.data.choices import Choices
from qlora_demo.data.finding import Finding
from qlora_demo.data_sets import DataSets
from qlora_demo.errors import DataError
from qlora_demo.examples import EXAMPLES
from qlora_demo.ui import data_seen, hub_picking
from qlora_demo.ui.data_attempt import Attempt, current
from qlora_demo.ui.data_choosing import with_columns, with_names
from qlora_demo.ui.data_findings import after_click
from qlora_demo.ui.data_tab import DataTab, draw, draw_language, draw_lengths, preview, refused, takes_the_place
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.shell import Shell

HIDDEN = {"show_progress": "hidden", "api_visibility": "private"}
OFF = "() => Array(2).fill({__type__: 'update', interactive: false})"
"""For two buttons, in the browser."""
ON = "() => ({__type__: 'update', interactive: true})"


@dataclass(frozen=True)
class Reading:
    """What every way to data shares. `start` is the form's button, which is put off while other data is on its way."""

    tab: DataTab
    shell: Shell
    guard: Guard
    start: gr.Button

    def outputs(self) -> list:
        return [*self.tab.outputs(), self.shell.dataset_id]

    def adopt(self, visit: Visit, dataset_id: str) -> Updates:
        return {self.shell.dataset_id: dataset_id, **draw(self.tab, visit, dataset_id)}

    def attempt(self, visit: Visit, asked: Attempt, shown: str) -> Updates:
        """`shown` is the data set on the page, which stays there where this one cannot be read."""
        try:
            return self.adopt(visit, asked.read(visit))
        except DataError as error:
            failed = replace(asked, ways_out=error.ways_out)
            gone = {self.shell.dataset_id: ""} if takes_the_place(failed, error) else {}
            return {**refused(self.tab, visit, failed, error, shown), **gone}

    def on(self, trigger: Any, handler: Callable[..., Updates], inputs: list, mode: str = "once") -> gr.events.Dependency:
        off_at(trigger, self.tab, self.start)
        shown_on = {"show_progress": "minimal", "show_progress_on": [self.tab.empty, self.tab.preview]}
        return self.guard.on(trigger, handler, inputs, self.outputs(), self.tab.problem, trigger_mode=mode, **shown_on)

    def change(self, trigger: Any, inputs: list, changed: Callable[..., Any], mode: str = "once") -> gr.events.Dependency:
        """`changed` makes other choices of who asks, those that hold now, and the controls' values; None where there is nothing to do yet."""

        def again(visit: Visit, asked: Attempt, dataset_id: str, *values: Any) -> Updates:
            with visit.studio.data.turn(visit.owner, dataset_id):
                now = current(visit, asked, dataset_id)
                choices = changed(visit, now, *values)
                if choices is None or choices == now.choices:
                    return {self.tab.problem: gr.skip()}
                return self.attempt(visit, replace(now, choices=choices), now.dataset_id)

        return self.on(trigger, again, [self.tab.asked, self.shell.dataset_id, *inputs], mode)


def wire(tab: DataTab, shell: Shell, guard: Guard, model: gr.Dropdown, start: gr.Button) -> list[gr.events.Dependency]:
    """`model` and `start` are the form's. Returns the events that set `shell.dataset_id`, for the form to follow and put on what is put off."""
    reading = Reading(tab, shell, guard, start)
    chosen = [*_sources(reading), *_choices(reading)]
    off_at(tab.sources.hub_fetch.click, tab, start)
    chosen.append(hub_picking.wire(tab.sources, guard, reading.adopt, reading.outputs()))
    _wire_looking(tab, shell, guard, model)
    _wire_lengths(tab, shell, guard, model, chosen)
    return chosen


def _sources(reading: Reading) -> list[gr.events.Dependency]:
    """Where data comes from, and how it goes away again."""
    tab, sources, shown, on = reading.tab, reading.tab.sources, reading.shell.dataset_id, reading.on

    def example(number: int) -> Callable[[Visit], Updates]:
        return lambda visit: reading.adopt(visit, visit.studio.data.add_example(visit.owner, EXAMPLES[number].id))

    def away(remove: Callable[[DataSets], Callable[[str, str], None]]) -> Callable[[Visit, str], Updates]:
        return lambda visit, now: _away(visit, remove(visit.studio.data), now, reading.adopt)

    chosen = [on(button.click, example(i), []) for i, button in enumerate(sources.examples)]
    uploaded = on(sources.file.upload, lambda visit, path, now: reading.attempt(visit, Attempt(path=path), now), [sources.file, shown])
    uploaded.then(lambda: None, None, [sources.file], **HIDDEN)  # read or refused: the place is free for another file
    pasted = on(sources.read_paste.click, lambda visit, words, now: reading.attempt(visit, Attempt(text=words), now), [sources.paste, shown])
    chosen += [uploaded, pasted]
    chosen.append(on(tab.start_over.click, away(lambda data: data.forget), [shown]))
    chosen.append(on(sources.delete.click, away(lambda data: data.remove), [shown]))
    return chosen


def _choices(reading: Reading) -> list[gr.events.Dependency]:
    """What is decided about it: sheet, speaker, columns, labels, what a remark or a problem offers to do."""
    tab, choosing, change = reading.tab, reading.tab.choosing, reading.change
    last = "always_last"  # of values chosen quickly one after the other, the last one counts
    columns, named = choosing.columns_inputs(), [choosing.use_names.click, choosing.label_names.submit]
    chosen = [
        change(choosing.sheet.input, [choosing.sheet], lambda visit, now, sheet: replace(now.choices, sheet=sheet, columns={}), last),
        change(choosing.speaker.input, [choosing.speaker], lambda visit, now, speaker: replace(now.choices, speaker=speaker), last),
        change([part.input for part in columns], columns, _columns, last),
        change(choosing.swap.click, columns, lambda visit, now, asked, answer, *rest: _columns(visit, now, answer, asked, *rest)),
        change(named, [choosing.label_names], _names),
        change(tab.every_row.click, [], lambda visit, now: replace(now.choices, test=not now.choices.test)),
    ]
    for i, line in enumerate(tab.findings.lines):
        chosen.append(change(line.fix.click, [line.fix], lambda visit, now, words, i=i: after_click(now.choices, _findings(visit, now), i, words)))
    for i, way in enumerate(tab.ways_out):
        again = [tab.asked, reading.shell.dataset_id]
        chosen.append(reading.on(way.click, lambda visit, asked, shown, i=i: reading.attempt(visit, asked.way_out(i), shown), again))
    return chosen


def _wire_lengths(tab: DataTab, shell: Shell, guard: Guard, model: gr.Dropdown, chosen: list[gr.events.Dependency]) -> None:
    def lengths(visit: Visit, dataset_id: str, model_id: str) -> Updates:
        return draw_lengths(tab, visit, dataset_id, model_id)

    for event in [*chosen, model.input(lambda: None, None, None, **HIDDEN)]:
        guard.on(event.success, lengths, [shell.dataset_id, model], [tab.lengths])


def off_at(trigger: Any, tab: DataTab, start: gr.Button) -> None:
    """Nothing is started from a page that is about to be filled with other data. To be wired before what asks the server: gradio goes in order."""
    gr.on(trigger, None, None, [tab.to_training, start], js=OFF, **HIDDEN)


def _away(visit: Visit, remove: Callable[[str, str], None], shown: str, adopt: Callable[[Visit, str], Updates]) -> Updates:
    if shown:
        remove(visit.owner, visit.studio.data.newest(shown))
    return adopt(visit, "")


def _columns(visit: Visit, now: Attempt, question: str | None, answer: str | None, instruction: str, sorts: bool) -> Choices | None:
    if not question or not answer:
        return None  # the other one is still to be chosen
    return with_columns(now.choices, question, answer, instruction, sorts)


def _names(visit: Visit, now: Attempt, words: str) -> Choices:
    return with_names(now.choices, visit.studio.data.get(visit.owner, now.dataset_id).offers.label_values, words)


def _findings(visit: Visit, now: Attempt) -> Sequence[Finding]:
    """Those that stood on the page when the button was pressed."""
    return visit.studio.data.get(visit.owner, now.seen).report.findings


def _wire_looking(tab: DataTab, shell: Shell, guard: Guard, model: gr.Dropdown) -> None:
    """Stepping through the rows, what the model sees, and the numbers: they change nothing. The last two follow the form's model."""
    seen = tab.seen

    def step(by: int) -> Callable[..., Updates]:
        return lambda visit, dataset_id, index: preview(tab, visit.studio.data.get(visit.owner, dataset_id), index + by)

    def show(visit: Visit, dataset_id: str, model_id: str, index: int) -> Updates:
        return data_seen.show(seen, visit, dataset_id, model_id, index)

    def follow(visit: Visit, dataset_id: str, model_id: str, index: int, shown: bool) -> Updates:
        return show(visit, dataset_id, model_id, index) if shown else {}

    def count(visit: Visit, dataset_id: str, model_id: str) -> Iterator[Updates]:
        yield from data_seen.count(seen, visit, dataset_id, model_id)

    def other_model(visit: Visit, dataset_id: str, model_id: str) -> Updates:
        return {**draw_language(tab, visit, dataset_id, model_id), **data_seen.closed(seen)} if dataset_id else {}

    where, of_model = [shell.dataset_id, tab.index], [shell.dataset_id, model, tab.index]
    seen_parts = [tab.problem, seen.text, seen.shown]
    for button, by in ((tab.previous, -1), (tab.next, 1)):
        row = [tab.problem, tab.preview, tab.instruction, tab.position, tab.index]
        stepped = guard.on(button.click, step(by), where, row, tab.problem)
        guard.on(stepped.then, follow, [*of_model, seen.shown], seen_parts, tab.problem)
    guard.on(seen.part.expand, show, of_model, seen_parts, tab.problem, show_progress="full")
    seen.part.collapse(lambda: False, None, [seen.shown], **HIDDEN)
    counting = [tab.problem, seen.table]
    guard.stream(seen.numbers.expand, (count, lambda *_: {}), of_model[:2], counting, tab.problem, show_progress="full")
    language = [tab.problem, tab.language_row, tab.language, *seen.outputs()]
    guard.on(model.input, other_model, of_model[:2], language, tab.problem)
