"""Tab 2 in a real browser with a tiny model: what moves before a training, what is watched during it, what helps after it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from runs import conversations
from serving import Server, serious, shot

from qlora_demo.owners import LOCAL
from qlora_demo.recipe import Recipe
from qlora_demo.run_dir import write_json

pytestmark = pytest.mark.browser
ASKED = "**/queue/join*"
BROKE = "Training went wrong at step 57 (the numbers grew too large). Saved up to step 50."


def submit(server: Server, tmp_path: Path, **settings: float) -> str:
    """A LoRA run of 40 rows in the server's home."""
    path = tmp_path / "rows.csv"
    path.write_text("question,answer\n" + "".join(f"{c.question()},{c.answer()}\n" for c in conversations(40)))
    studio = server.studio()
    dataset = studio.data.add_file(LOCAL, path, "rows.csv")
    recipe: Recipe = studio.recommend(LOCAL, dataset, method="lora").with_texts({name: str(value) for name, value in settings.items()})
    return studio.submit(LOCAL, dataset, recipe, "rows")


def open_form(server: Server, page: Page) -> None:
    """The form for the character example, with its advanced settings."""
    page.goto(server.url)
    page.click("#example-character")
    page.click("#to-training")
    expect(page.locator("#start-training")).to_be_enabled()
    page.click("#advanced button.label-wrap")
    expect(page.locator("#field-epochs input")).to_be_visible()


def fill(page: Page, field: str, value: float) -> None:
    page.fill(f"#field-{field} input", str(value))


@contextmanager
def unanswered(page: Page) -> Iterator[None]:
    """What the page asks the server within is sent at the end."""
    asked: list[Route] = []
    page.route(ASKED, lambda route: asked.append(route))
    yield
    for route in asked:
        route.continue_()
    page.unroute(ASKED)


def needs(page: Page) -> list[str]:
    """Memory that each of the three methods needs."""
    return page.locator("#memory .qd-number").all_inner_texts()


def test_bars_and_times_move_with_each_setting(tiny_server: Server, page: Page) -> None:
    open_form(tiny_server, page)

    def moved(place: str, **values: float) -> None:
        before = page.locator(place).inner_text()
        for field, value in values.items():
            fill(page, field, value)
        page.wait_for_function("([place, before]) => document.querySelector(place).innerText !== before", arg=[place, before])

    expect(page.locator("#memory .qd-bar")).to_have_count(3)
    first = needs(page)
    moved("#memory .qd-bars", batch_size=64, micro_batch_size=64)
    with_many = needs(page)
    assert all(now != then for now, then in zip(with_many, first, strict=True))
    moved("#memory .qd-bars", max_length=16)
    short = needs(page)
    assert all(now != then for now, then in zip(short, with_many, strict=True))
    moved("#memory .qd-bars", rank=256)
    assert [now != then for now, then in zip(needs(page), short, strict=True)] == [True, True, False]
    moved("#forecast", epochs=30)
    moved("#method", max_length=1024)
    moved("#forecast", held_out=40)
    expect(page.locator("#forecast")).to_contain_text("Learn from 80 rows, 30 times")
    shot(page, "train-form-changed")


def test_one_field_goes_back_alone_and_all_go_back_together(tiny_server: Server, page: Page) -> None:
    open_form(tiny_server, page)
    epochs, rank = (page.locator(f"#field-{name} input") for name in ("epochs", "rank"))
    recommended = epochs.input_value()
    expect(page.locator("#back-epochs")).to_be_hidden()
    fill(page, "epochs", 7)
    fill(page, "rank", 300)
    expect(page.locator("#start-reason")).to_contain_text("Room in the adapter (rank) must be from 1 to 256; it is 300.")
    expect(page.locator("#start-training")).to_be_disabled()
    expect(page.locator("#back-epochs")).to_have_text(f"Back to recommended: {recommended}")
    assert serious(page) == []
    page.click("#back-epochs")
    expect(epochs).to_have_value(recommended)
    expect(page.locator("#back-epochs")).to_be_hidden()
    expect(rank).to_have_value("300")
    page.fill("#field-system_prompt textarea", "Be brief.")
    page.keyboard.press("Tab")
    expect(page.locator("#back-system_prompt")).to_be_visible()
    page.click("#recommended")
    expect(rank).to_have_value("16")
    expect(page.locator("#field-system_prompt textarea")).to_have_value("")
    expect(page.locator("[id^=back-]:visible")).to_have_count(0)
    expect(page.locator("#start-training")).to_be_enabled()


def test_nothing_starts_while_other_data_is_on_its_way(tiny_server: Server, page: Page) -> None:
    open_form(tiny_server, page)
    start, to_training, data = (page.locator(place) for place in ("#start-training", "#to-training", "#tabs button:has-text('1 Data')"))
    data.click()
    with unanswered(page):
        page.click("#example-code")
        expect(to_training).to_be_disabled()
        page.click("#tabs button:has-text('2 Train')")
        expect(start).to_be_disabled()
    expect(start).to_be_enabled()
    expect(page.locator("#train-data")).to_contain_text("python.json")
    data.click()
    expect(to_training).to_be_enabled()
    page.set_input_files("#upload input[type=file]", {"name": "nothing.csv", "mimeType": "text/csv", "buffer": b""})
    expect(page.locator("#data-problem")).to_contain_text("is empty")
    to_training.click()
    expect(start).to_be_enabled()


def test_an_answer_undoes_nothing_that_was_set_since(tiny_server: Server, page: Page) -> None:
    open_form(tiny_server, page)
    qlora, lora, full = (page.get_by_role("radio", name=re.compile(name)) for name in ("QLoRA . smallest", "LoRA . unpacked", "Full . largest"))
    epochs, rate = (page.locator(f"#field-{name} input") for name in ("epochs", "learning_rate"))
    of_an_adapter = rate.input_value()
    with unanswered(page):
        with page.expect_request(ASKED):
            full.check()
        fill(page, "epochs", 7)
    expect(rate).not_to_have_value(of_an_adapter)
    expect(epochs).to_have_value("7")
    with unanswered(page):
        with page.expect_request(ASKED):
            lora.check()
        qlora.check()
    expect(rate).to_have_value(of_an_adapter)
    expect(qlora).to_be_checked()


def test_the_strip_fills_and_the_chosen_question_stays(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    run = submit(tiny_server, tmp_path, epochs=20, evaluations=4)
    page.goto(f"{tiny_server.url}/?run={run}")
    questions = page.locator("#watch-question label")
    expect(questions).to_have_count(3, timeout=90_000)
    questions.nth(1).click()
    answers = page.locator("#watch-answers .qd-watched")
    expect(answers.nth(1)).to_contain_text("Before training")
    expect(answers.nth(1)).to_contain_text("not yet")
    expect(answers.nth(0)).to_be_hidden()
    expect(page.locator("#run-plot canvas, #run-plot svg").first).to_be_visible()
    shot(page, "train-during")
    expect(answers.nth(1)).to_contain_text(re.compile(r"After step \d+"))
    expect(page.locator("#verdict")).to_be_visible(timeout=240_000)
    expect(questions.nth(1).locator("input")).to_be_checked()
    expect(answers.nth(1)).to_be_visible()
    said = answers.nth(1).inner_text()
    assert said.count("After step") == 4 and "not yet" not in said
    watched = tiny_server.studio().run(LOCAL, run).progress.watched[1]
    assert watched.answers[0][0] == 0 and watched.expected in said
    page.click("#run-numbers button.label-wrap")
    expect(page.locator("#run-numbers")).to_contain_text("Memory at the first step")
    expect(page.locator("#run-numbers")).to_contain_text("Perplexity")
    assert serious(page) == []
    shot(page, "train-after")


def test_a_run_that_cannot_learn_is_told_so_and_its_button_starts_a_better_one(tiny_server: Server, page: Page) -> None:
    open_form(tiny_server, page)
    fill(page, "epochs", 0.1)
    expect(page.locator("#forecast")).to_contain_text("0.1 times")
    page.click("#start-training")
    better = page.locator("#train-better")
    expect(better).to_have_text(re.compile(r"Train again, longer: about \d+ (s|min)"), timeout=240_000)
    expect(page.locator("#verdict")).to_contain_text("step")
    expect(page.locator("#better-words")).to_contain_text("Times through your data (epochs)")
    shot(page, "train-not-learned")
    better.click()
    expect(page.locator("#run-title")).to_contain_text(", again")
    expect(page.locator("#verdict")).to_be_hidden()
    again, first = tiny_server.studio().runs(LOCAL)[:2]
    assert again.recipe.epochs > first.recipe.epochs == 0.1
    assert again.recipe.learning_rate == first.recipe.learning_rate


def test_after_broken_numbers_the_saved_point_can_be_used_or_a_gentler_run_begun(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    tiny_server.stop()
    run = submit(tiny_server, tmp_path)
    studio = tiny_server.studio()
    advice = {"reason": "The numbers grew too large.", "button": "Try again, gentler", "changes": {"learning_rate": 0.00017}}
    write_json(studio.home.run(run).result_json, {"outcome": "failed", "reason": BROKE, "advice": advice, "kept_step": 50})
    studio.ledger.move(studio.ledger.claim("train").id, ("starting",), "failed", BROKE)
    tiny_server.start()
    page.goto(f"{tiny_server.url}/?run={run}")
    expect(page.locator("#run-remark")).to_have_text(BROKE)
    expect(page.locator("#chat-with-it")).to_have_text("Use step 50")
    expect(page.locator("#resume")).to_be_hidden()
    shot(page, "train-broken")
    expect(page.locator("#train-better")).to_contain_text("Try again, gentler: about")
    page.click("#train-better")
    expect(page.locator("#run-title")).to_contain_text("rows, again")
    assert tiny_server.studio().runs(LOCAL)[0].recipe.learning_rate == 0.00017
