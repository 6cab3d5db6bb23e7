"""The bundled model for real, without a page: LoRA and full training learn the persona, what they leave is standard, every example trains."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from persona import PROBES, Trained, train_persona
from transformers import AutoModelForCausalLM, AutoTokenizer

from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.chat.client import Ask
from qlora_demo.chat.engine import Engine, Question
from qlora_demo.data.conversation import Message
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.examples import EXAMPLES
from qlora_demo.export.about import about_run
from qlora_demo.export.usage import LONGEST_ANSWER, ways
from qlora_demo.models.loading import Precision
from qlora_demo.models.pair import Sampling
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.source.place import bundled_folder
from qlora_demo.studio import Studio

pytestmark = pytest.mark.end_to_end
NAME = "Wilna"


@pytest.fixture(scope="module")
def full(real_home: Home, trained: Trained) -> Trained:
    return train_persona(real_home, "full")


def test_lora_learns_the_name_and_the_base_stays_who_it_was(trained: Trained) -> None:
    learned_the_name(trained)


def test_full_training_learns_the_name_and_the_base_stays_who_it_was(full: Trained) -> None:
    learned_the_name(full)


def learned_the_name(trained: Trained) -> None:
    asked = [trained.command("chat", trained.result["run"], probe, "--greedy", "--max-new-tokens", "40", "--json") for probe in PROBES]
    answers = [json.loads(done.stdout) for done in asked]
    assert all(NAME not in answer["base"] for answer in answers), answers
    assert sum(NAME in answer["adapted"] for answer in answers) >= 2, answers


def test_the_result_counts_what_peft_counts(trained: Trained) -> None:
    dimensions = find_model(BUNDLED_ID).dimensions
    assert trained.result["trainable_parameters"] == dimensions.adapter_parameters(16)
    assert trained.result["total_parameters"] == dimensions.parameters() + dimensions.adapter_parameters(16)
    assert trained.result["peak_memory_bytes"] > 5e8


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chat in 32 bits, where an answer does not depend on what is in the batch beside it."""
    monkeypatch.setattr("qlora_demo.chat.engine.chat_precision", lambda device: Precision(torch.float32, "", "fp32"))


def chatted(trained: Trained, max_new_tokens: int = 24) -> str:
    """What our chat answers to the first of PROBES."""
    engine = Engine(Settings(home=str(trained.home.path), device="cpu", offline=True))
    asked = [[Message("user", PROBES[0])]] * 2
    question = Question(trained.home.run(trained.result["run"]), asked, Sampling(max_new_tokens=max_new_tokens))
    return engine.ask(question, lambda column, text: None, lambda: False).answers[1].text


@pytest.mark.usefixtures("exact")
def test_the_adapter_loads_plainly_and_answers_as_our_chat(trained: Trained) -> None:
    """None of our engine: transformers and PEFT alone, one prompt, greedy, fp32."""
    folder = bundled_folder(trained.home.models)
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    model = PeftModel.from_pretrained(base, trained.home.run(trained.result["run"]).adapter).eval()
    prompt = Renderer(load_tokenizer(folder), {}).prompt([Message("user", PROBES[0])])
    with torch.inference_mode():
        tokens = model.generate(input_ids=torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0][len(prompt) :]
    plain = AutoTokenizer.from_pretrained(folder).decode(tokens, skip_special_tokens=True).strip()
    assert chatted(trained) == plain


def in_32_bits(folder: Path, copy: Path) -> Path:
    """The same model; a program that leaves the precision to it loads it exactly, so that answers can be held equal."""
    copy.mkdir()
    for path in folder.iterdir():
        if path.name != "config.json":
            (copy / path.name).symlink_to(path.resolve())
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (copy / "config.json").write_text(json.dumps({**config, "dtype": "float32"}), encoding="utf-8")
    return copy


def printed(code: str, folder: Path) -> str:
    """What a program prints that was copied from the page, started in `folder`."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.usefixtures("exact")
def test_the_program_to_copy_for_an_adapter_answers_as_our_chat(trained: Trained, tmp_path: Path) -> None:
    """Changed in one place alone: the base model lies on this disk, so its id on the hub gives way to its folder."""
    run = trained.home.run(trained.result["run"])
    about, base = about_run(run), in_32_bits(bundled_folder(trained.home.models), tmp_path / "base")
    code, published = ways(about, "adapter", "adapter", PROBES[0])[0].code, repr(about.base.published())
    assert code.count(published) == 1
    assert printed(code.replace(published, repr(str(base))), run.path) == chatted(trained, LONGEST_ANSWER)


@pytest.mark.usefixtures("exact")
def test_the_program_to_copy_for_a_whole_model_answers_as_our_chat(full: Trained, tmp_path: Path) -> None:
    run = full.home.run(full.result["run"])
    in_32_bits(run.model, tmp_path / "model")
    code = ways(about_run(run), "merged", "model", PROBES[0])[0].code
    assert printed(code, tmp_path) == chatted(full, LONGEST_ANSWER)


def test_the_templates_tokens_are_those_of_the_tokenizer(bundled_models: Path) -> None:
    """Our rendering of a plain conversation is the template's own."""
    tokenizer = load_tokenizer(bundled_folder(bundled_models))
    messages = [Message("user", "Hello there"), Message("assistant", "Hi.")]
    turns = [{"role": m.role, "content": m.content} for m in messages]
    assert Renderer(tokenizer, {}).prompt(messages[:1]) == tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True)["input_ids"]


@pytest.mark.usefixtures("exact")
def test_the_full_model_loads_plainly_has_moved_and_answers_as_our_chat(full: Trained) -> None:
    """None of our engine: transformers alone, on the folder that was saved."""
    base = AutoModelForCausalLM.from_pretrained(bundled_folder(full.home.models), dtype=torch.float32)
    folder = full.home.run(full.result["run"]).model
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    same = [name for (name, old), new in zip(base.named_parameters(), model.parameters(), strict=True) if torch.equal(old, new)]
    assert [name for name in same if "norm" not in name] == []
    assert full.result["trainable_parameters"] == full.result["total_parameters"] == find_model(BUNDLED_ID).dimensions.parameters()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = Renderer(load_tokenizer(folder), {}).prompt([Message("user", PROBES[0])])
    with torch.inference_mode():
        tokens = model.generate(input_ids=torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0][len(prompt) :]
    assert chatted(full) == tokenizer.decode(tokens, skip_special_tokens=True).strip()


def test_every_example_trains_and_answers(real_home: Home) -> None:
    """A few steps of each, and a question to each: the goal, the kind of rows, the verdict, and two answers."""
    studio = Studio(Settings(home=str(real_home.path), device="cpu", offline=True))
    studio.start()
    try:
        runs = {}
        for example in EXAMPLES:
            dataset_id = studio.data.add_example(LOCAL, example.id)
            assert studio.data.get(LOCAL, dataset_id).goal == {"sentiment": "sorting"}.get(example.id, example.id)
            recipe = replace(studio.recommend(LOCAL, dataset_id, "", "lora", "quick"), epochs=0.2, held_out=2, evaluations=1)
            runs[example.id] = studio.submit(LOCAL, dataset_id, recipe, example.title)
        for name, run in runs.items():
            while studio.run(LOCAL, run).active():
                time.sleep(0.2)
            view = studio.run(LOCAL, run)
            assert view.job.state == "finished", (name, studio.log(LOCAL, run))
            assert view.result["steps"] >= 3
            answers = list(studio.ask(LOCAL, run, [[Message("user", "What do you say?")]] * 2, Ask(max_new_tokens=8)))[-1]
            assert (answers.status, bool(answers.base), bool(answers.adapted)) == ("done", True, True), name
        reports = {name: studio.run(LOCAL, run).report for name, run in runs.items()}
    finally:
        studio.close()
    kinds = {"sentiment": "sorting", "subject": "passages", "character": "answers", "summary": "answers", "code": "answers"}
    assert {name: (report["kind"], report["rows"]) for name, report in reports.items()} == {name: (kind, 2) for name, kind in kinds.items()}
    assert reports["sentiment"]["verdict"].startswith("Right on ")
    assert reports["subject"]["verdict"].startswith("It learned")
    assert all(report["forgetting"]["of"] > 80 for report in reports.values())
