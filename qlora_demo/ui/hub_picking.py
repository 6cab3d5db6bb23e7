"""Tab 1: a data set from the model hub: its name, then its configuration and split, then fetched and read like a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gradio as gr

from qlora_demo.data.wording import shown as plain
from qlora_demo.errors import DataError
from qlora_demo.source.hub_data import Split
from qlora_demo.ui.data_source import Sources
from qlora_demo.ui.guard import Guard, Updates, Visit
from qlora_demo.ui.parts import note, shown

CHOOSE_AGAIN = "That part is not in this data set. Look the data set up again, then choose."


def wire(sources: Sources, guard: Guard, adopt: Callable[[Visit, str], Updates], outputs: list) -> gr.events.Dependency:
    """Returns the event that brings a data set. `adopt` draws it; `outputs` are what that may set."""

    def look(visit: Visit, name: str) -> Updates:
        splits = visit.studio.data.hub_splits(name)
        configs = list(dict.fromkeys(split.config for split in splits))
        offered = gr.update(choices=[(plain(config), config) for config in configs], value=configs[0])
        found = {sources.splits: splits, sources.hub_choice: gr.update(visible=True), sources.hub_config: offered}
        return {**found, **_pick(sources, splits, configs[0])}

    def fetch(visit: Visit, name: str, splits: Sequence[Split], config: str, wanted: str) -> Updates:
        split = find_split(splits, config, wanted)
        drawn = adopt(visit, visit.studio.data.add_hub(visit.owner, name, split))
        only = f"Only the first of {len(split.files):,} files was taken." if len(split.files) > 1 else ""
        return {**drawn, sources.hub_problem: shown(note(only))}

    picked = [sources.splits, sources.hub_choice, sources.hub_config, sources.hub_split, sources.hub_problem]
    looking = [sources.hub_look.click, sources.hub_name.submit]
    guard.on(looking, look, [sources.hub_name], picked, sources.hub_problem, show_progress="full")
    changed, drawn = [sources.splits, sources.hub_config], [sources.hub_split, sources.hub_problem]
    guard.on(sources.hub_config.input, lambda visit, splits, config: _pick(sources, splits, config), changed, drawn, sources.hub_problem)
    asked = [sources.hub_name, sources.splits, sources.hub_config, sources.hub_split]
    fetching = [*outputs, sources.hub_problem]
    return guard.on(sources.hub_fetch.click, fetch, asked, fetching, sources.hub_problem, show_progress="full")


def _pick(sources: Sources, splits: Sequence[Split], config: str) -> Updates:
    names, chosen = split_names(splits, config)
    return {sources.hub_split: gr.update(choices=[(plain(name), name) for name in names], value=chosen)}


def split_names(splits: Sequence[Split], config: str) -> tuple[list[str], str]:
    """(the splits of one configuration, the one to learn from). Raises DataError where there are none: a caller may send anything."""
    names = [split.name for split in splits if split.config == config]
    if not names:
        raise DataError(CHOOSE_AGAIN)
    return names, "train" if "train" in names else names[0]


def find_split(splits: Sequence[Split], config: str, name: str) -> Split:
    """Raises DataError."""
    found = next((split for split in splits if (split.config, split.name) == (config, name)), None)
    if found is None:
        raise DataError(CHOOSE_AGAIN)
    return found
