"""The command line. Results on standard output (one JSON object with --json), everything else on standard error.

Exit code 0 done, 1 failed, 2 bad input. `train` and `resume` submit to the same line as the page and follow; this process works through the line
itself only if no server of this home does.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from qlora_demo.chat.client import Ask
from qlora_demo.cli_export import export
from qlora_demo.cli_parts import JsonFlag, opened_studio, print_result, say
from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Message
from qlora_demo.errors import DataError, ModelError, StorageError, UserError, WayOut
from qlora_demo.evaluation.words import in_words
from qlora_demo.events import Event, read_events
from qlora_demo.owners import LOCAL
from qlora_demo.run_view import RunView, result_of
from qlora_demo.studio import Studio

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Fine-tune a small chat model and compare it with the original.")
app.command()(export)
MapOption = Annotated[
    list[str] | None, typer.Option("--map", help="user=COLUMN and assistant=COLUMN (or label=, system=, context=, text=): what each column is.")
]
SheetOption = Annotated[str, typer.Option("--sheet", help="The sheet of a workbook.")]
SpeakerOption = Annotated[str, typer.Option("--speaker", help="Who the model learns to be, in a chat between people.")]
LabelOption = Annotated[list[str] | None, typer.Option("--label", help="NUMBER=NAME, where labels are numbers.")]
FixOption = Annotated[list[str] | None, typer.Option("--fix", help="A remark's code: do what its button does. May be given several times.")]
BrokenOption = Annotated[bool, typer.Option("--leave-out-broken", help="Leave out rows that cannot be read.")]
FirstOption = Annotated[int, typer.Option("--first-rows", help="Use only so many rows; 0 for all.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="A setting of the recipe, such as epochs=3.")]


def run() -> None:
    """Every UserError becomes its sentence and exit code 2; an interrupted wait leaves the run in the line."""
    try:
        app()
    except DataError as error:
        print(error, *(f"{way.label}: {_option(way)}." for way in error.ways_out), file=sys.stderr)
        sys.exit(2)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _pairs(options: list[str] | None, example: str) -> dict[str, str]:
    """name=value options as a dict. Raises UserError."""
    pairs = {}
    for option in options or []:
        name, equals, value = option.partition("=")
        if not equals:
            raise UserError(f"{option!r} needs the form NAME=VALUE, such as {example}.")
        pairs[name.strip()] = value.strip()
    return pairs


def _option(way: WayOut) -> str:
    """A way out as an option of this command line."""
    options = []
    for name, value in way.change.items():
        if name == "columns":
            options += [f"--map {role}={column!r}" for role, column in value.items()]
        else:
            options.append(f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}"))
    return "add " + " ".join(options)


@app.command()
def check(
    file: Path,
    model: str = "",
    maps: MapOption = None,
    sheet: SheetOption = "",
    speaker: SpeakerOption = "",
    labels: LabelOption = None,
    fixes: FixOption = None,
    leave_out_broken: BrokenOption = False,
    first_rows: FirstOption = 0,
    preview: Annotated[int, typer.Option("--preview", help="How many rows to print with --json.")] = 3,
    tokens: Annotated[bool, typer.Option("--tokens/--no-tokens", help="Count words and word pieces, which takes some seconds.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Say what a file is understood as, and what is wrong with it."""
    columns, names = _pairs(maps, "user=Question"), _pairs(labels, "0=negative")
    choices = Choices(columns, sheet, speaker, names, leave_out_broken, first_rows, tuple(fixes or ()))
    with opened_studio() as studio:
        dataset_id = studio.data.add_file(LOCAL, file, file.name, choices)
        try:
            value = {**_checked(studio, dataset_id, preview), **_tokens(studio, dataset_id, model, tokens)}
        finally:
            studio.data.remove(LOCAL, dataset_id)
    remarks = "".join(f"\n- {warning['message']}" for warning in value["warnings"])
    said = f"{value['file']}: {value['kept']} of {value['rows']} rows can be learned from ({value['format']}).{remarks}"
    print_result(value, as_json, lambda: said)


def _tokens(studio: Studio, dataset_id: str, model: str, counted: bool) -> dict[str, Any]:
    """The model that the data would be prepared for, what it makes of its language, and its tokens."""
    recipe = studio.recommend(LOCAL, dataset_id, model)
    language = studio.language_finding(studio.data.get(LOCAL, dataset_id), recipe.model)
    tokens: dict[str, Any] = {"total": None, "trained": None, "longest": None}
    try:
        tokens = studio.data.count_tokens(LOCAL, dataset_id, recipe) if counted else tokens
    except ModelError as error:
        say(str(error))
    return {"model": recipe.model, "tokens": tokens, "language_remark": language.message if language else None}


def _checked(studio: Studio, dataset_id: str, preview: int) -> dict[str, Any]:
    dataset = studio.data.get(LOCAL, dataset_id)
    report = dataset.report
    offers = {name: offer for name, offer in asdict(dataset.offers).items() if offer}
    return {
        "file": dataset.name,
        "format": dataset.format,
        "kind": dataset.kind,
        "goal": dataset.goal,
        "rows": report.rows_read,
        "kept": report.kept,
        "left_out": dict(report.reasons),
        "dropped": [asdict(d) for d in report.dropped],
        "warnings": [asdict(finding) for finding in report.findings],
        "columns": list(dataset.columns),
        "column_roles": dict(dataset.column_roles),
        "labels": dict(report.labels),
        "language": report.language or None,
        **offers,
        "preview": [row.to_json() for row in dataset.rows[:preview]],
    }


@app.command()
def train(
    file: Path,
    model: str = "",
    method: str = "",
    preset: str = "balanced",
    sets: SetOption = None,
    name: str = "",
    maps: MapOption = None,
    sheet: SheetOption = "",
    speaker: SpeakerOption = "",
    labels: LabelOption = None,
    fixes: FixOption = None,
    leave_out_broken: BrokenOption = False,
    first_rows: FirstOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Train on a file and wait for the end."""
    columns, names = _pairs(maps, "user=Question"), _pairs(labels, "0=negative")
    choices = Choices(columns, sheet, speaker, names, leave_out_broken, first_rows, tuple(fixes or ()))
    with opened_studio() as studio:
        dataset_id = studio.data.add_file(LOCAL, file, file.name, choices)
        recipe = studio.recommend(LOCAL, dataset_id, model, method, preset).with_texts(_pairs(sets, "epochs=3"))
        run_id = studio.submit(LOCAL, dataset_id, recipe, name)
        say(f"Run {run_id}: {studio.home.run(run_id).path}")
        code = _follow(studio, run_id, as_json)
    sys.exit(code)


@app.command()
def estimate(
    file: Annotated[Path | None, typer.Argument(help="What to learn; without it, 100 rows of 100 word pieces.")] = None,
    model: str = "",
    method: str = "",
    preset: str = "balanced",
    sets: SetOption = None,
    maps: MapOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what a training would take, without starting it."""
    with opened_studio() as studio:
        dataset_id = studio.data.add_file(LOCAL, file, file.name, Choices(_pairs(maps, "user=Question"))) if file else ""
        try:
            recipe = studio.recommend(LOCAL, dataset_id, model, method, preset).with_texts(_pairs(sets, "epochs=3")).validate()
            found = studio.forecast(LOCAL, dataset_id, recipe)
        finally:
            if dataset_id:
                studio.data.remove(LOCAL, dataset_id)
    told = {"model": recipe.model, "method": recipe.method, **found.to_json()}
    print_result(told, as_json, lambda: f"{recipe.method} on {recipe.model}, {found.steps} steps, about {found.seconds:.0f} s. {found.reason()}")


@app.command()
def resume(run: str, as_json: JsonFlag = False) -> None:
    """Go on with a stopped, failed or interrupted run."""
    with opened_studio() as studio:
        run_id = studio.find_run(LOCAL, run)
        studio.resume(LOCAL, run_id)
        code = _follow(studio, run_id, as_json)
    sys.exit(code)


def _follow(studio: Studio, run_id: str, as_json: bool) -> int:
    """Works through the line if nobody does, prints events as they come, ends with the result. Returns the exit code."""
    try:
        studio.start()
    except StorageError:
        say("A server of this home is running; it will train this in its turn.")
    events_path = studio.home.run(run_id).events
    # A resumed run already has events: only what comes now is news.
    offset = events_path.stat().st_size if events_path.exists() else 0
    view = studio.run(LOCAL, run_id)
    while view.active():
        time.sleep(0.3)
        view = studio.run(LOCAL, run_id)
        events, offset = read_events(events_path, offset)
        for event in events:
            _print_event(event, as_json)
    result = result_of(view)
    print_result(result, as_json, lambda: f"{view.name}: {view.job.state}. {view.job.reason or (view.report or {}).get('verdict', '')}")
    return 0 if view.job.state in ("finished", "stopped") else 1


def _print_event(event: Event, as_json: bool) -> None:
    if as_json:
        print(json.dumps(event, ensure_ascii=False), flush=True)
    elif event["type"] == "phase":
        say(f"{event['phase']} ...")
    elif event["type"] == "step":
        say(f"step {event['step']}: error {event['loss']:.3f}, about {event['seconds_left']:.0f} s left")


@app.command()
def chat(
    run: str,
    prompt: str,
    system: str = "",
    greedy: Annotated[bool, typer.Option("--greedy", help="The same answer each time.")] = False,
    max_new_tokens: int = 256,
    against: Annotated[str, typer.Option("--against", help="Another run of the same base model, to ask in the base's place.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Ask base and adapted model the same question."""
    with opened_studio() as studio:
        messages = [*([Message("system", system)] if system else []), Message("user", prompt)]
        options = Ask(max_new_tokens, 0.0 if greedy else 0.7, seed=time.time_ns() % 2**31)
        other = studio.find_run(LOCAL, against) if against else ""
        turns = list(studio.ask(LOCAL, studio.find_run(LOCAL, run), [messages, messages], options, other))
    last = turns[-1]
    said = {"base": last.base, "adapted": last.adapted, "against": other or None}
    value = {**said, "seconds": last.seconds, "tokens": last.tokens, "unchanged": last.unchanged}
    print_result(value, as_json, lambda: f"{other or 'Base model'}:\n{last.base}\n\nYour model:\n{last.adapted}")


@app.command()
def evaluate(
    run: str,
    file: Annotated[Path | None, typer.Argument(help="Rows to test on; without it, those that were set aside.")] = None,
    maps: MapOption = None,
    sheet: SheetOption = "",
    speaker: SpeakerOption = "",
    labels: LabelOption = None,
    fixes: FixOption = None,
    leave_out_broken: BrokenOption = False,
    first_rows: FirstOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Test base and adapted model on the same rows."""
    columns, names = _pairs(maps, "user=Question"), _pairs(labels, "0=negative")
    choices = Choices(columns, sheet, speaker, names, leave_out_broken, first_rows, tuple(fixes or ()))
    with opened_studio() as studio:
        run_id = studio.find_run(LOCAL, run)
        dataset_id = studio.data.add_file(LOCAL, file, file.name, choices) if file else ""
        try:
            say("Reading the model ...")
            report = studio.evaluate(LOCAL, run_id, dataset_id, lambda: say("Testing ..."))
        finally:
            if dataset_id:
                studio.data.remove(LOCAL, dataset_id)
    print_result({"run": run_id, **report}, as_json, lambda: in_words(report))


def _row(view: RunView) -> dict[str, Any]:
    return {
        "run": view.id,
        "name": view.name,
        "state": view.job.state,
        "reason": view.job.reason,
        "method": view.recipe.method,
        "model": view.model.id,
        "created": view.created,
    }


@app.command()
def runs(as_json: JsonFlag = False) -> None:
    """List your runs, newest first."""
    with opened_studio() as studio:
        rows = [_row(view) for view in studio.runs(LOCAL)]
    table = "\n".join(f"{r['run']}  {r['state']:<12}{r['method']:<7}{r['name']}" for r in rows)
    print_result({"runs": rows}, as_json, lambda: table or "No runs yet.")


@app.command()
def show(run: str, as_json: JsonFlag = False) -> None:
    """One run: its settings, its result, its report."""
    with opened_studio() as studio:
        view = studio.run(LOCAL, studio.find_run(LOCAL, run))
        path = studio.home.run(view.id).path
    value = {**_row(view), **result_of(view), "recipe": view.recipe.to_json(), "report": view.report, "path": str(path)}
    print_result(value, as_json, lambda: json.dumps(value, ensure_ascii=False, indent=1))


@app.command()
def stop(run: str, as_json: JsonFlag = False) -> None:
    """Stop a run and keep what it learned."""
    with opened_studio() as studio:
        run_id = studio.find_run(LOCAL, run)
        studio.stop(LOCAL, run_id)
        state = studio.run(LOCAL, run_id).job.state
    print_result({"run": run_id, "state": state}, as_json, lambda: f"{run_id}: {state}")


@app.command()
def rename(run: str, name: str, as_json: JsonFlag = False) -> None:
    """Give a model another name."""
    with opened_studio() as studio:
        run_id = studio.find_run(LOCAL, run)
        studio.rename(LOCAL, run_id, name)
        title = studio.run(LOCAL, run_id).name
    print_result({"run": run_id, "name": title}, as_json, lambda: f"Renamed: {title}")


@app.command()
def delete(run: str, as_json: JsonFlag = False) -> None:
    """Delete a run for good: model, data and report."""
    with opened_studio() as studio:
        run_id = studio.find_run(LOCAL, run)
        studio.delete(LOCAL, run_id)
    print_result({"run": run_id, "deleted": True}, as_json, lambda: f"{run_id}: deleted")


@app.command()
def models(as_json: JsonFlag = False) -> None:
    """List the base models on offer."""
    with opened_studio() as studio:
        rows = [
            {
                "id": choice.model.id,
                "revision": choice.model.revision,
                "parameters": choice.model.dimensions.parameters(),
                "languages": choice.model.languages,
                "default_for": choice.model.tier or None,
                "available_offline": choice.here,
                "default_here": choice.default,
            }
            for choice in studio.models(LOCAL)
        ]
    print_result({"models": rows}, as_json, lambda: "\n".join(map(_model_line, rows)))


def _model_line(row: dict[str, Any]) -> str:
    mark = "  (default here)" if row["default_here"] else ""
    return f"{row['id']:<34}{row['parameters'] / 1e9:6.2f} B  {row['languages']}{mark}"
