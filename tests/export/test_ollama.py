"""The Modelfile: the Go template writes what the chat template writes, the instruction comes through, and answers end where they should."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from data.families import FAMILIES, tokenizer
from modelfiles import read
from models_told import HARD, told
from transformers import PreTrainedTokenizerBase

from qlora_demo.data.rendering import load_tokenizer
from qlora_demo.export.ollama import Pieces, modelfile, pieces_of, renderer_of
from qlora_demo.export.template import fixed
from qlora_demo.source.place import bundled_folder

QWEN3 = "Qwen/Qwen3-0.6B"
BY_NAME = {family.name: family for family in FAMILIES}
ENDS = {
    "qwen2_5": ["<|im_end|>"],
    "qwen3": ["<|im_end|>"],
    "llama3": ["<|eot_id|>", "<|end_of_text|>"],
    "llama3_2": ["<|eot_id|>"],
    "gemma": ["<end_of_turn>", "<eos>"],
    "mistral": ["</s>"],
    "phi3": ["<|end|>", "<|endoftext|>"],
    "smollm2": ["<|im_end|>"],
}
TALKS = (
    ("", ("Do you deliver?",)),
    ("Answer briefly.", ("Do you deliver?", "Yes.", "On {{ .Sundays }}?")),
    ('One\n\ntwo "three" <four> {{ .Five }}', ("Grüße 中文 👩‍👩‍👧", "a\nb", "c", "d\n\ne", "f")),
    ("", ("One", "Two", "Three", "Four", "Five")),
)
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
needs_go = pytest.mark.skipif(not shutil.which("go"), reason="Go is not installed, so that its own text/template cannot be asked")


def turns(words: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(("user", "assistant")[place % 2], word) for place, word in enumerate(words)]


def by_jinja(of: PreTrainedTokenizerBase, system: str, talk: list[tuple[str, str]], **options: object) -> str:
    """The chat template's own text, the system prompt in the first question where it has no place for one (as in training); no BOS that is added
    anyway."""
    asked = [{"role": role, "content": content} for role, content in talk]
    given = [{"role": "system", "content": system}, *asked] if system else asked

    def render(messages: list[dict]) -> str:
        return of.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **options)

    try:
        text = render(given)
    except Exception:
        text = ""
    if system not in text or not text:
        joined = f"{system}\n\n{asked[0]['content']}" if system else asked[0]["content"]
        text = render([{"role": "user", "content": joined}, *asked[1:]])
    added = of.bos_token and of("a")["input_ids"][0] == of.bos_token_id
    return text.removeprefix(of.bos_token) if added else text


def commands(text: str) -> dict[str, str]:
    return dict(read(text))


def by_go(jobs: list[tuple[str, str, list[tuple[str, str]]]], folder: Path) -> list[str]:
    """What Go's text/template makes of (template, system prompt, turns)."""
    given = []
    for template, system, talk in jobs:
        messages = [{"Role": role, "Content": content} for role, content in ([("system", system)] if system else []) + talk]
        given.append({"Template": template, "Messages": messages})
    program = Path(__file__).with_name("render.go")
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GOCACHE": str(folder / "cache"), "GO111MODULE": "off"}
    done = subprocess.run(
        [shutil.which("go"), "run", str(program)], input=json.dumps(given), capture_output=True, text=True, env=environ, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pieces(name: str) -> Pieces:
    found = pieces_of(renderer_of(tokenizer(name), BY_NAME[name].options))
    assert found is not None
    return found


@every_family
def test_the_pieces_write_what_the_template_writes(family) -> None:
    of, found = tokenizer(family.name), pieces(family.name)
    for system, words in TALKS:
        assert found.text(system, turns(words)) == by_jinja(of, system, turns(words), **family.options)


def test_chatml_is_taken_apart_at_its_turns() -> None:
    assert pieces("smollm2") == Pieces(
        opening="<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n",
        place="own turn",
        before="<|im_start|>system\n",
        after="<|im_end|>\n",
        joint="",
        user=("<|im_start|>user\n", "<|im_end|>\n"),
        assistant=("<|im_start|>assistant\n", "<|im_end|>\n"),
        prompt="<|im_start|>assistant\n",
    )
    assert pieces("qwen3").prompt == "<|im_start|>assistant\n<think>\n\n</think>\n\n" and pieces("qwen3").opening == ""
    assert (pieces("gemma").place, pieces("mistral").place) == ("first question", "last question")


@needs_go
def test_go_itself_writes_the_same(tmp_path: Path) -> None:
    jobs, expected = [], []
    for family in FAMILIES:
        for system, words in TALKS:
            jobs.append((commands(modelfile_of(family.name))["TEMPLATE"], system, turns(words)))
            expected.append(by_jinja(tokenizer(family.name), system, turns(words), **family.options))
    for instruction in HARD:
        text = commands(modelfile_of("smollm2", instruction))
        jobs.append((text["TEMPLATE"], text.get("SYSTEM", ""), turns(("Hello",))))
        expected.append(by_jinja(tokenizer("smollm2"), instruction, turns(("Hello",))))
        if instruction == instruction.strip():  # Gemma trims what a question begins with, and Ollama cannot
            text = commands(modelfile_of("gemma", instruction))
            jobs.append((text["TEMPLATE"], text.get("SYSTEM", ""), turns(("Hello", "Yes?", "No"))))
            expected.append(by_jinja(tokenizer("gemma"), instruction, turns(("Hello", "Yes?", "No"))))
    assert by_go(jobs, tmp_path) == expected


def modelfile_of(name: str, system_prompt: str = "") -> str:
    """Of a model of this family; its options are baked into its template, as in the merged model."""
    of = tokenizer(name)
    plain = of.chat_template
    of.chat_template = fixed(plain, BY_NAME[name].options)
    try:
        return modelfile(of, told(system_prompt=system_prompt), "customers, q8_0.gguf")
    finally:
        of.chat_template = plain


@pytest.mark.parametrize("instruction", HARD)
def test_an_instruction_comes_through(instruction: str) -> None:
    found = commands(modelfile_of("smollm2", instruction))
    assert found["FROM"] == "./customers, q8_0.gguf"
    if "SYSTEM" in found:
        assert found["SYSTEM"] == instruction
    else:
        assert instruction in (HARD[4], HARD[5], HARD[6])


@every_family
def test_answers_end_where_they_should(family) -> None:
    stops = [value for name, value in read(modelfile_of(family.name)) if name == "PARAMETER"]
    assert stops == [f"stop {token}" for token in ENDS[family.name]]


def test_the_templates_own_instruction_is_said() -> None:
    assert commands(modelfile_of("smollm2"))["SYSTEM"] == "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    assert commands(modelfile_of("qwen2_5"))["SYSTEM"] == "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    assert "SYSTEM" not in commands(modelfile_of("qwen3"))


def test_the_options_of_the_base_are_in_it_without_being_baked_in() -> None:
    text = modelfile(tokenizer("qwen3"), told(QWEN3), "a.gguf")
    assert commands(text)["TEMPLATE"].endswith("{{ end }}<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_a_template_that_names_the_date_says_so() -> None:
    of = tokenizer("llama3_2")
    assert "names the date" in modelfile(of, told(), "a.gguf") and "names the date" not in modelfile_of("llama3")


def test_what_an_instruction_is_put_to_where_the_file_cannot_hold_it() -> None:
    text = modelfile_of("smollm2", HARD[6])
    assert "SYSTEM" not in commands(text)
    assert '{{ else }}{{ "<|im_start|>system\\nGr\\u00fc\\u00dfe, \\u4f60' in commands(text)["TEMPLATE"]
    assert text.isascii()


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ loop.length }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content | upper }}{% endfor %}",
        "{{ messages[-1].content }}",
    ],
)
def test_a_template_that_cannot_be_put_is_left_out_with_a_remark(template: str) -> None:
    of = tokenizer("smollm2")
    plain = of.chat_template
    of.chat_template = template
    try:
        text = modelfile(of, told(system_prompt="Say no."), "a.gguf")
    finally:
        of.chat_template = plain
    assert commands(text) | {"PARAMETER": ""} == {"FROM": "./a.gguf", "SYSTEM": "Say no.", "PARAMETER": ""}
    assert "# Its chat template cannot be put into Ollama's language." in text


@needs_go
@pytest.mark.end_to_end
def test_the_bundled_models_template_in_go(bundled_models: Path, tmp_path: Path) -> None:
    of = load_tokenizer(bundled_folder(bundled_models))
    template = commands(modelfile(of, told(), "a.gguf"))["TEMPLATE"]
    jobs = [(template, system, turns(words)) for system, words in TALKS]
    assert by_go(jobs, tmp_path) == [by_jinja(of, system, turns(words)) for system, words in TALKS]
