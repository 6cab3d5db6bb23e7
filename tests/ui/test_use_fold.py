"""The fold "How to use it": which programs are offered for a model, and what is read beside the code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest
from runs import conversations
from ui.ui_examples import HOSTILE
from web.finished import finished

from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import read_json, write_json
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio
from qlora_demo.ui import use_fold
from qlora_demo.ui.guard import Guard, Visit
from qlora_demo.ui.use_fold import UseFold

LABELS = {
    "qlora": [
        "Python: transformers and PEFT\nwith “Add-on file (adapter)”",
        "Server: vLLM\nwith “Add-on file (adapter)”",
        "Ollama\nwith “For Ollama, llama.cpp”",
        "llama.cpp\nwith “For Ollama, llama.cpp”",
        "Python: llama-cpp-python\nwith “For Ollama, llama.cpp”",
    ],
    "full": [
        "Python: transformers\nwith “Whole model”",
        "Server: vLLM\nwith “Whole model”",
        "Ollama\nwith “For Ollama, llama.cpp”",
        "llama.cpp\nwith “For Ollama, llama.cpp”",
        "Python: llama-cpp-python\nwith “For Ollama, llama.cpp”",
    ],
}


@pytest.fixture
def part() -> Iterator[UseFold]:
    with gr.Blocks():
        yield use_fold.build("model-use")


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Visit]:
    studio = Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True))
    yield Visit(studio, LOCAL)
    studio.close()


def made(visit: Visit, folder: Path, **recipe: object) -> str:
    run = finished(visit.studio, folder, "customers, 24 Nov", conversations(30))
    kept = {name: value for name, value in read_json(run.recipe_json).items() if name != "schema"}
    write_json(run.recipe_json, {**kept, **recipe})
    return run.id


@pytest.mark.parametrize("method", ["qlora", "full"])
def test_the_programs_for_each_form(visit: Visit, part: UseFold, tmp_path: Path, method: str) -> None:
    updates = use_fold.draw(part, visit, visit.studio.run(LOCAL, made(visit, tmp_path, method=method)))
    assert [label for label, _ in updates[part.ways]["choices"]] == LABELS[method]
    assert (updates[part.box]["visible"], updates[part.ways]["value"]) == (True, 0)
    assert "'customers- 24 Nov'" in updates[part.code]["value"]
    assert updates[part.code]["info"] == "A Python program. Start it beside the folder that you unpacked."


def test_another_program_is_shown_when_it_is_chosen(visit: Visit, part: UseFold, tmp_path: Path) -> None:
    run = made(visit, tmp_path, method="lora", system_prompt=HOSTILE)
    guard = Guard(visit.studio, gr.BrowserState(""))
    with gr.Blocks():
        again, runs = use_fold.build("model-use"), gr.Radio([])
        use_fold.wire(again, guard, runs)
        (function,) = [one for one in gr.context.Context.root_block.fns.values() if one.targets[0][1] == "input"]
    told = {place: function.fn(gr.Request(username=None), None, "", run, place) for place in (2, 3, 99, -1, "2", True, None)}
    assert told[2][again.code]["value"].endswith("ollama run customers-24-nov 'Hello, who are you?'\n")
    assert told[2][again.code]["info"] == "For a terminal, in the folder that you unpacked."
    assert "First download “For Ollama, llama.cpp” above and unpack it. Needs Ollama, and no internet." in told[2][again.needs]
    assert "customers-24-nov-q8_0.gguf" in told[3][again.code]["value"] and HOSTILE.split("$")[0] in told[3][again.code]["value"]
    first = use_fold.draw(part, visit, visit.studio.run(LOCAL, run))[part.code]["value"]
    assert all(told[place][again.code]["value"] == first for place in (99, -1, "2", True, None))


def test_nothing_is_told_of_what_cannot_be_taken_along(visit: Visit, part: UseFold, tmp_path: Path) -> None:
    view = visit.studio.run(LOCAL, made(visit, tmp_path))
    for hidden in (replace(view, result=None), replace(view, job=replace(view.job, owner="another"))):
        assert use_fold.draw(part, visit, hidden) == {part.box: {"visible": False, "__type__": "update"}}
