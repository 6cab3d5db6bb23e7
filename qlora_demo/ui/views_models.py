"""What the header and My models say about runs: pure functions from RunViews to texts."""

from __future__ import annotations

from collections.abc import Sequence

from qlora_demo.recipe import METHOD_NAMES
from qlora_demo.run_view import RunView
from qlora_demo.ui.parts import alert, day, esc, note, ordinal, roughly, size
from qlora_demo.ui.views_end import verdict

IDLE = "Nothing is training"


DISK_FULL = "The disk of this machine is full: nothing new can be trained or uploaded. Delete a model or a data set that is no longer needed."


def header(machine: str, free_bytes: int, activity: str, disk_full: bool = False) -> str:
    """The first lines of the page: what this is, on what it runs, what is going on, and that there is no room."""
    busy = activity != IDLE
    mark = '<span class="qd-dot" aria-hidden="true"></span> ' if busy else ""
    return (
        '<div class="qd-head"><div><h1>Train your own chat model</h1>'
        "<p>Give it examples, train it here, compare it with the original.</p></div>"
        f'<div class="qd-machine"><p>{esc(machine)} · {size(free_bytes)} memory free</p>'
        f'<p id="activity">{mark}{esc(activity)}</p></div></div>{alert(DISK_FULL if disk_full else "")}'
    )


def activity(view: RunView | None, others: tuple[bool, int] = (False, 0)) -> str:
    """One line about the run that trains or waits; `others` is whether somebody else trains, and how many more wait."""
    if view is None:
        training, waiting = others
        return f"Someone else is training{f', {waiting} waiting' if waiting else ''}" if training else IDLE
    if view.job.state == "queued":
        place = "You are next in line" if view.place == 1 else f"You are {ordinal(view.place)} in line"
        return f"{place}, about {roughly(view.starts_in)}" if view.starts_in else place
    progress, whose = view.progress, "The example" if view.shared() else "Yours"
    if progress.phase == "learning" and progress.seconds_left is not None:
        return f"{whose} is training: {round(100 * progress.share())} %, {roughly(progress.seconds_left)} left"
    return f"{whose} is training: {round(100 * progress.share())} %"


def state_words(view: RunView) -> str:
    """ "ready", "training", "stopped at step 60": what stays true until the run's state changes."""
    state, progress = view.job.state, view.progress
    if state in ("starting", "running", "stopping"):
        return "training"
    at_step = f" at step {progress.step}" if progress.step else ""
    return {"finished": "ready", "queued": "waiting", "stopped": f"stopped{at_step}"}.get(state, f"ended early{at_step}")


def run_choices(views: Sequence[RunView]) -> list[tuple[str, str]]:
    """(label, id) of every run, for the list."""
    return [(f"{view.name}\n{state_words(view)} · {view.model.name}", view.id) for view in views]


def chat_choices(views: Sequence[RunView]) -> list[tuple[str, str]]:
    """(label, id) of the runs that can answer."""
    return [(view.name, view.id) for view in views if view.usable()]


def detail(view: RunView) -> str:
    """Name, state and verdict of one model."""
    line = f"{state_words(view)} · {METHOD_NAMES[view.recipe.method]} · {view.model.name}"
    text = "How far it is stands in 2 Train." if view.active() else verdict(view) or view.job.reason
    if view.keeps_until is not None:
        text = f"{text} Kept until {day(view.keeps_until)}.".strip()
    return f'<h2 class="qd-h2">{esc(view.name)}</h2><p class="qd-small">{esc(line)}</p>{note(text)}'


def chat_waits(training: RunView | None, now: float, given_back: bool, owner: str) -> str:
    """Why Chat cannot answer this owner at the moment, "" where it can."""
    if training is None:
        return ""
    whose = "the example" if training.shared() else "yours" if training.job.owner == owner else "another visitor's"
    left = roughly(training.seconds_left(now))
    kept = " Your chat was paused to make room; the conversation is kept." if given_back else ""
    return f"This machine is training ({whose}, about {left} left).{kept} Chat opens by itself when it is done."


def example_offer(example: RunView | None) -> tuple[str, str]:
    """(sentence, words of the button) about everyone's example where nothing can be chatted with yet; no words, no button."""
    if example is None or not example.active():
        return "Or see it at work first: everyone's example talks as a character.", "Train the example, a few minutes"
    return "Everyone's example is being trained. You can chat with it here when it is done.", ""


def delete_question(view: RunView) -> str:
    return f"Delete '{view.name}'? Model, data and report go for good."
