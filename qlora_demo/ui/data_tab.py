"""Tab 1, Data: choose an example or bring your own, see what was understood and what was found."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.data.dataset import PreparedDataset
from qlora_demo.errors import DataError
from qlora_demo.studio import Studio
from qlora_demo.ui import data_choosing, data_findings, data_seen, data_source
from qlora_demo.ui.data_attempt import Attempt
from qlora_demo.ui.guard import Updates, Visit
from qlora_demo.ui.parts import alert, button, esc, shown, text
from qlora_demo.ui.views_data import chat_messages, counts, goal, instruction, noun, position, questions_and_answers, title
from qlora_demo.ui.views_findings import finding_text

EMPTY = "<p>Nothing chosen yet.</p><p class='qd-small'>Pick an example: in a few minutes you can chat with a model of your own.</p>"
WAYS_OUT = 2
NO_TEST, TEST = "Use every row (no test)", "Set some aside for a test"


@dataclass(frozen=True)
class DataTab:
    """`asked` is what could not be read, for trying it again; `index` is the row that is shown."""

    sources: data_source.Sources
    problem: gr.HTML
    ways_row: gr.Row
    ways_out: tuple[gr.Button, ...]
    head: gr.Row
    title: gr.HTML
    start_over: gr.Button
    choosing: data_choosing.Choosing
    empty: gr.HTML
    chosen: gr.Column
    preview: gr.Chatbot
    instruction: gr.HTML
    previous: gr.Button
    position: gr.HTML
    next: gr.Button
    counts: gr.HTML
    every_row: gr.Button
    language_row: gr.Row
    language: gr.HTML
    other_model: gr.Button
    findings: data_findings.Findings
    lengths: gr.HTML
    aside: gr.Accordion
    aside_rows: gr.HTML
    to_training: gr.Button
    seen: data_seen.Seen
    index: gr.State
    asked: gr.State

    def outputs(self) -> list:
        """Everything that `draw` and `refused` may set."""
        above = [self.problem, self.ways_row, *self.ways_out, self.head, self.title, self.empty, self.chosen, self.sources.delete]
        preview = [self.preview, self.instruction, self.position, self.counts, self.every_row, self.aside, self.aside_rows, self.to_training]
        preview += [self.index, self.asked, self.language_row, self.language, self.lengths]
        return [*above, *preview, *self.choosing.outputs(), *self.findings.outputs(), *self.seen.outputs()]


def build(studio: Studio) -> DataTab:
    parts: dict = {"index": gr.State(0), "asked": gr.State(Attempt())}
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            parts["sources"] = data_source.build(studio)
        with gr.Column(scale=7, min_width=320, elem_id="data-result"):
            parts["problem"] = text("", visible=False, elem_id="data-problem")
            with gr.Row(visible=False, elem_classes=["qd-line", "qd-ways"]) as parts["ways_row"]:
                ways = [gr.Button("", size="sm", scale=0, min_width=160, visible=False, elem_id=f"way-out-{i}") for i in range(WAYS_OUT)]
                parts["ways_out"] = tuple(ways)
            with gr.Row(visible=False, elem_classes="qd-line") as parts["head"]:
                parts["title"] = text("", elem_id="data-title")
                parts["start_over"] = gr.Button("Start over", size="sm", scale=0, min_width=120, elem_id="start-over")
            parts["choosing"] = data_choosing.build()
            parts["empty"] = text(EMPTY, elem_id="data-empty", elem_classes="qd-empty")
            with gr.Column(visible=False, elem_id="data-chosen") as parts["chosen"]:
                parts |= _understood()
    return DataTab(**parts)


def _understood() -> dict:
    parts: dict = {}
    parts["preview"] = gr.Chatbot(
        label="One conversation", show_label=False, height=300, render_markdown=False, latex_delimiters=[], buttons=[], elem_id="data-preview"
    )
    parts["instruction"] = text("", visible=False, elem_id="data-instruction")
    with gr.Row(elem_classes="qd-line"):
        parts["previous"] = gr.Button("‹ Previous", size="sm", scale=0, min_width=100, elem_id="data-previous")
        parts["position"] = text("", elem_id="data-position")
        parts["next"] = gr.Button("Next ›", size="sm", scale=0, min_width=100, elem_id="data-next")
    with gr.Row(elem_classes="qd-line"):
        parts["counts"] = text("", elem_id="data-counts")
        parts["every_row"] = gr.Button(NO_TEST, size="sm", scale=0, min_width=160, elem_id="use-every-row")
    with gr.Accordion("Show those set aside", open=False, elem_id="data-aside") as parts["aside"]:
        parts["aside_rows"] = text("")
    with gr.Row(visible=False, elem_classes="qd-line") as parts["language_row"]:
        parts["language"] = text("", elem_id="data-language")
        parts["other_model"] = gr.Button("Choose another model", size="sm", scale=0, min_width=160, elem_id="other-model")
    parts["findings"] = data_findings.build()
    parts["lengths"] = text("", visible=False, elem_id="data-lengths")
    parts["to_training"] = gr.Button("Train on these", variant="primary", elem_id="to-training")
    parts["seen"] = data_seen.build()
    return parts


def draw(tab: DataTab, visit: Visit, dataset_id: str) -> Updates:
    """All of the right column, from the studio alone. Raises NotFoundError."""
    fresh = {tab.problem: shown(""), tab.asked: Attempt(), **_ways_out(tab, Attempt())}
    if not dataset_id:
        fresh[tab.sources.delete] = gr.update(visible=False)
        hidden = {tab.chosen: gr.update(visible=False), tab.head: gr.update(visible=False)}
        return {**fresh, **hidden, tab.empty: gr.update(visible=True), **data_choosing.hidden(tab.choosing)}
    dataset = visit.studio.data.get(visit.owner, dataset_id)
    recipe = visit.studio.recommend(visit.owner, dataset_id)
    held_out = visit.studio.split(dataset, recipe)[1]
    every = len(dataset.rows)
    return {
        **fresh,
        tab.sources.delete: gr.update(visible=not visit.studio.data.is_example(dataset_id)),
        tab.empty: gr.update(visible=False),
        tab.chosen: gr.update(visible=True),
        tab.head: gr.update(visible=True),
        tab.title: title(dataset),
        **data_choosing.draw(tab.choosing, dataset),
        **preview(tab, dataset, 0),
        tab.counts: f"<p>{counts(dataset, len(held_out))} {goal(dataset)}</p>",
        tab.every_row: button(NO_TEST if dataset.choices.test else TEST, bool(held_out) or not dataset.choices.test),
        **draw_language(tab, visit, dataset_id, recipe.model),
        **data_findings.draw(tab.findings, dataset.report.findings),
        tab.aside: gr.update(label=f"Show the {len(held_out)} set aside", visible=bool(held_out), open=False),
        tab.aside_rows: questions_and_answers(held_out),
        tab.to_training: f"Train on this {noun(dataset)}" if every == 1 else f"Train on these {every:,} {noun(dataset)}s",
        tab.lengths: shown(""),
        **data_seen.closed(tab.seen),
    }


def draw_language(tab: DataTab, visit: Visit, dataset_id: str, model_id: str) -> Updates:
    """A remark where the data's language is not one that this base model knows."""
    finding = visit.studio.language_finding(visit.studio.data.get(visit.owner, dataset_id), model_id)
    return {tab.language_row: gr.update(visible=finding is not None), tab.language: finding_text(finding) if finding else ""}


def draw_lengths(tab: DataTab, visit: Visit, dataset_id: str, model_id: str) -> Updates:
    """Remarks on rows that are too long, once their words are counted."""
    if not dataset_id:
        return {}
    findings = visit.studio.data.too_long(visit.owner, dataset_id, visit.studio.recommend(visit.owner, dataset_id, model_id))
    return {tab.lengths: shown("".join(map(finding_text, findings)))}


def preview(tab: DataTab, dataset: PreparedDataset, index: int) -> Updates:
    at = index % len(dataset.rows)
    row = dataset.rows[at]
    said = instruction(row)
    above = {tab.instruction: shown(f'<p class="qd-small">Instruction: {esc(said)}</p>' if said else "")}
    return {tab.preview: chat_messages(row), **above, tab.position: position(at, dataset), tab.index: at}


def refused(tab: DataTab, visit: Visit, asked: Attempt, error: DataError, still: str) -> Updates:
    """The problem in words, and buttons for what can be done about it. The data set `still` stays where there is one and it can, with the choices
    that hold; else a new file's columns can be chosen."""
    told = {tab.problem: shown(alert(str(error))), tab.asked: asked, **_ways_out(tab, asked)}
    if takes_the_place(asked, error):
        away = {tab.chosen: gr.update(visible=False), tab.head: gr.update(visible=False), tab.empty: gr.update(visible=False)}
        return {**told, **away, **data_choosing.draw_columns(tab.choosing, error.columns)}
    if not still:
        return told
    dataset = visit.studio.data.get(visit.owner, still)
    return {**told, tab.problem: shown(alert(f"{error} Still shown: {dataset.name}.")), **data_choosing.draw(tab.choosing, dataset)}


def takes_the_place(asked: Attempt, error: DataError) -> bool:
    """Whether what could not be read is shown in place of what was there: a new file, of which the columns are to be chosen."""
    return bool(error.columns) and asked.pending()


def _ways_out(tab: DataTab, asked: Attempt) -> Updates:
    words = [way.label for way in asked.ways_out[:WAYS_OUT]]
    words += [""] * (WAYS_OUT - len(words))
    buttons = {part: button(label, bool(label)) for part, label in zip(tab.ways_out, words, strict=True)}
    return {tab.ways_row: gr.update(visible=bool(asked.ways_out)), **buttons}
