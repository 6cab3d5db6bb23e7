"""The first drawing of the page: what somebody sees who opens it, comes back, or follows a link."""

from __future__ import annotations

import time
from dataclasses import replace

import gradio as gr

from qlora_demo.errors import NotFoundError, StorageError
from qlora_demo.ui import data_tab, models_tab, train_filling
from qlora_demo.ui.drawn import drawn_now
from qlora_demo.ui.flow import Page, draw_chat, head, run_box
from qlora_demo.ui.guard import Updates, Visit
from qlora_demo.ui.parts import note, shown
from qlora_demo.ui.shell import DATA, TRAIN
from qlora_demo.ui.views_chat import Chat

GONE = "No model at this link. It was deleted, or its link was taken back."
SHARED_WITH_YOU = "Shared with you: you can read and chat. Only its owner can change it."


def land(page: Page, visit: Visit, link: tuple[str, str], remembered: tuple[str, str, float, Chat]) -> Updates:
    """A run that is in the link, goes on, or ended since the last visit is shown in Train; else Data. `link` has the id of one's own run, and the
    secret of one that is shared."""
    dataset_id, run_id, visited, chat = remembered
    asked, secret = link
    drawn = drawn_now(visit, "")  # first: what changes while the page is drawn is then noticed
    came_by = visit.studio.sharing.come_by(visit.owner, secret) if secret else ""
    views = visit.studio.runs(visit.owner)
    ids = [view.id for view in views]
    linked = next((run for run in (came_by, asked) if run in ids), "")
    going_on = next((view.id for view in reversed(views) if view.active()), "")
    ended = next((view.id for view in views if visited and (view.job.ended or 0) > visited), "")
    first = linked or going_on or ended
    run = first or (run_id if run_id in ids else "")
    kept_data = _still_there(visit, dataset_id)
    return {
        **data_tab.draw(page.data, visit, kept_data),
        **train_filling.draw(page.form, visit, kept_data),
        **(run_box(page, visit, views[ids.index(run)]) if run else {}),
        **draw_chat(page, visit, views, came_by or chat["run"], chat),
        **models_tab.draw(page.models, visit, views, run),
        **head(page, visit, views),
        page.tabs: gr.update(selected=TRAIN if first else DATA, visible=True),
        page.shell.gate: gr.update(visible=False),
        page.shell.dataset_id: kept_data,
        page.shell.run_id: run,
        page.shell.visited: time.time(),
        page.shell.message: shown(_told(visit, linked, asked or secret)),
        page.shell.drawn: replace(drawn, shown=run),
    }


def _told(visit: Visit, linked: str, asked: str) -> str:
    """What is said to somebody who came by a link."""
    if not linked:
        return note(GONE, "qd-warn") if asked else ""
    return note(SHARED_WITH_YOU) if visit.studio.run(visit.owner, linked).guest(visit.owner) else ""


def _still_there(visit: Visit, dataset_id: str) -> str:
    """"" of one that is gone, or damaged."""
    try:
        return dataset_id if dataset_id and visit.studio.data.get(visit.owner, dataset_id) else ""
    except (NotFoundError, StorageError):
        return ""
