"""Ways that start a training, and the way back to its settings."""

from __future__ import annotations

from typing import Any

from qlora_demo.ui import data_tab, flow, train_filling
from qlora_demo.ui.flow import Page
from qlora_demo.ui.guard import Updates, Visit


def start(page: Page, visit: Visit, dataset_id: str, name: str, values: tuple[Any, ...]) -> Updates:
    """Submits what is in the form. Raises UserError."""
    return flow.show_run(page, visit, train_filling.submit(visit, dataset_id, name, values))


def start_methods(page: Page, visit: Visit, dataset_id: str, name: str, values: tuple[Any, ...]) -> Updates:
    """Submits what is in the form, once for each method, and shows the first. Raises UserError."""
    return flow.show_run(page, visit, train_filling.submit_methods(visit, dataset_id, name, values)[0])


def better(page: Page, visit: Visit, run_id: str) -> Updates:
    """Starts the run that a run's own advice asks for, and shows it. Raises UserError."""
    return flow.show_run(page, visit, visit.studio.better(visit.owner, run_id))


def train_again(page: Page, visit: Visit, run_id: str) -> Updates:
    """The run's data and settings, back in the form. Raises NotFoundError where the data is gone."""
    view = visit.studio.run(visit.owner, run_id)
    dataset_id = visit.studio.data_of(visit.owner, run_id)
    drawn = {**data_tab.draw(page.data, visit, dataset_id), **train_filling.draw(page.form, visit, dataset_id, view.recipe)}
    return {**drawn, **flow.show_form(page, dataset_id), page.shell.dataset_id: dataset_id}


def train_example(page: Page, visit: Visit) -> Updates:
    """Trains everyone's example, and shows it. Raises UserError."""
    return flow.show_run(page, visit, visit.studio.train_example())
