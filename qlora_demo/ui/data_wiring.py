"""Tab 1: what happens at each click. Every way to data ends in an attempt to read it, and in the right column drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from qlora_demo.data.choices import Choices
from qlora_demo.data.finding import Finding
from qlora_demo.errors import DataError
from qlora_demo.examples import EXAMPLES
from qlora_demo.studio import LOCAL, Studio
from qlora_demo.ui import data_seen, hub_picking
from qlora_demo.ui.data_attempt import Attempt, current
from qlora_demo.ui.data_choosing import with_columns, with_names
from qlora_demo.ui.data_findings import after_click
from qlora_demo.ui.data_tab import DataTab, draw, draw_language, draw_lengths, preview, refused, takes_the_place
from qlora_demo.ui.guard import Updates, as_message, shown_in, stream_shown_in
from qlora_demo.ui.shell import Shell

PRIVATE = {"api_visibility": "private"}
HIDDEN = {"show_progress": "hidden", **PRIVATE}
OFF = "() => Array(2).fill({__type__: 'update', interactive: false})"
"""For two buttons, in the browser."""


def wire(tab: DataTab, shell: Shell, studio: Studio, model: gr.Dropdown, start: gr.Button) -> list[gr.events.Dependency]:
    """`model` and `start` are the form's. Returns the events that set `shell.dataset_id`, for the form to follow and put on what is put off."""
    outputs = [*tab.outputs(), shell.dataset_id]
    reading = {"show_progress": "minimal", "show_progress_on": [tab.empty, tab.preview], **PRIVATE}

    def adopt(dataset_id: str) -> Updates:
        return {shell.dataset_id: dataset_id, **draw(tab, studio, dataset_id)}

    def attempt(asked: Attempt, shown: str) -> Updates:
        """`shown` is the data set on the page, which stays there where this one cannot be read."""
        try:
            return adopt(asked.read(studio))
        except DataError as error:
            failed = replace(asked, ways_out=error.ways_out)
            return {**refused(tab, studio, failed, error, shown), **({shell.dataset_id: ""} if takes_the_place(failed, error) else {})}

    def on(trigger: Any, handler: Callable[..., Updates], inputs: list, mode: str = "once") -> gr.events.Dependency:
        _off_at(trigger, tab, start)
        return gr.on(trigger, shown_in(tab.problem, handler), inputs, outputs, trigger_mode=mode, **reading)

    def change(trigger: Any, inputs: list, changed: Callable[..., Any], mode: str = "once") -> gr.events.Dependency:
        """`changed` makes other choices of those that hold now and the controls' values; None where there is nothing to do yet."""

        def again(asked: Attempt, dataset_id: str, *values: Any) -> Updates:
            with studio.data.turn(dataset_id):
                now = current(studio, asked, dataset_id)
                choices = changed(now, *values)
                if choices is None or choices == now.choices:
                    return {tab.problem: gr.skip()}
                return attempt(replace(now, choices=choices), now.dataset_id)

        return on(trigger, again, [tab.asked, shell.dataset_id, *inputs], mode)

    sources, choosing = tab.sources, tab.choosing
    chosen = [on(button.click, lambda i=i: adopt(studio.data.add_example(LOCAL, EXAMPLES[i].id)), []) for i, button in enumerate(sources.examples)]
    uploaded = on(sources.file.upload, lambda path, shown: attempt(Attempt(path=path), shown), [sources.file, shell.dataset_id])
    uploaded.then(lambda: None, None, [sources.file], **HIDDEN)  # read or refused: the place is free for another file
    chosen += [uploaded, on(sources.read_paste.click, lambda words, shown: attempt(Attempt(text=words), shown), [sources.paste, shell.dataset_id])]
    for button, away in ((tab.start_over, studio.data.forget), (sources.delete, studio.data.remove)):
        chosen.append(on(button.click, lambda shown, away=away: _away(away, studio.data.newest(shown), adopt), [shell.dataset_id]))
    last = "always_last"  # of values chosen quickly one after the other, the last one counts
    chosen.append(change(choosing.sheet.input, [choosing.sheet], lambda now, sheet: replace(now.choices, sheet=sheet, columns={}), last))
    chosen.append(change(choosing.speaker.input, [choosing.speaker], lambda now, speaker: replace(now.choices, speaker=speaker), last))
    columns = choosing.columns_inputs()
    chosen.append(change([part.input for part in columns], columns, _columns, last))
    chosen.append(change(choosing.swap.click, columns, lambda now, asked, answer, *rest: _columns(now, answer, asked, *rest)))
    named = [choosing.use_names.click, choosing.label_names.submit]
    chosen.append(change(named, [choosing.label_names], lambda now, words: _names(studio, now, words)))
    for i, line in enumerate(tab.findings.lines):
        chosen.append(change(line.fix.click, [line.fix], lambda now, words, i=i: after_click(now.choices, _findings(studio, now), i, words)))
    chosen.append(change(tab.every_row.click, [], lambda now: replace(now.choices, test=not now.choices.test)))
    for i, way in enumerate(tab.ways_out):
        again = [tab.asked, shell.dataset_id]
        chosen.append(on(way.click, lambda asked, shown, i=i: attempt(asked.changed(dict(asked.ways_out[i].change)), shown), again))
    _off_at(sources.hub_fetch.click, tab, start)
    chosen.append(hub_picking.wire(sources, studio, adopt, outputs))
    _wire_looking(tab, shell, studio, model)
    _wire_lengths(tab, shell, studio, model, chosen)
    return chosen


def _wire_lengths(tab: DataTab, shell: Shell, studio: Studio, model: gr.Dropdown, chosen: list[gr.events.Dependency]) -> None:
    lengths = as_message(lambda dataset_id, model_id: draw_lengths(tab, studio, dataset_id, model_id))
    for event in [*chosen, model.input(lambda: None, None, None, **HIDDEN)]:
        event.success(lengths, [shell.dataset_id, model], [tab.lengths], **HIDDEN)


def _off_at(trigger: Any, tab: DataTab, start: gr.Button) -> None:
    """Nothing is started from a page that is about to be filled with other data. To be wired before what asks the server: gradio goes in order."""
    gr.on(trigger, None, None, [tab.to_training, start], js=OFF, **HIDDEN)


def _away(remove: Callable[[str, str], None], dataset_id: str, adopt: Callable[[str], Updates]) -> Updates:
    if dataset_id:
        remove(LOCAL, dataset_id)
    return adopt("")


def _columns(now: Attempt, question: str | None, answer: str | None, instruction: str, sorts: bool) -> Choices | None:
    if not question or not answer:
        return None  # the other one is still to be chosen
    return with_columns(now.choices, question, answer, instruction, sorts)


def _names(studio: Studio, now: Attempt, words: str) -> Choices:
    return with_names(now.choices, studio.data.get(LOCAL, now.dataset_id).offers.label_values, words)


def _findings(studio: Studio, now: Attempt) -> Sequence[Finding]:
    """Those that stood on the page when the button was pressed."""
    return studio.data.get(LOCAL, now.seen).report.findings


def _wire_looking(tab: DataTab, shell: Shell, studio: Studio, model: gr.Dropdown) -> None:
    """Stepping through the rows, what the model sees, and the numbers: they change nothing. The last two follow the form's model."""
    seen = tab.seen

    def step(by: int) -> Callable[..., Updates]:
        return lambda dataset_id, index: preview(tab, studio.data.get(LOCAL, dataset_id), index + by)

    def show(dataset_id: str, model_id: str, index: int) -> Updates:
        return data_seen.show(seen, studio, dataset_id, model_id, index)

    def follow(dataset_id: str, model_id: str, index: int, shown: bool) -> Updates:
        return show(dataset_id, model_id, index) if shown else {}

    def count(dataset_id: str, model_id: str) -> Iterator[Updates]:
        yield from data_seen.count(seen, studio, dataset_id, model_id)

    def other_model(dataset_id: str, model_id: str) -> Updates:
        return {**draw_language(tab, studio, dataset_id, model_id), **data_seen.closed(seen)} if dataset_id else {}

    where, of_model = [shell.dataset_id, tab.index], [shell.dataset_id, model, tab.index]
    seen_parts = [tab.problem, seen.text, seen.shown]
    for button, by in ((tab.previous, -1), (tab.next, 1)):
        stepped = button.click(shown_in(tab.problem, step(by)), where, [tab.problem, tab.preview, tab.instruction, tab.position, tab.index], **HIDDEN)
        stepped.then(shown_in(tab.problem, follow), [*of_model, seen.shown], seen_parts, **HIDDEN)
    seen.part.expand(shown_in(tab.problem, show), of_model, seen_parts, **PRIVATE)
    seen.part.collapse(lambda: False, None, [seen.shown], **HIDDEN)
    seen.numbers.expand(stream_shown_in(tab.problem, count, lambda *_: {}), of_model[:2], [tab.problem, seen.table], **PRIVATE)
    language = [tab.problem, tab.language_row, tab.language, *seen.outputs()]
    model.input(shown_in(tab.problem, other_model), of_model[:2], language, **HIDDEN)
