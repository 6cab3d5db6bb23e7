"""What tab 2 shows of a run, during and after: pure functions from a RunView to texts and plot points."""

from __future__ import annotations

from qlora_demo.progress import amount
from qlora_demo.run_view import RunView
from qlora_demo.ui.parts import bar, duration, esc, ordinal, roughly, size

FINAL = ("finished", "failed", "stopped", "interrupted")
POINTS = 200
"""Points a series of the plot has at most."""
YOUR_ROWS, ASIDE_ROWS = "your rows", "rows set aside"


def over(view: RunView) -> bool:
    return view.job.state in FINAL


def title(view: RunView) -> str:
    text = f'<h2 class="qd-h2">{esc(view.name)}'
    if view.job.state == "finished":
        text += f' <span class="qd-small">done in {_took(view)} ({roughly(view.forecast_seconds)} expected)</span>'
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
    """(sentence, colour class) about what happened on the way or how it ended; ("", "") where nothing is to be said."""
    job, progress = view.job, view.progress
    if job.state in ("starting", "running") and progress.continued_from:
        return f"Training continued from step {progress.continued_from}; nothing before it was lost.", "qd-warn"
    if job.state == "failed":
        saved = f" Saved up to step {progress.saved_step}." if progress.saved_step and "Saved up to" not in job.reason else ""
        return f"{job.reason or 'Training ended unexpectedly.'}{saved}", "qd-bad"
    if job.state == "interrupted":
        return job.reason or "Training was interrupted.", "qd-warn"
    if job.state == "stopped":
        return job.reason or f"Stopped by you at step {progress.step} of {progress.steps}.", ""
    return "", ""


def resume_label(view: RunView) -> str:
    """The words of the button that goes on; "" where there is nothing to go on with."""
    if view.job.state not in ("failed", "stopped", "interrupted"):
        return ""
    if view.progress.saved_step:
        return f"Continue from step {view.progress.saved_step}"
    return "Try again"


def stop_label(view: RunView) -> str:
    """The words of the button that ends it; "" where it is over or ending."""
    if view.job.state == "running" and view.progress.phase in ("getting", "loading", "fitting"):
        return "Stop"  # nothing is learned yet
    return {"queued": "Leave the line", "starting": "Stop", "running": "Stop and keep what it learned"}.get(view.job.state, "")


def verdict(view: RunView) -> str:
    """The headline of what it learned, "" before it is known."""
    return str(view.report["verdict"]) if view.report else ""


def plot_rows(view: RunView) -> list[tuple[int, float | None, str]]:
    """(step, error, series), at most POINTS of each series, the newest among them.

    Each series begins with a point without a value: the plot only ever knows the series of its first drawing.
    """
    rows: list[tuple[int, float | None, str]] = []
    for series, points in ((YOUR_ROWS, view.progress.points), (ASIDE_ROWS, view.progress.held_out)):
        stride = max(1, -(-len(points) // POINTS))
        rows.append((0, None, series))
        rows += [(step, loss, series) for step, loss in points[::-1][::stride][::-1]]
    return rows


def numbers(view: RunView) -> list[tuple[object, ...]]:
    """(what, value) of everything measured so far."""
    p = view.progress
    memory = f"{size(p.memory_bytes)} used, {size(view.predicted_memory_bytes)} expected" if p.memory_bytes is not None else None
    known = [
        ("Rows to learn from", f"{view.rows:,}"),
        ("Memory", memory),
        ("Speed", f"{p.tokens_per_second:,.0f} tokens/s" if p.tokens_per_second is not None else None),
        ("Error on your rows (loss)", f"{p.points[-1][1]:.3f}" if p.points else None),
        ("Error on the rows set aside (held-out loss)", f"{p.held_out[-1][1]:.3f}" if p.held_out else None),
        ("Size of each change now (learning rate)", f"{p.learning_rate:.2e}" if p.learning_rate is not None else None),
        ("Strength of the pull (gradient norm)", f"{p.gradient_norm:.2f}" if p.gradient_norm is not None else None),
        ("Numbers that learn", f"{p.trainable_parameters:,}" if p.trainable_parameters is not None else None),
        ("Newest saved point", f"step {p.saved_step}" if p.saved_step else None),
    ]
    scores = [(f"Held-out loss, {words}", _loss(view, side)) for words, side in (("base model", "base"), ("your model", "adapted"))]
    notes = [("Remark", text) for text in p.notes]
    return [row for row in (*known, *scores, *notes) if row[1] is not None]


def _loss(view: RunView, side: str) -> str | None:
    loss = view.report[side]["loss"] if view.report else None
    return f"{loss:.3f}" if loss is not None else None


def answers(view: RunView) -> list[dict[str, str]]:
    """The compared answers of the report: question, expected, base, adapted."""
    return view.report["answers"] if view.report else []


def answer(view: RunView, index: int) -> str:
    """One question set aside with all three answers; "" where there is none."""
    found = answers(view)
    if not found:
        return ""
    item = found[index % len(found)]
    rows = (("Base", "qd-base", item["base"]), ("Yours", "qd-yours", item["adapted"]), ("Your own answer", "", item["expected"]))
    lines = "".join(f'<dt class="{kind}">{esc(word)}</dt><dd>{esc(text)}</dd>' for word, kind, text in rows)
    question = f'<h3 class="qd-h3">{esc(item["question"])}</h3><p class="qd-small">set aside: your model has never seen it</p>'
    return f'{question}<dl class="qd-answers">{lines}</dl>'


def answer_rows(view: RunView) -> list[tuple[object, ...]]:
    """All of them, for a table."""
    return [(item["question"], item["base"], item["adapted"], item["expected"]) for item in answers(view)]
