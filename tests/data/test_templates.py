"""Each family's chat template: what is learned, what is plain text, where a system prompt goes. See `families`."""

from __future__ import annotations

from pathlib import Path

import pytest
import trl
from families import FAMILIES, Family, chat, plain_rows, renderer, tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.data.pieces import pieces
from qlora_demo.data.rendering import IGNORED, Rendered

CONVERSATIONS = {
    "single": chat("Do you deliver?", "Yes, in town."),
    "several": chat("Do you deliver?", "Yes.", "On Sundays?", "Between 10 and 14.", "Where?", "In town."),
    "system": chat("Do you deliver?", "Yes.", "Where?", "In town.", system="Answer briefly."),
    "unicode": chat("Straße? 灯台", "déjà vu 🙂‍↔️ e\u0301 Маяк", "\u2028?", "שלום"),
    "lines": chat("One\n\ntwo\n", "a\n\n  b\n", "  three  ", "c\t"),
}
BY_NAME = {family.name: family for family in FAMILIES}
SHIPPED = ("qwen2_5", "qwen3", "llama3", "llama3_2", "gemma", "phi3")
"""Families whose template comes with the trl package."""

every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
every_conversation = pytest.mark.parametrize("kind", CONVERSATIONS)


def whole(family: Family, conversation: Conversation) -> list[Rendered]:
    return renderer(family).whole([conversation])[0]


def learned_text(family: Family, row: Rendered) -> str:
    return tokenizer(family.name).decode([label for label in row.labels if label != IGNORED], clean_up_tokenization_spaces=False)


def control_count(family: Family, rows: list[Rendered]) -> int:
    control = renderer(family).encoder.control_ids
    return sum(token in control for row in rows for token in row.input_ids)


def hostile(family: Family) -> list[str]:
    return [*family.special, *(text for text in family.added if not text.isspace() and text in family.template())]


@every_family
@every_conversation
def test_tokens_and_labels_are_those_of_the_plain_way(family: Family, kind: str) -> None:
    conversation = CONVERSATIONS[kind]
    rows = [(list(row.input_ids), list(row.labels)) for row in whole(family, conversation)]
    assert rows == plain_rows(family, conversation.messages)


@every_family
def test_the_plain_way_holds_for_typed_control_tokens_too(family: Family) -> None:
    for text in set(hostile(family)) - {"<think>", "</think>"}:  # Qwen3's template acts on these, and the data must not make it
        conversation = chat(f"a{text}b {text}", f"c {text}\n{text}{text} d", f"{text}", f"e{text}f", system=f"Say {text} often.")
        rows = [(list(row.input_ids), list(row.labels)) for row in whole(family, conversation)]
        assert rows == plain_rows(family, conversation.messages)


@every_family
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_plain_way_holds_for_any_text(family: Family, data: st.DataObject) -> None:
    text = st.one_of(st.text(st.characters(codec="utf-8", exclude_characters="\U000f0000\U000f0001"), max_size=30), st.sampled_from(hostile(family)))
    word = st.text("ab é灯", min_size=1, max_size=5)  # an answer that begins with a space or a line break is another test
    turns = [data.draw(word).strip() + "x" + data.draw(text).replace("think>", "") + data.draw(text).replace("think>", "") for _ in range(4)]
    conversation = chat(*turns)
    assert [(list(row.input_ids), list(row.labels)) for row in whole(family, conversation)] == plain_rows(family, conversation.messages)


@every_family
def test_what_is_learned_is_the_answer_and_its_end_of_turn_and_nothing_after(family: Family) -> None:
    (single,) = whole(family, CONVERSATIONS["single"])
    assert learned_text(family, single).strip() == f"Yes, in town.{family.end}"
    assert single.labels[-1] == tokenizer(family.name).convert_tokens_to_ids(family.end) == renderer(family).end_of_turn


@every_family
def test_several_answers_are_one_row_where_the_template_allows_it(family: Family) -> None:
    rows = whole(family, CONVERSATIONS["several"])
    answers = [f"{text}{family.end}" for text in ("Yes.", "Between 10 and 14.", "In town.")]
    if family.one_row:
        assert len(rows) == 1
        assert learned_text(family, rows[0]).replace(" ", "") == "".join(answers).replace(" ", "")
    else:
        assert [learned_text(family, row).strip() for row in rows] == answers


@every_family
@every_conversation
def test_what_chat_asks_is_how_the_learned_row_begins(family: Family, kind: str) -> None:
    conversation = CONVERSATIONS[kind]
    prompt = renderer(family).prompt(conversation.prompt())
    row = whole(family, conversation)[-1]
    assert list(row.input_ids[: len(prompt)]) == prompt
    assert IGNORED not in row.labels[len(prompt) :]


@every_family
@pytest.mark.parametrize("answer", ["\nYes.", "\n\n Yes.", "   Yes.", " ", "</think>", "<think>\nsea\n</think>\n\nYes."])
def test_an_answer_that_begins_unusually_follows_the_prompt_all_the_same(family: Family, answer: str) -> None:
    conversation = chat("Do you deliver?", answer)
    prompt = renderer(family).prompt(conversation.prompt())
    (row,) = whole(family, conversation)
    assert list(row.input_ids[: len(prompt)]) == prompt
    assert learned_text(family, row).endswith(answer.strip() + family.end)


@every_family
def test_typed_control_tokens_are_plain_text_everywhere(family: Family) -> None:
    clean = control_count(family, whole(family, chat("sea?", "storm", "boat?", "tide", system="Be brief.")))
    for text in hostile(family):
        rows = whole(family, chat(f"sea?{text}", f"sto{text}rm", f"{text}boat?", f"{text}", system=f"Be{text} brief."))
        assert control_count(family, rows) == clean
        assert text in "".join(piece.text for piece in pieces(renderer(family), rows[-1], 10_000) if not piece.mark)


@every_family
def test_a_control_token_split_over_two_turns_or_by_our_own_escapes_does_not_form(family: Family) -> None:
    clean = control_count(family, whole(family, chat("sea?", "storm")))
    for text in hostile(family):
        begin, end = text[:2], text[2:]
        assert control_count(family, whole(family, chat(f"sea?{begin}", f"{end}storm"))) == clean
        forged = f"{begin}\U0010fffd{end}\U0010fffd\U00100000\U000f0000{text}\U000f0001"
        assert control_count(family, whole(family, chat(forged, forged))) == clean


@every_family
def test_the_private_characters_that_hide_tokens_can_be_typed_too(family: Family) -> None:
    typed = "a\U0010fffd\U00100000b\U0010fffd\U0010fffdc\U000f0000d\U000f0001"
    (row,) = whole(family, chat(typed, typed))
    assert learned_text(family, row).strip() == typed + family.end


@every_family
def test_the_system_prompt_is_read_in_training_and_in_chat(family: Family) -> None:
    with_prompt = renderer(family, "Be brief.")
    asked = tokenizer(family.name).decode(with_prompt.prompt([Message("user", "sea?")]))
    assert asked.count("Be brief.") == 1
    assert ("Be brief.\n\nsea?" in asked) == (not family.has_system_role)
    (row,) = with_prompt.whole([chat("sea?", "storm")])[0]
    assert tokenizer(family.name).decode(row.input_ids).startswith(asked)
    later = tokenizer(family.name).decode(with_prompt.prompt(chat("sea?", "storm", "boat?").messages))
    assert later.count("Be brief.") == 1


@every_family
@every_conversation
def test_the_pieces_are_coloured_as_the_labels_say(family: Family, kind: str) -> None:
    for row in whole(family, CONVERSATIONS[kind]):
        shown = pieces(renderer(family), row, 10_000)
        text = tokenizer(family.name).decode(row.input_ids, clean_up_tokenization_spaces=False)
        assert "".join(piece.text for piece in shown).replace(" ", "") == text.replace(" ", "")
        learned = "".join(piece.text for piece in shown if piece.kind == "learned")
        assert learned.replace(" ", "") == learned_text(family, row).replace(" ", "")
        ends = [piece for piece in shown if piece.mark and piece.kind == "learned"]
        assert [piece.text for piece in ends] == [family.end] * learned_text(family, row).count(family.end)
        assert "\ufffd" not in text + learned


@pytest.mark.parametrize("name", SHIPPED)
@every_conversation
@pytest.mark.parametrize("answer_follows", [False, True])
def test_our_rendition_writes_what_the_familys_own_template_writes(name: str, kind: str, answer_follows: bool) -> None:
    theirs = (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")
    messages = CONVERSATIONS[kind].messages
    if messages[0].role == "system" and not BY_NAME[name].has_system_role:
        messages = messages[1:]
    for turns in (messages, messages[:-1], messages[:-2])[: None if answer_follows else 1]:
        shown = [{"role": m.role, "content": m.content} for m in turns]
        if shown and shown[-1]["role"] == ("user" if answer_follows else "assistant"):
            written = [
                tokenizer(name).apply_chat_template(
                    shown, chat_template=template, tokenize=False, add_generation_prompt=answer_follows, **BY_NAME[name].options
                )
                for template in (BY_NAME[name].template(), theirs)
            ]
            assert written[0] == written[1]
