"""The page with a tiny model: bad files, deaths of every process, the keyboard."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect
from runs import conversations
from serving import Server

from qlora_demo.owners import LOCAL
from qlora_demo.recipe import Recipe

pytestmark = pytest.mark.browser


def submit(server: Server, tmp_path: Path, epochs: float = 1.0, **recipe_fields: str) -> str:
    """A run in the server's home, submitted as the command line does."""
    path = tmp_path / "rows.csv"
    pairs = [(c.question(), c.answer()) for c in conversations(40)]
    path.write_text("question,answer\n" + "".join(f"{q},{a}\n" for q, a in pairs))
    studio = server.studio()
    dataset = studio.data.add_file(LOCAL, path, "rows.csv")
    recipe: Recipe = studio.recommend(LOCAL, dataset, method="lora").with_texts({"epochs": str(epochs), "evaluations": "1", **recipe_fields})
    return studio.submit(LOCAL, dataset, recipe, "rows")


BAD_FILES = (
    ("nothing.csv", b"", "is empty"),
    ("photo.csv", b"\x89PNG\r\n\x1a\n" + bytes(200), "photo.csv is an image. Upload a table, JSON, or text."),
    ("numbers.csv", b"a,b\n1,2\n3,4\n5,6\n", "no two columns of text"),
    ("orders.csv", b"question,answer\nhello there,fine\none,two,three\nmore,less\n", "line 3 has 3 values, the first line has 2"),
)


def test_an_unusable_file_is_a_sentence_with_its_place(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    page.goto(tiny_server.url)
    for name, content, sentence in BAD_FILES:
        path = tmp_path / name
        path.write_bytes(content)
        page.set_input_files("#upload input[type=file]", str(path))
        expect(page.locator("#data-problem")).to_contain_text(sentence)
        assert "Traceback" not in page.locator("body").inner_text()
    assert "Traceback" not in tiny_server.log()
    page.click("#example-character")
    expect(page.locator("#to-training")).to_be_visible()


def test_data_is_kept_over_a_reload_and_text_stays_text(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    path = tmp_path / "hostile.csv"
    path.write_text("question,answer\n" + "".join(f"<img src=x onerror=alert({i})> ${{alert({i})}},<b>bold {i}</b> answer\n" for i in range(30)))
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(tiny_server.url)
    page.set_input_files("#upload input[type=file]", str(path))
    expect(page.locator("#to-training")).to_contain_text("30")
    expect(page.locator("#data-preview")).to_contain_text("onerror=alert(0)")
    page.reload()
    expect(page.locator("#data-preview")).to_contain_text("<b>bold 0</b>")
    page.click("#data-aside button")
    page.wait_for_timeout(500)
    assert dialogs == []
    assert page.locator("#data-result b:has-text('bold')").count() == 0


def killed(server: Server, run: str, before: int | None) -> int:
    """Kills the run's worker, another one than `before`. Returns its pid."""
    deadline = time.monotonic() + 60
    while (pid := server.studio().run(LOCAL, run).job.pid) in (None, before):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    return pid


def test_a_killed_training_worker_goes_on_twice_then_it_is_said_and_can_be_tried_again(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    run = submit(tiny_server, tmp_path, epochs=100)
    page.goto(tiny_server.url)
    expect(page.locator("#run-progress")).to_contain_text("Learning", timeout=60_000)
    pid = None
    for _ in range(3):
        pid = killed(tiny_server, run, pid)
    expect(page.locator("#run-remark")).to_contain_text(re.compile(r"Training ended unexpectedly at step \d+\."), timeout=30_000)
    page.click("#resume")
    expect(page.locator("#run-progress")).to_contain_text("Learning", timeout=60_000)
    page.click("#stop-training")
    expect(page.locator("#run-remark")).to_contain_text(re.compile(r"Stopped by you at step \d+ of \d+\."), timeout=60_000)
    expect(page.locator("#chat-with-it")).to_be_visible()


def test_a_killed_server_loses_nothing(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    run = submit(tiny_server, tmp_path, epochs=100)
    page.goto(tiny_server.url)
    expect(page.locator("#run-progress")).to_contain_text("Learning", timeout=60_000)
    worker = tiny_server.studio().run(LOCAL, run).job.pid
    tiny_server.kill()
    assert psutil.pid_exists(worker)
    tiny_server.start()
    page.goto(tiny_server.url)
    expect(page.locator("#run-progress")).to_contain_text("step", timeout=30_000)
    assert tiny_server.studio().run(LOCAL, run).job.pid == worker
    page.click("#stop-training")
    expect(page.locator("#run-remark")).to_contain_text("Stopped by you", timeout=60_000)


def test_a_closed_server_goes_on_at_the_next_start(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    run = submit(tiny_server, tmp_path, epochs=100)
    page.goto(tiny_server.url)
    expect(page.locator("#run-progress")).to_contain_text(re.compile(r"step \d+ of"), timeout=60_000)
    tiny_server.stop()
    assert "Saving a point of the running training; it goes on at the next start." in tiny_server.log()
    assert tiny_server.studio().run(LOCAL, run).job.state == "interrupted"
    tiny_server.start()
    page.goto(tiny_server.url)
    expect(page.locator("#run-remark")).to_contain_text(re.compile(r"continued from step \d+; nothing before it was lost"), timeout=60_000)
    page.click("#stop-training")
    expect(page.locator("#run-remark")).to_contain_text("Stopped by you", timeout=60_000)


def test_a_killed_chat_worker_is_said_and_the_next_question_works(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    submit(tiny_server, tmp_path)
    page.goto(tiny_server.url)
    page.click("#chat-with-it", timeout=90_000)
    page.fill("#question textarea", "lamp and sea")
    page.click("#ask")
    expect(page.locator("#chat-status")).to_contain_text("Both answered", timeout=60_000)
    chat = [p for p in psutil.Process(tiny_server.process.pid).children() if "qlora_demo.chat.worker" in p.cmdline()]
    chat[0].kill()
    page.fill("#question textarea", "storm boat")
    page.click("#ask")
    expect(page.locator("#chat-yours")).to_contain_text("storm boat")
    expect(page.locator("#chat-status")).not_to_contain_text("Both answered")
    expect(page.locator("#chat-status")).to_contain_text("Both answered", timeout=60_000)
    expect(page.locator("#ask")).to_be_visible()
    page.reload()
    expect(page.locator("#chat-with-it")).to_be_visible()
    page.click("#tabs button:has-text('3 Chat')")
    expect(page.locator("#chat-yours")).to_contain_text("storm boat")
    expect(page.locator("#chat-yours")).to_contain_text("lamp and sea")


def test_chat_answers_while_another_run_trains(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    """Every step redraws parts of the page, and none of it may undo what has streamed."""
    first = submit(tiny_server, tmp_path)
    page.goto(tiny_server.url + f"/?run={first}")
    expect(page.locator("#chat-with-it")).to_be_visible(timeout=90_000)
    second = submit(tiny_server, tmp_path, epochs=100, batch_size="1", micro_batch_size="1")  # thousands of steps: it outlasts two answers
    page.click("#chat-with-it")
    expect(page.locator("#activity")).to_contain_text(re.compile(r"Yours is training: \d+ %, .* left"), timeout=90_000)
    for question in ("lamp and sea", "storm boat"):
        page.fill("#question textarea", question)
        page.click("#ask")
        expect(page.locator("#chat-yours")).to_contain_text(question)
        expect(page.locator("#chat-status")).not_to_contain_text("Both answered")
        expect(page.locator("#chat-status")).to_contain_text("Both answered", timeout=90_000)
        expect(page.locator("#ask")).to_be_visible()
    assert tiny_server.studio().run(LOCAL, second).job.state == "running"


def test_the_main_line_by_keyboard_alone(tiny_server: Server, page: Page) -> None:
    page.goto(tiny_server.url)
    expect(page.locator("#example-character")).to_be_visible()
    for target in ("#example-character", "#to-training", "#start-training"):
        expect(page.locator(target)).to_be_enabled()
        tab_to(page, target)
        page.keyboard.press("Enter")
    expect(page.locator("#run-progress")).to_contain_text(re.compile("Learning|Getting|Reading"), timeout=60_000)
    expect(page.locator("#verdict")).to_be_visible(timeout=240_000)
    tab_to(page, "#chat-with-it")
    page.keyboard.press("Enter")
    expect(page.locator("#question textarea")).to_be_visible()
    tab_to(page, "#question textarea")
    page.keyboard.type("lamp and sea")
    page.keyboard.press("Enter")
    expect(page.locator("#chat-status")).to_contain_text("Both answered", timeout=60_000)


def tab_to(page: Page, target: str) -> None:
    """Presses Tab until `target` has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("target => document.activeElement.matches(target) || !!document.activeElement.closest(target)", target):
            return
    raise AssertionError(f"{target} cannot be reached with Tab")


def test_method_cards_move_with_tab_and_are_chosen_with_space(tiny_server: Server, page: Page) -> None:
    page.goto(tiny_server.url)
    page.click("#example-character")
    page.click("#to-training")
    expect(page.locator("#start-training")).to_be_enabled()
    lora = page.get_by_role("radio", name=re.compile("LoRA . unpacked"))
    for _ in range(60):
        page.keyboard.press("Tab")
        if lora.evaluate("radio => radio === document.activeElement"):
            break
    page.keyboard.press("Space")
    expect(lora).to_be_checked()


def test_the_running_server_has_no_torch(tiny_server: Server, page: Page) -> None:
    page.goto(tiny_server.url)
    page.click("#example-character")
    page.click("#to-training")
    expect(page.locator("#start-training")).to_be_enabled()
    loaded = {Path(region.path).name for region in psutil.Process(tiny_server.process.pid).memory_maps()}
    assert not {name for name in loaded if name.startswith(("libtorch", "libbitsandbytes"))}


def test_nothing_of_the_home_is_served(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    run = submit(tiny_server, tmp_path)
    for path in (tiny_server.home.ledger, tiny_server.home.run(run).run_json):
        response = page.request.get(f"{tiny_server.url}/gradio_api/file={path}")
        assert response.status in (403, 404)
    assert page.request.get(f"{tiny_server.url}/monitoring/summary").status in (403, 404)


def test_a_model_is_deleted_after_a_question(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    run = submit(tiny_server, tmp_path)
    page.goto(tiny_server.url)
    expect(page.locator("#chat-with-it")).to_be_visible(timeout=90_000)
    page.click("#tabs button:has-text('My models')")
    page.click("#delete-model")
    expect(page.locator("#delete-question")).to_contain_text("Model, data and report go for good.")
    page.click("#delete-no")
    assert tiny_server.home.run(run).path.exists()
    page.click("#delete-model")
    page.click("#delete-yes")
    expect(page.locator("#models-none")).to_be_visible()
    assert not tiny_server.home.run(run).path.exists()
