"""Whatever people bring, through the page: each to a sensible end, with what they see on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.every_format import Case, of_files, of_layouts
from data.sheets import workbook
from playwright.sync_api import Page, expect
from serving import Server, serious, shot
from source.fake_data_hub import REPO, FakeDataHub

pytestmark = pytest.mark.browser

KUNDEN = (
    "Kundenfrage;Unsere Antwort\n"
    "Wann liefern Sie?;Wir liefern montags bis freitags, außer an Feiertagen.\n"
    "Kann ich zurückgeben?;Ja, innerhalb von 30 Tagen.\n"
    "Kann ich zurückgeben?;Ja, innerhalb von 30 Tagen.\n"
    "Wie erreiche ich Sie?;Schreiben Sie an hilfe@waldhof-reisen.de\n"
    "Wo sind Sie?;\n"
)
CHAT = (
    "12/03/2024, 21:05 - Messages and calls are end-to-end encrypted.\n"
    "12/03/2024, 21:06 - Anna Berg: Are you home?\n"
    "12/03/2024, 21:07 - Ben: Yes, since six\n"
    "12/03/2024, 21:07 - Ben: Come over\n"
    "12/03/2024, 21:09 - Anna Berg: <Media omitted>\n"
    "12/03/2024, 21:10 - Anna Berg: On my way\n"
    "13/03/2024, 09:00 - Anna Berg: That was a fine evening, thank you for it\n"
    "13/03/2024, 09:01 - Ben: It was\n"
)


def opened(server: Server, page: Page) -> None:
    page.goto(server.url)
    expect(page.locator("#activity")).to_be_visible()
    expect(page.locator("#example-character")).to_be_visible()
    page.wait_for_timeout(500)


def upload(page: Page, folder: Path, name: str, content: str | bytes) -> None:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    page.set_input_files("#upload input[type=file]", str(path))


def bubbles(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("#data-preview").locator("[data-testid=user], [data-testid=bot]").all_inner_texts()]


def test_a_semicolon_csv_with_german_names_is_understood_mended_and_shown(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    opened(tiny_server, page)
    upload(page, tmp_path, "kunden.csv", KUNDEN.encode("cp1252"))
    expect(page.locator("#data-title")).to_contain_text("kunden.csv")
    expect(page.locator("#data-preview")).to_contain_text("Wir liefern montags bis freitags, außer an Feiertagen.")
    expect(page.locator("#data-counts")).to_contain_text("4 conversations, all to learn from.")
    expect(page.locator("#data-language")).to_contain_text("Your text looks German; this base model was made for English.")
    expect(page.locator("#data-remarks")).to_contain_text("1 row appears twice.")
    page.click("#more-remarks button.label-wrap")
    expect(page.locator("#more-remarks")).to_contain_text("It was read as Windows-1252 text; check that its accents look right.")
    expect(page.locator("#more-remarks")).to_contain_text("The file was read with ; between the columns.")
    assert serious(page) == []
    shot(page, "data-kunden")

    page.get_by_role("button", name="Remove 1 repeat", exact=True).click()
    expect(page.locator("#data-counts")).to_contain_text("3 conversations")
    expect(page.locator("#data-remarks")).to_contain_text("Removed 1 repeat.")
    page.get_by_role("button", name="Hide it", exact=True).click()
    expect(page.locator("#data-remarks")).to_contain_text("Hid e-mail addresses in 1 row.")
    page.click("#data-previous")
    expect(page.locator("#data-preview")).to_contain_text("Schreiben Sie an [e-mail]")
    page.get_by_role("button", name="Undo", exact=True).first.click()
    expect(page.locator("#data-counts")).to_contain_text("4 conversations")
    page.reload()  # what was decided is kept, and more can be decided
    expect(page.locator("#data-counts")).to_contain_text("4 conversations")
    page.click("#swap-columns")
    expect(page.locator("#data-preview .message").first).to_contain_text("Wir liefern montags bis freitags")


def test_what_the_model_sees_and_the_numbers(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    opened(tiny_server, page)
    upload(page, tmp_path, "marks.csv", "question,answer\nWhat is <|im_end|> for?,It ends a turn\n" + "And that?,So be it\n" * 3)
    expect(page.locator("#data-title")).to_contain_text("marks.csv")
    page.click("#data-seen button.label-wrap")
    learned = page.locator(".qd-seen .qd-seen-learned")
    expect(learned.first).to_have_text("It ends a turn")
    expect(page.locator(".qd-seen .qd-seen-read", has_text="What is <|im_end|> for?")).to_be_visible()
    page.click("#data-next")
    expect(learned.first).to_have_text("So be it")
    page.click("#data-numbers button.label-wrap")
    expect(page.locator(".qd-histogram")).to_be_visible()
    expect(page.locator("#data-numbers-table")).to_contain_text("Of those, learned")
    assert serious(page) == []
    shot(page, "data-seen")


def test_rows_beyond_the_length_limit_are_told(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    opened(tiny_server, page)
    long = "lamp sea storm boat " * 800
    rows = f"Who sings here?,{long}\n{long},In the end it is a song\n" + "".join(f"What is {i}?,It is {i}\n" for i in range(3))
    upload(page, tmp_path, "long.csv", "question,answer\n" + rows)
    expect(page.locator("#data-lengths")).to_contain_text("1 row is cut before the answer begins (3). Nothing of that is learned.")
    expect(page.locator("#data-lengths")).to_contain_text("What lies beyond is not learned.")
    page.click("#data-seen button.label-wrap")
    expect(page.locator(".qd-seen .qd-seen-cut").first).to_contain_text("lamp")


def test_a_workbook_with_a_title_row_and_two_sheets(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    cover = [["Everything that customers asked in the spring"]]
    rows = [[1, "When do you open?", "At nine, every day."], [2, "Where?", "In the old mill."]]
    faq = [["Customers 2026", "", ""], [], ["No", "Question", "Answer"], *rows]
    old = [["Question", "Answer"], ["Do you deliver?", "We did, until last year."], ["Still?", "No."], ["Never?", "Never."]]
    opened(tiny_server, page)
    upload(page, tmp_path, "customers.xlsx", workbook({"Cover": cover, "FAQ": faq, "Old": old}))
    expect(page.locator("#sheet input")).to_have_value("FAQ")
    expect(page.locator("#data-preview")).to_contain_text("At nine, every day.")
    expect(page.locator("#data-position")).to_contain_text("row 4")
    expect(page.locator("#question-column input")).to_have_value("Question")
    shot(page, "data-workbook")
    page.locator("#sheet input").click()
    page.get_by_role("option", name="Old").click()
    expect(page.locator("#data-preview")).to_contain_text("We did, until last year.")
    expect(page.locator("#data-counts")).to_contain_text("3 conversations")


def test_a_chat_between_people_asks_who_to_learn(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    opened(tiny_server, page)
    upload(page, tmp_path, "WhatsApp Chat with Ben.txt", CHAT)
    expect(page.locator("#speaker")).to_contain_text("Who should the model learn to be?")
    page.locator("#speaker label", has_text="Ben").click()
    expect(page.locator("#speaker label", has_text="Ben").locator("input")).to_be_checked()
    expect(page.locator("#data-preview")).to_contain_text("Yes, since six")
    expect(page.locator("#data-counts")).to_contain_text("2 conversations")
    assert bubbles(page)[:2] == ["Are you home?", "Yes, since six\nCome over"]
    assert serious(page) == []
    shot(page, "data-whatsapp")


def test_a_paste(tiny_server: Server, page: Page) -> None:
    opened(tiny_server, page)
    page.click("#paste button.label-wrap")
    page.fill("#paste-box textarea", "Where are you?;By the sea\nAnd when are you open?;From nine to five")
    page.click("#read-paste")
    expect(page.locator("#data-title")).to_contain_text("Pasted text")
    expect(page.locator("#data-counts")).to_contain_text("2 conversations")
    assert bubbles(page) == ["Where are you?", "By the sea"]
    page.fill("#paste-box textarea", "   ")
    page.click("#read-paste")
    expect(page.locator("#data-problem")).to_contain_text("Nothing was pasted yet.")


def test_three_mistakes_at_once_and_the_way_out(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    opened(tiny_server, page)
    lines = ["question,answer", "Who is it?,Me", "one,two,three", "Where is it?,Here", "alone", "When is it?,Now", "a,b,c,d"]
    upload(page, tmp_path, "orders.csv", "\n".join(lines) + "\n")
    expect(page.locator("#data-problem")).to_contain_text("orders.csv has 3 mistakes. Line 3: 3 values, the first line has 2.")
    expect(page.locator("#data-problem")).to_contain_text("Line 7: 4 values")
    shot(page, "data-mistakes")
    page.get_by_role("button", name="Leave these 3 lines out", exact=True).click()
    expect(page.locator("#data-counts")).to_contain_text("3 conversations")
    expect(page.locator("#data-problem")).to_be_hidden()
    expect(page.locator("#data-remarks")).to_contain_text("3 rows could not be read (3, 5, 7). Left out.")


def test_columns_that_do_not_fit_can_be_chosen(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    opened(tiny_server, page)
    upload(page, tmp_path, "numbers.csv", "code,sum\n1,2\n3,4\n5,6\n")
    expect(page.locator("#data-problem")).to_contain_text("no two columns of text")
    for place, name in (("#question-column", "code"), ("#answer-column", "sum")):
        page.locator(f"{place} input").fill(name)
        page.get_by_role("option", name=name).first.wait_for()
        page.locator(f"{place} input").press("Enter")
        expect(page.locator(f"{place} input")).to_have_value(name)
        page.wait_for_timeout(500)  # nobody chooses both at once
    expect(page.locator("#data-counts")).to_contain_text("3 conversations")
    expect(page.locator("#data-problem")).to_be_hidden()


def test_quick_clicks_all_count_and_starting_over_holds(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    opened(tiny_server, page)
    rows = "".join(f"What is thing {i}?,It is number {i * i}\n" for i in range(30))
    personal = "Whom do I ask?,Ask ann@waldhof-reisen.de or call +49 30 901820 44\n"
    upload(page, tmp_path, "faq.csv", f"question,answer\n{rows}{personal}What is thing 1?,It is number 1\n")
    expect(page.locator("#data-counts")).to_contain_text("32 conversations")
    page.evaluate("""() => [...document.querySelectorAll('#data-remarks button')]
        .filter((button) => /^(Hide it|Remove 1 repeat)$/.test(button.textContent.trim())).forEach((button) => button.click())""")
    for done in ("Hid e-mail addresses in 1 row.", "Hid phone numbers in 1 row.", "Removed 1 repeat."):
        expect(page.locator("#data-remarks")).to_contain_text(done)
    expect(page.locator("#data-counts")).to_contain_text("31 conversations")
    page.click("#data-previous")
    expect(page.locator("#data-preview")).to_contain_text("Ask [e-mail] or call [phone]")
    upload(page, tmp_path, "photo.csv", b"\x89PNG\r\n\x1a\n" + bytes(200))
    expect(page.locator("#data-problem")).to_contain_text("photo.csv is an image. Upload a table, JSON, or text. Still shown: faq.csv.")
    page.click("#start-over")
    expect(page.locator("#data-empty")).to_be_visible()
    page.reload()
    expect(page.locator("#data-empty")).to_be_visible()
    expect(page.locator("#data-title")).to_be_hidden()


def test_all_rows_can_be_used_and_an_upload_deleted(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    opened(tiny_server, page)
    upload(page, tmp_path, "faq.csv", "question,answer\n" + "".join(f"What is thing {i}?,It is number {i * i}\n" for i in range(30)))
    expect(page.locator("#data-counts")).to_contain_text("30 conversations: 25 to learn from, 5 set aside for testing.")
    page.click("#use-every-row")
    expect(page.locator("#data-counts")).to_contain_text("30 conversations, all to learn from.")
    page.get_by_role("button", name="Set some aside for a test").click()
    expect(page.locator("#data-counts")).to_contain_text("5 set aside")
    page.click("#delete-upload")
    expect(page.locator("#data-empty")).to_be_visible()
    assert list(tiny_server.home.datasets.glob("[!.]*")) == []


def test_the_hub_without_internet(tiny_server: Server, page: Page) -> None:
    opened(tiny_server, page)
    page.click("#hub button.label-wrap")
    page.fill("#hub-name textarea, #hub-name input", "owner/name")
    page.click("#hub-look")
    expect(page.locator("#hub-problem")).to_contain_text("No internet here, so the Hub cannot be reached. Upload a file instead.")


def test_a_data_set_of_the_hub(hub_server: tuple[Server, FakeDataHub], page: Page) -> None:
    server, hub = hub_server
    opened(server, page)
    page.click("#hub button.label-wrap")
    page.fill("#hub-name textarea, #hub-name input", "nobody/nothing")
    page.click("#hub-look")
    expect(page.locator("#hub-problem")).to_contain_text("There is no public data set nobody/nothing on the Hub.")
    page.fill("#hub-name textarea, #hub-name input", f"https://huggingface.co/datasets/{REPO}")
    page.click("#hub-look")
    expect(page.locator("#hub-config input")).to_have_value("default")
    expect(page.locator("#hub-split input")).to_have_value("train")
    page.click("#hub-fetch")
    expect(page.locator("#data-counts")).to_contain_text("2 conversations")
    expect(page.locator("#hub-problem")).to_contain_text("Only the first of 3 files was taken.")
    assert bubbles(page) == ["When do you open?", "At nine, every day."]
    assert serious(page) == []
    shot(page, "data-hub")
    assert {request.authorization for request in hub.requests} == {None}


def one_of_each() -> list[Case]:
    """Every kind of file, and every layout once. What needs a choice first has a test of its own."""
    layouts = {case.format: case for case in reversed(of_layouts())}
    return [case for case in (*of_files(), *layouts.values()) if not case.options]


def test_every_format_is_shown_as_bubbles(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    opened(tiny_server, page)
    for case in one_of_each():
        upload(page, tmp_path, case.name, case.content)
        expect(page.locator("#data-title")).to_have_text(case.name)
        said = [text for role, text in case.rows[0] if role != "system"]
        expect(page.locator("#data-preview").locator("[data-testid=user], [data-testid=bot]")).to_have_text(said)
