"""Tab 1, Data: choose an example or a file, see what was understood."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from qlora_demo.data.dataset import PreparedDataset
from qlora_demo.examples import EXAMPLES
from qlora_demo.studio import LOCAL, Studio
from qlora_demo.ui.guard import Updates, shown_in
from qlora_demo.ui.parts import heading, shown, text
from qlora_demo.ui.shell import Shell
from qlora_demo.ui.views_data import chat_messages, counts, goal, noun, numbers, position, questions_and_answers, remarks, title

EMPTY = "<p>Nothing chosen yet.</p><p class='qd-small'>Pick an example: in a few minutes you can chat with a model of your own.</p>"


@dataclass(frozen=True)
class DataTab:
    """`upload` is the path of the file that was read, for reading it again with other columns; "" after a reload."""

    examples: tuple[gr.Button, ...]
    file: gr.File
    problem: gr.HTML
    empty: gr.HTML
    chosen: gr.Column
    title: gr.HTML
    start_over: gr.Button
    columns: gr.Row
    question_column: gr.Dropdown
    answer_column: gr.Dropdown
    swap: gr.Button
    preview: gr.Chatbot
    previous: gr.Button
    position: gr.HTML
    next: gr.Button
    counts: gr.HTML
    remarks: gr.HTML
    aside: gr.Accordion
    aside_rows: gr.HTML
    to_training: gr.Button
    numbers: gr.Accordion
    numbers_table: gr.HTML
    index: gr.State
    upload: gr.State

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        shown_parts = [self.problem, self.empty, self.chosen, self.title, self.columns, self.question_column, self.answer_column]
        preview = [self.preview, self.position, self.counts, self.remarks, self.aside, self.aside_rows]
        return [*shown_parts, *preview, self.to_training, self.numbers, self.numbers_table, self.index]


def build(studio: Studio) -> DataTab:
    parts: dict = {"index": gr.State(0), "upload": gr.State("")}
    with gr.Row():
        with gr.Column(scale=5, min_width=300):
            parts |= _source(studio)
        with gr.Column(scale=7, min_width=320, elem_id="data-result"):
            parts["problem"] = text("", visible=False, elem_id="data-problem")
            parts["empty"] = text(EMPTY, elem_id="data-empty", elem_classes="qd-empty")
            with gr.Column(visible=False, elem_id="data-chosen") as parts["chosen"]:
                parts |= _understood()
    return DataTab(**parts)


def _source(studio: Studio) -> dict:
    text(heading("What should it learn?"))
    with gr.Row(elem_classes="qd-cards"):
        examples = [gr.Button(f"{e.title}\n{e.text}", elem_id=f"example-{e.id}", elem_classes="qd-card") for e in EXAMPLES]
    text(heading("Or use your own", 3))
    file = gr.File(label="Your file", elem_id="upload", height=190)
    limit = f"CSV, TSV, JSON, JSON lines or plain text; up to {studio.settings.max_upload_mb:,} MB and {studio.settings.max_rows:,} rows."
    place = "It goes to this server only." if studio.settings.shared() else "It stays on this machine."
    text(f'<p class="qd-small">{limit} {place}</p>')
    return {"examples": tuple(examples), "file": file}


def _understood() -> dict:
    parts: dict = {}
    with gr.Row(elem_classes="qd-line"):
        parts["title"] = text("", elem_id="data-title")
        parts["start_over"] = gr.Button("Start over", size="sm", scale=0, min_width=120, elem_id="start-over")
    with gr.Row(visible=False, elem_classes="qd-line") as parts["columns"]:
        parts["question_column"] = gr.Dropdown([], label="People ask", min_width=140, elem_id="question-column")
        parts["answer_column"] = gr.Dropdown([], label="It answers", min_width=140, elem_id="answer-column")
        parts["swap"] = gr.Button("Swap", size="sm", scale=0, min_width=88, elem_id="swap-columns")
    parts["preview"] = gr.Chatbot(
        label="One conversation", show_label=False, height=300, render_markdown=False, latex_delimiters=[], buttons=[], elem_id="data-preview"
    )
    with gr.Row(elem_classes="qd-line"):
        parts["previous"] = gr.Button("‹ Previous", size="sm", scale=0, min_width=100, elem_id="data-previous")
        parts["position"] = text("", elem_id="data-position")
        parts["next"] = gr.Button("Next ›", size="sm", scale=0, min_width=100, elem_id="data-next")
    parts["counts"] = text("", elem_id="data-counts")
    parts["remarks"] = text("", elem_id="data-remarks")
    with gr.Accordion("Show those set aside", open=False, elem_id="data-aside") as parts["aside"]:
        parts["aside_rows"] = text("")
    parts["to_training"] = gr.Button("Train on these", variant="primary", elem_id="to-training")
    with gr.Accordion("Numbers", open=False, elem_id="data-numbers") as parts["numbers"]:
        parts["numbers_table"] = text("")
    return parts


def draw(tab: DataTab, studio: Studio, dataset_id: str) -> Updates:
    """All of the right column, from the studio alone. Raises NotFoundError."""
    if not dataset_id:
        return {tab.problem: shown(""), tab.empty: gr.update(visible=True), tab.chosen: gr.update(visible=False)}
    dataset = studio.dataset(LOCAL, dataset_id)
    recipe = studio.recommend(LOCAL, dataset_id)
    held_out = studio.split(dataset, recipe)[1]
    return {
        tab.problem: shown(""),
        tab.empty: gr.update(visible=False),
        tab.chosen: gr.update(visible=True),
        tab.title: title(dataset),
        tab.columns: gr.update(visible=False),
        **_preview(tab, dataset, 0),
        tab.counts: f"<p>{counts(dataset, len(held_out))} {goal(dataset)}</p>",
        tab.remarks: shown(remarks(dataset.report.warnings)),
        tab.aside: gr.update(label=f"Show the {len(held_out)} set aside", visible=bool(held_out), open=False),
        tab.aside_rows: questions_and_answers(held_out),
        tab.to_training: f"Train on these {len(dataset.rows):,} {noun(dataset)}s",
        tab.numbers: gr.update(open=False),
        tab.numbers_table: numbers(dataset, None),
    }


def _preview(tab: DataTab, dataset: PreparedDataset, index: int) -> Updates:
    at = index % len(dataset.rows)
    return {tab.preview: chat_messages(dataset.rows[at]), tab.position: position(at, dataset), tab.index: at}


def wire(tab: DataTab, shell: Shell, studio: Studio) -> list[gr.events.Dependency]:
    """What happens inside this tab. Returns the events that set `shell.dataset_id`, for the form to follow."""

    def adopt(dataset_id: str, upload: str) -> Updates:
        found = {shell.dataset_id: dataset_id, tab.upload: upload, **draw(tab, studio, dataset_id)}
        roles = studio.dataset(LOCAL, dataset_id).column_roles
        if upload and {"user", "assistant"} <= roles.keys():
            columns = list(studio.dataset(LOCAL, dataset_id).columns)
            found |= {
                tab.columns: gr.update(visible=True),
                tab.question_column: gr.update(choices=columns, value=roles["user"]),
                tab.answer_column: gr.update(choices=columns, value=roles["assistant"]),
            }
        return found

    def take_example(number: int):
        return lambda: adopt(studio.add_example(LOCAL, EXAMPLES[number].id), "")

    def take_file(path: str) -> Updates:
        return adopt(studio.add_file(LOCAL, Path(path), Path(path).name), path)

    def take_columns(path: str, question: str, answer: str) -> Updates:
        return adopt(studio.add_file(LOCAL, Path(path), Path(path).name, {"user": question, "assistant": answer}), path)

    def forget() -> Updates:
        return {shell.dataset_id: "", tab.upload: "", **draw(tab, studio, "")}

    def step(by: int):
        return lambda dataset_id, index: _preview(tab, studio.dataset(LOCAL, dataset_id), index + by)

    def count(dataset_id: str) -> Updates:
        recipe = studio.recommend(LOCAL, dataset_id)
        return {tab.numbers_table: numbers(studio.dataset(LOCAL, dataset_id), studio.count_tokens(LOCAL, dataset_id, recipe))}

    outputs = [*tab.outputs(), shell.dataset_id, tab.upload]
    private = {"api_visibility": "private"}
    reading = {"show_progress": "minimal", "show_progress_on": [tab.empty, tab.preview], **private}
    hidden = {"show_progress": "hidden", **private}
    file = [tab.upload, tab.question_column, tab.answer_column]
    swapped = [tab.upload, tab.answer_column, tab.question_column]
    chosen = [button.click(shown_in(tab.problem, take_example(i)), None, outputs, **reading) for i, button in enumerate(tab.examples)]
    uploaded = tab.file.upload(shown_in(tab.problem, take_file), [tab.file], outputs, **reading)
    uploaded.then(lambda: None, None, [tab.file], **hidden)  # read or refused: the place is free for another file
    chosen += [
        uploaded,
        gr.on([tab.question_column.input, tab.answer_column.input], shown_in(tab.problem, take_columns), file, outputs, **reading),
        tab.swap.click(shown_in(tab.problem, take_columns), swapped, outputs, **reading),
        tab.start_over.click(shown_in(tab.problem, forget), None, outputs, **hidden),
    ]
    for button, by in ((tab.previous, -1), (tab.next, 1)):
        seen = [tab.problem, tab.preview, tab.position, tab.index]
        button.click(shown_in(tab.problem, step(by)), [shell.dataset_id, tab.index], seen, **hidden)
    tab.numbers.expand(shown_in(tab.problem, count), [shell.dataset_id], [tab.problem, tab.numbers_table], **private)
    return chosen
