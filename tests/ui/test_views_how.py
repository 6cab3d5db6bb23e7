"""How it works: the drawing, and numbers that come from the same arithmetic as the form's."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from qlora_demo.catalogue import SHAPES, find_shape
from qlora_demo.estimate import Computing
from qlora_demo.recipe import METHODS
from qlora_demo.ui.diagram import DESCRIPTION, TITLE, diagram
from qlora_demo.ui.views_how import SECTIONS, measured_by_others, memory, numbers, sections, words

T4 = 15_800_000_000
CARD = Computing("cuda", number=4)  # a T4 has no bf16


def cells(text: str) -> dict[str, str]:
    """The two columns of the table."""
    return dict(re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", text))


def test_the_numbers_of_8b_beside_a_card_of_16_gb() -> None:
    text = numbers(find_shape("8B"), "NVIDIA T4", T4, 16_000_000_000, CARD)
    assert "Calculated from the dimensions of Qwen3 8B." in text
    assert "Here 16 GB of 16 GB are free now (NVIDIA T4)." in text
    found = cells(text)
    assert found["Numbers in the model (parameters)"] == "8,190,735,360"
    assert found["Numbers that learn in an adapter of rank 16, and their share"] == "43,646,976 (0.53 %)"
    assert found["Base model in 16 bits"] == "16 GB"
    assert found["Adapter file, in 16 or 32 bits"] == "87 MB or 175 MB"
    assert found["Calculations of full training beside LoRA"] == "1.5 times as many"


def test_what_fits_is_said_in_words() -> None:
    text = numbers(find_shape("8B"), "NVIDIA T4", T4, T4, CARD)
    labels = re.findall(r'aria-label="(\w+): .*?, ([a-z ]+)"', text)
    assert labels == [("QLoRA", "tight"), ("LoRA", "does not fit"), ("Full", "does not fit")]
    small = numbers(find_shape("135M"), "NVIDIA T4", T4, T4, CARD)
    assert re.findall(r'aria-label="\w+: .*?, ([a-z ]+)"', small) == ["fits", "fits", "fits"]


def test_packing_makes_large_models_about_a_quarter() -> None:
    shares = [memory(s.dimensions, "qlora").weights / memory(s.dimensions, "lora").weights for s in SHAPES]
    assert shares[0] > 0.4  # of the smallest, a fifth is its word list, which stays unpacked
    assert shares[-1] < 0.3


def test_every_method_needs_more_memory_than_the_one_before() -> None:
    for shape in SHAPES:
        needs = [memory(shape.dimensions, method).total() for method in METHODS]
        assert needs == sorted(needs)


def test_every_method_is_told_with_what_it_costs() -> None:
    text = sections()
    assert len(SECTIONS) == len(METHODS)
    for word in ("Good for", "Time", "Memory", "File"):
        assert text.count(f"<dt>{word}</dt>") == len(METHODS)


def test_the_drawing_is_sound_has_words_for_a_screen_reader_and_no_script() -> None:
    drawn = ElementTree.fromstring(diagram())  # noqa: S314 - our own drawing
    names = {element.get("id"): element.text for element in drawn}
    assert (names[drawn.get("aria-labelledby")], names[drawn.get("aria-describedby")]) == (TITLE, DESCRIPTION)
    texts = [element.text for element in drawn.iter("text")]
    assert {"QLoRA", "LoRA", "Full", "packed 4-bit,", "adapter file", "whole model"} <= set(texts)
    assert {element.tag for element in drawn.iter()} == {"svg", "title", "desc", "g", "rect", "text", "path"}
    assert not re.search(r"#[0-9a-f]{3}|style=|\bon\w+=", diagram())  # colours and sizes are theme.css's


def test_nothing_drawn_leaves_the_picture_or_meets_another_box() -> None:
    drawn = ElementTree.fromstring(diagram())  # noqa: S314 - our own drawing
    left, top, width, height = (int(number) for number in drawn.get("viewBox").split())
    boxes = [tuple(int(rect.get(name)) for name in ("x", "y", "width", "height")) for rect in drawn.iter("rect")]
    for x, y, w, h in boxes:
        assert left < x < x + w < left + width
        assert top < y < y + h < top + height
    for i, (x, y, w, h) in enumerate(boxes):
        for other_x, other_y, other_w, other_h in boxes[i + 1 :]:
            assert x + w <= other_x or other_x + other_w <= x or y + h <= other_y or other_y + other_h <= y


def test_others_figures_name_their_hardware_and_sources() -> None:
    text = measured_by_others()
    for said in ("arXiv 2305.14314", "arXiv 2106.09685", "None was measured here.", "NVIDIA L40S", 'rel="noopener noreferrer"'):
        assert said in text


def test_the_words_of_the_page_are_explained() -> None:
    for term in ("base model", "adapter", "held-out rows", "epoch", "quantised, 4-bit, NF4"):
        assert f"<dt>{term}</dt>" in words()
