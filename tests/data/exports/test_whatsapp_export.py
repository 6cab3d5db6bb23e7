"""WhatsApp: Android and iPhone layouts, dates, six languages, and texts that only look like a chat."""

from __future__ import annotations

import pytest
from export_examples import assert_sound, conversations, lines_of, talk
from hypothesis import given, settings
from hypothesis import strategies as st

from qlora_demo.data.exports.find import read_text_export
from qlora_demo.data.table import Table
from qlora_demo.errors import DataError

ORDER = "Its dates can be read with the day or the month first. We took the day first."


def read(text: str, speaker: str = "") -> Table | None:
    return read_text_export(lines_of(text), "chat.txt", speaker)


ANDROID = """\
31/12/2024, 21:00 - Messages and calls are end-to-end encrypted. No one outside of this chat, not even WhatsApp, can read them. Tap to learn more.
31/12/2024, 21:01 - Bob created group "Party: tonight"
31/12/2024, 21:01 - Bob changed the subject from "Party: tonight" to "Party: tomorrow"
31/12/2024, 21:05 - Bob: Are you coming?
31/12/2024, 21:05 - Bob: We have cake.

And tea: lots of it.
31/12/2024, 21:06 - Ann: Yes, of course <This message was edited>
31/12/2024, 21:07 - Bob: <Media omitted>
31/12/2024, 21:07 - Bob: IMG-20241231-WA0003.jpg (file attached)
Look at this
31/12/2024, 21:08 - Bob: This message was deleted
31/12/2024, 21:09 - Ann: Great, I am looking forward to it
01/01/2025, 12:00 - Bob: Happy new year
01/01/2025, 12:01 - Cid joined using this group's invite link
01/01/2025, 12:02 - Cid: you too
01/01/2025, 12:03 - Ann: And to you
01/01/2025, 12:04 - Bob: Bye
"""


def test_android() -> None:
    table = read(ANDROID)
    assert table is not None
    assert (table.kind, table.speakers, table.speaker) == ("whatsapp", ("Bob", "Ann", "Cid"), "Bob")
    learned = read(ANDROID, "Ann")
    assert conversations(learned) == [
        (
            "line 4",
            talk(
                "Are you coming?\nWe have cake.\n\nAnd tea: lots of it.",
                "Yes, of course",
                "Look at this",
                "Great, I am looking forward to it",
            ),
        ),
        ("line 14", talk("Happy new year\nyou too", "And to you")),
    ]
    assert learned is not None
    assert learned.notes == (
        "1 message was a picture or other media. It was left out. 1 message came with pictures or other media. Only its text was kept. "
        "1 message had been deleted by their writers. It was left out.",
    )


IPHONE = """\
[3/4/25, 2:05:09\u202fPM] Falcon Club: \u200eMessages and calls are end-to-end encrypted. Only people in this chat can read them.
\u200e[3/4/25, 2:05:10\u202fPM] Bob: \u200eBob created group \u201cFalcon Club\u201d
[3/4/25, 2:06:00\u202fPM] Bob: Draft is ready
[3/4/25, 2:06:10\u202fPM] ~\u202fAnn Lee: Thanks @\u2068Bob\u2069, moved to 3pm \u200e<This message was edited>
\u200e[3/4/25, 2:07:00\u202fPM] Bob: \u200eimage omitted
\u200e[3/4/25, 2:07:01\u202fPM] Bob: report.pdf \u2022 \u200e3 pages \u200edocument omitted
\u200e[3/4/25, 2:07:02\u202fPM] Bob: \u200e<attached: 00000012-PHOTO-2025-03-04-14-06-11.jpg>
\u200e[3/4/25, 2:07:03\u202fPM] Bob: my cat \u200e<attached: 00000013-PHOTO-2025-03-04-14-06-11.jpg>
\u200e[3/4/25, 2:08:00\u202fPM] Bob: \u200eMissed voice call. \u200eTap to call back
\u200e[3/4/25, 2:08:01\u202fPM] Bob: \u200eYou deleted this message.
\u200e[3/4/25, 2:08:02\u202fPM] Bob: \u200ePOLL:
Lunch?
\u200eOPTION: yes (1 vote)
[3/13/25, 12:01:00\u202fAM] Bob: Midnight
[3/13/25, 12:30:00\u202fPM] ~\u202fAnn Lee: Noon, twelve hours later
[3/13/25, 1:00:00\u202fPM] Bob: One
[3/13/25, 1:01:00\u202fPM] ~\u202fAnn Lee: Two
"""


def test_iphone() -> None:
    table = read(IPHONE, "Ann Lee")
    assert table is not None
    assert table.speakers == ("Ann Lee", "Bob")
    assert conversations(table) == [("line 3", talk("Draft is ready", "Thanks @Bob, moved to 3pm")), ("line 16", talk("One", "Two"))]
    assert table.notes == (
        "4 messages were pictures or other media. They were left out. 1 message came with pictures or other media. Only its text was kept. "
        "1 message had been deleted by their writers. It was left out.",
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("31/12/2024, 21:05 - ", "31/12/2024, 21:06 - "),
        ("31/12/24 21:05 - ", "31/12/24 21:06 - "),
        ("31.12.24, 21:05 - ", "31.12.24, 21:06 - "),
        ("31-12-2024 21:05 - ", "31-12-2024 21:06 - "),
        ("2024-12-31 21:05 - ", "2024-12-31 21:06 - "),
        ("12/31/24, 9:05\u202fPM - ", "12/31/24, 9:06\u202fpm - "),
        ("31/12/2024, 9:05 p.\u00a0m. - ", "31/12/2024, 9:06 p.\u00a0m. - "),
        ("31/12/2024 \u00e0 21:05 - ", "31/12/2024 \u00e0 21:06 - "),
        ("31.12.2024 klo 21.05 - ", "31.12.2024 klo 21.06 - "),
        ("[31/12/2024, 21:05:10] ", "[31/12/2024, 21:06:10] "),
        ("[31.12.24, 21:05:10] ", "\u200e[31.12.24, 21:06:10] "),
        ("[31/12/2024 21:05:10] ", "[31/12/2024 21:06:10] "),
        ("[2024/12/31, 21:05:10] ", "[2024/12/31, 21:06:10] "),
        ("[31-12-24 9:05:10 PM] ", "[31-12-24 9:06:10 PM] "),
    ],
)
def test_layouts(first: str, second: str) -> None:
    table = read(f"{first}Bob: a\n{second}Ann: b c\n{second}+49 170 123: c: d e f g", "Ann")
    assert table is not None
    assert table.notes == ()
    assert table.speakers == ("+49 170 123", "Ann", "Bob")
    assert conversations(table) == [("line 1", talk("a", "b c"))]


def pauses(*dates: str) -> tuple[int, tuple[str, ...]]:
    """How many conversations there are, with a question and an answer on each date, and the notes."""
    table = read("\n".join(f"{date}, 10:00 - Bob: a\n{date}, 10:01 - Ann: b c" for date in dates))
    assert table is not None
    return len(conversations(table)), table.notes


def test_a_day_over_12_decides_the_order_for_the_whole_file() -> None:
    assert pauses("1/2/24", "1/2/24", "2/2/24", "13/2/24") == (3, ())
    assert pauses("2/1/24", "2/1/24", "2/2/24", "2/13/24") == (3, ())
    assert pauses("1/2/24", "2/2/24") == (2, (ORDER,))
    assert pauses("2024-01-02", "2024-02-02") == (2, ())


def test_names_have_no_signs_and_bodies_keep_their_colons() -> None:
    table = read(
        "31/12/24, 10:00 - \u202aBob\u202c: one: two\n31/12/24, 10:01 - Ann \U0001f60a Lee: https://example.org is a link", "Ann \U0001f60a Lee"
    )
    assert conversations(table) == [("line 1", talk("one: two", "https://example.org is a link"))]


def test_lines_of_another_layout_are_text() -> None:
    pasted = "they wrote\n[31/12/24, 10:00:00] Zoe: hi\n99/99/2024, 10:00 - Zoe: hi"
    table = read(f"31/12/24, 10:00 - Bob: {pasted}\n31/12/24, 10:01 - Ann: ok", "Ann")
    assert conversations(table) == [("line 1", talk(pasted, "ok"))]


MEDIA = """\
<Media omitted>|image omitted|GIF omitted|Contact card omitted|video note omitted|<View once message omitted>|null|VID-1.mp4 (file attached)
<Medien ausgeschlossen>|Bild weggelassen|Video weggelassen|Kontaktkarte weggelassen|PTT-1.opus (Datei angehängt)|<Anhang: 1-PHOTO.jpg>
<Multimedia omitido>|imagen omitida|sticker omitido|documento omitido|IMG-1.jpg (archivo adjunto)|<adjunto: 1-PHOTO.jpg>
<Médias omis>|image absente|vidéo absente|audio omis|GIF retiré|IMG-1.jpg (fichier joint)|<pièce jointe : 1-PHOTO.jpg>
<Media omessi>|immagine omessa|video omesso|GIF esclusa|sticker non incluso|IMG-1.jpg (file allegato)|<allegato: 1-PHOTO.jpg>
<Mídia oculta>|<Arquivo de mídia oculto>|imagem ocultada|áudio ocultado|figurinha omitida|IMG-1.jpg (arquivo anexado)|<Ficheiro não revelado>
location: https://maps.google.com/?q=1.5,2.5|a file.pdf • 3 pages document omitted|<Media omitted>\nnotes 1.pdf|POLL:\nLunch?\nOPTION: yes
"""
DELETED = """\
This message was deleted|You deleted this message.|Diese Nachricht wurde gelöscht.|Du hast diese Nachricht gelöscht.|Se eliminó este mensaje.
Eliminaste este mensaje.|Ce message a été supprimé|Vous avez supprimé ce message|Questo messaggio è stato eliminato|Hai eliminato questo messaggio.
Mensagem apagada|Esta mensagem foi apagada|Você apagou esta mensagem|Apagou esta mensagem
"""
EDITED = """\
<This message was edited>|<This message was edited.>|<Diese Nachricht wurde bearbeitet.>|<Se editó este mensaje.>|<Ce message a été modifié>
<Questo messaggio è stato modificato>|<Mensagem editada>
"""
NOTICES = """\
Messages and calls are end-to-end encrypted. Nobody can read them.|Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.
Los mensajes y las llamadas están cifrados de extremo a extremo.|Les messages et les appels sont chiffrés de bout en bout.
I messaggi e le chiamate sono crittografati end-to-end.|As mensagens e as chamadas são protegidas com a criptografia de ponta a ponta.
Waiting for this message. This may take a while.
"""


def variants(text: str) -> list[str]:
    return [
        one.replace("\\n", "\n")
        for line in text.replace("\nLunch?\n", "\\nLunch?\\n").replace("\nnotes", "\\nnotes").splitlines()
        for one in line.split("|")
    ]


@pytest.mark.parametrize("ios", [False, True])
@pytest.mark.parametrize("body", [*variants(MEDIA), *variants(DELETED), *variants(NOTICES)])
def test_what_the_program_writes_is_left_out(body: str, ios: bool) -> None:
    head, mark = ("[31/12/24, 10:00:00] ", "\u200e") if ios else ("31/12/24, 10:00 - ", "")
    table = read(f"{head}Bob: a\n{mark}{head}Bob: {mark}{body}\n{head}Ann: b c")
    assert conversations(table) == [("line 1", talk("a", "b c"))]
    assert table is not None
    media = ("1 message was a picture or other media. It was left out.",)
    deleted = ("1 message had been deleted by their writers. It was left out.",)
    assert table.notes == (media if body in variants(MEDIA) else deleted if body in variants(DELETED) else ())


@pytest.mark.parametrize("suffix", variants(EDITED))
def test_the_remark_on_an_edited_message_goes(suffix: str) -> None:
    assert conversations(read(f"31/12/24, 10:00 - Bob: a {suffix}\n31/12/24, 10:01 - Ann: b\nc \u200e{suffix}")) == [("line 1", talk("a", "b\nc"))]


@pytest.mark.parametrize(
    "body", ["I deleted this message: it was wrong", "the image omitted a lot", "see IMG.jpg", "poll: who comes?", "null and void"]
)
def test_what_people_write_about_it_stays(body: str) -> None:
    assert conversations(read(f"31/12/24, 10:00 - Bob: {body}\n31/12/24, 10:01 - Ann: so it is", "Ann")) == [("line 1", talk(body, "so it is"))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "question,answer\nWhen?,31/12/2024\nWho?,Ann: Bob\n",
        "31/12/2024,21:05,Ann,hi\n31/12/2024,21:06,Bob,hello\n",
        '"31/12/2024, 21:05 - Ann: hi",x\n"31/12/2024, 21:06 - Bob: hi",y\n',
        "31/12/2024;21:05;Ann: hi\n31/12/2024;21:06;Bob: hi\n",
        "It was a dark night.\n31/12/2024, 21:05 - Ann: hi\n31/12/2024, 21:06 - Bob: hi\n",
        "31.12.2024 10:00 - 11:00: Meeting\n31.12.2024 11:00 - 12:00: Lunch\n",
        "31.12.2024, 10:00 - Went to town.\n1.1.2025, 10:00 - Slept.\n2.1.2025, 11:00 - Read.\n3.1.2025, 10:00 - Ate.\n4.1.2025, 10:00 - Sat.\n",
        "[2024-12-31 10:00:00] server: started\n[2024-12-31 10:00:01] client: connected\n",
        "2024-12-31 10:00:00 - root - INFO - app: started\n2024-12-31 10:00:01 - root - ERROR - app: stopped\n",
        "[31/12/2024 10:00:00] INFO: started\n[31/12/2024 10:00:01] ERROR: stopped\n",
        "31/12/2024, 21:05 - Ann: only one line",
        "Ann: hi\nBob: hello\n",
    ],
)
def test_other_texts_are_no_export(text: str) -> None:
    assert read(text) is None


def test_one_person_is_no_chat() -> None:
    with pytest.raises(DataError, match=r"^chat\.txt holds messages of Ann alone\. Upload a chat in which two people or more write\.$"):
        read("31/12/24, 10:00 - Ann: a\n31/12/24, 10:01 - Ann: b\n31/12/24, 10:01 - Bob: <Media omitted>")


def test_an_unknown_speaker_is_told_who_there_is() -> None:
    with pytest.raises(DataError, match=r"^Zoe writes nothing in chat\.txt\. These people write there: Bob, Ann, Cid\. Choose one of them\.$"):
        read(ANDROID, "Zoe")


def test_a_huge_message_and_long_runs_of_blanks_take_no_time() -> None:
    rows = ["31/12/24, 10:00 - Bob: a", "31/12/24, 10:01 - Ann: b c", "31/12/24, 10:01 - Bob: " + "x. " * 400_000]
    rows += ["31/12/24, 10:02 - Bob: " + " " * 900_000 + ".", "31/12/24, 10:03 - Ann: " + "a.b • " * 150_000 + "end"]
    table = read("\n".join(rows), "Ann")
    assert [(place, len(messages)) for place, messages in conversations(table)] == [("line 1", 4)]
    assert table is not None
    assert table.notes == ("1 message was longer than 1,000,000 characters and was left out.",)


PIECES = [
    "31/12/24, 10:00 - ",
    "1/2/24, 9:05 PM - ",
    "[31/12/24, 10:00:00] ",
    "\u200e",
    "\u202f",
    "Ann: ",
    "Bob: ",
    "\n",
    "\r",
    "<Media omitted>",
    ":",
    "~",
]


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=30), speaker=st.sampled_from(["", "Ann"]))
def test_any_text(parts: list[str], speaker: str) -> None:
    try:
        assert_sound(read("31/12/24, 10:00 - Ann: a\n31/12/24, 10:00 - Bob: b\n" + "".join(parts), speaker))
        assert_sound(read("".join(parts), speaker))
    except DataError as error:
        assert str(error).endswith(".")
