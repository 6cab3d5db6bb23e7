"""How it works: the drawing, and numbers that come from the same arithmetic as the form's."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from qlora_demo.catalogue import SHAPES, find_shape
from qlora_demo.errors import ModelError
from qlora_demo.recipe import METHODS
from qlora_demo.ui.diagram import DESCRIPTION, diagram
from qlora_demo.ui.views_how import measured_by_others, numbers, packed_bytes, sections, words


@pytest.mark.parametrize(("name", "parameters"), [("135M", 134.5e6), ("1B", 1.236e9), ("8B", 8.19e9), ("70B", 70.55e9)])
def test_the_shapes_have_the_sizes_of_their_models(name: str, parameters: float) -> None:
    assert find_shape(name).dimensions.parameters() == pytest.approx(parameters, rel=0.005)


def test_an_unknown_shape_is_said() -> None:
    with pytest.raises(ModelError, match="There are 135M, 1B, 8B, 70B"):
        find_shape("3B")


def test_the_numbers_of_8b_beside_a_card_of_16_gb() -> None:
    text = numbers(find_shape("8B").dimensions, "NVIDIA T4", 15_800_000_000)
    for words_ in ("8,190,735,360", "16 GB", "Free here now: 16 GB (NVIDIA T4)", "0.53 %"):
        assert words_ in text, words_
    bars = re.findall(r'aria-label="(\w+): (.*?)"', text)
    assert [name for name, _ in bars] == ["QLoRA", "LoRA", "Full"]
    assert [label.rpartition(", ")[2] for _, label in bars] == ["tight", "does not fit", "does not fit"]


def test_packing_makes_large_models_about_a_quarter() -> None:
    shares = [packed_bytes(s.dimensions) / (2 * s.dimensions.parameters()) for s in SHAPES]
    assert shares[0] > 0.4  # of the smallest, a fifth is its word list, which stays unpacked
    assert shares[-1] < 0.3


def test_every_method_is_told() -> None:
    text = sections()
    assert text.count('class="qd-how-part"') == len(METHODS)
    assert "adapter" in words() and "held-out rows" in words()


def test_the_drawing_is_sound_has_words_for_a_screen_reader_and_no_script() -> None:
    drawn = ElementTree.fromstring(diagram())  # noqa: S314 - our own drawing
    assert drawn.find("desc").text == DESCRIPTION
    texts = [element.text for element in drawn.iter("text")]
    assert {"QLoRA", "LoRA", "Full", "to 4 bits", "learns", "whole model"} <= set(texts)
    assert "<script" not in diagram()


def test_others_figures_name_their_sources() -> None:
    text = measured_by_others()
    for words_ in ("arXiv 2305.14314", "arXiv 2106.09685", "none was measured here", "NVIDIA L40S", 'rel="noopener noreferrer"'):
        assert words_ in text
