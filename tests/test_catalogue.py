"""Base models: pinned, counted, one for every class of hardware."""

from __future__ import annotations

import re

import pytest

from qlora_demo.catalogue import BUNDLED_ID, GB, MODELS, default_model, find_model, find_shape
from qlora_demo.errors import ModelError

# Totals as the weights' own files state them.
PARAMETERS = {
    "bundled/SmolLM2-135M-Instruct": 134_515_008,
    "Qwen/Qwen2.5-0.5B-Instruct": 494_032_768,
    "Qwen/Qwen3-0.6B": 596_049_920,
    "Qwen/Qwen3-1.7B": 1_720_574_976,
    "HuggingFaceTB/SmolLM3-3B": 3_075_098_624,
    "Qwen/Qwen3-4B-Instruct-2507": 4_022_468_096,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "Qwen/Qwen3-32B": 32_762_123_264,
}


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.id)
def test_dimensions_add_up_to_the_known_size(model) -> None:
    assert model.dimensions.parameters() == PARAMETERS[model.id]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.id)
def test_what_is_fetched_is_pinned(model) -> None:
    assert re.fullmatch(r"[0-9a-f]{40}", model.revision) or (model.bundled() and len(model.sha256) == 64)


def test_an_adapter_has_the_known_size() -> None:
    """r16 on all linear layers of SmolLM2-135M; PEFT counts the same (tests/jobs/test_end_to_end.py)."""
    assert find_model(BUNDLED_ID).dimensions.adapter_parameters(16) == 4_884_480


@pytest.mark.parametrize(
    ("device", "memory", "expected"),
    [
        ("cpu", 24 * GB, BUNDLED_ID),
        ("cuda", 6 * GB, "Qwen/Qwen3-1.7B"),
        ("cuda", 15_800_000_000, "Qwen/Qwen3-4B-Instruct-2507"),
        ("cuda", 24 * GB, "Qwen/Qwen3-8B"),
        ("cuda", 80 * GB, "Qwen/Qwen3-32B"),
    ],
)
def test_every_class_of_hardware_has_a_default(device: str, memory: int, expected: str) -> None:
    assert default_model(device, memory).id == expected


def test_an_unknown_model_is_a_sentence_with_those_on_offer() -> None:
    with pytest.raises(ModelError, match=r"no base model called 'gpt-9' here. On offer: bundled/SmolLM2"):
        find_model("gpt-9")


@pytest.mark.parametrize(("name", "parameters"), [("135M", 134.5e6), ("1B", 1.236e9), ("8B", 8.19e9), ("70B", 70.55e9)])
def test_a_shape_has_the_size_of_the_model_it_is_of(name: str, parameters: float) -> None:
    assert find_shape(name).dimensions.parameters() == pytest.approx(parameters, rel=0.005)


def test_an_unknown_shape_is_a_sentence_with_those_there_are() -> None:
    with pytest.raises(ModelError, match="no size '3B' here. There are 135M, 1B, 8B, 70B"):
        find_shape("3B")
