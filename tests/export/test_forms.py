"""Forms: which a run can be had in, what they are called in a command, and how large they are."""

from __future__ import annotations

import pytest

from qlora_demo.catalogue import find_model
from qlora_demo.errors import RecipeError
from qlora_demo.export.forms import ADAPTER, GGUF_Q8, MERGED, find_form, forms_of, key_of
from qlora_demo.recipe import Recipe

QWEN_4B = find_model("Qwen/Qwen3-4B-Instruct-2507").dimensions
RECIPE = Recipe(model="Qwen/Qwen3-4B-Instruct-2507", rank=16)


def test_full_training_leaves_no_add_on() -> None:
    assert [form.key for form in forms_of("qlora")] == ["adapter", "merged", "gguf-q8_0", "gguf-f16", "gguf-adapter"]
    assert [form.key for form in forms_of("full")] == ["merged", "gguf-q8_0", "gguf-f16"]
    with pytest.raises(RecipeError, match="There are: merged, gguf-q8_0, gguf-f16"):
        find_form("adapter", "full")
    with pytest.raises(RecipeError, match="cannot be had as '../../etc'"):
        find_form("../../etc", "qlora")


@pytest.mark.parametrize(
    ("to", "quant", "key"),
    [
        ("adapter", "", "adapter"),
        ("merged", "", "merged"),
        ("gguf", "", "gguf-q8_0"),
        ("gguf", "f16", "gguf-f16"),
        ("gguf", "adapter", "gguf-adapter"),
    ],
)
def test_a_commands_words(to: str, quant: str, key: str) -> None:
    assert key_of(to, quant) == key


def test_words_that_do_not_fit_are_sentences() -> None:
    with pytest.raises(RecipeError, match="--quant is for --to gguf"):
        key_of("merged", "f16")
    with pytest.raises(RecipeError, match="There is no 'q4_0' here. Choose --quant q8_0"):
        key_of("gguf", "q4_0")


def test_sizes_of_a_model_of_four_billion_parameters() -> None:
    parameters = QWEN_4B.parameters()
    assert MERGED.bytes(QWEN_4B, RECIPE) == pytest.approx(2 * parameters, rel=0.01)
    assert GGUF_Q8.bytes(QWEN_4B, RECIPE) == pytest.approx(34 / 32 * parameters, rel=0.01)  # 32 numbers of a block take 34 bytes
    assert GGUF_Q8.disk_bytes(QWEN_4B, RECIPE) - GGUF_Q8.bytes(QWEN_4B, RECIPE) == 2 * parameters
    assert ADAPTER.bytes(QWEN_4B, RECIPE) < 100e6
    assert MERGED.memory_bytes(QWEN_4B) < 2 * parameters  # a file at a time
