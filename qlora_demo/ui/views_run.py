"""What tab 2 says of a run, from its place in the line to its end: pure functions from a RunView to texts."""

from __future__ import annotations

from qlora_demo.progress import amount
from qlora_demo.run_view import RunView
from qlora_demo.ui.parts import bar, duration, esc, ordinal, roughly, size

FINAL = ("finished", "failed", "stopped", "interrupted")


def over(view: RunView) -> bool:
    return view.job.state in FINAL


def title(view: RunView) -> str:
    text = f'<h2 class="qd-h2">{esc(view.name)}'
    if view.job.state == "finished":
        text += f' <span class="qd-small">· done in {_took(view)} ({roughly(view.forecast_seconds)} expected)</span>'
    return text + "</h2>"


def _took(view: RunView) -> str:
    return duration((view.job.ended or 0.0) - (view.job.started or view.job.created))


def phase(view: RunView) -> str:
    """The name of what it does now, which a screen reader announces when it changes."""
    if over(view):
        return {"finished": "Done", "failed": "Ended with a problem", "stopped": "Stopped", "interrupted": "Interrupted"}[view.job.state]
    if view.job.state == "stopping" and view.progress.phase in ("waiting", "getting"):
        return "Stopping, a few seconds."
    if view.job.state == "stopping":
        return "Saving what it has learned so far, a few seconds."
    if view.job.state == "queued":
        return waiting(view)
    if view.job.state == "starting":  # what its events say is still of the attempt before
        return "Getting ready"
    progress = view.progress
    words = {
        "waiting": "Getting ready",
        "getting": f"Getting the base model ({size(progress.download_total or progress.download_bytes)}, once)",
        "loading": "Reading the model",
        "fitting": "Checking that it fits",
        "learning": "Learning",
        "testing": "Testing",
        "saving": "Saving",
    }
    return words[progress.phase]


def waiting(view: RunView) -> str:
    """Its place in the line and when it starts: "You are 3rd in line. Starts in about 7 minutes. You can close this page."."""
    place = "You are next in line." if view.place == 1 else f"You are {ordinal(view.place)} in line."
    starts = f" Starts in about {roughly(view.starts_in)}." if view.starts_in else ""
    return f"{place}{starts} You can close this page."


def sentence(view: RunView) -> str:
    """The phase with what changes every step: "Learning · step 42 of 108 · about 40 s left"."""
    parts, progress = [phase(view)], view.progress
    if view.job.state == "running" and progress.phase == "getting" and progress.download_total:
        parts = [f"Getting the base model ({amount(progress.downloaded, progress.download_total)}, once)"]
        if progress.download_seconds_left is not None:
            parts.append(f"about {roughly(progress.download_seconds_left)} left")
    if view.job.state == "running" and progress.phase == "learning":
        parts.append(f"step {progress.step} of {progress.steps}")
        if progress.seconds_left is not None:
            parts.append(f"about {roughly(progress.seconds_left)} left")
    return " · ".join(parts)


def progress_bar(view: RunView) -> str:
    """The sentence and the bar; nothing once it is over."""
    if over(view):
        return ""
    share = view.progress.share() if view.job.state != "starting" else 0.0
    line = f'<p class="qd-phase">{esc(sentence(view))}</p>'
    if view.job.state == "queued":
        return line
    percent = f'<span class="qd-number">{round(100 * share)} %</span>'
    return f'{line}<div class="qd-progress">{bar(share, f"Training, {round(100 * share)} percent done")}{percent}</div>'


def remark(view: RunView) -> tuple[str, str]:
    """(sentences, colour class) about what happened on the way and how it ended; ("", "") where nothing is to be said."""
    ended, kind = _ending(view)
    on_the_way = [*view.changed]
    if view.job.state in ("starting", "running") and view.progress.continued_from:
        on_the_way.append(f"Training continued from step {view.progress.continued_from}; nothing before it was lost.")
    return " ".join([*on_the_way, ended]).strip(), kind or ("qd-warn" if on_the_way and not over(view) else "")


def _ending(view: RunView) -> tuple[str, str]:
    """("", "") of a run that goes on or has come to its end."""
    job, progress = view.job, view.progress
    if job.state == "failed":
        saved = f" Saved up to step {progress.saved_step}." if progress.saved_step and "Saved up to" not in job.reason else ""
        return f"{job.reason or 'Training ended unexpectedly.'}{saved}", "qd-bad"
    if job.state == "interrupted":
        return job.reason or "Training was interrupted.", "qd-warn"
    if job.state == "stopped":
        return job.reason or f"Stopped by you at step {progress.step} of {progress.steps}.", ""
    return "", ""


def resume_label(view: RunView) -> str:
    """The words of the button that goes on; "" where there is nothing to go on with, or where going on would end in the same way."""
    if view.job.state not in ("failed", "stopped", "interrupted") or (view.job.state == "failed" and view.advice()) or view.time_is_up():
        return ""
    if view.progress.saved_step:
        return f"Continue from step {view.progress.saved_step}"
    return "Try again"


def stop_label(view: RunView) -> str:
    """The words of the button that ends it; "" where it is over or ending."""
    if view.job.state == "running" and view.progress.phase in ("getting", "loading", "fitting"):
        return "Stop"  # nothing is learned yet
    return {"queued": "Leave the line", "starting": "Stop", "running": "Stop and keep what it learned"}.get(view.job.state, "")
