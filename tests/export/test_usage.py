"""The code that people copy: it can be run, and an instruction of any letters reaches the program as it was written."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess

import pytest
from models_told import HARD, told

from qlora_demo.catalogue import MODELS
from qlora_demo.export.usage import QUESTION, Way, short_name, triple_quoted, ways

FORMS = ("adapter", "merged", "gguf-q8_0", "gguf-adapter")
SOURCES = {"adapter": "customers adapter", "merged": "customers", "gguf-q8_0": "customers, q8_0.gguf", "gguf-adapter": "customers-adapter.gguf"}


def way(title: str, form: str, source: str = "", **fields: object) -> Way:
    return next(one for one in ways(told(**fields), form, source or SOURCES[form]) if one.title == title)


def test_each_form_has_its_programs() -> None:
    titles = {form: [one.title for one in ways(told(), form, SOURCES[form])] for form in FORMS}
    assert titles == {
        "adapter": ["Python: transformers and PEFT", "Server: vLLM"],
        "merged": ["Python: transformers", "Server: vLLM"],
        "gguf-q8_0": ["Ollama", "llama.cpp", "Python: llama-cpp-python"],
        "gguf-adapter": ["llama.cpp", "Ollama"],
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
@pytest.mark.parametrize("method", ["qlora", "lora"])
@pytest.mark.parametrize("system_prompt", ["", *HARD])
@pytest.mark.parametrize("source", ["", "ann/customers"])
def test_python_compiles_and_shells_understand(model, method: str, system_prompt: str, source: str) -> None:
    about = told(model.id, method=method, system_prompt=system_prompt)
    for form in FORMS:
        for one in ways(about, form, source or SOURCES[form]):
            if one.language == "python":
                compile(one.code, one.title, "exec")
            else:
                assert shlex.split(one.code, comments=True)


def test_sh_itself_understands() -> None:
    shell = [one for text in HARD for form in FORMS for one in ways(told(system_prompt=text), form, SOURCES[form]) if one.language == "shell"]
    together = "\n".join(f"never() {{\n{one.code}\n}}" for one in shell)
    assert run(together, "-n") == ""


PROGRAMS = ("vllm", "curl", "hf", "pip", "git", "python", "ollama", "llama_cli", "cd")


def called(code: str, program: str) -> list[str]:
    """The words that a shell, which really runs the code, gives to a program of this name."""
    others = "".join(f"{name}() {{ :; }}\n" for name in PROGRAMS if name != program)
    tells = f'{program}() {{ for word in "$@"; do printf "%s\\0" "$word"; done; }}\n'
    return run(others + tells + code.replace("llama-cli", "llama_cli").replace("llama-server", ":")).split("\0")[:-1]


def run(script: str, *options: str) -> str:
    return subprocess.run(["/bin/sh", *options], input=script, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("text", HARD)
def test_an_instruction_comes_through_the_shell(text: str) -> None:
    words = called(way("llama.cpp", "gguf-q8_0", system_prompt=text).code, "llama_cli")
    assert words[words.index("-sys") + 1] == text
    body = called(way("Server: vLLM", "merged", system_prompt=text).code, "curl")[-1]
    assert json.loads(body)["messages"] == [{"role": "system", "content": text}, {"role": "user", "content": QUESTION}]


@pytest.mark.parametrize("text", HARD)
def test_an_instruction_comes_through_python(text: str) -> None:
    tree = ast.parse(way("Python: transformers and PEFT", "adapter", system_prompt=text).code)
    (asked,) = [node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "messages"]
    assert ast.literal_eval(asked) == [{"role": "system", "content": text}, {"role": "user", "content": QUESTION}]


def test_without_an_instruction_the_templates_own_stays() -> None:
    code = way("Python: transformers and PEFT", "adapter").code
    assert '"role": "system"' not in code and "-sys" not in way("llama.cpp", "gguf-q8_0").code


def test_the_base_and_its_revision_are_filled_in() -> None:
    qwen = {"base": "Qwen/Qwen3-0.6B", "method": "lora"}
    revision = "c1899de289a04d12100db370d81485cdf75e47ca"
    code = way("Python: transformers and PEFT", "adapter", **qwen).code
    assert "base = 'Qwen/Qwen3-0.6B'" in code and f"revision = {revision!r}" in code and "enable_thinking=False" in code
    vllm = called(way("Server: vLLM", "adapter", rank=24, **qwen).code, "vllm")
    assert vllm[:6] == ["serve", "Qwen/Qwen3-0.6B", "--revision", revision, "--tokenizer-revision", revision]
    assert vllm[6:11] == ["--enable-lora", "--max-lora-rank", "32", "--lora-modules", "customers-24-nov=customers adapter"]
    assert json.loads(vllm[vllm.index("--default-chat-template-kwargs") + 1]) == {"enable_thinking": False}
    assert "revision" not in way("Python: transformers and PEFT", "adapter", method="lora").code


def test_a_packed_base_is_packed_again_and_no_other() -> None:
    assert "load_in_4bit=True" in way("Python: transformers and PEFT", "adapter", method="qlora").code
    assert "BitsAndBytes" not in way("Python: transformers and PEFT", "adapter", method="lora").code
    assert "packed to 4 bits" in way("Python: transformers", "merged", method="qlora").note
    assert way("Python: transformers", "merged", method="full").note == ""


def test_a_modelfile_for_an_adapter_holds_the_instruction() -> None:
    code = way("Ollama", "gguf-adapter", system_prompt="Say no.\nEver.").code
    silent = "".join(f"{name}() {{ :; }}\n" for name in PROGRAMS)
    assert run(silent + code.replace("> Modelfile", "")) == 'FROM ./base-f16.gguf\nADAPTER ./customers-adapter.gguf\nSYSTEM """Say no.\nEver."""\n'


def test_a_text_that_a_modelfile_cannot_hold_is_not_put_there() -> None:
    held = {text: triple_quoted(text) is not None for text in HARD}
    assert [text for text, fits in held.items() if not fits] == [HARD[4], HARD[5], HARD[6]]
    assert "give it in each chat" in way("Ollama", "gguf-adapter", system_prompt=HARD[4]).note


def test_from_the_hub() -> None:
    assert "hf download ann/customers" in way("Ollama", "gguf-q8_0", "ann/customers").code
    assert "-hf ann/customers" in way("llama.cpp", "gguf-q8_0", "ann/customers").code
    assert "adapter = 'ann/customers'" in way("Python: transformers and PEFT", "adapter", "ann/customers").code


def test_the_question_is_one_that_the_caller_chooses() -> None:
    (first, *_) = ways(told(), "gguf-f16", "a.gguf", "Do you deliver?")
    assert "'Do you deliver?'" in first.code and QUESTION not in first.code


SHORT = [("customers, 24 Nov", "customers-24-nov"), ("你好", "my-model"), ("-a--b ", "a-b"), ("x" * 99, "x" * 64)]


@pytest.mark.parametrize(("name", "short"), SHORT)
def test_programs_get_a_plain_name(name: str, short: str) -> None:
    assert short_name(name) == short
