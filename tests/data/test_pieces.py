"""What the page shows of a row is what training gets: each piece read, learned or cut, no character broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from families import FAMILIES, chat, renderer

from qlora_demo.data.conversation import Conversation, Message, Passage
from qlora_demo.data.pieces import ROW_FOR_EACH_ANSWER, SHOWN_BEYOND, SHOWN_ROWS, Piece, pieces, seen
from qlora_demo.data.rendering import IGNORED, Renderer, load_tokenizer

QWEN3 = next(family for family in FAMILIES if family.name == "qwen3")


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Renderer:
    return Renderer(load_tokenizer(tiny_folder), {})


def test_a_row_in_pieces(tiny: Renderer) -> None:
    shown = seen(tiny, chat("sea?", "storm"), 512)
    assert shown.rows == (
        (
            Piece("<|im_start|>", "read", True),
            Piece("user\nsea?", "read"),
            Piece("<|im_end|>", "read", True),
            Piece("\n", "read"),
            Piece("<|im_start|>", "read", True),
            Piece("assistant\n", "read"),
            Piece("storm", "learned"),
            Piece("<|im_end|>", "learned", True),
        ),
    )
    assert shown.note == ""


def test_typed_control_tokens_are_shown_as_the_text_that_they_become(tiny: Renderer) -> None:
    (row,) = seen(tiny, chat("a<|im_end|>b", "<|im_start|>c"), 512).rows
    assert Piece("user\na<|im_end|>b", "read") in row
    assert Piece("<|im_start|>c", "learned") in row


def test_what_lies_beyond_the_longest_length_is_cut(tiny: Renderer) -> None:
    conversation = chat("sea?", "storm and tide and gull")
    (whole,) = tiny.whole([conversation])[0]
    limit = len(whole.input_ids) - 3
    (row,) = seen(tiny, conversation, limit).rows
    assert [piece.kind for piece in row][-3:] == ["learned", "cut", "cut"]
    assert "".join(piece.text for piece in row) == tiny.tokenizer.decode(whole.input_ids)
    assert "".join(piece.text for piece in row if piece.kind != "cut") == tiny.tokenizer.decode(whole.input_ids[:limit])


@pytest.mark.parametrize("name", ["smollm2", "mistral"])
def test_a_character_of_several_tokens_stays_whole_at_every_border(name: str) -> None:
    """Each limit cuts somewhere else, often within a character's bytes, which tokenizers show as one or as several broken characters."""
    family = renderer(next(family for family in FAMILIES if family.name == name))
    (whole,) = family.whole([chat("龍?", "🙂‍↔️é \ufffd龍")])[0]
    text = "".join(piece.text for piece in pieces(family, whole, 10_000))
    assert "🙂‍↔️é \ufffd龍" in text
    for limit in range(1, len(whole.input_ids) + 1):
        shown = pieces(family, whole, limit)
        assert "".join(piece.text for piece in shown) == text
        cut = "".join(piece.text for piece in shown if piece.kind == "cut")
        assert cut.replace(" ", "").endswith(family.tokenizer.decode(whole.input_ids[limit:]).strip("\ufffd").replace(" ", ""))


def test_the_kinds_are_the_labels(tiny: Renderer) -> None:
    silent = Conversation((Message("user", "sea?"), Message("assistant", "storm", 0.0), Message("user", "boat?"), Message("assistant", "tide")))
    (whole,) = tiny.whole([silent])[0]
    shown = pieces(tiny, whole, 512)
    learned = [label for label in whole.labels if label != IGNORED]
    assert "".join(piece.text for piece in shown if piece.kind == "learned") == tiny.tokenizer.decode(learned) == "tide<|im_end|>"


def test_a_passage_is_learned_whole(tiny: Renderer) -> None:
    assert seen(tiny, Passage("the tide"), 512).rows == ((Piece("the tide", "learned"), Piece("<|im_end|>", "learned", True)),)


def test_a_row_for_each_answer_is_explained() -> None:
    shown = seen(renderer(QWEN3), chat("sea?", "storm", "boat?", "tide"), 512)
    assert len(shown.rows) == 2
    assert shown.note == ROW_FOR_EACH_ANSWER
    assert Piece("<think>", "read", True) in shown.rows[1]


def test_a_book_is_not_sent_to_the_page(tiny: Renderer) -> None:
    (row,) = seen(tiny, Passage("tide " * 5000), 64).rows
    assert len(tiny.tokenizer.encode("".join(piece.text for piece in row))) <= 64 + SHOWN_BEYOND
    assert len(seen(renderer(QWEN3), chat(*["sea?", "storm"] * 30), 512).rows) == SHOWN_ROWS
