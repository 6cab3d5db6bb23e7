"""Titles above a table, and first rows that are data: with several languages and kinds of tables."""

from __future__ import annotations

import pytest

from qlora_demo.data.header import Header, find_header

SENTENCES = "When do you open?|We open at eight.", "Do you deliver?|Yes, in town.", "Is there parking?|Behind the house."


def rows(*lines: str) -> list[list[str]]:
    return [line.split("|") for line in lines]


NAMES = {
    "one known name each": ["question|answer", *SENTENCES],
    "German": ["Frage|Antwort", "Wann, bitte?|Um zehn, in der Stadt", "Wo?|Hier"],
    "German, nearly known": ["Kundenfrage|Unsere Antwort", *SENTENCES],
    "Spanish, one column": ["pregunta", "¿Dónde está?", "¿Cuándo?"],
    "French, accents": ["Problème|Réponse", "Ça ne marche pas.|Essayez encore."],
    "Portuguese": ["Pergunta|Resposta", "Tem pão?|Sim."],
    "Russian": ["вопрос|ответ", "Где?|Здесь."],
    "Chinese": ["问题|答案", "几点开门？|八点。"],
    "Japanese": ["質問|回答", "何時に開きますか。|八時です。"],
    "Arabic": ["السؤال|الجواب", "أين؟|هنا."],
    "capitals, spaces, underscores": ["USER_INPUT|Bot Response", *SENTENCES],
    "unknown names above sentences": ["Visitor says|We say", *SENTENCES],
    "an unknown name of one word": ["Gast|Kellner", *SENTENCES],
    "a name that ends like a sentence of one word": ["Nr.|Paid?", "1|yes", "2|no"],
    "a form's questions above dates": ["When was it?|What did you ask?", "2026-01-01|Is it open?", "2026-01-02|Is it far?"],
    "names above numbers": ["height|girth", "1.2|3.4", "5.6|7.8"],
    "names above addresses": ["where|what", "https://a.example|A shop", "https://b.example|A bar", "https://c.example|A lake"],
    "two rows of short words": ["left|right", "up|down"],
    "the only row": ["left|right"],
    "letters": ["q|a", "x|y", "z|w", "v|u", "t|s"],
    "a program's index": ["|question|answer", "0|x|y", "1|z|w"],
    "a program's numbers": ["0|1", "Hello there.|Hi.", "And you?|Fine."],
    "text and label": ["review|stars", "Good food.|5", "Bad food.|1"],
    "small letters above capitals": ["animal|colour", "Dog|Brown", "Cat|Grey", "Cow|White", "Pig|Pink"],
    "capitals above small letters": ["Animal|Colour", "dog|brown", "cat|grey", "cow|white", "pig|pink"],
    "languages": ["Deutsch|Englisch", "Hund|Dog", "Katze|Cat", "Haus|House", "Baum|Tree"],
    "one word above several": [
        "Anliegen|Lösungsvorschlag",
        "Drucker geht nicht|Neu starten",
        "Maus weg|Batterie tauschen",
        "Kein Ton|Lautsprecher an",
    ],
    "one kind of text in two languages": ["Phrase (A)|Phrase (B)", "Good day|Guten Tag", "Good night|Gute Nacht", "Well done|Gut gemacht"],
    "languages by code": ["en|no", "yes|ja", "good|bra", "day|dag"],
    "people": ["name|city", "Ann|Bonn", "Ben|Rome", "Cleo|Paris", "Dan|Oslo"],
    "the same name twice": ["text|text", "1|2"],
    "a name in every page": ["question|answer", "What?|This.", "question|answer", "How?|So."],
    "a known name above labels": ["sentence|sentiment", "I like it here.|good", "I hate it here.|bad", "It is fine here.|good"],
    "a remark in a name": ["Question (please write whole sentences.)|Answer", *SENTENCES],
    "no table below": ["question|answer"],
}


@pytest.mark.parametrize("lines", NAMES.values(), ids=NAMES)
def test_a_row_of_names(lines: list[str]) -> None:
    assert find_header(rows(*lines)) == Header(0, tuple(lines[0].split("|")), False, ())


DATA = {
    "sentences": [*SENTENCES],
    "one row of sentences": ["What do you sell?|We sell bread and rolls."],
    "a sentence and a word": ["What do you sell?|Bread", "Where are you?|Here"],
    "a sentence and a word that is a name too": ["Is it far from here?|no", "Is it open today?|yes", "Is it good?|rarely", "Is it new?|never"],
    "Spanish": ["¿Dónde está?|Aquí", "¿Cuándo?|Hoy"],
    "Chinese": ["几点开门？|八点。", "在哪里？|这里。"],
    "Japanese": ["何時に開きますか。|八時", "どこですか。|ここ"],
    "Arabic": ["متى تفتحون الأبواب؟|غدا", "أين أنتم الآن؟|هنا"],
    "numbers": ["1|Hello", "2|Bye"],
    "an amount": ["Coffee|$3.50", "Tea|$2.90"],
    "dates": ["2026-01-01|Hello", "2026-01-02|Bye"],
    "a date with a time": ["31/12/2024 21:05|Hello", "31/12/2024 21:06|Bye"],
    "an e-mail address": ["ann@example.org|Hello", "ben@example.org|Bye"],
    "an address": ["https://a.example/x|A shop", "https://b.example/y|A bar"],
    "a label that recurs": ["so good|happy", "so bad|unhappy", "well done|happy"],
    "chat without signs": ["hi there|hello friend", "how are you|i am fine thanks", "what is your name|my name is bot", "bye|see you"],
    "greetings": ["Hello|Hi there!", "How are you?|Fine, thanks.", "Bye|See you!"],
    "words of which one is a language's code": ["yes|no", "up|down", "hot|cold", "big|small"],
    "a list of words": ["dog|Hund", "cat|Katze", "house|Haus", "tree|Baum"],
    "the same text twice": ["hello|hello", "bye|bye"],
    "a long text": ["x" * 100 + "|short", "y" * 90 + "|short too"],
    "one column of sentences": ["It was a dark night.", "The wind blew hard."],
}


@pytest.mark.parametrize("lines", DATA.values(), ids=DATA)
def test_a_row_of_data(lines: list[str]) -> None:
    names = ("A", "B")[: len(lines[0].split("|"))]
    note = f"Your file has no column names. We called them {', '.join(names)}."
    assert find_header(rows(*lines)) == Header(0, names, True, (note,))


ONE, TWO = "The first row is a title and was skipped.", "The first 2 rows are a title and were skipped."
TITLES = {
    "a title beside empty cells": (["Customers 2026||", "Question|Answer|By", "Hm?|Yes.|Ann", "Oh?|No.|Ben"], 1, ONE),
    "a title alone on its line": (["Customers 2026", "Question|Answer", "Hm?|Yes.", "Oh?|No."], 1, ONE),
    "a title that is a sentence": (["This is a list of all we know.|", "Question|Answer", "Hm?|Yes."], 1, ONE),
    "a title and an empty row": (["Kunden|", "|", "Frage|Antwort", "Hm?|Ja.", "Oh?|Nein."], 2, TWO),
    "two rows": (["Kunden|||", "Stand||2026-01-01|", "Name|Ort|Frage|Antwort", "Ann|Bonn|Hm?|Ja.", "Ben|Ulm|Oh?|Nein."], 2, TWO),
    "unknown names below": (["All of 2026|", "Guest|Waiter", *SENTENCES], 1, ONE),
}


@pytest.mark.parametrize(("lines", "titles", "note"), TITLES.values(), ids=TITLES)
def test_titles_are_skipped_and_said(lines: list[str], titles: int, note: str) -> None:
    assert find_header(rows(*lines)) == Header(titles, tuple(lines[titles].split("|")), False, (note,))


def test_empty_rows_are_skipped_without_a_word() -> None:
    assert find_header(rows("|", "question|answer", "Hm?|Yes.")) == Header(1, ("question", "answer"), False, ())


def test_a_title_above_data() -> None:
    notes = (ONE, "Your file has no column names. We called them A, B.")
    assert find_header(rows("All we know|", *SENTENCES)) == Header(1, ("A", "B"), True, notes)


def test_a_question_without_an_answer_is_no_title() -> None:
    found = find_header(rows("What is it that you do?|", *SENTENCES))
    assert (found.title_rows, found.names, found.is_data) == (0, ("A", "B"), True)


@pytest.mark.parametrize("lines", [["question||", "Hm?|Yes.|Ann"], ["|question|", "0|Hm?|Yes."], ["a name", "x", "y"]])
def test_names_beside_empty_cells_are_no_title(lines: list[str]) -> None:
    assert find_header(rows(*lines)) == Header(0, tuple(lines[0].split("|")), False, ())


def test_cells_are_stripped_and_letters_go_on_as_in_spreadsheets() -> None:
    assert find_header([[" question ", "answer\n"], ["x", "y"]]).names == ("question", "answer")
    wide = find_header([[f"This is sentence {i}." for i in range(28)]])
    assert wide.names[-3:] == ("Z", "AA", "AB")
