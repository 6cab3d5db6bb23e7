"""Tab 2, Train, after: the verdict, the one change that would help, and the ways on."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from qlora_demo.errors import UserError
from qlora_demo.run_view import RunView
from qlora_demo.ui import download_button
from qlora_demo.ui import views_end as say
from qlora_demo.ui.download_button import DownloadButton
from qlora_demo.ui.guard import Updates, Visit
from qlora_demo.ui.parts import button, shown, text
from qlora_demo.ui.views_report import under_verdict
from qlora_demo.ui.views_run import over, resume_label


@dataclass(frozen=True)
class Ending:
    """`better` starts the run with the change that `words` tell of."""

    verdict: gr.HTML
    advice: gr.Row
    better: gr.Button
    words: gr.HTML
    ways: gr.Row
    chat: gr.Button
    resume: gr.Button
    again: gr.Button
    download: DownloadButton
    picked: gr.HTML

    def outputs(self) -> list:
        """Everything that `draw` may set."""
        ways = [self.ways, self.chat, self.resume, self.again, self.download.button]
        return [self.verdict, self.advice, self.better, self.words, *ways, self.picked]


def build() -> Ending:
    verdict = text("", visible=False, elem_id="verdict")
    with gr.Row(visible=False, elem_classes="qd-line qd-advice") as advice:
        better = gr.Button("Train again", scale=0, min_width=300, elem_id="train-better")
        words = text("", elem_id="better-words")
    with gr.Row(visible=False, elem_classes="qd-line") as ways:
        chat = gr.Button("Chat with it", variant="primary", scale=0, min_width=180, elem_id="chat-with-it")
        resume = gr.Button("Try again", scale=0, min_width=240, elem_id="resume")
        again = gr.Button("Train again with changes", scale=0, min_width=240, elem_id="train-again")
        download = download_button.build("download")
    return Ending(verdict, advice, better, words, ways, chat, resume, again, download, text("", visible=False, elem_id="picked"))


def draw(part: Ending, visit: Visit, view: RunView) -> Updates:
    """Hidden while the run goes on."""
    ended = over(view)
    better, resume, chat = _better_label(visit, view) if ended else "", resume_label(view), say.chat_label(view)
    return {
        part.verdict: shown(say.verdict_box(view) if ended else ""),
        part.advice: gr.update(visible=bool(better)),
        part.better: button(better, bool(better)),
        part.words: say.better_words(view),
        part.ways: gr.update(visible=ended),
        part.chat: button(chat, ended and bool(chat)),
        part.resume: button(resume, bool(resume) and visit.studio.may_change(visit.owner, view.job)),
        part.again: button("Train again with changes", ended and not view.guest(visit.owner)),
        part.picked: shown(under_verdict(view) if ended else ""),
        **download_button.draw(part.download, view, visit.owner),
    }


def _better_label(visit: Visit, view: RunView) -> str:
    """"" where nothing better is known, or the data it would learn from is gone."""
    recipe = view.better()
    if recipe is None:
        return ""
    try:
        forecast = visit.studio.forecast(visit.owner, visit.studio.data_of(visit.owner, view.id), recipe)
    except UserError:
        return ""
    return say.better_label(view, forecast.seconds)
